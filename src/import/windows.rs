//! DNS Server of Windows: what `Get-DnsServerZone | ConvertTo-Json` and `Get-DnsServerForwarder | ConvertTo-Json`
//! print. Conditional forwarders become rules, forwarders the rule for all names; zones with data stay where they are.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::Value;

use super::draft::Target;
use super::json::{self, Document, Object, text};
use super::plan::{Area, GO_ELSEWHERE, Plan, Said, domain, in_order, target};
use super::reading::{Files, fault};
use super::{Imported, Kind, Place, Unreadable};
use crate::wire::name::Name;

/// Does the JSON look like what these commands print?
pub fn is_text(text: &str) -> bool {
    ["\"ZoneType\"", "\"MasterServers\"", "\"UseRootHint\"", "\"ForwarderTimeout\""]
        .iter()
        .any(|key| text.contains(key))
}

pub fn import(source: &Path) -> Result<Imported, Unreadable> {
    let mut files = Files::new(source);
    let documents = json::read(source, &mut files)?;
    let top = Place { file: files.shown(source), line: 1, column: 1 };
    let mut plan = Plan::new(Kind::Windows, source.display().to_string());
    for object in objects(documents) {
        let value = &object.value;
        if text(value, "ZoneName").is_some() {
            zone(&mut plan, &object);
        } else if value.get("IPAddress").is_some() || value.get("UseRootHint").is_some() {
            forwarders(&mut plan, &object);
        } else {
            let message = "this is neither a zone nor a list of forwarders";
            let help = "write what Get-DnsServerZone or Get-DnsServerForwarder give, through ConvertTo-Json";
            return Err(fault(&object.place, message, help));
        }
    }
    what_is_not_written(&mut plan, &top);
    Ok(plan.finish())
}

/// Zones and forwarders, whether in lists, alone, or under keys of somebody's own; PowerShell 5 wraps lists into
/// `value` and `Count`.
fn objects(documents: Vec<Document>) -> Vec<Object> {
    let mut found = Vec::new();
    for document in documents {
        match document {
            Document::List(list) => found.extend(list),
            Document::Keys(_, whole) if is_own(&whole.value) => found.push(whole),
            Document::Keys(keys, whole) => {
                let inner: Vec<Object> = keys.into_iter().flat_map(|(_, inner)| inner).collect();
                if inner.is_empty() { found.push(whole) } else { found.extend(inner) }
            }
        }
    }
    found
}

fn is_own(value: &Value) -> bool {
    ["ZoneName", "IPAddress", "UseRootHint"].iter().any(|key| value.get(key).is_some())
}

fn zone(plan: &mut Plan, object: &Object) {
    let value = &object.value;
    let zone = text(value, "ZoneName").unwrap_or_default();
    let kind = kind(value);
    let said = plan.statement(&object.place, &format!("{kind} zone {zone}"));
    if value.get("IsAutoCreated").and_then(Value::as_bool) == Some(true) {
        return plan.not_needed(&said, "this server answers it by itself (RFC 6303)");
    }
    if zone.eq_ignore_ascii_case("TrustAnchors") {
        return plan.not_needed(&said, "answers are not validated here");
    }
    let name = match domain(zone) {
        Ok(name) => name,
        Err(why) => return plan.refused(&said, why, "correct the zone's name"),
    };
    match kind.as_str() {
        "Forwarder" => conditional(plan, &said, value, &name),
        "Stub" => {
            conditional(plan, &said, value, &name);
            plan.changed(
                &said,
                format!(
                    "[[rule]] {name}: its masters are asked; the servers that they list are not looked up"
                ),
            );
        }
        "Secondary" => secondary(plan, &said, value, &name),
        "Primary" if value.get("IsDsIntegrated").and_then(Value::as_bool) == Some(true) => plan.refused(
            &said,
            "its records are in Active Directory, where domain controllers update them",
            "leave it there, and add a rule for the zone with the domain controllers as targets",
        ),
        "Primary" => plan.refused(
            &said,
            "its records are in a file of the Windows server",
            "copy the file from %windir%\\System32\\dns, and name it in a [[zone]]",
        ),
        kind => plan.refused(
            &said,
            format!("`{kind}` is no type of zone that is known here"),
            "write a rule or zone for it",
        ),
    }
}

