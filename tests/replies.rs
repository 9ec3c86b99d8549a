//! What a target may say without harm: replies that aren't ours are not believed (RFC 5452 section 9),
//! broken ones never reach a client, and the next target is asked.
#![allow(clippy::unwrap_used)]
#![allow(clippy::type_complexity, reason = "tables of cases, each with what makes it")]

mod common;

use std::time::{Duration, Instant};

use common::message::*;
use common::{Act, Message, Net, Parsed, Scripted, Seen, Setup, Stage, Udp, ask, reply};

const GOOD: [u8; 4] = [192, 0, 2, 1];
const FORGED: [u8; 4] = [203, 0, 113, 66];

fn good(seen: &Seen) -> Message {
    seen.reply().answer(address(300, GOOD))
}

/// A forged reply comes first and the right one a little later.
fn assert_forgery_ignored(what: &str, forge: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) {
    let stage = Stage::new(move |seen| {
        if seen.tcp {
            return reply(&good(seen));
        }
        let mut acts = forge(seen);
        acts.extend([Act::Wait(Duration::from_millis(30)), Act::Reply(good(seen).bytes())]);
        acts
    });
    let got = stage.ask(&Message::query("forged.example", A).edns(1232));
    assert_eq!(got.addresses(), ["192.0.2.1"], "{what}: {got:?}");
    let again = stage.ask(&Message::query("forged.example", A).edns(1232));
    assert_eq!(again.addresses(), ["192.0.2.1"], "{what}, from the cache");
}

fn forged(seen: &Seen) -> Message {
    seen.reply().answer(address(300, FORGED))
}

#[test]
fn a_reply_with_another_id_is_not_believed() {
    for difference in [1u16, 0x0100, 0xFFFF, 0x8000] {
        assert_forgery_ignored(&format!("ID ^ {difference:#x}"), move |seen| {
            let message = forged(seen);
            let id = message.id ^ difference;
            reply(&message.id(id))
        });
    }
}

#[test]
fn a_reply_to_another_question_is_not_believed() {
    let questions: [(&str, fn(&mut Vec<u8>)); 5] = [
        ("another name", |q| q[1] = b'x'),
        ("another type", |q| q[16] = 28),
        ("another class", |q| q[18] = 3),
        ("a longer name", |q| {
            q.splice(0..0, [1, b'a']);
        }),
        ("the root", |q| {
            q.drain(..14);
        }),
    ];
    for (what, change) in questions {
        assert_forgery_ignored(what, move |seen| {
            let mut message = forged(seen);
            change(&mut message.sections[0][0]);
            reply(&message)
        });
    }
}

/// Nor one that is no reply to a query with one question. A target that speaks so is broken, and may be
/// given up at once; the client is told the truth or nothing.
#[test]
fn what_is_no_reply_is_not_believed() {
    let breaks: [(&str, fn(&Seen) -> Message); 4] = [
        ("no question", |seen| {
            let mut message = seen.reply().answer(record(&name("forged.example"), A, IN, 300, &FORGED));
            message.sections[0].clear();
            message
        }),
        ("two questions", |seen| {
            let message = forged(seen);
            let question = message.sections[0][0].clone();
            message.question(&question)
        }),
        ("QR=0", |seen| forged(seen).clear(QR)),
        ("opcode NOTIFY", |seen| forged(seen).opcode(4)),
    ];
    for (what, say) in breaks {
        let stage = Stage::new(move |seen| match seen.tcp {
            true => reply(&good(seen)),
            false => vec![
                Act::Reply(say(seen).bytes()),
                Act::Wait(Duration::from_millis(30)),
                Act::Reply(good(seen).bytes()),
            ],
        });
        let got = stage.ask(&Message::query("forged.example", A).edns(1232));
        let told = (got.rcode(), got.addresses());
        let truth = (NOERROR, vec!["192.0.2.1".to_string()]);
        assert!(told == truth || told == (SERVFAIL, vec![]), "{what}: {told:?}");
        assert_eq!(got.rcode() == SERVFAIL, !got.errors().is_empty(), "{what}: {:?}", got.errors());
    }
}

#[test]
fn a_reply_from_elsewhere_is_not_believed() {
    assert_forgery_ignored("another port", |seen| vec![Act::FromOtherPort(forged(seen).bytes())]);
    assert_forgery_ignored("another address", |seen| {
        vec![Act::FromOtherAddress([127, 0, 0, 77].into(), forged(seen).bytes())]
    });
}

