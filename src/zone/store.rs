//! Where a zone's names and records lie: arenas with 32-bit offsets and one hash table, no allocation per
//! record. `Draft` takes records in the order of the file, `Store` is what answers are read from.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use crate::wire::name::{self, MAX_NAME};
use crate::wire::rdata::rtype;

use super::report::Place;

/// A node's properties, set when the zone is built.
pub mod flag {
    /// Has NS and is not the apex: authority ends here.
    pub const CUT: u8 = 1;
    pub const DNAME: u8 = 2;
    pub const BELOW_CUT: u8 = 4;
    pub const BELOW_DNAME: u8 = 8;
    /// `*` below this name exists.
    pub const WILDCARD_CHILD: u8 = 16;
    /// Some NS record of the zone names it: addresses here may be glue.
    pub const SERVER: u8 = 32;
    /// Has NSEC3 and nothing else: it does not exist (RFC 5155 section 7.2.8).
    pub const HASHED_OWNER: u8 = 64;
}

/// The apex is always the first node.
pub const APEX: u32 = 0;

/// A name that exists, with or without records (RFC 4592 section 2.2.2: empty non-terminals exist).
#[derive(Clone, Copy)]
pub struct Node {
    /// Where the folded name starts in `names`; a parent's name is the end of a child's.
    name: u32,
    /// Its first RRset, and how many there are.
    sets: u32,
    /// Nodes right below it: one without data and without these does not exist.
    children: u32,
    set_count: u16,
    name_len: u8,
    pub flags: u8,
}

impl Node {
    /// Whether the name exists: dead nodes stay in the list until the store is packed anew.
    pub fn exists(&self) -> bool {
        self.set_count > 0 || self.has_children()
    }

    pub fn has_children(&self) -> bool {
        self.children > 0
    }
}

/// Records of one owner and type; RRSIGs are apart by the type that they cover.
#[derive(Clone, Copy)]
pub struct RrSet {
    pub rtype: u16,
    /// For RRSIG the type covered, else 0.
    pub covered: u16,
    pub ttl: u32,
    pub count: u32,
    /// Where its data starts: for each record two octets of length, then the RDATA.
    data: u32,
}

impl RrSet {
    pub fn with_ttl(self, ttl: u32) -> RrSet {
        RrSet { ttl, ..self }
    }
}

#[derive(Clone, Default)]
pub struct Names {
    bytes: Vec<u8>,
    nodes: Vec<Node>,
    table: HashTable<u32>,
    hasher: RandomState,
}

/// The zone's content has more octets than 32-bit offsets reach.
#[derive(Clone, Copy, Debug)]
pub struct TooLarge;

impl Names {
    pub fn new(apex: &[u8]) -> Names {
        let mut names = Names::default();
        names.bytes.extend_from_slice(apex);
        names.push(0, apex.len());
        names
    }

    pub fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }

    /// The node with exactly this folded name.
    pub fn find(&self, name: &[u8]) -> Option<u32> {
        self.find_hashed(self.hash(name), name)
    }

    pub fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<u32> {
        self.table.find(hash, |&index| self.name(index) == name).copied()
    }

    pub fn name(&self, index: u32) -> &[u8] {
        let node = &self.nodes[index as usize];
        &self.bytes[node.name as usize..][..usize::from(node.name_len)]
    }

    pub fn node(&self, index: u32) -> Node {
        self.nodes[index as usize]
    }

    pub fn flags_mut(&mut self, index: u32) -> &mut u8 {
        &mut self.nodes[index as usize].flags
    }

    pub fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    fn push(&mut self, at: u32, len: usize) -> u32 {
        let index = self.len();
        let node = Node { name: at, sets: 0, children: 0, set_count: 0, name_len: len as u8, flags: 0 };
        self.nodes.push(node);
        let hash = self.hash(self.name(index));
        let Names { table, nodes, bytes, hasher } = self;
        table.insert_unique(hash, index, |&other| {
            let node = &nodes[other as usize];
            hasher.hash_one(&bytes[node.name as usize..][..usize::from(node.name_len)])
        });
        index
    }
}

/// A record as read, its data in the draft's arena. 24 octets: a million of them sort in a fraction of a second.
#[derive(Clone, Copy)]
pub struct Row {
    pub node: u32,
    pub ttl: u32,
    data: u32,
    at: u32,
    len: u16,
    pub rtype: u16,
    pub covered: u16,
    file: u16,
}

impl Row {
    pub fn place(&self) -> Place {
        Place { file: self.file, at: self.at }
    }
}

pub struct Draft {
    pub names: Names,
    /// For each node its parent; the apex is its own.
    pub parents: Vec<u32>,
    pub rows: Vec<Row>,
    data: Vec<u8>,
    /// Records could not be read: that something is missing may be due to that, and is not said.
    pub lost: bool,
}

