//! A target's reply, scanned once: is it the answer to what we asked, is it sound to its last octet, how long
//! may it be kept, and does it end in a CNAME that somebody else has to answer?

use super::edns;
use super::header::{HEADER, bit, rcode, u16_at, u32_at};
use super::name::{MAX_LABEL, MAX_NAME};
use super::rdata::{self, Field, class, rtype};
use super::write::Section;

/// A pointer has 14 bits (RFC 1035 section 4.1.4).
const MAX_POINTER: usize = 0x3fff;
/// Links of a CNAME chain that we look along inside one reply.
const MAX_CHAIN: usize = 16;

/// Why a reply is not handed on. Each is a failure of the target that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Short,
    NotResponse,
    /// It answers another question than ours: what a spoofer would send, or a very confused server.
    OtherQuestion,
    NoQuestion,
    BadName,
    BadRecord,
    BadRdata,
    BadOpt,
    /// TC over TCP, where nothing needs to be cut.
    Truncated,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fault::Short => "reply is shorter than a header",
            Fault::NotResponse => "reply is not marked as a response to a query",
            Fault::OtherQuestion => "reply answers another question",
            Fault::NoQuestion => "reply has no question",
            Fault::BadName => "reply holds a malformed name",
            Fault::BadRecord => "reply ends inside a record",
            Fault::BadRdata => "reply holds malformed record data",
            Fault::BadOpt => "reply holds a malformed or second OPT",
            Fault::Truncated => "reply over TCP is truncated",
        })
    }
}

/// What the scan found. Offsets are into the reply as received.
#[derive(Debug, Default)]
pub struct Reply {
    /// All twelve bits (RFC 6891 section 6.1.3).
    pub rcode: u16,
    pub bits: u16,
    pub has_opt: bool,
    pub answers: u16,
    /// Where the records begin: the question's end.
    pub records_at: usize,
    /// Where the additional section begins.
    pub additional_at: usize,
    /// The end of the last record; octets behind it are not the message's.
    pub end: usize,
    /// The OPT's first and last-but-one octet.
    pub opt: Option<(usize, usize)>,
    /// Where its options are.
    pub options: (usize, usize),
    /// Offsets of all TTLs but the OPT's.
    pub ttls: Vec<u16>,
    /// The lowest TTL of all records; none if there are no records.
    pub lowest_ttl: Option<u32>,
    /// How long absence may be believed: SOA TTL and MINIMUM, the lower (RFC 2308 section 5).
    pub negative_ttl: Option<u32>,
    /// Offset of the RDATA of the last CNAME, if the chain ends there without an answer.
    pub cname_tail: Option<u16>,
    /// Pointers (their offsets) behind an OPT to places behind it; they move when the OPT is taken out.
    pub pointers_past_opt: Vec<u16>,
    /// Where labels begin that a pointer may lead to: one bit for each octet that a pointer can reach.
    labels: Vec<u64>,
}

impl Reply {
    pub fn is_truncated(&self) -> bool {
        self.bits & bit::TC != 0
    }

    /// Empty, but with the lists' memory kept for the next reply.
    fn reset(&mut self, message_len: usize) {
        let Reply { mut ttls, mut pointers_past_opt, mut labels, .. } = std::mem::take(self);
        ttls.clear();
        pointers_past_opt.clear();
        labels.clear();
        labels.resize(message_len.min(MAX_POINTER + 1).div_ceil(64), 0);
        *self = Reply { ttls, pointers_past_opt, labels, ..Reply::default() };
    }

