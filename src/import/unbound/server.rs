//! Keys of `server:` that say how clients are answered: who, where, and for how long answers are kept.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::Whole;
use super::keys::{About, about};
use super::reader::{Key, size};
use crate::import::draft::{Value, set};
use crate::import::networks::{self, Decides};
use crate::import::plan::{Said, seconds};

const HOUR: u64 = 3_600;
const WEEK: u64 = 7 * 86_400;

pub(super) fn settings(whole: &mut Whole) {
    listen(whole);
    access(whole);
    cache_size(whole);
    let names: Vec<(Key, Said)> = {
        let servers = whole.sections.iter().flat_map(|stated| stated.keys());
        let names = servers.filter(|(key, _)| about(key.name) == About::Names);
        names.map(|(key, said)| (key.clone(), said.clone())).collect()
    };
    for (key, said) in &names {
        setting(whole, key, said);
    }
    what_is_not_written(whole);
}

fn setting(whole: &mut Whole, key: &Key, said: &Said) {
    let number: u64 = key.value().parse().unwrap_or(0);
    let yes = key.value() == "yes";
    let plan = &mut whole.plan;
    match key.name {
        "cache-min-ttl" => {
            plan.cache(said, "min_ttl", seconds(number.min(HOUR)));
            if number > HOUR {
                plan.changed(said, "answers are kept an hour at least, and no longer");
            }
        }
        "cache-max-ttl" => plan.cache(said, "max_ttl", seconds(number.min(WEEK))),
        "cache-max-negative-ttl" => plan.cache(said, "max_negative_ttl", seconds(number.min(WEEK))),
        "serve-expired" => plan.cache(said, "serve_stale", Value::Flag(yes)),
        "serve-expired-ttl" => {
            let longest = if number == 0 { WEEK } else { number.min(WEEK) };
            plan.cache(said, "max_stale", seconds(longest));
        }
        "serve-expired-reply-ttl" => plan.cache(said, "stale_ttl", seconds(number.min(HOUR))),
        "serve-expired-client-timeout" => {
            plan.cache(said, "stale_after", Value::text(format!("{}ms", number.min(1_900))));
            if number > 1_900 {
                plan.changed(said, "clients never wait longer than 1.9 seconds");
            }
        }
        "serve-expired-ttl-reset" => plan.not_needed(said, "an expired answer is kept for `max_stale` here"),
        "prefetch" => plan.cache(said, "prefetch", Value::Flag(yes)),
        "num-threads" => plan.server(said, "workers", Value::Number(number.clamp(1, 64))),
        "incoming-num-tcp" if number > 0 => {
            plan.server(said, "tcp_connections", Value::Number(number.min(65_536)));
            plan.changed(said, "[server] tcp_connections: in all, where Unbound counts for each thread");
        }
        "tcp-idle-timeout" => plan.server(said, "tcp_idle_timeout", seconds((number / 1_000).clamp(1, 600))),
        "ip-ratelimit" => plan.server(said, "client_rate", Value::Number(number.min(1_000_000))),
        "max-udp-size" => plan.server(said, "max_udp_size", Value::Number(number.clamp(512, 4_096))),
        "verbosity" => verbosity(whole, number, said),
        "module-config" => module(whole, key, said),
        "do-not-query-localhost" => plan.not_needed(said, "targets are asked wherever they are"),
        "do-not-query-address" => {
            plan.refused(
                said,
                "targets are asked wherever they are",
                "leave such targets out of the endpoints",
            );
        }
        "do-udp" | "do-tcp" if !yes => plan.changed(said, "clients are answered over UDP and TCP"),
        "tls-upstream" | "ssl-upstream" if yes => {
            plan.refused(said, "targets are not asked over TLS here", "see the zones that it leaves out");
        }
        "tcp-upstream" if yes => {
            plan.changed(said, "targets are asked over UDP first, and over TCP when an answer is cut");
        }
        "send-client-subnet" | "client-subnet-zone" | "client-subnet-always-forward" => plan.refused(
            said,
            "a client's subnet is passed on for an endpoint, if the client sent it",
            "write client_subnet = true in the endpoint",
        ),
        "do-udp" | "do-tcp" | "do-ip4" | "do-ip6" | "tls-upstream" | "ssl-upstream" | "tcp-upstream"
        | "incoming-num-tcp" => {
            plan.not_needed(said, "it is so here");
        }
        // The rest has been looked at together with others of its kind.
        _ => {}
    }
}

