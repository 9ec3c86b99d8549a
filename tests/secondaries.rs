//! Zones fetched from others and given to others: NSD on both sides, primaries that lie, and one zone read again at
//! an operator's wish.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use common::exchange::{SECRET, WAIT, key, serial_of, zone};
use common::message::{A, IN, SOA, name, record};
use common::target::Seen;
use common::{Act, Dnsfwd, Message, Net, Output, Process, Scripted, Setup, ask, dig, eventually, kdig};
use sha2::{Digest, Sha256};

const NS: u16 = 2;

/// A server with the zone `corp.example` by these keys of its table.
fn server(net: &Net, terms: &str) -> Dnsfwd {
    let body = format!("{}[[zone]]\nname = \"corp.example\"\n{terms}\n", key(SECRET));
    let state = net.folder().join("state");
    Setup::new(net).server(&format!("state = \"{}\"", state.display())).body(&body).start(net)
}

fn reload(dns: &Dnsfwd, zone: &str) -> Output {
    dns.command(&["reload", "--zone", zone])
}

fn serial(server: SocketAddr) -> Option<u32> {
    serial_of(server, "corp.example")
}

fn comes_to(server: SocketAddr, wanted: u32) {
    eventually(WAIT, &format!("{server} has serial {wanted}"), || serial(server) == Some(wanted));
}

/// The one number of a family that these labels pick.
fn metric(dns: &Dnsfwd, series: &str) -> Option<f64> {
    let (_, page) = dns.get("/metrics");
    let line = page.lines().find(|line| line.starts_with(series))?.to_owned();
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_file_is_read_again_alone() {
    let net = Net::new();
    net.write("corp.zone", &zone(1, ""));
    let dns = server(&net, "file = \"corp.zone\"");
    let again = reload(&dns, "corp.example");
    assert_eq!((again.code, again.stdout.as_str()), (0, "corp.example unchanged: serial 1\n"));

    net.write("corp.zone", &zone(2, "a A 192.0.2.10\n"));
    let again = reload(&dns, "corp.example.");
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(again.stdout, "corp.example applied: serial 1 -> 2, 4 records\n");
    assert_eq!(serial(dns.address), Some(2), "at once");
    assert_eq!(metric(&dns, "dnsfwd_zone_serial{zone=\"corp.example\""), Some(2.0));

    net.write("corp.zone", &zone(3, "a A 192.0.2.300\n"));
    let again = reload(&dns, "corp.example");
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.stdout.contains("corp.zone:5"), "{again:?}");
    assert!(again.stdout.contains("refused: all is as it was, serial 2"), "{again:?}");
    assert_eq!(serial(dns.address), Some(2));
    assert!(metric(&dns, "dnsfwd_zone_failures_total{zone=\"corp.example\"") >= Some(1.0));

    // Taken, and odd: however often it is read.
    net.write("corp.zone", &zone(2, "b A 192.0.2.11\n"));
    for _ in 0..2 {
        let again = reload(&dns, "corp.example");
        assert_eq!(again.code, 1, "{again:?}");
        assert!(again.stdout.contains("its serial is still 2"), "{again:?}");
    }
    assert_eq!(dig(dns.address, "b.corp.example A").data("A"), ["192.0.2.11"]);

    for (wrong, meant) in [("crop.example", "'corp.example'"), ("www.corp.example", "'corp.example'")] {
        let again = reload(&dns, wrong);
        assert_eq!(
            (again.code, again.all().contains(&format!("did you mean {meant}"))),
            (2, true),
            "{again:?}"
        );
    }
    let other = reload(&dns, "elsewhere.test");
    assert!(
        other.code == 2 && other.all().contains("no zone 'elsewhere.test', but corp.example"),
        "{other:?}"
    );
}

