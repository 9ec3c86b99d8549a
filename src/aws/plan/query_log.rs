//! Query logging configurations and the VPCs that they log. AWS can change nothing of them but their VPCs.

use std::collections::BTreeMap;

use super::draft::{ChangeId, Draft};
use super::matching::{self, Matches};
use super::stage::Phase;
use super::step::{Ref, Step};
use super::{Action, Change, Field, ThingKind, check, tag, text};
use crate::aws::world::{QueryLog, State};
use crate::config::aws;

pub(super) fn query_logs(draft: &mut Draft<'_>, matches: &Matches<'_>) {
    let goal = draft.goal;
    for (wish, id) in goal.query_logs.iter().zip(&matches.query_logs) {
        for vpc in
            wish.vpcs.iter().filter(|vpc| !draft.world.vpcs.contains_key(*vpc)).cloned().collect::<Vec<_>>()
        {
            let help = format!("name a VPC of account {} in {}", draft.world.account, draft.world.region);
            draft.obstacle(format!("query log {}: there is no VPC {vpc}", wish.name), help);
        }
        let there = id.and_then(|id| Some((id, draft.world.query_logs.get(id)?)));
        match (there, &wish.id) {
            (Some((id, now)), _) => compare(draft, wish, id, now),
            (None, Some(pinned)) => check::missing(draft, &format!("query log {}", wish.name), pinned),
            (None, None) => {
                let fields = vec![
                    Field::added("destination", &wish.destination),
                    Field::added("vpcs", text::joined(&wish.vpcs)),
                ];
                let change = Change::new(ThingKind::QueryLog, &wish.name, Action::Create, "not in AWS");
                let change = draft.change(change.fields(fields));
                create(draft, wish, change);
            }
        }
    }
    leftovers(draft, matches);
}

fn create(draft: &mut Draft<'_>, wish: &aws::QueryLog, change: ChangeId) {
    let made = format!("query-log {}", wish.name);
    let taken = draft.world.query_logs.values().map(|log| log.creator_request_id.as_str());
    let key = ("query-log", wish.name.as_str());
    let step = Step::CreateQueryLog {
        made: made.clone(),
        creator_request_id: matching::fresh_request_id(draft.owner, key, &[&wish.destination], taken),
        name: wish.name.clone(),
        destination: wish.destination.clone(),
        tags: draft.owner.tags([&draft.goal.tags, &wish.tags]),
    };
    draft.step(Phase::QueryLogs.first(), change, step);
    for vpc in &wish.vpcs {
        let step = Step::LogVpc { query_log: Ref::Made(made.clone()), vpc: vpc.clone() };
        draft.step(Phase::VpcLogging.first(), change, step);
    }
}

fn compare(draft: &mut Draft<'_>, wish: &aws::QueryLog, id: &str, now: &QueryLog) {
    let what = format!("query log {}", wish.name);
    if now.state == State::Going {
        check::going(draft, &what, id);
        return;
    }
    check::another(draft, &what, id, (&now.creator_request_id, &now.tags));
    let fields = [
        Field::differing("name", &now.name, &wish.name),
        Field::differing("destination", &now.destination, &wish.destination),
    ];
    let fields: Vec<Field> = fields.into_iter().flatten().map(Field::immutable).collect();
    if fields.is_empty() {
        change(draft, wish, id, now);
        return;
    }
    let is_allowed = check::replacement(draft, &what, wish.id.as_deref(), &fields);
    let reason = "replaced by a new one, which logs before the old one goes";
    let change = Change::new(ThingKind::QueryLog, &wish.name, Action::Replace, reason).id(id).fields(fields);
    let change = draft.change(change);
    if is_allowed {
        create(draft, wish, change);
        remove(draft, change, id, now);
    }
}

