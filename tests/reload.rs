//! Reload loses nothing: not a query, not the cache, not what was learned about targets; a faulty file is
//! refused whole, and whoever asked is told why.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use common::message::*;
use common::{Act, Dnsfwd, Message, Net, Scripted, Setup, Tcp, Udp, ask, eventually, sys};
use dnsfwd_bench::responder::{Responder, Switch};
use dnsfwd_bench::stream::{Load, Names, Remote, run};

const ZONE: &str = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.10\n";

/// A target that costs next to nothing, on a thread of its own.
struct Fast {
    switch: Arc<Switch>,
}

impl Fast {
    fn start(net: &Net, host: u8, address: [u8; 4]) -> Fast {
        let switch = Arc::new(Switch::default());
        let seen = switch.clone();
        let socket = UdpSocket::bind(net.at(host)).unwrap();
        let responder = Responder { socket, address, ttl: 300, delay: Duration::ZERO };
        thread::spawn(move || responder.run(&seen).unwrap());
        Fast { switch }
    }
}

impl Drop for Fast {
    fn drop(&mut self) {
        self.switch.stop.store(true, Ordering::Relaxed);
    }
}

/// The configuration of a round: each one differs from the one before in rules, zones, listeners,
/// endpoints or the access list, never in what the load asks for.
fn round(net: &Net, number: usize) -> Setup {
    let mut setup = Setup::new(net)
        .endpoint("fast", &[net.at(10), net.at(11)])
        .rule("load.example", "fast")
        .zone(net, "zone.example", ZONE);
    if number % 2 == 1 {
        setup = setup.rule(&format!("round{number}.example"), "fast");
    }
    if number % 3 == 1 {
        setup = setup
            .zone(net, "other.example", ZONE)
            .endpoint("spare", &[net.at(12)])
            .rule("spare.example", "spare");
    }
    if number % 4 >= 2 {
        setup.listen.push(format!("{}:{}", net.ip(54), net.port));
    }
    if number % 6 >= 3 {
        setup = setup.server("allow = [\"127.0.0.0/8\", \"10.0.0.0/8\"]");
    }
    setup
}

/// Files that must be refused.
fn faulty(net: &Net, number: usize) -> Setup {
    let setup = round(net, number);
    match number % 5 {
        0 => setup.body("[[rule]]\ndomain = \"nowhere.example\"\nendpoint = \"missing\""),
        1 => setup.server("no_such_key = 1"),
        2 => setup.zone(net, "broken.example", "@ SOA ns h 1 2 3 4 5\nwww A not-an-address\n"),
        3 => setup.rule("load.example", "fast"),
        _ => setup.body("[[endpoint"),
    }
}

/// The bar: 10,000 queries a second, 50 reloads in a row, every fifth faulty; not one query lost, not one
/// wrong answer. The test build carries that rate on two cores beside its load and its targets.
#[test]
fn fifty_reloads_under_ten_thousand_queries_a_second() {
    let net = Net::new();
    let _targets = [10, 11].map(|host| Fast::start(&net, host, [192, 0, 2, 77]));
    let dns = round(&net, 0).start(&net);
    let load = Load {
        names: Names::of("load.example", 20_000),
        rate: 10_000.0,
        sockets: 16,
        seconds: 90.0,
        expect: Some([192, 0, 2, 77]),
        ..Load::to(dns.address)
    };
    let remote = Remote::default();
    let (report, refused) = thread::scope(|scope| {
        let running = scope.spawn(|| run(&load, &remote).unwrap());
        // Past the first look at each name.
        thread::sleep(Duration::from_secs(3));
        let mut refused = 0;
        for number in 1..=50 {
            let bad = number % 5 == 0;
            dns.write(&net, &if bad { faulty(&net, number / 5) } else { round(&net, number) });
            let output = dns.command(&["reload"]);
            assert_eq!(output.code, if bad { 2 } else { 0 }, "reload {number}: {}", output.all());
            refused += usize::from(bad);
            let here = ask(dns.address, &Message::query("www.zone.example", A));
            assert_eq!(here.addresses(), ["192.0.2.10"], "after reload {number}");
        }
        remote.stop.store(true, Ordering::Relaxed);
        (running.join().unwrap(), refused)
    });
    let told = report.json();
    eprintln!("{told}");
    assert_eq!(refused, 10);
    assert!(report.sent > 30_000, "{told}");
    assert_eq!(report.lost, 0, "sent at {:?} ms: {told}", report.lost_at);
    assert_eq!(report.wrong, 0, "{:?}: {told}", report.samples);
    assert_eq!(report.rcode(0), report.sent, "{told}");
}

