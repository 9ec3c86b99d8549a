//! Turns without a worker, sockets and targets: for whoever counts or compares what they come to. Nothing of
//! the server uses this.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use super::counts::{Transport, WorkerCounts};
use super::snapshot::{Built, Snapshot};
use super::{Client, Step, subnet_of, turn};
use crate::cache::{Key, Ticks, seconds};
use crate::config::diagnostic::Diagnostic;
use crate::limits::DATAGRAM;
use crate::wire::answer::{Answer, lifetime};
use crate::wire::query::{Folded, Judged, judge};
use crate::wire::reply::{Reply, scan};

/// What answers one client from a snapshot and what its cache was given.
pub struct Solo {
    counts: WorkerCounts,
    snapshot: Snapshot,
    client: Client,
    /// The time, as a worker takes it: once for a batch.
    now: Ticks,
    out: Box<[u8; DATAGRAM]>,
}

impl Solo {
    /// What the server that `path` describes would answer from; or the files' faults.
    pub fn read(path: &Path) -> Result<Solo, Vec<Diagnostic>> {
        let Built { snapshot, diagnostics } = Snapshot::build(path, None, &Arc::default());
        let snapshot = snapshot.ok_or(diagnostics)?;
        Ok(Solo {
            counts: WorkerCounts::new(0),
            now: snapshot.cache.now(),
            snapshot,
            client: Client {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 53535)),
                transport: Transport::Udp,
                listener: SocketAddr::from((Ipv4Addr::LOCALHOST, 53)),
                key: None,
            },
            out: Box::new([0; DATAGRAM]),
        })
    }

    /// Keeps `reply` as what the targets said to `query`. False if it is nothing to keep.
    pub fn keep(&self, query: &[u8], reply: &[u8]) -> bool {
        let mut folded = Folded::default();
        let Judged::Ask(query) = judge(query, &mut folded) else { return false };
        let decision = self.snapshot.decide(
            self.snapshot.view_of(self.client.address.ip(), None),
            query.qname(),
            query.rtype(),
            query.rclass(),
        );
        let Some(rule) = self.snapshot.rule_of(decision.action) else { return false };
        let mut scanned = Reply::default();
        if scan(reply, query.question(), &mut scanned).is_err() {
            return false;
        }
        let answer = Answer::from_reply(reply, query.question(), &scanned, self.snapshot.ttls, false);
        let lifetime = lifetime(&scanned, self.snapshot.ttls);
        let own = self.snapshot.own_cache(self.snapshot.view_of(self.client.address.ip(), None));
        let key = Key::of(&query, subnet_of(&self.snapshot, rule, &query), own, rule.tag);
        let cache = &self.snapshot.cache;
        cache.insert(&key, cache.hash(&key), cache.now(), seconds(lifetime), &answer);
        lifetime > 0
    }

    /// One turn over UDP; gives the reply if there is one without asking targets.
    pub fn turn(&mut self, packet: &[u8]) -> Option<&[u8]> {
        match turn(&self.counts, &self.snapshot, packet, &self.client, self.now, &mut self.out[..]) {
            Step::Reply(len) | Step::ReplyAndRefresh(len) => Some(&self.out[..len]),
            Step::Silence | Step::Later(_) | Step::Apart => None,
        }
    }
}
