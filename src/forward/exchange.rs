//! All questions that one worker has out at targets. Bytes, troubles and time go in; questions to targets and
//! finished questions come out. No socket, no clock and no chance of its own in here, so that tests can drive
//! it through any course of events.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use slotmap::SlotMap;
use smallvec::SmallVec;

use super::coalesce::Question;
use super::flight::{Aim, Flight, Means};
use super::mark::Mark;
use super::{Errand, Fetched, FlightId, Ticket, Transport, Trouble};
use crate::limits::QUERY_DEADLINE;
use crate::wire::answer::Ask;
use crate::wire::header::bit;
use crate::wire::name::Name;
use crate::wire::rdata::{class, rtype};
use crate::wire::reply::Reply;

/// A question that is over, for some or all who wait.
pub struct Finished<E, W> {
    pub flight: FlightId,
    pub question: Question,
    pub errand: E,
    pub fetched: Fetched,
    pub waiters: SmallVec<[W; 1]>,
    pub end: End,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The flight asked the targets itself and is over: what it came to is to be kept and told.
    Led,
    /// Another worker's flight told it.
    Told,
    /// The flight goes on without these, whose own deadlines have come.
    Late,
    /// The flight goes on without these, who are to get what was kept past its time.
    Slow,
}

pub struct Exchange<E, W> {
    flights: SlotMap<FlightId, Flight<E, W>>,
    /// When to look at which flight. An entry may be too early or its flight gone: then it means nothing.
    timers: BinaryHeap<Reverse<(Instant, FlightId)>>,
    finished: VecDeque<Finished<E, W>>,
    random: StdRng,
    message: Vec<u8>,
    scratch: Reply,
}

impl<E: Errand + Clone, W> Exchange<E, W> {
    /// `random` draws between targets that are as good as each other.
    pub fn new(random: StdRng) -> Exchange<E, W> {
        Exchange {
            flights: SlotMap::with_key(),
            timers: BinaryHeap::new(),
            finished: VecDeque::new(),
            random,
            message: Vec::new(),
            scratch: Reply::default(),
        }
    }

    /// Files a question that ends at the deadline, whatever happens. It asks nobody until `start`.
    pub fn file(
        &mut self,
        question: Question,
        errand: E,
        aim: Aim,
        deadline: Instant,
        waiter: Option<W>,
    ) -> FlightId {
        let waiter = waiter.map(|waiter| (deadline, waiter));
        self.flights.insert(Flight::new(question, errand, aim, deadline, waiter))
    }

    /// Those who wait for the question get what was kept past its time, if no answer has come by then.
    pub fn give_stale_at(&mut self, id: FlightId, at: Instant) {
        if let Some(flight) = self.flights.get_mut(id) {
            flight.stale_at = Some(at);
        }
    }

    /// Keeps a filed question from these targets.
    pub fn avoid(&mut self, id: FlightId, targets: &[u16]) {
        if let Some(flight) = self.flights.get_mut(id) {
            flight.avoid(targets);
        }
    }

    /// Takes a filed question back; gives who waits for it.
    pub fn withdraw(&mut self, id: FlightId) -> Option<W> {
        self.flights.remove(id)?.waiters.pop().map(|(_, waiter)| waiter)
    }

    /// Asks the first target.
    pub fn start(&mut self, id: FlightId, now: Instant, transport: &dyn Transport) {
        self.step(id, now, transport, |flight, means, _| {
            flight.led = true;
            flight.go_on(means)
        });
    }

    /// Asks a target of the errand's endpoint what it is probed with; for `name`, if its own name is of no use.
    pub fn probe(
        &mut self,
        errand: E,
        target: usize,
        name: Option<&Name>,
        now: Instant,
        transport: &dyn Transport,
    ) {
        let probe = &errand.endpoint().probe;
        let question = own_question(name.unwrap_or(&probe.name), probe.rtype);
        let aim = Aim::Probe { target: target as u16 };
        let id = self.file(question, errand, aim, now + QUERY_DEADLINE, None);
        self.start(id, now, transport);
    }

