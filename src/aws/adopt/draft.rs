//! What is to be written of each thing, as values: names that are sound and free, and a note of what the file can't say.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::names::{self, Names};
use super::{Chosen, Taken};
use crate::aws::plan::{self, Managed, ThingKind};
use crate::aws::world::{self, OWNER_TAG, State, World};
use crate::config::aws::{self, AddressFamily, Aws, Direction, Protocol, RuleTarget, RuleType};
use crate::wire::name::Name;

pub(super) struct Draft {
    pub things: Vec<Thing>,
}

pub(super) struct Thing {
    pub id: String,
    pub name: String,
    pub tags: Vec<(String, String)>,
    pub notes: Vec<String>,
    pub what: What,
}

pub(super) enum What {
    Endpoint(Endpoint),
    Rule(Rule),
    QueryLog { destination: String, vpcs: Vec<String> },
}

pub(super) struct Endpoint {
    /// `inbound` or `outbound`, written as a table of that name.
    pub alias: Option<&'static str>,
    pub direction: Direction,
    pub vpc: String,
    pub addresses: Vec<(String, Option<Ipv4Addr>, Option<Ipv6Addr>)>,
    pub security_groups: Vec<String>,
    pub family: AddressFamily,
    pub protocols: Vec<Protocol>,
    /// Keys that are true.
    pub flags: Vec<&'static str>,
}

pub(super) struct Rule {
    pub domain: Name,
    pub kind: RuleType,
    pub targets: Vec<RuleTarget>,
    pub endpoint: Option<String>,
    pub vpcs: Vec<String>,
    pub share: Vec<String>,
}

impl Draft {
    pub fn new(wanted: &Aws, world: &World, chosen: &Chosen<'_>) -> Draft {
        let managed = plan::managed(wanted, world);
        let endpoints = endpoints(wanted, world, chosen);
        let rules = rules(wanted, world, chosen, &managed, &endpoints);
        let logs = query_logs(wanted, world, chosen);
        Draft { things: endpoints.into_iter().chain(rules).chain(logs).collect() }
    }

    pub fn taken(&self) -> Vec<Taken> {
        let taken = self.things.iter().map(|thing| Taken {
            kind: match thing.what {
                What::Endpoint(_) => ThingKind::Endpoint,
                What::Rule(_) => ThingKind::Rule,
                What::QueryLog { .. } => ThingKind::QueryLog,
            },
            id: thing.id.clone(),
            name: thing.name.clone(),
            notes: thing.notes.clone(),
        });
        taken.collect()
    }
}

/// The tables [aws.inbound] and [aws.outbound] come first, as there can be one of each.
fn endpoints(wanted: &Aws, world: &World, chosen: &Chosen<'_>) -> Vec<Thing> {
    let all = world.endpoints.iter().filter(|(id, _)| chosen.has(ThingKind::Endpoint, id));
    let all: Vec<(&String, &world::Endpoint)> = all.collect();
    let aliases = [("inbound", Direction::Inbound), ("outbound", Direction::Outbound)]
        .map(|(alias, direction)| (alias, alias_of(wanted, &all, alias, direction)));
    let mut names = Names::default();
    wanted.endpoints.iter().for_each(|one| names.take(&one.name));
    let mut things = Vec::new();
    for is_first in [true, false] {
        for (id, one) in &all {
            let alias = aliases.iter().find(|(_, of)| *of == Some(id.as_str())).map(|(alias, _)| *alias);
            if alias.is_some() == is_first {
                things.push(endpoint(id, one, alias, &mut names, wanted));
            }
        }
        // A name that is another's table would mean both.
        names.take("inbound");
        names.take("outbound");
    }
    things
}

/// Which one is written as the table of that name: the one that is called so, or else the first.
fn alias_of<'a>(
    wanted: &Aws,
    all: &[(&'a String, &world::Endpoint)],
    alias: &str,
    direction: Direction,
) -> Option<&'a str> {
    if wanted.endpoints.iter().any(|one| one.alias == Some(alias) || one.name == alias) {
        return None;
    }
    let mut fitting = all.iter().filter(|(_, one)| one.direction == direction);
    let named = fitting.clone().find(|(_, one)| one.name == alias);
    named.or_else(|| fitting.next()).map(|(id, _)| id.as_str())
}

fn endpoint(
    id: &str,
    one: &world::Endpoint,
    alias: Option<&'static str>,
    names: &mut Names,
    wanted: &Aws,
) -> Thing {
    let mut notes = Vec::new();
    // The other table's name means the other.
    let other = ["inbound", "outbound"].into_iter().find(|name| *name == one.name && alias != Some(name));
    let name = names.free(if other.is_some() { "" } else { &one.name }, id);
    note_name(&mut notes, &one.name, &name);
    let flags = flags(one, &mut notes);
    if one.state == State::Broken {
        notes.push(format!("AWS says {}", one.status));
    }
    let mut addresses = Vec::new();
    for address in one.addresses.values().filter(|address| address.state != State::Going) {
        let ip = address.ip.filter(|_| one.family != AddressFamily::Ipv6);
        let ipv6 = address.ipv6.filter(|_| one.family != AddressFamily::Ipv4);
        if address.state != State::Ready {
            notes.push(format!("AWS says {} of an address in {}", address.status, address.subnet));
        }
        addresses.push((address.subnet.clone(), ip, ipv6));
    }
    addresses.sort();
    Thing {
        id: id.to_owned(),
        name,
        tags: tags(&one.tags, wanted, &mut notes),
        notes,
        what: What::Endpoint(Endpoint {
            alias,
            direction: one.direction,
            vpc: one.vpc.clone(),
            addresses,
            security_groups: one.security_groups.clone(),
            family: one.family,
            protocols: one.protocols.clone(),
            flags,
        }),
    }
}

