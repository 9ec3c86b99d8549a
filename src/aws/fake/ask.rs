//! What becomes of what is there: changes and the end of things, with the refusals that AWS has for them.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::make::{Made, id_of, sorted};
use super::{Inner, Thing, coded, gone, trouble};
use crate::aws::plan::step::{Step, Way};
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::{Authorization, ClientVpn, Endpoint, Permission, State, Switch, VpnRoute};
use crate::config::aws::{AddressFamily, Direction, Protocol, RuleTarget};

impl Inner {
    pub fn ask(&mut self, step: &Step) -> Made {
        match step {
            Step::CreateSecurityGroup { .. } => self.create_security_group(step),
            Step::CreateEndpoint { .. } => self.create_endpoint(step),
            Step::CreateRule { .. } => self.create_rule(step),
            Step::CreateShare { .. } => self.create_share(step),
            Step::CreateQueryLog { .. } => self.create_query_log(step),
            Step::Associate { rule, vpc, .. } => self.associate(rule, vpc),
            Step::LogVpc { query_log, vpc } => self.log_vpc(query_log, vpc),
            Step::AddAddress { endpoint, address } => self.add_address(endpoint, address),
            _ => self.change(step).map(|()| None),
        }
    }

    fn change(&mut self, step: &Step) -> Result<(), Trouble> {
        match step {
            Step::Permit { group, way, permissions } => {
                let list = self.permissions(&id_of(group)?, *way)?;
                list.extend(permissions.iter().cloned());
                list.sort_unstable();
                list.dedup();
                Ok(())
            }
            Step::Forbid { group, way, permissions } => {
                self.permissions(&id_of(group)?, *way)?.retain(|one| !permissions.contains(one));
                Ok(())
            }
            Step::DeleteSecurityGroup { group } => self.delete_security_group(group),
            Step::UpdateEndpoint { endpoint, .. } => self.update_endpoint(endpoint, step),
            Step::RemoveAddress { endpoint, address } => self.remove_address(endpoint, address),
            Step::DeleteEndpoint { endpoint } => self.delete_endpoint(endpoint),
            Step::UpdateRule { rule, .. } => self.update_rule(rule, step),
            Step::DeleteRule { rule } => self.delete_rule(rule),
            Step::Disassociate { rule, vpc } => self.disassociate(rule, vpc),
            Step::DeleteQueryLog { query_log } => self.delete_query_log(query_log),
            Step::UnlogVpc { query_log, vpc } => {
                let logs = self.world.query_log_associations.get_mut(query_log);
                if let Some(state) = logs.and_then(|vpcs| vpcs.get_mut(vpc)) {
                    *state = State::Going;
                    self.begin(Thing::Log(query_log.clone(), vpc.clone()));
                }
                Ok(())
            }
            Step::SetDnssecValidation { vpc, on } => {
                let there = self.world.vpcs.get_mut(vpc).ok_or_else(|| gone("VPC"))?;
                there.dnssec_validation = Some(Switch { on: *on, is_changing: true });
                self.begin(Thing::Dnssec(vpc.clone()));
                Ok(())
            }
            Step::SetAutodefinedReverse { vpc, on } => {
                let there = self.world.vpcs.get_mut(vpc).ok_or_else(|| gone("VPC"))?;
                there.autodefined_reverse = Some(Switch { on: *on, is_changing: true });
                self.begin(Thing::Reverse(vpc.clone()));
                Ok(())
            }
            _ => self.change_around(step),
        }
    }

