//! Questions to targets over UDP: a few connected sockets for each target, each on a random port, replaced
//! now and then. Connected, so that the kernel drops what comes from elsewhere and hands us ICMP errors at once.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use rand::RngExt;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use super::{Inlet, Ticket, Trouble};
use crate::limits::{
    BATCH, OUTSTANDING_PER_PORT, PORT_LIFE, PORTS_PER_TARGET, QUERY_DEADLINE, QUESTIONS_PER_PORT,
    RECEIVE_BUFFER,
};
use crate::sys::Batch;
use crate::wire::header::{HEADER, u16_at};

/// What a socket is waited for: datagrams, and ICMP errors, which come without any.
const READY: Interest = Interest::READABLE.add(Interest::ERROR);
/// How often spent sockets and IDs are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(200);

/// All UDP sockets towards targets of one worker.
pub struct Datagrams {
    inlet: Weak<dyn Inlet>,
    pools: RefCell<HashMap<SocketAddr, Pool, RandomState>>,
    /// Sockets that have questions to send; flushed once the worker's present turn is done.
    dirty: RefCell<Vec<(SocketAddr, Rc<Port>)>>,
    batch: RefCell<Batch>,
}

/// The sockets towards one target.
#[derive(Default)]
struct Pool {
    ports: Vec<Rc<Port>>,
    /// Drawn for all questions of the worker's present turn: they leave with one system call, and their replies
    /// come with few. A spoofer has to find the same port and ID either way.
    current: Option<Rc<Port>>,
}

struct Port {
    socket: UdpSocket,
    opened: Instant,
    asked: Cell<u32>,
    pending: RefCell<HashMap<u16, (Ticket, Instant), RandomState>>,
    /// Questions that wait for the flush: each two octets of length, then the message.
    unsent: RefCell<Vec<u8>>,
    listener: RefCell<Option<AbortHandle>>,
}

impl Datagrams {
    pub fn new(inlet: Weak<dyn Inlet>) -> Rc<Datagrams> {
        Rc::new(Datagrams {
            inlet,
            pools: RefCell::default(),
            dirty: RefCell::default(),
            batch: RefCell::default(),
        })
    }

    /// Sends `message` (its ID is set here) and files the ticket under it.
    pub fn ask(
        self: &Rc<Self>,
        target: SocketAddr,
        message: &mut [u8],
        ticket: Ticket,
        now: Instant,
    ) -> io::Result<()> {
        let port = self.port(target, now)?;
        let id = port.file(ticket, now).ok_or_else(|| io::Error::other("too many questions outstanding"))?;
        message[..2].copy_from_slice(&id.to_be_bytes());
        let mut unsent = port.unsent.borrow_mut();
        if unsent.is_empty() {
            let mut dirty = self.dirty.borrow_mut();
            if dirty.is_empty()
                && let Some(inlet) = self.inlet.upgrade()
            {
                inlet.flush_soon();
            }
            dirty.push((target, Rc::clone(&port)));
        }
        unsent.extend_from_slice(&(message.len() as u16).to_be_bytes());
        unsent.extend_from_slice(message);
        Ok(())
    }

    /// Sends what was asked.
    pub fn flush(&self) {
        let mut dirty = std::mem::take(&mut *self.dirty.borrow_mut());
        for (target, port) in dirty.drain(..) {
            if let Some(pool) = self.pools.borrow_mut().get_mut(&target) {
                pool.current = None;
            }
            self.send(&port);
        }
        let mut kept = self.dirty.borrow_mut();
        if kept.is_empty() {
            // Its memory serves again.
            *kept = dirty;
        }
    }

    /// Closes what is spent, until the worker ends.
    pub async fn run_sweep(self: Rc<Self>) {
        let mut tick = tokio::time::interval(SWEEP_EVERY);
        loop {
            tick.tick().await;
            self.sweep(Instant::now());
        }
    }

    fn sweep(&self, now: Instant) {
        let mut pools = self.pools.borrow_mut();
        for pool in pools.values_mut() {
            for port in &pool.ports {
                port.forget_old(now);
            }
            pool.ports.retain(|port| !port.is_spent(now) || port.is_busy() || !port.retire());
        }
        pools.retain(|_, pool| !pool.ports.is_empty());
    }

