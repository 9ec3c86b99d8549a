//! Clients with names of their own, as views that stand alone: what a source lays over its general rules and zones is laid
//! over them here, when all of them are known, as in a view of ours the most specific domain wins wherever it is from.

use super::{Plan, Said, local};
use crate::import::draft::{Setting, Value, View, free_name};
use crate::wire::name::Name;

/// A view as far as the source says it by itself.
#[derive(Debug)]
pub struct ViewPlan {
    pub name: String,
    /// Networks.
    pub clients: Vec<String>,
    pub said: Said,
    /// The general zones that were made of single records are the view's too.
    pub with_records: bool,
    /// Its own zones and records. What is said of their statements goes into the whole's receipt.
    pub own: Plan,
}

impl Plan {
    /// A plan for a view of this one: its statements are this one's.
    pub fn for_view(&self) -> Plan {
        let mut own = Plan::new(self.kind, self.source.clone());
        own.alone = self.alone;
        own
    }

    pub fn view(&mut self, view: ViewPlan) {
        self.views.push(view);
    }
}

/// Makes views of all that are planned. `whole_zones` are the general zones that come from files or primaries.
pub(super) fn finish(plan: &mut Plan, whole_zones: &[Name]) {
    for view in std::mem::take(&mut plan.views) {
        let ViewPlan { name, clients, said, with_records, mut own } = view;
        let closed: Vec<Name> = own.zones.keys().cloned().collect();
        let covered = |domain: &str| {
            Name::parse(domain).is_ok_and(|domain| closed.iter().any(|zone| domain.is_within(zone)))
        };
        // Files of all views stand in one folder.
        own.files = std::mem::take(&mut plan.files);
        local::finish(&mut own);
        plan.files = std::mem::take(&mut own.files);
        plan.entries.append(&mut own.entries);
        let mut rules = plan.draft.rules.clone();
        rules.iter_mut().for_each(|rule| rule.domains.retain(|domain| !covered(domain)));
        rules.retain(|rule| !rule.domains.is_empty() || !rule.reverse.is_empty());
        let general = plan.draft.zones.iter().filter(|zone| {
            let whole = Name::parse(&zone.name).is_ok_and(|name| whole_zones.contains(&name));
            (whole || with_records) && !covered(&zone.name)
        });
        let mut zones: Vec<_> = general.cloned().collect();
        zones.append(&mut own.draft.zones);
        let taken = |name: &str| plan.draft.views.iter().any(|view| view.name == name);
        let name = free_name(&name, taken);
        let alone = Setting { key: "inherit", value: Value::Flag(false), from: said.place.clone() };
        plan.draft.views.push(View { name, clients, settings: vec![alone], rules, zones, from: said.place });
    }
}
