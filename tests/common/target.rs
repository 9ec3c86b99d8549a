//! A scripted target: what it says to each query is written in the test, over UDP and TCP.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{self, framed};
use super::message::{self, Message, Parsed};

/// One query as it reached the target.
#[derive(Clone, Debug)]
pub struct Seen {
    pub bytes: Vec<u8>,
    pub tcp: bool,
    pub from: SocketAddr,
    pub at: Instant,
}

impl Seen {
    pub fn parsed(&self) -> Parsed {
        client::parse(&self.bytes)
    }

    /// The name asked for, in lower case and wire form.
    pub fn name(&self) -> Vec<u8> {
        self.parsed().questions[0].0.to_ascii_lowercase()
    }

    pub fn asks(&self, text: &str) -> bool {
        self.name() == message::name(text)
    }

    pub fn reply(&self) -> Message {
        Message::reply(&self.bytes)
    }

    /// The server's own question whether a target for everything lives: the root's SOA.
    pub fn is_probe(&self) -> bool {
        self.parsed().questions.first().is_some_and(|(name, rtype, _)| name == &[0] && *rtype == 6)
    }

    /// As the server's probes do by default, and no client of these tests.
    pub fn asks_for_soa(&self) -> bool {
        self.parsed().questions.first().is_some_and(|(_, rtype, _)| *rtype == 6)
    }

    /// One of the server's own questions that would show a loop.
    pub fn is_marked(&self) -> bool {
        let parsed = self.parsed();
        parsed.questions.first().is_some_and(|(name, _, _)| name.starts_with(b"\x1cdnsfwd-loop-"))
    }

    /// Whether the first label has this text.
    pub fn first_label(&self) -> String {
        let name = self.name();
        String::from_utf8_lossy(&name[1..1 + usize::from(name[0])]).into_owned()
    }
}

/// What a target does about a query. Over TCP each `Reply` is framed; `Raw` isn't.
#[derive(Clone, Debug)]
pub enum Act {
    Reply(Vec<u8>),
    Wait(Duration),
    /// From another port of the same address (UDP).
    FromOtherPort(Vec<u8>),
    /// From another address with the same port (UDP).
    FromOtherAddress(IpAddr, Vec<u8>),
    /// Bytes without a length before them (TCP).
    Raw(Vec<u8>),
    /// Ends the connection (TCP).
    Close,
}

pub fn reply(message: &Message) -> Vec<Act> {
    vec![Act::Reply(message.bytes())]
}

type Script = dyn Fn(&Seen) -> Vec<Act> + Send + Sync;

pub struct Scripted {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    over: Arc<AtomicBool>,
}

impl Scripted {
    pub fn start(
        address: SocketAddr,
        script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Scripted {
        let script: Arc<Script> = Arc::new(script);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let udp = UdpSocket::bind(address).unwrap();
        let tcp = TcpListener::bind(address).unwrap();
        let scene = Scene { script, seen: seen.clone(), over: over.clone() };
        let (for_udp, for_tcp) = (scene.clone(), scene);
        thread::spawn(move || for_udp.serve_udp(&udp));
        thread::spawn(move || for_tcp.serve_tcp(&tcp));
        Scripted { address, seen, over }
    }

    /// Answers every question of type A with one address; other types get no data.
    pub fn with_address(address: SocketAddr, ip: [u8; 4]) -> Scripted {
        Scripted::start(address, move |seen| reply(&addressed(seen, 300, ip)))
    }

    pub fn seen(&self) -> Vec<Seen> {
        let all = self.seen.lock().unwrap().clone();
        all.into_iter().filter(|seen| !seen.asks_for_soa() && !seen.is_marked()).collect()
    }

    /// How often a name was asked for, whatever the type.
    pub fn count(&self, text: &str) -> usize {
        self.seen().iter().filter(|seen| seen.asks(text)).count()
    }

    /// The queries for a name.
    pub fn asked(&self, text: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.asks(text)).collect()
    }
}

pub fn addressed(seen: &Seen, ttl: u32, ip: [u8; 4]) -> Message {
    if seen.parsed().questions[0].1 == message::A {
        seen.reply().answer(message::address(ttl, ip))
    } else {
        let soa = message::record(&[0], message::SOA, message::IN, ttl, &message::soa_rdata(ttl));
        seen.reply().authority(soa)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes both threads; each looks at `over` first.
        if let Ok(socket) = UdpSocket::bind((self.address.ip(), 0)) {
            let _ = socket.send_to(&[], self.address);
        }
        let _ = TcpStream::connect(self.address);
    }
}

#[derive(Clone)]
struct Scene {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    over: Arc<AtomicBool>,
}

impl Scene {
    fn acts(&self, bytes: &[u8], tcp: bool, from: SocketAddr) -> Vec<Act> {
        let seen = Seen { bytes: bytes.to_vec(), tcp, from, at: Instant::now() };
        self.seen.lock().unwrap().push(seen.clone());
        (self.script)(&seen)
    }

    fn serve_udp(self, socket: &UdpSocket) {
        let mut buffer = [0; 65535];
        while !self.over.load(Ordering::Relaxed) {
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
            if len < 12 {
                continue;
            }
            let acts = self.acts(&buffer[..len], false, from);
            if acts.iter().any(|act| matches!(act, Act::Wait(_))) {
                let socket = socket.try_clone().unwrap();
                thread::spawn(move || act_udp(&socket, from, acts));
            } else {
                act_udp(socket, from, acts);
            }
        }
    }

    fn serve_tcp(self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let scene = self.clone();
            if let Ok(stream) = stream {
                thread::spawn(move || scene.serve_stream(stream));
            }
        }
    }

    fn serve_stream(self, mut stream: TcpStream) {
        let Ok(from) = stream.peer_addr() else { return };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        loop {
            let mut length = [0; 2];
            if stream.read_exact(&mut length).is_err() {
                return;
            }
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
            if stream.read_exact(&mut bytes).is_err() {
                return;
            }
            for act in self.acts(&bytes, true, from) {
                let done = match act {
                    Act::Reply(bytes) => stream.write_all(&framed(&bytes)),
                    Act::Raw(bytes) => stream.write_all(&bytes),
                    Act::Wait(time) => {
                        thread::sleep(time);
                        Ok(())
                    }
                    Act::Close => return,
                    Act::FromOtherPort(_) | Act::FromOtherAddress(..) => Ok(()),
                };
                if done.is_err() {
                    return;
                }
            }
        }
    }
}

fn act_udp(socket: &UdpSocket, from: SocketAddr, acts: Vec<Act>) {
    for act in acts {
        match act {
            Act::Reply(bytes) => drop(socket.send_to(&bytes, from)),
            Act::Wait(time) => thread::sleep(time),
            Act::FromOtherPort(bytes) => {
                let here = socket.local_addr().unwrap().ip();
                drop(UdpSocket::bind((here, 0)).unwrap().send_to(&bytes, from));
            }
            Act::FromOtherAddress(ip, bytes) => {
                let port = socket.local_addr().unwrap().port();
                drop(UdpSocket::bind((ip, port)).unwrap().send_to(&bytes, from));
            }
            Act::Raw(_) | Act::Close => {}
        }
    }
}
