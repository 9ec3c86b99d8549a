//! The options of dnsmasq by what they take and what they are about. Those with a meaning of their own here are
//! translated in `translate`; of all others this says why they are left out.

/// Whether something stands behind `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    Value,
    Maybe,
}

/// What an option is about, as far as `translate` does not know it better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// `translate` has a meaning for it.
    Names,
    /// DHCP, TFTP and router advertisements.
    Dhcp,
    /// DNSSEC validation.
    Dnssec,
    /// The process: its user, files and life.
    Process,
    /// How it keeps up with load and its own choices of ports.
    Tuning,
    /// Logs.
    Log,
    /// What it does to answers and to queries that this server does not.
    Rewrites,
    /// Its own authoritative mode.
    Authority,
    /// Firewalls and other programs that it tells.
    Outside,
}

use About::*;
use Takes::{Maybe, Nothing, Value};

type Group = (About, Takes, &'static [&'static str]);

const GROUPS: &[Group] = &[
    (
        Names,
        Value,
        &[
            "addn-hosts",
            "address",
            "cache-size",
            "caa-record",
            "cname",
            "conf-dir",
            "conf-file",
            "domain",
            "edns-packet-max",
            "host-record",
            "hostsdir",
            "interface",
            "listen-address",
            "local",
            "local-ttl",
            "max-cache-ttl",
            "max-ttl",
            "max-tcp-connections",
            "min-cache-ttl",
            "mx-host",
            "naptr-record",
            "neg-ttl",
            "port",
            "ptr-record",
            "resolv-file",
            "rev-server",
            "server",
            "servers-file",
            "srv-host",
            "dns-rr",
            "txt-record",
        ],
    ),
    (
        Names,
        Nothing,
        &[
            "all-servers",
            "bogus-priv",
            "domain-needed",
            "expand-hosts",
            "no-hosts",
            "no-negcache",
            "no-resolv",
            "strict-order",
        ],
    ),
    (Names, Maybe, &["use-stale-cache", "local-service"]),
    (
        Dhcp,
        Value,
        &[
            "bridge-interface",
            "dhcp-boot",
            "dhcp-circuitid",
            "dhcp-duid",
            "dhcp-host",
            "dhcp-hostsdir",
            "dhcp-hostsfile",
            "dhcp-ignore",
            "dhcp-lease-max",
            "dhcp-leasefile",
            "dhcp-luascript",
            "dhcp-mac",
            "dhcp-match",
            "dhcp-name-match",
            "dhcp-option",
            "dhcp-option-force",
            "dhcp-option-pxe",
            "dhcp-optsdir",
            "dhcp-optsfile",
            "dhcp-pxe-vendor",
            "dhcp-range",
            "dhcp-relay",
            "dhcp-remoteid",
            "dhcp-reply-delay",
            "dhcp-script",
            "dhcp-scriptuser",
            "dhcp-split-relay",
            "dhcp-subscrid",
            "dhcp-ttl",
            "dhcp-userclass",
            "dhcp-vendorclass",
            "no-dhcp-interface",
            "no-dhcpv4-interface",
            "no-dhcpv6-interface",
            "pxe-prompt",
            "pxe-service",
            "ra-param",
            "shared-network",
            "tag-if",
            "tftp-max",
            "tftp-mtu",
            "tftp-port-range",
            "tftp-root",
        ],
    ),
    (
        Dhcp,
        Nothing,
        &[
            "dhcp-authoritative",
            "dhcp-client-update",
            "dhcp-fqdn",
            "dhcp-ignore-clid",
            "dhcp-no-override",
            "dhcp-rapid-commit",
            "dhcp-sequential-ip",
            "enable-ra",
            "leasefile-ro",
            "log-dhcp",
            "no-ping",
            "quiet-dhcp",
            "quiet-dhcp6",
            "quiet-ra",
            "quiet-tftp",
            "read-ethers",
            "script-arp",
            "script-on-renewal",
            "tftp-lowercase",
            "tftp-no-blocksize",
            "tftp-no-fail",
            "tftp-secure",
            "tftp-single-port",
        ],
    ),
    (
        Dhcp,
        Maybe,
        &[
            "bootp-dynamic",
            "dhcp-alternate-port",
            "dhcp-broadcast",
            "dhcp-generate-names",
            "dhcp-ignore-names",
            "dhcp-proxy",
            "enable-tftp",
            "tftp-unique-root",
        ],
    ),
    (Dnssec, Value, &["dnssec-limits", "dnssec-timestamp", "trust-anchor"]),
    (Dnssec, Nothing, &["dnssec", "dnssec-debug", "dnssec-no-timecheck"]),
    (Dnssec, Maybe, &["dnssec-check-unsigned"]),
    (Process, Maybe, &["group", "pid-file", "user", "enable-dbus", "enable-ubus"]),
    (
        Process,
        Nothing,
        &[
            "bind-dynamic",
            "bind-interfaces",
            "clear-on-reload",
            "dns-loop-detect",
            "keep-in-foreground",
            "no-daemon",
            "no-ident",
            "no-poll",
            "no-round-robin",
            "proxy-dnssec",
            "rebind-localhost-ok",
            "strip-mac",
            "strip-subnet",
            "test",
        ],
    ),
    (
        Tuning,
        Value,
        &["dns-forward-max", "max-port", "min-port", "port-limit", "query-port", "cache-rr", "auth-ttl"],
    ),
    (Tuning, Maybe, &["fast-dns-retry"]),
    (Log, Value, &["dumpfile", "dumpmask", "log-facility"]),
    (Log, Maybe, &["log-async", "log-queries"]),
    (Log, Nothing, &["log-debug", "log-malloc"]),
    (
        Rewrites,
        Value,
        &[
            "add-cpe-id",
            "alias",
            "bogus-nxdomain",
            "dynamic-host",
            "except-interface",
            "filter-rr",
            "ignore-address",
            "interface-name",
            "mx-target",
            "rebind-domain-ok",
            "synth-domain",
        ],
    ),
    (
        Rewrites,
        Nothing,
        &[
            "conntrack",
            "filter-A",
            "filter-AAAA",
            "filterwin2k",
            "localise-queries",
            "localmx",
            "selfmx",
            "stop-dns-rebind",
        ],
    ),
    (Rewrites, Maybe, &["add-mac", "add-subnet", "umbrella"]),
    (Authority, Value, &["auth-peer", "auth-sec-servers", "auth-server", "auth-soa", "auth-zone"]),
    (Outside, Value, &["conf-script", "connmark-allowlist", "ipset", "nftset"]),
    (Outside, Maybe, &["connmark-allowlist-enable"]),
];

