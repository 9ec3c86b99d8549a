//! The workloads.

mod cached;
mod forwarded;
pub mod live;
mod rules;
mod start;
mod tcp;
mod zones;

use anyhow::Result;

use crate::figures::Row;
use crate::setting::Setting;

pub struct Case {
    pub id: &'static str,
    pub title: &'static str,
    /// Figures worth a column, in this order.
    pub shown: &'static [&'static str],
    pub run: fn(&Setting) -> Result<Vec<Row>>,
    /// Each server is measured for itself: what the results hold of servers that a run leaves out stays.
    pub apart: bool,
}

/// The servers that forward and cache.
const FORWARDERS: &[&str] =
    &["dnsfwd", "unbound", "bind", "dnsdist", "recursor", "kresd", "dnsmasq", "hickory", "numa"];
const FLOOR_AND_FORWARDERS: &[&str] =
    &["floor", "dnsfwd", "unbound", "bind", "dnsdist", "recursor", "kresd", "dnsmasq", "hickory", "numa"];

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
const AT_A_RATE: &[&str] = &["cpu_us", "p50_us", "p99_us", "p999_us", "max_us", "lost", "wrong"];
const MEMORY: &[&str] =
    &["cpu_us", "qps", "lost", "wrong", "idle_mb", "filled_mb", "bytes_per_name", "bytes_per_name_all"];
const RULES: &[&str] = &["cpu_us", "user_us", "system_us", "qps", "lost", "wrong", "start_ms", "idle_mb"];
const RELOAD: &[&str] =
    &["p999_us", "p50_us", "p99_us", "max_us", "gap_ms", "lost", "wrong", "sent", "reload_ms", "stall_ms"];
const LIVE: &[&str] = &[
    "max_ms",
    "lost",
    "servfail",
    "p50_ms",
    "p99_ms",
    "p999_ms",
    "dark_heard",
    "dark_clients",
    "return_ms",
    "fail_first_ms",
    "fail_later_p50_ms",
    "fail_later_max_ms",
    "both_lost",
    "good_again_ms",
    "well_again_ms",
    "extra_percent",
    "well_lost",
    "stall_ms",
];
const START: &[&str] = &["start_ms", "idle_mb"];

/// In the order in which they are run and shown.
pub static ALL: &[Case] = &[
    case("cached-10k", "From cache, UDP, 10,000 names", SPEED, cached::ten_thousand),
    case("cached-1", "From cache, UDP, 1 name", SPEED, cached::one_name),
    case("cached-10k-no-edns", "From cache, UDP, 10,000 names, without EDNS", SPEED, cached::without_edns),
    case("cached-1m", "From cache, UDP, 1 million names, without EDNS", MEMORY, cached::million),
    case("forwarded", "Forwarded, UDP, every name new, two targets", SPEED, forwarded::new_names),
    case("mix-5ms", "20,000 queries/s, 10 % forwarded to targets 5 ms away", AT_A_RATE, forwarded::mix_near),
    case("mix-50ms", "20,000 queries/s, 10 % forwarded to targets 50 ms away", AT_A_RATE, forwarded::mix_far),
    case("tcp-pipelined", "From cache, TCP, pipelined", SPEED, tcp::pipelined),
    case("tcp-each", "From cache, TCP, a connection for each query", SPEED, tcp::each_anew),
    case("zone", "From a local zone of 100,000 names, UDP", SPEED, zones::zone),
    case("rules", "From cache, UDP, 100,000 names spread over the rules", RULES, rules::many),
    case("reload", "Reload under 20,000 queries/s", RELOAD, rules::reload),
    case("start-rules", "From exec to the first answer, with rules", START, start::rules),
    case("start-zone", "From exec to the first answer, with a zone", START, start::zone),
    case("latency", "10,000 queries/s from cache, UDP", AT_A_RATE, cached::at_a_rate),
    case("workers", "One worker and two, from cache, UDP, 10,000 names", SPEED, cached::workers),
    Case { apart: true, ..case("live", "Two targets that fall silent and come back", LIVE, live::outages) },
];

const fn case(
    id: &'static str,
    title: &'static str,
    shown: &'static [&'static str],
    run: fn(&Setting) -> Result<Vec<Row>>,
) -> Case {
    Case { id, title, shown, run, apart: false }
}
