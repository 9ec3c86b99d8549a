//! All questions that one worker has out at targets. Bytes, troubles and time go in; questions to targets and
//! finished questions come out. No socket, no clock and no chance of its own in here, so that tests can drive
//! it through any course of events.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

use rand::rngs::StdRng;
use slotmap::SlotMap;
use smallvec::SmallVec;

use super::coalesce::Question;
use super::flight::{Flight, Means};
use super::{Errand, Fetched, FlightId, Ticket, Transport, Trouble};
use crate::wire::reply::Reply;

/// A question that is over, for some or all who wait.
pub struct Finished<E, W> {
    pub flight: FlightId,
    pub question: Question,
    pub errand: E,
    pub fetched: Fetched,
    pub waiters: SmallVec<[W; 1]>,
    /// This flight asked the targets itself and is over: what it came to is to be kept and told.
    pub led: bool,
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
    pub fn file(&mut self, question: Question, errand: E, deadline: Instant, waiter: Option<W>) -> FlightId {
        let waiter = waiter.map(|waiter| (deadline, waiter));
        self.flights.insert(Flight::new(question, errand, deadline, waiter))
    }

    /// Asks the first target.
    pub fn start(&mut self, id: FlightId, now: Instant, transport: &dyn Transport) {
        self.step(id, now, transport, |flight, means, _| {
            flight.led = true;
            flight.go_on(means)
        });
    }

    /// Lets a filed question wait for another worker to tell its end.
    pub fn wait(&mut self, id: FlightId) {
        self.arm(id);
    }

    /// Lets those who wait for one flight wait for another one instead.
    pub fn join(&mut self, id: FlightId, other: FlightId) {
        let Some(flight) = self.flights.remove(id) else { return };
        match self.flights.get_mut(other).filter(|other| !other.landed) {
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
    pub fn told(&mut self, id: FlightId, fetched: Fetched) {
        self.land(id, fetched);
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

    /// Flights that are in the air or whose late replies are still listened for.
    pub fn len(&self) -> usize {
        self.flights.len()
    }

    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
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
            Some(fetched) => self.land(id, fetched),
            None if flight.landed && !flight.is_open() => {
                self.flights.remove(id);
            }
            None => self.arm(id),
        }
        true
    }

    /// Ends the wait of those whose time is over, and the flight at its own deadline.
    fn expire(&mut self, id: FlightId, now: Instant) {
        let Some(flight) = self.flights.get_mut(id).filter(|flight| !flight.landed) else { return };
        let silence = || Fetched::Failed(flight.silence());
        if flight.deadline <= now {
            let silence = silence();
            return self.land(id, silence);
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
            led: false,
        });
    }

    /// Nobody waits any more. The flight stays while replies may come that teach about their targets.
    fn land(&mut self, id: FlightId, fetched: Fetched) {
        let Some(flight) = self.flights.get_mut(id).filter(|flight| !flight.landed) else { return };
        flight.landed = true;
        let led = flight.led;
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
        self.finished.push_back(Finished { flight: id, question, errand, fetched, waiters, led });
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
