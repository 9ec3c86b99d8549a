//! What is wrong with a configuration or a zone file, and where: the one form in which faults are kept,
//! counted and shown. Reads no file and decides nothing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One fault with its place. Lines and columns count from 1; a column counts characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// A stable short name, such as `unknown-key`.
    pub code: String,
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    /// Characters from `column` on that are meant; at least 1.
    pub length: usize,
    /// The line itself.
    pub source_line: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}
