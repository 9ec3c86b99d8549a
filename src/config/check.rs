//! Checks what takes more than one value to judge, and makes the configuration of what is written: names to
//! indices, networks to domains. The only file of the system that it looks at is a zone's, to see it is there.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::SocketAddr;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::keys::Keys;
use super::lists::Lists;
use super::reader::{At, Faults};
use super::rules::What;
use super::schema::{Action, Written, WrittenEndpoint, WrittenRule, WrittenRules, WrittenTarget};
use super::source::Place;
use super::system::{self, Machine};
use super::zones::zones;
use super::{Address, Config, Endpoint, RuleAction, Rules, Server, Target, defaults, reverse, suggest, warn};
use crate::wire::name::Name;

/// With faults recorded the configuration is not whole, and must not be used.
pub(super) fn check(mut written: Written, faults: &mut Faults, machine: Machine<'_>) -> Config {
    let mut config = std::mem::replace(&mut written.config, defaults::defaults());
    listeners(&written, &config, faults);
    ttls(&written, &config, faults);
    bootstrap(&written, &config, machine, faults);
    let keys = Keys::of(&written.keys, faults);
    let mut lists = Lists::of(&written.acls, &keys, machine, faults);
    if let Some(allow) = &written.allow {
        config.server.allow = lists.access(allow, faults);
    }
    let state = config.server.state.clone();
    config.zones = zones(&written, state.as_deref(), &keys, &mut lists, faults);
    let (endpoints, index) = endpoints(&written.endpoints, faults);
    config.endpoints = endpoints;
    let mut used = vec![false; config.endpoints.len()];
    let resolve = &mut |name: &str, place: &Place, faults: &mut Faults| {
        let found = find(name, place, &index, faults);
        found.inspect(|&endpoint| used[endpoint] = true)
    };
    let system = written.system.as_ref();
    config.server.system = system.and_then(|name| resolve(&name.value, &name.place, faults));
    let common = config.cache.freshness;
    let own = written.rules.freshness.iter().map(|own| own.over(&common));
    config.freshness = std::iter::once(common).chain(own).collect();
    let (rules, places) = rules(&mut written.rules, resolve, faults);
    config.rules = rules.shrink();
    if written.system.is_none() {
        system_endpoint(&written.rules.rules, &mut config, faults, machine);
    }
    config.acls = lists.finish(faults);
    config.keys.clone_from(&keys.all);
    // With errors, what is unused or alone may be so just because of them.
    if !faults.has_errors() {
        keys.warn_of_unused(&written.keys, faults);
        warn::warn(&written, &config, &places, &used, machine, faults);
    }
    config
}

fn listeners(written: &Written, config: &Config, faults: &mut Faults) {
    let mut first: HashMap<SocketAddr, &Place> = HashMap::new();
    for At { value, place } in &written.listen {
        if let Some(other) = first.insert(*value, place) {
            let message = format!("{value} is listed twice; the first is at {other}");
            faults.error("duplicate-listen", place, message, "keep one of the two");
        }
    }
    let metrics = written.place_of("metrics", "listen").zip(config.metrics.listen);
    if let Some((place, address)) = metrics.filter(|(_, address)| config.server.listen.contains(address)) {
        let message = format!("metrics and clients can't share {address}");
        faults.error("duplicate-listen", place, message, "give metrics another port, or \"off\"");
    }
}

/// Names of targets are asked of others than ourselves, as we have no answer before we know the targets.
fn bootstrap(written: &Written, config: &Config, machine: Machine<'_>, faults: &mut Faults) {
    for At { value, place } in &written.bootstrap {
        if system::is_own(*value, &config.server.listen, machine) {
            let message = format!("{value} is this server itself, which can't look up its own targets");
            let help = "write the address of another server, such as a public resolver";
            faults.error("own-bootstrap", place, message, help);
        }
    }
    let targets = written.endpoints.iter().flat_map(|endpoint| endpoint.targets.iter().flatten());
    let named = targets.filter(|target| matches!(target.value.address, Address::Name(..)));
    if written.bootstrap.is_empty() && written.place_of("server", "bootstrap").is_none() {
        for At { value, place } in named.filter(|_| !faults.is_incomplete()).collect::<Vec<_>>() {
            let message = format!("`{}` has to be looked up, and there is nobody to ask", value.address);
            let help = "add bootstrap = [\"1.1.1.1\"] to [server], or write the target's address";
            faults.error("missing-bootstrap", place, message, help);
        }
    } else if let Some(place) =
        written.place_of("server", "bootstrap").filter(|_| config.server.bootstrap.is_empty())
        && named.count() > 0
    {
        let help = "name at least one server that knows the targets' names";
        faults.error("missing-bootstrap", place, "`bootstrap` names nobody, and targets are names", help);
    }
}

fn ttls(written: &Written, config: &Config, faults: &mut Faults) {
    let place = written.place_of("cache", "min_ttl").or(written.place_of("cache", "max_ttl"));
    if let Some(place) = place.filter(|_| config.cache.min_ttl_secs > config.cache.max_ttl_secs) {
        let message = "`min_ttl` is larger than `max_ttl`";
        faults.error("ttl-order", place, message, "make `min_ttl` the smaller one, or leave it out");
    }
}

