//! The text of single values, to types that can't be wrong: names, addresses, networks, durations, sizes.
//! Each says what is wrong and what to write instead.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use ipnet::IpNet;
use toml::de::DeValue;

use super::defaults::DNS_PORT;
use super::reader::{Faults, Node, Wrong, integer};
use super::{Address, Expect, suggest, system, units};
use crate::limits::QUERY_DEADLINE;
use crate::wire::header::{rcode, rcode_name};
use crate::wire::name::{Name, NameError};

/// Characters of a name that people give: it becomes a label of metrics, and Route 53's own limit is 64.
const MAX_LABEL: usize = 64;

/// A domain of a rule or zone.
pub(super) fn domain(text: &str) -> Result<Name, Wrong> {
    let bad = |message: String, help: &str| Wrong::new("bad-name", message, help);
    if let Some(network) = as_network(text) {
        return Err(bad(
            format!("`{text}` is an address, not a domain"),
            &format!("write reverse = [\"{network}\"]"),
        ));
    }
    if let Some(rest) = text.strip_prefix("*.") {
        let help = format!("write \"{rest}\": a domain covers all names below it");
        return Err(bad(format!("`{text}` holds a wildcard"), &help));
    }
    if !text.is_ascii() {
        return Err(bad(format!("`{text}` is not in ASCII"), "write the form that DNS carries (xn--...)"));
    }
    if text.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control()) {
        return Err(bad(
            format!("`{text}` holds a space or control character"),
            "leave it out; several domains go in a list",
        ));
    }
    Name::parse(text)
        .map_err(|error| bad(format!("`{text}` is no domain name: {error}"), name_help(text, error)))
}

fn as_network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .ok()
        .map(|network| network.trunc())
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn name_help(text: &str, error: NameError) -> &'static str {
    match error {
        NameError::EmptyLabel if text.starts_with('.') => "leave out the dot in front",
        NameError::Empty => "write a name, or \".\" for all names",
        _ => "correct the name (RFC 1035 section 2.3.4 has the limits)",
    }
}

/// A name that people give to an endpoint or Availability Zone.
pub(super) fn label(text: &str) -> Result<String, Wrong> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let sound = (1..=MAX_LABEL).contains(&text.len()) && text.chars().all(allowed) && text.trim() == text;
    match sound {
        true => Ok(text.to_owned()),
        false => {
            let help = format!("use 1 to {MAX_LABEL} letters, digits, '-', '_', '.' or spaces inside");
            Err(Wrong::new("bad-label", format!("`{text}` can't be a name here"), help))
        }
    }
}

/// The name of an endpoint.
pub(super) fn endpoint_name(text: &str) -> Result<String, Wrong> {
    if text == system::ENDPOINT {
        let message = format!("`{text}` is the name of the endpoint made from {}", system::RESOLV_CONF);
        return Err(Wrong::new("reserved-name", message, "choose another name"));
    }
    label(text)
}

/// An address to listen on: any, wildcards too; port 53 unless written.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, Wrong> {
    address(text, Some(DNS_PORT))
}

/// Where to forward to: an address, or a host's name; port 53 unless written.
pub(super) fn target_address(text: &str) -> Result<Address, Wrong> {
    match host(text) {
        Some(host) => host,
        None => server_address(text).map(Address::Socket),
    }
}

/// A host's name with its port; none if an address is meant. Two labels at least, as a bare word is more often a
/// slip than a host, and letters in the last one, as `10.0.1` is no name.
fn host(text: &str) -> Option<Result<Address, Wrong>> {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_host = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    if !name.contains('.')
        || !name.split('.').all(is_host)
        || !last.contains(|c: char| c.is_ascii_alphabetic())
    {
        return None;
    }
    let port = port.map_or(Some(DNS_PORT), |port| port.parse().ok().filter(|&port| port != 0));
    Some(match port {
        Some(port) => domain(name).map(|name| Address::Name(name, port)),
        None => {
            let help = "write a port from 1 to 65535 behind the name";
            Err(Wrong::new("bad-address", format!("`{text}` has a wrong port"), help))
        }
    })
}

