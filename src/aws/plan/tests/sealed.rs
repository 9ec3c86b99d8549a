//! Plans as files, and worlds that move.

use super::super::{Options, Plan, Tampered, moved, plan};
use super::{aws, base, settled};
use crate::aws::show::show;
use crate::aws::world::State;

const WANTED: &str = r#"
[aws]
region = "ap-northeast-2"
owner = "anycompany-dns"
[aws.inbound]
name = "anycompany-inbound"
vpc = "vpc-hub"
addresses = [{ subnet = "subnet-a", ip = "10.0.1.250" }, { subnet = "subnet-b", ip = "10.0.2.250" }]
security_group = { allow = ["192.168.0.0/16"] }
"#;

fn some_plan() -> Plan {
    plan(&aws(WANTED), &base(), &Options::default())
}

#[test]
fn a_plan_comes_back_from_its_file_as_it_was() {
    let plan = some_plan();
    let text = serde_json::to_string_pretty(&plan).unwrap();
    let read: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.verify(), Ok(()));
}

#[test]
fn a_plan_that_was_changed_is_refused() {
    let text = serde_json::to_string(&some_plan()).unwrap();
    let changed = text.replace("192.168.0.0/16", "0.0.0.0/0");
    assert_ne!(changed, text);
    let read: Plan = serde_json::from_str(&changed).unwrap();
    assert_eq!(read.verify(), Err(Tampered::Hash));
    let newer = Plan { format: 2, ..some_plan() }.sealed();
    assert_eq!(newer.verify(), Err(Tampered::Format(2)));
}

/// Where in the file a wish stands, and how AWS is reached, is no part of it.
#[test]
fn the_digest_is_of_what_is_wanted() {
    let digest = |text: &str| plan(&aws(text), &base(), &Options::default()).wanted;
    let same = WANTED.replace("[aws]\n", "[aws]\n\n# A remark.\nfollow = \"5m\"\nprofile = \"network\"\n");
    assert_eq!(digest(&same), digest(WANTED));
    assert_ne!(digest(&WANTED.replace("192.168.0.0/16", "192.168.0.0/17")), digest(WANTED));
}

#[test]
fn colour_is_by_request() {
    assert!(show(&some_plan(), true).contains("\u{1b}["));
    assert!(!show(&some_plan(), false).contains('\u{1b}'));
}

#[test]
fn what_has_moved_is_said_in_words() {
    let old = settled(&aws(WANTED), base());
    assert!(moved(&old, &old).is_empty());
    let mut new = old.clone();
    let endpoint = new.endpoints.get_mut("rslvr-in-1").unwrap();
    endpoint.name = "renamed".to_owned();
    let address = endpoint.addresses.get_mut("rni-1").unwrap();
    (address.state, address.status) = (State::Broken, "FAILED_RESOURCE_GONE".to_owned());
    new.security_groups.remove("sg-1");
    new.rules.insert(
        "rslvr-rr-7".to_owned(),
        serde_json::from_value(serde_json::json!({
            "name": "theirs", "arn": "arn:aws:x", "domain": "corp.example.", "kind": "FORWARD", "targets": [],
            "endpoint": null, "state": "ready", "status": "COMPLETE", "creator_request_id": "x",
            "owner": "111122223333", "tags": {},
        }))
        .unwrap(),
    );
    assert_eq!(
        moved(&old, &new),
        [
            "endpoint rslvr-in-1 (anycompany-inbound): name anycompany-inbound → renamed",
            "endpoint rslvr-in-1 address rni-1 (10.0.1.250): ATTACHED → FAILED_RESOURCE_GONE",
            "rule rslvr-rr-7 (theirs): new",
            "security group sg-1 (dnsfwd-anycompany-dns-anycompany-inbound): gone",
        ]
    );
}
