//! `dnsfwd compare`: an old server that is BIND, Unbound or dnsmasq, a new one, differences planted between them, and
//! none. And files of questions: captures and logs, sound and hostile.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "fuzz/gathered.rs"]
mod gathered;

use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::message::*;
use common::servers::{CLOUD, Zone, nsd, public_zones, wait_for_answer};
use common::{
    Message, Net, Output, Process, Scripted, Seen, Setup, Udp, dnsfwd::binary, eventually, reply, run,
};
use dnsfwd::compare::question::Gathering;
use dnsfwd::compare::{capture, querylog};
use gathered::check_gathered;
use proptest::prelude::*;
use serde_json::Value;

// Servers

/// BIND on 127.0.0.1: it takes only addresses that an interface has. `more` goes into its options, `zones` behind.
fn bind(net: &Net, more: &str, zones: &str, files: &[Zone]) -> (Process, SocketAddr) {
    let folder = net.folder().join("bind");
    std::fs::create_dir_all(&folder).unwrap();
    let address: SocketAddr = ([127, 0, 0, 1], net.port).into();
    let mut text = format!(
        "options {{\n directory \"{folder}\";\n listen-on port {port} {{ 127.0.0.1; }};\n listen-on-v6 {{ none; }};\n \
         recursion yes;\n allow-query {{ any; }};\n auth-nxdomain no;\n pid-file none;\n session-keyfile none;\n \
         dnssec-validation no;\n querylog yes;\n{more}\n}};\ncontrols {{ }};\n{zones}\n",
        folder = folder.display(),
        port = address.port(),
    );
    for (number, (zone, content)) in files.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.zone")), content).unwrap();
        writeln!(text, "zone \"{zone}\" {{ type primary; file \"{number}.zone\"; }};").unwrap();
    }
    std::fs::write(folder.join("named.conf"), text).unwrap();
    let mut command = Command::new("/usr/sbin/named");
    command.args(["-g", "-n", "1", "-c"]).arg(folder.join("named.conf"));
    let mut process = Process::start("named", &mut command, &folder);
    wait_for_answer(&mut process, address, files[0].0);
    (process, address)
}

fn forward(zone: &str, targets: &[SocketAddr]) -> String {
    let targets: String =
        targets.iter().map(|target| format!("{} port {}; ", target.ip(), target.port())).collect();
    format!("zone \"{zone}\" {{ type forward; forward only; forwarders {{ {targets}}}; }};\n")
}

fn unbound(net: &Net, address: SocketAddr, data: &str) -> Process {
    let text = format!(
        "server:\n directory: \"{folder}\"\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n do-daemonize: no\n \
         interface: {ip}@{port}\n access-control: 127.0.0.0/8 allow\n do-not-query-localhost: no\n \
         module-config: \"iterator\"\n local-zone: \"corp.example.\" static\n{data}\n\
         remote-control:\n control-enable: no\n",
        folder = net.folder().display(),
        ip = address.ip(),
        port = address.port(),
    );
    let file = net.write("unbound.conf", &text);
    let mut command = Command::new("/usr/sbin/unbound");
    let mut process = Process::start("unbound", command.arg("-d").arg("-c").arg(&file), net.folder());
    wait_for_answer(&mut process, address, "corp.example");
    process
}

fn dnsmasq(net: &Net, address: SocketAddr, lines: &str) -> Process {
    let text = format!(
        "port={port}\nlisten-address={ip}\nbind-interfaces\nno-resolv\nno-hosts\nlog-queries=extra\n\
         log-facility=-\nuser=root\npid-file=\nlocal-ttl=300\nlocal=/corp.example/\n{lines}\n",
        port = address.port(),
        ip = address.ip(),
    );
    let file = net.write("dnsmasq.conf", &text);
    let mut command = Command::new("/usr/sbin/dnsmasq");
    command.arg("--keep-in-foreground").arg("-C").arg(&file);
    let mut process = Process::start("dnsmasq", &mut command, net.folder());
    let query = Message::query("www.corp.example", A).bytes();
    eventually(Duration::from_secs(15), "dnsmasq answers", || {
        assert!(process.alive(), "dnsmasq ended at once:\n{}", process.log());
        let socket = Udp::to(address);
        socket.send(&query);
        socket.receive(Duration::from_millis(100)).is_some()
    });
    process
}

