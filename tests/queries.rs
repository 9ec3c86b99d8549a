//! Queries, good and bad: what RFC 8906 section 8 asks of every server, header and question judged first,
//! sizes, and TCP with clients that are slow, half open, greedy or lying.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use common::client::{PATIENCE, framed};
use common::message::*;
use common::servers::COMPANY;
use common::{Act, Dnsfwd, Dug, Message, Net, Parsed, Scripted, Setup, Tcp, Udp, ask, ask_raw, dig, reply};

struct Scene {
    dns: Dnsfwd,
    _target: Scripted,
    _net: Net,
}

/// The company's zone, and a target for all else.
fn scene() -> Scene {
    scene_with(|setup| setup)
}

fn scene_with(change: impl FnOnce(Setup) -> Setup) -> Scene {
    let net = Net::new();
    let target = Scripted::start(net.at(10), |seen| {
        let wait = if seen.first_label() == "slow" { 300 } else { 0 };
        let strings = match seen.first_label().as_str() {
            "big" => 20,
            "huge" => 200,
            _ => 0,
        };
        let strings =
            (0..strings).map(|number| record(&to_question(), TXT, IN, 300, &text(&format!("{number:040}"))));
        let whole = strings.fold(seen.reply(), Message::answer);
        let said = match whole.bytes().len() {
            len if len > 1232 && !seen.tcp => seen.reply().set(TC),
            _ if whole.sections[1].is_empty() => common::target::addressed(seen, 300, [192, 0, 2, 1]),
            _ => whole,
        };
        vec![Act::Wait(Duration::from_millis(wait)), Act::Reply(said.bytes())]
    });
    let setup =
        Setup::new(&net).endpoint("t", &[target.address]).rule(".", "t").zone(&net, COMPANY.0, COMPANY.1);
    let dns = change(setup).start(&net);
    Scene { dns, _target: target, _net: net }
}

// RFC 8906 section 8, one case each, as the document gives them for dig.

struct Expect {
    status: &'static str,
    soa: bool,
    aa: bool,
    opt: bool,
}

const PLAIN: Expect = Expect { status: "NOERROR", soa: true, aa: true, opt: false };
const EDNS: Expect = Expect { status: "NOERROR", soa: true, aa: true, opt: true };
const BAD_VERSION: Expect = Expect { status: "BADVERS", soa: false, aa: false, opt: true };

fn rfc8906(arguments: &str, expect: &Expect) -> Dug {
    let scene = scene();
    let got = dig(scene.dns.address, arguments);
    assert_eq!(got.status, expect.status, "{}", got.text);
    assert_eq!(!got.data("SOA").is_empty(), expect.soa, "SOA in the answer: {}", got.text);
    assert_eq!(got.flag("aa"), expect.aa, "AA: {}", got.text);
    assert!(got.flag("qr"), "{}", got.text);
    assert_eq!(got.text.contains("OPT PSEUDOSECTION"), expect.opt, "OPT: {}", got.text);
    assert!(!got.flag("ad"), "AD: {}", got.text);
    assert!(!got.text.contains("MBZ"), "a reserved bit was copied: {}", got.text);
    assert!(!got.text.contains("OPT=100"), "an unknown option was copied: {}", got.text);
    if expect.opt {
        assert!(got.text.contains("EDNS: version: 0"), "{}", got.text);
    }
    got
}

#[test]
fn rfc8906_8_1_1_configured_for_the_zone() {
    let got = rfc8906("+noedns +noad +norec soa anycompany.corp", &PLAIN);
    assert!(!got.flag("rd"));
}

#[test]
fn rfc8906_8_1_2_unknown_types() {
    let got = rfc8906("+noedns +noad +norec type1000 anycompany.corp", &Expect { soa: false, ..PLAIN });
    assert!(got.answer.is_empty());
    assert!(got.authority.iter().any(|line| line.contains(" SOA ")), "{}", got.text);
}

#[test]
fn rfc8906_8_1_3_1_cd() {
    rfc8906("+noedns +noad +norec +cd soa anycompany.corp", &PLAIN);
}

#[test]
fn rfc8906_8_1_3_2_ad() {
    rfc8906("+noedns +ad +norec soa anycompany.corp", &PLAIN);
}

#[test]
fn rfc8906_8_1_3_3_reserved_bit() {
    rfc8906("+noedns +noad +norec +zflag soa anycompany.corp", &PLAIN);
}

#[test]
fn rfc8906_8_1_3_4_recursion() {
    let got = rfc8906("+noedns +noad +rec soa anycompany.corp", &PLAIN);
    assert!(got.flag("rd"));
}

#[test]
fn rfc8906_8_1_4_unknown_opcodes() {
    let got = rfc8906(
        "+noedns +noad +opcode=15 +norec +header-only",
        &Expect { status: "NOTIMP", soa: false, aa: false, opt: false },
    );
    assert!(got.text.contains("opcode: RESERVED15"), "{}", got.text);
    assert!(got.text.contains("QUERY: 0, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 0"), "{}", got.text);
}

#[test]
fn rfc8906_8_1_5_tcp() {
    rfc8906("+noedns +noad +norec +tcp soa anycompany.corp", &PLAIN);
}

#[test]
fn rfc8906_8_2_1_minimal_edns() {
    rfc8906("+nocookie +edns=0 +noad +norec soa anycompany.corp", &EDNS);
}

#[test]
fn rfc8906_8_2_2_edns_version() {
    rfc8906("+nocookie +edns=1 +noednsneg +noad +norec soa anycompany.corp", &BAD_VERSION);
}

