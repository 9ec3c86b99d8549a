//! The floor: two system calls a batch, and no work.

use super::{Peer, built, command};

pub static PEER: Peer = Peer {
    name: "floor",
    title: "floor",
    program: || built("floor"),
    version: &[],
    command: |place, role| {
        let mut command = command(built("floor"), &place.folder);
        command.arg("--listen").arg(place.listen.to_string()).arg("--workers").arg(role.workers.to_string());
        Ok(command)
    },
    reload: None,
    only_on_interfaces: false,
};