    /// A mark that is not out yet.
    pub fn new_mark(&mut self) -> Mark {
        Mark(self.random.random())
    }

    /// Asks a target for a marked name. It ends as any question does, with nobody waiting.
    pub fn ask_marked(
        &mut self,
        errand: E,
        target: usize,
        name: &Name,
        now: Instant,
        transport: &dyn Transport,
    ) {
        // The type that every server forwards: dnsmasq's `filterwin2k` keeps SOA to itself.
        let question = own_question(name, rtype::A);
        let aim = Aim::Mark { target: target as u16 };
        let id = self.file(question, errand, aim, now + QUERY_DEADLINE, None);
        self.start(id, now, transport);
    }

    /// Lets a filed question wait for another worker to tell its end.
    pub fn wait(&mut self, id: FlightId) {
        self.arm(id);
    }

    /// Lets those who wait for one flight wait for another one instead.
    pub fn join(&mut self, id: FlightId, other: FlightId) {
        let Some(flight) = self.flights.remove(id) else { return };
        match self.flights.get_mut(other).filter(|other| !other.landed) {
            Some(other) if other.slow => {
                let waiters = flight.waiters.into_iter().map(|(_, waiter)| waiter).collect();
                let (question, errand) = (flight.question, flight.errand);
                return self.finished.push_back(slow(id, question, errand, waiters));
            }
            Some(other) => other.waiters.extend(flight.waiters),
            // It ended in this very turn and hasn't been told of yet.
            None => {
                let waiters = flight.waiters.into_iter().map(|(_, waiter)| waiter);
                let ended = self.finished.iter_mut().find(|finished| finished.flight == other);
                ended.expect("a question stays in the table until its end is told").waiters.extend(waiters);
                return;
            }
        }
        self.arm(other);
    }

    /// Another worker tells what the question came to.
    pub fn told(&mut self, id: FlightId, fetched: Fetched, now: Instant) {
        self.land(id, fetched, now);
    }

    /// Takes a reply to an attempt; says whether anybody had asked for it.
    pub fn reply(&mut self, ticket: Ticket, message: &[u8], now: Instant, transport: &dyn Transport) -> bool {
        self.step(ticket.flight, now, transport, |flight, means, scratch| {
            flight.reply(ticket.attempt, message, scratch, means)
        })
    }

    /// Takes the news that an attempt will get no reply.
    pub fn trouble(&mut self, ticket: Ticket, trouble: Trouble, now: Instant, transport: &dyn Transport) {
        self.step(ticket.flight, now, transport, |flight, means, _| {
            flight.trouble(ticket.attempt, trouble, means)
        });
    }

    /// Does all that is due.
    pub fn tick(&mut self, now: Instant, transport: &dyn Transport) {
        while let Some(&Reverse((at, id))) = self.timers.peek() {
            if at > now {
                break;
            }
            self.timers.pop();
            let Some(flight) = self.flights.get_mut(id) else { continue };
            flight.armed = flight.armed.filter(|armed| *armed != at);
            if flight.due().is_some_and(|due| due <= now) {
                self.give_stale(id, now);
                self.expire(id, now);
                self.step(id, now, transport, |flight, means, _| flight.tick(means));
            } else {
                self.arm(id);
            }
        }
    }

