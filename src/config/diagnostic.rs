//! What is wrong with a configuration or a zone file, and where: the one form in which faults are kept,
//! counted and shown. Reads no file and decides nothing.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::{Deserialize, Serialize};

use super::keys;
use super::source::Place;

/// Characters of a line kept before the place that is meant, when the line is too long to keep.
const KEPT_BEFORE: usize = 60;
/// Characters of a line kept from that place on. Together a line of a diagnostic stays below 1 KiB of UTF-8
/// for ASCII text, and a hundred thousand faults below 100 MiB whatever the lines' length.
const KEPT_AFTER: usize = 300;
/// Columns from which a line is cut in front.
const CUT_FROM: usize = 240;
const CUT: char = '…';

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One fault with its place. Lines and columns count from 1; a column counts characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// A stable short name, such as `unknown-key`.
    pub code: String,
    #[serde(serialize_with = "lossy")]
    pub file: PathBuf,
    /// 0 when the file as a whole is meant.
    pub line: usize,
    pub column: usize,
    /// Characters from `column` on that are meant; at least 1.
    pub length: usize,
    /// The line itself; a very long one is cut around `column`, with `…` where something is left out.
    pub source_line: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Diagnostic {
    pub fn error(code: &str, place: &Place, message: impl AsRef<str>, help: impl AsRef<str>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, place, message.as_ref(), help.as_ref())
    }

    pub fn warning(code: &str, place: &Place, message: impl AsRef<str>, help: impl AsRef<str>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, place, message.as_ref(), help.as_ref())
    }

    fn new(severity: Severity, code: &str, place: &Place, message: &str, help: &str) -> Diagnostic {
        Diagnostic {
            severity,
            code: code.to_owned(),
            file: place.file().to_path_buf(),
            line: place.line(),
            column: place.column(),
            length: place.length(),
            source_line: excerpt(&keys::masked(place.source_line()), place.column()),
            message: harmless(message),
            help: harmless(help),
        }
    }
}

/// Paths need not be UTF-8, but a fault must be told whatever its file is called.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// How many faults of each kind; its text is a last line for a list of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub errors: usize,
    pub warnings: usize,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let Count { errors, warnings } = *self;
        write!(f, "{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings))
    }
}

pub fn count(diagnostics: &[Diagnostic]) -> Count {
    let errors = diagnostics.iter().filter(|fault| fault.severity == Severity::Error).count();
    Count { errors, warnings: diagnostics.len() - errors }
}

/// By file, line and column; faults of one place keep their order.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|a, b| order(a).cmp(&order(b)));
}

fn order(fault: &Diagnostic) -> (&Path, usize, usize) {
    (&fault.file, fault.line, fault.column)
}

/// All of them in the compiler's style, sorted, an empty line between two.
pub fn render(diagnostics: &[Diagnostic], color: bool) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|fault| order(fault));
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for fault in sorted {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&renderer.render(&[report(fault)]));
        text.push('\n');
    }
    text
}

fn report(fault: &Diagnostic) -> Group<'static> {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group =
        Group::with_title(level.primary_title(harmless(&fault.message)).id(harmless(&fault.code)));
    group = if fault.line == 0 { group.element(origin(fault)) } else { with_line(group, fault) };
    match fault.help.is_empty() {
        true => group,
        false => group.element(Level::HELP.message(harmless(&fault.help))),
    }
}

fn origin(fault: &Diagnostic) -> Origin<'static> {
    Origin::path(harmless(&fault.file.to_string_lossy()))
}

