//! `[aws]`: what stands on the AWS side of the hybrid, as the file wants it. Plain values in Route 53 Resolver's
//! words, with the place that each was written at; asks AWS nothing, and has none of its types.

mod analysis;
mod build;
mod followed;
mod places;
mod refused;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub(super) use self::analysis::warn;
pub(super) use self::build::aws;
pub use self::build::name_of;
pub(super) use self::followed::last;
pub use self::followed::{Followed, FollowedAddress, FollowedRule, Following};
pub(super) use self::refused::refuse;
use super::source::Location;
use crate::wire::name::Name;

/// Whether Route 53 takes it as the name of an endpoint, rule or query logging configuration.
pub fn is_resolver_name(text: &str) -> bool {
    super::schema::is_resolver_name(text)
}

/// The AWS side: one account in one Region, and what of it is ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Aws {
    /// The Region's code: `ap-northeast-2`.
    pub region: String,
    /// Marks what is ours: a tag's value and part of names. 1 to 32 lower-case letters, digits and hyphens.
    pub owner: String,
    /// The profile of the AWS configuration files; none: the SDK's chain of credentials.
    pub profile: Option<String>,
    /// How often a server that runs asks AWS for the addresses of inbound endpoints. None: never.
    pub follow: Option<Duration>,
    /// The VPC whose rules the server takes over as its own, where the files say nothing of their domains.
    pub follow_rules: Option<String>,
    /// On everything that is made.
    pub tags: BTreeMap<String, String>,
    /// Each name once.
    pub endpoints: Vec<ResolverEndpoint>,
    /// Each name once.
    pub rules: Vec<ResolverRule>,
    pub client_vpns: Vec<ClientVpn>,
    pub query_logs: Vec<QueryLog>,
    pub vpcs: Vec<Vpc>,
    /// What is known of subnets without asking AWS.
    pub subnets: Vec<Subnet>,
    /// Of the table.
    pub place: Location,
}

impl Aws {
    /// The endpoint of this name; `inbound` and `outbound` mean those that were written as tables of their own.
    pub fn endpoint(&self, name: &str) -> Option<&ResolverEndpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.alias == Some(name) || endpoint.name == name)
    }

    /// The endpoint that a FORWARD or DELEGATE rule sends through: the one it names, or else the only outbound one.
    pub fn outbound_of(&self, rule: &ResolverRule) -> Option<&ResolverEndpoint> {
        match &rule.endpoint {
            Some(name) => self.endpoint(name),
            None => {
                let mut outbound = self.outbound();
                outbound.next().filter(|_| outbound.next().is_none())
            }
        }
    }

    pub fn outbound(&self) -> impl Iterator<Item = &ResolverEndpoint> {
        self.endpoints.iter().filter(|endpoint| endpoint.direction == Direction::Outbound)
    }

    pub fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.id == id)
    }

    pub fn vpc(&self, id: &str) -> Option<&Vpc> {
        self.vpcs.iter().find(|vpc| vpc.id == id)
    }
}

/// Which way an endpoint's queries go (ResolverEndpointDirection of the Resolver API).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    #[serde(rename = "INBOUND")]
    Inbound,
    #[serde(rename = "OUTBOUND")]
    Outbound,
    #[serde(rename = "INBOUND_DELEGATION")]
    InboundDelegation,
}

impl Direction {
    /// As the API writes it.
    pub fn word(self) -> &'static str {
        match self {
            Direction::Inbound => "INBOUND",
            Direction::Outbound => "OUTBOUND",
            Direction::InboundDelegation => "INBOUND_DELEGATION",
        }
    }
}

/// Which addresses an endpoint has (ResolverEndpointType).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AddressFamily {
    #[default]
    #[serde(rename = "IPV4")]
    Ipv4,
    #[serde(rename = "IPV6")]
    Ipv6,
    #[serde(rename = "DUALSTACK")]
    DualStack,
}

impl EndpointAddress {
    /// Those that are written; AWS chooses the others.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.ip.map(IpAddr::from).into_iter().chain(self.ipv6.map(IpAddr::from))
    }
}

impl AddressFamily {
    pub fn word(self) -> &'static str {
        match self {
            AddressFamily::Ipv4 => "IPV4",
            AddressFamily::Ipv6 => "IPV6",
            AddressFamily::DualStack => "DUALSTACK",
        }
    }
}

/// What an endpoint or target speaks (Protocol of the Resolver API).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    #[default]
    Do53,
    #[serde(rename = "DoH")]
    Doh,
    #[serde(rename = "DoH-FIPS")]
    DohFips,
}

impl Protocol {
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Do53 => "Do53",
            Protocol::Doh => "DoH",
            Protocol::DohFips => "DoH-FIPS",
        }
    }

    /// 53, or 443 for DNS over HTTPS.
    pub fn port(self) -> u16 {
        match self {
            Protocol::Do53 => 53,
            Protocol::Doh | Protocol::DohFips => 443,
        }
    }
}

