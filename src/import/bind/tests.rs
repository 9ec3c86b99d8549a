//! That no statement is left without an outcome, and that no bytes make reading panic or go on for ever.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::grammar::{self, In};
use super::tree::Statement;
use super::{Version, fates, files, options, validation};
use crate::import::{Imported, Options};

/// What the files about zones and views translate.
const OF_ZONES: [&str; 14] = [
    "type",
    "file",
    "in-view",
    "primaries",
    "masters",
    "server-addresses",
    "server-names",
    "update-policy",
    "key",
    "server",
    "zone",
    "match-clients",
    "match-destinations",
    "initial-file",
];
const OF_THE_TOP: [&str; 10] = [
    "acl",
    "primaries",
    "masters",
    "remote-servers",
    "parental-agents",
    "dnssec-policy",
    "logging",
    "tls",
    "http",
    "options",
];

#[test]
fn every_statement_has_an_outcome() {
    for place in [In::TOP, In::OPTIONS, In::VIEW, In::ZONE] {
        for name in grammar::names(place) {
            let known = fates::has(name)
                || options::ELSEWHERE.contains(&name)
                || options::HERE.contains(&name)
                || validation::HERE.contains(&name)
                || OF_ZONES.contains(&name)
                || (place == In::TOP && (OF_THE_TOP.contains(&name) || name == "view"));
            assert!(known, "`{name}` in {}", place.title());
        }
    }
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/bind");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    paths.sort();
    assert!(paths.len() >= 100);
    paths
}

/// Statements whose own words or whose whole are in the receipt.
fn unsaid<'a>(statements: &'a [Statement], imported: &Imported) -> Vec<&'a Statement> {
    let said =
        |statement: &Statement| imported.receipt.entries.iter().any(|entry| entry.place == statement.place);
    let mut unsaid = Vec::new();
    for statement in statements {
        match statement.name().as_str() {
            // What is within them has entries.
            "options" | "logging" | "server" => unsaid.extend(self::unsaid(statement.body(), imported)),
            // Refused as a whole, or each statement by itself.
            "view" if said(statement) => {
                let refused = imported.receipt.entries.iter().any(|entry| {
                    entry.place == statement.place
                        && matches!(entry.outcome, crate::import::Outcome::Refused { .. })
                });
                if !refused {
                    unsaid.extend(self::unsaid(statement.body(), imported));
                }
            }
            _ if !said(statement) => unsaid.push(statement),
            _ => {}
        }
    }
    unsaid
}

#[test]
fn nothing_is_dropped_in_silence() {
    for path in corpus() {
        let Ok(imported) = super::import(&path, &Options::default()) else { continue };
        let whole = files::read(&path, Version::V9_18).unwrap();
        let unsaid: Vec<String> =
            unsaid(&whole.statements, &imported).iter().map(|statement| statement.shown()).collect();
        assert!(unsaid.is_empty(), "{}: {unsaid:?}", path.display());
    }
}

/// Reads it from a file; what it gives is for others to judge.
fn read(text: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named.conf");
    std::fs::write(&path, text).unwrap();
    for version in [Version::V9_18, Version::V9_20] {
        if let Ok(imported) = super::import(&path, &Options { bind_version: version, ..Options::default() }) {
            let receipt = &imported.receipt;
            let toml = imported.draft.to_toml(receipt.kind, &receipt.source);
            toml.parse::<toml::Table>().unwrap_or_else(|fault| panic!("{fault}\n{toml}"));
            assert!(receipt.text().len() > 10);
        }
    }
}

/// Words that statements are made of: random ones hardly ever make one.
const WORDS: [&str; 34] = [
    "options",
    "zone",
    "view",
    "acl",
    "\"a.example\"",
    "type",
    "forward",
    "primary",
    "forwarders",
    "10.0.0.1",
    "10",
    "/",
    "8",
    "!",
    "{",
    "}",
    ";",
    "};",
    "any",
    "none",
    "key",
    "include",
    "\"named.conf\"",
    "\"*\"",
    "listen-on",
    "allow-query",
    "in-view",
    "yes",
    "port",
    "53",
    "server",
    "logging",
    "=",
    "match-clients",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(&text);
    }

    #[test]
    fn any_words_are_read_or_refused(words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..80)) {
        read(words.join(" ").as_bytes());
    }

    #[test]
    fn mutated_files_are_read_or_refused(
        file in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0..4u8, any::<u8>()), 1..6),
    ) {
        let corpus = corpus();
        let mut text = std::fs::read(&corpus[file.index(corpus.len())]).unwrap();
        for (at, what, byte) in changes {
            let at = at.index(text.len().max(1));
            match what {
                _ if text.is_empty() => {}
                0 => text[at] = byte,
                1 => drop(text.drain(at..(at + usize::from(byte)).min(text.len()))),
                2 => text.insert(at, b"{};!/\"#*"[usize::from(byte % 8)]),
                _ => {
                    let piece = text[at..(at + usize::from(byte)).min(text.len())].to_vec();
                    text.splice(at..at, piece);
                }
            }
        }
        read(&text);
    }
}

#[test]
fn nesting_is_bounded() {
    read(format!("acl a {}", "{".repeat(100_000)).as_bytes());
    read(format!("acl a {{ {} }};", "!".repeat(100_000)).as_bytes());
    read("include \"named.conf\";".as_bytes());
    read("include \"*\";\ninclude \"*\";".as_bytes());
}
