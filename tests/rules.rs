//! Who answers a name: rules by their longest suffix, SYSTEM, zones, built-in names, clients that may not
//! ask, and CNAMEs that lead from one rule to another.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::message::*;
use common::{Dnsfwd, Message, Net, Scripted, Setup, Stage, Udp, ask, parse, reply};

fn lookup(dns: &Dnsfwd, qname: &str) -> Vec<String> {
    ask(dns.address, &Message::query(qname, A).edns(1232)).addresses()
}

/// Targets that tell themselves apart by their answers: 192.0.2.<n>.
fn targets(net: &Net, count: u8) -> Vec<Scripted> {
    (0..count).map(|number| Scripted::with_address(net.at(10 + number), [192, 0, 2, number])).collect()
}

/// The most specific domain wins, on label borders, whatever the case.
#[test]
fn the_longest_suffix_wins() {
    let net = Net::new();
    let targets = targets(&net, 5);
    let mut setup = Setup::new(&net);
    // In an order that is neither by length nor by name.
    for (number, domain) in
        [(3, "b.a.example"), (0, "."), (2, "A.Example."), (1, "example"), (4, "x.b.a.example.net")]
    {
        let endpoint = format!("e{number}");
        setup = setup.endpoint(&endpoint, &[targets[number].address]).rule(domain, &endpoint);
    }
    let dns = setup.start(&net);
    for (qname, number) in [
        ("example", 1),
        ("a.example", 2),
        ("b.a.example", 3),
        ("c.b.a.example", 3),
        ("z.y.x.c.b.a.example", 3),
        ("c.a.example", 2),
        ("xa.example", 1),
        ("b.xa.example", 1),
        ("ba.example", 1),
        ("xexample", 0),
        ("www.notexample", 0),
        ("example.net", 0),
        ("b.a.example.net", 0),
        ("x.b.a.example.net", 4),
        ("y.x.b.a.example.net", 4),
        ("W.B.A.EXAMPLE", 3),
        ("org", 0),
    ] {
        assert_eq!(lookup(&dns, qname), [format!("192.0.2.{number}")], "{qname}");
    }
}

/// A dot within a label is no border.
#[test]
fn an_escaped_dot_is_no_border() {
    let net = Net::new();
    let targets = targets(&net, 2);
    let dns = Setup::new(&net)
        .endpoint("e0", &[targets[0].address])
        .endpoint("e1", &[targets[1].address])
        .rule(".", "e0")
        .rule("a.example", "e1")
        .start(&net);
    assert_eq!(lookup(&dns, "x\\.a.example"), ["192.0.2.0"]);
    assert_eq!(lookup(&dns, "x.a.example"), ["192.0.2.1"]);
}

