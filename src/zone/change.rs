//! A zone made from another one and what changed between them: incremental transfers (RFC 1995) and updates
//! (RFC 2136) both come to that. A change that does not fit the zone makes none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use crate::config::diagnostic::Severity;
use crate::wire::name::{self, Name, Presentation};
use crate::wire::rdata::rtype;

use super::build::{self, BESIDE_CNAME, folded, set_digest};
use super::master::types;
use super::proof;
use super::record::{Record, Records};
use super::report::{Place, Report};
use super::serial::Serial;
use super::store::{APEX, Draft, NextSet, RrSet, Store, TooLarge, flag};
use super::{Arc, Zone};

/// What leads from one version of a zone to another: records that go, then records that come, the SOA among both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    pub from: Serial,
    pub to: Serial,
    pub deleted: Records,
    pub added: Records,
}

impl Delta {
    /// Octets that it takes in memory and, about, on the wire.
    pub fn octets(&self) -> usize {
        self.deleted.as_bytes().len() + self.added.as_bytes().len()
    }
}

impl Delta {
    /// Several changes that follow one another, as one: what comes and goes again between them is left
    /// out. None if a record comes or goes twice.
    pub fn joined(deltas: &[Delta]) -> Option<Delta> {
        let (from, to) = (deltas.first()?.from, deltas.last()?.to);
        let mut net: HashMap<Key<'_>, i8> = HashMap::new();
        for delta in deltas {
            delta.deleted.iter().for_each(|record| *net.entry(key(record)).or_default() -= 1);
            delta.added.iter().for_each(|record| *net.entry(key(record)).or_default() += 1);
        }
        // Twice gone or twice come: these changes don't follow one another.
        if net.values().any(|count| count.abs() > 1) {
            return None;
        }
        let left = |sign: i8| {
            let of_sign = net.iter().filter(|(_, count)| **count == sign);
            of_sign
                .map(|((owner, rtype, ttl, rdata), _)| Record { owner, rtype: *rtype, ttl: *ttl, rdata })
                .collect::<Records>()
        };
        Some(Delta { from, to, deleted: left(-1), added: left(1) })
    }
}

type Key<'d> = (&'d [u8], u16, u32, &'d [u8]);

fn key(record: Record<'_>) -> Key<'_> {
    (record.owner, record.rtype, record.ttl, record.rdata)
}

/// Why there is no such zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The change is for another version.
    OtherSerial {
        at: Serial,
        from: Serial,
    },
    OutOfZone(Name),
    /// It takes away what is not there.
    NotThere(Name, u16),
    /// It adds what is there already.
    Twice(Name, u16),
    /// What would be left is no zone: one SOA and an NS at the apex, CNAME and DNAME alone.
    Broken(String),
    TooLarge,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::OtherSerial { at, from } => {
                write!(f, "a change from serial {from}, and the zone is at {at}")
            }
            Unfit::OutOfZone(name) => write!(f, "{name} is not within the zone"),
            Unfit::NotThere(name, rtype) => {
                write!(f, "a record {name} {} goes that is not there", types::name(*rtype))
            }
            Unfit::Twice(name, rtype) => {
                write!(f, "a record {name} {} comes that is there already", types::name(*rtype))
            }
            Unfit::Broken(why) => f.write_str(why),
            Unfit::TooLarge => f.write_str("the zone would be larger than 4 GiB"),
        }
    }
}

impl std::error::Error for Unfit {}

impl From<TooLarge> for Unfit {
    fn from(TooLarge: TooLarge) -> Unfit {
        Unfit::TooLarge
    }
}

/// What changes in one RRset.
#[derive(Default)]
struct Change<'d> {
    ttl: Option<u32>,
    deleted: Vec<&'d [u8]>,
    added: Vec<&'d [u8]>,
}

type Changes<'d> = BTreeMap<(u16, u16), Change<'d>>;

