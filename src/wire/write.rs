//! Writes messages into a caller's buffer: header, question, records with compressed names, OPT.
//! Never allocates; what does not fit is refused whole and leaves no trace.

use super::header::HEADER;
use super::name;
use super::rdata::{self, Field};

/// Places remembered for compression: enough for the messages of one UDP reply; later names are then
/// written out, which is legal.
const MAX_TARGETS: usize = 64;
/// A pointer has 14 bits (RFC 1035 section 4.1.4).
const MAX_POINTER: usize = 0x3fff;

/// The three record sections, in the order that a message has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Answer = 1,
    Authority = 2,
    Additional = 3,
}

/// What the writer was asked to add does not fit in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A state of the writer to come back to.
#[derive(Clone, Copy)]
pub struct Mark {
    len: usize,
    targets: usize,
    counts: [u16; 4],
}

pub struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
    limit: usize,
    counts: [u16; 4],
    /// Where names begin that later ones can point to; each once per label.
    targets: [u16; MAX_TARGETS],
    target_count: usize,
}

impl<'a> Writer<'a> {
    /// Starts a message of at most `limit` octets with an all-zero header.
    ///
    /// `buf` must hold `limit` and the header; a larger limit is cut to the buffer.
    pub fn new(buf: &'a mut [u8], limit: usize) -> Writer<'a> {
        let limit = limit.min(buf.len());
        assert!(limit >= HEADER, "a message's buffer holds at least its header");
        buf[..HEADER].fill(0);
        Writer { buf, len: HEADER, limit, counts: [0; 4], targets: [0; MAX_TARGETS], target_count: 0 }
    }

    pub fn set_id(&mut self, id: u16) {
        self.buf[..2].copy_from_slice(&id.to_be_bytes());
    }

    /// The header's second pair of octets: QR, opcode, AA, TC, RD, RA, Z, AD, CD, RCODE.
    pub fn set_flags(&mut self, flags: u16) {
        self.buf[2..4].copy_from_slice(&flags.to_be_bytes());
    }

    pub fn flags(&self) -> u16 {
        u16::from_be_bytes([self.buf[2], self.buf[3]])
    }

    /// Adds a question; `qname` is uncompressed wire form in the client's own spelling.
    pub fn question(&mut self, qname: &[u8], qtype: u16, qclass: u16) -> Result<(), Full> {
        let mark = self.mark();
        let written = self.name(qname, true).and_then(|()| self.u16(qtype)).and_then(|()| self.u16(qclass));
        self.settle(written, mark, 0)
    }

    /// Adds a record. `owner` and the names in `rdata` are uncompressed; well-known ones get compressed
    /// (RFC 3597 section 4). On `Full` the message is as before the call.
    pub fn record(
        &mut self,
        section: Section,
        owner: &[u8],
        rtype: u16,
        rclass: u16,
        ttl: u32,
        rdata: &[u8],
    ) -> Result<(), Full> {
        let mark = self.mark();
        let written = self.record_parts(owner, rtype, rclass, ttl, rdata);
        self.settle(written, mark, section as usize)
    }

    fn record_parts(
        &mut self,
        owner: &[u8],
        rtype: u16,
        rclass: u16,
        ttl: u32,
        rdata: &[u8],
    ) -> Result<(), Full> {
        self.name(owner, true)?;
        self.u16(rtype)?;
        self.u16(rclass)?;
        self.bytes(&ttl.to_be_bytes())?;
        let length_at = self.len;
        self.u16(0)?;
        self.rdata(rtype, rclass, rdata)?;
        let length = u16::try_from(self.len - length_at - 2).map_err(|_| Full)?;
        self.buf[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn rdata(&mut self, rtype: u16, rclass: u16, rdata: &[u8]) -> Result<(), Full> {
        let mut rest = rdata;
        for field in rdata::layout(rtype, rclass) {
            let Some(len) = rdata::field_len(*field, rest) else { break };
            match field {
                Field::Name => self.name(&rest[..len], true)?,
                Field::PlainName => self.name(&rest[..len], false)?,
                _ => self.bytes(&rest[..len])?,
            }
            rest = &rest[len..];
        }
        // What does not have its type's form goes on as it is.
        self.bytes(rest)
    }

    /// Adds an OPT record (RFC 6891 section 6.1.2); `options` are already in wire form.
    pub fn opt(&mut self, udp_size: u16, ttl: u32, options: &[u8]) -> Result<(), Full> {
        self.record(Section::Additional, &[0], rdata::rtype::OPT, udp_size, ttl, options)
    }

    /// Octets written so far.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == HEADER
    }

    pub fn count(&self, section: Section) -> u16 {
        self.counts[section as usize]
    }

    /// Lowers or raises the room for what follows, never above the buffer: room for an OPT is kept so.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(self.buf.len());
    }

    pub fn mark(&self) -> Mark {
        Mark { len: self.len, targets: self.target_count, counts: self.counts }
    }

    /// Forgets all that was written since `mark`.
    pub fn roll_back(&mut self, mark: Mark) {
        self.len = mark.len;
        self.target_count = mark.targets;
        self.counts = mark.counts;
    }

    /// Writes the counts and gives the message's length.
    pub fn finish(self) -> usize {
        self.finish_in_place().len()
    }

    /// As `finish`, and gives the message itself.
    pub fn finish_in_place(self) -> &'a [u8] {
        for (index, count) in self.counts.iter().enumerate() {
            self.buf[4 + 2 * index..6 + 2 * index].copy_from_slice(&count.to_be_bytes());
        }
        &self.buf[..self.len]
    }

