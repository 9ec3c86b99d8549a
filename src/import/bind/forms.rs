//! Arguments that only some statements have: those of transfers, logs, policies and the like, put together from the
//! simple ones of [`super::shape`].

use super::Version;
use super::shape::{Args, Shape, Shaped, remote_servers};

pub(super) const NONE: Shape = |_| Ok(());
pub(super) const FLAG: Shape = |args| args.flag();
pub(super) const INT: Shape = |args| args.integer();
pub(super) const TIME: Shape = |args| args.duration();
pub(super) const TEXT: Shape = |args| args.text();
pub(super) const QUOTED: Shape = |args| args.quoted();
pub(super) const ACL: Shape = |args| args.acl();
pub(super) const TEXTS: Shape = |args| args.texts();
pub(super) const SOURCE: Shape = |args| args.source();
pub(super) const SIZE_OR: Shape =
    |args| if args.at("default") || args.at("unlimited") { args.bare() } else { args.size() };
pub(super) const QUOTED_OR_NONE: Shape = |args| if args.try_word("none") { Ok(()) } else { args.quoted() };
pub(super) const SEVERITY: Shape = |args| args.one_of(&["fail", "warn", "ignore"]);

pub(super) fn named_servers(args: &mut Args<'_>) -> Shaped {
    args.text()?;
    remote_servers(args)
}

/// A name, and perhaps a class.
pub(super) fn named_class(args: &mut Args<'_>) -> Shaped {
    args.text()?;
    if args.is_done() { Ok(()) } else { args.bare() }
}

pub(super) fn plugin(args: &mut Args<'_>) -> Shaped {
    args.one_of(&["query"])?;
    args.text()?;
    if args.is_done() { Ok(()) } else { args.free_text() }
}

pub(super) fn anchor(args: &mut Args<'_>) -> Shaped {
    args.text()?;
    args.one_of(&["static-key", "initial-key", "static-ds", "initial-ds"])?;
    numbers_and_text(args)
}

pub(super) fn trusted_key(args: &mut Args<'_>) -> Shaped {
    args.text()?;
    numbers_and_text(args)
}

pub(super) fn numbers_and_text(args: &mut Args<'_>) -> Shaped {
    args.integer()?;
    args.integer()?;
    args.integer()?;
    args.quoted()
}

pub(super) fn drop_or_fail(args: &mut Args<'_>) -> Shaped {
    if args.is_done() { Ok(()) } else { args.one_of(&["drop", "fail"]) }
}

pub(super) fn forwarders(args: &mut Args<'_>) -> Shaped {
    let tls = args.version >= Version::V9_20;
    args.option("port", Args::port)?;
    if tls {
        args.option("tls", Args::text)?;
    }
    args.option("dscp", Args::integer)?;
    args.list(|args| {
        args.address()?;
        args.option("port", Args::port)?;
        if tls {
            args.option("tls", Args::text)?;
        }
        args.option("dscp", Args::integer)
    })
}

pub(super) fn listen_on(args: &mut Args<'_>) -> Shaped {
    args.option("port", Args::port)?;
    args.option("dscp", Args::integer)?;
    if args.version >= Version::V9_20 {
        args.option("proxy", |args| args.one_of(&["plain", "encrypted"]))?;
    }
    args.option("tls", Args::text)?;
    args.option("http", Args::text)?;
    args.acl()
}

pub(super) fn catalog(args: &mut Args<'_>) -> Shaped {
    args.one_of(&["zone"])?;
    args.text()?;
    args.options(&[
        ("default-masters", remote_servers),
        ("default-primaries", remote_servers),
        ("zone-directory", QUOTED),
        ("in-memory", FLAG),
        ("min-update-interval", TIME),
    ])
}

