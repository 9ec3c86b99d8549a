//! The security groups that are made, with the permissions that a plan gives them.

use std::collections::BTreeMap;

use crate::aws::plan::step::{Ref, Step, Way};
use crate::aws::plan::{Options, plan};
use crate::aws::world::{Permission, Vpc, World};
use crate::config::aws::Aws;

/// A security group of an endpoint.
pub(super) struct Guard {
    pub name: String,
    pub description: String,
    pub vpc: String,
    pub ingress: Vec<Permission>,
    pub egress: Vec<Permission>,
}

/// By name of the endpoint: what a plan for an empty account makes.
pub(super) fn guards(wanted: &Aws) -> BTreeMap<String, Guard> {
    let mut goal = wanted.clone();
    goal.endpoints.iter_mut().for_each(|endpoint| endpoint.id = None);
    let vpc = || Vpc { cidrs: Vec::new(), dnssec_validation: None, autodefined_reverse: None };
    let vpcs = goal.endpoints.iter().map(|endpoint| (endpoint.vpc.clone(), vpc())).collect();
    let world = World { region: wanted.region.clone(), vpcs, ..World::default() };
    let mut guards = BTreeMap::new();
    for planned in plan(&goal, &world, &Options::default()).steps {
        match planned.step {
            Step::CreateSecurityGroup { made, name, description, vpc, .. } => {
                let guard = Guard { name, description, vpc, ingress: Vec::new(), egress: Vec::new() };
                guards.insert(made, guard);
            }
            Step::Permit { group: Ref::Made(made), way, permissions } => {
                let Some(guard) = guards.get_mut(&made) else { continue };
                match way {
                    Way::Ingress => guard.ingress.extend(permissions),
                    Way::Egress => guard.egress.extend(permissions),
                }
            }
            _ => {}
        }
    }
    let named = guards
        .into_iter()
        .filter_map(|(made, guard)| Some((made.strip_prefix("security-group ")?.to_owned(), guard)));
    named.collect()
}
