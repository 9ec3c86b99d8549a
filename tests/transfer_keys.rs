//! Zones in exchange with BIND and NSD, they as primaries and as secondaries: without a key, with the right one, with a
//! wrong secret and with a key missing (RFC 8945); zones of no host, one and 100,000.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use common::exchange::{SECRET, WAIT, WRONG, axfr, key, named, nsd, serial_in, serial_of};
use common::message::A;
use common::{Dnsfwd, Message, Net, Process, Setup, ask, dig, eventually};

const SERIAL: u32 = 7;

/// What the two sides of a transfer have for a key.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Keys {
    /// Neither has one.
    None,
    Right,
    /// Both have the key `other`, with another secret each.
    Wrong,
    /// The primary wants one.
    Missing,
}

struct Zone {
    name: &'static str,
    keys: Keys,
    hosts: usize,
}

const fn zone(name: &'static str, keys: Keys, hosts: usize) -> Zone {
    Zone { name, keys, hosts }
}

const ZONES: [Zone; 8] = [
    zone("open-none.example", Keys::None, 0),
    zone("open-one.example", Keys::None, 1),
    zone("open-large.example", Keys::None, 100_000),
    zone("right-none.example", Keys::Right, 0),
    zone("right-one.example", Keys::Right, 1),
    zone("right-large.example", Keys::Right, 100_000),
    zone("wrong-one.example", Keys::Wrong, 1),
    zone("missing-one.example", Keys::Missing, 1),
];

impl Zone {
    fn is_for_them(&self) -> bool {
        matches!(self.keys, Keys::None | Keys::Right)
    }

    /// An SOA, an NS, and an address for each host.
    fn content(&self) -> String {
        let mut text =
            format!("$TTL 300\n@ SOA ns.example.net. host.example.net. {SERIAL} 3600 2 86400 60\n");
        text.push_str("@ NS ns.example.net.\n");
        for host in 0..self.hosts {
            writeln!(text, "h{host} A 10.{}.{}.{}", host >> 16, host >> 8 & 255, host & 255).unwrap();
        }
        text
    }

    fn file(&self) -> String {
        format!("{}.zone", self.name)
    }

    /// The key that the primary wants.
    fn wanted(&self) -> Option<&'static str> {
        match self.keys {
            Keys::None => None,
            Keys::Right | Keys::Missing => Some("xfr"),
            Keys::Wrong => Some("other"),
        }
    }

    /// The key that the secondary has.
    fn given(&self) -> Option<&'static str> {
        self.wanted().filter(|_| self.keys != Keys::Missing)
    }
}

fn write_zones(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for zone in &ZONES {
        std::fs::write(folder.join(zone.file()), zone.content()).unwrap();
    }
}

/// We with all zones; `terms` gives the lines of each one's table.
fn ours(net: &Net, secret_of_other: &str, terms: impl Fn(&Zone) -> String) -> Dnsfwd {
    let other = format!("[[key]]\nname = \"other\"\nsecret = \"{secret_of_other}\"\n");
    let mut body = key(SECRET) + &other;
    for zone in &ZONES {
        writeln!(body, "[[zone]]\nname = \"{}\"\n{}", zone.name, terms(zone)).unwrap();
    }
    let state = net.folder().join("state");
    Setup::new(net).server(&format!("state = \"{}\"", state.display())).body(&body).start(net)
}

fn we_fetch_from(net: &Net, primary: SocketAddr) -> Dnsfwd {
    ours(net, WRONG, |zone| {
        let key = zone.given().map_or_else(String::new, |key| format!(", key = \"{key}\""));
        format!("primaries = [{{ address = \"{primary}\"{key} }}]\nallow_transfer = [\"127.0.0.0/8\"]")
    })
}

fn we_give(net: &Net) -> Dnsfwd {
    write_zones(net.folder());
    ours(net, SECRET, |zone| {
        let to = zone.wanted().map_or_else(|| "127.0.0.0/8".to_owned(), |key| format!("key:{key}"));
        format!("file = \"{}\"\nallow_transfer = [\"{to}\"]", zone.file())
    })
}

/// All zones that are for this server have come to it whole.
fn has_what_it_may(server: SocketAddr) {
    for zone in ZONES.iter().filter(|zone| zone.is_for_them()) {
        eventually(WAIT, zone.name, || serial_of(server, zone.name) == Some(SERIAL));
        let there = axfr(server, zone.name).expect(zone.name);
        assert_eq!(there.len(), zone.hosts + 3, "{}: SOA at both ends", zone.name);
        assert_eq!([&there[0], &there[there.len() - 1]].map(serial_in), [SERIAL; 2]);
        if let Some(last) = zone.hosts.checked_sub(1) {
            let address = format!("10.{}.{}.{}", last >> 16, last >> 8 & 255, last & 255);
            assert_eq!(dig(server, &format!("+norec h{last}.{} A", zone.name)).data("A"), [address]);
        }
    }
}

