//! One worker's real way to the targets: UDP, and TCP where a reply was truncated or suspicious.

use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Instant;

use super::datagram::Datagrams;
use super::stream::Streams;
use super::{Inlet, Ticket, Transport};

pub struct Network {
    datagrams: Rc<Datagrams>,
    streams: Streams,
}

impl Network {
    /// To be called on the worker's own thread, within its `LocalSet`.
    pub fn new(inlet: Weak<dyn Inlet>) -> Network {
        let datagrams = Datagrams::new(Weak::clone(&inlet));
        tokio::task::spawn_local(Rc::clone(&datagrams).run_sweep());
        Network { datagrams, streams: Streams::new(inlet) }
    }
}

impl Transport for Network {
    fn ask(
        &self,
        target: SocketAddr,
        over_tcp: bool,
        message: &mut [u8],
        ticket: Ticket,
        now: Instant,
    ) -> io::Result<()> {
        match over_tcp {
            true => self.streams.ask(target, message, ticket, now),
            false => self.datagrams.ask(target, message, ticket, now),
        }
    }

    fn flush(&self) {
        self.datagrams.flush();
    }
}