/// RFC 5452 section 9.2: ports and IDs of forwarded queries are hard to guess.
#[test]
fn ids_and_ports_vary() {
    let stage = Stage::new(|seen| reply(&good(seen)));
    for number in 0..64 {
        stage.ask(&Message::query(&format!("n{number}.example"), A).id(number));
    }
    let seen = stage.target.seen();
    let ids: std::collections::BTreeSet<u16> = seen.iter().map(|seen| seen.parsed().id).collect();
    let ports: std::collections::BTreeSet<u16> = seen.iter().map(|seen| seen.from.port()).collect();
    assert!(ids.len() > 60, "64 queries with {} IDs", ids.len());
    assert!(ids.iter().zip(ids.iter().skip(1)).filter(|(a, b)| **b - **a == 1).count() < 32, "IDs count up");
    assert!(ports.len() >= 4, "64 queries from {} ports", ports.len());
}

type Break = Box<dyn Fn(&Seen) -> Vec<u8> + Send + Sync>;

/// A sound reply with one thing wrong. Every one would harm somebody who believes it: a client that
/// copies by length, or a cache that packs what it got.
fn broken_replies() -> Vec<(&'static str, Break)> {
    let mut cases: Vec<(&'static str, Break)> = Vec::new();
    let mut add = |what, make: Break| cases.push((what, make));

    // Cut off.
    add("cut within the header", Box::new(|seen| good(seen).bytes()[..11].to_vec()));
    add("a header alone", Box::new(|seen| good(seen).bytes()[..12].to_vec()));
    add("cut within the question's name", Box::new(|seen| good(seen).bytes()[..16].to_vec()));
    add("cut within the question's type", Box::new(|seen| cut(good(seen), 17)));
    add("cut before the answer", Box::new(|seen| cut(good(seen), 16)));
    add("cut within the owner", Box::new(|seen| cut(good(seen), 15)));
    add("cut within the fixed fields", Box::new(|seen| cut(good(seen), 8)));
    add("cut within RDLENGTH", Box::new(|seen| cut(good(seen), 5)));
    add("cut within RDATA", Box::new(|seen| cut(good(seen), 1)));

    // Counts that lie.
    add("ANCOUNT one too many", Box::new(|seen| good(seen).count(1, 2).bytes()));
    add("ANCOUNT 65535", Box::new(|seen| good(seen).count(1, 65535).bytes()));
    add("NSCOUNT 1 with nothing there", Box::new(|seen| good(seen).count(2, 1).bytes()));
    add("ARCOUNT 65535", Box::new(|seen| good(seen).count(3, 65535).bytes()));

    // RDLENGTH that lies.
    add("RDLENGTH beyond the end", Box::new(|seen| raw_record(seen, A, 5, &GOOD)));
    add("RDLENGTH 65535", Box::new(|seen| raw_record(seen, A, 65535, &GOOD)));
    add("RDLENGTH of an unknown type beyond the end", Box::new(|seen| raw_record(seen, 65280, 300, &GOOD)));

    // Names.
    add("owner points to itself", Box::new(|seen| owned(seen, &pointer_here(seen, 0))));
    add("owner points ahead", Box::new(|seen| owned(seen, &pointer_here(seen, 2))));
    add("owner points beyond the end", Box::new(|seen| owned(seen, &pointer(0x3FFF))));
    add(
        "owner loops through two pointers",
        Box::new(|seen| {
            let here = pointer_here(seen, 0);
            let mut bytes = vec![1, b'a'];
            bytes.extend(here);
            owned(seen, &bytes)
        }),
    );
    add("label of type 01", Box::new(|seen| owned(seen, &[0x41, b'a', 0])));
    add("label of type 10", Box::new(|seen| owned(seen, &[0x81, b'a', 0])));
    add("label runs over the end", Box::new(|seen| seen.reply().count(1, 1).tail(&[63, b'a', b'b']).bytes()));
    add("name without an end", Box::new(|seen| seen.reply().count(1, 1).tail(&[1, b'a', 1, b'b']).bytes()));
    add("pointer cut in two", Box::new(|seen| seen.reply().count(1, 1).tail(&[0xC0]).bytes()));
    add("name of 300 octets", Box::new(|seen| owned(seen, &long_name(300))));
    add("name of 256 octets", Box::new(|seen| owned(seen, &long_name(256))));
    add(
        "name too long by its pointer",
        Box::new(|seen| {
            let mut owner = long_name(250);
            owner.pop();
            owner.extend(to_question());
            owned(seen, &owner)
        }),
    );

    // Data that its own type forbids.
    add("A of three octets", Box::new(|seen| with(seen, A, &[192, 0, 2])));
    add("A of five octets", Box::new(|seen| with(seen, A, &[192, 0, 2, 1, 1])));
    add("A of none", Box::new(|seen| with(seen, A, &[])));
    add("AAAA of fifteen octets", Box::new(|seen| with(seen, AAAA, &[0; 15])));
    add("CNAME of none", Box::new(|seen| with(seen, CNAME, &[])));
    add(
        "CNAME that runs over its RDLENGTH",
        Box::new(|seen| raw_record(seen, CNAME, 3, &name("abc.example"))),
    );
    add("CNAME shorter than its RDLENGTH", Box::new(|seen| with(seen, CNAME, b"\x01a\x00junk")));
    add("CNAME that points to itself", Box::new(|seen| with(seen, CNAME, &pointer_here(seen, 12))));
    add("CNAME that points beyond the end", Box::new(|seen| with(seen, CNAME, &pointer(0x3F00))));
    add("NS with a label of type 10", Box::new(|seen| authority(seen, NS, &[0x80, 0])));
    add("PTR with a name too long", Box::new(|seen| with(seen, PTR, &long_name(280))));
    add("MX of one octet", Box::new(|seen| with(seen, MX, &[0])));
    add("MX without a name", Box::new(|seen| with(seen, MX, &[0, 10])));
    add(
        "SOA without its numbers",
        Box::new(|seen| authority(seen, SOA, &[&name("a")[..], &name("b")].concat())),
    );
    add(
        "SOA one octet short",
        Box::new(|seen| {
            let mut rdata = soa_rdata(1);
            rdata.pop();
            authority(seen, SOA, &rdata)
        }),
    );
    add("SOA one octet long", Box::new(|seen| authority(seen, SOA, &[&soa_rdata(1)[..], &[0]].concat())));
    add(
        "SOA whose second name loops",
        Box::new(|seen| {
            let at = seen.reply().bytes().len() + 11 + 3;
            let rdata = [&[1, b'a', 0][..], &pointer(u16::try_from(at).unwrap()), &[0; 20]].concat();
            authority(seen, SOA, &rdata)
        }),
    );

    // OPT.
    add("two OPTs", Box::new(|seen| good(seen).edns(1232).edns(1232).bytes()));
    add("OPT in the answer", Box::new(|seen| good(seen).answer(opt(1232, 0, 0, 0, &[])).bytes()));
    add(
        "OPT with an owner",
        Box::new(|seen| good(seen).additional(record(&name("a"), OPT, 1232, 0, &[])).bytes()),
    );
    add(
        "option runs over the OPT",
        Box::new(|seen| good(seen).additional(opt(1232, 0, 0, 0, &[0, 15, 0, 9, 0, 1])).bytes()),
    );
    add(
        "option without its length",
        Box::new(|seen| good(seen).additional(opt(1232, 0, 0, 0, &[0, 15, 0])).bytes()),
    );

    // Not even close.
    add(
        "noise",
        Box::new(|seen| {
            let mut bytes = good(seen).bytes()[..2].to_vec();
            bytes.extend((0..200u16).map(|number| (number * 77 + 13) as u8));
            bytes
        }),
    );
    add("all ones", Box::new(|seen| [&seen.bytes[..2], &[0xFF; 60]].concat()));
    add("zeroes", Box::new(|seen| [&seen.bytes[..2], &[0; 60]].concat()));
    add("the query itself", Box::new(|seen| seen.bytes.clone()));
    cases
}

fn cut(message: Message, octets: usize) -> Vec<u8> {
    let mut bytes = message.bytes();
    bytes.truncate(bytes.len() - octets);
    bytes
}

/// An answer whose RDLENGTH is said, not counted.
fn raw_record(seen: &Seen, rtype: u16, rdlength: u16, rdata: &[u8]) -> Vec<u8> {
    let mut bytes = record(&to_question(), rtype, IN, 300, &[]);
    let at = bytes.len() - 2;
    bytes[at..].copy_from_slice(&rdlength.to_be_bytes());
    bytes.extend(rdata);
    seen.reply().answer(bytes).bytes()
}

fn with(seen: &Seen, rtype: u16, rdata: &[u8]) -> Vec<u8> {
    seen.reply().answer(record(&to_question(), rtype, IN, 300, rdata)).bytes()
}

fn authority(seen: &Seen, rtype: u16, rdata: &[u8]) -> Vec<u8> {
    seen.reply().authority(record(&[0], rtype, IN, 300, rdata)).bytes()
}

fn owned(seen: &Seen, owner: &[u8]) -> Vec<u8> {
    seen.reply().answer(record(owner, A, IN, 300, &GOOD)).bytes()
}

/// A pointer to where the first record begins, and some octets on.
fn pointer_here(seen: &Seen, on: u16) -> Vec<u8> {
    pointer(u16::try_from(seen.reply().bytes().len()).unwrap() + on)
}

/// A name of sound labels with so many octets.
fn long_name(octets: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    while octets - wire.len() > 65 {
        wire.push(63);
        wire.extend([b'l'; 63]);
    }
    let rest = octets - wire.len() - 2;
    wire.push(u8::try_from(rest).unwrap());
    wire.extend(vec![b'r'; rest]);
    wire.push(0);
    wire
}

/// One dnsfwd with a rule and a target for each case: `case<n>.example` is answered by the nth break.
struct Gallery {
    net: Net,
    dns: common::Dnsfwd,
    targets: Vec<Scripted>,
    names: Vec<&'static str>,
}

impl Gallery {
    /// `with_good`: each rule has a second target that answers well.
    fn open(with_good: bool) -> Gallery {
        let net = Net::new();
        let good_target = Scripted::start(net.at(200), |seen| reply(&good(seen)));
        let mut setup = Setup::new(&net);
        let mut targets = Vec::new();
        let mut names = Vec::new();
        for (number, (what, make)) in broken_replies().into_iter().enumerate() {
            let host = u8::try_from(100 + number).unwrap();
            // To probes it is good: else no client's question would get there.
            let target = Scripted::start(net.at(host), move |seen| match seen.asks_for_soa() {
                true => reply(&seen.reply()),
                false => vec![Act::Reply(make(seen))],
            });
            let both = [target.address, good_target.address];
            let endpoint = format!("e{number}");
            setup = setup.endpoint(&endpoint, if with_good { &both } else { &both[..1] });
            setup = setup.rule(&format!("case{number}.example"), &endpoint);
            targets.push(target);
            names.push(what);
        }
        targets.push(good_target);
        let dns = setup.start(&net);
        Gallery { net, dns, targets, names }
    }

    /// Asks for every case at once and gives the replies with the time they took.
    fn ask_all(&self, label: &str) -> Vec<Option<(Vec<u8>, Duration)>> {
        let socket = Udp::to(self.dns.address);
        let start = Instant::now();
        for number in 0..self.names.len() {
            let qname = format!("{label}.case{number}.example");
            socket.send(&Message::query(&qname, A).id(u16::try_from(number).unwrap()).edns(1232).bytes());
        }
        let mut replies = vec![None; self.names.len()];
        let end = start + Duration::from_millis(2600);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if replies.iter().all(Option::is_some) {
                break;
            }
            if let Some(bytes) = socket.receive(left) {
                let number = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
                replies[number] = Some((bytes, start.elapsed()));
            }
        }
        replies
    }
}

