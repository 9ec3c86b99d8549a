//! Any reply of a target: the header and question are made right, so that the records are reached.
#![no_main]

#[path = "../checks.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((counts, body)) = bytes.split_first_chunk::<4>() else { return };
    let mut message = vec![0, 0, 0x81, counts[3], 0, 1, 0, counts[0] % 8, 0, counts[1] % 8, 0, counts[2] % 8];
    message.extend(checks::question());
    message.extend(body);
    checks::check_reply(&message, &checks::question());
});
