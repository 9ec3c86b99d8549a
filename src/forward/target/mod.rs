//! One target and what was learned about it. Shared by all workers, kept over reloads while its address and
//! endpoint stay; every field is an atomic or changes only with the state. Time comes in as an argument.

mod guard;
mod state;
mod times;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{
    ATTEMPT_MAX, ATTEMPT_MIN, ATTEMPT_SLACK, ATTEMPT_UNKNOWN, HEDGE_MIN, LATE_UNTIL_SUSPECT,
    LOSSES_UNTIL_DOWN, REJECTIONS_UNTIL_SUSPECT, SLOW_START, TARGET_OUTSTANDING,
};
pub use guard::Guard;
pub use state::State;
use times::AnswerTimes;

/// How long a target that answered only without an OPT is asked without one.
const PLAIN_FOR: Duration = Duration::from_secs(60);
/// A drain without an end.
const FOR_EVER: u64 = u64::MAX;

pub struct Target {
    pub address: SocketAddr,
    /// The endpoint's name, for logs.
    pub endpoint: String,
    pub guard: Guard,
    began: Instant,
    outstanding: AtomicU32,
    /// Smoothed answer time and its mean deviation, in microseconds (RFC 6298 section 2); 0: nothing known.
    srtt_us: AtomicU32,
    deviation_us: AtomicU32,
    /// The way there and back, without the target's own work: smoothed over probes and quick answers.
    network_us: AtomicU32,
    times: AnswerTimes,
    state: AtomicU8,
    since_us: AtomicU64,
    heard_us: AtomicU64,
    probed_us: AtomicU64,
    lost_in_a_row: AtomicU32,
    late_in_a_row: AtomicU32,
    rejected_in_a_row: AtomicU32,
    plain_until_us: AtomicU64,
    /// No client's question goes there until then; 0: not drained.
    drained_until_us: AtomicU64,
    pub queries: AtomicU64,
    pub timeouts: AtomicU64,
    pub errors: AtomicU64,
    /// Questions that went elsewhere because of the guard.
    pub guarded: AtomicU64,
    /// Questions that it got ahead of need, as the second target.
    pub hedges: AtomicU64,
    last_failure: Mutex<Option<String>>,
}

/// What a reply says of the one who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// An answer.
    Good,
    /// SERVFAIL, REFUSED, or bytes that are no answer: it lives, but is of no use.
    Failure,
}

impl Target {
    pub fn new(address: SocketAddr, endpoint: &str) -> Target {
        Target {
            address,
            endpoint: endpoint.to_string(),
            guard: Guard::new(None),
            began: Instant::now(),
            outstanding: AtomicU32::new(0),
            srtt_us: AtomicU32::new(0),
            deviation_us: AtomicU32::new(0),
            network_us: AtomicU32::new(0),
            times: AnswerTimes::default(),
            state: AtomicU8::new(State::Healthy as u8),
            since_us: AtomicU64::new(0),
            heard_us: AtomicU64::new(0),
            probed_us: AtomicU64::new(0),
            lost_in_a_row: AtomicU32::new(0),
            late_in_a_row: AtomicU32::new(0),
            rejected_in_a_row: AtomicU32::new(0),
            plain_until_us: AtomicU64::new(0),
            drained_until_us: AtomicU64::new(0),
            queries: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            guarded: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            last_failure: Mutex::new(None),
        }
    }

    /// Lets its clock begin elsewhere: for stages, whose clock is their own.
    pub fn began_at(mut self, began: Instant) -> Target {
        self.began = began;
        self
    }

    pub fn guarded_at(mut self, per_second: Option<u32>) -> Target {
        self.guard = Guard::new(per_second);
        self
    }

    pub fn state(&self) -> State {
        State::from_octet(self.state.load(Relaxed))
    }

    /// Time in this state.
    pub fn since(&self, now: Instant) -> Duration {
        Duration::from_micros(self.us(now).saturating_sub(self.since_us.load(Relaxed)))
    }

    pub fn outstanding(&self) -> u32 {
        self.outstanding.load(Relaxed)
    }

