//! What of AWS has moved since it was observed, in words: why a plan isn't applied any more.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::Value;

use crate::aws::world::{Endpoint, World};

/// One line for each thing that differs; none if both are the same.
pub fn moved(old: &World, new: &World) -> Vec<String> {
    let mut lines = Lines(Vec::new());
    lines.value("account", &old.account, &new.account);
    lines.value("Region", &old.region, &new.region);
    endpoints(&mut lines, old, new);
    lines.things("rule", &old.rules, &new.rules, |rule| rule.name.clone());
    lines.things("association", &old.associations, &new.associations, |one| {
        format!("of {} with {}", one.rule, one.vpc)
    });
    lines.things("query log", &old.query_logs, &new.query_logs, |log| log.name.clone());
    lines.things("VPCs of query log", &old.query_log_associations, &new.query_log_associations, |_| {
        String::new()
    });
    lines.things("VPC", &old.vpcs, &new.vpcs, |_| String::new());
    lines.things("subnet", &old.subnets, &new.subnets, |_| String::new());
    lines.things("security group", &old.security_groups, &new.security_groups, |group| group.name.clone());
    lines.things("Client VPN endpoint", &old.client_vpns, &new.client_vpns, |_| String::new());
    lines.things("share", &old.shares, &new.shares, |share| share.name.clone());
    lines.0
}

fn endpoints(lines: &mut Lines, old: &World, new: &World) {
    let bare = |endpoints: &BTreeMap<String, Endpoint>| -> BTreeMap<String, Endpoint> {
        let without = |endpoint: &Endpoint| Endpoint { addresses: BTreeMap::new(), ..endpoint.clone() };
        endpoints.iter().map(|(id, endpoint)| (id.clone(), without(endpoint))).collect()
    };
    lines.things("endpoint", &bare(&old.endpoints), &bare(&new.endpoints), |endpoint| endpoint.name.clone());
    for (id, was) in &old.endpoints {
        let Some(is) = new.endpoints.get(id) else { continue };
        let kind = format!("endpoint {id} address");
        lines.things(&kind, &was.addresses, &is.addresses, |address| {
            let ip = address.ip.map(|ip| ip.to_string());
            ip.or(address.ipv6.map(|ip| ip.to_string())).unwrap_or_default()
        });
    }
}

struct Lines(Vec<String>);

impl Lines {
    fn value<T: PartialEq + ToString>(&mut self, what: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(format!("{what}: {} → {}", old.to_string(), new.to_string()));
        }
    }

    fn things<T: PartialEq + Debug + serde::Serialize>(
        &mut self,
        kind: &str,
        old: &BTreeMap<String, T>,
        new: &BTreeMap<String, T>,
        name: impl Fn(&T) -> String,
    ) {
        let called = |id: &str, thing: &T| match name(thing) {
            name if name.is_empty() => format!("{kind} {id}"),
            name => format!("{kind} {id} ({name})"),
        };
        for (id, was) in old {
            match new.get(id) {
                None => self.0.push(format!("{}: gone", called(id, was))),
                Some(is) if is != was => {
                    self.0.push(format!("{}: {}", called(id, was), differences(was, is)))
                }
                Some(_) => {}
            }
        }
        for (id, is) in new.iter().filter(|(id, _)| !old.contains_key(*id)) {
            self.0.push(format!("{}: new", called(id, is)));
        }
    }
}

/// The fields that differ, old and new.
fn differences<T: serde::Serialize>(old: &T, new: &T) -> String {
    let (old, new) = (serde_json::to_value(old), serde_json::to_value(new));
    let (Ok(Value::Object(old)), Ok(Value::Object(new))) = (old, new) else { return "changed".to_owned() };
    let mut words = Vec::new();
    // The status says in AWS's word what the state says in ours.
    let says_status = old.get("status") != new.get("status");
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        let (was, is) = (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
        if was == is || (key == "state" && says_status) {
            continue;
        }
        let change = format!("{} → {}", short(was), short(is));
        words.push(if key == "status" { change } else { format!("{} {change}", key.replace('_', " ")) });
    }
    words.join(", ")
}

fn short(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
