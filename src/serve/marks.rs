//! Marked questions on their way: which rule is looked at next for a loop, what is done when its question comes
//! back, and when it no longer does. One worker sends them; all of them see what arrives.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

use super::Held;
use super::fetch::{Of, SnapshotErrand};
use super::loops::{Passage, Returned, Sent};
use super::snapshot::{Rule, Snapshot};
use super::worker::Worker;
use crate::forward::coalesce::Seat;
use crate::forward::mark::Mark;
use crate::forward::target::State;
use crate::forward::{Errand, Fetched};
use crate::limits::{
    LOOP_ASKED, LOOP_CHECK_EVERY, LOOP_CHECK_FIRST, LOOP_CHECKS_PER_ENDPOINT, LOOP_CHECKS_PER_ROUND,
    LOOP_IDLE_CHECKS_PER_ROUND, LOOP_RECHECKS_PER_ROUND, LOOP_SCANNED_PER_ROUND,
};
use crate::policy::Action;
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::name::Name;
use crate::wire::query::Query;
use crate::wire::rdata::{class, rtype};

/// A rule that waits to be looked at, in the place of a second.
const QUEUED: u32 = u32::MAX;

/// Goes through all rules, again and again.
///
/// Not every rule can be looked at soon: a target of 100,000 rules would have to be asked 100,000 questions. But not
/// every loop does harm either: one that no client runs into costs nothing. So in this order:
///
/// 1. Rules that something speaks against: all targets silent although they live, SERVFAIL from all, a target
///    that asks for the rule's names itself. Whoever runs into a loop gets silence or SERVFAIL, so that alone finds
///    it within seconds.
/// 2. Rules that clients ask, when they were not looked at within five minutes: found before the first client has
///    waited to the end. And the neighbours of a rule that was found to loop: whoever forwards one name back
///    mostly forwards those beside it.
/// 3. One rule for each endpoint and parent domain: what is misconfigured as a whole is found at the start.
/// 4. All the others, slowly.
#[derive(Default)]
pub struct Sweep {
    /// Which snapshot it goes through.
    of: Option<SystemTime>,
    began: Option<Instant>,
    /// Rules that were looked at before this second are to be looked at in this round.
    before: u32,
    next: usize,
    /// Endpoints and parent domains of which a rule was looked at; none when the others have their turn.
    groups: Option<HashSet<(u32, Box<[u8]>)>>,
}

impl Sweep {
    /// Whether it is a snapshot that it has not gone through yet: it begins with the rules that are new.
    fn turns_to(&mut self, snapshot: &Snapshot, now: Instant) -> bool {
        let is_new = self.of != Some(snapshot.loaded_at);
        if is_new {
            // At the start, listeners open only after the workers.
            let began = if self.of.is_none() { now + LOOP_CHECK_FIRST } else { now };
            let of = Some(snapshot.loaded_at);
            *self = Sweep { of, began: Some(began), before: 1, next: 0, groups: Some(HashSet::new()) };
        }
        is_new
    }

    /// The next rule of an endpoint that `has_room`, within so many steps.
    fn next(
        &mut self,
        snapshot: &Snapshot,
        second: u32,
        now: Instant,
        steps: &mut usize,
        has_room: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        if self.began.is_some_and(|began| now < began) || !self.goes_on(snapshot, second, now) {
            return None;
        }
        while let Some(rule) = snapshot.rules.get(self.next).filter(|_| *steps > 0) {
            *steps -= 1;
            let looked_at = rule.looked_at.load(Relaxed);
            let domain = snapshot.config.rules.at(self.next as u32).domain;
            let is_of_a_new_group = || {
                let group = (rule.endpoint, parent(domain).into());
                self.groups.as_ref().is_none_or(|groups| !groups.contains(&group))
            };
            if looked_at == QUEUED || looked_at >= self.before || !is_of_a_new_group() {
                self.next += 1;
            } else if has_room(rule.endpoint) {
                self.next += 1;
                if let Some(groups) = &mut self.groups {
                    groups.insert((rule.endpoint, parent(domain).into()));
                }
                return Some(self.next as u32 - 1);
            } else {
                return None;
            }
        }
        None
    }

