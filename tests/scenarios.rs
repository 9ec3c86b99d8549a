//! Plays every file in tests/scenarios on the real core, without a network and on a clock of its own.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use dnsfwd::scenario::{Scenario, play};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "txt")).collect();
    files.sort();
    assert!(files.len() >= 110, "the scenarios are in tests/scenarios: {}", files.len());
    files
}

#[test]
fn every_scenario_holds() {
    let mut report = String::new();
    for file in files() {
        match play(&file, false) {
            Err(fault) => report.push_str(&format!("{fault}\n")),
            Ok(outcome) => {
                for failure in outcome.failures {
                    report.push_str(&format!("{}:{}: {}\n", file.display(), failure.line, failure.what));
                }
            }
        }
    }
    assert!(report.is_empty(), "\n{report}see all of one with: dnsfwd scenario --trace FILE");
}

/// The same file comes out the same, to the last line of its trace.
#[test]
fn a_scenario_comes_out_the_same_each_time() {
    for file in files().iter().step_by(7) {
        let [one, other] = [(); 2].map(|()| play(file, true).unwrap().trace);
        assert!(one == other, "{} came out in two ways", file.display());
    }
}

/// One that expects what does not happen fails, and says so at its line.
#[test]
fn what_does_not_hold_is_told_with_its_line() {
    let text = include_str!("scenarios/one-of-two-silent.txt");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.txt");
    std::fs::write(&file, format!("{text}\nexpect answers NXDOMAIN\nat 1m expect state 10.0.2.250 down\n"))
        .unwrap();
    let lines = text.lines().count();
    let failures = play(&file, false).unwrap().failures;
    let at: Vec<usize> = failures.iter().map(|failure| failure.line).collect();
    assert_eq!(at, [lines + 2, lines + 3], "{failures:?}");
}

/// What can't be read is refused with its line and a way out.
#[test]
fn faults_have_a_line_and_help() {
    let config = "config\nversion = 1\nend\n";
    let cases = [
        ("config\nend\nexpect answer\n", 0, "no comment"),
        ("# a\nexpect answer\n", 0, "no configuration"),
        ("# a\nconfig\nversion = 1\n", 2, "no end"),
        (&format!("# a\n{config}at 5 expect waiting = 0"), 5, "`5` is no time"),
        (&format!("# a\n{config}at 5s expect waiting = 0\nat 1s expect waiting = 0"), 6, "before the line"),
        (&format!("# a\n{config}at 5s 10.0.0.1 sings"), 5, "nothing that a target does"),
        (&format!("# a\n{config}at 5s client 10.0.0.1 asks a..b A"), 5, "no name"),
        (&format!("# a\n{config}expect answer NOERROR loudly"), 5, "`loudly` is not understood"),
        (&format!("# a\n{config}wait"), 5, "`wait` begins no line"),
    ];
    for (text, line, words) in cases {
        let fault = Scenario::parse(Path::new("s.txt"), text).err().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(fault.line, line, "{text}: {fault}");
        assert!(fault.message.contains(words) && !fault.help.is_empty(), "{text}: {fault}");
    }
}

/// A fault in the configuration is shown where it stands in the scenario's file.
#[test]
fn faults_of_the_configuration_have_the_files_own_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.txt");
    std::fs::write(&file, "# a\n\nconfig\nversion = 1\n[cache]\nsize = \"16M\"\nend\nexpect waiting = 0\n")
        .unwrap();
    let fault = play(&file, false).err().unwrap();
    assert_eq!(fault.line, 6, "{fault}");
    assert!(fault.help.contains("s.txt:6:8"), "{fault}");
}
