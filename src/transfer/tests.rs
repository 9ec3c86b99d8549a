//! Transfers from one end to the other without a socket: what goes out comes in, and what is no transfer is refused.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Semaphore;

use super::held::{Held, Peer, Source, Terms};
use super::intake::{Fault, Intake, Transfer};
use super::outflow::{Content, Outflow};
use super::secondary;
use crate::limits::{EXPIRE_MIN, MESSAGE};
use crate::policy::access::AccessList;
use crate::wire::name::{Name, parse_wire};
use crate::wire::rdata::rtype;
use crate::zone::{Delta, Serial, Zone};

fn zone(serial: u32, more: &str) -> Arc<Zone> {
    let text = format!("$TTL 60\n@ SOA ns h {serial} 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n{more}");
    let name = Name::parse("corp.example").unwrap();
    Arc::new(Zone::parse(&name, &text, Path::new("/nowhere")).zone.expect("it is sound"))
}

fn messages(content: Content, qtype: u16) -> Vec<Vec<u8>> {
    let mut question = parse_wire(b"corp.example").unwrap();
    question.extend(qtype.to_be_bytes());
    question.extend([0, 1]);
    let mut outflow = Outflow::new(7, 0, &question, Some(false), content);
    let mut out = vec![0; MESSAGE];
    std::iter::from_fn(|| outflow.next(100, &mut out).map(|len| out[..len].to_vec())).collect()
}

fn taken(messages: &[Vec<u8>], have: Option<u32>) -> Result<Option<Transfer>, Fault> {
    let mut intake = Intake::new(&Name::parse("corp.example").unwrap(), have.map(Serial));
    let mut last = None;
    for message in messages {
        last = intake.take(message)?;
    }
    Ok(last)
}

#[test]
fn a_whole_zone_arrives() {
    let many: String =
        (0..5_000).map(|host| format!("h{host} TXT \"{host} {}\"\n", "x".repeat(90))).collect();
    let large = format!("big TXT {}\n", format!("\"{}\" ", "y".repeat(250)).repeat(250));
    for (more, at_least) in [("", 1), (many.as_str(), 15), (large.as_str(), 2)] {
        let zone = zone(5, more);
        let messages = messages(Content::Whole(Arc::clone(&zone)), rtype::AXFR);
        assert!(messages.len() >= at_least, "{} messages", messages.len());
        let Ok(Some(Transfer::Whole(records))) = taken(&messages, None) else { panic!("it is whole") };
        let again = Zone::from_records(zone.name(), records.iter(), "a test").unwrap();
        assert_eq!(again.digest(), zone.digest());
        // Cut short it is none.
        assert!(matches!(taken(&messages[..messages.len() - 1], None), Ok(None)));
    }
}

#[test]
fn what_changed_arrives() {
    let versions = [zone(1, "a A 192.0.2.1\n"), zone(2, "b A 192.0.2.2\n"), zone(9, "b A 192.0.2.3\n")];
    let deltas: Vec<Arc<Delta>> =
        versions.windows(2).map(|pair| Arc::new(pair[0].difference(&pair[1]))).collect();
    let content = Content::Changes(Arc::clone(&versions[2]), deltas.clone());
    let sent = messages(content, rtype::IXFR);
    let Ok(Some(Transfer::Changes(came))) = taken(&sent, Some(1)) else { panic!("they are whole") };
    assert_eq!(came, deltas.iter().map(|delta| Delta::clone(delta)).collect::<Vec<_>>());
    let there = versions[0].changed(&Delta::joined(&came).unwrap()).unwrap();
    assert_eq!(there.digest(), versions[2].digest());
    // For another version than ours they are no use.
    assert_eq!(taken(&sent, Some(3)).err(), Some(Fault::Sequence));
    // Nothing newer, and all of it instead.
    let soa = messages(Content::Soa(Arc::clone(&versions[2])), rtype::IXFR);
    assert!(matches!(taken(&soa, Some(9)), Ok(Some(Transfer::Current(Serial(9))))));
    assert!(matches!(taken(&soa, Some(1)), Ok(None)), "more has to come");
    let whole = messages(Content::Whole(Arc::clone(&versions[2])), rtype::IXFR);
    assert!(matches!(taken(&whole, Some(1)), Ok(Some(Transfer::Whole(_)))));
}

/// Whatever octet is wrong, there is a reason or the zone that the octets say, and never a panic.
#[test]
fn broken_messages_are_survived() {
    let sent = messages(Content::Whole(zone(5, "a MX 10 mail\n")), rtype::AXFR);
    for at in 0..sent[0].len() {
        for bit in 0..8 {
            let mut broken = sent[0].clone();
            broken[at] ^= 1 << bit;
            let _ = taken(&[broken], None);
        }
    }
    for cut in 0..sent[0].len() {
        // The OPT at the end is the only part that a transfer can do without.
        assert!(!matches!(taken(&[sent[0][..cut].to_vec()], None), Ok(Some(_))), "cut at {cut}");
    }
    let other = messages(Content::Whole(zone(5, "")), rtype::IXFR);
    assert_eq!(taken(&other, None).err(), Some(Fault::NotAnAnswer), "another question");
    let twice = [sent[0].clone(), sent[0].clone()];
    assert_eq!(taken(&twice, None).err(), Some(Fault::Trailing));
}

/// `corp.example`, fetched from where nobody is.
fn secondary_in(folder: &Path) -> Held {
    let list = || Arc::new(AccessList::new(Vec::new()));
    Held::new(Terms {
        name: Name::parse("corp.example").unwrap(),
        view: String::new(),
        source: Source::Primaries,
        primaries: vec![Peer { address: ([127, 0, 0, 1], 9).into(), key: None }],
        notify: Vec::new(),
        allow_transfer: list(),
        allow_update: list(),
        allow_notify: list(),
        state: Some(folder.to_owned()),
    })
}

/// RFC 1034 section 4.3.5, over restarts: the time counts from when a primary last vouched, and not from the start.
#[tokio::test]
async fn a_zone_expires_when_nobody_vouches_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let held = secondary_in(folder.path());
    held.begin_secondary();
    // The SOA says a second, which is less than the least.
    let nearly = SystemTime::now() - EXPIRE_MIN + Duration::from_secs(3);
    let sound = zone(5, "a A 192.0.2.10\n");
    assert_eq!(held.take_version(Arc::into_inner(sound).unwrap(), None, nearly), None);
    assert!(held.zone().is_some());
    drop(held);

    let held = Arc::new(secondary_in(folder.path()));
    held.begin_secondary();
    assert!(held.zone().is_some(), "it still holds");
    let keeper = tokio::spawn(secondary::keep(Arc::clone(&held), Arc::new(Semaphore::new(1))));
    let end = Instant::now() + Duration::from_secs(30);
    while held.zone().is_some() {
        assert!(Instant::now() < end, "it does not expire");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    keeper.abort();
    let (_, why) = held.story().failure.expect("it is told");
    assert!(why.contains("expired") || why.contains("primary"), "{why}");
    drop((keeper.await, held));

    let held = secondary_in(folder.path());
    held.begin_secondary();
    assert!(held.zone().is_none(), "expired is expired, after a restart too");
    assert_eq!(held.stored().map(|zone| zone.serial()), Some(5), "what to ask for is still known");
    // A primary that vouches for it makes it good again.
    held.vouched(SystemTime::now());
    assert_eq!(held.zone().as_ref().map(|zone| zone.serial()), Some(5));
}
