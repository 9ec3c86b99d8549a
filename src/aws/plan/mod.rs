//! A plan: what differs between what is wanted and what is there, and the steps from one to the other. Pure: the same
//! configuration and the same world give the same plan, to the last octet.

mod address;
mod association;
mod check;
mod cost;
mod draft;
mod endpoint;
mod group;
mod matching;
mod moved;
mod query_log;
mod rule;
mod seal;
mod share;
mod stage;
pub mod step;
mod tag;
mod text;
mod vpc;
mod vpn;

use std::collections::{BTreeMap, HashSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use self::check::Counts;
use self::draft::Draft;
use self::matching::Matches;
pub use self::moved::moved;
pub use self::seal::Tampered;
use self::step::Step;
use super::world::{State, World};
use crate::config::aws::Aws;

/// What a run may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Make a second thing in the place of one whose immutable properties differ, and delete the first.
    pub allow_replace: bool,
    /// Nothing is wanted any more of what is ours.
    pub destroy: bool,
    /// The account's quotas were raised: more than AWS's usual ones is no obstacle.
    pub beyond_quotas: bool,
}

/// The form of plans that are written to files.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub format: u32,
    pub owner: String,
    /// What the plan was made of: so that it can be said what has moved since.
    pub world: World,
    /// The configuration's AWS side as a digest: a plan is for the file that it was made of.
    pub wanted: String,
    /// By kind and name.
    pub changes: Vec<Change>,
    /// In the order in which they are done. What has the same stage can be asked for side by side; the next stage
    /// begins when all of it is done.
    pub steps: Vec<Planned>,
    /// Things of others, which are left alone.
    pub left_alone: Vec<LeftAlone>,
    /// What stops the plan from being applied.
    pub obstacles: Vec<Obstacle>,
    pub cost: Cost,
    /// SHA-256 over all else, in hexadecimal digits.
    pub hash: String,
}

/// One thing that becomes another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub kind: ThingKind,
    /// As the file calls it, or else as AWS does.
    pub name: String,
    pub id: Option<String>,
    pub action: Action,
    /// Why: `not in AWS`, `not in the file any more`, `the domain can't be changed`.
    pub reason: String,
    pub fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThingKind {
    SecurityGroup,
    Endpoint,
    Rule,
    Association,
    Share,
    QueryLog,
    Vpc,
    ClientVpn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Change,
    Replace,
    Delete,
    /// It is on its way to what is wanted since an earlier run: nothing is asked for.
    Wait,
}

/// One property of a thing. None: it isn't there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub from: Option<String>,
    pub to: Option<String>,
    /// AWS can't change it: the thing is replaced.
    pub is_immutable: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    pub stage: u32,
    /// An index into the changes.
    pub change: usize,
    #[serde(flatten)]
    pub step: Step,
}

/// Something that isn't ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAlone {
    pub kind: ThingKind,
    pub id: String,
    pub name: String,
    /// Why it is worth a line: `forwards corp.example. to 10.9.9.9`.
    pub about: String,
}

/// Why a plan can't be applied, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    pub about: String,
    pub help: String,
}

/// US dollars a month of 730 hours, as far as they are known before a query is asked: network interfaces of endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub before: f64,
    pub after: f64,
}

/// What differs, and the steps from what is there to what is wanted. With obstacles the steps are what would be done
/// without them.
pub fn plan(wanted: &Aws, world: &World, options: &Options) -> Plan {
    let goal = if options.destroy { nothing(wanted) } else { wanted.clone() };
    let mut draft = Draft::new(&goal, world, *options);
    let matches = Matches::new(&goal, world);
    let groups = group::groups(&mut draft, &matches);
    let endpoints = endpoint::endpoints(&mut draft, &matches, &groups);
    endpoint::leftovers(&mut draft, &endpoints);
    let rules = rule::rules(&mut draft, &matches, &endpoints);
    association::associations(&mut draft, &rules);
    share::shares(&mut draft, &rules);
    query_log::query_logs(&mut draft, &matches);
    vpc::vpcs(&mut draft);
    vpn::vpns(&mut draft);
    let deleted = draft.deleted_endpoints();
    if options.destroy {
        vpn::released(&mut draft, &wanted.client_vpns, &addresses_of(world, &deleted));
    }
    check::used_endpoints(&mut draft, &endpoints, &rules, &deleted);
    group::leftovers(&mut draft, &groups, &guards_of_others(world, &deleted));
    let mut counts = Counts::default();
    draft.asked().for_each(|step| counts.count(step));
    check::quotas(&mut draft, &counts);
    let cost = cost_of(&draft, &endpoints, &deleted);
    draft.finish(seal::wanted(wanted), cost)
}

