//! `dnsfwd status`: what the running server does at this moment.

use super::text::{Paint, ago, bytes, columns, count, duration, labelled, milliseconds, moment, wrap};
use super::{Common, Exit, print, targets};
use crate::control::client::ask;
use crate::control::protocol::Request;
use crate::control::report::{
    CacheStatus, EndpointStatus, Listener, LoopStatus, NameStatus, Status, TargetState, TargetStatus,
    ViewStatus, ZoneKind, ZoneStatus,
};

pub fn run(common: &Common) -> anyhow::Result<Exit> {
    let status: Status = ask(&common.socket(), &Request::Status)?;
    print(common, &status, |status| show(status, Paint::for_stdout()))?;
    Ok(Exit::Clean)
}

pub fn show(status: &Status, paint: Paint) -> String {
    let mut page = format!("dnsfwd {}, up {}\n", status.version, duration(status.uptime_secs));
    let loaded = format!("{}, loaded {}", status.config.hash, moment(status.config.loaded_at));
    let files = status.config.files.iter().map(|file| file.display().to_string());
    page += &labelled("configuration", &std::iter::once(loaded).chain(files).collect::<Vec<_>>());
    page += &reload_failure(status, paint);
    page += &labelled("listeners", &listener_lines(&status.listeners));
    page += &labelled("zones", &status.zones.iter().map(zone_line).collect::<Vec<_>>());
    page += &labelled("views", &status.views.iter().flat_map(view_lines).collect::<Vec<_>>());
    page += &labelled("rules", &[status.rules.to_string()]);
    let queries = status.queries.iter().map(|row| format!("{} {}", row.count, row.transport));
    page += &labelled("queries", &[queries.collect::<Vec<_>>().join(", ")]);
    page += &labelled("cache", &cache_lines(&status.cache));
    page +=
        &labelled("loops", &status.loops.iter().flat_map(|rule| loop_lines(rule, paint)).collect::<Vec<_>>());
    for endpoint in &status.endpoints {
        page += &show_endpoint(endpoint, paint);
    }
    page
}

fn reload_failure(status: &Status, paint: Paint) -> String {
    let Some(failure) = &status.last_reload_failure else { return String::new() };
    let when = format!(
        "{} {} ago; the configuration above goes on",
        paint.bad("refused"),
        duration(failure.secs_ago)
    );
    labelled("last reload", &[when, failure.reason.clone()])
}

/// One line an address, with its transports.
fn listener_lines(listeners: &[Listener]) -> Vec<String> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for listener in listeners {
        let address = listener.address.to_string();
        match rows.iter_mut().find(|row| row[0] == address) {
            Some(row) => row[1] = format!("{} {}", row[1], listener.transport),
            None => rows.push(vec![address, listener.transport.clone()]),
        }
    }
    columns(&rows)
}

/// `corp.example serial 7, 5 records; from 192.168.3.10:53, asked again in 3h, holds for 7d`
pub fn zone_line(zone: &ZoneStatus) -> String {
    let name = of_view(&zone.name, zone.view.as_deref());
    let mut line = match zone.serial {
        Some(serial) => format!("{name} serial {serial}, {}", count(zone.records, "record")),
        None => match zone.expired_secs {
            Some(secs) => format!("{name} expired {}: nothing to answer with", ago(secs)),
            None => format!("{name} nothing to answer with"),
        },
    };
    if zone.kind == ZoneKind::Secondary {
        line += &zone.primary.map_or_else(|| "; secondary".to_owned(), |primary| format!("; from {primary}"));
        line += &zone
            .next_refresh_secs
            .map_or_else(String::new, |secs| format!(", asked again in {}", duration(secs)));
        let holds = zone.expires_secs.filter(|_| zone.serial.is_some());
        line += &holds.map_or_else(String::new, |secs| format!(", holds for {}", duration(secs)));
    }
    if zone.counts.updates > 0 {
        line += &format!("; {}", count(zone.counts.updates, "update"));
    }
    if zone.journal_bytes > 0 {
        line += &format!("; journal {}", bytes(zone.journal_bytes));
    }
    if let Some(failure) = &zone.failure {
        line += &format!("; {} ago: {}", duration(failure.secs_ago), failure.reason);
    }
    line
}

/// A zone's name, and its view if it has one.
pub fn of_view(name: &str, view: Option<&str>) -> String {
    view.map_or_else(|| name.to_owned(), |view| format!("{name} (view {view})"))
}

