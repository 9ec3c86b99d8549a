//! What AWS says against it, as an operator reads it; how its rate is kept; and where credentials come from.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::RefCell;
use std::path::Path;
use std::process::{Command, Stdio};

use common::Aws as StandIn;
use common::aws::{ACCOUNT, REGION};
use dnsfwd::aws::cloud::amazon::Amazon;
use dnsfwd::aws::cloud::{Cloud, Tell};
use dnsfwd::aws::plan::step::{Step, Tags};
use dnsfwd::aws::trouble::{Kind, Trouble};
use dnsfwd::config::aws::{Aws, RuleType};
use serde_json::json;

const SECRET: &str = "wJalrXUtnFEMI-not-a-secret";

fn wanted(rest: &str) -> Aws {
    let text = format!(
        "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n[aws]\nregion = \"{REGION}\"\nowner = \"anycompany-dns\"\n{rest}"
    );
    let loaded = dnsfwd::config::load_text(Path::new("dnsfwd.toml"), text);
    loaded.config.unwrap().aws.unwrap()
}

async fn connected(stand_in: &StandIn) -> Amazon {
    Amazon::connect_to(&wanted(""), &stand_in.url(), "AKIDTESTING", SECRET).await.unwrap()
}

fn rule(number: usize) -> Step {
    Step::CreateRule {
        made: format!("rule-{number}"),
        creator_request_id: format!("dnsfwd:anycompany-dns:rule:{number}:0"),
        name: format!("rule {number}"),
        kind: RuleType::System,
        domain: format!("zone-{number}.example."),
        targets: Vec::new(),
        endpoint: None,
        tags: Tags::new(),
    }
}

#[derive(Default)]
struct Told(RefCell<Vec<String>>);

impl Tell for Told {
    fn tell(&self, what: &str) {
        self.0.borrow_mut().push(what.to_owned());
    }
}

#[tokio::test]
async fn aws_s_rate_is_never_exceeded() {
    let stand_in = StandIn::start();
    stand_in.settings(&json!({"throttle": {"rate": 5, "burst": 5}}));
    let amazon = connected(&stand_in).await;
    for number in 0..21 {
        amazon.ask(&rule(number)).await.unwrap();
    }
    let told = Told::default();
    let world = amazon.observe(&wanted(""), &told).await.unwrap();
    assert_eq!(world.rules.len(), 21);
    let told = told.0.into_inner();
    assert!(told.contains(&"tags of 20 of 21 rules".to_owned()), "{told:?}");
    let throttled = stand_in.journal().iter().filter(|call| call["error"] == "ThrottlingException").count();
    assert_eq!(throttled, 0);
}

/// Others of the account take from the same bucket.
#[tokio::test]
async fn throttling_is_waited_out() {
    let stand_in = StandIn::start();
    stand_in.settings(&json!({"throttle": {"rate": 3, "burst": 1}}));
    let amazon = connected(&stand_in).await;
    for number in 0..8 {
        amazon.ask(&rule(number)).await.unwrap();
    }
    let throttled = stand_in.journal().iter().filter(|call| call["error"] == "ThrottlingException").count();
    assert!(throttled > 0, "the stand-in lets fewer pass than are sent");
    assert_eq!(stand_in.world()["rules"].as_array().unwrap().len(), 8);
}

async fn refused(stand_in: &StandIn, amazon: &Amazon, operation: &str, code: &str, message: &str) -> Trouble {
    stand_in.fault(&json!({"operation": operation, "kind": "exception", "code": code, "message": message}));
    amazon.observe(&wanted(""), &()).await.unwrap_err()
}

