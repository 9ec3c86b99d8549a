//! Datagrams in batches: recvmmsg and sendmmsg, with the address that was asked. The only unsafe code there
//! is; it turns kernel structures into slices and addresses, and knows nothing of DNS.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::{mem, ptr};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::limits::{BATCH, DATAGRAM};

/// Octets of control data: one in6_pktinfo (20) and its header, aligned; in_pktinfo is smaller.
const CONTROL: usize = 64;

/// The local address that a datagram was sent to, and its interface: where the reply leaves from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    pub address: IpAddr,
    pub interface: u32,
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Kernel structures for up to `BATCH` datagrams, with their octets.
pub struct Batch {
    octets: Box<[[u8; DATAGRAM]; BATCH]>,
    lens: [usize; BATCH],
    names: Box<[libc::sockaddr_storage; BATCH]>,
    controls: Box<[Control; BATCH]>,
    iovecs: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
    filled: usize,
}

// SAFETY: the raw pointers inside `iovecs` and `headers` are set anew from the boxes of this very value before
// each system call, and mean nothing between calls.
unsafe impl Send for Batch {}

impl Default for Batch {
    fn default() -> Self {
        Batch::new()
    }
}

impl Batch {
    pub fn new() -> Batch {
        // SAFETY: all of these are plain C structures for which all-zero octets are valid values.
        let (names, iovecs, headers) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Batch {
            octets: vec![[0; DATAGRAM]; BATCH].into_boxed_slice().try_into().expect("as long as it was made"),
            lens: [0; BATCH],
            names: Box::new(names),
            controls: Box::new([Control([0; CONTROL]); BATCH]),
            iovecs: Box::new(iovecs),
            headers: Box::new(headers),
            filled: 0,
        }
    }

    /// Receives what is there, without waiting; gives how many datagrams. `WouldBlock` if there are none.
    pub fn receive(&mut self, socket: RawFd) -> io::Result<usize> {
        for index in 0..BATCH {
            self.point(index, DATAGRAM, CONTROL);
        }
        // SAFETY: `headers` points at BATCH headers whose buffers are owned by self and as long as they say.
        let count = unsafe {
            libc::recvmmsg(
                socket,
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        // What was received is not for sending.
        self.filled = 0;
        Ok(count)
    }

    /// A received datagram; none if it was longer than we take.
    pub fn datagram(&self, index: usize) -> Option<&[u8]> {
        let header = &self.headers[index];
        let whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
        whole.then(|| &self.octets[index][..header.msg_len as usize])
    }

    /// Who sent it.
    pub fn peer(&self, index: usize) -> Option<SocketAddr> {
        read_address(&self.names[index])
    }

    /// Whom it was sent to, if the socket was told to say.
    pub fn local(&self, index: usize) -> Option<Local> {
        read_control(&self.controls[index].0, self.headers[index].msg_hdr.msg_controllen)
    }

    /// Room for the next datagram to send; the batch must not be full.
    pub fn room(&mut self) -> &mut [u8; DATAGRAM] {
        &mut self.octets[self.filled]
    }

    pub fn is_full(&self) -> bool {
        self.filled == BATCH
    }

    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Takes what was written into `room` as a datagram of `len` octets. No peer: the socket is connected.
    pub fn push(&mut self, len: usize, peer: Option<SocketAddr>, local: Option<Local>) {
        let index = self.filled;
        self.lens[index] = len.min(DATAGRAM);
        self.headers[index].msg_hdr.msg_namelen =
            peer.map_or(0, |peer| write_address(&mut self.names[index], peer));
        self.headers[index].msg_hdr.msg_controllen =
            local.map_or(0, |local| write_control(&mut self.controls[index].0, local)) as _;
        self.filled += 1;
    }

    /// Sends all datagrams of the batch and empties it. One that can't be sent is left out, and the last such
    /// error is given with how many those were.
    pub fn send(&mut self, socket: RawFd) -> Result<(), (usize, io::Error)> {
        for index in 0..self.filled {
            let header = &self.headers[index].msg_hdr;
            let (name_len, control_len) = (header.msg_namelen, header.msg_controllen);
            self.point(index, self.lens[index], control_len);
            self.headers[index].msg_hdr.msg_namelen = name_len;
            if name_len == 0 {
                self.headers[index].msg_hdr.msg_name = ptr::null_mut();
            }
            if control_len == 0 {
                self.headers[index].msg_hdr.msg_control = ptr::null_mut();
            }
        }
        let (mut at, mut failed, mut waits) = (0, None, 0);
        while at < self.filled {
            // SAFETY: headers at..filled were pointed at buffers owned by self just now.
            let sent = unsafe {
                libc::sendmmsg(
                    socket,
                    self.headers[at..].as_mut_ptr(),
                    (self.filled - at) as u32,
                    libc::MSG_DONTWAIT,
                )
            };
            if let Ok(count) = usize::try_from(sent)
                && count > 0
            {
                at += count;
                continue;
            }
            let error = io::Error::last_os_error();
            // A full send buffer empties within microseconds; giving up the reply would lose a query.
            if error.kind() == io::ErrorKind::WouldBlock && waits < 20 && wait_writable(socket) {
                waits += 1;
                continue;
            }
            let (count, _) = failed.unwrap_or((0, io::ErrorKind::Other));
            failed = Some((count + 1, error.kind()));
            at += 1;
        }
        self.filled = 0;
        failed.map_or(Ok(()), |(count, kind)| Err((count, kind.into())))
    }

    /// Points header `index` at this value's own buffers.
    fn point(&mut self, index: usize, len: usize, control_len: usize) {
        self.iovecs[index] = libc::iovec { iov_base: self.octets[index].as_mut_ptr().cast(), iov_len: len };
        let header = &mut self.headers[index].msg_hdr;
        header.msg_name = (&raw mut self.names[index]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
        header.msg_iov = &raw mut self.iovecs[index];
        header.msg_iovlen = 1;
        header.msg_control = self.controls[index].0.as_mut_ptr().cast();
        header.msg_controllen = control_len as _;
        header.msg_flags = 0;
    }
}

/// A socket whose runtime waits for datagrams alone. Told of room for writing too, as the runtime's own sockets
/// are, it would wake after each reply only to hear that it has left: a tenth of the CPU time at 30,000 queries
/// a second.
pub fn wait_for_datagrams(socket: UdpSocket) -> io::Result<AsyncFd<UdpSocket>> {
    // SAFETY: the socket owns its descriptor and keeps it until it is dropped, which it is with what is made.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}

/// Has the processor fetch these octets into its cache; a hint that changes nothing else.
pub fn fetch_ahead<T>(memory: &[T]) {
    const LINE: usize = 64;
    let start = memory.as_ptr().cast::<i8>();
    let before = start.addr() % LINE;
    for offset in (0..before + size_of_val(memory)).step_by(LINE) {
        fetch_line(start.wrapping_sub(before).wrapping_add(offset));
    }
}

#[cfg(target_arch = "x86_64")]
fn fetch_line(address: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads nothing that a program could see, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
}

/// No stable way to say it; what is read is fetched when it is.
#[cfg(not(target_arch = "x86_64"))]
fn fetch_line(_: *const i8) {}

/// Asks for a receive buffer beyond what the system grants everybody, and takes what it gets.
pub fn grow_receive_buffer(socket: &impl AsRawFd, octets: usize) {
    let octets = octets as libc::c_int;
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, octets).is_err() {
        // Without CAP_NET_ADMIN: up to net.core.rmem_max.
        let _ = set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, octets);
    }
}

/// Has each datagram come with the address that it was sent to.
pub fn tell_destination(socket: &impl AsRawFd, v6: bool) -> io::Result<()> {
    match v6 {
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
    }
}

/// Ignores forged "fragmentation needed" messages: replies of at most 1,232 octets pass everywhere, and small
/// fragments are how answers get poisoned.
pub fn dont_fragment_by_hearsay(socket: &impl AsRawFd, v6: bool) {
    // Best effort: an old kernel serves as well without.
    let _ = match v6 {
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT),
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT),
    };
}

