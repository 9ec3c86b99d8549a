//! One question on its way to one or more targets, as a state machine: what was asked, what came back, and
//! what is to be done next. Time and chance come in as arguments; nothing here waits.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use smallvec::SmallVec;

use super::coalesce::Question;
use super::judge::{Asked, Manner, Outcome};
use super::{Errand, Fetched, FlightId, Ticket, Transport, Trouble};
use crate::limits::{LOSS_AFTER, MAX_ATTEMPTS};
use crate::wire::answer::{Answer, Ask, write_question};
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::header::{bit, rcode, rcode_name};
use crate::wire::reply::Reply;

/// The most rounds whose waits double: beyond it the deadline is nearer.
const DOUBLINGS: u32 = 4;

pub struct Flight<E, W> {
    pub question: Question,
    pub errand: E,
    /// Who waits, each until a time of its own.
    pub waiters: SmallVec<[(Instant, W); 1]>,
    /// No attempt is begun or waited for beyond this.
    pub deadline: Instant,
    /// It asks targets itself, on behalf of all workers; else another worker's flight does.
    pub led: bool,
    /// Nobody waits for it any more; replies that still come only teach about their targets.
    pub landed: bool,
    /// The earliest time at which the exchange is to look at it.
    pub armed: Option<Instant>,
    attempts: SmallVec<[Attempt; 2]>,
    progress: Progress,
    /// The newest attempt's target, and when the wait for it is over.
    patience: Option<(u16, Instant)>,
}

/// A question that left for a target.
#[derive(Clone, Copy)]
struct Attempt {
    target: u16,
    manner: Manner,
    sent: Instant,
    /// Neither answered nor lost.
    open: bool,
}

/// What is known of the attempts so far.
#[derive(Default)]
struct Progress {
    /// Targets asked in this round.
    tried: SmallVec<[u16; 4]>,
    /// Targets that gave an outcome which another attempt won't change.
    failed: SmallVec<[u16; 4]>,
    /// Rounds over: each one waits twice as long as the one before.
    rounds: u32,
    /// Attempts without an outcome yet.
    open: usize,
    sent: usize,
    /// The latest SERVFAIL or REFUSED: the client's answer if nothing better comes.
    rejected: Option<Answer>,
    trouble: Option<String>,
}

/// What a step of a flight works with.
pub struct Means<'a> {
    pub id: FlightId,
    pub now: Instant,
    pub transport: &'a dyn Transport,
    pub random: &'a mut StdRng,
    /// Room for a question in wire form.
    pub message: &'a mut Vec<u8>,
}

enum Next {
    Done(Fetched),
    Wait,
    Another,
}

impl<E: Errand, W> Flight<E, W> {
    pub fn new(question: Question, errand: E, deadline: Instant, waiter: Option<(Instant, W)>) -> Self {
        Flight {
            question,
            errand,
            waiters: waiter.into_iter().collect(),
            deadline,
            led: false,
            landed: false,
            armed: None,
            attempts: SmallVec::new(),
            progress: Progress::default(),
            patience: None,
        }
    }

    /// Asks the next target; gives what the question came to if there is nothing left to wait for.
    pub fn go_on(&mut self, means: &mut Means<'_>) -> Option<Fetched> {
        loop {
            if let Some(index) = self.ask_next(means) {
                let wait = self.errand.endpoint().targets[index].target.patience();
                let wait = wait * (1 << self.progress.rounds.min(DOUBLINGS));
                self.patience = Some((index as u16, means.now + wait));
                return None;
            }
            self.patience = None;
            let progress = &mut self.progress;
            if progress.open == 0 {
                return Some(self.give_up());
            }
            if progress.sent >= MAX_ATTEMPTS || progress.tried.len() <= progress.failed.len() {
                return None;
            }
            // All are asked and some still silent: those are asked again.
            progress.tried.clone_from(&progress.failed);
            progress.rounds += 1;
        }
    }

    /// Takes the reply to one attempt. None if that attempt is over already: a duplicate.
    pub fn reply(
        &mut self,
        attempt: u8,
        message: &[u8],
        scratch: &mut Reply,
        means: &mut Means<'_>,
    ) -> Option<Fetched> {
        let attempt = self.close(attempt)?;
        let asked = Asked {
            question: self.question.asked(),
            manner: attempt.manner,
            limits: self.errand.limits(),
            keep_subnet: self.errand.endpoint().client_subnet,
        };
        let outcome = asked.judge(message, scratch);
        self.learn(&attempt, &outcome, means.now);
        self.take(&attempt, outcome, means)
    }

