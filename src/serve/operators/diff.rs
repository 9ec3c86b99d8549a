//! What a reload changes, one line each: what an operator compares with what was meant. Reads two snapshots,
//! changes nothing.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::units::{format_duration, format_size};
use crate::config::{Config, Expect, Freshness, Rule, RuleAction};
use crate::control::report::{Change, ChangeKind, ChangeVerb};
use crate::policy::access::AccessList;
use crate::serve::snapshot::Snapshot;
use crate::serve::zones::OwnZone;
use crate::wire::header::rcode_name;
use crate::wire::name::Name;

pub fn changes(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let mut changes = rules(old, new);
    compare(ChangeKind::Endpoint, &endpoints(&old.config), &endpoints(&new.config), &mut changes);
    compare(ChangeKind::Zone, &zones(old), &zones(new), &mut changes);
    compare(ChangeKind::Listener, &listeners(&old.config), &listeners(&new.config), &mut changes);
    compare(ChangeKind::Setting, &settings(&old.config), &settings(&new.config), &mut changes);
    compare(ChangeKind::Setting, &views(&old.config), &views(&new.config), &mut changes);
    compare(ChangeKind::Setting, &access(&old.config), &access(&new.config), &mut changes);
    secrets(&old.config, &new.config, &mut changes);
    for change in &mut changes {
        if change.kind == ChangeKind::Setting && NEEDS_RESTART.contains(&change.what.as_str()) {
            change.detail.push_str(" (at the next start)");
        }
    }
    changes
}

/// What is fixed for the life of the process.
const NEEDS_RESTART: [&str; 2] = ["server.workers", "log.format"];

/// Things by name, each with its content in words.
type Described = BTreeMap<String, String>;

fn compare(kind: ChangeKind, old: &Described, new: &Described, changes: &mut Vec<Change>) {
    let mut push = |what: &str, change, detail: String| {
        changes.push(Change { kind, what: what.to_string(), change, detail });
    };
    for (what, before) in old {
        match new.get(what) {
            None => push(what, ChangeVerb::Removed, before.clone()),
            Some(now) if now != before => push(what, ChangeVerb::Changed, format!("{before} -> {now}")),
            Some(_) => {}
        }
    }
    for (what, now) in new.iter().filter(|(what, _)| !old.contains_key(*what)) {
        push(what, ChangeVerb::Added, now.clone());
    }
}

/// As `compare`, but with words for those only that differ: of 100,000 rules, most are as before.
fn rules(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let change = |view: Option<&str>, rule: Rule<'_>, change, detail| Change {
        kind: ChangeKind::Rule,
        what: in_view(&rule.name(), view),
        change,
        detail,
    };
    let (mut changes, mut added) = (Vec::new(), Vec::new());
    for (view, rule) in parts(&old.config) {
        let before = Does::of(rule, old);
        let now = new.rule_in(view, rule.domain).map(|index| Does::of(new.config.rules.at(index), new));
        match now {
            None => changes.push(change(view, rule, ChangeVerb::Removed, before.to_string())),
            Some(now) if now != before => {
                changes.push(change(view, rule, ChangeVerb::Changed, format!("{before} -> {now}")));
            }
            Some(_) => {}
        }
    }
    for (view, rule) in parts(&new.config) {
        if old.rule_in(view, rule.domain).is_none() {
            added.push(change(view, rule, ChangeVerb::Added, Does::of(rule, new).to_string()));
        }
    }
    changes.sort_by(|one, other| one.what.cmp(&other.what));
    added.sort_by(|one, other| one.what.cmp(&other.what));
    changes.append(&mut added);
    changes
}

/// All rules, each with the name of its view.
fn parts(config: &Config) -> impl Iterator<Item = (Option<&str>, Rule<'_>)> {
    config.parts().flat_map(move |part| {
        let view = part.view.map(|view| view.name.as_str());
        part.rules.map(move |index| (view, config.rules.at(index as u32)))
    })
}

fn in_view(name: &Name, view: Option<&str>) -> String {
    view.map_or_else(|| name.to_string(), |view| format!("{name} of view {view}"))
}

