//! One question on its way to one or more targets: what came back, for the task that waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::stats::Exchanges;
use super::target::Target;
use crate::wire::answer::{Answer, TtlLimits, lifetime};
use crate::wire::header::{HEADER, bit, rcode, rcode_name, u16_at};
use crate::wire::reply::{Fault, Reply, scan};

/// What one attempt came to.
#[derive(Debug)]
pub enum Outcome {
    /// Sound, and the answer to our question; with the seconds it may be kept.
    Answer {
        answer: Answer,
        lifetime: u32,
    },
    /// SERVFAIL or REFUSED: another target may know better, and if none does the client gets this one.
    Rejected {
        answer: Answer,
        rcode: u16,
    },
    /// TC over UDP: to be asked again over TCP.
    Truncated,
    /// The right ID on another question: what a spoofer would send. Asked again over TCP.
    Suspicious,
    /// A TCP connection that had served before was closed on it: the peer's idle timeout, most likely (RFC 7766
    /// section 6.2.4: ask again on a new one).
    ConnectionLost,
    /// FORMERR without an OPT: it can't read ours (RFC 6891 section 7).
    NoEdns,
    Broken(Fault),
    /// The network or the peer said no.
    Unreachable(String),
}

/// What came, and from which attempt.
#[derive(Debug)]
pub struct Event {
    /// Index of the target in its endpoint.
    pub target: usize,
    /// Whether the question had an OPT.
    pub edns: bool,
    pub outcome: Outcome,
}

/// How a question was asked.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub edns: bool,
    pub over_tcp: bool,
}

/// The question, and a mailbox for its outcomes.
pub struct Flight {
    /// Name in lower case, type, class.
    pub question: Box<[u8]>,
    pub limits: TtlLimits,
    pub keep_subnet: bool,
    events: RefCell<VecDeque<Event>>,
    waker: Cell<Option<Waker>>,
    landed: Cell<bool>,
}

impl Flight {
    pub fn new(question: &[u8], limits: TtlLimits, keep_subnet: bool) -> Flight {
        Flight {
            question: question.into(),
            limits,
            keep_subnet,
            events: RefCell::default(),
            waker: Cell::default(),
            landed: Cell::new(false),
        }
    }

    /// Judges a reply whose ID and source are right.
    pub fn judge(&self, message: &[u8], manner: Manner, reply: &mut Reply) -> Outcome {
        match scan(message, &self.question, reply) {
            Ok(()) => self.judge_sound(message, manner, reply),
            Err(Fault::NoQuestion) if manner.edns && is_formerr(message) => Outcome::NoEdns,
            Err(Fault::OtherQuestion) if !manner.over_tcp => Outcome::Suspicious,
            Err(fault) => Outcome::Broken(fault),
        }
    }

    fn judge_sound(&self, message: &[u8], manner: Manner, reply: &Reply) -> Outcome {
        if reply.is_truncated() {
            return if manner.over_tcp { Outcome::Broken(Fault::Truncated) } else { Outcome::Truncated };
        }
        match reply.rcode {
            rcode::FORMERR if manner.edns && !reply.has_opt => return Outcome::NoEdns,
            // Between neighbours: our OPT or the lack of a cookie is at fault, nothing that a client asked.
            rcode::BADVERS | rcode::BADCOOKIE => {
                let answer = self.pack(message, reply);
                return Outcome::Rejected { answer, rcode: reply.rcode };
            }
            _ => {}
        }
        let answer = self.pack(message, reply);
        match reply.rcode {
            code @ (rcode::SERVFAIL | rcode::REFUSED) => Outcome::Rejected { answer, rcode: code },
            _ => Outcome::Answer { answer, lifetime: lifetime(reply, self.limits) },
        }
    }

    fn pack(&self, message: &[u8], reply: &Reply) -> Answer {
        Answer::from_reply(message, &self.question, reply, self.limits, self.keep_subnet)
    }

    /// Nobody waits any more: late replies only teach about their target.
    pub fn land(&self) {
        self.landed.set(true);
        self.events.borrow_mut().clear();
    }

    pub fn has_landed(&self) -> bool {
        self.landed.get()
    }

    pub fn post(&self, event: Event) {
        if self.has_landed() {
            return;
        }
        self.events.borrow_mut().push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The next outcome. One task waits.
    pub async fn next(&self) -> Event {
        poll_fn(|context| match self.events.borrow_mut().pop_front() {
            Some(event) => Poll::Ready(event),
            None => {
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

/// Of an old server's FORMERR only the header is sure to be there.
fn is_formerr(message: &[u8]) -> bool {
    message.len() >= HEADER && u16_at(message, 2) & bit::RCODE == rcode::FORMERR
}

/// A question that is out at a target.
#[derive(Clone)]
pub struct Pending {
    pub flight: std::rc::Rc<Flight>,
    pub target_index: usize,
    pub target: Arc<Target>,
    pub stats: Arc<Exchanges>,
    pub manner: Manner,
    pub sent: Instant,
}

impl Pending {
    /// Takes the reply: learns from it, and tells the flight if it is still in the air.
    pub fn reply(&self, message: &[u8], scratch: &mut Reply) {
        let now = Instant::now();
        let after = now.saturating_duration_since(self.sent);
        let outcome = self.flight.judge(message, self.manner, scratch);
        self.target.settled();
        self.learn(&outcome, now, after);
        self.post(outcome);
    }

    fn learn(&self, outcome: &Outcome, now: Instant, after: std::time::Duration) {
        match outcome {
            Outcome::Answer { .. } | Outcome::Truncated | Outcome::NoEdns => {
                self.target.heard(now, after);
                self.stats.answered(after);
            }
            Outcome::Rejected { rcode, .. } => {
                self.target.heard(now, after);
                self.stats.answered(after);
                self.fault(&format!("it says {}", rcode_name(*rcode)));
            }
            Outcome::Suspicious => self.fault("a reply to another question came with the right ID"),
            Outcome::Broken(fault) => self.fault(&fault.to_string()),
            Outcome::ConnectionLost | Outcome::Unreachable(_) => {}
        }
    }

    fn fault(&self, why: &str) {
        self.stats.errors.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.target.erred(why);
    }

    /// The connection went away under it, for no fault of the target.
    pub fn connection_lost(&self) {
        self.target.settled();
        self.post(Outcome::ConnectionLost);
    }

    /// The network said that nobody is there.
    pub fn unreachable(&self, why: &str) {
        self.target.settled();
        self.stats.errors.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.target.unreachable(self.sent, why);
        self.post(Outcome::Unreachable(why.to_string()));
    }

    fn post(&self, outcome: Outcome) {
        self.flight.post(Event { target: self.target_index, edns: self.manner.edns, outcome });
    }

    /// Nothing came in time.
    pub fn lost(&self) {
        self.target.settled();
        self.stats.timeouts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.target.lost(self.sent);
    }

    pub fn address(&self) -> SocketAddr {
        self.target.address
    }
}
