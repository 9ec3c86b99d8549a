//! What is legal but surprising, in a configuration without errors. Refuses nothing.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::reader::{At, Faults};
use super::schema::Written;
use super::source::Place;
use super::system::{self, Machine};
use super::{Address, Config, Location, views};
use crate::wire::name::{Name, suffixes};

/// `places` are those of the configuration's rules.
pub(super) fn warn(
    written: &Written,
    config: &Config,
    places: &[Place],
    used: &[bool],
    machine: Machine<'_>,
    faults: &mut Faults,
) {
    shadowed_rules(config, places, faults);
    own_targets(written, config, machine, faults);
    endpoints(written, config, used, faults);
    private_ranges(config, places, faults);
    views::warn(written, config, places, faults);
}

fn shadowed_rules(config: &Config, places: &[Place], faults: &mut Faults) {
    for part in config.parts().filter(|part| !part.zones.is_empty()) {
        let zones = &config.zones[part.zones];
        let zones: HashMap<&[u8], &Location, RandomState> =
            zones.iter().map(|zone| (zone.name.as_wire(), &zone.place)).collect();
        for index in part.rules {
            let rule = config.rules.at(index as u32);
            if let Some(zone) = zones.get(rule.domain) {
                let message = format!("this rule is never asked: zone `{}` at {zone} answers", rule.name());
                let help = "remove the rule, or the zone if its answers should come from elsewhere";
                faults.warning("shadowed-rule", &places[index], message, help);
            }
        }
    }
}

fn own_targets(written: &Written, config: &Config, machine: Machine<'_>, faults: &mut Faults) {
    let targets = written.endpoints.iter().flat_map(|endpoint| endpoint.targets.iter().flatten());
    let is_own = |address: &Address| match address {
        Address::Socket(address) => system::is_own(*address, &config.server.listen, machine),
        // What it leads to is seen when it is looked up.
        Address::Name(..) => false,
    };
    for At { value, place } in targets.filter(|target| is_own(&target.value.address)) {
        let message = format!("target {} is this server itself", value.address);
        let help = "queries would go round in a circle; write the address of another server";
        faults.warning("own-target", place, message, help);
    }
}

fn endpoints(written: &Written, config: &Config, used: &[bool], faults: &mut Faults) {
    // The endpoint made of the system's nameservers comes after those written.
    for ((endpoint, written), used) in config.endpoints.iter().zip(&written.endpoints).zip(used) {
        let place = written.named_at();
        // A name may have several addresses.
        if endpoint.targets.len() == 1 && endpoint.names().next().is_none() {
            let message = format!("endpoint `{}` has a single target", endpoint.name);
            let help = "add a second one, best in another Availability Zone: without it, an outage of the \
                        target is an outage of its domains";
            faults.warning("single-target", place, message, help);
        }
        if !used {
            let message = format!("nothing uses endpoint `{}`", endpoint.name);
            faults.warning("unused-endpoint", place, message, "name it in a rule, or remove it");
        }
    }
}

/// With all names forwarded, the reverse names of private networks would be too. They must not reach the
/// public servers (RFC 6303 section 3: "caching recursive nameservers (should) by default serve" them
/// empty), which surprises who has such names at the other end.
fn private_ranges(config: &Config, places: &[Place], faults: &mut Faults) {
    let general = config.general();
    let rules = || config.rules.iter().take(general.rules.end);
    let Some(all) = rules().position(|rule| rule.domain.len() == 1) else { return };
    let zones = config.zones[general.zones.clone()].iter().map(|zone| zone.name.as_wire());
    let names = rules().map(|rule| rule.domain).chain(zones);
    let answered: Answered<'_> = names.filter(|name| name.ends_with(b"\x04arpa\0")).collect();
    let open: Vec<u8> =
        (16..32).filter(|octet| !covered(&format!("{octet}.172.in-addr.arpa"), &answered)).collect();

    let mut ranges = Vec::new();
    ranges.extend((!covered("10.in-addr.arpa", &answered)).then(|| "10.in-addr.arpa".to_owned()));
    ranges.extend(runs(&open).into_iter().map(|(first, last)| match first == last {
        true => format!("{first}.172.in-addr.arpa"),
        false => format!("{first}.172.in-addr.arpa to {last}.172.in-addr.arpa"),
    }));
    ranges.extend((!covered("168.192.in-addr.arpa", &answered)).then(|| "168.192.in-addr.arpa".to_owned()));
    if !ranges.is_empty() {
        let message = "reverse names of private networks are not forwarded with `.`, but answered here with NXDOMAIN \
                       (RFC 6303)";
        let help = format!("add rules with `reverse` where another server knows them: {}", ranges.join(", "));
        faults.warning("private-reverse", &places[all], message, help);
    }
}

/// Names of rules and zones below `arpa`.
type Answered<'a> = HashSet<&'a [u8], RandomState>;

/// Is there a rule or zone at the name or above it, other than for all names?
fn covered(name: &str, answered: &Answered<'_>) -> bool {
    let name = Name::parse(name).expect("three short labels are a name");
    suffixes(name.as_wire()).any(|suffix| answered.contains(suffix))
}

/// Neighbouring numbers as first and last.
fn runs(numbers: &[u8]) -> Vec<(u8, u8)> {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}
