//! Transaction signatures (RFC 8945): found in messages, checked and put there. The time comes in as an argument,
//! and keys too; what an error means for the connection is the caller's to decide.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::header::{HEADER, u16_at};
use super::name::{self, Name};
use super::rdata::{class, rtype};
use super::records::{Malformed, read_name};

/// Seconds that two clocks may differ (RFC 8945 section 10).
pub const FUDGE: u16 = 300;
/// Messages of one stream that may follow one another unsigned (RFC 8945 section 5.3.1): "at least every 100".
const UNSIGNED: u32 = 99;

/// RFC 8945 section 6, without those that it forbids and the truncated ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    HmacSha1,
    HmacSha224,
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

impl Algorithm {
    pub const ALL: [Algorithm; 5] = [
        Algorithm::HmacSha1,
        Algorithm::HmacSha224,
        Algorithm::HmacSha256,
        Algorithm::HmacSha384,
        Algorithm::HmacSha512,
    ];

    /// The domain name that messages carry.
    fn wire(self) -> &'static [u8] {
        match self {
            Algorithm::HmacSha1 => b"\x09hmac-sha1\0",
            Algorithm::HmacSha224 => b"\x0bhmac-sha224\0",
            Algorithm::HmacSha256 => b"\x0bhmac-sha256\0",
            Algorithm::HmacSha384 => b"\x0bhmac-sha384\0",
            Algorithm::HmacSha512 => b"\x0bhmac-sha512\0",
        }
    }

    /// As people write it: without the last dot.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::HmacSha1 => "hmac-sha1",
            Algorithm::HmacSha224 => "hmac-sha224",
            Algorithm::HmacSha256 => "hmac-sha256",
            Algorithm::HmacSha384 => "hmac-sha384",
            Algorithm::HmacSha512 => "hmac-sha512",
        }
    }

    pub fn named(text: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text)
    }

    /// Of its hash.
    pub fn octets(self) -> usize {
        match self {
            Algorithm::HmacSha1 => 20,
            Algorithm::HmacSha224 => 28,
            Algorithm::HmacSha256 => 32,
            Algorithm::HmacSha384 => 48,
            Algorithm::HmacSha512 => 64,
        }
    }
}

/// What both sides know. Its secret is never shown.
pub struct Key {
    pub name: Name,
    pub algorithm: Algorithm,
    secret: Box<[u8]>,
}

impl Key {
    pub fn new(name: Name, algorithm: Algorithm, secret: &[u8]) -> Key {
        Key { name, algorithm, secret: secret.into() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.name)
    }
}

/// Errors of the TSIG record (RFC 8945 section 3).
pub mod error {
    pub const BADSIG: u16 = 16;
    pub const BADKEY: u16 = 17;
    pub const BADTIME: u16 = 18;
    pub const BADTRUNC: u16 = 22;
}

/// A TSIG record as it stands at the end of a message.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Where the record begins: the message without it ends here.
    at: usize,
    pub key: Name,
    algorithm: Name,
    time: u64,
    fudge: u16,
    mac: Vec<u8>,
    original_id: u16,
    pub error: u16,
    other: Vec<u8>,
}

/// Why a signature is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No key of this name and algorithm.
    BadKey,
    /// The octets are not what was signed, or not with this secret.
    BadSignature,
    /// The clocks differ by more than the fudge.
    BadTime,
    /// The signature is shorter than we take: whole ones only.
    BadTruncation,
    /// Its length is none that RFC 8945 section 5.2.2.1 allows.
    Malformed,
    /// A message that had to be signed is not.
    Unsigned,
    /// The other side refused ours, with this error.
    Told(u16),
}

