//! A fast target for benchmarks of forwarding: answers any A question with one address. SIGUSR1 makes it
//! silent, and again, and so on.

#[path = "mod.rs"]
mod bench;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bench::arguments::Arguments;
use bench::mmsg;
use bench::responder::{Responder, Switch};

const USAGE: &str = "target --listen ADDRESS:PORT
  --address IP      the answer [192.0.2.1]
  --ttl S           [300]
  --delay MS        before each answer [0]";

static SWITCH: LazyLock<Switch> = LazyLock::new(Switch::default);

extern "C" fn toggle(_: libc::c_int) {
    SWITCH.silent.fetch_xor(true, Ordering::Relaxed);
}

fn main() {
    let given = Arguments::new(USAGE);
    let Some(listen) = given.value::<SocketAddr>("--listen") else { given.fail("--listen is missing") };
    let socket = UdpSocket::bind(listen).unwrap_or_else(|fault| given.fail(&fault.to_string()));
    let responder = Responder {
        socket,
        address: given.or("--address", Ipv4Addr::new(192, 0, 2, 1)).octets(),
        ttl: given.or("--ttl", 300),
        delay: Duration::from_millis(given.or("--delay", 0)),
    };
    LazyLock::force(&SWITCH);
    mmsg::on_user_signal(toggle);
    if let Err(fault) = responder.run(&SWITCH) {
        given.fail(&fault.to_string());
    }
}
