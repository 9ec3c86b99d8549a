//! A server that isn't one, for the tests of the control plane.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::core::{Asking, Core, Settings, UnknownListener, UnknownTarget, UnknownZone, Which};
use super::report::*;
use crate::wire::name::Name;

#[derive(Default)]
pub struct Fake {
    pub settings: Mutex<Settings>,
    pub reloads: AtomicU64,
    /// Reloads that run at this moment, and the most there ever were.
    pub running: AtomicU64,
    pub most_running: AtomicU64,
}

impl Core for Fake {
    fn reload(&self) -> Reload {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.reloads.fetch_add(1, Ordering::SeqCst);
        Reload {
            outcome: Outcome::Applied,
            hash: "00112233aabbccdd".into(),
            changes: Vec::new(),
            cache_kept: 3,
            cache_purged: 1,
            diagnostics: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn reload_zone(&self, name: &Name) -> Result<ZoneReloads, UnknownZone> {
        Err(UnknownZone { name: name.clone(), meant: None, there: vec!["anycompany.corp".into()] })
    }

    fn status(&self) -> Status {
        status()
    }

    fn explain(&self, asking: &Asking) -> Result<Explanation, UnknownListener> {
        Ok(explanation(&asking.name, asking.rtype, asking.client))
    }

    fn flush(&self, name: &Name, tree: bool) -> Flush {
        assert!(!name.is_root(), "a fault for a test to provoke");
        Flush { entries: if tree { 10 } else { 1 } }
    }

    fn targets(&self) -> Targets {
        Targets { endpoints: status().endpoints, warnings: Vec::new() }
    }

    fn drain_targets(&self, which: &Which, length: Option<Duration>) -> Result<Targets, UnknownTarget> {
        let mut targets = self.enable_targets(which)?;
        let drained = Drained { left_secs: length.map(|length| length.as_secs()) };
        targets.endpoints[0].targets[0].drained = Some(drained);
        Ok(targets)
    }

    fn enable_targets(&self, which: &Which) -> Result<Targets, UnknownTarget> {
        let targets = self.targets();
        let (name, address) = (&targets.endpoints[0].name, targets.endpoints[0].targets[0].address);
        match which.means(name, address) {
            true => Ok(targets),
            false => Err(UnknownTarget { which: which.clone(), there: vec![(name.clone(), vec![address])] }),
        }
    }

    fn ready(&self) -> Ready {
        Ready { ready: true, reasons: vec!["endpoint aws-inbound has one healthy target of two".into()] }
    }

    fn sample(&self) -> Sample {
        sample()
    }

    fn settings(&self) -> Settings {
        self.settings.lock().expect("no test panics with it").clone()
    }
}

pub fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        uptime_secs: 93_784,
        config: ConfigStatus {
            files: vec!["/etc/dnsfwd/dnsfwd.toml".into()],
            hash: "00112233aabbccdd".into(),
            loaded_at: 1_766_000_000,
        },
        listeners: vec![Listener {
            address: "192.168.2.250:53".parse().expect("literal"),
            transport: "udp".into(),
        }],
        rules: 2,
        zones: vec![ZoneStatus::of("anycompany.corp", 1, 5)],
        views: Vec::new(),
        endpoints: vec![EndpointStatus {
            name: "aws-inbound".into(),
            targets: vec![target_status()],
            names: Vec::new(),
        }],
        loops: Vec::new(),
        cache: CacheStatus { entries: 10, bytes: 4096, limit_bytes: 1 << 28, hits: 90, misses: 10, stale: 0 },
        queries: vec![TransportCount { transport: "udp".into(), count: 100 }],
        reloads: 1,
        reload_failures: 0,
        last_reload_failure: None,
    }
}

fn target_status() -> TargetStatus {
    TargetStatus {
        address: "10.0.1.250:53".parse().expect("literal"),
        az: Some("ap-northeast-2a".into()),
        state: TargetState::Healthy,
        since_secs: 12,
        outstanding: 0,
        tier: 0,
        rate: Some(10_000),
        drained: None,
        rtt_ms: Some(4.2),
        usual_ms: Some(9.0),
        network_ms: Some(3.9),
        hedges: 2,
        guarded: 0,
        queries: 8,
        timeouts: 1,
        errors: 0,
        last_failure: None,
    }
}

