//! The running server, as its operators see it: started, reloaded, asked about itself, drained. Owns the
//! workers and which listeners they have; takes no part in any query.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant, UNIX_EPOCH};
use std::{fmt, io};

use arc_swap::ArcSwap;

use super::counts::{self, Origin, WorkerCounts};
use super::loops::Loops;
use super::names::Names;
use super::operators::follows::Follows;
use super::reports::{
    endpoint_report, exchange_samples, listener_reports, target_samples, tracing_level, transport_counts,
    view_reports, zone_reports,
};
use super::snapshot::{Built, Snapshot};
use super::thread::{self, Handle, Order};
use super::worker::{Connections, Inbox, Shared};
use super::{diff, drains, explain, listen, reread};
use crate::config::aws::Following;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::{self};
use crate::control::report::{self, Outcome};
use crate::control::{Asking, Core, Settings, UnknownListener, UnknownTarget, UnknownZone, Which};
use crate::forward::coalesce::InFlight;
use crate::forward::pick::{Endpoint, Member};
use crate::forward::stats::Registry;
use crate::sys;
use crate::transfer::desk::Desk;
use crate::transfer::held::{Held, Source};
use crate::wire::name::Name;

/// A listener that goes is given so long to answer what has arrived.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Questions that began under an old snapshot are answered or failed well within this.
const RETIRE_WITHIN: Duration = Duration::from_secs(10);
/// A worker that has not turned for so long stands still.
const STANDSTILL: Duration = Duration::from_secs(10);

/// Why a server does not start.
#[derive(Debug)]
pub enum StartError {
    Listen { address: SocketAddr, source: io::Error },
    Worker { source: io::Error },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { address, source } => f.write_str(&listen_problem(*address, source)),
            StartError::Worker { .. } => f.write_str("a worker can't start"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { source, .. } | StartError::Worker { source } => Some(source),
        }
    }
}

/// What to do about an address that can't be served.
fn listen_problem(address: SocketAddr, source: &io::Error) -> String {
    let help = match source.kind() {
        io::ErrorKind::AddrInUse => "another server listens there: stop it, or listen elsewhere",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE, as the systemd unit gives it"
        }
        io::ErrorKind::AddrNotAvailable => "this host has no such address",
        _ => "see [server] listen",
    };
    format!("can't listen on {address}: {source} ({help})")
}

pub struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    names: Arc<Names>,
    /// Looks up names, once there are some.
    lookups: OnceLock<()>,
    /// Held while the snapshot is replaced, so that no two do it at once.
    changing: Mutex<()>,
    running: Mutex<Running>,
    counts: Vec<Arc<WorkerCounts>>,
    began: Instant,
    reloads: AtomicU64,
    reload_failures: AtomicU64,
    /// How whoever follows AWS for it fares.
    pub follows: Follows,
    last_failure: Mutex<Option<(Instant, String)>>,
    heartbeat: Mutex<(Instant, Vec<u64>)>,
    /// For its threads, which must not keep it alive.
    this: OnceLock<Weak<Server>>,
}

struct Running {
    workers: Vec<Handle>,
    listeners: Vec<SocketAddr>,
}

/// A configuration that can be served: read, checked, and nothing started yet.
pub struct Prepared {
    path: PathBuf,
    registry: Arc<Registry>,
    names: Arc<Names>,
    snapshot: Snapshot,
    /// What is legal but surprising.
    pub warnings: Vec<Diagnostic>,
}

impl Prepared {
    /// Reads the files. Gives their faults if there are any, warnings among them.
    pub fn read(path: &Path) -> Result<Prepared, Vec<Diagnostic>> {
        sys::return_large_pieces();
        let registry = Arc::new(Registry::default());
        let names = Arc::new(Names::default());
        let Built { snapshot, diagnostics } = Snapshot::build_with(path, None, &registry, &names);
        let Some(snapshot) = snapshot else { return Err(diagnostics) };
        sys::give_back_memory();
        Ok(Prepared { path: path.to_path_buf(), registry, names, snapshot, warnings: diagnostics })
    }

    pub fn config(&self) -> &config::Config {
        &self.snapshot.config
    }

