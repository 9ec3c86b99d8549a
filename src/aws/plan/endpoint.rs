//! Resolver endpoints: what is made, changed, replaced and removed. Security groups and addresses have modules of their
//! own.

use std::collections::HashSet;

use super::address::{self, Changed};
use super::draft::{ChangeId, Draft};
use super::group::Groups;
use super::matching::{self, Matches};
use super::stage::Phase;
use super::step::{Ref, Step};
use super::{Action, Change, Field, ThingKind, check, tag, text};
use crate::aws::world::{Endpoint, State};
use crate::config::aws::{AddressFamily, Direction, Protocol, ResolverEndpoint, SecurityGroup};

/// A wish of the file, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<'a> {
    /// What it is in AWS now.
    pub now: Option<&'a str>,
    /// What it will be.
    pub then: Ref,
}

impl Placed<'_> {
    /// The file names an `id` that AWS doesn't know, which is an obstacle already.
    pub fn is_lost(&self) -> bool {
        self.now.is_none() && matches!(self.then, Ref::Id(_))
    }

    pub fn is_kept(&self) -> bool {
        matches!((&self.now, &self.then), (Some(now), Ref::Id(then)) if now == then)
    }
}

/// One for each endpoint of the file, in its order.
pub(super) fn endpoints<'a>(
    draft: &mut Draft<'a>,
    matches: &Matches<'a>,
    groups: &Groups<'_>,
) -> Vec<Placed<'a>> {
    let goal = draft.goal;
    let mut placed = Vec::new();
    for ((wish, now), groups) in goal.endpoints.iter().zip(&matches.endpoints).zip(&groups.of) {
        placed.push(place(draft, wish, *now, groups));
    }
    placed
}

fn place<'a>(
    draft: &mut Draft<'a>,
    wish: &ResolverEndpoint,
    id: Option<&'a str>,
    groups: &[Ref],
) -> Placed<'a> {
    let there = id.and_then(|id| Some((id, draft.world.endpoints.get(id)?)));
    match (there, &wish.id) {
        (Some((id, now)), _) => compare(draft, wish, id, now, groups),
        (None, Some(pinned)) => {
            check::missing(draft, &format!("endpoint {}", wish.name), pinned);
            Placed { now: None, then: Ref::Id(pinned.clone()) }
        }
        (None, None) => {
            let change = Change::new(ThingKind::Endpoint, &wish.name, Action::Create, "not in AWS");
            let change = draft.change(change.fields(all_fields(wish)));
            Placed { now: None, then: create(draft, wish, groups, change) }
        }
    }
}

fn compare<'a>(
    draft: &mut Draft<'a>,
    wish: &ResolverEndpoint,
    id: &'a str,
    now: &'a Endpoint,
    groups: &[Ref],
) -> Placed<'a> {
    let kept = Placed { now: Some(id), then: Ref::Id(id.to_owned()) };
    if now.state == State::Going {
        check::going(draft, &format!("endpoint {}", wish.name), id);
        return kept;
    }
    check::another(draft, &format!("endpoint {}", wish.name), id, (&now.creator_request_id, &now.tags));
    let immutable = immutable(wish, now, groups);
    if !immutable.is_empty() {
        return replace(draft, wish, id, now, groups, immutable);
    }
    change(draft, wish, id, now);
    kept
}

/// What AWS can't change (UpdateResolverEndpoint has no such member).
fn immutable(wish: &ResolverEndpoint, now: &Endpoint, groups: &[Ref]) -> Vec<Field> {
    let wanted = groups.iter().map(|group| match group {
        Ref::Id(id) => id.clone(),
        Ref::Made(_) => "one of its own".to_owned(),
    });
    let mut fields = vec![
        Field::differing("direction", now.direction.word(), wish.direction.word()),
        Field::differing("vpc", &now.vpc, &wish.vpc),
        Field::differing("security groups", text::joined(&now.security_groups), text::joined(wanted)),
    ];
    let is_ipv6 = |family| family == AddressFamily::Ipv6;
    if is_ipv6(now.family) != is_ipv6(wish.family) {
        fields.push(Field::differing("type", now.family.word(), wish.family.word()));
    }
    fields.into_iter().flatten().map(Field::immutable).collect()
}

