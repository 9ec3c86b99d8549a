//! Random worlds and wishes: whatever stands there and whatever is wanted, a plan that is carried out leads there, is
//! never dangerous on the way, and can be stopped at any point.

mod drift;
mod wishes;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use self::drift::{Drift, drifts};
use self::wishes::{FOREIGN, Wish, country, wish};
use super::apply::{Stopped, apply};
use super::cloud::Cloud;
use super::fake::{Fake, Fault, shape};
use super::plan::step::{Ref, Step};
use super::plan::{Action, Options, Plan, plan};
use super::world::World;
use crate::config::aws::Aws;

/// So many courses of wishes, and of interruptions; together some seconds.
const CASES: u32 = 256;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        rng_seed: RngSeed::Fixed(20_261_122),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    }
}

const REPLACE: Options = Options { allow_replace: true, destroy: false, beyond_quotas: false };

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime").block_on(future)
}

fn observed(fake: &Fake, aws: &Aws) -> World {
    block_on(fake.observe(aws, &())).expect("it answers")
}

fn planned(fake: &Fake, aws: &Aws, options: &Options) -> Plan {
    let world = observed(fake, aws);
    let made = plan(aws, &world, options);
    assert_eq!(made.verify(), Ok(()));
    assert_eq!(made.hash, plan(aws, &world, options).hash, "the same world gives the same plan");
    made
}

fn carried_out(plan: &Plan, fake: &Fake) -> Result<(), Stopped> {
    block_on(apply(plan, fake, &()))
}

/// One plan, carried out whole. None: it has obstacles, and the world stays as it was.
fn round(fake: &Fake, aws: &Aws) -> Option<Plan> {
    fake.from_here();
    fake.watch_for(aws);
    let plan = planned(fake, aws, &REPLACE);
    if !plan.obstacles.is_empty() {
        return None;
    }
    never_drops_what_stays(&plan);
    let foreign = foreign(&fake.world());
    if let Err(stopped) = carried_out(&plan, fake) {
        panic!("{stopped}: {stopped:?}\n{:#?}", plan.steps);
    }
    harmless(fake);
    assert_eq!(self::foreign(&fake.world()), foreign, "what isn't ours is as it was");
    let next = planned(fake, aws, &REPLACE);
    assert!(
        next.is_empty(),
        "after\n{:#?}\nthere is still\n{:#?}{:#?}",
        plan.steps,
        next.changes,
        next.obstacles
    );
    Some(plan)
}

/// The journal has nothing that must never happen.
fn harmless(fake: &Fake) {
    let journal = fake.journal();
    assert_eq!(journal.foreign, Vec::<String>::new(), "a touch of what isn't ours");
    assert_eq!(journal.lowered, Vec::<String>::new(), "an endpoint below two attached addresses");
}

/// No rule is taken off a VPC that the same plan puts it on.
fn never_drops_what_stays(plan: &Plan) {
    let pair = |step: &Step| match step {
        Step::Associate { rule: Ref::Id(rule), vpc, .. } => Some((rule.clone(), vpc.clone())),
        _ => None,
    };
    let on: Vec<(String, String)> = plan.steps.iter().filter_map(|one| pair(&one.step)).collect();
    for planned in &plan.steps {
        if let Step::Disassociate { rule, vpc } = &planned.step {
            assert!(!on.contains(&(rule.clone(), vpc.clone())), "{rule} leaves {vpc} and comes back");
        }
    }
}

/// What bears the mark of somebody else.
fn foreign(world: &World) -> String {
    let mut world = world.clone();
    world.endpoints.retain(|_, one| one.creator_request_id.starts_with(FOREIGN));
    world.rules.retain(|_, one| one.creator_request_id.starts_with(FOREIGN));
    world.query_logs.retain(|_, one| one.creator_request_id.starts_with(FOREIGN));
    let World { rules, query_logs, associations, query_log_associations, .. } = &mut world;
    associations.retain(|_, one| rules.contains_key(&one.rule));
    query_log_associations.retain(|id, _| query_logs.contains_key(id));
    world.security_groups.retain(|_, one| one.name.starts_with(FOREIGN));
    world.shares.retain(|_, one| one.name.starts_with(FOREIGN));
    world.vpcs.clear();
    world.client_vpns.values_mut().for_each(|vpn| {
        vpn.dns_servers.clear();
        vpn.routes.retain(|route| route.description.starts_with(FOREIGN));
        vpn.authorizations.retain(|one| one.description.starts_with(FOREIGN));
    });
    serde_json::to_string(&world).expect("a value")
}

