//! Records of a message one by one, names uncompressed and owners in lower case: for messages that are taken in
//! whole, as transfers and updates are. Each octet is checked on the way; pointers only lead back.

use super::header::{HEADER, u16_at, u32_at};
use super::name::{self, MAX_LABEL, MAX_NAME};
use super::rdata::{Field, class, field_len, is_sound, layout};
use super::reply::sane_ttl;

/// The message ends within a record, or a record is not what its type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A record of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rr<'r> {
    /// 1 for answers (in an update: prerequisites), 2 for authority (updates), 3 for additional.
    pub section: usize,
    /// Where it begins in the message.
    pub at: usize,
    pub owner: &'r [u8],
    pub rtype: u16,
    pub rclass: u16,
    pub ttl: u32,
    /// Names uncompressed; empty where an update means all records of a type.
    pub rdata: &'r [u8],
}

/// Goes through a message. What it gives lives until the next step.
pub struct Reader<'m> {
    message: &'m [u8],
    at: usize,
    section: usize,
    left: u16,
    owner: Vec<u8>,
    rdata: Vec<u8>,
}

/// A message's question, if it has exactly one: the name in lower case, type, class.
pub fn question(message: &[u8]) -> Option<(Vec<u8>, u16, u16)> {
    if message.len() < HEADER || u16_at(message, 4) != 1 {
        return None;
    }
    let len = name::wire_len(&message[HEADER..])?;
    let fixed = message.get(HEADER + len..HEADER + len + 4)?;
    let mut owner = message[HEADER..HEADER + len].to_vec();
    name::fold_in_place(&mut owner);
    Some((owner, u16_at(fixed, 0), u16_at(fixed, 2)))
}

impl<'m> Reader<'m> {
    /// Behind the message's questions, of which there is one or, in later messages of a transfer, none.
    pub fn new(message: &'m [u8]) -> Result<Reader<'m>, Malformed> {
        if message.len() < HEADER {
            return Err(Malformed);
        }
        let mut at = HEADER;
        match u16_at(message, 4) {
            0 => {}
            1 => {
                at += name::wire_len(&message[HEADER..]).ok_or(Malformed)? + 4;
                if at > message.len() {
                    return Err(Malformed);
                }
            }
            _ => return Err(Malformed),
        }
        let left = u16_at(message, 6);
        Ok(Reader { message, at, section: 1, left, owner: Vec::new(), rdata: Vec::new() })
    }

    /// The next record, until the last one is given.
    pub fn step(&mut self) -> Result<Option<Rr<'_>>, Malformed> {
        while self.left == 0 {
            if self.section == 3 {
                return Ok(None);
            }
            self.section += 1;
            self.left = u16_at(self.message, 4 + 2 * self.section);
        }
        self.left -= 1;
        let start = self.at;
        self.owner.clear();
        let fixed = read_name(self.message, start, &mut self.owner).ok_or(Malformed)?;
        name::fold_in_place(&mut self.owner);
        let numbers = self.message.get(fixed..fixed + 10).ok_or(Malformed)?;
        let (rtype, rclass) = (u16_at(numbers, 0), u16_at(numbers, 2));
        let end = fixed + 10 + usize::from(u16_at(numbers, 8));
        if end > self.message.len() {
            return Err(Malformed);
        }
        self.rdata.clear();
        read_rdata(&self.message[..end], fixed + 10, rtype, &mut self.rdata).ok_or(Malformed)?;
        self.at = end;
        Ok(Some(Rr {
            section: self.section,
            at: start,
            owner: &self.owner,
            rtype,
            rclass,
            ttl: sane_ttl(u32_at(numbers, 4)),
            rdata: &self.rdata,
        }))
    }

    /// Where the message's last record ended, once all are read.
    pub fn position(&self) -> usize {
        self.at
    }
}