    /// Shares, Client VPN endpoints, tags.
    fn change_around(&mut self, step: &Step) -> Result<(), Trouble> {
        match step {
            Step::ShareWith { share, principals } => {
                let share = self.world.shares.get_mut(share).ok_or_else(|| gone("share"))?;
                share.principals.extend(principals.iter().cloned());
                share.principals.sort_unstable();
                share.principals.dedup();
            }
            Step::UnshareWith { share, principals } => {
                let share = self.world.shares.get_mut(share).ok_or_else(|| gone("share"))?;
                share.principals.retain(|one| !principals.contains(one));
            }
            Step::DeleteShare { share } => drop(self.world.shares.remove(share)),
            Step::AuthorizeVpn { endpoint, destination, group, description } => {
                let new = Authorization {
                    destination: *destination,
                    group: group.clone(),
                    is_active: true,
                    description: description.clone(),
                };
                let list = &mut self.vpn(endpoint)?.authorizations;
                if !list.iter().any(|one| one.destination == new.destination && one.group == new.group) {
                    list.push(new);
                    list.sort_unstable();
                }
            }
            Step::RevokeVpn { endpoint, destination, group } => {
                let list = &mut self.vpn(endpoint)?.authorizations;
                list.retain(|one| one.destination != *destination || one.group != *group);
            }
            Step::CreateVpnRoute { endpoint, destination, subnet, description } => {
                let new = VpnRoute {
                    destination: *destination,
                    subnet: subnet.clone(),
                    origin: "add-route".into(),
                    is_active: true,
                    description: description.clone(),
                };
                let list = &mut self.vpn(endpoint)?.routes;
                if !list.iter().any(|one| one.destination == new.destination && one.subnet == new.subnet) {
                    list.push(new);
                    list.sort_unstable();
                }
            }
            Step::DeleteVpnRoute { endpoint, destination, subnet } => {
                let list = &mut self.vpn(endpoint)?.routes;
                list.retain(|one| one.destination != *destination || one.subnet != *subnet);
            }
            Step::SetVpnDnsServers { endpoint, servers } => {
                self.vpn(endpoint)?.dns_servers = servers.iter().map(ToString::to_string).collect();
            }
            Step::Tag { arn, tags } => {
                let there = self.tags(arn).ok_or_else(|| gone("resource"))?;
                there.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            Step::Untag { arn, keys } => {
                self.tags(arn).ok_or_else(|| gone("resource"))?.retain(|key, _| !keys.contains(key));
            }
            other => return Err(trouble(Kind::Refused, &format!("an unknown step: {other:?}"))),
        }
        Ok(())
    }

    fn vpn(&mut self, id: &str) -> Result<&mut ClientVpn, Trouble> {
        self.world.client_vpns.get_mut(id).ok_or_else(|| gone("Client VPN endpoint"))
    }

    fn tags(&mut self, arn: &str) -> Option<&mut BTreeMap<String, String>> {
        let world = &mut self.world;
        let endpoints = world.endpoints.values_mut().map(|thing| (&thing.arn, &mut thing.tags));
        let rules = world.rules.values_mut().map(|thing| (&thing.arn, &mut thing.tags));
        let logs = world.query_logs.values_mut().map(|thing| (&thing.arn, &mut thing.tags));
        endpoints.chain(rules).chain(logs).find(|(its, _)| *its == arn).map(|(_, tags)| tags)
    }

    fn permissions(&mut self, group: &str, way: Way) -> Result<&mut Vec<Permission>, Trouble> {
        let group = self.world.security_groups.get_mut(group).ok_or_else(|| gone("security group"))?;
        Ok(match way {
            Way::Ingress => &mut group.ingress,
            Way::Egress => &mut group.egress,
        })
    }

    fn delete_security_group(&mut self, group: &str) -> Result<(), Trouble> {
        let mut users = self.world.endpoints.values();
        if users.any(|endpoint| endpoint.security_groups.iter().any(|id| id == group)) {
            return Err(trouble(Kind::Busy, "DependencyViolation: an endpoint has it"));
        }
        self.world.security_groups.remove(group);
        Ok(())
    }

    /// Nothing else is being done with it.
    pub fn free_endpoint(&self, id: &str) -> Result<&Endpoint, Trouble> {
        let endpoint = self.world.endpoints.get(id).ok_or_else(|| gone("endpoint"))?;
        match endpoint.state {
            State::Ready | State::Broken => Ok(endpoint),
            State::Coming | State::Going => {
                Err(trouble(Kind::Busy, &format!("the endpoint is {}", endpoint.status)))
            }
        }
    }

    pub fn updating(&mut self, id: &str) {
        if let Some(endpoint) = self.world.endpoints.get_mut(id) {
            endpoint.state = State::Coming;
            endpoint.status = "UPDATING".into();
            self.begin(Thing::Endpoint(id.to_owned()));
        }
    }

    fn update_endpoint(&mut self, id: &str, step: &Step) -> Result<(), Trouble> {
        let Step::UpdateEndpoint {
            name,
            family,
            protocols,
            dns64,
            interface_metrics,
            target_metrics,
            ipv6_internet,
            ipv6,
            ..
        } = step
        else {
            return Ok(());
        };
        self.free_endpoint(id)?;
        let first_v6 = self.ids as u16;
        let Some(endpoint) = self.world.endpoints.get_mut(id) else { return Err(gone("endpoint")) };
        if let Some(protocols) = protocols {
            sound_protocols(endpoint, protocols)?;
            endpoint.protocols = sorted(protocols);
        }
        if let Some(family) = family {
            change_family(endpoint, *family, ipv6, first_v6)?;
        }
        let set = |flag: &mut bool, to: &Option<bool>| *flag = to.unwrap_or(*flag);
        set(&mut endpoint.dns64, dns64);
        set(&mut endpoint.interface_metrics, interface_metrics);
        set(&mut endpoint.target_metrics, target_metrics);
        set(&mut endpoint.ipv6_internet, ipv6_internet);
        if let Some(name) = name {
            endpoint.name.clone_from(name);
        }
        self.updating(id);
        Ok(())
    }

    fn remove_address(&mut self, id: &str, address: &str) -> Result<(), Trouble> {
        let endpoint = self.world.endpoints.get(id).ok_or_else(|| gone("endpoint"))?;
        match endpoint.addresses.get(address) {
            None => return Ok(()),
            Some(address) if address.state == State::Going => return Ok(()),
            Some(_) => {}
        }
        let endpoint = self.free_endpoint(id)?;
        let others =
            endpoint.addresses.iter().filter(|(other, one)| *other != address && one.state == State::Ready);
        if others.count() < 2 {
            return Err(coded(
                Kind::Refused,
                "RSLVR-00506",
                "fewer than two attached addresses would be left",
            ));
        }
        let there = self.world.endpoints.get_mut(id).and_then(|e| e.addresses.get_mut(address));
        if let Some(there) = there {
            (there.state, there.status) = (State::Going, "DETACHING".into());
        }
        self.begin(Thing::Address(id.to_owned(), address.to_owned()));
        self.updating(id);
        Ok(())
    }

    fn delete_endpoint(&mut self, id: &str) -> Result<(), Trouble> {
        if self.world.rules.values().any(|rule| rule.endpoint.as_deref() == Some(id)) {
            return Err(coded(Kind::Busy, "RSLVR-00600", "rules of the endpoint still exist"));
        }
        let Some(endpoint) = self.world.endpoints.get_mut(id) else { return Ok(()) };
        if endpoint.state != State::Going {
            (endpoint.state, endpoint.status) = (State::Going, "DELETING".into());
            self.begin(Thing::Endpoint(id.to_owned()));
        }
        Ok(())
    }

    fn update_rule(&mut self, id: &str, step: &Step) -> Result<(), Trouble> {
        let Step::UpdateRule { name, targets, endpoint, .. } = step else { return Ok(()) };
        let endpoint = endpoint.as_ref().map(id_of).transpose()?;
        let rule = self.world.rules.get(id).ok_or_else(|| gone("rule"))?;
        if matches!(rule.state, State::Coming | State::Going) {
            return Err(coded(
                Kind::Busy,
                "RSLVR-00705",
                "Cannot update Resolver Rule because it's currently updating",
            ));
        }
        let targets: Vec<RuleTarget> =
            targets.as_ref().map_or_else(|| rule.targets.clone(), |list| sorted(list));
        let endpoint = endpoint.or_else(|| rule.endpoint.clone());
        self.sound_rule(rule.kind, &targets, endpoint.as_deref())?;
        if let Some(rule) = self.world.rules.get_mut(id) {
            (rule.targets, rule.endpoint) = (targets, endpoint);
            if let Some(name) = name {
                rule.name.clone_from(name);
            }
            (rule.state, rule.status) = (State::Coming, "UPDATING".into());
        }
        self.begin(Thing::Rule(id.to_owned()));
        Ok(())
    }

    fn delete_rule(&mut self, id: &str) -> Result<(), Trouble> {
        if self.world.associations.values().any(|association| association.rule == id) {
            let message = "Please disassociate this resolver rule from VPC first before deleting";
            return Err(trouble(Kind::Busy, message));
        }
        let Some(rule) = self.world.rules.get_mut(id) else { return Ok(()) };
        if rule.state != State::Going {
            (rule.state, rule.status) = (State::Going, "DELETING".into());
            self.begin(Thing::Rule(id.to_owned()));
        }
        Ok(())
    }

    fn disassociate(&mut self, rule: &str, vpc: &str) -> Result<(), Trouble> {
        let mut all = self.world.associations.iter_mut();
        let Some((id, there)) = all.find(|(_, one)| one.rule == rule && one.vpc == vpc) else {
            return Ok(());
        };
        if there.state != State::Going {
            (there.state, there.status) = (State::Going, "DELETING".into());
            let id = id.clone();
            self.begin(Thing::Association(id));
        }
        Ok(())
    }

    fn delete_query_log(&mut self, id: &str) -> Result<(), Trouble> {
        if self.world.query_log_associations.contains_key(id) {
            return Err(trouble(Kind::Busy, "the query log is associated with VPCs"));
        }
        let Some(log) = self.world.query_logs.get_mut(id) else { return Ok(()) };
        if log.state != State::Going {
            (log.state, log.status) = (State::Going, "DELETING".into());
            self.begin(Thing::QueryLog(id.to_owned()));
        }
        Ok(())
    }
}

/// From Do53 to DoH an inbound endpoint goes by both together (Protocols of UpdateResolverEndpoint).
fn sound_protocols(endpoint: &Endpoint, protocols: &[Protocol]) -> Result<(), Trouble> {
    let kept = protocols.iter().any(|protocol| endpoint.protocols.contains(protocol));
    let has_do53 = endpoint.protocols.contains(&Protocol::Do53);
    match kept || !has_do53 || endpoint.direction == Direction::Outbound {
        true => Ok(()),
        false => Err(trouble(Kind::Refused, "You can't change from Do53 to DoH directly")),
    }
}

/// Only between IPV4 and DUALSTACK; AWS chooses the IPv6 addresses.
fn change_family(
    endpoint: &mut Endpoint,
    to: AddressFamily,
    wanted: &BTreeMap<String, Ipv6Addr>,
    first: u16,
) -> Result<(), Trouble> {
    if endpoint.family == to {
        return Ok(());
    }
    if endpoint.family == AddressFamily::Ipv6 || to == AddressFamily::Ipv6 {
        return Err(trouble(Kind::Refused, "an endpoint of type IPV6 can't be changed, nor become one"));
    }
    endpoint.family = to;
    for ((id, address), number) in endpoint.addresses.iter_mut().zip(first..) {
        let chosen = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0xfffe, number);
        let new = wanted.get(id).copied().unwrap_or(chosen);
        address.ipv6 = (to == AddressFamily::DualStack).then_some(new);
    }
    Ok(())
}
