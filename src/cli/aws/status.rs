//! `dnsfwd aws status`: both sides at a glance. Changes nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::super::compare::{first_listener, server};
use super::super::status::state_word;
use super::super::text::{Paint, columns};
use super::super::{Exit, print};
use super::Desk;
use super::probe::{self, Probe};
use crate::aws::cloud::Cloud;
use crate::aws::owned::Owner;
use crate::aws::plan::{Change, Obstacle, Options, Plan, plan};
use crate::aws::show::{mark, word};
use crate::aws::world::{Endpoint, Rule, State, World};
use crate::config::Config;
use crate::config::aws::Aws;
use crate::control::client::ask;
use crate::control::protocol::Request;
use crate::control::report::Targets;

#[derive(clap::Args)]
pub struct Arguments {
    /// Ask the inbound addresses and the forwarder here the same names, and show where they differ
    #[arg(long)]
    probe: bool,
    /// The forwarder here [default: the first listener of the configuration]
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = server, requires = "probe")]
    server: Option<SocketAddr>,
}

#[derive(Debug, Serialize)]
struct Report {
    account: String,
    region: String,
    owner: String,
    endpoints: Vec<EndpointStatus>,
    rules: Vec<RuleStatus>,
    query_logs: Vec<Thing>,
    client_vpns: Vec<Thing>,
    /// What an apply would change.
    drift: Vec<Change>,
    obstacles: Vec<Obstacle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<Probe>,
}

#[derive(Debug, Serialize)]
struct EndpointStatus {
    id: String,
    name: String,
    direction: &'static str,
    vpc: String,
    status: String,
    state: State,
    ours: bool,
    addresses: Vec<AddressStatus>,
}

