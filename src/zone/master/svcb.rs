//! Parameters of SVCB and HTTPS records (RFC 9460 section 2.1 and appendix A): text to wire form, and
//! whether octets are sound parameters.

use super::codec;
use super::lexer::Token;
use super::rdata::{RdataFault, Words, shown};
use super::types::{decimal, strip_prefix};

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;

/// IANA's registry of parameter keys.
const KEYS: &[(&str, u16)] = &[
    ("mandatory", MANDATORY),
    ("alpn", ALPN),
    ("no-default-alpn", NO_DEFAULT_ALPN),
    ("port", PORT),
    ("ipv4hint", IPV4HINT),
    ("ech", ECH),
    ("ipv6hint", IPV6HINT),
    ("dohpath", 7),
    ("ohttp", 8),
];

const HELP: &str = "write key=value, as in alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.1";

/// Reads the parameters that are left; they are sorted by key, as the wire form asks.
pub fn parse(words: &mut Words<'_, '_>, out: &mut Vec<u8>) -> Result<(), RdataFault> {
    let mut params: Vec<(u16, Vec<u8>)> = Vec::new();
    while let Some(token) = words.next() {
        let (key, value) = split(token, words);
        let wire = key_number(key).and_then(|key| Some((key, value_wire(key, value)?)));
        let Some((key, wire)) = wire.filter(|(_, wire)| wire.len() <= usize::from(u16::MAX)) else {
            return Err(words.behind(format!("{} is not a sound parameter", shown(token)), HELP));
        };
        params.push((key, wire));
    }
    params.sort_by_key(|(key, _)| *key);
    if let Some(twice) = params.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(words.behind(format!("the parameter with key {} is there twice", twice[0].0), "keep one"));
    }
    if !is_consistent(&params) {
        let message = "a mandatory parameter is missing, or no-default-alpn stands without alpn".to_owned();
        return Err(words.behind(message, "add the parameter that is named (RFC 9460 sections 7.1 and 8)"));
    }
    for (key, value) in params {
        out.extend(key.to_be_bytes());
        out.extend((value.len() as u16).to_be_bytes());
        out.extend(value);
    }
    Ok(())
}

/// `key=value`, `key="value"` or `key`.
fn split<'a>(token: Token<'a>, words: &mut Words<'_, 'a>) -> (&'a [u8], Option<&'a [u8]>) {
    let Some(equals) = token.text.iter().position(|&byte| byte == b'=') else { return (token.text, None) };
    let (key, value) = (&token.text[..equals], &token.text[equals + 1..]);
    let quoted = words.peek().filter(|next| value.is_empty() && next.quoted && next.joined);
    match quoted {
        Some(quoted) => {
            words.next();
            (key, Some(quoted.text))
        }
        None => (key, Some(value)),
    }
}

fn key_number(key: &[u8]) -> Option<u16> {
    if let Some(digits) = strip_prefix(key, b"key") {
        return decimal(digits);
    }
    KEYS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(key)).map(|(_, number)| *number)
}

fn value_wire(key: u16, value: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    if !codec::unescape(value.unwrap_or_default(), &mut plain) {
        return None;
    }
    match key {
        MANDATORY => mandatory(&plain),
        ALPN => alpn(&plain),
        NO_DEFAULT_ALPN => plain.is_empty().then(Vec::new),
        PORT => decimal::<u16>(&plain).map(|port| port.to_be_bytes().to_vec()),
        IPV4HINT => {
            addresses(&plain, |text| Some(text.parse::<std::net::Ipv4Addr>().ok()?.octets().to_vec()))
        }
        IPV6HINT => {
            addresses(&plain, |text| Some(text.parse::<std::net::Ipv6Addr>().ok()?.octets().to_vec()))
        }
        ECH => {
            let mut wire = Vec::new();
            (codec::base64(&plain, &mut wire) && !wire.is_empty()).then_some(wire)
        }
        _ => Some(plain),
    }
}

fn mandatory(plain: &[u8]) -> Option<Vec<u8>> {
    let mut keys = plain.split(|&byte| byte == b',').map(key_number).collect::<Option<Vec<u16>>>()?;
    keys.sort_unstable();
    let sound = keys.is_sorted_by(|one, next| one < next) && !keys.contains(&MANDATORY);
    sound.then(|| keys.iter().flat_map(|key| key.to_be_bytes()).collect())
}

/// A list with commas, where `\,` and `\\` stand for themselves (RFC 9460 appendix A.1).
fn alpn(plain: &[u8]) -> Option<Vec<u8>> {
    let mut wire = vec![0];
    let mut length_at = 0;
    let mut rest = plain.iter().copied();
    loop {
        let byte = rest.next();
        if matches!(byte, None | Some(b',')) {
            wire[length_at] = u8::try_from(wire.len() - length_at - 1).ok().filter(|length| *length > 0)?;
            length_at = wire.len();
            wire.push(0);
        }
        match byte {
            None => break,
            Some(b',') => {}
            Some(b'\\') => wire.push(rest.next()?),
            Some(byte) => wire.push(byte),
        }
    }
    wire.pop();
    Some(wire)
}

fn addresses(plain: &[u8], parse: impl Fn(&str) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(plain).ok()?;
    let mut wire = Vec::new();
    for address in text.split(',') {
        wire.extend(parse(address)?);
    }
    Some(wire)
}

/// Every key listed as mandatory is there, and no-default-alpn comes with alpn.
fn is_consistent(params: &[(u16, Vec<u8>)]) -> bool {
    let has = |wanted: u16| params.iter().any(|(key, _)| *key == wanted);
    let mandatory =
        params.iter().filter(|(key, _)| *key == MANDATORY).flat_map(|(_, value)| value.chunks_exact(2));
    mandatory.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).all(has)
        && (!has(NO_DEFAULT_ALPN) || has(ALPN))
}

/// Are these octets parameters in rising order of keys, each with a sound value?
pub fn is_sound(mut rest: &[u8]) -> bool {
    let mut last = None;
    let mut params = Vec::new();
    while let [k1, k2, l1, l2, tail @ ..] = rest {
        let key = u16::from_be_bytes([*k1, *k2]);
        let Some(value) = tail.get(..usize::from(u16::from_be_bytes([*l1, *l2]))) else { return false };
        if last >= Some(key) || !is_value(key, value) {
            return false;
        }
        last = Some(key);
        rest = &tail[value.len()..];
        params.push((key, value.to_vec()));
    }
    rest.is_empty() && is_consistent(&params)
}

fn is_value(key: u16, value: &[u8]) -> bool {
    match key {
        MANDATORY => !value.is_empty() && value.len().is_multiple_of(2),
        ALPN => is_alpn(value),
        NO_DEFAULT_ALPN => value.is_empty(),
        PORT => value.len() == 2,
        IPV4HINT => !value.is_empty() && value.len().is_multiple_of(4),
        IPV6HINT => !value.is_empty() && value.len().is_multiple_of(16),
        ECH => !value.is_empty(),
        _ => true,
    }
}

fn is_alpn(mut rest: &[u8]) -> bool {
    let mut any = false;
    while let [length, tail @ ..] = rest {
        let Some(after) = tail.get(usize::from(*length)..) else { return false };
        if *length == 0 {
            return false;
        }
        any = true;
        rest = after;
    }
    any
}
