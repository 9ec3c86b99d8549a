//! `dnsfwd aws` where things go wrong, against the stand-in for AWS: drift, replacements, what belongs to others, kill -9,
//! lost answers, refusals, throttling.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::aws::{REGION, SECURITY_GROUP, SUBNETS, VPC};
use common::dnsfwd::binary;
use common::{Aws, Net, Output, Process, eventually, run_within};
use serde_json::{Value, json};

/// An apply waits seconds for AWS, whose every answer is slow on a busy machine.
const SOON: Duration = Duration::from_secs(100);
/// In no message, file or log.
const SECRET: &str = "wJalrXUtnFEMI-secret-of-this-test";

struct Company {
    aws: Aws,
    net: Net,
}

/// What the file says; the rest is the same in all tests.
struct Wish {
    third: bool,
    outbound_group: String,
    rules: String,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish {
            third: false,
            outbound_group: "{ allow = [] }".into(),
            rules: rule("anycompany.corp", "192.168.2.250"),
        }
    }
}

fn rule(domain: &str, target: &str) -> String {
    format!(
        "[[aws.rule]]\ndomain = \"{domain}\"\ntype = \"FORWARD\"\ntargets = [\"{target}\"]\nvpcs = [\"{VPC}\"]\n"
    )
}

impl Company {
    fn new() -> Company {
        let aws = Aws::start();
        aws.seed_network();
        aws.settings(&json!({"pace": {"looks": 1}}));
        Company { aws, net: Net::new() }
    }

    fn wishes(&self, wish: &Wish) {
        let [a, b, c] = SUBNETS;
        let third =
            if wish.third { format!(", {{ subnet = \"{c}\", ip = \"10.20.3.10\" }}") } else { String::new() };
        let text = format!(
            "version = 1\n[server]\nlisten = [\"127.0.0.1:5353\"]\n\
             [aws]\nregion = \"{REGION}\"\nowner = \"anycompany-dns\"\ntags = {{ team = \"network\" }}\n\
             [aws.inbound]\nname = \"anycompany-inbound\"\nvpc = \"{VPC}\"\n\
             addresses = [{{ subnet = \"{a}\", ip = \"10.20.1.10\" }}, {{ subnet = \"{b}\", ip = \"10.20.2.10\" }}{third}]\n\
             security_group = {{ allow = [\"192.168.0.0/16\"] }}\n\
             [aws.outbound]\nname = \"anycompany-outbound\"\nvpc = \"{VPC}\"\n\
             addresses = [{{ subnet = \"{b}\" }}, {{ subnet = \"{c}\" }}]\n\
             security_group = {}\n{}",
            wish.outbound_group, wish.rules
        );
        self.net.write("dnsfwd.toml", &text);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.aws.command(binary());
        command.env("AWS_SECRET_ACCESS_KEY", SECRET).current_dir(self.net.folder());
        command.arg("--config").arg(self.file("dnsfwd.toml")).arg("aws").args(arguments);
        command
    }

    fn file(&self, name: &str) -> PathBuf {
        self.net.folder().join(name)
    }

    /// All that it printed, if it ends so.
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        check(code, run_within(SOON, &mut self.command(arguments)))
    }

    fn id_of(&self, kind: &str, name: &str) -> String {
        let world = self.aws.world();
        let all = world[kind].as_array().unwrap();
        let found =
            all.iter().find(|one| one["Name"] == name).unwrap_or_else(|| panic!("no {name} in {all:?}"));
        found["Id"].as_str().unwrap().to_owned()
    }

    /// No endpoint ever had fewer than two addresses once it was OPERATIONAL.
    fn assert_never_below_two(&self) {
        let world = self.aws.world();
        for (endpoint, fewest) in world["fewest_attached"].as_object().unwrap() {
            assert!(fewest.as_u64().unwrap() >= 2, "{endpoint} had {fewest}");
        }
    }
}

fn check(code: i32, output: Output) -> String {
    assert_eq!(output.code, code, "{}", output.all());
    let all = output.all();
    assert!(!all.contains(SECRET), "the secret was told: {all}");
    all
}

