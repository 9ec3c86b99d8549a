//! `forward-zone:`, `stub-zone:` and `auth-zone:`.

use std::net::{IpAddr, SocketAddr};

use super::keys::Clause;
use super::local::Locals;
use super::reader::Section;
use super::{Stated, Whole};
use crate::import::draft::{Target, Value, set};
use crate::import::plan::{Area, GO_ELSEWHERE, Plan, Said, domain, target};
use crate::import::reading::Files;
use crate::policy::builtin;
use crate::wire::name::Name;

/// All zones that are asked elsewhere.
pub(super) fn forwards(whole: &mut Whole, locals: &Locals) {
    let localhost = whole.last("do-not-query-localhost").as_deref() != Some("no");
    let encrypted = whole.says("tls-upstream") || whole.says("ssl-upstream");
    let world = World { localhost, encrypted, bootstrap: bootstrap(whole) };
    let Whole { sections, plan, .. } = whole;
    for stated in sections.iter() {
        if matches!(stated.section.clause, Clause::Forward | Clause::Stub) {
            zone(stated, plan, locals, &world);
        }
    }
    // A name that is not forwarded is looked up from the root on.
    if plan.targets(&Area::Domain(Name::root())).is_none() {
        let said = plan.statement(&whole.top, "(no forward-zone for \".\")");
        let why = "Unbound looks all other names up from the root on; this server forwards, and refuses what no rule covers";
        plan.refused(
            &said,
            why,
            "add a rule for \".\" with a resolver that does, such as this Unbound on another port",
        );
    }
}

/// What holds for all zones.
struct World {
    /// Loopback addresses are not asked.
    localhost: bool,
    /// All are asked over TLS.
    encrypted: bool,
    /// Who is asked for targets that are names.
    bootstrap: Vec<Target>,
}

/// The targets of ".", as Unbound would look names of targets up there.
fn bootstrap(whole: &Whole) -> Vec<Target> {
    let is_all = |section: &&Section| {
        section.clause == Clause::Forward && section.first("name").is_some_and(|key| key.value() == ".")
    };
    let all = whole.sections.iter().map(|stated| &stated.section).filter(is_all);
    let plain = all.filter(|section| !section.says(&["forward-tls-upstream", "forward-ssl-upstream"]));
    plain
        .flat_map(|section| section.all(&["forward-addr"]))
        .filter_map(|key| address(key.value()))
        .filter_map(target)
        .collect()
}

/// `ADDRESS[@PORT][#NAME]`
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    let text = text.split('#').next().unwrap_or_default();
    let (ip, port) = text.split_once('@').map_or((text, "53"), |(ip, port)| (ip, port));
    Some(SocketAddr::new(ip.trim().parse::<IpAddr>().ok()?, port.trim().parse().ok()?))
}

fn zone(stated: &Stated, plan: &mut Plan, locals: &Locals, world: &World) {
    let section = &stated.section;
    let whole_zone = |plan: &mut Plan, why: &str, what_to_do: &str| {
        stated.said.iter().for_each(|said| plan.refused(said, why, what_to_do));
    };
    let Some((name_key, said)) = stated.keys().find(|(key, _)| key.name == "name") else {
        return whole_zone(plan, "the zone has no name", "write `name:`");
    };
    let name = match domain(name_key.value()) {
        Ok(name) => name,
        Err(why) => return whole_zone(plan, &why, "correct the name"),
    };
    if let Some(why) = never_asked(&name, locals) {
        let what_to_do = "if these servers should be asked, add a [[rule]] for the zone";
        return whole_zone(plan, &format!("{why}, so that Unbound never asks them either"), what_to_do);
    }
    let tls = ["forward-tls-upstream", "forward-ssl-upstream", "stub-tls-upstream", "stub-ssl-upstream"];
    if section.says(&tls) || world.encrypted && section.all(&tls).next().is_none() {
        let why = format!("targets are not asked over TLS here; {GO_ELSEWHERE}");
        return whole_zone(
            plan,
            &why,
            "name targets that answer over UDP and TCP, or keep Unbound for this zone",
        );
    }
    let targets = targets(stated, plan, world);
    if targets.is_empty() {
        let why = format!(
            "nobody is named who could be asked; Unbound looks such a zone up from the root on; {GO_ELSEWHERE}"
        );
        return plan.refused(said, why, "name the servers of the zone, or a resolver that looks it up");
    }
    plan.forward(said, Area::Domain(name.clone()), &targets);
    plan.translated(said, format!("[[rule]] {name}"));
    options(stated, plan);
    notes(plan, said, section, &name, &targets, world);
}

