//! Which target is asked next: the best tier that has one left, and of two of its targets, drawn by chance,
//! the one with fewer questions outstanding. That steers off a silent target before any timeout tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use super::budget::Budget;
use super::target::{State, Target};
use crate::limits::DARK_ATTEMPT_EVERY;
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::name::Name;

/// A named group of targets.
pub struct Endpoint {
    pub name: String,
    pub targets: Vec<Member>,
    /// Pass the client's EDNS client subnet on (RFC 7871).
    pub client_subnet: bool,
    pub probe: Probe,
    /// Targets that are missing because nothing is known of where they are, in words.
    pub missing: Vec<String>,
    pub budget: Budget,
    /// When the last question was let through although all targets were silent, in milliseconds since `began`.
    dark_attempt_ms: AtomicU64,
    began: Instant,
}

/// A target in an endpoint.
pub struct Member {
    pub target: Arc<Target>,
    /// Its Availability Zone, if that is written.
    pub az: Option<String>,
    /// Lower ones are asked before higher ones, wherever they are.
    pub tier: u8,
    /// In the server's own Availability Zone, or no zone is set anywhere.
    pub near: bool,
}

/// What targets are asked to find out whether they are of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub name: Name,
    pub rtype: u16,
    pub expect: Expect,
}

/// What a probe's reply must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// NOERROR or NXDOMAIN: the target has something to say. For a name that may or may not exist.
    Answer,
    /// This rcode.
    Rcode(u16),
    /// NOERROR, with this record's data (wire form) in the answer.
    Data(Vec<u8>),
}

/// How well placed a target is to be asked, lower first.
type Rank = (Standing, u8, bool);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Good,
    /// Good, but busy with all the questions it is to have at once.
    Busy,
    Suspect,
    Failing,
    Silent,
}

impl Member {
    /// None: it can't be asked now, as it is drained or its guard says so.
    fn rank(&self, now: Instant) -> Option<Rank> {
        if self.target.drained_for(now).is_some() || !self.target.has_room(now) {
            return None;
        }
        Some((self.standing(now), self.tier, !self.near))
    }

    fn standing(&self, now: Instant) -> Standing {
        match self.target.state() {
            State::Healthy | State::Returning if self.target.is_full(now) => Standing::Busy,
            State::Healthy | State::Returning => Standing::Good,
            State::Suspect => Standing::Suspect,
            State::Failing => Standing::Failing,
            State::Silent => Standing::Silent,
        }
    }

    /// Where it stands, seen from this server.
    pub fn place(&self) -> String {
        let place = if self.near { "near" } else { "in another zone" };
        match self.tier {
            0 => place.to_string(),
            tier => format!("tier {tier}, {place}"),
        }
    }

    /// Why it stands where it does in the order, for `explain` and `status`.
    pub fn because(&self, now: Instant) -> String {
        let place = self.place();
        if let Some(left) = self.target.drained_for(now) {
            return match left {
                Duration::MAX => "drained until it is enabled".to_string(),
                left => format!("drained for another {} s", left.as_secs().max(1)),
            };
        }
        match self.standing(now) {
            Standing::Good if self.target.state() == State::Returning => {
                format!("returning with {:.0} % of its share, {place}", 100.0 * self.target.share(now))
            }
            Standing::Good => format!("healthy, {place}"),
            Standing::Busy => format!("busy, asked after the others, {place}"),
            Standing::Suspect => "suspect, asked only where nothing better is left".to_string(),
            Standing::Failing => {
                "down: it answers with failures; asked only where nothing better is left".to_string()
            }
            Standing::Silent => "down: it does not answer; not asked while another one does".to_string(),
        }
    }
}