#[test]
fn rfc8906_8_2_3_unknown_option() {
    rfc8906("+nocookie +edns=0 +noad +norec +ednsopt=100 soa anycompany.corp", &EDNS);
}

#[test]
fn rfc8906_8_2_4_unknown_flags() {
    rfc8906("+nocookie +edns=0 +noad +norec +ednsflags=0x40 soa anycompany.corp", &EDNS);
}

#[test]
fn rfc8906_8_2_5_version_with_unknown_flags() {
    rfc8906("+nocookie +edns=1 +noednsneg +noad +norec +ednsflags=0x40 soa anycompany.corp", &BAD_VERSION);
}

#[test]
fn rfc8906_8_2_6_version_with_unknown_option() {
    rfc8906("+nocookie +edns=1 +noednsneg +noad +norec +ednsopt=100 soa anycompany.corp", &BAD_VERSION);
}

#[test]
fn rfc8906_8_2_7_unknown_flags_and_option() {
    rfc8906("+nocookie +edns=0 +noad +norec +ednsflags=0x40 +ednsopt=100 soa anycompany.corp", &EDNS);
}

#[test]
fn rfc8906_8_2_8_version_with_unknown_flags_and_option() {
    rfc8906(
        "+nocookie +edns=1 +noednsneg +noad +norec +ednsflags=0x40 +ednsopt=100 soa anycompany.corp",
        &BAD_VERSION,
    );
}

#[test]
fn rfc8906_8_2_9_dnssec() {
    rfc8906("+nocookie +edns=0 +noad +norec +dnssec soa anycompany.corp", &EDNS);
}

#[test]
fn rfc8906_8_2_10_small_size() {
    rfc8906(
        "+norec +dnssec +bufsize=512 +ignore +nocookie +noad dnskey anycompany.corp",
        &Expect { soa: false, ..EDNS },
    );
}

#[test]
fn rfc8906_8_2_11_edns_over_tcp() {
    rfc8906("+edns=0 +nocookie +noad +norec +tcp soa anycompany.corp", &EDNS);
}

// Header bits.

/// RFC 1035 section 4.1.1, RFC 6840 section 5.7: what a reply of ours copies from the query, and what not.
#[test]
fn header_bits_of_our_own_answers() {
    let scene = scene();
    for bits in [0, RD, CD, AD, Z, TC, AA, RA, RD | CD, RD | CD | AD | Z | TC | AA | RA] {
        let got = ask(scene.dns.address, &Message::query("websrv.anycompany.corp", A).clear(RD).set(bits));
        assert_eq!(
            (got.rcode(), got.addresses()),
            (NOERROR, vec!["192.168.2.10".to_string()]),
            "bits {bits:#06x}"
        );
        assert!(got.has(QR | AA), "bits {bits:#06x}: {:#06x}", got.flags);
        assert_eq!(got.flags & RD, bits & RD, "RD is copied");
        assert_eq!(got.flags & (TC | Z | AD), 0, "bits {bits:#06x} came back as {:#06x}", got.flags);
        assert_eq!(got.opcode(), 0);
    }
}

/// A query with TC set is odd, but whole.
#[test]
fn tc_in_a_query_is_not_passed_on() {
    let scene = scene();
    let got = ask(scene.dns.address, &Message::query("tc.example", A).set(TC));
    assert_eq!(got.addresses(), ["192.0.2.1"]);
    assert!(!got.has(TC));
}

/// RFC 9619: a query has exactly one question.
#[test]
fn rfc9619_qdcount_other_than_one_is_formerr() {
    let scene = scene();
    let question = [&name("www.example")[..], &[0, 1, 0, 1]].concat();
    let none = Message { id: 7, flags: RD, ..Message::default() };
    for (what, query) in [
        ("none", none.clone()),
        ("none, with an OPT", none.clone().edns(1232)),
        ("two", none.clone().question(&question).question(&question)),
        ("two, with an OPT", none.clone().question(&question).question(&question).edns(1232)),
        ("two said, one there", none.clone().question(&question).count(0, 2)),
        ("65535 said, one there", none.clone().question(&question).count(0, 65535)),
        ("none said, one there", none.question(&question).count(0, 0)),
    ] {
        let raw = ask_raw(scene.dns.address, &query);
        let got = common::parse(&raw);
        assert_eq!((got.rcode(), got.answer.len()), (FORMERR, 0), "{what}: {}", hex(&raw));
        assert!(got.has(QR), "{what}");
    }
}

/// RFC 8906 section 3.1.4: other opcodes get NOTIMP, and nothing of theirs comes back. NOTIFY and UPDATE are refused
/// for a zone that is neither fetched nor changed.
#[test]
fn other_opcodes_are_not_implemented() {
    let scene = scene();
    let update = [
        record(&name("www.anycompany.corp"), A, 255, 0, &[]),
        record(&name("www.anycompany.corp"), A, 1, 300, &[10, 6, 6, 6]),
    ];
    for opcode in 1..16 {
        let mut query = Message::query_wire(&name("anycompany.corp"), SOA, IN).opcode(opcode);
        for part in &update {
            query = query.authority(part.clone());
        }
        for query in [query.clone(), query.edns(1232)] {
            let raw = ask_raw(scene.dns.address, &query);
            let got = common::parse(&raw);
            let wanted = match opcode {
                4 => 9,
                5 => REFUSED,
                _ => NOTIMP,
            };
            assert_eq!((got.rcode(), got.opcode()), (wanted, opcode), "{}", hex(&raw));
            assert!(
                got.answer.is_empty() && got.authority.is_empty() && got.additional.is_empty(),
                "{}",
                hex(&raw)
            );
        }
    }
    let plain = Message { id: 9, ..Message::default() }.opcode(15);
    assert_eq!(ask_raw(scene.dns.address, &plain).len(), 12, "nothing behind the header");
}

