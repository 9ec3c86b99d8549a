//! Whose question it is: the view that its client belongs to, what decides on names there, and whether the client may
//! ask for them. The only place where access lists are asked.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::config::{self, Config, Part};
use crate::policy::access::AccessList;
use crate::policy::{Action, Because, Candidate, Decision, Layered, Policy};
use crate::serve::Client;
use crate::serve::builtins::builtins;
use crate::serve::loops::{RuleId, RuleNow};
use crate::serve::snapshot::{Snapshot, policy_action};
use crate::wire::name::Name;

/// A view, as an index; none: what is general.
pub type ViewIndex = Option<u16>;

/// A view as workers need it.
pub struct View {
    pub clients: Arc<AccessList>,
    pub allow: Option<Arc<AccessList>>,
    policy: Policy,
    inherit: bool,
    /// What marks that which is kept for it alone, from 1 on; 0: shared. The same over reloads.
    own: u16,
}

/// Who asks, as far as it matters.
#[derive(Clone, Copy)]
pub struct Asker {
    ip: IpAddr,
    /// What the question was signed with, soundly: an index into the keys.
    key: Option<u32>,
    pub view: ViewIndex,
    /// The list of the listener or the server lets the client in.
    pub admitted: bool,
}

/// Which access list says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Server,
    Listener(SocketAddr),
    View(String),
    Zone(String),
    Rule(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Server => f.write_str("[server] allow"),
            Refused::Listener(address) => write!(f, "allow of [[listener]] {address}"),
            Refused::View(name) => write!(f, "allow of [[view]] {name}"),
            Refused::Zone(name) => write!(f, "allow of [[zone]] {name}"),
            Refused::Rule(name) => write!(f, "allow of [[rule]] {name}"),
        }
    }
}

impl Snapshot {
    /// Who a client is here.
    #[inline(always)]
    pub fn asker(&self, client: &Client) -> Asker {
        let ip = client.address.ip();
        let admitted = match client.key.is_none() && self.doors.is_empty() {
            true => self.access.allows(ip),
            false => self.is_admitted(client),
        };
        Asker { ip, key: client.key, view: self.view_of(ip, client.key), admitted }
    }

    #[cold]
    fn is_admitted(&self, client: &Client) -> bool {
        let door = self.door_of(client.listener).unwrap_or(&self.access);
        door.allows_with(client.address.ip(), client.key)
    }

    /// The first view that is for this client and the key of its message.
    #[inline(always)]
    pub fn view_of(&self, client: IpAddr, key: Option<u32>) -> ViewIndex {
        if self.views.is_empty() { None } else { self.find_view(client, key) }
    }

    #[inline(never)]
    fn find_view(&self, client: IpAddr, key: Option<u32>) -> ViewIndex {
        self.views.iter().position(|view| view.clients.allows_with(client, key)).map(|index| index as u16)
    }

    #[cold]
    fn door_of(&self, listener: SocketAddr) -> Option<&AccessList> {
        self.doors.iter().find(|(address, _)| *address == listener).map(|(_, allow)| &**allow)
    }

    pub fn view(&self, view: ViewIndex) -> Option<(&config::View, &View)> {
        let index = usize::from(view?);
        Some((&self.config.views[index], &self.views[index]))
    }

    /// Decides on a question within a view, whoever may ask it.
    #[inline(always)]
    pub fn decide(&self, view: ViewIndex, qname: &[u8], qtype: u16, qclass: u16) -> Decision {
        match view {
            None => self.policy.decide(qname, qtype, qclass),
            Some(view) => self.decide_within(&self.views[usize::from(view)], qname, qtype, qclass),
        }
    }

    #[inline(never)]
    fn decide_within(&self, view: &View, qname: &[u8], qtype: u16, qclass: u16) -> Decision {
        match view.inherit {
            true => Layered { own: &view.policy, general: &self.policy }.decide(qname, qtype, qclass),
            false => view.policy.decide(qname, qtype, qclass),
        }
    }

    /// The same for one client: what it may not ask for is covered by nothing. For names that CNAMEs lead to.
    pub fn decide_for(&self, asker: &Asker, qname: &[u8], qtype: u16, qclass: u16) -> Decision {
        let decision = self.decide(asker.view, qname, qtype, qclass);
        match self.has_own_lists && self.refusal(asker, decision.action).is_some() {
            true => Decision { action: Action::Refuse, because: Because::NothingCovers },
            false => decision,
        }
    }

