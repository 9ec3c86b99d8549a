//! What dnsmasq does with names, as rules, zones and settings.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::lexer::{Line, visible};
use super::{local, options};
use crate::import::draft::{Target, Value};
use crate::import::plan::{Area, GO_ELSEWHERE, Plan, Said, Spread, domain, in_order, seconds, target};
use crate::import::reading::{Files, nameservers};
use crate::import::{Imported, Kind, Options, Place, Unreadable};
use crate::wire::name::Name;

/// What has to be known of the whole before single lines are read.
pub(super) struct Whole<'a> {
    pub lines: &'a [Line],
    pub plan: Plan,
    /// Upstreams without a domain.
    defaults: Vec<Target>,
}

pub(super) fn translate(
    source: &str,
    files: &mut Files,
    lines: &[Line],
    options: &Options,
) -> Result<Imported, Unreadable> {
    let mut plan = Plan::new(Kind::Dnsmasq, source);
    plan.alone = "names below it don't exist here, and its other types are not forwarded; local=/DOMAIN/ in the \
                  source would make one zone of a domain";
    let mut whole = Whole { lines, plan, defaults: Vec::new() };
    let said: Vec<Said> = lines.iter().map(|line| whole.plan.statement(&line.place, &line.text)).collect();
    let top = Place { file: files.shown(std::path::Path::new(source)), line: 1, column: 1 };
    whole.defaults(&said, files, options, &top)?;
    for (line, said) in lines.iter().zip(&said) {
        whole.names(line, said);
    }
    for (line, said) in lines.iter().zip(&said) {
        whole.settings(line, said);
    }
    local::records(&mut whole, &said, files)?;
    whole.listen(&said);
    whole.what_is_not_written(&top);
    Ok(whole.plan.finish())
}

