//! One question on its way to one or more targets, as a state machine: what was asked, what came back, and
//! what is to be done next. Time and chance come in as arguments; nothing here waits.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use smallvec::SmallVec;

use super::coalesce::Question;
use super::judge::{Asked, Manner, Outcome};
use super::target::{Target, Worth};
use super::{Errand, Fetched, FlightId, Ticket, Transport, Trouble};
use crate::limits::{LOSS_AFTER, MAX_ATTEMPTS, PROBE_TIMEOUT};
use crate::wire::answer::{Answer, Ask, write_question};
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::header::{bit, rcode, rcode_name};
use crate::wire::reply::Reply;

/// The most rounds whose waits double: beyond it the deadline is nearer.
const DOUBLINGS: u32 = 4;

/// What a flight is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// An answer, from whichever target gives it.
    Answer,
    /// To see whether a target of a dark endpoint is back: one attempt.
    Try,
    /// To see whether this target is of use.
    Probe { target: u16 },
    /// To see whether a marked question comes back from this target. Says nothing of its health: whatever it
    /// does with a name that does not exist is all right.
    Mark { target: u16 },
}

pub struct Flight<E, W> {
    pub question: Question,
    pub errand: E,
    pub aim: Aim,
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
    /// When those who wait get what was kept past its time, if something was (RFC 8767 section 5).
    pub stale_at: Option<Instant>,
    /// They have got it; so does who comes later.
    pub slow: bool,
    attempts: SmallVec<[Attempt; 2]>,
    progress: Progress,
    /// The attempt that is waited for, and how long.
    patience: Option<(u8, Instant)>,
    /// When a second target is asked out of the budget.
    hedge_at: Option<Instant>,
}

/// A question that left for a target.
#[derive(Clone, Copy)]
struct Attempt {
    target: u16,
    manner: Manner,
    sent: Instant,
    /// Not answered yet.
    open: bool,
    /// Unanswered for so long that it counts as lost; its answer is taken nevertheless while somebody waits.
    lost: bool,
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
    /// Some reply came, of whatever worth.
    heard: bool,
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

/// How long a question waits for a guarded target to have room again.
const ROOM_PAUSE: Duration = Duration::from_millis(20);

enum Next {
    Done(Fetched),
    Wait,
    Another,
}

impl<E: Errand, W> Flight<E, W> {
    pub fn new(
        question: Question,
        errand: E,
        aim: Aim,
        deadline: Instant,
        waiter: Option<(Instant, W)>,
    ) -> Self {
        Flight {
            question,
            errand,
            aim,
            waiters: waiter.into_iter().collect(),
            deadline,
            led: false,
            landed: false,
            armed: None,
            stale_at: None,
            slow: false,
            attempts: SmallVec::new(),
            progress: Progress::default(),
            patience: None,
            hedge_at: None,
        }
    }

    /// Keeps the question from these targets.
    pub fn avoid(&mut self, targets: &[u16]) {
        self.progress.tried.extend_from_slice(targets);
        self.progress.failed.extend_from_slice(targets);
    }

