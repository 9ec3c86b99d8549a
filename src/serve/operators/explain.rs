//! What `serve` would do with a question and why: the same decision, put into words. Decides nothing itself.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime};

use crate::cache::Key;
use crate::config;
use crate::control::{Asking, UnknownListener, report};
use crate::forward::pick::{Endpoint, Member};
use crate::policy::{Action, Because, Candidate, Decision};
use crate::serve::builtins::builtins;
use crate::serve::loops::Loops;
use crate::serve::reports::milliseconds;
use crate::serve::snapshot::{Rule, Snapshot};
use crate::serve::views::ViewIndex;
use crate::serve::zones::OwnZone;
use crate::transfer::held::Source;
use crate::wire::header::bit;
use crate::wire::name::Name;
use crate::wire::rdata::class;

/// Whether there is a running server behind the snapshot.
#[derive(Clone, Copy)]
pub enum Knows<'a> {
    State(&'a Loops),
    FilesOnly,
}

impl Knows<'_> {
    fn state(self) -> bool {
        matches!(self, Knows::State(_))
    }
}

pub fn explain(
    snapshot: &Snapshot,
    asking: &Asking,
    knows: Knows<'_>,
) -> Result<report::Explanation, UnknownListener> {
    let Asking { name, rtype, client, listener } = asking;
    let (rtype, client) = (*rtype, *client);
    let listener = listener.map(|address| arrives_at(snapshot, address)).transpose()?;
    let view = snapshot.view_of(client, None);
    let decision = snapshot.decide(view, name.as_wire(), rtype, class::IN);
    let candidates = snapshot.candidates(view, name.as_wire());
    let rule = snapshot.rule_of(decision.action);
    let endpoint = rule.map(|rule| snapshot.endpoint_of(rule));
    let door = Door { snapshot, client, view, action: decision.action };
    let listeners = if listener.is_none() { door.differences() } else { Vec::new() };
    let access = door.access(listener, &listeners);
    let because = because(snapshot, decision);
    let targets = endpoint.map(|endpoint| targets(endpoint, knows)).unwrap_or_default();
    Ok(report::Explanation {
        name: name.to_string(),
        rtype: crate::control::rtype::show(rtype),
        client,
        listener,
        offline: !knows.state(),
        summary: summary(snapshot, name, decision, (&access, &listeners), &targets, knows),
        view: view_words(snapshot, client, view),
        access,
        listeners,
        decision: report::Decision {
            action: action_report(decision.action),
            domain: domain(snapshot, decision.action).map(|domain| domain.to_string()),
            view: view_of(snapshot, decision.action).map(|view| view.name.clone()),
            because,
            place: place(snapshot, decision.action),
        },
        zone: zone_words(snapshot, decision.action, knows),
        zone_expired_secs: expired_secs(snapshot, decision.action),
        runners_up: runners_up(snapshot, decision, &candidates),
        endpoint: endpoint.map(|endpoint| endpoint.name.clone()),
        names: rule.map(|rule| snapshot.names_of(rule)).unwrap_or_default(),
        targets,
        cache: rule.and_then(|rule| cached(snapshot, view, rule, name, rtype)),
        follow_cname: rule.is_none_or(|rule| rule.follow_cname),
        loops: decision.action.rule().and_then(|rule| loops(snapshot, rule, knows)),
    })
}

fn arrives_at(snapshot: &Snapshot, address: SocketAddr) -> Result<SocketAddr, UnknownListener> {
    let there = || snapshot.config.server.listen.clone();
    snapshot.listener_at(address).ok_or_else(|| UnknownListener { address, there: there() })
}

fn loops(snapshot: &Snapshot, rule: u32, knows: Knows<'_>) -> Option<String> {
    let Knows::State(loops) = knows else { return None };
    loops.report(&snapshot.rule_now(rule), Instant::now()).map(|rule| rule.because)
}

/// What an action is, as `rule 10.in-addr.arpa`.
pub fn what(snapshot: &Snapshot, action: Action) -> String {
    let kind = match action {
        Action::Zone(_) => "zone",
        Action::Builtin(_) => "built-in name",
        Action::Forward { .. } => "rule",
        Action::System { .. } => "SYSTEM rule",
        Action::Refuse => return "nothing".to_string(),
    };
    let of = view_of(snapshot, action).map_or_else(String::new, |view| format!(" of view {}", view.name));
    domain(snapshot, action).map_or_else(|| kind.to_string(), |domain| format!("{kind} {domain}{of}"))
}

