//! Real servers as targets: NSD and BIND, each with the zones that a test gives it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::Udp;
use super::message::{Message, SOA};
use super::net::Net;
use super::process::Process;

/// A zone's name and its master file.
pub type Zone<'a> = (&'a str, &'a str);

/// What the inbound endpoint knows: the cloud's private names.
pub const CLOUD: [Zone; 3] = [
    (
        "awsanycompany.corp",
        "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 10.0.1.250\n\
         web1 A 10.0.10.10\nweb2 A 10.0.20.10\n*.wild A 10.0.30.30\n\
         big TXT ( \"0123456789012345678901234567890123456789012345678901234567890123456789\" )\n",
    ),
    (
        "ap-northeast-2.compute.internal",
        "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 10.0.1.250\n\
         ip-10-0-10-10 A 10.0.10.10\nip-10-0-20-10 A 10.0.20.10\n",
    ),
    (
        "0.10.in-addr.arpa",
        "$TTL 60\n@ SOA ns.awsanycompany.corp. hostmaster.awsanycompany.corp. 1 3600 600 86400 60\n\
         @ NS ns.awsanycompany.corp.\n10.10 PTR web1.awsanycompany.corp.\n10.20 PTR web2.awsanycompany.corp.\n",
    ),
];

/// The company's own zone, answered by the server under test.
pub const COMPANY: Zone<'static> = (
    "anycompany.corp",
    "$TTL 300\n@ SOA dnssrv hostmaster 1 3600 600 86400 60\n@ NS dnssrv\n\
     websrv A 192.168.2.10\ndnssrv A 192.168.2.250\nwww CNAME websrv\n",
);

/// What the public resolver knows, in place of the whole Internet: what isn't here isn't there, as the
/// company's names are nowhere in the world's DNS.
pub fn public_zones() -> Vec<(&'static str, String)> {
    let soa =
        "$TTL 300\n@ SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 30\n@ NS ns.example.net.\n";
    let mut com = String::from(soa);
    com.push_str(
        "www A 192.0.2.80\nwww AAAA 2001:db8::80\n@ MX 10 mail\nmail A 192.0.2.25\n*.wild A 192.0.2.99\n",
    );
    com.push_str("shop CNAME web1.awsanycompany.corp.\nintranet CNAME websrv.anycompany.corp.\n");
    com.push_str("gone CNAME nowhere.awsanycompany.corp.\n");
    for number in 0..40 {
        // 40 strings of 60 octets: more than any UDP answer of ours carries.
        writeln!(com, "big TXT \"{number:03} {}\"", "x".repeat(56)).unwrap();
    }
    let net = format!("{soa}ns A 192.0.2.53\nwww A 192.0.2.81\nalias CNAME www.example.com.\n");
    let root = format!(
        "{soa}example.com. NS ns.example.net.\nexample.net. NS ns.example.net.\nns.example.net. A 192.0.2.53\n\
         nowhere. TXT \"the rest of the world\"\n"
    );
    vec![("example.com", com), ("example.net", net), (".", root)]
}

/// Without the limit on response rates that Debian's build has by default: 200 a second.
pub fn nsd(net: &Net, address: SocketAddr, zones: &[(&str, &str)]) -> Process {
    let folder = prepare(net, "nsd", address, zones);
    let mut text = format!(
        "server:\n server-count: 1\n ip-address: {}@{}\n username: \"\"\n chroot: \"\"\n database: \"\"\n \
         zonesdir: \"{folder}\"\n pidfile: \"\"\n xfrdfile: \"\"\n zonelistfile: \"{folder}/zone.list\"\n \
         xfrdir: \"{folder}\"\n verbosity: 1\n rrl-ratelimit: 0\n rrl-whitelist-ratelimit: 0\n\
         remote-control:\n control-enable: no\n",
        address.ip(),
        address.port(),
        folder = folder.display(),
    );
    for (number, (zone, _)) in zones.iter().enumerate() {
        write!(text, "zone:\n name: \"{zone}\"\n zonefile: \"{number}.zone\"\n").unwrap();
    }
    let file = folder.join("nsd.conf");
    std::fs::write(&file, text).unwrap();
    let start =
        || Process::start("nsd", Command::new("/usr/sbin/nsd").arg("-d").arg("-c").arg(&file), &folder);
    ready(start(), address, zones[0].0)
}

/// BIND takes only addresses that an interface has, so that this one is for namespaces.
pub fn bind(net: &Net, address: SocketAddr, zones: &[(&str, &str)]) -> Process {
    let folder = prepare(net, "bind", address, zones);
    let mut text = format!(
        "options {{\n directory \"{folder}\";\n listen-on port {} {{ {}; }};\n listen-on-v6 {{ none; }};\n \
         recursion yes;\n allow-recursion {{ any; }};\n pid-file none;\n session-keyfile none;\n dnssec-validation no;\n \
         allow-query {{ any; }};\n empty-zones-enable no;\n zero-no-soa-ttl no;\n}};\ncontrols {{ }};\n",
        address.port(),
        address.ip(),
        folder = folder.display(),
    );
    for (number, (zone, _)) in zones.iter().enumerate() {
        writeln!(text, "zone \"{zone}\" {{ type primary; file \"{number}.zone\"; }};").unwrap();
    }
    let file = folder.join("named.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("/usr/sbin/named");
    command.args(["-g", "-n", "1", "-c"]).arg(&file);
    ready(Process::start("named", &mut command, &folder), address, zones[0].0)
}

/// A folder for one server, with its zone files in it.
fn prepare(net: &Net, kind: &str, address: SocketAddr, zones: &[(&str, &str)]) -> std::path::PathBuf {
    let folder = net.folder().join(format!("{kind}-{}", address.ip()));
    std::fs::create_dir_all(&folder).unwrap();
    for (number, (_, content)) in zones.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.zone")), content).unwrap();
    }
    folder
}

fn ready(mut server: Process, address: SocketAddr, zone: &str) -> Process {
    wait_for_answer(&mut server, address, zone);
    server
}

/// Asks until the server answers with authority.
pub fn wait_for_answer(server: &mut Process, address: SocketAddr, zone: &str) {
    let query = Message::query(zone, SOA).bytes();
    let end = Instant::now() + Duration::from_secs(15);
    while Instant::now() < end {
        let socket = Udp::to(address);
        socket.send(&query);
        let reply = socket.receive(Duration::from_millis(100));
        if reply.is_some_and(|reply| reply[3] & 15 == 0) {
            return;
        }
        assert!(server.alive(), "the server ended at once:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the server at {address} isn't ready after 15 seconds:\n{}", server.log());
}

/// One of the files that Debian's packages and the tools need to be there.
pub fn exists(program: &str) -> bool {
    Path::new(program).exists()
}
