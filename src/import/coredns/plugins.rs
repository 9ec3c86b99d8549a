//! Plugins that answer: hosts, file, secondary and forward, in the order in which CoreDNS asks them.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::block::{Plugin, Whole, names};
use super::reader::Node;
use crate::import::Unreadable;
use crate::import::draft::Target;
use crate::import::plan::{Area, GO_ELSEWHERE, Record, Spread, domain, in_order, target};
use crate::import::reading::{Files, nameservers};
use crate::wire::name::Name;

pub(super) fn translate(whole: &mut Whole, files: &mut Files) -> Result<(), Unreadable> {
    for at in 0..whole.blocks.len() {
        let mut block = Answered { at, closed: Vec::new(), forwards: Vec::new() };
        for plugin in whole.blocks[at].all("hosts").cloned().collect::<Vec<_>>() {
            hosts(whole, &mut block, &plugin, files)?;
        }
        for plugin in whole.blocks[at].all("file").cloned().collect::<Vec<_>>() {
            file(whole, &mut block, &plugin, files);
        }
        for plugin in whole.blocks[at].all("secondary").cloned().collect::<Vec<_>>() {
            super::transfers::secondary(whole, &mut block, &plugin);
        }
        for plugin in whole.blocks[at].all("transfer").cloned().collect::<Vec<_>>() {
            super::transfers::transfer(whole, &block, &plugin);
        }
        for plugin in whole.blocks[at].all("forward").cloned().collect::<Vec<_>>() {
            forward(whole, &mut block, &plugin, files)?;
        }
        exceptions(whole, &block);
    }
    unanswered(whole);
    Ok(())
}

/// What has been answered in one block so far.
pub(super) struct Answered {
    pub at: usize,
    /// Zones that no later plugin sees.
    pub closed: Vec<Name>,
    forwards: Vec<Forward>,
}

struct Forward {
    from: Name,
    except: Vec<Name>,
    targets: Vec<Target>,
    plugin: Plugin,
}

impl Forward {
    fn takes(&self, name: &Name) -> bool {
        name.is_within(&self.from) && !self.except.iter().any(|except| name.is_within(except))
    }
}

/// The zones that a plugin names behind its first arguments, or else those of its block.
pub(super) fn zones(whole: &mut Whole, at: usize, texts: &[&str], plugin: &Plugin) -> Vec<Name> {
    if texts.is_empty() {
        return whole.blocks[at].zones.clone();
    }
    let mut found = Vec::new();
    for text in texts {
        match names(text) {
            Ok(names) => found.extend(names.into_iter().filter(|name| whole.taker(name) == Some(at))),
            Err(why) => whole.plan.refused(&plugin.said, why, "correct the zone"),
        }
    }
    found
}

fn hosts(
    whole: &mut Whole,
    block: &mut Answered,
    plugin: &Plugin,
    files: &mut Files,
) -> Result<(), Unreadable> {
    let arguments: Vec<&str> = plugin.node.arguments().collect();
    let (path, texts) = match arguments.split_first() {
        Some((path, zones)) => (Some((*path).to_owned()), zones.to_vec()),
        None => (None, Vec::new()),
    };
    let zones = zones(whole, block.at, &texts, plugin);
    let line = |name: &str| plugin.node.lines().iter().find(|line| line.name() == name);
    let ttl = line("ttl").and_then(|line| line.arguments().next()?.parse().ok()).unwrap_or(3_600);
    let reverse = line("no_reverse").is_none();
    let falls = line("fallthrough").is_some();
    let scope = Scope { zones: &zones, ttl, reverse };
    match &path {
        Some(path) => {
            let path = files.find(files.home(), path);
            let file = files.text(&path, plugin.node.place())?;
            for (number, text) in file.text.lines().enumerate() {
                let text = text.split('#').next().unwrap_or_default();
                let words: Vec<&str> = text.split_whitespace().collect();
                let place =
                    crate::import::Place { file: file.name.clone(), line: number as u32 + 1, column: 1 };
                if !words.is_empty() {
                    let said = whole.plan.statement(&place, text);
                    entry(whole, &said, &words, &scope);
                }
            }
            whole.plan.translated(&plugin.said, "the lines of its file, each by itself");
        }
        None if !plugin.node.lines().iter().any(|line| line.name().parse::<IpAddr>().is_ok()) => {
            let why = "it answers from /etc/hosts of CoreDNS's machine, which is not read here";
            whole.plan.refused(&plugin.said, why, "name a copy of the file, and import again");
            return Ok(());
        }
        None => {}
    }
    for node in plugin.node.lines().iter().filter(|line| line.name().parse::<IpAddr>().is_ok()) {
        let said = whole.plan.statement(node.place(), &node.text());
        let words: Vec<&str> = node.words.iter().map(|word| word.text.as_str()).collect();
        entry(whole, &said, &words, &scope);
    }
    if falls {
        whole.plan.translated(&plugin.said, "[[zone]] for its names");
        return Ok(());
    }
    for zone in &zones {
        whole.plan.zone(&plugin.said, zone, Spread::No);
        block.closed.push(zone.clone());
    }
    let what =
        "without fallthrough, names that it does not know get NXDOMAIN here, where CoreDNS gives SERVFAIL";
    whole.plan.changed(&plugin.said, what);
    Ok(())
}