/// Two rules with a target each.
struct Scene {
    net: Net,
    dns: Dnsfwd,
    targets: Vec<Scripted>,
}

fn setup(net: &Net) -> Setup {
    Setup::new(net)
        .endpoint("one", &[net.at(10)])
        .endpoint("two", &[net.at(11)])
        .endpoint("three", &[net.at(12)])
        .zone(net, "zone.example", ZONE)
}

impl Scene {
    fn new(body: impl FnOnce(Setup) -> Setup) -> Scene {
        let net = Net::new();
        let targets =
            (0..3).map(|number| Scripted::with_address(net.at(10 + number), [192, 0, 2, number + 1]));
        let targets = targets.collect();
        let dns = body(setup(&net)).start(&net);
        Scene { net, dns, targets }
    }

    fn reload(&self, body: impl FnOnce(Setup) -> Setup) -> common::Output {
        self.dns.write(&self.net, &body(setup(&self.net)));
        let output = self.dns.command(&["reload"]);
        assert_eq!(output.code, 0, "{}", output.all());
        output
    }

    fn lookup(&self, qname: &str) -> String {
        let got = ask(self.dns.address, &Message::query(qname, A));
        got.addresses().join(" ")
    }
}

/// The cache is kept, but for answers of rules that changed.
#[test]
fn the_cache_is_kept_but_for_changed_rules() {
    let scene = Scene::new(|s| s.rule("a.example", "one").rule("b.example", "two"));
    assert_eq!(
        (scene.lookup("www.a.example"), scene.lookup("www.b.example")),
        ("192.0.2.1".into(), "192.0.2.2".into())
    );
    let output =
        scene.reload(|s| s.rule("a.example", "one").rule("b.example", "three").rule("c.example", "three"));
    assert!(output.stdout.contains("b.example") && output.stdout.contains("c.example"), "{}", output.all());
    assert!(!output.stdout.contains("a.example"), "nothing changed there: {}", output.all());
    assert_eq!(scene.lookup("www.a.example"), "192.0.2.1");
    assert_eq!(scene.targets[0].count("www.a.example"), 1, "kept");
    assert_eq!(scene.lookup("www.b.example"), "192.0.2.3", "an answer of the rule as it was");
}

/// A rule that comes below another takes its names along, and gives them back when it goes.
#[test]
fn a_rule_below_another_takes_its_names() {
    let scene = Scene::new(|s| s.rule("example", "one"));
    for qname in ["www.sub.example", "www.example"] {
        assert_eq!(scene.lookup(qname), "192.0.2.1");
    }
    scene.reload(|s| s.rule("example", "one").rule("sub.example", "two"));
    assert_eq!(scene.lookup("www.sub.example"), "192.0.2.2", "an answer of the broader rule");
    assert_eq!(scene.lookup("www.example"), "192.0.2.1");
    scene.reload(|s| s.rule("example", "three").rule("sub.example", "two"));
    assert_eq!(scene.lookup("www.sub.example"), "192.0.2.2");
    assert_eq!(scene.targets[1].count("www.sub.example"), 1, "kept, since its rule is as it was");
    scene.reload(|s| s.rule("example", "three"));
    assert_eq!(scene.lookup("www.sub.example"), "192.0.2.3", "an answer of the rule that is gone");
}

/// Answers that were put together from several rules go when any of them changes.
#[test]
fn followed_cnames_are_dropped_with_the_rule_they_led_to() {
    let net = Net::new();
    let first = Scripted::start(net.at(10), |seen| {
        common::reply(&seen.reply().answer(record(&to_question(), CNAME, IN, 300, &name("www.b.example"))))
    });
    let targets = [11, 12].map(|host| Scripted::with_address(net.at(host), [192, 0, 2, host]));
    let dns = setup(&net).rule("a.example", "one").rule("b.example", "two").start(&net);
    let query = Message::query("www.a.example", A);
    assert_eq!(ask(dns.address, &query).addresses(), ["192.0.2.11"]);
    dns.write(&net, &setup(&net).rule("a.example", "one").rule("b.example", "three"));
    assert_eq!(dns.command(&["reload"]).code, 0);
    assert_eq!(
        ask(dns.address, &query).addresses(),
        ["192.0.2.12"],
        "the end of the chain has another target now"
    );
    assert_eq!(first.count("www.a.example") + targets.len(), first.seen().len() + 2);
}