/// `domains` and `reverse` make one rule of many names; prefixes need not end at an octet.
#[test]
fn reverse_ranges_become_domains() {
    let net = Net::new();
    let targets = targets(&net, 2);
    let dns = Setup::new(&net)
        .endpoint("e0", &[targets[0].address])
        .endpoint("e1", &[targets[1].address])
        .rule(".", "e0")
        .body(
            "[[rule]]\ndomains = [\"one.example\", \"two.example\"]\n\
             reverse = [\"10.0.0.0/16\", \"172.16.0.0/12\", \"192.168.4.0/22\", \"2001:db8:40::/42\"]\nendpoint = \"e1\"",
        )
        .start(&net);
    for (qname, number) in [
        ("x.one.example", 1),
        ("two.example", 1),
        ("three.example", 0),
        ("10.10.0.10.in-addr.arpa", 1),
        ("1.1.16.172.in-addr.arpa", 1),
        ("1.1.31.172.in-addr.arpa", 1),
        ("1.1.32.172.in-addr.arpa", 0),
        ("1.4.168.192.in-addr.arpa", 1),
        ("1.7.168.192.in-addr.arpa", 1),
        ("0.0.0.4.0.0.8.b.d.0.1.0.0.2.ip6.arpa", 1),
        ("f.7.0.0.8.b.d.0.1.0.0.2.ip6.arpa", 1),
    ] {
        assert_eq!(lookup(&dns, qname), [format!("192.0.2.{number}")], "{qname}");
    }
    // Right behind each range: not in the rule, and so built-in names again.
    for qname in ["1.8.168.192.in-addr.arpa", "1.3.168.192.in-addr.arpa", "f.8.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]
    {
        assert_eq!(ask(dns.address, &Message::query(qname, A)).rcode(), NXDOMAIN, "{qname}");
    }
}

/// As in Route 53: SYSTEM carves a name out of every broader FORWARD, that for "." too.
#[test]
fn system_goes_to_the_system_endpoint() {
    let net = Net::new();
    let targets = targets(&net, 3);
    let dns = Setup::new(&net)
        .server("system = \"system\"")
        .endpoint("system", &[targets[0].address])
        .endpoint("forward", &[targets[1].address])
        .endpoint("everything", &[targets[2].address])
        .rule("corp.example", "forward")
        .rule(".", "everything")
        .body("[[rule]]\ndomain = \"public.corp.example\"\ntype = \"SYSTEM\"")
        .body("[[rule]]\ndomain = \"168.192.in-addr.arpa\"\ntype = \"SYSTEM\"")
        .rule("deep.public.corp.example", "forward")
        .zone(&net, "zone.public.corp.example", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 10.1.1.1\n")
        .start(&net);
    assert_eq!(lookup(&dns, "www.corp.example"), ["192.0.2.1"]);
    assert_eq!(lookup(&dns, "www.public.corp.example"), ["192.0.2.0"], "SYSTEM");
    assert_eq!(lookup(&dns, "public.corp.example"), ["192.0.2.0"], "SYSTEM at its own name");
    assert_eq!(lookup(&dns, "www.deep.public.corp.example"), ["192.0.2.1"], "FORWARD below SYSTEM");
    assert_eq!(lookup(&dns, "ns.zone.public.corp.example"), ["10.1.1.1"], "a zone of ours below SYSTEM");
    assert_eq!(lookup(&dns, "www.example.org"), ["192.0.2.2"]);
    // What this server itself knows comes first: the built-in reverse zone.
    let built_in = ask(dns.address, &Message::query("1.1.168.192.in-addr.arpa", PTR));
    assert_eq!(built_in.rcode(), NXDOMAIN);
    assert_eq!(targets[0].count("1.1.168.192.in-addr.arpa"), 0);
}

/// A name that nothing covers.
#[test]
fn what_nothing_covers_is_refused_with_a_reason() {
    let net = Net::new();
    let targets = targets(&net, 1);
    let dns = Setup::new(&net).endpoint("e0", &[targets[0].address]).rule("corp.example", "e0").start(&net);
    let got = ask(dns.address, &Message::query("www.example.org", A).edns(1232));
    assert_eq!(got.rcode(), REFUSED);
    assert!(!got.errors().is_empty(), "REFUSED without EDE");
    assert!(ask(dns.address, &Message::query("www.example.org", A)).opt.is_none());
    assert_eq!(targets[0].seen().len(), 0);
    assert_eq!(lookup(&dns, "www.corp.example"), ["192.0.2.0"]);
}

/// A zone wins at equal or longer names; a rule below a zone wins again.
#[test]
fn zones_win_at_equal_or_longer_names() {
    let net = Net::new();
    let targets = targets(&net, 1);
    let zone = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 10.1.1.1\nwww 60 A 10.1.1.2\n";
    let dns = Setup::new(&net)
        .endpoint("e0", &[targets[0].address])
        .rule("equal.example", "e0")
        .rule("example", "e0")
        .rule("below.longer.example", "e0")
        .zone(&net, "equal.example", zone)
        .zone(&net, "longer.example", zone)
        .start(&net);
    assert_eq!(lookup(&dns, "www.equal.example"), ["10.1.1.2"]);
    assert_eq!(lookup(&dns, "www.longer.example"), ["10.1.1.2"]);
    assert_eq!(lookup(&dns, "www.example"), ["192.0.2.0"]);
    assert_eq!(lookup(&dns, "www.below.longer.example"), ["192.0.2.0"]);
    let absent = ask(dns.address, &Message::query("absent.equal.example", A));
    assert_eq!((absent.rcode(), absent.has(AA)), (NXDOMAIN, true), "the zone denies with authority");
}

/// A client that may not ask is told so, before anything else happens (RFC 8914 section 4.19: Prohibited).
#[test]
fn clients_that_may_not_ask_are_refused() {
    let net = Net::new();
    let targets = targets(&net, 1);
    let allowed = net.ip(9);
    let dns = Setup::new(&net)
        .server(&format!("allow = [\"{allowed}/32\"]"))
        .endpoint("e0", &[targets[0].address])
        .rule(".", "e0")
        .zone(&net, "zone.example", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 10.1.1.1\n")
        .start(&net);
    for qname in ["www.example.org", "ns.zone.example", "localhost"] {
        let got = ask(dns.address, &Message::query(qname, A).edns(1232));
        assert_eq!((got.rcode(), got.answer.len()), (REFUSED, 0), "{qname}");
        assert!(got.error_codes().contains(&18), "{qname}: {:?}", got.errors());
        let plain = ask(dns.address, &Message::query(qname, A));
        assert_eq!(plain.rcode(), REFUSED, "{qname}");
        assert!(plain.opt.is_none());
        let over_tcp = common::ask_tcp(dns.address, &Message::query(qname, A));
        assert_eq!(over_tcp.rcode(), REFUSED, "{qname} over TCP");
    }
    assert_eq!(targets[0].seen().len(), 0);
    let query = Message::query("www.example.org", A).bytes();
    let got = parse(&Udp::from(allowed.into(), dns.address).ask(&query).expect("an answer"));
    assert_eq!(got.addresses(), ["192.0.2.0"]);
}

/// RFC 6761 and RFC 6303 (with RFC 7686 and 8375): names that must not leave, answered here.
#[test]
fn special_names_are_answered_here() {
    let net = Net::new();
    let targets = targets(&net, 1);
    let dns = Setup::new(&net).endpoint("e0", &[targets[0].address]).rule(".", "e0").start(&net);
    let rcode = |qname: &str, qtype| ask(dns.address, &Message::query(qname, qtype)).rcode();

    // RFC 6761 section 6.3.
    for qname in ["localhost", "x.localhost", "LOCALHOST", "a.b.c.localhost"] {
        assert_eq!(lookup(&dns, qname), ["127.0.0.1"], "{qname}");
        let six = ask(dns.address, &Message::query(qname, AAAA));
        assert_eq!(six.answer[0].rdata, [&[0; 15][..], &[1]].concat(), "{qname}");
    }
    let none = ask(dns.address, &Message::query("localhost", TXT));
    assert_eq!((none.rcode(), none.answer.len()), (NOERROR, 0));

    // Sections 6.2 and 6.4; RFC 7686 section 2.
    for qname in ["x.invalid", "y.x.invalid", "x.test", "x.y.test", "xyz.onion"] {
        assert_eq!(rcode(qname, A), NXDOMAIN, "{qname}");
    }
    for qname in ["invalid", "test", "onion"] {
        let got = ask(dns.address, &Message::query(qname, A));
        assert!([NXDOMAIN, NOERROR].contains(&got.rcode()) && got.answer.is_empty(), "{qname}: {got:?}");
    }

    // RFC 6303 sections 4.1 to 4.6, an address out of each zone.
    for qname in [
        "1.2.3.10.in-addr.arpa",
        "1.2.16.172.in-addr.arpa",
        "1.2.31.172.in-addr.arpa",
        "1.2.168.192.in-addr.arpa",
        "1.2.3.0.in-addr.arpa",
        "1.2.254.169.in-addr.arpa",
        "1.2.0.192.in-addr.arpa",
        "1.100.51.198.in-addr.arpa",
        "1.113.0.203.in-addr.arpa",
        "255.255.255.255.in-addr.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.e.f.ip6.arpa",
    ] {
        let got = ask(dns.address, &Message::query(qname, PTR));
        // Some answer for the zone's own name; none may ask the target.
        let denied = got.rcode() == NXDOMAIN || got.rcode() == NOERROR && got.answer.is_empty();
        assert!(denied, "{qname}: rcode {} with {} answers", got.rcode(), got.answer.len());
        assert!(
            got.authority.iter().any(|record| record.rtype == SOA),
            "{qname}: a denial has its SOA (RFC 6303 section 3)"
        );
    }
    // RFC 6303 section 4.2 leaves 127/8 to the site; a PTR for loopback is either there or denied.
    assert!([NOERROR, NXDOMAIN].contains(&rcode("1.0.0.127.in-addr.arpa", PTR)));

    let leaked: Vec<_> = targets[0].seen().iter().map(|seen| hex(&seen.name())).collect();
    assert!(leaked.is_empty(), "these reached the target: {leaked:?}");

    // Neighbours of those are nothing special.
    for qname in [
        "1.2.32.172.in-addr.arpa",
        "1.2.15.172.in-addr.arpa",
        "1.2.3.11.in-addr.arpa",
        "1.2.169.192.in-addr.arpa",
        "nottest",
        "test.example.org",
    ] {
        assert_eq!(lookup(&dns, qname), ["192.0.2.0"], "{qname}");
    }
}

/// … unless a rule or a zone names them: a rule for "." doesn't, one for the range does, also below it.
#[test]
fn a_rule_or_zone_takes_a_special_name() {
    let net = Net::new();
    let targets = targets(&net, 1);
    let dns = Setup::new(&net)
        .endpoint("e0", &[targets[0].address])
        .rule(".", "e0")
        .rule("corp.test", "e0")
        .rule("16.172.in-addr.arpa", "e0")
        .body("[[rule]]\nreverse = [\"10.1.0.0/16\"]\nendpoint = \"e0\"")
        .zone(
            &net,
            "2.168.192.in-addr.arpa",
            "@ 60 SOA ns.example. h.example. 1 2 3 4 5\n@ 60 NS ns.example.\n1 60 PTR host.example.\n",
        )
        .start(&net);
    for qname in ["www.corp.test", "1.2.16.172.in-addr.arpa", "9.9.1.10.in-addr.arpa"] {
        assert_eq!(lookup(&dns, qname), ["192.0.2.0"], "{qname}");
    }
    for qname in ["www.other.test", "1.2.17.172.in-addr.arpa", "9.9.2.10.in-addr.arpa"] {
        assert_eq!(ask(dns.address, &Message::query(qname, A)).rcode(), NXDOMAIN, "{qname}");
    }
    let ptr = ask(dns.address, &Message::query("1.2.168.192.in-addr.arpa", PTR));
    assert_eq!((ptr.rcode(), ptr.answer.len()), (NOERROR, 1), "from our own zone");
    assert_eq!(
        ask(dns.address, &Message::query("1.3.168.192.in-addr.arpa", PTR)).rcode(),
        NXDOMAIN,
        "beside it"
    );
}

/// A target that sends each name of `from` on to one of `to`, and knows the address of all others.
fn aliasing(address: SocketAddr, ip: [u8; 4], aliases: &'static [(&str, &str)]) -> Scripted {
    Scripted::start(address, move |seen| {
        let alias = aliases.iter().find(|(from, _)| seen.asks(from));
        reply(&match alias {
            Some((_, to)) => seen.reply().answer(record(&to_question(), CNAME, IN, 300, &name(to))),
            None if seen.first_label() == "absent" => {
                seen.reply().rcode(NXDOMAIN).authority(record(&[0], SOA, IN, 300, &soa_rdata(300)))
            }
            None => common::target::addressed(seen, 300, ip),
        })
    })
}

struct Two {
    dns: Dnsfwd,
    first: Scripted,
    second: Scripted,
    _net: Net,
}

/// Rules for a.example and b.example with a target each, and a zone c.example of ours.
fn two_rules(rule: &str, aliases: &'static [(&str, &str)]) -> Two {
    let net = Net::new();
    let first = aliasing(net.at(10), [192, 0, 2, 1], aliases);
    let second = aliasing(net.at(11), [192, 0, 2, 2], aliases);
    let dns = Setup::new(&net)
        .endpoint("first", &[first.address])
        .endpoint("second", &[second.address])
        .rule_with("a.example", "first", rule)
        .rule_with("b.example", "second", rule)
        .zone(
            &net,
            "c.example",
            "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 10.1.1.1\nwww 60 A 10.1.1.2\nout 60 CNAME www.b.example.\n",
        )
        .start(&net);
    Two { dns, first, second, _net: net }
}

/// The records of an answer as owner and type.
fn chain(got: &common::Parsed) -> Vec<(Vec<u8>, u16)> {
    got.answer.iter().map(|record| (record.owner.clone(), record.rtype)).collect()
}

/// An answer that ends in a CNAME into another rule is gone on with there.
#[test]
fn a_cname_into_another_rule_is_followed() {
    let two = two_rules("", &[("www.a.example", "www.b.example")]);
    for round in ["asked", "kept"] {
        let got = ask(two.dns.address, &Message::query("www.a.example", A).edns(1232));
        let expected = [(name("www.a.example"), CNAME), (name("www.b.example"), A)];
        assert_eq!((got.rcode(), chain(&got)), (NOERROR, expected.to_vec()), "{round}");
        assert_eq!(got.addresses(), ["192.0.2.2"]);
    }
    assert_eq!(two.second.count("www.b.example"), 1);
    // What was asked for is the CNAME itself: nothing to follow.
    let itself = ask(two.dns.address, &Message::query("www.a.example", CNAME));
    assert_eq!(chain(&itself), [(name("www.a.example"), CNAME)]);
}

#[test]
fn a_cname_into_a_zone_of_ours_is_followed() {
    let two = two_rules("", &[("www.a.example", "www.c.example"), ("gone.a.example", "gone.c.example")]);
    let got = ask(two.dns.address, &Message::query("www.a.example", A));
    assert_eq!((got.rcode(), got.addresses()), (NOERROR, vec!["10.1.1.2".to_string()]));
    // RFC 2308 section 2.1: NXDOMAIN is about the chain's end, and its SOA is that of the end's zone.
    let gone = ask(two.dns.address, &Message::query("gone.a.example", A));
    assert_eq!((gone.rcode(), chain(&gone)), (NXDOMAIN, vec![(name("gone.a.example"), CNAME)]));
    assert!(gone.authority.iter().any(|record| record.rtype == SOA), "{gone:?}");
}

#[test]
fn a_cname_out_of_a_zone_of_ours_is_followed() {
    let two = two_rules("", &[]);
    let got = ask(two.dns.address, &Message::query("out.c.example", A));
    assert_eq!(chain(&got), [(name("out.c.example"), CNAME), (name("www.b.example"), A)]);
    assert_eq!(got.addresses(), ["192.0.2.2"]);
}

#[test]
fn a_chain_over_several_rules_is_followed() {
    let two = two_rules(
        "",
        &[
            ("one.a.example", "two.b.example"),
            ("two.b.example", "three.a.example"),
            ("three.a.example", "www.c.example"),
        ],
    );
    let got = ask(two.dns.address, &Message::query("one.a.example", A));
    let owners: Vec<_> = got.answer.iter().map(|record| record.owner.clone()).collect();
    let expected = ["one.a.example", "two.b.example", "three.a.example", "www.c.example"].map(name);
    assert_eq!(owners, expected);
    assert_eq!(got.addresses(), ["10.1.1.2"]);
}

#[test]
fn a_chain_that_ends_in_nothing_says_so() {
    let two = two_rules("", &[("www.a.example", "absent.b.example")]);
    let got = ask(two.dns.address, &Message::query("www.a.example", A));
    assert_eq!((got.rcode(), chain(&got)), (NXDOMAIN, vec![(name("www.a.example"), CNAME)]));
    assert!(got.authority.iter().any(|record| record.rtype == SOA), "{got:?}");
    // No data: the name is there, the type isn't.
    let two = two_rules("", &[("www.a.example", "www.b.example")]);
    let got = ask(two.dns.address, &Message::query("www.a.example", TXT));
    assert_eq!((got.rcode(), chain(&got)), (NOERROR, vec![(name("www.a.example"), CNAME)]));
    assert!(got.authority.iter().any(|record| record.rtype == SOA), "{got:?}");
}

/// A public resolver follows the CNAME itself, finds nothing of the company's names in the world's DNS, and
/// says NXDOMAIN for the chain (RFC 6604 section 3). That isn't resolved: the other rule knows the name.
#[test]
fn a_chain_that_another_server_could_not_resolve_is_followed() {
    for rcode in [NXDOMAIN, NOERROR] {
        let net = Net::new();
        let first = Scripted::start(net.at(10), move |seen| {
            let alias = seen.reply().rcode(rcode).answer(record(
                &to_question(),
                CNAME,
                IN,
                300,
                &name("www.b.example"),
            ));
            reply(&alias.authority(record(&[0], SOA, IN, 300, &soa_rdata(300))))
        });
        let second = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
        let dns = Setup::new(&net)
            .endpoint("first", &[first.address])
            .endpoint("second", &[second.address])
            .rule("a.example", "first")
            .rule("b.example", "second")
            .start(&net);
        let got = ask(dns.address, &Message::query("www.a.example", A).edns(1232));
        assert_eq!(
            (got.rcode(), got.addresses()),
            (NOERROR, vec!["192.0.2.2".to_string()]),
            "after rcode {rcode}"
        );
        assert!(got.authority.iter().all(|record| record.rtype != SOA), "the denial is over: {got:?}");
    }
}

/// RFC 4035 section 3.2.3: AD speaks for all of the answer, so that a chain has it only if each part had.
/// AA is about the name that was asked (RFC 1034 section 6.2.7).
#[test]
fn a_followed_chain_is_as_sure_as_its_weakest_part() {
    for (first_bits, second_bits, due) in [(AD, AD, AD), (AD, 0, 0), (0, AD, 0)] {
        let net = Net::new();
        let first = Scripted::start(net.at(10), move |seen| {
            let alias = record(&to_question(), CNAME, IN, 300, &name("www.b.example"));
            reply(&seen.reply().set(first_bits).answer(alias))
        });
        let second = Scripted::start(net.at(11), move |seen| {
            reply(&seen.reply().set(second_bits).answer(address(300, [192, 0, 2, 2])))
        });
        let dns = Setup::new(&net)
            .endpoint("first", &[first.address])
            .endpoint("second", &[second.address])
            .rule("a.example", "first")
            .rule("b.example", "second")
            .start(&net);
        let got = ask(dns.address, &Message::query("www.a.example", A).edns_do(1232));
        assert_eq!(got.addresses(), ["192.0.2.2"]);
        assert_eq!(got.flags & AD, due, "AD of {first_bits:#x} and {second_bits:#x}");
    }
}

/// The end of a chain may be longer than a client takes: TC, and all of it over TCP; its TTLs age from
/// where each part was fetched.
#[test]
fn a_followed_chain_may_be_long() {
    let net = Net::new();
    let first = Scripted::start(net.at(10), |seen| {
        reply(&seen.reply().answer(record(&to_question(), CNAME, IN, 300, &name("www.b.example"))))
    });
    let second = Scripted::start(net.at(11), |seen| {
        let strings =
            (0..60).map(|number| record(&to_question(), TXT, IN, 300, &text(&format!("{number:060}"))));
        let whole = strings.fold(seen.reply(), Message::answer);
        reply(&if seen.tcp { whole } else { seen.reply().set(TC) })
    });
    let dns = Setup::new(&net)
        .endpoint("first", &[first.address])
        .endpoint("second", &[second.address])
        .rule("a.example", "first")
        .rule("b.example", "second")
        .start(&net);
    let query = Message::query("www.a.example", TXT).edns(1232);
    let cut = common::ask_raw(dns.address, &query);
    assert!(cut.len() <= 1232 && parse(&cut).has(TC), "{} octets", cut.len());
    let whole = common::ask_tcp(dns.address, &query);
    assert_eq!((whole.answer.len(), whole.has(TC)), (61, false));
}

/// Loops end, soon, and cost few queries.
#[test]
fn loops_between_rules_end() {
    for aliases in [
        &[("x.a.example", "x.b.example"), ("x.b.example", "x.a.example")][..],
        &[("x.a.example", "x.a.example")][..],
    ] {
        let mut two = two_rules("", aliases);
        let start = Instant::now();
        let got = ask(two.dns.address, &Message::query("x.a.example", A).edns(1232));
        assert!(start.elapsed() < Duration::from_secs(2));
        assert!(got.addresses().is_empty());
        assert!([NOERROR, SERVFAIL].contains(&got.rcode()), "rcode {}", got.rcode());
        let asked = two.first.seen().len() + two.second.seen().len();
        assert!(asked <= 20, "a loop cost {asked} queries");
        two.dns.assert_well();
    }
}

/// A chain that never ends: each name leads to a new one in the other rule.
#[test]
fn endless_chains_end() {
    let net = Net::new();
    let endless = |address, other: &'static str| {
        Scripted::start(address, move |seen| {
            let number: u32 = seen.first_label().parse().unwrap_or(0);
            let next = name(&format!("{}.{other}", number + 1));
            reply(&seen.reply().answer(record(&to_question(), CNAME, IN, 300, &next)))
        })
    };
    let first = endless(net.at(10), "b.example");
    let second = endless(net.at(11), "a.example");
    let mut dns = Setup::new(&net)
        .endpoint("first", &[first.address])
        .endpoint("second", &[second.address])
        .rule("a.example", "first")
        .rule("b.example", "second")
        .start(&net);
    let start = Instant::now();
    let got = ask(dns.address, &Message::query("0.a.example", A).edns(1232));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(got.addresses().is_empty());
    let asked = first.seen().len() + second.seen().len();
    assert!((2..=64).contains(&asked), "{asked} queries for an endless chain");
    dns.assert_well();
}

/// Off per rule: the client gets the target's own words.
#[test]
fn follow_cname_can_be_switched_off() {
    let two = two_rules("follow_cname = false", &[("www.a.example", "www.b.example")]);
    let got = ask(two.dns.address, &Message::query("www.a.example", A));
    assert_eq!((got.rcode(), chain(&got)), (NOERROR, vec![(name("www.a.example"), CNAME)]));
    assert_eq!(two.second.seen().len(), 0);
}

/// What the target has resolved already, or what belongs to its own rule, isn't asked again.
#[test]
fn what_is_resolved_already_is_not_followed() {
    let net = Net::new();
    let first = Scripted::start(net.at(10), |seen| {
        let to = if seen.first_label() == "whole" { "www.b.example" } else { "other.a.example" };
        let alias = seen.reply().answer(record(&to_question(), CNAME, IN, 300, &name(to)));
        reply(&if seen.first_label() == "whole" {
            alias.answer(record(&name(to), A, IN, 300, &[192, 0, 2, 77]))
        } else {
            alias
        })
    });
    let second = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let dns = Setup::new(&net)
        .endpoint("first", &[first.address])
        .endpoint("second", &[second.address])
        .rule("a.example", "first")
        .rule("b.example", "second")
        .start(&net);
    assert_eq!(lookup(&dns, "whole.a.example"), ["192.0.2.77"]);
    assert_eq!(second.seen().len(), 0);
    let own = ask(dns.address, &Message::query("own.a.example", A));
    assert_eq!(chain(&own), [(name("own.a.example"), CNAME)], "the target's own word for its own names");
    assert_eq!(first.count("other.a.example"), 0);
}

/// A rule that can't be reached doesn't hold up the others.
#[test]
fn a_dead_rule_does_not_slow_another() {
    let net = Net::new();
    let dead = Scripted::start(net.at(10), |_| vec![]);
    let alive = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let dns = Setup::new(&net)
        .endpoint("dead", &[dead.address])
        .endpoint("alive", &[alive.address])
        .rule("dead.example", "dead")
        .rule("alive.example", "alive")
        .start(&net);
    let waiting = Udp::to(dns.address);
    for number in 0..200 {
        waiting.send(&Message::query(&format!("n{number}.dead.example"), A).bytes());
    }
    for number in 0..50 {
        let start = Instant::now();
        assert_eq!(lookup(&dns, &format!("n{number}.alive.example")), ["192.0.2.2"]);
        assert!(start.elapsed() < Duration::from_secs(1), "query {number} took {:?}", start.elapsed());
    }
}

/// A target without any rule in front of it: one listener of our own, so that each query comes back to
/// us. It ends, in time, and the rest goes on.
#[test]
fn a_rule_that_leads_back_to_us_ends() {
    let net = Net::new();
    let own: SocketAddr = net.at(53);
    let alive = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let mut dns = Setup::new(&net)
        .endpoint("loop", &[own])
        .endpoint("alive", &[alive.address])
        .rule("loop.example", "loop")
        .rule("alive.example", "alive")
        .start(&net);
    let start = Instant::now();
    let got = ask(dns.address, &Message::query("www.loop.example", A).edns(1232));
    assert!(start.elapsed() < Duration::from_millis(2100), "after {:?}", start.elapsed());
    assert_eq!(got.rcode(), SERVFAIL);
    assert_eq!(lookup(&dns, "www.alive.example"), ["192.0.2.2"]);
    dns.assert_well();
}

/// Nothing of a stage is shared: a second server beside the first has its own.
#[test]
fn servers_run_side_by_side() {
    let stages: Vec<Stage> = (1..=3)
        .map(|last| Stage::new(move |seen| reply(&seen.reply().answer(address(300, [192, 0, 2, last])))))
        .collect();
    for (stage, last) in stages.iter().zip(1..) {
        assert_eq!(stage.ask(&Message::query("side.example", A)).addresses(), [format!("192.0.2.{last}")]);
    }
}
