//! The company's scenario with real servers and real clients: NSD stands for the two addresses of the
//! inbound endpoint, BIND for the public resolver, and dig, kdig and getaddrinfo ask dnsfwd. In a network
//! and a mount namespace of its own, so that port 53 and /etc/resolv.conf are this test's alone; that
//! needs root, or the right to make namespaces.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use common::servers::{CLOUD, COMPANY, bind, nsd, public_zones};
use common::{Dnsfwd, Dug, Net, Process, Setup, dig, kdig, run, sys};

struct Company {
    net: Net,
    dns: Dnsfwd,
    inbound: [Process; 2],
    _public: Process,
}

const ADDRESSES: [&str; 2] = ["127.0.1.250:53", "127.0.2.250:53"];

/// Everything as the manual draws it, on the addresses it has there.
fn company() -> Company {
    enter_namespace();
    let net = Net::in_namespace();
    let inbound = ADDRESSES.map(|address| nsd(&net, address.parse().unwrap(), &CLOUD));
    let public: SocketAddr = "127.0.3.53:53".parse().unwrap();
    let zones = public_zones();
    let zones: Vec<(&str, &str)> = zones.iter().map(|(zone, content)| (*zone, content.as_str())).collect();
    let public_server = bind(&net, public, &zones);
    let targets = ADDRESSES.map(|address| address.parse().unwrap());
    let mut setup = Setup::new(&net)
        .zone(&net, COMPANY.0, COMPANY.1)
        .endpoint("aws-inbound", &targets)
        .endpoint("public", &[public])
        .body(
            "[[rule]]\ndomains = [\"awsanycompany.corp\", \"ap-northeast-2.compute.internal\"]\n\
             reverse = [\"10.0.0.0/16\"]\nendpoint = \"aws-inbound\"",
        )
        .rule(".", "public");
    setup.listen = vec!["127.0.0.1:53".into()];
    setup.metrics = "127.0.0.1:9153".parse().unwrap();
    let dns = setup.start(&net);
    Company { net, dns, inbound, _public: public_server }
}

fn enter_namespace() {
    sys::enter_namespace().unwrap_or_else(|fault| {
        panic!("this test needs a network and a mount namespace, and so root: {fault}");
    });
    let commands = [
        &["ip", "link", "set", "lo", "up"][..],
        // BIND listens on addresses of interfaces only.
        &["ip", "address", "add", "127.0.3.53/8", "dev", "lo"],
        // getent asks for the families that the machine has addresses of, loopback aside.
        &["ip", "address", "add", "192.0.2.200/32", "dev", "lo"],
        &["ip", "address", "add", "2001:db8:ffff::1/128", "dev", "lo"],
        &["mount", "--make-rprivate", "/"],
    ];
    for arguments in commands {
        let output = run(Command::new(arguments[0]).args(&arguments[1..]));
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.all());
    }
}

/// Puts `content` over a file of the machine, in this namespace alone.
fn put_over(net: &Net, path: &str, content: &str) {
    let file = net.write(&path.replace('/', "_"), content);
    let real = fs::canonicalize(path).unwrap();
    let output = run(Command::new("mount").arg("--bind").arg(&file).arg(&real));
    assert_eq!(output.code, 0, "{}", output.all());
}

/// What a program that calls getaddrinfo finds, sorted: getent does just that.
fn getaddrinfo(name: &str) -> Vec<IpAddr> {
    let output = run(Command::new("getent").args(["ahosts", name]));
    let mut found: Vec<IpAddr> =
        output.stdout.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    found.sort();
    found.dedup();
    found
}

fn ip(text: &str) -> Vec<IpAddr> {
    vec![text.parse().unwrap()]
}

/// Name, type and what is due.
const QUESTIONS: [(&str, &str, &str); 12] = [
    ("websrv.anycompany.corp", "A", "192.168.2.10"),
    ("dnssrv.anycompany.corp", "A", "192.168.2.250"),
    ("www.anycompany.corp", "A", "192.168.2.10"),
    ("web1.awsanycompany.corp", "A", "10.0.10.10"),
    ("web2.awsanycompany.corp", "A", "10.0.20.10"),
    ("ip-10-0-10-10.ap-northeast-2.compute.internal", "A", "10.0.10.10"),
    ("10.10.0.10.in-addr.arpa", "PTR", "web1.awsanycompany.corp."),
    ("www.example.com", "A", "192.0.2.80"),
    ("www.example.com", "AAAA", "2001:db8::80"),
    ("alias.example.net", "A", "192.0.2.80"),
    ("shop.example.com", "A", "10.0.10.10"),
    ("intranet.example.com", "A", "192.168.2.10"),
];

/// UDP and TCP, with and without EDNS.
const WAYS: [&str; 5] = ["+noedns", "+edns=0", "+dnssec", "+tcp +noedns", "+tcp +edns=0"];

type Digger = fn(SocketAddr, &str) -> Dug;
const DIGGERS: [(&str, Digger); 2] = [("dig", dig), ("kdig", kdig)];

#[test]
fn dig_and_kdig_get_right_answers() {
    let company = company();
    for (program, digger) in DIGGERS {
        for way in WAYS {
            for (qname, qtype, due) in QUESTIONS {
                let got = digger(company.dns.address, &format!("{way} {qname} {qtype}"));
                assert_eq!(got.status, "NOERROR", "{program} {way} {qname} {qtype}: {}", got.text);
                assert_eq!(got.data(qtype), [due], "{program} {way} {qname} {qtype}: {}", got.text);
            }
            for (qname, status) in [
                ("absent.anycompany.corp", "NXDOMAIN"),
                ("absent.awsanycompany.corp", "NXDOMAIN"),
                ("absent.example.com", "NXDOMAIN"),
                ("gone.example.com", "NXDOMAIN"),
                ("anything.wild.awsanycompany.corp", "NOERROR"),
                ("awsanycompany.corp", "NOERROR"),
            ] {
                let got = digger(company.dns.address, &format!("{way} {qname} A"));
                assert_eq!(got.status, status, "{program} {way} {qname}: {}", got.text);
            }
        }
        let big = digger(company.dns.address, "big.example.com TXT");
        assert_eq!(big.data("TXT").len(), 40, "{program}: {}", big.text);
    }
    assert!(company.net.folder().exists());
}

