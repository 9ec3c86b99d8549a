//! How far steps are that were asked for: looks once at each kind of thing that they are about, for all of them together.
//! What it means is judged in `judge`. Changes nothing.

mod judge;

use std::collections::{BTreeMap, BTreeSet};

use self::judge::judge;
use super::amazon::Amazon;
use super::map;
use super::shares::Part;
use super::vpn::Told;
use super::{Asked, Progress};
use crate::aws::plan::step::{Ref, Step};
use crate::aws::trouble::Trouble;
use crate::aws::world::{Association, Authorization, Endpoint, QueryLog, Rule, State, Switch, VpnRoute};
use crate::limits::RULES_ONE_BY_ONE;

/// What was seen. What is not in it is not there, or no step is about it.
#[derive(Default)]
struct Seen {
    /// Addresses only of those that a step about addresses is of.
    endpoints: BTreeMap<String, Endpoint>,
    rules: BTreeMap<String, Rule>,
    associations: Vec<Association>,
    query_logs: BTreeMap<String, QueryLog>,
    /// By query logging configuration and VPC.
    logged: BTreeMap<(String, String), State>,
    dnssec_validation: BTreeMap<String, Switch>,
    autodefined_reverse: BTreeMap<String, Switch>,
    /// By ARN: status in the API's word.
    shares: BTreeMap<String, String>,
    share_parts: Vec<Part>,
    /// By Client VPN endpoint.
    vpn_routes: BTreeMap<String, Vec<Told<VpnRoute>>>,
    vpn_authorizations: BTreeMap<String, Vec<Told<Authorization>>>,
    vpn_dns_servers: BTreeMap<String, Vec<String>>,
}

/// What has to be looked at.
#[derive(Default)]
struct Needs {
    endpoints: bool,
    addresses_of: BTreeSet<String>,
    rules: BTreeSet<String>,
    associations: bool,
    query_logs: bool,
    logged: bool,
    dnssec_validation: BTreeSet<String>,
    autodefined_reverse: BTreeSet<String>,
    shares: BTreeSet<String>,
    vpn_routes: BTreeSet<String>,
    vpn_authorizations: BTreeSet<String>,
    vpn_dns_servers: BTreeSet<String>,
}

impl Needs {
    fn of(all: &[Asked]) -> Needs {
        let mut needs = Needs::default();
        for asked in all {
            needs.add_resolver(asked);
            needs.add_around(&asked.step);
        }
        needs
    }

    fn add_resolver(&mut self, Asked { step, made }: &Asked) {
        match step {
            Step::CreateEndpoint { .. } => {
                self.endpoints = true;
                self.addresses_of.extend(made.clone());
            }
            Step::UpdateEndpoint { .. } | Step::DeleteEndpoint { .. } => self.endpoints = true,
            Step::AddAddress { endpoint, .. } | Step::RemoveAddress { endpoint, .. } => {
                self.endpoints = true;
                self.addresses_of.insert(endpoint.clone());
            }
            Step::CreateRule { .. } => self.rules.extend(made.clone()),
            Step::UpdateRule { rule, .. } | Step::DeleteRule { rule } => self.rules.extend([rule.clone()]),
            Step::Associate { .. } | Step::Disassociate { .. } => self.associations = true,
            Step::CreateQueryLog { .. } | Step::DeleteQueryLog { .. } => self.query_logs = true,
            Step::LogVpc { .. } | Step::UnlogVpc { .. } => self.logged = true,
            Step::SetDnssecValidation { vpc, .. } => self.dnssec_validation.extend([vpc.clone()]),
            Step::SetAutodefinedReverse { vpc, .. } => self.autodefined_reverse.extend([vpc.clone()]),
            _ => {}
        }
        // A share's ARN is what making it gave.
        if let (Step::CreateShare { .. }, Some(made)) = (step, made) {
            self.shares.insert(made.clone());
        }
    }

    fn add_around(&mut self, step: &Step) {
        let (set, id) = match step {
            Step::ShareWith { share, .. } | Step::UnshareWith { share, .. } | Step::DeleteShare { share } => {
                (&mut self.shares, share)
            }
            Step::AuthorizeVpn { endpoint, .. } | Step::RevokeVpn { endpoint, .. } => {
                (&mut self.vpn_authorizations, endpoint)
            }
            Step::CreateVpnRoute { endpoint, .. } | Step::DeleteVpnRoute { endpoint, .. } => {
                (&mut self.vpn_routes, endpoint)
            }
            Step::SetVpnDnsServers { endpoint, .. } => (&mut self.vpn_dns_servers, endpoint),
            _ => return,
        };
        set.insert(id.clone());
    }
}

