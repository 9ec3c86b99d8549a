//! The wanted AWS side as a CloudFormation template in JSON, which has no comments: what it can't say stands in its
//! metadata.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::guard::{Guard, guards};
use super::labels::Labels;
use super::{Export, unsaid_of_groups, unsaid_of_vpns};
use crate::aws::world::Permission;
use crate::config::aws::{
    Aws, ClientVpn, Direction, QueryLog, ResolverEndpoint, ResolverRule, RuleTarget, RuleType, SecurityGroup,
    Vpc,
};

/// What the template can't say is in its metadata, and in `unsaid`.
pub fn cloudformation(wanted: &Aws) -> Export {
    let mut writer = Writer {
        wanted,
        guards: guards(wanted),
        resources: Map::new(),
        unsaid: Vec::new(),
        endpoints: BTreeMap::new(),
        labels: Labels::default(),
    };
    wanted.endpoints.iter().for_each(|endpoint| writer.endpoint(endpoint));
    wanted.rules.iter().for_each(|rule| writer.rule(rule));
    wanted.query_logs.iter().for_each(|log| writer.query_log(log));
    wanted.vpcs.iter().for_each(|vpc| writer.vpc(vpc));
    wanted.client_vpns.iter().for_each(|vpn| writer.client_vpn(vpn));
    writer.unsaid.extend(unsaid_of_groups(wanted).into_iter().chain(unsaid_of_vpns(wanted)));
    let mut template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("Route 53 Resolver in {}, made by dnsfwd aws export", wanted.region),
        "Resources": writer.resources,
    });
    if !writer.unsaid.is_empty() {
        template["Metadata"] = json!({ "NotInHere": writer.unsaid });
    }
    Export { text: format!("{template:#}\n"), unsaid: writer.unsaid }
}

struct Writer<'a> {
    wanted: &'a Aws,
    guards: BTreeMap<String, Guard>,
    resources: Map<String, Value>,
    unsaid: Vec<String>,
    /// Labels of endpoints by name.
    endpoints: BTreeMap<&'a str, String>,
    labels: Labels,
}

impl<'a> Writer<'a> {
    /// What exists can be imported: then it must outlive its stack, and its ID is asked for.
    fn add(&mut self, label: &str, kind: &str, mut properties: Value, id: Option<&String>) {
        if let Some(properties) = properties.as_object_mut() {
            properties
                .retain(|key, value| key != "Tags" || value.as_array().is_some_and(|tags| !tags.is_empty()));
        }
        let mut resource = json!({ "Type": kind, "Properties": properties });
        if let Some(id) = id {
            resource["DeletionPolicy"] = json!("Retain");
            resource["Metadata"] = json!({ "ImportAs": id });
        }
        self.resources.insert(label.to_owned(), resource);
    }

    fn tags(&self, own: &BTreeMap<String, String>) -> Value {
        let all: BTreeMap<&String, &String> = self.wanted.tags.iter().chain(own).collect();
        all.into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
    }

    fn endpoint(&mut self, endpoint: &'a ResolverEndpoint) {
        let groups = match &endpoint.security_group {
            SecurityGroup::Theirs(ids) => json!(ids),
            SecurityGroup::Ours { .. } => {
                self.group(endpoint).map_or(json!([]), |label| json!([attribute(&label, "GroupId")]))
            }
        };
        for (key, is_on) in [("dns64", endpoint.dns64), ("ipv6_internet", endpoint.ipv6_internet)] {
            if is_on {
                let about = format!("{key} of endpoint {}: there is no property for it", endpoint.name);
                self.unsaid.push(about);
            }
        }
        let addresses = endpoint.addresses.iter().map(|address| {
            let mut one = json!({ "SubnetId": address.subnet });
            if let Some(ip) = address.ip {
                one["Ip"] = json!(ip.to_string());
            }
            if let Some(ip) = address.ipv6 {
                one["Ipv6"] = json!(ip.to_string());
            }
            one
        });
        let protocols: Vec<&str> = endpoint.protocols.iter().map(|protocol| protocol.word()).collect();
        let mut properties = json!({
            "Name": endpoint.name,
            "Direction": endpoint.direction.word(),
            "ResolverEndpointType": endpoint.family.word(),
            "Protocols": protocols,
            "IpAddresses": addresses.collect::<Value>(),
            "SecurityGroupIds": groups,
            "RniEnhancedMetricsEnabled": endpoint.interface_metrics,
            "Tags": self.tags(&endpoint.tags),
        });
        if endpoint.direction == Direction::Outbound {
            properties["TargetNameServerMetricsEnabled"] = json!(endpoint.target_metrics);
        }
        let label = self.labels.camel("Endpoint", &endpoint.name);
        self.add(&label, "AWS::Route53Resolver::ResolverEndpoint", properties, endpoint.id.as_ref());
        self.endpoints.insert(&endpoint.name, label);
    }

    fn group(&mut self, endpoint: &ResolverEndpoint) -> Option<String> {
        let guard = self.guards.remove(&endpoint.name)?;
        let mut properties = json!({
            "GroupName": guard.name,
            "GroupDescription": guard.description,
            "VpcId": guard.vpc,
            "Tags": self.tags(&endpoint.tags),
        });
        if !guard.ingress.is_empty() {
            properties["SecurityGroupIngress"] = guard.ingress.iter().map(permission).collect();
        }
        if endpoint.direction == Direction::Outbound {
            properties["SecurityGroupEgress"] = match guard.egress.is_empty() {
                // Without any, EC2 lets a group send anything anywhere.
                true => json!([{ "IpProtocol": "-1", "CidrIp": "127.0.0.1/32" }]),
                false => guard.egress.iter().map(permission).collect(),
            };
        }
        let label = self.labels.camel("SecurityGroup", &endpoint.name);
        self.add(&label, "AWS::EC2::SecurityGroup", properties, None);
        Some(label)
    }