    /// Takes what else became of one attempt.
    pub fn trouble(&mut self, attempt: u8, trouble: Trouble, means: &mut Means<'_>) -> Option<Fetched> {
        let attempt = self.close(attempt)?;
        let index = usize::from(attempt.target);
        let outcome = match trouble {
            Trouble::ConnectionLost => Outcome::ConnectionLost,
            Trouble::Unreachable(why) => {
                self.errand.stats()[index].failed();
                self.errand.endpoint().targets[index].target.unreachable(attempt.sent, &why);
                Outcome::Unreachable(why)
            }
        };
        self.take(&attempt, outcome, means)
    }

    /// Does what is due: attempts unanswered for too long are lost, and after the newest one's patience another
    /// target is asked as well. Whose deadline is over is the caller's to see.
    pub fn tick(&mut self, means: &mut Means<'_>) -> Option<Fetched> {
        self.lose_old(means.now);
        let (index, until) = self.patience?;
        if self.landed || means.now < until {
            return None;
        }
        let index = usize::from(index);
        let began = self.attempts.iter().rev().find(|attempt| usize::from(attempt.target) == index)?.sent;
        self.errand.endpoint().targets[index].target.late(began);
        self.go_on(means)
    }

    /// When `tick` or the caller has something to do, if nothing comes before.
    pub fn due(&self) -> Option<Instant> {
        let losses =
            self.attempts.iter().filter(|attempt| attempt.open).map(|attempt| attempt.sent + LOSS_AFTER);
        if self.landed {
            return losses.min();
        }
        let waits = self.waiters.iter().map(|(until, _)| *until);
        let patience = self.patience.map(|(_, until)| until);
        waits.chain(losses).chain(patience).chain([self.deadline]).min()
    }

