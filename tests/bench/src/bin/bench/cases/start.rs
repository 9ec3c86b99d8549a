//! From exec to the first answer. Both cores are the server's, as at the start of a machine.

use anyhow::Result;

use crate::figures::{Figures, Row};
use crate::peers::{Peer, Role, Rules};
use crate::scene::stop_if_interrupted;
use crate::server::Server;
use crate::setting::Setting;
use crate::table::thousands;

/// No case here has more.
const RUNS: usize = 3;

pub fn rules(setting: &Setting) -> Result<Vec<Row>> {
    let mut starters = Vec::new();
    for (name, rules) in
        [("dnsfwd", 10), ("dnsfwd", 10_000), ("dnsfwd", 100_000), ("unbound", 10_000), ("bind", 10_000)]
    {
        let rules = setting.scaled(rules);
        let role = Role { rules: Rules::Many(rules), ..Role::forwarder() };
        let variant = format!("{} rules", thousands(rules as f64));
        starters.extend(setting.among(&[name]).into_iter().map(|peer| (peer, variant.clone(), role.clone())));
    }
    start(setting, starters)
}

pub fn zone(setting: &Setting) -> Result<Vec<Row>> {
    let records = setting.scaled(1_000_000);
    let zone = setting.scene.zone(records)?;
    let role = Role { workers: 1, rules: Rules::None, zone: Some(zone), kept: 0 };
    let variant = format!("{} records", thousands(records as f64));
    let servers = setting.among(&["dnsfwd", "nsd", "knot", "bind"]);
    start(setting, servers.into_iter().map(|peer| (peer, variant.clone(), role.clone())).collect())
}

fn start(setting: &Setting, starters: Vec<(&'static Peer, String, Role)>) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = starters.iter().map(|(peer, variant, _)| Row::new(peer.name, variant)).collect();
    let cores = setting.scene.cores.both();
    for _ in 0..setting.runs.min(RUNS) {
        for ((peer, _, role), row) in starters.iter().zip(&mut rows).filter(|(_, row)| row.failed.is_none()) {
            match Server::start(&setting.scene, 1, peer, role, &cores) {
                Ok(server) => row.add(Figures::from([
                    ("start_ms".into(), server.start_time.as_secs_f64() * 1e3),
                    ("idle_mb".into(), server.memory()? as f64 / 1e6),
                ])),
                Err(fault) => row.failed = Some(format!("{fault:#}")),
            }
            stop_if_interrupted()?;
        }
    }
    Ok(rows)
}
