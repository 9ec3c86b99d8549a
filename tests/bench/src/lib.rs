//! Load and targets for benchmarks, and for the tests that need a stream of queries: as few cycles a
//! query as the kernel allows, so that what is measured is the server.

pub mod course;
mod histogram;
mod lane;
pub mod mmsg;
mod names;
pub mod outage;
pub mod responder;
pub mod stream;
pub mod sys;
