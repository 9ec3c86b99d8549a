//! What two answers to a question with DO (RFC 3225) differ in beside their data: signatures, proofs of what is not
//! there, and AD. Checks no signature: who made it is compared, and not when, as each cache has one of its own age.

use std::collections::BTreeSet;

use super::heard::{Record, Said};
use super::judge::{Difference, Side};
use super::question::Question;
use crate::wire::rdata::rtype;

/// Where fields of RRSIG data begin (RFC 4034 section 3.1).
const ALGORITHM: usize = 2;
const KEY_TAG: usize = 16;
const SIGNER: usize = 18;

/// The records that are not of DNSSEC's making, unless the question asks for signatures.
pub fn data<'a>(question: &Question, records: &'a [Record]) -> impl Iterator<Item = &'a Record> {
    let asked = question.rtype == rtype::RRSIG;
    records.iter().filter(move |record| asked || record.rtype != rtype::RRSIG)
}

/// The difference that matters most, if there is one.
pub fn difference(question: &Question, old: &Said, new: &Said) -> Option<Difference> {
    if !question.dnssec_ok {
        return None;
    }
    lacking(covered(old), covered(new))
        .or_else(|| lacking(proofs(question, old), proofs(question, new)))
        .map(Difference::Unsigned)
        .or_else(|| (signers(old) != signers(new)).then_some(Difference::Signers))
        .or_else(|| lacking(authentic(old), authentic(new)).map(Difference::Unvouched))
}

/// Whether the same keys signed the same, at another time.
pub fn of_other_times(question: &Question, old: &Said, new: &Said) -> bool {
    let signatures = |said: &Said| -> BTreeSet<Vec<u8>> {
        let of_type = said.answers.iter().filter(|record| record.rtype == rtype::RRSIG);
        of_type.map(|record| record.data.clone()).collect()
    };
    question.dnssec_ok && signatures(old) != signatures(new)
}

/// The side that does not have all that the other has.
fn lacking<T: Ord>(old: BTreeSet<T>, new: BTreeSet<T>) -> Option<Side> {
    match (old.is_subset(&new), new.is_subset(&old)) {
        (true, true) => None,
        (true, false) => Some(Side::Old),
        _ => Some(Side::New),
    }
}

fn signatures(records: &[Record]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let of_type = records.iter().filter(|record| record.rtype == rtype::RRSIG && record.data.len() >= SIGNER);
    of_type.map(|record| (&record.owner[..], &record.data[..]))
}

/// Owner and type of what is signed in the answer.
fn covered(said: &Said) -> BTreeSet<(&[u8], [u8; ALGORITHM])> {
    signatures(&said.answers).filter_map(|(owner, data)| Some((owner, *data.first_chunk()?))).collect()
}

/// Owner, type, algorithm, key tag and signer.
type Signature<'a> = (&'a [u8], [u8; ALGORITHM], u8, &'a [u8], &'a [u8]);

/// Whose signatures are in the answer.
fn signers(said: &Said) -> BTreeSet<Signature<'_>> {
    let signer = |data: &'_ [u8]| crate::wire::name::wire_len(&data[SIGNER..]);
    signatures(&said.answers)
        .filter_map(|(owner, data)| {
            let name = &data[SIGNER..SIGNER + signer(data)?];
            Some((owner, *data.first_chunk()?, data[ALGORITHM], &data[KEY_TAG..SIGNER], name))
        })
        .collect()
}

/// Whether what is not there is proven, and by what (RFC 4035 section 3.1.3, RFC 5155 section 7.2). NSEC and NSEC3 are
/// as good, and a chain may be cut at other names.
fn proofs(question: &Question, said: &Said) -> BTreeSet<&'static str> {
    let proves = |record: &Record| matches!(record.rtype, rtype::NSEC | rtype::NSEC3);
    let proven = !said.has_data(question) && said.authority.iter().any(proves);
    proven.then_some("proven").into_iter().collect()
}