/// RFC 6891 section 6.1.1: one OPT, owned by the root.
#[test]
fn broken_edns_is_formerr() {
    let scene = scene();
    let query = || Message::query("www.example", A);
    for (what, query) in [
        ("two OPTs", query().edns(1232).edns(1232)),
        ("an OPT with an owner", query().additional(record(&name("a"), OPT, 1232, 0, &[]))),
        ("an option that runs over", query().additional(opt(1232, 0, 0, 0, &[0, 10, 0, 9, 1]))),
        ("an option without length", query().additional(opt(1232, 0, 0, 0, &[0, 10, 0]))),
    ] {
        let raw = ask_raw(scene.dns.address, &query);
        assert_eq!(common::parse(&raw).rcode(), FORMERR, "{what}: {}", hex(&raw));
    }
}

// The corpus.

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// No reply at all.
    Silence,
    /// A reply with one of these rcodes.
    Rcode(&'static [u16]),
    /// Both are sound.
    Either,
}

use Fate::{Either, Rcode, Silence};

const BAD: Fate = Rcode(&[FORMERR]);
const TOLERATED: Fate = Rcode(&[NOERROR, FORMERR]);
const SOUND: Fate = Rcode(&[NOERROR, NXDOMAIN]);
const DECLINED: Fate = Rcode(&[NOERROR, FORMERR, NOTIMP, REFUSED, 9, BADVERS]);