fn with_line(group: Group<'static>, fault: &Diagnostic) -> Group<'static> {
    let (line, marked) = marked_line(fault);
    let shown_column = line[..marked.start].chars().count() + 1;
    let snippet =
        Snippet::source(line).line_start(fault.line).annotation(AnnotationKind::Primary.span(marked));
    // The renderer takes the column from the line that it is given, which is wrong for a cut one.
    match shown_column == fault.column {
        true => group.element(snippet.path(harmless(&fault.file.to_string_lossy()))),
        false => group.element(origin(fault).line(fault.line).char_column(fault.column)).element(snippet),
    }
}

/// The line to show and the bytes of it to mark. Diagnostics of other makers may hold a line of any length.
fn marked_line(fault: &Diagnostic) -> (String, Range<usize>) {
    let column = fault.column.max(1);
    let cut_already = column > CUT_FROM && fault.source_line.starts_with(CUT);
    let line = match cut_already {
        true => harmless(&fault.source_line),
        false => excerpt(&fault.source_line, column),
    };
    let first = if column > CUT_FROM && line.starts_with(CUT) { KEPT_BEFORE + 1 } else { column - 1 };
    let offset = |characters| line.char_indices().nth(characters).map_or(line.len(), |(at, _)| at);
    let marked = offset(first)..offset(first.saturating_add(fault.length));
    (line, marked)
}

/// The line, or the part of it around `column`, without anything that a terminal would act on.
fn excerpt(line: &str, column: usize) -> String {
    let first = if column > CUT_FROM { column - 1 - KEPT_BEFORE } else { 0 };
    let kept = column.saturating_sub(1 + first) + KEPT_AFTER;
    let mut rest = line.chars().skip(first);
    let mut text = if first > 0 { String::from(CUT) } else { String::new() };
    text.extend(rest.by_ref().take(kept).map(harmless_character));
    if rest.next().is_some() {
        text.push(CUT);
    }
    text
}

fn harmless(text: &str) -> String {
    text.chars().map(harmless_character).collect()
}

/// Control characters as their pictures; those that turn the direction of text or show nothing, as the
/// replacement character (so that a file can't make its own faults unreadable). One for one: columns hold.
fn harmless_character(character: char) -> char {
    match character {
        '\t' => '\t',
        '\0'..='\x1f' => char::from_u32(0x2400 + character as u32).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}

/// `a`, `b` and `c`, for messages.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<Cow<'_, str>> = names.into_iter().map(|name| format!("`{name}`").into()).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Source;

    /// As other modules make them, with whatever line they have.
    fn made(line: usize, column: usize, length: usize, source_line: &str) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "bad-record".to_owned(),
            file: PathBuf::from("corp.zone"),
            line,
            column,
            length,
            source_line: source_line.to_owned(),
            message: "the type is unknown".to_owned(),
            help: "write \u{1b}[1mA".to_owned(),
        }
    }

    #[test]
    fn what_other_modules_make_is_shown_too() {
        let text = render(&[made(3, 8, 3, "www IN AAA 192.0.2.1")], false);
        let expected = "\
error[bad-record]: the type is unknown
 --> corp.zone:3:8
  |
3 | www IN AAA 192.0.2.1
  |        ^^^
  |
  = help: write \u{241b}[1mA
";
        assert_eq!(text, expected);
    }

    #[test]
    fn odd_places_do_no_harm() {
        let whole_file = render(&[made(0, 0, 1, "")], false);
        assert!(whole_file.contains("--> corp.zone\n"), "{whole_file}");
        for (line, column, length, text) in [
            (1, 0, 0, ""),
            (1, 1, 1, ""),
            (9, 99, 9, "é"),
            (1, 500, 2, "…"),
            (1, usize::MAX, usize::MAX, "a\r\n\u{1b}b"),
        ] {
            let text = render(&[made(line, column, length, text)], false);
            assert!(text.contains(&format!("corp.zone:{line}")) && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn a_long_line_is_cut_once_and_marked_right() {
        let line = format!("{}WRONG{}", "x".repeat(10_000), "y".repeat(10_000));
        let cut = Diagnostic::error(
            "c",
            &Source::new(Path::new("f"), line.clone()).place(10_000..10_005),
            "m",
            "h",
        );
        assert!(cut.source_line.chars().count() < 400 && cut.column == 10_001, "{cut:?}");
        let whole = Diagnostic { source_line: line, ..cut.clone() };
        for fault in [cut, whole] {
            let (line, marked) = marked_line(&fault);
            assert_eq!(&line[marked], "WRONG");
            assert!(render(&[fault], false).contains("--> f:1:10001\n"));
        }
    }

    #[test]
    fn lists_are_sorted_and_counted() {
        let warning = Diagnostic { severity: Severity::Warning, ..made(2, 1, 1, "b") };
        let faults = [made(10, 1, 1, "c"), warning, made(2, 3, 1, "b b")];
        let text = render(&faults, false);
        let places: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix("--> corp.zone:")).collect();
        assert_eq!(places, ["2:1", "2:3", "10:1"]);
        assert_eq!(count(&faults).to_string(), "2 errors, 1 warning");
        let read: Diagnostic = serde_json::from_str(&serde_json::to_string(&faults[0]).unwrap()).unwrap();
        assert_eq!(read, faults[0]);
    }
}
