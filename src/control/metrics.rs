//! A sample as Prometheus text. Each scrape fills a recorder of its own: what a reload took away is gone from
//! the next page, and no query ever touches a recorder.

use std::net::SocketAddr;

use ::metrics::{Key, Label, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::formatting::{write_help_line, write_metric_line, write_type_line};
use metrics_exporter_prometheus::{LabelSet, PrometheusBuilder};

use super::report::{
    Action, ExchangeSample, LATENCY_BOUNDS, NameSample, Sample, TargetSample, TargetState, ZoneStatus,
};
use crate::wire::header::rcode_name;

/// What a family counts, as its TYPE line says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Every family: name, kind, labels, help. The manual's table is this one, and a test holds them together.
pub const FAMILIES: [(&str, Kind, &str, &str); 43] = [
    ("dnsfwd_queries_total", Kind::Counter, "transport, rcode", "Replies sent to clients."),
    ("dnsfwd_answers_total", Kind::Counter, "source", "Replies by where they came from."),
    (
        "dnsfwd_decisions_total",
        Kind::Counter,
        "kind, domain",
        "Queries by the rule, zone or built-in name that decided them.",
    ),
    (
        "dnsfwd_view_queries_total",
        Kind::Counter,
        "view",
        "Queries by the view that the client belongs to, if there are views.",
    ),
    ("dnsfwd_dropped_packets_total", Kind::Counter, "reason", "Packets dropped without a reply."),
    (
        "dnsfwd_shed_queries_total",
        Kind::Counter,
        "reason",
        "Queries answered with SERVFAIL because too many wait for targets.",
    ),
    ("dnsfwd_queries_in_flight", Kind::Gauge, "", "Queries that wait for a target."),
    ("dnsfwd_tcp_connections", Kind::Gauge, "", "Open TCP connections of clients."),
    (
        "dnsfwd_rule_loops_total",
        Kind::Counter,
        "domain",
        "Times that a target was found to ask this server back.",
    ),
    ("dnsfwd_rules_quarantined", Kind::Gauge, "", "Rules all of whose targets ask this server back."),
    ("dnsfwd_target_queries_total", Kind::Counter, "rule, endpoint, target", "Queries sent to a target."),
    (
        "dnsfwd_target_timeouts_total",
        Kind::Counter,
        "rule, endpoint, target",
        "Queries that a target left unanswered.",
    ),
    (
        "dnsfwd_target_errors_total",
        Kind::Counter,
        "rule, endpoint, target",
        "Queries that a target failed otherwise: SERVFAIL, REFUSED, unreachable, broken replies.",
    ),
    (
        "dnsfwd_target_latency_seconds",
        Kind::Histogram,
        "rule, endpoint, target",
        "Time from query to answer of a target.",
    ),
    (
        "dnsfwd_target_state",
        Kind::Gauge,
        "endpoint, target, az, state",
        "1 for the state a target is in, 0 for the others.",
    ),
    ("dnsfwd_target_outstanding", Kind::Gauge, "endpoint, target, az", "Queries a target has yet to answer."),
    ("dnsfwd_target_rtt_seconds", Kind::Gauge, "endpoint, target, az", "Smoothed answer time of a target."),
    (
        "dnsfwd_target_usual_seconds",
        Kind::Gauge,
        "endpoint, target, az",
        "Time within which 95 % of a target's answers come.",
    ),
    (
        "dnsfwd_target_network_seconds",
        Kind::Gauge,
        "endpoint, target, az",
        "Smoothed round trip to a target, without its own work.",
    ),
    (
        "dnsfwd_target_hedges_total",
        Kind::Counter,
        "endpoint, target, az",
        "Queries sent to a target because another one took longer than usual.",
    ),
    (
        "dnsfwd_target_guarded_total",
        Kind::Counter,
        "endpoint, target, az",
        "Queries kept from a target because it is not to be asked more often.",
    ),
    ("dnsfwd_target_drained", Kind::Gauge, "endpoint, target, az", "1 while a target is drained."),
    ("dnsfwd_name_addresses", Kind::Gauge, "name", "Addresses known of a target that is written as a name."),
    ("dnsfwd_name_changes_total", Kind::Counter, "name", "Times that the addresses of such a name changed."),
    ("dnsfwd_name_failures_total", Kind::Counter, "name", "Lookups of such a name that failed."),
    (
        "dnsfwd_zone_serial",
        Kind::Gauge,
        "zone, view",
        "Serial of a zone's SOA; gone while a secondary has nothing to answer with.",
    ),
    (
        "dnsfwd_zone_transfers_total",
        Kind::Counter,
        "zone, view, direction",
        "Transfers of a zone, in from primaries and out to secondaries.",
    ),
    ("dnsfwd_zone_updates_total", Kind::Counter, "zone, view, result", "Dynamic updates, made or refused."),
    (
        "dnsfwd_zone_failures_total",
        Kind::Counter,
        "zone, view",
        "Refreshes in which no primary was of use, faults in files, disks that can't be written, changes that a secondary does not hear of, and expiry.",
    ),
    (
        "dnsfwd_zone_primary_failures_total",
        Kind::Counter,
        "zone, view, primary",
        "Times that a primary was of no use: silent, refusing, behind, or with a transfer that is no zone.",
    ),
    (
        "dnsfwd_zone_expires_seconds",
        Kind::Gauge,
        "zone, view",
        "Time until a secondary zone expires if no primary vouches for it; 0 when it has.",
    ),
    (
        "dnsfwd_cache_refreshes_total",
        Kind::Counter,
        "",
        "Queries sent to targets for answers that were about to expire.",
    ),
    ("dnsfwd_cache_entries", Kind::Gauge, "", "Answers in the cache."),
    ("dnsfwd_cache_bytes", Kind::Gauge, "", "Memory that the cache uses."),
    ("dnsfwd_cache_limit_bytes", Kind::Gauge, "", "Memory that the cache may use."),
    ("dnsfwd_cache_evictions_total", Kind::Counter, "", "Answers dropped from the cache to make room."),
    (
        "dnsfwd_config_info",
        Kind::Gauge,
        "hash, version",
        "Always 1; the labels tell the configuration and the program.",
    ),
    ("dnsfwd_config_reloads_total", Kind::Counter, "", "Reloads that were applied or found nothing new."),
    ("dnsfwd_config_reload_failures_total", Kind::Counter, "", "Reloads that were refused."),
    (
        "dnsfwd_aws_follow_requests_total",
        Kind::Counter,
        "result",
        "Times that AWS was asked for what is followed: `answered`, `failed`.",
    ),
    (
        "dnsfwd_aws_follow_changes_total",
        Kind::Counter,
        "",
        "Times that AWS said something else than the server went by, and a reload was asked for.",
    ),
    ("dnsfwd_aws_follow_age_seconds", Kind::Gauge, "", "Seconds since AWS last said what is followed."),
    ("dnsfwd_uptime_seconds", Kind::Gauge, "", "Seconds since the start."),
];

/// The page for collectors.
pub fn render(sample: &Sample) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        describe();
        publish_traffic(sample);
        sample.exchanges.iter().for_each(publish_exchange);
        sample.targets.iter().for_each(publish_target);
        sample.names.iter().for_each(publish_name);
        sample.zones.iter().for_each(publish_zone);
        publish_cache_and_config(sample);
    });
    let mut page = in_order(&recorder.handle().render());
    append_latencies(&mut page, &sample.exchanges);
    page
}