    /// At the end of the rules: the second time through them, or a new round if one is due.
    fn goes_on(&mut self, snapshot: &Snapshot, second: u32, now: Instant) -> bool {
        if self.next < snapshot.rules.len() {
            return true;
        }
        if self.groups.take().is_some() {
            self.next = 0;
            return true;
        }
        let is_due = self.began.is_none_or(|began| now >= began + LOOP_CHECK_EVERY);
        if is_due {
            (self.began, self.before, self.next) = (Some(now), second, 0);
        }
        is_due
    }
}

/// A domain without its first label, in wire form; the root's is the root.
fn parent(domain: &[u8]) -> &[u8] {
    match domain.first() {
        None | Some(0) => domain,
        Some(len) => &domain[1 + usize::from(*len)..],
    }
}

/// What a reload keeps of the time at which a rule was looked at. One that waits may be looked at between this and
/// the new rules' coming into force, and would then wait for ever.
pub fn kept(looked_at: &AtomicU32) -> u32 {
    Some(looked_at.load(Relaxed)).filter(|at| *at != QUEUED).unwrap_or(0)
}

/// One round: those under suspicion and those known to loop first, then those that clients ask, then the next ones
/// of all.
pub fn round(worker: &Worker, snapshot: &Held, now: Instant) {
    let loops = &worker.shared.loops;
    let mut sweep = worker.sweep.borrow_mut();
    if sweep.turns_to(snapshot, now) {
        loops.retain(
            |domain| snapshot.rules_at(domain.as_wire()).next().is_some(),
            |domain, endpoint, target| asks(snapshot, domain, endpoint, target),
        );
    }
    for (domain, target) in loops.due(LOOP_RECHECKS_PER_ROUND, now) {
        for rule in snapshot.rules_at(domain.as_wire()) {
            send_to(worker, snapshot, rule, now, |address, _| address == target);
        }
    }
    for domain in std::iter::from_fn(|| loops.next_suspect()).take(LOOP_RECHECKS_PER_ROUND) {
        for rule in snapshot.rules_at(domain.as_wire()) {
            look_at(worker, snapshot, rule, now);
        }
    }
    let mut room = Room::default();
    look_at_asked(worker, snapshot, &mut room, now);
    let (second, mut steps) = (loops.second(now), LOOP_SCANNED_PER_ROUND);
    while !room.is_empty(sweep.groups.is_none()) {
        let next = sweep.next(snapshot, second, now, &mut steps, |endpoint| room.has(endpoint));
        let Some(rule) = next else { return };
        room.take(snapshot.rules[rule as usize].endpoint);
        look_at(worker, snapshot, rule, now);
    }
}

/// How many rules may be looked at in a round.
#[derive(Default)]
struct Room {
    taken: usize,
    by_endpoint: HashMap<u32, usize>,
}

impl Room {
    fn has(&self, endpoint: u32) -> bool {
        self.by_endpoint.get(&endpoint).is_none_or(|taken| *taken < LOOP_CHECKS_PER_ENDPOINT)
    }

    fn is_empty(&self, for_idle: bool) -> bool {
        self.taken >= if for_idle { LOOP_IDLE_CHECKS_PER_ROUND } else { LOOP_CHECKS_PER_ROUND }
    }

    fn take(&mut self, endpoint: u32) {
        self.taken += 1;
        *self.by_endpoint.entry(endpoint).or_default() += 1;
    }
}

fn look_at_asked(worker: &Worker, snapshot: &Held, room: &mut Room, now: Instant) {
    let loops = &worker.shared.loops;
    let mut asked = loops.take_asked();
    asked.retain(|domain| {
        let has_room = |rule: u32| room.has(snapshot.rules[rule as usize].endpoint);
        if room.is_empty(false) || !snapshot.rules_at(domain.as_wire()).all(has_room) {
            return true;
        }
        for rule in snapshot.rules_at(domain.as_wire()) {
            room.take(snapshot.rules[rule as usize].endpoint);
            look_at(worker, snapshot, rule, now);
        }
        false
    });
    if !asked.is_empty() {
        loops.put_back(asked);
    }
}