    fn mark_label(&mut self, at: usize) {
        if let Some(word) = self.labels.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    fn unmark_label(&mut self, at: usize) {
        if let Some(word) = self.labels.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    fn is_label(&self, at: usize) -> bool {
        self.labels.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// NXDOMAIN, or NOERROR without what was asked for.
    pub fn is_negative(&self) -> bool {
        self.rcode == rcode::NXDOMAIN
            || (self.rcode == rcode::NOERROR && (self.answers == 0 || self.cname_tail.is_some()))
    }
}

/// Scans `message` as the reply to `question` (name in lower case, type, class). The ID is the caller's to
/// match. `reply`'s lists are reused; its other contents are replaced.
pub fn scan(message: &[u8], question: &[u8], reply: &mut Reply) -> Result<(), Fault> {
    reply.reset(message.len());
    check_header(message, question)?;
    reply.bits = u16_at(message, 2);
    reply.rcode = reply.bits & bit::RCODE;
    reply.answers = u16_at(message, 6);
    let mut walk = Walk { message, at: HEADER + question.len(), reply };
    walk.name(HEADER)?;
    walk.reply.records_at = walk.at;
    let cnames = walk.section(Section::Answer, u16_at(message, 6))?;
    walk.section(Section::Authority, u16_at(message, 8))?;
    walk.reply.additional_at = walk.at;
    walk.section(Section::Additional, u16_at(message, 10))?;
    reply.end = walk.at;
    if cnames {
        reply.cname_tail = unresolved_cname(message, question, reply);
    }
    Ok(())
}

fn check_header(message: &[u8], question: &[u8]) -> Result<(), Fault> {
    if message.len() < HEADER {
        return Err(Fault::Short);
    }
    let bits = u16_at(message, 2);
    if bits & bit::QR == 0 || bits & bit::OPCODE != 0 {
        return Err(Fault::NotResponse);
    }
    match u16_at(message, 4) {
        0 => return Err(Fault::NoQuestion),
        1 => {}
        _ => return Err(Fault::OtherQuestion),
    }
    let echoed = message.get(HEADER..HEADER + question.len()).ok_or(Fault::OtherQuestion)?;
    let (name, fixed) = question.split_at(question.len() - 4);
    if echoed[..name.len()].eq_ignore_ascii_case(name) && &echoed[name.len()..] == fixed {
        Ok(())
    } else {
        Err(Fault::OtherQuestion)
    }
}

struct Walk<'a> {
    message: &'a [u8],
    at: usize,
    reply: &'a mut Reply,
}

impl Walk<'_> {
    /// Walks one section; says whether it holds a CNAME.
    fn section(&mut self, place: Section, count: u16) -> Result<bool, Fault> {
        let mut cnames = false;
        for _ in 0..count {
            cnames |= self.record(place)? == rtype::CNAME;
        }
        Ok(cnames)
    }

    fn record(&mut self, place: Section) -> Result<u16, Fault> {
        let start = self.at;
        let fixed_at = self.name(start)?;
        let fixed = self.message.get(fixed_at..fixed_at + 10).ok_or(Fault::BadRecord)?;
        let (kind, rclass) = (u16_at(fixed, 0), u16_at(fixed, 2));
        let rdata_at = fixed_at + 10;
        let rdata_end = rdata_at + usize::from(u16_at(fixed, 8));
        if rdata_end > self.message.len() {
            return Err(Fault::BadRecord);
        }
        self.at = rdata_end;
        if kind == rtype::OPT {
            // Its owner goes when it goes.
            self.reply.unmark_label(start);
            self.opt(place, start, fixed_at, rdata_end)?;
            return Ok(kind);
        }
        self.rdata(kind, rclass, rdata_at, rdata_end)?;
        // A message is at most 65,535 octets, so an offset inside it has 16 bits.
        self.reply.ttls.push((fixed_at + 4) as u16);
        let ttl = sane_ttl(u32_at(fixed, 4));
        self.reply.lowest_ttl = Some(self.reply.lowest_ttl.map_or(ttl, |lowest| lowest.min(ttl)));
        if kind == rtype::SOA && place == Section::Authority && rdata_end - rdata_at >= 20 {
            let minimum = u32_at(self.message, rdata_end - 4);
            self.reply.negative_ttl = Some(ttl.min(minimum));
        }
        Ok(kind)
    }

    fn opt(&mut self, place: Section, start: usize, fixed_at: usize, end: usize) -> Result<(), Fault> {
        if place != Section::Additional || self.reply.opt.is_some() || self.message[start] != 0 {
            return Err(Fault::BadOpt);
        }
        if !edns::visit_options(&self.message[fixed_at + 10..end], |_, _| {}) {
            return Err(Fault::BadOpt);
        }
        self.reply.rcode |= u16::from(self.message[fixed_at + 4]) << 4;
        self.reply.has_opt = true;
        self.reply.opt = Some((start, end));
        self.reply.options = (fixed_at + 10, end);
        Ok(())
    }

    /// Checks that RDATA is what its type says, to the octet. Empty RDATA is let through where the type's
    /// form has room for nothing (APL, NULL, TXT of some senders, unknown types).
    fn rdata(&mut self, kind: u16, rclass: u16, start: usize, end: usize) -> Result<(), Fault> {
        let mut at = start;
        for field in rdata::layout(kind, rclass) {
            at = match field {
                Field::Name | Field::PlainName => self.name(at)?,
                Field::Octets(len) => at + usize::from(*len),
                Field::Text => at + 1 + usize::from(*self.message[..end].get(at).ok_or(Fault::BadRdata)?),
                Field::Texts => {
                    let texts = self.message.get(at..end).ok_or(Fault::BadRdata)?;
                    at + rdata::texts_len(texts).ok_or(Fault::BadRdata)?
                }
                Field::Rest => at.max(end),
            };
            if at > end {
                return Err(Fault::BadRdata);
            }
        }
        if at == end { Ok(()) } else { Err(Fault::BadRdata) }
    }

    /// Checks the name at `start` and gives the octet behind it.
    ///
    /// A pointer must lead to "a prior occurrence" of a name (RFC 1035 section 4.1.4): to where a label of one
    /// began that was read before. That makes every walk end, and keeps pointers out of TTLs and the OPT, which
    /// change on the way to a client.
    fn name(&mut self, start: usize) -> Result<usize, Fault> {
        let mut at = start;
        let mut end = None;
        let mut octets = 0;
        loop {
            let len = usize::from(*self.message.get(at).ok_or(Fault::BadName)?);
            if len >= 0xc0 {
                let low = *self.message.get(at + 1).ok_or(Fault::BadName)?;
                let target = (len & 0x3f) << 8 | usize::from(low);
                if target >= at || !self.reply.is_label(target) {
                    return Err(Fault::BadName);
                }
                self.note_pointer(at, target);
                end.get_or_insert(at + 2);
                at = target;
                continue;
            }
            octets += 1 + len;
            if len > MAX_LABEL || octets > MAX_NAME {
                return Err(Fault::BadName);
            }
            if end.is_none() {
                self.reply.mark_label(at);
            }
            at += 1 + len;
            if len == 0 {
                return Ok(end.unwrap_or(at));
            }
        }
    }

    fn note_pointer(&mut self, at: usize, target: usize) {
        if let Some((_, opt_end)) = self.reply.opt
            && target >= opt_end
            && at >= opt_end
        {
            let at = at as u16;
            if !self.reply.pointers_past_opt.contains(&at) {
                self.reply.pointers_past_opt.push(at);
            }
        }
    }
}

/// A TTL with its top bit set is to be taken as zero (RFC 2181 section 8).
pub fn sane_ttl(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

/// Expands the name at `at` of a scanned message into `out`, in its own spelling; gives its length.
pub fn expand(message: &[u8], mut at: usize, out: &mut [u8; MAX_NAME]) -> usize {
    let mut len = 0;
    loop {
        let octet = message[at];
        if octet >= 0xc0 {
            at = usize::from(octet & 0x3f) << 8 | usize::from(message[at + 1]);
            continue;
        }
        let label = 1 + usize::from(octet);
        out[len..len + label].copy_from_slice(&message[at..at + label]);
        len += label;
        at += label;
        if octet == 0 {
            return len;
        }
    }
}

/// A record of a scanned message.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub owner_at: usize,
    pub rtype: u16,
    pub rclass: u16,
    pub ttl: u32,
    pub rdata_at: usize,
    pub rdata_end: usize,
}

/// The records of a scanned message from `at` on, `count` of them.
pub fn records(message: &[u8], mut at: usize, count: usize) -> impl Iterator<Item = Record> + '_ {
    (0..count).map(move |_| {
        let owner_at = at;
        let fixed = skip(message, at);
        let rdata_at = fixed + 10;
        let rdata_end = rdata_at + usize::from(u16_at(message, fixed + 8));
        at = rdata_end;
        Record {
            owner_at,
            rtype: u16_at(message, fixed),
            rclass: u16_at(message, fixed + 2),
            ttl: sane_ttl(u32_at(message, fixed + 4)),
            rdata_at,
            rdata_end,
        }
    })
}

