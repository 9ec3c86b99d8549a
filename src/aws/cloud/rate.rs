//! The gate that all requests to one of AWS's services go through: never more than so many in any stretch of time.
//! Never reorders: who comes first goes first.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Lets `count` requests pass in any `window` of time, as many at once if there were none before. A bucket of AWS's that
/// holds as many and fills as fast never runs dry of them alone.
pub(super) struct Gate {
    count: usize,
    window: Duration,
    /// When the latest `count` requests passed. Held by who waits, so that the next one waits behind.
    passed: tokio::sync::Mutex<VecDeque<Instant>>,
    /// Nobody passes before: AWS has said that it is too much.
    held: Mutex<Option<Instant>>,
}

impl Gate {
    pub(super) fn new(count: usize, window: Duration) -> Gate {
        Gate { count, window, passed: Default::default(), held: Mutex::new(None) }
    }

    /// Waits until one more request may be sent.
    pub(super) async fn pass(&self) {
        let mut passed = self.passed.lock().await;
        let full = passed.len() >= self.count;
        if let Some(oldest) = passed.front().filter(|_| full) {
            sleep_until(*oldest + self.window).await;
        }
        // Ends: each hold is of a request that has passed before, and those are bounded in their tries.
        while let Some(until) = self.held_until() {
            sleep_until(until).await;
        }
        if full {
            passed.pop_front();
        }
        passed.push_back(Instant::now());
    }

    /// All wait for so long from now on.
    pub(super) fn hold(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(held.map_or(until, |before| before.max(until)));
    }

    fn held_until(&self) -> Option<Instant> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.filter(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{RESOLVER_REQUESTS, RESOLVER_WINDOW};

    /// When each of the requests passed, in milliseconds.
    async fn times(gate: &Gate, count: usize) -> Vec<u128> {
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..count {
            gate.pass().await;
            times.push(start.elapsed().as_millis());
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_has_more_requests_than_aws_allows() {
        let gate = Gate::new(RESOLVER_REQUESTS, RESOLVER_WINDOW);
        let times = times(&gate, 50).await;
        for start in &times {
            let within = times.iter().filter(|time| (*start..*start + 1_000).contains(time)).count();
            assert!(within <= 5, "{within} from {start} ms on");
        }
        assert_eq!(times[4], 0, "the first five wait for nothing");
        assert!((9_900..10_000).contains(&times[49]), "ten rounds in nine windows: {}", times[49]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_all_of_them() {
        let gate = Gate::new(5, Duration::from_secs(1));
        gate.hold(Duration::from_secs(3));
        gate.hold(Duration::from_secs(1));
        assert_eq!(times(&gate, 2).await, [3_000, 3_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_first_goes_first() {
        let gate = Gate::new(1, Duration::from_secs(1));
        let order = Mutex::new(Vec::new());
        let one = async |number: u32| {
            gate.pass().await;
            order.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        };
        tokio::join!(one(1), one(2), one(3));
        assert_eq!(*order.lock().unwrap_or_else(PoisonError::into_inner), [1, 2, 3]);
    }
}
