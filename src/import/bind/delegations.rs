//! Names that a zone answered here hands to other servers. BIND asks forwarders or those servers for clients that want
//! recursion; this server has no recursion, and gives the referral unless a rule says whom to ask.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::forward::General;
use super::translation::{Refusal, Scope, Translation, Unit, named};
use super::tree::Statement;
use crate::import::Outcome;
use crate::import::draft::{Rule, free_name};
use crate::wire::name::Name;
use crate::wire::rdata::rtype;
use crate::zone::Zone;

/// Names that one sentence lists.
const SHOWN: usize = 4;

/// NS records below a zone's own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delegation {
    pub name: Name,
    pub servers: Vec<String>,
    /// Of these servers, as far as the zone has them.
    pub addresses: Vec<IpAddr>,
}

/// A zone with delegations, and the statement that it comes from.
pub(super) struct Parent<'a> {
    pub zone: &'a Statement,
    pub name: String,
    pub delegations: Arc<[Delegation]>,
}

/// All delegations of a zone, by name.
pub(super) fn of(zone: &Zone) -> Vec<Delegation> {
    let mut cuts: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for (owner, records) in zone.owners().filter(|(owner, _)| *owner != zone.name().as_wire()) {
        for (_, servers) in records.iter().filter(|(rtype, _)| *rtype == rtype::NS) {
            cuts.entry(owner.to_vec()).or_default().extend(servers.iter().map(|server| server.to_vec()));
        }
    }
    let names: HashSet<Name> = cuts.keys().filter_map(|owner| Name::from_wire(owner).ok()).collect();
    let wanted: HashSet<Vec<u8>> = cuts.values().flatten().map(|server| folded(server)).collect();
    let mut known: BTreeMap<Vec<u8>, Vec<IpAddr>> = BTreeMap::new();
    for (owner, records) in zone.owners().filter(|(owner, _)| wanted.contains(*owner)) {
        let addresses =
            records.iter().flat_map(|(rtype, data)| data.iter().filter_map(|data| address(*rtype, data)));
        known.insert(owner.to_vec(), addresses.collect());
    }
    let mut found = Vec::new();
    for (owner, servers) in &cuts {
        let Ok(name) = Name::from_wire(owner) else { continue };
        // What lies below another cut is not this zone's (RFC 1034 section 4.2.1).
        let above = std::iter::successors(name.parent(), Name::parent);
        if above.take_while(|above| above != zone.name()).any(|above| names.contains(&above)) {
            continue;
        }
        let servers: BTreeSet<Vec<u8>> = servers.iter().map(|server| folded(server)).collect();
        let addresses: BTreeSet<IpAddr> =
            servers.iter().filter_map(|server| known.get(server)).flatten().copied().collect();
        found.push(Delegation {
            name,
            servers: servers
                .iter()
                .filter_map(|server| Some(Name::from_wire(server).ok()?.to_string()))
                .collect(),
            addresses: addresses.into_iter().collect(),
        });
    }
    found
}

fn folded(name: &[u8]) -> Vec<u8> {
    let mut name = name.to_vec();
    crate::wire::name::fold_in_place(&mut name);
    name
}

fn address(rtype: u16, data: &[u8]) -> Option<IpAddr> {
    match rtype {
        rtype::A => Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into()),
        rtype::AAAA => Some(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into()),
        _ => None,
    }
}

impl<'a> Translation<'a> {
    /// What becomes of delegated names, once all rules and zones are known. `forwarders` of the zone itself go before the
    /// general ones; empty, they have BIND follow the delegation.
    pub fn delegated(&mut self, scope: &Scope<'a>, general: Option<&General>, unit: &mut Unit<'a>) {
        for parent in std::mem::take(&mut unit.parents) {
            let own = named(parent.zone.body(), "forwarders");
            let policy = named(parent.zone.body(), "forward");
            if !scope.is_on("recursion", true) || parent.delegations.is_empty() {
                let why = match parent.delegations.is_empty() {
                    true => "it is about names that the zone delegates, and it delegates none",
                    false => {
                        "with `recursion no` BIND gives referrals for what the zone delegates, as dnsfwd does"
                    }
                };
                for found in [own, policy] {
                    self.once(found, |it, found| it.not_needed(found, why));
                }
                continue;
            }
            let open: Vec<Delegation> = parent
                .delegations
                .iter()
                .filter(|cut| !is_taken(&cut.name, &parent.name, unit))
                .cloned()
                .collect();
            match self.asked(own, general) {
                Ok(Some(endpoint)) => self.forwarded(&parent, &open, &endpoint, own, unit),
                Ok(None) => self.followed(&parent, &open, own),
                Err(refusal) => self.once(own, |it, own| it.refused(own, refusal)),
            }
            let what = "a rule's endpoint is asked for these names, and nobody else";
            self.once(policy, |it, policy| it.translated(policy, what));
        }
    }

