//! A rate that a target must not be asked above: a token bucket without a clock of its own, in one atomic.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Generic cell rate algorithm (ITU-T I.371): instead of tokens it keeps the time at which the bucket is full
/// again, in microseconds.
pub struct Guard {
    per_second: u32,
    full_again_us: AtomicU64,
}

/// A bucket holds what may go out in this time: AWS counts by the second, and a burst of a whole second's worth
/// next to a second's worth would be twice the limit.
const DEPTH_US: u64 = 100_000;

impl Guard {
    /// At most `per_second` questions a second, at least one.
    pub fn new(per_second: u32) -> Guard {
        Guard { per_second: per_second.max(1), full_again_us: AtomicU64::new(0) }
    }

    pub fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Whether another question may leave now.
    pub fn has_room(&self, now_us: u64) -> bool {
        self.full_again_us.load(Relaxed) <= now_us + self.depth_us()
    }

    /// Takes a token. The caller has seen that there is room; a race of workers overdraws by one each.
    pub fn take(&self, now_us: u64) {
        let cost_us = self.cost_us();
        let _ = self.full_again_us.try_update(Relaxed, Relaxed, |at| Some(at.max(now_us) + cost_us));
    }

    fn cost_us(&self) -> u64 {
        1_000_000 / u64::from(self.per_second)
    }

    /// At least one question, however low the rate.
    fn depth_us(&self) -> u64 {
        DEPTH_US.saturating_sub(self.cost_us())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over any ten seconds no more than ten times the rate, and the bucket's depth.
    #[test]
    fn the_rate_holds() {
        for rate in [1, 20, 1024, 10_000] {
            let guard = Guard::new(rate);
            let mut sent = 0;
            for now_us in (0..10_000_000).step_by(37) {
                while guard.has_room(now_us) && sent < 1_000_000 {
                    guard.take(now_us);
                    sent += 1;
                }
            }
            let most = 10.0 * f64::from(rate) + f64::from(rate) * 0.1 + 2.0;
            assert!(f64::from(sent) <= most * 1.05, "{rate} a second: {sent} in ten seconds");
            assert!(f64::from(sent) >= 9.5 * f64::from(rate), "{rate} a second: only {sent}");
        }
    }
}
