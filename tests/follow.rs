//! `[aws] follow`: a running server takes over what AWS says, keeps it while AWS can't be asked, and loses no question
//! on the way. AWS is the stand-in, the inbound endpoint's addresses are scripted targets; each test has a network
//! namespace of its own, as these are asked on port 53.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::aws::{REGION, SECURITY_GROUP, SUBNETS, VPC};
use common::dnsfwd::binary;
use common::message::{A, NOERROR, REFUSED};
use common::{Aws, Dnsfwd, Message, Net, Scripted, Setup, Udp, ask, eventually, parse, run, sys};
use serde_json::json;

/// Some rounds of asking AWS, each with a pause before it.
const SOON: Duration = Duration::from_secs(20);
const SERVER: &str = "10.20.9.53:53";
const FIRST: &str = "10.20.1.10";
const SECOND: &str = "10.20.2.10";
const THIRD: &str = "10.20.3.10";

struct Scene {
    aws: Aws,
    net: Net,
    setup: Setup,
}

impl Scene {
    /// A namespace in which all of the VPC's addresses are at hand. `more` goes into `[aws]`.
    fn new(more: &str) -> Scene {
        common::aws::prepare();
        Net::enter(&["10.20.0.1/16", "10.30.0.1/16"]);
        let aws = Aws::start();
        aws.seed_network();
        let net = Net::in_namespace();
        let state = net.folder().join("state");
        std::fs::create_dir(&state).unwrap();
        let mut setup = Setup::new(&net)
            .no_cache()
            .server(&format!("state = \"{}\"", state.display()))
            .body(&format!(
                "[aws]\nregion = \"{REGION}\"\nowner = \"anycompany-dns\"\nfollow = \"1h\"\n{more}\n\
                 [aws.inbound]\nname = \"anycompany-inbound\"\nvpc = \"{VPC}\"\n\
                 addresses = [{{ subnet = \"{}\", ip = \"{FIRST}\" }}, {{ subnet = \"{}\", ip = \"{SECOND}\" }}]\n\
                 security_group = {{ ids = [\"{SECURITY_GROUP}\"] }}\n\
                 [[endpoint]]\nname = \"aws-inbound\"\naws = \"inbound\"",
                SUBNETS[0], SUBNETS[1]
            ))
            .rule("awsanycompany.corp", "aws-inbound");
        setup.listen = vec![SERVER.into()];
        setup.metrics = "10.20.9.53:9153".parse().unwrap();
        Scene { aws, net, setup }
    }

    fn start(&self) -> Dnsfwd {
        Dnsfwd::start_by(self.aws.command(binary()), &self.net, self.setup.clone())
    }
}

/// Answers everything with an address of its own.
fn target(ip: &str) -> Scripted {
    let address = format!("{ip}:53").parse().unwrap();
    let std::net::SocketAddr::V4(v4) = address else { panic!("{ip}") };
    Scripted::with_address(address, v4.ip().octets())
}