pub fn explanation(name: &Name, rtype: u16, client: IpAddr) -> Explanation {
    Explanation {
        name: name.to_string(),
        rtype: super::rtype::show(rtype),
        client,
        listener: None,
        offline: false,
        view: None,
        access: Access { allowed: true, network: Some("10.0.0.0/8".into()), list: "[server] allow".into() },
        listeners: Vec::new(),
        decision: Decision {
            action: Action::Forward,
            domain: Some("awsanycompany.corp".into()),
            view: None,
            because: "rule awsanycompany.corp is the longest that covers the name".into(),
            place: Some(Place { file: "/etc/dnsfwd/dnsfwd.toml".into(), line: 12 }),
        },
        zone: None,
        zone_expired_secs: None,
        runners_up: Vec::new(),
        endpoint: Some("aws-inbound".into()),
        names: Vec::new(),
        targets: Vec::new(),
        cache: None,
        follow_cname: true,
        loops: None,
        summary: "it is forwarded to aws-inbound".into(),
    }
}

pub fn sample() -> Sample {
    let target = "10.0.1.250:53".parse().expect("literal");
    let mut latency = Latency { sum_secs: 3.5, ..Latency::default() };
    (latency.counts[1], latency.counts[11], latency.counts[12]) = (3, 4, 1);
    Sample {
        names: vec![NameSample { name: "ns.example".into(), addresses: 2, changes: 1, failures: 3 }],
        version: "0.1.0".into(),
        config_hash: "00112233aabbccdd".into(),
        uptime_secs: 12.5,
        queries: vec![
            QueryCount { transport: "udp".into(), rcode: 0, count: 90 },
            QueryCount { transport: "udp".into(), rcode: 3, count: 7 },
            QueryCount { transport: "tcp".into(), rcode: 0, count: 3 },
        ],
        answers: vec![AnswerCount { source: "cache".into(), count: 80 }],
        views: vec![ViewCount { view: "client-vpn".into(), count: 7 }],
        decisions: vec![DecisionCount { kind: Action::Forward, domain: ".".into(), count: 12 }],
        zones: vec![ZoneStatus {
            kind: ZoneKind::Secondary,
            expires_secs: Some(604_800),
            primaries: vec![PrimaryStatus { address: target, failures: 4 }],
            counts: ZoneCounts { transfers_in: 3, updates: 2, failures: 1, ..ZoneCounts::default() },
            ..ZoneStatus::of("legacy.corp", 41, 312)
        }],
        exchanges: vec![ExchangeSample {
            rule: "awsanycompany.corp".into(),
            endpoint: "aws-inbound".into(),
            target,
            queries: 8,
            timeouts: 1,
            errors: 0,
            latency,
        }],
        targets: vec![TargetSample {
            endpoint: "aws-inbound".into(),
            target,
            az: Some("ap-northeast-2a".into()),
            state: TargetState::Healthy,
            outstanding: 0,
            rtt_secs: Some(0.0042),
            usual_secs: Some(0.009),
            network_secs: Some(0.0039),
            hedges: 0,
            guarded: 0,
            drained: false,
        }],
        refreshes: 5,
        cache: CacheSample { entries: 10, bytes: 4096, limit_bytes: 1 << 28, evictions: 0 },
        reloads: 1,
        reload_failures: 0,
        shed: vec![DropCount { reason: "line".into(), count: 3 }],
        dropped: vec![DropCount { reason: "short".into(), count: 2 }],
        loops: vec![RuleLoops { domain: "corp.example".into(), count: 1 }],
        quarantined: 1,
        in_flight: 1,
        tcp_connections: 2,
        aws: Some(AwsSample { answered: 7, failed: 1, changes: 2, age_secs: Some(60.0) }),
    }
}
