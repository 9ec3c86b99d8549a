//! The translation of one `named.conf`: what is known of it while it goes on, the order of its steps, and the entries
//! of its receipt. What a statement means is in the files beside this one, by topic.

use std::collections::{HashMap, HashSet, hash_map};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use super::Version;
use super::delegations::Parent;
use super::fates::{self, Fate};
use super::files::Whole;
use super::tree::Statement;
use super::zonefile::Copied;
use crate::import::draft::{Rule, Zone};
use crate::import::{Draft, Entry, Imported, Kind, Options, Outcome, Place, Receipt, WrittenFile};

/// What differs between the versions when nothing is written.
impl Version {
    /// Who may transfer a zone.
    pub(super) fn anybody_may_transfer(self) -> bool {
        self == Version::V9_18
    }
}

pub(super) struct Translation<'a> {
    pub version: Version,
    /// The addresses of this machine, each with its network.
    pub interfaces: Vec<IpNet>,
    /// Where relative paths of zone files begin, and where they may be found too.
    pub base: PathBuf,
    pub home: PathBuf,
    pub top: &'a [Statement],
    pub options: &'a [Statement],
    /// By name in lower case; names of keys without their last dot.
    pub acls: HashMap<String, &'a Statement>,
    pub keys: HashMap<String, &'a Statement>,
    pub remote_servers: HashMap<String, &'a Statement>,
    pub draft: Draft,
    pub receipt: Receipt,
    pub files: Vec<WrittenFile>,
    /// Names in lower case, and what they are called here.
    pub used_acls: HashMap<String, String>,
    pub used_keys: HashMap<String, String>,
    pub used_servers: HashSet<String>,
    /// Where each zone file went.
    pub zone_files: HashMap<PathBuf, Copied>,
}

/// What holds for a set of zones: the options, and those of the view that they are in.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub view: Option<&'a Statement>,
    pub options: &'a [Statement],
}

/// Rules and zones of the general part or of a view.
#[derive(Default)]
pub(super) struct Unit<'a> {
    pub rules: Vec<Rule>,
    pub zones: Vec<Zone>,
    /// Zones of ours that hand names on.
    pub parents: Vec<Parent<'a>>,
    /// Names of all zones of the source, with their places: a second one is refused.
    pub seen: HashMap<String, Place>,
}

impl<'a> Scope<'a> {
    /// The view's word goes before the options'.
    pub fn find(&self, name: &str) -> Option<&'a Statement> {
        let view = self.view.map_or(&[] as &[Statement], Statement::body);
        named(view, name).or_else(|| named(self.options, name))
    }

    pub fn is_on(&self, name: &str, default: bool) -> bool {
        self.find(name).map_or(default, |found| super::value::flag(found.first_word()).unwrap_or(default))
    }
}

pub(super) fn named<'a>(statements: &'a [Statement], name: &str) -> Option<&'a Statement> {
    statements.iter().find(|statement| statement.name() == name)
}

/// Why a value can't be written here, and what to do.
pub(super) struct Refusal {
    pub why: String,
    pub what_to_do: String,
}

impl Refusal {
    pub fn new(why: impl Into<String>, what_to_do: impl Into<String>) -> Refusal {
        Refusal { why: why.into(), what_to_do: what_to_do.into() }
    }
}

pub(super) fn run(source: &Path, whole: &Whole, options: &Options) -> Imported {
    let home = source.parent().unwrap_or(Path::new("")).to_path_buf();
    let name = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut translation = Translation {
        version: options.bind_version,
        interfaces: super::listen::interfaces(options.interfaces.as_ref()),
        base: whole.directory.clone().unwrap_or_else(|| home.clone()),
        home,
        top: &whole.statements,
        options: named(&whole.statements, "options").map_or(&[], Statement::body),
        acls: HashMap::new(),
        keys: HashMap::new(),
        remote_servers: HashMap::new(),
        draft: Draft::default(),
        receipt: Receipt::new(Kind::Bind, source.display().to_string()),
        files: Vec::new(),
        used_acls: HashMap::new(),
        used_keys: HashMap::new(),
        used_servers: HashSet::new(),
        zone_files: HashMap::new(),
    };
    translation.index();
    translation.server_options();
    translation.units();
    translation.rest();
    translation.unused();
    let order = order_of_files(&name.as_str().into(), &whole.statements);
    let rank = |place: &Place| order.get(&place.file).copied().unwrap_or(usize::MAX);
    translation
        .receipt
        .entries
        .sort_by_key(|entry: &Entry| (rank(&entry.place), entry.place.line, entry.place.column));
    Imported { draft: translation.draft, receipt: translation.receipt, files: translation.files }
}

