//! What goes on when a question can't be answered from what is here: fetch it once for all who ask, keep it,
//! follow where it leads, and answer within the deadline whatever happens.

use std::sync::Arc;
use std::time::Instant;

use super::counts::Origin;
use super::follow;
use super::snapshot::Rule;
use super::worker::Worker;
use super::{Client, Held, leads_elsewhere, reply_limit, subnet_of};
use crate::cache::{Key, key_flags};
use crate::forward::coalesce::{FlightKey, Role};
use crate::forward::{Fetched, Job};
use crate::limits::{MESSAGE, QUERY_DEADLINE};
use crate::policy::Action;
use crate::wire::answer::{Answer, Ask, Failure, write_error};
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::header::rcode;
use crate::wire::query::{Judged, Query, judge};

/// An answer on its way to a client.
pub enum Found {
    Fetched(Arc<Fetched>),
    Composed(Answer),
    /// What was kept past its time.
    Stale(Answer),
    Failed(ExtendedError),
}

/// Finishes what `turn` left for later; gives the reply's bytes.
pub async fn finish(worker: &Worker, snapshot: &Held, packet: &[u8], client: &Client) -> Vec<u8> {
    let Judged::Ask(query) = judge(packet) else { return Vec::new() };
    let deadline = Instant::now() + QUERY_DEADLINE;
    let Some(_place) = worker.wait_in_line() else {
        let why = ExtendedError::new(ErrorCode::Other, "too many questions wait for targets");
        return respond(worker, &query, client, snapshot, &Found::Failed(why));
    };
    let found = find(worker, snapshot, &query, deadline).await;
    respond(worker, &query, client, snapshot, &found)
}

async fn find(worker: &Worker, snapshot: &Held, query: &Query<'_>, deadline: Instant) -> Found {
    let decision = snapshot.policy.decide(query.qname(), query.rtype(), query.rclass());
    let (Action::Forward { rule } | Action::System { rule }) = decision.action else {
        // A zone of ours whose CNAME leads out of it.
        return follow::follow(worker, snapshot, query, deadline).await;
    };
    let subnet = subnet_of(snapshot, &snapshot.rules[rule as usize], query);
    let wanted = Wanted {
        question: query.question(),
        bits: query.bits,
        dnssec_ok: query.dnssec_ok(),
        subnet,
        deadline,
    };
    let (fetched, _) = fetch(worker, snapshot, rule, &wanted).await;
    match &*fetched {
        Fetched::Answer { answer, .. } if leads_elsewhere(snapshot, decision, &answer.view(), query) => {
            follow::follow(worker, snapshot, query, deadline).await
        }
        Fetched::Failed(_) => match stale(snapshot, rule, &wanted) {
            Some(answer) => Found::Stale(answer),
            None => Found::Fetched(fetched),
        },
        _ => Found::Fetched(fetched),
    }
}

/// What the cache holds past its time, if that may be given (RFC 8767).
fn stale(snapshot: &Held, index: u32, wanted: &Wanted<'_>) -> Option<Answer> {
    let settings = &snapshot.config.cache;
    let rule = &snapshot.rules[index as usize];
    let key = wanted.key();
    let now = snapshot.cache.now();
    let found = snapshot.cache.look(&key, snapshot.cache.hash(&key), |entry| {
        let young = now <= entry.expires_at.saturating_add(settings.max_stale_secs);
        (young && entry.rule == rule.tag).then(|| entry.answer.to_stale(settings.stale_ttl_secs))
    });
    found.flatten().filter(|_| settings.serve_stale)
}

/// A question as a rule asks it.
pub struct Wanted<'a> {
    pub question: &'a [u8],
    pub bits: u16,
    pub dnssec_ok: bool,
    pub subnet: &'a [u8],
    pub deadline: Instant,
}

impl Wanted<'_> {
    fn key(&self) -> Key<'_> {
        Key { question: self.question, flags: key_flags(self.bits, self.dnssec_ok), subnet: self.subnet }
    }
}