/// The view that what decides belongs to; none: it is general.
fn view_of(snapshot: &Snapshot, action: Action) -> Option<&config::View> {
    let index = match action {
        Action::Zone(index) => snapshot.config.view_of_zone(index as usize),
        Action::Forward { rule } | Action::System { rule } => snapshot.config.view_of_rule(rule as usize),
        Action::Builtin(_) | Action::Refuse => None,
    };
    snapshot.config.views.get(index?)
}

/// Which view the client is in, and why.
fn view_words(snapshot: &Snapshot, client: IpAddr, view: ViewIndex) -> Option<String> {
    let Some((view, _)) = snapshot.view(view) else {
        let none = "none is for this client: the general rules and zones apply".to_string();
        return (!snapshot.views.is_empty()).then_some(none);
    };
    let by = view.clients.decided_by(client, None).unwrap_or_default();
    let general = if view.inherit { "general rules and zones apply too" } else { "it stands alone" };
    Some(format!("{}, the first whose clients fit, by {by}; {general}", view.name))
}

fn domain(snapshot: &Snapshot, action: Action) -> Option<Name> {
    match action {
        Action::Zone(index) => Some(snapshot.config.zones[index as usize].name.clone()),
        Action::Builtin(index) => Some(builtins()[index as usize].zone.name().clone()),
        Action::Forward { rule } | Action::System { rule } => Some(snapshot.config.rules.at(rule).name()),
        Action::Refuse => None,
    }
}

fn place(snapshot: &Snapshot, action: Action) -> Option<report::Place> {
    let place = match action {
        Action::Zone(index) => &snapshot.config.zones[index as usize].place,
        Action::Forward { rule } | Action::System { rule } => snapshot.config.rules.at(rule).place,
        Action::Builtin(_) | Action::Refuse => return None,
    };
    Some(report::Place { file: place.file.to_path_buf(), line: place.line as usize })
}

fn zone_of(snapshot: &Snapshot, action: Action) -> Option<&OwnZone> {
    match action {
        Action::Zone(index) => snapshot.zones.get(index as usize),
        _ => None,
    }
}

/// In the words that clients get with the error.
fn why_nothing(snapshot: &Snapshot, action: Action) -> Option<String> {
    let zone = zone_of(snapshot, action)?;
    zone.held.zone().is_none().then(|| zone.why_nothing().text.into_owned())
}

fn expired_secs(snapshot: &Snapshot, action: Action) -> Option<u64> {
    let expired = zone_of(snapshot, action)?.held.expired()?;
    Some(SystemTime::now().duration_since(expired).unwrap_or_default().as_secs())
}

/// What kind of zone decides, where its content comes from, and what there is of it.
fn zone_words(snapshot: &Snapshot, action: Action, knows: Knows<'_>) -> Option<String> {
    let held = &zone_of(snapshot, action)?.held;
    let terms = held.terms();
    let serial = held.zone().as_ref().map(|zone| zone.serial());
    let serial = serial.map_or_else(String::new, |serial| format!(", serial {serial}"));
    if let Source::File { file, updates } = &terms.source {
        let changed = if *updates { ", changed by updates" } else { "" };
        return Some(format!("primary{serial}, from {}{changed}", file.display()));
    }
    let from = match held.story().primary {
        Some(primary) => format!("secondary{serial}, from {primary}"),
        None => {
            let all: Vec<String> =
                terms.primaries.iter().map(|primary| primary.address.to_string()).collect();
            format!("secondary{serial} of {}", all.join(", "))
        }
    };
    Some(match why_nothing(snapshot, action) {
        _ if !knows.state() => format!("{from}; only the running server knows what it has"),
        Some(why) => format!("{from}: {why}"),
        None => from,
    })
}

fn action_report(action: Action) -> report::Action {
    match action {
        Action::Zone(_) => report::Action::Zone,
        Action::Builtin(_) => report::Action::Builtin,
        Action::Forward { .. } => report::Action::Forward,
        Action::System { .. } => report::Action::System,
        Action::Refuse => report::Action::Refuse,
    }
}

