//! Answers from a loaded zone (RFC 1034 section 4.3.2). Allocates nothing but the name at which a chain of
//! aliases leaves the zone; where RFCs leave room it does as NSD does.

use crate::wire::name::{self, MAX_NAME, Name};
use crate::wire::rdata::{class, rtype};
use crate::wire::write::{Section, Writer};

use super::proof::{Denial, Proof};
use super::store::{APEX, RrSet, Store, flag};
use super::{Outcome, OutcomeKind, Used, Zone};

/// Aliases followed in one answer, CNAMEs made from a DNAME included: as many as BIND follows.
pub const MAX_LINKS: usize = 16;
/// Names whose addresses are added: more than a zone has servers, and a full UDP reply has room for fewer.
const MAX_ADDED: usize = 32;

mod rcode {
    pub const NOERROR: u8 = 0;
    pub const NXDOMAIN: u8 = 3;
    pub const YXDOMAIN: u8 = 6;
}

/// What of an answer is written; the outcome is always that of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Section(Section),
    /// Of the authority section what proves that wildcards were rightly expanded.
    Proof,
}

impl Part {
    fn has(self, section: Section, set: &RrSet) -> bool {
        match self {
            Part::Whole => true,
            Part::Section(only) => only == section,
            Part::Proof => {
                section == Section::Authority
                    && [set.rtype, set.covered]
                        .iter()
                        .any(|rtype| matches!(*rtype, rtype::NSEC | rtype::NSEC3))
            }
        }
    }
}

pub fn answer(
    zone: &Zone,
    qname: &[u8],
    qtype: u16,
    dnssec_ok: bool,
    part: Part,
    writer: &mut Writer<'_>,
) -> Outcome {
    debug_assert!(name::is_within(qname, zone.name.as_wire()), "the caller picks the zone by the name");
    let mut reply = Reply {
        zone,
        store: &zone.store,
        writer,
        part,
        dnssec_ok,
        truncated: false,
        used: Used::default(),
        leaves: None,
        dnames: [u32::MAX; MAX_LINKS],
        proving: None,
    };
    if dnssec_ok && let Some(denial) = &zone.denial {
        reply.proving = Some(Proving { denial, store: &zone.store, proof: Proof::default() });
    }
    let kind = reply.follow(qname, qtype);
    reply.prove();
    let Reply { truncated, used, leaves, .. } = reply;
    // Below a cut the zone has no authority; but a CNAME that led there is its own.
    let authoritative = kind != OutcomeKind::Delegation || used.cname || used.dname;
    Outcome { rcode: rcode_of(kind), authoritative, truncated, kind, used, leaves }
}

/// The rcode is that of the last name in a chain of aliases (RFC 6604 section 3).
fn rcode_of(kind: OutcomeKind) -> u8 {
    match kind {
        OutcomeKind::NxDomain => rcode::NXDOMAIN,
        OutcomeKind::NameTooLong => rcode::YXDOMAIN,
        _ => rcode::NOERROR,
    }
}

/// Where a name lies in the zone.
enum Location {
    Exact(u32),
    /// At or below this delegation.
    Cut(u32),
    /// Below this DNAME.
    Dname(u32),
    /// It does not exist; this is its closest encloser (RFC 4592 section 3.3.1).
    Missing(u32),
}

impl Store {
    /// One look-up for a name that exists and is not hidden; else a walk from the apex down.
    fn locate(&self, name: &[u8], hash: u64) -> Location {
        const HIDDEN: u8 = flag::CUT | flag::BELOW_CUT | flag::BELOW_DNAME | flag::HASHED_OWNER;
        match self.names.find_hashed(hash, name) {
            Some(node) if self.names.node(node).flags & HIDDEN == 0 => Location::Exact(node),
            _ => self.descend(name),
        }
    }

    /// RFC 1034 section 4.3.2 step 3: match down, label by label.
    fn descend(&self, name: &[u8]) -> Location {
        let below = name.len() - self.names.name(APEX).len();
        let mut offsets = [0u8; MAX_NAME / 2 + 1];
        let mut depth = 0;
        for offset in
            name::suffixes(name).map(|suffix| name.len() - suffix.len()).take_while(|at| *at < below)
        {
            offsets[depth] = offset as u8;
            depth += 1;
        }
        let mut encloser = APEX;
        for &offset in offsets[..depth].iter().rev() {
            if self.names.node(encloser).flags & flag::DNAME != 0 {
                return Location::Dname(encloser);
            }
            let Some(node) = self.names.find(&name[usize::from(offset)..]) else {
                return Location::Missing(encloser);
            };
            let flags = self.names.node(node).flags;
            if flags & flag::CUT != 0 {
                return Location::Cut(node);
            }
            if flags & flag::HASHED_OWNER != 0 {
                return Location::Missing(encloser);
            }
            encloser = node;
        }
        Location::Exact(encloser)
    }

