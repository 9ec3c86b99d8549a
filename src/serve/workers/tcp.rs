//! Clients over TCP (RFC 7766): questions pipelined, answers as they come, in any order. Slow, silent and
//! half-open clients cost a seat for a bounded time and nothing else.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::forward::Inlet;
use crate::limits::{TCP_UNSENT, TCP_WAITING_PER_CONNECTION};
use crate::serve::counts::{Loss, Transport};
use crate::serve::miss::{Back, ReturnPath};
use crate::serve::worker::{Connections, Seat, Stop, Worker};
use crate::serve::{Client, Step, apart, miss, turn};
use crate::sys::Local;
use crate::wire::header::u16_at;

/// After a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Octets read at a time.
const READ: usize = 16 * 1024;

/// Accepts connections until told to stop. Those that are open then go on until their questions are answered.
pub async fn accept(listener: TcpListener, address: SocketAddr, worker: Rc<Worker>, stop: Stop) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.stopped() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match Connections::admit(&worker.shared, peer.ip()) {
                Some(seat) => {
                    let client =
                        Client { address: peer, transport: Transport::Tcp, listener: address, key: None };
                    tokio::task::spawn_local(serve(stream, client, Rc::clone(&worker), seat, stop.clone()));
                }
                None => worker.counts.lost(Loss::Connections, 1),
            },
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// What a connection's reader, its writer and its waiting questions share.
struct Connection {
    worker: Rc<Worker>,
    client: Client,
    unsent: RefCell<Vec<u8>>,
    /// Something to send, or the end.
    wake: Notify,
    /// Room for questions or answers again, or nothing left to wait for.
    room: Notify,
    /// The writer has taken what was unsent; for those who send many messages.
    taken: Notify,
    waiting: Cell<usize>,
    writing: Cell<bool>,
    broken: Cell<bool>,
}

async fn serve(stream: TcpStream, client: Client, worker: Rc<Worker>, seat: Seat, stop: Stop) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let connection = Rc::new(Connection {
        worker,
        client,
        unsent: RefCell::default(),
        wake: Notify::new(),
        room: Notify::new(),
        taken: Notify::new(),
        waiting: Cell::new(0),
        writing: Cell::new(false),
        broken: Cell::new(false),
    });
    let idle = connection.idle_timeout();
    let writer = tokio::task::spawn_local(send(Rc::clone(&connection), write, idle));
    tokio::select! {
        () = stop.stopped() => {}
        _ = Rc::clone(&connection).receive(read, idle) => {}
    }
    connection.finish_up().await;
    writer.abort();
    drop(seat);
}

impl Connection {
    fn idle_timeout(&self) -> Duration {
        self.worker.shared.snapshot.load().config.server.tcp_idle_timeout
    }

