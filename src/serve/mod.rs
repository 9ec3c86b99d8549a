//! Clients' questions and their answers. `turn` is the life of a query, read top to bottom; all transports
//! call it. What it can't answer at once goes on in `miss`.

mod counts;
mod loops;
mod offline;
mod operators;
mod question;
mod server;
mod snapshot;
#[doc(hidden)]
pub mod solo;
pub mod stage;
mod workers;
mod zones;

use std::net::SocketAddr;
use std::sync::Arc;

pub use offline::{Offline, check, explain_offline};
pub use operators::reports::tracing_level;
pub use server::{Prepared, Server, StartError};

use crate::cache::{Key, Ticks};
use crate::config;
use crate::policy::{Action, Decision};
use crate::wire::answer::{AnswerRef, Failure, TtlLimits, own_flags, put_opt, write_error};
use crate::wire::edns::{self, ErrorCode, ExtendedError};
use crate::wire::header::{bit, rcode};
use crate::wire::name::MAX_NAME;
use crate::wire::query::{Dropped, Folded, Judged, Query, is_transfer, judge};
use crate::wire::rdata::{class, rtype};
use crate::wire::write::Writer;
use crate::zone::Zone;
use counts::{Loss, Origin, Transport, WorkerCounts};
use loops::marks;
use operators::{diff, drains, explain, reports, reread};
use question::views::{Asker, Refused};
use question::{apart, fetch, follow, line, miss, rates, views};
use snapshot::Snapshot;
use snapshot::names;
use workers::{listen, tcp, thread, udp, worker};
use zones::builtins;

/// Who asks, and how.
#[derive(Clone, Copy)]
pub struct Client {
    pub address: SocketAddr,
    pub transport: Transport,
    /// The address of the listener, as it is configured.
    pub listener: SocketAddr,
    /// What the message was signed with, soundly: an index into the keys.
    pub key: Option<u32>,
}

/// What a turn came to.
pub enum Step {
    /// Nothing is sent.
    Silence,
    /// So many octets of the buffer are the reply.
    Reply(usize),
    /// The same, and the question is worth asking anew before the answer expires: `miss::refresh`.
    ReplyAndRefresh(usize),
    /// Targets have to be asked, by this rule for the question's own name, or for what its CNAMEs lead to:
    /// `miss::begin` goes on.
    Later(Option<u32>),
    /// A transfer, a notice, an update, or signed: `apart::begin` goes on.
    Apart,
}

/// A question in the middle of its turn: decided on, and next to be looked for in the cache.
pub struct Asked<'a> {
    query: Query<'a>,
    decision: Decision,
    key: Key<'a>,
    hash: u32,
    limit: usize,
    transport: Transport,
}

/// What the first half of a turn came to.
pub enum Opened<'a> {
    Done(Step),
    Asked(Asked<'a>),
}

/// One turn: a packet, and what it gets now. Nothing in here allocates on the way to a cached answer, waits,
/// or holds a lock beyond a copy.
///
/// `out` must have room for the largest reply of the transport.
pub fn turn(
    counts: &WorkerCounts,
    snapshot: &Snapshot,
    packet: &[u8],
    client: &Client,
    now: Ticks,
    out: &mut [u8],
) -> Step {
    let mut folded = Folded::default();
    match open(counts, snapshot, packet, client, now, &mut folded, out) {
        Opened::Done(step) => step,
        Opened::Asked(asked) => conclude(counts, snapshot, &asked, || *client, now, out),
    }
}

