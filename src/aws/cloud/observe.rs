//! Observation: the world is put together from what the services list. Changes nothing, and asks only for what the
//! configuration touches beside the lists of Resolver.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_route53resolver::types::{IpAddressResponse, ResolverEndpoint};

use super::Tell;
use super::amazon::Amazon;
use super::map;
use crate::aws::owned::Owner;
use crate::aws::trouble::Trouble;
use crate::aws::world::{
    Association, ClientVpn, Endpoint, QueryLog, Rule, SecurityGroup, Share, State, Subnet, Vpc, World,
};
use crate::config::aws::{Aws, SecurityGroup as WantedGroup};

/// Between two words of how far the tags are.
const TAGS_TOLD_EVERY: usize = 20;

/// What Resolver lists beside endpoints.
#[derive(Default)]
struct Resolved {
    rules: BTreeMap<String, Rule>,
    associations: BTreeMap<String, Association>,
    query_logs: BTreeMap<String, QueryLog>,
    query_log_associations: BTreeMap<String, BTreeMap<String, State>>,
    vpcs: BTreeMap<String, Vpc>,
}

/// What EC2 and RAM have.
struct Around {
    vpcs: BTreeMap<String, Vpc>,
    subnets: BTreeMap<String, Subnet>,
    security_groups: BTreeMap<String, SecurityGroup>,
    client_vpns: BTreeMap<String, ClientVpn>,
    shares: BTreeMap<String, Share>,
}

impl Amazon {
    /// EC2 and RAM have gates of their own, so they are asked while Resolver's tags take their time.
    pub(super) async fn whole_world(&self, wanted: &Aws, tell: &dyn Tell) -> Result<World, Trouble> {
        let account = self.account().await?;
        tell.tell(&format!("account {account}, {}", self.region));
        let mut endpoints = self.listed_endpoints(tell).await?;
        for endpoint in endpoints.values_mut() {
            endpoint.tags = self.resolver.tags(&endpoint.arn).await?;
        }
        let (resolved, around) =
            tokio::try_join!(self.resolved(wanted, &account, tell), self.around(wanted, &endpoints, tell))?;
        let mut vpcs = around.vpcs;
        for (id, switches) in resolved.vpcs {
            if let Some(vpc) = vpcs.get_mut(&id) {
                vpc.dnssec_validation = switches.dnssec_validation;
                vpc.autodefined_reverse = switches.autodefined_reverse;
            }
        }
        Ok(World {
            account,
            region: self.region.clone(),
            endpoints,
            rules: resolved.rules,
            associations: resolved.associations,
            query_logs: resolved.query_logs,
            query_log_associations: resolved.query_log_associations,
            vpcs,
            subnets: around.subnets,
            security_groups: around.security_groups,
            client_vpns: around.client_vpns,
            shares: around.shares,
        })
    }

    /// What a running server follows.
    pub(super) async fn followed_world(&self, wanted: &Aws) -> Result<World, Trouble> {
        let account = self.account().await?;
        let endpoints = self.listed_endpoints(&()).await?;
        let subnets = endpoints.values().flat_map(subnets_of).cloned();
        let subnets: BTreeSet<String> =
            subnets.chain(wanted.subnets.iter().map(|one| one.id.clone())).collect();
        Ok(World {
            account,
            region: self.region.clone(),
            rules: self.listed_rules(&()).await?,
            associations: self.listed_associations().await?,
            subnets: self.ec2.subnets(&subnets).await?,
            endpoints,
            ..World::default()
        })
    }

    /// Without tags.
    async fn listed_endpoints(&self, tell: &dyn Tell) -> Result<BTreeMap<String, Endpoint>, Trouble> {
        let mut endpoints = BTreeMap::new();
        for told in self.resolver.endpoints(None).await? {
            let Some((id, endpoint)) = self.with_addresses(&told, tell).await? else { continue };
            endpoints.insert(id, endpoint);
        }
        Ok(endpoints)
    }

    /// None: it has gone since it was listed, or there is something about it that this version has no word for.
    async fn with_addresses(
        &self,
        told: &ResolverEndpoint,
        tell: &dyn Tell,
    ) -> Result<Option<(String, Endpoint)>, Trouble> {
        let Some(id) = told.id() else { return Ok(None) };
        let Some(addresses) = self.resolver.addresses(id).await? else { return Ok(None) };
        let addresses: &[IpAddressResponse] = &addresses;
        let endpoint = map::endpoint(told, addresses);
        if endpoint.is_none() {
            tell.tell(&left_out("endpoint", id));
        }
        Ok(endpoint.map(|endpoint| (id.to_owned(), endpoint)))
    }

    /// Without tags, and without AWS's own.
    async fn listed_rules(&self, tell: &dyn Tell) -> Result<BTreeMap<String, Rule>, Trouble> {
        let mut rules = BTreeMap::new();
        for told in self.resolver.rules(None).await? {
            let id = told.id().unwrap_or_default();
            match map::rule(&told) {
                Some(rule) => drop(rules.insert(id.to_owned(), rule)),
                None if map::is_autodefined(&told) => {}
                None => tell.tell(&left_out("rule", id)),
            }
        }
        Ok(rules)
    }

    async fn listed_associations(&self) -> Result<BTreeMap<String, Association>, Trouble> {
        Ok(self.resolver.associations(Vec::new()).await?.iter().filter_map(map::association).collect())
    }

