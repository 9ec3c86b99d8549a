//! The log: lines on standard error, as text or JSON, for the journal or whatever collects them. Written when
//! something changes, never per query.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, fmt, reload};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// The level of the running log; kept here as a subscriber can be set but once in a process.
static LEVEL: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts the log. The second call in a process changes nothing but the level.
pub fn start(level: Level, format: Format) {
    if LEVEL.get().is_some() {
        return set_level(level);
    }
    let (filter, handle) = reload::Layer::new(wanted(level));
    let subscriber = Registry::default().with(filter).with(lines(format));
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Changes the level of a log that has been started.
pub fn set_level(level: Level) {
    if let Some(handle) = LEVEL.get() {
        // Fails only when the subscriber is gone, and a global one never goes.
        let _ = handle.reload(wanted(level));
    }
}

/// Ours at the level asked for. Libraries count queries in their own logs, so of them only what is wrong.
fn wanted(level: Level) -> Targets {
    let libraries = LevelFilter::WARN.min(LevelFilter::from_level(level));
    Targets::new().with_target(env!("CARGO_PKG_NAME"), level).with_default(libraries)
}

fn lines<S>(format: Format) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = fmt::layer().with_writer(io::stderr).with_target(false).with_ansi(color_wanted());
    match format {
        Format::Json => layer.json().boxed(),
        // The journal stamps each line itself.
        Format::Text if std::env::var_os("JOURNAL_STREAM").is_some() => layer.without_time().boxed(),
        Format::Text => layer.boxed(),
    }
}

fn color_wanted() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