/// The answer of a rule's targets, from the cache if it is there; and its age in seconds.
pub async fn fetch(worker: &Worker, snapshot: &Held, index: u32, wanted: &Wanted<'_>) -> (Arc<Fetched>, u32) {
    let rule = &snapshot.rules[index as usize];
    let key = wanted.key();
    let hash = snapshot.cache.hash(&key);
    if let Some(kept) = kept(snapshot, rule, &key, hash) {
        return kept;
    }
    let flight = FlightKey {
        question: wanted.question.into(),
        flags: key.flags,
        subnet: wanted.subnet.into(),
        rule: rule.tag,
    };
    let fetched = match worker.shared.in_flight.join(flight, hash) {
        Role::Lead(lead) => {
            let fetched = Arc::new(ask(worker, snapshot, index, wanted).await);
            if let Fetched::Answer { answer, lifetime } = &*fetched {
                snapshot.cache.insert(&key, hash, rule.tag, *lifetime, answer);
            }
            // After the cache: who comes in between finds it there.
            lead.finish(&fetched);
            fetched
        }
        Role::Follow(told) => match tokio::time::timeout_at(wanted.deadline.into(), told).await {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(_)) => Arc::new(Fetched::failed("the question's first asker ended early")),
            Err(_) => Arc::new(Fetched::failed("no answer in time")),
        },
    };
    (fetched, 0)
}

fn kept(snapshot: &Held, rule: &Rule, key: &Key<'_>, hash: u32) -> Option<(Arc<Fetched>, u32)> {
    let now = snapshot.cache.now();
    let found = snapshot.cache.look(key, hash, |entry| {
        let usable = entry.is_fresh(now) && entry.rule == rule.tag;
        usable.then(|| (entry.answer.to_answer(), entry.age(now)))
    });
    let (answer, age) = found.flatten()?;
    Some((Arc::new(Fetched::Answer { answer, lifetime: 0 }), age))
}

async fn ask(worker: &Worker, snapshot: &Held, index: u32, wanted: &Wanted<'_>) -> Fetched {
    let rule = &snapshot.rules[index as usize];
    let job = Job {
        ask: Ask {
            question: wanted.question,
            bits: wanted.bits,
            dnssec_ok: wanted.dnssec_ok,
            client_subnet: wanted.subnet,
            edns: true,
        },
        endpoint: snapshot.endpoint_of(rule),
        stats: snapshot.stats_of(index),
        limits: snapshot.ttls,
        deadline: wanted.deadline,
    };
    worker.exchanger.exchange(&job).await
}

fn respond(worker: &Worker, query: &Query<'_>, client: &Client, snapshot: &Held, found: &Found) -> Vec<u8> {
    let limit = reply_limit(snapshot, query, client.transport);
    let (answer, origin) = match found {
        Found::Composed(answer) => (Ok(answer), Origin::Followed),
        Found::Stale(answer) => (Ok(answer), Origin::Stale),
        Found::Failed(why) => (Err(why), Origin::Failed),
        Found::Fetched(fetched) => match &**fetched {
            Fetched::Answer { answer, .. } => (Ok(answer), Origin::Forwarded),
            Fetched::Failed(why) => (Err(why), Origin::Failed),
        },
    };
    match answer {
        Ok(answer) => {
            let view = answer.view();
            let mut out = vec![0; limit.min(view.message.len() + 1024).clamp(512, MESSAGE)];
            let len = view.deliver(query, 0, limit, &mut out);
            out.truncate(len);
            worker.counts.replied(client.transport, origin, view.rcode());
            out
        }
        Err(why) => {
            let mut out = vec![0; 512 + 256];
            let len = write_error(&mut out, &Failure::of(query, rcode::SERVFAIL), Some(why));
            out.truncate(len);
            worker.counts.replied(client.transport, origin, rcode::SERVFAIL);
            out
        }
    }
}