/// Zones come, change and go with the next answer.
#[test]
fn zones_change_at_once() {
    let scene = Scene::new(|s| s.rule("example", "one"));
    assert_eq!(scene.lookup("www.new.example"), "192.0.2.1");
    let new = |s: Setup| s.rule("example", "one").zone(&scene.net, "new.example", ZONE);
    scene.reload(new);
    assert_eq!(scene.lookup("www.new.example"), "192.0.2.10", "an answer from before the zone was here");
    let changed = ZONE.replace("192.0.2.10", "192.0.2.99");
    scene.reload(|s| s.rule("example", "one").zone(&scene.net, "new.example", &changed));
    assert_eq!(scene.lookup("www.new.example"), "192.0.2.99", "the file's content counts");
    scene.reload(|s| s.rule("example", "one"));
    assert_eq!(scene.lookup("www.new.example"), "192.0.2.1", "an answer of a zone that is gone");
}

/// Access lists hold from the next query on.
#[test]
fn access_lists_change_at_once() {
    let scene = Scene::new(|s| s.rule("example", "one"));
    assert_eq!(scene.lookup("www.example"), "192.0.2.1");
    scene.reload(|s| s.rule("example", "one").server("allow = [\"10.0.0.0/8\"]"));
    assert_eq!(ask(scene.dns.address, &Message::query("www.example", A)).rcode(), REFUSED);
    scene.reload(|s| s.rule("example", "one"));
    assert_eq!(scene.lookup("www.example"), "192.0.2.1");
}

/// What was learned about a target stays while the target stays.
#[test]
fn targets_keep_their_state() {
    let net = Net::new();
    let silent = Scripted::start(net.at(10), |_| vec![]);
    let good = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let body = |more: &str| {
        Setup::new(&net).endpoint("pair", &[silent.address, good.address]).rule("example", "pair").body(more)
    };
    let dns = body("").start(&net);
    for number in 0..40 {
        ask(dns.address, &Message::query(&format!("n{number}.example"), A));
    }
    let state = |dns: &Dnsfwd| {
        let status = dns.json(&["status"]);
        let target = status["endpoints"][0]["targets"][0].clone();
        (target["state"].as_str().unwrap().to_string(), target["queries"].as_u64().unwrap())
    };
    eventually(Duration::from_secs(5), "the silent target is known as such", || state(&dns).0 != "healthy");
    let before = state(&dns);
    dns.write(&net, &body("[[rule]]\ndomain = \"more.example\"\nendpoint = \"pair\""));
    assert_eq!(dns.command(&["reload"]).code, 0);
    let after = state(&dns);
    assert_ne!(after.0, "healthy", "forgotten by the reload");
    assert!(after.1 >= before.1, "the counts went from {} to {}", before.1, after.1);
}

/// A faulty file changes nothing; exit code 2; the fault with its file and line goes to whoever asked.
#[test]
fn a_faulty_file_is_refused_whole() {
    let scene = Scene::new(|s| s.rule("example", "one"));
    assert_eq!(scene.lookup("www.example"), "192.0.2.1");
    let hash = |dns: &Dnsfwd| dns.json(&["status"])["config"]["hash"].clone();
    let before = hash(&scene.dns);
    for (what, fault, words) in [
        (
            "an unknown key",
            "[[rule]]\ndomain = \"x.example\"\nendpoint = \"one\"\ncolour = \"red\"",
            "colour",
        ),
        (
            "an endpoint that isn't there",
            "[[rule]]\ndomain = \"x.example\"\nendpoint = \"nowhere\"",
            "nowhere",
        ),
        ("no TOML", "[[rule]\n", "dnsfwd.toml"),
        (
            "a zone file that isn't there",
            "[[zone]]\nname = \"x.example\"\nfile = \"absent.zone\"",
            "absent.zone",
        ),
    ] {
        // The rule of before is changed in the same breath: none of it may happen.
        scene.dns.write(&scene.net, &setup(&scene.net).rule("example", "two").body(fault));
        let output = scene.dns.command(&["reload"]);
        assert_eq!(output.code, 2, "{what}: {}", output.all());
        assert!(output.all().contains(words), "{what}: {}", output.all());
        assert!(output.all().contains("dnsfwd.toml:"), "{what}, file and line: {}", output.all());
        assert_eq!(hash(&scene.dns), before, "{what}");
        assert_eq!(scene.lookup("www.example"), "192.0.2.1");
        assert_eq!(scene.lookup(&format!("new{}.example", next_id())), "192.0.2.1");
    }
    let status = scene.dns.json(&["status"]);
    assert_eq!(status["reload_failures"], 4, "{status}");
    assert!(scene.dns.get("/metrics").1.contains("dnsfwd_config_reload_failures_total 4"));
    // And the next sound one is taken.
    scene.reload(|s| s.rule("example", "two"));
    assert_eq!(scene.lookup("www.example"), "192.0.2.2");
}

