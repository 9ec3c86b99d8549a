//! An endpoint's addresses: a multiset, whatever their order. Adds before it removes, and never plans for fewer than two
//! that are attached.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::draft::Draft;
use super::stage::{Phase, Stage};
use super::step::{NewAddress, Step};
use super::{Field, text};
use crate::aws::world::{Address, Endpoint, State};
use crate::config::aws::{AddressFamily, EndpointAddress, ResolverEndpoint};
use crate::limits::{AWS_ENDPOINT_ADDRESSES, AWS_ENDPOINT_ADDRESSES_MAX, AWS_MIN_ATTACHED};

/// What becomes of one endpoint's addresses.
#[derive(Default)]
pub(super) struct Changed {
    pub fields: Vec<Field>,
    pub steps: Vec<(Stage, Step)>,
    /// IPv6 addresses that addresses get when the endpoint becomes DUALSTACK, by ID.
    pub ipv6: BTreeMap<String, Ipv6Addr>,
    /// What an earlier run began and hasn't seen the end of.
    pub waits: Vec<Step>,
    /// Something can't be removed before it is attached: what is coming must be waited for.
    pub reasons: Vec<String>,
}

pub(super) fn new(wish: &EndpointAddress) -> NewAddress {
    NewAddress { subnet: wish.subnet.clone(), ip: wish.ip, ipv6: wish.ipv6 }
}

/// The endpoint's addresses against those that are wished for.
pub(super) fn compare(draft: &mut Draft<'_>, wish: &ResolverEndpoint, id: &str, now: &Endpoint) -> Changed {
    let becomes_dual = now.family == AddressFamily::Ipv4 && wish.family == AddressFamily::DualStack;
    let pairs = pair(&wish.addresses, now, becomes_dual);
    let mut changed = Changed::default();
    for (index, address) in &pairs {
        let ipv6 = wish.addresses[*index].ipv6.filter(|_| becomes_dual);
        changed.ipv6.extend(ipv6.map(|ip| ((*address).to_owned(), ip)));
    }
    let kept = |id: &str| pairs.iter().any(|(_, kept)| *kept == id);
    let missing = (0..wish.addresses.len()).filter(|index| !pairs.iter().any(|(paired, _)| paired == index));
    let surplus = now.addresses.iter().filter(|(id, address)| !kept(id) && address.state != State::Going);
    let mut surgery = Surgery {
        endpoint: id,
        add: missing.map(|index| &wish.addresses[index]).collect(),
        remove: surplus.map(|(id, address)| (id.as_str(), address)).collect(),
        attached: now.addresses.values().filter(|address| is_attached(address)).count(),
        total: now.addresses.values().filter(|address| address.state != State::Going).count(),
        steps: Vec::new(),
    };
    changed.fields = surgery.fields();
    changed.reasons = surgery.reasons();
    changed.waits = waits(id, now, !changed.fields.is_empty());
    surgery.perform(draft, wish);
    changed.reasons.extend(
        surgery
            .early()
            .map(|()| "an address goes before its successor comes, while two others are attached".to_owned()),
    );
    changed.steps = surgery.steps;
    changed
}

/// What is being attached counts: it is waited for before anything else is done.
fn is_attached(address: &Address) -> bool {
    matches!(address.state, State::Ready | State::Coming)
}

/// What is coming, and what is going if others are to take its place.
fn waits(endpoint: &str, now: &Endpoint, is_changed: bool) -> Vec<Step> {
    let step = |(id, address): (&String, &Address)| match address.state {
        State::Coming => Some(Step::AddAddress { endpoint: endpoint.to_owned(), address: as_new(address) }),
        State::Going if is_changed => {
            Some(Step::RemoveAddress { endpoint: endpoint.to_owned(), address: id.clone() })
        }
        _ => None,
    };
    now.addresses.iter().filter_map(step).collect()
}

fn as_new(address: &Address) -> NewAddress {
    NewAddress { subnet: address.subnet.clone(), ip: address.ip, ipv6: address.ipv6 }
}

/// Wishes with what fulfils them: first those that name an address, then those that leave it to AWS, of which any in
/// the subnet will do. What is broken fulfils nothing.
fn pair<'a>(wishes: &[EndpointAddress], now: &'a Endpoint, becomes_dual: bool) -> Vec<(usize, &'a str)> {
    let mut pairs: Vec<(usize, &str)> = Vec::new();
    let is_chosen = |wish: &EndpointAddress| wish.ip.is_some() || wish.ipv6.is_some();
    for is_explicit in [true, false] {
        for (index, wish) in wishes.iter().enumerate().filter(|(_, wish)| is_chosen(wish) == is_explicit) {
            let mut fitting = now.addresses.iter().filter(|(id, address)| {
                is_attached(address)
                    && fulfils(address, wish, becomes_dual)
                    && !pairs.iter().any(|(_, taken)| taken == id)
            });
            if let Some((id, _)) = fitting.next() {
                pairs.push((index, id));
            }
        }
    }
    pairs
}