/// What is there, without what chance gave it: IDs, times, addresses that AWS chose.
fn shape(aws: &Aws) -> Value {
    let world = aws.world();
    let all = |kind: &str| world[kind].as_array().cloned().unwrap();
    let name_of = |kind: &str, id: &Value| {
        let found = all(kind).into_iter().find(|one| one["Id"] == *id);
        found.map_or(Value::Null, |one| one["CreatorRequestId"].clone())
    };
    let sorted = |mut values: Vec<Value>| {
        values.sort_by_cached_key(ToString::to_string);
        values
    };
    let endpoints = all("endpoints").into_iter().map(|one| {
        let addresses = one["_addresses"].as_object().unwrap().values();
        let chosen = one["Direction"] == "OUTBOUND";
        let address = |a: &Value| {
            json!([a["SubnetId"], a["Status"], if chosen { Value::Null } else { a["Ip"].clone() }])
        };
        let mut tags: Vec<Value> = world["tags"][one["Arn"].as_str().unwrap()].as_array().cloned().unwrap();
        tags = sorted(tags);
        json!([
            one["CreatorRequestId"],
            one["Name"],
            one["Status"],
            sorted(addresses.map(address).collect()),
            tags
        ])
    });
    let rules = all("rules").into_iter().map(|one| {
        let through = name_of("endpoints", &one["ResolverEndpointId"]);
        json!([one["CreatorRequestId"], one["DomainName"], one["Status"], one["TargetIps"], through])
    });
    let associations = all("rule_associations")
        .into_iter()
        .map(|one| json!([name_of("rules", &one["ResolverRuleId"]), one["VPCId"], one["Status"]]));
    let groups = all("security_groups").into_iter().map(|one| json!([one["vpc"], one["name"]]));
    let groups = groups.filter(|one| one[1].as_str().unwrap().starts_with("dnsfwd-"));
    json!({
        "endpoints": sorted(endpoints.collect()),
        "rules": sorted(rules.collect()),
        "associations": sorted(associations.collect()),
        "groups": sorted(groups.collect()),
    })
}

#[test]
fn drift_made_by_hand_is_shown_and_mended() {
    let company = Company::new();
    let aws = &company.aws;
    company.wishes(&Wish { third: true, ..Wish::default() });
    company.ends(0, &["apply", "--yes"]);
    let sound = shape(aws);

    let inbound = company.id_of("endpoints", "anycompany-inbound");
    let rule = company.id_of("rules", "anycompany-corp");
    let told = aws.resolver("ListResolverEndpointIpAddresses", &json!({"ResolverEndpointId": inbound}));
    let addresses = told["IpAddresses"].as_array().unwrap();
    let third = addresses.iter().find(|one| one["Ip"] == "10.20.3.10").unwrap();
    let arn = told_arn(aws, &inbound);
    aws.resolver(
        "DisassociateResolverEndpointIpAddress",
        &json!({"ResolverEndpointId": inbound, "IpAddress": {"IpId": third["IpId"]}}),
    );
    aws.resolver("UntagResource", &json!({"ResourceArn": arn, "TagKeys": ["team"]}));
    let targets = json!({"TargetIps": [{"Ip": "10.9.9.9", "Port": 53}]});
    aws.resolver("UpdateResolverRule", &json!({"ResolverRuleId": rule, "Config": targets}));
    aws.resolver("DisassociateResolverRule", &json!({"ResolverRuleId": rule, "VPCId": VPC}));
    // They are settled once somebody has looked.
    eventually(SOON, "the association is gone", || {
        let told = aws.resolver("ListResolverRuleAssociations", &json!({}));
        let all = told["ResolverRuleAssociations"].as_array().unwrap();
        !all.iter().any(|one| one["ResolverRuleId"] == *rule)
    });
    aws.resolver("ListResolverEndpointIpAddresses", &json!({"ResolverEndpointId": inbound}));
    aws.resolver("GetResolverRule", &json!({"ResolverRuleId": rule}));

    let shown = company.ends(1, &["plan"]);
    for word in ["10.20.3.10", "10.9.9.9", "192.168.2.250", "team", VPC] {
        assert!(shown.contains(word), "{word} is missing:\n{shown}");
    }
    let status = company.ends(1, &["status"]);
    assert!(status.contains("drift"), "{status}");
    company.ends(0, &["apply", "--yes"]);
    company.ends(0, &["plan"]);
    assert_eq!(shape(aws), sound);
    company.assert_never_below_two();
}

fn told_arn(aws: &Aws, endpoint: &str) -> Value {
    aws.resolver("GetResolverEndpoint", &json!({"ResolverEndpointId": endpoint}))["ResolverEndpoint"]["Arn"]
        .clone()
}