impl Whole<'_> {
    pub fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.name == name)
    }

    /// The last value of an option that is set once.
    pub fn last(&self, name: &str) -> Option<String> {
        let line = self.lines.iter().rev().find(|line| line.name == name)?;
        line.value.as_deref().map(visible)
    }

    fn all<'b>(&'b self, said: &'b [Said], name: &'b str) -> impl Iterator<Item = (String, Said)> + 'b {
        let lines = self.lines.iter().zip(said).filter(move |(line, _)| line.name == name);
        lines.map(|(line, said)| (visible(line.value.as_deref().unwrap_or_default()), said.clone()))
    }

    /// Upstreams for all names: server= without a domain, and what resolv.conf names unless no-resolv stands.
    fn defaults(
        &mut self,
        said: &[Said],
        files: &mut Files,
        options: &Options,
        top: &Place,
    ) -> Result<(), Unreadable> {
        let servers: Vec<(String, Said)> = self.all(said, "server").chain(self.all(said, "local")).collect();
        let mut from = None;
        for (value, said) in servers {
            let (domains, address) = split(&value);
            if (domains.is_empty() || domains == ["#"])
                && let Some(target) = self.upstream(address, &said)
            {
                self.defaults.push(target);
                self.plan.translated(&said, "[[rule]] .");
                from.get_or_insert(said);
            }
        }
        if !self.has("no-resolv") {
            self.resolv(said, files, options, top, &mut from)?;
        }
        if self.has("strict-order") {
            self.defaults = in_order(std::mem::take(&mut self.defaults));
        }
        let targets = self.defaults.clone();
        match from.filter(|_| !targets.is_empty()) {
            Some(said) => self.plan.forward(&said, Area::Domain(Name::root()), &targets),
            None if !self.has("no-resolv") => {}
            None => {
                let said = self.plan.statement(top, "(no upstream)");
                self.plan.not_needed(&said, "names of no domain below are refused, as dnsmasq does");
            }
        }
        Ok(())
    }

    fn resolv(
        &mut self,
        said: &[Said],
        files: &mut Files,
        options: &Options,
        top: &Place,
        from: &mut Option<Said>,
    ) -> Result<(), Unreadable> {
        let written: Vec<(String, Said)> = self.all(said, "resolv-file").collect();
        let system = options.resolv_conf.clone().unwrap_or_else(|| "/etc/resolv.conf".into());
        let paths = match written.is_empty() {
            true => vec![(system, self.plan.statement(top, "(no resolv-file: /etc/resolv.conf)"))],
            false => {
                written.into_iter().map(|(path, said)| (files.find(files.home(), &path), said)).collect()
            }
        };
        for (path, said) in paths {
            let text = std::fs::metadata(&path).ok().map(|_| files.text(&path, &said.place)).transpose()?;
            let found = text.map(|file| nameservers(&file.text)).unwrap_or_default();
            // dnsmasq itself is often what the machine asks.
            let usable: Vec<IpAddr> = found.into_iter().filter(|ip| !ip.is_loopback()).collect();
            let targets = usable.iter().filter_map(|ip| target(SocketAddr::new(*ip, 53)));
            self.defaults.extend(targets);
            if usable.is_empty() {
                let why = format!("{} names no other server", path.display());
                self.plan.refused(
                    &said,
                    why,
                    "add a rule for \".\" with the servers that are asked for all else",
                );
                continue;
            }
            let named: Vec<String> = usable.iter().map(ToString::to_string).collect();
            let what = format!(
                "{} names {} now, and dnsmasq follows the file; here they are written into the rule for \".\"",
                path.display(),
                named.join(", ")
            );
            self.plan.changed(&said, what);
            from.get_or_insert(said);
        }
        Ok(())
    }

    /// `ADDRESS[#PORT][@INTERFACE or SOURCE]`; what can't be asked is refused.
    fn upstream(&mut self, text: &str, said: &Said) -> Option<Target> {
        let (address, from) =
            text.split_once('@').map_or((text, None), |(address, from)| (address, Some(from)));
        let (host, port) =
            address.split_once('#').map_or((address, Some(53)), |(host, port)| (host, port.parse().ok()));
        if from.is_some() {
            self.plan
                .changed(said, "the system chooses the interface and address from which targets are asked");
        }
        let found = host.parse::<IpAddr>().ok().zip(port).map(|(ip, port)| SocketAddr::new(ip, port));
        match found.and_then(target) {
            Some(target) => Some(target),
            None => {
                let why =
                    format!("`{text}` is not the address of a server that can be asked; {GO_ELSEWHERE}");
                self.plan.refused(said, why, "write the server's address");
                None
            }
        }
    }

    /// server=, local=, rev-server= and address= with domains.
    fn names(&mut self, line: &Line, said: &Said) {
        let value = visible(line.value.as_deref().unwrap_or_default());
        match line.name {
            "server" | "local" => {
                let (domains, address) = split(&value);
                for text in domains.iter().filter(|text| **text != "#") {
                    if let Some(name) = self.domain(text, said) {
                        self.server(&name, address, said);
                    }
                }
            }
            "rev-server" => self.rev_server(&value, said),
            "address" => self.address(&value, said),
            _ => {}
        }
    }

    fn domain(&mut self, text: &str, said: &Said) -> Option<Name> {
        let text = text.strip_prefix('.').unwrap_or(text);
        if text.is_empty() {
            let why = "names without a dot can't have a rule of their own";
            self.plan.refused(said, why, "write rules for the names that are asked so");
            return None;
        }
        if let Some(rest) = text.strip_prefix('*') {
            let why =
                format!("`{text}` takes every name that ends so, as my{rest}; a domain ends at a dot here");
            self.plan.refused(said, why, "write a rule for each domain that is meant");
            return None;
        }
        match domain(text) {
            Ok(name) => Some(name),
            Err(why) => {
                self.plan.refused(said, why, "correct the domain");
                None
            }
        }
    }

    fn server(&mut self, name: &Name, address: &str, said: &Said) {
        let area = Area::Domain(name.clone());
        match address {
            "" => self.plan.closed(said, name),
            "#" if self.defaults.is_empty() => {
                self.plan.refused(said, "there are no default servers", "write the servers that are meant");
            }
            "#" => {
                let targets = self.defaults.clone();
                self.plan.forward(said, area, &targets);
                self.plan.translated(said, format!("[[rule]] {name}: as for \".\""));
            }
            address => {
                let Some(target) = self.upstream(address, said) else { return };
                let before = self.plan.targets(&area).map_or(0, <[Target]>::len);
                let tier = if self.has("strict-order") { before.min(9) as u8 } else { 0 };
                self.plan.forward(said, area, &[Target { tier, ..target }]);
                self.plan.translated(said, format!("[[rule]] {name}"));
            }
        }
    }

    fn rev_server(&mut self, value: &str, said: &Said) {
        let (network, address) = value.split_once(',').unwrap_or((value, ""));
        let parsed = match network.contains('/') {
            true => network.parse::<IpNet>().ok(),
            false => network.parse::<IpAddr>().ok().map(IpNet::from),
        };
        let Some(network) = parsed else {
            self.plan.refused(said, format!("`{network}` is no network"), "write ADDRESS/PREFIX");
            return;
        };
        if address.is_empty() || address == "#" {
            let zones = crate::config::reverse::domains(network.trunc());
            zones.iter().for_each(|name| self.server(name, address, said));
            return;
        }
        if let Some(target) = self.upstream(address, said) {
            self.plan.forward(said, Area::reverse(network), &[target]);
            self.plan.translated(said, format!("[[rule]] reverse {}", network.trunc()));
        }
    }

    /// A fixed answer for a domain and all below it. dnsmasq forwards types that it has none of, which no zone does.
    fn address(&mut self, value: &str, said: &Said) {
        let (domains, address) = split(value);
        if domains.is_empty() {
            self.plan.refused(said, "it names no domain", "write address=/DOMAIN/ADDRESS");
            return;
        }
        for text in domains {
            let all = text == "#";
            let name = if all { Some(Name::root()) } else { self.domain(text, said) };
            let Some(name) = name else { continue };
            if address.is_empty() {
                self.server(&name, "", said);
                continue;
            }
            self.fixed(&name, address, said);
        }
    }

    fn fixed(&mut self, name: &Name, address: &str, said: &Said) {
        let addresses: Vec<IpAddr> = match address {
            "#" => vec![[0, 0, 0, 0].into(), [0u16; 8].into()],
            text => match text.parse() {
                Ok(ip) => vec![ip],
                Err(_) => {
                    self.plan.refused(said, format!("`{text}` is no address"), "write an address, or #");
                    return;
                }
            },
        };
        let closed = self.is_closed(name);
        self.plan.zone(said, name, Spread::Below);
        let ttl = local::ttl(self);
        addresses.iter().for_each(|ip| self.plan.record(said, local::address(name.clone(), *ip, ttl)));
        if !closed {
            let what = format!(
                "names in `{name}` have these addresses and nothing else; dnsmasq (from 2.86 on) forwards \
                 questions for other types"
            );
            self.plan.changed(said, what);
        }
    }

    /// Is a domain kept from being forwarded by a line of its own?
    fn is_closed(&self, name: &Name) -> bool {
        let servers = self.lines.iter().filter(|line| matches!(line.name, "server" | "local" | "address"));
        servers.filter_map(|line| line.value.as_deref()).any(|value| {
            let value = visible(value);
            let (domains, address) = split(&value);
            address.is_empty() && domains.iter().any(|text| domain(text).as_ref() == Ok(name))
        })
    }

    fn settings(&mut self, line: &Line, said: &Said) {
        let value = visible(line.value.as_deref().unwrap_or_default());
        let number = value.trim().parse::<u64>().ok();
        const HOUR: u64 = 3_600;
        const WEEK: u64 = 7 * 86_400;
        match (line.name, number) {
            ("cache-size", Some(0)) => self.plan.cache(said, "size", Value::text("0B")),
            ("cache-size", Some(_)) => {
                self.plan.not_needed(said, "the cache has a bound in octets here: [cache] size, 256 MiB");
            }
            ("min-cache-ttl", Some(ttl)) => self.plan.cache(said, "min_ttl", seconds(ttl.min(HOUR))),
            ("max-cache-ttl", Some(ttl)) => self.plan.cache(said, "max_ttl", seconds(ttl.min(WEEK))),
            ("max-ttl", Some(ttl)) => {
                self.plan.cache(said, "max_ttl", seconds(ttl.min(WEEK)));
                self.plan.changed(said, "answers are not kept longer than clients may keep them");
            }
            ("no-negcache", _) => self.plan.cache(said, "max_negative_ttl", Value::text("0s")),
            ("use-stale-cache", number) => {
                let longest = if value.is_empty() { 86_400 } else { number.unwrap_or(0) };
                let longest = if longest == 0 { WEEK } else { longest.min(WEEK) };
                self.plan.cache(said, "serve_stale", Value::Flag(true));
                self.plan.cache(said, "max_stale", seconds(longest));
                self.plan.cache(said, "stale_after", Value::text("0s"));
            }
            ("edns-packet-max", Some(size)) => self.udp_size(size, said),
            ("max-tcp-connections", Some(count @ 1..=65_536)) => {
                self.plan.server(said, "tcp_connections", Value::Number(count));
            }
            ("local-ttl", Some(_)) => self.plan.translated(said, "the TTL of records in [[zone]] files"),
            ("neg-ttl", Some(_)) => {
                self.plan.not_needed(said, "negative answers without an SOA record are not kept here");
            }
            ("strict-order", _) => self.plan.translated(said, "`tier` of targets"),
            ("all-servers", _) => self.plan.changed(
                said,
                "one target is asked, and a second one as soon as the first is late; never all at once",
            ),
            ("domain-needed", _) => self.plan.refused(
                said,
                "names without a dot go where all others go",
                "let the targets refuse them; only the root's servers would be asked in vain",
            ),
            ("bogus-priv", _) => self.plan.translated(
                said,
                "reverse names of private networks without a rule are answered here (RFC 6303)",
            ),
            ("no-resolv", _) => self.plan.translated(said, "no rule from resolv.conf"),
            ("resolv-file", _) if self.has("no-resolv") => self.plan.not_needed(said, "no-resolv stands too"),
            ("no-hosts", _) => self.plan.not_needed(said, "/etc/hosts is not read here"),
            ("local-service", _) => self.plan.changed(
                said,
                "private networks may ask ([server] allow), not those of this machine's interfaces alone",
            ),
            ("conf-file" | "conf-dir" | "servers-file", _) => {
                self.plan.translated(said, "what it includes stands in its place");
            }
            ("domain" | "expand-hosts", _) => local::domain_line(self, line.name, &value, said),
            (
                "cache-size"
                | "min-cache-ttl"
                | "max-cache-ttl"
                | "max-ttl"
                | "edns-packet-max"
                | "local-ttl"
                | "neg-ttl"
                | "max-tcp-connections",
                _,
            ) => self.plan.refused(said, format!("`{value}` is out of bounds"), "write a whole number"),
            (name, _) => self.left_out(name, said),
        }
    }

    fn udp_size(&mut self, size: u64, said: &Said) {
        let within = size.clamp(512, 4_096);
        self.plan.server(said, "max_udp_size", Value::Number(within));
        if within != size {
            self.plan.changed(said, format!("replies over UDP have at most {within} octets"));
        }
    }

    fn left_out(&mut self, name: &str, said: &Said) {
        match options::about(name) {
            options::About::Names => {}
            about => match about.left_out() {
                (why, Some(what_to_do)) => self.plan.refused(said, why, what_to_do),
                (why, None) => self.plan.not_needed(said, why),
            },
        }
    }

    fn listen(&mut self, said: &[Said]) {
        let port = self.all(said, "port").last();
        let number = match &port {
            Some((text, said)) => match text.trim().parse::<u16>() {
                Ok(0) => {
                    let why =
                        "with port=0 dnsmasq answers no questions at all, and this server would on port 53";
                    self.plan.refused(
                        said,
                        why,
                        "leave dnsmasq to DHCP, and write this configuration by hand",
                    );
                    53
                }
                Ok(port) => port,
                Err(_) => {
                    self.plan.refused(said, format!("`{text}` is no port"), "write a number from 1 to 65535");
                    53
                }
            },
            None => 53,
        };
        let mut addresses: Vec<IpAddr> = Vec::new();
        for (text, said) in self.all(said, "listen-address").collect::<Vec<_>>() {
            for part in text.split(',').map(str::trim) {
                match part.parse::<IpAddr>() {
                    Ok(ip) if addresses.contains(&ip) => {}
                    Ok(ip) => addresses.push(ip),
                    Err(_) => {
                        let why = format!("`{part}` is no address that can be listened on");
                        self.plan.refused(&said, why, "write an address into [server] listen");
                    }
                }
            }
            self.plan.translated(&said, "[server] listen");
        }
        for (text, said) in self.all(said, "interface").collect::<Vec<_>>() {
            let why = format!("this server listens on addresses, and those of `{text}` are not known here");
            self.plan.refused(
                &said,
                why,
                "write them into [server] listen; until then it listens on all others too",
            );
        }
        if let Some((_, said)) = &port {
            self.plan.translated(said, "[server] listen");
        }
        if addresses.is_empty() && port.is_some() {
            addresses = vec![[0u16; 8].into(), [0, 0, 0, 0].into()];
        }
        let first = self.all(said, "listen-address").next().or(port).map(|(_, said)| said.place);
        if let Some(from) = first.filter(|_| !addresses.is_empty()) {
            let listen = addresses.iter().map(|ip| SocketAddr::new(*ip, number).to_string());
            crate::import::draft::set(&mut self.plan.draft.server, "listen", Value::texts(listen), &from);
        }
    }

    /// What dnsmasq does without a word, and this server does otherwise.
    fn what_is_not_written(&mut self, top: &Place) {
        if !self.has("use-stale-cache") {
            let said = self.plan.statement(top, "(no use-stale-cache)");
            self.plan.cache(&said, "serve_stale", Value::Flag(false));
        }
        if !["max-cache-ttl", "max-ttl"].iter().any(|name| self.has(name)) {
            let said = self.plan.statement(top, "(no max-cache-ttl: answers are kept for their TTL)");
            self.plan.cache(&said, "max_ttl", Value::text("7d"));
        }
        if !self.has("bogus-priv") && !self.defaults.is_empty() {
            let said = self.plan.statement(top, "(no bogus-priv)");
            let targets = self.defaults.clone();
            self.plan.forward_private(&said, &targets);
        }
        if !self.has("local-service") {
            let said = self.plan.statement(top, "(no local-service: whoever reaches it may ask)");
            let what = "private networks may ask; who serves others names them in [server] allow";
            self.plan.changed(&said, what);
        }
        self.plan.special_names(top, "dnsmasq");
        if !self.has("no-hosts") {
            let said = self.plan.statement(top, "(no no-hosts: /etc/hosts)");
            let why = "dnsmasq answers from its machine's /etc/hosts, which is not read here";
            let what_to_do =
                "copy the lines that clients need into a file, name it with addn-hosts= and import again";
            self.plan.refused(&said, why, what_to_do);
        }
    }
}

/// `/a/b/ADDRESS` as its domains and the address; without domains, the address alone.
pub(super) fn split(value: &str) -> (Vec<&str>, &str) {
    match value.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) {
        Some((domains, address)) => (domains.split('/').collect(), address.trim()),
        // A single `/` in front of a domain is a domain without an end: dnsmasq takes it for an address.
        None => (Vec::new(), value),
    }
}
