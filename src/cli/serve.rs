//! `dnsfwd serve`: runs the server until it is told to stop.

use super::{Common, Exit, seam};
use crate::config::{self, Loaded, Log, LogFormat, LogLevel, diagnostic};
use crate::control::logs::{self, Format};
use crate::control::{self, Manner};

pub fn run(common: &Common) -> anyhow::Result<Exit> {
    let Loaded { config, diagnostics } = config::load(&common.config);
    eprint!("{}", diagnostic::render(&diagnostics, false));
    let Some(config) = config else {
        eprintln!("\ndnsfwd: nothing is served with a faulty configuration");
        return Ok(Exit::Trouble);
    };
    start_log(&config.log);
    let server = seam::start(config)?;
    control::start(server.core, server.drain, Manner::Service)?.wait();
    Ok(Exit::Clean)
}

pub fn start_log(log: &Log) {
    let format = match log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    logs::start(level(log.level), format);
}

pub fn level(level: LogLevel) -> tracing::Level {
    match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    }
}
