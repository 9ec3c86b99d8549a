//! Sends a request until it is answered: again after throttling, after AWS's own failures and after broken connections,
//! bounded in number and time, and all through one gate. Whether a request can be sent again is the caller's to know.

use std::time::Duration;

use tokio::time::Instant;

use super::rate::Gate;
use crate::aws::trouble::{Kind, Trouble};
use crate::limits::{AWS_PATIENCE, AWS_PAUSE_MIN, AWS_TRIES};

/// The requests to one service of AWS.
pub(super) struct Calls {
    gate: Gate,
}

impl Calls {
    pub(super) fn new(gate: Gate) -> Calls {
        Calls { gate }
    }

    /// Each `attempt` is bounded in time by who sends it.
    pub(super) async fn patiently<T>(
        &self,
        attempt: impl AsyncFn() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let began = Instant::now();
        let mut tries = 1;
        loop {
            let trouble = match self.once(&attempt).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let is_over = tries >= AWS_TRIES || began.elapsed() > AWS_PATIENCE;
            if !may_pass(trouble.kind) || is_over {
                return Err(trouble);
            }
            tokio::time::sleep(pause_after(tries)).await;
            tries += 1;
        }
    }

    /// A request that must not be sent twice without a look at what the first has done.
    pub(super) async fn once<T>(&self, attempt: &impl AsyncFn() -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.gate.pass().await;
        let outcome = attempt().await;
        if let Err(Trouble { kind: Kind::Throttled, .. }) = &outcome {
            self.gate.hold(AWS_PAUSE_MIN);
        }
        outcome
    }
}

/// Trouble that a later try may not meet.
pub(super) fn may_pass(kind: Kind) -> bool {
    matches!(kind, Kind::Throttled | Kind::Failed | Kind::Unreachable)
}

/// Twice as long after each try, and a random part of it, so that several runs don't keep step.
pub(super) fn pause_after(tries: u32) -> Duration {
    let longest = AWS_PAUSE_MIN * 2_u32.saturating_pow(tries - 1);
    longest.mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::aws::cloud::errors::Said;

    fn throttled() -> Trouble {
        Said {
            operation: "ListResolverRules",
            subject: "",
            status: 400,
            code: "ThrottlingException",
            message: "Rate exceeded",
        }
        .trouble()
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_is_waited_out_and_a_refusal_is_not() {
        let calls = Calls::new(Gate::new(5, Duration::from_secs(1)));
        let tries = Cell::new(0);
        let answer = calls.patiently(async || {
            tries.set(tries.get() + 1);
            if tries.get() < 4 { Err(throttled()) } else { Ok(tries.get()) }
        });
        assert_eq!(answer.await, Ok(4));

        tries.set(0);
        let refused = Trouble { kind: Kind::Refused, ..throttled() };
        let answer: Result<(), Trouble> = calls
            .patiently(async || {
                tries.set(tries.get() + 1);
                Err(refused.clone())
            })
            .await;
        assert_eq!((answer, tries.get()), (Err(refused.clone()), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let calls = Calls::new(Gate::new(5, Duration::from_secs(1)));
        let tries = Cell::new(0);
        let began = Instant::now();
        let answer: Result<(), Trouble> = calls
            .patiently(async || {
                tries.set(tries.get() + 1);
                Err(throttled())
            })
            .await;
        assert_eq!((answer, tries.get()), (Err(throttled()), AWS_TRIES));
        assert!(began.elapsed() < AWS_PATIENCE);
    }
}
