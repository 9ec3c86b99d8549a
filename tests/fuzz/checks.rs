//! What must hold for any bytes, as plain functions: property tests and fuzz targets both call them.
//! hickory-proto is the oracle.

use dnsfwd::cache::{Cache, Key, seconds};
use dnsfwd::wire::answer::{Answer, TtlLimits, lifetime};
use dnsfwd::wire::copy;
use dnsfwd::wire::header::{HEADER, bit, u16_at};
use dnsfwd::wire::name::{self, MAX_NAME};
use dnsfwd::wire::query::{Folded, Judged, judge};
use dnsfwd::wire::reply::{Reply, expand, records, scan};
use dnsfwd::wire::write::{Section, Writer};
use hickory_proto::op::Message;

pub const LIMITS: TtlLimits = TtlLimits { min: 0, max: 86_400, max_negative: 900 };

/// Judging ends, and what it takes for a question is one for hickory too.
pub fn check_query(packet: &[u8]) {
    let mut folded = Folded::default();
    let Judged::Ask(query) = judge(packet, &mut folded) else { return };
    let name_len = query.qname().len();
    assert_eq!(name::wire_len(query.qname()), Some(name_len));
    assert!(query.spelled()[..name_len].eq_ignore_ascii_case(query.qname()));
    assert!(!query.qname().iter().any(u8::is_ascii_uppercase));
    assert_eq!(&query.spelled()[name_len..], &query.question()[name_len..]);
    assert_eq!(u16_at(packet, 4), 1);
    if let Ok(message) = Message::from_vec(packet) {
        assert_eq!(message.queries.len(), 1);
        assert_eq!(u16::from(message.queries[0].query_type()), query.rtype());
        assert_eq!(u16::from(message.queries[0].query_class()), query.rclass());
        assert_eq!(message.edns.is_some(), query.edns.is_some());
    }
}

/// What the scan lets through can be packed, delivered to any client at any age, and scanned again; hickory
/// reads the same records from it. Nothing panics on the way.
pub fn check_reply(message: &[u8], question: &[u8]) {
    let mut reply = Reply::default();
    if scan(message, question, &mut reply).is_err() {
        return;
    }
    let answer = Answer::from_reply(message, question, &reply, LIMITS, true);
    let _ = lifetime(&reply, LIMITS);
    for edns in [None, Some(512), Some(1232)] {
        let query_bytes = query_for(question, edns);
        let mut folded = Folded::default();
        let Judged::Ask(query) = judge(&query_bytes, &mut folded) else { panic!("our own query is sound") };
        for (age, limit) in [(0, 65_535), (1, 512), (100_000, 1232)] {
            let mut out = vec![0; 65_535];
            let len = answer.view().deliver(&query, age, limit, &mut out);
            assert!(len <= limit.max(HEADER + question.len() + 300));
            check_delivered(message, &out[..len], question, edns.is_some());
        }
    }
    check_kept(&answer, question);
    check_copies(&answer);
    let mut target = [0; MAX_NAME];
    let _ = answer.view().cname_target(&mut target);
}

/// The cache gives back what it was given, whatever lies around it.
fn check_kept(answer: &Answer, question: &[u8]) {
    let cache = Cache::new(1 << 20);
    let key = |flags, subnet, rule| Key { question, flags, subnet, rule };
    let keys = [
        key(0, &[][..], 1),
        key(0, &[], 2),
        key(9, &[], 2),
        key(1, &[0, 1, 24, 0, 10, 0, 0], 3),
        key(1, &[0, 1, 24, 0, 10, 0, 1], 3),
    ];
    for key in &keys {
        cache.insert(key, cache.hash(key), cache.now(), seconds(300), answer);
    }
    for key in &keys {
        let same = cache.look(key, cache.hash(key), |entry| {
            entry.answer.to_answer() == *answer && entry.rule == key.rule && entry.subnet == key.subnet
        });
        // What is larger than a quarter of the ring is not kept.
        assert!(same == Some(true) || same.is_none() && answer.as_bytes().len() > 200_000);
    }
}

fn check_delivered(original: &[u8], delivered: &[u8], question: &[u8], edns: bool) {
    let mut again = Reply::default();
    scan(delivered, question, &mut again).expect("what is delivered is sound");
    assert_eq!(again.end, delivered.len());
    assert_eq!(again.has_opt, edns);
    assert_eq!(again.bits & bit::Z, 0);
    if again.is_truncated() || u16_at(delivered, 2) & bit::RCODE == 2 {
        return;
    }
    let (Ok(before), Ok(after)) = (Message::from_vec(original), Message::from_vec(delivered)) else { return };
    for (before, after) in [(&before.answers, &after.answers), (&before.authorities, &after.authorities)] {
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(after) {
            assert_eq!(
                (&before.name, before.dns_class, &before.data),
                (&after.name, after.dns_class, &after.data)
            );
        }
    }
}

/// Copying records into a new message gives the same records.
fn check_copies(answer: &Answer) {
    let view = answer.view();
    let mut buffer = vec![0; 65_535];
    let mut writer = Writer::new(&mut buffer, 65_535);
    if copy::copy_section(&mut writer, &view, Section::Answer, 0).is_err() {
        return;
    }
    let copied = writer.finish_in_place();
    let count = usize::from(u16_at(view.message, 6));
    let pairs = records(view.message, view.records_at(), count).zip(records(copied, HEADER, count));
    for (before, after) in pairs {
        let (mut one, mut other) = ([0; MAX_NAME], [0; MAX_NAME]);
        let len = expand(view.message, before.owner_at, &mut one);
        assert_eq!(expand(copied, after.owner_at, &mut other), len);
        assert!(one[..len].eq_ignore_ascii_case(&other[..len]));
        assert_eq!((before.rtype, before.rclass, before.ttl), (after.rtype, after.rclass, after.ttl));
    }
}

pub fn query_for(question: &[u8], edns: Option<u16>) -> Vec<u8> {
    let mut query = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
    query.extend_from_slice(question);
    if let Some(size) = edns {
        query.extend_from_slice(&[0, 0, 41]);
        query.extend_from_slice(&size.to_be_bytes());
        query.extend_from_slice(&[0, 0, 0x80, 0, 0, 0]);
    }
    query
}

/// The question that replies are checked against.
pub fn question() -> Vec<u8> {
    let mut question = name::parse_wire(b"www.example.com").expect("a sound name");
    question.extend_from_slice(&[0, 1, 0, 1]);
    question
}
