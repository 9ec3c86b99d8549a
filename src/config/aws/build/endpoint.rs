//! Resolver endpoints of the AWS side.

use super::Names;
use crate::config::aws::places::EndpointPlaces;
use crate::config::aws::{
    AddressFamily, Direction, EndpointAddress, Protocol, ResolverEndpoint, SecurityGroup,
};
use crate::config::reader::{At, Faults};
use crate::config::schema::{WrittenAddress, WrittenResolverEndpoint, WrittenSecurityGroup};
use crate::config::source::Place;

/// An endpoint's addresses in CreateResolverEndpoint. What an account may have is less: a quota, and adjustable.
const MIN_ADDRESSES: usize = 2;
const MAX_ADDRESSES: usize = 20;
/// Protocols of an endpoint in the Resolver API.
const MAX_PROTOCOLS: usize = 2;

pub(super) fn endpoint(
    written: WrittenResolverEndpoint,
    names: &mut Names,
    faults: &mut Faults,
) -> Option<(ResolverEndpoint, EndpointPlaces)> {
    let name = written.name?;
    names.once("Resolver endpoint", &name.value, &name.place, faults);
    if let Some(alias) = written.alias.filter(|alias| *alias != name.value) {
        names.once("Resolver endpoint", alias, &name.place, faults);
    }
    let direction = written.direction?;
    let family = written.family.map_or(AddressFamily::default(), |family| family.value);
    let flags = [
        ("dns64", &written.dns64, Direction::Inbound),
        ("target_metrics", &written.target_metrics, Direction::Outbound),
        ("ipv6_internet", &written.ipv6_internet, Direction::Outbound),
    ];
    for (key, flag, whose) in flags {
        if let Some(At { place, .. }) = flag.as_ref().filter(|_| direction != whose) {
            let message = format!("`{key}` is for endpoints of direction {} only", whose.word());
            faults.error("aws-flag", place, message, "leave it out");
        }
    }
    let group_place = written.security_group.as_ref().map_or(&name.place, |group| &group.place).clone();
    let group = security_group(written.security_group, direction, &name.place, faults);
    let addresses = addresses(written.addresses?, direction, family, &name.place, faults)?;
    let protocols = protocols(written.protocols, direction, faults);
    let (addresses, address_places) = addresses.into_iter().unzip();
    let endpoint = ResolverEndpoint {
        alias: written.alias,
        direction,
        vpc: written.vpc?.value,
        addresses,
        security_group: group?,
        family,
        protocols,
        dns64: written.dns64.is_some_and(|flag| flag.value),
        interface_metrics: written.interface_metrics,
        target_metrics: written.target_metrics.is_some_and(|flag| flag.value),
        ipv6_internet: written.ipv6_internet.is_some_and(|flag| flag.value),
        tags: written.tags,
        id: written.id,
        place: name.place.location(),
        name: name.value,
    };
    let places = EndpointPlaces { name: name.place, addresses: address_places, security_group: group_place };
    Some((endpoint, places))
}

fn addresses(
    written: Vec<At<WrittenAddress>>,
    direction: Direction,
    family: AddressFamily,
    endpoint: &Place,
    faults: &mut Faults,
) -> Option<Vec<(EndpointAddress, Place)>> {
    if written.len() < MIN_ADDRESSES {
        let message = "Route 53 refuses an endpoint with fewer than two addresses";
        let help = "write two at least, in subnets of two Availability Zones";
        faults.error("aws-addresses", endpoint, message, help);
    } else if written.len() > MAX_ADDRESSES {
        let message = format!("Route 53 refuses an endpoint with more than {MAX_ADDRESSES} addresses");
        faults.error("aws-addresses", endpoint, message, "make a second endpoint of some of them");
    }
    let mut names = Names::default();
    let mut addresses = Vec::new();
    for At { value, place } in written {
        let ips = [
            value.ip.as_ref().map(|at| at.value.to_string()),
            value.ipv6.as_ref().map(|at| at.value.to_string()),
        ];
        for ip in ips.iter().flatten() {
            names.listed_once("address", ip, &place, faults);
        }
        families(&value, family, faults);
        // On-premises servers point at them: chosen by AWS, they would be others after the next replacement.
        let is_pinned = ips.iter().any(Option::is_some);
        if !is_pinned && direction != Direction::Outbound {
            let message = "an inbound endpoint's addresses must be written out";
            let key = if family == AddressFamily::Ipv6 { "ipv6" } else { "ip" };
            let help = format!("add {key} = \"…\", an address of the subnet that is free");
            faults.error("aws-addresses", &place, message, help);
        }
        let address = EndpointAddress {
            subnet: value.subnet?,
            ip: value.ip.map(|at| at.value),
            ipv6: value.ipv6.map(|at| at.value),
            place: place.location(),
        };
        addresses.push((address, place));
    }
    Some(addresses)
}

