//! Messages as clients and scripted targets of a scenario write and read them: plainly, with nothing of the
//! server's own reader and writer but names.

use std::net::{IpAddr, Ipv4Addr};

use super::target::Said;
use crate::wire::header::{bit, rcode};
use crate::wire::name::{self, Name};
use crate::wire::rdata::{class, rtype};

/// What a client asks.
#[derive(Clone, Debug)]
pub struct Question {
    pub name: Name,
    pub rtype: u16,
    /// RD, CD, AD.
    pub bits: u16,
    pub edns: bool,
    pub dnssec_ok: bool,
}

impl Question {
    pub fn new(name: Name, rtype: u16) -> Question {
        Question { name, rtype, bits: bit::RD, edns: true, dnssec_ok: false }
    }

    pub fn to_wire(&self, id: u16) -> Vec<u8> {
        let mut wire = id.to_be_bytes().to_vec();
        wire.extend_from_slice(&self.bits.to_be_bytes());
        wire.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(self.edns)]);
        put_question(&mut wire, &self.name, self.rtype);
        if self.edns {
            put_opt(&mut wire, self.dnssec_ok);
        }
        wire
    }
}

/// A question as it reached a target.
#[derive(Clone, Debug)]
pub struct Asked {
    pub id: u16,
    pub name: Name,
    pub rtype: u16,
    pub bits: u16,
    pub edns: bool,
    pub dnssec_ok: bool,
}

impl Asked {
    /// None if it is no question that this server would send.
    pub fn read(message: &[u8]) -> Option<Asked> {
        let parts = Parts::read(message)?;
        let opt = parts.records.iter().find(|record| record.rtype == rtype::OPT);
        Some(Asked {
            id: parts.id,
            name: parts.name,
            rtype: parts.rtype,
            bits: parts.bits,
            edns: opt.is_some(),
            dnssec_ok: opt.is_some_and(|opt| opt.ttl & 0x8000 != 0),
        })
    }

    /// A reply with these contents.
    pub fn reply(&self, said: &Said) -> Vec<u8> {
        let ttl = said.ttl.unwrap_or(0);
        let (answers, authority): (Vec<_>, Vec<_>) =
            said.records.iter().partition(|record| !record.authority);
        let mut wire = self.head(said.rcode, 0, [answers.len(), authority.len()]);
        let mut owner = vec![0xc0, 12];
        for record in answers {
            put_record(&mut wire, &owner, record.rtype, ttl, &record.data);
            if record.rtype == rtype::CNAME {
                owner = record.data.clone();
            }
        }
        let zone = self.name.parent().unwrap_or_else(Name::root);
        for record in authority {
            put_record(&mut wire, zone.as_wire(), record.rtype, ttl, &record.data);
        }
        if self.edns {
            put_opt(&mut wire, self.dnssec_ok);
        }
        wire
    }

    /// A reply without records. FORMERR is said by who can't read an OPT, and so writes none.
    pub fn bare(&self, rcode: u16, bits: u16) -> Vec<u8> {
        let asked = Asked { edns: self.edns && rcode != rcode::FORMERR, ..self.clone() };
        let mut wire = asked.head(rcode, bits, [0, 0]);
        if asked.edns {
            put_opt(&mut wire, asked.dnssec_ok);
        }
        wire
    }

    fn head(&self, rcode: u16, bits: u16, [answers, authority]: [usize; 2]) -> Vec<u8> {
        let mut wire = self.id.to_be_bytes().to_vec();
        let copied = self.bits & (bit::RD | bit::CD);
        wire.extend_from_slice(&(bit::QR | bit::RA | copied | bits | rcode).to_be_bytes());
        wire.extend_from_slice(&[0, 1, 0, answers as u8, 0, authority as u8, 0, u8::from(self.edns)]);
        put_question(&mut wire, &self.name, self.rtype);
        wire
    }
}

/// A record to be said.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub rtype: u16,
    pub data: Vec<u8>,
    pub authority: bool,
}

impl Record {
    pub fn new(rtype: u16, data: Vec<u8>) -> Record {
        Record { rtype, data, authority: false }
    }

    /// From a type and its data as people write it; none if it can't be read.
    pub fn parse(rtype: u16, text: &str) -> Option<Record> {
        let data = match rtype {
            rtype::A => text.parse::<Ipv4Addr>().ok()?.octets().to_vec(),
            rtype::AAAA => text.parse::<std::net::Ipv6Addr>().ok()?.octets().to_vec(),
            rtype::CNAME | rtype::NS | rtype::PTR => Name::parse(text).ok()?.as_wire().to_vec(),
            rtype::TXT if text.len() <= 255 => [&[text.len() as u8], text.as_bytes()].concat(),
            _ => return None,
        };
        Some(Record::new(rtype, data))
    }
}

/// An address as the data of an A or AAAA record; one of the other family is put into a range for examples.
pub fn address_data(address: IpAddr, v6: bool) -> Vec<u8> {
    match (address, v6) {
        (IpAddr::V4(v4), false) => v4.octets().to_vec(),
        (IpAddr::V6(v6), true) => v6.octets().to_vec(),
        (IpAddr::V4(v4), true) => [&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0][..], &v4.octets()].concat(),
        (IpAddr::V6(v6), false) => [198, 18, v6.octets()[14], v6.octets()[15]].to_vec(),
    }
}

