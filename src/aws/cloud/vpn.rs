//! Client VPN endpoints: their DNS servers, and the routes and authorization rules that reach them. The endpoint itself
//! is never made or deleted here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::IpNet;

use super::ec2::{Query, QueryApi};
use super::xml::Xml;
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::{Authorization, ClientVpn, State, VpnRoute};

/// A route or an authorization rule, with its status in the API's word.
pub(super) struct Told<T> {
    pub it: T,
    pub status: String,
    pub message: String,
}

impl QueryApi {
    pub(super) async fn client_vpns(
        &self,
        ids: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, ClientVpn>, Trouble> {
        let list = "clientVpnEndpoint";
        let told = self.list_by_id("DescribeClientVpnEndpoints", "endpoint-id", ids, list, endpoint).await?;
        let mut endpoints = BTreeMap::new();
        for (id, mut vpn) in told {
            vpn.subnets = self.vpn_subnets(&id).await?;
            vpn.routes = stay(self.vpn_routes(&id).await?);
            vpn.authorizations = stay(self.vpn_authorizations(&id).await?);
            endpoints.insert(id, vpn);
        }
        Ok(endpoints)
    }

    /// The DNS servers of one. None: there is no such endpoint.
    pub(super) async fn vpn_dns_servers(&self, id: &str) -> Result<Option<Vec<String>>, Trouble> {
        let ids = BTreeSet::from([id.to_owned()]);
        let list = "clientVpnEndpoint";
        let told = self.list_by_id("DescribeClientVpnEndpoints", "endpoint-id", &ids, list, endpoint).await?;
        Ok(told.into_iter().next().map(|(_, vpn)| vpn.dns_servers))
    }

    async fn vpn_subnets(&self, id: &str) -> Result<Vec<String>, Trouble> {
        let query = of_endpoint("DescribeClientVpnTargetNetworks", id);
        let subnet = |item: Xml<'_>| {
            let status = item.child("status").text_of("code");
            matches!(status.as_str(), "associated" | "associating").then(|| item.text_of("targetNetworkId"))
        };
        let mut subnets = self.list(&query, "clientVpnTargetNetworks", subnet).await?;
        subnets.sort();
        Ok(subnets)
    }

    pub(super) async fn vpn_routes(&self, id: &str) -> Result<Vec<Told<VpnRoute>>, Trouble> {
        self.list(&of_endpoint("DescribeClientVpnRoutes", id), "routes", route).await
    }

    pub(super) async fn vpn_authorizations(&self, id: &str) -> Result<Vec<Told<Authorization>>, Trouble> {
        let query = of_endpoint("DescribeClientVpnAuthorizationRules", id);
        self.list(&query, "authorizationRule", authorization).await
    }

    pub(super) async fn authorize_vpn(
        &self,
        id: &str,
        destination: IpNet,
        group: Option<&str>,
        description: &str,
    ) -> Result<(), Trouble> {
        let query = of_endpoint("AuthorizeClientVpnIngress", id)
            .with("TargetNetworkCidr", destination.to_string())
            .with("Description", description);
        let query = match group {
            Some(group) => query.with("AccessGroupId", group),
            None => query.with("AuthorizeAllGroups", "true"),
        };
        match self.done(&query).await {
            Err(trouble) if trouble.kind == Kind::Exists => {
                let told = self.vpn_authorizations(id).await?;
                let same = |one: &&Told<Authorization>| {
                    one.it.destination == destination && one.it.group.as_deref() == group
                };
                busy_if_going(told.iter().find(same).map(|one| one.status.as_str()), trouble)
            }
            outcome => outcome,
        }
    }

    pub(super) async fn revoke_vpn(
        &self,
        id: &str,
        destination: IpNet,
        group: Option<&str>,
    ) -> Result<(), Trouble> {
        let query =
            of_endpoint("RevokeClientVpnIngress", id).with("TargetNetworkCidr", destination.to_string());
        let query = match group {
            Some(group) => query.with("AccessGroupId", group),
            None => query.with("RevokeAllGroups", "true"),
        };
        gone_is_fine(self.done(&query).await)
    }

    pub(super) async fn create_vpn_route(
        &self,
        id: &str,
        destination: IpNet,
        subnet: &str,
        description: &str,
    ) -> Result<(), Trouble> {
        let query = of_endpoint("CreateClientVpnRoute", id)
            .with("DestinationCidrBlock", destination.to_string())
            .with("TargetVpcSubnetId", subnet)
            .with("Description", description);
        match self.done(&query).await {
            Err(trouble) if trouble.kind == Kind::Exists => {
                let told = self.vpn_routes(id).await?;
                let same =
                    |one: &&Told<VpnRoute>| one.it.destination == destination && one.it.subnet == subnet;
                busy_if_going(told.iter().find(same).map(|one| one.status.as_str()), trouble)
            }
            outcome => outcome,
        }
    }

    pub(super) async fn delete_vpn_route(
        &self,
        id: &str,
        destination: IpNet,
        subnet: &str,
    ) -> Result<(), Trouble> {
        let query = of_endpoint("DeleteClientVpnRoute", id)
            .with("DestinationCidrBlock", destination.to_string())
            .with("TargetVpcSubnetId", subnet);
        gone_is_fine(self.done(&query).await)
    }

    /// None of them: clients keep what they have.
    pub(super) async fn set_vpn_dns_servers(&self, id: &str, servers: &[Ipv4Addr]) -> Result<(), Trouble> {
        let enabled = if servers.is_empty() { "false" } else { "true" };
        let mut query = of_endpoint("ModifyClientVpnEndpoint", id).with("DnsServers.Enabled", enabled);
        for (index, server) in servers.iter().enumerate() {
            query = query.with(format!("DnsServers.CustomDnsServers.{}", index + 1), server.to_string());
        }
        self.done(&query).await
    }
}

