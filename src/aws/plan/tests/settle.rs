//! What an earlier run asked for, when AWS has done it.

use super::super::step::{Ref, Step};
use crate::aws::world::{Address, Association, State, World};

/// What is under way comes to its end.
pub(super) fn settle(until: &Step, world: &mut World) {
    match until {
        Step::UpdateEndpoint { endpoint, .. } => {
            let endpoint = world.endpoints.get_mut(endpoint).unwrap();
            assert_eq!(endpoint.state, State::Coming);
            (endpoint.state, endpoint.status) = (State::Ready, "OPERATIONAL".to_owned());
        }
        Step::AddAddress { endpoint, address } => {
            let all = world.endpoints.get_mut(endpoint).unwrap().addresses.values_mut();
            let same = |one: &&mut Address| {
                one.state == State::Coming && one.ip == address.ip && one.subnet == address.subnet
            };
            let one = all.into_iter().find(same).unwrap();
            (one.state, one.status) = (State::Ready, "ATTACHED".to_owned());
        }
        Step::RemoveAddress { endpoint, address } => {
            let gone = world.endpoints.get_mut(endpoint).unwrap().addresses.remove(address).unwrap();
            assert_eq!(gone.state, State::Going);
        }
        Step::DeleteEndpoint { endpoint } => {
            assert_eq!(world.endpoints.remove(endpoint).unwrap().state, State::Going);
        }
        Step::UpdateRule { rule, .. } => {
            let rule = world.rules.get_mut(rule).unwrap();
            assert_eq!(rule.state, State::Coming);
            (rule.state, rule.status) = (State::Ready, "COMPLETE".to_owned());
        }
        Step::DeleteRule { rule } => {
            assert_eq!(world.rules.remove(rule).unwrap().state, State::Going);
        }
        Step::Associate { rule: Ref::Id(rule), vpc, .. } => {
            let mut all = world.associations.values_mut();
            let one = all.find(|one| one.rule == *rule && one.vpc == *vpc).unwrap();
            assert_eq!(one.state, State::Coming);
            (one.state, one.status) = (State::Ready, "COMPLETE".to_owned());
        }
        Step::Disassociate { rule, vpc } => {
            let is_it = |one: &Association| one.rule == *rule && one.vpc == *vpc && one.state == State::Going;
            world.associations.retain(|_, one| !is_it(one));
        }
        Step::LogVpc { query_log: Ref::Id(log), vpc } => {
            let vpcs = world.query_log_associations.get_mut(log).unwrap();
            assert_eq!(vpcs.insert(vpc.clone(), State::Ready), Some(State::Coming));
        }
        Step::UnlogVpc { query_log, vpc } => {
            let vpcs = world.query_log_associations.get_mut(query_log).unwrap();
            assert_eq!(vpcs.remove(vpc), Some(State::Going));
        }
        Step::CreateQueryLog { made, .. } => world.query_logs.get_mut(made).unwrap().state = State::Ready,
        Step::SetDnssecValidation { vpc, .. } => {
            let vpc = world.vpcs.get_mut(vpc).unwrap();
            vpc.dnssec_validation.as_mut().unwrap().is_changing = false;
        }
        Step::SetAutodefinedReverse { vpc, .. } => {
            let vpc = world.vpcs.get_mut(vpc).unwrap();
            vpc.autodefined_reverse.as_mut().unwrap().is_changing = false;
        }
        Step::AuthorizeVpn { endpoint, destination, group, .. } => {
            let all = &mut world.client_vpns.get_mut(endpoint).unwrap().authorizations;
            let mut same =
                all.iter_mut().filter(|one| one.destination == *destination && one.group == *group);
            same.next().unwrap().is_active = true;
        }
        Step::CreateVpnRoute { endpoint, destination, subnet, .. } => {
            let all = &mut world.client_vpns.get_mut(endpoint).unwrap().routes;
            let mut same =
                all.iter_mut().filter(|one| one.destination == *destination && one.subnet == *subnet);
            same.next().unwrap().is_active = true;
        }
        other => panic!("nothing waits for {other:?}"),
    }
}
