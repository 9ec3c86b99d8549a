//! Answers by question, bounded in octets. Owns what is kept and for how long; knows nothing of targets.
//!
//! The tag of the rule that made an entry is part of what it is found by: that is how a reload loses just what a
//! changed rule had made, without a pause, and how views whose rules differ have an answer each. So is the number of
//! a view that shares nothing.

mod shard;
mod table;

use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use foldhash::fast::RandomState;

use crate::wire::answer::{Answer, AnswerRef};
use crate::wire::header::{HEADER, bit};
use crate::wire::name;
use crate::wire::query::Query;
use shard::{NewEntry, Shard};

/// The cache's clock: quarters of a second since the server began. 32 bits hold 34 years of them.
pub type Ticks = u32;

/// Ticks of a second.
const PER_SECOND: u32 = 4;
/// How long a failure is kept: RFC 9520 section 3.2 asks for at least a second (and at most five minutes); a
/// tick more, as the clock's grain takes one off. Longer would hide a target that is back.
pub const FAILURE_KEPT: Ticks = PER_SECOND + 1;

/// What is kept for less is not refreshed ahead of time: a tenth of it is below a second.
const REFRESHED: Ticks = 10 * PER_SECOND;

/// Ticks of so many seconds.
pub fn seconds(seconds: u32) -> Ticks {
    seconds.saturating_mul(PER_SECOND)
}

/// Shards at most: so that two workers seldom want the same lock.
const MAX_SHARDS: usize = 64;
/// A shard's ring is at least this large, so that the largest message is a small part of it.
const MIN_SHARD: usize = 1 << 20;

/// What makes two questions the same: everything in them that a target's answer can depend on.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// Name in lower case, type, class.
    pub question: &'a [u8],
    /// RD, AD, CD and DO, and the view if it shares nothing: see `key_flags`.
    pub flags: u16,
    /// The client subnet, where the endpoint is told it; else empty.
    pub subnet: &'a [u8],
    /// The tag of the rule whose targets answer.
    pub rule: u32,
}

impl<'a> Key<'a> {
    /// `own` is the number of a view that shares nothing; 0: shared.
    pub fn of(query: &Query<'a>, subnet: &'a [u8], own: u16, rule: u32) -> Key<'a> {
        Key { question: query.question(), flags: key_flags(query.bits, query.dnssec_ok(), own), subnet, rule }
    }
}

/// Bits of a key's flags below the view's number.
const VIEW_SHIFT: u32 = 4;

/// The client's flags that a target sees, and the number of a view that shares nothing (below 4,096): nothing leaks
/// from one setting to another.
pub fn key_flags(bits: u16, dnssec_ok: bool, own: u16) -> u16 {
    u16::from(bits & bit::RD != 0)
        | u16::from(bits & bit::AD != 0) << 1
        | u16::from(bits & bit::CD != 0) << 2
        | u16::from(dnssec_ok) << 3
        | own << VIEW_SHIFT
}

/// A kept answer.
pub struct Entry<'a> {
    /// The tag of the rule that made it.
    pub rule: u32,
    pub stored_at: Ticks,
    pub expires_at: Ticks,
    pub flags: u16,
    pub subnet: &'a [u8],
    /// It was asked for before.
    pub popular: bool,
    pub answer: AnswerRef<'a>,
}

impl Entry<'_> {
    /// The number of the view that it is kept for; 0: for all.
    pub fn own(&self) -> u16 {
        self.flags >> VIEW_SHIFT
    }

    pub fn is_fresh(&self, now: Ticks) -> bool {
        now < self.expires_at
    }

    /// Whether it is worth asking for again before it expires: popular, and in the last tenth of its time.
    pub fn is_worth_refreshing(&self, now: Ticks) -> bool {
        let lifetime = self.expires_at.saturating_sub(self.stored_at);
        self.popular && lifetime >= REFRESHED && self.expires_at.saturating_sub(now) <= lifetime / 10
    }

    /// In whole seconds.
    pub fn age(&self, now: Ticks) -> u32 {
        now.saturating_sub(self.stored_at) / PER_SECOND
    }

    /// In whole seconds, begun ones counted.
    pub fn time_left(&self, now: Ticks) -> u32 {
        self.expires_at.saturating_sub(now).div_ceil(PER_SECOND)
    }
}

/// Counts of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub entries: u64,
    pub bytes: u64,
    pub limit_bytes: u64,
    pub evictions: u64,
}