/// Clients ask this rule: it is looked at soon, unless it was lately.
pub fn asked(worker: &Worker, errand: &SnapshotErrand, rule: u32, now: Instant) {
    let loops = &worker.shared.loops;
    let looked_at = &errand.snapshot.rules[rule as usize].looked_at;
    let (at, second) = (looked_at.load(Relaxed), loops.second(now));
    let is_due =
        at == 0 || (at != QUEUED && u64::from(second.saturating_sub(at)) >= LOOP_CHECK_EVERY.as_secs());
    if is_due
        && looked_at.compare_exchange(at, QUEUED, Relaxed, Relaxed).is_ok()
        && !loops.asked(errand.snapshot.config.rules.at(rule).name())
    {
        looked_at.store(at, Relaxed);
    }
}

/// Asks the rule's targets for marked names, but for those that it is known to loop through.
fn look_at(worker: &Worker, snapshot: &Held, rule: u32, now: Instant) {
    snapshot.rules[rule as usize].looked_at.store(worker.shared.loops.second(now), Relaxed);
    send_to(worker, snapshot, rule, now, |_, is_known| !is_known);
}

fn asks(snapshot: &Snapshot, domain: &Name, endpoint: &str, target: SocketAddr) -> bool {
    let found = snapshot.rule_asking(domain.as_wire(), endpoint);
    found.is_some_and(|(found, _)| found.targets.iter().any(|member| member.target.address == target))
}

/// Asks targets of the rule for marked names, those that `wanted` says: by their address, and whether the rule is
/// known to loop through them. Silent and drained ones have nothing to tell.
fn send_to(
    worker: &Worker,
    snapshot: &Held,
    rule: u32,
    now: Instant,
    wanted: impl Fn(SocketAddr, bool) -> bool,
) {
    let domain = &snapshot.config.rules.at(rule).name();
    let endpoint = snapshot.endpoint_of(&snapshot.rules[rule as usize]);
    for (index, member) in endpoint.targets.iter().enumerate() {
        let address = member.target.address;
        let is_known = worker.shared.loops.has(domain, &endpoint.name, address);
        let speaks = member.target.drained_for(now).is_none()
            && (is_known || member.target.state() != State::Silent)
            && member.target.has_room(now);
        if speaks && wanted(address, is_known) {
            send(worker, snapshot, rule, index, now);
        }
    }
}

fn send(worker: &Worker, snapshot: &Held, rule: u32, target: usize, now: Instant) {
    let domain = &snapshot.config.rules.at(rule).name();
    let endpoint = snapshot.endpoint_of(&snapshot.rules[rule as usize]);
    let mut exchange = worker.exchange();
    let mark = exchange.new_mark();
    let Some(name) = mark.name(domain) else { return };
    // A local zone may stand before the rule: then no question goes this way.
    let view = snapshot.config.view_of_rule(rule as usize).map(|view| view as u16);
    match snapshot.decide(view, name.as_wire(), rtype::A, class::IN).action {
        Action::Forward { rule: decides } | Action::System { rule: decides } if decides == rule => {}
        _ => return,
    }
    let address = endpoint.targets[target].target.address;
    let sent = Sent {
        domain: domain.clone(),
        endpoint: endpoint.name.clone(),
        target: address,
        at: now,
        back: false,
    };
    worker.shared.loops.sent(mark, sent);
    let errand = SnapshotErrand { snapshot: Held::clone(snapshot), of: Of::Mark { rule, mark } };
    exchange.ask_marked(errand, target, &name, now, worker.transport());
}

/// A client's question that may be a marked one of our own: then it is a loop, and gets this answer.
pub fn came_back(worker: &Worker, query: &Query<'_>, now: Instant) -> Option<ExtendedError> {
    let mark = Mark::of(query.qname())?;
    match worker.shared.loops.came_back(mark, now) {
        Returned::Unknown => return None,
        Returned::Known => {}
        Returned::Found { domain, endpoint, target } => found(worker, &domain, &endpoint, target, now),
    }
    Some(ExtendedError::new(ErrorCode::Other, "this server asked for this name itself (a loop)"))
}

