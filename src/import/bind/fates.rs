//! Statements that come out the same wherever they stand and whatever else is written: those that nobody misses here,
//! and those that have no counterpart. One reason for each group of them.

use super::tree::Statement;

/// What becomes of a statement, without a look at anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    NotNeeded(&'static str),
    Changed(&'static str),
    Refused { why: &'static str, what_to_do: &'static str },
}

/// A switch that is harmless with some values, and stands for something that is missing here with all others.
struct Switch {
    name: &'static str,
    /// First words of its value, in lower case.
    harmless: &'static [&'static str],
    not_needed: &'static str,
    refused: (&'static str, &'static str),
}

const FILES: &str = "a file or folder that BIND keeps for itself";
const PROCESS: &str = "how BIND uses the machine; dnsfwd has bounds of its own (dnsfwd manual configuration)";
const RECURSION: &str = "about finding answers from the root down, which dnsfwd does not do: it asks targets";
const VALIDATION: &str = "about DNSSEC validation, and nothing is validated here";
const SIGNING: &str = "about signing zones, and nothing is signed here";
const CHECKS: &str = "`dnsfwd check` judges zone files by rules of its own";
const SHAPE: &str = "a detail of messages: targets' answers are passed on as they are, and zones answer with what is \
                     needed";
const OLD: &str = "BIND itself calls it obsolete, or does nothing with it any more";
const TRANSFERS: &str = "the pace of transfers and notifications, which dnsfwd sets itself";
const CONTACTS: &str = "names in the SOA of made-up zones; built-in zones here have fixed ones";

