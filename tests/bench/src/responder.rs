//! A target that answers any question of type A with one address, as fast as the kernel lets it.

use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::mmsg::{Batch, Held, Patience, Peers};
use crate::sys;

pub struct Responder {
    pub socket: UdpSocket,
    pub address: [u8; 4],
    pub ttl: u32,
    pub delay: Duration,
}

/// Steers a responder from elsewhere.
#[derive(Default)]
pub struct Switch {
    pub stop: AtomicBool,
    pub silent: AtomicBool,
    pub answered: AtomicU64,
}

impl Responder {
    /// Answers until it is stopped.
    pub fn run(self, switch: &Switch) -> io::Result<()> {
        let mut desk = Desk::new(self);
        while !switch.stop.load(Ordering::Relaxed) {
            sys::wait(&[desk.descriptor()], desk.pause());
            desk.turn(switch)?;
        }
        Ok(())
    }
}

/// A responder with what it needs to work in turns, between which its thread does other things.
pub struct Desk {
    responder: Responder,
    batch: Batch,
    later: VecDeque<(Instant, Held)>,
}

impl Desk {
    pub fn new(responder: Responder) -> Desk {
        sys::widen(responder.socket.as_raw_fd());
        Desk { responder, batch: Batch::new(Peers::Kept), later: VecDeque::new() }
    }

    pub fn descriptor(&self) -> RawFd {
        self.responder.socket.as_raw_fd()
    }

    pub fn set_delay(&mut self, delay: Duration) {
        self.responder.delay = delay;
    }

    /// How long there is nothing to do unless a query comes.
    pub fn pause(&self) -> Duration {
        let idle = Duration::from_millis(100);
        self.later.front().map_or(idle, |(due, _)| due.saturating_duration_since(Instant::now()).min(idle))
    }

    /// Takes what queries there are, sends what answers are due, and waits for nothing.
    pub fn turn(&mut self, switch: &Switch) -> io::Result<usize> {
        self.turn_and_tell(switch, |_| {})
    }

    /// The same, and tells each query, answered or not. Once it is silent, answers that were due later are gone.
    pub fn turn_and_tell(&mut self, switch: &Switch, tell: impl FnMut(&[u8])) -> io::Result<usize> {
        let got = self.batch.receive(self.descriptor(), Patience::None)?;
        (0..got).map(|index| self.batch.get(index)).for_each(tell);
        if switch.silent.load(Ordering::Relaxed) {
            self.later.clear();
            return Ok(got);
        }
        if got > 0 {
            self.answer(got)?;
            switch.answered.fetch_add(got as u64, Ordering::Relaxed);
        }
        if self.later.is_empty() { Ok(got) } else { Ok(got + self.send_due()?) }
    }

    fn answer(&mut self, got: usize) -> io::Result<()> {
        let Responder { address, ttl, delay, .. } = self.responder;
        for index in 0..got {
            self.batch.turn(index, |buffer, len| reply(buffer, len, address, ttl));
        }
        if delay.is_zero() {
            return self.batch.send(self.descriptor());
        }
        let due = Instant::now() + delay;
        self.later.extend((0..got).map(|index| (due, self.batch.copy(index))));
        Ok(())
    }

    fn send_due(&mut self) -> io::Result<usize> {
        let now = Instant::now();
        let due = self.later.iter().take_while(|(due, _)| *due <= now).count();
        let mut left = due;
        while left > 0 {
            self.batch.clear();
            for (_, held) in self.later.drain(..left.min(crate::mmsg::BATCH)) {
                self.batch.push_held(&held);
            }
            left -= self.batch.len();
            self.batch.send(self.descriptor())?;
        }
        Ok(due)
    }
}

/// Turns a query into its reply, in place: QR, AA and RA set, an answer when A was asked, the query's OPT
/// kept behind it without options. Gives its length; the buffer has room for a little more than the query.
pub fn reply(buffer: &mut [u8], len: usize, address: [u8; 4], ttl: u32) -> usize {
    let Some(end) = question_end(&buffer[..len]) else { return len.min(12) };
    let asks_address = buffer[end - 4..end] == [0, 1, 0, 1];
    let has_opt = buffer[10..12] != [0, 0];
    let reply_flags = [0x84 | buffer[2] & 1, 0x80 | buffer[3] & 0x10];
    buffer[2..4].copy_from_slice(&reply_flags);
    buffer[6..12].copy_from_slice(&[0, u8::from(asks_address), 0, 0, 0, u8::from(has_opt)]);
    let mut at = end;
    if asks_address {
        buffer[at..at + 6].copy_from_slice(&[0xC0, 12, 0, 1, 0, 1]);
        buffer[at + 6..at + 10].copy_from_slice(&ttl.to_be_bytes());
        buffer[at + 10..at + 12].copy_from_slice(&[0, 4]);
        buffer[at + 12..at + 16].copy_from_slice(&address);
        at += 16;
    }
    if has_opt {
        buffer[at..at + 11].copy_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        at += 11;
    }
    at
}

fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = 12;
    loop {
        match *message.get(at)? {
            0 => break,
            label => at += 1 + usize::from(label),
        }
    }
    (at + 5 <= message.len()).then_some(at + 5)
}
