//! Numbers of the query path. Each worker writes its own, so that counting costs a load and a store; whoever
//! reads adds them up.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::builtins::builtins;
use super::line::Full;
use super::views::ViewIndex;
use crate::config::{self, Config};
use crate::control::report;
use crate::policy::Action;
use crate::wire::name::Name;

/// How a question or its answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp = 0,
    Tcp = 1,
}

pub const TRANSPORTS: [(Transport, &str); 2] = [(Transport::Udp, "udp"), (Transport::Tcp, "tcp")];

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Cache = 0,
    /// From an expired entry, as no target answered.
    Stale,
    Zone,
    Builtin,
    Forwarded,
    /// Put together along CNAMEs across rules and zones.
    Followed,
    /// Not allowed, or nothing covers it.
    Refused,
    /// No target gave an answer.
    Failed,
    /// Judged by its bytes alone.
    Malformed,
}

pub const ORIGINS: [(Origin, &str); 9] = [
    (Origin::Cache, "cache"),
    (Origin::Stale, "stale"),
    (Origin::Zone, "zone"),
    (Origin::Builtin, "builtin"),
    (Origin::Forwarded, "forwarded"),
    (Origin::Followed, "followed"),
    (Origin::Refused, "refused"),
    (Origin::Failed, "failed"),
    (Origin::Malformed, "malformed"),
];

/// Why a packet got no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    Short = 0,
    Response,
    /// Longer than any query.
    Oversized,
    /// The reply could not be sent.
    Unsent,
    /// One TCP connection too many.
    Connections,
}

pub const LOSSES: [(Loss, &str); 5] = [
    (Loss::Short, "short"),
    (Loss::Response, "response"),
    (Loss::Oversized, "oversized"),
    (Loss::Unsent, "unsent"),
    (Loss::Connections, "connections"),
];

/// Why questions found no place in the line.
pub const SHEDS: [(Full, &str); 3] =
    [(Full::Line, "line"), (Full::Endpoint, "endpoint"), (Full::Client, "client")];

/// Codes counted one by one; the rest share the last place.
const RCODES: usize = 24;

/// One worker's numbers, on cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
pub struct WorkerCounts {
    /// Which worker's: its row among the decisions.
    worker: usize,
    replies: [[AtomicU64; RCODES]; TRANSPORTS.len()],
    origins: [AtomicU64; ORIGINS.len()],
    losses: [AtomicU64; LOSSES.len()],
    /// Questions that found no place in the line; their clients were told.
    shed: [AtomicU64; SHEDS.len()],
    pub misses: AtomicU64,
    /// Questions asked anew before their answers expired.
    pub refreshes: AtomicU64,
    pub in_flight: AtomicU64,
    /// Turns of the worker's clock, for the watchdog.
    pub beats: AtomicU64,
}

/// Adds one to a number that only this thread writes: no locked instruction.
pub fn bump(number: &AtomicU64) {
    number.store(number.load(Relaxed) + 1, Relaxed);
}

impl WorkerCounts {
    pub fn new(worker: usize) -> WorkerCounts {
        WorkerCounts { worker, ..WorkerCounts::default() }
    }

    /// A reply as it leaves; its code is read off its bytes, the EDNS part left aside.
    pub fn replied(&self, transport: Transport, origin: Origin, rcode: u16) {
        bump(&self.replies[transport as usize][usize::from(rcode).min(RCODES - 1)]);
        bump(&self.origins[origin as usize]);
    }

    /// Replies by origin, in the order of [`ORIGINS`].
    pub fn by_origin(&self) -> [u64; ORIGINS.len()] {
        std::array::from_fn(|origin| self.origins[origin].load(Relaxed))
    }

    pub fn shed(&self, full: Full) {
        bump(&self.shed[full as usize]);
    }

    pub fn lost(&self, loss: Loss, count: u64) {
        let number = &self.losses[loss as usize];
        number.store(number.load(Relaxed) + count, Relaxed);
    }
}

