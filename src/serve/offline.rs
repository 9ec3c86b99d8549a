//! What the files say, without a server: `check`, `explain --offline` and the reasons of `compare`.

use std::path::Path;
use std::sync::Arc;

use super::explain;
use super::reports::facts;
use super::snapshot::{Built, Snapshot};
use super::zones::OwnZone;
use crate::config::Config;
use crate::config::diagnostic::Diagnostic;
use crate::control::{Asking, UnknownListener, report};
use crate::zone::Zone;

/// What the files say, without serving them.
pub fn check(path: &Path) -> report::Check {
    let Built { snapshot, diagnostics } = Snapshot::build(path, None, &Arc::default());
    let facts = snapshot.as_ref().map(facts);
    let files = snapshot.map(|snapshot| snapshot.config.files).unwrap_or_default();
    report::Check { files, diagnostics, facts }
}

/// The files' answer to a question, without a server's state; or their faults, or that they have
/// no such listener.
pub fn explain_offline(
    path: &Path,
    asking: &Asking,
) -> Result<Result<report::Explanation, UnknownListener>, Vec<Diagnostic>> {
    Ok(Offline::read(path)?.explain(asking))
}

/// The files, read once, for many questions.
pub struct Offline(Snapshot);

impl Offline {
    /// Reads all files; or gives their faults.
    pub fn read(path: &Path) -> Result<Offline, Vec<Diagnostic>> {
        let Built { snapshot, diagnostics } = Snapshot::build(path, None, &Arc::default());
        snapshot.map(Offline).ok_or(diagnostics)
    }

    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Those that can be read without a server: a fetched zone's names are not in the files.
    pub fn zones(&self) -> impl Iterator<Item = Arc<Zone>> {
        self.0.zones.iter().filter_map(OwnZone::shown)
    }

    pub fn explain(&self, asking: &Asking) -> Result<report::Explanation, UnknownListener> {
        explain::explain(&self.0, asking, explain::Knows::FilesOnly)
    }
}
