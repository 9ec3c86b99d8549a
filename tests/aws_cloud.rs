//! The SDK's side of the provisioner against a stand-in for AWS: what is made is observed, asked for again it is the
//! same, and faults make no doubles.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used)]

mod common;

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
    Amazon::connect_to(&plain(), &stand_in.url(), "AKIDTESTING", "not-a-secret").await.unwrap()
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

#[tokio::test]
async fn endpoints_and_rules_are_observed_as_they_were_made_page_by_page() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await.with_pages_of(1);
    let out = made(&amazon, outbound()).await;
    let inbound =
        endpoint("in", Direction::Inbound, vec![address(0, None), address(1, None), address(2, None)]);
    let inbound = made(&amazon, inbound).await;
    let corp =
        rule("corp", RuleType::Forward, "anycompany.corp.", Some(&out), &["10.1.1.11:53", "10.1.1.10:5353"]);
    let corp = made(&amazon, corp).await;
    let system = made(&amazon, rule("aws", RuleType::System, "aws.anycompany.corp.", None, &[])).await;
    let delegate =
        made(&amazon, rule("sub", RuleType::Delegate, "ns.anycompany.corp.", Some(&out), &[])).await;
    done(&amazon, Step::Associate { rule: Ref::Id(corp.clone()), vpc: VPC.into(), name: "corp".into() })
        .await;

    let world = seen(&amazon).await;
    assert_eq!((world.account.as_str(), world.region.as_str()), (ACCOUNT, REGION));
    assert_eq!(world.endpoints.len(), 2);
    let endpoint = &world.endpoints[&out];
    assert_eq!(
        (endpoint.name.as_str(), endpoint.direction, endpoint.state),
        ("out", Direction::Outbound, State::Ready)
    );
    assert_eq!((endpoint.vpc.as_str(), &endpoint.security_groups), (VPC, &vec![SECURITY_GROUP.to_owned()]));
    assert!(
        endpoint.interface_metrics && endpoint.target_metrics && !endpoint.dns64 && !endpoint.ipv6_internet
    );
    assert_eq!((&endpoint.protocols, endpoint.family), (&vec![Protocol::Do53], AddressFamily::Ipv4));
    assert_eq!(endpoint.tags, tags());
    let mut ips: Vec<String> = endpoint.addresses.values().map(|one| one.ip.unwrap().to_string()).collect();
    ips.sort();
    assert_eq!(ips, ["10.20.1.20", "10.20.2.20"]);
    assert_eq!(world.endpoints[&inbound].addresses.len(), 3);
    assert_eq!(world.subnets.len(), 3, "those of endpoints that are ours");
    assert_eq!(world.subnets[SUBNETS[1]].az, format!("{REGION}b"));

    assert_eq!(world.rules.len(), 3, "AWS's own rule is none of them");
    let told = &world.rules[&corp];
    assert_eq!(
        (told.domain.as_str(), told.kind, told.owner.as_str()),
        ("anycompany.corp.", RuleType::Forward, ACCOUNT)
    );
    assert_eq!(told.targets, [rule_target("10.1.1.10:5353"), rule_target("10.1.1.11:53")], "sorted");
    assert_eq!((told.endpoint.as_ref(), &told.tags), (Some(&out), &tags()));
    assert_eq!(world.rules[&system].kind, RuleType::System);
    assert_eq!(
        (world.rules[&delegate].domain.as_str(), world.rules[&delegate].kind),
        ("ns.anycompany.corp.", RuleType::Delegate)
    );
    let associations: Vec<_> =
        world.associations.values().map(|one| (&one.rule, one.vpc.as_str(), one.state)).collect();
    assert_eq!(associations, [(&corp, VPC, State::Ready)], "AWS's own association is none of them");

    let glance = amazon.glance(&plain()).await.unwrap();
    assert_eq!(glance.rules.keys().collect::<Vec<_>>(), world.rules.keys().collect::<Vec<_>>());
    assert_eq!((glance.endpoints.len(), glance.subnets), (2, world.subnets));
}

