//! Reads a scenario: a line at a time, a word at a time. What is wrong is told with its line and what to do.

mod expect;
mod steps;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Fault;
use super::message::Question;
use super::target::{Act, Scope};
use crate::limits::SCENARIO_WORKERS;
pub use expect::{Compare, Counted, Expect, Wanted};
use words::{Read, Words, words, wrong};

/// A scenario as it was read.
pub struct Scenario {
    pub path: PathBuf,
    /// The comment that the file begins with.
    pub about: String,
    /// The configuration, with as many empty lines before it as there are others before it in the file.
    pub config: String,
    pub workers: usize,
    pub seed: u64,
    /// In the order of the file, which is that of their times.
    pub steps: Vec<Step>,
}

pub struct Step {
    pub line: usize,
    pub at: Duration,
    pub what: What,
}

pub enum What {
    Ask { client: IpAddr, question: Question, over_tcp: bool, worker: Option<usize>, label: Option<String> },
    Load(Load),
    Behave { target: SocketAddr, scope: Scope, act: Act },
    Drain { target: SocketAddr, length: Option<Duration> },
    Enable { target: SocketAddr },
    Reload { config: String },
    Expect(Expect),
}

/// Many questions at a rate.
pub struct Load {
    pub pattern: String,
    pub rtype: u16,
    pub rate: u64,
    pub length: Duration,
    /// None: each question is another client's.
    pub client: Option<IpAddr>,
    pub label: Option<String>,
}

impl Scenario {
    pub fn parse(path: &Path, text: &str) -> Result<Scenario, Fault> {
        let mut reader = Reader::new(text);
        let read = reader.read();
        read.map(|()| reader.into_scenario(path)).map_err(|(line, (message, help))| Fault {
            path: path.to_path_buf(),
            line,
            message,
            help,
        })
    }
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
    now: Duration,
    about: Vec<&'a str>,
    config: Option<String>,
    workers: usize,
    seed: u64,
    steps: Vec<Step>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        let lines: Vec<&str> = text.lines().collect();
        let about = lines.iter().take_while(|line| line.starts_with('#'));
        let about = about.map(|line| line.trim_start_matches('#').trim()).collect();
        Reader { lines, at: 0, now: Duration::ZERO, about, config: None, workers: 1, seed: 1, steps: vec![] }
    }

    fn into_scenario(self, path: &Path) -> Scenario {
        Scenario {
            path: path.to_path_buf(),
            about: self.about.join("\n"),
            config: self.config.unwrap_or_default(),
            workers: self.workers,
            seed: self.seed,
            steps: self.steps,
        }
    }

    fn read(&mut self) -> Result<(), (usize, (String, String))> {
        while self.at < self.lines.len() {
            let line = self.at + 1;
            let words = words(self.lines[self.at]).map_err(|fault| (line, fault))?;
            self.at += 1;
            if !words.is_empty() {
                self.line(line, Words::new(&words)).map_err(|fault| (line, fault))?;
            }
        }
        let whole = || -> Read<()> {
            if self.about.concat().is_empty() {
                return wrong(
                    "no comment says what the scenario stands for",
                    "begin the file with a line `# the fault or RFC section`",
                );
            }
            if self.config.is_none() {
                return wrong("no configuration", "put one between a line `config` and a line `end`");
            }
            match self.steps.iter().any(|step| matches!(step.what, What::Expect(_))) {
                true => Ok(()),
                false => wrong("nothing is expected", "add a line such as `expect answer NOERROR`"),
            }
        };
        whole().map_err(|fault| (0, fault))
    }

    fn line(&mut self, line: usize, mut words: Words<'_>) -> Read<()> {
        match words.next() {
            "config" => self.config = Some(self.block()?),
            "workers" => self.workers = words.bounded("workers", 1..=SCENARIO_WORKERS as u64)? as usize,
            "seed" => self.seed = words.bounded("seed", 0..=u64::MAX)?,
            "target" => {
                let target = words.target()?;
                let what = words.behaviour(target)?;
                self.steps.push(Step { line, at: Duration::ZERO, what });
            }
            "at" => {
                let at = words.time()?;
                if at < self.now {
                    return wrong("this is before the line above", "put steps in the order of their times");
                }
                self.now = at;
                self.step(line, &mut words)?;
            }
            "expect" => {
                let what = What::Expect(words.expect()?);
                self.steps.push(Step { line, at: self.now, what });
            }
            other => {
                return wrong(
                    format!("`{other}` begins no line"),
                    "lines begin with config, workers, seed, target, at, expect or #",
                );
            }
        }
        words.end()
    }

    fn step(&mut self, line: usize, words: &mut Words<'_>) -> Read<()> {
        let what = match words.next() {
            "client" => words.ask(self.workers)?,
            "clients" => words.load()?,
            "drain" => {
                let target = words.target()?;
                let length = if words.take("for") { Some(words.time()?) } else { None };
                What::Drain { target, length }
            }
            "enable" => What::Enable { target: words.target()? },
            "reload" => What::Reload { config: self.following_block()? },
            "expect" => What::Expect(words.expect()?),
            _ => {
                words.back();
                let target = words.target()?;
                words.behaviour(target)?
            }
        };
        self.steps.push(Step { line, at: self.now, what });
        Ok(())
    }

    fn following_block(&mut self) -> Read<String> {
        match self.lines.get(self.at).map(|line| line.trim()) {
            Some("config") => {
                self.at += 1;
                self.block()
            }
            _ => wrong("no configuration follows", "put a line `config` below it"),
        }
    }

    /// The lines up to `end`, below as many empty ones as keep their numbers.
    fn block(&mut self) -> Read<String> {
        let mut text = "\n".repeat(self.at);
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            if line.trim() == "end" {
                return Ok(text);
            }
            text.push_str(line);
            text.push('\n');
        }
        wrong("this configuration has no end", "close it with a line `end`")
    }
}
