//! The mark by which a question of ours is known again when it comes back: a name below the rule's domain with a
//! random number in its first label. Nothing else of a question survives all servers that may stand in a loop.
//!
//! What of a question reaches the server that it is forwarded to (measured with a query that had all four):
//!
//! | forwarder | ID | EDNS option 65001 | case of the name | the name |
//! |---|---|---|---|---|
//! | BIND 9.18.49 | new | dropped | kept | kept |
//! | Unbound 1.17.1 | new | dropped | kept; random with `use-caps-for-id` | kept |
//! | PowerDNS Recursor 4.8.8 | new | dropped | kept | kept |
//! | Knot Resolver 5.6.0 | new | dropped | random | kept |
//! | dnsmasq 2.90 | new | kept | kept | kept |
//! | dnsdist 1.7.3 | new | kept | kept | kept |
//! | NSD 4.6.1 | never forwards | | | |

use crate::wire::name::Name;

const PREFIX: &[u8] = b"dnsfwd-loop-";
const DIGITS: usize = 16;

/// 64 random bits: a client can't guess one that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark(pub u64);

impl Mark {
    /// The name to ask a target for. None: the domain leaves no room for another label of this length.
    pub fn name(self, domain: &Name) -> Option<Name> {
        let mut label = PREFIX.to_vec();
        label.extend_from_slice(format!("{:0DIGITS$x}", self.0).as_bytes());
        domain.child(&label).ok()
    }

    /// The mark in a name in wire form and lower case, whoever made it.
    pub fn of(qname: &[u8]) -> Option<Mark> {
        let label = qname.get(1..=usize::from(*qname.first()?))?;
        let digits = label.strip_prefix(PREFIX).filter(|digits| digits.len() == DIGITS)?;
        u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().map(Mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("literal")
    }

    #[test]
    fn a_mark_is_read_back_from_its_name() {
        for (mark, domain) in [(Mark(0), "."), (Mark(u64::MAX), "corp.example"), (Mark(0x1f), "a.b.c.d")] {
            let marked = mark.name(&name(domain)).expect("room");
            assert!(marked.is_within(&name(domain)));
            assert_eq!(Mark::of(marked.as_wire()), Some(mark), "{marked}");
        }
    }

    #[test]
    fn other_names_have_none() {
        let others = [
            ".",
            "example",
            "dnsfwd-loop-.example",
            "dnsfwd-loop-1f.example",
            "www.dnsfwd-loop-000000000000001f.example",
            "dnsfwd-loop-000000000000001g.example",
            "dnsfwd-loop-00000000000000001f.example",
            "+nsfwd-loop-000000000000001f.example",
        ];
        assert!(others.iter().all(|text| Mark::of(name(text).as_wire()).is_none()));
    }

    #[test]
    fn a_domain_may_leave_no_room() {
        let long = name(&format!("{0}.{0}.{0}.{1}", "x".repeat(60), "x".repeat(50)));
        assert_eq!(Mark(1).name(&long), None);
    }
}
