//! Text that becomes a tree: a file as it is, or what is left of it when the tables of rules are read apart.
//! Turns offsets back into places of the file; knows TOML, and of all keys only `rule`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::reader::Faults;
use super::source::{Place, Source};

/// A whole file, a slice of it, or several put together.
pub(super) struct Text<'a> {
    source: &'a Arc<Source>,
    text: Cow<'a, str>,
    /// Where each piece begins: in this text, and in the file.
    pieces: Vec<(usize, usize)>,
    /// Room for the text without the lines that stop the parser.
    repaired: OnceCell<String>,
}

impl<'a> Text<'a> {
    pub fn whole(source: &'a Arc<Source>) -> Text<'a> {
        Text::slice(source, 0..source.text().len())
    }

    fn slice(source: &'a Arc<Source>, range: Range<usize>) -> Text<'a> {
        let pieces = vec![(0, range.start)];
        Text { source, text: source.text()[range].into(), pieces, repaired: OnceCell::new() }
    }

    pub fn source(&self) -> &'a Arc<Source> {
        self.source
    }

    /// The place in the file of a span of this text.
    pub fn place(&self, span: Range<usize>) -> Place {
        let next = self.pieces.partition_point(|&(at, _)| at <= span.start);
        let (at, start) = self.pieces[next.saturating_sub(1)];
        self.source.place(span.start - at + start..span.end.max(span.start) - at + start)
    }

    /// The tree, and its syntax errors recorded. The tree holds what could be read.
    ///
    /// At a key without `=` toml gives the rest of the file up; such lines are taken out of a copy, so that
    /// the faults behind them show too.
    pub fn parse(&self, faults: &mut Faults) -> DeTable<'_> {
        let (tree, errors) = DeTable::parse_recoverable(&self.text);
        self.record(&errors, faults);
        let stops: Vec<usize> =
            errors.iter().filter(|error| error.message().starts_with(KEY_ALONE)).filter_map(start).collect();
        if stops.is_empty() {
            return tree.into_inner();
        }
        let text = self.repaired.get_or_init(|| without_lines(&self.text, &stops));
        let (tree, errors) = DeTable::parse_recoverable(text);
        self.record(&errors, faults);
        tree.into_inner()
    }

    fn record(&self, errors: &[Error], faults: &mut Faults) {
        for error in errors {
            let (message, help) = explain(error.message());
            faults.syntax_error(&self.place(error.span().unwrap_or_default()), &message, &help);
        }
    }

    /// The tree of a text without syntax errors.
    pub fn parse_sound(&self) -> Option<DeTable<'_>> {
        let (tree, errors) = DeTable::parse_recoverable(&self.text);
        errors.is_empty().then(|| tree.into_inner())
    }
}

/// Octets of rules that are parsed at once: their trees take some 30 times as much.
const GROUP: usize = 64 << 10;

/// A file in two: the tables `[[rule]]` in groups, and the rest.
///
/// A tree takes 1.2 KiB a table: with 100,000 rules, 120 MiB for the time of reading, which a process keeps.
/// So tables of rules are parsed a few hundred at a time. A file is cut at lines that begin with `[`; whether
/// they are the headers they look like, or lie within a string or a list, shows when the parts are parsed: if
/// each group is sound TOML of rules alone, and the rest, in which each run of groups has left its first
/// header, is sound and has these headers as empty tables at their places, then the file is all of that in
/// turn. If not, whoever reads it takes it whole.
pub(super) struct Apart<'a> {
    pub rest: Text<'a>,
    /// Where in `rest` the first headers stand.
    headers: Vec<usize>,
    groups: Vec<Range<usize>>,
}

const KEY: &str = "rule";
const HEADER: &str = "[[rule]]";

