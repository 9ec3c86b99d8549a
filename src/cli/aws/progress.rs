//! How far a run is, on standard error: on a terminal what is done line by line and below it what is waited for, else
//! lines for a log. Also brings Ctrl-C and SIGTERM to it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::text::duration;
use crate::aws::apply::watch::{Event, Watch, What};
use crate::aws::apply::words::words;
use crate::aws::cloud::Tell;
use crate::aws::plan::Plan;

/// How often a log is told that a step is still waited for.
const LOG_EVERY: Duration = Duration::from_secs(30);
/// Columns of the line on a terminal that changes; a longer one would leave its first part behind.
const COLUMNS: usize = 79;

pub struct Progress {
    is_terminal: bool,
    begun: Instant,
    steps: usize,
    state: RefCell<State>,
    stop: watch::Receiver<bool>,
    signals: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    done: usize,
    /// What is waited for, in words, and when that was told to the log last.
    waiting: BTreeMap<usize, (String, Option<Instant>)>,
    is_shown: bool,
}

impl Progress {
    /// Takes Ctrl-C and SIGTERM from here on; must be called in a runtime.
    pub fn new(plan: &Plan) -> std::io::Result<Progress> {
        let (tell, stop) = watch::channel(false);
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let signals = tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            // On standard error, where nobody may be reading.
            let _ = writeln!(stderr(), "\nStops after the request that is under way.");
            let _ = tell.send(true);
            // The channel stays open for who asks later.
            std::future::pending::<()>().await;
        });
        let is_terminal = stderr().is_terminal();
        let state = RefCell::default();
        Ok(Progress { is_terminal, begun: Instant::now(), steps: plan.steps.len(), state, stop, signals })
    }

    pub fn seconds(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }

    pub fn clear(&self) {
        if self.is_terminal && self.state.borrow().is_shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }

    fn line(&self, line: &str) {
        let start = if self.is_terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(stderr(), "{start}{line}");
    }

    /// The line below all others, which changes.
    fn show_waiting(&self, state: &mut State) {
        if !self.is_terminal {
            return;
        }
        let others = match state.waiting.len() {
            0 | 1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let first = state.waiting.values().next().map(|(line, _)| line.as_str()).unwrap_or_default();
        let line = format!("{} of {} done, {}{others}", state.done, self.steps, first);
        let line: String = line.chars().take(COLUMNS).collect();
        let _ = write!(stderr(), "\r\x1b[K{line}");
        let _ = stderr().flush();
        state.is_shown = true;
    }

    fn waits(&self, state: &mut State, event: &Event<'_>, status: &str, elapsed: Duration) {
        let what = words(&event.planned.step);
        let line = format!("{}: {what}: {status}", duration(elapsed.as_secs()));
        let told = state.waiting.get(&event.step).and_then(|(_, told)| *told);
        let is_due = told.is_none_or(|told| told.elapsed() >= LOG_EVERY);
        if is_due && !self.is_terminal {
            self.line(&format!("waiting {line}"));
        }
        let told = if is_due { Some(Instant::now()) } else { told };
        state.waiting.insert(event.step, (line, told));
        self.show_waiting(state);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.signals.abort();
    }
}

impl Watch for Progress {
    fn tell(&self, event: Event<'_>) {
        let state = &mut *self.state.borrow_mut();
        match event.what {
            What::Started if self.is_terminal => self.show_waiting(state),
            What::Started => self.line(&format!("begun   {}", words(&event.planned.step))),
            What::Held { why, elapsed } => self.waits(state, &event, why, elapsed),
            What::Waiting { status, elapsed } => self.waits(state, &event, status, elapsed),
            What::Done { made, elapsed } => {
                state.done += 1;
                state.waiting.remove(&event.step);
                let made = made.map(|id| format!(": {id}")).unwrap_or_default();
                let took = match elapsed.as_secs() {
                    0 => String::new(),
                    secs => format!(" ({})", duration(secs)),
                };
                self.line(&format!("done    {}{made}{took}", words(&event.planned.step)));
                self.show_waiting(state);
            }
        }
    }

    async fn interrupted(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            // Nobody can stop it any more.
            std::future::pending::<()>().await;
        }
    }
}

/// How far an observation is, on a terminal alone: it takes seconds, or a minute in a large account.
pub struct Observing {
    is_terminal: bool,
}

impl Observing {
    pub fn new() -> Observing {
        Observing { is_terminal: stderr().is_terminal() }
    }

    pub fn clear(&self) {
        if self.is_terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

impl Tell for Observing {
    fn tell(&self, what: &str) {
        if self.is_terminal {
            let line: String = what.chars().take(COLUMNS).collect();
            let _ = write!(stderr(), "\r\x1b[K{line}");
            let _ = stderr().flush();
        }
    }
}
