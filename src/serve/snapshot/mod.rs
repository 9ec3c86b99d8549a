//! The whole configuration, resolved, checked and immutable: what workers read, swapped as one `Arc` by a
//! reload. Building one reads files and keeps from the one before what has not changed; it opens no socket.

pub mod names;
pub mod tags;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use self::names::Names;
use super::builtins::builtins;
use super::counts::Decisions;
use super::limits_of;
use super::rates::ClientRates;
use super::views::{self, View};
use super::zones::{self, Data, OwnZone};
use crate::cache::Cache;
use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Config};
use crate::control::report;
use crate::forward::pick::{Endpoint, Expect, Member, Probe};
use crate::forward::stats::{Exchanges, Registry, Series};
use crate::forward::target::Target;
use crate::policy::access::AccessList;
use crate::policy::{Action, Policy, RuleAction};
use crate::wire::answer::TtlLimits;
use crate::wire::edns::ExtendedError;
use crate::wire::name::Name;
use crate::wire::rdata::rtype;
use crate::wire::tsig;

pub struct Snapshot {
    pub config: Config,
    pub policy: Policy,
    pub views: Vec<View>,
    pub access: Arc<AccessList>,
    /// Listeners with a list of their own.
    pub doors: Vec<(SocketAddr, Arc<AccessList>)>,
    /// Some rule, zone or view has a list of its own.
    pub has_own_lists: bool,
    pub zones: Vec<OwnZone>,
    /// What messages are signed with, in the order of the configuration.
    pub keys: Vec<Arc<tsig::Key>>,
    pub endpoints: Vec<Arc<Endpoint>>,
    pub rules: Vec<Rule>,
    pub cache: Arc<Cache>,
    pub ttls: TtlLimits,
    pub max_udp_size: usize,
    pub client_rates: ClientRates,
    pub decisions: Arc<Decisions>,
    pub loaded_at: SystemTime,
    /// What each target may be asked a second: takes effect with the snapshot, not before.
    rates: Rates,
    names: Arc<Names>,
    registry: Arc<Registry>,
}

/// A rule as workers need it.
pub struct Rule {
    /// Marks the answers that it made. The same over reloads while the rule means the same.
    pub tag: u32,
    /// Index of the endpoint that it asks.
    pub endpoint: u32,
    pub follow_cname: bool,
    pub(super) freshness: u16,
    /// When its targets were last asked for a marked name: see `marks`.
    pub looked_at: AtomicU32,
    /// Numbers for each target of the endpoint; there once the rule has missed.
    pub(super) stats: OnceLock<Box<[Arc<Exchanges>]>>,
}

/// What building gives beside the snapshot.
pub struct Built {
    /// None exactly if there is an error among the diagnostics.
    pub snapshot: Option<Snapshot>,
    pub diagnostics: Vec<Diagnostic>,
}

impl Snapshot {
    /// Reads `path` and all that it names. `before` gives what is kept: targets, zones, cache, tags. Targets that are
    /// written as names stay without addresses.
    pub fn build(path: &Path, before: Option<&Snapshot>, registry: &Arc<Registry>) -> Built {
        Snapshot::build_with(path, before, registry, &Arc::default())
    }

    /// The same, with the addresses that are known of names.
    pub fn build_with(
        path: &Path,
        before: Option<&Snapshot>,
        registry: &Arc<Registry>,
        names: &Arc<Names>,
    ) -> Built {
        Snapshot::from_loaded(config::load(path), before, registry, names, Instant::now())
    }

    /// The same of files that are read; what is new begins to count its time at `now`.
    pub fn from_loaded(
        loaded: config::Loaded,
        before: Option<&Snapshot>,
        registry: &Arc<Registry>,
        names: &Arc<Names>,
        now: Instant,
    ) -> Built {
        let mut diagnostics = loaded.diagnostics;
        let files = zones::read_files(&loaded.zones, &mut diagnostics);
        let Some(config) = loaded.config else { return Built { snapshot: None, diagnostics } };
        let errors = config::diagnostic::count(&diagnostics).errors;
        let snapshot = (errors == 0).then(|| Snapshot::assemble(config, files, before, registry, names, now));
        Built { snapshot, diagnostics }
    }

