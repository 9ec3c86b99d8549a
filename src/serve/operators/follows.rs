//! How whoever follows AWS for the server fares, and when it is to look again. Asks nobody itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::config::Config;
use crate::control::report::AwsSample;

/// Counts since the start.
#[derive(Default)]
pub struct Follows {
    answered: AtomicU64,
    failed: AtomicU64,
    changes: AtomicU64,
    last: Mutex<Option<Instant>>,
    /// Told after each reload that `changed` was not the reason of.
    pub reloaded: Notify,
    /// The next reload is for what AWS said.
    is_expected: AtomicBool,
}

impl Follows {
    /// AWS was asked; `is_answered` if it said what was wanted.
    pub fn asked(&self, is_answered: bool) {
        if is_answered {
            self.answered.fetch_add(1, Relaxed);
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        } else {
            self.failed.fetch_add(1, Relaxed);
        }
    }

    /// AWS said something else than before, and a reload was asked for.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Relaxed);
        self.is_expected.store(true, Relaxed);
    }

    /// The files were read again: whoever follows looks at once, unless it was the one who asked for it.
    pub fn came_anew(&self) {
        if !self.is_expected.swap(false, Relaxed) {
            self.reloaded.notify_one();
        }
    }

    /// None if this configuration follows nothing.
    pub fn sample(&self, config: &Config) -> Option<AwsSample> {
        config.aws.as_ref()?.follow?;
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        Some(AwsSample {
            answered: self.answered.load(Relaxed),
            failed: self.failed.load(Relaxed),
            changes: self.changes.load(Relaxed),
            age_secs: last.map(|last| last.elapsed().as_secs_f64()),
        })
    }
}