const NOT_NEEDED: [(&str, &[&str]); 10] = [
    (
        FILES,
        &[
            "bindkeys-file",
            "dump-file",
            "geoip-directory",
            "journal",
            "key-directory",
            "lmdb-mapsize",
            "lock-file",
            "managed-keys-directory",
            "max-journal-size",
            "memstatistics",
            "memstatistics-file",
            "new-zones-directory",
            "pid-file",
            "random-device",
            "recursing-file",
            "secroots-file",
            "session-keyalg",
            "session-keyfile",
            "session-keyname",
            "statistics-file",
        ],
    ),
    (
        PROCESS,
        &[
            "automatic-interface-scan",
            "clients-per-query",
            "coresize",
            "datasize",
            "fetch-quota-params",
            "fetches-per-server",
            "fetches-per-zone",
            "files",
            "flush-zones-on-shutdown",
            "http-listener-clients",
            "http-port",
            "http-streams-per-connection",
            "https-port",
            "interface-interval",
            "max-clients-per-query",
            "max-records",
            "max-records-per-type",
            "max-rsa-exponent-size",
            "max-types-per-name",
            "recursive-clients",
            "reserved-sockets",
            "reuseport",
            "sig0checks-quota",
            "sig0checks-quota-exempt",
            "stacksize",
            "tcp-advertised-timeout",
            "tcp-initial-timeout",
            "tcp-keepalive-timeout",
            "tcp-listen-queue",
            "tcp-receive-buffer",
            "tcp-send-buffer",
            "tls-port",
            "udp-receive-buffer",
            "udp-send-buffer",
            "zone-statistics",
        ],
    ),
    (
        RECURSION,
        &[
            "dual-stack-servers",
            "glue-cache",
            "lame-ttl",
            "max-delegation-servers",
            "max-query-count",
            "max-query-restarts",
            "max-recursion-depth",
            "max-recursion-queries",
            "preferred-glue",
            "qname-minimization",
            "resolver-nonbackoff-tries",
            "resolver-query-timeout",
            "resolver-retry-interval",
            "root-key-sentinel",
            "servfail-ttl",
            "stale-refresh-time",
            "synth-from-dnssec",
            "trust-anchor-telemetry",
            "v6-bias",
        ],
    ),
    (
        VALIDATION,
        &[
            "disable-algorithms",
            "disable-ds-digests",
            "dnssec-accept-expired",
            "nta-lifetime",
            "nta-recheck",
            "validate-except",
        ],
    ),
    (
        SIGNING,
        &[
            "checkds",
            "dnskey-sig-validity",
            "dnssec-dnskey-kskonly",
            "dnssec-loadkeys-interval",
            "dnssec-secure-to-insecure",
            "dnssec-update-mode",
            "nsec3-test-zone",
            "parental-agents",
            "parental-source",
            "parental-source-v6",
            "sig-signing-nodes",
            "sig-signing-signatures",
            "sig-signing-type",
            "sig-validity-interval",
            "update-check-ksk",
        ],
    ),
    (
        CHECKS,
        &[
            "check-dup-records",
            "check-integrity",
            "check-mx",
            "check-mx-cname",
            "check-names",
            "check-sibling",
            "check-spf",
            "check-srv-cname",
            "check-svcb",
            "check-wildcard",
            "max-zone-ttl",
        ],
    ),
    (
        SHAPE,
        &[
            "answer-cookie",
            "auth-nxdomain",
            "cookie-algorithm",
            "cookie-secret",
            "edns-udp-size",
            "masterfile-style",
            "match-mapped-addresses",
            "message-compression",
            "minimal-any",
            "minimal-responses",
            "no-case-compress",
            "nocookie-udp-size",
            "request-nsid",
            "send-cookie",
            "zero-no-soa-ttl",
            "zero-no-soa-ttl-cache",
        ],
    ),
    (
        OLD,
        &[
            "alt-transfer-source",
            "alt-transfer-source-v6",
            "delegation-only",
            "dialup",
            "dscp",
            "heartbeat-interval",
            "keep-response-order",
            "multi-master",
            "suppress-initial-notify",
            "tkey-dhkey",
            "use-alt-transfer-source",
        ],
    ),
    (
        TRANSFERS,
        &[
            "ixfr-from-differences",
            "max-ixfr-ratio",
            "max-refresh-time",
            "max-retry-time",
            "max-transfer-idle-in",
            "max-transfer-idle-out",
            "max-transfer-time-in",
            "max-transfer-time-out",
            "min-refresh-time",
            "min-retry-time",
            "notify-delay",
            "notify-rate",
            "notify-to-soa",
            "provide-ixfr",
            "request-expire",
            "request-ixfr",
            "serial-query-rate",
            "serial-update-method",
            "startup-notify-rate",
            "transfer-format",
            "transfer-message-size",
            "transfers-in",
            "transfers-out",
            "transfers-per-ns",
            "try-tcp-refresh",
            "update-quota",
        ],
    ),
    (
        CONTACTS,
        &[
            "dns64-contact",
            "dns64-server",
            "empty-contact",
            "empty-server",
            "ipv4only-contact",
            "ipv4only-enable",
            "ipv4only-server",
        ],
    ),
];

type Refusal = (&'static str, &'static str, &'static [&'static str]);

