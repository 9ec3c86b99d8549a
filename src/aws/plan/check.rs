//! What stands in the way of a plan, found before anything is asked of AWS: what AWS would refuse, and what would cut
//! resolution or touch what isn't ours.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::association::Pair;
use super::draft::{ChangeId, Draft};
use super::endpoint::Placed;
use super::rule::{Leaving, Rules};
use super::step::{Ref, Step, Tags};
use super::{Field, Plan};
use crate::aws::world::{Endpoint, State};
use crate::config::aws::{Direction, EndpointAddress, ResolverEndpoint};
use crate::limits;

/// An `id` of the file that AWS doesn't know.
pub(super) fn missing(draft: &mut Draft<'_>, what: &str, id: &str) {
    let about =
        format!("{what}: there is no {id} in account {}, {}", draft.world.account, draft.world.region);
    draft.obstacle(about, "correct its `id`, or leave it out and it will be made");
}

/// An `id` of the file that is being deleted.
pub(super) fn going(draft: &mut Draft<'_>, what: &str, id: &str) {
    draft.obstacle(format!("{what}: {id} is being deleted"), "leave its `id` out, and it will be made anew");
}

/// Whether something may be replaced.
pub(super) fn replacement(draft: &mut Draft<'_>, what: &str, pinned: Option<&str>, fields: &[Field]) -> bool {
    match pinned {
        Some(id) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let about = format!(
                "{what} must be replaced, and its `id` holds it to {id}: AWS can't change its {}",
                names.join(", ")
            );
            draft.obstacle(
                about,
                "change the file back; or leave `id` out, and {id} is let go for a new one"
                    .replace("{id}", id),
            );
            false
        }
        None if draft.options.allow_replace => true,
        None => {
            draft.replacement_obstacle(what, fields);
            false
        }
    }
}

/// Something that is to be taken over, but is another owner's: two files would pull at it.
pub(super) fn another(draft: &mut Draft<'_>, what: &str, id: &str, marks: (&str, &Tags)) {
    if let Some(other) = draft.owner.another(marks.0, marks.1) {
        let about = format!("{what}: {id} is kept by another file, whose owner is {other}");
        let help = "take it out of that file first, which lets go of what it took over; or choose one owner for both";
        draft.obstacle(about, help);
    }
}

