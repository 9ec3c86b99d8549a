//! Names on their way between the two sides: those that go round in a circle, that arrive where nobody knows them, or
//! that take a way round.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::Sides;
use super::here::{Decider, is_for_all};
use crate::config::aws::{ResolverEndpoint, ResolverRule, RuleType};
use crate::config::reader::Faults;
use crate::wire::name::Name;

/// Of a subnet's hosts, the first that AWS doesn't keep for itself.
const FIRST_HOST: usize = 3;
/// Names that a message lists; the others are counted.
const LISTED: usize = 3;

pub(super) fn warn(sides: &Sides<'_>, faults: &mut Faults) {
    let reported = circles(sides, faults);
    through_here(sides, &reported, faults);
    arrivals(sides, faults);
}

/// Where a name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Node<'a> {
    Here,
    Vpc(&'a str),
}

/// What sends a name on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sender {
    /// A rule of `[aws]`.
    There(usize),
    /// A rule of this server.
    Here(usize),
}

#[derive(Clone, Copy)]
struct Step<'a> {
    by: Sender,
    address: IpAddr,
    to: Node<'a>,
}

/// A way that ends where it began.
struct Circle<'a>(Vec<Step<'a>>);

impl Circle<'_> {
    /// The rules of either side that a name takes first on it.
    fn pair(&self) -> (Option<usize>, Option<usize>) {
        let there =
            self.0.iter().find_map(|step| if let Sender::There(rule) = step.by { Some(rule) } else { None });
        let here =
            self.0.iter().find_map(|step| if let Sender::Here(rule) = step.by { Some(rule) } else { None });
        (there, here)
    }
}

/// Rules of `[aws]` whose own domain goes in a circle. Gives the pairs of rules that make one.
fn circles(sides: &Sides<'_>, faults: &mut Faults) -> HashSet<(Option<usize>, Option<usize>)> {
    let mut reported = HashSet::new();
    for (rule, place) in sides.aws.rules.iter().zip(&sides.places.rules) {
        if rule.kind != RuleType::Forward {
            continue;
        }
        let found = rule.vpcs.iter().find_map(|vpc| Some((vpc, circle(sides, vpc, rule.domain.as_wire())?)));
        let Some((vpc, circle)) = found else { continue };
        let message = format!("`{}` goes in a circle: {}", rule.domain, chain(sides, vpc, &circle));
        let help =
            "let a zone or other servers answer it at this end, or leave out the rule that sends it back";
        faults.warning("aws-loop", &place.domain, message, help);
        reported.insert(circle.pair());
    }
    reported
}

/// Rules of this server for names below a domain that AWS sends here.
fn through_here(sides: &Sides<'_>, reported: &HashSet<(Option<usize>, Option<usize>)>, faults: &mut Faults) {
    let inbound: Vec<Option<&ResolverEndpoint>> =
        (0..sides.config.endpoints.len()).map(|endpoint| inbound_of(sides, endpoint)).collect();
    let mut circles: BTreeMap<usize, Vec<(usize, Circle<'_>)>> = BTreeMap::new();
    let mut detours: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, own) in sides.config.rules.iter().enumerate() {
        let Some(inbound) = sides.here.endpoint_of(index).and_then(|endpoint| inbound[endpoint]) else {
            continue;
        };
        let Some(there) = sides.there.decide(&inbound.vpc, own.domain) else { continue };
        let rule = sides.there.rule_at(there);
        match circle(sides, &inbound.vpc, own.domain) {
            Some(circle) if reported.contains(&circle.pair()) => {}
            Some(circle) if circle.0.iter().any(|step| step.by == Sender::Here(index)) => {
                circles.entry(there).or_default().push((index, circle));
            }
            Some(_) => {}
            None if rule.kind == RuleType::Forward && !rule.domain.is_root() && !is_ours(sides, rule) => {
                detours.entry(there).or_default().push(index);
            }
            None => {}
        }
    }
    for (there, found) in circles {
        warn_of_circles(sides, there, &found, &inbound, faults);
    }
    for (there, found) in detours {
        warn_of_detour(sides, there, &found, faults);
    }
}

