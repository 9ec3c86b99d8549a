//! What the statements of a source add up to: which domains go to which targets, which names are answered here, and
//! what became of each statement. A source's module says what is meant; this makes rules, endpoints and zone files of
//! it. Decides nothing that a source has not said.

mod local;
mod views;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use ipnet::IpNet;

use super::draft::{Draft, Rule, Setting, Target, Value, set};
use super::{Entry, Imported, Kind, Outcome, Place, Receipt, WrittenFile};
use crate::config::reverse;
use crate::wire::name::Name;

pub use local::{Record, Spread};
pub use views::ViewPlan;

/// A statement of a source: all that the receipt says of it stands together.
#[derive(Clone, Debug)]
pub struct Said {
    pub place: Place,
    pub text: String,
    number: usize,
}

/// What a rule covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    Domain(Name),
    /// Its reverse names, where they are more than one domain.
    Network(IpNet),
}

impl Area {
    /// The reverse names of a network.
    pub fn reverse(network: IpNet) -> Area {
        let network = network.trunc();
        match reverse::is_exact(network).then(|| reverse::domains(network).pop()).flatten() {
            Some(name) => Area::Domain(name),
            None => Area::Network(network),
        }
    }
}

#[derive(Debug)]
struct Forward {
    area: Area,
    targets: Vec<Target>,
    said: Said,
}

#[derive(Debug)]
pub struct Plan {
    pub draft: Draft,
    kind: Kind,
    source: String,
    entries: Vec<(usize, Entry)>,
    /// All statements entered so far.
    said: Vec<Said>,
    files: Vec<WrittenFile>,
    forwards: Vec<Forward>,
    index: HashMap<Area, usize>,
    zones: BTreeMap<Name, local::Made>,
    records: Vec<(Said, Record)>,
    views: Vec<ViewPlan>,
    /// What is said of a record that no zone of the source holds.
    pub alone: &'static str,
}

impl Plan {
    pub fn new(kind: Kind, source: impl Into<String>) -> Plan {
        Plan {
            draft: Draft::default(),
            kind,
            source: source.into(),
            entries: Vec::new(),
            said: Vec::new(),
            files: Vec::new(),
            forwards: Vec::new(),
            index: HashMap::new(),
            zones: BTreeMap::new(),
            records: Vec::new(),
            views: Vec::new(),
            alone: "names below it don't exist here, and its other types are not forwarded",
        }
    }

    /// Enters the next statement; each must get at least one outcome.
    pub fn statement(&mut self, place: &Place, text: &str) -> Said {
        let number = self.said.len();
        let said = Said { place: place.clone(), text: super::reading::shown(text), number };
        self.said.push(said.clone());
        said
    }

    pub fn translated(&mut self, said: &Said, key: impl Into<String>) {
        self.outcome(said, Outcome::Translated { key: key.into() });
    }

    pub fn not_needed(&mut self, said: &Said, why: impl Into<String>) {
        self.outcome(said, Outcome::NotNeeded { why: why.into() });
    }

    pub fn changed(&mut self, said: &Said, what: impl Into<String>) {
        self.outcome(said, Outcome::Changed { what: what.into() });
    }

    pub fn refused(&mut self, said: &Said, why: impl Into<String>, what_to_do: impl Into<String>) {
        self.outcome(said, Outcome::Refused { why: why.into(), what_to_do: what_to_do.into() });
    }

    fn outcome(&mut self, said: &Said, outcome: Outcome) {
        let entry = Entry { place: said.place.clone(), statement: said.text.clone(), outcome };
        self.entries.push((said.number, entry));
    }

    /// Sets a key of `[server]`, and says so.
    pub fn server(&mut self, said: &Said, key: &'static str, value: Value) {
        set(&mut self.draft.server, key, value, &said.place);
        self.translated(said, format!("[server] {key}"));
    }

    /// Sets a key of `[cache]`, and says so.
    pub fn cache(&mut self, said: &Said, key: &'static str, value: Value) {
        set(&mut self.draft.cache, key, value, &said.place);
        self.translated(said, format!("[cache] {key}"));
    }

    /// Sends an area's names to targets, beside those that it has. Says nothing in the receipt.
    pub fn forward(&mut self, said: &Said, area: Area, targets: &[Target]) {
        let at = *self.index.entry(area.clone()).or_insert(self.forwards.len());
        if at == self.forwards.len() {
            self.forwards.push(Forward { area, targets: Vec::new(), said: said.clone() });
        }
        let there = &mut self.forwards[at].targets;
        for target in targets {
            if !there.iter().any(|other| other.address == target.address) {
                there.push(target.clone());
            }
        }
    }

