//! `[[acl]]` and `[[key]]`: who may do what. Reads; what names stand for is found when all files are read.

use std::path::PathBuf;

use ipnet::IpNet;

use super::beside;
use crate::config::keys::{self, Algorithm, Secret};
use crate::config::reader::{At, Faults, Node, Table, Wrong, at, list, some, string};
use crate::config::source::Source;
use crate::config::value::{address_or_network, domain, label};
use crate::wire::name::Name;

/// Words that stand for clients: no list may be called so.
const WORDS: [&str; 4] = ["any", "none", LOCALHOST, LOCALNETS];
pub(in crate::config) const LOCALHOST: &str = "localhost";
pub(in crate::config) const LOCALNETS: &str = "localnets";
const KEY: &str = "key:";

pub(in crate::config) struct WrittenAcl {
    pub name: Option<At<String>>,
    /// None if one of them is wrong, which is reported.
    pub clients: Option<WrittenAccess>,
}

pub(in crate::config) struct WrittenKey {
    pub name: Option<At<Name>>,
    pub algorithm: Option<Algorithm>,
    pub secret: Option<WrittenSecret>,
}

pub(in crate::config) enum WrittenSecret {
    Text(Secret),
    /// Joined to the folder of the file that it was written in.
    File(At<PathBuf>),
}

/// An access list as written.
pub(in crate::config) type WrittenAccess = Vec<At<WrittenElement>>;

#[derive(Clone)]
pub(in crate::config) struct WrittenElement {
    pub refuses: bool,
    pub clients: WrittenClients,
}

#[derive(Clone)]
pub(in crate::config) enum WrittenClients {
    Any,
    None,
    Network(IpNet),
    Key(Name),
    /// Of one's own, `localhost` or `localnets`.
    List(String),
}

pub(super) fn acl(table: &mut Table<'_>, faults: &mut Faults) -> WrittenAcl {
    let name = table.required("name", "name = \"corp\"", at(string("\"corp\"", list_name)), faults);
    let clients = table.required("clients", "clients = [\"10.0.0.0/8\"]", clients, faults);
    WrittenAcl { name, clients }
}

pub(super) fn key(table: &mut Table<'_>, source: &Source, faults: &mut Faults) -> WrittenKey {
    let name = table.required("name", "name = \"xfr\"", at(string("\"xfr\"", domain)), faults);
    let has_algorithm = table.has("algorithm");
    let algorithm = table.optional("algorithm", string("\"hmac-sha256\"", keys::algorithm), faults);
    let text = table.optional("secret", string("\"...\"", keys::secret), faults);
    let file = at(string("\"keys/xfr.key\"", |text| Ok(beside(source, text))));
    let file = table.optional("secret_file", file, faults);
    match (table.key_place("secret"), table.key_place("secret_file")) {
        (Some(_), Some(place)) => {
            faults.error("two-secrets", &place, "a key has one secret", "keep `secret` or `secret_file`");
        }
        (None, None) if !faults.is_incomplete() => {
            let help =
                "add secret_file = \"keys/xfr.key\", a file with the secret in base64, or secret = \"...\"";
            faults.error("missing-key", &table.place, "[[key]] needs `secret` or `secret_file`", help);
        }
        _ => {}
    }
    WrittenKey {
        name,
        algorithm: if has_algorithm { algorithm } else { Some(Algorithm::HmacSha256) },
        secret: text.map(WrittenSecret::Text).or(file.map(WrittenSecret::File)),
    }
}

/// An access list that lets somebody in, or says `none`.
pub(in crate::config) fn clients(node: Node<'_>, faults: &mut Faults) -> Option<WrittenAccess> {
    let element = at(string("\"10.0.0.0/8\"", element));
    some(list(element), "name the clients that may; \"none\" for nobody")(node, faults)
}

/// `10.0.0.0/8`, `192.0.2.1`, `corp`, `key:xfr`, `any`; each may have `!` before it.
fn element(text: &str) -> Result<WrittenElement, Wrong> {
    let (refuses, what) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim_start()));
    let clients = match what {
        "any" => WrittenClients::Any,
        "none" => WrittenClients::None,
        _ => match what.strip_prefix(KEY) {
            Some(name) => WrittenClients::Key(domain(name)?),
            None if is_name(what) => WrittenClients::List(label(what)?),
            None => WrittenClients::Network(address_or_network(what)?),
        },
    };
    Ok(WrittenElement { refuses, clients })
}

/// Names begin with a letter, but are no IPv6 address.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains([':', '/'])
}

fn list_name(text: &str) -> Result<String, Wrong> {
    if WORDS.contains(&text) {
        let message = format!("`{text}` stands for clients already");
        return Err(Wrong::new("reserved-name", message, "choose another name"));
    }
    match is_name(text) {
        true => label(text),
        false => {
            let message = format!("`{text}` can't be the name of a list");
            Err(Wrong::new("bad-label", message, "begin it with a letter, and use neither ':' nor '/'"))
        }
    }
}
