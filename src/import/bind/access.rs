//! Who may ask: address match lists as access lists, and the statements that name them. The lists mean the same on both
//! sides, element by element; what is not one of ours is refused.

use super::translation::{Refusal, Scope, Translation, named};
use super::tree::{Item, Statement};
use super::value;
use crate::import::Outcome;
use crate::import::draft::{Acl, Value, free_name, set};

/// What BIND lets in where nothing is written.
const LOCAL: [&str; 2] = ["localnets", "localhost"];
const WORDS: [&str; 4] = ["any", "none", "localhost", "localnets"];

impl<'a> Translation<'a> {
    /// An address match list as an access list of ours.
    pub fn access_list(&mut self, elements: &'a [Statement]) -> Result<Vec<String>, Refusal> {
        let mut clients = Vec::with_capacity(elements.len());
        for element in elements {
            let negations = element.items.iter().take_while(|item| item.is_sign('!')).count();
            if negations > 1 {
                return Err(Refusal::new("BIND reads no element with two `!`", "write one `!`, or none"));
            }
            let sign = if negations == 1 { "!" } else { "" };
            let client = self.client(element, &element.items[negations..])?;
            clients.push(format!("{sign}{client}"));
        }
        Ok(if clients.is_empty() { vec!["none".to_owned()] } else { clients })
    }

    fn client(&mut self, element: &'a Statement, items: &'a [Item]) -> Result<String, Refusal> {
        let first = items.first().and_then(Item::text);
        match (first, items) {
            (None, [inner]) => self.inner_list(element, inner.group().unwrap_or_default()),
            (Some(word), [_, key]) if word.eq_ignore_ascii_case("key") => {
                self.key_name(key.text().unwrap_or_default()).map(|name| format!("key:{name}"))
            }
            (Some("geoip"), _) => {
                let why = "where an address is on the globe is not known here (geoip)";
                Err(Refusal::new(why, "list the networks that are meant"))
            }
            (Some(text), [word, rest @ ..]) => {
                let quoted = word.word().is_some_and(|word| word.quoted);
                if !quoted && value::looks_like_address(text) {
                    return network(text, rest);
                }
                self.named_list(text)
            }
            _ => Err(Refusal::new("this element is not known", "write networks and names of lists")),
        }
    }

    /// A list within a list: one of ours with a name of its own.
    fn inner_list(&mut self, element: &Statement, elements: &'a [Statement]) -> Result<String, Refusal> {
        let clients = self.access_list(elements)?;
        let hint = format!("line-{}", element.place.line);
        Ok(self.add_list(&hint, clients, element))
    }

    fn named_list(&mut self, name: &str) -> Result<String, Refusal> {
        let lower = name.to_ascii_lowercase();
        if WORDS.contains(&lower.as_str()) {
            return Ok(lower);
        }
        if let Some(known) = self.used_acls.get(&lower) {
            return match known.is_empty() {
                true => Err(Refusal::new(format!("the list `{name}` names itself"), "take it out of itself")),
                false => Ok(known.clone()),
            };
        }
        let Some(statement) = self.acls.get(&lower).copied() else {
            return Err(Refusal::new(
                format!("no `acl` is called `{name}`"),
                "define it, or correct the name",
            ));
        };
        // While it is empty, the list is being read.
        self.used_acls.insert(lower.clone(), String::new());
        let clients = match self.access_list(statement.body()) {
            Ok(clients) => clients,
            Err(refusal) => {
                self.used_acls.remove(&lower);
                let why =
                    format!("the list `{name}` ({}) can't be carried over: {}", statement.place, refusal.why);
                return Err(Refusal::new(why, refusal.what_to_do));
            }
        };
        let ours = self.add_list(statement.first_word(), clients, statement);
        self.used_acls.insert(lower, ours.clone());
        self.translated(statement, format!("[[acl]] {ours}"));
        Ok(ours)
    }

    fn add_list(&mut self, hint: &str, clients: Vec<String>, from: &Statement) -> String {
        let hint = match hint.starts_with(|c: char| c.is_ascii_alphabetic()) {
            true => hint.to_owned(),
            false => format!("list-{hint}"),
        };
        let taken = |name: &str| WORDS.contains(&name) || self.draft.acls.iter().any(|acl| acl.name == name);
        let name = free_name(&hint, taken);
        self.draft.acls.push(Acl { name: name.clone(), clients, from: from.place.clone() });
        name
    }

