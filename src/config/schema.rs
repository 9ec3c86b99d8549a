//! Every table and key there is, each once, with its bounds. Reads what is written over the defaults; what
//! needs more than one value to judge is left to `check`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use foldhash::fast::RandomState;
use ipnet::IpNet;
use toml::de::DeTable;

use super::files::{self, ConfigFile};
use super::reader::{
    At, Faults, Node, Table, at, flag, integer, list, one_of, read_table, some, string, table, whole,
};
use super::source::{Place, Source};
use super::text::{Apart, Text, parse_group};
use super::value::{
    domain, duration, endpoint_name, expect, label, listen_address, metrics_address, network, probe_type,
    rate, server_address, size, stale_after, target_address, ttl,
};
use super::{
    Address, Cache, Config, Control, Expect, Freshness, Log, LogFormat, LogLevel, Metrics, Probe, Server,
    Target, defaults,
};
use crate::wire::name::Name;
use crate::wire::rdata::rtype;

/// The written form that this program reads.
const VERSION: i128 = 1;

/// More threads than the cores of any machine that serves DNS alone.
pub(super) const MAX_WORKERS: usize = 64;
/// 512 octets always pass (RFC 1035 section 4.2.1); 4096 is what the field once allowed, and more fragments.
const UDP_SIZES: RangeInclusive<u16> = 512..=4096;
/// As many as there are ports of one client address.
const TCP_CONNECTIONS: RangeInclusive<usize> = 1..=65_536;
const TCP_IDLE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
/// Below 1 MiB a cache holds less than a page's names; above 1 TiB is a slip of the unit.
const CACHE_SIZES: RangeInclusive<u64> = 1 << 20..=1 << 40;
/// RFC 8767 section 4 takes seven days for the longest TTL that makes sense.
const MAX_TTL: Duration = Duration::from_secs(7 * 86_400);
/// A minimum overrides the owner's word, and with it failover by DNS: an hour is the most one may want.
const MAX_MIN_TTL: Duration = Duration::from_secs(3_600);
/// Of a stale answer: clients should come back soon, as a fresh one may be there.
const MAX_STALE_TTL: Duration = Duration::from_secs(3_600);
/// More than any single client asks; a whole network's resolver is not to be bounded.
const CLIENT_RATES: RangeInclusive<u32> = 0..=1_000_000;
/// An order of preference, not a sort key: who needs more than ten steps wants several endpoints.
const TIERS: RangeInclusive<u8> = 0..=9;
/// Octets of a local socket's path (`sun_path` of unix(7), without its NUL).
const MAX_SOCKET_PATH: usize = 107;

/// All that the files say, read value by value.
pub(super) struct Written {
    /// The defaults with what the tables set; zones, endpoints and rules are still empty.
    pub config: Config,
    pub listen: Vec<At<SocketAddr>>,
    pub system: Option<At<String>>,
    pub bootstrap: Vec<At<SocketAddr>>,
    pub zones: Vec<WrittenZone>,
    pub endpoints: Vec<WrittenEndpoint>,
    pub rules: WrittenRules,
    set: Places,
}

impl Written {
    /// Where a table's key was set, if it was.
    pub fn place_of(&self, table: &'static str, key: &'static str) -> Option<&Place> {
        self.set.get(&(table, key))
    }
}

/// Where each key of the tables that stand once was set.
type Places = HashMap<(&'static str, &'static str), Place>;

pub(super) struct WrittenZone {
    pub name: Option<At<Name>>,
    /// Joined to the folder of the file that it was written in.
    pub file: Option<At<PathBuf>>,
}

pub(super) struct WrittenEndpoint {
    pub place: Place,
    pub name: Option<At<String>>,
    /// None if a target is wrong or there is no such key, which is reported.
    pub targets: Option<Vec<At<WrittenTarget>>>,
    pub client_subnet: bool,
    pub probe: Option<Probe>,
    /// For its targets that don't say otherwise.
    pub rate: Option<u32>,
}

