//! One zone again, at an operator's wish: its file is read, or its primaries are asked. Changes nothing itself: what is
//! taken, and what is not, is for the zone as it is held to say.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::config::suggest;
use crate::control::UnknownZone;
use crate::control::report::{ZoneKind, ZoneOutcome, ZoneReload};
use crate::limits::PRIMARIES_ANSWER;
use crate::serve::snapshot::Snapshot;
use crate::transfer::held::Held;
use crate::transfer::watch;
use crate::wire::name::Name;

/// Between two looks whether primaries have answered.
const LOOK: Duration = Duration::from_millis(20);

/// The zones of a name, general and of views.
pub fn of_name(snapshot: &Snapshot, name: &Name) -> Result<Vec<Arc<Held>>, UnknownZone> {
    let all = || snapshot.zones.iter().map(|zone| &zone.held);
    let held: Vec<Arc<Held>> = all().filter(|held| held.terms().name == *name).map(Arc::clone).collect();
    if !held.is_empty() {
        return Ok(held);
    }
    let mut there: Vec<String> = all().map(|held| held.terms().name.to_string()).collect();
    there.sort_unstable();
    there.dedup();
    let text = name.to_string();
    // The longest that the name lies in, else the one that differs least.
    let around =
        there.iter().filter(|zone| text.ends_with(&format!(".{zone}"))).max_by_key(|zone| zone.len());
    let meant =
        around.map(String::as_str).or_else(|| suggest::nearest(&text, there.iter().map(String::as_str)));
    Err(UnknownZone { name: name.clone(), meant: meant.map(str::to_owned), there })
}

/// Reads the file of a zone that has one.
pub fn file(held: &Held) -> ZoneReload {
    let old = serial(held);
    let read = watch::read_again(held);
    let outcome = match (read.taken, read.changed) {
        (false, _) => ZoneOutcome::Refused,
        (true, true) => ZoneOutcome::Applied,
        (true, false) => ZoneOutcome::Unchanged,
    };
    let diagnostics = read.diagnostics;
    ZoneReload { diagnostics, problem: read.warning, ..came(held, ZoneKind::Primary, outcome, old) }
}

/// Asks the primaries of a zone, and waits for a bounded time until they have answered or failed.
pub fn ask(held: &Held) -> ZoneReload {
    let (old, before) = (serial(held), held.story().rounds);
    let end = Instant::now() + PRIMARIES_ANSWER;
    held.heard.notify_one();
    while held.story().rounds == before && Instant::now() < end {
        sleep(LOOK);
    }
    let story = held.story();
    let failure = story.failure.map(|(_, why)| why);
    let outcome = match (&failure, serial(held)) {
        _ if story.rounds == before => ZoneOutcome::Asked,
        (_, new) if new != old => ZoneOutcome::Applied,
        (None, _) => ZoneOutcome::Unchanged,
        (Some(_), _) => ZoneOutcome::Refused,
    };
    let problem = failure.filter(|_| outcome != ZoneOutcome::Asked);
    ZoneReload { problem, ..came(held, ZoneKind::Secondary, outcome, old) }
}

fn came(held: &Held, kind: ZoneKind, outcome: ZoneOutcome, old_serial: Option<u32>) -> ZoneReload {
    let (terms, zone) = (held.terms(), held.zone());
    ZoneReload {
        zone: terms.name.to_string(),
        view: Some(terms.view.clone()).filter(|view| !view.is_empty()),
        kind,
        outcome,
        old_serial,
        new_serial: zone.as_ref().map(|zone| zone.serial()),
        records: zone.as_ref().map_or(0, |zone| zone.records() as u64),
        primary: held.story().primary,
        diagnostics: Vec::new(),
        problem: None,
    }
}

fn serial(held: &Held) -> Option<u32> {
    held.zone().as_ref().map(|zone| zone.serial())
}
