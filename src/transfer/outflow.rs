//! Zones on their way to others, as messages: AXFR (RFC 5936) and IXFR (RFC 1995). Has no socket; whoever asks may
//! have them is decided before.

use std::sync::Arc;

use crate::limits::{MESSAGE, TRANSFER_MESSAGE};
use crate::wire::answer::put_opt;
use crate::wire::edns;
use crate::wire::header::bit;
use crate::wire::rdata::class;
use crate::wire::write::{Section, Writer};
use crate::zone::{Delta, Record, Walk, Zone};

/// What is sent.
pub enum Content {
    /// The SOA alone: nothing newer than what the client has, or more than fits a datagram.
    Soa(Arc<Zone>),
    Whole(Arc<Zone>),
    /// What changed since the client's version, up to the zone.
    Changes(Arc<Zone>, Vec<Arc<Delta>>),
}

/// The answer to one question for a transfer.
pub struct Outflow<'q> {
    id: u16,
    rd: u16,
    /// As the client spelled it: name, type, class.
    question: &'q [u8],
    /// The client's DO, if it sent an OPT.
    edns: Option<bool>,
    sequence: Sequence,
    first: bool,
}

impl<'q> Outflow<'q> {
    pub fn new(id: u16, bits: u16, question: &'q [u8], edns: Option<bool>, content: Content) -> Outflow<'q> {
        let sequence = Sequence::new(content);
        Outflow { id, rd: bits & bit::RD, question, edns, sequence, first: true }
    }

    /// Writes the next message into `out`, which has room for the largest, and gives its length; none when all is
    /// sent. `reserve` octets are left free for a signature.
    pub fn next(&mut self, reserve: usize, out: &mut [u8]) -> Option<usize> {
        self.next_within(TRANSFER_MESSAGE, reserve, out)
    }

    /// The whole answer in one message, if it fits into `limit`.
    pub fn single(mut self, limit: usize, reserve: usize, out: &mut [u8]) -> Option<usize> {
        let len = self.next_within(limit, reserve, out)?;
        (self.sequence.current().is_none() && len + reserve <= limit).then_some(len)
    }

    fn next_within(&mut self, limit: usize, reserve: usize, out: &mut [u8]) -> Option<usize> {
        self.sequence.current()?;
        let opt = self.edns.filter(|_| self.first);
        let reserve = reserve + if opt.is_some() { edns::OPT_LEN } else { 0 };
        let mut writer = Writer::new(out, limit - reserve);
        writer.set_id(self.id);
        writer.set_flags(bit::QR | bit::AA | self.rd);
        if self.first {
            // 512 octets hold any question.
            let (name, fixed) = self.question.split_at(self.question.len() - 4);
            let [a, b, c, d] = *fixed else { return None };
            let _ = writer.question(name, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        }
        let mut any = false;
        while let Some(record) = self.sequence.current() {
            if put(&mut writer, record).is_err() {
                if any {
                    break;
                }
                // A record that needs a larger message than others; one beyond 64 KiB there is none.
                writer.set_limit(MESSAGE - reserve);
                if put(&mut writer, record).is_err() {
                    return None;
                }
            }
            any = true;
            self.sequence.advance();
        }
        let len = writer.finish();
        self.first = false;
        Some(opt.map_or(len, |dnssec_ok| put_opt(out, len, 0, dnssec_ok, &[])))
    }
}

fn put(writer: &mut Writer<'_>, record: Record<'_>) -> Result<(), crate::wire::write::Full> {
    let Record { owner, rtype, ttl, rdata } = record;
    writer.record(Section::Answer, owner, rtype, class::IN, ttl, rdata)
}

/// Records in the order of a transfer.
struct Sequence {
    zone: Arc<Zone>,
    part: Part,
    body: Body,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    FirstSoa,
    Body,
    LastSoa,
    End,
}

enum Body {
    Nothing,
    Walk(Walk),
    /// Which change, whether its additions, and how far.
    Changes {
        deltas: Vec<Arc<Delta>>,
        index: usize,
        added: bool,
        at: usize,
    },
}

impl Sequence {
    fn new(content: Content) -> Sequence {
        let (zone, body) = match content {
            Content::Soa(zone) => (zone, Body::Nothing),
            Content::Whole(zone) => (Arc::clone(&zone), Body::Walk(Walk::new(zone))),
            Content::Changes(zone, deltas) => (zone, Body::Changes { deltas, index: 0, added: false, at: 0 }),
        };
        Sequence { zone, part: Part::FirstSoa, body }
    }

    fn current(&self) -> Option<Record<'_>> {
        match self.part {
            Part::FirstSoa | Part::LastSoa => Some(self.zone.soa()),
            Part::Body => self.body.current(),
            Part::End => None,
        }
    }

    fn advance(&mut self) {
        match self.part {
            Part::FirstSoa => {
                self.part = if matches!(self.body, Body::Nothing) { Part::End } else { Part::Body };
            }
            Part::Body => self.body.advance(),
            Part::LastSoa | Part::End => self.part = Part::End,
        }
        if self.part == Part::Body && self.body.current().is_none() {
            self.part = Part::LastSoa;
        }
    }
}

impl Body {
    fn current(&self) -> Option<Record<'_>> {
        match self {
            Body::Nothing => None,
            Body::Walk(walk) => walk.current(),
            Body::Changes { deltas, index, added, at } => {
                let delta = deltas.get(*index)?;
                let records = if *added { &delta.added } else { &delta.deleted };
                records.at(*at).map(|(record, _)| record)
            }
        }
    }

    fn advance(&mut self) {
        match self {
            Body::Nothing => {}
            Body::Walk(walk) => walk.advance(),
            Body::Changes { deltas, index, added, at } => {
                let Some(delta) = deltas.get(*index) else { return };
                let records = if *added { &delta.added } else { &delta.deleted };
                *at = records.at(*at).map_or(usize::MAX, |(_, next)| next);
                // Both lists begin with an SOA, so that none is empty.
                if records.at(*at).is_none() {
                    (*index, *at) = (*index + usize::from(*added), 0);
                    *added = !*added;
                }
            }
        }
    }
}