/// As a word, or the number that older versions print.
fn kind(value: &Value) -> String {
    match value.get("ZoneType") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => {
            let words = ["Cache", "Primary", "Secondary", "Stub", "Forwarder"];
            let word = number.as_u64().and_then(|at| words.get(at as usize).copied());
            word.unwrap_or("unknown").to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

fn secondary(plan: &mut Plan, said: &Said, value: &Value, name: &Name) {
    let Some(primaries) = targets(plan, said, value.get("MasterServers")) else { return };
    if let Err(why) = plan.secondary(said, name, &primaries) {
        return plan.refused(said, why, "keep one of the two");
    }
    plan.translated(said, format!("[[zone]] {name} with primaries; its copy is kept in [server] state"));
    transfers(plan, said, value, name);
    notifications(plan, said, value, name);
}

/// Who may copy the zone from here.
fn transfers(plan: &mut Plan, said: &Said, value: &Value, name: &Name) {
    const WORDS: [&str; 4] =
        ["TransferAnyServer", "TransferToZoneNameServer", "TransferToSecureServers", "NoTransfer"];
    match word(value.get("SecureSecondaries"), &WORDS) {
        Some("TransferAnyServer") => {
            plan.zone_key(name, said, "allow_transfer", super::draft::Value::texts(["any"]));
        }
        Some("TransferToSecureServers") => match listed(value.get("SecondaryServers")) {
            servers if servers.is_empty() => {}
            servers => plan.zone_key(name, said, "allow_transfer", super::draft::Value::texts(servers)),
        },
        Some("TransferToZoneNameServer") => {
            let what = "nobody may transfer it: the servers of its NS records, who may in Windows, have to be listed in \
                        allow_transfer";
            plan.changed(said, what);
        }
        _ => {}
    }
}

/// Who is told of changes.
fn notifications(plan: &mut Plan, said: &Said, value: &Value, name: &Name) {
    match word(value.get("Notify"), &["NoNotify", "Notify", "NotifyServers"]) {
        Some("Notify") => {
            plan.changed(
                said,
                "the servers of its NS records, whom Windows tells of changes, have to be listed in notify",
            );
        }
        Some("NotifyServers") => match listed(value.get("NotifyServers")) {
            servers if servers.is_empty() => {}
            servers => plan.zone_key(name, said, "notify", super::draft::Value::texts(servers)),
        },
        _ => {}
    }
}

/// A word, or its number in a list of words.
fn word<'a>(value: Option<&'a Value>, words: &[&'static str]) -> Option<&'a str> {
    match value? {
        Value::String(text) => Some(text),
        Value::Number(number) => words.get(number.as_u64()? as usize).copied(),
        _ => None,
    }
}

/// Addresses that are addresses.
fn listed(value: Option<&Value>) -> Vec<String> {
    addresses(value).into_iter().filter(|text| text.parse::<IpAddr>().is_ok()).collect()
}

fn conditional(plan: &mut Plan, said: &Said, value: &Value, name: &Name) {
    let Some(targets) = targets(plan, said, value.get("MasterServers")) else { return };
    plan.forward(said, Area::Domain(name.clone()), &in_order(targets));
    plan.translated(said, format!("[[rule]] {name}"));
    if value.get("IsReverseLookupZone").and_then(Value::as_bool) == Some(true) {
        plan.translated(said, "its reverse names");
    }
}

fn forwarders(plan: &mut Plan, object: &Object) {
    let value = &object.value;
    let said = plan.statement(&object.place, "forwarders");
    let Some(targets) = targets(plan, &said, value.get("IPAddress")) else { return };
    let ordered = value.get("EnableReordering").and_then(Value::as_bool) == Some(false);
    let targets = if ordered { in_order(targets) } else { targets };
    plan.forward(&said, Area::Domain(Name::root()), &targets);
    plan.translated(&said, "[[rule]] .");
    if value.get("UseRootHint").and_then(Value::as_bool) == Some(true) {
        plan.changed(&said, "when its targets fail, nobody looks the name up from the root on");
    }
}

fn targets(plan: &mut Plan, said: &Said, value: Option<&Value>) -> Option<Vec<Target>> {
    let texts = addresses(value);
    let mut targets = Vec::new();
    for text in &texts {
        match text.parse::<IpAddr>().ok().and_then(|ip| target(SocketAddr::new(ip, 53))) {
            Some(target) => targets.push(target),
            None => plan.refused(
                said,
                format!("`{text}` is not the address of a server that can be asked"),
                "write its address",
            ),
        }
    }
    if targets.is_empty() {
        let why = format!("it names no server; {GO_ELSEWHERE}");
        let help = "export with ConvertTo-Json -Depth 4, so that the addresses are written out";
        plan.refused(said, why, help);
        return None;
    }
    Some(targets)
}

/// Addresses as PowerShell writes them: strings, objects with `IPAddressToString`, lists of both, lists wrapped into
/// `value`, or one string with blanks between where the depth did not suffice.
fn addresses(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.split([' ', ',', ';']).filter(|text| !text.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Array(items)) => items.iter().flat_map(|item| addresses(Some(item))).collect(),
        Some(Value::Object(object)) => {
            match object.get("IPAddressToString").or_else(|| object.get("value")) {
                Some(inner) => addresses(Some(inner)),
                None => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// What Windows does without a word, and this server does otherwise.
fn what_is_not_written(plan: &mut Plan, top: &Place) {
    let targets = plan.targets(&Area::Domain(Name::root())).unwrap_or_default().to_vec();
    if targets.is_empty() {
        let said = plan.statement(top, "(names of no zone)");
        let why = "Windows looks them up from the root on, or asks forwarders that are not in the file";
        plan.refused(&said, why, "add the output of Get-DnsServerForwarder, or a rule for \".\"");
    } else {
        let said = plan.statement(top, "(private networks)");
        plan.forward_private(&said, &targets);
    }
    plan.special_names(top, "Windows");
    let said = plan.statement(top, "(clients)");
    plan.changed(&said, "private networks may ask; who serves others names them in [server] allow");
}
