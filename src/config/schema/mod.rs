//! Every table and key there is, each once, with its bounds. Reads what is written over the defaults; what
//! needs more than one value to judge is left to `check`.

mod access;
mod aws;
mod cache;
mod control;
mod endpoint;
mod rule;
mod server;
mod view;
mod zone;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub(super) use self::access::{
    LOCALHOST, LOCALNETS, WrittenAccess, WrittenAcl, WrittenClients, WrittenKey, WrittenSecret,
};
use self::access::{acl, key};
pub(super) use self::aws::is_resolver_name;
pub(super) use self::aws::{
    WrittenAddress, WrittenAws, WrittenClientVpn, WrittenQueryLog, WrittenResolverEndpoint,
    WrittenResolverRule, WrittenSecurityGroup, WrittenSubnet, WrittenVpc,
};
use self::cache::cache;
use self::control::{control, log, metrics};
use self::endpoint::endpoint;
pub(super) use self::endpoint::{WrittenEndpoint, WrittenTarget};
use self::rule::rule;
pub(super) use self::rule::{Action, WrittenRule, WrittenRules};
pub(super) use self::server::{MAX_WORKERS, WrittenListener};
use self::server::{listener, server};
pub(super) use self::view::WrittenView;
use self::view::view;
use self::zone::zone;
pub(super) use self::zone::{WrittenPeer, WrittenZone};
use super::files::{self, ConfigFile};
use super::reader::{At, Faults, Node, Table, integer, read_table};
use super::source::{Place, Source};
use super::text::{Apart, Text, parse_group};
use super::{Config, defaults};

/// The written form that this program reads.
const VERSION: i128 = 1;

/// All that the files say, read value by value.
pub(super) struct Written {
    /// The defaults with what the tables set; zones, endpoints and rules are still empty.
    pub config: Config,
    pub listen: Vec<At<SocketAddr>>,
    pub system: Option<At<String>>,
    pub bootstrap: Vec<At<SocketAddr>>,
    pub allow: Option<WrittenAccess>,
    pub listeners: Vec<WrittenListener>,
    pub views: Vec<WrittenView>,
    /// Those of all views, in their order.
    pub view_rules: WrittenRules,
    pub acls: Vec<WrittenAcl>,
    pub keys: Vec<WrittenKey>,
    pub zones: Vec<WrittenZone>,
    pub endpoints: Vec<WrittenEndpoint>,
    pub rules: WrittenRules,
    pub aws: WrittenAws,
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
            allow: None,
            listeners: Vec::new(),
            views: Vec::new(),
            view_rules: WrittenRules::default(),
            acls: Vec::new(),
            keys: Vec::new(),
            zones: Vec::new(),
            endpoints: Vec::new(),
            rules: WrittenRules::default(),
            aws: WrittenAws::default(),
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

    let Written {
        config,
        set,
        listen,
        system,
        bootstrap,
        allow,
        listeners,
        acls,
        keys,
        zones,
        endpoints,
        rules,
        views,
        view_rules,
        aws,
    } = written;
    once(&mut top, "server", "[server]", set, faults, |t| {
        server(t, &mut config.server, listen, system, bootstrap, allow, source)
    });
    once(&mut top, "cache", "[cache]", set, faults, |t| cache(t, &mut config.cache));
    once(&mut top, "control", "[control]", set, faults, |t| control(t, &mut config.control, source));
    once(&mut top, "metrics", "[metrics]", set, faults, |t| metrics(t, &mut config.metrics));
    once(&mut top, "log", "[log]", set, faults, |t| log(t, &mut config.log));
    once(&mut top, "aws", "[aws]", set, faults, |t| self::aws::aws(t, aws));
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| listeners.push(listener(table, faults));
    many(&mut top, "listener", "[[listener]]", &mut push, faults);
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| acls.push(acl(table, faults));
    many(&mut top, "acl", "[[acl]]", &mut push, faults);
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| keys.push(key(table, source, faults));
    many(&mut top, "key", "[[key]]", &mut push, faults);
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| zones.push(zone(table, source, faults));
    many(&mut top, "zone", "[[zone]]", &mut push, faults);
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| endpoints.push(endpoint(table, faults));
    many(&mut top, "endpoint", "[[endpoint]]", &mut push, faults);
    self::rules(&mut top, rules, faults);
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| {
        views.push(view(table, source, view_rules, faults));
    };
    many(&mut top, "view", "[[view]]", &mut push, faults);
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

/// A path as written in this file: relative ones start from its folder.
fn beside(source: &Source, text: &str) -> PathBuf {
    source.path().parent().unwrap_or(Path::new("")).join(text)
}
