//! The command line: one file per command, each thin. Reading arguments does nothing but read them; whatever
//! a command finds is one of three exits. The only place that knows `anyhow`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use self::text::Paint;
use crate::config::diagnostic::{self, Diagnostic};

#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
#[path = "aws/absent.rs"]
mod aws;
mod check;
mod compare;
mod demo;
mod explain;
mod flush;
#[cfg(feature = "aws")]
mod follow;
mod import;
mod manual;
mod reload;
mod scenario;
mod seam;
mod serve;
mod status;
mod targets;
mod text;

/// A hybrid DNS forwarder that speaks Route 53 Resolver's language: rules, endpoints, targets.
#[derive(Parser)]
#[command(name = "dnsfwd", version, about, max_term_width = 100)]
#[command(after_help = "The manual is in the program: `dnsfwd manual` lists its topics.")]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(clap::Args)]
struct Common {
    /// The configuration file; conf.d/*.toml beside it is read too
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/dnsfwd/dnsfwd.toml")]
    config: PathBuf,
    /// The running server's control socket [default: what the configuration says]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON, for programs to read
    #[arg(long, global = true)]
    json: bool,
}

impl Common {
    /// Where the running server listens for commands.
    fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| seam::socket(&self.config))
    }
}

#[derive(Subcommand)]
enum Command {
    /// Run the server in the foreground
    Serve,
    /// Read the configuration and zone files and report every fault
    Check(check::Arguments),
    /// Make the running server read its configuration again, or one zone
    Reload(reload::Arguments),
    /// Show what the running server does: listeners, targets, cache, counts
    Status,
    /// Show what becomes of a question, and why
    Explain(explain::Arguments),
    /// Ask an old server and the new one the same questions, and show where they differ and why
    Compare(compare::Arguments),
    /// Take a name out of the running server's cache
    Flush(flush::Arguments),
    /// Make a configuration of another DNS server's, and say what became of each statement
    Import(import::Arguments),
    /// Play courses of faults from files, without a network, and say what did not hold
    Scenario(scenario::Arguments),
    /// List the running server's targets, take one out of use, put it back
    Targets(targets::Arguments),
    /// Bring Route 53 Resolver in AWS to what the configuration says: plan, apply, status, destroy, adopt and more
    Aws(aws::Arguments),
    /// Show it all on this machine alone: a company, its cloud, and a target that falls silent
    Demo(demo::Arguments),
    /// Read the manual: a topic, or which topics there are
    Manual(manual::Arguments),
}

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Clean,
    Findings,
    Trouble,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Clean => 0,
            Exit::Findings => 1,
            Exit::Trouble => 2,
        })
    }
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    let exit = run(&common, command).unwrap_or_else(|error| {
        eprintln!("dnsfwd: {error:#}");
        Exit::Trouble
    });
    exit.into()
}

fn run(common: &Common, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Serve => serve::run(common),
        Command::Check(arguments) => check::run(common, &arguments),
        Command::Reload(arguments) => reload::run(common, &arguments),
        Command::Status => status::run(common),
        Command::Explain(arguments) => explain::run(common, &arguments),
        Command::Compare(arguments) => compare::run(common, &arguments),
        Command::Flush(arguments) => flush::run(common, &arguments),
        Command::Import(arguments) => import::run(common, &arguments),
        Command::Scenario(arguments) => scenario::run(common, &arguments),
        Command::Targets(arguments) => targets::run(common, &arguments),
        Command::Aws(arguments) => aws::run(common, &arguments),
        Command::Demo(arguments) => demo::run(common, &arguments),
        Command::Manual(arguments) => manual::run(common, &arguments),
    }
}

/// Prints a report: as JSON when asked to, else as `text` shows it.
fn print<T: Serialize>(common: &Common, report: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
    let page = match common.json {
        true => serde_json::to_string_pretty(report)? + "\n",
        false => text(report),
    };
    match io::stdout().lock().write_all(page.as_bytes()) {
        // Whoever read our lines has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Faults and warnings beside what a command prints.
fn show_on_stderr(diagnostics: &[Diagnostic]) {
    eprint!("{}", diagnostic::render(diagnostics, Paint::for_stderr() == Paint::Color));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn common_arguments_may_stand_anywhere() {
        let before = Arguments::parse_from(["dnsfwd", "--json", "status"]);
        let after = Arguments::parse_from(["dnsfwd", "status", "--json", "--socket", "/tmp/s"]);
        assert!(before.common.json && after.common.json);
        assert_eq!(after.common.socket(), PathBuf::from("/tmp/s"));
    }
}