const REFUSED: [Refusal; 14] = [
    (
        "answers are not rewritten here: AAAA records are not made of A records (DNS64)",
        "let the endpoint of these clients be a resolver that does it",
        &["dns64"],
    ),
    (
        "there are no response policy zones here",
        "filter at the targets, or ahead of this server",
        &["response-policy", "dnsrps-enable", "dnsrps-options"],
    ),
    (
        "no answer is refused for what is in it (rebinding protection)",
        "use targets that do it",
        &["deny-answer-addresses", "deny-answer-aliases"],
    ),
    (
        "there is no limit on equal responses here",
        "bound what a client address may ask with client_rate in [server]",
        &["rate-limit"],
    ),
    (
        "zones come from files and from primaries: there are no databases, plugins or catalogs",
        "write each zone as a [[zone]]",
        &["catalog-zones", "dlz", "dyndb", "database", "plugin", "initial-file"],
    ),
    (
        "there is no log of single queries (dnstap)",
        "count with the metrics, or record the traffic at the interface",
        &[
            "dnstap",
            "dnstap-identity",
            "dnstap-output",
            "dnstap-version",
            "fstrm-set-buffer-hint",
            "fstrm-set-flush-timeout",
            "fstrm-set-input-queue-size",
            "fstrm-set-output-notify-threshold",
            "fstrm-set-output-queue-model",
            "fstrm-set-output-queue-size",
            "fstrm-set-reopen-interval",
        ],
    ),
    (
        "records are given in the order in which targets and zone files have them",
        "where clients need an order, let them choose it, or the targets",
        &["rrset-order", "sortlist"],
    ),
    (
        "names that don't exist stay so: NXDOMAIN is not redirected",
        "leave it out; clients get the NXDOMAIN",
        &["nxdomain-redirect", "root-delegation-only"],
    ),
    (
        "who may ask does not depend on the address that was asked",
        "bind the addresses that matter with `listen`, and keep others out with a firewall",
        &["allow-query-on", "allow-query-cache-on", "allow-recursion-on"],
    ),
    (
        "the PROXY protocol is not spoken",
        "let clients reach this server directly",
        &["allow-proxy", "allow-proxy-on"],
    ),
    ("messages are not padded, as there is no DNS over TLS here", "leave it out", &["response-padding"]),
    (
        "a question leaves from a random port of the system's range",
        "set net.ipv4.ip_local_port_range (sysctl) if a firewall wants it narrower",
        &["avoid-v4-udp-ports", "avoid-v6-udp-ports", "use-v4-udp-ports", "use-v6-udp-ports"],
    ),
    (
        "updates signed by Kerberos (GSS-TSIG) are not taken",
        "use a key, or let the domain controllers answer the zone: a rule to them",
        &["tkey-domain", "tkey-gssapi-credential", "tkey-gssapi-keytab"],
    ),
    (
        "domains can't be forced to be signed, as nothing is validated here",
        "use targets that do it",
        &["dnssec-must-be-secure"],
    ),
];

const CHANGED: [(&str, &[&str]); 3] = [
    (
        "questions of class CH (version.bind and the like) are not answered here",
        &["hostname", "server-id", "version"],
    ),
    ("`rndc` has nobody to talk to: use dnsfwd reload, flush, status and targets", &["controls"]),
    (
        "statistics are served as Prometheus metrics, on 127.0.0.1:9153 unless [metrics] says otherwise",
        &["statistics-channels"],
    ),
];

