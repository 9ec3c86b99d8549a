//! Tests of the zone as a whole: text in, diagnostics or messages out. Messages are read back with hickory.

mod answers;
mod checkzone;
mod faults;
mod model;
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
