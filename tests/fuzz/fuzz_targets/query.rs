//! Any packet of a client.
#![no_main]

#[path = "../checks.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|packet: &[u8]| checks::check_query(packet));
