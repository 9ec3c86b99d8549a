//! Which NSEC or NSEC3 records of a signed zone prove that something is not there (RFC 4035 section 3.1.3,
//! RFC 5155 section 7.2). Finds them, and signs and makes none; reads no message and writes none.

mod chain;
mod hash;

use crate::wire::name;
use crate::wire::rdata::rtype;

use super::answer::MAX_LINKS;
use super::store::{Names, Store};

pub use chain::{Fault, hide_hashed_owners, is_announced, load};
use hash::{Parameters, label_of};

/// One record for each wildcard on the way, and three for the name at its end.
const MAX_RECORDS: usize = MAX_LINKS + 1 + 3;

/// How a zone denies what is not there; its chain was found whole when it was loaded.
pub enum Denial {
    /// The nodes with NSEC, in canonical order.
    Nsec(Box<[u32]>),
    Nsec3(Hashed),
    /// NSEC3 with more iterations than we go through for a client: the node of the apex's own record. Validators
    /// take such a zone for unsigned as soon as they see one of its records (RFC 9276 section 3.2).
    Costly(u32),
}

/// The nodes with NSEC3 of one chain, by rising hash.
pub struct Hashed {
    parameters: Parameters,
    index: Box<[u32]>,
}

/// The nodes whose NSEC or NSEC3 records an answer needs, each once.
#[derive(Default)]
pub struct Proof {
    nodes: [u32; MAX_RECORDS],
    count: usize,
}

impl Proof {
    pub fn nodes(&self) -> &[u32] {
        &self.nodes[..self.count]
    }

    fn add(&mut self, node: u32) {
        if !self.nodes().contains(&node)
            && let Some(place) = self.nodes.get_mut(self.count)
        {
            *place = node;
            self.count += 1;
        }
    }
}

impl Denial {
    pub fn rtype(&self) -> u16 {
        match self {
            Denial::Nsec(_) => rtype::NSEC,
            Denial::Nsec3(_) | Denial::Costly(_) => rtype::NSEC3,
        }
    }

    /// That a name of the zone has no such type, a delegation no DS: RFC 4035 section 3.1.3.1, RFC 5155 sections
    /// 7.2.3, 7.2.4 and 7.2.7.
    pub fn no_data(&self, names: &Names, name: &[u8], proof: &mut Proof) {
        match self {
            Denial::Nsec(index) => proof.add(at_or_before(index, names, name)),
            Denial::Nsec3(hashed) => hashed.no_data(names, name, proof),
            Denial::Costly(apex) => proof.add(*apex),
        }
    }

    /// That neither a name below `encloser` exists nor a wildcard that would make it: RFC 4035 section 3.1.3.2,
    /// RFC 5155 section 7.2.2.
    pub fn name_error(&self, names: &Names, name: &[u8], encloser: &[u8], proof: &mut Proof) {
        match self {
            Denial::Nsec(index) => {
                proof.add(at_or_before(index, names, name));
                if let Some(wildcard) = Wildcard::below(encloser) {
                    proof.add(at_or_before(index, names, wildcard.wire()));
                }
            }
            Denial::Nsec3(hashed) => hashed.name_error(names, name, encloser, proof),
            Denial::Costly(apex) => proof.add(*apex),
        }
    }

    /// That nothing is closer to a name than the wildcard below `encloser`: RFC 4035 section 3.1.3.3, RFC 5155
    /// section 7.2.6.
    pub fn expansion(&self, names: &Names, name: &[u8], encloser: &[u8], proof: &mut Proof) {
        match self {
            Denial::Nsec(index) => proof.add(at_or_before(index, names, name)),
            Denial::Nsec3(hashed) => hashed.cover(names, next_closer(name, encloser), proof),
            Denial::Costly(apex) => proof.add(*apex),
        }
    }

    /// That the wildcard below `encloser` has no such type, after `expansion`: RFC 4035 section 3.1.3.4, RFC 5155
    /// section 7.2.5.
    pub fn wildcard_no_data(&self, names: &Names, wildcard: &[u8], encloser: &[u8], proof: &mut Proof) {
        match self {
            Denial::Nsec(index) => proof.add(at_or_before(index, names, wildcard)),
            Denial::Nsec3(hashed) => {
                hashed.match_exactly(names, encloser, proof);
                hashed.no_data(names, wildcard, proof);
            }
            Denial::Costly(apex) => proof.add(*apex),
        }
    }

