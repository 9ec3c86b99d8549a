//! What could be taken over, and why something can't be. Only what isn't the file's already is spoken of.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ByKind, Choice, names};
use crate::aws::owned::Owner;
use crate::aws::plan::{self, Managed, ThingKind};
use crate::aws::world::{Endpoint, OWNER_TAG, QueryLog, Rule, State, World};
use crate::config::aws::{Aws, Direction, ResolverRule, RuleType};
use crate::limits::AWS_MIN_ATTACHED;

/// Something in AWS that the file doesn't have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    pub kind: ThingKind,
    pub id: String,
    /// AWS's.
    pub name: String,
    /// What it does: `forwards corp.example. to 10.9.9.9`.
    pub about: String,
    /// Why it can't be taken over.
    pub refusal: Option<String>,
}

/// All of it: endpoints, rules, query logging configurations; each by ID.
pub fn candidates(wanted: &Aws, world: &World) -> Vec<Candidate> {
    let managed = plan::managed(wanted, world);
    let left = plan::plan(wanted, world, &plan::Options::default()).left_alone;
    let about = |kind: ThingKind, id: &str, ours: &str| {
        let found = left.iter().find(|one| one.kind == kind && one.id == id);
        found.map_or_else(|| ours.to_owned(), |one| one.about.clone())
    };
    let candidate = |kind, id: &str, name: &str, refusal: Option<String>| Candidate {
        kind,
        id: id.to_owned(),
        name: name.to_owned(),
        about: about(kind, id, "was made with this owner, and is in the file no more: a plan deletes it"),
        refusal,
    };
    let mut all = Vec::new();
    for (id, one) in world.endpoints.iter().filter(|(id, _)| !managed.endpoints.contains_key(id.as_str())) {
        all.push(candidate(ThingKind::Endpoint, id, &one.name, endpoint(wanted, &managed, one)));
    }
    for (id, one) in world.rules.iter().filter(|(id, _)| !managed.rules.contains_key(id.as_str())) {
        all.push(candidate(ThingKind::Rule, id, &one.name, rule(wanted, world, &managed, one)));
    }
    for (id, one) in world.query_logs.iter().filter(|(id, _)| !managed.query_logs.contains_key(id.as_str())) {
        all.push(candidate(ThingKind::QueryLog, id, &one.name, query_log(wanted, world, one)));
    }
    all
}

fn endpoint(wanted: &Aws, managed: &Managed<'_>, one: &Endpoint) -> Option<String> {
    let waiting = passing(one.state, &one.status);
    waiting.or_else(|| others(wanted, &one.creator_request_id, &one.tags)).or_else(|| {
        let stays = one.addresses.values().filter(|address| address.state != State::Going);
        let stays: Vec<_> = stays.collect();
        if stays.len() < AWS_MIN_ATTACHED {
            return Some(format!("has {} address, and the file wants two at least", stays.len()));
        }
        if one.direction != Direction::Outbound
            && stays.iter().any(|address| address.ip.is_none() && address.ipv6.is_none())
        {
            return Some("an address has no IP address yet: try again when it is attached".to_owned());
        }
        let is_same = |wish: &&crate::config::aws::ResolverEndpoint| {
            wish.id.is_none() && wish.name == one.name && wish.direction == one.direction
        };
        let taken = managed.endpoints.values().any(|name| *name == one.name);
        let twin = wanted.endpoints.iter().find(is_same).filter(|_| !taken);
        twin.map(|wish| format!("the file has {} already, not yet made: write `id` there instead", wish.name))
            .or_else(|| ambiguous(wanted, one))
    })
}

/// Rules that name no endpoint go through the only one there is.
fn ambiguous(wanted: &Aws, one: &Endpoint) -> Option<String> {
    let mut outbound = wanted.endpoints.iter().filter(|wish| wish.direction == Direction::Outbound);
    let (only, None) = (outbound.next()?, outbound.next()) else { return None };
    let silent = |rule: &&ResolverRule| rule.kind != RuleType::System && rule.endpoint.is_none();
    let silent: Vec<&str> = wanted.rules.iter().filter(silent).map(|rule| rule.name.as_str()).collect();
    (one.direction == Direction::Outbound && !silent.is_empty()).then(|| {
        format!(
            "rules of the file don't say which outbound endpoint they mean ({}): write endpoint = \"{}\" there first",
            silent.join(", "),
            only.name
        )
    })
}

fn rule(wanted: &Aws, world: &World, managed: &Managed<'_>, one: &Rule) -> Option<String> {
    let waiting = passing(one.state, &one.status);
    let waiting = waiting.or_else(|| foreign(&one.owner, world, "it can only be associated here"));
    let waiting = waiting.or_else(|| others(wanted, &one.creator_request_id, &one.tags));
    waiting.or_else(|| {
        let Some(domain) = names::domain(&one.domain) else {
            return Some(format!("its domain `{}` is no domain name", one.domain));
        };
        let made = |wish: &ResolverRule| managed.rules.values().any(|name| *name == wish.name);
        let twin = wanted
            .rules
            .iter()
            .find(|wish| wish.id.is_none() && wish.domain == domain && wish.kind == one.kind && !made(wish));
        twin.map(|wish| {
            format!(
                "the file has rule {} for the same domain, not yet made: write `id` there instead",
                wish.name
            )
        })
    })
}