/// Odd and malformed queries, from RFC 1035, 2181, 3597, 5936, 6891, 7873, 7871, 8914 and 9619.
fn corpus() -> Vec<(String, Vec<u8>, Fate)> {
    let mut cases: Vec<(String, Vec<u8>, Fate)> = Vec::new();
    let mut add = |what: String, bytes: Vec<u8>, fate: Fate| cases.push((what, bytes, fate));
    let plain = || Message::query("www.example", A);
    let bytes = plain().bytes();

    // Too short to have a header, then cut at each octet of the question.
    for len in 0..12 {
        add(format!("{len} octets"), bytes[..len].to_vec(), Silence);
    }
    for len in 12..bytes.len() {
        add(format!("cut at {len} of {}", bytes.len()), bytes[..len].to_vec(), BAD);
    }
    let with_opt = plain().edns(1232).bytes();
    for len in bytes.len()..with_opt.len() {
        add(format!("cut at {len} within the OPT"), with_opt[..len].to_vec(), BAD);
    }

    // Never answer an answer.
    for flags in [QR, QR | RD, QR | AA | RA, QR | TC, 0xFFFF, QR | 0x7800] {
        add(format!("flags {flags:#06x}"), plain().clear(0xFFFF).set(flags).bytes(), Silence);
    }

    // Counts that lie.
    for (section, what) in [(1, "ANCOUNT"), (2, "NSCOUNT"), (3, "ARCOUNT")] {
        for count in [1, 2, 255, 65535] {
            add(format!("{what} {count} with nothing there"), plain().count(section, count).bytes(), BAD);
        }
    }
    add("all counts 65535".into(), (0..4).fold(plain(), |m, s| m.count(s, 65535)).bytes(), BAD);
    add("OPT there, ARCOUNT 0".into(), plain().edns(1232).count(3, 0).bytes(), TOLERATED);
    add("OPT there, ARCOUNT 2".into(), plain().edns(1232).count(3, 2).bytes(), BAD);

    // Bytes behind the end.
    for tail in [&[0][..], b"trailing", &[0; 400], &[0xFF; 60]] {
        add(format!("{} octets behind the end", tail.len()), plain().tail(tail).bytes(), TOLERATED);
    }

    // Names in the question.
    let question = |qname: &[u8]| Message::query_wire(qname, A, IN).bytes();
    add("a pointer to itself".into(), question(&pointer(12)), BAD);
    add("a pointer into the header".into(), question(&pointer(0)), BAD);
    add("a pointer to the counts".into(), question(&pointer(4)), BAD);
    add("a pointer ahead".into(), question(&pointer(14)), BAD);
    add("a pointer beyond the end".into(), question(&pointer(0x3FFF)), BAD);
    add("a label, then a pointer to itself".into(), question(&[1, b'a', 0xC0, 12]), BAD);
    add("a label, then a pointer to that pointer".into(), question(&[1, b'a', 0xC0, 14]), BAD);
    add("half a pointer".into(), [&bytes[..12], &[0xC0]].concat(), BAD);
    for kind in [0x40u8, 0x41, 0x42, 0x7F, 0x80, 0xBF] {
        add(format!("a label of type {kind:#04x}"), question(&[kind, b'a', b'b', 0]), BAD);
    }
    add(
        "a label that runs over the end".into(),
        [&bytes[..12], &[63, b'a', b'b', 0, 0, 1, 0, 1]].concat(),
        BAD,
    );
    add("a name without an end".into(), [&bytes[..12], &[1, b'a'].repeat(20)].concat(), BAD);
    add("a name of 256 octets".into(), question(&wire_of(256)), BAD);
    add("a name of 300 octets".into(), question(&wire_of(300)), BAD);
    add("a name of 60,000 octets".into(), question(&[&[1, b'a'].repeat(30_000)[..], &[0]].concat()), BAD);
    add("a name of 255 octets".into(), question(&wire_of(255)), SOUND);
    add("127 labels".into(), question(&[&[1, b'a'].repeat(127)[..], &[0]].concat()), SOUND);
    add("128 labels".into(), question(&[&[1, b'a'].repeat(128)[..], &[0]].concat()), BAD);
    add("the root".into(), question(&[0]), SOUND);
    add("a zero octet in a label".into(), question(&[3, 0, 0, 0, 0]), SOUND);
    add("a dot in a label".into(), question(&[3, b'a', b'.', b'b', 0]), SOUND);
    add("all 63 octets high".into(), question(&[&[63][..], &[0xFF; 63], &[0]].concat()), SOUND);
    add("blanks and quotes".into(), question(b"\x06a \"\t\\b\x00"), SOUND);
    add("an unmatched escape".into(), question(b"\x04\\999\x00"), SOUND);

    // Types.
    for qtype in [
        0, 3, 4, 10, 13, 29, 43, 46, 47, 48, 50, 64, 65, 99, 128, 253, 254, 255, 256, 257, 32768, 65280,
        65535,
    ] {
        add(format!("type {qtype}"), Message::query("www.example", qtype).bytes(), DECLINED);
    }
    add("type OPT".into(), Message::query("www.example", OPT).bytes(), DECLINED);
    add("type TKEY".into(), Message::query("www.example", 249).bytes(), DECLINED);
    add("type TSIG".into(), Message::query("www.example", 250).bytes(), DECLINED);
    for (what, qname) in
        [("of ours", "anycompany.corp"), ("of a target's", "www.example"), ("of the root", ".")]
    {
        add(format!("AXFR {what}"), Message::query(qname, 252).bytes(), DECLINED);
        add(
            format!("IXFR {what}"),
            Message::query(qname, 251).authority(record(&name(qname), SOA, IN, 0, &soa_rdata(1))).bytes(),
            DECLINED,
        );
    }
    add("ANY of ours".into(), Message::query("anycompany.corp", 255).bytes(), SOUND);

    // Classes.
    for class in [0, 2, 3, 4, 254, 255, 256, 65280, 65535] {
        let query = Message::query_wire(&name("www.example"), A, class);
        add(
            format!("class {class}"),
            query.bytes(),
            Rcode(&[NOERROR, NXDOMAIN, FORMERR, NOTIMP, REFUSED, SERVFAIL]),
        );
        let ours = Message::query_wire(&name("www.anycompany.corp"), A, class);
        add(
            format!("class {class} of our zone"),
            ours.bytes(),
            Rcode(&[NOERROR, NXDOMAIN, FORMERR, NOTIMP, REFUSED, SERVFAIL]),
        );
    }
    for qname in ["version.bind", "hostname.bind", "id.server", "version.server", "authors.bind"] {
        let query = Message::query_wire(&name(qname), TXT, 3);
        add(format!("{qname} CH"), query.bytes(), Rcode(&[NOERROR, NXDOMAIN, REFUSED, NOTIMP]));
    }

    // Records where a query has none.
    let extra = || record(&name("extra.example"), A, IN, 300, &[10, 0, 0, 1]);
    add("a record in the answer".into(), plain().answer(extra()).bytes(), TOLERATED);
    add("a record in the authority".into(), plain().authority(extra()).bytes(), TOLERATED);
    add("a record in the additional".into(), plain().additional(extra()).bytes(), TOLERATED);
    add(
        "a record in each".into(),
        plain().answer(extra()).authority(extra()).additional(extra()).edns(1232).bytes(),
        TOLERATED,
    );
    add("a hundred records".into(), (0..100).fold(plain(), |m, _| m.additional(extra())).bytes(), TOLERATED);
    add(
        "RDLENGTH that lies".into(),
        {
            let mut lie = extra();
            let at = lie.len() - 6;
            lie[at..at + 2].copy_from_slice(&[0xFF, 0xFF]);
            plain().additional(lie).bytes()
        },
        BAD,
    );
    add(
        "an owner that points to itself".into(),
        {
            let at = u16::try_from(plain().bytes().len()).unwrap();
            plain().additional(record(&pointer(at), A, IN, 0, &[])).bytes()
        },
        TOLERATED,
    );
    add(
        "an owner that points ahead".into(),
        plain().additional(record(&pointer(500), A, IN, 0, &[])).bytes(),
        TOLERATED,
    );
    add(
        "TSIG of nobody".into(),
        plain()
            .additional(record(&name("key"), 250, 255, 0, &[&name("hmac-sha256")[..], &[0; 16]].concat()))
            .bytes(),
        Rcode(&[NOERROR, FORMERR, 9, REFUSED, NOTIMP]),
    );
    add(
        "SIG(0) of nobody".into(),
        plain().additional(record(&[0], 24, 255, 0, &[0; 30])).bytes(),
        Rcode(&[NOERROR, FORMERR, 9, REFUSED, NOTIMP]),
    );

    // EDNS.
    let edns = |size, version, flags, options: &[u8]| {
        plain().additional(opt(size, 0, version, flags, options)).bytes()
    };
    for size in [0, 1, 11, 12, 100, 511, 512, 513, 1231, 1232, 1233, 4096, 65535] {
        add(format!("EDNS size {size}"), edns(size, 0, 0, &[]), SOUND);
    }
    for version in [1, 2, 127, 255] {
        add(format!("EDNS version {version}"), edns(1232, version, 0, &[]), Rcode(&[BADVERS]));
    }
    add(
        "EDNS version 1 and a broken option".into(),
        edns(1232, 1, 0, &[0, 1, 0, 9]),
        Rcode(&[BADVERS, FORMERR]),
    );
    for flags in [0x0001, 0x4000, 0x7FFF, 0xFFFF] {
        add(format!("EDNS flags {flags:#06x}"), edns(1232, 0, flags, &[]), SOUND);
    }
    add("an extended rcode in a query".into(), plain().additional(opt(1232, 255, 0, 0, &[])).bytes(), SOUND);
    add("an OPT in the answer".into(), plain().answer(opt(1232, 0, 0, 0, &[])).bytes(), TOLERATED);
    add("an OPT in the authority".into(), plain().authority(opt(1232, 0, 0, 0, &[])).bytes(), TOLERATED);
    add(
        "an OPT between records".into(),
        plain().additional(extra()).edns(1232).additional(extra()).bytes(),
        TOLERATED,
    );
    add(
        "an OPT owned by a pointer to the root".into(),
        {
            let root_at = u16::try_from(plain().bytes().len() - 5).unwrap();
            plain().additional(record(&pointer(root_at), OPT, 1232, 0, &[])).bytes()
        },
        TOLERATED,
    );
    add("three OPTs".into(), plain().edns(1).edns(2).edns(3).bytes(), BAD);
    for (what, data) in
        [("cookie of 8", vec![1; 8]), ("cookie of 24", vec![1; 24]), ("cookie of 40", vec![1; 40])]
    {
        add(what.into(), edns(1232, 0, 0, &option(COOKIE, &data)), SOUND);
    }
    for len in [0usize, 1, 7, 9, 15, 41, 200] {
        // RFC 7873 section 5.2.2: FORMERR for a server that knows cookies; one that doesn't looks past it.
        add(format!("cookie of {len}"), edns(1232, 0, 0, &option(COOKIE, &vec![1; len])), TOLERATED);
    }
    for (what, data) in [
        ("empty", vec![]),
        ("cut", vec![0, 1]),
        ("family 0", vec![0, 0, 0, 0]),
        ("family 9", vec![0, 9, 24, 0, 1, 2, 3]),
        ("too long a prefix", vec![0, 1, 33, 0, 1, 2, 3, 4, 5]),
        ("too few octets", vec![0, 1, 24, 0, 1]),
        ("too many octets", vec![0, 1, 24, 0, 1, 2, 3, 4, 5, 6]),
        ("bits beyond the prefix", vec![0, 1, 20, 0, 1, 2, 0xFF]),
        ("a scope in a query", vec![0, 1, 24, 24, 1, 2, 3]),
        ("version 6", vec![0, 2, 56, 0, 0x20, 1, 0xd, 0xb8, 1, 2, 3]),
    ] {
        add(
            format!("client subnet: {what}"),
            edns(1232, 0, 0, &option(CLIENT_SUBNET, &data)),
            Rcode(&[NOERROR, FORMERR, REFUSED]),
        );
    }
    add("EDE in a query".into(), edns(1232, 0, 0, &ede(15, "text")), SOUND);
    add("EDE of one octet".into(), edns(1232, 0, 0, &option(EDE, &[0])), TOLERATED);
    add("keepalive over UDP".into(), edns(1232, 0, 0, &option(KEEPALIVE, &[0, 9])), TOLERATED);
    add("padding of 1,000".into(), edns(1232, 0, 0, &option(PADDING, &[0; 1000])), SOUND);
    add("padding that isn't zero".into(), edns(1232, 0, 0, &option(PADDING, &[7; 10])), SOUND);
    add("chain of nothing".into(), edns(1232, 0, 0, &option(13, &[])), SOUND);
    add("two hundred options".into(), edns(1232, 0, 0, &option(65001, b"x").repeat(200)), SOUND);
    add("twelve thousand options".into(), edns(1232, 0, 0, &option(65001, b"").repeat(12_000)), SOUND);
    add("an option of 60,000 octets".into(), edns(1232, 0, 0, &option(65001, &[1; 60_000])), SOUND);
    add(
        "the same option twice".into(),
        edns(1232, 0, 0, &[option(NSID, b""), option(NSID, b"")].concat()),
        SOUND,
    );

    // Not DNS at all.
    add("zeroes".into(), vec![0; 40], BAD);
    add("ones".into(), vec![0xFF; 40], Silence);
    add("text".into(), b"GET / HTTP/1.1\r\nHost: dns\r\n\r\n".to_vec(), Either);
    add("a TCP frame over UDP".into(), framed(&bytes), Either);
    for seed in 1..=20u32 {
        let mut state = seed.wrapping_mul(2_654_435_769);
        let noise = (0..(20 + seed * 13)).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        add(format!("noise {seed}"), noise.collect(), Either);
    }
    // Each octet of a sound query turned over.
    for at in 2..bytes.len() {
        let mut turned = bytes.clone();
        turned[at] ^= 0xFF;
        add(format!("octet {at} turned over"), turned, Either);
    }
    cases
}

