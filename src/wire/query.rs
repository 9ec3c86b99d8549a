//! A client's message, judged: dropped, answered at once with an error, or a question to decide on.
//! Reads each octet once and borrows it; no count in the packet is trusted for anything but a walk.

use super::edns::{self, Edns};
use super::header::{HEADER, bit, opcode, rcode, u16_at, u32_at};
use super::name::{self, MAX_NAME};
use super::rdata::{class, rtype};

/// What to do with a packet after a look at its bytes alone.
pub enum Judged<'a> {
    /// Never answered: too short to have an ID, or itself a response ("never answer an answer": two servers
    /// that answer each other's errors don't stop).
    Drop(Dropped),
    /// Answered by its header and, where it could be read, its question.
    Error(Early<'a>),
    Ask(Query<'a>),
    /// A notice or an update: no question, and not for a turn.
    Apart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    Short,
    Response,
}

/// An error that needs no decision.
pub struct Early<'a> {
    pub id: u16,
    pub bits: u16,
    pub rcode: u16,
    /// The question as the client sent it, name, type and class; empty where there is none to trust.
    pub question: &'a [u8],
    pub edns: Option<Edns<'a>>,
}

/// Room for a question with its name in lower case. The caller keeps it: a query that owned it would be copied
/// and cleared, 259 octets, on each step of its way.
pub struct Folded([u8; MAX_NAME + 4]);

impl Default for Folded {
    fn default() -> Folded {
        Folded([0; MAX_NAME + 4])
    }
}

/// One question.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    pub id: u16,
    /// The header's flags as the client sent them.
    pub bits: u16,
    rtype: u16,
    rclass: u16,
    pub edns: Option<Edns<'a>>,
    /// There is a TSIG record, which nobody has checked.
    pub is_signed: bool,
    /// The question as the client spelled it: name, type, class.
    spelled: &'a [u8],
    /// The same, name in lower case.
    question: &'a [u8],
}

impl<'a> Query<'a> {
    /// The name in lower case, uncompressed.
    pub fn qname(&self) -> &'a [u8] {
        &self.question[..self.question.len() - 4]
    }

    /// The question in wire form: name in lower case, type, class.
    pub fn question(&self) -> &'a [u8] {
        self.question
    }

    /// The question in the client's own spelling.
    pub fn spelled(&self) -> &'a [u8] {
        self.spelled
    }

    pub fn rtype(&self) -> u16 {
        self.rtype
    }

    pub fn rclass(&self) -> u16 {
        self.rclass
    }

    pub fn recursion_desired(&self) -> bool {
        self.bits & bit::RD != 0
    }

    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }
}

/// Judges a packet. `folded` is room for the question that it may hold.
pub fn judge<'a>(packet: &'a [u8], folded: &'a mut Folded) -> Judged<'a> {
    if packet.len() < HEADER {
        return Judged::Drop(Dropped::Short);
    }
    let (id, bits) = (u16_at(packet, 0), u16_at(packet, 2));
    if bits & bit::QR != 0 {
        return Judged::Drop(Dropped::Response);
    }
    let early = |rcode, question, edns| Judged::Error(Early { id, bits, rcode, question, edns });
    let question = question_of(packet);
    if bits & bit::OPCODE != 0 {
        if matches!(bits & bit::OPCODE, opcode::NOTIFY | opcode::UPDATE) {
            return Judged::Apart;
        }
        // RFC 8906 section 8.1.4: NOTIMP. What such a message holds behind the question isn't ours to read.
        return early(rcode::NOTIMP, question.unwrap_or_default(), None);
    }
    if u16_at(packet, 4) != 1 {
        // RFC 9619: "A DNS message with OPCODE = 0 MUST NOT include a QDCOUNT parameter whose value is greater
        // than 1 ... MUST return FORMERR"; without a question there is nothing to answer either.
        return early(rcode::FORMERR, &[], None);
    }
    let Some(spelled) = question else { return early(rcode::FORMERR, &[], None) };
    let (edns, is_signed) = match opt_of(packet, HEADER + spelled.len()) {
        Ok(found) => found,
        Err(Malformed) => return early(rcode::FORMERR, spelled, None),
    };
    if edns.is_some_and(|edns| edns.version > 0) {
        return early(rcode::BADVERS, spelled, edns);
    }
    let (name, fixed) = spelled.split_at(spelled.len() - 4);
    let (rtype, rclass) = (u16_at(fixed, 0), u16_at(fixed, 2));
    if is_meta(rtype) {
        return early(rcode::FORMERR, spelled, edns);
    }
    let question = &mut folded.0[..spelled.len()];
    question.copy_from_slice(spelled);
    name::fold_in_place(&mut question[..name.len()]);
    Judged::Ask(Query { id, bits, rtype, rclass, edns, is_signed, spelled, question })
}

