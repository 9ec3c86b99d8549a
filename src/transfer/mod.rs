//! Zones in exchange with others: given out and taken in (AXFR, IXFR), told of (NOTIFY), changed by clients (UPDATE),
//! and kept on disk. A room of its own between `serve`, which hands over what is not answered in a turn, and `zone`,
//! which knows nothing of sockets, clocks and disks.

mod disk;
mod intake;
mod outflow;
mod update;
