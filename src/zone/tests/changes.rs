//! Zones made from other ones: whatever the changes, they answer as if read from a file, and what would not be a
//! zone is refused.

use std::sync::Arc;

use proptest::prelude::*;

use super::model::{Fact, Model, facts, owner, text_of};
use super::*;
use crate::wire::name::Presentation;
use crate::wire::rdata::rtype;
use crate::zone::{Delta, History, Record, Records, Serial, Unfit, Walk};

fn version(facts: &[Fact], serial: usize) -> Zone {
    zone(&text_of(facts).replace("h.test. 1 ", &format!("h.test. {serial} ")))
}

/// All records, sorted, as text.
fn content(zone: &Zone) -> Vec<String> {
    let mut lines = vec![line(zone.soa())];
    let mut walk = Walk::new(Arc::new(clone(zone)));
    while let Some(record) = walk.current() {
        lines.push(line(record));
        walk.advance();
    }
    lines.sort();
    lines
}

fn line(record: Record<'_>) -> String {
    format!("{} {} {} {:02x?}", Presentation(record.owner), record.ttl, record.rtype, record.rdata)
}

fn records(zone: &Zone) -> Records {
    let mut all = Records::default();
    all.push(zone.soa());
    let mut walk = Walk::new(Arc::new(clone(zone)));
    while let Some(record) = walk.current() {
        all.push(record);
        walk.advance();
    }
    all
}

/// Of a zone that is not signed.
fn clone(zone: &Zone) -> Zone {
    Zone { name: zone.name.clone(), store: zone.store.clone(), denial: None, ..*zone }
}

fn of(owner: &str, rtype: u16, rdata: &[u8]) -> Records {
    let owner = parse_wire(owner.as_bytes()).unwrap();
    [Record { owner: &owner, rtype, ttl: 3600, rdata }].into_iter().collect()
}

/// A change of the zone of `HEAD` to serial 8, and what it takes away and adds beside.
fn change(zone: &Zone, deleted: Records, added: Records) -> Result<Zone, Unfit> {
    let mut soa = zone.soa().rdata.to_vec();
    let at = soa.len() - 20;
    soa[at..at + 4].copy_from_slice(&8u32.to_be_bytes());
    let with_soa = |rdata: &[u8], more: &Records| {
        [Record { rdata, ..zone.soa() }].into_iter().chain(more.iter()).collect::<Records>()
    };
    let (deleted, added) = (with_soa(zone.soa().rdata, &deleted), with_soa(&soa, &added));
    zone.changed(&Delta { from: Serial(7), to: Serial(8), deleted, added })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Three versions, one made from the other.
    #[test]
    fn a_changed_zone_is_as_one_that_was_read(
        versions in prop::collection::vec(facts(), 3),
        asked in prop::collection::vec((owner(), 0..5usize), 6),
    ) {
        let mut at = version(&versions[0], 1);
        for (serial, facts) in (2..).zip(&versions[1..]) {
            let wanted = version(facts, serial);
            let delta = at.difference(&wanted);
            at = at.changed(&delta).map_err(|unfit| TestCaseError::fail(unfit.to_string()))?;
            prop_assert_eq!(content(&at), content(&wanted));
            prop_assert_eq!((at.records(), at.serial()), (wanted.records(), wanted.serial()));
            let all = records(&at);
            let again = Zone::from_records(at.name(), all.iter(), "a test").unwrap();
            prop_assert_eq!(again.digest(), at.digest());
            for (qname, qtype) in &asked {
                let qtype = [rtype::A, rtype::TXT, rtype::CNAME, rtype::NS, rtype::DS][*qtype];
                let (expected, kind) = Model(facts).answer(qname, qtype);
                let reply = ask(&at, qname, qtype);
                prop_assert_eq!(reply.outcome.kind, kind, "{} {}", qname, qtype);
                prop_assert_eq!(reply.message.answers.len(), expected.len());
                prop_assert_eq!(reply.outcome, ask(&wanted, qname, qtype).outcome);
            }
            let packed = Zone { store: at.store.packed().unwrap(), ..clone(&at) };
            for (qname, _) in &asked {
                prop_assert_eq!(ask(&packed, qname, 1).outcome, ask(&at, qname, 1).outcome);
            }
        }
    }
}

#[test]
fn what_would_be_no_zone_is_refused() {
    let zone = with_head("www CNAME ns1\n");
    let none = Records::default;
    let says = |deleted, added| change(&zone, deleted, added).err().map(|unfit| unfit.to_string());
    assert_eq!(says(none(), of("new.example", 1, &[192, 0, 2, 1])), None);
    let ns = parse_wire(b"ns1.example").unwrap();
    assert_eq!(says(of("example", 2, &ns), none()).unwrap(), "the zone has no NS record at its apex");
    assert_eq!(
        says(none(), of("www.example", 1, &[192, 0, 2, 1])).unwrap(),
        "www.example has a CNAME record and other data (A)"
    );
    assert_eq!(
        says(none(), of("www.example", 5, &ns)).unwrap(),
        "a record www.example CNAME comes that is there already"
    );
    assert_eq!(
        says(none(), of("www.example", 5, &parse_wire(b"x.example").unwrap())).unwrap(),
        "www.example has more than one CNAME record"
    );
    assert_eq!(
        says(of("gone.example", 1, &[192, 0, 2, 1]), none()).unwrap(),
        "a record gone.example A goes that is not there"
    );
    assert_eq!(
        says(none(), of("other.test", 1, &[192, 0, 2, 1])).unwrap(),
        "other.test is not within the zone"
    );
    let soa = zone.soa().rdata.to_vec();
    assert_eq!(says(none(), of("a.example", 6, &soa)).unwrap(), "an SOA at a.example, below the zone's apex");
    let late = Delta { from: Serial(6), to: Serial(8), deleted: none(), added: none() };
    assert_eq!(zone.changed(&late).err(), Some(Unfit::OtherSerial { at: Serial(7), from: Serial(6) }));
}

