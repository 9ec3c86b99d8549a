//! A cached answer allocates nothing: a server in this process, its allocations counted while clients ask for
//! what is cached, over UDP and TCP.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use dnsfwd::serve::Prepared;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const QUERIES: u64 = 5_000;
/// Timers and the runtime may take a little memory now and then; one allocation in fifty queries would show.
const ALLOWED: u64 = QUERIES / 50;

#[test]
fn a_cached_answer_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = answering_target();
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let zone =
        "@ 300 IN SOA ns host 1 2 3 4 5\n@ 300 IN NS ns\nns 300 IN A 10.0.0.1\nwww 300 IN A 10.0.0.2\n";
    std::fs::write(folder.path().join("corp.zone"), zone).unwrap();
    let config = format!(
        "version = 1\n[server]\nlisten = [\"{address}\"]\nworkers = 1\n[metrics]\nlisten = \"off\"\n\
         [control]\nsocket = \"c.sock\"\n[[zone]]\nname = \"corp\"\nfile = \"corp.zone\"\n\
         [[endpoint]]\nname = \"t\"\ntargets = [{{ address = \"{target}\" }}]\n[[rule]]\ndomain = \".\"\nendpoint = \"t\"\n"
    );
    let file = folder.path().join("dnsfwd.toml");
    std::fs::write(&file, config).unwrap();
    let server = Prepared::read(&file).unwrap_or_else(|faults| panic!("{faults:?}")).start().unwrap();

    // A rule's cached answer, a zone's positive and negative answer.
    for name in [&b"\x03www\x07example\x03com"[..], b"\x03www\x04corp", b"\x04none\x04corp"] {
        let query = query(name);
        let (udp, tcp) = (over_udp(address, &query), over_tcp(address, &query));
        assert!(udp < ALLOWED, "{udp} allocations for {QUERIES} answers over UDP to {name:?}");
        assert!(tcp < ALLOWED, "{tcp} allocations for {QUERIES} answers over TCP to {name:?}");
    }
    server.drain();
}

fn query(name: &[u8]) -> Vec<u8> {
    let mut query = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    query.extend_from_slice(name);
    query.extend_from_slice(&[0, 0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    query
}

fn over_udp(server: SocketAddr, query: &[u8]) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.connect(server).unwrap();
    let mut buffer = [0; 1500];
    let mut ask = || {
        socket.send(query).unwrap();
        let len = socket.recv(&mut buffer).unwrap();
        assert!(len > query.len() && buffer[..2] == query[..2]);
    };
    count(&mut ask)
}

fn over_tcp(server: SocketAddr, query: &[u8]) -> u64 {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut framed = (query.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(query);
    let mut buffer = [0; 1500];
    let mut ask = || {
        stream.write_all(&framed).unwrap();
        stream.read_exact(&mut buffer[..2]).unwrap();
        let len = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
        stream.read_exact(&mut buffer[..len]).unwrap();
        assert!(len > query.len() && buffer[..2] == query[..2]);
    };
    count(&mut ask)
}

/// Allocations of the whole process over so many questions, after some to warm up.
fn count(ask: &mut impl FnMut()) -> u64 {
    for _ in 0..200 {
        ask();
    }
    let before = ALLOCATIONS.load(Relaxed);
    for _ in 0..QUERIES {
        ask();
    }
    ALLOCATIONS.load(Relaxed) - before
}

/// Says 192.0.2.1 to whatever it is asked.
fn answering_target() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
            let name_end = 12 + buffer[12..len].iter().position(|octet| *octet == 0).unwrap() + 1;
            let mut reply = buffer[..name_end + 4].to_vec();
            reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1]);
            socket.send_to(&reply, peer).unwrap();
        }
    });
    address
}
