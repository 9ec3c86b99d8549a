//! Rules whose questions come back: which targets they loop through, and when those are asked again. Shared by
//! all workers; a rule that never looped costs nothing here. Time comes in as an argument.

pub mod marks;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::control::report;
use crate::forward::mark::Mark;
use crate::forward::pick::Endpoint;
use crate::limits::{
    LOOP_ASKED, LOOP_HOT_TARGETS, LOOP_MARK_LIFE, LOOP_RETRY, LOOP_RETRY_MAX, LOOP_SUSPECT_AGAIN,
    LOOP_SUSPECTS,
};
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::name::Name;

#[derive(Default)]
pub struct Loops {
    /// How many rules are in the table: while it is none, nobody looks there.
    known: AtomicUsize,
    table: Mutex<Table>,
    began: OnceLock<Instant>,
}

/// A rule, the same over reloads while it means the same. Rules of several views that mean the same are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleId {
    pub tag: u32,
    pub domain: Name,
}

/// A rule as the present configuration has it.
pub struct RuleNow<'a> {
    pub tag: u32,
    /// None: it is general.
    pub view: Option<&'a str>,
    pub endpoint: &'a Endpoint,
}

#[derive(Default)]
struct Table {
    /// By the tags of rules: one domain may have several rules, in several views.
    looped: HashMap<u32, Looped>,
    /// Marked questions that may still come back.
    sent: HashMap<Mark, Sent>,
    /// Loops found, of each domain whose rules had one.
    found: BTreeMap<Name, u64>,
    suspects: VecDeque<RuleId>,
    /// Rules that clients ask, and that were not looked at lately.
    asked: VecDeque<RuleId>,
    suspected: HashMap<RuleId, Instant>,
    /// Targets through which a loop was found, and whose other rules are to be looked at.
    hot: VecDeque<SocketAddr>,
}

struct Looped {
    domain: Name,
    endpoint: String,
    targets: SmallVec<[LoopedTarget; 1]>,
}

struct LoopedTarget {
    address: SocketAddr,
    since: Instant,
    back_off: BackOff,
}

/// When a target is asked for a marked name again: after 10 s, and then with twice the pause each time.
#[derive(Clone, Copy, Debug)]
struct BackOff {
    pause: Duration,
    at: Instant,
}

impl BackOff {
    fn from(now: Instant) -> BackOff {
        BackOff { pause: LOOP_RETRY, at: now + LOOP_RETRY }
    }

    fn again(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(LOOP_RETRY_MAX);
        self.at = now + self.pause;
    }
}

/// A marked question: what was asked for which rule, and whether it came back.
pub struct Sent {
    pub rule: RuleId,
    pub endpoint: String,
    pub target: SocketAddr,
    pub at: Instant,
    pub back: bool,
}

/// How a rule's question may go to its endpoint.
#[derive(Debug, PartialEq, Eq)]
pub enum Passage {
    Free,
    /// To the others than these targets.
    Avoid(SmallVec<[u16; 4]>),
    /// To none: all targets that could be asked ask this server.
    Barred(ExtendedError),
}

/// What a marked name that arrives here tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Returned {
    /// Nothing: the mark is another server's, or old.
    Unknown,
    /// A loop that is known.
    Known,
    /// A loop of this rule, through this target.
    Found { rule: RuleId, endpoint: String, target: SocketAddr },
}

impl Loops {
    /// Whether no rule is known to loop.
    pub fn is_empty(&self) -> bool {
        self.known.load(Relaxed) == 0
    }

    /// How a question of the rule may go.
    pub fn passage(&self, rule: &RuleNow<'_>, now: Instant) -> Passage {
        let table = self.lock();
        let Some(looped) = table.of(rule) else { return Passage::Free };
        let avoided: SmallVec<[u16; 4]> = looped.indices(rule.endpoint).collect();
        match looped.bars(rule.endpoint, now) {
            _ if avoided.is_empty() => Passage::Free,
            true => Passage::Barred(ExtendedError::new(ErrorCode::Other, looped.because(rule.view, now))),
            false => Passage::Avoid(avoided),
        }
    }