impl WrittenEndpoint {
    /// Where its name stands, or the table if it has none.
    pub fn named_at(&self) -> &Place {
        self.name.as_ref().map_or(&self.place, |name| &name.place)
    }
}

pub(super) struct WrittenTarget {
    pub address: Address,
    pub az: Option<String>,
    pub tier: u8,
    /// 0: no bound. None: as the endpoint says.
    pub rate: Option<u32>,
}

impl WrittenTarget {
    /// `rate` is the endpoint's.
    pub fn to_target(&self, rate: Option<u32>) -> Target {
        let rate = self.rate.or(rate).filter(|&rate| rate > 0);
        Target { address: self.address.clone(), az: self.az.clone(), tier: self.tier, rate }
    }
}

/// All rules, with what they list side by side: lists of their own would take more room than what is in them.
#[derive(Default)]
pub(super) struct WrittenRules {
    pub rules: Vec<WrittenRule>,
    /// Those of the first rule, then those of the next.
    pub domains: Vec<At<Name>>,
    pub networks: Vec<At<IpNet>>,
    /// The names of endpoints that rules have, each once.
    endpoints: Known,
    /// What rules say of freshness, each once, and the place of each in this list.
    pub freshness: Vec<OwnFreshness>,
    freshness_index: HashMap<OwnFreshness, u16, RandomState>,
}

/// What one rule says of freshness; what it leaves out is as in `[cache]`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct OwnFreshness {
    serve_stale: Option<bool>,
    stale_ttl_secs: Option<u32>,
    max_stale_secs: Option<u32>,
    stale_after: Option<Option<Duration>>,
    prefetch: Option<bool>,
}

impl OwnFreshness {
    pub fn over(&self, common: &Freshness) -> Freshness {
        Freshness {
            serve_stale: self.serve_stale.unwrap_or(common.serve_stale),
            stale_ttl_secs: self.stale_ttl_secs.unwrap_or(common.stale_ttl_secs),
            max_stale_secs: self.max_stale_secs.unwrap_or(common.max_stale_secs),
            stale_after: self.stale_after.unwrap_or(common.stale_after),
            prefetch: self.prefetch.unwrap_or(common.prefetch),
        }
    }
}

impl WrittenRules {
    /// The place of what a rule says among the configuration's list, whose first is what `[cache]` says. None if the
    /// list is full.
    fn freshness_at(&mut self, own: OwnFreshness) -> Option<u16> {
        if own == OwnFreshness::default() {
            return Some(0);
        }
        if let Some(known) = self.freshness_index.get(&own) {
            return Some(*known);
        }
        let index = u16::try_from(self.freshness.len() + 1).ok()?;
        self.freshness.push(own);
        self.freshness_index.insert(own, index);
        Some(index)
    }
}

type Known = HashSet<Rc<str>, RandomState>;

pub(super) struct WrittenRule {
    pub place: Place,
    /// How many of the domains and networks are this rule's.
    pub domains: usize,
    pub networks: usize,
    /// Some domain or network was written, right or wrong.
    pub names_domains: bool,
    /// None if a wrong word was written.
    pub action: Option<Action>,
    pub has_endpoint_key: bool,
    pub endpoint: Option<At<Rc<str>>>,
    pub follow_cname: bool,
    pub freshness: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Forward,
    System,
}

pub(super) fn read(files: &[ConfigFile], faults: &mut Faults) -> Written {
    let mut found = faults.clone();
    match read_apart(files, &mut found) {
        Some(written) => {
            *faults = found;
            written
        }
        None => read_whole(files, faults),
    }
}

/// Reads files without syntax errors, their rules a few at a time; none if one of them can't be read so. What
/// it gives is what `read_whole` gives, and a test holds them together.
fn read_apart(files: &[ConfigFile], faults: &mut Faults) -> Option<Written> {
    let files_apart: Vec<Apart<'_>> = files.iter().map(|file| Apart::of(&file.source)).collect();
    let mut written = Written::over_defaults(files);
    read_rest(files, &files_apart, &mut written, faults)?;
    for apart in &files_apart {
        for group in apart.groups() {
            let tree = parse_group(&group)?;
            rules(&mut top(&group, &tree), &mut written.rules, faults);
        }
    }
    Some(written)
}

