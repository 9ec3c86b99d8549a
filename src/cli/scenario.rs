//! `dnsfwd scenario`: plays courses of faults on the real core, without a network, and says what did not hold.

use std::path::PathBuf;

use serde::Serialize;

use super::text::count;
use super::{Common, Exit, print};
use crate::scenario::{self, Outcome};

#[derive(clap::Args)]
pub struct Arguments {
    /// Files with a scenario each
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show all that happened
    #[arg(long)]
    trace: bool,
}

#[derive(Serialize)]
struct Played {
    file: String,
    queries: usize,
    failures: Vec<Failed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trace: Vec<String>,
}

#[derive(Serialize)]
struct Failed {
    line: usize,
    what: String,
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut exit = Exit::Clean;
    let mut played = Vec::new();
    for file in &arguments.files {
        match scenario::play(file, arguments.trace) {
            Ok(outcome) => played.push(Played::from(outcome)),
            Err(fault) => {
                eprintln!("dnsfwd: {fault}");
                exit = Exit::Trouble;
            }
        }
    }
    print(common, &played, |played| played.iter().map(show).collect())?;
    if exit == Exit::Clean && played.iter().any(|played| !played.failures.is_empty()) {
        exit = Exit::Findings;
    }
    Ok(exit)
}

impl From<Outcome> for Played {
    fn from(outcome: Outcome) -> Played {
        let failed = |failure: scenario::Failure| Failed { line: failure.line, what: failure.what };
        Played {
            file: outcome.path.display().to_string(),
            queries: outcome.queries,
            failures: outcome.failures.into_iter().map(failed).collect(),
            trace: outcome.trace,
        }
    }
}

fn show(played: &Played) -> String {
    let mut page: String = played.trace.iter().map(|line| format!("{line}\n")).collect();
    let file = &played.file;
    for failed in &played.failures {
        page.push_str(&format!("{file}:{}: {}\n", failed.line, failed.what));
    }
    let verdict = match played.failures.len() {
        0 => "holds".to_string(),
        many => format!("does not hold, {}", count(many as u64, "failure")),
    };
    page.push_str(&format!("{file}: {verdict}, {} asked\n", count(played.queries as u64, "question")));
    page
}
