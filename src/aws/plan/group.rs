//! Security groups that are ours: one for each endpoint that has none of somebody else's. Only permissions for networks
//! are kept in order; what names other groups or prefix lists is left as it is.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::draft::{ChangeId, Draft};
use super::matching::Matches;
use super::stage::{Phase, Stage};
use super::step::{Ref, Step, Way};
use super::{Action, Change, Field, ThingKind, text};
use crate::aws::world::{self, Permission};
use crate::config::aws::{AddressFamily, Direction, Protocol, ResolverEndpoint, RuleType, SecurityGroup};

/// Which security groups guard each endpoint that is wanted, in the file's order.
pub(super) struct Groups<'a> {
    pub of: Vec<Vec<Ref>>,
    /// Ours that are wanted.
    claimed: HashSet<&'a str>,
}

pub(super) fn groups<'a>(draft: &mut Draft<'a>, matches: &Matches<'a>) -> Groups<'a> {
    let mut groups = Groups { of: Vec::new(), claimed: HashSet::new() };
    // What endpoints have comes first, so that no other finds it by its name.
    let current: Vec<Option<&str>> = draft
        .goal
        .endpoints
        .iter()
        .zip(&matches.endpoints)
        .map(|(wish, id)| current(draft, wish, *id))
        .collect();
    groups.claimed.extend(current.iter().flatten());
    for (wish, current) in draft.goal.endpoints.iter().zip(current) {
        let of = match &wish.security_group {
            SecurityGroup::Theirs(ids) => theirs(draft, wish, ids),
            SecurityGroup::Ours { allow } => {
                let id = current.or_else(|| by_name(draft, wish, &groups.claimed));
                groups.claimed.extend(id);
                vec![ours(draft, wish, allow, id)]
            }
        };
        groups.of.push(of);
    }
    groups
}

/// The one that its endpoint has, if it is ours.
fn current<'a>(draft: &Draft<'a>, wish: &ResolverEndpoint, endpoint: Option<&str>) -> Option<&'a str> {
    if matches!(wish.security_group, SecurityGroup::Theirs(_)) {
        return None;
    }
    let [id] = &draft.world.endpoints.get(endpoint?)?.security_groups[..] else { return None };
    let (id, group) = draft.world.security_groups.get_key_value(id)?;
    (draft.owner.tagged(&group.tags) && group.vpc == wish.vpc).then_some(id)
}

/// One that an earlier run made before it ended.
fn by_name<'a>(draft: &Draft<'a>, wish: &ResolverEndpoint, claimed: &HashSet<&str>) -> Option<&'a str> {
    let name = name_of(draft, wish);
    let fits = |(id, group): &(&'a String, &world::SecurityGroup)| {
        group.name == name
            && group.vpc == wish.vpc
            && draft.owner.tagged(&group.tags)
            && !claimed.contains(id.as_str())
    };
    draft.world.security_groups.iter().find(fits).map(|(id, _)| id.as_str())
}

/// EC2 takes no apostrophes in names of groups; Route 53 does.
fn name_of(draft: &Draft<'_>, wish: &ResolverEndpoint) -> String {
    draft.owner.name_of(&wish.name.replace('\'', "-"))
}

fn theirs(draft: &mut Draft<'_>, wish: &ResolverEndpoint, ids: &[String]) -> Vec<Ref> {
    for id in ids {
        match draft.world.security_groups.get(id) {
            Some(group) if group.vpc == wish.vpc => {}
            Some(group) => draft.obstacle(
                format!(
                    "endpoint {}: security group {id} is in {}, not in {}",
                    wish.name, group.vpc, wish.vpc
                ),
                "name one of the endpoint's VPC",
            ),
            None => draft.obstacle(
                format!("endpoint {}: there is no security group {id}", wish.name),
                "correct `ids`, or write { allow = […] } for one that is made",
            ),
        }
    }
    ids.iter().map(|id| Ref::Id(id.clone())).collect()
}

fn ours(draft: &mut Draft<'_>, wish: &ResolverEndpoint, allow: &[IpNet], id: Option<&str>) -> Ref {
    let ingress = ingress(draft, wish, allow);
    let egress = egress(draft, wish, allow);
    match id.and_then(|id| Some((id, draft.world.security_groups.get(id)?))) {
        Some((id, group)) => {
            let (wanted, is_outbound) = ([ingress, egress], wish.direction == Direction::Outbound);
            keep(draft, id, group, wanted, is_outbound);
            Ref::Id(id.to_owned())
        }
        None => create(draft, wish, ingress, egress),
    }
}

/// An outbound endpoint takes no queries in.
fn ingress(draft: &mut Draft<'_>, wish: &ResolverEndpoint, allow: &[IpNet]) -> BTreeSet<Permission> {
    if wish.direction == Direction::Outbound {
        return BTreeSet::new();
    }
    let mut networks = allow.to_vec();
    networks.extend(vpn_networks(draft, wish));
    networks.iter().flat_map(|network| permissions(*network, &wish.protocols)).collect()
}