impl Draft {
    pub fn new(apex: &[u8]) -> Draft {
        Draft {
            names: Names::new(apex),
            parents: vec![APEX],
            rows: Vec::new(),
            data: Vec::new(),
            lost: false,
        }
    }

    /// The node of a folded name within the zone, made together with its ancestors where it is new.
    pub fn node(&mut self, owner: &[u8]) -> Result<u32, TooLarge> {
        if let Some(index) = self.names.find(owner) {
            return Ok(index);
        }
        let start = self.names.bytes.len();
        if start + owner.len() > u32::MAX as usize {
            return Err(TooLarge);
        }
        self.names.bytes.extend_from_slice(owner);
        let mut missing = [0u8; MAX_NAME / 2 + 1];
        let mut count = 0;
        let mut parent = APEX;
        for suffix in name::suffixes(owner) {
            if let Some(index) = self.names.find(suffix) {
                parent = index;
                break;
            }
            missing[count] = (owner.len() - suffix.len()) as u8;
            count += 1;
        }
        for &offset in missing[..count].iter().rev() {
            let offset = usize::from(offset);
            if owner[offset..].starts_with(b"\x01*") {
                *self.names.flags_mut(parent) |= flag::WILDCARD_CHILD;
            }
            self.parents.push(parent);
            self.names.nodes[parent as usize].children += 1;
            parent = self.names.push((start + offset) as u32, owner.len() - offset);
        }
        Ok(parent)
    }

    pub fn add(
        &mut self,
        node: u32,
        rtype: u16,
        ttl: u32,
        rdata: &[u8],
        place: Place,
    ) -> Result<(), TooLarge> {
        let data = u32::try_from(self.data.len()).map_err(|_| TooLarge)?;
        // Two octets of length come with each record in the end.
        if self.data.len() + rdata.len() + 2 * self.rows.len() > u32::MAX as usize - MAX_NAME {
            return Err(TooLarge);
        }
        self.data.extend_from_slice(rdata);
        let covered = match (rtype, rdata) {
            (rtype::RRSIG, [high, low, ..]) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        let len = rdata.len() as u16;
        self.rows.push(Row { node, ttl, data, at: place.at, len, rtype, covered, file: place.file });
        Ok(())
    }

    /// Records by owner, type and the order of the file.
    pub fn sort(&mut self) {
        self.rows.sort_unstable_by_key(|row| (row.node, row.rtype, row.covered, row.data, row.file, row.at));
    }

    pub fn rdata(&self, row: &Row) -> &[u8] {
        &self.data[row.data as usize..][..usize::from(row.len)]
    }
}

/// What a loaded zone is read from.
#[derive(Clone)]
pub struct Store {
    pub names: Names,
    sets: Vec<RrSet>,
    data: Vec<u8>,
    pub records: usize,
    /// Octets of names, sets and data that changes have left behind.
    waste: usize,
}

impl Store {
    /// Takes the rows of a sorted draft, already free of faults and duplicates.
    pub fn new(draft: Draft) -> Store {
        let mut store =
            Store { names: Names::default(), sets: Vec::new(), data: Vec::new(), records: 0, waste: 0 };
        store.data.reserve_exact(draft.data.len() + 2 * draft.rows.len());
        let mut ends = vec![0u32; draft.names.nodes.len()];
        for set in draft.rows.chunk_by(same_set) {
            let lowest = set.iter().map(|row| row.ttl).min().unwrap_or_default();
            store.push_set(&draft, set, lowest);
            ends[set[0].node as usize] = store.sets.len() as u32;
        }
        store.records = draft.rows.len();
        store.sets.shrink_to_fit();
        store.names = draft.names;
        store.names.place_sets(&ends);
        store
    }

    fn push_set(&mut self, draft: &Draft, rows: &[Row], ttl: u32) {
        let data = self.data.len() as u32;
        let (rtype, covered) = (rows[0].rtype, rows[0].covered);
        self.sets.push(RrSet { rtype, covered, ttl, count: rows.len() as u32, data });
        for row in rows {
            self.data.extend(row.len.to_be_bytes());
            self.data.extend_from_slice(draft.rdata(row));
        }
    }

    /// A node's RRsets by rising type; RRSIGs by rising type covered.
    pub fn sets(&self, node: u32) -> &[RrSet] {
        let node = &self.names.nodes[node as usize];
        &self.sets[node.sets as usize..][..usize::from(node.set_count)]
    }

    pub fn set(&self, node: u32, rtype: u16) -> Option<&RrSet> {
        self.find_set(node, (rtype, 0))
    }

