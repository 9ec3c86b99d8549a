//! A plan carried out on a world of values, by AWS's rules: what AWS would refuse, and what would cut resolution, fails
//! the test.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::IpNet;

use super::super::step::{NewAddress, Ref, Step, Way};
use super::super::{Plan, step::Tags};
use super::settle::settle;
use crate::aws::world::{
    Address, Association, Authorization, Endpoint, Permission, QueryLog, Rule, SecurityGroup, Share, State,
    Switch, VpnRoute, World,
};
use crate::config::aws::{AddressFamily, Direction, RuleType};
use crate::limits::AWS_ENDPOINT_ADDRESSES_MAX;

pub(super) fn carry_out(plan: &Plan, world: &mut World) {
    let mut made = Made::default();
    for planned in &plan.steps {
        one(&planned.step, world, &mut made);
    }
}

/// The names of what a step refers to that an earlier one makes.
pub(super) fn needed(step: &Step) -> Vec<&str> {
    let refs: Vec<&Ref> = match step {
        Step::Permit { group, .. } | Step::Forbid { group, .. } => vec![group],
        Step::CreateEndpoint { security_groups, .. } => security_groups.iter().collect(),
        Step::CreateRule { endpoint, .. } | Step::UpdateRule { endpoint, .. } => endpoint.iter().collect(),
        Step::Associate { rule, .. } => vec![rule],
        Step::CreateShare { resource, .. } => vec![resource],
        Step::LogVpc { query_log, .. } => vec![query_log],
        _ => Vec::new(),
    };
    let name = |thing: &'_ Ref| match thing {
        Ref::Made(_) => true,
        Ref::Id(_) => false,
    };
    refs.into_iter()
        .filter(|thing| name(thing))
        .map(|thing| match thing {
            Ref::Made(made) | Ref::Id(made) => made.as_str(),
        })
        .collect()
}

/// What a step makes.
pub(super) fn made(step: &Step) -> Option<&str> {
    match step {
        Step::CreateSecurityGroup { made, .. }
        | Step::CreateEndpoint { made, .. }
        | Step::CreateRule { made, .. }
        | Step::CreateShare { made, .. }
        | Step::CreateQueryLog { made, .. } => Some(made),
        _ => None,
    }
}

/// IDs by the names that steps gave.
#[derive(Default)]
pub(super) struct Made(BTreeMap<String, String>);

impl Made {
    fn id(&self, thing: &Ref) -> String {
        match thing {
            Ref::Id(id) => id.clone(),
            Ref::Made(name) => self.0[name].clone(),
        }
    }

    fn note(&mut self, name: &str, id: &str) {
        assert!(self.0.insert(name.to_owned(), id.to_owned()).is_none(), "{name} is made twice");
    }
}

pub(super) fn one(step: &Step, world: &mut World, made: &mut Made) {
    match step {
        Step::CreateSecurityGroup { .. }
        | Step::Permit { .. }
        | Step::Forbid { .. }
        | Step::DeleteSecurityGroup { .. } => group(step, world, made),
        Step::CreateEndpoint { .. }
        | Step::UpdateEndpoint { .. }
        | Step::AddAddress { .. }
        | Step::RemoveAddress { .. }
        | Step::DeleteEndpoint { .. } => endpoint(step, world, made),
        Step::CreateRule { .. }
        | Step::UpdateRule { .. }
        | Step::DeleteRule { .. }
        | Step::Associate { .. }
        | Step::Disassociate { .. } => rule(step, world, made),
        Step::CreateShare { .. }
        | Step::ShareWith { .. }
        | Step::UnshareWith { .. }
        | Step::DeleteShare { .. } => share(step, world, made),
        Step::CreateQueryLog { .. }
        | Step::DeleteQueryLog { .. }
        | Step::LogVpc { .. }
        | Step::UnlogVpc { .. } => query_log(step, world, made),
        Step::Tag { .. } | Step::Untag { .. } => tag(step, world),
        Step::Await { until } => settle(until, world),
        _ => vpc_or_vpn(step, world),
    }
}

/// The first number that no ID has.
fn next<T>(prefix: &str, things: &BTreeMap<String, T>) -> String {
    let mut ids = (1..).map(|number| format!("{prefix}-{number}"));
    ids.find(|id| !things.contains_key(id)).unwrap()
}

