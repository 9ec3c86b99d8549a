//! The table against the code that asks, and the document against what IAM takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::config;

/// Characters of a managed policy, white space not counted (IAM quotas).
const MANAGED_POLICY: usize = 6_144;

const WHOLE: &str = r#"
version = 1
[aws]
region = "eu-central-1"
owner = "anycompany-dns"
[aws.inbound]
name = "in"
vpc = "vpc-0a"
addresses = [{ subnet = "subnet-0a", ip = "10.0.1.250" }, { subnet = "subnet-0b", ip = "10.0.2.250" }]
security_group = { allow = ["192.168.0.0/16"] }
[aws.outbound]
name = "out"
vpc = "vpc-0a"
addresses = [{ subnet = "subnet-0a" }, { subnet = "subnet-0b" }]
security_group = { ids = ["sg-0a"] }
type = "DUALSTACK"
[[aws.rule]]
domain = "anycompany.corp"
type = "FORWARD"
targets = ["192.168.2.250"]
vpcs = ["vpc-0a"]
share = ["111122223333"]
[aws.client_vpn]
endpoint = "cvpn-endpoint-0a"
dns_servers = ["10.0.1.250"]
authorize = true
[[aws.query_log]]
name = "to-bucket"
destination = "arn:aws:s3:::anycompany-dns-logs/eu"
[[aws.query_log]]
name = "to-stream"
destination = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/dns"
[[aws.query_log]]
name = "to-group"
destination = "arn:aws:logs:eu-central-1:123456789012:log-group:/dns:*"
[[aws.vpc]]
id = "vpc-0a"
dnssec_validation = true
autodefined_reverse = false
"#;

const SMALL: &str = "version = 1\n[aws]\nregion = \"cn-north-1\"\nowner = \"small\"\n";

fn aws(text: &str) -> Aws {
    let loaded = config::load_text(Path::new("/etc/dnsfwd/dnsfwd.toml"), text.to_owned());
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)).aws.unwrap()
}

fn wish(command: Command) -> Wish {
    Wish { command, account: Some("123456789012".to_owned()), is_for_all: false }
}

fn actions(document: &Value) -> BTreeSet<String> {
    let statements = document["Statement"].as_array().unwrap();
    let all = statements.iter().flat_map(|one| one["Action"].as_array().unwrap());
    all.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// Names in quotation marks that have the form of an operation.
fn named(folder: &Path, found: &mut BTreeSet<String>) {
    const VERBS: [&str; 13] = [
        "List",
        "Get",
        "Describe",
        "Create",
        "Update",
        "Delete",
        "Associate",
        "Disassociate",
        "Tag",
        "Untag",
        "Authorize",
        "Revoke",
        "Modify",
    ];
    // Parameters of EC2's requests.
    const OTHERS: [&str; 2] = ["AuthorizeAllGroups", "RevokeAllGroups"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            named(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for word in text.split('"') {
            let rest = VERBS.iter().find_map(|verb| word.strip_prefix(verb));
            let is_name = rest.is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_ascii_uppercase()) && rest.chars().all(char::is_alphanumeric)
            });
            if is_name && !OTHERS.contains(&word) {
                found.insert(word.to_owned());
            }
        }
    }
}

#[test]
fn the_table_names_what_the_code_calls_and_nothing_else() {
    let mut found = BTreeSet::new();
    named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws/cloud"), &mut found);
    assert!(found.remove("GetCallerIdentity"), "which needs no permission");
    let table: BTreeSet<String> = CALLED.iter().map(|operation| operation.name.to_owned()).collect();
    assert_eq!(found, table);
}

#[test]
fn a_configuration_that_uses_all_needs_all() {
    let document = document(&aws(WHOLE), &wish(Command::Apply));
    let wanted: BTreeSet<String> =
        CALLED.iter().chain(IMPLIED).map(|one| format!("{}:{}", one.service, one.name)).collect();
    assert_eq!(actions(&document), wanted);
}

#[test]
fn a_plan_only_looks() {
    for text in [WHOLE, SMALL] {
        for action in actions(&document(&aws(text), &wish(Command::Plan))) {
            let name = action.split(':').nth(1).unwrap();
            assert!(["List", "Get", "Describe"].iter().any(|look| name.starts_with(look)), "{action}");
        }
    }
}

#[test]
fn what_is_not_used_is_not_allowed() {
    let small = actions(&document(&aws(SMALL), &wish(Command::Apply)));
    for part in ["ClientVpn", "Create", "Delete", "Logging", "Dnssec", "s3:", "logs:", "iam:"] {
        assert!(!small.iter().any(|action| action.contains(part)), "{part} in {small:?}");
    }
    let all = Wish { is_for_all: true, ..wish(Command::Apply) };
    let all = actions(&document(&aws(SMALL), &all));
    assert!(CALLED.iter().all(|one| all.contains(&format!("{}:{}", one.service, one.name))));
}

#[test]
fn statements_are_as_narrow_as_the_service_allows() {
    let document = document(&aws(WHOLE), &wish(Command::Apply));
    let statement = |sid: &str| {
        let all = document["Statement"].as_array().unwrap();
        all.iter().find(|one| one["Sid"] == sid).unwrap_or_else(|| panic!("{sid}")).clone()
    };
    assert_eq!(statement("Look")["Condition"]["StringEquals"]["aws:RequestedRegion"], "eu-central-1");
    assert_eq!(
        statement("Endpoints")["Resource"],
        json!(["arn:aws:route53resolver:eu-central-1:123456789012:resolver-endpoint/*"])
    );
    assert_eq!(
        statement("AnyRule")["Resource"],
        json!(["arn:aws:route53resolver:eu-central-1:*:resolver-rule/*"])
    );
    assert_eq!(
        statement("OurGroups")["Condition"],
        json!({"StringEquals": {"aws:ResourceTag/dnsfwd:owner": "anycompany-dns"}})
    );
    assert_eq!(
        statement("ClientVpns")["Resource"][0],
        "arn:aws:ec2:eu-central-1:123456789012:client-vpn-endpoint/cvpn-endpoint-0a"
    );
    assert_eq!(statement("Buckets")["Resource"], json!(["arn:aws:s3:::anycompany-dns-logs"]));
    let stars =
        document["Statement"].as_array().unwrap().iter().filter(|one| one["Resource"] == json!(["*"]));
    assert!(stars.clone().count() > 0);
    for one in stars {
        assert!(one["Condition"].is_object(), "{one}");
    }
}

#[test]
fn it_fits_into_a_managed_policy_and_each_sid_is_once() {
    let document = document(&aws(WHOLE), &wish(Command::Apply));
    assert_eq!(document["Version"], "2012-10-17");
    let length = document.to_string().chars().filter(|c| !c.is_whitespace()).count();
    assert!(length <= MANAGED_POLICY, "{length}");
    let sids: Vec<&str> =
        document["Statement"].as_array().unwrap().iter().map(|one| one["Sid"].as_str().unwrap()).collect();
    assert_eq!(sids.iter().collect::<BTreeSet<_>>().len(), sids.len());
    assert!(sids.iter().all(|sid| sid.chars().all(|c| c.is_ascii_alphanumeric())));
}

#[test]
fn china_and_govcloud_have_partitions_of_their_own() {
    let text = format!("{SMALL}[[aws.rule]]\ndomain = \"a.corp\"\ntype = \"SYSTEM\"\n");
    let document = document(&aws(&text), &wish(Command::Apply));
    assert!(document.to_string().contains("arn:aws-cn:route53resolver:cn-north-1"));
    assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
}
