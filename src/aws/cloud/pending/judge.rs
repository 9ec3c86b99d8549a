//! What the state of a thing means for the step that was asked for. Pure.

use super::{Seen, id};
use crate::aws::cloud::ask::{endpoint_is_updated, rule_is_updated};
use crate::aws::cloud::shares::{Part, state as share_state};
use crate::aws::cloud::vpn::{Told, is_going};
use crate::aws::cloud::{Asked, Progress};
use crate::aws::plan::step::{NewAddress, Step};
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::{Address, Endpoint, State, Switch};

pub(super) fn judge(asked: &Asked, seen: &Seen) -> Progress {
    let made = asked.made.as_deref().unwrap_or_default();
    match &asked.step {
        Step::CreateSecurityGroup { .. }
        | Step::Permit { .. }
        | Step::Forbid { .. }
        | Step::DeleteSecurityGroup { .. }
        | Step::Tag { .. }
        | Step::Untag { .. } => Progress::Done,
        Step::CreateEndpoint { .. } => endpoint_made(made, seen),
        Step::UpdateEndpoint { endpoint, .. } => match seen.endpoints.get(endpoint) {
            Some(told) => when(
                endpoint_is_updated(&asked.step, told),
                endpoint_settled(&format!("endpoint {endpoint}"), told.state, &told.status),
            ),
            None => unlisted(),
        },
        Step::AddAddress { endpoint, address } => address_added(endpoint, address, made, seen),
        Step::RemoveAddress { endpoint, address } => {
            let told = seen.endpoints.get(endpoint).and_then(|endpoint| endpoint.addresses.get(address));
            gone(&format!("address {address}"), told.map(|one| (one.state, one.status.as_str())))
        }
        Step::DeleteEndpoint { endpoint } => {
            let told = seen.endpoints.get(endpoint).map(|one| (one.state, one.status.as_str()));
            gone(&format!("endpoint {endpoint}"), told)
        }
        _ => judge_rule(asked, made, seen),
    }
}

fn judge_rule(asked: &Asked, made: &str, seen: &Seen) -> Progress {
    let association = |rule: &str, vpc: &str| {
        let told = seen.associations.iter().find(|one| one.rule == rule && one.vpc == vpc);
        told.map(|one| (one.state, one.status.as_str()))
    };
    match &asked.step {
        Step::CreateRule { .. } => {
            let told = seen.rules.get(made).map(|one| (one.state, one.status.as_str()));
            there(&format!("rule {made}"), told)
        }
        Step::UpdateRule { rule, .. } => match seen.rules.get(rule) {
            Some(told) => when(
                rule_is_updated(&asked.step, told),
                stated(&format!("rule {rule}"), told.state, &told.status),
            ),
            None => unlisted(),
        },
        Step::DeleteRule { rule } => {
            let told = seen.rules.get(rule).map(|one| (one.state, one.status.as_str()));
            gone(&format!("rule {rule}"), told)
        }
        Step::Associate { rule, vpc, .. } => {
            let rule = id(rule);
            there(&format!("association of {rule} with {vpc}"), association(rule, vpc))
        }
        Step::Disassociate { rule, vpc } => {
            gone(&format!("association of {rule} with {vpc}"), association(rule, vpc))
        }
        _ => judge_log(asked, made, seen),
    }
}

fn judge_log(asked: &Asked, made: &str, seen: &Seen) -> Progress {
    let log = |id: &str| seen.query_logs.get(id).map(|one| (one.state, one.status.as_str()));
    let logged = |log: &str, vpc: &str| {
        let state = seen.logged.get(&(log.to_owned(), vpc.to_owned()));
        state.map(|state| (*state, word(*state)))
    };
    match &asked.step {
        Step::CreateQueryLog { .. } => there(&format!("query log {made}"), log(made)),
        Step::DeleteQueryLog { query_log } => gone(&format!("query log {query_log}"), log(query_log)),
        Step::LogVpc { query_log, vpc } => {
            let query_log = id(query_log);
            there(&format!("query log {query_log} of {vpc}"), logged(query_log, vpc))
        }
        Step::UnlogVpc { query_log, vpc } => {
            gone(&format!("query log {query_log} of {vpc}"), logged(query_log, vpc))
        }
        Step::SetDnssecValidation { vpc, on } => switched(seen.dnssec_validation.get(vpc), *on),
        Step::SetAutodefinedReverse { vpc, on } => switched(seen.autodefined_reverse.get(vpc), *on),
        _ => judge_around(asked, made, seen),
    }
}

