//! Identical questions in flight are asked once, whichever worker they came to. Nobody is turned away for
//! being one too many: each waits for the one answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

use super::FlightId;
use crate::wire::answer::Ask;

/// Everything that makes two questions the same, and the rule that answers them; in one allocation that the
/// flight and the table of those in flight share.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// Name in lower case, type, class; behind it the client subnet, if the endpoint is told it.
    octets: Arc<[u8]>,
    subnet_at: u16,
    /// Of the client's flags, those that a target has to know: RD, AD, CD.
    bits: u16,
    dnssec_ok: bool,
    /// The number of a view that shares nothing; 0: shared.
    own: u16,
    rule: u32,
    /// Of all that; only spreads locks and slots.
    pub hash: u32,
}

impl Question {
    /// A question of a rule (by its tag), for a view that shares nothing (by its number) or for all (0). `hash` is any
    /// hash of the rest.
    pub fn new(ask: &Ask<'_>, rule: u32, own: u16, hash: u32) -> Question {
        let octets = match ask.client_subnet {
            [] => ask.question.into(),
            subnet => [ask.question, subnet].concat().into(),
        };
        let subnet_at = ask.question.len() as u16;
        Question { octets, subnet_at, bits: ask.bits, dnssec_ok: ask.dnssec_ok, own, rule, hash }
    }

    /// Name in lower case, type, class.
    pub fn asked(&self) -> &[u8] {
        &self.octets[..usize::from(self.subnet_at)]
    }

    /// The tag of its rule.
    pub fn rule(&self) -> u32 {
        self.rule
    }

    /// The number of the view that it is for; 0: for all.
    pub fn own(&self) -> u16 {
        self.own
    }

    pub fn ask(&self) -> Ask<'_> {
        Ask {
            question: self.asked(),
            bits: self.bits,
            dnssec_ok: self.dnssec_ok,
            client_subnet: &self.octets[usize::from(self.subnet_at)..],
            edns: true,
        }
    }
}

/// A flight on one of the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pub worker: usize,
    pub flight: FlightId,
}

/// A question that somebody asks, and who else waits for it.
struct Entry {
    question: Question,
    lead: Seat,
    followers: Vec<Seat>,
}

const SHARDS: usize = 64;

pub struct InFlight {
    shards: [Mutex<HashTable<Entry>>; SHARDS],
}

/// What somebody with a question is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Role {
    /// Ask, and tell the others: `leave` names them.
    Lead,
    /// A flight on the same worker asks already.
    Join(FlightId),
    /// Another worker asks already, and will tell.
    Follow,
}

impl Default for InFlight {
    fn default() -> Self {
        InFlight { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl InFlight {
    pub fn join(&self, question: &Question, seat: Seat) -> Role {
        let mut shard = self.lock(question.hash);
        let hash = u64::from(question.hash);
        if let Some(entry) = shard.find_mut(hash, |entry| entry.question == *question) {
            if entry.lead.worker == seat.worker {
                return Role::Join(entry.lead.flight);
            }
            entry.followers.push(seat);
            return Role::Follow;
        }
        let entry = Entry { question: question.clone(), lead: seat, followers: Vec::new() };
        shard.insert_unique(hash, entry, |entry| u64::from(entry.question.hash));
        Role::Lead
    }

    /// Whether somebody asks it now.
    pub fn is_asked(&self, question: &Question) -> bool {
        let hash = u64::from(question.hash);
        self.lock(question.hash).find(hash, |entry| entry.question == *question).is_some()
    }

    /// The lead's question is over; gives those on other workers that wait to be told.
    pub fn leave(&self, question: &Question, lead: Seat) -> Vec<Seat> {
        let mut shard = self.lock(question.hash);
        match shard.find_entry(u64::from(question.hash), |entry| entry.lead == lead) {
            Ok(found) => found.remove().0.followers,
            Err(_) => Vec::new(),
        }
    }

    /// The leads of all questions of a rule (by its tag). Looks at every question in flight.
    pub fn leads_of(&self, rule: u32) -> Vec<Seat> {
        let mut leads = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            leads.extend(shard.iter().filter(|entry| entry.question.rule == rule).map(|entry| entry.lead));
        }
        leads
    }

    fn lock(&self, hash: u32) -> MutexGuard<'_, HashTable<Entry>> {
        self.shards[hash as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    fn question_of(subnet: &[u8], dnssec_ok: bool, rule: u32, own: u16) -> Question {
        let ask = Ask {
            question: &[1, b'a', 0, 0, 1, 0, 1],
            bits: 0x100,
            dnssec_ok,
            client_subnet: subnet,
            edns: true,
        };
        Question::new(&ask, rule, own, 3)
    }

    fn question(subnet: &[u8], dnssec_ok: bool, rule: u32) -> Question {
        question_of(subnet, dnssec_ok, rule, 0)
    }

    #[test]
    fn one_asks_and_all_are_told() {
        let in_flight = InFlight::default();
        let mut flights: SlotMap<FlightId, ()> = SlotMap::with_key();
        let mut seat = |worker| Seat { worker, flight: flights.insert(()) };
        let (lead, here, there) = (seat(0), seat(0), seat(1));
        assert_eq!(in_flight.join(&question(&[], false, 7), lead), Role::Lead);
        assert_eq!(in_flight.join(&question(&[], false, 7), here), Role::Join(lead.flight));
        assert_eq!(in_flight.join(&question(&[], false, 7), there), Role::Follow);
        let others = [
            question(&[], true, 7),
            question(&[], false, 8),
            question(&[0, 1, 24, 0], false, 7),
            question_of(&[], false, 7, 1),
        ];
        for other in others {
            assert_eq!(in_flight.join(&other, seat(2)), Role::Lead, "another question in some respect");
        }
        assert_eq!(in_flight.leads_of(7).len(), 4);
        assert_eq!(in_flight.leave(&question(&[], false, 7), lead), [there]);
        assert_eq!(in_flight.leave(&question(&[], false, 7), lead), []);
        assert_eq!(in_flight.join(&question(&[], false, 7), there), Role::Lead);
    }
}
