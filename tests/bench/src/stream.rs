//! A stream of queries and an account of what came back: each query is answered once, late, wrong or
//! never. One thread, so that it fits on the core beside the server's.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use crate::histogram::Histogram;
use crate::lane::{Lane, State, Way};
use crate::mmsg::{BATCH, Batch, Patience, Peers};
pub use crate::names::{A, AAAA, Names, query};
use crate::names::{Pen, QUESTION, first_address};
use crate::responder::{Desk, Switch};
use crate::sys;

#[derive(Clone, Debug)]
pub struct Load {
    pub server: SocketAddr,
    /// Clients' address; the kernel's choice when unset.
    pub source: Option<IpAddr>,
    pub names: Names,
    pub qtype: u16,
    /// Queries a second; 0: as fast as `window` outstanding ones per socket allow.
    pub rate: f64,
    pub window: usize,
    pub sockets: usize,
    pub seconds: f64,
    /// Ends after so many queries; 0: no such end.
    pub queries: u64,
    pub transport: Transport,
    pub edns: bool,
    /// What the first answer must be: an A record with this address.
    pub expect: Option<[u8; 4]>,
    /// What the response code must be.
    pub rcode: Option<u8>,
    /// After so long without an answer a query is lost.
    pub patience: Duration,
    pub rest: Rest,
}

/// What to do while there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rest {
    /// Sleep until there is.
    Sleep,
    /// Stay awake, so that the server doesn't pay for waking this thread up, as it pays for no client beyond
    /// a network.
    Spin,
    /// Sleep so long, whatever comes.
    Nap(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transport {
    Udp,
    /// One connection per socket, pipelined.
    Tcp,
    /// One query per connection.
    TcpEachAnew,
}

impl Load {
    pub fn to(server: SocketAddr) -> Load {
        Load {
            server,
            source: None,
            names: Names::default(),
            qtype: A,
            rate: 0.0,
            window: 64,
            sockets: 4,
            seconds: 5.0,
            queries: 0,
            transport: Transport::Udp,
            edns: true,
            expect: None,
            rcode: None,
            patience: Duration::from_secs(3),
            rest: Rest::Sleep,
        }
    }
}

/// Set to end a run early; counts what was sent so far.
#[derive(Default)]
pub struct Remote {
    pub stop: AtomicBool,
    pub sent: AtomicU64,
}

#[derive(Default)]
pub struct Report {
    pub sent: u64,
    /// With the right ID and question, in time.
    pub answered: u64,
    /// Without an answer in time, or asked on a connection that the server closed.
    pub lost: u64,
    /// ID or question that wasn't asked, a second answer, or not the expected record or response code.
    pub wrong: u64,
    pub rcodes: BTreeMap<u8, u64>,
    pub latency: Histogram,
    pub elapsed: Duration,
    /// What the first wrong replies looked like.
    pub samples: Vec<String>,
    /// The longest time in which this thread didn't get to run: how much the machine itself stood still.
    pub stall: Duration,
    /// The longest time between two answers.
    pub gap: Duration,
    /// The time in which this thread had nothing to send or take: without any, it is the load that is measured.
    pub idle: Duration,
    /// When lost queries had been sent, in milliseconds from the start; the first few.
    pub lost_at: Vec<u64>,
}

impl Report {
    pub fn rcode(&self, rcode: u8) -> u64 {
        self.rcodes.get(&rcode).copied().unwrap_or(0)
    }

    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }

    pub fn json(&self) -> String {
        let rcodes: Vec<String> =
            self.rcodes.iter().map(|(rcode, count)| format!("\"{rcode}\":{count}")).collect();
        format!(
            "{{\"sent\":{},\"answered\":{},\"lost\":{},\"wrong\":{},\"rcodes\":{{{}}},\"seconds\":{:.3},\
             \"qps\":{:.0},\"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"max_us\":{:.1},\
             \"gap_ms\":{:.1},\"stall_ms\":{:.1},\"idle\":{:.2}}}",
            self.sent,
            self.answered,
            self.lost,
            self.wrong,
            rcodes.join(","),
            self.elapsed.as_secs_f64(),
            self.per_second(),
            self.latency.quantile(0.5),
            self.latency.quantile(0.99),
            self.latency.quantile(0.999),
            self.latency.max_ms() * 1e3,
            self.gap.as_secs_f64() * 1e3,
            self.stall.as_secs_f64() * 1e3,
            self.idle.as_secs_f64() / self.elapsed.as_secs_f64(),
        )
    }
}

/// Runs to the end and gives the account.
pub fn run(load: &Load, remote: &Remote) -> io::Result<Report> {
    run_beside(load, remote, &mut [])
}

/// The same, and the thread also plays these targets, in turn with the clients: nothing is left to the
/// scheduler's choice between two threads on one core.
pub fn run_beside(load: &Load, remote: &Remote, targets: &mut [Desk]) -> io::Result<Report> {
    Runner::new(load, targets)?.run(remote)
}

