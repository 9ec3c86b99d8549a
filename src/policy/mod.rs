//! What to do with a question, and why. `decide` is pure: the policy, the question and nothing else; serving,
//! explaining and checking share it.
#![forbid(unsafe_code)]

pub mod access;
pub mod builtin;
pub mod ranges;
pub mod suffix;

use std::num::NonZeroU32;

use crate::wire::name::Name;
use crate::wire::query::is_internet;
use crate::wire::rdata::rtype;
use suffix::{SuffixMap, Walk};

/// Index of a rule, zone or built-in name in the order that `Policy::new` was given.
pub type Index = u32;

/// What a rule does with its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// To the targets of an endpoint.
    Forward,
    /// What this server itself knows, then the `system` endpoint, whatever broader rule there is.
    System,
}

/// What `decide` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Zone(Index),
    Builtin(Index),
    Forward { rule: Index },
    System { rule: Index },
    Refuse,
}

impl Action {
    /// The rule whose targets are to be asked.
    pub fn rule(self) -> Option<Index> {
        match self {
            Action::Forward { rule } | Action::System { rule } => Some(rule),
            Action::Zone(_) | Action::Builtin(_) | Action::Refuse => None,
        }
    }
}

/// The one reason that decided; `explain`, logs, metrics and EDE text print this and derive nothing anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// A local zone wins at equal or longer names.
    LocalZone,
    /// RFC 6303 and 6761: no zone or rule names it.
    BuiltinName,
    /// The most specific rule.
    MostSpecificRule,
    /// A SYSTEM rule hands over to what this server itself knows.
    SystemRule(Index),
    /// DS belongs to the parent's side of a zone cut (RFC 4035 section 3.1.4.1).
    ParentOfCut,
    /// No zone and no rule covers the name.
    NothingCovers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub action: Action,
    pub because: Because,
}

/// One domain's place in the policy; each may be absent.
#[derive(Clone, Copy, Default)]
struct Node {
    zone: Kept,
    rule: Kept,
    builtin: Kept,
}

/// An index or none in 4 octets, half of what an `Option` takes: nodes lie denser in the processor's caches.
#[derive(Clone, Copy, Default)]
struct Kept(Option<NonZeroU32>);

impl Kept {
    fn new(index: Index) -> Kept {
        Kept(NonZeroU32::new(index + 1))
    }

    fn get(self) -> Option<Index> {
        self.0.map(|number| number.get() - 1)
    }
}

/// Rules, zones and built-in names by domain.
pub struct Policy {
    nodes: SuffixMap<Node>,
    actions: Vec<RuleAction>,
}

/// A domain that covers a name, for `explain`'s runners-up: longest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub domain: Name,
    pub zone: Option<Index>,
    pub rule: Option<Index>,
    pub builtin: Option<Index>,
}

impl Policy {
    /// Domains, folded and in wire form, must be distinct within each list; the configuration's check has seen
    /// to that.
    pub fn new<'a>(
        zones: impl IntoIterator<Item = &'a [u8]>,
        rules: impl IntoIterator<Item = (&'a [u8], RuleAction)>,
        builtins: impl IntoIterator<Item = &'a [u8]>,
    ) -> Policy {
        let rules = rules.into_iter();
        let mut nodes = SuffixMap::with_capacity(rules.size_hint().0);
        for (index, domain) in (0..).zip(zones) {
            nodes.entry(domain, Node::default).zone = Kept::new(index);
        }
        let mut actions = Vec::with_capacity(rules.size_hint().0);
        for (index, (domain, action)) in (0..).zip(rules) {
            nodes.entry(domain, Node::default).rule = Kept::new(index);
            actions.push(action);
        }
        for (index, domain) in (0..).zip(builtins) {
            nodes.entry(domain, Node::default).builtin = Kept::new(index);
        }
        Policy { nodes, actions }
    }

