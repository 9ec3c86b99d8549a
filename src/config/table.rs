//! The rules as they are looked up: one per domain of each view, those of networks derived. Judges each rule, and
//! finds its endpoint.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::reader::{At, Faults};
use super::rules::What;
use super::schema::{Action, WrittenRule, WrittenRules};
use super::source::Place;
use super::{RuleAction, Rules, reverse};
use crate::wire::name::Name;

/// Finds the endpoint of a name, and notes that it is used.
pub(super) type Resolve<'a> = &'a mut dyn FnMut(&str, &Place, &mut Faults) -> Option<usize>;

/// What is written of rules, taken in turn.
pub(super) struct Taken<'w> {
    rules: std::slice::Iter<'w, WrittenRule>,
    domains: std::vec::IntoIter<At<Name>>,
    networks: std::vec::IntoIter<At<ipnet::IpNet>>,
    /// Where the settings of these rules begin among all; 0 stays 0.
    settings: u16,
}

impl<'w> Taken<'w> {
    /// Takes the domains and networks out of what is written.
    pub fn of(written: &'w mut WrittenRules, settings: u16) -> Taken<'w> {
        Taken {
            domains: std::mem::take(&mut written.domains).into_iter(),
            networks: std::mem::take(&mut written.networks).into_iter(),
            rules: written.rules.iter(),
            settings,
        }
    }
}

impl RuleTable {
    /// With room for so many rules.
    pub fn with_capacity(rules: usize) -> RuleTable {
        RuleTable {
            rules: Rules::with_capacity(rules),
            places: Vec::with_capacity(rules),
            ..RuleTable::default()
        }
    }

    /// Adds the next `count` rules as one part: a domain has one rule in each.
    pub fn take(&mut self, from: &mut Taken<'_>, count: usize, resolve: Resolve<'_>, faults: &mut Faults) {
        self.by_domain = HashTable::with_capacity(count);
        for rule in from.rules.by_ref().take(count) {
            let action = action(rule, resolve, faults);
            if !rule.names_domains && !faults.is_incomplete() {
                let help = "add domain = \"corp.example\", domains = [...] or reverse = [\"10.0.0.0/16\"]";
                faults.error("missing-domain", &rule.place, "a rule needs a domain", help);
            }
            // A rule whose action is wrong still takes its domains, so that a second one for them shows.
            let action = action.unwrap_or(RuleAction::System);
            let freshness = if rule.freshness == 0 { 0 } else { rule.freshness.wrapping_add(from.settings) };
            let what = What { action, follow_cname: rule.follow_cname, freshness };
            let does = Does { what, own: self.rules.len() as u32 };
            for At { value, place } in from.domains.by_ref().take(rule.domains) {
                self.put(&value, Claim::Exactly, place, &does, faults);
            }
            for At { value, place } in from.networks.by_ref().take(rule.networks) {
                let exact = reverse::is_exact(value);
                let claim = if exact { Claim::Exactly } else { Claim::PartOf(value.prefix_len()) };
                for domain in reverse::domains(value) {
                    self.put(&domain, claim, place.clone(), &does, faults);
                }
            }
        }
    }
}

fn action(rule: &WrittenRule, resolve: Resolve<'_>, faults: &mut Faults) -> Option<RuleAction> {
    let endpoint = rule.endpoint.as_ref().and_then(|name| resolve(&name.value, &name.place, faults));
    match rule.action? {
        Action::Forward if !rule.has_endpoint_key && !faults.is_incomplete() => {
            let help = "add endpoint = \"...\", or type = \"SYSTEM\" for the system's own nameservers";
            faults.error("missing-endpoint", &rule.place, "a FORWARD rule needs an endpoint", help);
            None
        }
        Action::Forward => endpoint.map(|endpoint| RuleAction::Forward { endpoint: endpoint as u32 }),
        Action::System => {
            if let Some(name) = &rule.endpoint {
                let message = "a SYSTEM rule has no endpoint of its own";
                let help =
                    "leave `endpoint` out; `system` in [server] names the endpoint of all SYSTEM rules";
                faults.error("system-endpoint", &name.place, message, help);
            }
            Some(RuleAction::System)
        }
    }
}

/// The rules so far, and for each domain how it came to have one.
#[derive(Default)]
pub(super) struct RuleTable {
    pub rules: Rules,
    /// Of each rule's domain, or of the network that it derives from.
    pub places: Vec<Place>,
    /// The last two places reported: two networks of one size share all their domains, and one report does.
    reported: Option<(Place, Place)>,
    /// Indices of `rules` by domain, of the present part.
    by_domain: HashTable<(u32, Claim)>,
    hasher: RandomState,
}

/// What one `[[rule]]` does with all its domains.
struct Does {
    what: What,
    /// Where its own rules begin.
    own: u32,
}

/// How closely what is written names a domain: the closer one wins it, as the more specific domain does.
/// A network of /12 and a /16 within it both derive the /16's domain, and the /16 is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// One of several domains derived from a network with this prefix length.
    PartOf(u8),
    Exactly,
}

impl RuleTable {
    fn put(&mut self, domain: &Name, claim: Claim, place: Place, does: &Does, faults: &mut Faults) {
        let RuleTable { rules, hasher, by_domain, .. } = self;
        let hash = hasher.hash_one(domain.as_wire());
        let hash_of = |&(at, _): &(u32, Claim)| hasher.hash_one(rules.at(at).domain);
        match by_domain.entry(hash, |&(at, _)| rules.at(at).domain == domain.as_wire(), hash_of) {
            Entry::Vacant(free) => {
                free.insert((rules.len() as u32, claim));
                self.rules.push(domain, does.what, &place);
                self.places.push(place);
            }
            Entry::Occupied(mut taken) => {
                let (at, other) = *taken.get();
                if claim > other {
                    *taken.get_mut() = (at, claim);
                    self.rules.replace(at, does.what, &place);
                    self.places[at as usize] = place;
                } else if claim == other {
                    self.duplicate(domain, &place, at, at >= does.own, faults);
                }
            }
        }
    }

    fn duplicate(&mut self, domain: &Name, place: &Place, first: u32, same_rule: bool, faults: &mut Faults) {
        let first = self.places[first as usize].clone();
        let places = Some((place.clone(), first.clone()));
        if self.reported == places {
            return;
        }
        self.reported = places;
        let message = match same_rule {
            true => format!("`{domain}` is listed twice; the first is at {first}"),
            false => format!("a second rule for `{domain}`; the first is at {first}"),
        };
        faults.error("duplicate-domain", place, message, "keep one of the two");
    }
}
