//! The two targets that every server forwards to. Over UDP the thread of the load plays them while it runs,
//! and one of our own when it doesn't, so that health checks and servers that start find them too.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dnsfwd_bench::course::Course;
use dnsfwd_bench::outage::{self, Line, Plan};
use dnsfwd_bench::responder::{Desk, Responder, reply};
use dnsfwd_bench::stream::{Load, Remote, Report, run_beside};
use dnsfwd_bench::sys;

/// What they answer.
pub const ADDRESS: [u8; 4] = [192, 0, 2, 1];
/// Longer than a run.
pub const TTL: u32 = 86_400;

pub struct Targets {
    desks: Arc<Mutex<Vec<Desk>>>,
    lines: Arc<[Line]>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Targets {
    pub fn start(addresses: &[SocketAddr]) -> io::Result<Targets> {
        let desks = addresses.iter().map(desk).collect::<io::Result<Vec<_>>>()?;
        let mut targets = Targets {
            desks: Arc::new(Mutex::new(desks)),
            lines: addresses.iter().map(|_| Line::default()).collect(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        let (desks, lines, stop) = (targets.desks.clone(), targets.lines.clone(), targets.stop.clone());
        targets.threads.push(thread::spawn(move || play(&desks, &lines, &stop)));
        for (index, address) in addresses.iter().enumerate() {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let (lines, stop) = (targets.lines.clone(), targets.stop.clone());
            targets.threads.push(thread::spawn(move || listen(&listener, &lines[index], &stop)));
        }
        Ok(targets)
    }

    pub fn set_delay(&self, delay: Duration) {
        for desk in self.desks.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            desk.set_delay(delay);
        }
    }

    pub fn run(&self, load: &Load) -> io::Result<Report> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        run_beside(load, &Remote::default(), &mut desks)
    }

    /// A load during which they fall silent, over UDP and TCP, and come back.
    pub fn run_outage(&self, plan: &Plan) -> io::Result<Course> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        outage::run(plan, &mut desks, &self.lines)
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn desk(address: &SocketAddr) -> io::Result<Desk> {
    let socket = UdpSocket::bind(address)?;
    Ok(Desk::new(Responder { socket, address: ADDRESS, ttl: TTL, delay: Duration::ZERO }))
}

/// Between two looks whether it is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn play(desks: &Mutex<Vec<Desk>>, lines: &[Line], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut desks = desks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pause = LOOK_EVERY;
        for (desk, line) in desks.iter_mut().zip(lines) {
            // A query that can't be answered is the server's loss, and shows there.
            let _ = desk.turn(&line.switch);
            pause = pause.min(desk.pause());
        }
        let descriptors: Vec<_> = desks.iter().map(Desk::descriptor).collect();
        drop(desks);
        sys::wait(&descriptors, pause);
    }
}

/// Over TCP, which only servers want that keep nothing they heard over UDP for clients of TCP.
fn listen(listener: &TcpListener, line: &Line, stop: &AtomicBool) {
    thread::scope(|scope| {
        while !stop.load(Ordering::Relaxed) {
            sys::wait(&[listener.as_raw_fd()], LOOK_EVERY);
            if let Ok((stream, _)) = listener.accept() {
                scope.spawn(|| converse(stream, line, stop));
            }
        }
    });
}

/// A silent target takes connections and queries, and says nothing.
fn converse(mut stream: TcpStream, line: &Line, stop: &AtomicBool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK_EVERY))?;
    let mut bytes = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut part = [0; 4096];
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(len) => bytes.extend_from_slice(&part[..len]),
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => continue,
            Err(fault) => return Err(fault),
        }
        let (replies, taken) = answer_all(&bytes, line);
        bytes.drain(..taken);
        if !line.is_silent() {
            stream.write_all(&replies)?;
        }
    }
    Ok(())
}

/// The replies to all whole queries, and how many octets these took.
fn answer_all(bytes: &[u8], line: &Line) -> (Vec<u8>, usize) {
    let (mut replies, mut at) = (Vec::new(), 0);
    while let Some(&[high, low]) = bytes.get(at..at + 2) {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some(query) = bytes.get(at + 2..at + 2 + len) else { break };
        at += 2 + len;
        line.hear(query);
        let mut buffer = query.to_vec();
        buffer.resize(len + 64, 0);
        let len = reply(&mut buffer, len, ADDRESS, TTL);
        replies.extend_from_slice(&(len as u16).to_be_bytes());
        replies.extend_from_slice(&buffer[..len]);
    }
    (replies, at)
}