#[tokio::test]
async fn what_was_asked_for_before_is_found_and_what_is_gone_is_no_trouble() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let out = made(&amazon, outbound()).await;
    let corp = rule("corp", RuleType::Forward, "anycompany.corp.", Some(&out), &["10.1.1.10:53"]);
    let id = made(&amazon, corp.clone()).await;
    let associate = Step::Associate { rule: Ref::Id(id.clone()), vpc: VPC.into(), name: "corp".into() };
    done(&amazon, associate.clone()).await;
    assert_eq!(amazon.ask(&outbound()).await, Ok(Some(out.clone())));
    assert_eq!(amazon.ask(&corp).await, Ok(Some(id.clone())));
    assert_eq!(amazon.ask(&associate).await, Ok(None));

    let steps = [
        Step::Disassociate { rule: id.clone(), vpc: VPC.into() },
        Step::DeleteRule { rule: id },
        Step::DeleteEndpoint { endpoint: out },
    ];
    for step in steps {
        amazon.ask(&step).await.unwrap();
        amazon.ask(&step).await.unwrap_or_else(|trouble| panic!("{step:?} on its way out: {trouble}"));
        done(&amazon, step).await;
    }
    let world = seen(&amazon).await;
    assert_eq!((world.endpoints.len(), world.rules.len(), world.associations.len()), (0, 0, 0));
}

#[tokio::test]
async fn changes_are_waited_for_until_they_are_shown() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    stand_in.settings(&json!({"pace": {"looks": 2}}));
    let amazon = connected(&stand_in).await;
    let step = outbound();
    let id = amazon.ask(&step).await.unwrap();
    let out = id.clone().unwrap();
    let asked = [Asked { step, made: id }];
    let mut told = Vec::new();
    while told.last() != Some(&Progress::Done) {
        assert!(told.len() < 10, "{told:?}");
        told.extend(amazon.pending(&asked).await.unwrap());
    }
    assert_eq!(told[0], Progress::Waiting("CREATING: [Trace id: 1-0] CREATING, 0 of 2 ATTACHED".into()));

    let id =
        made(&amazon, rule("corp", RuleType::Forward, "anycompany.corp.", Some(&out), &["10.1.1.10:53"]))
            .await;
    let targets = vec![rule_target("10.1.1.12:53"), rule_target("10.1.1.11:53")];
    let update = Step::UpdateRule {
        rule: id.clone(),
        name: Some("new".into()),
        targets: Some(targets),
        endpoint: None,
    };
    stand_in.settings(&json!({"pace": {"looks": 5}}));
    amazon.ask(&update).await.unwrap();
    // AWS takes no other update meanwhile: the same one again is no trouble, another is for later.
    amazon.ask(&update).await.unwrap();
    let other = Step::UpdateRule { rule: id, name: Some("other".into()), targets: None, endpoint: None };
    let trouble = amazon.ask(&other).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.resolver_code.as_deref()), (Kind::Busy, Some("RSLVR-00705")));
    let asked = Asked { step: update.clone(), made: None };
    let awaited = Asked { step: Step::Await { until: Box::new(update.clone()) }, made: None };
    for progress in amazon.pending(&[asked, awaited]).await.unwrap() {
        assert!(
            matches!(&progress, Progress::Waiting(status) if status.starts_with("UPDATING")),
            "{progress:?}"
        );
    }
    done(&amazon, update).await;

    let update = Step::UpdateEndpoint {
        endpoint: out.clone(),
        name: None,
        family: None,
        protocols: Some(vec![Protocol::Doh, Protocol::Do53]),
        dns64: None,
        interface_metrics: Some(false),
        target_metrics: None,
        ipv6_internet: None,
        ipv6: BTreeMap::new(),
    };
    done(&amazon, update).await;
    let world = seen(&amazon).await;
    let endpoint = &world.endpoints[&out];
    assert_eq!(
        (endpoint.name.as_str(), endpoint.interface_metrics, endpoint.target_metrics),
        ("out", false, true)
    );
    assert_eq!(endpoint.protocols, [Protocol::Do53, Protocol::Doh]);
}