    pub fn candidates(&self, view: ViewIndex, qname: &[u8]) -> Vec<Candidate> {
        match self.view(view) {
            None => self.policy.candidates(qname),
            Some((_, view)) if view.inherit => {
                Layered { own: &view.policy, general: &self.policy }.candidates(qname)
            }
            Some((_, view)) => view.policy.candidates(qname),
        }
    }

    /// The access list that keeps a client from what decides, if one does. The list of the rule or zone stands in
    /// the place of the view's, and that in the place of the listener's and the server's.
    pub fn refusal(&self, asker: &Asker, action: Action) -> Option<Refused> {
        if let Some((allow, refused)) = self.own_list(action).or_else(|| self.list_of_view(asker.view)) {
            return (!allow.allows_with(asker.ip, asker.key)).then_some(refused);
        }
        (!asker.admitted).then_some(Refused::Server)
    }

    /// What is said at the door to a client that is not admitted.
    pub fn not_admitted(&self, client: &Client) -> Refused {
        match self.door_of(client.listener) {
            Some(_) => Refused::Listener(client.listener),
            None => Refused::Server,
        }
    }

    /// The access list that counts for a client and what decides, and what it is called: as in `refusal`, with the one
    /// of the listener or the server behind all others.
    pub fn list_for(
        &self,
        view: ViewIndex,
        action: Action,
        listener: Option<SocketAddr>,
    ) -> (&AccessList, Refused) {
        let door = || listener.and_then(|address| Some((self.door_of(address)?, Refused::Listener(address))));
        let own = self.own_list(action).or_else(|| self.list_of_view(view)).or_else(door);
        own.unwrap_or((&self.access, Refused::Server))
    }

    /// The listener, as it is configured, at which what is sent to an address arrives.
    pub fn listener_at(&self, address: SocketAddr) -> Option<SocketAddr> {
        let listen = &self.config.server.listen;
        let is_everywhere = |listener: &SocketAddr| {
            listener.ip().is_unspecified()
                && listener.port() == address.port()
                && listener.is_ipv4() == address.is_ipv4()
        };
        let exactly = listen.iter().find(|listener| **listener == address);
        exactly.or_else(|| listen.iter().find(|listener| is_everywhere(listener))).copied()
    }

    fn own_list(&self, action: Action) -> Option<(&AccessList, Refused)> {
        match action {
            Action::Zone(index) => {
                let zone = &self.config.zones[index as usize];
                Some((zone.allow.as_ref()?, Refused::Zone(zone.name.to_string())))
            }
            Action::Forward { rule } | Action::System { rule } => {
                let rule = self.config.rules.at(rule);
                let allow = self.config.rule_access[usize::from(rule.freshness)].as_ref()?;
                Some((allow, Refused::Rule(rule.name().to_string())))
            }
            Action::Builtin(_) | Action::Refuse => None,
        }
    }

    fn list_of_view(&self, view: ViewIndex) -> Option<(&AccessList, Refused)> {
        let (written, view) = self.view(view)?;
        Some((view.allow.as_ref()?, Refused::View(written.name.clone())))
    }

    /// What marks that which is kept for this view alone; 0: shared.
    #[inline(always)]
    pub fn own_cache(&self, view: ViewIndex) -> u16 {
        view.map_or(0, |index| self.views[usize::from(index)].own)
    }

    /// The marks of all views that share nothing.
    pub fn own_caches(&self) -> HashSet<u16> {
        self.views.iter().map(|view| view.own).chain([0]).collect()
    }

    /// The zone of exactly this name that a view has or inherits.
    pub fn zone_in(&self, view: ViewIndex, name: &[u8]) -> Option<u32> {
        match self.view(view) {
            None => self.policy.zone_at(name),
            Some((_, view)) => {
                let general = || self.policy.zone_at(name).filter(|_| view.inherit);
                view.policy.zone_at(name).or_else(general)
            }
        }
    }

    /// The rules of exactly this domain: the general one, then those of views.
    pub fn rules_at(&self, domain: &[u8]) -> impl Iterator<Item = u32> {
        let policies = std::iter::once(&self.policy).chain(self.views.iter().map(|view| &view.policy));
        policies.filter_map(move |policy| policy.rule_at(domain))
    }