#[test]
fn a_replacement_needs_to_be_allowed() {
    let company = Company::new();
    company.wishes(&Wish::default());
    company.ends(0, &["apply", "--yes"]);
    let before = company.aws.journal().len();
    let old = company.id_of("endpoints", "anycompany-outbound");

    let other = Wish { outbound_group: format!("{{ ids = [\"{SECURITY_GROUP}\"] }}"), ..Wish::default() };
    company.wishes(&other);
    let shown = company.ends(2, &["plan"]);
    assert!(shown.contains("--allow-replace") && shown.contains("immutable"), "{shown}");
    company.ends(2, &["apply", "--yes"]);
    assert_eq!(company.aws.changes(before), Vec::<String>::new());

    company.ends(0, &["apply", "--yes", "--allow-replace"]);
    assert_ne!(company.id_of("endpoints", "anycompany-outbound"), old);
    company.ends(0, &["plan"]);
    let calls = company.aws.changes(before);
    let place = |name: &str| calls.iter().position(|call| call == name).expect(name);
    assert!(place("CreateResolverEndpoint") < place("UpdateResolverRule"), "{calls:?}");
    assert!(place("UpdateResolverRule") < place("DeleteResolverEndpoint"), "{calls:?}");
    company.assert_never_below_two();
}

/// What others have made, whole.
fn of_others(aws: &Aws, ids: &[String]) -> Vec<Value> {
    let world = aws.world();
    let kinds = ["endpoints", "rules", "rule_associations"];
    let all = kinds.iter().flat_map(|kind| world[*kind].as_array().unwrap());
    let theirs = |one: &&Value| ids.iter().any(|id| one["Id"] == **id || one["ResolverRuleId"] == **id);
    let mut found: Vec<Value> = all.filter(theirs).cloned().collect();
    // In which order the shim gave it last.
    found.iter_mut().for_each(|one| drop(one.as_object_mut().unwrap().remove("_order")));
    let groups = world["security_groups"].as_array().unwrap().iter();
    found.extend(groups.filter(|group| group["id"] == SECURITY_GROUP).cloned());
    found
}

#[test]
fn what_others_made_is_never_touched_and_destroy_leaves_it() {
    let company = Company::new();
    let aws = &company.aws;
    let endpoint = aws.make_endpoint("theirs", "OUTBOUND", ["10.20.1.30", "10.20.2.30"]);
    let forward = json!({"RuleType": "FORWARD", "DomainName": "theirs.example", "ResolverEndpointId": endpoint,
                         "TargetIps": [{"Ip": "10.9.9.9", "Port": 53}]});
    let ids = [endpoint, aws.make_rule("theirs", forward)];
    // A look for each step of its state.
    (0..3).for_each(|_| drop(aws.resolver("ListResolverRuleAssociations", &json!({}))));
    let before = of_others(aws, &ids);
    assert_eq!(before.len(), 4, "{before:?}");

    company.wishes(&Wish::default());
    let shown = company.ends(1, &["plan"]);
    assert!(shown.contains("theirs.example"), "what is left alone is told: {shown}");
    company.ends(0, &["apply", "--yes"]);
    company.wishes(&Wish { rules: rule("anycompany.corp", "192.168.2.251"), ..Wish::default() });
    company.ends(0, &["apply", "--yes"]);
    assert_eq!(of_others(aws, &ids), before);
    let destroyed = company.ends(0, &["destroy", "--yes"]);
    assert_eq!(of_others(aws, &ids), before);
    let world = aws.world();
    let count = |kind: &str| world[kind].as_array().unwrap().len();
    assert_eq!((count("endpoints"), count("rules"), count("rule_associations")), (1, 1, 1), "{destroyed}");
    assert_eq!(shape(aws)["groups"], json!([]), "our own security groups are gone");
}

#[test]
fn killed_again_and_again_the_next_run_ends_in_the_same_state() {
    let whole = Company::new();
    let wish = Wish { third: true, ..Wish::default() };
    whole.wishes(&wish);
    whole.ends(0, &["apply", "--yes"]);

    let company = Company::new();
    company.wishes(&wish);
    // Where answers are lost, it is also not known what was carried out.
    for operation in ["CreateResolverEndpoint", "CreateResolverRule"] {
        let cut = json!({"operation": operation, "kind": "cut", "carried_out": true});
        company.aws.fault(&cut);
    }
    // More runs than there are requests that change something would be one without an end.
    let mut kills = 0;
    for number in 0..20 {
        let since = company.aws.journal().len();
        let mut run =
            Process::start("apply", &mut company.command(&["apply", "--yes"]), company.net.folder());
        // After one request that changes something, or two, or three.
        let moment = 1 + number % 3;
        let mut has_ended = false;
        eventually(SOON, "the run changes something, or ends", || {
            has_ended = !run.alive();
            has_ended || company.aws.changes(since).len() >= moment
        });
        if has_ended {
            break;
        }
        run.kill();
        kills += 1;
    }
    assert!(kills >= 4, "it was killed {kills} times");
    company.ends(0, &["apply", "--yes"]);
    company.ends(0, &["plan"]);
    assert_eq!(shape(&company.aws), shape(&whole.aws));
    company.assert_never_below_two();
    assert!(!std::fs::read_to_string(company.file("apply.log")).unwrap().contains(SECRET));
}

