//! Makes the AWS side of what is written: what the API would refuse is a fault here, with its place. A table with a fault
//! of its own was reported by who read it, and nothing more is said of it.

mod endpoint;
mod rule;

use std::collections::HashMap;

pub use self::rule::name_of;
use super::places::{Places, VpnPlaces};
use super::{Aws, ClientVpn, QueryLog, Subnet, Vpc};
use crate::config::reader::{At, Faults};
use crate::config::schema::{WrittenAws, WrittenClientVpn, WrittenQueryLog, WrittenSubnet, WrittenVpc};
use crate::config::source::Place;

/// DNS servers of a Client VPN endpoint (EC2's ModifyClientVpnEndpoint).
const MAX_DNS_SERVERS: usize = 2;

/// None if there is no such table, or something in it is wrong. `is_set` says whether the table has a key.
pub(in crate::config) fn aws(
    written: WrittenAws,
    is_set: impl Fn(&'static str) -> bool,
    faults: &mut Faults,
) -> Option<(Aws, Places)> {
    let table = written.place?;
    let before = faults.errors();
    for (key, example) in [("region", "\"ap-northeast-2\""), ("owner", "\"anycompany-dns\"")] {
        if !is_set(key) && !faults.is_incomplete() {
            let help = format!("add {key} = {example}");
            faults.error("missing-key", &table, format!("[aws] needs `{key}`"), help);
        }
    }
    if let Some(At { place, .. }) = written.follow_rules.as_ref().filter(|_| !is_set("follow")) {
        let help = "add follow = \"5m\", which says how often";
        faults.error("aws-follow", place, "`follow_rules` does nothing without `follow`", help);
    }
    let endpoints = all(written.endpoints, faults, endpoint::endpoint);
    let rules = all(written.rules, faults, rule::rule);
    let client_vpns = all(written.client_vpns, faults, vpn);
    let query_logs = all(written.query_logs, faults, query_log);
    let vpcs = all(written.vpcs, faults, vpc);
    let subnets = all(written.subnets, faults, subnet);
    let (endpoints, endpoint_places) = endpoints?.into_iter().unzip();
    let (rules, rule_places) = rules?.into_iter().unzip();
    let (client_vpns, vpn_places) = client_vpns?.into_iter().unzip();
    let (vpcs, vpc_places) = vpcs?.into_iter().unzip();
    let (subnets, subnet_places) = subnets?.into_iter().unzip();
    let aws = Aws {
        region: written.region?,
        owner: written.owner?,
        profile: written.profile,
        follow: written.follow,
        follow_rules: written.follow_rules.map(|vpc| vpc.value),
        tags: written.tags,
        endpoints,
        rules,
        client_vpns,
        query_logs: query_logs?,
        vpcs,
        subnets,
        place: table.location(),
    };
    let places = Places {
        table,
        endpoints: endpoint_places,
        rules: rule_places,
        client_vpns: vpn_places,
        vpcs: vpc_places,
        subnets: subnet_places,
    };
    (faults.errors() == before).then_some((aws, places))
}

/// Each of them, so that all their faults show; none if one is wrong.
fn all<W, T>(
    written: Vec<Option<W>>,
    faults: &mut Faults,
    make: impl Fn(W, &mut Names, &mut Faults) -> Option<T>,
) -> Option<Vec<T>> {
    let mut names = Names::default();
    let made: Vec<Option<T>> = written.into_iter().map(|one| make(one?, &mut names, faults)).collect();
    made.into_iter().collect()
}

/// Where each name was written first.
#[derive(Default)]
struct Names(HashMap<String, Place>);

impl Names {
    fn once(&mut self, what: &str, name: &str, place: &Place, faults: &mut Faults) {
        if let Some(first) = self.0.get(name) {
            let message = format!("a second {what} `{name}`; the first is at {first}");
            let help = "give one of the two another name, or leave it out";
            faults.error("aws-duplicate", place, message, help);
        } else {
            self.0.insert(name.to_owned(), place.clone());
        }
    }

    /// Of what is listed: there is nothing to be named otherwise.
    fn listed_once(&mut self, what: &str, value: &str, place: &Place, faults: &mut Faults) {
        if let Some(first) = self.0.get(value) {
            let message = format!("{what} {value} is listed twice; the first is at {first}");
            faults.error("aws-duplicate", place, message, "keep one of the two");
        } else {
            self.0.insert(value.to_owned(), place.clone());
        }
    }
}

/// Each value once, in order.
fn sorted(values: Vec<At<String>>, what: &str, faults: &mut Faults) -> Vec<String> {
    let mut names = Names::default();
    for At { value, place } in &values {
        names.listed_once(what, value, place, faults);
    }
    let mut values: Vec<String> = values.into_iter().map(|at| at.value).collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn vpn(written: WrittenClientVpn, names: &mut Names, faults: &mut Faults) -> Option<(ClientVpn, VpnPlaces)> {
    let endpoint = written.endpoint?;
    names.once("Client VPN endpoint", &endpoint.value, &endpoint.place, faults);
    let servers = written.dns_servers?;
    if servers.value.len() > MAX_DNS_SERVERS {
        let message = "a Client VPN endpoint has two DNS servers at most";
        faults.error("aws-dns-servers", &servers.place, message, "keep the two that are best reached");
    } else if servers.value.len() == 2 && servers.value[0] == servers.value[1] {
        let message = format!("DNS server {} is listed twice", servers.value[0]);
        faults.error("aws-duplicate", &servers.place, message, "keep one of the two");
    }
    let authorizes = written.authorize.unwrap_or(false);
    if let Some(At { place, .. }) = written.group.as_ref().filter(|_| !authorizes) {
        let help = "add authorize = true, or leave it out";
        faults.error("aws-client-vpn", place, "`group` does nothing without `authorize`", help);
    }
    let vpn = ClientVpn {
        endpoint: endpoint.value,
        dns_servers: servers.value,
        authorize: authorizes,
        group: written.group.map(|group| group.value),
        place: written.place.location(),
    };
    let says_authorize = written.authorize.is_some();
    Some((vpn, VpnPlaces { endpoint: endpoint.place, servers: servers.place, says_authorize }))
}

fn query_log(written: WrittenQueryLog, names: &mut Names, faults: &mut Faults) -> Option<QueryLog> {
    let name = written.name?;
    names.once("query log", &name.value, &name.place, faults);
    Some(QueryLog {
        name: name.value,
        destination: written.destination?,
        vpcs: sorted(written.vpcs, "VPC", faults),
        tags: written.tags,
        id: written.id,
        place: name.place.location(),
    })
}

fn vpc(written: WrittenVpc, names: &mut Names, faults: &mut Faults) -> Option<(Vpc, Place)> {
    let id = written.id?;
    names.once("VPC", &id.value, &id.place, faults);
    let vpc = Vpc {
        id: id.value,
        cidrs: written.cidrs,
        dnssec_validation: written.dnssec_validation,
        autodefined_reverse: written.autodefined_reverse,
        place: written.place.location(),
    };
    Some((vpc, id.place))
}

fn subnet(written: WrittenSubnet, names: &mut Names, faults: &mut Faults) -> Option<(Subnet, Place)> {
    let id = written.id?;
    names.once("subnet", &id.value, &id.place, faults);
    let place = written.place.location();
    Some((Subnet { id: id.value, cidr: written.cidr, az: written.az, place }, id.place))
}