/// The operator types `dnsfwd reload --config FILE` and no socket: the server is found, and the faults
/// are told, also when the file that names the socket is the faulty one.
#[test]
fn a_faulty_file_does_not_hide_the_server() {
    let scene = Scene::new(|s| s.rule("example", "one"));
    scene.dns.write(&scene.net, &setup(&scene.net).rule("example", "one").body("[[rule]]\ncolour = \"red\""));
    let mut command = std::process::Command::new(common::dnsfwd::binary());
    let output = common::run(command.arg("reload").arg("--config").arg(&scene.dns.config));
    assert_eq!(output.code, 2, "{}", output.all());
    assert!(output.all().contains("colour"), "the fault isn't told: {}", output.all());
}

/// A fault that shows only when the new whole is put to work: an address that can't be listened on.
#[test]
fn a_listener_that_cannot_be_opened_refuses_the_whole() {
    let scene = Scene::new(|s| s.rule("example", "one"));
    assert_eq!(scene.lookup("www.example"), "192.0.2.1");
    let taken = UdpSocket::bind((scene.net.ip(60), scene.net.port)).unwrap();
    let mut changed = setup(&scene.net).rule("example", "two");
    changed.listen.push(taken.local_addr().unwrap().to_string());
    scene.dns.write(&scene.net, &changed);
    let output = scene.dns.command(&["reload"]);
    assert_eq!(output.code, 2, "{}", output.all());
    assert_eq!(scene.lookup("www.example"), "192.0.2.1");
    assert_eq!(scene.lookup("new.example"), "192.0.2.1", "half of it was taken");
}

/// A target that takes its time for names that begin with s, a server with one listener, and another
/// address that comes and goes.
struct Listeners {
    dns: Dnsfwd,
    target: Scripted,
    second: SocketAddr,
    net: Net,
}

impl Listeners {
    fn new() -> Listeners {
        let net = Net::new();
        let target = Scripted::start(net.at(10), |seen| {
            let delay = if seen.first_label().starts_with('s') { 400 } else { 0 };
            let answer = common::target::addressed(seen, 300, [192, 0, 2, 1]);
            vec![Act::Wait(Duration::from_millis(delay)), Act::Reply(answer.bytes())]
        });
        let dns = Setup::new(&net).endpoint("one", &[target.address]).rule("example", "one").start(&net);
        let second = (net.ip(54), net.port).into();
        Listeners { dns, target, second, net }
    }

    fn listen_on_second(&self, listen: bool) {
        let mut setup = Setup::new(&self.net).endpoint("one", &[self.target.address]).rule("example", "one");
        if listen {
            setup.listen.push(self.second.to_string());
        }
        self.dns.write(&self.net, &setup);
        let output = self.dns.command(&["reload"]);
        assert_eq!(output.code, 0, "{}", output.all());
    }
}

/// New listeners are open when the command ends; those that go answer what is in flight.
#[test]
fn listeners_come_and_go_without_loss() {
    let scene = Listeners::new();
    for round in 0..3 {
        scene.listen_on_second(true);
        let quick = Message::query("quick.example", A);
        assert_eq!(ask(scene.second, &quick).addresses(), ["192.0.2.1"]);
        assert_eq!(common::ask_tcp(scene.second, &quick).addresses(), ["192.0.2.1"]);

        let clients: Vec<Udp> = (0..50).map(|_| Udp::to(scene.second)).collect();
        for (number, client) in clients.iter().enumerate() {
            client.send(&Message::query(&format!("s{round}-{number}.example"), A).bytes());
        }
        let mut tcp = Tcp::to(scene.second);
        tcp.send(&Message::query(&format!("s{round}-tcp.example"), A).bytes());
        thread::sleep(Duration::from_millis(50));
        scene.listen_on_second(false);
        for client in &clients {
            let got = client.receive(Duration::from_secs(2)).expect("what was in flight is answered");
            assert_eq!(common::parse(&got).addresses(), ["192.0.2.1"]);
        }
        let got = tcp.receive().expect("what was in flight over TCP is answered");
        assert_eq!(common::parse(&got).addresses(), ["192.0.2.1"]);
        // The port is free again, for us or for others.
        eventually(Duration::from_secs(5), "the listener is closed", || {
            UdpSocket::bind(scene.second).is_ok()
        });
        assert_eq!(ask(scene.dns.address, &quick).addresses(), ["192.0.2.1"]);
    }
}

