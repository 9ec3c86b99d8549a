//! How many queries a second each client may ask, where the configuration bounds that.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::cache::{Ticks, seconds};
use crate::limits::RATED_CLIENTS;

/// Counts by whole seconds: a client that asks at a steady rate below the bound is never told off, and one above it
/// gets what the bound allows at the beginning of each second.
pub struct ClientRates {
    /// Queries a second; 0 for no bound.
    most: u32,
    /// Draws a client's share; the quick kind of hash puts a thousand neighbours into half of the shares.
    random: foldhash::quality::RandomState,
    shares: Box<[Share; SHARES]>,
}

/// Some of the clients, so that workers seldom meet: with as many questions as there are, two of four workers would
/// else wait for each other's. On a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Share(Mutex<HashMap<IpAddr, Second, RandomState>>);

const SHARES: usize = 16;

struct Second {
    number: Ticks,
    asked: u32,
}

impl ClientRates {
    pub fn new(most: u32) -> ClientRates {
        ClientRates { most, random: Default::default(), shares: Box::default() }
    }

    /// Counts a query, and says whether it is within the client's rate. Without a bound that costs a comparison:
    /// inlined, since the call and its arguments took 30 to 40 instructions of a cached answer's 1,750.
    #[inline]
    pub fn allows(&self, client: &SocketAddr, now: Ticks) -> bool {
        self.most == 0 || self.count(client.ip(), now / seconds(1)) <= self.most
    }

    // Apart from the way of a query where nothing is bounded, as by default.
    #[cold]
    #[inline(never)]
    fn count(&self, client: IpAddr, number: Ticks) -> u32 {
        let client = subject(client);
        let share = self.random.hash_one(client) as usize % SHARES;
        let mut clients = self.shares[share].0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= RATED_CLIENTS / SHARES && !clients.contains_key(&client) {
            clients.retain(|_, second| second.number == number);
            if clients.len() >= RATED_CLIENTS / SHARES {
                // More clients in a second than are remembered: none of the others is told off for that.
                return 0;
            }
        }
        let second = clients.entry(client).or_insert(Second { number, asked: 0 });
        if second.number != number {
            *second = Second { number, asked: 0 };
        }
        second.asked = second.asked.saturating_add(1);
        second.asked
    }
}

/// Who is counted as one client: an IPv4 address; of IPv6 the /64 that one host has to itself (RFC 4291 section
/// 2.5.4).
fn subject(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            std::net::Ipv6Addr::from(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn allowed(rates: &ClientRates, client: &str, now: Ticks, times: usize) -> usize {
        (0..times).filter(|_| rates.allows(&(ip(client), 53).into(), now)).count()
    }

    #[test]
    fn each_client_has_its_own_seconds() {
        let rates = ClientRates::new(10);
        assert_eq!(allowed(&rates, "10.0.0.1", 8, 25), 10);
        assert_eq!(allowed(&rates, "10.0.0.1", 11, 25), 0, "the same second");
        assert_eq!(allowed(&rates, "10.0.0.2", 11, 25), 10);
        assert_eq!(allowed(&rates, "::ffff:10.0.0.2", 11, 5), 0, "the same client");
        assert_eq!(allowed(&rates, "10.0.0.1", 12, 25), 10);
        assert_eq!(allowed(&rates, "2001:db8::1", 12, 6) + allowed(&rates, "2001:db8::2", 12, 6), 10);
        assert_eq!(allowed(&ClientRates::new(0), "10.0.0.1", 0, 1000), 1000);
    }

    #[test]
    fn memory_is_bounded_and_old_clients_are_forgotten() {
        let rates = ClientRates::new(1);
        let known = || rates.shares.iter().map(|share| share.0.lock().unwrap().len()).sum::<usize>();
        let all_ask = |now| {
            // More than fit, by so much that no share has room left.
            let clients = (0..RATED_CLIENTS as u32 * 5 / 4).map(std::net::Ipv4Addr::from);
            clients.filter(|client| !rates.allows(&(*client, 53).into(), now)).count()
        };
        assert_eq!(all_ask(4), 0, "whoever is not remembered is not told off");
        assert_eq!(known(), RATED_CLIENTS);
        assert!(all_ask(4) > RATED_CLIENTS / 2, "the others are");
        let late = |host: u32| rates.allows(&(std::net::Ipv4Addr::from(0x0a00_0000 + host), 53).into(), 8);
        assert!((0..1000).all(late));
        assert_eq!(known(), 1000, "each share forgets those of an earlier second when it needs their room");
    }
}