impl Zone {
    /// This zone with the change made. Costs a copy of its memory and some work for each record that changes.
    pub fn changed(&self, delta: &Delta) -> Result<Zone, Unfit> {
        if delta.from != Serial(self.serial) {
            return Err(Unfit::OtherSerial { at: Serial(self.serial), from: delta.from });
        }
        let store = self.store.to_change(delta.deleted.len() + delta.added.len(), delta.octets());
        let mut making = Making { store, digest: self.digest, hides: false };
        for (owner, changes) in by_owner(delta) {
            if !name::is_within(owner, self.name.as_wire()) {
                return Err(Unfit::OutOfZone(named(owner)));
            }
            making.apply(owner, &changes)?;
        }
        let Making { mut store, digest, hides } = making;
        if hides {
            store.mark_hidden();
        }
        check_apex(&store)?;
        check_below_dnames(&store, delta)?;
        let zone = match self.denial.is_some() || proof::is_announced(&store) {
            // The chain of what is not there is looked at as a whole.
            true => build::build(&self.name, store.draft()?, &mut Report::default())
                .ok_or_else(|| Unfit::Broken("its content is not that of a zone".to_owned()))?,
            false => {
                let store = if store.is_wasteful() { store.packed()? } else { store };
                build::with_store(&self.name, store, digest)
            }
        };
        if Serial(zone.serial) != delta.to {
            return Err(Unfit::Broken(format!("the SOA says {} where {} was told", zone.serial, delta.to)));
        }
        Ok(zone)
    }

    /// A zone of records that came from elsewhere; `source` is for the words of what is wrong with them.
    pub fn from_records<'a>(
        name: &Name,
        records: impl Iterator<Item = Record<'a>>,
        source: &str,
    ) -> Result<Zone, Unfit> {
        let mut draft = Draft::new(name.as_wire());
        let mut report = Report::default();
        report.add_source(Path::new(source), Vec::new().into());
        for record in records {
            if !name::is_within(record.owner, name.as_wire()) {
                return Err(Unfit::OutOfZone(named(record.owner)));
            }
            let node = draft.node(record.owner)?;
            draft.add(node, record.rtype, record.ttl, record.rdata, Place { file: 0, at: 0 })?;
        }
        let zone = build::build(name, draft, &mut report);
        zone.ok_or_else(|| {
            let faults = report.finish();
            let first = faults.iter().find(|fault| fault.severity == Severity::Error);
            Unfit::Broken(first.map_or_else(String::new, |fault| fault.message.clone()))
        })
    }

    /// What leads from this zone to a newer one; SOA first, as transfers have it.
    pub fn difference(&self, newer: &Zone) -> Delta {
        Delta {
            from: Serial(self.serial),
            to: Serial(newer.serial),
            deleted: self.without(newer),
            added: newer.without(self),
        }
    }

    /// The records of this zone that `other` does not have with the same TTL.
    fn without(&self, other: &Zone) -> Records {
        let mut records = Records::default();
        records.push(self.soa());
        for node in 0..self.store.names.len() {
            let owner = self.store.names.name(node);
            let there = other.store.names.find(owner);
            for set in self.store.sets(node).iter().filter(|set| node != APEX || set.rtype != rtype::SOA) {
                let same = there
                    .and_then(|there| other.store.find_set(there, (set.rtype, set.covered)))
                    .filter(|same| same.ttl == set.ttl);
                let known: BTreeSet<&[u8]> =
                    same.map(|same| other.store.rdata(same).collect()).unwrap_or_default();
                for rdata in self.store.rdata(set).filter(|rdata| !known.contains(rdata)) {
                    records.push(Record { owner, rtype: set.rtype, ttl: set.ttl, rdata });
                }
            }
        }
        records
    }
}

fn by_owner(delta: &Delta) -> HashMap<&[u8], Changes<'_>> {
    let mut owners: HashMap<&[u8], Changes<'_>> = HashMap::new();
    for record in delta.deleted.iter() {
        let set = owners.entry(record.owner).or_default();
        set.entry((record.rtype, record.covered())).or_default().deleted.push(record.rdata);
    }
    for record in delta.added.iter() {
        let set = owners.entry(record.owner).or_default();
        let change = set.entry((record.rtype, record.covered())).or_default();
        // RFC 2181 section 5.2: one TTL; the lowest, as for a zone that is loaded.
        change.ttl = Some(change.ttl.map_or(record.ttl, |ttl| ttl.min(record.ttl)));
        change.added.push(record.rdata);
    }
    owners
}