/// The promise: an answer or SERVFAIL with a reason within two seconds, and nothing broken.
#[test]
fn broken_replies_never_reach_a_client() {
    let mut gallery = Gallery::open(false);
    assert!(gallery.names.len() >= 40, "the corpus has {} cases", gallery.names.len());
    let mut faults = Vec::new();
    for (number, got) in gallery.ask_all("alone").into_iter().enumerate() {
        let what = gallery.names[number];
        match got {
            None => faults.push(format!("{what}: no answer within two seconds")),
            Some((bytes, _)) => match Parsed::of(&bytes) {
                Err(fault) => faults.push(format!("{what}: reached the client ({fault}): {}", hex(&bytes))),
                Ok(got) if got.rcode() != SERVFAIL => {
                    faults.push(format!("{what}: rcode {} with {} answers", got.rcode(), got.answer.len()));
                }
                Ok(got) if got.errors().is_empty() => faults.push(format!("{what}: SERVFAIL without EDE")),
                Ok(_) => {}
            },
        }
        assert!(!gallery.targets[number].seen().is_empty(), "{what}: the target wasn't asked");
    }
    gallery.dns.assert_well();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// With another target beside it, a client notices nothing.
#[test]
fn a_broken_reply_sends_the_query_to_the_next_target() {
    let gallery = Gallery::open(true);
    let mut faults = Vec::new();
    for round in 0..4 {
        for (number, got) in gallery.ask_all(&format!("round{round}")).into_iter().enumerate() {
            let what = gallery.names[number];
            let addresses = got.map(|(bytes, _)| Parsed::of(&bytes).map(|got| got.addresses()));
            if addresses != Some(Ok(vec!["192.0.2.1".to_string()])) {
                faults.push(format!("{what}: {addresses:?}"));
            }
        }
    }
    let asked = gallery.targets.iter().filter(|target| !target.seen().is_empty()).count();
    assert!(asked > gallery.names.len() / 2, "only {asked} of the broken targets were ever asked");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(gallery.net.folder().exists());
}

/// Legal but odd: passed on or refused, yet never as something unsound.
#[test]
fn odd_replies_are_passed_sound_or_not_at_all() {
    let odd: [(&str, fn(&Seen) -> Vec<u8>); 8] = [
        ("bytes behind the end", |seen| good(seen).tail(b"trailing").bytes()),
        ("one byte behind the end", |seen| good(seen).tail(&[0]).bytes()),
        ("Z set", |seen| good(seen).set(Z).bytes()),
        ("TXT of none", |seen| with(seen, TXT, &[])),
        ("TXT whose string runs over", |seen| with(seen, TXT, &[9, b'a'])),
        ("SRV with a name too long", |seen| with(seen, SRV, &[&[0; 6][..], &long_name(290)].concat())),
        ("OPT of version 9", |seen| good(seen).additional(opt(1232, 0, 9, 0, &[])).bytes()),
        ("an owner that wasn't asked", |seen| owned(seen, &name("elsewhere.example"))),
    ];
    for (what, make) in odd {
        let mut stage = Stage::new(move |seen| vec![Act::Reply(make(seen))]);
        let raw = stage.ask_raw(&Message::query("odd.example", A).edns(1232));
        let got = Parsed::of(&raw).unwrap_or_else(|fault| panic!("{what}: {fault}: {}", hex(&raw)));
        assert!([NOERROR, SERVFAIL].contains(&got.rcode()), "{what}: rcode {}", got.rcode());
        assert_eq!(got.edns_version(), Some(0), "{what}");
        stage.dns.assert_well();
    }
}

/// Over TCP too: lengths that lie, noise, an end in the middle. The client has its answer in time.
#[test]
fn broken_tcp_replies_never_reach_a_client() {
    let breaks: [(&str, fn(&Seen) -> Vec<Act>); 8] = [
        ("closes at once", |_| vec![Act::Close]),
        ("silence", |_| vec![Act::Wait(Duration::from_secs(4))]),
        ("a length and no more", |_| vec![Act::Raw(vec![1, 0]), Act::Wait(Duration::from_secs(4))]),
        ("half a length", |_| vec![Act::Raw(vec![1]), Act::Close]),
        ("length 0", |_| vec![Act::Raw(vec![0, 0]), Act::Wait(Duration::from_secs(4))]),
        ("half a message", |seen| {
            let bytes = common::client::framed(&good(seen).bytes());
            vec![Act::Raw(bytes[..bytes.len() / 2].to_vec()), Act::Close]
        }),
        ("noise", |_| vec![Act::Raw((0..250).collect()), Act::Close]),
        ("another ID", |seen| {
            let message = forged(seen);
            let id = message.id ^ 1;
            reply(&message.id(id))
        }),
    ];
    for (what, act) in breaks {
        let mut stage =
            Stage::new(move |seen| if seen.tcp { act(seen) } else { reply(&seen.reply().set(TC)) });
        let start = Instant::now();
        let got = stage.ask(&Message::query("tcp.example", A).edns(1232));
        assert!(start.elapsed() < Duration::from_millis(2600), "{what}: after {:?}", start.elapsed());
        assert!(got.addresses().is_empty(), "{what}: {:?}", got.addresses());
        assert!(got.rcode() == SERVFAIL || got.has(TC), "{what}: rcode {} without TC", got.rcode());
        stage.dns.assert_well();
    }
}

/// Two targets, one of which always does `bad`: no query of forty notices.
fn assert_next_target_asked(what: &str, bad: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) {
    let net = Net::new();
    // To probes it is good: else no client's question would get there.
    let first = Scripted::start(net.at(10), move |seen| match seen.is_probe() && !seen.tcp {
        true => reply(&seen.reply()),
        false => bad(seen),
    });
    let second = Scripted::start(net.at(11), |seen| reply(&good(seen)));
    let setup = Setup::new(&net).endpoint("pair", &[first.address, second.address]).rule(".", "pair");
    let dns = setup.start(&net);
    for number in 0..40 {
        let got = ask(dns.address, &Message::query(&format!("n{number}.example"), A).edns(1232));
        assert_eq!(
            (got.rcode(), got.addresses()),
            (NOERROR, vec!["192.0.2.1".into()]),
            "{what}, query {number}"
        );
    }
    assert!(!first.seen().is_empty(), "{what}: the bad target was never asked");
}

#[test]
fn servfail_sends_the_query_to_the_next_target() {
    assert_next_target_asked("SERVFAIL", |seen| reply(&seen.reply().rcode(SERVFAIL)));
}

#[test]
fn refused_sends_the_query_to_the_next_target() {
    assert_next_target_asked("REFUSED", |seen| reply(&seen.reply().rcode(REFUSED)));
}

#[test]
fn silence_sends_the_query_to_the_next_target() {
    assert_next_target_asked("silence", |_| vec![]);
}

#[test]
fn a_refused_tcp_connection_sends_the_query_to_the_next_target() {
    assert_next_target_asked("TC and a closed connection", |seen| {
        if seen.tcp { vec![Act::Close] } else { reply(&seen.reply().set(TC)) }
    });
}

/// A closed port: the kernel says so at once (ICMP), and so the client waits for nothing.
#[test]
fn a_closed_port_sends_the_query_to_the_next_target() {
    let net = Net::new();
    let second = Scripted::start(net.at(11), |seen| reply(&good(seen)));
    let setup = Setup::new(&net).endpoint("pair", &[net.at(10), second.address]).rule(".", "pair");
    let dns = setup.start(&net);
    for number in 0..40 {
        let got = ask(dns.address, &Message::query(&format!("n{number}.example"), A));
        assert_eq!(got.addresses(), ["192.0.2.1"], "query {number}");
    }
}

/// NXDOMAIN is an answer, not a failure: the other target isn't asked.
#[test]
fn nxdomain_is_an_answer() {
    let net = Net::new();
    let script = |seen: &Seen| {
        reply(&seen.reply().rcode(NXDOMAIN).authority(record(&[0], SOA, IN, 300, &soa_rdata(300))))
    };
    let targets = [Scripted::start(net.at(10), script), Scripted::start(net.at(11), script)];
    let setup = Setup::new(&net).endpoint("pair", &targets.each_ref().map(|target| target.address));
    let dns = setup.rule(".", "pair").start(&net);
    for number in 0..20 {
        assert_eq!(ask(dns.address, &Message::query(&format!("n{number}.example"), A)).rcode(), NXDOMAIN);
    }
    let asked: usize = targets.iter().map(|target| target.seen().len()).sum();
    // A hedge may have asked both now and then; a failure would have done so every time.
    assert!(asked <= 24, "20 questions asked {asked} times");
}

/// When all say SERVFAIL, that is the answer, with what the target gave as its reason.
#[test]
fn servfail_of_all_targets_is_passed() {
    let net = Net::new();
    let script = |seen: &Seen| {
        reply(&seen.reply().rcode(SERVFAIL).additional(opt(1232, 0, 0, 0, &ede(6, "signature is bogus"))))
    };
    let targets = [Scripted::start(net.at(10), script), Scripted::start(net.at(11), script)];
    let setup = Setup::new(&net).endpoint("pair", &targets.each_ref().map(|target| target.address));
    let dns = setup.rule(".", "pair").start(&net);
    let start = Instant::now();
    let got = ask(dns.address, &Message::query("bogus.example", A).edns(1232));
    assert_eq!(got.rcode(), SERVFAIL);
    assert!(got.errors().contains(&(6, "signature is bogus".into())), "{:?}", got.errors());
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "both had answered at once; it took {:?}",
        start.elapsed()
    );
    assert!(targets.iter().all(|target| target.count("bogus.example") > 0), "both were asked");
}

