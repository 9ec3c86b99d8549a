//! Names that every server of this kind answers itself (RFC 6303 section 4, RFC 6761 section 6, and what
//! followed them), unless a zone or rule of the configuration speaks for them.

/// What a built-in name's zone holds beside SOA and NS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing: names below don't exist.
    Empty,
    /// `localhost` and all names below it are this machine (RFC 6761 section 6.3).
    Loopback,
    /// The reverse name of 127.0.0.1, or of ::1, is `localhost` (RFC 6303 sections 4.2 and 4.3).
    LoopbackPointer,
}

/// A built-in name and why it is one.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    pub domain: &'static str,
    pub content: Content,
    pub source: &'static str,
}

const fn empty(domain: &'static str, source: &'static str) -> Builtin {
    Builtin { domain, content: Content::Empty, source }
}

const V6_ZEROS: &str = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";
const V6_LOOPBACK: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";

const FIXED: [Builtin; 23] = [
    Builtin { domain: "localhost", content: Content::Loopback, source: "RFC 6761 section 6.3" },
    Builtin { domain: "127.in-addr.arpa", content: Content::LoopbackPointer, source: "RFC 6303 section 4.2" },
    Builtin { domain: V6_LOOPBACK, content: Content::LoopbackPointer, source: "RFC 6303 section 4.3" },
    empty("test", "RFC 6761 section 6.2"),
    empty("invalid", "RFC 6761 section 6.4"),
    empty("onion", "RFC 7686 section 2"),
    empty("home.arpa", "RFC 8375 section 4"),
    empty("resolver.arpa", "RFC 9462 section 6.4"),
    empty("10.in-addr.arpa", "RFC 6303 section 4.1"),
    empty("168.192.in-addr.arpa", "RFC 6303 section 4.1"),
    empty("0.in-addr.arpa", "RFC 6303 section 4.2"),
    empty("254.169.in-addr.arpa", "RFC 6303 section 4.2"),
    empty("2.0.192.in-addr.arpa", "RFC 6303 section 4.2"),
    empty("100.51.198.in-addr.arpa", "RFC 6303 section 4.2"),
    empty("113.0.203.in-addr.arpa", "RFC 6303 section 4.2"),
    empty("255.255.255.255.in-addr.arpa", "RFC 6303 section 4.2"),
    empty(V6_ZEROS, "RFC 6303 section 4.3"),
    empty("d.f.ip6.arpa", "RFC 6303 section 4.4"),
    empty("8.e.f.ip6.arpa", "RFC 6303 section 4.5"),
    empty("9.e.f.ip6.arpa", "RFC 6303 section 4.5"),
    empty("a.e.f.ip6.arpa", "RFC 6303 section 4.5"),
    empty("b.e.f.ip6.arpa", "RFC 6303 section 4.5"),
    empty("8.b.d.0.1.0.0.2.ip6.arpa", "RFC 6303 section 4.6"),
];

/// 172.16.0.0/12 and 100.64.0.0/10 by their octets: what AWS hands out by default, and its carrier-grade range.
const RANGES: [(&str, std::ops::RangeInclusive<u8>, &str); 2] = [
    ("172.in-addr.arpa", 16..=31, "RFC 6303 section 4.1"),
    ("100.in-addr.arpa", 64..=127, "RFC 7793 section 4"),
];

/// All built-in names: domain in presentation form, what its zone holds, and the document that asks for it.
pub fn all() -> impl Iterator<Item = (String, Content, &'static str)> {
    let fixed = FIXED.iter().map(|builtin| (builtin.domain.to_string(), builtin.content, builtin.source));
    let ranges = RANGES.iter().flat_map(|(parent, octets, source)| {
        octets.clone().map(move |octet| (format!("{octet}.{parent}"), Content::Empty, *source))
    });
    fixed.chain(ranges)
}

/// A built-in name's zone as a master file (RFC 6303 section 3 gives SOA and NS).
pub fn master_file(content: Content) -> &'static str {
    match content {
        Content::Empty => "@ 10800 IN SOA @ nobody.invalid. 1 3600 1200 604800 10800\n@ 10800 IN NS @\n",
        Content::Loopback => {
            "@ 10800 IN SOA @ nobody.invalid. 1 3600 1200 604800 10800\n@ 10800 IN NS @\n\
             @ 10800 IN A 127.0.0.1\n@ 10800 IN AAAA ::1\n* 10800 IN A 127.0.0.1\n* 10800 IN AAAA ::1\n"
        }
        Content::LoopbackPointer => {
            "@ 10800 IN SOA @ nobody.invalid. 1 3600 1200 604800 10800\n@ 10800 IN NS @\n\
             @ 10800 IN PTR localhost.\n1.0.0 10800 IN PTR localhost.\n"
        }
    }
}