/// A store in the middle of a change.
struct Making {
    store: Store,
    digest: u64,
    /// A delegation or a DNAME has come or gone, and with it what lies below them.
    hides: bool,
}

impl Making {
    fn apply(&mut self, owner: &[u8], changes: &Changes<'_>) -> Result<(), Unfit> {
        let node = self.store.node_for(owner)?;
        // Its data is read while the store grows.
        let before: Vec<(RrSet, Vec<Vec<u8>>)> = changes
            .keys()
            .filter_map(|key| self.store.find_set(node, *key))
            .map(|set| (*set, self.store.rdata(set).map(<[u8]>::to_vec).collect()))
            .collect();
        let mut next: Vec<NextSet<'_>> = self
            .store
            .sets(node)
            .iter()
            .filter(|set| !changes.contains_key(&(set.rtype, set.covered)))
            .map(|set| NextSet::Kept(*set))
            .collect();
        for (&(rtype, covered), change) in changes {
            let old = before.iter().find(|(set, _)| (set.rtype, set.covered) == (rtype, covered));
            let rdata = merged(owner, rtype, old.map_or(&[][..], |(_, rdata)| rdata), change)?;
            let ttl = change.ttl.or(old.map(|(set, _)| set.ttl)).unwrap_or_default();
            if old.is_some() == rdata.is_empty() && matches!(rtype, rtype::NS | rtype::DNAME) {
                self.hides = true;
            }
            if !rdata.is_empty() {
                next.push(NextSet::New { rtype, covered, ttl, rdata });
            }
        }
        next.sort_by_key(NextSet::key);
        check_node(owner, self.store.names.name(APEX), &next)?;
        for (set, _) in &before {
            self.digest = self.digest.wrapping_sub(set_digest(&self.store, node, set));
        }
        self.store.replace_sets(node, &next)?;
        for key in changes.keys() {
            // A name that is gone has no sets.
            if let Some(set) = self.store.find_set(node, *key) {
                self.digest = self.digest.wrapping_add(set_digest(&self.store, node, set));
            }
        }
        Ok(())
    }
}

/// An RRset's data after the change.
fn merged<'d>(
    owner: &[u8],
    rtype: u16,
    old: &'d [Vec<u8>],
    change: &Change<'d>,
) -> Result<Vec<&'d [u8]>, Unfit> {
    let mut list: Vec<(Vec<u8>, &[u8])> =
        old.iter().map(|rdata| (folded(rtype, rdata), &rdata[..])).collect();
    let key = |rdata: &[u8]| folded(rtype, rdata);
    if change.deleted.len() > 1 {
        let gone: BTreeSet<Vec<u8>> = change.deleted.iter().map(|rdata| key(rdata)).collect();
        let before = list.len();
        list.retain(|(known, _)| !gone.contains(known));
        if before - list.len() != change.deleted.len() {
            return Err(Unfit::NotThere(named(owner), rtype));
        }
    } else if let Some(rdata) = change.deleted.first() {
        let gone = key(rdata);
        let at = list.iter().position(|(known, _)| *known == gone);
        list.remove(at.ok_or_else(|| Unfit::NotThere(named(owner), rtype))?);
    }
    let mut known: BTreeSet<Vec<u8>> = list.iter().map(|(known, _)| known.clone()).collect();
    for rdata in &change.added {
        if !known.insert(key(rdata)) {
            return Err(Unfit::Twice(named(owner), rtype));
        }
        list.push((Vec::new(), rdata));
    }
    Ok(list.into_iter().map(|(_, rdata)| rdata).collect())
}