fn authentic(said: &Said) -> BTreeSet<&'static str> {
    said.has(crate::wire::header::bit::AD).then_some("AD").into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::heard::Heard;
    use crate::compare::heard::tests::said;
    use crate::compare::judge::{Verdict, folded, judge};
    use crate::wire::header::bit;
    use crate::wire::name::Name;

    fn question(dnssec_ok: bool) -> Question {
        Question { dnssec_ok, ..Question::new(Name::parse("www.example").expect("a name"), rtype::A) }
    }

    /// A signature over www.example A, from this moment on, by this key.
    fn signature(inception: u32, key_tag: u16) -> Record {
        let name = |text: &str| Name::parse(text).expect("a name").as_wire().to_vec();
        let mut data = vec![0, 1, 13, 2, 0, 0, 1, 44];
        data.extend_from_slice(&(inception + 86_400).to_be_bytes());
        data.extend_from_slice(&inception.to_be_bytes());
        data.extend_from_slice(&key_tag.to_be_bytes());
        data.extend_from_slice(&name("example"));
        data.extend_from_slice(&inception.to_be_bytes());
        let owner = name("www.example");
        Record { owner, rtype: rtype::RRSIG, rclass: 1, data, ttl: 300, capitals: false }
    }

    fn signed(signatures: &[Record]) -> Said {
        let mut said = said(0, "www.example 300 A 192.0.2.1");
        said.answers.extend_from_slice(signatures);
        said
    }

    fn verdict(old: &Said, new: &Said) -> Verdict {
        judge(&question(true), &Heard::Said(old.clone()), &Heard::Said(new.clone()))
    }

    #[test]
    fn signatures_of_other_times_are_no_difference() {
        let (old, new) = (signed(&[signature(1_000, 7)]), signed(&[signature(2_000, 7)]));
        assert_eq!(verdict(&old, &new), Verdict::Same);
        let words = folded(&question(true), &Heard::Said(old.clone()), &Heard::Said(new));
        assert_eq!(words, ["times of signatures"]);
        assert_eq!(verdict(&old, &old), Verdict::Same);
    }

    #[test]
    fn lost_signatures_and_other_keys_are() {
        let old = signed(&[signature(1_000, 7)]);
        assert_eq!(verdict(&old, &signed(&[])), Verdict::Differ(Difference::Unsigned(Side::New)));
        assert_eq!(verdict(&signed(&[]), &old), Verdict::Differ(Difference::Unsigned(Side::Old)));
        assert_eq!(verdict(&old, &signed(&[signature(1_000, 8)])), Verdict::Differ(Difference::Signers));
        let both = signed(&[signature(1_000, 8), signature(1_000, 7)]);
        assert_eq!(verdict(&old, &both), Verdict::Differ(Difference::Signers));
    }

    #[test]
    fn ad_matters_to_who_asked() {
        let plain = signed(&[signature(1_000, 7)]);
        let vouched = Said { bits: plain.bits | bit::AD, ..plain.clone() };
        assert_eq!(verdict(&vouched, &plain), Verdict::Differ(Difference::Unvouched(Side::New)));
        let (old, new) = (Heard::Said(vouched), Heard::Said(plain));
        assert_eq!(judge(&question(false), &old, &new), Verdict::Same);
    }

    #[test]
    fn absence_wants_its_proof() {
        let proof = Record { rtype: rtype::NSEC, ..signature(1_000, 7) };
        let none = said(3, "");
        let proven = Said { authority: vec![proof], ..none.clone() };
        assert_eq!(verdict(&proven, &none), Verdict::Differ(Difference::Unsigned(Side::New)));
        assert_eq!(verdict(&proven, &proven), Verdict::Same);
    }

    #[test]
    fn broken_signatures_do_no_harm() {
        for length in 0..SIGNER + 4 {
            let mut broken = signature(1_000, 7);
            broken.data.truncate(length);
            let _ = verdict(&signed(&[broken]), &signed(&[signature(1, 7)]));
        }
    }
}
