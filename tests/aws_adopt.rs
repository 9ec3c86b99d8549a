//! `dnsfwd aws adopt`, `policy` and `export` as operators run them, against the stand-in for AWS: what others made is
//! taken over, a plan then only marks it, and no command calls what its policy doesn't allow.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

use common::Aws;
use common::aws::{REGION, SUBNETS, VPC};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a console would have made: an endpoint of each direction, a rule without a name on a VPC, a query log.
const MADE: &str = r#"
import boto3, time
client = boto3.client("route53resolver")
def endpoint(direction, subnets):
    made = client.create_resolver_endpoint(
        CreatorRequestId="console-" + direction, Name="AnyCompany " + direction.lower(), Direction=direction,
        SecurityGroupIds=["sg-0123456789abcdef0"], Tags=[{"Key": "team", "Value": "network"}],
        IpAddresses=[{"SubnetId": subnet, "Ip": ip} for subnet, ip in subnets])["ResolverEndpoint"]["Id"]
    for _ in range(200):
        if client.get_resolver_endpoint(ResolverEndpointId=made)["ResolverEndpoint"]["Status"] == "OPERATIONAL":
            return made
        time.sleep(0.02)
a, b = "subnet-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa2"
inbound = endpoint("INBOUND", [(a, "10.20.1.10"), (b, "10.20.2.10")])
outbound = endpoint("OUTBOUND", [(a, "10.20.1.20"), (b, "10.20.2.20")])
rule = client.create_resolver_rule(
    CreatorRequestId="console-rule", Name="corp", RuleType="FORWARD", DomainName="anycompany.corp",
    TargetIps=[{"Ip": "192.168.2.250", "Port": 53}], ResolverEndpointId=outbound)["ResolverRule"]["Id"]
made = client.associate_resolver_rule(ResolverRuleId=rule, VPCId="vpc-0a1b2c3d4e5f60718")
made = made["ResolverRuleAssociation"]["Id"]
for _ in range(200):
    told = client.get_resolver_rule_association(ResolverRuleAssociationId=made)["ResolverRuleAssociation"]
    if told["Status"] == "COMPLETE":
        break
    time.sleep(0.02)
print(inbound, outbound, rule)
"#;

struct Operator {
    aws: Aws,
    folder: TempDir,
}

impl Operator {
    fn new(more: &str) -> Operator {
        let aws = Aws::start();
        aws.seed_network();
        aws.settings(&json!({"pace": {"looks": 1}}));
        let folder = tempfile::tempdir().unwrap();
        let main = format!("version = 1\n[aws]\nregion = \"{REGION}\"\nowner = \"mine\"\n{more}");
        fs::write(folder.path().join("dnsfwd.toml"), main).unwrap();
        Operator { aws, folder }
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("conf.d/adopted.toml")
    }

    fn runs(&self, arguments: &[&str]) -> Output {
        let mut command = self.aws.command(common::dnsfwd::binary());
        command.arg("--config").arg(self.folder.path().join("dnsfwd.toml")).arg("aws").args(arguments);
        command.current_dir(self.folder.path()).output().unwrap()
    }

