//! What of a world a server goes by, and when AWS is asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;
use crate::aws::fake::Fake;
use crate::aws::trouble::Kind;
use crate::aws::world::{Address, Association, Subnet};
use crate::config::Location;
use crate::config::aws::{AddressFamily, RuleTarget, SecurityGroup};

const VPC: &str = "vpc-1";

fn nowhere() -> Location {
    Location { file: Path::new("dnsfwd.toml").into(), line: 1, column: 1 }
}

fn wanted() -> Aws {
    let inbound = ResolverEndpoint {
        name: "in".into(),
        alias: Some("inbound"),
        direction: Direction::Inbound,
        vpc: VPC.into(),
        addresses: Vec::new(),
        security_group: SecurityGroup::Theirs(Vec::new()),
        family: AddressFamily::Ipv4,
        protocols: vec![Protocol::Do53],
        dns64: false,
        interface_metrics: false,
        target_metrics: false,
        ipv6_internet: false,
        tags: BTreeMap::new(),
        id: None,
        place: nowhere(),
    };
    Aws {
        region: "eu-west-1".into(),
        owner: "me".into(),
        profile: None,
        follow: Some(Duration::from_secs(300)),
        follow_rules: Some(VPC.into()),
        tags: BTreeMap::new(),
        endpoints: vec![inbound],
        rules: Vec::new(),
        client_vpns: Vec::new(),
        query_logs: Vec::new(),
        vpcs: Vec::new(),
        subnets: Vec::new(),
        place: nowhere(),
    }
}

fn address(ip: &str, state: State) -> Address {
    let ip = Some(ip.parse().expect("literal"));
    Address { subnet: "subnet-a".into(), ip, ipv6: None, state, status: String::new() }
}

/// In the VPC, named as the wanted one, by hand.
fn endpoint(addresses: &[(&str, State)]) -> Endpoint {
    let addresses = addresses.iter().enumerate();
    Endpoint {
        name: "in".into(),
        arn: String::new(),
        direction: Direction::Inbound,
        vpc: VPC.into(),
        security_groups: Vec::new(),
        family: AddressFamily::Ipv4,
        protocols: vec![Protocol::Do53],
        dns64: false,
        interface_metrics: false,
        target_metrics: false,
        ipv6_internet: false,
        state: State::Ready,
        status: String::new(),
        creator_request_id: "by hand".into(),
        addresses: addresses.map(|(n, (ip, state))| (format!("rni-{n}"), address(ip, *state))).collect(),
        tags: BTreeMap::new(),
    }
}

fn world(endpoints: &[(&str, Endpoint)]) -> World {
    let cidr = "10.0.1.0/24".parse().expect("literal");
    let subnet = Subnet { vpc: VPC.into(), az: "eu-west-1a".into(), cidr };
    World {
        endpoints: endpoints.iter().map(|(id, one)| ((*id).to_owned(), one.clone())).collect(),
        subnets: BTreeMap::from([("subnet-a".to_owned(), subnet)]),
        ..World::default()
    }
}

/// The addresses that a server goes by.
fn ips(world: &World, before: &Followed) -> Vec<String> {
    let now = seen(&wanted(), world, before);
    now.endpoints.get("in").into_iter().flatten().map(|one| one.ip.to_string()).collect()
}

fn before() -> Followed {
    let kept = FollowedAddress { ip: "10.0.1.99".parse().expect("literal"), az: None };
    Followed { endpoints: BTreeMap::from([("in".to_owned(), vec![kept])]), ..Followed::default() }
}

#[test]
fn addresses_are_those_that_are_attached_with_their_zones() {
    let there = endpoint(&[
        ("10.0.1.11", State::Ready),
        ("10.0.1.10", State::Ready),
        ("10.0.1.12", State::Coming),
        ("10.0.1.13", State::Going),
        ("10.0.1.14", State::Broken),
    ]);
    let now = seen(&wanted(), &world(&[("rslvr-in-1", there)]), &before());
    let told: Vec<_> =
        now.endpoints["in"].iter().map(|one| (one.ip.to_string(), one.az.as_deref())).collect();
    assert_eq!(told, [("10.0.1.10".into(), Some("eu-west-1a")), ("10.0.1.11".into(), Some("eu-west-1a"))]);
}

#[test]
fn without_an_address_that_works_the_last_ones_hold() {
    assert_eq!(ips(&world(&[]), &before()), ["10.0.1.99"]);
    let broken = endpoint(&[("10.0.1.10", State::Broken)]);
    assert_eq!(ips(&world(&[("rslvr-in-1", broken)]), &before()), ["10.0.1.99"]);
    assert!(ips(&world(&[]), &Followed::default()).is_empty(), "then the file's own hold");
}

#[test]
fn an_endpoint_is_found_by_id_then_mark_then_name() {
    let by_hand = endpoint(&[("10.0.1.10", State::Ready)]);
    let mut ours = endpoint(&[("10.0.1.20", State::Ready)]);
    ours.creator_request_id = Owner("me").request_id("endpoint", "in", &[]);
    let both = world(&[("rslvr-in-1", by_hand.clone()), ("rslvr-in-2", ours)]);
    assert_eq!(ips(&both, &before()), ["10.0.1.20"], "the one that bears our mark");
    let two = world(&[("rslvr-in-1", by_hand.clone()), ("rslvr-in-2", by_hand.clone())]);
    assert_eq!(ips(&two, &before()), ["10.0.1.99"], "two of one name are one too many");
    let mut elsewhere = by_hand;
    elsewhere.vpc = "vpc-2".into();
    assert_eq!(ips(&world(&[("rslvr-in-1", elsewhere)]), &before()), ["10.0.1.99"]);

    let mut named = wanted();
    named.endpoints[0].id = Some("rslvr-in-1".into());
    let now = seen(&named, &both, &before());
    assert_eq!(now.endpoints["in"][0].ip.to_string(), "10.0.1.10", "the one with the ID of the file");
}

