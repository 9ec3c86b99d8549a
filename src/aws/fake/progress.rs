//! How far steps are.

use super::make::id_of;
use super::{Inner, trouble};
use crate::aws::cloud::{Asked, Progress};
use crate::aws::plan::step::Step;
use crate::aws::trouble::Kind;
use crate::aws::world::{Address, State, Switch};

impl Inner {
    pub fn progress(&self, asked: &Asked) -> Progress {
        let (world, made) = (&self.world, asked.made.clone().unwrap_or_default());
        match &asked.step {
            Step::CreateEndpoint { .. } => self.whole_endpoint(&made),
            Step::UpdateEndpoint { endpoint, .. } => {
                match world.endpoints.get(endpoint) {
                    // ACTION_NEEDED is about its addresses, which later steps mend.
                    Some(one) if one.state == State::Broken => Progress::Done,
                    one => comes(one.map(|one| (one.state, &one.status))),
                }
            }
            Step::AddAddress { endpoint, address } => {
                let Some(there) = world.endpoints.get(endpoint) else { return comes(None) };
                // Who goes on after another run knows no ID, and for an address that AWS chose not the address either.
                let new = |(id, one): &(&String, &Address)| match address.ip {
                    Some(ip) => one.ip == Some(ip) && one.state != State::Going,
                    None => made.is_empty() && one.state == State::Coming || **id == made,
                };
                match (there.addresses.iter().find(new), made.is_empty() && address.ip.is_none()) {
                    (None, true) => Progress::Done,
                    (found, _) => comes(found.map(|(_, one)| (one.state, &one.status))),
                }
            }
            Step::RemoveAddress { endpoint, address } => {
                let endpoint = world.endpoints.get(endpoint);
                ends(endpoint.and_then(|endpoint| endpoint.addresses.get(address)).map(|one| &one.status))
            }
            Step::DeleteEndpoint { endpoint } => ends(world.endpoints.get(endpoint).map(|one| &one.status)),
            Step::CreateRule { .. } => comes(world.rules.get(&made).map(|one| (one.state, &one.status))),
            Step::UpdateRule { rule, .. } => comes(world.rules.get(rule).map(|one| (one.state, &one.status))),
            Step::DeleteRule { rule } => ends(world.rules.get(rule).map(|one| &one.status)),
            Step::Associate { rule, vpc, .. } => {
                let rule = id_of(rule).unwrap_or_default();
                let mut all = world.associations.values();
                let there = all.find(|one| one.rule == rule && one.vpc == *vpc);
                comes(there.map(|one| (one.state, &one.status)))
            }
            Step::Disassociate { rule, vpc } => {
                let mut all = world.associations.values();
                ends(all.find(|one| one.rule == *rule && one.vpc == *vpc).map(|one| &one.status))
            }
            Step::CreateQueryLog { .. } => {
                comes(world.query_logs.get(&made).map(|one| (one.state, &one.status)))
            }
            Step::DeleteQueryLog { query_log } => {
                ends(world.query_logs.get(query_log).map(|one| &one.status))
            }
            Step::LogVpc { query_log, vpc } => {
                let log = id_of(query_log).unwrap_or_default();
                let state = world.query_log_associations.get(&log).and_then(|vpcs| vpcs.get(vpc));
                comes(state.map(|state| (*state, &made)))
            }
            Step::UnlogVpc { query_log, vpc } => {
                let vpcs = world.query_log_associations.get(query_log);
                ends(vpcs.and_then(|vpcs| vpcs.get(vpc)).map(|_| &made))
            }
            Step::SetDnssecValidation { vpc, .. } => {
                switched(world.vpcs.get(vpc).and_then(|vpc| vpc.dnssec_validation.as_ref()))
            }
            Step::SetAutodefinedReverse { vpc, .. } => {
                switched(world.vpcs.get(vpc).and_then(|vpc| vpc.autodefined_reverse.as_ref()))
            }
            _ => Progress::Done,
        }
    }

    /// OPERATIONAL, and all addresses ATTACHED but those that go.
    fn whole_endpoint(&self, id: &str) -> Progress {
        let Some(endpoint) = self.world.endpoints.get(id) else {
            return Progress::Broken(trouble(Kind::Broken, "the endpoint is gone"));
        };
        if let Some(address) = endpoint.addresses.values().find(|one| one.state == State::Broken) {
            return Progress::Broken(trouble(Kind::Broken, &address.status));
        }
        let attached = endpoint.addresses.values().filter(|one| one.state == State::Ready).count();
        let coming = endpoint.addresses.values().filter(|one| one.state == State::Coming).count();
        match coming {
            0 => comes(Some((endpoint.state, &endpoint.status))),
            _ => Progress::Waiting(format!("{attached} of {} ATTACHED", attached + coming)),
        }
    }
}

fn comes(there: Option<(State, &String)>) -> Progress {
    match there {
        Some((State::Ready, _)) => Progress::Done,
        Some((State::Coming, status)) => Progress::Waiting(status.clone()),
        Some((_, status)) => Progress::Broken(trouble(Kind::Broken, status)),
        None => Progress::Broken(trouble(Kind::Broken, "it is gone")),
    }
}

fn ends(status: Option<&String>) -> Progress {
    status.map_or(Progress::Done, |status| Progress::Waiting(status.clone()))
}

fn switched(switch: Option<&Switch>) -> Progress {
    match switch {
        Some(switch) if switch.is_changing => Progress::Waiting("UPDATING".to_owned()),
        _ => Progress::Done,
    }
}