fn query_log(wanted: &Aws, world: &World, one: &QueryLog) -> Option<String> {
    let waiting = passing(one.state, &one.status);
    let waiting = waiting.or_else(|| foreign(&one.owner, world, "it can only be associated here"));
    let waiting = waiting.or_else(|| others(wanted, &one.creator_request_id, &one.tags));
    // AWS can't rename it.
    waiting
        .or_else(|| {
            (!names::is_sound(&one.name)).then(|| format!("the file takes no name such as `{}`", one.name))
        })
        .or_else(|| {
            let is_taken = wanted.query_logs.iter().any(|wish| wish.name == one.name);
            is_taken.then(|| format!("the file has a query log {} already", one.name))
        })
}

/// What isn't settled could be something else in the next minute.
fn passing(state: State, status: &str) -> Option<String> {
    match state {
        State::Ready | State::Broken => None,
        State::Coming => Some(format!("AWS is at work on it ({status}): try again when it is done")),
        State::Going => Some("it is being deleted".to_owned()),
    }
}

fn foreign(owner: &str, world: &World, what: &str) -> Option<String> {
    (owner != world.account).then(|| format!("it is account {owner}'s: {what}"))
}

/// Another configuration's, which would go on to change it.
fn others(wanted: &Aws, request_id: &str, tags: &BTreeMap<String, String>) -> Option<String> {
    let ours = Owner(&wanted.owner);
    let maker = request_id.strip_prefix("dnsfwd:").and_then(|rest| rest.split(':').next());
    let owner = tags.get(OWNER_TAG).map(String::as_str).or(maker).filter(|owner| *owner != wanted.owner);
    owner.filter(|_| !ours.made(request_id) || tags.contains_key(OWNER_TAG)).map(|owner| {
        format!("it belongs to owner {owner}: take it out of that configuration and apply that first")
    })
}

/// What was chosen, less what turned out not to fit.
pub(super) struct Refusals {
    all: Vec<Candidate>,
}

/// What is to be written.
pub(super) struct Chosen<'a>(pub ByKind<'a>);

impl Refusals {
    pub fn new(mut all: Vec<Candidate>, choice: &Choice) -> Refusals {
        if let Choice::Ids(ids) = choice {
            all.retain(|one| ids.contains(&one.id));
        }
        Refusals { all }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The first word stays.
    pub fn refuse(&mut self, id: &str, why: String) {
        if let Some(one) = self.all.iter_mut().find(|one| one.id == id) {
            one.refusal.get_or_insert(why);
        }
    }

    pub fn refused(self) -> Vec<Candidate> {
        self.all.into_iter().filter(|one| one.refusal.is_some()).collect()
    }

    /// Rules need their endpoint in the file; query logs have a name of their own.
    pub fn chosen<'a>(&mut self, wanted: &'a Aws, world: &'a World) -> Chosen<'a> {
        let managed = plan::managed(wanted, world);
        self.without_endpoint(&managed, world);
        self.twice(world);
        let free = |id: &str| self.all.iter().any(|one| one.id == id && one.refusal.is_none());
        let ids = |kind, all: &mut dyn Iterator<Item = &'a String>| {
            (kind, all.map(String::as_str).filter(|id| free(id)).collect())
        };
        Chosen(ByKind::from([
            ids(ThingKind::Endpoint, &mut world.endpoints.keys()),
            ids(ThingKind::Rule, &mut world.rules.keys()),
            ids(ThingKind::QueryLog, &mut world.query_logs.keys()),
        ]))
    }

    fn without_endpoint(&mut self, managed: &Managed<'_>, world: &World) {
        let endpoints: Vec<String> = self
            .all
            .iter()
            .filter(|one| one.kind == ThingKind::Endpoint && one.refusal.is_none())
            .map(|one| one.id.clone())
            .collect();
        for one in self.all.iter_mut().filter(|one| one.kind == ThingKind::Rule && one.refusal.is_none()) {
            let Some(rule) = world.rules.get(&one.id).filter(|rule| rule.kind != RuleType::System) else {
                continue;
            };
            let endpoint = rule.endpoint.as_deref().unwrap_or("an endpoint that AWS doesn't name");
            if !managed.endpoints.contains_key(endpoint) && !endpoints.iter().any(|id| id == endpoint) {
                one.refusal = Some(format!(
                    "it sends through {endpoint}, which the file doesn't have: take that over with it"
                ));
            }
        }
    }

    /// Two query logs of one name: the file takes one, and AWS renames none.
    fn twice(&mut self, world: &World) {
        let mut first: BTreeMap<String, String> = BTreeMap::new();
        for one in self.all.iter_mut().filter(|one| one.kind == ThingKind::QueryLog && one.refusal.is_none())
        {
            let Some(log) = world.query_logs.get(&one.id) else { continue };
            if let Some(other) = first.get(&log.name) {
                one.refusal =
                    Some(format!("{other} has the same name, the file takes it once, and AWS renames none"));
            } else {
                first.insert(log.name.clone(), one.id.clone());
            }
        }
    }
}
