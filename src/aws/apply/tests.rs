//! Plans by hand, carried out in an AWS in memory, with a clock that jumps.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use super::watch::{Event, Watch, What};
use super::*;
use crate::aws::fake::{Fake, Fault};
use crate::aws::plan::step::{NewAddress, Ref, Step};
use crate::aws::plan::{Cost, FORMAT, Obstacle, Planned};
use crate::aws::trouble::Kind;
use crate::aws::world::{State, Subnet, World};
use crate::config::aws::{AddressFamily, Direction, Protocol, RuleTarget, RuleType};
use crate::limits::{APPLY_QUICK, APPLY_SLOW};

fn world() -> World {
    let mut world = World { account: "111122223333".into(), region: "eu-west-1".into(), ..World::default() };
    for (id, net) in [("subnet-a", "10.0.1.0/24"), ("subnet-b", "10.0.2.0/24")] {
        let cidr = net.parse().expect("literal");
        world.subnets.insert(id.into(), Subnet { vpc: "vpc-1".into(), az: format!("az-{id}"), cidr });
    }
    world
}

fn plan(steps: Vec<(u32, Step)>) -> Plan {
    let planned = |(stage, step)| Planned { stage, change: 0, step };
    Plan {
        format: FORMAT,
        owner: "me".into(),
        world: World::default(),
        wanted: String::new(),
        changes: Vec::new(),
        steps: steps.into_iter().map(planned).collect(),
        left_alone: Vec::new(),
        obstacles: Vec::new(),
        cost: Cost::default(),
        hash: String::new(),
    }
}

fn address(subnet: &str, ip: &str) -> NewAddress {
    NewAddress { subnet: subnet.into(), ip: Some(ip.parse().expect("literal")), ipv6: None }
}

fn create_group() -> Step {
    Step::CreateSecurityGroup {
        made: "group".into(),
        name: "dnsfwd-me-out".into(),
        description: String::new(),
        vpc: "vpc-1".into(),
        tags: BTreeMap::new(),
    }
}

fn create_endpoint() -> Step {
    Step::CreateEndpoint {
        made: "endpoint".into(),
        creator_request_id: "dnsfwd:me:endpoint:out:1".into(),
        name: "out".into(),
        direction: Direction::Outbound,
        security_groups: vec![Ref::Made("group".into())],
        family: AddressFamily::Ipv4,
        protocols: vec![Protocol::Do53],
        dns64: false,
        interface_metrics: false,
        target_metrics: false,
        ipv6_internet: false,
        addresses: vec![address("subnet-a", "10.0.1.10"), address("subnet-b", "10.0.2.10")],
        tags: BTreeMap::new(),
    }
}

fn create_rule(name: &str) -> Step {
    Step::CreateRule {
        made: format!("rule {name}"),
        creator_request_id: format!("dnsfwd:me:rule:{name}:1"),
        name: name.into(),
        kind: RuleType::Forward,
        domain: format!("{name}.example."),
        targets: vec![RuleTarget {
            address: "192.0.2.1:53".parse().expect("literal"),
            protocol: Protocol::Do53,
            sni: None,
        }],
        endpoint: Some(Ref::Made("endpoint".into())),
        tags: BTreeMap::new(),
    }
}

fn associate(name: &str) -> Step {
    Step::Associate { rule: Ref::Made(format!("rule {name}")), vpc: "vpc-1".into(), name: name.into() }
}

fn whole() -> Plan {
    plan(vec![
        (0, create_group()),
        (1, create_endpoint()),
        (2, create_rule("a")),
        (2, create_rule("b")),
        (3, associate("a")),
        (3, associate("b")),
    ])
}

/// Runs in a paused clock. Gives what became of it, and how long it took.
fn run(plan: &Plan, fake: &Fake, watch: &impl Watch) -> (Result<(), Stopped>, Duration) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let begun = tokio::time::Instant::now();
        (apply(plan, fake, watch).await, begun.elapsed())
    })
}

/// A world in which `whole` is done, and the IDs of the endpoint and its address in subnet-b.
fn done() -> (Fake, String, String) {
    let fake = Fake::new(world());
    run(&whole(), &fake, &()).0.expect("nothing is in its way");
    let world = fake.world();
    let (id, endpoint) = world.endpoints.first_key_value().expect("made");
    let (address, _) = endpoint.addresses.iter().find(|(_, one)| one.subnet == "subnet-b").expect("made");
    (fake, id.clone(), address.clone())
}

