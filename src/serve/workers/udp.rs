//! Clients over UDP: datagrams in batches in, replies in batches out. A reply that is known at once leaves in
//! the same turn of the loop; the others leave together when their targets have answered.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Instant;

use smallvec::SmallVec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::forward::Inlet;
use crate::limits::{BATCH, BATCHES_PER_TURN};
use crate::serve::counts::{Loss, Transport};
use crate::serve::miss::{Back, ReturnPath};
use crate::serve::snapshot::Snapshot;
use crate::serve::worker::{Stop, Worker};
use crate::serve::{Asked, Client, Held, Opened, Step, apart, conclude, miss, open};
use crate::sys::{Batch, Local, wait_for_datagrams};
use crate::wire::query::Folded;

/// Datagrams of a batch, by index, with which something is left to do.
#[derive(Default)]
struct Left {
    /// Targets have to be asked, by a rule.
    later: SmallVec<[(usize, Option<u32>); BATCH]>,
    /// Answered, and worth asking anew.
    refresh: SmallVec<[usize; BATCH]>,
    /// Transfers, notices, updates, signed questions: few, if any.
    apart: Vec<usize>,
}

/// One address, over UDP, on one worker.
pub struct Listener {
    socket: AsyncFd<UdpSocket>,
    /// As it is configured.
    address: SocketAddr,
    worker: Rc<Worker>,
    incoming: RefCell<Batch>,
    outgoing: RefCell<Batch>,
    folded: RefCell<Box<[Folded; BATCH]>>,
    /// Questions that wait for targets.
    waiting: Cell<usize>,
    /// One of them is answered.
    answered: Notify,
    /// Late replies are in `outgoing`, and a task will send them.
    flushing: Cell<bool>,
}

impl Listener {
    pub fn new(socket: UdpSocket, address: SocketAddr, worker: Rc<Worker>) -> io::Result<Rc<Listener>> {
        Ok(Rc::new(Listener {
            socket: wait_for_datagrams(socket)?,
            address,
            worker,
            incoming: RefCell::default(),
            outgoing: RefCell::default(),
            folded: RefCell::new(Box::new(std::array::from_fn(|_| Folded::default()))),
            waiting: Cell::new(0),
            answered: Notify::new(),
            flushing: Cell::new(false),
        }))
    }

    /// Serves until told to stop. Should a question bring a turn to panic, the others still get their answers:
    /// a listener that is silently gone would be worse than any one question.
    pub async fn live(self: Rc<Self>, stop: Stop) {
        while let Err(error) = tokio::task::spawn_local(Rc::clone(&self).run(stop.clone())).await {
            tracing::error!("a listener stumbled and goes on: {error}");
        }
    }

    /// Serves until told to stop, and then until what has arrived is answered: as long as the socket is open,
    /// questions may come in, and each gets its answer.
    async fn run(self: Rc<Self>, stop: Stop) {
        while !stop.is_stopped() {
            tokio::select! {
                biased;
                () = stop.stopped() => break,
                ready = self.socket.readable() => {
                    if ready.is_err() {
                        break;
                    }
                }
            }
            if self.serve_turn() {
                // Targets' replies and waiting clients get their turn, however many questions keep coming.
                tokio::task::yield_now().await;
            }
        }
        while self.serve_batch() > 0 || self.waiting.get() > 0 {
            if self.waiting.get() > 0 {
                tokio::select! {
                    () = self.answered.notified() => {}
                    _ = self.socket.readable() => {}
                }
            }
        }
    }

    /// Takes what has arrived, up to some batches; says whether there may be more.
    fn serve_turn(self: &Rc<Self>) -> bool {
        (0..BATCHES_PER_TURN).all(|_| self.serve_batch() == BATCH)
    }

    /// Takes one batch and answers what can be answered; gives how many datagrams there were.
    fn serve_batch(self: &Rc<Self>) -> usize {
        let mut incoming = self.incoming.borrow_mut();
        let count = self.receive(&mut incoming);
        if count == 0 {
            return 0;
        }
        let incoming = &*incoming;
        let snapshot = self.worker.shared.snapshot.load_full();
        let left = self.answer_batch(&snapshot, incoming, count);
        if !left.later.is_empty() || !left.refresh.is_empty() || !left.apart.is_empty() {
            self.begin(&snapshot, incoming, &left);
        }
        count
    }

