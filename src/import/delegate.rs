//! `*.dns-delegate` files of systemd-resolved (systemd 258): servers for domains. A file alone, or a folder of them; the
//! drop-ins beside each are read too.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::draft::Target;
use super::plan::{Area, GO_ELSEWHERE, Plan, Said, domain, target};
use super::reading::{File, Files, fault};
use super::{Imported, Kind, Place, Unreadable};
use crate::wire::name::Name;

const ENDING: &str = ".dns-delegate";

/// Is this what such files are called?
pub fn is_name(name: &str) -> bool {
    name.ends_with(ENDING) || name == "dns-delegate.d"
}

pub fn is_text(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "[Delegate]")
}

/// What a file and its drop-ins say, by key.
#[derive(Default)]
struct Delegate {
    servers: Vec<(String, Said)>,
    domains: Vec<(String, Said)>,
    default_route: Option<(String, Said)>,
}

pub fn import(source: &Path) -> Result<Imported, Unreadable> {
    let mut files = Files::new(source);
    let top = Place { file: files.shown(source), line: 1, column: 1 };
    let mut plan = Plan::new(Kind::Systemd, source.display().to_string());
    let paths = match source.is_dir() {
        true => files.folder(source, &top, |name| name.ends_with(ENDING))?,
        false => vec![source.to_path_buf()],
    };
    if paths.is_empty() {
        return Err(fault(
            &top,
            format!("the folder has no file whose name ends in {ENDING}"),
            "name the right folder",
        ));
    }
    for path in paths {
        let mut delegate = Delegate::default();
        let file = files.text(&path, &top)?;
        read(&file, &mut plan, &mut delegate)?;
        for path in drop_ins(&path, &files, &top)? {
            let file = files.text(&path, &top)?;
            read(&file, &mut plan, &mut delegate)?;
        }
        translate(&mut plan, delegate);
    }
    if plan.targets(&Area::Domain(Name::root())).is_none() {
        let said = plan.statement(&top, "(names of no delegate)");
        let why = "systemd-resolved asks the servers of its links and of resolved.conf for them, which are not in these files";
        plan.refused(&said, why, "add a rule for \".\" with the servers that are asked for all else");
    }
    Ok(plan.finish())
}

/// `NAME.dns-delegate.d/*.conf`, by name.
fn drop_ins(path: &Path, files: &Files, at: &Place) -> Result<Vec<PathBuf>, Unreadable> {
    let folder = PathBuf::from(format!("{}.d", path.display()));
    match folder.is_dir() {
        true => files.folder(&folder, at, |name| name.ends_with(".conf")),
        false => Ok(Vec::new()),
    }
}

/// An assignment without a value takes back all before it, as everywhere in systemd.
fn read(file: &File, plan: &mut Plan, delegate: &mut Delegate) -> Result<(), Unreadable> {
    let mut section: Option<String> = None;
    let mut lines = file.text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let place = Place { file: file.name.clone(), line: number as u32 + 1, column: 1 };
        let mut line = line.trim().to_owned();
        while line.ends_with('\\') && !line.starts_with(['#', ';']) {
            line.pop();
            match lines.next() {
                Some((_, more)) => line.push_str(&format!(" {}", more.trim())),
                None => break,
            }
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name
                .strip_suffix(']')
                .ok_or_else(|| fault(&place, "this section's name has no end", "close it with ]"))?;
            section = Some(name.to_owned());
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| section.is_some()) else {
            let message = "a line is KEY=VALUE, below a section";
            return Err(fault(
                &place,
                message,
                "write [Delegate] above it, and DNS=, Domains= or DefaultRoute= in front",
            ));
        };
        let said = plan.statement(&place, line);
        assign(plan, delegate, section.as_deref().unwrap_or_default(), key.trim(), value.trim(), said);
    }
    Ok(())
}