/// The same for REFUSED.
#[test]
fn refused_of_all_targets_is_passed() {
    let stage = Stage::new(|seen| reply(&seen.reply().rcode(REFUSED)));
    assert_eq!(stage.ask(&Message::query("refused.example", A).edns(1232)).rcode(), REFUSED);
}

/// All silent: SERVFAIL with a reason, within two seconds.
#[test]
fn silence_of_all_targets_is_servfail_in_time() {
    let stage = Stage::new(|_| vec![]);
    let start = Instant::now();
    let got = stage.ask(&Message::query("silent.example", A).edns(1232));
    let took = start.elapsed();
    assert_eq!(got.rcode(), SERVFAIL);
    assert!(took <= Duration::from_millis(2100), "SERVFAIL after {took:?}");
    let codes = got.error_codes();
    assert!(
        codes.iter().any(|code| [22, 23].contains(code)),
        "no reachable authority or network error: {codes:?}"
    );
}

/// RFC 6891 section 7: a target that says FORMERR to an OPT is asked again without.
#[test]
fn formerr_is_asked_again_without_edns() {
    let stage = Stage::new(|seen| {
        reply(&if seen.parsed().opt.is_some() { seen.reply().rcode(FORMERR) } else { good(seen) })
    });
    let got = stage.ask(&Message::query("old.example", A).edns(1232));
    assert_eq!((got.rcode(), got.addresses()), (NOERROR, vec!["192.0.2.1".to_string()]));
    assert_eq!(got.edns_version(), Some(0), "our own OPT all the same");
}

