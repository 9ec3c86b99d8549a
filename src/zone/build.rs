//! Judges what a zone's records mean together, and makes the zone if nothing is wrong with them. Reads no
//! text; each fault points at the record that shows it.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::FixedState;

use crate::wire::name::{self, Name, Presentation};
use crate::wire::rdata::{Field, class, field_len, layout, rtype};

use super::Zone;
use super::master::types;
use super::proof;
use super::report::{Place, Report};
use super::store::{APEX, Draft, MAX_SETS, Row, RrSet, Store, flag, same_set};

/// An RRSIG or NSEC may stand beside a CNAME (RFC 4035 section 2.5), and so may KEY (RFC 2181 section 10.1).
pub const BESIDE_CNAME: [u16; 3] = [rtype::RRSIG, rtype::NSEC, 25];
const FIRST: Place = Place { file: 0, at: 0 };

/// The zone, if neither reading nor these checks found an error.
pub fn build(name: &Name, mut draft: Draft, report: &mut Report) -> Option<Zone> {
    draft.sort();
    drop_duplicates(&mut draft, report);
    set_flags(&mut draft);
    proof::hide_hashed_owners(&mut draft);
    let mut checks = Checks { name, draft: &draft, report };
    checks.apex();
    checks.nodes();
    if checks.report.has_errors() {
        // An address may be missing because its own line is at fault: no warnings on top of that.
        return None;
    }
    checks.targets();
    let chain_from = checks.chain_from();
    let (zone, fault) = zone(name, draft);
    if let Some(fault) = fault {
        report.warning(chain_from, "zone-denial", format_args!("{fault}"), fault.help());
    }
    Some(zone)
}

fn zone(name: &Name, draft: Draft) -> (Zone, Option<proof::Fault>) {
    let store = Store::new(draft);
    let digest = digest(name, &store);
    let (denial, fault) = proof::load(&store);
    let zone = Zone { denial: denial.map(Box::new), ..with_store(name, store, digest) };
    (zone, fault)
}

/// A zone of a store whose content is sound and has no chain of NSEC or NSEC3.
pub fn with_store(name: &Name, store: Store, digest: u64) -> Zone {
    let soa = *store.set(APEX, rtype::SOA).expect("a zone without SOA has an error");
    let (serial, minimum) = {
        let rdata = store.rdata(&soa).next().expect("an RRset has at least one record");
        let numbers = rdata.last_chunk::<20>().expect("SOA data ends in five 32-bit fields");
        let field =
            |at: usize| u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
        (field(0), field(16))
    };
    Zone { name: name.clone(), serial, negative_ttl: soa.ttl.min(minimum), digest, denial: None, store }
}

/// A sum, so that a change of one RRset needs a look at that one only.
fn digest(name: &Name, store: &Store) -> u64 {
    let mut sum = FixedState::default().hash_one(name);
    for node in 0..store.names.len() {
        for set in store.sets(node) {
            sum = sum.wrapping_add(set_digest(store, node, set));
        }
    }
    sum
}

/// One RRset's part in a zone's digest.
pub fn set_digest(store: &Store, node: u32, set: &RrSet) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    store.names.name(node).hash(&mut hasher);
    (set.rtype, set.covered, set.ttl, set.count).hash(&mut hasher);
    store.rdata(set).for_each(|rdata| rdata.hash(&mut hasher));
    hasher.finish()
}

/// RFC 2181 section 5: an RRset has no two equal records (5.1) and one TTL (5.2).
fn drop_duplicates(draft: &mut Draft, report: &mut Report) {
    let mut extra = Vec::new();
    let mut start = 0;
    for set in draft.rows.chunk_by(same_set) {
        if set.len() > 1 {
            warn_of_ttls(set, report);
            find_duplicates(draft, set, start, &mut extra);
        }
        start += set.len();
    }
    for &index in &extra {
        let message = format_args!("this record is there already; it is taken once");
        report.warning(draft.rows[index].place(), "zone-duplicate", message, "remove one of the two lines");
    }
    extra.sort_unstable();
    let (mut index, mut extra) = (0, extra.into_iter().peekable());
    draft.rows.retain(|_| {
        index += 1;
        extra.next_if_eq(&(index - 1)).is_none()
    });
}

