//! What became of each statement of a source, for people (`receipt.txt`) and for programs (`receipt.json`). Decides
//! nothing: who translates says the outcome.

use std::fmt::Write;

use serde::Serialize;

use super::text::wrapped;
use super::{Kind, Place};

/// All entries in the order in which they were made.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub kind: Kind,
    /// The file that was given.
    pub source: String,
    pub entries: Vec<Entry>,
}

/// One statement of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the statement begins.
    pub place: Place,
    /// As written there, shortened; or what the source does without a statement, in parentheses.
    pub statement: String,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It does the same here, by this key.
    Translated { key: String },
    /// Left out, and nothing is lost by it.
    NotNeeded { why: String },
    /// Clients or operators will see a difference.
    Changed { what: String },
    /// Not carried over.
    Refused { why: String, what_to_do: String },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub entries: usize,
    pub refused: usize,
    pub changed: usize,
    pub translated: usize,
    pub not_needed: usize,
}

/// An entry as programs read it.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    statement: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what_to_do: Option<&'a str>,
}

impl Receipt {
    pub fn new(kind: Kind, source: String) -> Receipt {
        Receipt { kind, source, entries: Vec::new() }
    }

    pub fn add(&mut self, place: &Place, statement: impl Into<String>, outcome: Outcome) {
        self.entries.push(Entry { place: place.clone(), statement: statement.into(), outcome });
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts { entries: self.entries.len(), ..Counts::default() };
        for entry in &self.entries {
            *match entry.outcome {
                Outcome::Translated { .. } => &mut counts.translated,
                Outcome::NotNeeded { .. } => &mut counts.not_needed,
                Outcome::Changed { .. } => &mut counts.changed,
                Outcome::Refused { .. } => &mut counts.refused,
            } += 1;
        }
        counts
    }

    /// For operators: what needs them first.
    pub fn text(&self) -> String {
        let counts = self.counts();
        let mut page = format!(
            "{} ({}), {} entries: {} refused, {} changed, {} translated, {} not needed\n",
            self.source,
            self.kind.title(),
            counts.entries,
            counts.refused,
            counts.changed,
            counts.translated,
            counts.not_needed
        );
        for (title, which) in GROUPS {
            let entries: Vec<&Entry> = self.entries.iter().filter(|entry| which(&entry.outcome)).collect();
            if !entries.is_empty() {
                let _ = write!(page, "\n{title} ({})\n", entries.len());
                for entry in entries {
                    page.push_str(&entry.text());
                }
            }
        }
        page
    }

    /// The rows of `receipt.json`.
    pub(super) fn rows(&self) -> impl Serialize + '_ {
        self.entries.iter().map(Row::of).collect::<Vec<_>>()
    }
}

type Group = (&'static str, fn(&Outcome) -> bool);

const GROUPS: [Group; 4] = [
    ("refused: needs you", |outcome| matches!(outcome, Outcome::Refused { .. })),
    ("changed: carried over, with a difference", |outcome| matches!(outcome, Outcome::Changed { .. })),
    ("translated", |outcome| matches!(outcome, Outcome::Translated { .. })),
    ("not needed", |outcome| matches!(outcome, Outcome::NotNeeded { .. })),
];

impl Entry {
    fn text(&self) -> String {
        let Place { file, line, column } = &self.place;
        let mut text = format!("  {file}:{line}:{column}  {}\n", self.statement);
        let mut explain = |label: &str, sentence: &str| {
            for (number, line) in wrapped(sentence, 100).into_iter().enumerate() {
                let label = if number == 0 { label } else { "" };
                let _ = writeln!(text, "      {label:<4}{line}");
            }
        };
        match &self.outcome {
            Outcome::Translated { key } => explain("->", key),
            Outcome::NotNeeded { why } => explain("", why),
            Outcome::Changed { what } => explain("", what),
            Outcome::Refused { why, what_to_do } => {
                explain("", why);
                explain("do", what_to_do);
            }
        }
        text
    }
}

impl<'a> Row<'a> {
    fn of(entry: &'a Entry) -> Row<'a> {
        let Place { file, line, column } = &entry.place;
        let (outcome, key, why, what, what_to_do) = match &entry.outcome {
            Outcome::Translated { key } => ("translated", Some(&**key), None, None, None),
            Outcome::NotNeeded { why } => ("not-needed", None, Some(&**why), None, None),
            Outcome::Changed { what } => ("changed", None, None, Some(&**what), None),
            Outcome::Refused { why, what_to_do } => {
                ("refused", None, Some(&**why), None, Some(&**what_to_do))
            }
        };
        let (line, column) = (*line, *column);
        Row { file, line, column, statement: &entry.statement, outcome, key, why, what, what_to_do }
    }
}