/// Replies of all workers.
pub fn queries(workers: &[Arc<WorkerCounts>]) -> Vec<report::QueryCount> {
    let mut counts = Vec::new();
    for (transport, word) in TRANSPORTS {
        for rcode in 0..RCODES {
            let count = sum(workers, |worker| &worker.replies[transport as usize][rcode]);
            if count > 0 || rcode == 0 {
                counts.push(report::QueryCount { transport: word.to_string(), rcode: rcode as u16, count });
            }
        }
    }
    counts
}

pub fn answers(workers: &[Arc<WorkerCounts>]) -> Vec<report::AnswerCount> {
    let count = |(origin, word): (Origin, &str)| report::AnswerCount {
        source: word.to_string(),
        count: sum(workers, |worker| &worker.origins[origin as usize]),
    };
    ORIGINS.into_iter().map(count).collect()
}

pub fn dropped(workers: &[Arc<WorkerCounts>]) -> Vec<report::DropCount> {
    let count = |(loss, word): (Loss, &str)| report::DropCount {
        reason: word.to_string(),
        count: sum(workers, |worker| &worker.losses[loss as usize]),
    };
    LOSSES.into_iter().map(count).collect()
}

pub fn shed(workers: &[Arc<WorkerCounts>]) -> Vec<report::DropCount> {
    let count = |(full, word): (Full, &str)| report::DropCount {
        reason: word.to_string(),
        count: sum(workers, |worker| &worker.shed[full as usize]),
    };
    SHEDS.into_iter().map(count).collect()
}

pub fn sum<'a>(workers: &'a [Arc<WorkerCounts>], number: impl Fn(&'a WorkerCounts) -> &'a AtomicU64) -> u64 {
    workers.iter().map(|worker| number(worker).load(Relaxed)).sum()
}

/// What questions are counted under that no view is for, where there are views. No view can be called so.
pub const GENERAL: &str = "(general)";

/// Of a rule, zone or built-in name; without a name when nothing matched.
type Label = (report::Action, Option<Name>);
type Totals = HashMap<Label, u64>;

/// Decisions by rule, zone and built-in name of one snapshot: a row of numbers for each worker. When the last
/// worker has let go of the snapshot, they go into the history, so that a reload loses no count.
pub struct Decisions {
    /// Rules, then zones, then built-in names, then what nothing covers; then, if there are views, questions of clients
    /// without one and of each.
    rows: Box<[Box<[AtomicU64]>]>,
    rules: Arc<config::Rules>,
    zones: Box<[Name]>,
    /// The names of views, what is general first; empty if there are none.
    views: Box<[String]>,
    history: Arc<Mutex<History>>,
}

#[derive(Default)]
struct History {
    totals: Totals,
    views: BTreeMap<String, u64>,
    live: Vec<Weak<Decisions>>,
}

impl Decisions {
    pub fn new(config: &Config, before: Option<&Arc<Decisions>>) -> Arc<Decisions> {
        let zones: Box<[Name]> = config.zones.iter().map(|zone| zone.name.clone()).collect();
        let names = std::iter::once(GENERAL).chain(config.views.iter().map(|view| view.name.as_str()));
        let views: Box<[String]> =
            if config.views.is_empty() { Box::default() } else { names.map(str::to_owned).collect() };
        let len = config.rules.len() + zones.len() + builtins().len() + 1 + views.len();
        let row = || (0..len).map(|_| AtomicU64::new(0)).collect();
        let history = before.map_or_else(Arc::default, |before| Arc::clone(&before.history));
        let decisions = Arc::new(Decisions {
            rows: (0..config.server.workers).map(|_| row()).collect(),
            rules: Arc::clone(&config.rules),
            zones,
            views,
            history,
        });
        decisions.lock().live.push(Arc::downgrade(&decisions));
        decisions
    }