pub(super) fn unwanted(draft: &Draft<'_>) -> &'static str {
    if draft.options.destroy { "it is ours" } else { "not in the file any more" }
}

/// Two endpoints can't hold an address at the same time, and neither may be left with fewer than two.
pub(super) fn shared_addresses(draft: &mut Draft<'_>, wish: &ResolverEndpoint, now: &Endpoint) {
    let held = wish.addresses.iter().filter_map(|one| {
        let holds = |address: &&crate::aws::world::Address| {
            (one.ip.is_some() && address.ip == one.ip) || (one.ipv6.is_some() && address.ipv6 == one.ipv6)
        };
        now.addresses.values().find(holds).and_then(|_| ip_of(one))
    });
    let held: Vec<String> = held.map(|ip| ip.to_string()).collect();
    if !held.is_empty() {
        let about = format!(
            "endpoint {}: its replacement can't have {} while the old one has {}",
            wish.name,
            held.join(", "),
            if held.len() == 1 { "it" } else { "them" },
        );
        let help = "write other addresses and a second endpoint beside the old one, move whoever asks there, \
                    then take the old one out of the file";
        draft.obstacle(about, help);
    }
}

fn ip_of(address: &EndpointAddress) -> Option<IpAddr> {
    address.ip.map(IpAddr::V4).or(address.ipv6.map(IpAddr::V6))
}

/// Addresses that are to be made: AWS refuses those of other subnets and its own (RSLVR-00405), or fails to make them.
pub(super) fn addresses(
    draft: &mut Draft<'_>,
    wish: &ResolverEndpoint,
    added: &[&EndpointAddress],
    endpoint: Option<&str>,
    change: ChangeId,
) {
    for address in added {
        subnet(draft, wish, address);
        holders(draft, wish, address, endpoint, change);
    }
}

fn subnet(draft: &mut Draft<'_>, wish: &ResolverEndpoint, address: &EndpointAddress) {
    let what = format!("endpoint {}", wish.name);
    let id = &address.subnet;
    let Some(subnet) = draft.world.subnets.get(id) else {
        let about = format!("{what}: there is no subnet {id}");
        draft.obstacle(about, format!("name a subnet of {} in {}", wish.vpc, draft.world.region));
        return;
    };
    if subnet.vpc != wish.vpc {
        let about = format!("{what}: {id} is a subnet of {}, not of {}", subnet.vpc, wish.vpc);
        draft.obstacle(about, "name a subnet of the endpoint's VPC");
    }
    let (Some(ip), IpNet::V4(cidr)) = (address.ip, subnet.cidr) else { return };
    if !cidr.contains(&ip) {
        let about = format!("{what}: {ip} isn't in {id}, which has {cidr}");
        draft.obstacle(about, format!("write an address out of {cidr}"));
    } else if is_reserved(cidr, ip) {
        let about =
            format!("{what}: {ip} is one of the five addresses that AWS keeps in each subnet ({cidr})");
        draft.obstacle(about, "write another: the first four and the last are AWS's");
    }
}

/// VPC user guide, "Subnet CIDR blocks": network, router, DNS, future use, broadcast.
fn is_reserved(cidr: Ipv4Net, ip: std::net::Ipv4Addr) -> bool {
    let offset = u32::from(ip) - u32::from(cidr.network());
    offset < 4 || ip == cidr.broadcast()
}

/// Other endpoints that have the address. One that is being deleted is waited for.
fn holders(
    draft: &mut Draft<'_>,
    wish: &ResolverEndpoint,
    wanted: &EndpointAddress,
    endpoint: Option<&str>,
    change: ChangeId,
) {
    let world = draft.world;
    let others =
        world.endpoints.iter().filter(|(id, other)| Some(id.as_str()) != endpoint && other.vpc == wish.vpc);
    for (id, other) in others {
        let holds = |(_, address): &(&String, &crate::aws::world::Address)| {
            (wanted.ip.is_some() && wanted.ip == address.ip)
                || (wanted.ipv6.is_some() && wanted.ipv6 == address.ipv6)
        };
        let Some((rni, address)) = other.addresses.iter().find(holds) else { continue };
        if other.state == State::Going {
            draft.wait(change, Step::DeleteEndpoint { endpoint: id.clone() });
        } else if address.state == State::Going {
            draft.wait(change, Step::RemoveAddress { endpoint: id.clone(), address: rni.clone() });
        } else if let Some(ip) = ip_of(wanted) {
            // A replacement has been told of it.
            let is_own = other.name == wish.name && draft.owner.owns(&other.creator_request_id, &other.tags);
            if !is_own {
                let about = format!("endpoint {}: {ip} is endpoint {id}'s ({})", wish.name, other.name);
                let help = "write another address, or free this one first: two endpoints can't hold it";
                draft.obstacle(about, help);
            }
        }
    }
}

/// AWS refuses a rule on a VPC whose own inbound endpoint is its target (RSLVR-00804).
pub(super) fn loops(draft: &mut Draft<'_>, pairs: &[Pair<'_>]) {
    let goal = draft.goal;
    for pair in pairs {
        let rule = &goal.rules[pair.rule];
        let targets: BTreeSet<IpAddr> = rule.targets.iter().map(|target| target.address.ip()).collect();
        for (ip, endpoint) in
            inbound_addresses(draft, pair.vpc).into_iter().filter(|(ip, _)| targets.contains(ip))
        {
            let about = format!(
                "rule {} on {} would be a loop: its target {ip} is inbound endpoint {endpoint} of that VPC \
                 (RSLVR-00804)",
                rule.name, pair.vpc
            );
            draft.obstacle(about, "leave the target or the VPC out: Resolver would ask itself");
        }
    }
}

fn inbound_addresses(draft: &Draft<'_>, vpc: &str) -> BTreeSet<(IpAddr, String)> {
    let wanted =
        draft.goal.endpoints.iter().filter(|one| one.vpc == vpc && one.direction != Direction::Outbound);
    let wanted = wanted.flat_map(|one| {
        let ips = one
            .addresses
            .iter()
            .flat_map(|address| address.ip.map(IpAddr::V4).into_iter().chain(address.ipv6.map(IpAddr::V6)));
        ips.map(|ip| (ip, one.name.clone()))
    });
    let there =
        draft.world.endpoints.values().filter(|one| {
            one.vpc == vpc && one.direction != Direction::Outbound && one.state != State::Going
        });
    let there = there.flat_map(|one| {
        let ips = one
            .addresses
            .values()
            .flat_map(|address| address.ip.map(IpAddr::V4).into_iter().chain(address.ipv6.map(IpAddr::V6)));
        ips.map(|ip| (ip, one.name.clone()))
    });
    wanted.chain(there).collect()
}

