//! The wanted AWS side as HCL for Terraform's provider hashicorp/aws (6.x).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::guard::{Guard, guards};
use super::hcl::{Body, quoted};
use super::labels::Labels;
use super::{Export, unsaid_of_groups, unsaid_of_vpns};
use crate::aws::world::Permission;
use crate::config::aws::{
    AddressFamily, Aws, ClientVpn, QueryLog, ResolverEndpoint, ResolverRule, RuleType, SecurityGroup, Vpc,
};

/// What the provider can't say is a comment at its place, and in `unsaid`.
pub fn terraform(wanted: &Aws) -> Export {
    let mut writer = Writer {
        wanted,
        guards: guards(wanted),
        page: Body::default(),
        unsaid: Vec::new(),
        endpoints: BTreeMap::new(),
        labels: BTreeMap::new(),
    };
    writer.head();
    wanted.endpoints.iter().for_each(|endpoint| writer.endpoint(endpoint));
    wanted.rules.iter().for_each(|rule| writer.rule(rule));
    wanted.query_logs.iter().for_each(|log| writer.query_log(log));
    wanted.vpcs.iter().for_each(|vpc| writer.vpc(vpc));
    wanted.client_vpns.iter().for_each(|vpn| writer.client_vpn(vpn));
    for one in unsaid_of_groups(wanted).into_iter().chain(unsaid_of_vpns(wanted)) {
        writer.unsaid(one);
    }
    Export { text: writer.page.written(), unsaid: writer.unsaid }
}

struct Writer<'a> {
    wanted: &'a Aws,
    guards: BTreeMap<String, Guard>,
    page: Body,
    unsaid: Vec<String>,
    /// Labels of endpoints by name.
    endpoints: BTreeMap<&'a str, String>,
    /// Labels taken, by type: each type has names of its own.
    labels: BTreeMap<&'static str, Labels>,
}

impl<'a> Writer<'a> {
    fn head(&mut self) {
        self.comment("Made by `dnsfwd aws export`, for the provider hashicorp/aws 6.x.");
        let provider = Body::default().text("region", &self.wanted.region);
        self.add("provider \"aws\"", provider);
    }

    fn add(&mut self, head: &str, body: Body) {
        self.page = std::mem::take(&mut self.page).block(head, body);
    }

    fn comment(&mut self, text: &str) {
        self.page = std::mem::take(&mut self.page).comment(text);
    }

    /// Said at its place, and to who runs the command.
    fn unsaid(&mut self, text: String) {
        self.page = std::mem::take(&mut self.page).gap().comment(&format!("Not in here: {text}."));
        self.unsaid.push(text);
    }

    fn label(&mut self, kind: &'static str, name: &str) -> String {
        self.labels.entry(kind).or_default().snake(name)
    }

    fn resource(&mut self, kind: &'static str, label: &str, body: Body) {
        self.add(&format!("resource \"{kind}\" \"{label}\""), body);
    }

    /// What exists is brought under Terraform.
    fn import(&mut self, kind: &str, label: &str, id: Option<&String>) {
        if let Some(id) = id {
            let body = Body::default().expression("to", format!("{kind}.{label}")).text("id", id);
            self.add("import", body);
        }
    }

