//! Targets that ask this server back: real BIND and Unbound, and a scripted one. The rule is found and
//! quarantined, the others notice nothing, and when the target is mended the rule is back. And what only
//! looks like a loop is left alone.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::message::{A, EDE, NOERROR, SERVFAIL};
use common::servers::{CLOUD, nsd, wait_for_answer};
use common::{
    Dnsfwd, Message, Net, Parsed, Process, Scripted, Setup, Udp, ask, eventually, parse, reply, sys,
};

const ZONE: &str = "$TTL 1\n@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A 10.0.1.250\nwww A 10.0.10.10\n\
                    *.wild A 10.0.30.30\n";

/// BIND, with a zone of its own (`own.example`) and what else it is told about `corp.example`.
struct Bind {
    process: Process,
    address: SocketAddr,
    folder: PathBuf,
}

impl Bind {
    /// It takes only addresses that an interface has.
    fn start(net: &Net, corp: &str) -> Bind {
        let folder = net.folder().join("bind");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("zone"), ZONE).unwrap();
        let address: SocketAddr = ([127, 0, 0, 1], net.port).into();
        write_bind(&folder, address, corp);
        let mut command = Command::new("/usr/sbin/named");
        command.args(["-g", "-n", "1", "-c"]).arg(folder.join("named.conf"));
        let mut process = Process::start("named", &mut command, &folder);
        wait_for_answer(&mut process, address, "own.example");
        Bind { process, address, folder }
    }

    fn change(&self, corp: &str) {
        write_bind(&self.folder, self.address, corp);
        self.process.signal(sys::HANGUP);
    }
}

fn write_bind(folder: &Path, address: SocketAddr, corp: &str) {
    let text = format!(
        "options {{\n directory \"{folder}\";\n listen-on port {port} {{ {ip}; }};\n listen-on-v6 {{ none; }};\n \
         recursion yes;\n allow-recursion {{ any; }};\n allow-query {{ any; }};\n pid-file none;\n \
         session-keyfile none;\n dnssec-validation no;\n empty-zones-enable no;\n}};\ncontrols {{ }};\n\
         zone \"own.example\" {{ type primary; file \"zone\"; }};\n{corp}\n",
        folder = folder.display(),
        port = address.port(),
        ip = address.ip(),
    );
    std::fs::write(folder.join("named.conf"), text).unwrap();
}

fn bind_asks(zone: &str, address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!("zone \"{zone}\" {{ type forward; forward only; forwarders port {port} {{ {ip}; }}; }};")
}

const BIND_KNOWS: &str = "zone \"corp.example\" { type primary; file \"zone\"; };";

/// Unbound, which asks somebody for `corp.example`.
fn write_unbound(net: &Net, address: SocketAddr, asks: SocketAddr) -> PathBuf {
    let text = format!(
        "server:\n directory: \"{folder}\"\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n do-daemonize: no\n \
         interface: {ip}@{port}\n outgoing-interface: {ip}\n access-control: 127.0.0.0/8 allow\n \
         do-not-query-localhost: no\n module-config: \"iterator\"\n local-zone: \"own.example.\" static\n \
         local-data: \"own.example. SOA ns.own.example. h.own.example. 1 3600 600 86400 60\"\n\
         remote-control:\n control-enable: no\n\
         forward-zone:\n name: \"corp.example\"\n forward-addr: {asked}@{asked_port}\n",
        folder = net.folder().display(),
        ip = address.ip(),
        port = address.port(),
        asked = asks.ip(),
        asked_port = asks.port(),
    );
    net.write("unbound.conf", &text)
}

fn loops(dns: &Dnsfwd) -> Vec<serde_json::Value> {
    eventually(Duration::from_secs(5), "the control socket", || dns.socket.exists());
    dns.json(&["status"])["loops"].as_array().unwrap().clone()
}

