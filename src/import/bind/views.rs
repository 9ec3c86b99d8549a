//! The sets of zones and rules of a `named.conf`: the general one, or one for each view.

use super::options;
use super::translation::{Refusal, Scope, Translation, Unit, named};
use super::tree::Statement;
use crate::import::draft::{Setting, Value, View, free_name};
use crate::import::{Outcome, Place};

impl<'a> Translation<'a> {
    pub fn units(&mut self) {
        let views: Vec<&'a Statement> =
            self.top.iter().filter(|statement| statement.name() == "view").collect();
        let zones: Vec<&'a Statement> =
            self.top.iter().filter(|statement| statement.name() == "zone").collect();
        if views.is_empty() {
            let scope = Scope { view: None, options: self.options };
            self.server_access(&[scope]);
            self.default_access(&scope);
            let unit = self.unit(&scope, &zones);
            self.draft.rules = unit.rules;
            self.draft.zones = unit.zones;
            self.special_names();
        } else if let [view] = views.as_slice()
            && named(view.body(), "match-clients").is_none_or(is_any)
            && named(view.body(), "match-destinations").is_none_or(is_any)
            && zones.is_empty()
        {
            self.only_view(view);
        } else {
            self.views(&views);
            for zone in zones {
                let why = "where there are views, all zones stand in views";
                self.refused(zone, Refusal::new(why, "write it into the views that have it"));
            }
        }
        self.leftover_options();
    }

