//! Where BIND listens, as `listen`. An address match list is over the addresses of BIND's machine: what names them one by
//! one is taken as it stands, and what only matches them is worked out from the addresses of this machine, and said.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::translation::{Refusal, Scope, Translation};
use super::tree::{Item, Statement};
use super::value;
use crate::import::Outcome;
use crate::import::draft::{Setting, Value};
use crate::limits::IMPORT_NESTING;

/// What one statement comes to.
struct Listening {
    addresses: Vec<SocketAddr>,
    outcome: Outcome,
}

/// An address that may be listened on.
#[derive(Clone, Copy)]
struct Candidate {
    ip: IpAddr,
    /// It is one of this machine's.
    own: bool,
}

/// The addresses of one kind, as `listen-on` and `listen-on-v6` have them.
#[derive(Clone, Copy)]
struct Family {
    statement: &'static str,
    all: IpAddr,
    loopback: IpAddr,
}

const FAMILIES: [Family; 2] = [
    Family {
        statement: "listen-on-v6",
        all: IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        loopback: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
    },
    Family {
        statement: "listen-on",
        all: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        loopback: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    },
];

impl Family {
    fn has(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.all.is_ipv4()
    }
}

impl<'a> Translation<'a> {
    pub fn listeners(&mut self) {
        let scope = Scope { view: None, options: self.options };
        let port_statement = scope.find("port");
        let port = port_statement.and_then(|found| value::integer(found.first_word())).unwrap_or(53) as u16;
        let mut listen: Vec<SocketAddr> = Vec::new();
        let mut from = port_statement.map(|found| found.place.clone());
        for family in FAMILIES {
            let statements: Vec<&'a Statement> =
                self.options.iter().filter(|statement| statement.name() == family.statement).collect();
            if statements.is_empty() {
                listen.push(SocketAddr::new(family.all, port));
            }
            for statement in statements {
                let Listening { addresses, outcome } = self.listen_on(statement, port, family);
                self.receipt.add(&statement.place, statement.shown(), outcome);
                from.get_or_insert_with(|| statement.place.clone());
                listen.extend(addresses);
            }
        }
        let mut seen = std::collections::HashSet::new();
        listen.retain(|address| seen.insert(*address));
        if let Some(statement) = port_statement {
            match port {
                0 => self.refused(statement, Refusal::new("0 is no port to listen on", "write a port")),
                _ => self.translated(statement, "[server] listen"),
            }
        }
        let Some(place) = from.filter(|_| port != 0) else { return };
        if listen.is_empty() {
            let refusal =
                Refusal::new("BIND listens nowhere, and dnsfwd on port 53 of all addresses", "write listen");
            if let Some(statement) = scope.find("listen-on").or(scope.find("listen-on-v6")) {
                self.refused(statement, refusal);
            }
            return;
        }
        let listen = listen.iter().map(ToString::to_string);
        self.draft.server.insert(0, Setting { key: "listen", value: Value::texts(listen), from: place });
    }

    fn listen_on(&mut self, statement: &'a Statement, port: u16, family: Family) -> Listening {
        let refused = |Refusal { why, what_to_do }, ip| Listening {
            addresses: vec![SocketAddr::new(ip, port)],
            outcome: Outcome::Refused { why, what_to_do },
        };
        let own_port = match port_of(statement, port) {
            Ok(own) => own,
            Err(refusal) => return refused(refusal, family.all),
        };
        let translated = |addresses: Vec<IpAddr>| Listening {
            addresses: addresses.into_iter().map(|ip| SocketAddr::new(ip, own_port)).collect(),
            outcome: Outcome::Translated { key: "[server] listen".to_owned() },
        };
        let mut plain = Some(Vec::new());
        match self.gather(statement.body(), family, 0, &mut plain) {
            Err(refusal) => {
                let why = format!("{}; until then dnsfwd listens on {} alone", refusal.why, family.loopback);
                refused(Refusal { why, ..refusal }, family.loopback)
            }
            Ok(written) => match plain {
                // Beside all addresses, single ones add nothing.
                Some(addresses) if addresses.contains(&family.all) => translated(vec![family.all]),
                Some(addresses) => translated(addresses),
                None => self.matching(statement, own_port, family, &written),
            },
        }
    }