/// The targets of an endpoint and their zones, sorted.
fn targets(dns: &Dnsfwd, endpoint: &str) -> Vec<(String, String)> {
    let told = dns.json(&["targets"]);
    let endpoints = told["endpoints"].as_array().unwrap();
    let Some(found) = endpoints.iter().find(|one| one["name"] == endpoint) else { return Vec::new() };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut targets: Vec<_> = found["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(&one["address"]), text(&one["az"])))
        .collect();
    targets.sort();
    targets
}

fn are(dns: &Dnsfwd, wanted: &[&str]) -> bool {
    let now = targets(dns, "aws-inbound");
    now.len() == wanted.len() && now.iter().zip(wanted).all(|((is, _), ip)| *is == format!("{ip}:53"))
}

/// The value of a line of `/metrics`; 0 if there is none.
fn metric(dns: &Dnsfwd, series: &str) -> f64 {
    let page = dns.get("/metrics").1;
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    line.unwrap_or(0.0)
}

fn answered(dns: &Dnsfwd) -> f64 {
    metric(dns, "dnsfwd_aws_follow_requests_total{result=\"answered\"}")
}

fn failed(dns: &Dnsfwd) -> f64 {
    metric(dns, "dnsfwd_aws_follow_requests_total{result=\"failed\"}")
}

/// Has AWS asked again, and waits for what it says.
fn ask_again(dns: &Dnsfwd) {
    let before = answered(dns);
    dns.process.signal(sys::HANGUP);
    eventually(SOON, "AWS is asked again after a reload", || answered(dns) > before);
}

fn address_of(name: &str) -> Vec<String> {
    let reply = ask(SERVER.parse().unwrap(), &Message::query(name, A));
    assert_eq!(reply.rcode(), NOERROR, "{name}");
    reply.addresses()
}

fn rcode_of(name: &str) -> u16 {
    ask(SERVER.parse().unwrap(), &Message::query(name, A)).rcode()
}

/// Moves the endpoint from its first address to [`THIRD`], as one who works by hand would.
fn move_address(aws: &Aws, endpoint: &str) {
    let id = json!({"ResolverEndpointId": endpoint});
    let addresses = || {
        let told = aws.resolver("ListResolverEndpointIpAddresses", &id);
        told["IpAddresses"].as_array().cloned().unwrap()
    };
    let is = |ip: &'static str| move |one: &serde_json::Value| one["Ip"] == ip;
    let new = json!({"ResolverEndpointId": endpoint, "IpAddress": {"SubnetId": SUBNETS[2], "Ip": THIRD}});
    aws.resolver("AssociateResolverEndpointIpAddress", &new);
    eventually(SOON, "the new address is ATTACHED", || {
        addresses().into_iter().any(|one| is(THIRD)(&one) && one["Status"] == "ATTACHED")
    });
    let old = addresses().into_iter().find(is(FIRST)).unwrap();
    let old = json!({"ResolverEndpointId": endpoint, "IpAddress": {"IpId": old["IpId"]}});
    aws.resolver("DisassociateResolverEndpointIpAddress", &old);
    eventually(SOON, "the old address is gone", || !addresses().iter().any(is(FIRST)));
}

#[test]
fn addresses_that_change_in_aws_are_followed_without_a_lost_question() {
    let scene = Scene::new("");
    let endpoint = scene.aws.make_endpoint("anycompany-inbound", "INBOUND", [FIRST, SECOND]);
    let (first, second, third) = (target(FIRST), target(SECOND), target(THIRD));
    let dns = scene.start();
    eventually(SOON, "AWS was asked at the start", || answered(&dns) >= 1.0);
    eventually(SOON, "the zones are those of AWS", || {
        targets(&dns, "aws-inbound")
            == [(format!("{FIRST}:53"), format!("{REGION}a")), (format!("{SECOND}:53"), format!("{REGION}b"))]
    });

    let (is_over, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let socket = Udp::to(SERVER.parse().unwrap());
            while !is_over.load(Relaxed) {
                let name = format!("n{}.awsanycompany.corp", asked.fetch_add(1, Relaxed));
                let reply = socket.ask(&Message::query(&name, A).bytes());
                let reply = parse(&reply.unwrap_or_else(|| panic!("{name} was lost")));
                assert_eq!((reply.rcode(), reply.addresses().len()), (NOERROR, 1), "{name}");
                thread::sleep(Duration::from_millis(2));
            }
        });
        move_address(&scene.aws, &endpoint);
        dns.process.signal(sys::HANGUP);
        eventually(SOON, "the targets are those of now", || {
            assert!(!client.is_finished(), "the client has ended");
            are(&dns, &[SECOND, THIRD])
        });
        // From here on nobody is at the old address.
        drop(first);
        let then = asked.load(Relaxed);
        eventually(SOON, "questions go on", || client.is_finished() || asked.load(Relaxed) > then + 100);
        is_over.store(true, Relaxed);
        client.join().unwrap();
    });
    assert!(!second.seen().is_empty());
    assert!(!third.seen().is_empty(), "the new address is asked");
    assert_eq!(metric(&dns, "dnsfwd_aws_follow_changes_total"), 2.0, "what was there, and the move");
    assert_eq!(failed(&dns), 0.0);
    assert!(metric(&dns, "dnsfwd_aws_follow_age_seconds") < 60.0);
    assert!(dns.command(&["status"]).stdout.contains(THIRD), "status shows the new address");
}

#[test]
fn while_aws_is_away_or_empty_the_last_good_addresses_hold() {
    let scene = Scene::new("");
    let endpoint = scene.aws.make_endpoint("anycompany-inbound", "INBOUND", [FIRST, SECOND]);
    move_address(&scene.aws, &endpoint);
    let targets = [target(SECOND), target(THIRD)];
    let dns = scene.start();
    eventually(SOON, "AWS knows better than the file", || are(&dns, &[SECOND, THIRD]));

    // Somebody deletes it.
    scene.aws.resolver("DeleteResolverEndpoint", &json!({"ResolverEndpointId": endpoint}));
    eventually(SOON, "it is gone", || scene.aws.world()["endpoints"].as_array().unwrap().is_empty());
    ask_again(&dns);
    assert!(are(&dns, &[SECOND, THIRD]));
    assert!(dns.process.log().contains("the last ones hold"), "{}", dns.process.log());

    // The key is taken away.
    let denied = json!({"operation": "*", "kind": "exception", "code": "AccessDeniedException",
                        "message": "not authorized", "times": 100_000});
    scene.aws.fault(&denied);
    dns.process.signal(sys::HANGUP);
    eventually(SOON, "the failure is counted", || failed(&dns) >= 1.0);
    assert!(are(&dns, &[SECOND, THIRD]));
    assert!(dns.process.log().contains("AWS can't be followed"), "{}", dns.process.log());
    assert!(!dns.process.log().contains("testing"), "the key is in the log");

    // And a start while nobody is there at all.
    drop(dns);
    let Scene { aws, net, setup } = scene;
    let command = aws.command(binary());
    drop(aws);
    let mut dns = Dnsfwd::start_by(command, &net, setup);
    assert!(are(&dns, &[SECOND, THIRD]));
    assert_eq!(address_of("web1.awsanycompany.corp").len(), 1);
    dns.assert_well();
    assert!(targets.iter().any(|target| target.count("web1.awsanycompany.corp") == 1));
}

