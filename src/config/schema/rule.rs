//! `[[rule]]`: domains, and where their questions go. 100,000 of them must stay small.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::access::{WrittenAccess, WrittenElement, clients};
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
    /// What rules say of their own, each once, and the place of each in this list.
    pub own: Vec<Own>,
    /// Who may ask, each list once, and the place of each.
    pub allow: Vec<WrittenAccess>,
    allow_index: HashMap<WrittenAccessKey, u16, RandomState>,
    own_index: HashMap<Own, u16, RandomState>,
}

/// What one rule says of freshness and access; what it leaves out is as in `[cache]` and `[server]`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(in crate::config) struct Own {
    serve_stale: Option<bool>,
    stale_ttl_secs: Option<u32>,
    max_stale_secs: Option<u32>,
    stale_after: Option<Option<Duration>>,
    prefetch: Option<bool>,
    /// An index into the lists of all rules.
    pub allow: Option<u16>,
}

impl Own {
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
    /// A FORWARD rule of one domain that says nothing else.
    pub fn add(&mut self, domain: At<Name>, endpoint: &str) {
        let endpoint = At { value: shared(&mut self.endpoints, endpoint), place: domain.place.clone() };
        self.rules.push(WrittenRule {
            place: domain.place.clone(),
            domains: 1,
            networks: 0,
            names_domains: true,
            action: Some(Action::Forward),
            has_endpoint_key: true,
            endpoint: Some(endpoint),
            follow_cname: defaults::FOLLOW_CNAME,
            freshness: 0,
        });
        self.domains.push(domain);
    }

    /// The place of a rule's own access list among those of all. None if there are too many.
    fn allow_at(&mut self, list: WrittenAccess) -> Option<u16> {
        let elements: WrittenAccessKey = list.iter().map(|element| element.value.clone()).collect();
        if let Some(known) = self.allow_index.get(&elements) {
            return Some(*known);
        }
        let index = u16::try_from(self.allow.len()).ok()?;
        self.allow.push(list);
        self.allow_index.insert(elements, index);
        Some(index)
    }

    /// The place of what a rule says among the configuration's list, whose first is what `[cache]` says. None if the
    /// list is full.
    fn own_at(&mut self, own: Own) -> Option<u16> {
        if own == Own::default() {
            return Some(0);
        }
        if let Some(known) = self.own_index.get(&own) {
            return Some(*known);
        }
        let index = u16::try_from(self.own.len() + 1).ok()?;
        self.own.push(own);
        self.own_index.insert(own, index);
        Some(index)
    }
}

/// A list without the places that it was written in.
type WrittenAccessKey = Vec<WrittenElement>;

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
    let allow = table.optional("allow", clients, faults).map(|list| rules.allow_at(list));
    let own = Own {
        serve_stale: table.optional("serve_stale", flag, faults),
        stale_ttl_secs: table.optional("stale_ttl", ttl(MAX_STALE_TTL), faults),
        max_stale_secs: table.optional("max_stale", ttl(MAX_TTL), faults),
        stale_after: table.optional("stale_after", stale_after, faults),
        prefetch: table.optional("prefetch", flag, faults),
        allow: allow.flatten(),
    };
    let own_at = rules.own_at(own).filter(|_| allow != Some(None));
    let freshness = own_at.unwrap_or_else(|| {
        let message =
            format!("rules say more than {} different things of stale answers and access", u16::MAX);
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
