//! Records as they travel between zones: in changes, in transfers, on disk. Owns their packed form; judges nothing
//! about what they mean.

use crate::wire::name;
use crate::wire::rdata::{class, is_sound, rtype};

use super::build::folded;
use super::store::APEX;
use super::{Arc, Zone};

/// A record of class IN. `owner` is uncompressed and in lower case; names in `rdata` are uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub owner: &'a [u8],
    pub rtype: u16,
    /// Seconds.
    pub ttl: u32,
    pub rdata: &'a [u8],
}

impl Record<'_> {
    /// For an RRSIG the type that it covers, else 0.
    pub fn covered(&self) -> u16 {
        covered(self.rtype, self.rdata)
    }
}

pub(super) fn covered(rtype: u16, rdata: &[u8]) -> u16 {
    match (rtype, rdata) {
        (rtype::RRSIG, [high, low, ..]) => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

/// Records one behind the other: owner, type, TTL, length, data.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Records {
    bytes: Vec<u8>,
    count: usize,
}

impl Records {
    pub fn push(&mut self, record: Record<'_>) {
        self.bytes.extend_from_slice(record.owner);
        self.bytes.extend(record.rtype.to_be_bytes());
        self.bytes.extend(record.ttl.to_be_bytes());
        // RDATA comes from messages and stores, which have its length in 16 bits.
        self.bytes.extend((record.rdata.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(record.rdata);
        self.count += 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> + Clone {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (record, after) = split(rest)?;
            rest = after;
            Some(record)
        })
    }

    /// The record so many octets into the list, and where the next one begins.
    pub fn at(&self, octets: usize) -> Option<(Record<'_>, usize)> {
        let (record, rest) = split(self.bytes.get(octets..)?)?;
        Some((record, self.bytes.len() - rest.len()))
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Reads what `as_bytes` gave; none if it is not that to its last octet.
    pub fn from_bytes(bytes: &[u8]) -> Option<Records> {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            let (record, after) = split(rest)?;
            if !is_sound(record.rtype, class::IN, record.rdata) {
                return None;
            }
            count += 1;
            rest = after;
        }
        Some(Records { bytes: bytes.to_vec(), count })
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> FromIterator<Record<'a>> for Records {
    fn from_iter<I: IntoIterator<Item = Record<'a>>>(records: I) -> Records {
        let mut all = Records::default();
        records.into_iter().for_each(|record| all.push(record));
        all
    }
}

/// Whether two records of a type are equal: names in them without regard to case.
pub fn equal_data(rtype: u16, one: &[u8], other: &[u8]) -> bool {
    one == other || one.eq_ignore_ascii_case(other) && folded(rtype, one) == folded(rtype, other)
}

fn split(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let owner_len = name::wire_len(bytes)?;
    let (owner, rest) = bytes.split_at(owner_len);
    let (fixed, rest) = rest.split_first_chunk::<8>()?;
    let rtype = u16::from_be_bytes([fixed[0], fixed[1]]);
    let ttl = u32::from_be_bytes([fixed[2], fixed[3], fixed[4], fixed[5]]);
    let len = usize::from(u16::from_be_bytes([fixed[6], fixed[7]]));
    let (rdata, after) = rest.split_at_checked(len)?;
    Some((Record { owner, rtype, ttl, rdata }, after))
}

/// A zone's records one by one, without its SOA, which transfers have at their ends. It can stop anywhere and go on
/// later: it holds the zone and a place in it.
pub struct Walk<Z = Arc<Zone>> {
    zone: Z,
    node: u32,
    set: usize,
    /// Records of the set that are past, and the octets that they take.
    past: (u32, usize),
}

impl Walk {
    pub fn new(zone: Arc<Zone>) -> Walk {
        Walk::from(zone)
    }
}

impl<'z> Walk<&'z Zone> {
    /// A walk that is over before the zone's loan is.
    pub fn of(zone: &'z Zone) -> Walk<&'z Zone> {
        Walk::from(zone)
    }
}

impl<Z: std::ops::Deref<Target = Zone>> Walk<Z> {
    fn from(zone: Z) -> Walk<Z> {
        let mut walk = Walk { zone, node: APEX, set: 0, past: (0, 0) };
        walk.settle();
        walk
    }

    /// The record at this place; none at the end.
    pub fn current(&self) -> Option<Record<'_>> {
        let store = &self.zone.store;
        if self.node >= store.names.len() {
            return None;
        }
        let set = &store.sets(self.node)[self.set];
        let rdata = store.rdata_at(set, self.past.1);
        Some(Record { owner: store.names.name(self.node), rtype: set.rtype, ttl: set.ttl, rdata })
    }

    pub fn advance(&mut self) {
        let Some(len) = self.current().map(|record| record.rdata.len()) else { return };
        self.past = (self.past.0 + 1, self.past.1 + 2 + len);
        if self.past.0 == self.zone.store.sets(self.node)[self.set].count {
            self.set += 1;
            self.past = (0, 0);
            self.settle();
        }
    }

    /// To the next set that there is.
    fn settle(&mut self) {
        let store = &self.zone.store;
        while self.node < store.names.len() {
            match store.sets(self.node).get(self.set) {
                Some(set) if set.rtype == rtype::SOA && self.node == APEX => self.set += 1,
                Some(_) => return,
                None => (self.node, self.set) = (self.node + 1, 0),
            }
        }
    }
}

impl Zone {
    /// The SOA's record.
    pub fn soa(&self) -> Record<'_> {
        let set = self.store.set(APEX, rtype::SOA).expect("a zone has an SOA");
        let rdata = self.store.rdata_at(set, 0);
        Record { owner: self.store.names.name(APEX), rtype: rtype::SOA, ttl: set.ttl, rdata }
    }

    /// The RRsets at a name, which is in lower case: none where it does not exist.
    pub fn sets_at(&self, owner: &[u8]) -> impl Iterator<Item = impl Iterator<Item = Record<'_>>> {
        let node = self.store.names.find(owner);
        let sets = node.map_or(&[][..], |node| self.store.sets(node));
        sets.iter().map(move |set| {
            let owner = node.map_or(&[][..], |node| self.store.names.name(node));
            let record = move |rdata| Record { owner, rtype: set.rtype, ttl: set.ttl, rdata };
            self.store.rdata(set).map(record)
        })
    }

    /// Whether the name exists, if only because one below it does.
    pub fn has_name(&self, name: &[u8]) -> bool {
        self.store.names.find(name).is_some()
    }

    /// Whether the zone is signed: its signatures would have to be made anew with each change.
    pub fn is_signed(&self) -> bool {
        self.store.set(APEX, rtype::DNSKEY).is_some() || self.store.signatures(APEX, rtype::SOA).is_some()
    }
}
