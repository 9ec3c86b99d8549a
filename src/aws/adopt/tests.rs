//! World → part of the file → configuration → plan: nothing is left to do but to mark what was taken over.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::aws::plan::step::Step;
use crate::aws::plan::{Options, plan};
use crate::aws::world::{
    Address, Association, Endpoint, OWNER_TAG, QueryLog, Rule, SecurityGroup, State, Vpc,
};
use crate::config::aws::{AddressFamily, Direction, Protocol, RuleTarget, RuleType};
use crate::config::{self, Config};

const ACCOUNT: &str = "123456789012";
const MAIN: &str =
    "version = 1\n[aws]\nregion = \"eu-central-1\"\nowner = \"mine\"\ntags = { team = \"net\" }\n";
const VPCS: [&str; 3] = ["vpc-0a", "vpc-0b", "vpc-0c"];

/// A configuration on disk, as commands have it.
struct Files {
    folder: TempDir,
    wanted: Aws,
}

impl Files {
    fn new(main: &str) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dnsfwd.toml");
        fs::write(&path, main).unwrap();
        let loaded = config::load(&path);
        let wanted = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)).aws.unwrap();
        Files { folder, wanted }
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("conf.d/adopted.toml")
    }

    fn faults(&self, text: &str) -> Vec<(bool, Diagnostic)> {
        let loaded =
            config::load_beside(&self.folder.path().join("dnsfwd.toml"), &self.part(), text.to_owned());
        loaded.diagnostics.into_iter().map(|one| (one.file == self.part(), one)).collect()
    }

    fn adopt(&self, world: &World, choice: &Choice) -> Result<Adoption, Fault> {
        adopt(&self.wanted, world, choice, |text| self.faults(text))
    }

    fn all(&self, world: &World) -> Adoption {
        self.adopt(world, &Choice::All).unwrap()
    }

    /// What the files say once the part is written.
    fn with(&self, text: &str) -> Config {
        write::write(&self.part(), text).unwrap();
        let loaded = config::load(&self.folder.path().join("dnsfwd.toml"));
        fs::remove_file(self.part()).unwrap();
        loaded.config.unwrap_or_else(|| panic!("{text}\n{:?}", loaded.diagnostics))
    }
}

fn ids(ids: &[&str]) -> Choice {
    Choice::Ids(ids.iter().map(|id| (*id).to_owned()).collect())
}

fn world() -> World {
    let vpc = || Vpc { cidrs: Vec::new(), dnssec_validation: None, autodefined_reverse: None };
    let group = |vpc: &str| SecurityGroup {
        name: "dns".to_owned(),
        vpc: vpc.to_owned(),
        ingress: Vec::new(),
        egress: Vec::new(),
        tags: BTreeMap::new(),
    };
    World {
        account: ACCOUNT.to_owned(),
        region: "eu-central-1".to_owned(),
        vpcs: VPCS.iter().map(|id| ((*id).to_owned(), vpc())).collect(),
        security_groups: VPCS.iter().map(|vpc| (vpc.replace("vpc", "sg"), group(vpc))).collect(),
        ..World::default()
    }
}

fn endpoint(number: u8, direction: Direction, name: &str) -> (String, Endpoint) {
    let way = if direction == Direction::Outbound { "out" } else { "in" };
    let id = format!("rslvr-{way}-{number:02}");
    let address = |last: u8| Address {
        subnet: format!("subnet-0{last}"),
        ip: Some([10, 0, number, last].into()),
        ipv6: None,
        state: State::Ready,
        status: "ATTACHED".to_owned(),
    };
    let endpoint = Endpoint {
        name: name.to_owned(),
        arn: format!("arn:aws:route53resolver:eu-central-1:{ACCOUNT}:resolver-endpoint/{id}"),
        direction,
        vpc: "vpc-0a".to_owned(),
        security_groups: vec!["sg-0a".to_owned()],
        family: AddressFamily::Ipv4,
        protocols: vec![Protocol::Do53],
        dns64: false,
        interface_metrics: false,
        target_metrics: false,
        ipv6_internet: false,
        state: State::Ready,
        status: "OPERATIONAL".to_owned(),
        creator_request_id: "console".to_owned(),
        addresses: [1, 2].map(|last| (format!("rni-{number}-{last}"), address(last))).into(),
        tags: BTreeMap::new(),
    };
    (id, endpoint)
}

