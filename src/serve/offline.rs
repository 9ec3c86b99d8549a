//! What the files say, without a server: `check` and `explain --offline`.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::explain;
use super::reports::facts;
use super::snapshot::{Built, Snapshot};
use crate::config::diagnostic::Diagnostic;
use crate::control::report;
use crate::wire::name::Name;

/// What the files say, without serving them.
pub fn check(path: &Path) -> report::Check {
    let Built { snapshot, diagnostics } = Snapshot::build(path, None, &Arc::default());
    let facts = snapshot.as_ref().map(facts);
    let files = snapshot.map(|snapshot| snapshot.config.files).unwrap_or_default();
    report::Check { files, diagnostics, facts }
}

/// The files' answer to a question, without a server's state; or their faults.
pub fn explain_offline(
    path: &Path,
    name: &Name,
    rtype: u16,
    client: IpAddr,
) -> Result<report::Explanation, Vec<Diagnostic>> {
    let Built { snapshot, diagnostics } = Snapshot::build(path, None, &Arc::default());
    let snapshot = snapshot.ok_or(diagnostics)?;
    Ok(explain::explain(&snapshot, name, rtype, client, explain::Knows::FilesOnly))
}
