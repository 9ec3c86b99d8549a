//! Do two answers to one question differ in something that a client would notice? Pure; knows no server but as the
//! old one and the new one.
//!
//! What does not matter, since it says the same, or is between neighbours, or is how caches and recursion work:
//! order of records, case of names, TTLs that age, times of signatures, AA, RA, AD to who did not ask for it, the additional section,
//! the authority section beside data, EDNS, and truncation where TCP has it all.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::heard::{Cut, Heard, Record, Said, negative_ttl};
use super::question::Question;
use super::signatures;
use crate::wire::header::{bit, rcode, rcode_name};
use crate::wire::rdata::rtype;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Old,
    New,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Old => Side::New,
            Side::New => Side::Old,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Old => "OLD",
            Side::New => "NEW",
        })
    }
}

/// What differs. A side is the one that has less than the other, or fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Difference {
    NoAnswer(Side),
    Broken(Side),
    Rcode {
        old: u16,
        new: u16,
    },
    /// Too large for UDP, and not to be had over TCP.
    Truncated(Side),
    /// Aliases that lead further on the other side.
    ChainCut(Side),
    Referral(Side),
    NoData(Side),
    Records,
    Ttl,
    /// An absence of which only the other side says how long it may be believed.
    NoSoa(Side),
    /// An absence that is another zone's, or may be believed for another time.
    Soa,
    /// Asked with DO, it has no signature or proof where the other has.
    Unsigned(Side),
    /// Signatures of other keys.
    Signers,
    /// Asked with DO, it does not say that it or somebody before it validated the answer (AD).
    Unvouched(Side),
}

/// One word for each kind of difference: in JSON, and for those who accept a kind.
pub const WORDS: [&str; 12] = [
    "no-answer",
    "broken",
    "rcode",
    "truncated",
    "chain-cut",
    "referral",
    "no-data",
    "records",
    "ttl",
    "negative",
    "signatures",
    "ad",
];

impl Difference {
    pub fn word(self) -> &'static str {
        let index = match self {
            Difference::NoAnswer(_) => 0,
            Difference::Broken(_) => 1,
            Difference::Rcode { .. } => 2,
            Difference::Truncated(_) => 3,
            Difference::ChainCut(_) => 4,
            Difference::Referral(_) => 5,
            Difference::NoData(_) => 6,
            Difference::Records => 7,
            Difference::Ttl => 8,
            Difference::NoSoa(_) | Difference::Soa => 9,
            Difference::Unsigned(_) | Difference::Signers => 10,
            Difference::Unvouched(_) => 11,
        };
        WORDS[index]
    }

    /// Whether it is one of records, which names that change by themselves have too.
    pub fn is_of_records(self) -> bool {
        matches!(self, Difference::ChainCut(_) | Difference::NoData(_) | Difference::Records)
    }

    /// Whether it may be the work of time alone, so that two answers of each side have to be looked at.
    pub fn is_of_time(self) -> bool {
        matches!(self, Difference::Ttl | Difference::Soa)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::NoAnswer(side) => write!(f, "{side} does not answer"),
            Difference::Broken(side) => write!(f, "{side}'s reply can't be read"),
            Difference::Rcode { old, new } => {
                write!(f, "OLD says {}, NEW says {}", rcode_name(*old), rcode_name(*new))
            }
            Difference::Truncated(side) => write!(f, "{side}'s answer is truncated, and TCP has none"),
            Difference::ChainCut(side) => write!(f, "{side} does not follow the CNAME to its end"),
            Difference::Referral(side) => write!(f, "{side} gives a referral instead of an answer"),
            Difference::NoData(side) => write!(f, "{side} has no records of the type, {} has", side.other()),
            Difference::Records => write!(f, "the records differ"),
            Difference::Ttl => write!(f, "the TTLs differ"),
            Difference::NoSoa(side) => {
                write!(f, "{side} does not say how long the absence may be believed (no SOA)")
            }
            Difference::Soa => write!(f, "the absence is of another zone or for another time (SOA)"),
            Difference::Unsigned(side) => {
                write!(f, "{side} lacks signatures or proofs that {} gives (RRSIG, NSEC)", side.other())
            }
            Difference::Signers => write!(f, "the signatures are by other keys (RRSIG)"),
            Difference::Unvouched(side) => {
                write!(f, "{side} does not say that the answer was validated (AD), {} does", side.other())
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Same,
    /// Neither server gives an answer that can be read.
    Neither,
    Differ(Difference),
}

/// Lays two answers side by side. [`Difference::Ttl`] and [`Difference::Soa`] are suspicions as long as nobody has
/// looked at [`super::ttl`].
pub fn judge(question: &Question, old: &Heard, new: &Heard) -> Verdict {
    let differ = Verdict::Differ;
    match (old, new) {
        (Heard::Said(old), Heard::Said(new)) => difference(question, old, new).map_or(Verdict::Same, differ),
        (Heard::Said(_), Heard::Nothing(_)) => differ(Difference::NoAnswer(Side::New)),
        (Heard::Nothing(_), Heard::Said(_)) => differ(Difference::NoAnswer(Side::Old)),
        (Heard::Said(_), Heard::Broken(_)) => differ(Difference::Broken(Side::New)),
        (Heard::Broken(_), Heard::Said(_)) => differ(Difference::Broken(Side::Old)),
        _ => Verdict::Neither,
    }
}

fn difference(question: &Question, old: &Said, new: &Said) -> Option<Difference> {
    if old.rcode != new.rcode {
        return Some(Difference::Rcode { old: old.rcode, new: new.rcode });
    }
    match (old.cut, new.cut) {
        (Cut::Left, Cut::Left) => return None,
        (Cut::Left, _) => return Some(Difference::Truncated(Side::Old)),
        (_, Cut::Left) => return Some(Difference::Truncated(Side::New)),
        _ => {}
    }
    if !matches!(old.rcode, rcode::NOERROR | rcode::NXDOMAIN) {
        return None;
    }
    let difference = of_records(question, old, new).or_else(|| signatures::difference(question, old, new));
    difference.or_else(|| match ttls_differ(old, new) {
        true => Some(Difference::Ttl),
        false if old.has_data(question) => None,
        false => of_absence(old, new),
    })
}

type Key<'a> = (&'a [u8], u16, u16, &'a [u8]);

fn set<'a>(question: &Question, records: &'a [Record]) -> BTreeSet<Key<'a>> {
    signatures::data(question, records).map(Record::key).collect()
}