/// The recorder's families in our order, and their series sorted: pages can be read and compared.
fn in_order(page: &str) -> String {
    let mut families: Vec<&str> = page.split("\n\n").filter(|family| !family.trim().is_empty()).collect();
    families.sort_by_key(|family| FAMILIES.iter().position(|row| row.0 == family_name(family)));
    families.iter().map(|family| sorted_series(family)).collect()
}

/// The third word of `# HELP name …`.
fn family_name(family: &str) -> &str {
    family.split_whitespace().nth(2).unwrap_or_default()
}

fn sorted_series(family: &str) -> String {
    let mut lines: Vec<&str> = family.lines().filter(|line| !line.is_empty()).collect();
    // '#' stands before every letter, and HELP before TYPE.
    lines.sort_unstable();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn describe() {
    for (name, kind, _, help) in FAMILIES {
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram => {}
        }
    }
}

fn publish_traffic(sample: &Sample) {
    for row in &sample.queries {
        let labels = [("transport", row.transport.clone()), ("rcode", rcode_name(row.rcode).into_owned())];
        counter!("dnsfwd_queries_total", &labels).absolute(row.count);
    }
    for row in &sample.answers {
        counter!("dnsfwd_answers_total", "source" => row.source.clone()).absolute(row.count);
    }
    for row in &sample.decisions {
        let labels = [("kind", action_name(row.kind).to_owned()), ("domain", row.domain.clone())];
        counter!("dnsfwd_decisions_total", &labels).absolute(row.count);
    }
    for row in &sample.views {
        counter!("dnsfwd_view_queries_total", "view" => row.view.clone()).absolute(row.count);
    }
    for row in &sample.dropped {
        counter!("dnsfwd_dropped_packets_total", "reason" => row.reason.clone()).absolute(row.count);
    }
    for row in &sample.shed {
        counter!("dnsfwd_shed_queries_total", "reason" => row.reason.clone()).absolute(row.count);
    }
    for row in &sample.loops {
        counter!("dnsfwd_rule_loops_total", "domain" => row.domain.clone()).absolute(row.count);
    }
    gauge!("dnsfwd_rules_quarantined").set(sample.quarantined as f64);
    gauge!("dnsfwd_queries_in_flight").set(sample.in_flight as f64);
    gauge!("dnsfwd_tcp_connections").set(sample.tcp_connections as f64);
}