/// A zone that is not for this server has no name there.
fn has_nothing_else(server: SocketAddr) {
    for zone in ZONES.iter().filter(|zone| !zone.is_for_them()) {
        let dug = dig(server, &format!("+norec h0.{} A", zone.name));
        assert!(dug.answer.is_empty() && dug.status != "NOERROR" && dug.status != "NXDOMAIN", "{}", dug.text);
    }
}

/// We have what we may, and say why we have no more.
fn we_have_come_to_it(dns: &Dnsfwd) {
    has_what_it_may(dns.address);
    has_nothing_else(dns.address);
    for (zone, why) in [("wrong-one.example", "BADSIG"), ("missing-one.example", "REFUSED")] {
        eventually(WAIT, why, || {
            let status = dns.json(&["status"]);
            let zones = status["zones"].as_array().unwrap();
            let told = zones.iter().find(|told| told["name"] == zone).unwrap();
            told["failure"]["reason"].as_str().is_some_and(|told| told.contains(why))
        });
        let reply = ask(dns.address, &Message::query(&format!("h0.{zone}"), A).edns(1232));
        assert_eq!((reply.rcode(), reply.error_codes()), (2, vec![14]), "{zone}");
    }
}

/// They have what they may, after they were refused the rest.
fn they_have_come_to_it(dns: &Dnsfwd, theirs: SocketAddr) {
    has_what_it_may(theirs);
    eventually(WAIT, "both refusals", || {
        let log = dns.process.log();
        let refused =
            |words: &str, of: &str| log.lines().any(|line| line.contains(words) && line.contains(of));
        refused("a message was refused", "other") && refused("a transfer was refused", "missing-one.example")
    });
    has_nothing_else(theirs);
}

fn bind_with(net: &Net, secret_of_other: &str, terms: impl Fn(&Zone) -> String) -> (Process, SocketAddr) {
    let mut text = format!("key \"other\" {{ algorithm hmac-sha256; secret \"{secret_of_other}\"; }};\n");
    for zone in &ZONES {
        writeln!(text, "zone \"{}\" {{ {} }};", zone.name, terms(zone)).unwrap();
    }
    named(net, &text)
}

fn nsd_with(net: &Net, secret_of_other: &str, terms: impl Fn(&Zone) -> String) -> (Process, SocketAddr) {
    let mut text =
        format!("key:\n name: \"other\"\n algorithm: hmac-sha256\n secret: \"{secret_of_other}\"\n");
    for zone in &ZONES {
        writeln!(text, "zone:\n name: \"{}\"\n zonefile: \"{}\"\n{}", zone.name, zone.file(), terms(zone))
            .unwrap();
    }
    nsd(net, 30, &text)
}

#[test]
fn we_fetch_from_bind_what_keys_allow() {
    let net = Net::new();
    write_zones(&net.folder().join("bind"));
    let (_bind, theirs) = bind_with(&net, SECRET, |zone| {
        let to = zone.wanted().map_or_else(|| "any".to_owned(), |key| format!("key {key}"));
        format!("type primary; file \"{}\"; allow-transfer {{ {to}; }};", zone.file())
    });
    we_have_come_to_it(&we_fetch_from(&net, theirs));
}

#[test]
fn we_fetch_from_nsd_what_keys_allow() {
    let net = Net::new();
    write_zones(&net.folder().join("nsd"));
    let (_nsd, theirs) = nsd_with(&net, SECRET, |zone| {
        format!(" provide-xfr: 0.0.0.0/0 {}\n", zone.wanted().unwrap_or("NOKEY"))
    });
    we_have_come_to_it(&we_fetch_from(&net, theirs));
}

#[test]
fn bind_fetches_from_us_what_keys_allow() {
    let net = Net::new();
    let dns = we_give(&net);
    let (_bind, theirs) = bind_with(&net, WRONG, |zone| {
        let key = zone.given().map_or_else(String::new, |key| format!(" key {key}"));
        format!(
            "type secondary; file \"{}\"; primaries {{ {} port {}{key}; }};",
            zone.file(),
            net.ip(53),
            net.port
        )
    });
    they_have_come_to_it(&dns, theirs);
}

#[test]
fn nsd_fetches_from_us_what_keys_allow() {
    let net = Net::new();
    let dns = we_give(&net);
    let (_nsd, theirs) = nsd_with(&net, WRONG, |zone| {
        let key = zone.given().unwrap_or("NOKEY");
        format!(" request-xfr: {}@{} {key}\n provide-xfr: 0.0.0.0/0 NOKEY\n", net.ip(53), net.port)
    });
    they_have_come_to_it(&dns, theirs);
}
