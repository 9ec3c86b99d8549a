//! Zones answered here: primary ones with their files, secondary ones with their primaries, and those that BIND alone
//! has. What is said about a zone in the options holds for zones that say nothing themselves.

use std::path::{Path, PathBuf};

use super::delegations::Parent;
use super::forward::General;
use super::translation::{Refusal, Scope, Translation, Unit, named};
use super::tree::Statement;
use super::zonefile::Copied;
use super::{value, zonefile};
use crate::import::draft::{Setting, Value, Zone, free_name};
use crate::import::{Outcome, Place, WrittenFile};

/// Statements of a zone that its own entry stands for.
const PARTS: [&str; 10] = [
    "type",
    "file",
    "forwarders",
    "forward",
    "primaries",
    "masters",
    "server-addresses",
    "server-names",
    "in-view",
    "masterfile-format",
];

impl<'a> Translation<'a> {
    /// Any zone statement. `others` are the views before, for `in-view`.
    pub fn zone(&mut self, zone: &'a Statement, scope: &Scope<'a>, unit: &mut Unit<'a>) {
        let name = match domain(zone.first_word()) {
            Ok(name) => name,
            Err(refusal) => return self.refused(zone, refusal),
        };
        let class = zone.words().nth(1).unwrap_or("in");
        if !class.eq_ignore_ascii_case("in") {
            let why = format!("questions of class {} are not answered here", class.to_ascii_uppercase());
            return self.refused(zone, Refusal::new(why, "leave it out: clients ask for class IN"));
        }
        let kind =
            named(zone.body(), "type").map(Statement::first_word).unwrap_or_default().to_ascii_lowercase();
        if kind != "hint" {
            if let Some(first) = unit.seen.get(&name) {
                let why = format!("a zone of this name stands at {first}, and the first one counts");
                return self.refused(zone, Refusal::new(why, "keep one of the two"));
            }
            unit.seen.insert(name.clone(), zone.place.clone());
        }
        match kind.as_str() {
            "primary" | "master" => self.primary(zone, name, scope, unit),
            "secondary" | "slave" => self.secondary(zone, name, scope, unit),
            "forward" => self.forward_zone(zone, &name, scope, unit),
            "stub" | "static-stub" => self.stub(zone, &name, scope, unit),
            "hint" => {
                self.not_needed(zone, "the root's servers are never asked: every name goes to a target")
            }
            "" => self.in_view(zone, name, scope, unit),
            _ => self.other(zone, &kind),
        }
        self.zone_statements(zone, &kind, unit);
    }

    fn other(&mut self, zone: &'a Statement, kind: &str) {
        let (why, what_to_do) = match kind {
            "mirror" => (
                "validated copies of a zone (mirror) are not kept here; its names are asked of targets",
                "leave it out, or make it a secondary zone",
            ),
            "redirect" => ("names that don't exist stay so: NXDOMAIN is not redirected", "leave it out"),
            _ => ("answers of a zone are not limited to delegations here", "leave it out"),
        };
        self.refused(zone, Refusal::new(why, what_to_do));
    }

    /// What stands in a zone and is not what its own entry is about.
    fn zone_statements(&mut self, zone: &'a Statement, kind: &str, unit: &Unit<'a>) {
        let has_data = matches!(kind, "primary" | "master" | "secondary" | "slave" | "");
        for statement in zone.body() {
            let name = statement.name();
            if self.has_entry(statement)
                || (PARTS.contains(&name.as_str()) && self.part_is_said(statement, kind))
            {
                continue;
            }
            match name.as_str() {
                // What they mean is known when all rules are.
                "forwarders" | "forward"
                    if unit.parents.iter().any(|parent| std::ptr::eq(parent.zone, zone)) => {}
                "forwarders" | "forward" => self.delegations(statement),
                "allow-query"
                | "allow-transfer"
                | "allow-update"
                | "update-policy"
                | "also-notify"
                | "notify"
                | "allow-notify"
                | "allow-update-forwarding" => self.access_of_zone(statement, has_data),
                _ if self.by_fate(statement) => {}
                _ => {
                    let why = "nothing of it is known here";
                    self.refused(statement, Refusal::new(why, "see whether [[zone]] has a key for it"));
                }
            }
        }
    }