    /// The node `*` below a closest encloser: the source of synthesis (RFC 4592 section 3.3.1).
    fn wildcard(&self, encloser: u32) -> Option<u32> {
        if self.names.node(encloser).flags & flag::WILDCARD_CHILD == 0 {
            return None;
        }
        let wildcard = NameBuffer::joined(b"\x01*", self.names.name(encloser))?;
        self.names.find(wildcard.wire())
    }

    /// The node with the data of a name that the zone has authority for.
    fn authoritative_node(&self, name: &[u8]) -> Option<u32> {
        match self.locate(name, self.names.hash(name)) {
            Location::Exact(node) => Some(node),
            Location::Missing(encloser) => self.wildcard(encloser),
            Location::Cut(_) | Location::Dname(_) => None,
        }
    }
}

/// A name put together without allocating.
struct NameBuffer {
    bytes: [u8; MAX_NAME],
    len: usize,
}

impl NameBuffer {
    fn folded(wire: &[u8]) -> NameBuffer {
        let mut buffer = NameBuffer { bytes: [0; MAX_NAME], len: 0 };
        buffer.set_folded(wire);
        buffer
    }

    fn set_folded(&mut self, wire: &[u8]) {
        self.len = wire.len();
        self.bytes[..self.len].copy_from_slice(wire);
        name::fold_in_place(&mut self.bytes[..self.len]);
    }

    /// The labels of `prefix` before `suffix`, unless that is longer than a name may be.
    fn joined(prefix: &[u8], suffix: &[u8]) -> Option<NameBuffer> {
        let len = prefix.len() + suffix.len();
        let mut bytes = [0; MAX_NAME];
        let whole = bytes.get_mut(..len)?;
        whole[..prefix.len()].copy_from_slice(prefix);
        whole[prefix.len()..].copy_from_slice(suffix);
        Some(NameBuffer { bytes, len })
    }

    fn wire(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

struct Reply<'z, 'w, 'b> {
    zone: &'z Zone,
    store: &'z Store,
    writer: &'w mut Writer<'b>,
    part: Part,
    dnssec_ok: bool,
    truncated: bool,
    used: Used,
    leaves: Option<Name>,
    /// The nodes of DNAMEs that are in the answer already: a name may meet one twice.
    dnames: [u32; MAX_LINKS],
    /// In signed zones, for those who asked for it.
    proving: Option<Proving<'z>>,
}

/// What the answer's authority section has to prove, gathered along the aliases.
struct Proving<'z> {
    denial: &'z Denial,
    store: &'z Store,
    proof: Proof,
}

impl<'z> Proving<'z> {
    fn no_data(&mut self, node: u32, owner: &[u8]) {
        let names = &self.store.names;
        match names.name(node) {
            name if name == owner => self.denial.no_data(names, owner, &mut self.proof),
            // Expanded: what follows the asterisk's label is the closest encloser.
            wildcard => self.denial.wildcard_no_data(names, wildcard, &wildcard[2..], &mut self.proof),
        }
    }

    fn name_error(&mut self, name: &[u8], encloser: u32) {
        let names = &self.store.names;
        self.denial.name_error(names, name, names.name(encloser), &mut self.proof);
    }

    fn expansion(&mut self, name: &[u8], encloser: u32) {
        let names = &self.store.names;
        self.denial.expansion(names, name, names.name(encloser), &mut self.proof);
    }
}

#[expect(clippy::large_enum_variant, reason = "a box would allocate, and there is one at a time")]
enum Step<'z> {
    Done(OutcomeKind),
    /// Go on with the target of a CNAME.
    Alias(&'z [u8]),
    /// Go on with the name that a DNAME made.
    Renamed(NameBuffer),
}

use Step::{Alias, Done, Renamed};

