//! Resolver rules: what is made, changed, replaced and removed.

use std::collections::BTreeMap;

use super::draft::{ChangeId, Draft};
use super::endpoint::Placed;
use super::matching::{self, Matches, canonical};
use super::stage::Phase;
use super::step::{Ref, Step};
use super::{Action, Change, Field, ThingKind, check, tag, text};
use crate::aws::world::{Rule, State};
use crate::config::aws::{ResolverRule, RuleTarget, RuleType};

/// What becomes of the rules of the file and of those in AWS.
pub(super) struct Rules<'a> {
    /// One for each rule of the file, in its order.
    pub placed: Vec<Placed<'a>>,
    /// Those in AWS that go, with what is said of it.
    pub going: BTreeMap<&'a str, Leaving>,
}

/// How a rule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Deleted,
    /// Taken over once: it stays, with its associations.
    LetGo,
}

impl<'a> Rules<'a> {
    /// The wish that a rule in AWS fulfils, and goes on to.
    pub fn wish_of(&self, id: &str) -> Option<usize> {
        self.placed.iter().position(|placed| placed.is_kept() && placed.now == Some(id))
    }
}

pub(super) fn rules<'a>(draft: &mut Draft<'a>, matches: &Matches<'a>, endpoints: &[Placed<'a>]) -> Rules<'a> {
    let goal = draft.goal;
    let mut rules = Rules { placed: Vec::new(), going: BTreeMap::new() };
    for (wish, now) in goal.rules.iter().zip(&matches.rules) {
        let endpoint = endpoint_of(draft, wish, endpoints);
        let placed = place(draft, wish, *now, endpoint, &mut rules.going);
        rules.placed.push(placed);
    }
    leftovers(draft, &mut rules);
    rules
}

/// The outbound endpoint that the rule is to send through.
fn endpoint_of(draft: &mut Draft<'_>, wish: &ResolverRule, endpoints: &[Placed<'_>]) -> Option<Ref> {
    if wish.kind == RuleType::System {
        return None;
    }
    let goal = draft.goal;
    let named = goal.outbound_of(wish).map(|endpoint| &endpoint.name);
    let index = goal.endpoints.iter().position(|endpoint| Some(&endpoint.name) == named);
    if index.is_none() {
        let about = format!("rule {}: which outbound endpoint it sends through isn't said", wish.name);
        draft.obstacle(about, "write endpoint = \"…\", the name of an outbound endpoint of [aws]");
    }
    index.map(|index| endpoints[index].then.clone())
}

fn place<'a>(
    draft: &mut Draft<'a>,
    wish: &ResolverRule,
    id: Option<&'a str>,
    endpoint: Option<Ref>,
    going: &mut BTreeMap<&'a str, Leaving>,
) -> Placed<'a> {
    let there = id.and_then(|id| Some((id, draft.world.rules.get(id)?)));
    match (there, &wish.id) {
        (Some((id, now)), _) => compare(draft, wish, id, now, endpoint, going),
        (None, Some(pinned)) => {
            check::missing(draft, &format!("rule {}", wish.name), pinned);
            Placed { now: None, then: Ref::Id(pinned.clone()) }
        }
        (None, None) => {
            let change = Change::new(ThingKind::Rule, &wish.name, Action::Create, "not in AWS");
            let change = draft.change(change.fields(all_fields(wish, endpoint.as_ref())));
            Placed { now: None, then: create(draft, wish, endpoint, change) }
        }
    }
}

fn all_fields(wish: &ResolverRule, endpoint: Option<&Ref>) -> Vec<Field> {
    let mut fields = vec![
        Field::added("type", wish.kind.word()),
        Field::added(domain_word(wish.kind), text::domain_of(&wish.domain)),
    ];
    if !wish.targets.is_empty() {
        fields.push(Field::added("targets", text::targets(&sorted(&wish.targets))));
    }
    fields.extend(endpoint.map(|endpoint| Field::added("endpoint", reference(endpoint))));
    fields
}

fn domain_word(kind: RuleType) -> &'static str {
    if kind == RuleType::Delegate { "delegation record" } else { "domain" }
}

/// An endpoint that isn't there yet has a name, and no ID.
fn reference(endpoint: &Ref) -> String {
    match endpoint {
        Ref::Id(id) => id.clone(),
        Ref::Made(made) => format!("{} (new)", made.trim_start_matches("endpoint ")),
    }
}

