//! `[[zone]]`: what is answered with authority, where it comes from, and who may have it or change it.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::access::{WrittenAccess, clients};
use super::beside;
use crate::config::reader::{At, Faults, Node, Table, at, list, some, string, table as table_of};
use crate::config::source::{Place, Source};
use crate::config::value::{domain, server_address};
use crate::wire::name::Name;

pub(in crate::config) struct WrittenZone {
    pub name: Option<At<Name>>,
    /// Joined to the folder of the file that it was written in.
    pub file: Option<At<PathBuf>>,
    pub primaries: Option<Vec<At<WrittenPeer>>>,
    pub notify: Vec<At<WrittenPeer>>,
    pub allow: Option<WrittenAccess>,
    pub allow_transfer: Option<WrittenAccess>,
    pub allow_update: Option<At<WrittenAccess>>,
    pub allow_notify: Option<At<WrittenAccess>>,
}

/// Another server of the zone: `"192.0.2.1"` or `{ address = "192.0.2.1:53", key = "xfr" }`.
pub(in crate::config) struct WrittenPeer {
    pub address: SocketAddr,
    pub key: Option<At<Name>>,
}

pub(super) fn zone(table: &mut Table<'_>, source: &Source, faults: &mut Faults) -> WrittenZone {
    let name = at(string("\"corp.example\"", domain));
    let name = table.required("name", "name = \"corp.example\"", name, faults);
    let file = at(string("\"corp.example.zone\"", |text| Ok(beside(source, text))));
    let file = table.optional("file", file, faults);
    let primaries = some(list(peer), "name the servers that the zone is fetched from");
    let primaries = table.optional("primaries", primaries, faults);
    one_source(table, faults);
    WrittenZone {
        name,
        file,
        primaries: primaries.and_then(|peers| peers.into_iter().map(sound).collect()),
        notify: table
            .optional("notify", list(peer), faults)
            .and_then(|peers| peers.into_iter().map(sound).collect())
            .unwrap_or_default(),
        allow: table.optional("allow", clients, faults),
        allow_transfer: table.optional("allow_transfer", clients, faults),
        allow_update: table.optional("allow_update", at(clients), faults),
        allow_notify: table.optional("allow_notify", at(clients), faults),
    }
}

fn one_source(table: &Table<'_>, faults: &mut Faults) {
    match (table.key_place("file"), table.key_place("primaries")) {
        (Some(_), Some(place)) => {
            let help = "keep `file` where this server is the primary, or `primaries` where others are";
            faults.error("two-sources", &place, "a zone comes from a file or from primaries", help);
        }
        (None, None) if !faults.is_incomplete() => {
            let help = "add file = \"corp.example.zone\", or primaries = [\"192.168.3.10\"] to fetch it";
            faults.error("missing-key", &table.place, "[[zone]] needs `file` or `primaries`", help);
        }
        _ => {}
    }
}

fn peer(node: Node<'_>, faults: &mut Faults) -> Option<At<Option<WrittenPeer>>> {
    let place: Place = node.place();
    let value = if node.value.is_str() {
        let address = string("\"192.168.3.3\"", server_address)(node, faults)?;
        Some(WrittenPeer { address, key: None })
    } else {
        let example = "{ address = \"192.168.3.3\", key = \"xfr\" }";
        table_of("a server of the zone", example, signing_peer)(node, faults)?
    };
    Some(At { value, place })
}

fn signing_peer(table: &mut Table<'_>, faults: &mut Faults) -> Option<WrittenPeer> {
    let address = string("\"192.168.3.3\"", server_address);
    let address = table.required("address", "address = \"192.168.3.3\"", address, faults);
    let key = table.optional("key", at(string("\"xfr\"", domain)), faults);
    Some(WrittenPeer { address: address?, key })
}

fn sound<T>(item: At<Option<T>>) -> Option<At<T>> {
    let place = item.place;
    item.value.map(|value| At { value, place })
}