fn rule(number: usize, name: &str, domain: &str, endpoint: Option<&str>) -> (String, Rule) {
    let id = format!("rslvr-rr-{number:03}");
    let target = RuleTarget { address: ([192, 168, 2, 250], 53).into(), protocol: Protocol::Do53, sni: None };
    let rule = Rule {
        name: name.to_owned(),
        arn: format!("arn:aws:route53resolver:eu-central-1:{ACCOUNT}:resolver-rule/{id}"),
        domain: domain.to_owned(),
        kind: if endpoint.is_some() { RuleType::Forward } else { RuleType::System },
        targets: endpoint.map(|_| target).into_iter().collect(),
        endpoint: endpoint.map(str::to_owned),
        state: State::Ready,
        status: "COMPLETE".to_owned(),
        creator_request_id: "console".to_owned(),
        owner: ACCOUNT.to_owned(),
        tags: BTreeMap::new(),
    };
    (id, rule)
}

fn associate(world: &mut World, rule: &str, vpc: &str) {
    let one = Association {
        rule: rule.to_owned(),
        vpc: vpc.to_owned(),
        state: State::Ready,
        status: "COMPLETE".to_owned(),
    };
    world.associations.insert(format!("rslvr-rrassoc-{rule}-{vpc}"), one);
}

fn query_log(number: usize, name: &str) -> (String, QueryLog) {
    let id = format!("rqlc-{number:03}");
    let log = QueryLog {
        name: name.to_owned(),
        arn: format!("arn:aws:route53resolver:eu-central-1:{ACCOUNT}:resolver-query-log-config/{id}"),
        destination: "arn:aws:s3:::anycompany-dns-logs".to_owned(),
        state: State::Ready,
        status: "CREATED".to_owned(),
        creator_request_id: "console".to_owned(),
        owner: ACCOUNT.to_owned(),
        tags: BTreeMap::new(),
    };
    (id, log)
}

/// One of each, as a console would have made them.
fn usual() -> World {
    let mut world = world();
    world.endpoints.extend([
        endpoint(1, Direction::Inbound, "AnyCompany inbound"),
        endpoint(2, Direction::Outbound, "outbound"),
    ]);
    world.rules.extend([
        rule(1, "corp", "anycompany.corp.", Some("rslvr-out-02")),
        rule(2, "", "aws.anycompany.corp.", None),
    ]);
    associate(&mut world, "rslvr-rr-001", "vpc-0b");
    associate(&mut world, "rslvr-rr-001", "vpc-0a");
    world.query_logs.extend([query_log(1, "queries")]);
    world.query_log_associations =
        BTreeMap::from([("rqlc-001".to_owned(), BTreeMap::from([("vpc-0a".to_owned(), State::Ready)]))]);
    world
}

/// The plan has no obstacle, marks all that was taken, and else only gives the names that were told.
fn assert_only_marked(files: &Files, world: &World, adoption: &Adoption) {
    if adoption.taken.is_empty() {
        assert_eq!(adoption.text, "");
        return;
    }
    let wanted = files.with(&adoption.text).aws.unwrap();
    let plan = plan(&wanted, world, &Options::default());
    assert_eq!(plan.obstacles, [], "{}", adoption.text);
    let renamed = |id: &str| {
        let taken = adoption.taken.iter().find(|one| one.id == id).unwrap();
        taken.notes.iter().any(|note| note.contains("a plan gives it this"))
    };
    let mut marked = 0;
    for planned in &plan.steps {
        match &planned.step {
            Step::Tag { tags, .. } => marked += usize::from(tags.contains_key(OWNER_TAG)),
            Step::UpdateEndpoint { endpoint, family: None, protocols: None, dns64: None, .. } => {
                assert!(renamed(endpoint), "{planned:?}\n{}", adoption.text);
            }
            Step::UpdateRule { rule, targets: None, endpoint: None, .. } => {
                assert!(renamed(rule), "{planned:?}\n{}", adoption.text);
            }
            step => panic!("{step:?}\n{}", adoption.text),
        }
    }
    assert_eq!(marked, adoption.taken.len(), "{}", adoption.text);
    let left = candidates(&wanted, world);
    assert!(left.iter().all(|one| adoption.taken.iter().all(|taken| taken.id != one.id)));
}

