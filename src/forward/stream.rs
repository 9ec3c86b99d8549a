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
use tokio::time::timeout;

use super::{Inlet, Ticket, Trouble};
use crate::limits::{LOSS_AFTER, MESSAGE, TARGET_CONNECT, TARGET_STREAM_IDLE, TARGET_STREAM_OUTSTANDING};
use crate::wire::header::{HEADER, u16_at};

/// All TCP connections towards targets of one worker.
pub struct Streams {
    inlet: Weak<dyn Inlet>,
    open: RefCell<HashMap<SocketAddr, Rc<Stream>>>,
}

struct Stream {
    inlet: Weak<dyn Inlet>,
    pending: RefCell<HashMap<u16, Ticket>>,
    unsent: RefCell<Vec<u8>>,
    wake: Notify,
    /// It has carried a reply.
    proved: Cell<bool>,
    closed: Cell<bool>,
}

impl Streams {
    pub fn new(inlet: Weak<dyn Inlet>) -> Streams {
        Streams { inlet, open: RefCell::default() }
    }

    /// Sends `message` (its ID is set here) and files the ticket under it.
    pub fn ask(&self, target: SocketAddr, message: &mut [u8], ticket: Ticket) -> io::Result<()> {
        let stream = self.stream(target);
        let id =
            stream.file(ticket).ok_or_else(|| io::Error::other("too many questions outstanding over TCP"))?;
        message[..2].copy_from_slice(&id.to_be_bytes());
        let mut unsent = stream.unsent.borrow_mut();
        unsent.extend_from_slice(&(message.len() as u16).to_be_bytes());
        unsent.extend_from_slice(message);
        stream.wake.notify_one();
        Ok(())
    }

    fn stream(&self, target: SocketAddr) -> Rc<Stream> {
        let mut streams = self.open.borrow_mut();
        streams.retain(|_, stream| !stream.closed.get());
        let new = || {
            let stream = Rc::new(Stream {
                inlet: Weak::clone(&self.inlet),
                pending: RefCell::default(),
                unsent: RefCell::default(),
                wake: Notify::new(),
                proved: Cell::new(false),
                closed: Cell::new(false),
            });
            tokio::task::spawn_local(run(Rc::clone(&stream), target));
            stream
        };
        Rc::clone(streams.entry(target).or_insert_with(new))
    }
}

impl Stream {
    fn file(&self, ticket: Ticket) -> Option<u16> {
        let mut filed = self.pending.borrow_mut();
        if filed.len() >= TARGET_STREAM_OUTSTANDING {
            return None;
        }
        let mut id: u16 = rand::rng().random();
        while filed.contains_key(&id) {
            id = id.wrapping_add(1);
        }
        filed.insert(id, ticket);
        Some(id)
    }

    /// Ends the connection for those who wait, and for whoever would ask next.
    fn close(&self, why: &str) {
        self.closed.set(true);
        let failed = std::mem::take(&mut *self.pending.borrow_mut());
        let Some(inlet) = self.inlet.upgrade() else { return };
        let now = Instant::now();
        for ticket in failed.into_values() {
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
    let connected = timeout(TARGET_CONNECT, TcpStream::connect(target)).await;
    let why = match connected {
        Ok(Ok(socket)) => {
            // Questions are small and waited for; a failure to set it costs latency only.
            let _ = socket.set_nodelay(true);
            let (read, write) = socket.into_split();
            tokio::select! {
                why = receive(&stream, read) => why,
                why = send(&stream, write) => why,
            }
        }
        Ok(Err(error)) => format!("TCP: {error}"),
        Err(_) => "TCP: no connection in time".to_string(),
    };
    stream.close(&why);
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
        let waiting = !stream.pending.borrow().is_empty();
        let patience = if waiting { LOSS_AFTER } else { TARGET_STREAM_IDLE };
        match timeout(patience, read_message(&mut read, &mut message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return format!("TCP: {error}"),
            Err(_) if waiting || stream.pending.borrow().is_empty() => return "TCP: no answer".to_string(),
            Err(_) => continue,
        }
        if message.len() < HEADER {
            return "TCP: reply is shorter than a header".to_string();
        }
        let ticket = stream.pending.borrow_mut().remove(&u16_at(&message, 0));
        if ticket.is_some() {
            stream.proved.set(true);
        }
        let Some(inlet) = stream.inlet.upgrade() else { return "TCP: the worker is gone".to_string() };
        let now = Instant::now();
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