fn because(snapshot: &Snapshot, decision: Decision) -> String {
    let this = what(snapshot, decision.action);
    match decision.because {
        Because::LocalZone => {
            format!("{this} covers the name; a local zone wins over rules of the same or broader domains")
        }
        Because::BuiltinName => {
            let source = match decision.action {
                Action::Builtin(index) => builtins()[index as usize].source,
                _ => "RFC 6761",
            };
            format!("{this} is answered locally ({source}), since no zone and no rule but '.' covers it")
        }
        Because::MostSpecificRule => format!("{this} is the most specific domain that covers the name"),
        Because::SystemRule(rule) => {
            let rule = what(snapshot, Action::System { rule });
            format!("{rule} asks what this server itself knows first, and {this} covers the name")
        }
        Because::ParentOfCut => format!("DS records are the parent's, and {this} is the parent"),
        Because::NothingCovers => "no zone and no rule covers the name".to_string(),
    }
}

/// Whether a client may ask for what decides.
struct Door<'a> {
    snapshot: &'a Snapshot,
    client: IpAddr,
    view: ViewIndex,
    action: Action,
}

impl Door<'_> {
    /// At this listener; without one, at the first of those that lets the client in.
    fn access(&self, listener: Option<SocketAddr>, listeners: &[report::ListenerAccess]) -> report::Access {
        let open = listeners.iter().find(|row| row.access.allowed).or(listeners.first());
        open.map_or_else(|| self.at(listener), |row| row.access.clone())
    }

    fn at(&self, listener: Option<SocketAddr>) -> report::Access {
        let (list, called) = self.snapshot.list_for(self.view, self.action, listener);
        let network = list.decided_by(self.client, None);
        report::Access { allowed: list.allows(self.client), network, list: called.to_string() }
    }

    /// What each listener says, if they don't all say the same.
    fn differences(&self) -> Vec<report::ListenerAccess> {
        let at = |address: &SocketAddr| report::ListenerAccess {
            address: *address,
            access: self.at(Some(*address)),
        };
        let rows: Vec<report::ListenerAccess> = self.snapshot.config.server.listen.iter().map(at).collect();
        let is_one = rows.iter().all(|row| row.access == rows[0].access);
        // A single listener with a list of its own differs from what is said of the server.
        let is_the_servers = || rows.iter().all(|row| row.access == self.at(None));
        if is_one && is_the_servers() { Vec::new() } else { rows }
    }
}

fn targets(endpoint: &Endpoint, knows: Knows<'_>) -> Vec<report::TargetChoice> {
    let now = Instant::now();
    let choice = |member: &Member| {
        let target = &member.target;
        let known = knows.state();
        report::TargetChoice {
            address: target.address,
            az: member.az.clone(),
            state: known.then(|| target.state().into()),
            rtt_ms: milliseconds(target.round_trip()),
            usual_ms: milliseconds(target.usual()),
            network_ms: milliseconds(target.network()),
            outstanding: target.outstanding().into(),
            because: if known { member.because(now) } else { member.place() },
        }
    };
    endpoint.order(now).into_iter().map(|index| choice(&endpoint.targets[index])).collect()
}

/// What the cache holds for a plain question (RD, no DNSSEC), as most stub resolvers ask it; else for one that
/// dig asks.
fn cached(
    snapshot: &Snapshot,
    view: ViewIndex,
    rule: &Rule,
    name: &Name,
    rtype: u16,
) -> Option<report::CacheEntry> {
    let mut question = name.as_wire().to_vec();
    question.extend_from_slice(&rtype.to_be_bytes());
    question.extend_from_slice(&class::IN.to_be_bytes());
    let now = snapshot.cache.now();
    let own = snapshot.own_cache(view);
    let flags =
        |dnssec_ok| [bit::RD, bit::RD | bit::AD].map(|bits| crate::cache::key_flags(bits, dnssec_ok, own));
    [flags(false), flags(true)].concat().into_iter().find_map(|flags| {
        let key = Key { question: &question, flags, subnet: &[], rule: rule.tag };
        let found = snapshot.cache.look(&key, snapshot.cache.hash(&key), |entry| {
            entry.is_fresh(now).then(|| report::CacheEntry {
                age_secs: entry.age(now).into(),
                ttl_left_secs: entry.time_left(now).into(),
                rcode: entry.answer.rcode(),
                rule: rule_domain(snapshot, rule),
            })
        });
        found.flatten()
    })
}

fn rule_domain(snapshot: &Snapshot, rule: &Rule) -> String {
    let index = snapshot.rules.iter().position(|other| other.tag == rule.tag);
    index.map_or_else(String::new, |index| snapshot.config.rules.at(index as u32).name().to_string())
}

