//! One question for one rule, between the cache and the rule's targets: what is kept of an answer, and what may
//! be given of what was kept.

use std::sync::Arc;

use super::snapshot::{Rule, Snapshot};
use super::{Held, subnet_of};
use crate::cache::{Entry, FAILURE_KEPT, Key, key_flags, seconds};
use crate::forward::coalesce::Question;
use crate::forward::pick::Endpoint;
use crate::forward::stats::Exchanges;
use crate::forward::{Errand, Fetched};
use crate::wire::answer::{Answer, Ask, TtlLimits};
use crate::wire::header::rcode;
use crate::wire::query::Query;

/// A rule of a snapshot, as the exchange sees it.
#[derive(Clone)]
pub struct RuleErrand {
    pub snapshot: Held,
    pub index: u32,
}

impl RuleErrand {
    pub fn rule(&self) -> &Rule {
        &self.snapshot.rules[self.index as usize]
    }
}

impl Errand for RuleErrand {
    fn endpoint(&self) -> &Endpoint {
        self.snapshot.endpoint_of(self.rule())
    }

    fn stats(&self) -> &[Arc<Exchanges>] {
        self.snapshot.stats_of(self.index)
    }

    fn limits(&self) -> TtlLimits {
        self.snapshot.ttls
    }
}

/// What a rule is asked on behalf of `query`: its own name, or the one that its CNAMEs lead to.
pub fn wanted(snapshot: &Snapshot, index: u32, query: &Query<'_>, question: &[u8]) -> Question {
    let rule = &snapshot.rules[index as usize];
    let ask = Ask {
        question,
        bits: query.bits,
        dnssec_ok: query.dnssec_ok(),
        client_subnet: subnet_of(snapshot, rule, query),
        edns: true,
    };
    let hash = snapshot.cache.hash(&key_of(&ask));
    Question::new(&ask, rule.tag, hash)
}

fn key_of<'a>(ask: &Ask<'a>) -> Key<'a> {
    Key { question: ask.question, flags: key_flags(ask.bits, ask.dnssec_ok), subnet: ask.client_subnet }
}

/// Puts what came into the cache, failures too (RFC 9520): but they don't take the place of an old answer that
/// is still of use.
pub fn keep(errand: &RuleErrand, question: &Question, fetched: &Fetched) {
    let (snapshot, rule, ask) = (&errand.snapshot, errand.rule(), question.ask());
    let put = |lifetime, answer| {
        snapshot.cache.insert(&key_of(&ask), question.hash, rule.tag, lifetime, answer);
    };
    match fetched {
        Fetched::Answer { answer, lifetime } if *lifetime > 0 => put(seconds(*lifetime), answer),
        _ if look_stale(snapshot, rule, question, |_| ()).is_some() => {}
        Fetched::Answer { answer, .. } if is_failure(answer.view().rcode()) => put(FAILURE_KEPT, answer),
        Fetched::Answer { .. } => {}
        Fetched::Failed(why) => put(FAILURE_KEPT, &Answer::failure(ask.question, ask.bits, why)),
    }
}

fn is_failure(code: u16) -> bool {
    matches!(code, rcode::SERVFAIL | rcode::REFUSED)
}

/// The fresh answer that the cache holds, and its age in seconds.
pub fn kept(snapshot: &Snapshot, rule: &Rule, question: &Question) -> Option<(Answer, u32)> {
    let now = snapshot.cache.now();
    let found = snapshot.cache.look(&key_of(&question.ask()), question.hash, |entry| {
        let usable = entry.is_fresh(now) && entry.rule == rule.tag;
        usable.then(|| (entry.answer.to_answer(), entry.age(now)))
    });
    found.flatten()
}

/// What the cache holds past its time, if that may be given (RFC 8767).
pub fn stale(snapshot: &Snapshot, rule: &Rule, question: &Question) -> Option<Answer> {
    let ttl = snapshot.config.cache.stale_ttl_secs;
    look_stale(snapshot, rule, question, |entry| entry.answer.to_stale(ttl))
}

fn look_stale<R>(
    snapshot: &Snapshot,
    rule: &Rule,
    question: &Question,
    see: impl FnOnce(Entry<'_>) -> R,
) -> Option<R> {
    let settings = &snapshot.config.cache;
    let now = snapshot.cache.now();
    let found = snapshot.cache.look(&key_of(&question.ask()), question.hash, |entry| {
        let young = now <= entry.expires_at.saturating_add(seconds(settings.max_stale_secs));
        let usable = young && entry.rule == rule.tag && !is_failure(entry.answer.rcode());
        (usable && settings.serve_stale).then(|| see(entry))
    });
    found.flatten()
}
