//! Scenarios: text files that tell a course of faults and what must come of it. The real core plays them without
//! sockets on a clock of its own, so that ten seconds take milliseconds and come out the same each time.
//!
//! ```text
//! # A tunnel drops: one of two targets falls silent, and no client notices.
//! config
//! version = 1
//! [[endpoint]]
//! name = "aws"
//! targets = [{ address = "10.0.1.250" }, { address = "10.0.2.250" }]
//! [[rule]]
//! domain = "corp.example"
//! endpoint = "aws"
//! end
//!
//! at 1s 10.0.1.250 falls silent
//! at 1s clients ask *.corp.example A 500 a second for 3s
//! expect answers NOERROR from 10.0.2.250 within 300ms
//! at 4s expect state 10.0.1.250 down
//! ```
//!
//! `dnsfwd manual scenarios` has the whole language. Targets that are written as names are looked up at the scripted servers of
//! `bootstrap`, targets that `ask back` make loops, and what the server logs can be expected too.

mod log;
pub mod message;
mod parse;
mod run;
pub mod target;
pub mod world;

use std::fmt;
use std::path::{Path, PathBuf};

pub use parse::Scenario;
pub use run::{Failure, Outcome};

/// What keeps a file from being played.
#[derive(Debug)]
pub struct Fault {
    pub path: PathBuf,
    /// 0: the file as a whole.
    pub line: usize,
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, line) = (self.path.display(), self.line);
        match line {
            0 => write!(f, "{path}: {}\n  {}", self.message, self.help),
            _ => write!(f, "{path}:{line}: {}\n  {}", self.message, self.help),
        }
    }
}

impl std::error::Error for Fault {}

/// Plays the scenario in a file.
pub fn play(path: &Path, trace: bool) -> Result<Outcome, Fault> {
    let text = std::fs::read_to_string(path).map_err(|error| Fault {
        path: path.to_path_buf(),
        line: 0,
        message: format!("can't be read: {error}"),
        help: "name a file with a scenario, in UTF-8".into(),
    })?;
    run::run(&Scenario::parse(path, &text)?, trace)
}
