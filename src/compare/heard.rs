//! What a server said to a question, in a form in which two of them can be laid side by side: names in one case,
//! records as a set. Reads messages; judges nothing.

use std::time::Instant;

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, Restrict};

use super::question::Question;
use crate::wire::copy::expand_rdata;
use crate::wire::header::{HEADER, bit, u16_at};
use crate::wire::name::{MAX_NAME, Presentation, fold_in_place};
use crate::wire::rdata::{Field, field_len, layout, rtype};
use crate::wire::reply::{self, Fault, Reply, expand, records, scan};

/// One server's answer, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Nothing came that answers the question.
    Nothing(String),
    /// Something came that can't be read.
    Broken(String),
    Said(Said),
}

/// Both servers' answers to one question, asked at the same moment.
#[derive(Clone, Debug)]
pub struct Pass {
    pub at: Instant,
    pub old: Heard,
    pub new: Heard,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// All twelve bits.
    pub rcode: u16,
    /// The header's flags.
    pub bits: u16,
    pub cut: Cut,
    /// In the order of the message.
    pub answers: Vec<Record>,
    pub authority: Vec<Record>,
    /// Records of the additional section, OPT not counted.
    pub additional: usize,
    pub edns: bool,
}

/// Whether the answer was larger than what UDP carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    #[default]
    Whole,
    /// Truncated over UDP, whole over TCP.
    WholeOverTcp,
    /// Truncated, and over TCP there is no answer.
    Left,
}

/// A record with its names in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Record {
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub rclass: u16,
    pub data: Vec<u8>,
    pub ttl: u32,
    /// It had upper case somewhere in its names.
    pub capitals: bool,
}

impl Record {
    /// Owner, type, class and data: what makes it another record.
    pub fn key(&self) -> (&[u8], u16, u16, &[u8]) {
        (&self.owner, self.rtype, self.rclass, &self.data)
    }

    /// What the record says, as a zone file has it; what isn't known is written as RFC 3597 section 5 wants.
    pub fn data_text(&self) -> String {
        let known = || {
            let length = u16::try_from(self.data.len()).ok()?;
            let mut decoder = BinDecoder::new(&self.data);
            let data = RData::read(&mut decoder, RecordType::from(self.rtype), Restrict::new(length)).ok()?;
            (!matches!(data, RData::Unknown { .. } | RData::NULL(_)) && decoder.is_empty())
                .then(|| data.to_string())
        };
        known().unwrap_or_else(|| {
            let digits: String = self.data.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("\\# {} {digits}", self.data.len())
        })
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rtype = crate::control::rtype::show(self.rtype);
        write!(f, "{} {} {rtype} {}", Presentation(&self.owner), self.ttl, self.data_text())
    }
}

impl Heard {
    /// Reads a reply to `question`; the ID is the caller's to match.
    pub fn read(message: &[u8], question: &Question) -> Heard {
        let mut reply = Reply::default();
        match scan(message, &question.to_wire(), &mut reply) {
            Ok(()) => Heard::Said(Said::read(message, &reply)),
            // An error may come without the question that it is about.
            Err(Fault::NoQuestion) if u16_at(message, 2) & bit::RCODE != 0 => {
                let bits = u16_at(message, 2);
                Heard::Said(Said { rcode: bits & bit::RCODE, bits, ..Said::default() })
            }
            Err(fault) => Heard::Broken(fault.to_string()),
        }
    }

    pub fn is_nothing(&self) -> bool {
        matches!(self, Heard::Nothing(_))
    }
}

impl Said {
    fn read(message: &[u8], reply: &Reply) -> Said {
        let counts = [6, 8, 10].map(|at| usize::from(u16_at(message, at)));
        let mut all =
            records(message, reply.records_at, counts.iter().sum()).map(|record| read(message, &record));
        let answers: Vec<Record> = all.by_ref().take(counts[0]).collect();
        let authority: Vec<Record> = all.by_ref().take(counts[1]).collect();
        Said {
            rcode: reply.rcode,
            bits: reply.bits,
            cut: Cut::Whole,
            answers,
            authority,
            additional: counts[2] - usize::from(reply.has_opt),
            edns: reply.has_opt,
        }
    }

    pub fn has(&self, bit: u16) -> bool {
        self.bits & bit != 0
    }

    /// The SOA that says how long there is nothing (RFC 2308 section 3).
    pub fn soa(&self) -> Option<&Record> {
        self.authority.iter().find(|record| record.rtype == rtype::SOA)
    }

    /// Where the aliases of `name` end.
    pub fn tail<'a>(&'a self, name: &'a [u8]) -> &'a [u8] {
        let mut tail = name;
        for _ in 0..self.answers.len() {
            let alias =
                self.answers.iter().find(|record| record.rtype == rtype::CNAME && record.owner == tail);
            match alias {
                Some(alias) => tail = &alias.data,
                None => break,
            }
        }
        tail
    }

    /// Whether it has what was asked for, at the end of all aliases.
    pub fn has_data(&self, question: &Question) -> bool {
        let tail = self.tail(question.name.as_wire());
        let asked = |record: &Record| record.rtype == question.rtype;
        match question.rtype {
            rtype::CNAME => self.answers.iter().any(asked),
            _ => self.answers.iter().any(|record| asked(record) && record.owner == tail),
        }
    }

