//! Collects the faults of one zone with their places, and keeps what they show bounded. Owns the texts
//! that places point into; decides nothing about zones.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::files::SourceFile;
use crate::config::diagnostic::{Diagnostic, Severity};

/// Faults shown per zone: more than anybody reads at once, and each costs about 300 bytes.
pub const MAX_SHOWN: usize = 100;
/// Characters of a line that are shown: a line of a zone file may be as long as the file.
const MAX_LINE_SHOWN: usize = 400;

/// A place in one of the zone's texts: octets from the start of that text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: u16,
    pub at: u32,
}

pub struct Source {
    pub path: PathBuf,
    pub text: Rc<[u8]>,
}

#[derive(Default)]
pub struct Report {
    sources: Vec<Source>,
    files: Vec<SourceFile>,
    errors: Kept,
    warnings: Kept,
    cursor: Cursor,
}

#[derive(Default)]
struct Kept {
    count: usize,
    shown: Vec<Diagnostic>,
}

/// The last place that was turned into a line, so that a long file is not counted again for each fault.
#[derive(Default)]
struct Cursor {
    file: u16,
    at: usize,
    line: usize,
}

impl Report {
    /// Adds a text; its index is the `file` of places in it. `None` when there are too many.
    pub fn add_source(&mut self, path: &Path, text: Rc<[u8]>) -> Option<u16> {
        let index = u16::try_from(self.sources.len()).ok()?;
        self.sources.push(Source { path: path.to_owned(), text });
        Some(index)
    }

    /// Notes a file that is about to be read, whether it can be or not.
    pub fn reads(&mut self, path: &Path) {
        // A file that is included twice counts as it was at first: what has changed between is noticed.
        if self.files.iter().all(|known| known.path != path) {
            self.files.push(SourceFile::about_to_read(path));
        }
    }

    pub fn take_files(&mut self) -> Vec<SourceFile> {
        std::mem::take(&mut self.files)
    }

    pub fn has_errors(&self) -> bool {
        self.errors.count > 0
    }

    pub fn error(&mut self, place: Place, code: &str, message: fmt::Arguments<'_>, help: &str) {
        self.add(Severity::Error, place, code, message, help);
    }

    pub fn warning(&mut self, place: Place, code: &str, message: fmt::Arguments<'_>, help: &str) {
        self.add(Severity::Warning, place, code, message, help);
    }

    /// A file that could not be read has no text to show.
    pub fn unreadable(&mut self, path: &Path, code: &str, message: fmt::Arguments<'_>, help: &str) {
        self.errors.count += 1;
        self.errors.shown.push(Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            file: path.to_owned(),
            line: 1,
            column: 1,
            length: 1,
            source_line: String::new(),
            message: message.to_string(),
            help: help.to_owned(),
        });
    }

    fn add(&mut self, severity: Severity, place: Place, code: &str, message: fmt::Arguments<'_>, help: &str) {
        let kept = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        kept.count += 1;
        if kept.shown.len() >= MAX_SHOWN {
            return;
        }
        let source = &self.sources[usize::from(place.file)];
        let line = self.cursor.line_of(place, &source.text);
        kept.shown.push(show(severity, source, place, line, code, message, help));
    }

    /// All faults, errors before warnings when there are too many, in the order of their places.
    pub fn finish(self) -> Vec<Diagnostic> {
        let order: Vec<PathBuf> = self.sources.iter().map(|source| source.path.clone()).collect();
        let total = self.errors.count + self.warnings.count;
        let errors_hidden = self.errors.count > self.errors.shown.len();
        let mut shown = self.errors.shown;
        shown.extend(self.warnings.shown);
        shown.truncate(MAX_SHOWN);
        shown.sort_by_key(|fault| {
            (order.iter().position(|path| *path == fault.file), fault.line, fault.column)
        });
        if total > shown.len() {
            shown.extend(and_more(total - shown.len(), errors_hidden, shown.last()));
        }
        shown
    }
}

impl Cursor {
    fn line_of(&mut self, place: Place, text: &[u8]) -> usize {
        let at = (place.at as usize).min(text.len());
        if self.line == 0 || self.file != place.file || self.at > at {
            *self = Cursor { file: place.file, at: 0, line: 1 };
        }
        self.line += text[self.at..at].iter().filter(|&&byte| byte == b'\n').count();
        self.at = at;
        self.line
    }
}

fn show(
    severity: Severity,
    source: &Source,
    place: Place,
    line: usize,
    code: &str,
    message: fmt::Arguments<'_>,
    help: &str,
) -> Diagnostic {
    let text = &source.text;
    let at = (place.at as usize).min(text.len());
    let start = text[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let end = text[at..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |newline| at + newline);
    let word_end =
        text[at..end].iter().position(|byte| b" \t\r;()".contains(byte)).map_or(end, |blank| at + blank);
    Diagnostic {
        severity,
        code: code.to_owned(),
        file: source.path.clone(),
        line,
        column: characters(&text[start..at]) + 1,
        length: characters(&text[at..word_end]).max(1),
        source_line: shown_line(&text[start..end]),
        message: message.to_string(),
        help: help.to_owned(),
    }
}

/// Characters in a text that should be UTF-8; an octet that isn't counts as one.
fn characters(text: &[u8]) -> usize {
    text.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

fn shown_line(line: &[u8]) -> String {
    // No character has more than four octets.
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * MAX_LINE_SHOWN)]);
    text.trim_end_matches('\r').chars().take(MAX_LINE_SHOWN).collect()
}

fn and_more(hidden: usize, errors_hidden: bool, last: Option<&Diagnostic>) -> Option<Diagnostic> {
    let severity = if errors_hidden { Severity::Error } else { Severity::Warning };
    last.map(|last| Diagnostic {
        severity,
        code: "zone-more".to_owned(),
        message: format!("and {hidden} more"),
        help: "correct these first and check again".to_owned(),
        ..last.clone()
    })
}
