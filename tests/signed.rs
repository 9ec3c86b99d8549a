//! Zones that BIND's tools signed, asked by clients that want DNSSEC: NSD, BIND and we give the same records, and
//! `delv` validates ours (RFC 4035 section 3.1, RFC 5155 section 7.2).
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;

use common::message::{A, AA, CNAME, DO, MX, Message, NS, RD, RRSIG, Record, SOA, TC, TXT, name, read_name};
use common::servers::{bind, nsd};
use common::{Dnsfwd, Net, Process, Setup, Tcp, parse, run};

const DNAME: u16 = 39;
const DS: u16 = 43;
const NSEC: u16 = 47;
const DNSKEY: u16 = 48;
const NSEC3: u16 = 50;
const NSEC3PARAM: u16 = 51;

/// Each zone of the tests has the same content; what differs is how it was signed.
const SIGNED: [(&str, &[&str]); 5] = [
    ("nsec.example", &[]),
    ("nsec3.example", &["-3", "-"]),
    ("optout.example", &["-3", "-", "-A"]),
    ("salted.example", &["-3", "aabbccdd", "-H", "12"]),
    ("costly.example", &["-3", "00112233445566778899", "-H", "150", "-A"]),
];

const CONTENT: &str = r#"
$TTL 3600
@        7200 IN SOA ns1 hostmaster ( 2026010101 3600 600 86400 300 )
         IN NS  ns1
         IN NS  ns2
         IN MX  10 mail
         IN TXT "apex"
         IN A   192.0.2.1
ns1      IN A   192.0.2.53
         IN AAAA 2001:db8::53
ns2      IN A   192.0.2.54
mail     IN A   192.0.2.25
www  600 IN A   192.0.2.80
     600 IN A   192.0.2.81
         IN AAAA 2001:db8::80
UPPER.Case IN A 192.0.2.82

*.wild   IN A   192.0.2.90
         IN TXT "any"
host.wild IN A  192.0.2.91
a.b.wild IN A   192.0.2.92
*.cwild  IN CNAME www
*.wout   IN CNAME www.elsewhere.example.
*.wwild  IN CNAME x.y.wild
*.wgone  IN CNAME absent.one
*.wnone  IN CNAME mail
*.wchild IN CNAME www.child
sub.*.odd IN TXT "an asterisk in the middle"
*.empty.deep IN MX 10 mail

deep.one.two.three IN A 192.0.2.100
l.a.b.c.d.e.f.g.h.i.j.k IN TXT "deep"

child    IN NS ns.child
         IN NS ns.other.example.
ns.child IN A  192.0.2.153
lame     IN NS ns.elsewhere.example.
secure   IN NS ns.secure
         IN DS 12345 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
ns.secure IN A 192.0.2.154
far.off.unsigned IN NS ns.elsewhere.example.
far.off.signed IN NS ns.elsewhere.example.
         IN DS 12345 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF

alias    IN CNAME www
alias2   IN CNAME alias
out      IN CNAME www.elsewhere.example.
broken   IN CNAME absent.one
toent    IN CNAME two.three
towild   IN CNAME something.wild
tochild  IN CNAME www.child
tosecure IN CNAME www.secure
nodata   IN CNAME mail
dname    IN DNAME target
         IN TXT "beside a DNAME"
a.target IN A 192.0.2.110
*.w.target IN A 192.0.2.111
dout     IN DNAME elsewhere.example.
dwild    IN DNAME wild

_ldap._tcp IN SRV 0 5 389 dc1
dc1      IN A 192.0.2.120
escaped\.dot IN TXT "dot"
bin\000ary IN TXT "nul"
"#;