/// Those that the file takes for the direction.
fn flags(one: &world::Endpoint, notes: &mut Vec<String>) -> Vec<&'static str> {
    let inbound = one.direction == Direction::Inbound;
    let outbound = one.direction == Direction::Outbound;
    let all = [
        ("dns64", one.dns64, inbound),
        ("interface_metrics", one.interface_metrics, true),
        ("target_metrics", one.target_metrics, outbound),
        ("ipv6_internet", one.ipv6_internet, outbound),
    ];
    for (name, _, _) in all.iter().filter(|(_, is_on, is_taken)| *is_on && !is_taken) {
        notes.push(format!("{name} is on, which the file doesn't take for {}", one.direction.word()));
    }
    all.into_iter().filter(|(_, is_on, is_taken)| *is_on && *is_taken).map(|(name, _, _)| name).collect()
}

fn rules(
    wanted: &Aws,
    world: &World,
    chosen: &Chosen<'_>,
    managed: &Managed<'_>,
    endpoints: &[Thing],
) -> Vec<Thing> {
    let mut names = Names::default();
    wanted.rules.iter().for_each(|one| names.take(&one.name));
    let all = world.rules.iter().filter(|(id, _)| chosen.has(ThingKind::Rule, id));
    let all = all.filter_map(|(id, one)| Some((id, one, names::domain(&one.domain)?)));
    let mut things = Vec::new();
    for (id, one, domain) in all {
        let mut notes = Vec::new();
        let name = names.free(&one.name, &aws::name_of(&domain));
        note_name(&mut notes, &one.name, &name);
        if one.state == State::Broken {
            notes.push(format!("AWS says {}: a plan writes it once more", one.status));
        }
        let endpoint = one.endpoint.as_deref().filter(|_| one.kind != RuleType::System);
        let endpoint = endpoint.and_then(|id| {
            let own = endpoints.iter().find(|thing| thing.id == id).map(|thing| thing.name.clone());
            own.or_else(|| managed.endpoints.get(id).map(|name| (*name).to_owned()))
        });
        let what = What::Rule(Rule {
            domain,
            kind: one.kind,
            targets: one.targets.clone(),
            endpoint,
            vpcs: vpcs_of(world, id, &mut notes),
            share: shared_with(wanted, world, &one.arn),
        });
        let tags = tags(&one.tags, wanted, &mut notes);
        things.push(Thing { id: id.clone(), name, tags, notes, what });
    }
    things
}

fn vpcs_of(world: &World, rule: &str, notes: &mut Vec<String>) -> Vec<String> {
    let all = world.associations.values().filter(|one| one.rule == rule && one.state != State::Going);
    let mut vpcs = Vec::new();
    for one in all {
        if one.state != State::Ready {
            notes.push(format!("AWS says {} of its association with {}", one.status, one.vpc));
        }
        vpcs.push(one.vpc.clone());
    }
    vpcs.sort_unstable();
    vpcs.dedup();
    vpcs
}

/// By shares of ours; those of others stay as they are.
fn shared_with(wanted: &Aws, world: &World, arn: &str) -> Vec<String> {
    let owner = crate::aws::owned::Owner(&wanted.owner);
    let ours = world.shares.values().find(|share| {
        owner.tagged(&share.tags)
            && share.state != State::Going
            && share.resources.iter().any(|one| one == arn)
    });
    ours.map(|share| share.principals.clone()).unwrap_or_default()
}

fn query_logs(wanted: &Aws, world: &World, chosen: &Chosen<'_>) -> Vec<Thing> {
    let all = world.query_logs.iter().filter(|(id, _)| chosen.has(ThingKind::QueryLog, id));
    let thing = |(id, one): (&String, &world::QueryLog)| {
        let mut notes = Vec::new();
        if one.state == State::Broken {
            notes.push(format!("AWS says {}", one.status));
        }
        let vpcs = world.query_log_associations.get(id).into_iter().flatten();
        let vpcs = vpcs.filter(|(_, state)| **state != State::Going).map(|(vpc, _)| vpc.clone());
        Thing {
            id: id.clone(),
            name: one.name.clone(),
            tags: tags(&one.tags, wanted, &mut notes),
            notes,
            what: What::QueryLog { destination: one.destination.clone(), vpcs: vpcs.collect() },
        }
    };
    all.map(thing).collect()
}

fn note_name(notes: &mut Vec<String>, there: &str, here: &str) {
    if there != here {
        notes.push(match there.is_empty() {
            true => "has no name in AWS: a plan gives it this one".to_owned(),
            false => format!("is called `{there}` in AWS: a plan gives it this name"),
        });
    }
}

/// All but our marks, AWS's own, and those that all things of the file have.
fn tags(
    there: &std::collections::BTreeMap<String, String>,
    wanted: &Aws,
    notes: &mut Vec<String>,
) -> Vec<(String, String)> {
    let is_aws = |key: &str| key.to_ascii_lowercase().starts_with("aws:");
    for (key, value) in there.iter().filter(|(key, _)| is_aws(key)) {
        let what = match key.starts_with("aws:cloudformation:") {
            true => {
                ": a stack of CloudFormation keeps it; take it out of that first, with DeletionPolicy Retain"
            }
            false => ", which is AWS's own and stays",
        };
        notes.push(format!("has the tag {key} = {value}{what}"));
    }
    let is_ours = |key: &str| key.starts_with("dnsfwd:") || key == OWNER_TAG;
    let carried = there
        .iter()
        .filter(|(key, value)| !is_aws(key) && !is_ours(key) && wanted.tags.get(*key) != Some(value));
    carried.map(|(key, value)| (key.clone(), value.clone())).collect()
}
