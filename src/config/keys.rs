//! Keys of TSIG (RFC 8945): their names, algorithms and secrets. A secret is never shown: it has no text, and
//! lines of files that hold one are masked where faults are shown.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64;

use super::reader::{At, Faults, Wrong};
use super::schema::{WrittenKey, WrittenSecret};
use super::source::{Location, Place};
use super::{files, suggest};
use crate::wire::name::Name;
pub use crate::wire::tsig::Algorithm;

/// Octets of a file with a secret: what `tsig-keygen` gives for SHA-512 are 88 and a line's end.
const MAX_FILE: u64 = 4096;

/// What requests and transfers are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: Name,
    pub algorithm: Algorithm,
    pub secret: Secret,
    /// Of its name.
    pub place: Location,
}

/// What both sides of a key know, and nobody else. Not empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

pub(super) fn algorithm(text: &str) -> Result<Algorithm, Wrong> {
    let known = || Algorithm::ALL.into_iter().map(Algorithm::name);
    if let Some(algorithm) = Algorithm::named(text) {
        return Ok(algorithm);
    }
    if text.starts_with("hmac-md5") {
        let message =
            "`hmac-md5` is not taken: MD5 is broken, and RFC 8945 section 6 says that it must not be used";
        return Err(Wrong::new("weak-algorithm", message, "write \"hmac-sha256\", on the other side too"));
    }
    let words: Vec<String> = known().map(|word| format!("\"{word}\"")).collect();
    let help = match suggest::nearest(text, known()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("write one of {}", words.join(", ")),
    };
    Err(Wrong::new("unknown-word", format!("`algorithm` can't be \"{text}\""), help))
}

/// The text itself is never part of what is said of it.
pub(super) fn secret(text: &str) -> Result<Secret, Wrong> {
    let help = "write what `tsig-keygen` or `openssl rand -base64 32` prints, both sides the same";
    match BASE64.decode(text.as_bytes()) {
        Ok(octets) if octets.is_empty() => Err(Wrong::new("bad-secret", "the secret is empty", help)),
        Ok(octets) => Ok(Secret(octets.into())),
        Err(_) => Err(Wrong::new("bad-secret", "the secret is not in base64 (RFC 4648 section 4)", help)),
    }
}

/// The keys of a configuration by name, and which of them something names.
pub(super) struct Keys {
    pub all: Vec<Arc<Key>>,
    /// Those with a fault are there too, so that who names them is not blamed.
    by_name: HashMap<Name, Option<usize>>,
    used: Vec<Cell<bool>>,
}

impl Keys {
    pub fn of(written: &[WrittenKey], faults: &mut Faults) -> Keys {
        let mut keys = Keys { all: Vec::new(), by_name: HashMap::new(), used: Vec::new() };
        let mut first: HashMap<&Name, &Place> = HashMap::new();
        for key in written {
            let secret = key.secret.as_ref().and_then(|secret| read_secret(secret, faults));
            let Some(name) = &key.name else { continue };
            if let Some(other) = first.insert(&name.value, &name.place) {
                let message = format!("a second key `{}`; the first is at {other}", name.value);
                faults.error("duplicate-key", &name.place, message, "give one of the two another name");
                continue;
            }
            let sound = secret.zip(key.algorithm).map(|(secret, algorithm)| {
                warn_if_short(&secret, algorithm, &name.place, faults);
                let place = name.place.location();
                keys.all.push(Arc::new(Key { name: name.value.clone(), algorithm, secret, place }));
                keys.used.push(Cell::new(false));
                keys.all.len() - 1
            });
            keys.by_name.insert(name.value.clone(), sound);
        }
        keys
    }

    /// The index of the key of this name, which counts as used from now on.
    pub fn find(&self, name: &Name, place: &Place, faults: &mut Faults) -> Option<usize> {
        match self.by_name.get(name) {
            Some(found) => found.inspect(|&index| self.used[index].set(true)),
            None if faults.is_incomplete() => None,
            None => {
                let names: Vec<String> = self.by_name.keys().map(Name::to_string).collect();
                let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
                known.sort_unstable();
                let help = match suggest::nearest(&name.to_string(), known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("add a [[key]] with name = \"{name}\""),
                };
                faults.error("unknown-key-name", place, format!("no key is called `{name}`"), help);
                None
            }
        }
    }

