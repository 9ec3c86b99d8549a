//! What updates (RFC 2136) make of a zone: prerequisites, changes, and the delta that they come to. Pure: has no
//! socket, no disk, and publishes nothing; who may update is decided before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::intake::serial_of;
use crate::wire::header::rcode;
use crate::wire::name;
use crate::wire::rdata::{class, is_sound, rtype};
use crate::wire::records::{Malformed, Reader, Rr};
use crate::zone::{Delta, Record, Records, Serial, Zone, equal_data};

/// An RCODE that refuses an update.
pub type Rcode = u16;

/// Types that are questions only (RFC 2136 section 3.4.1.2), or belong to messages.
const META: [u16; 7] = [rtype::ANY, rtype::AXFR, rtype::IXFR, 253, 254, rtype::TSIG, rtype::OPT];
/// May stand beside a CNAME.
const BESIDE_CNAME: [u16; 3] = [rtype::RRSIG, rtype::NSEC, 25];

#[derive(Clone, PartialEq, Eq)]
struct Set {
    ttl: u32,
    rdata: Vec<Vec<u8>>,
}

/// By type, and for RRSIGs the type covered.
type Sets = BTreeMap<(u16, u16), Set>;

/// A zone in the middle of updates: what they have touched, over what it was.
pub struct Working<'z> {
    zone: &'z Zone,
    touched: HashMap<Vec<u8>, Sets>,
}

impl<'z> Working<'z> {
    pub fn new(zone: &'z Zone) -> Working<'z> {
        Working { zone, touched: HashMap::new() }
    }

    /// Makes the changes of one update if all its prerequisites hold; else nothing.
    pub fn update(&mut self, message: &[u8]) -> Result<(), Rcode> {
        self.prerequisites(message)?;
        self.scan(message)?;
        each(message, 2, |rr| {
            self.apply(rr);
            Ok(())
        })
    }

    /// RFC 2136 section 3.2.
    fn prerequisites(&self, message: &[u8]) -> Result<(), Rcode> {
        let mut wanted: HashMap<(Vec<u8>, u16), Vec<Vec<u8>>> = HashMap::new();
        each(message, 1, |rr| {
            if rr.ttl != 0 {
                return Err(rcode::FORMERR);
            }
            self.in_zone(rr)?;
            let sets = self.sets(rr.owner);
            let holds = match rr.rtype {
                rtype::ANY => !sets.is_empty(),
                rtype => sets.keys().any(|key| key.0 == rtype),
            };
            match (rr.rclass, rr.rdata.is_empty()) {
                (class::ANY, true) if !holds && rr.rtype == rtype::ANY => Err(rcode::NXDOMAIN),
                (class::ANY, true) if !holds => Err(rcode::NXRRSET),
                (class::NONE, true) if holds && rr.rtype == rtype::ANY => Err(rcode::YXDOMAIN),
                (class::NONE, true) if holds => Err(rcode::YXRRSET),
                (class::ANY | class::NONE, true) => Ok(()),
                (class::IN, _) if !META.contains(&rr.rtype) && is_sound(rr.rtype, class::IN, rr.rdata) => {
                    wanted.entry((rr.owner.to_vec(), rr.rtype)).or_default().push(rr.rdata.to_vec());
                    Ok(())
                }
                _ => Err(rcode::FORMERR),
            }
        })?;
        let holds = |((owner, rtype), wanted): (&(Vec<u8>, u16), &Vec<Vec<u8>>)| {
            let sets = self.sets(owner);
            let there: Vec<&Vec<u8>> =
                sets.iter().filter(|(key, _)| key.0 == *rtype).flat_map(|(_, set)| &set.rdata).collect();
            let same = |one: &Vec<u8>, other: &Vec<u8>| equal_data(*rtype, one, other);
            wanted.iter().all(|one| there.iter().any(|other| same(one, other)))
                && there.iter().all(|one| wanted.iter().any(|other| same(one, other)))
        };
        if wanted.iter().all(holds) { Ok(()) } else { Err(rcode::NXRRSET) }
    }

    /// RFC 2136 section 3.4.1: nothing is changed by an update that is wrong somewhere.
    fn scan(&self, message: &[u8]) -> Result<(), Rcode> {
        each(message, 2, |rr| {
            self.in_zone(rr)?;
            let meta = META.contains(&rr.rtype);
            let sound = match rr.rclass {
                class::IN => !meta && is_sound(rr.rtype, class::IN, rr.rdata),
                class::ANY => rr.ttl == 0 && rr.rdata.is_empty() && (!meta || rr.rtype == rtype::ANY),
                class::NONE => rr.ttl == 0 && !meta && is_sound(rr.rtype, class::IN, rr.rdata),
                _ => false,
            };
            if sound { Ok(()) } else { Err(rcode::FORMERR) }
        })
    }

    fn in_zone(&self, rr: &Rr<'_>) -> Result<(), Rcode> {
        match name::is_within(rr.owner, self.zone.name().as_wire()) {
            true => Ok(()),
            false => Err(rcode::NOTZONE),
        }
    }

    /// RFC 2136 section 3.4.2.
    fn apply(&mut self, rr: &Rr<'_>) {
        let apex = rr.owner == self.zone.name().as_wire();
        let record = Record { owner: rr.owner, rtype: rr.rtype, ttl: rr.ttl, rdata: rr.rdata };
        let sets = self.touch(rr.owner);
        match rr.rclass {
            class::IN => add(sets, record, apex),
            // "except that NS and SOA at the apex stay" (section 3.4.2.3).
            class::ANY => sets.retain(|key, _| {
                let meant = rr.rtype == rtype::ANY || rr.rtype == key.0;
                !meant || apex && matches!(key.0, rtype::SOA | rtype::NS)
            }),
            _ => remove(sets, record, apex),
        }
    }

    fn sets(&self, owner: &[u8]) -> std::borrow::Cow<'_, Sets> {
        match self.touched.get(owner) {
            Some(sets) => std::borrow::Cow::Borrowed(sets),
            None => std::borrow::Cow::Owned(sets_of(self.zone, owner)),
        }
    }