    /// A `forwarders` in a zone with data is not what the zone is about.
    fn part_is_said(&self, statement: &Statement, kind: &str) -> bool {
        let is_forwarding = matches!(statement.name().as_str(), "forwarders" | "forward");
        !is_forwarding || matches!(kind, "forward" | "stub" | "static-stub")
    }

    fn delegations(&mut self, statement: &'a Statement) {
        self.changed(
            statement,
            "it is about names that the zone delegates: BIND follows the delegation, or asks these forwarders, for \
             clients that want recursion; dnsfwd gives the referral. Add a [[rule]] for each delegated child zone that \
             clients ask for",
        );
    }

    /// Statements about access in a zone, as far as the zone itself did not say what they became.
    fn access_of_zone(&mut self, statement: &'a Statement, has_access: bool) {
        let body = statement.body();
        let only_none =
            body.len() == 1 && body[0].items.first().and_then(super::tree::Item::text) == Some("none");
        let nothing = body.is_empty() && statement.name() != "notify" && statement.name() != "update-policy";
        let refuses_all = only_none || nothing;
        match statement.name().as_str() {
            "allow-transfer"
            | "allow-update"
            | "allow-update-forwarding"
            | "also-notify"
            | "allow-notify"
                if refuses_all =>
            {
                self.not_needed(statement, "nobody may, or is told, unless [[zone]] says so");
            }
            "notify" if value::flag(statement.first_word()) == Some(false) => {
                self.not_needed(statement, "nobody is told unless [[zone]] says so");
            }
            "allow-update-forwarding" => {
                let why = "updates are not handed on to a primary";
                self.refused(statement, Refusal::new(why, "let clients update at the primary"));
            }
            _ if has_access => self.not_needed(statement, "it has no meaning for a zone of this type"),
            _ => {
                let why =
                    "the zone that it belongs to has no data here: there is nothing that it could be about";
                self.refused(statement, Refusal::new(why, "see what became of the zone itself"));
            }
        }
    }

    fn primary(&mut self, zone: &'a Statement, name: String, scope: &Scope<'a>, unit: &mut Unit<'a>) {
        let Some(file) = named(zone.body(), "file") else {
            let why = "its records are not in a file";
            return self
                .refused(zone, Refusal::new(why, "write them into a master file (RFC 1035 section 5)"));
        };
        let format = named(zone.body(), "masterfile-format").or_else(|| scope.find("masterfile-format"));
        if format.is_some_and(|format| format.first_word().eq_ignore_ascii_case("raw")) {
            let what_to_do = format!(
                "make it text: named-compilezone -f raw -F text -o NEW {name} FILE, and import again"
            );
            return self.refused(
                zone,
                Refusal::new("its file is in BIND's raw format, which can't be read", what_to_do),
            );
        }
        let Copied { path: copied, delegations } = match self.zone_file(&name, Path::new(file.first_word())) {
            Ok(copied) => copied,
            Err(refusal) => return self.refused(zone, refusal),
        };
        unit.parents.push(Parent { zone, name: name.clone(), delegations });
        let from = &zone.place;
        let mut ours = Zone { name: name.clone(), settings: Vec::new(), from: from.clone() };
        ours.settings.push(Setting {
            key: "file",
            value: Value::text(copied.clone()),
            from: file.place.clone(),
        });
        self.translated(zone, format!("[[zone]] {name}, its file copied to {copied}"));
        self.journal(zone, &name, file);
        self.zone_keys(zone, scope, &mut ours, true);
        unit.zones.push(ours);
    }

    /// Changes that BIND took and has not written into the file.
    fn journal(&mut self, zone: &Statement, name: &str, file: &Statement) {
        let path = self.existing(Path::new(file.first_word()));
        let beside = PathBuf::from(format!("{}.jnl", path.display()));
        let journal = named(zone.body(), "journal")
            .map_or(beside, |journal| self.existing(Path::new(journal.first_word())));
        if journal.exists() {
            let what = format!(
                "{} holds changes that may not be in the zone's file: run `rndc sync -clean {name}` and import again",
                journal.display()
            );
            self.implied(&zone.place, &format!("journal of {name}"), Outcome::Changed { what });
        }
    }

