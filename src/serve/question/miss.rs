//! What goes on when a question can't be answered from what is here: ask for it once for all who want it, keep
//! it, follow where it leads, and answer within the deadline whatever happens. Nothing waits in here: a client
//! is filed as a `Waiter` with the question that it waits for, and taken up again when that is over.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use crate::forward::coalesce::{Question, Role, Seat};
use crate::forward::exchange::{End, Finished};
use crate::forward::flight::Aim;
use crate::forward::{Errand, Fetched};
use crate::limits::QUERY_DEADLINE;
use crate::serve::counts::{self, Origin};
use crate::serve::fetch::{self, Of, SnapshotErrand};
use crate::serve::follow::{Course, Trail};
use crate::serve::line::Place;
use crate::serve::loops::Passage;
use crate::serve::marks;
use crate::serve::snapshot::Snapshot;
use crate::serve::views::Asker;
use crate::serve::worker::Worker;
use crate::serve::{Client, Held, leads_elsewhere, reply_limit};
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

    /// Takes a message that others follow, and is done when there is room for one more; false if nobody takes them.
    /// The last one goes to `answer`.
    fn more(self: Rc<Self>, _message: &[u8]) -> Pin<Box<dyn Future<Output = bool>>> {
        Box::pin(std::future::ready(false))
    }
}

/// A client that waits for targets.
pub struct Waiter {
    snapshot: Held,
    asker: Asker,
    packet: Rc<[u8]>,
    back: Back,
    deadline: Instant,
    /// Where its question has led so far, if it leads through several rules.
    trail: Option<Box<Trail>>,
    place: Option<Place>,
}

/// Where a reply goes.
pub struct Back {
    pub client: Client,
    /// The address that the client asked.
    pub local: Option<Local>,
    pub path: Rc<dyn ReturnPath>,
}

/// An answer on its way to a client.
enum Found<'a> {
    Fetched(&'a Fetched),
    Composed(Answer),
    /// What was kept past its time.
    Stale(Answer),
    Failed(ExtendedError),
}

/// Takes over what `turn` left for later: for this rule's targets, or without one a zone of ours, or a kept
/// answer, whose CNAME leads out of it.
pub fn begin(worker: &Worker, snapshot: &Held, packet: &[u8], rule: Option<u32>, back: Back, now: Instant) {
    let mut folded = Folded::default();
    let Judged::Ask(query) = judge(packet, &mut folded) else { return };
    let client = back.client;
    let asker = snapshot.asker(&client);
    let waiter = |place| Waiter {
        snapshot: Held::clone(snapshot),
        asker,
        packet: packet.into(),
        back,
        deadline: now + QUERY_DEADLINE,
        trail: None,
        place,
    };
    if let Some(why) = marks::came_back(worker, snapshot, rule, &query, now) {
        return respond(worker, waiter(None), &query, &Found::Failed(why));
    }
    let endpoint = rule.map(|rule| {
        let endpoint = snapshot.endpoint_of(&snapshot.rules[rule as usize]);
        Arc::as_ptr(endpoint) as usize
    });
    let place = worker.wait_in_line(endpoint, client.address.ip(), packet.len());
    let waiter = waiter(place.ok());
    if let Err(full) = place {
        worker.counts.shed(full);
        let why = ExtendedError::new(ErrorCode::Other, full.why());
        return respond(worker, waiter, &query, &Found::Failed(why));
    }
    match rule {
        Some(rule) => {
            let question = fetch::wanted(snapshot, asker.view, rule, &query, query.question());
            ask(worker, waiter, rule, question, now);
        }
        None => go_along(worker, waiter, Trail::new(&query, asker), &query, now),
    }
}

/// Asks anew for what a client has just got from the cache, before it expires there: within the budget of extra
/// questions, and once.
pub fn refresh(worker: &Worker, snapshot: &Held, packet: &[u8], client: &Client, now: Instant) {
    let mut folded = Folded::default();
    let Judged::Ask(query) = judge(packet, &mut folded) else { return };
    let view = snapshot.view_of(client.address.ip(), client.key);
    let decision = snapshot.decide(view, query.qname(), query.rtype(), query.rclass());
    let Some(rule) = decision.action.rule() else { return };
    let errand = SnapshotErrand { snapshot: Held::clone(snapshot), of: Of::Rule(rule) };
    let wanted = errand.rule().is_some_and(|rule| snapshot.freshness_of(rule).prefetch);
    if !wanted || errand.endpoint().is_dark(now) {
        return;
    }
    let question = fetch::wanted(snapshot, view, rule, &query, query.question());
    if !worker.shared.in_flight.is_asked(&question) && errand.endpoint().budget.spend() {
        counts::bump(&worker.counts.refreshes);
        launch(worker, errand, question, Aim::Answer, now);
    }
}