/// What a loaded zone's checks refuse at one name.
fn check_node(owner: &[u8], apex: &[u8], sets: &[NextSet<'_>]) -> Result<(), Unfit> {
    let shown = Presentation(owner);
    let has = |rtype| sets.iter().any(|set| set.key() == (rtype, 0));
    let count = |rtype| {
        sets.iter()
            .map(|set| match set {
                NextSet::Kept(set) if set.rtype == rtype => set.count as usize,
                NextSet::New { rtype: new, rdata, .. } if *new == rtype => rdata.len(),
                _ => 0,
            })
            .sum::<usize>()
    };
    let broken = |why: String| Err(Unfit::Broken(why));
    if has(rtype::CNAME) {
        let other = sets.iter().map(|set| set.key().0);
        if let Some(other) =
            other.into_iter().find(|other| *other != rtype::CNAME && !BESIDE_CNAME.contains(other))
        {
            return broken(format!("{shown} has a CNAME record and other data ({})", types::name(other)));
        }
        if count(rtype::CNAME) > 1 {
            return broken(format!("{shown} has more than one CNAME record"));
        }
    }
    if count(rtype::DNAME) > 1 {
        return broken(format!("{shown} has more than one DNAME record"));
    }
    if owner != apex && has(rtype::DNAME) && has(rtype::NS) {
        return broken(format!("{shown} has a DNAME record and is delegated by NS records"));
    }
    if owner != apex && has(rtype::SOA) {
        return broken(format!("an SOA at {shown}, below the zone's apex"));
    }
    Ok(())
}

fn check_apex(store: &Store) -> Result<(), Unfit> {
    match store.set(APEX, rtype::SOA) {
        Some(soa) if soa.count == 1 => {}
        Some(_) => return Err(Unfit::Broken("the zone has more than one SOA record".to_owned())),
        None => return Err(Unfit::Broken("the zone has no SOA record".to_owned())),
    }
    match store.set(APEX, rtype::NS) {
        Some(_) => Ok(()),
        None => Err(Unfit::Broken("the zone has no NS record at its apex".to_owned())),
    }
}

/// Names that come below a DNAME, and DNAMEs that come above names.
fn check_below_dnames(store: &Store, delta: &Delta) -> Result<(), Unfit> {
    for record in delta.added.iter() {
        let Some(node) = store.names.find(record.owner) else { continue };
        let node = store.names.node(node);
        let hidden = node.flags & flag::BELOW_DNAME != 0 && node.flags & flag::BELOW_CUT == 0;
        if hidden || (record.rtype == rtype::DNAME && node.has_children()) {
            let owner = Presentation(record.owner);
            return Err(Unfit::Broken(format!(
                "{owner} lies below a DNAME record, or has names below its own"
            )));
        }
    }
    Ok(())
}

fn named(owner: &[u8]) -> Name {
    Name::from_wire(owner).unwrap_or_else(|_| Name::root())
}

/// The changes that led to a zone, oldest first, as many as fit: who has an older version needs those only.
#[derive(Default)]
pub struct History {
    deltas: std::collections::VecDeque<Arc<Delta>>,
    octets: usize,
}

impl History {
    /// Takes a change, and lets go of the oldest ones beyond `limit` octets. One that does not go on from the last
    /// makes all before it useless.
    pub fn push(&mut self, delta: Arc<Delta>, limit: usize) {
        if self.deltas.back().is_some_and(|last| last.to != delta.from) {
            self.clear();
        }
        self.octets += delta.octets();
        self.deltas.push_back(delta);
        while self.octets > limit
            && let Some(oldest) = self.deltas.pop_front()
        {
            self.octets -= oldest.octets();
        }
    }

    pub fn clear(&mut self) {
        *self = History::default();
    }

    pub fn octets(&self) -> usize {
        self.octets
    }

    /// What leads from `serial` to now, if it is known.
    pub fn since(&self, serial: Serial) -> Option<Vec<Arc<Delta>>> {
        let at = self.deltas.iter().position(|delta| delta.from == serial)?;
        Some(self.deltas.iter().skip(at).cloned().collect())
    }
}
