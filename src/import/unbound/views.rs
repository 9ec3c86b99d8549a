//! `view:` and `access-control-view:`, as views of ours that stand alone: what Unbound has in a view is looked at before
//! all else, and names that it does not answer there are forwarded for its clients as for all.

use std::net::IpAddr;

use ipnet::IpNet;

use super::keys::Clause;
use super::local::{self, Locals};
use super::reader::Key;
use super::{Stated, Whole};
use crate::import::Unreadable;
use crate::import::networks::{self as lists, Decides};
use crate::import::plan::{Plan, Said, ViewPlan};

/// Networks that `access-control-view` names.
pub(super) fn networks(whole: &Whole) -> Vec<IpNet> {
    whole.server(&["access-control-view"]).iter().filter_map(|(key, _)| network(key)).collect()
}

fn network(key: &Key) -> Option<IpNet> {
    let text = key.value();
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok().map(|net: IpNet| net.trunc())
}

pub(super) fn views(whole: &mut Whole) -> Result<(), Unreadable> {
    let written = whole.server(&["access-control-view"]);
    let nodes = nodes(whole);
    let names = |stated: &Stated| stated.section.first("name").map(|key| key.value().to_owned());
    let known: Vec<String> = views_of(whole).filter_map(names).collect();
    for (key, said) in &written {
        let name = key.values.get(1).map_or("", String::as_str);
        match network(key) {
            None => whole.plan.refused(said, "it is no network", "write ADDRESS/PREFIX and a view"),
            Some(_) if !known.iter().any(|known| known == name) => {
                whole.plan.refused(
                    said,
                    format!("no view is called `{name}`"),
                    "define it, or correct the name",
                );
            }
            Some(_) => whole.plan.translated(said, format!("clients of [[view]] {name}")),
        }
    }
    let Whole { sections, plan, .. } = whole;
    for stated in sections.iter().filter(|stated| stated.section.clause == Clause::View) {
        view(stated, plan, &nodes)?;
    }
    Ok(())
}

fn views_of(whole: &Whole) -> impl Iterator<Item = &Stated> {
    whole.sections.iter().filter(|stated| stated.section.clause == Clause::View)
}

/// All networks that Unbound looks a client up in, each with its view if it has one: the longest prefix decides, and one
/// without a view has the general names.
fn nodes(whole: &Whole) -> Vec<(IpNet, Option<String>)> {
    let mut nodes: Vec<(IpNet, Option<String>)> =
        ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| Some((net.parse().ok()?, None))).collect();
    for (key, _) in whole.server(&["access-control", "access-control-view"]) {
        let Some(network) = network(&key) else { continue };
        let view = key.values.get(1).filter(|_| key.name == "access-control-view").cloned();
        match nodes.iter_mut().find(|(other, _)| *other == network) {
            Some((_, there)) => *there = view.or(there.take()),
            None => nodes.push((network, view)),
        }
    }
    nodes
}

fn view(stated: &Stated, plan: &mut Plan, nodes: &[(IpNet, Option<String>)]) -> Result<(), Unreadable> {
    let Some((name, said)) = stated.keys().find(|(key, _)| key.name == "name") else {
        let refuse = |said| plan.refused(said, "the view has no name", "write `name:`");
        stated.said.iter().for_each(refuse);
        return Ok(());
    };
    let name = name.value().to_owned();
    let words: Vec<lists::Word> =
        nodes.iter().map(|(network, view)| (*network, view.as_ref() == Some(&name))).collect();
    let clients = lists::allowed(&words, Decides::Longest, false);
    if clients.is_empty() {
        let why = "no `access-control-view` gives it to a client";
        stated.said.iter().for_each(|said| plan.not_needed(said, why));
        return Ok(());
    }
    let mut own = plan.for_view();
    let of = |names: &[&str]| -> Vec<(Key, Said)> {
        let keys = stated.keys().filter(|(key, _)| names.contains(&key.name));
        keys.map(|(key, said)| (key.clone(), said.clone())).collect()
    };
    let locals: Locals = local::types_of(&of(&["local-zone"]), &mut own)?;
    local::in_view(&mut own, &locals, &of(&["local-data"]), &of(&["local-data-ptr"]));
    for (_, said) in of(&["response-ip", "response-ip-data"]) {
        let why = "this server passes answers on as they are";
        plan.refused(&said, why, "keep it on the targets' side, or do without");
    }
    let first = of(&["view-first"]).last().is_some_and(|(key, _)| key.value() == "yes");
    for (_, said) in of(&["view-first"]) {
        plan.translated(
            &said,
            match first {
                true => {
                    "the general zones of local data are in the view too, but where its own stand above them"
                }
                false => "the general zones of local data are not in the view",
            },
        );
    }
    plan.translated(said, format!("[[view]] {name}, alone (inherit = false), with the general rules in it"));
    let clients = clients.iter().map(ToString::to_string).collect();
    plan.view(ViewPlan { name, clients, said: said.clone(), with_records: first, own });
    Ok(())
}
