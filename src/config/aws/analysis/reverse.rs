//! Reverse names that one side knows and the other doesn't ask it for.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::Sides;
use super::circle::listed;
use super::here::{Decider, is_for_all};
use crate::config::reader::Faults;
use crate::config::reverse;
use crate::config::source::Place;
use crate::wire::name::Name;

pub(super) fn warn(sides: &Sides<'_>, faults: &mut Faults) {
    of_here(sides, faults);
    of_there(sides, faults);
}

/// AWS sends a domain here, but not the reverse names that are known here too.
fn of_here(sides: &Sides<'_>, faults: &mut Faults) {
    let known = known_here(sides);
    let mut done: Vec<&str> = Vec::new();
    for (rule, places) in sides.aws.rules.iter().zip(&sides.places.rules) {
        let is_ours = rule.targets.iter().any(|target| sides.here.is_own(target.address));
        if !is_ours || rule.domain.as_wire().ends_with(b"\x04arpa\0") {
            continue;
        }
        for vpc in &rule.vpcs {
            if done.contains(&vpc.as_str()) {
                continue;
            }
            done.push(vpc);
            let lost: Vec<Name> = known
                .iter()
                .filter(|zone| sides.there.decide(vpc, zone.as_wire()).is_none())
                .cloned()
                .collect();
            if lost.is_empty() {
                continue;
            }
            let own = lost.iter().find_map(|zone| sides.there.autodefined(vpc, zone.as_wire()));
            let who = own.map_or(String::new(), |own| format!(": AWS's own rule for `{own}` answers"));
            let is = if lost.len() == 1 { "is" } else { "are" };
            let message = format!(
                "{} {is} known here, but {vpc} doesn't ask this server{who}",
                listed(lost.iter().cloned())
            );
            let help = format!("add an [[aws.rule]] with domain = \"{}\" and the same targets", lost[0]);
            faults.warning("aws-reverse", &places.domain, message, help);
        }
    }
}

/// Reverse zones here, and those that are asked of servers which are not in AWS. Those within others are left out.
fn known_here(sides: &Sides<'_>) -> Vec<Name> {
    let is_reverse =
        |wire: &[u8]| wire.ends_with(b"\x07in-addr\x04arpa\0") || wire.ends_with(b"\x03ip6\x04arpa\0");
    let general = sides.config.general();
    let zones = sides.config.zones[general.zones].iter().map(|zone| zone.name.clone());
    let rules = general.rules.filter(|&index| {
        let endpoint = sides.here.endpoint_of(index);
        let to_aws =
            |endpoint| sides.here.targets(endpoint).any(|target| sides.there.inbound(target.ip()).is_some());
        is_reverse(sides.config.rules.at(index as u32).domain)
            && matches!(sides.config.rules.at(index as u32).action, crate::config::RuleAction::Forward { .. })
            && !endpoint.is_some_and(to_aws)
    });
    let rules = rules.map(|index| sides.config.rules.at(index as u32).name());
    zones.filter(|name| is_reverse(name.as_wire())).chain(rules).collect()
}

/// This server asks an inbound endpoint, but not for the reverse names of its VPC.
fn of_there(sides: &Sides<'_>, faults: &mut Faults) {
    let mut asked: BTreeMap<&str, &str> = BTreeMap::new();
    for endpoint in
        sides.config.rules.iter().enumerate().filter_map(|(index, _)| sides.here.endpoint_of(index))
    {
        for inbound in sides.here.targets(endpoint).filter_map(|target| sides.there.inbound(target.ip())) {
            asked.entry(&inbound.vpc).or_insert(&sides.config.endpoints[endpoint].name);
        }
    }
    for (vpc, endpoint) in asked {
        for (cidr, place) in networks(sides, vpc) {
            let lost: Vec<Name> =
                reverse::domains(cidr).into_iter().filter(|zone| is_lost(sides, zone)).collect();
            if !lost.is_empty() {
                let message = format!(
                    "reverse names of {cidr}, which {vpc} knows, are not asked there: {}",
                    listed(lost.iter().cloned())
                );
                let help = format!("add reverse = [\"{cidr}\"] to a [[rule]] with endpoint = \"{endpoint}\"");
                faults.warning("aws-vpc-reverse", place, message, help);
            }
        }
    }
}

/// Nothing in particular decides on these names. Who wrote a rule or zone for them means it.
fn is_lost(sides: &Sides<'_>, zone: &Name) -> bool {
    match sides.here.decide(zone.as_wire(), None) {
        None => true,
        Some((domain, Decider::Rule(_))) => is_for_all(domain),
        Some((_, Decider::Zone(_))) => false,
    }
}

/// The networks of a VPC, as far as they are written: its own, or else those of its endpoints' subnets.
fn networks<'a>(sides: &Sides<'a>, vpc: &str) -> Vec<(IpNet, &'a Place)> {
    let whole = sides.aws.vpcs.iter().zip(&sides.places.vpcs).find(|(known, _)| known.id == vpc);
    if let Some((known, place)) = whole.filter(|(known, _)| !known.cidrs.is_empty()) {
        return known.cidrs.iter().map(|&cidr| (cidr, place)).collect();
    }
    let endpoints = sides.aws.endpoints.iter().filter(|endpoint| endpoint.vpc == vpc);
    let used: Vec<&str> =
        endpoints.flat_map(|endpoint| &endpoint.addresses).map(|address| address.subnet.as_str()).collect();
    let subnets = sides.aws.subnets.iter().zip(&sides.places.subnets);
    let subnets = subnets.filter(|(subnet, _)| used.contains(&subnet.id.as_str()));
    subnets.filter_map(|(subnet, place)| Some((subnet.cidr?, place))).collect()
}