/// The new one is made first; rules move to it before the old one goes.
fn replace<'a>(
    draft: &mut Draft<'a>,
    wish: &ResolverEndpoint,
    id: &'a str,
    now: &Endpoint,
    groups: &[Ref],
    mut fields: Vec<Field>,
) -> Placed<'a> {
    let what = format!("endpoint {}", wish.name);
    let kept = Placed { now: Some(id), then: Ref::Id(id.to_owned()) };
    let is_allowed = check::replacement(draft, &what, wish.id.as_deref(), &fields);
    check::shared_addresses(draft, wish, now);
    fields.extend(mutable_fields(wish, now));
    let reason = match matching::is_adopted(draft.owner, &now.creator_request_id) {
        true => format!("replaced by a new one; {id} was taken over, and is let go"),
        false if wish.direction == Direction::Outbound => {
            "replaced by a new one, to which its rules move before the old one is deleted".to_owned()
        }
        false => "replaced by a new one, which is there before the old one is deleted".to_owned(),
    };
    let change = Change::new(ThingKind::Endpoint, &wish.name, Action::Replace, reason).id(id).fields(fields);
    let change = draft.change(change);
    if !is_allowed {
        return kept;
    }
    let then = create(draft, wish, groups, change);
    remove(draft, change, id, now);
    Placed { now: Some(id), then }
}

fn create(draft: &mut Draft<'_>, wish: &ResolverEndpoint, groups: &[Ref], change: ChangeId) -> Ref {
    check::addresses(draft, wish, &wish.addresses.iter().collect::<Vec<_>>(), None, change);
    let made = format!("endpoint {}", wish.name);
    let guards = match &wish.security_group {
        SecurityGroup::Ours { .. } => "ours".to_owned(),
        SecurityGroup::Theirs(ids) => ids.join(" "),
    };
    let nature = [wish.direction.word(), &wish.vpc, wish.family.word(), &guards];
    let taken = draft.world.endpoints.values().map(|endpoint| endpoint.creator_request_id.as_str());
    let step = Step::CreateEndpoint {
        made: made.clone(),
        creator_request_id: matching::fresh_request_id(draft.owner, ("endpoint", &wish.name), &nature, taken),
        name: wish.name.clone(),
        direction: wish.direction,
        security_groups: groups.to_vec(),
        family: wish.family,
        protocols: wish.protocols.clone(),
        dns64: wish.dns64,
        interface_metrics: wish.interface_metrics,
        target_metrics: wish.target_metrics,
        ipv6_internet: wish.ipv6_internet,
        addresses: wish.addresses.iter().map(address::new).collect(),
        tags: draft.owner.tags([&draft.goal.tags, &wish.tags]),
    };
    draft.step(Phase::Endpoints.first(), change, step);
    Ref::Made(made)
}

fn all_fields(wish: &ResolverEndpoint) -> Vec<Field> {
    let mut fields = vec![Field::added("direction", wish.direction.word()), Field::added("vpc", &wish.vpc)];
    if wish.family != AddressFamily::Ipv4 {
        fields.push(Field::added("type", wish.family.word()));
    }
    fields.push(Field::added("protocols", text::protocols(&wish.protocols)));
    if let SecurityGroup::Theirs(ids) = &wish.security_group {
        fields.push(Field::added("security groups", text::joined(ids)));
    }
    let address = |one: &crate::config::aws::EndpointAddress| text::address(&one.subnet, one.ip, one.ipv6);
    fields.extend(wish.addresses.iter().map(|one| Field::added("address", address(one))));
    let flags = [
        ("dns64", wish.dns64),
        ("interface metrics", wish.interface_metrics),
        ("target metrics", wish.target_metrics),
        ("ipv6 internet", wish.ipv6_internet),
    ];
    fields.extend(flags.into_iter().filter(|(_, on)| *on).map(|(name, _)| Field::added(name, "on")));
    fields
}

fn mutable_fields(wish: &ResolverEndpoint, now: &Endpoint) -> Vec<Field> {
    let on = |flag: bool| if flag { "on" } else { "off" };
    let fields = [
        Field::differing("name", &now.name, &wish.name),
        Field::differing("protocols", text::protocols(&now.protocols), text::protocols(&wish.protocols)),
        Field::differing("dns64", on(now.dns64), on(wish.dns64)),
        Field::differing("interface metrics", on(now.interface_metrics), on(wish.interface_metrics)),
        Field::differing("target metrics", on(now.target_metrics), on(wish.target_metrics)),
        Field::differing("ipv6 internet", on(now.ipv6_internet), on(wish.ipv6_internet)),
    ];
    fields.into_iter().flatten().collect()
}

