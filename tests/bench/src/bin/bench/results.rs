//! All that was measured, in the order of the cases, as a file that a later run of some cases adds to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cases::{self, Case};
use crate::figures::Row;
use crate::peers::Peer;
use crate::setting::Setting;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    pub machine: Machine,
    pub cases: Vec<CaseResult>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gb: f64,
    pub kernel: String,
    pub system: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseResult {
    pub id: String,
    pub title: String,
    /// When it was measured (UTC).
    pub date: String,
    /// At most so many runs of about so many seconds; each figure has as many values as it was measured.
    pub runs: usize,
    pub seconds: f64,
    pub versions: BTreeMap<String, String>,
    /// Why there is no row at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    pub rows: Vec<Row>,
}

impl Results {
    pub fn of_this_machine() -> Results {
        Results { machine: Machine::this_one(), cases: Vec::new() }
    }

    /// Those of an earlier run, if it was on this machine; else none.
    pub fn earlier(file: &Path) -> Results {
        let fresh = Results::of_this_machine();
        let Ok(text) = fs::read_to_string(file) else { return fresh };
        match serde_json::from_str::<Results>(&text) {
            Ok(earlier) if earlier.machine == fresh.machine => earlier,
            Ok(_) => {
                eprintln!("{} is of another machine or kernel and is begun anew", file.display());
                fresh
            }
            Err(fault) => {
                eprintln!("{} can't be read and is begun anew: {fault}", file.display());
                fresh
            }
        }
    }

    /// Puts a case in its place, instead of what was there.
    pub fn put(&mut self, result: CaseResult) {
        self.cases.retain(|case| case.id != result.id);
        self.cases.push(result);
        let place = |id: &str| cases::ALL.iter().position(|case| case.id == id);
        self.cases.sort_by_key(|case| place(&case.id));
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("{} can't be written", file.display()))
    }

    pub fn case(&self, id: &str) -> Option<&CaseResult> {
        self.cases.iter().find(|case| case.id == id)
    }

    /// Each server's version; of cases that were measured with another one, the latest.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let mut by_date: Vec<&CaseResult> = self.cases.iter().collect();
        by_date.sort_by(|one, other| one.date.cmp(&other.date));
        by_date.into_iter().flat_map(|case| case.versions.clone()).collect()
    }
}

impl CaseResult {
    pub fn new(case: &Case, setting: &Setting, rows: Vec<Row>) -> CaseResult {
        let took_part = |peer: &&&Peer| rows.iter().any(|row| row.server == peer.name);
        let versions = setting
            .peers
            .iter()
            .filter(took_part)
            .filter_map(|peer| Some((peer.name.into(), version(peer)?)));
        CaseResult {
            id: case.id.into(),
            title: case.title.into(),
            date: output("date", &["-u", "+%Y-%m-%d %H:%M"]).unwrap_or_default(),
            runs: setting.runs,
            seconds: setting.seconds,
            versions: versions.collect(),
            failed: None,
            rows,
        }
    }

    pub fn row(&self, server: &str, variant: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.server == server && row.variant == variant)
    }
}

/// Of our own server also the commit.
fn version(peer: &Peer) -> Option<String> {
    let version = peer.version()?;
    if peer.name != "dnsfwd" {
        return Some(version);
    }
    let commit = output("git", &["rev-parse", "--short", "HEAD"])?;
    let changed = output("git", &["status", "--porcelain", "--", "src", "Cargo.lock"]).is_some();
    Some(format!("{version} ({commit}{})", if changed { " and changes" } else { "" }))
}

impl Machine {
    fn this_one() -> Machine {
        Machine {
            processor: line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism().map_or(0, |cores| cores.get()),
            memory_gb: memory_gb().unwrap_or_default(),
            kernel: output("uname", &["-r"]).unwrap_or_default(),
            system: system().unwrap_or_default(),
        }
    }
}

fn memory_gb() -> Option<f64> {
    let kib: f64 = line_of("/proc/meminfo", "MemTotal")?.split_whitespace().next()?.parse().ok()?;
    Some((kib * 1024.0 / 1e8).round() / 10.0)
}

fn system() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').into())
}

/// What follows the colon on the line with this key.
fn line_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().into())
}

/// What a command prints, if it prints anything and succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    (!text.is_empty()).then_some(text)
}
