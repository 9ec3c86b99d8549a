//! Endpoints and their addresses. Never takes an address away while fewer than two others are ATTACHED.

use std::collections::BTreeSet;

use aws_sdk_route53resolver::operation::create_resolver_endpoint::builders::CreateResolverEndpointFluentBuilder;
use aws_sdk_route53resolver::types::{
    IpAddressResponse, IpAddressUpdate, ResolverEndpoint, ResolverEndpointStatus,
};

use super::{create_once, id, not_here, unless, unless_so};
use crate::aws::cloud::amazon::Amazon;
use crate::aws::cloud::calls::{may_pass, pause_after};
use crate::aws::cloud::errors::{Said, of_sdk};
use crate::aws::cloud::map;
use crate::aws::cloud::resolver::filter;
use crate::aws::plan::step::{NewAddress, Step};
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::Endpoint;
use crate::limits::{AWS_LOOK_PAUSE, AWS_LOOKS, AWS_MIN_ATTACHED, AWS_TRIES};

impl Amazon {
    pub(super) async fn create_endpoint(&self, step: &Step) -> Result<String, Trouble> {
        let Step::CreateEndpoint { creator_request_id, name, .. } = step else { return Err(not_here(step)) };
        let subject = format!("endpoint {name}");
        let request = self.new_endpoint(step)?;
        create_once(
            creator_request_id,
            async |request_id| {
                let send = async || request.clone().creator_request_id(request_id).send().await;
                let made = self.resolver.call("CreateResolverEndpoint", &subject, send).await?;
                Ok(made.resolver_endpoint().and_then(|one| one.id()).map(str::to_owned))
            },
            |request_id| self.endpoint_made_by(request_id),
        )
        .await
    }

    /// All but the CreatorRequestId. A flag that isn't wanted isn't sent: those of the other direction are refused.
    fn new_endpoint(&self, step: &Step) -> Result<CreateResolverEndpointFluentBuilder, Trouble> {
        let Step::CreateEndpoint {
            made: _,
            creator_request_id: _,
            name,
            direction,
            security_groups,
            family,
            protocols,
            dns64,
            interface_metrics,
            target_metrics,
            ipv6_internet,
            addresses,
            tags,
        } = step
        else {
            return Err(not_here(step));
        };
        let groups: Result<Vec<String>, Trouble> =
            security_groups.iter().map(|group| id(group).map(str::to_owned)).collect();
        let addresses: Result<Vec<_>, Trouble> = addresses.iter().map(map::ip_request).collect();
        let wanted = |flag: &bool| Some(*flag).filter(|flag| *flag);
        let request = self.resolver.sdk.create_resolver_endpoint();
        Ok(request
            .name(name)
            .direction(direction.word().into())
            .set_security_group_ids(Some(groups?))
            .resolver_endpoint_type(family.word().into())
            .set_protocols(Some(protocols.iter().map(|one| one.word().into()).collect()))
            .set_dns64_enabled(wanted(dns64))
            .set_rni_enhanced_metrics_enabled(wanted(interface_metrics))
            .set_target_name_server_metrics_enabled(wanted(target_metrics))
            .set_ipv6_internet_access_enabled(wanted(ipv6_internet))
            .set_ip_addresses(Some(addresses?))
            .set_tags(Some(map::sdk_tags(tags)?)))
    }

    async fn endpoint_made_by(&self, request_id: String) -> Result<Option<String>, Trouble> {
        let found = self.resolver.endpoints(Some(filter("CreatorRequestId", &request_id))).await?;
        let stays = |one: &ResolverEndpoint| one.status() != Some(&ResolverEndpointStatus::Deleting);
        Ok(found.into_iter().find(stays).and_then(|one| one.id))
    }