fn sorted(targets: &[RuleTarget]) -> Vec<RuleTarget> {
    let mut targets = targets.to_vec();
    targets.sort();
    targets
}

fn compare<'a>(
    draft: &mut Draft<'a>,
    wish: &ResolverRule,
    id: &'a str,
    now: &'a Rule,
    endpoint: Option<Ref>,
    going: &mut BTreeMap<&'a str, Leaving>,
) -> Placed<'a> {
    let kept = Placed { now: Some(id), then: Ref::Id(id.to_owned()) };
    if now.state == State::Going {
        check::going(draft, &format!("rule {}", wish.name), id);
        return kept;
    }
    check::another(draft, &format!("rule {}", wish.name), id, (&now.creator_request_id, &now.tags));
    let domain = text::domain_of(&wish.domain);
    let fields = [
        Field::differing("type", now.kind.word(), wish.kind.word()),
        Field::differing(domain_word(wish.kind), canonical(&now.domain), &domain),
    ];
    let immutable: Vec<Field> = fields.into_iter().flatten().map(Field::immutable).collect();
    if !immutable.is_empty() {
        return replace(draft, wish, id, now, endpoint, (immutable, going));
    }
    if now.owner != draft.world.account {
        shared_in(draft, wish, id, now);
        return kept;
    }
    change(draft, wish, id, now, endpoint);
    kept
}

/// Another account's rule can be associated here; all else is that account's.
fn shared_in(draft: &mut Draft<'_>, wish: &ResolverRule, id: &str, now: &Rule) {
    let is_other = sorted(&wish.targets) != sorted(&now.targets) || !wish.share.is_empty();
    if is_other {
        let about = format!("rule {} ({id}) is account {}'s: it can't be changed here", wish.name, now.owner);
        draft.obstacle(
            about,
            "write its targets as they are, without `share`, or have that account change it",
        );
    }
}

fn mutable_fields(wish: &ResolverRule, now: &Rule, endpoint: Option<&Ref>) -> Vec<Field> {
    let endpoint = endpoint.map_or_else(String::new, reference);
    let fields = [
        Field::differing("name", &now.name, &wish.name),
        Field::differing(
            "targets",
            text::targets(&sorted(&now.targets)),
            text::targets(&sorted(&wish.targets)),
        ),
        Field::differing("endpoint", now.endpoint.as_deref().unwrap_or_default(), endpoint),
    ];
    fields.into_iter().flatten().collect()
}

fn change(draft: &mut Draft<'_>, wish: &ResolverRule, id: &str, now: &Rule, endpoint: Option<Ref>) {
    let mut fields = mutable_fields(wish, now, endpoint.as_ref());
    let is_broken = now.state == State::Broken;
    let update = Step::UpdateRule {
        rule: id.to_owned(),
        name: (is_broken || now.name != wish.name).then(|| wish.name.clone()),
        targets: (wish.kind == RuleType::Forward
            && (is_broken || sorted(&now.targets) != sorted(&wish.targets)))
        .then(|| sorted(&wish.targets)),
        endpoint: endpoint.clone().filter(|then| {
            is_broken || !matches!(then, Ref::Id(then) if Some(then) == now.endpoint.as_ref())
        }),
    };
    let tags = draft.owner.tags([&draft.goal.tags, &wish.tags]);
    fields.extend(tag::fields(&now.tags, &tags));
    let is_coming = now.state == State::Coming;
    if fields.is_empty() && !is_broken && !is_coming {
        return;
    }
    let (action, reason) = match (fields.is_empty(), now.state) {
        (_, State::Broken) => (Action::Change, format!("AWS says {}: it is written once more", now.status)),
        (true, _) => (Action::Wait, format!("AWS is still at what an earlier run asked for: {}", now.status)),
        (false, _) => (Action::Change, tag::reason(draft, &now.creator_request_id, &now.tags)),
    };
    let change = Change::new(ThingKind::Rule, &wish.name, action, reason).id(id).fields(fields);
    let change = draft.change(change);
    if is_coming {
        draft.wait(change, nothing(id));
    }
    tag::step(draft, change, &now.arn, &now.tags, &tags);
    if update != nothing(id) {
        draft.step(Phase::Rules.first(), change, update);
    }
}

/// Awaiting it means waiting until the rule is COMPLETE.
fn nothing(id: &str) -> Step {
    Step::UpdateRule { rule: id.to_owned(), name: None, targets: None, endpoint: None }
}

