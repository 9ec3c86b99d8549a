//! NSD and we give the same answers from the same zone, where it is installed.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;
use crate::zone::OutcomeKind;

const NSD: &str = "/usr/sbin/nsd";

const ZONE: &str = "\
$TTL 3600
@ SOA ns1 hostmaster 7 3600 900 1209600 300
@ NS ns1
@ NS ns.child
@ MX 10 mail
@ MX 20 ns1
@ TXT apex
ns1 A 192.0.2.53
ns1 AAAA 2001:db8::53
mail A 192.0.2.25
www CNAME web
web A 192.0.2.80
web A 192.0.2.81
out CNAME www.elsewhere.test.
dangling CNAME gone
hidden CNAME www.child
child NS ns.child
child NS ns.sibling
child NS ns.test.
child DS 1 8 2 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971
ns.child A 192.0.2.10
ns.child AAAA 2001:db8::10
sibling NS ns.sibling
ns.sibling A 192.0.2.11
a.b.ent A 192.0.2.1
* TXT wild
*.w A 192.0.2.2
*.w MX 5 x.w
x.y.w TXT block
*.c CNAME web
_s._tcp SRV 0 0 1 mail
_s._tcp SRV 1 0 1 any.w
old DNAME new
old TXT dname
host.new A 192.0.2.3
*.new TXT wildnew
away DNAME elsewhere.test.
sub.*.w A 192.0.2.4
deep MX 1 ns.child
";

const LABELS: &[&str] = &[
    "",
    "ns1.",
    "mail.",
    "www.",
    "web.",
    "out.",
    "dangling.",
    "hidden.",
    "child.",
    "x.child.",
    "ns.child.",
    "sibling.",
    "ent.",
    "b.ent.",
    "a.b.ent.",
    "x.b.ent.",
    "nothing.",
    "x.nothing.",
    "w.",
    "q.w.",
    "q.r.w.",
    "y.w.",
    "x.y.w.",
    "z.y.w.",
    "*.w.",
    "sub.*.w.",
    "t.*.w.",
    "q.c.",
    "c.",
    "_s._tcp.",
    "_tcp.",
    "old.",
    "host.old.",
    "no.old.",
    "p.q.old.",
    "away.",
    "x.away.",
    "new.",
    "q.new.",
    "*.",
    "deep.",
];

struct Server {
    child: Child,
    socket: UdpSocket,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // NSD has children of its own: it stops them when it is asked to, not when it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(folder.path().join("example.zone"), ZONE).unwrap();
        let configuration = format!(
            "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n zonesdir: \"{path}\"\n pidfile: \"{path}/pid\"\n \
             xfrdfile: \"{path}/xfrd\"\n xfrdir: \"{path}\"\n zonelistfile: \"{path}/list\"\n minimal-responses: yes\n\
             remote-control:\n control-enable: no\nzone:\n name: example.\n zonefile: example.zone\n",
        );
        std::fs::write(folder.path().join("conf"), configuration).unwrap();
        let child = Command::new(NSD)
            .args(["-d", "-c"])
            .arg(folder.path().join("conf"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Server { child, socket, _folder: folder }
    }

    fn query(&self, id: u16, qname: &str, qtype: u16) -> Message {
        let mut buf = [0; 512];
        let mut writer = Writer::new(&mut buf, 512);
        writer.set_id(id);
        writer.question(&parse_wire(qname.as_bytes()).unwrap(), qtype, class::IN).unwrap();
        writer.opt(4096, 0, &[]).unwrap();
        let len = writer.finish();
        // The first ones may find it still starting.
        for _ in 0..50 {
            let mut reply = [0; 4096];
            self.socket.send(&buf[..len]).ok();
            while let Ok(len) = self.socket.recv(&mut reply) {
                // A reply to an earlier query that was sent again is none to this one.
                if reply[..2] == id.to_be_bytes() {
                    return Message::from_vec(&reply[..len]).unwrap();
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("NSD does not answer");
    }
}

fn sorted(records: &[Record]) -> Vec<String> {
    let mut texts: Vec<String> = texts(records).into_iter().map(|text| text.to_ascii_lowercase()).collect();
    texts.sort();
    texts
}

#[test]
fn nsd_answers_the_same() {
    if !Path::new(NSD).exists() {
        println!("no {NSD} here");
        return;
    }
    let server = Server::start();
    let zone = zone(ZONE);
    let mut differ = Vec::new();
    let mut id = 0;
    for labels in LABELS {
        let qname = format!("{labels}example.");
        // Not ANY: over UDP, NSD gives one RRset of all.
        for qtype in [1, 2, 5, 6, 15, 16, 28, 33, 39, 43, 46] {
            id += 1;
            let (ours, theirs) = (ask(&zone, &qname, qtype), server.query(id, &qname, qtype));
            let authoritative = theirs.authoritative;
            let mut ours_shown = shown(&ours.message, ours.outcome.rcode, ours.outcome.authoritative);
            let theirs_shown = shown(&theirs, u16::from(theirs.response_code) as u8, authoritative);
            // NSD's minimal responses have addresses of name servers only.
            if matches!(qtype, 15 | 33) && ours.outcome.kind == OutcomeKind::Answer {
                ours_shown.4.clear();
            }
            if ours_shown != theirs_shown {
                differ.push(format!("{qname} {qtype}:\n  ours {ours_shown:?}\n  NSD  {theirs_shown:?}"));
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Rcode, AA and the three sections without their order and case.
type Shown = (u8, bool, Vec<String>, Vec<String>, Vec<String>);

fn shown(message: &Message, rcode: u8, authoritative: bool) -> Shown {
    let Message { answers, authorities, additionals, .. } = message;
    (rcode, authoritative, sorted(answers), sorted(authorities), sorted(additionals))
}