fn set_option(socket: &impl AsRawFd, level: i32, name: i32, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is an int on the stack, as long as said, for the time of the call.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the allocator take pieces of 1 MiB and more from the system one by one, and give each back when it is
/// free. By itself it raises that bound to the largest piece freed so far: then the tables of a new snapshot lie
/// in heaps between what building it took, and keep those heaps. With 100,000 rules that makes 27 MiB resident
/// after any number of reloads out of 36 to 51; a bound of 256 KiB gives no less, and a slower start.
pub fn return_large_pieces() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes numbers only. Refused, all goes on as before.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
        // What is free at a heap's end: fixing one bound fixes this too, at 128 KiB, and a worker would ask the
        // system again with each burst.
        libc::mallopt(libc::M_TRIM_THRESHOLD, 16 << 20);
    }
}

/// Gives the system the memory that is free in the allocator's hands.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number only, and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Waits up to 5 ms for room in the send buffer.
fn wait_writable(socket: RawFd) -> bool {
    let mut poll = libc::pollfd { fd: socket, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd, on the stack, for the time of the call.
    unsafe { libc::poll(&raw mut poll, 1, 5) >= 0 }
}

fn read_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a sockaddr_in, which is smaller than the storage.
            let address = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let address = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            Some(SocketAddrV6::new(ip, port, 0, address.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn write_address(storage: &mut libc::sockaddr_storage, address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: sockaddr_storage is larger than and aligned for any socket address.
            let target = unsafe { &mut *ptr::from_mut(storage).cast::<libc::sockaddr_in>() };
            target.sin_family = libc::AF_INET as u16;
            target.sin_port = address.port().to_be();
            target.sin_addr.s_addr = u32::from(*address.ip()).to_be();
            size_of::<libc::sockaddr_in>() as u32
        }
        SocketAddr::V6(address) => {
            // SAFETY: as above.
            let target = unsafe { &mut *ptr::from_mut(storage).cast::<libc::sockaddr_in6>() };
            target.sin6_family = libc::AF_INET6 as u16;
            target.sin6_port = address.port().to_be();
            target.sin6_flowinfo = 0;
            target.sin6_addr.s6_addr = address.ip().octets();
            target.sin6_scope_id = address.scope_id();
            size_of::<libc::sockaddr_in6>() as u32
        }
    }
}

/// Octets of a control header, and of one with so much data, as CMSG_LEN and CMSG_SPACE reckon.
const CMSG_HEADER: usize = size_of::<libc::cmsghdr>();

fn read_control(control: &[u8; CONTROL], len: impl TryInto<usize>) -> Option<Local> {
    let len = len.try_into().ok()?.min(CONTROL);
    if len < CMSG_HEADER {
        return None;
    }
    // SAFETY: the buffer is aligned for and at least as long as a cmsghdr, which is plain data.
    let header = unsafe { ptr::read_unaligned(control.as_ptr().cast::<libc::cmsghdr>()) };
    let data = &control[CMSG_HEADER..len];
    match (header.cmsg_level, header.cmsg_type) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) if data.len() >= size_of::<libc::in_pktinfo>() => {
            // SAFETY: long enough by the guard; in_pktinfo is plain data.
            let info = unsafe { ptr::read_unaligned(data.as_ptr().cast::<libc::in_pktinfo>()) };
            let address = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
            Some(Local { address: address.into(), interface: info.ipi_ifindex as u32 })
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if data.len() >= size_of::<libc::in6_pktinfo>() => {
            // SAFETY: as above, for in6_pktinfo.
            let info = unsafe { ptr::read_unaligned(data.as_ptr().cast::<libc::in6_pktinfo>()) };
            let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            Some(Local { address: address.into(), interface: info.ipi6_ifindex })
        }
        _ => None,
    }
}

