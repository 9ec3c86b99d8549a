//! A zone as this server holds it: what it answers with now, how it came to that, and its copy on disk. The one
//! place where a zone's content changes; workers read it without waiting.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, mpsc};

use super::desk::UpdateJob;
use super::disk::{Disk, DiskError};
use crate::limits::{HISTORY_OCTETS, UPDATES_TOGETHER};
use crate::policy::access::AccessList;
use crate::wire::name::Name;
use crate::wire::tsig;
use crate::zone::{Delta, History, Serial, SourceFile, Walk, Zone};

/// Another server of a zone.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// What messages to it are signed with.
    pub key: Option<Arc<tsig::Key>>,
}

/// Where a zone's content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file; clients may change what was read if `updates`.
    File {
        file: PathBuf,
        updates: bool,
    },
    Primaries,
}

/// What the configuration says of a zone.
#[derive(Clone, Debug)]
pub struct Terms {
    pub name: Name,
    /// Empty outside of views.
    pub view: String,
    pub source: Source,
    pub primaries: Vec<Peer>,
    pub notify: Vec<Peer>,
    pub allow_transfer: Arc<AccessList>,
    pub allow_update: Arc<AccessList>,
    pub allow_notify: Arc<AccessList>,
    /// The folder for copies and journals; there if the source needs it.
    pub state: Option<PathBuf>,
}

/// What is told of a zone beside its content.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// The primary that gave or last vouched for what we have.
    pub primary: Option<SocketAddr>,
    pub vouched: Option<SystemTime>,
    pub next_refresh: Option<SystemTime>,
    pub expires: Option<SystemTime>,
    pub failure: Option<(SystemTime, String)>,
    pub journal_octets: u64,
    pub transfers_out: u64,
    pub transfers_in: u64,
    pub notices_in: u64,
    pub updates: u64,
    pub updates_refused: u64,
    /// What went wrong with the zone itself: a round over all primaries counts once.
    pub failures: u64,
    /// How often each primary was of no use, whether another one was or not.
    pub primary_failures: BTreeMap<SocketAddr, u64>,
    /// Rounds over the primaries that have ended.
    pub rounds: u64,
}

/// A zone that is held.
pub struct Held {
    terms: ArcSwap<Terms>,
    content: ArcSwapOption<Zone>,
    past: Mutex<Past>,
    story: Mutex<Story>,
    disk: Mutex<Option<Disk>>,
    /// What the zone was last read from, if that was files.
    files: Mutex<Arc<[SourceFile]>>,
    /// The content has another serial number: others are to be told.
    pub published: Notify,
    /// A primary says that it has something newer.
    pub heard: Notify,
    /// Who said so last.
    pub heard_from: Mutex<Option<IpAddr>>,
    /// Updates that wait, and their other end until the desk takes it.
    pub updates: mpsc::Sender<UpdateJob>,
    pub updates_out: Mutex<Option<mpsc::Receiver<UpdateJob>>>,
}

/// How the content came to be, for those who are behind; under one lock with its replacement.
#[derive(Default)]
struct Past {
    history: History,
    /// What was last read from the zone's file.
    file_digest: Option<u64>,
    /// What is odd about that, as long as it is.
    file_warning: Option<String>,
    begun: bool,
    /// Nothing may be written: what is on disk could not be read.
    sealed: bool,
    /// An expired zone, which still tells what to ask for.
    stored: Option<Arc<Zone>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    pub fn new(terms: Terms) -> Held {
        let (updates, updates_out) = mpsc::channel(UPDATES_TOGETHER);
        Held {
            terms: ArcSwap::from_pointee(terms),
            content: ArcSwapOption::empty(),
            past: Mutex::default(),
            story: Mutex::default(),
            disk: Mutex::default(),
            files: Mutex::new(Arc::new([])),
            published: Notify::new(),
            heard: Notify::new(),
            heard_from: Mutex::default(),
            updates,
            updates_out: Mutex::new(Some(updates_out)),
        }
    }

    /// What it answers with; none while a secondary has nothing, or nothing that still holds.
    pub fn zone(&self) -> Guard<Option<Arc<Zone>>> {
        self.content.load()
    }

    pub fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    /// Whether the zone goes on under other terms: the same name, view, source and folder.
    pub fn goes_on_under(&self, terms: &Terms) -> bool {
        let own = self.terms.load();
        (&own.name, &own.view, &own.source, &own.state)
            == (&terms.name, &terms.view, &terms.source, &terms.state)
    }

