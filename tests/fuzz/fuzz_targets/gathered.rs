//! Any file that `compare` may be given: a capture, a query log or a list of questions.
#![no_main]

#[path = "../gathered.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::check_gathered(octets));
