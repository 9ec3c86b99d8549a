//! Identical questions in flight are asked once, whichever worker they came to. Nobody is turned away for
//! being one too many: each waits for the one answer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Fetched;

/// Everything that makes two questions the same, and the rule that answers them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FlightKey {
    pub question: Box<[u8]>,
    pub flags: u8,
    pub subnet: Box<[u8]>,
    pub rule: u32,
}

type Waiters = Vec<oneshot::Sender<Arc<Fetched>>>;

const SHARDS: usize = 64;

pub struct InFlight {
    shards: [Mutex<HashMap<FlightKey, Waiters>>; SHARDS],
}

/// What somebody with a question is to do.
pub enum Role<'a> {
    /// Ask, and tell all others through this.
    Lead(Lead<'a>),
    /// Wait for who asked already.
    Follow(oneshot::Receiver<Arc<Fetched>>),
}

/// The duty to tell the followers. Dropped without `finish`, it lets them know that there is nothing to wait
/// for.
pub struct Lead<'a> {
    in_flight: &'a InFlight,
    shard: usize,
    key: FlightKey,
}

impl Default for InFlight {
    fn default() -> Self {
        InFlight { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl InFlight {
    /// `hash` is any hash of the key; it only spreads the locks.
    pub fn join(&self, key: FlightKey, hash: u32) -> Role<'_> {
        let shard = hash as usize % SHARDS;
        match self.lock(shard).entry(key.clone()) {
            Entry::Occupied(mut found) => {
                let (sender, receiver) = oneshot::channel();
                found.get_mut().push(sender);
                Role::Follow(receiver)
            }
            Entry::Vacant(free) => {
                free.insert(Vec::new());
                Role::Lead(Lead { in_flight: self, shard, key })
            }
        }
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, HashMap<FlightKey, Waiters>> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead<'_> {
    pub fn finish(self, fetched: &Arc<Fetched>) {
        for waiter in self.take() {
            // Who gave up waiting needs no answer.
            let _ = waiter.send(Arc::clone(fetched));
        }
    }

    fn take(&self) -> Waiters {
        self.in_flight.lock(self.shard).remove(&self.key).unwrap_or_default()
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> FlightKey {
        FlightKey { question: [1, b'a', 0, 0, 1, 0, 1].into(), flags: 1, subnet: [].into(), rule: 7 }
    }

    #[test]
    fn one_asks_and_all_are_told() {
        let in_flight = InFlight::default();
        let Role::Lead(lead) = in_flight.join(key(), 3) else { panic!("the first one leads") };
        let mut followers: Vec<_> = (0..100)
            .map(|_| match in_flight.join(key(), 3) {
                Role::Follow(receiver) => receiver,
                Role::Lead(_) => panic!("asked twice"),
            })
            .collect();
        let other = FlightKey { flags: 9, ..key() };
        assert!(matches!(in_flight.join(other, 3), Role::Lead(_)));
        lead.finish(&Arc::new(Fetched::failed("x")));
        for follower in &mut followers {
            assert!(matches!(&*follower.try_recv().unwrap(), Fetched::Failed(_)));
        }
        assert!(matches!(in_flight.join(key(), 3), Role::Lead(_)));
    }

    #[test]
    fn a_lead_that_dies_leaves_nobody_waiting() {
        let in_flight = InFlight::default();
        let Role::Lead(lead) = in_flight.join(key(), 3) else { panic!("the first one leads") };
        let Role::Follow(mut follower) = in_flight.join(key(), 3) else { panic!("asked twice") };
        drop(lead);
        assert!(follower.try_recv().is_err());
    }
}