const SWITCHES: [Switch; 16] = [
    Switch {
        name: "querylog",
        harmless: &["no", "false", "0"],
        not_needed: "no query is logged",
        refused: (
            "there is no log of single queries",
            "count with the metrics; `dnsfwd explain` tells of a name",
        ),
    },
    Switch {
        name: "responselog",
        harmless: &["no", "false", "0"],
        not_needed: "no response is logged",
        refused: ("there is no log of single responses", "count with the metrics"),
    },
    Switch {
        name: "allow-new-zones",
        harmless: &["no", "false", "0"],
        not_needed: "zones are added in files",
        refused: (
            "zones that `rndc addzone` made are in a database of BIND's, and were not read",
            "write each as a [[zone]], or list them in named.conf and import again",
        ),
    },
    Switch {
        name: "dnssec-policy",
        harmless: &["none", "insecure"],
        not_needed: "zones are not signed here",
        refused: (
            "BIND signs the zone; its file is unsigned, and so are the answers here",
            "take the DS out of the parent first, or leave the zone with BIND and make it a rule to that server",
        ),
    },
    Switch {
        name: "auto-dnssec",
        harmless: &["off"],
        not_needed: "zones are not signed here",
        refused: (
            "BIND signs the zone and keeps its signatures fresh, which is not done here",
            "take the DS out of the parent first, or leave the zone with BIND and make it a rule to that server",
        ),
    },
    Switch {
        name: "inline-signing",
        harmless: &["no", "false", "0"],
        not_needed: "zones are not signed here",
        refused: (
            "BIND signs the zone; its file is unsigned, and so are the answers here",
            "take the DS out of the parent first, or leave the zone with BIND and make it a rule to that server",
        ),
    },
    Switch {
        name: "require-server-cookie",
        harmless: &["no", "false", "0"],
        not_needed: "no client is asked for a cookie",
        refused: (
            "DNS cookies are not used",
            "bound what a client address may ask with client_rate in [server]",
        ),
    },
    Switch {
        name: "attach-cache",
        harmless: &[],
        not_needed: "",
        refused: (
            "views share entries where the rule is equal, and no further",
            "write cache = \"shared\" or \"own\" in the views",
        ),
    },
    Switch {
        name: "query-source",
        harmless: &["*"],
        not_needed: "the system chooses the address to ask from",
        refused: (
            "the system chooses the address that targets are asked from, by its routes",
            "give the route a source (ip route ... src), or leave it out if the address is the interface's own",
        ),
    },
    Switch {
        name: "query-source-v6",
        harmless: &["*"],
        not_needed: "the system chooses the address to ask from",
        refused: (
            "the system chooses the address that targets are asked from, by its routes",
            "give the route a source (ip route ... src), or leave it out if the address is the interface's own",
        ),
    },
    Switch {
        name: "transfer-source",
        harmless: &["*"],
        not_needed: "the system chooses the address to transfer from",
        refused: (
            "the system chooses the address, by its routes",
            "let the primary allow this machine's address",
        ),
    },
    Switch {
        name: "transfer-source-v6",
        harmless: &["*"],
        not_needed: "the system chooses the address to transfer from",
        refused: (
            "the system chooses the address, by its routes",
            "let the primary allow this machine's address",
        ),
    },
    Switch {
        name: "notify-source",
        harmless: &["*"],
        not_needed: "the system chooses the address to notify from",
        refused: (
            "the system chooses the address, by its routes",
            "let the secondary allow this machine's address",
        ),
    },
    Switch {
        name: "notify-source-v6",
        harmless: &["*"],
        not_needed: "the system chooses the address to notify from",
        refused: (
            "the system chooses the address, by its routes",
            "let the secondary allow this machine's address",
        ),
    },
    Switch {
        name: "masterfile-format",
        harmless: &["text"],
        not_needed: "zone files are text",
        refused: (
            "zone files in BIND's raw format can't be read",
            "make them text: named-compilezone -f raw -F text -o NEW ZONE FILE, and import again",
        ),
    },
    Switch {
        name: "match-recursive-only",
        harmless: &["no", "false", "0"],
        not_needed: "views take all questions of their clients",
        refused: (
            "views take all questions of their clients",
            "leave it out, or split the clients by their networks",
        ),
    },
];

/// None: it depends on more than its name and value.
pub fn of(statement: &Statement) -> Option<Fate> {
    let name = statement.name();
    let in_groups = |groups: &[(&'static str, &[&str])]| {
        groups.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(reason, _)| *reason)
    };
    if let Some(why) = in_groups(&NOT_NEEDED) {
        return Some(Fate::NotNeeded(why));
    }
    if let Some(what) = in_groups(&CHANGED) {
        let none = statement.first_word().eq_ignore_ascii_case("none");
        return Some(if none {
            Fate::NotNeeded("nothing of it is told here either")
        } else {
            Fate::Changed(what)
        });
    }
    if let Some((why, what_to_do, _)) = REFUSED.iter().find(|(_, _, names)| names.contains(&name.as_str())) {
        return Some(Fate::Refused { why, what_to_do });
    }
    let switch = SWITCHES.iter().find(|switch| switch.name == name)?;
    let mut words = statement.words().filter(|word| !word.eq_ignore_ascii_case("address"));
    let value = words.next().unwrap_or_default().to_ascii_lowercase();
    Some(match switch.harmless.contains(&value.as_str()) {
        true => Fate::NotNeeded(switch.not_needed),
        false => Fate::Refused { why: switch.refused.0, what_to_do: switch.refused.1 },
    })
}

/// Is there an outcome for all statements of this name?
#[cfg(test)]
pub fn has(name: &str) -> bool {
    NOT_NEEDED.iter().chain(&CHANGED).any(|(_, names)| names.contains(&name))
        || REFUSED.iter().any(|(_, _, names)| names.contains(&name))
        || SWITCHES.iter().any(|switch| switch.name == name)
}