impl<'z> Reply<'z, '_, '_> {
    /// Looks the name up, then the target of each alias that is within the zone.
    fn follow(&mut self, qname: &[u8], qtype: u16) -> OutcomeKind {
        let mut name = NameBuffer::folded(qname);
        let mut seen = [0u64; MAX_LINKS];
        for links in 0..=MAX_LINKS {
            let hash = self.store.names.hash(name.wire());
            // Equal hashes of different names are as good as impossible, and would only end the chain early.
            if seen[..links].contains(&hash) {
                return OutcomeKind::AliasLoop;
            }
            match self.step(name.wire(), hash, qtype, links) {
                Done(kind) => return kind,
                Alias(target) => name.set_folded(target),
                Renamed(target) => name.set_folded(target.wire()),
            }
            if self.truncated {
                return OutcomeKind::Answer;
            }
            if !name::is_within(name.wire(), self.zone.name.as_wire()) {
                self.leave(name.wire());
                return OutcomeKind::Answer;
            }
            seen[links] = hash;
        }
        OutcomeKind::AliasLoop
    }

    fn step(&mut self, name: &[u8], hash: u64, qtype: u16, links: usize) -> Step<'z> {
        match self.store.locate(name, hash) {
            Location::Exact(node) => self.at_node(node, name, qtype, links),
            // RFC 4035 section 3.1.4.1: DS belongs to the parent's side of the cut.
            Location::Cut(node) if qtype == rtype::DS && self.store.names.name(node) == name => {
                self.at_node(node, name, qtype, links)
            }
            Location::Cut(node) => self.referral(node, name),
            Location::Dname(node) => self.substitute(node, name, qtype, links),
            Location::Missing(encloser) => match self.store.wildcard(encloser) {
                Some(node) => {
                    self.used.wildcard = true;
                    if let Some(proving) = &mut self.proving {
                        proving.expansion(name, encloser);
                    }
                    self.at_node(node, name, qtype, links)
                }
                None => self.name_error(name, encloser),
            },
        }
    }

    fn leave(&mut self, name: &[u8]) {
        self.leaves = Some(Name::from_wire(name).expect("names in a loaded zone are sound"));
    }

    /// RFC 1034 section 4.3.2 step 3a; `owner` differs from the node's name where a wildcard is expanded.
    fn at_node(&mut self, node: u32, owner: &[u8], qtype: u16, links: usize) -> Step<'z> {
        if matches!(qtype, rtype::ANY | rtype::RRSIG) {
            if self.many(node, owner, qtype) {
                return Done(OutcomeKind::Answer);
            }
        } else if let Some(set) = self.store.set(node, qtype) {
            if self.answer_set(node, owner, set) {
                self.prove();
                self.add_addresses(&[*set], None);
            }
            return Done(OutcomeKind::Answer);
        }
        match self.store.set(node, rtype::CNAME) {
            Some(_) if links == MAX_LINKS => Done(OutcomeKind::AliasLoop),
            Some(set) => self.alias(node, owner, set),
            None => self.no_data(node, owner),
        }
    }

    fn alias(&mut self, node: u32, owner: &[u8], set: &'z RrSet) -> Step<'z> {
        self.used.cname = true;
        self.answer_set(node, owner, set);
        Alias(self.store.rdata(set).next().expect("an RRset has at least one record"))
    }

    /// All RRsets of a node, or all its RRSIGs; false if there are none.
    fn many(&mut self, node: u32, owner: &[u8], qtype: u16) -> bool {
        let store = self.store;
        let sets = store.sets(node);
        let signatures = qtype == rtype::RRSIG || self.dnssec_ok;
        let others = qtype == rtype::ANY;
        let mut any = false;
        for set in sets.iter().filter(|set| if set.rtype == rtype::RRSIG { signatures } else { others }) {
            any = true;
            if !self.put(Section::Answer, owner, set) {
                self.truncated = true;
                return true;
            }
        }
        if others && any {
            self.prove();
            self.add_addresses(sets, Some(node));
        }
        any
    }

    fn no_data(&mut self, node: u32, owner: &[u8]) -> Step<'z> {
        if let Some(proving) = &mut self.proving {
            proving.no_data(node, owner);
        }
        self.negative(OutcomeKind::NoData)
    }

    fn name_error(&mut self, name: &[u8], encloser: u32) -> Step<'z> {
        if let Some(proving) = &mut self.proving {
            proving.name_error(name, encloser);
        }
        self.negative(OutcomeKind::NxDomain)
    }

    /// RFC 2308 section 3: the SOA in the authority section, for as long as the answer may be kept.
    fn negative(&mut self, kind: OutcomeKind) -> Step<'z> {
        let soa = self.store.set(APEX, rtype::SOA).expect("a zone without SOA is not loaded");
        let soa = soa.with_ttl(self.zone.negative_ttl);
        let mark = self.writer.mark();
        let apex = self.store.names.name(APEX);
        if !self.put(Section::Authority, apex, &soa)
            || !self.put_signatures(Section::Authority, APEX, apex, &soa)
        {
            self.writer.roll_back(mark);
            self.truncated = true;
        }
        Done(kind)
    }

    /// Writes the proof that was gathered, once: behind the answer, before additional records. RFC 4035 section
    /// 3.1.3: a proof that does not fit must set TC.
    fn prove(&mut self) {
        if self.proving.is_some() {
            self.put_proof();
        }
    }

    #[cold]
    fn put_proof(&mut self) {
        if let Some(Proving { denial, store, proof }) = self.proving.take() {
            for node in proof.nodes() {
                self.put_denial(store, *node, denial.rtype());
            }
        }
    }

    fn put_denial(&mut self, store: &'z Store, node: u32, rtype: u16) {
        let Some(set) = store.set(node, rtype).filter(|_| !self.truncated) else { return };
        let owner = store.names.name(node);
        let mark = self.writer.mark();
        let fits = self.put(Section::Authority, owner, set)
            && self.put_signatures(Section::Authority, node, owner, set);
        if !fits {
            self.writer.roll_back(mark);
            self.truncated = true;
        }
    }

    /// RFC 1034 section 4.3.2 step 3b.
    fn referral(&mut self, cut: u32, name: &[u8]) -> Step<'z> {
        if self.used.cname || self.used.dname {
            self.leave(name);
        }
        let store = self.store;
        let owner = store.names.name(cut);
        let servers = store.set(cut, rtype::NS).expect("a cut is a node with NS records");
        if !self.put(Section::Authority, owner, servers) {
            self.truncated = true;
            return Done(OutcomeKind::Delegation);
        }
        if self.dnssec_ok {
            self.put_child_security(cut, owner);
        }
        self.add_glue(owner, servers);
        Done(OutcomeKind::Delegation)
    }

    /// RFC 4035 section 3.1.4: a referral carries the child's DS, or the proof that it has none.
    fn put_child_security(&mut self, cut: u32, owner: &[u8]) {
        if let Some(ds) = self.store.set(cut, rtype::DS) {
            let fits = self.put(Section::Authority, owner, ds)
                && self.put_signatures(Section::Authority, cut, owner, ds);
            self.truncated |= !fits;
        } else if let Some(proving) = &mut self.proving {
            proving.no_data(cut, owner);
        }
        self.prove();
    }

    /// RFC 6672 section 3.2: the DNAME, and a CNAME made from it with its TTL (section 3.1).
    fn substitute(&mut self, node: u32, name: &[u8], qtype: u16, links: usize) -> Step<'z> {
        if links == MAX_LINKS {
            return Done(OutcomeKind::AliasLoop);
        }
        self.used.dname = true;
        let store = self.store;
        let owner = store.names.name(node);
        let set = store.set(node, rtype::DNAME).expect("the node's flag says that it has a DNAME");
        if !self.dnames.contains(&node) && !self.answer_set(node, owner, set) {
            return Done(OutcomeKind::Answer);
        }
        self.dnames[links] = node;
        let target = store.rdata(set).next().expect("an RRset has at least one record");
        let Some(made) = NameBuffer::joined(&name[..name.len() - owner.len()], target) else {
            return Done(OutcomeKind::NameTooLong);
        };
        if self.part.has(Section::Answer, set) {
            let cname =
                self.writer.record(Section::Answer, name, rtype::CNAME, class::IN, set.ttl, made.wire());
            self.truncated |= cname.is_err();
        }
        // The CNAME that was made is what a question for CNAME asks; NSD ends there as well.
        if qtype == rtype::CNAME { Done(OutcomeKind::Answer) } else { Renamed(made) }
    }

    /// An RRset with its signatures in the answer section, or the sign that it does not fit.
    fn answer_set(&mut self, node: u32, owner: &[u8], set: &RrSet) -> bool {
        let mark = self.writer.mark();
        let fits =
            self.put(Section::Answer, owner, set) && self.put_signatures(Section::Answer, node, owner, set);
        if !fits {
            self.writer.roll_back(mark);
            self.truncated = true;
        }
        fits
    }

    /// All records of an RRset or none.
    fn put(&mut self, section: Section, owner: &[u8], set: &RrSet) -> bool {
        if !self.part.has(section, set) {
            return true;
        }
        let mark = self.writer.mark();
        for rdata in self.store.rdata(set) {
            if self.writer.record(section, owner, set.rtype, class::IN, set.ttl, rdata).is_err() {
                self.writer.roll_back(mark);
                return false;
            }
        }
        true
    }

    /// The RRSIGs of an RRset, for those who asked for them.
    fn put_signatures(&mut self, section: Section, node: u32, owner: &[u8], set: &RrSet) -> bool {
        if !self.dnssec_ok {
            return true;
        }
        match self.store.signatures(node, set.rtype) {
            // A signature lives as long as what it signs (RFC 4034 section 3).
            Some(signatures) => self.put(section, owner, &signatures.with_ttl(set.ttl)),
            None => true,
        }
    }

    /// Addresses of the names in an answer, as a courtesy (RFC 1034 section 4.3.2 step 6): those that don't fit
    /// are left out. `answered` is a node whose addresses are in the answer already.
    fn add_addresses(&mut self, sets: &[RrSet], answered: Option<u32>) {
        if !sets.iter().any(|set| target_offset(set.rtype).is_some()) {
            return;
        }
        let mut targets = Targets::default();
        for set in sets {
            let Some(offset) = target_offset(set.rtype) else { continue };
            for target in self.store.rdata(set).filter_map(|rdata| rdata.get(offset..)) {
                let Some(node) = self.address_node(target, set.rtype == rtype::NS) else { continue };
                if answered != Some(node) && !targets.push(node, target) {
                    break;
                }
            }
        }
        self.put_addresses(&targets);
    }

    /// A server of the zone itself may lie below a cut: then the zone holds its address as glue.
    fn address_node(&self, target: &[u8], glue: bool) -> Option<u32> {
        if target.len() < self.zone.name.as_wire().len() {
            return None;
        }
        let folded = NameBuffer::folded(target);
        if !name::is_within(folded.wire(), self.zone.name.as_wire()) {
            return None;
        }
        let exact = if glue { self.store.names.find(folded.wire()) } else { None };
        exact.or_else(|| self.store.authoritative_node(folded.wire()))
    }

    /// RFC 9471 section 3.1: glue for servers within the child that does not fit must set TC; other servers'
    /// addresses come after it, as far as there is room.
    fn add_glue(&mut self, cut: &[u8], servers: &RrSet) {
        let (mut needed, mut others) = (Targets::default(), Targets::default());
        for target in self.store.rdata(servers) {
            let Some(node) = self.address_node(target, true) else { continue };
            let list = if is_within_any_case(target, cut) { &mut needed } else { &mut others };
            list.push(node, target);
        }
        self.truncated |= !self.put_addresses(&needed);
        self.put_addresses(&others);
    }

    /// All A records, then all AAAA, as NSD has them; false if some did not fit.
    fn put_addresses(&mut self, targets: &Targets<'z>) -> bool {
        let store = self.store;
        let mut all = true;
        for rtype in [rtype::A, rtype::AAAA] {
            for (node, target) in targets.iter() {
                let Some(set) = store.set(node, rtype) else { continue };
                let mark = self.writer.mark();
                let fits = self.put(Section::Additional, target, set)
                    && self.put_signatures(Section::Additional, node, target, set);
                if !fits {
                    self.writer.roll_back(mark);
                    all = false;
                }
            }
        }
        all
    }
}

/// Where in the data of a type stands the name whose addresses are added.
fn target_offset(rtype: u16) -> Option<usize> {
    match rtype {
        rtype::NS => Some(0),
        rtype::MX | rtype::KX => Some(2),
        rtype::SRV => Some(6),
        _ => None,
    }
}

fn is_within_any_case(name: &[u8], folded_ancestor: &[u8]) -> bool {
    name::is_within(NameBuffer::folded(name).wire(), folded_ancestor)
}

/// Names whose addresses are to be added, each once.
#[derive(Default)]
struct Targets<'z> {
    list: [(u32, &'z [u8]); MAX_ADDED],
    count: usize,
}

impl<'z> Targets<'z> {
    /// False when there is no more room.
    fn push(&mut self, node: u32, target: &'z [u8]) -> bool {
        let known = self.iter().any(|(other, name)| other == node && name.eq_ignore_ascii_case(target));
        if known {
            return true;
        }
        let Some(place) = self.list.get_mut(self.count) else { return false };
        *place = (node, target);
        self.count += 1;
        true
    }

    fn iter(&self) -> impl Iterator<Item = (u32, &'z [u8])> {
        self.list[..self.count].iter().copied()
    }
}
