//! The table of statements: each with the places where it may stand, and what its arguments look like.

use super::forms::*;
use super::grammar::{In, Row, Times, braces, many, new, one};
use super::shape::{Args, Shape, remote_servers};

const T: In = In::TOP;
const O: In = In::OPTIONS;
const Z: In = In::ZONE;
const S: In = In::SERVER;
const OV: In = O.or(In::VIEW);
const OVZ: In = OV.or(Z);
const TV: In = T.or(In::VIEW);

/// Rows of the same places and shape, by name.
pub(super) const LISTS: [(In, Shape, &[&str]); 12] = [
    (
        OV,
        FLAG,
        &[
            "allow-new-zones",
            "auth-nxdomain",
            "dnsrps-enable",
            "dnssec-accept-expired",
            "empty-zones-enable",
            "glue-cache",
            "ipv4only-enable",
            "match-recursive-only",
            "message-compression",
            "minimal-any",
            "provide-ixfr",
            "recursion",
            "require-server-cookie",
            "root-key-sentinel",
            "stale-answer-enable",
            "stale-cache-enable",
            "suppress-initial-notify",
            "synth-from-dnssec",
            "trust-anchor-telemetry",
            "zero-no-soa-ttl-cache",
        ],
    ),
    (
        OVZ,
        FLAG,
        &[
            "check-integrity",
            "check-sibling",
            "check-wildcard",
            "dnssec-dnskey-kskonly",
            "dnssec-secure-to-insecure",
            "multi-master",
            "notify-to-soa",
            "nsec3-test-zone",
            "try-tcp-refresh",
            "update-check-ksk",
            "use-alt-transfer-source",
            "zero-no-soa-ttl",
        ],
    ),
    (
        O,
        FLAG,
        &[
            "answer-cookie",
            "automatic-interface-scan",
            "flush-zones-on-shutdown",
            "match-mapped-addresses",
            "memstatistics",
            "querylog",
            "reuseport",
        ],
    ),
    (
        O,
        INT,
        &[
            "dscp",
            "fstrm-set-buffer-hint",
            "fstrm-set-flush-timeout",
            "fstrm-set-input-queue-size",
            "fstrm-set-output-notify-threshold",
            "fstrm-set-output-queue-size",
            "heartbeat-interval",
            "http-listener-clients",
            "http-streams-per-connection",
            "max-rsa-exponent-size",
            "notify-rate",
            "recursive-clients",
            "reserved-sockets",
            "serial-query-rate",
            "startup-notify-rate",
            "tcp-advertised-timeout",
            "tcp-clients",
            "tcp-idle-timeout",
            "tcp-initial-timeout",
            "tcp-keepalive-timeout",
            "tcp-listen-queue",
            "tcp-receive-buffer",
            "tcp-send-buffer",
            "transfer-message-size",
            "transfers-in",
            "transfers-out",
            "transfers-per-ns",
            "udp-receive-buffer",
            "udp-send-buffer",
            "update-quota",
        ],
    ),
    (
        OV,
        INT,
        &[
            "clients-per-query",
            "max-clients-per-query",
            "max-query-count",
            "max-query-restarts",
            "max-recursion-depth",
            "max-recursion-queries",
            "nocookie-udp-size",
            "resolver-nonbackoff-tries",
            "resolver-query-timeout",
            "resolver-retry-interval",
            "v6-bias",
        ],
    ),
    (
        OVZ,
        INT,
        &[
            "dnskey-sig-validity",
            "dnssec-loadkeys-interval",
            "max-records",
            "max-records-per-type",
            "max-refresh-time",
            "max-retry-time",
            "max-transfer-idle-in",
            "max-transfer-idle-out",
            "max-transfer-time-in",
            "max-transfer-time-out",
            "max-types-per-name",
            "min-refresh-time",
            "min-retry-time",
            "notify-delay",
            "sig-signing-nodes",
            "sig-signing-signatures",
            "sig-signing-type",
        ],
    ),
    (
        OV,
        TIME,
        &[
            "lame-ttl",
            "max-cache-ttl",
            "max-ncache-ttl",
            "max-stale-ttl",
            "min-cache-ttl",
            "min-ncache-ttl",
            "nta-lifetime",
            "nta-recheck",
            "servfail-ttl",
            "stale-answer-ttl",
            "stale-refresh-time",
        ],
    ),
    (
        OV,
        ACL,
        &[
            "allow-query-cache",
            "allow-query-cache-on",
            "allow-recursion",
            "allow-recursion-on",
            "no-case-compress",
            "sortlist",
        ],
    ),
    (OVZ, ACL, &["allow-notify", "allow-query", "allow-query-on", "allow-update", "allow-update-forwarding"]),
    (
        O,
        QUOTED,
        &[
            "bindkeys-file",
            "directory",
            "dump-file",
            "managed-keys-directory",
            "memstatistics-file",
            "recursing-file",
            "secroots-file",
            "statistics-file",
            "tkey-domain",
            "tkey-gssapi-credential",
            "tkey-gssapi-keytab",
        ],
    ),
    (
        OV,
        TEXT,
        &[
            "attach-cache",
            "dns64-contact",
            "dns64-server",
            "empty-contact",
            "empty-server",
            "ipv4only-contact",
            "ipv4only-server",
            "nxdomain-redirect",
            "preferred-glue",
        ],
    ),
    (OVZ.or(S), SOURCE, &["notify-source", "notify-source-v6", "transfer-source", "transfer-source-v6"]),
];