// The command

struct Compared {
    output: Output,
    report: Value,
}

impl Compared {
    fn number(&self, key: &str) -> u64 {
        self.report[key].as_u64().unwrap_or_else(|| panic!("no number {key}: {}", self.report))
    }

    /// Kind, what, and the questions of each group.
    fn groups(&self) -> Vec<(String, String, Vec<String>)> {
        let groups = self.report["groups"].as_array().unwrap().iter();
        groups.map(|group| (text(&group["kind"]), text(&group["what"]), names(&group["examples"]))).collect()
    }

    fn assert_no_difference(&self) {
        assert_eq!(self.groups(), [], "differences");
        for apart in ["changing", "passing", "neither"] {
            assert_eq!(self.report[apart], serde_json::json!([]), "{apart}");
        }
        assert_eq!((self.output.code, self.number("differences"), self.number("open")), (0, 0, 0));
        assert_eq!(self.number("same"), self.number("questions"));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Questions of a list of examples.
fn names(examples: &Value) -> Vec<String> {
    let examples = examples.as_array().unwrap().iter();
    examples.map(|example| format!("{} {}", text(&example["name"]), text(&example["type"]))).collect()
}

fn compare_raw(net: &Net, old: SocketAddr, new: Option<SocketAddr>, more: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("compare").arg(old.to_string()).args(new.map(|new| new.to_string()));
    command.arg("--config").arg(net.folder().join("dnsfwd.toml")).args(more);
    run(&mut command)
}

fn compare(net: &Net, old: SocketAddr, new: Option<SocketAddr>, more: &[&str]) -> Compared {
    let output = compare_raw(net, old, new, &[&["--json"], more].concat());
    let report = serde_json::from_str(&output.stdout).unwrap_or_else(|fault| panic!("{fault}: {output:?}"));
    Compared { output, report }
}

fn questions(net: &Net, lines: &str) -> String {
    net.write("questions.txt", lines).display().to_string()
}

// Differences that are there

const OLD_ZONE: &str = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 10.0.0.2\n\
    same A 10.0.0.10\nsame A 10.0.0.11\ngone A 10.0.0.12\nmoved A 10.0.0.13\nolder 600 A 10.0.0.14\n\
    typed AAAA 2001:db8::1\nrefused A 10.0.0.15\n";
const NEW_ZONE: &str = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 10.0.0.2\n\
    same A 10.0.0.11\nsame A 10.0.0.10\nmoved A 10.0.0.99\nolder 300 A 10.0.0.14\ntyped TXT here\n";

/// Each planted difference is found, under its own kind and with our reason, and nothing else is.
#[test]
fn bind_and_planted_differences() {
    let net = Net::new();
    let outside = "$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\nns A 192.0.2.1\nweb A 192.0.2.9\n";
    let cloud =
        "$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\nns A 192.0.2.1\nalias CNAME web.outside.example.\n";
    let (_bind, old) = bind(
        &net,
        "",
        "",
        &[("corp.example", OLD_ZONE), ("cloud.example", cloud), ("outside.example", outside)],
    );
    // Refuses one name, and gives an alias without what it leads to.
    let target = Scripted::start(net.at(10), |seen: &Seen| {
        let alias = record(&to_question(), CNAME, IN, 300, &name("web.outside.example"));
        match seen.first_label().as_str() {
            "alias" => reply(&seen.reply().set(AA).answer(alias)),
            _ => reply(&seen.reply().rcode(REFUSED)),
        }
    });
    let dns = Setup::new(&net)
        .zone(&net, "corp.example", NEW_ZONE)
        .endpoint("cloud", &[target.address])
        .rule_with("cloud.example", "cloud", "follow_cname = false")
        .rule("refused.example", "cloud")
        .start(&net);
    let asked = questions(
        &net,
        "same.corp.example\nsame.corp.example AAAA\nnobody.corp.example\ngone.corp.example\nmoved.corp.example\n\
         older.corp.example\ntyped.corp.example AAAA\nalias.cloud.example\ncorp.example SOA\n",
    );
    let compared = compare(&net, old, None, &["--questions", &asked]);
    assert_eq!((compared.output.code, compared.number("differences")), (1, 5), "{:#}", compared.report);
    assert_eq!(compared.number("same"), 4, "{:#}", compared.report);
    let mut groups = compared.groups();
    groups.sort();
    let group =
        |kind: &str, what: &str, asked: &str| (kind.to_owned(), what.to_owned(), vec![asked.to_owned()]);
    let expected = [
        group("chain-cut", "NEW does not follow the CNAME to its end", "alias.cloud.example A"),
        group("no-data", "NEW has no records of the type, OLD has", "typed.corp.example AAAA"),
        group("rcode", "OLD says NOERROR, NEW says NXDOMAIN", "gone.corp.example A"),
        group("records", "the records differ", "moved.corp.example A"),
        group("ttl", "the TTLs differ", "older.corp.example A"),
    ];
    assert_eq!(groups, expected);

    let all = compared.report["groups"].as_array().unwrap();
    let moved = all.iter().find(|group| group["kind"] == "records").unwrap();
    assert_eq!(moved["reason"]["what"], "zone corp.example", "{moved}");
    assert_eq!(moved["examples"][0]["old"]["answers"][0], "moved.corp.example 300 A 10.0.0.13");
    assert_eq!(moved["examples"][0]["new"]["answers"][0], "moved.corp.example 300 A 10.0.0.99");
    let cut = all.iter().find(|group| group["kind"] == "chain-cut").unwrap();
    assert_eq!(cut["reason"]["endpoint"], "cloud", "{cut}");
    let place = text(&cut["reason"]["place"]);
    assert!(place.contains("dnsfwd.toml:"), "{place}");
    assert!(text(&compared.report["reasons"]).contains("control.sock"), "{}", compared.report);

    // The same for people, from the files alone; a kind that is accepted is no finding.
    drop(dns);
    let dns = Setup::new(&net).zone(&net, "corp.example", NEW_ZONE);
    net.write("other.toml", &dns.text(&net));
    let scripted = Scripted::with_address(net.at(53), [10, 0, 0, 77]);
    let asked = questions(&net, "moved.corp.example\n");
    let arguments = ["--questions", &asked, "--accept", "records", "--accept", "ttl"];
    let output = compare_raw(&net, old, Some(scripted.address), &arguments);
    assert_eq!(output.code, 0, "{}", output.all());
    for line in [
        "1 × the records differ (accepted)",
        "NEW: zone corp.example",
        "moved.corp.example 300 A 10.0.0.13",
        "moved.corp.example 300 A 10.0.0.77",
        "the configuration files",
        "no difference that a client would notice",
    ] {
        assert!(output.stdout.contains(line), "{line}:\n{}", output.all());
    }
}

/// Reply codes of a target come through us as they are, and BIND makes SERVFAIL of them.
#[test]
fn response_codes_and_silence_for_one_name() {
    let net = Net::new();
    let answers = |silent: bool| {
        move |seen: &Seen| match seen.first_label().as_str() {
            "refused" => reply(&seen.reply().rcode(if silent { REFUSED } else { SERVFAIL })),
            "mute" if silent => Vec::new(),
            _ => reply(&common::target::addressed(seen, 300, [192, 0, 2, 1])),
        }
    };
    let (old, new) =
        (Scripted::start(net.at(10), answers(false)), Scripted::start(net.at(11), answers(true)));
    let asked = questions(&net, "good.example\nrefused.example\nmute.example\ngood.example TXT\n");
    let arguments = ["--questions", &asked, "--timeout", "300ms"];
    let compared = compare(&net, old.address, Some(new.address), &arguments);
    let kinds: Vec<(String, String)> =
        compared.groups().into_iter().map(|(_, what, asked)| (what, asked[0].clone())).collect();
    let expected = [
        ("NEW does not answer", "mute.example A"),
        ("OLD says SERVFAIL, NEW says REFUSED", "refused.example A"),
    ];
    assert_eq!(kinds, expected.map(|(what, asked)| (what.to_owned(), asked.to_owned())));
    assert_eq!((compared.output.code, compared.number("same")), (1, 2));
    assert_eq!(compared.report["reasons"], Value::Null, "there is no configuration to give any");
    // Three times within the patience, and once more all of that; before, to see whether the server is there.
    assert!((6..=9).contains(&new.count("mute.example")), "{} tries", new.count("mute.example"));
}

/// A server that says nothing is told at once, and nothing is asked of the other thousands.
#[test]
fn a_silent_server_is_told_at_once() {
    let net = Net::new();
    let old = Scripted::with_address(net.at(10), [192, 0, 2, 1]);
    let mute = UdpSocket::bind(net.at(11)).unwrap();
    let lines: String = (0..1000).map(|number| format!("n{number}.example\n")).collect();
    let asked = questions(&net, &lines);
    let arguments = ["--questions", &asked, "--timeout", "300ms"];
    let output = compare_raw(&net, old.address, Some(mute.local_addr().unwrap()), &arguments);
    assert_eq!(output.code, 2, "{}", output.all());
    assert!(
        output.stdout.contains(&format!("given up: no answer from NEW, {}", net.at(11))),
        "{}",
        output.all()
    );
    assert!(old.seen().len() <= 4, "{} questions", old.seen().len());
    // Nor where the port is closed.
    let compared = compare(&net, net.at(12), Some(old.address), &arguments);
    assert_eq!((compared.output.code, &compared.report["silent"]), (2, &serde_json::json!(["old"])));
}

/// So is one that falls silent in the middle.
#[test]
fn a_server_that_falls_silent_ends_the_run() {
    let net = Net::new();
    let old = Scripted::with_address(net.at(10), [192, 0, 2, 1]);
    let answered = AtomicUsize::new(0);
    let new =
        Scripted::start(net.at(11), move |seen: &Seen| match answered.fetch_add(1, Ordering::Relaxed) {
            0..40 => reply(&common::target::addressed(seen, 300, [192, 0, 2, 1])),
            _ => Vec::new(),
        });
    let lines: String = (0..20_000).map(|number| format!("n{number}.example\n")).collect();
    let asked = questions(&net, &lines);
    let arguments = ["--questions", &asked, "--timeout", "200ms"];
    let compared = compare(&net, old.address, Some(new.address), &arguments);
    assert_eq!((compared.output.code, &compared.report["silent"]), (2, &serde_json::json!(["new"])));
    assert!(compared.number("open") > 19_000, "{}", compared.report["open"]);
}

/// A name whose old answer changes from time to time is no difference between servers.
#[test]
fn what_changes_by_itself_is_told_apart() {
    let net = Net::new();
    let turn = AtomicUsize::new(0);
    let old = Scripted::start(net.at(10), move |seen: &Seen| {
        let host = match seen.first_label().as_str() {
            "turning" => u8::try_from(turn.fetch_add(1, Ordering::Relaxed)).unwrap(),
            _ => 200,
        };
        reply(&common::target::addressed(seen, 300, [192, 0, 2, host]))
    });
    let new = Scripted::with_address(net.at(11), [192, 0, 2, 200]);
    let asked = questions(&net, "turning.example\nstill.example\n");
    let compared = compare(&net, old.address, Some(new.address), &["--questions", &asked]);
    assert_eq!((compared.output.code, compared.number("same")), (0, 1), "{:#}", compared.report);
    assert_eq!(names(&compared.report["changing"]), ["turning.example A"]);
}

/// Truncated over UDP, whole over TCP: of no consequence. Over TCP from the start: all of it.
#[test]
fn answers_too_large_for_udp() {
    let net = Net::new();
    let script = |first: &'static str| {
        move |seen: &Seen| match seen.tcp {
            false => reply(&seen.reply().set(TC)),
            true => reply(&seen.reply().answer(record(&to_question(), TXT, IN, 300, &text_data(first)))),
        }
    };
    let (old, new) = (Scripted::start(net.at(10), script("one")), Scripted::start(net.at(11), script("two")));
    let asked = questions(&net, "big.example TXT\n");
    for more in [&[][..], &["--tcp"]] {
        let arguments = [&["--questions", &asked], more].concat();
        let compared = compare(&net, old.address, Some(new.address), &arguments);
        let example = &compared.report["groups"][0]["examples"][0];
        assert_eq!(example["old"]["answers"][0], "big.example 300 TXT one", "{:#}", compared.report);
        assert_eq!(example["new"]["answers"][0], "big.example 300 TXT two", "{:#}", compared.report);
        assert_eq!(example["old"]["flags"].to_string().contains("tcp"), more.is_empty());
    }
}

fn text_data(content: &str) -> Vec<u8> {
    common::message::text(content)
}

const LOCAL: &str = "$TTL 300\n@ SOA ns.corp.example. h.corp.example. 1 3600 600 86400 60\n@ NS ns\nns A 10.0.0.2\n\
    www A 10.0.0.10\nwww A 10.0.0.11\nmail A 10.0.0.12\nsix AAAA 2001:db8::1\n@ MX 10 mail\n";

#[test]
fn unbound_with_and_without_a_difference() {
    let net = Net::new();
    let data = |www: &str| {
        let lines = [
            "corp.example. 300 SOA ns.corp.example. h.corp.example. 1 3600 600 86400 60",
            "corp.example. 300 NS ns.corp.example.",
            "corp.example. 300 MX 10 mail.corp.example.",
            "ns.corp.example. 300 A 10.0.0.2",
            &format!("www.corp.example. 300 A {www}"),
            "www.corp.example. 300 A 10.0.0.10",
            "mail.corp.example. 300 A 10.0.0.12",
            "six.corp.example. 300 AAAA 2001:db8::1",
        ];
        lines.map(|line| format!(" local-data: \"{line}\"\n")).concat()
    };
    let _dns = Setup::new(&net).zone(&net, "corp.example", LOCAL).start(&net);
    let asked = questions(
        &net,
        "www.corp.example\nmail.corp.example\nmail.corp.example TXT\nsix.corp.example AAAA\ncorp.example MX\n\
         corp.example NS\nnobody.corp.example\n",
    );
    let same = unbound(&net, net.at(10), &data("10.0.0.11"));
    compare(&net, net.at(10), None, &["--questions", &asked]).assert_no_difference();
    drop(same);
    let _other = unbound(&net, net.at(11), &data("10.0.0.99"));
    let compared = compare(&net, net.at(11), None, &["--questions", &asked]);
    let expected =
        ("records".to_owned(), "the records differ".to_owned(), vec!["www.corp.example A".to_owned()]);
    assert_eq!((compared.output.code, compared.groups()), (1, vec![expected]));
}

/// dnsmasq says of nothing how long it is so: told as one group, which can be accepted.
#[test]
fn dnsmasq_with_its_own_log() {
    let net = Net::new();
    let lines = "host-record=www.corp.example,10.0.0.10\nhost-record=www.corp.example,10.0.0.11\n\
                 host-record=mail.corp.example,10.0.0.12\nhost-record=six.corp.example,2001:db8::1\n";
    let old = dnsmasq(&net, net.at(10), lines);
    let _dns = Setup::new(&net).zone(&net, "corp.example", LOCAL).start(&net);
    for (asked, kind) in [
        ("www.corp.example", A),
        ("mail.corp.example", A),
        ("six.corp.example", AAAA),
        ("nobody.corp.example", A),
    ] {
        common::ask(net.at(10), &Message::query(asked, kind));
    }
    let log = net.write("dnsmasq-queries.log", &old.log()).display().to_string();
    let compared = compare(&net, net.at(10), None, &["--query-log", &log]);
    assert!(compared.output.stderr.contains("dnsmasq query log, "), "{}", compared.output.stderr);
    let what = "OLD does not say how long the absence may be believed (no SOA)";
    let expected = ("negative".to_owned(), what.to_owned(), vec!["nobody.corp.example A".to_owned()]);
    assert_eq!((compared.output.code, compared.groups()), (1, vec![expected]), "{:#}", compared.report);
    assert_eq!((compared.number("questions"), compared.number("same")), (4, 3), "{:#}", compared.report);
    let accepted = compare(&net, net.at(10), None, &["--query-log", &log, "--accept", "negative"]);
    assert_eq!((accepted.output.code, accepted.number("differences")), (0, 0));
}

// No difference where there is none

/// The company's own zone: hosts by the hundred, aliases into the cloud and outside, wildcards, mail.
fn company_zone() -> String {
    let mut zone = "$TTL 300\n@ SOA dnssrv hostmaster 1 3600 600 86400 60\n@ NS dnssrv\ndnssrv A 192.168.2.250\n\
                    websrv A 192.168.2.10\nwww CNAME websrv\n@ MX 10 mail\nmail A 192.168.2.25\n*.wild A 192.168.2.99\n\
                    _ldap._tcp SRV 0 100 389 dc1\ndc1 A 192.168.2.3\ntxt TXT \"v=spf1 -all\"\n\
                    app CNAME web1.awsanycompany.corp.\nshop CNAME www.example.com.\ndeep.er.and.deep.er A 192.168.3.3\n"
        .to_owned();
    for number in 0..1_000 {
        writeln!(zone, "h{number} A 192.168.{}.{}", 100 + number / 250, 1 + number % 250).unwrap();
        if number % 10 == 0 {
            writeln!(zone, "h{number} AAAA fd00::{number}\na{number} CNAME h{number}").unwrap();
        }
    }
    zone
}

/// The bar: thousands of questions, generated from a configuration like the company's, to BIND and to us, each with
/// the same zone and the same targets. Not one difference.
#[test]
fn the_companys_bind_box_and_ours_say_the_same() {
    let net = Net::new();
    let public = public_zones();
    let public: Vec<Zone> = public.iter().map(|(zone, content)| (*zone, content.as_str())).collect();
    let (inbound, resolver) = ([net.at(10), net.at(20)], net.at(30));
    let reverse = "$TTL 60\n@ SOA ns.awsanycompany.corp. h.awsanycompany.corp. 1 3600 600 86400 60\n\
                   @ NS ns.awsanycompany.corp.\n10.10.0 PTR web1.awsanycompany.corp.\n";
    let cloud = [CLOUD[0], CLOUD[1], ("10.in-addr.arpa", reverse)];
    let _cloud = inbound.map(|address| nsd(&net, address, &cloud));
    let _public = nsd(&net, resolver, &public);

    let zone = company_zone();
    // What we answer ourselves, and BIND leaves to its administrator where it forwards everything.
    let empty = "@ 10800 SOA @ nobody.invalid. 1 3600 1200 604800 10800\n@ 10800 NS localhost.\n";
    let localhost =
        format!("{empty}@ 10800 A 127.0.0.1\n@ 10800 AAAA ::1\n* 10800 A 127.0.0.1\n* 10800 AAAA ::1\n");
    let pointer = format!("{empty}@ 10800 PTR localhost.\n1.0.0 10800 PTR localhost.\n");
    let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";
    let files = [
        ("anycompany.corp", zone.as_str()),
        ("localhost", &localhost),
        ("127.in-addr.arpa", &pointer),
        (v6, &pointer),
    ];
    let forwarded = ["awsanycompany.corp", "ap-northeast-2.compute.internal", "10.in-addr.arpa"];
    let zones: String = forwarded.iter().map(|zone| forward(zone, &inbound)).collect();
    let options = format!(
        "forwarders {{ {} port {}; }};\nforward only;\nmax-cache-size 32M;",
        resolver.ip(),
        resolver.port()
    );
    let (_bind, old) = bind(&net, &options, &zones, &files);
    let _dns = Setup::new(&net)
        .zone(&net, "anycompany.corp", &zone)
        .endpoint("aws-inbound", &inbound)
        .endpoint("public", &[resolver])
        .body(
            "[[rule]]\ndomains = [\"awsanycompany.corp\", \"ap-northeast-2.compute.internal\"]\n\
             reverse = [\"10.0.0.0/8\"]\nendpoint = \"aws-inbound\"",
        )
        .rule(".", "public")
        .start(&net);

    let compared = compare(&net, old, None, &["--rate", "1000"]);
    assert!(compared.number("questions") >= 5_000, "{}", compared.number("questions"));
    compared.assert_no_difference();
    assert_eq!(compared.report["end"], "whole");

    // BIND's own log of that says the same questions again.
    let log =
        net.write("queries.log", &std::fs::read_to_string(net.folder().join("bind/named.log")).unwrap());
    let mut gathering = Gathering::default();
    gathering.begin("log");
    let read =
        querylog::read(std::io::BufReader::new(std::fs::File::open(&log).unwrap()), &mut gathering).unwrap();
    assert_eq!(read.kind, querylog::Kind::Bind);
    assert_eq!(gathering.len() as u64, compared.number("questions"));
    let log = log.display().to_string();
    let again = compare(&net, old, None, &["--rate", "1000", "--query-log", &log, "--limit", "500"]);
    assert_eq!(again.number("questions"), 500);
    again.assert_no_difference();
}

// Files of questions

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare").join(file)
}

