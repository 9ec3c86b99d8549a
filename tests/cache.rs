//! What is kept, for how long, and for whom: positive answers, negative ones (RFC 2308), and questions on
//! their way, which are asked once.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::message::*;
use common::{Act, Message, Net, Scripted, Setup, Stage, Udp, ask, reply};

fn soa(ttl: u32, minimum: u32) -> Vec<u8> {
    record(&name("example"), SOA, IN, ttl, &soa_rdata(minimum))
}

/// RFC 1035 section 3.2.1 and RFC 2181 section 5.2: TTLs count down, and what is over is asked again.
#[test]
fn ttls_age() {
    let stage = Stage::new(|seen| {
        let other = record(&name("other.example"), A, IN, 1000, &[192, 0, 2, 2]);
        reply(&seen.reply().answer(address(100, [192, 0, 2, 1])).additional(other))
    });
    let query = Message::query("aging.example", A).edns(1232);
    assert_eq!(stage.ask(&query).answer[0].ttl, 100);
    sleep(Duration::from_millis(2200));
    let aged = stage.ask(&query);
    assert_eq!(stage.target.count("aging.example"), 1, "from the cache");
    assert!((96..=98).contains(&aged.answer[0].ttl), "100 became {}", aged.answer[0].ttl);
    assert!((996..=998).contains(&aged.additional[0].ttl), "1000 became {}", aged.additional[0].ttl);
    assert_eq!(aged.edns_flags(), Some(0), "the OPT has no TTL to age");
}

/// The shortest TTL in a message is the message's.
#[test]
fn the_shortest_ttl_counts() {
    let stage = Stage::new(|seen| {
        reply(&seen.reply().answer(address(1000, [192, 0, 2, 1])).answer(address(1, [192, 0, 2, 2])))
    });
    let query = Message::query("short.example", A);
    stage.ask(&query);
    sleep(Duration::from_millis(2100));
    let got = stage.ask(&query);
    assert_eq!(got.answer.len(), 2);
    assert_eq!(stage.target.count("short.example"), 2);
}

/// RFC 1035 section 3.2.1: TTL 0 is for the transaction in progress alone.
#[test]
fn ttl_zero_is_not_kept() {
    let stage = Stage::new(|seen| reply(&seen.reply().answer(address(0, [192, 0, 2, 1]))));
    for _ in 0..3 {
        assert_eq!(stage.ask(&Message::query("zero.example", A)).answer[0].ttl, 0);
    }
    assert_eq!(stage.target.count("zero.example"), 3);
}

#[test]
fn max_ttl_bounds_how_long_an_answer_is_kept() {
    let stage = Stage::with(
        |setup| setup.cache("max_ttl = \"1s\""),
        |seen| reply(&seen.reply().answer(address(1000, [192, 0, 2, 1]))),
    );
    stage.ask(&Message::query("max.example", A));
    assert!(stage.ask(&Message::query("max.example", A)).answer[0].ttl <= 1000);
    assert_eq!(stage.target.count("max.example"), 1);
    sleep(Duration::from_millis(2100));
    stage.ask(&Message::query("max.example", A));
    assert_eq!(stage.target.count("max.example"), 2);
}

#[test]
fn min_ttl_keeps_an_answer_longer() {
    let stage = Stage::with(
        |setup| setup.cache("min_ttl = \"30s\""),
        |seen| reply(&seen.reply().answer(address(1, [192, 0, 2, 1]))),
    );
    stage.ask(&Message::query("min.example", A));
    sleep(Duration::from_millis(2100));
    assert_eq!(stage.ask(&Message::query("min.example", A)).addresses(), ["192.0.2.1"]);
    assert_eq!(stage.target.count("min.example"), 1);
}

#[test]
fn no_cache_means_none() {
    let stage =
        Stage::with(Setup::no_cache, |seen| reply(&seen.reply().answer(address(1000, [192, 0, 2, 1]))));
    for _ in 0..3 {
        assert_eq!(stage.ask(&Message::query("none.example", A)).addresses(), ["192.0.2.1"]);
    }
    assert_eq!(stage.target.count("none.example"), 3);
}

/// RFC 2308 section 5: a negative answer is kept for the lower of the SOA's TTL and its MINIMUM.
#[test]
fn negative_answers_are_kept_as_long_as_the_soa_says() {
    for (what, rcode, ttl, minimum) in [
        ("NXDOMAIN by MINIMUM", NXDOMAIN, 1000, 1),
        ("NXDOMAIN by TTL", NXDOMAIN, 1, 1000),
        ("no data by MINIMUM", NOERROR, 1000, 1),
        ("no data by TTL", NOERROR, 1, 1000),
    ] {
        let stage = Stage::new(move |seen| reply(&seen.reply().rcode(rcode).authority(soa(ttl, minimum))));
        let query = Message::query("negative.example", A);
        assert_eq!(stage.ask(&query).rcode(), rcode);
        assert_eq!(stage.ask(&query).rcode(), rcode);
        assert_eq!(stage.target.count("negative.example"), 1, "{what}: kept");
        sleep(Duration::from_millis(2100));
        stage.ask(&query);
        assert_eq!(stage.target.count("negative.example"), 2, "{what}: over");
    }
}

