//! Targets taken out of use and put back by an operator. What is done here lasts as long as the target does: over
//! every reload that keeps it, until the process ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::control::report::{EndpointStatus, Targets};
use crate::control::{UnknownTarget, Which};
use crate::forward::pick::{Endpoint, Member};
use crate::serve::reports::target_report;
use crate::serve::snapshot::Snapshot;

/// Keeps clients' questions from the targets that are meant; gives those, and what that leaves without any.
pub fn drain(
    snapshot: &Snapshot,
    which: &Which,
    length: Option<Duration>,
    now: Instant,
) -> Result<Targets, UnknownTarget> {
    let meant = meant(snapshot, which)?;
    meant.iter().flat_map(|(_, members)| members).for_each(|member| member.target.drain(now, length));
    let alone = meant.iter().filter(|(endpoint, _)| !has_one_left(endpoint, now));
    let warning = |endpoint: &Endpoint| {
        format!(
            "endpoint {} has no target left: its names are answered from the cache or with SERVFAIL",
            endpoint.name
        )
    };
    let warnings = alone.map(|(endpoint, _)| warning(endpoint)).collect();
    Ok(Targets { endpoints: shown(&meant, now), warnings })
}

/// Gives the targets that are meant their share of questions again.
pub fn enable(snapshot: &Snapshot, which: &Which, now: Instant) -> Result<Targets, UnknownTarget> {
    let meant = meant(snapshot, which)?;
    meant.iter().flat_map(|(_, members)| members).for_each(|member| member.target.enable());
    Ok(Targets { endpoints: shown(&meant, now), warnings: Vec::new() })
}

type Meant<'a> = Vec<(&'a Arc<Endpoint>, Vec<&'a Member>)>;

fn meant<'a>(snapshot: &'a Snapshot, which: &Which) -> Result<Meant<'a>, UnknownTarget> {
    let of = |endpoint: &'a Arc<Endpoint>| {
        let meant =
            endpoint.targets.iter().filter(|member| which.means(&endpoint.name, member.target.address));
        (endpoint, meant.collect::<Vec<_>>())
    };
    let found: Meant<'a> =
        snapshot.endpoints.iter().map(of).filter(|(_, members)| !members.is_empty()).collect();
    if found.is_empty() {
        return Err(UnknownTarget { which: which.clone(), there: there(snapshot) });
    }
    Ok(found)
}

/// What there is, for who named something else.
fn there(snapshot: &Snapshot) -> Vec<(String, Vec<SocketAddr>)> {
    let addresses =
        |endpoint: &Endpoint| endpoint.targets.iter().map(|member| member.target.address).collect();
    snapshot.endpoints.iter().map(|endpoint| (endpoint.name.clone(), addresses(endpoint))).collect()
}

fn has_one_left(endpoint: &Endpoint, now: Instant) -> bool {
    endpoint.targets.iter().any(|member| member.target.drained_for(now).is_none())
}

fn shown(meant: &Meant<'_>, now: Instant) -> Vec<EndpointStatus> {
    let status = |(endpoint, members): &(&Arc<Endpoint>, Vec<&Member>)| EndpointStatus {
        name: endpoint.name.clone(),
        targets: members.iter().map(|member| target_report(member, now)).collect(),
        names: Vec::new(),
    };
    meant.iter().map(status).collect()
}
