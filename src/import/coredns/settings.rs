//! Plugins that say how clients are answered: cache, acl, bind and others, and those that have no part here.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::block::{Plugin, Whole};
use crate::import::draft::{Value, set};
use crate::import::networks::{self, Decides};
use crate::import::plan::{Area, Said, seconds};
use crate::wire::name::Name;

pub(super) fn translate(whole: &mut Whole) {
    caches(whole);
    access(whole);
    listen(whole);
    let plugins: Vec<Plugin> = whole.blocks.iter().flat_map(|block| block.plugins.clone()).collect();
    plugins.iter().for_each(|plugin| other(whole, plugin));
    what_is_not_written(whole);
}

const WEEK: u64 = 7 * 86_400;

/// What a cache plugin says; CoreDNS caps TTLs at an hour, those of negative answers at half of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cache {
    success: u64,
    denial: u64,
    prefetch: bool,
    /// How long past its TTL, and whether at once.
    stale: Option<(u64, bool)>,
}

fn caches(whole: &mut Whole) {
    let plugins: Vec<Option<Plugin>> =
        whole.blocks.iter().map(|block| block.all("cache").next().cloned()).collect();
    let mut first: Option<Cache> = None;
    for plugin in plugins.iter().flatten() {
        let cache = cache(whole, plugin);
        let said = &plugin.said;
        match &first {
            None => {
                write_cache(whole, &cache, said);
                first = Some(cache);
            }
            Some(first) if *first == cache => whole.plan.translated(said, "[cache]"),
            Some(_) => {
                whole.plan.changed(said, "[cache]: what the first cache of the file says holds for all names")
            }
        }
    }
    let from = whole.top.clone();
    let without = whole
        .blocks
        .iter()
        .zip(&plugins)
        .filter(|(_, plugin)| plugin.is_none())
        .map(|(block, _)| block.said.clone());
    match (first.is_some(), without.collect::<Vec<_>>()) {
        (false, _) => {
            let said = whole.plan.statement(&from, "(no cache)");
            whole.plan.cache(&said, "size", Value::text("0B"));
        }
        (true, blocks) => {
            blocks.iter().for_each(|said| {
                whole.plan.changed(said, "its answers are kept for their TTL, as those of other blocks")
            });
        }
    }
}

fn write_cache(whole: &mut Whole, cache: &Cache, said: &Said) {
    let plan = &mut whole.plan;
    plan.cache(said, "max_ttl", seconds(cache.success.min(WEEK)));
    plan.cache(said, "max_negative_ttl", seconds(cache.denial.min(WEEK)));
    plan.cache(said, "prefetch", Value::Flag(cache.prefetch));
    plan.cache(said, "serve_stale", Value::Flag(cache.stale.is_some()));
    if let Some((longest, at_once)) = cache.stale {
        plan.cache(said, "max_stale", seconds(longest.min(WEEK)));
        plan.cache(said, "stale_after", Value::text(if at_once { "0s" } else { "off" }));
    }
}

fn cache(whole: &mut Whole, plugin: &Plugin) -> Cache {
    let ttl = plugin.node.arguments().next().and_then(|text| text.parse::<u64>().ok());
    let mut cache =
        Cache { success: ttl.unwrap_or(3_600), denial: ttl.unwrap_or(1_800), prefetch: false, stale: None };
    for node in plugin.node.lines() {
        let said = whole.plan.statement(node.place(), &node.text());
        let arguments: Vec<&str> = node.arguments().collect();
        let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok());
        match node.name() {
            "success" => {
                cache.success = number(1).unwrap_or(cache.success);
                whole.plan.translated(&said, "[cache] max_ttl; the cache's bound is in octets");
            }
            "denial" => {
                cache.denial = number(1).unwrap_or(cache.denial);
                whole.plan.translated(&said, "[cache] max_negative_ttl; the cache's bound is in octets");
            }
            "prefetch" => {
                cache.prefetch = number(0) != Some(0);
                whole.plan.translated(&said, "[cache] prefetch, by what is asked often here");
            }
            "serve_stale" => {
                let longest = arguments.first().and_then(|text| duration(text)).unwrap_or(3_600);
                let at_once = arguments.get(1) != Some(&"verify");
                cache.stale = Some((if longest == 0 { WEEK } else { longest }, at_once));
                whole.plan.translated(&said, "[cache] serve_stale, max_stale, stale_after");
            }
            "servfail" => {
                whole.plan.changed(&said, "errors are not kept; targets that fail are not asked for a while")
            }
            "disable" => whole.plan.refused(
                &said,
                "all rules share one cache",
                "write [cache] size = \"0B\" for none at all",
            ),
            "keepttl" => whole.plan.changed(&said, "TTLs count down while an answer is kept"),
            _ => whole.plan.refused(&said, "cache has no such option", "correct the word"),
        }
    }
    cache
}

