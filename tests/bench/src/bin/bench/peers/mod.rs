//! The servers that are compared, one file each: what it is asked to be, turned into its configuration, with
//! the reasons for the settings. All get what they need to be fast and no work that the others don't do: one
//! thread unless told otherwise, no validation, no logs, large caches and buffers, no limit in the way.

mod bind;
mod dnsdist;
mod dnsfwd;
mod dnsmasq;
mod floor;
mod hickory;
mod knot;
mod kresd;
mod nsd;
mod numa;
mod recursor;
mod unbound;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Peer {
    pub name: &'static str,
    /// As its makers write it.
    pub title: &'static str,
    /// Where its program is, if it is there.
    pub program: fn() -> Option<PathBuf>,
    /// What makes the program tell its version.
    pub version: &'static [&'static str],
    /// Writes the configuration into the place's folder and gives the command that runs it, in the foreground.
    pub command: fn(&Place, &Role) -> io::Result<Command>,
    /// The command that makes it read its files again, where it can.
    pub reload: Option<fn(&Place) -> Command>,
    /// Listens on addresses that an interface has, which of loopback is 127.0.0.1 alone.
    pub only_on_interfaces: bool,
}

pub static ALL: &[&Peer] = &[
    &floor::PEER,
    &dnsfwd::PEER,
    &unbound::PEER,
    &bind::PEER,
    &dnsdist::PEER,
    &recursor::PEER,
    &kresd::PEER,
    &dnsmasq::PEER,
    &hickory::PEER,
    &numa::PEER,
    &nsd::PEER,
    &knot::PEER,
];

pub fn find(name: &str) -> Option<&'static Peer> {
    ALL.iter().copied().find(|peer| peer.name == name)
}

impl Peer {
    /// The first line with a digit that the program prints.
    pub fn version(&self) -> Option<String> {
        let output = Command::new((self.program)()?).args(self.version).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let word = text.split_whitespace().find(|word| version_number(word))?;
        Some(word.trim_end_matches([',', ';']).to_string())
    }
}

fn version_number(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.') && !word.contains(':')
}

/// Where one server lives.
#[derive(Clone, Debug)]
pub struct Place {
    pub folder: PathBuf,
    pub listen: SocketAddr,
    pub targets: Vec<SocketAddr>,
}

impl Place {
    pub fn ip(&self) -> IpAddr {
        self.listen.ip()
    }

    pub fn port(&self) -> u16 {
        self.listen.port()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// The targets, each written by `form`.
    pub fn targets(&self, form: impl Fn(&SocketAddr) -> String) -> String {
        self.targets.iter().map(form).collect()
    }
}

/// What a server is asked to be.
#[derive(Clone, Debug)]
pub struct Role {
    pub workers: usize,
    pub rules: Rules,
    pub zone: Option<Zone>,
    /// How many names are to stay in its cache.
    pub kept: u64,
}

/// What is forwarded to the targets.
#[derive(Clone, Copy, Debug)]
pub enum Rules {
    None,
    /// `load.example`.
    One,
    /// `r0.load.example`, `r1.load.example` …
    Many(u64),
}

/// A zone in a master file.
#[derive(Clone, Debug)]
pub struct Zone {
    pub name: String,
    pub file: PathBuf,
}

impl Role {
    pub fn forwarder() -> Role {
        Role { workers: 1, rules: Rules::One, zone: None, kept: 20_000 }
    }

    pub fn domains(&self) -> Vec<String> {
        match self.rules {
            Rules::None => Vec::new(),
            Rules::One => vec!["load.example".into()],
            Rules::Many(count) => (0..count).map(|number| format!("r{number}.load.example")).collect(),
        }
    }
}

/// Debian's places for servers, and then the search path.
fn installed(program: &str) -> Option<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let usual = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    usual
        .into_iter()
        .chain(std::env::split_paths(&search))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// A program of a package: where `tests/bench/run` had it installed, or on the search path.
fn from_crates(program: &str) -> Option<PathBuf> {
    let ours = std::env::var_os("BENCH_CRATES").map(|root| PathBuf::from(root).join("bin").join(program));
    ours.filter(|path| path.is_file()).or_else(|| installed(program))
}

/// A program that cargo built beside this one.
fn built(program: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.with_file_name(program);
    beside.is_file().then_some(beside)
}

fn command(program: Option<PathBuf>, folder: &Path) -> Command {
    let mut command = Command::new(program.unwrap_or_default());
    command.current_dir(folder);
    command
}
