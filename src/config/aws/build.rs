//! Makes the AWS side of what is written: what the API would refuse is a fault here, with its place.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::{
    AddressFamily, Aws, ClientVpn, Direction, EndpointAddress, Protocol, QueryLog, ResolverEndpoint,
    ResolverRule, RuleType, SecurityGroup, Subnet, Vpc,
};
use crate::config::reader::{At, Faults};
use crate::config::schema::{
    WrittenAws, WrittenClientVpn, WrittenResolverEndpoint, WrittenResolverRule, WrittenSecurityGroup,
};
use crate::config::source::Place;
use crate::wire::name::Name;

/// An endpoint's addresses in the Resolver API: two at least.
const MIN_ADDRESSES: usize = 2;
/// Targets of a rule (Route 53 quotas; not adjustable).
const MAX_TARGETS: usize = 6;
/// DNS servers of a Client VPN endpoint (EC2's ModifyClientVpnEndpoint).
const MAX_DNS_SERVERS: usize = 2;
/// Protocols of an endpoint in the Resolver API.
const MAX_PROTOCOLS: usize = 2;

/// None if there is no such table, or it has faults.
pub(in crate::config) fn aws(written: WrittenAws, faults: &mut Faults) -> Option<Aws> {
    let place = written.place?;
    let before = faults.errors();
    let region = needed(written.region, "region", "region = \"ap-northeast-2\"", &place, faults);
    let owner = needed(written.owner, "owner", "owner = \"anycompany-dns\"", &place, faults);
    let mut names = Names::default();
    let endpoints =
        written.endpoints.into_iter().filter_map(|one| endpoint(one, &mut names, faults)).collect();
    let mut names = Names::default();
    let rules = written.rules.into_iter().filter_map(|one| rule(one, &mut names, faults)).collect();
    let mut names = Names::default();
    let client_vpns =
        written.client_vpns.into_iter().filter_map(|one| vpn(one, &mut names, faults)).collect();
    let mut names = Names::default();
    let query_logs = written.query_logs.into_iter().filter_map(|log| {
        let name = log.name?;
        names.once("query log", &name.value, &name.place, faults);
        let vpcs = sorted(log.vpcs, "vpc", faults);
        Some(QueryLog {
            name: name.value,
            destination: log.destination?,
            vpcs,
            tags: log.tags,
            id: log.id,
            place: name.place.location(),
        })
    });
    let query_logs = query_logs.collect();
    let mut names = Names::default();
    let vpcs = written.vpcs.into_iter().filter_map(|vpc| {
        let id = vpc.id?;
        names.once("VPC", &id.value, &id.place, faults);
        Some(Vpc {
            id: id.value,
            cidrs: vpc.cidrs,
            dnssec_validation: vpc.dnssec_validation,
            autodefined_reverse: vpc.autodefined_reverse,
            place: vpc.place.location(),
        })
    });
    let vpcs = vpcs.collect();
    let mut names = Names::default();
    let subnets = written.subnets.into_iter().filter_map(|subnet| {
        let id = subnet.id?;
        names.once("subnet", &id.value, &id.place, faults);
        Some(Subnet { id: id.value, cidr: subnet.cidr, az: subnet.az, place: subnet.place.location() })
    });
    let subnets = subnets.collect();
    let follow_rules = written.follow_rules;
    if let Some(At { place, .. }) = follow_rules.as_ref().filter(|_| written.follow.is_none()) {
        let help = "add follow = \"5m\", which says how often";
        faults.error("aws-follow", place, "`follow_rules` does nothing without `follow`", help);
    }
    let aws = Aws {
        region: region?,
        owner: owner?,
        profile: written.profile,
        follow: written.follow,
        follow_rules: follow_rules.map(|vpc| vpc.value),
        tags: written.tags,
        endpoints,
        rules,
        client_vpns,
        query_logs,
        vpcs,
        subnets,
        place: place.location(),
    };
    (faults.errors() == before).then_some(aws)
}

fn needed<T>(value: Option<T>, key: &str, example: &str, place: &Place, faults: &mut Faults) -> Option<T> {
    if value.is_none() && !faults.is_incomplete() {
        faults.error("missing-key", place, format!("[aws] needs `{key}`"), format!("add {example}"));
    }
    value
}

/// Where each name was written first.
#[derive(Default)]
struct Names(HashMap<String, Place>);

impl Names {
    fn once(&mut self, what: &str, name: &str, place: &Place, faults: &mut Faults) {
        if let Some(first) = self.0.get(name) {
            let message = format!("a second {what} `{name}`; the first is at {first}");
            faults.error(
                "aws-duplicate",
                place,
                message,
                "give one of the two another name, or leave it out",
            );
        } else {
            self.0.insert(name.to_owned(), place.clone());
        }
    }
}