/// Seconds of `30s`, `1h` and the like.
fn duration(text: &str) -> Option<u64> {
    crate::config::units::parse_duration(text).ok().map(|duration| duration.as_secs())
}

/// `acl`: the first line that fits decides, and nothing fits: allowed.
fn access(whole: &mut Whole) {
    let acls: Vec<Vec<Plugin>> =
        whole.blocks.iter().map(|block| block.all("acl").cloned().collect()).collect();
    if acls.iter().all(Vec::is_empty) {
        let said = whole.plan.statement(&whole.top.clone(), "(no acl: whoever reaches it may ask)");
        let what = "private networks may ask; who serves others names them in [server] allow";
        return whole.plan.changed(&said, what);
    }
    let lists: Vec<Option<Vec<networks::Word>>> = acls.iter().map(|plugins| words(plugins)).collect();
    let same = lists.windows(2).all(|pair| pair[0] == pair[1]);
    let list = lists.first().cloned().flatten().filter(|_| same);
    let allowed =
        list.map(|words| networks::allowed(&words, Decides::First, true)).filter(|list| !list.is_empty());
    for plugin in acls.iter().flatten() {
        match &allowed {
            Some(allowed) => {
                let list = Value::texts(allowed.iter().map(ToString::to_string));
                whole.plan.server(&plugin.said, "allow", list);
                let silent = plugin.node.lines().iter().any(|line| matches!(line.name(), "drop" | "filter"));
                if silent {
                    whole.plan.changed(&plugin.said, "[server] allow: others get REFUSED, not silence or an empty answer");
                }
            }
            None => whole.plan.refused(
                &plugin.said,
                "one list of networks holds for all names here, and this one is for some blocks, zones or types alone, or allows nobody",
                "write into [server] allow who may ask at all",
            ),
        }
    }
}

/// The networks of a block's lists in their order; none if they say more than networks.
fn words(plugins: &[Plugin]) -> Option<Vec<networks::Word>> {
    let mut words = Vec::new();
    for node in plugins.iter().flat_map(|plugin| plugin.node.lines()) {
        let allows = match node.name() {
            "allow" => true,
            "block" | "filter" | "drop" => false,
            _ => return None,
        };
        let mut section = "";
        let mut nets: Vec<IpNet> = Vec::new();
        let mut any_net = true;
        for argument in node.arguments() {
            match (section, argument) {
                (_, "type" | "net") => section = argument,
                ("type", "*" | "ANY") => {}
                ("net", "*") => any_net = true,
                ("net", text) => {
                    let net =
                        text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
                    nets.push(net.trunc());
                    any_net = false;
                }
                _ => return None,
            }
        }
        if any_net && nets.is_empty() {
            nets = ["0.0.0.0/0", "::/0"].iter().filter_map(|net| net.parse().ok()).collect();
        }
        words.extend(nets.into_iter().map(|net| (net, allows)));
    }
    let has_zones = plugins.iter().any(|plugin| plugin.node.arguments().next().is_some());
    (!has_zones).then_some(words)
}

fn listen(whole: &mut Whole) {
    let port = whole.blocks.first().map_or(53, |block| block.port);
    let mut addresses: Vec<SocketAddr> = Vec::new();
    let mut from = None;
    let mut bound = 0;
    for at in 0..whole.blocks.len() {
        let plugins: Vec<Plugin> = whole.blocks[at].all("bind").cloned().collect();
        bound += usize::from(!plugins.is_empty());
        for plugin in plugins {
            for text in plugin.node.arguments() {
                match text.parse::<IpAddr>() {
                    Ok(ip) if addresses.contains(&SocketAddr::new(ip, port)) => {}
                    Ok(ip) => addresses.push(SocketAddr::new(ip, port)),
                    Err(_) => {
                        let why = format!(
                            "this server listens on addresses, and those of `{text}` are not known here"
                        );
                        whole.plan.refused(&plugin.said, why, "write them into [server] listen");
                    }
                }
            }
            from.get_or_insert(plugin.said.place.clone());
            whole.plan.translated(&plugin.said, "[server] listen");
        }
    }
    if bound > 0 && bound < whole.blocks.len() {
        let said = whole.plan.statement(&whole.top.clone(), "(bind in some blocks alone)");
        whole.plan.changed(&said, "all names are answered on all addresses of [server] listen");
    }
    if addresses.is_empty() && port != 53 {
        addresses = vec![([0u16; 8], port).into(), ([0, 0, 0, 0], port).into()];
    }
    if !addresses.is_empty() {
        let from = from.unwrap_or_else(|| whole.top.clone());
        let texts = addresses.iter().map(ToString::to_string);
        set(&mut whole.plan.draft.server, "listen", Value::texts(texts), &from);
    }
}

