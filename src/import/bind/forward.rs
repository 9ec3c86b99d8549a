//! Forwarders as rules and endpoints: those for all names, those of a zone, exceptions from them, and the private names
//! that BIND answers itself or not, as its rules about forwarding have it.

use std::net::{IpAddr, SocketAddr};

use super::peers::{sound_address, target, value_after};
use super::translation::{Refusal, Scope, Translation, Unit, named};
use super::tree::{Item, Statement};
use super::value;
use crate::import::draft::{Rule, Target};
use crate::import::{Outcome, Place};

/// The networks whose reverse names BIND keeps to itself (RFC 6303), as far as anybody uses their addresses.
const PRIVATE: [(&str, &[&str]); 6] = [
    ("10.0.0.0/8", &["10.in-addr.arpa"]),
    ("172.16.0.0/12", &[]),
    ("192.168.0.0/16", &["168.192.in-addr.arpa"]),
    ("100.64.0.0/10", &[]),
    ("169.254.0.0/16", &["254.169.in-addr.arpa"]),
    ("fd00::/8", &["d.f.ip6.arpa"]),
];

/// Targets for all names, and what they are good for.
pub(super) struct General {
    pub endpoint: String,
    pub targets: Vec<Target>,
    pub place: Place,
    /// `forward only`
    pub only: bool,
}

impl<'a> Translation<'a> {
    /// `forwarders` of the options or of the view: a rule for all names.
    pub fn general_forwarders(&mut self, scope: &Scope<'a>, unit: &mut Unit<'a>) -> Option<General> {
        let statement = scope.find("forwarders");
        let policy = scope.find("forward");
        let recursion = scope.is_on("recursion", true);
        let targets = match statement.map(|statement| self.targets(statement)) {
            Some(Ok(targets)) => targets,
            Some(Err(refusal)) => {
                self.once(statement, |it, statement| it.refused(statement, refusal));
                Vec::new()
            }
            None => Vec::new(),
        };
        if !recursion {
            for found in [statement, policy].into_iter().flatten() {
                self.once(Some(found), |it, found| {
                    it.not_needed(found, "with `recursion no` nothing is forwarded")
                });
            }
            return None;
        }
        let Some(statement) = statement.filter(|_| !targets.is_empty()) else {
            for found in [statement, policy].into_iter().flatten() {
                self.once(Some(found), |it, found| it.not_needed(found, "there is nobody to forward to"));
            }
            return None;
        };
        let endpoint = self.draft.endpoint(&targets, "forwarders", &statement.place);
        unit.rules.push(Rule::forward(".", endpoint.clone(), &statement.place));
        let key = format!("[[rule]] domain \".\" to [[endpoint]] {endpoint}");
        self.once(Some(statement), |it, statement| it.translated(statement, key));
        let only = policy.is_some_and(|policy| policy.first_word().eq_ignore_ascii_case("only"));
        self.forward_policy(policy, only, &statement.place);
        Some(General { endpoint, targets, place: statement.place.clone(), only })
    }

