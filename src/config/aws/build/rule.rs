//! Rules of the AWS side.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::{Names, sorted};
use crate::config::aws::places::RulePlaces;
use crate::config::aws::{ResolverRule, RuleTarget, RuleType};
use crate::config::reader::{At, Faults};
use crate::config::schema::WrittenResolverRule;
use crate::config::source::Place;
use crate::wire::name::Name;

/// Targets of a rule (Route 53 quotas; not adjustable).
const MAX_TARGETS: usize = 6;

pub(super) fn rule(
    written: WrittenResolverRule,
    names: &mut Names,
    faults: &mut Faults,
) -> Option<(ResolverRule, RulePlaces)> {
    let kind = written.kind?;
    let domain = domain(&written, kind, faults)?;
    targets(kind, written.targets.as_deref(), &domain.place, faults);
    if let Some(At { place, .. }) = written.endpoint.as_ref().filter(|_| kind == RuleType::System) {
        let help = "leave it out: Resolver answers by itself";
        faults.error("aws-rule", place, "a SYSTEM rule has no endpoint", help);
    }
    let name =
        written.name.unwrap_or_else(|| At { value: name_of(&domain.value), place: domain.place.clone() });
    names.once("Resolver rule", &name.value, &name.place, faults);
    let (endpoint, endpoint_place) = written.endpoint.map(|at| (at.value, at.place)).unzip();
    let (targets, target_places) =
        written.targets.unwrap_or_default().into_iter().map(|target| (target.value, target.place)).unzip();
    let rule = ResolverRule {
        name: name.value,
        domain: domain.value,
        kind,
        targets,
        endpoint,
        vpcs: sorted(written.vpcs, "VPC", faults),
        share: sorted(written.share, "principal", faults),
        tags: written.tags,
        id: written.id,
        place: domain.place.location(),
    };
    Some((rule, RulePlaces { domain: domain.place, targets: target_places, endpoint: endpoint_place }))
}

/// What the rule goes by: the delegation record of a DELEGATE rule, else the domain.
fn domain(written: &WrittenResolverRule, kind: RuleType, faults: &mut Faults) -> Option<At<Name>> {
    if kind == RuleType::Delegate {
        return match (&written.delegation_record, &written.domain) {
            (Some(record), None) => Some(record.clone()),
            _ => {
                let message = "a DELEGATE rule goes by its delegation record";
                let help = "write delegation_record = \"ns.corp.example\" in the place of `domain`";
                faults.error("aws-rule", &written.place, message, help);
                None
            }
        };
    }
    if let Some(At { place, .. }) = &written.delegation_record {
        let help = "leave it out, or write type = \"DELEGATE\"";
        faults.error("aws-rule", place, "`delegation_record` is for DELEGATE rules", help);
    }
    if written.domain.is_none() && !faults.is_incomplete() {
        let help = "add domain = \"anycompany.corp\"";
        faults.error("missing-key", &written.place, "[[aws.rule]] needs `domain`", help);
    }
    written.domain.clone()
}

fn targets(kind: RuleType, targets: Option<&[At<RuleTarget>]>, rule: &Place, faults: &mut Faults) {
    let all = targets.unwrap_or_default();
    let (message, help) = match (kind, all.len()) {
        (RuleType::Forward, 0) => (
            "a FORWARD rule needs targets",
            "add targets = [\"192.168.2.250\"], the servers that know the domain",
        ),
        (RuleType::System | RuleType::Delegate, 1..) => {
            ("only FORWARD rules have targets", "leave them out, or write type = \"FORWARD\"")
        }
        (_, count) if count > MAX_TARGETS => {
            ("Route 53 takes at most 6 targets in a rule", "keep six; the quota can't be raised")
        }
        _ => {
            mixed(all, faults);
            return;
        }
    };
    faults.error("aws-targets", rule, message, help);
}

/// A rule's targets are of one family, and each there once.
fn mixed(targets: &[At<RuleTarget>], faults: &mut Faults) {
    let mut first: HashMap<SocketAddr, &Place> = HashMap::new();
    for At { value, place } in targets {
        if let Some(other) = first.insert(value.address, place) {
            let message = format!("a second target {}; the first is at {other}", value.address);
            faults.error("aws-duplicate", place, message, "keep one of the two");
        }
        if value.address.is_ipv4() != targets[0].value.address.is_ipv4() {
            let message = "Route 53 takes IPv4 targets or IPv6 targets in a rule, not both";
            faults.error("aws-targets", place, message, "leave those of one family out");
        }
    }
}

/// A name that Route 53 takes, of a domain: `anycompany-corp`, `root` for all names.
pub fn name_of(domain: &Name) -> String {
    let text = domain.to_string().to_ascii_lowercase();
    let text = text.trim_end_matches('.');
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let name: String = text.chars().map(allowed).take(64).collect();
    match name {
        name if name.is_empty() => "root".to_owned(),
        name if name.chars().all(|c| c.is_ascii_digit()) => format!("{name}-"),
        name => name,
    }
}