    pub fn set_terms(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    pub fn story(&self) -> Story {
        let mut story = lock(&self.story).clone();
        story.journal_octets = lock(&self.disk).as_ref().map_or(0, Disk::journal_octets);
        story
    }

    pub fn tell(&self, change: impl FnOnce(&mut Story)) {
        change(&mut lock(&self.story));
    }

    pub fn failed(&self, why: impl Into<String>) {
        self.tell(|story| {
            story.failure = Some((SystemTime::now(), why.into()));
            story.failures += 1;
        });
    }

    /// A primary was of no use. Whether that was a failure of the zone depends on the others.
    pub fn primary_failed(&self, primary: SocketAddr, why: &str) {
        self.tell(|story| {
            story.failure = Some((SystemTime::now(), format!("primary {primary}: {why}")));
            *story.primary_failures.entry(primary).or_default() += 1;
        });
    }

    /// Since when it has expired, if it has.
    pub fn expired(&self) -> Option<SystemTime> {
        if self.content.load().is_some() {
            return None;
        }
        lock(&self.past).stored.as_ref()?;
        self.story().expires
    }

    /// What the zone was read from, and how that looked.
    pub fn files(&self) -> Arc<[SourceFile]> {
        Arc::clone(&lock(&self.files))
    }

    pub fn set_files(&self, files: Arc<[SourceFile]>) {
        *lock(&self.files) = files;
    }

    /// The content, or what it was before it expired.
    pub fn stored(&self) -> Option<Arc<Zone>> {
        self.content.load_full().or_else(|| lock(&self.past).stored.clone())
    }

    /// What is sent to one who has `serial`: the zone, and the changes that lead there if they are known and are
    /// less than the zone itself.
    pub fn since(&self, serial: Serial) -> Option<Version> {
        let past = lock(&self.past);
        let zone = self.content.load_full()?;
        let deltas = past.history.since(serial).filter(|deltas| {
            let octets: usize = deltas.iter().map(|delta| delta.octets()).sum();
            octets < zone.memory_bytes()
        });
        Some((zone, deltas))
    }

    /// Replaces the content. `deltas` lead there from what was before; without them, who is behind gets all of it.
    fn publish(&self, past: &mut Past, zone: &Arc<Zone>, deltas: Option<&[Arc<Delta>]>) {
        match deltas {
            Some(deltas) => {
                for delta in deltas {
                    past.history.push(Arc::clone(delta), HISTORY_OCTETS.min(zone.memory_bytes()));
                }
            }
            None => past.history.clear(),
        }
        past.stored = None;
        let old = self.content.swap(Some(Arc::clone(zone)));
        if old.is_none_or(|old| old.serial() != zone.serial()) {
            self.published.notify_one();
        }
    }

    /// Whether this is what was last read from its file.
    pub fn has_file(&self, digest: u64) -> bool {
        lock(&self.past).file_digest == Some(digest)
    }

    /// Answers with this until `take_file` is called: for a zone that nobody asks yet.
    pub fn show(&self, zone: &Arc<Zone>) {
        self.content.store(Some(Arc::clone(zone)));
    }

    /// Takes what was read from the zone's file: at the start, at a reload, or when the file has changed. With
    /// updates, what was kept on disk goes on unless the file has a newer serial. Gives what is worth a warning.
    pub fn take_file(&self, zone: Arc<Zone>) -> Option<String> {
        let mut past = lock(&self.past);
        if past.file_digest == Some(zone.digest()) {
            return past.file_warning.clone();
        }
        past.file_digest = Some(zone.digest());
        let warning = self.take_new_file(&mut past, &zone);
        let left_alone = self.content.load().as_ref().is_some_and(|now| now.digest() != zone.digest());
        let with_updates = matches!(self.terms.load().source, Source::File { updates: true, .. });
        // That a file has replaced updates is told once.
        past.file_warning = warning.clone().filter(|_| left_alone || !with_updates);
        warning
    }

    fn take_new_file(&self, past: &mut Past, zone: &Arc<Zone>) -> Option<String> {
        let terms = self.terms();
        let first = !std::mem::replace(&mut past.begun, true);
        let Source::File { updates, .. } = &terms.source else { return None };
        match (updates, first) {
            (true, true) => self.begin_with_updates(past, Arc::clone(zone), &terms),
            (true, false) => self.take_edited(past, Arc::clone(zone)),
            (false, _) => {
                let old = self.content.load_full();
                let (delta, warning) = step(old.as_deref(), zone);
                self.publish(past, zone, delta.as_deref());
                if first {
                    // Secondaries may have missed what was before this start.
                    self.published.notify_one();
                }
                warning
            }
        }
    }

    fn begin_with_updates(&self, past: &mut Past, file: Arc<Zone>, terms: &Terms) -> Option<String> {
        let opened = open(terms);
        let (disk, kept) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                past.sealed = true;
                self.publish(past, &file, None);
                self.failed(error.to_string());
                return Some(format!("{error}: the zone is served from its file, and updates are refused"));
            }
        };
        *lock(&self.disk) = Some(disk);
        let Some(kept) = kept else {
            self.publish(past, &file, None);
            return self.keep_whole(&file, past);
        };
        let edited = kept.origin != origin_of(&file);
        let zone = Arc::new(kept.zone);
        self.publish(past, &zone, Some(&kept.deltas));
        if edited { self.take_edited(past, file) } else { None }
    }

    /// A file that was edited beside updates: it wins if its serial says so, else it is left alone.
    fn take_edited(&self, past: &mut Past, file: Arc<Zone>) -> Option<String> {
        let now = self.content.load_full()?;
        if file.digest() == now.digest() {
            return None;
        }
        if !Serial(file.serial()).is_newer_than(Serial(now.serial())) {
            return Some(format!(
                "the file was changed, but its serial {} is not newer than {}, which updates have come to: \
                 the file is left alone",
                file.serial(),
                now.serial()
            ));
        }
        let delta = [Arc::new(now.difference(&file))];
        self.publish(past, &file, Some(&delta));
        let kept = self.keep_whole(&file, past);
        kept.or_else(|| {
            Some("the file was changed and has a newer serial: it replaces what updates made".into())
        })
    }

    fn keep_whole(&self, zone: &Zone, past: &mut Past) -> Option<String> {
        let mut disk = lock(&self.disk);
        let error = disk.as_mut()?.replace(zone, origin_of(zone), 0).err()?;
        past.sealed = true;
        self.failed(error.to_string());
        Some(format!("the zone can't be kept on disk, and updates are refused: {error}"))
    }

    /// Makes a change that is on disk before anybody sees it.
    pub fn change(&self, delta: Delta) -> Result<(), ChangeError> {
        let mut past = lock(&self.past);
        if past.sealed {
            return Err(ChangeError::Sealed);
        }
        let old = self.content.load_full().ok_or(ChangeError::Sealed)?;
        let zone = Arc::new(old.changed(&delta).map_err(|unfit| ChangeError::Unfit(unfit.to_string()))?);
        let delta = Arc::new(delta);
        let mut disk = lock(&self.disk);
        let files = disk.as_mut().ok_or(ChangeError::Sealed)?;
        files.append(std::slice::from_ref(&delta), &zone).map_err(|error| {
            self.failed(format!("the journal can't be written: {error}"));
            ChangeError::Disk(error.to_string())
        })?;
        drop(disk);
        self.publish(&mut past, &zone, Some(&[delta]));
        Ok(())
    }

    /// Writes a copy in place of a long journal.
    pub fn tidy(&self) {
        let Some(zone) = self.content.load_full() else { return };
        // Held over the look at the content: no change comes between.
        let _past = lock(&self.past);
        let mut disk = lock(&self.disk);
        let Some(files) = disk.as_mut().filter(|files| files.is_long()) else { return };
        let zone = self.content.load_full().unwrap_or(zone);
        let (origin, vouched) = (files.origin(), files.vouched());
        if let Err(error) = files.replace(&zone, origin, vouched) {
            self.failed(format!("the zone's copy can't be written: {error}"));
            tracing::error!(zone = %zone.name(), "the zone's copy can't be written: {error}");
        }
    }

    /// Reads a secondary's copy, once: it answers at once, if it has not expired.
    pub fn begin_secondary(&self) {
        let mut past = lock(&self.past);
        if std::mem::replace(&mut past.begun, true) {
            return;
        }
        let terms = self.terms();
        let (disk, kept) = match open(&terms) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(zone = %terms.name, "{error}: the zone is fetched anew");
                self.failed(error.to_string());
                past.sealed = true;
                return;
            }
        };
        *lock(&self.disk) = Some(disk);
        let Some(kept) = kept else { return };
        let vouched = UNIX_EPOCH + Duration::from_secs(kept.vouched);
        let zone = Arc::new(kept.zone);
        let expires = vouched + super::secondary::expire_of(&zone);
        self.tell(|story| (story.vouched, story.expires) = (Some(vouched), Some(expires)));
        if expires > SystemTime::now() {
            self.publish(&mut past, &zone, Some(&kept.deltas));
        } else {
            past.stored = Some(zone);
            self.has_expired();
        }
    }

    /// Takes a newer version from a primary: on disk first, then answered with. None for `deltas` if it came whole.
    pub fn take_version(&self, zone: Zone, deltas: Option<Vec<Delta>>, now: SystemTime) -> Option<String> {
        let zone = Arc::new(zone);
        let old = self.stored();
        let deltas: Option<Vec<Arc<Delta>>> = match deltas {
            Some(deltas) => Some(deltas.into_iter().map(Arc::new).collect()),
            None => old.as_deref().map(|old| vec![Arc::new(old.difference(&zone))]),
        };
        let mut past = lock(&self.past);
        let vouched = seconds(now);
        let mut disk = lock(&self.disk);
        let mut kept = Ok(());
        if disk.is_none() && past.sealed {
            // What could not be read is of no use once there is something newer.
            let terms = self.terms();
            let folder = terms.state.as_deref().unwrap_or(Path::new("."));
            *disk = Disk::anew(folder, &terms.view, &terms.name).ok();
        }
        if let Some(files) = disk.as_mut() {
            kept = match &deltas {
                Some(deltas) if !files.is_long() && small(deltas, &zone) => {
                    files.append(deltas, &zone).and_then(|()| files.vouch(vouched, &zone))
                }
                _ => files.replace(&zone, 0, vouched),
            };
        }
        drop(disk);
        self.publish(&mut past, &zone, deltas.as_deref());
        kept.err().map(|error| format!("the zone is served but can't be kept on disk: {error}"))
    }

    /// A primary has said that what we have is its newest.
    pub fn vouched(&self, now: SystemTime) {
        let Some(zone) = self.stored() else { return };
        {
            let mut past = lock(&self.past);
            if let Some(stored) = past.stored.take() {
                // It had expired only for want of somebody to ask.
                self.publish(&mut past, &stored, Some(&[]));
            }
        }
        let mut disk = lock(&self.disk);
        if let Some(files) = disk.as_mut()
            && let Err(error) = files.vouch(seconds(now), &zone)
        {
            tracing::warn!(zone = %zone.name(), "the time of a refresh can't be written: {error}");
        }
    }

    /// Nobody has vouched for it for too long: no answers from it any more (RFC 1034 section 4.3.5).
    pub fn expire(&self) {
        let mut past = lock(&self.past);
        if let Some(zone) = self.content.swap(None) {
            past.stored = Some(zone);
            self.has_expired();
        }
    }

    fn has_expired(&self) {
        self.failed("expired: no primary has vouched for it in time");
        let name = &self.terms.load().name;
        tracing::error!(zone = %name, "a secondary zone has expired: its names get SERVFAIL");
    }
}