    /// Asks the next target; gives what the question came to if there is nothing left to wait for.
    pub fn go_on(&mut self, means: &mut Means<'_>) -> Option<Fetched> {
        let asked_before = self.progress.sent > 0;
        if asked_before && self.aim == Aim::Answer && self.errand.endpoint().is_dark(means.now) {
            return Some(Fetched::Failed(self.silence()));
        }
        loop {
            if let Some(index) = self.ask_next(means) {
                let target = self.target(index);
                let wait = target.patience() * (1 << self.progress.rounds.min(DOUBLINGS));
                let hedge_at = means.now + target.hedge_after();
                self.patience = Some(((self.attempts.len() - 1) as u8, means.now + wait));
                if !asked_before && self.aim == Aim::Answer {
                    self.errand.endpoint().budget.earn();
                    self.hedge_at = Some(hedge_at).filter(|at| *at < means.now + wait);
                }
                return None;
            }
            self.patience = None;
            if self.progress.open == 0 && !self.waits_for_room(means) {
                return Some(self.give_up());
            }
            let most = self.most_attempts();
            let (reached, until) = self.reached_over_tcp();
            let progress = &mut self.progress;
            let settled = progress.failed.len() + reached.len();
            if progress.sent >= most || self.aim != Aim::Answer {
                return None;
            }
            if progress.tried.len() <= settled {
                self.patience = until.map(|until| (u8::MAX, until)).or(self.patience);
                return None;
            }
            // All are asked and some still silent: those are asked again.
            progress.tried.clone_from(&progress.failed);
            progress.tried.extend(reached);
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
        self.progress.heard = true;
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
                if let Some(stats) = self.errand.stats(index) {
                    stats.failed();
                }
                // One that is lost has been held against the target already.
                if !attempt.lost {
                    self.target(index).unreachable(attempt.sent, means.now, &why);
                }
                Outcome::Unreachable(why)
            }
        };
        self.take(&attempt, outcome, means)
    }

    /// Does what is due: attempts unanswered for too long are lost, a second target is asked when most answers
    /// of the first have come, and another one when its patience is over. Whose deadline is over is the caller's
    /// to see.
    pub fn tick(&mut self, means: &mut Means<'_>) -> Option<Fetched> {
        self.lose_old(means.now);
        if self.landed {
            // Another target's answer came first: that this one is late counts all the same.
            self.note_late(means.now);
            return None;
        }
        if self.hedge_at.take_if(|at| *at <= means.now).is_some() {
            self.hedge(means);
        }
        if !self.note_late(means.now) {
            return None;
        }
        self.patience = self.younger_patience(means.now);
        match self.patience {
            Some(_) => None,
            None => self.go_on(means),
        }
    }

    /// Holds it against a target that its patience is over without an answer; says whether patience was over.
    fn note_late(&mut self, now: Instant) -> bool {
        let Some((attempt, _)) = self.patience.take_if(|(_, until)| *until <= now) else { return false };
        let attempt =
            self.attempts.get(usize::from(attempt)).filter(|attempt| attempt.open && !self.is_marked());
        if let Some(attempt) = attempt {
            self.target(usize::from(attempt.target)).late(attempt.sent, now);
        }
        true
    }

    /// Asks one more good target, if there is one and the budget has room.
    fn hedge(&mut self, means: &mut Means<'_>) {
        let endpoint = self.errand.endpoint();
        let Some(index) = endpoint.pick_good(&self.progress.tried, means.now, means.random) else { return };
        if self.progress.sent >= MAX_ATTEMPTS || !endpoint.budget.spend() {
            return;
        }
        self.progress.tried.push(index as u16);
        self.target(index).hedged();
        let edns = self.target(index).takes_edns(means.now);
        self.send(index, Manner { edns, over_tcp: false }, means);
    }

    /// The rest of the patience with an attempt that was made ahead of need.
    fn younger_patience(&self, now: Instant) -> Option<(u8, Instant)> {
        let open = self.attempts.iter().enumerate().filter(|(_, attempt)| attempt.open);
        let until = |attempt: &Attempt| attempt.sent + self.target(usize::from(attempt.target)).patience();
        open.map(|(index, attempt)| (index as u8, until(attempt))).find(|(_, until)| *until > now)
    }

    /// Targets that have the question over TCP, where nothing gets lost on the way: to ask them again brings nothing
    /// before the connection itself is in doubt. And when that is.
    fn reached_over_tcp(&self) -> (SmallVec<[u16; 4]>, Option<Instant>) {
        let mut reached = SmallVec::new();
        let mut until = None;
        let waits = |attempt: &&Attempt| attempt.manner.over_tcp && attempt.open && !attempt.lost;
        for attempt in self.attempts.iter().filter(waits) {
            if !self.progress.failed.contains(&attempt.target) && !reached.contains(&attempt.target) {
                reached.push(attempt.target);
            }
            until = until.max(Some(attempt.sent + LOSS_AFTER));
        }
        (reached, until)
    }

