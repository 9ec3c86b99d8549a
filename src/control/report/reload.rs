//! What a reload of all files, or of one zone, came to.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::ZoneKind;
use crate::config::diagnostic::Diagnostic;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reload {
    pub outcome: Outcome,
    /// Hash of the configuration that serves now, new or old.
    pub hash: String,
    /// Empty unless applied.
    pub changes: Vec<Change>,
    pub cache_kept: u64,
    pub cache_purged: u64,
    /// Faults when refused, warnings when applied.
    pub diagnostics: Vec<Diagnostic>,
    /// What went wrong outside the files, in sentences: an address that can't be bound, and the like.
    pub problems: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Applied,
    /// All is as it was before.
    Refused,
    /// The files say what is served already.
    Unchanged,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub kind: ChangeKind,
    /// The domain of a rule or zone, the name of an endpoint, the address of a listener, the key of a setting.
    pub what: String,
    pub change: ChangeVerb,
    /// Old and new, in a few words; may be empty.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Rule,
    Endpoint,
    Zone,
    Listener,
    Setting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeVerb {
    Added,
    Removed,
    Changed,
}

/// What `reload --zone` came to, for each zone of the name: views may have zones of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneReloads {
    pub zones: Vec<ZoneReload>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneReload {
    pub zone: String,
    /// None outside of views.
    pub view: Option<String>,
    pub kind: ZoneKind,
    pub outcome: ZoneOutcome,
    /// None where there was nothing to answer with.
    pub old_serial: Option<u32>,
    pub new_serial: Option<u32>,
    pub records: u64,
    /// The primary that gave or last vouched for the zone.
    pub primary: Option<SocketAddr>,
    /// Of the zone's file.
    pub diagnostics: Vec<Diagnostic>,
    /// Why it was refused, or what is odd about what was taken.
    pub problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneOutcome {
    Applied,
    Unchanged,
    /// The old content goes on, if there is any.
    Refused,
    /// The primaries have yet to answer.
    Asked,
}
