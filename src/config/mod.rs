//! The configuration: read from TOML files into a tree with spans, read off by a schema, checked as a whole.
//! Every fault of every file is reported at once; what is handed on can't be wrong. Starts nothing.

pub mod aws;
pub mod diagnostic;
pub mod source;
pub mod units;

mod check;
mod defaults;
mod files;
mod keys;
mod lists;
mod reader;
pub(crate) mod reverse;
mod rules;
mod schema;
pub(crate) mod suggest;
mod system;
mod table;
mod text;
mod value;
mod views;
mod warn;
mod zones;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use self::defaults::defaults;
pub use self::diagnostic::{Diagnostic, Severity};
pub use self::keys::{Algorithm, Key, Secret};
pub use self::rules::{Rule, RuleAction, Rules};
pub use self::source::Location;
#[cfg(test)]
use self::source::Source;
use self::system::Machine;
pub use self::system::{interfaces, is_this_server};
use crate::policy::access::{AccessList, Acl};
use crate::wire::name::Name;

/// What reading a configuration gave; `config` is none exactly when there is an error among the diagnostics.
#[derive(Debug)]
pub struct Loaded {
    pub config: Option<Config>,
    /// The zones that could be read, whatever else is wrong: their files may have faults too.
    pub zones: Vec<Zone>,
    /// Where the server of these files listens for operators, as far as they can say.
    pub socket: PathBuf,
    /// By file, line and column.
    pub diagnostics: Vec<Diagnostic>,
}

/// The whole configuration, checked: names are resolved to indices, domains are unique, bounds hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The configuration files in the order in which they were read; zone files are not among them.
    pub files: Vec<PathBuf>,
    /// 16 hexadecimal digits over the bytes of `files`, the same on every machine.
    pub hash: String,
    pub server: Server,
    pub cache: Cache,
    pub control: Control,
    pub metrics: Metrics,
    pub log: Log,
    /// The lists that have names.
    pub acls: Vec<Arc<Acl>>,
    /// What requests and transfers are signed with (RFC 8945), each name once.
    pub keys: Vec<Arc<Key>>,
    /// The general ones first, then those of each view.
    pub zones: Vec<Zone>,
    pub endpoints: Vec<Endpoint>,
    /// The general ones first, then those of each view. Shared with who counts their questions.
    pub rules: Arc<Rules>,
    /// In the order in which they are tried.
    pub views: Vec<View>,
    /// How fresh answers must be: what `[cache]` says first, then what rules say of their own, each once. Rules
    /// have an index into this: 100,000 of them must stay small.
    pub freshness: Vec<Freshness>,
    /// Who may ask for the names of a rule, where it says so itself: by the same index.
    pub rule_access: Vec<Option<Arc<AccessList>>>,
    /// What stands on the AWS side, as it should be.
    pub aws: Option<aws::Aws>,
    /// What AWS said last, as far as it is followed: taken into the rules and endpoints already.
    pub followed: aws::Followed,
}

/// Rules and zones for some clients. The first view whose clients fit decides.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub name: String,
    pub clients: Arc<AccessList>,
    /// Who of them may ask, in the place of the server's list.
    pub allow: Option<Arc<AccessList>>,
    /// The general rules and zones apply where the view has none as specific.
    pub inherit: bool,
    /// Nothing that is kept is shared with other views.
    pub own_cache: bool,
    /// Where its zones and rules are among all.
    pub zones: Range<usize>,
    pub rules: Range<usize>,
    /// Of its name.
    pub place: Location,
}

/// A listener that differs from the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    pub address: SocketAddr,
    /// Who may ask there, in the place of the server's list.
    pub allow: Option<Arc<AccessList>>,
}

