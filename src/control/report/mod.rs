//! What the server says about itself, as plain data: the socket's JSON, the text for people and the metrics
//! all come from these types, so that they can't disagree. Formats nothing, asks nobody.

mod check;
mod explain;
mod reload;
mod sample;
mod status;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::check::*;
pub use self::explain::*;
pub use self::reload::*;
pub use self::sample::*;
pub use self::status::*;
pub use crate::forward::stats::{LATENCY_BOUNDS, LATENCY_BUCKETS};

/// Where the configuration says a thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: PathBuf,
    pub line: usize,
}