    /// When `tick` has something to do, if nothing comes before.
    pub fn due(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, id))) = self.timers.peek() {
            if self.flights.contains_key(id) {
                return Some(at);
            }
            self.timers.pop();
        }
        None
    }

    /// The next question that is over.
    pub fn next_finished(&mut self) -> Option<Finished<E, W>> {
        self.finished.pop_front()
    }

    /// Questions that are in the air or whose late replies are still listened for; of probes, which are listened for as
    /// long, there are always some.
    pub fn questions(&self) -> usize {
        self.flights.values().filter(|flight| !flight.is_probe()).count()
    }

    /// One step of a flight: lands it if that ended it, else sees to its next time. False if it is gone.
    fn step(
        &mut self,
        id: FlightId,
        now: Instant,
        transport: &dyn Transport,
        step: impl FnOnce(&mut Flight<E, W>, &mut Means<'_>, &mut Reply) -> Option<Fetched>,
    ) -> bool {
        let Some(flight) = self.flights.get_mut(id) else { return false };
        let mut means = Means { id, now, transport, random: &mut self.random, message: &mut self.message };
        match step(flight, &mut means, &mut self.scratch) {
            Some(fetched) => self.land(id, fetched, now),
            None if flight.landed && !flight.is_open() => {
                self.flights.remove(id);
            }
            None => self.arm(id),
        }
        true
    }

    /// Lets those go who can have an old answer now; the flight goes on and brings the new one.
    fn give_stale(&mut self, id: FlightId, now: Instant) {
        let Some(flight) = self.flights.get_mut(id).filter(|flight| !flight.landed) else { return };
        if flight.stale_at.take_if(|at| *at <= now).is_some() {
            flight.slow = true;
            let waiters = std::mem::take(&mut flight.waiters).into_iter().map(|(_, waiter)| waiter).collect();
            let (question, errand) = (flight.question.clone(), flight.errand.clone());
            self.finished.push_back(slow(id, question, errand, waiters));
        }
    }

    /// Ends the wait of those whose time is over, and the flight at its own deadline.
    fn expire(&mut self, id: FlightId, now: Instant) {
        let Some(flight) = self.flights.get_mut(id).filter(|flight| !flight.landed) else { return };
        let silence = || Fetched::Failed(flight.silence());
        if flight.deadline <= now {
            let silence = silence();
            return self.land(id, silence, now);
        }
        if flight.waiters.iter().all(|(until, _)| *until > now) {
            return;
        }
        let fetched = silence();
        let mut waiters = SmallVec::new();
        for (until, waiter) in std::mem::take(&mut flight.waiters) {
            match until <= now {
                true => waiters.push(waiter),
                false => flight.waiters.push((until, waiter)),
            }
        }
        self.finished.push_back(Finished {
            flight: id,
            question: flight.question.clone(),
            errand: flight.errand.clone(),
            fetched,
            waiters,
            end: End::Late,
        });
    }

    /// Nobody waits any more. The flight stays while replies may come that teach about their targets.
    fn land(&mut self, id: FlightId, fetched: Fetched, now: Instant) {
        let Some(flight) = self.flights.get_mut(id).filter(|flight| !flight.landed) else { return };
        flight.landed = true;
        if let Aim::Probe { .. } = flight.aim {
            flight.prove(&fetched, now);
            self.flights.remove(id);
            return;
        }
        let end = if flight.led { End::Led } else { End::Told };
        let (question, errand, waiters) = if flight.is_open() {
            let waiters = std::mem::take(&mut flight.waiters);
            let shared = (flight.question.clone(), flight.errand.clone(), waiters);
            self.arm(id);
            shared
        } else {
            let Some(flight) = self.flights.remove(id) else { return };
            (flight.question, flight.errand, flight.waiters)
        };
        let waiters = waiters.into_iter().map(|(_, waiter)| waiter).collect();
        self.finished.push_back(Finished { flight: id, question, errand, fetched, waiters, end });
    }

    fn arm(&mut self, id: FlightId) {
        let Some(flight) = self.flights.get_mut(id) else { return };
        let Some(due) = flight.due() else { return };
        if flight.armed.is_none_or(|armed| due < armed) {
            flight.armed = Some(due);
            self.timers.push(Reverse((due, id)));
        }
    }
}

/// A question that no client asked. No rule has the tag 0, and nobody looks for it in flight.
fn own_question(name: &Name, rtype: u16) -> Question {
    let fixed = [rtype.to_be_bytes(), class::IN.to_be_bytes()].concat();
    let question = [name.as_wire(), &fixed].concat();
    let ask = Ask { question: &question, bits: bit::RD, dnssec_ok: false, client_subnet: &[], edns: true };
    Question::new(&ask, 0, 0, 0)
}

fn slow<E, W>(flight: FlightId, question: Question, errand: E, waiters: SmallVec<[W; 1]>) -> Finished<E, W> {
    let fetched = Fetched::failed("no answer yet");
    Finished { flight, question, errand, fetched, waiters, end: End::Slow }
}