    /// Looks up the names of targets, opens the listeners and starts the workers.
    pub fn start(mut self) -> Result<Arc<Server>, StartError> {
        let addresses = self.snapshot.config.server.listen.clone();
        learn(&self.names, &mut self.snapshot, None);
        self.snapshot.take_effect();
        let count = self.snapshot.config.server.workers;
        for &address in &addresses {
            listen::check_free(address).map_err(|source| StartError::Listen { address, source })?;
        }
        let desk = Desk::start().map_err(|source| StartError::Worker { source })?;
        desk.hold(self.snapshot.zones.iter().map(|zone| Arc::clone(&zone.held)).collect());
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(self.snapshot),
            in_flight: InFlight::default(),
            inboxes: (0..count).map(|_| Inbox::default()).collect(),
            connections: Connections::default(),
            loops: Loops::default(),
            desk: Some(desk),
        });
        let worker =
            |index| thread::start(index, Arc::clone(&shared)).map_err(|source| StartError::Worker { source });
        let workers = (0..count).map(worker).collect::<Result<Vec<_>, _>>()?;
        let mut running = Running { workers, listeners: Vec::new() };
        for &address in &addresses {
            running.listen(address).map_err(|source| StartError::Listen { address, source })?;
        }
        let server = Arc::new(Server {
            path: self.path,
            names: self.names,
            lookups: OnceLock::new(),
            changing: Mutex::new(()),
            counts: running.workers.iter().map(|worker| Arc::clone(&worker.counts)).collect(),
            shared,
            registry: self.registry,
            running: Mutex::new(running),
            began: Instant::now(),
            reloads: AtomicU64::new(0),
            reload_failures: AtomicU64::new(0),
            follows: Follows::default(),
            last_failure: Mutex::new(None),
            heartbeat: Mutex::new((Instant::now(), Vec::new())),
            this: OnceLock::new(),
        });
        let _ = server.this.set(Arc::downgrade(&server));
        server.keep_names();
        Ok(server)
    }
}

impl Server {
    /// Stops taking questions, answers those in flight, ends the workers.
    pub fn drain(&self) {
        self.names.end();
        let mut running = lock(&self.running);
        for worker in &running.workers {
            // A worker that is gone has nothing left to drain.
            let _ = worker.orders.send(Order::Drain);
        }
        for worker in &mut running.workers {
            worker.join();
        }
    }

    /// Starts what keeps the names of targets up to date, if there are any and it does not run.
    fn keep_names(&self) {
        let Some(this) = self.this.get().cloned() else { return };
        if self.snapshot().config.target_names().next().is_none() {
            return;
        }
        self.lookups.get_or_init(|| {
            let names = Arc::clone(&self.names);
            let keep = move || {
                while names.wait() {
                    let changed = names.look_up(Instant::now());
                    let Some(server) = this.upgrade() else { return };
                    if changed {
                        server.take_new_addresses();
                    }
                }
            };
            if let Err(error) = thread_named("names", keep) {
                tracing::error!(%error, "the names of targets are not looked up again");
            }
        });
    }

    /// As a reload that finds nothing new but the addresses of names.
    fn take_new_addresses(&self) {
        let _changing = lock(&self.changing);
        let old = self.snapshot();
        let new = Arc::new(old.with_new_addresses(Instant::now()));
        new.take_effect();
        self.shared.snapshot.store(Arc::clone(&new));
        self.registry.retain(|series| new.asks(series));
        retire(old);
    }

    /// What of AWS is to be followed; none if the configuration wants nothing.
    pub fn following(&self) -> Option<Following> {
        self.snapshot().config.following()
    }

