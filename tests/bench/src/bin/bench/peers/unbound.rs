//! Unbound. The iterator alone, as nothing here is validated; caches of a size that holds a million names,
//! and as many slabs as threads, which is what its documentation asks for; large socket buffers; room for more
//! outstanding queries than the load has.

use std::fmt::Write as _;
use std::fs;
use std::io;

use super::{Peer, Place, Role, command, installed};

pub static PEER: Peer = Peer {
    name: "unbound",
    title: "Unbound",
    program: || installed("unbound"),
    version: &["-V"],
    command: |place, role| {
        let config = place.write("unbound.conf", &text(place, role)?)?;
        let mut command = command(installed("unbound"), &place.folder);
        command.arg("-d").arg("-c").arg(config);
        Ok(command)
    },
    reload: Some(|place| {
        let mut command = command(installed("unbound-control"), &place.folder);
        command.arg("-c").arg(place.file("unbound.conf")).arg("reload");
        command
    }),
    only_on_interfaces: false,
};

fn text(place: &Place, role: &Role) -> io::Result<String> {
    let Role { workers, .. } = role;
    let mut text = format!(
        "server:\n\
         \x20 num-threads: {workers}\n\
         \x20 interface: {}@{}\n\
         \x20 so-reuseport: yes\n\
         \x20 do-daemonize: no\n\
         \x20 use-syslog: no\n\
         \x20 verbosity: 0\n\
         \x20 username: \"\"\n\
         \x20 chroot: \"\"\n\
         \x20 pidfile: \"\"\n\
         \x20 directory: \"{}\"\n\
         \x20 module-config: \"iterator\"\n\
         \x20 do-not-query-localhost: no\n\
         \x20 access-control: 127.0.0.0/8 allow\n\
         \x20 minimal-responses: yes\n\
         \x20 so-rcvbuf: 4m\n\
         \x20 so-sndbuf: 4m\n\
         \x20 msg-cache-size: 512m\n\
         \x20 rrset-cache-size: 1g\n\
         \x20 msg-cache-slabs: {workers}\n\
         \x20 rrset-cache-slabs: {workers}\n\
         \x20 infra-cache-slabs: {workers}\n\
         \x20 num-queries-per-thread: 4096\n\
         \x20 outgoing-range: 8192\n\
         \x20 jostle-timeout: 200\n\
         \x20 incoming-num-tcp: 1024\n",
        place.ip(),
        place.port(),
        place.folder.display(),
    );
    if let Some(zone) = &role.zone {
        text += &local_data(&zone.name, &fs::read_to_string(&zone.file)?);
    }
    let _ = write!(
        text,
        "remote-control:\n  control-enable: yes\n  control-use-cert: no\n  control-interface: {}\n",
        place.file("unbound.sock").display(),
    );
    // The root too: nothing may go beyond loopback.
    for domain in role.domains().iter().map(String::as_str).chain(["."]) {
        let _ = writeln!(text, "forward-zone:\n  name: \"{domain}\"");
        text += &place.targets(|target| format!("  forward-addr: {}@{}\n", target.ip(), target.port()));
    }
    Ok(text)
}

/// The records of our own master files, whose lines are `owner TYPE data` below `$ORIGIN`.
fn local_data(zone: &str, master_file: &str) -> String {
    let mut text = format!("  local-zone: \"{zone}.\" static\n");
    for line in master_file.lines().filter(|line| !line.starts_with('$')) {
        let Some((owner, rest)) = line.split_once(' ') else { continue };
        let owner = if owner == "@" { format!("{zone}.") } else { format!("{owner}.{zone}.") };
        let _ = writeln!(text, "  local-data: \"{owner} 86400 IN {rest}\"");
    }
    text
}