#[derive(Debug, Serialize)]
struct AddressStatus {
    id: String,
    ips: Vec<IpAddr>,
    az: Option<String>,
    status: String,
    state: State,
    /// What the running forwarder says of it, if it is a target there.
    #[serde(skip_serializing_if = "Option::is_none")]
    here: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct RuleStatus {
    id: String,
    name: String,
    domain: String,
    rule_type: &'static str,
    targets: Vec<String>,
    endpoint: Option<String>,
    status: String,
    state: State,
    ours: bool,
    /// The status of each association, by VPC.
    vpcs: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Thing {
    id: String,
    about: String,
    status: String,
    state: State,
}

pub async fn run(
    desk: &Desk<'_, impl Cloud>,
    config: &Config,
    arguments: &Arguments,
) -> anyhow::Result<Exit> {
    let world = desk.observe().await?;
    let plan = plan(desk.wanted, &world, &Options::default());
    let here = here(desk);
    let mut report = report(desk.wanted, &world, plan, &here);
    if arguments.probe {
        let server = arguments.server.map_or_else(|| first_listener(config), Ok)?;
        report.probe = Some(probe::probe(config, desk.wanted, &world, server).await);
    }
    print(desk.common, &report, |report| page(report, Paint::for_stdout()))?;
    Ok(exit(&report))
}

fn exit(report: &Report) -> Exit {
    let addresses = report.endpoints.iter().filter(|one| one.ours).flat_map(|one| &one.addresses);
    let is_broken = addresses.map(|one| one.state).any(|state| state == State::Broken);
    let differs = report.probe.as_ref().is_some_and(|probe| !probe.differences.is_empty());
    match report.drift.is_empty() && report.obstacles.is_empty() && !is_broken && !differs {
        true => Exit::Clean,
        false => Exit::Findings,
    }
}

/// The states of targets of the server that runs here, by address. Empty if there is none.
fn here<C>(desk: &Desk<'_, C>) -> BTreeMap<IpAddr, &'static str> {
    let Ok(targets) = ask::<Targets>(&desk.common.socket(), &Request::Targets) else {
        return BTreeMap::new();
    };
    let all = targets.endpoints.iter().flat_map(|endpoint| &endpoint.targets);
    all.map(|target| (target.address.ip(), state_word(target.state))).collect()
}

fn report(wanted: &Aws, world: &World, plan: Plan, here: &BTreeMap<IpAddr, &'static str>) -> Report {
    let endpoints = world.endpoints.iter().map(|(id, one)| endpoint(wanted, world, id, one, here));
    let rules = world.rules.iter().map(|(id, one)| rule(wanted, world, id, one));
    let query_logs = world.query_logs.iter().map(|(id, one)| {
        let vpcs = world.query_log_associations.get(id).map_or(0, BTreeMap::len);
        let about = format!("{} to {}, {vpcs} VPCs", one.name, one.destination);
        Thing { id: id.clone(), about, status: one.status.clone(), state: one.state }
    });
    let client_vpns = world.client_vpns.iter().map(|(id, one)| {
        let servers = match one.dns_servers.is_empty() {
            true => "no DNS servers".to_owned(),
            false => format!("DNS servers {}", one.dns_servers.join(", ")),
        };
        Thing { id: id.clone(), about: servers, status: one.status.clone(), state: one.state }
    });
    Report {
        account: world.account.clone(),
        region: world.region.clone(),
        owner: wanted.owner.clone(),
        endpoints: endpoints.collect(),
        rules: rules.collect(),
        query_logs: query_logs.collect(),
        client_vpns: client_vpns.collect(),
        drift: plan.changes,
        obstacles: plan.obstacles,
        probe: None,
    }
}

fn endpoint(
    wanted: &Aws,
    world: &World,
    id: &str,
    one: &Endpoint,
    here: &BTreeMap<IpAddr, &'static str>,
) -> EndpointStatus {
    let addresses = one.addresses.iter().map(|(id, address)| {
        let ips = address.ip.map(IpAddr::V4).into_iter().chain(address.ipv6.map(IpAddr::V6));
        let ips: Vec<IpAddr> = ips.collect();
        AddressStatus {
            id: id.clone(),
            az: world.subnets.get(&address.subnet).map(|subnet| subnet.az.clone()),
            status: address.status.clone(),
            state: address.state,
            here: ips.iter().find_map(|ip| here.get(ip).copied()),
            ips,
        }
    });
    let is_named = wanted.endpoints.iter().any(|wish| wish.id.as_deref() == Some(id));
    EndpointStatus {
        id: id.to_owned(),
        name: one.name.clone(),
        direction: one.direction.word(),
        vpc: one.vpc.clone(),
        status: one.status.clone(),
        state: one.state,
        ours: is_named || Owner(&wanted.owner).owns(&one.creator_request_id, &one.tags),
        addresses: addresses.collect(),
    }
}

fn rule(wanted: &Aws, world: &World, id: &str, one: &Rule) -> RuleStatus {
    let associations = world.associations.values().filter(|association| association.rule == id);
    let is_named = wanted.rules.iter().any(|wish| wish.id.as_deref() == Some(id));
    RuleStatus {
        id: id.to_owned(),
        name: one.name.clone(),
        domain: one.domain.clone(),
        rule_type: one.kind.word(),
        targets: one.targets.iter().map(ToString::to_string).collect(),
        endpoint: one.endpoint.clone(),
        status: one.status.clone(),
        state: one.state,
        ours: is_named || Owner(&wanted.owner).owns(&one.creator_request_id, &one.tags),
        vpcs: associations.map(|one| (one.vpc.clone(), one.status.clone())).collect(),
    }
}

fn page(report: &Report, paint: Paint) -> String {
    let mut page = format!("account {} in {}, owner {}\n", report.account, report.region, report.owner);
    for one in &report.endpoints {
        page.push_str(&endpoint_lines(one, paint));
    }
    page.push_str(&section("rules", &columns(&report.rules.iter().map(rule_row).collect::<Vec<_>>())));
    page.push_str(&section("query logs", &things(&report.query_logs)));
    page.push_str(&section("Client VPN endpoints", &things(&report.client_vpns)));
    page.push_str(&drift(report, paint));
    if let Some(probe) = &report.probe {
        page.push('\n');
        page.push_str(&probe::page(probe));
    }
    page
}

fn section(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\n{title}\n{lines}")
}

fn endpoint_lines(one: &EndpointStatus, paint: Paint) -> String {
    let status = paint_status(&one.status, one.state, paint);
    let whose = whose(one.ours);
    let mut lines =
        format!("\n{} endpoint {}  {}  {}  {status}{whose}\n", one.direction, one.name, one.id, one.vpc);
    let rows = one.addresses.iter().map(|address| {
        let ips: Vec<String> = address.ips.iter().map(ToString::to_string).collect();
        let status = paint_status(&address.status, address.state, paint);
        let here = address.here.map(|state| format!(", {state} as seen from here")).unwrap_or_default();
        vec![ips.join(" "), address.az.clone().unwrap_or_else(|| "-".to_owned()), format!("{status}{here}")]
    });
    for line in columns(&rows.collect::<Vec<_>>()) {
        lines.push_str(&format!("  {line}\n"));
    }
    lines
}

fn rule_row(rule: &RuleStatus) -> Vec<String> {
    let through = rule.endpoint.as_ref().map(|id| format!(" through {id}")).unwrap_or_default();
    let to = match rule.targets.is_empty() {
        true => rule.rule_type.to_owned(),
        false => format!("{} to {}{through}", rule.rule_type, rule.targets.join(", ")),
    };
    let vpcs = rule.vpcs.iter().map(|(vpc, status)| match status.as_str() {
        "COMPLETE" => vpc.clone(),
        status => format!("{vpc} {status}"),
    });
    let vpcs: Vec<String> = vpcs.collect();
    let on = if vpcs.is_empty() { "on no VPC".to_owned() } else { format!("on {}", vpcs.join(", ")) };
    vec![rule.domain.clone(), rule.status.clone(), format!("{to}; {on}{}", whose(rule.ours))]
}

fn things(things: &[Thing]) -> Vec<String> {
    let row = |one: &Thing| vec![one.id.clone(), one.status.clone(), one.about.clone()];
    columns(&things.iter().map(row).collect::<Vec<_>>())
}

fn whose(ours: bool) -> &'static str {
    if ours { "" } else { "  (not ours)" }
}

fn paint_status(status: &str, state: State, paint: Paint) -> String {
    match state {
        State::Ready => paint.good(status),
        State::Coming | State::Going => paint.doubtful(status),
        State::Broken => paint.bad(status),
    }
}

fn drift(report: &Report, paint: Paint) -> String {
    if report.drift.is_empty() && report.obstacles.is_empty() {
        return "\nno drift: AWS is as the configuration wants it\n".to_owned();
    }
    let mut lines: Vec<String> = report.drift.iter().map(drift_line).collect();
    lines.extend(report.obstacles.iter().map(|one| paint.bad(&one.about)));
    section("drift (`dnsfwd aws plan` says more)", &lines)
}

fn drift_line(change: &Change) -> String {
    let sign = mark(change.action);
    format!("{sign:>3} {} {}: {}", word(change.kind), change.name, change.reason)
}