/// What belongs together: what is general, or one view's.
#[derive(Clone)]
pub struct Part<'a> {
    /// None: what is general.
    pub view: Option<&'a View>,
    pub zones: Range<usize>,
    pub rules: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// All addresses, those of `listeners` too.
    pub listen: Vec<SocketAddr>,
    pub listeners: Vec<Listener>,
    pub workers: usize,
    pub az: Option<String>,
    /// What SYSTEM rules ask, an index into the endpoints. Set whenever there is a SYSTEM rule.
    pub system: Option<usize>,
    /// Who is asked for the addresses of targets that are written as names. Never empty if there are such.
    pub bootstrap: Vec<SocketAddr>,
    /// The folder where zones that are fetched or changed are kept. Set whenever there is such a zone.
    pub state: Option<PathBuf>,
    /// Who may ask.
    pub allow: Arc<AccessList>,
    pub max_udp_size: u16,
    pub tcp_connections: usize,
    pub tcp_connections_per_client: usize,
    pub tcp_idle_timeout: Duration,
    /// Queries a second of one client, an IPv6 client by its /64; 0: no bound.
    pub client_rate: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    /// 0: no cache.
    pub size_bytes: u64,
    pub min_ttl_secs: u32,
    pub max_ttl_secs: u32,
    pub max_negative_ttl_secs: u32,
    /// For all rules that don't say otherwise.
    pub freshness: Freshness,
}

/// What is done with answers that are past their TTL, or nearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Answer from expired entries when no target answers (RFC 8767).
    pub serve_stale: bool,
    /// The TTL of such answers.
    pub stale_ttl_secs: u32,
    /// How long past its TTL an entry may be so used.
    pub max_stale_secs: u32,
    /// A client gets the expired answer after so long, while targets go on being asked. None: not before they
    /// have failed.
    pub stale_after: Option<Duration>,
    /// Ask anew for what is asked often, shortly before its TTL is over.
    pub prefetch: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    pub socket: PathBuf,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// None: off.
    pub listen: Option<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// A zone answered with authority.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub name: Name,
    pub source: ZoneSource,
    /// Who is told of its changes.
    pub notify: Vec<Peer>,
    /// Who may ask for its names; none: who may ask the server.
    pub allow: Option<Arc<AccessList>>,
    pub allow_transfer: Arc<AccessList>,
    pub allow_update: Arc<AccessList>,
    /// Who may tell of changes beside the primaries.
    pub allow_notify: Arc<AccessList>,
    /// Of the value of `file`, or of the name.
    pub place: Location,
}

/// Where a zone's content comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ZoneSource {
    /// A master file, which could be opened when the configuration was read; clients may change what was in it if
    /// `updates`.
    File { file: PathBuf, updates: bool },
    /// At least one.
    Primaries(Vec<Peer>),
}

/// Another server of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    /// What messages to it are signed with, an index into the keys.
    pub key: Option<usize>,
}

/// A named group of targets; at least one, each address once.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub name: String,
    pub targets: Vec<Target>,
    /// The inbound endpoint of `[aws]` whose addresses the targets are, by the name that it is called by there.
    pub aws: Option<String>,
    pub client_subnet: bool,
    /// None: the SOA of the first domain that a rule sends here, whatever is said of it.
    pub probe: Option<Probe>,
    /// Of its name. For the system's own nameservers: their file as a whole.
    pub place: Location,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub address: Address,
    pub az: Option<String>,
    /// Targets of a lower tier are asked before those of a higher one.
    pub tier: u8,
    /// Questions a second that it is asked at most; none: no bound.
    pub rate: Option<u32>,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Socket(SocketAddr),
    /// All addresses that the name has at the time, with this port.
    Name(Name, u16),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Socket(address) => address.fmt(f),
            Address::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl Config {
    /// What is general, then each view.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let views = self.views.iter();
        let views =
            views.map(|view| Part { view: Some(view), zones: view.zones.clone(), rules: view.rules.clone() });
        std::iter::once(self.general()).chain(views)
    }

    pub fn general(&self) -> Part<'_> {
        let (zones, rules) = match self.views.first() {
            Some(view) => (view.zones.start, view.rules.start),
            None => (self.zones.len(), self.rules.len()),
        };
        Part { view: None, zones: 0..zones, rules: 0..rules }
    }

    /// The view that a rule belongs to, as an index.
    pub fn view_of_rule(&self, rule: usize) -> Option<usize> {
        self.views.iter().position(|view| view.rules.contains(&rule))
    }

    pub fn view_of_zone(&self, zone: usize) -> Option<usize> {
        self.views.iter().position(|view| view.zones.contains(&zone))
    }

    /// The names that targets are written as; one may come several times.
    pub fn target_names(&self) -> impl Iterator<Item = &Name> {
        self.endpoints.iter().flat_map(Endpoint::names)
    }
}