/// Tells all who can be told now.
pub fn settle(worker: &Worker, now: Instant) {
    while let Some(finished) = worker.next_finished() {
        finish(worker, finished, now);
    }
}

fn finish(worker: &Worker, finished: Finished<SnapshotErrand, Waiter>, now: Instant) {
    let Finished { flight, question, errand, fetched, waiters, end } = finished;
    if let Of::Mark { mark, .. } = errand.of {
        return marks::is_over(worker, mark, &fetched, now);
    }
    if end == End::Led {
        if is_failure(&fetched) && !errand.endpoint().is_dark(now) {
            marks::suspect(worker, &errand, now);
        }
        fetch::keep(&errand, &question, &fetched, now);
        // After the cache: who comes in between finds it there.
        let shared = &worker.shared;
        for follower in shared.in_flight.leave(&question, Seat { worker: worker.index, flight }) {
            shared.inboxes[follower.worker].tell(follower.flight, fetched.clone());
        }
    }
    for waiter in waiters {
        match end {
            End::Slow => give_stale(worker, waiter, &errand, &question, now),
            End::Led | End::Told | End::Late => resume(worker, waiter, &errand, &question, &fetched, now),
        }
    }
}

/// Asks a rule's targets, unless somebody does already or there is nobody to ask.
fn ask(worker: &Worker, waiter: Waiter, rule: u32, question: Question, now: Instant) {
    let errand = SnapshotErrand { snapshot: Held::clone(&waiter.snapshot), of: Of::Rule(rule) };
    let avoided = match marks::passage(worker, &errand, rule, now) {
        Passage::Free => SmallVec::new(),
        Passage::Avoid(targets) => targets,
        Passage::Barred(why) => {
            return resume(worker, waiter, &errand, &question, &Fetched::Failed(why), now);
        }
    };
    marks::asked(worker, &errand, rule, now);
    if is_a_target(&waiter.back.client, &errand) {
        marks::suspect(worker, &errand, now);
    }
    if errand.endpoint().is_dark(now) {
        return tell_dark(worker, waiter, &errand, question, now);
    }
    let stale_at = match (errand.rule(), &waiter.trail) {
        (Some(rule), None) => fetch::stale_at(&errand.snapshot, rule, &question, now),
        _ => None,
    };
    let deadline = waiter.deadline;
    let mut exchange = worker.exchange();
    let flight = exchange.file(question.clone(), errand, Aim::Answer, deadline, Some(waiter));
    exchange.avoid(flight, &avoided);
    if let Some(at) = stale_at {
        exchange.give_stale_at(flight, at);
    }
    match worker.shared.in_flight.join(&question, Seat { worker: worker.index, flight }) {
        Role::Lead => exchange.start(flight, now, worker.transport()),
        Role::Join(other) => exchange.join(flight, other),
        Role::Follow => exchange.wait(flight),
    }
}

/// All targets were silent until the deadline, or say that they failed: what whoever runs into a loop gets.
fn is_failure(fetched: &Fetched) -> bool {
    match fetched {
        Fetched::Failed(why) => why.code == ErrorCode::NoReachableAuthority,
        Fetched::Answer { answer, .. } => answer.view().rcode() == rcode::SERVFAIL,
    }
}

/// Whether the client has the address of a target that its question goes to.
fn is_a_target(client: &Client, errand: &SnapshotErrand) -> bool {
    let client = client.address.ip().to_canonical();
    errand.endpoint().targets.iter().any(|member| member.target.address.ip().to_canonical() == client)
}

/// No target says anything: nobody waits for that. One question a second tries nevertheless, and its client does
/// not wait for it either.
fn tell_dark(worker: &Worker, waiter: Waiter, errand: &SnapshotErrand, question: Question, now: Instant) {
    let endpoint = errand.endpoint();
    if endpoint.tries_the_dark(now) {
        launch(worker, errand.clone(), question.clone(), Aim::Try, now);
    }
    let fetched = Fetched::Failed(endpoint.darkness(now));
    resume(worker, waiter, errand, &question, &fetched, now);
}

/// Asks on nobody's behalf: the answer goes to the cache. Not if somebody asks already.
fn launch(worker: &Worker, errand: SnapshotErrand, question: Question, aim: Aim, now: Instant) {
    let mut exchange = worker.exchange();
    let flight = exchange.file(question.clone(), errand, aim, now + QUERY_DEADLINE, None);
    match worker.shared.in_flight.join(&question, Seat { worker: worker.index, flight }) {
        Role::Lead => exchange.start(flight, now, worker.transport()),
        Role::Join(_) | Role::Follow => {
            exchange.withdraw(flight);
        }
    }
}