#[test]
fn rules_of_the_vpc_are_taken_over_and_the_files_own_come_first() {
    let mut scene = Scene::new(&format!("follow_rules = \"{VPC}\""));
    scene.setup = scene.setup.body("[[rule]]\nreverse = [\"10.20.0.0/16\"]\nendpoint = \"aws-inbound\"");
    let aws = &scene.aws;
    aws.make_endpoint("anycompany-inbound", "INBOUND", [FIRST, SECOND]);
    let outbound = aws.make_endpoint("anycompany-outbound", "OUTBOUND", ["10.20.1.20", "10.20.2.20"]);
    let forward = |name: &str, domain: &str, targets: &[&str]| {
        let targets: Vec<_> = targets.iter().map(|ip| json!({"Ip": ip, "Port": 53})).collect();
        let rule = json!({"RuleType": "FORWARD", "DomainName": domain, "ResolverEndpointId": outbound,
                          "TargetIps": targets});
        aws.make_rule(name, rule)
    };
    let company = forward("company", "corp.example", &["10.30.0.5"]);
    forward("here", "here.example", &["10.20.9.53"]);
    forward("half-here", "half.example", &["10.20.9.53", "10.30.0.5"]);
    forward("own", "awsanycompany.corp", &["10.30.0.5"]);
    forward("own-reverse", "20.10.in-addr.arpa", &["10.30.0.5"]);
    aws.make_rule("inside", json!({"RuleType": "SYSTEM", "DomainName": "inside.corp.example"}));
    let other = json!({"CreatorRequestId": "other", "Name": "other", "RuleType": "FORWARD", "DomainName": "other.example",
                       "ResolverEndpointId": outbound, "TargetIps": [{"Ip": "10.30.0.5", "Port": 53}]});
    aws.resolver("CreateResolverRule", &other);
    let _targets = [target(FIRST), target(SECOND), target("10.30.0.5"), target("10.30.0.6")];
    let mut dns = scene.start();
    eventually(SOON, "the rule is there", || rcode_of("www.corp.example") == NOERROR);

    let is_inbound = |addresses: &[String]| addresses == [FIRST] || addresses == [SECOND];
    assert_eq!(address_of("www.corp.example"), ["10.30.0.5"]);
    assert_eq!(address_of("www.half.example"), ["10.30.0.5"], "by the target that isn't this server");
    assert!(is_inbound(&address_of("www.inside.corp.example")), "what Resolver knows is asked of it");
    assert!(is_inbound(&address_of("web1.awsanycompany.corp")), "the file's own rule");
    assert!(is_inbound(&address_of("9.1.20.10.in-addr.arpa")), "the file's own network");
    assert_eq!(rcode_of("www.here.example"), REFUSED, "a rule that leads here is none");
    assert_eq!(rcode_of("www.other.example"), REFUSED, "of another VPC, or none");

    // Rules change in AWS.
    let config = json!({"TargetIps": [{"Ip": "10.30.0.6", "Port": 53}]});
    aws.resolver("UpdateResolverRule", &json!({"ResolverRuleId": company, "Config": config}));
    ask_again(&dns);
    eventually(SOON, "its new target", || address_of("www.corp.example") == ["10.30.0.6"]);
    aws.resolver("DisassociateResolverRule", &json!({"ResolverRuleId": company, "VPCId": VPC}));
    eventually(SOON, "the association is gone", || {
        let world = aws.world();
        !world["rule_associations"].as_array().unwrap().iter().any(|one| one["ResolverRuleId"] == *company)
    });
    ask_again(&dns);
    eventually(SOON, "it is no rule any more", || rcode_of("www.corp.example") == REFUSED);
    assert_eq!(address_of("www.half.example"), ["10.30.0.5"]);
    dns.assert_well();

    // What was kept is spoilt: a warning, and AWS is asked.
    drop(dns);
    let kept = scene.net.folder().join("state/aws.json");
    std::fs::write(&kept, "{ \"endpoints\": ").unwrap();
    let config = scene.net.folder().join("dnsfwd.toml");
    let check = run(aws.command(binary()).arg("check").arg("--config").arg(&config));
    assert!(check.all().contains("aws-followed"), "{}", check.all());
    assert!(check.all().contains("aws.json"), "{}", check.all());
    let dns = scene.start();
    eventually(SOON, "AWS has told it again", || rcode_of("www.half.example") == NOERROR);
    assert!(serde_json::from_slice::<serde_json::Value>(&std::fs::read(&kept).unwrap()).is_ok());
    drop(dns);
}
