//! Answers from a zone of our own.

use anyhow::Result;
use dnsfwd_bench::stream::{AAAA, Load, Names};

use crate::contest::{Entrant, Measured, contest};
use crate::figures::Row;
use crate::peers::{Role, Rules};
use crate::setting::Setting;

/// 100,000 names with an address each: one that is there, one that isn't, and one without the type.
pub fn zone(setting: &Setting) -> Result<Vec<Row>> {
    let records = setting.scaled(100_000);
    let zone = setting.scene.zone(records)?;
    let role = Role { workers: 1, rules: Rules::None, zone: Some(zone), kept: 0 };
    let servers = setting.among(&["dnsfwd", "nsd", "knot", "bind", "unbound"]);
    let entrants = servers.into_iter().map(|peer| Entrant {
        peer,
        variant: String::new(),
        role: role.clone(),
        cores: setting.scene.cores.server.clone(),
        warm_up: vec![setting.fill(Names::of("load.example", records))],
        measured: kinds(setting, records),
    });
    contest(setting, entrants.collect())
}

fn kinds(setting: &Setting, records: u64) -> Vec<Measured> {
    let there = setting.flood(Names::of("load.example", records));
    let not_there = Load {
        names: Names { first: 1_000_000, ..there.names.clone() },
        expect: None,
        rcode: Some(3),
        ..there.clone()
    };
    let no_data = Load { qtype: AAAA, expect: None, ..there.clone() };
    [("positive", there), ("NXDOMAIN", not_there), ("NODATA", no_data)]
        .map(|(variant, load)| Measured { variant: variant.into(), load })
        .into()
}
