//! PowerDNS Recursor. One thread that takes its queries itself instead of having them handed over; packet and
//! record caches with room for a million names; no validation, no security poll; the root forwarded too, so
//! that nothing goes beyond loopback.

use std::fmt::Write as _;

use super::{Peer, Place, Role, command, installed};

pub static PEER: Peer = Peer {
    name: "recursor",
    title: "PowerDNS Recursor",
    program: || installed("pdns_recursor"),
    version: &["--version"],
    command: |place, role| {
        place.write("recursor.conf", &text(place, role))?;
        let mut command = command(installed("pdns_recursor"), &place.folder);
        command.arg(format!("--config-dir={}", place.folder.display()));
        Ok(command)
    },
    reload: None,
    only_on_interfaces: false,
};

fn text(place: &Place, role: &Role) -> String {
    let targets = place.targets(|target| format!("{target};"));
    let forwards: Vec<String> = role
        .domains()
        .iter()
        .map(String::as_str)
        .chain(["."])
        .map(|domain| format!("{domain}={targets}"))
        .collect();
    let mut text = String::new();
    for (key, value) in [
        ("local-address", place.ip().to_string()),
        ("local-port", place.port().to_string()),
        ("socket-dir", place.folder.display().to_string()),
        ("forward-zones-recurse", forwards.join(",")),
        ("threads", role.workers.to_string()),
        ("pdns-distributes-queries", "no".into()),
        ("reuseport", "yes".into()),
        ("allow-from", "127.0.0.0/8".into()),
        ("dont-query", String::new()),
        ("dnssec", "off".into()),
        ("security-poll-suffix", String::new()),
        ("max-cache-entries", "4000000".into()),
        ("max-packetcache-entries", "4000000".into()),
        ("packetcache-ttl", "86400".into()),
        ("max-mthreads", "8192".into()),
        ("max-tcp-clients", "1024".into()),
        ("max-concurrent-requests-per-tcp-connection", "1000".into()),
        ("max-tcp-per-client", "0".into()),
        ("daemon", "no".into()),
        ("write-pid", "no".into()),
        ("disable-syslog", "yes".into()),
        ("quiet", "yes".into()),
        ("loglevel", "3".into()),
        ("statistics-interval", "0".into()),
    ] {
        let _ = writeln!(text, "{key}={value}");
    }
    text
}
