//! What must never have happened: an endpoint below two attached addresses, a touch of what is somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use super::Inner;
use super::make::{Made, id_of};
use crate::aws::owned::Owner;
use crate::aws::plan::step::{Ref, Step};
use crate::aws::world::{Endpoint, State};
use crate::config::aws::Aws;

#[derive(Clone, Debug, Default)]
pub struct Journal {
    owner: String,
    /// What the file names though it isn't ours: things that were taken over, Client VPN endpoints, VPCs.
    named: BTreeSet<String>,
    /// The least number of attached addresses that an endpoint had since it first had two, until it was deleted.
    pub least_attached: BTreeMap<String, usize>,
    /// Steps that took an endpoint that stays below two attached addresses, or even lower if it was there already.
    pub lowered: Vec<String>,
    /// Steps that changed what isn't ours.
    pub foreign: Vec<String>,
    /// All steps that were asked for.
    pub asked: Vec<Step>,
}

impl Journal {
    pub fn watch_for(&mut self, wanted: &Aws) {
        self.owner.clone_from(&wanted.owner);
        let endpoints = wanted.endpoints.iter().filter_map(|one| one.id.clone());
        let rules = wanted.rules.iter().filter_map(|one| one.id.clone());
        let logs = wanted.query_logs.iter().filter_map(|one| one.id.clone());
        let vpns = wanted.client_vpns.iter().map(|one| one.endpoint.clone());
        let vpcs = wanted.vpcs.iter().map(|one| one.id.clone());
        self.named = endpoints.chain(rules).chain(logs).chain(vpns).chain(vpcs).collect();
    }
}

impl Inner {
    /// Asks for a step, and notes what it does.
    pub fn journaled(&mut self, step: &Step) -> Made {
        self.journal_touch(step);
        let before = self.attached();
        let asked = self.ask(step);
        let after = self.attached();
        for (id, before) in before {
            if after.get(&id).is_some_and(|after| *after < before && *after < 2) {
                self.journal.lowered.push(format!("{step:?}"));
            }
        }
        self.journal_attached();
        asked
    }

    /// Of endpoints that aren't being deleted.
    fn attached(&self) -> BTreeMap<String, usize> {
        let all = self.world.endpoints.iter().filter(|(_, endpoint)| endpoint.state != State::Going);
        let attached =
            |endpoint: &Endpoint| endpoint.addresses.values().filter(|one| one.state == State::Ready).count();
        all.map(|(id, endpoint)| (id.clone(), attached(endpoint))).collect()
    }

    /// Notes the step, and whether it changes what isn't ours.
    fn journal_touch(&mut self, step: &Step) {
        self.journal.asked.push(step.clone());
        let Some(id) = touched(step) else { return };
        if !self.journal.named.contains(&id) && !self.is_ours(&id, step) && self.is_there(&id) {
            self.journal.foreign.push(format!("{step:?}"));
        }
    }

    pub fn journal_attached(&mut self) {
        let attached = self.attached();
        let least = &mut self.journal.least_attached;
        for (id, attached) in attached {
            if attached >= 2 || least.contains_key(&id) {
                let seen = least.entry(id).or_insert(attached);
                *seen = attached.min(*seen);
            }
        }
    }

    /// By its ID, or by its ARN where the step has that.
    fn is_ours(&self, id: &str, step: &Step) -> bool {
        let (world, owner) = (&self.world, Owner(&self.journal.owner));
        let is_it = |its: &str, arn: &str| its == id || arn == id;
        let endpoints = world.endpoints.iter().filter(|(its, one)| is_it(its, &one.arn));
        let rules = world.rules.iter().filter(|(its, one)| is_it(its, &one.arn));
        let logs = world.query_logs.iter().filter(|(its, one)| is_it(its, &one.arn));
        let named = |its: &str| self.journal.named.contains(its);
        let (by_name, groups) = (owner.name_of(""), &world.security_groups);
        endpoints.into_iter().any(|(its, one)| named(its) || owner.owns(&one.creator_request_id, &one.tags))
            || rules
                .into_iter()
                .any(|(its, one)| named(its) || owner.owns(&one.creator_request_id, &one.tags))
            || logs.into_iter().any(|(its, one)| named(its) || owner.owns(&one.creator_request_id, &one.tags))
            || groups.get(id).is_some_and(|one| owner.tagged(&one.tags))
            || world.shares.get(id).is_some_and(|one| owner.tagged(&one.tags))
            || matches!(step, Step::CreateShare { name, .. } if name.starts_with(&by_name))
    }

    fn is_there(&self, id: &str) -> bool {
        let world = &self.world;
        world.endpoints.iter().any(|(its, one)| its == id || one.arn == id)
            || world.rules.iter().any(|(its, one)| its == id || one.arn == id)
            || world.query_logs.iter().any(|(its, one)| its == id || one.arn == id)
            || world.security_groups.contains_key(id)
            || world.shares.contains_key(id)
            || world.client_vpns.contains_key(id)
            || world.vpcs.contains_key(id)
    }
}

/// What a step changes, by ID or ARN. None: it makes something new.
fn touched(step: &Step) -> Option<String> {
    let reference = |reference: &Ref| id_of(reference).ok();
    match step {
        Step::CreateSecurityGroup { .. }
        | Step::CreateEndpoint { .. }
        | Step::CreateRule { .. }
        | Step::CreateQueryLog { .. } => None,
        Step::Permit { group, .. } | Step::Forbid { group, .. } => reference(group),
        Step::DeleteSecurityGroup { group } => Some(group.clone()),
        Step::UpdateEndpoint { endpoint, .. }
        | Step::AddAddress { endpoint, .. }
        | Step::RemoveAddress { endpoint, .. }
        | Step::DeleteEndpoint { endpoint }
        | Step::AuthorizeVpn { endpoint, .. }
        | Step::RevokeVpn { endpoint, .. }
        | Step::CreateVpnRoute { endpoint, .. }
        | Step::DeleteVpnRoute { endpoint, .. }
        | Step::SetVpnDnsServers { endpoint, .. } => Some(endpoint.clone()),
        Step::UpdateRule { rule, .. } | Step::DeleteRule { rule } | Step::Disassociate { rule, .. } => {
            Some(rule.clone())
        }
        Step::Associate { rule, .. } => reference(rule),
        Step::CreateShare { resource, .. } => reference(resource),
        Step::ShareWith { share, .. } | Step::UnshareWith { share, .. } | Step::DeleteShare { share } => {
            Some(share.clone())
        }
        Step::DeleteQueryLog { query_log } | Step::UnlogVpc { query_log, .. } => Some(query_log.clone()),
        Step::LogVpc { query_log, .. } => reference(query_log),
        Step::SetDnssecValidation { vpc, .. } | Step::SetAutodefinedReverse { vpc, .. } => Some(vpc.clone()),
        // Asks for nothing.
        Step::Await { .. } => None,
        Step::Tag { arn, .. } | Step::Untag { arn, .. } => Some(arn.clone()),
    }
}