fn write_control(control: &mut [u8; CONTROL], local: Local) -> usize {
    match local.address {
        IpAddr::V4(address) => {
            let spec_dst = libc::in_addr { s_addr: u32::from(address).to_be() };
            // The source is chosen by ipi_spec_dst alone: the way back may lead over another interface.
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: spec_dst,
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            put_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(address) => {
            let scoped = address.is_unicast_link_local();
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                ipi6_ifindex: if scoped { local.interface } else { 0 },
            };
            put_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn put_control<T: Copy>(control: &mut [u8; CONTROL], level: i32, kind: i32, info: T) -> usize {
    const { assert!(CMSG_HEADER + size_of::<T>() <= CONTROL) };
    // SAFETY: a cmsghdr is plain data; zero is valid for all its fields.
    let mut header: libc::cmsghdr = unsafe { mem::zeroed() };
    header.cmsg_len = (CMSG_HEADER + size_of::<T>()) as _;
    header.cmsg_level = level;
    header.cmsg_type = kind;
    // SAFETY: the assertion above holds for both writes; source and target don't overlap.
    unsafe {
        ptr::write_unaligned(control.as_mut_ptr().cast(), header);
        ptr::write_unaligned(control.as_mut_ptr().add(CMSG_HEADER).cast(), info);
    }
    (CMSG_HEADER + size_of::<T>()).next_multiple_of(size_of::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_go_out_and_come_in_by_batches() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let (mut outgoing, mut incoming) = (Batch::new(), Batch::new());
        for index in 0..BATCH {
            assert!(!outgoing.is_full());
            let text = format!("datagram {index}");
            outgoing.room()[..text.len()].copy_from_slice(text.as_bytes());
            outgoing.push(text.len(), Some(receiver.local_addr().unwrap()), None);
        }
        assert!(outgoing.is_full());
        outgoing.send(sender.as_raw_fd()).unwrap();
        assert!(outgoing.is_empty());
        assert_eq!(incoming.receive(receiver.as_raw_fd()).unwrap(), BATCH);
        assert_eq!(incoming.datagram(31).unwrap(), b"datagram 31");
        assert_eq!(incoming.peer(0), Some(sender.local_addr().unwrap()));
        assert_eq!(incoming.receive(receiver.as_raw_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_was_received_is_not_sent() {
        let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut batch = Batch::new();
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        other.send(b"x").unwrap();
        assert_eq!(batch.receive(one.as_raw_fd()).unwrap(), 1);
        assert!(batch.is_empty());
        batch.room()[0] = b'y';
        batch.push(1, None, None);
        batch.send(one.as_raw_fd()).unwrap();
        assert_eq!(batch.receive(other.as_raw_fd()).unwrap(), 1);
        assert_eq!(batch.datagram(0), Some(&b"y"[..]));
    }

    #[test]
    fn control_data_survives_both_ways() {
        let mut control = [0; CONTROL];
        let local = Local { address: "fe80::1".parse().unwrap(), interface: 3 };
        let len = write_control(&mut control, local);
        assert_eq!(read_control(&control, len), Some(local));
    }
}