    /// Copies the file, and what it includes, if our own reader finds no fault in it.
    fn zone_file(&mut self, name: &str, path: &Path) -> Result<Copied, Refusal> {
        let path = self.existing(path);
        if let Some(copied) =
            self.zone_files.get(&path).filter(|copied| copied.path.starts_with(&format!("zones/{name}")))
        {
            return Ok(copied.clone());
        }
        let stem = if name == "." { "root" } else { name };
        let taken = |name: &str| {
            let path = PathBuf::from(format!("zones/{name}.zone"));
            self.files.iter().any(|file| file.path == path)
        };
        let stem = match taken(stem) || stem.contains('/') {
            true => free_name(stem, taken),
            false => stem.to_owned(),
        };
        let copied = format!("zones/{stem}.zone");
        let (files, delegations) = zonefile::copy(name, &path, &self.base, &copied)?;
        self.files.extend(files.into_iter().map(|(path, contents)| WrittenFile {
            path,
            contents,
            secret: false,
        }));
        let copied = Copied { path: copied, delegations: delegations.into() };
        self.zone_files.insert(path, copied.clone());
        Ok(copied)
    }

    /// Where `directory` says, or beside the first file: configurations are copied before they are moved.
    fn existing(&self, path: &Path) -> PathBuf {
        let (found, beside) = (self.base.join(path), self.home.join(path));
        match (found.exists(), beside.exists(), path.file_name()) {
            (false, true, _) => beside,
            (false, false, Some(name)) if self.home.join(name).exists() => self.home.join(name),
            _ => found,
        }
    }

    fn secondary(&mut self, zone: &'a Statement, name: String, scope: &Scope<'a>, unit: &mut Unit<'a>) {
        let list = named(zone.body(), "primaries").or_else(|| named(zone.body(), "masters"));
        let peers = match list.map(|list| self.peers(list)) {
            Some(Ok(peers)) if !peers.is_empty() => peers,
            Some(Err(refusal)) => return self.refused(zone, refusal),
            _ => {
                return self
                    .refused(zone, Refusal::new("it has no primaries to be transferred from", "name them"));
            }
        };
        let list = list.expect("peers were read from it");
        let mut ours = Zone { name: name.clone(), settings: Vec::new(), from: zone.place.clone() };
        let primaries = Value::List(peers.iter().map(super::peers::Peer::value).collect());
        ours.settings.push(Setting { key: "primaries", value: primaries, from: list.place.clone() });
        self.translated(zone, format!("[[zone]] {name} with primaries; its copy is kept in [server] state"));
        self.needs_state(&zone.place);
        if scope.is_on("recursion", true) {
            let what = "what a secondary zone delegates is not in the files that were read: for such names BIND asks \
                        forwarders or the servers that they are delegated to, and dnsfwd gives the referral; add a \
                        [[rule]] for each that clients ask for";
            self.note(&zone.place, "delegations of secondary zones", what);
        }
        self.zone_keys(zone, scope, &mut ours, false);
        unit.zones.push(ours);
    }

    pub fn needs_state(&mut self, place: &Place) {
        if !self.draft.server.iter().any(|setting| setting.key == "state") {
            let value = Value::text("/var/lib/dnsfwd");
            crate::import::draft::set(&mut self.draft.server, "state", value, place);
        }
    }

    fn stub(&mut self, zone: &'a Statement, name: &str, scope: &Scope<'a>, unit: &mut Unit<'a>) {
        if !scope.is_on("recursion", true) {
            return self
                .not_needed(zone, "with `recursion no` BIND asks nobody, and answers from its zones alone");
        }
        let addresses = ["server-addresses", "primaries", "masters"]
            .into_iter()
            .find_map(|list| named(zone.body(), list));
        let peers = match addresses.map(|list| self.peers(list)) {
            Some(Ok(peers)) if !peers.is_empty() => peers,
            Some(Err(refusal)) => return self.refused(zone, refusal),
            _ => {
                let why = "its servers are given by names, which BIND looks up from the root down";
                let what_to_do = "write a [[rule]] with an endpoint of their addresses";
                return self.refused(zone, Refusal::new(why, what_to_do));
            }
        };
        let targets: Vec<_> = peers.iter().map(|peer| super::peers::target(peer.address)).collect();
        let endpoint = self.draft.endpoint(&targets, name, &zone.place);
        unit.rules.retain(|rule| rule.domains != [name]);
        unit.rules.push(crate::import::draft::Rule::forward(name, endpoint.clone(), &zone.place));
        let what = format!(
            "[[rule]] domain \"{name}\" to [[endpoint]] {endpoint}: these servers are asked for all names below it. \
             Where they only delegate a name, BIND goes on to the servers that they name, and dnsfwd passes their \
             referral on: add a [[rule]] for such a child zone"
        );
        self.changed(zone, what);
    }

