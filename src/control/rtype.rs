//! Record types between people and numbers: `MX` is 15, and what has no mnemonic is `TYPE65280` (RFC 3597
//! section 5).

use std::str::FromStr;

use hickory_proto::rr::RecordType;

/// Reads a mnemonic or `TYPEnnn`, in any case.
pub fn parse(text: &str) -> Option<u16> {
    let upper = text.to_ascii_uppercase();
    let known = RecordType::from_str(&upper).ok().filter(|known| !matches!(known, RecordType::Unknown(_)));
    match known {
        Some(known) => Some(known.into()),
        None => upper.strip_prefix("TYPE")?.parse().ok(),
    }
}

/// The mnemonic, or `TYPEnnn`.
pub fn show(rtype: u16) -> String {
    let text = RecordType::from(rtype).to_string();
    // What the library can't name in a way that reads back is shown by its number.
    if parse(&text) == Some(rtype) { text } else { format!("TYPE{rtype}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back() {
        for rtype in 0..=u16::MAX {
            assert_eq!(parse(&show(rtype)), Some(rtype), "{}", show(rtype));
        }
    }

    #[test]
    fn mnemonics_and_numbers() {
        assert_eq!(parse("aaaa"), Some(28));
        assert_eq!(parse("Type28"), Some(28));
        assert_eq!(parse("TYPE65536"), None);
        assert_eq!(parse("nonsense"), None);
        assert_eq!(show(65_280), "TYPE65280");
        assert_eq!(show(15), "MX");
    }
}
