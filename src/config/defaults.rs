//! Each default once, with its reason. `conf/dnsfwd.toml` shows them, and a test holds the two together.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::{Cache, Config, Control, Expect, Freshness, Log, LogFormat, LogLevel, Metrics, Server};
use crate::config::aws::Followed;
use crate::config::files;
use crate::policy::access::{AccessList, Element};

/// The port of DNS (RFC 1035 section 4.2), for listeners and targets written without one.
pub(super) const DNS_PORT: u16 = 53;
/// Rules go on when an answer's CNAME leads into another rule or zone: else a name of one side that points
/// to the other would resolve to nothing. Off is for those who want a target's bytes and no more.
pub(super) const FOLLOW_CNAME: bool = true;
/// The client's subnet (RFC 7871) says who asks; it leaves the house only where it is wanted.
pub(super) const CLIENT_SUBNET: bool = false;
/// Targets are equals until somebody wants an order: by load and Availability Zone, not by place in a list.
pub(super) const TIER: u8 = 0;
/// What a probe's target must say: anything that shows that it can look up names. Whether a name is there is its
/// owner's matter.
pub(super) const EXPECT: Expect = Expect::Answer;

/// What an empty file gives.
pub fn defaults() -> Config {
    Config {
        files: Vec::new(),
        hash: files::hash([]),
        server: server(),
        cache: cache(),
        control: Control { socket: PathBuf::from("/run/dnsfwd/control.sock") },
        metrics: metrics(),
        log: Log { level: LogLevel::Info, format: LogFormat::Text },
        acls: Vec::new(),
        keys: Vec::new(),
        zones: Vec::new(),
        endpoints: Vec::new(),
        rules: Arc::default(),
        views: Vec::new(),
        freshness: vec![freshness()],
        rule_access: vec![None],
        aws: None,
        followed: Followed::default(),
    }
}

fn server() -> Server {
    Server {
        // A forwarder is there to be asked; `allow` keeps strangers out. Two sockets, as an IPv6 wildcard
        // that takes IPv4 too would show IPv4 clients under mapped addresses.
        listen: vec![
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, DNS_PORT)),
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, DNS_PORT)),
        ],
        listeners: Vec::new(),
        workers: workers(),
        az: None,
        system: None,
        // Whom to trust for names is nobody's to choose but the operator's.
        bootstrap: Vec::new(),
        // A zone that is fetched or changed asks for it.
        state: None,
        allow: Arc::new(AccessList::new(private_networks())),
        // The largest that crosses every common path in one piece (DNS Flag Day 2020): a fragment is lost
        // more often than a retry over TCP.
        max_udp_size: 1232,
        // TCP is for what is too large for UDP: a thousand connections of some 64 KiB each stay below 64 MiB.
        tcp_connections: 1024,
        // A resolver behind one address may hold many, but no single client a sixteenth of all.
        tcp_connections_per_client: 64,
        // RFC 7766 section 6.2.3 asks for a few seconds; a client that has more to ask asks within ten.
        tcp_idle_timeout: Duration::from_secs(10),
        // A network's resolver stands behind one address and asks thousands a second: no number fits all, and a
        // wrong one is an outage. Who serves clients one by one may set some hundreds.
        client_rate: 0,
    }
}

/// One worker a core: a worker never waits, so more of them than cores just take turns.
fn workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.min(super::schema::MAX_WORKERS)
}

/// Loopback, private (RFC 1918, RFC 4193), shared (RFC 6598) and link-local networks: an open resolver is a
/// weapon (RFC 5358), so whoever serves more says so.
fn private_networks() -> Vec<Element> {
    let v4 = [
        ([127, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([172, 16, 0, 0], 12),
        ([192, 168, 0, 0], 16),
        ([100, 64, 0, 0], 10),
        ([169, 254, 0, 0], 16),
    ];
    let v6 = [(Ipv6Addr::LOCALHOST, 128), (unique_local(0xfc00), 7), (unique_local(0xfe80), 10)];
    let v4 = v4.into_iter().map(|(octets, prefix)| IpNet::new_assert(octets.into(), prefix));
    let v6 = v6.into_iter().map(|(address, prefix)| IpNet::new_assert(address.into(), prefix));
    v4.chain(v6).map(Element::network).collect()
}

fn unique_local(first: u16) -> Ipv6Addr {
    Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0)
}

fn cache() -> Cache {
    Cache {
        // Some half a million answers of common size; small beside any machine that serves a network.
        size_bytes: 256 << 20,
        // A TTL is the owner's word; failover in AWS is built on TTLs of seconds.
        min_ttl_secs: 0,
        // Nothing changes so seldom that asking once a day costs, and mistakes end within a day (RFC 8767
        // section 4 suggests a maximum of days to weeks).
        max_ttl_secs: 86_400,
        // RFC 2308 section 5 found one to three hours sensible; new names in a private zone are waited for
        // by people, so a quarter of an hour.
        max_negative_ttl_secs: 900,
        freshness: freshness(),
    }
}

fn freshness() -> Freshness {
    Freshness {
        // When a tunnel is down, the address of an hour ago is more use than none.
        serve_stale: true,
        // RFC 8767 section 4 recommends 30 seconds.
        stale_ttl_secs: 30,
        // RFC 8767 section 5 suggests one to three days; who repairs a tunnel takes less than one.
        max_stale_secs: 86_400,
        // RFC 8767 section 5 suggests 1.8 s, but stub resolvers such as those of Windows ask the next server
        // after 1 s. Half of that leaves room for the way to the client, and for a far target's slow answer.
        stale_after: Some(Duration::from_millis(500)),
        // A popular name's clients never wait for it; it comes out of the budget of extra questions.
        prefetch: true,
    }
}

fn metrics() -> Metrics {
    // Loopback: counters tell who asks for what. 9153 is where CoreDNS serves them, and collectors look.
    Metrics { listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9153))) }
}
