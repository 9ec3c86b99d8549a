//! The workloads.

mod cached;
mod forwarded;
mod tcp;

use anyhow::Result;

use crate::figures::Row;
use crate::setting::Setting;

pub struct Case {
    pub id: &'static str,
    pub title: &'static str,
    /// Figures worth a column, in this order.
    pub shown: &'static [&'static str],
    pub run: fn(&Setting) -> Result<Vec<Row>>,
}

/// The servers that forward and cache.
const FORWARDERS: &[&str] =
    &["dnsfwd", "unbound", "bind", "dnsdist", "recursor", "kresd", "dnsmasq", "hickory"];
const FLOOR_AND_FORWARDERS: &[&str] =
    &["floor", "dnsfwd", "unbound", "bind", "dnsdist", "recursor", "kresd", "dnsmasq", "hickory"];

const SPEED: &[&str] = &[
    "cpu_us",
    "user_us",
    "system_us",
    "qps",
    "p50_us",
    "p99_us",
    "p999_us",
    "lost",
    "wrong",
    "busy",
    "load_busy",
];

pub static ALL: &[Case] = &[
    Case { id: "cached-1", title: "From cache, UDP, 1 name", shown: SPEED, run: cached::one_name },
    Case {
        id: "cached-10k",
        title: "From cache, UDP, 10,000 names",
        shown: SPEED,
        run: cached::ten_thousand,
    },
    Case {
        id: "cached-10k-no-edns",
        title: "From cache, UDP, 10,000 names, without EDNS",
        shown: SPEED,
        run: cached::without_edns,
    },
    Case {
        id: "forwarded",
        title: "Forwarded, UDP, every name new, two targets",
        shown: SPEED,
        run: forwarded::new_names,
    },
    Case { id: "tcp-pipelined", title: "From cache, TCP, pipelined", shown: SPEED, run: tcp::pipelined },
    Case {
        id: "tcp-each",
        title: "From cache, TCP, a connection for each query",
        shown: SPEED,
        run: tcp::each_anew,
    },
];