/// A Resolver endpoint: network interfaces in a VPC that take queries in or send them out.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolverEndpoint {
    /// Route 53's name of it: 1 to 64 letters, digits, hyphens, underscores and spaces.
    pub name: String,
    /// `inbound` or `outbound` if it was written as such a table.
    pub alias: Option<&'static str>,
    pub direction: Direction,
    pub vpc: String,
    /// In the order written. Route 53 wants two at least.
    pub addresses: Vec<EndpointAddress>,
    pub security_group: SecurityGroup,
    pub family: AddressFamily,
    /// One or two, sorted.
    pub protocols: Vec<Protocol>,
    pub dns64: bool,
    /// CloudWatch metrics for each network interface.
    pub interface_metrics: bool,
    /// CloudWatch metrics for each target; outbound endpoints alone.
    pub target_metrics: bool,
    /// Outbound queries may go to public IPv6 addresses.
    pub ipv6_internet: bool,
    /// Beside those of `[aws]`.
    pub tags: BTreeMap<String, String>,
    /// The existing endpoint that was taken over: `rslvr-in-…` or `rslvr-out-…`.
    pub id: Option<String>,
    /// Of its name.
    pub place: Location,
}

/// One network interface's address. Neither `ip` nor `ipv6`: AWS chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointAddress {
    pub subnet: String,
    pub ip: Option<std::net::Ipv4Addr>,
    pub ipv6: Option<std::net::Ipv6Addr>,
    pub place: Location,
}

/// Who guards an endpoint's network interfaces.
#[derive(Clone, Debug, PartialEq)]
pub enum SecurityGroup {
    /// Made and kept by us. Inbound: these networks may ask. Outbound: the targets of its rules may be asked, and these.
    Ours { allow: Vec<IpNet> },
    /// At least one `sg-…` that somebody else keeps, sorted.
    Theirs(Vec<String>),
}

/// What a rule does (RuleTypeOption of the Resolver API; RECURSIVE is AWS's own).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RuleType {
    Forward,
    System,
    Delegate,
}

impl RuleType {
    pub fn word(self) -> &'static str {
        match self {
            RuleType::Forward => "FORWARD",
            RuleType::System => "SYSTEM",
            RuleType::Delegate => "DELEGATE",
        }
    }
}

/// A Resolver rule, the VPCs that it is associated with and the accounts that it is shared with.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolverRule {
    /// Written, or made of the domain: `anycompany-corp`.
    pub name: String,
    /// DELEGATE rules have none of their own; theirs is the delegation record.
    pub domain: Name,
    pub kind: RuleType,
    /// In the order written; one at least for FORWARD.
    pub targets: Vec<RuleTarget>,
    /// The outbound endpoint's name, where there are several.
    pub endpoint: Option<String>,
    /// Each once, sorted.
    pub vpcs: Vec<String>,
    /// Accounts (12 digits), or ARNs of organisations and organisational units; sorted.
    pub share: Vec<String>,
    pub tags: BTreeMap<String, String>,
    /// The existing rule that was taken over: `rslvr-rr-…`.
    pub id: Option<String>,
    /// Of its domain.
    pub place: Location,
}

/// Where a FORWARD rule sends (TargetAddress of the Resolver API).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleTarget {
    pub address: SocketAddr,
    pub protocol: Protocol,
    /// The name in the TLS handshake; DNS over HTTPS alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
}

impl fmt::Display for RuleTarget {
    /// The address alone where the rest is as usual.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address.port(), self.address.ip()) {
            (53, IpAddr::V4(ip)) => write!(f, "{ip}")?,
            (53, IpAddr::V6(ip)) => write!(f, "{ip}")?,
            _ => write!(f, "{}", self.address)?,
        }
        if self.protocol != Protocol::Do53 {
            write!(f, " {}", self.protocol.word())?;
        }
        match &self.sni {
            Some(sni) => write!(f, " ({sni})"),
            None => Ok(()),
        }
    }
}

/// A Client VPN endpoint, whose users ask these DNS servers. The endpoint itself is somebody else's.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientVpn {
    /// `cvpn-endpoint-…`.
    pub endpoint: String,
    /// One or two, in the order that clients try them.
    pub dns_servers: Vec<std::net::Ipv4Addr>,
    /// Keep routes and authorization rules that reach the servers.
    pub authorize: bool,
    /// The group (Active Directory SID or SAML) that is authorized. None: all.
    pub group: Option<String>,
    pub place: Location,
}

/// A query logging configuration and the VPCs whose queries it logs.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryLog {
    pub name: String,
    /// ARN of a log group, bucket or delivery stream.
    pub destination: String,
    /// Each once, sorted.
    pub vpcs: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub id: Option<String>,
    pub place: Location,
}

/// What Resolver does for one VPC, and what is known of it. None: left as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Vpc {
    pub id: String,
    /// For checks without AWS.
    pub cidrs: Vec<IpNet>,
    pub dnssec_validation: Option<bool>,
    /// AWS's own reverse rules (AutodefinedReverseFlag).
    pub autodefined_reverse: Option<bool>,
    pub place: Location,
}

/// What is known of a subnet without asking AWS.
#[derive(Clone, Debug, PartialEq)]
pub struct Subnet {
    pub id: String,
    pub cidr: Option<IpNet>,
    /// The Availability Zone: `ap-northeast-2a`.
    pub az: Option<String>,
    pub place: Location,
}
