//! Marked questions on their way: which rule is looked at next for a loop, what is done when its question comes
//! back, and when it no longer does. One worker sends them; all of them see what arrives.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

use crate::forward::Fetched;
use crate::forward::coalesce::Seat;
use crate::forward::mark::Mark;
use crate::forward::target::State;
use crate::limits::{
    LOOP_ASKED, LOOP_CHECK_EVERY, LOOP_CHECK_FIRST, LOOP_CHECKS_PER_ENDPOINT, LOOP_CHECKS_PER_ROUND,
    LOOP_HOT_TARGETS, LOOP_IDLE_CHECKS_PER_ROUND, LOOP_RECHECKS_PER_ROUND, LOOP_SCANNED_PER_ROUND,
};
use crate::serve::Held;
use crate::serve::fetch::{Of, SnapshotErrand};
use crate::serve::loops::{Passage, Returned, RuleId, Sent, called};
use crate::serve::snapshot::{Rule, Snapshot};
use crate::serve::worker::Worker;
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
/// 3. The other rules of a target through which a loop was found, by whatever endpoint.
/// 4. One rule for each endpoint and parent domain: what is misconfigured as a whole is found at the start.
/// 5. All the others, slowly, and in strides: rules that are written together loop together.
#[derive(Default)]
pub struct Sweep {
    /// Which snapshot it goes through.
    of: Option<SystemTime>,
    began: Option<Instant>,
    /// Rules that were looked at before this second are to be looked at in this round.
    before: u32,
    /// The next step, from 0 on.
    next: usize,
    stride: Stride,
    /// Targets whose rules come before all others, in turn.
    hot: VecDeque<Hot>,
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
            let mut hot = std::mem::take(&mut self.hot);
            hot.iter_mut().for_each(|hot| hot.next = 0);
            *self = Sweep {
                of: Some(snapshot.loaded_at),
                began: Some(began),
                before: 1,
                next: 0,
                stride: Stride::through(snapshot.rules.len()),
                hot,
                groups: Some(HashSet::new()),
            };
        }
        is_new
    }

    /// Loops were found through these targets: what was known of their other rules before this second is old.
    fn heat(&mut self, targets: VecDeque<SocketAddr>, second: u32) {
        for target in targets {
            if self.hot.len() < LOOP_HOT_TARGETS && self.hot.iter().all(|hot| hot.target != target) {
                self.hot.push_back(Hot { target, since: second, next: 0 });
            }
        }
    }

    /// The next rule that goes to a target through which another rule loops, as `next`.
    fn next_hot(
        &mut self,
        snapshot: &Snapshot,
        steps: &mut usize,
        has_room: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        for _ in 0..self.hot.len() {
            let mut hot = self.hot.pop_front()?;
            let found = hot.next(snapshot, self.stride, steps, &has_room);
            if hot.next < snapshot.rules.len() {
                self.hot.push_back(hot);
            }
            if found.is_some() {
                return found;
            }
        }
        None
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
        while self.next < snapshot.rules.len() && *steps > 0 {
            *steps -= 1;
            let index = self.stride.at(self.next);
            let rule = &snapshot.rules[index];
            let looked_at = rule.looked_at.load(Relaxed);
            let domain = snapshot.config.rules.at(index as u32).domain;
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
                return Some(index as u32);
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

/// A target through which a loop was found.
struct Hot {
    target: SocketAddr,
    /// Rules that were looked at before this second are to be looked at.
    since: u32,
    /// The next step through all rules.
    next: usize,
}

impl Hot {
    fn next(
        &mut self,
        snapshot: &Snapshot,
        stride: Stride,
        steps: &mut usize,
        has_room: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        while self.next < snapshot.rules.len() && *steps > 0 {
            *steps -= 1;
            let index = stride.at(self.next);
            let rule = &snapshot.rules[index];
            let looked_at = rule.looked_at.load(Relaxed);
            let members = &snapshot.endpoint_of(rule).targets;
            let is_to_be_looked_at = looked_at != QUEUED
                && looked_at < self.since
                && members.iter().any(|member| member.target.address == self.target);
            if is_to_be_looked_at && !has_room(rule.endpoint) {
                return None;
            }
            self.next += 1;
            if is_to_be_looked_at {
                return Some(index as u32);
            }
        }
        None
    }
}

/// An order through all rules in which neighbours are far apart: steps of about 0.618 of the whole, round and round,
/// which leave no large gap wherever one stops (the golden ratio is what fractions come least near to). So a run of
/// rules that loop, one in a hundred of all, is met within about a hundred steps, wherever it is.
#[derive(Clone, Copy, Default)]
struct Stride {
    rules: usize,
    step: usize,
}

impl Stride {
    fn through(rules: usize) -> Stride {
        let golden = (rules as f64 * 0.618_034) as usize;
        // Two numbers without a common divisor: each rule is met once in a round.
        let step = (golden.max(1)..).find(|step| greatest_divisor(*step, rules) <= 1);
        Stride { rules, step: step.unwrap_or(1) }
    }

    /// The index of the rule that is met at a step, which is less than the number of rules.
    fn at(self, step: usize) -> usize {
        step * self.step % self.rules
    }
}

/// That divides both; 1 if one of them is 0, as nothing is gone through then.
fn greatest_divisor(one: usize, other: usize) -> usize {
    let (mut one, mut other) = (one, other);
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one.max(1)
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
        loops.retain(|domain| snapshot.rules_now(domain));
    }
    for (id, target) in loops.due(LOOP_RECHECKS_PER_ROUND, now) {
        if let Some(rule) = speaker(snapshot, &id) {
            send_to(worker, snapshot, rule, now, |address, _| address == target);
        }
    }
    for id in std::iter::from_fn(|| loops.next_suspect()).take(LOOP_RECHECKS_PER_ROUND) {
        look_at(worker, snapshot, &id, now);
    }
    let mut room = Room::default();
    look_at_asked(worker, snapshot, &mut room, now);
    let (second, mut steps) = (loops.second(now), LOOP_SCANNED_PER_ROUND);
    sweep.heat(loops.take_hot(), second);
    for _ in 0..LOOP_CHECKS_PER_ENDPOINT {
        if room.is_empty(false) {
            break;
        }
        let next = sweep.next_hot(snapshot, &mut steps, |endpoint| room.has(endpoint));
        let Some(rule) = next else { break };
        room.take(snapshot.rules[rule as usize].endpoint);
        look_at(worker, snapshot, &snapshot.rule_id(rule), now);
    }
    while !room.is_empty(sweep.groups.is_none()) {
        let next = sweep.next(snapshot, second, now, &mut steps, |endpoint| room.has(endpoint));
        let Some(rule) = next else { return };
        room.take(snapshot.rules[rule as usize].endpoint);
        look_at(worker, snapshot, &snapshot.rule_id(rule), now);
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
    asked.retain(|id| {
        // Rules that are one have one endpoint.
        let Some(rule) = snapshot.rules_of(id).next() else { return false };
        let endpoint = snapshot.rules[rule as usize].endpoint;
        if room.is_empty(false) || !room.has(endpoint) {
            return true;
        }
        room.take(endpoint);
        look_at(worker, snapshot, id, now);
        false
    });
    if !asked.is_empty() {
        loops.put_back(asked);
    }
}

/// Clients ask this rule: it is looked at soon, unless it was lately.
pub fn asked(worker: &Worker, errand: &SnapshotErrand, rule: u32, now: Instant) {
    let (loops, snapshot) = (&worker.shared.loops, &errand.snapshot);
    let looked_at = &snapshot.rules[rule as usize].looked_at;
    let (at, second) = (looked_at.load(Relaxed), loops.second(now));
    let is_due =
        at == 0 || (at != QUEUED && u64::from(second.saturating_sub(at)) >= LOOP_CHECK_EVERY.as_secs());
    if is_due && looked_at.compare_exchange(at, QUEUED, Relaxed, Relaxed).is_ok() {
        let id = snapshot.rule_id(rule);
        let is_waiting = loops.asked(id.clone());
        note(snapshot, &id, if is_waiting { QUEUED } else { at });
    }
}

/// Notes when a rule was looked at, in all views that have it.
fn note(snapshot: &Snapshot, id: &RuleId, at: u32) {
    snapshot.rules_of(id).for_each(|rule| snapshot.rules[rule as usize].looked_at.store(at, Relaxed));
}

/// Asks the rule's targets for marked names, but for those that it is known to loop through.
fn look_at(worker: &Worker, snapshot: &Held, id: &RuleId, now: Instant) {
    note(snapshot, id, worker.shared.loops.second(now));
    if let Some(rule) = speaker(snapshot, id) {
        send_to(worker, snapshot, rule, now, |_, is_known| !is_known);
    }
}

/// The rule on whose behalf marked questions are asked, of those that are one: a local zone may stand before it, and
/// then no question goes this way. None: that is so in all views.
fn speaker(snapshot: &Snapshot, id: &RuleId) -> Option<u32> {
    let name = Mark(0).name(&id.domain)?;
    snapshot.rules_of(id).find(|rule| {
        let view = snapshot.config.view_of_rule(*rule as usize).map(|view| view as u16);
        snapshot.decide(view, name.as_wire(), rtype::A, class::IN).action.rule() == Some(*rule)
    })
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
    let id = snapshot.rule_id(rule);
    let endpoint = snapshot.endpoint_of(&snapshot.rules[rule as usize]);
    for (index, member) in endpoint.targets.iter().enumerate() {
        let address = member.target.address;
        let is_known = worker.shared.loops.has(id.tag, &endpoint.name, address);
        let speaks = member.target.drained_for(now).is_none()
            && (is_known || member.target.state() != State::Silent)
            && member.target.has_room(now);
        if speaks && wanted(address, is_known) {
            send(worker, snapshot, rule, &id, index, now);
        }
    }
}

fn send(worker: &Worker, snapshot: &Held, rule: u32, id: &RuleId, target: usize, now: Instant) {
    let endpoint = snapshot.endpoint_of(&snapshot.rules[rule as usize]);
    let mut exchange = worker.exchange();
    let mark = exchange.new_mark();
    let Some(name) = mark.name(&id.domain) else { return };
    let sent = Sent {
        rule: id.clone(),
        endpoint: endpoint.name.clone(),
        target: endpoint.targets[target].target.address,
        at: now,
        back: false,
    };
    worker.shared.loops.sent(mark, sent);
    let errand = SnapshotErrand { snapshot: Held::clone(snapshot), of: Of::Mark { rule, mark } };
    exchange.ask_marked(errand, target, &name, now, worker.transport());
}

/// A client's question that may be a marked one of our own, and that this rule would send to its targets: if it was
/// sent for the same rule, that is a loop, and gets this answer.
pub fn came_back(
    worker: &Worker,
    snapshot: &Snapshot,
    rule: Option<u32>,
    query: &Query<'_>,
    now: Instant,
) -> Option<ExtendedError> {
    let mark = Mark::of(query.qname())?;
    let by = snapshot.rules[rule? as usize].tag;
    match worker.shared.loops.came_back(mark, by, now) {
        Returned::Unknown => return None,
        Returned::Known => {}
        Returned::Found { rule, endpoint, target } => found(worker, &rule, &endpoint, target, now),
    }
    Some(ExtendedError::new(ErrorCode::Other, "this server asked for this name itself (a loop)"))
}

/// A loop is found: the log says so, and if no target is left nobody waits any more.
fn found(worker: &Worker, id: &RuleId, endpoint: &str, target: SocketAddr, now: Instant) {
    let snapshot = worker.shared.snapshot.load_full();
    let Some(index) = snapshot.rules_of(id).next() else { return };
    let now_of = snapshot.rule_now(index);
    if now_of.endpoint.name != endpoint {
        return;
    }
    queue_neighbours(worker, &snapshot, index);
    let rule = called(&id.domain, now_of.view);
    let Passage::Barred(why) = worker.shared.loops.passage(&now_of, now) else {
        tracing::warn!(rule, endpoint, %target, "target asks this server for the rule's names (a loop): the rule's \
                        other targets are asked");
        return;
    };
    tracing::warn!(rule, endpoint, %target, "target asks this server for the rule's names (a loop): the rule is \
                    quarantined");
    let mut leads = worker.shared.in_flight.leads_of(id.tag);
    // Scenarios come out the same each time.
    leads.sort_unstable_by_key(|seat| (seat.worker, seat.flight));
    for Seat { worker: index, flight } in leads {
        worker.shared.inboxes[index].tell(flight, Fetched::Failed(why.clone()));
    }
}

/// The rules beside one that loops, by way of the same endpoint, have their turn with those that clients ask: some
/// hundreds of them, those nearest to it in the files first, and not while others wait.
fn queue_neighbours(worker: &Worker, snapshot: &Snapshot, looping: u32) {
    let loops = &worker.shared.loops;
    let Some(room) = (LOOP_ASKED / 2).checked_sub(loops.asked_waiting()).filter(|room| *room > 0) else {
        return;
    };
    let domain = snapshot.config.rules.at(looping).domain;
    let Rule { endpoint, tag, .. } = snapshot.rules[looping as usize];
    let is_beside = |index: &u32| {
        let rule = &snapshot.rules[*index as usize];
        let of_parent = || parent(snapshot.config.rules.at(*index).domain) == parent(domain);
        rule.endpoint == endpoint && rule.tag != tag && of_parent()
    };
    let mut beside: Vec<u32> = (0..snapshot.rules.len() as u32).filter(is_beside).collect();
    beside.sort_unstable_by_key(|index| index.abs_diff(looping));
    for index in beside.into_iter().take(room) {
        if snapshot.rules[index as usize].looked_at.swap(QUEUED, Relaxed) != QUEUED {
            let id = snapshot.rule_id(index);
            note(snapshot, &id, QUEUED);
            loops.asked(id);
        }
    }
}

/// A marked question is over. Any reply will do, if the question has not come back before it.
pub fn is_over(worker: &Worker, mark: Mark, fetched: &Fetched, now: Instant) {
    if let Fetched::Failed(_) = fetched {
        return;
    }
    if let Some((id, endpoint, target, lasted)) = worker.shared.loops.answered(mark, now) {
        let snapshot = worker.shared.snapshot.load();
        let rule = snapshot.rules_of(&id).next().map(|index| snapshot.rule_now(index));
        let rule = called(&id.domain, rule.and_then(|rule| rule.view));
        let seconds = lasted.as_secs();
        tracing::info!(rule, endpoint, %target, seconds, "target no longer asks this server for the rule's names: it \
                        is asked again");
    }
}

/// A question of the rule that goes to nobody, or not to all targets.
pub fn passage(worker: &Worker, errand: &SnapshotErrand, rule: u32, now: Instant) -> Passage {
    let loops = &worker.shared.loops;
    match loops.is_empty() {
        true => Passage::Free,
        false => loops.passage(&errand.snapshot.rule_now(rule), now),
    }
}

/// A target of the rule asks for the rule's name itself, or nobody answered although targets live, or all say
/// SERVFAIL: that may be a loop, or not. A marked question will tell.
pub fn suspect(worker: &Worker, errand: &SnapshotErrand, now: Instant) {
    if let Of::Rule(rule) = errand.of {
        worker.shared.loops.suspect(&errand.snapshot.rule_id(rule), now);
    }
}

/// What an endpoint is probed for while the rule of its usual name loops through this target: the domain of
/// another of its rules. None: its usual name will do.
pub fn probe_name(worker: &Worker, snapshot: &Arc<Snapshot>, endpoint: usize, target: usize) -> Option<Name> {
    /// Rules of the endpoint that are looked at.
    const MOST: usize = 16;
    let loops = &worker.shared.loops;
    if loops.is_empty() {
        return None;
    }
    let asked = &snapshot.endpoints[endpoint];
    let address = asked.targets[target].target.address;
    let has = |rule: u32| {
        let Rule { endpoint: of, tag, .. } = snapshot.rules[rule as usize];
        of as usize == endpoint && loops.has(tag, &asked.name, address)
    };
    if !snapshot.rules_at(asked.probe.name.as_wire()).any(has) {
        return None;
    }
    let of_endpoint = (0..).zip(&snapshot.rules).filter(|(_, rule)| rule.endpoint as usize == endpoint);
    let other = of_endpoint.take(MOST).find(|(index, _)| !has(*index));
    Some(other.map_or_else(Name::root, |(index, _)| snapshot.config.rules.at(index).name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_meet_each_rule_once() {
        for rules in (1..60).chain([1_000, 100_000]) {
            let stride = Stride::through(rules);
            let met: HashSet<usize> = (0..rules).map(|step| stride.at(step)).collect();
            assert_eq!(met.len(), rules);
        }
    }

    /// Three hundred steps for one in a hundred: 2.6 times as many are always enough for the golden ratio.
    #[test]
    fn strides_soon_meet_a_run_of_rules_wherever_it_is() {
        for rules in [10_000, 65_536, 100_000] {
            let (stride, long) = (Stride::through(rules), rules / 100);
            for start in (0..rules - long).step_by(long / 3) {
                let met = (0..300).any(|step| (start..start + long).contains(&stride.at(step)));
                assert!(met, "{long} of {rules} from {start} on");
            }
        }
    }
}
