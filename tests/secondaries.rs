//! Zones fetched from others and given to others: NSD on both sides, primaries that lie, and one zone read again at
//! an operator's wish.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::message::{A, IN, SOA, name, record};
use common::target::Seen;
use common::{Act, Dnsfwd, Message, Net, Output, Process, Scripted, Setup, ask, dig, eventually};

const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const WAIT: Duration = Duration::from_secs(20);
const NS: u16 = 2;

fn zone(serial: u32, more: &str) -> String {
    format!("$TTL 300\n@ SOA ns hostmaster {serial} 3600 2 86400 60\n@ NS ns\nns A 192.0.2.1\n{more}")
}

/// A server with the zone `corp.example` by these keys of its table.
fn server(net: &Net, terms: &str) -> Dnsfwd {
    let body = format!(
        "[[key]]\nname = \"xfr\"\nsecret = \"{SECRET}\"\n[[zone]]\nname = \"corp.example\"\n{terms}\n"
    );
    let state = net.folder().join("state");
    Setup::new(net).server(&format!("state = \"{}\"", state.display())).body(&body).start(net)
}

fn reload(dns: &Dnsfwd, zone: &str) -> Output {
    dns.command(&["reload", "--zone", zone])
}

fn serial(server: SocketAddr) -> Option<u32> {
    let dug = dig(server, "+norec corp.example SOA");
    dug.data("SOA").first().and_then(|soa| soa.split(' ').nth(2)?.parse().ok())
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
    let (address, folder) = (net.at(host), net.folder().join("nsd"));
    std::fs::create_dir_all(&folder).unwrap();
    let at = folder.display();
    let text = format!(
        "server:\n server-count: 1\n ip-address: {}@{}\n username: \"\"\n chroot: \"\"\n database: \"\"\n \
         zonesdir: \"{at}\"\n pidfile: \"\"\n xfrdfile: \"\"\n zonelistfile: \"{at}/zone.list\"\n \
         xfrdir: \"{at}\"\n verbosity: 2\n rrl-ratelimit: 0\n rrl-whitelist-ratelimit: 0\n\
         remote-control:\n control-enable: no\n\
         key:\n name: \"xfr\"\n algorithm: hmac-sha256\n secret: \"{SECRET}\"\n\
         zone:\n name: \"corp.example\"\n zonefile: \"corp.zone\"\n{lines}",
        address.ip(),
        address.port(),
    );
    let file = folder.join("nsd.conf");
    std::fs::write(&file, text).unwrap();
    let mut process =
        Process::start("nsd", Command::new("/usr/sbin/nsd").arg("-d").arg("-c").arg(&file), &folder);
    eventually(WAIT, "NSD listens", || {
        assert!(process.alive(), "{}", process.log());
        !dig(address, "+norec corp.example SOA").status.is_empty()
    });
    (process, address)
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
