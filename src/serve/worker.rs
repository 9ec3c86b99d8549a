//! One thread with a runtime, sockets and numbers of its own. What workers share is the snapshot, the cache,
//! the questions in flight and what is known of targets.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::counts::WorkerCounts;
use super::snapshot::Snapshot;
use crate::forward::Exchanger;
use crate::forward::coalesce::InFlight;
use crate::limits::{MESSAGE, WAITING_PER_WORKER};

/// What all workers share.
pub struct Shared {
    pub snapshot: ArcSwap<Snapshot>,
    pub in_flight: InFlight,
    pub connections: Connections,
}

/// Open TCP connections of clients, in all and by client.
#[derive(Default)]
pub struct Connections {
    total: AtomicUsize,
    by_client: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those allowed; given back when dropped.
pub struct Seat {
    shared: Arc<Shared>,
    client: IpAddr,
}

impl Connections {
    pub fn open(&self) -> usize {
        self.total.load(Relaxed)
    }

    /// A seat for one more connection of `client`, if both bounds allow it.
    pub fn admit(shared: &Arc<Shared>, client: IpAddr) -> Option<Seat> {
        let server = shared.snapshot.load();
        let limits = &server.config.server;
        let connections = &shared.connections;
        let mut by_client = connections.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        let own = by_client.entry(client).or_default();
        if *own >= limits.tcp_connections_per_client
            || connections.total.load(Relaxed) >= limits.tcp_connections
        {
            if *own == 0 {
                by_client.remove(&client);
            }
            return None;
        }
        *own += 1;
        connections.total.fetch_add(1, Relaxed);
        Some(Seat { shared: Arc::clone(shared), client })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let connections = &self.shared.connections;
        connections.total.fetch_sub(1, Relaxed);
        let mut by_client = connections.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = by_client.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                by_client.remove(&self.client);
            }
        }
    }
}

/// A worker, as its own tasks see it.
pub struct Worker {
    pub index: usize,
    pub shared: Arc<Shared>,
    pub exchanger: Exchanger,
    pub counts: Arc<WorkerCounts>,
    /// Room for one message of any length, for the time of a turn.
    pub scratch: RefCell<Box<[u8]>>,
    waiting: Cell<usize>,
    idle: Notify,
}

/// A client's place among those who wait for targets.
pub struct Place<'a>(&'a Worker);

impl Worker {
    pub fn new(index: usize, shared: Arc<Shared>, counts: Arc<WorkerCounts>) -> Worker {
        Worker {
            index,
            shared,
            exchanger: Exchanger::default(),
            counts,
            scratch: RefCell::new(vec![0; MESSAGE].into_boxed_slice()),
            waiting: Cell::new(0),
            idle: Notify::new(),
        }
    }

    /// A place among the waiting, if there is one left.
    pub fn wait_in_line(&self) -> Option<Place<'_>> {
        if self.waiting.get() >= WAITING_PER_WORKER {
            return None;
        }
        self.set_waiting(self.waiting.get() + 1);
        Some(Place(self))
    }

    fn set_waiting(&self, waiting: usize) {
        self.waiting.set(waiting);
        self.counts.in_flight.store(waiting as u64, Relaxed);
    }

    /// Returns once nobody waits for a target.
    pub async fn drained(&self) {
        while self.waiting.get() > 0 {
            self.idle.notified().await;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set_waiting(self.0.waiting.get() - 1);
        if self.0.waiting.get() == 0 {
            self.0.idle.notify_one();
        }
    }
}

/// Asks a listener to end.
#[derive(Clone, Default)]
pub struct Stop(Rc<(Cell<bool>, Notify)>);

impl Stop {
    pub fn stop(&self) {
        self.0.0.set(true);
        self.0.1.notify_waiters();
    }

    pub fn is_stopped(&self) -> bool {
        self.0.0.get()
    }

    pub async fn stopped(&self) {
        let notified = self.0.1.notified();
        if !self.is_stopped() {
            notified.await;
        }
    }
}