fn read_rest(
    files: &[ConfigFile],
    files_apart: &[Apart<'_>],
    written: &mut Written,
    faults: &mut Faults,
) -> Option<()> {
    for (file, apart) in files.iter().zip(files_apart) {
        let tree = apart.parse_rest()?;
        document(&apart.rest, file.is_main, &tree, written, faults);
    }
    Some(())
}

/// What the files say without their rules, if rules can be told apart: for who wants a single value.
pub(super) fn read_without_rules(files: &[ConfigFile]) -> Option<Written> {
    let files_apart: Vec<Apart<'_>> = files.iter().map(|file| Apart::of(&file.source)).collect();
    let mut written = Written::over_defaults(files);
    read_rest(files, &files_apart, &mut written, &mut Faults::default())?;
    Some(written)
}

pub(super) fn read_whole(files: &[ConfigFile], faults: &mut Faults) -> Written {
    let mut written = Written::over_defaults(files);
    let texts: Vec<Text<'_>> = files.iter().map(|file| Text::whole(&file.source)).collect();
    // All trees first: a syntax error in one file keeps the others from complaining of what it may hold.
    let trees: Vec<DeTable<'_>> = texts.iter().map(|text| text.parse(faults)).collect();
    for ((file, text), tree) in files.iter().zip(&texts).zip(&trees) {
        document(text, file.is_main, tree, &mut written, faults);
    }
    written
}

impl Written {
    fn over_defaults(files: &[ConfigFile]) -> Written {
        Written {
            config: Config {
                files: files.iter().map(|file| file.source.path().to_path_buf()).collect(),
                hash: files::hash(files.iter().map(|file| file.source.text())),
                ..defaults::defaults()
            },
            listen: Vec::new(),
            system: None,
            bootstrap: Vec::new(),
            zones: Vec::new(),
            endpoints: Vec::new(),
            rules: WrittenRules::default(),
            set: Places::new(),
        }
    }
}

fn top<'a>(text: &'a Text<'a>, tree: &'a DeTable<'a>) -> Table<'a> {
    Table::new("the file", tree, text, text.source().place(0..0))
}

fn document<'a>(
    text: &'a Text<'a>,
    is_main: bool,
    tree: &'a DeTable<'a>,
    written: &mut Written,
    faults: &mut Faults,
) {
    let source = text.source();
    let mut top = top(text, tree);
    version(&mut top, is_main, faults);

    let Written { config, set, listen, system, bootstrap, zones, endpoints, rules } = written;
    once(&mut top, "server", "[server]", set, faults, |t| {
        server(t, &mut config.server, listen, system, bootstrap)
    });
    once(&mut top, "cache", "[cache]", set, faults, |t| cache(t, &mut config.cache));
    once(&mut top, "control", "[control]", set, faults, |t| control(t, &mut config.control, source));
    once(&mut top, "metrics", "[metrics]", set, faults, |t| metrics(t, &mut config.metrics));
    once(&mut top, "log", "[log]", set, faults, |t| log(t, &mut config.log));
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| zones.push(zone(table, source, faults));
    many(&mut top, "zone", "[[zone]]", &mut push, faults);
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| endpoints.push(endpoint(table, faults));
    many(&mut top, "endpoint", "[[endpoint]]", &mut push, faults);
    self::rules(&mut top, rules, faults);
    top.finish(faults);
}

fn rules(top: &mut Table<'_>, rules: &mut WrittenRules, faults: &mut Faults) {
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| rule(table, rules, faults);
    many(top, "rule", "[[rule]]", &mut push, faults);
}

/// Reads a table that stands once over all files, though its keys may be spread over several.
fn once(
    top: &mut Table<'_>,
    name: &'static str,
    title: &'static str,
    set: &mut Places,
    faults: &mut Faults,
    read: impl FnOnce(&mut Section<'_, '_>),
) {
    let entry = |node: Node<'_>, faults: &mut Faults| {
        read_table(
            node,
            title,
            title,
            |table, faults| read(&mut Section { name, table, set, faults }),
            faults,
        )
    };
    top.optional(name, entry, faults);
}