fn publish_exchange(row: &ExchangeSample) {
    let labels = exchange_labels(row);
    counter!("dnsfwd_target_queries_total", labels.iter()).absolute(row.queries);
    counter!("dnsfwd_target_timeouts_total", labels.iter()).absolute(row.timeouts);
    counter!("dnsfwd_target_errors_total", labels.iter()).absolute(row.errors);
}

fn publish_target(row: &TargetSample) {
    let labels = target_labels(&row.endpoint, row.target, row.az.as_deref());
    for state in [TargetState::Healthy, TargetState::Returning, TargetState::Suspect, TargetState::Down] {
        let mut labels = labels.clone();
        labels.push(Label::new("state", state_name(state)));
        gauge!("dnsfwd_target_state", labels).set(f64::from(u8::from(state == row.state)));
    }
    gauge!("dnsfwd_target_outstanding", labels.iter()).set(row.outstanding as f64);
    counter!("dnsfwd_target_hedges_total", labels.iter()).absolute(row.hedges);
    counter!("dnsfwd_target_guarded_total", labels.iter()).absolute(row.guarded);
    gauge!("dnsfwd_target_drained", labels.iter()).set(f64::from(u8::from(row.drained)));
    for (name, secs) in [
        ("dnsfwd_target_rtt_seconds", row.rtt_secs),
        ("dnsfwd_target_usual_seconds", row.usual_secs),
        ("dnsfwd_target_network_seconds", row.network_secs),
    ] {
        if let Some(secs) = secs {
            gauge!(name, labels.iter()).set(secs);
        }
    }
}

fn publish_name(row: &NameSample) {
    gauge!("dnsfwd_name_addresses", "name" => row.name.clone()).set(row.addresses as f64);
    counter!("dnsfwd_name_changes_total", "name" => row.name.clone()).absolute(row.changes);
    counter!("dnsfwd_name_failures_total", "name" => row.name.clone()).absolute(row.failures);
}

fn publish_zone(row: &ZoneStatus) {
    let labels =
        [Label::new("zone", row.name.clone()), Label::new("view", row.view.clone().unwrap_or_default())];
    let with = |name: &'static str, value: String| {
        labels.iter().cloned().chain([Label::new(name, value)]).collect::<Vec<_>>()
    };
    let counts = &row.counts;
    if let Some(serial) = row.serial {
        gauge!("dnsfwd_zone_serial", labels.iter()).set(f64::from(serial));
    }
    for (direction, count) in [("in", counts.transfers_in), ("out", counts.transfers_out)] {
        counter!("dnsfwd_zone_transfers_total", with("direction", direction.to_owned())).absolute(count);
    }
    for (result, count) in [("made", counts.updates), ("refused", counts.updates_refused)] {
        counter!("dnsfwd_zone_updates_total", with("result", result.to_owned())).absolute(count);
    }
    counter!("dnsfwd_zone_failures_total", labels.iter()).absolute(counts.failures);
    for primary in &row.primaries {
        let labels = with("primary", primary.address.to_string());
        counter!("dnsfwd_zone_primary_failures_total", labels).absolute(primary.failures);
    }
    if let Some(secs) = row.expires_secs {
        gauge!("dnsfwd_zone_expires_seconds", labels.iter()).set(secs as f64);
    }
}