fn of_records(question: &Question, old: &Said, new: &Said) -> Option<Difference> {
    let (ours, theirs) = (set(question, &new.answers), set(question, &old.answers));
    if ours == theirs {
        return None;
    }
    // Who has less, if all that it has is on the other side too.
    let (lesser, side) = match (ours.is_subset(&theirs), theirs.is_subset(&ours)) {
        (true, _) => (new, Side::New),
        (_, true) => (old, Side::Old),
        _ => return Some(Difference::Records),
    };
    if lesser.is_referral() {
        return Some(Difference::Referral(side));
    }
    if lesser.answers.is_empty() && old.rcode == rcode::NOERROR {
        return Some(Difference::NoData(side));
    }
    let leads_on = lesser.tail(question.name.as_wire()) != question.name.as_wire();
    let ends = lesser.has_data(question) || lesser.soa().is_some();
    Some(if leads_on && !ends { Difference::ChainCut(side) } else { Difference::Records })
}

/// Records that both have, with TTLs more than a second apart. A CNAME that a DNAME makes has whatever TTL (RFC
/// 6672 section 3.1: 0 or the DNAME's).
fn ttls_differ(old: &Said, new: &Said) -> bool {
    let made = old.answers.iter().any(|record| record.rtype == rtype::DNAME);
    old.answers.iter().filter(|record| !(made && record.rtype == rtype::CNAME)).any(|record| {
        let other = new.answers.iter().find(|other| other.key() == record.key());
        other.is_some_and(|other| other.ttl.abs_diff(record.ttl) > 1)
    })
}

/// Of two answers that both say there is nothing.
fn of_absence(old: &Said, new: &Said) -> Option<Difference> {
    match (old.is_referral(), new.is_referral()) {
        (true, false) => return Some(Difference::Referral(Side::Old)),
        (false, true) => return Some(Difference::Referral(Side::New)),
        (true, true) => {
            let servers = |said: &Said| -> BTreeSet<(Vec<u8>, Vec<u8>)> {
                let of_type = said.authority.iter().filter(|record| record.rtype == rtype::NS);
                of_type.map(|record| (record.owner.clone(), record.data.clone())).collect()
            };
            return (servers(old) != servers(new)).then_some(Difference::Records);
        }
        (false, false) => {}
    }
    match (old.soa(), new.soa()) {
        (None, None) => None,
        (Some(_), None) => Some(Difference::NoSoa(Side::New)),
        (None, Some(_)) => Some(Difference::NoSoa(Side::Old)),
        (Some(old), Some(new)) => {
            let differ = old.owner != new.owner || negative_ttl(old).abs_diff(negative_ttl(new)) > 1;
            differ.then_some(Difference::Soa)
        }
    }
}

