//! The manual and the README: every file is a topic, every link leads somewhere, and every configuration in them is one
//! that `dnsfwd check` accepts.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::dnsfwd::binary;
use common::run;
use dnsfwd::manual::{TOPICS, find};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The topics' files, and all else that users read in Markdown.
fn pages() -> Vec<PathBuf> {
    let topics = TOPICS.iter().map(|topic| root().join(format!("src/manual/{}.md", topic.name)));
    let others = ["README.md", "CHANGELOG.md", "tests/bench/results/README.md"].map(|page| root().join(page));
    topics.chain(others).collect()
}

#[test]
fn every_file_is_a_topic_once() {
    let entries = fs::read_dir(root().join("src/manual")).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<String> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let names: BTreeSet<String> = TOPICS.iter().map(|topic| topic.name.to_owned()).collect();
    assert_eq!(files, names);
    assert_eq!(names.len(), TOPICS.len(), "no topic is listed twice");
}

#[test]
fn topics_have_a_heading_a_text_and_a_short_line_about_them() {
    for topic in TOPICS {
        assert!(topic.text.starts_with("# "), "{} begins with its heading", topic.name);
        assert!(topic.text.lines().count() > 10, "{} says something", topic.name);
        assert!(topic.text.lines().all(|line| line.trim_end() == line), "{} has spaces at ends", topic.name);
        let width = 20 + topic.about.chars().count();
        assert!((30..110).contains(&width), "{}: {}", topic.name, topic.about);
    }
}

/// What a network engineer reads in five minutes.
#[test]
fn the_readme_is_short_and_leads_into_the_manual() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 300, "{} lines", readme.lines().count());
    for name in ["configuration", "moving", "failover", "operating", "troubleshooting", "limits"] {
        assert!(readme.contains(&format!("(src/manual/{name}.md")), "the README does not lead to {name}");
    }
}

/// Lines outside of blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !fence && !in_block
    })
}

/// Where `[…](…)` leads to. Code between backticks has no links.
fn links(text: &str) -> Vec<String> {
    let links = |line: &str| -> Vec<String> {
        let bare: String = line.split('`').step_by(2).collect();
        bare.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
    };
    prose(text).flat_map(links).collect()
}

/// The places in a page, as they are derived from its headings on the web.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut followed = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).iter().filter(|link| !link.starts_with("https://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            let is_there =
                anchor.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
            assert!(is_there, "{}: {link}: there is no such heading", page.display());
            followed += 1;
        }
    }
    assert!(followed > 50, "only {followed} links were found");
}

/// Blocks of a language in a page; those within lists too.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}");
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == begin {
            let block = lines.by_ref().take_while(|line| line.trim() != "```");
            blocks.push(block.collect::<Vec<_>>().join("\n") + "\n");
        }
    }
    blocks
}

/// Each is a whole configuration, with the files beside it that it names, and has no error.
#[test]
fn every_configuration_is_sound() {
    let mut checked = 0;
    for page in pages() {
        for block in blocks(&fs::read_to_string(&page).unwrap(), "toml") {
            let folder = tempfile::tempdir().unwrap();
            write_what_it_names(folder.path());
            let file = folder.path().join("dnsfwd.toml");
            fs::write(&file, &block).unwrap();
            let output = run(Command::new(binary()).args(["check", "--config"]).arg(&file));
            assert!(output.code < 2, "{}\n{block}\n{}", page.display(), output.stdout);
            checked += 1;
        }
    }
    assert!(checked >= 7, "only {checked} configurations were found");
}

fn write_what_it_names(folder: &Path) {
    let zone = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.168.2.250\n";
    for file in ["anycompany.corp.zone", "dhcp.anycompany.corp.zone"] {
        fs::write(folder.join(file), zone).unwrap();
    }
    fs::create_dir(folder.join("keys")).unwrap();
    fs::write(folder.join("keys/xfr.key"), "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap();
}

/// The keys that stand at the beginning of a line of `conf/dnsfwd.toml`, which has all of them.
#[test]
fn every_key_is_in_the_manual() {
    let conf = fs::read_to_string(root().join("conf/dnsfwd.toml")).unwrap();
    let key = |line: &str| {
        let (key, _) = line.trim_start_matches("#: ").split_once(" = ")?;
        key.chars().all(|c| c.is_ascii_lowercase() || c == '_').then(|| key.to_owned())
    };
    let keys: BTreeSet<String> = conf.lines().filter_map(key).collect();
    assert!(keys.len() > 40, "{keys:?}");
    let text = ["configuration", "aws"].map(|topic| find(topic).unwrap().text).concat();
    let absent: Vec<&String> = keys.iter().filter(|key| !text.contains(&format!("`{key}`"))).collect();
    assert!(absent.is_empty(), "the topics `configuration` and `aws` lack {absent:?}");
}

/// And each scenario plays, and holds.
#[test]
fn the_manuals_scenario_holds() {
    let text = find("scenarios").unwrap().text;
    let blocks: Vec<String> =
        blocks(text, "").into_iter().filter(|block| block.contains("\nconfig\n")).collect();
    assert_eq!(blocks.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tunnel.scenario");
    fs::write(&file, &blocks[0]).unwrap();
    let output = run(Command::new(binary()).arg("scenario").arg(&file));
    assert_eq!(output.code, 0, "{}", output.stdout);
}

#[test]
fn the_command_lists_topics_and_shows_them() {
    let manual = |arguments: &[&str]| run(Command::new(binary()).arg("manual").args(arguments));
    let list = manual(&[]);
    assert_eq!(list.code, 0);
    for topic in TOPICS {
        assert!(list.stdout.lines().any(|line| line.starts_with(topic.name) && line.ends_with(topic.about)));
    }
    let caching = manual(&["caching"]);
    assert_eq!((caching.code, caching.stdout.as_str()), (0, find("caching").unwrap().text));
    let slip = manual(&["cahcing"]);
    assert_eq!((slip.code, slip.stdout.as_str()), (2, ""));
    assert_eq!(slip.stderr, "dnsfwd: there is no topic 'cahcing'; did you mean 'caching'?\n");
    let json: serde_json::Value = serde_json::from_str(&manual(&["--json"]).stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), TOPICS.len());
}