fn captured(bytes: &[u8]) -> (Result<capture::Capture, capture::Fault>, Vec<String>) {
    let mut gathering = Gathering::default();
    gathering.begin("capture");
    let read = capture::read(bytes, &[53], &mut gathering);
    (read, gathering.pick(1000).questions.iter().map(ToString::to_string).collect())
}

/// Every form and link type; `make.py` beside the files says what is in them.
#[test]
fn captures_of_every_kind() {
    for (file, packets, queries, cut_short, expected) in [
        (
            "ethernet.pcap",
            12,
            5,
            false,
            &["www.example.com A", "six.example.com AAAA", "one.example.com MX", "two.example.com TXT"][..],
        ),
        ("sll.pcap", 1, 1, false, &["cooked.example.com A"]),
        ("sll2.pcap", 1, 1, false, &["cooked2.example.com A"]),
        ("loopback.pcap", 1, 1, false, &["loopback.example.com A"]),
        ("raw.pcap", 2, 2, false, &["raw4.example.com A", "raw6.example.com A"]),
        (
            "mixed.pcapng",
            4,
            3,
            false,
            &["second.example.com A", "first.example.com A", "large.endian.example.com A"],
        ),
        ("cut.pcapng", 1, 1, true, &["whole.example.com A"]),
    ] {
        let (read, questions) = captured(&std::fs::read(golden(file)).unwrap());
        assert_eq!(read, Ok(capture::Capture { packets, questions: queries, cut_short }), "{file}");
        assert_eq!(questions, expected, "{file}");
    }
}