    /// Whether it has as many questions as it is to have at once, or its guard says no more for now.
    pub fn is_full(&self, now: Instant) -> bool {
        self.outstanding() >= TARGET_OUTSTANDING || !self.has_room(now)
    }

    /// Whether its guard lets another question out.
    pub fn has_room(&self, now: Instant) -> bool {
        self.guard.has_room(self.us(now))
    }

    /// Smoothed answer time; none before the first answer.
    pub fn round_trip(&self) -> Option<Duration> {
        known(&self.srtt_us)
    }

    /// The way there and back, as probes and quick answers show it.
    pub fn network(&self) -> Option<Duration> {
        known(&self.network_us)
    }

    /// The time within which 95 % of its answers come.
    pub fn usual(&self) -> Option<Duration> {
        self.times.usual()
    }

    pub fn last_failure(&self) -> Option<String> {
        self.failure_lock().clone()
    }

    /// How long to wait for this target before the lack of an answer is held against it: answer time and four
    /// deviations or a fifth of it, within bounds.
    pub fn patience(&self) -> Duration {
        match self.srtt_us.load(Relaxed) {
            0 => ATTEMPT_UNKNOWN,
            srtt => {
                let spread = 4 * u64::from(self.deviation_us.load(Relaxed));
                let us = u64::from(srtt) + spread.max((srtt / ATTEMPT_SLACK).into());
                Duration::from_micros(us).clamp(ATTEMPT_MIN, ATTEMPT_MAX)
            }
        }
    }

    /// After how long a second target is asked as well, if the budget has room: about when 95 % of this one's
    /// answers have come. Before enough of them came, by the way there and back, with room for some work.
    pub fn hedge_after(&self) -> Duration {
        let usual = self.usual().or_else(|| self.network().map(|network| 4 * network + 4 * HEDGE_MIN));
        usual.unwrap_or(ATTEMPT_UNKNOWN).clamp(HEDGE_MIN, ATTEMPT_MAX)
    }

    /// The share of its questions that a target gets while it is coming back: from a tenth to all of them.
    pub fn share(&self, now: Instant) -> f64 {
        match self.state() {
            State::Returning => (self.since(now).as_secs_f64() / SLOW_START.as_secs_f64()).clamp(0.1, 1.0),
            _ => 1.0,
        }
    }

    pub fn takes_edns(&self, now: Instant) -> bool {
        let plain_until = self.plain_until_us.load(Relaxed);
        plain_until == 0 || plain_until <= self.us(now)
    }

    /// It answered without an OPT what it could not read with one.
    pub fn answered_plain(&self, now: Instant) {
        self.plain_until_us.store(self.us(now + PLAIN_FOR), Relaxed);
    }

    /// Keeps clients' questions from it, for so long or until `enable`.
    pub fn drain(&self, now: Instant, length: Option<Duration>) {
        let until = length.map_or(FOR_EVER, |length| self.us(now).saturating_add(length.as_micros() as u64));
        self.drained_until_us.store(until.max(1), Relaxed);
        let (endpoint, target) = (&self.endpoint, self.address);
        tracing::info!(endpoint, %target, seconds = length.map(|length| length.as_secs()), "target is drained");
    }

    pub fn enable(&self) {
        if self.drained_until_us.swap(0, Relaxed) != 0 {
            let (endpoint, target) = (&self.endpoint, self.address);
            tracing::info!(endpoint, %target, "target is enabled again");
        }
    }

    /// What is left of a drain; none if there is none, the longest time there is for one without an end.
    pub fn drained_for(&self, now: Instant) -> Option<Duration> {
        match self.drained_until_us.load(Relaxed) {
            0 => None,
            FOR_EVER => Some(Duration::MAX),
            until => Some(Duration::from_micros(until.checked_sub(self.us(now)).filter(|left| *left > 0)?)),
        }
    }

    /// A question leaves for this target.
    pub fn asked(&self, now: Instant) {
        self.outstanding.fetch_add(1, Relaxed);
        self.queries.fetch_add(1, Relaxed);
        self.guard.take(self.us(now));
    }

    /// The question that leaves next is one ahead of need.
    pub fn hedged(&self) {
        self.hedges.fetch_add(1, Relaxed);
    }

