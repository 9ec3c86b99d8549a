//! Threads and their sockets: what arrives is handed to `turn`, and what has to wait to `question`. Decides nothing
//! about questions.

pub mod listen;
pub mod tcp;
pub mod thread;
pub mod udp;
pub mod worker;