fn families(address: &WrittenAddress, family: AddressFamily, faults: &mut Faults) {
    if let Some(At { place, .. }) = address.ipv6.as_ref().filter(|_| family == AddressFamily::Ipv4) {
        let help = "write type = \"IPV6\" or \"DUALSTACK\"";
        faults.error("aws-family", place, "an endpoint of type IPV4 has no IPv6 addresses", help);
    }
    if let Some(At { place, .. }) = address.ip.as_ref().filter(|_| family == AddressFamily::Ipv6) {
        let help = "write type = \"DUALSTACK\", or leave the IPv4 address out";
        faults.error("aws-family", place, "an endpoint of type IPV6 has no IPv4 addresses", help);
    }
}

/// An outbound endpoint's need not be written: what its rules' targets need is known.
fn security_group(
    written: Option<WrittenSecurityGroup>,
    direction: Direction,
    endpoint: &Place,
    faults: &mut Faults,
) -> Option<SecurityGroup> {
    let Some(written) = written else {
        if direction == Direction::Outbound {
            return Some(SecurityGroup::Ours { allow: Vec::new() });
        }
        if !faults.is_incomplete() {
            let message = "an inbound endpoint needs `security_group`";
            let help = "add security_group = { allow = [\"192.168.0.0/16\"] }, the networks that may ask";
            faults.error("missing-key", endpoint, message, help);
        }
        return None;
    };
    match (written.allow, written.ids) {
        (Some(mut allow), None) => {
            allow.sort_unstable();
            allow.dedup();
            Some(SecurityGroup::Ours { allow })
        }
        (None, Some(mut ids)) => {
            ids.sort_unstable();
            ids.dedup();
            Some(SecurityGroup::Theirs(ids))
        }
        _ => {
            let help = "write { allow = [\"192.168.0.0/16\"] } for one that is made, or { ids = [\"sg-…\"] }";
            faults.error(
                "aws-security-group",
                &written.place,
                "`security_group` needs either `allow` or `ids`",
                help,
            );
            None
        }
    }
}

fn protocols(written: Option<At<Vec<Protocol>>>, direction: Direction, faults: &mut Faults) -> Vec<Protocol> {
    let Some(At { value: mut protocols, place }) = written else { return vec![Protocol::Do53] };
    protocols.sort_unstable();
    let count = protocols.len();
    protocols.dedup();
    let (message, help) = if protocols.len() < count {
        ("a protocol is listed twice", "keep one of the two")
    } else if protocols.len() > MAX_PROTOCOLS {
        ("an endpoint has two protocols at most", "leave one out")
    } else if protocols == [Protocol::Doh, Protocol::DohFips] {
        ("Route 53 refuses DoH beside DoH-FIPS", "keep one of the two")
    } else if direction == Direction::Outbound && protocols.contains(&Protocol::DohFips) {
        ("outbound endpoints don't speak DoH-FIPS", "write \"DoH\"")
    } else if direction == Direction::InboundDelegation && protocols != [Protocol::Do53] {
        ("an endpoint of direction INBOUND_DELEGATION speaks Do53 alone", "leave `protocols` out")
    } else {
        return protocols;
    };
    faults.error("aws-protocols", &place, message, help);
    protocols
}