/// The first half of a turn: all up to the cache. Between the halves a batch has memory fetched for all of its
/// questions.
pub fn open<'a>(
    counts: &WorkerCounts,
    snapshot: &'a Snapshot,
    packet: &'a [u8],
    client: &Client,
    now: Ticks,
    folded: &'a mut Folded,
    out: &mut [u8],
) -> Opened<'a> {
    // Who may not ask learns that and costs no more: the access list stands before any look at the question.
    let asker = snapshot.asker(client);
    let transport = client.transport;

    // The bytes alone decide on most of what is malformed, hostile or of another protocol.
    let query = match judge(packet, folded) {
        Judged::Drop(why) => return Opened::Done(silence(counts, why)),
        Judged::Error(early) if asker.admitted => {
            let len = write_error(out, &Failure::early(&early), None);
            return Opened::Done(reply(counts, transport, Origin::Malformed, early.rcode, len));
        }
        Judged::Error(early) => {
            let failure = Failure { rcode: rcode::REFUSED, ..Failure::early(&early) };
            let why = not_admitted(snapshot, client);
            return Opened::Done(refuse(counts, transport, &failure, &why, out));
        }
        // Zones have lists of their own for these.
        Judged::Apart => return Opened::Done(Step::Apart),
        Judged::Ask(query) => query,
    };
    if query.is_signed || is_transfer(query.rtype()) {
        return Opened::Done(Step::Apart);
    }
    let refused = |why, out| refuse(counts, transport, &Failure::of(&query, rcode::REFUSED), why, out);
    if !asker.admitted && !snapshot.has_own_lists {
        return Opened::Done(refused(&not_admitted(snapshot, client), out));
    }
    // Told off rather than ignored: a client in good faith goes to its next server at once.
    if !snapshot.client_rates.allows(&client.address, now) {
        return Opened::Done(refused(&too_fast(), out));
    }

    // The one decision, shared with `explain`: in the view that the client belongs to.
    let decision = snapshot.decide(asker.view, query.qname(), query.rtype(), query.rclass());
    // A rule, zone or view may have an access list of its own, narrower than the door or wider.
    if snapshot.has_own_lists
        && let Some(why) = refused_by_list(snapshot, &asker, decision.action, client)
    {
        return Opened::Done(refused(&why, out));
    }
    snapshot.decisions.count(counts, decision.action, asker.view);
    let limit = reply_limit(snapshot, &query, transport);

    // Own data before the cache: it can't be stale, and no target may speak for it.
    if let Some(data) = snapshot.zone_of(decision.action) {
        let origin = match decision.action {
            Action::Zone(_) => Origin::Zone,
            _ => Origin::Builtin,
        };
        let Some(zone) = data.zone() else {
            return Opened::Done(nothing_held(counts, snapshot, decision.action, &query, transport, out));
        };
        return Opened::Done(match answer_from_zone(zone, &query, limit, out) {
            ZoneReply::Whole { len, rcode } => reply(counts, transport, origin, rcode, len),
            ZoneReply::Leaves => Step::Later(None),
        });
    }
    let Some(rule) = snapshot.rule_of(decision.action) else {
        let why = ExtendedError::new(ErrorCode::NotAuthoritative, "no zone and no rule covers this name");
        return Opened::Done(refused(&why, out));
    };
    let own = snapshot.own_cache(asker.view);
    let key = Key::of(&query, subnet_of(snapshot, rule, &query), own, rule.tag);
    let hash = snapshot.cache.hash(&key);
    Opened::Asked(Asked { query, decision, key, hash, limit, transport })
}

/// The second half: the cached answer, or the way to the targets. Few answers are such that it matters whose question it
/// is, so that who asks is not carried along.
pub fn conclude(
    counts: &WorkerCounts,
    snapshot: &Snapshot,
    asked: &Asked<'_>,
    client: impl Fn() -> Client,
    now: Ticks,
    out: &mut [u8],
) -> Step {
    let query = &asked.query;
    let hit = snapshot.cache.look(&asked.key, asked.hash, |entry| {
        if !entry.is_fresh(now) {
            return None;
        }
        if leads_elsewhere(snapshot, || snapshot.asker(&client()), asked.decision, &entry.answer, query) {
            return Some(Err(Leads));
        }
        let len = entry.answer.deliver(query, entry.age(now), asked.limit, out);
        Some(Ok((len, entry.answer.rcode(), entry.is_worth_refreshing(now))))
    });
    let hit = hit.flatten();
    if let Some(Ok((len, rcode, refresh))) = hit {
        let step = reply(counts, asked.transport, Origin::Cache, rcode, len);
        return if refresh { Step::ReplyAndRefresh(len) } else { step };
    }
    counts::bump(&counts.misses);
    // What is kept of the name itself is not asked for again.
    Step::Later(if hit.is_some() { None } else { asked.decision.action.rule() })
}

/// A kept answer ends in a CNAME that others have to speak for.
struct Leads;

fn silence(counts: &WorkerCounts, why: Dropped) -> Step {
    let loss = match why {
        Dropped::Short => Loss::Short,
        Dropped::Response => Loss::Response,
    };
    counts.lost(loss, 1);
    Step::Silence
}

fn reply(counts: &WorkerCounts, transport: Transport, origin: Origin, rcode: u16, len: usize) -> Step {
    counts.replied(transport, origin, rcode);
    Step::Reply(len)
}

fn refuse(
    counts: &WorkerCounts,
    transport: Transport,
    failure: &Failure<'_>,
    why: &ExtendedError,
    out: &mut [u8],
) -> Step {
    let len = write_error(out, failure, Some(why));
    reply(counts, transport, Origin::Refused, rcode::REFUSED, len)
}

#[cold]
fn not_admitted(snapshot: &Snapshot, client: &Client) -> ExtendedError {
    not_allowed(&snapshot.not_admitted(client))
}

/// What keeps a client from what decides, if its list does.
#[inline(never)]
fn refused_by_list(
    snapshot: &Snapshot,
    asker: &Asker,
    action: Action,
    client: &Client,
) -> Option<ExtendedError> {
    let by = snapshot.refusal(asker, action)?;
    Some(if by == Refused::Server { not_admitted(snapshot, client) } else { not_allowed(&by) })
}