/// A loop is found: the log says so, and if no target is left nobody waits any more.
fn found(worker: &Worker, domain: &Name, endpoint: &str, target: SocketAddr, now: Instant) {
    let snapshot = worker.shared.snapshot.load_full();
    let Some((asked, rule)) = snapshot.rule_asking(domain.as_wire(), endpoint) else { return };
    queue_neighbours(worker, &snapshot, domain, rule.endpoint);
    let Passage::Barred(why) = worker.shared.loops.passage(domain, asked, now) else {
        tracing::warn!(rule = %domain, endpoint, %target, "target asks this server for the rule's names (a loop): \
                        the rule's other targets are asked");
        return;
    };
    tracing::warn!(rule = %domain, endpoint, %target, "target asks this server for the rule's names (a loop): \
                    the rule is quarantined");
    for Seat { worker: index, flight } in worker.shared.in_flight.leads_of(rule.tag) {
        worker.shared.inboxes[index].tell(flight, Fetched::Failed(why.clone()));
    }
}

/// The rules beside one that loops, by way of the same endpoint, have their turn with those that clients ask: some
/// hundreds of them, and not while others wait.
fn queue_neighbours(worker: &Worker, snapshot: &Snapshot, domain: &Name, endpoint: u32) {
    let loops = &worker.shared.loops;
    let Some(room) = (LOOP_ASKED / 2).checked_sub(loops.asked_waiting()).filter(|room| *room > 0) else {
        return;
    };
    let is_beside = |index: u32, rule: &Rule| {
        let other = snapshot.config.rules.at(index).domain;
        rule.endpoint == endpoint && parent(other) == parent(domain.as_wire()) && other != domain.as_wire()
    };
    let beside = (0..).zip(&snapshot.rules).filter(|(index, rule)| is_beside(*index, rule));
    for (index, rule) in beside.take(room) {
        if rule.looked_at.swap(QUEUED, Relaxed) != QUEUED {
            loops.asked(snapshot.config.rules.at(index).name());
        }
    }
}

/// A marked question is over. Any reply will do, if the question has not come back before it.
pub fn is_over(worker: &Worker, mark: Mark, fetched: &Fetched, now: Instant) {
    if let Fetched::Failed(_) = fetched {
        return;
    }
    if let Some((domain, endpoint, target, lasted)) = worker.shared.loops.answered(mark, now) {
        let seconds = lasted.as_secs();
        tracing::info!(rule = %domain, endpoint, %target, seconds, "target no longer asks this server for the \
                        rule's names: it is asked again");
    }
}

/// A question of the rule that goes to nobody, or not to all targets.
pub fn passage(worker: &Worker, errand: &SnapshotErrand, rule: u32, now: Instant) -> Passage {
    let loops = &worker.shared.loops;
    match loops.is_empty() {
        true => Passage::Free,
        false => loops.passage(&errand.snapshot.config.rules.at(rule).name(), errand.endpoint(), now),
    }
}

/// A target of the rule asks for the rule's name itself, or nobody answered although targets live, or all say
/// SERVFAIL: that may be a loop, or not. A marked question will tell.
pub fn suspect(worker: &Worker, errand: &SnapshotErrand, now: Instant) {
    if let Of::Rule(rule) = errand.of {
        worker.shared.loops.suspect(&errand.snapshot.config.rules.at(rule).name(), now);
    }
}

/// What an endpoint is probed for while the rule of its usual name loops through this target: the domain of
/// another of its rules. None: its usual name will do.
pub fn probe_name(worker: &Worker, snapshot: &Arc<Snapshot>, endpoint: usize, target: usize) -> Option<Name> {
    /// Rules of the endpoint that are looked at.
    const MOST: usize = 16;
    let asked = &snapshot.endpoints[endpoint];
    let address = asked.targets[target].target.address;
    let loops = |domain: &Name| worker.shared.loops.has(domain, &asked.name, address);
    if !loops(&asked.probe.name) {
        return None;
    }
    let of_endpoint =
        snapshot.rules.iter().enumerate().filter(|(_, rule)| rule.endpoint as usize == endpoint);
    let mut domains = of_endpoint.map(|(index, _)| snapshot.config.rules.at(index as u32).name()).take(MOST);
    Some(domains.find(|domain| !loops(domain)).unwrap_or_else(Name::root))
}
