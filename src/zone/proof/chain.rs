//! Finds a signed zone's chain of NSEC or NSEC3 records when it is loaded, and goes through it whole: a proof
//! from a chain with a gap would deny what exists. Owns what is wrong with chains; an unsigned zone costs nothing.

use std::fmt;

use super::hash::{Label, Parameters, announced, label_of, of_chain};
use super::{Denial, Hashed, Place, is_signed};
use crate::limits::{NSEC3_ITERATIONS, NSEC3_LOAD_HASHES};
use crate::wire::name::{self, Name, Presentation};
use crate::wire::rdata::rtype;
use crate::zone::store::{APEX, Draft, Store, flag};

/// Why a zone gives no proofs, or not those that it could.
#[derive(Debug)]
pub enum Fault {
    /// Keys and signatures, but neither NSEC nor NSEC3.
    NoChain,
    /// NSEC3PARAM asks for what RFC 5155 does not define.
    Parameters,
    Iterations(u16),
    /// No NSEC or NSEC3 for a name that must have one.
    Missing(u16, Name),
    /// The record at this name does not lead to the next one.
    Gap(u16, Name),
}

impl Fault {
    pub fn help(&self) -> &'static str {
        match self {
            Fault::Iterations(_) => "sign the zone with 0 iterations and no salt (RFC 9276 section 3.1)",
            _ => "sign the zone again: validating resolvers take its denials for forged",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |rtype| if rtype == rtype::NSEC { "NSEC" } else { "NSEC3" };
        match self {
            Fault::NoChain => f.write_str("the zone is signed, but has neither NSEC nor NSEC3 records")?,
            Fault::Parameters => {
                f.write_str("no NSEC3PARAM has SHA-1 and no flags, and there is no NSEC either")?
            }
            Fault::Iterations(count) => {
                return write!(
                    f,
                    "NSEC3 with {count} iterations, above {NSEC3_ITERATIONS}: denials carry the apex's record alone, \
                     by which resolvers take the zone for unsigned"
                );
            }
            Fault::Missing(rtype, name) => {
                write!(f, "{} has no {} record", Presentation(name.as_wire()), kind(*rtype))?
            }
            Fault::Gap(rtype, name) => {
                let name = Presentation(name.as_wire());
                write!(f, "the {} record at {name} does not lead to the next one", kind(*rtype))?
            }
        }
        f.write_str(": what is not there is denied without proof")
    }
}

/// The chain that answers are proved from, and what is to be said about it.
pub fn load(store: &Store) -> (Option<Denial>, Option<Fault>) {
    let announcement = store.set(APEX, rtype::NSEC3PARAM);
    let mut faults = Vec::new();
    for rdata in announcement.into_iter().flat_map(|set| store.rdata(set)) {
        match announced(rdata).ok_or(Fault::Parameters).and_then(|parameters| hashed(store, parameters)) {
            Ok(denial) => return (Some(denial), None),
            Err(fault) => faults.push(fault),
        }
    }
    if store.set(APEX, rtype::NSEC).is_some() {
        match nsec(store) {
            Ok(denial) => return (Some(denial), None),
            Err(fault) => faults.push(fault),
        }
    }
    let costly = announcement.into_iter().flat_map(|set| store.rdata(set)).filter_map(announced);
    if let Some((denial, fault)) = costly.filter_map(|parameters| costly_chain(store, &parameters)).next() {
        return (Some(denial), Some(fault));
    }
    let none = is_signed(store).then_some(Fault::NoChain);
    (None, faults.into_iter().next().or(none))
}

/// Whether the zone says that it has a chain, whole or not.
pub fn is_announced(store: &Store) -> bool {
    [rtype::NSEC3PARAM, rtype::NSEC].iter().any(|rtype| store.set(APEX, *rtype).is_some())
}

fn nsec(store: &Store) -> Result<Denial, Fault> {
    let names = &store.names;
    let mut index: Vec<u32> = (0..names.len())
        .filter(|node| names.node(*node).flags & HIDDEN == 0 && store.set(*node, rtype::NSEC).is_some())
        .collect();
    index.sort_by(|one, other| name::canonical_cmp(names.name(*one), names.name(*other)));
    if let Some(node) = (0..names.len()).find(|node| {
        names.node(*node).flags & HIDDEN == 0
            && !store.sets(*node).is_empty()
            && store.set(*node, rtype::NSEC).is_none()
    }) {
        return Err(Fault::Missing(rtype::NSEC, owned(store, node)));
    }
    for (&node, &next) in index.iter().zip(index.iter().cycle().skip(1)) {
        let set = store.set(node, rtype::NSEC).into_iter();
        let mut targets = set.flat_map(|set| store.rdata(set)).filter_map(next_name);
        let leads = targets.next().is_some_and(|target| target.eq_ignore_ascii_case(names.name(next)));
        if !leads || targets.next().is_some() {
            return Err(Fault::Gap(rtype::NSEC, owned(store, node)));
        }
    }
    Ok(Denial::Nsec(index.into_boxed_slice()))
}