/// Types that exist only in other places of a message (RFC 6895 section 3.1), never as a question.
fn is_meta(qtype: u16) -> bool {
    matches!(qtype, rtype::OPT | rtype::TSIG | rtype::TKEY)
}

/// The single question's octets: name (never compressed: there is nothing before it), type, class.
fn question_of(packet: &[u8]) -> Option<&[u8]> {
    if u16_at(packet, 4) != 1 {
        return None;
    }
    let name_len = name::wire_len(&packet[HEADER..])?;
    packet.get(HEADER..HEADER + name_len + 4)
}

struct Malformed;

/// Walks the records behind the question and gives what the one OPT says, and whether there is a TSIG. Counts only bound the walk: each
/// record takes at least 11 octets of the packet.
fn opt_of(packet: &[u8], mut at: usize) -> Result<(Option<Edns<'_>>, bool), Malformed> {
    let before_additional = u32::from(u16_at(packet, 6)) + u32::from(u16_at(packet, 8));
    let records = before_additional + u32::from(u16_at(packet, 10));
    let (mut found, mut is_signed) = (None, false);
    for index in 0..records {
        let name_end = skip_name(packet, at).ok_or(Malformed)?;
        let fixed = packet.get(name_end..name_end + 10).ok_or(Malformed)?;
        let rdata_at = name_end + 10;
        let rdata = packet.get(rdata_at..rdata_at + usize::from(u16_at(fixed, 8))).ok_or(Malformed)?;
        if u16_at(fixed, 0) == rtype::OPT {
            // RFC 6891 section 6.1.1: in the additional section, once, owned by the root; else FORMERR.
            if index < before_additional || found.is_some() || packet[at] != 0 {
                return Err(Malformed);
            }
            found = Some(read_opt(fixed, rdata)?);
        }
        is_signed |= u16_at(fixed, 0) == rtype::TSIG;
        at = rdata_at + rdata.len();
    }
    Ok((found, is_signed))
}

fn read_opt<'a>(fixed: &[u8], rdata: &'a [u8]) -> Result<Edns<'a>, Malformed> {
    let ttl = u32_at(fixed, 4);
    let mut client_subnet = None;
    let sound = edns::visit_options(rdata, |code, data| {
        if code == edns::option::CLIENT_SUBNET {
            client_subnet = Some(data);
        }
    });
    if !sound {
        return Err(Malformed);
    }
    Ok(Edns {
        udp_size: u16_at(fixed, 2),
        version: (ttl >> 16) as u8,
        dnssec_ok: ttl & edns::DO != 0,
        client_subnet,
    })
}

/// The end of a name that may be compressed, without following pointers.
fn skip_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            0xc0.. => return (at + 2 <= packet.len()).then_some(at + 2),
            _ => return None,
        }
    }
}

/// Can a class or type go to a target at all? Transfers have many messages, and no forwarder can pass them.
pub fn is_transfer(qtype: u16) -> bool {
    matches!(qtype, rtype::AXFR | rtype::IXFR)
}

/// Classes that zones of ours speak for: IN, and ANY as a question's class.
pub fn is_internet(qclass: u16) -> bool {
    qclass == class::IN || qclass == class::ANY
}
