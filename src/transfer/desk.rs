//! The zone desk: a thread with a runtime of its own, where transfers, notices and updates are worked on, so that no
//! worker waits. Takes what workers hand over, and keeps zones up to date as long as they are in the configuration.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

use super::held::{ChangeError, Held, Source};
use super::outflow::{Content, Outflow};
use super::update::{Rcode, Working};
use super::{intake, notify, peer, secondary, watch};
use crate::limits::{DESK_WAITING, MESSAGE, TRANSFER_AHEAD, TRANSFERS_IN, TRANSFERS_OUT, UPDATES_TOGETHER};
use crate::wire::answer::{Failure, write_error};
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::header::{HEADER, bit, opcode, rcode, u16_at};
use crate::wire::query::{Folded, Judged, Query, judge};
use crate::wire::rdata::{class, rtype};
use crate::wire::records::{self, Reader};
use crate::wire::tsig::Chain;

/// A message for a zone that is not answered in a turn.
pub struct Errand {
    pub held: Arc<Held>,
    /// The message, its signature checked and taken off.
    pub request: Vec<u8>,
    pub client: SocketAddr,
    /// Octets that the answer may have over UDP; none over TCP.
    pub datagram: Option<usize>,
    /// How the answer is to be signed, and the key by its place in the configuration.
    pub signed: Option<(Chain, u32)>,
    /// Where the answer goes, message by message. Over UDP there is exactly one.
    pub answer: mpsc::Sender<Vec<u8>>,
}

/// What an errand's answer comes through.
pub fn answers() -> (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>) {
    mpsc::channel(TRANSFER_AHEAD)
}

/// An update that waits for others.
pub struct UpdateJob {
    message: Vec<u8>,
    done: oneshot::Sender<Rcode>,
}

/// The desk, as workers and the server see it. It ends when the last of these is dropped.
#[derive(Clone)]
pub struct Desk {
    errands: mpsc::Sender<Errand>,
    zones: mpsc::UnboundedSender<Vec<Arc<Held>>>,
}

impl Desk {
    pub fn start() -> io::Result<Desk> {
        let (errands, errands_out) = mpsc::channel(DESK_WAITING);
        let (zones, zones_out) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            runtime.block_on(run(errands_out, zones_out));
            // A transfer from a primary that is being read is of no use any more.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("zones".to_owned()).spawn(run)?;
        Ok(Desk { errands, zones })
    }

    /// Hands a message over; false if there are too many.
    pub fn submit(&self, errand: Errand) -> bool {
        self.errands.try_send(errand).is_ok()
    }

    /// These zones are held from now on, and no others.
    pub fn hold(&self, zones: Vec<Arc<Held>>) {
        let _ = self.zones.send(zones);
    }
}

async fn run(mut errands: mpsc::Receiver<Errand>, mut zones: mpsc::UnboundedReceiver<Vec<Arc<Held>>>) {
    let outgoing = Arc::new(Semaphore::new(TRANSFERS_OUT));
    let incoming = Arc::new(Semaphore::new(TRANSFERS_IN));
    let mut keepers: HashMap<usize, Keepers> = HashMap::new();
    loop {
        tokio::select! {
            held = zones.recv() => {
                let Some(held) = held else { return };
                let address = |held: &Arc<Held>| Arc::as_ptr(held).addr();
                let wanted: HashMap<usize, &Arc<Held>> = held.iter().map(|held| (address(held), held)).collect();
                keepers.retain(|at, _| wanted.contains_key(at));
                for (at, held) in wanted {
                    keepers.entry(at).or_insert_with(|| Keepers::start(held, &incoming));
                }
            }
            Some(errand) = errands.recv() => {
                tokio::spawn(handle(errand, Arc::clone(&outgoing)));
            }
        }
    }
}

/// What keeps one zone up to date. Ends when it is dropped.
struct Keepers {
    tasks: Vec<JoinHandle<()>>,
    /// So that no other zone gets its address.
    _held: Arc<Held>,
}

