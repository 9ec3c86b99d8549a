//! `[[rule]]`: domains, and where their questions go. 100,000 of them must stay small.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::cache::{MAX_STALE_TTL, MAX_TTL};
use crate::config::reader::{At, Faults, Table, at, flag, list, one_of, string};
use crate::config::source::Place;
use crate::config::value::{domain, network, stale_after, ttl};
use crate::config::{Freshness, defaults};
use crate::wire::name::Name;

/// All rules, with what they list side by side: lists of their own would take more room than what is in them.
#[derive(Default)]
pub(in crate::config) struct WrittenRules {
    pub rules: Vec<WrittenRule>,
    /// Those of the first rule, then those of the next.
    pub domains: Vec<At<Name>>,
    pub networks: Vec<At<IpNet>>,
    /// The names of endpoints that rules have, each once.
    endpoints: Known,
    /// What rules say of freshness, each once, and the place of each in this list.
    pub freshness: Vec<OwnFreshness>,
    freshness_index: HashMap<OwnFreshness, u16, RandomState>,
}

/// What one rule says of freshness; what it leaves out is as in `[cache]`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(in crate::config) struct OwnFreshness {
    serve_stale: Option<bool>,
    stale_ttl_secs: Option<u32>,
    max_stale_secs: Option<u32>,
    stale_after: Option<Option<Duration>>,
    prefetch: Option<bool>,
}

impl OwnFreshness {
    pub fn over(&self, common: &Freshness) -> Freshness {
        Freshness {
            serve_stale: self.serve_stale.unwrap_or(common.serve_stale),
            stale_ttl_secs: self.stale_ttl_secs.unwrap_or(common.stale_ttl_secs),
            max_stale_secs: self.max_stale_secs.unwrap_or(common.max_stale_secs),
            stale_after: self.stale_after.unwrap_or(common.stale_after),
            prefetch: self.prefetch.unwrap_or(common.prefetch),
        }
    }
}

impl WrittenRules {
    /// The place of what a rule says among the configuration's list, whose first is what `[cache]` says. None if the
    /// list is full.
    fn freshness_at(&mut self, own: OwnFreshness) -> Option<u16> {
        if own == OwnFreshness::default() {
            return Some(0);
        }
        if let Some(known) = self.freshness_index.get(&own) {
            return Some(*known);
        }
        let index = u16::try_from(self.freshness.len() + 1).ok()?;
        self.freshness.push(own);
        self.freshness_index.insert(own, index);
        Some(index)
    }
}

type Known = HashSet<Rc<str>, RandomState>;

pub(in crate::config) struct WrittenRule {
    pub place: Place,
    /// How many of the domains and networks are this rule's.
    pub domains: usize,
    pub networks: usize,
    /// Some domain or network was written, right or wrong.
    pub names_domains: bool,
    /// None if a wrong word was written.
    pub action: Option<Action>,
    pub has_endpoint_key: bool,
    pub endpoint: Option<At<Rc<str>>>,
    pub follow_cname: bool,
    pub freshness: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Action {
    Forward,
    System,
}

pub(super) fn rule(table: &mut Table<'_>, rules: &mut WrittenRules, faults: &mut Faults) {
    let one = || at(string("\"corp.example\"", domain));
    let domain = table.optional("domain", one(), faults);
    let domains = table.optional("domains", list(one()), faults).unwrap_or_default();
    let reverse = table.optional("reverse", list(at(string("\"10.0.0.0/16\"", network))), faults);
    let networks = reverse.unwrap_or_default();
    let actions = one_of([("FORWARD", Action::Forward), ("SYSTEM", Action::System)]);
    let action = match table.has("type") {
        true => table.optional("type", actions, faults),
        false => table.optional("type", actions, faults).or(Some(Action::Forward)),
    };
    let endpoint = at(string("\"aws-inbound\"", |text| Ok(text.to_owned())));
    let endpoint = table.optional("endpoint", endpoint, faults);
    let own = OwnFreshness {
        serve_stale: table.optional("serve_stale", flag, faults),
        stale_ttl_secs: table.optional("stale_ttl", ttl(MAX_STALE_TTL), faults),
        max_stale_secs: table.optional("max_stale", ttl(MAX_TTL), faults),
        stale_after: table.optional("stale_after", stale_after, faults),
        prefetch: table.optional("prefetch", flag, faults),
    };
    let freshness = rules.freshness_at(own).unwrap_or_else(|| {
        let message = format!("rules say more than {} different things of stale answers", u16::MAX);
        faults.error("too-many-settings", &table.place, message, "let more of them say the same");
        0
    });
    rules.rules.push(WrittenRule {
        place: table.place.clone(),
        domains: usize::from(domain.is_some()) + domains.len(),
        networks: networks.len(),
        names_domains: ["domain", "domains", "reverse"].iter().any(|key| table.holds_something(key)),
        action,
        has_endpoint_key: table.has("endpoint"),
        endpoint: endpoint
            .map(|At { value, place }| At { value: shared(&mut rules.endpoints, &value), place }),
        follow_cname: table.optional("follow_cname", flag, faults).unwrap_or(defaults::FOLLOW_CNAME),
        freshness,
    });
    rules.domains.extend(domain);
    rules.domains.extend(domains);
    rules.networks.extend(networks);
}

/// The one copy of a text that many values share.
fn shared(known: &mut Known, text: &str) -> Rc<str> {
    if let Some(known) = known.get(text) {
        return Rc::clone(known);
    }
    let new: Rc<str> = text.into();
    known.insert(Rc::clone(&new));
    new
}