impl Endpoint {
    pub fn new(name: String, targets: Vec<Member>, client_subnet: bool, probe: Probe) -> Endpoint {
        Endpoint {
            name,
            targets,
            client_subnet,
            probe,
            missing: Vec::new(),
            budget: Budget::default(),
            dark_attempt_ms: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// Lets its clock begin elsewhere: for stages, whose clock is their own.
    pub fn began_at(mut self, began: Instant) -> Endpoint {
        self.began = began;
        self
    }

    /// The next target to ask that is not in `tried`.
    pub fn pick(&self, tried: &[u16], now: Instant, random: &mut impl Rng) -> Option<usize> {
        self.pick_where(tried, now, random, |_| true)
    }

    /// The same, but only one that is as good as any: to ask another one is no use while it costs more than it
    /// can bring.
    pub fn pick_good(&self, tried: &[u16], now: Instant, random: &mut impl Rng) -> Option<usize> {
        self.pick_where(tried, now, random, |rank| rank.0 == Standing::Good)
    }

    /// Whether all targets that may be asked are silent, or none may: nobody is to wait for them. A drained one is no
    /// help.
    pub fn is_dark(&self, now: Instant) -> bool {
        !self.asked(now).any(|member| member.target.state() != State::Silent)
    }

    /// The targets that are not drained.
    fn asked(&self, now: Instant) -> impl Iterator<Item = &Member> {
        self.targets.iter().filter(move |member| member.target.drained_for(now).is_none())
    }

    /// Whether some target has come back just now.
    pub fn is_coming_back(&self) -> bool {
        self.targets.iter().any(|member| member.target.state() == State::Returning)
    }

    /// Why nobody is asked, for clients.
    pub fn darkness(&self, now: Instant) -> ExtendedError {
        let word = |member: &Member| {
            let why = match member.target.drained_for(now) {
                Some(_) => "drained",
                None => "silent",
            };
            format!("{} {why}", member.target.address)
        };
        let targets: Vec<String> =
            self.targets.iter().map(word).chain(self.missing.iter().cloned()).collect();
        let text = format!("endpoint {}: no target answers: {}", self.name, targets.join(", "));
        ExtendedError::new(ErrorCode::NoReachableAuthority, text)
    }

    /// Whether this question is the one of this second that tries a dark endpoint nevertheless.
    pub fn tries_the_dark(&self, now: Instant) -> bool {
        if self.asked(now).next().is_none() {
            return false;
        }
        let now_ms = now.saturating_duration_since(self.began).as_millis() as u64 + 1;
        let last_ms = self.dark_attempt_ms.load(Relaxed);
        let due = last_ms == 0 || now_ms.saturating_sub(last_ms) >= DARK_ATTEMPT_EVERY.as_millis() as u64;
        due && self.dark_attempt_ms.compare_exchange(last_ms, now_ms, Relaxed, Relaxed).is_ok()
    }

    /// All targets in the order in which they would be asked, for `explain`.
    pub fn order(&self, now: Instant) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.targets.len()).collect();
        order.sort_by_key(|&index| {
            let member = &self.targets[index];
            let rank = member.rank(now);
            (rank.is_none(), rank, member.target.outstanding())
        });
        order
    }

    fn pick_where(
        &self,
        tried: &[u16],
        now: Instant,
        random: &mut impl Rng,
        wanted: impl Fn(&Rank) -> bool,
    ) -> Option<usize> {
        // Ranks are taken once: another thread may change a state between two looks.
        let left = self.targets.iter().enumerate().filter(|(index, _)| !tried.contains(&(*index as u16)));
        let mut best: Option<Rank> = None;
        let mut tier: smallvec::SmallVec<[usize; 8]> = smallvec::SmallVec::new();
        for (index, member) in left {
            let Some(rank) = member.rank(now) else {
                member.note_guarded(now);
                continue;
            };
            if best.is_none_or(|best| rank < best) {
                best = Some(rank);
                tier.clear();
            }
            if best == Some(rank) {
                tier.push(index);
            }
        }
        best.filter(wanted)?;
        let first = tier[random.random_range(0..tier.len())];
        let second = tier[random.random_range(0..tier.len())];
        let load = |index: usize| self.targets[index].target.outstanding();
        let drawn = if load(second) < load(first) { second } else { first };
        Some(self.with_slow_start(drawn, &tier, now, random))
    }

    /// A target that has just come back gets a part of what is drawn for it; another one gets the rest.
    fn with_slow_start(&self, drawn: usize, tier: &[usize], now: Instant, random: &mut impl Rng) -> usize {
        let target = |index: usize| &self.targets[index].target;
        if target(drawn).state() != State::Returning || random.random_bool(target(drawn).share(now)) {
            return drawn;
        }
        let settled = tier.iter().copied().filter(|&index| target(index).state() == State::Healthy);
        settled.min_by_key(|&index| target(index).outstanding()).unwrap_or(drawn)
    }
}

