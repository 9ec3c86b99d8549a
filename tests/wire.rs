//! Properties of the wire code on arbitrary and mutated messages (RFC 1035 section 4, RFC 6891, RFC 2181
//! section 8): nothing panics, what is handed on is sound, and hickory-proto reads the same from it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "fuzz/checks.rs"]
mod checks;

use checks::{LIMITS, check_query, check_reply, query_for, question};
use dnsfwd::wire::answer::Answer;
use dnsfwd::wire::header::HEADER;
use dnsfwd::wire::query::{Folded, Judged, judge};
use dnsfwd::wire::reply::{Reply, scan};
use dnsfwd::wire::write::{Section, Writer};
use dnsfwd::wire::{name, rdata};
use hickory_proto::op::Message;
use proptest::prelude::*;

/// A sound reply with a bit of everything: CNAMEs, compression, an OPT in the middle of the additional section.
fn full_reply(opt_at: usize) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut writer = Writer::new(&mut buffer, 4096);
    let wire = |text: &str| name::parse_wire(text.as_bytes()).unwrap();
    writer.set_flags(0x8580);
    writer.question(&wire("www.example.com"), 1, 1).unwrap();
    writer.record(Section::Answer, &wire("www.example.com"), 5, 1, 300, &wire("web.example.com")).unwrap();
    writer.record(Section::Answer, &wire("web.example.com"), 1, 1, 60, &[10, 0, 0, 1]).unwrap();
    writer.record(Section::Answer, &wire("web.example.com"), 0xff28, 1, 0x8000_0001, &[1]).unwrap();
    let mut soa = [wire("ns.example.com"), wire("host.example.com")].concat();
    soa.extend([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]);
    writer.record(Section::Authority, &wire("example.com"), 6, 1, 900, &soa).unwrap();
    let additional =
        [("ns.example.com", 1u8), ("glue.other.net", 2), ("deep.glue.other.net", 3), ("glue.other.net", 4)];
    for (index, (owner, octet)) in additional.into_iter().enumerate() {
        if index == opt_at {
            writer.opt(1232, 0x8000, &[0, 15, 0, 4, 0, 22, b'h', b'i']).unwrap();
        }
        writer.record(Section::Additional, &wire(owner), 1, 1, 60, &[10, 0, 0, octet]).unwrap();
    }
    if opt_at >= 4 {
        writer.opt(1232, 0x8000, &[0, 15, 0, 4, 0, 22, b'h', b'i']).unwrap();
    }
    writer.finish_in_place().to_vec()
}

#[test]
fn an_opt_anywhere_in_the_additional_section_is_taken_out_cleanly() {
    for opt_at in 0..=4 {
        let message = full_reply(opt_at);
        let mut reply = Reply::default();
        scan(&message, &question(), &mut reply).unwrap();
        let answer = Answer::from_reply(&message, &question(), &reply, LIMITS, false);
        let query = query_for(&question(), None);
        let mut folded = Folded::default();
        let Judged::Ask(query) = judge(&query, &mut folded) else { panic!() };
        let mut out = vec![0; 4096];
        let len = answer.view().deliver(&query, 10, 4096, &mut out);
        let delivered = Message::from_vec(&out[..len]).unwrap();
        let owners: Vec<String> =
            delivered.additionals.iter().map(|record| record.name.to_string()).collect();
        assert_eq!(owners, ["ns.example.com.", "glue.other.net.", "deep.glue.other.net.", "glue.other.net."]);
        let ttls: Vec<u32> = delivered.answers.iter().map(|record| record.ttl).collect();
        assert_eq!(ttls, [290, 50, 0], "aged, and a TTL with its top bit set is zero");
        check_reply(&message, &question());
    }
}