/// Remembers all that it is told; interrupts after so many events.
#[derive(Default)]
struct Notes {
    lines: RefCell<Vec<String>>,
    interrupt_after: Option<usize>,
    held: Cell<u32>,
}

impl Watch for Notes {
    fn tell(&self, event: Event<'_>) {
        let what = match event.what {
            What::Started => "started",
            What::Held { .. } => {
                self.held.set(self.held.get() + 1);
                "held"
            }
            What::Waiting { .. } => "waiting",
            What::Done { .. } => "done",
        };
        self.lines.borrow_mut().push(format!("{} {what}", event.step));
    }

    async fn interrupted(&self) {
        if self.interrupt_after.is_none_or(|count| self.lines.borrow().len() < count) {
            std::future::pending::<()>().await;
        }
    }
}

#[test]
fn stages_come_one_after_the_other_and_references_are_filled_in() {
    let (fake, notes) = (Fake::new(world()), Notes::default());
    run(&whole(), &fake, &notes).0.expect("nothing is in its way");
    let world = fake.world();
    assert_eq!(world.rules.len(), 2);
    assert!(world.associations.values().all(|one| one.state == State::Ready));
    let (endpoint, group) = (world.endpoints.values().next().expect("made"), world.security_groups.keys());
    assert_eq!(endpoint.security_groups, group.cloned().collect::<Vec<_>>());
    let lines = notes.lines.borrow();
    let place = |line: &str| lines.iter().position(|one| one == line).expect(line);
    assert!(place("1 done") < place("2 started") && place("3 done") < place("4 started"), "{lines:?}");
    assert!(place("3 started") < place("2 done"), "rules are made side by side: {lines:?}");
}

/// Two old addresses for two new ones: never below two, one change of the endpoint at a time.
#[test]
fn addresses_come_before_others_go() {
    let (fake, endpoint, _) = done();
    let old: Vec<String> = fake.world().endpoints[&endpoint].addresses.keys().cloned().collect();
    let add = |ip| Step::AddAddress { endpoint: endpoint.clone(), address: address("subnet-a", ip) };
    let remove = |id: &String| Step::RemoveAddress { endpoint: endpoint.clone(), address: id.clone() };
    let steps =
        vec![(0, add("10.0.1.20")), (0, add("10.0.1.21")), (1, remove(&old[0])), (1, remove(&old[1]))];
    let notes = Notes::default();
    run(&plan(steps), &fake, &notes).0.expect("nothing is in its way");
    let world = fake.world();
    let ips: Vec<String> = world.endpoints[&endpoint]
        .addresses
        .values()
        .filter_map(|one| one.ip)
        .map(|ip| ip.to_string())
        .collect();
    assert_eq!(ips, ["10.0.1.20", "10.0.1.21"]);
    assert_eq!(fake.journal().least_attached[&endpoint], 2);
    assert_eq!(notes.held.get(), 0, "no step was asked for while the endpoint was UPDATING");
}

#[test]
fn an_address_stays_while_no_two_others_are_attached() {
    let (fake, endpoint, address) = done();
    let steps = vec![(0, Step::RemoveAddress { endpoint: endpoint.clone(), address })];
    let (result, took) = run(&plan(steps), &fake, &());
    let stopped = result.expect_err("one would be left");
    let Why::Trouble { step: 0, trouble } = &stopped.why else { panic!("{stopped:?}") };
    assert_eq!(trouble.kind, Kind::TimeOut);
    assert!(trouble.message.contains("1 other addresses"), "{trouble}");
    assert!(took >= APPLY_SLOW && took < APPLY_SLOW * 2, "{took:?}");
    assert_eq!(fake.world().endpoints[&endpoint].addresses.len(), 2);
    assert!(!fake.journal().asked.iter().any(|step| matches!(step, Step::RemoveAddress { .. })));
}

#[test]
fn what_is_busy_is_asked_again() {
    let (fake, notes) = (Fake::new(world()), Notes::default());
    fake.fault(Fault::Busy(3));
    run(&whole(), &fake, &notes).0.expect("it was busy only once");
    assert_eq!(notes.held.get(), 1);
    assert_eq!(fake.world().associations.len(), 2);
}