fn judge_around(asked: &Asked, made: &str, seen: &Seen) -> Progress {
    match &asked.step {
        Step::CreateShare { resource, principals, .. } => shared(made, Some(id(resource)), principals, seen),
        Step::ShareWith { share, principals } => shared(share, None, principals, seen),
        Step::UnshareWith { share, principals } => unshared(share, principals, seen),
        Step::DeleteShare { share } => {
            let told = seen.shares.get(share).map(|status| (share_state(status), status.as_str()));
            gone(&format!("share {share}"), told)
        }
        Step::CreateVpnRoute { endpoint, destination, subnet, .. } => {
            let told = seen.vpn_routes.get(endpoint).into_iter().flatten();
            let mut same = told.filter(|one| one.it.destination == *destination && one.it.subnet == *subnet);
            vpn_there(&format!("route to {destination}"), same.next_back())
        }
        Step::DeleteVpnRoute { endpoint, destination, subnet } => {
            let told = seen.vpn_routes.get(endpoint).into_iter().flatten();
            let mut same = told.filter(|one| one.it.destination == *destination && one.it.subnet == *subnet);
            same.next().map_or(Progress::Done, |one| Progress::Waiting(one.status.clone()))
        }
        Step::AuthorizeVpn { endpoint, destination, group, .. } => {
            let told = seen.vpn_authorizations.get(endpoint).into_iter().flatten();
            let mut same = told.filter(|one| one.it.destination == *destination && one.it.group == *group);
            vpn_there(&format!("authorization of {destination}"), same.next_back())
        }
        Step::RevokeVpn { endpoint, destination, group } => {
            let told = seen.vpn_authorizations.get(endpoint).into_iter().flatten();
            let mut same = told.filter(|one| one.it.destination == *destination && one.it.group == *group);
            same.next().map_or(Progress::Done, |one| Progress::Waiting(one.status.clone()))
        }
        Step::SetVpnDnsServers { endpoint, servers } => {
            let wanted: Vec<String> = servers.iter().map(ToString::to_string).collect();
            let is_so = seen.vpn_dns_servers.get(endpoint) == Some(&wanted);
            if is_so { Progress::Done } else { Progress::Waiting("the DNS servers are not shown yet".into()) }
        }
        _ => Progress::Done,
    }
}

/// Through with its update. ACTION_NEEDED is about its addresses, which later steps of a plan mend.
fn endpoint_settled(subject: &str, state: State, status: &str) -> Progress {
    match state {
        State::Broken if status.contains("ACTION_NEEDED") => Progress::Done,
        _ => stated(subject, state, status),
    }
}

/// OPERATIONAL, and all its addresses are ATTACHED.
fn endpoint_made(made: &str, seen: &Seen) -> Progress {
    let Some(endpoint) = seen.endpoints.get(made) else { return unlisted() };
    let subject = format!("endpoint {made}");
    if let Some(address) = endpoint.addresses.values().find(|one| one.state == State::Broken) {
        return broken(&subject, &format!("an address of {} is {}", address.subnet, address.status));
    }
    let (attached, all) = attached(endpoint);
    match stated(&subject, endpoint.state, &endpoint.status) {
        Progress::Done if attached == all && all > 0 => Progress::Done,
        Progress::Broken(trouble) => Progress::Broken(trouble),
        _ => Progress::Waiting(format!("{}, {attached} of {all} ATTACHED", endpoint.status)),
    }
}

fn attached(endpoint: &Endpoint) -> (usize, usize) {
    let attached = endpoint.addresses.values().filter(|one| one.state == State::Ready).count();
    (attached, endpoint.addresses.len())
}

fn address_added(endpoint: &str, wanted: &NewAddress, made: &str, seen: &Seen) -> Progress {
    let Some(endpoint) = seen.endpoints.get(endpoint) else { return unlisted() };
    let told = if wanted.ip.is_some() || wanted.ipv6.is_some() {
        endpoint.addresses.iter().find(|(_, one)| is_same(one, wanted))
    } else if made.is_empty() {
        // AWS chose it, and had not listed it when it was asked for: one that is on its way is taken for it.
        let of_subnet = |(_, one): &(_, &Address)| one.subnet == wanted.subnet && one.state != State::Going;
        let of_subnet = endpoint.addresses.iter().filter(of_subnet);
        of_subnet.max_by_key(|(_, one)| one.state == State::Coming)
    } else {
        endpoint.addresses.get_key_value(made)
    };
    there("address", told.map(|(_, one)| (one.state, one.status.as_str())))
}

