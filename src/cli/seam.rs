//! What commands need of the server itself, in one place: start it, check its files, explain without it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;

use crate::config::{self, Diagnostic};
use crate::control::report::{Check, Explanation};
use crate::control::{Core, Drain};
use crate::wire::name::Name;

/// A server that answers, and the way to stop it.
pub struct Server {
    pub core: Arc<dyn Core>,
    pub drain: Drain,
}

/// Starts the server of these files. None when they have faults, which then have been shown.
pub fn start(_config: &Path) -> anyhow::Result<Option<Server>> {
    bail!("this build has no server yet")
}

pub fn check(config: &Path) -> Check {
    let loaded = config::load(config);
    let files = loaded.config.map(|config| config.files).unwrap_or_default();
    Check { files, diagnostics: loaded.diagnostics, facts: None }
}

/// The configuration files' answer, or their faults.
pub fn explain(
    config: &Path,
    _name: &Name,
    _rtype: u16,
    _client: IpAddr,
) -> Result<Explanation, Vec<Diagnostic>> {
    Err(config::load(config).diagnostics)
}

/// The control socket that the files name; the default one when they can't say.
pub fn socket(config: &Path) -> PathBuf {
    config::load(config).config.unwrap_or_else(config::defaults).control.socket
}
