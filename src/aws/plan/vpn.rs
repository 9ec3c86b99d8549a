//! Client VPN endpoints of somebody else: which DNS servers their clients ask, and the routes and authorizations that
//! lead there. Never takes away a route or an authorization without our mark.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::draft::{ChangeId, Draft};
use super::stage::Phase;
use super::step::Step;
use super::{Action, Change, Field, ThingKind, text};
use crate::aws::world::{self, Authorization, State, VpnRoute};
use crate::config::aws::ClientVpn;

pub(super) fn vpns(draft: &mut Draft<'_>) {
    let goal = draft.goal;
    for wish in &goal.client_vpns {
        match draft.world.client_vpns.get(&wish.endpoint) {
            Some(now) if now.state != State::Going => change(draft, wish, now),
            Some(_) => draft.obstacle(
                format!("Client VPN endpoint {} is being deleted", wish.endpoint),
                "take it out of the file",
            ),
            None => draft.obstacle(
                format!("there is no Client VPN endpoint {}", wish.endpoint),
                format!("name one of account {} in {}", draft.world.account, draft.world.region),
            ),
        }
    }
}

/// Fields and steps of one Client VPN endpoint.
#[derive(Default)]
struct Paths {
    fields: Vec<Field>,
    steps: Vec<(Phase, Step)>,
    waits: Vec<Step>,
}

fn change(draft: &mut Draft<'_>, wish: &ClientVpn, now: &world::ClientVpn) {
    let mut paths = Paths::default();
    if wish.authorize {
        for server in &wish.dns_servers {
            paths.authorize(draft, wish, now, *server);
            paths.route(draft, wish, now, *server);
        }
        if now.subnets.is_empty() {
            let about = format!("Client VPN endpoint {} is associated with no subnet", wish.endpoint);
            draft.obstacle(about, "associate it with one: its clients reach nothing until then");
        }
    }
    let servers: Vec<String> = wish.dns_servers.iter().map(ToString::to_string).collect();
    let is_other = servers != now.dns_servers;
    if is_other {
        paths.fields.extend(Field::differing(
            "dns servers",
            text::joined(&now.dns_servers),
            text::joined(&servers),
        ));
        let endpoint = wish.endpoint.clone();
        let step = Step::SetVpnDnsServers { endpoint, servers: wish.dns_servers.clone() };
        paths.steps.push((Phase::VpnServers, step));
        unreachable(draft, wish, now);
    }
    paths.clean(draft, wish, now, true);
    let reason = match is_other {
        true => "differs from the file; clients see new DNS servers when they connect again",
        false => "differs from the file",
    };
    finish(draft, wish, paths, reason);
}

fn finish(draft: &mut Draft<'_>, wish: &ClientVpn, paths: Paths, reason: &str) {
    if paths.steps.is_empty() && paths.waits.is_empty() {
        return;
    }
    let (action, reason) = match paths.steps.is_empty() {
        true => (Action::Wait, "AWS is still at what an earlier run asked for"),
        false => (Action::Change, reason),
    };
    let change = Change::new(ThingKind::ClientVpn, &wish.endpoint, action, reason).id(&wish.endpoint);
    let change: ChangeId = draft.change(change.fields(paths.fields));
    paths.waits.into_iter().for_each(|until| draft.wait(change, until));
    paths.steps.into_iter().for_each(|(phase, step)| draft.step(phase.first(), change, step));
}

/// Without a path that is kept, all names would be lost to clients, and not only those of the file.
fn unreachable(draft: &mut Draft<'_>, wish: &ClientVpn, now: &world::ClientVpn) {
    if wish.authorize {
        return;
    }
    for server in &wish.dns_servers {
        let is_authorized =
            now.authorizations.iter().any(|one| one.is_active && covers(one.destination, *server));
        let is_routed = now.subnets.iter().any(|subnet| routed(now, subnet, *server).is_some());
        if !is_authorized || !is_routed {
            let what = if is_authorized { "has no route" } else { "authorizes nobody" };
            let about = format!("Client VPN endpoint {} {what} to DNS server {server}", wish.endpoint);
            draft.obstacle(about, "write authorize = true, and it is kept; or have it added");
        }
    }
}

impl Paths {
    fn authorize(&mut self, draft: &Draft<'_>, wish: &ClientVpn, now: &world::ClientVpn, server: Ipv4Addr) {
        let destination = single(server);
        let description = draft.owner.describe(&format!("DNS server {server}"));
        let step = Step::AuthorizeVpn {
            endpoint: wish.endpoint.clone(),
            destination,
            group: wish.group.clone(),
            description,
        };
        match authorized(now, wish, server) {
            Some(found) if found.is_active => {}
            Some(_) => self.waits.push(step),
            None => {
                self.fields
                    .push(Field::added("authorization", authorization(destination, wish.group.as_deref())));
                self.steps.push((Phase::VpnPaths, step));
            }
        }
    }

