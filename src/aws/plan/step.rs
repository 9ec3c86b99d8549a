//! The steps of a plan: each is one thing that is asked of AWS, and what must be true before the next one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::aws::world::Permission;
use crate::config::aws::{AddressFamily, Direction, Protocol, RuleTarget, RuleType};

/// Something in AWS: known by its ID, or made by an earlier step of the same plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ref {
    Id(String),
    /// The `made` of the step that makes it.
    Made(String),
}

/// One thing that is asked of AWS. Done when what it brings about is seen, not when AWS has taken the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    CreateSecurityGroup {
        made: String,
        name: String,
        description: String,
        vpc: String,
        tags: Tags,
    },
    /// Adds permissions; those that are there already are no error.
    Permit {
        group: Ref,
        way: Way,
        permissions: Vec<Permission>,
    },
    Forbid {
        group: Ref,
        way: Way,
        permissions: Vec<Permission>,
    },
    DeleteSecurityGroup {
        group: String,
    },
    /// Done when it is OPERATIONAL and all its addresses are ATTACHED.
    CreateEndpoint {
        made: String,
        creator_request_id: String,
        name: String,
        direction: Direction,
        security_groups: Vec<Ref>,
        family: AddressFamily,
        protocols: Vec<Protocol>,
        dns64: bool,
        interface_metrics: bool,
        target_metrics: bool,
        ipv6_internet: bool,
        addresses: Vec<NewAddress>,
        tags: Tags,
    },
    /// What is none stays as it is. Done when it is OPERATIONAL.
    UpdateEndpoint {
        endpoint: String,
        name: Option<String>,
        family: Option<AddressFamily>,
        protocols: Option<Vec<Protocol>>,
        dns64: Option<bool>,
        interface_metrics: Option<bool>,
        target_metrics: Option<bool>,
        ipv6_internet: Option<bool>,
        /// By ID of the address, with the family DUALSTACK: which IPv6 address it gets (UpdateIpAddresses). AWS chooses
        /// for those that aren't named.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        ipv6: BTreeMap<String, Ipv6Addr>,
    },
    /// Done when the address is ATTACHED.
    AddAddress {
        endpoint: String,
        address: NewAddress,
    },
    /// Refused unless two other addresses are ATTACHED then. Done when it is gone.
    RemoveAddress {
        endpoint: String,
        address: String,
    },
    /// Done when it is gone.
    DeleteEndpoint {
        endpoint: String,
    },
    CreateRule {
        made: String,
        creator_request_id: String,
        name: String,
        kind: RuleType,
        domain: String,
        targets: Vec<RuleTarget>,
        endpoint: Option<Ref>,
        tags: Tags,
    },
    /// What is none stays as it is. Done when it is COMPLETE.
    UpdateRule {
        rule: String,
        name: Option<String>,
        targets: Option<Vec<RuleTarget>>,
        endpoint: Option<Ref>,
    },
    DeleteRule {
        rule: String,
    },
    /// Done when the association is COMPLETE.
    Associate {
        rule: Ref,
        vpc: String,
        name: String,
    },
    /// Done when the association is gone.
    Disassociate {
        rule: String,
        vpc: String,
    },
    /// One share for each rule that is shared.
    CreateShare {
        made: String,
        name: String,
        resource: Ref,
        principals: Vec<String>,
        tags: Tags,
    },
    ShareWith {
        share: String,
        principals: Vec<String>,
    },
    UnshareWith {
        share: String,
        principals: Vec<String>,
    },
    DeleteShare {
        share: String,
    },
    CreateQueryLog {
        made: String,
        creator_request_id: String,
        name: String,
        destination: String,
        tags: Tags,
    },
    DeleteQueryLog {
        query_log: String,
    },
    LogVpc {
        query_log: Ref,
        vpc: String,
    },
    UnlogVpc {
        query_log: String,
        vpc: String,
    },
    SetDnssecValidation {
        vpc: String,
        on: bool,
    },
    SetAutodefinedReverse {
        vpc: String,
        on: bool,
    },
    AuthorizeVpn {
        endpoint: String,
        destination: IpNet,
        group: Option<String>,
        description: String,
    },
    RevokeVpn {
        endpoint: String,
        destination: IpNet,
        group: Option<String>,
    },
    CreateVpnRoute {
        endpoint: String,
        destination: IpNet,
        subnet: String,
        description: String,
    },
    DeleteVpnRoute {
        endpoint: String,
        destination: IpNet,
        subnet: String,
    },
    /// Empty: clients keep what they have.
    SetVpnDnsServers {
        endpoint: String,
        servers: Vec<Ipv4Addr>,
    },
    /// Tags of an endpoint, rule or query logging configuration, by ARN.
    Tag {
        arn: String,
        tags: Tags,
    },
    Untag {
        arn: String,
        keys: Vec<String>,
    },
    /// Asks for nothing: an earlier run asked for that step, and AWS is still at it. Done when that step is.
    Await {
        until: Box<Step>,
    },
}

pub type Tags = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    Ingress,
    Egress,
}

/// An address of an endpoint that isn't there yet. Neither: AWS chooses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NewAddress {
    pub subnet: String,
    pub ip: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
}
