//! A table of domains that is asked for the longest suffixes of a name. Its cost grows with the labels of the
//! name, never with the number of domains.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::wire::name;

/// A name of 255 octets has 0 to 127 labels.
const DEPTHS: usize = 128;

/// Folded domain → value. Names lie side by side in one arena: 100,000 of them cost a few megabytes.
pub struct SuffixMap<V> {
    hasher: RandomState,
    table: HashTable<Slot<V>>,
    names: Vec<u8>,
    /// Whether some domain has so many labels; other depths are not hashed at all.
    depths: [bool; DEPTHS],
}

struct Slot<V> {
    at: u32,
    len: u8,
    value: V,
}

impl<V> SuffixMap<V> {
    pub fn new() -> SuffixMap<V> {
        SuffixMap::with_capacity(0)
    }

    /// With room for so many domains.
    pub fn with_capacity(domains: usize) -> SuffixMap<V> {
        let table = HashTable::with_capacity(domains);
        SuffixMap { hasher: RandomState::default(), table, names: Vec::new(), depths: [false; DEPTHS] }
    }

    /// The value of exactly this domain, made by `default` if it is new.
    pub fn entry(&mut self, wire: &[u8], default: impl FnOnce() -> V) -> &mut V {
        let hash = self.hasher.hash_one(wire);
        let names = &mut self.names;
        // The closures below see the arena as it was: slots only ever point into what is there.
        let found = self.table.find(hash, |slot| bytes_of(names, slot) == wire).is_some();
        if !found {
            let at = u32::try_from(names.len()).expect("4 GiB of domain names don't fit in a configuration");
            names.extend_from_slice(wire);
            self.depths[name::labels(wire).count()] = true;
            let slot = Slot { at, len: wire.len() as u8, value: default() };
            self.table.insert_unique(hash, slot, |slot| self.hasher.hash_one(bytes_of(names, slot)));
        }
        let slot = self.table.find_mut(hash, |slot| bytes_of(names, slot) == wire);
        &mut slot.expect("it was there or has just been inserted").value
    }

    /// Calls `see` with each domain that `qname` equals or lies below, longest first, until it says stop.
    pub fn walk<'a>(&'a self, qname: &'a [u8], mut see: impl FnMut(&'a [u8], &'a V) -> Walk) {
        let mut depth = name::label_count(qname);
        let mut suffix = qname;
        loop {
            if self.depths[depth]
                && let Some(value) = self.get(suffix)
                && see(suffix, value) == Walk::Stop
            {
                return;
            }
            let Some(parent) = name::parent(suffix) else { return };
            suffix = parent;
            depth -= 1;
        }
    }

    /// As `walk`, over two tables at once: at one domain the value of this one comes first.
    pub fn walk_with<'a>(
        &'a self,
        other: &'a SuffixMap<V>,
        qname: &'a [u8],
        mut see: impl FnMut(&'a [u8], &'a V) -> Walk,
    ) {
        let mut depth = name::label_count(qname);
        let mut suffix = qname;
        loop {
            for map in [self, other] {
                if map.depths[depth]
                    && let Some(value) = map.get(suffix)
                    && see(suffix, value) == Walk::Stop
                {
                    return;
                }
            }
            let Some(parent) = name::parent(suffix) else { return };
            suffix = parent;
            depth -= 1;
        }
    }

    /// The value of exactly this domain.
    pub fn get(&self, domain: &[u8]) -> Option<&V> {
        let hash = self.hasher.hash_one(domain);
        self.table.find(hash, |slot| bytes_of(&self.names, slot) == domain).map(|slot| &slot.value)
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl<V> Default for SuffixMap<V> {
    fn default() -> Self {
        SuffixMap::new()
    }
}

/// Whether a walk goes on to shorter domains.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    On,
    Stop,
}

fn bytes_of<'a, V>(names: &'a [u8], slot: &Slot<V>) -> &'a [u8] {
    &names[slot.at as usize..slot.at as usize + usize::from(slot.len)]
}