/// Files in the order in which they are first read.
fn order_of_files(first: &Arc<str>, statements: &[Statement]) -> HashMap<Arc<str>, usize> {
    fn visit(statements: &[Statement], order: &mut HashMap<Arc<str>, usize>) {
        for statement in statements {
            let next = order.len();
            order.entry(Arc::clone(&statement.place.file)).or_insert(next);
            for item in &statement.items {
                visit(item.group().unwrap_or_default(), order);
            }
        }
    }
    let mut order = HashMap::from([(Arc::clone(first), 0)]);
    visit(statements, &mut order);
    order
}

impl<'a> Translation<'a> {
    fn index(&mut self) {
        for statement in self.top {
            let name = statement.first_word().to_ascii_lowercase();
            let table = match statement.name().as_str() {
                "acl" => &mut self.acls,
                "key" => &mut self.keys,
                "masters" | "primaries" | "remote-servers" | "parental-agents" => &mut self.remote_servers,
                _ => continue,
            };
            let key = name.trim_end_matches('.').to_owned();
            if let hash_map::Entry::Vacant(free) = table.entry(key) {
                free.insert(statement);
                continue;
            }
            let twice = Refusal::new("it is defined twice; the first one counts", "keep one of them");
            self.refused(statement, twice);
        }
        for view in self.top.iter().filter(|statement| statement.name() == "view") {
            for key in view.body().iter().filter(|statement| statement.name() == "key") {
                let name = key.first_word().to_ascii_lowercase().trim_end_matches('.').to_owned();
                self.keys.entry(name).or_insert(key);
            }
        }
    }

    /// Statements at the top that are no zones, views, options or definitions.
    fn rest(&mut self) {
        for statement in self.top {
            match statement.name().as_str() {
                "logging" => self.logging(statement),
                "server" => self.server(statement),
                "dnssec-policy" => {
                    self.not_needed(statement, "each zone that names it is refused at its place")
                }
                "tls" | "http" => {
                    self.not_needed(
                        statement,
                        "each listener or server that names it is refused at its place",
                    );
                }
                _ => {
                    self.by_fate(statement);
                }
            }
        }
    }

    /// Definitions that nothing named.
    fn unused(&mut self) {
        for statement in self.top {
            let name = statement.first_word().to_ascii_lowercase().trim_end_matches('.').to_owned();
            let used = match statement.name().as_str() {
                "acl" => self.used_acls.contains_key(&name),
                "key" => self.used_keys.contains_key(&name),
                "masters" | "primaries" | "remote-servers" | "parental-agents" => {
                    self.used_servers.contains(&name)
                }
                _ => continue,
            };
            if !used && !self.has_entry(statement) {
                self.not_needed(statement, "nothing that is carried over names it");
            }
        }
    }

    pub fn has_entry(&self, statement: &Statement) -> bool {
        self.receipt.entries.iter().any(|entry| entry.place == statement.place)
    }

    /// True if there was an outcome by the name alone.
    pub fn by_fate(&mut self, statement: &Statement) -> bool {
        if self.validation(statement) {
            return true;
        }
        match fates::of(statement) {
            Some(Fate::NotNeeded(why)) => self.not_needed(statement, why),
            Some(Fate::Changed(what)) => self.changed(statement, what),
            Some(Fate::Refused { why, what_to_do }) => self.refused(statement, Refusal::new(why, what_to_do)),
            None => return false,
        }
        true
    }

    pub fn translated(&mut self, statement: &Statement, key: impl Into<String>) {
        self.receipt.add(&statement.place, statement.shown(), Outcome::Translated { key: key.into() });
    }

    pub fn not_needed(&mut self, statement: &Statement, why: impl Into<String>) {
        self.receipt.add(&statement.place, statement.shown(), Outcome::NotNeeded { why: why.into() });
    }

    pub fn changed(&mut self, statement: &Statement, what: impl Into<String>) {
        self.receipt.add(&statement.place, statement.shown(), Outcome::Changed { what: what.into() });
    }

    pub fn refused(&mut self, statement: &Statement, refusal: Refusal) {
        let Refusal { why, what_to_do } = refusal;
        self.receipt.add(&statement.place, statement.shown(), Outcome::Refused { why, what_to_do });
    }

    /// What BIND does without a statement.
    pub fn implied(&mut self, place: &Place, what: &str, outcome: Outcome) {
        self.receipt.add(place, format!("({what})"), outcome);
    }

    /// Where the options stand, or the file begins.
    pub fn options_place(&self) -> Place {
        let options = named(self.top, "options").or(self.top.first());
        options.map_or_else(
            || super::views::beginning(&self.receipt.source),
            |statement| statement.place.clone(),
        )
    }
}
