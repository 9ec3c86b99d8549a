//! `dnsfwd`: a DNS forwarder for networks that are half in a data centre and half in AWS.
//!
//! # A question that is in the cache
//!
//! A client's datagram is taken by a *worker* (`serve::workers`), one of a few threads that share nothing on this
//! way but the snapshot and the cache. The worker takes up to 32 datagrams with one system call, and for each
//! calls [`serve::turn`]: the one function that lists what happens to a question, in order. The access list
//! lets the client in; [`wire::query::judge`] finds one question in the bytes; [`policy::Policy::decide`] says
//! which zone or rule it belongs to, and why; [`cache::Cache::look`] finds the answer that the rule's targets
//! gave before, as bytes; [`wire::answer::AnswerRef::deliver`] copies them out with the client's ID, its
//! spelling of the question and the TTLs aged. The replies of the whole batch leave with one system call.
//! Nothing was allocated and nothing waited.
//!
//! # A question that is not
//!
//! `turn` says "later", and `serve::question` files the client as a waiter. If somebody asks the same already, on
//! any worker, it waits for that one ([`forward::coalesce`]). Else the worker's [`forward::exchange`] asks the
//! endpoint's targets: [`forward::pick`] takes the less busy of two drawn by chance among the best tier, and
//! [`forward::network`] sends the question from one of a few random ports. Its reply is scanned once
//! ([`wire::reply::scan`]): is it the answer to what was asked, and sound to its last octet? Then it is packed,
//! kept, and delivered to all who wait, in the same turn of the loop. An answer that ends in a CNAME of somebody
//! else's domain goes on where that domain belongs (`serve::question::follow`). The exchange and all that stands above it
//! have no socket and no clock: replies, troubles and the time come in as arguments.
//!
//! # A target that is dead
//!
//! When most answers of the first target would have come and this one hasn't, a second target is asked too, out of a
//! small budget; and without one when the first one's patience is over ([`forward::flight`]). Whichever answers first
//! wins. Questions that stay unanswered pile up on the dead target's account, so the draw of two avoids it at once;
//! late twice in a row it is *suspect*, and after the second loss with nothing heard in between it is *down*
//! ([`forward::target::State`]) and gets no client's question while another target lives. [`forward::probe`] says when
//! it is probed; the first good reply makes it *returning*, with a growing share of questions. If all are silent,
//! clients get an expired answer or SERVFAIL with the reason in it, at once.
//!
//! # A target that asks us
//!
//! A rule's targets are asked now and then for a name that nobody else can know ([`forward::mark`]). If it arrives at
//! a listener, questions of that rule go round in a circle: the target is left out, and a rule without any other is
//! quarantined (`serve::loops`) until a marked question is answered and does not come back.
//!
//! # A reload
//!
//! The control plane ([`control`]) has a thread of its own. It calls [`serve::Server`], which reads all files
//! ([`config::load`], [`zone::Zone::load`]) and builds a whole new snapshot aside, taking over targets, zones
//! and the cache where they are as before. With a single fault, nothing has happened. Else new listeners open,
//! one pointer is swapped, and old listeners close when they have answered what had arrived. Workers notice at
//! their next batch. Kept answers carry the tag of the rule that made them, so those of changed rules are no
//! longer found; all others stay.
//!
//! # A zone that changes
//!
//! Transfers, notices, updates and whatever is signed are put apart by `turn` (`serve::question::apart`): signatures are checked,
//! and what is about a zone goes to the zone desk, a thread of its own ([`transfer`]), which answers in as many messages
//! as it takes. A change makes another [`zone::Zone`] from the old one, is on disk before it is acknowledged, and is seen
//! by workers with the next question: each zone of a snapshot is a cell that outlives the snapshot.
//!
//! # A view
//!
//! Clients may have rules and zones of their own (`serve::question::views`): the decision is then made over the view's policy and
//! the general one together, and kept answers are found by the rule that made them, so that views share what they agree
//! on and nothing else.
//!
//! # A scenario
//!
//! [`serve::stage`] is the same core without sockets, threads and a clock. [`scenario`] puts a network of scripted
//! targets and clients around it, and lets the time jump from one event to the next: so operators can write down
//! what went wrong, and tests can go through thousands of courses of faults.
//!
//! # The move from another server
//!
//! [`import`] reads another server's configuration by its own grammar, writes ours, and keeps a receipt of what became
//! of each statement. [`compare`] gathers questions, asks the old server and the new one, and judges where their answers
//! differ. Neither is part of a server that runs, and nothing else depends on them.
//!
//! # The AWS side
//!
//! The same file says what should stand at the other end ([`config::aws`]), and `check` looks at both ends together. `aws`
//! observes what AWS has, compares, and gives a plan; it applies just that plan, in an order that never cuts resolution.
//! A server that runs may follow what AWS has: a thread of its own asks now and then, writes what it saw to the state
//! folder, and has the server reload.
//!
//! # The rooms
//!
//! ```text
//! cli ─► control ─► serve ─► transfer, forward, zone, cache ─► policy ─► wire
//!  │         └────► config ──────────────────────────────────────────────┘
//!  └─► import, compare, scenario, aws, manual
//! ```

#[cfg(feature = "aws")]
pub mod aws;
pub mod cache;
pub mod cli;
pub mod compare;
pub mod config;
pub mod control;
pub mod forward;
pub mod import;
pub mod limits;
pub mod manual;
pub mod policy;
pub mod scenario;
pub mod serve;
pub mod sys;
pub mod transfer;
pub mod wire;
pub mod zone;