/// The address of one DNS server; port 53 unless written.
pub(super) fn server_address(text: &str) -> Result<SocketAddr, Wrong> {
    let address = address(text, Some(DNS_PORT))?;
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        let help = "write the address of one DNS server";
        return Err(Wrong::new("bad-address", format!("`{text}` is not one host's address"), help));
    }
    Ok(address)
}

/// Where metrics are served, or "off".
pub(super) fn metrics_address(text: &str) -> Result<Option<SocketAddr>, Wrong> {
    if text == "off" { Ok(None) } else { address(text, None).map(Some) }
}

/// `10.0.1.250`, `127.0.0.1:5300`, `2001:db8::1`, `[2001:db8::1]:5300`.
fn address(text: &str, default_port: Option<u16>) -> Result<SocketAddr, Wrong> {
    let bad = |message: String, help: String| Err(Wrong::new("bad-address", message, help));
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address.port() {
            0 => bad(format!("`{text}` has port 0"), "write a port from 1 to 65535".to_owned()),
            _ => Ok(address),
        };
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match (bracketed.unwrap_or(text).parse::<IpAddr>(), default_port) {
        (Ok(ip), Some(port)) => Ok(SocketAddr::new(ip, port)),
        (Ok(ip), None) => {
            bad(format!("`{text}` has no port"), format!("write \"{}\"", SocketAddr::new(ip, 9153)))
        }
        (Err(_), _) => bad(format!("`{text}` is not an address"), address_help(text)),
    }
}

fn address_help(text: &str) -> String {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return "write a port from 1 to 65535 behind the address".to_owned();
    }
    if text.contains('/') {
        return "write one address; this is a network".to_owned();
    }
    "write an IP address such as \"10.0.1.250\", \"127.0.0.1:5300\" or \"[2001:db8::1]:5300\"; a target may also be \
     a host's full name, such as \"resolver.example.com\""
        .to_owned()
}

/// What a good reply to a probe is: an address, an rcode's name, or any answer.
pub(super) fn expect(text: &str) -> Result<Expect, Wrong> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Expect::Address(address));
    }
    if text == ANSWER {
        return Ok(Expect::Answer);
    }
    let codes = || (0..=rcode::BADCOOKIE).map(|code| (code, rcode_name(code)));
    if let Some((code, _)) = codes().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
        return Ok(Expect::Rcode(code));
    }
    let named = codes().filter(|(_, name)| !name.starts_with("RCODE"));
    let names: Vec<String> = named.map(|(_, name)| name.to_ascii_lowercase()).collect();
    let lower = text.to_ascii_lowercase();
    let known = names.iter().map(String::as_str).chain([ANSWER]);
    let help = match suggest::nearest(&lower, known) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "write \"answer\" (there is the name or there is not), an rcode such as \"noerror\" or \
                 \"nxdomain\", or an address that must be in the answer"
            .to_owned(),
    };
    Err(Wrong::new("bad-expect", format!("a target can't be expected to say `{text}`"), help))
}

const ANSWER: &str = "answer";

/// A type that can be asked for: RFC 6895 section 3.1 keeps 128 to 255 for what is no data, and OPT is none.
pub(super) fn probe_type(text: &str) -> Result<u16, Wrong> {
    let upper = text.to_ascii_uppercase();
    let known = RecordType::from_str(&upper).ok().filter(|known| !matches!(known, RecordType::Unknown(_)));
    let number = known.map(u16::from).or_else(|| upper.strip_prefix("TYPE")?.parse().ok());
    match number {
        None => {
            let help = "write a type such as \"A\", \"AAAA\" or \"SOA\"";
            Err(Wrong::new("bad-type", format!("`{text}` is not a record type"), help))
        }
        Some(0 | 41 | 128..=255) => {
            let help = "write a type that a name may have, such as \"A\" or \"SOA\"";
            Err(Wrong::new("bad-type", format!("`{text}` is no type of data"), help))
        }
        Some(number) => Ok(number),
    }
}

