//! The record types by name, and the parts that each one's RDATA has in text and in wire form: one table
//! for the reader of text and for the check of `\#` data (RFC 3597 section 5).

use crate::wire::rdata::rtype;

/// A part of RDATA as text and as octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Dotted address, 4 octets.
    V4,
    /// 16 octets.
    V6,
    Name,
    U8,
    U16,
    U32,
    /// Seconds, units allowed (`1h30m`).
    Time,
    /// One character-string.
    Text,
    /// One or more of them.
    Texts,
    /// The rest in hexadecimal, at least one octet.
    Hex,
    /// The rest in base64, at least one octet.
    Base64,
    /// NSEC3's salt: a length and hexadecimal, `-` for none.
    Salt,
    /// NSEC3's next hashed owner: a length and base32hex.
    Hash,
    /// Type mnemonics to the end as a bitmap (RFC 4034 section 4.1.2).
    Types,
    /// One type's mnemonic, two octets.
    Type,
    /// DNSSEC algorithm: number or mnemonic, one octet.
    Algorithm,
    /// CERT's type: number or mnemonic, two octets.
    CertType,
    /// YYYYMMDDHHmmSS or seconds since 1970, four octets (RFC 4034 section 3.2).
    Timestamp,
    /// CAA's property: a length and ASCII letters and digits (RFC 8659 section 4.1).
    Tag,
    /// One string without a length, up to the end.
    Tail,
    Eui48,
    Eui64,
    /// SVCB's parameters up to the end (RFC 9460 section 2.1).
    Params,
    /// LOC whole (RFC 1876).
    Location,
    /// APL whole (RFC 3123).
    Prefixes,
}

use Part::*;

type Row = (&'static str, u16, &'static [Part]);

/// Types that a zone can hold, with what their RDATA is made of.
const TABLE: &[Row] = &[
    ("A", rtype::A, &[V4]),
    ("NS", rtype::NS, &[Name]),
    ("MD", rtype::MD, &[Name]),
    ("MF", rtype::MF, &[Name]),
    ("CNAME", rtype::CNAME, &[Name]),
    ("SOA", rtype::SOA, &[Name, Name, U32, Time, Time, Time, Time]),
    ("MB", rtype::MB, &[Name]),
    ("MG", rtype::MG, &[Name]),
    ("MR", rtype::MR, &[Name]),
    ("PTR", rtype::PTR, &[Name]),
    ("HINFO", rtype::HINFO, &[Text, Text]),
    ("MINFO", rtype::MINFO, &[Name, Name]),
    ("MX", rtype::MX, &[U16, Name]),
    ("TXT", rtype::TXT, &[Texts]),
    ("RP", rtype::RP, &[Name, Name]),
    ("AFSDB", rtype::AFSDB, &[U16, Name]),
    ("AAAA", rtype::AAAA, &[V6]),
    ("LOC", LOC, &[Location]),
    ("SRV", rtype::SRV, &[U16, U16, U16, Name]),
    ("NAPTR", rtype::NAPTR, &[U16, U16, Text, Text, Text, Name]),
    ("KX", rtype::KX, &[U16, Name]),
    ("CERT", 37, &[CertType, U16, Algorithm, Base64]),
    ("DNAME", rtype::DNAME, &[Name]),
    ("APL", 42, &[Prefixes]),
    ("DS", rtype::DS, &[U16, Algorithm, U8, Hex]),
    ("SSHFP", 44, &[U8, U8, Hex]),
    ("RRSIG", rtype::RRSIG, &[Type, Algorithm, U8, Time, Timestamp, Timestamp, U16, Name, Base64]),
    ("NSEC", rtype::NSEC, &[Name, Types]),
    ("DNSKEY", 48, &[U16, U8, Algorithm, Base64]),
    ("NSEC3", rtype::NSEC3, &[U8, U8, U16, Salt, Hash, Types]),
    ("NSEC3PARAM", rtype::NSEC3PARAM, &[U8, U8, U16, Salt]),
    ("TLSA", 52, &[U8, U8, U8, Hex]),
    ("SMIMEA", 53, &[U8, U8, U8, Hex]),
    ("CDS", 59, &[U16, Algorithm, U8, Hex]),
    ("CDNSKEY", 60, &[U16, U8, Algorithm, Base64]),
    ("OPENPGPKEY", 61, &[Base64]),
    ("SVCB", SVCB, &[U16, Name, Params]),
    ("HTTPS", HTTPS, &[U16, Name, Params]),
    ("SPF", rtype::SPF, &[Texts]),
    ("EUI48", 108, &[Eui48]),
    ("EUI64", 109, &[Eui64]),
    ("URI", 256, &[U16, U16, Tail]),
    ("CAA", 257, &[U8, Tag, Tail]),
];

