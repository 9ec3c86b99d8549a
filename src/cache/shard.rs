//! One shard of the cache: a ring of entries in one piece of memory, and a table of offsets into it.
//!
//! New entries overwrite the oldest. One that was asked for since it was written is written again once
//! instead (second chance), so that popular names stay. Nothing is allocated per entry.

use super::table::Table;
use super::{Entry, Key};
use crate::sys;
use crate::wire::answer::{AnswerRef, QUESTION};

/// Octets in front of an entry's parts.
const HEAD: usize = 24;
/// Where in an entry's head its marks are.
const STATE: usize = 23;
/// Octets of an entry that are fetched ahead: all of an address's.
const COMMON: usize = 128;
/// Entries begin at multiples of this.
const ALIGN: usize = 8;
/// Entries that one insertion may write again; bounds the work under the lock.
const MAX_RESCUES: usize = 4;

pub struct Shard {
    ring: Vec<u8>,
    /// Where the next entry goes.
    head: usize,
    /// The oldest entry.
    tail: usize,
    /// Where the entries before the ring's end stop; what is behind is unused while `head` is below `tail`.
    wrap: usize,
    table: Table,
    pub evictions: u64,
}

/// An entry's head, read out.
struct Head {
    len: usize,
    hash: u32,
    rule: u32,
    stored_at: u32,
    expires_at: u32,
    flags: u16,
    visited: bool,
    dead: bool,
    subnet_len: usize,
}