/// SOA data whose MNAME tells the address.
pub fn soa_data(from: IpAddr, minimum: u32) -> Vec<u8> {
    let label = from.to_string().replace(['.', ':'], "-");
    let mut data = vec![label.len() as u8];
    data.extend_from_slice(label.as_bytes());
    data.extend_from_slice(&[0, 0]);
    for number in [1, 3600, 600, 86_400, minimum] {
        data.extend_from_slice(&u32::to_be_bytes(number));
    }
    data
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Read {
    pub rtype: u16,
    pub ttl: u32,
    pub data: Vec<u8>,
}

/// A message, read.
#[derive(Clone, Debug)]
pub struct Parts {
    pub id: u16,
    pub bits: u16,
    pub name: Name,
    pub rtype: u16,
    pub records: Vec<Read>,
}

impl Parts {
    /// None if it is cut short or has another number of questions than one.
    pub fn read(message: &[u8]) -> Option<Parts> {
        let u16_at = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
        let name_len = name::wire_len(message.get(12..)?)?;
        let name = Name::from_wire(&message[12..12 + name_len]).ok()?;
        if u16_at(4)? != 1 {
            return None;
        }
        let mut at = 12 + name_len + 4;
        let mut records = Vec::new();
        for _ in 0..u32::from(u16_at(6)?) + u32::from(u16_at(8)?) + u32::from(u16_at(10)?) {
            at = skip_name(message, at)?;
            let (rtype, len) = (u16_at(at)?, usize::from(u16_at(at + 8)?));
            let data = message.get(at + 10..at + 10 + len)?;
            let data = match rtype {
                rtype::CNAME | rtype::NS | rtype::PTR => expand(message, at + 10)?,
                _ => data.to_vec(),
            };
            let ttl = u32::from(u16_at(at + 4)?) << 16 | u32::from(u16_at(at + 6)?);
            records.push(Read { rtype, ttl, data });
            at += 10 + len;
        }
        let rtype = u16_at(12 + name_len)?;
        Some(Parts { id: u16_at(0)?, bits: u16_at(2)?, name, rtype, records })
    }

    pub fn rcode(&self) -> u16 {
        let high = self.opt().map_or(0, |opt| (opt.ttl >> 24) as u16);
        high << 4 | self.bits & bit::RCODE
    }

    pub fn is_truncated(&self) -> bool {
        self.bits & bit::TC != 0
    }

    /// Extended DNS Errors with their texts.
    pub fn errors(&self) -> Vec<(u16, String)> {
        let mut errors = Vec::new();
        let mut rest = self.opt().map_or(&[][..], |opt| &opt.data);
        while let [code @ .., len_high, len_low] = rest.get(..4).unwrap_or_default() {
            let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
            let data = rest.get(4..4 + len).unwrap_or_default();
            if let (&[0, 15], [high, low, text @ ..]) = (code, data) {
                let text = String::from_utf8_lossy(text).into_owned();
                errors.push((u16::from_be_bytes([*high, *low]), text));
            }
            rest = rest.get(4 + len..).unwrap_or_default();
        }
        errors
    }

    /// Whether a record tells that the target with this address made the answer up.
    pub fn is_said_by(&self, from: IpAddr) -> bool {
        let (v4, v6) = (address_data(from, false), address_data(from, true));
        let text = from.to_string();
        let soa = soa_data(from, 0);
        self.records.iter().any(|record| match record.rtype {
            rtype::A => record.data == v4,
            rtype::AAAA => record.data == v6,
            rtype::TXT => record.data.get(1..) == Some(text.as_bytes()),
            rtype::SOA => record.data.starts_with(&soa[..soa.len() - 20]),
            _ => false,
        })
    }

    fn opt(&self) -> Option<&Read> {
        self.records.iter().find(|record| record.rtype == rtype::OPT)
    }
}

/// A name without compression (RFC 1035 section 4.1.4).
fn expand(message: &[u8], mut at: usize) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    // A name has at most 128 labels; a pointer may stand before each.
    for _ in 0..256 {
        match *message.get(at)? {
            0 => {
                name.push(0);
                return Some(name);
            }
            len if len & 0xc0 == 0xc0 => {
                at = usize::from(u16::from_be_bytes([len & 0x3f, *message.get(at + 1)?]));
            }
            len => {
                name.extend_from_slice(message.get(at..=at + usize::from(len))?);
                at += 1 + usize::from(len);
            }
        }
    }
    None
}

fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            len if len & 0xc0 == 0xc0 => return Some(at + 2),
            len => at += 1 + usize::from(len),
        }
    }
}

fn put_question(wire: &mut Vec<u8>, name: &Name, rtype: u16) {
    wire.extend_from_slice(name.as_wire());
    wire.extend_from_slice(&rtype.to_be_bytes());
    wire.extend_from_slice(&class::IN.to_be_bytes());
}

fn put_record(wire: &mut Vec<u8>, owner: &[u8], rtype: u16, ttl: u32, data: &[u8]) {
    wire.extend_from_slice(owner);
    wire.extend_from_slice(&rtype.to_be_bytes());
    wire.extend_from_slice(&class::IN.to_be_bytes());
    wire.extend_from_slice(&ttl.to_be_bytes());
    wire.extend_from_slice(&(data.len() as u16).to_be_bytes());
    wire.extend_from_slice(data);
}

fn put_opt(wire: &mut Vec<u8>, dnssec_ok: bool) {
    wire.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
}
