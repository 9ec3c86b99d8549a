//! Opening the sockets of a listener: one pair, UDP and TCP, for each worker, side by side on one address.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::RECEIVE_BUFFER;
use crate::sys;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// One worker's sockets of a listener.
pub struct Sockets {
    pub address: SocketAddr,
    pub udp: UdpSocket,
    pub tcp: TcpListener,
}

/// Opens an address for so many workers. All or none.
pub fn open(address: SocketAddr, workers: usize) -> io::Result<Vec<Sockets>> {
    (0..workers).map(|_| Ok(Sockets { address, udp: open_udp(address)?, tcp: open_tcp(address)? })).collect()
}

/// Fails if another process serves the address. SO_REUSEPORT would let the two share it, and each lose what
/// the other gets.
pub fn check_free(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())
}

fn open_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    prepare(&socket, address)?;
    sys::grow_receive_buffer(&socket, RECEIVE_BUFFER);
    sys::dont_fragment_by_hearsay(&socket, address.is_ipv6());
    if address.ip().is_unspecified() {
        // Replies leave from the address that was asked, also on hosts with several.
        sys::tell_destination(&socket, address.is_ipv6())?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn open_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket, address)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        // IPv4 has a listener of its own; one that is both would see clients under two kinds of addresses.
        socket.set_only_v6(true)?;
    }
    if socket.r#type()? == Type::STREAM {
        // Connections of the process before this one may still linger.
        socket.set_reuse_address(true)?;
    }
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)
}