    fn touch(&mut self, owner: &[u8]) -> &mut Sets {
        self.touched.entry(owner.to_vec()).or_insert_with(|| sets_of(self.zone, owner))
    }

    /// What all updates came to, with a new serial number; none if nothing is other than before.
    pub fn finish(mut self) -> Option<Delta> {
        let apex = self.zone.name().as_wire();
        let from = Serial(self.zone.serial());
        let changed = |(owner, sets): (&Vec<u8>, &Sets)| sets_of(self.zone, owner) != *sets;
        if !self.touched.iter().any(changed) {
            return None;
        }
        let soa = self.touch(apex).get_mut(&(rtype::SOA, 0))?.rdata.first_mut()?;
        let mut to = serial_of(soa)?;
        if !to.is_newer_than(from) {
            to = from.next();
            let at = soa.len() - 20;
            soa[at..at + 4].copy_from_slice(&to.0.to_be_bytes());
        }
        let (mut deleted, mut added) = (Records::default(), Records::default());
        deleted.push(self.zone.soa());
        let sets = self.touched.get(apex)?;
        let soa = &sets[&(rtype::SOA, 0)];
        added.push(Record { owner: apex, rtype: rtype::SOA, ttl: soa.ttl, rdata: &soa.rdata[0] });
        for (owner, sets) in &self.touched {
            let before = sets_of(self.zone, owner);
            let keys: BTreeSet<(u16, u16)> = before.keys().chain(sets.keys()).copied().collect();
            for key in keys.into_iter().filter(|key| owner != apex || key.0 != rtype::SOA) {
                let (old, new) = (before.get(&key), sets.get(&key));
                put_missing(&mut deleted, owner, key.0, old, new);
                put_missing(&mut added, owner, key.0, new, old);
            }
        }
        Some(Delta { from, to, deleted, added })
    }
}

/// Adds to `out` what the one set has and the other doesn't, or has with another TTL.
fn put_missing(out: &mut Records, owner: &[u8], rtype: u16, one: Option<&Set>, other: Option<&Set>) {
    let Some(one) = one else { return };
    let known = other.filter(|other| other.ttl == one.ttl);
    for rdata in &one.rdata {
        if !known.is_some_and(|known| known.rdata.contains(rdata)) {
            out.push(Record { owner, rtype, ttl: one.ttl, rdata });
        }
    }
}

fn sets_of(zone: &Zone, owner: &[u8]) -> Sets {
    let mut sets = Sets::new();
    for record in zone.sets_at(owner).flatten() {
        let key = (record.rtype, record.covered());
        let set = sets.entry(key).or_insert_with(|| Set { ttl: record.ttl, rdata: Vec::new() });
        set.rdata.push(record.rdata.to_vec());
    }
    sets
}

/// RFC 2136 section 3.4.2.2.
fn add(sets: &mut Sets, record: Record<'_>, apex: bool) {
    let is_other = |key: &(u16, u16)| key.0 != rtype::CNAME && !BESIDE_CNAME.contains(&key.0);
    let clashes = match record.rtype {
        rtype::CNAME => sets.keys().any(is_other),
        rtype => is_other(&(rtype, 0)) && sets.contains_key(&(rtype::CNAME, 0)),
    };
    if clashes {
        return;
    }
    if record.rtype == rtype::SOA {
        let old = sets.get(&(rtype::SOA, 0)).and_then(|set| serial_of(&set.rdata[0]));
        let newer = old.zip(serial_of(record.rdata)).is_some_and(|(old, new)| new.is_newer_than(old));
        if !apex || !newer {
            return;
        }
    }
    let set = sets
        .entry((record.rtype, record.covered()))
        .or_insert_with(|| Set { ttl: record.ttl, rdata: Vec::new() });
    // RFC 2181 section 5.2: one TTL for all, the newest wish.
    set.ttl = record.ttl;
    if matches!(record.rtype, rtype::CNAME | rtype::SOA | rtype::DNAME) {
        set.rdata.clear();
    }
    if !set.rdata.iter().any(|known| equal_data(record.rtype, known, record.rdata)) {
        set.rdata.push(record.rdata.to_vec());
    }
}

/// RFC 2136 section 3.4.2.4: the SOA stays, and so does the zone's last server.
fn remove(sets: &mut Sets, record: Record<'_>, apex: bool) {
    let key = (record.rtype, record.covered());
    let Some(set) = sets.get_mut(&key) else { return };
    let last_server = apex && record.rtype == rtype::NS && set.rdata.len() == 1;
    if record.rtype == rtype::SOA || last_server {
        return;
    }
    set.rdata.retain(|known| !equal_data(record.rtype, known, record.rdata));
    if set.rdata.is_empty() {
        sets.remove(&key);
    }
}

/// Calls `see` for each record of a section.
fn each(
    message: &[u8],
    section: usize,
    mut see: impl FnMut(&Rr<'_>) -> Result<(), Rcode>,
) -> Result<(), Rcode> {
    let formerr = |Malformed| rcode::FORMERR;
    let mut reader = Reader::new(message).map_err(formerr)?;
    while let Some(rr) = reader.step().map_err(formerr)? {
        if rr.section == section {
            see(&rr)?;
        }
    }
    Ok(())
}
