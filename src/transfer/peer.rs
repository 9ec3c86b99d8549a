//! Talks to one other server of a zone: a question and its answer, or a transfer. Signs what it sends and checks
//! what comes; decides nothing about zones.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use super::held::Peer;
use super::intake::{Fault, Intake, Transfer, serial_of};
use crate::limits::{SOA_TIMEOUT, TRANSFER_CONNECT, TRANSFER_PATIENCE, TRANSFER_WITHIN};
use crate::wire::header::{HEADER, bit, opcode, u16_at};
use crate::wire::name::Name;
use crate::wire::rdata::{class, rtype};
use crate::wire::records::{self, Reader};
use crate::wire::tsig::{self, Chain, Refusal};
use crate::wire::write::{Section, Writer};
use crate::zone::{Record, Serial};

/// Octets of a datagram that answers us.
const DATAGRAM: usize = 4096;

/// Why a server was of no use.
#[derive(Debug)]
pub enum PeerError {
    Io(io::Error),
    Timeout,
    Signature(Refusal),
    Fault(Fault),
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("it closed the connection in the middle")
            }
            PeerError::Io(error) => error.fmt(f),
            PeerError::Timeout => f.write_str("no answer in time"),
            PeerError::Signature(refusal) => refusal.fmt(f),
            PeerError::Fault(fault) => fault.fmt(f),
        }
    }
}

impl From<io::Error> for PeerError {
    fn from(error: io::Error) -> PeerError {
        PeerError::Io(error)
    }
}

impl From<Fault> for PeerError {
    fn from(fault: Fault) -> PeerError {
        PeerError::Fault(fault)
    }
}

impl From<tokio::time::error::Elapsed> for PeerError {
    fn from(_: tokio::time::error::Elapsed) -> PeerError {
        PeerError::Timeout
    }
}

