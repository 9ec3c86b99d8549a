//! Views: whose clients they are for, with their own rules and zones behind the general ones; and what is surprising
//! in them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;

use super::lists::Lists;
use super::reader::{At, Faults};
use super::schema::{Written, WrittenRules, WrittenView};
use super::source::Place;
use super::table::{Resolve, RuleTable, Taken};
use super::zones::{ForZones, zones};
use super::{Config, Part, Rule, Server, View};
use crate::limits::VIEWS;
use crate::policy::access::AccessList;

/// The rules of all parts; the views and their zones go into the configuration.
pub(super) fn take(
    (general, of_views): (&mut WrittenRules, &mut WrittenRules),
    views: &[WrittenView],
    config: &mut Config,
    for_zones: &ForZones<'_>,
    lists: &mut Lists<'_>,
    resolve: Resolve<'_>,
    faults: &mut Faults,
) -> RuleTable {
    // As many as there will be, unless networks derive several.
    let mut table = RuleTable::with_capacity(general.domains.len() + of_views.domains.len());
    let settings = general.own.len() as u16;
    let count = general.rules.len();
    table.take(&mut Taken::of(general, 0), count, resolve, faults);
    let mut rules = Taken::of(of_views, settings);
    let mut first: HashMap<&str, &Place> = HashMap::new();
    for view in views {
        let (zones_at, rules_at) = (config.zones.len(), table.rules.len());
        config.zones.extend(zones(&view.zones, for_zones, lists, faults));
        table.take(&mut rules, view.rules, resolve, faults);
        let clients = view.clients.as_ref().map(|clients| lists.access(clients, faults));
        let allow = view.allow.as_ref().map(|allow| lists.access(allow, faults));
        let Some(At { value: name, place }) = &view.name else { continue };
        if let Some(other) = first.insert(name, place) {
            let message = format!("a second view `{name}`; the first is at {other}");
            faults.error("duplicate-view", place, message, "give one of the two another name");
        }
        let Some(clients) = clients else { continue };
        config.views.push(View {
            name: name.clone(),
            clients,
            allow,
            inherit: view.inherit,
            own_cache: view.own_cache,
            zones: zones_at..config.zones.len(),
            rules: rules_at..table.rules.len(),
            place: place.location(),
        });
    }
    if let Some(view) = views.get(VIEWS) {
        let message = format!("there are more than {VIEWS} views");
        faults.error("too-many-views", &view.place, message, "let more clients share one");
    }
    table
}

/// `places` are those of the configuration's rules.
pub(super) fn warn(written: &Written, config: &Config, places: &[Place], faults: &mut Faults) {
    for (index, (view, written)) in config.views.iter().zip(&written.views).enumerate() {
        let place = written.name.as_ref().map_or(&written.place, |name| &name.place);
        let before = &config.views[..index];
        match view.clients.is_within(before.iter().map(|view| &*view.clients)) {
            true => shadowed(view, place, faults),
            false => unreachable(config, before, view, place, faults),
        }
        empty(view, place, faults);
        if view.inherit {
            inherited(config, view, places, faults);
        }
    }
}

fn shadowed(view: &View, place: &Place, faults: &mut Faults) {
    let message = match view.clients.is_within(std::iter::empty()) {
        true => format!("view `{}` is for nobody: its `clients` let no one in", view.name),
        false => format!("no client ever comes to view `{}`: views before it take them all", view.name),
    };
    faults.warning("shadowed-view", place, message, "put it before them, or remove it");
}

/// The lists of the server and of listeners stand before a view without a list of its own: at none of them one of its
/// clients gets in. That one listener among others refuses them is what such lists are for.
fn unreachable(config: &Config, before: &[View], view: &View, place: &Place, faults: &mut Faults) {
    let before = before.iter().map(|view| &*view.clients);
    let is_let_in = |list: &AccessList| view.clients.is_let_in(before.clone(), list);
    let (doors, help) = match &view.allow {
        // That is on purpose: nobody is to get an answer.
        Some(allow) if allow.is_within(std::iter::empty()) => return,
        Some(allow) => (vec![("its own `allow`".to_owned(), &**allow)], "let some of its `clients` in there"),
        None => (
            doors(config),
            "let them in there, or give the view an `allow` of its own, which stands in the place of that",
        ),
    };
    if doors.iter().any(|(_, list)| is_let_in(list)) || own_lists(config, view).any(is_let_in) {
        return;
    }
    let by: Vec<&str> = doors.iter().map(|(name, _)| name.as_str()).collect();
    let refuse = if by.len() == 1 { "refuses" } else { "refuse" };
    let message =
        format!("no client of view `{}` may ask: {} {refuse} them all", view.name, by.join(" and "));
    faults.warning("unreachable-view", place, message, help);
}

