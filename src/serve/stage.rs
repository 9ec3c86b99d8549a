//! The real core without sockets, threads and a clock: turns, cache, line, exchange, targets and probes. What it
//! asks comes out, what is said to it goes in, and the time is an argument. Nothing of the server uses this.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::counts::{ORIGINS, Transport as Way, WorkerCounts};
use super::miss::{self, Back, ReturnPath};
use super::names::Names;
pub use super::names::{Found, Looked};
use super::snapshot::{Built, Snapshot};
use super::worker::{Inbox, Shared, Worker};
use super::{Client, Step, turn};
use crate::config::{self, Diagnostic};
use crate::control::report::LoopStatus;
use crate::forward::pick::Endpoint;
use crate::forward::stats::Registry;
use crate::forward::target::Target;
use crate::forward::{FlightId, Inlet, Ticket, Transport, Trouble};
use crate::limits::{DATAGRAM, MESSAGE, PORTS_PER_TARGET, QUERY_DEADLINE};
use crate::sys::Local;
use crate::transfer::desk::bare_reply;
use crate::wire::header::{HEADER, rcode, u16_at};
use crate::wire::name::Name;

/// As the network does: an ID is free again a while after its question counts as lost.
const ID_LIFE: Duration = QUERY_DEADLINE.saturating_add(Duration::from_millis(200));
/// Questions filed on one lane; a tenth of all IDs stays free, so that a free one is soon found.
const FILED: usize = 58_000;

/// A way from a worker to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    pub worker: usize,
    pub target: SocketAddr,
    pub over_tcp: bool,
}

/// A question that left for a target.
#[derive(Clone, Debug)]
pub struct Asked {
    pub lane: Lane,
    /// The socket or connection that it left by.
    pub port: usize,
    pub message: Vec<u8>,
    pub flight: FlightId,
}

/// A reply that a client got.
#[derive(Clone, Debug)]
pub struct Replied {
    /// As the stage was told when it was asked.
    pub query: usize,
    pub message: Vec<u8>,
    /// Where the answer came from, in the words of status and metrics.
    pub origin: &'static str,
}

pub struct Stage {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    names: Arc<Names>,
    /// Names whose lookups are under way.
    looking: HashSet<Name>,
    workers: Vec<Rc<Worker>>,
    wires: Vec<Rc<Wire>>,
    ears: Vec<Rc<RefCell<Ear>>>,
    asked: Rc<RefCell<Vec<Asked>>>,
    out: Vec<u8>,
}

