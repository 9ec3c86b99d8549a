//! Single words of `named.conf` as values: numbers, durations, sizes, networks. Pure; None is what BIND does not read
//! as such a value either.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

pub fn flag(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["yes", "true", "1"]) {
        Some(true)
    } else if is(["no", "false", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// Decimal, octal behind `0`, hexadecimal behind `0x`: up to 32 bits.
pub fn integer(text: &str) -> Option<u32> {
    let digits = |text: &str, base| match text.is_empty() || text.starts_with('+') {
        true => None,
        false => u32::from_str_radix(text, base).ok(),
    };
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return digits(hex, 16);
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => digits(octal, 8),
        _ => digits(text, 10),
    }
}

/// Octets: a number, or one with K, M or G behind it.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1u64),
    };
    decimal(number)?.checked_mul(unit)
}

pub fn percentage(text: &str) -> Option<u64> {
    decimal(text.strip_suffix('%')?)
}

fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `0.25`: at most five digits before the point and two behind it.
pub fn is_fixed_point(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str, most| text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole, 5) && digits(part, 2) && whole.len() + part.len() > 0
}

/// Seconds: a number, `1w2d3h4m5s` with any units in any order, or ISO 8601 (`P1DT12H`).
pub fn duration(text: &str) -> Option<u32> {
    match text.strip_prefix(['P', 'p']) {
        Some(iso) => iso_duration(iso),
        None => ttl(text),
    }
}

fn ttl(text: &str) -> Option<u32> {
    if let Ok(seconds) = text.parse::<u32>() {
        return (!text.starts_with('+')).then_some(seconds);
    }
    let unit = |unit| match unit {
        b'w' => Some(604_800),
        b'd' => Some(86_400),
        b'h' => Some(3_600),
        b'm' => Some(60),
        b's' => Some(1),
        _ => None,
    };
    units(text, unit)
}

/// A month has 31 days and a year 365, as BIND counts them. Weeks stand alone.
fn iso_duration(text: &str) -> Option<u32> {
    let upper = text.to_ascii_uppercase();
    let (date, time) = upper.split_once('T').unwrap_or((&upper, ""));
    if date.contains('W') && (date.matches(|c: char| c.is_ascii_alphabetic()).count() > 1 || !time.is_empty())
    {
        return None;
    }
    let date_unit = |unit| match unit {
        b'y' => Some(365 * 86_400),
        b'm' => Some(31 * 86_400),
        b'w' => Some(604_800),
        b'd' => Some(86_400),
        _ => None,
    };
    let time_unit = |unit| match unit {
        b'h' => Some(3_600),
        b'm' => Some(60),
        b's' => Some(1),
        _ => None,
    };
    units(date, date_unit)?.checked_add(units(time, time_unit)?)
}

/// Numbers with a unit behind each.
fn units(text: &str, unit: impl Fn(u8) -> Option<u64>) -> Option<u32> {
    let mut seconds = 0u64;
    let mut number = None;
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            let digit = u64::from(byte - b'0');
            number = Some(number.unwrap_or(0u64).checked_mul(10)?.checked_add(digit)?);
        } else {
            let added = number.take()?.checked_mul(unit(byte.to_ascii_lowercase())?)?;
            seconds = seconds.checked_add(added)?;
        }
    }
    match number {
        Some(_) => None,
        None => u32::try_from(seconds).ok(),
    }
}

/// Does BIND take a bare word for an address, right or wrong, and not for a name?
pub fn looks_like_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let is_octet = |part: &&str| part.len() <= 3 && part.parse::<u8>().is_ok() && !part.starts_with('+');
    let v4 = parts.len() <= 4 && parts.iter().all(is_octet);
    v4 || text.split('%').next().is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixError {
    Incomplete,
    Length(u32),
    HostBits(u32),
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrefixError::Incomplete => f.write_str("an address has four numbers, or a / behind it"),
            PrefixError::Length(length) => write!(f, "{length} is no length of a prefix of such addresses"),
            PrefixError::HostBits(length) => write!(f, "bits are set behind the prefix of {length}"),
        }
    }
}

/// A network: `10` with 8 is 10.0.0.0/8. Without a length, one address.
pub fn prefix(text: &str, length: Option<u32>) -> Result<IpNet, PrefixError> {
    let bare = text.split('%').next().unwrap_or(text);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return network(IpAddr::V6(address), length.unwrap_or(128));
    }
    let mut octets = [0; 4];
    let parts: Vec<u8> = bare.split('.').filter_map(|part| part.parse().ok()).collect();
    let known = parts.len().min(4);
    octets[..known].copy_from_slice(&parts[..known]);
    if known < 4 && length.is_none() {
        return Err(PrefixError::Incomplete);
    }
    network(IpAddr::V4(Ipv4Addr::from(octets)), length.unwrap_or(32))
}

fn network(address: IpAddr, length: u32) -> Result<IpNet, PrefixError> {
    let short = u8::try_from(length).map_err(|_| PrefixError::Length(length))?;
    let network = IpNet::new(address, short).map_err(|_| PrefixError::Length(length))?;
    match network.trunc() == network {
        true => Ok(network),
        false => Err(PrefixError::HostBits(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_what_bind_reads() {
        let good = [
            ("3600", 3600),
            ("1h30m", 5400),
            ("1D1W", 691_200),
            ("P1DT", 86_400),
            ("P", 0),
            ("PT", 0),
            ("p1w", 604_800),
            ("pt10m5s", 605),
            ("P1Y2M", 365 * 86_400 + 62 * 86_400),
        ];
        for (text, seconds) in good {
            assert_eq!(duration(text), Some(seconds), "{text}");
        }
        for text in ["1h30", "P1WT1H", "99999999999", "1x", "", "-1", "+1", "h"] {
            let expected = (text.is_empty()).then_some(0);
            assert_eq!(duration(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_and_numbers_are_what_bind_reads() {
        assert_eq!([size("10k"), size("1G"), size("16")], [Some(10_240), Some(1 << 30), Some(16)]);
        assert_eq!([size("10MB"), size("1T"), size("0x10"), size("99999999999999G")], [None; 4]);
        assert_eq!(
            [integer("0x35"), integer("065"), integer("53"), integer("0")],
            [Some(53), Some(53), Some(53), Some(0)]
        );
        assert_eq!([integer("53k"), integer("-1"), integer("4294967296"), integer("09")], [None; 4]);
    }

    #[test]
    fn networks_may_be_short() {
        assert_eq!(prefix("10", Some(8)).map(|net| net.to_string()), Ok("10.0.0.0/8".to_owned()));
        assert_eq!(prefix("10.1", None), Err(PrefixError::Incomplete));
        assert_eq!(prefix("10.0.0.1", Some(8)), Err(PrefixError::HostBits(8)));
        assert_eq!(prefix("10", Some(33)), Err(PrefixError::Length(33)));
        assert!(
            looks_like_address("10")
                && looks_like_address("fe80::1%eth0")
                && !looks_like_address("300.1.1.1")
        );
    }
}