    /// What a statement of several views or zones becomes is said once.
    pub fn once(&mut self, statement: Option<&'a Statement>, say: impl FnOnce(&mut Self, &'a Statement)) {
        if let Some(statement) = statement.filter(|statement| !self.has_entry(statement)) {
            say(self, statement);
        }
    }

    fn forward_policy(&mut self, policy: Option<&'a Statement>, only: bool, place: &Place) {
        let what = "when these targets fail, BIND goes on and asks the servers that the root leads to; dnsfwd does \
                    not, and gives an expired answer or SERVFAIL";
        match policy {
            Some(policy) if only => self.once(Some(policy), |it, policy| {
                it.translated(policy, "what a rule does: its endpoint is asked, and nobody else");
            }),
            Some(policy) => self.once(Some(policy), |it, policy| it.changed(policy, what)),
            None => self.implied(place, "forward first", Outcome::Changed { what: what.to_owned() }),
        }
    }

    /// The addresses of a `forwarders` statement.
    pub fn targets(&mut self, statement: &Statement) -> Result<Vec<Target>, Refusal> {
        let tls =
            |items: &[Item]| value_after(items, "tls").is_some_and(|tls| !tls.eq_ignore_ascii_case("none"));
        let refuse_tls = || {
            Err(Refusal::new(
                "targets are not asked over TLS",
                "let a resolver that does it (stubby, Unbound) stand beside this server, and make it the target",
            ))
        };
        let head = statement.arguments();
        if tls(head) {
            return refuse_tls();
        }
        let port = value_after(head, "port").and_then(value::integer).unwrap_or(53);
        let mut targets = Vec::new();
        for element in statement.body() {
            if tls(&element.items) {
                return refuse_tls();
            }
            let text = element.items.first().and_then(Item::text).unwrap_or_default();
            let Ok(ip) = text.parse::<IpAddr>() else {
                let why =
                    format!("`{text}` is an address of one interface, and targets are named without one");
                return Err(Refusal::new(why, "write an address that a route leads to"));
            };
            let port = value_after(&element.items, "port").and_then(value::integer).unwrap_or(port);
            let address = SocketAddr::new(ip, port as u16);
            sound_address(address)?;
            let target = target(address);
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    /// `type forward`, and `type stub` and `static-stub`, which name servers too.
    pub fn forward_zone(&mut self, zone: &'a Statement, name: &str, scope: &Scope<'a>, unit: &mut Unit<'a>) {
        if !scope.is_on("recursion", true) {
            return self.not_needed(
                zone,
                "with `recursion no` BIND forwards nothing, and answers from its zones alone",
            );
        }
        let targets = match named(zone.body(), "forwarders").map(|statement| self.targets(statement)) {
            Some(Err(refusal)) => return self.refused(zone, refusal),
            Some(Ok(targets)) => targets,
            None => Vec::new(),
        };
        if targets.is_empty() {
            return self.exception(zone, name, scope);
        }
        let endpoint =
            self.draft.endpoint(&targets, if name == "." { "forwarders" } else { name }, &zone.place);
        if name == "." {
            // It stands for the options' forwarders.
            unit.rules.retain(|rule| rule.domains != ["."]);
        }
        unit.rules.push(Rule::forward(name, endpoint.clone(), &zone.place));
        self.translated(zone, format!("[[rule]] domain \"{name}\" to [[endpoint]] {endpoint}"));
        let policy = named(zone.body(), "forward");
        let only = policy.is_some_and(|policy| policy.first_word().eq_ignore_ascii_case("only"));
        if !only {
            self.forward_policy(policy, only, &zone.place);
            self.latent_empty_zone(zone, name);
        } else if let Some(policy) = policy {
            self.translated(policy, "what a rule does: its endpoint is asked, and nobody else");
        }
    }

    /// No forwarders: the names below are to be found from the root down.
    fn exception(&mut self, zone: &'a Statement, name: &str, scope: &Scope<'a>) {
        let general = match scope.find("forwarders").is_some_and(|statement| !statement.body().is_empty()) {
            true => "they go where all other names go until you do",
            false => "they are refused until you do",
        };
        let why = format!(
            "BIND finds names below {name} itself, from the root down, and does not forward them; dnsfwd can't, so \
             somebody has to be named who is asked for them: {general}"
        );
        let what_to_do = format!(
            "add a [[rule]] with domain = \"{name}\" and an endpoint of the servers that know it, or type = \"SYSTEM\" \
             for the nameservers of this machine"
        );
        self.refused(zone, Refusal::new(why, what_to_do));
    }

    /// `forward first` leaves BIND's empty zones where they are, and those answer before anybody is asked.
    fn latent_empty_zone(&mut self, zone: &Statement, name: &str) {
        let is_empty_zone =
            crate::policy::builtin::all().any(|(domain, ..)| domain == name && (domain.ends_with(".arpa")));
        if is_empty_zone {
            let what = format!(
                "BIND answers {name} from an empty zone of its own, as the zone is `forward first`, and never asks \
                 these forwarders; here they are asked, as was surely meant"
            );
            self.implied(&zone.place, "empty zone before forward first", Outcome::Changed { what });
        }
    }

    /// A rule below a zone answered here: BIND asks it only if the zone delegates the name.
    pub fn rules_below_zones(&mut self, unit: &Unit<'a>) {
        let mut found = Vec::new();
        for rule in &unit.rules {
            let Some(domain) = rule.domains.first() else { continue };
            let above = unit.zones.iter().find(|zone| domain.ends_with(&format!(".{}", zone.name)));
            if let Some(zone) = above {
                found.push((rule.from.clone(), domain.clone(), zone.name.clone()));
            }
        }
        for (place, domain, zone) in found {
            let what = format!(
                "BIND answers {domain} from the zone {zone}, unless that delegates it, and then asks these \
                 forwarders; here they are always asked, as the more specific domain wins"
            );
            self.implied(&place, "forward zone below a zone of this server", Outcome::Changed { what });
        }
    }

    /// The reverse names of private networks. BIND answers them itself, but not where `forward only` sends them away.
    pub fn private_names(&mut self, scope: &Scope<'a>, general: Option<&General>, unit: &mut Unit<'a>) {
        let switch = scope.find("empty-zones-enable");
        let empty_zones = scope.is_on("empty-zones-enable", true);
        let forwarded = general.filter(|general| general.only || !empty_zones);
        if let Some(general) = forwarded {
            self.forward_private(general, unit);
        }
        self.once(switch, |it, switch| match (empty_zones, general) {
            (true, _) => it.translated(switch, "what dnsfwd does (RFC 6303)"),
            (false, Some(_)) => it.translated(switch, "[[rule]] with `reverse`, to the forwarders"),
            (false, None) => {
                it.changed(switch, "private reverse names are answered here with NXDOMAIN (RFC 6303)")
            }
        });
        let disabled: Vec<&'a Statement> = scope
            .options
            .iter()
            .chain(scope.view.map_or(&[] as &[Statement], Statement::body))
            .filter(|statement| statement.name() == "disable-empty-zone")
            .collect();
        for statement in disabled {
            self.disable_empty_zone(statement, general, unit);
        }
    }

    fn disable_empty_zone(
        &mut self,
        statement: &'a Statement,
        general: Option<&General>,
        unit: &mut Unit<'a>,
    ) {
        let name = statement.first_word().trim_end_matches('.').to_ascii_lowercase();
        let covered = unit.rules.iter().any(|rule| covers(rule, &name));
        match general {
            _ if covered || unit.zones.iter().any(|zone| zone.name == name) => {
                self.once(Some(statement), |it, statement| {
                    it.not_needed(statement, "a rule or zone of that name takes its place");
                });
            }
            Some(general) if crate::wire::name::Name::parse(&name).is_ok() => {
                unit.rules.push(Rule::forward(&name, general.endpoint.clone(), &statement.place));
                let key = format!("[[rule]] domain \"{name}\" to [[endpoint]] {}", general.endpoint);
                self.once(Some(statement), |it, statement| it.translated(statement, key));
            }
            _ => self.once(Some(statement), |it, statement| {
                it.changed(
                    statement,
                    "it is answered here with NXDOMAIN (RFC 6303), as nobody is named to ask for it",
                );
            }),
        }
    }

    fn forward_private(&mut self, general: &General, unit: &mut Unit<'a>) {
        if !general.targets.iter().any(is_private) {
            let what = "reverse names of private networks are answered here with NXDOMAIN (RFC 6303); with `forward \
                        only` BIND asks the forwarders for them, which are public and know none";
            self.implied(&general.place, "private reverse names", Outcome::Changed { what: what.to_owned() });
            return;
        }
        let mut rule =
            Rule { domains: Vec::new(), ..Rule::forward("", general.endpoint.clone(), &general.place) };
        for (network, names) in PRIVATE {
            let domains = domains_of(network, names);
            let taken = |domain: &String| {
                unit.rules.iter().any(|rule| rule.domains.contains(domain))
                    || unit.zones.iter().any(|zone| zone.name == *domain)
            };
            match domains.iter().any(taken) {
                false => rule.reverse.push(network.to_owned()),
                true => rule.domains.extend(domains.into_iter().filter(|domain| !taken(domain))),
            }
        }
        unit.rules.push(rule);
        let key = format!(
            "[[rule]] with `reverse` to [[endpoint]] {}: BIND has no empty zones where `forward only` covers them",
            general.endpoint
        );
        self.implied(&general.place, "private reverse names", Outcome::Translated { key });
    }
}

/// The zones of a private network's reverse names.
fn domains_of(network: &str, names: &[&str]) -> Vec<String> {
    match network {
        "172.16.0.0/12" => (16..32).map(|octet| format!("{octet}.172.in-addr.arpa")).collect(),
        "100.64.0.0/10" => (64..128).map(|octet| format!("{octet}.100.in-addr.arpa")).collect(),
        _ => names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn covers(rule: &Rule, name: &str) -> bool {
    let by_network = rule.reverse.iter().any(|network| {
        let names =
            PRIVATE.iter().find(|(private, _)| private == network).map_or(&[] as &[&str], |(_, names)| names);
        domains_of(network, names).iter().any(|domain| domain == name)
    });
    by_network || rule.domains.iter().any(|domain| domain == name)
}

/// May it know names of private networks?
fn is_private(target: &Target) -> bool {
    let address = &target.address;
    let ip = address.parse::<IpAddr>().or_else(|_| address.parse::<SocketAddr>().map(|socket| socket.ip()));
    ip.is_ok_and(|ip| match ip {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    })
}
