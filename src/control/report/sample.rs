//! The counts behind the metrics, at one moment.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Action, LATENCY_BUCKETS, TargetState, ZoneStatus};

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
    /// Times that it said something else than the server went by.
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