pub struct Cache {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    limit: u64,
    began: Instant,
}

impl Cache {
    /// A cache of at most `limit` octets, all of its memory counted; 0 keeps nothing.
    ///
    /// The smallest entry takes 64 octets and the table at most 5 · 16/7 + growth octets for it, in all below
    /// 23, so four fifths of the limit go to the rings and the rest suffices for the tables.
    pub fn new(limit: u64) -> Cache {
        let limit_bytes = usize::try_from(limit).unwrap_or(usize::MAX);
        let ring = limit_bytes / 5 * 4;
        let count = if limit_bytes == 0 { 0 } else { (ring / MIN_SHARD).clamp(1, MAX_SHARDS) };
        let shards = (0..count).map(|_| Mutex::new(Shard::new(ring / count))).collect();
        Cache { hasher: RandomState::default(), shards, limit, began: Instant::now() }
    }

    /// Lets its clock begin elsewhere: for stages, whose clock is their own.
    pub fn began_at(mut self, began: Instant) -> Cache {
        self.began = began;
        self
    }

    pub fn now(&self) -> Ticks {
        self.ticks(Instant::now())
    }

    pub fn ticks(&self, at: Instant) -> Ticks {
        let since = at.saturating_duration_since(self.began);
        let ticks = since.as_millis() * u128::from(PER_SECOND) / 1000;
        Ticks::try_from(ticks).unwrap_or(Ticks::MAX)
    }

    pub fn hash(&self, key: &Key<'_>) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.question);
        hasher.write_u64(u64::from(key.rule) << 16 | u64::from(key.flags));
        if !key.subnet.is_empty() {
            hasher.write(key.subnet);
        }
        (hasher.finish() >> 32) as u32
    }

    /// Announces a look-up, so that memory is on its way when it is due: `fetch_bucket`, some other work,
    /// `fetch_entry`, some other work, `look`.
    pub fn fetch_bucket(&self, hash: u32) {
        if let Some(shard) = self.shard(hash) {
            shard.fetch_bucket(hash);
        }
    }

    pub fn fetch_entry(&self, hash: u32) {
        if let Some(shard) = self.shard(hash) {
            shard.fetch_entry(hash);
        }
    }

    /// Shows the entry for `key`, fresh or not, to `see`, whose result it gives. The shard is locked meanwhile:
    /// `see` copies and leaves.
    pub fn look<R>(&self, key: &Key<'_>, hash: u32, see: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let mut shard = self.shard(hash)?;
        shard.find(key, hash).map(see)
    }

    /// Keeps `answer` for `lifetime`; not at all if that is 0.
    pub fn insert(&self, key: &Key<'_>, hash: u32, now: Ticks, lifetime: Ticks, answer: &Answer) {
        if lifetime == 0 {
            return;
        }
        let new = NewEntry { now, lifetime, answer: answer.as_bytes() };
        if let Some(mut shard) = self.shard(hash) {
            shard.insert(key, hash, &new);
        }
    }

    /// Forgets a name, or it and all below it; gives how many entries that were.
    pub fn flush(&self, flushed: &[u8], tree: bool) -> u64 {
        self.remove_where(|entry| {
            let question = &entry.answer.message[HEADER..];
            let len = name::wire_len(question).expect("a kept answer has a question");
            let qname = &question[..len];
            if tree { name::is_within(qname, flushed) } else { qname == flushed }
        })
    }

    /// Forgets what `unwanted` picks. One shard at a time is locked.
    pub fn remove_where(&self, mut unwanted: impl FnMut(&Entry<'_>) -> bool) -> u64 {
        self.shards.iter().map(|shard| lock(shard).remove_where(&mut unwanted)).sum()
    }

    pub fn usage(&self) -> Usage {
        let mut usage = Usage { limit_bytes: self.limit, ..Usage::default() };
        for shard in &self.shards {
            let shard = lock(shard);
            usage.entries += shard.len() as u64;
            usage.bytes += shard.bytes() as u64;
            usage.evictions += shard.evictions;
        }
        usage
    }

    fn shard(&self, hash: u32) -> Option<MutexGuard<'_, Shard>> {
        // By the upper bits; a shard's own table goes by the lower ones.
        let index = ((u64::from(hash) * self.shards.len() as u64) >> 32) as usize;
        self.shards.get(index).map(lock)
    }
}

/// A worker that panicked under the lock left a shard that is at worst missing an entry.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
