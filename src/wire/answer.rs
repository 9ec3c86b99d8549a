//! A reply kept as bytes with the offsets of its TTLs, and its way out to a client: our ID and OPT, the
//! client's spelling of the question, aged TTLs, and nothing else changed.

use super::edns::{self, ErrorCode, ExtendedError};
use super::header::{HEADER, bit, rcode, u16_at, u32_at};
use super::name::MAX_NAME;
use super::query::{Early, Query};
use super::rdata::rtype;
use super::reply::{self, Reply, sane_ttl};

/// Octets in front of an answer's parts when it is packed.
const PREFIX: usize = 12;
/// Where a packed answer's question begins.
pub const QUESTION: usize = PREFIX + HEADER;

/// A packed answer: prefix, message without OPT, TTL offsets, options for the client's OPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(Box<[u8]>);

/// A view of a packed answer, wherever its bytes are.
#[derive(Clone, Copy)]
pub struct AnswerRef<'a> {
    /// Header, question with its name in lower case, records; no OPT.
    pub message: &'a [u8],
    ttls: &'a [u8],
    options: &'a [u8],
    additional_at: u16,
    /// Offset of the target name of a CNAME that ends the answer unresolved; 0 where there is none.
    cname_tail: u16,
    rcode_high: u8,
    packed: &'a [u8],
}

/// Bounds for the TTLs of what comes from targets, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlLimits {
    pub min: u32,
    pub max: u32,
    pub max_negative: u32,
}

