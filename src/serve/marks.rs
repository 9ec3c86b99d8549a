//! Marked questions on their way: which rule is looked at next for a loop, what is done when its question comes
//! back, and when it no longer does. One worker sends them; all of them see what arrives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::Held;
use super::fetch::{Of, SnapshotErrand};
use super::loops::{Passage, Returned, Sent};
use super::snapshot::Snapshot;
use super::worker::Worker;
use crate::forward::coalesce::Seat;
use crate::forward::mark::Mark;
use crate::forward::target::State;
use crate::forward::{Errand, Fetched};
use crate::limits::{LOOP_CHECK_EVERY, LOOP_CHECK_FIRST, LOOP_CHECKS_PER_ROUND, LOOP_RECHECKS_PER_ROUND};
use crate::policy::Action;
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::name::Name;
use crate::wire::query::Query;
use crate::wire::rdata::{class, rtype};

/// Goes through all rules, again and again; after a reload first through those that are new or mean another
/// thing now.
#[derive(Default)]
pub struct Sweep {
    /// Which snapshot it goes through.
    of: Option<SystemTime>,
    /// Rules with a higher tag have never been looked at.
    seen: u32,
    only_new: bool,
    next: usize,
    began: Option<Instant>,
}

impl Sweep {
    /// Whether it is a snapshot that it has not gone through yet: it begins again.
    fn turns_to(&mut self, snapshot: &Snapshot, now: Instant) -> bool {
        let is_new = self.of != Some(snapshot.loaded_at);
        if is_new {
            let is_first = self.of.is_none();
            // At the start, listeners open only after the workers.
            let began = if is_first { now + LOOP_CHECK_FIRST } else { now };
            let of = Some(snapshot.loaded_at);
            *self = Sweep { of, only_new: !is_first, began: Some(began), next: 0, seen: self.seen };
        }
        is_new
    }

    fn next(&mut self, snapshot: &Snapshot, now: Instant) -> Option<u32> {
        if self.began.is_some_and(|began| now < began) {
            return None;
        }
        if self.next >= snapshot.rules.len() {
            self.seen = snapshot.rules.iter().map(|rule| rule.tag).max().unwrap_or(0).max(self.seen);
            let is_due = self.began.is_none_or(|began| now >= began + LOOP_CHECK_EVERY);
            if !self.only_new && !is_due {
                return None;
            }
            (self.only_new, self.next, self.began) = (false, 0, Some(now));
        }
        let rest = snapshot.rules.iter().enumerate().skip(self.next);
        let found =
            rest.map(|(index, rule)| (index, rule.tag)).find(|(_, tag)| !self.only_new || *tag > self.seen);
        self.next = found.map_or(snapshot.rules.len(), |(index, _)| index + 1);
        found.map(|(index, _)| index as u32)
    }
}

/// One round: those under suspicion and those known to loop first, then the next one of all.
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
            send_to(worker, snapshot, rule, now, |_, is_known| !is_known);
        }
    }
    for _ in 0..LOOP_CHECKS_PER_ROUND {
        if let Some(rule) = sweep.next(snapshot, now) {
            send_to(worker, snapshot, rule, now, |_, is_known| !is_known);
        }
    }
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

/// A target of the rule asks for the rule's name itself, or nobody answered although targets live: that may be a
/// loop, or not. A marked question will tell.
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
