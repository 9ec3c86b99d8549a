//! Questions to targets over TCP: one connection for each target and worker, pipelined (RFC 7766 section
//! 6.2.1), made when needed and closed when idle. Used where a reply was truncated or suspicious.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Instant;

use rand::RngExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};

use super::{Inlet, Ticket, Trouble};
use crate::limits::{
    LOSS_AFTER, MESSAGE, QUERY_DEADLINE, TARGET_CONNECT, TARGET_STREAM_IDLE, TARGET_STREAM_OUTSTANDING,
};
use crate::wire::header::{HEADER, u16_at};

/// All TCP connections towards targets of one worker.
pub struct Streams {
    inlet: Weak<dyn Inlet>,
    open: RefCell<HashMap<SocketAddr, Rc<Stream>>>,
}

struct Stream {
    inlet: Weak<dyn Inlet>,
    pending: RefCell<HashMap<u16, (Ticket, Instant)>>,
    unsent: RefCell<Vec<u8>>,
    /// There is something to send.
    wake: Notify,
    /// The first question in a while was filed.
    filed: Notify,
    /// When it last carried a reply, or a question while no other waited.
    moved: Cell<Instant>,
    /// It has carried a reply.
    proved: Cell<bool>,
    /// It takes no more questions.
    retired: Cell<bool>,
}

impl Streams {
    pub fn new(inlet: Weak<dyn Inlet>) -> Streams {
        Streams { inlet, open: RefCell::default() }
    }

    /// Sends `message` (its ID is set here) and files the ticket under it.
    pub fn ask(
        &self,
        target: SocketAddr,
        message: &mut [u8],
        ticket: Ticket,
        now: Instant,
    ) -> io::Result<()> {
        let stream = self.stream(target);
        let id = stream
            .file(ticket, now)
            .ok_or_else(|| io::Error::other("too many questions outstanding over TCP"))?;
        message[..2].copy_from_slice(&id.to_be_bytes());
        let mut unsent = stream.unsent.borrow_mut();
        unsent.extend_from_slice(&(message.len() as u16).to_be_bytes());
        unsent.extend_from_slice(message);
        stream.wake.notify_one();
        Ok(())
    }

    fn stream(&self, target: SocketAddr) -> Rc<Stream> {
        let mut streams = self.open.borrow_mut();
        streams.retain(|_, stream| !stream.retired.get());
        let new = || {
            let stream = Rc::new(Stream {
                inlet: Weak::clone(&self.inlet),
                pending: RefCell::default(),
                unsent: RefCell::default(),
                wake: Notify::new(),
                filed: Notify::new(),
                moved: Cell::new(Instant::now()),
                proved: Cell::new(false),
                retired: Cell::new(false),
            });
            tokio::task::spawn_local(run(Rc::clone(&stream), target));
            stream
        };
        Rc::clone(streams.entry(target).or_insert_with(new))
    }
}

impl Stream {
    fn file(&self, ticket: Ticket, now: Instant) -> Option<u16> {
        let mut filed = self.pending.borrow_mut();
        if filed.len() >= TARGET_STREAM_OUTSTANDING {
            return None;
        }
        if filed.is_empty() {
            self.moved.set(now);
            self.filed.notify_one();
        }
        let mut id: u16 = rand::rng().random();
        while filed.contains_key(&id) {
            id = id.wrapping_add(1);
        }
        filed.insert(id, (ticket, now));
        Some(id)
    }

    /// The ticket that a message's ID stands for.
    fn take(&self, id: u16, now: Instant) -> Option<Ticket> {
        let (ticket, _) = self.pending.borrow_mut().remove(&id)?;
        self.proved.set(true);
        self.moved.set(now);
        Some(ticket)
    }