fn rule(domain: &str, kind: RuleType, targets: &[(&str, Protocol)]) -> Rule {
    let target = |(address, protocol): &(&str, Protocol)| RuleTarget {
        address: address.parse().expect("literal"),
        protocol: *protocol,
        sni: None,
    };
    Rule {
        name: String::new(),
        arn: String::new(),
        domain: domain.into(),
        kind,
        targets: targets.iter().map(target).collect(),
        endpoint: None,
        state: State::Ready,
        status: String::new(),
        creator_request_id: String::new(),
        owner: String::new(),
        tags: BTreeMap::new(),
    }
}

#[test]
fn rules_are_those_of_the_vpc_with_the_targets_that_can_be_asked() {
    let mut world = world(&[]);
    let mut add = |id: &str, rule: Rule, vpc: &str, state: State| {
        world.rules.insert(id.into(), rule);
        let association = Association { rule: id.into(), vpc: vpc.into(), state, status: String::new() };
        world.associations.insert(format!("rslvr-rrassoc-{id}"), association);
    };
    let mixed = [("10.9.0.1:53", Protocol::Do53), ("10.9.0.2:443", Protocol::Doh)];
    add("rr-1", rule("b.example.", RuleType::Forward, &mixed), VPC, State::Ready);
    add("rr-2", rule("a.example.", RuleType::System, &[]), VPC, State::Coming);
    add("rr-3", rule("ns.example.", RuleType::Delegate, &[]), VPC, State::Ready);
    add("rr-4", rule("going.example.", RuleType::System, &[]), VPC, State::Going);
    add("rr-5", rule("other.example.", RuleType::System, &[]), "vpc-2", State::Ready);
    let now = seen(&wanted(), &world, &Followed::default());
    let told: Vec<_> = now.rules.iter().map(|rule| (&rule.domain[..], &rule.id[..])).collect();
    assert_eq!(told, [("a.example.", "rr-2"), ("b.example.", "rr-1")]);
    assert_eq!(now.rules[1].targets, ["10.9.0.1:53".parse().expect("literal")]);
    assert_eq!(now.vpc.as_deref(), Some(VPC));

    let nothing = Aws { follow_rules: None, ..wanted() };
    assert!(seen(&nothing, &world, &now).rules.is_empty());
}

/// Says when AWS was asked, in seconds.
#[derive(Default)]
struct Listens {
    state: PathBuf,
    is_off: Cell<bool>,
    /// What the server goes by, and whether it refuses to go by anything else.
    running: RefCell<Followed>,
    refuses: Cell<bool>,
    changes: Cell<u32>,
    asked: RefCell<Vec<u64>>,
    reloaded: Notify,
}

impl Server for Listens {
    fn following(&self) -> Option<Following> {
        let running = self.running.borrow().clone();
        (!self.is_off.get()).then(|| Following { aws: wanted(), state: self.state.clone(), running })
    }

    fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
        if !self.refuses.get() {
            *self.running.borrow_mut() = last(&self.state);
        }
    }

    fn asked(&self, _: Result<(), &Trouble>) {}

    async fn reloaded(&self) {
        self.reloaded.notified().await;
    }
}

/// Follows for so many seconds; the way to AWS is there or not. A reload comes at each of `reloads`.
async fn times(server: &Listens, is_there: bool, secs: u64, reloads: &[u64]) -> Vec<u64> {
    let began = Instant::now();
    let connect = async |_: &Aws| {
        server.asked.borrow_mut().push(began.elapsed().as_secs());
        match is_there {
            true => Ok(Fake::new(World::default())),
            false => Err(Trouble {
                kind: Kind::Unreachable,
                operation: String::new(),
                subject: String::new(),
                code: None,
                resolver_code: None,
                message: "nobody there".into(),
                help: String::new(),
            }),
        }
    };
    let operator = async {
        for &at in reloads {
            tokio::time::sleep_until(began + Duration::from_secs(at)).await;
            server.is_off.set(false);
            server.reloaded.notify_one();
        }
        std::future::pending::<()>().await;
    };
    let both = async { tokio::join!(follow(server, connect), operator) };
    let _ = timeout(Duration::from_secs(secs), both).await;
    server.asked.take()
}

fn listens(folder: &tempfile::TempDir) -> Listens {
    Listens { state: folder.path().to_owned(), ..Listens::default() }
}

#[tokio::test(start_paused = true)]
async fn aws_is_asked_as_often_as_the_file_says_and_after_reloads() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(times(&listens(&folder), true, 700, &[]).await, [0, 300, 600]);
    assert_eq!(times(&listens(&folder), true, 500, &[1, 100, 101]).await, [0, 2, 100, 102, 402]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_was_refused_is_asked_for_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = listens(&folder);
    server.refuses.set(true);
    times(&server, true, 700, &[]).await;
    assert_eq!(server.changes.get(), 3);
    server.refuses.set(false);
    times(&server, true, 700, &[]).await;
    assert_eq!(server.changes.get(), 4, "once it is taken over, nothing is left to be done");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_aws_is_asked_sooner() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(times(&listens(&folder), false, 150, &[]).await, [0, 60, 120]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_until_a_reload_wants_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = listens(&folder);
    server.is_off.set(true);
    assert_eq!(times(&server, true, 900, &[800]).await, [800]);
}