    fn settle(&mut self, written: Result<(), Full>, mark: Mark, count: usize) -> Result<(), Full> {
        let counted = written.and_then(|()| self.counts[count].checked_add(1).ok_or(Full));
        match counted {
            Ok(value) => {
                self.counts[count] = value;
                Ok(())
            }
            Err(Full) => {
                self.roll_back(mark);
                Err(Full)
            }
        }
    }

    fn u16(&mut self, value: u16) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.len + bytes.len();
        if end > self.limit {
            return Err(Full);
        }
        self.buf[self.len..end].copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Writes an uncompressed name, its longest known suffix as a pointer where `compress` says so.
    fn name(&mut self, wire: &[u8], compress: bool) -> Result<(), Full> {
        for suffix in name::suffixes(wire) {
            if suffix.len() <= 1 {
                break;
            }
            if compress && let Some(target) = self.find(suffix) {
                return self.u16(0xc000 | target);
            }
            self.remember();
            self.bytes(&suffix[..1 + usize::from(suffix[0])])?;
        }
        self.bytes(&[0])
    }

    fn remember(&mut self) {
        if self.target_count < MAX_TARGETS && self.len <= MAX_POINTER {
            self.targets[self.target_count] = self.len as u16;
            self.target_count += 1;
        }
    }

    fn find(&self, suffix: &[u8]) -> Option<u16> {
        self.targets[..self.target_count].iter().copied().find(|&target| self.equals(target, suffix))
    }

    /// Compares without case: the question keeps the client's spelling, and names that equal it may point there.
    fn equals(&self, target: u16, mut suffix: &[u8]) -> bool {
        let mut at = usize::from(target);
        loop {
            // A name being written right now may have been remembered before its octets were there.
            let Some(&len) = self.buf[..self.len].get(at) else { return false };
            if len >= 0xc0 {
                let Some(&low) = self.buf[..self.len].get(at + 1) else { return false };
                at = usize::from(len & 0x3f) << 8 | usize::from(low);
                continue;
            }
            if len != suffix[0] {
                return false;
            }
            if len == 0 {
                return true;
            }
            let end = 1 + usize::from(len);
            let Some(label) = self.buf[..self.len].get(at..at + end) else { return false };
            if !label.eq_ignore_ascii_case(&suffix[..end]) {
                return false;
            }
            at += end;
            suffix = &suffix[end..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::parse_wire;
    use super::super::rdata::{class, rtype};
    use super::*;

    fn wire(text: &str) -> Vec<u8> {
        parse_wire(text.as_bytes()).unwrap()
    }

    #[test]
    fn names_are_compressed_and_the_question_keeps_its_spelling() {
        let mut buf = [0; 512];
        let mut writer = Writer::new(&mut buf, 512);
        writer.question(&wire("WwW.example.com"), rtype::MX, class::IN).unwrap();
        let mut mx = vec![0, 10];
        mx.extend(wire("mail.example.com"));
        writer.record(Section::Answer, &wire("www.example.com"), rtype::MX, class::IN, 60, &mx).unwrap();
        let len = writer.finish();
        let answer = &buf[12 + 17 + 4..len];
        assert_eq!(answer[..2], [0xc0, 12], "the owner points at the question");
        assert_eq!(
            answer[12..],
            [0, 10, 4, b'm', b'a', b'i', b'l', 0xc0, 16],
            "the exchange shares example.com"
        );
        assert_eq!(&buf[12..16], b"\x03WwW");
        assert_eq!(buf[4..12], [0, 1, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let mut buf = [0; 60];
        let mut writer = Writer::new(&mut buf, 60);
        writer.question(&wire("a.b"), rtype::TXT, class::IN).unwrap();
        let before = writer.len();
        assert_eq!(
            writer.record(Section::Answer, &wire("x.y"), rtype::TXT, class::IN, 1, &[40; 41]),
            Err(Full)
        );
        assert_eq!((writer.len(), writer.count(Section::Answer)), (before, 0));
        writer.record(Section::Answer, &wire("x.y"), rtype::A, class::IN, 1, &[1, 2, 3, 4]).unwrap();
        assert_eq!(writer.count(Section::Answer), 1);
    }

    #[test]
    fn srv_targets_are_not_compressed() {
        let mut buf = [0; 512];
        let mut writer = Writer::new(&mut buf, 512);
        writer.question(&wire("s.example"), rtype::SRV, class::IN).unwrap();
        let mut srv = vec![0; 6];
        srv.extend(wire("s.example"));
        writer.record(Section::Answer, &wire("s.example"), rtype::SRV, class::IN, 1, &srv).unwrap();
        let len = writer.finish();
        assert!(buf[..len].ends_with(&wire("s.example")));
    }
}
