//! Questions to targets over UDP: a few connected sockets for each target, each on a random port, replaced
//! now and then. Connected, so that the kernel drops what comes from elsewhere and hands us ICMP errors at once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Instant;

use rand::RngExt;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::flight::Pending;
use crate::limits::{
    BATCH, LOSS_AFTER, OUTSTANDING_PER_PORT, PORT_LIFE, PORTS_PER_TARGET, QUESTIONS_PER_PORT, RECEIVE_BUFFER,
};
use crate::sys::Batch;
use crate::wire::header::{HEADER, u16_at};
use crate::wire::reply::Reply;

/// What a socket is waited for: datagrams, and ICMP errors, which come without any.
const READY: Interest = Interest::READABLE.add(Interest::ERROR);

/// All UDP sockets towards targets of one worker.
#[derive(Default)]
pub struct Datagrams {
    ports: RefCell<HashMap<SocketAddr, Vec<Rc<Port>>>>,
    /// Sockets that have questions to send; flushed once the worker's present turn is done.
    dirty: RefCell<Vec<Rc<Port>>>,
    flush: tokio::sync::Notify,
    batch: RefCell<Batch>,
    scratch: RefCell<Reply>,
    /// Replies whose ID no question of ours has: late beyond all bounds, or forged.
    pub strays: Cell<u64>,
}

struct Port {
    socket: UdpSocket,
    opened: Instant,
    asked: Cell<u32>,
    pending: RefCell<HashMap<u16, Pending>>,
    /// Questions that wait for the flush: each two octets of length, then the message.
    unsent: RefCell<Vec<u8>>,
    retired: Cell<bool>,
}

impl Datagrams {
    /// Sends `message` (its ID is set here) and files `pending` under it.
    pub fn ask(self: &Rc<Self>, message: &mut [u8], pending: Pending) -> io::Result<()> {
        let port = self.port(pending.address())?;
        let id = port.file(pending).ok_or_else(|| io::Error::other("too many questions outstanding"))?;
        message[..2].copy_from_slice(&id.to_be_bytes());
        let mut unsent = port.unsent.borrow_mut();
        if unsent.is_empty() {
            self.dirty.borrow_mut().push(Rc::clone(&port));
            self.flush.notify_one();
        }
        unsent.extend_from_slice(&(message.len() as u16).to_be_bytes());
        unsent.extend_from_slice(message);
        Ok(())
    }

    /// Sends what was asked, batch by batch, until the worker ends.
    pub async fn run_flush(self: Rc<Self>) {
        loop {
            self.flush.notified().await;
            let dirty = std::mem::take(&mut *self.dirty.borrow_mut());
            for port in dirty {
                self.send(&port);
            }
        }
    }

    /// Ends the wait for questions that no reply came to, until the worker ends.
    pub async fn run_sweep(self: Rc<Self>) {
        let mut tick = tokio::time::interval(LOSS_AFTER / 10);
        loop {
            tick.tick().await;
            self.sweep(Instant::now());
        }
    }

    fn sweep(&self, now: Instant) {
        let mut ports = self.ports.borrow_mut();
        for list in ports.values_mut() {
            for port in list.iter() {
                port.sweep(now);
            }
            list.retain(|port| !(port.is_spent(now) && port.pending.borrow().is_empty() && port.retire()));
        }
        ports.retain(|_, list| !list.is_empty());
    }

    fn send(&self, port: &Port) {
        let unsent = std::mem::take(&mut *port.unsent.borrow_mut());
        let socket = port.socket.as_raw_fd();
        let mut batch = self.batch.borrow_mut();
        let mut rest = unsent.as_slice();
        while rest.len() > 2 {
            let (message, behind) = rest[2..].split_at(usize::from(u16_at(rest, 0)));
            batch.room()[..message.len()].copy_from_slice(message);
            batch.push(message.len(), None, None);
            rest = behind;
            if batch.is_full() || rest.is_empty() {
                // An error here is an earlier ICMP message, or a route that is gone: it concerns all of the port.
                if let Err((_, error)) = batch.send(socket) {
                    port.fail_all(&describe(&error));
                }
            }
        }
        *port.unsent.borrow_mut() = unsent;
        port.unsent.borrow_mut().clear();
    }

    /// A socket towards `target`, drawn by chance from the few that are open.
    fn port(self: &Rc<Self>, target: SocketAddr) -> io::Result<Rc<Port>> {
        let mut ports = self.ports.borrow_mut();
        let list = ports.entry(target).or_default();
        let index = rand::rng().random_range(0..PORTS_PER_TARGET);
        let now = Instant::now();
        match list.get(index) {
            Some(port) if !port.is_spent(now) => Ok(Rc::clone(port)),
            Some(_) => {
                let fresh = self.open(target)?;
                // The old one goes on listening for its replies, behind the ones that are drawn from.
                let old = std::mem::replace(&mut list[index], Rc::clone(&fresh));
                list.push(old);
                Ok(fresh)
            }
            None => {
                let fresh = self.open(target)?;
                list.push(Rc::clone(&fresh));
                Ok(fresh)
            }
        }
    }