fn group(step: &Step, world: &mut World, made: &mut Made) {
    match step {
        Step::CreateSecurityGroup { made: name_of, name, vpc, tags, .. } => {
            let same = |group: &SecurityGroup| group.name == *name && group.vpc == *vpc;
            assert!(!world.security_groups.values().any(same), "InvalidGroup.Duplicate {name}");
            let id = next("sg", &world.security_groups);
            made.note(name_of, &id);
            let all = |peer: &str| Permission {
                protocol: "-1".to_owned(),
                from_port: -1,
                to_port: -1,
                peer: peer.to_owned(),
            };
            let has_ipv6 = world.vpcs[vpc].cidrs.iter().any(|cidr| matches!(cidr, IpNet::V6(_)));
            let mut egress = vec![all("0.0.0.0/0")];
            egress.extend(has_ipv6.then(|| all("::/0")));
            let group = SecurityGroup {
                name: name.clone(),
                vpc: vpc.clone(),
                ingress: Vec::new(),
                egress,
                tags: tags.clone(),
            };
            world.security_groups.insert(id, group);
        }
        Step::Permit { group, way, permissions } => {
            let list = list(world, &made.id(group), *way);
            list.extend(permissions.iter().cloned());
            list.sort();
            list.dedup();
        }
        Step::Forbid { group, way, permissions } => {
            list(world, &made.id(group), *way).retain(|one| !permissions.contains(one));
        }
        Step::DeleteSecurityGroup { group } => {
            let uses = |endpoint: &Endpoint| endpoint.security_groups.contains(group);
            assert!(!world.endpoints.values().any(uses), "DependencyViolation {group}");
            world.security_groups.remove(group).unwrap();
        }
        _ => unreachable!(),
    }
}

fn list<'a>(world: &'a mut World, group: &str, way: Way) -> &'a mut Vec<Permission> {
    let group = world.security_groups.get_mut(group).unwrap();
    match way {
        Way::Ingress => &mut group.ingress,
        Way::Egress => &mut group.egress,
    }
}

fn endpoint(step: &Step, world: &mut World, made: &mut Made) {
    match step {
        Step::CreateEndpoint { .. } => create_endpoint(step, world, made),
        Step::UpdateEndpoint {
            endpoint,
            name,
            family,
            protocols,
            dns64,
            interface_metrics,
            target_metrics,
            ipv6_internet,
            ipv6,
        } => {
            let number = world.endpoints.values().map(|one| one.addresses.len()).sum::<usize>();
            let there = world.endpoints.get_mut(endpoint).unwrap();
            set(&mut there.name, name);
            if let Some(family) = family {
                assert!(*family != AddressFamily::Ipv6 && there.family != AddressFamily::Ipv6);
                there.family = *family;
                for (index, (id, address)) in there.addresses.iter_mut().enumerate() {
                    let chosen = || format!("2001:db8:ffff::{:x}", number + index).parse().unwrap();
                    address.ipv6 = (*family == AddressFamily::DualStack)
                        .then(|| ipv6.get(id).copied().unwrap_or_else(chosen));
                }
            }
            if let Some(wanted) = protocols {
                use crate::config::aws::Protocol::Do53;
                let is_abrupt = there.protocols == [Do53] && !wanted.contains(&Do53);
                assert!(!is_abrupt, "from Do53 to DNS over HTTPS at once");
                there.protocols.clone_from(wanted);
            }
            set(&mut there.dns64, dns64);
            set(&mut there.interface_metrics, interface_metrics);
            set(&mut there.target_metrics, target_metrics);
            set(&mut there.ipv6_internet, ipv6_internet);
        }
        Step::AddAddress { endpoint, address } => {
            let address = attach(address, world, &world.endpoints[endpoint].vpc.clone());
            let id = next_address(world);
            world.endpoints.get_mut(endpoint).unwrap().addresses.insert(id, address);
            let count = world.endpoints[endpoint].addresses.len();
            assert!(count <= AWS_ENDPOINT_ADDRESSES_MAX, "LimitExceeded: {count} addresses of {endpoint}");
        }
        Step::RemoveAddress { endpoint, address } => {
            let addresses = &mut world.endpoints.get_mut(endpoint).unwrap().addresses;
            addresses.remove(address).unwrap();
            let attached = addresses.values().filter(|one| one.state == State::Ready).count();
            assert!(attached >= 2, "{endpoint} is left with {attached}");
            let is_sound = addresses.values().all(|one| one.state == State::Ready);
            let there = world.endpoints.get_mut(endpoint).unwrap();
            if is_sound && there.state == State::Broken {
                (there.state, there.status) = (State::Ready, "OPERATIONAL".to_owned());
            }
        }
        Step::DeleteEndpoint { endpoint } => {
            let uses = |rule: &Rule| rule.endpoint.as_ref() == Some(endpoint);
            assert!(!world.rules.values().any(uses), "RSLVR-00600 {endpoint}");
            world.endpoints.remove(endpoint).unwrap();
        }
        _ => unreachable!(),
    }
}

