//! Asking targets: which one, how, how long, and what its reply is worth. Owns targets, their sockets and the
//! questions in flight; knows nothing of clients.

pub mod coalesce;
pub mod datagram;
pub mod flight;
pub mod health;
pub mod pick;
pub mod stats;
pub mod stream;
pub mod target;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::limits::{MAX_ATTEMPTS, QUERY_DEADLINE};
use crate::wire::answer::{Answer, Ask, TtlLimits, write_question};
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::header::{bit, rcode, rcode_name};
use datagram::Datagrams;
use flight::{Event, Flight, Manner, Outcome, Pending};
use pick::Endpoint;
use stats::Exchanges;
use stream::Streams;
use target::Target;

/// What became of a question.
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

/// A question for an endpoint.
pub struct Job<'a> {
    pub ask: Ask<'a>,
    pub endpoint: &'a Endpoint,
    /// The rule's numbers, one for each target of the endpoint.
    pub stats: &'a [Arc<Exchanges>],
    pub limits: TtlLimits,
    pub deadline: Instant,
}

/// One worker's way to the targets.
#[derive(Default)]
pub struct Exchanger {
    pub datagrams: Rc<Datagrams>,
    streams: Rc<Streams>,
}

impl Exchanger {
    /// Asks one target after another until one answers, at most until the deadline. Those asked earlier are
    /// listened to all along: the first good answer wins.
    pub async fn exchange(&self, job: &Job<'_>) -> Fetched {
        let flight = Rc::new(Flight::new(job.ask.question, job.limits, job.endpoint.client_subnet));
        let attempts = Attempts { exchanger: self, job, flight: &flight };
        let fetched = tokio::time::timeout_at(job.deadline.into(), attempts.run()).await;
        flight.land();
        fetched.unwrap_or_else(|_| Fetched::Failed(attempts.silence()))
    }
}

struct Attempts<'a> {
    exchanger: &'a Exchanger,
    job: &'a Job<'a>,
    flight: &'a Rc<Flight>,
}

/// What is known of the attempts so far.
#[derive(Default)]
struct Progress {
    /// Targets asked in this round.
    tried: Vec<usize>,
    /// Targets that gave an outcome which another attempt won't change.
    failed: Vec<usize>,
    /// Rounds over: each one waits twice as long as the one before.
    rounds: u32,
    /// Attempts without an outcome yet.
    open: usize,
    sent: usize,
    /// The latest SERVFAIL or REFUSED: the client's answer if nothing better comes.
    rejected: Option<Answer>,
    trouble: Option<String>,
}

