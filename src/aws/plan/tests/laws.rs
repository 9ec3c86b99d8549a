//! What must be true of all plans: nothing of others is touched.

use std::collections::BTreeMap;

use super::super::Plan;
use super::super::step::{Ref, Step};
use super::pinned;
use crate::aws::owned::Owner;
use crate::aws::world::World;
use crate::config::aws::Aws;
use crate::limits::AWS_ENDPOINT_ADDRESSES;

pub(super) fn assert_only_ours(plan: &Plan, wanted: &Aws, world: &World) {
    let owner = Owner(&wanted.owner);
    let pinned = pinned(wanted);
    for planned in &plan.steps {
        let step = &planned.step;
        let is_ours = match step {
            Step::Await { .. } => true,
            Step::UpdateEndpoint { endpoint, .. }
            | Step::AddAddress { endpoint, .. }
            | Step::RemoveAddress { endpoint, .. }
            | Step::DeleteEndpoint { endpoint } => {
                let there = &world.endpoints[endpoint];
                let is_deleted = matches!(step, Step::DeleteEndpoint { .. });
                let is_ours = owner.owns(&there.creator_request_id, &there.tags);
                match is_deleted {
                    true => owner.made(&there.creator_request_id),
                    false => is_ours || pinned.contains(&endpoint.as_str()),
                }
            }
            Step::UpdateRule { rule, .. } => is_our_rule(rule, world, owner, &pinned),
            Step::DeleteRule { rule } => owner.made(&world.rules[rule].creator_request_id),
            Step::Associate { rule: Ref::Id(rule), .. } | Step::Disassociate { rule, .. } => {
                is_our_rule(rule, world, owner, &pinned)
            }
            Step::Permit { group: Ref::Id(group), .. }
            | Step::Forbid { group: Ref::Id(group), .. }
            | Step::DeleteSecurityGroup { group } => owner.tagged(&world.security_groups[group].tags),
            Step::ShareWith { share, .. } | Step::UnshareWith { share, .. } | Step::DeleteShare { share } => {
                owner.tagged(&world.shares[share].tags)
            }
            Step::DeleteQueryLog { query_log } => owner.made(&world.query_logs[query_log].creator_request_id),
            Step::UnlogVpc { query_log, .. } | Step::LogVpc { query_log: Ref::Id(query_log), .. } => {
                let there = &world.query_logs[query_log];
                owner.owns(&there.creator_request_id, &there.tags) || pinned.contains(&query_log.as_str())
            }
            Step::RevokeVpn { endpoint, destination, group } => {
                let mut all = world.client_vpns[endpoint].authorizations.iter();
                let one = all.find(|one| one.destination == *destination && one.group == *group);
                owner.described(&one.unwrap().description)
            }
            Step::DeleteVpnRoute { endpoint, destination, subnet } => {
                let mut all = world.client_vpns[endpoint].routes.iter();
                let one = all.find(|one| one.destination == *destination && one.subnet == *subnet);
                owner.described(&one.unwrap().description)
            }
            Step::Untag { arn, .. } => tags_of(world, arn).is_some_and(|tags| owner.tagged(tags)),
            _ => true,
        };
        assert!(is_ours, "{step:?} is about something that isn't ours");
    }
}

/// No endpoint has more addresses at any time than AWS allows.
pub(super) fn assert_within_quota(plan: &Plan, world: &World) {
    let mut counts: BTreeMap<&str, usize> =
        world.endpoints.iter().map(|(id, one)| (id.as_str(), one.addresses.len())).collect();
    for planned in &plan.steps {
        let step = match &planned.step {
            Step::Await { until } => until,
            step => step,
        };
        match (step, &planned.step) {
            (Step::AddAddress { endpoint, .. }, Step::AddAddress { .. }) => {
                *counts.get_mut(endpoint.as_str()).unwrap() += 1;
                assert!(counts[endpoint.as_str()] <= AWS_ENDPOINT_ADDRESSES, "{endpoint}: {step:?}");
            }
            (Step::RemoveAddress { endpoint, .. }, _) => *counts.get_mut(endpoint.as_str()).unwrap() -= 1,
            (Step::CreateEndpoint { addresses, .. }, _) => assert!(addresses.len() <= AWS_ENDPOINT_ADDRESSES),
            _ => {}
        }
    }
}

fn tags_of<'a>(world: &'a World, arn: &str) -> Option<&'a BTreeMap<String, String>> {
    let endpoints = world.endpoints.values().map(|one| (&one.arn, &one.tags));
    let rules = world.rules.values().map(|one| (&one.arn, &one.tags));
    let logs = world.query_logs.values().map(|one| (&one.arn, &one.tags));
    endpoints.chain(rules).chain(logs).find(|(other, _)| *other == arn).map(|(_, tags)| tags)
}

fn is_our_rule(rule: &str, world: &World, owner: Owner<'_>, pinned: &[&str]) -> bool {
    let there = &world.rules[rule];
    owner.owns(&there.creator_request_id, &there.tags) || pinned.contains(&rule)
}
