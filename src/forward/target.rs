//! One target and what was learned about it. Shared by all workers, kept over reloads while its address and
//! endpoint stay; every field is an atomic or changes only with the state.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{ATTEMPT_MAX, ATTEMPT_MIN, ATTEMPT_UNKNOWN, LATE_UNTIL_SUSPECT, LOSSES_UNTIL_DOWN};

/// How long a target that answered only without an OPT is asked without one.
const PLAIN_FOR: Duration = Duration::from_secs(60);

/// healthy → suspect at the first question lost with nothing heard since, or at the second in a row that takes
/// unusually long; → down at the second loss, be it a question's or a probe's. Anything heard makes it healthy.
/// Suspect and down targets are probed twice a second and get client
/// questions only where no healthy target is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    Healthy = 0,
    Suspect = 1,
    Down = 2,
}

impl State {
    fn from_octet(octet: u8) -> State {
        match octet {
            0 => State::Healthy,
            1 => State::Suspect,
            _ => State::Down,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            State::Healthy => "healthy",
            State::Suspect => "suspect",
            State::Down => "down",
        }
    }
}

pub struct Target {
    pub address: SocketAddr,
    pub az: Option<String>,
    /// The endpoint's name, for logs.
    pub endpoint: String,
    began: Instant,
    outstanding: AtomicU32,
    /// Smoothed round trip and its mean deviation, in microseconds (RFC 6298 section 2); 0: nothing known.
    srtt_us: AtomicU32,
    deviation_us: AtomicU32,
    state: AtomicU8,
    since_ms: AtomicU64,
    heard_ms: AtomicU64,
    lost_in_a_row: AtomicU32,
    late_in_a_row: AtomicU32,
    plain_until_ms: AtomicU64,
    pub queries: AtomicU64,
    pub timeouts: AtomicU64,
    pub errors: AtomicU64,
    last_failure: Mutex<Option<String>>,
}

impl Target {
    pub fn new(address: SocketAddr, az: Option<String>, endpoint: &str) -> Target {
        Target {
            address,
            az,
            endpoint: endpoint.to_string(),
            began: Instant::now(),
            outstanding: AtomicU32::new(0),
            srtt_us: AtomicU32::new(0),
            deviation_us: AtomicU32::new(0),
            state: AtomicU8::new(State::Healthy as u8),
            since_ms: AtomicU64::new(0),
            heard_ms: AtomicU64::new(0),
            lost_in_a_row: AtomicU32::new(0),
            late_in_a_row: AtomicU32::new(0),
            plain_until_ms: AtomicU64::new(0),
            queries: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_failure: Mutex::new(None),
        }
    }

    pub fn state(&self) -> State {
        State::from_octet(self.state.load(Relaxed))
    }

    /// Time in this state.
    pub fn since(&self) -> Duration {
        Duration::from_millis(self.ms(Instant::now()).saturating_sub(self.since_ms.load(Relaxed)))
    }

    pub fn outstanding(&self) -> u32 {
        self.outstanding.load(Relaxed)
    }

    /// Smoothed round trip; none before the first answer.
    pub fn round_trip(&self) -> Option<Duration> {
        match self.srtt_us.load(Relaxed) {
            0 => None,
            us => Some(Duration::from_micros(us.into())),
        }
    }

    pub fn last_failure(&self) -> Option<String> {
        self.failure_lock().clone()
    }

    /// How long to wait for this target before another one is asked as well: round trip and four deviations,
    /// within bounds.
    pub fn patience(&self) -> Duration {
        match self.srtt_us.load(Relaxed) {
            0 => ATTEMPT_UNKNOWN,
            srtt => {
                let us = u64::from(srtt) + 4 * u64::from(self.deviation_us.load(Relaxed));
                Duration::from_micros(us).clamp(ATTEMPT_MIN, ATTEMPT_MAX)
            }
        }
    }

    pub fn takes_edns(&self, now: Instant) -> bool {
        let plain_until = self.plain_until_ms.load(Relaxed);
        plain_until == 0 || plain_until <= self.ms(now)
    }

    /// It answered without an OPT what it could not read with one.
    pub fn answered_plain(&self, now: Instant) {
        self.plain_until_ms.store(self.ms(now + PLAIN_FOR), Relaxed);
    }

    /// A question leaves for this target.
    pub fn asked(&self) {
        self.outstanding.fetch_add(1, Relaxed);
        self.queries.fetch_add(1, Relaxed);
    }

    /// A question's wait is over, however it ended.
    pub fn settled(&self) {
        self.outstanding.fetch_sub(1, Relaxed);
    }

    /// Something sound came back, `round_trip` after its question.
    pub fn heard(&self, now: Instant, round_trip: Duration) {
        self.learn(round_trip);
        self.heard_ms.store(self.ms(now), Relaxed);
        for count in [&self.lost_in_a_row, &self.late_in_a_row] {
            if count.load(Relaxed) != 0 {
                count.store(0, Relaxed);
            }
        }
        if self.state() != State::Healthy {
            self.enter(State::Healthy, "it answers");
        }
    }

