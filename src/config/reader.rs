//! Reads values off a TOML tree with spans: a fault is recorded with its place, and reading goes on. The
//! schema says which keys there are by asking for them; what nobody asked for is unknown.

use std::collections::{BTreeSet, HashMap};
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::diagnostic::{Diagnostic, Severity, listed};
use super::source::Place;
use super::suggest;
use super::text::{self, Text};

/// All that was found wrong so far.
#[derive(Clone, Default)]
pub(super) struct Faults {
    diagnostics: Vec<Diagnostic>,
    /// Lines that are not TOML: what stands on them was read by guess, so nothing more is said of them.
    broken_lines: HashMap<Arc<Path>, BTreeSet<usize>>,
    last_syntax_error: String,
    lost_file: bool,
}

impl Faults {
    /// A file that could not be read at all.
    pub fn lost_file(&mut self, diagnostic: Diagnostic) {
        self.lost_file = true;
        self.push(diagnostic);
    }

    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub fn error(&mut self, code: &str, place: &Place, message: impl AsRef<str>, help: impl AsRef<str>) {
        if !self.is_broken_line(place) {
            self.push(Diagnostic::error(code, place, message, help));
        }
    }

    pub fn warning(&mut self, code: &str, place: &Place, message: impl AsRef<str>, help: impl AsRef<str>) {
        self.push(Diagnostic::warning(code, place, message, help));
    }

    /// One error a line, as the parser often stumbles more than once over the same slip; and one for a list
    /// that isn't closed, as it then takes every line for an item.
    pub fn syntax_error(&mut self, place: &Place, message: &str, help: &str) {
        let is_new_line = self.broken_lines.entry(place.file().clone()).or_default().insert(place.line());
        let goes_on = message.contains(text::MISSING_COMMA) && self.last_syntax_error == message;
        if is_new_line && !goes_on {
            self.push(Diagnostic::error("syntax", place, message, help));
        }
        if is_new_line {
            self.last_syntax_error = message.to_owned();
        }
    }

    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|fault| fault.severity == Severity::Error).count()
    }

    /// Part of what was meant is missing, so nothing should be said of what is absent.
    pub fn is_incomplete(&self) -> bool {
        self.lost_file || !self.broken_lines.is_empty()
    }

    /// Behind a syntax error keys may have landed in the wrong table.
    fn is_behind_syntax_error(&self, place: &Place) -> bool {
        let first = self.broken_lines.get(place.file()).and_then(BTreeSet::first);
        first.is_some_and(|&first| place.line() >= first)
    }

    fn is_broken_line(&self, place: &Place) -> bool {
        self.broken_lines.get(place.file()).is_some_and(|lines| lines.contains(&place.line()))
    }

    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }
}

/// What a reader of one value's text finds wrong; the place is added by who called it.
pub(super) struct Wrong {
    pub code: &'static str,
    pub message: String,
    pub help: String,
}

impl Wrong {
    pub fn new(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { code, message: message.into(), help: help.into() }
    }
}

/// Something read, and where.
#[derive(Clone)]
pub(super) struct At<T> {
    pub value: T,
    pub place: Place,
}

/// One value as written, with the key that it stands under.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub key: &'a str,
    pub value: &'a DeValue<'a>,
    is_item: bool,
    text: &'a Text<'a>,
    span: Range<usize>,
}