#[test]
fn what_stays_busy_stops_in_its_time() {
    let (fake, endpoint, _) = done();
    let steps = vec![(0, Step::DeleteRule { rule: fake.world().rules.keys().next().expect("made").clone() })];
    let (result, took) = run(&plan(steps), &fake, &());
    let Err(Stopped { why: Why::Trouble { trouble, .. }, left, .. }) = result else { panic!("associated") };
    assert!(trouble.message.contains("disassociate this resolver rule"), "{trouble}");
    assert_eq!((trouble.kind, left), (Kind::TimeOut, vec![0]));
    assert!(took >= APPLY_QUICK && took < APPLY_QUICK * 2, "{took:?}");
    assert!(fake.world().endpoints.contains_key(&endpoint));
}

#[test]
fn a_trouble_stops_and_says_how_far_it_came() {
    let fake = Fake::new(world());
    let mut plan = whole();
    // The second rule of the stage is refused: it has no targets.
    if let Step::CreateRule { targets, .. } = &mut plan.steps[3].step {
        targets.clear();
    }
    let stopped = run(&plan, &fake, &()).0.expect_err("refused");
    assert!(matches!(&stopped.why, Why::Trouble { step: 3, trouble } if trouble.kind == Kind::Refused));
    assert_eq!((stopped.done, stopped.under_way, stopped.left), (vec![0, 1], vec![2], vec![3, 4, 5]));
}

#[test]
fn an_address_that_fails_stops_the_run() {
    let (fake, endpoint, _) = done();
    fake.bad_subnet("subnet-b");
    let add = Step::AddAddress { endpoint, address: address("subnet-b", "10.0.2.20") };
    let stopped = run(&plan(vec![(0, add)]), &fake, &()).0.expect_err("it failed");
    let Why::Trouble { trouble, .. } = &stopped.why else { panic!("{stopped:?}") };
    assert_eq!((trouble.kind, trouble.message.as_str()), (Kind::Broken, "FAILED_CREATION"));
}

#[test]
fn looks_may_fail_for_a_while() {
    let fake = Fake::new(world());
    fake.fault(Fault::Blind { from: 4, count: 4 });
    run(&whole(), &fake, &()).0.expect("the way was broken for four looks");
    let fake = Fake::new(world());
    fake.fault(Fault::Blind { from: 4, count: 100 });
    let stopped = run(&whole(), &fake, &()).0.expect_err("nothing is heard any more");
    assert!(matches!(&stopped.why, Why::Trouble { trouble, .. } if trouble.kind == Kind::Unreachable));
    assert_eq!((stopped.done, stopped.under_way), (vec![0], vec![1]));
}

#[test]
fn an_answer_that_is_lost_is_told_as_under_way() {
    let fake = Fake::new(world());
    fake.fault(Fault::Blind { from: 3, count: 100 });
    let stopped = run(&whole(), &fake, &()).0.expect_err("the request was lost");
    assert_eq!((stopped.done, stopped.under_way), (vec![0], vec![1]));
}

#[test]
fn an_interruption_ends_after_the_request_under_way() {
    let all = Notes::default();
    run(&whole(), &Fake::new(world()), &all).0.expect("nothing is in its way");
    for count in 0..all.lines.borrow().len() {
        let (fake, notes) = (Fake::new(world()), Notes { interrupt_after: Some(count), ..Notes::default() });
        let stopped = run(&whole(), &fake, &notes).0.expect_err("it was interrupted");
        assert!(matches!(stopped.why, Why::Interrupted), "{stopped:?}");
        let asked = fake.journal().asked.len();
        assert_eq!(asked, stopped.done.len() + stopped.under_way.len(), "{stopped:?}");
        assert_eq!(asked + stopped.left.len(), 6);
    }
}

#[test]
fn a_plan_with_obstacles_is_not_begun() {
    let fake = Fake::new(world());
    let mut plan = whole();
    plan.obstacles.push(Obstacle { about: "a quota".into(), help: "raise it".into() });
    let stopped = run(&plan, &fake, &()).0.expect_err("it has an obstacle");
    assert!(matches!(stopped.why, Why::Obstacles));
    assert_eq!((fake.requests(), stopped.left.len()), (0, 6));
}

#[test]
fn what_nobody_made_is_no_reference() {
    let stopped = run(&plan(vec![(0, associate("a"))]), &Fake::new(world()), &()).0.expect_err("no rule");
    assert_eq!(stopped.to_string(), "rule a: a step needs it, and no step before has made it");
}
