//! hickory-dns, from its package. A forwarding store with a cache for a million names; no
//! validation, no logs, and more queries outstanding than the load has.

use super::{Peer, Place, Role, command, from_crates};

pub static PEER: Peer = Peer {
    name: "hickory",
    title: "hickory-dns",
    program: || from_crates("hickory-dns"),
    version: &["--version"],
    command: |place, role| {
        let config = place.write("named.toml", &text(place, role))?;
        let mut command = command(from_crates("hickory-dns"), &place.folder);
        command.arg("--quiet").arg("--workers").arg(role.workers.to_string()).arg("-c").arg(config);
        Ok(command)
    },
    reload: None,
    only_on_interfaces: false,
};

fn text(place: &Place, role: &Role) -> String {
    let mut text = format!(
        "listen_addrs_ipv4 = [\"{}\"]\nlisten_addrs_ipv6 = []\nlisten_port = {}\nallow_networks = [\"127.0.0.0/8\"]\n\
         user = \"nobody\"\ngroup = \"nogroup\"\n",
        place.ip(),
        place.port(),
    );
    let servers = place.targets(|target| {
        let (ip, port) = (target.ip(), target.port());
        format!(
            "{{ ip = \"{ip}\", trust_negative_responses = true, connections = [\
             {{ port = {port}, protocol = {{ type = \"udp\" }} }}, {{ port = {port}, protocol = {{ type = \"tcp\" }} }}] }}, "
        )
    });
    for domain in role.domains() {
        text += &format!(
            "[[zones]]\nzone = \"{domain}\"\nzone_type = \"External\"\n\
             [zones.stores]\ntype = \"forward\"\nname_servers = [{servers}]\n\
             [zones.stores.options]\ncache_size = 2000000\nedns0 = true\n"
        );
    }
    text
}
