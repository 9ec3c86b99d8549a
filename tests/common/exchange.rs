//! Servers that exchange zones with ours, BIND and NSD, with one secret for all; and whole zones as a client gets them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::client::{Tcp, dig, parse};
use super::eventually;
use super::message::{Message, Record, SOA};
use super::net::Net;
use super::process::Process;

pub const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
pub const WRONG: &str = "bm90IHRoZSBzZWNyZXQgdGhhdCBib3RoIHNpZGVzIGhhdmU=";
pub const WAIT: Duration = Duration::from_secs(20);
const AXFR: u16 = 252;

/// The small zone of most tests: `corp.example`, four records and what comes on top.
pub fn zone(serial: u32, more: &str) -> String {
    format!("$TTL 300\n@ SOA ns hostmaster {serial} 3600 2 86400 60\n@ NS ns\nns A 192.0.2.1\n{more}")
}

/// A key named `xfr` in our configuration.
pub fn key(secret: &str) -> String {
    format!("[[key]]\nname = \"xfr\"\nsecret = \"{secret}\"\n")
}

pub fn serial_of(server: SocketAddr, zone: &str) -> Option<u32> {
    let dug = dig(server, &format!("+norec {zone} SOA"));
    dug.data("SOA").first().and_then(|soa| soa.split(' ').nth(2)?.parse().ok())
}

/// Where BIND is: on 127.0.0.1, which it takes without a namespace, and a port that depends on the test.
pub fn named_address(net: &Net) -> SocketAddr {
    ([127, 0, 0, 1], net.port - 10_000).into()
}

/// BIND with these statements, and the key `xfr`.
pub fn named(net: &Net, statements: &str) -> (Process, SocketAddr) {
    let address = named_address(net);
    let folder = net.folder().join("bind");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!(
        "options {{ directory \"{folder}\"; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; \
         recursion no; pid-file none; session-keyfile none; dnssec-validation no; allow-query {{ any; }}; \
         allow-transfer {{ any; }}; notify explicit; notify-delay 0; empty-zones-enable no; \
         min-retry-time 1; min-refresh-time 1; }};\n\
         controls {{ }};\nkey \"xfr\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n{statements}\n",
        address.port(),
        folder = folder.display(),
    );
    let file = folder.join("named.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("/usr/sbin/named");
    command.args(["-g", "-n", "1", "-c"]).arg(&file);
    let mut process = Process::start("named", &mut command, &folder);
    let listens = || !dig(address, "+norec version.bind CH TXT").status.is_empty();
    wait_for("BIND", &mut process, listens);
    (process, address)
}

/// NSD with these clauses, and the key `xfr`. Its files are in `nsd` of the test's folder.
pub fn nsd(net: &Net, host: u8, clauses: &str) -> (Process, SocketAddr) {
    let (address, folder) = (net.at(host), net.folder().join("nsd"));
    std::fs::create_dir_all(&folder).unwrap();
    let at = folder.display();
    let text = format!(
        "server:\n server-count: 1\n ip-address: {}@{}\n username: \"\"\n chroot: \"\"\n database: \"\"\n \
         zonesdir: \"{at}\"\n pidfile: \"\"\n xfrdfile: \"\"\n zonelistfile: \"{at}/zone.list\"\n \
         xfrdir: \"{at}\"\n verbosity: 2\n rrl-ratelimit: 0\n rrl-whitelist-ratelimit: 0\n\
         remote-control:\n control-enable: no\n\
         key:\n name: \"xfr\"\n algorithm: hmac-sha256\n secret: \"{SECRET}\"\n{clauses}",
        address.ip(),
        address.port(),
    );
    let file = folder.join("nsd.conf");
    std::fs::write(&file, text).unwrap();
    let mut process =
        Process::start("nsd", Command::new("/usr/sbin/nsd").arg("-d").arg("-c").arg(&file), &folder);
    wait_for("NSD", &mut process, || !dig(address, "+norec version.server CH TXT").status.is_empty());
    (process, address)
}

fn wait_for(what: &str, process: &mut Process, listens: impl Fn() -> bool) {
    eventually(WAIT, &format!("{what} listens"), || {
        assert!(process.alive(), "{}", process.log());
        listens()
    });
}

/// All records of a zone that this server gives, SOA at both ends; none if it gives no whole zone.
pub fn axfr(server: SocketAddr, zone: &str) -> Option<Vec<Record>> {
    let mut client = Tcp::to(server);
    client.send(&Message::query(zone, AXFR).bytes());
    let mut records: Vec<Record> = Vec::new();
    loop {
        let message = parse(&client.receive()?);
        if message.rcode() != 0 || message.answer.is_empty() {
            return None;
        }
        records.extend(message.answer);
        if records.len() > 1 && records.last().is_some_and(|last| last.rtype == SOA) {
            return Some(records);
        }
    }
}

/// The serial number in an SOA's data.
pub fn serial_in(soa: &Record) -> u32 {
    assert_eq!(soa.rtype, SOA);
    let numbers = soa.rdata.last_chunk::<20>().unwrap();
    u32::from_be_bytes([numbers[0], numbers[1], numbers[2], numbers[3]])
}

/// Writes a file beside and puts it in place, so that nobody reads half of it.
pub fn put(path: &Path, content: &str) {
    let beside = path.with_extension("beside");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(&beside, path).unwrap();
}
