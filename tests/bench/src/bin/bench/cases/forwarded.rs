//! Answers that only the targets have.

use anyhow::Result;
use dnsfwd_bench::stream::Names;

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
