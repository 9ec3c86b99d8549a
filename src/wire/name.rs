//! Domain names in wire form. Owns folding (RFC 4343), bounds (RFC 1035 section 3.1) and presentation
//! form; knows nothing of messages or compression.

use std::fmt;

/// Octets of a name in wire form, root label included (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 255;
/// Octets of a label (RFC 1035 section 2.3.4).
pub const MAX_LABEL: usize = 63;
/// Labels of a name without the root: each takes two octets or more.
const MAX_LABELS: usize = MAX_NAME / 2;

/// A domain name: uncompressed wire form, lower case, ended by the root label.
///
/// Order is canonical DNS order (RFC 4034 section 6.1): by label from the root on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Box<[u8]>);

/// What is wrong with a name's text or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    Empty,
    EmptyLabel,
    LabelTooLong,
    NameTooLong,
    BadEscape,
    NotWire,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Empty => "a name can't be empty; the root is written '.'",
            NameError::EmptyLabel => "a label between two dots is empty",
            NameError::LabelTooLong => "a label is longer than 63 octets",
            NameError::NameTooLong => "the name is longer than 255 octets",
            NameError::BadEscape => "'\\' must be followed by a character or by three digits up to 255",
            NameError::NotWire => "these bytes are not a name in wire form",
        })
    }
}

impl std::error::Error for NameError {}

impl Name {
    pub fn root() -> Name {
        Name(Box::new([0]))
    }

    /// Reads presentation form (RFC 1035 section 5.1: `\.` and `\DDD` escapes); relative names are taken
    /// as if they ended with a dot.
    pub fn parse(text: &str) -> Result<Name, NameError> {
        Ok(Name(fold(parse_wire(text.as_bytes())?)))
    }

    /// Takes uncompressed wire form of exactly one name, and folds it.
    pub fn from_wire(bytes: &[u8]) -> Result<Name, NameError> {
        match wire_len(bytes) {
            Some(len) if len == bytes.len() => Ok(Name(fold(bytes.to_vec()))),
            _ => Err(NameError::NotWire),
        }
    }

    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Labels without the root: `www.example.com` has 3.
    pub fn label_count(&self) -> usize {
        label_count(&self.0)
    }

    /// The name without its first label; none for the root.
    pub fn parent(&self) -> Option<Name> {
        parent(&self.0).map(|wire| Name(wire.into()))
    }

    /// True for the name itself and everything below `ancestor`.
    pub fn is_within(&self, ancestor: &Name) -> bool {
        is_within(&self.0, &ancestor.0)
    }

    /// `label` in front of this name.
    pub fn child(&self, label: &[u8]) -> Result<Name, NameError> {
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        if label.len() > MAX_LABEL {
            return Err(NameError::LabelTooLong);
        }
        if label.len() + 1 + self.0.len() > MAX_NAME {
            return Err(NameError::NameTooLong);
        }
        let mut wire = Vec::with_capacity(label.len() + 1 + self.0.len());
        wire.push(label.len() as u8);
        wire.extend_from_slice(label);
        wire.extend_from_slice(&self.0);
        Ok(Name(fold(wire)))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        canonical_cmp(&self.0, &other.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_presentation(f, &self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_presentation(f, &self.0)
    }
}

/// Shows any uncompressed wire name in presentation form; the root is `.`, others end without a dot.
pub struct Presentation<'a>(pub &'a [u8]);

impl fmt::Display for Presentation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_presentation(f, self.0)
    }
}

/// Presentation form to wire form, spelling kept. A missing last dot is added.
pub fn parse_wire(text: &[u8]) -> Result<Vec<u8>, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text == b"." {
        return Ok(vec![0]);
    }
    let mut wire = vec![0u8];
    let mut label_at = 0;
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        if byte == b'.' {
            close_label(&mut wire, label_at)?;
            label_at = wire.len();
            wire.push(0);
            continue;
        }
        wire.push(if byte == b'\\' { unescape(&mut rest)? } else { byte });
    }
    if wire.len() - label_at > 1 {
        close_label(&mut wire, label_at)?;
        wire.push(0);
    }
    if wire.len() > MAX_NAME { Err(NameError::NameTooLong) } else { Ok(wire) }
}

fn close_label(wire: &mut [u8], label_at: usize) -> Result<(), NameError> {
    let len = wire.len() - label_at - 1;
    match len {
        0 => Err(NameError::EmptyLabel),
        1..=MAX_LABEL => {
            wire[label_at] = len as u8;
            Ok(())
        }
        _ => Err(NameError::LabelTooLong),
    }
}

fn unescape(rest: &mut impl Iterator<Item = u8>) -> Result<u8, NameError> {
    let first = rest.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u32::from(first - b'0');
    for _ in 0..2 {
        match rest.next() {
            Some(digit) if digit.is_ascii_digit() => value = value * 10 + u32::from(digit - b'0'),
            _ => return Err(NameError::BadEscape),
        }
    }
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

fn write_presentation(f: &mut fmt::Formatter<'_>, wire: &[u8]) -> fmt::Result {
    if wire.len() <= 1 {
        return f.write_str(".");
    }
    for (index, label) in labels(wire).enumerate() {
        if index > 0 {
            f.write_str(".")?;
        }
        for &byte in label {
            match byte {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => write!(f, "\\{}", byte as char)?,
                0x21..=0x7e => write!(f, "{}", byte as char)?,
                _ => write!(f, "\\{byte:03}")?,
            }
        }
    }
    Ok(())
}

/// Length of the uncompressed name at the start of `bytes`, root label included, if it is sound.
pub fn wire_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let len = usize::from(*bytes.get(at)?);
        if len > MAX_LABEL {
            return None;
        }
        at += 1 + len;
        if at > MAX_NAME {
            return None;
        }
        if len == 0 {
            return Some(at);
        }
    }
}

