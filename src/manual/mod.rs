//! The manual: a file for each topic beside this one, for `dnsfwd manual TOPIC` and for whoever reads it on the web.
//! Owns the list of topics, and knows no other part. Nothing but commands reads it.

use serde::Serialize;

/// What users look for under one word.
#[derive(Serialize)]
pub struct Topic {
    pub name: &'static str,
    /// A line for the list of topics.
    pub about: &'static str,
    /// Markdown, which is also what a terminal shows.
    pub text: &'static str,
}

macro_rules! topics {
    ($($name:literal: $about:literal,)*) => {
        &[$(Topic { name: $name, about: $about, text: include_str!(concat!($name, ".md")) },)*]
    };
}

/// All topics, in the order in which they are listed. A file `NAME.md` here and a line with its name make a topic.
pub const TOPICS: &[Topic] = topics! {
    "configuration": "every key, its default, its bounds",
    "rules": "which rule or zone decides for a name; SYSTEM, reverse networks, built-in names",
    "endpoints": "targets: Availability Zones, tiers, rates, probes, names",
    "failover": "what a client gets when targets fail; how that is noticed; loops",
    "caching": "TTLs, stale answers, prefetch, flush",
    "zones": "zone files, secondaries, transfers, updates, signed zones",
    "views": "rules for some clients; access lists and keys",
    "aws": "Route 53 Resolver's side in the same file: what check sees, and what AWS is brought to",
    "moving": "from BIND, step by step, and what is different on purpose",
    "import": "a configuration of another server's: BIND, dnsmasq, Unbound, CoreDNS, Windows, Route 53",
    "compare": "asking the old server and the new one the same questions",
    "commands": "all commands, their exit codes, the control socket",
    "operating": "systemd, reload, status, work on a target, logs",
    "explain": "why a question gets the answer it gets",
    "metrics": "/metrics, /healthz, /readyz",
    "troubleshooting": "from what clients see to what to do; Extended DNS Errors",
    "scenarios": "faults written down and played without a network",
    "limits": "what it does not do, and the RFCs it keeps",
};

/// The topic of that name.
pub fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}
