//! What goes on when a question can't be answered from what is here: ask for it once for all who want it, keep
//! it, follow where it leads, and answer within the deadline whatever happens. Nothing waits in here: a client
//! is filed as a `Waiter` with the question that it waits for, and taken up again when that is over.

use std::rc::Rc;
use std::time::Instant;

use super::counts::Origin;
use super::fetch::{self, RuleErrand};
use super::follow::{Course, Trail};
use super::worker::Worker;
use super::{Client, Held, leads_elsewhere, reply_limit};
use crate::forward::Fetched;
use crate::forward::coalesce::{Question, Role, Seat};
use crate::forward::exchange::Finished;
use crate::limits::QUERY_DEADLINE;
use crate::policy::Action;
use crate::sys::Local;
use crate::wire::answer::{Answer, Failure, write_error};
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::header::rcode;
use crate::wire::query::{Folded, Judged, Query, judge};

/// The way back to clients that could not be answered at once.
pub trait ReturnPath {
    /// Takes one reply: `write` puts it into the room it is given and tells its length. Each waiter gets one.
    fn answer(
        self: Rc<Self>,
        client: &Client,
        local: Option<Local>,
        write: &mut dyn FnMut(&mut [u8]) -> usize,
    );

    /// Sends the replies that wait, if it lets them wait.
    fn flush(&self);
}

/// A client that waits for targets.
pub struct Waiter {
    snapshot: Held,
    packet: Rc<[u8]>,
    client: Client,
    /// The address that it asked.
    local: Option<Local>,
    path: Rc<dyn ReturnPath>,
    deadline: Instant,
    /// Where its question has led so far, if it leads through several rules.
    trail: Option<Box<Trail>>,
}

/// An answer on its way to a client.
enum Found<'a> {
    Fetched(&'a Fetched),
    Composed(Answer),
    /// What was kept past its time.
    Stale(Answer),
    Failed(ExtendedError),
}

/// Takes over what `turn` left for later.
pub fn begin(
    worker: &Worker,
    snapshot: &Held,
    packet: &[u8],
    client: &Client,
    local: Option<Local>,
    path: Rc<dyn ReturnPath>,
    now: Instant,
) {
    let mut folded = Folded::default();
    let Judged::Ask(query) = judge(packet, &mut folded) else { return };
    let waiter = Waiter {
        snapshot: Held::clone(snapshot),
        packet: packet.into(),
        client: *client,
        local,
        path,
        deadline: now + QUERY_DEADLINE,
        trail: None,
    };
    let in_line = worker.wait_in_line();
    if !in_line {
        let why = ExtendedError::new(ErrorCode::Other, "too many questions wait for targets");
        return respond(worker, &waiter, &query, &Found::Failed(why));
    }
    let decision = snapshot.policy.decide(query.qname(), query.rtype(), query.rclass());
    match decision.action {
        Action::Forward { rule } | Action::System { rule } => {
            let question = fetch::wanted(snapshot, rule, &query, query.question());
            ask(worker, waiter, rule, question, now);
        }
        // A zone of ours whose CNAME leads out of it.
        _ => go_along(worker, waiter, Trail::new(&query), &query, now),
    }
}

/// Tells all who can be told now.
pub fn settle(worker: &Worker, now: Instant) {
    while let Some(finished) = worker.next_finished() {
        finish(worker, finished, now);
    }
}

fn finish(worker: &Worker, finished: Finished<RuleErrand, Waiter>, now: Instant) {
    let Finished { flight, question, errand, fetched, waiters, led } = finished;
    if led {
        fetch::keep(&errand, &question, &fetched);
        // After the cache: who comes in between finds it there.
        let shared = &worker.shared;
        for follower in shared.in_flight.leave(&question, Seat { worker: worker.index, flight }) {
            shared.inboxes[follower.worker].tell(follower.flight, fetched.clone());
        }
    }
    for waiter in waiters {
        resume(worker, waiter, errand.index, &question, &fetched, now);
    }
}