    fn target(&self, index: usize) -> &Target {
        &self.errand.endpoint().targets[index].target
    }

    pub fn is_probe(&self) -> bool {
        matches!(self.aim, Aim::Probe { .. })
    }

    fn is_marked(&self) -> bool {
        matches!(self.aim, Aim::Mark { .. })
    }

    fn most_attempts(&self) -> usize {
        match self.aim {
            Aim::Answer => MAX_ATTEMPTS,
            // One, and once more in another manner: without an OPT, or over TCP.
            Aim::Try | Aim::Probe { .. } | Aim::Mark { .. } => 2,
        }
    }

    /// Whether targets are left that only a guard keeps from being asked: then it is tried again shortly.
    fn waits_for_room(&mut self, means: &mut Means<'_>) -> bool {
        let guarded = |(index, member): (usize, &super::pick::Member)| {
            !self.progress.tried.contains(&(index as u16)) && !member.target.has_room(means.now)
        };
        let waits = self.aim == Aim::Answer
            && self.errand.endpoint().targets.iter().enumerate().any(guarded)
            && means.now + ROOM_PAUSE < self.deadline;
        if waits {
            self.patience = Some((u8::MAX, means.now + ROOM_PAUSE));
        }
        waits
    }

    /// When `tick` or the caller has something to do, if nothing comes before.
    pub fn due(&self) -> Option<Instant> {
        let undecided = self.attempts.iter().filter(|attempt| attempt.open && !attempt.lost);
        let losses = undecided.map(|attempt| attempt.sent + self.loss_after(attempt));
        let patience = self.patience.map(|(_, until)| until);
        if self.landed {
            return losses.chain(patience).min();
        }
        let waits = self.waiters.iter().map(|(until, _)| *until);
        let others = [Some(self.deadline), self.hedge_at, self.stale_at];
        waits.chain(losses).chain(patience).chain(others.into_iter().flatten()).min()
    }

