//! What a reload changes, one line each: what an operator compares with what was meant. Reads two snapshots,
//! changes nothing.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use super::snapshot::Snapshot;
use crate::config::units::{format_duration, format_size};
use crate::config::{Config, RuleAction};
use crate::control::report::{Change, ChangeKind, ChangeVerb};

pub fn changes(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(ChangeKind::Rule, &rules(&old.config), &rules(&new.config), &mut changes);
    compare(ChangeKind::Endpoint, &endpoints(&old.config), &endpoints(&new.config), &mut changes);
    compare(ChangeKind::Zone, &zones(old), &zones(new), &mut changes);
    compare(ChangeKind::Listener, &listeners(&old.config), &listeners(&new.config), &mut changes);
    compare(ChangeKind::Setting, &settings(&old.config), &settings(&new.config), &mut changes);
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

fn rules(config: &Config) -> Described {
    let describe = |rule: &crate::config::Rule| {
        let action = match rule.action {
            RuleAction::Forward { endpoint } => format!("FORWARD to {}", config.endpoints[endpoint].name),
            RuleAction::System => "SYSTEM".to_string(),
        };
        let cname = if rule.follow_cname { "" } else { ", CNAMEs not followed" };
        (rule.domain.to_string(), format!("{action}{cname}"))
    };
    config.rules.iter().map(describe).collect()
}

fn endpoints(config: &Config) -> Described {
    let describe = |endpoint: &crate::config::Endpoint| {
        let target = |target: &crate::config::Target| match &target.az {
            Some(az) => format!("{} ({az})", target.address),
            None => target.address.to_string(),
        };
        let targets: Vec<String> = endpoint.targets.iter().map(target).collect();
        let subnet = if endpoint.client_subnet { ", with client subnet" } else { "" };
        (endpoint.name.clone(), format!("{}{subnet}", targets.join(", ")))
    };
    config.endpoints.iter().map(describe).collect()
}

/// Serial and content: an edit that forgot the serial is a change too.
fn zones(snapshot: &Snapshot) -> Described {
    let describe = |zone: &Arc<crate::zone::Zone>| {
        let content = format!(
            "serial {}, {} records, content {:08x}",
            zone.serial(),
            zone.records(),
            zone.digest() as u32
        );
        (zone.name().to_string(), content)
    };
    snapshot.zones.iter().map(describe).collect()
}

fn listeners(config: &Config) -> Described {
    config.server.listen.iter().map(|address| (address.to_string(), String::new())).collect()
}

fn settings(config: &Config) -> Described {
    let server = &config.server;
    let words = |value: &dyn Debug| format!("{value:?}");
    let seconds = |secs: u32| format_duration(std::time::Duration::from_secs(secs.into()));
    let allow: Vec<String> = server.allow.iter().map(ToString::to_string).collect();
    let system =
        server.system.map_or_else(|| "none".to_string(), |index| config.endpoints[index].name.clone());
    let metrics = config.metrics.listen.map_or_else(|| "off".to_string(), |address| address.to_string());
    [
        ("server.workers", server.workers.to_string()),
        ("server.az", server.az.clone().unwrap_or_else(|| "none".to_string())),
        ("server.system", system),
        ("server.allow", allow.join(", ")),
        ("server.max_udp_size", server.max_udp_size.to_string()),
        ("server.tcp_connections", server.tcp_connections.to_string()),
        ("server.tcp_connections_per_client", server.tcp_connections_per_client.to_string()),
        ("server.tcp_idle_timeout", format_duration(server.tcp_idle_timeout)),
        ("cache.size", format_size(config.cache.size_bytes)),
        ("cache.min_ttl", seconds(config.cache.min_ttl_secs)),
        ("cache.max_ttl", seconds(config.cache.max_ttl_secs)),
        ("cache.max_negative_ttl", seconds(config.cache.max_negative_ttl_secs)),
        ("cache.serve_stale", config.cache.serve_stale.to_string()),
        ("cache.stale_ttl", seconds(config.cache.stale_ttl_secs)),
        ("cache.max_stale", seconds(config.cache.max_stale_secs)),
        ("control.socket", config.control.socket.display().to_string()),
        ("metrics.listen", metrics),
        ("log.level", words(&config.log.level).to_lowercase()),
        ("log.format", words(&config.log.format).to_lowercase()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_string(), value))
    .collect()
}