    /// A SYSTEM rule.
    pub fn system(&mut self, said: &Said, name: &Name) {
        self.draft.rules.push(Rule {
            domains: vec![name.to_string()],
            reverse: Vec::new(),
            endpoint: None,
            settings: Vec::new(),
            from: said.place.clone(),
        });
    }

    /// Sends reverse names of private networks where nothing else is said of them, as a source does that has no names of
    /// its own.
    pub fn forward_private(&mut self, said: &Said, targets: &[Target]) {
        const NETWORKS: [&str; 6] =
            ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fd00::/8", "fe80::/10"];
        let mut sent = Vec::new();
        for network in NETWORKS {
            let area = Area::reverse(network.parse().expect("it is a network"));
            let has_zone = matches!(&area, Area::Domain(name) if self.zones.contains_key(name));
            if !self.index.contains_key(&area) && !has_zone {
                self.forward(said, area, targets);
                sent.push(network);
            }
        }
        self.translated(said, format!("[[rule]] reverse names of {}: as for \".\"", sent.join(", ")));
    }

    /// Says which names this server answers by itself, and a source does not.
    pub fn special_names(&mut self, top: &Place, source: &str) {
        let said = self.statement(top, "(names of special use)");
        let what = format!(
            "localhost, test, invalid, onion, home.arpa, resolver.arpa and reverse names of loopback and documentation \
             networks are answered here (RFC 6761, RFC 6303) unless a rule or zone names them; {source} forwards them"
        );
        self.changed(&said, what);
    }

    /// The targets of an area, if a rule is made for it.
    pub fn targets(&self, area: &Area) -> Option<&[Target]> {
        self.index.get(area).map(|&at| self.forwards[at].targets.as_slice())
    }

    /// The most specific domain of a rule or zone at or above a name.
    pub fn covering(&self, name: &Name) -> Option<Name> {
        let mut at = Some(name.clone());
        while let Some(name) = at {
            if self.zones.contains_key(&name) || self.index.contains_key(&Area::Domain(name.clone())) {
                return Some(name);
            }
            at = name.parent();
        }
        None
    }

    /// Makes rules, endpoints and zones of all that was said.
    pub fn finish(mut self) -> Imported {
        self.without_shadowed();
        let whole_zones = self.whole_zones();
        local::finish(&mut self);
        self.rules();
        views::finish(&mut self, &whole_zones);
        self.order_ttls();
        self.nothing_in_silence();
        let mut receipt = Receipt::new(self.kind, self.source);
        receipt.entries = merged(self.entries);
        Imported { draft: self.draft, receipt, files: self.files }
    }

    /// A zone answers all that a rule of the same name would be asked for.
    fn without_shadowed(&mut self) {
        for forward in std::mem::take(&mut self.forwards) {
            match &forward.area {
                Area::Domain(name) if self.zones.contains_key(name) => {
                    let what = format!("no rule for `{name}`, as a zone of the same name answers");
                    self.changed(&forward.said, what);
                }
                _ => self.forwards.push(forward),
            }
        }
        self.index.clear();
    }

    /// A statement of which nothing was said is not dropped in silence.
    fn nothing_in_silence(&mut self) {
        let spoken: std::collections::HashSet<usize> =
            self.entries.iter().map(|(number, _)| *number).collect();
        for said in std::mem::take(&mut self.said).iter().filter(|said| !spoken.contains(&said.number)) {
            self.refused(said, "nothing of it is known here", "see what it does, and write that by hand");
        }
    }

    /// A lower bound above the upper one wins, as it does in the sources.
    fn order_ttls(&mut self) {
        let of = |key: &str, settings: &[Setting]| {
            let setting = settings.iter().find(|setting| setting.key == key)?;
            let Value::Text(text) = &setting.value else { return None };
            Some((crate::config::units::parse_duration(text).ok()?, setting.from.clone()))
        };
        let (min, max) = (of("min_ttl", &self.draft.cache), of("max_ttl", &self.draft.cache));
        if let (Some((min, _)), Some((max, from))) = (min, max)
            && min > max
        {
            set(&mut self.draft.cache, "max_ttl", seconds(min.as_secs()), &from);
        }
    }