    /// Standard output and standard error, if it ends so.
    fn ends(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.runs(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        (out.into_owned(), err.into_owned())
    }

    /// Names of the operations that were called after the first `since` calls.
    fn called(&self, since: usize) -> BTreeSet<String> {
        let calls = self.aws.journal().into_iter().skip(since);
        let names = calls.map(|call| call["operation"].as_str().unwrap().to_owned());
        names.filter(|name| name != "GetCallerIdentity").collect()
    }

    /// Names of the operations that a policy allows.
    fn allowed(&self, command: &str) -> BTreeSet<String> {
        let (out, _) = self.ends(0, &["policy", command]);
        let document: Value = serde_json::from_str(&out).unwrap();
        let statements = document["Statement"].as_array().unwrap();
        let actions = statements.iter().flat_map(|one| one["Action"].as_array().unwrap());
        actions.map(|action| action.as_str().unwrap().split(':').nth(1).unwrap().to_owned()).collect()
    }
}

#[test]
fn what_others_made_is_taken_over_and_only_marked() {
    let operator = Operator::new("");
    let made = operator.aws.script(MADE);
    let [inbound, outbound, rule] = made.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{made}") };
    let before = operator.aws.journal().len();
    let (list, _) = operator.ends(0, &["adopt"]);
    for id in [inbound, outbound, rule] {
        assert!(list.contains(id), "{list}");
    }
    let (_, why) = operator.ends(2, &["adopt", rule]);
    assert!(why.contains(outbound), "a rule comes with its endpoint: {why}");
    let (text, _) = operator.ends(0, &["adopt", "--all"]);
    let (_, why) = operator.ends(2, &["adopt", "--all", "--write", "/tmp/elsewhere.toml"]);
    assert!(why.contains("never be read"), "{why}");
    let (out, _) = operator.ends(0, &["adopt", "--all", "--write", "adopted.toml"]);
    assert!(out.contains("dnsfwd aws plan"), "{out}");
    assert_eq!(fs::read_to_string(operator.part()).unwrap(), text);
    assert_eq!(fs::metadata(operator.part()).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(operator.aws.changes(before), [] as [String; 0], "nothing is changed in AWS");
    let (_, why) = operator.ends(2, &["adopt", "--all", "--write", "adopted.toml"]);
    assert!(why.contains("there already"), "{why}");
    let calls = operator.called(before);
    let allowed = operator.allowed("plan");
    assert!(calls.is_subset(&allowed), "{:?}", calls.difference(&allowed));

    let (plan, _) = operator.ends(1, &["--json", "plan"]);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["obstacles"], json!([]));
    let steps = plan["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3);
    assert!(steps.iter().all(|step| step["step"] == "tag"), "{steps:?}");
    let before = operator.aws.journal().len();
    operator.ends(0, &["apply", "--yes"]);
    assert_eq!(operator.aws.changes(before), ["TagResource"; 3]);
    operator.ends(0, &["plan"]);
    let (list, _) = operator.ends(0, &["adopt"]);
    assert!(list.contains("All that is in AWS is in the file"), "{list}");
}

#[test]
fn no_command_calls_what_its_policy_does_not_allow() {
    let [a, b, _] = SUBNETS;
    let operator = Operator::new(&format!(
        r#"
[aws.inbound]
name = "in"
vpc = "{VPC}"
addresses = [{{ subnet = "{a}", ip = "10.20.1.10" }}, {{ subnet = "{b}", ip = "10.20.2.10" }}]
security_group = {{ allow = ["192.168.0.0/16"] }}
[aws.outbound]
name = "out"
vpc = "{VPC}"
addresses = [{{ subnet = "{a}" }}, {{ subnet = "{b}" }}]
security_group = {{ allow = [] }}
[[aws.rule]]
domain = "anycompany.corp"
type = "FORWARD"
targets = ["192.168.2.250"]
vpcs = ["{VPC}"]
share = ["111122223333"]
[[aws.query_log]]
name = "queries"
destination = "arn:aws:s3:::anycompany-dns-logs"
vpcs = ["{VPC}"]
[[aws.vpc]]
id = "{VPC}"
dnssec_validation = true
autodefined_reverse = false
"#
    ));
    operator.ends(1, &["plan"]);
    let (called, allowed) = (operator.called(0), operator.allowed("plan"));
    assert!(called.is_subset(&allowed), "{:?}", called.difference(&allowed));
    assert!(called.len() > 5, "{called:?}");

    let before = operator.aws.journal().len();
    operator.ends(0, &["apply", "--yes"]);
    let (called, allowed) = (operator.called(before), operator.allowed("apply"));
    assert!(called.is_subset(&allowed), "{:?}", called.difference(&allowed));
    assert!(
        called.contains("CreateResolverEndpoint") && called.contains("CreateResourceShare"),
        "{called:?}"
    );
}

#[test]
fn an_export_says_on_standard_error_what_is_not_in_it() {
    let operator = Operator::new(
        "[aws.client_vpn]\nendpoint = \"cvpn-endpoint-0a\"\ndns_servers = [\"10.20.1.10\"]\nauthorize = true\n",
    );
    let (template, why) = operator.ends(1, &["export", "--format", "cloudformation"]);
    assert!(why.contains("DNS servers 10.20.1.10"), "{why}");
    let template: Value = serde_json::from_str(&template).unwrap();
    assert!(template["Resources"].as_object().unwrap().len() == 1, "{template}");
    let (_, why) = operator.ends(1, &["export", "--format", "terraform"]);
    assert!(why.contains("routes"), "{why}");
    assert!(operator.aws.journal().is_empty(), "nothing is asked of AWS");
}