/// Names to ask for, below each zone: what is there, and what lies between, beside and below it.
const NAMES: &[&str] = &[
    "",
    "ns1",
    "mail",
    "www",
    "WWW",
    "upper.case",
    "case",
    "x.case",
    "absent",
    "a",
    "zzzz",
    "0",
    "\\255",
    "x.absent",
    "x.y.z.absent",
    "below.www",
    "x.below.www",
    "wild",
    "q.wild",
    "q.r.wild",
    "host.wild",
    "x.host.wild",
    "b.wild",
    "c.b.wild",
    "a.b.wild",
    "x.a.b.wild",
    "*.wild",
    "x.*.wild",
    "q.cwild",
    "cwild",
    "q.wout",
    "q.wwild",
    "p.q.wwild",
    "q.wgone",
    "q.wnone",
    "q.wchild",
    "odd",
    "*.odd",
    "sub.*.odd",
    "q.odd",
    "sub.q.odd",
    "q.*.odd",
    "empty.deep",
    "q.empty.deep",
    "deep",
    "deep.one.two.three",
    "one.two.three",
    "two.three",
    "three",
    "x.one.two.three",
    "x.three",
    "x.deep.one.two.three",
    "k",
    "j.k",
    "b.c.d.e.f.g.h.i.j.k",
    "x.f.g.h.i.j.k",
    "x.y.f.g.h.i.j.k",
    "child",
    "www.child",
    "ns.child",
    "a.b.child",
    "lame",
    "x.lame",
    "secure",
    "www.secure",
    "unsigned",
    "off.unsigned",
    "far.off.unsigned",
    "www.far.off.unsigned",
    "x.off.unsigned",
    "x.unsigned",
    "signed",
    "off.signed",
    "far.off.signed",
    "www.far.off.signed",
    "x.off.signed",
    "alias",
    "alias2",
    "out",
    "broken",
    "toent",
    "towild",
    "tochild",
    "tosecure",
    "nodata",
    "dname",
    "a.dname",
    "b.dname",
    "x.w.dname",
    "w.dname",
    "a.b.c.dname",
    "q.dwild",
    "host.dwild",
    "x.host.dwild",
    "x.dout",
    "dout",
    "target",
    "x.target",
    "_tcp",
    "_ldap._tcp",
    "x._tcp",
    "escaped\\.dot",
    "bin\\000ary",
    "bin\\001ary",
];

const TYPES: &[u16] = &[A, TXT, MX, NS, CNAME, SOA, DNAME, DS, NSEC, DNSKEY, NSEC3, NSEC3PARAM];

struct Zone {
    name: &'static str,
    text: String,
    anchor: PathBuf,
    /// The hashes of its NSEC3 records' owners.
    hashes: Vec<String>,
}

fn sign(net: &Net, name: &'static str, content: &str, options: &[&str]) -> Zone {
    let folder = net.folder().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut keygen = Command::new("/usr/bin/dnssec-keygen");
    let key = run(keygen.args(["-q", "-a", "ECDSAP256SHA256", "-f", "KSK", name]).current_dir(&folder));
    assert_eq!(key.code, 0, "{}", key.all());
    std::fs::write(folder.join("plain"), content).unwrap();
    let mut signzone = Command::new("/usr/bin/dnssec-signzone");
    signzone.args(["-q", "-S", "-z", "-o", name, "-f", "signed"]).args(options).arg("plain");
    let signed = run(signzone.current_dir(&folder));
    assert_eq!(signed.code, 0, "{}", signed.all());
    let text = std::fs::read_to_string(folder.join("signed")).unwrap();
    let public = std::fs::read_to_string(folder.join(format!("{}.key", key.stdout.trim()))).unwrap();
    let key: Vec<&str> = public.lines().last().unwrap().split_whitespace().skip(3).collect();
    let anchor = format!(
        "trust-anchors {{ \"{name}\" static-key {} {} {} \"{}\"; }};\n",
        key[0],
        key[1],
        key[2],
        key[3..].concat()
    );
    let hashed =
        text.lines().filter(|line| line.contains("IN NSEC3 ")).filter_map(|line| line.split('.').next());
    let hashes = hashed.map(str::to_owned).collect();
    Zone { name, text, anchor: net.write(&format!("{name}.anchor"), &anchor), hashes }
}

struct Scene {
    _net: Net,
    zones: Vec<Zone>,
    nsd: (SocketAddr, Process),
    bind: (SocketAddr, Process),
    dns: Dnsfwd,
}

impl Scene {
    fn new() -> Scene {
        let net = Net::new();
        let zones: Vec<Zone> = SIGNED.iter().map(|(name, how)| sign(&net, name, CONTENT, how)).collect();
        let texts: Vec<(&str, &str)> = zones.iter().map(|zone| (zone.name, zone.text.as_str())).collect();
        let (nsd_at, bind_at) = (net.at(10), on_localhost());
        let (nsd, bind) = (nsd(&net, nsd_at, &texts), bind(&net, bind_at, &texts));
        let setup =
            zones.iter().fold(Setup::new(&net), |setup, zone| setup.zone(&net, zone.name, &zone.text));
        let dns = setup.start(&net);
        Scene { _net: net, zones, nsd: (nsd_at, nsd), bind: (bind_at, bind), dns }
    }
}

