//! NSD: zones only. One server process; no database on disk; no rate limit, which Debian's build has at 200
//! answers a second; large socket buffers.

use super::{Peer, Place, Role, command, installed};

pub static PEER: Peer = Peer {
    name: "nsd",
    title: "NSD",
    program: || installed("nsd"),
    version: &["-v"],
    command: |place, role| {
        let config = place.write("nsd.conf", &text(place, role))?;
        let mut command = command(installed("nsd"), &place.folder);
        command.arg("-d").arg("-c").arg(config);
        Ok(command)
    },
    reload: None,
    only_on_interfaces: false,
};

fn text(place: &Place, role: &Role) -> String {
    let folder = place.folder.display();
    let mut text = format!(
        "server:\n\
         \x20 server-count: {}\n\
         \x20 ip-address: {}@{}\n\
         \x20 reuseport: yes\n\
         \x20 username: \"\"\n\
         \x20 chroot: \"\"\n\
         \x20 pidfile: \"\"\n\
         \x20 logfile: \"{folder}/nsd.txt\"\n\
         \x20 database: \"\"\n\
         \x20 zonesdir: \"{folder}\"\n\
         \x20 zonelistfile: \"{folder}/zone.list\"\n\
         \x20 xfrdfile: \"{folder}/xfrd.state\"\n\
         \x20 xfrdir: \"{folder}\"\n\
         \x20 rrl-ratelimit: 0\n\
         \x20 rrl-whitelist-ratelimit: 0\n\
         \x20 minimal-responses: yes\n\
         \x20 send-buffer-size: 4194304\n\
         \x20 receive-buffer-size: 4194304\n\
         remote-control:\n\
         \x20 control-enable: no\n",
        role.workers,
        place.ip(),
        place.port(),
    );
    if let Some(zone) = &role.zone {
        text += &format!("zone:\n  name: \"{}\"\n  zonefile: \"{}\"\n", zone.name, zone.file.display());
    }
    text
}
