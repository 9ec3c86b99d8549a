//! What Resolver does for a VPC: DNSSEC validation, and AWS's own reverse rules. What the file doesn't speak of is left
//! as it is.

use super::draft::Draft;
use super::stage::Phase;
use super::step::Step;
use super::{Action, Change, Field, ThingKind};
use crate::aws::world::Switch;

pub(super) fn vpcs(draft: &mut Draft<'_>) {
    let goal = draft.goal;
    for wish in &goal.vpcs {
        let Some(now) = draft.world.vpcs.get(&wish.id) else {
            let about = format!("there is no VPC {}", wish.id);
            let help = format!("name a VPC of account {} in {}", draft.world.account, draft.world.region);
            draft.obstacle(about, help);
            continue;
        };
        let vpc = || wish.id.clone();
        let switches = [
            (
                "dnssec validation",
                wish.dnssec_validation,
                &now.dnssec_validation,
                (|vpc, on| Step::SetDnssecValidation { vpc, on }) as fn(String, bool) -> Step,
            ),
            ("autodefined reverse rules", wish.autodefined_reverse, &now.autodefined_reverse, |vpc, on| {
                Step::SetAutodefinedReverse { vpc, on }
            }),
        ];
        let (mut fields, mut steps, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        for (name, wanted, now, step) in switches {
            let Some(on) = wanted else { continue };
            match now {
                Some(now) if now.on == on && !now.is_changing => {}
                Some(now) if now.on == on => waits.push(step(vpc(), on)),
                now => {
                    fields.extend(Field::differing(name, word(now.as_ref()), if on { "on" } else { "off" }));
                    steps.push(step(vpc(), on));
                    let other = now.as_ref().filter(|now| now.is_changing).map(|now| step(vpc(), now.on));
                    waits.extend(other);
                }
            }
        }
        if steps.is_empty() && waits.is_empty() {
            continue;
        }
        let (action, reason) = match steps.is_empty() {
            true => (Action::Wait, "AWS is still at what an earlier run asked for"),
            false => (Action::Change, "differs from the file"),
        };
        let change = Change::new(ThingKind::Vpc, &wish.id, action, reason).id(&wish.id).fields(fields);
        let change = draft.change(change);
        waits.into_iter().for_each(|until| draft.wait(change, until));
        steps.into_iter().for_each(|step| draft.step(Phase::VpcSwitches.first(), change, step));
    }
}

fn word(now: Option<&Switch>) -> &'static str {
    match now.map(|now| now.on) {
        Some(true) => "on",
        Some(false) => "off",
        None => "unknown",
    }
}
