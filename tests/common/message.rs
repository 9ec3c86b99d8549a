//! DNS messages for tests: a builder that can lie, and a strict reader. Written apart from the server's
//! own code, so that a mistake there isn't made here too.

pub const A: u16 = 1;
pub const NS: u16 = 2;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const PTR: u16 = 12;
pub const MX: u16 = 15;
pub const TXT: u16 = 16;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;
pub const OPT: u16 = 41;
pub const APL: u16 = 42;
pub const RRSIG: u16 = 46;
pub const IN: u16 = 1;

pub const QR: u16 = 0x8000;
pub const AA: u16 = 0x0400;
pub const TC: u16 = 0x0200;
pub const RD: u16 = 0x0100;
pub const RA: u16 = 0x0080;
pub const Z: u16 = 0x0040;
pub const AD: u16 = 0x0020;
pub const CD: u16 = 0x0010;

pub const NOERROR: u16 = 0;
pub const FORMERR: u16 = 1;
pub const SERVFAIL: u16 = 2;
pub const NXDOMAIN: u16 = 3;
pub const NOTIMP: u16 = 4;
pub const REFUSED: u16 = 5;
pub const BADVERS: u16 = 16;

/// EDNS option codes.
pub const NSID: u16 = 3;
pub const CLIENT_SUBNET: u16 = 8;
pub const COOKIE: u16 = 10;
pub const KEEPALIVE: u16 = 11;
pub const PADDING: u16 = 12;
pub const EDE: u16 = 15;

/// A name in wire form from text with `\DDD` and `\.` escapes.
pub fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut label = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => close_label(&mut wire, &mut label),
            b'\\' => {
                let first = bytes.next().expect("a character after the backslash");
                if first.is_ascii_digit() {
                    let digits = [first, bytes.next().unwrap(), bytes.next().unwrap()];
                    label.push(std::str::from_utf8(&digits).unwrap().parse().unwrap());
                } else {
                    label.push(first);
                }
            }
            other => label.push(other),
        }
    }
    close_label(&mut wire, &mut label);
    wire.push(0);
    wire
}

fn close_label(wire: &mut Vec<u8>, label: &mut Vec<u8>) {
    if !label.is_empty() {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.append(label);
    }
}

/// A compression pointer.
pub fn pointer(to: u16) -> Vec<u8> {
    (0xC000 | to).to_be_bytes().to_vec()
}

/// The pointer to the question's name, which stands right behind the header.
pub fn to_question() -> Vec<u8> {
    pointer(12)
}

pub fn record(owner: &[u8], rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let mut bytes = owner.to_vec();
    bytes.extend(rtype.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(rdata.len()).unwrap().to_be_bytes());
    bytes.extend(rdata);
    bytes
}

/// An address record for the name that was asked.
pub fn address(ttl: u32, ip: [u8; 4]) -> Vec<u8> {
    record(&to_question(), A, IN, ttl, &ip)
}

pub fn soa_rdata(minimum: u32) -> Vec<u8> {
    let mut rdata = name("ns.example");
    rdata.extend(name("hostmaster.example"));
    for number in [1u32, 3600, 600, 86400, minimum] {
        rdata.extend(number.to_be_bytes());
    }
    rdata
}

/// RDATA of TXT: one character-string.
pub fn text(content: &str) -> Vec<u8> {
    let mut rdata = vec![u8::try_from(content.len()).unwrap()];
    rdata.extend(content.bytes());
    rdata
}

