//! How fast dnsfwd is beside its peers: every workload, each server in turn, as a table, as JSON and as a chart.

mod cases;
mod contest;
mod figures;
mod peers;
mod scene;
mod server;
mod setting;
mod table;
mod targets;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use dnsfwd_bench::sys;

use crate::cases::Case;
use crate::peers::Peer;
use crate::scene::Scene;
use crate::setting::Setting;

#[derive(Parser)]
#[command(about = "Measures dnsfwd and its peers side by side")]
struct Options {
    /// How often each server is measured in each case.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// How long.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Only these cases.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these servers.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Everything once and small, to show that it works.
    #[arg(long)]
    quick: bool,
    /// Leaves the servers' configurations and logs behind.
    #[arg(long)]
    keep: bool,
}

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
    let cases = chosen_cases(&options.only)?;
    let peers = chosen_peers(&options.peers)?;
    let (runs, seconds) = if options.quick { (1, 0.3) } else { (options.runs, options.seconds) };
    let setting = Setting::new(Scene::new(options.keep)?, peers, runs, seconds, options.quick);
    for case in cases {
        eprintln!("{}", case.id);
        let rows = (case.run)(&setting)?;
        println!("\n{} ({})\n{}", case.title, case.id, table::rows(case.shown, &rows));
    }
    Ok(())
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
