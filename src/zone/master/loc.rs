//! LOC records (RFC 1876): degrees, metres and precisions between text and 16 octets.

use super::rdata::{RdataFault, Words, shown};
use super::types::decimal;

const HELP: &str = "write as in 52 22 23.000 N 4 53 32.000 E -2.00m 10m 10m 10m (RFC 1876 section 3)";
/// The equator and the prime meridian in thousandths of a second of arc.
const MIDDLE: u32 = 1 << 31;
/// Altitudes count centimetres from 100 km below the reference spheroid.
const ALTITUDE_BASE_CM: i64 = 10_000_000;

pub fn parse(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    let latitude = angle(words, 90, b'N', b'S')?;
    let longitude = angle(words, 180, b'E', b'W')?;
    let altitude = metres(words)?.ok_or_else(|| words.ahead("the altitude is missing".to_owned(), HELP))?;
    let altitude = u32::try_from(altitude + ALTITUDE_BASE_CM)
        .map_err(|_| words.behind("the altitude is out of range".to_owned(), HELP))?;
    // Size, horizontal and vertical precision, by default 1 m, 10 km and 10 m.
    let mut precisions = [0x12, 0x16, 0x13];
    for precision in &mut precisions {
        if let Some(centimetres) = metres(words)? {
            *precision = exponent(centimetres)
                .ok_or_else(|| words.behind("this is not 0 to 90000000.00 metres".to_owned(), HELP))?;
        }
    }
    out.push(0);
    out.extend(precisions);
    out.extend(latitude.to_be_bytes());
    out.extend(longitude.to_be_bytes());
    out.extend(altitude.to_be_bytes());
    Ok(())
}

/// Degrees, minutes and seconds, the last two left out at will, and a hemisphere.
fn angle(words: &mut Words<'_, '_>, max: u32, plus: u8, minus: u8) -> Result<u32, RdataFault> {
    let mut thousandths = 0u32;
    for (unit, limit) in [(3_600_000, max), (60_000, 59), (1_000, 59)] {
        let Some(token) = words.next() else {
            return Err(words.ahead("degrees or the hemisphere are missing".to_owned(), HELP));
        };
        if unit != 3_600_000
            && let Some(value) = hemisphere(token.text, plus, minus, thousandths)
        {
            return Ok(value);
        }
        let value = if unit == 1_000 {
            fixed(token.text, 3).filter(|value| *value < 60_000)
        } else {
            decimal::<u32>(token.text).filter(|value| *value <= limit).map(|value| value * unit)
        };
        let Some(value) = value else {
            return Err(words.behind(format!("{} is out of range", shown(token)), HELP));
        };
        thousandths += value;
    }
    if thousandths > max * 3_600_000 {
        return Err(words.behind(format!("this is beyond {max} degrees"), HELP));
    }
    let last = words.next().and_then(|token| hemisphere(token.text, plus, minus, thousandths));
    last.ok_or_else(|| words.behind("the hemisphere is missing: N, S, E or W".to_owned(), HELP))
}

fn hemisphere(text: &[u8], plus: u8, minus: u8, thousandths: u32) -> Option<u32> {
    match text {
        [letter] if letter.eq_ignore_ascii_case(&plus) => Some(MIDDLE + thousandths),
        [letter] if letter.eq_ignore_ascii_case(&minus) => Some(MIDDLE - thousandths),
        _ => None,
    }
}

/// The next word as centimetres, if there is one.
fn metres(words: &mut Words<'_, '_>) -> Result<Option<i64>, RdataFault> {
    let Some(token) = words.next() else { return Ok(None) };
    let text = token.text.strip_suffix(b"m").or(token.text.strip_suffix(b"M")).unwrap_or(token.text);
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    match fixed(digits, 2).map(i64::from) {
        Some(value) => Ok(Some(if negative { -value } else { value })),
        None => Err(words.behind(format!("{} is not a length in metres", shown(token)), HELP)),
    }
}

/// A decimal fraction with at most `places` places, in units of the last place.
fn fixed(text: &[u8], places: usize) -> Option<u32> {
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let fraction = text.get(point + 1..).unwrap_or_default();
    if fraction.len() > places {
        return None;
    }
    let mut digits = text[..point].to_vec();
    digits.extend_from_slice(fraction);
    digits.resize(point + places, b'0');
    decimal(&digits)
}

/// Centimetres as mantissa and power of ten, four bits each (RFC 1876 section 2).
fn exponent(centimetres: i64) -> Option<u8> {
    let mut mantissa = u64::try_from(centimetres).ok()?;
    let mut power = 0u8;
    while mantissa > 9 {
        mantissa /= 10;
        power += 1;
    }
    (power <= 9).then_some((mantissa as u8) << 4 | power)
}

/// Version 0 is the only one whose octets mean something.
pub fn is_sound(rdata: &[u8]) -> bool {
    rdata.first().is_some_and(|&version| version != 0) || rdata.len() == 16
}
