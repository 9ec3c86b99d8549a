//! A target that answers any question of type A with one address, as fast as the kernel lets it.

use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::mmsg::{self, BATCH, Batch, Held};

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
    pub fn run(&self, switch: &Switch) -> io::Result<()> {
        let descriptor = self.socket.as_raw_fd();
        mmsg::widen(descriptor);
        let mut batch = Batch::new();
        let mut later: VecDeque<(Instant, Held)> = VecDeque::new();
        while !switch.stop.load(Ordering::Relaxed) {
            let waiting_ms = if later.is_empty() { 100 } else { 1 };
            mmsg::wait(&[descriptor], waiting_ms);
            let got = batch.receive(descriptor)?;
            if !switch.silent.load(Ordering::Relaxed) {
                for index in 0..got {
                    batch.turn(index, |buffer, len| answer(buffer, len, self.address, self.ttl));
                }
                switch.answered.fetch_add(got as u64, Ordering::Relaxed);
                if self.delay.is_zero() {
                    batch.send(descriptor, true)?;
                } else {
                    let due = Instant::now() + self.delay;
                    later.extend((0..got).map(|index| (due, batch.copy(index))));
                }
            }
            while later.front().is_some_and(|(due, _)| *due <= Instant::now()) {
                batch.clear();
                while batch.len() < BATCH && later.front().is_some_and(|(due, _)| *due <= Instant::now()) {
                    if let Some((_, held)) = later.pop_front() {
                        batch.push_held(&held);
                    }
                }
                batch.send(descriptor, true)?;
            }
        }
        Ok(())
    }
}

/// Turns a query into its reply, in place: QR, AA and RA set, an answer when A was asked, the query's OPT
/// kept behind it without options.
fn answer(buffer: &mut [u8], len: usize, address: [u8; 4], ttl: u32) -> usize {
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