/// The lists that stand before views, by what they are called: each listener's, and the server's if some listener has
/// none.
fn doors(config: &Config) -> Vec<(String, &AccessList)> {
    let Server { listen, listeners, allow, .. } = &config.server;
    let own: Vec<(SocketAddr, &AccessList)> = listeners
        .iter()
        .filter_map(|listener| Some((listener.address, listener.allow.as_deref()?)))
        .collect();
    let is_asked = listen.iter().any(|address| own.iter().all(|(other, _)| other != address));
    let servers = is_asked.then(|| ("[server] allow".to_owned(), &**allow));
    let own = own.into_iter().map(|(address, list)| (format!("allow of [[listener]] {address}"), list));
    servers.into_iter().chain(own).collect()
}

/// The lists of rules and zones that are for the clients of a view, which stand in the place of all others.
fn own_lists<'a>(config: &'a Config, view: &'a View) -> impl Iterator<Item = &'a AccessList> {
    let Part { zones, rules, .. } = config.general();
    let inherited = if view.inherit { (zones, rules) } else { (0..0, 0..0) };
    let zones = [inherited.0, view.zones.clone()].into_iter().flatten();
    let rules = [inherited.1, view.rules.clone()].into_iter().flatten();
    let of_zones = zones.filter_map(|index| config.zones[index].allow.as_deref());
    // Many rules have one list.
    let settings: BTreeSet<u16> = rules.map(|index| config.rules.at(index as u32).freshness).collect();
    let of_rules = settings.into_iter().filter_map(|index| config.rule_access[usize::from(index)].as_deref());
    of_zones.chain(of_rules)
}

fn empty(view: &View, place: &Place, faults: &mut Faults) {
    if !view.zones.is_empty() || !view.rules.is_empty() {
        return;
    }
    if !view.inherit {
        let message = format!("view `{}` has neither rules nor zones: it knows no name", view.name);
        faults.warning("empty-view", place, message, "add [[view.rule]], or leave `inherit = false` out");
    } else if view.allow.is_none() && !view.own_cache {
        let message = format!("view `{}` changes nothing for its clients", view.name);
        faults.warning("empty-view", place, message, "add [[view.rule]] or [[view.zone]], or remove it");
    }
}

/// Rules that say what the view would inherit. With a view's own cache too: it holds for what is inherited as well.
fn inherited(config: &Config, view: &View, places: &[Place], faults: &mut Faults) {
    let rule = |index: usize| config.rules.at(index as u32);
    let own: HashSet<&[u8]> = view.rules.clone().map(|index| rule(index).domain).collect();
    let Part { rules, .. } = config.general();
    let general = rules.map(rule).filter(|general| own.contains(general.domain));
    let general: HashMap<&[u8], Rule<'_>> = general.map(|general| (general.domain, general)).collect();
    for index in view.rules.clone() {
        let own = rule(index);
        if let Some(other) = general.get(own.domain).filter(|other| config.means_the_same(&own, other)) {
            let (name, place) = (own.name(), other.place);
            let message =
                format!("view `{}` inherits just this for `{name}`, from the rule at {place}", view.name);
            faults.warning("inherited-rule", &places[index], message, "remove one of the two");
        }
    }
}

impl Config {
    /// Whether two rules of a domain do the same with it.
    pub fn means_the_same(&self, one: &Rule<'_>, other: &Rule<'_>) -> bool {
        let (first, second) = (usize::from(one.freshness), usize::from(other.freshness));
        (one.action, one.follow_cname) == (other.action, other.follow_cname)
            && self.freshness[first] == self.freshness[second]
            && self.rule_access[first] == self.rule_access[second]
    }
}
