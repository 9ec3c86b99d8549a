//! Looks at a zone's file and those that it includes now and then, and reads them anew when one has changed. Files with
//! faults change nothing.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::held::{Held, Source};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::limits::WATCH_EVERY;
use crate::zone::{SourceFile, Zone};

/// Runs as long as the zone is in the configuration.
pub async fn keep(held: Arc<Held>) {
    let mut seen = None;
    loop {
        sleep(WATCH_EVERY).await;
        let files = held.files();
        let now: Vec<_> = files.iter().map(SourceFile::changed).collect();
        let changed = now.iter().any(Option::is_some).then_some(now);
        // Read when they have been left alone for one look: whoever writes them may be in the middle.
        if changed.is_none() || std::mem::replace(&mut seen, changed.clone()) != changed {
            continue;
        }
        let own = Arc::clone(&held);
        if let Err(error) = spawn_blocking(move || log(&own, &read_again(&own))).await {
            tracing::error!(zone = %held.terms().name, %error, "a zone file failed; this is a fault of dnsfwd");
            // Once for each of their states is enough.
            held.set_files(files.iter().map(|file| SourceFile::about_to_read(&file.path)).collect());
        }
    }
}

/// What reading a zone's file anew came to.
pub struct Reread {
    pub diagnostics: Vec<Diagnostic>,
    /// Whether there was a zone to take; if not, the old one goes on.
    pub taken: bool,
    pub changed: bool,
    pub warning: Option<String>,
}

/// Reads the file and takes what is in it, if that is a zone.
pub fn read_again(held: &Held) -> Reread {
    let terms = held.terms();
    let Source::File { file, .. } = &terms.source else {
        return Reread { diagnostics: Vec::new(), taken: false, changed: false, warning: None };
    };
    let loaded = Zone::load(&terms.name, file);
    held.set_files(loaded.files.into());
    let diagnostics = loaded.diagnostics;
    let Some(zone) = loaded.zone else {
        let first = diagnostics.iter().find(|fault| fault.severity == Severity::Error);
        let why = first.map_or_else(
            || "the file can't be read".to_owned(),
            |fault| format!("{}:{}: {}", fault.file.display(), fault.line, fault.message),
        );
        held.failed(why);
        return Reread { diagnostics, taken: false, changed: false, warning: None };
    };
    let digest = |held: &Held| held.zone().as_ref().map(|zone| zone.digest());
    let before = digest(held);
    let warning = held.take_file(Arc::new(zone));
    match &warning {
        Some(warning) => held.failed(warning.clone()),
        None => held.tell(|story| story.failure = None),
    }
    Reread { diagnostics, taken: true, changed: digest(held) != before, warning }
}

fn log(held: &Held, reread: &Reread) {
    let zone = &held.terms().name;
    for fault in &reread.diagnostics {
        let place = format!("{}:{}:{}", fault.file.display(), fault.line, fault.column);
        match fault.severity {
            Severity::Error => tracing::error!(code = fault.code, "{place}: {}", fault.message),
            Severity::Warning => tracing::warn!(code = fault.code, "{place}: {}", fault.message),
        }
    }
    if let Some(warning) = &reread.warning {
        tracing::warn!(%zone, "{warning}");
    }
    let serial = held.zone().as_ref().map(|zone| zone.serial());
    match (reread.taken, reread.changed) {
        (false, _) => {
            tracing::error!(%zone, "what the zone is read from has changed and has faults: the old zone goes on")
        }
        (true, true) => tracing::info!(%zone, serial, "what the zone is read from has changed and was read"),
        (true, false) => {}
    }
}