/// The octet behind the name at `at` of a scanned message.
pub(super) fn skip(message: &[u8], mut at: usize) -> usize {
    loop {
        match message[at] {
            0 => return at + 1,
            0xc0.. => return at + 2,
            len => at += 1 + usize::from(len),
        }
    }
}

/// Follows the chain of CNAMEs from the question through the answer section. Gives the offset of the last
/// target's name if nothing in the section answers it.
fn unresolved_cname(message: &[u8], question: &[u8], reply: &Reply) -> Option<u16> {
    let qtype = u16_at(question, question.len() - 4);
    if qtype == rtype::CNAME || qtype == rtype::ANY {
        return None;
    }
    let mut current = [0; MAX_NAME];
    let mut current_len = question.len() - 4;
    current[..current_len].copy_from_slice(&question[..current_len]);
    let mut tail = None;
    for _ in 0..MAX_CHAIN {
        let mut next = None;
        for record in records(message, reply.records_at, usize::from(reply.answers)) {
            let mut owner = [0; MAX_NAME];
            let owner_len = expand(message, record.owner_at, &mut owner);
            if !owner[..owner_len].eq_ignore_ascii_case(&current[..current_len]) || record.rclass != class::IN
            {
                continue;
            }
            if record.rtype == qtype {
                return None;
            }
            if record.rtype == rtype::CNAME {
                next = Some(record.rdata_at);
            }
        }
        let Some(at) = next else { return tail };
        current_len = expand(message, at, &mut current);
        tail = Some(at as u16);
    }
    None
}
