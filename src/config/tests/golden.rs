//! Each fault and warning as users see it: input above, rendering below, character for character.

use std::fmt::Write;

use super::super::diagnostic::render;
use super::Folder;

/// Files of cases: `=== name`, the file's text, `---`, the rendering. `DNSFWD_BLESS=1` writes the renderings
/// anew, to be read before they are committed.
fn run(path: &str) {
    let path = format!("{}/src/config/tests/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (mut blessed, mut wrong) = (String::new(), String::new());
    for case in text.split("=== ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (input, expected) = rest.split_once("---\n").unwrap();
        let actual = rendered(input);
        write!(blessed, "=== {name}\n{input}---\n{actual}\n").unwrap();
        if actual.trim_end() != expected.trim_end() {
            write!(wrong, "=== {name}\n{actual}\nbut expected:\n{expected}").unwrap();
        }
    }
    if std::env::var_os("DNSFWD_BLESS").is_some() {
        std::fs::write(&path, blessed).unwrap();
        panic!("written anew: read {path}, then run without DNSFWD_BLESS");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A line `>> name` begins another file; before the first, the text is the main file's.
fn rendered(input: &str) -> String {
    let mut files = vec![("dnsfwd.toml", String::new())];
    for line in input.lines() {
        match line.strip_prefix(">> ") {
            Some(name) => files.push((name, String::new())),
            None => files.last_mut().unwrap().1.push_str(&format!("{line}\n")),
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Folder::new(&files).rendered()
}

#[test]
fn errors() {
    run("errors.txt");
}

#[test]
fn warnings() {
    run("warnings.txt");
}

#[test]
fn errors_of_aws() {
    run("aws-errors.txt");
}

#[test]
fn warnings_of_aws() {
    run("aws-warnings.txt");
}

/// Whatever can be said of `[aws]` is said in one of the cases.
#[test]
fn every_fault_of_aws_is_shown() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let shown = read("tests/aws-errors.txt") + &read("tests/aws-warnings.txt");
    let folders =
        ["aws", "aws/build", "aws/analysis"].map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let sources = files.map(|path| std::fs::read_to_string(path).unwrap());
    let sources: Vec<String> = sources.chain([read("schema/aws.rs"), read("check.rs")]).collect();
    let words = sources.iter().flat_map(|text| text.split('"').skip(1).step_by(2));
    let is_code =
        |word: &&str| word.starts_with("aws-") && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let codes: std::collections::BTreeSet<&str> = words.filter(is_code).collect();
    // What names things in examples, and a file that is lost in another test.
    let others = ["aws-followed", "aws-inbound"];
    let absent: Vec<_> =
        codes.iter().filter(|code| !others.contains(code) && !shown.contains(&format!("[{code}]"))).collect();
    assert!(absent.is_empty() && codes.len() > 20, "{absent:?} of {codes:?}");
}

#[test]
fn colour_is_by_request() {
    let folder = Folder::new(&[("dnsfwd.toml", "version = 2\n")]);
    let diagnostics = folder.load().diagnostics;
    assert!(
        render(&diagnostics, true).contains("\u{1b}[") && !render(&diagnostics, false).contains('\u{1b}')
    );
}