impl Shard {
    /// `room` is in octets; the memory is taken from the system as it gets used.
    pub fn new(room: usize) -> Shard {
        let room = room / ALIGN * ALIGN;
        let table = Table::new(room / ALIGN);
        Shard { ring: vec![0; room], head: 0, tail: 0, wrap: 0, table, evictions: 0 }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Octets of entries and table.
    pub fn bytes(&self) -> usize {
        let ring =
            if self.head >= self.tail { self.head - self.tail } else { self.wrap - self.tail + self.head };
        ring + self.table.bytes()
    }

    /// Has the processor fetch what `find` will read first. Only worth it some time before.
    pub fn fetch_bucket(&self, hash: u32) {
        sys::fetch_ahead(std::slice::from_ref(self.table.home(hash)));
    }

    /// Has the processor fetch the entry that `find` will most likely find.
    pub fn fetch_entry(&self, hash: u32) {
        if let Some(place) = self.table.guess(hash) {
            let at = place * ALIGN;
            sys::fetch_ahead(&self.ring[at..self.ring.len().min(at + COMMON)]);
        }
    }

    /// The entry for `key`, marked as asked for.
    pub fn find(&mut self, key: &Key<'_>, hash: u32) -> Option<Entry<'_>> {
        let ring = &self.ring;
        let at = self.table.find(hash, |place| matches(ring, place * ALIGN, key, hash))? * ALIGN;
        // Read first: a line that is written wanders between the workers' processors.
        let popular = self.ring[at + STATE] & VISITED != 0;
        if !popular {
            self.ring[at + STATE] |= VISITED;
        }
        Some(Entry { popular, ..entry(&self.ring, at) })
    }

    /// Puts an entry in place of what was there for the key. Too large a one is not kept.
    pub fn insert(&mut self, key: &Key<'_>, hash: u32, new: &NewEntry<'_>) {
        self.remove(key, hash);
        let len = (HEAD + new.answer.len() + key.subnet.len()).next_multiple_of(ALIGN);
        if len > self.ring.len() / 4 || !self.make_room(len, new.now) {
            return;
        }
        let at = self.head;
        let head = Head {
            len,
            hash,
            rule: key.rule,
            stored_at: new.now,
            expires_at: new.now.saturating_add(new.lifetime),
            flags: key.flags,
            visited: false,
            dead: false,
            subnet_len: key.subnet.len(),
        };
        write_head(&mut self.ring, at, &head);
        let (answer, rest) = self.ring[at + HEAD..].split_at_mut(new.answer.len());
        answer.copy_from_slice(new.answer);
        rest[..key.subnet.len()].copy_from_slice(key.subnet);
        self.head += len;
        self.index(at, hash);
    }

    /// Removes what `unwanted` says; gives how many.
    pub fn remove_where(&mut self, mut unwanted: impl FnMut(&Entry<'_>) -> bool) -> u64 {
        let ring = &mut self.ring;
        let mut removed = 0;
        self.table.retain(|place| {
            let at = place * ALIGN;
            let keep = !unwanted(&entry(ring, at));
            if !keep {
                ring[at + STATE] |= DEAD;
                removed += 1;
            }
            keep
        });
        removed
    }

    fn remove(&mut self, key: &Key<'_>, hash: u32) {
        let ring = &self.ring;
        if let Some(place) = self.table.remove(hash, |place| matches(ring, place * ALIGN, key, hash)) {
            self.ring[place * ALIGN + STATE] |= DEAD;
        }
    }

    fn index(&mut self, at: usize, hash: u32) {
        let ring = &self.ring;
        self.table.insert(hash, at / ALIGN, |place| u32_of(ring, place * ALIGN + 4));
    }

    /// Frees `len` octets at `head`. False if that can't be done within the bounds.
    fn make_room(&mut self, len: usize, now: u32) -> bool {
        let mut rescues = 0;
        loop {
            if self.head >= self.tail {
                if self.ring.len() - self.head >= len {
                    return true;
                }
                if self.tail == self.head {
                    (self.head, self.tail, self.wrap) = (0, 0, 0);
                    continue;
                }
                // The rest of the ring is too short: go on at its beginning.
                if self.tail == 0 {
                    self.evict(now, &mut rescues);
                    continue;
                }
                self.wrap = self.head;
                self.head = 0;
            }
            // `head` never catches up with `tail` from below: equal means empty.
            if self.tail - self.head > len {
                return true;
            }
            self.evict(now, &mut rescues);
        }
    }

    /// Takes the oldest entry out, or writes it again at the head if it was asked for and there is room.
    fn evict(&mut self, now: u32, rescues: &mut usize) {
        let at = self.tail;
        let mut head = read_head(&self.ring, at);
        let len = head.len;
        self.advance_tail(len);
        if head.dead {
            return;
        }
        self.table.remove(head.hash, |place| place == at / ALIGN);
        if !head.visited || head.expires_at <= now || *rescues >= MAX_RESCUES || !self.fits_at_head(len) {
            self.evictions += 1;
            return;
        }
        *rescues += 1;
        let to = self.head;
        self.ring.copy_within(at..at + len, to);
        head.visited = false;
        write_head(&mut self.ring, to, &head);
        self.head += len;
        self.index(to, head.hash);
    }

    fn advance_tail(&mut self, len: usize) {
        self.tail += len;
        if self.head < self.tail && self.tail == self.wrap {
            self.tail = 0;
        }
    }

    fn fits_at_head(&self, len: usize) -> bool {
        if self.head >= self.tail { self.ring.len() - self.head >= len } else { self.tail - self.head > len }
    }
}

/// What `insert` stores beside the key. `now` and `lifetime` are in ticks.
pub struct NewEntry<'a> {
    pub now: u32,
    pub lifetime: u32,
    pub answer: &'a [u8],
}

const VISITED: u8 = 1;
const DEAD: u8 = 2;

fn u32_of(ring: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(ring[at..at + 4].try_into().expect("four octets"))
}

fn read_head(ring: &[u8], at: usize) -> Head {
    let head: &[u8; HEAD] = ring[at..].first_chunk().expect("an entry has a head");
    Head {
        len: u32_of(head, 0) as usize,
        hash: u32_of(head, 4),
        rule: u32_of(head, 8),
        stored_at: u32_of(head, 12),
        expires_at: u32_of(head, 16),
        flags: u16::from_ne_bytes([head[20], head[21]]),
        visited: head[STATE] & VISITED != 0,
        dead: head[STATE] & DEAD != 0,
        subnet_len: usize::from(head[22]),
    }
}

fn write_head(ring: &mut [u8], at: usize, head: &Head) {
    let room: &mut [u8; HEAD] = ring[at..].first_chunk_mut().expect("room was made for the entry");
    room[..4].copy_from_slice(&(head.len as u32).to_ne_bytes());
    room[4..8].copy_from_slice(&head.hash.to_ne_bytes());
    room[8..12].copy_from_slice(&head.rule.to_ne_bytes());
    room[12..16].copy_from_slice(&head.stored_at.to_ne_bytes());
    room[16..20].copy_from_slice(&head.expires_at.to_ne_bytes());
    room[20..22].copy_from_slice(&head.flags.to_ne_bytes());
    room[STATE] = (u8::from(head.visited) * VISITED) | (u8::from(head.dead) * DEAD);
    room[22] = head.subnet_len as u8;
}

fn entry(ring: &[u8], at: usize) -> Entry<'_> {
    let head = read_head(ring, at);
    let parts = &ring[at + HEAD..at + head.len];
    let answer = AnswerRef::from_bytes(parts);
    Entry {
        rule: head.rule,
        stored_at: head.stored_at,
        expires_at: head.expires_at,
        flags: head.flags,
        subnet: &parts[answer.packed_len()..][..head.subnet_len],
        popular: head.visited,
        answer,
    }
}

/// The stored question is compared before the hash is trusted. Its name ends itself, so that no longer one is
/// taken for it.
fn matches(ring: &[u8], at: usize, key: &Key<'_>, hash: u32) -> bool {
    let head = read_head(ring, at);
    if (head.hash, head.rule, head.flags) != (hash, key.rule, key.flags)
        || head.subnet_len != key.subnet.len()
    {
        return false;
    }
    let question_at = at + HEAD + QUESTION;
    ring.get(question_at..question_at + key.question.len()) == Some(key.question)
        && (key.subnet.is_empty() || entry(ring, at).subnet == key.subnet)
}