impl Refusal {
    /// What goes into the TSIG record of the reply; 0 where FORMERR says it.
    pub fn code(self) -> u16 {
        match self {
            Refusal::BadKey => error::BADKEY,
            Refusal::BadSignature => error::BADSIG,
            Refusal::BadTime => error::BADTIME,
            Refusal::BadTruncation => error::BADTRUNC,
            Refusal::Malformed | Refusal::Unsigned => 0,
            Refusal::Told(code) => code,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::BadKey => f.write_str("signed with an unknown key or algorithm (BADKEY)"),
            Refusal::BadSignature => {
                f.write_str("the signature is wrong: another secret, or octets changed (BADSIG)")
            }
            Refusal::BadTime => f.write_str("signed at another time than now: clocks differ (BADTIME)"),
            Refusal::BadTruncation => f.write_str("the signature is truncated (BADTRUNC)"),
            Refusal::Malformed => f.write_str("the signature is malformed"),
            Refusal::Unsigned => f.write_str("not signed, and had to be"),
            Refusal::Told(error::BADSIG) => f.write_str("the other side finds our signature wrong (BADSIG)"),
            Refusal::Told(error::BADKEY) => f.write_str("the other side does not know the key (BADKEY)"),
            Refusal::Told(error::BADTIME) => f.write_str("the other side's clock differs (BADTIME)"),
            Refusal::Told(code) => write!(f, "the other side refused our signature (error {code})"),
        }
    }
}

/// The TSIG record of a message, which is its last, of class ANY and in the additional section (RFC 8945 section
/// 5.1): else the message is malformed.
pub fn find(message: &[u8]) -> Result<Option<Signature>, Malformed> {
    if message.len() < HEADER {
        return Err(Malformed);
    }
    let mut at = HEADER;
    for _ in 0..u16_at(message, 4) {
        at = skip_name(message, at).ok_or(Malformed)? + 4;
    }
    let counts = [6, 8, 10].map(|at| u32::from(u16_at(message, at)));
    let all: u32 = counts.iter().sum();
    for index in 0..all {
        let fixed = skip_name(message, at).ok_or(Malformed)?;
        let numbers = message.get(fixed..fixed + 10).ok_or(Malformed)?;
        let end = fixed + 10 + usize::from(u16_at(numbers, 8));
        let rdata = message.get(fixed + 10..end).ok_or(Malformed)?;
        if u16_at(numbers, 0) == rtype::TSIG {
            if index + 1 != all || counts[2] == 0 || u16_at(numbers, 2) != class::ANY || end != message.len()
            {
                return Err(Malformed);
            }
            let mut key = Vec::new();
            read_name(message, at, &mut key).ok_or(Malformed)?;
            return read_signature(at, &key, rdata).map(Some).ok_or(Malformed);
        }
        at = end;
    }
    Ok(None)
}

fn read_signature(at: usize, key: &[u8], rdata: &[u8]) -> Option<Signature> {
    let name_len = name::wire_len(rdata)?;
    let (algorithm, rest) = rdata.split_at(name_len);
    let (fixed, rest) = rest.split_first_chunk::<10>()?;
    let (mac, rest) = rest.split_at_checked(usize::from(u16_at(fixed, 8)))?;
    let (last, other) = rest.split_first_chunk::<6>()?;
    if other.len() != usize::from(u16_at(last, 4)) {
        return None;
    }
    Some(Signature {
        at,
        key: Name::from_wire(key).ok()?,
        algorithm: Name::from_wire(algorithm).ok()?,
        time: fixed[..6].iter().fold(0, |time, &octet| time << 8 | u64::from(octet)),
        fudge: u16_at(fixed, 6),
        mac: mac.to_vec(),
        original_id: u16_at(last, 0),
        error: u16_at(last, 2),
        other: other.to_vec(),
    })
}

fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

impl Signature {
    /// The message without its signature, as the signer had it.
    pub fn stripped(&self, message: &[u8]) -> Vec<u8> {
        let mut bare = message[..self.at].to_vec();
        bare[..2].copy_from_slice(&self.original_id.to_be_bytes());
        let additional = u16_at(&bare, 10).wrapping_sub(1);
        bare[10..12].copy_from_slice(&additional.to_be_bytes());
        bare
    }

    /// RFC 8945 section 4.3.3: what is signed beside the message.
    fn variables(&self, digest: &mut Digest) {
        digest.update(self.key.as_wire());
        digest.update(&class::ANY.to_be_bytes());
        digest.update(&[0; 4]);
        digest.update(self.algorithm.as_wire());
        self.timers(digest);
        digest.update(&self.error.to_be_bytes());
        digest.update(&(self.other.len() as u16).to_be_bytes());
        digest.update(&self.other);
    }