fn warn_of_ttls(set: &[Row], report: &mut Report) {
    let Some(other) = set.iter().find(|row| row.ttl != set[0].ttl) else { return };
    let lowest = set.iter().map(|row| row.ttl).min().unwrap_or_default();
    let message =
        format_args!("TTL {} differs from {} before it: {lowest} is taken for all", other.ttl, set[0].ttl);
    let help = "give all records of one name and type the same TTL (RFC 2181 section 5.2)";
    report.warning(other.place(), "zone-ttl-differs", message, help);
}

/// Appends the places in `rows` of those that equal an earlier one, whose set starts at `start`.
fn find_duplicates(draft: &Draft, set: &[Row], start: usize, extra: &mut Vec<usize>) {
    let mut folded: Vec<(Vec<u8>, usize)> = set
        .iter()
        .enumerate()
        .map(|(index, row)| (folded(row.rtype, draft.rdata(row)), start + index))
        .collect();
    folded.sort_unstable();
    extra.extend(folded.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1));
}

/// RDATA with its names in lower case: equal records are equal so.
pub fn folded(rtype: u16, rdata: &[u8]) -> Vec<u8> {
    let mut folded = rdata.to_vec();
    let mut at = 0;
    for field in layout(rtype, class::IN) {
        let Some(length) = field_len(*field, &rdata[at..]) else { break };
        if matches!(field, Field::Name | Field::PlainName) {
            name::fold_in_place(&mut folded[at..at + length]);
        }
        at += length;
    }
    folded
}

fn set_flags(draft: &mut Draft) {
    let apex = draft.names.name(APEX).to_vec();
    for index in 0..draft.rows.len() {
        let row = draft.rows[index];
        match row.rtype {
            rtype::NS => {
                if row.node != APEX {
                    *draft.names.flags_mut(row.node) |= flag::CUT;
                }
                let mut server = draft.rdata(&row).to_vec();
                name::fold_in_place(&mut server);
                let within = name::is_within(&server, &apex);
                if let Some(node) = draft.names.find(&server).filter(|_| within) {
                    *draft.names.flags_mut(node) |= flag::SERVER;
                }
            }
            rtype::DNAME => *draft.names.flags_mut(row.node) |= flag::DNAME,
            _ => {}
        }
    }
    // Parents stand before their children.
    for node in 1..draft.names.len() {
        let above = draft.names.node(draft.parents[node as usize]).flags;
        let below = if above & (flag::CUT | flag::BELOW_CUT) != 0 { flag::BELOW_CUT } else { 0 };
        let renamed = if above & (flag::DNAME | flag::BELOW_DNAME) != 0 { flag::BELOW_DNAME } else { 0 };
        *draft.names.flags_mut(node) |= below | renamed;
    }
}

struct Checks<'c> {
    name: &'c Name,
    draft: &'c Draft,
    report: &'c mut Report,
}

/// What a name that a record points to is in this zone.
enum Target {
    /// Of another zone, or of a child: not ours to judge.
    Elsewhere,
    Address,
    Alias,
    /// Within the child that the record delegates to, without an address here.
    MissingGlue,
    NoAddress,
}

impl<'c> Checks<'c> {
    fn apex(&mut self) {
        let draft = self.draft;
        let soas: Vec<&Row> = draft.rows.iter().filter(|row| row.rtype == rtype::SOA).collect();
        let zone = self.name;
        for row in soas.iter().filter(|row| row.node != APEX) {
            let owner = Presentation(draft.names.name(row.node));
            let message = format_args!("an SOA at {owner}, below the zone's apex {zone}");
            self.report.error(
                row.place(),
                "zone-soa",
                message,
                "move the child's records to a zone of their own",
            );
        }
        let mut own = soas.iter().filter(|row| row.node == APEX);
        if own.next().is_none() && !draft.lost {
            let message = format_args!("the zone {zone} has no SOA record");
            let help = "add '@ SOA server. mailbox. 1 1h 15m 2w 5m', and check the zone's name";
            self.report.error(FIRST, "zone-soa", message, help);
        }
        for row in own {
            let message = format_args!("the zone {zone} has a second SOA record");
            self.report.error(row.place(), "zone-soa", message, "keep one of them");
        }
        if !self.has(APEX, rtype::NS) && !draft.lost {
            let message = format_args!("the zone {zone} has no NS record at its apex");
            self.report.error(FIRST, "zone-ns", message, "add '@ NS server.'");
        }
    }