/// A local zone at or above the name answers before any forward-zone is looked at.
fn never_asked(name: &Name, locals: &Locals) -> Option<String> {
    match locals.over(name) {
        Some((zone, kind)) if kind.answers() => {
            Some(format!("local-zone `{zone}` ({}) answers its names", kind.word()))
        }
        Some(_) => None,
        None => {
            let known = builtin::all().filter_map(|(text, ..)| Name::parse(&text).ok());
            let over = known.into_iter().find(|known| name.is_within(known) && !locals.frees(known))?;
            Some(format!(
                "`{over}` is answered without data by default, as no `local-zone: \"{over}.\" nodefault` frees it"
            ))
        }
    }
}

fn targets(stated: &Stated, plan: &mut Plan, world: &World) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for (key, said) in stated.keys() {
        match key.name {
            "forward-addr" | "stub-addr" => match address(key.value()).and_then(target) {
                Some(target) => {
                    plan.translated(said, format!("target {}", target.address));
                    targets.push(target);
                }
                None => plan.refused(
                    said,
                    "it is not the address of a server that can be asked",
                    "write ADDRESS@PORT",
                ),
            },
            "forward-host" | "stub-host" => match host(key.value()) {
                Some(target) if !world.bootstrap.is_empty() => {
                    let servers = world.bootstrap.iter().map(|target| target.address.clone());
                    set(&mut plan.draft.server, "bootstrap", Value::texts(servers), &said.place);
                    plan.translated(
                        said,
                        format!("target {}, looked up by [server] bootstrap", target.address),
                    );
                    targets.push(target);
                }
                _ => plan.refused(
                    said,
                    "its address can't be looked up, as \".\" is not forwarded",
                    "write the address",
                ),
            },
            _ => {}
        }
    }
    targets
}

fn host(text: &str) -> Option<Target> {
    let text = text.split('#').next().unwrap_or_default();
    let (name, port) = text.split_once('@').map_or((text, None), |(name, port)| (name, Some(port)));
    let name = domain(name).ok()?.to_string();
    let plain = |label: &str| label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let ends_in_letters = name.rsplit('.').next()?.contains(|c: char| c.is_ascii_alphabetic());
    let sound = name.contains('.') && name.split('.').all(plain) && ends_in_letters;
    let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0));
    match (sound, port) {
        (true, None) => Some(Target::new(name)),
        (true, Some(Some(port))) => Some(Target::new(format!("{name}:{port}"))),
        _ => None,
    }
}

/// The flags of a zone that is taken over.
fn options(stated: &Stated, plan: &mut Plan) {
    for (key, said) in stated.keys() {
        match (key.name, key.value()) {
            ("name" | "forward-addr" | "forward-host" | "stub-addr" | "stub-host", _) => {}
            (_, "no") => plan.not_needed(said, "it is so here"),
            ("forward-first" | "stub-first", _) => plan.changed(
                said,
                "when its targets fail, clients get SERVFAIL or an expired answer; nobody looks the name up from the root on",
            ),
            ("forward-no-cache" | "stub-no-cache", _) => {
                plan.changed(said, "answers are kept for their TTL; [cache] size = \"0B\" keeps none at all");
            }
            ("forward-tcp-upstream" | "stub-tcp-upstream", _) => {
                plan.changed(said, "targets are asked over UDP first, and over TCP when an answer is cut");
            }
            ("stub-prime", _) => {
                plan.changed(said, "the servers written here are asked; their own list of servers is not looked up");
            }
            _ => plan.not_needed(said, "it is so here"),
        }
    }
}

/// What the zone's kind and its targets mean, beyond single keys.
fn notes(plan: &mut Plan, said: &Said, section: &Section, name: &Name, targets: &[Target], world: &World) {
    if section.clause == Clause::Stub {
        plan.changed(
            said,
            format!(
                "[[rule]] {name}: its servers are asked as a resolver would be (with RD set), and what they delegate \
                 is passed on as it is; name every part that other servers answer in a rule of its own"
            ),
        );
    }
    let is_loopback = |target: &Target| {
        let text = target.address.trim_start_matches('[');
        text.starts_with("127.") || text.starts_with("::1")
    };
    if world.localhost && targets.iter().any(is_loopback) {
        let what = "loopback targets are asked here; Unbound asks none unless do-not-query-localhost is no";
        plan.changed(said, what);
    }
}

