//! `[[view]]`: rules and zones for some clients.

use super::access::{WrittenAccess, clients};
use super::many;
use super::rule::{WrittenRules, rule};
use super::zone::{WrittenZone, zone};
use crate::config::reader::{At, Faults, Table, at, flag, one_of, string};
use crate::config::source::{Place, Source};
use crate::config::value::label;

pub(in crate::config) struct WrittenView {
    pub place: Place,
    pub name: Option<At<String>>,
    /// None if one of them is wrong, which is reported.
    pub clients: Option<WrittenAccess>,
    pub allow: Option<WrittenAccess>,
    pub inherit: bool,
    pub own_cache: bool,
    pub zones: Vec<WrittenZone>,
    /// How many of the rules of all views are this view's.
    pub rules: usize,
}

/// `rules` are those of all views, those of this one to be added.
pub(super) fn view(
    table: &mut Table<'_>,
    source: &Source,
    rules: &mut WrittenRules,
    faults: &mut Faults,
) -> WrittenView {
    let name = table.required("name", "name = \"client-vpn\"", at(string("\"client-vpn\"", label)), faults);
    let clients_of = table.required("clients", "clients = [\"10.200.0.0/16\"]", clients, faults);
    let allow = table.optional("allow", clients, faults);
    let inherit = table.optional("inherit", flag, faults).unwrap_or(true);
    let own_cache = table.optional("cache", one_of([("shared", false), ("own", true)]), faults);
    let mut zones = Vec::new();
    let mut push = |table: &mut Table<'_>, faults: &mut Faults| zones.push(zone(table, source, faults));
    many(table, "zone", "[[view.zone]]", &mut push, faults);
    let before = rules.rules.len();
    many(table, "rule", "[[view.rule]]", &mut |table, faults| rule(table, rules, faults), faults);
    WrittenView {
        place: table.place.clone(),
        name,
        clients: clients_of,
        allow,
        inherit,
        own_cache: own_cache.unwrap_or(false),
        zones,
        rules: rules.rules.len() - before,
    }
}