/// Asks a rule's targets, unless somebody does already.
fn ask(worker: &Worker, waiter: Waiter, rule: u32, question: Question, now: Instant) {
    let errand = RuleErrand { snapshot: Held::clone(&waiter.snapshot), index: rule };
    let deadline = waiter.deadline;
    let mut exchange = worker.exchange();
    let flight = exchange.file(question.clone(), errand, deadline, Some(waiter));
    match worker.shared.in_flight.join(&question, Seat { worker: worker.index, flight }) {
        Role::Lead => exchange.start(flight, now, worker.transport()),
        Role::Join(other) => exchange.join(flight, other),
        Role::Follow => exchange.wait(flight),
    }
}

/// Takes up a client whose question, or a part of it, is over.
fn resume(
    worker: &Worker,
    mut waiter: Waiter,
    rule: u32,
    question: &Question,
    fetched: &Fetched,
    now: Instant,
) {
    let packet = Rc::clone(&waiter.packet);
    let mut folded = Folded::default();
    let Judged::Ask(query) = judge(&packet, &mut folded) else { return };
    let snapshot = Held::clone(&waiter.snapshot);
    if let Some(mut trail) = waiter.trail.take() {
        trail.take(&snapshot, &query, fetched, 0);
        return go_along(worker, waiter, *trail, &query, now);
    }
    let found = match fetched {
        Fetched::Answer { answer, .. } => {
            let decision = snapshot.policy.decide(query.qname(), query.rtype(), query.rclass());
            if leads_elsewhere(&snapshot, decision, &answer.view(), &query) {
                let mut trail = Trail::new(&query);
                trail.take(&snapshot, &query, fetched, 0);
                return go_along(worker, waiter, trail, &query, now);
            }
            Found::Fetched(fetched)
        }
        Fetched::Failed(_) => match fetch::stale(&snapshot, &snapshot.rules[rule as usize], question) {
            Some(answer) => Found::Stale(answer),
            None => Found::Fetched(fetched),
        },
    };
    respond(worker, &waiter, &query, &found);
    worker.leave_line();
}

/// Follows CNAMEs across rules and zones as far as that goes without asking.
fn go_along(worker: &Worker, mut waiter: Waiter, mut trail: Trail, query: &Query<'_>, now: Instant) {
    match trail.go_on(&waiter.snapshot, query) {
        Course::Ask { rule, question } => {
            waiter.trail = Some(Box::new(trail));
            ask(worker, waiter, rule, question, now);
        }
        Course::Over(followed) => {
            let found = followed.map_or_else(Found::Failed, Found::Composed);
            respond(worker, &waiter, query, &found);
            worker.leave_line();
        }
    }
}

fn respond(worker: &Worker, waiter: &Waiter, query: &Query<'_>, found: &Found<'_>) {
    let (answer, origin) = match found {
        Found::Composed(answer) => (Ok(answer), Origin::Followed),
        Found::Stale(answer) => (Ok(answer), Origin::Stale),
        Found::Failed(why) => (Err(why), Origin::Failed),
        Found::Fetched(Fetched::Answer { answer, .. }) => (Ok(answer), Origin::Forwarded),
        Found::Fetched(Fetched::Failed(why)) => (Err(why), Origin::Failed),
    };
    let limit = reply_limit(&waiter.snapshot, query, waiter.client.transport);
    let mut write = |out: &mut [u8]| match answer {
        Ok(answer) => answer.view().deliver(query, 0, limit, out),
        Err(why) => write_error(out, &Failure::of(query, rcode::SERVFAIL), Some(why)),
    };
    Rc::clone(&waiter.path).answer(&waiter.client, waiter.local, &mut write);
    let code = answer.map_or(rcode::SERVFAIL, |answer| answer.view().rcode());
    worker.counts.replied(waiter.client.transport, origin, code);
}
