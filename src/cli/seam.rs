//! What commands need of the server itself, in one place: start it, check its files, explain without it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "aws")]
use tokio::sync::Notify;

use super::show_on_stderr;
#[cfg(feature = "aws")]
use crate::config::aws::Following;
use crate::config::{self, Diagnostic, LogFormat};
use crate::control::logs::{self, Format};
use crate::control::report::{Check, Explanation};
use crate::control::{Asking, Core, Drain, UnknownListener};
use crate::serve::{self, Offline, Prepared, StartError};

/// A server that answers, and the way to stop it.
pub struct Server {
    pub core: Arc<dyn Core>,
    pub drain: Drain,
    #[cfg(feature = "aws")]
    pub follows: Arc<dyn Follows>,
}

/// A server to whoever follows AWS for it.
#[cfg(feature = "aws")]
pub trait Follows: Send + Sync {
    /// None: nothing is followed now.
    fn following(&self) -> Option<Following>;
    fn asked(&self, is_answered: bool);
    fn changed(&self);
    /// Told after each reload that `changed` was not the reason of.
    fn reloaded(&self) -> &Notify;
}

#[cfg(feature = "aws")]
impl Follows for serve::Server {
    fn following(&self) -> Option<Following> {
        self.following()
    }

    fn asked(&self, is_answered: bool) {
        self.follows.asked(is_answered);
    }

    fn changed(&self) {
        self.follows.changed();
    }

    fn reloaded(&self) -> &Notify {
        &self.follows.reloaded
    }
}

/// Reads the files. None when they have faults, which then have been shown.
pub fn prepare(config: &Path) -> Option<Prepared> {
    match Prepared::read(config) {
        Ok(prepared) => Some(prepared),
        Err(faults) => {
            show_on_stderr(&faults);
            eprintln!("\ndnsfwd: nothing is served with a faulty configuration");
            None
        }
    }
}

/// Starts the log as the files want it, then the server, so that nothing of its start is lost.
pub fn start(prepared: Prepared) -> Result<Server, StartError> {
    let log = &prepared.config().log;
    let format = match log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    logs::start(serve::tracing_level(log.level), format);
    let server = prepared.start()?;
    let core: Arc<dyn Core> = server.clone();
    Ok(Server {
        core,
        #[cfg(feature = "aws")]
        follows: server.clone(),
        drain: Box::new(move || server.drain()),
    })
}

pub fn check(config: &Path) -> Check {
    serve::check(config)
}

/// The configuration files' answer, or their faults.
pub fn explain(
    config: &Path,
    asking: &Asking,
) -> Result<Result<Explanation, UnknownListener>, Vec<Diagnostic>> {
    serve::explain_offline(config, asking)
}

/// The configuration files, read once for many questions; or their faults.
pub fn offline(config: &Path) -> Result<Offline, Vec<Diagnostic>> {
    Offline::read(config)
}

/// The control socket that the files name, as far as faults let them; the default one when they can't say.
pub fn socket(config: &Path) -> PathBuf {
    config::socket(config)
}
