//! Resolver endpoints: where they stand, who may ask them, and how this server names them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Sides;
use crate::config::aws::places::EndpointPlaces;
use crate::config::aws::{Direction, ResolverEndpoint, SecurityGroup};
use crate::config::reader::{At, Faults};
use crate::config::schema::{WrittenEndpoint, WrittenTarget};
use crate::config::{Address, suggest};
use crate::limits::{AWS_ENDPOINT_ADDRESSES, AWS_ENDPOINTS};

pub(super) fn warn(sides: &Sides<'_>, faults: &mut Faults) {
    if let Some(beyond) = sides.places.endpoints.get(AWS_ENDPOINTS) {
        let count = sides.aws.endpoints.len();
        let message =
            format!("{count} endpoints; AWS allows {AWS_ENDPOINTS} in a Region unless it was asked for more");
        let help = "the quota is adjustable: ask for more in Service Quotas before this is applied";
        faults.warning("aws-quota", &beyond.name, message, help);
    }
    for (endpoint, places) in sides.aws.endpoints.iter().zip(&sides.places.endpoints) {
        addresses(endpoint, places, faults);
        single_zone(sides, endpoint, places, faults);
        guard(sides, endpoint, places, faults);
    }
    subnets(sides, faults);
    for endpoint in &sides.written.endpoints {
        written_out(sides, endpoint, faults);
    }
}

fn addresses(endpoint: &ResolverEndpoint, places: &EndpointPlaces, faults: &mut Faults) {
    if let Some(beyond) = places.addresses.get(AWS_ENDPOINT_ADDRESSES) {
        let message = format!(
            "{} addresses; AWS allows {AWS_ENDPOINT_ADDRESSES} for an endpoint unless it was asked for more",
            endpoint.addresses.len()
        );
        let help = "the quota is adjustable: ask for more in Service Quotas before this is applied";
        faults.warning("aws-quota", beyond, message, help);
    }
}

/// An outage of one Availability Zone should leave an address.
fn single_zone(sides: &Sides<'_>, endpoint: &ResolverEndpoint, places: &EndpointPlaces, faults: &mut Faults) {
    let subnets = endpoint.addresses.iter().map(|address| address.subnet.as_str());
    let zone_of = |id: &str| sides.aws.subnet(id).and_then(|subnet| subnet.az.as_deref());
    let Some(first) = endpoint.addresses.first().map(|address| address.subnet.as_str()) else { return };
    let zone = zone_of(first);
    let in_what = match zone {
        _ if subnets.clone().all(|id| id == first) => format!("subnet {first}"),
        Some(zone) if subnets.clone().all(|id| zone_of(id) == Some(zone)) => {
            format!("Availability Zone {zone}")
        }
        _ => return,
    };
    let message = format!("all addresses of `{}` are in {in_what}", endpoint.name);
    let help = "move one to a subnet of another Availability Zone: an outage of this one is an outage of the endpoint";
    faults.warning("aws-single-zone", &places.name, message, help);
}

/// Who may ask an inbound endpoint: this server at least, if it does.
fn guard(sides: &Sides<'_>, endpoint: &ResolverEndpoint, places: &EndpointPlaces, faults: &mut Faults) {
    let SecurityGroup::Ours { allow } = &endpoint.security_group else { return };
    if endpoint.direction == Direction::Outbound {
        return;
    }
    let place = &places.security_group;
    if allow.is_empty() {
        let message = format!("nobody may ask `{}`: its security group allows no network", endpoint.name);
        faults.warning(
            "aws-security-group",
            place,
            message,
            "add the networks of those who ask it to `allow`",
        );
        return;
    }
    let own = own_addresses(sides);
    let is_let_in = |ip: &IpAddr| allow.iter().any(|network| network.contains(ip));
    if asks(sides, endpoint) && !own.is_empty() && !own.iter().any(is_let_in) {
        let message = format!("this server ({}) may not ask `{}`", own[0], endpoint.name);
        let help =
            "add its network to `allow`; with address translation on the way, the addresses that arrive";
        faults.warning("aws-security-group", place, message, help);
    }
    let users = sides.aws.client_vpns.iter().filter(|vpn| !vpn.authorize);
    let asks =
        |server: &std::net::Ipv4Addr| endpoint.addresses.iter().any(|address| address.ip == Some(*server));
    let mut asked = users.filter(|vpn| vpn.dns_servers.iter().any(asks));
    if let Some(vpn) = asked.next() {
        let known = networks(sides, &endpoint.vpc);
        if !known.is_empty() && !known.iter().any(|network| overlap(allow, network)) {
            let message = format!("clients of {} may not ask `{}`", vpn.endpoint, endpoint.name);
            let help = "they come with addresses of the subnets that the VPN is associated with: add those to `allow`, or \
                        authorize = true to [aws.client_vpn]";
            faults.warning("aws-security-group", place, message, help);
        }
    }
}