    /// Domains of one statement that go to the same targets are one rule.
    fn rules(&mut self) {
        let mut made: Vec<(usize, Rule)> = Vec::new();
        for forward in std::mem::take(&mut self.forwards) {
            let hint = match &forward.area {
                Area::Domain(name) if !name.is_root() => name.to_string(),
                Area::Domain(_) => "default".to_owned(),
                Area::Network(network) => network.to_string(),
            };
            let endpoint = self.draft.endpoint(&forward.targets, &hint, &forward.said.place);
            let same = |(number, rule): &&mut (usize, Rule)| {
                *number == forward.said.number && rule.endpoint.as_ref() == Some(&endpoint)
            };
            let rule = match made.iter_mut().rev().take(1).find(same) {
                Some((_, rule)) => rule,
                None => {
                    let rule = Rule {
                        domains: Vec::new(),
                        reverse: Vec::new(),
                        endpoint: Some(endpoint),
                        settings: Vec::new(),
                        from: forward.said.place.clone(),
                    };
                    made.push((forward.said.number, rule));
                    &mut made.last_mut().expect("it was just put there").1
                }
            };
            match forward.area {
                Area::Domain(name) => rule.domains.push(name.to_string()),
                Area::Network(network) => rule.reverse.push(network.to_string()),
            }
        }
        self.draft.rules.extend(made.into_iter().map(|(_, rule)| rule));
    }
}

/// One entry for each statement, in the order of the source: of several outcomes the one that needs the operator most,
/// and what the others would keep from them.
fn merged(mut entries: Vec<(usize, Entry)>) -> Vec<Entry> {
    entries.sort_by_key(|(number, _)| *number);
    let mut whole: Vec<(usize, Entry)> = Vec::new();
    for (number, entry) in entries {
        match whole.last_mut() {
            Some((last, there)) if *last == number => {
                let outcome = both(&there.outcome, &entry.outcome);
                there.outcome = outcome;
            }
            _ => whole.push((number, entry)),
        }
    }
    whole.into_iter().map(|(_, entry)| entry).collect()
}

fn both(one: &Outcome, other: &Outcome) -> Outcome {
    let (first, second) = if rank(one) <= rank(other) { (one, other) } else { (other, one) };
    let add = |text: &str, more: &str| match text.contains(more) {
        true => text.to_owned(),
        false => format!("{text}; {more}"),
    };
    let more = match second {
        Outcome::Refused { why, .. } => why,
        Outcome::Changed { what } => what,
        Outcome::Translated { key } => key,
        Outcome::NotNeeded { why } => why,
    };
    match first {
        Outcome::Refused { why, what_to_do } => {
            let what_to_do = match second {
                Outcome::Refused { what_to_do: more, .. } => add(what_to_do, more),
                _ => what_to_do.clone(),
            };
            let why = if rank(second) < 2 { add(why, more) } else { why.clone() };
            Outcome::Refused { why, what_to_do }
        }
        Outcome::Changed { what } if rank(second) < 2 => Outcome::Changed { what: add(what, more) },
        Outcome::Translated { key } if rank(second) == 2 => Outcome::Translated { key: add(key, more) },
        Outcome::NotNeeded { why } => Outcome::NotNeeded { why: add(why, more) },
        first => first.clone(),
    }
}

fn rank(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Refused { .. } => 0,
        Outcome::Changed { .. } => 1,
        Outcome::Translated { .. } => 2,
        Outcome::NotNeeded { .. } => 3,
    }
}

/// A domain as our configuration takes it. Errors: why it does not.
pub fn domain(text: &str) -> Result<Name, String> {
    let text = match text {
        "." => ".",
        text => text.strip_suffix('.').unwrap_or(text),
    };
    if !text.is_ascii() {
        return Err(format!("`{text}` is not in ASCII; write the form that DNS carries (xn--...)"));
    }
    if text.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control()) {
        return Err(format!("`{text}` holds a space or control character"));
    }
    if text.parse::<std::net::IpAddr>().is_ok() || text.parse::<IpNet>().is_ok() {
        return Err(format!("`{text}` is an address, not a domain"));
    }
    if text.starts_with("*.") || text == "*" {
        return Err(format!("`{text}` is a wildcard; a domain covers all names below it"));
    }
    Name::parse(text).map_err(|error| format!("`{text}` is no domain name: {error}"))
}

/// A target at an address; port 53 is not written. None: nobody can be asked at it.
pub fn target(address: SocketAddr) -> Option<Target> {
    if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
        return None;
    }
    Some(Target::new(match (address.port(), address) {
        (53, address) => address.ip().to_string(),
        (_, address) => address.to_string(),
    }))
}

/// The same targets in an order: each in a tier of its own, as far as there are tiers.
pub fn in_order(targets: Vec<Target>) -> Vec<Target> {
    const LAST: usize = 9;
    let tiered = |(tier, target): (usize, Target)| Target { tier: tier.min(LAST) as u8, ..target };
    targets.into_iter().enumerate().map(tiered).collect()
}

/// Seconds as a configuration has them.
pub fn seconds(seconds: u64) -> Value {
    Value::text(format!("{seconds}s"))
}

/// What is said of a refused forward, so that nobody is surprised where its names go.
pub const GO_ELSEWHERE: &str =
    "until then its names are asked where a broader rule says, or refused if there is none";
