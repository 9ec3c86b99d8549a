//! What the files say, read without a server.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ZoneStatus;
use crate::config::diagnostic::Diagnostic;

/// What `check` found in the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub files: Vec<PathBuf>,
    pub diagnostics: Vec<Diagnostic>,
    /// None when there are errors.
    pub facts: Option<Facts>,
}

/// What would be served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub hash: String,
    pub listeners: Vec<SocketAddr>,
    pub zones: Vec<ZoneStatus>,
    pub rules: u64,
    pub endpoints: u64,
    pub targets: u64,
    /// Built-in names (RFC 6761, RFC 6303) that a rule or zone takes over, each with what takes it.
    pub builtin_overridden: Vec<BuiltinOverride>,
    /// Built-in names that are answered locally.
    pub builtin: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltinOverride {
    pub domain: String,
    /// For example `rule 10.in-addr.arpa`.
    pub by: String,
}
