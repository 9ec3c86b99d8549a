//! Answers that only the targets have.

use std::time::Duration;

use anyhow::Result;
use dnsfwd_bench::stream::{Load, Names};

use super::FORWARDERS;
use crate::contest::contest;
use crate::figures::Row;
use crate::setting::Setting;

pub fn new_names(setting: &Setting) -> Result<Vec<Row>> {
    let names = Names::of("load.example", 0);
    let entrants = setting.among(FORWARDERS).into_iter().map(|peer| {
        // Round trip times are learned, and code and tables are in the processor's caches.
        let mut warm_up = setting.flood(names.clone());
        warm_up.seconds = setting.seconds / 2.0;
        let mut entrant = setting.entrant(peer, vec![warm_up], setting.flood(names.clone()));
        entrant.role.kept = 1000;
        entrant
    });
    contest(setting, entrants.collect())
}

pub fn mix_near(setting: &Setting) -> Result<Vec<Row>> {
    mix(setting, Duration::from_millis(5))
}

pub fn mix_far(setting: &Setting) -> Result<Vec<Row>> {
    mix(setting, Duration::from_millis(50))
}

/// 20,000 queries a second, of which nine of ten are in the cache, and targets that take their time.
fn mix(setting: &Setting, delay: Duration) -> Result<Vec<Row>> {
    setting.scene.set_delay(delay);
    let entrants = setting.among(FORWARDERS).into_iter().map(|peer| {
        let names = Names::of("load.example", 10_000);
        let fill = Load { window: 256, ..setting.fill(names.clone()) };
        let fresh = Names { fresh_every: 10, ..names };
        let measured = Load { rate: 20_000.0, seconds: setting.seconds.max(2.0), ..setting.flood(fresh) };
        let mut entrant = setting.entrant(peer, vec![fill.clone(), fill], measured);
        // All that is new has room too.
        entrant.role.kept = 100_000;
        entrant
    });
    let rows = contest(setting, entrants.collect());
    setting.scene.set_delay(Duration::ZERO);
    rows
}