    /// Reads questions until the client ends, breaks the protocol, or keeps a message or the next one waiting
    /// for longer than the idle timeout.
    async fn receive(self: Rc<Self>, mut read: OwnedReadHalf, idle: Duration) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut patience = Instant::now() + idle;
        loop {
            self.wait_for_room().await;
            buffer.reserve(READ);
            let taken = match timeout_at(patience, read.read_buf(&mut buffer)).await {
                Ok(taken) => taken?,
                // Its own questions keep it open: they are answered within their deadline.
                Err(_) if self.waiting.get() > 0 => {
                    patience = Instant::now() + idle;
                    continue;
                }
                Err(_) => return Ok(()),
            };
            if taken == 0 || self.broken.get() {
                return Ok(());
            }
            let used = self.take_messages(&buffer)?;
            if used > 0 {
                buffer.drain(..used);
                patience = Instant::now() + idle;
            }
        }
    }

    /// Answers all whole messages in the buffer; gives how many octets they took.
    fn take_messages(self: &Rc<Self>, buffer: &[u8]) -> io::Result<usize> {
        let snapshot = self.worker.shared.snapshot.load_full();
        let now = snapshot.cache.now();
        let mut used = 0;
        while let Some(rest) = buffer.get(used + 2..) {
            let Some(message) = rest.get(..usize::from(u16_at(buffer, used))) else { break };
            used += 2 + message.len();
            let step = {
                let mut out = self.worker.scratch.borrow_mut();
                let step = turn(&self.worker.counts, &snapshot, message, &self.client, now, &mut out[..]);
                if let Step::Reply(len) | Step::ReplyAndRefresh(len) = step {
                    self.append(&out[..len]);
                }
                step
            };
            match step {
                // What is no query over TCP is no DNS client either.
                Step::Silence => return Err(io::ErrorKind::InvalidData.into()),
                Step::Reply(_) => {}
                Step::ReplyAndRefresh(_) => {
                    let now = std::time::Instant::now();
                    miss::refresh(&self.worker, &snapshot, message, &self.client, now);
                    self.worker.settle(now);
                }
                Step::Apart => {
                    self.waiting.set(self.waiting.get() + 1);
                    let path: Rc<dyn ReturnPath> = Rc::<Self>::clone(self);
                    let back = Back { client: self.client, local: None, path };
                    apart::begin(&self.worker, &snapshot, message, back, std::time::Instant::now());
                }
                Step::Later(rule) => {
                    self.waiting.set(self.waiting.get() + 1);
                    let path: Rc<dyn ReturnPath> = Rc::<Self>::clone(self);
                    let now = std::time::Instant::now();
                    let back = Back { client: self.client, local: None, path };
                    miss::begin(&self.worker, &snapshot, message, rule, back, now);
                    self.worker.settle(now);
                }
            }
        }
        if !self.unsent.borrow().is_empty() {
            self.wake.notify_one();
        }
        Ok(used)
    }

    /// Puts a message behind what is unsent, its length in front (RFC 1035 section 4.2.2).
    fn append(&self, message: &[u8]) {
        let mut unsent = self.unsent.borrow_mut();
        unsent.extend_from_slice(&(message.len() as u16).to_be_bytes());
        unsent.extend_from_slice(message);
    }

    /// A client with too many questions open, or too many answers unread, is not read from.
    async fn wait_for_room(&self) {
        while !self.broken.get()
            && (self.waiting.get() >= TCP_WAITING_PER_CONNECTION || self.unsent.borrow().len() >= TCP_UNSENT)
        {
            self.room.notified().await;
        }
    }

    /// Waits until all questions are answered and the answers sent, or can't be.
    async fn finish_up(&self) {
        let done = || {
            self.broken.get()
                || (self.waiting.get() == 0 && !self.writing.get() && self.unsent.borrow().is_empty())
        };
        while !done() {
            self.wake.notify_one();
            self.room.notified().await;
        }
    }
}

impl ReturnPath for Connection {
    fn answer(self: Rc<Self>, _: &Client, _: Option<Local>, write: &mut dyn FnMut(&mut [u8]) -> usize) {
        {
            let mut out = self.worker.scratch.borrow_mut();
            let len = write(&mut out[..]);
            self.append(&out[..len]);
        }
        self.wake.notify_one();
        self.waiting.set(self.waiting.get() - 1);
        self.room.notify_one();
    }

    /// The writer sends of its own accord.
    fn flush(&self) {}

    fn more(self: Rc<Self>, message: &[u8]) -> Pin<Box<dyn Future<Output = bool>>> {
        self.append(message);
        self.wake.notify_one();
        Box::pin(async move {
            while !self.broken.get() && self.unsent.borrow().len() >= TCP_UNSENT {
                self.taken.notified().await;
            }
            !self.broken.get()
        })
    }
}

/// Sends answers as they come, several in one write. A client that takes none for the idle timeout is gone.
async fn send(connection: Rc<Connection>, mut write: OwnedWriteHalf, idle: Duration) {
    // Changes places with what is unsent, so that neither is allocated anew.
    let mut unsent = Vec::new();
    loop {
        connection.wake.notified().await;
        unsent.clear();
        std::mem::swap(&mut unsent, &mut *connection.unsent.borrow_mut());
        if !unsent.is_empty() {
            connection.writing.set(true);
            let written = timeout(idle, write.write_all(&unsent)).await;
            connection.writing.set(false);
            if !matches!(written, Ok(Ok(()))) {
                connection.broken.set(true);
            }
        }
        connection.room.notify_one();
        connection.taken.notify_waiters();
        if connection.broken.get() {
            return;
        }
    }
}
