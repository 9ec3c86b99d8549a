//! Every statement that BIND 9.18 and 9.20 know: where it may stand, and what its arguments look like. Facts only; what
//! becomes of a statement is for the translating files.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Version;
use super::rows::{LISTS, ROWS};
use super::shape::Shape;

/// Where a statement may stand: one bit for each kind of braces, and for the top of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct In(u32);

impl In {
    pub const TOP: In = In(1);
    pub const OPTIONS: In = In(1 << 1);
    pub const VIEW: In = In(1 << 2);
    pub const ZONE: In = In(1 << 3);
    pub const KEY: In = In(1 << 4);
    pub const SERVER: In = In(1 << 5);
    pub const CONTROLS: In = In(1 << 6);
    pub const LOGGING: In = In(1 << 7);
    pub const CHANNEL: In = In(1 << 8);
    pub const TLS: In = In(1 << 9);
    pub const HTTP: In = In(1 << 10);
    pub const POLICY: In = In(1 << 11);
    pub const DLZ: In = In(1 << 12);
    pub const DNS64: In = In(1 << 13);
    pub const RATE: In = In(1 << 14);
    pub const STATISTICS: In = In(1 << 15);

    pub const fn or(self, other: In) -> In {
        In(self.0 | other.0)
    }

    pub fn contains(self, one: In) -> bool {
        self.0 & one.0 != 0
    }

    pub fn title(self) -> &'static str {
        match self {
            In::TOP => "the top of the file",
            In::OPTIONS => "`options`",
            In::VIEW => "a view",
            In::ZONE => "a zone",
            In::KEY => "a key",
            In::SERVER => "`server`",
            In::CONTROLS => "`controls`",
            In::LOGGING => "`logging`",
            In::CHANNEL => "a channel",
            In::TLS => "`tls`",
            In::HTTP => "`http`",
            In::POLICY => "`dnssec-policy`",
            In::DLZ => "`dlz`",
            In::DNS64 => "`dns64`",
            In::RATE => "`rate-limit`",
            In::STATISTICS => "`statistics-channels`",
            _ => "this place",
        }
    }
}

/// How often a statement may stand in one pair of braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    Once,
    Many,
}

#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub places: In,
    pub times: Times,
    /// Of the arguments; of those before the braces if `inside` says something.
    pub shape: Shape,
    /// Braces of statements end it.
    pub inside: Option<In>,
    pub since: Version,
}

pub(super) const fn one(places: In, shape: Shape, name: &'static str) -> Row {
    Row { name, places, times: Times::Once, shape, inside: None, since: Version::V9_18 }
}

pub(super) const fn many(places: In, shape: Shape, name: &'static str) -> Row {
    Row { times: Times::Many, ..one(places, shape, name) }
}

pub(super) const fn braces(places: In, shape: Shape, name: &'static str, inside: In) -> Row {
    Row { inside: Some(inside), ..many(places, shape, name) }
}

pub(super) const fn new(row: Row) -> Row {
    Row { since: Version::V9_20, ..row }
}

type Table = HashMap<&'static str, Vec<Row>>;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let lists = LISTS
        .iter()
        .flat_map(|&(places, shape, names)| names.iter().map(move |name| one(places, shape, name)));
    let mut table = Table::new();
    for row in lists.chain(ROWS.iter().copied()) {
        table.entry(row.name).or_default().push(row);
    }
    table
});

/// The statement of that name, in lower case, at a place. None: BIND of that version knows none.
pub fn find(name: &str, place: In, version: Version) -> Option<Row> {
    let rows = TABLE.get(name)?;
    rows.iter().find(|row| row.places.contains(place) && row.since <= version).copied()
}

/// Does the other version know it, or does it stand elsewhere? For the help beside a fault.
pub fn elsewhere(name: &str, place: In) -> Option<String> {
    let rows = TABLE.get(name)?;
    if rows.iter().any(|row| row.places.contains(place)) {
        return Some("BIND 9.20 knows it: add --bind-version 9.20".to_owned());
    }
    const PLACES: [In; 16] = [
        In::TOP,
        In::OPTIONS,
        In::VIEW,
        In::ZONE,
        In::KEY,
        In::SERVER,
        In::CONTROLS,
        In::LOGGING,
        In::CHANNEL,
        In::TLS,
        In::HTTP,
        In::POLICY,
        In::DLZ,
        In::DNS64,
        In::RATE,
        In::STATISTICS,
    ];
    let places: Vec<&str> = PLACES
        .iter()
        .filter(|place| rows.iter().any(|row| row.places.contains(**place)))
        .map(|place| place.title())
        .collect();
    Some(format!("it may stand in {}", places.join(", ")))
}

/// Names of all statements at a place, for the test that each has an outcome.
#[cfg(test)]
pub fn names(place: In) -> Vec<&'static str> {
    let mut names: Vec<&str> =
        TABLE.values().flatten().filter(|row| row.places.contains(place)).map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}
