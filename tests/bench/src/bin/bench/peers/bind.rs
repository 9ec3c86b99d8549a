//! BIND. One worker thread by `-n`; no validation, no log, minimal answers, no stale answers and no
//! prefetching; limits on waiting clients and TCP clients above the load's; a cache so large that it never
//! cleans. Everything is forwarded, so that nothing goes beyond loopback.

use std::fmt::Write as _;
use std::{fs, io};

use super::{Peer, Place, Role, command, installed};

pub static PEER: Peer = Peer {
    name: "bind",
    title: "BIND",
    program: || installed("named"),
    version: &["-v"],
    command: |place, role| {
        let key = key(place)?;
        place.write("rndc.conf", &rndc(place, &key))?;
        let config = place.write("named.conf", &named(place, role, &key))?;
        let mut command = command(installed("named"), &place.folder);
        command.arg("-f").arg("-n").arg(role.workers.to_string()).arg("-c").arg(config);
        Ok(command)
    },
    reload: Some(|place| {
        let mut command = command(installed("rndc"), &place.folder);
        command.arg("-c").arg(place.file("rndc.conf")).arg("reconfig");
        command
    }),
    only_on_interfaces: true,
};

/// The control channel wants a key, which nobody else has; one for the life of the server.
fn key(place: &Place) -> io::Result<String> {
    let file = place.file("bench.key");
    if !file.exists() {
        let key = command(installed("tsig-keygen"), &place.folder).arg("bench").output()?;
        fs::write(&file, key.stdout)?;
    }
    fs::read_to_string(file)
}

fn named(place: &Place, role: &Role, key: &str) -> String {
    let forwarders = place.targets(|target| format!("{} port {}; ", target.ip(), target.port()));
    let mut text = format!(
        "{key}\
         controls {{ inet {ip} port {control} allow {{ 127.0.0.0/8; }} keys {{ bench; }}; }};\n\
         options {{\n\
         \x20 directory \"{folder}\";\n\
         \x20 listen-on port {port} {{ {ip}; }};\n\
         \x20 listen-on-v6 {{ none; }};\n\
         \x20 pid-file none;\n\
         \x20 session-keyfile none;\n\
         \x20 recursion yes;\n\
         \x20 allow-query {{ 127.0.0.0/8; }};\n\
         \x20 allow-recursion {{ 127.0.0.0/8; }};\n\
         \x20 forward only;\n\
         \x20 forwarders {{ {forwarders}}};\n\
         \x20 dnssec-validation no;\n\
         \x20 minimal-responses yes;\n\
         \x20 empty-zones-enable no;\n\
         \x20 stale-answer-enable no;\n\
         \x20 prefetch 0;\n\
         \x20 querylog no;\n\
         \x20 notify no;\n\
         \x20 max-cache-size 1g;\n\
         \x20 recursive-clients 20000;\n\
         \x20 tcp-clients 1000;\n\
         \x20 tcp-listen-queue 1000;\n\
         }};\n\
         logging {{ category default {{ null; }}; }};\n",
        ip = place.ip(),
        port = place.port(),
        control = place.port() + 2,
        folder = place.folder.display(),
    );
    for domain in role.domains() {
        let _ = writeln!(
            text,
            "zone \"{domain}\" {{ type forward; forward only; forwarders {{ {forwarders}}}; }};"
        );
    }
    if let Some(zone) = &role.zone {
        let _ =
            writeln!(text, "zone \"{}\" {{ type primary; file \"{}\"; }};", zone.name, zone.file.display());
    }
    text
}

fn rndc(place: &Place, key: &str) -> String {
    format!(
        "{key}options {{ default-key \"bench\"; default-server {}; default-port {}; }};\n",
        place.ip(),
        place.port() + 2,
    )
}