/// An endpoint can't be deleted while rules send through it (RSLVR-00600).
pub(super) fn used_endpoints(
    draft: &mut Draft<'_>,
    endpoints: &[Placed<'_>],
    rules: &Rules<'_>,
    plan: &[String],
) {
    let world = draft.world;
    for (id, rule) in &world.rules {
        let Some(endpoint) = rule.endpoint.as_ref().filter(|endpoint| plan.contains(endpoint)) else {
            continue;
        };
        if rule.state == State::Going {
            if let Some(change) = draft.deletion_of(endpoint) {
                draft.wait(change, Step::DeleteRule { rule: id.clone() });
            }
            continue;
        }
        if rules.going.get(id.as_str()) == Some(&Leaving::Deleted) {
            continue;
        }
        let wish = rules.wish_of(id).map(|index| &draft.goal.rules[index]);
        let goes_to = wish.and_then(|wish| draft.goal.outbound_of(wish)).map(|one| &one.name);
        let index = draft.goal.endpoints.iter().position(|one| Some(&one.name) == goes_to);
        let moves = index.is_some_and(|index| endpoints[index].then != Ref::Id(endpoint.clone()));
        // A SYSTEM rule of ours has none; what AWS says of it can't be true for long.
        if !moves {
            let about =
                format!("endpoint {endpoint} can't be deleted: rule {id} ({}) sends through it", rule.name);
            draft.obstacle(
                about,
                "have that rule deleted or sent through another endpoint first: it isn't ours",
            );
        }
    }
}

/// Beyond AWS's usual quotas (Developer Guide, "Quotas on VPC Resolver"): of what is there and what will be.
pub(super) fn quotas(draft: &mut Draft<'_>, steps: &Counts) {
    if draft.options.beyond_quotas {
        return;
    }
    let world = draft.world;
    let endpoints = world.endpoints.values().filter(|one| one.state != State::Going).count();
    let rules = world.rules.values().filter(|one| one.owner == world.account && one.state != State::Going);
    let associations = world.associations.values().filter(|one| one.state != State::Going);
    let all = [
        ("endpoints", limits::AWS_ENDPOINTS, endpoints, steps.endpoints),
        ("rules", limits::AWS_RULES, rules.count(), steps.rules),
        (
            "associations of rules with VPCs",
            limits::AWS_ASSOCIATIONS,
            associations.count(),
            steps.associations,
        ),
    ];
    for (what, quota, there, more) in all {
        if more > 0 && there + more > quota {
            let about = format!(
                "{} {what} would be in {} at a time, and AWS allows {quota} unless the quota was raised",
                there + more,
                world.region
            );
            draft.obstacle(about, "have it raised in Service Quotas, and say --beyond-quotas; or want fewer");
        }
    }
    for wish in &draft.goal.endpoints {
        let (count, quota) = (wish.addresses.len(), limits::AWS_ENDPOINT_ADDRESSES);
        if count > quota {
            let about = format!(
                "endpoint {}: {count} addresses, and AWS allows {quota} unless the quota was raised",
                wish.name
            );
            draft.obstacle(about, "have it raised in Service Quotas, and say --beyond-quotas; or want fewer");
        }
    }
}

/// What a plan makes.
#[derive(Default)]
pub(super) struct Counts {
    pub endpoints: usize,
    pub rules: usize,
    pub associations: usize,
}

impl Counts {
    pub fn count(&mut self, step: &Step) {
        match step {
            Step::CreateEndpoint { .. } => self.endpoints += 1,
            Step::CreateRule { .. } => self.rules += 1,
            Step::Associate { .. } => self.associations += 1,
            _ => {}
        }
    }
}

impl Plan {
    /// Whether nothing is to be done, nor to be waited for.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.obstacles.is_empty()
    }
}