fn set<T: Clone>(there: &mut T, wanted: &Option<T>) {
    if let Some(wanted) = wanted {
        there.clone_from(wanted);
    }
}

fn next_address(world: &World) -> String {
    let is_taken = |id: &str| world.endpoints.values().any(|endpoint| endpoint.addresses.contains_key(id));
    let mut free = (1..).map(|number| format!("rni-{number}")).filter(|id| !is_taken(id));
    free.next().unwrap()
}

fn attach(wanted: &NewAddress, world: &World, vpc: &str) -> Address {
    let subnet = &world.subnets[&wanted.subnet];
    assert_eq!(subnet.vpc, vpc);
    let IpNet::V4(cidr) = subnet.cidr else { unreachable!() };
    let held = |ip: Ipv4Addr| {
        let mut endpoints = world.endpoints.values().filter(|endpoint| endpoint.vpc == vpc);
        endpoints.any(|endpoint| endpoint.addresses.values().any(|address| address.ip == Some(ip)))
    };
    let ip = wanted.ip.unwrap_or_else(|| cidr.hosts().skip(99).find(|ip| !held(*ip)).unwrap());
    assert!(cidr.contains(&ip) && !held(ip), "{ip} can't be had");
    Address {
        subnet: wanted.subnet.clone(),
        ip: Some(ip),
        ipv6: wanted.ipv6,
        state: State::Ready,
        status: "ATTACHED".to_owned(),
    }
}

fn create_endpoint(step: &Step, world: &mut World, made: &mut Made) {
    let Step::CreateEndpoint { made: name_of, creator_request_id, security_groups, addresses, .. } = step
    else {
        unreachable!()
    };
    let Step::CreateEndpoint { name, direction, family, protocols, dns64, tags, .. } = step else {
        unreachable!()
    };
    let Step::CreateEndpoint { interface_metrics, target_metrics, ipv6_internet, .. } = step else {
        unreachable!()
    };
    let same = |endpoint: &Endpoint| endpoint.creator_request_id == *creator_request_id;
    assert!(!world.endpoints.values().any(same), "ResourceExists {creator_request_id}");
    assert!(addresses.len() >= 2);
    let prefix = if *direction == Direction::Outbound { "rslvr-out" } else { "rslvr-in" };
    let id = next(prefix, &world.endpoints);
    made.note(name_of, &id);
    let vpc = world.subnets[&addresses[0].subnet].vpc.clone();
    let endpoint = Endpoint {
        name: name.clone(),
        arn: arn("resolver-endpoint", &id),
        direction: *direction,
        vpc: vpc.clone(),
        security_groups: security_groups.iter().map(|group| made.id(group)).collect(),
        family: *family,
        protocols: protocols.clone(),
        dns64: *dns64,
        interface_metrics: *interface_metrics,
        target_metrics: *target_metrics,
        ipv6_internet: *ipv6_internet,
        state: State::Ready,
        status: "OPERATIONAL".to_owned(),
        creator_request_id: creator_request_id.clone(),
        addresses: BTreeMap::new(),
        tags: tags.clone(),
    };
    world.endpoints.insert(id.clone(), endpoint);
    for wanted in addresses {
        let address = attach(wanted, world, &vpc);
        let rni = next_address(world);
        world.endpoints.get_mut(&id).unwrap().addresses.insert(rni, address);
    }
}