fn inbound_of<'a>(sides: &Sides<'a>, endpoint: usize) -> Option<&'a ResolverEndpoint> {
    sides.here.targets(endpoint).find_map(|target| sides.there.inbound(target.ip()))
}

fn warn_of_circles(
    sides: &Sides<'_>,
    there: usize,
    found: &[(usize, Circle<'_>)],
    inbound: &[Option<&ResolverEndpoint>],
    faults: &mut Faults,
) {
    let (first, circle) = &found[0];
    let Some(vpc) = sides.here.endpoint_of(*first).and_then(|endpoint| inbound[endpoint]).map(|e| &e.vpc)
    else {
        return;
    };
    let names = listed(found.iter().map(|(index, _)| name(sides, *index)));
    let goes = if found.len() == 1 { "goes" } else { "go" };
    let message = format!("{names} {goes} in a circle: {}", chain(sides, vpc, circle));
    let help = format!(
        "add an [[aws.rule]] with domain = \"{}\", type = \"SYSTEM\" and vpcs = [\"{vpc}\"]: Resolver then answers by \
         itself what rule `{}` forwards (a private hosted zone would do that for its own names alone)",
        name(sides, *first),
        sides.there.rule_at(there).name
    );
    faults.warning("aws-loop", &sides.rule_places[*first], message, help);
}

fn warn_of_detour(sides: &Sides<'_>, there: usize, found: &[usize], faults: &mut Faults) {
    let rule = sides.there.rule_at(there);
    let names = listed(found.iter().map(|&index| name(sides, index)));
    let targets: Vec<String> = rule.targets.iter().map(ToString::to_string).collect();
    let message = format!(
        "{names} asked in AWS {} sent on by rule `{}` at {}, to {}",
        if found.len() == 1 { "is" } else { "are" },
        rule.name,
        rule.place,
        targets.join(" and ")
    );
    let help = "ask those servers from here, or add a SYSTEM rule in AWS if Resolver is to answer by itself";
    faults.warning("aws-detour", &sides.rule_places[found[0]], message, help);
}

/// What AWS sends here should be known here, and its senders be let in.
fn arrivals(sides: &Sides<'_>, faults: &mut Faults) {
    for (rule, places) in sides.aws.rules.iter().zip(&sides.places.rules) {
        let own = rule.targets.iter().zip(&places.targets);
        let Some((target, place)) = own.into_iter().find(|(target, _)| sides.here.is_own(target.address))
        else {
            continue;
        };
        let clients = clients(sides, rule);
        let decided = sides.here.decide(rule.domain.as_wire(), clients.first().copied());
        let nobody = match decided {
            None => Some("neither a zone nor a rule".to_owned()),
            Some((domain, decider)) if is_for_all(domain) && !rule.domain.is_root() => {
                Some(format!("nothing but {}", sides.here.describe(decider)))
            }
            Some(_) => None,
        };
        if let Some(what) = nobody.filter(|_| !sides.here.knows_below(rule.domain.as_wire())) {
            let message = format!("AWS sends `{}` to this server, which has {what} for it", rule.domain);
            let help = "add a [[zone]] or [[rule]] for it here, or name the servers that know it";
            faults.warning("aws-not-here", place, message, help);
        }
        let refused = clients.iter().find(|&&client| !sides.here.admits(client, Some(target.address)));
        if let Some(client) = refused {
            let message =
                format!("this server refuses {client}, with which AWS asks it for `{}`", rule.domain);
            let help = "let the outbound endpoint's addresses in with `allow` in [server]";
            faults.warning("aws-not-allowed", place, message, help);
        }
    }
}

/// The addresses with which a rule's queries come, one for each subnet where AWS chooses them.
fn clients(sides: &Sides<'_>, rule: &ResolverRule) -> Vec<IpAddr> {
    let addresses = sides.aws.outbound_of(rule).map(|endpoint| &endpoint.addresses[..]).unwrap_or_default();
    let of = |address: &crate::config::aws::EndpointAddress| {
        let chosen = || sides.aws.subnet(&address.subnet)?.cidr?.hosts().nth(FIRST_HOST);
        address.ips().next().or_else(chosen)
    };
    addresses.iter().filter_map(of).collect()
}

fn is_ours(sides: &Sides<'_>, rule: &ResolverRule) -> bool {
    rule.targets.iter().any(|target| sides.here.is_own(target.address))
}

/// The way that leads a name from a VPC back into it, if there is one. Each place is gone through once.
fn circle<'a>(sides: &Sides<'a>, vpc: &'a str, name: &[u8]) -> Option<Circle<'a>> {
    let start = Node::Vpc(vpc);
    let mut seen = vec![start];
    let mut ways = vec![(start, None, Vec::new())];
    while let Some((node, client, way)) = ways.pop() {
        for (step, client) in steps(sides, node, name, client) {
            let mut way: Vec<Step<'_>> = way.clone();
            way.push(step);
            if step.to == start {
                return Some(Circle(way));
            }
            if !seen.contains(&step.to) {
                seen.push(step.to);
                ways.push((step.to, client, way));
            }
        }
    }
    None
}

/// Where a name goes next, and with which address it comes there. None: it is answered, or leaves what the file knows.
fn steps<'a>(
    sides: &Sides<'a>,
    node: Node<'a>,
    name: &[u8],
    client: Option<IpAddr>,
) -> Vec<(Step<'a>, Option<IpAddr>)> {
    let to_vpc = |by: Sender, target: SocketAddr| {
        let endpoint = sides.there.inbound(target.ip())?;
        Some(Step { by, address: target.ip(), to: Node::Vpc(&endpoint.vpc) })
    };
    match node {
        Node::Vpc(vpc) => {
            let Some(index) = sides.there.decide(vpc, name) else { return Vec::new() };
            let rule = sides.there.rule_at(index);
            let by = Sender::There(index);
            let client = clients(sides, rule).first().copied();
            let step = |address: SocketAddr| match sides.here.is_own(address) {
                true => Some(Step { by, address: address.ip(), to: Node::Here }),
                false => to_vpc(by, address),
            };
            rule.targets.iter().filter_map(|target| Some((step(target.address)?, client))).collect()
        }
        Node::Here => {
            let Some((_, Decider::Rule(index))) = sides.here.decide(name, client) else { return Vec::new() };
            let Some(endpoint) = sides.here.endpoint_of(index) else { return Vec::new() };
            let targets = sides.here.targets(endpoint);
            targets.filter_map(|target| Some((to_vpc(Sender::Here(index), target)?, None))).collect()
        }
    }
}

/// A circle in words, from the VPC that it begins in.
fn chain(sides: &Sides<'_>, vpc: &str, circle: &Circle<'_>) -> String {
    let mut text = vpc.to_owned();
    for step in &circle.0 {
        match step.by {
            Sender::There(rule) => text.push_str(&format!(", rule `{}`", sides.there.rule_at(rule).name)),
            Sender::Here(rule) => {
                text.push_str(&format!(", {}", sides.here.describe(Decider::Rule(rule))));
            }
        }
        match step.to {
            Node::Here => text.push_str(&format!(" → {} (this server)", step.address)),
            Node::Vpc(vpc) => text.push_str(&format!(" → {} in {vpc}", step.address)),
        }
    }
    text + ", and so on"
}

fn name(sides: &Sides<'_>, rule: usize) -> Name {
    sides.config.rules.at(rule as u32).name()
}

/// `a.example`, `b.example` and 7 more.
pub(super) fn listed(names: impl ExactSizeIterator<Item = Name>) -> String {
    let count = names.len();
    let names: Vec<String> = names.take(LISTED).map(|name| format!("`{name}`")).collect();
    match (count > LISTED, names.split_last()) {
        (true, _) => format!("{} and {} more", names.join(", "), count - LISTED),
        (false, Some((last, first))) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        (false, _) => names.join(", "),
    }
}
