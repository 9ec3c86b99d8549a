//! Zones: what their keys mean together, and that what they name is there. Of the file system it looks at zone files
//! and the folder for copies, to see that they can be used.

use std::collections::HashMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::keys::Keys;
use super::lists::Lists;
use super::reader::{At, Faults};
use super::schema::{Written, WrittenAccess, WrittenPeer, WrittenZone};
use super::source::Place;
use super::{Peer, Zone, ZoneSource, files};
use crate::policy::access::AccessList;
use crate::wire::name::Name;

/// What zones are checked against.
#[derive(Clone, Copy)]
pub(super) struct ForZones<'a> {
    pub state: Option<&'a Path>,
    pub keys: &'a Keys,
}

/// The zones of one view, or the general ones.
pub(super) fn zones(
    written: &[WrittenZone],
    against: &ForZones<'_>,
    lists: &mut Lists<'_>,
    faults: &mut Faults,
) -> Vec<Zone> {
    let ForZones { state, keys } = *against;
    let mut first: HashMap<&Name, &Place> = HashMap::new();
    let mut zones = Vec::new();
    for zone in written {
        let file = zone.file.as_ref().filter(|file| is_readable(file, faults));
        let Some(name) = &zone.name else { continue };
        if let Some(other) = first.get(&name.value) {
            let message = format!("a second zone `{}`; the first is at {other}", name.value);
            faults.error("duplicate-zone", &name.place, message, "keep one of the two");
            continue;
        }
        first.insert(&name.value, &name.place);
        check_roles(zone, faults);
        if needs_state(zone) && state.is_none() && !faults.is_incomplete() {
            missing_state(zone, &name.place, faults);
        }
        let primaries = peers(zone.primaries.as_deref().unwrap_or_default(), keys, faults);
        let notify = peers(&zone.notify, keys, faults);
        let mut access = |list: Option<&WrittenAccess>, faults: &mut Faults| match list {
            Some(list) => lists.access(list, faults),
            None => Arc::new(AccessList::new(Vec::new())),
        };
        let allow = zone.allow.as_ref().map(|list| access(Some(list), faults));
        let allow_transfer = access(zone.allow_transfer.as_ref(), faults);
        let updates = zone.allow_update.as_ref().map(|list| &list.value);
        let allow_update = access(updates, faults);
        let allow_notify = access(zone.allow_notify.as_ref().map(|list| &list.value), faults);
        let (source, place) = match (file, &zone.primaries) {
            (Some(file), None) => {
                let updates = updates.is_some();
                (ZoneSource::File { file: file.value.clone(), updates }, &file.place)
            }
            (None, Some(_)) => (ZoneSource::Primaries(primaries), &name.place),
            _ => continue,
        };
        zones.push(Zone {
            name: name.value.clone(),
            source,
            notify,
            allow,
            allow_transfer,
            allow_update,
            allow_notify,
            place: place.location(),
        });
    }
    zones
}

fn needs_state(zone: &WrittenZone) -> bool {
    zone.primaries.is_some() || zone.allow_update.is_some()
}

fn missing_state(zone: &WrittenZone, name: &Place, faults: &mut Faults) {
    let (place, why) = match &zone.allow_update {
        Some(updates) if zone.primaries.is_none() => {
            (&updates.place, "what clients change is kept in a folder")
        }
        _ => (name, "a zone that is fetched is kept in a folder"),
    };
    let help = "add state = \"/var/lib/dnsfwd\" to [server]";
    faults.error("missing-state", place, format!("{why}, and there is none"), help);
}

/// Keys that mean nothing for a zone of this kind.
fn check_roles(zone: &WrittenZone, faults: &mut Faults) {
    if let (Some(updates), Some(_)) = (&zone.allow_update, &zone.primaries) {
        let help = "send updates to the primary, and remove `allow_update` here";
        faults.error(
            "update-secondary",
            &updates.place,
            "a zone that is fetched can't be changed here",
            help,
        );
    }
    if let (Some(notices), None) = (&zone.allow_notify, &zone.primaries) {
        let help = "remove `allow_notify`, or name the zone's `primaries`";
        faults.error(
            "notify-primary",
            &notices.place,
            "a zone from a file hears of no changes elsewhere",
            help,
        );
    }
}

/// The folder of zones that are kept: that it can be one, and is needed.
pub(super) fn check_state(written: &Written, state: Option<&Path>, faults: &mut Faults) {
    let Some((state, place)) = state.zip(written.place_of("server", "state")) else { return };
    if state.exists() && !state.is_dir() {
        let message = format!("{} is no folder", state.display());
        faults.error("bad-state", place, message, "name a folder that dnsfwd may write to");
    }
    let mut zones = written.zones.iter().chain(written.views.iter().flat_map(|view| &view.zones));
    if !faults.is_incomplete() && !zones.any(needs_state) && written.aws.follow.is_none() {
        let message = "`state` is needed by no zone";
        let help =
            "zones with `primaries` or `allow_update` are kept there: remove the key if there are none";
        faults.warning("unused-state", place, message, help);
    }
}

fn peers(written: &[At<WrittenPeer>], keys: &Keys, faults: &mut Faults) -> Vec<Peer> {
    let mut first: HashMap<SocketAddr, &Place> = HashMap::new();
    let mut peers = Vec::new();
    for At { value, place } in written {
        if let Some(other) = first.insert(value.address, place) {
            let message = format!("{} is listed twice; the first is at {other}", value.address);
            faults.error("duplicate-server", place, message, "keep one of the two");
        }
        let key = match &value.key {
            Some(key) => keys.find(&key.value, &key.place, faults).map(Some),
            None => Some(None),
        };
        peers.extend(key.map(|key| Peer { address: value.address, key }));
    }
    peers
}

fn is_readable(file: &At<std::path::PathBuf>, faults: &mut Faults) -> bool {
    let opened = File::open(&file.value).and_then(|opened| opened.metadata());
    let is_file = opened.and_then(|metadata| match metadata.is_dir() {
        true => Err(std::io::ErrorKind::IsADirectory.into()),
        false => Ok(()),
    });
    if let Err(error) = &is_file {
        let message = format!("can't read {}: {}", file.value.display(), files::reason(error));
        faults.error("unreadable-file", &file.place, message, files::what_to_do(error));
    }
    is_file.is_ok()
}
