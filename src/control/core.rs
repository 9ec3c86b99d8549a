//! What the control plane asks of the server: the one border between them. The server knows nothing of
//! sockets for operators, HTTP or signals; the control plane knows nothing of queries.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use std::{error, fmt};

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
    /// Reads one zone's file again, or asks its primaries and waits for a bounded time; of that name in all views.
    fn reload_zone(&self, name: &Name) -> Result<report::ZoneReloads, UnknownZone>;
    fn status(&self) -> report::Status;
    /// What would become of this question now, from the same decision that serves it.
    fn explain(&self, asking: &Asking) -> Result<report::Explanation, UnknownListener>;
    /// Takes a name, or a name and all below it, out of the cache.
    fn flush(&self, name: &Name, tree: bool) -> report::Flush;
    /// All targets.
    fn targets(&self) -> report::Targets;
    /// Sends targets no new queries, for so long or until they are enabled; gives those targets.
    fn drain_targets(
        &self,
        which: &Which,
        length: Option<Duration>,
    ) -> Result<report::Targets, UnknownTarget>;
    /// The end of that.
    fn enable_targets(&self, which: &Which) -> Result<report::Targets, UnknownTarget>;
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

/// A question that an operator wants explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    pub name: Name,
    pub rtype: u16,
    pub client: IpAddr,
    /// Where it arrives; none: at any listener.
    pub listener: Option<SocketAddr>,
}

/// The targets that an operator means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    pub address: IpAddr,
    /// None: whatever the port.
    pub port: Option<u16>,
    /// None: of all endpoints.
    pub endpoint: Option<String>,
}

impl Which {
    /// Reads `10.0.1.250`, `10.0.1.250:5300`, `2001:db8::1` or `[2001:db8::1]:5300`; none if it is no address.
    pub fn parse(address: &str, endpoint: Option<String>) -> Option<Which> {
        if let Ok(address) = address.parse::<SocketAddr>() {
            return Some(Which { address: address.ip(), port: Some(address.port()), endpoint });
        }
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        Some(Which { address: bare.parse().ok()?, port: None, endpoint })
    }

    pub fn means(&self, endpoint: &str, address: SocketAddr) -> bool {
        self.address == address.ip()
            && self.port.is_none_or(|port| port == address.port())
            && self.endpoint.as_ref().is_none_or(|name| name == endpoint)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}", SocketAddr::new(self.address, port)),
            None => write!(f, "{}", self.address),
        }
    }
}

/// An operator names a target that is not there.
#[derive(Debug)]
pub struct UnknownTarget {
    pub which: Which,
    /// Endpoints with the addresses of their targets.
    pub there: Vec<(String, Vec<SocketAddr>)>,
}

/// An operator names a listener that is not there.
#[derive(Debug)]
pub struct UnknownListener {
    pub address: SocketAddr,
    pub there: Vec<SocketAddr>,
}

impl fmt::Display for UnknownListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there: Vec<String> = self.there.iter().take(LISTED).map(ToString::to_string).collect();
        write!(f, "no listener is at {}; there is {}", self.address, there.join(", "))
    }
}

impl error::Error for UnknownListener {}

/// An operator names a zone that is not there.
#[derive(Debug)]
pub struct UnknownZone {
    pub name: Name,
    /// The zone whose name is nearest to it, or that it lies in.
    pub meant: Option<String>,
    pub there: Vec<String>,
}

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no zone '{}'", self.name)?;
        match (&self.meant, self.there.len()) {
            (Some(meant), _) => write!(f, "; did you mean '{meant}'?"),
            (None, 0) => f.write_str(", nor any other"),
            (None, len) if len <= LISTED => write!(f, ", but {}", self.there.join(", ")),
            (None, len) => write!(f, " among {len}: see `dnsfwd status`"),
        }
    }
}

impl error::Error for UnknownZone {}

/// Addresses that an error lists; `dnsfwd targets list` has them all.
const LISTED: usize = 20;

impl fmt::Display for UnknownTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Which { endpoint, .. } = &self.which;
        let of = |name: &String| endpoint.as_ref().is_none_or(|wanted| wanted == name);
        let there: Vec<_> = self.there.iter().filter(|(name, _)| of(name)).collect();
        if there.is_empty() && !self.there.is_empty() {
            let names: Vec<&str> = self.there.iter().map(|(name, _)| name.as_str()).take(LISTED).collect();
            let wanted = endpoint.as_deref().unwrap_or_default();
            return write!(f, "there is no endpoint '{wanted}', but {}", names.join(", "));
        }
        let with_name = |(name, addresses): &(String, Vec<SocketAddr>)| {
            addresses.iter().map(|address| format!("{address} ({name})")).collect::<Vec<_>>()
        };
        let listed: Vec<String> = there.iter().flat_map(|endpoint| with_name(endpoint)).collect();
        write!(f, "no target has the address {}; there is ", self.which)?;
        match listed.len() {
            0 => f.write_str("none"),
            len if len <= LISTED => f.write_str(&listed.join(", ")),
            len => write!(
                f,
                "{} and {} more: see `dnsfwd targets list`",
                listed[..LISTED].join(", "),
                len - LISTED
            ),
        }
    }
}

impl error::Error for UnknownTarget {}
