//! How values are written in a plan's fields and reasons: as Route 53 and EC2 write them.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::aws::world::Permission;
use crate::config::aws::{Protocol, RuleTarget};
use crate::wire::name::Name;

/// As the API gives it: lower-case, with the dot at the end; `.` for the root.
pub(super) fn domain_of(name: &Name) -> String {
    let text = name.to_string().to_ascii_lowercase();
    if text.ends_with('.') { text } else { text + "." }
}

pub(super) fn targets(targets: &[RuleTarget]) -> String {
    joined(targets.iter())
}

pub(super) fn protocols(protocols: &[Protocol]) -> String {
    joined(protocols.iter().map(|protocol| protocol.word()))
}

pub(super) fn joined<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    values.join(", ")
}

/// `10.0.1.250 in subnet-0aaa`.
pub(super) fn address(subnet: &str, ip: Option<Ipv4Addr>, ipv6: Option<Ipv6Addr>) -> String {
    let ips: Vec<String> =
        ip.iter().map(ToString::to_string).chain(ipv6.iter().map(ToString::to_string)).collect();
    match ips.is_empty() {
        true => format!("one of AWS's choice in {subnet}"),
        false => format!("{} in {subnet}", ips.join(" and ")),
    }
}

/// `udp 53`, `all`.
pub(super) fn ports(permission: &Permission) -> String {
    match (permission.protocol.as_str(), permission.from_port, permission.to_port) {
        ("-1", _, _) => "all".to_owned(),
        (protocol, from, to) if from == to => format!("{protocol} {from}"),
        (protocol, from, to) => format!("{protocol} {from}-{to}"),
    }
}