#[tokio::test]
async fn an_address_goes_only_while_two_others_are_attached() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let out = made(&amazon, outbound()).await;
    let old = seen(&amazon).await.endpoints[&out].addresses.keys().next().unwrap().clone();
    assert_eq!(amazon.attached(&out, &old).await, Ok(1));
    let remove = Step::RemoveAddress { endpoint: out.clone(), address: old.clone() };
    let trouble = amazon.ask(&remove).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.resolver_code.as_deref()), (Kind::Busy, Some("RSLVR-00506")));
    assert_eq!(stand_in.calls("DisassociateResolverEndpointIpAddress").len(), 0);

    let pinned = Step::AddAddress { endpoint: out.clone(), address: address(2, Some("10.20.3.20")) };
    done(&amazon, pinned.clone()).await;
    assert_eq!(amazon.ask(&pinned).await, Ok(None), "the same again");
    let chosen = Step::AddAddress { endpoint: out.clone(), address: address(2, None) };
    let id = made(&amazon, chosen).await;
    let addresses = seen(&amazon).await.endpoints[&out].addresses.clone();
    assert_eq!((addresses.len(), addresses[&id].subnet.as_str()), (4, SUBNETS[2]));

    done(&amazon, remove.clone()).await;
    amazon.ask(&remove).await.unwrap();
    assert_eq!(amazon.attached(&out, "").await, Ok(3));
    let trouble = amazon.attached("rslvr-out-00000000000000000", "").await.unwrap_err();
    assert_eq!(trouble.kind, Kind::NotFound);
}

/// A fault of each kind befalls the request, before or after it is carried out.
#[tokio::test]
async fn faults_make_no_doubles() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    stand_in.settings(&json!({"pace": {"ms": 0}}));
    let amazon = connected(&stand_in).await;
    let faults = |operation: &str| {
        for (kind, carried_out) in [("cut", true), ("status", false), ("status", true), ("cut", false)] {
            let fault =
                json!({"operation": operation, "kind": kind, "carried_out": carried_out, "status": 502});
            stand_in.fault(&fault);
        }
    };
    faults("CreateResolverEndpoint");
    let out = made(&amazon, outbound()).await;
    faults("CreateResolverRule");
    let corp =
        made(&amazon, rule("corp", RuleType::Forward, "anycompany.corp.", Some(&out), &["10.1.1.10:53"]))
            .await;
    faults("AssociateResolverRule");
    done(&amazon, Step::Associate { rule: Ref::Id(corp.clone()), vpc: VPC.into(), name: "corp".into() })
        .await;
    stand_in.fault(
        &json!({"operation": "AssociateResolverEndpointIpAddress", "kind": "cut", "carried_out": false}),
    );
    stand_in.fault(
        &json!({"operation": "AssociateResolverEndpointIpAddress", "kind": "cut", "carried_out": true}),
    );
    made(&amazon, Step::AddAddress { endpoint: out.clone(), address: address(2, None) }).await;
    stand_in.fault(&json!({"operation": "CreateSecurityGroup", "kind": "cut", "carried_out": true}));
    let group = made(&amazon, security_group()).await;
    stand_in
        .fault(&json!({"operation": "AuthorizeSecurityGroupIngress", "kind": "cut", "carried_out": true}));
    done(&amazon, permit(&group, &["10.1.0.0/16", "10.2.0.0/16"])).await;
    stand_in.fault(&json!({"operation": "CreateResourceShare", "kind": "status", "carried_out": true}));
    made(&amazon, share(&corp, &["111122223333"])).await;

    let world = seen(&amazon).await;
    assert_eq!(world.endpoints[&out].addresses.len(), 3);
    assert_eq!((world.endpoints.len(), world.rules.len(), world.associations.len()), (1, 1, 1));
    assert_eq!((world.security_groups.len(), world.shares.len()), (1, 1));
    assert_eq!(world.security_groups[&group].ingress.len(), 2);
    let befallen = stand_in.journal().iter().filter(|call| !call["fault"].is_null()).count();
    assert_eq!(befallen, 17, "all of them");
}

/// AWS remembers the CreatorRequestId of a rule that is gone.
#[tokio::test]
async fn a_creator_request_id_that_is_used_up_is_followed_by_the_next() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let exists =
        json!({"operation": "CreateResolverRule", "kind": "exception", "code": "ResourceExistsException"});
    stand_in.fault(&exists);
    let id = made(&amazon, rule("aws", RuleType::System, "aws.anycompany.corp.", None, &[])).await;
    let world = seen(&amazon).await;
    assert_eq!(world.rules[&id].creator_request_id, format!("dnsfwd:{OWNER}:rule:aws:0:2"));
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

