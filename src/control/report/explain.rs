//! What becomes of a question, and why.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{NameStatus, Place, TargetState};

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
