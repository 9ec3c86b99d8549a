//! A stream of queries and an account of what came back: each query is answered once, late, wrong or
//! never. One thread, so that it fits on the core beside the server's.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::mmsg::{self, BATCH, Batch};

#[derive(Clone, Debug)]
pub struct Load {
    pub server: SocketAddr,
    /// Clients' address; the kernel's choice when unset.
    pub source: Option<IpAddr>,
    /// Names are `n0.suffix`, `n1.suffix` …
    pub suffix: String,
    /// How many names, asked in turn; 0: each query has a new one.
    pub names: u64,
    /// The number of the first name.
    pub first: u64,
    /// Queries a second; 0: as fast as `window` outstanding ones per socket allow.
    pub rate: f64,
    pub window: usize,
    pub sockets: usize,
    pub seconds: f64,
    /// Ends after so many queries; 0: no such end.
    pub queries: u64,
    pub tcp: bool,
    pub edns: bool,
    /// What the first answer must be: an A record with this address.
    pub expect: Option<[u8; 4]>,
    /// After so long without an answer a query is lost.
    pub patience: Duration,
}

impl Load {
    pub fn to(server: SocketAddr) -> Load {
        Load {
            server,
            source: None,
            suffix: "load.example".into(),
            names: 1000,
            first: 0,
            rate: 0.0,
            window: 64,
            sockets: 4,
            seconds: 5.0,
            queries: 0,
            tcp: false,
            edns: true,
            expect: None,
            patience: Duration::from_secs(3),
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
    pub lost: u64,
    /// ID or question that wasn't asked, a second answer, or not the expected record.
    pub wrong: u64,
    pub rcodes: BTreeMap<u8, u64>,
    pub latency: Histogram,
    pub elapsed: Duration,
    /// What the first wrong replies looked like.
    pub samples: Vec<String>,
    /// The longest time in which this thread didn't get to run: how much the machine itself stood still.
    pub stall: Duration,
    /// When lost queries had been sent, in milliseconds from the start; the first few.
    pub lost_at: Vec<u64>,
}

impl Report {
    pub fn rcode(&self, rcode: u8) -> u64 {
        self.rcodes.get(&rcode).copied().unwrap_or(0)
    }

    pub fn json(&self) -> String {
        let rcodes: Vec<String> =
            self.rcodes.iter().map(|(rcode, count)| format!("\"{rcode}\":{count}")).collect();
        format!(
            "{{\"sent\":{},\"answered\":{},\"lost\":{},\"wrong\":{},\"rcodes\":{{{}}},\"seconds\":{:.3},\
             \"qps\":{:.0},\"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"max_us\":{:.1},\"stall_ms\":{:.1}}}",
            self.sent,
            self.answered,
            self.lost,
            self.wrong,
            rcodes.join(","),
            self.elapsed.as_secs_f64(),
            self.answered as f64 / self.elapsed.as_secs_f64(),
            self.latency.quantile(0.5),
            self.latency.quantile(0.99),
            self.latency.quantile(0.999),
            self.latency.max as f64 / 1e3,
            self.stall.as_secs_f64() * 1e3,
        )
    }
}

/// Latencies in classes 1.6 % wide.
pub struct Histogram {
    classes: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { classes: vec![0; 64 * 64], count: 0, max: 0 }
    }
}

impl Histogram {
    fn add(&mut self, nanoseconds: u64) {
        let shift = (64 - nanoseconds.leading_zeros()).saturating_sub(7);
        let class = (u64::from(shift) * 64 + (nanoseconds >> shift)) as usize;
        self.classes[class] += 1;
        self.count += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// The lower end of the class where the quantile lies, in microseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (class, count) in self.classes.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                let class = class as u64;
                let shift = (class / 64).saturating_sub(1);
                return ((class - shift * 64) << shift) as f64 / 1e3;
            }
        }
        0.0
    }

    pub fn max_ms(&self) -> f64 {
        self.max as f64 / 1e6
    }
}

/// One query on its way.
#[derive(Clone, Copy, Default)]
struct Slot {
    sent: u64,
    number: u64,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Free,
    Asked,
    Answered,
    Lost,
}

/// One socket with its IDs.
struct Lane {
    way: Way,
    slots: Vec<Slot>,
    next_id: u16,
    /// IDs by time of sending.
    order: VecDeque<u16>,
    outstanding: usize,
}

enum Way {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, read: Vec<u8>, write: Vec<u8>, open: bool },
}

/// Runs to the end and gives the account.
pub fn run(load: &Load, remote: &Remote) -> io::Result<Report> {
    Runner::new(load)?.run(remote)
}

struct Runner<'a> {
    load: &'a Load,
    lanes: Vec<Lane>,
    descriptors: Vec<RawFd>,
    suffix: Vec<u8>,
    batch: Batch,
    report: Report,
    start: Instant,
    number: u64,
}