/// Seconds since 1970, as signatures have them.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A message with one question and perhaps an SOA in a section.
pub fn message(bits: u16, zone: &Name, qtype: u16, soa: Option<(Section, Record<'_>)>) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let mut writer = Writer::new(&mut buffer, 2048);
    writer.set_id(rand::random());
    writer.set_flags(bits);
    // Two kibioctets hold a question and an SOA with three names.
    let _ = writer.question(zone.as_wire(), qtype, class::IN);
    if let Some((section, soa)) = soa {
        let _ = writer.record(section, soa.owner, soa.rtype, class::IN, soa.ttl, soa.rdata);
    }
    let len = writer.finish();
    buffer[..len].to_vec()
}

/// The serial of a zone at a server. Over UDP, and over TCP where that gives nothing.
pub async fn serial(peer: &Peer, zone: &Name) -> Result<Serial, PeerError> {
    let question = message(opcode::QUERY, zone, rtype::SOA, None);
    let mut reply = ask_datagram(peer, &question, SOA_TIMEOUT).await;
    if matches!(reply, Err(PeerError::Timeout)) {
        reply = ask_datagram(peer, &question, SOA_TIMEOUT).await;
    }
    let truncated = |reply: &Vec<u8>| u16_at(reply, 2) & bit::TC != 0;
    if reply.as_ref().map_or(true, truncated) {
        reply = ask_stream(peer, &question).await;
    }
    soa_in(&reply?, zone)
}

fn soa_in(reply: &[u8], zone: &Name) -> Result<Serial, PeerError> {
    let bits = u16_at(reply, 2);
    if bits & bit::RCODE != 0 {
        return Err(Fault::Rcode(bits & bit::RCODE).into());
    }
    // RFC 1034 section 4.3.5 and common sense: only who has authority can vouch for a zone.
    if bits & bit::AA == 0 {
        return Err(Fault::NotAnAnswer.into());
    }
    let mut reader = Reader::new(reply).map_err(Fault::from)?;
    while let Some(rr) = reader.step().map_err(Fault::from)? {
        if rr.section == 1 && rr.rtype == rtype::SOA && rr.owner == zone.as_wire() {
            return serial_of(rr.rdata).ok_or(PeerError::Fault(Fault::Malformed));
        }
    }
    Err(Fault::NoSoa.into())
}

/// One message over UDP and the reply to it. What is no reply to it, or not signed as it has to be, is not listened
/// to: anybody can send that.
pub async fn ask_datagram(
    peer: &Peer,
    message: &[u8],
    patience: std::time::Duration,
) -> Result<Vec<u8>, PeerError> {
    let (message, chain) = signed(peer, message);
    let any: IpAddr =
        if peer.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(peer.address).await?;
    socket.send(&message).await?;
    let end = Instant::now() + patience;
    let mut buffer = [0; DATAGRAM];
    let mut refused = None;
    loop {
        let received = match timeout_at(end, socket.recv(&mut buffer)).await {
            Ok(received) => received?,
            Err(_) => return Err(refused.map_or(PeerError::Timeout, PeerError::Signature)),
        };
        let reply = &buffer[..received];
        if !is_reply(&message, reply) {
            continue;
        }
        match &chain {
            None => return Ok(reply.to_vec()),
            Some(chain) => match chain.clone().check(reply, now()) {
                Ok(()) => return stripped(reply),
                Err(refusal) => refused = Some(refusal),
            },
        }
    }
}

async fn ask_stream(peer: &Peer, message: &[u8]) -> Result<Vec<u8>, PeerError> {
    let (message, mut chain) = signed(peer, message);
    let mut stream = connect(peer, &message).await?;
    let reply = timeout(TRANSFER_PATIENCE, read(&mut stream)).await??;
    if !is_reply(&message, &reply) {
        return Err(Fault::NotAnAnswer.into());
    }
    check(&mut chain, &reply)
}

/// Fetches a zone, or what changed since `have`.
pub async fn transfer(peer: &Peer, zone: &Name, have: Option<Record<'_>>) -> Result<Transfer, PeerError> {
    timeout(TRANSFER_WITHIN, transfer_in_time(peer, zone, have)).await?
}

async fn transfer_in_time(peer: &Peer, zone: &Name, have: Option<Record<'_>>) -> Result<Transfer, PeerError> {
    let serial = have.and_then(|soa| serial_of(soa.rdata));
    let qtype = if serial.is_some() { rtype::IXFR } else { rtype::AXFR };
    let request = message(opcode::QUERY, zone, qtype, have.map(|soa| (Section::Authority, soa)));
    let (request, mut chain) = signed(peer, &request);
    let mut stream = connect(peer, &request).await?;
    let mut intake = Intake::new(zone, serial);
    loop {
        let reply = timeout(TRANSFER_PATIENCE, read(&mut stream)).await??;
        if reply.len() < HEADER || reply[..2] != request[..2] {
            return Err(Fault::NotAnAnswer.into());
        }
        let reply = check(&mut chain, &reply)?;
        if let Some(transfer) = intake.take(&reply)? {
            // RFC 8945 section 5.3.1: the last message is signed, and vouches for all before it.
            return match chain.is_none_or(|chain| chain.is_signed_to_here()) {
                true => Ok(transfer),
                false => Err(PeerError::Signature(Refusal::Unsigned)),
            };
        }
    }
}

/// Checks a message that answers a signed one, and takes its signature off.
fn check(chain: &mut Option<Chain>, reply: &[u8]) -> Result<Vec<u8>, PeerError> {
    if let Some(chain) = chain {
        chain.check(reply, now()).map_err(PeerError::Signature)?;
    }
    stripped(reply)
}

fn stripped(reply: &[u8]) -> Result<Vec<u8>, PeerError> {
    let signature = tsig::find(reply).map_err(Fault::from)?;
    Ok(signature.map_or_else(|| reply.to_vec(), |signature| signature.stripped(reply)))
}

fn signed(peer: &Peer, message: &[u8]) -> (Vec<u8>, Option<Chain>) {
    let mut message = message.to_vec();
    let chain = peer.key.as_ref().map(|key| tsig::sign_request(&mut message, key, now()));
    (message, chain)
}

/// Whether the one is a reply to the other: ID, opcode and question.
fn is_reply(message: &[u8], reply: &[u8]) -> bool {
    reply.len() >= HEADER
        && reply[..2] == message[..2]
        && u16_at(reply, 2) & bit::QR != 0
        && u16_at(reply, 2) & bit::OPCODE == u16_at(message, 2) & bit::OPCODE
        && (u16_at(reply, 4) == 0 || records::question(reply) == records::question(message))
}

async fn connect(peer: &Peer, message: &[u8]) -> Result<TcpStream, PeerError> {
    let mut stream = timeout(TRANSFER_CONNECT, TcpStream::connect(peer.address)).await??;
    let framed = [&(message.len() as u16).to_be_bytes()[..], message].concat();
    timeout(TRANSFER_CONNECT, stream.write_all(&framed)).await??;
    Ok(stream)
}

async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let len = stream.read_u16().await?;
    let mut message = vec![0; usize::from(len)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}