/// A name of labels with so many octets.
fn wire_of(octets: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    while octets - wire.len() > 65 {
        wire.push(63);
        wire.extend([b'w'; 63]);
    }
    let rest = octets - wire.len() - 2;
    wire.push(u8::try_from(rest).unwrap());
    wire.extend(vec![b'v'; rest]);
    wire.push(0);
    wire
}

/// What must hold of any reply to any bytes.
fn judge(what: &str, query: &[u8], got: Option<&[u8]>, fate: Fate) -> Result<(), String> {
    let Some(raw) = got else {
        return if matches!(fate, Rcode(_)) {
            Err(format!("{what}: no answer to {}", hex(query)))
        } else {
            Ok(())
        };
    };
    let shown = || {
        format!(
            "{what}: {} answered with {}",
            hex(&query[..query.len().min(100)]),
            hex(&raw[..raw.len().min(100)])
        )
    };
    if fate == Silence {
        return Err(format!("{} where silence is due", shown()));
    }
    let got = Parsed::of(raw).map_err(|fault| format!("{}: {fault}", shown()))?;
    if !got.has(QR) || got.opcode() != u16::from(query[2] >> 3 & 15) {
        return Err(format!("{}: not a reply to that", shown()));
    }
    match fate {
        Rcode(allowed) if !allowed.contains(&got.rcode()) => {
            Err(format!("{}: rcode {}", shown(), got.rcode()))
        }
        _ => Ok(()),
    }
}