/// Two lines a view, in the order in which they are tried.
fn view_lines(view: &ViewStatus) -> Vec<String> {
    let own = format!("{}, {}", count(view.rules, "rule"), count(view.zones, "zone"));
    let rest = match (view.inherit, view.own_cache) {
        (true, false) => "over the general ones",
        (true, true) => "over the general ones, with a cache of its own",
        (false, false) => "alone",
        (false, true) => "alone, with a cache of its own",
    };
    let first = format!("{}: {own} {rest}, {}", view.name, count(view.queries, "query"));
    let clients = wrap(&format!("for {}", view.clients)).into_iter().map(|line| format!("  {line}"));
    std::iter::once(first).chain(clients).collect()
}

fn cache_lines(cache: &CacheStatus) -> Vec<String> {
    if cache.limit_bytes == 0 {
        return vec!["off".to_owned()];
    }
    let size =
        format!("{}, {} of {}", count(cache.entries, "entry"), bytes(cache.bytes), bytes(cache.limit_bytes));
    let looked = cache.hits + cache.misses;
    let share = (cache.hits * 100).checked_div(looked).map_or(String::new(), |share| format!(" ({share} %)"));
    vec![size, format!("{}{share}, {} missed, {} stale", count(cache.hits, "hit"), cache.misses, cache.stale)]
}

fn loop_lines(rule: &LoopStatus, paint: Paint) -> Vec<String> {
    wrap(&rule.because)
        .iter()
        .map(|line| if rule.quarantined { paint.bad(line) } else { paint.doubtful(line) })
        .collect()
}

fn show_endpoint(endpoint: &EndpointStatus, paint: Paint) -> String {
    let mut page = format!("\nendpoint {}\n", paint.bold(&endpoint.name));
    for name in &endpoint.names {
        page += &format!("  {}\n", name_line(name));
    }
    let rows: Vec<Vec<String>> = endpoint.targets.iter().map(target_row).collect();
    for (line, target) in columns(&rows).iter().zip(&endpoint.targets) {
        page += &format!("  {}\n", paint_state(line, target.state, paint));
        page += &format!("    {}\n", target_counts(target));
        for line in [target_times(target), target_bounds(target)].into_iter().flatten() {
            page += &format!("    {line}\n");
        }
        if let Some(drained) = &target.drained {
            page += &format!("    {}\n", paint.doubtful(&targets::drained(drained)));
        }
        if let Some(failure) = &target.last_failure {
            page += &format!("    last failure: {failure}\n");
        }
    }
    page
}

/// What is known of a target that is written as a name.
pub fn name_line(name: &NameStatus) -> String {
    let addresses = count(name.addresses.len() as u64, "address");
    let when = match (name.secs_ago, &name.failure) {
        (_, Some(why)) => format!("; the latest lookup failed: {why}"),
        (Some(secs), None) => format!(", looked up {} ago", duration(secs)),
        (None, None) => "; not looked up".to_owned(),
    };
    format!("{}: {addresses}{when}", name.name)
}

fn target_row(target: &TargetStatus) -> Vec<String> {
    vec![
        target.address.to_string(),
        target.az.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{} for {}", state_word(target.state), duration(target.since_secs)),
        format!("rtt {}", milliseconds(target.rtt_ms)),
    ]
}

fn target_counts(target: &TargetStatus) -> String {
    format!(
        "{}, {}, {}, {}, {} outstanding",
        count(target.queries, "query"),
        count(target.timeouts, "timeout"),
        count(target.errors, "error"),
        count(target.hedges, "hedge"),
        target.outstanding
    )
}

/// What says after how long a second target is asked, and how far away this one is.
fn target_times(target: &TargetStatus) -> Option<String> {
    let usual = target.usual_ms.map(|_| format!("95 % of answers within {}", milliseconds(target.usual_ms)));
    let network = target.network_ms.map(|_| format!("network {}", milliseconds(target.network_ms)));
    let both: Vec<String> = [usual, network].into_iter().flatten().collect();
    (!both.is_empty()).then(|| both.join(", "))
}

fn target_bounds(target: &TargetStatus) -> Option<String> {
    let tier = (target.tier > 0).then(|| format!("tier {}", target.tier));
    let rate = target.rate.map(|rate| {
        format!("at most {} a second, {} went elsewhere", count(rate.into(), "query"), target.guarded)
    });
    let both: Vec<String> = [tier, rate].into_iter().flatten().collect();
    (!both.is_empty()).then(|| both.join(", "))
}

pub fn state_word(state: TargetState) -> &'static str {
    match state {
        TargetState::Healthy => "healthy",
        TargetState::Returning => "returning",
        TargetState::Suspect => "suspect",
        TargetState::Down => "down",
    }
}

