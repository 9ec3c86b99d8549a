//! How long a target takes to answer: the share of its answers that came within each length of time, with older
//! ones fading. Says after how long a second target is worth asking.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Classes of a quarter of an octave: each bound is 19 % above the one before. Bounds go from 64 µs to 4 s.
const CLASSES: usize = 65;
const FIRST_US: f64 = 64.0;
const PER_OCTAVE: f64 = 4.0;
/// At so many samples all are halved: what is older than a few hundred answers soon weighs nothing.
const FADE_AT: u32 = 512;
/// Below this nothing can be said of one answer in twenty.
const ENOUGH: u32 = 20;
/// The share of answers that a target may take its time for. The other targets get what is later: so at most
/// one question in twenty is asked twice while nothing is wrong.
const SHARE: f64 = 0.95;
/// The quantile is worked out after so many answers.
const REFRESH_EVERY: u32 = 16;

/// Fed by all workers at once. They race; a lost sample is no harm.
pub struct AnswerTimes {
    counts: [AtomicU32; CLASSES],
    total: AtomicU32,
    quantile_us: AtomicU32,
}

impl Default for AnswerTimes {
    fn default() -> Self {
        AnswerTimes {
            counts: std::array::from_fn(|_| AtomicU32::new(0)),
            total: AtomicU32::new(0),
            quantile_us: AtomicU32::new(0),
        }
    }
}

impl AnswerTimes {
    pub fn learn(&self, took: Duration) {
        self.counts[class(took)].fetch_add(1, Relaxed);
        let total = self.total.fetch_add(1, Relaxed) + 1;
        if total >= FADE_AT {
            self.fade();
        }
        if total.is_multiple_of(REFRESH_EVERY) || total == ENOUGH {
            self.quantile_us.store(self.work_out(), Relaxed);
        }
    }

    /// The time within which 95 % of the answers come; none before there are enough of them.
    pub fn usual(&self) -> Option<Duration> {
        match self.quantile_us.load(Relaxed) {
            0 => None,
            us => Some(Duration::from_micros(us.into())),
        }
    }

    /// Forgets all: the past says nothing of a target that was away.
    pub fn forget(&self) {
        for count in &self.counts {
            count.store(0, Relaxed);
        }
        self.total.store(0, Relaxed);
        self.quantile_us.store(0, Relaxed);
    }

    fn work_out(&self) -> u32 {
        let counts: [u32; CLASSES] = std::array::from_fn(|class| self.counts[class].load(Relaxed));
        let total: u32 = counts.iter().sum();
        if total < ENOUGH {
            return 0;
        }
        let rank = (f64::from(total) * SHARE).ceil() as u32;
        let mut seen = 0;
        let within = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        upper_us(within.unwrap_or(CLASSES - 1))
    }

    fn fade(&self) {
        let mut total = 0;
        for count in &self.counts {
            let half = count.load(Relaxed) / 2;
            count.store(half, Relaxed);
            total += half;
        }
        self.total.store(total, Relaxed);
    }
}

fn class(took: Duration) -> usize {
    let us = took.as_micros() as f64;
    if us <= FIRST_US {
        return 0;
    }
    (((us / FIRST_US).log2() * PER_OCTAVE).ceil() as usize).min(CLASSES - 1)
}

fn upper_us(class: usize) -> u32 {
    (FIRST_US * (class as f64 / PER_OCTAVE).exp2()).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn one_slow_answer_in_twenty_is_usual() {
        let times = AnswerTimes::default();
        assert_eq!(times.usual(), None);
        for number in 0..400 {
            times.learn(if number % 40 == 0 { ms(900) } else { ms(2) });
        }
        let usual = times.usual().unwrap();
        assert!(usual >= ms(2) && usual <= Duration::from_micros(2400), "{usual:?}");
        for number in 0..400 {
            times.learn(if number % 8 == 0 { ms(900) } else { ms(2) });
        }
        assert!(times.usual().unwrap() >= ms(900), "an eighth is more than a twentieth");
    }

    #[test]
    fn the_past_fades() {
        let times = AnswerTimes::default();
        (0..5000).for_each(|_| times.learn(ms(300)));
        (0..1500).for_each(|_| times.learn(ms(4)));
        assert!(times.usual().unwrap() <= ms(5), "{:?}", times.usual());
        times.forget();
        assert_eq!(times.usual(), None);
    }

    #[test]
    fn all_lengths_have_a_class() {
        let times = AnswerTimes::default();
        for took in [Duration::ZERO, Duration::from_micros(64), Duration::from_secs(3600)] {
            times.learn(took);
        }
        for us in [65, 100, 999, 40_000, 3_900_000] {
            let bound = upper_us(class(Duration::from_micros(us)));
            assert!(u64::from(bound) >= us && f64::from(bound) < us as f64 * 1.2, "{us}: {bound}");
        }
    }
}
