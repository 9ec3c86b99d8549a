//! `[server]`: where clients are listened to, and what they may do. Reads; what takes more to judge is left to
//! `check`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::access::{WrittenAccess, clients};
use super::{Section, beside};
use crate::config::Server;
use crate::config::reader::{At, Faults, Table, at, list, some, string, whole};
use crate::config::source::Source;
use crate::config::value::{duration, label, listen_address, server_address};

/// More threads than the cores of any machine that serves DNS alone.
pub(in crate::config) const MAX_WORKERS: usize = 64;
/// 512 octets always pass (RFC 1035 section 4.2.1); 4096 is what the field once allowed, and more fragments.
const UDP_SIZES: RangeInclusive<u16> = 512..=4096;
/// As many as there are ports of one client address.
const TCP_CONNECTIONS: RangeInclusive<usize> = 1..=65_536;
const TCP_IDLE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
/// More than any single client asks; a whole network's resolver is not to be bounded.
const CLIENT_RATES: RangeInclusive<u32> = 0..=1_000_000;

pub(super) fn server(
    table: &mut Section<'_, '_>,
    server: &mut Server,
    listen: &mut Vec<At<SocketAddr>>,
    system: &mut Option<At<String>>,
    bootstrap: &mut Vec<At<SocketAddr>>,
    allow: &mut Option<WrittenAccess>,
    source: &Source,
) {
    let addresses = list(at(string("\"127.0.0.1:5353\"", listen_address)));
    let addresses =
        some(addresses, "write at least one address, or leave the key out for port 53 everywhere");
    if let Some(addresses) = table.get("listen", addresses) {
        server.listen = addresses.iter().map(|address| address.value).collect();
        *listen = addresses;
    }
    table.set("workers", whole(1..=MAX_WORKERS), &mut server.workers);
    server.az = table.get("az", string("\"ap-northeast-2a\"", label)).or(server.az.take());
    *system = table.get("system", at(string("\"public\"", |text| Ok(text.to_owned())))).or(system.take());
    let addresses = list(at(string("\"1.1.1.1\"", server_address)));
    if let Some(addresses) = table.get("bootstrap", addresses) {
        server.bootstrap = addresses.iter().map(|address| address.value).collect();
        *bootstrap = addresses;
    }
    let state = string("\"/var/lib/dnsfwd\"", |text| Ok(beside(source, text)));
    server.state = table.get("state", state).or(server.state.take());
    *allow = table.get("allow", clients).or(allow.take());
    table.set("max_udp_size", whole(UDP_SIZES), &mut server.max_udp_size);
    table.set("tcp_connections", whole(TCP_CONNECTIONS), &mut server.tcp_connections);
    table.set("tcp_connections_per_client", whole(TCP_CONNECTIONS), &mut server.tcp_connections_per_client);
    table.set("tcp_idle_timeout", duration(TCP_IDLE), &mut server.tcp_idle_timeout);
    table.set("client_rate", whole(CLIENT_RATES), &mut server.client_rate);
}

/// A listener that differs from those of `[server]`.
pub(in crate::config) struct WrittenListener {
    pub address: Option<At<SocketAddr>>,
    pub allow: Option<WrittenAccess>,
}

pub(super) fn listener(table: &mut Table<'_>, faults: &mut Faults) -> WrittenListener {
    let address = at(string("\"10.200.0.2:53\"", listen_address));
    let address = table.required("address", "address = \"10.200.0.2:53\"", address, faults);
    WrittenListener { address, allow: table.optional("allow", clients, faults) }
}