    /// What was sent at `sent` takes longer than this target's patience. Twice in a row with nothing heard since
    /// the first, and others are asked first, until the reply or a probe shows that it lives: without this,
    /// each client would wait for a silent near target before a far one is asked, until the first loss.
    pub fn late(&self, sent: Instant) {
        if self.heard_ms.load(Relaxed) > self.ms(sent) || self.state() != State::Healthy {
            return;
        }
        if self.late_in_a_row.fetch_add(1, Relaxed) + 1 >= LATE_UNTIL_SUSPECT {
            self.enter(State::Suspect, "late twice in a row");
        }
    }

    /// No reply came to what was sent at `sent`. Only counts against the target if it said nothing else since:
    /// a slow answer to one hard question is no sign of death.
    pub fn lost(&self, sent: Instant) {
        self.timeouts.fetch_add(1, Relaxed);
        if self.heard_ms.load(Relaxed) > self.ms(sent) {
            return;
        }
        self.failed("no answer");
    }

    /// The network says that nobody listens there.
    pub fn unreachable(&self, sent: Instant, why: &str) {
        self.errors.fetch_add(1, Relaxed);
        if self.heard_ms.load(Relaxed) <= self.ms(sent) {
            self.failed(why);
        }
    }

    /// It answered, but nothing that can be handed on: SERVFAIL, REFUSED, broken bytes. That may be the
    /// question's fault, so the target stays in use.
    pub fn erred(&self, why: &str) {
        self.errors.fetch_add(1, Relaxed);
        self.note_failure(why);
    }

    fn failed(&self, why: &str) {
        self.note_failure(why);
        let lost = self.lost_in_a_row.fetch_add(1, Relaxed) + 1;
        let state = self.state();
        if lost >= LOSSES_UNTIL_DOWN && state != State::Down {
            self.enter(State::Down, why);
        } else if state == State::Healthy {
            self.enter(State::Suspect, why);
        }
    }

    /// One line per change, not one per query.
    fn enter(&self, state: State, why: &str) {
        let before = State::from_octet(self.state.swap(state as u8, Relaxed));
        if before == state {
            return;
        }
        self.since_ms.store(self.ms(Instant::now()), Relaxed);
        let (endpoint, target) = (&self.endpoint, self.address);
        match state {
            State::Healthy => {
                tracing::info!(endpoint, %target, before = before.word(), "target is healthy: {why}")
            }
            State::Suspect => tracing::debug!(endpoint, %target, "target is suspect: {why}"),
            State::Down => tracing::warn!(endpoint, %target, "target is down: {why}"),
        }
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
    fn learn(&self, round_trip: Duration) {
        let sample = u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX).max(1);
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

    fn ms(&self, instant: Instant) -> u64 {
        // 584 million years; a Duration's milliseconds fit.
        instant.saturating_duration_since(self.began).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::new("127.0.0.1:53".parse().unwrap(), None, "e")
    }

    #[test]
    fn two_losses_with_nothing_heard_take_it_down_and_one_answer_brings_it_back() {
        let target = target();
        let sent = Instant::now();
        target.lost(sent);
        assert_eq!(target.state(), State::Suspect);
        target.lost(sent);
        assert_eq!(target.state(), State::Down);
        target.heard(sent + Duration::from_millis(5), Duration::from_millis(5));
        assert_eq!(target.state(), State::Healthy);
    }

    #[test]
    fn late_twice_in_a_row_is_suspect_until_heard() {
        let target = target();
        let sent = Instant::now();
        target.late(sent);
        target.heard(sent + Duration::from_millis(90), Duration::from_millis(90));
        target.late(sent + Duration::from_millis(100));
        assert_eq!(target.state(), State::Healthy, "not in a row");
        target.late(sent + Duration::from_millis(200));
        assert_eq!(target.state(), State::Suspect);
        target.heard(sent + Duration::from_millis(300), Duration::from_millis(100));
        assert_eq!(target.state(), State::Healthy);
    }

    #[test]
    fn a_slow_answer_is_no_sign_of_death() {
        let target = target();
        let sent = Instant::now();
        target.heard(sent + Duration::from_millis(700), Duration::from_millis(3));
        target.lost(sent);
        target.lost(sent);
        assert_eq!(target.state(), State::Healthy);
        assert_eq!(target.timeouts.load(Relaxed), 2);
    }

    #[test]
    fn patience_follows_the_round_trip_within_bounds() {
        let target = target();
        assert_eq!(target.patience(), ATTEMPT_UNKNOWN);
        for _ in 0..50 {
            target.heard(Instant::now(), Duration::from_millis(1));
        }
        assert_eq!(target.patience(), ATTEMPT_MIN);
        for _ in 0..50 {
            target.heard(Instant::now(), Duration::from_millis(100));
        }
        assert!(
            target.patience() >= Duration::from_millis(100)
                && target.patience() <= Duration::from_millis(250)
        );
        for _ in 0..50 {
            target.heard(Instant::now(), Duration::from_secs(3));
        }
        assert_eq!(target.patience(), ATTEMPT_MAX);
    }
}