    pub fn memory_bytes(&self) -> usize {
        match self {
            Denial::Nsec(index) => size_of_val(&**index),
            Denial::Nsec3(hashed) => size_of_val(&*hashed.index) + hashed.parameters.salt.len(),
            Denial::Costly(_) => 0,
        }
    }
}

/// The node whose NSEC is the name's own or covers it. The apex is first, so that there is always one.
fn at_or_before(index: &[u32], names: &Names, name: &[u8]) -> u32 {
    let after = index.partition_point(|node| name::canonical_cmp(names.name(*node), name).is_le());
    index[after.saturating_sub(1)]
}

/// The ancestor of a name, or the name itself, that is one label longer than its closest encloser.
fn next_closer<'n>(name: &'n [u8], encloser: &[u8]) -> &'n [u8] {
    let mut closer = name;
    for suffix in name::suffixes(name).take_while(|suffix| suffix.len() > encloser.len()) {
        closer = suffix;
    }
    closer
}

/// Where a hash lies in a chain.
enum Place {
    /// The node's own hash.
    Match(u32),
    /// The node before it: its record says that no name with the hash exists.
    Cover(u32),
}

impl Hashed {
    fn place(&self, names: &Names, name: &[u8]) -> Place {
        let hash = self.parameters.label(name);
        match self.index.binary_search_by(|node| label_of(names.name(*node)).cmp(&hash[..])) {
            Ok(at) => Place::Match(self.index[at]),
            // Before the first comes the last: the chain is a circle (RFC 5155 section 3.1.7).
            Err(at) => Place::Cover(self.index[at.checked_sub(1).unwrap_or(self.index.len() - 1)]),
        }
    }

    fn match_exactly(&self, names: &Names, name: &[u8], proof: &mut Proof) {
        if let Place::Match(node) = self.place(names, name) {
            proof.add(node);
        }
    }

    fn cover(&self, names: &Names, name: &[u8], proof: &mut Proof) {
        if let Place::Cover(node) = self.place(names, name) {
            proof.add(node);
        }
    }

    /// A name without a record of its own is an unsigned delegation or lies above such ones alone: the closest
    /// encloser that has one, and the opt-out that covers what is below it.
    fn no_data(&self, names: &Names, name: &[u8], proof: &mut Proof) {
        match (self.place(names, name), name::parent(name)) {
            (Place::Match(node), _) => proof.add(node),
            (Place::Cover(_), Some(parent)) => {
                self.closest_encloser(names, name, parent, proof);
            }
            (Place::Cover(_), None) => {}
        }
    }

    fn name_error(&self, names: &Names, name: &[u8], encloser: &[u8], proof: &mut Proof) {
        let provable = self.closest_encloser(names, name, encloser, proof);
        if let Some(wildcard) = provable.and_then(Wildcard::below) {
            self.cover(names, wildcard.wire(), proof);
        }
    }

    /// RFC 5155 section 7.2.1, from the closest encloser up to one that has a record.
    fn closest_encloser<'e>(
        &self,
        names: &Names,
        name: &[u8],
        encloser: &'e [u8],
        proof: &mut Proof,
    ) -> Option<&'e [u8]> {
        // No more turns than the encloser has labels below the apex: the apex has a record.
        for encloser in name::suffixes(encloser) {
            if let Place::Match(node) = self.place(names, encloser) {
                proof.add(node);
                self.cover(names, next_closer(name, encloser), proof);
                return Some(encloser);
            }
        }
        None
    }
}

/// `*` below a name.
struct Wildcard {
    bytes: [u8; name::MAX_NAME],
    len: usize,
}

impl Wildcard {
    fn below(encloser: &[u8]) -> Option<Wildcard> {
        let mut bytes = [0; name::MAX_NAME];
        let len = encloser.len() + 2;
        bytes[..2].copy_from_slice(b"\x01*");
        bytes.get_mut(2..len)?.copy_from_slice(encloser);
        Some(Wildcard { bytes, len })
    }

    fn wire(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A zone that its keys sign: then answers are expected to come with proofs.
fn is_signed(store: &Store) -> bool {
    let apex = super::store::APEX;
    store.set(apex, rtype::DNSKEY).is_some() && store.signatures(apex, rtype::SOA).is_some()
}