/// What a rule does, as far as operators have said it.
#[derive(PartialEq)]
struct Does<'a> {
    /// None: SYSTEM.
    endpoint: Option<&'a str>,
    follow_cname: bool,
    /// Where it says something of its own.
    freshness: Option<&'a Freshness>,
    allow: Option<&'a AccessList>,
}

impl<'a> Does<'a> {
    fn of(rule: Rule<'_>, snapshot: &'a Snapshot) -> Does<'a> {
        let endpoint = match rule.action {
            RuleAction::Forward { endpoint } => {
                Some(snapshot.config.endpoints[endpoint as usize].name.as_str())
            }
            RuleAction::System => None,
        };
        let freshness = (rule.freshness > 0).then(|| &snapshot.config.freshness[rule.freshness as usize]);
        let allow = snapshot.config.rule_access[rule.freshness as usize].as_deref();
        Does { endpoint, follow_cname: rule.follow_cname, freshness, allow }
    }
}

impl fmt::Display for Does<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.endpoint {
            Some(endpoint) => write!(f, "FORWARD to {endpoint}")?,
            None => f.write_str("SYSTEM")?,
        }
        f.write_str(if self.follow_cname { "" } else { ", CNAMEs not followed" })?;
        if let Some(allow) = self.allow {
            write!(f, ", allow {allow}")?;
        }
        match self.freshness {
            Some(freshness) => {
                freshness_words(freshness).iter().try_for_each(|(key, value)| write!(f, ", {key} {value}"))
            }
            None => Ok(()),
        }
    }
}

fn endpoints(config: &Config) -> Described {
    let describe = |endpoint: &crate::config::Endpoint| {
        let targets: Vec<String> = endpoint.targets.iter().map(target).collect();
        let subnet = if endpoint.client_subnet { ", with client subnet" } else { "" };
        let probe = endpoint.probe.as_ref().map_or_else(String::new, probe);
        (endpoint.name.clone(), format!("{}{subnet}{probe}", targets.join(", ")))
    };
    config.endpoints.iter().map(describe).collect()
}

fn target(target: &crate::config::Target) -> String {
    let az = target.az.clone();
    let tier = (target.tier > 0).then(|| format!("tier {}", target.tier));
    let rate = target.rate.map(|rate| format!("{rate}/s"));
    let more: Vec<String> = [az, tier, rate].into_iter().flatten().collect();
    match more.is_empty() {
        true => target.address.to_string(),
        false => format!("{} ({})", target.address, more.join(", ")),
    }
}

fn probe(probe: &crate::config::Probe) -> String {
    let expect = match probe.expect {
        Expect::Answer => "any answer".to_string(),
        Expect::Rcode(code) => rcode_name(code).into_owned(),
        Expect::Address(address) => address.to_string(),
    };
    format!(", probed with {} {} for {expect}", probe.name, crate::control::rtype::show(probe.rtype))
}

/// Serial and content: an edit that forgot the serial is a change too.
fn zones(snapshot: &Snapshot) -> Described {
    let describe = |(index, own): (usize, &OwnZone)| {
        let config = &snapshot.config;
        let view = config.view_of_zone(index).map(|view| config.views[view].name.as_str());
        let Some(zone) = own.shown() else {
            return (in_view(&own.held.terms().name, view), "not fetched yet".to_owned());
        };
        let content = format!(
            "serial {}, {} records, content {:08x}{}",
            zone.serial(),
            zone.records(),
            zone.digest() as u32,
            allow(config.zones[index].allow.as_deref())
        );
        (in_view(zone.name(), view), content)
    };
    snapshot.zones.iter().enumerate().map(describe).collect()
}

fn allow(list: Option<&AccessList>) -> String {
    list.map_or_else(String::new, |list| format!(", allow {list}"))
}