impl Answer {
    /// Packs a scanned reply: the question in its folded form, TTLs within their bounds, the OPT taken out,
    /// of its options the Extended DNS Errors kept and, if `keep_subnet`, the client subnet.
    pub fn from_reply(
        message: &[u8],
        question: &[u8],
        reply: &Reply,
        limits: TtlLimits,
        keep_subnet: bool,
    ) -> Answer {
        let options = hop_options(&message[reply.options.0..reply.options.1], keep_subnet);
        let (opt_start, opt_end) = reply.opt.unwrap_or((reply.end, reply.end));
        let opt_len = opt_end - opt_start;
        let shift =
            |offset: u16| if usize::from(offset) >= opt_end { offset - opt_len as u16 } else { offset };
        let kept = reply.end - opt_len;
        let mut blob = Vec::with_capacity(PREFIX + kept + 2 * reply.ttls.len() + options.len());
        blob.extend_from_slice(&(kept as u16).to_be_bytes());
        blob.extend_from_slice(&(reply.ttls.len() as u16).to_be_bytes());
        blob.extend_from_slice(&(options.len() as u16).to_be_bytes());
        blob.extend_from_slice(&(reply.additional_at as u16).to_be_bytes());
        blob.extend_from_slice(&reply.cname_tail.unwrap_or(0).to_be_bytes());
        blob.extend_from_slice(&[(reply.rcode >> 4) as u8, 0]);
        blob.extend_from_slice(&message[..opt_start]);
        blob.extend_from_slice(&message[opt_end..reply.end]);
        let body = &mut blob[PREFIX..];
        body[HEADER..HEADER + question.len()].copy_from_slice(question);
        if reply.opt.is_some() {
            let additional = u16_at(body, 10).saturating_sub(1);
            body[10..12].copy_from_slice(&additional.to_be_bytes());
        }
        for &pointer in &reply.pointers_past_opt {
            let at = usize::from(shift(pointer));
            let target = u16_at(body, at) & 0x3fff;
            body[at..at + 2].copy_from_slice(&(0xc000 | shift(target)).to_be_bytes());
        }
        let ceiling = if reply.is_negative() { limits.max_negative.min(limits.max) } else { limits.max };
        let floor = if reply.is_negative() { 0 } else { limits.min };
        for &offset in &reply.ttls {
            let at = usize::from(shift(offset));
            let ttl = sane_ttl(u32_at(body, at)).max(floor).min(ceiling);
            body[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
        }
        for &offset in &reply.ttls {
            blob.extend_from_slice(&shift(offset).to_be_bytes());
        }
        blob.extend_from_slice(&options);
        Answer(blob.into_boxed_slice())
    }

    /// A SERVFAIL of our own, as it would have come from a target: to be kept for a moment (RFC 9520).
    pub fn failure(question: &[u8], bits: u16, why: &ExtendedError) -> Answer {
        let note = why.to_wire();
        let len = HEADER + question.len();
        let mut blob = Vec::with_capacity(PREFIX + len + note.len());
        for part in [len, 0, note.len(), len, 0, 0] {
            blob.extend_from_slice(&(part as u16).to_be_bytes());
        }
        let bits = own_flags(bits) | rcode::SERVFAIL;
        blob.extend_from_slice(&[0, 0]);
        blob.extend_from_slice(&bits.to_be_bytes());
        blob.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        blob.extend_from_slice(question);
        blob.extend_from_slice(&note);
        Answer(blob.into_boxed_slice())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn view(&self) -> AnswerRef<'_> {
        AnswerRef::from_bytes(&self.0)
    }
}

/// The options of a target's OPT that are not between neighbours: Extended DNS Errors (RFC 8914 section 2:
/// a forwarder passes them on), and the client subnet where we passed that on too (RFC 7871 section 7.2.1).
fn hop_options(rdata: &[u8], keep_subnet: bool) -> Vec<u8> {
    let mut kept = Vec::new();
    edns::visit_options(rdata, |code, data| {
        if code == edns::option::EXTENDED_ERROR || (keep_subnet && code == edns::option::CLIENT_SUBNET) {
            kept.extend_from_slice(&code.to_be_bytes());
            kept.extend_from_slice(&(data.len() as u16).to_be_bytes());
            kept.extend_from_slice(data);
        }
    });
    kept
}

/// How long a scanned reply may be kept, in seconds; 0 for not at all.
///
/// RFC 2308 section 5: negative answers without a SOA are not kept. Errors other than NXDOMAIN neither.
pub fn lifetime(reply: &Reply, limits: TtlLimits) -> u32 {
    if reply.is_truncated() || !matches!(reply.rcode, rcode::NOERROR | rcode::NXDOMAIN) {
        return 0;
    }
    let lowest = reply.lowest_ttl.unwrap_or(0);
    if !reply.is_negative() {
        return lowest.max(limits.min).min(limits.max);
    }
    let is_referral = reply.rcode == rcode::NOERROR && reply.answers == 0 && reply.negative_ttl.is_none();
    let bare_cname = reply.rcode == rcode::NOERROR && reply.cname_tail.is_some();
    match reply.negative_ttl {
        Some(ttl) => ttl.min(lowest).min(limits.max_negative).min(limits.max),
        // Neither says that anything is absent: their records' own TTLs count.
        None if is_referral || bare_cname => lowest.min(limits.max_negative).min(limits.max),
        None => 0,
    }
}

impl<'a> AnswerRef<'a> {
    /// Reads what `Answer::from_reply` packed; `bytes` may go on behind it.
    pub fn from_bytes(bytes: &'a [u8]) -> AnswerRef<'a> {
        let prefix: &[u8; PREFIX] = bytes.first_chunk().expect("a packed answer has its prefix");
        let part = |index: usize| usize::from(u16_at(prefix, 2 * index));
        let message_end = PREFIX + part(0);
        let ttls_end = message_end + 2 * part(1);
        AnswerRef {
            message: &bytes[PREFIX..message_end],
            ttls: &bytes[message_end..ttls_end],
            options: &bytes[ttls_end..ttls_end + part(2)],
            additional_at: u16_at(prefix, 6),
            cname_tail: u16_at(prefix, 8),
            rcode_high: prefix[10],
            packed: &bytes[..ttls_end + part(2)],
        }
    }

    /// Octets that it was packed into.
    pub fn packed_len(&self) -> usize {
        self.packed.len()
    }

    pub fn to_answer(&self) -> Answer {
        Answer(self.packed.into())
    }

    /// This answer past its time, for when nobody gives a newer one: its TTLs are `ttl` seconds (RFC 8767
    /// section 4: "a value of 30 seconds is RECOMMENDED"), and an Extended DNS Error says what it is.
    pub fn to_stale(&self, ttl: u32) -> Answer {
        let note = ExtendedError::new(ErrorCode::StaleAnswer, "no target answers; this was kept").to_wire();
        let mut packed = self.packed.to_vec();
        for offset in self.ttls.chunks_exact(2) {
            let at = PREFIX + usize::from(u16_at(offset, 0));
            packed[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
        }
        let options = (self.options.len() + note.len()) as u16;
        packed[4..6].copy_from_slice(&options.to_be_bytes());
        packed.extend_from_slice(&note);
        Answer(packed.into_boxed_slice())
    }

    /// The header's flags as stored.
    pub fn bits(&self) -> u16 {
        u16_at(self.message, 2)
    }

    /// Options that go on to a client with EDNS, in wire form.
    pub fn options(&self) -> &'a [u8] {
        self.options
    }

    /// All twelve bits.
    pub fn rcode(&self) -> u16 {
        u16::from(self.rcode_high) << 4 | (u16_at(self.message, 2) & bit::RCODE)
    }

    /// The end of the question: where the records begin.
    pub fn records_at(&self) -> usize {
        HEADER
            + super::name::wire_len(&self.message[HEADER..]).expect("a packed answer's question was scanned")
            + 4
    }

    /// The name at the end of an unresolved CNAME chain, in lower case.
    pub fn cname_target(&self, out: &mut [u8; MAX_NAME]) -> Option<usize> {
        if self.cname_tail == 0 {
            return None;
        }
        let len = reply::expand(self.message, usize::from(self.cname_tail), out);
        super::name::fold_in_place(&mut out[..len]);
        Some(len)
    }

    pub fn has_cname_tail(&self) -> bool {
        self.cname_tail != 0
    }

    /// Writes this answer for `query` into `out` and gives its length: at most `limit` octets, with TC and no
    /// records if it does not fit. `age` is in seconds.
    pub fn deliver(&self, query: &Query<'_>, age: u32, limit: usize, out: &mut [u8]) -> usize {
        let limit = limit.min(out.len());
        let opt_len = if query.edns.is_some() { edns::OPT_LEN } else { 0 };
        if query.edns.is_none() && self.rcode_high != 0 {
            // The low four bits alone would say something else (16 would read as NOERROR).
            return write_error(out, &Failure::of(query, rcode::SERVFAIL), None);
        }
        let (end, additional) = match self.fitting_end(limit - opt_len) {
            Some(end) => end,
            None => return self.deliver_truncated(query, out),
        };
        out[..end].copy_from_slice(&self.message[..end]);
        out[10..12].copy_from_slice(&additional.to_be_bytes());
        self.stamp(query, out);
        for offset in self.ttls.chunks_exact(2) {
            let at = usize::from(u16_at(offset, 0));
            if at >= end {
                break;
            }
            let ttl = u32_at(out, at).saturating_sub(age);
            out[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
        }
        self.append_opt(query, out, end, limit)
    }

    /// Where to cut so that the answer and `room` agree: all of it, or all but the additional section, which
    /// RFC 2181 section 9 lets us leave out without TC where there is an answer.
    fn fitting_end(&self, room: usize) -> Option<(usize, u16)> {
        if self.message.len() <= room {
            return Some((self.message.len(), u16_at(self.message, 10)));
        }
        let cut = usize::from(self.additional_at);
        (u16_at(self.message, 6) > 0 && cut <= room).then_some((cut, 0))
    }

    fn deliver_truncated(&self, query: &Query<'_>, out: &mut [u8]) -> usize {
        let end = HEADER + query.spelled().len();
        out[..HEADER].copy_from_slice(&self.message[..HEADER]);
        let bits = u16_at(out, 2) | bit::TC;
        out[2..4].copy_from_slice(&bits.to_be_bytes());
        out[6..12].fill(0);
        self.stamp(query, out);
        self.append_opt(query, out, end, out.len().min(edns::PLAIN_UDP_SIZE))
    }

    /// The client's ID and spelling. Z is ours to clear (RFC 1035 section 4.1.1: "must be zero").
    fn stamp(&self, query: &Query<'_>, out: &mut [u8]) {
        out[..2].copy_from_slice(&query.id.to_be_bytes());
        out[3] &= !(bit::Z as u8);
        out[HEADER..HEADER + query.spelled().len()].copy_from_slice(query.spelled());
    }

    fn append_opt(&self, query: &Query<'_>, out: &mut [u8], end: usize, limit: usize) -> usize {
        let Some(client) = query.edns else { return end };
        let room = limit.saturating_sub(end + edns::OPT_LEN);
        let options = if self.options.len() <= room { self.options } else { &[] };
        put_opt(out, end, self.rcode_high, client.dnssec_ok, options)
    }
}

/// Appends our OPT behind `end`, counts it, and gives the new end.
pub fn put_opt(out: &mut [u8], end: usize, rcode_high: u8, dnssec_ok: bool, options: &[u8]) -> usize {
    let additional = u16_at(out, 10) + 1;
    out[10..12].copy_from_slice(&additional.to_be_bytes());
    let flags = if dnssec_ok { edns::DO as u16 } else { 0 };
    let mut opt = [0; edns::OPT_LEN];
    opt[1..3].copy_from_slice(&rtype::OPT.to_be_bytes());
    opt[3..5].copy_from_slice(&edns::UDP_SIZE.to_be_bytes());
    opt[5] = rcode_high;
    opt[7..9].copy_from_slice(&flags.to_be_bytes());
    opt[9..11].copy_from_slice(&(options.len() as u16).to_be_bytes());
    out[end..end + edns::OPT_LEN].copy_from_slice(&opt);
    let opt_end = end + edns::OPT_LEN;
    out[opt_end..opt_end + options.len()].copy_from_slice(options);
    opt_end + options.len()
}

/// What an error reply is made from.
pub struct Failure<'a> {
    pub id: u16,
    pub bits: u16,
    pub rcode: u16,
    pub question: &'a [u8],
    /// DO of a client with EDNS.
    pub edns: Option<bool>,
}

impl<'a> Failure<'a> {
    pub fn of(query: &Query<'a>, rcode: u16) -> Failure<'a> {
        Failure {
            id: query.id,
            bits: query.bits,
            rcode,
            question: query.spelled(),
            edns: query.edns.map(|edns| edns.dnssec_ok),
        }
    }

    pub fn early(early: &Early<'a>) -> Failure<'a> {
        Failure {
            id: early.id,
            bits: early.bits,
            rcode: early.rcode,
            question: early.question,
            edns: early.edns.map(|edns| edns.dnssec_ok),
        }
    }
}

/// The flags of a reply of our own making: the opcode, RD and CD as asked (RFC 1035 section 4.1.1, RFC 4035
/// section 3.2.2), RA because we forward; AA, TC, Z and AD clear.
pub fn own_flags(query_bits: u16) -> u16 {
    bit::QR | bit::RA | (query_bits & (bit::OPCODE | bit::RD | bit::CD))
}

/// Writes an error reply into `out` (at least 512 octets) and gives its length. The explanation goes to
/// clients with EDNS only.
pub fn write_error(out: &mut [u8], failure: &Failure<'_>, explanation: Option<&ExtendedError>) -> usize {
    out[..2].copy_from_slice(&failure.id.to_be_bytes());
    let bits = own_flags(failure.bits) | (failure.rcode & bit::RCODE);
    out[2..4].copy_from_slice(&bits.to_be_bytes());
    out[4..6].copy_from_slice(&u16::from(!failure.question.is_empty()).to_be_bytes());
    out[6..12].fill(0);
    let end = HEADER + failure.question.len();
    out[HEADER..end].copy_from_slice(failure.question);
    let Some(dnssec_ok) = failure.edns else { return end };
    let options = explanation.map(ExtendedError::to_wire).unwrap_or_default();
    put_opt(out, end, (failure.rcode >> 4) as u8, dnssec_ok, &options)
}

/// Writes the question that goes to a target: ID zero, the name in lower case so that one reply serves every
/// spelling, the client's RD, AD and CD, an OPT of ours. Without EDNS where the target can't stand it.
pub fn write_question(out: &mut Vec<u8>, ask: &Ask<'_>) {
    out.clear();
    let bits = ask.bits & (bit::RD | bit::AD | bit::CD);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&bits.to_be_bytes());
    out.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(ask.edns)]);
    out.extend_from_slice(ask.question);
    if !ask.edns {
        return;
    }
    let flags = if ask.dnssec_ok { edns::DO as u16 } else { 0 };
    out.push(0);
    out.extend_from_slice(&rtype::OPT.to_be_bytes());
    out.extend_from_slice(&edns::UDP_SIZE.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&flags.to_be_bytes());
    let options_len = if ask.client_subnet.is_empty() { 0 } else { 4 + ask.client_subnet.len() };
    out.extend_from_slice(&(options_len as u16).to_be_bytes());
    if options_len > 0 {
        out.extend_from_slice(&edns::option::CLIENT_SUBNET.to_be_bytes());
        out.extend_from_slice(&(ask.client_subnet.len() as u16).to_be_bytes());
        out.extend_from_slice(ask.client_subnet);
    }
}

/// What a target is asked.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Name in lower case, type, class.
    pub question: &'a [u8],
    /// Of the client's flags, those that a target has to know: RD, AD, CD.
    pub bits: u16,
    pub dnssec_ok: bool,
    /// The data of a client subnet option, empty for none.
    pub client_subnet: &'a [u8],
    pub edns: bool,
}
