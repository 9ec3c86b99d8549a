//! Keeps a secondary zone: asks its primaries when its SOA says so, or when one of them says that there is
//! something new; fetches what is newer; lets the zone expire when nobody vouches for it (RFC 1034 section 4.3.5,
//! RFC 1996). A primary that is silent, lies or sends what is no zone changes nothing.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::held::{Held, Peer};
use super::intake::Transfer;
use super::peer::{self, PeerError};
use crate::limits::{EXPIRE_MAX, EXPIRE_MIN, REFRESH_MAX, REFRESH_MIN, RETRY_MAX, RETRY_MIN};
use crate::zone::{Delta, Serial, Zone};

/// Between two looks that notices cause: a burst of them is one.
const AFTER_NOTICE: Duration = Duration::from_millis(100);

/// The SOA's numbers behind the serial, in seconds: refresh, retry, expire.
fn timers(zone: &Zone) -> [Duration; 3] {
    let soa = zone.soa();
    let numbers = soa.rdata.last_chunk::<20>().copied().unwrap_or_default();
    [4, 8, 12].map(|at| {
        let octets = [numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]];
        Duration::from_secs(u32::from_be_bytes(octets).into())
    })
}

/// How long a zone holds without being vouched for.
pub fn expire_of(zone: &Zone) -> Duration {
    timers(zone)[2].clamp(EXPIRE_MIN, EXPIRE_MAX)
}

/// Up to a tenth less, so that the secondaries of a primary don't all come at once.
fn jittered(time: Duration) -> Duration {
    time - time.mul_f64(rand::random::<f64>() / 10.0)
}

/// What a round over the primaries came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    Vouched,
    Failed,
}

/// Runs as long as the zone is in the configuration.
pub async fn keep(held: Arc<Held>, transfers: Arc<Semaphore>) {
    let mut keeper = Keeper { held, transfers, failures: 0 };
    let mut wait = keeper.first_wait();
    loop {
        let held = Arc::clone(&keeper.held);
        held.tell(|story| story.next_refresh = Some(SystemTime::now() + wait));
        let expires = keeper.until_expiry();
        tokio::select! {
            () = sleep(expires.unwrap_or(wait)), if expires.is_some_and(|expires| expires < wait) => {
                held.expire();
                wait = wait.saturating_sub(expires.unwrap_or_default());
                continue;
            }
            () = sleep(wait) => {}
            () = held.heard.notified() => sleep(AFTER_NOTICE).await,
        }
        let came = keeper.round().await;
        held.tell(|story| story.rounds += 1);
        wait = match came {
            Round::Vouched => keeper.refresh_wait(),
            Round::Failed => keeper.retry_wait(),
        };
    }
}

struct Keeper {
    held: Arc<Held>,
    transfers: Arc<Semaphore>,
    /// Rounds in a row that failed.
    failures: u32,
}

impl Keeper {
    /// A copy from disk is asked about when its time has come, and within a retry's time anyway: notices that came while
    /// nobody was here to hear them are lost. At some moment of it, as a start may have many zones. Without a copy, at
    /// once.
    fn first_wait(&self) -> Duration {
        let (Some(zone), Some(vouched)) = (self.held.stored(), self.held.story().vouched) else {
            return Duration::ZERO;
        };
        let [refresh, retry, _] = timers(&zone);
        let due = vouched + refresh.clamp(REFRESH_MIN, REFRESH_MAX);
        let soon = retry.clamp(RETRY_MIN, RETRY_MAX).mul_f64(rand::random());
        due.duration_since(SystemTime::now()).unwrap_or_default().min(soon)
    }

    fn until_expiry(&self) -> Option<Duration> {
        self.held.zone().as_ref()?;
        let expires = self.held.story().expires?;
        Some(expires.duration_since(SystemTime::now()).unwrap_or_default())
    }

    fn refresh_wait(&mut self) -> Duration {
        self.failures = 0;
        let refresh = self.held.stored().map_or(REFRESH_MIN, |zone| timers(&zone)[0]);
        jittered(refresh.clamp(REFRESH_MIN, REFRESH_MAX))
    }

    /// What the SOA says, or ever longer waits where there is none.
    fn retry_wait(&mut self) -> Duration {
        self.failures = (self.failures + 1).min(16);
        let retry = match self.held.stored() {
            Some(zone) => timers(&zone)[1],
            None => RETRY_MIN.saturating_mul(1 << (self.failures - 1)),
        };
        jittered(retry.clamp(RETRY_MIN, RETRY_MAX))
    }

    /// Asks one primary after the other until one vouches for what we have or gives what is newer.
    async fn round(&self) -> Round {
        let terms = self.held.terms();
        let mut primaries = terms.primaries.clone();
        let heard = *self.held.heard_from.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has told of something new is asked first.
        if let Some(at) = primaries.iter().position(|peer| Some(peer.address.ip()) == heard) {
            primaries.rotate_left(at);
        }
        for primary in &primaries {
            match self.ask(primary).await {
                Ok(()) => return Round::Vouched,
                Err(why) => {
                    let (zone, address) = (&terms.name, primary.address);
                    tracing::warn!(%zone, primary = %address, "a primary is of no use: {why}");
                    self.held.primary_failed(address, &why);
                }
            }
        }
        self.held.tell(|story| story.failures += 1);
        Round::Failed
    }

