//! How fast dnsfwd is beside its peers: every workload, each server in turn, as a table, as JSON and as a chart.

mod cases;
mod chart;
mod contest;
mod figures;
mod goals;
mod peers;
mod readme;
mod results;
mod scene;
mod server;
mod setting;
mod table;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use dnsfwd_bench::sys;

use crate::cases::Case;
use crate::peers::Peer;
use crate::results::{CaseResult, Results};
use crate::scene::{Scene, stop_if_interrupted};
use crate::setting::Setting;

#[derive(Parser)]
#[command(about = "Measures dnsfwd and its peers side by side, in a good half hour")]
struct Options {
    /// How often each server is measured in each case.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// How long.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Only these cases; what the results hold of the others stays.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these servers.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Where result.json and chart.svg go.
    #[arg(long, default_value = "target/bench/results")]
    out: PathBuf,
    /// Everything once and small, to show that it works; says nothing about speed.
    #[arg(long)]
    quick: bool,
    /// Into tests/bench/results, with its README.md, and the gist of it into README.md.
    #[arg(long, conflicts_with_all = ["out", "quick"])]
    publish: bool,
    /// Measures nothing: writes tables anew from the results that are there.
    #[arg(long, requires = "publish", conflicts_with_all = ["only", "peers"])]
    tables: bool,
    /// Leaves the servers' configurations and logs behind.
    #[arg(long)]
    keep: bool,
}

/// After so long no further case is begun.
const ENOUGH: Duration = Duration::from_secs(25 * 60);

fn main() -> ExitCode {
    sys::catch_interrupts();
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let out = if options.publish { Path::new("tests/bench/results") } else { &options.out };
    fs::create_dir_all(out).with_context(|| format!("{} can't be made", out.display()))?;
    let file = out.join("result.json");
    let mut results = if options.quick { Results::of_this_machine() } else { Results::earlier(&file) };
    if !options.tables {
        measure(options, &mut results, &file)?;
    }
    chart::draw(&results, &out.join("chart.svg"))?;
    if options.quick {
        return Ok(());
    }
    let goals = goals::of(&results);
    println!("{}", goals::table(&goals));
    if options.publish {
        readme::publish(&results, &goals)?;
    }
    Ok(())
}

/// Keeps each result as soon as it is there.
fn measure(options: &Options, results: &mut Results, file: &Path) -> Result<()> {
    let setting = setting(options)?;
    let begin = Instant::now();
    for case in chosen_cases(&options.only)? {
        if begin.elapsed() > ENOUGH {
            eprintln!("{}: left out, this has taken long enough", case.id);
            continue;
        }
        eprintln!("{} ({:.0} s)", case.id, begin.elapsed().as_secs_f64());
        if let Some(result) = measured(case, &setting)? {
            results.put(result, case.apart);
            results.write(file)?;
        }
    }
    Ok(())
}

fn setting(options: &Options) -> Result<Setting> {
    let peers = chosen_peers(&options.peers)?;
    let (runs, seconds) = if options.quick { (1, 0.3) } else { (options.runs, options.seconds) };
    ensure!(runs > 0 && seconds > 0.0, "nothing is to be measured");
    Ok(Setting::new(Scene::new(options.keep)?, peers, runs, seconds, options.quick))
}

/// Nothing when none of the servers does such a thing.
fn measured(case: &Case, setting: &Setting) -> Result<Option<CaseResult>> {
    let rows = match (case.run)(setting) {
        Ok(rows) => rows,
        Err(fault) => {
            stop_if_interrupted()?;
            println!("{} ({}) failed: {fault:#}\n", case.title, case.id);
            let failed = Some(format!("{fault:#}"));
            return Ok(Some(CaseResult { failed, ..CaseResult::new(case, setting, Vec::new()) }));
        }
    };
    if rows.is_empty() {
        return Ok(None);
    }
    println!("{} ({})\n{}", case.title, case.id, table::rows(case.shown, &rows));
    Ok(Some(CaseResult::new(case, setting, rows)))
}

fn chosen_cases(only: &[String]) -> Result<Vec<&'static Case>> {
    for id in only {
        let known: Vec<&str> = cases::ALL.iter().map(|case| case.id).collect();
        ensure!(known.contains(&id.as_str()), "no case {id}; there are {}", known.join(", "));
    }
    Ok(cases::ALL.iter().filter(|case| only.is_empty() || only.iter().any(|id| id == case.id)).collect())
}

fn chosen_peers(named: &[String]) -> Result<Vec<&'static Peer>> {
    let wanted: Vec<&Peer> = match named {
        [] => peers::ALL.to_vec(),
        _ => named
            .iter()
            .map(|name| peers::find(name).with_context(|| format!("no peer {name}")))
            .collect::<Result<_>>()?,
    };
    for absent in wanted.iter().filter(|peer| (peer.program)().is_none()) {
        eprintln!("{} is not installed and is left out", absent.name);
    }
    Ok(wanted.into_iter().filter(|peer| (peer.program)().is_some()).collect())
}