    fn assemble(
        config: Config,
        files: Vec<zones::Read>,
        before: Option<&Snapshot>,
        registry: &Arc<Registry>,
        names: &Arc<Names>,
        now: Instant,
    ) -> Snapshot {
        let (endpoints, rates) = endpoints(&config, before, names, now);
        let rules = tags::rules(&config, before);
        let keys = zones::keys(&config);
        let zones = zones::zones(&config, files, &keys, before);
        let kept = before.filter(|before| before.config.cache.size_bytes == config.cache.size_bytes);
        Snapshot {
            access: Arc::clone(&config.server.allow),
            cache: kept.map_or_else(
                || Arc::new(Cache::new(config.cache.size_bytes).began_at(now)),
                |kept| Arc::clone(&kept.cache),
            ),
            ttls: limits_of(&config.cache),
            max_udp_size: usize::from(config.server.max_udp_size),
            client_rates: ClientRates::new(config.server.client_rate),
            rates,
            decisions: Decisions::new(&config, before.map(|before| &before.decisions)),
            loaded_at: SystemTime::now(),
            names: Arc::clone(names),
            registry: Arc::clone(registry),
            policy: views::general_policy(&config),
            views: views::views(&config, before),
            doors: views::doors(&config),
            has_own_lists: views::has_own_lists(&config),
            config,
            zones,
            keys,
            endpoints,
            rules,
        }
    }

    /// The same configuration, with the addresses that its targets' names have now. Rules keep their tags, so what is
    /// cached stays.
    pub fn with_new_addresses(&self, now: Instant) -> Snapshot {
        let files = vec![zones::Read::default(); self.zones.len()];
        let new =
            Snapshot::assemble(self.config.clone(), files, Some(self), &self.registry, &self.names, now);
        Snapshot { loaded_at: self.loaded_at, ..new }
    }

    /// Takes the addresses that names have now: for a snapshot that nobody has seen yet.
    pub fn find_targets(&mut self, before: Option<&Snapshot>) {
        (self.endpoints, self.rates) = endpoints(&self.config, before, &self.names, Instant::now());
    }

    /// What is known of the names among the targets of an endpoint.
    pub fn names_of(&self, rule: &Rule) -> Vec<report::NameStatus> {
        self.names_in(rule.endpoint as usize)
    }

    pub fn names_in(&self, endpoint: usize) -> Vec<report::NameStatus> {
        self.config.endpoints[endpoint].names().map(|name| self.names.status(name)).collect()
    }

    /// Makes targets that were there before obey what is written of them now.
    pub fn take_effect(&self) {
        for (target, rate) in &self.rates {
            target.guard.set(*rate);
        }
        self.zones.iter().for_each(OwnZone::take_effect);
    }

    /// The zone behind an action, if it is one that zones answer.
    pub fn zone_of(&self, action: Action) -> Option<Data> {
        match action {
            Action::Zone(index) => self.zones.get(index as usize).map(|zone| Data::Held(zone.held.zone())),
            Action::Builtin(index) => {
                builtins().get(index as usize).map(|builtin| Data::Builtin(&builtin.zone))
            }
            _ => None,
        }
    }

    /// Why a zone that decides has nothing to answer with.
    pub fn why_nothing(&self, action: Action) -> Option<ExtendedError> {
        let Action::Zone(index) = action else { return None };
        self.zones.get(index as usize).map(OwnZone::why_nothing)
    }

    /// The rule behind an action, if it is one that targets answer.
    pub fn rule_of(&self, action: Action) -> Option<&Rule> {
        match action {
            Action::Forward { rule } | Action::System { rule } => self.rules.get(rule as usize),
            _ => None,
        }
    }

    pub fn endpoint_of(&self, rule: &Rule) -> &Arc<Endpoint> {
        &self.endpoints[rule.endpoint as usize]
    }

    /// What is done with answers of this rule that are past their TTL, or nearly.
    pub fn freshness_of(&self, rule: &Rule) -> &config::Freshness {
        &self.config.freshness[rule.freshness as usize]
    }

    /// A rule of exactly this domain, of any view, that asks the endpoint of this name.
    pub fn rule_asking(&self, domain: &[u8], endpoint: &str) -> Option<(&Arc<Endpoint>, &Rule)> {
        let rules = self.rules_at(domain).map(|index| &self.rules[index as usize]);
        let mut asked = rules.map(|rule| (self.endpoint_of(rule), rule));
        asked.find(|(asked, _)| asked.name == endpoint)
    }

    /// A rule's numbers, one for each target of its endpoint.
    pub fn stats_of(&self, index: u32) -> &[Arc<Exchanges>] {
        let rule = &self.rules[index as usize];
        rule.stats.get_or_init(|| {
            let domain = self.config.rules.at(index).name();
            let endpoint = self.endpoint_of(rule);
            let series = |member: &Member| Series {
                rule: domain.clone(),
                endpoint: endpoint.name.clone(),
                target: member.target.address,
            };
            endpoint.targets.iter().map(|member| self.registry.series(series(member))).collect()
        })
    }

