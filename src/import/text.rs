//! The draft as TOML, as an operator would have written it: a table for each thing, and behind or above it the line of
//! the source that it comes from. Adds nothing that the draft does not hold.

use std::fmt::Write;

use super::draft::{Draft, Endpoint, Rule, Setting, Target, Value, View, Zone};
use super::{Kind, Place};

/// Columns that a line is kept to where it can be broken.
const WIDTH: usize = 110;
/// Where comments behind a value begin, if the value is not longer.
const COMMENT: usize = 40;

impl Draft {
    /// The text of `dnsfwd.toml`. `source` is the file it was made from.
    pub fn to_toml(&self, kind: Kind, source: &str) -> String {
        let made = format!(
            "Made by `dnsfwd import` from {}, a configuration of {}. What became of each statement is in receipt.txt; \
             comments here say where in the source a line comes from.",
            one_line(source),
            kind.title()
        );
        let mut page: String = wrapped(&made, WIDTH).iter().map(|line| format!("# {line}\n")).collect();
        page.push_str("version = 1\n");
        for (title, settings) in
            [("server", &self.server), ("cache", &self.cache), ("metrics", &self.metrics), ("log", &self.log)]
        {
            if !settings.is_empty() {
                let _ = write!(page, "\n[{title}]\n");
                write_settings(&mut page, settings);
            }
        }
        for acl in &self.acls {
            head(&mut page, "[[acl]]", &[&acl.from]);
            line(&mut page, "name", &Value::text(&acl.name), None);
            line(&mut page, "clients", &Value::texts(&acl.clients), None);
        }
        for key in &self.keys {
            head(&mut page, "[[key]]", &[&key.from]);
            line(&mut page, "name", &Value::text(&key.name), None);
            line(&mut page, "algorithm", &Value::text(&key.algorithm), None);
            line(&mut page, "secret_file", &Value::text(&key.secret_file), None);
        }
        self.endpoints.iter().for_each(|endpoint| write_endpoint(&mut page, endpoint));
        self.zones.iter().for_each(|zone| write_zone(&mut page, "[[zone]]", zone));
        self.rules.iter().for_each(|rule| write_rule(&mut page, "[[rule]]", rule));
        self.views.iter().for_each(|view| write_view(&mut page, view));
        page
    }
}

fn write_view(page: &mut String, view: &View) {
    head(page, "[[view]]", &[&view.from]);
    line(page, "name", &Value::text(&view.name), None);
    line(page, "clients", &Value::texts(&view.clients), None);
    write_settings(page, &view.settings);
    view.zones.iter().for_each(|zone| write_zone(page, "[[view.zone]]", zone));
    view.rules.iter().for_each(|rule| write_rule(page, "[[view.rule]]", rule));
}

fn write_zone(page: &mut String, title: &str, zone: &Zone) {
    head(page, title, &[&zone.from]);
    line(page, "name", &Value::text(&zone.name), None);
    write_settings(page, &zone.settings);
}

fn write_endpoint(page: &mut String, endpoint: &Endpoint) {
    head(page, "[[endpoint]]", &endpoint.from.iter().collect::<Vec<_>>());
    line(page, "name", &Value::text(&endpoint.name), None);
    let targets = endpoint.targets.iter().map(target).collect();
    line(page, "targets", &Value::List(targets), None);
    write_settings(page, &endpoint.settings);
}

fn target(target: &Target) -> Value {
    let tier = (target.tier > 0).then(|| ("tier", Value::Number(target.tier.into())));
    let address = ("address", Value::text(&target.address));
    Value::Inline(std::iter::once(address).chain(tier).collect())
}

fn write_rule(page: &mut String, title: &str, rule: &Rule) {
    head(page, title, &[&rule.from]);
    match rule.domains.as_slice() {
        [] => {}
        [domain] => line(page, "domain", &Value::text(domain), None),
        domains => line(page, "domains", &Value::texts(domains), None),
    }
    if !rule.reverse.is_empty() {
        line(page, "reverse", &Value::texts(&rule.reverse), None);
    }
    match &rule.endpoint {
        Some(endpoint) => line(page, "endpoint", &Value::text(endpoint), None),
        None => line(page, "type", &Value::text("SYSTEM"), None),
    }
    write_settings(page, &rule.settings);
}

/// The places in a comment, then the table's title. Many places are cut short: the receipt has them all.
fn head(page: &mut String, title: &str, from: &[&Place]) {
    const SHOWN: usize = 5;
    let mut places: Vec<String> = from.iter().take(SHOWN).map(|place| one_line(&place.to_string())).collect();
    if from.len() > SHOWN {
        places.push(format!("and {} more", from.len() - SHOWN));
    }
    let _ = write!(page, "\n# {}\n{title}\n", places.join(", "));
}

fn write_settings(page: &mut String, settings: &[Setting]) {
    settings.iter().for_each(|setting| line(page, setting.key, &setting.value, Some(&setting.from)));
}

fn line(page: &mut String, key: &str, value: &Value, from: Option<&Place>) {
    let whole = format!("{key} = {}", show(value));
    let comment = from.map(|place| format!("# {}", one_line(&place.to_string())));
    let written = match value {
        Value::List(items) if whole.chars().count() > WIDTH && !items.is_empty() => broken(key, items),
        _ => whole,
    };
    // A comment stands behind the last line of its value.
    let last = written.rsplit('\n').next().map_or(0, |last| last.chars().count());
    let _ = match comment {
        Some(comment) => writeln!(page, "{written}{:pad$} {comment}", "", pad = COMMENT.saturating_sub(last)),
        None => writeln!(page, "{written}"),
    };
}

/// A list with as many items on a line as fit.
fn broken(key: &str, items: &[Value]) -> String {
    let mut text = format!("{key} = [\n ");
    let mut column = 1;
    for item in items {
        let item = show(item);
        let width = item.chars().count() + 2;
        if column > 1 && column + width > WIDTH {
            text.push_str("\n ");
            column = 1;
        }
        let _ = write!(text, " {item},");
        column += width;
    }
    text.push_str("\n]");
    text
}

fn show(value: &Value) -> String {
    match value {
        Value::Text(text) => toml::Value::String(text.clone()).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Value::Inline(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{key} = {}", show(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

/// What may stand in a comment: TOML forbids control characters there.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// A sentence as lines of at most so many characters; a longer word has a line of its own.
pub(super) fn wrapped(sentence: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_toml() {
        let place = Place { file: "na\nmed.conf".into(), line: 7, column: 1 };
        let mut draft = Draft::default();
        let list = Value::texts((0..40).map(|number| format!("10.{number}.0.0/16")));
        draft.server.push(Setting { key: "allow", value: list, from: place.clone() });
        let name = draft.endpoint(&[Target { address: "10.0.1.250".into(), tier: 1 }], "a\"b", &place);
        draft.rules.push(Rule::forward("a.corp", name, &place));
        let text = draft.to_toml(Kind::Bind, "named.conf");
        let table: toml::Table = text.parse().unwrap_or_else(|fault| panic!("{fault}\n{text}"));
        assert_eq!(table["server"]["allow"].as_array().map(Vec::len), Some(40));
        assert_eq!(table["rule"][0]["domain"].as_str(), Some("a.corp"));
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}
