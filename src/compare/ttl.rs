//! Is a TTL another one, or is it only older? A cache's TTL falls, and tells no more than a lower bound of what its
//! owner wrote; one that does not fall is what was written. Pure.

use std::time::Duration;

use super::heard::{Heard, Pass, Said, negative_ttl};
use crate::wire::header::bit;
use crate::wire::rdata::rtype;

/// What is known of a TTL as its owner wrote it.
#[derive(Clone, Copy)]
struct Bounds {
    at_least: u32,
    /// None: it was falling, or had just been fetched anew.
    at_most: Option<u32>,
}

impl Bounds {
    fn of(first: u32, second: u32) -> Bounds {
        Bounds { at_least: first.max(second), at_most: (first == second).then_some(second) }
    }

    /// Whether they can't be of one number, however far it may be off.
    fn exclude(self, other: Bounds, tolerance: u32) -> bool {
        let below = |one: Bounds, other: Bounds| {
            one.at_most.is_some_and(|most| other.at_least > most.saturating_add(tolerance))
        };
        below(self, other) || below(other, self)
    }
}

/// Whether two passes, some seconds apart, show that the servers have TTLs of different origin for some record
/// that both have, or for the absence that both tell of.
///
/// A name that was fetched anew between the passes may show the same TTL twice by chance. Then it is off by no
/// more than the time between them; so only where both servers claim authority is a second enough.
pub fn differ(first: &Pass, second: &Pass) -> bool {
    fn said(heard: &Heard) -> Option<&Said> {
        match heard {
            Heard::Said(said) => Some(said),
            _ => None,
        }
    }
    let all = [&first.old, &second.old, &first.new, &second.new].map(said);
    let [Some(old), Some(old_again), Some(new), Some(new_again)] = all else { return false };
    let authority = [old, old_again, new, new_again].into_iter().all(|said| said.has(bit::AA));
    let tolerance = if authority { 1 } else { 1 + seconds(second.at.saturating_duration_since(first.at)) };
    lines(old).into_iter().any(|(line, first)| {
        let ttl = |said: &Said| lines(said).into_iter().find(|(other, _)| *other == line).map(|(_, ttl)| ttl);
        let [Some(second), Some(third), Some(fourth)] = [old_again, new, new_again].map(ttl) else {
            return false;
        };
        Bounds::of(first, second).exclude(Bounds::of(third, fourth), tolerance)
    })
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// The RRsets of an answer, or the SOA of an absence, each with its lowest TTL.
fn lines(said: &Said) -> Vec<((&[u8], u16), u32)> {
    let made = said.answers.iter().any(|record| record.rtype == rtype::DNAME);
    let mut lines: Vec<((&[u8], u16), u32)> = Vec::new();
    for record in said.answers.iter().filter(|record| !(made && record.rtype == rtype::CNAME)) {
        let key = (&record.owner[..], record.rtype);
        match lines.iter_mut().find(|(line, _)| *line == key) {
            Some((_, ttl)) => *ttl = (*ttl).min(record.ttl),
            None => lines.push((key, record.ttl)),
        }
    }
    let absence =
        said.soa().filter(|soa| !lines.iter().any(|(line, _)| *line == (&soa.owner[..], rtype::SOA)));
    lines.extend(absence.map(|soa| ((&soa.owner[..], rtype::SOA), negative_ttl(soa))));
    lines
}
