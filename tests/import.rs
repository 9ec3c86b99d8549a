//! `dnsfwd import` beside BIND's own `named-checkconf`: what it reads is read here, and what it refuses to read is
//! refused. Golden receipts show what becomes of each construct; what is written is sound.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::dnsfwd::binary;
use common::{Output, run};
use dnsfwd::config::{self, Severity};
use dnsfwd::import::bind::Version;
use dnsfwd::import::output::{self, Existing};
use dnsfwd::import::{self, Kind, Options};

/// What `named-checkconf` says of a file: its first line has it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    Accepted,
    /// Its parser refuses it.
    WrongForm,
    /// It reads it, and refuses what it means; the meaning is judged here statement by statement.
    WrongMeaning,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/bind")
}

fn corpus() -> Vec<(PathBuf, Said)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "conf") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let said = match text.lines().next().unwrap() {
            "// accepted" => Said::Accepted,
            "// wrong form" => Said::WrongForm,
            "// wrong meaning" => Said::WrongMeaning,
            line => panic!("{}: {line}", path.display()),
        };
        files.push((path, said));
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(files.len() >= 100);
    files
}

/// The corpus says what BIND says, and what BIND reads is read here.
#[test]
fn what_bind_reads_is_read() {
    let mut wrong = Vec::new();
    for (path, said) in corpus() {
        let output =
            run(Command::new("named-checkconf").arg(path.file_name().unwrap()).current_dir(folder()));
        let accepted = output.code == 0;
        if accepted != (said == Said::Accepted) {
            wrong.push(format!("{}: BIND says {}", path.display(), output.all()));
        }
        let ours = import::import(Kind::Bind, &path, &Options::default());
        if ours.is_ok() != (said != Said::WrongForm) {
            let ours = ours.map(|_| "read").map_err(|fault| fault.to_string());
            wrong.push(format!("{}: {said:?}, but {ours:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever addresses the machine has that runs the tests.
fn options() -> Options {
    const INTERFACES: [&str; 6] =
        ["127.0.0.1/8", "192.0.2.53/24", "10.0.0.53/8", "::1/128", "2001:db8::53/64", "fe80::53/64"];
    let interfaces = INTERFACES.iter().map(|address| address.parse().unwrap()).collect();
    Options { interfaces: Some(interfaces), ..Options::default() }
}

/// What is said of a file, and what is written.
fn shown(path: &Path) -> String {
    match import::import(Kind::Bind, path, &options()) {
        Err(fault) => format!("unreadable: {fault}\n"),
        Ok(imported) => {
            let receipt = &imported.receipt;
            let toml = imported.draft.to_toml(receipt.kind, &receipt.source);
            let mut text = format!("{}\n--- dnsfwd.toml\n{toml}", receipt.text());
            for file in &imported.files {
                text.push_str(&format!("--- {}\n", file.path.display()));
                text.push_str(&String::from_utf8_lossy(&file.contents));
            }
            text
        }
    }
}

/// `DNSFWD_BLESS=1` writes the receipts anew, to be read before they are committed.
#[test]
fn receipts_are_as_they_were_read() {
    let bless = std::env::var_os("DNSFWD_BLESS").is_some();
    let mut wrong = Vec::new();
    let stage = Stage::new();
    for (path, _) in corpus() {
        let staged = stage.0.path().join(path.file_name().unwrap());
        let actual = shown(&staged).replace(&format!("{}/", stage.0.path().display()), "");
        let golden = path.with_extension("receipt");
        if bless {
            fs::write(&golden, &actual).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", golden.display()));
        }
    }
    assert!(!bless, "written anew: read them, then run without DNSFWD_BLESS");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The corpus in a folder whose name has the same length everywhere, as sentences are wrapped with it in them.
struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Stage {
        let stage =
            tempfile::Builder::new().prefix("dnsfwd-corpus-").rand_bytes(6).tempdir_in("/tmp").unwrap();
        copy(&folder(), stage.path());
        Stage(stage)
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => {
                fs::create_dir(&to).unwrap();
                copy(&entry.path(), &to);
            }
            false => drop(fs::copy(entry.path(), &to).unwrap()),
        }
    }
}

/// Whatever is imported, and by the defaults of either version, has no error for `check`.
#[test]
fn what_is_written_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (path, said)) in corpus().into_iter().enumerate() {
        for version in [Version::V9_18, Version::V9_20] {
            let Ok(imported) =
                import::import(Kind::Bind, &path, &Options { bind_version: version, ..Options::default() })
            else {
                // Later versions know more words.
                assert_eq!(said, Said::WrongForm, "{}", path.display());
                continue;
            };
            let out = folder.path().join(format!("{number}-{version:?}"));
            let written = output::write(&imported, &out, Existing::Keep);
            written.unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
            let check = dnsfwd::serve::check(&out.join(output::CONFIG));
            let errors: Vec<&str> = check
                .diagnostics
                .iter()
                .filter(|fault| fault.severity == Severity::Error)
                .map(|fault| fault.message.as_str())
                .collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        }
    }
}

/// The company's BIND box: nothing needs its administrator, and the rules are those that were meant.
#[test]
fn the_company_is_imported_whole() {
    let imported = import::import(Kind::Bind, &folder().join("mission.conf"), &Options::default()).unwrap();
    assert_eq!(imported.receipt.counts().refused, 0);
    let folder = tempfile::tempdir().unwrap();
    output::write(&imported, &folder.path().join("new"), Existing::Keep).unwrap();
    let config = config::load(&folder.path().join("new/dnsfwd.toml")).config.unwrap();
    let rules: Vec<(String, Vec<String>)> = config
        .rules
        .iter()
        .map(|rule| {
            let config::RuleAction::Forward { endpoint } = rule.action else { panic!("a FORWARD rule") };
            let targets = &config.endpoints[endpoint as usize].targets;
            (rule.name().to_string(), targets.iter().map(|target| target.address.to_string()).collect())
        })
        .collect();
    let inbound = ["10.0.1.250:53".to_owned(), "10.0.2.250:53".to_owned()].to_vec();
    let expected = [
        (".".to_owned(), vec!["8.8.8.8:53".to_owned()]),
        ("awsanycompany.corp".to_owned(), inbound.clone()),
        ("ap-northeast-2.compute.internal".to_owned(), inbound),
    ];
    assert_eq!(rules, expected);
}

/// Statements that came with 9.20 are read where that version is meant, and named where it is not.
#[test]
fn words_of_the_later_version() {
    let text = "options { forwarders { 192.0.2.1; }; responselog no; };\nremote-servers r { 192.0.2.3; };\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named.conf");
    fs::write(&path, text).unwrap();
    let fault = import::import(Kind::Bind, &path, &Options::default()).unwrap_err();
    assert!(fault.help.contains("--bind-version 9.20"), "{fault}");
    import::import(Kind::Bind, &path, &Options { bind_version: Version::V9_20, ..Options::default() })
        .unwrap();
}

fn command(arguments: &[&str]) -> Output {
    run(Command::new(binary()).arg("import").args(arguments))
}

/// Names of what lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn exit_codes_say_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).display().to_string();
    let source = |name: &str| self::folder().join(name).display().to_string();
    let all = command(&[&source("mission.conf"), "--out", &out("all")]);
    assert_eq!(all.code, 0, "{}", all.all());
    assert!(all.stdout.contains("0 refused") && all.stderr.contains("looks like BIND"), "{}", all.all());
    assert_eq!(names(&folder.path().join("all")), ["dnsfwd.toml", "receipt.json", "receipt.txt"]);
    let text = fs::read_to_string(folder.path().join("all/receipt.txt")).unwrap();
    assert!(all.stdout.starts_with(&text));

    let some = command(&[&source("recursion-full.conf"), "--out", &out("some"), "--from", "bind", "--json"]);
    assert_eq!(some.code, 1, "{}", some.all());
    let receipt: serde_json::Value = serde_json::from_str(&some.stdout).unwrap();
    assert_eq!(receipt["counts"]["refused"], 1);
    assert_eq!(receipt["entries"][0]["line"], 2);
    assert_eq!(fs::read_to_string(folder.path().join("some/receipt.json")).unwrap(), some.stdout);

    let none = command(&[&source("semicolon-missing.conf"), "--out", &out("none")]);
    assert_eq!(none.code, 2, "{}", none.all());
    assert!(none.stderr.contains("semicolon-missing.conf:4:2:"), "{}", none.all());
    let gone = command(&[&source("nosuch.conf"), "--out", &out("none")]);
    assert_eq!(gone.code, 2, "{}", gone.all());
    // Nothing of the failures is left, hidden or not.
    assert_eq!(names(folder.path()), ["all", "some"]);
}