    pub fn warn_of_unused(&self, written: &[WrittenKey], faults: &mut Faults) {
        let names = written.iter().filter_map(|key| key.name.as_ref());
        for (name, _) in names.zip(&self.used).filter(|(_, used)| !used.get()) {
            let message = format!("nothing uses key `{}`", name.value);
            faults.warning(
                "unused-key",
                &name.place,
                message,
                "name it as \"key:...\" in an access list, or remove it",
            );
        }
    }
}

fn read_secret(written: &WrittenSecret, faults: &mut Faults) -> Option<Secret> {
    let At { value: path, place } = match written {
        WrittenSecret::Text(secret) => return Some(secret.clone()),
        WrittenSecret::File(path) => path,
    };
    let (text, mode) = match read_bounded(path) {
        Ok(read) => read,
        Err(error) => {
            let message = format!("can't read {}: {}", path.display(), files::reason(&error));
            faults.error("unreadable-file", place, message, files::what_to_do(&error));
            return None;
        }
    };
    if mode & 0o007 != 0 {
        let message = format!("everybody on this machine may read or write {}", path.display());
        let help =
            "chmod 0640 it, with the group that dnsfwd runs as: who has the secret can sign as its owner";
        faults.warning("open-secret", place, message, help);
    }
    let read = secret(text.trim_ascii());
    read.map_err(|wrong| {
        let message = format!("{}: {}", path.display(), wrong.message);
        faults.error(wrong.code, place, message, format!("the file holds the secret alone: {}", wrong.help));
    })
    .ok()
}

fn read_bounded(path: &Path) -> io::Result<(String, u32)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text)?;
    Ok((text, metadata.mode()))
}

/// RFC 2104 section 3 of shorter ones: "strongly discouraged as it would decrease the security strength".
fn warn_if_short(secret: &Secret, algorithm: Algorithm, place: &Place, faults: &mut Faults) {
    let (len, wanted) = (secret.as_bytes().len(), algorithm.octets());
    if len < wanted {
        let message = format!("the secret has {len} octets, fewer than a hash of {} has", algorithm.name());
        let help = format!("make a new one: openssl rand -base64 {wanted} (RFC 2104 section 3)");
        faults.warning("short-secret", place, message, help);
    }
}

/// A line without the values of keys that are called `secret`, or nearly so: what stands there is no one's to see.
/// Characters are replaced one for one, so that columns hold.
pub(super) fn masked(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, value)) = rest.split_once('=') {
        masked.push_str(before);
        masked.push('=');
        let key = before.rsplit(['{', ',']).next().unwrap_or_default();
        let key = key.trim().trim_matches(['"', '\'']);
        // `socket` is as near to it as a slip is.
        let is_secret = suggest::nearest(key, ["socket", "secret_file", "secret"]) == Some("secret");
        let len = if is_secret { value_len(value) } else { 0 };
        masked.extend(
            value[..len].chars().map(|c| if c.is_whitespace() || c == '"' || c == '\'' { c } else { '*' }),
        );
        rest = &value[len..];
    }
    masked + rest
}

/// Octets of a value at the beginning of a text: up to the quote that ends it, or what else may.
fn value_len(text: &str) -> usize {
    let start = text.len() - text.trim_start().len();
    let quote = text[start..].chars().next().filter(|first| matches!(first, '"' | '\''));
    match quote {
        Some(quote) => text[start + 1..].find(quote).map_or(text.len(), |at| start + 1 + at + 1),
        None => text[start..].find([',', '}', '#']).map_or(text.len(), |at| start + at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let key = secret("c2VjcmV0").ok().unwrap();
        assert_eq!((format!("{key:?}").as_str(), key.as_bytes()), ("(secret)", &b"secret"[..]));
        for (line, shown) in [
            ("secret = \"abc=\" # x", "secret = \"****\" # x"),
            ("  'secret'='abc", "  'secret'='***"),
            ("secert = abc==", "secert = *****"),
            ("{ name = \"a\", secret = \"é=\" }", "{ name = \"a\", secret = \"**\" }"),
            ("secret_file = \"a/b\"", "secret_file = \"a/b\""),
            ("domain = \"secret.example\"", "domain = \"secret.example\""),
        ] {
            assert_eq!(masked(line), shown);
        }
    }
}