/// Addresses of this server that the file knows: those it listens on, and those that rules in AWS send to.
fn own_addresses(sides: &Sides<'_>) -> Vec<IpAddr> {
    let targets = sides.aws.rules.iter().flat_map(|rule| &rule.targets).map(|target| target.address);
    let targets = targets.filter(|&target| sides.here.is_own(target)).map(|target| target.ip());
    sides.here.addresses().chain(targets.filter(|ip| !ip.is_loopback())).collect()
}

/// Does a rule here send to the endpoint?
fn asks(sides: &Sides<'_>, endpoint: &ResolverEndpoint) -> bool {
    let is_it = |target: std::net::SocketAddr| {
        sides.there.inbound(target.ip()).is_some_and(|inbound| inbound.name == endpoint.name)
    };
    (0..sides.config.endpoints.len()).any(|own| sides.here.targets(own).any(is_it))
}

/// The networks of a VPC that are written.
pub(super) fn networks(sides: &Sides<'_>, vpc: &str) -> Vec<IpNet> {
    let whole = sides.aws.vpc(vpc).map(|vpc| vpc.cidrs.clone()).unwrap_or_default();
    let endpoints = sides.aws.endpoints.iter().filter(|endpoint| endpoint.vpc == vpc);
    let subnets = endpoints.flat_map(|endpoint| &endpoint.addresses).map(|address| &address.subnet);
    whole.into_iter().chain(subnets.filter_map(|id| sides.aws.subnet(id)?.cidr)).collect()
}

fn overlap(networks: &[IpNet], other: &IpNet) -> bool {
    networks.iter().any(|network| network.contains(other) || other.contains(network))
}

/// What is said of subnets that no endpoint is in, or that can't be in their VPC.
fn subnets(sides: &Sides<'_>, faults: &mut Faults) {
    let used = || {
        let addresses = sides.aws.endpoints.iter().flat_map(|e| e.addresses.iter().map(move |a| (e, a)));
        addresses.map(|(endpoint, address)| (endpoint, address.subnet.as_str()))
    };
    for (subnet, place) in sides.aws.subnets.iter().zip(&sides.places.subnets) {
        let Some((endpoint, _)) = used().find(|(_, id)| *id == subnet.id) else {
            let help = match suggest::nearest(&subnet.id, used().map(|(_, id)| id)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "leave it out, or use it in an address".to_owned(),
            };
            faults.warning("aws-unused-subnet", place, format!("no address is in {}", subnet.id), help);
            continue;
        };
        let Some((vpc, cidr)) = sides.aws.vpc(&endpoint.vpc).zip(subnet.cidr) else { continue };
        if !vpc.cidrs.is_empty() && !vpc.cidrs.iter().any(|whole| whole.contains(&cidr)) {
            let whole: Vec<String> = vpc.cidrs.iter().map(ToString::to_string).collect();
            let message = format!("{cidr} is not within {} ({})", vpc.id, whole.join(", "));
            let help = "correct `cidr` here, or `cidrs` of the VPC";
            faults.warning("aws-subnet", place, message, help);
        }
    }
}

/// Addresses that are written twice have to be changed twice.
fn written_out(sides: &Sides<'_>, endpoint: &WrittenEndpoint, faults: &mut Faults) {
    let targets = endpoint.targets.as_deref().unwrap_or_default();
    let inbound = |At { value, .. }: &At<WrittenTarget>| match &value.address {
        Address::Socket(address) if address.port() == 53 => sides.there.inbound(address.ip()),
        _ => None,
    };
    let plain = |At { value, .. }: &At<WrittenTarget>| value.tier == 0 && value.rate.is_none();
    let Some((first, there)) = targets.first().and_then(|first| Some((first, inbound(first)?))) else {
        return;
    };
    let is_it = |target| inbound(target).is_some_and(|other| other.name == there.name) && plain(target);
    if !targets.iter().all(is_it) {
        return;
    }
    let name = there.alias.unwrap_or(&there.name);
    let missing = there.addresses.iter().flat_map(|address| address.ips()).find(|ip| {
        !targets.iter().any(|target| matches!(target.value.address, Address::Socket(own) if own.ip() == *ip))
    });
    let lacks = missing.map_or(String::new(), |ip| format!(", but for {ip}"));
    let message = format!("these are the addresses of `{}` in [aws]{lacks}", there.name);
    let help = format!("write aws = \"{name}\" in the place of `targets`, which then follow");
    faults.warning("aws-written-out", &first.place, message, help);
}