/// What two answers without a difference that matters differ in nevertheless, in words for the report.
pub fn folded(question: &Question, old: &Heard, new: &Heard) -> Vec<&'static str> {
    let (Heard::Said(old), Heard::Said(new)) = (old, new) else { return Vec::new() };
    let flag = |bit| old.has(bit) != new.has(bit);
    let capitals = |said: &Said| said.answers.iter().any(|record| record.capitals);
    let order = |said: &Said| {
        signatures::data(question, &said.answers)
            .map(|record| (record.owner.clone(), record.rtype, record.data.clone()))
            .collect::<Vec<_>>()
    };
    let table = [
        ("order of records", order(old) != order(new)),
        ("times of signatures", signatures::of_other_times(question, old, new)),
        ("case of names", capitals(old) != capitals(new)),
        ("AA", flag(bit::AA)),
        ("RA", flag(bit::RA)),
        ("AD", flag(bit::AD)),
        ("authority section", set(question, &old.authority) != set(question, &new.authority)),
        ("additional section", old.additional != new.additional),
        ("EDNS", old.edns != new.edns),
        ("truncated over UDP, whole over TCP", old.cut != new.cut),
    ];
    table.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::heard::tests::{said, with_authority};
    use crate::wire::name::Name;

    fn question(text: &str, rtype: u16) -> Question {
        Question::new(Name::parse(text).expect("a name"), rtype)
    }

    fn www() -> Question {
        question("www.example", rtype::A)
    }

    const DATA: &str = "www.example 300 A 192.0.2.1\nwww.example 300 A 192.0.2.2";
    const SOA: &str = "example 60 SOA ns.example h.example 1 2 3 4 60";

    fn verdict(old: &Said, new: &Said) -> Verdict {
        judge(&www(), &Heard::Said(old.clone()), &Heard::Said(new.clone()))
    }

    /// They are the same, and what they differ in is told in these words.
    fn assert_folded(old: &Said, new: &Said, words: &[&str]) {
        assert_eq!(verdict(old, new), Verdict::Same);
        assert_eq!(verdict(new, old), Verdict::Same);
        assert_eq!(folded(&www(), &Heard::Said(old.clone()), &Heard::Said(new.clone())), words);
    }

    #[test]
    fn nothing_differs() {
        assert_folded(&said(0, DATA), &said(0, DATA), &[]);
    }

    #[test]
    fn order_of_records() {
        let reversed = "www.example 300 A 192.0.2.2\nwww.example 300 A 192.0.2.1";
        assert_folded(&said(0, DATA), &said(0, reversed), &["order of records"]);
    }

    #[test]
    fn case_of_names() {
        let mut large = said(0, DATA);
        large.answers[0].capitals = true;
        assert_folded(&said(0, DATA), &large, &["case of names"]);
    }

    #[test]
    fn flags() {
        let with = |bits| Said { bits, ..said(0, DATA) };
        assert_folded(&said(0, DATA), &with(bit::AA), &["AA"]);
        assert_folded(&said(0, DATA), &with(bit::RA), &["RA"]);
        assert_folded(&said(0, DATA), &with(bit::AD), &["AD"]);
    }

    #[test]
    fn additional_section_and_edns() {
        let other = Said { additional: 3, edns: true, ..said(0, DATA) };
        assert_folded(&said(0, DATA), &other, &["additional section", "EDNS"]);
    }

    #[test]
    fn authority_section_of_positive_answers() {
        let other = with_authority(said(0, DATA), "example 300 NS ns.example");
        assert_folded(&said(0, DATA), &other, &["authority section"]);
    }

    #[test]
    fn truncation_that_tcp_heals() {
        let whole = Said { cut: Cut::WholeOverTcp, ..said(0, DATA) };
        assert_folded(&said(0, DATA), &whole, &["truncated over UDP, whole over TCP"]);
        let left = Said { cut: Cut::Left, ..said(0, "") };
        assert_eq!(verdict(&said(0, DATA), &left), Verdict::Differ(Difference::Truncated(Side::New)));
    }

    #[test]
    fn ttls_a_second_apart() {
        let older = DATA.replace("300", "299");
        assert_folded(&said(0, DATA), &said(0, &older), &[]);
        let other = DATA.replace("300", "298");
        assert_eq!(verdict(&said(0, DATA), &said(0, &other)), Verdict::Differ(Difference::Ttl));
    }

    #[test]
    fn ttls_of_what_a_dname_makes() {
        let chain = "example 300 DNAME net\nwww.example 300 CNAME www.net\nwww.net 300 A 192.0.2.1";
        let zero = chain.replace("www.example 300", "www.example 0");
        assert_folded(&said(0, chain), &said(0, &zero), &[]);
    }

    #[test]
    fn records_of_an_error_say_nothing() {
        assert_folded(&said(2, DATA), &said(2, ""), &["order of records"]);
    }

    #[test]
    fn response_codes() {
        let differ = Difference::Rcode { old: 0, new: 3 };
        assert_eq!(verdict(&said(0, DATA), &said(3, "")), Verdict::Differ(differ));
    }

    #[test]
    fn records() {
        let one = "www.example 300 A 192.0.2.1";
        let other = "www.example 300 A 192.0.2.1\nwww.example 300 A 192.0.2.3";
        for (old, new) in [(DATA, one), (one, DATA), (DATA, other)] {
            assert_eq!(verdict(&said(0, old), &said(0, new)), Verdict::Differ(Difference::Records));
        }
    }

    #[test]
    fn data_on_one_side() {
        let none = with_authority(said(0, ""), SOA);
        assert_eq!(verdict(&said(0, DATA), &none), Verdict::Differ(Difference::NoData(Side::New)));
        assert_eq!(verdict(&none, &said(0, DATA)), Verdict::Differ(Difference::NoData(Side::Old)));
        let referral = with_authority(said(0, ""), "www.example 300 NS ns.www.example");
        assert_eq!(verdict(&said(0, DATA), &referral), Verdict::Differ(Difference::Referral(Side::New)));
        assert_eq!(verdict(&referral, &none), Verdict::Differ(Difference::Referral(Side::Old)));
    }

    #[test]
    fn a_chain_that_is_cut() {
        let cut = "www.example 300 CNAME web.net";
        let whole = "www.example 300 CNAME web.net\nweb.net 300 A 192.0.2.1";
        let differ = |side| Verdict::Differ(Difference::ChainCut(side));
        assert_eq!(verdict(&said(0, whole), &said(0, cut)), differ(Side::New));
        assert_eq!(verdict(&said(0, cut), &said(0, whole)), differ(Side::Old));
        // The other side says that there is nothing at its end: no cut.
        let ended = with_authority(said(0, cut), SOA);
        assert_eq!(verdict(&said(0, whole), &ended), Verdict::Differ(Difference::Records));
        let asked = question("www.example", rtype::CNAME);
        let verdict = judge(&asked, &Heard::Said(said(0, cut)), &Heard::Said(said(0, cut)));
        assert_eq!(verdict, Verdict::Same);
    }

    #[test]
    fn absence() {
        let none = |soa: &str| with_authority(said(3, ""), soa);
        let other_serial = SOA.replace(" 1 2", " 7 2");
        assert_folded(&none(SOA), &none(&other_serial), &["authority section"]);
        let other_time = SOA.replace("4 60", "4 20");
        assert_eq!(verdict(&none(SOA), &none(&other_time)), Verdict::Differ(Difference::Soa));
        let other_zone = SOA.replace("example 60 ", "net 60 ");
        assert_eq!(verdict(&none(SOA), &none(&other_zone)), Verdict::Differ(Difference::Soa));
        assert_eq!(verdict(&none(SOA), &said(3, "")), Verdict::Differ(Difference::NoSoa(Side::New)));
        assert_eq!(verdict(&said(3, ""), &none(SOA)), Verdict::Differ(Difference::NoSoa(Side::Old)));
    }

    #[test]
    fn silence_and_noise() {
        let (data, nothing) = (Heard::Said(said(0, DATA)), Heard::Nothing("no answer in time".into()));
        let broken = Heard::Broken("reply ends inside a record".into());
        let differ = |difference| Verdict::Differ(difference);
        assert_eq!(judge(&www(), &data, &nothing), differ(Difference::NoAnswer(Side::New)));
        assert_eq!(judge(&www(), &nothing, &data), differ(Difference::NoAnswer(Side::Old)));
        assert_eq!(judge(&www(), &data, &broken), differ(Difference::Broken(Side::New)));
        assert_eq!(judge(&www(), &broken, &nothing), Verdict::Neither);
    }
}