/// The labels of an uncompressed wire name, first to last, without the root.
pub fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    suffixes(wire).map_while(|suffix| match suffix[0] {
        0 => None,
        len => Some(&suffix[1..1 + usize::from(len)]),
    })
}

/// Labels of an uncompressed wire name without the root: 127 at most.
pub fn label_count(wire: &[u8]) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Some(&len @ 1..) = wire.get(at) {
        at += 1 + usize::from(len);
        count += 1;
    }
    count
}

/// The name itself, then each ancestor, the root last.
pub fn suffixes(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(wire), |name| parent(name))
}

/// The name without its first label; none for the root.
pub fn parent(wire: &[u8]) -> Option<&[u8]> {
    match wire.first() {
        None | Some(0) => None,
        Some(&len) => wire.get(1 + usize::from(len)..),
    }
}

/// Folded names: is `name` equal to `ancestor` or below it?
pub fn is_within(name: &[u8], ancestor: &[u8]) -> bool {
    name.len() >= ancestor.len() && name.ends_with(ancestor) && {
        let border = name.len() - ancestor.len();
        suffixes(name).any(|suffix| name.len() - suffix.len() == border)
    }
}

/// Canonical order (RFC 4034 section 6.1) of folded, uncompressed names: by label from the root on.
pub fn canonical_cmp(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
    let (mut mine, mut theirs) = ([0; MAX_LABELS], [0; MAX_LABELS]);
    let (mine, theirs) = (label_starts(one, &mut mine), label_starts(other, &mut theirs));
    for (&left, &right) in mine.iter().rev().zip(theirs.iter().rev()) {
        let order = label_at(one, left).cmp(label_at(other, right));
        if order.is_ne() {
            return order;
        }
    }
    mine.len().cmp(&theirs.len())
}

/// Where each label begins, the root not counted.
fn label_starts<'s>(wire: &[u8], starts: &'s mut [u8; MAX_LABELS]) -> &'s [u8] {
    let (mut at, mut count) = (0, 0);
    while let Some(&len @ 1..) = wire.get(at) {
        starts[count] = at as u8;
        count += 1;
        at += 1 + usize::from(len);
    }
    &starts[..count]
}

fn label_at(wire: &[u8], start: u8) -> &[u8] {
    let start = usize::from(start);
    &wire[start + 1..][..usize::from(wire[start])]
}

/// Case folding of RFC 4343: ASCII only. Length octets are below 64 and so never letters.
pub fn fold_in_place(wire: &mut [u8]) {
    wire.make_ascii_lowercase();
}

fn fold(mut wire: Vec<u8>) -> Box<[u8]> {
    fold_in_place(&mut wire);
    wire.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presentation_round_trip() {
        for text in ["www.example.com", ".", r"a\.b.example", r"\000\255.x", "_dmarc.example", r"a\\b"] {
            let name = Name::parse(text).unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(Name::parse(&format!("{name}")).unwrap(), name);
        }
        assert_eq!(Name::parse("WWW.Example.COM.").unwrap(), Name::parse("www.example.com").unwrap());
    }

    #[test]
    fn bad_text_is_refused() {
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(Name::parse(".."), Err(NameError::EmptyLabel));
        assert_eq!(Name::parse(&"a".repeat(64)), Err(NameError::LabelTooLong));
        assert_eq!(Name::parse(&"a.".repeat(128)), Err(NameError::NameTooLong));
        assert!(Name::parse(&"a.".repeat(127)).is_ok());
        for text in [r"a\", r"a\25", r"a\256", r"a\2x5"] {
            assert_eq!(Name::parse(text), Err(NameError::BadEscape), "{text}");
        }
    }

    #[test]
    fn ancestors_are_found_on_label_borders() {
        let corp = Name::parse("corp").unwrap();
        assert!(Name::parse("a.corp").unwrap().is_within(&corp));
        assert!(corp.is_within(&corp) && corp.is_within(&Name::root()));
        assert!(!Name::parse("xcorp").unwrap().is_within(&corp));
        // The ancestor's bytes end the name, but inside a label.
        assert!(!Name::parse(r"a\004corp").unwrap().is_within(&corp));
        assert!(!Name::root().is_within(&corp));
    }

    #[test]
    fn order_is_canonical() {
        // RFC 4034 section 6.1's own example, shortened to what presentation form can carry.
        let sorted =
            ["example", "a.example", "yljkjljk.a.example", "z.a.example", "zabc.a.example", "z.example"];
        let names: Vec<Name> = sorted.iter().map(|text| Name::parse(text).unwrap()).collect();
        let mut shuffled = names.clone();
        shuffled.reverse();
        shuffled.sort();
        assert_eq!(shuffled, names);
    }
}