fn verbosity(whole: &mut Whole, number: u64, said: &Said) {
    let level = match number {
        0 => "warn",
        1 => "info",
        2 | 3 => "debug",
        _ => "trace",
    };
    set(&mut whole.plan.draft.log, "level", Value::text(level), &said.place);
    whole.plan.translated(said, "[log] level");
}

fn module(whole: &mut Whole, key: &Key, said: &Said) {
    let mut left = Vec::new();
    for module in key.value().split_whitespace() {
        match module {
            "iterator" | "validator" | "subnetcache" => {}
            module => left.push(module),
        }
    }
    match left.is_empty() {
        true => {
            whole.plan.not_needed(said, "this server forwards, and passes on what its targets say of DNSSEC")
        }
        false => {
            let why = format!("this server has no such modules: {}", left.join(", "));
            whole.plan.refused(said, why, "keep them on the targets' side, or do without");
        }
    }
}

fn listen(whole: &mut Whole) {
    let port =
        whole.last("port").and_then(|text| text.parse::<u16>().ok()).filter(|port| *port > 0).unwrap_or(53);
    let (v4, v6) =
        (whole.last("do-ip4").as_deref() != Some("no"), whole.last("do-ip6").as_deref() != Some("no"));
    let mut addresses: Vec<SocketAddr> = Vec::new();
    let mut from = None;
    for (key, said) in whole.server(&["interface", "ip-address"]) {
        let (ip, own) =
            key.value().split_once('@').map_or((key.value(), None), |(ip, port)| (ip, Some(port)));
        let own = own.map_or(Some(port), |port| port.parse().ok());
        match ip.parse::<IpAddr>().ok().zip(own.filter(|port| *port > 0)) {
            Some((ip, _)) if ip.is_ipv4() && !v4 || ip.is_ipv6() && !v6 => {
                whole.plan.not_needed(&said, "do-ip4 or do-ip6 says no");
            }
            Some((ip, port)) => {
                let address = SocketAddr::new(ip, port);
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
                from.get_or_insert(said.place.clone());
                whole.plan.translated(&said, "[server] listen");
            }
            None => {
                let why = format!("this server listens on addresses, and those of `{ip}` are not known here");
                whole.plan.refused(&said, why, "write them into [server] listen");
            }
        }
    }
    for (key, said) in whole.server(&["interface-automatic"]) {
        if key.value() == "yes" {
            addresses = vec![([0u16; 8], port).into(), ([0, 0, 0, 0], port).into()];
            from = Some(said.place.clone());
        }
        whole.plan.translated(&said, "[server] listen");
    }
    for (_, said) in whole.server(&["port"]) {
        whole.plan.translated(&said, "[server] listen");
    }
    let from = from.unwrap_or_else(|| whole.top.clone());
    if addresses.is_empty() {
        let all: [SocketAddr; 2] = [([127, 0, 0, 1], port).into(), ([0, 0, 0, 0, 0, 0, 0, 1], port).into()];
        addresses =
            all.into_iter().filter(|address| if address.is_ipv4() { v4 } else { v6 || !v4 }).collect();
        if whole.server(&["interface", "ip-address"]).is_empty() {
            let said = whole.plan.statement(&from, "(no interface: loopback alone)");
            whole.plan.translated(&said, "[server] listen");
        }
    }
    let texts = addresses.iter().map(ToString::to_string);
    set(&mut whole.plan.draft.server, "listen", Value::texts(texts), &from);
}