/// A world in which the first wish came true as far as it could, and then somebody did things by hand.
fn lived_in(first: &Wish, drifts: &[Drift]) -> Fake {
    let fake = Fake::new(country());
    round(&fake, &first.aws());
    fake.change(|world| drifts.iter().for_each(|drift| drift.happens(world)));
    fake
}

proptest! {
    #![proptest_config(config())]

    /// Applied, a plan leads to an empty one; it is harmless on the way, and leaves what is somebody else's.
    #[test]
    fn a_plan_leads_to_what_is_wanted(first in wish(), drifts in drifts(), second in wish()) {
        let fake = lived_in(&first, &drifts);
        round(&fake, &second.aws());
    }

    /// Killed before or after any request, the next runs end where one that nobody disturbed ends.
    #[test]
    fn a_run_that_was_killed_is_taken_up(
        first in wish(), drifts in drifts(), second in wish(), at in prop::collection::vec((0.0..1.0, any::<bool>()), 4)
    ) {
        let (before, aws) = (lived_in(&first, &drifts), second.aws());
        let whole = before.clone();
        if round(&whole, &aws).is_some() {
            let requests = whole.requests();
            for (place, is_after) in at {
                let number = 1 + (f64::from(requests) * place) as u32;
                let fault = if is_after { Fault::After(number) } else { Fault::Before(number) };
                killed_and_taken_up(&before, &aws, fault, &shape(&whole.world()));
            }
        }
    }

    /// What can only be replaced is not, unless that was allowed.
    #[test]
    fn nothing_is_replaced_unasked(first in wish(), second in wish()) {
        let fake = lived_in(&first, &[]);
        let plan = planned(&fake, &second.aws(), &Options::default());
        let replaces = plan.changes.iter().any(|change| change.action == Action::Replace);
        prop_assert!(!replaces || !plan.obstacles.is_empty(), "{:#?}", plan.changes);
    }

    /// Nothing of ours is left, and nothing else is gone.
    #[test]
    fn what_is_ours_can_be_destroyed(first in wish(), drifts in drifts()) {
        let (fake, aws) = (lived_in(&first, &drifts), first.aws());
        fake.from_here();
        fake.watch_for(&aws);
        let foreign = foreign(&fake.world());
        let destroy = Options { destroy: true, ..REPLACE };
        let plan = planned(&fake, &aws, &destroy);
        prop_assert!(plan.obstacles.is_empty(), "{:#?}", plan.obstacles);
        if let Err(stopped) = carried_out(&plan, &fake) {
            panic!("{stopped}: {stopped:?}\n{:#?}", plan.steps);
        }
        harmless(&fake);
        prop_assert_eq!(&self::foreign(&fake.world()), &foreign);
        let next = planned(&fake, &aws, &destroy);
        prop_assert!(next.is_empty(), "{:#?}", next.changes);
        let owner = super::owned::Owner(&aws.owner);
        let world = fake.world();
        prop_assert!(!world.endpoints.values().any(|one| owner.owns(&one.creator_request_id, &one.tags)));
        prop_assert!(!world.rules.values().any(|one| owner.owns(&one.creator_request_id, &one.tags)));
        prop_assert!(!world.security_groups.values().any(|one| owner.tagged(&one.tags)));
    }
}

fn killed_and_taken_up(before: &Fake, aws: &Aws, fault: Fault, expected: &serde_json::Value) {
    let fake = before.clone();
    fake.from_here();
    fake.watch_for(aws);
    let first = planned(&fake, aws, &REPLACE);
    fake.fault(fault);
    let killed = carried_out(&first, &fake).is_err();
    harmless(&fake);
    if killed {
        taken_up(&fake, aws, fault);
    }
    let shape = shape(&fake.world());
    assert_eq!(
        serde_json::to_string_pretty(&shape).expect("a value"),
        serde_json::to_string_pretty(expected).expect("a value"),
        "after {fault:?} in {:#?}",
        first.steps
    );
}

fn taken_up(fake: &Fake, aws: &Aws, fault: Fault) {
    fake.from_here();
    fake.watch_for(aws);
    let next = planned(fake, aws, &REPLACE);
    assert!(next.obstacles.is_empty(), "after {fault:?}: {:#?}", next.obstacles);
    if let Err(stopped) = carried_out(&next, fake) {
        panic!("after {fault:?}: {stopped}: {stopped:?}\n{:#?}", next.steps);
    }
    harmless(fake);
    let last = planned(fake, aws, &REPLACE);
    assert!(last.is_empty(), "after {fault:?} and\n{:#?}\n{:#?}", next.steps, last.changes);
}
