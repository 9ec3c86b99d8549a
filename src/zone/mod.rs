//! Local zones, answered with authority.
//!
//! A zone is read whole and checked whole: `master` turns the file's text into records, each with its place;
//! `build` judges what they mean together (one SOA, no CNAME beside other data, what lies below a delegation);
//! and what passes is packed into `store`, where a name is found by one hash and a record costs its octets and
//! little more. `answer` reads from there (RFC 1034 section 4.3.2): it looks the name up, and only where that
//! fails or is hidden walks down from the apex, label by label, until a delegation, a DNAME or the closest
//! encloser is met. Nothing of this allocates, and nothing depends on how many names the zone has.
//!
//! | RFC | what | where |
//! |---|---|---|
//! | 1034, 1035 | zones, master files | `master`, `answer` |
//! | 2181 | TTLs of an RRset, CNAME alone, names of servers are no aliases | `build` |
//! | 2308 | negative answers, `$TTL` | `answer`, `master` |
//! | 4035, 5155 | proofs of what is not there, in zones that are signed | `proof`, `answer` |
//! | 3597 | unknown types as `TYPEnnn` and `\#` | `master` |
//! | 4592 | wildcards | `answer` |
//! | 6672 | DNAME | `answer`, `build` |
//! | 9471 | glue that is needed or else TC | `answer` |
//! | 1982, 1995 | order of serial numbers, what changed between two versions | `serial`, `change` |
//!
//! A zone never changes: a reload makes another one, and so does a change, from the old one and what is different.

mod answer;
mod build;
mod change;
mod files;
mod master;
mod proof;
mod record;
mod report;
mod serial;
mod store;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use crate::config::diagnostic::Diagnostic;
use crate::wire::name::Name;
use crate::wire::write::Writer;

pub use change::{Delta, History, Unfit};
pub use files::SourceFile;
pub use record::{Record, Records, Walk, equal_data};
pub use serial::Serial;

pub use answer::Part;
use proof::Denial;
use report::Report;
use store::{Draft, Store};

/// A zone's data, checked and immutable.
pub struct Zone {
    name: Name,
    store: Store,
    serial: u32,
    /// TTL of the SOA in negative answers (RFC 2308 section 3): the lower of its own and its minimum.
    negative_ttl: u32,
    digest: u64,
    /// Where proofs of what is not there come from, if the zone is signed.
    denial: Option<Box<Denial>>,
}

/// What reading a zone gave. There is a zone if and only if no diagnostic is an error.
pub struct Loaded {
    pub zone: Option<Zone>,
    pub diagnostics: Vec<Diagnostic>,
    /// The zone's file and all that it includes, each once; with faults, as far as reading came.
    pub files: Vec<SourceFile>,
}

/// What was answered, for the header and for whoever asks why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub rcode: u8,
    pub authoritative: bool,
    pub truncated: bool,
    pub kind: OutcomeKind,
    pub used: Used,
    /// Where a CNAME or DNAME led that is not for this zone to answer: outside of it or below a delegation.
    pub leaves: Option<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    /// The records asked for, or aliases on the way to them.
    Answer,
    /// The name exists, but not with this type.
    NoData,
    NxDomain,
    /// The name belongs to a child zone, whose servers were given.
    Delegation,
    /// The aliases run in a circle, or there are more than 16 of them; those gathered were given.
    AliasLoop,
    /// A DNAME makes a name of more than 255 octets: YXDOMAIN (RFC 6672 section 2.2).
    NameTooLong,
}

/// A type, and the data of each record of it that a name has.
pub type RecordsOfType<'a> = (u16, Vec<&'a [u8]>);

/// What of a zone's indirections took part in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub wildcard: bool,
    pub cname: bool,
    pub dname: bool,
}

impl Zone {
    /// Reads the zone's master file; all faults at once.
    pub fn load(name: &Name, file: &Path) -> Loaded {
        Self::read(name, |draft, report| master::read_file(name, file, draft, report))
    }

    /// The same from memory; `$INCLUDE` is relative to the folder of `file`, which need not exist.
    pub fn parse(name: &Name, text: &str, file: &Path) -> Loaded {
        Self::parse_bytes(name, text.as_bytes(), file)
    }

    /// A master file may hold octets that are no UTF-8, in quoted strings.
    pub fn parse_bytes(name: &Name, text: &[u8], file: &Path) -> Loaded {
        Self::read(name, |draft, report| master::read_text(name, text.into(), file, draft, report))
    }

    fn read(name: &Name, read: impl FnOnce(&mut Draft, &mut Report)) -> Loaded {
        let mut draft = Draft::new(name.as_wire());
        let mut report = Report::default();
        read(&mut draft, &mut report);
        let zone = build::build(name, draft, &mut report);
        let files = report.take_files();
        Loaded { zone, diagnostics: report.finish(), files }
    }

    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The SOA's serial number.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    pub fn records(&self) -> usize {
        self.store.records
    }

    pub fn memory_bytes(&self) -> usize {
        let denial = self.denial.as_ref().map_or(0, |denial| size_of::<Denial>() + denial.memory_bytes());
        self.store.memory_bytes() + denial + size_of::<Zone>()
    }

    /// Names that exist, those without records too.
    pub fn name_count(&self) -> usize {
        self.store.names.len() as usize
    }

    /// Every name that exists, in folded wire form and the order of the file, with its records: their type, and
    /// the data of each. Allocates: for whoever looks through a whole zone, not for answers.
    pub fn owners(&self) -> impl Iterator<Item = (&[u8], Vec<RecordsOfType<'_>>)> {
        let records = |node| {
            let sets = self.store.sets(node).iter();
            sets.map(|set| (set.rtype, self.store.rdata(set).collect())).collect()
        };
        (0..self.store.names.len()).map(move |node| (self.store.names.name(node), records(node)))
    }

    /// Differs when the content or its order does; the same within one build of the program only.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Answers from the zone. `qname` is folded, uncompressed and within the zone.
    ///
    /// The header's flags and the question are the caller's and already written; so is the OPT, for which the
    /// writer's limit keeps room.
    pub fn answer(&self, qname: &[u8], qtype: u16, dnssec_ok: bool, writer: &mut Writer<'_>) -> Outcome {
        answer::answer(self, qname, qtype, dnssec_ok, Part::Whole, writer)
    }

    /// The same, but writes a part of the answer only: for messages that are put together of several answers.
    pub fn answer_part(
        &self,
        qname: &[u8],
        qtype: u16,
        dnssec_ok: bool,
        part: Part,
        writer: &mut Writer<'_>,
    ) -> Outcome {
        answer::answer(self, qname, qtype, dnssec_ok, part, writer)
    }
}