/// From a capture to a verdict, as an administrator does it.
#[test]
fn a_capture_is_asked() {
    let net = Net::new();
    let servers = [10, 11].map(|host| Scripted::with_address(net.at(host), [192, 0, 2, 1]));
    let file = golden("ethernet.pcap").display().to_string();
    let output = compare_raw(&net, servers[0].address, Some(servers[1].address), &["--pcap", &file]);
    assert_eq!(output.code, 0, "{}", output.all());
    assert!(output.stderr.contains("ethernet.pcap: 12 packets, 5 queries"), "{}", output.stderr);
    assert!(output.stdout.contains("4 questions"), "{}", output.stdout);
    for server in &servers {
        assert_eq!(server.count("www.example.com"), 1 + 1, "once to see whether the server is there");
    }
}

/// What is no such file is told with its place, and exit code 2, before anybody is asked.
#[test]
fn files_that_cannot_be_used() {
    let net = Net::new();
    let servers = [10, 11].map(|host| Scripted::with_address(net.at(host), [192, 0, 2, 1]));
    let path = net.write("file", "www.example.com A\na..b A\n").display().to_string();
    for (option, expected) in [
        ("--questions", "line 2: 'a..b' is not a name"),
        ("--pcap", "it is no pcap or pcapng file"),
        ("--query-log", "line 1: 'www.example.com A' is of no query log known here"),
    ] {
        let output = compare_raw(&net, servers[0].address, Some(servers[1].address), &[option, &path]);
        assert_eq!(output.code, 2, "{option}: {}", output.all());
        assert!(
            output.stderr.contains(expected) && output.stderr.contains(&path),
            "{option}: {}",
            output.all()
        );
    }
    let output = compare_raw(&net, servers[0].address, Some(servers[1].address), &[]);
    assert_eq!(output.code, 2, "without a configuration there is nothing to generate: {}", output.all());
    assert!(servers.iter().all(|server| server.seen().is_empty()));
}