/// Reads all tables of one kind.
fn many(
    top: &mut Table<'_>,
    name: &'static str,
    title: &'static str,
    read: &mut dyn FnMut(&mut Table<'_>, &mut Faults),
    faults: &mut Faults,
) {
    let all = |node: Node<'_>, faults: &mut Faults| {
        let Some(items) = node.items() else {
            node.wrong_type("a list of tables", format!("write {title}, with double brackets"), faults);
            return None;
        };
        for item in items {
            read_table(item, title, title, &mut *read, faults);
        }
        Some(())
    };
    top.optional(name, all, faults);
}

/// A table whose keys are set once over all files.
struct Section<'t, 'a> {
    name: &'static str,
    table: &'t mut Table<'a>,
    set: &'t mut Places,
    faults: &'t mut Faults,
}

impl Section<'_, '_> {
    /// Writes the value over the default, if there is one and it is sound.
    fn set<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Node<'_>, &mut Faults) -> Option<T>,
        field: &mut T,
    ) {
        if let Some(value) = self.get(key, read) {
            *field = value;
        }
    }

    fn get<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Node<'_>, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        if let Some(place) = self.table.key_place(key) {
            self.once_only(key, place);
        }
        self.table.optional(key, read, self.faults)
    }

    fn once_only(&mut self, key: &'static str, place: Place) {
        match self.set.entry((self.name, key)) {
            Entry::Vacant(first) => {
                first.insert(place);
            }
            Entry::Occupied(first) => {
                let message = format!("`{key}` of [{}] is set already, at {}", self.name, first.get());
                self.faults.error("set-twice", &place, message, "keep one of the two");
            }
        }
    }
}

fn version(top: &mut Table<'_>, is_main: bool, faults: &mut Faults) {
    let read = |node: Node<'_>, faults: &mut Faults| {
        let help = format!("write version = {VERSION}");
        match node.value.as_integer().map(integer) {
            Some(Some(VERSION)) => {}
            Some(_) => {
                faults.error("unknown-version", &node.place(), "this program does not know the version", help)
            }
            None => node.wrong_type("a number", help, faults),
        }
        Some(())
    };
    let example = format!("version = {VERSION} at the top");
    match is_main {
        true => top.required("version", &example, read, faults),
        false => top.optional("version", read, faults),
    };
}

fn server(
    table: &mut Section<'_, '_>,
    server: &mut Server,
    listen: &mut Vec<At<SocketAddr>>,
    system: &mut Option<At<String>>,
    bootstrap: &mut Vec<At<SocketAddr>>,
) {
    let addresses = list(at(string("\"127.0.0.1:5353\"", listen_address)));
    let addresses =
        some(addresses, "write at least one address, or leave the key out for port 53 everywhere");
    if let Some(addresses) = table.get("listen", addresses) {
        server.listen = addresses.iter().map(|address| address.value).collect();
        *listen = addresses;
    }
    table.set("workers", whole(1..=MAX_WORKERS), &mut server.workers);
    server.az = table.get("az", string("\"ap-northeast-2a\"", label)).or(server.az.take());
    *system = table.get("system", at(string("\"public\"", |text| Ok(text.to_owned())))).or(system.take());
    let addresses = list(at(string("\"1.1.1.1\"", server_address)));
    if let Some(addresses) = table.get("bootstrap", addresses) {
        server.bootstrap = addresses.iter().map(|address| address.value).collect();
        *bootstrap = addresses;
    }
    let networks = some(list(string("\"10.0.0.0/8\"", network)), "name the networks that may ask");
    table.set("allow", networks, &mut server.allow);
    table.set("max_udp_size", whole(UDP_SIZES), &mut server.max_udp_size);
    table.set("tcp_connections", whole(TCP_CONNECTIONS), &mut server.tcp_connections);
    table.set("tcp_connections_per_client", whole(TCP_CONNECTIONS), &mut server.tcp_connections_per_client);
    table.set("tcp_idle_timeout", duration(TCP_IDLE), &mut server.tcp_idle_timeout);
    table.set("client_rate", whole(CLIENT_RATES), &mut server.client_rate);
}