impl Endpoint {
    /// The names among its targets.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.targets.iter().filter_map(|target| match &target.address {
            Address::Name(name, _) => Some(name),
            Address::Socket(_) => None,
        })
    }
}

/// What the targets of an endpoint are asked to see whether they are of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub name: Name,
    pub rtype: u16,
    pub expect: Expect,
}

/// What a good target says to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// NOERROR or NXDOMAIN.
    Answer,
    Rcode(u16),
    /// NOERROR, and this address among the answers.
    Address(IpAddr),
}

/// Reads the file and those of `conf.d` beside it. What can't be read is a diagnostic too.
pub fn load(path: &Path) -> Loaded {
    load_with(path, system::THIS)
}

/// Takes `text` as what stands in the main file at `path`: for scenarios, which carry their configuration.
pub fn load_text(path: &Path, text: String) -> Loaded {
    let file = files::ConfigFile { source: source::Source::new(path, text), is_main: true };
    load_files(schema::read, &[file], reader::Faults::default(), system::THIS)
}

/// The AWS side alone, without what is told from the file of loops and conflicts: for tests of what a world without
/// such a check would do.
#[cfg(test)]
pub fn aws_of(text: String) -> aws::Aws {
    let file =
        files::ConfigFile { source: source::Source::new(Path::new("dnsfwd.toml"), text), is_main: true };
    let mut faults = reader::Faults::default();
    let mut written = schema::read(&[file], &mut faults);
    let table = std::mem::take(&mut written.aws);
    let aws = aws::aws(table, |key| written.place_of("aws", key).is_some(), &mut faults);
    let diagnostics = faults.into_diagnostics();
    assert_eq!(diagnostic::count(&diagnostics).errors, 0, "{}", diagnostic::render(&diagnostics, false));
    aws.expect("there is a table [aws]").0
}

/// What `load` would give if `text` stood in a further file of `conf.d`.
pub fn load_beside(path: &Path, file: &Path, text: String) -> Loaded {
    let mut faults = reader::Faults::default();
    let mut files = files::read(path, &mut faults);
    files.push(files::ConfigFile { source: source::Source::new(file, text), is_main: false });
    load_files(schema::read, &files, faults, system::THIS)
}

/// Where the server of these files listens for operators, as far as they can say: what `load` gives for sound
/// files, but at once where there are 100,000 rules.
pub fn socket(path: &Path) -> PathBuf {
    let files = files::read(path, &mut reader::Faults::default());
    match schema::read_without_rules(&files) {
        Some(written) => written.config.control.socket,
        None => load(path).socket,
    }
}

fn load_with(path: &Path, machine: Machine<'_>) -> Loaded {
    load_by(schema::read, path, machine)
}

type Read = fn(&[files::ConfigFile], &mut reader::Faults) -> schema::Written;

fn load_by(read: Read, path: &Path, machine: Machine<'_>) -> Loaded {
    let mut faults = reader::Faults::default();
    let files = files::read(path, &mut faults);
    load_files(read, &files, faults, machine)
}

fn load_files(
    read: Read,
    files: &[files::ConfigFile],
    mut faults: reader::Faults,
    machine: Machine<'_>,
) -> Loaded {
    let written = read(files, &mut faults);
    let config = check::check(written, &mut faults, machine);
    let mut diagnostics = faults.into_diagnostics();
    diagnostic::sort(&mut diagnostics);
    let sound = diagnostic::count(&diagnostics).errors == 0;
    let (zones, socket) = (config.zones.clone(), config.control.socket.clone());
    Loaded { config: sound.then_some(config), zones, socket, diagnostics }
}