#[test]
fn what_a_console_made_is_written_as_the_reference_has_it() {
    let (files, world) = (Files::new(MAIN), usual());
    let adoption = files.all(&world);
    assert_eq!(adoption.refused, []);
    let wanted = r#"# Taken over from AWS by `dnsfwd aws adopt`. `id` says which one is meant.

[aws.inbound]
name = "AnyCompany inbound"
vpc = "vpc-0a"
addresses = [
  { subnet = "subnet-01", ip = "10.0.1.1" },
  { subnet = "subnet-02", ip = "10.0.1.2" },
]
security_group = { ids = ["sg-0a"] }
id = "rslvr-in-01"

[aws.outbound]
name = "outbound"
vpc = "vpc-0a"
addresses = [
  { subnet = "subnet-01", ip = "10.0.2.1" },
  { subnet = "subnet-02", ip = "10.0.2.2" },
]
security_group = { ids = ["sg-0a"] }
id = "rslvr-out-02"

[[aws.rule]]
name = "corp"
domain = "anycompany.corp"
type = "FORWARD"
targets = ["192.168.2.250"]
endpoint = "outbound"
vpcs = ["vpc-0a", "vpc-0b"]
id = "rslvr-rr-001"

# It has no name in AWS: a plan gives it this one
[[aws.rule]]
name = "aws-anycompany-corp"
domain = "aws.anycompany.corp"
type = "SYSTEM"
id = "rslvr-rr-002"

[[aws.query_log]]
name = "queries"
destination = "arn:aws:s3:::anycompany-dns-logs"
vpcs = ["vpc-0a"]
id = "rqlc-001"
"#;
    assert_eq!(adoption.text, wanted);
    assert_only_marked(&files, &world, &adoption);
}

/// Why something is refused, if all are wanted.
fn refusal(main: &str, world: &World, id: &str) -> String {
    let adoption = Files::new(main).all(world);
    let one = adoption.refused.into_iter().find(|one| one.id == id);
    one.unwrap_or_else(|| panic!("{id} was not refused")).refusal.unwrap()
}

#[test]
fn a_rule_comes_with_its_endpoint_or_not_at_all() {
    let (files, world) = (Files::new(MAIN), usual());
    let adoption = files.adopt(&world, &ids(&["rslvr-rr-001"])).unwrap();
    assert!(adoption.refused[0].refusal.as_ref().unwrap().contains("rslvr-out-02"));
    assert_eq!(adoption.text, "");
    let adoption = files.adopt(&world, &ids(&["rslvr-rr-001", "rslvr-out-02"])).unwrap();
    assert_eq!(adoption.taken.len(), 2);
    assert_only_marked(&files, &world, &adoption);
    // In the file already, the endpoint needs not be named again.
    let main = MAIN.to_owned() + adoption.text.split("[[aws.rule]]").next().unwrap();
    let files = Files::new(&main);
    let adoption = files.adopt(&world, &ids(&["rslvr-rr-001"])).unwrap();
    assert!(adoption.text.contains("endpoint = \"outbound\""), "{}", adoption.text);
}

