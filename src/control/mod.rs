//! The control plane: local socket, metrics, logs, signals. It asks the server through [`core::Core`], runs
//! on a thread of its own and never stands in the way of a query.
//!
//! ```text
//! signals ─┐                          ┌─► core (on a thread that may wait)
//! socket  ─┼─► desk (one reload at a  ┤
//! http    ─┘   time, moves listeners) └─► systemd, log
//! ```

pub mod client;
pub mod core;
pub mod logs;
pub mod metrics;
pub mod protocol;
pub mod report;
pub mod rtype;
pub mod systemd;

mod desk;
#[cfg(test)]
pub mod fake;
mod http;
mod life;
mod socket;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use std::{error, fmt, io};

pub use self::core::{Asking, Core, Settings, UnknownListener, UnknownTarget, UnknownZone, Which};
pub use self::life::{Control, Drain, Manner, Reloader, start};

/// After a failed accept, mostly for want of file descriptors: without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why operators can't be given their listeners.
#[derive(Debug)]
pub enum ControlError {
    Socket { path: PathBuf, source: io::Error },
    NotASocket { path: PathBuf },
    AlreadyServed { path: PathBuf },
    Metrics { address: SocketAddr, source: io::Error },
    Start { source: io::Error },
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::Socket { path, .. } => {
                write!(f, "the control socket can't listen at {}", path.display())
            }
            ControlError::NotASocket { path } => {
                write!(f, "{} is not a socket; dnsfwd won't replace it: move it away", path.display())
            }
            ControlError::AlreadyServed { path } => write!(
                f,
                "another dnsfwd listens at {}: stop it, or give this one another [control] socket",
                path.display()
            ),
            ControlError::Metrics { address, .. } => write!(
                f,
                "metrics can't be served at {address} (another address is set with [metrics] listen)"
            ),
            ControlError::Start { .. } => write!(f, "the control thread can't start"),
        }
    }
}

impl error::Error for ControlError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            ControlError::Socket { source, .. }
            | ControlError::Metrics { source, .. }
            | ControlError::Start { source } => Some(source),
            ControlError::NotASocket { .. } | ControlError::AlreadyServed { .. } => None,
        }
    }
}
