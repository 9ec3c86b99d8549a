//! Where operators' wishes come together, over whichever way they came: asks the core from a thread that may
//! wait, lets one reload run at a time, and moves the control plane's own listeners when the files say so.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::core::{Core, Settings};
use super::protocol::Reply;
use super::report::{Outcome, Ready, Reload, ZoneOutcome, ZoneReload, ZoneReloads};
use super::systemd::Systemd;
use super::{ControlError, http, logs, socket};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::wire::name::Name;

pub struct Desk {
    core: Arc<dyn Core>,
    systemd: Systemd,
    stopping: AtomicBool,
    /// Locked while a reload runs, so that no two do.
    doors: Mutex<Doors>,
}

/// The listeners for operators that are open, and where.
#[derive(Default)]
struct Doors {
    settings: Settings,
    socket: Option<Door>,
    metrics: Option<Door>,
}

/// A task that takes connections. Dropped, it takes no more; those that are open finish on their own.
struct Door(AbortHandle);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Desk {
    pub fn new(core: Arc<dyn Core>, systemd: Systemd) -> Arc<Desk> {
        Arc::new(Desk { core, systemd, stopping: AtomicBool::new(false), doors: Mutex::default() })
    }

    /// Opens what the settings ask for; at the start, what can't be opened is an error.
    pub async fn open(self: &Arc<Desk>) -> Result<(), ControlError> {
        let settings = self.core.settings();
        let mut doors = self.doors.lock().await;
        match self.move_doors(&mut doors, settings).await.into_iter().next() {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// One line that says what is served.
    pub async fn log_start(&self) {
        let Reply::Ok(status) = self.ask(|core| core.status()).await else { return };
        let listeners: BTreeSet<String> =
            status.listeners.iter().map(|listener| listener.address.to_string()).collect();
        let listeners = listeners.into_iter().collect::<Vec<_>>().join(" ");
        let (rules, zones) = (status.rules, status.zones.len());
        tracing::info!(
            version = status.version,
            hash = status.config.hash,
            listeners,
            rules,
            zones,
            "serving"
        );
    }

    pub async fn close(&self) {
        *self.doors.lock().await = Doors::default();
    }

    /// Asks the core, off the event loop.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Core) -> T + Send + 'static,
    ) -> Reply<T> {
        let core = self.core.clone();
        match tokio::task::spawn_blocking(move || question(&*core)).await {
            Ok(report) => Reply::Ok(report),
            Err(error) => {
                tracing::error!(%error, "a question to the server failed; this is a fault of dnsfwd");
                Reply::Error("the server failed on this question; its log says more".to_owned())
            }
        }
    }

    /// Whether clients may be sent here. Not while stopping: balancers shall go elsewhere first.
    pub async fn ready(&self) -> Ready {
        if self.stopping.load(Ordering::Relaxed) {
            return Ready { ready: false, reasons: vec!["the server is stopping".to_owned()] };
        }
        match self.ask(|core| core.ready()).await {
            Reply::Ok(ready) => ready,
            Reply::Error(reason) => Ready { ready: false, reasons: vec![reason] },
        }
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.systemd.stopping();
    }

    /// Reloads, one at a time; `asker` is for the log.
    pub async fn reload(self: &Arc<Desk>, asker: &str) -> Reply<Reload> {
        let mut doors = self.doors.lock().await;
        self.systemd.reloading();
        let reply = self.ask(|core| (core.reload(), core.settings())).await;
        let reply = match reply {
            Reply::Ok((mut report, settings)) => {
                let problems = self.move_doors(&mut doors, settings).await;
                report.problems.extend(problems.iter().map(in_full));
                log_reload(&report, asker);
                Reply::Ok(report)
            }
            Reply::Error(reason) => Reply::Error(reason),
        };
        self.systemd.ready();
        reply
    }

    /// Reads one zone again; `asker` is for the log.
    pub async fn reload_zone(&self, name: Name, asker: &'static str) -> Reply<ZoneReloads> {
        match self.ask(move |core| core.reload_zone(&name)).await {
            Reply::Ok(Ok(reloads)) => {
                reloads.zones.iter().for_each(|reload| log_zone(reload, asker));
                Reply::Ok(reloads)
            }
            Reply::Ok(Err(unknown)) => Reply::Error(unknown.to_string()),
            Reply::Error(reason) => Reply::Error(reason),
        }
    }

    /// New before old: a door is closed only when the one in its place is open. What can't be opened leaves
    /// the old one open, and the next reload tries again.
    async fn move_doors(self: &Arc<Desk>, doors: &mut Doors, wanted: Settings) -> Vec<ControlError> {
        let mut problems = Vec::new();
        if wanted.socket != doors.settings.socket {
            match self.open_socket(&wanted) {
                Ok(door) => (doors.socket, doors.settings.socket) = (door, wanted.socket.clone()),
                Err(error) => problems.push(error),
            }
        }
        if wanted.metrics != doors.settings.metrics {
            match self.open_metrics(&wanted).await {
                Ok(door) => (doors.metrics, doors.settings.metrics) = (door, wanted.metrics),
                Err(error) => problems.push(error),
            }
        }
        if let Some(level) = wanted.log_level {
            logs::set_level(level);
        }
        problems
    }

    fn open_socket(self: &Arc<Desk>, wanted: &Settings) -> Result<Option<Door>, ControlError> {
        let Some(path) = &wanted.socket else { return Ok(None) };
        let bound = socket::bind(path)?;
        Ok(Some(Door(tokio::spawn(socket::serve(bound, self.clone())).abort_handle())))
    }

    async fn open_metrics(self: &Arc<Desk>, wanted: &Settings) -> Result<Option<Door>, ControlError> {
        let Some(address) = wanted.metrics else { return Ok(None) };
        let listener = http::bind(address).await?;
        Ok(Some(Door(tokio::spawn(http::serve(listener, self.clone())).abort_handle())))
    }
}

/// One line for the outcome, one for each fault.
fn log_reload(report: &Reload, asker: &str) {
    for fault in &report.diagnostics {
        log_fault(fault);
    }
    for problem in &report.problems {
        tracing::error!("{problem}");
    }
    let (changes, hash) = (report.changes.len(), report.hash.as_str());
    match report.outcome {
        Outcome::Applied => tracing::info!(asker, changes, hash, "reloaded"),
        Outcome::Unchanged => tracing::info!(asker, hash, "reloaded: nothing has changed"),
        Outcome::Refused => {
            tracing::error!(asker, hash, "reload refused: the configuration has faults, the old one goes on")
        }
    }
}

fn log_zone(reload: &ZoneReload, asker: &str) {
    reload.diagnostics.iter().for_each(log_fault);
    let ZoneReload { zone, new_serial: serial, .. } = reload;
    let view = reload.view.as_deref().unwrap_or_default();
    let problem = reload.problem.as_deref().unwrap_or_default();
    match reload.outcome {
        ZoneOutcome::Refused => tracing::error!(asker, zone, view, serial, problem, "zone not reloaded"),
        ZoneOutcome::Asked => tracing::info!(asker, zone, view, serial, "its primaries are asked"),
        _ if !problem.is_empty() => tracing::warn!(asker, zone, view, serial, problem, "zone reloaded"),
        ZoneOutcome::Applied => tracing::info!(asker, zone, view, serial, "zone reloaded"),
        ZoneOutcome::Unchanged => {
            tracing::info!(asker, zone, view, serial, "zone reloaded: nothing has changed")
        }
    }
}

fn log_fault(fault: &Diagnostic) {
    let place = format!("{}:{}:{}", fault.file.display(), fault.line, fault.column);
    match fault.severity {
        Severity::Error => tracing::error!(code = fault.code, "{place}: {}", fault.message),
        Severity::Warning => tracing::warn!(code = fault.code, "{place}: {}", fault.message),
    }
}

/// An error with its causes, on one line.
fn in_full(error: &ControlError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
