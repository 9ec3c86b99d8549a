//! A world without what chance gave it: so that two runs to the same end can be laid side by side.

use serde_json::{Value, json};

use crate::aws::world::{Address, Endpoint, World};

/// IDs become names, addresses that AWS chose become `chosen`, lists are sorted.
pub fn shape(world: &World) -> Value {
    let endpoints = sorted(world.endpoints.values().map(|one| endpoint(world, one)));
    let rules = sorted(world.rules.values().map(|one| {
        let through = one.endpoint.as_deref().map(|id| endpoint_name(world, id));
        json!([
            one.name,
            one.domain,
            one.kind,
            one.targets,
            through,
            one.status,
            one.creator_request_id,
            one.tags
        ])
    }));
    let associations = sorted(world.associations.values().map(|one| {
        let rule = world.rules.get(&one.rule).map_or(&one.rule, |rule| &rule.creator_request_id);
        json!([rule, one.vpc, one.status])
    }));
    let groups = sorted(
        world
            .security_groups
            .values()
            .map(|one| json!([one.name, one.vpc, one.ingress, one.egress, one.tags])),
    );
    let logs = sorted(world.query_logs.iter().map(|(id, one)| {
        let vpcs = world.query_log_associations.get(id);
        json!([one.name, one.destination, one.status, one.creator_request_id, one.tags, vpcs])
    }));
    let shares = sorted(world.shares.values().map(|one| {
        let rules = world.rules.values().filter(|rule| one.resources.contains(&rule.arn));
        let rules = sorted(rules.map(|rule| json!(rule.creator_request_id)));
        json!([one.name, rules, one.principals, one.tags])
    }));
    json!({
        "endpoints": endpoints, "rules": rules, "associations": associations, "groups": groups,
        "logs": logs, "shares": shares, "vpcs": world.vpcs, "vpns": world.client_vpns,
    })
}

fn endpoint(world: &World, one: &Endpoint) -> Value {
    let groups = sorted(
        one.security_groups
            .iter()
            .map(|id| json!(world.security_groups.get(id).map_or(id, |group| &group.name))),
    );
    let mut copy = json!(one);
    copy["arn"] = Value::Null;
    copy["security_groups"] = groups;
    copy["addresses"] = sorted(one.addresses.values().map(address));
    copy
}

fn address(one: &Address) -> Value {
    let ip = one.ip.map(|ip| if ip.octets()[3] < 128 { ip.to_string() } else { "chosen".to_owned() });
    let ipv6 =
        one.ipv6.map(|ip| if ip.segments()[6] < 0xff00 { ip.to_string() } else { "chosen".to_owned() });
    json!([one.subnet, ip, ipv6, one.status])
}

fn endpoint_name(world: &World, id: &str) -> String {
    world.endpoints.get(id).map_or_else(|| id.to_owned(), |endpoint| endpoint.creator_request_id.clone())
}

fn sorted(values: impl Iterator<Item = Value>) -> Value {
    let mut values: Vec<Value> = values.collect();
    values.sort_by_cached_key(ToString::to_string);
    Value::Array(values)
}
