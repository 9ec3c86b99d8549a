//! The system's own nameservers, for SYSTEM rules without an endpoint of their own. Reads one file of the
//! system; decides nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use hickory_resolver::system_conf::read_system_conf;
use ipnet::IpNet;

use super::defaults;

/// What the file is called in messages, and the endpoint made of it.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";
pub(super) const ENDPOINT: &str = "resolv.conf";

/// What is asked of the machine; tests bring their own.
#[derive(Clone, Copy)]
pub(super) struct Machine<'a> {
    pub nameservers: &'a dyn Fn() -> Vec<IpAddr>,
    /// Whether an address is one of its own.
    pub has: &'a dyn Fn(IpAddr) -> bool,
    /// The addresses of its interfaces, each with the length of its network's prefix.
    pub networks: &'a dyn Fn() -> Vec<IpNet>,
}

/// The machine that this runs on.
pub(super) const THIS: Machine<'static> =
    Machine { nameservers: &nameservers, has: &is_local, networks: &interfaces };

/// The addresses of this machine's interfaces, each with the length of its network's prefix. None when the system does
/// not tell: then they stand for nobody, which errs to the safe side.
pub fn interfaces() -> Vec<IpNet> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let network = |address: if_addrs::IfAddr| match address {
        if_addrs::IfAddr::V4(v4) => IpNet::new(v4.ip.into(), v4.prefixlen).ok(),
        if_addrs::IfAddr::V6(v6) => IpNet::new(v6.ip.into(), v6.prefixlen).ok(),
    };
    interfaces.into_iter().filter_map(|interface| network(interface.addr)).collect()
}

/// None when the file can't be read or names none: both end in the same advice.
fn nameservers() -> Vec<IpAddr> {
    match read_system_conf() {
        Ok((config, _)) => config.name_servers().iter().map(|server| server.ip).collect(),
        Err(_) => Vec::new(),
    }
}

/// Would a query to `target` come back to one of our listeners? A wildcard listens on every loopback
/// address, and on those that the machine has now; one that it gets later is found by marked questions.
pub(super) fn is_own(target: SocketAddr, listen: &[SocketAddr], machine: Machine<'_>) -> bool {
    let address = target.ip().to_canonical();
    listen.iter().any(|listener| {
        let wildcard = listener.ip().is_unspecified() && listener.is_ipv4() == address.is_ipv4();
        listener.port() == target.port()
            && (listener.ip().to_canonical() == address
                || wildcard && (address.is_loopback() || (machine.has)(address)))
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
    source().is_ok_and(|source| source.ip() == address)
}

/// Whether asking `target` means asking this very server, as far as that can be told.
pub fn is_this_server(target: SocketAddr, listen: &[SocketAddr]) -> bool {
    is_own(target, listen, THIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses() {
        let listen: Vec<SocketAddr> =
            ["0.0.0.0:53", "[::1]:5353"].iter().map(|text| text.parse().unwrap()).collect();
        let has = |address| address == IpAddr::from([10, 0, 0, 1]);
        let machine = Machine { nameservers: &Vec::new, has: &has, networks: &Vec::new };
        let own = |text: &str| is_own(text.parse().unwrap(), &listen, machine);
        assert!(own("127.0.0.53:53") && own("[::ffff:127.0.0.1]:53") && own("[::1]:5353"));
        assert!(own("10.0.0.1:53") && !own("10.0.0.1:5353"), "any address of the machine's own");
        assert!(!own("127.0.0.1:5353") && !own("[::1]:53") && !own("10.0.0.2:53"));
    }

    /// This machine is one whose own address towards another one is its own; that other one is not.
    #[test]
    fn the_machines_addresses() {
        assert!(interfaces().contains(&"127.0.0.1/8".parse().unwrap()));
        assert!(is_local([127, 0, 0, 1].into()) && is_local(Ipv6Addr::LOCALHOST.into()));
        assert!(!is_local([255, 255, 255, 255].into()) && !is_local([203, 0, 113, 77].into()));
    }
}