fn change(draft: &mut Draft<'_>, wish: &ResolverEndpoint, id: &str, now: &Endpoint) {
    let mut fields = mutable_fields(wish, now);
    fields.extend(Field::differing("type", now.family.word(), wish.family.word()));
    let changed = address::compare(draft, wish, id, now);
    let is_updated = !fields.is_empty() || !changed.ipv6.is_empty();
    let ipv6 = changed.ipv6.values().map(|ip| Field::added("ipv6 address", ip));
    fields.extend(ipv6.chain(changed.fields.iter().cloned()));
    let tags = draft.owner.tags([&draft.goal.tags, &wish.tags]);
    fields.extend(tag::fields(&now.tags, &tags));
    let waits = waits(id, now, &changed);
    if now.state == State::Broken && !now.addresses.values().any(|one| one.state == State::Broken) {
        let about = format!("endpoint {} ({id}): AWS says {}", wish.name, now.status);
        draft.obstacle(
            about,
            "see what it needs in the VPC console, under Resolver endpoints; then plan again",
        );
    }
    if fields.is_empty() && waits.is_empty() {
        return;
    }
    let action = if fields.is_empty() { Action::Wait } else { Action::Change };
    let change =
        Change::new(ThingKind::Endpoint, &wish.name, action, reason(draft, now, wish, &changed, action));
    let change = draft.change(change.id(id).fields(fields));
    for until in waits {
        draft.wait(change, until);
    }
    tag::step(draft, change, &now.arn, &now.tags, &tags);
    let added: Vec<_> = added(wish, &changed);
    check::addresses(draft, wish, &added, Some(id), change);
    if is_updated {
        update(draft, change, wish, id, now, &changed);
    }
    for (stage, step) in changed.steps {
        draft.step(stage, change, step);
    }
}

/// Those of the wish that are to be added.
fn added<'w>(wish: &'w ResolverEndpoint, changed: &Changed) -> Vec<&'w crate::config::aws::EndpointAddress> {
    let is_added = |one: &&crate::config::aws::EndpointAddress| {
        changed.steps.iter().any(
            |(_, step)| matches!(step, Step::AddAddress { address, .. } if *address == address::new(one)),
        )
    };
    wish.addresses.iter().filter(is_added).collect()
}

fn reason(
    draft: &Draft<'_>,
    now: &Endpoint,
    wish: &ResolverEndpoint,
    changed: &Changed,
    action: Action,
) -> String {
    let mut reasons = vec![match action {
        Action::Wait => format!("AWS is still at what an earlier run asked for: {}", now.status),
        _ => tag::reason(draft, &now.creator_request_id, &now.tags),
    }];
    reasons.extend(changed.reasons.iter().cloned());
    if now.state == State::Broken {
        reasons.push(format!("AWS says {}", now.status));
    }
    if drops_do53(now, wish) {
        reasons.push("whoever still asks by Do53 gets no answer afterwards".to_owned());
    }
    reasons.join("; ")
}

fn waits(id: &str, now: &Endpoint, changed: &Changed) -> Vec<Step> {
    let mut waits = changed.waits.clone();
    if now.state == State::Coming {
        waits.push(nothing(id));
    }
    waits
}

/// Awaiting it means waiting until the endpoint is OPERATIONAL.
fn nothing(id: &str) -> Step {
    Step::UpdateEndpoint {
        endpoint: id.to_owned(),
        name: None,
        family: None,
        protocols: None,
        dns64: None,
        interface_metrics: None,
        target_metrics: None,
        ipv6_internet: None,
        ipv6: Default::default(),
    }
}

fn drops_do53(now: &Endpoint, wish: &ResolverEndpoint) -> bool {
    now.protocols.contains(&Protocol::Do53) && !wish.protocols.contains(&Protocol::Do53)
}