/// Questions a second that a target is asked at most: a number, or AWS's limit by name.
pub(super) fn rate(node: Node<'_>, faults: &mut Faults) -> Option<u32> {
    let names = || RATES.iter().map(|&(name, _)| name);
    let help = || {
        let names: Vec<String> = names().map(|name| format!("\"{name}\"")).collect();
        format!("write a number from 1 to {MAX_RATE}, 0 for no bound, or one of {}", names.join(", "))
    };
    let wrong = match node.value {
        DeValue::Integer(number) => {
            let number = integer(number).and_then(|number| u32::try_from(number).ok());
            match number.filter(|&number| number <= MAX_RATE) {
                Some(number) => return Some(number),
                None => Wrong::new("out-of-bounds", format!("`{}` is out of bounds", node.key), help()),
            }
        }
        DeValue::String(text) => match RATES.iter().find(|(name, _)| name == text) {
            Some(&(_, rate)) => return Some(rate),
            None => {
                let help = suggest::nearest(text, names())
                    .map_or_else(help, |name| format!("did you mean \"{name}\"?"));
                Wrong::new("unknown-word", format!("`{}` can't be \"{text}\"", node.key), help)
            }
        },
        _ => {
            node.wrong_type("a number or a name", help(), faults);
            return None;
        }
    };
    node.wrong(wrong, faults);
    None
}

/// Beyond what one server on one core can be asked.
const MAX_RATE: u32 = 1_000_000;

/// What AWS takes before it drops in silence: packets a second from one network interface to a VPC's resolver, and
/// queries a second at each address of a Resolver endpoint (Amazon's quotas for DNS in a VPC and Route 53 Resolver).
const RATES: [(&str, u32); 2] = [("vpc-resolver", 1_024), ("route53-endpoint", 10_000)];

/// When a client gets a stale answer although targets may still answer; "off": not before they have failed.
/// Beyond the time in which a question is answered or failed there is nothing to wait for.
pub(super) fn stale_after(node: Node<'_>, faults: &mut Faults) -> Option<Option<Duration>> {
    if node.value.as_str() == Some("off") {
        return Some(None);
    }
    let longest = QUERY_DEADLINE;
    let help = format!(
        "write \"0s\" (at once) to \"{}\", or \"off\" for not before all targets have failed",
        units::format_duration(longest)
    );
    let text = unit_text(&node, |_| help.clone(), "\"500ms\"", faults)?;
    let wrong = match units::parse_duration(text) {
        Ok(duration) if duration <= longest => return Some(Some(duration)),
        Ok(_) => Wrong::new("out-of-bounds", format!("`{}` is out of bounds", node.key), help),
        Err(error) => Wrong::new("bad-duration", format!("`{text}` is not a duration: {error}"), help),
    };
    node.wrong(wrong, faults);
    None
}

/// A network, or one address.
pub(super) fn address_or_network(text: &str) -> Result<IpNet, Wrong> {
    text.parse::<IpAddr>().map(IpNet::from).or_else(|_| network(text))
}

/// A network without host bits.
pub(super) fn network(text: &str) -> Result<IpNet, Wrong> {
    let bad = |message: String, help: String| Err(Wrong::new("bad-network", message, help));
    match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) if network.trunc() == network => Ok(network),
        (Ok(network), _) => {
            bad(format!("`{text}` has bits set behind the prefix"), format!("write \"{}\"", network.trunc()))
        }
        (_, Ok(address)) => {
            bad(format!("`{text}` has no prefix length"), format!("write \"{}\"", IpNet::from(address)))
        }
        _ => {
            let help = "write an address and a prefix length, such as \"10.0.0.0/16\" or \"2001:db8::/32\"";
            bad(format!("`{text}` is not a network"), help.to_owned())
        }
    }
}

