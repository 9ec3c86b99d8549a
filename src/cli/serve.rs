//! `dnsfwd serve`: runs the server until it is told to stop.

use std::path::Path;

use super::{Common, Exit, seam};
use crate::config::{self, LogFormat, LogLevel, diagnostic};
use crate::control::logs::{self, Format};
use crate::control::{self, Manner};

pub fn run(common: &Common) -> anyhow::Result<Exit> {
    start_log(&common.config);
    let Some(server) = seam::start(&common.config)? else { return Ok(Exit::Trouble) };
    eprint!("{}", diagnostic::render(&server.warnings, false));
    control::start(server.core, server.drain, Manner::Service)?.wait();
    Ok(Exit::Clean)
}

/// The log begins before the server, so that nothing of its start is lost; for that the files are read once
/// more than needed. With faults there is no log: they are shown as they are.
pub fn start_log(config: &Path) {
    let Some(config) = config::load(config).config else { return };
    let format = match config.log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    logs::start(level(config.log.level), format);
}

fn level(level: LogLevel) -> tracing::Level {
    match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    }
}
