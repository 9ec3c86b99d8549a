//! dnsfwd, as the command line of this repository built it. Its defaults but for what the machine gives: the
//! workers, and a cache that holds a million names.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::{Peer, Place, Role, built, command};

pub static PEER: Peer = Peer {
    name: "dnsfwd",
    title: "dnsfwd",
    program,
    version: &["--version"],
    command: serve,
    reload: Some(|place| {
        let mut command = command(program(), &place.folder);
        command.arg("reload").arg("--config").arg(place.file("dnsfwd.toml"));
        command
    }),
    only_on_interfaces: false,
};

/// The optimised build beside this program, or another one named by the caller.
fn program() -> Option<PathBuf> {
    std::env::var_os("DNSFWD_BINARY").map(PathBuf::from).or_else(|| built("dnsfwd"))
}

fn serve(place: &Place, role: &Role) -> io::Result<Command> {
    let config = place.write("dnsfwd.toml", &text(place, role))?;
    let mut command = command(program(), &place.folder);
    command.arg("serve").arg("--config").arg(config);
    Ok(command)
}

fn text(place: &Place, role: &Role) -> String {
    let mut text = format!(
        "version = 1\n\
         [server]\n\
         listen = [\"{}\"]\n\
         workers = {}\n\
         # The load is one client.\n\
         tcp_connections_per_client = 1024\n\
         [cache]\n\
         size = \"512MiB\"\n\
         [control]\n\
         socket = \"{}\"\n\
         [metrics]\n\
         listen = \"{}:{}\"\n",
        place.listen,
        role.workers,
        place.file("control.sock").display(),
        place.ip(),
        place.port() + 1,
    );
    let targets = place.targets(|target| format!("{{ address = \"{target}\" }}, "));
    let _ = write!(text, "[[endpoint]]\nname = \"targets\"\ntargets = [{targets}]\n");
    for domain in role.domains() {
        let _ = write!(text, "[[rule]]\ndomain = \"{domain}\"\nendpoint = \"targets\"\n");
    }
    if let Some(zone) = &role.zone {
        let _ = write!(text, "[[zone]]\nname = \"{}\"\nfile = \"{}\"\n", zone.name, zone.file.display());
    }
    text
}