impl Drop for Keepers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Keepers {
    fn start(held: &Arc<Held>, incoming: &Arc<Semaphore>) -> Keepers {
        let mut tasks = vec![tokio::spawn(notify::keep(Arc::clone(held)))];
        match &held.terms().source {
            Source::Primaries => {
                tasks.push(tokio::spawn(secondary::keep(Arc::clone(held), Arc::clone(incoming))));
            }
            Source::File { .. } => {
                tasks.push(tokio::spawn(watch::keep(Arc::clone(held))));
                let updates = held.updates_out.lock().unwrap_or_else(PoisonError::into_inner).take();
                tasks.extend(updates.map(|updates| tokio::spawn(take_updates(Arc::clone(held), updates))));
            }
        }
        Keepers { tasks, _held: Arc::clone(held) }
    }
}

async fn handle(mut errand: Errand, outgoing: Arc<Semaphore>) {
    match u16_at(&errand.request, 2) & bit::OPCODE {
        opcode::NOTIFY => {
            let code = errand.hear();
            errand.reply(code).await;
        }
        opcode::UPDATE => {
            let code = errand.update().await;
            errand.reply(code).await;
        }
        _ => errand.give(&outgoing).await,
    }
}

impl Errand {
    /// Sends one message of the answer; false if nobody is there any more.
    async fn send(&mut self, mut message: Vec<u8>) -> bool {
        if let Some((chain, _)) = &mut self.signed {
            chain.sign(&mut message, peer::now());
        }
        self.answer.send(message).await.is_ok()
    }

    /// Sends header and question back with a code.
    async fn reply(&mut self, code: Rcode) {
        let reply = bare_reply(&self.request, code);
        self.send(reply).await;
    }

    async fn refuse(&mut self, query: &Query<'_>, code: u16, why: ExtendedError) {
        let mut out = [0; 512];
        let len = write_error(&mut out, &Failure::of(query, code), Some(&why));
        self.send(out[..len].to_vec()).await;
    }

    fn key(&self) -> Option<u32> {
        self.signed.as_ref().map(|(_, index)| *index)
    }

    fn reserve(&self) -> usize {
        self.signed.as_ref().map_or(0, |(chain, _)| chain.octets())
    }

    /// Answers AXFR and IXFR.
    async fn give(&mut self, outgoing: &Semaphore) {
        let request = self.request.clone();
        let mut folded = Folded::default();
        let Judged::Ask(query) = judge(&request, &mut folded) else {
            return self.reply(rcode::FORMERR).await;
        };
        let terms = self.held.terms();
        let zone = &terms.name;
        if !terms.allow_transfer.allows_with(self.client.ip(), self.key()) {
            tracing::info!(%zone, client = %self.client, "a transfer was refused");
            let why =
                ExtendedError::new(ErrorCode::Prohibited, "transfers of this zone are not for this client");
            return self.refuse(&query, rcode::REFUSED, why).await;
        }
        if self.held.zone().is_none() {
            let why = ExtendedError::new(ErrorCode::NotReady, "the zone is not there yet, or has expired");
            return self.refuse(&query, rcode::SERVFAIL, why).await;
        }
        let Ok(_place) = outgoing.try_acquire() else {
            let why = ExtendedError::new(ErrorCode::Other, "too many transfers at once: try again");
            return self.refuse(&query, rcode::SERVFAIL, why).await;
        };
        match self.content(&query) {
            Some(content) => self.give_content(&query, content).await,
            None => self.reply(rcode::FORMERR).await,
        }
    }

