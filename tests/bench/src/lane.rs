//! One way to the server, a socket or a run of connections, with the IDs of what is asked on it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, Socket, Type};

use crate::mmsg::Batch;
use crate::stream::{Load, Rest, Transport};
use crate::sys;

/// One query on its way.
#[derive(Clone, Copy, Default)]
pub(crate) struct Slot {
    pub sent: u64,
    pub number: u64,
    pub state: State,
}

#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum State {
    #[default]
    Free,
    Asked,
    Answered,
    Lost,
}

pub(crate) struct Lane {
    pub way: Way,
    pub slots: Vec<Slot>,
    next_id: u16,
    /// IDs by time of sending.
    pub order: VecDeque<u16>,
    pub outstanding: usize,
    in_runs: bool,
}

pub(crate) enum Way {
    Udp(UdpSocket),
    /// Made again when the server has closed it.
    Tcp {
        from: Option<IpAddr>,
        to: SocketAddr,
        stream: Stream,
    },
    /// A new connection for each query, from an address of the lane's own: a port waits for a minute until
    /// it is used again, and there are only so many of an address.
    EachAnew {
        from: Option<IpAddr>,
        to: SocketAddr,
        stream: Option<Stream>,
    },
}

pub(crate) struct Stream {
    stream: TcpStream,
    read: Vec<u8>,
    write: Vec<u8>,
    open: bool,
}

/// IDs tried until one is free.
const ID_TRIES: usize = 64;

impl Lane {
    pub fn open(load: &Load, index: usize) -> io::Result<Lane> {
        let way = match load.transport {
            Transport::Udp => {
                let any: IpAddr = if load.server.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
                let socket = UdpSocket::bind((load.source.unwrap_or(any), 0))?;
                socket.connect(load.server)?;
                sys::widen(socket.as_raw_fd());
                Way::Udp(socket)
            }
            Transport::Tcp => {
                let stream = Stream::connect(load.source, load.server)?;
                Way::Tcp { from: load.source, to: load.server, stream }
            }
            Transport::TcpEachAnew => {
                let own = IpAddr::from([127, 0, 1, 1 + (index % 250) as u8]);
                let from = load.source.or_else(|| load.server.is_ipv4().then_some(own));
                Way::EachAnew { from, to: load.server, stream: None }
            }
        };
        // Without a rate little is outstanding, and few IDs keep the slots in the processor's cache.
        let ids =
            if load.rate > 0.0 { 65536 } else { (4 * load.window).next_power_of_two().clamp(1024, 65536) };
        let slots = vec![Slot::default(); ids];
        Ok(Lane {
            way,
            slots,
            next_id: 1,
            order: VecDeque::new(),
            outstanding: 0,
            in_runs: load.rest != Rest::Sleep,
        })
    }

    pub fn descriptor(&self) -> Option<RawFd> {
        match &self.way {
            Way::Udp(socket) => Some(socket.as_raw_fd()),
            Way::Tcp { stream, .. } => stream.descriptor(),
            Way::EachAnew { stream, .. } => stream.as_ref().and_then(Stream::descriptor),
        }
    }

    pub fn room(&self, window: usize) -> usize {
        match &self.way {
            Way::EachAnew { .. } => 1usize.saturating_sub(self.outstanding),
            _ => window.saturating_sub(self.outstanding),
        }
    }

    /// The next ID that nothing waits for.
    pub fn take_id(&mut self, now: u64, number: u64) -> Option<u16> {
        let mask = (self.slots.len() - 1) as u16;
        for _ in 0..ID_TRIES {
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_add(1) & mask;
            let slot = &mut self.slots[usize::from(id)];
            if slot.state != State::Asked {
                *slot = Slot { sent: now, number, state: State::Asked };
                self.order.push_back(id);
                self.outstanding += 1;
                return Some(id);
            }
        }
        None
    }

    pub fn slot(&mut self, id: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(id))
    }

    /// What was asked on a connection that the server has closed: these get no answer.
    pub fn forsaken(&mut self) -> usize {
        let closed = match &self.way {
            Way::Udp(_) => false,
            Way::Tcp { stream, .. } => !stream.open,
            Way::EachAnew { stream, .. } => stream.is_none(),
        };
        if !closed || self.outstanding == 0 {
            return 0;
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.state == State::Asked) {
            slot.state = State::Lost;
        }
        std::mem::take(&mut self.outstanding)
    }

    pub fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        match &mut self.way {
            Way::Udp(socket) if self.in_runs => batch.send_in_runs(socket.as_raw_fd()),
            Way::Udp(socket) => batch.send(socket.as_raw_fd()),
            Way::Tcp { from, to, stream } => {
                if !stream.open {
                    *stream = Stream::connect(*from, *to)?;
                }
                stream.send(batch);
                Ok(())
            }
            Way::EachAnew { from, to, stream } => {
                let mut fresh = Stream::connect(*from, *to)?;
                fresh.send(batch);
                *stream = Some(fresh);
                Ok(())
            }
        }
    }

    /// Gives each message that has come over TCP.
    pub fn read_stream(&mut self, mut each: impl FnMut(&mut Lane, &[u8])) {
        let stream = match &mut self.way {
            Way::Udp(_) => None,
            Way::Tcp { stream, .. } => Some(stream),
            Way::EachAnew { stream, .. } => stream.as_mut(),
        };
        let Some(stream) = stream else { return };
        stream.receive();
        let mut bytes = std::mem::take(&mut stream.read);
        let mut at = 0;
        while let Some(length) = bytes.get(at..at + 2) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let Some(message) = bytes.get(at + 2..at + 2 + length) else { break };
            each(self, message);
            at += 2 + length;
        }
        bytes.drain(..at);
        match &mut self.way {
            Way::Tcp { stream, .. } => stream.read = bytes,
            // An answer or the other side's end: this connection is done.
            Way::EachAnew { stream, .. } if at > 0 || stream.as_ref().is_some_and(|stream| !stream.open) => {
                *stream = None;
            }
            Way::EachAnew { stream: Some(stream), .. } => stream.read = bytes,
            _ => {}
        }
    }
}

impl Stream {
    fn connect(from: Option<IpAddr>, to: SocketAddr) -> io::Result<Stream> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        if let Some(from) = from {
            sys::choose_port_late(socket.as_raw_fd());
            socket.bind(&SocketAddr::from((from, 0)).into())?;
        }
        socket.set_tcp_nodelay(true)?;
        // On loopback there is nothing to wait for, unless the server's queue is full.
        socket.connect(&to.into())?;
        socket.set_nonblocking(true)?;
        Ok(Stream { stream: socket.into(), read: Vec::new(), write: Vec::new(), open: true })
    }

    fn descriptor(&self) -> Option<RawFd> {
        self.open.then(|| self.stream.as_raw_fd())
    }

    fn send(&mut self, batch: &Batch) {
        for index in 0..batch.len() {
            let message = batch.get(index);
            self.write.extend((message.len() as u16).to_be_bytes());
            self.write.extend(message);
        }
        self.flush();
    }

    fn receive(&mut self) {
        self.flush();
        if !self.open {
            return;
        }
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.open = false,
            Ok(len) => self.read.extend(&buffer[..len]),
            Err(fault) => self.open = fault.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Writes what the stream takes.
    fn flush(&mut self) {
        while self.open && !self.write.is_empty() {
            match self.stream.write(&self.write) {
                Ok(0) => self.open = false,
                Ok(len) => drop(self.write.drain(..len)),
                Err(fault) => {
                    self.open = fault.kind() == ErrorKind::WouldBlock;
                    break;
                }
            }
        }
    }
}