    /// Whether the rule of this tag is known to loop through this target.
    pub fn has(&self, tag: u32, endpoint: &str, target: SocketAddr) -> bool {
        let knows = || {
            let table = self.lock();
            let looped = table.looped.get(&tag).filter(|looped| looped.endpoint == endpoint);
            looped.is_some_and(|looped| looped.has(target))
        };
        self.known.load(Relaxed) > 0 && knows()
    }

    /// Something speaks for a loop of this rule: it is to be looked at soon.
    pub fn suspect(&self, rule: &RuleId, now: Instant) {
        let mut table = self.lock();
        let fresh = |at: &Instant| now.saturating_duration_since(*at) < LOOP_SUSPECT_AGAIN;
        if table.suspected.get(rule).is_some_and(fresh) || table.looped.contains_key(&rule.tag) {
            return;
        }
        if table.suspected.len() >= LOOP_SUSPECTS {
            table.suspected.retain(|_, at| fresh(at));
        }
        if table.suspected.len() < LOOP_SUSPECTS {
            table.suspected.insert(rule.clone(), now);
            table.suspects.push_back(rule.clone());
        }
    }

    /// Clients ask this rule: it is to be looked at in its turn. False if too many wait for that.
    pub fn asked(&self, rule: RuleId) -> bool {
        let mut table = self.lock();
        let has_room = table.asked.len() < LOOP_ASKED;
        if has_room {
            table.asked.push_back(rule);
        }
        has_room
    }

    /// The rules that clients asked, first come first; what can't be looked at now is put back.
    pub fn take_asked(&self) -> VecDeque<RuleId> {
        std::mem::take(&mut self.lock().asked)
    }

    pub fn put_back(&self, mut asked: VecDeque<RuleId>) {
        let mut table = self.lock();
        asked.append(&mut table.asked);
        table.asked = asked;
    }

    /// Whole seconds since the first time that was asked, from one upwards.
    pub fn second(&self, now: Instant) -> u32 {
        let began = *self.began.get_or_init(|| now);
        u32::try_from(now.saturating_duration_since(began).as_secs() + 1).unwrap_or(u32::MAX - 1)
    }

    /// How many rules wait that clients ask.
    pub fn asked_waiting(&self) -> usize {
        self.lock().asked.len()
    }

    /// The rule that was suspected first and not looked at since.
    pub fn next_suspect(&self) -> Option<RuleId> {
        self.lock().suspects.pop_front()
    }

    /// Targets through which loops were found since this was last asked.
    pub fn take_hot(&self) -> VecDeque<SocketAddr> {
        std::mem::take(&mut self.lock().hot)
    }