struct Runner<'a> {
    load: &'a Load,
    lanes: Vec<Lane>,
    targets: &'a mut [Desk],
    switch: Switch,
    pen: Pen,
    batch: Batch,
    report: Report,
    start: Instant,
    /// Queries taken from `load.names` so far.
    position: u64,
    /// When the last answer came, in nanoseconds from the start.
    last_answer: Option<u64>,
}

/// Batches of replies taken from one socket in a round, so that a flood of them can't keep us from sending.
const BATCHES_PER_ROUND: usize = 16;

/// A round with fewer messages is followed by a pause.
const WORTH_A_ROUND: usize = 16;
/// A pause of a load that stays awake: without a rate, replies pile up meanwhile to be taken at one go, while
/// the server has a window of queries to go on with.
const SPELL: Duration = Duration::from_micros(50);
const SHORT_SPELL: Duration = Duration::from_micros(2);

impl<'a> Runner<'a> {
    fn new(load: &'a Load, targets: &'a mut [Desk]) -> io::Result<Runner<'a>> {
        Ok(Runner {
            load,
            lanes: (0..load.sockets).map(|index| Lane::open(load, index)).collect::<io::Result<_>>()?,
            targets,
            switch: Switch::default(),
            pen: Pen::new(&load.names, load.qtype),
            batch: Batch::new(Peers::Connected),
            report: Report::default(),
            start: Instant::now(),
            position: 0,
            last_answer: None,
        })
    }

    fn run(mut self, remote: &Remote) -> io::Result<Report> {
        sys::punctual();
        let mut replies = Batch::new(Peers::Connected);
        let mut turn = 0;
        self.start = Instant::now();
        let mut round = self.start;
        while !self.over(remote) {
            let sent = self.send_due(turn)?;
            let done = sent + self.collect(&mut replies)? + self.play_targets()?;
            if done < WORTH_A_ROUND {
                let idle = Instant::now();
                self.pause(done);
                self.report.idle += idle.elapsed();
            }
            turn += 1;
            remote.sent.store(self.report.sent, Ordering::Relaxed);
            self.expire(self.load.patience);
            let now = Instant::now();
            // A round waits for 10 ms at most.
            self.report.stall = self.report.stall.max(now - round);
            round = now;
        }
        self.report.elapsed = self.start.elapsed();
        self.note_gap(self.now());
        let end = Instant::now() + self.load.patience;
        while Instant::now() < end && self.lanes.iter().any(|lane| lane.outstanding > 0) {
            if self.collect(&mut replies)? + self.play_targets()? == 0 {
                self.pause(0);
            }
        }
        self.expire(Duration::ZERO);
        Ok(self.report)
    }

    fn over(&self, remote: &Remote) -> bool {
        remote.stop.load(Ordering::Relaxed)
            || sys::interrupted()
            || self.start.elapsed().as_secs_f64() >= self.load.seconds
            || self.load.queries > 0 && self.report.sent >= self.load.queries
    }

    /// After a round in which so much was done.
    fn pause(&self, done: usize) {
        match self.load.rest {
            Rest::Sleep if done == 0 => self.sleep(),
            Rest::Sleep => {}
            Rest::Spin => {
                let spell = if self.load.rate > 0.0 { SHORT_SPELL } else { SPELL };
                let end = Instant::now() + spell;
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
            }
            Rest::Nap(length) => sys::wait(&[], length),
        }
    }

    /// Until an answer, a query to a target, or the time of the next query.
    fn sleep(&self) {
        let mut limit = Duration::from_millis(10);
        if self.load.rate > 0.0 {
            let next = Duration::from_secs_f64((self.report.sent + 1) as f64 / self.load.rate);
            limit = limit.min(next.saturating_sub(self.start.elapsed()));
        }
        let lanes = self.lanes.iter().filter_map(Lane::descriptor);
        let descriptors: Vec<RawFd> = lanes.chain(self.targets.iter().map(Desk::descriptor)).collect();
        let limit = self.targets.iter().map(Desk::pause).fold(limit, Duration::min);
        sys::wait(&descriptors, limit);
    }

    fn play_targets(&mut self) -> io::Result<usize> {
        let mut done = 0;
        for target in &mut *self.targets {
            done += target.turn(&self.switch)?;
        }
        Ok(done)
    }

    fn send_due(&mut self, turn: usize) -> io::Result<usize> {
        let due = self.due();
        let mut left = due;
        for step in 0..self.lanes.len() {
            if left == 0 {
                break;
            }
            let lane = (turn + step) % self.lanes.len();
            left -= self.send(lane, left)?;
        }
        Ok(due - left)
    }

    /// How many queries to send now.
    fn due(&self) -> usize {
        let allowed = match self.load.queries {
            0 => usize::MAX,
            queries => usize::try_from(queries - self.report.sent).unwrap_or(usize::MAX),
        };
        if self.load.rate > 0.0 {
            let planned = (self.start.elapsed().as_secs_f64() * self.load.rate) as u64;
            // Behind by more than a batch: the machine is busy, and a burst would not be the rate asked for.
            return usize::try_from(planned.saturating_sub(self.report.sent))
                .unwrap_or(0)
                .min(BATCH)
                .min(allowed);
        }
        let room: usize = self.lanes.iter().map(|lane| lane.room(self.load.window)).sum();
        room.min(allowed)
    }

    fn send(&mut self, index: usize, most: usize) -> io::Result<usize> {
        let lane = &mut self.lanes[index];
        let share = match self.load.rate > 0.0 {
            true => most.min(BATCH.div_ceil(self.load.sockets).max(1)),
            false => most.min(lane.room(self.load.window)).min(BATCH),
        };
        if share == 0 {
            return Ok(0);
        }
        self.batch.clear();
        let now = self.start.elapsed().as_nanos() as u64;
        for _ in 0..share {
            let number = self.load.names.number(self.position);
            let Some(id) = lane.take_id(now, number) else { break };
            self.position += 1;
            self.batch.push(|buffer| self.pen.query(buffer, id, number, self.load.edns));
        }
        let sent = self.batch.len();
        self.report.sent += sent as u64;
        if sent > 0 {
            lane.write(&mut self.batch)?;
        }
        Ok(sent)
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn collect(&mut self, replies: &mut Batch) -> io::Result<usize> {
        let before = self.report.answered;
        for index in 0..self.lanes.len() {
            let descriptor = match &self.lanes[index].way {
                Way::Udp(socket) => std::os::fd::AsRawFd::as_raw_fd(socket),
                _ => {
                    self.collect_stream(index);
                    continue;
                }
            };
            for _ in 0..BATCHES_PER_ROUND {
                let got = replies.receive(descriptor, Patience::None)?;
                let now = self.now();
                for message in 0..got {
                    self.judge(index, replies.get(message), now);
                }
                if got < BATCH {
                    break;
                }
            }
        }
        let got = (self.report.answered - before) as usize;
        if got > 0 {
            let now = self.now();
            self.note_gap(now);
            self.last_answer = Some(now);
        }
        Ok(got)
    }

    fn collect_stream(&mut self, index: usize) {
        let now = self.now();
        let (lane, rest) = (&mut self.lanes[index], &mut self.report);
        let (load, pen) = (self.load, &self.pen);
        lane.read_stream(|lane, message| judge(load, pen, lane, rest, message, now));
        rest.lost += lane.forsaken() as u64;
    }

    fn judge(&mut self, index: usize, message: &[u8], now: u64) {
        judge(self.load, &self.pen, &mut self.lanes[index], &mut self.report, message, now);
    }

    fn note_gap(&mut self, now: u64) {
        if let Some(last) = self.last_answer {
            self.report.gap = self.report.gap.max(Duration::from_nanos(now - last));
        }
    }

    /// Counts what waits longer than `patience` as lost.
    fn expire(&mut self, patience: Duration) {
        let Some(latest) = self.now().checked_sub(patience.as_nanos() as u64) else { return };
        for lane in &mut self.lanes {
            while let Some(&id) = lane.order.front() {
                let slot = &mut lane.slots[usize::from(id)];
                if slot.state == State::Asked && slot.sent > latest {
                    break;
                }
                lane.order.pop_front();
                if slot.state == State::Asked {
                    slot.state = State::Lost;
                    lane.outstanding -= 1;
                    self.report.lost += 1;
                    if self.report.lost_at.len() < 20 {
                        self.report.lost_at.push(slot.sent / 1_000_000);
                    }
                }
            }
        }
    }
}