    /// Whether some attempt may still be answered.
    pub fn is_open(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.open)
    }

    /// What clients learn when nothing came in time.
    pub fn silence(&self) -> ExtendedError {
        let endpoint = self.errand.endpoint();
        let targets: Vec<String> =
            endpoint.targets.iter().map(|member| member.target.address.to_string()).collect();
        let text = format!("endpoint {}: no answer in time from {}", endpoint.name, targets.join(", "));
        ExtendedError::new(ErrorCode::NoReachableAuthority, text)
    }

    /// Asks the next target; gives its index.
    fn ask_next(&mut self, means: &mut Means<'_>) -> Option<usize> {
        while self.progress.sent < MAX_ATTEMPTS {
            let index = self.errand.endpoint().pick(&self.progress.tried, means.random)?;
            self.progress.tried.push(index as u16);
            let edns = self.errand.endpoint().targets[index].target.takes_edns(means.now);
            if self.send(index, Manner { edns, over_tcp: false }, means) {
                return Some(index);
            }
        }
        None
    }

    /// Sends the question; says whether it left.
    fn send(&mut self, index: usize, manner: Manner, means: &mut Means<'_>) -> bool {
        self.progress.sent += 1;
        let ask = Ask { edns: manner.edns, ..self.question.ask() };
        write_question(means.message, &ask);
        let ticket = Ticket { flight: means.id, attempt: self.attempts.len() as u8 };
        let target = &self.errand.endpoint().targets[index].target;
        match means.transport.ask(target.address, manner.over_tcp, means.message, ticket, means.now) {
            Ok(()) => {
                target.asked();
                self.errand.stats()[index].asked();
                self.attempts.push(Attempt { target: index as u16, manner, sent: means.now, open: true });
                self.progress.open += 1;
                true
            }
            Err(error) => {
                let why = error.to_string();
                target.unreachable(means.now, &why);
                self.fail(index, &why);
                false
            }
        }
    }

    /// Ends the wait for an attempt; none if it was over before.
    fn close(&mut self, attempt: u8) -> Option<Attempt> {
        let attempt = self.attempts.get_mut(usize::from(attempt)).filter(|attempt| attempt.open)?;
        attempt.open = false;
        let attempt = *attempt;
        self.errand.endpoint().targets[usize::from(attempt.target)].target.settled();
        Some(attempt)
    }

    fn lose_old(&mut self, now: Instant) {
        for index in 0..self.attempts.len() {
            let attempt = self.attempts[index];
            if attempt.open && now.saturating_duration_since(attempt.sent) >= LOSS_AFTER {
                self.close(index as u8);
                let target = usize::from(attempt.target);
                self.errand.stats()[target].timed_out();
                self.errand.endpoint().targets[target].target.lost(attempt.sent);
            }
        }
    }

    fn learn(&self, attempt: &Attempt, outcome: &Outcome, now: Instant) {
        let index = usize::from(attempt.target);
        let target = &self.errand.endpoint().targets[index].target;
        let stats = &self.errand.stats()[index];
        let fault = |why: &str| {
            stats.failed();
            target.erred(why);
        };
        let after: Duration = now.saturating_duration_since(attempt.sent);
        if matches!(
            outcome,
            Outcome::Answer { .. } | Outcome::Truncated | Outcome::NoEdns | Outcome::Rejected { .. }
        ) {
            target.heard(now, after);
            stats.answered(after);
        }
        match outcome {
            Outcome::Rejected { rcode, .. } => fault(&format!("it says {}", rcode_name(*rcode))),
            Outcome::Suspicious => fault("a reply to another question came with the right ID"),
            Outcome::Broken(why) => fault(&why.to_string()),
            Outcome::Answer { .. }
            | Outcome::Truncated
            | Outcome::NoEdns
            | Outcome::ConnectionLost
            | Outcome::Unreachable(_) => {}
        }
    }

    fn take(&mut self, attempt: &Attempt, outcome: Outcome, means: &mut Means<'_>) -> Option<Fetched> {
        if self.landed {
            return None;
        }
        self.progress.open = self.progress.open.saturating_sub(1);
        match self.digest(attempt, outcome, means) {
            Next::Done(fetched) => Some(fetched),
            Next::Wait => None,
            Next::Another => self.go_on(means),
        }
    }

    fn digest(&mut self, attempt: &Attempt, outcome: Outcome, means: &mut Means<'_>) -> Next {
        let index = usize::from(attempt.target);
        let edns = attempt.manner.edns;
        match outcome {
            Outcome::Answer { answer, lifetime } => {
                let target = &self.errand.endpoint().targets[index].target;
                if !edns && target.takes_edns(means.now) && answer.view().rcode() != rcode::FORMERR {
                    target.answered_plain(means.now);
                }
                Next::Done(Fetched::Answer { answer, lifetime })
            }
            Outcome::Rejected { answer, rcode } => {
                if rcode <= bit::RCODE {
                    self.progress.rejected = Some(answer);
                }
                self.fail(index, &rcode_name(rcode))
            }
            Outcome::Truncated | Outcome::Suspicious | Outcome::ConnectionLost => {
                self.again(index, Manner { edns, over_tcp: true }, means)
            }
            Outcome::NoEdns => self.again(index, Manner { edns: false, over_tcp: false }, means),
            Outcome::Broken(fault) => self.fail(index, &fault.to_string()),
            Outcome::Unreachable(why) => self.fail(index, &why),
        }
    }

    fn fail(&mut self, index: usize, why: &str) -> Next {
        let address = self.errand.endpoint().targets[index].target.address;
        self.progress.trouble = Some(format!("{address}: {why}"));
        let index = index as u16;
        if !self.progress.failed.contains(&index) {
            self.progress.failed.push(index);
        }
        Next::Another
    }

    /// Asks the same target in another manner.
    fn again(&mut self, index: usize, manner: Manner, means: &mut Means<'_>) -> Next {
        if self.progress.sent < MAX_ATTEMPTS && self.send(index, manner, means) {
            Next::Wait
        } else {
            Next::Another
        }
    }

    fn give_up(&mut self) -> Fetched {
        match self.progress.rejected.take() {
            Some(answer) => Fetched::Answer { answer, lifetime: 0 },
            None => {
                let why = self.progress.trouble.take();
                let why = why.unwrap_or_else(|| "no target to ask".to_string());
                let text = format!("endpoint {}: {why}", self.errand.endpoint().name);
                Fetched::Failed(ExtendedError::new(ErrorCode::NetworkError, text))
            }
        }
    }
}