    /// RFC 8945 section 5.3.1: what is signed beside the later messages of a stream.
    fn timers(&self, digest: &mut Digest) {
        digest.update(&self.time.to_be_bytes()[2..]);
        digest.update(&self.fudge.to_be_bytes());
    }

    /// RFC 8945 section 5.2.2.1: "If "MAC size" field is greater than HMAC output length", or less than ten octets
    /// or half of it: FORMERR. We take whole ones only.
    fn check_length(&self, key: &Key) -> Result<(), Refusal> {
        let whole = key.algorithm.octets();
        if self.mac.len() > whole || self.mac.len() < (whole / 2).max(10) {
            return Err(Refusal::Malformed);
        }
        if self.mac.len() < whole { Err(Refusal::BadTruncation) } else { Ok(()) }
    }

    fn is_of(&self, key: &Key) -> bool {
        self.key == key.name && self.algorithm.as_wire() == key.algorithm.wire()
    }

    fn is_in_time(&self, now: u64) -> bool {
        self.time.abs_diff(now) <= u64::from(self.fudge)
    }

    fn append_to(&self, message: &mut Vec<u8>) {
        message.extend_from_slice(self.key.as_wire());
        message.extend(rtype::TSIG.to_be_bytes());
        message.extend(class::ANY.to_be_bytes());
        message.extend([0; 4]);
        let len = self.algorithm.as_wire().len() + 16 + self.mac.len() + self.other.len();
        message.extend((len as u16).to_be_bytes());
        message.extend_from_slice(self.algorithm.as_wire());
        message.extend(&self.time.to_be_bytes()[2..]);
        message.extend(self.fudge.to_be_bytes());
        message.extend((self.mac.len() as u16).to_be_bytes());
        message.extend_from_slice(&self.mac);
        message.extend(self.original_id.to_be_bytes());
        message.extend(self.error.to_be_bytes());
        message.extend((self.other.len() as u16).to_be_bytes());
        message.extend_from_slice(&self.other);
        let additional = u16_at(message, 10) + 1;
        message[10..12].copy_from_slice(&additional.to_be_bytes());
    }
}

/// A signed exchange from one side: the request, then each message that answers it.
#[derive(Clone)]
pub struct Chain {
    key: Arc<Key>,
    digest: Digest,
    first: bool,
    unsigned: u32,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages signed with {:?}", self.key)
    }
}

impl Chain {
    /// Checks a request's signature, in the order of RFC 8945 section 5.2: key, signature, time, truncation. With
    /// `BadTime` comes what the error is to be signed with (section 5.2.3).
    pub fn of_request(
        message: &[u8],
        signature: &Signature,
        key: Option<&Arc<Key>>,
        now: u64,
    ) -> Result<Chain, (Refusal, Option<Box<Chain>>)> {
        let Some(key) = key.filter(|key| signature.is_of(key)) else { return Err((Refusal::BadKey, None)) };
        let truncated = match signature.check_length(key) {
            Err(Refusal::Malformed) => return Err((Refusal::Malformed, None)),
            other => other,
        };
        let mut digest = Digest::new(key);
        digest.update(&signature.stripped(message));
        signature.variables(&mut digest);
        if !digest.matches(&signature.mac) {
            return Err((Refusal::BadSignature, None));
        }
        let chain = Chain::after(key, &signature.mac);
        if !signature.is_in_time(now) {
            return Err((Refusal::BadTime, Some(Box::new(chain))));
        }
        match truncated {
            Ok(()) => Ok(chain),
            Err(refusal) => Err((refusal, Some(Box::new(chain)))),
        }
    }

    fn after(key: &Arc<Key>, mac: &[u8]) -> Chain {
        let mut digest = Digest::new(key);
        digest.update(&(mac.len() as u16).to_be_bytes());
        digest.update(mac);
        Chain { key: Arc::clone(key), digest, first: true, unsigned: 0 }
    }

    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Octets that a signature of ours adds to a message.
    pub fn octets(&self) -> usize {
        octets(&self.key)
    }