/// Is it the answer to a question of this lane, and the one that was expected?
fn judge(load: &Load, pen: &Pen, lane: &mut Lane, report: &mut Report, message: &[u8], now: u64) {
    let id = message.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
    let Some(slot) = lane.slot(id) else { return wrong(report, message) };
    if message.len() < 12 || !matches!(slot.state, State::Asked | State::Lost) {
        return wrong(report, message);
    }
    let mut question = [0; QUESTION];
    let len = pen.question(&mut question, slot.number);
    if message.get(12..12 + len) != Some(&question[..len]) {
        return wrong(report, message);
    }
    let late = slot.state == State::Lost;
    slot.state = State::Answered;
    if late {
        // Too late to count, but no fault of matching.
        return;
    }
    report.latency.add(now - slot.sent);
    lane.outstanding -= 1;
    let rcode = message[3] & 15;
    *report.rcodes.entry(rcode).or_default() += 1;
    report.answered += 1;
    let as_expected = load.rcode.is_none_or(|expected| rcode == expected)
        && load.expect.is_none_or(|address| rcode != 0 || first_address(message, 12 + len) == Some(address));
    if !as_expected {
        wrong(report, message);
    }
}

fn wrong(report: &mut Report, message: &[u8]) {
    report.wrong += 1;
    if report.samples.len() < 5 {
        report.samples.push(message.iter().map(|byte| format!("{byte:02x}")).collect());
    }
}