/// A change of an included file alone is as good as one of the zone's own.
#[test]
fn an_included_file_is_read_again_when_it_changes() {
    let net = Net::new();
    net.write("corp.zone", "$TTL 300\n$INCLUDE parts/soa\n@ NS ns\nns A 192.0.2.1\n$INCLUDE parts/hosts\n");
    let soa = |serial| net.write("parts/soa", &format!("@ SOA ns hostmaster {serial} 3600 2 86400 60\n"));
    let hosts = |text: &str| net.write("parts/hosts", text);
    soa(1);
    hosts("a A 192.0.2.10\n$INCLUDE deep\n");
    net.write("parts/deep", "deep A 192.0.2.20\n");
    let dns = server(&net, "file = \"corp.zone\"");
    let gives = |host: &str, address: &str| {
        let question = format!("{host}.corp.example A");
        eventually(WAIT, &question, || dig(dns.address, &question).data("A") == [address]);
    };
    let tells = |words: &str| {
        eventually(WAIT, words, || {
            let status = dns.json(&["status"]);
            status["zones"][0]["failure"]["reason"].as_str().is_some_and(|why| why.contains(words))
        });
    };
    gives("deep", "192.0.2.20");
    soa(2);
    comes_to(dns.address, 2);
    net.write("parts/deep", "deep A 192.0.2.21\n");
    gives("deep", "192.0.2.21");
    tells("its serial is still 2");

    // With a fault the old zone goes on, and the file is named that has it.
    hosts("a A 192.0.2.11\nb A 192.0.2.300\n");
    tells("parts/hosts:2");
    assert_eq!(dig(dns.address, "a.corp.example A").data("A"), ["192.0.2.10"]);
    assert_eq!(serial(dns.address), Some(2));
    // What was not read for the fault's sake is watched again as soon as it is read.
    hosts("a A 192.0.2.12\n$INCLUDE new\n");
    tells("parts/new cannot be read");
    assert_eq!(dig(dns.address, "a.corp.example A").data("A"), ["192.0.2.10"]);
    net.write("parts/new", "new A 192.0.2.30\n");
    gives("new", "192.0.2.30");
    gives("a", "192.0.2.12");

    // The same after a reload of all, which read another list of files.
    net.write("corp.zone", "$TTL 300\n$INCLUDE parts/soa\n@ NS ns\nns A 192.0.2.1\n$INCLUDE parts/other\n");
    net.write("parts/other", "other A 192.0.2.40\n");
    assert_eq!(dns.command(&["reload"]).code, 0);
    gives("other", "192.0.2.40");
    net.write("parts/other", "other A 192.0.2.41\n");
    gives("other", "192.0.2.41");
}

/// What a scripted primary does about a transfer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Honest,
    OtherEnd,
    Midway,
    Foreign,
    Garbage,
    OtherSerial,
    NoServers,
    Refuses,
}

#[derive(Clone, Copy, Debug)]
struct Says {
    serial: u32,
    manner: Manner,
}

fn soa(serial: u32) -> Vec<u8> {
    let mut rdata = [name("ns.corp.example"), name("hostmaster.corp.example")].concat();
    for number in [serial, 3600, 600, 86400, 60] {
        rdata.extend(number.to_be_bytes());
    }
    record(&name("corp.example"), SOA, IN, 300, &rdata)
}

/// Our script: honest about its SOA, and about the transfer as it is told.
fn play(seen: &Seen, says: Says) -> Vec<Act> {
    const AA: u16 = 0x0400;
    let Says { serial, manner } = says;
    let reply = seen.reply().set(AA);
    if seen.asks_for_soa() {
        return vec![Act::Reply(reply.answer(soa(serial)).bytes())];
    }
    let ns = record(&name("corp.example"), NS, IN, 300, &name("ns.corp.example"));
    let address = |owner: &str, last| record(&name(owner), A, IN, 300, &[192, 0, 2, last]);
    let begun = reply.clone().answer(soa(serial));
    let host = address("a.corp.example", u8::try_from(serial).unwrap());
    let body = begun.clone().answer(ns).answer(address("ns.corp.example", 1)).answer(host);
    let message = match manner {
        Manner::Honest => body.answer(soa(serial)),
        Manner::OtherEnd => body.answer(soa(serial + 1)),
        Manner::Midway => return vec![Act::Reply(body.bytes()), Act::Close],
        Manner::Foreign => body.answer(address("www.other.example", 66)).answer(soa(serial)),
        Manner::Garbage => return vec![Act::Raw(vec![0, 40, 0xff, 0xee, 1, 2, 3]), Act::Close],
        Manner::OtherSerial => reply.answer(soa(1)).answer(soa(1)),
        Manner::NoServers => begun.answer(soa(serial)),
        Manner::Refuses => reply.rcode(5),
    };
    vec![Act::Reply(message.bytes())]
}

