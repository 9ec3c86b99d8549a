//! Questions out of a configuration: what its zones hold and what stands beside it, the domains of its rules and
//! their borders, the names it answers by itself. The same files give the same questions in the same order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use super::question::{Gathering, Question};
use crate::config::Config;
use crate::limits::COMPARE_GATHERED;
use crate::policy::builtin::{self, Content};
use crate::wire::name::Name;
use crate::wire::rdata::{self, Field, class, rtype};
use crate::zone::{RecordsOfType, Zone};

/// A label that nobody has: what it makes is missing, or matches a wildcard.
const NOBODY: &[u8] = b"dnsfwd-compare";
/// Questions that one name of a zone, or one rule, makes, on average at most.
const PER_NAME: usize = 8;
/// Types of which one that a name lacks is asked for: an answer without data.
const COMMON: [u16; 4] = [rtype::A, rtype::AAAA, rtype::MX, rtype::TXT];
/// What stands for all the world's names, where a rule takes them: domains reserved for it (RFC 2606 section 3).
const WORLD: [&str; 3] = ["example.com", "example.net", "example.org"];

pub fn generate<Z: Deref<Target = Zone>>(
    config: &Config,
    zones: impl Iterator<Item = Z>,
    gathering: &mut Gathering,
) {
    for zone in zones {
        gathering.begin(format!("zone {}", zone.name()));
        borders(zone.name(), gathering);
        for (owner, sets) in zone.owners().step_by(stride(zone.name_count())) {
            let Ok(owner) = Name::from_wire(owner) else { continue };
            zone_name(&owner, zone.name(), &sets, gathering);
        }
    }
    gathering.begin("rules");
    for rule in config.rules.iter().step_by(stride(config.rules.len())) {
        rule_domain(&rule.name(), gathering);
    }
    gathering.begin("built-in names");
    for (domain, content, _) in builtin::all() {
        let domain = Name::parse(&domain).expect("built-in names are sound");
        builtin_name(&domain, content, gathering);
    }
}

/// Every which of so many names is taken, so that all of them are represented.
fn stride(names: usize) -> usize {
    (names * PER_NAME).div_ceil(COMPARE_GATHERED).max(1)
}