    /// A question's wait is over, however it ended.
    pub fn settled(&self) {
        self.outstanding.fetch_sub(1, Relaxed);
    }

    /// A reply came back, `took` after its question.
    pub fn heard(&self, now: Instant, took: Duration, worth: Worth) {
        self.learn(took);
        self.times.learn(took);
        if self.network().is_none_or(|network| took <= 2 * network) {
            self.learn_network(took);
        }
        self.lives(now);
        match worth {
            Worth::Good => {
                clear(&self.rejected_in_a_row);
                match self.state() {
                    State::Suspect => self.enter(State::Healthy, now, "it answers"),
                    State::Silent => self.enter(State::Returning, now, "it answers"),
                    // What it says to a probe decides: other questions may be ones that it always knew.
                    State::Failing | State::Healthy => {}
                    State::Returning if self.since(now) >= SLOW_START => {
                        self.enter(State::Healthy, now, "it has been back for a while");
                    }
                    State::Returning => {}
                }
            }
            Worth::Failure => {
                let in_a_row = self.rejected_in_a_row.fetch_add(1, Relaxed) + 1;
                match self.state() {
                    State::Silent => self.enter(State::Failing, now, "it answers, but with failures"),
                    State::Healthy | State::Returning if in_a_row >= REJECTIONS_UNTIL_SUSPECT => {
                        self.enter(State::Suspect, now, "it answers with failures only");
                    }
                    State::Suspect if in_a_row < REJECTIONS_UNTIL_SUSPECT => {
                        self.enter(State::Healthy, now, "it answers");
                    }
                    _ => {}
                }
            }
        }
    }

    /// A probe's reply came back, and says what is expected or not.
    pub fn proved(&self, now: Instant, took: Duration, worth: Worth, why: &str) {
        self.learn_network(took);
        self.lives(now);
        match (worth, self.state()) {
            (Worth::Good, State::Suspect) => self.enter(State::Healthy, now, "its probe is answered"),
            (Worth::Good, State::Silent | State::Failing) => {
                // What was learned before it went away says nothing of it now.
                self.forget();
                self.enter(State::Returning, now, "its probe is answered");
            }
            (Worth::Good, State::Returning) if self.since(now) >= SLOW_START => {
                self.enter(State::Healthy, now, "it has been back for a while");
            }
            (Worth::Good, State::Healthy | State::Returning) => {}
            (Worth::Failure, State::Healthy | State::Returning) => {
                self.note_failure(why);
                self.enter(State::Suspect, now, why);
            }
            (Worth::Failure, State::Suspect | State::Silent) => {
                self.note_failure(why);
                self.enter(State::Failing, now, why);
            }
            (Worth::Failure, State::Failing) => self.note_failure(why),
        }
        if worth == Worth::Good {
            clear(&self.rejected_in_a_row);
        }
    }

    /// What was sent at `sent` takes longer than this target's patience. Twice in a row with nothing heard since
    /// the first, and others are asked first, until the reply or a probe shows that it lives: without this,
    /// each client would wait for a silent near target before a far one is asked, until the first loss.
    pub fn late(&self, sent: Instant, now: Instant) {
        if self.heard_since(sent) || !self.state().is_good() {
            return;
        }
        if self.late_in_a_row.fetch_add(1, Relaxed) + 1 >= LATE_UNTIL_SUSPECT {
            self.enter(State::Suspect, now, "late twice in a row");
        }
    }

    /// No reply came to what was sent at `sent`. Only counts against the target if it said nothing else since:
    /// a slow answer to one hard question is no sign of death.
    pub fn lost(&self, sent: Instant, now: Instant) {
        self.timeouts.fetch_add(1, Relaxed);
        if !self.heard_since(sent) {
            self.failed(now, "no answer");
        }
    }

    /// The network says that nobody listens there.
    pub fn unreachable(&self, sent: Instant, now: Instant, why: &str) {
        self.errors.fetch_add(1, Relaxed);
        if !self.heard_since(sent) {
            self.failed(now, why);
        }
    }

    /// It answered, but nothing that can be handed on: SERVFAIL, REFUSED, broken bytes. That may be the
    /// question's fault, so one such reply changes nothing.
    pub fn erred(&self, why: &str) {
        self.errors.fetch_add(1, Relaxed);
        self.note_failure(why);
    }