impl<'a> Apart<'a> {
    pub fn of(source: &'a Arc<Source>) -> Apart<'a> {
        let text = source.text();
        let rest = Text { source, text: "".into(), pieces: Vec::new(), repaired: OnceCell::new() };
        let mut apart = Apart { rest, headers: Vec::new(), groups: Vec::new() };
        let mut run = false;
        for section in sections(text) {
            let is_rule = text[section.clone()].starts_with(HEADER);
            if is_rule && !run {
                let len = text[section.clone()].find('\n').map_or(section.len(), |at| at + 1);
                apart.headers.push(apart.rest.text.len());
                apart.rest.push(section.start..section.start + len);
            }
            match is_rule {
                true => apart.push(section, run),
                false => apart.rest.push(section),
            }
            run = is_rule;
        }
        apart
    }

    fn push(&mut self, section: Range<usize>, run: bool) {
        match self.groups.last_mut().filter(|group| run && group.len() < GROUP) {
            Some(group) => group.end = section.end,
            None => self.groups.push(section),
        }
    }

    /// The tree of the rest without its tables of rules; none if they are not those that were cut out.
    pub fn parse_rest(&self) -> Option<DeTable<'_>> {
        let mut tree = self.rest.parse_sound()?;
        let is_header = |(table, at): (&Spanned<DeValue<'_>>, &usize)| {
            table.span().start == *at && table.get_ref().as_table().is_some_and(|table| table.is_empty())
        };
        let rules = tree.remove(KEY);
        let tables =
            rules.as_ref().map_or(Some(&[][..]), |rules| rules.get_ref().as_array().map(|all| &**all))?;
        let as_cut = tables.len() == self.headers.len() && tables.iter().zip(&self.headers).all(is_header);
        as_cut.then_some(tree)
    }

    /// The rules' tables, a group at a time.
    pub fn groups(&self) -> impl Iterator<Item = Text<'a>> {
        self.groups.iter().map(|group| Text::slice(self.rest.source, group.clone()))
    }
}

impl Text<'_> {
    /// Appends a piece of the file.
    fn push(&mut self, piece: Range<usize>) {
        self.pieces.push((self.text.len(), piece.start));
        self.text.to_mut().push_str(&self.source.text()[piece]);
    }
}

/// The text from each line that begins with `[` to the next, and what stands before the first.
fn sections(text: &str) -> impl Iterator<Item = Range<usize>> {
    let starts = text.match_indices("\n[").map(|(at, _)| at + 1).chain([text.len()]);
    starts.scan(0, |start, end| Some(std::mem::replace(start, end)..end))
}

/// The tree of a group, if it is sound and holds nothing but rules.
pub(super) fn parse_group<'t>(group: &'t Text<'_>) -> Option<DeTable<'t>> {
    group.parse_sound().filter(|tree| tree.len() == 1 && tree.contains_key(KEY))
}

fn start(error: &Error) -> Option<usize> {
    error.span().map(|span| span.start)
}

/// The text with the lines of these offsets as spaces, so that all else keeps its place.
fn without_lines(text: &str, offsets: &[usize]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for &offset in offsets {
        let offset = offset.min(bytes.len());
        let line_start = bytes[..offset].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line = bytes[line_start..].iter_mut().take_while(|byte| **byte != b'\n');
        line.for_each(|byte| *byte = b' ');
    }
    String::from_utf8(bytes).expect("whole lines were replaced, so no character was cut")
}

const KEY_ALONE: &str = "key with no value";
pub(super) const MISSING_COMMA: &str = "missing comma between array elements";

/// The parser's "what, expected this" as what is wrong and what to do.
fn explain(message: &str) -> (String, String) {
    let (what, expected) = match message.split_once(", expected ") {
        Some((what, _)) if what == MISSING_COMMA => {
            (what, "write `,` between two items, or `]` where the list ends".to_owned())
        }
        Some((what, expected)) => (what, format!("expected {expected} here")),
        None if message == "duplicate key" => (message, "keep one of the two".to_owned()),
        None => (message, "correct the line; https://toml.io shows how TOML is written".to_owned()),
    };
    (format!("not TOML: {what}"), expected)
}
