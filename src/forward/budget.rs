//! What an endpoint may be asked beyond its clients' questions: second targets before the first one is late, and
//! names refreshed before they expire.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::limits::{EXTRAS_SAVED, QUESTIONS_PER_EXTRA};

/// Every question saves a part of an extra one; saved ones are bounded. A slow target can't double the load.
pub struct Budget(AtomicU32);

impl Default for Budget {
    /// Half full: the first fault may come early.
    fn default() -> Self {
        Budget(AtomicU32::new(EXTRAS_SAVED / 2 * QUESTIONS_PER_EXTRA))
    }
}

impl Budget {
    pub fn earn(&self) {
        // Workers race here; what is lost is a part of an extra question.
        let saved = self.0.load(Relaxed);
        if saved < EXTRAS_SAVED * QUESTIONS_PER_EXTRA {
            self.0.store(saved + 1, Relaxed);
        }
    }

    /// Takes one extra question, if one is saved.
    pub fn spend(&self) -> bool {
        self.0.try_update(Relaxed, Relaxed, |saved| saved.checked_sub(QUESTIONS_PER_EXTRA)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_in_a_hundred_beyond_what_was_saved() {
        let budget = Budget::default();
        let mut extras = 0;
        for _ in 0..10_000 {
            budget.earn();
            extras += u32::from(budget.spend());
        }
        assert!((500..=500 + EXTRAS_SAVED).contains(&extras), "{extras}");
        (0..10_000).for_each(|_| budget.earn());
        let saved = (0..1000).filter(|_| budget.spend()).count();
        assert_eq!(saved, EXTRAS_SAVED as usize);
    }
}