struct Scope<'a> {
    zones: &'a [Name],
    ttl: u32,
    reverse: bool,
}

/// An address and its names.
fn entry(whole: &mut Whole, said: &crate::import::plan::Said, words: &[&str], scope: &Scope<'_>) {
    let within = |name: &Name| scope.zones.iter().any(|zone| name.is_within(zone));
    let Some(ip) = words.first().and_then(|text| text.parse::<IpAddr>().ok()) else {
        return whole.plan.refused(
            said,
            "it does not begin with an address",
            "correct the line; CoreDNS skips it",
        );
    };
    let mut used = false;
    for (at, text) in words[1..].iter().enumerate() {
        let name = match domain(text) {
            Ok(name) => name,
            Err(why) => {
                whole.plan.refused(said, why, "correct the name");
                continue;
            }
        };
        let rtype = if ip.is_ipv4() { "A" } else { "AAAA" };
        if within(&name) {
            let record = Record {
                owner: name.clone(),
                ttl: scope.ttl,
                rtype: rtype.to_owned(),
                rdata: ip.to_string(),
            };
            whole.plan.record(said, record);
            used = true;
        }
        let owner = crate::config::reverse::domains(IpNet::from(ip)).pop();
        if let Some(owner) = owner.filter(|owner| scope.reverse && at == 0 && within(owner)) {
            let rdata = format!("{}.", name);
            whole.plan.record(said, Record { owner, ttl: scope.ttl, rtype: "PTR".to_owned(), rdata });
            used = true;
        }
    }
    if !used {
        whole.plan.not_needed(said, "its names are in none of the plugin's zones");
    }
}

fn file(whole: &mut Whole, block: &mut Answered, plugin: &Plugin, files: &mut Files) {
    let arguments: Vec<&str> = plugin.node.arguments().collect();
    let Some((path, texts)) = arguments.split_first() else {
        return whole.plan.refused(&plugin.said, "it names no file", "write file PATH");
    };
    let base = whole.blocks[block.at]
        .all("root")
        .last()
        .and_then(|root| root.node.arguments().next().map(str::to_owned));
    let base = files.home().join(base.unwrap_or_default());
    let path = files.find(&base, path);
    let zones = zones(whole, block.at, texts, plugin);
    let octets = match files.octets(&path, plugin.node.place()) {
        Ok(octets) => octets,
        Err(fault) => {
            return whole.plan.refused(
                &plugin.said,
                fault.message,
                "copy the zone's file beside the Corefile and import again",
            );
        }
    };
    for zone in zones {
        match whole.plan.zone_file(&plugin.said, &zone, octets.clone(), &path) {
            Ok(()) => whole.plan.translated(&plugin.said, format!("[[zone]] {zone}")),
            Err(why) => whole.plan.refused(&plugin.said, why, "correct the zone's file"),
        }
        block.closed.push(zone);
    }
    if plugin.node.lines().iter().any(|line| line.name() == "fallthrough") {
        whole.plan.changed(
            &plugin.said,
            "names that the zone does not have get NXDOMAIN; no later plugin is asked",
        );
    }
}

