//! What AWS would refuse, and takes more than one table to see. Asks AWS nothing, so it says only what is certain from
//! the file.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::places::{EndpointPlaces, Places, RulePlaces};
use super::{Aws, Direction, ResolverEndpoint, ResolverRule, RuleType};
use crate::config::reader::Faults;
use crate::config::source::Place;
use crate::config::suggest;
use crate::wire::name::Name;

/// A subnet's first four addresses and its last one are AWS's own (VPC user guide, "Subnet sizing").
const RESERVED: u32 = 4;

pub(in crate::config) fn refuse(aws: &Aws, places: &Places, faults: &mut Faults) {
    for (rule, place) in aws.rules.iter().zip(&places.rules).filter(|(rule, _)| rule.kind != RuleType::System)
    {
        if let Some(endpoint) = outbound(aws, rule, place, faults) {
            protocols(rule, endpoint, place, faults);
        }
    }
    conflicts(aws, places, faults);
    direct_loops(aws, places, faults);
    subnets(aws, places, faults);
    for (endpoint, place) in aws.endpoints.iter().zip(&places.endpoints) {
        addresses(aws, endpoint, place, faults);
    }
    shared_addresses(aws, places, faults);
}

/// The endpoint that a rule sends through. There must be one, and it must be clear which.
fn outbound<'a>(
    aws: &'a Aws,
    rule: &ResolverRule,
    places: &RulePlaces,
    faults: &mut Faults,
) -> Option<&'a ResolverEndpoint> {
    let known = || aws.outbound().flat_map(|e| e.alias.into_iter().chain([e.name.as_str()]));
    let place = places.endpoint.as_ref().unwrap_or(&places.domain);
    let (message, help) = match (&rule.endpoint, aws.outbound_of(rule)) {
        (_, Some(endpoint)) if endpoint.direction == Direction::Outbound => return Some(endpoint),
        (_, Some(endpoint)) => (
            format!(
                "a rule can't send through `{}`, whose direction is {}",
                endpoint.name,
                endpoint.direction.word()
            ),
            "name one of direction OUTBOUND (Route 53 says [RSLVR-00700])".to_owned(),
        ),
        (Some(_), None) if faults.is_incomplete() => return None,
        (Some(name), None) => {
            let help = match suggest::nearest(name, known()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "name one of direction OUTBOUND, or add [aws.outbound]".to_owned(),
            };
            (format!("no endpoint of [aws] is called `{name}`"), help)
        }
        (None, None) if aws.outbound().next().is_none() => {
            if faults.is_incomplete() {
                return None;
            }
            let message =
                format!("a {} rule needs an outbound endpoint, and there is none", rule.kind.word());
            (message, "add [aws.outbound]".to_owned())
        }
        (None, None) => {
            let names: Vec<String> = aws.outbound().map(|e| format!("\"{}\"", e.name)).collect();
            let message = "it isn't clear which outbound endpoint the rule sends through".to_owned();
            (message, format!("add endpoint = one of {}", names.join(", ")))
        }
    };
    faults.error("aws-endpoint", place, message, help);
    None
}

/// RSLVR-00726 wants "one of the endpoint protocol for rule creation".
fn protocols(rule: &ResolverRule, endpoint: &ResolverEndpoint, places: &RulePlaces, faults: &mut Faults) {
    for (target, place) in rule.targets.iter().zip(&places.targets) {
        if !endpoint.protocols.contains(&target.protocol) {
            let word = target.protocol.word();
            let message = format!("endpoint `{}` doesn't speak {word}", endpoint.name);
            let help = format!("add \"{word}\" to its `protocols`, or give the target one of those");
            faults.error("aws-protocols", place, message, help);
        }
    }
}

/// Associated with one VPC, two rules for one domain conflict. Delegation records are no domains.
fn conflicts(aws: &Aws, places: &Places, faults: &mut Faults) {
    let mut first: HashMap<(&Name, bool, &str), &Place> = HashMap::new();
    for (rule, RulePlaces { domain: place, .. }) in aws.rules.iter().zip(&places.rules) {
        let is_delegate = rule.kind == RuleType::Delegate;
        let of = |vpc| first.get(&(&rule.domain, is_delegate, vpc)).map(|place: &&Place| (vpc, *place));
        if let Some((vpc, other)) = rule.vpcs.iter().map(String::as_str).find_map(of) {
            let message = format!("a second rule for `{}` in {vpc}; the first is at {other}", rule.domain);
            let help = "AWS associates one rule for a domain with a VPC: take the VPC out of one of the two";
            faults.error("aws-conflict", place, message, help);
        }
        for vpc in &rule.vpcs {
            first.entry((&rule.domain, is_delegate, vpc)).or_insert(place);
        }
    }
}