/// Takes up a client whose question, or a part of it, is over.
fn resume(
    worker: &Worker,
    mut waiter: Waiter,
    errand: &SnapshotErrand,
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
    match fetched {
        Fetched::Answer { answer, .. } if is_unfinished(&snapshot, &waiter.asker, answer, &query) => {
            let mut trail = Trail::new(&query, waiter.asker);
            trail.take(&snapshot, &query, fetched, 0);
            go_along(worker, waiter, trail, &query, now);
        }
        Fetched::Answer { .. } => respond(worker, waiter, &query, &Found::Fetched(fetched)),
        Fetched::Failed(_) => match stale_of(errand, question, now) {
            Some(answer) => respond_stale(worker, waiter, &query, answer, now),
            None => respond(worker, waiter, &query, &Found::Fetched(fetched)),
        },
    }
}

/// Gives what was kept past its time. An alias of another rule's name is no answer by itself: that one is asked, and
/// may well live.
fn respond_stale(worker: &Worker, waiter: Waiter, query: &Query<'_>, answer: Answer, now: Instant) {
    let snapshot = Held::clone(&waiter.snapshot);
    if !is_unfinished(&snapshot, &waiter.asker, &answer, query) {
        return respond(worker, waiter, query, &Found::Stale(answer));
    }
    let mut trail = Trail::new(query, waiter.asker);
    trail.take(&snapshot, query, &Fetched::Answer { answer, lifetime: 0 }, 0);
    go_along(worker, waiter, trail, query, now);
}

/// Whether the answer ends in a CNAME that others have to speak for. Most have none: those cost no decision.
fn is_unfinished(snapshot: &Snapshot, asker: &Asker, answer: &Answer, query: &Query<'_>) -> bool {
    let view = answer.view();
    let decide = || snapshot.decide(asker.view, query.qname(), query.rtype(), query.rclass());
    view.has_cname_tail() && leads_elsewhere(snapshot, || *asker, decide(), &view, query)
}

fn stale_of(errand: &SnapshotErrand, question: &Question, now: Instant) -> Option<Answer> {
    fetch::stale(&errand.snapshot, errand.rule()?, question, now)
}

/// Gives a client what was kept past its time; the targets go on being asked. Should the cache have lost it in
/// the meantime, the client goes on waiting.
fn give_stale(
    worker: &Worker,
    mut waiter: Waiter,
    errand: &SnapshotErrand,
    question: &Question,
    now: Instant,
) {
    let packet = Rc::clone(&waiter.packet);
    let mut folded = Folded::default();
    let Judged::Ask(query) = judge(&packet, &mut folded) else { return };
    match (stale_of(errand, question, now), errand.of) {
        (Some(answer), _) => match waiter.trail.take() {
            // It waits for a part of its answer only, with others who wait for the whole of theirs.
            Some(mut trail) => {
                trail.take(&waiter.snapshot, &query, &Fetched::Answer { answer, lifetime: 0 }, 0);
                go_along(worker, waiter, *trail, &query, now);
            }
            None => respond_stale(worker, waiter, &query, answer, now),
        },
        (None, Of::Rule(rule)) => ask(worker, waiter, rule, question.clone(), now),
        (None, Of::Endpoint(_) | Of::Mark { .. }) => {}
    }
}

/// Follows CNAMEs across rules and zones as far as that goes without asking.
fn go_along(worker: &Worker, mut waiter: Waiter, mut trail: Trail, query: &Query<'_>, now: Instant) {
    match trail.go_on(&waiter.snapshot, query, now) {
        Course::Ask { rule, question } => {
            waiter.trail = Some(Box::new(trail));
            ask(worker, waiter, rule, question, now);
        }
        Course::Over(followed) => {
            let found = followed.map_or_else(Found::Failed, Found::Composed);
            respond(worker, waiter, query, &found);
        }
    }
}

/// The one reply that a waiter gets.
fn respond(worker: &Worker, waiter: Waiter, query: &Query<'_>, found: &Found<'_>) {
    let (answer, origin) = match found {
        Found::Composed(answer) => (Ok(answer), Origin::Followed),
        Found::Stale(answer) => (Ok(answer), Origin::Stale),
        Found::Failed(why) => (Err(why), Origin::Failed),
        Found::Fetched(Fetched::Answer { answer, .. }) => (Ok(answer), Origin::Forwarded),
        Found::Fetched(Fetched::Failed(why)) => (Err(why), Origin::Failed),
    };
    let limit = reply_limit(&waiter.snapshot, query, waiter.back.client.transport);
    let mut write = |out: &mut [u8]| match answer {
        Ok(answer) => answer.view().deliver(query, 0, limit, out),
        Err(why) => write_error(out, &Failure::of(query, rcode::SERVFAIL), Some(why)),
    };
    waiter.back.path.answer(&waiter.back.client, waiter.back.local, &mut write);
    if let Some(place) = waiter.place {
        worker.leave_line(place);
    }
    let code = answer.map_or(rcode::SERVFAIL, |answer| answer.view().rcode());
    worker.counts.replied(waiter.back.client.transport, origin, code);
}