#[test]
fn nobody_elses_things_are_taken() {
    let mut world = usual();
    world.endpoints.get_mut("rslvr-in-01").unwrap().tags =
        BTreeMap::from([(OWNER_TAG.to_owned(), "theirs".to_owned())]);
    world.rules.get_mut("rslvr-rr-002").unwrap().owner = "999988887777".to_owned();
    world.query_logs.get_mut("rqlc-001").unwrap().creator_request_id =
        "dnsfwd:theirs:query-log:q:00".to_owned();
    assert!(refusal(MAIN, &world, "rslvr-in-01").contains("owner theirs"));
    assert!(refusal(MAIN, &world, "rslvr-rr-002").contains("account 999988887777's"));
    assert!(refusal(MAIN, &world, "rqlc-001").contains("owner theirs"));
}

#[test]
fn what_is_not_settled_is_left_for_later() {
    let mut world = usual();
    world.endpoints.get_mut("rslvr-out-02").unwrap().state = State::Going;
    world.query_logs.get_mut("rqlc-001").unwrap().state = State::Coming;
    assert!(refusal(MAIN, &world, "rslvr-out-02").contains("being deleted"));
    assert!(refusal(MAIN, &world, "rslvr-rr-001").contains("rslvr-out-02"), "its rule stays with it");
    assert!(refusal(MAIN, &world, "rqlc-001").contains("try again"));
}

#[test]
fn names_that_can_not_be_given_in_aws_are_no_reason_to_replace() {
    let mut world = usual();
    world.query_logs.extend([query_log(2, "queries"), query_log(3, "with.dot")]);
    assert!(refusal(MAIN, &world, "rqlc-002").contains("rqlc-001 has the same name"));
    assert!(refusal(MAIN, &world, "rqlc-003").contains("with.dot"));
}

#[test]
fn a_second_outbound_endpoint_needs_rules_that_say_which() {
    let (files, mut world) = (Files::new(MAIN), usual());
    let part = files.adopt(&world, &ids(&["rslvr-out-02"])).unwrap().text;
    let silent = "[[aws.rule]]\ndomain = \"b.corp\"\ntype = \"FORWARD\"\ntargets = [\"192.168.2.1\"]\n";
    world.endpoints.extend([endpoint(3, Direction::Outbound, "second")]);
    let main = format!("{MAIN}{part}{silent}");
    assert!(refusal(&main, &world, "rslvr-out-03").contains("b-corp"));
}

#[test]
fn what_the_file_wants_already_is_not_written_twice() {
    let world = usual();
    let main = format!("{MAIN}[[aws.rule]]\ndomain = \"aws.anycompany.corp\"\ntype = \"SYSTEM\"\n");
    assert!(refusal(&main, &world, "rslvr-rr-002").contains("write `id` there"));
}

#[test]
fn what_the_configuration_refuses_is_left_out_with_its_reason() {
    let mut world = usual();
    let rule = world.rules.get_mut("rslvr-rr-001").unwrap();
    let target = rule.targets[0].clone();
    rule.targets =
        (1..=7).map(|last| RuleTarget { address: ([10, 9, 9, last], 53).into(), ..target.clone() }).collect();
    assert!(refusal(MAIN, &world, "rslvr-rr-001").contains("6 targets"));
    let files = Files::new(MAIN);
    let adoption = files.all(&world);
    assert_eq!(adoption.taken.len(), 4, "the others are taken");
    assert_only_marked(&files, &world, &adoption);
}

#[test]
fn unknown_ids_are_said() {
    let fault = Files::new(MAIN).adopt(&usual(), &ids(&["rslvr-rr-999", "rslvr-rr-001"])).unwrap_err();
    assert!(matches!(fault, Fault::Unknown(ids) if ids == ["rslvr-rr-999"]));
}

#[test]
fn a_stack_of_cloudformation_is_named() {
    let mut world = usual();
    world.rules.get_mut("rslvr-rr-001").unwrap().tags =
        BTreeMap::from([("aws:cloudformation:stack-name".to_owned(), "dns\n[aws]".to_owned())]);
    let files = Files::new(MAIN);
    let adoption = files.all(&world);
    assert!(adoption.text.contains("# It has the tag aws:cloudformation:stack-name = dns [aws]: a stack"));
    assert_only_marked(&files, &world, &adoption);
}

