//! What stands in AWS, as it was observed: plain values, sorted, so that two observations of the same state are the
//! same. Nothing in here is a secret, and none of its types are the SDK's.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::config::aws::{AddressFamily, Direction, Protocol, RuleTarget, RuleType};

/// The tag that marks what is ours; its value is the owner of `[aws]`.
pub const OWNER_TAG: &str = "dnsfwd:owner";

/// One account and Region, as far as the configuration's AWS side touches it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// 12 digits.
    pub account: String,
    pub region: String,
    /// By ID; all that the account has.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// By ID; all but AWS's own (autodefined) ones.
    pub rules: BTreeMap<String, Rule>,
    /// By ID; those of `rules`, and of rules that others share with the account.
    pub associations: BTreeMap<String, Association>,
    pub query_logs: BTreeMap<String, QueryLog>,
    /// By ID of the query logging configuration, then of the VPC.
    pub query_log_associations: BTreeMap<String, BTreeMap<String, State>>,
    /// By ID: those that the configuration names.
    pub vpcs: BTreeMap<String, Vpc>,
    /// By ID: those that the configuration names, those of endpoints that are ours, and those that its Client VPN
    /// endpoints are associated with.
    pub subnets: BTreeMap<String, Subnet>,
    /// By ID: ours, and those that the configuration names.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// By ID: those that the configuration names.
    pub client_vpns: BTreeMap<String, ClientVpn>,
    /// By ARN: ours.
    pub shares: BTreeMap<String, Share>,
}

/// How far along something is. The words of the API are kept beside it where they say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// OPERATIONAL, ATTACHED, COMPLETE, CREATED, ACTIVE.
    Ready,
    /// CREATING, UPDATING, ATTACHING and their like: it will be ready.
    Coming,
    /// DELETING, DETACHING and their like.
    Going,
    /// FAILED, ACTION_NEEDED, FAILED_CREATION and their like: somebody must do something.
    Broken,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    pub name: String,
    pub arn: String,
    pub direction: Direction,
    pub vpc: String,
    /// Sorted.
    pub security_groups: Vec<String>,
    pub family: AddressFamily,
    /// Sorted; Do53 where AWS says nothing.
    pub protocols: Vec<Protocol>,
    pub dns64: bool,
    pub interface_metrics: bool,
    pub target_metrics: bool,
    pub ipv6_internet: bool,
    pub state: State,
    /// The status in the API's word, with its message if there is one.
    pub status: String,
    pub creator_request_id: String,
    /// By ID of the address (`rni-…`).
    pub addresses: BTreeMap<String, Address>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Address {
    pub subnet: String,
    pub ip: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    pub state: State,
    pub status: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Empty if it has none.
    pub name: String,
    pub arn: String,
    /// Lower-case, with the dot at the end; `.` for the root. For DELEGATE the delegation record.
    pub domain: String,
    pub kind: RuleType,
    /// Sorted.
    pub targets: Vec<RuleTarget>,
    pub endpoint: Option<String>,
    pub state: State,
    pub status: String,
    pub creator_request_id: String,
    /// Another account's rule that is shared with this one, which can only associate it.
    pub owner: String,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Association {
    pub rule: String,
    pub vpc: String,
    pub state: State,
    pub status: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryLog {
    pub name: String,
    pub arn: String,
    pub destination: String,
    pub state: State,
    pub status: String,
    pub creator_request_id: String,
    pub owner: String,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vpc {
    pub cidrs: Vec<IpNet>,
    /// None: AWS was not asked, as the configuration says nothing of it.
    pub dnssec_validation: Option<Switch>,
    pub autodefined_reverse: Option<Switch>,
}

/// Something of a VPC that can be switched, which takes minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Switch {
    pub on: bool,
    /// It is on its way to what `on` says.
    pub is_changing: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    pub vpc: String,
    pub az: String,
    pub cidr: IpNet,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup {
    pub name: String,
    pub vpc: String,
    /// Sorted. What we don't know how to write is kept as text, and left alone.
    pub ingress: Vec<Permission>,
    pub egress: Vec<Permission>,
    pub tags: BTreeMap<String, String>,
}

/// One permission of a security group: one protocol, one range of ports, one source or destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Permission {
    /// `tcp`, `udp`, `-1` for all.
    pub protocol: String,
    pub from_port: i32,
    pub to_port: i32,
    /// A network, or the ID of a group or prefix list.
    pub peer: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientVpn {
    pub state: State,
    pub status: String,
    /// In their order; empty: clients keep what they have.
    pub dns_servers: Vec<String>,
    pub split_tunnel: bool,
    pub client_cidr: String,
    /// The subnets that it is associated with.
    pub subnets: Vec<String>,
    pub routes: Vec<VpnRoute>,
    pub authorizations: Vec<Authorization>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VpnRoute {
    pub destination: IpNet,
    pub subnet: String,
    /// `associate` for the VPC's own route, `add-route` for those that somebody made.
    pub origin: String,
    pub is_active: bool,
    /// Holds our mark if it is ours.
    pub description: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Authorization {
    pub destination: IpNet,
    /// None: everybody.
    pub group: Option<String>,
    pub is_active: bool,
    pub description: String,
}

/// A resource share of RAM that carries one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    pub name: String,
    pub state: State,
    /// ARNs.
    pub resources: Vec<String>,
    /// Accounts and ARNs of organisations; sorted.
    pub principals: Vec<String>,
    pub tags: BTreeMap<String, String>,
}
