//! What comes to be: endpoints and addresses, rules, associations, groups, shares, query logs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{ADDRESSES, ENDPOINTS, Inner, Thing, coded, gone, trouble};
use crate::aws::plan::step::{NewAddress, Ref, Step};
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::{
    Address, Association, Endpoint, Permission, QueryLog, Rule, SecurityGroup, Share, State,
};
use crate::config::aws::{AddressFamily, Direction, RuleTarget, RuleType};

pub type Made = Result<Option<String>, Trouble>;

impl Inner {
    pub fn create_security_group(&mut self, step: &Step) -> Made {
        let Step::CreateSecurityGroup { name, vpc, tags, .. } = step else { return Ok(None) };
        let same = |group: &SecurityGroup| group.name == *name && group.vpc == *vpc;
        if let Some((id, _)) = self.world.security_groups.iter().find(|(_, group)| same(group)) {
            return Ok(Some(id.clone()));
        }
        let id = self.id("sg-");
        // EC2 lets a new group out everywhere.
        let all = Permission { protocol: "-1".into(), from_port: -1, to_port: -1, peer: "0.0.0.0/0".into() };
        let group = SecurityGroup {
            name: name.clone(),
            vpc: vpc.clone(),
            ingress: Vec::new(),
            egress: vec![all],
            tags: tags.clone(),
        };
        self.world.security_groups.insert(id.clone(), group);
        Ok(Some(id))
    }

    pub fn create_endpoint(&mut self, step: &Step) -> Made {
        let Step::CreateEndpoint {
            creator_request_id,
            name,
            direction,
            security_groups,
            family,
            protocols,
            ..
        } = step
        else {
            return Ok(None);
        };
        let same = |endpoint: &Endpoint| endpoint.creator_request_id == *creator_request_id;
        if let Some((id, endpoint)) = self.world.endpoints.iter().find(|(_, endpoint)| same(endpoint)) {
            return match endpoint.state {
                State::Going => Err(trouble(Kind::Busy, "the endpoint of this CreatorRequestId is DELETING")),
                _ => Ok(Some(id.clone())),
            };
        }
        let Step::CreateEndpoint {
            addresses,
            tags,
            dns64,
            interface_metrics,
            target_metrics,
            ipv6_internet,
            ..
        } = step
        else {
            return Ok(None);
        };
        if self.world.endpoints.len() >= ENDPOINTS {
            return Err(trouble(Kind::Limit, "the account has 4 endpoints in the Region"));
        }
        if addresses.len() < 2 {
            return Err(trouble(Kind::Refused, "an endpoint needs at least 2 IP addresses"));
        }
        let groups: Vec<String> = security_groups.iter().map(id_of).collect::<Result<_, _>>()?;
        let vpc = self.vpc_of(addresses, &groups)?;
        let id = self.id(if *direction == Direction::Outbound { "rslvr-out-" } else { "rslvr-in-" });
        let endpoint = Endpoint {
            name: name.clone(),
            arn: self.arn("resolver-endpoint", &id),
            direction: *direction,
            vpc,
            security_groups: groups,
            family: *family,
            protocols: protocols.clone(),
            dns64: *dns64,
            interface_metrics: *interface_metrics,
            target_metrics: *target_metrics,
            ipv6_internet: *ipv6_internet,
            state: State::Coming,
            status: "CREATING".into(),
            creator_request_id: creator_request_id.clone(),
            addresses: BTreeMap::new(),
            tags: tags.clone(),
        };
        let before = self.world.clone();
        self.world.endpoints.insert(id.clone(), endpoint);
        for address in addresses {
            if let Err(refused) = self.attach(&id, address) {
                self.world = before;
                return Err(refused);
            }
        }
        self.begin(Thing::Endpoint(id.clone()));
        Ok(Some(id))
    }

