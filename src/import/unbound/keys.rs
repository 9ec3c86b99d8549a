//! The keys of `unbound.conf`: in which clause each stands, how many values it takes, and why those without a meaning here
//! are left out. Their names are in [`super::tables`].

use super::tables::{
    AUTH, CLAUSES, CONTROL, FLAGS, FORWARD, MODULE, NUMBERS, RPZ, SERVER, SIZES, STUB, THREE, TWO, VIEW,
};

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    /// Before all clauses.
    None,
    Server,
    Forward,
    Stub,
    Auth,
    Rpz,
    View,
    Control,
    /// Clauses that load other modules or write elsewhere.
    Module,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Flag,
    Number,
    Size,
}

pub struct Row {
    pub name: &'static str,
    pub values: usize,
}

/// Why a key of `server:` is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// It has a meaning here.
    Names,
    Recursion,
    Tuning,
    Process,
    Dnssec,
    Encrypted,
    Log,
    Views,
    Rewrites,
    Limits,
}

/// What `access-control` says of a network.
pub const ACTIONS: [&str; 8] = [
    "deny",
    "refuse",
    "deny_non_local",
    "refuse_non_local",
    "allow",
    "allow_setrd",
    "allow_snoop",
    "allow_cookie",
];

impl Clause {
    pub fn title(self) -> &'static str {
        match self {
            Clause::None => "no clause",
            Clause::Server => "server:",
            Clause::Forward => "forward-zone:",
            Clause::Stub => "stub-zone:",
            Clause::Auth => "auth-zone:",
            Clause::Rpz => "rpz:",
            Clause::View => "view:",
            Clause::Control => "remote-control:",
            Clause::Module => "a module's clause",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Clause::None | Clause::Server => &[],
            Clause::Forward => FORWARD,
            Clause::Stub => STUB,
            Clause::Auth => AUTH,
            Clause::Rpz => RPZ,
            Clause::View => VIEW,
            Clause::Control => CONTROL,
            Clause::Module => MODULE,
        }
    }
}

pub fn clause(word: &str) -> Option<Clause> {
    CLAUSES.iter().find(|(name, _)| *name == word).map(|(_, clause)| *clause)
}

/// A key that may stand in the clause.
pub fn find(clause: Clause, word: &str) -> Option<Row> {
    let server = SERVER.iter().filter(|_| clause == Clause::Server).flat_map(|(_, names)| names.iter());
    let name = clause.keys().iter().chain(server).find(|name| **name == word)?;
    let values = match () {
        () if TWO.contains(name) => 2,
        () if THREE.contains(name) => 3,
        () => 1,
    };
    Some(Row { name, values })
}

/// The clause that a key belongs to.
pub fn elsewhere(word: &str) -> Option<Clause> {
    CLAUSES.iter().map(|(_, clause)| *clause).find(|clause| find(*clause, word).is_some())
}

pub fn kind(name: &str) -> Kind {
    match name {
        name if FLAGS.contains(&name) => Kind::Flag,
        name if NUMBERS.contains(&name) => Kind::Number,
        name if SIZES.contains(&name) => Kind::Size,
        _ => Kind::Text,
    }
}

/// What a key of `server:` is about.
pub fn about(name: &str) -> About {
    SERVER.iter().find(|(_, names)| names.contains(&name)).map_or(About::Names, |(about, _)| *about)
}

impl About {
    /// Why it is left out, and what to do; without the latter nothing is lost.
    pub fn left_out(self) -> (&'static str, Option<&'static str>) {
        match self {
            About::Names => ("it has no meaning here", None),
            About::Recursion => {
                ("it is for asking the root and all below it, and this server forwards", None)
            }
            About::Tuning => ("this server has bounds of its own", None),
            About::Process => ("the service's unit, or this server by itself, sees to it", None),
            About::Dnssec => (
                "answers are not validated here",
                Some("let the targets validate: what they say of it (the AD flag) is passed on"),
            ),
            About::Encrypted => (
                "clients are answered over UDP and TCP alone",
                Some("keep a server in front of this one for clients that need TLS, HTTPS or QUIC"),
            ),
            About::Log => ("queries are counted, but not logged here", Some("collect the metrics")),
            About::Views => (
                "clients are told apart by their networks here, and not by tags or by the interface that they reach",
                Some("write a [[view]] with the networks of these clients"),
            ),
            About::Rewrites => (
                "this server passes queries and answers on as they are",
                Some("keep it on the targets' side, or do without"),
            ),
            About::Limits => (
                "targets are not asked above `rate`, which is for each target",
                Some("set `rate` where a target has to be spared"),
            ),
        }
    }
}
