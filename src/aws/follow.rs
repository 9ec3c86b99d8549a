//! A running server follows AWS: the addresses of inbound endpoints and the rules of a VPC, as they are now. What was
//! seen is written to the state folder, and the server reloads; while AWS can't be asked, the last good ones hold.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::cloud::Cloud;
use super::owned::Owner;
use super::trouble::Trouble;
use super::world::{Endpoint, Rule, State, World};
use crate::config::aws::{
    Aws, Direction, Followed, FollowedAddress, FollowedRule, Following, Protocol, ResolverEndpoint, RuleType,
};
use crate::limits::{FOLLOW_AGAIN, FOLLOW_PAUSE_MIN};

/// The server that follows, as the follower sees it.
pub trait Server {
    /// None: nothing is followed now.
    fn following(&self) -> Option<Following>;
    /// Something else was seen than the server goes by, and is in the state folder: its files are to be read again.
    fn changed(&self);
    /// AWS was asked, and this came of it.
    fn asked(&self, outcome: Result<(), &Trouble>);
    /// Waits until somebody else has the server read its files again.
    fn reloaded(&self) -> impl Future<Output = ()>;
}

/// Follows until its thread ends. `connect` makes the way to AWS anew each round: credentials and the Region may change.
pub async fn follow<C: Cloud>(server: &impl Server, connect: impl AsyncFn(&Aws) -> Result<C, Trouble>) {
    loop {
        let pause = match server.following() {
            None => None,
            Some(wanted) => {
                let often = wanted.aws.follow.unwrap_or(FOLLOW_AGAIN);
                match round(server, &wanted, &connect).await {
                    Ok(()) => Some(often),
                    Err(_) => Some(often.min(FOLLOW_AGAIN)),
                }
            }
        };
        wait(server, pause).await;
    }
}

/// Until the next round: as long as `pause`, or until a reload, which may have changed what is followed. None: until a
/// reload.
async fn wait(server: &impl Server, pause: Option<Duration>) {
    sleep(FOLLOW_PAUSE_MIN).await;
    match pause {
        None => server.reloaded().await,
        Some(pause) => {
            // Both are reason enough.
            let _ = timeout(pause.saturating_sub(FOLLOW_PAUSE_MIN), server.reloaded()).await;
        }
    }
}

/// Fails if AWS could not be asked; that has been logged.
async fn round<C: Cloud>(
    server: &impl Server,
    wanted: &Following,
    connect: &impl AsyncFn(&Aws) -> Result<C, Trouble>,
) -> Result<(), Trouble> {
    let world = async { connect(&wanted.aws).await?.glance(&wanted.aws).await }.await;
    let world = match world {
        Ok(world) => world,
        Err(trouble) => {
            tracing::warn!(code = trouble.code, "AWS can't be followed: {trouble}; {}", trouble.help);
            server.asked(Err(&trouble));
            return Err(trouble);
        }
    };
    server.asked(Ok(()));
    let kept = last(&wanted.state);
    let now = seen(&wanted.aws, &world, &kept);
    if now != kept
        && let Err(error) = now.write(&wanted.state)
    {
        let path = Followed::path(&wanted.state);
        tracing::error!("what AWS says now can't be kept in {}: {error}", path.display());
        return Ok(());
    }
    // Not only when the file has changed: a reload may have been refused, for a fault somewhere else.
    if now != wanted.running {
        server.changed();
    }
    Ok(())
}

/// What can't be read is as good as none: it is about to be written anew.
fn last(state: &Path) -> Followed {
    Followed::read(state).ok().flatten().unwrap_or_default()
}

/// What of the world a server goes by. An endpoint that is not there, or has no address that works, keeps those that it
/// had: a mistake in AWS should not take a working forwarder's targets.
pub fn seen(wanted: &Aws, world: &World, before: &Followed) -> Followed {
    let inbound = wanted.endpoints.iter().filter(|endpoint| endpoint.direction == Direction::Inbound);
    let mut endpoints = BTreeMap::new();
    for endpoint in inbound {
        let found = find(wanted, endpoint, world).map(|found| addresses(found, world)).unwrap_or_default();
        let addresses = if found.is_empty() {
            if before.endpoints.contains_key(&endpoint.name) {
                tracing::warn!(
                    endpoint = endpoint.name,
                    "AWS shows no address that is attached: the last ones hold"
                );
            }
            before.endpoints.get(&endpoint.name).cloned().unwrap_or_default()
        } else {
            found
        };
        if !addresses.is_empty() {
            endpoints.insert(endpoint.name.clone(), addresses);
        }
    }
    Followed { endpoints, vpc: wanted.follow_rules.clone(), rules: rules(wanted, world) }
}

/// By the ID in the file, or else ours by name, or else the only one of this name in the VPC: nothing is changed there.
fn find<'w>(wanted: &Aws, endpoint: &ResolverEndpoint, world: &'w World) -> Option<&'w Endpoint> {
    if let Some(id) = &endpoint.id {
        return world.endpoints.get(id);
    }
    let same = |one: &&Endpoint| {
        one.name == endpoint.name && one.vpc == endpoint.vpc && one.direction == endpoint.direction
    };
    let owner = Owner(&wanted.owner);
    let mut ours = world.endpoints.values().filter(same).filter(|one| owner.made(&one.creator_request_id));
    let mut all = world.endpoints.values().filter(same);
    ours.next().or_else(|| all.next().filter(|_| all.next().is_none()))
}

fn addresses(endpoint: &Endpoint, world: &World) -> Vec<FollowedAddress> {
    let attached = endpoint.addresses.values().filter(|address| address.state == State::Ready);
    let mut addresses: Vec<FollowedAddress> = attached
        .flat_map(|address| {
            let az = world.subnets.get(&address.subnet).map(|subnet| subnet.az.clone());
            let ips = address.ip.map(IpAddr::from).into_iter().chain(address.ipv6.map(IpAddr::from));
            ips.map(move |ip| FollowedAddress { ip, az: az.clone() })
        })
        .collect();
    addresses.sort_unstable();
    addresses
}

/// Those of the VPC that is followed, others' among them; by domain.
fn rules(wanted: &Aws, world: &World) -> Vec<FollowedRule> {
    let Some(vpc) = &wanted.follow_rules else { return Vec::new() };
    let here = world.associations.values().filter(|association| {
        association.vpc == *vpc && matches!(association.state, State::Ready | State::Coming)
    });
    let rule = |(id, rule): (&String, &Rule)| FollowedRule {
        domain: rule.domain.clone(),
        id: id.clone(),
        kind: rule.kind,
        targets: rule.targets.iter().filter(|t| t.protocol == Protocol::Do53).map(|t| t.address).collect(),
    };
    let found = here.filter_map(|association| world.rules.get_key_value(&association.rule));
    let mut rules: Vec<FollowedRule> =
        found.filter(|(_, rule)| rule.kind != RuleType::Delegate).map(rule).collect();
    rules.sort_by(|one, other| (&one.domain, &one.id).cmp(&(&other.domain, &other.id)));
    rules
}

#[cfg(test)]
mod tests;