#[tokio::test]
async fn security_groups_hold_what_is_permitted_and_no_more() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let group = made(&amazon, security_group()).await;
    assert_eq!(amazon.ask(&security_group()).await, Ok(Some(group.clone())), "the same again");
    done(&amazon, permit(&group, &["10.1.0.0/16"])).await;
    done(&amazon, permit(&group, &["10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32"])).await;
    let all = Permission { protocol: "-1".into(), from_port: -1, to_port: -1, peer: "0.0.0.0/0".into() };
    let all_out = |permissions| Step::Forbid { group: Ref::Id(group.clone()), way: Way::Egress, permissions };
    let told = seen(&amazon).await.security_groups[&group].clone();
    let peers: Vec<&str> = told.ingress.iter().map(|one| one.peer.as_str()).collect();
    assert_eq!(peers, ["10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32"]);
    assert_eq!((told.egress, told.tags), (vec![all.clone()], tags()));

    done(&amazon, all_out(vec![all.clone()])).await;
    done(&amazon, all_out(vec![all, permission("udp", "10.9.0.0/16")])).await;
    let gone = vec![permission("udp", "10.1.0.0/16"), permission("udp", "10.8.0.0/16")];
    done(&amazon, Step::Forbid { group: Ref::Id(group.clone()), way: Way::Ingress, permissions: gone }).await;
    let told = seen(&amazon).await.security_groups[&group].clone();
    assert_eq!((told.ingress.len(), told.egress.len()), (2, 0));

    for _ in 0..2 {
        done(&amazon, Step::DeleteSecurityGroup { group: group.clone() }).await;
    }
    assert!(seen(&amazon).await.security_groups.is_empty());
    let trouble =
        amazon.ask(&Step::DeleteSecurityGroup { group: used_group(&amazon).await }).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.code.as_deref()), (Kind::Busy, Some("DependencyViolation")));
}

/// One whose endpoint's network interfaces are still there.
async fn used_group(amazon: &Amazon) -> String {
    made(amazon, outbound()).await;
    SECURITY_GROUP.into()
}

#[tokio::test]
async fn the_client_vpn_is_led_to_its_dns_servers() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let (endpoint, subnet) = (CLIENT_VPN.to_owned(), SUBNETS[0].to_owned());
    let destination = "192.168.2.0/24".parse().unwrap();
    let description = format!("dnsfwd-{OWNER} dns");
    let route = Step::CreateVpnRoute {
        endpoint: endpoint.clone(),
        destination,
        subnet: subnet.clone(),
        description: description.clone(),
    };
    let authorize = Step::AuthorizeVpn {
        endpoint: endpoint.clone(),
        destination,
        group: None,
        description: description.clone(),
    };
    let servers = Step::SetVpnDnsServers {
        endpoint: endpoint.clone(),
        servers: vec!["10.20.1.10".parse().unwrap(), "192.168.2.250".parse().unwrap()],
    };
    for step in [route.clone(), route, authorize.clone(), authorize, servers] {
        done(&amazon, step).await;
    }
    let world = amazon.observe(&named(), &()).await.unwrap();
    let vpn = &world.client_vpns[CLIENT_VPN];
    assert_eq!(vpn.dns_servers, ["10.20.1.10", "192.168.2.250"]);
    assert_eq!((vpn.state, &vpn.subnets), (State::Ready, &vec![subnet.clone()]));
    let ours: Vec<_> = vpn.routes.iter().filter(|one| one.description == description).collect();
    assert_eq!((ours.len(), ours[0].is_active, vpn.routes.len()), (1, true, 2), "beside the VPC's own");
    assert_eq!((vpn.authorizations.len(), vpn.authorizations[0].group.as_ref()), (1, None));

    let revoke = Step::RevokeVpn { endpoint: endpoint.clone(), destination, group: None };
    let delete = Step::DeleteVpnRoute { endpoint: endpoint.clone(), destination, subnet };
    let servers = Step::SetVpnDnsServers { endpoint, servers: Vec::new() };
    for step in [revoke.clone(), revoke, delete.clone(), delete, servers] {
        done(&amazon, step).await;
    }
    let vpn = amazon.observe(&named(), &()).await.unwrap().client_vpns[CLIENT_VPN].clone();
    assert_eq!((vpn.dns_servers.len(), vpn.routes.len(), vpn.authorizations.len()), (0, 1, 0));
}