/// Appends the uncompressed data; `message` ends where the data does.
fn read_rdata(message: &[u8], mut at: usize, rtype: u16, out: &mut Vec<u8>) -> Option<()> {
    if at == message.len() {
        return Some(());
    }
    for field in layout(rtype, class::IN) {
        match field {
            Field::Name | Field::PlainName => at = read_name(message, at, out)?,
            _ => {
                let len = field_len(*field, &message[at..])?;
                out.extend_from_slice(&message[at..at + len]);
                at += len;
            }
        }
    }
    // A name at the end may be longer uncompressed, and the whole still has to fit a record.
    let sound = at == message.len() && out.len() <= usize::from(u16::MAX) && is_sound(rtype, class::IN, out);
    sound.then_some(())
}

/// Appends the name at `at`, uncompressed; gives where what follows it begins.
pub fn read_name(message: &[u8], mut at: usize, out: &mut Vec<u8>) -> Option<usize> {
    let start = out.len();
    let mut end = None;
    let mut lowest = at;
    loop {
        let len = *message.get(at)?;
        match usize::from(len) {
            label @ 0..=MAX_LABEL => {
                out.extend_from_slice(message.get(at..=at + label)?);
                if out.len() - start > MAX_NAME {
                    return None;
                }
                at += 1 + label;
                if label == 0 {
                    return Some(end.unwrap_or(at));
                }
            }
            0xc0.. => {
                let target = usize::from(len & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                end = end.or(Some(at + 2));
                // Each pointer leads before all that was read of the name, so that there is an end.
                if target >= lowest {
                    return None;
                }
                lowest = target;
                at = target;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::parse_wire;
    use super::super::rdata::rtype;
    use super::super::write::{Section, Writer};
    use super::*;

    fn wire(text: &str) -> Vec<u8> {
        parse_wire(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_the_writer_compressed_is_read_back() {
        let mut buf = [0; 512];
        let mut writer = Writer::new(&mut buf, 512);
        writer.question(&wire("Example.com"), rtype::AXFR, class::IN).unwrap();
        let mut mx = vec![0, 10];
        mx.extend(wire("Mail.example.com"));
        writer.record(Section::Answer, &wire("example.com"), rtype::MX, class::IN, 60, &mx).unwrap();
        writer.record(Section::Authority, &wire("mail.example.com"), rtype::A, class::ANY, 0, &[]).unwrap();
        let len = writer.finish();
        let mut reader = Reader::new(&buf[..len]).unwrap();
        let first = reader.step().unwrap().unwrap();
        assert_eq!((first.section, first.owner), (1, &wire("example.com")[..]));
        assert!(first.rdata.eq_ignore_ascii_case(&mx), "it points at the question, and takes its spelling");
        let second = reader.step().unwrap().unwrap();
        assert_eq!((second.section, second.owner, second.rdata), (2, &wire("mail.example.com")[..], &[][..]));
        assert!(reader.step().unwrap().is_none());
        assert_eq!(reader.position(), len);
        assert_eq!(question(&buf[..len]).unwrap(), (wire("example.com"), rtype::AXFR, class::IN));
        for cut in HEADER..len {
            let mut reader = match Reader::new(&buf[..cut]) {
                Ok(reader) => reader,
                Err(Malformed) => continue,
            };
            let all = std::iter::from_fn(|| reader.step().map(|rr| rr.map(|_| ())).transpose());
            assert!(all.take(9).any(|step| step.is_err()), "cut at {cut}");
        }
    }

    #[test]
    fn pointers_that_lead_nowhere_are_refused() {
        for name in [&b"\xc0\x00"[..], b"\x01a\xc0\x00", b"\xc0\x05", b"\x80a", b"\x3fa", b""] {
            assert_eq!(read_name(name, 0, &mut Vec::new()), None, "{name:?}");
        }
        assert_eq!(read_name(b"\x01a\0\x01b\xc0\x00", 3, &mut Vec::new()), Some(7));
    }
}