/// Names come to be and go, with the empty names above them.
/// The chain of NSEC goes with the names.
#[test]
fn a_change_of_a_signed_zone_changes_its_proofs() {
    let old = with_head("@ NSEC ns1 NS SOA NSEC\nns1 NSEC www A NSEC\nwww A 192.0.2.1\nwww NSEC @ A NSEC\n");
    let text = HEAD.replace(" 7 ", " 8 ");
    let more = "@ NSEC ns1 NS SOA NSEC\nns1 NSEC p A NSEC\np A 192.0.2.2\np NSEC @ A NSEC\n";
    let new = zone(&format!("{text}{more}"));
    let changed = old.changed(&old.difference(&new)).unwrap();
    let says = |zone: &Zone, qname: &str| {
        let reply = Ask { zone, dnssec_ok: true, limit: 4096 }.query(qname, rtype::A);
        (texts(&reply.message.answers), texts(&reply.message.authorities))
    };
    for qname in ["o.example", "p.example", "q.example", "www.example", "a.p.example"] {
        assert_eq!(says(&changed, qname), says(&new, qname), "{qname}");
    }
    assert_ne!(says(&changed, "q.example"), says(&old, "q.example"));
}

#[test]
fn a_name_without_records_is_gone() {
    let zone = with_head("");
    let there = change(&zone, Records::default(), of("a.b.c.example", 1, &[192, 0, 2, 1])).unwrap();
    assert_eq!(ask(&there, "b.c.example", 1).outcome.kind, crate::zone::OutcomeKind::NoData);
    let delta = there.difference(&Zone { serial: 9, ..clone(&zone) });
    let mut delta = Delta { from: Serial(8), ..delta };
    // Back to serial 7 by its SOA.
    delta.to = Serial(7);
    let gone = there.changed(&delta).unwrap();
    assert_eq!(ask(&gone, "b.c.example", 1).outcome.kind, crate::zone::OutcomeKind::NxDomain);
    assert_eq!(content(&gone), content(&zone));
}

/// Churn does not pile up: what is left behind is packed away.
#[test]
fn memory_stays_bounded_under_changes() {
    let mut zone = with_head("");
    let mut most = 0;
    for round in 0..3_000u32 {
        let text = format!("{HEAD}h{round} TXT \"{}\"\n", "x".repeat(200));
        let next = Zone { serial: round + 8, ..super::zone(&text) };
        let mut delta = zone.difference(&next);
        // The texts' SOAs all say 7.
        delta.to = Serial(7);
        let from = Zone { serial: 7, ..zone };
        zone = from.changed(&Delta { from: Serial(7), ..delta }).unwrap();
        most = most.max(zone.memory_bytes());
    }
    assert!(most < 1 << 20, "{most} octets for four records");
    assert_eq!(zone.records(), 4);
}

#[test]
fn history_is_bounded_and_has_no_holes() {
    let delta = |from: u32| {
        let one = of("a.example", 16, &[3, b'a', b'b', b'c']);
        Arc::new(Delta { from: Serial(from), to: Serial(from + 1), deleted: one.clone(), added: one })
    };
    let octets = delta(1).octets();
    let mut history = History::default();
    for serial in 1..=10 {
        history.push(delta(serial), 4 * octets);
    }
    assert_eq!(history.octets(), 4 * octets);
    assert_eq!(history.since(Serial(7)).unwrap().len(), 4);
    assert!(history.since(Serial(6)).is_none() && history.since(Serial(11)).is_none());
    history.push(delta(20), 4 * octets);
    assert!(history.since(Serial(10)).is_none());
    assert_eq!(history.since(Serial(20)).unwrap().len(), 1);
}

/// Run by hand for the figures: `cargo test --release --lib changes::how_long -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn how_long_a_change_takes() {
    use std::fmt::Write;
    use std::time::Instant;
    for count in [1_000, 100_000, 1_000_000] {
        let mut text = HEAD.to_owned();
        for host in 0..count {
            let _ = writeln!(text, "host-{host:07} A 10.{}.{}.{}", host >> 16, host >> 8 & 255, host & 255);
        }
        let mut zone = super::zone(&text);
        let mut added = 0u32;
        for size in [1, 100, 10_000] {
            let names =
                (0..size).map(|name| parse_wire(format!("n{}.example", added + name).as_bytes()).unwrap());
            let names: Vec<Vec<u8>> = names.collect();
            added += size;
            let more = |name| Record { owner: name, rtype: 1, ttl: 60, rdata: &[10, 0, 0, 1] };
            let started = Instant::now();
            zone = change(
                &Zone { serial: 7, ..zone },
                Records::default(),
                names.iter().map(|name| more(name)).collect(),
            )
            .map(|zone| Zone { serial: 7, ..zone })
            .unwrap_or_else(|unfit| panic!("{unfit}"));
            println!("{count} records, {size} added in {:?}", started.elapsed());
        }
        let started = Instant::now();
        let packed = zone.store.packed().unwrap();
        println!("{count} records packed anew in {:?}, {} octets", started.elapsed(), packed.memory_bytes());
    }
}