    /// A zone of another view, by its name: the same data.
    fn in_view(&mut self, zone: &'a Statement, name: String, scope: &Scope<'a>, unit: &mut Unit<'a>) {
        let other = named(zone.body(), "in-view").map(Statement::first_word).unwrap_or_default();
        let view =
            self.top.iter().find(|statement| statement.name() == "view" && statement.first_word() == other);
        let original = view.and_then(|view| {
            let same = |statement: &&Statement| {
                statement.name() == "zone" && domain(statement.first_word()).is_ok_and(|zone| zone == name)
            };
            view.body().iter().find(same)
        });
        let kind = original
            .and_then(|zone| named(zone.body(), "type"))
            .map(Statement::first_word)
            .unwrap_or_default();
        let (Some(original), Some(view)) = (original, view) else {
            let why = "neither a type nor a zone of another view says what it is";
            return self.refused(zone, Refusal::new(why, "write its type"));
        };
        match kind.to_ascii_lowercase().as_str() {
            "primary" | "master" => {
                let scope = Scope { view: Some(view), ..*scope };
                let before = self.receipt.entries.len();
                self.primary(original, name, &scope, unit);
                self.retell(before, zone);
            }
            "secondary" | "slave" => {
                let scope = Scope { view: Some(view), ..*scope };
                let before = self.receipt.entries.len();
                self.secondary(original, name, &scope, unit);
                self.retell(before, zone);
            }
            _ => {
                let why = format!("a zone of type {kind} is not shared between views");
                self.refused(zone, Refusal::new(why, "write it in both views"));
            }
        }
    }

    /// Entries about a zone that was taken from elsewhere belong to who took it; the first is about the zone itself.
    fn retell(&mut self, before: usize, zone: &Statement) {
        self.receipt.entries.truncate(before + 1);
        if let Some(entry) = self.receipt.entries.get_mut(before) {
            entry.place = zone.place.clone();
            entry.statement = zone.shown();
        }
    }

    /// Who may query, transfer and update, and who is told of changes.
    fn zone_keys(&mut self, zone: &'a Statement, scope: &Scope<'a>, ours: &mut Zone, is_primary: bool) {
        if let Some((clients, from)) = self.zone_access(scope, zone) {
            self.set_clients(clients, from, "allow", zone, ours);
        }
        let find = |name: &str| named(zone.body(), name).or_else(|| scope.find(name));
        match find("allow-transfer") {
            Some(statement) => {
                let clients = self.access_list(statement.body());
                self.set_clients(clients, statement, "allow_transfer", zone, ours);
            }
            None if self.version.anybody_may_transfer() => {
                let from = zone.place.clone();
                let value = Value::texts(["any"]);
                ours.settings.push(Setting { key: "allow_transfer", value, from });
            }
            None => {}
        }
        if is_primary {
            self.updates(zone, scope, ours);
        } else if let Some(statement) = find("allow-notify") {
            let clients = self.access_list(statement.body());
            self.set_clients(clients, statement, "allow_notify", zone, ours);
        }
        self.notifications(zone, scope, ours);
    }

    fn set_clients(
        &mut self,
        clients: Result<Vec<String>, Refusal>,
        from: &'a Statement,
        key: &'static str,
        zone: &'a Statement,
        ours: &mut Zone,
    ) {
        match clients {
            Ok(clients) if clients == ["none"] && key != "allow" => {
                self.once(Some(from), |it, from| it.not_needed(from, "nobody may unless [[zone]] says so"));
            }
            Ok(clients) => {
                ours.settings.push(Setting { key, value: Value::texts(clients), from: from.place.clone() });
                if from.place != zone.place {
                    self.once(Some(from), |it, from| it.translated(from, format!("{key} of [[zone]]")));
                }
            }
            Err(refusal) => {
                if key == "allow" {
                    let value = Value::texts(["none"]);
                    ours.settings.push(Setting { key, value, from: from.place.clone() });
                }
                self.once(Some(from), |it, from| it.refused(from, refusal));
            }
        }
    }

