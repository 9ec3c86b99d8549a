//! `local-zone:`, `local-data:` and `local-data-ptr:`: what Unbound answers before it looks at anything else.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Whole;
use super::reader::Key;
use crate::import::Unreadable;
use crate::import::plan::{Area, Plan, Record, Said, Spread, domain};
use crate::import::reading::fault;
use crate::policy::builtin;
use crate::wire::name::Name;

/// Types of local zones, as unbound.conf(5) lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type(&'static str);

const TYPES: [&str; 22] = [
    "deny",
    "refuse",
    "static",
    "transparent",
    "typetransparent",
    "redirect",
    "nodefault",
    "inform",
    "inform_deny",
    "inform_redirect",
    "always_transparent",
    "block_a",
    "always_refuse",
    "always_nxdomain",
    "always_nodata",
    "always_deny",
    "always_null",
    "noview",
    "ipset",
    "truncate",
    "always_drop",
    "block_aaaa",
];

impl Type {
    pub fn word(self) -> &'static str {
        self.0
    }

    /// Does it answer, or turn down, names that it has no data for?
    pub fn answers(self) -> bool {
        !matches!(
            self.0,
            "transparent"
                | "typetransparent"
                | "nodefault"
                | "inform"
                | "always_transparent"
                | "noview"
                | "ipset"
                | "block_a"
                | "block_aaaa"
        )
    }
}

/// All local zones of `server:`.
#[derive(Default)]
pub(super) struct Locals {
    zones: BTreeMap<Name, (Type, Said)>,
    /// `unblock-lan-zones`: private networks are not answered by default.
    lan: bool,
}

impl Locals {
    /// The most specific one at or above a name.
    pub fn over(&self, name: &Name) -> Option<(Name, Type)> {
        let mut at = Some(name.clone());
        while let Some(name) = at {
            if let Some((kind, _)) = self.zones.get(&name) {
                return Some((name, *kind));
            }
            at = name.parent();
        }
        None
    }

    /// Is a built-in zone taken away?
    pub fn frees(&self, builtin: &Name) -> bool {
        let text = builtin.to_string();
        let is_lan = text == "10.in-addr.arpa"
            || text == "168.192.in-addr.arpa"
            || text.ends_with(".172.in-addr.arpa")
            || text.ends_with("254.169.in-addr.arpa")
            || text.ends_with("d.f.ip6.arpa")
            || text.ends_with("e.f.ip6.arpa");
        self.zones.contains_key(builtin) || self.lan && is_lan
    }
}

/// The types of all zones; a word that Unbound does not know is a fault.
pub(super) fn types(whole: &mut Whole) -> Result<Locals, Unreadable> {
    let lan = whole.says("unblock-lan-zones");
    let written = whole.server(&["local-zone"]);
    Ok(Locals { lan, ..types_of(&written, &mut whole.plan)? })
}

/// The types of the zones that these keys declare.
pub(super) fn types_of(written: &[(Key, Said)], plan: &mut Plan) -> Result<Locals, Unreadable> {
    let mut locals = Locals::default();
    for (key, said) in written {
        let word = key.values.get(1).map_or("", String::as_str);
        let Some(kind) = TYPES.iter().find(|known| **known == word) else {
            let message = format!("local-zone has no type `{}`", crate::import::reading::shown(word));
            return Err(fault(&key.place, message, "write one of those that unbound.conf(5) lists"));
        };
        match domain(key.value()) {
            Ok(name) if locals.zones.contains_key(&name) => {
                plan.not_needed(said, "the zone is declared before");
            }
            Ok(name) => {
                locals.zones.insert(name, (Type(kind), said.clone()));
            }
            Err(why) => plan.refused(said, why, "correct the name"),
        }
    }
    Ok(locals)
}

