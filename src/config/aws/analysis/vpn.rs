//! Client VPN endpoints: whether their clients reach the DNS servers that they are given.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use super::Sides;
use super::endpoints::networks;
use crate::config::aws::ClientVpn;
use crate::config::aws::places::VpnPlaces;
use crate::config::reader::Faults;

pub(super) fn warn(sides: &Sides<'_>, faults: &mut Faults) {
    for (vpn, places) in sides.aws.client_vpns.iter().zip(&sides.places.client_vpns) {
        for server in &vpn.dns_servers {
            known(sides, *server, places, faults);
        }
        spread(sides, vpn, places, faults);
        if !places.says_authorize {
            let message =
                format!("nothing here sees to it that clients of {} reach their DNS servers", vpn.endpoint);
            let help = "add authorize = true, which keeps a route and an authorization rule for each server; or \
                        authorize = false, if somebody else does";
            faults.warning("aws-vpn-route", &places.endpoint, message, help);
        }
    }
}

fn socket(server: Ipv4Addr) -> SocketAddr {
    SocketAddr::new(server.into(), 53)
}

/// A server that is neither end of this file's may be right, but nothing here knows that it is.
fn known(sides: &Sides<'_>, server: Ipv4Addr, places: &VpnPlaces, faults: &mut Faults) {
    if sides.here.is_own(socket(server)) {
        admitted(sides, server, places, faults);
    } else if sides.there.inbound(server.into()).is_none() && !is_vpc_resolver(sides, server) {
        let message = format!("{server} is neither an inbound endpoint's address nor one of this server's");
        let help = "write an address of [aws.inbound], or of this server";
        faults.warning("aws-vpn-server", &places.servers, message, help);
    }
}

/// Client VPN gives its clients the address of an interface in the subnet that it is associated with, which is in a VPC.
fn admitted(sides: &Sides<'_>, server: Ipv4Addr, places: &VpnPlaces, faults: &mut Faults) {
    let vpcs: BTreeSet<&str> = sides.aws.vpcs.iter().map(|vpc| vpc.id.as_str()).collect();
    let vpcs = vpcs.into_iter().chain(sides.aws.endpoints.iter().map(|endpoint| endpoint.vpc.as_str()));
    let known: Vec<IpNet> = vpcs.flat_map(|vpc| networks(sides, vpc)).collect();
    let lets_in = |network: &IpNet| {
        [network.network(), network.broadcast()].iter().any(|&ip| sides.here.admits(ip, Some(socket(server))))
    };
    if let Some(first) = known.first().filter(|_| !known.iter().any(lets_in)) {
        let message = format!(
            "this server refuses clients of the VPN: they come with addresses of a VPC, such as {first}"
        );
        let help = "let the subnets that the VPN is associated with in with `allow` in [server]";
        faults.warning("aws-not-allowed", &places.servers, message, help);
    }
}

/// The second address of a VPC's network answers there.
fn is_vpc_resolver(sides: &Sides<'_>, server: Ipv4Addr) -> bool {
    let mut networks = sides.aws.vpcs.iter().flat_map(|vpc| &vpc.cidrs);
    networks.any(|network| match network {
        IpNet::V4(network) => u32::from(server).checked_sub(2) == Some(u32::from(network.network())),
        IpNet::V6(_) => false,
    })
}

/// Clients go to the second server when the first is silent: one in another Availability Zone helps.
fn spread(sides: &Sides<'_>, vpn: &ClientVpn, places: &VpnPlaces, faults: &mut Faults) {
    let [first, rest @ ..] = &vpn.dns_servers[..] else { return };
    let help = "name one in another Availability Zone too: clients ask the second when the first is silent";
    let Some(second) = rest.first() else {
        let message = format!("clients of {} have a single DNS server", vpn.endpoint);
        faults.warning("aws-vpn-zone", &places.servers, message, help);
        return;
    };
    if let Some(zone) = zone(sides, *first).filter(|zone| self::zone(sides, *second) == Some(zone)) {
        let message = format!("both DNS servers are in {zone}");
        faults.warning("aws-vpn-zone", &places.servers, message, help);
    }
}

/// The Availability Zone of an inbound address, or its subnet where no more is known.
fn zone<'a>(sides: &Sides<'a>, server: Ipv4Addr) -> Option<&'a str> {
    let endpoint = sides.there.inbound(IpAddr::V4(server))?;
    let address = endpoint.addresses.iter().find(|address| address.ip == Some(server))?;
    let subnet = sides.aws.subnet(&address.subnet);
    Some(subnet.and_then(|subnet| subnet.az.as_deref()).unwrap_or(&address.subnet))
}