impl Stage {
    /// Workers that serve what `path` would say if `text` stood in it, from `now` on; or the text's faults. All
    /// chance comes from the seed.
    pub fn new(
        path: &std::path::Path,
        text: &str,
        workers: usize,
        seed: u64,
        now: Instant,
    ) -> Result<Stage, Vec<Diagnostic>> {
        let (registry, names) = (Arc::default(), Arc::<Names>::default());
        let loaded = config::load_text(path, text.to_string());
        let Built { snapshot, diagnostics } = Snapshot::from_loaded(loaded, None, &registry, &names, now);
        let snapshot = snapshot.ok_or(diagnostics)?;
        names.settle_on(&snapshot.config, now);
        snapshot.take_effect();
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(snapshot),
            in_flight: Default::default(),
            inboxes: (0..workers).map(|_| Inbox::default()).collect(),
            connections: Default::default(),
            loops: Default::default(),
            desk: None,
        });
        let mut stage = Stage {
            shared,
            registry,
            names,
            looking: HashSet::new(),
            workers: Vec::new(),
            wires: Vec::new(),
            ears: Vec::new(),
            asked: Rc::default(),
            out: vec![0; MESSAGE],
        };
        (0..workers).for_each(|index| stage.add_worker(index, seed, now));
        Ok(stage)
    }

    fn add_worker(&mut self, index: usize, seed: u64, now: Instant) {
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(index as u64));
        let counts = Arc::new(WorkerCounts::new(index));
        let wire = Rc::new(Wire {
            worker: index,
            asked: Rc::clone(&self.asked),
            filed: RefCell::default(),
            random: RefCell::new(StdRng::from_rng(&mut random)),
        });
        let own = Rc::clone(&wire);
        let transport = |_: Weak<dyn Inlet>| -> Box<dyn Transport> { Box::new(own) };
        let shared = Arc::clone(&self.shared);
        self.workers.push(Worker::new(index, shared, Arc::clone(&counts), random, now, transport));
        self.wires.push(wire);
        self.ears.push(Rc::new(RefCell::new(Ear { seen: counts.by_origin(), counts, replies: Vec::new() })));
    }

    /// Reads another configuration over the present one, as a reload does.
    pub fn reload(
        &mut self,
        path: &std::path::Path,
        text: &str,
        now: Instant,
    ) -> Result<(), Vec<Diagnostic>> {
        let loaded = config::load_text(path, text.to_string());
        let before = self.shared.snapshot.load_full();
        let Built { snapshot, diagnostics } =
            Snapshot::from_loaded(loaded, Some(&before), &self.registry, &self.names, now);
        let snapshot = snapshot.ok_or(diagnostics)?;
        self.names.settle_on(&snapshot.config, now);
        self.put(snapshot);
        Ok(())
    }

    fn put(&self, snapshot: Snapshot) {
        snapshot.take_effect();
        self.shared.snapshot.store(Arc::new(snapshot));
    }

    /// Names of targets that are to be looked up now, each once until `learn`, and whom to ask. A server waits for
    /// those that are new before it takes questions; here their targets are there when the answer comes.
    pub fn take_lookups(&mut self, now: Instant) -> (Vec<Name>, Vec<SocketAddr>) {
        let (mut due, bootstrap) = self.names.due(now);
        due.retain(|name| self.looking.insert(name.clone()));
        due.sort();
        (due, bootstrap)
    }

    /// A lookup is over.
    pub fn learn(&mut self, name: &Name, looked: Looked, now: Instant) {
        self.looking.remove(name);
        if self.names.take(name, looked, now) {
            self.put(self.shared.snapshot.load().with_new_addresses(now));
        }
    }

    /// A client's packet comes to a worker. Its reply will carry the number `query`.
    pub fn ask(
        &mut self,
        worker: usize,
        query: usize,
        address: SocketAddr,
        over_tcp: bool,
        packet: &[u8],
        now: Instant,
    ) {
        let worker = &self.workers[worker];
        let snapshot = self.shared.snapshot.load_full();
        let (transport, room) = if over_tcp { (Way::Tcp, MESSAGE) } else { (Way::Udp, DATAGRAM) };
        // There are no listeners here, so the first stands for all.
        let listener = snapshot.config.server.listen[0];
        let client = Client { address, transport, listener, key: None };
        let path = Rc::new(Path { query, room, ear: Rc::clone(&self.ears[worker.index]) });
        let ticks = snapshot.cache.ticks(now);
        match turn(&worker.counts, &snapshot, packet, &client, ticks, &mut self.out[..room]) {
            Step::Silence => {}
            Step::Reply(len) => path.ear.borrow_mut().take(query, self.out[..len].to_vec()),
            Step::ReplyAndRefresh(len) => {
                path.ear.borrow_mut().take(query, self.out[..len].to_vec());
                miss::refresh(worker, &snapshot, packet, &client, now);
                worker.settle(now);
            }
            // There is no zone desk on a stage, and no signature.
            Step::Apart => {
                let reply = bare_reply(packet, rcode::NOTIMP);
                path.ear.borrow_mut().take(query, reply);
            }
            Step::Later(rule) => {
                let back = Back { client, local: None, path };
                miss::begin(worker, &snapshot, packet, rule, back, now);
                worker.settle(now);
            }
        }
        self.settle(now);
    }

    /// A message comes from a target. Without a question out under its ID it is nobody's.
    pub fn deliver(&mut self, lane: Lane, message: &[u8], now: Instant) {
        let id = (message.len() >= HEADER).then(|| u16_at(message, 0));
        let ticket = id.and_then(|id| self.wires[lane.worker].take(lane, id));
        self.workers[lane.worker].reply(ticket, message, now);
        self.settle(now);
    }

    /// The network says that nobody takes what left by this port: as the kernel does not say which question it
    /// means, all that wait there for a reply are over.
    pub fn refuse(&mut self, lane: Lane, port: usize, why: &str, now: Instant) {
        for ticket in self.wires[lane.worker].take_all(lane, port) {
            self.workers[lane.worker].trouble(ticket, Trouble::Unreachable(why.to_string()), now);
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        for worker in &self.workers {
            if worker.due().is_some_and(|due| due <= now) {
                worker.tick(now);
            }
        }
        self.settle(now);
    }

    /// When `tick` has something to do, if nothing comes before.
    pub fn due(&self) -> Option<Instant> {
        let workers = self.workers.iter().filter_map(|worker| worker.due());
        workers.chain(self.names.next_due(&self.looking)).min()
    }

    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// As status has them.
    pub fn loops(&self, now: Instant) -> Vec<LoopStatus> {
        let snapshot = self.shared.snapshot.load();
        self.shared.loops.reports(|domain| snapshot.rules_now(domain), now)
    }

    pub fn take_asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.borrow_mut())
    }

    pub fn take_replies(&mut self) -> Vec<Replied> {
        self.ears.iter().flat_map(|ear| ear.borrow_mut().take_all()).collect()
    }

    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.shared.snapshot.load().endpoints.clone()
    }

    /// Whether there is a rule of exactly this domain.
    pub fn has_rule(&self, domain: &Name) -> bool {
        self.shared.snapshot.load().rules_at(domain.as_wire()).next().is_some()
    }

    /// Each target by its address and endpoint.
    pub fn targets(&self) -> Vec<Arc<Target>> {
        let endpoints = self.endpoints();
        let members = endpoints.iter().flat_map(|endpoint| &endpoint.targets);
        members.map(|member| Arc::clone(&member.target)).collect()
    }

    /// Clients that wait for targets.
    pub fn waiting(&self) -> u64 {
        let waiting =
            |worker: &Rc<Worker>| worker.counts.in_flight.load(std::sync::atomic::Ordering::Relaxed);
        self.workers.iter().map(waiting).sum()
    }

    /// Questions whose replies may still come.
    pub fn flights(&self) -> usize {
        self.workers.iter().map(|worker| worker.exchange().questions()).sum()
    }

    /// Lets workers hear what others tell them. What one hears may end a question that it leads itself; that it
    /// tells on ends there.
    fn settle(&mut self, now: Instant) {
        for _ in 0..=self.workers.len() {
            for worker in &self.workers {
                worker.settle(now);
                if !self.shared.inboxes[worker.index].is_empty() {
                    worker.hear(now);
                }
            }
        }
        self.ears.iter().for_each(|ear| ear.borrow_mut().note_origin());
    }
}