    async fn resolved(&self, wanted: &Aws, account: &str, tell: &dyn Tell) -> Result<Resolved, Trouble> {
        let mut rules = self.listed_rules(tell).await?;
        let associations = self.listed_associations().await?;
        let mut query_logs: BTreeMap<String, QueryLog> =
            self.resolver.query_logs(None).await?.iter().filter_map(map::query_log).collect();
        let query_log_associations = self.logged_vpcs().await?;
        let vpcs = self.switches(wanted).await?;
        self.tag_rules(&mut rules, account, tell).await?;
        for log in query_logs.values_mut().filter(|log| log.owner == account) {
            log.tags = self.resolver.tags(&log.arn).await?;
        }
        Ok(Resolved { rules, associations, query_logs, query_log_associations, vpcs })
    }

    /// Tags are seen by the owner only. One request for each rule: no list can be asked for them.
    async fn tag_rules(
        &self,
        rules: &mut BTreeMap<String, Rule>,
        account: &str,
        tell: &dyn Tell,
    ) -> Result<(), Trouble> {
        let count = rules.values().filter(|rule| rule.owner == account).count();
        for (index, rule) in rules.values_mut().filter(|rule| rule.owner == account).enumerate() {
            if index > 0 && index % TAGS_TOLD_EVERY == 0 {
                tell.tell(&format!("tags of {index} of {count} rules"));
            }
            rule.tags = self.resolver.tags(&rule.arn).await?;
        }
        Ok(())
    }

    pub(super) async fn logged_vpcs(&self) -> Result<BTreeMap<String, BTreeMap<String, State>>, Trouble> {
        let mut logged: BTreeMap<String, BTreeMap<String, State>> = BTreeMap::new();
        for told in self.resolver.query_log_associations().await? {
            let (Some(log), Some(vpc)) = (told.resolver_query_log_config_id(), told.resource_id()) else {
                continue;
            };
            let state = map::logged_state(told.status().map_or("", |status| status.as_str()));
            logged.entry(log.to_owned()).or_default().insert(vpc.to_owned(), state);
        }
        Ok(logged)
    }

    /// Of the VPCs that the configuration says something of; the others are not asked for.
    async fn switches(&self, wanted: &Aws) -> Result<BTreeMap<String, Vpc>, Trouble> {
        let mut vpcs = BTreeMap::new();
        for vpc in &wanted.vpcs {
            let dnssec_validation = match vpc.dnssec_validation {
                Some(_) => Some(self.resolver.dnssec_validation(&vpc.id).await?),
                None => None,
            };
            let autodefined_reverse = match vpc.autodefined_reverse {
                Some(_) => Some(self.resolver.autodefined_reverse(&vpc.id).await?),
                None => None,
            };
            vpcs.insert(vpc.id.clone(), Vpc { cidrs: Vec::new(), dnssec_validation, autodefined_reverse });
        }
        Ok(vpcs)
    }

    async fn around(
        &self,
        wanted: &Aws,
        endpoints: &BTreeMap<String, Endpoint>,
        tell: &dyn Tell,
    ) -> Result<Around, Trouble> {
        let vpns = wanted.client_vpns.iter().map(|vpn| vpn.endpoint.clone()).collect();
        let client_vpns = self.ec2.client_vpns(&vpns).await?;
        let mut subnets = wanted_subnets(wanted);
        subnets.extend(our_subnets(wanted, endpoints));
        subnets.extend(client_vpns.values().flat_map(|vpn| vpn.subnets.iter().cloned()));
        let around = Around {
            vpcs: self.ec2.vpcs(&wanted_vpcs(wanted)).await?,
            subnets: self.ec2.subnets(&subnets).await?,
            security_groups: self.ec2.security_groups(&wanted.owner, &wanted_groups(wanted)).await?,
            client_vpns,
            shares: self.ram.shares(&wanted.owner).await?,
        };
        tell.tell("networks, security groups and shares are seen");
        Ok(around)
    }
}

fn left_out(kind: &str, id: &str) -> String {
    format!("{kind} {id} is left out: AWS says something of it that this version has no word for")
}

fn subnets_of(endpoint: &Endpoint) -> impl Iterator<Item = &String> {
    endpoint.addresses.values().map(|address| &address.subnet)
}

fn our_subnets(wanted: &Aws, endpoints: &BTreeMap<String, Endpoint>) -> BTreeSet<String> {
    let owner = Owner(&wanted.owner);
    let taken_over = |id: &str| wanted.endpoints.iter().any(|endpoint| endpoint.id.as_deref() == Some(id));
    let ours =
        endpoints.iter().filter(|(id, one)| owner.owns(&one.creator_request_id, &one.tags) || taken_over(id));
    ours.flat_map(|(_, one)| subnets_of(one)).cloned().collect()
}

fn wanted_subnets(wanted: &Aws) -> BTreeSet<String> {
    let of_endpoints = wanted.endpoints.iter().flat_map(|one| &one.addresses).map(|address| &address.subnet);
    of_endpoints.chain(wanted.subnets.iter().map(|subnet| &subnet.id)).cloned().collect()
}

fn wanted_vpcs(wanted: &Aws) -> BTreeSet<String> {
    let named = wanted.vpcs.iter().map(|vpc| &vpc.id);
    let of_endpoints = wanted.endpoints.iter().map(|endpoint| &endpoint.vpc);
    let of_rules = wanted.rules.iter().flat_map(|rule| &rule.vpcs);
    let logged = wanted.query_logs.iter().flat_map(|log| &log.vpcs);
    named.chain(of_endpoints).chain(of_rules).chain(logged).cloned().collect()
}

fn wanted_groups(wanted: &Aws) -> BTreeSet<String> {
    let theirs = wanted.endpoints.iter().filter_map(|endpoint| match &endpoint.security_group {
        WantedGroup::Theirs(ids) => Some(ids),
        WantedGroup::Ours { .. } => None,
    });
    theirs.flatten().cloned().collect()
}
