//! Which thing in AWS is which wish of the file: the one that its `id` names, or else among what is ours the one of the
//! same name and nature, of the same nature (it is renamed then), or of the same name (it is replaced then).

use std::collections::HashSet;

use super::text::domain_of;
use crate::aws::owned::Owner;
use crate::aws::world::{self, OWNER_TAG, State, World};
use crate::config::aws::{AddressFamily, Aws, ResolverEndpoint, SecurityGroup};
use crate::wire::name::Name;

/// For each wish in the file's order, the ID of what it is in AWS. A wish with an `id` that AWS doesn't know has none.
pub(super) struct Matches<'a> {
    pub endpoints: Vec<Option<&'a str>>,
    pub rules: Vec<Option<&'a str>>,
    pub query_logs: Vec<Option<&'a str>>,
}

impl<'a> Matches<'a> {
    pub fn new(goal: &Aws, world: &'a World) -> Matches<'a> {
        let owner = Owner(&goal.owner);
        Matches {
            endpoints: endpoints(goal, world, owner),
            rules: rules(goal, world, owner),
            query_logs: query_logs(goal, world, owner),
        }
    }
}

struct Wish<'a> {
    name: &'a str,
    id: Option<&'a str>,
    /// What AWS can't change.
    nature: String,
}

struct Thing<'a> {
    id: &'a str,
    name: &'a str,
    nature: String,
}

fn endpoints<'a>(goal: &Aws, world: &'a World, owner: Owner<'_>) -> Vec<Option<&'a str>> {
    let wishes: Vec<Wish<'_>> = goal.endpoints.iter().map(endpoint_wish).collect();
    let ours = world.endpoints.iter().filter(|(_, endpoint)| {
        endpoint.state != State::Going && owner.owns(&endpoint.creator_request_id, &endpoint.tags)
    });
    let things: Vec<Thing<'a>> = ours
        .map(|(id, endpoint)| Thing {
            id,
            name: &endpoint.name,
            nature: endpoint_nature(endpoint, world, owner),
        })
        .collect();
    let likeness = |wish: usize, id: &str| match world.endpoints.get(id) {
        Some(endpoint) => common_addresses(&goal.endpoints[wish], endpoint),
        None => 0,
    };
    pair(&wishes, &things, &likeness, |id| world.endpoints.get_key_value(id).map(|(id, _)| id.as_str()))
}

fn endpoint_wish(endpoint: &ResolverEndpoint) -> Wish<'_> {
    let groups = match &endpoint.security_group {
        SecurityGroup::Ours { .. } => "ours".to_owned(),
        SecurityGroup::Theirs(ids) => ids.join(" "),
    };
    let is_ipv6 = endpoint.family == AddressFamily::Ipv6;
    let nature = format!("{} {} {is_ipv6} {groups}", endpoint.direction.word(), endpoint.vpc);
    Wish { name: &endpoint.name, id: endpoint.id.as_deref(), nature }
}

fn endpoint_nature(endpoint: &world::Endpoint, world: &World, owner: Owner<'_>) -> String {
    let is_ours = match &endpoint.security_groups[..] {
        [id] => world.security_groups.get(id).is_some_and(|group| owner.tagged(&group.tags)),
        _ => false,
    };
    let groups = if is_ours { "ours".to_owned() } else { endpoint.security_groups.join(" ") };
    let is_ipv6 = endpoint.family == AddressFamily::Ipv6;
    format!("{} {} {is_ipv6} {groups}", endpoint.direction.word(), endpoint.vpc)
}

fn common_addresses(wish: &ResolverEndpoint, endpoint: &world::Endpoint) -> usize {
    let is_there = |wish: &&crate::config::aws::EndpointAddress| {
        endpoint.addresses.values().any(|address| {
            address.subnet == wish.subnet
                && wish.ip.is_none_or(|ip| address.ip == Some(ip))
                && wish.ipv6.is_none_or(|ip| address.ipv6 == Some(ip))
        })
    };
    wish.addresses.iter().filter(is_there).count()
}