    /// The RRSIGs at a node that cover a type.
    pub fn signatures(&self, node: u32, covered: u16) -> Option<&RrSet> {
        self.find_set(node, (rtype::RRSIG, covered))
    }

    pub fn find_set(&self, node: u32, key: (u16, u16)) -> Option<&RrSet> {
        let sets = self.sets(node);
        let index = sets.binary_search_by_key(&key, |set| (set.rtype, set.covered)).ok()?;
        Some(&sets[index])
    }

    /// The RDATA of each record of a set.
    pub fn rdata(&self, set: &RrSet) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.data[set.data as usize..];
        (0..set.count).map(move |_| {
            let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            let (rdata, after) = rest[2..].split_at(len);
            rest = after;
            rdata
        })
    }

    /// The RDATA of the record so many octets into its set's data.
    pub fn rdata_at(&self, set: &RrSet, past: usize) -> &[u8] {
        let rest = &self.data[set.data as usize + past..];
        &rest[2..][..usize::from(u16::from_be_bytes([rest[0], rest[1]]))]
    }

    pub fn memory_bytes(&self) -> usize {
        self.names.bytes.capacity()
            + self.names.nodes.capacity() * size_of::<Node>()
            + self.names.table.allocation_size()
            + self.sets.capacity() * size_of::<RrSet>()
            + self.data.capacity()
    }
}

pub fn same_set(one: &Row, next: &Row) -> bool {
    (one.node, one.rtype, one.covered) == (next.node, next.rtype, next.covered)
}

impl Names {
    /// `ends` has for each node with RRsets where they end, for others 0.
    fn place_sets(&mut self, ends: &[u32]) {
        let mut start = 0;
        for (node, &end) in self.nodes.iter_mut().zip(ends) {
            node.sets = start;
            // More than fit are refused before a store is made.
            node.set_count = end.saturating_sub(start) as u16;
            start = start.max(end);
        }
        self.bytes.shrink_to_fit();
        self.nodes.shrink_to_fit();
    }
}

/// RRsets that one name may have: its node counts them in 16 bits.
pub const MAX_SETS: usize = u16::MAX as usize;

/// Below this much waste a store is not packed anew.
const WASTE_MIN: usize = 64 * 1024;

/// A node's set after a change: as it was, or with new data.
pub enum NextSet<'a> {
    Kept(RrSet),
    New { rtype: u16, covered: u16, ttl: u32, rdata: Vec<&'a [u8]> },
}

impl NextSet<'_> {
    pub fn key(&self) -> (u16, u16) {
        match self {
            NextSet::Kept(set) => (set.rtype, set.covered),
            NextSet::New { rtype, covered, .. } => (*rtype, *covered),
        }
    }
}

/// Changes of a store that nobody else sees yet. Arrays are copied whole, which for a million records takes some
/// hundredths of a second, and what changes is put behind them: reading stays as it is.
impl Store {
    /// A copy with room for a change of so many records and octets: else the first addition would copy it again.
    pub fn to_change(&self, records: usize, octets: usize) -> Store {
        let names = Names {
            bytes: with_room(&self.names.bytes, octets),
            nodes: with_room(&self.names.nodes, records),
            table: self.names.table.clone(),
            hasher: self.names.hasher.clone(),
        };
        Store {
            names,
            sets: with_room(&self.sets, 2 * records),
            data: with_room(&self.data, octets),
            ..*self
        }
    }

    /// The node of a folded name within the zone, made where it is new.
    pub fn node_for(&mut self, owner: &[u8]) -> Result<u32, TooLarge> {
        if let Some(index) = self.names.find(owner) {
            return Ok(index);
        }
        let parent = match name::parent(owner) {
            Some(parent) => self.node_for(parent)?,
            None => return Err(TooLarge),
        };
        let at = self.names.bytes.len();
        if at + owner.len() > u32::MAX as usize {
            return Err(TooLarge);
        }
        self.names.bytes.extend_from_slice(owner);
        let above = &mut self.names.nodes[parent as usize];
        above.children += 1;
        let hidden = above.flags;
        if owner.starts_with(b"\x01*") {
            above.flags |= flag::WILDCARD_CHILD;
        }
        let index = self.names.push(at as u32, owner.len());
        *self.names.flags_mut(index) = flags_below(hidden);
        Ok(index)
    }