fn assign(plan: &mut Plan, delegate: &mut Delegate, section: &str, key: &str, value: &str, said: Said) {
    let list = match (section, key) {
        ("Delegate", "DNS") => &mut delegate.servers,
        ("Delegate", "Domains") => &mut delegate.domains,
        ("Delegate", "DefaultRoute") => {
            delegate.default_route = Some((value.to_owned(), said));
            return;
        }
        ("Delegate", "FirewallMark") => {
            return plan.refused(
                &said,
                "packets to targets have no mark here",
                "let the firewall tell them by their address",
            );
        }
        (section, key) => {
            let why = format!("systemd knows no `{key}=` in [{section}], and leaves it out too");
            return plan.refused(&said, why, "correct the key, or remove it");
        }
    };
    if value.is_empty() {
        plan.not_needed(&said, "it takes back what is written before");
        for (_, before) in std::mem::take(list) {
            plan.not_needed(&before, format!("{} takes it back", said.place));
        }
        return;
    }
    list.extend(value.split_whitespace().map(|word| (word.to_owned(), said.clone())));
}

fn translate(plan: &mut Plan, delegate: Delegate) {
    let mut targets: Vec<Target> = Vec::new();
    for (text, said) in &delegate.servers {
        match server(text) {
            Ok((target, notes)) => {
                plan.translated(said, format!("target {}", target.address));
                notes.into_iter().for_each(|note| plan.changed(said, note));
                targets.push(target);
            }
            Err(why) => plan.refused(said, why, "write ADDRESS or ADDRESS:PORT"),
        }
    }
    let route = delegate.default_route.as_ref().map(|(value, said)| (is_yes(value), said));
    if targets.is_empty() {
        let why = format!("no server of the delegate can be asked; {GO_ELSEWHERE}");
        let all = delegate.domains.iter().map(|(_, said)| said).chain(route.map(|(_, said)| said));
        return all.for_each(|said| plan.refused(said, &*why, "write DNS= with the servers' addresses"));
    }
    for (text, said) in &delegate.domains {
        // A `~` says that the domain is not one to search short names in, which clients do by themselves.
        let routing = text.strip_prefix('~');
        match domain(routing.unwrap_or(text)) {
            Ok(name) => {
                forward(plan, said, &name, &targets);
                if routing.is_none() {
                    plan.changed(
                        said,
                        format!("[[rule]] {name}: clients search short names in it only if they are told to"),
                    );
                }
            }
            Err(why) => plan.refused(said, why, "correct the domain"),
        }
    }
    match route {
        Some((Some(true), said)) => forward(plan, said, &Name::root(), &targets),
        Some((Some(false), said)) => plan.not_needed(said, "other names are not asked there"),
        Some((None, said)) => plan.refused(said, "it is neither yes nor no", "write yes or no"),
        None => {}
    }
}

fn forward(plan: &mut Plan, said: &Said, name: &Name, targets: &[Target]) {
    let area = Area::Domain(name.clone());
    let shared = plan.targets(&area).is_some_and(|there| there != targets);
    plan.forward(said, area, targets);
    plan.translated(said, format!("[[rule]] {name}"));
    if shared {
        let what = format!(
            "[[rule]] {name}: several delegates have it; systemd asks all their servers, here they share the questions"
        );
        plan.changed(said, what);
    }
}

/// `ADDRESS[:PORT][%INTERFACE][#NAME]`, with IPv6 in brackets if a port is there.
fn server(text: &str) -> Result<(Target, Vec<&'static str>), String> {
    let (text, name) = text.split_once('#').map_or((text, None), |(text, name)| (text, Some(name)));
    let (text, interface) = text.split_once('%').map_or((text, None), |(text, name)| (text, Some(name)));
    let address = text
        .parse::<SocketAddr>()
        .ok()
        .or_else(|| Some(SocketAddr::new(text.trim_matches(['[', ']']).parse::<IpAddr>().ok()?, 53)));
    let target = address
        .and_then(target)
        .ok_or_else(|| format!("`{text}` is not the address of a server that can be asked"))?;
    if address.is_some_and(|address| matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local())) {
        return Err(format!("`{text}` needs its interface, which a target has not"));
    }
    let mut notes = Vec::new();
    if name.is_some() {
        notes.push("the server is asked over UDP and TCP; its name is for TLS");
    }
    if interface.is_some() {
        notes.push("the system chooses the interface from which targets are asked");
    }
    Ok((target, notes))
}

/// As systemd reads it.
fn is_yes(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}
