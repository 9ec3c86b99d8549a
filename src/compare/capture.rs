//! Questions out of captured packets: pcap and pcapng files, Ethernet, Linux cooked, loopback and raw IP. Trusts no
//! length in them; what is no question is passed over.

use std::fmt;
use std::io::Read;

use etherparse::{EtherType, LaxSlicedPacket, TransportSlice};
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

use super::question::{Gathering, Question};
use crate::limits::{CAPTURE_BLOCK, CAPTURE_BUFFER, CAPTURE_INTERFACES};
use crate::wire::header::{HEADER, bit, u16_at};
use crate::wire::name::{Name, wire_len};
use crate::wire::rdata::class;

/// Why a file can't be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    Read,
    NotCapture,
    /// Behind so many packets stands what no capture has.
    Broken {
        packets: usize,
    },
    LargeBlock {
        packets: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Read => write!(f, "it can't be read"),
            Fault::NotCapture => write!(f, "it is no pcap or pcapng file"),
            Fault::Broken { packets } => write!(f, "it is broken after {packets} packets"),
            Fault::LargeBlock { packets } => {
                write!(f, "after {packets} packets it has a block of more than {CAPTURE_BLOCK} octets")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// What a file held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    pub packets: usize,
    /// Queries of class IN to one of the ports, as often as they come.
    pub questions: usize,
    /// The file ends inside a packet: its writer was stopped.
    pub cut_short: bool,
}

/// Gathers the questions that packets carry to one of `ports`, over UDP, or over TCP where a message lies in one
/// segment.
pub fn read(file: impl Read + Send, ports: &[u16], gathering: &mut Gathering) -> Result<Capture, Fault> {
    let mut reader = create_reader(CAPTURE_BUFFER, file).map_err(|fault| match fault {
        PcapError::ReadError => Fault::Read,
        _ => Fault::NotCapture,
    })?;
    let mut capture = Capture::default();
    let mut links = Vec::new();
    let mut room = CAPTURE_BUFFER;
    loop {
        let packets = capture.packets;
        match reader.next() {
            Ok((0, _)) => return Err(Fault::Broken { packets }),
            Ok((len, block)) => {
                see_block(&block, &mut links, ports, &mut capture, gathering);
                reader.consume(len);
            }
            Err(PcapError::Eof) => return Ok(capture),
            Err(PcapError::Incomplete(_) | PcapError::BufferTooSmall | PcapError::UnexpectedEof) => {
                if !more(reader.as_mut(), &mut room).map_err(|fault| fault.after(packets))? {
                    return Ok(Capture { cut_short: !reader.data().is_empty(), ..capture });
                }
            }
            Err(PcapError::ReadError) => return Err(Fault::Read),
            Err(_) => return Err(Fault::Broken { packets }),
        }
    }
}

impl Fault {
    fn after(self, packets: usize) -> Fault {
        match self {
            Fault::LargeBlock { .. } => Fault::LargeBlock { packets },
            fault => fault,
        }
    }
}

/// Reads on, into a larger buffer where the present one is full. False at the end of the file.
fn more(reader: &mut dyn PcapReaderIterator, room: &mut usize) -> Result<bool, Fault> {
    let before = reader.data().len();
    reader.refill().map_err(|_| Fault::Read)?;
    if reader.data().len() > before {
        return Ok(true);
    }
    if reader.reader_exhausted() {
        return Ok(false);
    }
    *room *= 2;
    if *room > CAPTURE_BLOCK || !reader.grow(*room) {
        return Err(Fault::LargeBlock { packets: 0 });
    }
    reader.refill().map_err(|_| Fault::Read)?;
    Ok(reader.data().len() > before)
}

/// `links`: the kinds of the section's interfaces, by number.
fn see_block(
    block: &PcapBlockOwned<'_>,
    links: &mut Vec<Linktype>,
    ports: &[u16],
    capture: &mut Capture,
    gathering: &mut Gathering,
) {
    let (interface, data) = match block {
        PcapBlockOwned::LegacyHeader(header) => {
            // The upper bits tell of checksums behind the frame.
            *links = vec![Linktype(header.network.0 & 0xffff)];
            return;
        }
        PcapBlockOwned::Legacy(packet) => (0, packet.data),
        PcapBlockOwned::NG(Block::SectionHeader(_)) => return links.clear(),
        PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
            if links.len() < CAPTURE_INTERFACES {
                links.push(interface.linktype);
            }
            return;
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let len = (packet.caplen as usize).min(packet.data.len());
            (packet.if_id as usize, &packet.data[..len])
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => (0, packet.packet_data()),
        PcapBlockOwned::NG(_) => return,
    };
    capture.packets += 1;
    let Some(link) = links.get(interface) else { return };
    see_packet(*link, data, ports, &mut |question| {
        capture.questions += 1;
        gathering.add(question);
    });
}

fn see_packet(link: Linktype, data: &[u8], ports: &[u16], see: &mut dyn FnMut(Question)) {
    let Some(packet) = dissect(link, data) else { return };
    match packet.transport {
        Some(TransportSlice::Udp(udp)) if ports.contains(&udp.destination_port()) => {
            question(udp.payload()).into_iter().for_each(see);
        }
        Some(TransportSlice::Tcp(tcp)) if ports.contains(&tcp.destination_port()) => {
            messages(tcp.payload()).filter_map(question).for_each(see);
        }
        _ => {}
    }
}

/// By the kinds of <https://www.tcpdump.org/linktypes.html>.
fn dissect(link: Linktype, data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    /// Raw IP, as OpenBSD and others number it.
    const RAW_BSD: [i32; 2] = [12, 14];
    match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
        Linktype::LINUX_SLL => of_protocol(data, 14, 16),
        Linktype::LINUX_SLL2 => of_protocol(data, 0, 20),
        Linktype::NULL | Linktype::LOOP => LaxSlicedPacket::from_ip(data.get(4..)?).ok(),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => LaxSlicedPacket::from_ip(data).ok(),
        Linktype(number) if RAW_BSD.contains(&number) => LaxSlicedPacket::from_ip(data).ok(),
        _ => None,
    }
}

/// A frame whose EtherType stands at `protocol_at` and whose payload begins at `payload_at`.
fn of_protocol(data: &[u8], protocol_at: usize, payload_at: usize) -> Option<LaxSlicedPacket<'_>> {
    let payload = data.get(payload_at..)?;
    Some(LaxSlicedPacket::from_ether_type(EtherType(u16_at(data, protocol_at)), payload))
}

/// The whole messages of a segment, each behind its length (RFC 1035 section 4.2.2).
fn messages(mut segment: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = segment.split_first_chunk()?;
        let (message, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        segment = rest;
        Some(message)
    })
}

/// The question of a query: one, of class IN.
fn question(message: &[u8]) -> Option<Question> {
    if message.len() < HEADER {
        return None;
    }
    let asks = u16_at(message, 2) & (bit::QR | bit::OPCODE) == 0 && u16_at(message, 4) == 1;
    let end = HEADER + wire_len(&message[HEADER..])?;
    let fixed = message.get(end..end + 4)?;
    let name = Name::from_wire(&message[HEADER..end]).ok()?;
    (asks && u16_at(fixed, 2) == class::IN).then(|| Question::new(name, u16_at(fixed, 0)))
}
