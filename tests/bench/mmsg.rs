//! Datagrams in batches: recvmmsg and sendmmsg over buffers that are made once.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::ptr;

pub const BATCH: usize = 64;
/// No message of a load run is longer: names are short and answers few.
const ROOM: usize = 1500;

pub struct Batch {
    bytes: Box<[[u8; ROOM]; BATCH]>,
    lens: [usize; BATCH],
    peers: Box<[libc::sockaddr_storage; BATCH]>,
    peer_lens: [libc::socklen_t; BATCH],
    len: usize,
}

impl Batch {
    pub fn new() -> Batch {
        Batch {
            bytes: Box::new([[0; ROOM]; BATCH]),
            lens: [0; BATCH],
            // SAFETY: sockaddr_storage is plain data for which all zeroes is a value.
            peers: Box::new(unsafe { mem::zeroed() }),
            peer_lens: [0; BATCH],
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    pub fn is_full(&self) -> bool {
        self.len == BATCH
    }

    /// Appends one message, written by `write`, which gives its length.
    pub fn push(&mut self, write: impl FnOnce(&mut [u8]) -> usize) {
        self.lens[self.len] = write(&mut self.bytes[self.len]);
        self.len += 1;
    }

    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[index][..self.lens[index]]
    }

    /// Makes a reply of a received message in its place: `turn` gets the buffer and the length, and gives
    /// the new length.
    pub fn turn(&mut self, index: usize, turn: impl FnOnce(&mut [u8], usize) -> usize) {
        self.lens[index] = turn(&mut self.bytes[index], self.lens[index]);
    }

    /// A copy of one message with its peer, to be sent later.
    pub fn copy(&self, index: usize) -> Held {
        Held { bytes: self.get(index).to_vec(), peer: self.peers[index], peer_len: self.peer_lens[index] }
    }

    pub fn push_held(&mut self, held: &Held) {
        let index = self.len;
        self.bytes[index][..held.bytes.len()].copy_from_slice(&held.bytes);
        self.lens[index] = held.bytes.len();
        self.peers[index] = held.peer;
        self.peer_lens[index] = held.peer_len;
        self.len += 1;
    }

    /// Takes what is there, without waiting; 0 when nothing is.
    pub fn receive(&mut self, socket: RawFd) -> io::Result<usize> {
        let mut vectors = self.vectors(ROOM);
        let mut headers = self.headers(&mut vectors, true);
        // SAFETY: headers, vectors, buffers and addresses live until the call returns, and the lengths in
        // them are the buffers' own.
        let got = unsafe {
            libc::recvmmsg(socket, headers.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT, ptr::null_mut())
        };
        if got < 0 {
            self.len = 0;
            return none_yet(io::Error::last_os_error());
        }
        self.len = got as usize;
        for (index, header) in headers[..self.len].iter().enumerate() {
            self.lens[index] = header.msg_len as usize;
            self.peer_lens[index] = header.msg_hdr.msg_namelen;
        }
        Ok(self.len)
    }

    /// Sends all; `to_peers`: each to where it came from, else on a connected socket. What the socket's
    /// buffer doesn't take is waited for.
    pub fn send(&mut self, socket: RawFd, to_peers: bool) -> io::Result<()> {
        let mut vectors = self.vectors(0);
        for (vector, len) in vectors.iter_mut().zip(self.lens) {
            vector.iov_len = len;
        }
        let mut headers = self.headers(&mut vectors, to_peers);
        let mut done = 0;
        let mut refusals = 0;
        while done < self.len {
            let left = (self.len - done) as u32;
            // SAFETY: as in `receive`; `done` stays within the array.
            let sent = unsafe { libc::sendmmsg(socket, headers.as_mut_ptr().add(done), left, 0) };
            match sent {
                0.. => done += sent as usize,
                _ => {
                    let fault = io::Error::last_os_error();
                    match fault.kind() {
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => std::thread::yield_now(),
                        // An earlier datagram was refused; this one isn't sent yet.
                        io::ErrorKind::ConnectionRefused if refusals < BATCH => refusals += 1,
                        _ => return Err(fault),
                    }
                }
            }
        }
        Ok(())
    }

    fn vectors(&mut self, len: usize) -> [libc::iovec; BATCH] {
        let mut bytes = self.bytes.iter_mut();
        std::array::from_fn(|_| libc::iovec {
            iov_base: bytes.next().map_or(ptr::null_mut(), |buffer| buffer.as_mut_ptr().cast()),
            iov_len: len,
        })
    }

    fn headers(&mut self, vectors: &mut [libc::iovec; BATCH], peers: bool) -> [libc::mmsghdr; BATCH] {
        std::array::from_fn(|index| {
            // SAFETY: mmsghdr is plain data for which all zeroes is a value.
            let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_iov = &raw mut vectors[index];
            header.msg_hdr.msg_iovlen = 1;
            if peers {
                header.msg_hdr.msg_name = (&raw mut self.peers[index]).cast();
                let known = self.peer_lens[index];
                let room = mem::size_of::<libc::sockaddr_storage>() as u32;
                header.msg_hdr.msg_namelen = if known == 0 { room } else { known };
            }
            header
        })
    }
}

/// One message apart from a batch.
pub struct Held {
    bytes: Vec<u8>,
    peer: libc::sockaddr_storage,
    peer_len: libc::socklen_t,
}

fn none_yet(fault: io::Error) -> io::Result<usize> {
    match fault.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused => Ok(0),
        _ => Err(fault),
    }
}

/// Waits until one of the sockets has something, or the time is over.
pub fn wait(sockets: &[RawFd], milliseconds: i32) {
    let mut polls: Vec<libc::pollfd> =
        sockets.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    // SAFETY: the array lives until the call returns, and its length is told.
    unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, milliseconds) };
}

/// Larger buffers, so that a burst isn't lost before the server has a chance.
pub fn widen(socket: RawFd) {
    let bytes: libc::c_int = 4 << 20;
    for name in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE, libc::SO_RCVBUF, libc::SO_SNDBUF] {
        // SAFETY: the value lives until the call returns, and its length is told. A refusal is no harm.
        unsafe {
            libc::setsockopt(
                socket,
                libc::SOL_SOCKET,
                name,
                (&raw const bytes).cast(),
                mem::size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }
}

/// Calls `handler` on SIGUSR1; it may only do what is async-signal-safe.
pub fn on_user_signal(handler: extern "C" fn(libc::c_int)) {
    // SAFETY: the handler is a plain function that lives as long as the program.
    unsafe { libc::signal(libc::SIGUSR1, handler as *const () as libc::sighandler_t) };
}

pub fn ticks_per_second() -> u64 {
    // SAFETY: sysconf takes a plain integer and touches no memory of ours.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100)
}
