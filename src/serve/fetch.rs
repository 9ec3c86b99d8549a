//! One question for one rule: from the cache, from whoever asks it already, or from the rule's targets.

use std::sync::Arc;
use std::time::Instant;

use super::Held;
use super::snapshot::Rule;
use super::worker::Worker;
use crate::cache::{FAILURE_KEPT, Key, key_flags, seconds};
use crate::forward::coalesce::{FlightKey, Role};
use crate::forward::{Fetched, Job};
use crate::wire::answer::{Answer, Ask};
use crate::wire::header::rcode;

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
            keep(snapshot, rule, wanted, hash, &fetched);
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

/// Puts what came into the cache, failures too (RFC 9520): but they don't take the place of an old answer that
/// is still of use.
fn keep(snapshot: &Held, rule: &Rule, wanted: &Wanted<'_>, hash: u32, fetched: &Fetched) {
    let put = |lifetime, answer| snapshot.cache.insert(&wanted.key(), hash, rule.tag, lifetime, answer);
    match fetched {
        Fetched::Answer { answer, lifetime } if *lifetime > 0 => put(seconds(*lifetime), answer),
        _ if stale(snapshot, rule, wanted).is_some() => {}
        Fetched::Answer { answer, .. } if is_failure(answer.view().rcode()) => put(FAILURE_KEPT, answer),
        Fetched::Answer { .. } => {}
        Fetched::Failed(why) => put(FAILURE_KEPT, &Answer::failure(wanted.question, wanted.bits, why)),
    }
}

fn is_failure(code: u16) -> bool {
    matches!(code, rcode::SERVFAIL | rcode::REFUSED)
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

/// What the cache holds past its time, if that may be given (RFC 8767).
pub fn stale(snapshot: &Held, rule: &Rule, wanted: &Wanted<'_>) -> Option<Answer> {
    let settings = &snapshot.config.cache;
    let key = wanted.key();
    let now = snapshot.cache.now();
    let found = snapshot.cache.look(&key, snapshot.cache.hash(&key), |entry| {
        let young = now <= entry.expires_at.saturating_add(seconds(settings.max_stale_secs));
        let usable = young && entry.rule == rule.tag && !is_failure(entry.answer.rcode());
        usable.then(|| entry.answer.to_stale(settings.stale_ttl_secs))
    });
    found.flatten().filter(|_| settings.serve_stale)
}