    /// Answers what can be answered at once; gives the others. Questions for the cache are looked up together,
    /// so that memory for one is fetched while the others are worked on.
    fn answer_batch(&self, snapshot: &Snapshot, incoming: &Batch, count: usize) -> Left {
        let (counts, now) = (&self.worker.counts, snapshot.cache.now());
        let mut outgoing = self.outgoing.borrow_mut();
        let mut folded = self.folded.borrow_mut();
        let mut asked: SmallVec<[(usize, Asked<'_>); BATCH]> = SmallVec::new();
        let mut left = Left::default();
        let mut take = |step, index, outgoing: &mut Batch| match step {
            Step::Silence => {}
            Step::Reply(len) => outgoing.push(len, incoming.peer(index), incoming.local(index)),
            Step::ReplyAndRefresh(len) => {
                outgoing.push(len, incoming.peer(index), incoming.local(index));
                left.refresh.push(index);
            }
            Step::Later(rule) => left.later.push((index, rule)),
            Step::Apart => left.apart.push(index),
        };
        for (index, folded) in (0..count).zip(folded.iter_mut()) {
            let Some(address) = incoming.peer(index) else { continue };
            let Some(packet) = incoming.datagram(index) else {
                counts.lost(Loss::Oversized, 1);
                continue;
            };
            let client = self.client(address);
            match open(counts, snapshot, packet, &client, now, folded, self.room(&mut outgoing)) {
                Opened::Done(step) => take(step, index, &mut outgoing),
                Opened::Asked(question) => {
                    snapshot.cache.fetch_bucket(question.hash);
                    asked.push((index, question));
                }
            }
        }
        for (_, question) in &asked {
            snapshot.cache.fetch_entry(question.hash);
        }
        for (index, question) in &asked {
            // Its address was read before.
            let client = || self.client(incoming.peer(*index).unwrap_or(self.address));
            let step = conclude(counts, snapshot, question, client, now, self.room(&mut outgoing));
            take(step, *index, &mut outgoing);
        }
        self.send(&mut outgoing);
        left
    }

    /// Room for one more reply.
    fn room<'a>(&self, outgoing: &'a mut Batch) -> &'a mut [u8] {
        if outgoing.is_full() {
            self.send(outgoing);
        }
        outgoing.room()
    }

    /// Receives one batch without waiting, 0 datagrams if there are none. One that is not full has emptied the
    /// socket, so the runtime is told at once to wait for the kernel's next word: that saves a call that only
    /// says so. An error on an unconnected socket is about an earlier reply: whoever was to get it is gone.
    fn receive(&self, incoming: &mut Batch) -> usize {
        let mut received = 0;
        let _ = self.socket.try_io(Interest::READABLE, |socket| {
            received = incoming.receive(socket.as_raw_fd())?;
            if received < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        received
    }

    fn begin(self: &Rc<Self>, snapshot: &Held, incoming: &Batch, left: &Left) {
        let now = Instant::now();
        for &index in &left.refresh {
            if let (Some(address), Some(packet)) = (incoming.peer(index), incoming.datagram(index)) {
                miss::refresh(&self.worker, snapshot, packet, &self.client(address), now);
            }
        }
        for &(index, rule) in &left.later {
            let (Some(address), Some(packet)) = (incoming.peer(index), incoming.datagram(index)) else {
                continue;
            };
            miss::begin(&self.worker, snapshot, packet, rule, self.back(address, incoming.local(index)), now);
        }
        for &index in &left.apart {
            let (Some(address), Some(packet)) = (incoming.peer(index), incoming.datagram(index)) else {
                continue;
            };
            apart::begin(&self.worker, snapshot, packet, self.back(address, incoming.local(index)), now);
        }
        self.worker.settle(now);
    }

    fn client(&self, address: SocketAddr) -> Client {
        Client { address, transport: Transport::Udp, listener: self.address, key: None }
    }

    /// The way back to one who waits.
    fn back(self: &Rc<Self>, address: SocketAddr, local: Option<Local>) -> Back {
        self.waiting.set(self.waiting.get() + 1);
        Back { client: self.client(address), local, path: Rc::<Self>::clone(self) }
    }

    fn send(&self, outgoing: &mut Batch) {
        if outgoing.is_empty() {
            return;
        }
        if let Err((count, error)) = outgoing.send(self.socket.as_raw_fd()) {
            self.worker.counts.lost(Loss::Unsent, count as u64);
            tracing::debug!("replies could not be sent: {error}");
        }
    }
}

impl ReturnPath for Listener {
    /// Puts a late reply with those that leave together at the end of this turn of the worker.
    fn answer(
        self: Rc<Self>,
        client: &Client,
        local: Option<Local>,
        write: &mut dyn FnMut(&mut [u8]) -> usize,
    ) {
        {
            let mut outgoing = self.outgoing.borrow_mut();
            let len = write(self.room(&mut outgoing));
            outgoing.push(len, Some(client.address), local);
        }
        self.waiting.set(self.waiting.get() - 1);
        self.answered.notify_one();
        if !self.flushing.replace(true) {
            self.worker.flush_later(Rc::<Self>::clone(&self));
        }
    }

    fn flush(&self) {
        self.flushing.set(false);
        self.send(&mut self.outgoing.borrow_mut());
    }
}