/// BIND listens on addresses that an interface has, and on those alone.
fn on_localhost() -> SocketAddr {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn question(qname: &str, qtype: u16) -> Message {
    Message::query(qname, qtype).clear(RD).edns_do(1232)
}

/// A record in one line: owner, type, TTL, data, all names in lower case and uncompressed.
type Line = String;

#[derive(Debug, PartialEq, Eq)]
struct Said {
    rcode: u16,
    authoritative: bool,
    sections: [BTreeSet<Line>; 3],
}

/// Without the zone's own NS in the authority section, which others add to positive answers (RFC 1034 section 4.3.2
/// step 6 leaves it open) and we do not; nor the root's, which BIND adds where a CNAME leaves the zone.
fn said(tcp: &mut Tcp, query: &Message, zone: &str) -> Said {
    tcp.send(&query.bytes());
    let reply = tcp.receive().expect("an answer over TCP");
    let parsed = parse(&reply);
    assert!(!parsed.has(TC) && parsed.edns_flags() == Some(DO), "{parsed:?}");
    let apex = name(zone);
    let own_servers = |record: &Record| {
        let covers_ns = record.rtype == RRSIG && record.rdata.starts_with(&NS.to_be_bytes());
        [&apex[..], &[0]].contains(&&record.owner[..]) && (record.rtype == NS || covers_ns)
    };
    let lines = |records: &[Record]| records.iter().map(|record| line(&reply, record)).collect();
    let authority = parsed
        .authority
        .iter()
        .filter(|record| !own_servers(record))
        .map(|record| line(&reply, record))
        .collect();
    Said {
        rcode: parsed.rcode(),
        authoritative: parsed.has(AA),
        sections: [lines(&parsed.answer), authority, lines(&parsed.additional)],
    }
}

fn line(reply: &[u8], record: &Record) -> Line {
    let mut data = record.rdata.clone();
    // Where names stand in the data of RFC 1035's types, which alone are compressed.
    let names = match record.rtype {
        NS | CNAME => Some((0, 1)),
        SOA => Some((0, 2)),
        MX => Some((2, 1)),
        _ => None,
    };
    if let Some((skip, count)) = names {
        let start = record.end - record.rdata.len();
        let mut at = start + skip;
        data.truncate(skip);
        for _ in 0..count {
            data.extend(read_name(reply, &mut at).unwrap());
        }
        data.extend(&reply[at..record.end]);
    }
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string().to_ascii_lowercase();
    format!("{} {} {} {}", shown(&record.owner), record.rtype, record.ttl, shown(&data))
}

/// What we say is what one of the others says, part by part.
fn compare(scene: &Scene) -> Vec<String> {
    let [mut ours, mut nsd, mut bind] = [scene.dns.address, scene.nsd.0, scene.bind.0].map(Tcp::to);
    let mut differ = Vec::new();
    for zone in &scene.zones {
        let hashes = zone.hashes.iter().take(4).flat_map(|hash| [hash.clone(), format!("x.{hash}")]);
        for labels in NAMES.iter().map(|labels| (*labels).to_owned()).chain(hashes) {
            let qname =
                if labels.is_empty() { zone.name.to_owned() } else { format!("{labels}.{}", zone.name) };
            for qtype in TYPES {
                let query = question(&qname, *qtype);
                let (ours, nsd, bind) = (
                    said(&mut ours, &query, zone.name),
                    said(&mut nsd, &query, zone.name),
                    said(&mut bind, &query, zone.name),
                );
                if let Some(fault) = difference(&ours, &nsd, &bind) {
                    differ.push(format!(
                        "{qname} {qtype}: {fault}\n  ours {ours:#?}\n  NSD  {nsd:#?}\n  BIND {bind:#?}"
                    ));
                }
            }
        }
    }
    differ
}

fn difference(ours: &Said, nsd: &Said, bind: &Said) -> Option<String> {
    if ours.rcode != nsd.rcode && ours.rcode != bind.rcode {
        return Some("rcode".into());
    }
    if ours.authoritative != nsd.authoritative && ours.authoritative != bind.authoritative {
        return Some("AA".into());
    }
    for (index, section) in ["answer", "authority"].into_iter().enumerate() {
        let same = |other: &Said| other.sections[index] == ours.sections[index];
        if !same(nsd) && !same(bind) {
            return Some(section.into());
        }
    }
    // Additional records are a courtesy, save for glue.
    let known: BTreeSet<&Line> = nsd.sections[2].union(&bind.sections[2]).collect();
    ours.sections[2].iter().find(|line| !known.contains(line)).map(|line| format!("additional {line}"))
}

/// RFC 4035 section 3.1, RFC 5155 section 7.2, against two other implementations. Where these differ from each
/// other, and they do, either is right:
///
/// - NSD gives the records of the DNAME's own name, not of the one that it led to, when that does not exist.
/// - Below names that only an opted-out delegation brings about, NSD leaves parts of the closest encloser's proof out.
/// - NSD does not follow CNAMEs for a question for NSEC3.
#[test]
fn nsd_and_bind_prove_the_same() {
    let scene = Scene::new();
    let differ = compare(&scene);
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ[..differ.len().min(5)].join("\n\n"));
}