/// Colours the word after the columns are laid, as colour codes have no width.
pub fn paint_state(line: &str, state: TargetState, paint: Paint) -> String {
    let word = state_word(state);
    let painted = match state {
        TargetState::Healthy | TargetState::Returning => paint.good(word),
        TargetState::Suspect => paint.doubtful(word),
        TargetState::Down => paint.bad(word),
    };
    // Addresses stand before it and can't hold a word; zones of availability might, so the last one counts.
    match line.rfind(word) {
        Some(at) => format!("{}{painted}{}", &line[..at], &line[at + word.len()..]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::report::{ConfigStatus, Drained, ReloadFailure, TransportCount};

    fn status() -> Status {
        let listener = |transport: &str| Listener {
            address: "192.168.2.250:53".parse().expect("literal"),
            transport: transport.into(),
        };
        Status {
            version: "0.1.0".into(),
            uptime_secs: 93_784,
            config: ConfigStatus {
                files: vec!["/etc/dnsfwd/dnsfwd.toml".into()],
                hash: "00112233aabbccdd".into(),
                loaded_at: 1_766_000_000,
            },
            listeners: vec![listener("udp"), listener("tcp")],
            rules: 2,
            zones: vec![ZoneStatus::of("anycompany.corp", 1, 5)],
            views: vec![ViewStatus {
                name: "client-vpn".into(),
                clients: "10.200.0.0/16".into(),
                inherit: true,
                own_cache: false,
                rules: 2,
                zones: 1,
                queries: 40,
            }],
            endpoints: vec![EndpointStatus {
                name: "aws-inbound".into(),
                targets: vec![TargetStatus {
                    address: "10.0.1.250:53".parse().expect("literal"),
                    az: Some("ap-northeast-2a".into()),
                    state: TargetState::Down,
                    since_secs: 12,
                    outstanding: 0,
                    tier: 1,
                    rate: Some(10_000),
                    drained: Some(Drained { left_secs: Some(59) }),
                    rtt_ms: Some(4.2),
                    usual_ms: Some(9.0),
                    network_ms: Some(3.9),
                    hedges: 2,
                    guarded: 17,
                    queries: 8,
                    timeouts: 1,
                    errors: 0,
                    last_failure: Some("no answer within 400 ms".into()),
                }],
                names: vec![NameStatus {
                    name: "ns.example".into(),
                    addresses: vec!["10.0.1.250".parse().expect("literal")],
                    secs_ago: Some(90),
                    failure: None,
                }],
            }],
            loops: vec![LoopStatus {
                domain: "anycompany.corp".into(),
                view: None,
                endpoint: "aws-inbound".into(),
                targets: vec!["10.0.1.250:53".parse().expect("literal")],
                quarantined: true,
                since_secs: 3,
                because: "rule anycompany.corp: its target 10.0.1.250:53 asks this server for the same name \
                          (a loop); tried again in 7 s; no target is left"
                    .into(),
            }],
            cache: CacheStatus {
                entries: 1,
                bytes: 4096,
                limit_bytes: 1 << 28,
                hits: 9,
                misses: 1,
                stale: 0,
            },
            queries: vec![TransportCount { transport: "udp".into(), count: 100 }],
            reloads: 1,
            reload_failures: 1,
            last_reload_failure: Some(ReloadFailure {
                secs_ago: 61,
                reason: "dnsfwd.toml:3: unknown key".into(),
            }),
        }
    }

    #[test]
    fn fits_on_eighty_columns() {
        let page = show(&status(), Paint::Plain);
        let expected = "\
dnsfwd 0.1.0, up 1d 2h
configuration 00112233aabbccdd, loaded 2025-12-17 19:33:20 UTC
              /etc/dnsfwd/dnsfwd.toml
last reload   refused 1m 1s ago; the configuration above goes on
              dnsfwd.toml:3: unknown key
listeners     192.168.2.250:53  udp tcp
zones         anycompany.corp serial 1, 5 records
views         client-vpn: 2 rules, 1 zone over the general ones, 40 queries
                for 10.200.0.0/16
rules         2
queries       100 udp
cache         1 entry, 4.0 KiB of 256 MiB
              9 hits (90 %), 1 missed, 0 stale
loops         rule anycompany.corp: its target 10.0.1.250:53 asks this server
              for the same name (a loop); tried again in 7 s; no target is left

endpoint aws-inbound
  ns.example: 1 address, looked up 1m 30s ago
  10.0.1.250:53  ap-northeast-2a  down for 12s  rtt 4.2 ms
    8 queries, 1 timeout, 0 errors, 2 hedges, 0 outstanding
    95 % of answers within 9.0 ms, network 3.9 ms
    tier 1, at most 10000 queries a second, 17 went elsewhere
    drained for another 59s
    last failure: no answer within 400 ms
";
        assert_eq!(page, expected);
        assert!(show(&status(), Paint::Color).contains("\x1b[31mdown\x1b[0m for 12s"));
    }
}
