//! The server's state in the control plane's words: reads, and changes nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use crate::config::{self, LogLevel};
use crate::control::report;
use crate::forward::pick::{Endpoint, Member};
use crate::forward::stats::{Exchanges, Registry, Series};
use crate::policy::Action;
use crate::serve::builtins::builtins;
use crate::serve::counts::{self, Transport, WorkerCounts};
use crate::serve::explain;
use crate::serve::snapshot::Snapshot;
use crate::transfer::held::{Held, Source};

pub fn tracing_level(level: LogLevel) -> tracing::Level {
    match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    }
}

pub fn listener_reports(addresses: &[SocketAddr]) -> Vec<report::Listener> {
    let both = |address: &SocketAddr| {
        counts::TRANSPORTS
            .map(|(_, word)| report::Listener { address: *address, transport: word.to_string() })
    };
    addresses.iter().flat_map(both).collect()
}

pub fn zone_reports(snapshot: &Snapshot) -> Vec<report::ZoneStatus> {
    snapshot.zones.iter().map(|own| zone_report(&own.held)).collect()
}

fn zone_report(held: &Held) -> report::ZoneStatus {
    let (terms, story, zone) = (held.terms(), held.story(), held.zone());
    let secondary = terms.source == Source::Primaries;
    let now = SystemTime::now();
    let until = |time: Option<SystemTime>| {
        time.filter(|_| secondary).map(|time| time.duration_since(now).unwrap_or_default().as_secs())
    };
    report::ZoneStatus {
        name: terms.name.to_string(),
        view: Some(terms.view.clone()).filter(|view| !view.is_empty()),
        kind: if secondary { report::ZoneKind::Secondary } else { report::ZoneKind::Primary },
        serial: zone.as_ref().map(|zone| zone.serial()),
        records: zone.as_ref().map_or(0, |zone| zone.records() as u64),
        primary: story.primary,
        next_refresh_secs: until(story.next_refresh),
        expires_secs: until(story.expires),
        expired_secs: held.expired().map(|time| now.duration_since(time).unwrap_or_default().as_secs()),
        primaries: terms
            .primaries
            .iter()
            .map(|primary| report::PrimaryStatus {
                address: primary.address,
                failures: story.primary_failures.get(&primary.address).copied().unwrap_or_default(),
            })
            .collect(),
        journal_bytes: story.journal_octets,
        counts: report::ZoneCounts {
            transfers_out: story.transfers_out,
            transfers_in: story.transfers_in,
            notices_in: story.notices_in,
            updates: story.updates,
            updates_refused: story.updates_refused,
            failures: story.failures,
        },
        failure: story.failure.map(|(at, reason)| report::ZoneFailure {
            secs_ago: now.duration_since(at).unwrap_or_default().as_secs(),
            reason,
        }),
    }
}

pub fn view_reports(snapshot: &Snapshot) -> Vec<report::ViewStatus> {
    let counts = snapshot.decisions.views();
    let view = |(view, count): (&config::View, report::ViewCount)| report::ViewStatus {
        name: view.name.clone(),
        clients: view.clients.to_string(),
        inherit: view.inherit,
        own_cache: view.own_cache,
        rules: view.rules.len() as u64,
        zones: view.zones.len() as u64,
        queries: count.count,
    };
    // The first count is of those without a view.
    snapshot.config.views.iter().zip(counts.into_iter().skip(1)).map(view).collect()
}

pub fn endpoint_report(
    endpoint: &Endpoint,
    names: Vec<report::NameStatus>,
    now: Instant,
) -> report::EndpointStatus {
    report::EndpointStatus {
        name: endpoint.name.clone(),
        targets: endpoint.targets.iter().map(|member| target_report(member, now)).collect(),
        names,
    }
}