/// What `delv` says of each kind of answer.
#[derive(Clone, Copy)]
enum Verdict {
    /// Signed, and rightly so.
    Answer,
    NoData,
    NxDomain,
    /// The answer, as one that need not be signed.
    Unsigned,
}

use Verdict::{Answer, NoData, NxDomain, Unsigned};

const VALIDATED: &[(&str, &str, Verdict)] = &[
    ("", "SOA", Answer),
    ("", "DNSKEY", Answer),
    ("www", "A", Answer),
    ("www", "MX", NoData),
    ("", "SRV", NoData),
    ("two.three", "A", NoData),
    ("absent", "A", NxDomain),
    ("x.y.absent", "TXT", NxDomain),
    ("below.www", "A", NxDomain),
    ("x.f.g.h.i.j.k", "A", NxDomain),
    ("q.wild", "A", Answer),
    ("q.r.wild", "TXT", Answer),
    ("q.wild", "MX", NoData),
    ("*.wild", "A", Answer),
    ("*.wild", "MX", NoData),
    ("x.host.wild", "A", NxDomain),
    ("q.odd", "TXT", NoData),
    ("sub.q.odd", "TXT", NoData),
    ("alias2", "A", Answer),
    ("q.cwild", "A", Answer),
    ("p.q.wwild", "A", Answer),
    ("nodata", "MX", NoData),
    ("broken", "A", NxDomain),
    ("q.wgone", "A", NxDomain),
    ("q.wnone", "TXT", NoData),
    ("a.dname", "A", Answer),
    ("x.w.dname", "A", Answer),
    ("b.dname", "A", NxDomain),
    ("w.dname", "A", NoData),
    ("child", "DS", NoData),
    ("secure", "DS", Answer),
    ("far.off.signed", "DS", Answer),
];

/// A validator that knows nothing but the zone's key.
#[test]
fn delv_validates_every_kind() {
    let scene = Scene::new();
    let mut faults = Vec::new();
    for zone in &scene.zones {
        for (labels, rtype, verdict) in VALIDATED {
            let qname =
                if labels.is_empty() { zone.name.to_owned() } else { format!("{labels}.{}", zone.name) };
            let said = delv(&scene, zone, &qname, rtype);
            // Behind a CNAME, delv names the denial's own state at its end alone.
            let expected = match verdict {
                Answer => ["; fully validated", ""],
                NoData => ["fully validated", "ncache nxrrset"],
                NxDomain => ["fully validated", "ncache nxdomain"],
                Unsigned => ["; unsigned answer", ""],
            };
            if !expected.iter().all(|words| said.contains(words)) {
                faults.push(format!("{qname} {rtype}: {said}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} of them:\n{}", faults.len(), faults.join("\n"));
}

fn delv(scene: &Scene, zone: &Zone, qname: &str, rtype: &str) -> String {
    let mut delv = Command::new("/usr/bin/delv");
    delv.arg("-a").arg(&zone.anchor).arg(format!("+root={}", zone.name));
    delv.args([&format!("@{}", scene.dns.address.ip()), "-p", &scene.dns.address.port().to_string()]);
    delv.args([qname, rtype]);
    let ran = run(&mut delv);
    ran.all()
}