/// Each case over UDP; after each the server answers well, from its zone and from a target.
#[test]
fn the_corpus_over_udp() {
    let mut scene = scene();
    let cases = corpus();
    assert!(cases.len() >= 150, "the corpus has {} cases", cases.len());
    let mut faults = Vec::new();
    for (number, (what, bytes, fate)) in cases.iter().enumerate() {
        let canary = Message::query("websrv.anycompany.corp", A).id(0xFFFE);
        let socket = Udp::to(scene.dns.address);
        socket.send(bytes);
        // Silence is known by the answer to what was asked behind it, with some time for the other worker.
        let silent = *fate == Silence || *fate == Either;
        let reply = socket.receive(if silent { Duration::from_millis(60) } else { PATIENCE });
        // Longer than any query over UDP: the server may not even look at it.
        let fate = if bytes.len() > 4096 && matches!(fate, Rcode(_)) { Either } else { *fate };
        if let Err(fault) = judge(what, bytes, reply.as_deref(), fate) {
            faults.push(fault);
        }
        let after = ask(scene.dns.address, &canary);
        assert_eq!(after.addresses(), ["192.168.2.10"], "after {what}");
        if number % 10 == 0 {
            let forwarded = ask(scene.dns.address, &Message::query(&format!("n{number}.example"), A));
            assert_eq!(forwarded.addresses(), ["192.0.2.1"], "after {what}");
        }
        assert!(scene.dns.process.alive(), "{what} ended the server");
    }
    scene.dns.assert_well();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The same over TCP, each case behind its length on a connection of its own. A query that can't be
/// answered ends the connection or is passed over; it must not leave the client waiting for its next one.
#[test]
fn the_corpus_over_tcp() {
    let mut scene = scene();
    let mut faults = Vec::new();
    for (what, bytes, fate) in corpus() {
        let canary = Message::query("websrv.anycompany.corp", A).id(0xFFFE).bytes();
        let mut tcp = Tcp::to(scene.dns.address);
        tcp.send(&bytes);
        let _ = tcp.send_raw(&framed(&canary));
        let mut case_reply = None;
        let mut canary_reply = None;
        while canary_reply.is_none() || case_reply.is_none() && matches!(fate, Rcode(_)) {
            let Some(got) = tcp.receive() else { break };
            if got[..2] == [0xFF, 0xFE] { canary_reply = Some(got) } else { case_reply = Some(got) }
        }
        if let Err(fault) = judge(&what, &bytes, case_reply.as_deref(), fate) {
            faults.push(fault);
        }
        if canary_reply.is_none() && !tcp.closes_within(Duration::from_millis(1)) {
            faults.push(format!("{what}: neither the next query answered nor the connection closed"));
        }
        assert!(scene.dns.process.alive(), "{what} ended the server");
    }
    scene.dns.assert_well();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// All of it at once, from many sockets, again and again, with good queries between.
#[test]
fn the_corpus_as_a_flood() {
    let mut scene = scene();
    let cases = corpus();
    let sockets: Vec<Udp> = (0..16).map(|_| Udp::to(scene.dns.address)).collect();
    for round in 0..20 {
        for (number, (_, bytes, _)) in cases.iter().enumerate() {
            sockets[(number + round) % sockets.len()].send(bytes);
        }
        // The flood may fill the socket's buffer, and a datagram be lost in the kernel; not three in a row.
        let canary = Message::query(&format!("round{round}.example"), A).bytes();
        let got = (0..3).find_map(|_| Udp::to(scene.dns.address).ask(&canary));
        let got = common::parse(&got.expect("an answer after the flood"));
        assert_eq!(got.addresses(), ["192.0.2.1"], "round {round}");
    }
    assert!(scene.dns.process.peak_memory() < 512 << 20, "{} octets", scene.dns.process.peak_memory());
    scene.dns.assert_well();
}

// Sizes.

/// RFC 6891 section 6.2.5: the client's size is honoured, 512 at least, and 1232 by default at most.
#[test]
fn sizes_are_honoured() {
    let scene = scene();
    for (size, bound) in [(None, 512), (Some(0), 512), (Some(511), 512), (Some(512), 512), (Some(800), 800)] {
        let query = Message::query("big.example", TXT);
        let query = size.map_or(query.clone(), |size| query.edns(size));
        let raw = ask_raw(scene.dns.address, &query);
        assert!(raw.len() <= bound, "{} octets for {size:?}", raw.len());
        let got = common::parse(&raw);
        assert!(got.has(TC), "TC for {size:?}");
        assert_eq!(got.opt.is_some(), size.is_some(), "the OPT stays");
        assert_eq!(got.questions.len(), 1);
    }
    for size in [1232, 4096, 65535] {
        let raw = ask_raw(scene.dns.address, &Message::query("big.example", TXT).edns(size));
        let got = common::parse(&raw);
        assert_eq!((got.answer.len(), got.has(TC)), (20, false), "whole for {size}");
        let raw = ask_raw(scene.dns.address, &Message::query("huge.example", TXT).edns(size));
        assert!(raw.len() <= 1232, "{} octets for {size}", raw.len());
        assert!(common::parse(&raw).has(TC));
    }
    let whole = common::ask_tcp(scene.dns.address, &Message::query("huge.example", TXT).edns(512));
    assert_eq!((whole.answer.len(), whole.has(TC)), (200, false), "whole over TCP, whatever the size said");
}

#[test]
fn max_udp_size_is_ours_to_set() {
    let scene = scene_with(|setup| setup.server("max_udp_size = 600"));
    let raw = ask_raw(scene.dns.address, &Message::query("big.example", TXT).edns(4096));
    assert!(raw.len() <= 600, "{} octets", raw.len());
    let got = common::parse(&raw);
    assert!(got.has(TC));
    assert!(got.edns_size().unwrap() <= 1232, "our own size is {:?}", got.edns_size());
}

/// dig goes over to TCP by itself, and so do the libraries of clients.
#[test]
fn dig_gets_the_whole_over_tcp() {
    let scene = scene();
    let got = dig(scene.dns.address, "huge.example txt");
    assert!(got.text.contains("Truncated, retrying in TCP mode"), "{}", got.text);
    assert_eq!(got.data("TXT").len(), 200);
}

// TCP.

/// RFC 7766 section 6.2.1.1 and 7: answers as they come, not in the order of the questions.
#[test]
fn tcp_answers_come_out_of_order() {
    let scene = scene();
    let mut tcp = Tcp::to(scene.dns.address);
    tcp.send(&Message::query("slow.example", A).id(1).bytes());
    for id in 2..=20 {
        tcp.send(&Message::query(&format!("quick{id}.example"), A).id(id).bytes());
    }
    let order: Vec<u16> = (0..20)
        .map(|_| {
            let got = common::parse(&tcp.receive().expect("an answer to each"));
            assert_eq!(got.addresses(), ["192.0.2.1"]);
            got.id
        })
        .collect();
    assert_eq!(order.last(), Some(&1), "the slow one held the others up: {order:?}");
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=20).collect::<Vec<_>>());
}