pub fn target_report(member: &Member, now: Instant) -> report::TargetStatus {
    let target = &member.target;
    report::TargetStatus {
        address: target.address,
        az: member.az.clone(),
        state: target.state().into(),
        since_secs: target.since(now).as_secs(),
        outstanding: target.outstanding().into(),
        tier: member.tier,
        rate: target.guard.per_second(),
        drained: target.drained_for(now).map(drained),
        rtt_ms: milliseconds(target.round_trip()),
        usual_ms: milliseconds(target.usual()),
        network_ms: milliseconds(target.network()),
        hedges: target.hedges.load(Relaxed),
        guarded: target.guarded.load(Relaxed),
        queries: target.queries.load(Relaxed),
        timeouts: target.timeouts.load(Relaxed),
        errors: target.errors.load(Relaxed),
        last_failure: target.last_failure(),
    }
}

fn drained(left: Duration) -> report::Drained {
    report::Drained { left_secs: Some(left).filter(|left| *left < Duration::MAX).map(|left| left.as_secs()) }
}

pub fn milliseconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64() * 1000.0)
}

pub fn transport_counts(workers: &[Arc<WorkerCounts>]) -> Vec<report::TransportCount> {
    let queries = counts::queries(workers);
    let count = |(_, word): (Transport, &str)| report::TransportCount {
        transport: word.to_string(),
        count: queries.iter().filter(|query| query.transport == word).map(|query| query.count).sum(),
    };
    counts::TRANSPORTS.into_iter().map(count).collect()
}

pub fn exchange_samples(registry: &Registry) -> Vec<report::ExchangeSample> {
    let sample = |(series, counts): (Arc<Series>, Arc<Exchanges>)| report::ExchangeSample {
        rule: series.rule.to_string(),
        endpoint: series.endpoint.clone(),
        target: series.target,
        queries: counts.queries.load(Relaxed),
        timeouts: counts.timeouts.load(Relaxed),
        errors: counts.errors.load(Relaxed),
        latency: report::Latency {
            counts: std::array::from_fn(|bucket| counts.latency[bucket].load(Relaxed)),
            sum_secs: counts.latency_sum_us.load(Relaxed) as f64 / 1e6,
        },
    };
    registry.all().into_iter().map(sample).collect()
}

pub fn target_samples(snapshot: &Snapshot) -> Vec<report::TargetSample> {
    let now = Instant::now();
    let sample = move |endpoint: &Arc<Endpoint>, member: &Member| report::TargetSample {
        endpoint: endpoint.name.clone(),
        target: member.target.address,
        az: member.az.clone(),
        state: member.target.state().into(),
        outstanding: member.target.outstanding().into(),
        rtt_secs: member.target.round_trip().map(|time| time.as_secs_f64()),
        usual_secs: member.target.usual().map(|time| time.as_secs_f64()),
        network_secs: member.target.network().map(|time| time.as_secs_f64()),
        hedges: member.target.hedges.load(Relaxed),
        guarded: member.target.guarded.load(Relaxed),
        drained: member.target.drained_for(now).is_some(),
    };
    let of = |endpoint| move |member| sample(endpoint, member);
    snapshot.endpoints.iter().flat_map(|endpoint| endpoint.targets.iter().map(of(endpoint))).collect()
}

/// What would be served.
pub fn facts(snapshot: &Snapshot) -> report::Facts {
    let mut facts = report::Facts {
        hash: snapshot.config.hash.clone(),
        listeners: snapshot.config.server.listen.clone(),
        zones: zone_reports(snapshot),
        rules: snapshot.rules.len() as u64,
        endpoints: snapshot.endpoints.len() as u64,
        targets: snapshot.config.endpoints.iter().map(|endpoint| endpoint.targets.len() as u64).sum(),
        builtin_overridden: Vec::new(),
        builtin: Vec::new(),
    };
    for builtin in builtins() {
        let name = builtin.zone.name();
        let decision = snapshot.policy.decide(
            name.as_wire(),
            crate::wire::rdata::rtype::SOA,
            crate::wire::rdata::class::IN,
        );
        match decision.action {
            Action::Builtin(_) => facts.builtin.push(name.to_string()),
            action => {
                let by = explain::what(snapshot, action);
                facts.builtin_overridden.push(report::BuiltinOverride { domain: name.to_string(), by });
            }
        }
    }
    facts
}