fn arn(kind: &str, id: &str) -> String {
    format!("arn:aws:route53resolver:ap-northeast-2:111122223333:{kind}/{id}")
}

fn rule(step: &Step, world: &mut World, made: &mut Made) {
    match step {
        Step::CreateRule {
            made: name_of,
            creator_request_id,
            name,
            kind,
            domain,
            targets,
            endpoint,
            tags,
        } => {
            let same = |rule: &Rule| rule.creator_request_id == *creator_request_id;
            assert!(!world.rules.values().any(same), "ResourceExists {creator_request_id}");
            assert_eq!(endpoint.is_none(), *kind == RuleType::System);
            let id = next("rslvr-rr", &world.rules);
            made.note(name_of, &id);
            let rule = Rule {
                name: name.clone(),
                arn: arn("resolver-rule", &id),
                domain: domain.clone(),
                kind: *kind,
                targets: targets.clone(),
                endpoint: endpoint.as_ref().map(|endpoint| made.id(endpoint)),
                state: State::Ready,
                status: "COMPLETE".to_owned(),
                creator_request_id: creator_request_id.clone(),
                owner: world.account.clone(),
                tags: tags.clone(),
            };
            world.rules.insert(id, rule);
        }
        Step::UpdateRule { rule, name, targets, endpoint } => {
            let endpoint = endpoint.as_ref().map(|endpoint| made.id(endpoint));
            let there = world.rules.get_mut(rule).unwrap();
            assert!(there.state != State::Coming, "RSLVR-00705 {rule}");
            set(&mut there.name, name);
            set(&mut there.targets, targets);
            there.endpoint = endpoint.or(there.endpoint.take());
            (there.state, there.status) = (State::Ready, "COMPLETE".to_owned());
        }
        Step::DeleteRule { rule } => {
            assert!(!world.associations.values().any(|one| one.rule == *rule), "ResourceInUse {rule}");
            let arn = &world.rules[rule].arn;
            assert!(!world.shares.values().any(|share| share.resources.contains(arn)), "shared: {rule}");
            world.rules.remove(rule).unwrap();
        }
        Step::Associate { rule, vpc, .. } => {
            let rule = made.id(rule);
            let domain = |rule: &str| world.rules[rule].domain.to_ascii_lowercase();
            let rival = |one: &Association| one.vpc == *vpc && domain(&one.rule) == domain(&rule);
            assert!(!world.associations.values().any(rival), "{} twice on {vpc}", domain(&rule));
            let id = next("rslvr-rrassoc", &world.associations);
            let association =
                Association { rule, vpc: vpc.clone(), state: State::Ready, status: "COMPLETE".to_owned() };
            world.associations.insert(id, association);
        }
        Step::Disassociate { rule, vpc } => {
            let count = world.associations.len();
            world.associations.retain(|_, one| !(one.rule == *rule && one.vpc == *vpc));
            assert_eq!(world.associations.len() + 1, count, "{rule} on {vpc}");
        }
        _ => unreachable!(),
    }
}

fn share(step: &Step, world: &mut World, made: &mut Made) {
    match step {
        Step::CreateShare { made: name_of, name, resource, principals, tags } => {
            assert!(!world.shares.values().any(|share| share.name == *name), "share {name} twice");
            let id = next("arn:aws:ram:share", &world.shares);
            made.note(name_of, &id);
            let share = Share {
                name: name.clone(),
                state: State::Ready,
                resources: vec![world.rules[&made.id(resource)].arn.clone()],
                principals: principals.clone(),
                tags: tags.clone(),
            };
            world.shares.insert(id, share);
        }
        Step::ShareWith { share, principals } => {
            let there = &mut world.shares.get_mut(share).unwrap().principals;
            there.extend(principals.iter().cloned());
            there.sort();
        }
        Step::UnshareWith { share, principals } => {
            world.shares.get_mut(share).unwrap().principals.retain(|one| !principals.contains(one));
        }
        Step::DeleteShare { share } => drop(world.shares.remove(share).unwrap()),
        _ => unreachable!(),
    }
}

