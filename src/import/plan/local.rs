//! Names that a source answers itself, as zones: those it declares, and for a record outside of all of them a zone of
//! its owner's name alone. What our own reader of zones would refuse is refused here, record by record.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::path::Path;

use super::{Plan, Said, Target, Value, set};
use crate::config::Severity;
use crate::import::WrittenFile;
use crate::import::draft::{Setting, Zone, free_name};
use crate::limits::IMPORT_LONE_ZONES;
use crate::policy::builtin::{self, Content};
use crate::wire::name::Name;

/// A record in presentation form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub owner: Name,
    pub ttl: u32,
    pub rtype: String,
    pub rdata: String,
}

/// How far the records at a zone's own name reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// They are that name's.
    No,
    /// Every name below has them too.
    Below,
}

/// Where a zone's content is from.
#[derive(Debug)]
enum Origin {
    /// Written record by record.
    Records,
    /// A file that the source has.
    File(Vec<u8>),
    /// It is transferred.
    Primaries,
}

#[derive(Debug)]
pub(super) struct Made {
    said: Said,
    spread: Spread,
    origin: Origin,
    /// Keys of its `[[zone]]` beside where its content is from.
    settings: Vec<Setting>,
    records: Vec<(Said, Record)>,
    lone: bool,
    /// What keeps its names from being forwarded.
    closed: Vec<Said>,
}

impl Plan {
    /// Declares a zone that is answered from records, or widens how far it spreads.
    pub fn zone(&mut self, said: &Said, name: &Name, spread: Spread) {
        let made = self.zones.entry(name.clone()).or_insert_with(|| Made::new(said, false));
        if spread == Spread::Below {
            made.spread = spread;
        }
    }

    /// Declares a zone of which nothing is asked elsewhere, as a statement of its own.
    pub fn closed(&mut self, said: &Said, name: &Name) {
        self.zone(said, name, Spread::No);
        if let Some(made) = self.zones.get_mut(name) {
            made.closed.push(said.clone());
        }
    }

    pub fn has_zone(&self, name: &Name) -> bool {
        self.zones.contains_key(name)
    }

    /// A zone that comes from a master file. Errors: what our reader finds wrong in it.
    pub fn zone_file(
        &mut self,
        said: &Said,
        name: &Name,
        octets: Vec<u8>,
        file: &Path,
    ) -> Result<(), String> {
        if let Some(there) = self.zones.get(name) {
            return Err(format!("`{name}` is answered from {} already", there.said.place));
        }
        let loaded = crate::zone::Zone::parse_bytes(name, &octets, file);
        if let Some(fault) = loaded.diagnostics.iter().find(|fault| fault.severity == Severity::Error) {
            return Err(format!("line {} of the zone's file: {}", fault.line, fault.message));
        }
        let has_include = String::from_utf8_lossy(&octets)
            .lines()
            .any(|line| line.trim_start().to_ascii_uppercase().starts_with("$INCLUDE"));
        if has_include {
            return Err("the zone's file includes others, which are not copied".to_owned());
        }
        self.zones.insert(name.clone(), Made { origin: Origin::File(octets), ..Made::new(said, false) });
        Ok(())
    }

    /// A zone that is transferred from primaries. Errors: it is answered already.
    pub fn secondary(&mut self, said: &Said, name: &Name, primaries: &[Target]) -> Result<(), String> {
        if let Some(there) = self.zones.get(name) {
            return Err(format!("`{name}` is answered from {} already", there.said.place));
        }
        let value = Value::texts(primaries.iter().map(|primary| primary.address.clone()));
        let settings = vec![Setting { key: "primaries", value, from: said.place.clone() }];
        self.zones
            .insert(name.clone(), Made { origin: Origin::Primaries, settings, ..Made::new(said, false) });
        if !self.draft.server.iter().any(|setting| setting.key == "state") {
            set(&mut self.draft.server, "state", Value::text("/var/lib/dnsfwd"), &said.place);
        }
        Ok(())
    }

    /// Sets a key of a zone that was declared, and says nothing of it.
    pub fn zone_key(&mut self, name: &Name, said: &Said, key: &'static str, value: Value) {
        if let Some(made) = self.zones.get_mut(name) {
            set(&mut made.settings, key, value, &said.place);
        }
    }

    /// Zones that come as a whole, from a file or from primaries.
    pub fn whole_zones(&self) -> Vec<Name> {
        let whole = |(_, made): &(&Name, &Made)| !matches!(made.origin, Origin::Records);
        self.zones.iter().filter(whole).map(|(name, _)| name.clone()).collect()
    }

