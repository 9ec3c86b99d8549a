//! Other servers and what is shared with them: keys, lists of primaries, and `server` statements.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use super::translation::{Refusal, Translation, named};
use super::tree::{Item, Statement};
use super::value;
use crate::import::WrittenFile;
use crate::import::draft::{Key, Target, Value, free_name};
use crate::limits::IMPORT_NESTING;

/// A server that zones are transferred from, or that is told of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub address: SocketAddr,
    /// Of ours.
    pub key: Option<String>,
}

impl Peer {
    /// As in `primaries` and `notify`.
    pub fn value(&self) -> Value {
        let address = target(self.address).address;
        match &self.key {
            None => Value::Text(address),
            Some(key) => Value::Inline(vec![("address", Value::Text(address)), ("key", Value::text(key))]),
        }
    }
}

/// Without the port that is meant anyway.
pub(super) fn target(address: SocketAddr) -> Target {
    match address.port() {
        53 => Target::new(address.ip().to_string()),
        _ => Target::new(address.to_string()),
    }
}

impl<'a> Translation<'a> {
    /// The name of a key of ours; the key is carried over when it is first named.
    pub fn key_name(&mut self, name: &str) -> Result<String, Refusal> {
        let lower = name.to_ascii_lowercase().trim_end_matches('.').to_owned();
        if let Some(known) = self.used_keys.get(&lower) {
            return Ok(known.clone());
        }
        let Some(statement) = self.keys.get(&lower).copied() else {
            let why = format!("no `key` is called `{name}`: `rndc` and `named` make some themselves");
            return Err(Refusal::new(why, "define the key in named.conf, and import again"));
        };
        let word = |name| named(statement.body(), name).map(Statement::first_word).unwrap_or_default();
        let (algorithm, secret) = (word("algorithm").to_ascii_lowercase(), word("secret"));
        let algorithm = algorithm.trim_end_matches('.');
        if let Err(refusal) = sound_key(&lower, algorithm, secret) {
            if !self.has_entry(statement) {
                self.refused(statement, Refusal::new(refusal.why.clone(), refusal.what_to_do.clone()));
            }
            return Err(refusal);
        }
        let taken =
            |name: &str| self.draft.keys.iter().any(|key| key.secret_file == format!("keys/{name}.key"));
        let path = format!("keys/{}.key", free_name(&lower, taken));
        let contents = format!("{}\n", compact(secret)).into_bytes();
        self.files.push(WrittenFile { path: path.clone().into(), contents, secret: true });
        self.draft.keys.push(Key {
            name: lower.clone(),
            algorithm: algorithm.to_owned(),
            secret_file: path.clone(),
            from: statement.place.clone(),
        });
        self.used_keys.insert(lower.clone(), lower.clone());
        self.receipt.add(
            &statement.place,
            format!("key \"{lower}\" {{ ... }}"),
            crate::import::Outcome::Translated { key: format!("[[key]] {lower}, its secret in {path}") },
        );
        Ok(lower)
    }

    /// The servers of `primaries`, `also-notify` and the like, with lists by name put in.
    pub fn peers(&mut self, statement: &'a Statement) -> Result<Vec<Peer>, Refusal> {
        let mut peers = Vec::new();
        let mut open = HashSet::new();
        self.gather_peers(statement, None, &mut open, &mut peers)?;
        Ok(peers)
    }

    fn gather_peers(
        &mut self,
        statement: &'a Statement,
        outer_key: Option<&str>,
        open: &mut HashSet<String>,
        peers: &mut Vec<Peer>,
    ) -> Result<(), Refusal> {
        if open.len() > IMPORT_NESTING {
            return Err(Refusal::new("lists of servers are nested too deep", "write the addresses out"));
        }
        let port = value_after(statement.arguments(), "port").and_then(value::integer).unwrap_or(53);
        for element in statement.body() {
            let text = element.items.first().and_then(Item::text).unwrap_or_default();
            if value_after(&element.items, "tls").is_some_and(|tls| !tls.eq_ignore_ascii_case("none")) {
                return Err(Refusal::new(
                    format!("zones are not transferred over TLS ({text})"),
                    "use a key (TSIG), and a tunnel where others may listen",
                ));
            }
            let key = value_after(&element.items, "key").or(outer_key);
            if let Ok(ip) = text.parse::<IpAddr>() {
                let port = value_after(&element.items, "port").and_then(value::integer).unwrap_or(port);
                let key = key.or_else(|| self.key_of_server(ip)).map(str::to_owned);
                let key = key.map(|key| self.key_name(&key)).transpose()?;
                let peer = Peer { address: SocketAddr::new(ip, port as u16), key };
                sound_address(peer.address)?;
                if !peers.contains(&peer) {
                    peers.push(peer);
                }
                continue;
            }
            let lower = text.to_ascii_lowercase();
            let Some(list) = self.remote_servers.get(&lower).copied() else {
                let why = format!("`{text}` is no address, and no list of servers is called so");
                return Err(Refusal::new(why, "define the list, or write addresses"));
            };
            if open.insert(lower.clone()) {
                let key = key.map(str::to_owned);
                self.gather_peers(list, key.as_deref(), open, peers)?;
                open.remove(&lower);
            }
            if self.used_servers.insert(lower) {
                self.translated(list, "written out where it is named");
            }
        }
        Ok(())
    }