#[test]
fn trouble_is_told_in_words_and_never_with_a_secret() {
    let company = Company::new();
    company.wishes(&Wish::default());
    let refusal = |code: &str, message: &str| {
        company.aws.fault(&json!({"operation": "ListResolverEndpoints", "kind": "exception", "code": code,
                                  "message": message, "times": 1}));
        company.ends(2, &["plan"])
    };
    let denied =
        refusal("AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized to perform: it");
    assert!(denied.contains("ListResolverEndpoints") && denied.contains("not authorized"), "{denied}");
    let expired = refusal("ExpiredTokenException", "The security token included in the request is expired");
    assert!(expired.contains("expired"), "{expired}");

    let mut bare = company.command(&["plan"]);
    bare.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let bare = check(2, run_within(SOON, &mut bare));
    assert!(bare.contains("no credentials for AWS"), "{bare}");

    // Throttling passes.
    company.aws.fault(&json!({"operation": "*", "kind": "exception", "code": "ThrottlingException",
                              "message": "Rate exceeded", "times": 2}));
    company.ends(1, &["plan", "--out", "plan.json"]);
    let plan = std::fs::read_to_string(company.file("plan.json")).unwrap();
    assert!(!plan.contains(SECRET) && !plan.contains("AWS_ACCESS"), "{plan}");

    // In another Region there is no such VPC.
    let text = std::fs::read_to_string(company.file("dnsfwd.toml")).unwrap();
    company.net.write("dnsfwd.toml", &text.replace(REGION, "eu-west-3"));
    let elsewhere = company.ends(2, &["plan"]);
    assert!(elsewhere.contains(VPC) || elsewhere.contains(SUBNETS[0]), "{elsewhere}");
    assert!(company.aws.changes(0).is_empty());
}

/// Rules, the first of them associated: applied within AWS's own rate, with progress, and whole at the end.
fn many(rules: usize, associated: usize) {
    let company = Company::new();
    company.aws.settings(&json!({"throttle": {"rate": 5, "burst": 5}, "pace": {"ms": 50}}));
    let mut wish = Wish { rules: String::new(), ..Wish::default() };
    for number in 0..rules {
        let vpcs = if number < associated { format!("[\"{VPC}\"]") } else { "[]".into() };
        writeln!(
            wish.rules,
            "[[aws.rule]]\ndomain = \"d{number}.example\"\ntype = \"FORWARD\"\ntargets = [\"192.168.2.250\"]\n\
             vpcs = {vpcs}"
        )
        .unwrap();
    }
    company.wishes(&wish);
    let limit = Duration::from_secs(280);
    let run = |code: i32, arguments: &[&str]| {
        // Each process begins with what AWS takes in a second: two in a row would ask for twice as much.
        std::thread::sleep(Duration::from_millis(1200));
        let began = Instant::now();
        let told = check(code, run_within(limit, &mut company.command(arguments)));
        println!("{rules} rules, {associated} associations: {arguments:?} took {:.1?}", began.elapsed());
        told
    };
    run(1, &["plan"]);
    let told = run(0, &["apply", "--yes"]);
    assert_eq!(told.matches("done    create FORWARD rule").count(), rules, "{told}");
    assert_eq!(told.matches("done    associate").count(), associated, "{told}");
    run(0, &["plan"]);
    let rates = company.aws.rates();
    let most =
        rates["route53resolver"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).max();
    assert!(most.unwrap() <= 5, "{rates}");
    let throttled =
        company.aws.journal().iter().filter(|call| call["error"] == "ThrottlingException").count();
    assert!(throttled <= 3, "{throttled} of {} calls", company.aws.journal().len());
}

#[test]
fn twenty_rules_are_made_at_the_rate_that_aws_takes() {
    many(20, 5);
}

#[test]
#[ignore = "takes minutes: tests/run --profile long --run-ignored only"]
fn three_hundred_rules_are_made_at_the_rate_that_aws_takes() {
    many(300, 100);
}