    /// Whether there is something of this kind and name that decides.
    pub fn decides(&self, kind: report::Action, name: &Name) -> bool {
        match kind {
            report::Action::Forward | report::Action::System => {
                self.rules_at(name.as_wire()).next().is_some()
            }
            report::Action::Zone => self.zones_at(name.as_wire()).next().is_some(),
            report::Action::Builtin | report::Action::Refuse => true,
        }
    }

    /// Whether a rule asks this target by way of this endpoint.
    pub fn asks(&self, series: &Series) -> bool {
        self.rule_asking(series.rule.as_wire(), &series.endpoint).is_some_and(|(endpoint, _)| {
            endpoint.targets.iter().any(|member| member.target.address == series.target)
        })
    }
}

pub fn policy_action(action: config::RuleAction) -> RuleAction {
    match action {
        config::RuleAction::Forward { .. } => RuleAction::Forward,
        config::RuleAction::System => RuleAction::System,
    }
}

/// Endpoints with their targets; a target that was in the endpoint of this name before is the same, with all
/// that was learned about it.
fn endpoints(
    config: &Config,
    before: Option<&Snapshot>,
    names: &Names,
    now: Instant,
) -> (Vec<Arc<Endpoint>>, Rates) {
    let mut known: HashMap<(&str, SocketAddr), &Arc<Target>> = HashMap::new();
    for endpoint in before.iter().flat_map(|before| &before.endpoints) {
        for member in &endpoint.targets {
            known.insert((&endpoint.name, member.target.address), &member.target);
        }
    }
    let az = config.server.az.as_deref();
    let mut domains = probe_domains(config);
    let mut rates = Rates::new();
    let endpoint = |(index, wanted): (u32, &config::Endpoint)| {
        let mut member = |written: &config::Target, address: SocketAddr| {
            let old = known.get(&(wanted.name.as_str(), address));
            let new = || Arc::new(Target::new(address, &wanted.name).began_at(now));
            let target = old.map_or_else(new, |old| Arc::clone(old));
            rates.push((Arc::clone(&target), written.rate));
            let near = az.is_none() || written.az.is_none() || written.az.as_deref() == az;
            Member { target, az: written.az.clone(), tier: written.tier, near }
        };
        let mut targets: Vec<Member> = Vec::new();
        let mut missing = Vec::new();
        for written in &wanted.targets {
            let addresses = match &written.address {
                config::Address::Socket(address) => vec![*address],
                config::Address::Name(name, port) => names::sockets(names, name, *port, config),
            };
            if addresses.is_empty() {
                missing.push(format!("{} is not resolved", written.address));
            }
            for address in addresses {
                // A name may lead to what another one leads to, or to what is written beside it.
                if targets.iter().all(|member| member.target.address != address) {
                    targets.push(member(written, address));
                }
            }
        }
        let probe = wanted.probe.as_ref().map_or_else(|| usual_probe(domains.remove(&index)), probe);
        let mut endpoint = Endpoint::new(wanted.name.clone(), targets, wanted.client_subnet, probe);
        endpoint.missing = missing;
        Arc::new(endpoint.began_at(now))
    };
    let endpoints = (0..).zip(&config.endpoints).map(endpoint).collect();
    (endpoints, rates)
}

type Rates = Vec<(Arc<Target>, Option<u32>)>;

fn probe(written: &config::Probe) -> Probe {
    let expect = match written.expect {
        config::Expect::Answer => Expect::Answer,
        config::Expect::Rcode(code) => Expect::Rcode(code),
        config::Expect::Address(IpAddr::V4(address)) => Expect::Data(address.octets().to_vec()),
        config::Expect::Address(IpAddr::V6(address)) => Expect::Data(address.octets().to_vec()),
    };
    Probe { name: written.name.clone(), rtype: written.rtype, expect }
}

/// For an endpoint that says nothing of its probe: whether its first domain can be looked up.
fn usual_probe(domain: Option<Name>) -> Probe {
    Probe { name: domain.unwrap_or_else(Name::root), rtype: rtype::SOA, expect: Expect::Answer }
}

/// The first domain that a rule sends to each endpoint.
fn probe_domains(config: &Config) -> HashMap<u32, Name> {
    let mut domains = HashMap::new();
    for rule in config.rules.iter() {
        if let config::RuleAction::Forward { endpoint } = rule.action {
            domains.entry(endpoint).or_insert_with(|| rule.name());
        }
    }
    domains
}