fn publish_cache_and_config(sample: &Sample) {
    counter!("dnsfwd_cache_refreshes_total").absolute(sample.refreshes);
    gauge!("dnsfwd_cache_entries").set(sample.cache.entries as f64);
    gauge!("dnsfwd_cache_bytes").set(sample.cache.bytes as f64);
    gauge!("dnsfwd_cache_limit_bytes").set(sample.cache.limit_bytes as f64);
    counter!("dnsfwd_cache_evictions_total").absolute(sample.cache.evictions);
    let info = [("hash", sample.config_hash.clone()), ("version", sample.version.clone())];
    gauge!("dnsfwd_config_info", &info).set(1.0);
    counter!("dnsfwd_config_reloads_total").absolute(sample.reloads);
    counter!("dnsfwd_config_reload_failures_total").absolute(sample.reload_failures);
    if let Some(aws) = &sample.aws {
        for (result, count) in [("answered", aws.answered), ("failed", aws.failed)] {
            counter!("dnsfwd_aws_follow_requests_total", "result" => result).absolute(count);
        }
        counter!("dnsfwd_aws_follow_changes_total").absolute(aws.changes);
        if let Some(secs) = aws.age_secs {
            gauge!("dnsfwd_aws_follow_age_seconds").set(secs);
        }
    }
    gauge!("dnsfwd_uptime_seconds").set(sample.uptime_secs);
}

/// Our buckets are counted where queries are answered, so they come finished and are only written out.
fn append_latencies(page: &mut String, exchanges: &[ExchangeSample]) {
    const NAME: &str = "dnsfwd_target_latency_seconds";
    let Some((_, _, _, help)) = FAMILIES.iter().find(|family| family.0 == NAME) else { return };
    if exchanges.is_empty() {
        return;
    }
    write_help_line(page, NAME, None, None, help);
    write_type_line(page, NAME, None, None, "histogram");
    for row in exchanges {
        append_latency(page, NAME, row);
    }
}

fn append_latency(page: &mut String, name: &'static str, row: &ExchangeSample) {
    let key = Key::from_parts(name, exchange_labels(row));
    let labels = LabelSet::from_key_and_global(&key, &Default::default());
    let bounds = LATENCY_BOUNDS.iter().map(|bound| bound.to_string());
    let mut total = 0;
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(row.latency.counts) {
        total += count;
        write_metric_line(page, name, Some("bucket"), &labels, Some(("le", bound)), total, None);
    }
    write_metric_line::<&str, _>(page, name, Some("sum"), &labels, None, row.latency.sum_secs, None);
    write_metric_line::<&str, _>(page, name, Some("count"), &labels, None, total, None);
}

fn exchange_labels(row: &ExchangeSample) -> Vec<Label> {
    vec![
        Label::new("rule", row.rule.clone()),
        Label::new("endpoint", row.endpoint.clone()),
        Label::new("target", row.target.to_string()),
    ]
}

fn target_labels(endpoint: &str, target: SocketAddr, az: Option<&str>) -> Vec<Label> {
    vec![
        Label::new("endpoint", endpoint.to_owned()),
        Label::new("target", target.to_string()),
        Label::new("az", az.unwrap_or_default().to_owned()),
    ]
}

fn action_name(action: Action) -> &'static str {
    match action {
        Action::Zone => "zone",
        Action::Builtin => "builtin",
        Action::Forward => "forward",
        Action::System => "system",
        Action::Refuse => "refuse",
    }
}