pub fn option(code: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = code.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

/// An Extended DNS Error option (RFC 8914 section 2).
pub fn ede(code: u16, text: &str) -> Vec<u8> {
    let mut data = code.to_be_bytes().to_vec();
    data.extend(text.bytes());
    option(EDE, &data)
}

/// An OPT record with everything said out (RFC 6891 section 6.1).
pub fn opt(size: u16, extended_rcode: u8, version: u8, flags: u16, options: &[u8]) -> Vec<u8> {
    let ttl = u32::from(extended_rcode) << 24 | u32::from(version) << 16 | u32::from(flags);
    record(&[0], OPT, size, ttl, options)
}

pub const DO: u16 = 0x8000;

/// A message under construction; the counts follow the sections unless `counts` says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub id: u16,
    pub flags: u16,
    pub sections: [Vec<Vec<u8>>; 4],
    pub counts: [Option<u16>; 4],
    pub tail: Vec<u8>,
}

impl Message {
    /// A query with RD set and an unpredictable ID.
    pub fn query(qname: &str, qtype: u16) -> Message {
        Message::query_wire(&name(qname), qtype, IN)
    }

    pub fn query_wire(qname: &[u8], qtype: u16, class: u16) -> Message {
        let mut question = qname.to_vec();
        question.extend(qtype.to_be_bytes());
        question.extend(class.to_be_bytes());
        Message { id: next_id(), flags: RD, ..Message::default() }.question(&question)
    }

    /// The frame of a reply to `query`: its ID, question, opcode, RD and CD.
    pub fn reply(query: &[u8]) -> Message {
        let asked =
            Parsed::of(query).unwrap_or_else(|fault| panic!("an unsound question: {fault}: {}", hex(query)));
        let reply =
            Message { id: asked.id, flags: QR | RA | asked.flags & (0x7800 | RD | CD), ..Message::default() };
        match asked.question_bytes(query) {
            Some(question) => reply.question(question),
            None => reply,
        }
    }

    pub fn id(mut self, id: u16) -> Message {
        self.id = id;
        self
    }
    pub fn set(mut self, flags: u16) -> Message {
        self.flags |= flags;
        self
    }
    pub fn clear(mut self, flags: u16) -> Message {
        self.flags &= !flags;
        self
    }
    pub fn rcode(mut self, rcode: u16) -> Message {
        self.flags = self.flags & !15 | rcode & 15;
        self
    }
    pub fn opcode(mut self, opcode: u16) -> Message {
        self.flags = self.flags & !0x7800 | opcode << 11;
        self
    }
    pub fn question(mut self, bytes: &[u8]) -> Message {
        self.sections[0].push(bytes.to_vec());
        self
    }
    pub fn answer(mut self, bytes: Vec<u8>) -> Message {
        self.sections[1].push(bytes);
        self
    }
    pub fn authority(mut self, bytes: Vec<u8>) -> Message {
        self.sections[2].push(bytes);
        self
    }
    pub fn additional(mut self, bytes: Vec<u8>) -> Message {
        self.sections[3].push(bytes);
        self
    }
    /// An OPT as a plain client sends it.
    pub fn edns(self, size: u16) -> Message {
        self.additional(opt(size, 0, 0, 0, &[]))
    }
    pub fn edns_do(self, size: u16) -> Message {
        self.additional(opt(size, 0, 0, DO, &[]))
    }
    /// Says `count` in the header's field for a section, whatever that section holds.
    pub fn count(mut self, section: usize, count: u16) -> Message {
        self.counts[section] = Some(count);
        self
    }
    /// Bytes behind the end of the message.
    pub fn tail(mut self, bytes: &[u8]) -> Message {
        self.tail = bytes.to_vec();
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.id.to_be_bytes().to_vec();
        bytes.extend(self.flags.to_be_bytes());
        for (section, count) in self.sections.iter().zip(self.counts) {
            bytes.extend(count.unwrap_or(u16::try_from(section.len()).unwrap()).to_be_bytes());
        }
        bytes.extend(self.sections.iter().flatten().flatten());
        bytes.extend(&self.tail);
        bytes
    }
}

/// IDs differ within a run; chance has no part in it, so that a failure repeats.
pub fn next_id() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(40503)
}

