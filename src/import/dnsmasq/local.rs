//! Records that dnsmasq has of its own: written in options, and in files like /etc/hosts.

use std::net::IpAddr;

use ipnet::IpNet;

use super::lexer::{Line, visible};
use super::translate::Whole;
use crate::import::Unreadable;
use crate::import::plan::{Record, Said, domain};
use crate::import::reading::Files;
use crate::wire::name::Name;

/// The TTL of local names: 0 unless `local-ttl` says otherwise.
pub(super) fn ttl(whole: &Whole<'_>) -> u32 {
    whole.last("local-ttl").and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

pub(super) fn address(owner: Name, ip: IpAddr, ttl: u32) -> Record {
    let rtype = if ip.is_ipv4() { "A" } else { "AAAA" };
    Record { owner, ttl, rtype: rtype.to_owned(), rdata: ip.to_string() }
}

/// All records, once rules and zones are known.
pub(super) fn records(whole: &mut Whole<'_>, said: &[Said], files: &mut Files) -> Result<(), Unreadable> {
    for (line, said) in whole.lines.iter().zip(said) {
        let value = line.value.as_deref().unwrap_or_default();
        match line.name {
            "addn-hosts" => hosts(whole, &visible(value), said, files)?,
            "hostsdir" => {
                let folder = files.find(files.home(), &visible(value));
                let paths = files.folder(&folder, &said.place, |name| !name.starts_with('.'))?;
                for path in paths {
                    hosts(whole, &path.display().to_string(), said, files)?;
                }
                whole.plan.changed(said, "the folder was read once; dnsmasq follows it");
            }
            _ => {
                let parts: Vec<&str> = value.split(',').map(str::trim).collect();
                if let Err(why) = option(whole, line, &parts, said) {
                    whole.plan.refused(said, why, "correct the option");
                }
            }
        }
    }
    Ok(())
}

/// Records of one option; others have none. Errors: what can't be read.
fn option(whole: &mut Whole<'_>, line: &Line, parts: &[&str], said: &Said) -> Result<(), String> {
    let part = |at: usize| parts.get(at).copied().map(visible).unwrap_or_default();
    let number = |at: usize, otherwise: u32| match part(at).as_str() {
        "" => Ok(otherwise),
        text => text.parse::<u32>().map_err(|_| format!("`{text}` is no number")),
    };
    let owner = || domain(&part(0));
    let host = |at: usize| match part(at).as_str() {
        "" | "." => Ok(".".to_owned()),
        text => domain(text).map(|name| format!("{name}.")),
    };
    let ttl = ttl(whole);
    let (owner, rtype, rdata) = match line.name {
        "host-record" => return host_record(whole, parts, said),
        "cname" => return cname(whole, parts, said),
        "ptr-record" => (owner()?, "PTR", host(1)?),
        "txt-record" => (owner()?, "TXT", strings(&parts[1..])),
        "srv-host" => {
            let rdata = format!("{} {} {} {}", number(3, 0)?, number(4, 0)?, number(2, 1)?, host(1)?);
            (owner()?, "SRV", rdata)
        }
        "mx-host" => {
            let target = if part(1).is_empty() { host(0)? } else { host(1)? };
            (owner()?, "MX", format!("{} {target}", number(2, 1)?))
        }
        "caa-record" => (owner()?, "CAA", format!("{} {} {}", number(1, 0)?, part(2), quoted(&part(3)))),
        "dns-rr" => {
            let number =
                part(1).parse::<u16>().map_err(|_| format!("`{}` is no number of a type", part(1)))?;
            return unknown(whole, owner()?, number, &part(2), said);
        }
        "naptr-record" => {
            let [flags, service, regexp] = [3, 4, 5].map(|at| quoted(&part(at)));
            let rdata =
                format!("{} {} {flags} {service} {regexp} {}", number(1, 0)?, number(2, 0)?, host(6)?);
            (owner()?, "NAPTR", rdata)
        }
        _ => return Ok(()),
    };
    whole.plan.record(said, Record { owner, ttl, rtype: rtype.to_owned(), rdata });
    Ok(())
}

/// A record of any type by its number and its octets, which may have colons or blanks between them.
fn unknown(whole: &mut Whole<'_>, owner: Name, rtype: u16, data: &str, said: &Said) -> Result<(), String> {
    let digits: String = data.chars().filter(|c| !matches!(c, ':' | ' ' | '-')).collect();
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(format!("`{data}` is no octets in hexadecimal"));
    }
    // RFC 3597 section 5, for known types too.
    let rdata = format!("\\# {} {digits}", digits.len() / 2);
    let record = Record { owner, ttl: ttl(whole), rtype: crate::control::rtype::show(rtype), rdata };
    whole.plan.record(said, record);
    Ok(())
}

