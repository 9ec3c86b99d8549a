//! Proofs of what is not there, from chains that the tests make themselves: bounds, faults, and the property that
//! what is denied is proved.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::limits::NSEC3_ITERATIONS;
use crate::wire::name;
use crate::wire::rdata::rtype;
use crate::zone::OutcomeKind;
use crate::zone::proof::Parameters;

const APEX: &str = "example.";

/// Which chain a zone gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Nsec,
    Nsec3 { iterations: u16, opt_out: bool },
}

const PLAIN: Chain = Chain::Nsec3 { iterations: 0, opt_out: false };

/// An owner below the apex, and its records' type and data.
type Fact = (String, &'static str);

const CUT: &str = "NS ns1.example.";
const SIGNED_CUT: &str = "DS 1 8 2 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971";

fn wire(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn ancestors(name: &Name) -> impl Iterator<Item = Name> {
    std::iter::successors(Some(name.clone()), Name::parent).take_while(|name| name.is_within(&wire(APEX)))
}

/// The zone's text with a chain over all that it has authority for; signatures are left out.
fn chained(facts: &[Fact], chain: Chain) -> String {
    let mut text = format!(
        "{HEAD}@ DNSKEY 257 3 13 AAAA\n@ RRSIG SOA 13 1 3600 20300101000000 20200101000000 1 example. AAAA\n"
    );
    for (owner, data) in facts {
        text += &format!("{owner} {data}\n");
    }
    let owners = authoritative(facts, chain);
    match chain {
        Chain::Nsec => {
            for (owner, next) in owners.iter().zip(owners.iter().cycle().skip(1)) {
                text += &format!("{owner}. 300 NSEC {next}. A RRSIG NSEC\n");
            }
        }
        Chain::Nsec3 { iterations, opt_out } => {
            let hashes: BTreeSet<String> = owners.iter().map(|owner| hash(owner, iterations)).collect();
            for (hash, next) in hashes.iter().zip(hashes.iter().cycle().skip(1)) {
                text += &format!("{hash} 300 NSEC3 1 {} {iterations} ab {next} A RRSIG\n", u8::from(opt_out));
            }
            text += &format!("@ 0 NSEC3PARAM 1 0 {iterations} ab\n");
        }
    }
    text
}

/// The names that belong in a chain, in canonical order.
fn authoritative(facts: &[Fact], chain: Chain) -> BTreeSet<Name> {
    let mut owners: BTreeSet<Name> = [APEX, "ns1.example."].map(wire).into();
    let cuts: Vec<Name> = cuts(facts).collect();
    for (owner, _) in facts {
        let owner = wire(owner);
        let hidden = cuts.iter().any(|cut| owner.is_within(cut) && owner != *cut);
        let signed = || facts.iter().any(|(other, data)| wire(other) == owner && *data == SIGNED_CUT);
        let opted_out =
            matches!(chain, Chain::Nsec3 { opt_out: true, .. }) && cuts.contains(&owner) && !signed();
        if hidden || opted_out {
            continue;
        }
        match chain {
            Chain::Nsec => owners.insert(owner),
            // RFC 5155 section 7.1: empty non-terminals too.
            Chain::Nsec3 { .. } => {
                owners.extend(ancestors(&owner));
                true
            }
        };
    }
    owners
}

fn cuts(facts: &[Fact]) -> impl Iterator<Item = Name> {
    facts.iter().filter(|(_, data)| *data == CUT).map(|(owner, _)| wire(owner))
}

fn hash(name: &Name, iterations: u16) -> String {
    let parameters = Parameters { iterations, salt: [0xab].into() };
    String::from_utf8(parameters.label(name.as_wire()).to_vec()).unwrap()
}

fn facts(list: &[(&str, &'static str)]) -> Vec<Fact> {
    list.iter().map(|(owner, data)| (format!("{owner}.{APEX}"), *data)).collect()
}

fn some_facts() -> Vec<Fact> {
    facts(&[("www", "A 192.0.2.1"), ("*.w", "A 192.0.2.2"), ("c", CUT), ("a.b", "TXT t")])
}

fn signed_ask(zone: &Zone, qname: &str, qtype: u16) -> Reply {
    Ask { zone, dnssec_ok: true, limit: 65_535 }.query(qname, qtype)
}

/// How many records of a type the authority section has.
fn count(reply: &Reply, rtype: u16) -> usize {
    reply.message.authorities.iter().filter(|record| u16::from(record.record_type()) == rtype).count()
}

#[test]
fn a_whole_chain_is_found_and_only_asked_for_proves() {
    for (chain, rtype) in [(Chain::Nsec, rtype::NSEC), (PLAIN, rtype::NSEC3)] {
        let loaded = parse(&chained(&some_facts(), chain));
        assert_eq!(lines(&loaded), Vec::<String>::new());
        let zone = loaded.zone.unwrap();
        assert!(count(&signed_ask(&zone, "x.example.", rtype::A), rtype) >= 1);
        assert_eq!(ask(&zone, "x.example.", rtype::A).message.authorities.len(), 1);
        assert_eq!(count(&signed_ask(&zone, "q.w.example.", rtype::A), rtype), 1);
        assert_eq!(count(&signed_ask(&zone, "x.c.example.", rtype::A), rtype), 1, "no DS");
    }
}

/// What a chain with a fault says, and that denials then come without proof.
#[test]
fn a_broken_chain_is_told_of_once_and_not_used() {
    for chain in [Chain::Nsec, PLAIN] {
        let text = chained(&some_facts(), chain);
        let word = if chain == Chain::Nsec { " NSEC " } else { " NSEC3 " };
        let links: Vec<&str> = text.lines().filter(|line| line.contains(word)).collect();
        for link in &links {
            let broken = text.replace(&format!("{link}\n"), "");
            let loaded = parse(&broken);
            let told: Vec<&str> = loaded.diagnostics.iter().map(|fault| fault.code.as_str()).collect();
            assert_eq!(told, ["zone-denial"], "without {link}: {:?}", lines(&loaded));
            let reply = signed_ask(&loaded.zone.unwrap(), "x.example.", rtype::A);
            let proofs = count(&reply, rtype::NSEC) + count(&reply, rtype::NSEC3);
            assert_eq!((proofs, reply.outcome.rcode), (0, 3), "without {link}");
        }
        assert!(links.len() > 4);
    }
}

#[test]
fn each_fault_has_its_words() {
    let told = |text: &str| lines(&parse(text)).join("\n");
    let nsec = chained(&some_facts(), Chain::Nsec);
    assert!(
        told(&nsec.replace("www.example. 300 NSEC", "wwx.example. 300 NSEC"))
            .contains("www.example has no NSEC record")
    );
    assert!(
        told(&nsec.replace("NSEC ns1.example.", "NSEC ns2.example."))
            .contains("does not lead to the next one")
    );
    let unchained: String =
        nsec.lines().filter(|line| !line.contains(" NSEC ")).map(|line| format!("{line}\n")).collect();
    assert!(told(&unchained).contains("neither NSEC nor NSEC3PARAM"));
    let other = chained(&some_facts(), PLAIN).replace("NSEC3PARAM 1 0 0", "NSEC3PARAM 2 0 0");
    assert!(told(&other).contains("no NSEC3PARAM has SHA-1"));
    let late = chained(&some_facts(), PLAIN).replace("NSEC3PARAM 1 0 0 ab", "NSEC3PARAM 1 0 0 cd");
    assert!(told(&late).contains("example has no NSEC3 record"));
}

/// Run by hand for the figures: `cargo test --release --lib zone::tests::signed::a_million -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn a_million_signed_records() {
    use std::time::Instant;
    const SIGNATURE: &str = "8 2 300 20300101000000 20200101000000 1 example. ";
    let key = "A".repeat(88);
    let facts: Vec<Fact> =
        (0..250_000).map(|host| (format!("host-{host:07}.{APEX}"), "A 10.0.0.1")).collect();
    for chain in [Chain::Nsec, PLAIN, Chain::Nsec3 { iterations: 10, opt_out: false }] {
        let mut text = String::new();
        for line in chained(&facts, chain).lines() {
            text += &format!("{line}\n");
            let words: Vec<&str> = line.split(' ').collect();
            if let Some(rtype) = ["A", "NSEC", "NSEC3"]
                .iter()
                .find(|rtype| words[1..].iter().take(2).any(|word| word == *rtype))
            {
                text += &format!("{} 300 RRSIG {rtype} {SIGNATURE}{key}\n", words[0]);
            }
        }
        let started = Instant::now();
        let zone = zone(&text);
        let (loaded, records) = (started.elapsed(), zone.records());
        println!(
            "{chain:?}: {records} records read in {loaded:?}, {} octets each",
            zone.memory_bytes() / records
        );
        for (qname, qtype) in
            [("host-0000003.example.", 1), ("host-0000003.example.", 16), ("host-x.example.", 1)]
        {
            let qname = wire(qname);
            let mut buf = [0; 1232];
            let started = Instant::now();
            for _ in 0..100_000 {
                let mut writer = Writer::new(&mut buf, 1232);
                writer.question(qname.as_wire(), qtype, class::IN).unwrap();
                zone.answer(qname.as_wire(), qtype, true, &mut writer);
                writer.finish();
            }
            println!("  {qname:?} {qtype}: {} ns", started.elapsed().as_nanos() / 100_000);
        }
    }
}

/// RFC 9276 section 3.2: a resolver that sees one record with too many iterations asks for no more.
#[test]
fn too_many_iterations_cost_nothing_at_a_query() {
    let chain = |iterations| Chain::Nsec3 { iterations, opt_out: false };
    let most = parse(&chained(&some_facts(), chain(NSEC3_ITERATIONS)));
    assert!(most.diagnostics.is_empty(), "{:?}", lines(&most));
    for iterations in [NSEC3_ITERATIONS + 1, u16::MAX] {
        let loaded = parse(&chained(&some_facts(), chain(iterations)));
        assert!(lines(&loaded)[0].contains(&format!("{iterations} iterations")), "{:?}", lines(&loaded));
        let zone = loaded.zone.unwrap();
        let apex = hash(&wire(APEX), iterations);
        for (qname, qtype) in
            [("x.example.", 1), ("www.example.", 16), ("q.w.example.", 1), ("x.c.example.", 1)]
        {
            let reply = signed_ask(&zone, qname, qtype);
            assert_eq!(count(&reply, rtype::NSEC3), 1, "{qname}");
            assert!(reply.authorities().iter().any(|line| line.starts_with(&apex)), "{qname}");
        }
    }
}

/// RFC 5155 section 7.2.8, and the names beside it that do exist.
#[test]
fn an_owner_of_nsec3_exists_only_with_other_data() {
    let text = chained(&some_facts(), PLAIN);
    let owner = format!("{}.example.", hash(&wire("www.example."), 0));
    let plain = zone(&text);
    for qtype in [rtype::NSEC3, rtype::ANY, rtype::A] {
        assert_eq!(ask(&plain, &owner, qtype).outcome.kind, OutcomeKind::NxDomain);
        assert_eq!(ask(&plain, &format!("x.{owner}"), qtype).outcome.kind, OutcomeKind::NxDomain);
    }
    let beside = zone(&format!("{text}{owner} A 192.0.2.9\n"));
    assert_eq!(ask(&beside, &owner, rtype::A).outcome.kind, OutcomeKind::Answer);
    let above = zone(&format!("{text}x.{owner} A 192.0.2.9\n"));
    assert_eq!(ask(&above, &owner, rtype::A).outcome.kind, OutcomeKind::NoData);
}

/// RFC 6672 section 2.4 forbids what lies below a DNAME, but the NSEC3 records of a zone lie below its apex.
#[test]
fn a_dname_at_the_apex_of_a_zone_with_nsec3() {
    let apex = wire(APEX);
    let text = format!(
        "$TTL 3600\n@ SOA ns.test. h.test. 1 1 1 1 1\n@ NS ns.test.\n@ DNAME other.test.\n@ NSEC3PARAM 1 0 0 ab\n\
         {0} NSEC3 1 0 0 ab {0} NS SOA DNAME\n",
        hash(&apex, 0)
    );
    let loaded = parse(&text);
    assert!(loaded.diagnostics.is_empty(), "{:?}", lines(&loaded));
    let zone = loaded.zone.unwrap();
    assert_eq!(count(&signed_ask(&zone, APEX, rtype::A), rtype::NSEC3), 1);
    assert_eq!(signed_ask(&zone, &format!("{}.example.", hash(&apex, 0)), rtype::A).answers().len(), 2);
}

fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
    let label = prop_oneof![Just("a"), Just("b"), Just("c"), Just("*"), Just("z9"), Just("A")];
    let owner = prop::collection::vec(label, 1..4).prop_map(|labels| format!("{}.{APEX}", labels.join(".")));
    let data =
        prop_oneof![3 => Just("A 192.0.2.1"), 1 => Just("TXT t"), 1 => Just(CUT), 1 => Just(SIGNED_CUT)];
    prop::collection::vec((owner, data), 0..12).prop_map(tidy)
}

/// A DS stands at a cut alone, and nothing lies at or below a cut but NS and DS.
fn tidy(facts: Vec<Fact>) -> Vec<Fact> {
    let mut tidied = Vec::new();
    for (owner, data) in facts {
        tidied.push((owner.clone(), data));
        if data == SIGNED_CUT {
            tidied.push((owner, CUT));
        }
    }
    let cuts: Vec<Name> = cuts(&tidied).collect();
    tidied.retain(|(owner, data)| {
        let owner = wire(owner);
        !cuts.iter().any(|cut| owner.is_within(cut) && (owner != *cut || !matches!(*data, CUT | SIGNED_CUT)))
    });
    tidied
}

fn any_chain() -> impl Strategy<Value = Chain> {
    let nsec3 =
        (0u16..3, any::<bool>()).prop_map(|(iterations, opt_out)| Chain::Nsec3 { iterations, opt_out });
    prop_oneof![1 => Just(Chain::Nsec), 2 => nsec3]
}

fn any_qname() -> impl Strategy<Value = String> {
    let label = prop_oneof![Just("a"), Just("b"), Just("c"), Just("*"), Just("0"), Just("zz"), Just("z9")];
    prop::collection::vec(label, 0..5)
        .prop_map(|labels| labels.iter().map(|label| format!("{label}.")).chain([APEX.to_owned()]).collect())
}

/// What a validator learns from the authority section.
enum Seen {
    /// Owner and next name.
    Nsec(Vec<(Name, Name)>),
    /// Owner's and next hash, and opt-out.
    Nsec3(Vec<(String, String, bool)>, u16),
}

impl Seen {
    fn of(reply: &Reply, chain: Chain) -> Seen {
        let records = reply.message.authorities.iter();
        let rdata = |record: &Record| {
            let mut bytes = Vec::new();
            let mut encoder = hickory_proto::serialize::binary::BinEncoder::new(&mut bytes);
            hickory_proto::serialize::binary::BinEncodable::emit(&record.data, &mut encoder).unwrap();
            bytes
        };
        let of_type = move |wanted: u16| {
            records.clone().filter(move |record| u16::from(record.record_type()) == wanted)
        };
        match chain {
            Chain::Nsec => {
                let read = of_type(rtype::NSEC).map(|record| {
                    let data = rdata(record);
                    let next = Name::from_wire(&data[..name::wire_len(&data).unwrap()]).unwrap();
                    (wire(&record.name.to_string()), next)
                });
                Seen::Nsec(read.collect())
            }
            Chain::Nsec3 { iterations, .. } => {
                let read = of_type(rtype::NSEC3).map(|record| {
                    let data = rdata(record);
                    // Behind algorithm, flags, iterations, a salt of one octet and the length.
                    let next = super::super::proof::base32hex(data[7..27].try_into().unwrap());
                    let owner = record.name.to_string().to_ascii_lowercase();
                    let next = String::from_utf8(next.to_vec()).unwrap();
                    (owner[..32].to_owned(), next, data[1] & 1 != 0)
                });
                Seen::Nsec3(read.collect(), iterations)
            }
        }
    }

    fn matches(&self, name: &Name) -> bool {
        match self {
            Seen::Nsec(links) => links.iter().any(|(owner, _)| owner == name),
            Seen::Nsec3(links, iterations) => links.iter().any(|link| link.0 == hash(name, *iterations)),
        }
    }

    /// Is the name between an owner and the next?
    fn covers(&self, name: &Name) -> bool {
        match self {
            Seen::Nsec(links) => links.iter().any(|(owner, next)| between(owner, name, next)),
            Seen::Nsec3(links, iterations) => {
                links.iter().any(|(owner, next, _)| between(owner, &hash(name, *iterations), next))
            }
        }
    }

    fn opts_out(&self, name: &Name) -> bool {
        let Seen::Nsec3(links, iterations) = self else { return false };
        links.iter().any(|(owner, next, opt_out)| *opt_out && between(owner, &hash(name, *iterations), next))
    }

    /// RFC 5155 section 8.3 as a validator does it: the longest ancestor with a match, and what is next closer.
    fn provable(&self, name: &Name) -> Option<(Name, Name)> {
        let chain: Vec<Name> = ancestors(name).collect();
        chain.windows(2).find(|pair| self.matches(&pair[1])).map(|pair| (pair[1].clone(), pair[0].clone()))
    }

    /// RFC 4035 section 5.4 and RFC 5155 section 8.4.
    fn proves_name_error(&self, name: &Name, encloser: &Name) -> bool {
        match self {
            Seen::Nsec(_) => self.covers(name) && self.covers(&encloser.child(b"*").unwrap()),
            Seen::Nsec3(..) => self.provable(name).is_some_and(|(encloser, closer)| {
                self.covers(&closer)
                    && (self.opts_out(&closer) || self.covers(&encloser.child(b"*").unwrap()))
            }),
        }
    }

    /// RFC 4035 section 5.4 and RFC 5155 sections 8.5 and 8.6.
    fn proves_no_data(&self, name: &Name) -> bool {
        let empty = match self {
            Seen::Nsec(links) => {
                links.iter().any(|(owner, next)| between(owner, name, next) && next.is_within(name))
            }
            Seen::Nsec3(..) => self.provable(name).is_some_and(|(_, closer)| self.opts_out(&closer)),
        };
        self.matches(name) || empty
    }

    /// RFC 5155 section 8.8, and the same with NSEC.
    fn proves_expansion(&self, name: &Name, encloser: &Name) -> bool {
        let closer = ancestors(name).take_while(|suffix| suffix != encloser).last().unwrap();
        self.covers(if matches!(self, Seen::Nsec(_)) { name } else { &closer })
    }
}

/// In a circle: the last one's next is the first.
fn between<T: Ord>(owner: &T, name: &T, next: &T) -> bool {
    if owner < next { owner < name && name < next } else { owner < name || name < next }
}

/// The longest ancestor that exists (RFC 4592 section 3.3.1).
fn encloser(facts: &[Fact], name: &Name) -> Name {
    let exists = |candidate: &Name| {
        let owners = facts.iter().map(|(owner, _)| wire(owner)).chain([wire("ns1.example.")]);
        owners.into_iter().any(|owner| owner.is_within(candidate))
    };
    ancestors(name).find(exists).unwrap()
}

fn check(facts: &[Fact], chain: Chain, zone: &Zone, qname: &str, qtype: u16) {
    let reply = signed_ask(zone, qname, qtype);
    let seen = Seen::of(&reply, chain);
    let name = wire(qname);
    let encloser = encloser(facts, &name);
    let wildcard = encloser.child(b"*").unwrap();
    let shown = || format!("{qname} {qtype} {chain:?} {:#?}", reply.authorities());
    let outcome = &reply.outcome;
    if outcome.used.wildcard {
        assert!(seen.proves_expansion(&name, &encloser), "expansion of {}", shown());
    }
    match outcome.kind {
        OutcomeKind::NxDomain => assert!(seen.proves_name_error(&name, &encloser), "NXDOMAIN of {}", shown()),
        OutcomeKind::NoData => {
            let denied = if outcome.used.wildcard { &wildcard } else { &name };
            assert!(seen.proves_no_data(denied), "NODATA of {}", shown());
        }
        OutcomeKind::Delegation if count(&reply, rtype::DS) == 0 => {
            let cut = cuts(facts).find(|cut| name.is_within(cut)).unwrap();
            assert!(seen.proves_no_data(&cut), "no DS of {}", shown());
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_denied_is_proved(
        facts in any_facts(), chain in any_chain(), names in prop::collection::vec(any_qname(), 1..20),
    ) {
        let loaded = parse(&chained(&facts, chain));
        prop_assert!(loaded.diagnostics.iter().all(|fault| fault.code != "zone-denial"), "{:?}", lines(&loaded));
        let zone = loaded.zone.unwrap();
        for name in &names {
            for qtype in [rtype::A, rtype::TXT, rtype::DS, rtype::NS] {
                check(&facts, chain, &zone, name, qtype);
            }
        }
    }

    /// Lines lost or out of place: whatever is left of the chain, questions are answered, in any size.
    #[test]
    fn a_torn_zone_never_panics(
        facts in any_facts(), chain in any_chain(), names in prop::collection::vec(any_qname(), 1..20),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..4), swap: bool, limit in 300usize..900,
    ) {
        let text = chained(&facts, chain);
        let mut kept: Vec<String> = text.lines().map(str::to_owned).collect();
        for index in lost {
            // The first four lines are what every zone needs.
            let at = 4 + index.index(kept.len().saturating_sub(4).max(1));
            if at < kept.len() {
                kept.remove(at);
            }
        }
        if swap {
            kept.iter_mut().for_each(|line| *line = line.replace(" NSEC3 1 0", " NSEC3 1 9").replace("NSEC a.", "NSEC q.a."));
        }
        let Some(zone) = parse(&(kept.join("\n") + "\n")).zone else { return Ok(()) };
        for name in &names {
            for qtype in [rtype::A, rtype::TXT, rtype::DS, rtype::ANY, rtype::NSEC3] {
                Ask { zone: &zone, dnssec_ok: true, limit }.query(name, qtype);
            }
        }
    }
}
