//! Rules of `[aws]` that do nothing, or more than was meant.

use super::Sides;
use super::there::services;
use crate::config::aws::{ResolverRule, RuleType};
use crate::config::reader::Faults;
use crate::config::source::Place;
use crate::limits::{AWS_ASSOCIATIONS, AWS_RULES};
use crate::wire::name::{Name, is_within};

pub(super) fn warn(sides: &Sides<'_>, faults: &mut Faults) {
    for (rule, places) in sides.aws.rules.iter().zip(&sides.places.rules) {
        let place = &places.domain;
        if rule.vpcs.is_empty() && rule.share.is_empty() {
            let message = "the rule does nothing: it is associated with no VPC, and shared with nobody";
            faults.warning("aws-idle-rule", place, message, "add vpcs = [\"vpc-…\"] or share = [\"…\"]");
            continue;
        }
        match rule.kind {
            RuleType::Forward => {
                redundant(sides, rule, place, faults);
                services_of_aws(sides, rule, place, faults);
                autodefined(sides, rule, place, faults);
            }
            RuleType::System => idle_system(sides, rule, place, faults),
            RuleType::Delegate => delegation(sides, rule, place, faults),
        }
    }
    quotas(sides, faults);
}

/// A rule that says of a part of a broader one's domain what that says already.
fn redundant(sides: &Sides<'_>, rule: &ResolverRule, place: &Place, faults: &mut Faults) {
    let same = |vpc: &String| {
        // AWS's own rule between the two, or of the same domain, is what this one is for.
        let own = sides.there.autodefined(vpc, rule.domain.as_wire());
        let broader = sides.there.rule_at(sides.there.above(vpc, &rule.domain)?);
        let is_same = broader.kind == RuleType::Forward
            && broader.endpoint == rule.endpoint
            && same_targets(broader, rule)
            && own.is_none_or(|own| own.label_count() < broader.domain.label_count());
        is_same.then_some(broader)
    };
    if !rule.share.is_empty() {
        return;
    }
    let broader: Option<Vec<&ResolverRule>> = rule.vpcs.iter().map(same).collect();
    if let Some(broader) = broader.as_ref().and_then(|broader| broader.first()) {
        let message =
            format!("rule `{}` at {} does the same with `{}`", broader.name, broader.place, rule.domain);
        let help = "leave one of the two out, unless a private hosted zone between them is to be overruled";
        faults.warning("aws-redundant-rule", place, message, help);
    }
}

/// In whatever order they are written.
fn same_targets(one: &ResolverRule, other: &ResolverRule) -> bool {
    one.targets.len() == other.targets.len()
        && one.targets.iter().all(|target| other.targets.contains(target))
}

/// With all of `com` forwarded, so are the names of AWS's own services: the Developer Guide wants a SYSTEM rule for them.
fn services_of_aws(sides: &Sides<'_>, rule: &ResolverRule, place: &Place, faults: &mut Faults) {
    let services = services(sides.aws);
    let name = Name::parse(services).expect("three labels are a name");
    if !is_within(name.as_wire(), rule.domain.as_wire()) || rule.domain == name {
        return;
    }
    let goes = |vpc: &&String| {
        sides.there.rule(vpc, name.as_wire()).is_some_and(|(own, _)| own == rule.domain.as_wire())
    };
    let vpcs: Vec<&str> = rule.vpcs.iter().filter(goes).map(String::as_str).collect();
    if !vpcs.is_empty() {
        let message = format!(
            "`{services}` is forwarded too: in {}, AWS's own services are then found by servers elsewhere",
            vpcs.join(" and ")
        );
        let help = format!(
            "add an [[aws.rule]] with domain = \"{services}\", type = \"SYSTEM\" and the same VPCs, as the Developer Guide wants it"
        );
        faults.warning("aws-services", place, message, help);
    }
}

/// A rule for all names doesn't take those that AWS has rules of its own for.
fn autodefined(sides: &Sides<'_>, rule: &ResolverRule, place: &Place, faults: &mut Faults) {
    if !rule.domain.is_root() {
        return;
    }
    let of_private = |vpc: &&String| {
        let reverse = ["10.in-addr.arpa", "16.172.in-addr.arpa", "168.192.in-addr.arpa"];
        let left = |name: &str| {
            let name = Name::parse(name).expect("three short labels are a name");
            sides.there.autodefined(vpc, name.as_wire()).is_some()
        };
        let is_own_rule = |rule: &&ResolverRule| {
            rule.vpcs.contains(vpc) && rule.domain.to_string().trim_end_matches('.').ends_with("in-addr.arpa")
        };
        reverse.into_iter().any(left) && !sides.aws.rules.iter().any(|rule| is_own_rule(&rule))
    };
    let vpcs: Vec<&str> = rule.vpcs.iter().filter(of_private).map(String::as_str).collect();
    if !vpcs.is_empty() {
        let message = format!(
            "reverse names of private networks don't go with `.` in {}: AWS has rules of its own for them, as for \
             `{}.compute.internal`",
            vpcs.join(" and "),
            sides.aws.region
        );
        let help = "add rules for those reverse zones that others know, or [[aws.vpc]] with autodefined_reverse = false";
        faults.warning("aws-autodefined", place, message, help);
    }
}

/// A SYSTEM rule takes names out of a broader FORWARD rule, or does what would be done without it.
fn idle_system(sides: &Sides<'_>, rule: &ResolverRule, place: &Place, faults: &mut Faults) {
    let carves = |vpc: &String| {
        let above = sides.there.above(vpc, &rule.domain);
        above.is_some_and(|above| sides.there.rule_at(above).kind == RuleType::Forward)
    };
    if rule.share.is_empty() && !rule.vpcs.iter().any(carves) {
        let message = format!(
            "the SYSTEM rule takes `{}` out of nothing: no broader rule forwards it in its VPCs",
            rule.domain
        );
        let help = "leave it out, or associate it with the VPCs of the broader rule";
        faults.warning("aws-idle-rule", place, message, help);
    }
}

/// A delegation's name server has to be found itself: by glue if it is within the zone, else like any name.
fn delegation(sides: &Sides<'_>, rule: &ResolverRule, place: &Place, faults: &mut Faults) {
    let is_forwarded = |vpc: &String| {
        let found = sides.there.rule(vpc, rule.domain.as_wire());
        found.is_some_and(|(_, found)| sides.there.rule_at(found).kind == RuleType::Forward)
    };
    if !rule.vpcs.is_empty() && !rule.vpcs.iter().any(is_forwarded) {
        let message =
            format!("name server `{}` is found by glue alone: no rule forwards its name", rule.domain);
        let help =
            "if it is not a name within the zone that is delegated to it, add a FORWARD rule for its domain";
        faults.warning("aws-delegation", place, message, help);
    }
}

/// Of Route 53 Resolver, for an account and Region.
fn quotas(sides: &Sides<'_>, faults: &mut Faults) {
    let rules = &sides.aws.rules;
    let associations: usize = rules.iter().map(|rule| rule.vpcs.len()).sum();
    let counts = [
        (rules.len(), AWS_RULES, "rules"),
        (associations, AWS_ASSOCIATIONS, "associations of rules with VPCs"),
    ];
    for (count, quota, what) in counts.into_iter().filter(|(count, quota, _)| count > quota) {
        let message = format!("{count} {what}; AWS allows {quota} in a Region unless it was asked for more");
        let help = "the quota is adjustable: ask for more in Service Quotas before this is applied";
        faults.warning("aws-quota", &sides.places.table, message, help);
    }
}
