//! The zones of a snapshot: each held over reloads as long as it means the same, with what the files say of it now.
//! What was read for a snapshot is answered with once that takes effect, and not before.

pub mod builtins;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::Guard;

use super::snapshot::Snapshot;
use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Config, ZoneSource};
use crate::transfer::held::{Held, Peer, Source, Terms};
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::name::Name;
use crate::wire::tsig;
use crate::zone::{SourceFile, Zone};

/// A zone as a snapshot has it.
#[derive(Clone)]
pub struct OwnZone {
    pub held: Arc<Held>,
    terms: Terms,
    /// What was read of its file for this snapshot, until it takes effect.
    file: Arc<Mutex<Option<Arc<Zone>>>>,
    /// What that was read from; none where nothing was read.
    files: Option<Arc<[SourceFile]>>,
}

/// What reading a zone's file gave for a snapshot.
#[derive(Clone, Default)]
pub struct Read {
    zone: Option<Arc<Zone>>,
    files: Option<Arc<[SourceFile]>>,
}

/// The data that an action is answered from, for the time of an answer.
pub enum Data {
    Builtin(&'static Zone),
    Held(Guard<Option<Arc<Zone>>>),
}

/// The same for longer.
pub enum KeptData {
    Builtin(&'static Zone),
    Held(Arc<Zone>),
}

impl Data {
    pub fn zone(&self) -> Option<&Zone> {
        match self {
            Data::Builtin(zone) => Some(zone),
            Data::Held(zone) => zone.as_deref(),
        }
    }

    pub fn keep(self) -> Option<KeptData> {
        match self {
            Data::Builtin(zone) => Some(KeptData::Builtin(zone)),
            Data::Held(zone) => Guard::into_inner(zone).map(KeptData::Held),
        }
    }
}

impl KeptData {
    pub fn zone(&self) -> &Zone {
        match self {
            KeptData::Builtin(zone) => zone,
            KeptData::Held(zone) => zone,
        }
    }
}

impl OwnZone {
    /// Why there is nothing to answer with: RFC 8914 sections 4.15 and 4.25.
    #[cold]
    pub fn why_nothing(&self) -> ExtendedError {
        match self.held.stored() {
            Some(_) => {
                ExtendedError::new(ErrorCode::InvalidData, "the zone has expired: no primary vouches for it")
            }
            None => ExtendedError::new(ErrorCode::NotReady, "the zone was not fetched from a primary yet"),
        }
    }

    /// What it is answered from when the snapshot has taken effect.
    pub fn shown(&self) -> Option<Arc<Zone>> {
        let updates = matches!(self.terms.source, Source::File { updates: true, .. });
        let read = self.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.held.zone().as_ref().map(Arc::clone);
        if updates { now.or(read) } else { read.or(now) }
    }

    /// Answers from what the files say, from now on.
    pub fn take_effect(&self) {
        self.held.set_terms(self.terms.clone());
        if self.terms.source == Source::Primaries {
            return self.held.begin_secondary();
        }
        if let Some(files) = &self.files {
            self.held.set_files(Arc::clone(files));
        }
        let read = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(warning) = read.and_then(|zone| self.held.take_file(zone)) {
            tracing::warn!(zone = %self.terms.name, "{warning}");
            self.held.failed(warning);
        }
    }
}

/// Reads all zone files; nothing in the place of zones that have no file, and no zone for those with faults.
pub fn read_files(wanted: &[config::Zone], diagnostics: &mut Vec<Diagnostic>) -> Vec<Read> {
    let read = |wanted: &config::Zone| {
        let ZoneSource::File { file, .. } = &wanted.source else { return Read::default() };
        let loaded = Zone::load(&wanted.name, file);
        diagnostics.extend(loaded.diagnostics);
        Read { zone: loaded.zone.map(Arc::new), files: Some(loaded.files.into()) }
    };
    wanted.iter().map(read).collect()
}

/// Keys as messages are signed with them, in the order of the configuration.
pub fn keys(config: &Config) -> Vec<Arc<tsig::Key>> {
    let key = |key: &Arc<config::Key>| {
        Arc::new(tsig::Key::new(key.name.clone(), key.algorithm, key.secret.as_bytes()))
    };
    config.keys.iter().map(key).collect()
}

/// The zones of a configuration; those that go on are the same as before.
pub fn zones(
    config: &Config,
    files: Vec<Read>,
    keys: &[Arc<tsig::Key>],
    before: Option<&Snapshot>,
) -> Vec<OwnZone> {
    let old = before.iter().flat_map(|before| &before.zones);
    let known: HashMap<(&str, &Name), &OwnZone> =
        old.map(|zone| ((zone.terms.view.as_str(), &zone.terms.name), zone)).collect();
    let zone = |((index, wanted), read): ((usize, &config::Zone), Read)| {
        let view = config.view_of_zone(index).map_or("", |view| &config.views[view].name);
        let terms = terms(wanted, view, config, keys);
        let old = known.get(&(view, &wanted.name)).filter(|old| old.held.goes_on_under(&terms));
        let held = match old {
            Some(old) => Arc::clone(&old.held),
            None => Arc::new(Held::new(terms.clone())),
        };
        // A file that says what it said is not kept twice.
        let file = read.zone.filter(|file| !held.has_file(file.digest()));
        if let (None, Some(file)) = (old, &file) {
            held.show(file);
        }
        OwnZone { held, terms, file: Arc::new(Mutex::new(file)), files: read.files }
    };
    config.zones.iter().enumerate().zip(files).map(zone).collect()
}

fn terms(wanted: &config::Zone, view: &str, config: &Config, keys: &[Arc<tsig::Key>]) -> Terms {
    let peer = |peer: &config::Peer| Peer {
        address: peer.address,
        key: peer.key.and_then(|index| keys.get(index)).cloned(),
    };
    let (source, primaries) = match &wanted.source {
        ZoneSource::File { file, updates } => {
            (Source::File { file: file.clone(), updates: *updates }, Vec::new())
        }
        ZoneSource::Primaries(primaries) => (Source::Primaries, primaries.iter().map(peer).collect()),
    };
    Terms {
        name: wanted.name.clone(),
        view: view.to_owned(),
        source,
        primaries,
        notify: wanted.notify.iter().map(peer).collect(),
        allow_transfer: Arc::clone(&wanted.allow_transfer),
        allow_update: Arc::clone(&wanted.allow_update),
        allow_notify: Arc::clone(&wanted.allow_notify),
        state: config.server.state.clone(),
    }
}
