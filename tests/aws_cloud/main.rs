//! The SDK's side of the provisioner against a stand-in for AWS: what is made is observed, asked for again it is the
//! same, and faults make no doubles.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used)]

mod around;
#[path = "../common/mod.rs"]
mod common;
mod resolver;
mod trouble;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use common::Aws as StandIn;
use common::aws::{ACCOUNT, CLIENT_VPN, REGION, SECURITY_GROUP, SUBNETS, VPC};
use dnsfwd::aws::cloud::amazon::Amazon;
use dnsfwd::aws::cloud::{Asked, Cloud, Progress};
use dnsfwd::aws::plan::step::{NewAddress, Ref, Step, Tags, Way};
use dnsfwd::aws::trouble::Kind;
use dnsfwd::aws::world::{OWNER_TAG, Permission, State, Switch, World};
use dnsfwd::config::aws::{AddressFamily, Aws, Direction, Protocol, RuleTarget, RuleType};
use serde_json::json;

const SECRET: &str = "wJalrXUtnFEMI-not-a-secret";
const OWNER: &str = "anycompany-dns";

/// `[aws]` of a file, with what follows it.
fn wanted(rest: &str) -> Aws {
    let text = format!(
        "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n[aws]\nregion = \"{REGION}\"\nowner = \"{OWNER}\"\n{rest}"
    );
    let loaded = dnsfwd::config::load_text(Path::new("dnsfwd.toml"), text);
    let told: Vec<String> = loaded.diagnostics.iter().map(|one| format!("{one:?}")).collect();
    loaded.config.unwrap_or_else(|| panic!("{told:#?}")).aws.unwrap()
}

fn plain() -> Aws {
    wanted("")
}

/// All that a file may name beside what Resolver lists.
fn named() -> Aws {
    wanted(&format!(
        "client_vpn = {{ endpoint = \"{CLIENT_VPN}\", dns_servers = [\"10.20.1.10\"] }}\n\
         [[aws.vpc]]\nid = \"{VPC}\"\ndnssec_validation = true\nautodefined_reverse = false\n\
         [[aws.subnet]]\nid = \"{}\"\n[[aws.subnet]]\nid = \"subnet-0ffffffffffffffff\"\n",
        SUBNETS[0]
    ))
}

async fn connected(stand_in: &StandIn) -> Amazon {
    Amazon::connect_to(&plain(), &stand_in.url(), "AKIDTESTING", SECRET).await.unwrap()
}

fn tags() -> Tags {
    BTreeMap::from([(OWNER_TAG.to_owned(), OWNER.to_owned())])
}

fn address(subnet: usize, ip: Option<&str>) -> NewAddress {
    NewAddress { subnet: SUBNETS[subnet].into(), ip: ip.map(|ip| ip.parse().unwrap()), ipv6: None }
}

fn endpoint(name: &str, direction: Direction, addresses: Vec<NewAddress>) -> Step {
    Step::CreateEndpoint {
        made: name.into(),
        creator_request_id: format!("dnsfwd:{OWNER}:endpoint:{name}:0"),
        name: name.into(),
        direction,
        security_groups: vec![Ref::Id(SECURITY_GROUP.into())],
        family: AddressFamily::Ipv4,
        protocols: vec![Protocol::Do53],
        dns64: false,
        interface_metrics: true,
        target_metrics: direction == Direction::Outbound,
        ipv6_internet: false,
        addresses,
        tags: tags(),
    }
}

fn outbound() -> Step {
    endpoint("out", Direction::Outbound, vec![address(0, Some("10.20.1.20")), address(1, Some("10.20.2.20"))])
}

fn rule(name: &str, kind: RuleType, domain: &str, endpoint: Option<&str>, targets: &[&str]) -> Step {
    Step::CreateRule {
        made: name.into(),
        creator_request_id: format!("dnsfwd:{OWNER}:rule:{name}:0"),
        name: name.into(),
        kind,
        domain: domain.into(),
        targets: targets.iter().map(|target| rule_target(target)).collect(),
        endpoint: endpoint.map(|id| Ref::Id(id.into())),
        tags: tags(),
    }
}

fn rule_target(address: &str) -> RuleTarget {
    RuleTarget { address: address.parse().unwrap(), protocol: Protocol::Do53, sni: None }
}

/// Asks for a step and waits until it is done. What it made, if anything.
async fn done(amazon: &Amazon, step: Step) -> Option<String> {
    let made = amazon.ask(&step).await.unwrap_or_else(|trouble| panic!("{step:?}: {trouble}"));
    let asked = [Asked { step, made: made.clone() }];
    for _ in 0..60 {
        match &amazon.pending(&asked).await.unwrap()[0] {
            Progress::Done => return made,
            Progress::Waiting(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Progress::Broken(trouble) => panic!("{trouble}"),
        }
    }
    panic!("{asked:?} is never done");
}

async fn made(amazon: &Amazon, step: Step) -> String {
    done(amazon, step).await.unwrap()
}

async fn seen(amazon: &Amazon) -> World {
    amazon.observe(&plain(), &()).await.unwrap()
}

fn security_group() -> Step {
    Step::CreateSecurityGroup {
        made: "group".into(),
        name: format!("dnsfwd-{OWNER}-out"),
        description: "Outbound endpoint".into(),
        vpc: VPC.into(),
        tags: tags(),
    }
}

fn permission(protocol: &str, peer: &str) -> Permission {
    Permission { protocol: protocol.into(), from_port: 53, to_port: 53, peer: peer.into() }
}

fn permit(group: &str, peers: &[&str]) -> Step {
    let permissions = peers.iter().map(|peer| permission("udp", peer)).collect();
    Step::Permit { group: Ref::Id(group.into()), way: Way::Ingress, permissions }
}

fn share(rule: &str, principals: &[&str]) -> Step {
    Step::CreateShare {
        made: "share".into(),
        name: format!("dnsfwd-{OWNER}-corp"),
        resource: Ref::Id(rule.into()),
        principals: principals.iter().map(|one| (*one).to_owned()).collect(),
        tags: tags(),
    }
}