#[test]
fn a_primary_that_lies_changes_nothing() {
    let net = Net::new();
    let says = Arc::new(Mutex::new(Says { serial: 5, manner: Manner::Foreign }));
    let script = Arc::clone(&says);
    let primary = Scripted::start(net.at(10), move |seen| play(seen, *script.lock().unwrap()));
    let dns = server(&net, &format!("primaries = [\"{}\"]", primary.address));
    let set = |serial, manner| *says.lock().unwrap() = Says { serial, manner };

    // Nothing yet: all say so in the same words.
    let again = reload(&dns, "corp.example");
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.stdout.contains("www.other.example, which is not within the zone"), "{again:?}");
    assert!(again.stdout.contains("there is nothing to answer with"), "{again:?}");
    let reply = ask(dns.address, &Message::query("a.corp.example", A).edns(1232));
    let (code, words) = reply.errors().remove(0);
    assert_eq!((reply.rcode(), code), (2, 14));
    let explained = dns.command(&["explain", "a.corp.example"]).stdout;
    let flat = explained.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&format!("gets SERVFAIL from zone corp.example: {words}")), "{explained}");
    assert!(flat.contains(&format!("secondary of {}: {words}", primary.address)), "{explained}");

    set(5, Manner::Honest);
    let again = reload(&dns, "corp.example");
    assert_eq!(again.code, 0, "{again:?}");
    let from = primary.address;
    assert_eq!(again.stdout, format!("corp.example applied: serial none -> 5, 4 records, from {from}\n"));

    for (manner, why) in [
        (Manner::OtherEnd, "SOAs of a transfer don't follow"),
        (Manner::Midway, "closed the connection in the middle"),
        (Manner::Foreign, "not within the zone"),
        (Manner::Garbage, "closed the connection in the middle"),
        (Manner::OtherSerial, "no sound zone"),
        (Manner::NoServers, "no sound zone"),
        (Manner::Refuses, "it says REFUSED"),
    ] {
        set(6, manner);
        let again = reload(&dns, "corp.example");
        assert_eq!(again.code, 2, "{manner:?}: {again:?}");
        assert!(again.stdout.contains(why), "{manner:?}: {again:?}");
        assert_eq!(serial(dns.address), Some(5), "{manner:?}");
        assert_eq!(dig(dns.address, "a.corp.example A").data("A"), ["192.0.2.5"], "{manner:?}");
        let status = dns.json(&["status"]);
        let told = status["zones"][0]["failure"]["reason"].as_str().unwrap_or_default().to_owned();
        assert!(told.contains(why), "{manner:?}: {told}");
    }
    set(4, Manner::Honest);
    let again = reload(&dns, "corp.example");
    assert!(again.code == 2 && again.stdout.contains("its serial 4 is older than ours, 5"), "{again:?}");

    set(7, Manner::Honest);
    assert_eq!(reload(&dns, "corp.example").code, 0);
    assert_eq!(dig(dns.address, "a.corp.example A").data("A"), ["192.0.2.7"]);
    let status = dns.json(&["status"]);
    assert!(status["zones"][0]["failure"].is_null(), "mended: {status}");
    let explained = dns.command(&["explain", "a.corp.example"]).stdout;
    assert!(explained.contains(&format!("secondary, serial 7, from {from}")), "{explained}");
    let transfers = "dnsfwd_zone_transfers_total{zone=\"corp.example\",view=\"\",direction=\"in\"}";
    assert_eq!(metric(&dns, transfers), Some(2.0));
    assert!(metric(&dns, "dnsfwd_zone_failures_total{zone=\"corp.example\"") >= Some(9.0));
    assert!(metric(&dns, "dnsfwd_zone_expires_seconds{zone=\"corp.example\"") > Some(86_000.0));
}

/// NSD with the zone `corp.example` by these lines of its clause.
fn nsd(net: &Net, host: u8, lines: &str) -> (Process, SocketAddr) {
    let zone = format!("zone:\n name: \"corp.example\"\n zonefile: \"corp.zone\"\n{lines}");
    common::exchange::nsd(net, host, &zone)
}

