//! DNS messages as bytes. Pure: no I/O, no clock, no randomness, no log, nothing of ours imported.
#![forbid(unsafe_code)]

pub mod name;
pub mod rdata;
pub mod write;
