//! What somebody does by hand to what is ours.

use proptest::prelude::*;

use super::wishes::FOREIGN;
use crate::aws::world::{Endpoint, Permission, State, World};

#[derive(Clone, Copy, Debug)]
pub enum What {
    LoseAssociation,
    OtherTargets,
    LoseRule,
    LoseAddress,
    FailAddress,
    RenameEndpoint,
    OtherFlag,
    LoseTags,
    OpenGroup,
    CloseGroup,
    LoseShare,
    LoseLog,
}

/// What happens, and to which of those that it can happen to.
#[derive(Clone, Copy, Debug)]
pub struct Drift {
    what: What,
    which: usize,
}

pub fn drifts() -> impl Strategy<Value = Vec<Drift>> {
    use What::*;
    let what = prop::sample::select(vec![
        LoseAssociation,
        OtherTargets,
        LoseRule,
        LoseAddress,
        FailAddress,
        RenameEndpoint,
        OtherFlag,
        LoseTags,
        OpenGroup,
        CloseGroup,
        LoseShare,
        LoseLog,
    ]);
    prop::collection::vec((what, 0..8usize).prop_map(|(what, which)| Drift { what, which }), 0..4)
}

impl Drift {
    pub fn happens(self, world: &mut World) {
        match self.what {
            What::LoseAssociation => {
                let rules = &world.rules;
                let ours =
                    |rule: &str| rules.get(rule).is_some_and(|one| !is_foreign(&one.creator_request_id));
                let ids =
                    world.associations.iter().filter(|(_, one)| ours(&one.rule)).map(|(id, _)| id.clone());
                self.pick(ids).map(|id| world.associations.remove(&id));
            }
            What::LoseRule => {
                if let Some(id) = self.rule(world) {
                    world.rules.remove(&id);
                    world.associations.retain(|_, one| one.rule != id);
                }
            }
            What::OtherTargets => {
                let rule = self.rule(world).and_then(|id| world.rules.get_mut(&id));
                rule.into_iter().for_each(|rule| rule.targets.truncate(1));
            }
            What::OpenGroup | What::CloseGroup => self.group(world),
            What::LoseShare => {
                let ids = world.shares.keys().cloned();
                self.pick(ids).map(|id| world.shares.remove(&id));
            }
            What::LoseLog => {
                let ours = world.query_logs.iter().filter(|(_, one)| !is_foreign(&one.creator_request_id));
                let logged: Vec<String> = ours.map(|(id, _)| id.clone()).collect();
                self.pick(logged).map(|id| world.query_log_associations.remove(&id));
            }
            _ => {
                let ours = world.endpoints.iter().filter(|(_, one)| !is_foreign(&one.creator_request_id));
                let ids: Vec<String> = ours.map(|(id, _)| id.clone()).collect();
                let endpoint = self.pick(ids).and_then(|id| world.endpoints.get_mut(&id));
                endpoint.into_iter().for_each(|endpoint| self.endpoint(endpoint));
            }
        }
    }

    fn endpoint(self, endpoint: &mut Endpoint) {
        let address = self.pick(endpoint.addresses.keys().cloned());
        match (self.what, address) {
            (What::LoseAddress, Some(address)) if endpoint.addresses.len() > 2 => {
                endpoint.addresses.remove(&address);
            }
            (What::FailAddress, Some(address)) => {
                if let Some(address) = endpoint.addresses.get_mut(&address) {
                    (address.state, address.status) = (State::Broken, "FAILED_RESOURCE_GONE".into());
                    (endpoint.state, endpoint.status) = (State::Broken, "ACTION_NEEDED".into());
                }
            }
            (What::RenameEndpoint, _) => endpoint.name = "renamed by hand".into(),
            (What::OtherFlag, _) => endpoint.interface_metrics = !endpoint.interface_metrics,
            (What::LoseTags, _) => endpoint.tags.clear(),
            _ => {}
        }
    }

    fn group(self, world: &mut World) {
        let ours = world.security_groups.values_mut().filter(|group| !is_foreign(&group.name));
        let Some(group) = self.pick(ours) else { return };
        match self.what {
            What::OpenGroup => {
                group.ingress.push(Permission {
                    protocol: "tcp".into(),
                    from_port: 22,
                    to_port: 22,
                    peer: "0.0.0.0/0".into(),
                });
                group.ingress.sort_unstable();
            }
            _ => drop(group.ingress.pop().or_else(|| group.egress.pop())),
        }
    }

    fn rule(self, world: &World) -> Option<String> {
        let ours = world.rules.iter().filter(|(_, one)| !is_foreign(&one.creator_request_id));
        self.pick(ours.map(|(id, _)| id.clone()))
    }

    fn pick<T>(self, all: impl IntoIterator<Item = T>) -> Option<T> {
        let mut all: Vec<T> = all.into_iter().collect();
        let count = all.len();
        (count > 0).then(|| all.swap_remove(self.which % count))
    }
}

fn is_foreign(mark: &str) -> bool {
    mark.starts_with(FOREIGN)
}
