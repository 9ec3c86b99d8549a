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

    /// Puts a case in its place, instead of what was there; of a case in which each server was measured for itself,
    /// other servers' rows stay.
    pub fn put(&mut self, mut result: CaseResult, apart: bool) {
        if let Some(earlier) = self.case(&result.id).filter(|_| apart) {
            result.take_others(earlier);
        }
        self.cases.retain(|case| case.id != result.id);
        self.cases.push(result);
        let place = |id: &str| cases::ALL.iter().position(|case| case.id == id);
        self.cases.sort_by_key(|case| place(&case.id));
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        fs::write(file, self.text()?).with_context(|| format!("{} can't be written", file.display()))
    }

    /// JSON with a line for each row.
    fn text(&self) -> Result<String> {
        let cases = self.cases.iter().map(CaseResult::text).collect::<Result<Vec<_>>>()?;
        let machine = serde_json::to_string(&self.machine)?;
        Ok(format!("{{\"machine\":{machine},\n\"cases\":[\n{}\n]}}\n", cases.join(",\n")))
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

    fn take_others(&mut self, earlier: &CaseResult) {
        let measured: Vec<String> = self.rows.iter().map(|row| row.server.clone()).collect();
        let is_other = |server: &String| !measured.contains(server);
        self.rows.extend(earlier.rows.iter().filter(|row| is_other(&row.server)).cloned());
        let versions = earlier.versions.iter().filter(|(server, _)| is_other(server));
        self.versions.extend(versions.map(|(server, version)| (server.clone(), version.clone())));
    }

    fn text(&self) -> Result<String> {
        let rows = self.rows.iter().map(|row| serde_json::to_string(&row.brief()));
        let rows = rows.collect::<Result<Vec<_>, _>>()?.join(",\n");
        let head = serde_json::to_string(&CaseResult { rows: Vec::new(), ..self.clone() })?;
        let head = head.strip_suffix("]}").context("the rows are not the last of a case")?;
        Ok(format!("{head}\n{rows}\n]}}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;

    fn result(id: &str, servers: &[(&str, f64)]) -> CaseResult {
        let row = |(server, value): &(&str, f64)| {
            let mut row = Row::new(server, "");
            row.add(Figures::from([("max_ms".into(), *value)]));
            row
        };
        CaseResult {
            id: id.into(),
            title: String::new(),
            date: String::new(),
            runs: 1,
            seconds: 1.0,
            versions: servers.iter().map(|(server, _)| (server.to_string(), "1".into())).collect(),
            failed: None,
            rows: servers.iter().map(row).collect(),
        }
    }

    fn results() -> Results {
        let machine = Machine {
            processor: String::new(),
            cores: 2,
            memory_gb: 1.0,
            kernel: String::new(),
            system: String::new(),
        };
        Results { machine, cases: vec![result("live", &[("dnsfwd", 1.0), ("unbound", 2.0)])] }
    }

    #[test]
    fn what_was_measured_apart_stays_beside_what_is_new() {
        let mut results = results();
        results.put(result("live", &[("dnsfwd", 3.0)]), true);
        let case = results.case("live").expect("it was put");
        let max = |server| case.row(server, "").and_then(|row| row.median("max_ms"));
        assert_eq!((max("dnsfwd"), max("unbound"), case.rows.len()), (Some(3.0), Some(2.0), 2));
        assert_eq!(case.versions.len(), 2);
        results.put(result("live", &[("dnsfwd", 4.0)]), false);
        assert_eq!(results.case("live").map(|case| case.rows.len()), Some(1));
    }

    #[test]
    fn the_file_is_read_back_and_has_a_line_for_each_row() {
        let text = results().text().expect("it can be written");
        let again: Results = serde_json::from_str(&text).expect("it is JSON");
        let medians: Vec<_> = again.cases[0].rows.iter().filter_map(|row| row.median("max_ms")).collect();
        assert_eq!(medians, [1.0, 2.0]);
        assert_eq!(text.lines().filter(|line| line.contains("max_ms")).count(), 2);
        assert_eq!(again.text().ok(), Some(text));
    }
}
