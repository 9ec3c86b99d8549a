//! What goes on when a question can't be answered from what is here: fetch it once for all who ask, keep it,
//! follow where it leads, and answer within the deadline whatever happens.

use std::sync::Arc;
use std::time::Instant;

use super::counts::Origin;
use super::fetch::{Wanted, fetch, stale};
use super::worker::Worker;
use super::{Client, Held, leads_elsewhere, reply_limit, subnet_of};
use crate::forward::Fetched;
use crate::limits::{MESSAGE, QUERY_DEADLINE};
use crate::policy::Action;
use crate::wire::answer::{Answer, Failure, write_error};
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

async fn follow(worker: &Worker, snapshot: &Held, query: &Query<'_>, deadline: Instant) -> Found {
    super::follow::follow(worker, snapshot, query, deadline).await.map_or_else(Found::Failed, Found::Composed)
}

async fn find(worker: &Worker, snapshot: &Held, query: &Query<'_>, deadline: Instant) -> Found {
    let decision = snapshot.policy.decide(query.qname(), query.rtype(), query.rclass());
    let (Action::Forward { rule } | Action::System { rule }) = decision.action else {
        // A zone of ours whose CNAME leads out of it.
        return follow(worker, snapshot, query, deadline).await;
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
            follow(worker, snapshot, query, deadline).await
        }
        Fetched::Failed(_) => match stale(snapshot, &snapshot.rules[rule as usize], &wanted) {
            Some(answer) => Found::Stale(answer),
            None => Found::Fetched(fetched),
        },
        _ => Found::Fetched(fetched),
    }
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