impl<'a> Runner<'a> {
    fn new(load: &'a Load) -> io::Result<Runner<'a>> {
        let lanes = (0..load.sockets).map(|_| Lane::open(load)).collect::<io::Result<Vec<_>>>()?;
        let descriptors = lanes.iter().map(Lane::descriptor).collect();
        Ok(Runner {
            load,
            lanes,
            descriptors,
            suffix: suffix(&load.suffix),
            batch: Batch::new(),
            report: Report::default(),
            start: Instant::now(),
            number: 0,
        })
    }

    fn run(mut self, remote: &Remote) -> io::Result<Report> {
        self.start = Instant::now();
        let mut replies = Batch::new();
        let mut turn = 0;
        let mut round = self.start;
        while !self.over(remote) {
            // A round waits for 10 ms at most.
            self.report.stall = self.report.stall.max(round.elapsed());
            round = Instant::now();
            let due = self.due();
            if due == 0 {
                let idle_ms = if self.load.rate > 0.0 { i32::from(self.load.rate < 2000.0) } else { 10 };
                mmsg::wait(&self.descriptors, idle_ms);
            }
            let mut left = due;
            for step in 0..self.lanes.len() {
                let lane = (turn + step) % self.lanes.len();
                left -= self.send(lane, left)?;
            }
            turn += 1;
            remote.sent.store(self.report.sent, Ordering::Relaxed);
            self.collect(&mut replies)?;
            self.expire(self.load.patience);
        }
        self.report.elapsed = self.start.elapsed();
        let end = Instant::now() + self.load.patience;
        while Instant::now() < end && self.lanes.iter().any(|lane| lane.outstanding > 0) {
            mmsg::wait(&self.descriptors, 5);
            self.collect(&mut replies)?;
        }
        self.expire(Duration::ZERO);
        Ok(self.report)
    }

    fn over(&self, remote: &Remote) -> bool {
        remote.stop.load(Ordering::Relaxed)
            || self.start.elapsed().as_secs_f64() >= self.load.seconds
            || self.load.queries > 0 && self.report.sent >= self.load.queries
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
        let share = if self.load.rate > 0.0 {
            most.min(BATCH.div_ceil(self.lanes.len()).max(1))
        } else {
            most.min(self.lanes[index].room(self.load.window)).min(BATCH)
        };
        if share == 0 {
            return Ok(0);
        }
        self.batch.clear();
        let now = self.now();
        for _ in 0..share {
            let number = self.next_number();
            let lane = &mut self.lanes[index];
            let Some(id) = lane.take_id(now, number) else { break };
            let (suffix, edns) = (&self.suffix, self.load.edns);
            self.batch.push(|buffer| write_query(buffer, id, number, suffix, edns));
        }
        self.report.sent += self.batch.len() as u64;
        let sent = self.batch.len();
        self.lanes[index].write(&mut self.batch)?;
        Ok(sent)
    }

    fn next_number(&mut self) -> u64 {
        let number =
            self.load.first + if self.load.names == 0 { self.number } else { self.number % self.load.names };
        self.number += 1;
        number
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn collect(&mut self, replies: &mut Batch) -> io::Result<()> {
        for index in 0..self.lanes.len() {
            match &mut self.lanes[index].way {
                Way::Udp(socket) => {
                    let descriptor = socket.as_raw_fd();
                    // Bounded, so that a flood of replies can't keep us from sending.
                    for _ in 0..16 {
                        let got = replies.receive(descriptor)?;
                        let now = self.now();
                        for message in 0..got {
                            self.judge(index, replies.get(message), now);
                        }
                        if got < BATCH {
                            break;
                        }
                    }
                }
                Way::Tcp { .. } => {
                    let messages = self.lanes[index].read_stream()?;
                    let now = self.now();
                    for message in messages {
                        self.judge(index, &message, now);
                    }
                }
            }
        }
        Ok(())
    }

    fn judge(&mut self, index: usize, message: &[u8], now: u64) {
        let id = message.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
        let lane = &mut self.lanes[index];
        let slot = &mut lane.slots[usize::from(id)];
        if message.len() < 12 || !matches!(slot.state, State::Asked | State::Lost) {
            return self.wrong(message);
        }
        let mut question = [0; 300];
        let len = write_question(&mut question, slot.number, &self.suffix);
        if message.get(12..12 + len) != Some(&question[..len]) {
            return self.wrong(message);
        }
        if slot.state == State::Lost {
            // Too late to count, but no fault of matching.
            slot.state = State::Answered;
            return;
        }
        slot.state = State::Answered;
        lane.outstanding -= 1;
        self.report.latency.add(now - slot.sent);
        let rcode = message[3] & 15;
        *self.report.rcodes.entry(rcode).or_default() += 1;
        self.report.answered += 1;
        let expected = self
            .load
            .expect
            .is_none_or(|address| rcode != 0 || first_address(message, 12 + len) == Some(address));
        if !expected {
            self.wrong(message);
        }
    }

    fn wrong(&mut self, message: &[u8]) {
        self.report.wrong += 1;
        if self.report.samples.len() < 5 {
            self.report.samples.push(message.iter().map(|byte| format!("{byte:02x}")).collect());
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

impl Lane {
    fn open(load: &Load) -> io::Result<Lane> {
        let way = if load.tcp {
            let stream = TcpStream::connect(load.server)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Way::Tcp { stream, read: Vec::new(), write: Vec::new(), open: true }
        } else {
            let any: IpAddr = if load.server.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
            let socket = UdpSocket::bind((load.source.unwrap_or(any), 0))?;
            socket.connect(load.server)?;
            mmsg::widen(socket.as_raw_fd());
            Way::Udp(socket)
        };
        let slots = vec![Slot::default(); 65536];
        Ok(Lane { way, slots, next_id: 1, order: VecDeque::new(), outstanding: 0 })
    }

    fn descriptor(&self) -> RawFd {
        match &self.way {
            Way::Udp(socket) => socket.as_raw_fd(),
            Way::Tcp { stream, .. } => stream.as_raw_fd(),
        }
    }

    fn room(&self, window: usize) -> usize {
        window.saturating_sub(self.outstanding)
    }

    /// The next ID that nothing waits for.
    fn take_id(&mut self, now: u64, number: u64) -> Option<u16> {
        let id = self.next_id;
        let slot = &mut self.slots[usize::from(id)];
        if slot.state == State::Asked {
            return None;
        }
        *slot = Slot { sent: now, number, state: State::Asked };
        self.next_id = self.next_id.wrapping_add(1);
        self.order.push_back(id);
        self.outstanding += 1;
        Some(id)
    }

    fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        match &mut self.way {
            Way::Udp(socket) => batch.send(socket.as_raw_fd(), false),
            Way::Tcp { stream, write, open, .. } => {
                for index in 0..batch.len() {
                    let message = batch.get(index);
                    write.extend((message.len() as u16).to_be_bytes());
                    write.extend(message);
                }
                if *open {
                    *open = flush(stream, write)?;
                }
                Ok(())
            }
        }
    }

    fn read_stream(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let Way::Tcp { stream, read, write, open } = &mut self.way else { return Ok(Vec::new()) };
        if !*open {
            return Ok(Vec::new());
        }
        *open = flush(stream, write)?;
        let mut buffer = [0; 65536];
        match stream.read(&mut buffer) {
            Ok(0) => *open = false,
            Ok(len) => read.extend(&buffer[..len]),
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {}
            Err(_) => *open = false,
        }
        let mut messages = Vec::new();
        let mut at = 0;
        while let Some(length) = read.get(at..at + 2) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let Some(message) = read.get(at + 2..at + 2 + length) else { break };
            messages.push(message.to_vec());
            at += 2 + length;
        }
        read.drain(..at);
        Ok(messages)
    }
}

/// Writes what the stream takes; false when the other side is gone.
fn flush(stream: &mut TcpStream, write: &mut Vec<u8>) -> io::Result<bool> {
    while !write.is_empty() {
        match stream.write(write) {
            Ok(0) => return Ok(false),
            Ok(len) => drop(write.drain(..len)),
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

fn suffix(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}

fn write_query(buffer: &mut [u8], id: u16, number: u64, suffix: &[u8], edns: bool) -> usize {
    buffer[..2].copy_from_slice(&id.to_be_bytes());
    buffer[2..12].copy_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)]);
    let mut len = 12 + write_question(&mut buffer[12..], number, suffix);
    if edns {
        buffer[len..len + 11].copy_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        len += 11;
    }
    len
}

/// `n<number>.suffix`, type A, class IN.
fn write_question(buffer: &mut [u8], number: u64, suffix: &[u8]) -> usize {
    let mut digits = [0; 20];
    let mut count = 0;
    let mut rest = number;
    loop {
        digits[count] = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    buffer[0] = count as u8 + 1;
    buffer[1] = b'n';
    for (place, digit) in digits[..count].iter().rev().enumerate() {
        buffer[2 + place] = *digit;
    }
    let mut len = 2 + count;
    buffer[len..len + suffix.len()].copy_from_slice(suffix);
    len += suffix.len();
    buffer[len..len + 4].copy_from_slice(&[0, 1, 0, 1]);
    len + 4
}

/// The address in the first record behind the question, if it is an A record.
fn first_address(message: &[u8], mut at: usize) -> Option<[u8; 4]> {
    if message[6..8] == [0, 0] {
        return None;
    }
    loop {
        match *message.get(at)? {
            0 => {
                at += 1;
                break;
            }
            0xC0.. => {
                at += 2;
                break;
            }
            len => at += 1 + usize::from(len),
        }
    }
    let fixed = message.get(at..at + 14)?;
    (fixed[..2] == [0, 1] && fixed[8..10] == [0, 4]).then(|| [fixed[10], fixed[11], fixed[12], fixed[13]])
}

/// User and system time of a process and its threads so far, in seconds (proc(5)).
pub fn cpu_seconds(pid: u32) -> io::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Ok((ticks(11) + ticks(12)) as f64 / mmsg::ticks_per_second() as f64)
}
