//! What the server is at: listeners, zones, targets, loops, cache.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::forward::target::State;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub uptime_secs: u64,
    pub config: ConfigStatus,
    pub listeners: Vec<Listener>,
    pub rules: u64,
    pub zones: Vec<ZoneStatus>,
    /// In the order in which they are tried.
    pub views: Vec<ViewStatus>,
    pub endpoints: Vec<EndpointStatus>,
    /// Rules with targets that ask this server for the rules' own names.
    pub loops: Vec<LoopStatus>,
    pub cache: CacheStatus,
    pub queries: Vec<TransportCount>,
    pub reloads: u64,
    pub reload_failures: u64,
    /// The newest reload that was refused, unless one was applied since.
    pub last_reload_failure: Option<ReloadFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStatus {
    pub files: Vec<PathBuf>,
    pub hash: String,
    /// Seconds since 1970-01-01 00:00 UTC.
    pub loaded_at: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub address: SocketAddr,
    /// `udp` or `tcp`.
    pub transport: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneStatus {
    pub name: String,
    /// None outside of views.
    pub view: Option<String>,
    pub kind: ZoneKind,
    /// None while a secondary has nothing to answer with.
    pub serial: Option<u32>,
    pub records: u64,
    /// The primary that gave or last vouched for the zone.
    pub primary: Option<SocketAddr>,
    pub next_refresh_secs: Option<u64>,
    /// Until a secondary is no longer answered from, if nobody vouches for it.
    pub expires_secs: Option<u64>,
    /// Since a secondary has expired, if it has: it is answered with SERVFAIL.
    #[serde(default)]
    pub expired_secs: Option<u64>,
    /// The primaries of a secondary, in the order of the configuration.
    #[serde(default)]
    pub primaries: Vec<PrimaryStatus>,
    /// Octets of what changed since the copy on disk.
    pub journal_bytes: u64,
    pub counts: ZoneCounts,
    pub failure: Option<ZoneFailure>,
}

impl ZoneStatus {
    /// A primary zone with which nothing has happened.
    pub fn of(name: &str, serial: u32, records: u64) -> ZoneStatus {
        ZoneStatus {
            name: name.to_owned(),
            view: None,
            kind: ZoneKind::Primary,
            serial: Some(serial),
            records,
            primary: None,
            next_refresh_secs: None,
            expires_secs: None,
            expired_secs: None,
            primaries: Vec::new(),
            journal_bytes: 0,
            counts: ZoneCounts::default(),
            failure: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneKind {
    Primary,
    Secondary,
}

/// What became of a zone's transfers, notices and updates since it is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneCounts {
    pub transfers_out: u64,
    pub transfers_in: u64,
    pub notices_in: u64,
    pub updates: u64,
    pub updates_refused: u64,
    /// Rounds in which no primary was of use, faults of its files, disks that can't be written, secondaries that don't
    /// hear of a change, and that it expired.
    pub failures: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryStatus {
    pub address: SocketAddr,
    /// How often it was of no use: silent, refusing, behind, or with a transfer that is no zone.
    pub failures: u64,
}

/// What last went wrong with a zone; gone when it is mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneFailure {
    pub secs_ago: u64,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewStatus {
    pub name: String,
    /// Its access list.
    pub clients: String,
    pub inherit: bool,
    /// It shares nothing of what is kept.
    pub own_cache: bool,
    pub rules: u64,
    pub zones: u64,
    pub queries: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointStatus {
    pub name: String,
    pub targets: Vec<TargetStatus>,
    /// The names among what is written as its targets.
    pub names: Vec<NameStatus>,
}

/// A target that is written as a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameStatus {
    pub name: String,
    /// The newest that are known.
    pub addresses: Vec<IpAddr>,
    /// Since they were learned or confirmed; none before the first time.
    pub secs_ago: Option<u64>,
    /// Why the latest lookup failed, if it did.
    pub failure: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    pub address: SocketAddr,
    pub az: Option<String>,
    pub state: TargetState,
    /// Seconds in this state.
    pub since_secs: u64,
    pub outstanding: u64,
    pub tier: u8,
    /// Queries a second that it gets at most.
    pub rate: Option<u32>,
    /// No new queries go there, by an operator's wish.
    pub drained: Option<Drained>,
    /// Smoothed time from query to answer; none before the first answer.
    pub rtt_ms: Option<f64>,
    /// The time within which 95 % of its answers come; none before there are enough.
    pub usual_ms: Option<f64>,
    /// The way there and back alone, as probes and quick answers show it.
    pub network_ms: Option<f64>,
    /// Queries that it got because another target took longer than usual.
    pub hedges: u64,
    /// Queries that went elsewhere because of its rate.
    pub guarded: u64,
    pub queries: u64,
    pub timeouts: u64,
    pub errors: u64,
    /// Why it last left the healthy state or failed, in a few words.
    pub last_failure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// None: until it is enabled.
    pub left_secs: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetState {
    Healthy,
    Returning,
    Suspect,
    Down,
}

impl From<State> for TargetState {
    fn from(state: State) -> TargetState {
        match state {
            State::Healthy => TargetState::Healthy,
            State::Returning => TargetState::Returning,
            State::Suspect => TargetState::Suspect,
            State::Failing | State::Silent => TargetState::Down,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopStatus {
    /// The rule's domain.
    pub domain: String,
    /// The rule's view; none: it is general.
    pub view: Option<String>,
    pub endpoint: String,
    /// Those whose questions come back.
    pub targets: Vec<SocketAddr>,
    /// No other target is left: its questions get SERVFAIL.
    pub quarantined: bool,
    pub since_secs: u64,
    /// All of it in one sentence.
    pub because: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStatus {
    pub entries: u64,
    pub bytes: u64,
    pub limit_bytes: u64,
    pub hits: u64,
    pub misses: u64,
    /// Answers given from entries past their TTL.
    pub stale: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportCount {
    pub transport: String,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadFailure {
    pub secs_ago: u64,
    /// The first fault, on one line, and how many more there are.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flush {
    /// Entries taken out of the cache.
    pub entries: u64,
}

/// Those targets that were asked about or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Targets {
    pub endpoints: Vec<EndpointStatus>,
    /// What the change leaves behind that is hardly meant.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    pub ready: bool,
    /// Why not, one sentence each; what is degraded but serves may be listed with `ready` true.
    pub reasons: Vec<String>,
}
