//! When a target is probed, and what its reply proves. A probe is a question like any other, with a ticket of the
//! exchange; it costs no client a wait.

use std::time::Instant;

use super::Fetched;
use super::pick::{Endpoint, Expect, Probe};
use super::target::{State, Target};
use crate::limits::{LOSSES_UNTIL_DOWN, PROBE_EVERY, PROBE_EVERY_DOWN, PROBE_IDLE};
use crate::wire::copy::answers_with;
use crate::wire::header::{rcode, rcode_name};

impl Endpoint {
    /// The targets that are to be probed now.
    pub fn probes_due(&self, now: Instant) -> impl Iterator<Item = usize> {
        let dark = self.is_dark(now);
        let due = move |target: &Target| is_due(target, dark, now);
        self.targets.iter().enumerate().filter(move |(_, member)| due(&member.target)).map(|(index, _)| index)
    }
}

/// Suspect targets at once and then twice a second; those that are down with a pause that grows while others
/// live; the others when nothing was heard of them for a while.
fn is_due(target: &Target, dark: bool, now: Instant) -> bool {
    let (heard, probed) = target.quiet_for(now);
    let pause = match target.state() {
        State::Suspect => PROBE_EVERY,
        State::Failing | State::Silent if dark => PROBE_EVERY,
        State::Failing | State::Silent => {
            let beyond = target.losses().saturating_sub(LOSSES_UNTIL_DOWN);
            PROBE_EVERY.saturating_add((PROBE_EVERY / 4).saturating_mul(beyond)).min(PROBE_EVERY_DOWN)
        }
        State::Healthy | State::Returning => {
            return heard.is_none_or(|ago| ago >= PROBE_IDLE) && probed.is_none_or(|ago| ago >= PROBE_IDLE);
        }
    };
    probed.is_none_or(|ago| ago >= pause)
}

impl Probe {
    /// Whether the reply is what is expected, or what is wrong with it.
    pub fn judge(&self, fetched: &Fetched) -> Result<(), String> {
        let answer = match fetched {
            Fetched::Answer { answer, .. } => answer.view(),
            Fetched::Failed(why) => return Err(why.text.to_string()),
        };
        let code = answer.rcode();
        let said = || format!("it says {}", rcode_name(code));
        match &self.expect {
            Expect::Answer if matches!(code, rcode::NOERROR | rcode::NXDOMAIN) => Ok(()),
            Expect::Rcode(wanted) if code == *wanted => Ok(()),
            Expect::Answer => Err(said()),
            Expect::Rcode(wanted) => Err(format!("{}, not {}", said(), rcode_name(*wanted))),
            Expect::Data(_) if code != rcode::NOERROR => Err(said()),
            Expect::Data(data) if answers_with(&answer, self.rtype, data) => Ok(()),
            Expect::Data(_) => Err("its answer lacks the expected record".to_string()),
        }
    }
}