/// A primary that is of no use is told of by itself; the zone fails when none is left.
#[test]
fn a_dead_primary_beside_a_good_one_is_no_failure_of_the_zone() {
    let net = Net::new();
    let says = Arc::new(Mutex::new(Says { serial: 5, manner: Manner::Honest }));
    let script = Arc::clone(&says);
    let good = Scripted::start(net.at(10), move |seen| play(seen, *script.lock().unwrap()));
    let (dead, good) = (net.at(11), good.address);
    let dns = server(&net, &format!("primaries = [\"{dead}\", \"{good}\"]"));
    comes_to(dns.address, 5);
    let zone = "zone=\"corp.example\",view=\"\"";
    let failures = || metric(&dns, &format!("dnsfwd_zone_failures_total{{{zone}}}")).unwrap();
    let of = |primary: SocketAddr| {
        let series = format!("dnsfwd_zone_primary_failures_total{{{zone},primary=\"{primary}\"}}");
        metric(&dns, &series).unwrap()
    };
    assert_eq!(reload(&dns, "corp.example").code, 0);
    assert!(of(dead) >= 1.0);
    assert_eq!((of(good), failures()), (0.0, 0.0));

    let before = of(dead);
    *says.lock().unwrap() = Says { serial: 6, manner: Manner::Foreign };
    assert_eq!(reload(&dns, "corp.example").code, 2);
    // One round has failed, and each primary in it.
    assert_eq!((of(dead), of(good), failures()), (before + 1.0, 1.0, 1.0));
    let status = dns.json(&["status"]);
    let told = &status["zones"][0]["primaries"][1];
    assert_eq!((told["address"].as_str(), told["failures"].as_u64()), (Some(&*good.to_string()), Some(1)));
}

/// Makes a zone's copy on disk say that a primary last vouched for it so many seconds ago. It is a magic of eight
/// octets and entries: kind, length in four octets, eight octets of the SHA-256 of kind and content, content; the first
/// entry's content has that time as its third number of eight octets. The journal is of no use behind another copy.
fn age(state: &Path, secs: u64) {
    let copy = state.join("corp.example.copy");
    let mut octets = std::fs::read(&copy).unwrap();
    let length = u32::from_be_bytes(octets[9..13].try_into().unwrap()) as usize;
    let vouched = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - secs;
    octets[21 + 16..21 + 24].copy_from_slice(&vouched.to_be_bytes());
    let seal = Sha256::new().chain_update([octets[8]]).chain_update(&octets[21..21 + length]).finalize();
    octets[13..21].copy_from_slice(&seal[..8]);
    std::fs::write(&copy, octets).unwrap();
    let _ = std::fs::remove_file(state.join("corp.example.journal"));
}

/// RFC 1034 section 4.3.5: a zone that nobody has vouched for in time is no longer answered from. Its SOA says a day.
#[test]
fn an_expired_zone_is_told_to_all_who_ask() {
    const DAY: u64 = 86_400;
    let net = Net::new();
    let state = net.folder().join("state");
    let honest = |seen: &Seen| play(seen, Says { serial: 5, manner: Manner::Honest });
    let primary = Scripted::start(net.at(10), honest);
    let start =
        || server(&net, &format!("primaries = [\"{}\"]\nallow_transfer = [\"127.0.0.0/8\"]", net.at(10)));
    let dns = start();
    comes_to(dns.address, 5);
    drop((dns, primary));

    // An hour is left: it is answered from, whoever is dead.
    age(&state, DAY - 3_600);
    let dns = start();
    assert_eq!(dig(dns.address, "a.corp.example A").data("A"), ["192.0.2.5"]);
    let told = dns.json(&["status"]);
    let zone = &told["zones"][0];
    assert!(zone["expires_secs"].as_u64().is_some_and(|secs| (3_000..=3_600).contains(&secs)), "{told}");
    assert!(zone["expired_secs"].is_null(), "{told}");
    drop(dns);

    age(&state, DAY + 2 * 3_600);
    let dns = start();
    for dug in [dig(dns.address, "a.corp.example A"), kdig(dns.address, "+edns a.corp.example A")] {
        assert_eq!((dug.status.as_str(), dug.answer.len()), ("SERVFAIL", 0), "{}", dug.text);
        assert!(dug.text.contains("24 (Invalid Data)"), "{}", dug.text);
        assert!(dug.text.contains("the zone has expired"), "{}", dug.text);
    }
    let whole = common::ask_tcp(dns.address, &Message::query("corp.example", 252).edns(1232));
    assert_eq!((whole.rcode(), whole.answer.len()), (2, 0));
    told_as_expired(&dns, 2 * 3_600);
    assert_eq!(metric(&dns, "dnsfwd_zone_expires_seconds{zone=\"corp.example\""), Some(0.0));
    assert_eq!(metric(&dns, "dnsfwd_zone_serial{zone=\"corp.example\""), None);

    // The primary is there again and has nothing newer: that is enough.
    let _primary = Scripted::start(net.at(10), honest);
    assert_eq!(reload(&dns, "corp.example").code, 0);
    assert_eq!(dig(dns.address, "a.corp.example A").data("A"), ["192.0.2.5"]);
    let told = dns.json(&["status"]);
    assert!(told["zones"][0]["expired_secs"].is_null(), "{told}");
    assert!(!dns.command(&["explain", "a.corp.example"]).stdout.contains("expired"));
}

