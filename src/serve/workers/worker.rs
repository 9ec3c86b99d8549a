//! One thread with a runtime, sockets and numbers of its own. What workers share is the snapshot, the cache,
//! the questions in flight and what is known of targets.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use rand::rngs::StdRng;
use tokio::sync::Notify;

use crate::forward::coalesce::InFlight;
use crate::forward::exchange::{Exchange, Finished};
use crate::forward::{Fetched, FlightId, Inlet, Ticket, Transport, Trouble};
use crate::limits::{MESSAGE, PROBE_ROUND};
use crate::serve::counts::WorkerCounts;
use crate::serve::fetch::{Of, SnapshotErrand};
use crate::serve::line::{Full, Line, Place};
use crate::serve::loops::Loops;
use crate::serve::marks::{self, Sweep};
use crate::serve::miss::{ReturnPath, Waiter, settle};
use crate::serve::snapshot::Snapshot;
use crate::transfer::desk::Desk;

/// What all workers share.
pub struct Shared {
    pub snapshot: ArcSwap<Snapshot>,
    pub in_flight: InFlight,
    /// One for each worker.
    pub inboxes: Vec<Inbox>,
    pub connections: Connections,
    pub loops: Loops,
    /// Where transfers, notices and updates go; none on a stage.
    pub desk: Option<Desk>,
}

/// What other workers tell one about questions that its clients wait for too.
#[derive(Default)]
pub struct Inbox {
    told: Mutex<Vec<(FlightId, Fetched)>>,
    arrived: Notify,
}

impl Inbox {
    pub fn tell(&self, flight: FlightId, fetched: Fetched) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((flight, fetched));
        self.arrived.notify_one();
    }

    pub fn is_empty(&self) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn take(&self) -> Vec<(FlightId, Fetched)> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
    pub counts: Arc<WorkerCounts>,
    /// Room for one message of any length, for the time of a turn.
    pub scratch: RefCell<Box<[u8]>>,
    transport: Box<dyn Transport>,
    exchange: RefCell<Exchange<SnapshotErrand, Waiter>>,
    /// Listeners with replies that leave together at the end of the present turn.
    late: RefCell<Vec<Rc<dyn ReturnPath>>>,
    flush: Notify,
    /// When the clock's task wakes next, and the word that it is to look again.
    armed: Cell<Option<Instant>>,
    rearm: Notify,
    /// When it is looked next who needs a probe; one worker does that for all.
    probes_at: Cell<Option<Instant>>,
    /// The rule that is looked at next for a loop.
    pub sweep: RefCell<Sweep>,
    line: RefCell<Line>,
    idle: Notify,
}

impl Worker {
    /// `transport` is made for the worker, which takes what comes; `random` draws between targets.
    pub fn new(
        index: usize,
        shared: Arc<Shared>,
        counts: Arc<WorkerCounts>,
        random: StdRng,
        now: Instant,
        transport: impl FnOnce(Weak<dyn Inlet>) -> Box<dyn Transport>,
    ) -> Rc<Worker> {
        Rc::new_cyclic(|own: &Weak<Worker>| Worker {
            index,
            shared,
            counts,
            scratch: RefCell::new(vec![0; MESSAGE].into_boxed_slice()),
            transport: transport(own.clone()),
            exchange: RefCell::new(Exchange::new(random)),
            late: RefCell::default(),
            flush: Notify::new(),
            armed: Cell::new(None),
            rearm: Notify::new(),
            probes_at: Cell::new((index == 0).then_some(now)),
            sweep: RefCell::default(),
            line: RefCell::default(),
            idle: Notify::new(),
        })
    }

