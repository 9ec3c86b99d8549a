//! The life of a worker's thread: it starts, takes orders from the control side, drains and ends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc as async_mpsc;
use tokio::task::LocalSet;

use crate::forward::Transport;
use crate::forward::network::Network;
use crate::limits::DRAIN;
use crate::serve::counts::WorkerCounts;
use crate::serve::listen::Sockets;
use crate::serve::worker::{Shared, Stop, Worker};
use crate::serve::{tcp, udp};

/// What the control side tells a worker.
pub enum Order {
    /// Serve these too.
    Listen(Sockets),
    /// Stop serving an address; what has arrived is still answered. `done` is dropped when that is so.
    Close { address: SocketAddr, done: mpsc::Sender<()> },
    /// Stop serving at all, wait for what is in flight, end.
    Drain,
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
    let counts = Arc::new(WorkerCounts::new(index));
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
    let network = |inlet| -> Box<dyn Transport> { Box::new(Network::new(inlet)) };
    let worker = Worker::new(index, shared, counts, rand::make_rng(), Instant::now(), network);
    keep_up("flush", &worker, Worker::run_flush);
    keep_up("clock", &worker, Worker::run_clock);
    keep_up("inbox", &worker, Worker::run_inbox);
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
    for listener in listeners.values() {
        listener.stop.stop();
    }
    let end = async {
        for (_, listener) in listeners.drain() {
            close(listener).await;
        }
        worker.drained().await;
    };
    // Beyond this somebody waits for an answer that nobody can give any more.
    let _ = tokio::time::timeout(DRAIN, end).await;
    // The last replies leave with the listeners' own tasks; one turn of the loop lets them.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn listen(worker: &Rc<Worker>, sockets: Sockets) -> std::io::Result<Listener> {
    let stop = Stop::default();
    let datagrams = udp::Listener::new(sockets.udp, sockets.address, Rc::clone(worker))?;
    let streams = tokio::net::TcpListener::from_std(sockets.tcp)?;
    let tasks = vec![
        tokio::task::spawn_local(datagrams.live(stop.clone())),
        tokio::task::spawn_local(tcp::accept(streams, sockets.address, Rc::clone(worker), stop.clone())),
    ];
    Ok(Listener { stop, tasks })
}

async fn close(listener: Listener) {
    listener.stop.stop();
    for task in listener.tasks {
        // A listener that panicked is closed as well.
        let _ = task.await;
    }
}

/// Runs one of the worker's own tasks. Should a question bring it to panic, it is started again: a worker
/// without a clock would be worse than any one question.
fn keep_up<F: Future<Output = ()> + 'static>(
    name: &'static str,
    worker: &Rc<Worker>,
    task: impl Fn(Rc<Worker>) -> F + 'static,
) {
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        while let Err(error) = tokio::task::spawn_local(task(Rc::clone(&worker))).await {
            tracing::error!("a worker's {name} stumbled and goes on: {error}");
        }
    });
}

/// Shows the watchdog that this thread turns.
async fn beat(worker: Rc<Worker>) {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tick.tick().await;
        crate::serve::counts::bump(&worker.counts.beats);
    }
}