    /// The record of the apex that says how the zone denies what is not there.
    fn chain_from(&self) -> Place {
        let first = [rtype::NSEC3PARAM, rtype::NSEC, rtype::DNSKEY].map(|rtype| self.first(APEX, rtype));
        first.into_iter().flatten().next().map_or(FIRST, Row::place)
    }

    fn has(&self, node: u32, rtype: u16) -> bool {
        self.first(node, rtype).is_some()
    }

    fn first(&self, node: u32, rtype: u16) -> Option<&'c Row> {
        let rows = &self.draft.rows;
        let index = rows.partition_point(|row| (row.node, row.rtype) < (node, rtype));
        rows.get(index).filter(|row| (row.node, row.rtype) == (node, rtype))
    }

    fn nodes(&mut self) {
        let draft = self.draft;
        for rows in draft.rows.chunk_by(|one, next| one.node == next.node) {
            let node = draft.names.node(rows[0].node);
            if rows.len() > MAX_SETS && rows.chunk_by(same_set).count() > MAX_SETS {
                let owner = Presentation(draft.names.name(rows[0].node));
                let message = format_args!("{owner} has more than {MAX_SETS} RRsets");
                self.report.error(rows[0].place(), "zone-too-large", message, "spread them over names");
            }
            self.cname(rows);
            self.dname(rows, node.flags);
            if node.flags & flag::HASHED_OWNER != 0 {
                // Below a DNAME at the apex as well: no question reaches these.
            } else if node.flags & flag::BELOW_DNAME != 0 && node.flags & flag::BELOW_CUT == 0 {
                self.below_dname(&rows[0]);
            } else if node.flags & flag::BELOW_CUT != 0 {
                self.below_cut(rows, node.flags);
            } else if node.flags & flag::CUT != 0 {
                self.at_cut(rows, node.flags);
            }
        }
    }

    fn cname(&mut self, rows: &[Row]) {
        let draft = self.draft;
        let mut cnames = rows.iter().filter(|row| row.rtype == rtype::CNAME);
        let Some(cname) = cnames.next() else { return };
        let owner = Presentation(draft.names.name(cname.node));
        if let Some(second) = cnames.next() {
            let message = format_args!("{owner} has more than one CNAME record");
            let help = "a name is an alias of one other name (RFC 2181 section 10.1): keep one";
            self.report.error(second.place(), "zone-cname", message, help);
        }
        let other = rows.iter().find(|row| row.rtype != rtype::CNAME && !BESIDE_CNAME.contains(&row.rtype));
        if let Some(other) = other {
            let rtype = types::name(other.rtype);
            let message = format_args!("{owner} has a CNAME record and other data ({rtype})");
            let help =
                "a name that is an alias has no other data (RFC 2181 section 10.1): remove one of the two";
            self.report.error(cname.place(), "zone-cname", message, help);
        }
    }

    fn dname(&mut self, rows: &[Row], flags: u8) {
        let draft = self.draft;
        let mut dnames = rows.iter().filter(|row| row.rtype == rtype::DNAME);
        let Some(dname) = dnames.next() else { return };
        let owner = Presentation(draft.names.name(dname.node));
        if let Some(second) = dnames.next() {
            let message = format_args!("{owner} has more than one DNAME record");
            self.report.error(second.place(), "zone-dname", message, "keep one (RFC 6672 section 2.4)");
        }
        if flags & flag::CUT != 0 {
            let message = format_args!("{owner} has a DNAME record and is delegated by NS records");
            self.report.error(
                dname.place(),
                "zone-dname",
                message,
                "remove one of the two (RFC 6672 section 2.3)",
            );
        }
    }

    fn below_dname(&mut self, row: &Row) {
        let owner = Presentation(self.draft.names.name(row.node));
        let message = format_args!("{owner} lies below a DNAME record and could never be answered");
        self.report.error(
            row.place(),
            "zone-below-dname",
            message,
            "remove it or the DNAME (RFC 6672 section 2.4)",
        );
    }

    fn below_cut(&mut self, rows: &[Row], flags: u8) {
        let hidden = rows.iter().find(|row| !is_address(row.rtype) || flags & flag::SERVER == 0);
        if let Some(hidden) = hidden {
            self.hidden(hidden, "lies below a delegation and is no server's address");
        }
    }

    /// At a cut the parent's own are NS, DS and what proves them; a DNAME is an error by itself.
    fn at_cut(&mut self, rows: &[Row], flags: u8) {
        const OWN: [u16; 5] = [rtype::NS, rtype::DS, rtype::RRSIG, rtype::NSEC, rtype::DNAME];
        let hidden = rows.iter().find(|row| {
            let glue = is_address(row.rtype) && flags & flag::SERVER != 0;
            !OWN.contains(&row.rtype) && !glue
        });
        if let Some(hidden) = hidden {
            self.hidden(hidden, "is delegated by NS records, which hide this record");
        }
    }

    fn hidden(&mut self, row: &Row, why: &str) {
        let owner = Presentation(self.draft.names.name(row.node));
        let help = "move it to the child zone, or remove the delegation";
        self.report.warning(row.place(), "zone-hidden", format_args!("{owner} {why}"), help);
    }

    /// RFC 2181 section 10.3: servers' and exchanges' names have addresses and are no aliases.
    fn targets(&mut self) {
        let draft = self.draft;
        for row in &draft.rows {
            let offset = match row.rtype {
                rtype::NS => 0,
                rtype::MX => 2,
                rtype::SRV => 6,
                _ => continue,
            };
            let mut target = draft.rdata(row)[offset..].to_vec();
            name::fold_in_place(&mut target);
            self.target(row, &target);
        }
    }

    fn target(&mut self, row: &Row, target: &[u8]) {
        let rtype = types::name(row.rtype);
        let shown = Presentation(target);
        let place = row.place();
        let (code, why, help) = match self.classify(row, target) {
            Target::Elsewhere | Target::Address => return,
            Target::Alias => {
                ("zone-target-alias", "is an alias", "name the host itself (RFC 2181 section 10.3)")
            }
            Target::MissingGlue => (
                "zone-glue",
                "lies in the zone that it serves and has no address here",
                "add its A or AAAA record",
            ),
            Target::NoAddress => (
                "zone-target-address",
                "has no address in this zone",
                "add its A or AAAA record, or correct the name",
            ),
        };
        self.report.warning(place, code, format_args!("the {rtype} record's target {shown} {why}"), help);
    }

    fn classify(&self, row: &Row, target: &[u8]) -> Target {
        if !name::is_within(target, self.name.as_wire()) || target.len() == 1 {
            return Target::Elsewhere;
        }
        let names = &self.draft.names;
        let exact = names.find(target);
        if exact.is_some_and(|node| self.has_address(node)) {
            return Target::Address;
        }
        let mut suffixes = name::suffixes(target);
        let encloser = suffixes.find_map(|suffix| names.find(suffix)).unwrap_or(APEX);
        let flags = names.node(encloser).flags;
        if flags & (flag::CUT | flag::BELOW_CUT) != 0 {
            let own = row.rtype == rtype::NS && name::is_within(target, names.name(row.node));
            return if own && row.node != APEX { Target::MissingGlue } else { Target::Elsewhere };
        }
        if flags & flag::DNAME != 0 && exact.is_none() {
            return Target::Alias;
        }
        match exact.or_else(|| self.wildcard(encloser)) {
            Some(node) if self.has(node, rtype::CNAME) => Target::Alias,
            Some(node) if self.has_address(node) => Target::Address,
            _ => Target::NoAddress,
        }
    }

    fn has_address(&self, node: u32) -> bool {
        self.has(node, rtype::A) || self.has(node, rtype::AAAA)
    }

    fn wildcard(&self, encloser: u32) -> Option<u32> {
        let mut wildcard = b"\x01*".to_vec();
        wildcard.extend_from_slice(self.draft.names.name(encloser));
        self.draft.names.find(&wildcard)
    }
}

fn is_address(rtype: u16) -> bool {
    matches!(rtype, rtype::A | rtype::AAAA)
}