/// An option's own name and what it takes.
pub fn find(name: &str) -> Option<(&'static str, Takes)> {
    group_of(name).map(|(name, (_, takes, _))| (name, *takes))
}

/// What a known option is about.
pub fn about(name: &str) -> About {
    group_of(name).map_or(Names, |(_, (about, ..))| *about)
}

fn group_of(name: &str) -> Option<(&'static str, &'static Group)> {
    GROUPS.iter().find_map(|group| group.2.iter().find(|known| **known == name).map(|known| (*known, group)))
}

impl About {
    /// Why it is left out, and what to do; without the latter nothing is lost.
    pub fn left_out(self) -> (&'static str, Option<&'static str>) {
        match self {
            Names => ("it has no meaning here", None),
            Dhcp => (
                "DHCP, TFTP and router advertisements are no work of a DNS server",
                Some(
                    "keep dnsmasq for them with port=0; names of its leases are not known here: write those that \
                     matter into a zone",
                ),
            ),
            Dnssec => (
                "answers are not validated here",
                Some("let the targets validate: what they say of it (the AD flag) is passed on"),
            ),
            Process => ("the service's unit, or this server by itself, sees to it", None),
            Tuning => ("this server has bounds of its own", None),
            Log => (
                "queries are counted, but not logged here",
                Some("collect the metrics, or capture packets where single queries must be seen"),
            ),
            Rewrites => (
                "this server passes queries and answers on as they are",
                Some("keep it on the targets' side, or do without"),
            ),
            Authority => (
                "dnsmasq makes this zone of its leases and interfaces",
                Some("write the zone as a file, and name it in a [[zone]]"),
            ),
            Outside => ("other programs have no part in names here", Some("do it where the names are used")),
        }
    }
}