    fn endpoint_reports(&self, snapshot: &Snapshot) -> Vec<report::EndpointStatus> {
        let now = Instant::now();
        let report = |(index, endpoint): (usize, &Arc<Endpoint>)| {
            endpoint_report(endpoint, snapshot.names_in(index), now)
        };
        snapshot.endpoints.iter().enumerate().map(report).collect()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    fn loops(&self, snapshot: &Snapshot) -> Vec<report::LoopStatus> {
        self.shared.loops.reports(|domain| snapshot.rules_now(domain), Instant::now())
    }

    fn refuse(&self, diagnostics: Vec<Diagnostic>, problems: Vec<String>) -> report::Reload {
        self.reload_failures.fetch_add(1, Relaxed);
        let first = diagnostics.iter().find(|fault| fault.severity == Severity::Error);
        let reason = first.map_or_else(|| problems.join("; "), first_fault);
        *lock(&self.last_failure) = Some((Instant::now(), reason));
        report::Reload {
            outcome: Outcome::Refused,
            hash: self.snapshot().config.hash.clone(),
            changes: Vec::new(),
            cache_kept: self.shared.snapshot.load().cache.usage().entries,
            cache_purged: 0,
            diagnostics,
            problems,
        }
    }

    /// Swaps in what was built aside. Listeners open before the swap and close behind it.
    fn apply(&self, new: Snapshot, diagnostics: Vec<Diagnostic>) -> report::Reload {
        let old = self.snapshot();
        let changes = diff::changes(&old, &new);
        let mut running = lock(&self.running);
        let wanted: HashSet<SocketAddr> = new.config.server.listen.iter().copied().collect();
        if let Err(problem) = running.open_new(&wanted) {
            drop(running);
            return self.refuse(diagnostics, vec![problem]);
        }
        new.take_effect();
        let new = Arc::new(new);
        self.shared.snapshot.store(Arc::clone(&new));
        if let Some(desk) = &self.shared.desk {
            desk.hold(new.zones.iter().map(|zone| Arc::clone(&zone.held)).collect());
        }
        running.close_others(&wanted);
        drop(running);
        self.reloads.fetch_add(1, Relaxed);
        *lock(&self.last_failure) = None;
        let (cache_kept, cache_purged) = purge(&old, &new);
        let outcome = if changes.is_empty() { Outcome::Unchanged } else { Outcome::Applied };
        let hash = new.config.hash.clone();
        self.registry.retain(|series| new.asks(series));
        new.decisions.retain(|kind, name| new.decides(kind, name));
        new.decisions.retain_views();
        retire(old);
        report::Reload { outcome, hash, changes, cache_kept, cache_purged, diagnostics, problems: Vec::new() }
    }
}

impl Core for Server {
    // No lower priority: with 100,000 rules, 20,000 queries a second from the cache and all of it on two cores,
    // p99.9 was 4.3 ms during a reload (without one, 1 to 3.5 ms), and neither nice 10, SCHED_BATCH, SCHED_IDLE
    // nor a short slice made it less; but the niced reload once took 3.6 s instead of 0.2 s.
    fn reload(&self) -> report::Reload {
        let _changing = lock(&self.changing);
        let old = self.snapshot();
        let Built { snapshot, diagnostics } =
            Snapshot::build_with(&self.path, Some(&old), &self.registry, &self.names);
        match snapshot {
            Some(mut snapshot) => {
                learn(&self.names, &mut snapshot, Some(&old));
                drop(old);
                let report = self.apply(snapshot, diagnostics);
                self.names.settle_on(&self.snapshot().config, Instant::now());
                self.keep_names();
                self.follows.came_anew();
                report
            }
            None => self.refuse(diagnostics, Vec::new()),
        }
    }

    fn reload_zone(&self, name: &Name) -> Result<report::ZoneReloads, UnknownZone> {
        let snapshot = self.snapshot();
        let held = reread::of_name(&snapshot, name)?;
        let files = lock(&self.changing);
        let read = |held: &Arc<Held>| (held.terms().source != Source::Primaries).then(|| reread::file(held));
        let zones: Vec<_> = held.iter().map(|held| (held, read(held))).collect();
        // Primaries may be slow: others may change things meanwhile.
        drop(files);
        let fetched = |(held, read): (&Arc<Held>, Option<_>)| read.unwrap_or_else(|| reread::ask(held));
        Ok(report::ZoneReloads { zones: zones.into_iter().map(fetched).collect() })
    }