    fn vpc_of(&self, addresses: &[NewAddress], groups: &[String]) -> Result<String, Trouble> {
        let subnets = addresses.iter().map(|address| self.world.subnets.get(&address.subnet));
        let mut vpcs: Vec<String> = subnets
            .map(|subnet| subnet.map(|s| s.vpc.clone()).ok_or_else(|| gone("subnet")))
            .collect::<Result<_, _>>()?;
        for group in groups {
            let group = self.world.security_groups.get(group).ok_or_else(|| gone("security group"))?;
            vpcs.push(group.vpc.clone());
        }
        vpcs.dedup();
        match <[String; 1]>::try_from(vpcs) {
            Ok([vpc]) => Ok(vpc),
            Err(_) => Err(trouble(Kind::Refused, "subnets and security groups of several VPCs")),
        }
    }

    /// A new address, which is on its way.
    pub fn attach(&mut self, endpoint: &str, new: &NewAddress) -> Result<String, Trouble> {
        let subnet = self.world.subnets.get(&new.subnet).ok_or_else(|| gone("subnet"))?;
        let IpNet::V4(net) = subnet.cidr else { return Err(trouble(Kind::Refused, "no IPv4 network")) };
        let family = self.world.endpoints[endpoint].family;
        let has_v4 = family != AddressFamily::Ipv6;
        let has_v6 = family != AddressFamily::Ipv4;
        let ip = match new.ip {
            Some(ip) if !net.contains(&ip) || ip.octets()[3] < 4 => {
                return Err(coded(Kind::Refused, "RSLVR-00405", "not in the subnet, or reserved"));
            }
            Some(ip) if self.is_taken(ip) => return Err(trouble(Kind::Refused, "the IP address is in use")),
            Some(ip) => Some(ip),
            // AWS chooses: from the upper half, so that tests can tell them apart.
            None => net.hosts().filter(|ip| ip.octets()[3] >= 128).find(|ip| !self.is_taken(*ip)),
        };
        let ip = ip.filter(|_| has_v4);
        let id = self.id("rni-");
        let chosen = || Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0xffff, self.ids as u16);
        let ipv6 = has_v6.then(|| new.ipv6.unwrap_or_else(chosen));
        let is_bad = self.bad_subnets.contains(&new.subnet);
        let (state, status) =
            if is_bad { (State::Broken, "FAILED_CREATION") } else { (State::Coming, "CREATING") };
        let address = Address { subnet: new.subnet.clone(), ip, ipv6, state, status: status.into() };
        let Some(endpoint_there) = self.world.endpoints.get_mut(endpoint) else {
            return Err(gone("endpoint"));
        };
        endpoint_there.addresses.insert(id.clone(), address);
        if !is_bad {
            self.begin(Thing::Address(endpoint.to_owned(), id.clone()));
        }
        Ok(id)
    }

    fn is_taken(&self, ip: Ipv4Addr) -> bool {
        let mut all = self.world.endpoints.values().flat_map(|endpoint| endpoint.addresses.values());
        all.any(|address| address.ip == Some(ip))
    }

    pub fn add_address(&mut self, endpoint: &str, new: &NewAddress) -> Made {
        let there = self.world.endpoints.get(endpoint).ok_or_else(|| gone("endpoint"))?;
        let pinned = new.ip.is_some() || new.ipv6.is_some();
        let same = |address: &Address| {
            pinned
                && address.subnet == new.subnet
                && new.ip.is_none_or(|ip| address.ip == Some(ip))
                && new.ipv6.is_none_or(|ip| address.ipv6 == Some(ip))
                && address.state != State::Going
        };
        if let Some((id, _)) = there.addresses.iter().find(|(_, one)| same(one)) {
            return Ok(Some(id.clone()));
        }
        if there.addresses.len() >= ADDRESSES {
            return Err(trouble(Kind::Limit, "the endpoint has 6 addresses"));
        }
        self.free_endpoint(endpoint)?;
        let subnet = self.world.subnets.get(&new.subnet).ok_or_else(|| gone("subnet"))?;
        if subnet.vpc != self.world.endpoints[endpoint].vpc {
            return Err(trouble(Kind::Refused, "a subnet of another VPC"));
        }
        let id = self.attach(endpoint, new)?;
        self.updating(endpoint);
        Ok(Some(id))
    }

    pub fn create_rule(&mut self, step: &Step) -> Made {
        let Step::CreateRule { creator_request_id, name, kind, domain, targets, endpoint, tags, .. } = step
        else {
            return Ok(None);
        };
        let same = |rule: &Rule| rule.creator_request_id == *creator_request_id;
        if let Some((id, rule)) = self.world.rules.iter().find(|(_, rule)| same(rule)) {
            return match rule.state {
                State::Going => Err(trouble(Kind::Busy, "the rule of this CreatorRequestId is DELETING")),
                _ => Ok(Some(id.clone())),
            };
        }
        let endpoint = endpoint.as_ref().map(id_of).transpose()?;
        self.sound_rule(*kind, targets, endpoint.as_deref())?;
        let id = self.id("rslvr-rr-");
        let rule = Rule {
            name: name.clone(),
            arn: self.arn("resolver-rule", &id),
            domain: domain.clone(),
            kind: *kind,
            targets: sorted(targets),
            endpoint,
            state: State::Coming,
            status: "CREATING".into(),
            creator_request_id: creator_request_id.clone(),
            owner: self.world.account.clone(),
            tags: tags.clone(),
        };
        self.world.rules.insert(id.clone(), rule);
        self.begin(Thing::Rule(id.clone()));
        Ok(Some(id))
    }

    pub fn sound_rule(
        &self,
        kind: RuleType,
        targets: &[RuleTarget],
        endpoint: Option<&str>,
    ) -> Result<(), Trouble> {
        let is_counted = match kind {
            RuleType::Forward => (1..=6).contains(&targets.len()) && endpoint.is_some(),
            RuleType::System => targets.is_empty() && endpoint.is_none(),
            RuleType::Delegate => targets.is_empty() && endpoint.is_some(),
        };
        if !is_counted {
            return Err(trouble(Kind::Refused, "targets and endpoint don't fit the rule's type"));
        }
        let Some(id) = endpoint else { return Ok(()) };
        let endpoint = self.world.endpoints.get(id).ok_or_else(|| gone("endpoint"))?;
        if endpoint.direction != Direction::Outbound {
            return Err(coded(Kind::Refused, "RSLVR-00700", "the endpoint is not an OUTBOUND one"));
        }
        if endpoint.state == State::Going {
            return Err(trouble(Kind::Refused, "the endpoint is DELETING"));
        }
        let speaks = |target: &RuleTarget| endpoint.protocols.contains(&target.protocol);
        match targets.iter().all(speaks) {
            true => Ok(()),
            false => {
                Err(coded(Kind::Refused, "RSLVR-00726", "the endpoint doesn't speak a target's protocol"))
            }
        }
    }

    pub fn associate(&mut self, rule: &Ref, vpc: &str) -> Made {
        let id = id_of(rule)?;
        let rule =
            self.world.rules.get(&id).ok_or_else(|| coded(Kind::NotFound, "RSLVR-00703", "no such rule"))?;
        let on_vpc = || self.world.associations.values().filter(|association| association.vpc == vpc);
        if let Some(there) = on_vpc().find(|association| association.rule == id) {
            return match there.state {
                State::Going => Err(trouble(Kind::Busy, "the association is DELETING")),
                _ => Ok(None),
            };
        }
        let domain = |id: &String| self.world.rules.get(id).map(|rule| &rule.domain);
        if let Some(other) = on_vpc().find(|there| domain(&there.rule) == Some(&rule.domain)) {
            let message = "Cannot associate rules with same domain name with same VPC. Conflict with";
            return Err(trouble(Kind::Refused, &format!("{message} {}", other.rule)));
        }
        let asked_here =
            self.world.endpoints.values().filter(|e| e.vpc == vpc && e.direction != Direction::Outbound);
        let mut listening = asked_here.flat_map(|e| e.addresses.values()).filter_map(|address| address.ip);
        if listening.any(|ip| rule.targets.iter().any(|target| target.address.ip() == ip)) {
            return Err(coded(
                Kind::Refused,
                "RSLVR-00804",
                "the VPC has an INBOUND endpoint with a target's IP",
            ));
        }
        let new = Association { rule: id, vpc: vpc.into(), state: State::Coming, status: "CREATING".into() };
        let id = self.id("rslvr-rrassoc-");
        self.world.associations.insert(id.clone(), new);
        self.begin(Thing::Association(id));
        Ok(None)
    }

    pub fn create_share(&mut self, step: &Step) -> Made {
        let Step::CreateShare { name, resource, principals, tags, .. } = step else { return Ok(None) };
        if let Some((arn, _)) = self.world.shares.iter().find(|(_, share)| share.name == *name) {
            return Ok(Some(arn.clone()));
        }
        let rule = self.world.rules.get(&id_of(resource)?).ok_or_else(|| gone("rule"))?;
        let mut principals = principals.clone();
        principals.sort_unstable();
        let share = Share {
            name: name.clone(),
            state: State::Ready,
            resources: vec![rule.arn.clone()],
            principals,
            tags: tags.clone(),
        };
        let id = self.id("");
        let arn = format!("arn:aws:ram:{}:{}:resource-share/{id}", self.world.region, self.world.account);
        self.world.shares.insert(arn.clone(), share);
        Ok(Some(arn))
    }

    pub fn create_query_log(&mut self, step: &Step) -> Made {
        let Step::CreateQueryLog { creator_request_id, name, destination, tags, .. } = step else {
            return Ok(None);
        };
        let same = |log: &QueryLog| log.creator_request_id == *creator_request_id;
        if let Some((id, log)) = self.world.query_logs.iter().find(|(_, log)| same(log)) {
            return match log.state {
                State::Going => {
                    Err(trouble(Kind::Busy, "the query log of this CreatorRequestId is DELETING"))
                }
                _ => Ok(Some(id.clone())),
            };
        }
        let id = self.id("rqlc-");
        let log = QueryLog {
            name: name.clone(),
            arn: self.arn("resolver-query-log-config", &id),
            destination: destination.clone(),
            state: State::Coming,
            status: "CREATING".into(),
            creator_request_id: creator_request_id.clone(),
            owner: self.world.account.clone(),
            tags: tags.clone(),
        };
        self.world.query_logs.insert(id.clone(), log);
        self.begin(Thing::QueryLog(id.clone()));
        Ok(Some(id))
    }

    pub fn log_vpc(&mut self, log: &Ref, vpc: &str) -> Made {
        let id = id_of(log)?;
        if !self.world.query_logs.contains_key(&id) {
            return Err(gone("query log"));
        }
        let vpcs = self.world.query_log_associations.entry(id.clone()).or_default();
        match vpcs.get(vpc) {
            Some(State::Going) => return Err(trouble(Kind::Busy, "the association is DELETING")),
            Some(_) => return Ok(None),
            None => drop(vpcs.insert(vpc.to_owned(), State::Coming)),
        }
        self.begin(Thing::Log(id, vpc.to_owned()));
        Ok(None)
    }

    fn arn(&self, kind: &str, id: &str) -> String {
        format!("arn:aws:route53resolver:{}:{}:{kind}/{id}", self.world.region, self.world.account)
    }
}

/// Whoever asks has put IDs in the place of all references.
pub fn id_of(reference: &Ref) -> Result<String, Trouble> {
    match reference {
        Ref::Id(id) => Ok(id.clone()),
        Ref::Made(name) => Err(trouble(Kind::Refused, &format!("`{name}` is no ID"))),
    }
}

pub fn sorted<T: Ord + Clone>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values
}
