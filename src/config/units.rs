//! Durations and sizes as written, "1h30m" and "256MiB", both ways. Pure; bounds are the schema's.

use std::fmt;
use std::time::Duration;

/// Milliseconds of each unit, largest first: the order in which a duration is written.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Octets of each unit, the preferred way to write a size first.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitError {
    NoNumber,
    NoUnit,
    UnknownUnit,
    Order,
    TooLarge,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UnitError::NoNumber => "a whole number is missing",
            UnitError::NoUnit => "the unit is missing",
            UnitError::UnknownUnit => "the unit is unknown",
            UnitError::Order => "units go from the largest to the smallest, each once",
            UnitError::TooLarge => "the number is too large",
        })
    }
}

impl std::error::Error for UnitError {}

/// "10s", "500ms", "1h30m", "1d".
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (mut millis, mut next_unit, mut rest) = (0u64, 0, text);
    loop {
        let (number, unit, after) = part(rest)?;
        let index = TIMES.iter().position(|&(name, _)| name == unit).ok_or(UnitError::UnknownUnit)?;
        if index < next_unit {
            return Err(UnitError::Order);
        }
        let added = number.checked_mul(TIMES[index].1).ok_or(UnitError::TooLarge)?;
        millis = millis.checked_add(added).ok_or(UnitError::TooLarge)?;
        if after.is_empty() {
            return Ok(Duration::from_millis(millis));
        }
        (next_unit, rest) = (index + 1, after);
    }
}

/// Whole milliseconds; what is smaller is left out.
pub fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in TIMES {
        if millis >= size {
            text.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    text
}

/// "0B", "64KiB", "256MiB", "1GiB"; KB, MB, GB and TB are powers of ten.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, unit, after) = part(text)?;
    if !after.is_empty() {
        return Err(UnitError::UnknownUnit);
    }
    let (_, size) = SIZES.iter().find(|&&(name, _)| name == unit).ok_or(UnitError::UnknownUnit)?;
    number.checked_mul(*size).ok_or(UnitError::TooLarge)
}

/// The largest unit that needs no fraction.
pub fn format_size(octets: u64) -> String {
    let exact = SIZES.iter().find(|&&(_, size)| octets >= size && octets.is_multiple_of(size));
    exact.map_or("0B".to_owned(), |(unit, size)| format!("{}{unit}", octets / size))
}

/// A number, its unit, and what follows.
fn part(text: &str) -> Result<(u64, &str, &str), UnitError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let (unit, after) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
    match (number.is_empty(), unit.is_empty()) {
        (true, _) => Err(UnitError::NoNumber),
        (_, true) => Err(UnitError::NoUnit),
        _ => Ok((number.parse().map_err(|_| UnitError::TooLarge)?, unit, after)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("90s", 90_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(format_duration(Duration::from_secs(90)), "1m30s");
        assert_eq!(format_duration(Duration::from_micros(10)), "0s");
        for (text, error) in [
            ("", UnitError::NoNumber),
            ("10", UnitError::NoUnit),
            ("s", UnitError::NoNumber),
            ("-1s", UnitError::NoNumber),
            ("1.5h", UnitError::UnknownUnit),
            ("10 s", UnitError::UnknownUnit),
            ("10S", UnitError::UnknownUnit),
            ("30m1h", UnitError::Order),
            ("1s1s", UnitError::Order),
            ("1h30", UnitError::NoUnit),
            ("99999999999999999999s", UnitError::TooLarge),
            ("999999999999999999d", UnitError::TooLarge),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, octets) in
            [("0B", 0), ("64KiB", 65_536), ("256MiB", 256 << 20), ("1GB", 1_000_000_000), ("1TiB", 1 << 40)]
        {
            assert_eq!(parse_size(text), Ok(octets), "{text}");
            assert_eq!(format_size(octets), text);
        }
        for text in ["1MiB2KiB", "1mib", "1M", "1 MiB", "1.5GiB"] {
            assert_eq!(parse_size(text), Err(UnitError::UnknownUnit), "{text}");
        }
        assert_eq!(parse_size("99999999TiB"), Err(UnitError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_formatted_parses_to_the_same(number: u64) {
            prop_assert_eq!(parse_size(&format_size(number)), Ok(number));
            let duration = Duration::from_millis(number);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_judged_without_panic(text in "[0-9a-zA-Zé. -]{0,12}") {
            if let Ok(octets) = parse_size(&text) {
                prop_assert_eq!(parse_size(&format_size(octets)), Ok(octets));
            }
            if let Ok(duration) = parse_duration(&text) {
                prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            }
        }
    }
}