pub const LOC: u16 = 29;
pub const SVCB: u16 = 64;
pub const HTTPS: u16 = 65;

/// Names that mean questions or parts of messages, never data (RFC 6895 section 3.1).
const NOT_DATA: &[(&str, u16)] =
    &[("OPT", 41), ("TKEY", 249), ("TSIG", 250), ("IXFR", 251), ("AXFR", 252), ("MAILB", 253), ("ANY", 255)];

/// The number of a type written as a mnemonic or as TYPEnnn.
pub fn number(word: &[u8]) -> Option<u16> {
    if let Some(digits) = strip_prefix(word, b"TYPE") {
        return decimal(digits);
    }
    let known = TABLE.iter().map(|(name, number, _)| (*name, *number)).chain(NOT_DATA.iter().copied());
    known.into_iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)).map(|(_, number)| number)
}

/// How a type is written.
pub fn name(rtype: u16) -> String {
    let known = TABLE.iter().map(|(name, number, _)| (*name, *number)).chain(NOT_DATA.iter().copied());
    match known.into_iter().find(|(_, number)| *number == rtype) {
        Some((name, _)) => name.to_owned(),
        None => format!("TYPE{rtype}"),
    }
}

/// Can a zone hold records of this type?
pub fn is_data(rtype: u16) -> bool {
    rtype != 0 && rtype != rtype::OPT && !(128..=255).contains(&rtype)
}

pub fn parts(rtype: u16) -> Option<&'static [Part]> {
    TABLE.iter().find(|(_, number, _)| *number == rtype).map(|(_, _, parts)| *parts)
}

/// Does the type's text have strings, so that quotes mean something in it?
pub fn has_strings(rtype: u16) -> bool {
    parts(rtype).is_some_and(|parts| parts.iter().any(|part| matches!(part, Text | Texts | Tail | Params)))
}

pub fn strip_prefix<'a>(word: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let head = word.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &word[prefix.len()..])
}

/// A decimal number without sign; at least one digit.
pub fn decimal<N: TryFrom<u64>>(digits: &[u8]) -> Option<N> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    N::try_from(value).ok()
}

/// Seconds, plain or with units: `3600`, `1h30m`, `1W2D` (BIND's addition).
///
/// A number without a unit stands alone, as in BIND: `1h30` is refused.
pub fn seconds(word: &[u8]) -> Option<u64> {
    if let Some(plain) = decimal::<u32>(word) {
        return Some(u64::from(plain));
    }
    let mut total = 0u64;
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let amount: u32 = decimal(&rest[..digits])?;
        let unit = match rest.get(digits)?.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(u64::from(amount) * unit)?;
        rest = &rest[digits + 1..];
    }
    (!word.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_reads_itself() {
        assert!(TABLE.is_sorted_by_key(|(_, number, _)| *number));
        for (text, rtype, _) in TABLE {
            assert_eq!(number(text.to_ascii_lowercase().as_bytes()), Some(*rtype));
            assert_eq!(name(*rtype), *text);
        }
        assert_eq!(number(b"TYPE65280"), Some(65280));
        assert_eq!(number(b"TYPE65536"), None);
        assert_eq!(number(b"TYPE"), None);
    }

    #[test]
    fn seconds_with_units() {
        assert_eq!(seconds(b"0"), Some(0));
        assert_eq!(seconds(b"1h30M"), Some(5_400));
        assert_eq!(seconds(b"2w"), Some(1_209_600));
        for word in ["", "h", "1h30", "1x", "-1", "4294967296"] {
            assert_eq!(seconds(word.as_bytes()), None, "{word}");
        }
    }
}