    async fn ask(&self, primary: &Peer) -> Result<(), String> {
        let terms = self.held.terms();
        let there = peer::serial(primary, &terms.name).await.map_err(|error| error.to_string())?;
        let Some(ours) = self.held.stored() else { return self.fetch(primary, None, there).await };
        let have = Serial(ours.serial());
        if there == have {
            self.vouched(primary);
            return Ok(());
        }
        if !there.is_newer_than(have) {
            return Err(format!("its serial {there} is older than ours, {have}"));
        }
        self.fetch(primary, Some(ours), there).await
    }

    fn vouched(&self, primary: &Peer) {
        let now = SystemTime::now();
        self.held.vouched(now);
        self.tell_of(primary, now);
    }

    fn tell_of(&self, primary: &Peer, now: SystemTime) {
        let expires = self.held.stored().map(|zone| now + expire_of(&zone));
        self.held.tell(|story| {
            (story.primary, story.vouched, story.expires) = (Some(primary.address), Some(now), expires);
            story.failure = None;
        });
    }

    /// Changes if we have something that they could change; the whole zone where that does not work.
    async fn fetch(&self, primary: &Peer, ours: Option<Arc<Zone>>, told: Serial) -> Result<(), String> {
        let _place = self.transfers.acquire().await.map_err(|error| error.to_string())?;
        if let Some(ours) = &ours {
            match self.fetch_as(primary, Some(Arc::clone(ours)), told).await {
                Ok(()) => return Ok(()),
                Err(why) => {
                    let zone = &self.held.terms().name;
                    tracing::info!(%zone, primary = %primary.address, "no incremental transfer: {why}");
                }
            }
        }
        let whole = Whole { ours: ours.map(|ours| Serial(ours.serial())) };
        self.fetch_whole(primary, whole, told).await
    }

    async fn fetch_as(&self, primary: &Peer, ours: Option<Arc<Zone>>, told: Serial) -> Result<(), String> {
        let name = self.held.terms().name.clone();
        let transfer = peer::transfer(primary, &name, ours.as_deref().map(Zone::soa)).await;
        match transfer.map_err(|error: PeerError| error.to_string())? {
            Transfer::Current(serial) => Err(format!("it told of {told} and has {serial}")),
            Transfer::Changes(deltas) => {
                let Some(ours) = ours else { return Err("changes of nothing".to_owned()) };
                self.take(primary, move |source| changed(&ours, deltas, source)).await
            }
            Transfer::Whole(records) => {
                let have = ours.map(|ours| Serial(ours.serial()));
                self.take(primary, move |source| whole(&name, &records, have, source)).await
            }
        }
    }

    async fn fetch_whole(&self, primary: &Peer, before: Whole, told: Serial) -> Result<(), String> {
        let name = self.held.terms().name.clone();
        let transfer = peer::transfer(primary, &name, None).await;
        match transfer.map_err(|error: PeerError| error.to_string())? {
            Transfer::Whole(records) => {
                self.take(primary, move |source| whole(&name, &records, before.ours, source)).await
            }
            _ => Err(format!("it told of {told} and does not give it")),
        }
    }

    /// Builds, keeps and publishes a version, off the desk's own thread: large zones take a second.
    async fn take(
        &self,
        primary: &Peer,
        build: impl FnOnce(&str) -> Result<(Zone, Option<Vec<Delta>>), String> + Send + 'static,
    ) -> Result<(), String> {
        let held = Arc::clone(&self.held);
        let source = format!("primary {}", primary.address);
        let now = SystemTime::now();
        let taken = tokio::task::spawn_blocking(move || {
            let (zone, deltas) = build(&source)?;
            let facts = (zone.serial(), zone.records(), deltas.is_some());
            Ok::<_, String>((facts, held.take_version(zone, deltas, now)))
        });
        let ((serial, records, incremental), trouble) = taken.await.map_err(|error| error.to_string())??;
        let zone = &self.held.terms().name;
        tracing::info!(%zone, primary = %primary.address, serial, records, incremental, "a zone was transferred");
        self.tell_of(primary, now);
        self.held.tell(|story| story.transfers_in += 1);
        if let Some(trouble) = trouble {
            tracing::error!(%zone, "{trouble}");
            self.held.failed(trouble);
        }
        Ok(())
    }
}

/// What a whole zone has to be newer than.
struct Whole {
    ours: Option<Serial>,
}

fn changed(ours: &Zone, deltas: Vec<Delta>, source: &str) -> Result<(Zone, Option<Vec<Delta>>), String> {
    let joined = Delta::joined(&deltas).ok_or("its changes don't follow one another")?;
    let zone =
        ours.changed(&joined).map_err(|unfit| format!("the changes of {source} don't fit: {unfit}"))?;
    Ok((zone, Some(deltas)))
}

fn whole(
    name: &crate::wire::name::Name,
    records: &crate::zone::Records,
    ours: Option<Serial>,
    source: &str,
) -> Result<(Zone, Option<Vec<Delta>>), String> {
    let zone = Zone::from_records(name, records.iter(), source)
        .map_err(|unfit| format!("no sound zone: {unfit}"))?;
    let serial = Serial(zone.serial());
    if let Some(ours) = ours.filter(|ours| !serial.is_newer_than(*ours)) {
        return Err(format!("it sent serial {serial}, which is not newer than ours, {ours}"));
    }
    Ok((zone, None))
}