    pub fn count(&self, counts: &WorkerCounts, action: Action, view: ViewIndex) {
        let zones_at = self.rules.len();
        // The workers are those of the start; a snapshot with fewer rows counts the others with its first.
        let row = self.rows.get(counts.worker).unwrap_or(&self.rows[0]);
        let at = match action {
            Action::Forward { rule } | Action::System { rule } => rule as usize,
            Action::Zone(index) => zones_at + index as usize,
            Action::Builtin(index) => zones_at + self.zones.len() + index as usize,
            Action::Refuse => row.len() - 1 - self.views.len(),
        };
        bump(&row[at]);
        if !self.views.is_empty() {
            let view = view.map_or(0, |view| usize::from(view) + 1);
            bump(&row[row.len() - self.views.len() + view]);
        }
    }

    /// What a row counts at an index.
    fn label(&self, at: usize) -> Label {
        if let Some(rule) = self.rules.get(at) {
            let action = match rule.action {
                config::RuleAction::Forward { .. } => report::Action::Forward,
                config::RuleAction::System => report::Action::System,
            };
            return (action, Some(rule.name()));
        }
        let at = at - self.rules.len();
        if let Some(zone) = self.zones.get(at) {
            return (report::Action::Zone, Some(zone.clone()));
        }
        match builtins().get(at - self.zones.len()) {
            Some(builtin) => (report::Action::Builtin, Some(builtin.zone.name().clone())),
            None => (report::Action::Refuse, None),
        }
    }

    /// Forgets the counts of rules and zones that are gone, so that reloads don't pile them up.
    pub fn retain(&self, wanted: impl Fn(report::Action, &Name) -> bool) {
        let history = &mut self.lock().totals;
        history.retain(|(action, name), _| name.as_ref().is_none_or(|name| wanted(*action, name)));
    }

    /// Forgets the counts of views that are gone.
    pub fn retain_views(&self) {
        self.lock().views.retain(|name, _| self.views.contains(name));
    }

    /// Questions by view since the process began, those without one under [`GENERAL`]; empty if there are no views.
    pub fn views(&self) -> Vec<report::ViewCount> {
        let (mut totals, live) = {
            let history = self.lock();
            let live: Vec<Arc<Decisions>> = history.live.iter().filter_map(Weak::upgrade).collect();
            (history.views.clone(), live)
        };
        for decisions in &live {
            decisions.add_views_to(&mut totals);
        }
        let count = |view: &String| report::ViewCount {
            view: view.clone(),
            count: totals.get(view).copied().unwrap_or_default(),
        };
        self.views.iter().map(count).collect()
    }

    fn add_views_to(&self, totals: &mut BTreeMap<String, u64>) {
        let first = self.rows[0].len() - self.views.len();
        for (index, view) in self.views.iter().enumerate() {
            let count: u64 = self.rows.iter().map(|row| row[first + index].load(Relaxed)).sum();
            *totals.entry(view.clone()).or_default() += count;
        }
    }

    /// All decisions since the process began, those that count zero left out.
    pub fn totals(&self) -> Vec<report::DecisionCount> {
        let (mut totals, live) = {
            let history = self.lock();
            let live: Vec<Arc<Decisions>> = history.live.iter().filter_map(Weak::upgrade).collect();
            (history.totals.clone(), live)
        };
        for decisions in &live {
            decisions.add_to(&mut totals);
        }
        let count = |((kind, name), count): (Label, u64)| {
            let domain = name.map_or_else(String::new, |name| name.to_string());
            report::DecisionCount { kind, domain, count }
        };
        let mut counts: Vec<report::DecisionCount> = totals.into_iter().map(count).collect();
        counts.sort_by(|one, other| (one.kind, &one.domain).cmp(&(other.kind, &other.domain)));
        counts
    }

    fn add_to(&self, totals: &mut Totals) {
        for at in 0..self.rows[0].len() - self.views.len() {
            let count: u64 = self.rows.iter().map(|row| row[at].load(Relaxed)).sum();
            if count > 0 {
                *totals.entry(self.label(at)).or_default() += count;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Decisions {
    fn drop(&mut self) {
        let mut history = self.lock();
        self.add_to(&mut history.totals);
        self.add_views_to(&mut history.views);
        history.live.retain(|live| live.strong_count() > 0);
    }
}