    /// What `server ADDRESS { keys ...; }` says.
    fn key_of_server(&self, address: IpAddr) -> Option<&'a str> {
        let server = self.top.iter().find(|statement| {
            statement.name() == "server"
                && statement.first_word().parse() == Ok(address)
                && !is_network(statement)
        })?;
        let keys = named(server.body(), "keys")?;
        match keys.body().first() {
            Some(first) => first.items.first().and_then(Item::text),
            None => keys.words().next(),
        }
    }

    /// `server ADDRESS { ... }`: each statement in it by itself.
    pub fn server(&mut self, server: &'a Statement) {
        for statement in server.body() {
            match statement.name().as_str() {
                "bogus" if value::flag(statement.first_word()) == Some(false) => {
                    self.not_needed(statement, "it is asked if it is a target");
                }
                "bogus" => {
                    let why = "whoever is a target is asked";
                    self.refused(
                        statement,
                        Refusal::new(why, "take the address out of the endpoints that have it"),
                    );
                }
                "keys" => {
                    let address = server.first_word().parse::<IpAddr>().ok();
                    let used = address.and_then(|address| self.key_of_server(address)).is_some_and(|key| {
                        self.used_keys.contains_key(key.to_ascii_lowercase().trim_end_matches('.'))
                    });
                    match used {
                        true => self.translated(statement, "key of that server wherever zones name it"),
                        false => self.refused(
                            statement,
                            Refusal::new(
                                "questions to targets are not signed",
                                "leave it out, or let the server know this one by its address",
                            ),
                        ),
                    }
                }
                "edns" | "tcp-only"
                    if value::flag(statement.first_word()) == Some(statement.name() == "tcp-only") =>
                {
                    let why = "targets are asked over UDP with EDNS first, and over TCP where an answer is cut short";
                    self.refused(statement, Refusal::new(why, "let a server that does it ask this one"));
                }
                "edns-version" | "max-udp-size" | "padding" | "tcp-keepalive" | "transfers" | "edns"
                | "tcp-only" | "require-cookie" => {
                    self.not_needed(
                        statement,
                        "a detail of messages between servers, which dnsfwd sets itself",
                    );
                }
                _ => {
                    self.by_fate(statement);
                }
            }
        }
        if server.body().is_empty() {
            self.not_needed(server, "it says nothing");
        }
    }
}

fn is_network(server: &Statement) -> bool {
    server.arguments().iter().any(|item| item.is_sign('/'))
}

/// A server has one address, and a port to ask at.
pub(super) fn sound_address(address: SocketAddr) -> Result<(), Refusal> {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(Refusal::new(format!("{ip} is not one server's address"), "write the server's address"));
    }
    match address.port() {
        0 => Err(Refusal::new("0 is no port to ask at", "write the server's port")),
        _ => Ok(()),
    }
}

fn sound_key(name: &str, algorithm: &str, secret: &str) -> Result<(), Refusal> {
    const KNOWN: [&str; 5] = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"];
    let make_new = "make a new key (tsig-keygen) for both sides, and import again";
    if !KNOWN.contains(&algorithm) {
        let why =
            format!("a key of algorithm {algorithm} is not taken: MD5 is broken, and no other is known here");
        return Err(Refusal::new(why, make_new));
    }
    if super::zones::domain(name).is_err() {
        return Err(Refusal::new(format!("a key's name is a domain name, and `{name}` is none"), make_new));
    }
    let secret = compact(secret);
    let digits = secret.trim_end_matches('=');
    let padded = secret.len().is_multiple_of(4) && secret.len() - digits.len() <= 2 && !digits.is_empty();
    let in_base64 = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
    match padded && in_base64 {
        true => Ok(()),
        false => Err(Refusal::new(format!("the secret of key `{name}` is not in base64"), make_new)),
    }
}

/// BIND lets spaces stand in a secret.
fn compact(secret: &str) -> String {
    secret.split_whitespace().collect()
}

/// The word behind a word.
pub(super) fn value_after<'i>(items: &'i [Item], name: &str) -> Option<&'i str> {
    let at = items.iter().position(|item| {
        item.word().is_some_and(|word| !word.quoted && word.text.eq_ignore_ascii_case(name))
    })?;
    items.get(at + 1)?.text()
}