fn any_name() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "",
        "corp",
        "inbound",
        "outbound",
        "123",
        "a.b",
        "It's ours",
        "corp-2",
        "ünicode",
        "anycompany-corp",
    ];
    prop_oneof![prop::sample::select(KNOWN).prop_map(str::to_owned), "[ -~]{0,70}".prop_map(|name| name),]
}

fn any_tags() -> impl Strategy<Value = BTreeMap<String, String>> {
    let key = prop_oneof![Just("team".to_owned()), Just("aws:x".to_owned()), "[a-z .:/=+@\"\\\\-]{1,8}"];
    prop::collection::btree_map(key, "[ -~]{0,12}", 0..3)
        .prop_map(|tags| tags.into_iter().filter(|(key, _)| !key.starts_with("dnsfwd:")).collect())
}

fn any_endpoint(number: u8) -> impl Strategy<Value = (String, Endpoint)> {
    const DIRECTIONS: &[Direction] = &[Direction::Inbound, Direction::Outbound, Direction::InboundDelegation];
    let direction = prop::sample::select(DIRECTIONS);
    let family =
        prop::sample::select([AddressFamily::Ipv4, AddressFamily::Ipv6, AddressFamily::DualStack].as_slice());
    let flags = prop::array::uniform4(any::<bool>());
    (direction, any_name(), family, flags, any::<bool>(), any_tags()).prop_map(
        move |(direction, name, family, [first, second, third, doh], is_third, tags)| {
            let (id, mut one) = endpoint(number, direction, &name);
            let (is_in, is_out) = (direction == Direction::Inbound, direction == Direction::Outbound);
            one.family = family;
            one.dns64 = first && is_in;
            one.interface_metrics = second;
            one.target_metrics = third && is_out;
            one.ipv6_internet = first && is_out;
            one.protocols = match (doh, direction) {
                (false, _) | (_, Direction::InboundDelegation) => vec![Protocol::Do53],
                (true, _) if third => vec![Protocol::Doh],
                (true, _) => vec![Protocol::Do53, Protocol::Doh],
            };
            if is_third {
                let mut address = one.addresses.values().next().unwrap().clone();
                address.ip = Some([10, 0, number, 3].into());
                one.addresses.insert(format!("rni-{number}-3"), address);
            }
            for (last, address) in one.addresses.values_mut().enumerate() {
                let ipv6 = [0x2001, 0xdb8, 0, 0, 0, 0, number.into(), last as u16].into();
                address.ipv6 = (family != AddressFamily::Ipv4).then_some(ipv6);
                address.ip = address.ip.filter(|_| family != AddressFamily::Ipv6);
            }
            one.tags = tags;
            (id, one)
        },
    )
}

fn any_target() -> impl Strategy<Value = RuleTarget> {
    let protocol = prop::sample::select([Protocol::Do53, Protocol::Doh, Protocol::DohFips].as_slice());
    let port = prop::sample::select([53, 443, 5353].as_slice());
    (1..=250_u8, protocol, port, any::<bool>()).prop_map(|(last, protocol, port, named)| RuleTarget {
        address: ([192, 168, 2, last], port).into(),
        protocol,
        sni: (named && protocol != Protocol::Do53).then(|| "dns.corp.example".to_owned()),
    })
}

