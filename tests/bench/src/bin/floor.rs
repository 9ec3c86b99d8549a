//! The floor: what the kernel alone takes for a query. Receives datagrams in batches as large as dnsfwd's,
//! sets QR in each and sends them back: two system calls a batch, and no work.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::{io, thread};

use clap::Parser;
use dnsfwd_bench::mmsg::{Batch, Patience, Peers};
use dnsfwd_bench::sys;
use socket2::{Domain, Socket, Type};

/// `limits::BATCH` of dnsfwd.
const BATCH: usize = 32;

#[derive(Parser)]
#[command(about = "Sends each query back as its reply")]
struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

fn main() -> io::Result<()> {
    let given = Arguments::parse();
    let workers = (0..given.workers).map(|_| bind(given.listen)).collect::<io::Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let running: Vec<_> = workers.iter().map(|socket| scope.spawn(|| turn_around(socket))).collect();
        running.into_iter().try_for_each(|worker| match worker.join() {
            Ok(end) => end,
            Err(_) => Err(io::Error::other("a worker panicked")),
        })
    })
}

fn bind(listen: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&listen.into())?;
    sys::widen(socket.as_raw_fd());
    Ok(socket)
}

fn turn_around(socket: &Socket) -> io::Result<()> {
    let mut batch = Batch::of(BATCH, Peers::Kept);
    loop {
        for index in 0..batch.receive(socket.as_raw_fd(), Patience::First)? {
            batch.turn(index, |buffer, len| {
                buffer[2] |= 0x80;
                len
            });
        }
        batch.send(socket.as_raw_fd())?;
    }
}
