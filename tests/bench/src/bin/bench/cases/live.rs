//! What clients feel while targets die: every name new, sent by the clock, and of two targets the preferred one falls
//! silent, comes back, then the other one, then both.

use std::time::Duration;

use anyhow::{Result, ensure};
use dnsfwd_bench::outage::{Plan, Planned, Silent};
use dnsfwd_bench::stream::Names;

use crate::figures::Row;
use crate::peers::{Peer, Role};
use crate::scene::stop_if_interrupted;
use crate::server::Server;
use crate::setting::Setting;
use crate::targets::ADDRESS;

/// Queries a second, milliseconds to a target's answer, and who is measured so.
pub struct Weather {
    pub rate: u32,
    pub delay: u64,
    servers: &'static [&'static str],
}

const SERVERS: &[&str] = &["dnsfwd", "unbound", "bind", "dnsdist", "recursor", "kresd", "dnsmasq"];

pub const WEATHERS: [Weather; 3] = [
    Weather { rate: 500, delay: 1, servers: SERVERS },
    Weather { rate: 5000, delay: 1, servers: SERVERS },
    Weather { rate: 500, delay: 50, servers: &["dnsfwd", "unbound", "dnsdist"] },
];

impl Weather {
    pub fn variant(&self) -> String {
        let rate = crate::table::thousands(f64::from(self.rate));
        format!("{rate} queries/s, targets {} ms away", self.delay)
    }
}

const PHASES: [(&str, u64, Silent); 7] = [
    ("well", 5, Silent::Neither),
    ("first", 10, Silent::Preferred),
    ("back1", 5, Silent::Neither),
    ("second", 10, Silent::Other),
    ("back2", 5, Silent::Neither),
    ("both", 6, Silent::Both),
    ("back3", 5, Silent::Neither),
];
/// Longer than a stub resolver's two tries of two seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much shorter everything is when it only has to be shown to work.
const QUICKER: u32 = 5;

pub fn outages(setting: &Setting) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let weathers = if setting.quick { &WEATHERS[..1] } else { &WEATHERS[..] };
    for weather in weathers {
        setting.scene.set_delay(Duration::from_millis(weather.delay));
        for peer in setting.among(weather.servers) {
            let mut row = Row::new(peer.name, &weather.variant());
            eprintln!("  {}", row.label());
            if let Err(fault) = outage(setting, peer, weather, &mut row) {
                stop_if_interrupted()?;
                eprintln!("  {} failed: {fault:#}", peer.name);
                row.failed = Some(format!("{fault:#}"));
            }
            rows.push(row);
        }
    }
    setting.scene.set_delay(Duration::ZERO);
    Ok(rows)
}

/// One run of a server that was just started. A run takes most of a minute and sees each fault once, and goes by the
/// clock: it is not repeated.
fn outage(setting: &Setting, peer: &'static Peer, weather: &Weather, row: &mut Row) -> Result<()> {
    let role = Role { kept: 1000, ..Role::forwarder() };
    let mut server = Server::start(&setting.scene, 1, peer, &role, &setting.scene.cores.server)?;
    let course = setting.scene.run_outage(&plan(setting, &server, weather))?;
    server.alive()?;
    let figures = course.figures();
    ensure!(figures.contains_key("well_max_ms"), "it answers nothing while nothing is wrong");
    row.add(figures);
    Ok(())
}

fn plan(setting: &Setting, server: &Server, weather: &Weather) -> Plan {
    let speed = if setting.quick { QUICKER } else { 1 };
    let phase =
        |(name, seconds, silent)| Planned { name, length: Duration::from_secs(seconds) / speed, silent };
    Plan {
        server: server.place.listen,
        names: Names { first: setting.take_fresh(), ..Names::of("load.example", 0) },
        rate: f64::from(weather.rate),
        patience: PATIENCE,
        expect: ADDRESS,
        phases: PHASES.map(phase).to_vec(),
    }
}
