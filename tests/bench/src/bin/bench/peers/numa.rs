//! Numa, from its package. Forwarding with a cache for a million names, and room for more misses
//! than the load has; no block lists, proxy, DNS over TLS or mobile interface, no log, and no fallback to
//! public resolvers.

use super::{Peer, Place, command, from_crates};

pub static PEER: Peer = Peer {
    name: "numa",
    title: "Numa",
    program: || from_crates("numa"),
    version: &["--version"],
    command: |place, role| {
        let config = place.write("numa.toml", &text(place))?;
        let mut command = command(from_crates("numa"), &place.folder);
        command.arg("-c").arg(config);
        command.env("TOKIO_WORKER_THREADS", role.workers.to_string()).env("RUST_LOG", "warn");
        Ok(command)
    },
    reload: None,
    only_on_interfaces: false,
};

fn text(place: &Place) -> String {
    let targets = place.targets(|target| format!("\"{target}\", "));
    format!(
        "[server]\n\
         bind_addr = \"{}\"\n\
         api_bind_addr = \"{}\"\n\
         api_port = {}\n\
         data_dir = \"{}\"\n\
         max_concurrent_resolutions = 8192\n\
         [upstream]\n\
         mode = \"forward\"\n\
         address = [{targets}]\n\
         fallback = []\n\
         timeout_ms = 2000\n\
         [cache]\n\
         max_entries = 2000000\n\
         [blocking]\n\
         enabled = false\n\
         [proxy]\n\
         enabled = false\n\
         [dot]\n\
         enabled = false\n\
         [mobile]\n\
         enabled = false\n",
        place.listen,
        place.ip(),
        place.port() + 1,
        place.file("data").display(),
    )
}
