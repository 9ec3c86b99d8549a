//! The harness of the black-box tests: real servers, scripted targets and raw clients on loopback, each
//! test with addresses, ports and a folder of its own, and nothing left behind.
//!
//! Each test file uses a part of it, so that unused items are no sign of a fault here.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

pub mod aws;
pub mod client;
pub mod dnsfwd;
pub mod exchange;
pub mod message;
pub mod net;
pub mod process;
pub mod servers;
pub mod stage;
pub mod sys;
pub mod target;

pub use aws::Aws;
pub use client::{Dug, Tcp, Udp, ask, ask_raw, ask_tcp, dig, kdig, parse};
pub use dnsfwd::{Dnsfwd, Setup};
pub use message::{Message, Parsed};
pub use net::Net;
pub use process::{Output, Process, run, run_within};
pub use stage::{Stage, assert_same_bytes};
pub use target::{Act, Scripted, Seen, reply};

use std::time::{Duration, Instant};

/// Tries until it holds, for at most `limit`; the last failure is told.
pub fn eventually(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
