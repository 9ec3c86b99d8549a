//! APL records (RFC 3123): lists of address prefixes between text and octets.

use std::net::IpAddr;

use super::rdata::{MAX_RDATA, RdataFault, Words, shown, too_long};
use super::types::decimal;

const HELP: &str = "write as in 1:192.0.2.0/24 !2:2001:db8::/32 (RFC 3123 section 5)";

pub fn parse(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    while let Some(token) = words.next() {
        if prefix(token.text, out).is_none() {
            return Err(words.behind(format!("{} is not an address prefix", shown(token)), HELP));
        }
        if out.len() > MAX_RDATA {
            return Err(too_long(words));
        }
    }
    Ok(())
}

fn prefix(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let (family, rest) = text.split_once(':')?;
    let (address, length) = rest.split_once('/')?;
    let length: u8 = decimal(length.as_bytes())?;
    let (family, octets, bits) = match (family, address.parse().ok()?) {
        ("1", IpAddr::V4(address)) => (1u16, address.octets().to_vec(), 32),
        ("2", IpAddr::V6(address)) => (2u16, address.octets().to_vec(), 128),
        _ => return None,
    };
    if length > bits {
        return None;
    }
    // RFC 3123 section 4: trailing zero octets are left out.
    let used = octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    out.extend(family.to_be_bytes());
    out.extend([length, used as u8 | if negated { 0x80 } else { 0 }]);
    out.extend_from_slice(&octets[..used]);
    Some(())
}

/// Are these octets whole items, each with an address no longer than its family has?
pub fn is_sound(mut rest: &[u8]) -> bool {
    while let [f1, f2, length, used, tail @ ..] = rest {
        let octets = usize::from(used & 0x7f);
        let sound = match u16::from_be_bytes([*f1, *f2]) {
            1 => *length <= 32 && octets <= 4,
            2 => *length <= 128 && octets <= 16,
            _ => true,
        };
        let Some(after) = tail.get(octets..).filter(|_| sound) else { return false };
        rest = after;
    }
    rest.is_empty()
}