/// The same from a server that copies nothing but the header (RFC 8906 section 3.2.2 knows them).
#[test]
fn formerr_of_a_header_alone_is_asked_again_without_edns() {
    let stage = Stage::new(|seen| {
        if seen.parsed().opt.is_none() {
            return reply(&good(seen));
        }
        let mut message = seen.reply().rcode(FORMERR);
        message.sections[0].clear();
        reply(&message)
    });
    let got = stage.ask(&Message::query("older.example", A).edns(1232));
    assert_eq!((got.rcode(), got.addresses()), (NOERROR, vec!["192.0.2.1".to_string()]));
}

/// A target that drops what it doesn't understand: EDNS is left out before the client's time is over, or
/// the client is told in time.
#[test]
fn a_target_silent_to_edns_costs_no_more_than_two_seconds() {
    let stage = Stage::new(|seen| if seen.parsed().opt.is_some() { vec![] } else { reply(&good(seen)) });
    let start = Instant::now();
    let got = stage.ask(&Message::query("drops.example", A));
    assert!(start.elapsed() < Duration::from_millis(2100), "after {:?}", start.elapsed());
    assert!([NOERROR, SERVFAIL].contains(&got.rcode()));
}

/// A target that answers late, after the client was told: nothing is confused by it.
#[test]
fn late_replies_do_no_harm() {
    let mut stage = Stage::new(|seen| {
        if seen.first_label() == "late" {
            vec![Act::Wait(Duration::from_millis(2500)), Act::Reply(good(seen).bytes())]
        } else {
            reply(&good(seen))
        }
    });
    let got = stage.ask(&Message::query("late.example", A).edns(1232));
    assert_eq!(got.rcode(), SERVFAIL);
    std::thread::sleep(Duration::from_millis(700));
    stage.dns.assert_well();
    common::eventually(Duration::from_secs(3), "the target is used again", || {
        stage.ask(&Message::query(&format!("n{}.example", next_id()), A)).addresses() == ["192.0.2.1"]
    });
}

/// One reply sent five times is one answer.
#[test]
fn duplicates_are_one_answer() {
    let stage = Stage::new(|seen| vec![Act::Reply(good(seen).bytes()); 5]);
    let socket = Udp::to(stage.dns.address);
    for number in 0..20 {
        let query = Message::query(&format!("n{number}.example"), A).bytes();
        assert!(socket.ask(&query).is_some());
    }
    assert!(socket.receive(Duration::from_millis(200)).is_none(), "a client got two answers to one question");
}