fn state_name(state: TargetState) -> &'static str {
    match state {
        TargetState::Healthy => "healthy",
        TargetState::Returning => "returning",
        TargetState::Suspect => "suspect",
        TargetState::Down => "down",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::super::fake;
    use super::*;

    /// Reads the page as the format's definition says, line by line, and gives the samples.
    fn read(page: &str) -> HashMap<String, f64> {
        let (mut helped, mut typed) = (HashSet::new(), HashMap::new());
        let mut samples = HashMap::new();
        for line in page.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help text");
                assert!(helped.insert(name.to_owned()) && !help.is_empty(), "HELP twice or empty: {name}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(typed.insert(name.to_owned(), kind.to_owned()).is_none(), "TYPE twice: {name}");
            } else {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                let family = family_of(series, &typed);
                assert!(helped.contains(&family), "no HELP before {series}");
                let value = value.parse().expect("a number");
                assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {series}");
            }
        }
        samples
    }

    fn family_of(series: &str, typed: &HashMap<String, String>) -> String {
        let name = series.split('{').next().expect("a name");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
        let parts = ["_bucket", "_sum", "_count"];
        let stem = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        match (typed.get(name), typed.get(stem).map(String::as_str)) {
            (Some(_), _) => name.to_owned(),
            (None, Some("histogram")) => stem.to_owned(),
            _ => panic!("no TYPE before {series}"),
        }
    }

    #[test]
    fn every_family_is_described_and_no_series_comes_twice() {
        let page = render(&fake::sample());
        let samples = read(&page);
        for (name, kind, _, _) in FAMILIES {
            let suffix = if kind == Kind::Histogram { "_count" } else { "" };
            let found =
                samples.keys().any(|series| series.split('{').next() == Some(&format!("{name}{suffix}")));
            assert!(found, "{name} is missing");
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        }
        assert_eq!(samples[r#"dnsfwd_queries_total{transport="udp",rcode="NXDOMAIN"}"#], 7.0);
        assert_eq!(samples[r#"dnsfwd_decisions_total{kind="forward",domain="."}"#], 12.0);
        let hash = r#"dnsfwd_config_info{hash="00112233aabbccdd",version="0.1.0"}"#;
        assert_eq!(samples[hash], 1.0);
    }

    #[test]
    fn buckets_add_up() {
        let samples = read(&render(&fake::sample()));
        let labels = r#"rule="awsanycompany.corp",endpoint="aws-inbound",target="10.0.1.250:53""#;
        let bucket =
            |le: &str| samples[&format!("dnsfwd_target_latency_seconds_bucket{{{labels},le=\"{le}\"}}")];
        assert_eq!([bucket("0.0005"), bucket("0.001"), bucket("2"), bucket("+Inf")], [0.0, 3.0, 7.0, 8.0]);
        assert_eq!(samples[&format!("dnsfwd_target_latency_seconds_count{{{labels}}}")], 8.0);
    }

    #[test]
    fn families_come_in_the_order_of_the_readme() {
        let page = render(&fake::sample());
        let places = FAMILIES.iter().filter(|row| row.1 != Kind::Histogram);
        let places: Vec<usize> =
            places.map(|row| page.find(&format!("# HELP {} ", row.0)).expect("is there")).collect();
        assert!(places.is_sorted(), "{page}");
    }

    #[test]
    fn labels_are_escaped() {
        let mut sample = fake::sample();
        sample.decisions[0].domain = "a\"b\\c\nd".to_owned();
        let page = render(&sample);
        assert!(page.contains(r#"domain="a\"b\\c\nd""#), "{page}");
        read(&page);
    }

    #[test]
    fn what_is_gone_from_the_sample_is_gone_from_the_page() {
        let mut sample = fake::sample();
        assert!(render(&sample).contains("10.0.1.250"));
        sample.exchanges.clear();
        sample.targets.clear();
        // Its primary has the same address.
        sample.zones.clear();
        assert!(!render(&sample).contains("10.0.1.250"));
    }

    #[test]
    fn the_manual_lists_every_family() {
        let manual = include_str!("../manual/metrics.md");
        for (name, kind, labels, help) in FAMILIES {
            let kind = format!("{kind:?}").to_lowercase();
            let row = format!("| `{name}` | {kind} | {labels} | {help} |");
            assert!(manual.contains(&row.replace("|  |", "| |")), "metrics.md lacks:\n{row}");
        }
    }
}