    /// The questions at targets. Not to be held over a call that answers a client.
    pub fn exchange(&self) -> RefMut<'_, Exchange<SnapshotErrand, Waiter>> {
        self.exchange.borrow_mut()
    }

    pub fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    pub fn next_finished(&self) -> Option<Finished<SnapshotErrand, Waiter>> {
        self.exchange.borrow_mut().next_finished()
    }

    /// A place among those who wait for targets, if there is one left.
    pub fn wait_in_line(&self, endpoint: Option<usize>, client: IpAddr, len: usize) -> Result<Place, Full> {
        let place = self.line.borrow_mut().admit(endpoint, client, len)?;
        self.note_waiting();
        Ok(place)
    }

    pub fn leave_line(&self, place: Place) {
        self.line.borrow_mut().leave(place);
        if self.note_waiting() == 0 {
            self.idle.notify_one();
        }
    }

    fn note_waiting(&self) -> usize {
        let waiting = self.line.borrow().waiting();
        self.counts.in_flight.store(waiting as u64, Relaxed);
        waiting
    }

    /// Returns once nobody waits for a target.
    pub async fn drained(&self) {
        while self.line.borrow().waiting() > 0 {
            self.idle.notified().await;
        }
    }

    /// Has `path` flushed at the end of the present turn.
    pub fn flush_later(&self, path: Rc<dyn ReturnPath>) {
        self.late.borrow_mut().push(path);
        self.flush.notify_one();
    }

    /// Sends what leaves together, questions and late replies, until the worker ends. It runs when all tasks
    /// that were ready before it have had their turn.
    pub async fn run_flush(self: Rc<Self>) {
        loop {
            self.flush.notified().await;
            self.transport.flush();
            let mut late = std::mem::take(&mut *self.late.borrow_mut());
            for path in late.drain(..) {
                path.flush();
            }
            let mut kept = self.late.borrow_mut();
            if kept.is_empty() {
                // Its memory serves again.
                *kept = late;
            }
        }
    }

    /// Does what is due, until the worker ends.
    pub async fn run_clock(self: Rc<Self>) {
        loop {
            let due = self.due();
            self.armed.set(due);
            match due {
                None => self.rearm.notified().await,
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due.into()) => self.tick(Instant::now()),
                    () = self.rearm.notified() => {}
                },
            }
        }
    }

    pub fn tick(&self, now: Instant) {
        self.exchange.borrow_mut().tick(now, self.transport());
        if self.probes_at.get().is_some_and(|at| at <= now) {
            self.probes_at.set(Some(now + PROBE_ROUND));
            self.probe(now);
        }
        self.settle(now);
    }

    /// When `tick` has something to do, if nothing comes before.
    pub fn due(&self) -> Option<Instant> {
        let exchange = self.exchange.borrow_mut().due();
        exchange.into_iter().chain(self.probes_at.get()).min()
    }

    /// Asks the targets that are to be probed now, and those of the rules that are looked at for loops.
    fn probe(&self, now: Instant) {
        let snapshot = self.shared.snapshot.load_full();
        for (index, endpoint) in snapshot.endpoints.iter().enumerate() {
            for target in endpoint.probes_due(now) {
                endpoint.targets[target].target.probe_sent(now);
                let errand =
                    SnapshotErrand { snapshot: Arc::clone(&snapshot), of: Of::Endpoint(index as u32) };
                let name = marks::probe_name(self, &snapshot, index, target);
                self.exchange.borrow_mut().probe(errand, target, name.as_ref(), now, self.transport());
            }
        }
        marks::round(self, &snapshot, now);
    }

    /// Takes what other workers tell, until the worker ends.
    pub async fn run_inbox(self: Rc<Self>) {
        let inbox = &self.shared.inboxes[self.index];
        loop {
            inbox.arrived.notified().await;
            self.hear(Instant::now());
        }
    }
}

impl Worker {
    /// Takes what other workers have told.
    pub fn hear(&self, now: Instant) {
        for (flight, fetched) in self.shared.inboxes[self.index].take() {
            self.exchange.borrow_mut().told(flight, fetched, now);
        }
        self.settle(now);
    }
}

impl Inlet for Worker {
    fn reply(&self, ticket: Option<Ticket>, message: &[u8], now: Instant) {
        let Some(ticket) = ticket else { return };
        self.exchange.borrow_mut().reply(ticket, message, now, self.transport());
    }

    fn trouble(&self, ticket: Ticket, trouble: Trouble, now: Instant) {
        self.exchange.borrow_mut().trouble(ticket, trouble, now, self.transport());
    }

    fn settle(&self, now: Instant) {
        settle(self, now);
        let due = self.due();
        let sooner = due.is_some_and(|due| self.armed.get().is_none_or(|armed| due < armed));
        if sooner {
            self.armed.set(due);
            self.rearm.notify_one();
        }
    }

    fn flush_soon(&self) {
        self.flush.notify_one();
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
