//! One question for one rule, between the cache and the rule's targets: what is kept of an answer, and what may
//! be given of what was kept.

use std::sync::Arc;
use std::time::Instant;

use crate::cache::{Entry, FAILURE_KEPT, Key, key_flags, seconds};
use crate::forward::coalesce::Question;
use crate::forward::mark::Mark;
use crate::forward::pick::Endpoint;
use crate::forward::stats::Exchanges;
use crate::forward::{Errand, Fetched};
use crate::serve::snapshot::{Rule, Snapshot};
use crate::serve::views::ViewIndex;
use crate::serve::{Held, subnet_of};
use crate::wire::answer::{Answer, Ask, TtlLimits};
use crate::wire::header::rcode;
use crate::wire::query::Query;

/// A question's rule or, for a probe, endpoint, in the snapshot that was in force when it was asked.
#[derive(Clone)]
pub struct SnapshotErrand {
    pub snapshot: Held,
    pub of: Of,
}

#[derive(Clone, Copy, Debug)]
pub enum Of {
    Rule(u32),
    Endpoint(u32),
    /// A marked question on behalf of the rule.
    Mark {
        rule: u32,
        mark: Mark,
    },
}

impl SnapshotErrand {
    pub fn rule(&self) -> Option<&Rule> {
        match self.of {
            Of::Rule(index) => self.snapshot.rules.get(index as usize),
            Of::Endpoint(_) | Of::Mark { .. } => None,
        }
    }
}

impl Errand for SnapshotErrand {
    fn endpoint(&self) -> &Endpoint {
        match self.of {
            Of::Rule(rule) | Of::Mark { rule, .. } => {
                self.snapshot.endpoint_of(&self.snapshot.rules[rule as usize])
            }
            Of::Endpoint(index) => &self.snapshot.endpoints[index as usize],
        }
    }

    fn stats(&self, target: usize) -> Option<&Exchanges> {
        match self.of {
            Of::Rule(index) => self.snapshot.stats_of(index).get(target).map(Arc::as_ref),
            Of::Endpoint(_) | Of::Mark { .. } => None,
        }
    }

    fn limits(&self) -> TtlLimits {
        self.snapshot.ttls
    }
}

/// What a rule is asked on behalf of `query`, which came from a client of this view: its own name, or the one that
/// its CNAMEs lead to.
pub fn wanted(
    snapshot: &Snapshot,
    view: ViewIndex,
    index: u32,
    query: &Query<'_>,
    question: &[u8],
) -> Question {
    let rule = &snapshot.rules[index as usize];
    let ask = Ask {
        question,
        bits: query.bits,
        dnssec_ok: query.dnssec_ok(),
        client_subnet: subnet_of(snapshot, rule, query),
        edns: true,
    };
    let own = snapshot.own_cache(view);
    let hash = snapshot.cache.hash(&key_of(&ask, rule.tag, own));
    Question::new(&ask, rule.tag, own, hash)
}

fn key_of<'a>(ask: &Ask<'a>, rule: u32, own: u16) -> Key<'a> {
    let flags = key_flags(ask.bits, ask.dnssec_ok, own);
    Key { question: ask.question, flags, subnet: ask.client_subnet, rule }
}

/// Where the cache has what answers a question.
fn key_for(question: &Question) -> Key<'_> {
    key_of(&question.ask(), question.rule(), question.own())
}

/// Puts what came into the cache, failures too (RFC 9520): but they don't take the place of an old answer that
/// is still of use. That all targets are silent is kept with the endpoint and not name by name: so it ends with
/// the first good probe. What failed around then may be good now, and is not kept either.
pub fn keep(errand: &SnapshotErrand, question: &Question, fetched: &Fetched, now: Instant) {
    let Some(rule) = errand.rule() else { return };
    let (snapshot, ask) = (&errand.snapshot, question.ask());
    let ticks = snapshot.cache.ticks(now);
    let put = |lifetime, answer| {
        snapshot.cache.insert(&key_for(question), question.hash, ticks, lifetime, answer);
    };
    match fetched {
        Fetched::Answer { answer, lifetime } if *lifetime > 0 => put(seconds(*lifetime), answer),
        _ if look_stale(snapshot, rule, question, now, |_| ()).is_some() => {}
        Fetched::Answer { answer, .. } if is_failure(answer.view().rcode()) => put(FAILURE_KEPT, answer),
        Fetched::Answer { .. } => {}
        Fetched::Failed(_) if errand.endpoint().is_dark(now) || errand.endpoint().is_coming_back() => {}
        Fetched::Failed(why) => put(FAILURE_KEPT, &Answer::failure(ask.question, ask.bits, why)),
    }
}

fn is_failure(code: u16) -> bool {
    matches!(code, rcode::SERVFAIL | rcode::REFUSED)
}

/// The fresh answer that the cache holds, and its age in seconds.
pub fn kept(snapshot: &Snapshot, question: &Question, now: Instant) -> Option<(Answer, u32)> {
    let now = snapshot.cache.ticks(now);
    let found = snapshot.cache.look(&key_for(question), question.hash, |entry| {
        entry.is_fresh(now).then(|| (entry.answer.to_answer(), entry.age(now)))
    });
    found.flatten()
}

/// What the cache holds past its time, if that may be given (RFC 8767).
pub fn stale(snapshot: &Snapshot, rule: &Rule, question: &Question, now: Instant) -> Option<Answer> {
    let ttl = snapshot.freshness_of(rule).stale_ttl_secs;
    look_stale(snapshot, rule, question, now, |entry| entry.answer.to_stale(ttl))
}

/// When clients get what was kept past its time, if no target has answered by then; none if nothing was kept.
pub fn stale_at(snapshot: &Snapshot, rule: &Rule, question: &Question, now: Instant) -> Option<Instant> {
    let after = snapshot.freshness_of(rule).stale_after?;
    look_stale(snapshot, rule, question, now, |_| now + after)
}

fn look_stale<R>(
    snapshot: &Snapshot,
    rule: &Rule,
    question: &Question,
    now: Instant,
    see: impl FnOnce(Entry<'_>) -> R,
) -> Option<R> {
    let settings = snapshot.freshness_of(rule);
    if !settings.serve_stale {
        return None;
    }
    let now = snapshot.cache.ticks(now);
    let found = snapshot.cache.look(&key_for(question), question.hash, |entry| {
        let young = now <= entry.expires_at.saturating_add(seconds(settings.max_stale_secs));
        let usable = young && !is_failure(entry.answer.rcode());
        usable.then(|| see(entry))
    });
    found.flatten()
}