/// RFC 2308 section 5: "Negative responses without SOA records SHOULD NOT be cached".
#[test]
fn negative_answers_without_soa_are_not_kept() {
    for rcode in [NXDOMAIN, NOERROR] {
        let stage = Stage::new(move |seen| reply(&seen.reply().rcode(rcode)));
        for _ in 0..3 {
            assert_eq!(stage.ask(&Message::query("nosoa.example", A)).rcode(), rcode);
        }
        assert_eq!(stage.target.count("nosoa.example"), 3, "rcode {rcode}");
    }
}

#[test]
fn max_negative_ttl_bounds_how_long_a_denial_is_kept() {
    let stage = Stage::with(
        |setup| setup.cache("max_negative_ttl = \"1s\""),
        |seen| reply(&seen.reply().rcode(NXDOMAIN).authority(soa(1000, 1000))),
    );
    stage.ask(&Message::query("denied.example", A));
    stage.ask(&Message::query("denied.example", A));
    assert_eq!(stage.target.count("denied.example"), 1);
    sleep(Duration::from_millis(2100));
    stage.ask(&Message::query("denied.example", A));
    assert_eq!(stage.target.count("denied.example"), 2);
}

/// One type's absence says nothing about another's.
#[test]
fn types_and_classes_are_kept_apart() {
    let stage = Stage::new(|seen| {
        let (_, rtype, class) = seen.parsed().questions[0].clone();
        let rdata = [text(&format!("{rtype}-{class}")), vec![]].concat();
        if rtype == A {
            reply(&seen.reply().authority(soa(300, 300)))
        } else {
            reply(&seen.reply().answer(record(&to_question(), rtype, class, 300, &rdata)))
        }
    });
    for _ in 0..2 {
        for (rtype, class) in [(TXT, 1), (TXT, 3), (TXT, 4), (65280, 1), (65281, 1)] {
            let got = stage.ask(&Message::query_wire(&name("kinds.example"), rtype, class));
            assert_eq!(got.answer[0].rdata, text(&format!("{rtype}-{class}")));
        }
        assert!(stage.ask(&Message::query("kinds.example", A)).answer.is_empty());
    }
    assert_eq!(stage.target.count("kinds.example"), 6);
}

/// RFC 4035 section 4.7 (and RFC 6840 section 5.9): what was fetched with checking disabled may be bogus,
/// and isn't for those who want it checked.
#[test]
fn checking_disabled_is_kept_apart() {
    let stage = Stage::new(|seen| {
        let cd = seen.parsed().flags & CD != 0;
        reply(&if cd {
            seen.reply().answer(address(300, [192, 0, 2, 66]))
        } else {
            seen.reply().rcode(SERVFAIL)
        })
    });
    let unchecked = stage.ask(&Message::query("bogus.example", A).set(CD).edns_do(1232));
    assert_eq!(unchecked.addresses(), ["192.0.2.66"]);
    let checked = stage.ask(&Message::query("bogus.example", A).edns_do(1232));
    assert_eq!((checked.rcode(), checked.addresses().len()), (SERVFAIL, 0), "an unchecked answer leaked");
    let unchecked = stage.ask(&Message::query("bogus.example", A).set(CD).edns_do(1232));
    assert_eq!(unchecked.addresses(), ["192.0.2.66"]);
}

/// A target that recurses answers RD=0 with what it has, and that may be nothing: no answer for those who
/// want recursion.
#[test]
fn answers_without_recursion_are_kept_apart() {
    let stage = Stage::new(|seen| {
        let rd = seen.parsed().flags & RD != 0;
        reply(&if rd {
            seen.reply().answer(address(300, [192, 0, 2, 1]))
        } else {
            seen.reply().authority(soa(300, 300))
        })
    });
    assert!(stage.ask(&Message::query("rd.example", A).clear(RD)).answer.is_empty());
    assert_eq!(stage.ask(&Message::query("rd.example", A)).addresses(), ["192.0.2.1"]);
}

/// What is kept for one ID, transport or client serves all others with their own header.
#[test]
fn the_cache_serves_every_transport() {
    let stage = Stage::new(|seen| reply(&seen.reply().answer(address(300, [192, 0, 2, 1]))));
    for _ in 0..2 {
        assert_eq!(stage.ask(&Message::query("both.example", A).edns(1232)).addresses(), ["192.0.2.1"]);
        let over_tcp = common::ask_tcp(stage.dns.address, &Message::query("both.example", A));
        assert_eq!(over_tcp.addresses(), ["192.0.2.1"]);
        assert!(over_tcp.opt.is_none());
    }
    assert_eq!(stage.target.count("both.example"), 1);
}

