//! Tests of the zone as a whole: text in, diagnostics or messages out. Messages are read back with hickory.

mod answers;
mod changes;
mod checkzone;
mod faults;
mod model;
mod nsd;
mod rdata;

use std::path::Path;

use hickory_proto::op::Message;
use hickory_proto::rr::Record;

use super::{Loaded, Outcome, Zone};
use crate::wire::name::{Name, fold_in_place, parse_wire};
use crate::wire::rdata::class;
use crate::wire::write::Writer;

/// SOA and NS of `example.`, and an address for the server.
const HEAD: &str = "\
$TTL 3600
@ SOA ns1 hostmaster 7 3600 900 1209600 300
@ NS ns1
ns1 A 192.0.2.53
";

fn parse(text: &str) -> Loaded {
    Zone::parse(&Name::parse("example.").unwrap(), text, Path::new("/nowhere/example.zone"))
}

/// The zone of a sound text; warnings are no matter here.
fn zone(text: &str) -> Zone {
    let loaded = parse(text);
    loaded.zone.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

/// The zone of `HEAD` and more.
fn with_head(more: &str) -> Zone {
    zone(&format!("{HEAD}{more}"))
}

/// A diagnostic in one line, for comparison.
fn lines(loaded: &Loaded) -> Vec<String> {
    let shown = loaded.diagnostics.iter().map(|fault| {
        let severity = format!("{:?}", fault.severity).to_ascii_lowercase();
        format!("{}:{} {severity} {}: {}", fault.line, fault.column, fault.code, fault.message)
    });
    shown.collect()
}

struct Reply {
    outcome: Outcome,
    message: Message,
    len: usize,
}

struct Ask<'z> {
    zone: &'z Zone,
    dnssec_ok: bool,
    limit: usize,
}

impl Ask<'_> {
    fn query(&self, qname: &str, qtype: u16) -> Reply {
        let spelled = parse_wire(qname.as_bytes()).unwrap();
        let mut folded = spelled.clone();
        fold_in_place(&mut folded);
        let mut buf = vec![0; self.limit];
        let mut writer = Writer::new(&mut buf, self.limit);
        writer.set_flags(0x8000);
        writer.question(&spelled, qtype, class::IN).unwrap();
        let outcome = self.zone.answer(&folded, qtype, self.dnssec_ok, &mut writer);
        let len = writer.finish();
        let message = Message::from_vec(&buf[..len]).unwrap();
        Reply { outcome, message, len }
    }
}

fn ask(zone: &Zone, qname: &str, qtype: u16) -> Reply {
    Ask { zone, dnssec_ok: false, limit: 4096 }.query(qname, qtype)
}

fn texts(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| format!("{} {} {} {}", record.name, record.ttl, record.record_type(), record.data))
        .collect()
}

impl Reply {
    fn answers(&self) -> Vec<String> {
        texts(&self.message.answers)
    }

    fn authorities(&self) -> Vec<String> {
        texts(&self.message.authorities)
    }

    fn additionals(&self) -> Vec<String> {
        texts(&self.message.additionals)
    }
}

#[test]
fn what_a_zone_tells_about_itself() {
    let text = format!("{HEAD}www A 192.0.2.1\n");
    let loaded = zone(&text);
    assert_eq!(loaded.name().to_string(), "example");
    assert_eq!((loaded.serial(), loaded.records()), (7, 4));
    assert!(loaded.memory_bytes() > 100);
    assert_eq!(loaded.digest(), zone(&format!("; other text, same content\n{text}")).digest());
    assert_ne!(loaded.digest(), zone(&text.replace("192.0.2.1\n", "192.0.2.2\n")).digest());
}

/// Run by hand for the figures: `cargo test --release --lib zone::tests::a_million -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn a_million_records() {
    use std::fmt::Write;
    use std::time::Instant;
    for count in [10, 100_000, 1_000_000] {
        let mut text = HEAD.to_owned();
        for host in 0..count {
            let _ =
                writeln!(text, "host-{host:07} A 10.{}.{}.{}", host >> 16 & 255, host >> 8 & 255, host & 255);
        }
        let started = Instant::now();
        let zone = zone(&text);
        let loaded = started.elapsed();
        let mut buf = [0; 512];
        for name in ["host-0000003.example.", "host-x.example.", "a.b.c.example."] {
            let wire = parse_wire(name.as_bytes()).unwrap();
            let started = Instant::now();
            for _ in 0..100_000 {
                let mut writer = Writer::new(&mut buf, 512);
                writer.question(&wire, 1, class::IN).unwrap();
                zone.answer(&wire, 1, false, &mut writer);
                writer.finish();
            }
            println!("{count} records, {name} {} ns", started.elapsed().as_nanos() / 100_000);
        }
        println!("{count} records: read in {loaded:?}, {} octets each", zone.memory_bytes() / zone.records());
    }
}
