//! Master files (RFC 1035 section 5, RFC 2308 section 4, and BIND's `$GENERATE`, TTL units): text in,
//! records in a draft out, every fault with its place. Nothing here recurses on its input.

mod codec;
mod generate;
mod lexer;
mod loc;
mod prefixes;
mod rdata;
mod reader;
mod svcb;
pub mod types;

pub use reader::{read_file, read_text};
