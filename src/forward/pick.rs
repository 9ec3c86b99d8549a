//! Which target is asked next: the best tier that has one left, and of two of its targets, drawn by chance,
//! the one with fewer questions outstanding. That steers off a silent target before any timeout tells.

use std::sync::Arc;

use rand::{Rng, RngExt};

use super::target::{State, Target};
use crate::wire::name::Name;

/// A named group of targets.
pub struct Endpoint {
    pub name: String,
    pub targets: Vec<Member>,
    /// Pass the client's EDNS client subnet on (RFC 7871).
    pub client_subnet: bool,
    /// Whose SOA a probe asks for: the first domain that a rule sends here.
    pub probe_domain: Name,
}

/// A target in an endpoint.
pub struct Member {
    pub target: Arc<Target>,
    /// In the server's own Availability Zone, or no zone is set anywhere.
    pub near: bool,
}

impl Member {
    /// Lower is asked first: what is known to work before what is not, near before far.
    fn tier(&self) -> u8 {
        2 * self.target.state() as u8 + u8::from(!self.near)
    }

    /// Where it stands, seen from this server.
    pub fn place(&self) -> &'static str {
        if self.near { "near" } else { "in another zone" }
    }

    /// Why it stands where it does in the order, for `explain`.
    pub fn standing(&self) -> String {
        let place = self.place();
        match self.target.state() {
            State::Healthy => format!("healthy, {place}"),
            state => format!("{}, asked only where nothing better is left", state.word()),
        }
    }
}

impl Endpoint {
    /// The next target to ask that is not in `tried`.
    pub fn pick(&self, tried: &[u16], random: &mut impl Rng) -> Option<usize> {
        let left = |(index, _): &(usize, &Member)| !tried.contains(&(*index as u16));
        let best = self.targets.iter().enumerate().filter(left).map(|(_, member)| member.tier()).min()?;
        let tier = || {
            let in_tier = move |(_, member): &(usize, &Member)| member.tier() == best;
            self.targets.iter().enumerate().filter(left).filter(in_tier).map(|(index, _)| index)
        };
        // Another thread may change a state between the passes; an empty tier falls back to any target left.
        let Some(count) = Some(tier().count()).filter(|count| *count > 0) else {
            return self.targets.iter().enumerate().find(left).map(|(index, _)| index);
        };
        let first = tier().nth(random.random_range(0..count))?;
        let second = tier().nth(random.random_range(0..count))?;
        let load = |index: usize| self.targets[index].target.outstanding();
        Some(if load(second) < load(first) { second } else { first })
    }

    /// All targets in the order in which they would be asked, for `explain`.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.targets.len()).collect();
        order.sort_by_key(|&index| (self.targets[index].tier(), self.targets[index].target.outstanding()));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn endpoint(near: &[bool]) -> Endpoint {
        let member = |(index, &near): (usize, &bool)| Member {
            target: Arc::new(Target::new(([127, 0, 0, index as u8 + 1], 53).into(), None, "e")),
            near,
        };
        let targets = near.iter().enumerate().map(member).collect();
        Endpoint { name: "e".into(), targets, client_subnet: false, probe_domain: Name::root() }
    }

    #[test]
    fn near_and_healthy_first() {
        let endpoint = endpoint(&[false, true, true]);
        let mut random = rand::rng();
        for _ in 0..100 {
            assert_ne!(endpoint.pick(&[], &mut random), Some(0));
        }
        assert_eq!(endpoint.pick(&[1, 2], &mut random), Some(0));
        endpoint.targets[1].target.lost(Instant::now());
        endpoint.targets[2].target.lost(Instant::now());
        assert_eq!(endpoint.pick(&[], &mut random), Some(0), "a healthy far target before suspect near ones");
        assert_eq!(endpoint.pick(&[0, 1, 2], &mut random), None);
        assert_eq!(endpoint.order()[0], 0);
    }

    #[test]
    fn fewer_outstanding_wins() {
        let endpoint = endpoint(&[true, true]);
        for _ in 0..5 {
            endpoint.targets[0].target.asked();
        }
        let mut random = rand::rng();
        let second = (0..1000).filter(|_| endpoint.pick(&[], &mut random) == Some(1)).count();
        // Both draws fall on the first target in a quarter of all cases.
        assert!((650..850).contains(&second), "{second}");
    }
}