    /// Keeps the reverse names of a private network here, with a record among them: as this server does by itself, unless
    /// a rule or zone has them.
    pub fn keep_private(&mut self, said: &Said, owner: &Name) {
        let known = builtin::all().filter(|(_, content, _)| *content == Content::Empty);
        let mut known = known.filter_map(|(text, ..)| Name::parse(&text).ok());
        if let Some(private) = known.find(|private| owner.is_within(private))
            && !self.covering(owner).is_some_and(|covering| covering.is_within(&private))
        {
            self.zone(said, &private, Spread::No);
        }
    }

    /// A record; what becomes of it is said when all zones are known.
    pub fn record(&mut self, said: &Said, record: Record) {
        self.records.push((said.clone(), record));
    }
}

impl Made {
    fn new(said: &Said, lone: bool) -> Made {
        Made {
            said: said.clone(),
            spread: Spread::No,
            origin: Origin::Records,
            settings: Vec::new(),
            records: Vec::new(),
            lone,
            closed: Vec::new(),
        }
    }
}

/// Distributes the records and writes all zones.
pub(super) fn finish(plan: &mut Plan) {
    let mut lone = 0;
    for (said, record) in std::mem::take(&mut plan.records) {
        let zone = match enclosing(plan, &record.owner) {
            Some(zone) => zone,
            None if lone < IMPORT_LONE_ZONES => {
                lone += 1;
                plan.zones.insert(record.owner.clone(), Made::new(&said, true));
                record.owner.clone()
            }
            None => {
                let why = format!(
                    "it stands in no zone of the source, and {IMPORT_LONE_ZONES} such names have one"
                );
                plan.refused(&said, why, "write a zone file for the domain that it is in");
                continue;
            }
        };
        let made = plan.zones.get_mut(&zone).expect("it was found or made");
        match made.origin {
            Origin::Records => made.records.push((said, record)),
            Origin::File(_) => {
                let why = format!("zone `{zone}` comes from a file");
                plan.refused(&said, why, "add the record to the zone's file");
            }
            Origin::Primaries => {
                let why = format!("zone `{zone}` comes from its primaries");
                plan.refused(&said, why, "add the record there");
            }
        }
    }
    for (name, made) in std::mem::take(&mut plan.zones) {
        write_zone(plan, &name, made);
    }
}

/// The most specific zone at or above a name.
fn enclosing(plan: &Plan, name: &Name) -> Option<Name> {
    let mut at = Some(name.clone());
    while let Some(name) = at {
        // A zone made for a single name says nothing of those below.
        if plan.zones.contains_key(&name) {
            return Some(name);
        }
        at = name.parent();
    }
    None
}

fn write_zone(plan: &mut Plan, name: &Name, mut made: Made) {
    let hint = if name.is_root() { "root".to_owned() } else { name.to_string() };
    let path = |stem: &str| format!("zones/{stem}.zone");
    let taken = |stem: &str| plan.files.iter().any(|file| file.path.to_str() == Some(&path(stem)));
    let path = path(&free_name(&hint, taken));
    let from = made.said.place.clone();
    let contents = match std::mem::replace(&mut made.origin, Origin::Records) {
        Origin::File(octets) => Some(octets),
        Origin::Records => Some(records_file(plan, name, &mut made, &path)),
        Origin::Primaries => None,
    };
    let mut settings = std::mem::take(&mut made.settings);
    if let Some(contents) = contents {
        settings.insert(0, Setting { key: "file", value: Value::text(&path), from: from.clone() });
        plan.files.push(WrittenFile { path: path.into(), contents, secret: false });
    }
    plan.draft.zones.push(Zone { name: name.to_string(), settings, from });
}

/// The text of a zone made of records; those it can't hold are refused.
fn records_file(plan: &mut Plan, name: &Name, made: &mut Made, path: &str) -> Vec<u8> {
    let mut kept = without_conflicts(plan, name, std::mem::take(&mut made.records));
    let text = loop {
        let text = zone_text(name, made, &kept);
        let loaded = crate::zone::Zone::parse(name, &text, Path::new(path));
        // One line for each record, behind SOA and NS; a fault elsewhere comes from one of them.
        let errors = loaded.diagnostics.iter().filter(|fault| fault.severity == Severity::Error);
        let faults: BTreeMap<usize, &str> = errors
            .map(|fault| (fault.line.wrapping_sub(HEAD + 1).min(kept.len()), &*fault.message))
            .collect();
        if faults.is_empty() || kept.is_empty() {
            break text;
        }
        let everything = faults.keys().all(|&at| at >= kept.len());
        let why = |at| faults.get(&at).or_else(|| faults.values().next().filter(|_| everything)).copied();
        for (at, (said, record)) in std::mem::take(&mut kept).into_iter().enumerate() {
            match why(at) {
                Some(why) => {
                    plan.refused(&said, format!("it can't stand in a zone: {why}"), "correct the record")
                }
                None => kept.push((said, record)),
            }
        }
    };
    for said in &made.closed {
        // A name above others exists, so that both say it has no data; one alone does not.
        match kept.is_empty() {
            true => plan.changed(
                said,
                format!("[[zone]] {name}: the name itself has no data, where the source says that it does not exist"),
            ),
            false => plan.translated(said, format!("[[zone]] {name}")),
        }
    }
    let alone = plan.alone;
    for (said, _) in &kept {
        match made.lone {
            true => plan.changed(said, format!("answered by a zone of this name alone ({path}): {alone}")),
            false => plan.translated(said, format!("[[zone]] {name}: {path}")),
        }
    }
    text.into_bytes()
}