/// A duration within bounds.
pub(super) fn duration(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(Node<'_>, &mut Faults) -> Option<Duration> {
    move |node, faults| {
        let as_written = |number: i128| format!("write {} = \"{number}s\" if seconds are meant", node.key);
        let text = unit_text(&node, as_written, "\"10s\", \"15m\" or \"1h30m\"", faults)?;
        let parsed = units::parse_duration(text).map_err(|error| {
            let help = "write whole numbers with units: \"500ms\", \"10s\", \"15m\", \"1h30m\" or \"1d\"";
            Wrong::new("bad-duration", format!("`{text}` is not a duration: {error}"), help)
        });
        let within = parsed.and_then(|duration| match bounds.contains(&duration) {
            true => Ok(duration),
            false => Err(out_of_bounds(&node, &bounds, |&bound| units::format_duration(bound))),
        });
        within.map_err(|wrong| node.wrong(wrong, faults)).ok()
    }
}

/// A TTL: whole seconds within bounds.
pub(super) fn ttl(max: Duration) -> impl Fn(Node<'_>, &mut Faults) -> Option<u32> {
    let read = duration(Duration::ZERO..=max);
    move |node, faults| {
        let duration = read(node.clone(), faults)?;
        let seconds = u32::try_from(duration.as_secs()).ok().filter(|_| duration.subsec_nanos() == 0);
        if seconds.is_none() {
            let message = format!("`{}` must be whole seconds", node.key);
            node.wrong(
                Wrong::new("out-of-bounds", message, "a TTL counts seconds (RFC 2181 section 8)"),
                faults,
            );
        }
        seconds
    }
}

/// A size within bounds, or 0.
pub(super) fn size(bounds: RangeInclusive<u64>) -> impl Fn(Node<'_>, &mut Faults) -> Option<u64> {
    move |node, faults| {
        let as_written = |number: i128| {
            let size = u64::try_from(number).map_or("256MiB".to_owned(), units::format_size);
            format!("write {} = \"{size}\" if bytes are meant", node.key)
        };
        let text = unit_text(&node, as_written, "\"64MiB\" or \"1GiB\"", faults)?;
        let parsed = units::parse_size(text).map_err(|error| {
            let help = "write a whole number with its unit: B, KiB, MiB, GiB, TiB, or KB, MB, GB, TB";
            Wrong::new("bad-size", format!("`{text}` is not a size: {error}"), help)
        });
        let within = parsed.and_then(|size| match size == 0 || bounds.contains(&size) {
            true => Ok(size),
            false => {
                let wrong = out_of_bounds(&node, &bounds, |&size| units::format_size(size));
                Err(Wrong { help: format!("{}, or \"0B\"", wrong.help), ..wrong })
            }
        });
        within.map_err(|wrong| node.wrong(wrong, faults)).ok()
    }
}

fn out_of_bounds<T>(node: &Node<'_>, bounds: &RangeInclusive<T>, show: impl Fn(&T) -> String) -> Wrong {
    let help = format!("write a value from \"{}\" to \"{}\"", show(bounds.start()), show(bounds.end()));
    Wrong::new("out-of-bounds", format!("`{}` is out of bounds", node.key), help)
}

/// The text of a value with a unit. A bare number says nothing of its unit, so the fault says how to.
fn unit_text<'a>(
    node: &Node<'a>,
    as_written: impl Fn(i128) -> String,
    examples: &str,
    faults: &mut Faults,
) -> Option<&'a str> {
    let help = match node.value {
        DeValue::String(text) => return Some(text),
        DeValue::Integer(number) => integer(number).filter(|&number| number >= 0).map(as_written),
        _ => None,
    };
    let help = help.unwrap_or_else(|| format!("write a string such as {examples}"));
    node.wrong_type("a string with a unit", help, faults);
    None
}