/// Endpoints by name. Those with a fault are there too, so that rules naming them are not blamed.
type Index<'a> = HashMap<&'a str, (usize, &'a Place)>;

fn endpoints<'a>(written: &'a [WrittenEndpoint], faults: &mut Faults) -> (Vec<Endpoint>, Index<'a>) {
    let mut index = Index::new();
    let mut endpoints = Vec::with_capacity(written.len());
    for endpoint in written {
        let place = endpoint.named_at();
        let name = endpoint.name.as_ref().map_or("", |name| &name.value);
        if let Some((_, other)) = index.get(name) {
            let message = format!("a second endpoint `{name}`; the first is at {other}");
            faults.error("duplicate-endpoint", place, message, "give one of the two another name");
        } else if endpoint.name.is_some() {
            index.insert(name, (endpoints.len(), place));
        }
        endpoints.push(Endpoint {
            name: name.to_owned(),
            targets: targets(endpoint, faults),
            client_subnet: endpoint.client_subnet,
            probe: endpoint.probe.clone(),
            place: place.location(),
        });
    }
    (endpoints, index)
}

fn targets(endpoint: &WrittenEndpoint, faults: &mut Faults) -> Vec<Target> {
    let written: &[At<WrittenTarget>] = endpoint.targets.as_deref().unwrap_or_default();
    let mut first: HashMap<&Address, &Place> = HashMap::new();
    for At { value, place } in written {
        if let Some(other) = first.insert(&value.address, place) {
            let message = format!("a second target {}; the first is at {other}", value.address);
            faults.error("duplicate-target", place, message, "keep one of the two");
        }
    }
    written.iter().map(|target| target.value.to_target(endpoint.rate)).collect()
}

fn find(name: &str, place: &Place, index: &Index<'_>, faults: &mut Faults) -> Option<usize> {
    let found = index.get(name).map(|&(at, _)| at);
    if found.is_none() && !faults.is_incomplete() {
        let message = format!("no endpoint is called `{name}`");
        let help = match suggest::nearest(name, sorted(index)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("add an [[endpoint]] with name = \"{name}\""),
        };
        faults.error("unknown-endpoint", place, message, help);
    }
    found
}

/// In a fixed order, so that of two names equally near always the same is suggested.
fn sorted<'a>(index: &Index<'a>) -> Vec<&'a str> {
    let mut names: Vec<&str> = index.keys().copied().collect();
    names.sort_unstable();
    names
}

/// Finds the endpoint of a name, and notes that it is used.
type Resolve<'a> = &'a mut dyn FnMut(&str, &Place, &mut Faults) -> Option<usize>;

/// The rules of all domains, and the place of each.
fn rules(written: &mut WrittenRules, resolve: Resolve<'_>, faults: &mut Faults) -> (Rules, Vec<Place>) {
    // As many as there will be, unless networks derive several.
    let count = written.domains.len();
    let mut table = RuleTable {
        rules: Rules::with_capacity(count),
        places: Vec::with_capacity(count),
        by_domain: HashTable::with_capacity(count),
        ..RuleTable::default()
    };
    let mut domains = std::mem::take(&mut written.domains).into_iter();
    let mut networks = std::mem::take(&mut written.networks).into_iter();
    for rule in &written.rules {
        let action = action(rule, resolve, faults);
        if !rule.names_domains && !faults.is_incomplete() {
            let help = "add domain = \"corp.example\", domains = [...] or reverse = [\"10.0.0.0/16\"]";
            faults.error("missing-domain", &rule.place, "a rule needs a domain", help);
        }
        // A rule whose action is wrong still takes its domains, so that a second one for them shows.
        let action = action.unwrap_or(RuleAction::System);
        let what = What { action, follow_cname: rule.follow_cname, freshness: rule.freshness };
        let does = Does { what, own: table.rules.len() as u32 };
        for At { value, place } in domains.by_ref().take(rule.domains) {
            table.put(&value, Claim::Exactly, place, &does, faults);
        }
        for At { value, place } in networks.by_ref().take(rule.networks) {
            let exact = reverse::is_exact(value);
            let claim = if exact { Claim::Exactly } else { Claim::PartOf(value.prefix_len()) };
            for domain in reverse::domains(value) {
                table.put(&domain, claim, place.clone(), &does, faults);
            }
        }
    }
    (table.rules, table.places)
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
struct RuleTable {
    rules: Rules,
    /// Of each rule's domain, or of the network that it derives from.
    places: Vec<Place>,
    /// The last two places reported: two networks of one size share all their domains, and one report does.
    reported: Option<(Place, Place)>,
    /// Indices of `rules` by domain.
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

/// Adds the system's own nameservers as an endpoint, if a SYSTEM rule needs them.
fn system_endpoint(written: &[WrittenRule], config: &mut Config, faults: &mut Faults, machine: Machine<'_>) {
    let Some(rule) = written.iter().find(|rule| rule.action == Some(Action::System)) else { return };
    let targets = system_targets(&config.server, machine);
    if targets.is_empty() {
        let message = format!(
            "SYSTEM rules ask the nameservers of {}, and it names none but this server itself",
            system::RESOLV_CONF
        );
        let help = "name an endpoint with `system` in [server]";
        faults.error("no-nameserver", &rule.place, message, help);
    }
    config.server.system = Some(config.endpoints.len());
    config.endpoints.push(Endpoint {
        name: system::ENDPOINT.to_owned(),
        targets,
        client_subnet: defaults::CLIENT_SUBNET,
        probe: None,
        place: Place::whole_file(std::path::Path::new(system::RESOLV_CONF)).location(),
    });
}

fn system_targets(server: &Server, machine: Machine<'_>) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for ip in (machine.nameservers)() {
        let address = SocketAddr::new(ip, defaults::DNS_PORT);
        let known = targets.iter().any(|target| target.address == Address::Socket(address));
        if !known && !system::is_own(address, &server.listen, machine) {
            targets.push(Target {
                address: Address::Socket(address),
                az: None,
                tier: defaults::TIER,
                rate: None,
            });
        }
    }
    targets
}