    /// `[server] allow`, of those who may have names looked up; of those who may ask, where nothing is looked up.
    pub fn server_access(&mut self, scopes: &[Scope<'a>]) {
        let mut all: Vec<Vec<String>> = Vec::new();
        let mut from = None;
        for scope in scopes {
            let (statement, names) = deciding(scope);
            let clients = match statement.map(|statement| self.access_list(statement.body())) {
                None => default_clients(scope),
                Some(Ok(clients)) => clients,
                Some(Err(refusal)) => {
                    // Better nobody too many: the default of BIND stands in for the list.
                    let statement = statement.expect("a list was read from it");
                    if !self.has_entry(statement) {
                        self.refused(statement, refusal);
                    }
                    LOCAL.map(str::to_owned).to_vec()
                }
            };
            for name in names {
                self.note_access(scope, name, statement);
            }
            from = from.or(statement.map(|statement| statement.place.clone()));
            if !all.contains(&clients) {
                all.push(clients);
            }
        }
        let differ = all.len() > 1;
        let place = from.unwrap_or_else(|| self.options_place());
        let clients = union(all);
        if differ {
            let what = format!(
                "views let different clients have names looked up. Here [server] allow holds for all views: {}; \
                 which view a client gets is decided by its `clients` alone",
                clients.join(", ")
            );
            self.implied(&place, "who may ask, by view", Outcome::Changed { what });
        }
        set(&mut self.draft.server, "allow", Value::texts(clients), &place);
    }

    /// The entry of one statement about who may ask, in its own place.
    fn note_access(&mut self, scope: &Scope<'a>, name: &str, deciding: Option<&Statement>) {
        let Some(statement) = scope.find(name) else { return };
        if self.has_entry(statement) {
            return;
        }
        match deciding {
            Some(deciding) if deciding.place == statement.place => {
                let beyond = match name {
                    "allow-query" if scope.is_on("recursion", true) => {
                        "; as neither allow-recursion nor allow-query-cache is written, it says in BIND too who may \
                         have names looked up"
                    }
                    _ => "",
                };
                self.translated(statement, format!("[server] allow{beyond}"));
            }
            _ if name == "allow-query" => {
                self.translated(
                    statement,
                    "who may ask zones: `allow` of each [[zone]] that says nothing itself",
                );
            }
            Some(deciding) if deciding.body() == statement.body() => {
                self.translated(statement, "[server] allow");
            }
            _ => {
                let what =
                    "BIND asks both allow-recursion and allow-query-cache; [server] allow is the former";
                self.changed(statement, what);
            }
        }
    }

    /// Who may query zones that say nothing themselves; None: whom `[server] allow` lets in.
    pub fn zone_access(
        &mut self,
        scope: &Scope<'a>,
        zone: &'a Statement,
    ) -> Option<(Result<Vec<String>, Refusal>, &'a Statement)> {
        let own = named(zone.body(), "allow-query");
        let (decides, _) = deciding(scope);
        let general = scope.find("allow-query");
        match (own, general) {
            (Some(own), _) => Some((self.access_list(own.body()), own)),
            (None, Some(general)) if decides.is_none_or(|decides| decides.place != general.place) => {
                Some((self.access_list(general.body()), general))
            }
            (None, Some(_)) => None,
            // Anybody may ask zones, whoever may have names looked up.
            (None, None) if scope.is_on("recursion", true) => Some((Ok(vec!["any".to_owned()]), zone)),
            (None, None) => None,
        }
    }
}

/// The statement that says who may have names looked up, as BIND chooses it, and all that have a say.
fn deciding<'a>(scope: &Scope<'a>) -> (Option<&'a Statement>, &'static [&'static str]) {
    const ALL: [&str; 3] = ["allow-recursion", "allow-query-cache", "allow-query"];
    match scope.is_on("recursion", true) {
        true => (ALL.iter().find_map(|name| scope.find(name)), &ALL),
        false => (scope.find("allow-query"), &["allow-query"]),
    }
}

fn default_clients(scope: &Scope<'_>) -> Vec<String> {
    match scope.is_on("recursion", true) {
        true => LOCAL.map(str::to_owned).to_vec(),
        false => vec!["any".to_owned()],
    }
}

/// Whom one of the lists lets in. Lists that refuse somebody can't be strung together.
fn union(all: Vec<Vec<String>>) -> Vec<String> {
    match all.as_slice() {
        [one] => one.clone(),
        _ if all.iter().flatten().any(|client| client == "any" || client.starts_with('!')) => {
            vec!["any".to_owned()]
        }
        _ => {
            let mut clients: Vec<String> = Vec::new();
            for client in all.into_iter().flatten().filter(|client| client != "none") {
                if !clients.contains(&client) {
                    clients.push(client);
                }
            }
            if clients.is_empty() { vec!["none".to_owned()] } else { clients }
        }
    }
}

/// `rest` is a slash and the length of the prefix, or nothing.
fn network(text: &str, rest: &[Item]) -> Result<String, Refusal> {
    if text.contains('%') {
        let why = format!("`{text}` is of one interface, and clients are not told apart by interfaces here");
        return Err(Refusal::new(why, "write the address without %..."));
    }
    let length = rest.get(1).and_then(Item::text).and_then(value::integer);
    match value::prefix(text, length) {
        Ok(network) if length.is_none() => Ok(network.addr().to_string()),
        Ok(network) => Ok(network.to_string()),
        Err(why) => Err(Refusal::new(format!("`{text}`: {why}"), "correct the network")),
    }
}
