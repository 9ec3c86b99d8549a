//! Puts the IDs of what was made in the place of references to it.

use std::collections::BTreeMap;

use crate::aws::plan::step::{Ref, Step};

/// IDs by the `made` of the steps that made them.
pub type Made = BTreeMap<String, String>;

/// What no earlier step of the plan has made.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

/// `step` with IDs alone.
pub fn resolve(step: &Step, made: &Made) -> Result<Step, Unknown> {
    let mut step = step.clone();
    for reference in references(&mut step) {
        if let Ref::Made(name) = reference {
            let id = made.get(name).ok_or_else(|| Unknown(name.clone()))?;
            *reference = Ref::Id(id.clone());
        }
    }
    Ok(step)
}

/// Under which name later steps know what this one makes.
pub fn made_as(step: &Step) -> Option<&str> {
    match step {
        Step::CreateSecurityGroup { made, .. }
        | Step::CreateEndpoint { made, .. }
        | Step::CreateRule { made, .. }
        | Step::CreateShare { made, .. }
        | Step::CreateQueryLog { made, .. } => Some(made),
        _ => None,
    }
}

fn references(step: &mut Step) -> Vec<&mut Ref> {
    match step {
        Step::Permit { group, .. } | Step::Forbid { group, .. } => vec![group],
        Step::CreateEndpoint { security_groups, .. } => security_groups.iter_mut().collect(),
        Step::CreateRule { endpoint, .. } | Step::UpdateRule { endpoint, .. } => {
            endpoint.iter_mut().collect()
        }
        Step::Associate { rule, .. } => vec![rule],
        Step::CreateShare { resource, .. } => vec![resource],
        Step::LogVpc { query_log, .. } => vec![query_log],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_becomes_the_id_of_what_was_made() {
        let step = |rule: Ref| Step::Associate { rule, vpc: "vpc-1".into(), name: "a".into() };
        let made = Made::from([("rule a".to_owned(), "rslvr-rr-1".to_owned())]);
        assert_eq!(resolve(&step(Ref::Made("rule a".into())), &made), Ok(step(Ref::Id("rslvr-rr-1".into()))));
        assert_eq!(resolve(&step(Ref::Made("rule b".into())), &made), Err(Unknown("rule b".into())));
    }
}