    fn tags(&self, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        self.wanted.tags.iter().chain(own).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn endpoint(&mut self, endpoint: &'a ResolverEndpoint) {
        const KIND: &str = "aws_route53_resolver_endpoint";
        let groups = match &endpoint.security_group {
            SecurityGroup::Theirs(ids) => {
                let ids: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
                format!("[{}]", ids.join(", "))
            }
            SecurityGroup::Ours { .. } => match self.group(endpoint) {
                Some(label) => format!("[aws_security_group.{label}.id]"),
                None => "[]".to_owned(),
            },
        };
        for (key, is_on) in [("dns64", endpoint.dns64), ("ipv6_internet", endpoint.ipv6_internet)] {
            if is_on {
                self.unsaid(format!(
                    "{key} of endpoint {}: the provider has no argument for it",
                    endpoint.name
                ));
            }
        }
        let mut body = Body::default()
            .text("name", &endpoint.name)
            .text("direction", endpoint.direction.word())
            .text("resolver_endpoint_type", endpoint.family.word())
            .texts("protocols", endpoint.protocols.iter().map(|protocol| protocol.word().to_owned()))
            .expression("security_group_ids", groups)
            .flag("rni_enhanced_metrics_enabled", endpoint.interface_metrics)
            .flag("target_name_server_metrics_enabled", endpoint.target_metrics)
            .map("tags", &self.tags(&endpoint.tags));
        for address in &endpoint.addresses {
            let mut one = Body::default().text("subnet_id", &address.subnet);
            if let Some(ip) = address.ip {
                one = one.text("ip", &ip.to_string());
            }
            if let Some(ip) = address.ipv6.filter(|_| endpoint.family != AddressFamily::Ipv4) {
                one = one.text("ipv6", &ip.to_string());
            }
            body = body.block("ip_address", one);
        }
        let label = self.label(KIND, &endpoint.name);
        self.resource(KIND, &label, body);
        self.import(KIND, &label, endpoint.id.as_ref());
        self.endpoints.insert(&endpoint.name, label);
    }

    /// The label of the group that is made for an endpoint.
    fn group(&mut self, endpoint: &ResolverEndpoint) -> Option<String> {
        let guard = self.guards.remove(&endpoint.name)?;
        let label = self.label("aws_security_group", &endpoint.name);
        let body = Body::default()
            .text("name", &guard.name)
            .text("description", &guard.description)
            .text("vpc_id", &guard.vpc)
            .map("tags", &self.tags(&endpoint.tags));
        self.resource("aws_security_group", &label, body);
        for one in &guard.ingress {
            self.permission("aws_vpc_security_group_ingress_rule", &label, one);
        }
        for one in &guard.egress {
            self.permission("aws_vpc_security_group_egress_rule", &label, one);
        }
        Some(label)
    }

    fn permission(&mut self, kind: &'static str, group: &str, one: &Permission) {
        let name = format!("{group}_{}_{}_{}", one.protocol, one.from_port, one.peer);
        let label = self.label(kind, &name);
        let cidr = if one.peer.contains(':') { "cidr_ipv6" } else { "cidr_ipv4" };
        let body = Body::default()
            .expression("security_group_id", format!("aws_security_group.{group}.id"))
            .text("ip_protocol", &one.protocol)
            .expression("from_port", one.from_port.to_string())
            .expression("to_port", one.to_port.to_string())
            .text(cidr, &one.peer);
        self.resource(kind, &label, body);
    }

    fn rule(&mut self, rule: &ResolverRule) {
        const KIND: &str = "aws_route53_resolver_rule";
        if rule.kind == RuleType::Delegate {
            self.unsaid(format!(
                "rule {} (DELEGATE) with its associations and shares: the provider has no argument for a delegation record",
                rule.name
            ));
            return;
        }
        let mut body = Body::default()
            .text("name", &rule.name)
            .text("domain_name", &domain(rule))
            .text("rule_type", rule.kind.word());
        if rule.kind == RuleType::Forward {
            let endpoint =
                self.wanted.outbound_of(rule).and_then(|one| self.endpoints.get(one.name.as_str()));
            match endpoint {
                Some(label) => {
                    let id = format!("aws_route53_resolver_endpoint.{label}.id");
                    body = body.expression("resolver_endpoint_id", id);
                }
                None => {
                    self.unsaid(format!("the endpoint of rule {}: the file doesn't say which", rule.name))
                }
            }
        }
        body = body.map("tags", &self.tags(&rule.tags));
        for target in &rule.targets {
            if let Some(sni) = &target.sni {
                let about = format!(
                    "the name {sni} that target {} of rule {} is known by in TLS: the provider has no argument for it",
                    target.address, rule.name
                );
                self.unsaid(about);
            }
            let key = match target.address.ip() {
                IpAddr::V4(_) => "ip",
                IpAddr::V6(_) => "ipv6",
            };
            let one = Body::default()
                .text(key, &target.address.ip().to_string())
                .expression("port", target.address.port().to_string())
                .text("protocol", target.protocol.word());
            body = body.block("target_ip", one);
        }
        let label = self.label(KIND, &rule.name);
        self.resource(KIND, &label, body);
        self.import(KIND, &label, rule.id.as_ref());
        self.associations(rule, &label);
        self.share(rule, &label);
    }

    fn associations(&mut self, rule: &ResolverRule, label: &str) {
        const KIND: &str = "aws_route53_resolver_rule_association";
        for vpc in &rule.vpcs {
            let body = Body::default()
                .text("name", &rule.name)
                .expression("resolver_rule_id", format!("aws_route53_resolver_rule.{label}.id"))
                .text("vpc_id", vpc);
            let label = self.label(KIND, &format!("{label}_{vpc}"));
            self.resource(KIND, &label, body);
        }
    }

    fn share(&mut self, rule: &ResolverRule, label: &str) {
        if rule.share.is_empty() {
            return;
        }
        let arn = format!("aws_ram_resource_share.{label}.arn");
        let body = Body::default()
            .text("name", &rule.name)
            .flag("allow_external_principals", true)
            .map("tags", &self.tags(&rule.tags));
        self.resource("aws_ram_resource_share", label, body);
        let body = Body::default()
            .expression("resource_arn", format!("aws_route53_resolver_rule.{label}.arn"))
            .expression("resource_share_arn", arn.clone());
        self.resource("aws_ram_resource_association", label, body);
        for principal in &rule.share {
            let body =
                Body::default().text("principal", principal).expression("resource_share_arn", arn.clone());
            let last = principal.rsplit(['/', ':']).next().unwrap_or(principal);
            let label = self.label("aws_ram_principal_association", &format!("{label}_{last}"));
            self.resource("aws_ram_principal_association", &label, body);
        }
    }

    fn query_log(&mut self, log: &QueryLog) {
        const KIND: &str = "aws_route53_resolver_query_log_config";
        const ASSOCIATION: &str = "aws_route53_resolver_query_log_config_association";
        let label = self.label(KIND, &log.name);
        let body = Body::default()
            .text("name", &log.name)
            .text("destination_arn", &log.destination)
            .map("tags", &self.tags(&log.tags));
        self.resource(KIND, &label, body);
        self.import(KIND, &label, log.id.as_ref());
        for vpc in &log.vpcs {
            let body = Body::default()
                .expression("resolver_query_log_config_id", format!("{KIND}.{label}.id"))
                .text("resource_id", vpc);
            let label = self.label(ASSOCIATION, &format!("{label}_{vpc}"));
            self.resource(ASSOCIATION, &label, body);
        }
    }

    fn vpc(&mut self, vpc: &Vpc) {
        match vpc.dnssec_validation {
            Some(true) => {
                const KIND: &str = "aws_route53_resolver_dnssec_config";
                let label = self.label(KIND, &vpc.id);
                self.resource(KIND, &label, Body::default().text("resource_id", &vpc.id));
            }
            Some(false) => self.unsaid(format!(
                "DNSSEC validation switched off for {}: the provider can only switch it on",
                vpc.id
            )),
            None => {}
        }
        if let Some(on) = vpc.autodefined_reverse {
            const KIND: &str = "aws_route53_resolver_config";
            let label = self.label(KIND, &vpc.id);
            let body = Body::default()
                .text("resource_id", &vpc.id)
                .text("autodefined_reverse_flag", if on { "ENABLE" } else { "DISABLE" });
            self.resource(KIND, &label, body);
        }
    }

    fn client_vpn(&mut self, vpn: &ClientVpn) {
        const KIND: &str = "aws_ec2_client_vpn_authorization_rule";
        for server in vpn.dns_servers.iter().filter(|_| vpn.authorize) {
            let mut body = Body::default()
                .text("client_vpn_endpoint_id", &vpn.endpoint)
                .text("target_network_cidr", &format!("{server}/32"));
            body = match &vpn.group {
                Some(group) => body.text("access_group_id", group),
                None => body.flag("authorize_all_groups", true),
            };
            body = body.text("description", &format!("DNS server {server}"));
            let label = self.label(KIND, &format!("{}_{server}", vpn.endpoint));
            self.resource(KIND, &label, body);
        }
    }
}

/// Without the dot at the end, but for the root.
fn domain(rule: &ResolverRule) -> String {
    let text = rule.domain.to_string();
    match text.trim_end_matches('.') {
        "" => ".".to_owned(),
        text => text.to_owned(),
    }
}
