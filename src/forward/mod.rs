//! Asking targets: which one, how, how long, and what its reply is worth. Owns targets, their sockets and the
//! questions in flight; knows nothing of clients.
//!
//! The [`exchange::Exchange`] decides and the [`network::Network`] does: between them go [`Ticket`]s. The
//! exchange hands a question with its ticket to the [`Transport`]; what comes back, or the news that nothing
//! will, comes with the ticket to the [`Inlet`], which passes it to the exchange.

pub mod budget;
pub mod coalesce;
pub mod datagram;
pub mod exchange;
pub mod flight;
pub mod judge;
pub mod mark;
pub mod network;
pub mod pick;
pub mod probe;
pub mod stats;
pub mod stream;
pub mod target;

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use crate::wire::answer::{Answer, TtlLimits};
use crate::wire::edns::{ErrorCode, ExtendedError};
use pick::Endpoint;
use stats::Exchanges;

slotmap::new_key_type! {
    /// A question in flight, on its worker. Never used twice.
    pub struct FlightId;
}

/// One attempt of a flight: what transports file under an ID, and give back with the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub flight: FlightId,
    pub attempt: u8,
}

/// What became of a question.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// What a target said, and for how many seconds it may be kept.
    Answer { answer: Answer, lifetime: u32 },
    /// No target said anything that can be handed on.
    Failed(ExtendedError),
}

impl Fetched {
    pub fn failed(why: &'static str) -> Fetched {
        Fetched::Failed(ExtendedError::new(ErrorCode::Other, why))
    }
}

/// On whose behalf a question is asked: tells whom to ask, and how.
pub trait Errand {
    fn endpoint(&self) -> &Endpoint;
    /// The rule's numbers for a target of the endpoint; none if no rule asks.
    fn stats(&self, target: usize) -> Option<&Exchanges>;
    fn limits(&self) -> TtlLimits;
}

/// Why an attempt gets no reply.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The connection went away under it, for no fault of the target.
    ConnectionLost,
    /// The network said that nobody is there.
    Unreachable(String),
}

/// The way to targets. It never calls back from within a call.
pub trait Transport {
    /// Sends `message` (its ID is set here) and files the ticket under it. An error says that it can't leave.
    fn ask(
        &self,
        target: SocketAddr,
        over_tcp: bool,
        message: &mut [u8],
        ticket: Ticket,
        now: Instant,
    ) -> io::Result<()>;

    /// Sends the questions that wait to leave together, if it lets them wait.
    fn flush(&self) {}
}

/// Where transports hand in what comes.
pub trait Inlet {
    /// A reply to an attempt, by the right sender and with the right ID; or of nobody's, without a ticket.
    fn reply(&self, ticket: Option<Ticket>, message: &[u8], now: Instant);
    fn trouble(&self, ticket: Ticket, trouble: Trouble, now: Instant);
    /// So much for this batch: whoever has an answer now can be told.
    fn settle(&self, now: Instant);
    /// The transport wants to be flushed once the worker's present turn is done.
    fn flush_soon(&self);
}

#[cfg(test)]
mod tests;