    /// Gives a node other sets, sorted by type; without any and without names below it, it is gone.
    pub fn replace_sets(&mut self, node: u32, sets: &[NextSet<'_>]) -> Result<(), TooLarge> {
        let count = u16::try_from(sets.len()).map_err(|_| TooLarge)?;
        let start = u32::try_from(self.sets.len() + sets.len()).map_err(|_| TooLarge)? - u32::from(count);
        let kept: Vec<u32> = sets
            .iter()
            .filter_map(|set| if let NextSet::Kept(set) = set { Some(set.data) } else { None })
            .collect();
        let old = self.sets(node).to_vec();
        for set in old.iter().filter(|set| !kept.contains(&set.data)) {
            self.records -= set.count as usize;
            self.waste += self.rdata(set).map(|rdata| rdata.len() + 2).sum::<usize>();
        }
        self.waste += old.len() * size_of::<RrSet>();
        for set in sets {
            let set = match set {
                NextSet::Kept(set) => *set,
                NextSet::New { rtype, covered, ttl, rdata } => {
                    self.push_new(*rtype, *covered, *ttl, rdata)?
                }
            };
            self.sets.push(set);
        }
        let changed = &mut self.names.nodes[node as usize];
        (changed.sets, changed.set_count) = (start, count);
        self.bury(node);
        Ok(())
    }

    fn push_new(&mut self, rtype: u16, covered: u16, ttl: u32, list: &[&[u8]]) -> Result<RrSet, TooLarge> {
        let data = u32::try_from(self.data.len()).map_err(|_| TooLarge)?;
        for rdata in list {
            let len = u16::try_from(rdata.len()).map_err(|_| TooLarge)?;
            self.data.extend(len.to_be_bytes());
            self.data.extend_from_slice(rdata);
        }
        if self.data.len() > u32::MAX as usize {
            return Err(TooLarge);
        }
        self.records += list.len();
        Ok(RrSet { rtype, covered, ttl, count: list.len() as u32, data })
    }

    /// Takes a name away that has nothing left, and the empty names above it.
    fn bury(&mut self, mut node: u32) {
        while node != APEX && !self.names.node(node).exists() {
            let owner = self.names.name(node).to_vec();
            let hash = self.names.hash(&owner);
            if let Ok(entry) = self.names.table.find_entry(hash, |&index| index == node) {
                entry.remove();
            }
            self.waste += owner.len() + size_of::<Node>();
            let parent = name::parent(&owner).and_then(|parent| self.names.find(parent)).unwrap_or(APEX);
            let above = &mut self.names.nodes[parent as usize];
            above.children -= 1;
            if owner.starts_with(b"\x01*") {
                above.flags &= !flag::WILDCARD_CHILD;
            }
            node = parent;
        }
    }

    /// Marks anew what lies below delegations and DNAMEs. Parents stand before their children.
    pub fn mark_hidden(&mut self) {
        const OF_NAMES: u8 = flag::WILDCARD_CHILD | flag::SERVER;
        for node in 0..self.names.len() {
            let mut flags = self.names.node(node).flags & OF_NAMES;
            if node != APEX {
                let parent = name::parent(self.names.name(node)).and_then(|parent| self.names.find(parent));
                flags |= parent.map_or(0, |parent| flags_below(self.names.node(parent).flags));
                flags |= if self.set(node, rtype::NS).is_some() { flag::CUT } else { 0 };
            }
            flags |= if self.set(node, rtype::DNAME).is_some() { flag::DNAME } else { 0 };
            *self.names.flags_mut(node) = flags;
        }
    }

    /// Whether so much was left behind that the store should be packed anew.
    pub fn is_wasteful(&self) -> bool {
        let all = self.names.bytes.len()
            + self.names.nodes.len() * size_of::<Node>()
            + self.sets.len() * size_of::<RrSet>()
            + self.data.len();
        self.waste > WASTE_MIN && self.waste > all / 2
    }

    /// The same content, packed as a loaded zone is.
    pub fn packed(&self) -> Result<Store, TooLarge> {
        let mut draft = self.draft()?;
        draft.sort();
        let mut store = Store::new(draft);
        store.mark_hidden();
        Ok(store)
    }

    /// The same content, to be built anew.
    pub fn draft(&self) -> Result<Draft, TooLarge> {
        let mut draft = Draft::new(self.names.name(APEX));
        for node in 0..self.names.len() {
            for set in self.sets(node) {
                let index = draft.node(self.names.name(node))?;
                for rdata in self.rdata(set) {
                    draft.add(index, set.rtype, set.ttl, rdata, Place { file: 0, at: 0 })?;
                }
            }
        }
        Ok(draft)
    }
}

fn with_room<T: Copy>(list: &[T], more: usize) -> Vec<T> {
    let mut copy = Vec::with_capacity(list.len() + more);
    copy.extend_from_slice(list);
    copy
}

/// What is so of names right below one with these flags.
fn flags_below(above: u8) -> u8 {
    let below = if above & (flag::CUT | flag::BELOW_CUT) != 0 { flag::BELOW_CUT } else { 0 };
    let renamed = if above & (flag::DNAME | flag::BELOW_DNAME) != 0 { flag::BELOW_DNAME } else { 0 };
    below | renamed
}