fn fulfils(address: &Address, wish: &EndpointAddress, becomes_dual: bool) -> bool {
    let has_ipv6 =
        |ip| address.ipv6 == Some(ip) || (becomes_dual && wish.ip.is_some() && address.ipv6.is_none());
    address.subnet == wish.subnet
        && wish.ip.is_none_or(|ip| address.ip == Some(ip))
        && wish.ipv6.is_none_or(has_ipv6)
}

struct Surgery<'a> {
    endpoint: &'a str,
    add: Vec<&'a EndpointAddress>,
    remove: Vec<(&'a str, &'a Address)>,
    attached: usize,
    total: usize,
    steps: Vec<(Stage, Step)>,
}

impl<'a> Surgery<'a> {
    fn fields(&self) -> Vec<Field> {
        let removed = self.remove.iter().map(|(_, address)| {
            let text = text::address(&address.subnet, address.ip, address.ipv6);
            match address.state {
                State::Broken => Field::removed("address", format!("{text} ({})", address.status)),
                _ => Field::removed("address", text),
            }
        });
        let added = self
            .add
            .iter()
            .map(|wish| Field::added("address", text::address(&wish.subnet, wish.ip, wish.ipv6)));
        removed.chain(added).collect()
    }

    fn reasons(&self) -> Vec<String> {
        let broken = self.remove.iter().filter(|(_, address)| address.state == State::Broken);
        broken
            .map(|(_, address)| {
                let text = text::address(&address.subnet, address.ip, address.ipv6);
                format!("AWS says of {text}: {}", address.status)
            })
            .collect()
    }

    /// Whether something is removed before all is added.
    fn early(&self) -> Option<()> {
        let is_early = |(stage, step): &(Stage, Step)| {
            stage.0 == Phase::Addresses && matches!(step, Step::RemoveAddress { .. })
        };
        self.steps.iter().any(is_early).then_some(())
    }

    fn perform(&mut self, draft: &mut Draft<'_>, wish: &ResolverEndpoint) {
        let quota = if draft.options.beyond_quotas {
            AWS_ENDPOINT_ADDRESSES_MAX
        } else {
            AWS_ENDPOINT_ADDRESSES.max(self.total)
        };
        // Those whose place is taken come last: by then as much is attached as can be.
        let (blocked, free): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.add).into_iter().partition(|wish| self.holder(wish).is_some());
        for wanted in free {
            if self.total >= quota && !self.make_room(None) {
                let about = format!("endpoint {}: there is no room for another address", wish.name);
                let help = format!(
                    "it has {}, and AWS allows {AWS_ENDPOINT_ADDRESSES} unless the quota was raised \
                     (then say --beyond-quotas): leave one out first",
                    self.total
                );
                draft.obstacle(about, help);
            }
            self.add(wanted);
        }
        for wanted in blocked {
            if let Some(holder) = self.holder(wanted)
                && !self.make_room(Some(holder))
            {
                let about = format!(
                    "endpoint {}: {} must go before it can come again, and fewer than two others would be attached",
                    wish.name,
                    text::address(&wanted.subnet, wanted.ip, wanted.ipv6),
                );
                draft.obstacle(
                    about,
                    "add another address for the meantime and apply; then take it out again",
                );
            }
            self.add(wanted);
        }
        for (id, address) in std::mem::take(&mut self.remove) {
            self.remove(Phase::AddressRemovals, id, address);
        }
    }

    /// Which address to be removed has an IP address that is wished for.
    fn holder(&self, wish: &EndpointAddress) -> Option<usize> {
        let holds = |address: &Address| {
            (wish.ip.is_some() && wish.ip == address.ip) || (wish.ipv6.is_some() && wish.ipv6 == address.ipv6)
        };
        self.remove.iter().position(|(_, address)| holds(address))
    }

    /// Removes this address before its time, or any; a broken one rather than one that answers. False if two others
    /// wouldn't be left.
    fn make_room(&mut self, which: Option<usize>) -> bool {
        let broken = || self.remove.iter().position(|(_, address)| !is_attached(address));
        let Some(index) = which.or_else(broken).or((!self.remove.is_empty()).then_some(0)) else {
            return false;
        };
        let (_, address) = self.remove[index];
        let others = self.attached - usize::from(is_attached(address));
        if others < AWS_MIN_ATTACHED {
            return false;
        }
        let (id, address) = self.remove.remove(index);
        self.remove(Phase::Addresses, id, address);
        true
    }

    fn add(&mut self, wish: &EndpointAddress) {
        let stage = self.next(Phase::Addresses);
        let endpoint = self.endpoint.to_owned();
        self.steps.push((stage, Step::AddAddress { endpoint, address: new(wish) }));
        (self.attached, self.total) = (self.attached + 1, self.total + 1);
    }

    fn remove(&mut self, phase: Phase, id: &str, address: &Address) {
        let stage = self.next(phase);
        let step = Step::RemoveAddress { endpoint: self.endpoint.to_owned(), address: id.to_owned() };
        self.steps.push((stage, step));
        self.attached = self.attached.saturating_sub(usize::from(is_attached(address)));
        self.total = self.total.saturating_sub(1);
    }

    fn next(&self, phase: Phase) -> Stage {
        Stage(phase, self.steps.len() as u32)
    }
}