    /// The rules of exactly this domain, as the loop table wants them.
    pub fn rules_now(&self, domain: &Name) -> Vec<RuleNow<'_>> {
        self.rules_at(domain.as_wire()).map(|index| self.rule_now(index)).collect()
    }

    pub fn rule_now(&self, index: u32) -> RuleNow<'_> {
        let rule = &self.rules[index as usize];
        let view = self.config.view_of_rule(index as usize).map(|view| self.config.views[view].name.as_str());
        RuleNow { tag: rule.tag, view, endpoint: self.endpoint_of(rule) }
    }

    /// What the loop table knows a rule by.
    pub fn rule_id(&self, index: u32) -> RuleId {
        RuleId { tag: self.rules[index as usize].tag, domain: self.config.rules.at(index).name() }
    }

    /// The rules that are this one: in several views, if they mean the same there.
    pub fn rules_of(&self, id: &RuleId) -> impl Iterator<Item = u32> {
        self.rules_at(id.domain.as_wire()).filter(|index| self.rules[*index as usize].tag == id.tag)
    }

    /// The zones of exactly this name, as `rules_at`.
    pub fn zones_at(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let policies = std::iter::once(&self.policy).chain(self.views.iter().map(|view| &view.policy));
        policies.filter_map(move |policy| policy.zone_at(name))
    }

    /// The rule of exactly this domain in what is general, or in the view of this name.
    pub fn rule_in(&self, view: Option<&str>, domain: &[u8]) -> Option<u32> {
        let Some(name) = view else { return self.policy.rule_at(domain) };
        let index = self.config.views.iter().position(|view| view.name == name)?;
        self.views[index].policy.rule_at(domain)
    }
}

/// The addresses whose listeners have a list of their own.
pub fn doors(config: &Config) -> Vec<(SocketAddr, Arc<AccessList>)> {
    let listeners = config.server.listeners.iter();
    listeners.filter_map(|listener| Some((listener.address, Arc::clone(listener.allow.as_ref()?)))).collect()
}

/// Whether rules, zones or views say who may ask for them.
pub fn has_own_lists(config: &Config) -> bool {
    config.rule_access.iter().any(Option::is_some)
        || config.zones.iter().any(|zone| zone.allow.is_some())
        || config.views.iter().any(|view| view.allow.is_some())
}

/// The general policy. A view's may be laid over it.
pub fn general_policy(config: &Config) -> Policy {
    policy(config, &config.general(), true)
}

fn policy(config: &Config, part: &Part<'_>, with_builtins: bool) -> Policy {
    let zones = config.zones[part.zones.clone()].iter().map(|zone| zone.name.as_wire());
    let rules = part.rules.clone().map(|index| config.rules.at(index as u32));
    let builtins = if with_builtins { builtins() } else { &[] };
    Policy::starting_at(
        (part.zones.start as u32, part.rules.start as u32),
        zones,
        rules.map(|rule| (rule.domain, policy_action(rule.action))),
        builtins.iter().map(|builtin| builtin.zone.name().as_wire()),
    )
}

/// The views with their policies. One that shares nothing keeps its mark while it has its name; a new one gets a mark
/// that nothing can be kept under, as no view had it before.
pub fn views(config: &Config, before: Option<&Snapshot>) -> Vec<View> {
    let mut taken = before.map(Snapshot::own_caches).unwrap_or_default();
    let mut views = Vec::with_capacity(config.views.len());
    for (part, written) in config.parts().skip(1).zip(&config.views) {
        let old = before.and_then(|before| {
            let index = before.config.views.iter().position(|view| view.name == written.name)?;
            Some(before.views[index].own).filter(|&own| own > 0)
        });
        // There are fewer views, old and new together, than marks.
        let new = || (1..).find(|mark| !taken.contains(mark)).unwrap_or(u16::MAX);
        let own = if written.own_cache { old.unwrap_or_else(new) } else { 0 };
        taken.insert(own);
        views.push(View {
            clients: Arc::clone(&written.clients),
            allow: written.allow.clone(),
            // A view that stands alone has the built-in names too: private names stay here for its clients as well.
            policy: policy(config, &part, !written.inherit),
            inherit: written.inherit,
            own,
        });
    }
    views
}