/// All plugins that have not been looked at together with others of their kind.
fn other(whole: &mut Whole, plugin: &Plugin) {
    let Plugin { node, said } = plugin;
    let plan = &mut whole.plan;
    let first = node.arguments().next().map(str::to_owned);
    match node.name() {
        "hosts" | "file" | "secondary" | "transfer" | "forward" | "cache" | "acl" | "bind" => {}
        "prometheus" => {
            let address =
                first.unwrap_or_else(|| "localhost:9153".to_owned()).replace("localhost", "127.0.0.1");
            let address = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address };
            match address.parse::<SocketAddr>().ok().filter(|address| address.port() > 0) {
                Some(address) => {
                    set(&mut plan.draft.metrics, "listen", Value::text(address.to_string()), &said.place);
                    plan.changed(said, "[metrics] listen: its metrics have other names");
                }
                None => plan.refused(said, "it is no address", "write [metrics] listen"),
            }
        }
        "bufsize" => {
            let size = first.and_then(|text| text.parse::<u64>().ok()).unwrap_or(1_232).clamp(512, 4_096);
            plan.server(said, "max_udp_size", Value::Number(size));
        }
        "health" | "ready" => {
            plan.changed(said, "/healthz and /readyz are served where the metrics are: [metrics] listen")
        }
        "errors" | "debug" => plan.not_needed(said, "errors are logged: [log] level"),
        "log" | "dnstap" => {
            plan.refused(said, "queries are counted, but not logged here", "collect the metrics")
        }
        "reload" => plan.changed(said, "a changed file is read when it is told: `dnsfwd reload`"),
        "loop" => plan.not_needed(said, "targets that ask this server back are found and left out"),
        "root" | "local" | "metadata" | "cancel" | "timeouts" | "multisocket" | "nsid" | "chaos" | "quic"
        | "grpc_server" => {
            plan.not_needed(said, "this server sees to it by itself");
        }
        "loadbalance" | "minimal" | "any" | "autopath" | "rewrite" | "template" | "dns64" | "header"
        | "erratic" | "whoami" | "geoip" => plan.refused(
            said,
            "this server passes queries and answers on as they are",
            "keep it on the targets' side, or do without",
        ),
        "tsig" => plan.refused(
            said,
            "a key has one algorithm here, and CoreDNS takes a secret for all of them",
            "write a [[key]] with its algorithm, and `key:NAME` into the lists of [[zone]] that want it",
        ),
        "sign" | "dnssec" => plan.refused(
            said,
            "zones are answered as they are, with the signatures that they bring",
            "sign them before, or leave the zone with CoreDNS and make it a rule to that server",
        ),
        "auto" => plan.refused(said, "each zone is named by itself here", "write a [[zone]] for each file"),
        "view" => plan.refused(
            said,
            "who gets this block is said by an expression, and views here are chosen by networks",
            "write a [[view]] with the networks of these clients, and the block's rules and zones in it",
        ),
        "tls" => plan.refused(
            said,
            "clients are answered over UDP and TCP alone",
            "keep a server in front of this one",
        ),
        "kubernetes" | "k8s_external" | "etcd" | "route53" | "azure" | "clouddns" | "nomad" => plan.refused(
            said,
            "names are not taken from such sources here",
            "leave CoreDNS where they are, and add a rule for the domain with it as target",
        ),
        "grpc" => {
            plan.refused(said, "targets are asked over UDP and TCP", "name targets that answer over them")
        }
        "health_check" | "pprof" | "trace" | "acl_log" => plan.not_needed(said, "it has no part in answers"),
        _ => plan.refused(
            said,
            "it is not one of CoreDNS's own plugins",
            "see what it does, and write that by hand",
        ),
    }
}

/// What CoreDNS does without a word, and this server does otherwise.
fn what_is_not_written(whole: &mut Whole) {
    let top = whole.top.clone();
    let targets = whole.plan.targets(&Area::Domain(Name::root())).unwrap_or_default().to_vec();
    if !targets.is_empty() {
        let said = whole.plan.statement(&top, "(private networks)");
        whole.plan.forward_private(&said, &targets);
    }
    whole.plan.special_names(&top, "CoreDNS");
}