/// The subnets that Client VPN endpoints are associated with whose clients ask here: their traffic has an address of the
/// subnet (Client VPN administrator's guide, "How Client VPN works": source network address translation).
fn vpn_networks(draft: &mut Draft<'_>, wish: &ResolverEndpoint) -> Vec<IpNet> {
    let mut networks = Vec::new();
    let asks = |server: &std::net::Ipv4Addr| wish.addresses.iter().any(|own| own.ip == Some(*server));
    for vpn in draft.goal.client_vpns.iter().filter(|vpn| vpn.authorize && vpn.dns_servers.iter().any(asks)) {
        let Some(there) = draft.world.client_vpns.get(&vpn.endpoint) else { continue };
        for subnet in &there.subnets {
            match draft.world.subnets.get(subnet) {
                Some(subnet) => networks.push(subnet.cidr),
                None => draft.obstacle(
                    format!("Client VPN endpoint {}: nothing is known of its subnet {subnet}", vpn.endpoint),
                    "allow ec2:DescribeSubnets, then plan again",
                ),
            }
        }
    }
    networks
}

/// An inbound endpoint's answers need no permission, and it asks nobody by way of its group.
fn egress(draft: &Draft<'_>, wish: &ResolverEndpoint, allow: &[IpNet]) -> BTreeSet<Permission> {
    if wish.direction != Direction::Outbound {
        return BTreeSet::new();
    }
    let mut wanted: BTreeSet<Permission> =
        allow.iter().flat_map(|network| permissions(*network, &wish.protocols)).collect();
    let goal = draft.goal;
    let through = goal
        .rules
        .iter()
        .filter(|rule| goal.outbound_of(rule).is_some_and(|endpoint| endpoint.name == wish.name));
    for rule in through {
        for target in &rule.targets {
            let peer = IpNet::from(target.address.ip());
            wanted.extend(one_port(peer, target.address.port(), target.protocol));
        }
        // Whom a delegation names is known only when it is met.
        if rule.kind == RuleType::Delegate {
            wanted.extend(everybody(wish).flat_map(|network| one_port(network, 53, Protocol::Do53)));
        }
    }
    wanted
}

fn everybody(wish: &ResolverEndpoint) -> impl Iterator<Item = IpNet> {
    let ipv4 = (wish.family != AddressFamily::Ipv6).then_some(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    let ipv6 = (wish.family != AddressFamily::Ipv4).then_some(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED));
    ipv4.into_iter().chain(ipv6).filter_map(|ip| IpNet::new(ip, 0).ok())
}

fn permissions(network: IpNet, protocols: &[Protocol]) -> Vec<Permission> {
    protocols.iter().flat_map(|protocol| one_port(network, protocol.port(), *protocol)).collect()
}

/// DNS wants both transports (RFC 7766 section 5); over HTTPS there is TCP alone.
fn one_port(network: IpNet, port: u16, protocol: Protocol) -> Vec<Permission> {
    let transports: &[&str] = if protocol == Protocol::Do53 { &["tcp", "udp"] } else { &["tcp"] };
    let one = |transport: &&str| Permission {
        protocol: (*transport).to_owned(),
        from_port: port.into(),
        to_port: port.into(),
        peer: network.trunc().to_string(),
    };
    transports.iter().map(one).collect()
}

fn create(
    draft: &mut Draft<'_>,
    wish: &ResolverEndpoint,
    ingress: BTreeSet<Permission>,
    egress: BTreeSet<Permission>,
) -> Ref {
    let name = free_name(draft, wish);
    let made = format!("security-group {}", wish.name);
    let reason = format!("guards endpoint {}", wish.name);
    let fields = [fields("in", &ingress, true), fields("out", &egress, true)].concat();
    let change = Change::new(ThingKind::SecurityGroup, &name, Action::Create, reason).fields(fields);
    let change = draft.change(change);
    let step = Step::CreateSecurityGroup {
        made: made.clone(),
        description: format!("Route 53 Resolver endpoint {}", wish.name.replace('\'', "-")),
        vpc: wish.vpc.clone(),
        tags: draft.owner.tags([&draft.goal.tags, &wish.tags]),
        name,
    };
    draft.step(Phase::Groups.first(), change, step);
    let group = Ref::Made(made);
    permit(draft, change, &group, Way::Ingress, ingress);
    permit(draft, change, &group, Way::Egress, egress);
    if wish.direction == Direction::Outbound {
        let permissions = usual_egress(draft, wish);
        let step = Step::Forbid { group: group.clone(), way: Way::Egress, permissions };
        draft.step(Stage(Phase::Permissions, 1), change, step);
    }
    group
}