fn runners_up(snapshot: &Snapshot, decision: Decision, candidates: &[Candidate]) -> Vec<report::RunnerUp> {
    let mut runners_up = Vec::new();
    let chosen_len = domain(snapshot, decision.action).map_or(0, |domain| domain.label_count());
    for candidate in candidates {
        let zone = candidate.zone.map(Action::Zone);
        let rule = candidate.rule.map(|rule| rule_action(snapshot, rule));
        let builtin = candidate.builtin.map(Action::Builtin);
        for action in [zone, rule, builtin].into_iter().flatten().filter(|action| *action != decision.action)
        {
            runners_up.push(report::RunnerUp {
                what: what(snapshot, action).split(' ').next().unwrap_or_default().to_string(),
                domain: candidate.domain.to_string(),
                why_not: why_not(snapshot, decision, action, candidate.domain.label_count(), chosen_len),
                place: place(snapshot, action),
            });
        }
    }
    runners_up
}

fn rule_action(snapshot: &Snapshot, rule: u32) -> Action {
    match snapshot.config.rules.at(rule).action {
        config::RuleAction::Forward { .. } => Action::Forward { rule },
        config::RuleAction::System => Action::System { rule },
    }
}

fn why_not(snapshot: &Snapshot, decision: Decision, action: Action, labels: usize, chosen: usize) -> String {
    if decision.because == Because::ParentOfCut && matches!(action, Action::Zone(_)) && labels >= chosen {
        return "it is the child's side of the cut".to_string();
    }
    if matches!(decision.because, Because::SystemRule(rule) if action == (Action::System { rule })) {
        return "it handed over to what this server itself knows".to_string();
    }
    if matches!(decision.because, Because::SystemRule(_)) && labels > chosen {
        return "a SYSTEM rule below it passes rules over".to_string();
    }
    match action {
        Action::Builtin(_) => "a built-in name steps aside for a zone or a rule that covers it".to_string(),
        _ if labels < chosen => "less specific".to_string(),
        _ if labels == chosen
            && view_of(snapshot, action).is_none()
            && view_of(snapshot, decision.action).is_some() =>
        {
            "the view's own comes before it".to_string()
        }
        _ if labels == chosen => "a local zone of the same name wins".to_string(),
        _ => "a broader local zone can't be passed over".to_string(),
    }
}

fn summary(
    snapshot: &Snapshot,
    name: &Name,
    decision: Decision,
    (access, listeners): (&report::Access, &[report::ListenerAccess]),
    targets: &[report::TargetChoice],
    knows: Knows<'_>,
) -> String {
    let refused = |at: &str, list: &str| format!("REFUSED{at}: this client is not in {list}");
    if !access.allowed {
        let lists: BTreeSet<&str> = listeners.iter().map(|row| row.access.list.as_str()).collect();
        let lists: Vec<&str> = lists.into_iter().collect();
        return match lists.is_empty() {
            true => format!("{name} is {}", refused("", &access.list)),
            false => format!("{name} is {}", refused(" at every listener", &lists.join(", nor in "))),
        };
    }
    let elsewhere = listeners.iter().filter(|row| !row.access.allowed);
    let elsewhere =
        elsewhere.map(|row| format!("; {}", refused(&format!(" at {}", row.address), &row.access.list)));
    becomes(snapshot, name, decision, targets, knows) + &elsewhere.collect::<String>()
}

fn becomes(
    snapshot: &Snapshot,
    name: &Name,
    decision: Decision,
    targets: &[report::TargetChoice],
    knows: Knows<'_>,
) -> String {
    let this = what(snapshot, decision.action);
    let endpoint = snapshot.rule_of(decision.action).map(|rule| snapshot.endpoint_of(rule).name.as_str());
    match (endpoint, targets.first()) {
        (Some(endpoint), Some(first)) => {
            format!("{name} goes by {this} to endpoint {endpoint}, first to {}", first.address)
        }
        (Some(endpoint), None) => format!("{name} goes by {this} to endpoint {endpoint}"),
        _ if decision.action == Action::Refuse => format!("{name} is REFUSED: no zone and no rule covers it"),
        _ => match why_nothing(snapshot, decision.action).filter(|_| knows.state()) {
            Some(why) => format!("{name} gets SERVFAIL from {this}: {why}"),
            None => format!("{name} is answered here, by {this}"),
        },
    }
}