    /// Signs the next message of the answer.
    pub fn sign(&mut self, message: &mut Vec<u8>, now: u64) {
        self.sign_with(message, now, 0, Vec::new());
    }

    /// Signs an error of the request's own signature (RFC 8945 section 5.2.3: BADTIME tells our time).
    pub fn sign_error(&mut self, message: &mut Vec<u8>, refusal: Refusal, request_time: u64, now: u64) {
        let (time, other) = match refusal {
            Refusal::BadTime => (request_time, now.to_be_bytes()[2..].to_vec()),
            _ => (now, Vec::new()),
        };
        self.sign_with(message, time, refusal.code(), other);
    }

    fn sign_with(&mut self, message: &mut Vec<u8>, time: u64, error: u16, other: Vec<u8>) {
        let mut signature = unsigned(&self.key, message, time, error, other);
        self.digest.update(message);
        match self.first {
            true => signature.variables(&mut self.digest),
            false => signature.timers(&mut self.digest),
        }
        let next = Digest::new(&self.key);
        signature.mac = std::mem::replace(&mut self.digest, next).finish();
        self.begin_next(&signature.mac);
        signature.append_to(message);
    }

    fn begin_next(&mut self, mac: &[u8]) {
        self.digest.update(&(mac.len() as u16).to_be_bytes());
        self.digest.update(mac);
        self.first = false;
        self.unsigned = 0;
    }

    /// Checks the next message of an answer to our request. Messages after the first may be unsigned, up to 99 in
    /// a row; `is_signed_to_here` says whether all so far is vouched for.
    pub fn check(&mut self, message: &[u8], now: u64) -> Result<(), Refusal> {
        let found = find(message).map_err(|Malformed| Refusal::Malformed)?;
        let Some(signature) = found else {
            self.unsigned += 1;
            if self.first || self.unsigned > UNSIGNED {
                return Err(Refusal::Unsigned);
            }
            self.digest.update(message);
            return Ok(());
        };
        if !signature.is_of(&self.key) {
            return Err(Refusal::BadKey);
        }
        if signature.mac.is_empty() && signature.error != 0 {
            return Err(Refusal::Told(signature.error));
        }
        signature.check_length(&self.key)?;
        self.digest.update(&signature.stripped(message));
        match self.first {
            true => signature.variables(&mut self.digest),
            false => signature.timers(&mut self.digest),
        }
        let next = Digest::new(&self.key);
        if !std::mem::replace(&mut self.digest, next).matches(&signature.mac) {
            return Err(Refusal::BadSignature);
        }
        self.begin_next(&signature.mac);
        if signature.error != 0 {
            return Err(Refusal::Told(signature.error));
        }
        if signature.is_in_time(now) { Ok(()) } else { Err(Refusal::BadTime) }
    }

    /// The last message of a stream is to be signed (RFC 8945 section 5.3.1).
    pub fn is_signed_to_here(&self) -> bool {
        !self.first && self.unsigned == 0
    }
}

/// Octets that a signature with `key` adds to a message.
pub fn octets(key: &Key) -> usize {
    key.name.as_wire().len() + 10 + key.algorithm.wire().len() + 16 + key.algorithm.octets()
}

/// Signs a request; the chain checks what answers it.
pub fn sign_request(message: &mut Vec<u8>, key: &Arc<Key>, now: u64) -> Chain {
    let mut signature = unsigned(key, message, now, 0, Vec::new());
    let mut digest = Digest::new(key);
    digest.update(message);
    signature.variables(&mut digest);
    signature.mac = digest.finish();
    let chain = Chain::after(key, &signature.mac);
    signature.append_to(message);
    chain
}

/// Puts an error's TSIG without signature under a reply (RFC 8945 section 5.2.1, 5.2.2: BADKEY and BADSIG).
pub fn append_error(message: &mut Vec<u8>, request: &Signature, refusal: Refusal) {
    let signature = Signature {
        at: message.len(),
        mac: Vec::new(),
        original_id: u16_at(message, 0),
        error: refusal.code(),
        other: Vec::new(),
        ..request.clone()
    };
    signature.append_to(message);
}