/// A question that waits for its reply.
struct Sent {
    ticket: Ticket,
    port: usize,
    at: Instant,
}

/// Questions of a lane by ID.
type Filed = HashMap<u16, Sent>;

/// Takes a worker's questions, and files them under random IDs as the network does.
struct Wire {
    worker: usize,
    asked: Rc<RefCell<Vec<Asked>>>,
    filed: RefCell<HashMap<Lane, Filed>>,
    random: RefCell<StdRng>,
}

impl Wire {
    fn take(&self, lane: Lane, id: u16) -> Option<Ticket> {
        self.filed.borrow_mut().get_mut(&lane)?.remove(&id).map(|sent| sent.ticket)
    }

    /// In the order of their IDs, so that a course of events comes out the same each time.
    fn take_all(&self, lane: Lane, port: usize) -> Vec<Ticket> {
        let mut lanes = self.filed.borrow_mut();
        let gone = lanes.get_mut(&lane).map(|filed| filed.extract_if(|_, sent| sent.port == port));
        let mut gone: Vec<(u16, Sent)> = gone.into_iter().flatten().collect();
        gone.sort_by_key(|(id, _)| *id);
        gone.into_iter().map(|(_, sent)| sent.ticket).collect()
    }
}

impl Transport for Rc<Wire> {
    fn ask(
        &self,
        target: SocketAddr,
        over_tcp: bool,
        message: &mut [u8],
        ticket: Ticket,
        now: Instant,
    ) -> io::Result<()> {
        let lane = Lane { worker: self.worker, target, over_tcp };
        let mut lanes = self.filed.borrow_mut();
        let filed = lanes.entry(lane).or_default();
        if filed.len() >= FILED {
            filed.retain(|_, sent| now.saturating_duration_since(sent.at) < ID_LIFE);
        }
        if filed.len() >= FILED {
            return Err(io::Error::other("too many questions outstanding"));
        }
        let mut random = self.random.borrow_mut();
        // Several sockets, each with a port of its own; but one connection.
        let port = if over_tcp { 0 } else { random.random_range(0..PORTS_PER_TARGET) };
        let mut id: u16 = random.random();
        while filed.contains_key(&id) {
            id = id.wrapping_add(1);
        }
        filed.insert(id, Sent { ticket, port, at: now });
        message[..2].copy_from_slice(&id.to_be_bytes());
        let flight = ticket.flight;
        self.asked.borrow_mut().push(Asked { lane, port, message: message.to_vec(), flight });
        Ok(())
    }
}

/// What a worker says to its clients.
struct Ear {
    replies: Vec<Replied>,
    counts: Arc<WorkerCounts>,
    seen: [u64; ORIGINS.len()],
}

impl Ear {
    fn take(&mut self, query: usize, message: Vec<u8>) {
        self.note_origin();
        self.replies.push(Replied { query, message, origin: "" });
    }

    fn take_all(&mut self) -> Vec<Replied> {
        self.note_origin();
        std::mem::take(&mut self.replies)
    }

    /// The reply that was last to leave has been counted by now: what was counted tells its origin.
    fn note_origin(&mut self) {
        let counted = self.counts.by_origin();
        let grown = (0..ORIGINS.len()).find(|&origin| counted[origin] > self.seen[origin]);
        if let (Some(last), Some(origin)) =
            (self.replies.last_mut().filter(|last| last.origin.is_empty()), grown)
        {
            last.origin = ORIGINS[origin].1;
            self.seen[origin] += 1;
        }
    }
}

/// The way back to one client.
struct Path {
    query: usize,
    room: usize,
    ear: Rc<RefCell<Ear>>,
}

impl ReturnPath for Path {
    fn answer(self: Rc<Self>, _: &Client, _: Option<Local>, write: &mut dyn FnMut(&mut [u8]) -> usize) {
        let mut out = vec![0; self.room];
        let len = write(&mut out);
        out.truncate(len);
        self.ear.borrow_mut().take(self.query, out);
    }

    fn flush(&self) {}
}
