//! Clients: raw sockets that send exactly the bytes they are given, and dig and kdig.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use super::message::{Message, Parsed, hex};
use super::process::run;

/// The promise is an answer or an error within two seconds; the rest is room for a busy machine.
pub const PATIENCE: Duration = Duration::from_millis(2600);

pub struct Udp {
    socket: UdpSocket,
}

impl Udp {
    pub fn to(server: SocketAddr) -> Udp {
        Udp::from(IpAddr::V4(Ipv4Addr::LOCALHOST), server)
    }

    pub fn from(source: IpAddr, server: SocketAddr) -> Udp {
        let socket = UdpSocket::bind((source, 0)).unwrap();
        socket.connect(server).unwrap();
        Udp { socket }
    }

    pub fn send(&self, bytes: &[u8]) {
        // A refusal of an earlier datagram is reported here; that one is of no interest.
        if self.socket.send(bytes).is_err() {
            self.socket.send(bytes).unwrap();
        }
    }

    /// The next datagram, whatever it is.
    pub fn receive(&self, limit: Duration) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65535];
        self.socket.set_read_timeout(Some(limit.max(Duration::from_millis(1)))).unwrap();
        match self.socket.recv(&mut buffer) {
            Ok(len) => Some(buffer[..len].to_vec()),
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(fault) if fault.kind() == ErrorKind::ConnectionRefused => None,
            Err(fault) => panic!("receiving: {fault}"),
        }
    }

    /// Sends, and waits for the datagram with the same ID.
    pub fn ask(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.send(bytes);
        let end = Instant::now() + PATIENCE;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let reply = self.receive(left)?;
            if reply.len() >= 2 && bytes.len() >= 2 && reply[..2] == bytes[..2] {
                return Some(reply);
            }
        }
        None
    }
}

/// One question over UDP, answered and sound.
pub fn ask(server: SocketAddr, query: &Message) -> Parsed {
    parse(&ask_raw(server, query))
}

pub fn ask_raw(server: SocketAddr, query: &Message) -> Vec<u8> {
    let bytes = query.bytes();
    let reply = Udp::to(server).ask(&bytes);
    reply.unwrap_or_else(|| panic!("no answer to {} within two seconds", hex(&bytes)))
}

/// One question over TCP, answered and sound.
pub fn ask_tcp(server: SocketAddr, query: &Message) -> Parsed {
    let bytes = query.bytes();
    let mut tcp = Tcp::to(server);
    tcp.send(&bytes);
    let reply = tcp.receive().unwrap_or_else(|| panic!("no answer over TCP to {}", hex(&bytes)));
    parse(&reply)
}

pub fn parse(reply: &[u8]) -> Parsed {
    Parsed::of(reply).unwrap_or_else(|fault| panic!("an unsound reply: {fault}: {}", hex(reply)))
}

pub struct Tcp {
    pub stream: TcpStream,
}

impl Tcp {
    pub fn to(server: SocketAddr) -> Tcp {
        let stream = TcpStream::connect_timeout(&server, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Tcp { stream }
    }

    /// The message behind its length (RFC 1035 section 4.2.2), in one segment.
    pub fn send(&mut self, message: &[u8]) {
        self.stream.write_all(&framed(message)).unwrap();
    }

    pub fn send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next message, or nothing at the end of the stream or of our patience.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        self.stream.read_exact(&mut length).ok()?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut message).ok()?;
        Some(message)
    }

    /// True when the server closes within `limit`; what it sends before that is read and dropped.
    pub fn closes_within(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut buffer = [0; 4096];
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return true,
            }
        }
        false
    }

    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(message);
    bytes
}

/// What dig or kdig printed, by section; records with blanks squeezed.
#[derive(Clone, Debug, Default)]
pub struct Dug {
    pub status: String,
    pub flags: Vec<String>,
    pub answer: Vec<String>,
    pub authority: Vec<String>,
    pub additional: Vec<String>,
    pub text: String,
    pub code: i32,
}

impl Dug {
    /// RDATA of the answer's records of a type, sorted.
    pub fn data(&self, rtype: &str) -> Vec<String> {
        let mut data: Vec<String> = self
            .answer
            .iter()
            .map(|line| line.splitn(5, ' ').collect::<Vec<_>>())
            .filter(|fields| fields.len() == 5 && fields[3] == rtype)
            .map(|fields| fields[4].to_string())
            .collect();
        data.sort();
        data
    }

    pub fn flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }
}

pub fn dig(server: SocketAddr, arguments: &str) -> Dug {
    digger("dig", server, arguments)
}

pub fn kdig(server: SocketAddr, arguments: &str) -> Dug {
    digger("kdig", server, arguments)
}

fn digger(program: &str, server: SocketAddr, arguments: &str) -> Dug {
    let mut command = Command::new(program);
    if program == "dig" {
        // Not the settings of whoever runs the tests.
        command.arg("-r");
    }
    let address = [format!("@{}", server.ip()), "-p".into(), server.port().to_string()];
    command.args(address).args(["+timeout=3", "+tries=1", "+retry=0"].iter().filter(|o| keeps(program, o)));
    let output = run(command.args(arguments.split_whitespace()));
    read_dug(&output.stdout, output.code)
}

/// kdig has no +tries.
fn keeps(program: &str, option: &str) -> bool {
    program == "dig" || option != "+tries=1"
}

fn read_dug(text: &str, code: i32) -> Dug {
    let mut dug = Dug { text: text.into(), code, ..Dug::default() };
    let mut section = "";
    for line in text.lines() {
        if let Some(status) = line.split("status: ").nth(1) {
            dug.status = status.split([',', ';']).next().unwrap().trim().to_string();
        }
        if let Some(flags) = line.strip_prefix(";; flags:").or_else(|| line.strip_prefix(";; Flags:")) {
            dug.flags = flags.split(';').next().unwrap().split_whitespace().map(str::to_string).collect();
        } else if line.starts_with(";; ANSWER") {
            section = "answer";
        } else if line.starts_with(";; AUTHORITY") {
            section = "authority";
        } else if line.starts_with(";; ADDITIONAL") {
            section = "additional";
        } else if line.starts_with(';') || line.is_empty() {
            if line.starts_with(";;") {
                section = "";
            }
        } else {
            let record = line.split_whitespace().collect::<Vec<_>>().join(" ");
            match section {
                "answer" => dug.answer.push(record),
                "authority" => dug.authority.push(record),
                "additional" => dug.additional.push(record),
                _ => {}
            }
        }
    }
    dug
}