    /// Looping targets, with their rules, that are to be asked now; each is due again after a longer pause.
    pub fn due(&self, most: usize, now: Instant) -> Vec<(RuleId, SocketAddr)> {
        if self.known.load(Relaxed) == 0 {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (tag, looped) in &mut self.lock().looped {
            for target in looped.targets.iter_mut().filter(|target| target.back_off.at <= now) {
                if due.len() < most {
                    target.back_off.again(now);
                    due.push((RuleId { tag: *tag, domain: looped.domain.clone() }, target.address));
                }
            }
        }
        due
    }

    /// A marked question leaves.
    pub fn sent(&self, mark: Mark, sent: Sent) {
        let mut table = self.lock();
        let now = sent.at;
        table.sent.retain(|_, sent| now.saturating_duration_since(sent.at) < LOOP_MARK_LIFE);
        table.sent.insert(mark, sent);
    }

    /// A marked question arrives here, and would go to its targets by the rule of this tag. By another rule than
    /// it was sent for, it goes on: that is a way round, by another view, and no circle.
    pub fn came_back(&self, mark: Mark, by: u32, now: Instant) -> Returned {
        let mut table = self.lock();
        let Table { looped, sent, found, hot, .. } = &mut *table;
        let Some(sent) = sent.get_mut(&mark).filter(|sent| sent.rule.tag == by) else {
            return Returned::Unknown;
        };
        sent.back = true;
        let new = || Looped {
            domain: sent.rule.domain.clone(),
            endpoint: sent.endpoint.clone(),
            targets: SmallVec::new(),
        };
        let entry = looped.entry(by).or_insert_with(new);
        if entry.endpoint != sent.endpoint {
            // A reload gave the rule another endpoint.
            *entry = new();
        }
        if entry.has(sent.target) {
            return Returned::Known;
        }
        let back_off = BackOff::from(now);
        entry.targets.push(LoopedTarget { address: sent.target, since: now, back_off });
        *found.entry(sent.rule.domain.clone()).or_default() += 1;
        if hot.len() < LOOP_HOT_TARGETS && !hot.contains(&sent.target) {
            hot.push_back(sent.target);
        }
        self.known.store(looped.len(), Relaxed);
        Returned::Found { rule: sent.rule.clone(), endpoint: sent.endpoint.clone(), target: sent.target }
    }

    /// A target has replied to a marked question: if that has not come back, a loop through it is over. Gives
    /// rule, endpoint and target then, and how long it was.
    pub fn answered(&self, mark: Mark, now: Instant) -> Option<(RuleId, String, SocketAddr, Duration)> {
        let mut table = self.lock();
        let Table { looped, sent, .. } = &mut *table;
        let sent = sent.get(&mark).filter(|sent| !sent.back)?;
        let entry = looped.get_mut(&sent.rule.tag).filter(|looped| looped.endpoint == sent.endpoint)?;
        let index = entry.targets.iter().position(|target| target.address == sent.target)?;
        let target = entry.targets.remove(index);
        if entry.targets.is_empty() {
            looped.remove(&sent.rule.tag);
            self.known.store(looped.len(), Relaxed);
        }
        let lasted = now.saturating_duration_since(target.since);
        Some((sent.rule.clone(), sent.endpoint.clone(), sent.target, lasted))
    }

    /// Forgets rules that are gone or ask others now, so that reloads don't pile them up. `rules_of` gives those of
    /// a domain.
    pub fn retain<'a>(&self, rules_of: impl Fn(&Name) -> Vec<RuleNow<'a>>) {
        let mut table = self.lock();
        table.looped.retain(|tag, looped| {
            let rules = rules_of(&looped.domain);
            let asks = |rule: &RuleNow<'_>| rule.tag == *tag && rule.endpoint.name == looped.endpoint;
            let Some(rule) = rules.iter().find(|rule| asks(rule)) else { return false };
            let goes_to =
                |address| rule.endpoint.targets.iter().any(|member| member.target.address == address);
            looped.targets.retain(|target| goes_to(target.address));
            !looped.targets.is_empty()
        });
        let is_there = |id: &RuleId| rules_of(&id.domain).iter().any(|rule| rule.tag == id.tag);
        table.found.retain(|domain, _| !rules_of(domain).is_empty());
        table.suspects.retain(is_there);
        table.asked.retain(is_there);
        let waiting: HashSet<RuleId> = table.suspects.iter().cloned().collect();
        table.suspected.retain(|rule, _| waiting.contains(rule));
        self.known.store(table.looped.len(), Relaxed);
    }

    /// Loops found, by domain.
    pub fn found(&self) -> Vec<report::RuleLoops> {
        let row =
            |(domain, count): (&Name, &u64)| report::RuleLoops { domain: domain.to_string(), count: *count };
        self.lock().found.iter().map(row).collect()
    }

