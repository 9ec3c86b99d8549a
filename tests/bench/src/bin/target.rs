//! A fast target for benchmarks of forwarding: answers any A question with one address. SIGUSR1 makes it
//! silent, and again, and so on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use dnsfwd_bench::responder::{Responder, Switch};
use dnsfwd_bench::sys;

#[derive(Parser)]
#[command(about = "Answers any A question with one address; SIGUSR1: silent, and again")]
struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long, default_value = "192.0.2.1")]
    address: Ipv4Addr,
    #[arg(long, default_value_t = 300)]
    ttl: u32,
    /// Milliseconds before each answer.
    #[arg(long, default_value_t = 0)]
    delay: u64,
}

static SWITCH: LazyLock<Switch> = LazyLock::new(Switch::default);

extern "C" fn toggle(_: libc::c_int) {
    SWITCH.silent.fetch_xor(true, Ordering::Relaxed);
}

fn main() -> io::Result<()> {
    let given = Arguments::parse();
    let responder = Responder {
        socket: UdpSocket::bind(given.listen)?,
        address: given.address.octets(),
        ttl: given.ttl,
        delay: Duration::from_millis(given.delay),
    };
    LazyLock::force(&SWITCH);
    sys::on_user_signal(toggle);
    responder.run(&SWITCH)
}
