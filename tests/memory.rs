//! The cache's size is a bound on memory: what goes through it doesn't matter. Nor does how often rules change.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use common::{Dnsfwd, Net, Setup};
use dnsfwd_bench::responder::{Responder, Switch};
use dnsfwd_bench::stream::{Load, Names, Remote, run};

/// What the process may use beside its cache: code, stacks, sockets and their buffers, batches of two
/// workers, questions in flight, and the allocator's slack. A third of it is what was seen.
const ALLOWANCE: u64 = 32 << 20;

/// Sends so many questions, each with a name of its own, through a cache of `size`.
fn distinct_names(net: &Net, size: &str, queries: u64) -> Dnsfwd {
    let switch = Arc::new(Switch::default());
    let seen = switch.clone();
    let socket = UdpSocket::bind(net.at(10)).unwrap();
    let responder = Responder { socket, address: [192, 0, 2, 1], ttl: 86_400, delay: Duration::ZERO };
    let target = thread::spawn(move || responder.run(&seen).unwrap());
    let mut dns = Setup::new(net)
        .cache(&format!("size = \"{size}\""))
        .endpoint("target", &[net.at(10)])
        .rule("load.example", "target")
        .start(net);
    let load = Load {
        names: Names::of("load.example", 0),
        queries,
        window: 40,
        sockets: 4,
        seconds: 1500.0,
        expect: Some([192, 0, 2, 1]),
        ..Load::to(dns.address)
    };
    let report = run(&load, &Remote::default()).unwrap();
    switch.stop.store(true, Ordering::Relaxed);
    target.join().unwrap();
    eprintln!("{} and a peak of {} MiB", report.json(), dns.process.peak_memory() >> 20);
    // A load without a rate may now and then fill a socket's buffer; the names went through all the same.
    assert!(report.answered as f64 > queries as f64 * 0.999, "{}", report.json());
    assert_eq!(report.wrong, 0, "{:?}", report.samples);
    dns.assert_well();
    dns
}

/// What the server itself says of its cache.
fn cache(dns: &Dnsfwd, what: &str) -> u64 {
    dns.json(&["status"])["cache"][what].as_u64().expect("a number")
}

/// 300,000 names, which would take ten times the cache.
#[test]
fn a_small_cache_stays_small() {
    let net = Net::new();
    let dns = distinct_names(&net, "4MiB", 300_000);
    assert!(cache(&dns, "bytes") <= 4 << 20, "{} octets", cache(&dns, "bytes"));
    assert!(cache(&dns, "entries") > 5_000, "only {} answers in 4 MiB", cache(&dns, "entries"));
    let peak = dns.process.peak_memory();
    assert!(peak <= (4 << 20) + ALLOWANCE, "a peak of {} MiB", peak >> 20);
}

/// The bar: 5 million distinct names through a cache of 64 MiB. Minutes; for the optimised build.
#[test]
#[ignore = "takes minutes: DNSFWD_BINARY=target/release/dnsfwd tests/run --profile long --run-ignored only"]
fn five_million_names_through_64_mib() {
    let net = Net::new();
    let dns = distinct_names(&net, "64MiB", 5_000_000);
    assert!(cache(&dns, "bytes") <= 64 << 20, "{} octets", cache(&dns, "bytes"));
    assert!(cache(&dns, "entries") > 100_000, "only {} answers in 64 MiB", cache(&dns, "entries"));
    let peak = dns.process.peak_memory();
    assert!(peak <= (64 << 20) + ALLOWANCE, "a peak of {} MiB", peak >> 20);
}

/// Without a cache nothing is kept.
#[test]
fn no_cache_keeps_nothing() {
    let net = Net::new();
    let dns = distinct_names(&net, "0B", 100_000);
    assert_eq!(cache(&dns, "entries"), 0);
    assert!(dns.process.peak_memory() <= ALLOWANCE, "a peak of {} MiB", dns.process.peak_memory() >> 20);
}

/// What 100,000 rules may take without traffic: 28 MiB were seen of the optimised build.
const RULES_ALLOWANCE: u64 = 60 << 20;
/// While a reload builds the new rules beside the old ones: 64 MiB were seen.
const RELOAD_ALLOWANCE: u64 = 110 << 20;

/// 100,000 rules, the first for a domain of this round's own.
fn many_rules(net: &Net, round: usize) -> Setup {
    let setup =
        Setup::new(net).endpoint("target", &[net.at(10)]).rule(&format!("round{round}.example"), "target");
    let rule = |number| {
        format!(
            "[[rule]]\ndomain = \"team{number}.dept{}.corp.example.com\"\nendpoint = \"target\"\n",
            number % 97
        )
    };
    setup.body(&(1..100_000).map(rule).collect::<String>())
}

/// Reloads so many times. Each leaves as much memory as it found.
fn rules_and_reloads(reloads: usize) {
    let net = Net::new();
    let mut dns = many_rules(&net, 0).start(&net);
    let start = dns.process.memory();
    assert!(start <= RULES_ALLOWANCE, "{} MiB after the start", start >> 20);
    for round in 1..=reloads {
        dns.write(&net, &many_rules(&net, round));
        let report = dns.json(&["reload"]);
        assert_eq!(
            (report["outcome"].as_str(), &report["changes"][1]["what"]),
            (Some("applied"), &format!("round{round}.example").into())
        );
        // The old rules go when no question needs them, a moment later.
        let given_up = Instant::now() + Duration::from_secs(10);
        while dns.process.memory() > RULES_ALLOWANCE && Instant::now() < given_up {
            thread::sleep(Duration::from_millis(50));
        }
        let (now, peak) = (dns.process.memory(), dns.process.peak_memory());
        eprintln!("reload {round}: {} MiB, a peak of {} MiB", now >> 20, peak >> 20);
        assert!(now <= RULES_ALLOWANCE, "{} MiB after reload {round}", now >> 20);
        assert!(peak <= RELOAD_ALLOWANCE, "a peak of {} MiB", peak >> 20);
    }
    dns.assert_well();
}

#[test]
fn a_hundred_thousand_rules_stay_small() {
    rules_and_reloads(2);
}

#[test]
#[ignore = "long: DNSFWD_BINARY=target/release/dnsfwd tests/run --profile long --run-ignored only"]
fn twenty_reloads_of_a_hundred_thousand_rules() {
    rules_and_reloads(20);
}