fn rules<'a>(goal: &Aws, world: &'a World, owner: Owner<'_>) -> Vec<Option<&'a str>> {
    let wishes: Vec<Wish<'_>> = goal
        .rules
        .iter()
        .map(|rule| Wish {
            name: &rule.name,
            id: rule.id.as_deref(),
            nature: format!("{} {}", rule.kind.word(), domain_of(&rule.domain)),
        })
        .collect();
    let ours =
        world.rules.iter().filter(|(_, rule)| is_ours(rule, world, owner) && rule.state != State::Going);
    let things: Vec<Thing<'a>> = ours
        .map(|(id, rule)| Thing {
            id,
            name: &rule.name,
            nature: format!("{} {}", rule.kind.word(), canonical(&rule.domain)),
        })
        .collect();
    pair(&wishes, &things, &|_, _| 0, |id| world.rules.get_key_value(id).map(|(id, _)| id.as_str()))
}

/// Rules of other accounts are never ours, whatever they were made with there.
pub(super) fn is_ours(rule: &world::Rule, world: &World, owner: Owner<'_>) -> bool {
    owner.owns(&rule.creator_request_id, &rule.tags) && rule.owner == world.account
}

fn query_logs<'a>(goal: &Aws, world: &'a World, owner: Owner<'_>) -> Vec<Option<&'a str>> {
    let wishes: Vec<Wish<'_>> = goal
        .query_logs
        .iter()
        .map(|log| Wish { name: &log.name, id: log.id.as_deref(), nature: log.destination.clone() })
        .collect();
    let ours = world.query_logs.iter().filter(|(_, log)| {
        log.state != State::Going
            && owner.owns(&log.creator_request_id, &log.tags)
            && log.owner == world.account
    });
    let things: Vec<Thing<'a>> =
        ours.map(|(id, log)| Thing { id, name: &log.name, nature: log.destination.clone() }).collect();
    pair(&wishes, &things, &|_, _| 0, |id| world.query_logs.get_key_value(id).map(|(id, _)| id.as_str()))
}

/// In rounds, the surest first, so that no wish takes what is more surely another's.
fn pair<'a>(
    wishes: &[Wish<'_>],
    things: &[Thing<'a>],
    likeness: &dyn Fn(usize, &str) -> usize,
    known: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Option<&'a str>> {
    let mut matched: Vec<Option<&'a str>> = wishes.iter().map(|wish| wish.id.and_then(&known)).collect();
    let mut taken: HashSet<&str> = matched.iter().flatten().copied().collect();
    let rounds: [fn(&Wish<'_>, &Thing<'_>) -> bool; 3] = [
        |wish, thing| wish.name == thing.name && wish.nature == thing.nature,
        |wish, thing| wish.nature == thing.nature,
        |wish, thing| wish.name == thing.name,
    ];
    for fits in rounds {
        for (index, wish) in wishes.iter().enumerate() {
            if matched[index].is_some() || wish.id.is_some() {
                continue;
            }
            let free = things.iter().filter(|thing| fits(wish, thing) && !taken.contains(thing.id));
            // The last of the likest would be chosen: backwards, the first is.
            let found = free.rev().max_by_key(|thing| likeness(index, thing.id)).map(|thing| thing.id);
            matched[index] = found;
            taken.extend(found);
        }
    }
    matched
}

/// A domain as AWS gives it, for comparing. What is no name stays as it is.
pub(super) fn canonical(domain: &str) -> String {
    Name::parse(domain).map_or_else(|_| domain.to_ascii_lowercase(), |name| domain_of(&name))
}

/// A CreatorRequestId that nothing in AWS has. The usual one is taken if what it made was given another name since.
pub(super) fn fresh_request_id<'w>(
    owner: Owner<'_>,
    (kind, name): (&str, &str),
    nature: &[&str],
    taken: impl Iterator<Item = &'w str>,
) -> String {
    let taken: HashSet<&str> = taken.collect();
    let mut id = owner.request_id(kind, name, nature);
    // One more than what is taken is enough.
    for again in 0..taken.len() {
        if !taken.contains(id.as_str()) {
            break;
        }
        let again = again.to_string();
        let nature: Vec<&str> = nature.iter().copied().chain([again.as_str()]).collect();
        id = owner.request_id(kind, name, &nature);
    }
    id
}

/// Whether it was taken over, not made: then it is let go, never deleted.
pub(super) fn is_adopted(owner: Owner<'_>, creator_request_id: &str) -> bool {
    !owner.made(creator_request_id)
}

/// The keys that letting go takes off.
pub(super) fn mark() -> Vec<String> {
    vec![OWNER_TAG.to_owned()]
}
