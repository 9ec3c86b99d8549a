//! `dnsfwd manual`: the manual, a topic at a time, as it is written. Reads no configuration and asks nobody.

use std::cmp::Reverse;

use anyhow::bail;
use serde::Serialize;

use super::text::columns;
use super::{Common, Exit, print};
use crate::config::suggest;
use crate::manual::{TOPICS, find};

#[derive(clap::Args)]
pub struct Arguments {
    /// What to read about; without it the topics are listed
    topic: Option<String>,
}

/// A topic without its text.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    about: &'static str,
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(name) = &arguments.topic else {
        let entries: Vec<Entry> =
            TOPICS.iter().map(|topic| Entry { name: topic.name, about: topic.about }).collect();
        print(common, &entries, |entries| list(entries))?;
        return Ok(Exit::Clean);
    };
    let Some(topic) = find(name) else { bail!(unknown(name)) };
    print(common, topic, |topic| topic.text.to_owned())?;
    Ok(Exit::Clean)
}

fn list(entries: &[Entry]) -> String {
    let rows: Vec<Vec<String>> =
        entries.iter().map(|entry| vec![entry.name.to_owned(), entry.about.to_owned()]).collect();
    columns(&rows).join("\n") + "\n\nRead one with `dnsfwd manual TOPIC`.\n"
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
    let begins = || names.iter().copied().find(|topic| name.len() > 2 && topic.starts_with(name));
    let meant = suggest::nearest(name, names.iter().copied()).or_else(begins);
    match (meant, speak_of(name).as_slice()) {
        (Some(meant), _) => format!("there is no topic '{name}'; did you mean '{meant}'?"),
        (None, []) => format!("there is no topic '{name}', but {}", names.join(", ")),
        (None, speaking) => format!("there is no topic '{name}'; it is spoken of in {}", speaking.join(", ")),
    }
}

/// The topics in which a word stands, those first that have it most often.
fn speak_of(word: &str) -> Vec<&'static str> {
    const MOST: usize = 3;
    let word = word.to_lowercase();
    let times = |text: &str| text.to_lowercase().matches(&word).count();
    let mut found: Vec<(usize, &str)> =
        TOPICS.iter().map(|topic| (times(topic.text), topic.name)).filter(|&(times, _)| times > 0).collect();
    found.sort_by_key(|&(times, _)| Reverse(times));
    if word.is_empty() { Vec::new() } else { found.into_iter().take(MOST).map(|(_, name)| name).collect() }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn an_unknown_topic_is_answered_with_the_nearest_or_those_that_speak_of_it_or_all() {
        assert_eq!(unknown("cahcing"), "there is no topic 'cahcing'; did you mean 'caching'?");
        assert_eq!(unknown("trouble"), "there is no topic 'trouble'; did you mean 'troubleshooting'?");
        let prefetch = unknown("Prefetch");
        let speaking =
            prefetch.strip_prefix("there is no topic 'Prefetch'; it is spoken of in ").expect("some do");
        assert!(speaking.split(", ").any(|topic| topic == "caching"), "{prefetch}");
        let strange = unknown("zeppelin");
        assert!(TOPICS.iter().all(|topic| strange.contains(topic.name)), "{strange}");
    }

    /// What users read, with the README at its end.
    fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
        let readme = ("README", include_str!("../../README.md"));
        TOPICS.iter().map(|topic| (topic.name, topic.text)).chain([readme])
    }

    /// Command lines of ours: after `$` in blocks, and without it in those that are a shell's.
    fn command_lines(text: &'static str) -> impl Iterator<Item = &'static str> {
        let mut of_a_shell = false;
        text.lines().map(str::trim).filter_map(move |line| {
            if line.starts_with("```") {
                of_a_shell = line == "```sh";
            }
            let bare = line.strip_prefix("$ ").or(of_a_shell.then_some(line))?.strip_prefix("dnsfwd ")?;
            Some(bare.split([';', '|', '#', '>']).next().unwrap_or(bare))
        })
    }

    /// Each is one that we would run.
    #[test]
    fn the_manuals_command_lines_are_ours() {
        let mut seen = 0;
        for (page, text) in pages() {
            for line in command_lines(text) {
                let words = ["dnsfwd"].into_iter().chain(line.split_whitespace());
                if let Err(error) = super::super::Arguments::try_parse_from(words) {
                    panic!("{page}: $ dnsfwd {line}\n{error}");
                }
                seen += 1;
            }
        }
        assert!(seen > 20, "only {seen} command lines were found");
    }

    /// And each `dnsfwd WORD` in its sentences and tables names a command.
    #[test]
    fn the_manual_speaks_of_commands_that_are_there() {
        let command = super::super::Arguments::command();
        for (page, text) in pages() {
            for word in text.split("`dnsfwd ").skip(1) {
                let word = word.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or("");
                // `dnsfwd COMMAND` and the like stand for any.
                let is_there = word.is_empty() || command.find_subcommand(word).is_some();
                assert!(is_there, "{page}: `dnsfwd {word}`");
            }
        }
    }

    /// Whoever reads what commands there are finds all of them.
    #[test]
    fn the_manual_lists_every_command() {
        let commands = find("commands").expect("it is a topic").text;
        for command in super::super::Arguments::command().get_subcommands() {
            let row = format!("| `dnsfwd {}", command.get_name());
            assert!(commands.contains(&row), "the topic `commands` lacks {row}");
        }
    }
}