/// The zones and data of a view. Names that it leaves free go where the general rules say.
pub(super) fn in_view(plan: &mut Plan, locals: &Locals, records: &[(Key, Said)], pointers: &[(Key, Said)]) {
    for (name, (kind, said)) in &locals.zones {
        let builtin = builtin::all().any(|(text, ..)| Name::parse(&text).as_ref() == Ok(name));
        match kind.word() {
            "nodefault" | "transparent" | "typetransparent" | "inform" | "always_transparent" | "noview"
                if builtin =>
            {
                let why = "for clients of this view alone, names that are answered here by themselves can't be freed";
                plan.refused(said, why, "write a rule for them into the [[view]]");
            }
            "noview" => plan.not_needed(said, "names without local data go where the rules say"),
            _ => zone(plan, name, *kind, said),
        }
    }
    all_data(plan, locals, records, pointers);
}

/// All local zones with their data, once it is known what is forwarded.
pub(super) fn zones(whole: &mut Whole, locals: &Locals) {
    for (name, (kind, said)) in &locals.zones {
        zone(&mut whole.plan, name, *kind, said);
    }
    if let Some((key, said)) = whole.server(&["unblock-lan-zones"]).pop() {
        match key.value() {
            "yes" => lan(&mut whole.plan, &said),
            _ => whole.plan.not_needed(&said, "it is so here"),
        }
    }
    let (records, pointers) = (whole.server(&["local-data"]), whole.server(&["local-data-ptr"]));
    all_data(&mut whole.plan, locals, &records, &pointers);
}

fn all_data(plan: &mut Plan, locals: &Locals, records: &[(Key, Said)], pointers: &[(Key, Said)]) {
    for (key, said) in records {
        match record(key.value()) {
            Ok(record) => data(plan, locals, said, record),
            Err(why) => plan.refused(said, why, "correct the record"),
        }
    }
    for (key, said) in pointers {
        match pointer(key.value()) {
            Ok(record) => data(plan, locals, said, record),
            Err(why) => plan.refused(said, why, "write \"ADDRESS [TTL] NAME\""),
        }
    }
}

fn zone(plan: &mut Plan, name: &Name, kind: Type, said: &Said) {
    match kind.word() {
        "static" | "always_nxdomain" => plan.closed(said, name),
        "redirect" | "inform_redirect" => {
            plan.zone(said, name, Spread::Below);
            plan.translated(said, format!("[[zone]] {name}, with wildcards"));
        }
        "always_null" => {
            plan.zone(said, name, Spread::Below);
            for ip in [IpAddr::from([0, 0, 0, 0]), IpAddr::from([0u16; 8])] {
                let rtype = if ip.is_ipv4() { "A" } else { "AAAA" };
                let rdata = ip.to_string();
                plan.record(said, Record { owner: name.clone(), ttl: 3_600, rtype: rtype.to_owned(), rdata });
            }
        }
        "nodefault" | "transparent" | "typetransparent" | "inform" | "always_transparent" => {
            freed(plan, name, said)
        }
        word => {
            let why = format!(
                "names of one domain can't be answered by `{word}` here; they go where a broader rule says, or are \
                 refused if there is none"
            );
            plan.refused(said, why, "write a [[zone]] without data if NXDOMAIN will do");
        }
    }
}

/// Names without data go where the rules say, even if this server has a built-in zone for them.
fn freed(plan: &mut Plan, name: &Name, said: &Said) {
    let builtin = builtin::all().any(|(text, ..)| Name::parse(&text).as_ref() == Ok(name));
    let covering = plan.covering(name);
    match (builtin, covering) {
        (false, _) => plan.not_needed(said, "names without local data go where the rules say"),
        (true, Some(rule)) if !rule.is_root() => {
            plan.translated(said, format!("[[rule]] {rule}, before which the built-in zone steps aside"));
        }
        (true, Some(root)) => {
            let targets = plan.targets(&Area::Domain(root)).unwrap_or_default().to_vec();
            plan.forward(said, Area::Domain(name.clone()), &targets);
            plan.translated(said, format!("[[rule]] {name}: as for \".\""));
        }
        (true, None) => plan.refused(
            said,
            "Unbound looks these names up from the root on, and this server answers them without data",
            "add a rule for them with the servers that know them",
        ),
    }
}