    /// What to send; none for an IXFR that does not say what the client has, and for AXFR over UDP, which there is
    /// none (RFC 5936 section 4.2).
    fn content(&self, query: &Query<'_>) -> Option<Content> {
        if query.rtype() == rtype::AXFR {
            return match self.datagram {
                None => self.held.zone().as_ref().map(|zone| Content::Whole(Arc::clone(zone))),
                Some(_) => None,
            };
        }
        let have = serial_in(&self.request, 2)?;
        let (zone, deltas) = self.held.since(have)?;
        Some(match deltas {
            _ if !crate::zone::Serial(zone.serial()).is_newer_than(have) => Content::Soa(zone),
            Some(deltas) => Content::Changes(zone, deltas),
            None => Content::Whole(zone),
        })
    }

    async fn give_content(&mut self, query: &Query<'_>, content: Content) {
        let mut out = vec![0; MESSAGE];
        let reserve = self.reserve();
        let zone = self.held.zone().as_ref().map(Arc::clone);
        let edns = query.edns.map(|edns| edns.dnssec_ok);
        let begin = |content| Outflow::new(query.id, query.bits, query.spelled(), edns, content);
        if let Some(limit) = self.datagram {
            let limit = limit.min(MESSAGE);
            // RFC 1995 section 2: the SOA alone tells the client to come over TCP.
            let whole = begin(content).single(limit, reserve, &mut out);
            let soa = || zone.and_then(|zone| begin(Content::Soa(zone)).single(limit, reserve, &mut out));
            if let Some(len) = whole.or_else(soa) {
                let message = out[..len].to_vec();
                self.send(message).await;
            }
            return;
        }
        let kind = if matches!(content, Content::Changes(..)) { "changes" } else { "zone" };
        let mut outflow = begin(content);
        let mut messages = 0;
        while let Some(len) = outflow.next(reserve, &mut out) {
            messages += 1;
            let message = out[..len].to_vec();
            if !self.send(message).await {
                return;
            }
            // Others at the desk get their turn.
            tokio::task::yield_now().await;
        }
        self.held.tell(|story| story.transfers_out += 1);
        let name = &self.held.terms().name;
        tracing::info!(zone = %name, client = %self.client, messages, "sent the {kind}");
    }

    /// RFC 1996 section 3: a notice is heard from primaries and from whom else the zone's terms allow.
    fn hear(&self) -> Rcode {
        let terms = self.held.terms();
        let (zone, client) = (&terms.name, self.client);
        if terms.source != Source::Primaries {
            return rcode::NOTAUTH;
        }
        let Some((_, rtype::SOA, class::IN)) = records::question(&self.request) else {
            return rcode::FORMERR;
        };
        let key = self.signed.as_ref().map(|(chain, _)| &chain.key().name);
        let is_primary = terms.primaries.iter().any(|primary| {
            primary.address.ip() == client.ip()
                && primary.key.as_ref().is_none_or(|own| Some(&own.name) == key)
        });
        if !is_primary && !terms.allow_notify.allows_with(client.ip(), self.key()) {
            tracing::info!(%zone, %client, "a notice was refused");
            return rcode::REFUSED;
        }
        tracing::debug!(%zone, %client, "a notice was heard");
        self.held.tell(|story| story.notices_in += 1);
        let told = serial_in(&self.request, 1);
        let ours = self.held.zone().as_ref().map(|zone| crate::zone::Serial(zone.serial()));
        // Nothing new: no need to ask.
        if told.is_none() || told != ours {
            *self.held.heard_from.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.ip());
            self.held.heard.notify_one();
        }
        rcode::NOERROR
    }

    async fn update(&self) -> Rcode {
        let terms = self.held.terms();
        let (zone, client) = (&terms.name, self.client);
        let takes = matches!(terms.source, Source::File { updates: true, .. });
        if !takes || !terms.allow_update.allows_with(client.ip(), self.key()) {
            tracing::info!(%zone, %client, "an update was refused");
            self.held.tell(|story| story.updates_refused += 1);
            return rcode::REFUSED;
        }
        // RFC 2136 section 2.3.
        let Some((_, rtype::SOA, class::IN)) = records::question(&self.request) else {
            return rcode::FORMERR;
        };
        if self.held.zone().as_ref().is_some_and(|zone| zone.is_signed()) {
            tracing::warn!(%zone, %client, "an update was refused: the zone is signed, and would have to be again");
            return rcode::REFUSED;
        }
        let (done, answer) = oneshot::channel();
        let job = UpdateJob { message: self.request.clone(), done };
        if self.held.updates.try_send(job).is_err() {
            return rcode::SERVFAIL;
        }
        let code = answer.await.unwrap_or(rcode::SERVFAIL);
        self.held.tell(|story| match code {
            rcode::NOERROR => story.updates += 1,
            _ => story.updates_refused += 1,
        });
        tracing::info!(%zone, %client, "an update: {}", crate::wire::header::rcode_name(code));
        code
    }
}

