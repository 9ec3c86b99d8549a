//! What AWS takes but is wrong or surprising, seen from both sides of the hybrid together: `[aws]`, and the rules, zones
//! and listeners of this server. Refuses nothing, and asks AWS nothing: private hosted zones are not in the file, so what
//! they would change is said as a condition.

mod circle;
mod endpoints;
mod here;
mod reverse;
mod rules;
mod there;
mod vpn;

use self::here::Here;
use self::there::There;
use super::Aws;
use super::places::Places;
use crate::config::Config;
use crate::config::reader::Faults;
use crate::config::schema::Written;
use crate::config::source::Place;
use crate::config::system::Machine;

/// Both sides, with the places of what is written.
struct Sides<'a> {
    aws: &'a Aws,
    places: &'a Places,
    here: Here<'a>,
    there: There<'a>,
    written: &'a Written,
    config: &'a Config,
    /// Of this server's rules.
    rule_places: &'a [Place],
}

/// Of a configuration without errors. `rule_places` are those of its rules.
pub(in crate::config) fn warn(
    written: &Written,
    config: &Config,
    places: &Places,
    rule_places: &[Place],
    machine: Machine<'_>,
    faults: &mut Faults,
) {
    let Some(aws) = &config.aws else { return };
    let here = Here::new(config, machine);
    let sides = Sides { aws, places, here, there: There::new(aws), written, config, rule_places };
    circle::warn(&sides, faults);
    rules::warn(&sides, faults);
    reverse::warn(&sides, faults);
    endpoints::warn(&sides, faults);
    vpn::warn(&sides, faults);
}