/// A listener that is taken out and put back at once, while its last questions are still in flight: its
/// old sockets must not take any of the new questions with them.
#[test]
fn a_listener_that_comes_back_at_once_loses_nothing() {
    let scene = Listeners::new();
    scene.listen_on_second(true);
    for round in 0..3 {
        let slow = Udp::to(scene.second);
        slow.send(&Message::query(&format!("s{round}.example"), A).bytes());
        thread::sleep(Duration::from_millis(50));
        scene.listen_on_second(false);
        scene.listen_on_second(true);
        for number in 0..40 {
            let got = ask(scene.second, &Message::query(&format!("n{round}-{number}.example"), A));
            assert_eq!(got.addresses(), ["192.0.2.1"], "round {round}, query {number}");
        }
        assert!(slow.receive(Duration::from_secs(2)).is_some(), "what was in flight is answered");
    }
}

/// SIGHUP does the same as the command.
#[test]
fn sighup_reloads() {
    let scene = Scene::new(|s| s.rule("example", "one"));
    assert_eq!(scene.lookup("www.example"), "192.0.2.1");
    scene.dns.write(&scene.net, &setup(&scene.net).rule("example", "two"));
    scene.dns.process.signal(sys::HANGUP);
    eventually(Duration::from_secs(3), "the new rule holds", || scene.lookup("www.example") == "192.0.2.2");
    // A faulty one is survived, and told in the log.
    scene.dns.write(&scene.net, &setup(&scene.net).body("[[nonsense]]"));
    scene.dns.process.signal(sys::HANGUP);
    eventually(Duration::from_secs(3), "the fault is in the log", || {
        scene.dns.process.log().contains("nonsense")
    });
    assert_eq!(scene.lookup("other.example"), "192.0.2.2");
}

/// SIGTERM answers what is in flight, over UDP and TCP, and then ends with exit code 0.
#[test]
fn sigterm_drains_what_is_in_flight() {
    let net = Net::new();
    let target = Scripted::start(net.at(10), |seen| {
        let answer = common::target::addressed(seen, 300, [192, 0, 2, 1]);
        vec![Act::Wait(Duration::from_millis(500)), Act::Reply(answer.bytes())]
    });
    let mut dns = Setup::new(&net).endpoint("one", &[target.address]).rule("example", "one").start(&net);
    let clients: Vec<Udp> = (0..50).map(|_| Udp::to(dns.address)).collect();
    for (number, client) in clients.iter().enumerate() {
        client.send(&Message::query(&format!("n{number}.example"), A).bytes());
    }
    let mut tcp = Tcp::to(dns.address);
    tcp.send(&Message::query("tcp.example", A).bytes());
    eventually(Duration::from_secs(2), "all are in flight", || target.seen().len() >= 51);
    let start = Instant::now();
    dns.process.signal(sys::TERMINATE);
    for client in &clients {
        let got = client.receive(Duration::from_secs(2)).expect("what was in flight is answered");
        assert_eq!(common::parse(&got).addresses(), ["192.0.2.1"]);
    }
    let got = tcp.receive().expect("what was in flight over TCP is answered");
    assert_eq!(common::parse(&got).addresses(), ["192.0.2.1"]);
    let status = dns.process.wait(Duration::from_secs(5)).expect("it ends");
    assert_eq!(status.code(), Some(0), "{}", dns.process.log());
    assert!(start.elapsed() < Duration::from_secs(4), "after {:?}", start.elapsed());
}

/// Idle, it ends at once.
#[test]
fn sigterm_ends_an_idle_server_at_once() {
    let mut scene = Scene::new(|s| s.rule("example", "one"));
    let mut idle = Tcp::to(scene.dns.address);
    scene.dns.process.signal(sys::TERMINATE);
    let status =
        scene.dns.process.wait(Duration::from_secs(3)).expect("it ends, whatever an idle client does");
    assert_eq!(status.code(), Some(0));
    assert!(idle.closes_within(Duration::from_secs(1)));
}