    /// The addresses that stand in a list, with all that it names. `plain` is what the list comes to by itself, as long as
    /// every element is an address or all of them; without that, it is a matter of matching.
    fn gather(
        &mut self,
        elements: &'a [Statement],
        family: Family,
        depth: usize,
        plain: &mut Option<Vec<IpAddr>>,
    ) -> Result<Vec<IpAddr>, Refusal> {
        if depth > IMPORT_NESTING {
            return Err(Refusal::new("the list names itself", "take it out of itself"));
        }
        let only = elements.len() == 1 && depth == 0;
        let mut written = Vec::new();
        for element in elements {
            match element_of(element)? {
                (true, _) | (_, Element::Network(_) | Element::Key) => *plain = None,
                (false, Element::None) if only => {}
                (false, Element::None) => *plain = None,
                (false, Element::Address(ip)) if family.has(ip) => {
                    plain.iter_mut().for_each(|plain| plain.push(ip));
                }
                (false, Element::Address(_)) => {}
                // The addresses that this machine has are all that can be listened on.
                (false, Element::Any | Element::Machine) => {
                    plain.iter_mut().for_each(|plain| plain.push(family.all));
                }
                (false, Element::List(_) | Element::Named(_)) => {}
            }
            match element_of(element)?.1 {
                Element::Address(ip) if family.has(ip) => written.push(ip),
                Element::List(inner) => written.extend(self.gather(inner, family, depth + 1, plain)?),
                Element::Named(name) => {
                    let acl = self.acl_of(name)?;
                    written.extend(self.gather(acl.body(), family, depth + 1, plain)?);
                    self.used_acls.entry(name.to_ascii_lowercase()).or_insert_with(|| name.to_owned());
                    if !self.has_entry(acl) {
                        self.translated(acl, "[server] listen");
                    }
                }
                _ => {}
            }
        }
        Ok(written)
    }

    fn acl_of(&self, name: &str) -> Result<&'a Statement, Refusal> {
        self.acls.get(&name.to_ascii_lowercase()).copied().ok_or_else(|| {
            Refusal::new(format!("no `acl` is called `{name}`"), "define it, or write addresses")
        })
    }

    /// Of this machine's addresses, and those that the list has by themselves, the ones that it matches. BIND looks at its
    /// machine's each time interfaces change; a configuration has them written.
    fn matching(&self, statement: &'a Statement, port: u16, family: Family, written: &[IpAddr]) -> Listening {
        let own: Vec<IpAddr> = self
            .interfaces
            .iter()
            .map(IpNet::addr)
            .filter(|ip| family.has(*ip) && !needs_scope(*ip))
            .collect();
        let mut candidates: Vec<Candidate> = own.iter().map(|ip| Candidate { ip: *ip, own: true }).collect();
        let others = written.iter().filter(|ip| !own.contains(ip) && !needs_scope(**ip));
        candidates.extend(others.map(|ip| Candidate { ip: *ip, own: false }));
        let fits = |candidate: &&Candidate| self.decides(statement.body(), candidate, 0) == Some(true);
        let matched: Vec<IpAddr> = candidates.iter().filter(fits).map(|candidate| candidate.ip).collect();
        let listed = |ips: &[IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let machine = if own.is_empty() { "none".to_owned() } else { listed(&own) };
        if matched.is_empty() {
            let why = format!(
                "it is a list that addresses are matched with, and this machine has none that fits (it has {machine}); \
                 until then dnsfwd listens on {} alone",
                family.loopback
            );
            let what_to_do =
                "import on the machine that is to serve, or write its addresses into `listen`".to_owned();
            return Listening {
                addresses: vec![SocketAddr::new(family.loopback, port)],
                outcome: Outcome::Refused { why, what_to_do },
            };
        }
        let what = format!(
            "[server] listen: {}, which are those of this machine ({machine}) that the list matches, and those that it \
             has by themselves. Import on the machine that is to serve; an address that it gets later has to be written \
             into `listen`, where BIND matches it by itself",
            listed(&matched)
        );
        Listening {
            addresses: matched.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
            outcome: Outcome::Changed { what },
        }
    }

    /// The first element that fits an address decides: true for it, false against it.
    fn decides(&self, elements: &'a [Statement], candidate: &Candidate, depth: usize) -> Option<bool> {
        if depth > IMPORT_NESTING {
            return None;
        }
        for element in elements {
            // All of them were read before.
            let Ok((negated, element)) = element_of(element) else { continue };
            // An inner list that is against an address does not fit it.
            let inner = |elements| self.decides(elements, candidate, depth + 1) == Some(true);
            let fits = match element {
                Element::None => return Some(negated),
                Element::Any => true,
                Element::Machine => candidate.own || candidate.ip.is_loopback(),
                Element::Address(ip) => ip == candidate.ip,
                Element::Network(network) => network.contains(&candidate.ip),
                Element::Key => false,
                Element::List(elements) => inner(elements),
                Element::Named(name) => self.acl_of(name).is_ok_and(|acl| inner(acl.body())),
            };
            if fits {
                return Some(!negated);
            }
        }
        None
    }
}

