//! Load and targets for benchmarks, and for the tests that need a stream of queries: as few cycles a
//! query as the kernel allows, so that what is measured is the server.
#![allow(dead_code, clippy::unwrap_used)]

pub mod arguments;
pub mod mmsg;
pub mod responder;
pub mod stream;