/// `NAME[,NAME...],ADDRESS[,ADDRESS][,TTL]`; the first name is the one that addresses lead back to.
fn host_record(whole: &mut Whole<'_>, parts: &[&str], said: &Said) -> Result<(), String> {
    let (mut names, mut addresses, mut ttl) = (Vec::new(), Vec::new(), ttl(whole));
    for part in parts.iter().map(|part| visible(part)) {
        if let Ok(ip) = part.parse::<IpAddr>() {
            addresses.push(ip);
        } else if let (Ok(seconds), false) = (part.parse::<u32>(), names.is_empty()) {
            ttl = seconds;
        } else if !part.is_empty() {
            names.push(domain(&part)?);
        }
    }
    let Some(first) = names.first().cloned() else { return Err("it names no host".to_owned()) };
    if addresses.is_empty() {
        return Err("it has no address".to_owned());
    }
    for ip in addresses {
        for name in &names {
            whole.plan.record(said, address(name.clone(), ip, ttl));
        }
        pointer(whole, ip, &first, ttl, said);
    }
    Ok(())
}

/// `ALIAS[,ALIAS...],TARGET[,TTL]`
fn cname(whole: &mut Whole<'_>, parts: &[&str], said: &Said) -> Result<(), String> {
    let mut names: Vec<String> = parts.iter().map(|part| visible(part)).collect();
    let mut ttl = ttl(whole);
    if names.len() > 2
        && let Some(Ok(seconds)) = names.last().map(|text| text.parse())
    {
        ttl = seconds;
        names.pop();
    }
    let target = names.pop().filter(|_| !names.is_empty()).ok_or("it names no target")?;
    let rdata = format!("{}.", domain(&target)?);
    for alias in &names {
        if alias.starts_with("*.") {
            return Err(format!("`{alias}` is a wildcard, which needs a zone"));
        }
        let owner = domain(alias)?;
        whole.plan.record(said, Record { owner, ttl, rtype: "CNAME".to_owned(), rdata: rdata.clone() });
    }
    Ok(())
}

/// The way back from an address. A private one is in the zone that `bogus-priv` keeps here anyhow, unless a rule says
/// otherwise.
fn pointer(whole: &mut Whole<'_>, ip: IpAddr, name: &Name, ttl: u32, said: &Said) {
    let reverse = crate::config::reverse::domains(IpNet::from(ip));
    let Some(owner) = reverse.into_iter().next() else { return };
    if whole.has("bogus-priv") {
        whole.plan.keep_private(said, &owner);
    }
    whole.plan.record(said, Record { owner, ttl, rtype: "PTR".to_owned(), rdata: format!("{name}.") });
}

/// A file like /etc/hosts: an address and its names on each line.
fn hosts(whole: &mut Whole<'_>, path: &str, said: &Said, files: &mut Files) -> Result<(), Unreadable> {
    let path = files.find(files.home(), path);
    let file = files.text(&path, &said.place)?;
    let ttl = ttl(whole);
    let suffix = whole.last("domain").filter(|_| whole.has("expand-hosts"));
    let suffix = suffix.filter(|text| !text.contains(','));
    for (number, text) in file.text.lines().enumerate() {
        let line = text.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        let place = crate::import::Place { file: file.name.clone(), line: number as u32 + 1, column: 1 };
        let host = whole.plan.statement(&place, text);
        let Ok(ip) = first.parse::<IpAddr>() else {
            whole.plan.refused(
                &host,
                format!("`{first}` is no address"),
                "correct the line; dnsmasq skips it",
            );
            continue;
        };
        let mut first_name = None;
        for word in words {
            let whole_name =
                suffix.as_ref().filter(|_| !word.contains('.')).map(|suffix| format!("{word}.{suffix}"));
            for text in whole_name.iter().map(String::as_str).chain([word]) {
                match domain(text) {
                    Ok(name) => {
                        whole.plan.record(&host, address(name.clone(), ip, ttl));
                        first_name.get_or_insert(name);
                    }
                    Err(why) => whole.plan.refused(&host, why, "correct the name"),
                }
            }
        }
        match first_name {
            Some(name) => pointer(whole, ip, &name, ttl, &host),
            None => whole.plan.not_needed(&host, "it has no name"),
        }
    }
    whole.plan.translated(said, "its lines, each by itself");
    Ok(())
}

/// `domain=` and `expand-hosts` matter for names without a dot in hosts files.
pub(super) fn domain_line(whole: &mut Whole<'_>, name: &str, value: &str, said: &Said) {
    match (name, value.contains(',')) {
        ("domain", true) => {
            let why =
                "the domain of a network names leases of DHCP, and keeps the domain from being forwarded";
            whole.plan.refused(said, why, "write a [[zone]] for the domain");
        }
        ("domain", false) => {
            whole.plan.translated(
                said,
                "names without a dot in hosts files, if expand-hosts stands; leases of DHCP",
            );
        }
        _ => whole.plan.translated(said, "names of hosts files in the domain"),
    }
}

fn strings(parts: &[&str]) -> String {
    let texts: Vec<String> = parts.iter().map(|part| quoted(&visible(part))).collect();
    if texts.is_empty() { "\"\"".to_owned() } else { texts.join(" ") }
}

/// A character string of a master file (RFC 1035 section 5.1).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for octet in text.bytes() {
        match octet {
            b'"' | b'\\' => quoted.extend(['\\', char::from(octet)]),
            b' '..=b'~' => quoted.push(char::from(octet)),
            _ => quoted.push_str(&format!("\\{octet:03}")),
        }
    }
    quoted.push('"');
    quoted
}
