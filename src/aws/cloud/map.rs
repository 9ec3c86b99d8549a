//! The SDK's types as the world's, and ours as the SDK's: words, names in their canonical form, lists in an order of
//! their own. Pure. What this version has no word for gives none.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use aws_sdk_route53resolver::types::{self as sdk, builders::TargetAddressBuilder};

use super::errors::unreadable;
use crate::aws::plan::step::{NewAddress, Tags};
use crate::aws::trouble::Trouble;
use crate::aws::world::{Address, Association, Endpoint, QueryLog, Rule, State, Switch};
use crate::config::aws::{AddressFamily, Direction, Protocol, RuleTarget, RuleType};
use crate::wire::name::Name;

/// Whose rules and associations are AWS's own (ListResolverRules lists them among the others).
const AUTODEFINED: &str = "rslvr-autodefined-";
const AWS_OWNER: &str = "Route 53 Resolver";

pub(super) fn endpoint(
    told: &sdk::ResolverEndpoint,
    addresses: &[sdk::IpAddressResponse],
) -> Option<Endpoint> {
    let status = told.status().map_or("", |status| status.as_str());
    let mut security_groups = told.security_group_ids().to_vec();
    security_groups.sort();
    Some(Endpoint {
        name: told.name().unwrap_or_default().to_owned(),
        arn: told.arn()?.to_owned(),
        direction: direction(told.direction()?.as_str())?,
        vpc: told.host_vpc_id()?.to_owned(),
        security_groups,
        family: told
            .resolver_endpoint_type()
            .map_or(Some(AddressFamily::Ipv4), |kind| family(kind.as_str()))?,
        protocols: protocols(told.protocols())?,
        dns64: told.dns64_enabled().unwrap_or_default(),
        interface_metrics: told.rni_enhanced_metrics_enabled().unwrap_or_default(),
        target_metrics: told.target_name_server_metrics_enabled().unwrap_or_default(),
        ipv6_internet: told.ipv6_internet_access_enabled().unwrap_or_default(),
        state: endpoint_state(status),
        status: with_message(status, told.status_message().filter(|_| status != "OPERATIONAL")),
        creator_request_id: told.creator_request_id().unwrap_or_default().to_owned(),
        addresses: addresses.iter().filter_map(address).collect(),
        tags: Tags::new(),
    })
}

fn address(told: &sdk::IpAddressResponse) -> Option<(String, Address)> {
    let status = told.status().map_or("", |status| status.as_str());
    let address = Address {
        subnet: told.subnet_id().unwrap_or_default().to_owned(),
        ip: told.ip().and_then(|ip| ip.parse().ok()),
        ipv6: told.ipv6().and_then(|ip| ip.parse().ok()),
        state: address_state(status),
        status: with_message(status, told.status_message().filter(|_| status != "ATTACHED")),
    };
    Some((told.ip_id()?.to_owned(), address))
}

/// None also for AWS's own rules.
pub(super) fn rule(told: &sdk::ResolverRule) -> Option<Rule> {
    if is_autodefined(told) {
        return None;
    }
    let status = told.status().map_or("", |status| status.as_str());
    let kind = rule_type(told.rule_type()?.as_str())?;
    let domain = told.domain_name().filter(|_| kind != RuleType::Delegate).or(told.delegation_record())?;
    let targets: Option<Vec<RuleTarget>> = told.target_ips().iter().map(target).collect();
    let mut targets = targets?;
    targets.sort();
    Some(Rule {
        name: told.name().unwrap_or_default().to_owned(),
        arn: told.arn()?.to_owned(),
        domain: canonical(domain),
        kind,
        targets,
        endpoint: told.resolver_endpoint_id().filter(|id| !id.is_empty()).map(str::to_owned),
        state: rule_state(status),
        status: with_message(status, told.status_message().filter(|_| status != "COMPLETE")),
        creator_request_id: told.creator_request_id().unwrap_or_default().to_owned(),
        owner: told.owner_id().unwrap_or_default().to_owned(),
        tags: Tags::new(),
    })
}

/// Autodefined ones and the rule for the internet can be neither changed nor tagged (RSLVR-00903).
pub(super) fn is_autodefined(told: &sdk::ResolverRule) -> bool {
    told.id().is_some_and(|id| id.starts_with(AUTODEFINED))
        || told.owner_id() == Some(AWS_OWNER)
        || told.rule_type() == Some(&sdk::RuleTypeOption::Recursive)
}

/// None for those of AWS's own rules.
pub(super) fn association(told: &sdk::ResolverRuleAssociation) -> Option<(String, Association)> {
    let rule = told.resolver_rule_id().filter(|id| !id.starts_with(AUTODEFINED))?;
    let id = told.id().filter(|id| !id.starts_with(AUTODEFINED))?;
    let status = told.status().map_or("", |status| status.as_str());
    let association = Association {
        rule: rule.to_owned(),
        vpc: told.vpc_id()?.to_owned(),
        state: association_state(status),
        status: with_message(status, told.status_message().filter(|_| status != "COMPLETE")),
    };
    Some((id.to_owned(), association))
}

