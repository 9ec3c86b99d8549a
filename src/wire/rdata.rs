//! Where RDATA holds names and how long its parts are: one table for the reply scan, for following
//! records from one message into another, and for the writer's compression.

use super::name;

/// Numbers of record types and classes that the code treats by name (IANA DNS parameters).
pub mod rtype {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const MD: u16 = 3;
    pub const MF: u16 = 4;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const MB: u16 = 7;
    pub const MG: u16 = 8;
    pub const MR: u16 = 9;
    pub const PTR: u16 = 12;
    pub const HINFO: u16 = 13;
    pub const MINFO: u16 = 14;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const RP: u16 = 17;
    pub const AFSDB: u16 = 18;
    pub const SIG: u16 = 24;
    pub const PX: u16 = 26;
    pub const AAAA: u16 = 28;
    pub const NXT: u16 = 30;
    pub const SRV: u16 = 33;
    pub const NAPTR: u16 = 35;
    pub const KX: u16 = 36;
    pub const DNAME: u16 = 39;
    pub const OPT: u16 = 41;
    pub const DS: u16 = 43;
    pub const RRSIG: u16 = 46;
    pub const NSEC: u16 = 47;
    pub const DNSKEY: u16 = 48;
    pub const NSEC3: u16 = 50;
    pub const NSEC3PARAM: u16 = 51;
    pub const TALINK: u16 = 58;
    pub const SVCB: u16 = 64;
    pub const HTTPS: u16 = 65;
    pub const SPF: u16 = 99;
    pub const LP: u16 = 107;
    pub const TKEY: u16 = 249;
    pub const TSIG: u16 = 250;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const ANY: u16 = 255;
}

pub mod class {
    pub const IN: u16 = 1;
    pub const CH: u16 = 3;
    pub const NONE: u16 = 254;
    pub const ANY: u16 = 255;
}

/// A part of RDATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A name that a sender may compress (RFC 3597 section 4: the types of RFC 1035).
    Name,
    /// A name that a sender should not compress, but that receivers decompress (RFC 3597 section 4).
    PlainName,
    /// So many octets.
    Octets(u8),
    /// One character-string (RFC 1035 section 3.3).
    Text,
    /// Character-strings up to the end; none is allowed for.
    Texts,
    /// Whatever is left.
    Rest,
}

use Field::{Name, Octets, PlainName, Rest, Text, Texts};

/// The parts of a type's RDATA in order; what is not listed is opaque (RFC 3597 section 3).
///
/// A and AAAA have their lengths in class IN only; other classes are opaque.
pub fn layout(rtype: u16, rclass: u16) -> &'static [Field] {
    match rtype {
        rtype::A if rclass == class::IN => &[Octets(4)],
        rtype::AAAA if rclass == class::IN => &[Octets(16)],
        rtype::NS | rtype::CNAME | rtype::PTR => &[Name],
        rtype::MD | rtype::MF | rtype::MB | rtype::MG | rtype::MR => &[Name],
        rtype::SOA => &[Name, Name, Octets(20)],
        rtype::MINFO => &[Name, Name],
        rtype::MX => &[Octets(2), Name],
        rtype::TXT | rtype::SPF => &[Texts],
        rtype::HINFO => &[Text, Text],
        rtype::DNAME => &[PlainName],
        rtype::RP | rtype::TALINK => &[PlainName, PlainName],
        rtype::SVCB | rtype::HTTPS => &[Octets(2), PlainName, Rest],
        rtype::AFSDB | rtype::KX | rtype::LP => &[Octets(2), PlainName],
        rtype::PX => &[Octets(2), PlainName, PlainName],
        rtype::SRV => &[Octets(6), PlainName],
        rtype::NAPTR => &[Octets(4), Text, Text, Text, PlainName],
        rtype::RRSIG | rtype::SIG => &[Octets(18), PlainName, Rest],
        rtype::NSEC | rtype::NXT => &[PlainName, Rest],
        _ => &[Rest],
    }
}

/// Is `rdata`, with its names uncompressed, of the form its type asks for?
pub fn is_sound(rtype: u16, rclass: u16, rdata: &[u8]) -> bool {
    let mut rest = rdata;
    for field in layout(rtype, rclass) {
        let Some(len) = field_len(*field, rest) else { return false };
        rest = &rest[len..];
    }
    rest.is_empty()
}

/// Octets that `field` takes at the start of `rest`, where names are uncompressed.
pub fn field_len(field: Field, rest: &[u8]) -> Option<usize> {
    let len = match field {
        Name | PlainName => name::wire_len(rest)?,
        Octets(len) => usize::from(len),
        Text => 1 + usize::from(*rest.first()?),
        Texts => texts_len(rest)?,
        Rest => rest.len(),
    };
    (len <= rest.len()).then_some(len)
}

pub(super) fn texts_len(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < rest.len() {
        at += 1 + usize::from(rest[at]);
    }
    (at == rest.len()).then_some(at)
}
