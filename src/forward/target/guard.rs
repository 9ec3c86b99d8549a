//! A rate that a target must not be asked above: a token bucket without a clock of its own, in one atomic.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Generic cell rate algorithm (ITU-T I.371): instead of tokens it keeps the time at which the bucket is full
/// again, in microseconds.
pub struct Guard {
    /// 0: no bound.
    per_second: AtomicU32,
    full_again_us: AtomicU64,
}

/// A bucket holds what may go out in this time: AWS counts by the second, and a burst of a whole second's worth
/// next to a second's worth would be twice the limit.
const DEPTH_US: u64 = 100_000;

impl Guard {
    /// At most `per_second` questions a second; none: as many as there are.
    pub fn new(per_second: Option<u32>) -> Guard {
        Guard { per_second: AtomicU32::new(per_second.unwrap_or(0)), full_again_us: AtomicU64::new(0) }
    }

    pub fn per_second(&self) -> Option<u32> {
        Some(self.per_second.load(Relaxed)).filter(|&rate| rate > 0)
    }

    /// What went out counts against the new rate too.
    pub fn set(&self, per_second: Option<u32>) {
        self.per_second.store(per_second.unwrap_or(0), Relaxed);
    }

    /// Whether another question may leave now.
    pub fn has_room(&self, now_us: u64) -> bool {
        let Some(rate) = self.per_second() else { return true };
        self.full_again_us.load(Relaxed) <= now_us + depth_us(rate)
    }

    /// Takes a token. The caller has seen that there is room; a race of workers overdraws by one each.
    pub fn take(&self, now_us: u64) {
        let Some(rate) = self.per_second() else { return };
        let cost_us = cost_us(rate);
        let _ = self.full_again_us.try_update(Relaxed, Relaxed, |at| Some(at.max(now_us) + cost_us));
    }
}

fn cost_us(per_second: u32) -> u64 {
    1_000_000 / u64::from(per_second)
}

/// At least one question, however low the rate.
fn depth_us(per_second: u32) -> u64 {
    DEPTH_US.saturating_sub(cost_us(per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over any ten seconds no more than ten times the rate, and the bucket's depth.
    #[test]
    fn the_rate_holds() {
        for rate in [1, 20, 1024, 10_000] {
            let guard = Guard::new(Some(rate));
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

    #[test]
    fn the_rate_may_change_and_go() {
        let guard = Guard::new(None);
        let sent =
            |now_us: u64| (0..2000).filter(|_| guard.has_room(now_us)).map(|_| guard.take(now_us)).count();
        assert_eq!(sent(0), 2000);
        guard.set(Some(1000));
        assert_eq!(sent(0), 100);
        guard.set(Some(2000));
        assert_eq!(sent(0), 0, "the bucket is empty whatever the rate");
        guard.set(None);
        assert_eq!((sent(0), guard.per_second()), (2000, None));
    }
}