    /// The endpoint of the forwarders that hold for delegated names; none: BIND follows the delegation.
    fn asked(
        &mut self,
        own: Option<&'a Statement>,
        general: Option<&General>,
    ) -> Result<Option<String>, Refusal> {
        let Some(own) = own else { return Ok(general.map(|general| general.endpoint.clone())) };
        let targets = self.targets(own)?;
        Ok((!targets.is_empty()).then(|| self.draft.endpoint(&targets, "delegated", &own.place)))
    }

    fn forwarded(
        &mut self,
        parent: &Parent<'a>,
        open: &[Delegation],
        endpoint: &str,
        own: Option<&'a Statement>,
        unit: &mut Unit<'a>,
    ) {
        if let Some(first) = open.first() {
            let rule = Rule::forward(first.name.to_string(), endpoint, &own.unwrap_or(parent.zone).place);
            let domains = open.iter().map(|cut| cut.name.to_string()).collect();
            unit.rules.push(Rule { domains, ..rule });
            let key = format!(
                "[[rule]] {} to [[endpoint]] {endpoint}: forwarders are asked for what the zone delegates",
                names(open)
            );
            self.told_once(parent, Outcome::Translated { key });
        }
        self.once(own, |it, own| {
            it.translated(own, format!("[[endpoint]] {endpoint}, for what the zone delegates"))
        });
    }

    fn followed(&mut self, parent: &Parent<'a>, open: &[Delegation], own: Option<&'a Statement>) {
        self.once(own, |it, own| {
            it.not_needed(
                own,
                "no general rule holds for what the zone delegates; see the zone for what does",
            );
        });
        let Some(first) = open.first() else { return };
        let why = format!(
            "the zone delegates {}: BIND asks the servers of these names for its clients, and dnsfwd gives the referral, \
             which stub resolvers don't follow",
            names(open)
        );
        let known = open.iter().find(|cut| !cut.addresses.is_empty()).unwrap_or(first);
        let addresses: Vec<String> = match known.addresses.is_empty() {
            true => known.servers.iter().map(|server| format!("{{ address = \"<of {server}>\" }}")).collect(),
            false => known.addresses.iter().map(|ip| format!("{{ address = \"{ip}\" }}")).collect(),
        };
        let domain = known.name.to_string();
        let endpoint = free_name(&domain, |_| false);
        let what_to_do = format!(
            "for each that clients ask for, write whom to ask, such as: [[endpoint]] name = \"{endpoint}\", targets = [{}]; \
             [[rule]] domain = \"{domain}\", endpoint = \"{endpoint}\"",
            addresses.join(", ")
        );
        self.told_once(parent, Outcome::Refused { why, what_to_do });
    }

    /// A zone that stands in several views says it once.
    fn told_once(&mut self, parent: &Parent<'a>, outcome: Outcome) {
        let shown = format!("(delegations of {})", parent.name);
        let there = self.receipt.entries.iter().any(|entry| {
            entry.place == parent.zone.place && entry.statement == shown && entry.outcome == outcome
        });
        if !there {
            self.receipt.add(&parent.zone.place, shown, outcome);
        }
    }
}

/// Has it, or a name between it and its zone, a rule or zone of its own?
fn is_taken(name: &Name, zone: &str, unit: &Unit<'_>) -> bool {
    let Ok(zone) = Name::parse(zone) else { return false };
    let between = |domain: &str| {
        Name::parse(domain)
            .is_ok_and(|domain| name.is_within(&domain) && domain.is_within(&zone) && domain != zone)
    };
    unit.rules.iter().flat_map(|rule| &rule.domains).any(|domain| between(domain))
        || unit.zones.iter().any(|zone| between(&zone.name))
}

fn names(cuts: &[Delegation]) -> String {
    let shown: Vec<String> = cuts.iter().take(SHOWN).map(|cut| cut.name.to_string()).collect();
    match cuts.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