/// `access-control`: the longest prefix decides; nobody but loopback without a word.
fn access(whole: &mut Whole) {
    let mut words = Vec::new();
    for loopback in ["127.0.0.0/8", "::1/128"] {
        words.push((loopback.parse::<IpNet>().expect("it is a network"), true));
    }
    let written = whole.server(&["access-control"]);
    let mut from = None;
    for (key, said) in &written {
        let network =
            key.value().parse::<IpNet>().or_else(|_| key.value().parse::<IpAddr>().map(IpNet::from));
        let Ok(network) = network.map(|network| network.trunc()) else {
            whole.plan.refused(said, "it is no network", "write ADDRESS/PREFIX and an action");
            continue;
        };
        let action = key.values.get(1).map_or("", String::as_str);
        let allowed = action.starts_with("allow");
        words.retain(|(other, _)| *other != network);
        words.push((network, allowed));
        from.get_or_insert(said.place.clone());
        let plan = &mut whole.plan;
        match action {
            "allow" | "allow_snoop" | "allow_setrd" | "refuse" => plan.translated(said, "[server] allow"),
            "deny" => plan.changed(said, "[server] allow: others get REFUSED, not silence"),
            "allow_cookie" => plan.changed(said, "[server] allow: clients without a cookie are answered too"),
            "deny_non_local" | "refuse_non_local" => {
                plan.changed(said, "[server] allow: these clients are refused altogether, local data too");
            }
            _ => plan.refused(said, format!("`{action}` is no action"), "write allow or refuse"),
        }
    }
    // A network that is only given a view may ask.
    for network in super::views::networks(whole) {
        if !words.iter().any(|(other, _)| *other == network) {
            words.push((network, true));
        }
    }
    let allowed = networks::allowed(&words, Decides::Longest, false);
    let from = from.unwrap_or_else(|| whole.top.clone());
    if written.is_empty() {
        let said = whole.plan.statement(&from, "(no access-control: loopback alone)");
        whole.plan.translated(&said, "[server] allow");
    }
    match allowed.is_empty() {
        false => set(
            &mut whole.plan.draft.server,
            "allow",
            Value::texts(allowed.iter().map(ToString::to_string)),
            &from,
        ),
        true => {
            let said = whole.plan.statement(&from, "(access-control: nobody)");
            set(&mut whole.plan.draft.server, "allow", Value::texts(["127.0.0.1/32"]), &from);
            whole.plan.changed(&said, "[server] allow: 127.0.0.1 may ask, as nobody at all can't be written");
        }
    }
}

/// Messages and RRsets are one cache here.
fn cache_size(whole: &mut Whole) {
    const DEFAULT: u64 = 4 << 20;
    const SMALLEST: u64 = 1 << 20;
    const LARGEST: u64 = 1 << 40;
    let written = whole.server(&["msg-cache-size", "rrset-cache-size"]);
    let of = |name: &str| whole.last(name).and_then(|text| size(&text)).unwrap_or(DEFAULT);
    let total = of("msg-cache-size").saturating_add(of("rrset-cache-size")).clamp(SMALLEST, LARGEST) >> 20;
    for (_, said) in written {
        whole.plan.cache(&said, "size", Value::text(format!("{total}MiB")));
    }
}

/// What Unbound does without a word, and this server does otherwise.
fn what_is_not_written(whole: &mut Whole) {
    let top = whole.top.clone();
    let mut default = |name: &str, text: &str, key: &'static str, value: Value| {
        if whole.last(name).is_none() {
            let said = whole.plan.statement(&top, text);
            whole.plan.cache(&said, key, value);
        }
    };
    default("serve-expired", "(serve-expired: no)", "serve_stale", Value::Flag(false));
    default("prefetch", "(prefetch: no)", "prefetch", Value::Flag(false));
    default(
        "cache-max-negative-ttl",
        "(cache-max-negative-ttl: 3600)",
        "max_negative_ttl",
        Value::text("1h"),
    );
    if whole.says("serve-expired") && whole.last("serve-expired-client-timeout").is_none() {
        let said = whole.plan.statement(&top, "(serve-expired-client-timeout)");
        let what = "a client waits half a second before it gets an expired answer; in Unbound 1.17 it does not wait, and \
                    later versions have other defaults";
        whole.plan.changed(&said, what);
    }
}
