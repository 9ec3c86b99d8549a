//! Reads what another DNS server is configured with, and writes what makes this one answer its clients the same.
//! Takes part in no answer; changes nothing but the folder it is told to make.
//!
//! # The way of a statement
//!
//! A source's own module ([`bind`], `dnsmasq`, `unbound` and others) reads its files into statements with their places. What it can't read is
//! [`Unreadable`]: one fault, with file, line and column, and nothing is written. Every statement that was read then
//! gets an [`Outcome`] in the [`Receipt`]: *translated* into a key of ours, *not needed* here, *changed* in what it
//! does, or *refused*. What is translated goes into the [`Draft`], a configuration of ours with the place in the source
//! that each part comes from; zone files and keys go beside it. [`output`] writes all of it into a folder that is new,
//! after our own reader ([`crate::config::load`]) has found no error in it.
//!
//! Nothing is dropped in silence, and nothing is written that `check` rejects. A source that adds up to something that
//! no single statement says, as a default that differs, adds an entry of its own to the receipt.

pub mod bind;
pub mod draft;
pub mod output;
pub mod receipt;

mod coredns;
mod delegate;
mod dnsmasq;
mod json;
mod networks;
mod plan;
mod reading;
mod route53;
mod text;
mod unbound;
mod windows;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use draft::Draft;
pub use receipt::{Entry, Outcome, Receipt};

use crate::limits::IMPORT_FILE;

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `named.conf` of BIND 9.
    Bind,
    /// dnsmasq's configuration.
    Dnsmasq,
    /// `unbound.conf`.
    Unbound,
    /// A Corefile of CoreDNS.
    Coredns,
    /// `*.dns-delegate` of systemd-resolved.
    Systemd,
    /// What PowerShell prints of a Windows DNS server.
    Windows,
    /// What `aws route53resolver list-…` prints.
    Route53,
}

/// What the importing operator says beside the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub bind_version: bind::Version,
    /// The addresses of the machine's interfaces, each with its network; none: those of the machine that imports.
    pub interfaces: Option<Vec<ipnet::IpNet>>,
    /// Where the nameservers of the machine are that the source stands for; none: /etc/resolv.conf.
    pub resolv_conf: Option<PathBuf>,
    /// What a source's `{$NAME}` stands for; none: this process's own environment.
    pub environment: Option<BTreeMap<String, String>>,
}

/// What a source became; nothing is written yet.
#[derive(Debug)]
pub struct Imported {
    pub draft: Draft,
    pub receipt: Receipt,
    /// To be written beside the configuration.
    pub files: Vec<WrittenFile>,
}

/// A zone file or key beside the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Relative to the folder of the configuration.
    pub path: PathBuf,
    pub contents: Vec<u8>,
    /// Nobody but its owner and group may read it.
    pub secret: bool,
}

/// A place in a source, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Relative to the folder of the source where it is within.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Why a source can't be read: its first fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub place: Place,
    pub message: String,
    pub help: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column } = &self.place;
        write!(f, "{file}:{line}:{column}: {}\n  help: {}", self.message, self.help)
    }
}

impl std::error::Error for Unreadable {}

/// Whether a file's name or text looks like a kind's.
type LooksLike = fn(&str) -> bool;

impl Kind {
    pub const ALL: [Kind; 7] = [
        Kind::Bind,
        Kind::Dnsmasq,
        Kind::Unbound,
        Kind::Coredns,
        Kind::Systemd,
        Kind::Windows,
        Kind::Route53,
    ];

    /// As `--from` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bind => "bind",
            Kind::Dnsmasq => "dnsmasq",
            Kind::Unbound => "unbound",
            Kind::Coredns => "coredns",
            Kind::Systemd => "systemd",
            Kind::Windows => "windows",
            Kind::Route53 => "route53",
        }
    }

    /// What it is called in sentences.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Bind => "BIND",
            Kind::Dnsmasq => "dnsmasq",
            Kind::Unbound => "Unbound",
            Kind::Coredns => "CoreDNS",
            Kind::Systemd => "systemd-resolved",
            Kind::Windows => "Windows DNS Server",
            Kind::Route53 => "Route 53 Resolver",
        }
    }

    /// Guesses from the file's name first, then from its text; a folder from its files. None: it looks like nothing
    /// known.
    pub fn guess(source: &Path) -> Option<Kind> {
        let name = source.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let named: [(Kind, LooksLike); 5] = [
            (Kind::Bind, bind::is_name),
            (Kind::Dnsmasq, dnsmasq::is_name),
            (Kind::Unbound, unbound::is_name),
            (Kind::Coredns, coredns::is_name),
            (Kind::Systemd, delegate::is_name),
        ];
        if let Some((kind, _)) = named.iter().find(|(_, is)| is(&name)) {
            return Some(*kind);
        }
        if source.is_dir() {
            const LOOKED_AT: usize = 1_000;
            let mut inside: Vec<PathBuf> = std::fs::read_dir(source)
                .ok()?
                .filter_map(Result::ok)
                .take(LOOKED_AT)
                .map(|entry| entry.path())
                .collect();
            inside.sort();
            let readable = |path: &PathBuf| {
                path.is_file()
                    && path.extension().is_some_and(|ending| ending == "json" || ending == "dns-delegate")
            };
            return Kind::guess(&inside.into_iter().find(readable)?);
        }
        Kind::of_text(&reading::decode(&read_file(source).ok()?))
    }

    /// What a text looks like. JSON first, as nothing else begins so; dnsmasq last, as its lines are the least to go by.
    pub fn of_text(text: &str) -> Option<Kind> {
        if text.trim_start().starts_with(['{', '[']) && text.contains('"') {
            let known = [(Kind::Route53, route53::is_text as LooksLike), (Kind::Windows, windows::is_text)];
            return known.iter().find(|(_, is)| is(text)).map(|(kind, _)| *kind);
        }
        let known: [(Kind, LooksLike); 5] = [
            (Kind::Systemd, delegate::is_text),
            (Kind::Unbound, unbound::is_text),
            (Kind::Bind, bind::is_text),
            (Kind::Dnsmasq, dnsmasq::is_text),
            (Kind::Coredns, coredns::is_text),
        ];
        known.iter().find(|(_, is)| is(text)).map(|(kind, _)| *kind)
    }
}

/// Reads a source of a kind. Errors: its first fault.
pub fn import(kind: Kind, source: &Path, options: &Options) -> Result<Imported, Unreadable> {
    match kind {
        Kind::Bind => bind::import(source, options),
        Kind::Dnsmasq => dnsmasq::import(source, options),
        Kind::Unbound => unbound::import(source),
        Kind::Coredns => coredns::import(source, options),
        Kind::Systemd => delegate::import(source),
        Kind::Windows => windows::import(source),
        Kind::Route53 => route53::import(source, options),
    }
}

/// A file of a source: at most [`IMPORT_FILE`] octets, so that a device or a log given by mistake fills no memory.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let read = || {
        let mut octets = Vec::new();
        std::fs::File::open(path)?.take(IMPORT_FILE + 1).read_to_end(&mut octets)?;
        Ok(octets)
    };
    match read() {
        Ok(octets) if octets.len() as u64 > IMPORT_FILE => {
            Err(format!("it is larger than {} MiB", IMPORT_FILE >> 20))
        }
        Ok(octets) => Ok(octets),
        Err(error) => Err(plain(&error)),
    }
}

/// The system's own words without "(os error 2)".
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
