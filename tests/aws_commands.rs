//! `dnsfwd aws` as operators run it, against the stand-in for AWS.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use common::Aws;
use common::aws::{REGION, SUBNETS, VPC};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Operator {
    aws: Aws,
    folder: TempDir,
}

impl Operator {
    fn new() -> Operator {
        let aws = Aws::start();
        aws.seed_network();
        aws.settings(&json!({"pace": {"looks": 1}}));
        Operator { aws, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The inbound endpoint's second address, and the targets of the rule.
    fn writes(&self, second: &str, targets: &str) {
        let [a, b, c] = SUBNETS;
        let text = format!(
            r#"
[server]
listen = ["127.0.0.1:0"]

[aws]
region = "{REGION}"
owner = "anycompany-dns"

[aws.inbound]
name = "anycompany-inbound"
vpc = "{VPC}"
addresses = [{{ subnet = "{a}", ip = "10.20.1.10" }}, {{ subnet = "{b}", ip = "{second}" }}]
security_group = {{ allow = ["192.168.0.0/16"] }}

[aws.outbound]
name = "anycompany-outbound"
vpc = "{VPC}"
addresses = [{{ subnet = "{b}" }}, {{ subnet = "{c}" }}]
security_group = {{ allow = [] }}

[[aws.rule]]
domain = "anycompany.corp"
type = "FORWARD"
targets = {targets}
vpcs = ["{VPC}"]
"#
        );
        fs::write(self.file("dnsfwd.toml"), text).unwrap();
    }

    fn runs(&self, arguments: &[&str]) -> Output {
        let mut command = self.aws.command(common::dnsfwd::binary());
        command.arg("--config").arg(self.file("dnsfwd.toml")).arg("aws").args(arguments);
        command.current_dir(self.folder.path()).output().unwrap()
    }

    /// Its standard output, if it ends so.
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.runs(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        format!("{out}{err}")
    }
}

#[test]
fn from_nothing_to_what_is_wanted_and_back() {
    let operator = Operator::new();
    operator.writes("10.20.2.10", r#"["192.168.2.250"]"#);
    let shown = operator.ends(1, &["plan"]);
    assert!(shown.contains("anycompany-inbound") && shown.contains("Cost a month"), "{shown}");
    assert!(operator.aws.changes(0).is_empty(), "a plan changes nothing");

    let refused = operator.ends(2, &["apply"]);
    assert!(refused.contains("--yes"), "without a terminal nobody is asked: {refused}");
    let done = operator.ends(0, &["apply", "--yes"]);
    assert!(done.contains("done    create INBOUND endpoint anycompany-inbound"), "{done}");
    operator.ends(0, &["plan"]);

    let before = operator.aws.journal().len();
    operator.ends(0, &["apply", "--yes"]);
    assert_eq!(operator.aws.changes(before), Vec::<String>::new(), "a repeated apply is harmless");

    let status: Value = serde_json::from_slice(&operator.runs(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["drift"], json!([]));
    let addresses = status["endpoints"][0]["addresses"].as_array().unwrap();
    assert!(addresses.iter().all(|address| address["status"] == "ATTACHED"), "{addresses:?}");

    let gone = operator.ends(0, &["destroy", "--yes"]);
    assert!(gone.contains("done    delete endpoint"), "{gone}");
    let world = operator.aws.world();
    assert_eq!((&world["endpoints"], &world["rules"]), (&json!([]), &json!([])));
}

/// The address that stays is never alone, and the plan that was looked at is the one that is done.
#[test]
fn a_plan_in_a_file_is_done_as_it_was_shown_or_not_at_all() {
    let operator = Operator::new();
    operator.writes("10.20.2.10", r#"["192.168.2.250"]"#);
    operator.ends(0, &["apply", "--yes"]);
    operator.writes("10.20.2.11", r#"["192.168.2.251"]"#);
    operator.ends(1, &["plan", "--out", "plan.json"]);

    let path = operator.file("plan.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(operator.file("other.json"), text.replace("192.168.2.251", "192.168.2.66")).unwrap();
    let before = operator.aws.journal().len();
    let tampered = operator.ends(2, &["apply", "other.json"]);
    assert!(tampered.contains("its hash doesn't fit"), "{tampered}");
    assert!(operator.aws.changes(before).is_empty());

    operator.ends(0, &["apply", "plan.json"]);
    let calls = operator.aws.changes(before);
    let place = |operation: &str| calls.iter().position(|call| call.starts_with(operation)).expect(operation);
    let (added, removed) =
        (place("AssociateResolverEndpointIpAddress"), place("DisassociateResolverEndpointIpAddress"));
    assert!(added < removed, "{calls:?}");

    let before = operator.aws.journal().len();
    let moved = operator.ends(1, &["apply", "plan.json"]);
    assert!(moved.contains("AWS has moved since the plan was made"), "{moved}");
    assert!(moved.contains("10.20.2.11"), "{moved}");
    assert!(operator.aws.changes(before).is_empty());

    operator.ends(0, &["plan", "--out", "plan.json"]);
    operator.writes("10.20.2.11", r#"["192.168.2.252"]"#);
    let other = operator.ends(1, &["apply", "plan.json"]);
    assert!(other.contains("[aws] has changed since"), "{other}");
}

/// Stopped at each request that changes something: the next run goes on, and nothing is there twice.
#[test]
fn a_run_that_lost_an_answer_is_taken_up() {
    let operator = Operator::new();
    operator.writes("10.20.2.10", r#"["192.168.2.250"]"#);
    for operation in ["CreateResolverEndpoint", "CreateResolverRule", "AssociateResolverRule"] {
        operator.aws.fault(&json!({
            "operation": operation, "kind": "exception", "code": "AccessDeniedException",
            "message": "not today", "times": 1, "carried_out": true,
        }));
        let stopped = operator.ends(2, &["apply", "--yes"]);
        assert!(
            stopped.contains("Stopped at: ") && stopped.contains("goes on from what is there"),
            "{stopped}"
        );
    }
    operator.ends(0, &["apply", "--yes"]);
    let world = operator.aws.world();
    let count = |what: &str| world[what].as_array().unwrap().len();
    assert_eq!((count("endpoints"), count("rules"), count("associations")), (2, 1, 1));
}