pub(super) fn query_log(told: &sdk::ResolverQueryLogConfig) -> Option<(String, QueryLog)> {
    let status = told.status().map_or("", |status| status.as_str());
    let log = QueryLog {
        name: told.name().unwrap_or_default().to_owned(),
        arn: told.arn()?.to_owned(),
        destination: told.destination_arn().unwrap_or_default().to_owned(),
        state: query_log_state(status),
        status: status.to_owned(),
        creator_request_id: told.creator_request_id().unwrap_or_default().to_owned(),
        owner: told.owner_id().unwrap_or_default().to_owned(),
        tags: Tags::new(),
    };
    Some((told.id()?.to_owned(), log))
}

/// Lower-case and with its dot at the end. What is no name at all is kept as it is.
pub(super) fn canonical(domain: &str) -> String {
    let text = match domain.trim_end_matches('.') {
        "" => return ".".into(),
        text => text,
    };
    let name = Name::parse(text).map_or_else(|_| text.to_owned(), |name| name.to_string());
    format!("{}.", name.to_ascii_lowercase())
}

/// None: neither address can be read, or the protocol isn't known here.
fn target(told: &sdk::TargetAddress) -> Option<RuleTarget> {
    let ip = told.ip().filter(|ip| !ip.is_empty()).or(told.ipv6())?;
    let ip: IpAddr = ip.parse().ok()?;
    let protocol = told.protocol().map_or(Some(Protocol::Do53), |word| protocol(word.as_str()))?;
    let port = told.port().filter(|port| *port > 0).map_or(Ok(protocol.port()), u16::try_from).ok()?;
    let sni = told.server_name_indication().filter(|sni| !sni.is_empty()).map(str::to_owned);
    Some(RuleTarget { address: SocketAddr::new(ip, port), protocol, sni })
}

/// The protocol is always told: an endpoint with more than one wants it (RSLVR-00726), and the others don't mind.
pub(super) fn target_address(target: &RuleTarget) -> sdk::TargetAddress {
    let ip = target.address.ip().to_string();
    let address = sdk::TargetAddress::builder();
    let address: TargetAddressBuilder = match target.address {
        SocketAddr::V4(_) => address.ip(ip),
        SocketAddr::V6(_) => address.ipv6(ip),
    };
    address
        .port(i32::from(target.address.port()))
        .protocol(target.protocol.word().into())
        .set_server_name_indication(target.sni.clone())
        .build()
}

pub(super) fn ip_request(address: &NewAddress) -> Result<sdk::IpAddressRequest, Trouble> {
    let request = sdk::IpAddressRequest::builder()
        .subnet_id(&address.subnet)
        .set_ip(address.ip.map(|ip| ip.to_string()))
        .set_ipv6(address.ipv6.map(|ip| ip.to_string()));
    request.build().map_err(|error| unreadable("", "", &error.to_string()))
}

pub(super) fn ipv6_updates(all: &BTreeMap<String, Ipv6Addr>) -> Result<Vec<sdk::UpdateIpAddress>, Trouble> {
    let updates =
        all.iter().map(|(id, ip)| sdk::UpdateIpAddress::builder().ip_id(id).ipv6(ip.to_string()).build());
    updates.collect::<Result<_, _>>().map_err(|error| unreadable("", "", &error.to_string()))
}

pub(super) fn sdk_tags(tags: &Tags) -> Result<Vec<sdk::Tag>, Trouble> {
    let tags = tags.iter().map(|(key, value)| sdk::Tag::builder().key(key).value(value).build());
    tags.collect::<Result<_, _>>().map_err(|error| unreadable("", "", &error.to_string()))
}

/// `default` is what a VPC has that follows no setting of its own.
pub(super) fn switch(status: &str, default: bool) -> Switch {
    let on = match status {
        "ENABLED" | "ENABLING" => true,
        "DISABLED" | "DISABLING" => false,
        _ => default,
    };
    Switch { on, is_changing: matches!(status, "ENABLING" | "DISABLING") || status.starts_with("UPDATING") }
}

fn with_message(status: &str, message: Option<&str>) -> String {
    match message.map(str::trim).filter(|message| !message.is_empty() && *message != status) {
        Some(message) => format!("{status}: {message}"),
        None => status.to_owned(),
    }
}

fn direction(word: &str) -> Option<Direction> {
    let all = [Direction::Inbound, Direction::Outbound, Direction::InboundDelegation];
    all.into_iter().find(|one| one.word() == word)
}

fn family(word: &str) -> Option<AddressFamily> {
    let all = [AddressFamily::Ipv4, AddressFamily::Ipv6, AddressFamily::DualStack];
    all.into_iter().find(|one| one.word() == word)
}

fn rule_type(word: &str) -> Option<RuleType> {
    [RuleType::Forward, RuleType::System, RuleType::Delegate].into_iter().find(|one| one.word() == word)
}

fn protocol(word: &str) -> Option<Protocol> {
    [Protocol::Do53, Protocol::Doh, Protocol::DohFips].into_iter().find(|one| one.word() == word)
}

