//! RDATA from text to wire form, type by type from the table, and the check of data written as `\#`
//! (RFC 3597 section 5). The case of names is kept; relative ones end in the origin.

use crate::wire::name::{self, MAX_NAME, NameError};
use crate::wire::rdata::{class, is_sound};

use super::codec;
use super::lexer::Token;
use super::types::{self, Part, decimal, seconds};
use super::{loc, prefixes, svcb};

/// Octets of one record's RDATA: RDLENGTH has 16 bits (RFC 1035 section 3.2.1).
pub const MAX_RDATA: usize = 65_535;

/// What is wrong with a record's data: at which of its words, or after the last.
#[derive(Debug, PartialEq, Eq)]
pub struct RdataFault {
    pub word: usize,
    pub message: String,
    pub help: &'static str,
}

/// The words of a record's data, read from the left.
pub struct Words<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    origin: &'t [u8],
}

impl<'t, 'a> Words<'t, 'a> {
    pub fn new(tokens: &'t [Token<'a>], origin: &'t [u8]) -> Words<'t, 'a> {
        Words { tokens, at: 0, origin }
    }

    pub fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    pub fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn want(&mut self, what: &str, help: &'static str) -> Result<Token<'a>, RdataFault> {
        match self.next() {
            Some(token) => Ok(token),
            None => Err(self.ahead(format!("{what} is missing here"), help)),
        }
    }

    /// A fault at the word that was read last.
    pub fn behind(&self, message: String, help: &'static str) -> RdataFault {
        RdataFault { word: self.at.saturating_sub(1), message, help }
    }

    /// A fault at the word that comes next.
    pub fn ahead(&self, message: String, help: &'static str) -> RdataFault {
        RdataFault { word: self.at, message, help }
    }
}