/// Many queries in one segment, and one query in many.
#[test]
fn tcp_segments_mean_nothing() {
    let scene = scene();
    let queries: Vec<u8> =
        (0..200).flat_map(|id| framed(&Message::query("websrv.anycompany.corp", A).id(id).bytes())).collect();
    let mut tcp = Tcp::to(scene.dns.address);
    tcp.send_raw(&queries).unwrap();
    let mut ids: Vec<u16> =
        (0..200).map(|_| common::parse(&tcp.receive().expect("an answer to each")).id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..200).collect::<Vec<_>>());

    let mut slow = Tcp::to(scene.dns.address);
    for byte in framed(&Message::query("websrv.anycompany.corp", A).bytes()) {
        slow.send_raw(&[byte]).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(common::parse(&slow.receive().expect("an answer")).addresses(), ["192.168.2.10"]);
}

/// RFC 7766 section 6.2.3: a client that has closed its side still gets its answers.
#[test]
fn tcp_half_closed_clients_get_their_answers() {
    let scene = scene();
    for qname in ["websrv.anycompany.corp", "quick.example", "slow.example"] {
        let mut tcp = Tcp::to(scene.dns.address);
        tcp.send(&Message::query(qname, A).bytes());
        tcp.half_close();
        let got = tcp.receive().unwrap_or_else(|| panic!("{qname}: no answer to a half-closed client"));
        assert_eq!(common::parse(&got).addresses().len(), 1, "{qname}");
        assert!(tcp.closes_within(Duration::from_secs(5)), "{qname}: the server's side stays open");
    }
}

/// Clients that say less than they promise, or nothing: they are dropped after the idle time, and hold up
/// nobody meanwhile.
#[test]
fn tcp_idle_and_lying_clients_are_dropped() {
    let mut scene = scene_with(|setup| setup.server("tcp_idle_timeout = \"1s\""));
    let lies: [(&str, &[u8]); 6] = [
        ("nothing", &[]),
        ("half a length", &[0]),
        ("a length alone", &[0, 40]),
        ("a length of 65535 and a little", &[0xFF, 0xFF, 1, 2, 3]),
        ("a length of 0", &[0, 0]),
        ("a length below a header's", &[0, 5, 1, 2, 3, 4, 5]),
    ];
    let mut clients: Vec<(&str, Tcp)> = lies
        .map(|(what, bytes)| {
            let mut tcp = Tcp::to(scene.dns.address);
            tcp.send_raw(bytes).unwrap();
            (what, tcp)
        })
        .into_iter()
        .collect();
    assert_eq!(common::ask_tcp(scene.dns.address, &Message::query("quick.example", A)).addresses().len(), 1);
    for (what, tcp) in &mut clients {
        assert!(tcp.closes_within(Duration::from_secs(6)), "{what}: still open after the idle time");
    }
    scene.dns.assert_well();
}

/// A slow drip of bytes is no reason to stay for ever: the idle time is about whole queries.
#[test]
fn tcp_dripping_clients_are_dropped() {
    let scene = scene_with(|setup| setup.server("tcp_idle_timeout = \"1s\""));
    let mut tcp = Tcp::to(scene.dns.address);
    let message = framed(&Message::query(&"x.".repeat(100), A).bytes());
    let start = Instant::now();
    for byte in message.iter().cycle().take(400) {
        if tcp.send_raw(&[*byte]).is_err() || start.elapsed() > Duration::from_secs(12) {
            break;
        }
        thread::sleep(Duration::from_millis(100));
        if closed(&mut tcp.stream) {
            break;
        }
    }
    assert!(start.elapsed() < Duration::from_secs(12), "a client that drips bytes stays connected");
}

fn closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut byte = [0];
    let got = stream.read(&mut byte);
    stream.set_nonblocking(false).unwrap();
    match got {
        Ok(0) => true,
        Ok(_) => false,
        Err(fault) => fault.kind() != std::io::ErrorKind::WouldBlock,
    }
}

