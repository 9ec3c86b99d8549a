//! A cached answer is the answer: octet for octet what a server without a cache says to the same question, over
//! UDP and TCP, whatever the client's EDNS, flags and spelling.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::message::*;
use common::{Message, Net, Scripted, Seen, Setup, Tcp, Udp, reply};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

/// How a client asks.
#[derive(Clone, Debug)]
struct Manner {
    /// Size and DO of its OPT.
    edns: Option<(u16, bool)>,
    flags: u16,
    /// Which letters are large.
    spelling: u32,
    tcp: bool,
}

/// What the target says to a name, by its number.
#[derive(Clone, Debug)]
struct Said {
    rcode: u16,
    flags: u16,
    answers: Vec<(u16, u32, Vec<u8>)>,
    cname: bool,
    additional: usize,
    error: bool,
}

fn manner() -> impl Strategy<Value = Manner> {
    let size = prop_oneof![Just(0u16), Just(512), 500u16..1300, Just(1232), Just(4096), Just(65_535)];
    let edns = proptest::option::of((size, any::<bool>()));
    let flags = proptest::sample::subsequence(vec![RD, CD, AD], 0..=3);
    (edns, flags, any::<u32>(), any::<bool>()).prop_map(|(edns, flags, spelling, tcp)| Manner {
        edns,
        flags: flags.into_iter().sum(),
        spelling,
        tcp,
    })
}

fn said() -> impl Strategy<Value = Said> {
    let data = proptest::collection::vec(any::<u8>(), 1..60);
    let kind = prop_oneof![Just(A), Just(TXT), Just(0xff28)];
    let answer = (kind, 60u32..100_000, data).prop_map(|(kind, ttl, data)| match kind {
        A => (A, ttl, vec![192, 0, 2, data[0]]),
        TXT => (TXT, ttl, [&[data.len() as u8][..], &data].concat()),
        other => (other, ttl, data),
    });
    let rcode = prop_oneof![4 => Just(NOERROR), 1 => Just(NXDOMAIN)];
    let flags = proptest::sample::subsequence(vec![AA, RA, AD], 0..=3);
    (rcode, flags, proptest::collection::vec(answer, 0..30), any::<bool>(), 0usize..20, any::<bool>())
        .prop_map(|(rcode, flags, answers, cname, additional, error)| Said {
            rcode,
            flags: flags.into_iter().sum(),
            answers,
            cname,
            additional,
            error,
        })
}

fn say(seen: &Seen, said: &Said) -> Message {
    let mut message = seen.reply().clear(RA).set(said.flags).rcode(said.rcode);
    let tail = name("tail.same.example");
    if said.cname {
        message = message.answer(record(&to_question(), CNAME, IN, 500, &tail));
    }
    let owner = if said.cname { tail } else { to_question() };
    for (kind, ttl, data) in &said.answers {
        message = message.answer(record(&owner, *kind, IN, *ttl, data));
    }
    message = message.authority(record(&name("same.example"), SOA, IN, 900, &soa_rdata(600)));
    for index in 0..said.additional {
        message = message.additional(record(&name("glue.other"), A, IN, 700, &[10, 0, 0, index as u8]));
    }
    let options = if said.error { ede(22, "said by the target") } else { Vec::new() };
    if seen.parsed().opt.is_some() { message.additional(opt(1232, 0, 0, 0, &options)) } else { message }
}

fn query(number: usize, manner: &Manner) -> Message {
    let text: String = format!("some-name-{number}.same.example")
        .chars()
        .enumerate()
        .map(|(at, c)| if manner.spelling >> (at % 32) & 1 == 1 { c.to_ascii_uppercase() } else { c })
        .collect();
    let message = Message::query(&text, A).clear(RD).set(manner.flags);
    match manner.edns {
        None => message,
        Some((size, false)) => message.edns(size),
        Some((size, true)) => message.edns_do(size),
    }
}

/// A server with its target, which answers by the script.
struct Party {
    target: Scripted,
    server: common::Dnsfwd,
}

impl Party {
    fn new(net: &Net, cached: bool, script: Vec<Said>) -> Party {
        let target = Scripted::start(net.at(10), move |seen| {
            if seen.asks_for_soa() || seen.is_marked() {
                // The server's own, and no part of the script.
                return reply(&seen.reply());
            }
            let label = seen.first_label();
            let number: usize = label.rsplit('-').next().unwrap().parse().unwrap();
            reply(&say(seen, &script[number]))
        });
        let setup = if cached { Setup::new(net) } else { Setup::new(net).no_cache() };
        let server = setup.endpoint("target", &[net.at(10)]).rule("same.example", "target").start(net);
        Party { target, server }
    }

    fn ask(&self, query: &Message, tcp: bool) -> Vec<u8> {
        if tcp {
            let mut stream = Tcp::to(self.server.address);
            stream.send(&query.bytes());
            return stream.receive().unwrap();
        }
        Udp::to(self.server.address).ask(&query.bytes()).unwrap()
    }
}

#[test]
fn a_cached_answer_is_the_answer() {
    const NAMES: usize = 60;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let script: Vec<Said> = (0..NAMES).map(|_| said().new_tree(&mut runner).unwrap().current()).collect();
    let (net, other) = (Net::new(), Net::new());
    let cached = Party::new(&net, true, script.clone());
    let direct = Party::new(&other, false, script.clone());
    let (mut compared, mut questions) = (0, 0);
    for (number, said) in script.iter().enumerate() {
        let mut asked = BTreeSet::new();
        let begin = Instant::now();
        for _ in 0..8 {
            let manner = manner().new_tree(&mut runner).unwrap().current();
            let query = query(number, &manner);
            let (fetched, kept) = (cached.ask(&query, manner.tcp), cached.ask(&query, manner.tcp));
            let plain = direct.ask(&query, manner.tcp);
            asked.insert((manner.flags, manner.edns.is_some_and(|(_, dnssec_ok)| dnssec_ok)));
            if begin.elapsed() > Duration::from_millis(700) {
                // On a machine that stands still TTLs age.
                break;
            }
            assert_eq!(hex(&kept), hex(&fetched), "{manner:?} of {said:?}: asked twice");
            assert_eq!(hex(&kept), hex(&plain), "{manner:?} of {said:?}: with a cache and without");
            compared += 1;
        }
        // What a target's answer may depend on makes a question another one; nothing else does.
        assert_eq!(cached.target.count(&format!("some-name-{number}.same.example")), asked.len());
        questions += asked.len();
    }
    assert!(compared > 4 * NAMES && compared > questions, "{compared} comparisons of {questions} questions");
}