/// Lines before the records.
const HEAD: usize = 2;
/// How long clients keep what a made zone says is not there; its source says nothing of it.
const NEGATIVE_TTL: u32 = 60;

/// An alias stands alone (RFC 1034 section 3.6.2); equal records are one.
fn without_conflicts(plan: &mut Plan, zone: &Name, records: Vec<(Said, Record)>) -> Vec<(Said, Record)> {
    let mut owners: HashMap<Name, Vec<usize>> = HashMap::new();
    let mut kept: Vec<(Said, Record)> = Vec::new();
    for (said, record) in records {
        let is_alias = record.rtype == "CNAME";
        let there = owners.entry(record.owner.clone()).or_default();
        let others = there.iter().map(|&at: &usize| &kept[at]);
        let mut conflicts = others.clone().filter(|(_, other)| is_alias || other.rtype == "CNAME");
        if others.clone().any(|(_, other)| *other == record) {
            plan.not_needed(&said, "it says the same as one before");
        } else if is_alias && record.owner == *zone {
            let why =
                "an alias can't stand at a zone's own name, where SOA and NS are (RFC 1034 section 3.6.2)";
            plan.refused(&said, why, "write the addresses of its target in its place");
        } else if let Some((first, _)) = conflicts.next() {
            let why = format!(
                "`{}` has an alias and another record; the first is at {}",
                record.owner, first.place
            );
            plan.refused(&said, why, "decide which of the two is meant");
        } else {
            there.push(kept.len());
            kept.push((said, record));
        }
    }
    kept
}

fn zone_text(zone: &Name, made: &Made, kept: &[(Said, Record)]) -> String {
    let at_apex = |rtype: &str| kept.iter().any(|(_, record)| record.owner == *zone && record.rtype == rtype);
    let mut text = String::new();
    let apex = absolute(zone);
    let _ = match at_apex("SOA") {
        true => writeln!(text, "; made by an import"),
        false => writeln!(
            text,
            "{apex} 3600 IN SOA {apex} nobody.invalid. 1 3600 1200 604800 {NEGATIVE_TTL} ; made by an import"
        ),
    };
    let _ = match at_apex("NS") {
        true => writeln!(text),
        false => writeln!(text, "{apex} 3600 IN NS {apex}"),
    };
    for (_, record) in kept {
        let _ = writeln!(text, "{}", line(&absolute(&record.owner), record));
    }
    if made.spread == Spread::Below {
        spread(&mut text, zone, kept);
    }
    text
}

fn line(owner: &str, record: &Record) -> String {
    format!("{owner} {} IN {} {}", record.ttl, record.rtype, record.rdata)
}

/// A wildcard reaches no name below one that exists (RFC 4592 section 2.2.1), so that each of those has its own.
fn spread(text: &mut String, zone: &Name, kept: &[(Said, Record)]) {
    let everywhere: Vec<&Record> = kept
        .iter()
        .map(|(_, record)| record)
        .filter(|record| record.owner == *zone && !matches!(&*record.rtype, "SOA" | "NS"))
        .collect();
    let mut there: BTreeMap<Name, BTreeSet<&str>> = BTreeMap::new();
    there.insert(zone.clone(), BTreeSet::from(["A", "AAAA"]));
    for (_, record) in kept.iter().filter(|(_, record)| record.owner != *zone) {
        there.entry(record.owner.clone()).or_default().insert(&record.rtype);
        let mut above = record.owner.parent();
        while let Some(name) = above.filter(|name| name.is_within(zone) && name != zone) {
            above = name.parent();
            there.entry(name).or_default();
        }
    }
    for (name, types) in &there {
        let all_below = match name.child(b"*") {
            Ok(below) => Some(absolute(&below)),
            Err(_) => None,
        };
        for record in &everywhere {
            if name != zone && !types.contains("CNAME") && !types.contains(&*record.rtype) {
                let _ = writeln!(text, "{}", line(&absolute(name), record));
            }
            if let Some(below) = &all_below {
                let _ = writeln!(text, "{}", line(below, record));
            }
        }
    }
}

/// With its last dot.
pub(super) fn absolute(name: &Name) -> String {
    if name.is_root() { ".".to_owned() } else { format!("{name}.") }
}
