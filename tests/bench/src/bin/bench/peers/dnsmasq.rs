//! dnsmasq. One process; a cache no larger than what it is to keep, since once it is full each new name costs
//! a walk through all of it; room for more outstanding queries than the load has.

use super::{Peer, Place, Role, command, installed};

pub static PEER: Peer = Peer {
    name: "dnsmasq",
    title: "dnsmasq",
    program: || installed("dnsmasq"),
    version: &["--version"],
    command: |place, role| {
        let config = place.write("dnsmasq.conf", &text(place, role))?;
        let mut command = command(installed("dnsmasq"), &place.folder);
        command.arg("--keep-in-foreground").arg("-C").arg(config);
        Ok(command)
    },
    reload: None,
    only_on_interfaces: false,
};

fn text(place: &Place, role: &Role) -> String {
    let mut text = format!(
        "port={}\n\
         listen-address={}\n\
         bind-interfaces\n\
         user=\n\
         pid-file=\n\
         no-resolv\n\
         no-hosts\n\
         no-poll\n\
         log-facility={}\n\
         cache-size={}\n\
         dns-forward-max=10000\n\
         edns-packet-max=1232\n",
        place.port(),
        place.ip(),
        place.file("dnsmasq.txt").display(),
        role.kept,
    );
    for domain in role.domains() {
        text += &place.targets(|target| format!("server=/{domain}/{}#{}\n", target.ip(), target.port()));
    }
    text
}