fn views(config: &Config) -> Described {
    let describe = |(index, view): (usize, &crate::config::View)| {
        let inherit = if view.inherit { "inherits" } else { "alone" };
        let cache = if view.own_cache { "own" } else { "shared" };
        let allow = allow(view.allow.as_deref());
        let content = format!("number {}, for {}, {inherit}, cache {cache}{allow}", index + 1, view.clients);
        (format!("view.{}", view.name), content)
    };
    config.views.iter().enumerate().map(describe).collect()
}

/// Named access lists and keys. A secret has no words.
fn access(config: &Config) -> Described {
    let acls = config.acls.iter().map(|acl| (format!("acl.{}", acl.name), acl.to_string()));
    let keys = config.keys.iter().map(|key| (format!("key.{}", key.name), key.algorithm.name().to_string()));
    acls.chain(keys).collect()
}

fn secrets(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let kept = |key: &crate::config::Key| old.keys.iter().find(|old| old.name == key.name).cloned();
    for key in &new.keys {
        if kept(key).is_some_and(|old| old.algorithm == key.algorithm && old.secret != key.secret) {
            let what = format!("key.{}", key.name);
            let detail = "another secret".to_string();
            changes.push(Change { kind: ChangeKind::Setting, what, change: ChangeVerb::Changed, detail });
        }
    }
}

fn listeners(config: &Config) -> Described {
    let own = |address| config.server.listeners.iter().find(|listener| listener.address == address);
    let describe = |address: &SocketAddr| {
        let list = own(*address).and_then(|listener| listener.allow.as_deref());
        (address.to_string(), list.map_or_else(String::new, |list| format!("allow {list}")))
    };
    config.server.listen.iter().map(describe).collect()
}

fn seconds(secs: u32) -> String {
    format_duration(Duration::from_secs(secs.into()))
}

/// Each key, and its value as it is written.
fn freshness_words(freshness: &Freshness) -> [(&'static str, String); 5] {
    [
        ("serve_stale", freshness.serve_stale.to_string()),
        ("stale_ttl", seconds(freshness.stale_ttl_secs)),
        ("max_stale", seconds(freshness.max_stale_secs)),
        ("stale_after", freshness.stale_after.map_or_else(|| "off".to_string(), format_duration)),
        ("prefetch", freshness.prefetch.to_string()),
    ]
}

fn settings(config: &Config) -> Described {
    let server = &config.server;
    let words = |value: &dyn Debug| format!("{value:?}");
    let system =
        server.system.map_or_else(|| "none".to_string(), |index| config.endpoints[index].name.clone());
    let metrics = config.metrics.listen.map_or_else(|| "off".to_string(), |address| address.to_string());
    let [serve_stale, stale_ttl, max_stale, stale_after, prefetch] = freshness_words(&config.cache.freshness);
    [
        ("server.workers", server.workers.to_string()),
        ("server.az", server.az.clone().unwrap_or_else(|| "none".to_string())),
        ("server.system", system),
        ("server.allow", server.allow.to_string()),
        ("server.max_udp_size", server.max_udp_size.to_string()),
        ("server.tcp_connections", server.tcp_connections.to_string()),
        ("server.tcp_connections_per_client", server.tcp_connections_per_client.to_string()),
        ("server.tcp_idle_timeout", format_duration(server.tcp_idle_timeout)),
        ("server.client_rate", server.client_rate.to_string()),
        ("cache.size", format_size(config.cache.size_bytes)),
        ("cache.min_ttl", seconds(config.cache.min_ttl_secs)),
        ("cache.max_ttl", seconds(config.cache.max_ttl_secs)),
        ("cache.max_negative_ttl", seconds(config.cache.max_negative_ttl_secs)),
        ("cache.serve_stale", serve_stale.1),
        ("cache.stale_ttl", stale_ttl.1),
        ("cache.max_stale", max_stale.1),
        ("cache.stale_after", stale_after.1),
        ("cache.prefetch", prefetch.1),
        ("control.socket", config.control.socket.display().to_string()),
        ("metrics.listen", metrics),
        ("log.level", words(&config.log.level).to_lowercase()),
        ("log.format", words(&config.log.format).to_lowercase()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_string(), value))
    .collect()
}
