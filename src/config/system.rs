//! The system's own nameservers, for SYSTEM rules without an endpoint of their own. Reads one file of the
//! system; decides nothing.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::system_conf::read_system_conf;

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
/// address; the machine's other addresses are not known here (the mark on our own queries finds those).
pub fn is_own(target: SocketAddr, listen: &[SocketAddr]) -> bool {
    let address = target.ip().to_canonical();
    listen.iter().any(|listener| {
        let wildcard = listener.ip().is_unspecified() && listener.is_ipv4() == address.is_ipv4();
        listener.port() == target.port()
            && (listener.ip().to_canonical() == address || wildcard && address.is_loopback())
    })
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
        assert!(!own("127.0.0.1:5353") && !own("[::1]:53") && !own("10.0.0.2:53"));
    }
}