fn protocols(told: &[sdk::Protocol]) -> Option<Vec<Protocol>> {
    let mut protocols: Vec<Protocol> =
        told.iter().map(|word| protocol(word.as_str())).collect::<Option<_>>()?;
    if protocols.is_empty() {
        protocols.push(Protocol::Do53);
    }
    protocols.sort();
    Some(protocols)
}

// The statuses are those of the API's model. One that is not in it is taken as one that passes: who waits for it is told
// its word when the time is over.

fn endpoint_state(status: &str) -> State {
    match status {
        "OPERATIONAL" => State::Ready,
        "DELETING" => State::Going,
        "ACTION_NEEDED" => State::Broken,
        _ => State::Coming,
    }
}

/// An address that is mapped anew (REMAP_…) stays.
fn address_state(status: &str) -> State {
    match status {
        "ATTACHED" => State::Ready,
        "DETACHING" | "DELETING" => State::Going,
        "ISOLATED" | "UPDATE_FAILED" | "DELETE_FAILED_FAS_EXPIRED" => State::Broken,
        _ if status.starts_with("FAILED_") => State::Broken,
        _ => State::Coming,
    }
}

fn rule_state(status: &str) -> State {
    match status {
        "COMPLETE" => State::Ready,
        "DELETING" => State::Going,
        "FAILED" => State::Broken,
        _ => State::Coming,
    }
}

/// OVERRIDDEN isn't documented; it is there, and nothing is on its way.
fn association_state(status: &str) -> State {
    match status {
        "COMPLETE" | "OVERRIDDEN" => State::Ready,
        "DELETING" => State::Going,
        "FAILED" => State::Broken,
        _ => State::Coming,
    }
}

fn query_log_state(status: &str) -> State {
    match status {
        "CREATED" => State::Ready,
        "DELETING" => State::Going,
        "FAILED" => State::Broken,
        _ => State::Coming,
    }
}

/// Of the association of a query logging configuration with a VPC.
pub(super) fn logged_state(status: &str) -> State {
    match status {
        "ACTIVE" => State::Ready,
        "DELETING" => State::Going,
        "ACTION_NEEDED" | "FAILED" => State::Broken,
        _ => State::Coming,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_have_one_form() {
        for (told, canonical_form) in [
            ("AnyCompany.Corp.", "anycompany.corp."),
            ("anycompany.corp", "anycompany.corp."),
            (".", "."),
            ("..", "."),
            ("_tcp.Corp..", "_tcp.corp."),
        ] {
            assert_eq!(canonical(told), canonical_form);
        }
    }

    #[test]
    fn targets_go_there_and_back() {
        for (address, protocol, sni) in [
            ("10.1.1.10:53", Protocol::Do53, None),
            ("[2001:db8::1]:5353", Protocol::Do53, None),
            ("10.1.1.10:443", Protocol::Doh, Some("dns.corp.example".to_owned())),
        ] {
            let one = RuleTarget { address: address.parse().expect("an address"), protocol, sni };
            assert_eq!(target(&target_address(&one)), Some(one));
        }
    }

    #[test]
    fn a_target_without_a_port_has_its_protocol_s() {
        let told = sdk::TargetAddress::builder().ip("10.1.1.10").protocol(sdk::Protocol::Doh).build();
        assert_eq!(target(&told).map(|target| target.address.port()), Some(443));
        assert_eq!(target(&sdk::TargetAddress::builder().build()), None);
        let unknown = sdk::TargetAddress::builder().ip("10.1.1.10").protocol("DoT".into()).build();
        assert_eq!(target(&unknown), None);
    }

    #[test]
    fn aws_s_own_rules_are_none_of_the_world() {
        let told = sdk::ResolverRule::builder()
            .id("rslvr-autodefined-rr-internet-resolver")
            .arn("arn:aws:route53resolver:eu-central-1::autodefined-rule/rslvr-autodefined-rr-internet-resolver")
            .rule_type(sdk::RuleTypeOption::Recursive)
            .domain_name(".")
            .owner_id(AWS_OWNER);
        assert_eq!(rule(&told.clone().build()), None);
        let forward = told.id("rslvr-rr-1").rule_type(sdk::RuleTypeOption::Forward).owner_id("123456789012");
        assert_eq!(rule(&forward.build()).map(|rule| rule.domain), Some(".".into()));
    }

    #[test]
    fn what_follows_no_setting_of_its_own_has_the_default() {
        assert_eq!(switch("USE_LOCAL_RESOURCE_SETTING", true), Switch { on: true, is_changing: false });
        assert_eq!(switch("DISABLING", true), Switch { on: false, is_changing: true });
        assert_eq!(switch("ENABLED", false), Switch { on: true, is_changing: false });
    }

    #[test]
    fn all_statuses_of_addresses_are_sorted() {
        for status in sdk::IpAddressStatus::values() {
            let broken = status.contains("FAILED") || *status == "ISOLATED";
            assert_eq!(address_state(status) == State::Broken, broken, "{status}");
        }
    }
}
