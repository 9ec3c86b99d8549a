//! What the configuration and operators say of targets: drains, tiers, rates, probes, how long stale answers are
//! waited for.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use common::message::*;
use common::{Act, Dnsfwd, Message, Net, Scripted, Setup, ask, eventually};

/// What becomes so does within this, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(15);

/// Asks for so many new names, and gives how many of them each target saw.
fn shares(dnsfwd: &Dnsfwd, targets: &[&Scripted], prefix: &str, names: usize) -> Vec<usize> {
    let name = |number: usize| format!("{prefix}{number}.example");
    for number in 0..names {
        let reply = ask(dnsfwd.address, &Message::query(&name(number), A));
        assert_eq!(reply.rcode(), 0, "{}: {reply:?}", name(number));
    }
    let of = |target: &&Scripted| (0..names).filter(|&number| target.count(&name(number)) > 0).count();
    targets.iter().map(of).collect()
}

fn metric(dnsfwd: &Dnsfwd, name: &str, target: &str) -> f64 {
    let (_, page) = dnsfwd.get("/metrics");
    let line = page.lines().find(|line| line.starts_with(name) && line.contains(target));
    let line = line.unwrap_or_else(|| panic!("no {name} of {target} in\n{page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_drained_target_gets_no_query_until_it_is_enabled() {
    let net = Net::new();
    let one = Scripted::with_address(net.at(10), [192, 0, 2, 1]);
    let two = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let setup = Setup::new(&net).endpoint("both", &[one.address, two.address]).rule("example", "both");
    let dnsfwd = setup.clone().start(&net);
    let target = one.address.to_string();

    let output = dnsfwd.command(&["targets", "drain", &target]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("drained until it is enabled"), "{output:?}");
    assert_eq!(shares(&dnsfwd, &[&one, &two], "a", 20), [0, 20]);
    assert_eq!(metric(&dnsfwd, "dnsfwd_target_drained", &target), 1.0);

    // A reload keeps it; all views agree.
    dnsfwd.write(&net, &setup.rule("other.example", "both"));
    assert_eq!(dnsfwd.command(&["reload"]).code, 0);
    assert_eq!(shares(&dnsfwd, &[&one, &two], "b", 20), [0, 20]);
    for command in [&["status"][..], &["targets", "list"], &["explain", "b1.example"]] {
        let page = dnsfwd.command(command).stdout;
        assert!(page.contains("drained until it is enabled"), "{command:?}: {page}");
    }
    let list = dnsfwd.json(&["targets"]);
    assert_eq!(list["endpoints"][0]["targets"][0]["drained"]["left_secs"], serde_json::Value::Null);

    let output = dnsfwd.command(&["targets", "enable", &one.address.ip().to_string()]);
    assert!(output.stdout.contains("in use"), "{output:?}");
    let share = shares(&dnsfwd, &[&one, &two], "c", 60);
    assert!(share[0] > 5 && share[1] > 5, "{share:?}");
    assert_eq!(metric(&dnsfwd, "dnsfwd_target_drained", &target), 0.0);
}

/// Only where a target stands is another one now: it is the same target, drained as before, with all its numbers.
#[test]
fn a_drain_outlives_another_zone() {
    let net = Net::new();
    let one = Scripted::with_address(net.at(10), [192, 0, 2, 1]);
    let two = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let setup = |az: &str| {
        let (one, two) = (one.address, two.address);
        let targets =
            format!("{{ address = \"{one}\", az = \"{az}\" }}, {{ address = \"{two}\", az = \"a\" }}");
        let endpoint = format!("[[endpoint]]\nname = \"both\"\ntargets = [{targets}]");
        Setup::new(&net).server("az = \"a\"").body(&endpoint).rule("example", "both")
    };
    let dnsfwd = setup("a").start(&net);
    shares(&dnsfwd, &[&one, &two], "a", 20);
    assert_eq!(dnsfwd.command(&["targets", "drain", &one.address.to_string()]).code, 0);
    let before = dnsfwd.json(&["targets"])["endpoints"][0]["targets"][0].clone();

    dnsfwd.write(&net, &setup("c"));
    assert_eq!(dnsfwd.command(&["reload"]).code, 0);
    let after = dnsfwd.json(&["targets"])["endpoints"][0]["targets"][0].clone();
    assert_eq!(after["az"], "c", "{after}");
    assert_eq!(after["drained"]["left_secs"], serde_json::Value::Null);
    assert!(after["drained"].is_object(), "{after}");
    assert!(after["queries"].as_u64() >= before["queries"].as_u64(), "{before} {after}");
    assert_eq!(shares(&dnsfwd, &[&one, &two], "b", 20), [0, 20]);

    // The new zone counts: enabled again, it is asked only where no near one is left.
    assert_eq!(dnsfwd.command(&["targets", "enable", &one.address.to_string()]).code, 0);
    assert_eq!(shares(&dnsfwd, &[&one, &two], "c", 20), [0, 20]);
}

#[test]
fn a_drain_may_end_by_itself_and_may_leave_nobody() {
    let net = Net::new();
    let one = Scripted::with_address(net.at(10), [192, 0, 2, 1]);
    let dnsfwd = Setup::new(&net).endpoint("one", &[one.address]).rule("example", "one").start(&net);
    let output = dnsfwd.command(&["targets", "drain", &one.address.to_string(), "--for", "2s"]);
    assert_eq!(output.code, 1, "nobody is left: {output:?}");
    assert!(output.stderr.contains("endpoint one has no target left"), "{output:?}");
    assert!(output.stdout.contains("drained for another"), "{output:?}");
    let reply = ask(dnsfwd.address, &Message::query("a.example", A).edns(1232));
    assert_eq!(reply.rcode(), 2);
    assert!(reply.errors().iter().any(|(code, text)| *code == 22 && text.contains("drained")), "{reply:?}");
    eventually(LIMIT, "the drain ends", || {
        ask(dnsfwd.address, &Message::query("b.example", A)).addresses() == ["192.0.2.1"]
    });

    let output = dnsfwd.command(&["targets", "drain", "192.0.2.77"]);
    assert_eq!(output.code, 2);
    let expected = format!("no target has the address 192.0.2.77; there is {} (one)", one.address);
    assert!(output.stderr.contains(&expected), "{output:?}");
}

#[test]
fn higher_tiers_wait_for_lower_ones() {
    let net = Net::new();
    let one = Scripted::with_address(net.at(10), [192, 0, 2, 1]);
    let two = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let targets =
        format!("{{ address = \"{}\", tier = 1 }}, {{ address = \"{}\" }}", one.address, two.address);
    let dnsfwd = Setup::new(&net)
        .body(&format!("[[endpoint]]\nname = \"both\"\ntargets = [{targets}]"))
        .rule("example", "both")
        .start(&net);
    let share = shares(&dnsfwd, &[&one, &two], "a", 30);
    assert_eq!(share[1], 30, "the lower tier gets all: {share:?}");
    assert!(dnsfwd.command(&["explain", "x.example"]).stdout.contains("tier 1"));
    assert_eq!(dnsfwd.command(&["targets", "drain", &two.address.to_string()]).code, 0);
    assert_eq!(shares(&dnsfwd, &[&one, &two], "b", 10), [10, 0]);
}

/// What goes beyond a target's rate goes to the next tier; the rate changes without a loss of what is known.
#[test]
fn a_rate_sends_the_rest_elsewhere() {
    let net = Net::new();
    let one = Scripted::with_address(net.at(10), [192, 0, 2, 1]);
    let two = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let setup = |rate: &str| {
        let targets = format!(
            "{{ address = \"{}\", rate = {rate} }}, {{ address = \"{}\", tier = 1 }}",
            one.address, two.address
        );
        Setup::new(&net)
            .body(&format!("[[endpoint]]\nname = \"both\"\ntargets = [{targets}]"))
            .rule("example", "both")
    };
    let dnsfwd = setup("1").start(&net);
    let share = shares(&dnsfwd, &[&one, &two], "a", 50);
    assert!(share[1] >= 30, "one a second is not many: {share:?}");
    let status = &dnsfwd.json(&["status"])["endpoints"][0]["targets"][0];
    assert_eq!(status["rate"], 1);
    assert!(status["guarded"].as_u64().unwrap() >= 30, "{status}");
    let queries = status["queries"].as_u64().unwrap();

    dnsfwd.write(&net, &setup("\"route53-endpoint\""));
    let reload = dnsfwd.command(&["reload"]);
    assert!(reload.stdout.contains("10000/s"), "{reload:?}");
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(shares(&dnsfwd, &[&one, &two], "b", 50)[0], 50);
    let status = &dnsfwd.json(&["status"])["endpoints"][0]["targets"][0];
    assert_eq!(status["rate"], 10_000);
    assert!(status["queries"].as_u64().unwrap() >= queries + 50, "what was known is kept: {status}");
}

#[test]
fn a_probe_asks_what_is_written() {
    let net = Net::new();
    let good = Scripted::with_address(net.at(10), [192, 0, 2, 7]);
    let wrong = Scripted::with_address(net.at(11), [192, 0, 2, 8]);
    let probe = "probe = { name = \"health.example\", expect = \"192.0.2.7\" }";
    let dnsfwd = Setup::new(&net)
        .endpoint_with("both", &[good.address, wrong.address], probe)
        .rule("example", "both")
        .start(&net);
    eventually(LIMIT, "both are probed", || {
        good.count("health.example") > 0 && wrong.count("health.example") > 1
    });
    eventually(LIMIT, "the wrong answer is held against it", || {
        let status = dnsfwd.json(&["status"]);
        status["endpoints"][0]["targets"][1]["state"] == "down"
    });
    let status = dnsfwd.json(&["status"]);
    let failure = status["endpoints"][0]["targets"][1]["last_failure"].as_str().unwrap();
    assert_eq!(failure, "probe for health.example: its answer lacks the expected record");
    assert_eq!(status["endpoints"][0]["targets"][0]["state"], "healthy");
}

/// Two rules ask one slow target; only one of them lets its clients have what is stale.
#[test]
fn rules_say_when_stale_answers_are_given() {
    let net = Net::new();
    let slow = Scripted::start(net.at(10), |seen| {
        let reply = common::target::addressed(seen, 1, [192, 0, 2, 1]).bytes();
        match seen.asks_for_soa() || seen.first_label() != "slow" {
            true => vec![Act::Reply(reply)],
            false => vec![Act::Wait(Duration::from_millis(900)), Act::Reply(reply)],
        }
    });
    let dnsfwd = Setup::new(&net)
        .cache("stale_after = \"off\"\nprefetch = false")
        .endpoint("slow", &[slow.address])
        .rule("off.example", "slow")
        .rule_with("soon.example", "slow", "stale_after = \"0s\"\nstale_ttl = \"7s\"")
        .start(&net);
    let ttl = |name: &str| {
        let reply = ask(dnsfwd.address, &Message::query(name, A).edns(1232));
        (reply.addresses(), reply.answer[0].ttl, reply.errors())
    };
    for name in ["slow.off.example", "slow.soon.example"] {
        assert_eq!(ttl(name).1, 1, "{name}");
    }
    thread::sleep(Duration::from_millis(2100));
    let (addresses, stale_ttl, errors) = ttl("slow.soon.example");
    assert_eq!((addresses, stale_ttl), (vec!["192.0.2.1".to_string()], 7));
    assert!(errors.iter().any(|(code, _)| *code == 3), "{errors:?}");
    let (_, fresh_ttl, errors) = ttl("slow.off.example");
    assert!(fresh_ttl <= 1 && errors.is_empty(), "{fresh_ttl} {errors:?}");
}

/// A server that knows one name, whose address can be changed and which can fall silent.
struct Bootstrap {
    server: Scripted,
    host: Arc<AtomicU8>,
}

const SILENT: u8 = 0;
const NAME: &str = "resolver.hosts.example";

impl Bootstrap {
    fn start(net: &Net, host: u8) -> Bootstrap {
        let host = Arc::new(AtomicU8::new(host));
        let (now, network) = (host.clone(), net.ip(10));
        let server = Scripted::start(net.at(9), move |seen| {
            let mut octets = network.octets();
            octets[3] = now.load(Ordering::Relaxed);
            match (octets[3], seen.asks(NAME)) {
                (SILENT, _) => Vec::new(),
                (_, true) => common::reply(&common::target::addressed(seen, 1, octets)),
                (_, false) => common::reply(&seen.reply().rcode(3)),
            }
        });
        Bootstrap { server, host }
    }

    fn set(&self, host: u8) {
        self.host.store(host, Ordering::Relaxed);
    }
}

fn by_name(net: &Net) -> Setup {
    let target = format!("{{ address = \"{NAME}:{}\", az = \"a\", tier = 3 }}", net.at(10).port());
    Setup::new(net)
        .server(&format!("bootstrap = [\"{}\"]", net.at(9)))
        .body(&format!("[[endpoint]]\nname = \"named\"\ntargets = [{target}]"))
        .rule("example", "named")
}

#[test]
fn a_name_is_followed_where_it_leads() {
    let net = Net::new();
    let bootstrap = Bootstrap::start(&net, 10);
    let one = Scripted::with_address(net.at(10), [192, 0, 2, 1]);
    let two = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let setup = by_name(&net);
    net.write("check.toml", &setup.text(&net));
    let check = common::run(
        std::process::Command::new(common::dnsfwd::binary())
            .args(["check", "--config"])
            .arg(net.folder().join("check.toml")),
    );
    assert_eq!((check.code, bootstrap.server.count(NAME)), (0, 0), "check looks nothing up: {check:?}");

    // Known before the listeners open: the first question has its target.
    let dnsfwd = setup.clone().start(&net);
    let addresses = |name: &str| ask(dnsfwd.address, &Message::query(name, A)).addresses();
    assert_eq!(addresses("kept.example"), ["192.0.2.1"]);
    let status = dnsfwd.json(&["status"]);
    let endpoint = &status["endpoints"][0];
    assert_eq!(endpoint["names"][0]["name"], NAME);
    assert_eq!(endpoint["targets"][0]["address"], one.address.to_string());
    assert_eq!((&endpoint["targets"][0]["az"], &endpoint["targets"][0]["tier"]), (&"a".into(), &3.into()));

    // The address changes: new questions go there, and what is cached stays.
    bootstrap.set(11);
    let mut number = 0;
    eventually(LIMIT, "the new address is asked", || {
        number += 1;
        addresses(&format!("new{number}.example")) == ["192.0.2.2"]
    });
    assert_eq!(addresses("kept.example"), ["192.0.2.1"]);
    assert_eq!(one.count("kept.example") + two.count("kept.example"), 1);
    assert_eq!(metric(&dnsfwd, "dnsfwd_name_changes_total", NAME), 1.0);
    let log = dnsfwd.process.log();
    assert_eq!(log.matches("a target's name has other addresses").count(), 2, "{log}");

    // Whoever knows the name falls silent: the last good address is kept, over a reload too.
    bootstrap.set(SILENT);
    eventually(LIMIT, "a lookup fails", || metric(&dnsfwd, "dnsfwd_name_failures_total", NAME) >= 1.0);
    assert_eq!(addresses("silent.example"), ["192.0.2.2"]);
    dnsfwd.write(&net, &setup.rule("other.example", "named"));
    assert_eq!(dnsfwd.command(&["reload"]).code, 0);
    assert_eq!(addresses("reloaded.example"), ["192.0.2.2"]);
    assert_eq!(addresses("kept.example"), ["192.0.2.1"], "the cache is kept over all of it");
    let page = dnsfwd.command(&["explain", "a.example"]).stdout;
    assert!(page.contains(&format!("{NAME}: 1 address; the latest lookup failed")), "{page}");
}

#[test]
fn a_name_that_nobody_knows_is_an_error_that_says_so() {
    let net = Net::new();
    let bootstrap = Bootstrap::start(&net, SILENT);
    let _one = Scripted::with_address(net.at(10), [192, 0, 2, 1]);
    let dnsfwd = by_name(&net).start(&net);
    let reply = ask(dnsfwd.address, &Message::query("a.example", A).edns(1232));
    assert_eq!((reply.rcode(), reply.error_codes()), (2, vec![22]));
    let said = format!("{NAME}:{} is not resolved", net.at(10).port());
    assert!(reply.errors()[0].1.contains(&said), "{:?}", reply.errors());
    bootstrap.set(10);
    eventually(LIMIT, "it is found", || {
        ask(dnsfwd.address, &Message::query("b.example", A)).addresses() == ["192.0.2.1"]
    });
}

/// What would be a circle is left out, whoever says so.
#[test]
fn a_name_that_leads_here_is_no_target() {
    let net = Net::new();
    let bootstrap = Bootstrap::start(&net, 53);
    let dnsfwd = by_name(&net).start(&net);
    let reply = ask(dnsfwd.address, &Message::query("a.example", A).edns(1232));
    assert_eq!((reply.rcode(), reply.error_codes()), (2, vec![22]));
    assert!(bootstrap.server.count(NAME) > 0);
    assert_eq!(dnsfwd.json(&["status"])["endpoints"][0]["targets"].as_array().unwrap().len(), 0);
}