    /// No answer, but the servers of a zone below (RFC 1034 section 4.3.2).
    pub fn is_referral(&self) -> bool {
        let servers = self.authority.iter().any(|record| record.rtype == rtype::NS);
        self.answers.is_empty() && self.soa().is_none() && servers
    }
}

/// How long a negative answer with this SOA may be kept (RFC 2308 section 5).
pub fn negative_ttl(soa: &Record) -> u32 {
    let minimum = soa.data.last_chunk().map_or(0, |minimum| u32::from_be_bytes(*minimum));
    soa.ttl.min(minimum)
}

fn read(message: &[u8], record: &reply::Record) -> Record {
    let mut owner = [0; MAX_NAME];
    let len = expand(message, record.owner_at, &mut owner);
    let (owner, data) = (owner[..len].to_vec(), expand_rdata(message, record));
    let (mut folded, mut folded_data) = (owner.clone(), data.clone());
    fold_in_place(&mut folded);
    fold_data(record.rtype, record.rclass, &mut folded_data);
    let capitals = folded != owner || folded_data != data;
    Record {
        owner: folded,
        rtype: record.rtype,
        rclass: record.rclass,
        data: folded_data,
        ttl: record.ttl,
        capitals,
    }
}

/// Lower case for the names in a record's data.
fn fold_data(rtype: u16, rclass: u16, data: &mut [u8]) {
    let mut at = 0;
    for field in layout(rtype, rclass) {
        let Some(len) = field_len(*field, &data[at..]) else { return };
        if matches!(field, Field::Name | Field::PlainName) {
            fold_in_place(&mut data[at..at + len]);
        }
        at += len;
    }
}

/// A query for `question` as `compare` asks it: RD, and EDNS, with DO if the question has it.
pub fn query(question: &Question, id: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + MAX_NAME + 15);
    message.extend_from_slice(&id.to_be_bytes());
    message.extend_from_slice(&bit::RD.to_be_bytes());
    message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
    message.extend_from_slice(&question.to_wire());
    message.push(0);
    message.extend_from_slice(&rtype::OPT.to_be_bytes());
    message.extend_from_slice(&crate::wire::edns::UDP_SIZE.to_be_bytes());
    // Extended RCODE, version, DO and 15 bits of nothing (RFC 6891 section 6.1.3), and no option.
    let flags = if question.dnssec_ok { 0x80 } else { 0 };
    message.extend_from_slice(&[0, 0, flags, 0, 0, 0]);
    message
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::wire::name::Name;

    /// Records as people write them, one on a line: `OWNER TTL TYPE DATA`, names without their last dot.
    fn records_of(text: &str) -> Vec<Record> {
        let wire = |text: &str| Name::parse(text).expect("a name").as_wire().to_vec();
        let record = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let data = match words[2] {
                "A" => words[3].parse::<std::net::Ipv4Addr>().expect("an address").octets().to_vec(),
                "SOA" => {
                    let numbers = words[5..]
                        .iter()
                        .flat_map(|word| word.parse::<u32>().expect("a number").to_be_bytes());
                    [wire(words[3]), wire(words[4]), numbers.collect()].concat()
                }
                _ => wire(words[3]),
            };
            let rtype = crate::control::rtype::parse(words[2]).expect("a type");
            let ttl = words[1].parse().expect("a TTL");
            Record { owner: wire(words[0]), rtype, rclass: 1, data, ttl, capitals: false }
        };
        text.lines().map(record).collect()
    }

    pub fn said(rcode: u16, answers: &str) -> Said {
        Said { rcode, answers: records_of(answers), ..Said::default() }
    }

    pub fn with_authority(said: Said, authority: &str) -> Said {
        Said { authority: records_of(authority), ..said }
    }

    /// Names in lower case, compression undone, sections apart.
    #[test]
    fn a_message_is_read() {
        let question = Question::new(Name::parse("www.example").expect("a name"), rtype::MX);
        let mut message = query(&question, 7);
        message[2] |= 0x84;
        message[7] = 1;
        // MX 10 WWW.example, its second label compressed; then the OPT of the query.
        let at = message.len() - 11;
        let mx = b"\xc0\x0c\0\x0f\0\x01\0\0\x01\x2c\0\x08\0\x0a\x03WWW\xc0\x10";
        message.splice(at..at, mx.iter().copied());
        let Heard::Said(said) = Heard::read(&message, &question) else { panic!("it is sound") };
        assert_eq!((said.rcode, said.has(bit::AA), said.edns, said.additional), (0, true, true, 0));
        assert_eq!(said.answers[0].to_string(), "www.example 300 MX 10 www.example.");
        assert!(said.answers[0].capitals && said.has_data(&question));
        assert!(matches!(Heard::read(&message[..40], &question), Heard::Broken(_)));
        let other = Question { rtype: rtype::A, ..question };
        assert!(matches!(Heard::read(&message, &other), Heard::Broken(_)));
    }

    #[test]
    fn data_as_a_zone_file_has_it() {
        let text = |rtype: u16, data: &[u8]| {
            Record { owner: vec![0], rtype, rclass: 1, data: data.to_vec(), ttl: 0, capitals: false }
                .data_text()
        };
        assert_eq!(text(rtype::A, &[192, 0, 2, 1]), "192.0.2.1");
        assert_eq!(text(65_280, &[1, 255]), "\\# 2 01ff");
        assert_eq!(text(rtype::A, &[1]), "\\# 1 01");
        assert_eq!(text(rtype::SRV, b"\0\x01\0\x02\0\x35\x01a\0"), "1 2 53 a.");
    }
}
