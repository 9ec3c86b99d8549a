//! The borders between the parts of the source, as the design draws them: read from the files themselves,
//! so that crossing one is a failing test and not a matter of taste.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Lines of code, with their numbers: no comments.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or("")))
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(&format!("{folder}/")) || self.path == format!("{folder}.rs")
    }

    /// Parts of our own crate that this file names: `crate::part`, also within braces.
    fn parts(&self) -> Vec<(usize, String)> {
        let mut parts = Vec::new();
        for (number, line) in self.lines() {
            for rest in line.split("crate::").skip(1) {
                let names = match rest.strip_prefix('{') {
                    Some(list) => list.split(['}', ',']).map(str::trim).collect(),
                    None => vec![rest],
                };
                for name in names {
                    let part: String =
                        name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if !part.is_empty() {
                        parts.push((number, part));
                    }
                }
            }
        }
        parts
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                sources.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    assert!(sources.len() > 20, "the sources are in src/");
    sources
}

/// Files in `folder` that name a part of ours other than those allowed.
fn crossings(folder: &str, allowed: &[&str]) -> Vec<String> {
    let sources = sources();
    let files: Vec<&Source> = sources.iter().filter(|source| source.is_in(folder)).collect();
    assert!(!files.is_empty(), "src/{folder} is there");
    let mut crossings = Vec::new();
    for source in files {
        for (line, part) in source.parts() {
            if !allowed.contains(&part.as_str()) {
                crossings.push(format!("src/{}:{line}: crate::{part}", source.path));
            }
        }
    }
    crossings
}

/// Messages as bytes know nothing of servers.
#[test]
fn wire_imports_nothing_of_ours() {
    assert_eq!(crossings("wire", &["wire"]), Vec::<String>::new());
}

/// Decisions are pure: names, and what the configuration says.
#[test]
fn policy_imports_wire_and_configuration_only() {
    assert_eq!(crossings("policy", &["policy", "wire", "config"]), Vec::<String>::new());
}

/// Zones in exchange with other servers know zones, messages and whom to allow; nothing of clients' questions.
#[test]
fn transfer_imports_zones_and_what_is_below() {
    assert_eq!(
        crossings("transfer", &["transfer", "zone", "policy", "config", "wire", "limits"]),
        Vec::<String>::new()
    );
}

/// Commands are for the program alone.
#[test]
fn nothing_imports_the_commands() {
    let sources = sources();
    let users = sources
        .iter()
        .filter(|source| !source.is_in("cli") && source.path != "main.rs" && source.path != "lib.rs");
    let crossings: Vec<String> = users
        .flat_map(|source| source.parts().into_iter().map(move |(line, part)| (source, line, part)))
        .filter(|(_, _, part)| part == "cli")
        .map(|(source, line, _)| format!("src/{}:{line}", source.path))
        .collect();
    assert_eq!(crossings, Vec::<String>::new());
}

/// Nothing of the server depends on the plays that are put on with it.
#[test]
fn only_commands_play_scenarios() {
    let sources = sources();
    let others = sources
        .iter()
        .filter(|source| !source.is_in("scenario") && !source.is_in("cli") && source.path != "lib.rs");
    let crossings: Vec<String> = others
        .flat_map(|source| source.parts().into_iter().map(move |(line, part)| (source, line, part)))
        .filter(|(_, _, part)| part == "scenario")
        .map(|(source, line, _)| format!("src/{}:{line}", source.path))
        .collect();
    assert_eq!(crossings, Vec::<String>::new());
    let allowed = ["scenario", "serve", "forward", "config", "wire", "control", "limits"];
    assert_eq!(self::crossings("scenario", &allowed), Vec::<String>::new());
}

/// The manual is text, for commands to show.
#[test]
fn only_commands_show_the_manual() {
    assert_eq!(crossings("manual", &[]), Vec::<String>::new());
    let sources = sources();
    let users: Vec<&str> = sources
        .iter()
        .filter(|source| source.parts().iter().any(|(_, part)| part == "manual"))
        .map(|source| source.path.as_str())
        .collect();
    assert_eq!(users, ["cli/manual.rs"]);
}

/// What goes through scenarios and the simulation must not look at a clock of its own.
#[test]
fn the_core_takes_the_time_as_an_argument() {
    let core = [
        "forward/exchange.rs",
        "forward/flight.rs",
        "forward/judge.rs",
        "forward/probe.rs",
        "forward/budget.rs",
        "forward/coalesce.rs",
        "serve/mod.rs",
        "serve/question/miss.rs",
        "serve/question/fetch.rs",
        "serve/question/follow.rs",
        "serve/question/line.rs",
    ];
    let sources = sources();
    for path in core {
        let source = sources.iter().find(|source| source.path == path).unwrap();
        for (line, code) in source.lines() {
            for word in ["Instant::now", "cache.now()", "rand::rng()", "make_rng"] {
                assert!(!code.contains(word), "src/{path}:{line}: {word}");
            }
        }
    }
}

/// Wire code has no I/O, clock, chance or log.
#[test]
fn wire_is_pure() {
    let sources = sources();
    for source in sources.iter().filter(|source| source.is_in("wire") && !source.path.ends_with("tests.rs")) {
        for (line, code) in source.lines() {
            for word in [
                "std::io",
                "std::net::Udp",
                "std::net::Tcp",
                "std::fs",
                "Instant::now",
                "SystemTime",
                "rand::",
                "tracing::",
                "tokio::",
            ] {
                assert!(!code.contains(word), "src/{}:{line}: {word}", source.path);
            }
        }
    }
}

/// Unsafe code stands in one file.
#[test]
fn unsafe_code_stands_in_one_file() {
    for source in sources() {
        let words = source.lines().filter(|(_, code)| {
            code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
        });
        let places: Vec<usize> = words.map(|(line, _)| line).collect();
        assert!(places.is_empty() || source.path == "sys.rs", "src/{}: lines {places:?}", source.path);
    }
}

/// And each use of it says why it is sound.
#[test]
fn unsafe_code_says_why_it_is_sound() {
    let sources = sources();
    let source = sources.iter().find(|source| source.path == "sys.rs").unwrap();
    let lines: Vec<&str> = source.text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        if line.contains("unsafe {") || line.contains("unsafe impl") {
            let before = &lines[number.saturating_sub(6)..number];
            assert!(before.iter().any(|line| line.contains("SAFETY:")), "src/sys.rs:{}", number + 1);
        }
    }
}