    fn rule(&mut self, rule: &ResolverRule) {
        let mut properties = json!({
            "Name": rule.name,
            "RuleType": rule.kind.word(),
            "Tags": self.tags(&rule.tags),
        });
        let domain = match rule.kind {
            RuleType::Delegate => "DelegationRecord",
            _ => "DomainName",
        };
        properties[domain] = json!(rule.domain.to_string());
        if !rule.targets.is_empty() {
            properties["TargetIps"] = rule.targets.iter().map(target).collect();
        }
        if rule.kind != RuleType::System {
            let endpoint =
                self.wanted.outbound_of(rule).and_then(|one| self.endpoints.get(one.name.as_str()));
            match endpoint {
                Some(label) => properties["ResolverEndpointId"] = attribute(label, "ResolverEndpointId"),
                None => {
                    self.unsaid
                        .push(format!("the endpoint of rule {}: the file doesn't say which", rule.name));
                }
            }
        }
        let label = self.labels.camel("Rule", &rule.name);
        self.add(&label, "AWS::Route53Resolver::ResolverRule", properties, rule.id.as_ref());
        for vpc in &rule.vpcs {
            let properties = json!({
                "Name": rule.name,
                "ResolverRuleId": attribute(&label, "ResolverRuleId"),
                "VPCId": vpc,
            });
            let association = self.labels.camel("Association", &format!("{} {vpc}", rule.name));
            self.add(&association, "AWS::Route53Resolver::ResolverRuleAssociation", properties, None);
        }
        self.share(rule, &label);
    }

    fn share(&mut self, rule: &ResolverRule, label: &str) {
        if rule.share.is_empty() {
            return;
        }
        let properties = json!({
            "Name": rule.name,
            "AllowExternalPrincipals": true,
            "Principals": rule.share,
            "ResourceArns": [attribute(label, "Arn")],
            "Tags": self.tags(&rule.tags),
        });
        let share = self.labels.camel("Share", &rule.name);
        self.add(&share, "AWS::RAM::ResourceShare", properties, None);
    }

    fn query_log(&mut self, log: &QueryLog) {
        let properties = json!({
            "Name": log.name,
            "DestinationArn": log.destination,
            "Tags": self.tags(&log.tags),
        });
        let label = self.labels.camel("QueryLog", &log.name);
        self.add(&label, "AWS::Route53Resolver::ResolverQueryLoggingConfig", properties, log.id.as_ref());
        for vpc in &log.vpcs {
            let properties =
                json!({ "ResolverQueryLogConfigId": attribute(&label, "Id"), "ResourceId": vpc });
            let association = self.labels.camel("QueryLogAssociation", &format!("{} {vpc}", log.name));
            let kind = "AWS::Route53Resolver::ResolverQueryLoggingConfigAssociation";
            self.add(&association, kind, properties, None);
        }
    }

    /// The template can only depart from what a VPC has by default.
    fn vpc(&mut self, vpc: &Vpc) {
        match vpc.dnssec_validation {
            Some(true) => {
                let label = self.labels.camel("Dnssec", &vpc.id);
                let properties = json!({ "ResourceId": vpc.id });
                self.add(&label, "AWS::Route53Resolver::ResolverDNSSECConfig", properties, None);
            }
            Some(false) => self.unsaid.push(format!(
                "DNSSEC validation switched off for {}: a template can only switch it on",
                vpc.id
            )),
            None => {}
        }
        match vpc.autodefined_reverse {
            Some(false) => {
                let label = self.labels.camel("Config", &vpc.id);
                let properties = json!({ "ResourceId": vpc.id, "AutodefinedReverseFlag": "DISABLE" });
                self.add(&label, "AWS::Route53Resolver::ResolverConfig", properties, None);
            }
            Some(true) => self.unsaid.push(format!(
                "autodefined reverse rules switched on for {}: a template can only switch them off",
                vpc.id
            )),
            None => {}
        }
    }

    fn client_vpn(&mut self, vpn: &ClientVpn) {
        for server in vpn.dns_servers.iter().filter(|_| vpn.authorize) {
            let mut properties = json!({
                "ClientVpnEndpointId": vpn.endpoint,
                "TargetNetworkCidr": format!("{server}/32"),
                "Description": format!("DNS server {server}"),
            });
            match &vpn.group {
                Some(group) => properties["AccessGroupId"] = json!(group),
                None => properties["AuthorizeAllGroups"] = json!(true),
            }
            let label = self.labels.camel("Authorization", &format!("{} {server}", vpn.endpoint));
            self.add(&label, "AWS::EC2::ClientVpnAuthorizationRule", properties, None);
        }
    }
}

fn attribute(label: &str, name: &str) -> Value {
    json!({ "Fn::GetAtt": [label, name] })
}

fn permission(one: &Permission) -> Value {
    let cidr = if one.peer.contains(':') { "CidrIpv6" } else { "CidrIp" };
    let mut value = json!({ "IpProtocol": one.protocol, "FromPort": one.from_port, "ToPort": one.to_port });
    value[cidr] = json!(one.peer);
    value
}

/// The port is a string there.
fn target(target: &RuleTarget) -> Value {
    let mut value = json!({
        "Port": target.address.port().to_string(),
        "Protocol": target.protocol.word(),
    });
    match target.address.ip() {
        IpAddr::V4(ip) => value["Ip"] = json!(ip.to_string()),
        IpAddr::V6(ip) => value["Ipv6"] = json!(ip.to_string()),
    }
    if let Some(sni) = &target.sni {
        value["ServerNameIndication"] = json!(sni);
    }
    value
}
