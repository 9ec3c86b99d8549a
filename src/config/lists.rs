//! Access lists: what the names in them stand for. Reads the addresses of the machine if a list asks for them.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::keys::Keys;
use super::reader::{At, Faults};
use super::schema::{LOCALHOST, LOCALNETS, WrittenAccess, WrittenAcl, WrittenClients};
use super::source::Place;
use super::suggest;
use super::system::Machine;
use crate::limits::ACL_DEPTH;
use crate::policy::access::{AccessList, Acl, Clients, Element};

/// The named lists of a configuration, each found when it is first named.
pub(super) struct Lists<'a> {
    written: &'a [WrittenAcl],
    by_name: HashMap<&'a str, usize>,
    found: Vec<State>,
    keys: &'a Keys,
    machine: Machine<'a>,
    own: OnceCell<Vec<IpNet>>,
}

enum State {
    Unseen,
    /// What it names is being found: to meet it again is to go round in a circle.
    Open,
    /// None: wrong, which is reported.
    Found(Option<Arc<Acl>>),
}

impl<'a> Lists<'a> {
    pub fn of(
        written: &'a [WrittenAcl],
        keys: &'a Keys,
        machine: Machine<'a>,
        faults: &mut Faults,
    ) -> Lists<'a> {
        let mut by_name = HashMap::new();
        let mut first: HashMap<&str, &Place> = HashMap::new();
        for (index, acl) in written.iter().enumerate() {
            let Some(At { value, place }) = &acl.name else { continue };
            if let Some(other) = first.get(value.as_str()) {
                let message = format!("a second list `{value}`; the first is at {other}");
                faults.error("duplicate-acl", place, message, "give one of the two another name");
                continue;
            }
            first.insert(value, place);
            by_name.insert(value.as_str(), index);
        }
        let found = written.iter().map(|_| State::Unseen).collect();
        Lists { written, by_name, found, keys, machine, own: OnceCell::new() }
    }

    /// A list, ready to be asked. What is wrong in it is left out.
    pub fn access(&mut self, written: &WrittenAccess, faults: &mut Faults) -> Arc<AccessList> {
        let before = faults.errors();
        let list = AccessList::new(self.elements(written, &mut Vec::new(), faults));
        if faults.errors() == before {
            warn_of_overruled(written, &list, faults);
        }
        Arc::new(list)
    }

    /// All lists, and warnings of those that nothing has named so far.
    pub fn finish(mut self, faults: &mut Faults) -> Vec<Arc<Acl>> {
        let sound = !faults.has_errors();
        for (index, acl) in self.written.iter().enumerate() {
            if let (State::Unseen, Some(At { value, place })) = (&self.found[index], &acl.name) {
                self.list(index, place, &mut Vec::new(), faults);
                if sound {
                    let message = format!("nothing uses list `{value}`");
                    faults.warning("unused-acl", place, message, "name it in an access list, or remove it");
                }
            }
        }
        self.found
            .into_iter()
            .filter_map(|state| if let State::Found(acl) = state { acl } else { None })
            .collect()
    }

    fn elements(
        &mut self,
        written: &WrittenAccess,
        way: &mut Vec<usize>,
        faults: &mut Faults,
    ) -> Vec<Element> {
        let mut elements = Vec::with_capacity(written.len());
        for At { value, place } in written {
            let clients = match &value.clients {
                WrittenClients::Any => Some(Clients::Any),
                WrittenClients::None => Some(Clients::None),
                WrittenClients::Network(network) => Some(Clients::Network(*network)),
                WrittenClients::Key(name) => {
                    let found = self.keys.find(name, place, faults);
                    found.map(|index| Clients::Key(index as u32, name.clone()))
                }
                WrittenClients::List(name) => self.named(name, place, way, faults).map(Clients::List),
            };
            elements.extend(clients.map(|clients| Element { refuses: value.refuses, clients }));
        }
        elements
    }

    fn named(
        &mut self,
        name: &str,
        place: &Place,
        way: &mut Vec<usize>,
        faults: &mut Faults,
    ) -> Option<Arc<Acl>> {
        if [LOCALHOST, LOCALNETS].contains(&name) {
            return Some(self.local(name));
        }
        if let Some(&index) = self.by_name.get(name) {
            return self.list(index, place, way, faults);
        }
        if !faults.is_incomplete() {
            let mut known: Vec<&str> = self.by_name.keys().copied().collect();
            known.extend(["any", "none", LOCALHOST, LOCALNETS]);
            known.sort_unstable();
            let help = match suggest::nearest(name, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!(
                    "add an [[acl]] with name = \"{name}\", or write \"key:{name}\" if a key is meant"
                ),
            };
            faults.error("unknown-acl", place, format!("no list is called `{name}`"), help);
        }
        None
    }

    /// `way` are the lists that have led here.
    fn list(
        &mut self,
        index: usize,
        place: &Place,
        way: &mut Vec<usize>,
        faults: &mut Faults,
    ) -> Option<Arc<Acl>> {
        let written = self.written;
        let name = written[index].name.as_ref().map_or("", |name| &name.value);
        match &self.found[index] {
            State::Found(found) => return found.clone(),
            State::Open => {
                let names = way.iter().skip_while(|&&at| at != index).skip(1);
                let between: Vec<String> = names.map(|&at| self.name_of(at)).collect();
                let by = if between.is_empty() {
                    String::new()
                } else {
                    format!(", by way of {}", between.join(", "))
                };
                let message = format!("list `{name}` contains itself{by}");
                faults.error("acl-cycle", place, message, "take one of the names out");
                return None;
            }
            State::Unseen if way.len() >= ACL_DEPTH => {
                let message = format!("lists within lists are more than {ACL_DEPTH} deep here");
                faults.error("acl-depth", place, message, "write the networks themselves");
                return None;
            }
            State::Unseen => {}
        }
        self.found[index] = State::Open;
        way.push(index);
        let clients = written[index].clients.as_ref();
        let elements = clients.map(|clients| self.elements(clients, way, faults));
        way.pop();
        let acl = elements.map(|elements| Arc::new(Acl { name: name.to_owned(), elements }));
        self.found[index] = State::Found(acl.clone());
        acl
    }

    fn name_of(&self, index: usize) -> String {
        self.written[index].name.as_ref().map_or_else(String::new, |name| format!("`{}`", name.value))
    }

    /// The addresses of the machine, or the networks that these are in, as they are now.
    fn local(&self, name: &str) -> Arc<Acl> {
        let own = self.own.get_or_init(|| (self.machine.networks)());
        let network = |own: &IpNet| if name == LOCALHOST { IpNet::from(own.addr()) } else { own.trunc() };
        let elements = own.iter().map(|own| Element::network(network(own))).collect();
        Arc::new(Acl { name: name.to_owned(), elements })
    }
}

/// `["10.0.0.0/8", "!10.9.0.0/16"]` lets 10.9.0.0/16 in: who writes that means the other order.
fn warn_of_overruled(written: &WrittenAccess, list: &AccessList, faults: &mut Faults) {
    for &index in list.overruled() {
        let (place, element) = (&written[index].place, &list.elements()[index]);
        let message = format!("`{element}` never decides: the elements before it fit all its clients");
        faults.warning(
            "overruled-element",
            place,
            message,
            "put it before them, or remove it; the first that fits decides",
        );
    }
}