fn query_log(step: &Step, world: &mut World, made: &mut Made) {
    match step {
        Step::CreateQueryLog { made: name_of, creator_request_id, name, destination, tags } => {
            let id = next("rqlc", &world.query_logs);
            made.note(name_of, &id);
            let log = QueryLog {
                name: name.clone(),
                arn: arn("resolver-query-log-config", &id),
                destination: destination.clone(),
                state: State::Ready,
                status: "CREATED".to_owned(),
                creator_request_id: creator_request_id.clone(),
                owner: world.account.clone(),
                tags: tags.clone(),
            };
            world.query_logs.insert(id, log);
        }
        Step::DeleteQueryLog { query_log } => {
            let vpcs = world.query_log_associations.remove(query_log).unwrap_or_default();
            assert!(vpcs.is_empty(), "{query_log} logs still");
            world.query_logs.remove(query_log).unwrap();
        }
        Step::LogVpc { query_log, vpc } => {
            let vpcs = world.query_log_associations.entry(made.id(query_log)).or_default();
            assert!(vpcs.insert(vpc.clone(), State::Ready).is_none());
        }
        Step::UnlogVpc { query_log, vpc } => {
            world.query_log_associations.get_mut(query_log).unwrap().remove(vpc).unwrap();
        }
        _ => unreachable!(),
    }
}

/// The tags of what has this ARN.
fn tags<'a>(world: &'a mut World, arn: &str) -> &'a mut Tags {
    let endpoints = world.endpoints.values_mut().map(|one| (&one.arn, &mut one.tags));
    let rules = world.rules.values_mut().map(|one| (&one.arn, &mut one.tags));
    let logs = world.query_logs.values_mut().map(|one| (&one.arn, &mut one.tags));
    endpoints.chain(rules).chain(logs).find(|(other, _)| *other == arn).unwrap().1
}

fn tag(step: &Step, world: &mut World) {
    match step {
        Step::Tag { arn, tags: wanted } => {
            tags(world, arn).extend(wanted.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Step::Untag { arn, keys } => tags(world, arn).retain(|key, _| !keys.contains(key)),
        _ => unreachable!(),
    }
}

fn vpc_or_vpn(step: &Step, world: &mut World) {
    match step {
        Step::SetDnssecValidation { vpc, on } => {
            let switch = Switch { on: *on, is_changing: false };
            world.vpcs.get_mut(vpc).unwrap().dnssec_validation = Some(switch);
        }
        Step::SetAutodefinedReverse { vpc, on } => {
            let switch = Switch { on: *on, is_changing: false };
            world.vpcs.get_mut(vpc).unwrap().autodefined_reverse = Some(switch);
        }
        Step::AuthorizeVpn { endpoint, destination, group, description } => {
            let all = &mut world.client_vpns.get_mut(endpoint).unwrap().authorizations;
            let same = |one: &Authorization| one.destination == *destination && one.group == *group;
            assert!(!all.iter().any(same), "{destination} twice");
            all.push(Authorization {
                destination: *destination,
                group: group.clone(),
                is_active: true,
                description: description.clone(),
            });
            all.sort();
        }
        Step::RevokeVpn { endpoint, destination, group } => {
            let all = &mut world.client_vpns.get_mut(endpoint).unwrap().authorizations;
            all.retain(|one| !(one.destination == *destination && one.group == *group));
        }
        Step::CreateVpnRoute { endpoint, destination, subnet, description } => {
            let all = &mut world.client_vpns.get_mut(endpoint).unwrap().routes;
            all.push(VpnRoute {
                destination: *destination,
                subnet: subnet.clone(),
                origin: "add-route".to_owned(),
                is_active: true,
                description: description.clone(),
            });
            all.sort();
        }
        Step::DeleteVpnRoute { endpoint, destination, subnet } => {
            let all = &mut world.client_vpns.get_mut(endpoint).unwrap().routes;
            all.retain(|one| !(one.destination == *destination && one.subnet == *subnet));
        }
        Step::SetVpnDnsServers { endpoint, servers } => {
            world.client_vpns.get_mut(endpoint).unwrap().dns_servers =
                servers.iter().map(ToString::to_string).collect();
        }
        other => panic!("{other:?}"),
    }
}