fn cache(table: &mut Section<'_, '_>, cache: &mut Cache) {
    table.set("size", size(CACHE_SIZES), &mut cache.size_bytes);
    table.set("min_ttl", ttl(MAX_MIN_TTL), &mut cache.min_ttl_secs);
    table.set("max_ttl", ttl(MAX_TTL), &mut cache.max_ttl_secs);
    table.set("max_negative_ttl", ttl(MAX_TTL), &mut cache.max_negative_ttl_secs);
    let freshness = &mut cache.freshness;
    table.set("serve_stale", flag, &mut freshness.serve_stale);
    table.set("stale_ttl", ttl(MAX_STALE_TTL), &mut freshness.stale_ttl_secs);
    table.set("max_stale", ttl(MAX_TTL), &mut freshness.max_stale_secs);
    table.set("stale_after", stale_after, &mut freshness.stale_after);
    table.set("prefetch", flag, &mut freshness.prefetch);
}

fn control(table: &mut Section<'_, '_>, control: &mut Control, source: &Source) {
    let path = at(string("\"/run/dnsfwd/control.sock\"", |text| Ok(beside(source, text))));
    let Some(At { value, place }) = table.get("socket", path) else { return };
    if value.as_os_str().len() > MAX_SOCKET_PATH || value.file_name().is_none() {
        let message = format!("`{}` can't be a local socket", value.display());
        let help = format!("write a path of at most {MAX_SOCKET_PATH} octets");
        table.faults.error("bad-path", &place, message, help);
    }
    control.socket = value;
}

fn metrics(table: &mut Section<'_, '_>, metrics: &mut Metrics) {
    table.set("listen", string("\"127.0.0.1:9153\"", metrics_address), &mut metrics.listen);
}

fn log(table: &mut Section<'_, '_>, log: &mut Log) {
    let levels = one_of([
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ]);
    table.set("level", levels, &mut log.level);
    table.set("format", one_of([("text", LogFormat::Text), ("json", LogFormat::Json)]), &mut log.format);
}

fn zone(table: &mut Table<'_>, source: &Source, faults: &mut Faults) -> WrittenZone {
    let name = at(string("\"corp.example\"", domain));
    let file = at(string("\"corp.example.zone\"", |text| Ok(beside(source, text))));
    WrittenZone {
        name: table.required("name", "name = \"corp.example\"", name, faults),
        file: table.required("file", "file = \"corp.example.zone\"", file, faults),
    }
}

fn endpoint(table: &mut Table<'_>, faults: &mut Faults) -> WrittenEndpoint {
    let name = at(string("\"aws-inbound\"", endpoint_name));
    let name = table.required("name", "name = \"aws-inbound\"", name, faults);
    let one = at(self::table("a target", "{ address = \"10.0.1.250\" }", target));
    let targets = some(list(one), "write at least one target: { address = \"10.0.1.250\" }");
    let example = "targets = [{ address = \"10.0.1.250\" }]";
    let targets = table.required("targets", example, targets, faults);
    WrittenEndpoint {
        place: table.place.clone(),
        name,
        targets: targets.and_then(|targets| targets.into_iter().map(sound).collect()),
        client_subnet: table.optional("client_subnet", flag, faults).unwrap_or(defaults::CLIENT_SUBNET),
        probe: table
            .optional("probe", self::table("`probe`", "{ name = \"health.corp.example\" }", probe), faults)
            .flatten(),
        rate: table.optional("rate", rate, faults),
    }
}

fn target(table: &mut Table<'_>, faults: &mut Faults) -> Option<WrittenTarget> {
    let address = string("\"10.0.1.250\"", target_address);
    let address = table.required("address", "address = \"10.0.1.250\"", address, faults);
    let az = table.optional("az", string("\"ap-northeast-2a\"", label), faults);
    let tier = table.optional("tier", whole(TIERS), faults).unwrap_or(defaults::TIER);
    let rate = table.optional("rate", rate, faults);
    Some(WrittenTarget { address: address?, az, tier, rate })
}

