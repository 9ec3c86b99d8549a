//! How long a step may take, how often AWS is asked how far it is, and which steps have to wait for each other.

use std::time::Duration;

use crate::aws::plan::step::Step;
use crate::limits::{APPLY_PAUSE_FIRST, APPLY_PAUSE_MAX, APPLY_QUICK, APPLY_SLOW};

/// From the first request of a step until it must be done.
pub fn bound(step: &Step) -> Duration {
    match step {
        Step::Await { until } => bound(until),
        Step::CreateEndpoint { .. }
        | Step::UpdateEndpoint { .. }
        | Step::AddAddress { .. }
        | Step::RemoveAddress { .. }
        | Step::DeleteEndpoint { .. }
        // What still needs the group is an endpoint that goes.
        | Step::DeleteSecurityGroup { .. }
        | Step::SetDnssecValidation { .. }
        | Step::SetAutodefinedReverse { .. } => APPLY_SLOW,
        _ => APPLY_QUICK,
    }
}

/// Steps of one lane are done one after the other, each seen to be done before the next is asked for: an endpoint that
/// is UPDATING takes no other change, and of two addresses that are taken away side by side, each would count the
/// other one as staying.
pub fn lane(step: &Step) -> Option<&str> {
    match step {
        Step::UpdateEndpoint { endpoint, .. }
        | Step::AddAddress { endpoint, .. }
        | Step::RemoveAddress { endpoint, .. }
        | Step::DeleteEndpoint { endpoint }
        | Step::AuthorizeVpn { endpoint, .. }
        | Step::RevokeVpn { endpoint, .. }
        | Step::CreateVpnRoute { endpoint, .. }
        | Step::DeleteVpnRoute { endpoint, .. }
        | Step::SetVpnDnsServers { endpoint, .. } => Some(endpoint),
        Step::UpdateRule { rule, .. } | Step::DeleteRule { rule } => Some(rule),
        Step::ShareWith { share, .. } | Step::UnshareWith { share, .. } | Step::DeleteShare { share } => {
            Some(share)
        }
        Step::Tag { arn, .. } | Step::Untag { arn, .. } => Some(arn),
        _ => None,
    }
}

/// Pauses between two looks: short while things happen, each next one half as long again.
pub struct Pause(Duration);

impl Pause {
    pub fn new() -> Pause {
        Pause(APPLY_PAUSE_FIRST)
    }

    pub fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 3 / 2).min(APPLY_PAUSE_MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut pause = Pause::new();
        let pauses: Vec<u128> = (0..8).map(|_| pause.next().as_millis()).collect();
        assert_eq!(pauses, [1_000, 1_500, 2_250, 3_375, 5_062, 7_593, 10_000, 10_000]);
    }
}