fn of_endpoint(operation: &'static str, id: &str) -> Query {
    Query::new(operation, format!("Client VPN endpoint {id}")).with("ClientVpnEndpointId", id)
}

/// Without those that are on their way out.
fn stay<T: Ord>(told: Vec<Told<T>>) -> Vec<T> {
    let staying = told.into_iter().filter(|one| !is_going(&one.status));
    let mut staying: Vec<T> = staying.map(|one| one.it).collect();
    staying.sort();
    staying
}

pub(super) fn is_going(status: &str) -> bool {
    matches!(status, "deleting" | "revoking")
}

/// The same is there already: which is fine, unless it is on its way out.
fn busy_if_going(status: Option<&str>, exists: Trouble) -> Result<(), Trouble> {
    match status {
        Some(status) if is_going(status) => {
            Err(Trouble { kind: Kind::Busy, message: format!("the same is still {status}"), ..exists })
        }
        Some(_) => Ok(()),
        None => Err(exists),
    }
}

fn gone_is_fine(outcome: Result<(), Trouble>) -> Result<(), Trouble> {
    match outcome {
        Err(trouble) if trouble.kind == Kind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// EC2 API reference, ClientVpnEndpoint.
fn endpoint(item: Xml<'_>) -> Option<(String, ClientVpn)> {
    let status = item.child("status").text_of("code");
    let message = item.child("status").text_of("message");
    let state = match status.as_str() {
        "available" => State::Ready,
        "deleting" => State::Going,
        "deleted" => return None,
        // No subnet is associated, and nothing will come of itself.
        "pending-associate" => State::Broken,
        _ => State::Coming,
    };
    let vpn = ClientVpn {
        state,
        status: if message.is_empty() { status } else { format!("{status}: {message}") },
        dns_servers: item.items("dnsServer").map(|server| server.text().to_owned()).collect(),
        split_tunnel: item.value_of("splitTunnel").unwrap_or_default(),
        client_cidr: item.text_of("clientCidrBlock"),
        subnets: Vec::new(),
        routes: Vec::new(),
        authorizations: Vec::new(),
    };
    Some((item.text_of("clientVpnEndpointId"), vpn)).filter(|(id, _)| !id.is_empty())
}

fn told<T>(item: Xml<'_>, it: T) -> Told<T> {
    let status = item.child("status");
    Told { it, status: status.text_of("code"), message: status.text_of("message") }
}

fn route(item: Xml<'_>) -> Option<Told<VpnRoute>> {
    let route = VpnRoute {
        destination: item.value_of("destinationCidr")?,
        subnet: item.text_of("targetSubnet"),
        origin: item.text_of("origin"),
        is_active: item.child("status").text_of("code") == "active",
        description: item.text_of("description"),
    };
    Some(told(item, route))
}

fn authorization(item: Xml<'_>) -> Option<Told<Authorization>> {
    let group = item.text_of("groupId");
    let authorization = Authorization {
        destination: item.value_of("destinationCidr")?,
        group: Some(group).filter(|group| !group.is_empty()),
        is_active: item.child("status").text_of("code") == "active",
        description: item.text_of("description"),
    };
    Some(told(item, authorization))
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;

    #[test]
    fn a_client_vpn_endpoint_is_read() {
        let answer = "<DescribeClientVpnEndpointsResponse><clientVpnEndpoint><item><clientVpnEndpointId>cvpn-1\
            </clientVpnEndpointId><status><code>available</code></status><clientCidrBlock>10.250.0.0/22\
            </clientCidrBlock><dnsServer><item>10.0.1.10</item><item>10.0.2.10</item></dnsServer>\
            <splitTunnel>true</splitTunnel></item><item><clientVpnEndpointId>cvpn-2</clientVpnEndpointId><status>\
            <code>deleted</code></status></item></clientVpnEndpoint></DescribeClientVpnEndpointsResponse>";
        let document = Document::parse(answer).expect("well-formed");
        let found: Vec<_> = Xml::root(&document).items("clientVpnEndpoint").filter_map(endpoint).collect();
        assert_eq!(found.len(), 1);
        let (id, vpn) = &found[0];
        assert_eq!((id.as_str(), vpn.state, vpn.split_tunnel), ("cvpn-1", State::Ready, true));
        assert_eq!(vpn.dns_servers, ["10.0.1.10", "10.0.2.10"]);
    }

    #[test]
    fn routes_and_authorizations_that_go_are_none() {
        let answer = "<R><routes><item><destinationCidr>10.0.0.0/8</destinationCidr><targetSubnet>subnet-1</targetSubnet>\
            <origin>add-route</origin><status><code>active</code></status></item><item><destinationCidr>10.9.0.0/16\
            </destinationCidr><targetSubnet>subnet-1</targetSubnet><origin>add-route</origin><status><code>deleting\
            </code></status></item></routes><authorizationRule><item><groupId/><accessAll>true</accessAll>\
            <destinationCidr>10.0.0.0/8</destinationCidr><status><code>authorizing</code></status></item><item>\
            <groupId>S-1-5</groupId><destinationCidr>10.0.0.0/8</destinationCidr><status><code>revoking</code>\
            </status></item></authorizationRule></R>";
        let document = Document::parse(answer).expect("well-formed");
        let root = Xml::root(&document);
        let routes = stay(root.items("routes").filter_map(route).collect());
        assert_eq!(routes.len(), 1);
        assert!(routes[0].is_active);
        let rules = stay(root.items("authorizationRule").filter_map(authorization).collect());
        assert_eq!((rules.len(), rules[0].group.as_deref(), rules[0].is_active), (1, None, false));
    }
}
