//! Where a shard's entries are, by their hashes. Slots of four octets in buckets of one line of memory each: a
//! look-up reads one line, and the processor can be asked to fetch it ahead.
//!
//! A slot holds an entry's place and, in the bits above it, a piece of its hash: thirteen bits of it in a cache
//! of 256 MiB, so that hardly ever a wrong entry is looked at. What finds its bucket full goes into the next.

/// Nothing has been here since the table was made: a search ends in a bucket that has one of these.
const FREE: u32 = 0;
/// What was here is gone, but the bucket was full: a search goes on behind it.
const GONE: u32 = u32::MAX;
/// Slots of four octets in a line of memory.
const SLOTS: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Bucket([u32; SLOTS]);

pub struct Table {
    buckets: Box<[Bucket]>,
    /// The bits of a slot that tell the place, counted from 1. All of them set is no place.
    place_mask: u32,
    entries: usize,
    /// Slots that are not free.
    used: usize,
}

impl Table {
    /// For places below `places`.
    pub fn new(places: usize) -> Table {
        let place_mask = u32::try_from((places + 2).next_power_of_two() - 1).unwrap_or(u32::MAX);
        Table { buckets: buckets(1), place_mask, entries: 0, used: 0 }
    }

    pub fn len(&self) -> usize {
        self.entries
    }

    /// Octets of memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    /// The bucket where a search for `hash` begins.
    pub fn home(&self, hash: u32) -> &Bucket {
        &self.buckets[self.home_index(hash)]
    }

    /// The place that `hash` has most likely, no entry looked at.
    pub fn guess(&self, hash: u32) -> Option<usize> {
        let bucket = self.home(hash);
        let slot = self.alike(bucket, hash).trailing_zeros() as usize;
        self.place(*bucket.0.get(slot)?)
    }

    /// The place of the entry with this hash that `is` says it is.
    pub fn find(&self, hash: u32, mut is: impl FnMut(usize) -> bool) -> Option<usize> {
        self.search(hash, &mut is).map(|(_, _, place)| place)
    }

    /// Adds an entry that is not there yet. `hash_of` tells the hashes of those that are.
    pub fn insert(&mut self, hash: u32, place: usize, hash_of: impl Fn(usize) -> u32) {
        if self.used >= self.slots() / 16 * 13 {
            self.rebuild(hash_of);
        }
        self.put(hash, place);
    }

    /// Removes the entry with this hash that `is` says it is, and gives its place.
    pub fn remove(&mut self, hash: u32, mut is: impl FnMut(usize) -> bool) -> Option<usize> {
        let (index, slot, place) = self.search(hash, &mut is)?;
        self.clear(index, slot);
        Some(place)
    }

    /// Keeps only what `wanted` says.
    pub fn retain(&mut self, mut wanted: impl FnMut(usize) -> bool) {
        for index in 0..self.buckets.len() {
            for slot in 0..SLOTS {
                if self.place(self.buckets[index].0[slot]).is_some_and(|place| !wanted(place)) {
                    self.clear(index, slot);
                }
            }
        }
    }

    fn search(&self, hash: u32, is: &mut impl FnMut(usize) -> bool) -> Option<(usize, usize, usize)> {
        let mut index = self.home_index(hash);
        loop {
            let bucket = &self.buckets[index];
            let mut alike = self.alike(bucket, hash);
            while alike != 0 {
                let slot = alike.trailing_zeros() as usize;
                alike &= alike - 1;
                if let Some(place) = self.place(bucket.0[slot])
                    && is(place)
                {
                    return Some((index, slot, place));
                }
            }
            // Three of sixteen slots are free at least, so that this ends.
            if bucket.0.contains(&FREE) {
                return None;
            }
            index = self.behind(index);
        }
    }

    /// One bit for each slot whose piece of hash is that of `hash`.
    fn alike(&self, bucket: &Bucket, hash: u32) -> u32 {
        let piece = self.piece(hash);
        let same = |slot: u32| slot & !self.place_mask == piece;
        bucket.0.iter().enumerate().fold(0, |bits, (index, slot)| bits | u32::from(same(*slot)) << index)
    }

    fn put(&mut self, hash: u32, place: usize) {
        let held = self.piece(hash) | (place as u32 + 1);
        let mut index = self.home_index(hash);
        loop {
            let bucket = &mut self.buckets[index].0;
            if let Some(slot) = bucket.iter_mut().find(|slot| matches!(**slot, FREE | GONE)) {
                self.used += usize::from(*slot == FREE);
                self.entries += 1;
                *slot = held;
                return;
            }
            index = self.behind(index);
        }
    }