    /// None: there is no such endpoint.
    async fn endpoint_told(&self, endpoint: &str) -> Result<Option<ResolverEndpoint>, Trouble> {
        let subject = format!("endpoint {endpoint}");
        let answer = self.resolver.call("GetResolverEndpoint", &subject, async || {
            self.resolver.sdk.get_resolver_endpoint().resolver_endpoint_id(endpoint).send().await
        });
        match answer.await {
            Ok(answer) => Ok(answer.resolver_endpoint),
            Err(trouble) if trouble.kind == Kind::NotFound => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The name is always sent: there are stand-ins for AWS that erase it otherwise.
    pub(super) async fn update_endpoint(&self, step: &Step) -> Result<(), Trouble> {
        let Step::UpdateEndpoint {
            endpoint,
            name,
            family,
            protocols,
            dns64,
            interface_metrics,
            target_metrics,
            ipv6_internet,
            ipv6,
        } = step
        else {
            return Err(not_here(step));
        };
        let ipv6 = map::ipv6_updates(ipv6)?;
        let name = match name {
            Some(name) => Some(name.clone()),
            None => self.endpoint_told(endpoint).await?.and_then(|told| told.name),
        };
        let request = self.resolver.sdk.update_resolver_endpoint().resolver_endpoint_id(endpoint);
        let request = request
            .set_name(name)
            .set_resolver_endpoint_type(family.map(|family| family.word().into()))
            .set_protocols(protocols.as_ref().map(|all| all.iter().map(|one| one.word().into()).collect()))
            .set_dns64_enabled(*dns64)
            .set_rni_enhanced_metrics_enabled(*interface_metrics)
            .set_target_name_server_metrics_enabled(*target_metrics)
            .set_ipv6_internet_access_enabled(*ipv6_internet)
            .set_update_ip_addresses(Some(ipv6).filter(|all| !all.is_empty()));
        let subject = format!("endpoint {endpoint}");
        let answer =
            self.resolver.call("UpdateResolverEndpoint", &subject, async || request.clone().send().await);
        unless_so(answer.await, async {
            let told = self.endpoint_told(endpoint).await?.and_then(|told| map::endpoint(&told, &[]));
            Ok(told.is_some_and(|told| is_updated(step, &told)))
        })
        .await
    }

    /// An address with an IP is the same when it is asked for again. One that AWS chooses isn't: so it is looked what is
    /// there before, and after each try of which it isn't known whether it was carried out. Gives the ID of the latter,
    /// if it is listed yet.
    pub(super) async fn add_address(
        &self,
        endpoint: &str,
        address: &NewAddress,
    ) -> Result<Option<String>, Trouble> {
        if address.ip.is_some() || address.ipv6.is_some() {
            let added =
                self.resolver.calls.patiently(async || self.associate_address(endpoint, address).await).await;
            return self.unless_there(added, endpoint, address).await.map(|()| None);
        }
        let before: BTreeSet<String> = self.addresses_in(endpoint, &address.subnet).await?;
        let add = async || self.associate_address(endpoint, address).await;
        let mut tries = 1;
        loop {
            let trouble = match self.resolver.calls.once(&add).await {
                Ok(()) => return self.new_address(endpoint, address, &before).await,
                Err(trouble) if !may_pass(trouble.kind) => return Err(trouble),
                Err(trouble) => trouble,
            };
            if trouble.kind != Kind::Throttled
                && let Some(added) = self.new_address(endpoint, address, &before).await?
            {
                return Ok(Some(added));
            }
            if tries == AWS_TRIES {
                return Err(trouble);
            }
            tokio::time::sleep(pause_after(tries)).await;
            tries += 1;
        }
    }

    async fn associate_address(&self, endpoint: &str, address: &NewAddress) -> Result<(), Trouble> {
        let wanted = IpAddressUpdate::builder()
            .subnet_id(&address.subnet)
            .set_ip(address.ip.map(|ip| ip.to_string()))
            .set_ipv6(address.ipv6.map(|ip| ip.to_string()))
            .build();
        let operation = "AssociateResolverEndpointIpAddress";
        let request = self.resolver.sdk.associate_resolver_endpoint_ip_address();
        let answer = request.resolver_endpoint_id(endpoint).ip_address(wanted).send().await;
        answer.map(drop).map_err(|error| of_sdk(operation, &format!("endpoint {endpoint}"), &error))
    }

    /// AWS refuses an address that the endpoint has: which is fine, unless it is on its way out.
    async fn unless_there(
        &self,
        added: Result<(), Trouble>,
        endpoint: &str,
        address: &NewAddress,
    ) -> Result<(), Trouble> {
        let trouble = match added {
            Err(trouble) if matches!(trouble.kind, Kind::Exists | Kind::Refused) => trouble,
            outcome => return outcome,
        };
        let same = |told: &&IpAddressResponse| is_address(told, address);
        let told = self.resolver.addresses(endpoint).await?.unwrap_or_default();
        match told.iter().find(same).map(|told| (is_going(told), status_of(told).to_owned())) {
            Some((false, _)) => Ok(()),
            Some((true, status)) => Err(Trouble {
                kind: Kind::Busy,
                message: format!("the address is still {status}"),
                ..trouble
            }),
            None => Err(trouble),
        }
    }

    async fn addresses_in(&self, endpoint: &str, subnet: &str) -> Result<BTreeSet<String>, Trouble> {
        let told = self.resolver.addresses(endpoint).await?.unwrap_or_default();
        let told = told.into_iter().filter(|one| one.subnet_id() == Some(subnet));
        Ok(told.filter_map(|one| one.ip_id).collect())
    }

    async fn new_address(
        &self,
        endpoint: &str,
        address: &NewAddress,
        before: &BTreeSet<String>,
    ) -> Result<Option<String>, Trouble> {
        for look in 1..=AWS_LOOKS {
            let now = self.addresses_in(endpoint, &address.subnet).await?;
            if let Some(added) = now.difference(before).next() {
                return Ok(Some(added.clone()));
            }
            if look < AWS_LOOKS {
                tokio::time::sleep(AWS_LOOK_PAUSE).await;
            }
        }
        Ok(None)
    }

    /// By its ID; with subnet and address as well where that is asked for (RSLVR-00503).
    pub(super) async fn remove_address(&self, endpoint: &str, address: &str) -> Result<(), Trouble> {
        let Some(told) = self.resolver.addresses(endpoint).await? else { return Ok(()) };
        let Some(going) = told.iter().find(|one| one.ip_id() == Some(address)) else { return Ok(()) };
        if is_going(going) {
            return Ok(());
        }
        let others = told.iter().filter(|one| one.ip_id() != Some(address) && is_attached(one)).count();
        if others < AWS_MIN_ATTACHED {
            return Err(too_few(endpoint, others));
        }
        let by_id = IpAddressUpdate::builder().ip_id(address);
        let whole = by_id.clone().set_subnet_id(going.subnet_id.clone());
        let whole = whole.set_ip(going.ip.clone()).set_ipv6(going.ipv6.clone());
        let answer = match self.disassociate_address(endpoint, by_id.build()).await {
            Err(trouble) if trouble.resolver_code.as_deref() == Some("RSLVR-00503") => {
                self.disassociate_address(endpoint, whole.build()).await
            }
            answer => answer,
        };
        unless(answer, Kind::NotFound)
    }

    async fn disassociate_address(&self, endpoint: &str, address: IpAddressUpdate) -> Result<(), Trouble> {
        let subject = format!("endpoint {endpoint}");
        let answer = self.resolver.call("DisassociateResolverEndpointIpAddress", &subject, async || {
            let request = self.resolver.sdk.disassociate_resolver_endpoint_ip_address();
            request.resolver_endpoint_id(endpoint).ip_address(address.clone()).send().await
        });
        answer.await.map(drop)
    }

    pub(in crate::aws::cloud) async fn count_attached(
        &self,
        endpoint: &str,
        beside: &str,
    ) -> Result<usize, Trouble> {
        let told = self.resolver.addresses(endpoint).await?;
        let told = told.ok_or_else(|| no_such(endpoint))?;
        Ok(told.iter().filter(|one| one.ip_id() != Some(beside) && is_attached(one)).count())
    }

    pub(super) async fn delete_endpoint(&self, endpoint: &str) -> Result<(), Trouble> {
        let subject = format!("endpoint {endpoint}");
        let answer = self.resolver.call("DeleteResolverEndpoint", &subject, async || {
            self.resolver.sdk.delete_resolver_endpoint().resolver_endpoint_id(endpoint).send().await
        });
        let answer = match answer.await {
            Err(trouble) if trouble.kind == Kind::NotFound => return Ok(()),
            answer => answer,
        };
        unless_so(answer, async {
            let told = self.endpoint_told(endpoint).await?;
            Ok(told.is_none_or(|one| one.status() == Some(&ResolverEndpointStatus::Deleting)))
        })
        .await
    }
}

/// Whether the endpoint is as the step wants it, ready or not.
pub(in crate::aws::cloud) fn is_updated(step: &Step, told: &Endpoint) -> bool {
    let Step::UpdateEndpoint {
        endpoint: _,
        name,
        family,
        protocols,
        dns64,
        interface_metrics,
        target_metrics,
        ipv6_internet,
        ipv6: _,
    } = step
    else {
        return false;
    };
    let sorted = protocols.clone().map(|mut protocols| {
        protocols.sort();
        protocols
    });
    name.as_ref().is_none_or(|name| *name == told.name)
        && family.is_none_or(|family| family == told.family)
        && sorted.is_none_or(|protocols| protocols == told.protocols)
        && dns64.is_none_or(|on| on == told.dns64)
        && interface_metrics.is_none_or(|on| on == told.interface_metrics)
        && target_metrics.is_none_or(|on| on == told.target_metrics)
        && ipv6_internet.is_none_or(|on| on == told.ipv6_internet)
}

fn status_of(told: &IpAddressResponse) -> &str {
    told.status().map_or("", |status| status.as_str())
}

fn is_attached(told: &IpAddressResponse) -> bool {
    status_of(told) == "ATTACHED"
}

fn is_going(told: &IpAddressResponse) -> bool {
    matches!(status_of(told), "DETACHING" | "DELETING")
}

fn is_address(told: &IpAddressResponse, address: &NewAddress) -> bool {
    let ip = told.ip().and_then(|ip| ip.parse().ok());
    let ipv6 = told.ipv6().and_then(|ip| ip.parse().ok());
    told.subnet_id() == Some(&address.subnet)
        && (address.ip.is_none() || address.ip == ip)
        && (address.ipv6.is_none() || address.ipv6 == ipv6)
}

fn no_such(endpoint: &str) -> Trouble {
    Said {
        operation: "ListResolverEndpointIpAddresses",
        subject: &format!("endpoint {endpoint}"),
        status: 400,
        code: "ResourceNotFoundException",
        message: "there is no such endpoint",
    }
    .trouble()
}

/// Refused here already: AWS lets an endpoint go down to one address that is ATTACHED.
fn too_few(endpoint: &str, others: usize) -> Trouble {
    let message = format!(
        "[RSLVR-00506] only {others} other addresses are ATTACHED, and {AWS_MIN_ATTACHED} have to stay"
    );
    Said {
        operation: "DisassociateResolverEndpointIpAddress",
        subject: &format!("endpoint {endpoint}"),
        status: 400,
        code: "InvalidRequestException",
        message: &message,
    }
    .trouble()
}