    fn status(&self) -> report::Status {
        let snapshot = self.snapshot();
        let usage = snapshot.cache.usage();
        let loaded_at = snapshot.loaded_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let answers = counts::answers(&self.counts);
        report::Status {
            version: env!("CARGO_PKG_VERSION").to_string(),
            uptime_secs: self.began.elapsed().as_secs(),
            config: report::ConfigStatus {
                files: snapshot.config.files.clone(),
                hash: snapshot.config.hash.clone(),
                loaded_at,
            },
            listeners: listener_reports(&lock(&self.running).listeners),
            rules: snapshot.rules.len() as u64,
            zones: zone_reports(&snapshot),
            views: view_reports(&snapshot),
            endpoints: self.endpoint_reports(&snapshot),
            loops: self.loops(&snapshot),
            cache: report::CacheStatus {
                entries: usage.entries,
                bytes: usage.bytes,
                limit_bytes: usage.limit_bytes,
                hits: answers[Origin::Cache as usize].count,
                misses: counts::sum(&self.counts, |worker| &worker.misses),
                stale: answers[Origin::Stale as usize].count,
            },
            queries: transport_counts(&self.counts),
            reloads: self.reloads.load(Relaxed),
            reload_failures: self.reload_failures.load(Relaxed),
            last_reload_failure: lock(&self.last_failure).as_ref().map(|(at, reason)| {
                report::ReloadFailure { secs_ago: at.elapsed().as_secs(), reason: reason.clone() }
            }),
        }
    }

    fn explain(&self, asking: &Asking) -> Result<report::Explanation, UnknownListener> {
        explain::explain(&self.snapshot(), asking, explain::Knows::State(&self.shared.loops))
    }

    fn flush(&self, name: &Name, tree: bool) -> report::Flush {
        report::Flush { entries: self.snapshot().cache.flush(name.as_wire(), tree) }
    }

    fn targets(&self) -> report::Targets {
        report::Targets { endpoints: self.endpoint_reports(&self.snapshot()), warnings: Vec::new() }
    }

    fn drain_targets(
        &self,
        which: &Which,
        length: Option<Duration>,
    ) -> Result<report::Targets, UnknownTarget> {
        drains::drain(&self.snapshot(), which, length, Instant::now())
    }

    fn enable_targets(&self, which: &Which) -> Result<report::Targets, UnknownTarget> {
        drains::enable(&self.snapshot(), which, Instant::now())
    }

    fn ready(&self) -> report::Ready {
        let snapshot = self.snapshot();
        let now = Instant::now();
        let is_of_use =
            |member: &Member| !member.target.state().is_down() && member.target.drained_for(now).is_none();
        let dark = |endpoint: &&Arc<Endpoint>| !endpoint.targets.iter().any(is_of_use);
        let reason =
            |endpoint: &Arc<Endpoint>| format!("endpoint {}: all targets are down or drained", endpoint.name);
        let reasons: Vec<String> = snapshot.endpoints.iter().filter(dark).map(reason).collect();
        // With some endpoint alive, and for zones and the cache, this server still is of use.
        let all_dark = !snapshot.endpoints.is_empty() && reasons.len() == snapshot.endpoints.len();
        report::Ready { ready: !all_dark, reasons }
    }

    fn sample(&self) -> report::Sample {
        let snapshot = self.snapshot();
        let usage = snapshot.cache.usage();
        report::Sample {
            names: self.names.samples(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            config_hash: snapshot.config.hash.clone(),
            uptime_secs: self.began.elapsed().as_secs_f64(),
            queries: counts::queries(&self.counts),
            answers: counts::answers(&self.counts),
            decisions: snapshot.decisions.totals(),
            views: snapshot.decisions.views(),
            zones: zone_reports(&snapshot),
            exchanges: exchange_samples(&self.registry),
            targets: target_samples(&snapshot),
            cache: report::CacheSample {
                entries: usage.entries,
                bytes: usage.bytes,
                limit_bytes: usage.limit_bytes,
                evictions: usage.evictions,
            },
            reloads: self.reloads.load(Relaxed),
            reload_failures: self.reload_failures.load(Relaxed),
            dropped: counts::dropped(&self.counts),
            shed: counts::shed(&self.counts),
            refreshes: counts::sum(&self.counts, |worker| &worker.refreshes),
            loops: self.shared.loops.found(),
            quarantined: self.loops(&snapshot).iter().filter(|rule| rule.quarantined).count() as u64,
            in_flight: counts::sum(&self.counts, |worker| &worker.in_flight),
            tcp_connections: self.shared.connections.open() as u64,
            aws: self.follows.sample(&snapshot.config),
        }
    }

    fn settings(&self) -> Settings {
        let snapshot = self.snapshot();
        Settings {
            socket: Some(snapshot.config.control.socket.clone()),
            metrics: snapshot.config.metrics.listen,
            log_level: Some(tracing_level(snapshot.config.log.level)),
        }
    }

    fn alive(&self) -> bool {
        let beats: Vec<u64> = self.counts.iter().map(|worker| worker.beats.load(Relaxed)).collect();
        let mut heartbeat = lock(&self.heartbeat);
        let all_moved =
            heartbeat.1.len() != beats.len() || heartbeat.1.iter().zip(&beats).all(|(old, new)| new > old);
        if all_moved {
            *heartbeat = (Instant::now(), beats);
        }
        heartbeat.0.elapsed() < STANDSTILL
    }
}

impl Running {
    fn listen(&mut self, address: SocketAddr) -> io::Result<()> {
        let sockets = listen::open(address, self.workers.len())?;
        for (worker, sockets) in self.workers.iter().zip(sockets) {
            worker.orders.send(Order::Listen(sockets)).map_err(|_| io::Error::other("a worker is gone"))?;
        }
        self.listeners.push(address);
        Ok(())
    }