    fn clear(&mut self, index: usize, slot: usize) {
        let bucket = &mut self.buckets[index].0;
        let ends_searches = bucket.contains(&FREE);
        bucket[slot] = if ends_searches { FREE } else { GONE };
        self.used -= usize::from(ends_searches);
        self.entries -= 1;
    }

    /// Makes the table anew: twice as large if it is full of entries, else only without what is gone.
    fn rebuild(&mut self, hash_of: impl Fn(usize) -> u32) {
        let crowded = self.entries > self.slots() / 16 * 10;
        let new = buckets(self.buckets.len() << u32::from(crowded));
        let old = std::mem::replace(&mut self.buckets, new);
        (self.entries, self.used) = (0, 0);
        for slot in old.iter().flat_map(|bucket| bucket.0) {
            if let Some(place) = self.place(slot) {
                self.put(hash_of(place), place);
            }
        }
    }

    fn slots(&self) -> usize {
        self.buckets.len() * SLOTS
    }

    fn home_index(&self, hash: u32) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    fn behind(&self, index: usize) -> usize {
        (index + 1) & (self.buckets.len() - 1)
    }

    /// What a slot keeps of a hash, in its upper bits: other bits than those that choose the bucket.
    fn piece(&self, hash: u32) -> u32 {
        hash.wrapping_mul(0x9e37_79b1) & !self.place_mask
    }

    fn place(&self, slot: u32) -> Option<usize> {
        let place = slot & self.place_mask;
        (place != 0 && place != self.place_mask).then(|| place as usize - 1)
    }
}

/// Free ones; `count` is a power of two.
fn buckets(count: usize) -> Box<[Bucket]> {
    vec![Bucket([FREE; SLOTS]); count].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Debug)]
    enum Change {
        Insert(u32),
        Remove(usize),
        RetainOdd,
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            // Few different hashes: buckets overflow into each other, and pieces of hashes are alike.
            20 => (0u32..1 << 9, 0u32..4).prop_map(|(low, high)| Change::Insert(high << 28 | low)),
            16 => any::<usize>().prop_map(Change::Remove),
            1 => Just(Change::RetainOdd),
        ]
    }

    /// Does as `HashMap` does.
    fn check(places: usize, changes: &[Change]) {
        let mut table = Table::new(places);
        let mut model: HashMap<usize, u32> = HashMap::new();
        let mut unused: Vec<usize> = (0..places).collect();
        for change in changes {
            match *change {
                Change::Insert(hash) => {
                    let Some(place) = unused.pop() else { continue };
                    table.insert(hash, place, |place| model[&place]);
                    model.insert(place, hash);
                }
                Change::Remove(which) => {
                    let Some((&place, &hash)) = model.iter().nth(which % model.len().max(1)) else {
                        continue;
                    };
                    assert_eq!(table.remove(hash, |other| other == place), Some(place));
                    model.remove(&place);
                    unused.push(place);
                }
                Change::RetainOdd => {
                    table.retain(|place| place % 2 == 1);
                    unused.extend(model.keys().filter(|place| **place % 2 == 0));
                    model.retain(|place, _| place % 2 == 1);
                }
            }
            assert_eq!(table.len(), model.len());
            assert!(table.used < table.slots(), "a search ends at a free slot");
        }
        for (&place, &hash) in &model {
            assert_eq!(table.find(hash, |other| other == place), Some(place));
        }
        for &place in &unused {
            let hash = place as u32;
            assert_eq!(table.find(hash, |other| other == place), None);
        }
    }

    proptest! {
        #[test]
        fn holds_what_was_put_in(
            places in 1usize..2000,
            changes in proptest::collection::vec(change(), 0..4000),
        ) {
            check(places, &changes);
        }
    }

    #[test]
    fn stays_small_under_a_long_churn() {
        let mut table = Table::new(1 << 20);
        let hash_of = |place: usize| (place as u32).wrapping_mul(0x85eb_ca6b);
        for place in 0..1_000_000 {
            table.insert(hash_of(place), place, hash_of);
            if place >= 10_000 {
                let old = place - 10_000;
                assert_eq!(table.remove(hash_of(old), |other| other == old), Some(old));
            }
        }
        assert_eq!(table.len(), 10_000);
        assert!(table.bytes() <= 10 * 10_000, "{} octets", table.bytes());
    }
}