impl Member {
    /// A question goes elsewhere because of the guard.
    fn note_guarded(&self, now: Instant) {
        if !self.target.has_room(now) {
            self.target.guarded.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(places: &[(u8, bool)]) -> Endpoint {
        let member = |(index, &(tier, near)): (usize, &(u8, bool))| Member {
            target: Arc::new(Target::new(([127, 0, 0, index as u8 + 1], 53).into(), "e")),
            az: None,
            tier,
            near,
        };
        let targets = places.iter().enumerate().map(member).collect();
        let probe = Probe { name: Name::root(), rtype: 6, expect: Expect::Answer };
        Endpoint::new("e".into(), targets, false, probe)
    }

    fn lose(endpoint: &Endpoint, index: usize, times: usize, now: Instant) {
        (0..times).for_each(|_| endpoint.targets[index].target.lost(now, now));
    }

    #[test]
    fn near_and_healthy_first() {
        let endpoint = endpoint(&[(0, false), (0, true), (0, true)]);
        let (mut random, now) = (rand::rng(), Instant::now());
        for _ in 0..100 {
            assert_ne!(endpoint.pick(&[], now, &mut random), Some(0));
        }
        assert_eq!(endpoint.pick(&[1, 2], now, &mut random), Some(0));
        lose(&endpoint, 1, 1, now);
        lose(&endpoint, 2, 1, now);
        let pick = endpoint.pick(&[], now, &mut random);
        assert_eq!(pick, Some(0), "a healthy far target before suspect near ones");
        assert_eq!(endpoint.pick(&[0, 1, 2], now, &mut random), None);
        assert_eq!(endpoint.pick_good(&[0], now, &mut random), None);
        assert_eq!(endpoint.order(now)[0], 0);
    }

    #[test]
    fn tiers_before_zones() {
        let endpoint = endpoint(&[(1, true), (0, false)]);
        let (mut random, now) = (rand::rng(), Instant::now());
        assert_eq!(endpoint.pick(&[], now, &mut random), Some(1));
        (0..crate::limits::TARGET_OUTSTANDING).for_each(|_| endpoint.targets[1].target.asked(now));
        assert_eq!(endpoint.pick(&[], now, &mut random), Some(0), "the first tier is busy");
    }

    #[test]
    fn fewer_outstanding_wins() {
        let endpoint = endpoint(&[(0, true), (0, true)]);
        let (mut random, now) = (rand::rng(), Instant::now());
        for _ in 0..5 {
            endpoint.targets[0].target.asked(now);
        }
        let second = (0..1000).filter(|_| endpoint.pick(&[], now, &mut random) == Some(1)).count();
        // Both draws fall on the first target in a quarter of all cases.
        assert!((650..850).contains(&second), "{second}");
    }

    #[test]
    fn a_drained_target_gets_nothing_and_dark_is_dark() {
        let endpoint = endpoint(&[(0, true), (0, true)]);
        let (mut random, now) = (rand::rng(), Instant::now());
        endpoint.targets[0].target.drain(now, None);
        for _ in 0..100 {
            assert_eq!(endpoint.pick(&[], now, &mut random), Some(1));
        }
        lose(&endpoint, 1, 2, now);
        assert!(endpoint.is_dark(now), "the drained one is no help");
        assert!(endpoint.tries_the_dark(now));
        assert!(!endpoint.tries_the_dark(now + Duration::from_millis(999)));
        assert!(endpoint.tries_the_dark(now + Duration::from_millis(1001)));
        endpoint.targets[1].target.drain(now, None);
        let later = now + Duration::from_secs(9);
        assert!(endpoint.is_dark(later) && !endpoint.tries_the_dark(later), "nobody is left to try");
        endpoint.targets[0].target.enable();
        assert!(!endpoint.is_dark(now));
    }

    #[test]
    fn one_that_comes_back_gets_a_part() {
        let endpoint = endpoint(&[(0, true), (0, true)]);
        let (mut random, now) = (rand::rng(), Instant::now() + Duration::from_millis(5));
        lose(&endpoint, 0, 2, now);
        let back = now + Duration::from_secs(1);
        endpoint.targets[0].target.heard(back, Duration::from_millis(1), super::super::target::Worth::Good);
        let mut share = |after: u64| {
            let at = back + Duration::from_secs(after);
            (0..2000).filter(|_| endpoint.pick(&[], at, &mut random) == Some(0)).count()
        };
        let (first, later) = (share(0), share(8));
        assert!((40..200).contains(&first), "half of a tenth: {first}");
        assert!((650..950).contains(&later), "half of eight tenths: {later}");
    }

    #[test]
    fn what_the_guard_keeps_goes_elsewhere_and_is_counted() {
        let mut endpoint = endpoint(&[(0, true), (0, false)]);
        let guarded = Target::new(([127, 0, 0, 9], 53).into(), "e").guarded_at(Some(1024));
        endpoint.targets[0].target = Arc::new(guarded);
        let (mut random, now) = (rand::rng(), Instant::now());
        let mut asked = [0; 2];
        for _ in 0..500 {
            let index = endpoint.pick(&[], now, &mut random).unwrap();
            endpoint.targets[index].target.asked(now);
            asked[index] += 1;
        }
        assert!((100..=104).contains(&asked[0]), "a tenth of a second's worth: {asked:?}");
        assert_eq!(endpoint.targets[0].target.guarded.load(Relaxed), asked[1]);
        let later = now + Duration::from_secs(1);
        assert_eq!(endpoint.pick(&[], later, &mut random), Some(0));
    }
}