/// With both servers and a file nothing needs the configuration; its faults are told, and a missing one is none.
#[test]
fn a_faulty_configuration_is_not_passed_over() {
    let net = Net::new();
    let servers = [10, 11].map(|host| Scripted::with_address(net.at(host), [192, 0, 2, 1]));
    let asked = questions(&net, "www.example.com A\n");
    let compare = |config: &Path| {
        let mut command = Command::new(binary());
        command.arg("compare").args(servers.each_ref().map(|server| server.address.to_string()));
        run(command.args(["--questions", &asked, "--config"]).arg(config))
    };
    let faulty = net.write("faulty.toml", "version = 1\n[server]\nlissen = []\n");
    let told = compare(&faulty);
    assert_eq!(told.code, 0, "{}", told.all());
    assert!(told.stderr.contains("lissen") && told.stderr.contains("gives no reasons"), "{}", told.all());
    let silent = compare(&net.folder().join("none.toml"));
    assert_eq!((silent.code, silent.stderr.contains("reasons")), (0, false), "{}", silent.all());
}

/// One question, one answer of the running server for each group: Ctrl-C gives what there is.
#[test]
fn an_interrupt_gives_the_report_so_far() {
    let net = Net::new();
    let servers = [10, 11].map(|host| Scripted::with_address(net.at(host), [192, 0, 2, 1]));
    let lines: String = (0..5_000).map(|number| format!("n{number}.example\n")).collect();
    let asked = questions(&net, &lines);
    let mut command = Command::new(binary());
    command.arg("compare").args(servers.each_ref().map(|server| server.address.to_string()));
    command.args(["--questions", &asked, "--json", "--config"]).arg(net.folder().join("none.toml"));
    let mut process = Process::start("compare", &mut command, net.folder());
    eventually(Duration::from_secs(10), "it is under way", || servers[0].seen().len() > 50);
    process.signal(libc::SIGINT);
    let status = process.wait(Duration::from_secs(10)).expect("it ends");
    assert_eq!(status.code(), Some(2), "{}", process.log());
    let report: Value = serde_json::from_str(&process.log()).unwrap();
    assert_eq!(report["end"], "interrupted", "{report:#}");
    assert!(report["same"].as_u64().unwrap() > 20 && report["open"].as_u64().unwrap() > 1_000, "{report:#}");
}

