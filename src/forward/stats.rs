//! What a rule asked of a target: counters and a latency histogram that all workers add to, on misses only.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::wire::name::Name;

/// Upper bounds of the latency buckets, in seconds. Half a millisecond is a neighbour on the same site, two
/// seconds the promise to clients; what took longer falls into the bucket without a bound.
pub const LATENCY_BOUNDS: [f64; 12] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0];

/// One count per bound of [`LATENCY_BOUNDS`], and one for what lies above them all.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// Numbers of one rule and target.
#[derive(Default)]
pub struct Exchanges {
    pub queries: AtomicU64,
    pub timeouts: AtomicU64,
    pub errors: AtomicU64,
    pub latency: [AtomicU64; LATENCY_BUCKETS],
    pub latency_sum_us: AtomicU64,
}

impl Exchanges {
    pub fn asked(&self) {
        self.queries.fetch_add(1, Relaxed);
    }

    pub fn timed_out(&self) {
        self.timeouts.fetch_add(1, Relaxed);
    }

    pub fn failed(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    pub fn answered(&self, after: Duration) {
        let secs = after.as_secs_f64();
        let bucket = LATENCY_BOUNDS.iter().position(|bound| secs <= *bound).unwrap_or(LATENCY_BUCKETS - 1);
        self.latency[bucket].fetch_add(1, Relaxed);
        self.latency_sum_us.fetch_add(after.as_micros() as u64, Relaxed);
    }
}

/// Whose numbers they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    /// The rule's domain.
    pub rule: Name,
    pub endpoint: String,
    pub target: SocketAddr,
}

/// All series of rules that are or were just now; a reload finds its own again. A worker waits for the lock
/// when a rule misses for the first time, so nobody holds it for long: 100,000 rules may have 200,000 series.
#[derive(Default)]
pub struct Registry(Mutex<Exchanged>);

type Exchanged = HashMap<Arc<Series>, Arc<Exchanges>>;

impl Registry {
    pub fn series(&self, series: Series) -> Arc<Exchanges> {
        Arc::clone(self.lock().entry(Arc::new(series)).or_default())
    }

    pub fn all(&self) -> Vec<(Arc<Series>, Arc<Exchanges>)> {
        let mut all: Vec<_> =
            self.lock().iter().map(|(series, counts)| (Arc::clone(series), Arc::clone(counts))).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// Forgets series that nobody adds to any more, so that reloads don't pile them up.
    pub fn retain(&self, wanted: impl Fn(&Series) -> bool) {
        let known: Vec<Arc<Series>> = self.lock().keys().map(Arc::clone).collect();
        for series in known.iter().filter(|series| !wanted(series)) {
            self.lock().remove(series);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Exchanged> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
