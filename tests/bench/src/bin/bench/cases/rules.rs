//! Many rules: what they cost a query, and what becomes of queries while they are read again.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dnsfwd_bench::stream::{Load, Names, Rest};
use dnsfwd_bench::sys;

use crate::contest::{Entrant, account, contest, prepare};
use crate::figures::{Figures, Row};
use crate::peers::{Peer, Rules};
use crate::scene::stop_if_interrupted;
use crate::server::Server;
use crate::setting::Setting;
use crate::table;

/// As many names with few rules as with many, spread over all of them.
pub fn many(setting: &Setting) -> Result<Vec<Row>> {
    let mut entrants = Vec::new();
    for peer in setting.among(&["dnsfwd", "unbound", "bind"]) {
        for rules in [10, 10_000, 100_000] {
            let rules = setting.scaled(rules);
            entrants.push(forwarder(setting, peer, rules, 100_000.max(rules)));
        }
    }
    contest(setting, entrants)
}

fn forwarder(setting: &Setting, peer: &'static Peer, rules: u64, names: u64) -> Entrant {
    let names = Names { rules, ..Names::of("load.example", setting.scaled(names)) };
    let mut entrant = setting.entrant(peer, vec![setting.fill(names.clone())], setting.flood(names));
    entrant.role.rules = Rules::Many(rules);
    entrant.variant = format!("{} rules", table::thousands(rules as f64));
    entrant
}

/// Without a reload and with one, in turn, under 20,000 queries a second.
pub fn reload(setting: &Setting) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, rules) in [("dnsfwd", 10_000), ("dnsfwd", 100_000), ("unbound", 10_000), ("bind", 10_000)] {
        for peer in setting.among(&[name]) {
            let entrant = forwarder(setting, peer, setting.scaled(rules), 10_000);
            let mut pair = ["no reload", "reload"]
                .map(|kind| Row::new(peer.name, &format!("{}, {kind}", entrant.variant)));
            if let Err(fault) = reload_runs(setting, &entrant, &mut pair) {
                stop_if_interrupted()?;
                eprintln!("  {name} failed: {fault:#}");
                pair.iter_mut().for_each(|row| row.failed = Some(format!("{fault:#}")));
            }
            rows.extend(pair);
        }
    }
    Ok(rows)
}

/// Longer than a peer takes to read its rules.
const RELOAD_RUN: f64 = 4.0;
const RELOAD_AT: Duration = Duration::from_secs(1);
const RELOAD_RUNS: usize = 3;

fn reload_runs(setting: &Setting, entrant: &Entrant, [without, with]: &mut [Row; 2]) -> Result<()> {
    let (mut server, figures) = prepare(setting, 1, entrant, &|_, _| Ok(Figures::new()))?;
    without.add(figures.clone());
    with.add(figures);
    let load = Load {
        rate: 20_000.0,
        seconds: if setting.quick { 2.0 } else { RELOAD_RUN },
        // The command that asks for the reload shares the core.
        rest: Rest::Sleep,
        ..entrant.measured[0].load.clone()
    };
    for run in 0..setting.runs.min(RELOAD_RUNS) {
        let load = setting.aimed(&load, &server, run);
        without.add(account(&setting.scene.run(&load)?));
        with.add(reload_run(setting, entrant, &server, &load, run)?);
        server.alive()?;
    }
    Ok(())
}

/// Each reload brings a rule or takes one away.
fn reload_run(
    setting: &Setting,
    entrant: &Entrant,
    server: &Server,
    load: &Load,
    run: usize,
) -> Result<Figures> {
    let mut role = entrant.role.clone();
    if let Rules::Many(rules) = &mut role.rules {
        *rules += u64::from(run.is_multiple_of(2));
    }
    (server.peer.command)(&server.place, &role).context("the changed configuration can't be written")?;
    thread::scope(|scope| {
        let reload = scope.spawn(|| {
            thread::sleep(RELOAD_AT);
            ask_for_reload(server)
        });
        let report = setting.scene.run(load)?;
        let taken = reload.join().map_err(|_| anyhow::anyhow!("the reload's thread panicked"))??;
        let mut figures = account(&report);
        figures.insert("reload_ms".into(), taken.as_secs_f64() * 1e3);
        Ok(figures)
    })
}

/// Gives the time that the command took.
fn ask_for_reload(server: &Server) -> Result<Duration> {
    let reload = server.peer.reload.context("it can't reload")?;
    let begin = Instant::now();
    let mut command = reload(&server.place);
    let output = sys::leash(&mut command).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "its reload failed: {}", said.trim());
    Ok(begin.elapsed())
}