/// The type is that of the expected address unless written, and else A.
fn probe(table: &mut Table<'_>, faults: &mut Faults) -> Option<Probe> {
    let name = string("\"health.corp.example\"", domain);
    let name = table.required("name", "name = \"health.corp.example\"", name, faults);
    let rtype = table.optional("type", at(string("\"A\"", probe_type)), faults);
    let expect = table.optional("expect", string("\"answer\"", expect), faults).unwrap_or(defaults::EXPECT);
    let wanted = match expect {
        Expect::Address(IpAddr::V6(_)) => rtype::AAAA,
        _ => rtype::A,
    };
    if let (Expect::Address(address), Some(At { value, place })) = (expect, &rtype)
        && *value != wanted
    {
        let word = if address.is_ipv4() { "A" } else { "AAAA" };
        let message = format!("a probe of this type can't be answered with {address}");
        faults.error("probe-type", place, message, format!("write type = \"{word}\", or leave it out"));
    }
    Some(Probe { name: name?, rtype: rtype.map_or(wanted, |rtype| rtype.value), expect })
}

fn sound<T>(item: At<Option<T>>) -> Option<At<T>> {
    let place = item.place;
    item.value.map(|value| At { value, place })
}

fn rule(table: &mut Table<'_>, rules: &mut WrittenRules, faults: &mut Faults) {
    let one = || at(string("\"corp.example\"", domain));
    let domain = table.optional("domain", one(), faults);
    let domains = table.optional("domains", list(one()), faults).unwrap_or_default();
    let reverse = table.optional("reverse", list(at(string("\"10.0.0.0/16\"", network))), faults);
    let networks = reverse.unwrap_or_default();
    let actions = one_of([("FORWARD", Action::Forward), ("SYSTEM", Action::System)]);
    let action = match table.has("type") {
        true => table.optional("type", actions, faults),
        false => table.optional("type", actions, faults).or(Some(Action::Forward)),
    };
    let endpoint = at(string("\"aws-inbound\"", |text| Ok(text.to_owned())));
    let endpoint = table.optional("endpoint", endpoint, faults);
    let own = OwnFreshness {
        serve_stale: table.optional("serve_stale", flag, faults),
        stale_ttl_secs: table.optional("stale_ttl", ttl(MAX_STALE_TTL), faults),
        max_stale_secs: table.optional("max_stale", ttl(MAX_TTL), faults),
        stale_after: table.optional("stale_after", stale_after, faults),
        prefetch: table.optional("prefetch", flag, faults),
    };
    let freshness = rules.freshness_at(own).unwrap_or_else(|| {
        let message = format!("rules say more than {} different things of stale answers", u16::MAX);
        faults.error("too-many-settings", &table.place, message, "let more of them say the same");
        0
    });
    rules.rules.push(WrittenRule {
        place: table.place.clone(),
        domains: usize::from(domain.is_some()) + domains.len(),
        networks: networks.len(),
        names_domains: ["domain", "domains", "reverse"].iter().any(|key| table.holds_something(key)),
        action,
        has_endpoint_key: table.has("endpoint"),
        endpoint: endpoint
            .map(|At { value, place }| At { value: shared(&mut rules.endpoints, &value), place }),
        follow_cname: table.optional("follow_cname", flag, faults).unwrap_or(defaults::FOLLOW_CNAME),
        freshness,
    });
    rules.domains.extend(domain);
    rules.domains.extend(domains);
    rules.networks.extend(networks);
}

/// The one copy of a text that many values share.
fn shared(known: &mut Known, text: &str) -> Rc<str> {
    if let Some(known) = known.get(text) {
        return Rc::clone(known);
    }
    let new: Rc<str> = text.into();
    known.insert(Rc::clone(&new));
    new
}

/// A path as written in this file: relative ones start from its folder.
fn beside(source: &Source, text: &str) -> PathBuf {
    source.path().parent().unwrap_or(Path::new("")).join(text)
}