/// The serial of the SOA in a section.
fn serial_in(message: &[u8], section: usize) -> Option<crate::zone::Serial> {
    let mut reader = Reader::new(message).ok()?;
    while let Some(rr) = reader.step().ok()? {
        if rr.section == section && rr.rtype == rtype::SOA {
            return intake::serial_of(rr.rdata);
        }
    }
    None
}

/// Header and question of a message as its reply.
pub fn bare_reply(request: &[u8], code: Rcode) -> Vec<u8> {
    let question_end = match records::question(request) {
        Some((name, _, _)) => HEADER + name.len() + 4,
        None => HEADER,
    };
    let mut reply = request[..question_end].to_vec();
    let asked = u16_at(request, 2);
    let authority = if code == rcode::NOERROR { bit::AA } else { 0 };
    let bits = bit::QR | asked & (bit::OPCODE | bit::RD) | authority | code & bit::RCODE;
    reply[2..4].copy_from_slice(&bits.to_be_bytes());
    reply[4..6].copy_from_slice(&u16::from(question_end > HEADER).to_be_bytes());
    reply[6..12].fill(0);
    reply
}

/// Makes updates, as many together as wait.
async fn take_updates(held: Arc<Held>, mut jobs: mpsc::Receiver<UpdateJob>) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, UPDATES_TOGETHER).await > 0 {
        let batch = std::mem::take(&mut batch);
        let own = Arc::clone(&held);
        let done = spawn_blocking(move || {
            let codes = make_updates(&own, &batch);
            for (job, code) in batch.into_iter().zip(codes) {
                // Who asked may be gone.
                let _ = job.done.send(code);
            }
            own.tidy();
        });
        if let Err(error) = done.await {
            tracing::error!(zone = %held.terms().name, %error, "updates failed; this is a fault of dnsfwd");
        }
    }
}

/// One change for all; one by one where that would be no zone.
fn make_updates(held: &Held, jobs: &[UpdateJob]) -> Vec<Rcode> {
    let Some(zone) = held.zone().as_ref().map(Arc::clone) else { return vec![rcode::SERVFAIL; jobs.len()] };
    let mut working = Working::new(&zone);
    let mut codes: Vec<Rcode> =
        jobs.iter().map(|job| working.update(&job.message).err().unwrap_or(rcode::NOERROR)).collect();
    let Some(delta) = working.finish() else { return codes };
    let failed = match held.change(delta) {
        Ok(()) => return codes,
        Err(ChangeError::Unfit(why)) if jobs.len() == 1 => {
            tracing::info!(zone = %zone.name(), "an update was refused: {why}");
            rcode::REFUSED
        }
        Err(ChangeError::Unfit(_)) => {
            return jobs.iter().flat_map(|job| make_updates(held, std::slice::from_ref(job))).collect();
        }
        Err(ChangeError::Disk(why)) => {
            tracing::error!(zone = %zone.name(), "an update can't be written to the journal: {why}");
            rcode::SERVFAIL
        }
        Err(ChangeError::Sealed) => rcode::SERVFAIL,
    };
    codes.iter_mut().filter(|code| **code == rcode::NOERROR).for_each(|code| *code = failed);
    codes
}
