//! Knot DNS: zones only. One UDP worker and one TCP worker; no journal, as the zone doesn't change.

use super::{Peer, Place, Role, command, installed};

pub static PEER: Peer = Peer {
    name: "knot",
    title: "Knot DNS",
    program: || installed("knotd"),
    version: &["--version"],
    command: |place, role| {
        let config = place.write("knot.conf", &text(place, role))?;
        let mut command = command(installed("knotd"), &place.folder);
        command.arg("-c").arg(config);
        Ok(command)
    },
    reload: None,
    only_on_interfaces: false,
};

fn text(place: &Place, role: &Role) -> String {
    let folder = place.folder.display();
    let workers = role.workers;
    let mut text = format!(
        "server:\n\
         \x20   rundir: \"{folder}\"\n\
         \x20   listen: {}@{}\n\
         \x20   udp-workers: {workers}\n\
         \x20   tcp-workers: {workers}\n\
         \x20   background-workers: {workers}\n\
         database:\n\
         \x20   storage: \"{folder}\"\n\
         template:\n\
         \x20 - id: default\n\
         \x20   zonefile-load: whole\n\
         \x20   journal-content: none\n\
         \x20   zonefile-sync: -1\n",
        place.ip(),
        place.port(),
    );
    if let Some(zone) = &role.zone {
        text += &format!("zone:\n  - domain: {}\n    file: \"{}\"\n", zone.name, zone.file.display());
    }
    text
}