#[tokio::test]
async fn rules_are_shared_and_vpcs_are_logged_and_set() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let id = made(&amazon, rule("aws", RuleType::System, "aws.anycompany.corp.", None, &[])).await;
    let arn = made(&amazon, share(&id, &["111122223333"])).await;
    assert_eq!(amazon.ask(&share(&id, &["111122223333"])).await, Ok(Some(arn.clone())), "the same again");
    let also = vec!["444455556666".to_owned()];
    done(&amazon, Step::ShareWith { share: arn.clone(), principals: also.clone() }).await;
    for _ in 0..2 {
        done(&amazon, Step::UnshareWith { share: arn.clone(), principals: vec!["111122223333".into()] })
            .await;
    }
    let log = Step::CreateQueryLog {
        made: "log".into(),
        creator_request_id: format!("dnsfwd:{OWNER}:log:queries:0"),
        name: "queries".into(),
        destination: "arn:aws:s3:::anycompany-dns-logs".into(),
        tags: tags(),
    };
    let log_id = made(&amazon, log.clone()).await;
    assert_eq!(amazon.ask(&log).await, Ok(Some(log_id.clone())));
    for _ in 0..2 {
        done(&amazon, Step::LogVpc { query_log: Ref::Id(log_id.clone()), vpc: VPC.into() }).await;
    }
    let before = amazon.observe(&named(), &()).await.unwrap();
    let vpc = &before.vpcs[VPC];
    let (on, off) = (Switch { on: true, is_changing: false }, Switch { on: false, is_changing: false });
    assert_eq!((&vpc.dnssec_validation, &vpc.autodefined_reverse), (&Some(off.clone()), &Some(on.clone())));
    assert_eq!(vpc.cidrs, ["10.20.0.0/16".parse().unwrap()]);
    assert_eq!(before.subnets.keys().collect::<Vec<_>>(), [SUBNETS[0]], "one that isn't there is no trouble");
    done(&amazon, Step::SetDnssecValidation { vpc: VPC.into(), on: true }).await;
    done(&amazon, Step::SetAutodefinedReverse { vpc: VPC.into(), on: false }).await;
    let rule_arn = before.rules[&id].arn.clone();
    let more = BTreeMap::from([("team".to_owned(), "network".to_owned())]);
    done(&amazon, Step::Tag { arn: rule_arn.clone(), tags: more }).await;
    done(&amazon, Step::Untag { arn: rule_arn.clone(), keys: vec![OWNER_TAG.into()] }).await;

    let world = amazon.observe(&named(), &()).await.unwrap();
    let shared = &world.shares[&arn];
    assert_eq!((&shared.resources, &shared.principals, shared.state), (&vec![rule_arn], &also, State::Ready));
    assert_eq!(world.query_logs[&log_id].tags, tags());
    assert_eq!(world.query_log_associations[&log_id], BTreeMap::from([(VPC.to_owned(), State::Ready)]));
    assert_eq!(
        (&world.vpcs[VPC].dnssec_validation, &world.vpcs[VPC].autodefined_reverse),
        (&Some(on), &Some(off))
    );
    assert_eq!(world.rules[&id].tags, BTreeMap::from([("team".to_owned(), "network".to_owned())]));

    for _ in 0..2 {
        done(&amazon, Step::DeleteShare { share: arn.clone() }).await;
        done(&amazon, Step::UnlogVpc { query_log: log_id.clone(), vpc: VPC.into() }).await;
    }
    for _ in 0..2 {
        done(&amazon, Step::DeleteQueryLog { query_log: log_id.clone() }).await;
    }
    let world = seen(&amazon).await;
    assert_eq!((world.shares.len(), world.query_logs.len(), world.query_log_associations.len()), (0, 0, 0));
}