#[test]
fn pointers_into_what_changes_are_refused() {
    // The owner of the second record points into the first one's TTL, where three octets make a name.
    let mut message = vec![0, 0, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
    message.extend(question());
    let ttl_at = message.len() + 2 + 4;
    message.extend([0xc0, 12, 0, 1, 0, 1, 1, b'a', 0, 0, 0, 4, 10, 0, 0, 1]);
    message.extend([0xc0, ttl_at as u8, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1]);
    assert!(scan(&message, &question(), &mut Reply::default()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_judged(packet in proptest::collection::vec(any::<u8>(), 0..600)) {
        check_query(&packet);
    }

    #[test]
    fn mutated_queries_are_judged(edns in any::<bool>(), edits in edits(), cut in 0usize..80) {
        let mut packet = query_for(&question(), edns.then_some(1232));
        apply(&mut packet, &edits);
        packet.truncate(packet.len().saturating_sub(cut / 4));
        check_query(&packet);
    }

    #[test]
    fn mutated_replies_are_scanned(opt_at in 0usize..6, edits in edits(), cut in 0usize..400) {
        let mut message = full_reply(opt_at);
        apply(&mut message, &edits);
        message.truncate(message.len().saturating_sub(cut.saturating_sub(300)));
        check_reply(&message, &question());
    }

    #[test]
    fn any_records_are_scanned(body in proptest::collection::vec(any::<u8>(), 0..300), counts in any::<[u8; 3]>()) {
        let mut message = vec![0, 0, 0x81, 0x80, 0, 1, 0, counts[0] % 4, 0, counts[1] % 4, 0, counts[2] % 4];
        message.extend(question());
        message.extend(body);
        check_reply(&message, &question());
    }

    #[test]
    fn what_hickory_writes_is_scanned_and_handed_on(records in proptest::collection::vec((0u8..6, any::<u32>(), any::<[u8; 16]>()), 0..20)) {
        let message = hickory_reply(&records);
        let mut reply = Reply::default();
        scan(&message, &question(), &mut reply).expect("hickory writes sound messages");
        check_reply(&message, &question());
    }

    #[test]
    fn layouts_agree_with_their_lengths(rtype in 0u16..300, rdata in proptest::collection::vec(any::<u8>(), 0..64)) {
        // Soundness never reads past the end, and a sound RDATA is written as long as it is.
        if rdata::is_sound(rtype, 1, &rdata) {
            let mut buffer = vec![0; 1024];
            let mut writer = Writer::new(&mut buffer, 1024);
            writer.record(Section::Answer, &[0], rtype, 1, 0, &rdata).unwrap();
            prop_assert!(writer.len() <= HEADER + 11 + rdata.len());
        }
    }
}

fn hickory_reply(records: &[(u8, u32, [u8; 16])]) -> Vec<u8> {
    use hickory_proto::rr::{Name, RData, Record, rdata as hickory};
    let mut header = vec![7, 7, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
    header.extend(question());
    let mut message = Message::from_vec(&header).unwrap();
    for (kind, ttl, octets) in records {
        let label = octets[0] % 5;
        let owner = Name::from_ascii(format!("n{label}.example.com.")).unwrap();
        let data = match kind {
            0 => RData::A(hickory::A::new(octets[0], octets[1], octets[2], octets[3])),
            1 => RData::AAAA(hickory::AAAA(std::net::Ipv6Addr::from(*octets))),
            2 => RData::CNAME(hickory::CNAME(owner.clone())),
            3 => RData::MX(hickory::MX::new(u16::from(octets[1]), owner.clone())),
            4 => RData::TXT(hickory::TXT::new(vec![format!("{octets:?}")])),
            _ => RData::NS(hickory::NS(owner.clone())),
        };
        message.add_answer(Record::from_rdata(owner, *ttl, data));
    }
    message.to_vec().unwrap()
}

fn edits() -> impl Strategy<Value = Vec<(usize, u8)>> {
    proptest::collection::vec((0usize..400, any::<u8>()), 0..6)
}

fn apply(message: &mut [u8], edits: &[(usize, u8)]) {
    for (at, octet) in edits {
        let at = at % message.len();
        message[at] = *octet;
    }
}