fn zone_name(owner: &Name, apex: &Name, sets: &[RecordsOfType<'_>], gathering: &mut Gathering) {
    let mut ask = |name: Option<Name>, rtype| gathering.add_some(name, rtype);
    let has = |rtype| sets.iter().any(|(own, _)| *own == rtype);
    for (rtype, _) in sets {
        ask(Some(owner.clone()), *rtype);
    }
    if has(rtype::CNAME) {
        ask(Some(owner.clone()), rtype::A);
        ask(Some(owner.clone()), rtype::AAAA);
    } else if let Some(missing) = COMMON.into_iter().find(|&common| !has(common)) {
        ask(Some(owner.clone()), missing);
    }
    let below = owner.as_wire().strip_prefix(b"\x01*").and_then(|parent| Name::from_wire(parent).ok());
    if let Some(parent) = below {
        let instance = parent.child(NOBODY).ok();
        let deeper = instance.as_ref().and_then(|instance| instance.child(b"a").ok());
        let types = sets.iter().map(|(rtype, _)| *rtype);
        types.for_each(|rtype| ask(instance.clone(), rtype));
        ask(deeper, rtype::A);
    } else {
        ask(owner.child(NOBODY).ok(), rtype::A);
        if owner != apex {
            ask(beside(owner), rtype::A);
        }
    }
    for (rtype, data) in sets {
        data.iter().for_each(|data| met(*rtype, data, gathering));
    }
}

impl Gathering {
    fn add_some(&mut self, name: Option<Name>, rtype: u16) {
        name.into_iter().for_each(|name| self.add(Question::new(name, rtype)));
    }
}

/// What a record leads to: the reverse name of an address, the address of a name.
fn met(kind: u16, data: &[u8], gathering: &mut Gathering) {
    match kind {
        rtype::A => {
            let octets: Option<[u8; 4]> = data.try_into().ok();
            gathering.add_some(octets.and_then(|octets| reverse(octets.into())), rtype::PTR);
        }
        rtype::AAAA => {
            let octets: Option<[u8; 16]> = data.try_into().ok();
            gathering.add_some(octets.and_then(|octets| reverse(octets.into())), rtype::PTR);
        }
        rtype::NS | rtype::CNAME | rtype::MX | rtype::SRV | rtype::PTR => {
            gathering.add_some(name_in(kind, data), rtype::A);
        }
        _ => {}
    }
}

fn name_in(kind: u16, data: &[u8]) -> Option<Name> {
    let mut rest = data;
    for field in rdata::layout(kind, class::IN) {
        let len = rdata::field_len(*field, rest)?;
        if matches!(field, Field::Name | Field::PlainName) {
            return Name::from_wire(&rest[..len]).ok();
        }
        rest = &rest[len..];
    }
    None
}

fn rule_domain(domain: &Name, gathering: &mut Gathering) {
    for rtype in [rtype::SOA, rtype::NS, rtype::A] {
        gathering.add(Question::new(domain.clone(), rtype));
    }
    if is_reverse(domain) {
        gathering.add_some(address_below(domain), rtype::PTR);
    } else {
        gathering.add_some(domain.child(b"www").ok(), rtype::A);
        gathering.add_some(domain.child(b"www").ok(), rtype::AAAA);
    }
    gathering.add_some(domain.child(NOBODY).ok(), rtype::A);
    borders(domain, gathering);
    if domain.is_root() {
        for name in WORLD.into_iter().filter_map(|text| Name::parse(text).ok()) {
            gathering.add_some(name.child(b"www").ok(), rtype::A);
            for rtype in [rtype::A, rtype::AAAA, rtype::MX, rtype::NS, rtype::SOA] {
                gathering.add(Question::new(name.clone(), rtype));
            }
        }
    }
}

/// Just outside of a domain: its parent, and a sibling that only begins as it does.
fn borders(domain: &Name, gathering: &mut Gathering) {
    if let Some(parent) = domain.parent().filter(|parent| !parent.is_root()) {
        gathering.add(Question::new(parent.clone(), rtype::SOA));
        gathering.add(Question::new(parent, rtype::A));
    }
    if !domain.is_root() {
        gathering.add_some(beside(domain), rtype::A);
    }
}

fn builtin_name(domain: &Name, content: Content, gathering: &mut Gathering) {
    match content {
        Content::Loopback => {
            gathering.add(Question::new(domain.clone(), rtype::A));
            gathering.add(Question::new(domain.clone(), rtype::AAAA));
            gathering.add_some(domain.child(NOBODY).ok(), rtype::A);
        }
        Content::LoopbackPointer => {
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let own = loopback.into_iter().filter_map(reverse).find(|name| name.is_within(domain));
            gathering.add_some(own, rtype::PTR);
        }
        Content::Empty if is_reverse(domain) => gathering.add_some(address_below(domain), rtype::PTR),
        Content::Empty => gathering.add_some(domain.child(NOBODY).ok(), rtype::A),
    }
}

/// `www-0` for `www`: none, where the label has no room.
fn beside(name: &Name) -> Option<Name> {
    let label = &name.as_wire()[1..1 + usize::from(name.as_wire()[0])];
    name.parent()?.child(&[label, b"-0"].concat()).ok()
}

fn is_reverse(domain: &Name) -> bool {
    reverse_labels(domain).is_some()
}

/// Labels of an address's name in the tree that the domain is in.
fn reverse_labels(domain: &Name) -> Option<usize> {
    let trees = [("in-addr.arpa", 4), ("ip6.arpa", 32)];
    let tree = |(tree, labels)| Some((Name::parse(tree).ok()?, labels));
    let own = trees.into_iter().filter_map(tree).find(|(tree, _)| domain.is_within(tree))?;
    Some(own.1 + 2)
}

/// The reverse name of some address below a reverse domain; none if the domain is an address's own name.
fn address_below(domain: &Name) -> Option<Name> {
    let wanted = reverse_labels(domain)?;
    let missing = wanted.saturating_sub(domain.label_count());
    let name = (0..missing).try_fold(domain.clone(), |name, _| name.child(b"1"));
    name.ok().filter(|_| missing > 0)
}

/// RFC 1035 section 3.5 and RFC 3596 section 2.5.
fn reverse(address: IpAddr) -> Option<Name> {
    let text = match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let nibbles =
                v6.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            nibbles.chain(["ip6.arpa".to_owned()]).collect()
        }
    };
    Name::parse(&text).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn asked(text: &str, zone: &str, records: &str) -> Vec<String> {
        let config =
            crate::config::load_text(Path::new("dnsfwd.toml"), text.to_owned()).config.expect("sound");
        let name = Name::parse(zone).expect("a name");
        let zone = Zone::parse(&name, records, Path::new("zone")).zone.expect("sound");
        let mut gathering = Gathering::default();
        generate(&config, [&zone].into_iter(), &mut gathering);
        gathering.pick(10_000).questions.iter().map(ToString::to_string).collect()
    }

    const CONFIG: &str = "version = 1\n[[endpoint]]\nname = \"e\"\ntargets = [{ address = \"192.0.2.1\" }]\n\
                          [[rule]]\ndomains = [\"aws.example\", \".\"]\nreverse = [\"10.1.0.0/16\"]\nendpoint = \"e\"\n";
    const ZONE: &str = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 10.1.2.3\nwww CNAME web.aws.example.\n\
                        *.wild TXT x\nsix AAAA 2001:db8::1\na.b.c A 192.0.2.9\n";

    #[test]
    fn what_is_there_and_what_stands_beside_it() {
        let asked = asked(CONFIG, "corp.example", ZONE);
        for expected in [
            "corp.example SOA",
            "corp.example A",
            "ns.corp.example A",
            "ns.corp.example AAAA",
            "ns-0.corp.example A",
            "dnsfwd-compare.ns.corp.example A",
            "3.2.1.10.in-addr.arpa PTR",
            "www.corp.example CNAME",
            "www.corp.example A",
            "web.aws.example A",
            "*.wild.corp.example TXT",
            "dnsfwd-compare.wild.corp.example TXT",
            "a.dnsfwd-compare.wild.corp.example A",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR",
            "b.c.corp.example A",
            "example SOA",
            "corp-0.example A",
            "aws.example NS",
            "www.aws.example AAAA",
            "dnsfwd-compare.aws.example A",
            "aws-0.example A",
            ". SOA",
            "www.example.com A",
            "1.1.1.10.in-addr.arpa PTR",
            "localhost AAAA",
            "1.0.0.127.in-addr.arpa PTR",
            "dnsfwd-compare.invalid A",
            "1.1.168.192.in-addr.arpa PTR",
        ] {
            assert!(asked.iter().any(|asked| asked == expected), "{expected} in {asked:#?}");
        }
    }

    #[test]
    fn the_same_each_time_and_thousands_for_thousands() {
        use std::fmt::Write;
        let mut records = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 10.1.2.3\n".to_owned();
        (0..2_000).for_each(|number| writeln!(records, "h{number} A 10.9.0.1").expect("memory"));
        let first = asked(CONFIG, "corp.example", &records);
        assert!(first.len() > 8_000, "{}", first.len());
        assert_eq!(first, asked(CONFIG, "corp.example", &records));
    }
}
