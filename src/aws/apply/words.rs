//! Steps in words for people, one line each: what is asked of AWS.

use crate::aws::plan::step::{NewAddress, Ref, Step, Way};

/// `associate rule rslvr-rr-… with vpc-…`.
pub fn words(step: &Step) -> String {
    if let Step::Await { until } = step {
        return format!("wait for what an earlier run began: {}", words(until));
    }
    resolver(step).or_else(|| around(step)).unwrap_or_else(|| vpn(step))
}

/// Endpoints, rules and their associations.
fn resolver(step: &Step) -> Option<String> {
    Some(match step {
        Step::CreateEndpoint { name, direction, addresses, .. } => {
            format!("create {} endpoint {name} with {} addresses", direction.word(), addresses.len())
        }
        Step::UpdateEndpoint { endpoint, .. } => format!("change endpoint {endpoint}"),
        Step::AddAddress { endpoint, address: new } => format!("add {} to endpoint {endpoint}", address(new)),
        Step::RemoveAddress { endpoint, address } => format!("take {address} from endpoint {endpoint}"),
        Step::DeleteEndpoint { endpoint } => format!("delete endpoint {endpoint}"),
        Step::CreateRule { name, kind, domain, .. } => {
            format!("create {} rule {name} for {domain}", kind.word())
        }
        Step::UpdateRule { rule, .. } => format!("change rule {rule}"),
        Step::DeleteRule { rule } => format!("delete rule {rule}"),
        Step::Associate { rule, vpc, .. } => format!("associate {} with {vpc}", reference(rule)),
        Step::Disassociate { rule, vpc } => format!("disassociate rule {rule} from {vpc}"),
        Step::CreateQueryLog { name, destination, .. } => format!("create query log {name} to {destination}"),
        Step::DeleteQueryLog { query_log } => format!("delete query log {query_log}"),
        Step::LogVpc { query_log, vpc } => format!("log the queries of {vpc} to {}", reference(query_log)),
        Step::UnlogVpc { query_log, vpc } => format!("log the queries of {vpc} no longer to {query_log}"),
        Step::SetDnssecValidation { vpc, on } => format!("switch DNSSEC validation of {vpc} {}", switch(*on)),
        Step::SetAutodefinedReverse { vpc, on } => {
            format!("switch the autodefined reverse rules of {vpc} {}", switch(*on))
        }
        _ => return None,
    })
}

/// Security groups, shares and tags.
fn around(step: &Step) -> Option<String> {
    Some(match step {
        Step::CreateSecurityGroup { name, vpc, .. } => format!("create security group {name} in {vpc}"),
        Step::Permit { group, way, permissions } => {
            format!("add {} to {}", permitted(*way, permissions.len()), reference(group))
        }
        Step::Forbid { group, way, permissions } => {
            format!("take {} from {}", permitted(*way, permissions.len()), reference(group))
        }
        Step::DeleteSecurityGroup { group } => format!("delete security group {group}"),
        Step::CreateShare { name, resource, principals, .. } => {
            format!("share {} with {} as {name}", reference(resource), principals.join(", "))
        }
        Step::ShareWith { share, principals } => format!("share {share} with {}", principals.join(", ")),
        Step::UnshareWith { share, principals } => {
            format!("share {share} no longer with {}", principals.join(", "))
        }
        Step::DeleteShare { share } => format!("delete share {share}"),
        Step::Tag { arn, tags } => {
            let keys: Vec<&str> = tags.keys().map(String::as_str).collect();
            format!("tag {arn}: {}", keys.join(", "))
        }
        Step::Untag { arn, keys } => format!("take tags from {arn}: {}", keys.join(", ")),
        _ => return None,
    })
}

fn vpn(step: &Step) -> String {
    match step {
        Step::AuthorizeVpn { endpoint, destination, .. } => {
            format!("authorize users of {endpoint} to reach {destination}")
        }
        Step::RevokeVpn { endpoint, destination, .. } => {
            format!("authorize users of {endpoint} no longer to reach {destination}")
        }
        Step::CreateVpnRoute { endpoint, destination, subnet, .. } => {
            format!("add a route of {endpoint} to {destination} by {subnet}")
        }
        Step::DeleteVpnRoute { endpoint, destination, subnet } => {
            format!("delete the route of {endpoint} to {destination} by {subnet}")
        }
        Step::SetVpnDnsServers { endpoint, servers } if servers.is_empty() => {
            format!("give users of {endpoint} no DNS servers")
        }
        Step::SetVpnDnsServers { endpoint, servers } => {
            let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
            format!("give users of {endpoint} the DNS servers {}", servers.join(", "))
        }
        // All others are in the two tables above; a test goes through them.
        _ => "an unknown step".to_owned(),
    }
}

fn reference(reference: &Ref) -> &str {
    match reference {
        Ref::Id(id) => id,
        Ref::Made(name) => name,
    }
}

fn address(address: &NewAddress) -> String {
    match (address.ip, address.ipv6) {
        (Some(ip), Some(ipv6)) => format!("{ip} and {ipv6}"),
        (Some(ip), None) => ip.to_string(),
        (None, Some(ipv6)) => ipv6.to_string(),
        (None, None) => format!("an address in {}", address.subnet),
    }
}

fn permitted(way: Way, count: usize) -> String {
    let way = match way {
        Way::Ingress => "ingress",
        Way::Egress => "egress",
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {way} permission{s}")
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