#[test]
fn a_folder_is_overwritten_only_by_who_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = out.display().to_string();
    let source = self::folder().join("zone-primary.conf").display().to_string();
    let import = |more: &[&str]| {
        let arguments: Vec<&str> = [&[source.as_str(), "--out", &path], more].concat();
        command(&arguments).code
    };
    fs::create_dir(&out).unwrap();
    // Zones are refused nothing, and the open recursion is not in this file.
    assert_eq!(import(&[]), 0, "an empty folder is as good as none");
    assert_eq!(import(&[]), 2, "what is there is kept");
    assert_eq!(import(&["--force"]), 0);
    assert!(out.join("zones/corp.example.zone").exists());
    fs::write(out.join("notes.txt"), "mine").unwrap();
    assert_eq!(import(&["--force"]), 2, "notes are nobody's to remove");
    fs::remove_file(out.join("notes.txt")).unwrap();
    fs::write(out.join("dnsfwd.toml"), "version = 1\n").unwrap();
    assert_eq!(import(&["--force"]), 2, "neither is what was changed by hand");
    assert_eq!(fs::read_to_string(out.join("dnsfwd.toml")).unwrap(), "version = 1\n");
    assert_eq!(names(folder.path()), ["out"]);
}

/// Secrets are in files of their own, which not everybody may read, and nowhere else.
#[test]
fn secrets_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let imported =
        import::import(Kind::Bind, &self::folder().join("acl-forms.conf"), &Options::default()).unwrap();
    output::write(&imported, &out, Existing::Keep).unwrap();
    const SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAxMjM0NQ==";
    let key = out.join("keys/updates.key");
    assert_eq!(fs::read_to_string(&key).unwrap().trim(), SECRET);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o007, 0);
    for name in ["dnsfwd.toml", "receipt.txt", "receipt.json"] {
        assert!(!fs::read_to_string(out.join(name)).unwrap().contains(SECRET), "{name}");
    }
}

/// The manual's sample is what the program prints.
#[test]
fn the_manuals_receipt_is_todays() {
    let manual = include_str!("../src/manual/import.md");
    let begin = manual.find("$ dnsfwd import ").unwrap();
    let sample = manual[begin..].split_once('\n').unwrap().1.split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("named.conf"),
        fs::read_to_string(self::folder().join("mission.conf")).unwrap().split_once('\n').unwrap().1,
    )
    .unwrap();
    let output =
        run(Command::new(binary()).current_dir(folder.path()).args(["import", "named.conf", "--out", "new"]));
    assert_eq!(output.stdout.trim_end(), sample.trim_end());
}