type Shape =
    (String, u8, prop::sample::Index, Vec<RuleTarget>, Vec<&'static str>, BTreeMap<String, String>, bool);

fn any_rule() -> impl Strategy<Value = Shape> {
    let targets = prop::collection::btree_map(any::<u8>(), any_target(), 1..4).prop_map(|targets| {
        let by_address: BTreeMap<_, _> = targets.into_values().map(|one| (one.address, one)).collect();
        let mut targets: Vec<RuleTarget> = by_address.into_values().collect();
        targets.sort();
        targets
    });
    let vpcs = prop::sample::subsequence(VPCS.to_vec(), 0..=3);
    (any_name(), 0..3_u8, any::<prop::sample::Index>(), targets, vpcs, any_tags(), prop::bool::weighted(0.1))
}

prop_compose! {
    fn any_world()(
        endpoints in (any_endpoint(1), any_endpoint(2), any_endpoint(3), any_endpoint(4)),
        count in 0..=4_usize,
        rules in prop::collection::vec(any_rule(), 0..8),
        logs in prop::collection::vec((any_name(), any_tags()), 0..3),
    ) -> World {
        let mut world = world();
        let endpoints = [endpoints.0, endpoints.1, endpoints.2, endpoints.3];
        world.endpoints.extend(endpoints.into_iter().take(count));
        let outbound: Vec<String> = world
            .endpoints
            .iter()
            .filter(|(_, one)| one.direction == Direction::Outbound)
            .map(|(id, _)| id.clone())
            .collect();
        for (number, (name, kind, through, targets, vpcs, tags, is_foreign)) in rules.into_iter().enumerate() {
            let domain = if number == 5 { ".".to_owned() } else { format!("d{number}.corp.") };
            let through = (kind > 0 && !outbound.is_empty()).then(|| through.get(&outbound).clone());
            let (id, mut one) = rule(number, &name, &domain, through.as_deref());
            match (kind, &through) {
                (2, Some(_)) => (one.kind, one.targets) = (RuleType::Delegate, Vec::new()),
                (_, Some(_)) => one.targets = targets,
                _ => {}
            }
            one.tags = tags;
            if is_foreign {
                one.owner = "999988887777".to_owned();
            }
            world.rules.insert(id.clone(), one);
            vpcs.into_iter().for_each(|vpc| associate(&mut world, &id, vpc));
        }
        for (number, (name, tags)) in logs.into_iter().enumerate() {
            let (id, mut log) = query_log(number, &name);
            log.tags = tags;
            world.query_logs.insert(id, log);
        }
        world
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands in AWS: what is taken over is only marked, what is refused is told why.
    #[test]
    fn taking_over_leaves_nothing_to_do_but_to_mark(world in any_world()) {
        let files = Files::new(MAIN);
        let adoption = files.all(&world);
        prop_assert!(adoption.refused.iter().all(|one| one.refusal.is_some()));
        let all = candidates(&files.wanted, &world).len();
        prop_assert_eq!(adoption.taken.len() + adoption.refused.len(), all);
        // Endpoints of a usual account are always taken.
        let refused = |one: &&Candidate| one.kind == ThingKind::Endpoint;
        prop_assert_eq!(adoption.refused.iter().find(refused), None);
        assert_only_marked(&files, &world, &adoption);
    }

    /// One after the other comes to the same as all at once.
    #[test]
    fn things_can_be_taken_over_one_by_one(world in any_world()) {
        let mut main = MAIN.to_owned();
        let order = candidates(&Files::new(MAIN).wanted, &world);
        for one in order.iter().filter(|one| one.refusal.is_none()) {
            let files = Files::new(&main);
            let adoption = files.adopt(&world, &ids(&[&one.id])).unwrap();
            assert_only_marked_beside(&files, &world, &adoption);
            main.push_str(&adoption.text);
        }
    }
}

/// As [`assert_only_marked`], where earlier parts of the file wait to be marked too.
fn assert_only_marked_beside(files: &Files, world: &World, adoption: &Adoption) {
    if adoption.taken.is_empty() {
        return;
    }
    let plan = plan(&files.with(&adoption.text).aws.unwrap(), world, &Options::default());
    assert_eq!(plan.obstacles, [], "{}", adoption.text);
    for planned in &plan.steps {
        let is_harmless = matches!(
            &planned.step,
            Step::Tag { .. }
                | Step::UpdateEndpoint { name: Some(_), family: None, protocols: None, .. }
                | Step::UpdateRule { name: Some(_), targets: None, endpoint: None, .. }
        );
        assert!(is_harmless, "{planned:?}\n{}", adoption.text);
    }
}
