//! Answers from the cache, over UDP.

use std::time::Duration;

use anyhow::Result;
use dnsfwd_bench::stream::{Load, Names, Rest};

use super::FLOOR_AND_FORWARDERS;
use crate::contest::{contest, contest_with};
use crate::figures::{Figures, Row};
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
    let entrants = setting.among(FLOOR_AND_FORWARDERS).into_iter().map(|peer| {
        let names = Names::of(SUFFIX, names);
        // Twice, since what was lost at first is then asked again.
        let fill = Load { edns, ..setting.fill(names.clone()) };
        setting.entrant(peer, vec![fill.clone(), fill], Load { edns, ..setting.flood(names) })
    });
    contest(setting, entrants.collect())
}

/// A million names, and what they take in memory; of the servers that take them in within a minute or so.
pub fn million(setting: &Setting) -> Result<Vec<Row>> {
    let servers = setting.among(&["floor", "dnsfwd", "unbound", "bind", "dnsdist"]);
    let entrants = servers.into_iter().map(|peer| {
        let names = Names::of(SUFFIX, setting.scaled(1_000_000));
        let fill = Load { edns: false, ..setting.fill(names.clone()) };
        setting.entrant(peer, vec![fill], Load { edns: false, ..setting.flood(names) })
    });
    let mut rows = contest_with(setting, entrants.collect(), |server, report| {
        let names = report.answered as f64;
        let bytes = server.memory()? as f64;
        Ok(Figures::from([("filled_mb".into(), bytes / 1e6), ("bytes_per_name_all".into(), bytes / names)]))
    })?;
    rows.iter_mut().for_each(add_bytes_per_name);
    Ok(rows)
}

/// What a name takes beyond what the process had before.
fn add_bytes_per_name(row: &mut Row) {
    let all = ["filled_mb", "idle_mb", "bytes_per_name_all"].map(|figure| row.median(figure));
    if let [Some(filled), Some(idle), Some(all)] = all {
        let names = filled / all;
        row.add(Figures::from([("bytes_per_name".into(), (filled - idle) / names)]));
    }
}

/// 10,000 queries a second, which leave every server time to sleep.
pub fn at_a_rate(setting: &Setting) -> Result<Vec<Row>> {
    let entrants = setting.among(FLOOR_AND_FORWARDERS).into_iter().map(|peer| {
        let names = Names::of(SUFFIX, 10_000);
        let fill = setting.fill(names.clone());
        let measured = Load { rate: 10_000.0, seconds: setting.seconds.max(2.0), ..setting.flood(names) };
        setting.entrant(peer, vec![fill.clone(), fill], measured)
    });
    contest(setting, entrants.collect())
}

/// The same with one worker and with two. Both cores are the server's, and the load has to share one of them.
/// So it comes by a thousand times a second only, and leaves so many queries that no worker waits meanwhile: a
/// worker that waits takes smaller batches, which cost more, however many workers there are.
pub fn workers(setting: &Setting) -> Result<Vec<Row>> {
    let mut entrants = Vec::new();
    for peer in setting.among(&["floor", "dnsfwd", "unbound", "bind", "dnsdist"]) {
        for workers in [1, 2] {
            let names = Names::of(SUFFIX, 10_000);
            let fill = setting.fill(names.clone());
            let measured = Load {
                // Many, so that the kernel's choice of a worker for each is about even.
                sockets: 32,
                window: 24,
                rest: Rest::Nap(Duration::from_millis(1)),
                ..setting.flood(names)
            };
            let mut entrant = setting.entrant(peer, vec![fill.clone(), fill], measured);
            entrant.role.workers = workers;
            entrant.variant = if workers == 1 { "1 worker".into() } else { "2 workers".into() };
            entrant.cores = setting.scene.cores.both();
            entrants.push(entrant);
        }
    }
    contest(setting, entrants)
}