/// The one loop that AWS sees itself.
fn direct_loops(aws: &Aws, places: &Places, faults: &mut Faults) {
    let mut inbound: HashMap<(&str, IpAddr), &ResolverEndpoint> = HashMap::new();
    for endpoint in aws.endpoints.iter().filter(|endpoint| endpoint.direction != Direction::Outbound) {
        let ips = endpoint.addresses.iter().flat_map(|address| address.ips());
        inbound.extend(ips.map(|ip| ((endpoint.vpc.as_str(), ip), endpoint)));
    }
    for (rule, places) in aws.rules.iter().zip(&places.rules) {
        for (target, place) in rule.targets.iter().zip(&places.targets) {
            let ip = target.address.ip();
            let found = rule.vpcs.iter().find_map(|vpc| inbound.get(&(vpc.as_str(), ip)));
            if let Some(endpoint) = found {
                let vpc = &endpoint.vpc;
                let message = format!(
                    "`{}` goes in a circle: {vpc} forwards it to {ip}, which is `{}` in {vpc}",
                    rule.domain, endpoint.name
                );
                let help = "name servers that know the domain; AWS refuses this with [RSLVR-00804]";
                faults.error("aws-loop", place, message, help);
            }
        }
    }
}

/// A subnet is in one VPC.
fn subnets(aws: &Aws, places: &Places, faults: &mut Faults) {
    let mut first: HashMap<&str, (&str, &Place)> = HashMap::new();
    for (endpoint, places) in aws.endpoints.iter().zip(&places.endpoints) {
        for (address, place) in endpoint.addresses.iter().zip(&places.addresses) {
            let (vpc, other) = *first.entry(&address.subnet).or_insert((&endpoint.vpc, place));
            if vpc != endpoint.vpc {
                let message =
                    format!("{} is said to be in {} and, at {other}, in {vpc}", address.subnet, endpoint.vpc);
                faults.error("aws-subnet", place, message, "a subnet is in one VPC: correct one of the two");
            }
        }
    }
}

/// RSLVR-00405: "not in subnet CIDR range or is reserved".
fn addresses(aws: &Aws, endpoint: &ResolverEndpoint, places: &EndpointPlaces, faults: &mut Faults) {
    for (address, place) in endpoint.addresses.iter().zip(&places.addresses) {
        let Some(cidr) = aws.subnet(&address.subnet).and_then(|subnet| subnet.cidr) else { continue };
        for ip in address.ips().filter(|ip| ip.is_ipv4() == cidr.addr().is_ipv4()) {
            let subnet = format!("{} ({cidr})", address.subnet);
            if !cidr.contains(&ip) {
                let help = "write an address of the subnet, or the subnet of the address";
                faults.error("aws-address", place, format!("{ip} is not in {subnet}"), help);
            } else if is_reserved(ip, cidr) {
                let message =
                    format!("{ip} is one of the five addresses of {subnet} that AWS keeps for itself");
                faults.error("aws-address", place, message, "its first four and its last one: write another");
            }
        }
    }
}

fn is_reserved(ip: IpAddr, cidr: IpNet) -> bool {
    match (ip, cidr) {
        (IpAddr::V4(ip), IpNet::V4(cidr)) => {
            let after = |network: Ipv4Addr| u32::from(ip).wrapping_sub(u32::from(network));
            after(cidr.network()) < RESERVED || ip == cidr.broadcast()
        }
        (IpAddr::V6(ip), IpNet::V6(cidr)) => {
            let after = u128::from(ip).wrapping_sub(u128::from(cidr.network()));
            after < u128::from(RESERVED) || ip == cidr.broadcast()
        }
        _ => false,
    }
}

/// Two endpoints of a VPC can't have the same address; those of two VPCs may.
fn shared_addresses(aws: &Aws, places: &Places, faults: &mut Faults) {
    let mut first: HashMap<(&str, IpAddr), (&str, &Place)> = HashMap::new();
    for (endpoint, places) in aws.endpoints.iter().zip(&places.endpoints) {
        for (address, place) in endpoint.addresses.iter().zip(&places.addresses) {
            for ip in address.ips() {
                let (name, other) = *first.entry((&endpoint.vpc, ip)).or_insert((&endpoint.name, place));
                if name != endpoint.name {
                    let message = format!("{ip} is an address of `{name}` already, at {other}");
                    faults.error("aws-duplicate", place, message, "give one of the two another address");
                }
            }
        }
    }
}
