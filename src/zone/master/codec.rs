//! Hexadecimal, base64 (RFC 4648 section 4) and base32hex (section 7) as RDATA uses them, and the escapes
//! of a character-string. Nothing else.

/// Appends the octets of hexadecimal digits; false if they aren't any or are odd in number.
pub fn hex(text: &[u8], out: &mut Vec<u8>) -> bool {
    let pairs = text.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return false;
    }
    for pair in pairs {
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return false };
        out.push(high << 4 | low);
    }
    true
}

pub fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|value| value as u8)
}

/// Appends the octets of base64 text; false if it is not whole groups of four with sound padding.
pub fn base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return false;
    }
    unpack(&text[..text.len() - padding], 6, base64_value, out)
}

fn base64_value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Appends the octets of base32 text with the extended hex alphabet and no padding (RFC 5155 section 3.3).
pub fn base32hex(text: &[u8], out: &mut Vec<u8>) -> bool {
    unpack(text, 5, |byte| char::from(byte).to_digit(32).map(|value| value as u8), out)
}

/// Digits of `bits` bits each to octets; what is left over must be less than a digit and zero.
fn unpack(text: &[u8], bits: u32, value: impl Fn(u8) -> Option<u8>, out: &mut Vec<u8>) -> bool {
    let mut buffer = 0u32;
    let mut held = 0;
    for &byte in text {
        let Some(value) = value(byte) else { return false };
        buffer = buffer << bits | u32::from(value);
        held += bits;
        if held >= 8 {
            held -= 8;
            out.push((buffer >> held) as u8);
            buffer &= (1 << held) - 1;
        }
    }
    held < bits && buffer == 0
}

/// Appends a text with its escapes taken out (RFC 1035 section 5.1); false if one is malformed.
pub fn unescape(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(first) = rest.next() else { return false };
        if !first.is_ascii_digit() {
            out.push(first);
            continue;
        }
        let (Some(second), Some(third)) = (rest.next(), rest.next()) else { return false };
        if !second.is_ascii_digit() || !third.is_ascii_digit() {
            return false;
        }
        let value = u32::from(first - b'0') * 100 + u32::from(second - b'0') * 10 + u32::from(third - b'0');
        let Ok(octet) = u8::try_from(value) else { return false };
        out.push(octet);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(decode: impl Fn(&[u8], &mut Vec<u8>) -> bool, text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(text.as_bytes(), &mut out).then_some(out)
    }

    #[test]
    fn rfc_4648_section_10() {
        for (plain, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(decoded(base64, text).unwrap(), plain.as_bytes());
        }
        for (plain, text) in [("f", "CO"), ("fo", "CPNG"), ("foo", "cpnmu"), ("foobar", "CPNMUOJ1E8")] {
            assert_eq!(decoded(base32hex, text).unwrap(), plain.as_bytes());
        }
        for text in ["Z", "Zg=", "Zh==", "Zg==Zg==", "Z===", "Zm9*"] {
            assert_eq!(decoded(base64, text), None, "{text}");
        }
        assert_eq!(decoded(hex, "0aFF").unwrap(), [10, 255]);
        assert_eq!(decoded(hex, "0aF"), None);
        assert_eq!(decoded(unescape, "a\\\"b\\065\\\\").unwrap(), b"a\"bA\\");
        assert_eq!(decoded(unescape, r"\256"), None);
    }
}
