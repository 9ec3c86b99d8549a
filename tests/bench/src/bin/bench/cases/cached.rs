//! Answers from the cache, over UDP.

use anyhow::Result;
use dnsfwd_bench::stream::{Load, Names};

use super::FLOOR_AND_FORWARDERS;
use crate::contest::contest;
use crate::figures::Row;
use crate::setting::Setting;

const SUFFIX: &str = "load.example";

pub fn one_name(setting: &Setting) -> Result<Vec<Row>> {
    from_cache(setting, 1, true)
}

pub fn ten_thousand(setting: &Setting) -> Result<Vec<Row>> {
    from_cache(setting, 10_000, true)
}

pub fn without_edns(setting: &Setting) -> Result<Vec<Row>> {
    from_cache(setting, 10_000, false)
}

fn from_cache(setting: &Setting, names: u64, edns: bool) -> Result<Vec<Row>> {
    let names = Names::of(SUFFIX, names);
    let entrants = setting.among(FLOOR_AND_FORWARDERS).into_iter().map(|peer| {
        // Twice, since what was lost at first is then asked again.
        let fill = Load { edns, ..setting.fill(names.clone()) };
        setting.entrant(peer, vec![fill.clone(), fill], Load { edns, ..setting.flood(names.clone()) })
    });
    contest(setting, entrants.collect())
}