/// What of a world the file has already: the ID in AWS, and what the file calls it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managed<'a> {
    pub endpoints: BTreeMap<&'a str, &'a str>,
    pub rules: BTreeMap<&'a str, &'a str>,
    pub query_logs: BTreeMap<&'a str, &'a str>,
}

/// As a plan would match them.
pub fn managed<'a>(wanted: &'a Aws, world: &'a World) -> Managed<'a> {
    let matches = Matches::new(wanted, world);
    let named = |ids: &[Option<&'a str>], names: &mut dyn Iterator<Item = &'a String>| {
        ids.iter().zip(names).filter_map(|(id, name)| Some(((*id)?, name.as_str()))).collect()
    };
    Managed {
        endpoints: named(&matches.endpoints, &mut wanted.endpoints.iter().map(|one| &one.name)),
        rules: named(&matches.rules, &mut wanted.rules.iter().map(|one| &one.name)),
        query_logs: named(&matches.query_logs, &mut wanted.query_logs.iter().map(|one| &one.name)),
    }
}

/// The same AWS side with nothing in it.
fn nothing(wanted: &Aws) -> Aws {
    Aws {
        endpoints: Vec::new(),
        rules: Vec::new(),
        client_vpns: Vec::new(),
        query_logs: Vec::new(),
        vpcs: Vec::new(),
        ..wanted.clone()
    }
}

fn addresses_of(world: &World, endpoints: &[String]) -> Vec<Ipv4Addr> {
    let endpoints = endpoints.iter().filter_map(|id| world.endpoints.get(id));
    endpoints.flat_map(|endpoint| endpoint.addresses.values().filter_map(|address| address.ip)).collect()
}

/// The security groups of the endpoints that stay.
fn guards_of_others<'a>(world: &'a World, deleted: &[String]) -> HashSet<&'a str> {
    let stay = world.endpoints.iter().filter(|(id, _)| !deleted.contains(id));
    let stay = stay.filter(|(_, endpoint)| endpoint.state != State::Going);
    stay.flat_map(|(_, endpoint)| endpoint.security_groups.iter().map(String::as_str)).collect()
}

/// Of the endpoints that are ours or will be.
fn cost_of(draft: &Draft<'_>, endpoints: &[endpoint::Placed<'_>], deleted: &[String]) -> Cost {
    let is_ours = |id: &str, endpoint: &super::world::Endpoint| {
        draft.owner.owns(&endpoint.creator_request_id, &endpoint.tags)
            || endpoints.iter().any(|placed| placed.now == Some(id))
    };
    let count = |endpoint: &super::world::Endpoint| {
        endpoint.addresses.values().filter(|address| address.state != State::Going).count()
    };
    let ours = draft.world.endpoints.iter().filter(|(_, one)| one.state != State::Going);
    let ours: Vec<_> = ours.filter(|(id, one)| is_ours(id, one)).collect();
    let before: usize = ours.iter().map(|(_, one)| count(one)).sum();
    let gone = ours.iter().filter(|(id, _)| deleted.contains(id)).map(|(_, one)| count(one)).sum::<usize>();
    let (mut more, mut less) = (0, gone);
    for step in draft.asked() {
        match step {
            Step::CreateEndpoint { addresses, .. } => more += addresses.len(),
            Step::AddAddress { .. } => more += 1,
            Step::RemoveAddress { .. } => less += 1,
            _ => {}
        }
    }
    cost::of(before, (before + more).saturating_sub(less))
}

#[cfg(test)]
mod tests;
