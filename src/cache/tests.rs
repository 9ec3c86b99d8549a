use super::*;
use crate::wire::answer::{TtlLimits, lifetime};
use crate::wire::reply::{Reply, scan};

const LIMITS: TtlLimits = TtlLimits { min: 0, max: 86_400, max_negative: 900 };

fn question(name: &str) -> Vec<u8> {
    let mut question = name::parse_wire(name.as_bytes()).unwrap();
    question.extend_from_slice(&[0, 1, 0, 1]);
    question
}

fn answer(question: &[u8], ttl: u32, payload: usize) -> (Answer, u32) {
    let mut message = vec![0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    message.extend_from_slice(question);
    message.extend_from_slice(&[0xc0, 12, 0xff, 0x28, 0, 1]);
    message.extend_from_slice(&ttl.to_be_bytes());
    message.extend_from_slice(&(payload as u16).to_be_bytes());
    message.extend(std::iter::repeat_n(7u8, payload));
    let mut reply = Reply::default();
    scan(&message, question, &mut reply).unwrap();
    (Answer::from_reply(&message, question, &reply, LIMITS, false), lifetime(&reply, LIMITS))
}

fn put(cache: &Cache, name: &str, rule: u32, payload: usize) {
    let question = question(name);
    let key = Key { question: &question, flags: 1, subnet: &[], rule };
    let (answer, lifetime) = answer(&question, 300, payload);
    cache.insert(&key, cache.hash(&key), cache.now(), seconds(lifetime), &answer);
}

fn has(cache: &Cache, name: &str, rule: u32, flags: u16) -> bool {
    let question = question(name);
    let key = Key { question: &question, flags, subnet: &[], rule };
    let found = cache.look(&key, cache.hash(&key), |entry| {
        assert_eq!(&entry.answer.message[HEADER..HEADER + question.len()], &question[..]);
        (entry.rule, entry.flags)
    });
    found.is_some_and(|found| found == (rule, flags))
}

#[test]
fn flags_and_subnets_are_part_of_the_key() {
    let cache = Cache::new(4 << 20);
    put(&cache, "a.example", 1, 4);
    assert!(has(&cache, "a.example", 1, 1));
    // The last is the same for a view that shares nothing.
    for flags in [0, 2, 3, 5, 9, key_flags(bit::RD, false, 1)] {
        assert!(!has(&cache, "a.example", 1, flags));
    }
    let question = question("a.example");
    let key = Key { question: &question, flags: 1, subnet: &[0, 1, 24, 0, 10, 0, 0], rule: 1 };
    assert!(cache.look(&key, cache.hash(&key), |_| ()).is_none());
}

/// Rules of several views answer one question each in their own way, side by side.
#[test]
fn each_rule_has_an_entry() {
    let cache = Cache::new(4 << 20);
    (1..=40).for_each(|rule| put(&cache, "a.example", rule, 4));
    assert!((1..=40).all(|rule| has(&cache, "a.example", rule, 1)) && !has(&cache, "a.example", 41, 1));
    put(&cache, "a.example", 7, 5);
    assert_eq!(cache.usage().entries, 40);
    assert_eq!(cache.remove_where(|entry| entry.rule == 7), 1);
    assert!(!has(&cache, "a.example", 7, 1) && has(&cache, "a.example", 8, 1));
}

#[test]
fn flushing_a_name_and_a_tree() {
    let cache = Cache::new(4 << 20);
    for name in ["corp", "a.corp", "b.a.corp", "xcorp", "other"] {
        put(&cache, name, 1, 4);
    }
    assert_eq!(cache.flush(&name::parse_wire(b"a.corp").unwrap(), false), 1);
    assert_eq!(cache.flush(&name::parse_wire(b"corp").unwrap(), true), 2);
    assert!(!has(&cache, "b.a.corp", 1, 1));
    assert!(has(&cache, "xcorp", 1, 1));
    assert_eq!(cache.usage().entries, 2);
}

#[test]
fn the_bound_holds_and_what_is_found_is_right() {
    let limit = 2 << 20;
    let cache = Cache::new(limit);
    // Sizes from a few octets to the largest that is kept, so that the ring wraps at odd places.
    for round in 0..60_000u32 {
        let size = if round % 1000 == 0 { 60_000 } else { (round as usize * 37) % 700 };
        put(&cache, &format!("n{round}.example"), round, size);
        if round % 7 == 0 {
            put(&cache, "popular.example", 7, 100);
        }
        assert!(has(&cache, "popular.example", 7, 1), "{round}");
        if round % 500 == 0 {
            let usage = cache.usage();
            assert!(usage.bytes <= limit, "{} octets of {limit}", usage.bytes);
        }
    }
    let usage = cache.usage();
    assert!(usage.entries > 2000 && usage.evictions > 50_000, "{usage:?}");
    assert!(has(&cache, "n59999.example", 59_999, 1));
    assert!(!has(&cache, "n1.example", 1, 1));
}

#[test]
fn no_cache_keeps_nothing() {
    let cache = Cache::new(0);
    put(&cache, "a.example", 1, 4);
    assert!(!has(&cache, "a.example", 1, 1));
    assert_eq!(cache.flush(&[0], true), 0);
}

#[test]
fn a_rewritten_question_replaces_its_entry() {
    let cache = Cache::new(4 << 20);
    put(&cache, "a.example", 1, 4);
    put(&cache, "a.example", 1, 40);
    let question = question("a.example");
    let key = Key { question: &question, flags: 1, subnet: &[], rule: 1 };
    let len = cache.look(&key, cache.hash(&key), |entry| entry.answer.message.len());
    assert_eq!(len, Some(HEADER + question.len() + 12 + 40));
    assert_eq!(cache.usage().entries, 1);
}