fn change(draft: &mut Draft<'_>, wish: &aws::QueryLog, id: &str, now: &QueryLog) {
    let none = BTreeMap::new();
    let there = draft.world.query_log_associations.get(id).unwrap_or(&none);
    let tags = draft.owner.tags([&draft.goal.tags, &wish.tags]);
    let is_here = now.owner == draft.world.account;
    let mut fields = if is_here { tag::fields(&now.tags, &tags) } else { Vec::new() };
    let mut steps = Vec::new();
    let mut waits = Vec::new();
    for vpc in &wish.vpcs {
        let (log, unlog) = steps_of(id, vpc);
        match there.get(vpc) {
            Some(State::Ready) => {}
            Some(State::Coming) => waits.push(log),
            state => {
                fields.push(Field::added("vpc", vpc));
                waits.extend((state == Some(&State::Going)).then(|| unlog.clone()));
                // One that failed is taken off and asked for anew; nothing is logged by it meanwhile either.
                steps.extend((state == Some(&State::Broken)).then_some((Phase::QueryLogs, unlog)));
                steps.push((Phase::VpcLogging, log));
            }
        }
    }
    for (vpc, _) in there.iter().filter(|(vpc, state)| **state != State::Going && !wish.vpcs.contains(vpc)) {
        fields.push(Field::removed("vpc", vpc));
        steps.push((Phase::VpcUnlogging, steps_of(id, vpc).1));
    }
    if now.state == State::Coming {
        waits.push(nothing(id));
    }
    if now.state == State::Broken {
        let about = format!("query log {} ({id}): AWS says {}", wish.name, now.status);
        draft.obstacle(about, "see to its destination's policy, then delete it and plan again");
    }
    if fields.is_empty() && waits.is_empty() {
        return;
    }
    let (action, reason) = match fields.is_empty() {
        true => (Action::Wait, format!("AWS is still at what an earlier run asked for: {}", now.status)),
        false => (Action::Change, tag::reason(draft, &now.creator_request_id, &now.tags)),
    };
    let change = Change::new(ThingKind::QueryLog, &wish.name, action, reason).id(id).fields(fields);
    let change = draft.change(change);
    waits.into_iter().for_each(|until| draft.wait(change, until));
    if is_here {
        tag::step(draft, change, &now.arn, &now.tags, &tags);
    }
    steps.into_iter().for_each(|(phase, step)| draft.step(phase.first(), change, step));
}

/// To log a VPC, and not to.
fn steps_of(id: &str, vpc: &str) -> (Step, Step) {
    let (query_log, vpc) = (id.to_owned(), vpc.to_owned());
    let log = Step::LogVpc { query_log: Ref::Id(query_log.clone()), vpc: vpc.clone() };
    (log, Step::UnlogVpc { query_log, vpc })
}

/// Awaiting it means waiting until the configuration is CREATED.
fn nothing(id: &str) -> Step {
    Step::CreateQueryLog {
        made: id.to_owned(),
        creator_request_id: String::new(),
        name: String::new(),
        destination: String::new(),
        tags: Default::default(),
    }
}

/// What was made is deleted when it logs nothing any more, what was taken over is let go.
fn remove(draft: &mut Draft<'_>, change: ChangeId, id: &str, now: &QueryLog) {
    if matching::is_adopted(draft.owner, &now.creator_request_id) {
        let step = Step::Untag { arn: now.arn.clone(), keys: matching::mark() };
        draft.step(Phase::Releases.first(), change, step);
        return;
    }
    for (vpc, state) in draft.world.query_log_associations.get(id).into_iter().flatten() {
        let (_, unlog) = steps_of(id, vpc);
        match state {
            State::Going => draft.wait(change, unlog),
            _ => draft.step(Phase::VpcUnlogging.first(), change, unlog),
        }
    }
    draft.step(Phase::QueryLogDeletions.first(), change, Step::DeleteQueryLog { query_log: id.to_owned() });
}

fn leftovers(draft: &mut Draft<'_>, matches: &Matches<'_>) {
    for (id, log) in &draft.world.query_logs {
        if matches.query_logs.contains(&Some(id.as_str())) {
            continue;
        }
        let is_ours =
            draft.owner.owns(&log.creator_request_id, &log.tags) && log.owner == draft.world.account;
        if !is_ours {
            draft.leave(ThingKind::QueryLog, id, &log.name, format!("logs to {}", log.destination));
        } else if log.state != State::Going {
            let change = match matching::is_adopted(draft.owner, &log.creator_request_id) {
                true => tag::release(ThingKind::QueryLog, &log.name, &draft.goal.owner),
                false => Change::new(ThingKind::QueryLog, &log.name, Action::Delete, check::unwanted(draft))
                    .fields(vec![Field::removed("destination", &log.destination)]),
            };
            let change = draft.change(change.id(id));
            remove(draft, change, id, log);
        }
    }
}