fn forward(
    whole: &mut Whole,
    block: &mut Answered,
    plugin: &Plugin,
    files: &mut Files,
) -> Result<(), Unreadable> {
    let arguments: Vec<&str> = plugin.node.arguments().collect();
    let Some((from, to)) = arguments.split_first().filter(|(_, to)| !to.is_empty()) else {
        whole.plan.refused(&plugin.said, "it names no servers", "write forward FROM TO...");
        return Ok(());
    };
    let from = match names(from) {
        Ok(from) => from,
        Err(why) => {
            whole.plan.refused(&plugin.said, why, "correct the domain");
            return Ok(());
        }
    };
    let Some(targets) = targets(whole, plugin, to, files)? else { return Ok(()) };
    let mut except = Vec::new();
    for text in plugin.node.lines().iter().filter(|line| line.name() == "except").flat_map(Node::arguments) {
        match names(text) {
            Ok(names) => except.extend(names),
            Err(why) => whole.plan.refused(&plugin.said, why, "correct the domain"),
        }
    }
    options(whole, plugin);
    let mut reached = Vec::new();
    for from in &from {
        for zone in whole.blocks[block.at].zones.clone() {
            let domain = match (from.is_within(&zone), zone.is_within(from)) {
                (true, _) => from.clone(),
                (_, true) => zone,
                _ => continue,
            };
            if whole.taker(&domain) == Some(block.at) && !reached.contains(&domain) {
                reached.push(domain);
            }
        }
        block.forwards.push(Forward {
            from: from.clone(),
            except: except.clone(),
            targets: targets.clone(),
            plugin: plugin.clone(),
        });
    }
    let earlier = block.forwards.len() - from.len();
    let mut asked = false;
    for domain in reached {
        if block.closed.iter().any(|closed| domain.is_within(closed)) {
            let why = format!("hosts or file answers all names of `{domain}` before it is asked");
            whole.plan.not_needed(&plugin.said, why);
        } else if let Some(first) = block.forwards[..earlier].iter().find(|forward| forward.takes(&domain)) {
            let what = format!(
                "left out for `{domain}`: CoreDNS asks in the order of the file, and the forward at {} takes its names first; \
                 if the most specific one is meant, as it is with rules here, add a [[rule]]",
                first.plugin.said.place
            );
            whole.plan.changed(&plugin.said, what);
        } else if !except.iter().any(|except| domain.is_within(except)) {
            whole.plan.forward(&plugin.said, Area::Domain(domain.clone()), &targets);
            whole.plan.translated(&plugin.said, format!("[[rule]] {domain}"));
        }
        asked = true;
    }
    if !asked {
        whole.plan.not_needed(&plugin.said, "other server blocks take all of its names");
    }
    Ok(())
}

/// Whom a forward asks; none if that can't be done here.
fn targets(
    whole: &mut Whole,
    plugin: &Plugin,
    to: &[&str],
    files: &mut Files,
) -> Result<Option<Vec<Target>>, Unreadable> {
    let mut targets: Vec<Target> = Vec::new();
    for text in to {
        let plain = text.strip_prefix("dns://").unwrap_or(text);
        if plain.contains("://") {
            let why = format!(
                "`{text}` is asked over an encrypted transport, which is not spoken here; {GO_ELSEWHERE}"
            );
            whole.plan.refused(&plugin.said, why, "name targets that answer over UDP and TCP");
            return Ok(None);
        }
        if let Some(target) = address(plain).and_then(target) {
            targets.push(target);
            continue;
        }
        let path = files.find(files.home(), plain);
        let found = if path.is_file() {
            nameservers(&files.text(&path, plugin.node.place())?.text)
        } else {
            Vec::new()
        };
        if found.is_empty() {
            let why = format!(
                "`{text}` is neither a server's address nor a file that names servers; {GO_ELSEWHERE}"
            );
            whole.plan.refused(&plugin.said, why, "write the servers' addresses");
            return Ok(None);
        }
        targets.extend(found.iter().filter_map(|ip| target(SocketAddr::new(*ip, 53))));
        whole
            .plan
            .changed(&plugin.said, format!("the servers that {text} names now are written into the rule"));
    }
    let policy = plugin
        .node
        .lines()
        .iter()
        .find(|line| line.name() == "policy")
        .and_then(|line| line.arguments().next());
    let targets = if policy == Some("sequential") { in_order(targets) } else { targets };
    Ok(Some(targets))
}