    /// All loops that are known, by domain and view. `rules_of` gives the rules of a domain.
    pub fn reports<'a>(
        &self,
        rules_of: impl Fn(&Name) -> Vec<RuleNow<'a>>,
        now: Instant,
    ) -> Vec<report::LoopStatus> {
        let table = self.lock();
        let of_rules = |(tag, looped): (&u32, &Looped)| {
            let rules = rules_of(&looped.domain).into_iter().filter(|rule| rule.tag == *tag);
            rules.filter_map(|rule| table.report(&rule, now)).collect::<Vec<_>>()
        };
        let mut reports: Vec<_> = table.looped.iter().flat_map(of_rules).collect();
        reports.sort_by(|one, other| (&one.domain, &one.view).cmp(&(&other.domain, &other.view)));
        reports
    }

    /// What is known of this rule, if it loops.
    pub fn report(&self, rule: &RuleNow<'_>, now: Instant) -> Option<report::LoopStatus> {
        self.lock().report(rule, now)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn of(&self, rule: &RuleNow<'_>) -> Option<&Looped> {
        self.looped.get(&rule.tag).filter(|looped| looped.endpoint == rule.endpoint.name)
    }

    fn report(&self, rule: &RuleNow<'_>, now: Instant) -> Option<report::LoopStatus> {
        let looped = self.of(rule)?;
        let first = looped.targets.iter().map(|target| target.since).min()?;
        let quarantined = looped.bars(rule.endpoint, now);
        let rest = if quarantined { "no target is left" } else { "the other targets are asked" };
        Some(report::LoopStatus {
            domain: looped.domain.to_string(),
            view: rule.view.map(str::to_owned),
            endpoint: looped.endpoint.clone(),
            targets: looped.targets.iter().map(|target| target.address).collect(),
            quarantined,
            since_secs: now.saturating_duration_since(first).as_secs(),
            because: format!("{}; {rest}", looped.because(rule.view, now)),
        })
    }
}

/// A rule as logs and errors call it: `corp.example`, or `corp.example of view vpn`.
pub fn called(domain: &Name, view: Option<&str>) -> String {
    view.map_or_else(|| domain.to_string(), |view| format!("{domain} of view {view}"))
}

impl Looped {
    fn has(&self, address: SocketAddr) -> bool {
        self.targets.iter().any(|target| target.address == address)
    }

    fn indices(&self, endpoint: &Endpoint) -> impl Iterator<Item = u16> {
        let targets = endpoint.targets.iter().enumerate();
        targets.filter(|(_, member)| self.has(member.target.address)).map(|(index, _)| index as u16)
    }

    /// Whether no target is left: a drained one is no help.
    fn bars(&self, endpoint: &Endpoint, now: Instant) -> bool {
        let mut asked = endpoint.targets.iter().filter(|member| member.target.drained_for(now).is_none());
        asked.all(|member| self.has(member.target.address))
    }

    fn because(&self, view: Option<&str>, now: Instant) -> String {
        let addresses: Vec<String> = self.targets.iter().map(|target| target.address.to_string()).collect();
        let (whose, ask) = match addresses.len() {
            1 => ("its target", "asks"),
            _ => ("its targets", "ask"),
        };
        let next = self.targets.iter().map(|target| target.back_off.at).min().unwrap_or(now);
        let left = next.saturating_duration_since(now).as_secs_f64().ceil();
        format!(
            "rule {}: {whose} {} {ask} this server for the same name (a loop); tried again in {left} s",
            called(&self.domain, view),
            addresses.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::forward::pick::{Expect, Member, Probe};
    use crate::forward::target::Target;
    use crate::wire::rdata::rtype;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("literal")
    }

    fn address(host: u8) -> SocketAddr {
        ([10, 0, 0, host], 53).into()
    }

    fn endpoint(hosts: &[u8]) -> Endpoint {
        let member = |host: &u8| Member {
            target: Arc::new(Target::new(address(*host), "e")),
            az: None,
            tier: 0,
            near: true,
        };
        let probe = Probe { name: Name::root(), rtype: rtype::SOA, expect: Expect::Answer };
        Endpoint::new("e".to_string(), hosts.iter().map(member).collect(), false, probe)
    }

    /// The general rule of the domain, and the one of a view.
    const GENERAL: u32 = 1;
    const OF_VIEW: u32 = 2;

    fn rule(tag: u32) -> RuleId {
        RuleId { tag, domain: name("corp.example") }
    }

    fn now_of(tag: u32, endpoint: &Endpoint) -> RuleNow<'_> {
        RuleNow { tag, view: (tag == OF_VIEW).then_some("vpn"), endpoint }
    }

