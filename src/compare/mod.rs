//! The same questions to an old server and a new one, and what their answers differ in: the proof that the old one
//! may go. Asks nobody but these two, and only as fast as it was told.
//!
//! # The way of a question
//!
//! It comes from a list ([`list`]), a capture ([`capture`]), a query log ([`querylog`]) or the configuration
//! ([`generate`]); a [`question::Gathering`] keeps each once and spreads a limit over the sources. [`course::Course`]
//! says which one is asked next and what becomes of the two answers: [`judge`] says whether they differ in something
//! that a client would notice, with [`signatures`] where questions carry DO. If they do, both servers are asked again two seconds later, and a third time when a
//! short TTL is over: a name that changes by itself is no difference between servers. What stays is a
//! [`course::Finding`]; [`report`] groups findings by what differs and by our reason for it.
//!
//! All of that is pure. Files are read by whoever calls, and sockets are in [`client`] and [`run`] alone.

pub mod capture;
pub mod client;
pub mod course;
pub mod generate;
pub mod heard;
pub mod judge;
pub mod list;
pub mod querylog;
pub mod question;
pub mod report;
pub mod run;
pub mod signatures;
pub mod ttl;
