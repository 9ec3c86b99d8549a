//! One thread with a runtime, sockets and numbers of its own. What workers share is the snapshot, the cache,
//! the questions in flight and what is known of targets.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc as async_mpsc};
use tokio::task::LocalSet;

use super::counts::WorkerCounts;
use super::listen::Sockets;
use super::snapshot::Snapshot;
use super::{tcp, udp};
use crate::forward::Exchanger;
use crate::forward::coalesce::InFlight;
use crate::limits::{DRAIN, MESSAGE, WAITING_PER_WORKER};

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
    async fn drained(&self) {
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

/// What the control side tells a worker.
pub enum Order {
    /// Serve these too.
    Listen(Sockets),
    /// Stop serving an address; what has arrived is still answered. `done` is dropped when that is so.
    Close { address: SocketAddr, done: mpsc::Sender<()> },
    /// Stop serving at all, wait for what is in flight, end.
    Drain,
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

/// A worker, as the control side sees it.
pub struct Handle {
    pub orders: async_mpsc::UnboundedSender<Order>,
    pub counts: Arc<WorkerCounts>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Waits for the worker's end.
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A worker that panicked has said so on its own.
            let _ = thread.join();
        }
    }
}

/// Starts a worker's thread.
pub fn start(index: usize, shared: Arc<Shared>) -> std::io::Result<Handle> {
    let (orders, receiver) = async_mpsc::unbounded_channel();
    let counts = Arc::new(WorkerCounts::default());
    let own_counts = Arc::clone(&counts);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        let local = LocalSet::new();
        local.block_on(&runtime, live(index, shared, own_counts, receiver));
    };
    let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(run)?;
    Ok(Handle { orders, counts, thread: Some(thread) })
}

struct Listener {
    stop: Stop,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

async fn live(
    index: usize,
    shared: Arc<Shared>,
    counts: Arc<WorkerCounts>,
    mut orders: async_mpsc::UnboundedReceiver<Order>,
) {
    let worker = Rc::new(Worker {
        index,
        shared,
        exchanger: Exchanger::default(),
        counts,
        scratch: RefCell::new(vec![0; MESSAGE].into_boxed_slice()),
        waiting: Cell::new(0),
        idle: Notify::new(),
    });
    tokio::task::spawn_local(Rc::clone(&worker.exchanger.datagrams).run_flush());
    tokio::task::spawn_local(Rc::clone(&worker.exchanger.datagrams).run_sweep());
    tokio::task::spawn_local(beat(Rc::clone(&worker)));
    let mut listeners: HashMap<SocketAddr, Listener> = HashMap::new();
    loop {
        match orders.recv().await {
            Some(Order::Listen(sockets)) => {
                let address = sockets.address;
                match listen(&worker, sockets) {
                    Ok(listener) => {
                        listeners.insert(address, listener);
                    }
                    Err(error) => tracing::error!(%address, "a worker can't serve a listener: {error}"),
                }
            }
            Some(Order::Close { address, done }) => {
                if let Some(listener) = listeners.remove(&address) {
                    tokio::task::spawn_local(async move {
                        close(listener).await;
                        drop(done);
                    });
                }
            }
            Some(Order::Drain) | None => break,
        }
    }
    for (_, listener) in listeners.drain() {
        close(listener).await;
    }
    // Beyond this somebody waits for an answer that nobody can give any more.
    let _ = tokio::time::timeout(DRAIN, worker.drained()).await;
    // The last replies leave with the listeners' own tasks; one turn of the loop lets them.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn listen(worker: &Rc<Worker>, sockets: Sockets) -> std::io::Result<Listener> {
    let stop = Stop::default();
    let datagrams = udp::Listener::new(sockets.udp, Rc::clone(worker))?;
    let streams = tokio::net::TcpListener::from_std(sockets.tcp)?;
    let tasks = vec![
        tokio::task::spawn_local(Rc::clone(&datagrams).run(stop.clone())),
        tokio::task::spawn_local(tcp::accept(streams, Rc::clone(worker), stop.clone())),
    ];
    tokio::task::spawn_local(datagrams.run_flush());
    Ok(Listener { stop, tasks })
}

async fn close(listener: Listener) {
    listener.stop.stop();
    for task in listener.tasks {
        // A listener that panicked is closed as well.
        let _ = task.await;
    }
}

/// Shows the watchdog that this thread turns.
async fn beat(worker: Rc<Worker>) {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tick.tick().await;
        super::counts::bump(&worker.counts.beats);
    }
}