impl Attempts<'_> {
    async fn run(&self) -> Fetched {
        let mut progress = Progress::default();
        loop {
            let began = Instant::now();
            let asked = self.ask_next(&mut progress);
            let patience = match asked {
                Some(index) => self.target(index).patience() * (1 << progress.rounds.min(4)),
                None if progress.open == 0 => return self.give_up(progress),
                // All are asked and some still silent: those are asked again.
                None if progress.sent < MAX_ATTEMPTS && progress.tried.len() > progress.failed.len() => {
                    progress.tried.clone_from(&progress.failed);
                    progress.rounds += 1;
                    continue;
                }
                None => QUERY_DEADLINE,
            };
            let until = tokio::time::Instant::now() + patience;
            loop {
                let Ok(event) = tokio::time::timeout_at(until, self.flight.next()).await else {
                    if let Some(index) = asked {
                        self.target(index).late(began);
                    }
                    break;
                };
                match self.digest(event, &mut progress) {
                    Next::Done(fetched) => return fetched,
                    Next::Another => break,
                    Next::Wait => {}
                }
            }
        }
    }

    fn target(&self, index: usize) -> &Arc<Target> {
        &self.job.endpoint.targets[index].target
    }

    /// Asks the next target; gives its index.
    fn ask_next(&self, progress: &mut Progress) -> Option<usize> {
        while progress.sent < MAX_ATTEMPTS {
            let index = self.job.endpoint.pick(&progress.tried, &mut rand::rng())?;
            progress.tried.push(index);
            let manner = Manner { edns: self.target(index).takes_edns(), over_tcp: false };
            if self.send(index, manner, progress) {
                return Some(index);
            }
        }
        None
    }

    /// Sends the question; says whether it left.
    fn send(&self, index: usize, manner: Manner, progress: &mut Progress) -> bool {
        let target = self.target(index);
        let stats = &self.job.stats[index];
        let mut message = Vec::with_capacity(64 + self.job.ask.question.len());
        write_question(&mut message, &Ask { edns: manner.edns, ..self.job.ask });
        let pending = Pending {
            flight: Rc::clone(self.flight),
            target_index: index,
            target: Arc::clone(target),
            stats: Arc::clone(stats),
            manner,
            sent: Instant::now(),
        };
        progress.sent += 1;
        let left = match manner.over_tcp {
            true => self.exchanger.streams.ask(&mut message, pending),
            false => self.exchanger.datagrams.ask(&mut message, pending),
        };
        match left {
            Ok(()) => {
                target.asked();
                stats.queries.fetch_add(1, Relaxed);
                progress.open += 1;
            }
            Err(ref error) => {
                target.unreachable(Instant::now(), &error.to_string());
                self.fail(index, &error.to_string(), progress);
            }
        }
        left.is_ok()
    }

    fn digest(&self, event: Event, progress: &mut Progress) -> Next {
        let target = self.target(event.target);
        progress.open = progress.open.saturating_sub(1);
        match event.outcome {
            Outcome::Answer { answer, lifetime } => {
                if !event.edns && target.takes_edns() && answer.view().rcode() != rcode::FORMERR {
                    target.answered_plain();
                }
                Next::Done(Fetched::Answer { answer, lifetime })
            }
            Outcome::Rejected { answer, rcode } => {
                if rcode <= bit::RCODE {
                    progress.rejected = Some(answer);
                }
                self.fail(event.target, &rcode_name(rcode), progress)
            }
            Outcome::Truncated | Outcome::Suspicious | Outcome::ConnectionLost => {
                self.again(event.target, Manner { edns: event.edns, over_tcp: true }, progress)
            }
            Outcome::NoEdns => self.again(event.target, Manner { edns: false, over_tcp: false }, progress),
            Outcome::Broken(fault) => self.fail(event.target, &fault.to_string(), progress),
            Outcome::Unreachable(why) => self.fail(event.target, &why, progress),
        }
    }

    fn fail(&self, index: usize, why: &str, progress: &mut Progress) -> Next {
        let address = self.target(index).address;
        progress.trouble = Some(format!("{address}: {why}"));
        if !progress.failed.contains(&index) {
            progress.failed.push(index);
        }
        Next::Another
    }

    /// Asks the same target in another manner.
    fn again(&self, index: usize, manner: Manner, progress: &mut Progress) -> Next {
        if progress.sent < MAX_ATTEMPTS && self.send(index, manner, progress) {
            Next::Wait
        } else {
            Next::Another
        }
    }

    fn give_up(&self, progress: Progress) -> Fetched {
        match progress.rejected {
            Some(answer) => Fetched::Answer { answer, lifetime: 0 },
            None => {
                let why = progress.trouble.unwrap_or_else(|| "no target to ask".to_string());
                let text = format!("endpoint {}: {why}", self.job.endpoint.name);
                Fetched::Failed(ExtendedError::new(ErrorCode::NetworkError, text))
            }
        }
    }

    fn silence(&self) -> ExtendedError {
        let targets: Vec<String> =
            self.job.endpoint.targets.iter().map(|member| member.target.address.to_string()).collect();
        let text =
            format!("endpoint {}: no answer in time from {}", self.job.endpoint.name, targets.join(", "));
        ExtendedError::new(ErrorCode::NoReachableAuthority, text)
    }
}

enum Next {
    Done(Fetched),
    Wait,
    Another,
}

#[cfg(test)]
mod tests;
