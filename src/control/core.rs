//! What the control plane asks of the server: the one border between them. The server knows nothing of
//! sockets for operators, HTTP or signals; the control plane knows nothing of queries.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::report;
use crate::wire::name::Name;

/// A running server, as its operators see it.
///
/// Every method may block for as long as reading files or walking the cache takes: the control plane calls
/// them from a thread that may wait, never from a worker or from its own event loop.
pub trait Core: Send + Sync + 'static {
    /// Reads the files again, builds the new whole aside and swaps it in; on faults all stays as it was. The
    /// control plane sees to it that no two run at once.
    fn reload(&self) -> report::Reload;
    fn status(&self) -> report::Status;
    /// What would become of this question now, from the same decision that serves it.
    fn explain(&self, name: &Name, rtype: u16, client: IpAddr) -> report::Explanation;
    /// Takes a name, or a name and all below it, out of the cache.
    fn flush(&self, name: &Name, tree: bool) -> report::Flush;
    /// Whether clients may be sent here, and if not, why.
    fn ready(&self) -> report::Ready;
    /// All numbers for `/metrics`, gathered off the query path.
    fn sample(&self) -> report::Sample;
    /// Where operators reach the server; asked at the start and after each reload.
    fn settings(&self) -> Settings;
    /// Whether the server still turns: false when a worker has stood still for seconds. Ends the process by
    /// way of systemd's watchdog, so no slow target may make it false.
    fn alive(&self) -> bool {
        true
    }
}

/// Where operators reach the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub socket: Option<PathBuf>,
    pub metrics: Option<SocketAddr>,
    /// None: as it is.
    pub log_level: Option<tracing::Level>,
}