impl Signature {
    /// Seconds since 1970 at which it was made.
    pub fn time(&self) -> u64 {
        self.time
    }
}

fn unsigned(key: &Key, message: &[u8], time: u64, error: u16, other: Vec<u8>) -> Signature {
    Signature {
        at: message.len(),
        key: key.name.clone(),
        algorithm: Name::from_wire(key.algorithm.wire()).expect("the table holds names"),
        time,
        fudge: FUDGE,
        mac: Vec::new(),
        original_id: u16_at(message, 0),
        error,
        other,
    }
}

/// A running hash, keyed.
#[derive(Clone)]
enum Digest {
    Sha1(Hmac<Sha1>),
    Sha224(Hmac<Sha224>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl Digest {
    fn new(key: &Key) -> Digest {
        fn keyed<M: KeyInit>(secret: &[u8]) -> M {
            M::new_from_slice(secret).expect("HMAC takes keys of any length")
        }
        match key.algorithm {
            Algorithm::HmacSha1 => Digest::Sha1(keyed(&key.secret)),
            Algorithm::HmacSha224 => Digest::Sha224(keyed(&key.secret)),
            Algorithm::HmacSha256 => Digest::Sha256(keyed(&key.secret)),
            Algorithm::HmacSha384 => Digest::Sha384(keyed(&key.secret)),
            Algorithm::HmacSha512 => Digest::Sha512(keyed(&key.secret)),
        }
    }

    fn update(&mut self, octets: &[u8]) {
        match self {
            Digest::Sha1(mac) => mac.update(octets),
            Digest::Sha224(mac) => mac.update(octets),
            Digest::Sha256(mac) => mac.update(octets),
            Digest::Sha384(mac) => mac.update(octets),
            Digest::Sha512(mac) => mac.update(octets),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Digest::Sha1(mac) => mac.finalize().into_bytes().to_vec(),
            Digest::Sha224(mac) => mac.finalize().into_bytes().to_vec(),
            Digest::Sha256(mac) => mac.finalize().into_bytes().to_vec(),
            Digest::Sha384(mac) => mac.finalize().into_bytes().to_vec(),
            Digest::Sha512(mac) => mac.finalize().into_bytes().to_vec(),
        }
    }

    /// Whether the hash begins with these octets; takes the same time wherever they differ.
    fn matches(self, mac: &[u8]) -> bool {
        match self {
            Digest::Sha1(own) => own.verify_truncated_left(mac).is_ok(),
            Digest::Sha224(own) => own.verify_truncated_left(mac).is_ok(),
            Digest::Sha256(own) => own.verify_truncated_left(mac).is_ok(),
            Digest::Sha384(own) => own.verify_truncated_left(mac).is_ok(),
            Digest::Sha512(own) => own.verify_truncated_left(mac).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn key(algorithm: Algorithm) -> Arc<Key> {
        Arc::new(Key::new(Name::parse("xfr.example").unwrap(), algorithm, b"0123456789abcdef"))
    }

    fn message(id: u8) -> Vec<u8> {
        let mut message = vec![0, id, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(b"\x07example\0\0\x06\0\x01");
        message
    }

    fn taken(message: &[u8], key: &Arc<Key>, now: u64) -> Result<Chain, Refusal> {
        let signature = find(message).unwrap().expect("it is signed");
        Chain::of_request(message, &signature, Some(key), now).map_err(|(refusal, _)| refusal)
    }

    /// Both sides of an exchange with all algorithms: a request, an answer of many messages.
    #[test]
    fn what_one_side_signs_the_other_takes() {
        for algorithm in Algorithm::ALL {
            let key = key(algorithm);
            let mut request = message(1);
            let mut client = sign_request(&mut request, &key, NOW);
            assert_eq!(request.len(), message(1).len() + octets(&key));
            let mut server = taken(&request, &key, NOW + 299).unwrap();
            for number in 0..5 {
                let mut answer = message(number);
                // The second and third are unsigned.
                if number == 1 || number == 2 {
                    server.digest.update(&answer);
                } else {
                    server.sign(&mut answer, NOW);
                }
                client.check(&answer, NOW).unwrap();
                assert_eq!(client.is_signed_to_here(), number != 1 && number != 2);
            }
        }
    }

    #[test]
    fn what_is_changed_is_refused() {
        let key = key(Algorithm::HmacSha256);
        let mut request = message(1);
        sign_request(&mut request, &key, NOW);
        for at in 0..request.len() {
            let mut changed = request.clone();
            changed[at] ^= 1;
            // The ID may change on the way: the record has the original one.
            let refused = match find(&changed) {
                Ok(Some(_)) => taken(&changed, &key, NOW).is_err(),
                Ok(None) | Err(Malformed) => true,
            };
            // So may the TTL, which is no part of what is signed.
            let ttl = message(1).len() + key.name.as_wire().len() + 4;
            let free = at < 2 || (ttl..ttl + 4).contains(&at) || changed.eq_ignore_ascii_case(&request);
            assert!(refused || free, "octet {at}");
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        let key = key(Algorithm::HmacSha256);
        let mut request = message(1);
        sign_request(&mut request, &key, NOW);
        assert_eq!(taken(&request, &key, NOW + 301).unwrap_err(), Refusal::BadTime);
        assert_eq!(taken(&request, &key, NOW - 301).unwrap_err(), Refusal::BadTime);
        let other = Arc::new(Key::new(key.name.clone(), key.algorithm, b"another"));
        assert_eq!(taken(&request, &other, NOW).unwrap_err(), Refusal::BadSignature);
        let other = Arc::new(Key::new(key.name.clone(), Algorithm::HmacSha512, b"0123456789abcdef"));
        assert_eq!(taken(&request, &other, NOW).unwrap_err(), Refusal::BadKey);
        // A true signature cut to half, as RFC 8945 section 5.2.2.1 allows and we don't.
        for (kept, refusal) in
            [(16, Refusal::BadTruncation), (15, Refusal::Malformed), (0, Refusal::Malformed)]
        {
            let mut signature = find(&request).unwrap().unwrap();
            let mut cut = signature.stripped(&request);
            signature.mac.truncate(kept);
            signature.append_to(&mut cut);
            assert_eq!(taken(&cut, &key, NOW).unwrap_err(), refusal, "{kept} octets");
        }
    }

    /// Errors reach the client in the form that it can tell apart.
    #[test]
    fn errors_are_told_to_the_client() {
        let key = key(Algorithm::HmacSha1);
        let mut request = message(1);
        let mut client = sign_request(&mut request, &key, NOW);
        let signature = find(&request).unwrap().unwrap();
        let mut reply = message(1);
        append_error(&mut reply, &signature, Refusal::BadKey);
        assert_eq!(client.check(&reply, NOW), Err(Refusal::Told(error::BADKEY)));

        let mut client = sign_request(&mut message(1), &key, NOW);
        let refused = Chain::of_request(&request, &signature, Some(&key), NOW + 1000);
        let (refusal, chain) = refused.err().unwrap();
        let mut reply = message(1);
        chain.unwrap().sign_error(&mut reply, refusal, signature.time(), NOW + 1000);
        assert_eq!(client.check(&reply, NOW), Err(Refusal::Told(error::BADTIME)));
        assert_eq!(find(&reply).unwrap().unwrap().other, (NOW + 1000).to_be_bytes()[2..]);
    }

    #[test]
    fn too_many_unsigned_messages_end_a_stream() {
        let key = key(Algorithm::HmacSha256);
        let mut request = message(1);
        let mut client = sign_request(&mut request, &key, NOW);
        assert_eq!(client.check(&message(1), NOW), Err(Refusal::Unsigned), "the first has to be signed");
        let mut client = sign_request(&mut message(1), &key, NOW);
        let mut server = taken(&request, &key, NOW).unwrap();
        let mut answer = message(1);
        server.sign(&mut answer, NOW);
        client.check(&answer, NOW).unwrap();
        for _ in 0..99 {
            client.check(&message(1), NOW).unwrap();
        }
        assert_eq!(client.check(&message(1), NOW), Err(Refusal::Unsigned));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", key(Algorithm::HmacSha256)), "key xfr.example");
    }
}
