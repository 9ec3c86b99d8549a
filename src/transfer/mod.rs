//! Zones in exchange with others: given out and taken in (AXFR, IXFR), told of (NOTIFY), changed by clients (UPDATE),
//! and kept on disk. A room of its own between `serve`, which hands over what is not answered in a turn, and `zone`,
//! which knows nothing of sockets, clocks and disks.

//!
//! | RFC | what | where |
//! |---|---|---|
//! | 1995, 5936 | transfers out and in | `outflow`, `intake`, `desk` |
//! | 1996 | notices out and in | `notify`, `desk` |
//! | 1034 section 4.3.5 | refresh, retry, expire | `secondary` |
//! | 2136 | updates | `update`, `desk` |
//! | 8945 | signatures of all of these | `wire::tsig`, `peer`, `desk` |

pub mod desk;
mod disk;
pub mod held;
mod intake;
mod notify;
mod outflow;
mod peer;
mod secondary;
mod update;
pub mod watch;

#[cfg(test)]
mod tests;