    /// Decides on a question: folded name, type, class.
    ///
    /// The most specific domain wins; at one domain a zone beats a rule and a rule a built-in name. A built-in
    /// name also steps aside for a broader zone or rule other than `.`: whoever forwards `in-addr.arpa` means
    /// the private ranges in it too, and who forwards `.` does not.
    pub fn decide(&self, qname: &[u8], qtype: u16, qclass: u16) -> Decision {
        let local = is_internet(qclass);
        let mut builtin = None;
        let mut ds_cut = None;
        let mut found = None;
        self.nodes.walk(qname, |domain, node| {
            if let (Some(zone), true) = (node.zone.get(), local) {
                if qtype == rtype::DS && domain.len() == qname.len() && domain.len() > 1 && ds_cut.is_none() {
                    ds_cut = Some(zone);
                    return Walk::On;
                }
                found = Some(Decision { action: Action::Zone(zone), because: Because::LocalZone });
                return Walk::Stop;
            }
            if let Some(rule) = node.rule.get()
                && !(domain.len() == 1 && builtin.is_some())
            {
                found = Some(self.apply(rule, qname, local, builtin));
                return Walk::Stop;
            }
            if let (Some(index), None, true) = (node.builtin.get(), builtin, local) {
                builtin = Some(index);
            }
            Walk::On
        });
        settle(found, ds_cut, builtin)
    }

    fn apply(&self, rule: Index, qname: &[u8], local: bool, builtin: Option<Index>) -> Decision {
        if self.actions[rule as usize] == RuleAction::Forward {
            return Decision { action: Action::Forward { rule }, because: Because::MostSpecificRule };
        }
        let own = if local { self.own_knowledge(qname).or(builtin.map(Action::Builtin)) } else { None };
        match own {
            Some(action) => Decision { action, because: Because::SystemRule(rule) },
            None => Decision { action: Action::System { rule }, because: Because::MostSpecificRule },
        }
    }

    /// The longest zone or built-in name that covers `qname`, rules left aside.
    fn own_knowledge(&self, qname: &[u8]) -> Option<Action> {
        let mut own = None;
        self.nodes.walk(qname, |_, node| {
            own = node.zone.get().map(Action::Zone).or(node.builtin.get().map(Action::Builtin));
            if own.is_some() { Walk::Stop } else { Walk::On }
        });
        own
    }

    /// The rule of exactly this domain.
    pub fn rule_at(&self, domain: &[u8]) -> Option<Index> {
        self.nodes.get(domain)?.rule.get()
    }

    /// The zone of exactly this domain.
    pub fn zone_at(&self, domain: &[u8]) -> Option<Index> {
        self.nodes.get(domain)?.zone.get()
    }

    /// All that covers a name, longest first.
    pub fn candidates(&self, qname: &[u8]) -> Vec<Candidate> {
        let mut all = Vec::new();
        self.nodes.walk(qname, |domain, node| {
            let domain = Name::from_wire(domain).expect("the table holds names only");
            let Node { zone, rule, builtin } = node;
            all.push(Candidate { domain, zone: zone.get(), rule: rule.get(), builtin: builtin.get() });
            Walk::On
        });
        all
    }
}

fn settle(found: Option<Decision>, ds_cut: Option<Index>, builtin: Option<Index>) -> Decision {
    match (found, ds_cut, builtin) {
        // Only a parent that we hold ourselves knows about the cut; others would deny the private name.
        (Some(Decision { action: Action::Zone(zone), .. }), Some(_), _) => {
            Decision { action: Action::Zone(zone), because: Because::ParentOfCut }
        }
        (_, Some(zone), _) => Decision { action: Action::Zone(zone), because: Because::LocalZone },
        (Some(decision), None, _) => decision,
        (None, None, Some(index)) => {
            Decision { action: Action::Builtin(index), because: Because::BuiltinName }
        }
        (None, None, None) => Decision { action: Action::Refuse, because: Because::NothingCovers },
    }
}

#[cfg(test)]
mod tests;