fn next_name(rdata: &[u8]) -> Option<&[u8]> {
    rdata.get(..name::wire_len(rdata)?)
}

/// What the zone has no authority for, and NSEC3's own owners: none of them is in a chain.
const HIDDEN: u8 = flag::BELOW_CUT | flag::BELOW_DNAME | flag::HASHED_OWNER;

fn hashed(store: &Store, parameters: Parameters) -> Result<Denial, Fault> {
    if parameters.iterations > NSEC3_ITERATIONS {
        return Err(Fault::Iterations(parameters.iterations));
    }
    let names = &store.names;
    let mut index: Vec<u32> =
        (0..names.len()).filter(|node| record(store, *node, &parameters).is_some()).collect();
    index.sort_by(|one, other| label_of(names.name(*one)).cmp(label_of(names.name(*other))));
    for (&node, &next) in index.iter().zip(index.iter().cycle().skip(1)) {
        let leads = record(store, node, &parameters)
            .is_some_and(|record| record.next[..] == *label_of(names.name(next)));
        if !leads {
            return Err(Fault::Gap(rtype::NSEC3, owned(store, node)));
        }
    }
    let chain = Hashed { parameters, index: index.into_boxed_slice() };
    match chain.name_without_record(store) {
        Some(node) => Err(Fault::Missing(rtype::NSEC3, owned(store, node))),
        None => Ok(Denial::Nsec3(chain)),
    }
}

/// The record of a chain at a node whose name is one label of hash below the apex.
fn record(store: &Store, node: u32, parameters: &Parameters) -> Option<super::hash::Record> {
    let name = store.names.name(node);
    let is_hash = usize::from(name[0]) == size_of::<Label>()
        && name[1 + size_of::<Label>()..] == *store.names.name(APEX);
    let set = store.set(node, rtype::NSEC3).filter(|_| is_hash)?;
    of_chain(store.rdata(set), parameters)
}

fn costly_chain(store: &Store, parameters: &Parameters) -> Option<(Denial, Fault)> {
    let apex = store.names.name(APEX);
    let label = parameters.label(apex);
    let owner = [&[label.len() as u8], &label[..], apex].concat();
    let node = store.names.find(&owner)?;
    record(store, node, parameters)?;
    Some((Denial::Costly(node), Fault::Iterations(parameters.iterations)))
}

impl Hashed {
    /// The first name that lacks a record without being opted out (RFC 5155 section 7.1). Where all names are too
    /// much work at a load, the apex stands for all: proofs begin there.
    fn name_without_record(&self, store: &Store) -> Option<u32> {
        if self.index.is_empty() {
            return Some(APEX);
        }
        let work = u64::from(store.names.len()) * (u64::from(self.parameters.iterations) + 1);
        let checked = if work <= NSEC3_LOAD_HASHES { store.names.len() } else { 1 };
        (0..checked).find(|node| self.lacks_record(store, *node))
    }

    fn lacks_record(&self, store: &Store, node: u32) -> bool {
        let flags = store.names.node(node).flags;
        if flags & HIDDEN != 0 {
            return false;
        }
        let Place::Cover(cover) = self.place(&store.names, store.names.name(node)) else { return false };
        let unsigned_cut = flags & flag::CUT != 0 && store.set(node, rtype::DS).is_none();
        let may_opt_out = unsigned_cut || store.sets(node).is_empty();
        let opts_out = record(store, cover, &self.parameters).is_some_and(|record| record.opt_out);
        !(may_opt_out && opts_out)
    }
}

fn owned(store: &Store, node: u32) -> Name {
    Name::from_wire(store.names.name(node)).expect("names in a loaded zone are sound")
}

/// Marks the names that only NSEC3 records have: they do not exist (RFC 5155 section 7.2.8). Wants sorted rows.
pub fn hide_hashed_owners(draft: &mut Draft) {
    let mut any = false;
    for rows in draft.rows.chunk_by(|one, next| one.node == next.node) {
        let node = rows[0].node;
        let hashed = rows.iter().any(|row| row.rtype == rtype::NSEC3)
            && rows.iter().all(|row| row.rtype == rtype::NSEC3 || row.covered == rtype::NSEC3);
        if hashed && node != APEX && draft.parents[node as usize] == APEX {
            *draft.names.flags_mut(node) |= flag::HASHED_OWNER;
            any = true;
        }
    }
    if any {
        for node in 1..draft.names.len() {
            *draft.names.flags_mut(draft.parents[node as usize]) &= !flag::HASHED_OWNER;
        }
    }
}
