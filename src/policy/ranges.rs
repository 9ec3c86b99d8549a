//! Sets of addresses as sorted ranges that neither touch nor overlap: what access lists are made of when they are
//! made ready. Pure.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// A set of addresses; those of IPv4 and IPv6 apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    pub fn all() -> Ranges {
        Ranges { v4: vec![(0, u32::MAX)], v6: vec![(0, u128::MAX)] }
    }

    pub fn of(networks: impl IntoIterator<Item = IpNet>) -> Ranges {
        let mut ranges = Ranges::default();
        for network in networks {
            match unmapped(network) {
                IpNet::V4(net) => ranges.v4.push((net.network().into(), net.broadcast().into())),
                IpNet::V6(net) => ranges.v6.push((net.network().into(), net.broadcast().into())),
            }
        }
        Ranges { v4: merged(ranges.v4), v6: merged(ranges.v6) }
    }

    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => holds(&self.v4, u32::from(address)),
            // A client of a dual-stack socket is the IPv4 host that it is.
            IpAddr::V6(address) => match mapped(address) {
                Some(v4) => holds(&self.v4, v4),
                None => holds(&self.v6, u128::from(address)),
            },
        }
    }

    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Takes the other's addresses in too.
    pub fn add(&mut self, other: &Ranges) {
        let (v4, v6) = (std::mem::take(&mut self.v4), std::mem::take(&mut self.v6));
        self.v4 = merged([v4, other.v4.clone()].concat());
        self.v6 = merged([v6, other.v6.clone()].concat());
    }

    /// What is here and not in the other.
    pub fn without(&self, other: &Ranges) -> Ranges {
        Ranges { v4: difference(&self.v4, &other.v4), v6: difference(&self.v6, &other.v6) }
    }
}

/// Numbers that addresses are.
trait Number: Ord + Copy {
    fn next(self) -> Option<Self>;
    fn previous(self) -> Option<Self>;
}

impl Number for u32 {
    fn next(self) -> Option<u32> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<u32> {
        self.checked_sub(1)
    }
}

impl Number for u128 {
    fn next(self) -> Option<u128> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<u128> {
        self.checked_sub(1)
    }
}

fn merged<T: Number>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if before.1.next().is_none_or(|next| first <= next) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// Both sorted and merged; so is what comes out.
fn difference<T: Number>(ranges: &[(T, T)], taken: &[(T, T)]) -> Vec<(T, T)> {
    let mut left = Vec::with_capacity(ranges.len());
    // A network beside 10,000 others meets few of them.
    let first = ranges.first().map_or(0, |&(first, _)| taken.partition_point(|&(_, end)| end < first));
    let mut taken = taken[first..].iter().copied().peekable();
    for &(first, last) in ranges {
        let mut rest = Some(first);
        while let (Some(from), Some(&(start, end))) = (rest, taken.peek()) {
            if end < from {
                taken.next();
                continue;
            }
            if start > last {
                break;
            }
            left.extend(start.previous().filter(|&to| to >= from).map(|to| (from, to)));
            rest = end.next().filter(|&next| next <= last);
        }
        left.extend(rest.map(|from| (from, last)));
    }
    left
}

fn holds<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= value);
    after > 0 && ranges[after - 1].1 >= value
}

fn mapped(address: Ipv6Addr) -> Option<u32> {
    address.to_ipv4_mapped().map(u32::from)
}

/// Mapped IPv4 addresses are never looked for under IPv6.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, prefix)| IpNet::new(address.into(), prefix).ok()).unwrap_or(network)
}
