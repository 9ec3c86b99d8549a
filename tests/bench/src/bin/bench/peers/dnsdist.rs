//! dnsdist. Its packet cache, with room for a million names; one listener for each thread, on one port; TTLs of
//! a day kept as they are; large socket buffers; no outside look for security notes. Its health checks stay
//! on, one a second, since the targets answer them.

use std::io;
use std::process::Command;

use super::{Peer, Place, Role, command, installed};

pub static PEER: Peer = Peer {
    name: "dnsdist",
    title: "dnsdist",
    program: || installed("dnsdist"),
    version: &["--version"],
    command: |place, role| {
        let config = place.write("dnsdist.conf", &text(place, role))?;
        let mut command: Command = command(installed("dnsdist"), &place.folder);
        command.args(["--supervised", "--disable-syslog", "-C"]).arg(config);
        Ok::<_, io::Error>(command)
    },
    reload: None,
    only_on_interfaces: false,
};

fn text(place: &Place, role: &Role) -> String {
    let listener = |call: &str| format!("{call}(\"{}\", {{reusePort=true}})\n", place.listen);
    let mut text = listener("setLocal");
    for _ in 1..role.workers {
        text += &listener("addLocal");
    }
    text += "setACL(\"127.0.0.0/8\")\n\
             setSecurityPollSuffix(\"\")\n\
             setServerPolicy(leastOutstanding)\n\
             setMaxUDPOutstanding(65535)\n\
             setUDPSocketBufferSizes(4194304, 4194304)\n\
             setUDPTimeout(2)\n";
    text += &format!("setMaxTCPClientThreads({})\n", role.workers);
    text += &place.targets(|target| format!("newServer({{address=\"{target}\", sockets=8}})\n"));
    text += "getPool(\"\"):setCache(newPacketCache(2000000, {maxTTL=86400}))\n";
    text
}