/// AA from those who have authority, as they said it; ours for our own zone.
#[test]
fn authority_is_told_as_it_is() {
    let company = company();
    for qname in ["websrv.anycompany.corp", "web1.awsanycompany.corp", "www.example.com"] {
        assert!(dig(company.dns.address, qname).flag("aa"), "{qname}");
    }
}

/// The C library of every program on the machine, by each of its ways to ask.
#[test]
fn getaddrinfo_gets_right_answers() {
    let company = company();
    for options in
        ["", "options edns0\n", "options use-vc\n", "options use-vc edns0\n", "options single-request\n"]
    {
        put_over(&company.net, "/etc/nsswitch.conf", "hosts: dns\n");
        put_over(&company.net, "/etc/resolv.conf", &format!("nameserver 127.0.0.1\n{options}"));
        for (qname, due) in [
            ("websrv.anycompany.corp", ip("192.168.2.10")),
            ("web1.awsanycompany.corp", ip("10.0.10.10")),
            ("web2.awsanycompany.corp", ip("10.0.20.10")),
            ("www.example.com", [ip("192.0.2.80"), ip("2001:db8::80")].concat()),
            ("shop.example.com", ip("10.0.10.10")),
            ("absent.awsanycompany.corp", vec![]),
        ] {
            assert_eq!(getaddrinfo(qname), due, "{qname} with {options:?}");
        }
        // Reverse, as ssh and mail servers ask.
        let host = run(Command::new("getent").args(["hosts", "10.0.20.10"]));
        assert!(host.stdout.contains("web2.awsanycompany.corp"), "{options:?}: {}", host.all());
        for mounted in ["/etc/resolv.conf", "/etc/nsswitch.conf"] {
            run(Command::new("umount").arg(fs::canonicalize(mounted).unwrap()));
        }
    }
}

/// Asks for names that are in no cache, so that every one needs a target, by every way; none is lost, and
/// none waits for long.
fn assert_all_answered(company: &Company, round: &str) {
    let start = Instant::now();
    for number in 0..30 {
        let way = WAYS[number % WAYS.len()];
        let (program, digger) = DIGGERS[number % 2];
        let qname = format!("n{number}-{round}.wild.awsanycompany.corp");
        let got = digger(company.dns.address, &format!("{way} {qname} A"));
        assert_eq!(got.data("A"), ["10.0.30.30"], "{round}, {program} {way}: {}", got.text);
    }
    put_over(&company.net, "/etc/nsswitch.conf", "hosts: dns\n");
    put_over(&company.net, "/etc/resolv.conf", "nameserver 127.0.0.1\noptions attempts:1 timeout:3\n");
    for number in 0..10 {
        let qname = format!("g{number}-{round}.wild.awsanycompany.corp");
        assert_eq!(getaddrinfo(&qname), ip("10.0.30.30"), "{round}, getaddrinfo");
    }
    for mounted in ["/etc/resolv.conf", "/etc/nsswitch.conf"] {
        run(Command::new("umount").arg(fs::canonicalize(mounted).unwrap()));
    }
    // 40 answers; even at the two seconds that one may take this would be far more.
    assert!(start.elapsed() < Duration::from_secs(30), "{round} took {:?}", start.elapsed());
}

/// One of the two stopped: silent, its port still open.
#[test]
fn one_silent_target_is_not_noticed() {
    let company = company();
    for (number, target) in company.inbound.iter().enumerate() {
        assert_all_answered(&company, &format!("both-before-{number}"));
        target.stop();
        assert_all_answered(&company, &format!("silent-{number}"));
        target.resume();
        // Time for a probe to find it again, before the other one goes.
        std::thread::sleep(Duration::from_secs(2));
    }
}

/// One of the two killed: the kernel refuses for it.
#[test]
fn one_killed_target_is_not_noticed() {
    let mut company = company();
    for (number, address) in ADDRESSES.iter().enumerate().take(2) {
        company.inbound[number].kill();
        assert_all_answered(&company, &format!("killed-{number}"));
        company.inbound[number] = nsd(&company.net, address.parse().unwrap(), &CLOUD);
        std::thread::sleep(Duration::from_secs(2));
    }
    assert_all_answered(&company, "both-back");
}

/// Names of ours and of others go on while the endpoint is dark.
#[test]
fn a_dark_endpoint_is_no_concern_of_other_names() {
    let mut company = company();
    company.inbound[0].stop();
    company.inbound[1].kill();
    for (qname, due) in [("websrv.anycompany.corp", "192.168.2.10"), ("www.example.com", "192.0.2.80")] {
        assert_eq!(dig(company.dns.address, qname).data("A"), [due]);
    }
    let start = Instant::now();
    let dark = dig(company.dns.address, "n1-dark.wild.awsanycompany.corp A");
    assert_eq!(dark.status, "SERVFAIL", "{}", dark.text);
    assert!(dark.text.contains("EDE: "), "{}", dark.text);
    assert!(start.elapsed() < Duration::from_millis(2400), "after {:?}", start.elapsed());
}