/// The zones of private networks, freed all at once.
fn lan(plan: &mut Plan, said: &Said) {
    let targets = plan.targets(&Area::Domain(Name::root())).unwrap_or_default().to_vec();
    if targets.is_empty() {
        return plan.refused(
            said,
            "Unbound looks reverse names of private networks up from the root on",
            "add rules with `reverse` for those networks whose names a server knows",
        );
    }
    plan.forward_private(said, &targets);
}

/// A record, in the zone that Unbound has for it.
fn data(plan: &mut Plan, locals: &Locals, said: &Said, record: Record) {
    match locals.over(&record.owner) {
        Some((zone, kind)) if !kind.answers() => {
            if kind.word() == "always_transparent" {
                let why = format!("local-zone `{zone}` (always_transparent) leaves its data out");
                return plan.not_needed(said, why);
            }
        }
        Some((zone, kind)) if kind.word().starts_with("always_") => {
            let why = format!("local-zone `{zone}` ({}) leaves its data out", kind.word());
            return plan.not_needed(said, why);
        }
        Some((zone, kind))
            if matches!(kind.word(), "redirect" | "inform_redirect") && record.owner != zone =>
        {
            let why = format!("in local-zone `{zone}` (redirect) all data is the zone's own");
            return plan.refused(said, why, "decide which of the two is meant");
        }
        Some(_) => {}
        None => plan.keep_private(said, &record.owner),
    }
    plan.record(said, record);
}

/// A record on one line: `NAME [TTL] [IN] TYPE RDATA`. Unbound gives it 3600 seconds unless written.
fn record(text: &str) -> Result<Record, String> {
    let mut rest = text.trim();
    let mut word = || {
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        let word = &rest[..end];
        rest = rest[end..].trim_start();
        word
    };
    let owner = word();
    let owner = if owner.starts_with("*.") {
        crate::wire::name::Name::parse(owner).map_err(|error| format!("`{owner}` is no name: {error}"))?
    } else {
        domain(owner)?
    };
    let mut ttl = 3_600;
    let mut rtype = word();
    for _ in 0..2 {
        if let Ok(seconds) = rtype.parse::<u32>() {
            ttl = seconds;
            rtype = word();
        } else if rtype.eq_ignore_ascii_case("IN") {
            rtype = word();
        }
    }
    if rtype.is_empty() || rest.is_empty() {
        return Err("a record has a name, a type and data".to_owned());
    }
    if rest.contains(['\n', '\r']) || !rtype.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(format!("`{rtype}` is no type"));
    }
    Ok(Record { owner, ttl, rtype: rtype.to_ascii_uppercase(), rdata: ended(rtype, rest) })
}

/// Names in data are whole in Unbound, dot or not; in a master file one without a dot is relative.
fn ended(rtype: &str, rdata: &str) -> String {
    let whole = |name: &str| if name.ends_with('.') { name.to_owned() } else { format!("{name}.") };
    let names: &[usize] = match rtype.to_ascii_uppercase().as_str() {
        "CNAME" | "NS" | "PTR" | "DNAME" => &[0],
        "MX" | "AFSDB" | "KX" | "RT" | "SVCB" | "HTTPS" => &[1],
        "SOA" | "RP" | "MINFO" => &[0, 1],
        "SRV" => &[3],
        "NAPTR" => &[5],
        _ => return rdata.to_owned(),
    };
    let words = rdata.split_whitespace().enumerate();
    words
        .map(|(at, word)| if names.contains(&at) { whole(word) } else { word.to_owned() })
        .collect::<Vec<_>>()
        .join(" ")
}

/// `ADDRESS [TTL] NAME`
fn pointer(text: &str) -> Result<Record, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (ip, ttl, name) = match words.as_slice() {
        [ip, name] => (ip, 3_600, name),
        [ip, ttl, name] => (ip, ttl.parse().map_err(|_| format!("`{ttl}` is no TTL"))?, name),
        _ => return Err("an address and a name are needed".to_owned()),
    };
    let ip: IpAddr = ip.parse().map_err(|_| format!("`{ip}` is no address"))?;
    let owner = crate::config::reverse::domains(IpNet::from(ip)).pop().ok_or("it has no reverse name")?;
    Ok(Record { owner, ttl, rtype: "PTR".to_owned(), rdata: format!("{}.", domain(name)?) })
}