    /// When a probe left for it.
    pub fn probe_sent(&self, now: Instant) {
        self.probed_us.store(self.us(now).max(1), Relaxed);
    }

    /// How long ago something was heard of it, and a probe was sent to it; none for never.
    pub fn quiet_for(&self, now: Instant) -> (Option<Duration>, Option<Duration>) {
        let ago = |at: &AtomicU64| match at.load(Relaxed) {
            0 => None,
            at => Some(Duration::from_micros(self.us(now).saturating_sub(at))),
        };
        (ago(&self.heard_us), ago(&self.probed_us))
    }

    /// Lost in a row, nothing heard between.
    pub fn losses(&self) -> u32 {
        self.lost_in_a_row.load(Relaxed)
    }

    fn heard_since(&self, sent: Instant) -> bool {
        self.heard_us.load(Relaxed) > self.us(sent)
    }

    fn lives(&self, now: Instant) {
        self.heard_us.store(self.us(now).max(1), Relaxed);
        clear(&self.lost_in_a_row);
        clear(&self.late_in_a_row);
    }

    fn failed(&self, now: Instant, why: &str) {
        self.note_failure(why);
        let lost = self.lost_in_a_row.fetch_add(1, Relaxed) + 1;
        match self.state() {
            State::Silent => {}
            _ if lost >= LOSSES_UNTIL_DOWN => self.enter(State::Silent, now, why),
            State::Healthy | State::Returning => self.enter(State::Suspect, now, why),
            State::Suspect | State::Failing => {}
        }
    }

    /// One line per change, not one per query.
    fn enter(&self, state: State, now: Instant, why: &str) {
        let before = State::from_octet(self.state.swap(state as u8, Relaxed));
        if before == state {
            return;
        }
        self.since_us.store(self.us(now), Relaxed);
        let (endpoint, target, before) = (&self.endpoint, self.address, before.word());
        let word = state.word();
        match state {
            State::Silent | State::Failing => {
                tracing::warn!(endpoint, %target, before, "target is {word}: {why}");
            }
            State::Returning => tracing::info!(endpoint, %target, before, "target is {word}: {why}"),
            State::Healthy | State::Suspect => {
                tracing::debug!(endpoint, %target, before, "target is {word}: {why}");
            }
        }
    }

    fn forget(&self) {
        self.srtt_us.store(0, Relaxed);
        self.times.forget();
    }

    fn note_failure(&self, why: &str) {
        let mut last = self.failure_lock();
        if last.as_deref() != Some(why) {
            *last = Some(why.to_string());
        }
    }

    fn failure_lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// RFC 6298 section 2. Workers race here; a lost update costs one sample.
    fn learn(&self, took: Duration) {
        let sample = whole_us(took);
        let srtt = self.srtt_us.load(Relaxed);
        if srtt == 0 {
            self.srtt_us.store(sample, Relaxed);
            self.deviation_us.store(sample / 2, Relaxed);
            return;
        }
        let deviation = self.deviation_us.load(Relaxed);
        self.deviation_us.store(deviation - deviation / 4 + srtt.abs_diff(sample) / 4, Relaxed);
        self.srtt_us.store((srtt - srtt / 8 + sample / 8).max(1), Relaxed);
    }

    fn learn_network(&self, took: Duration) {
        let sample = whole_us(took);
        let known = self.network_us.load(Relaxed);
        let smoothed = if known == 0 { sample } else { known - known / 8 + sample / 8 };
        self.network_us.store(smoothed.max(1), Relaxed);
    }

    /// Microseconds since this target was first known.
    fn us(&self, instant: Instant) -> u64 {
        // 584,000 years; a Duration's microseconds fit.
        instant.saturating_duration_since(self.began).as_micros() as u64
    }
}

fn whole_us(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1)
}

fn known(us: &AtomicU32) -> Option<Duration> {
    match us.load(Relaxed) {
        0 => None,
        us => Some(Duration::from_micros(us.into())),
    }
}

/// Writes only where something is to change: these lines are read by all workers.
fn clear(count: &AtomicU32) {
    if count.load(Relaxed) != 0 {
        count.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests;