    /// Rules and zones of the general part, or of one view.
    fn unit(&mut self, scope: &Scope<'a>, zones: &[&'a Statement]) -> Unit<'a> {
        let mut unit = Unit::default();
        let general = self.general_forwarders(scope, &mut unit);
        for zone in zones {
            self.zone(zone, scope, &mut unit);
        }
        let general = self.general_of(&unit, general, zones);
        self.private_names(scope, general.as_ref(), &mut unit);
        self.rules_below_zones(&unit);
        self.delegated(scope, general.as_ref(), &mut unit);
        self.recursion(scope, general.is_some());
        unit
    }

    /// BIND without forwarders finds every name itself.
    fn recursion(&mut self, scope: &Scope<'a>, has_general: bool) {
        let statement = scope.find("recursion");
        let recursion = scope.is_on("recursion", true);
        match (recursion, has_general) {
            (false, _) => self.once(statement, |it, statement| {
                it.translated(statement, "no [[rule]] for all names: what no zone has is refused");
            }),
            (true, true) => self.once(statement, |it, statement| {
                it.translated(
                    statement,
                    "[[rule]] and [server] allow: names are looked up for whom it lets in",
                );
            }),
            (true, false) => {
                let refusal = Refusal::new(
                    "BIND finds names that no zone has from the root down; dnsfwd asks targets, and refuses them as \
                     long as there are none",
                    "name a resolver: an [[endpoint]] with its addresses, and a [[rule]] with domain = \".\"",
                );
                match statement {
                    Some(statement) => {
                        self.once(Some(statement), |it, statement| it.refused(statement, refusal))
                    }
                    None => {
                        let place =
                            scope.view.map_or_else(|| self.options_place(), |view| view.place.clone());
                        let Refusal { why, what_to_do } = refusal;
                        self.implied(&place, "recursion yes", Outcome::Refused { why, what_to_do });
                    }
                }
            }
        }
    }

    /// What BIND takes where nobody says who may have names looked up.
    fn default_access(&mut self, scope: &Scope<'a>) {
        let said = ["allow-recursion", "allow-query-cache", "allow-query"];
        if said.iter().any(|name| scope.find(name).is_some()) {
            return;
        }
        let place = scope.view.map_or_else(|| self.options_place(), |view| view.place.clone());
        match scope.is_on("recursion", true) {
            true => {
                let key = "[server] allow: \"localnets\", the networks of this machine's interfaces when the \
                           configuration is read, and \"localhost\", its addresses";
                self.implied(
                    &place,
                    "allow-recursion { localnets; localhost; }",
                    Outcome::Translated { key: key.to_owned() },
                );
            }
            false => {
                let key = "[server] allow".to_owned();
                self.implied(&place, "allow-query { any; }", Outcome::Translated { key });
            }
        }
    }

    /// Names that dnsfwd answers itself and BIND does not.
    fn special_names(&mut self) {
        if !self.draft.rules.iter().any(|rule| rule.domains == ["."]) {
            return;
        }
        let taken = |name: &str| {
            self.draft.rules.iter().any(|rule| rule.domains.iter().any(|domain| domain == name))
                || self.draft.zones.iter().any(|zone| zone.name == name)
        };
        let names: Vec<&str> =
            ["localhost", "test", "invalid", "onion"].into_iter().filter(|name| !taken(name)).collect();
        if names.is_empty() {
            return;
        }
        let what = format!(
            "{} and names below are answered here and not forwarded (RFC 6761, RFC 7686); a [[rule]] or [[zone]] of \
             that name has it otherwise",
            names.join(", ")
        );
        let place = self.options_place();
        self.implied(&place, "special names", Outcome::Changed { what });
    }

    /// A view that all clients get is no view: its zones and rules are the general ones.
    fn only_view(&mut self, view: &'a Statement) {
        let class = view.words().nth(1).unwrap_or("in");
        if !class.eq_ignore_ascii_case("in") {
            let why = format!("questions of class {} are not answered here", class.to_ascii_uppercase());
            return self.refused(view, Refusal::new(why, "leave it out: clients ask for class IN"));
        }
        let scope = Scope { view: Some(view), options: self.options };
        self.server_access(&[scope]);
        self.default_access(&scope);
        let zones: Vec<&'a Statement> =
            view.body().iter().filter(|statement| statement.name() == "zone").collect();
        let unit = self.unit(&scope, &zones);
        self.draft.rules = unit.rules;
        self.draft.zones = unit.zones;
        self.special_names();
        let head = format!("view \"{}\"", view.first_word());
        let key = "the general rules and zones, as all clients get this view".to_owned();
        self.receipt.add(&view.place, head, Outcome::Translated { key });
        for statement in view.body() {
            let name = statement.name();
            if !self.has_entry(statement) && options::ELSEWHERE.contains(&name.as_str()) {
                self.leftover(statement);
            } else if !self.has_entry(statement) && name != "zone" && name != "key" {
                self.only_view_statement(statement);
            }
        }
    }

    fn only_view_statement(&mut self, statement: &'a Statement) {
        match statement.name().as_str() {
            "match-clients" | "match-destinations" => self.not_needed(statement, "it names everybody"),
            "server" => self.server(statement),
            _ if self.by_fate(statement) => {}
            _ => self.cache_option(statement),
        }
    }

    fn views(&mut self, views: &[&'a Statement]) {
        let scopes: Vec<Scope<'a>> =
            views.iter().map(|&view| Scope { view: Some(view), options: self.options }).collect();
        self.server_access(&scopes);
        for scope in &scopes {
            self.default_access(scope);
        }
        for (&view, scope) in views.iter().zip(&scopes) {
            self.view(view, scope);
        }
    }

    fn view(&mut self, view: &'a Statement, scope: &Scope<'a>) {
        let class = view.words().nth(1).unwrap_or("in");
        if !class.eq_ignore_ascii_case("in") {
            let why = format!("questions of class {} are not answered here", class.to_ascii_uppercase());
            return self.refused(view, Refusal::new(why, "leave it out: clients ask for class IN"));
        }
        let clients = match named(view.body(), "match-clients").map(|list| self.access_list(list.body())) {
            None => vec!["any".to_owned()],
            Some(Ok(clients)) => clients,
            Some(Err(refusal)) => return self.refused(view, refusal),
        };
        let destinations = named(view.body(), "match-destinations");
        if let Some(destinations) = destinations.filter(|list| !is_any(list)) {
            let why = "a view is chosen by who asks, and not by the address that was asked";
            let what_to_do = "write its clients as networks, or run a second server on that address";
            self.refused(destinations, Refusal::new(why, what_to_do));
            return self
                .refused(view, Refusal::new("its match-destinations can't be carried over", what_to_do));
        }
        let zones: Vec<&'a Statement> =
            view.body().iter().filter(|statement| statement.name() == "zone").collect();
        let unit = self.unit(scope, &zones);
        let taken = |name: &str| self.draft.views.iter().any(|view| view.name == name);
        let name = free_name(view.first_word(), taken);
        let inherit = Setting { key: "inherit", value: Value::Flag(false), from: view.place.clone() };
        let head = format!("view \"{}\"", view.first_word());
        self.draft.views.push(View {
            name: name.clone(),
            clients,
            settings: vec![inherit],
            rules: unit.rules,
            zones: unit.zones,
            from: view.place.clone(),
        });
        self.receipt.add(
            &view.place,
            head,
            Outcome::Translated { key: format!("[[view]] {name}, alone (inherit = false)") },
        );
        self.view_statements(view, &name);
    }

    /// What else stands in a view.
    fn view_statements(&mut self, view: &'a Statement, name: &str) {
        for statement in view.body() {
            if self.has_entry(statement) {
                continue;
            }
            match statement.name().as_str() {
                "zone" | "key" => {}
                "match-clients" => self.translated(statement, format!("clients of [[view]] {name}")),
                "match-destinations" => self.not_needed(statement, "it names all addresses"),
                "server" => self.server(statement),
                other if options::ELSEWHERE.contains(&other) => self.leftover(statement),
                _ if self.by_fate(statement) => {}
                _ => {
                    let why = "it holds for the whole server here, not for one view";
                    self.refused(statement, Refusal::new(why, "set it for all, in [server] or [cache]"));
                }
            }
        }
    }

    /// Options about zones or forwarding that no zone or rule used.
    fn leftover_options(&mut self) {
        for statement in self.options {
            if options::ELSEWHERE.contains(&statement.name().as_str()) && !self.has_entry(statement) {
                self.leftover(statement);
            }
        }
    }

    fn leftover(&mut self, statement: &'a Statement) {
        self.not_needed(statement, "nothing that is carried over depends on it");
    }
}

fn is_any(list: &Statement) -> bool {
    matches!(list.body(), [one] if one.items.len() == 1 && one.items[0].text() == Some("any"))
}

/// A place for what a file without statements does.
pub(super) fn beginning(file: &str) -> Place {
    Place { file: file.into(), line: 1, column: 1 }
}
