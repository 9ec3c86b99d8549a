//! The file's part as TOML, its keys in the order of the reference. Knows nothing of AWS's world.

use std::fmt::Write;

use super::Block;
use super::draft::{Draft, Endpoint, Rule, Thing, What};
use crate::config::aws::{AddressFamily, Protocol, RuleTarget, RuleType};

/// The whole part, and where in it each thing stands.
pub(super) fn text(draft: &Draft) -> (String, Vec<Block>) {
    let mut page =
        String::from("# Taken over from AWS by `dnsfwd aws adopt`. `id` says which one is meant.\n");
    let mut blocks = Vec::new();
    for thing in &draft.things {
        page.push('\n');
        let first = page.matches('\n').count() + 1;
        write_thing(&mut page, thing);
        blocks.push(Block { id: thing.id.clone(), lines: first..=page.matches('\n').count() });
    }
    (page, blocks)
}

fn write_thing(page: &mut String, thing: &Thing) {
    for note in &thing.notes {
        line(page, format_args!("# It {}", harmless(note)));
    }
    match &thing.what {
        What::Endpoint(endpoint) => write_endpoint(page, thing, endpoint),
        What::Rule(rule) => write_rule(page, thing, rule),
        What::QueryLog { destination, vpcs } => {
            line(page, "[[aws.query_log]]");
            key(page, "name", quoted(&thing.name));
            key(page, "destination", quoted(destination));
            texts(page, "vpcs", vpcs);
        }
    }
    if !thing.tags.is_empty() {
        let tags = thing.tags.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value)));
        key(page, "tags", format!("{{ {} }}", joined(tags)));
    }
    key(page, "id", quoted(&thing.id));
}

fn write_endpoint(page: &mut String, thing: &Thing, endpoint: &Endpoint) {
    match endpoint.alias {
        Some(alias) => line(page, format_args!("[aws.{alias}]")),
        None => line(page, "[[aws.endpoint]]"),
    }
    key(page, "name", quoted(&thing.name));
    if endpoint.alias.is_none() {
        key(page, "direction", quoted(endpoint.direction.word()));
    }
    key(page, "vpc", quoted(&endpoint.vpc));
    line(page, "addresses = [");
    for (subnet, ip, ipv6) in &endpoint.addresses {
        let ip = ip.map(|ip| format!(", ip = \"{ip}\"")).unwrap_or_default();
        let ipv6 = ipv6.map(|ip| format!(", ipv6 = \"{ip}\"")).unwrap_or_default();
        line(page, format_args!("  {{ subnet = {}{ip}{ipv6} }},", quoted(subnet)));
    }
    line(page, "]");
    let groups = joined(endpoint.security_groups.iter().map(|id| quoted(id)));
    key(page, "security_group", format!("{{ ids = [{groups}] }}"));
    if endpoint.family != AddressFamily::default() {
        key(page, "type", quoted(endpoint.family.word()));
    }
    if endpoint.protocols != [Protocol::default()] {
        let protocols = endpoint.protocols.iter().map(|protocol| quoted(protocol.word()));
        key(page, "protocols", format!("[{}]", joined(protocols)));
    }
    endpoint.flags.iter().for_each(|flag| key(page, flag, "true".to_owned()));
}

fn write_rule(page: &mut String, thing: &Thing, rule: &Rule) {
    line(page, "[[aws.rule]]");
    key(page, "name", quoted(&thing.name));
    let domain = match rule.kind {
        RuleType::Delegate => "delegation_record",
        _ => "domain",
    };
    key(page, domain, quoted(&written(&rule.domain)));
    key(page, "type", quoted(rule.kind.word()));
    if !rule.targets.is_empty() {
        let targets = joined(rule.targets.iter().map(target));
        key(page, "targets", format!("[{targets}]"));
    }
    if let Some(endpoint) = &rule.endpoint {
        key(page, "endpoint", quoted(endpoint));
    }
    texts(page, "vpcs", &rule.vpcs);
    texts(page, "share", &rule.share);
}

/// Without the dot at the end, but for the root.
fn written(domain: &crate::wire::name::Name) -> String {
    let text = domain.to_string();
    match text.trim_end_matches('.') {
        "" => ".".to_owned(),
        text => text.to_owned(),
    }
}

/// As short as the reference has it.
fn target(target: &RuleTarget) -> String {
    let is_usual = target.address.port() == target.protocol.port();
    let address = if is_usual { target.address.ip().to_string() } else { target.address.to_string() };
    if target.protocol == Protocol::Do53 && target.sni.is_none() {
        return quoted(&address);
    }
    let sni = target.sni.as_ref().map(|sni| format!(", sni = {}", quoted(sni))).unwrap_or_default();
    format!("{{ address = {}, protocol = {}{sni} }}", quoted(&address), quoted(target.protocol.word()))
}

fn line(page: &mut String, text: impl std::fmt::Display) {
    // Writing to a string can't fail.
    let _ = writeln!(page, "{text}");
}

fn key(page: &mut String, key: &str, value: String) {
    line(page, format_args!("{key} = {value}"));
}

fn texts(page: &mut String, name: &str, values: &[String]) {
    if !values.is_empty() {
        key(page, name, format!("[{}]", joined(values.iter().map(|value| quoted(value)))));
    }
}

fn joined(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(", ")
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A comment ends with its line.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