    /// What the time alone asks for: frees IDs that nobody waits for any more, and lets whoever would ask next have
    /// a new connection once this one is silent for as long as a question may be. What waits here may still be
    /// answered: it is waited for until its clients' deadline. Gives when to look again, or why it is over.
    fn look(&self, now: Instant) -> Result<Instant, &'static str> {
        let quiet = now.saturating_duration_since(self.moved.get());
        let mut filed = self.pending.borrow_mut();
        let waited = !filed.is_empty();
        filed.retain(|_, (_, sent)| now.saturating_duration_since(*sent) < QUERY_DEADLINE);
        let Some(first) = filed.values().map(|(_, sent)| *sent + QUERY_DEADLINE).min() else {
            let over = self.retired.get() || quiet >= TARGET_STREAM_IDLE;
            return match (over, waited) {
                (true, true) => Err("TCP: no answer"),
                (true, false) => Err("TCP: idle"),
                (false, _) => Ok(self.moved.get() + TARGET_STREAM_IDLE),
            };
        };
        if quiet >= LOSS_AFTER {
            self.retired.set(true);
            return Ok(first);
        }
        Ok(first.min(self.moved.get() + LOSS_AFTER))
    }

    /// Ends the connection for those who wait, and for whoever would ask next.
    fn close(&self, why: &str) {
        self.retired.set(true);
        let failed = std::mem::take(&mut *self.pending.borrow_mut());
        let Some(inlet) = self.inlet.upgrade() else { return };
        let now = Instant::now();
        for (ticket, _) in failed.into_values() {
            let trouble = match self.proved.get() {
                true => Trouble::ConnectionLost,
                false => Trouble::Unreachable(why.to_string()),
            };
            inlet.trouble(ticket, trouble, now);
        }
        inlet.settle(now);
    }
}

async fn run(stream: Rc<Stream>, target: SocketAddr) {
    let why = tokio::select! {
        why = carry(&stream, target) => why,
        why = watch(&stream) => why,
    };
    stream.close(&why);
}

async fn carry(stream: &Stream, target: SocketAddr) -> String {
    let socket = match timeout(TARGET_CONNECT, TcpStream::connect(target)).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return format!("TCP: {error}"),
        Err(_) => return "TCP: no connection in time".to_string(),
    };
    // Questions are small and waited for; a failure to set it costs latency only.
    let _ = socket.set_nodelay(true);
    let (read, write) = socket.into_split();
    tokio::select! {
        why = receive(stream, read) => why,
        why = send(stream, write) => why,
    }
}

/// Ends when the connection is over for the time that passed.
async fn watch(stream: &Stream) -> String {
    loop {
        match stream.look(Instant::now()) {
            Err(why) => return why.to_string(),
            Ok(next) => tokio::select! {
                () = sleep_until(next.into()) => {}
                () = stream.filed.notified() => {}
            },
        }
    }
}

async fn send(stream: &Stream, mut write: OwnedWriteHalf) -> String {
    loop {
        let unsent = std::mem::take(&mut *stream.unsent.borrow_mut());
        if unsent.is_empty() {
            stream.wake.notified().await;
            continue;
        }
        match timeout(LOSS_AFTER, write.write_all(&unsent)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return format!("TCP: {error}"),
            Err(_) => return "TCP: it does not read".to_string(),
        }
    }
}

async fn receive(stream: &Stream, mut read: OwnedReadHalf) -> String {
    let mut message = Vec::new();
    loop {
        if let Err(error) = read_message(&mut read, &mut message).await {
            return format!("TCP: {error}");
        }
        if message.len() < HEADER {
            return "TCP: reply is shorter than a header".to_string();
        }
        let now = Instant::now();
        let ticket = stream.take(u16_at(&message, 0), now);
        let Some(inlet) = stream.inlet.upgrade() else { return "TCP: the worker is gone".to_string() };
        inlet.reply(ticket, &message, now);
        inlet.settle(now);
    }
}

async fn read_message(read: &mut OwnedReadHalf, message: &mut Vec<u8>) -> io::Result<()> {
    let len = usize::from(read.read_u16().await?);
    debug_assert!(len <= MESSAGE);
    message.resize(len, 0);
    read.read_exact(message).await?;
    Ok(())
}