/// Connections have a bound, for each client and for all; those within it are served.
#[test]
fn tcp_connections_are_bounded() {
    let mut scene = scene_with(|setup| setup.server("tcp_connections = 30\ntcp_connections_per_client = 8"));
    let query = || Message::query("websrv.anycompany.corp", A).bytes();
    let mut open: Vec<Tcp> = Vec::new();
    let mut served = 0;
    for _ in 0..20 {
        let mut tcp = Tcp::to(scene.dns.address);
        if tcp.send_raw(&framed(&query())).is_ok() && tcp.receive().is_some() {
            served += 1;
        }
        open.push(tcp);
    }
    assert!((1..=8).contains(&served), "{served} of 20 connections of one client were served, of 8 allowed");
    assert_eq!(served, 8, "within the bound all are served");
    // UDP goes on, and a place that became free is taken again.
    scene.dns.assert_well();
    drop(open);
    common::eventually(Duration::from_secs(5), "a connection is accepted again", || {
        let mut tcp = Tcp::to(scene.dns.address);
        tcp.send_raw(&framed(&query())).is_ok() && tcp.receive().is_some()
    });
}

/// A client that asks much and reads nothing is bounded too: in memory, and in time.
#[test]
fn tcp_clients_that_do_not_read_are_dropped() {
    let mut scene = scene_with(|setup| setup.server("tcp_idle_timeout = \"1s\""));
    let before = scene.dns.process.peak_memory();
    let mut tcp = Tcp::to(scene.dns.address);
    tcp.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let query = framed(&Message::query("huge.example", TXT).bytes());
    let end = Instant::now() + Duration::from_secs(6);
    let mut asked = 0;
    // 200 answers of 10 kB each round; the loop ends when the server reads no more, or closes.
    while Instant::now() < end && asked < 100_000 {
        if tcp.send_raw(&query.repeat(20)).is_err() {
            break;
        }
        asked += 20;
    }
    let grown = scene.dns.process.peak_memory().saturating_sub(before);
    assert!(grown < 200 << 20, "{asked} unread answers cost {grown} octets");
    scene.dns.assert_well();
}

/// One connection after the other, quickly: none is left over.
#[test]
fn tcp_connections_come_and_go() {
    let mut scene = scene_with(|setup| setup.server("tcp_connections = 20"));
    for number in 0..200 {
        let mut tcp = Tcp::to(scene.dns.address);
        match number % 3 {
            0 => {
                tcp.send(&Message::query("websrv.anycompany.corp", A).bytes());
                assert!(tcp.receive().is_some(), "connection {number}");
            }
            1 => drop(tcp.send_raw(&[0])),
            _ => {}
        }
    }
    scene.dns.assert_well();
    let got = common::ask_tcp(scene.dns.address, &Message::query("quick.example", A));
    assert_eq!(got.addresses(), ["192.0.2.1"]);
}

/// Replies leave from the address that was asked, also where the listener stands on all addresses.
#[test]
fn replies_leave_from_the_address_that_was_asked() {
    let net = Net::new();
    let mut setup = Setup::new(&net).zone(&net, COMPANY.0, COMPANY.1);
    // A wildcard takes its port on every address: one that no other test's block has.
    let port = 30_100 + net.port % 2_000;
    setup.listen = vec![format!("0.0.0.0:{port}")];
    let mut dns = setup.start(&net);
    for host in [1, 53, 99, 200] {
        // Connected: the kernel drops what comes from anywhere else.
        let server = (net.ip(host), port).into();
        assert_eq!(ask(server, &Message::query("websrv.anycompany.corp", A)).addresses(), ["192.168.2.10"]);
    }
    assert!(dns.process.alive());
}

/// IPv6 listeners, beside IPv4 with the same port.
#[test]
fn both_families_are_served() {
    let net = Net::new();
    let mut setup = Setup::new(&net).zone(&net, COMPANY.0, COMPANY.1);
    let six = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, net.port + 3));
    setup.listen.push(six.to_string());
    let dns = setup.start(&net);
    let query = Message::query("websrv.anycompany.corp", A);
    assert_eq!(ask(dns.address, &query).addresses(), ["192.168.2.10"]);
    let socket = Udp::from(std::net::Ipv6Addr::LOCALHOST.into(), six);
    let got = common::parse(&socket.ask(&query.bytes()).expect("an answer over IPv6"));
    assert_eq!(got.addresses(), ["192.168.2.10"]);
    assert_eq!(common::ask_tcp(six, &query).addresses(), ["192.168.2.10"]);
}

/// A target's answer never loses its client: a thousand questions at once, each answered with its own.
#[test]
fn many_questions_at_once_are_told_apart() {
    let net = Net::new();
    let target = Scripted::start(net.at(10), |seen| {
        let label = seen.first_label();
        let number: u16 = label.get(1..).and_then(|number| number.parse().ok()).unwrap_or(0);
        let [high, low] = number.to_be_bytes();
        reply(&seen.reply().answer(address(300, [10, 99, high, low])))
    });
    let dns = Setup::new(&net).endpoint("t", &[target.address]).rule(".", "t").start(&net);
    let socket = Udp::to(dns.address);
    for batch in 0..20u16 {
        for number in batch * 50..batch * 50 + 50 {
            socket.send(&Message::query(&format!("n{number}.example"), A).id(number).bytes());
        }
        for _ in 0..50 {
            let got = common::parse(&socket.receive(PATIENCE).expect("an answer to each"));
            let [high, low] = got.id.to_be_bytes();
            assert_eq!(got.addresses(), [format!("10.99.{high}.{low}")], "question {}", got.id);
        }
    }
}
