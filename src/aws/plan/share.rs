//! Resource shares of RAM: one for each rule that is shared, with exactly the principals of the file.

use super::draft::Draft;
use super::rule::{Leaving, Rules};
use super::stage::Phase;
use super::step::{Ref, Step};
use super::{Action, Change, Field, ThingKind, text};
use crate::aws::world::{Share, State};
use crate::config::aws::ResolverRule;

/// Only ours are observed.
pub(super) fn shares(draft: &mut Draft<'_>, rules: &Rules<'_>) {
    let goal = draft.goal;
    let mut kept: Vec<&str> = Vec::new();
    for (index, wish) in goal.rules.iter().enumerate() {
        let placed = &rules.placed[index];
        let rule = placed.now.filter(|_| placed.is_kept());
        let there = rule.and_then(|rule| of_rule(draft, rule));
        kept.extend(there.map(|(arn, _)| arn));
        match there {
            Some((arn, share)) if !wish.share.is_empty() => compare(draft, wish, arn, share),
            Some((arn, share)) => delete(draft, arn, share, "not in the file any more"),
            None if wish.share.is_empty() || placed.is_lost() => {}
            None if rule.is_some_and(|rule| is_foreign(draft, rule)) => {}
            None => create(draft, wish, placed.then.clone()),
        }
    }
    leftovers(draft, rules, &kept);
}

fn is_foreign(draft: &Draft<'_>, rule: &str) -> bool {
    draft.world.rules.get(rule).is_some_and(|rule| rule.owner != draft.world.account)
}

fn of_rule<'a>(draft: &Draft<'a>, rule: &str) -> Option<(&'a str, &'a Share)> {
    let arn = &draft.world.rules.get(rule)?.arn;
    let carries = |share: &Share| {
        draft.owner.tagged(&share.tags) && share.state != State::Going && share.resources.contains(arn)
    };
    draft.world.shares.iter().find(|(_, share)| carries(share)).map(|(arn, share)| (arn.as_str(), share))
}

fn create(draft: &mut Draft<'_>, wish: &ResolverRule, resource: Ref) {
    let name = free_name(draft, &wish.name);
    let fields = vec![Field::added("rule", &wish.name), Field::added("with", text::joined(&wish.share))];
    let change = Change::new(ThingKind::Share, &name, Action::Create, "not in AWS").fields(fields);
    let change = draft.change(change);
    let step = Step::CreateShare {
        made: format!("share {}", wish.name),
        name,
        resource,
        principals: wish.share.clone(),
        tags: draft.owner.tags([&draft.goal.tags, &wish.tags]),
    };
    draft.step(Phase::Shares.first(), change, step);
}

/// A name that no share has: it tells a share that an earlier run made from that of a rule which is replaced.
fn free_name(draft: &Draft<'_>, rule: &str) -> String {
    let name = draft.owner.name_of(rule);
    let is_taken = |name: &str| draft.world.shares.values().any(|share| share.name == name);
    let numbered = (2..).map(|number| format!("{name}-{number}")).take(draft.world.shares.len() + 1);
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name));
    free.unwrap_or(name)
}

fn compare(draft: &mut Draft<'_>, wish: &ResolverRule, arn: &str, share: &Share) {
    let missing: Vec<String> =
        wish.share.iter().filter(|one| !share.principals.contains(one)).cloned().collect();
    let surplus: Vec<String> =
        share.principals.iter().filter(|one| !wish.share.contains(one)).cloned().collect();
    if missing.is_empty() && surplus.is_empty() {
        return;
    }
    let removed = surplus.iter().map(|one| Field::removed("with", one));
    let fields = removed.chain(missing.iter().map(|one| Field::added("with", one))).collect();
    let reason = match surplus.is_empty() {
        true => "differs from the file",
        false => "differs from the file; who is left out loses the rule on all its VPCs",
    };
    let change = Change::new(ThingKind::Share, &share.name, Action::Change, reason).id(arn).fields(fields);
    let change = draft.change(change);
    let share = arn.to_owned();
    if !missing.is_empty() {
        let step = Step::ShareWith { share: share.clone(), principals: missing };
        draft.step(Phase::Shares.first(), change, step);
    }
    if !surplus.is_empty() {
        draft.step(Phase::Unshares.first(), change, Step::UnshareWith { share, principals: surplus });
    }
}

fn delete(draft: &mut Draft<'_>, arn: &str, share: &Share, reason: &str) {
    let reason = format!("{reason}: those that it was shared with lose the rule on all their VPCs");
    let fields = vec![Field::removed("with", text::joined(&share.principals))];
    let change = Change::new(ThingKind::Share, &share.name, Action::Delete, reason).id(arn).fields(fields);
    let change = draft.change(change);
    draft.step(Phase::Unshares.first(), change, Step::DeleteShare { share: arn.to_owned() });
}

/// Shares of rules that go, or of none. A rule that is let go stays shared.
fn leftovers(draft: &mut Draft<'_>, rules: &Rules<'_>, kept: &[&str]) {
    let world = draft.world;
    let is_let_go = |share: &Share| {
        rules.going.iter().any(|(id, leaving)| {
            *leaving == Leaving::LetGo
                && world.rules.get(*id).is_some_and(|rule| share.resources.contains(&rule.arn))
        })
    };
    for (arn, share) in &world.shares {
        if kept.contains(&arn.as_str()) || !draft.owner.tagged(&share.tags) || share.state == State::Going {
            continue;
        }
        match is_let_go(share) {
            true => {
                draft.leave(ThingKind::Share, arn, &share.name, "shares a rule that is let go".to_owned())
            }
            false => delete(draft, arn, share, "its rule goes"),
        }
    }
}
