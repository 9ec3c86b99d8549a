//! Networks to the domains of their reverse names: in-addr.arpa (RFC 1035 section 3.5) and ip6.arpa
//! (RFC 3596 section 2.5). Pure.

use ipnet::IpNet;

use crate::wire::name::Name;

/// The domains that together hold exactly the reverse names of `network`.
///
/// A prefix between two labels gives one domain for each value of the label that it cuts: 2^(8-n) for
/// IPv4, at most 128, and at most 8 for IPv6. Host bits must be zero.
pub fn domains(network: IpNet) -> Vec<Name> {
    match network {
        IpNet::V4(network) => {
            let labels = network.network().octets().map(u32::from);
            expand(&labels, 8, network.prefix_len(), "in-addr.arpa", |label| label.to_string())
        }
        IpNet::V6(network) => {
            let labels: Vec<u32> = network
                .network()
                .octets()
                .iter()
                .flat_map(|&o| [u32::from(o >> 4), u32::from(o & 15)])
                .collect();
            expand(&labels, 4, network.prefix_len(), "ip6.arpa", |label| format!("{label:x}"))
        }
    }
}

/// True when the prefix ends between two labels, so that one domain says the same as the network.
pub fn is_exact(network: IpNet) -> bool {
    let bits = if network.addr().is_ipv4() { 8 } else { 4 };
    network.prefix_len().is_multiple_of(bits)
}

fn expand(labels: &[u32], bits: u8, prefix: u8, top: &str, show: fn(&u32) -> String) -> Vec<Name> {
    let whole = usize::from(prefix / bits);
    let rest = prefix % bits;
    let parent =
        labels[..whole].iter().map(show).fold(top.to_owned(), |name, label| format!("{label}.{name}"));
    if rest == 0 {
        return vec![name(&parent)];
    }
    let first = labels[whole];
    (first..first + (1 << (bits - rest))).map(|label| name(&format!("{}.{parent}", show(&label)))).collect()
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("at most 34 short labels of digits are a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(network: &str) -> Vec<String> {
        domains(network.parse().unwrap()).iter().map(Name::to_string).collect()
    }

    #[test]
    fn ipv4_on_octets() {
        assert_eq!(derived("0.0.0.0/0"), ["in-addr.arpa"]);
        assert_eq!(derived("10.0.0.0/8"), ["10.in-addr.arpa"]);
        assert_eq!(derived("10.1.0.0/16"), ["1.10.in-addr.arpa"]);
        assert_eq!(derived("192.0.2.0/24"), ["2.0.192.in-addr.arpa"]);
        assert_eq!(derived("192.0.2.255/32"), ["255.2.0.192.in-addr.arpa"]);
    }

    #[test]
    fn ipv4_between_octets() {
        let twelve: Vec<String> = (16..32).map(|n| format!("{n}.172.in-addr.arpa")).collect();
        assert_eq!(derived("172.16.0.0/12"), twelve);
        assert_eq!(
            derived("10.4.0.0/14"),
            ["4.10.in-addr.arpa", "5.10.in-addr.arpa", "6.10.in-addr.arpa", "7.10.in-addr.arpa"]
        );
        let twenty: Vec<String> = (240..256).map(|n| format!("{n}.1.10.in-addr.arpa")).collect();
        assert_eq!(derived("10.1.240.0/20"), twenty);
        let twenty_six: Vec<String> = (64..128).map(|n| format!("{n}.2.0.192.in-addr.arpa")).collect();
        assert_eq!(derived("192.0.2.64/26"), twenty_six);
        assert_eq!(derived("128.0.0.0/1").len(), 128);
        assert_eq!(
            derived("255.255.255.254/31"),
            ["254.255.255.255.in-addr.arpa", "255.255.255.255.in-addr.arpa"]
        );
    }

    #[test]
    fn ipv6_by_nibble() {
        assert_eq!(derived("::/0"), ["ip6.arpa"]);
        assert_eq!(derived("2001:db8::/32"), ["8.b.d.0.1.0.0.2.ip6.arpa"]);
        let thirty_three: Vec<String> =
            "89abcdef".chars().map(|n| format!("{n}.8.b.d.0.1.0.0.2.ip6.arpa")).collect();
        assert_eq!(derived("2001:db8:8000::/33"), thirty_three);
        assert_eq!(derived("2001:db8:1::/48"), ["1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]);
        assert_eq!(derived("2001:db8:1:a::/64"), ["a.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]);
        assert_eq!(
            derived("2001:db8::b/128"),
            ["b.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]
        );
    }

    #[test]
    fn exact_prefixes() {
        for (network, exact) in
            [("10.0.0.0/8", true), ("172.16.0.0/12", false), ("2001:db8::/33", false), ("fd00::/8", true)]
        {
            assert_eq!(is_exact(network.parse().unwrap()), exact, "{network}");
            assert_eq!(derived(network).len() == 1, exact, "{network}");
        }
    }
}