/// An answer that was whole in the cache is cut for those who can't take it, and stays whole for others.
#[test]
fn cutting_for_one_client_leaves_the_kept_answer_whole() {
    let stage = Stage::new(|seen| {
        let strings =
            (0..20).map(|number| record(&to_question(), TXT, IN, 300, &text(&format!("{number:040}"))));
        let whole = strings.fold(seen.reply(), Message::answer);
        reply(&if seen.tcp || whole.bytes().len() <= 1232 { whole } else { seen.reply().set(TC) })
    });
    for _ in 0..2 {
        let small = stage.ask_raw(&Message::query("cut.example", TXT));
        assert!(small.len() <= 512 && common::parse(&small).has(TC));
        let whole = stage.ask(&Message::query("cut.example", TXT).edns(1232));
        assert_eq!((whole.answer.len(), whole.has(TC)), (20, false));
    }
}

/// RFC 9520: a failure is remembered for a second or more, but not for long, and not for other names.
#[test]
fn failures_are_kept_for_a_short_time() {
    let stage = Stage::new(|seen| {
        reply(&match seen.first_label().as_str() {
            "bad" => seen.reply().rcode(SERVFAIL),
            _ => seen.reply().answer(address(300, [192, 0, 2, 1])),
        })
    });
    for _ in 0..20 {
        assert_eq!(stage.ask(&Message::query("bad.example", A).edns(1232)).rcode(), SERVFAIL);
    }
    let asked = stage.target.count("bad.example");
    assert!(asked < 20, "twenty clients, {asked} queries to a target that fails");
    assert_eq!(stage.ask(&Message::query("good.example", A)).addresses(), ["192.0.2.1"], "another name");
}

/// Fifty clients with one question.
fn crowd(server: SocketAddr, spell: impl Fn(usize) -> String) -> Vec<(String, Option<Vec<u8>>)> {
    let clients: Vec<(String, Udp, Vec<u8>)> = (0..50)
        .map(|number| {
            let qname = spell(number);
            let query = Message::query(&qname, A).bytes();
            (qname, Udp::to(server), query)
        })
        .collect();
    for (_, socket, query) in &clients {
        socket.send(query);
    }
    let end = Instant::now() + Duration::from_millis(2600);
    let left = || end.saturating_duration_since(Instant::now());
    clients.into_iter().map(|(qname, socket, _)| (qname, socket.receive(left()))).collect()
}

/// Identical questions in flight are asked once for each worker, and every client gets its answer with
/// its own spelling.
#[test]
fn identical_questions_are_asked_once() {
    for workers in [1, 2] {
        let stage = Stage::with(
            |setup| setup.workers(workers).no_cache(),
            |seen| {
                vec![
                    Act::Wait(Duration::from_millis(80)),
                    Act::Reply(seen.reply().answer(address(300, [192, 0, 2, 1])).bytes()),
                ]
            },
        );
        let spellings = ["crowd.example", "CROWD.example", "crowd.EXAMPLE", "cRoWd.ExAmPlE"];
        for (qname, got) in crowd(stage.dns.address, |number| spellings[number % 4].to_string()) {
            let got = common::parse(&got.unwrap_or_else(|| panic!("a client of the crowd got nothing")));
            assert_eq!(got.addresses(), ["192.0.2.1"]);
            assert_eq!(got.questions[0].0, name(&qname));
        }
        let asked = stage.target.count("crowd.example");
        assert!(asked <= workers, "{workers} workers asked {asked} times");
    }
}

/// When the one question fails, all who wait are told.
#[test]
fn a_crowd_is_told_of_a_failure() {
    let stage = Stage::new(|_| vec![]);
    for (_, got) in crowd(stage.dns.address, |_| "silent.example".into()) {
        let got = common::parse(&got.expect("an answer within two seconds"));
        assert_eq!(got.rcode(), SERVFAIL);
    }
}

/// Those who differ in what they may see are not the same question.
#[test]
fn only_identical_questions_share_an_answer() {
    let net = Net::new();
    let target = Scripted::start(net.at(10), |seen| {
        let parsed = seen.parsed();
        let last = match (parsed.edns_flags().unwrap_or(0) & DO != 0, parsed.flags & CD != 0) {
            (false, false) => 1,
            (true, false) => 2,
            (false, true) => 3,
            (true, true) => 4,
        };
        vec![
            Act::Wait(Duration::from_millis(80)),
            Act::Reply(seen.reply().answer(address(300, [192, 0, 2, last])).edns(1232).bytes()),
        ]
    });
    let dns = Setup::new(&net).endpoint("t", &[target.address]).rule(".", "t").start(&net);
    let queries = [
        (1, Message::query("same.example", A).edns(1232)),
        (2, Message::query("same.example", A).edns_do(1232)),
        (3, Message::query("same.example", A).set(CD).edns(1232)),
        (4, Message::query("same.example", A).set(CD).edns_do(1232)),
    ];
    let sockets: Vec<Udp> = queries.iter().map(|_| Udp::to(dns.address)).collect();
    for (socket, (_, query)) in sockets.iter().zip(&queries) {
        socket.send(&query.bytes());
    }
    for (socket, (last, _)) in sockets.iter().zip(&queries) {
        let got = common::parse(&socket.receive(Duration::from_secs(2)).expect("an answer"));
        assert_eq!(got.addresses(), [format!("192.0.2.{last}")]);
    }
    // And so from the cache.
    for (last, query) in &queries {
        assert_eq!(ask(dns.address, query).addresses(), [format!("192.0.2.{last}")]);
    }
}