fn is_same(told: &Address, wanted: &NewAddress) -> bool {
    told.subnet == wanted.subnet
        && (wanted.ip.is_none() || wanted.ip == told.ip)
        && (wanted.ipv6.is_none() || wanted.ipv6 == told.ipv6)
}

/// Another account has to accept its invitation, for which nobody can wait: ASSOCIATING is enough for principals.
fn shared(share: &str, rule: Option<&str>, principals: &[String], seen: &Seen) -> Progress {
    let subject = format!("share {share}");
    let told = seen.shares.get(share).map(|status| (share_state(status), status.as_str()));
    let whole = there(&subject, told);
    if whole != Progress::Done {
        return whole;
    }
    let is_rule =
        |part: &&Part| rule.is_some_and(|rule| part.associated_entity.ends_with(&format!("/{rule}")));
    let resource = rule.map(|_| parts(share, seen).find(is_rule));
    let resource = resource.map(|part| part_there(&subject, part, &["ASSOCIATED"]));
    let principals = principals.iter().map(|principal| {
        let part = parts(share, seen).find(|part| part.associated_entity == *principal);
        part_there(&subject, part, &["ASSOCIATED", "ASSOCIATING"])
    });
    resource.into_iter().chain(principals).find(|one| *one != Progress::Done).unwrap_or(Progress::Done)
}

fn part_there(subject: &str, part: Option<&Part>, enough: &[&str]) -> Progress {
    let Some(part) = part else { return unlisted() };
    let (entity, status) = (&part.associated_entity, part.status.as_str());
    match status {
        "FAILED" => broken(subject, &format!("{entity} FAILED: {}", part.status_message)),
        _ if enough.contains(&status) => Progress::Done,
        _ => Progress::Waiting(format!("{entity} is {status}")),
    }
}

fn unshared(share: &str, principals: &[String], seen: &Seen) -> Progress {
    for principal in principals {
        let part = parts(share, seen).find(|part| part.associated_entity == *principal);
        match part.map(|part| part.status.as_str()) {
            None | Some("DISASSOCIATED") => {}
            Some(status) => return Progress::Waiting(format!("{principal} is {status}")),
        }
    }
    Progress::Done
}

fn parts<'a>(share: &str, seen: &'a Seen) -> impl Iterator<Item = &'a Part> {
    seen.share_parts.iter().filter(move |one| one.resource_share_arn == share)
}

fn vpn_there<T>(subject: &str, told: Option<&Told<T>>) -> Progress {
    match told {
        None => unlisted(),
        Some(one) if one.status == "active" => Progress::Done,
        Some(one) if one.status == "failed" => broken(subject, &format!("failed: {}", one.message)),
        Some(one) if is_going(&one.status) => broken(subject, &format!("somebody has it {}", one.status)),
        Some(one) => Progress::Waiting(one.status.clone()),
    }
}

fn switched(told: Option<&Switch>, on: bool) -> Progress {
    match told {
        Some(switch) if switch.on == on && !switch.is_changing => Progress::Done,
        Some(switch) if switch.is_changing => {
            Progress::Waiting(if switch.on { "ENABLING" } else { "DISABLING" }.into())
        }
        _ => unlisted(),
    }
}

/// A change can be shown as ready before it is shown at all.
fn when(is_shown: bool, progress: Progress) -> Progress {
    match progress {
        Progress::Done if !is_shown => Progress::Waiting("the change is not shown yet".into()),
        progress => progress,
    }
}

fn there(subject: &str, told: Option<(State, &str)>) -> Progress {
    told.map_or_else(unlisted, |(state, status)| stated(subject, state, status))
}

fn stated(subject: &str, state: State, status: &str) -> Progress {
    match state {
        State::Ready => Progress::Done,
        State::Coming => Progress::Waiting(status.to_owned()),
        State::Going => broken(subject, &format!("somebody deletes it: {status}")),
        State::Broken => broken(subject, status),
    }
}

/// What fails on its way out stays, and won't go of itself. One that was broken before may still go.
fn gone(subject: &str, told: Option<(State, &str)>) -> Progress {
    match told {
        None => Progress::Done,
        Some((State::Broken, status)) if status.starts_with("DELETE_FAILED") => broken(subject, status),
        Some((_, status)) => Progress::Waiting(status.to_owned()),
    }
}