    fn route(&mut self, draft: &Draft<'_>, wish: &ClientVpn, now: &world::ClientVpn, server: Ipv4Addr) {
        for subnet in &now.subnets {
            let step = Step::CreateVpnRoute {
                endpoint: wish.endpoint.clone(),
                destination: single(server),
                subnet: subnet.clone(),
                description: draft.owner.describe(&format!("DNS server {server}")),
            };
            match routed(now, subnet, server) {
                Some(route) if route.is_active => {}
                Some(_) => self.waits.push(step),
                None => {
                    self.fields.push(Field::added("route", route(single(server), subnet)));
                    self.steps.push((Phase::VpnPaths, step));
                }
            }
        }
    }

    /// Ours that lead to no server of the file any more, or are of another group.
    fn clean(&mut self, draft: &Draft<'_>, wish: &ClientVpn, now: &world::ClientVpn, is_wanted: bool) {
        let leads = |network: IpNet| {
            is_wanted && wish.authorize && wish.dns_servers.iter().any(|server| single(*server) == network)
        };
        let endpoint = &wish.endpoint;
        for one in now.authorizations.iter().filter(|one| draft.owner.described(&one.description)) {
            if leads(one.destination) && one.group == wish.group {
                continue;
            }
            let (destination, group) = (one.destination, one.group.clone());
            self.fields.push(Field::removed("authorization", authorization(destination, group.as_deref())));
            let step = Step::RevokeVpn { endpoint: endpoint.clone(), destination, group };
            self.steps.push((Phase::VpnRemovals, step));
        }
        for one in now.routes.iter().filter(|one| draft.owner.described(&one.description)) {
            if leads(one.destination) {
                continue;
            }
            let (destination, subnet) = (one.destination, one.subnet.clone());
            self.fields.push(Field::removed("route", route(destination, &subnet)));
            let step = Step::DeleteVpnRoute { endpoint: endpoint.clone(), destination, subnet };
            self.steps.push((Phase::VpnRemovals, step));
        }
    }
}

fn authorization(destination: IpNet, group: Option<&str>) -> String {
    format!("{destination} for {}", group.map_or("all".to_owned(), |group| format!("group {group}")))
}

fn route(destination: IpNet, subnet: &str) -> String {
    format!("{destination} by {subnet}")
}

fn single(server: Ipv4Addr) -> IpNet {
    IpNet::from(IpAddr::V4(server))
}

fn covers(network: IpNet, server: Ipv4Addr) -> bool {
    network.contains(&IpAddr::V4(server))
}

/// What lets the wish's clients to the server: the smallest that does so already, or that of our own which is on its
/// way.
fn authorized<'a>(
    now: &'a world::ClientVpn,
    wish: &ClientVpn,
    server: Ipv4Addr,
) -> Option<&'a Authorization> {
    let fits = |one: &&Authorization| {
        covers(one.destination, server) && (one.group.is_none() || one.group == wish.group)
    };
    let active = now.authorizations.iter().filter(fits).filter(|one| one.is_active);
    let smallest = active.max_by_key(|one| one.destination.prefix_len());
    let same = |one: &&Authorization| one.destination == single(server) && one.group == wish.group;
    smallest.or_else(|| now.authorizations.iter().find(same))
}

/// What leads from a subnet to the server: VPCs' own routes are there by association.
fn routed<'a>(now: &'a world::ClientVpn, subnet: &str, server: Ipv4Addr) -> Option<&'a VpnRoute> {
    let here = |one: &&VpnRoute| one.subnet == subnet;
    let active = now.routes.iter().find(|one| here(one) && one.is_active && covers(one.destination, server));
    active.or_else(|| now.routes.iter().find(|one| here(one) && one.destination == single(server)))
}

/// With `destroy`: what leads to the servers and is ours, and the servers themselves if they are endpoints that go, or
/// if we made the way to them.
pub(super) fn released(draft: &mut Draft<'_>, wishes: &[ClientVpn], leaving: &[Ipv4Addr]) {
    for wish in wishes {
        let Some(now) = draft.world.client_vpns.get(&wish.endpoint) else { continue };
        let servers: Vec<String> = wish.dns_servers.iter().map(ToString::to_string).collect();
        let mut paths = Paths::default();
        paths.clean(draft, wish, now, false);
        let is_ours =
            !paths.steps.is_empty() || wish.dns_servers.iter().any(|server| leaving.contains(server));
        if servers == now.dns_servers && is_ours {
            let endpoint = wish.endpoint.clone();
            paths.fields.push(Field::removed("dns servers", text::joined(&servers)));
            paths.steps.push((Phase::VpnServers, Step::SetVpnDnsServers { endpoint, servers: Vec::new() }));
        } else if !now.dns_servers.is_empty() {
            let about = format!("its clients ask {}", text::joined(&now.dns_servers));
            draft.leave(ThingKind::ClientVpn, &wish.endpoint, &wish.endpoint, about);
        }
        finish(draft, wish, paths, "clients keep the DNS servers that they have without it");
    }
}
