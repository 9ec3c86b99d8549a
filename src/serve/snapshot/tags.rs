//! Rules as workers need them, with the tags that mark what they made. A rule keeps its tag over reloads while it
//! means the same; rules of several views that mean the same have one tag, and so share what is kept.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::config::{self, Config};
use crate::serve::marks;
use crate::serve::snapshot::{Rule, Snapshot, policy_action};

static NEXT_TAG: AtomicU32 = AtomicU32::new(1);

/// Rules with the endpoint that each asks, and their tags.
pub fn rules(config: &Config, before: Option<&Snapshot>) -> Vec<Rule> {
    let mut groups = Groups::of(config);
    let mut rules = Vec::with_capacity(config.rules.len());
    for part in config.parts() {
        let view = part.view.map(|view| view.name.as_str());
        for index in part.rules {
            let written = config.rules.at(index as u32);
            let endpoint = endpoint_of(config, &written);
            let old = before.and_then(|before| Old::of(config, &written, endpoint, view, before));
            let tag = groups.tag(config, &written, old.as_ref().map(|old| old.tag));
            // What is known of its loops goes by the tag as well.
            let old = old.filter(|old| old.tag == tag);
            rules.push(Rule {
                tag,
                endpoint: u32::try_from(endpoint).expect("endpoints are counted in thousands"),
                follow_cname: written.follow_cname,
                freshness: written.freshness,
                looked_at: AtomicU32::new(old.map_or(0, |old| old.looked_at)),
                stats: OnceLock::new(),
            });
        }
    }
    rules
}

fn endpoint_of(config: &Config, rule: &config::Rule<'_>) -> usize {
    match rule.action {
        config::RuleAction::Forward { endpoint } => endpoint as usize,
        config::RuleAction::System => config.server.system.expect("the check sees to a system endpoint"),
    }
}

/// What a rule keeps of the one that it was before, if answers of then hold for it now.
struct Old {
    tag: u32,
    /// New targets have not been looked at.
    looked_at: u32,
}

impl Old {
    fn of(
        config: &Config,
        written: &config::Rule<'_>,
        endpoint: usize,
        view: Option<&str>,
        before: &Snapshot,
    ) -> Option<Old> {
        let index = before.rule_in(view, written.domain)?;
        let (old, rule) = (before.config.rules.at(index), &before.rules[index as usize]);
        let (was, is) = (&before.config.endpoints[rule.endpoint as usize], &config.endpoints[endpoint]);
        let same = policy_action(old.action) == policy_action(written.action) && says_the_same(was, is);
        let looked_at = if has_no_others(was, is) { marks::kept(&rule.looked_at) } else { 0 };
        same.then_some(Old { tag: rule.tag, looked_at })
    }
}

/// Whether all targets of the new endpoint are in the old one.
fn has_no_others(old: &config::Endpoint, new: &config::Endpoint) -> bool {
    new.targets.iter().all(|target| old.targets.iter().any(|other| other.address == target.address))
}

/// Rules of domains that views have too: those that mean the same get one tag, and all others another.
struct Groups<'a> {
    /// By domain, the rules that have a tag already. Only domains of views' rules are here.
    by_domain: HashMap<&'a [u8], Vec<(config::Rule<'a>, u32)>>,
    taken: HashSet<u32>,
}

impl<'a> Groups<'a> {
    fn of(config: &'a Config) -> Groups<'a> {
        let rules = config.views.iter().flat_map(|view| view.rules.clone());
        let by_domain = rules.map(|index| (config.rules.at(index as u32).domain, Vec::new())).collect();
        Groups { by_domain, taken: HashSet::new() }
    }

    fn tag(&mut self, config: &Config, rule: &config::Rule<'a>, old: Option<u32>) -> u32 {
        let new = || NEXT_TAG.fetch_add(1, Relaxed);
        let Some(group) = self.by_domain.get_mut(rule.domain) else { return old.unwrap_or_else(new) };
        if let Some((_, tag)) = group.iter().find(|(other, _)| config.means_the_same(rule, other)) {
            return *tag;
        }
        // Two rules that meant the same may have parted: then one of them begins anew.
        let tag = old.filter(|old| !self.taken.contains(old)).unwrap_or_else(new);
        self.taken.insert(tag);
        group.push((*rule, tag));
        tag
    }
}

/// Whether answers of the one endpoint still hold for the other. One target in common is enough: whoever adds
/// or takes away an address, perhaps amid an outage, wants to keep what is cached. With none in common it is
/// another service. A name is the same service wherever it leads.
fn says_the_same(old: &config::Endpoint, new: &config::Endpoint) -> bool {
    let shared = |target: &config::Target| new.targets.iter().any(|other| other.address == target.address);
    old.client_subnet == new.client_subnet && old.targets.iter().any(shared)
}