#[tokio::test]
async fn refusals_are_put_in_an_operator_s_words() {
    let stand_in = StandIn::start();
    let amazon = connected(&stand_in).await;
    for (operation, code, message, kind, told, help) in [
        (
            "ListResolverRules",
            "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/ops is not authorized to perform: route53resolver:ListResolverRules",
            Kind::Denied,
            "is not authorized to perform: route53resolver:ListResolverRules (ListResolverRules: AccessDeniedException)",
            "allow route53resolver:ListResolverRules",
        ),
        (
            "DescribeSecurityGroups",
            "UnauthorizedOperation",
            "You are not authorized to perform this operation.",
            Kind::Denied,
            "(DescribeSecurityGroups: UnauthorizedOperation)",
            "allow ec2:DescribeSecurityGroups",
        ),
        (
            "GetResourceShares",
            "AccessDeniedException",
            "User is not authorized to perform: ram:GetResourceShares",
            Kind::Denied,
            "(GetResourceShares: AccessDeniedException)",
            "allow ram:GetResourceShares",
        ),
        (
            "ListResolverEndpoints",
            "ExpiredTokenException",
            "The security token included in the request is expired",
            Kind::Credentials,
            "token included in the request is expired",
            "aws sso login",
        ),
        (
            "ListResolverEndpoints",
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            Kind::Credentials,
            "(ListResolverEndpoints: UnrecognizedClientException)",
            "Region is enabled",
        ),
        (
            "ListResolverEndpoints",
            "InvalidRequestException",
            "[RSLVR-00405] The IP address is reserved.",
            Kind::Refused,
            "The IP address is reserved. (ListResolverEndpoints: RSLVR-00405)",
            "first four",
        ),
    ] {
        let trouble = refused(&stand_in, &amazon, operation, code, message).await;
        assert_eq!(trouble.kind, kind, "{code}");
        assert!(trouble.to_string().contains(told), "{code}: {trouble}");
        assert!(trouble.help.contains(help), "{code}: {}", trouble.help);
        assert!(!format!("{trouble:?}").contains(SECRET));
    }
}

#[tokio::test]
async fn an_aws_that_can_not_be_reached_is_told_with_its_cause() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let amazon =
        Amazon::connect_to(&wanted(""), &format!("http://127.0.0.1:{port}"), "AKID", SECRET).await.unwrap();
    let trouble = amazon.glance(&wanted("")).await.unwrap_err();
    assert_eq!(trouble.kind, Kind::Unreachable);
    assert!(trouble.message.contains("onnection refused"), "{trouble}");
    assert!(trouble.help.contains("AWS_ENDPOINT_URL"), "{}", trouble.help);
}

/// Run by the next tests in an environment of its own.
#[tokio::test]
#[ignore = "a part of other tests"]
async fn inside() {
    let profile = std::env::var("PROFILE_OF_THE_FILE").unwrap();
    let rest = if profile.is_empty() { String::new() } else { format!("profile = \"{profile}\"") };
    let wanted = wanted(&rest);
    let world = match Amazon::connect(&wanted).await {
        Ok(amazon) => amazon.observe(&wanted, &()).await,
        Err(trouble) => Err(trouble),
    };
    match world {
        Ok(world) => println!("ACCOUNT {}", world.account),
        Err(trouble) => println!("TROUBLE {:?} {trouble} HELP {}", trouble.kind, trouble.help),
    }
}

/// What `inside` says, in the stand-in's environment after `change`.
fn run_inside(stand_in: &StandIn, profile: &str, change: impl FnOnce(&mut Command)) -> String {
    let mut command = stand_in.command(std::env::current_exe().unwrap());
    command.args(["--exact", "inside", "--ignored", "--nocapture"]).env("PROFILE_OF_THE_FILE", profile);
    change(&mut command);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    told
}

#[test]
fn the_environment_and_profiles_are_the_sdk_s() {
    let stand_in = StandIn::start();
    let told = run_inside(&stand_in, "", |_| {});
    assert!(told.contains(&format!("ACCOUNT {ACCOUNT}")), "{told}");

    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let url = stand_in.url();
    let text = format!(
        "[profile network]\naws_access_key_id = AKIDNETWORK\naws_secret_access_key = {SECRET}\n\
         endpoint_url = {url}\n"
    );
    std::fs::write(&config, text).unwrap();
    let told = run_inside(&stand_in, "network", |command| {
        command.env("AWS_CONFIG_FILE", &config).env_remove("AWS_ENDPOINT_URL");
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    });
    assert!(told.contains(&format!("ACCOUNT {ACCOUNT}")), "{told}");

    // Each service may be somewhere else.
    let told = run_inside(&stand_in, "", |command| {
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
        for service in ["ROUTE53RESOLVER", "EC2", "STS", "RAM"] {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), &url);
        }
    });
    assert!(told.contains(&format!("ACCOUNT {ACCOUNT}")), "{told}");
}

#[test]
fn without_credentials_the_way_that_was_taken_is_told() {
    let stand_in = StandIn::start();
    let without = |command: &mut Command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env("AWS_SECRET_ACCESS_KEY", SECRET);
    };
    for (profile, subject) in [("", "the chain of credentials"), ("network", "profile network (of the file)")]
    {
        let told = run_inside(&stand_in, profile, without);
        assert!(told.contains(&format!("TROUBLE Credentials {subject}: no credentials for AWS")), "{told}");
        assert!(told.contains("HELP name a profile") && !told.contains(SECRET), "{told}");
    }
    assert!(stand_in.journal().is_empty(), "nothing was asked of AWS");
}