    fn send(&self, port: &Port) {
        let mut unsent = std::mem::take(&mut *port.unsent.borrow_mut());
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
                    self.fail_all(port, &describe(&error));
                }
            }
        }
        unsent.clear();
        let mut kept = port.unsent.borrow_mut();
        if kept.is_empty() {
            // Its memory serves again.
            *kept = unsent;
        }
    }

    /// A socket towards `target`, drawn by chance from the few that are open.
    fn port(self: &Rc<Self>, target: SocketAddr, now: Instant) -> io::Result<Rc<Port>> {
        let mut pools = self.pools.borrow_mut();
        let pool = pools.entry(target).or_default();
        if let Some(port) = pool.current.as_ref().filter(|port| !port.is_full()) {
            return Ok(Rc::clone(port));
        }
        let index = rand::rng().random_range(0..PORTS_PER_TARGET);
        let port = match pool.ports.get(index) {
            Some(port) if !port.is_spent(now) => Rc::clone(port),
            Some(_) => {
                let fresh = self.open(target, now)?;
                // The old one goes on listening for its replies, behind the ones that are drawn from.
                let old = std::mem::replace(&mut pool.ports[index], Rc::clone(&fresh));
                pool.ports.push(old);
                fresh
            }
            None => {
                let fresh = self.open(target, now)?;
                pool.ports.push(Rc::clone(&fresh));
                fresh
            }
        };
        pool.current = Some(Rc::clone(&port));
        Ok(port)
    }

    fn open(self: &Rc<Self>, target: SocketAddr, now: Instant) -> io::Result<Rc<Port>> {
        let socket = UdpSocket::from_std(connected(target)?)?;
        let port = Rc::new(Port {
            socket,
            opened: now,
            asked: Cell::new(0),
            pending: RefCell::default(),
            unsent: RefCell::default(),
            listener: RefCell::default(),
        });
        let task = tokio::task::spawn_local(Rc::clone(self).listen(Rc::clone(&port)));
        *port.listener.borrow_mut() = Some(task.abort_handle());
        Ok(port)
    }

    /// Takes replies until the port is retired.
    async fn listen(self: Rc<Self>, port: Rc<Port>) {
        loop {
            // The runtime tries one interest at a time.
            let interest = match port.socket.ready(READY).await {
                Ok(ready) if ready.is_error() => Interest::ERROR,
                _ => Interest::READABLE,
            };
            if self.receive(&port, interest) == BATCH {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes one batch of replies; gives how many there were.
    fn receive(&self, port: &Port, interest: Interest) -> usize {
        let Some(inlet) = self.inlet.upgrade() else { return 0 };
        let mut batch = self.batch.borrow_mut();
        match receive_batch(&port.socket, interest, &mut batch) {
            Ok(0) => 0,
            Ok(count) => {
                let now = Instant::now();
                for message in (0..count).map(|index| batch.datagram(index).unwrap_or_default()) {
                    inlet.reply(port.take(message), message, now);
                }
                drop(batch);
                inlet.settle(now);
                count
            }
            Err(error) => {
                drop(batch);
                self.fail_all(port, &describe(&error));
                0
            }
        }
    }

    fn fail_all(&self, port: &Port, why: &str) {
        let Some(inlet) = self.inlet.upgrade() else { return };
        let now = Instant::now();
        let failed = std::mem::take(&mut *port.pending.borrow_mut());
        for (ticket, _) in failed.into_values() {
            inlet.trouble(ticket, Trouble::Unreachable(why.to_string()), now);
        }
        inlet.settle(now);
    }
}

impl Port {
    /// Files a question under a random ID that is not in use on this socket.
    fn file(&self, ticket: Ticket, now: Instant) -> Option<u16> {
        let mut filed = self.pending.borrow_mut();
        if filed.len() >= OUTSTANDING_PER_PORT {
            return None;
        }
        self.asked.set(self.asked.get() + 1);
        loop {
            // Half of all IDs are free, so this ends soon.
            let id = rand::rng().random();
            if let Entry::Vacant(place) = filed.entry(id) {
                place.insert((ticket, now));
                return Some(id);
            }
        }
    }

    /// The ticket that a message's ID stands for.
    fn take(&self, message: &[u8]) -> Option<Ticket> {
        let id = (message.len() >= HEADER).then(|| u16_at(message, 0))?;
        self.pending.borrow_mut().remove(&id).map(|(ticket, _)| ticket)
    }

    fn is_spent(&self, now: Instant) -> bool {
        self.asked.get() >= QUESTIONS_PER_PORT || now.saturating_duration_since(self.opened) >= PORT_LIFE
    }

    fn is_full(&self) -> bool {
        self.asked.get() >= QUESTIONS_PER_PORT || self.pending.borrow().len() >= OUTSTANDING_PER_PORT
    }

    fn is_busy(&self) -> bool {
        !self.pending.borrow().is_empty() || !self.unsent.borrow().is_empty()
    }

    /// Ends the listening; for `retain`, which wants a word.
    fn retire(&self) -> bool {
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        true
    }

    /// Frees IDs whose questions nobody waits for any more: their flights have seen to that themselves.
    fn forget_old(&self, now: Instant) {
        self.pending
            .borrow_mut()
            .retain(|_, (_, sent)| now.saturating_duration_since(*sent) < QUERY_DEADLINE + SWEEP_EVERY);
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