/// Such an address is of one interface, and can't be listened on without its name (RFC 4007 section 11).
fn needs_scope(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The port of one statement, unless it asks for something else than plain DNS.
fn port_of(statement: &Statement, port: u16) -> Result<u16, Refusal> {
    let words: Vec<&str> = statement.words().collect();
    let after = |name: &str| {
        let at = words.iter().position(|word| word.eq_ignore_ascii_case(name))?;
        words.get(at + 1).copied()
    };
    if after("tls").is_some_and(|tls| !tls.eq_ignore_ascii_case("none")) || after("http").is_some() {
        let why =
            "there is no DNS over TLS or HTTPS towards clients; plain DNS is served on all addresses instead";
        return Err(Refusal::new(
            why,
            "write `listen` as it should be, and put a TLS proxy before it if needed",
        ));
    }
    if after("proxy").is_some() {
        return Err(Refusal::new(
            "the PROXY protocol is not spoken",
            "let clients reach this server directly",
        ));
    }
    match after("port").and_then(value::integer).map_or(port, |port| port as u16) {
        0 => Err(Refusal::new("0 is no port to listen on", "write a port")),
        port => Ok(port),
    }
}

/// An element of an address match list, as far as it matters for the addresses of one's own.
enum Element<'a> {
    Any,
    None,
    /// `localhost` and `localnets`: whatever address the machine has is in both.
    Machine,
    Address(IpAddr),
    Network(IpNet),
    /// No message is signed yet where it is listened.
    Key,
    List(&'a [Statement]),
    Named(&'a str),
}

/// An element, and whether it stands behind a `!`.
fn element_of(element: &Statement) -> Result<(bool, Element<'_>), Refusal> {
    let negations = element.items.iter().take_while(|item| item.is_sign('!')).count();
    if negations > 1 {
        return Err(Refusal::new("BIND reads no element with two `!`", "write one `!`, or none"));
    }
    let items = &element.items[negations..];
    let known = match (items.first().and_then(Item::text), items) {
        (None, [inner]) => Element::List(inner.group().unwrap_or_default()),
        (Some(word), [_, _]) if word.eq_ignore_ascii_case("key") => Element::Key,
        (Some(text), [word, rest @ ..]) => {
            let quoted = word.word().is_some_and(|word| word.quoted);
            let length = rest.get(1).and_then(Item::text).and_then(value::integer);
            match text.to_ascii_lowercase().as_str() {
                _ if !quoted && value::looks_like_address(text) => {
                    let network = value::prefix(text, length)
                        .map_err(|why| Refusal::new(format!("`{text}`: {why}"), "correct the network"))?;
                    match length {
                        None => Element::Address(network.addr()),
                        Some(_) => Element::Network(network),
                    }
                }
                "any" => Element::Any,
                "none" => Element::None,
                "localhost" | "localnets" => Element::Machine,
                _ => Element::Named(text),
            }
        }
        _ => return Err(Refusal::new("this element is not known", "write networks and names of lists")),
    };
    Ok((negations == 1, known))
}

/// The addresses of this machine's interfaces, unless the importing operator says others.
pub(super) fn interfaces(said: Option<&Vec<IpNet>>) -> Vec<IpNet> {
    said.cloned().unwrap_or_else(crate::config::interfaces)
}