/// Each value once, in order.
fn sorted(values: Vec<At<String>>, what: &str, faults: &mut Faults) -> Vec<String> {
    let mut names = Names::default();
    for At { value, place } in &values {
        names.once(what, value, place, faults);
    }
    let mut values: Vec<String> = values.into_iter().map(|at| at.value).collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn endpoint(
    written: WrittenResolverEndpoint,
    names: &mut Names,
    faults: &mut Faults,
) -> Option<ResolverEndpoint> {
    let name = written.name?;
    names.once("Resolver endpoint", &name.value, &name.place, faults);
    let direction = written.direction?;
    let family = written.family.map_or(AddressFamily::default(), |family| family.value);
    let flags = [
        ("dns64", &written.dns64, Direction::Outbound, "inbound endpoints only"),
        ("target_metrics", &written.target_metrics, Direction::Inbound, "outbound endpoints only"),
        ("ipv6_internet", &written.ipv6_internet, Direction::Inbound, "outbound endpoints only"),
    ];
    for (key, flag, other, whose) in flags {
        let is_wrong = direction == other || (direction == Direction::InboundDelegation);
        if let Some(At { place, .. }) = flag.as_ref().filter(|_| is_wrong) {
            faults.error("aws-flag", place, format!("`{key}` is for {whose}"), "leave it out");
        }
    }
    let addresses = addresses(written.addresses?, direction, family, &name.place, faults)?;
    Some(ResolverEndpoint {
        alias: written.alias,
        direction,
        vpc: written.vpc?.value,
        addresses,
        security_group: security_group(written.security_group?, faults)?,
        family,
        protocols: protocols(written.protocols, direction, faults),
        dns64: written.dns64.is_some_and(|flag| flag.value),
        interface_metrics: written.interface_metrics,
        target_metrics: written.target_metrics.is_some_and(|flag| flag.value),
        ipv6_internet: written.ipv6_internet.is_some_and(|flag| flag.value),
        tags: written.tags,
        id: written.id,
        place: name.place.location(),
        name: name.value,
    })
}

fn addresses(
    written: Vec<At<crate::config::schema::WrittenAddress>>,
    direction: Direction,
    family: AddressFamily,
    endpoint: &Place,
    faults: &mut Faults,
) -> Option<Vec<EndpointAddress>> {
    if written.len() < MIN_ADDRESSES {
        let help = "write two at least, in subnets of two Availability Zones";
        faults.error(
            "aws-addresses",
            endpoint,
            "Route 53 refuses an endpoint with fewer than two addresses",
            help,
        );
    }
    let mut names = Names::default();
    let mut addresses = Vec::new();
    for At { value, place } in written {
        let ips = [
            value.ip.as_ref().map(|at| at.value.to_string()),
            value.ipv6.as_ref().map(|at| at.value.to_string()),
        ];
        for ip in ips.iter().flatten() {
            names.once("address", ip, &place, faults);
        }
        // On-premises servers point at them: chosen by AWS, they would be others after the next replacement.
        let is_pinned = ips.iter().any(Option::is_some);
        if !is_pinned && direction != Direction::Outbound {
            let help = "add ip = \"…\", an address of the subnet that is free";
            faults.error(
                "aws-addresses",
                &place,
                "an inbound endpoint's addresses must be written out",
                help,
            );
        }
        if let Some(At { place, .. }) = value.ipv6.as_ref().filter(|_| family == AddressFamily::Ipv4) {
            let help = "write type = \"IPV6\" or \"DUALSTACK\"";
            faults.error("aws-family", place, "an endpoint of type IPV4 has no IPv6 addresses", help);
        }
        if let Some(At { place, .. }) = value.ip.as_ref().filter(|_| family == AddressFamily::Ipv6) {
            let help = "write type = \"DUALSTACK\", or leave the IPv4 address out";
            faults.error("aws-family", place, "an endpoint of type IPV6 has no IPv4 addresses", help);
        }
        addresses.push(EndpointAddress {
            subnet: value.subnet?,
            ip: value.ip.map(|at| at.value),
            ipv6: value.ipv6.map(|at| at.value),
            place: place.location(),
        });
    }
    Some(addresses)
}

fn security_group(written: WrittenSecurityGroup, faults: &mut Faults) -> Option<SecurityGroup> {
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

fn rule(written: WrittenResolverRule, names: &mut Names, faults: &mut Faults) -> Option<ResolverRule> {
    let kind = written.kind?;
    let domain = match kind {
        RuleType::Delegate => match (written.delegation_record, &written.domain) {
            (Some(record), None) => record,
            _ => {
                let help = "write delegation_record = \"ns.corp.example\" in the place of `domain`";
                faults.error(
                    "aws-rule",
                    &written.place,
                    "a DELEGATE rule goes by its delegation record",
                    help,
                );
                return None;
            }
        },
        _ => {
            if let Some(At { place, .. }) = &written.delegation_record {
                let help = "leave it out, or write type = \"DELEGATE\"";
                faults.error("aws-rule", place, "`delegation_record` is for DELEGATE rules", help);
            }
            if written.domain.is_none() && !faults.is_incomplete() {
                let help = "add domain = \"anycompany.corp\"";
                faults.error("missing-key", &written.place, "[[aws.rule]] needs `domain`", help);
            }
            written.domain?
        }
    };
    targets(kind, written.targets.as_deref(), &domain.place, faults);
    if let Some(At { place, .. }) = written.endpoint.as_ref().filter(|_| kind == RuleType::System) {
        let help = "leave it out: Resolver answers by itself";
        faults.error("aws-rule", place, "a SYSTEM rule has no endpoint", help);
    }
    let name =
        written.name.unwrap_or_else(|| At { value: name_of(&domain.value), place: domain.place.clone() });
    names.once("Resolver rule", &name.value, &name.place, faults);
    Some(ResolverRule {
        name: name.value,
        domain: domain.value,
        kind,
        targets: written.targets.unwrap_or_default().into_iter().map(|target| target.value).collect(),
        endpoint: written.endpoint.map(|at| at.value),
        vpcs: sorted(written.vpcs, "VPC", faults),
        share: sorted(written.share, "principal", faults),
        tags: written.tags,
        id: written.id,
        place: domain.place.location(),
    })
}

fn targets(kind: RuleType, targets: Option<&[At<super::RuleTarget>]>, rule: &Place, faults: &mut Faults) {
    let all = targets.unwrap_or_default();
    let (message, help) = match (kind, all.len()) {
        (RuleType::Forward, 0) => (
            "a FORWARD rule needs targets",
            "add targets = [\"192.168.2.250\"], the servers that know the domain",
        ),
        (RuleType::System | RuleType::Delegate, 1..) => {
            ("only FORWARD rules have targets", "leave them out, or write type = \"FORWARD\"")
        }
        (_, count) if count > MAX_TARGETS => {
            ("Route 53 takes at most 6 targets in a rule", "keep six; the quota can't be raised")
        }
        _ => {
            mixed(all, faults);
            return;
        }
    };
    faults.error("aws-targets", rule, message, help);
}

/// A rule's targets are of one family, and each there once.
fn mixed(targets: &[At<super::RuleTarget>], faults: &mut Faults) {
    let mut first: HashMap<SocketAddr, &Place> = HashMap::new();
    for At { value, place } in targets {
        if let Some(other) = first.insert(value.address, place) {
            let message = format!("a second target {}; the first is at {other}", value.address);
            faults.error("aws-duplicate", place, message, "keep one of the two");
        }
        if value.address.is_ipv4() != targets[0].value.address.is_ipv4() {
            let message = "Route 53 takes IPv4 targets or IPv6 targets in a rule, not both";
            faults.error("aws-targets", place, message, "leave those of one family out");
        }
    }
}

/// A name that Route 53 takes, of a domain: `anycompany-corp`, `root` for all names.
pub fn name_of(domain: &Name) -> String {
    let text = domain.to_string().to_ascii_lowercase();
    let text = text.trim_end_matches('.');
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let name: String = text.chars().map(allowed).take(64).collect();
    match name {
        name if name.is_empty() => "root".to_owned(),
        name if name.chars().all(|c| c.is_ascii_digit()) => format!("{name}-"),
        name => name,
    }
}

fn vpn(written: WrittenClientVpn, names: &mut Names, faults: &mut Faults) -> Option<ClientVpn> {
    let endpoint = written.endpoint?;
    names.once("Client VPN endpoint", &endpoint.value, &endpoint.place, faults);
    let servers = written.dns_servers?;
    if servers.value.len() > MAX_DNS_SERVERS {
        let help = "keep the two that are best reached";
        faults.error(
            "aws-dns-servers",
            &servers.place,
            "a Client VPN endpoint has two DNS servers at most",
            help,
        );
    }
    Some(ClientVpn {
        endpoint: endpoint.value,
        dns_servers: servers.value,
        authorize: written.authorize,
        group: written.group,
        place: written.place.location(),
    })
}