    fn open(self: &Rc<Self>, target: SocketAddr) -> io::Result<Rc<Port>> {
        let socket = UdpSocket::from_std(connected(target)?)?;
        let port = Rc::new(Port {
            socket,
            opened: Instant::now(),
            asked: Cell::new(0),
            pending: RefCell::default(),
            unsent: RefCell::default(),
            retired: Cell::new(false),
        });
        tokio::task::spawn_local(Rc::clone(self).listen(Rc::clone(&port)));
        Ok(port)
    }

    /// Takes replies until the port is retired.
    async fn listen(self: Rc<Self>, port: Rc<Port>) {
        loop {
            let ready = tokio::time::timeout(LOSS_AFTER, port.socket.ready(READY)).await;
            if port.retired.get() {
                return;
            }
            // The runtime tries one interest at a time.
            let interest = match ready {
                Ok(Ok(ready)) if ready.is_error() => Interest::ERROR,
                Ok(_) => Interest::READABLE,
                Err(_) => continue,
            };
            self.receive(&port, interest);
            tokio::task::yield_now().await;
        }
    }

    /// Takes one batch of replies.
    fn receive(&self, port: &Port, interest: Interest) {
        let mut batch = self.batch.borrow_mut();
        let received = receive_batch(&port.socket, interest, &mut batch);
        match received {
            Ok(count) => {
                let mut scratch = self.scratch.borrow_mut();
                for index in 0..count {
                    self.take(port, batch.datagram(index), &mut scratch);
                }
            }
            Err(error) => port.fail_all(&describe(&error)),
        }
    }

    fn take(&self, port: &Port, datagram: Option<&[u8]>, scratch: &mut Reply) {
        let pending = match datagram {
            Some(message) if message.len() >= HEADER => port.pending.borrow_mut().remove(&u16_at(message, 0)),
            _ => None,
        };
        match (pending, datagram) {
            (Some(pending), Some(message)) => pending.reply(message, scratch),
            _ => self.strays.set(self.strays.get() + 1),
        }
    }
}

impl Port {
    /// Files a question under a random ID that is not in use on this socket.
    fn file(&self, pending: Pending) -> Option<u16> {
        let mut filed = self.pending.borrow_mut();
        if filed.len() >= OUTSTANDING_PER_PORT {
            return None;
        }
        self.asked.set(self.asked.get() + 1);
        loop {
            // Half of all IDs are free, so this ends soon.
            let id = rand::rng().random();
            if let Entry::Vacant(place) = filed.entry(id) {
                place.insert(pending);
                return Some(id);
            }
        }
    }

    fn is_spent(&self, now: Instant) -> bool {
        self.asked.get() >= QUESTIONS_PER_PORT || now.saturating_duration_since(self.opened) >= PORT_LIFE
    }

    fn retire(&self) -> bool {
        self.retired.set(true);
        true
    }

    fn sweep(&self, now: Instant) {
        let lost: Vec<Pending> = {
            let mut filed = self.pending.borrow_mut();
            let old = |pending: &Pending| now.saturating_duration_since(pending.sent) >= LOSS_AFTER;
            filed.extract_if(|_, pending| old(pending)).map(|(_, pending)| pending).collect()
        };
        for pending in lost {
            pending.lost();
        }
    }

    fn fail_all(&self, why: &str) {
        let failed = std::mem::take(&mut *self.pending.borrow_mut());
        for pending in failed.into_values() {
            pending.unreachable(why);
        }
    }
}

/// What the kernel said, in an operator's words.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there (ICMP port unreachable)".to_string(),
        _ => error.to_string(),
    }
}

/// Receives one batch without waiting, 0 datagrams if there are none. A batch that is not full has emptied the
/// socket, so the runtime is told at once to wait for the kernel's next word: that saves a call that only
/// says so.
pub fn receive_batch(socket: &UdpSocket, interest: Interest, batch: &mut Batch) -> io::Result<usize> {
    let mut received = 0;
    let result = socket.try_io(interest, || {
        received = batch.receive(socket.as_raw_fd())?;
        if received < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match result {
        Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Err(error)
        }
        _ => Ok(received),
    }
}

/// A socket that hears only `target`, on a port that the kernel draws at random.
pub fn connected(target: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(target)?;
    socket.set_nonblocking(true)?;
    // What the system grants less than asked for still works.
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
    Ok(socket)
}