/// Do53 goes by way of both: AWS refuses to change from Do53 to DNS over HTTPS at once (Protocols of
/// UpdateResolverEndpoint), and rules have to follow first.
fn update(
    draft: &mut Draft<'_>,
    change: ChangeId,
    wish: &ResolverEndpoint,
    id: &str,
    now: &Endpoint,
    changed: &Changed,
) {
    let narrows = drops_do53(now, wish);
    let mut first = wish.protocols.clone();
    if narrows {
        first.insert(0, Protocol::Do53);
        first.truncate(2);
    }
    let step = Step::UpdateEndpoint {
        endpoint: id.to_owned(),
        name: differing(&now.name, &wish.name),
        family: differing(&now.family, &wish.family),
        protocols: differing(&now.protocols, &first),
        dns64: differing(&now.dns64, &wish.dns64),
        interface_metrics: differing(&now.interface_metrics, &wish.interface_metrics),
        target_metrics: differing(&now.target_metrics, &wish.target_metrics),
        ipv6_internet: differing(&now.ipv6_internet, &wish.ipv6_internet),
        ipv6: changed.ipv6.clone(),
    };
    if step != nothing(id) {
        draft.step(Phase::EndpointUpdates.first(), change, step);
    }
    if narrows {
        let mut step = nothing(id);
        if let Step::UpdateEndpoint { protocols, .. } = &mut step {
            *protocols = Some(wish.protocols.clone());
        }
        draft.step(Phase::EndpointNarrowing.first(), change, step);
    }
}

fn differing<T: PartialEq + Clone>(now: &T, wanted: &T) -> Option<T> {
    (now != wanted).then(|| wanted.clone())
}

/// What was made is deleted, what was taken over is let go.
fn remove(draft: &mut Draft<'_>, change: ChangeId, id: &str, now: &Endpoint) {
    if matching::is_adopted(draft.owner, &now.creator_request_id) {
        let step = Step::Untag { arn: now.arn.clone(), keys: matching::mark() };
        draft.step(Phase::Releases.first(), change, step);
        return;
    }
    if now.state == State::Coming {
        draft.wait(change, nothing(id));
    }
    draft.step(Phase::EndpointDeletions.first(), change, Step::DeleteEndpoint { endpoint: id.to_owned() });
}

/// Ours that the file doesn't name any more.
pub(super) fn leftovers(draft: &mut Draft<'_>, placed: &[Placed<'_>]) {
    let kept: HashSet<&str> = placed.iter().filter_map(|one| one.now).collect();
    for (id, endpoint) in &draft.world.endpoints {
        if kept.contains(id.as_str()) {
            continue;
        }
        if !draft.owner.owns(&endpoint.creator_request_id, &endpoint.tags) {
            draft.leave(ThingKind::Endpoint, id, &endpoint.name, about(endpoint));
        } else if endpoint.state != State::Going {
            leave_or_delete(draft, id, endpoint);
        }
    }
}

fn leave_or_delete(draft: &mut Draft<'_>, id: &str, endpoint: &Endpoint) {
    let is_adopted = matching::is_adopted(draft.owner, &endpoint.creator_request_id);
    let change = match is_adopted {
        true => tag::release(ThingKind::Endpoint, &endpoint.name, &draft.goal.owner),
        false => Change::new(ThingKind::Endpoint, &endpoint.name, Action::Delete, check::unwanted(draft))
            .fields(removed_fields(endpoint)),
    };
    let change = draft.change(change.id(id));
    remove(draft, change, id, endpoint);
}

fn removed_fields(endpoint: &Endpoint) -> Vec<Field> {
    let mut fields =
        vec![Field::removed("direction", endpoint.direction.word()), Field::removed("vpc", &endpoint.vpc)];
    let address = |one: &crate::aws::world::Address| text::address(&one.subnet, one.ip, one.ipv6);
    fields.extend(endpoint.addresses.values().map(|one| Field::removed("address", address(one))));
    fields
}

fn about(endpoint: &Endpoint) -> String {
    let ips = endpoint.addresses.values().flat_map(|address| {
        address.ip.map(|ip| ip.to_string()).into_iter().chain(address.ipv6.map(|ip| ip.to_string()))
    });
    let way = match endpoint.direction {
        Direction::Outbound => "sends queries out of",
        _ => "takes queries into",
    };
    format!("{way} {} by {}", endpoint.vpc, text::joined(ips))
}