/// `auth-zone:`, from a file or from primaries.
pub(super) fn from_files(whole: &mut Whole, files: &mut Files) {
    let home = files.home().to_path_buf();
    let Whole { sections, plan, .. } = whole;
    for stated in sections.iter().filter(|stated| stated.section.clause == Clause::Auth) {
        let section = &stated.section;
        if is_copy_of_root(section) {
            let why = "its copy of the root spares Unbound questions to the root's servers, which are never asked here";
            stated.said.iter().for_each(|said| plan.not_needed(said, why));
            continue;
        }
        if let Err((why, what_to_do)) = auth(stated, plan, files, &home) {
            stated.said.iter().for_each(|said| plan.refused(said, &*why, what_to_do));
            continue;
        }
        for (key, said) in stated.keys() {
            match (key.name, key.value()) {
                ("name" | "zonefile" | "primary" | "master" | "url" | "allow-notify", _) => {}
                ("for-downstream", "no") => plan.changed(
                    said,
                    "clients get its answers with authority (AA), and referrals for what it delegates; Unbound asks the \
                     servers of such names",
                ),
                ("fallback-enabled", "yes") => plan.changed(
                    said,
                    "the zone alone answers: while there is none, its names get SERVFAIL and are not looked up elsewhere",
                ),
                ("zonemd-check" | "zonemd-reject-absence", "yes") => {
                    plan.changed(said, "the digest of the zone (ZONEMD) is not checked");
                }
                _ => plan.not_needed(said, "the zone answers clients here"),
            }
        }
        debug_assert!(section.first("name").is_some());
    }
}

fn auth(
    stated: &Stated,
    plan: &mut Plan,
    files: &mut Files,
    home: &std::path::Path,
) -> Result<(), (String, &'static str)> {
    let section = &stated.section;
    let name = section.first("name").ok_or(("the zone has no name".to_owned(), "write `name:`"))?;
    let name = domain(name.value()).map_err(|why| (why, "correct the name"))?;
    if name.is_root() {
        let why = "a zone for the root would answer all names here, with referrals".to_owned();
        return Err((why, "leave it out: this server forwards, and does not ask the root"));
    }
    if section.all(&["primary", "master"]).next().is_some() {
        return transferred(stated, plan, &name);
    }
    if section.all(&["url"]).next().is_some() {
        let why = format!("`{name}` is fetched from a URL, which this server does not do");
        return Err((why, "write a [[zone]] with `primaries`, or with a `file` that you fetch"));
    }
    let Some((key, said)) = stated.keys().find(|(key, _)| key.name == "zonefile" && !key.value().is_empty())
    else {
        return Err(("the zone has no file".to_owned(), "write `zonefile:`"));
    };
    let path = files.find(home, key.value());
    let octets = files
        .octets(&path, &key.place)
        .map_err(|fault| (fault.message, "copy the zone's file beside the configuration and import again"))?;
    plan.zone_file(said, &name, octets, &path).map_err(|why| (why, "correct the zone's file"))?;
    for (_, said) in stated.keys().filter(|(key, _)| matches!(key.name, "name" | "zonefile")) {
        plan.translated(said, format!("[[zone]] {name}"));
    }
    Ok(())
}

/// RFC 8806: a copy of the root zone for Unbound's own use.
fn is_copy_of_root(section: &Section) -> bool {
    let is_root = section.first("name").is_some_and(|key| key.value() == ".");
    is_root && section.all(&["for-downstream"]).last().is_some_and(|key| key.value() == "no")
}

/// A zone with primaries. Nothing is said before it is known that all of them can be asked.
fn transferred(stated: &Stated, plan: &mut Plan, name: &Name) -> Result<(), (String, &'static str)> {
    let mut primaries: Vec<Target> = Vec::new();
    for (key, _) in stated.keys().filter(|(key, _)| matches!(key.name, "primary" | "master")) {
        let plain = Some(key.value()).filter(|text| !text.contains('#'));
        let Some(primary) = plain.and_then(address).and_then(target) else {
            let why = format!("`{}` is not the address of a primary that can be asked over TCP", key.value());
            return Err((why, "write ADDRESS@PORT"));
        };
        if !primaries.contains(&primary) {
            primaries.push(primary);
        }
    }
    let said = &stated.said[0];
    plan.secondary(said, name, &primaries).map_err(|why| (why, "keep one of the two"))?;
    let mut notifiers = Vec::new();
    for (key, said) in stated.keys() {
        match key.name {
            "name" => plan.translated(
                said,
                format!("[[zone]] {name} with primaries; its copy is kept in [server] state"),
            ),
            "primary" | "master" => plan.translated(said, "primaries of [[zone]]"),
            "zonefile" => plan.not_needed(said, "the copy of a zone is kept in [server] state"),
            "url" => {
                plan.changed(said, "the zone is transferred from its primaries, and not fetched from a URL")
            }
            "allow-notify" => match key
                .value()
                .parse::<ipnet::IpNet>()
                .map(|net| net.to_string())
                .or_else(|_| key.value().parse::<IpAddr>().map(|ip| ip.to_string()))
            {
                Ok(notifier) => {
                    notifiers.push(notifier);
                    plan.translated(said, "allow_notify of [[zone]]");
                }
                Err(_) => plan.refused(said, "it is no address or network", "write them into allow_notify"),
            },
            _ => {}
        }
    }
    if !notifiers.is_empty() {
        plan.zone_key(name, said, "allow_notify", Value::texts(notifiers));
    }
    Ok(())
}