/// `status` and `explain` say that it has expired, and since when; at least this long ago, and no minute more.
fn told_as_expired(dns: &Dnsfwd, secs: u64) {
    let near = |told: Option<u64>| told.is_some_and(|told| (secs..secs + 60).contains(&told));
    let told = dns.json(&["status"]);
    assert!(near(told["zones"][0]["expired_secs"].as_u64()), "{told}");
    let page = dns.command(&["status"]).stdout;
    assert!(page.contains("corp.example expired 2h") && page.contains("UTC): nothing to answer"), "{page}");
    let told = dns.json(&["explain", "a.corp.example"]);
    assert!(near(told["zone_expired_secs"].as_u64()), "{told}");
    let page = dns.command(&["explain", "a.corp.example"]).stdout;
    let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("gets SERVFAIL from zone corp.example: the zone has expired"), "{page}");
    assert!(flat.contains("expired 2h") && flat.contains("ago (20"), "{page}");
    assert!(dns.process.log().contains("a secondary zone has expired"));
}

/// NSD fetches from us, signed, and hears of changes.
#[test]
fn nsd_is_our_secondary() {
    let net = Net::new();
    net.write("corp.zone", &zone(1, ""));
    let theirs = net.at(30);
    let dns = server(
        &net,
        &format!(
            "file = \"corp.zone\"\nallow_transfer = [\"key:xfr\"]\n\
             notify = [{{ address = \"{theirs}\", key = \"xfr\" }}]"
        ),
    );
    let (ours, port) = (net.ip(53), net.port);
    let lines = format!(" request-xfr: {ours}@{port} xfr\n allow-notify: 0.0.0.0/0 xfr\n");
    let (_nsd, theirs) = nsd(&net, 30, &lines);
    comes_to(theirs, 1);
    for serial in 2..4 {
        net.write("corp.zone", &zone(serial, &format!("b{serial} A 192.0.2.{serial}\n")));
        assert_eq!(reload(&dns, "corp.example").code, 0);
        comes_to(theirs, serial);
    }
    assert_eq!(dig(theirs, "+norec b3.corp.example A").data("A"), ["192.0.2.3"]);
    assert_eq!(dig(theirs, "+norec b2.corp.example A").status, "NXDOMAIN");
    let sent = "dnsfwd_zone_transfers_total{zone=\"corp.example\",view=\"\",direction=\"out\"}";
    assert!(metric(&dns, sent) >= Some(3.0));
}

/// We fetch from NSD, signed, and take what it has after it has read its file again.
#[test]
fn we_are_nsds_secondary() {
    let net = Net::new();
    std::fs::create_dir_all(net.folder().join("nsd")).unwrap();
    let file = net.folder().join("nsd/corp.zone");
    std::fs::write(&file, zone(1, "a A 192.0.2.10\n")).unwrap();
    let lines = format!(" provide-xfr: 0.0.0.0/0 xfr\n notify: {}@{} xfr\n", net.ip(53), net.port);
    let (nsd, theirs) = nsd(&net, 30, &lines);
    let dns = server(&net, &format!("primaries = [{{ address = \"{theirs}\", key = \"xfr\" }}]"));
    comes_to(dns.address, 1);
    std::fs::write(&file, zone(2, "b A 192.0.2.11\n")).unwrap();
    // SIGHUP: NSD reads its files again.
    nsd.signal(1);
    comes_to(theirs, 2);
    let again = reload(&dns, "corp.example");
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(serial(dns.address), Some(2));
    assert_eq!(dig(dns.address, "b.corp.example A").data("A"), ["192.0.2.11"]);
}