impl<'a> Node<'a> {
    fn new(text: &'a Text<'a>, key: &'a str, value: &'a Spanned<DeValue<'a>>) -> Node<'a> {
        Node { key, value: value.get_ref(), is_item: false, text, span: value.span() }
    }

    pub fn place(&self) -> Place {
        self.text.place(self.span.clone())
    }

    /// The values of a list.
    pub fn items(&self) -> Option<impl Iterator<Item = Node<'a>> + use<'a>> {
        let (text, key) = (self.text, self.key);
        let values = self.value.as_array()?;
        Some(values.iter().map(move |value| Node { is_item: true, ..Node::new(text, key, value) }))
    }

    pub fn wrong(&self, wrong: Wrong, faults: &mut Faults) {
        faults.error(wrong.code, &self.place(), wrong.message, wrong.help);
    }

    pub fn wrong_type(&self, wanted: &str, help: impl AsRef<str>, faults: &mut Faults) {
        let item = if self.is_item { "an item of " } else { "" };
        let message = format!("{item}`{}` must be {wanted}, not {}", self.key, type_name(self.value));
        faults.error("wrong-type", &self.place(), message, help);
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A string, and what `parse` makes of it. `example` is shown to who wrote something else.
pub(super) fn string<T>(
    example: &'static str,
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> impl Fn(Node<'_>, &mut Faults) -> Option<T> {
    move |node, faults| {
        let Some(text) = node.value.as_str() else {
            node.wrong_type("a string", format!("write it like this: {example}"), faults);
            return None;
        };
        parse(text).map_err(|wrong| node.wrong(wrong, faults)).ok()
    }
}

/// A whole number within bounds.
pub(super) fn whole<T>(bounds: RangeInclusive<T>) -> impl Fn(Node<'_>, &mut Faults) -> Option<T>
where
    T: Copy + PartialOrd + TryFrom<i128> + std::fmt::Display,
{
    move |node, faults| {
        let help = format!("write a number from {} to {}", bounds.start(), bounds.end());
        let Some(number) = node.value.as_integer() else {
            node.wrong_type("a whole number", help, faults);
            return None;
        };
        let within =
            integer(number).and_then(|number| T::try_from(number).ok()).filter(|n| bounds.contains(n));
        if within.is_none() {
            node.wrong(Wrong::new("out-of-bounds", format!("`{}` is out of bounds", node.key), help), faults);
        }
        within
    }
}

pub(super) fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

pub(super) fn flag(node: Node<'_>, faults: &mut Faults) -> Option<bool> {
    let value = node.value.as_bool();
    if value.is_none() {
        node.wrong_type("true or false", "write true or false, without quotes", faults);
    }
    value
}

/// One word of a few.
pub(super) fn one_of<T: Copy, const N: usize>(
    words: [(&'static str, T); N],
) -> impl Fn(Node<'_>, &mut Faults) -> Option<T> {
    move |node, faults| {
        let known = || words.iter().map(|&(word, _)| word);
        let help = format!(
            "write one of {}",
            known().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
        );
        let Some(text) = node.value.as_str() else {
            node.wrong_type("a string", help, faults);
            return None;
        };
        let found = words.iter().find(|&&(word, _)| word == text).map(|&(_, value)| value);
        if found.is_none() {
            let help =
                suggest::nearest(text, known()).map_or(help, |word| format!("did you mean \"{word}\"?"));
            let message = format!("`{}` can't be \"{text}\"", node.key);
            node.wrong(Wrong::new("unknown-word", message, help), faults);
        }
        found
    }
}

/// A list whose items are all read, so that all their faults show; none if one of them is wrong.
pub(super) fn list<T>(
    item: impl Fn(Node<'_>, &mut Faults) -> Option<T>,
) -> impl Fn(Node<'_>, &mut Faults) -> Option<Vec<T>> {
    move |node, faults| {
        let Some(nodes) = node.items() else {
            node.wrong_type("a list", format!("put it in brackets: {} = [...]", node.key), faults);
            return None;
        };
        let items: Vec<Option<T>> = nodes.map(|node| item(node, faults)).collect();
        items.into_iter().collect()
    }
}

/// A list that must hold something.
pub(super) fn some<T>(
    read: impl Fn(Node<'_>, &mut Faults) -> Option<Vec<T>>,
    help: &'static str,
) -> impl Fn(Node<'_>, &mut Faults) -> Option<Vec<T>> {
    move |node, faults| {
        let items = read(node.clone(), faults)?;
        if items.is_empty() {
            node.wrong(Wrong::new("empty-list", format!("`{}` is empty", node.key), help), faults);
            return None;
        }
        Some(items)
    }
}

/// The value with its place, for checks that come later.
pub(super) fn at<T>(
    read: impl Fn(Node<'_>, &mut Faults) -> Option<T>,
) -> impl Fn(Node<'_>, &mut Faults) -> Option<At<T>> {
    move |node, faults| {
        let place = node.place();
        read(node, faults).map(|value| At { value, place })
    }
}

/// A table, `example` shown to who wrote something else.
pub(super) fn table<T>(
    title: &'static str,
    example: &'static str,
    read: impl Fn(&mut Table<'_>, &mut Faults) -> T,
) -> impl Fn(Node<'_>, &mut Faults) -> Option<T> {
    move |node, faults| read_table(node, title, example, &read, faults)
}

pub(super) fn read_table<T>(
    node: Node<'_>,
    title: &'static str,
    example: &'static str,
    read: impl FnOnce(&mut Table<'_>, &mut Faults) -> T,
    faults: &mut Faults,
) -> Option<T> {
    let Some(entries) = node.value.as_table() else {
        node.wrong_type("a table", format!("write it like this: {example}"), faults);
        return None;
    };
    let mut table = Table::new(title, entries, node.text, node.place());
    let value = read(&mut table, faults);
    table.finish(faults);
    Some(value)
}

/// A table being read. The keys asked for are the keys known.
pub(super) struct Table<'a> {
    pub place: Place,
    /// As messages call it: `[server]`.
    title: &'static str,
    entries: &'a DeTable<'a>,
    text: &'a Text<'a>,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub fn new(title: &'static str, entries: &'a DeTable<'a>, text: &'a Text<'a>, place: Place) -> Table<'a> {
        Table { place, title, entries, text, known: Vec::with_capacity(16) }
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The key is there, and not just an empty list.
    pub fn holds_something(&self, key: &str) -> bool {
        let is_empty = |value: &DeValue<'_>| value.as_array().is_some_and(|items| items.is_empty());
        self.entries.get(key).is_some_and(|value| !is_empty(value.get_ref()))
    }

    /// Where the key itself stands.
    pub fn key_place(&self, key: &str) -> Option<Place> {
        self.entries.get_key_value(key).map(|(written, _)| self.text.place(written.span()))
    }

    /// None if the key is absent, or its value wrong (which is recorded).
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Node<'_>, &mut Faults) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.entries.get(key)?;
        read(Node::new(self.text, key, value), faults)
    }

    /// As `optional`, but absence is a fault.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(Node<'_>, &mut Faults) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        if !self.has(key) && !faults.is_incomplete() {
            let message = format!("{} needs `{key}`", self.title);
            faults.error("missing-key", &self.place, message, format!("add {example}"));
        }
        self.optional(key, read, faults)
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self, faults: &mut Faults) {
        for key in self.entries.keys() {
            if !self.known.contains(&key.get_ref().as_ref()) {
                self.unknown(key.get_ref(), &self.text.place(key.span()), faults);
            }
        }
    }

    fn unknown(&self, key: &str, place: &Place, faults: &mut Faults) {
        if faults.is_behind_syntax_error(place) {
            return;
        }
        let help = match suggest::nearest(key, self.known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("what can stand here: {}", listed(self.known.iter().copied())),
        };
        faults.error("unknown-key", place, format!("unknown key `{key}` in {}", self.title), help);
    }
}
