//! What commands need of the server itself, in one place: start it, check its files, explain without it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::show_on_stderr;
use crate::config::{self, Diagnostic};
use crate::control::report::{Check, Explanation};
use crate::control::{Core, Drain};
use crate::serve::{self, StartError};
use crate::wire::name::Name;

/// A server that answers, and the way to stop it.
pub struct Server {
    pub core: Arc<dyn Core>,
    pub drain: Drain,
    /// What is legal but surprising in its files.
    pub warnings: Vec<Diagnostic>,
}

/// Starts the server of these files. None when they have faults, which then have been shown.
pub fn start(config: &Path) -> anyhow::Result<Option<Server>> {
    match serve::Server::start(config) {
        Ok((server, warnings)) => {
            let core: Arc<dyn Core> = server.clone();
            Ok(Some(Server { core, drain: Box::new(move || server.drain()), warnings }))
        }
        Err(StartError::Faults(faults)) => {
            show_on_stderr(&faults);
            eprintln!("\ndnsfwd: nothing is served with a faulty configuration");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

pub fn check(config: &Path) -> Check {
    serve::check(config)
}

/// The configuration files' answer, or their faults.
pub fn explain(
    config: &Path,
    name: &Name,
    rtype: u16,
    client: IpAddr,
) -> Result<Explanation, Vec<Diagnostic>> {
    serve::explain_offline(config, name, rtype, client)
}

/// The control socket that the files name; the default one when they can't say.
pub fn socket(config: &Path) -> PathBuf {
    config::load(config).config.unwrap_or_else(config::defaults).control.socket
}
