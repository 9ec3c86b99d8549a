//! Who may wait for targets: a bounded number of clients and octets, shared out so that neither a dead endpoint nor
//! a noisy client can take the room of the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::limits::{WAITER_OCTETS, WAITING_OCTETS, WAITING_PER_WORKER};

/// Everyone may have as much room as is still free (Choudhury and Hahne 1998, with α = 1): one that hogs the line
/// stops at half of it, two at a third each, and something is always left for whoever comes new. A client may
/// have half as much as is free, so that one that hogs an endpoint leaves room in that endpoint's share too.
#[derive(Default)]
pub struct Line {
    waiting: usize,
    octets: usize,
    by_endpoint: Shares<usize>,
    by_client: Shares<IpAddr>,
}

struct Shares<K>(HashMap<K, usize, RandomState>);

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Shares(HashMap::default())
    }
}

/// A place in the line, to be given back.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    endpoint: Option<usize>,
    client: IpAddr,
    octets: usize,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The line as a whole.
    Line,
    /// The endpoint has its share of clients waiting.
    Endpoint,
    /// The client has its share of questions waiting.
    Client,
}

impl Full {
    pub fn why(self) -> &'static str {
        match self {
            Full::Line => "too many questions wait for targets",
            Full::Endpoint => "too many questions wait for this endpoint's targets",
            Full::Client => "too many questions of this client wait for targets",
        }
    }
}

impl Line {
    /// A place for a question of `len` octets. `endpoint` is any number that stands for the endpoint, as long as
    /// somebody waits for it; none while it is not known which one that will be.
    pub fn admit(&mut self, endpoint: Option<usize>, client: IpAddr, len: usize) -> Result<Place, Full> {
        let octets = WAITER_OCTETS + len;
        let free = WAITING_PER_WORKER.saturating_sub(self.waiting);
        if free == 0 || self.octets + octets > WAITING_OCTETS {
            return Err(Full::Line);
        }
        if endpoint.is_some_and(|endpoint| self.by_endpoint.of(&endpoint) >= free) {
            return Err(Full::Endpoint);
        }
        if self.by_client.of(&client) >= free / 2 {
            return Err(Full::Client);
        }
        self.waiting += 1;
        self.octets += octets;
        if let Some(endpoint) = endpoint {
            self.by_endpoint.add(endpoint);
        }
        self.by_client.add(client);
        Ok(Place { endpoint, client, octets })
    }

    pub fn leave(&mut self, place: Place) {
        self.waiting -= 1;
        self.octets -= place.octets;
        if let Some(endpoint) = place.endpoint {
            self.by_endpoint.remove(&endpoint);
        }
        self.by_client.remove(&place.client);
    }

    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

impl<K: Hash + Eq> Shares<K> {
    fn of(&self, key: &K) -> usize {
        self.0.get(key).copied().unwrap_or(0)
    }

    fn add(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    fn remove(&mut self, key: &K) {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    fn fill(line: &mut Line, endpoint: usize, from: u32) -> (usize, Full) {
        for number in 0.. {
            if let Err(full) = line.admit(Some(endpoint), client(from + number % 5000), 40) {
                return (number as usize, full);
            }
        }
        unreachable!("the line has an end")
    }

    #[test]
    fn a_dead_endpoint_leaves_room_for_the_others() {
        let mut line = Line::default();
        assert_eq!(fill(&mut line, 1, 0), (WAITING_PER_WORKER / 2, Full::Endpoint));
        let (second, full) = fill(&mut line, 2, 0);
        assert_eq!((second, full), (WAITING_PER_WORKER / 4, Full::Endpoint));
        assert!(line.admit(Some(3), client(9), 40).is_ok(), "and there is still room for a third");
    }

    #[test]
    fn a_noisy_client_leaves_room_for_the_others() {
        let mut line = Line::default();
        let mut places = Vec::new();
        let full = loop {
            match line.admit(Some(places.len()), client(1), 40) {
                Ok(place) => places.push(place),
                Err(full) => break full,
            }
        };
        assert_eq!((places.len(), full), (WAITING_PER_WORKER.div_ceil(3), Full::Client));
        assert!(line.admit(Some(0), client(2), 40).is_ok());
        places.into_iter().for_each(|place| line.leave(place));
        assert_eq!((line.waiting(), line.by_endpoint.0.len(), line.by_client.0.len()), (1, 1, 1));
    }

    #[test]
    fn octets_are_bounded_too() {
        let mut line = Line::default();
        let mut taken = 0;
        while line.admit(Some(taken), client(taken as u32), 65_535).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, WAITING_OCTETS / (WAITER_OCTETS + 65_535));
    }
}
