//! Asks one server one question: over UDP from a random port with a random ID, several times within a bounded time,
//! over TCP where UDP cut the answer. Sends to nobody else.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep, timeout_at};

use super::heard::{Cut, Heard, query};
use super::question::Question;
use crate::limits::{COMPARE_AFTER_REFUSAL, COMPARE_TRIES, MESSAGE};
use crate::wire::header::bit;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// And TCP for answers that are cut.
    Udp,
    Tcp,
}

/// A server, and how it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub server: SocketAddr,
    /// For all tries of a question together; TCP after UDP has it once more.
    pub patience: Duration,
    pub transport: Transport,
}

impl Client {
    /// One question, one answer, or why there is none. Never fails.
    pub async fn ask(&self, question: &Question) -> Heard {
        if self.transport == Transport::Tcp {
            return self.ask_tcp(question).await;
        }
        match self.ask_udp(question).await {
            Heard::Said(said) if said.has(bit::TC) => match self.ask_tcp(question).await {
                Heard::Said(whole) => Heard::Said(super::heard::Said { cut: Cut::WholeOverTcp, ..whole }),
                _ => Heard::Said(super::heard::Said { cut: Cut::Left, ..said }),
            },
            heard => heard,
        }
    }

    async fn ask_udp(&self, question: &Question) -> Heard {
        let id = rand::random();
        let begun = Instant::now();
        let mut why = Heard::Nothing("no answer in time".to_owned());
        let socket = match self.socket().await {
            Ok(socket) => socket,
            Err(fault) => return Heard::Nothing(fault.to_string()),
        };
        for attempt in 1..=COMPARE_TRIES {
            let until = begun + self.patience * attempt / COMPARE_TRIES;
            let sent = socket.send(&query(question, id)).await;
            let received = match sent {
                Ok(_) => timeout_at(until, receive(&socket, id, question, &mut why)).await,
                Err(fault) => Ok(Err(fault)),
            };
            match received {
                Ok(Ok(heard)) => return heard,
                Ok(Err(fault)) => {
                    why = Heard::Nothing(fault.to_string());
                    sleep(COMPARE_AFTER_REFUSAL.min(until.saturating_duration_since(Instant::now()))).await;
                }
                Err(_) => {}
            }
        }
        why
    }

    /// Connected: only this server's datagrams arrive, and the kernel tells of a port that is closed.
    async fn socket(&self) -> io::Result<UdpSocket> {
        let any: SocketAddr = match self.server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(self.server).await?;
        Ok(socket)
    }

    async fn ask_tcp(&self, question: &Question) -> Heard {
        let until = Instant::now() + self.patience;
        match timeout_at(until, exchange(self.server, question)).await {
            Ok(Ok(heard)) => heard,
            Ok(Err(fault)) => Heard::Nothing(fault.to_string()),
            Err(_) => Heard::Nothing("no answer in time".to_owned()),
        }
    }
}

/// The first datagram that answers. What has our ID but can't be read may be somebody else's, so that the wait goes
/// on; it is remembered in `why`.
async fn receive(socket: &UdpSocket, id: u16, question: &Question, why: &mut Heard) -> io::Result<Heard> {
    let mut buffer = vec![0; MESSAGE];
    loop {
        let len = socket.recv(&mut buffer).await?;
        if len < 2 || buffer[..2] != id.to_be_bytes() {
            continue;
        }
        match Heard::read(&buffer[..len], question) {
            heard @ Heard::Said(_) => return Ok(heard),
            broken => *why = broken,
        }
    }
}

async fn exchange(server: SocketAddr, question: &Question) -> io::Result<Heard> {
    let id: u16 = rand::random();
    let message = query(question, id);
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let framed = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    stream.write_all(&framed).await?;
    let len = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(len)];
    stream.read_exact(&mut reply).await?;
    if reply.get(..2) != Some(&id.to_be_bytes()) {
        return Ok(Heard::Broken("reply has another ID".to_owned()));
    }
    Ok(Heard::read(&reply, question))
}
