//! The least IAM policy for what the commands ask of AWS with this configuration. Asks AWS nothing.

mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub use self::table::{CALLED, Command, IMPLIED, On, Operation, When};
use super::cloud::partition;
use super::world::OWNER_TAG;
use crate::config::aws::{AddressFamily, Aws, SecurityGroup};

/// For whom the policy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub command: Command,
    /// 12 digits. None: any account; the policy is attached in one anyway.
    pub account: Option<String>,
    /// Also what the configuration doesn't use: to remove what an earlier one made.
    pub is_for_all: bool,
}

/// A policy document (IAM's grammar of 2012-10-17).
pub fn document(wanted: &Aws, wish: &Wish) -> Value {
    let mut by_scope: BTreeMap<On, Vec<String>> = BTreeMap::new();
    for operation in CALLED.iter().chain(IMPLIED) {
        if operation.command <= wish.command && is_needed(operation.when, wanted, wish) {
            let action = format!("{}:{}", operation.service, operation.name);
            by_scope.entry(operation.on).or_default().push(action);
        }
    }
    let statements: Vec<Value> =
        by_scope.into_iter().filter_map(|(on, actions)| statement(on, actions, wanted, wish)).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn is_needed(when: When, wanted: &Aws, wish: &Wish) -> bool {
    let is_used = match when {
        When::Always => true,
        When::Endpoint => !wanted.endpoints.is_empty(),
        When::Ipv6 => wanted.endpoints.iter().any(|one| one.family != AddressFamily::Ipv4),
        When::OwnGroup => {
            wanted.endpoints.iter().any(|one| matches!(one.security_group, SecurityGroup::Ours { .. }))
        }
        When::Rule => !wanted.rules.is_empty(),
        When::Share => wanted.rules.iter().any(|rule| !rule.share.is_empty()),
        When::QueryLog => !wanted.query_logs.is_empty(),
        // Which bucket or stream an earlier configuration logged to isn't known.
        When::ToLogGroup => return !destinations(wanted, "logs").is_empty(),
        When::ToBucket => return !destinations(wanted, "s3").is_empty(),
        When::ToStream => return !destinations(wanted, "firehose").is_empty(),
        When::Dnssec => wanted.vpcs.iter().any(|vpc| vpc.dnssec_validation.is_some()),
        When::Reverse => wanted.vpcs.iter().any(|vpc| vpc.autodefined_reverse.is_some()),
        When::ClientVpn => !wanted.client_vpns.is_empty(),
    };
    is_used || wish.is_for_all
}

/// ARNs of query logs' destinations of one service, each once.
fn destinations(wanted: &Aws, service: &str) -> Vec<String> {
    let of = |arn: &&String| arn.split(':').nth(2) == Some(service);
    let mut arns: Vec<String> =
        wanted.query_logs.iter().map(|log| &log.destination).filter(of).cloned().collect();
    arns.sort_unstable();
    arns.dedup();
    arns
}

/// None if there is nothing that it could be on.
fn statement(on: On, mut actions: Vec<String>, wanted: &Aws, wish: &Wish) -> Option<Value> {
    actions.sort_unstable();
    let resources = resources(on, wanted, wish);
    if resources.is_empty() {
        return None;
    }
    let mut statement = Map::new();
    statement.insert("Sid".to_owned(), json!(format!("{on:?}")));
    statement.insert("Effect".to_owned(), json!("Allow"));
    statement.insert("Action".to_owned(), json!(actions));
    statement.insert("Resource".to_owned(), json!(resources));
    if let Some(condition) = condition(on, wanted) {
        statement.insert("Condition".to_owned(), condition);
    }
    Some(Value::Object(statement))
}

fn resources(on: On, wanted: &Aws, wish: &Wish) -> Vec<String> {
    let region = &wanted.region;
    let partition = partition(region);
    let account = wish.account.as_deref().unwrap_or("*");
    let all = |service: &str, kinds: &[&str]| -> Vec<String> {
        let arn = |kind: &&str| format!("arn:{partition}:{service}:{region}:{account}:{kind}/*");
        kinds.iter().map(arn).collect()
    };
    match on {
        On::Look | On::NewShare | On::LogDelivery => vec!["*".to_owned()],
        On::Endpoints => all("route53resolver", &["resolver-endpoint"]),
        On::Rules => all("route53resolver", &["resolver-rule"]),
        On::AnyRule => vec![format!("arn:{partition}:route53resolver:{region}:*:resolver-rule/*")],
        On::QueryLogs => all("route53resolver", &["resolver-query-log-config"]),
        On::VpcSettings => all("route53resolver", &["resolver-config", "resolver-dnssec-config"]),
        On::ResolverTags => {
            all("route53resolver", &["resolver-endpoint", "resolver-query-log-config", "resolver-rule"])
        }
        On::Interfaces => all("ec2", &["network-interface", "security-group", "subnet"]),
        On::NewGroup | On::NewGroupTags | On::OurGroups => all("ec2", &["security-group"]),
        On::NewGroupVpc => all("ec2", &["vpc"]),
        On::NewShareTags | On::OurShares => all("ram", &["resource-share"]),
        On::ClientVpns => vpns(wanted, &all("ec2", &["client-vpn-endpoint"]), &all("ec2", &["subnet"])),
        On::Buckets => destinations(wanted, "s3").iter().map(|arn| bucket(arn)).collect(),
        On::Streams => destinations(wanted, "firehose"),
        On::DeliveryRole => vec![format!(
            "arn:{partition}:iam::{account}:role/aws-service-role/delivery.logs.amazonaws.com/AWSServiceRoleForLogDelivery"
        )],
    }
}

/// Those that the file names, or any; and the subnets that routes lead to.
fn vpns(wanted: &Aws, any: &[String], subnets: &[String]) -> Vec<String> {
    let named = wanted
        .client_vpns
        .iter()
        .flat_map(|vpn| any.iter().map(|arn| format!("{}{}", arn.trim_end_matches('*'), vpn.endpoint)));
    let mut arns: Vec<String> = named.collect();
    if arns.is_empty() {
        arns = any.to_vec();
    }
    arns.extend_from_slice(subnets);
    arns
}

/// Without the prefix of keys: a policy belongs to the bucket.
fn bucket(arn: &str) -> String {
    arn.split('/').next().unwrap_or(arn).to_owned()
}

/// Only where the service has the key and what we ask always fits it.
fn condition(on: On, wanted: &Aws) -> Option<Value> {
    let equal = |key: &str, value: &str| {
        let pair = Map::from_iter([(key.to_owned(), json!(value))]);
        json!({ "StringEquals": pair })
    };
    match on {
        On::Look | On::LogDelivery => Some(equal("aws:RequestedRegion", &wanted.region)),
        On::NewGroup => Some(equal(&format!("aws:RequestTag/{OWNER_TAG}"), &wanted.owner)),
        On::NewGroupTags => Some(equal("ec2:CreateAction", "CreateSecurityGroup")),
        On::OurGroups | On::OurShares => Some(equal(&format!("aws:ResourceTag/{OWNER_TAG}"), &wanted.owner)),
        On::NewShare => {
            let owner = format!("aws:RequestTag/{OWNER_TAG}");
            let pairs =
                [("aws:RequestedRegion".to_owned(), json!(wanted.region)), (owner, json!(wanted.owner))];
            Some(json!({ "StringEquals": Map::from_iter(pairs) }))
        }
        On::DeliveryRole => Some(equal("iam:AWSServiceName", "delivery.logs.amazonaws.com")),
        _ => None,
    }
}