/// `ADDRESS[:PORT]`, with IPv6 in brackets if a port is there.
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, 53));
    }
    text.parse().ok()
}

/// What stands between a forward's braces.
fn options(whole: &mut Whole, plugin: &Plugin) {
    for node in plugin.node.lines() {
        let said = whole.plan.statement(node.place(), &node.text());
        let plan = &mut whole.plan;
        match node.name() {
            "except" => plan.translated(&said, "rules for these domains where another forward takes them"),
            "policy" => match node.arguments().next() {
                Some("sequential") => plan.translated(&said, "`tier` of targets"),
                Some("round_robin") => plan.changed(&said, "the less busy of two targets drawn by chance is asked"),
                _ => plan.not_needed(&said, "it is so here"),
            },
            "force_tcp" => plan.changed(&said, "targets are asked over UDP first, and over TCP when an answer is cut"),
            "prefer_udp" => plan.not_needed(&said, "it is so here"),
            "tls" | "tls_servername" => plan.refused(
                &said,
                "targets are not asked over TLS here",
                "name targets that answer over UDP and TCP",
            ),
            "health_check" if node.arguments().count() > 1 => plan.changed(
                &said,
                "targets that fail are probed for the SOA of the first domain sent to them; `probe` of an endpoint says otherwise",
            ),
            "max_fails" | "health_check" | "expire" | "read_timeout" | "max_idle_conns" | "max_age" | "max_connect_attempts" => {
                plan.not_needed(&said, "how targets fail and return is found by what they do");
            }
            "max_concurrent" => plan.not_needed(&said, "this server has bounds of its own"),
            "next" | "failover" | "failfast_all_unhealthy_upstreams" => plan.refused(
                &said,
                "a target's answer is final, and all targets of a rule are tried before a client gets SERVFAIL",
                "put servers that may know more into one rule's endpoint only if all of them know the same",
            ),
            _ => plan.refused(&said, "forward has no such option", "correct the word"),
        }
    }
}

/// Domains that a forward leaves out go to the next forward of the block; without one there is nothing to say it with.
fn exceptions(whole: &mut Whole, block: &Answered) {
    for (number, forward) in block.forwards.iter().enumerate() {
        for except in forward.except.iter().filter(|except| except.is_within(&forward.from)) {
            let area = Area::Domain(except.clone());
            if whole.taker(except) != Some(block.at)
                || whole.plan.targets(&area).is_some()
                || whole.plan.has_zone(except)
            {
                continue;
            }
            match block.forwards[number + 1..].iter().find(|next| next.takes(except)) {
                Some(next) => whole.plan.forward(&next.plugin.said, area, &next.targets),
                None => {
                    let why = format!(
                        "names of `{except}` are left out by this forward, and nobody else answers them: here they go the same way"
                    );
                    let what_to_do = "write a [[zone]] for them if they should not exist, or a rule with the servers that know them";
                    whole.plan.refused(&forward.plugin.said, why, what_to_do);
                }
            }
        }
    }
}

/// Zones of blocks that nothing answers: CoreDNS fails them, and a broader rule here would not.
fn unanswered(whole: &mut Whole) {
    for at in 0..whole.blocks.len() {
        for zone in whole.blocks[at].zones.clone() {
            let covered = whole.plan.covering(&zone);
            if covered.is_some_and(|covering| covering != zone) {
                let said = whole.blocks[at].said.clone();
                let why = format!(
                    "nothing that is taken over answers all of `{zone}`: here its other names go where a broader rule says"
                );
                whole.plan.refused(&said, why, "write a [[zone]] for it if they should not exist, or a rule with the servers that know them");
            }
        }
    }
}