fn unlisted() -> Progress {
    Progress::Waiting("not listed yet".into())
}

/// For what has no status in the world.
fn word(state: State) -> &'static str {
    match state {
        State::Ready => "ACTIVE",
        State::Coming => "CREATING",
        State::Going => "DELETING",
        State::Broken => "FAILED, or its destination can't be written to (ACTION_NEEDED)",
    }
}

fn broken(subject: &str, status: &str) -> Progress {
    Progress::Broken(Trouble {
        kind: Kind::Broken,
        operation: String::new(),
        subject: subject.to_owned(),
        code: None,
        resolver_code: None,
        message: format!("AWS says: {status}"),
        help: help_of(status).to_owned(),
    })
}

/// Route 53 Developer Guide, statuses of endpoints and addresses.
fn help_of(status: &str) -> &'static str {
    match status {
        _ if status.contains("FAILED_RESOURCE_GONE") => {
            "somebody has deleted the network interface or its subnet: plan again, which replaces the address"
        }
        _ if status.contains("FAILED_CREATION") => {
            "see that the address is free and of its subnet, and that you may create network interfaces \
             (ec2:CreateNetworkInterface); then plan again"
        }
        _ if status.contains("DELETE_FAILED_FAS_EXPIRED") => {
            "AWS acts in your name, and that has expired: apply again with rights to delete network interfaces \
             (ec2:DeleteNetworkInterface)"
        }
        _ if status.contains("ACTION_NEEDED") => {
            "a network interface is gone: plan again, which adds an address and removes the bad one"
        }
        _ => "see in AWS what has failed, then plan again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(state: State, status: &str) -> Address {
        Address { subnet: "subnet-1".into(), ip: None, ipv6: None, state, status: status.into() }
    }

    fn asked(step: Step, made: Option<&str>) -> Asked {
        Asked { step, made: made.map(str::to_owned) }
    }

    #[test]
    fn what_is_deleted_is_done_when_it_is_gone() {
        assert_eq!(gone("rule 1", None), Progress::Done);
        assert_eq!(gone("rule 1", Some((State::Going, "DELETING"))), Progress::Waiting("DELETING".into()));
        let failed = gone("address 1", Some((State::Broken, "DELETE_FAILED_FAS_EXPIRED")));
        let Progress::Broken(trouble) = failed else { panic!("{failed:?}") };
        assert!(trouble.help.contains("ec2:DeleteNetworkInterface"));
    }

    #[test]
    fn a_change_that_is_not_shown_is_not_done() {
        assert_eq!(when(true, Progress::Done), Progress::Done);
        assert!(matches!(when(false, Progress::Done), Progress::Waiting(_)));
    }

    #[test]
    fn an_address_that_aws_chose_is_waited_for_by_its_subnet_until_it_has_an_id() {
        let ready = address(State::Ready, "ATTACHED");
        let coming = address(State::Coming, "CREATING");
        assert!(!is_same(&ready, &NewAddress { subnet: "subnet-2".into(), ip: None, ipv6: None }));
        let wanted = NewAddress { subnet: "subnet-1".into(), ip: None, ipv6: None };
        let mut seen = Seen::default();
        assert_eq!(address_added("rslvr-in-1", &wanted, "", &seen), unlisted());
        let endpoint = crate::aws::cloud::map::endpoint(
            &aws_sdk_route53resolver::types::ResolverEndpoint::builder()
                .arn("arn")
                .direction("INBOUND".into())
                .host_vpc_id("vpc-1")
                .build(),
            &[],
        );
        let mut endpoint = endpoint.expect("all that it needs is there");
        endpoint.addresses = [("rni-1".to_owned(), ready), ("rni-2".to_owned(), coming)].into();
        seen.endpoints.insert("rslvr-in-1".into(), endpoint);
        let waiting = Progress::Waiting("CREATING".into());
        assert_eq!(address_added("rslvr-in-1", &wanted, "", &seen), waiting);
        assert_eq!(address_added("rslvr-in-1", &wanted, "rni-1", &seen), Progress::Done);
        assert_eq!(address_added("rslvr-in-1", &wanted, "rni-2", &seen), waiting);
        let remove = Step::RemoveAddress { endpoint: "rslvr-in-1".into(), address: "rni-2".into() };
        assert_eq!(judge(&asked(remove, None), &seen), waiting);
    }
}