pub(super) const ROWS: &[Row] = &[
    // The top.
    many(
        T,
        |args| {
            args.text()?;
            args.acl()
        },
        "acl",
    ),
    braces(T, NONE, "controls", In::CONTROLS),
    braces(TV, TEXT, "dlz", In::DLZ),
    braces(T, TEXT, "dnssec-policy", In::POLICY),
    many(
        TV,
        |args| {
            args.text()?;
            args.quoted()?;
            args.free_text()
        },
        "dyndb",
    ),
    braces(T, TEXT, "http", In::HTTP),
    braces(TV, TEXT, "key", In::KEY),
    Row { times: Times::Once, ..braces(T, NONE, "logging", In::LOGGING) },
    Row { times: Times::Once, ..braces(T, NONE, "options", In::OPTIONS) },
    many(TV, |args| args.list(anchor), "managed-keys"),
    many(TV, |args| args.list(anchor), "trust-anchors"),
    many(TV, |args| args.list(trusted_key), "trusted-keys"),
    many(T, named_servers, "masters"),
    many(T, named_servers, "parental-agents"),
    many(T, named_servers, "primaries"),
    new(many(T, named_servers, "remote-servers")),
    many(TV, plugin, "plugin"),
    braces(TV, |args| args.prefix(), "server", In::SERVER),
    braces(T, NONE, "statistics-channels", In::STATISTICS),
    braces(T, TEXT, "tls", In::TLS),
    braces(T, named_class, "view", In::VIEW),
    braces(TV, named_class, "zone", In::ZONE),
    // Options, views and zones.
    one(
        OVZ,
        |args| {
            args.option("port", Args::port)?;
            args.option("transport", Args::text)?;
            args.acl()
        },
        "allow-transfer",
    ),
    one(OVZ, remote_servers, "also-notify"),
    one(OVZ, |args| args.address_or_any_rest(), "alt-transfer-source"),
    one(OVZ, |args| args.address_or_any_rest(), "alt-transfer-source-v6"),
    one(OVZ, |args| args.one_of(&["allow", "maintain", "off"]), "auto-dnssec"),
    one(O, |args| args.ports(), "avoid-v4-udp-ports"),
    one(O, |args| args.ports(), "avoid-v6-udp-ports"),
    one(O, |args| args.ports(), "use-v4-udp-ports"),
    one(O, |args| args.ports(), "use-v6-udp-ports"),
    one(O, ACL, "blackhole"),
    one(O, ACL, "keep-response-order"),
    one(OV, |args| args.list(catalog), "catalog-zones"),
    one(OVZ, SEVERITY, "check-dup-records"),
    one(OVZ, SEVERITY, "check-mx"),
    one(OVZ, SEVERITY, "check-mx-cname"),
    one(OVZ, SEVERITY, "check-srv-cname"),
    one(OVZ, |args| args.one_of(&["warn", "ignore"]), "check-spf"),
    new(one(OVZ, |args| args.one_of(&["warn", "ignore"]), "check-svcb")),
    many(
        OV,
        |args| {
            args.one_of(&["primary", "master", "secondary", "slave", "response"])?;
            SEVERITY(args)
        },
        "check-names",
    ),
    one(Z, SEVERITY, "check-names"),
    new(one(Z, |args| if args.try_word("explicit") { Ok(()) } else { args.flag() }, "checkds")),
    one(O, |args| args.one_of(&["aes", "siphash24"]), "cookie-algorithm"),
    many(O, TEXT, "cookie-secret"),
    one(O, SIZE_OR, "coresize"),
    one(O, SIZE_OR, "datasize"),
    one(O, SIZE_OR, "files"),
    one(O, SIZE_OR, "stacksize"),
    one(
        OV,
        |args| {
            args.acl()?;
            args.option("except-from", Args::texts)
        },
        "deny-answer-addresses",
    ),
    one(
        OV,
        |args| {
            args.texts()?;
            args.option("except-from", Args::texts)
        },
        "deny-answer-aliases",
    ),
    one(
        OVZ,
        |args| {
            if args.at("notify") || args.at("notify-passive") || args.at("passive") || args.at("refresh") {
                return args.bare();
            }
            args.flag()
        },
        "dialup",
    ),
    many(
        OV,
        |args| {
            args.text()?;
            args.texts()
        },
        "disable-algorithms",
    ),
    many(
        OV,
        |args| {
            args.text()?;
            args.texts()
        },
        "disable-ds-digests",
    ),
    many(OV, TEXT, "disable-empty-zone"),
    braces(OV, |args| args.prefix(), "dns64", In::DNS64),
    many(
        OV,
        |args| {
            args.text()?;
            args.flag()
        },
        "dnssec-must-be-secure",
    ),
    one(OVZ, TEXT, "dnssec-policy"),
    one(OVZ, |args| args.one_of(&["maintain", "no-resign"]), "dnssec-update-mode"),
    one(OV, |args| if args.try_word("auto") { Ok(()) } else { args.flag() }, "dnssec-validation"),
    one(
        OV,
        |args| {
            args.list(|args| {
                args.one_of(&["all", "auth", "client", "forwarder", "resolver", "update"])?;
                if args.is_done() { Ok(()) } else { args.one_of(&["query", "response"]) }
            })
        },
        "dnstap",
    ),
    one(
        O,
        |args| if args.try_word("none") || args.try_word("hostname") { Ok(()) } else { args.quoted() },
        "dnstap-identity",
    ),
    one(
        O,
        |args| {
            args.one_of(&["file", "unix"])?;
            args.quoted()?;
            log_file(args)
        },
        "dnstap-output",
    ),
    one(O, QUOTED_OR_NONE, "dnstap-version"),
    one(
        OV,
        |args| {
            args.option("port", Args::port)?;
            args.list(|args| {
                if args.address().is_err() {
                    args.quoted()?;
                }
                args.option("port", Args::port)
            })
        },
        "dual-stack-servers",
    ),
    one(OV.or(S), INT, "edns-udp-size"),
    one(OV.or(S), INT, "max-udp-size"),
    one(
        OV,
        |args| {
            args.integer()?;
            args.fixed_point()?;
            args.fixed_point()?;
            args.fixed_point()
        },
        "fetch-quota-params",
    ),
    one(
        OV,
        |args| {
            args.integer()?;
            drop_or_fail(args)
        },
        "fetches-per-server",
    ),
    one(
        OV,
        |args| {
            args.integer()?;
            drop_or_fail(args)
        },
        "fetches-per-zone",
    ),
    one(OVZ, |args| args.one_of(&["first", "only"]), "forward"),
    one(OVZ, forwarders, "forwarders"),
    one(O, |args| args.one_of(&["mpsc", "spsc"]), "fstrm-set-output-queue-model"),
    one(O, TIME, "fstrm-set-reopen-interval"),
    one(O, QUOTED_OR_NONE, "geoip-directory"),
    one(O, QUOTED_OR_NONE, "hostname"),
    one(O, |args| args.port(), "port"),
    one(O, |args| args.port(), "tls-port"),
    one(O, |args| args.port(), "http-port"),
    one(O, |args| args.port(), "https-port"),
    one(O, TIME, "interface-interval"),
    one(
        OV,
        |args| {
            if args.at("primary") || args.at("master") || args.at("secondary") || args.at("slave") {
                return args.bare();
            }
            args.flag()
        },
        "ixfr-from-differences",
    ),
    one(Z, FLAG, "ixfr-from-differences"),
    one(OVZ, QUOTED, "key-directory"),
    many(O, listen_on, "listen-on"),
    many(O, listen_on, "listen-on-v6"),
    one(OV, |args| args.size(), "lmdb-mapsize"),
    one(O, QUOTED_OR_NONE, "lock-file"),
    one(OVZ, |args| args.one_of(&["raw", "text"]), "masterfile-format"),
    one(OVZ, |args| args.one_of(&["full", "relative"]), "masterfile-style"),
    one(
        OV,
        |args| {
            if args.at("default") || args.at("unlimited") {
                return args.bare();
            }
            if args.percentage().is_ok() { Ok(()) } else { args.size() }
        },
        "max-cache-size",
    ),
    one(OVZ, |args| if args.try_word("unlimited") { Ok(()) } else { args.percentage() }, "max-ixfr-ratio"),
    one(OVZ, SIZE_OR, "max-journal-size"),
    one(OVZ, |args| if args.try_word("unlimited") { Ok(()) } else { args.duration() }, "max-zone-ttl"),
    one(
        OV,
        |args| {
            if args.at("no-auth") || args.at("no-auth-recursive") {
                return args.bare();
            }
            args.flag()
        },
        "minimal-responses",
    ),
    one(OV, QUOTED, "new-zones-directory"),
    one(
        OVZ,
        |args| {
            if args.at("explicit") || args.at("master-only") || args.at("primary-only") {
                return args.bare();
            }
            args.flag()
        },
        "notify",
    ),
    one(OVZ, SOURCE, "parental-source"),
    one(OVZ, SOURCE, "parental-source-v6"),
    one(O, QUOTED_OR_NONE, "pid-file"),
    one(O, QUOTED_OR_NONE, "random-device"),
    one(
        OV,
        |args| {
            args.integer()?;
            if args.is_done() { Ok(()) } else { args.integer() }
        },
        "prefetch",
    ),
    one(OV, |args| args.one_of(&["strict", "relaxed", "disabled", "off"]), "qname-minimization"),
    one(OV.or(S), |args| args.query_source(), "query-source"),
    one(OV.or(S), |args| args.query_source(), "query-source-v6"),
    Row { times: Times::Once, ..braces(OV, NONE, "rate-limit", In::RATE) },
    one(OVZ.or(S), FLAG, "request-expire"),
    one(OVZ.or(S), FLAG, "request-ixfr"),
    one(OV.or(S), FLAG, "request-nsid"),
    one(OV.or(S), FLAG, "send-cookie"),
    one(
        OV,
        |args| {
            args.acl()?;
            args.one_of(&["block-size"])?;
            args.integer()
        },
        "response-padding",
    ),
    one(OV, response_policy, "response-policy"),
    new(one(OV, FLAG, "responselog")),
    one(OV, |args| args.option("exclude", Args::texts), "root-delegation-only"),
    one(OV, |args| args.list(rrset_order), "rrset-order"),
    one(OVZ, |args| args.one_of(&["date", "increment", "unixtime"]), "serial-update-method"),
    one(
        O,
        |args| if args.try_word("none") || args.try_word("hostname") { Ok(()) } else { args.quoted() },
        "server-id",
    ),
    one(O, TEXT, "session-keyalg"),
    one(O, QUOTED_OR_NONE, "session-keyfile"),
    one(O, TEXT, "session-keyname"),
    one(
        OVZ,
        |args| {
            args.integer()?;
            if args.is_done() { Ok(()) } else { args.integer() }
        },
        "sig-validity-interval",
    ),
    new(one(O, INT, "sig0checks-quota")),
    new(one(O, ACL, "sig0checks-quota-exempt")),
    new(one(OV, INT, "max-delegation-servers")),
    new(one(O, ACL, "allow-proxy")),
    new(one(O, ACL, "allow-proxy-on")),
    one(
        OV,
        |args| if args.try_word("disabled") || args.try_word("off") { Ok(()) } else { args.integer() },
        "stale-answer-client-timeout",
    ),
    one(
        O,
        |args| {
            args.quoted()?;
            args.integer()
        },
        "tkey-dhkey",
    ),
    one(OV.or(S), |args| args.one_of(&["many-answers", "one-answer"]), "transfer-format"),
    one(OV, TEXTS, "validate-except"),
    one(O, QUOTED_OR_NONE, "version"),
    one(
        OVZ,
        |args| {
            if args.at("full") || args.at("terse") || args.at("none") {
                return args.bare();
            }
            args.flag()
        },
        "zone-statistics",
    ),
    one(OV, |args| args.free_text(), "dnsrps-options"),
    // Views alone.
    one(In::VIEW, ACL, "match-clients"),
    one(In::VIEW, ACL, "match-destinations"),
    // Zones alone.
    one(
        Z,
        |args| {
            args.one_of(&[
                "primary",
                "master",
                "secondary",
                "slave",
                "mirror",
                "delegation-only",
                "forward",
                "hint",
                "redirect",
                "static-stub",
                "stub",
            ])
        },
        "type",
    ),
    one(Z, TEXT, "database"),
    one(Z, FLAG, "delegation-only"),
    one(Z, TEXT, "dlz"),
    one(Z, QUOTED, "file"),
    one(Z, TEXT, "in-view"),
    one(Z, FLAG, "inline-signing"),
    one(Z, QUOTED, "journal"),
    one(Z, remote_servers, "masters"),
    one(Z, remote_servers, "primaries"),
    one(Z, remote_servers, "parental-agents"),
    one(Z, |args| args.list(|args| args.address()), "server-addresses"),
    one(Z, TEXTS, "server-names"),
    one(Z, update_policy, "update-policy"),
    new(one(Z, QUOTED, "initial-file")),
    // Inside of others.
    one(In::KEY, TEXT, "algorithm"),
    one(In::KEY, TEXT, "secret"),
    one(S, FLAG, "bogus"),
    one(S, FLAG, "edns"),
    one(S, INT, "edns-version"),
    one(S, |args| if args.text().is_ok() { Ok(()) } else { args.list(|args| args.text()) }, "keys"),
    one(S, INT, "padding"),
    one(S, FLAG, "provide-ixfr"),
    one(S, FLAG, "tcp-keepalive"),
    one(S, FLAG, "tcp-only"),
    one(S, INT, "transfers"),
    new(one(S, FLAG, "require-cookie")),
    many(In::CONTROLS, control, "inet"),
    many(In::CONTROLS, unix_control, "unix"),
    many(
        In::STATISTICS,
        |args| {
            inet(args)?;
            args.option("allow", Args::acl)
        },
        "inet",
    ),
    many(
        In::LOGGING,
        |args| {
            args.text()?;
            args.texts()
        },
        "category",
    ),
    braces(In::LOGGING, TEXT, "channel", In::CHANNEL),
    one(In::CHANNEL, FLAG, "buffered"),
    one(
        In::CHANNEL,
        |args| {
            args.quoted()?;
            log_file(args)
        },
        "file",
    ),
    one(In::CHANNEL, NONE, "null"),
    one(In::CHANNEL, NONE, "stderr"),
    one(In::CHANNEL, FLAG, "print-category"),
    one(In::CHANNEL, FLAG, "print-severity"),
    one(
        In::CHANNEL,
        |args| {
            if args.at("iso8601") || args.at("iso8601-utc") || args.at("local") {
                return args.bare();
            }
            args.flag()
        },
        "print-time",
    ),
    one(
        In::CHANNEL,
        |args| {
            if args.try_word("debug") {
                return if args.is_done() { Ok(()) } else { args.integer() };
            }
            args.one_of(&["critical", "error", "warning", "notice", "info", "dynamic"])
        },
        "severity",
    ),
    one(In::CHANNEL, |args| if args.is_done() { Ok(()) } else { args.text() }, "syslog"),
    one(In::TLS, QUOTED, "ca-file"),
    one(In::TLS, QUOTED, "cert-file"),
    one(In::TLS, TEXT, "ciphers"),
    new(one(In::TLS, TEXT, "cipher-suites")),
    one(In::TLS, QUOTED, "dhparam-file"),
    one(In::TLS, QUOTED, "key-file"),
    one(In::TLS, FLAG, "prefer-server-ciphers"),
    one(In::TLS, TEXTS, "protocols"),
    one(In::TLS, QUOTED, "remote-hostname"),
    one(In::TLS, FLAG, "session-tickets"),
    one(In::HTTP, |args| args.list(|args| args.quoted()), "endpoints"),
    one(In::HTTP, INT, "listener-clients"),
    one(In::HTTP, INT, "streams-per-connection"),
    one(In::DLZ, TEXT, "database"),
    one(In::DLZ, FLAG, "search"),
    one(In::DNS64, FLAG, "break-dnssec"),
    one(In::DNS64, ACL, "clients"),
    one(In::DNS64, ACL, "exclude"),
    one(In::DNS64, ACL, "mapped"),
    one(In::DNS64, FLAG, "recursive-only"),
    one(In::DNS64, |args| args.address(), "suffix"),
    one(In::RATE, INT, "all-per-second"),
    one(In::RATE, INT, "errors-per-second"),
    one(In::RATE, ACL, "exempt-clients"),
    one(In::RATE, INT, "ipv4-prefix-length"),
    one(In::RATE, INT, "ipv6-prefix-length"),
    one(In::RATE, FLAG, "log-only"),
    one(In::RATE, INT, "max-table-size"),
    one(In::RATE, INT, "min-table-size"),
    one(In::RATE, INT, "nodata-per-second"),
    one(In::RATE, INT, "nxdomains-per-second"),
    one(In::RATE, INT, "qps-scale"),
    one(In::RATE, INT, "referrals-per-second"),
    one(In::RATE, INT, "responses-per-second"),
    one(In::RATE, INT, "slip"),
    one(In::RATE, INT, "window"),
    one(In::POLICY, TIME, "dnskey-ttl"),
    one(In::POLICY, |args| args.list(policy_key), "keys"),
    one(In::POLICY, TIME, "max-zone-ttl"),
    one(
        In::POLICY,
        |args| args.options(&[("iterations", INT), ("optout", FLAG), ("salt-length", INT)]),
        "nsec3param",
    ),
    one(In::POLICY, TIME, "parent-ds-ttl"),
    one(In::POLICY, TIME, "parent-propagation-delay"),
    one(In::POLICY, TIME, "parent-registration-delay"),
    one(In::POLICY, TIME, "publish-safety"),
    one(In::POLICY, TIME, "purge-keys"),
    one(In::POLICY, TIME, "retire-safety"),
    one(In::POLICY, TIME, "signatures-jitter"),
    one(In::POLICY, TIME, "signatures-refresh"),
    one(In::POLICY, TIME, "signatures-validity"),
    one(In::POLICY, TIME, "signatures-validity-dnskey"),
    one(In::POLICY, TIME, "zone-propagation-delay"),
    new(one(In::POLICY, FLAG, "inline-signing")),
    new(one(In::POLICY, FLAG, "offline-ksk")),
    new(one(In::POLICY, FLAG, "manual-mode")),
    new(one(In::POLICY, FLAG, "cdnskey")),
    new(one(In::POLICY, TEXTS, "cds-digest-types")),
];