pub(super) fn response_policy(args: &mut Args<'_>) -> Shaped {
    args.list(|args| {
        args.one_of(&["zone"])?;
        args.text()?;
        args.options(&[
            ("add-soa", FLAG),
            ("log", FLAG),
            ("max-policy-ttl", TIME),
            ("min-update-interval", TIME),
            ("policy", rpz_policy),
            ("recursive-only", FLAG),
            ("nsip-enable", FLAG),
            ("nsdname-enable", FLAG),
            ("ede", |args| args.bare()),
        ])
    })?;
    args.options(&[
        ("add-soa", FLAG),
        ("break-dnssec", FLAG),
        ("max-policy-ttl", TIME),
        ("min-update-interval", TIME),
        ("min-ns-dots", INT),
        ("nsip-wait-recurse", FLAG),
        ("nsdname-wait-recurse", FLAG),
        ("qname-wait-recurse", FLAG),
        ("recursive-only", FLAG),
        ("nsip-enable", FLAG),
        ("nsdname-enable", FLAG),
        ("dnsrps-enable", FLAG),
        ("dnsrps-options", |args| args.free_text()),
        ("servfail-until-ready", FLAG),
    ])
}

pub(super) fn rpz_policy(args: &mut Args<'_>) -> Shaped {
    if args.try_word("cname") {
        return args.text();
    }
    args.one_of(&["disabled", "drop", "given", "no-op", "nodata", "nxdomain", "passthru", "tcp-only"])
}

/// Keywords with values before `order`, and then the order; BIND judges them later.
pub(super) fn rrset_order(args: &mut Args<'_>) -> Shaped {
    args.option("class", Args::text)?;
    args.option("type", Args::text)?;
    args.option("name", Args::quoted)?;
    args.bare()?;
    args.bare()
}

pub(super) fn update_policy(args: &mut Args<'_>) -> Shaped {
    const RULES: [&str; 19] = [
        "6to4-self",
        "external",
        "krb5-self",
        "krb5-selfsub",
        "krb5-subdomain",
        "krb5-subdomain-self-rhs",
        "ms-self",
        "ms-selfsub",
        "ms-subdomain",
        "ms-subdomain-self-rhs",
        "name",
        "self",
        "selfsub",
        "selfwild",
        "subdomain",
        "tcp-self",
        "wildcard",
        "zonesub",
        "local",
    ];
    if args.try_word("local") {
        return Ok(());
    }
    args.list(|args| {
        args.one_of(&["grant", "deny"])?;
        args.text()?;
        args.one_of(&RULES)?;
        while !args.is_done() {
            args.text()?;
        }
        Ok(())
    })
}

pub(super) fn inet(args: &mut Args<'_>) -> Shaped {
    args.address_or_any()?;
    args.option("port", |args| if args.try_word("*") { Ok(()) } else { args.port() })
}

pub(super) fn control(args: &mut Args<'_>) -> Shaped {
    inet(args)?;
    args.one_of(&["allow"])?;
    args.acl()?;
    control_rest(args)
}

pub(super) fn control_rest(args: &mut Args<'_>) -> Shaped {
    args.option("keys", Args::texts)?;
    args.option("read-only", Args::flag)
}

pub(super) fn unix_control(args: &mut Args<'_>) -> Shaped {
    args.quoted()?;
    for word in ["perm", "owner", "group"] {
        args.one_of(&[word])?;
        args.integer()?;
    }
    control_rest(args)
}

/// `versions`, `size` and `suffix` in any order.
pub(super) fn log_file(args: &mut Args<'_>) -> Shaped {
    args.options(&[
        ("versions", |args| if args.try_word("unlimited") { Ok(()) } else { args.integer() }),
        ("size", SIZE_OR),
        ("suffix", |args| args.one_of(&["increment", "timestamp"])),
    ])
}

pub(super) fn policy_key(args: &mut Args<'_>) -> Shaped {
    args.one_of(&["csk", "ksk", "zsk"])?;
    if !args.try_word("key-directory") {
        args.option("key-store", Args::text)?;
    }
    args.one_of(&["lifetime"])?;
    if !args.try_word("unlimited") {
        args.duration()?;
    }
    args.one_of(&["algorithm"])?;
    args.option("tag-range", |args| {
        args.integer()?;
        args.integer()
    })?;
    args.text()?;
    args.option("tag-range", |args| {
        args.integer()?;
        args.integer()
    })?;
    if args.is_done() { Ok(()) } else { args.integer() }
}
