//! Which clients may ask. Networks become sorted ranges once; a client costs one binary search.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// The clients that may ask.
pub struct AccessList {
    networks: Vec<IpNet>,
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl AccessList {
    pub fn new(networks: &[IpNet]) -> AccessList {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for network in networks {
            match network {
                IpNet::V4(net) => v4.push((u32::from(net.network()), u32::from(net.broadcast()))),
                IpNet::V6(net) => v6.push((u128::from(net.network()), u128::from(net.broadcast()))),
            }
        }
        AccessList { networks: networks.to_vec(), v4: merge(v4), v6: merge(v6) }
    }

    pub fn allows(&self, client: IpAddr) -> bool {
        match client {
            IpAddr::V4(address) => contains(&self.v4, u32::from(address)),
            // A client of a dual-stack socket is the IPv4 host that it is.
            IpAddr::V6(address) => match mapped(address) {
                Some(v4) => contains(&self.v4, v4),
                None => contains(&self.v6, u128::from(address)),
            },
        }
    }

    /// The narrowest network that lets `client` in, for whoever wants to know why.
    pub fn matching(&self, client: IpAddr) -> Option<IpNet> {
        self.networks.iter().filter(|net| net.contains(&client)).max_by_key(|net| net.prefix_len()).copied()
    }
}

fn mapped(address: Ipv6Addr) -> Option<u32> {
    address.to_ipv4_mapped().map(u32::from)
}

fn merge<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(previous) if first <= previous.1 => previous.1 = previous.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

fn contains<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= value);
    after > 0 && ranges[after - 1].1 >= value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_of_networks() {
        let list = AccessList::new(
            &["10.0.0.0/8", "10.1.0.0/16", "192.168.1.4/30", "2001:db8::/32"].map(|net| net.parse().unwrap()),
        );
        for (client, allowed) in [
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("192.168.1.3", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::ffff:10.2.3.4", true),
            ("::ffff:11.2.3.4", false),
        ] {
            assert_eq!(list.allows(client.parse().unwrap()), allowed, "{client}");
        }
        assert_eq!(list.matching("10.1.2.3".parse().unwrap()), Some("10.1.0.0/16".parse().unwrap()));
        assert!(!AccessList::new(&[]).allows("127.0.0.1".parse().unwrap()));
    }
}
