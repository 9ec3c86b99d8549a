//! The system's own nameservers, for SYSTEM rules without an endpoint of their own. Reads one file of the
//! system; decides nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use hickory_resolver::system_conf::read_system_conf;

use super::defaults;

/// What the file is called in messages, and the endpoint made of it.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";
pub(super) const ENDPOINT: &str = "resolv.conf";

/// Where the nameservers come from; tests bring their own.
pub(super) type Nameservers<'a> = &'a dyn Fn() -> Vec<IpAddr>;

/// None when the file can't be read or names none: both end in the same advice.
pub(super) fn nameservers() -> Vec<IpAddr> {
    match read_system_conf() {
        Ok((config, _)) => config.name_servers().iter().map(|server| server.ip).collect(),
        Err(_) => Vec::new(),
    }
}

/// Would a query to `target` come back to one of our listeners? A wildcard listens on every loopback
/// address, and on those that the machine has now; one that it gets later is found by marked questions.
pub(super) fn is_own(target: SocketAddr, listen: &[SocketAddr]) -> bool {
    let address = target.ip().to_canonical();
    listen.iter().any(|listener| {
        let wildcard = listener.ip().is_unspecified() && listener.is_ipv4() == address.is_ipv4();
        listener.port() == target.port()
            && (listener.ip().to_canonical() == address || wildcard && is_local(address))
    })
}

/// Whether the machine has this address: then the system takes it as the source of what is sent there. Connecting
/// a datagram socket sends nothing. Binding to the address would tell less: with `ip_nonlocal_bind`, as servers
/// with a floating address have it, that always succeeds.
fn is_local(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, defaults::DNS_PORT))?;
        socket.local_addr()
    };
    address.is_loopback() || source().is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses() {
        let listen: Vec<SocketAddr> =
            ["0.0.0.0:53", "[::1]:5353"].iter().map(|text| text.parse().unwrap()).collect();
        let own = |text: &str| is_own(text.parse().unwrap(), &listen);
        assert!(own("127.0.0.53:53") && own("[::ffff:127.0.0.1]:53") && own("[::1]:5353"));
        let source = || {
            let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
            socket.connect("192.0.2.1:53").ok()?;
            Some(socket.local_addr().ok()?.ip())
        };
        if let Some(ours) = source() {
            assert!(own(&format!("{ours}:53")) && !own(&format!("{ours}:5353")), "{ours}");
        }
        assert!(!own("127.0.0.1:5353") && !own("[::1]:53") && !own("10.0.0.2:53"));
    }
}