/// A capture, with some octets changed, some taken out, and its end cut off.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let files =
        ["ethernet.pcap", "sll.pcap", "sll2.pcap", "loopback.pcap", "raw.pcap", "mixed.pcapng", "cut.pcapng"];
    let files: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(golden(file)).unwrap()).collect();
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12);
    let out = proptest::option::of((any::<prop::sample::Index>(), 0usize..40));
    (prop::sample::select(files), changes, out, any::<prop::sample::Index>()).prop_map(
        |(mut bytes, changes, out, end)| {
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Some((at, len)) = out {
                let at = at.index(bytes.len());
                bytes.drain(at..bytes.len().min(at + len));
            }
            let end = end.index(bytes.len().max(1) * 2);
            bytes.truncate(end.max(30));
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// Hostile captures end, in an error or in what could be read of them.
    #[test]
    fn hostile_captures_do_no_harm(bytes in mutated()) {
        check_gathered(&bytes);
    }

    #[test]
    fn hostile_text_does_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0usize..4) {
        let starts = ["", "client x (a): query: a IN A\n", "dnsmasq[1]: query[A] a from x\n",
            "{\"query_name\":\"a\",\"query_type\":\"A\",\"query_class\":\"IN\"}\n"];
        let text = [starts[kind].as_bytes(), &bytes].concat();
        let log = querylog::read(&text[..], &mut Gathering::default());
        prop_assert_eq!(log.is_ok(), kind > 0);
        check_gathered(&text);
    }
}
