//! Datagrams in batches: recvmmsg and sendmmsg over buffers and headers that are made once.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::ptr;

pub const BATCH: usize = 64;
/// No message of a load run is longer: names are short and answers few.
const ROOM: usize = 1500;
const PEER_ROOM: libc::socklen_t = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;

/// Whether a batch keeps where its messages came from, and sends each there; else its socket is connected.
#[derive(Clone, Copy, PartialEq)]
pub enum Peers {
    Kept,
    Connected,
}

/// Whether to wait for a first message.
#[derive(Clone, Copy, PartialEq)]
pub enum Patience {
    None,
    First,
}

/// `headers` point into `vectors` and `peers`, and `vectors` into `buffers`: all four are boxed, so that
/// they stay where they are when the batch moves.
pub struct Batch {
    buffers: Box<[[u8; ROOM]]>,
    peers: Box<[libc::sockaddr_storage]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    len: usize,
}

// SAFETY: the pointers lead into the batch's own boxes only, which move with it.
unsafe impl Send for Batch {}

impl Batch {
    pub fn new(peers: Peers) -> Batch {
        Batch::of(BATCH, peers)
    }

    pub fn of(capacity: usize, kept: Peers) -> Batch {
        let mut buffers = vec![[0; ROOM]; capacity].into_boxed_slice();
        // SAFETY: sockaddr_storage is plain data for which all zeroes is a value.
        let mut peers: Box<[libc::sockaddr_storage]> =
            vec![unsafe { mem::zeroed() }; capacity].into_boxed_slice();
        let mut vectors: Box<[libc::iovec]> = buffers
            .iter_mut()
            .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: 0 })
            .collect();
        let headers = vectors
            .iter_mut()
            .zip(&mut peers)
            .map(|(vector, peer)| {
                // SAFETY: mmsghdr is plain data for which all zeroes is a value.
                let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
                header.msg_hdr.msg_iov = vector;
                header.msg_hdr.msg_iovlen = 1;
                if kept == Peers::Kept {
                    header.msg_hdr.msg_name = (&raw mut *peer).cast();
                }
                header
            })
            .collect();
        Batch { buffers, peers, vectors, headers, len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn is_full(&self) -> bool {
        self.len == self.buffers.len()
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends one message, written by `write`, which gives its length.
    pub fn push(&mut self, write: impl FnOnce(&mut [u8]) -> usize) {
        self.vectors[self.len].iov_len = write(&mut self.buffers[self.len]);
        self.len += 1;
    }

    pub fn get(&self, index: usize) -> &[u8] {
        &self.buffers[index][..self.vectors[index].iov_len]
    }

    /// Makes a reply of a received message in its place: `turn` gets the buffer and the length, and gives
    /// the new length.
    pub fn turn(&mut self, index: usize, turn: impl FnOnce(&mut [u8], usize) -> usize) {
        let len = self.vectors[index].iov_len;
        self.vectors[index].iov_len = turn(&mut self.buffers[index], len);
    }

    /// A copy of one message with its peer, to be sent later.
    pub fn copy(&self, index: usize) -> Held {
        Held {
            bytes: self.get(index).to_vec(),
            peer: self.peers[index],
            peer_len: self.headers[index].msg_hdr.msg_namelen,
        }
    }

    pub fn push_held(&mut self, held: &Held) {
        let index = self.len;
        self.push(|buffer| {
            buffer[..held.bytes.len()].copy_from_slice(&held.bytes);
            held.bytes.len()
        });
        self.peers[index] = held.peer;
        self.headers[index].msg_hdr.msg_namelen = held.peer_len;
    }

    /// Takes what is there; 0 when nothing is.
    pub fn receive(&mut self, socket: RawFd, patience: Patience) -> io::Result<usize> {
        for (vector, header) in self.vectors.iter_mut().zip(&mut self.headers) {
            vector.iov_len = ROOM;
            if !header.msg_hdr.msg_name.is_null() {
                header.msg_hdr.msg_namelen = PEER_ROOM;
            }
        }
        let flags = match patience {
            Patience::None => libc::MSG_DONTWAIT,
            Patience::First => libc::MSG_WAITFORONE,
        };
        let room = self.headers.len() as libc::c_uint;
        // SAFETY: headers, vectors, buffers and addresses live as long as the batch, and the lengths in
        // them are the buffers' own.
        let got =
            unsafe { libc::recvmmsg(socket, self.headers.as_mut_ptr(), room, flags as _, ptr::null_mut()) };
        self.len = usize::try_from(got).unwrap_or(0);
        if got < 0 {
            return none_yet(io::Error::last_os_error());
        }
        for (vector, header) in self.vectors.iter_mut().zip(&self.headers[..self.len]) {
            vector.iov_len = header.msg_len as usize;
        }
        Ok(self.len)
    }

    /// Sends all; what the socket's buffer doesn't take is waited for.
    pub fn send(&mut self, socket: RawFd) -> io::Result<()> {
        self.send_from(0, socket)
    }

    fn send_from(&mut self, mut done: usize, socket: RawFd) -> io::Result<()> {
        let mut refusals = 0;
        while done < self.len {
            let left = (self.len - done) as libc::c_uint;
            // SAFETY: as in `receive`; `done` stays within the array.
            let sent = unsafe { libc::sendmmsg(socket, self.headers.as_mut_ptr().add(done), left, 0) };
            if let Ok(sent) = usize::try_from(sent) {
                done += sent;
                continue;
            }
            let fault = io::Error::last_os_error();
            match fault.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => std::thread::yield_now(),
                // An earlier datagram was refused; this one isn't sent yet.
                io::ErrorKind::ConnectionRefused if refusals < self.len => refusals += 1,
                _ => return Err(fault),
            }
        }
        Ok(())
    }

    /// Sends all on a connected socket, messages of one length through the kernel as one and cut apart only
    /// at the receiver (UDP_SEGMENT of udp(7)).
    pub fn send_in_runs(&mut self, socket: RawFd) -> io::Result<()> {
        let mut at = 0;
        while at < self.len {
            let len = self.vectors[at].iov_len;
            let run = self.vectors[at..self.len].iter().take_while(|vector| vector.iov_len == len).count();
            if self.send_run(socket, at, run)? == Run::Refused {
                return self.send_from(at, socket);
            }
            at += run;
        }
        Ok(())
    }

    fn send_run(&mut self, socket: RawFd, at: usize, run: usize) -> io::Result<Run> {
        let mut control = Control([0; 32]);
        // SAFETY: msghdr is plain data for which all zeroes is a value.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_iov = &raw mut self.vectors[at];
        header.msg_iovlen = run as _;
        header.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: CMSG_SPACE computes; the header's control has room for one message of two octets, which
        // is what CMSG_FIRSTHDR and CMSG_DATA point into.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(2) as _;
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = libc::SOL_UDP;
            (*message).cmsg_type = libc::UDP_SEGMENT;
            (*message).cmsg_len = libc::CMSG_LEN(2) as _;
            libc::CMSG_DATA(message).cast::<u16>().write_unaligned(self.vectors[at].iov_len as u16);
        }
        for _ in 0..SEND_TRIES {
            // SAFETY: vectors, buffers and control live until the call returns.
            if unsafe { libc::sendmsg(socket, &raw const header, 0) } >= 0 {
                return Ok(Run::Sent);
            }
            let fault = io::Error::last_os_error();
            match fault.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => std::thread::yield_now(),
                io::ErrorKind::ConnectionRefused => {}
                // A kernel or a way that can't: one by one, then.
                io::ErrorKind::InvalidInput => return Ok(Run::Refused),
                _ => return Err(fault),
            }
        }
        Err(io::Error::other("the socket's buffer stays full"))
    }
}

#[derive(PartialEq)]
enum Run {
    Sent,
    /// The kernel can't send these so.
    Refused,
}

/// How often a full buffer is tried until the server counts as stuck.
const SEND_TRIES: usize = 1_000_000;

/// Room for one control message, aligned as the kernel wants it.
#[repr(align(8))]
struct Control([u8; 32]);

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