/// Reads the data of a record into `out`, which is emptied first.
pub fn parse(rtype: u16, tokens: &[Token<'_>], origin: &[u8], out: &mut Vec<u8>) -> Result<(), RdataFault> {
    out.clear();
    let mut words = Words::new(tokens, origin);
    if words.peek().is_some_and(|first| !first.quoted && first.text == b"\\#") {
        words.next();
        return generic(rtype, &mut words, out);
    }
    let Some(parts) = types::parts(rtype) else {
        let message = format!("the data of {} has no text form", types::name(rtype));
        return Err(words.ahead(message, "write it as '\\# length hexadecimal' (RFC 3597)"));
    };
    for part in parts {
        read(*part, &mut words, out)?;
    }
    match words.peek() {
        Some(_) => Err(words.ahead(
            format!("{} has no more data than what stands before this", types::name(rtype)),
            "remove it; text with blanks or ';' must be in quotes",
        )),
        None if out.len() > MAX_RDATA => Err(too_long(&words)),
        None => Ok(()),
    }
}

pub fn too_long(words: &Words<'_, '_>) -> RdataFault {
    words.behind("the data of this record has more than 65,535 octets".to_owned(), "make it shorter")
}

fn generic(rtype: u16, words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    const HELP: &str = "write '\\#', the number of octets, and so many octets in hexadecimal (RFC 3597)";
    let length = words.want("the number of octets", HELP)?;
    let Some(length) = decimal::<u16>(length.text) else {
        return Err(words.behind("this is not a number of octets up to 65535".to_owned(), HELP));
    };
    rest(words, out, codec::hex, "hexadecimal", HELP)?;
    if out.len() != usize::from(length) {
        return Err(words.behind(format!("{length} octets are announced, {} follow", out.len()), HELP));
    }
    if has_form(rtype, out) {
        return Ok(());
    }
    let message = format!("these octets are not sound data of {}", types::name(rtype));
    Err(words.behind(message, "write the data as its type's own text"))
}

fn read(part: Part, words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    match part {
        Part::V4 => address(words, out, "write an IPv4 address such as 192.0.2.1", v4),
        Part::V6 => address(words, out, "write an IPv6 address such as 2001:db8::1", v6),
        Part::Name => target(words, out),
        Part::U8 => number(words, 255).map(|value| out.push(value as u8)),
        Part::U16 => number(words, 65_535).map(|value| out.extend((value as u16).to_be_bytes())),
        Part::U32 => number(words, u32::MAX).map(|value| out.extend(value.to_be_bytes())),
        Part::Time => time(words).map(|value| out.extend(value.to_be_bytes())),
        Part::Text => text(words, out),
        Part::Texts => texts(words, out),
        Part::Hex => some(words, out, codec::hex, "hexadecimal"),
        Part::Base64 => some(words, out, codec::base64, "base64"),
        Part::Salt => salt(words, out),
        Part::Hash => hash(words, out),
        Part::Types => bitmap(words, out),
        Part::Type => type_number(words).map(|value| out.extend(value.to_be_bytes())),
        Part::Algorithm => mnemonic(words, 255, ALGORITHMS).map(|value| out.push(value as u8)),
        Part::CertType => mnemonic(words, 65_535, CERT_TYPES).map(|value| out.extend(value.to_be_bytes())),
        Part::Timestamp => timestamp(words).map(|value| out.extend(value.to_be_bytes())),
        Part::Tag => tag(words, out),
        Part::Tail => tail(words, out),
        Part::Eui48 => eui(words, out, 6),
        Part::Eui64 => eui(words, out, 8),
        Part::Params => svcb::parse(words, out),
        Part::Location => loc::parse(words, out),
        Part::Prefixes => prefixes::parse(words, out),
    }
}

fn v4(text: &str) -> Option<Vec<u8>> {
    text.parse::<std::net::Ipv4Addr>().ok().map(|address| address.octets().to_vec())
}

fn v6(text: &str) -> Option<Vec<u8>> {
    text.parse::<std::net::Ipv6Addr>().ok().map(|address| address.octets().to_vec())
}

fn address(
    words: &mut Words<'_, '_>,
    out: &mut Vec<u8>,
    help: &'static str,
    parse: fn(&str) -> Option<Vec<u8>>,
) -> Result<(), RdataFault> {
    let token = words.want("an address", help)?;
    let octets = std::str::from_utf8(token.text).ok().and_then(parse);
    let Some(octets) = octets else {
        return Err(words.behind(format!("{} is not an address of this type", shown(token)), help));
    };
    out.extend(octets);
    Ok(())
}

/// A word for a message: what it is, within bounds.
pub fn shown(token: Token<'_>) -> String {
    let text = String::from_utf8_lossy(token.text);
    if text.chars().count() > 60 {
        let head: String = text.chars().take(60).collect();
        return format!("'{head}...'");
    }
    format!("'{text}'")
}

fn target(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    let token =
        words.want("a name", "write a domain name; '.' ends one that is not relative to the origin")?;
    match absolute(token, words.origin) {
        Ok(wire) => {
            out.extend(wire);
            Ok(())
        }
        Err(error) => Err(words.behind(format!("{}: {error}", shown(token)), NAME_HELP)),
    }
}

pub const NAME_HELP: &str = "correct the name; without a '.' at its end the origin is added to it";

/// A name as it is written, with the origin where it is relative; case kept.
pub fn absolute(token: Token<'_>, origin: &[u8]) -> Result<Vec<u8>, NameError> {
    if token.text == b"@" && !token.quoted {
        return Ok(origin.to_vec());
    }
    let mut wire = name::parse_wire(token.text)?;
    if ends_with_dot(token.text) {
        return Ok(wire);
    }
    wire.pop();
    wire.extend_from_slice(origin);
    if wire.len() > MAX_NAME { Err(NameError::NameTooLong) } else { Ok(wire) }
}

fn ends_with_dot(text: &[u8]) -> bool {
    let Some((b'.', head)) = text.split_last() else { return false };
    // An odd number of backslashes escapes the dot.
    head.iter().rev().take_while(|&&byte| byte == b'\\').count().is_multiple_of(2)
}

fn number(words: &mut Words<'_, '_>, max: u32) -> Result<u32, RdataFault> {
    let token = words.want("a number", "write a whole number")?;
    match decimal::<u32>(token.text) {
        Some(value) if value <= max => Ok(value),
        _ => {
            Err(words
                .behind(format!("{} is not a number from 0 to {max}", shown(token)), "write a whole number"))
        }
    }
}

fn time(words: &mut Words<'_, '_>) -> Result<u32, RdataFault> {
    const HELP: &str = "write seconds, or units as in 1h30m";
    let token = words.want("a time", HELP)?;
    match seconds(token.text).map(u32::try_from) {
        Some(Ok(value)) => Ok(value),
        _ => Err(words.behind(format!("{} is not a time up to 4294967295 s", shown(token)), HELP)),
    }
}

const TEXT_HELP: &str = "cut it into strings of at most 255 octets, each in quotes";

fn text(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    let token = words.want("a string", "write a string, in quotes where it has blanks")?;
    let length_at = out.len();
    out.push(0);
    if !codec::unescape(token.text, out) {
        return Err(words.behind(NameError::BadEscape.to_string(), "write a backslash itself as '\\\\'"));
    }
    let Ok(length) = u8::try_from(out.len() - length_at - 1) else {
        return Err(words.behind("a string is longer than 255 octets".to_owned(), TEXT_HELP));
    };
    out[length_at] = length;
    Ok(())
}

fn texts(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    text(words, out)?;
    while words.peek().is_some() {
        text(words, out)?;
        if out.len() > MAX_RDATA {
            return Err(too_long(words));
        }
    }
    Ok(())
}

fn some(
    words: &mut Words<'_, '_>,
    out: &mut Vec<u8>,
    decode: fn(&[u8], &mut Vec<u8>) -> bool,
    what: &'static str,
) -> Result<(), RdataFault> {
    let before = out.len();
    rest(words, out, decode, what, "write the octets, in as many words as you like")?;
    if out.len() == before {
        return Err(words.ahead(format!("{what} data is missing here"), "write the octets"));
    }
    Ok(())
}

/// All words that are left, as one run of digits.
fn rest(
    words: &mut Words<'_, '_>,
    out: &mut Vec<u8>,
    decode: fn(&[u8], &mut Vec<u8>) -> bool,
    what: &'static str,
    help: &'static str,
) -> Result<(), RdataFault> {
    let mut digits = Vec::new();
    while let Some(token) = words.next() {
        digits.extend_from_slice(token.text);
        if digits.len() > 2 * MAX_RDATA {
            return Err(too_long(words));
        }
    }
    if decode(&digits, out) { Ok(()) } else { Err(words.behind(format!("this is not {what}"), help)) }
}

fn salt(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    let token = words.want("the salt", "write hexadecimal, or '-' for no salt")?;
    if token.text == b"-" {
        out.push(0);
        return Ok(());
    }
    counted(words, token, out, codec::hex, "hexadecimal")
}

fn hash(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    let token = words.want("the next hash", "write base32 with the extended hex alphabet")?;
    counted(words, token, out, codec::base32hex, "base32hex")
}

fn counted(
    words: &Words<'_, '_>,
    token: Token<'_>,
    out: &mut Vec<u8>,
    decode: fn(&[u8], &mut Vec<u8>) -> bool,
    what: &str,
) -> Result<(), RdataFault> {
    let length_at = out.len();
    out.push(0);
    let sound = decode(token.text, out);
    match u8::try_from(out.len() - length_at - 1) {
        Ok(length) if sound && length > 0 => out[length_at] = length,
        _ => {
            let message = format!("{} is not 1 to 255 octets in {what}", shown(token));
            return Err(words.behind(message, "copy it again from where it was made"));
        }
    }
    Ok(())
}

fn type_number(words: &mut Words<'_, '_>) -> Result<u16, RdataFault> {
    const HELP: &str = "write a type such as A or TYPE65280";
    let token = words.want("a record type", HELP)?;
    types::number(token.text)
        .ok_or_else(|| words.behind(format!("{} is not a record type", shown(token)), HELP))
}

fn bitmap(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    let mut listed = std::collections::BTreeSet::new();
    while words.peek().is_some() {
        listed.insert(type_number(words)?);
    }
    let mut listed = listed.into_iter().peekable();
    while let Some(&first) = listed.peek() {
        let window = first >> 8;
        let mut bits = [0u8; 32];
        let mut length = 0;
        while let Some(rtype) = listed.next_if(|rtype| rtype >> 8 == window) {
            let low = usize::from(rtype & 0xff);
            bits[low / 8] |= 0x80 >> (low % 8);
            length = low / 8 + 1;
        }
        out.extend([window as u8, length as u8]);
        out.extend_from_slice(&bits[..length]);
    }
    Ok(())
}

/// IANA's DNSSEC algorithm numbers by mnemonic.
const ALGORITHMS: &[(&str, u16)] = &[
    ("DELETE", 0),
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("NSEC3DSA", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("NSEC3RSASHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECCGOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// RFC 4398 section 2.1.
const CERT_TYPES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

fn mnemonic(words: &mut Words<'_, '_>, max: u16, known: &[(&str, u16)]) -> Result<u16, RdataFault> {
    const HELP: &str = "write its number in the registry";
    let token = words.want("a number or mnemonic", HELP)?;
    if let Some(value) = decimal::<u16>(token.text).filter(|value| *value <= max) {
        return Ok(value);
    }
    let found = known.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(token.text));
    match found {
        Some((_, value)) => Ok(*value),
        None => {
            Err(words.behind(format!("{} is neither a number up to {max} nor known", shown(token)), HELP))
        }
    }
}

fn timestamp(words: &mut Words<'_, '_>) -> Result<u32, RdataFault> {
    const HELP: &str = "write YYYYMMDDHHmmSS in UTC, or seconds since 1970";
    let token = words.want("a time", HELP)?;
    let value = if token.text.len() == 14 { calendar(token.text) } else { decimal::<u32>(token.text) };
    value.ok_or_else(|| words.behind(format!("{} is not a point in time", shown(token)), HELP))
}

/// Seconds since 1970 modulo 2^32 (RFC 4034 section 3.1.5 compares them as serial numbers).
fn calendar(text: &[u8]) -> Option<u32> {
    let part = |from: usize, to: usize| decimal::<u32>(&text[from..to]);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month_length = *lengths.get(month.checked_sub(1)? as usize)?;
    if year < 1970 || day == 0 || day > month_length || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let month_days: u32 = lengths[..month as usize - 1].iter().sum();
    let days = u64::from((year - 1970) * 365 + leap_days + month_days + day - 1);
    Some((days * 86_400 + u64::from(hour * 3_600 + minute * 60 + second)) as u32)
}

fn tag(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    const HELP: &str = "write a property such as issue, issuewild or iodef";
    let token = words.want("a property", HELP)?;
    if !is_tag(token.text) {
        return Err(words.behind(format!("{} is not letters and digits", shown(token)), HELP));
    }
    out.push(token.text.len() as u8);
    out.extend_from_slice(token.text);
    Ok(())
}

fn is_tag(text: &[u8]) -> bool {
    (1..=255).contains(&text.len()) && text.iter().all(u8::is_ascii_alphanumeric)
}

fn tail(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    let token = words.want("a string", "write a string, in quotes where it has blanks or ';'")?;
    if !codec::unescape(token.text, out) {
        return Err(words.behind(NameError::BadEscape.to_string(), "write a backslash itself as '\\\\'"));
    }
    Ok(())
}

fn eui(words: &mut Words<'_, '_>, out: &mut Vec<u8>, octets: usize) -> Result<(), RdataFault> {
    const HELP: &str = "write two hexadecimal digits per octet with '-' between, as in 00-00-5e-00-53-2a";
    let token = words.want("an address", HELP)?;
    let mut read = Vec::new();
    let sound =
        token.text.split(|&byte| byte == b'-').all(|pair| pair.len() == 2 && codec::hex(pair, &mut read));
    if !sound || read.len() != octets {
        return Err(words.behind(format!("{} is not {octets} octets", shown(token)), HELP));
    }
    out.extend(read);
    Ok(())
}

/// Do octets written as `\#` have the form of their type? Types without a table entry are opaque.
fn has_form(rtype: u16, rdata: &[u8]) -> bool {
    let Some(parts) = types::parts(rtype) else { return true };
    let mut rest = rdata;
    for part in parts {
        let Some(length) = octets(*part, rest).filter(|length| *length <= rest.len()) else { return false };
        rest = &rest[length..];
    }
    // What the message writer believes of the type must hold as well.
    rest.is_empty() && is_sound(rtype, class::IN, rdata)
}

/// Octets that a part takes at the start of `rest`.
fn octets(part: Part, rest: &[u8]) -> Option<usize> {
    Some(match part {
        Part::V4 | Part::U32 | Part::Time | Part::Timestamp => 4,
        Part::V6 => 16,
        Part::Name => name::wire_len(rest)?,
        Part::U8 | Part::Algorithm => 1,
        Part::U16 | Part::Type | Part::CertType => 2,
        Part::Text | Part::Salt => 1 + usize::from(*rest.first()?),
        Part::Hash => 1 + usize::from(*rest.first().filter(|length| **length > 0)?),
        Part::Texts | Part::Hex | Part::Base64 => Some(rest.len()).filter(|length| *length > 0)?,
        Part::Types => is_bitmap(rest).then_some(rest.len())?,
        Part::Tag => tag_octets(rest)?,
        Part::Tail => rest.len(),
        Part::Eui48 => 6,
        Part::Eui64 => 8,
        Part::Params => svcb::is_sound(rest).then_some(rest.len())?,
        Part::Location => loc::is_sound(rest).then_some(rest.len())?,
        Part::Prefixes => prefixes::is_sound(rest).then_some(rest.len())?,
    })
}

fn tag_octets(rest: &[u8]) -> Option<usize> {
    let length = usize::from(*rest.first()?);
    is_tag(rest.get(1..=length)?).then_some(1 + length)
}

fn is_bitmap(mut rest: &[u8]) -> bool {
    let mut last = None;
    while let [window, length, tail @ ..] = rest {
        let length = usize::from(*length);
        if last >= Some(*window)
            || !(1..=32).contains(&length)
            || tail.len() < length
            || tail[length - 1] == 0
        {
            return false;
        }
        last = Some(*window);
        rest = &tail[length..];
    }
    rest.is_empty()
}