    /// Opens what is wanted and not there yet. On trouble, what was opened is closed again.
    fn open_new(&mut self, wanted: &HashSet<SocketAddr>) -> Result<(), String> {
        let before: HashSet<SocketAddr> = self.listeners.iter().copied().collect();
        for &address in wanted.difference(&before) {
            if let Err(error) = self.listen(address) {
                self.close_others(&before);
                return Err(listen_problem(address, &error));
            }
        }
        Ok(())
    }

    /// Closes all but what is wanted, and waits until what has arrived there is answered.
    fn close_others(&mut self, wanted: &HashSet<SocketAddr>) {
        let (kept, closed): (Vec<_>, Vec<_>) =
            self.listeners.drain(..).partition(|address| wanted.contains(address));
        self.listeners = kept;
        let (done, all_done) = mpsc::channel();
        for address in closed {
            for worker in &self.workers {
                let _ = worker.orders.send(Order::Close { address, done: done.clone() });
            }
        }
        drop(done);
        // Nothing is ever sent: the wait ends when the last worker has let go of its end.
        let _ = all_done.recv_timeout(CLOSE_WITHIN);
    }
}

/// Looks up the names that nothing is known of yet, and takes what that gives.
fn learn(names: &Names, snapshot: &mut Snapshot, before: Option<&Snapshot>) {
    if names.want(&snapshot.config, Instant::now()) {
        names.look_up(Instant::now());
        snapshot.find_targets(before);
    }
}

fn thread_named(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_string()).spawn(run).map(|_| ())
}

/// Waits until no worker has a question left that began under the old snapshot, and drops it: freeing 100,000
/// rules takes longer than a worker may stand still.
fn retire(old: Arc<Snapshot>) {
    let wait = move || {
        let given_up = Instant::now() + RETIRE_WITHIN;
        while Arc::strong_count(&old) > 1 && Instant::now() < given_up {
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(old);
        sys::give_back_memory();
    };
    // Without a thread, whoever lets go last drops it.
    let _ = thread_named("retire", wait);
}

/// Drops what rules that are gone have made, so that it takes no room; gives kept and purged.
fn purge(old: &Arc<Snapshot>, new: &Arc<Snapshot>) -> (u64, u64) {
    let old_tags: HashSet<u32> = old.rules.iter().map(|rule| rule.tag).collect();
    let tags: HashSet<u32> = new.rules.iter().map(|rule| rule.tag).collect();
    let (old_own, own) = (old.own_caches(), new.own_caches());
    let purged = match old_tags.is_subset(&tags)
        && old_own.is_subset(&own)
        && Arc::ptr_eq(&old.cache, &new.cache)
    {
        true => 0,
        false => new.cache.remove_where(|entry| !tags.contains(&entry.rule) || !own.contains(&entry.own())),
    };
    (new.cache.usage().entries, purged)
}

fn first_fault(fault: &Diagnostic) -> String {
    format!("{}:{}: {}", fault.file.display(), fault.line, fault.message)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