    fn updates(&mut self, zone: &'a Statement, scope: &Scope<'a>, ours: &mut Zone) {
        if let Some(policy) = named(zone.body(), "update-policy") {
            let why = "who may update may update the whole zone: there are no rules by name and type";
            let what_to_do =
                "list the keys in allow_update if that is acceptable, or leave the zone where it is";
            return self.refused(policy, Refusal::new(why, what_to_do));
        }
        let Some(statement) = named(zone.body(), "allow-update").or_else(|| scope.find("allow-update"))
        else {
            return;
        };
        let clients = self.access_list(statement.body());
        if clients.as_ref().is_ok_and(|clients| clients != &["none"]) {
            self.needs_state(&statement.place);
        }
        self.set_clients(clients, statement, "allow_update", zone, ours);
    }

    fn notifications(&mut self, zone: &'a Statement, scope: &Scope<'a>, ours: &mut Zone) {
        let notify = named(zone.body(), "notify").or_else(|| scope.find("notify"));
        let word = notify.map(Statement::first_word).unwrap_or("yes").to_ascii_lowercase();
        let also = named(zone.body(), "also-notify").or_else(|| scope.find("also-notify"));
        if value::flag(&word) == Some(false) {
            self.once(notify, |it, notify| it.not_needed(notify, "nobody is told unless [[zone]] says so"));
            self.once(also, |it, also| it.not_needed(also, "with `notify no` nobody is told"));
            return;
        }
        if let Some(also) = also {
            match self.peers(also) {
                Ok(peers) if !peers.is_empty() => {
                    let value = Value::List(peers.iter().map(super::peers::Peer::value).collect());
                    ours.settings.push(Setting { key: "notify", value, from: also.place.clone() });
                    self.once(Some(also), |it, also| it.translated(also, "notify of [[zone]]"));
                }
                Ok(_) => self.once(Some(also), |it, also| it.not_needed(also, "it names nobody")),
                Err(refusal) => self.once(Some(also), |it, also| it.refused(also, refusal)),
            }
        }
        let what = "those in `notify` of [[zone]] are told of changes; the servers of a zone's NS records, whom BIND \
                    tells too, have to be listed there";
        match notify {
            Some(notify) if word == "explicit" => {
                self.once(Some(notify), |it, notify| {
                    it.translated(notify, "notify of [[zone]], and nobody else")
                });
            }
            Some(notify) => self.once(Some(notify), |it, notify| it.changed(notify, what)),
            None => {
                let place = self.options_place();
                self.note(&place, "notify yes", what);
            }
        }
    }

    /// What holds for many zones is said once.
    fn note(&mut self, place: &Place, statement: &str, what: &str) {
        let shown = format!("({statement})");
        if !self.receipt.entries.iter().any(|entry| entry.statement == shown) {
            self.implied(place, statement, Outcome::Changed { what: what.to_owned() });
        }
    }

    /// The rule for all names that a zone "." makes.
    pub fn general_of(
        &self,
        unit: &Unit<'a>,
        general: Option<General>,
        zones: &[&'a Statement],
    ) -> Option<General> {
        let zone = zones.iter().find(|zone| {
            zone.first_word() == "."
                && named(zone.body(), "type")
                    .is_some_and(|kind| kind.first_word().eq_ignore_ascii_case("forward"))
        });
        let rule = unit.rules.iter().find(|rule| rule.domains == ["."]);
        let Some((zone, rule)) = zone.zip(rule) else { return general };
        let endpoint = rule.endpoint.clone()?;
        let targets = self.draft.endpoints.iter().find(|known| known.name == endpoint)?.targets.clone();
        let only = named(zone.body(), "forward")
            .is_some_and(|policy| policy.first_word().eq_ignore_ascii_case("only"));
        Some(General { endpoint, targets, place: zone.place.clone(), only })
    }
}

/// A domain as our configuration takes it: in lower case, without its last dot.
pub(super) fn domain(text: &str) -> Result<String, Refusal> {
    let bare = match text {
        "." => ".",
        _ => text.strip_suffix('.').unwrap_or(text),
    };
    let plain = bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let address = bare.parse::<std::net::IpAddr>().is_ok() || bare.parse::<ipnet::IpNet>().is_ok();
    let sound = plain && !address && !bare.starts_with("*.") && crate::wire::name::Name::parse(bare).is_ok();
    match sound {
        true => Ok(bare.to_ascii_lowercase()),
        false => {
            let why =
                format!("`{}` is no domain name that a zone or rule here can have", bare.escape_default());
            Err(Refusal::new(why, "correct the name"))
        }
    }
}