#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Decompressed, spelling kept.
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub class: u16,
    pub ttl: u32,
    pub rdata: Vec<u8>,
    /// Where the record begins, where its TTL stands, and where it ends.
    pub start: usize,
    pub ttl_at: usize,
    pub end: usize,
}

/// A message read to its last byte. Anything unsound is an error.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub id: u16,
    pub flags: u16,
    pub questions: Vec<(Vec<u8>, u16, u16)>,
    questions_end: usize,
    pub answer: Vec<Record>,
    pub authority: Vec<Record>,
    /// Without OPT.
    pub additional: Vec<Record>,
    pub opt: Option<Record>,
}

impl Parsed {
    pub fn of(bytes: &[u8]) -> Result<Parsed, String> {
        if bytes.len() < 12 {
            return Err(format!("{} bytes are no header", bytes.len()));
        }
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let mut at = 12;
        let mut questions = Vec::new();
        for _ in 0..word(4) {
            let qname = read_name(bytes, &mut at)?;
            let fixed = bytes.get(at..at + 4).ok_or("the question is cut off")?;
            questions.push((
                qname,
                u16::from_be_bytes([fixed[0], fixed[1]]),
                u16::from_be_bytes([fixed[2], fixed[3]]),
            ));
            at += 4;
        }
        let questions_end = at;
        let answer = read_records(bytes, &mut at, word(6))?;
        let authority = read_records(bytes, &mut at, word(8))?;
        let additional = read_records(bytes, &mut at, word(10))?;
        if at != bytes.len() {
            return Err(format!("{} bytes behind the message's end", bytes.len() - at));
        }
        let (mut opts, additional): (Vec<_>, Vec<_>) = additional.into_iter().partition(|r| r.rtype == OPT);
        if opts.len() > 1 || answer.iter().chain(&authority).any(|r| r.rtype == OPT) {
            return Err("more than one OPT, or one where it doesn't belong".into());
        }
        if opts.first().is_some_and(|opt| opt.owner != [0]) {
            return Err("an OPT that isn't owned by the root".into());
        }
        let (id, flags) = (word(0), word(2));
        Ok(Parsed { id, flags, questions, questions_end, answer, authority, additional, opt: opts.pop() })
    }

    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    pub fn opcode(&self) -> u16 {
        self.flags >> 11 & 15
    }

    /// The response code, extended by the OPT when there is one.
    pub fn rcode(&self) -> u16 {
        let high = self.opt.as_ref().map_or(0, |opt| (opt.ttl >> 24) as u16);
        high << 4 | self.flags & 15
    }

    pub fn edns_version(&self) -> Option<u8> {
        self.opt.as_ref().map(|opt| (opt.ttl >> 16) as u8)
    }

    pub fn edns_flags(&self) -> Option<u16> {
        self.opt.as_ref().map(|opt| opt.ttl as u16)
    }

    pub fn edns_size(&self) -> Option<u16> {
        self.opt.as_ref().map(|opt| opt.class)
    }

    pub fn options(&self) -> Vec<(u16, Vec<u8>)> {
        let mut options = Vec::new();
        let mut rest = self.opt.as_ref().map_or(&[][..], |opt| &opt.rdata);
        while !rest.is_empty() {
            assert!(rest.len() >= 4, "an EDNS option is cut off: {rest:?}");
            let code = u16::from_be_bytes([rest[0], rest[1]]);
            let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            assert!(rest.len() >= 4 + len, "an EDNS option runs over the OPT's end: {rest:?}");
            options.push((code, rest[4..4 + len].to_vec()));
            rest = &rest[4 + len..];
        }
        options
    }

    pub fn option(&self, code: u16) -> Option<Vec<u8>> {
        self.options().into_iter().find(|(found, _)| *found == code).map(|(_, data)| data)
    }

