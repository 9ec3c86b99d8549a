//! What the server says about itself, as plain data: the socket's JSON, the text for people and the metrics
//! all come from these types, so that they can't disagree. Formats nothing, asks nobody.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::diagnostic::Diagnostic;
pub use crate::forward::stats::{LATENCY_BOUNDS, LATENCY_BUCKETS};
use crate::forward::target::State;

/// Where the configuration says a thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: PathBuf,
    pub line: usize,
}

// ---------------------------------------------------------------------------------------------- reload

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

// ---------------------------------------------------------------------------------------------- status

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

// --------------------------------------------------------------------------------------------- explain

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub name: String,
    /// The mnemonic of the type, or `TYPEnnn`.
    #[serde(rename = "type")]
    pub rtype: String,
    pub client: IpAddr,
    /// Where it would arrive, if that was said.
    #[serde(default)]
    pub listener: Option<SocketAddr>,
    /// True when this comes from the configuration files alone, without a server's state.
    pub offline: bool,
    /// The client's view and why it is that; none where there are no views.
    pub view: Option<String>,
    /// At the listener that was named; without one, at the first listener that lets the client in.
    pub access: Access,
    /// Each listener, where they differ and none was named.
    #[serde(default)]
    pub listeners: Vec<ListenerAccess>,
    pub decision: Decision,
    /// If a zone decides: its kind, and what it is answered from or why there is nothing.
    #[serde(default)]
    pub zone: Option<String>,
    /// Since that zone has expired, if it has.
    #[serde(default)]
    pub zone_expired_secs: Option<u64>,
    /// What else could have matched, nearest first.
    pub runners_up: Vec<RunnerUp>,
    pub endpoint: Option<String>,
    /// What is known of the names among its targets.
    pub names: Vec<NameStatus>,
    /// In the order in which they would be asked now.
    pub targets: Vec<TargetChoice>,
    pub cache: Option<CacheEntry>,
    /// Whether a CNAME that leads to another rule or zone is followed there.
    pub follow_cname: bool,
    /// Why not all targets of the rule are asked, if it loops.
    pub loops: Option<String>,
    /// All of it in one sentence.
    pub summary: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    pub allowed: bool,
    /// The element of the access list that decides; none if none fits.
    pub network: Option<String>,
    /// Which access list that is, such as `[server] allow`.
    pub list: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerAccess {
    pub address: SocketAddr,
    #[serde(flatten)]
    pub access: Access,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub action: Action,
    /// The domain of the rule, zone or built-in name that decided; none when nothing matched.
    pub domain: Option<String>,
    /// The view whose rule or zone that is; none: it is general, or built in.
    #[serde(default)]
    pub view: Option<String>,
    /// One sentence; the same words go into the log and the Extended DNS Error.
    pub because: String,
    /// None for what no file says.
    pub place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Zone,
    Builtin,
    Forward,
    System,
    Refuse,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerUp {
    /// What it is: `rule`, `zone` or `built-in name`.
    pub what: String,
    pub domain: String,
    pub why_not: String,
    pub place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetChoice {
    pub address: SocketAddr,
    pub az: Option<String>,
    /// None offline.
    pub state: Option<TargetState>,
    pub rtt_ms: Option<f64>,
    /// The time within which 95 % of its answers come.
    pub usual_ms: Option<f64>,
    /// The way there and back alone.
    pub network_ms: Option<f64>,
    pub outstanding: u64,
    /// Why it stands at this place in the order.
    pub because: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheEntry {
    pub age_secs: u64,
    /// Zero when it is past its TTL.
    pub ttl_left_secs: u64,
    pub rcode: u16,
    /// The domain of the rule that fetched it.
    pub rule: String,
}

// --------------------------------------------------------------------------------------- flush and ready

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

// ----------------------------------------------------------------------------------------------- check

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

// ---------------------------------------------------------------------------------------------- sample

/// Every number of `/metrics`, at one moment. Counters only grow while the process lives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What is known of targets that are written as names.
    pub names: Vec<NameSample>,
    pub version: String,
    pub config_hash: String,
    pub uptime_secs: f64,
    pub queries: Vec<QueryCount>,
    pub answers: Vec<AnswerCount>,
    pub decisions: Vec<DecisionCount>,
    /// Empty if there are no views.
    pub views: Vec<ViewCount>,
    pub zones: Vec<ZoneStatus>,
    /// What rules asked of targets.
    pub exchanges: Vec<ExchangeSample>,
    /// The targets themselves, whichever rule asks them.
    pub targets: Vec<TargetSample>,
    pub cache: CacheSample,
    /// Questions asked anew before their answers expired.
    pub refreshes: u64,
    pub reloads: u64,
    pub reload_failures: u64,
    /// Packets dropped in silence, by reason (`short`, `response`, `overload` ...).
    pub dropped: Vec<DropCount>,
    /// Queries told off because too many wait, by whose room was full (`line`, `endpoint`, `client`).
    pub shed: Vec<DropCount>,
    /// Loops found, by rule.
    pub loops: Vec<RuleLoops>,
    /// Rules that loop through all their targets.
    pub quarantined: u64,
    pub in_flight: u64,
    pub tcp_connections: u64,
    /// None where the configuration follows nothing.
    pub aws: Option<AwsSample>,
}

/// How AWS is followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AwsSample {
    /// Times that AWS was asked, and answered.
    pub answered: u64,
    pub failed: u64,
    /// Times that it said something else than before.
    pub changes: u64,
    /// Since it answered last; none before the first time.
    pub age_secs: Option<f64>,
}

/// Replies sent, counted once each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryCount {
    pub transport: String,
    /// With the upper bits of EDNS.
    pub rcode: u16,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerCount {
    /// Where the answer came from: `cache`, `stale`, `zone`, `builtin`, `forwarded`, `refused`, `failed` ...
    pub source: String,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionCount {
    pub kind: Action,
    /// Empty when nothing matched. One series each: whoever samples leaves out those that count zero.
    pub domain: String,
    pub count: u64,
}

/// Queries of clients of one view, those refused by an access list left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewCount {
    /// `(general)` for clients that no view is for.
    pub view: String,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleLoops {
    pub domain: String,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExchangeSample {
    /// The rule's domain.
    pub rule: String,
    pub endpoint: String,
    pub target: SocketAddr,
    pub queries: u64,
    pub timeouts: u64,
    pub errors: u64,
    pub latency: Latency,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Answers in each bucket, not cumulative.
    pub counts: [u64; LATENCY_BUCKETS],
    pub sum_secs: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetSample {
    pub endpoint: String,
    pub target: SocketAddr,
    pub az: Option<String>,
    pub state: TargetState,
    pub outstanding: u64,
    pub rtt_secs: Option<f64>,
    pub usual_secs: Option<f64>,
    pub network_secs: Option<f64>,
    pub hedges: u64,
    pub guarded: u64,
    pub drained: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameSample {
    pub name: String,
    pub addresses: u64,
    /// Times that its addresses were others than before.
    pub changes: u64,
    /// Lookups that failed.
    pub failures: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheSample {
    pub entries: u64,
    pub bytes: u64,
    pub limit_bytes: u64,
    pub evictions: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropCount {
    pub reason: String,
    pub count: u64,
}