/// A zone, and the changes that lead there if they are known.
pub type Version = (Arc<Zone>, Option<Vec<Arc<Delta>>>);

/// Why a change was not made.
#[derive(Debug)]
pub enum ChangeError {
    Unfit(String),
    Disk(String),
    /// Nothing can be written for this zone.
    Sealed,
}

fn open(terms: &Terms) -> Result<(Disk, Option<super::disk::Kept>), DiskError> {
    let folder = terms.state.as_deref().unwrap_or(Path::new("."));
    Disk::open(folder, &terms.view, &terms.name)
}

/// What leads from an old version of a file to a new one, and what is odd about it.
fn step(old: Option<&Zone>, new: &Zone) -> (Option<Vec<Arc<Delta>>>, Option<String>) {
    let Some(old) = old else { return (None, None) };
    let (was, is) = (Serial(old.serial()), Serial(new.serial()));
    if is.is_newer_than(was) {
        return (Some(vec![Arc::new(old.difference(new))]), None);
    }
    if old.digest() == new.digest() {
        return (Some(Vec::new()), None);
    }
    let why = match is == was {
        true => format!("the zone has changed, but its serial is still {is}: secondaries will not notice"),
        false => format!("the zone's serial went back from {was} to {is}: secondaries will not notice"),
    };
    (None, Some(why))
}

/// Changes that are cheaper to write than the zone.
fn small(deltas: &[Arc<Delta>], zone: &Zone) -> bool {
    deltas.iter().map(|delta| delta.octets()).sum::<usize>() < zone.memory_bytes() / 2
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Tells one content of a file from another, whatever build of the program looks.
fn origin_of(zone: &Zone) -> u64 {
    let mut hash = Sha256::new();
    let mut put = |record: crate::zone::Record<'_>| {
        hash.update((record.owner.len() as u16).to_be_bytes());
        hash.update(record.owner);
        hash.update(record.rtype.to_be_bytes());
        hash.update(record.ttl.to_be_bytes());
        hash.update((record.rdata.len() as u16).to_be_bytes());
        hash.update(record.rdata);
    };
    put(zone.soa());
    let mut walk = Walk::of(zone);
    while let Some(record) = walk.current() {
        put(record);
        walk.advance();
    }
    let hash = hash.finalize();
    u64::from_be_bytes(hash.first_chunk().copied().unwrap_or_default())
}