    /// Whether an answer to some attempt may still teach about its target.
    pub fn is_open(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.open && !attempt.lost)
    }

    /// A probe is over: what its target said, or that it said nothing.
    pub fn prove(&mut self, fetched: &Fetched, now: Instant) {
        let Aim::Probe { target } = self.aim else { return };
        let Some(last) = self.attempts.last().copied() else { return };
        let was_open = self.is_open();
        for attempt in 0..self.attempts.len() {
            self.close(attempt as u8);
        }
        let (target, probe) = (self.target(usize::from(target)), &self.errand.endpoint().probe);
        let took = now.saturating_duration_since(last.sent);
        match probe.judge(fetched) {
            // The network's word has been heard by the target already.
            _ if !self.progress.heard && !was_open => {}
            _ if !self.progress.heard => target.lost(last.sent, now),
            Ok(()) => target.proved(now, took, Worth::Good, ""),
            Err(why) => target.proved(now, took, Worth::Failure, &format!("probe for {}: {why}", probe.name)),
        }
    }

    /// What clients learn when nothing came in time.
    pub fn silence(&self) -> ExtendedError {
        let endpoint = self.errand.endpoint();
        let targets: Vec<String> =
            endpoint.targets.iter().map(|member| member.target.address.to_string()).collect();
        let text = format!("endpoint {}: no answer from {}", endpoint.name, targets.join(", "));
        ExtendedError::new(ErrorCode::NoReachableAuthority, text)
    }

    /// Asks the next target; gives its index.
    fn ask_next(&mut self, means: &mut Means<'_>) -> Option<usize> {
        while self.progress.sent < self.most_attempts() {
            let tried = &self.progress.tried;
            let index = match self.aim {
                Aim::Answer => self.errand.endpoint().pick(tried, means.now, means.random)?,
                Aim::Try if tried.is_empty() => {
                    self.errand.endpoint().pick(tried, means.now, means.random)?
                }
                Aim::Probe { target } | Aim::Mark { target } if tried.is_empty() => usize::from(target),
                Aim::Try | Aim::Probe { .. } | Aim::Mark { .. } => return None,
            };
            self.progress.tried.push(index as u16);
            let edns = self.target(index).takes_edns(means.now);
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
        let target = self.target(index);
        match means.transport.ask(target.address, manner.over_tcp, means.message, ticket, means.now) {
            Ok(()) => {
                target.asked(means.now);
                if let Some(stats) = self.errand.stats(index) {
                    stats.asked();
                }
                self.attempts.push(Attempt {
                    target: index as u16,
                    manner,
                    sent: means.now,
                    open: true,
                    lost: false,
                });
                self.progress.open += 1;
                true
            }
            Err(error) => {
                let why = error.to_string();
                target.unreachable(means.now, means.now, &why);
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
        if !attempt.lost {
            self.target(usize::from(attempt.target)).settled();
        }
        Some(attempt)
    }

    fn lose_old(&mut self, now: Instant) {
        for index in 0..self.attempts.len() {
            let attempt = self.attempts[index];
            let undecided = attempt.open && !attempt.lost;
            if undecided && now.saturating_duration_since(attempt.sent) >= self.loss_after(&attempt) {
                self.attempts[index].lost = true;
                let target = usize::from(attempt.target);
                self.target(target).settled();
                if let Some(stats) = self.errand.stats(target) {
                    stats.timed_out();
                }
                if !self.is_marked() {
                    self.target(target).lost(attempt.sent, now);
                }
            }
        }
    }

    /// When an attempt without an answer counts as lost. Nobody waits for a probe, so that it may tell sooner; but one
    /// that answers late is alive, and what is far away gets the time that it needs.
    fn loss_after(&self, attempt: &Attempt) -> Duration {
        let Aim::Probe { .. } = self.aim else { return LOSS_AFTER };
        let network = self.target(usize::from(attempt.target)).network().unwrap_or_default();
        (2 * network).clamp(PROBE_TIMEOUT, LOSS_AFTER)
    }

    fn learn(&self, attempt: &Attempt, outcome: &Outcome, now: Instant) {
        let index = usize::from(attempt.target);
        let (target, stats) = (self.target(index), self.errand.stats(index));
        let took = now.saturating_duration_since(attempt.sent);
        let worth = match outcome {
            Outcome::Answer { .. } | Outcome::Truncated | Outcome::NoEdns => Worth::Good,
            _ => Worth::Failure,
        };
        if let Aim::Probe { .. } | Aim::Mark { .. } = self.aim {
            // What it proves is seen when it is over.
            return;
        }
        if matches!(outcome, Outcome::Suspicious) {
            // It may be a spoofer's: that says nothing of the target.
            target.erred("a reply to another question came with the right ID");
        } else {
            target.heard(now, took, worth);
        }
        if let Some(stats) = stats {
            match outcome {
                Outcome::Suspicious | Outcome::Broken(_) => {}
                _ => stats.answered(took),
            }
            if worth == Worth::Failure {
                stats.failed();
            }
        }
        match outcome {
            Outcome::Rejected { rcode, .. } => target.erred(&format!("it says {}", rcode_name(*rcode))),
            Outcome::Broken(why) => target.erred(&why.to_string()),
            _ => {}
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
                let target = self.target(index);
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
        let address = self.target(index).address;
        self.progress.trouble = Some(format!("{address}: {why}"));
        let index = index as u16;
        if !self.progress.failed.contains(&index) {
            self.progress.failed.push(index);
        }
        Next::Another
    }

    /// Asks the same target in another manner.
    fn again(&mut self, index: usize, manner: Manner, means: &mut Means<'_>) -> Next {
        if self.progress.sent < self.most_attempts() && self.send(index, manner, means) {
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