#[cold]
fn not_allowed(by: &Refused) -> ExtendedError {
    ExtendedError::new(ErrorCode::Prohibited, format!("this client is not in {by}"))
}

/// RFC 1034 section 4.3.5: a secondary that has nothing which still holds does not answer.
#[cold]
fn nothing_held(
    counts: &WorkerCounts,
    snapshot: &Snapshot,
    action: Action,
    query: &Query<'_>,
    transport: Transport,
    out: &mut [u8],
) -> Step {
    let len = write_error(out, &Failure::of(query, rcode::SERVFAIL), snapshot.why_nothing(action).as_ref());
    reply(counts, transport, Origin::Failed, rcode::SERVFAIL, len)
}

#[cold]
fn too_fast() -> ExtendedError {
    ExtendedError::new(ErrorCode::Prohibited, "more than [server] client_rate queries a second")
}

/// Octets that a reply may have: what the client takes, within what we send over UDP (RFC 6891 section 6.2.3:
/// sizes below 512 are taken as 512).
fn reply_limit(snapshot: &Snapshot, query: &Query<'_>, transport: Transport) -> usize {
    match (transport, query.edns) {
        (Transport::Tcp, _) => crate::limits::MESSAGE,
        (Transport::Udp, None) => edns::PLAIN_UDP_SIZE,
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.udp_size).clamp(edns::PLAIN_UDP_SIZE, snapshot.max_udp_size)
        }
    }
}

/// The client subnet, where the endpoint is to be told: then it is part of the key.
fn subnet_of<'a>(snapshot: &Snapshot, rule: &snapshot::Rule, query: &Query<'a>) -> &'a [u8] {
    /// Family, two prefix lengths and an IPv6 address (RFC 7871 section 6). Longer ones are not that.
    const MAX_SUBNET: usize = 20;
    let Some(subnet) = query.edns.and_then(|edns| edns.client_subnet) else { return &[] };
    let told = snapshot.endpoint_of(rule).client_subnet && subnet.len() <= MAX_SUBNET;
    if told { subnet } else { &[] }
}

/// Whether an answer ends in a CNAME that another rule or zone than this one has to speak for.
fn leads_elsewhere(
    snapshot: &Snapshot,
    asker: impl Fn() -> Asker,
    from: Decision,
    answer: &AnswerRef<'_>,
    query: &Query<'_>,
) -> bool {
    if !answer.has_cname_tail() || !may_follow(query) {
        return false;
    }
    if snapshot.rule_of(from.action).is_some_and(|rule| !rule.follow_cname) {
        return false;
    }
    let mut target = [0; MAX_NAME];
    let Some(len) = answer.cname_target(&mut target) else { return false };
    let next = snapshot.decide_for(&asker(), &target[..len], query.rtype(), query.rclass());
    next.action != from.action && next.action != Action::Refuse
}

/// Only a client that wants recursion has CNAMEs followed for it, and only where they mean that.
fn may_follow(query: &Query<'_>) -> bool {
    query.recursion_desired()
        && query.rclass() == class::IN
        && !matches!(query.rtype(), rtype::CNAME | rtype::ANY)
}

enum ZoneReply {
    Whole {
        len: usize,
        rcode: u16,
    },
    /// A CNAME leads out of the zone, and the client wants it followed.
    Leaves,
}

/// Answers from a zone of our own: AA where the zone says so, the client's OPT answered with ours.
fn answer_from_zone(zone: &Zone, query: &Query<'_>, limit: usize, out: &mut [u8]) -> ZoneReply {
    let opt_len = if query.edns.is_some() { edns::OPT_LEN } else { 0 };
    let mut writer = Writer::new(out, limit - opt_len);
    writer.set_id(query.id);
    let (name, fixed) = query.spelled().split_at(query.spelled().len() - 4);
    let qclass = u16::from_be_bytes([fixed[2], fixed[3]]);
    // 512 octets hold any question: 12 and at most 259.
    let _ = writer.question(name, query.rtype(), qclass);
    let outcome = zone.answer(query.qname(), query.rtype(), query.dnssec_ok(), &mut writer);
    if outcome.leaves.is_some() && may_follow(query) {
        return ZoneReply::Leaves;
    }
    let mut bits = own_flags(query.bits) | u16::from(outcome.rcode);
    bits |= if outcome.authoritative { bit::AA } else { 0 };
    bits |= if outcome.truncated { bit::TC } else { 0 };
    writer.set_flags(bits);
    let len = writer.finish();
    let len = match query.edns {
        Some(edns) => put_opt(out, len, 0, edns.dnssec_ok, &[]),
        None => len,
    };
    ZoneReply::Whole { len, rcode: u16::from(outcome.rcode) }
}

fn limits_of(cache: &config::Cache) -> TtlLimits {
    TtlLimits { min: cache.min_ttl_secs, max: cache.max_ttl_secs, max_negative: cache.max_negative_ttl_secs }
}

/// A snapshot as workers hold it.
type Held = Arc<Snapshot>;
