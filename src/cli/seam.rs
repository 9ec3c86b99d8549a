//! What commands need of the server itself, in one place: start it, check its files, explain without it.

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{self, Diagnostic, diagnostic};
use crate::control::report::{Check, Explanation};
use crate::control::{Core, Drain};
use crate::serve;
use crate::wire::name::Name;

/// A server that answers, and the way to stop it.
pub struct Server {
    pub core: Arc<dyn Core>,
    pub drain: Drain,
    /// What is legal but surprising in its files.
    pub warnings: Vec<Diagnostic>,
}

/// Starts the server of these files. None when they have faults, which then have
/// been shown.
pub fn start(config: &Path) -> anyhow::Result<Option<Server>> {
    let (server, warnings) = match serve::Server::start(config) {
        Ok(started) => started,
        Err(serve::StartError::Faults(faults)) => {
            show(&faults);
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let core = Arc::clone(&server) as Arc<dyn Core>;
    Ok(Some(Server { core, drain: Box::new(move || server.drain()), warnings }))
}

/// Shows faults or warnings to whoever started the command.
pub fn show(diagnostics: &[Diagnostic]) {
    let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    eprint!("{}", diagnostic::render(diagnostics, color));
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
