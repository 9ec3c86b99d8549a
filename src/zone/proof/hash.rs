//! NSEC3's hash (RFC 5155 section 5) and the fields of its records. Pure; bounded by the iterations that
//! `limits` lets through.

use sha1::{Digest, Sha1};

/// SHA-1, the only algorithm there is (RFC 5155 section 11).
const SHA1: u8 = 1;
/// The octets of such a hash.
const HASH: usize = 20;

/// A hash in base32hex and lower case, as the first label of an owner's name has it, the length left out. Its
/// order is that of the hash itself (RFC 4648 section 7).
pub type Label = [u8; HASH / 5 * 8];

/// How a chain's hashes are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    pub iterations: u16,
    pub salt: Box<[u8]>,
}

impl Parameters {
    /// The hash of a folded name in wire form: iterations + 1 rounds of SHA-1.
    pub fn label(&self, name: &[u8]) -> Label {
        let mut hasher = Sha1::new();
        hasher.update(name);
        hasher.update(&self.salt);
        let mut hash = hasher.finalize_reset();
        for _ in 0..self.iterations {
            hasher.update(hash);
            hasher.update(&self.salt);
            hash = hasher.finalize_reset();
        }
        base32hex(&hash.into())
    }
}

/// The first label of a name, without its length.
pub fn label_of(name: &[u8]) -> &[u8] {
    &name[1..1 + usize::from(name[0])]
}

pub fn base32hex(hash: &[u8; HASH]) -> Label {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let mut label = [0; HASH / 5 * 8];
    for (group, digits) in hash.chunks(5).zip(label.chunks_mut(8)) {
        let bits = group.iter().fold(0u64, |bits, &octet| bits << 8 | u64::from(octet));
        for (index, digit) in digits.iter_mut().enumerate() {
            *digit = DIGITS[(bits >> (35 - 5 * index) & 31) as usize];
        }
    }
    label
}

/// NSEC3's data up to the types (RFC 5155 section 3.2).
pub struct Record {
    pub opt_out: bool,
    pub next: Label,
}

/// The record among an NSEC3 RRset's data that belongs to a chain.
pub fn of_chain<'r>(mut set: impl Iterator<Item = &'r [u8]>, chain: &Parameters) -> Option<Record> {
    set.find_map(|rdata| {
        let head = Head::read(rdata)?;
        let (length, rest) = head.rest.split_first()?;
        let next = rest.get(..usize::from(*length))?.try_into().ok()?;
        let ours = head.iterations == chain.iterations && *head.salt == *chain.salt;
        // RFC 5155 section 8.2: records with flags that are not known are not looked at.
        (ours && head.flags <= 1).then(|| Record { opt_out: head.flags & 1 != 0, next: base32hex(next) })
    })
}

/// The parameters of a chain, from the data of the NSEC3PARAM that announces it (RFC 5155 section 4); none where
/// its flags keep it from use or its algorithm is not known.
pub fn announced(rdata: &[u8]) -> Option<Parameters> {
    let head = Head::read(rdata).filter(|head| head.flags == 0 && head.rest.is_empty())?;
    Some(Parameters { iterations: head.iterations, salt: head.salt.into() })
}

/// What the data of NSEC3 and NSEC3PARAM begins with.
struct Head<'r> {
    flags: u8,
    iterations: u16,
    salt: &'r [u8],
    rest: &'r [u8],
}

impl<'r> Head<'r> {
    fn read(rdata: &'r [u8]) -> Option<Head<'r>> {
        let &[SHA1, flags, high, low, salt_length, ref rest @ ..] = rdata else { return None };
        let (salt, rest) = rest.split_at_checked(usize::from(salt_length))?;
        Some(Head { flags, iterations: u16::from_be_bytes([high, low]), salt, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name::Name;

    /// The hashes of RFC 5155 appendix A.
    #[test]
    fn hashes_are_those_of_the_rfc() {
        let parameters = Parameters { iterations: 12, salt: [0xaa, 0xbb, 0xcc, 0xdd].into() };
        for (name, hash) in [
            ("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            ("a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
            ("ai.example", "gjeqe526plbf1g8mklp59enfd789njgi"),
            ("ns1.example", "2t7b4g4vsa5smi47k61mv5bv1a22bojr"),
            ("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
            ("x.y.w.example", "2vptu5timamqttgl4luu9kg21e0aor3s"),
            ("xx.example", "t644ebqk9bibcna874givr6joj62mlhv"),
        ] {
            let label = parameters.label(Name::parse(name).unwrap().as_wire());
            assert_eq!(std::str::from_utf8(&label).unwrap(), hash, "{name}");
        }
    }
}