    fn send(loops: &Loops, mark: u64, host: u8, at: Instant) {
        let sent = Sent { rule: rule(GENERAL), endpoint: "e".into(), target: address(host), at, back: false };
        loops.sent(Mark(mark), sent);
    }

    fn passage(loops: &Loops, endpoint: &Endpoint, now: Instant) -> Passage {
        loops.passage(&now_of(GENERAL, endpoint), now)
    }

    #[test]
    fn the_pause_doubles_up_to_five_minutes() {
        let mut now = Instant::now();
        let loops = Loops::default();
        send(&loops, 1, 1, now);
        loops.came_back(Mark(1), GENERAL, now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let begin = now;
            while loops.due(9, now).is_empty() {
                now += Duration::from_secs(1);
                assert!(now < begin + Duration::from_secs(400));
            }
            pauses.push((now - begin).as_secs());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn a_mark_that_comes_back_bars_the_rule_until_one_does_not() {
        let (loops, now) = (Loops::default(), Instant::now());
        let (one, other) = (endpoint(&[1]), endpoint(&[2]));
        assert_eq!(passage(&loops, &one, now), Passage::Free);
        send(&loops, 1, 1, now);
        let found = Returned::Found { rule: rule(GENERAL), endpoint: "e".into(), target: address(1) };
        assert_eq!(loops.came_back(Mark(2), GENERAL, now), Returned::Unknown);
        assert_eq!(loops.came_back(Mark(1), GENERAL, now), found);
        assert_eq!(loops.came_back(Mark(1), GENERAL, now), Returned::Known, "servers try again");
        let Passage::Barred(why) = passage(&loops, &one, now) else { panic!("barred") };
        let text = "rule corp.example: its target 10.0.0.1:53 asks this server for the same name (a loop); tried \
                    again in 10 s";
        assert_eq!((why.code, &*why.text), (ErrorCode::Other, text));
        assert_eq!(passage(&loops, &other, now), Passage::Free, "this one was never asked");
        assert_eq!(loops.passage(&now_of(OF_VIEW, &one), now), Passage::Free);
        assert_eq!(loops.answered(Mark(1), now), None, "an answer to one that came back");

        let later = now + Duration::from_secs(60);
        send(&loops, 3, 1, later);
        let over = loops.answered(Mark(3), later).expect("this one has not come back");
        assert_eq!((over.2, over.3), (address(1), Duration::from_secs(60)));
        assert_eq!(passage(&loops, &one, later), Passage::Free);
        assert_eq!(loops.answered(Mark(3), later), None, "it is over once");
        assert_eq!(loops.found()[0].count, 1);
    }

    #[test]
    fn one_looping_target_of_two_is_avoided() {
        let (loops, now) = (Loops::default(), Instant::now());
        let both = endpoint(&[1, 2]);
        send(&loops, 1, 2, now);
        loops.came_back(Mark(1), GENERAL, now);
        assert_eq!(passage(&loops, &both, now), Passage::Avoid(SmallVec::from_slice(&[1])));
        both.targets[0].target.drain(now, None);
        assert!(matches!(passage(&loops, &both, now), Passage::Barred(_)), "the other one is drained");
        both.targets[0].target.enable();
        send(&loops, 2, 1, now);
        loops.came_back(Mark(2), GENERAL, now);
        let Passage::Barred(why) = passage(&loops, &both, now) else { panic!("barred") };
        assert!(why.text.contains("its targets 10.0.0.2:53, 10.0.0.1:53 ask this"), "{}", why.text);
    }

    #[test]
    fn old_marks_and_suspicions_take_no_room() {
        let (loops, now) = (Loops::default(), Instant::now());
        for mark in 0..10_000 {
            send(&loops, mark, 1, now + Duration::from_millis(20 * mark));
        }
        let per_life = LOOP_MARK_LIFE.as_millis() as usize / 20;
        assert!(loops.lock().sent.len() <= per_life);
        assert_eq!(loops.came_back(Mark(1), GENERAL, now), Returned::Unknown);
        let numbered = |tag: u32| RuleId { tag, domain: name(&format!("{tag}.example")) };
        for number in 0..5000 {
            loops.suspect(&numbered(number), now);
            loops.suspect(&numbered(number), now);
        }
        assert_eq!(loops.lock().suspects.len(), LOOP_SUSPECTS);
        assert_eq!(loops.lock().suspected.len(), LOOP_SUSPECTS);
        assert_eq!(loops.next_suspect(), Some(numbered(0)));
        loops.suspect(&numbered(0), now + LOOP_SUSPECT_AGAIN / 2);
        assert_eq!(loops.next_suspect(), Some(numbered(1)), "not again so soon");
    }

    #[test]
    fn a_reload_keeps_what_is_still_asked() {
        let (loops, now) = (Loops::default(), Instant::now());
        send(&loops, 1, 1, now);
        loops.came_back(Mark(1), GENERAL, now);
        let (same, others) = (endpoint(&[2, 1]), endpoint(&[2]));
        loops.retain(|_| vec![now_of(OF_VIEW, &others), now_of(GENERAL, &same)]);
        assert!(loops.has(GENERAL, "e", address(1)));
        loops.retain(|_| vec![now_of(OF_VIEW, &same), now_of(GENERAL, &others)]);
        assert!(!loops.has(GENERAL, "e", address(1)));
        assert_eq!(loops.found().len(), 1);
        loops.retain(|_| Vec::new());
        assert_eq!(loops.found(), []);
    }

    #[test]
    fn each_views_rule_of_a_domain_has_its_own_loop() {
        let (loops, now) = (Loops::default(), Instant::now());
        let (one, other) = (endpoint(&[1]), endpoint(&[2]));
        let of_view = |host| Sent {
            rule: rule(OF_VIEW),
            endpoint: "e".into(),
            target: address(host),
            at: now,
            back: false,
        };
        loops.sent(Mark(1), of_view(2));
        assert_eq!(loops.came_back(Mark(1), GENERAL, now), Returned::Unknown, "a way round, no circle");
        assert!(loops.is_empty());
        assert!(matches!(loops.came_back(Mark(1), OF_VIEW, now), Returned::Found { .. }));
        assert_eq!(loops.passage(&now_of(GENERAL, &one), now), Passage::Free);
        let Passage::Barred(why) = loops.passage(&now_of(OF_VIEW, &other), now) else { panic!("barred") };
        assert!(
            why.text.starts_with("rule corp.example of view vpn: its target 10.0.0.2:53 asks"),
            "{}",
            why.text
        );

        send(&loops, 2, 1, now);
        loops.came_back(Mark(2), GENERAL, now);
        let reports = loops.reports(|_| vec![now_of(GENERAL, &one), now_of(OF_VIEW, &other)], now);
        let views: Vec<Option<&str>> = reports.iter().map(|report| report.view.as_deref()).collect();
        assert_eq!(views, [None, Some("vpn")]);
        assert_eq!(loops.found()[0].count, 2);
        assert_eq!(loops.take_hot(), [address(2), address(1)]);

        loops.sent(Mark(3), of_view(2));
        assert!(loops.answered(Mark(3), now).is_some());
        assert_eq!(loops.passage(&now_of(OF_VIEW, &other), now), Passage::Free);
        assert!(
            matches!(loops.passage(&now_of(GENERAL, &one), now), Passage::Barred(_)),
            "the other one's goes on"
        );
    }
}
