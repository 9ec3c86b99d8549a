//! The benchmark itself works: small runs with the floor and dnsfwd alone. Nothing here is about speed.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The benchmark with the floor and dnsfwd, all its files in `folder`.
fn bench(folder: &Path, only: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(["--peers", "floor,dnsfwd", "--only", only, "--out"]).arg(folder.join("out"));
    command.args(arguments).env("TMPDIR", folder).stdin(Stdio::null());
    command
}

fn number(row: &Value, figure: &str) -> f64 {
    row["figures"][figure]["median"].as_f64().unwrap_or_else(|| panic!("no {figure} in {row}"))
}

#[test]
fn a_quick_run_answers_everything_and_tells_so() {
    let folder = tempfile::tempdir().unwrap();
    let only = "cached-10k,forwarded,tcp-pipelined,tcp-each,zone,reload";
    let output = bench(folder.path(), only, &["--quick"]).output().unwrap();
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let results = fs::read_to_string(folder.path().join("out/result.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    assert!(results["machine"]["cores"].as_u64().unwrap() >= 2);
    let cases = results["cases"].as_array().unwrap();
    let ids: Vec<&str> = cases.iter().filter_map(|case| case["id"].as_str()).collect();
    assert_eq!(ids, only.split(',').collect::<Vec<_>>(), "{said}");
    for case in cases {
        assert!(case["versions"]["dnsfwd"].is_string(), "{case}");
        let rows = case["rows"].as_array().unwrap();
        assert!(rows.iter().any(|row| row["server"] == "dnsfwd"), "{case}");
        for row in rows {
            assert_eq!(row.get("failed"), None, "{said}");
            assert!(number(row, "sent") > 0.0, "{row}");
            assert_eq!(number(row, "lost"), 0.0, "{row}");
            assert_eq!(number(row, "wrong"), 0.0, "{row}");
            assert!(number(row, "p50_us") <= number(row, "p99_us"), "{row}");
            if case["id"] != "reload" {
                assert!(number(row, "cpu_us") > 0.0, "{row}");
            }
        }
    }
    let chart = fs::read_to_string(folder.path().join("out/chart.svg")).unwrap();
    assert!(chart.starts_with("<svg") && chart.contains("dnsfwd"), "{chart}");
}

/// Each question is accounted for once, whatever was silent when.
#[test]
fn an_outage_is_told_phase_by_phase() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(folder.path(), "live", &["--quick"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let results = fs::read_to_string(folder.path().join("out/result.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    let rows = results["cases"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "the floor forwards nothing, and quick is one load: {said}");
    let figure = |name: &str| number(&rows[0], name);
    let phases = ["well", "first", "back1", "second", "back2", "both", "back3"];
    let sent: f64 = phases.iter().map(|phase| figure(&format!("{phase}_sent"))).sum();
    assert_eq!(sent, figure("sent"));
    assert!(sent > 4000.0, "9.2 s at 500 a second, not {sent}");
    for phase in phases {
        let of = |name: &str| figure(&format!("{phase}_{name}"));
        assert!(of("lost") + of("servfail") <= of("sent"), "{phase}");
        assert!(of("p50_ms") <= of("p99_ms") && of("p99_ms") <= of("max_ms"), "{phase}");
        // The targets take 1 ms.
        assert!(phase == "both" || of("p50_ms") >= 1.0, "{phase}");
    }
    assert_eq!((figure("well_lost"), figure("well_servfail"), figure("stray")), (0.0, 0.0, 0.0));
    assert!(figure("dark_clients") <= figure("dark_heard"));
}

/// Results of other cases stay when some are measured again.
#[test]
fn a_later_run_adds_to_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    for only in ["cached-10k", "cached-1"] {
        let short = ["--runs", "1", "--seconds", "0.2"];
        let output = bench(folder.path(), only, &short).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let goals = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(goals.contains("at most 1.15 × the floor's"), "{goals}");
    }
    let results = fs::read_to_string(folder.path().join("out/result.json")).unwrap();
    let results: Value = serde_json::from_str(&results).unwrap();
    let ids: Vec<&str> =
        results["cases"].as_array().unwrap().iter().filter_map(|case| case["id"].as_str()).collect();
    assert_eq!(ids, ["cached-10k", "cached-1"]);
}

/// What it starts ends with it, and its folder goes, when it is interrupted in the midst of a run.
#[test]
fn an_interrupt_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = bench(folder.path(), "cached-10k", &["--seconds", "60"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("both servers run", || processes_in(folder.path()).len() == 1 && has_floor(&running));
    thread::sleep(Duration::from_millis(500));
    let signal = Command::new("kill").arg("-INT").arg(running.id().to_string()).status().unwrap();
    assert!(signal.success());
    let status = end_of(&mut running);
    assert_eq!(status.code(), Some(2));
    assert_eq!(processes_in(folder.path()), Vec::<String>::new());
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().filter_map(Result::ok).map(|it| it.file_name()).collect();
    assert_eq!(left, ["out"]);
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn end_of(running: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until("it ends", || {
        status = running.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Command lines of servers whose configuration lies in this folder.
fn processes_in(folder: &Path) -> Vec<String> {
    command_lines()
        .into_iter()
        .filter(|line| line.contains(&*folder.to_string_lossy()) && line.contains(" serve "))
        .collect()
}

/// The floor is started before dnsfwd and knows no folder: it is a child of the benchmark.
fn has_floor(running: &Child) -> bool {
    let children =
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.id())).unwrap_or_default();
    children.split_whitespace().count() == 2
}

fn command_lines() -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}
