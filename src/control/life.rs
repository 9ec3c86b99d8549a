//! The life of the control plane: its thread, the signals that it heeds, and the order in which all ends.
//! SIGHUP reloads; SIGTERM and SIGINT drain, a second one of them ends the waiting.

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::ControlError;
use super::core::Core;
use super::desk::Desk;
use super::protocol::Reply;
use super::systemd::Systemd;

/// Stops the server: takes no more queries, answers what is in flight, returns.
pub type Drain = Box<dyn FnOnce() + Send>;

/// A query is answered or failed within two seconds; with as much again for slow machines, nothing that could
/// still be answered is cut off.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// One for a reload, the rest for questions: more than that at once would only take cores from workers.
const BLOCKING_THREADS: usize = 4;

/// Whether this process belongs to the server, or lends it a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Heeds signals and tells systemd.
    Service,
    /// Leaves both to the rest of the process.
    Guest,
}

/// The control plane of a running server.
pub struct Control {
    thread: JoinHandle<()>,
    wishes: Arc<Wishes>,
}

/// What the rest of the process may want of the control plane.
#[derive(Default)]
struct Wishes {
    stop: Notify,
    reload: Notify,
}

/// Asks for a reload, as SIGHUP does: from a part of the process that changed what is read then.
#[derive(Clone)]
pub struct Reloader(Arc<Wishes>);

impl Reloader {
    pub fn reload(&self) {
        self.0.reload.notify_one();
    }
}

impl Control {
    /// Asks for the end, as SIGTERM does.
    pub fn stop(&self) {
        self.wishes.stop.notify_one();
    }

    pub fn reloader(&self) -> Reloader {
        Reloader(Arc::clone(&self.wishes))
    }

    /// Waits until the server is drained and all is closed.
    pub fn wait(self) {
        // Its panic has been printed; whoever waits wants to end either way.
        let _ = self.thread.join();
    }
}

/// Opens the listeners for operators and serves them until told to stop; then drains the server.
pub fn start(core: Arc<dyn Core>, drain: Drain, manner: Manner) -> Result<Control, ControlError> {
    let wishes = Arc::new(Wishes::default());
    let (opened, opens) = mpsc::channel();
    let heeded = Arc::clone(&wishes);
    let thread = thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || run(core, drain, manner, &heeded, &opened))
        .map_err(|source| ControlError::Start { source })?;
    match opens.recv() {
        Ok(Ok(())) => Ok(Control { thread, wishes }),
        Ok(Err(error)) => Err(error),
        Err(mpsc::RecvError) => Err(ControlError::Start { source: io::ErrorKind::BrokenPipe.into() }),
    }
}

type Opened = mpsc::Sender<Result<(), ControlError>>;

fn run(core: Arc<dyn Core>, drain: Drain, manner: Manner, wishes: &Wishes, opened: &Opened) {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(source) => {
            let _ = opened.send(Err(ControlError::Start { source }));
            return;
        }
    };
    runtime.block_on(live(core, drain, manner, wishes, opened));
    // A drain that is stuck must not hold up the end.
    runtime.shutdown_background();
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("control-call")
        .build()
}

async fn live(core: Arc<dyn Core>, drain: Drain, manner: Manner, wishes: &Wishes, opened: &Opened) {
    let systemd = match manner {
        Manner::Service => Systemd::Told,
        Manner::Guest => Systemd::NotTold,
    };
    let desk = Desk::new(core, systemd);
    let mut signals = match open(&desk, manner).await {
        Ok(signals) => signals,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    systemd.ready();
    desk.log_start().await;
    serve(&desk, &mut signals, wishes, systemd).await;
    end(&desk, drain, &mut signals).await;
}

async fn open(desk: &Arc<Desk>, manner: Manner) -> Result<Signals, ControlError> {
    let signals = Signals::heed(manner).map_err(|source| ControlError::Start { source })?;
    desk.open().await?;
    Ok(signals)
}

/// Until somebody asks for the end.
async fn serve(desk: &Arc<Desk>, signals: &mut Signals, wishes: &Wishes, systemd: Systemd) {
    let mut watchdog = Watchdog::new(systemd);
    loop {
        tokio::select! {
            () = wishes.stop.notified() => return,
            () = wishes.reload.notified() => {
                let desk = desk.clone();
                tokio::spawn(async move { desk.reload("this process").await });
            }
            event = signals.next() => match event {
                Event::End => return,
                Event::Reload => {
                    let desk = desk.clone();
                    tokio::spawn(async move { desk.reload("SIGHUP").await });
                }
            },
            () = watchdog.due() => feed(desk, systemd).await,
        }
    }
}

/// Tells systemd that we live, if the core says so in time. A core that is stuck gets us restarted.
async fn feed(desk: &Desk, systemd: Systemd) {
    const PATIENCE: Duration = Duration::from_secs(1);
    match timeout(PATIENCE, desk.ask(|core| core.alive())).await {
        Ok(Reply::Ok(true)) => systemd.alive(),
        _ => tracing::error!("the server doesn't say that it lives; systemd is not told so"),
    }
}

/// Not ready, no more queries, what is in flight answered, then the doors closed: operators can watch it end.
async fn end(desk: &Desk, drain: Drain, signals: &mut Signals) {
    tracing::info!("stopping: what is in flight is answered first");
    desk.stop();
    let drained = tokio::task::spawn_blocking(drain);
    tokio::select! {
        done = timeout(DRAIN_PATIENCE, drained) => {
            if done.is_err() {
                tracing::warn!("some queries were not finished in time");
            }
        }
        () = signals.end() => tracing::warn!("told to stop again: not waiting any longer"),
    }
    desk.close().await;
    tracing::info!("stopped");
}

enum Event {
    Reload,
    End,
}

/// The signals that are heeded; none in a guest.
struct Signals(Option<Heeded>);

struct Heeded {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn heed(manner: Manner) -> io::Result<Signals> {
        if manner == Manner::Guest {
            return Ok(Signals(None));
        }
        Ok(Signals(Some(Heeded {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })))
    }

    async fn next(&mut self) -> Event {
        let Some(heeded) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = heeded.hangup.recv() => Event::Reload,
            _ = heeded.terminate.recv() => Event::End,
            _ = heeded.interrupt.recv() => Event::End,
        }
    }

    async fn end(&mut self) {
        while let Event::Reload = self.next().await {}
    }
}

/// When the next sign of life is due; never without a watchdog.
struct Watchdog(Option<Interval>);

impl Watchdog {
    fn new(systemd: Systemd) -> Watchdog {
        Watchdog(systemd.watchdog_period().map(|period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }))
    }

    async fn due(&mut self) {
        match &mut self.0 {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}
