//! DNS messages as bytes. Pure: no I/O, no clock, no randomness, no log, nothing of ours imported.
#![forbid(unsafe_code)]

pub mod answer;
pub mod copy;
pub mod edns;
pub mod header;
pub mod name;
pub mod query;
pub mod rdata;
pub mod records;
pub mod reply;
pub mod tsig;
pub mod write;
