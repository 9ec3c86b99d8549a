//! Clients over UDP: datagrams in batches in, replies in batches out. A reply that is known at once leaves in
//! the same turn of the loop; the others leave together when their targets have answered.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use super::counts::{Loss, Transport};
use super::worker::{Stop, Worker};
use super::{Client, Held, Step, miss, turn};
use crate::forward::datagram::receive_batch;
use crate::limits::{BATCH, BATCHES_PER_TURN, DATAGRAM};
use crate::sys::{Batch, Local};

/// One address, over UDP, on one worker.
pub struct Listener {
    socket: UdpSocket,
    worker: Rc<Worker>,
    incoming: RefCell<Batch>,
    outgoing: RefCell<Batch>,
    /// Questions that wait for targets.
    waiting: Cell<usize>,
    /// One of them is answered.
    answered: Notify,
    /// Late replies are in `outgoing`, and a task will send them.
    flushing: Cell<bool>,
}

impl Listener {
    pub fn new(socket: std::net::UdpSocket, worker: Rc<Worker>) -> io::Result<Rc<Listener>> {
        Ok(Rc::new(Listener {
            socket: UdpSocket::from_std(socket)?,
            worker,
            incoming: RefCell::default(),
            outgoing: RefCell::default(),
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
            for _ in 0..BATCHES_PER_TURN {
                if self.serve_batch() < BATCH {
                    break;
                }
            }
            // Targets' replies and waiting clients get their turn, however many questions keep coming.
            tokio::task::yield_now().await;
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

    /// Takes one batch and answers what can be answered; gives how many datagrams there were.
    fn serve_batch(self: &Rc<Self>) -> usize {
        let mut incoming = self.incoming.borrow_mut();
        // An error on an unconnected socket is about an earlier reply: whoever was to get it is gone.
        let count = receive_batch(&self.socket, Interest::READABLE, &mut incoming).unwrap_or(0);
        if count == 0 {
            return 0;
        }
        let snapshot = self.worker.shared.snapshot.load_full();
        let now = snapshot.cache.now();
        let mut outgoing = self.outgoing.borrow_mut();
        for index in 0..count {
            let Some(peer) = incoming.peer(index) else { continue };
            let Some(packet) = incoming.datagram(index) else {
                self.worker.counts.lost(Loss::Oversized, 1);
                continue;
            };
            let client = Client { address: peer, transport: Transport::Udp };
            if outgoing.is_full() {
                self.send(&mut outgoing);
            }
            match turn(&self.worker, &snapshot, packet, &client, now, outgoing.room()) {
                Step::Silence => {}
                Step::Reply(len) => outgoing.push(len, Some(peer), incoming.local(index)),
                Step::Later => self.later(&snapshot, packet, client, incoming.local(index)),
            }
        }
        self.send(&mut outgoing);
        count
    }

    fn later(self: &Rc<Self>, snapshot: &Held, packet: &[u8], client: Client, local: Option<Local>) {
        let (this, snapshot, packet) = (Rc::clone(self), Arc::clone(snapshot), packet.to_vec());
        self.waiting.set(self.waiting.get() + 1);
        tokio::task::spawn_local(async move {
            let reply = miss::finish(&this.worker, &snapshot, &packet, &client).await;
            this.push(&reply, client.address, local);
            this.waiting.set(this.waiting.get() - 1);
            this.answered.notify_one();
        });
    }

    /// Puts a late reply with those that leave together at the end of this turn of the worker.
    fn push(self: &Rc<Self>, reply: &[u8], peer: SocketAddr, local: Option<Local>) {
        if reply.is_empty() || reply.len() > DATAGRAM {
            return;
        }
        let mut outgoing = self.outgoing.borrow_mut();
        if outgoing.is_full() {
            self.send(&mut outgoing);
        }
        outgoing.room()[..reply.len()].copy_from_slice(reply);
        outgoing.push(reply.len(), Some(peer), local);
        if !self.flushing.replace(true) {
            tokio::task::spawn_local(Rc::clone(self).flush());
        }
    }

    async fn flush(self: Rc<Self>) {
        self.flushing.set(false);
        self.send(&mut self.outgoing.borrow_mut());
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