fn replace<'a>(
    draft: &mut Draft<'a>,
    wish: &ResolverRule,
    id: &'a str,
    now: &Rule,
    endpoint: Option<Ref>,
    (mut fields, going): (Vec<Field>, &mut BTreeMap<&'a str, Leaving>),
) -> Placed<'a> {
    let is_allowed = check::replacement(draft, &format!("rule {}", wish.name), wish.id.as_deref(), &fields);
    fields.extend(mutable_fields(wish, now, endpoint.as_ref()));
    let is_adopted = matching::is_adopted(draft.owner, &now.creator_request_id);
    let reason = match is_adopted {
        true => format!("replaced by a new one; {id} was taken over, and is let go"),
        false => "replaced by a new one, which is associated before the old one is deleted".to_owned(),
    };
    let change = Change::new(ThingKind::Rule, &wish.name, Action::Replace, reason).id(id).fields(fields);
    let change = draft.change(change);
    if !is_allowed {
        return Placed { now: Some(id), then: Ref::Id(id.to_owned()) };
    }
    let then = create(draft, wish, endpoint, change);
    going.insert(id, if is_adopted { Leaving::LetGo } else { Leaving::Deleted });
    remove(draft, change, id, now);
    Placed { now: Some(id), then }
}

fn create(draft: &mut Draft<'_>, wish: &ResolverRule, endpoint: Option<Ref>, change: ChangeId) -> Ref {
    let made = format!("rule {}", wish.name);
    let domain = text::domain_of(&wish.domain);
    let taken = draft.world.rules.values().map(|rule| rule.creator_request_id.as_str());
    let nature = [wish.kind.word(), &domain];
    let id = matching::fresh_request_id(draft.owner, ("rule", &wish.name), &nature, taken);
    let step = Step::CreateRule {
        made: made.clone(),
        creator_request_id: id,
        name: wish.name.clone(),
        kind: wish.kind,
        domain,
        targets: sorted(&wish.targets),
        endpoint,
        tags: draft.owner.tags([&draft.goal.tags, &wish.tags]),
    };
    draft.step(Phase::Rules.first(), change, step);
    Ref::Made(made)
}

/// What was made is deleted, what was taken over is let go.
fn remove(draft: &mut Draft<'_>, change: ChangeId, id: &str, now: &Rule) {
    if matching::is_adopted(draft.owner, &now.creator_request_id) {
        let step = Step::Untag { arn: now.arn.clone(), keys: matching::mark() };
        draft.step(Phase::Releases.first(), change, step);
        return;
    }
    if now.state == State::Coming {
        draft.wait(change, nothing(id));
    }
    draft.step(Phase::RuleDeletions.first(), change, Step::DeleteRule { rule: id.to_owned() });
}

/// Ours that the file doesn't name any more, and others'.
fn leftovers<'a>(draft: &mut Draft<'a>, rules: &mut Rules<'a>) {
    for (id, rule) in &draft.world.rules {
        if rules.placed.iter().any(|placed| placed.now == Some(id)) {
            continue;
        }
        if !matching::is_ours(rule, draft.world, draft.owner) {
            let about = about(rule, &draft.world.account);
            draft.leave(ThingKind::Rule, id, &rule.name, about);
        } else if rule.state != State::Going {
            let is_adopted = matching::is_adopted(draft.owner, &rule.creator_request_id);
            rules.going.insert(id, if is_adopted { Leaving::LetGo } else { Leaving::Deleted });
            let change = match is_adopted {
                true => tag::release(ThingKind::Rule, &rule.name, &draft.goal.owner),
                false => Change::new(ThingKind::Rule, &rule.name, Action::Delete, check::unwanted(draft))
                    .fields(vec![
                        Field::removed("type", rule.kind.word()),
                        Field::removed(domain_word(rule.kind), &rule.domain),
                    ]),
            };
            let change = draft.change(change.id(id));
            remove(draft, change, id, rule);
        }
    }
}

fn about(rule: &Rule, account: &str) -> String {
    let what = match rule.kind {
        RuleType::Forward => format!("forwards {} to {}", rule.domain, text::targets(&rule.targets)),
        RuleType::System => format!("leaves {} to Resolver", rule.domain),
        RuleType::Delegate => format!("follows delegations to {}", rule.domain),
    };
    match rule.owner == account {
        true => what,
        false => format!("{what}; account {}'s", rule.owner),
    }
}