impl Amazon {
    pub(super) async fn progress_of(&self, asked: &[Asked]) -> Result<Vec<Progress>, Trouble> {
        let asked: Vec<Asked> = asked.iter().map(awaited).collect();
        let needs = Needs::of(&asked);
        let mut seen = Seen::default();
        self.see_endpoints(&needs, &mut seen).await?;
        self.see_rules(&needs, &mut seen).await?;
        self.see_query_logs(&needs, &mut seen).await?;
        self.see_switches(&needs, &mut seen).await?;
        self.see_shares(&needs, &mut seen).await?;
        self.see_vpns(&needs, &mut seen).await?;
        Ok(asked.iter().map(|asked| judge(asked, &seen)).collect())
    }

    /// Addresses first: an endpoint that is listed as OPERATIONAL after them had no other ones.
    async fn see_endpoints(&self, needs: &Needs, seen: &mut Seen) -> Result<(), Trouble> {
        if !needs.endpoints {
            return Ok(());
        }
        let mut addresses = BTreeMap::new();
        for id in &needs.addresses_of {
            if let Some(told) = self.resolver.addresses(id).await? {
                addresses.insert(id.as_str(), told);
            }
        }
        for told in self.resolver.endpoints(None).await? {
            let Some(id) = told.id() else { continue };
            let none = Vec::new();
            if let Some(endpoint) = map::endpoint(&told, addresses.get(id).unwrap_or(&none)) {
                seen.endpoints.insert(id.to_owned(), endpoint);
            }
        }
        Ok(())
    }

    async fn see_rules(&self, needs: &Needs, seen: &mut Seen) -> Result<(), Trouble> {
        if needs.associations {
            seen.associations = self
                .resolver
                .associations(Vec::new())
                .await?
                .iter()
                .filter_map(map::association)
                .map(|(_, one)| one)
                .collect();
        }
        let told = if needs.rules.len() > RULES_ONE_BY_ONE {
            self.resolver.rules(None).await?
        } else {
            let mut told = Vec::new();
            for id in &needs.rules {
                told.extend(self.resolver.rule(id).await?);
            }
            told
        };
        let rules = told.iter().filter_map(|one| Some((one.id()?.to_owned(), map::rule(one)?)));
        seen.rules = rules.collect();
        Ok(())
    }

    async fn see_query_logs(&self, needs: &Needs, seen: &mut Seen) -> Result<(), Trouble> {
        if needs.query_logs {
            seen.query_logs =
                self.resolver.query_logs(None).await?.iter().filter_map(map::query_log).collect();
        }
        if needs.logged {
            for (log, vpcs) in self.logged_vpcs().await? {
                seen.logged.extend(vpcs.into_iter().map(|(vpc, state)| ((log.clone(), vpc), state)));
            }
        }
        Ok(())
    }

    async fn see_switches(&self, needs: &Needs, seen: &mut Seen) -> Result<(), Trouble> {
        for vpc in &needs.dnssec_validation {
            seen.dnssec_validation.insert(vpc.clone(), self.resolver.dnssec_validation(vpc).await?);
        }
        for vpc in &needs.autodefined_reverse {
            seen.autodefined_reverse.insert(vpc.clone(), self.resolver.autodefined_reverse(vpc).await?);
        }
        Ok(())
    }

    /// RAM refuses to list the parts of a share that is gone.
    async fn see_shares(&self, needs: &Needs, seen: &mut Seen) -> Result<(), Trouble> {
        if needs.shares.is_empty() {
            return Ok(());
        }
        seen.shares = self.ram.share_states().await?;
        seen.shares.retain(|arn, _| needs.shares.contains(arn));
        let arns: Vec<String> = seen.shares.keys().cloned().collect();
        seen.share_parts = self.ram.resources_of(&arns).await?;
        seen.share_parts.extend(self.ram.principals_of(&arns).await?);
        Ok(())
    }

    async fn see_vpns(&self, needs: &Needs, seen: &mut Seen) -> Result<(), Trouble> {
        for id in &needs.vpn_routes {
            seen.vpn_routes.insert(id.clone(), self.ec2.vpn_routes(id).await?);
        }
        for id in &needs.vpn_authorizations {
            seen.vpn_authorizations.insert(id.clone(), self.ec2.vpn_authorizations(id).await?);
        }
        for id in &needs.vpn_dns_servers {
            let servers = self.ec2.vpn_dns_servers(id).await?;
            seen.vpn_dns_servers.extend(servers.map(|servers| (id.clone(), servers)));
        }
        Ok(())
    }
}

/// What an earlier run asked for is waited for as if this one had. It made what `made` names.
fn awaited(asked: &Asked) -> Asked {
    let Step::Await { until } = &asked.step else { return asked.clone() };
    let made = match &**until {
        Step::CreateEndpoint { made, .. }
        | Step::CreateRule { made, .. }
        | Step::CreateShare { made, .. }
        | Step::CreateQueryLog { made, .. } => Some(made.clone()),
        _ => asked.made.clone(),
    };
    Asked { step: (**until).clone(), made }
}

/// Of a step that was asked for, so that all are IDs.
fn id(reference: &Ref) -> &str {
    match reference {
        Ref::Id(id) | Ref::Made(id) => id,
    }
}
