//! This server's side: what it does with a name, as far as its configuration tells. Warns of nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use foldhash::fast::RandomState;

use crate::config::system::{self, Machine};
use crate::config::{Address, Config, Part, RuleAction, View};
use crate::wire::name::{Name, is_within, suffixes};

pub(super) struct Here<'a> {
    config: &'a Config,
    machine: Machine<'a>,
    general: Deciders<'a>,
    /// By the view's index.
    views: Vec<Deciders<'a>>,
    /// The machine was asked for these already, by a system call each.
    own: RefCell<HashMap<SocketAddr, bool>>,
}

/// The zones and rules of one part by domain. A zone comes before a rule of the same domain.
type Deciders<'a> = HashMap<&'a [u8], Decider, RandomState>;

/// What decides on a name, by its index in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decider {
    Zone(usize),
    Rule(usize),
}

impl<'a> Here<'a> {
    pub fn new(config: &'a Config, machine: Machine<'a>) -> Here<'a> {
        let views = config.parts().skip(1).map(|part| deciders(config, part)).collect();
        Here { config, machine, general: deciders(config, config.general()), views, own: RefCell::default() }
    }

    /// Would what is sent there come to one of our listeners?
    pub fn is_own(&self, target: SocketAddr) -> bool {
        let ask = || system::is_own(target, &self.config.server.listen, self.machine);
        *self.own.borrow_mut().entry(target).or_insert_with(ask)
    }

    /// The most specific zone or rule for a name that this client asks for. Without a client, the general ones.
    pub fn decide(&self, name: &[u8], client: Option<IpAddr>) -> Option<(&'a [u8], Decider)> {
        let (view, deciders) = match client.and_then(|client| self.view(client)) {
            Some((index, view)) => (Some(view), &self.views[index]),
            None => (None, &self.general),
        };
        let general = view.is_none_or(|view| view.inherit).then_some(&self.general);
        let found = |name: &[u8]| {
            deciders
                .get_key_value(name)
                .or_else(|| general?.get_key_value(name))
                .map(|(key, what)| (*key, *what))
        };
        suffixes(name).find_map(found)
    }

    /// Is there a zone or rule for a name below this one, for any client?
    pub fn knows_below(&self, name: &[u8]) -> bool {
        let all = std::iter::once(&self.general).chain(&self.views).flat_map(HashMap::keys);
        all.into_iter().any(|known| known.len() > name.len() && is_within(known, name))
    }

    fn view(&self, client: IpAddr) -> Option<(usize, &'a View)> {
        self.config.views.iter().enumerate().find(|(_, view)| view.clients.allows(client))
    }

    /// May this client ask at this listener?
    pub fn admits(&self, client: IpAddr, listener: Option<SocketAddr>) -> bool {
        let server = &self.config.server;
        let listener = server.listeners.iter().find(|own| Some(own.address) == listener);
        let of_view = || self.view(client).and_then(|(_, view)| view.allow.as_ref());
        let allow = of_view().or_else(|| listener?.allow.as_ref()).unwrap_or(&server.allow);
        allow.allows(client)
    }

    /// The addresses that an endpoint's targets have, as far as they are written.
    pub fn targets(&self, endpoint: usize) -> impl Iterator<Item = SocketAddr> + use<'a> {
        let targets = &self.config.endpoints[endpoint].targets;
        targets.iter().filter_map(|target| match target.address {
            Address::Socket(address) => Some(address),
            Address::Name(..) => None,
        })
    }

    /// The endpoint that a rule sends to.
    pub fn endpoint_of(&self, rule: usize) -> Option<usize> {
        match self.config.rules.get(rule)?.action {
            RuleAction::Forward { endpoint } => Some(endpoint as usize),
            RuleAction::System => self.config.server.system,
        }
    }

    /// Its addresses that others can reach, where listeners name them.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let ips = self.config.server.listen.iter().map(|listener| listener.ip().to_canonical());
        ips.filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
    }

    /// What decides, in words: `rule corp.example at dnsfwd.toml:7:10`.
    pub fn describe(&self, decider: Decider) -> String {
        match decider {
            Decider::Zone(index) => {
                let zone = &self.config.zones[index];
                format!("zone `{}` at {}", zone.name, zone.place)
            }
            Decider::Rule(index) => {
                let rule = self.config.rules.at(index as u32);
                format!("rule `{}` at {}", rule.name(), rule.place)
            }
        }
    }
}

fn deciders<'a>(config: &'a Config, part: Part<'_>) -> Deciders<'a> {
    let mut deciders = Deciders::default();
    deciders.extend(part.rules.map(|index| (config.rules.at(index as u32).domain, Decider::Rule(index))));
    deciders.extend(part.zones.map(|index| (config.zones[index].name.as_wire(), Decider::Zone(index))));
    deciders
}

/// The name that is decided by all names' rule alone is decided by nobody in particular.
pub(super) fn is_for_all(domain: &[u8]) -> bool {
    domain == Name::root().as_wire()
}