/// A name that no group of the VPC has: another endpoint had it, and was given another name since.
fn free_name(draft: &Draft<'_>, wish: &ResolverEndpoint) -> String {
    let name = name_of(draft, wish);
    let is_taken = |name: &str| {
        draft.world.security_groups.values().any(|group| group.name == name && group.vpc == wish.vpc)
    };
    let numbered = (2..).map(|number| format!("{name}-{number}")).take(draft.world.security_groups.len() + 1);
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name));
    free.unwrap_or(name)
}

/// EC2 lets a new group send anything anywhere.
fn usual_egress(draft: &Draft<'_>, wish: &ResolverEndpoint) -> Vec<Permission> {
    let cidrs = draft.world.vpcs.get(&wish.vpc).map(|vpc| &vpc.cidrs[..]).unwrap_or_default();
    let has_ipv6 = cidrs.iter().any(|cidr| matches!(cidr, IpNet::V6(_)));
    let all = |peer: &str| Permission {
        protocol: "-1".to_owned(),
        from_port: -1,
        to_port: -1,
        peer: peer.to_owned(),
    };
    let mut usual = vec![all("0.0.0.0/0")];
    usual.extend(has_ipv6.then(|| all("::/0")));
    usual
}

fn keep(
    draft: &mut Draft<'_>,
    id: &str,
    group: &world::SecurityGroup,
    [ingress, egress]: [BTreeSet<Permission>; 2],
    is_outbound: bool,
) {
    let mut ways = vec![(Way::Ingress, ingress, managed(&group.ingress))];
    // Where an inbound endpoint's group may send is left as it is: nothing is sent.
    if is_outbound {
        ways.push((Way::Egress, egress, managed(&group.egress)));
    }
    let mut all = Vec::new();
    let mut steps = Vec::new();
    for (way, wanted, there) in ways {
        let missing: BTreeSet<Permission> = wanted.difference(&there).cloned().collect();
        let surplus: BTreeSet<Permission> = there.difference(&wanted).cloned().collect();
        let word = if way == Way::Ingress { "in" } else { "out" };
        all.extend(fields(word, &surplus, false));
        all.extend(fields(word, &missing, true));
        steps.push((way, missing, surplus));
    }
    if all.is_empty() {
        return;
    }
    let change = Change::new(ThingKind::SecurityGroup, &group.name, Action::Change, "differs from the file");
    let change = draft.change(change.id(id).fields(all));
    let group = Ref::Id(id.to_owned());
    for (way, missing, surplus) in steps {
        permit(draft, change, &group, way, missing);
        if !surplus.is_empty() {
            let permissions = surplus.into_iter().collect();
            let step = Step::Forbid { group: group.clone(), way, permissions };
            draft.step(Phase::Forbiddances.first(), change, step);
        }
    }
}

fn permit(draft: &mut Draft<'_>, change: ChangeId, group: &Ref, way: Way, permissions: BTreeSet<Permission>) {
    if !permissions.is_empty() {
        let permissions = permissions.into_iter().collect();
        let step = Step::Permit { group: group.clone(), way, permissions };
        draft.step(Phase::Permissions.first(), change, step);
    }
}

/// Those that we know how to write.
fn managed(permissions: &[Permission]) -> BTreeSet<Permission> {
    let is_known = |one: &&Permission| {
        matches!(one.protocol.as_str(), "tcp" | "udp" | "-1") && one.peer.parse::<IpNet>().is_ok()
    };
    permissions.iter().filter(is_known).cloned().collect()
}

/// One field for each network.
fn fields(way: &str, permissions: &BTreeSet<Permission>, is_added: bool) -> Vec<Field> {
    let mut peers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for permission in permissions {
        peers.entry(&permission.peer).or_default().push(text::ports(permission));
    }
    let field = |(peer, ports): (&str, Vec<String>)| {
        let ports = ports.join(", ");
        let text = if way == "in" { format!("{ports} from {peer}") } else { format!("{ports} to {peer}") };
        if is_added { Field::added(way, text) } else { Field::removed(way, text) }
    };
    peers.into_iter().map(field).collect()
}

/// Ours that no endpoint needs any more. `kept`: those of endpoints that stay, whoever's they are.
pub(super) fn leftovers(draft: &mut Draft<'_>, groups: &Groups<'_>, kept: &HashSet<&str>) {
    for (id, group) in &draft.world.security_groups {
        if !draft.owner.tagged(&group.tags) || groups.claimed.contains(id.as_str()) {
            continue;
        }
        if kept.contains(id.as_str()) {
            let about = "an endpoint that isn't ours any more has it".to_owned();
            draft.leave(ThingKind::SecurityGroup, id, &group.name, about);
            continue;
        }
        let reason = "no endpoint of the file needs it";
        let change = Change::new(ThingKind::SecurityGroup, &group.name, Action::Delete, reason).id(id);
        let change = draft.change(change);
        draft.step(Phase::GroupDeletions.first(), change, Step::DeleteSecurityGroup { group: id.clone() });
    }
}