    /// The Extended DNS Errors: code and text.
    pub fn errors(&self) -> Vec<(u16, String)> {
        let errors = self.options().into_iter().filter(|(code, _)| *code == EDE);
        errors
            .map(|(_, data)| {
                assert!(data.len() >= 2, "an EDE without a code");
                (u16::from_be_bytes([data[0], data[1]]), String::from_utf8_lossy(&data[2..]).into_owned())
            })
            .collect()
    }

    pub fn error_codes(&self) -> Vec<u16> {
        self.errors().into_iter().map(|(code, _)| code).collect()
    }

    /// The addresses in the answer section.
    pub fn addresses(&self) -> Vec<String> {
        let records = self.answer.iter().filter(|record| record.rtype == A);
        records
            .map(|record| match record.rdata[..] {
                [a, b, c, d] => format!("{a}.{b}.{c}.{d}"),
                ref other => panic!("an A record of {} octets", other.len()),
            })
            .collect()
    }

    /// The question's bytes in the message they were read from.
    pub fn question_bytes<'a>(&self, message: &'a [u8]) -> Option<&'a [u8]> {
        (!self.questions.is_empty()).then(|| &message[12..self.questions_end])
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.answer.iter().chain(&self.authority).chain(&self.additional)
    }
}

fn read_records(bytes: &[u8], at: &mut usize, count: u16) -> Result<Vec<Record>, String> {
    (0..count).map(|_| read_record(bytes, at)).collect()
}

fn read_record(bytes: &[u8], at: &mut usize) -> Result<Record, String> {
    let start = *at;
    let owner = read_name(bytes, at)?;
    let fixed = bytes.get(*at..*at + 10).ok_or("a record is cut off")?;
    let word = |i: usize| u16::from_be_bytes([fixed[i], fixed[i + 1]]);
    let len = usize::from(word(8));
    let ttl_at = *at + 4;
    let rdata = bytes.get(*at + 10..*at + 10 + len).ok_or("RDATA is cut off")?.to_vec();
    *at += 10 + len;
    let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    Ok(Record { owner, rtype: word(0), class: word(2), ttl, rdata, start, ttl_at, end: *at })
}

/// Reads a name, following pointers that lead backwards only, as RFC 1035 section 4.1.4 means them.
pub fn read_name(bytes: &[u8], at: &mut usize) -> Result<Vec<u8>, String> {
    let mut wire = Vec::new();
    let mut place = *at;
    let mut bound = *at;
    let mut jumped = false;
    loop {
        let length = *bytes.get(place).ok_or("a name runs over the message's end")?;
        match length {
            0 => {
                wire.push(0);
                if !jumped {
                    *at = place + 1;
                }
                return if wire.len() <= 255 {
                    Ok(wire)
                } else {
                    Err("a name of more than 255 octets".into())
                };
            }
            1..=63 => {
                let end = place + 1 + usize::from(length);
                wire.extend(bytes.get(place..end).ok_or("a label runs over the message's end")?);
                place = end;
            }
            0xC0.. => {
                let low = *bytes.get(place + 1).ok_or("a pointer is cut off")?;
                let to = usize::from(length & 0x3F) << 8 | usize::from(low);
                if !jumped {
                    *at = place + 2;
                }
                if to >= bound {
                    return Err(format!("a pointer to {to}, which is not before {bound}"));
                }
                jumped = true;
                bound = to;
                place = to;
            }
            _ => return Err(format!("a label of type {length:#x}")),
        }
    }
}

/// The message without its OPT, with ID and TTLs zeroed: what must not change on the way from a target
/// to a client.
pub fn essence(bytes: &[u8]) -> Vec<u8> {
    let parsed = Parsed::of(bytes).unwrap_or_else(|fault| panic!("{fault}: {}", hex(bytes)));
    let mut essence = bytes.to_vec();
    essence[..2].fill(0);
    for record in parsed.records() {
        essence[record.ttl_at..record.ttl_at + 4].fill(0);
    }
    if let Some(opt) = &parsed.opt {
        essence.drain(opt.start..opt.end);
        essence[11] -= 1;
    }
    essence
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
