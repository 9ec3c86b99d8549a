//! The wanted AWS side in the language of other tools, for those who must use these. Asks AWS nothing; what a language
//! can't say is said beside it.

mod cloudformation;
mod guard;
mod hcl;
mod labels;
mod terraform;
#[cfg(test)]
mod tests;

pub use self::cloudformation::cloudformation;
pub use self::terraform::terraform;
use crate::config::aws::{Aws, ClientVpn, Direction, SecurityGroup};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub text: String,
    /// What the format can't say, each one line.
    pub unsaid: Vec<String>,
}

/// What neither format can say: it needs what only AWS knows, or belongs to who owns the Client VPN endpoint.
fn unsaid_of_vpns(wanted: &Aws) -> Vec<String> {
    wanted.client_vpns.iter().flat_map(|vpn| unsaid_of_vpn(wanted, vpn)).collect()
}

fn unsaid_of_vpn(wanted: &Aws, vpn: &ClientVpn) -> Vec<String> {
    let servers: Vec<String> = vpn.dns_servers.iter().map(ToString::to_string).collect();
    let mut unsaid = vec![format!(
        "DNS servers {} of Client VPN endpoint {}: write them where that endpoint is defined",
        servers.join(", "),
        vpn.endpoint
    )];
    if !vpn.authorize {
        return unsaid;
    }
    unsaid.push(format!(
        "routes of Client VPN endpoint {} to its DNS servers: they need the subnets that it is associated with; a route \
         to the whole VPC is there by association",
        vpn.endpoint
    ));
    let asks = |endpoint: &&crate::config::aws::ResolverEndpoint| {
        endpoint.direction != Direction::Outbound
            && matches!(endpoint.security_group, SecurityGroup::Ours { .. })
            && endpoint.addresses.iter().any(|one| one.ip.is_some_and(|ip| vpn.dns_servers.contains(&ip)))
    };
    let asked = wanted.endpoints.iter().filter(asks).map(|endpoint| {
        format!(
            "permission for the subnets of Client VPN endpoint {} in the security group of endpoint {}: add their \
             networks to its `allow`",
            vpn.endpoint, endpoint.name
        )
    });
    unsaid.extend(asked);
    unsaid
}

/// What was taken over keeps its security group.
fn unsaid_of_groups(wanted: &Aws) -> Vec<String> {
    let made = wanted.endpoints.iter().filter(|endpoint| {
        endpoint.id.is_some() && matches!(endpoint.security_group, SecurityGroup::Ours { .. })
    });
    let unsaid = made.map(|endpoint| {
        format!(
            "the security group that endpoint {} has now: import it too, else the endpoint is replaced",
            endpoint.name
        )
    });
    unsaid.collect()
}