/// The value of a line of `/metrics`.
fn metric(dns: &Dnsfwd, series: &str) -> Option<f64> {
    let page = dns.get("/metrics").1;
    page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

fn sent(dns: &Dnsfwd) -> f64 {
    let page = dns.get("/metrics").1;
    let replies = page.lines().filter(|line| line.starts_with("dnsfwd_queries_total{"));
    replies.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn asked(dns: &Dnsfwd, name: &str) -> Parsed {
    ask(dns.address, &Message::query(name, A).edns(1232))
}

fn told(dns: &Dnsfwd, line: &str) -> usize {
    dns.process.log().matches(line).count()
}

fn assert_good(dns: &Dnsfwd, name: &str, address: &str) {
    let answer = asked(dns, name);
    assert_eq!((answer.rcode(), answer.addresses()), (NOERROR, vec![address.to_string()]), "{name}");
}

#[test]
fn bind_that_asks_back_costs_its_rule_and_no_other() {
    let net = Net::new();
    let bind = Bind::start(&net, &bind_asks("corp.example", net.at(53)));
    let _cloud = nsd(&net, net.at(10), &CLOUD);
    let dns = Setup::new(&net)
        .endpoint("bind", &[bind.address])
        .endpoint("cloud", &[net.at(10)])
        .rule("corp.example", "bind")
        .rule("own.example", "bind")
        .rule("awsanycompany.corp", "cloud")
        .start(&net);

    eventually(Duration::from_secs(5), "the loop is found before anybody asks", || loops(&dns).len() == 1);
    let found = &loops(&dns)[0];
    assert_eq!((&found["domain"], &found["quarantined"]), (&"corp.example".into(), &true.into()), "{found}");

    let before = sent(&dns);
    for number in 0..100 {
        assert_good(&dns, &format!("n{number}.wild.own.example"), "10.0.30.30");
        assert_good(&dns, &format!("n{number}.wild.awsanycompany.corp"), "10.0.30.30");
        let answer = asked(&dns, &format!("n{number}.corp.example"));
        assert_eq!(answer.rcode(), SERVFAIL);
        let why = answer.option(EDE).expect("a reason");
        let text = String::from_utf8_lossy(&why[2..]).into_owned();
        assert_eq!(why[..2], [0, 0], "EDE 0 (RFC 8914 section 4.1)");
        let expected = format!("rule corp.example: its target {} asks this server", bind.address);
        assert!(text.starts_with(&expected) && text.contains("(a loop); tried again in "), "{text}");
    }
    let extra = sent(&dns) - before - 300.0;
    assert!(extra < 30.0, "{extra} queries that no client sent: something goes round");

    assert_eq!(told(&dns, "the rule is quarantined"), 1);
    assert_eq!(metric(&dns, "dnsfwd_rule_loops_total{domain=\"corp.example\"}"), Some(1.0));
    assert_eq!(metric(&dns, "dnsfwd_rules_quarantined"), Some(1.0));
    let explained = dns.json(&["explain", "www.corp.example"])["loops"].to_string();
    assert!(explained.contains("asks this server for the same name (a loop)"), "{explained}");
    assert_eq!(dns.json(&["explain", "www.own.example"])["loops"], serde_json::Value::Null);

    assert_eq!(dns.command(&["reload"]).code, 0);
    assert_eq!(asked(&dns, "again.corp.example").rcode(), SERVFAIL, "a reload does not forget");

    bind.change(BIND_KNOWS);
    eventually(Duration::from_secs(40), "the mended rule is back", || loops(&dns).is_empty());
    assert_good(&dns, "www.corp.example", "10.0.10.10");
    assert_eq!(told(&dns, "it is asked again"), 1);
    assert_eq!(told(&dns, "the rule is quarantined"), 1);
    assert_eq!(metric(&dns, "dnsfwd_rules_quarantined"), Some(0.0));
}

#[test]
fn unbound_begins_to_ask_back_while_clients_ask() {
    let net = Net::new();
    let (address, good) = (net.at(20), net.at(10));
    let _cloud = nsd(&net, good, &[("corp.example", ZONE)]);
    let file = write_unbound(&net, address, good);
    let mut command = Command::new("/usr/sbin/unbound");
    let mut unbound = Process::start("unbound", command.arg("-d").arg("-c").arg(&file), net.folder());
    wait_for_answer(&mut unbound, address, "own.example");
    let setup = Setup::new(&net).no_cache().endpoint("unbound", &[address]).rule("corp.example", "unbound");
    let dns = setup.endpoint("direct", &[good]).rule("wild.corp.example", "direct").start(&net);
    assert_good(&dns, "www.corp.example", "10.0.10.10");
    std::thread::sleep(Duration::from_secs(1));
    assert!(loops(&dns).is_empty(), "marked questions were answered and have not come back");

    write_unbound(&net, address, net.at(53));
    unbound.signal(sys::HANGUP);
    let mut number = 0;
    eventually(Duration::from_secs(20), "the loop is found once somebody asks", || {
        number += 1;
        let query = Message::query(&format!("new{number}.corp.example"), A).edns(1232);
        Udp::to(dns.address).send(&query.bytes());
        assert_good(&dns, &format!("n{number}.wild.corp.example"), "10.0.30.30");
        loops(&dns).len() == 1
    });
    assert_eq!(asked(&dns, "later.corp.example").rcode(), SERVFAIL);
    for number in 0..100 {
        assert_good(&dns, &format!("later{number}.wild.corp.example"), "10.0.30.30");
    }

    write_unbound(&net, address, good);
    unbound.signal(sys::HANGUP);
    eventually(Duration::from_secs(40), "the mended rule is back", || loops(&dns).is_empty());
    eventually(Duration::from_secs(10), "and answers", || asked(&dns, "www.corp.example").rcode() == NOERROR);
    assert_eq!((told(&dns, "the rule is quarantined"), told(&dns, "it is asked again")), (1, 1));
}

#[test]
fn a_target_that_asks_back_beside_a_good_one_is_avoided() {
    let net = Net::new();
    let dns_at = net.at(53);
    let echo = Scripted::start(net.at(20), move |seen| {
        let socket = Udp::to(dns_at);
        socket.send(&seen.bytes);
        match socket.receive(Duration::from_millis(200)) {
            Some(bytes) => vec![common::Act::Reply(bytes)],
            None => reply(&seen.reply().rcode(SERVFAIL)),
        }
    });
    let _good = Scripted::with_address(net.at(10), [192, 0, 2, 7]);
    let setup = Setup::new(&net).endpoint("both", &[net.at(10), echo.address]).rule("corp.example", "both");
    let dns = setup.start(&net);
    eventually(Duration::from_secs(5), "the loop is found", || loops(&dns).len() == 1);
    assert_eq!(loops(&dns)[0]["quarantined"], false, "{:?}", loops(&dns));
    let before = echo.seen().len();
    for number in 0..50 {
        assert_good(&dns, &format!("n{number}.corp.example"), "192.0.2.7");
    }
    assert_eq!(echo.seen().len(), before, "questions of clients at the target that asks back");
    assert_eq!(metric(&dns, "dnsfwd_rules_quarantined"), Some(0.0));
    assert_eq!(told(&dns, "other targets are asked"), 1);
}

/// One domain, two rules. BIND asks us back as a client of the view, whose rule asks BIND; then the view is for others,
/// and BIND's questions go by the general rule to a server that answers: a long way, but no loop.
#[test]
fn a_loop_of_one_views_rule_leaves_the_general_one_alone() {
    let net = Net::new();
    let bind = Bind::start(&net, &bind_asks("corp.example", net.at(53)));
    let _good = nsd(&net, net.at(10), &[("corp.example", ZONE)]);
    let setup = Setup::new(&net)
        .endpoint("bind", &[bind.address])
        .endpoint("good", &[net.at(10)])
        .rule("corp.example", "good");
    let vpn: IpAddr = [127, 200, 0, 5].into();
    let with = |clients: &str| {
        let rule = "[[view.rule]]\ndomain = \"corp.example\"\nendpoint = \"bind\"";
        setup.clone().body(&format!("[[view]]\nname = \"vpn\"\nclients = [\"{clients}\"]\n{rule}"))
    };
    let dns = with("127.0.0.1").start(&net);
    eventually(Duration::from_secs(5), "the loop is found", || loops(&dns).len() == 1);
    let found = &loops(&dns)[0];
    assert_eq!((&found["domain"], &found["view"]), (&"corp.example".into(), &"vpn".into()), "{found}");
    let answer_to = |client: IpAddr, name: &str| {
        let query = Message::query(name, A).edns(1232).bytes();
        parse(&Udp::from(client, dns.address).ask(&query).expect("an answer"))
    };
    for number in 0..10 {
        let name = format!("n{number}.wild.corp.example");
        assert_eq!(answer_to(vpn, &name).addresses(), ["10.0.30.30"], "by the general rule");
        let barred = answer_to([127, 0, 0, 1].into(), &name);
        assert_eq!(barred.rcode(), SERVFAIL);
        let why = barred.errors().remove(0).1;
        assert!(why.starts_with("rule corp.example of view vpn: its target"), "{why}");
    }
    let explained =
        |client: &str| dns.json(&["explain", "www.corp.example", "--client", client])["loops"].to_string();
    assert!(explained("127.0.0.1").contains("of view vpn"), "{}", explained("127.0.0.1"));
    assert_eq!(explained("127.200.0.5"), "null");

    dns.write(&net, &with("127.200.0.0/16"));
    assert_eq!(dns.command(&["reload"]).code, 0);
    eventually(Duration::from_secs(40), "the loop is over", || loops(&dns).is_empty());
    let mut number = 0;
    // BIND may hold our SERVFAIL of before for a moment.
    eventually(Duration::from_secs(10), "an answer by way of BIND", || {
        number += 1;
        answer_to(vpn, &format!("after{number}.wild.corp.example")).addresses() == ["10.0.30.30"]
    });
    assert_eq!(told(&dns, "it is asked again"), 1);
}

/// Nobody asks; 20,000 rules of one endpoint and one parent domain, 200 of which loop, written one behind the other
/// near the end. They are met by strides, and then those beside them are asked, 20 a second. In the order of the files the
/// first of them would be met after 1,900 seconds.
#[test]
fn rules_that_loop_together_are_found_among_many_that_nobody_asks() {
    let rules: String = (0..20_000)
        .map(|number| format!("[[rule]]\ndomain = \"n{number}.example\"\nendpoint = \"site\"\n"))
        .collect();
    let looping: String = (19_000..19_200)
        .map(|number| format!("target 10.0.1.250 for *.n{number}.example asks back\n"))
        .collect();
    let found: String = (19_000..19_200).map(|number| format!("expect loop n{number}.example\n")).collect();
    let text = format!(
        "# Many rules.\nconfig\nversion = 1\n[[endpoint]]\nname = \"site\"\n\
         targets = [{{ address = \"10.0.1.250\" }}]\n{rules}end\n{looping}at 60s {found}\
         expect no loop n5.example\nexpect marked to all <= 1300\n",
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.txt");
    std::fs::write(&file, text).unwrap();
    let outcome = dnsfwd::scenario::play(&file, false).unwrap();
    let failures: Vec<String> = outcome.failures.iter().map(|failure| failure.what.clone()).collect();
    assert!(failures.is_empty(), "{} such as {}", failures.len(), failures[0]);
}

/// BIND asks us for one domain, and we ask it for another one.
#[test]
fn a_target_that_is_a_client_too_is_no_loop() {
    let net = Net::new();
    let bind = Bind::start(&net, &bind_asks("awsanycompany.corp", net.at(53)));
    let _cloud = nsd(&net, net.at(10), &CLOUD);
    let dns = Setup::new(&net)
        .endpoint("bind", &[bind.address])
        .endpoint("cloud", &[net.at(10)])
        .rule("own.example", "bind")
        .rule("awsanycompany.corp", "cloud")
        .start(&net);
    for number in 0..100 {
        let name = format!("n{number}.wild.awsanycompany.corp");
        let answer = ask(bind.address, &Message::query(&name, A).edns(1232));
        assert_eq!(answer.addresses(), ["10.0.30.30"], "by way of BIND");
        assert_good(&dns, &format!("n{number}.wild.own.example"), "10.0.30.30");
    }
    std::thread::sleep(Duration::from_secs(1));
    assert_no_loop(&dns);
}

/// A client on the host of a target asks what the target is being asked at this moment, what it was asked, and
/// other things.
#[test]
fn a_client_beside_a_target_is_no_loop() {
    let net = Net::new();
    let target = Scripted::start(net.at(20), |seen| {
        [
            vec![common::Act::Wait(Duration::from_millis(300))],
            reply(&common::target::addressed(seen, 1, [192, 0, 2, 1])),
        ]
        .concat()
    });
    let setup = Setup::new(&net).no_cache().endpoint("one", &[target.address]).rule("corp.example", "one");
    let dns = setup.start(&net);
    for number in 0..10 {
        let name = format!("n{number}.corp.example");
        let first = Udp::to(dns.address);
        let query = Message::query(&name, A).bytes();
        first.send(&query);
        let beside = Udp::from(target.address.ip(), dns.address);
        for name in [name.clone(), "www.corp.example".to_string(), name] {
            let answer = beside.ask(&Message::query(&name, A).bytes()).expect("an answer");
            assert_eq!(parse(&answer).rcode(), NOERROR);
        }
        assert_eq!(parse(&first.receive(Duration::from_secs(2)).expect("an answer")).rcode(), NOERROR);
    }
    assert_no_loop(&dns);
}

fn assert_no_loop(dns: &Dnsfwd) {
    assert!(loops(dns).is_empty(), "{:?}", loops(dns));
    assert_eq!(metric(dns, "dnsfwd_rules_quarantined"), Some(0.0));
    assert!(!dns.get("/metrics").1.contains("dnsfwd_rule_loops_total{"));
    assert_eq!(told(dns, "(a loop)"), 0);
}
