//! A file's text and the places in it. While reading, a place is two offsets, and becomes line and column
//! when somebody asks; what is kept afterwards are line and column without the text. Reads no file.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// One file's text, with what is needed to turn byte offsets into lines and columns. Offsets have 32 bits:
/// a configuration file may have 64 MiB.
#[derive(Debug)]
pub struct Source {
    path: Arc<Path>,
    text: String,
    /// Byte offset of each line's first byte.
    line_starts: Vec<u32>,
    /// Offsets of UTF-8 continuation bytes: columns count characters, and a list of 100,000 domains may stand
    /// on one line, so that counting from the line's start would be quadratic. Empty for ASCII.
    continuations: Vec<u32>,
}

impl Source {
    pub fn new(path: impl Into<Arc<Path>>, text: String) -> Arc<Source> {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at as u32 + 1));
        let line_starts = line_starts.collect();
        let continuations = match text.is_ascii() {
            true => Vec::new(),
            false => continuations(&text),
        };
        Arc::new(Source { path: path.into(), text, line_starts, continuations })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of a span of bytes. Offsets behind the end mean the end.
    pub fn place(self: &Arc<Self>, span: Range<usize>) -> Place {
        let start = span.start.min(self.text.len());
        let end = span.end.clamp(start, self.text.len());
        Place { source: Arc::clone(self), start: start as u32, end: end as u32 }
    }

    /// The number of the line, from 1, that an offset lies on; a line's end belongs to it.
    fn line_at(&self, offset: u32) -> usize {
        self.line_starts.partition_point(|&line_start| line_start <= offset)
    }

    /// A line by its number, from 1, without its end.
    fn line(&self, number: usize) -> &str {
        let Some(&start) = number.checked_sub(1).and_then(|index| self.line_starts.get(index)) else {
            return "";
        };
        let end = self.line_starts.get(number).map_or(self.text.len(), |&next| next as usize - 1);
        self.text[start as usize..end].trim_end_matches('\r')
    }

    fn characters(&self, bytes: Range<u32>) -> usize {
        let before = |offset| self.continuations.partition_point(|&at| at < offset);
        bytes.len() - (before(bytes.end) - before(bytes.start))
    }
}

fn continuations(text: &str) -> Vec<u32> {
    let bytes = text.bytes().enumerate();
    bytes.filter(|&(_, byte)| byte & 0xc0 == 0x80).map(|(at, _)| at as u32).collect()
}

/// Where something was written. Lines and columns count from 1, columns in characters; line 0 is the whole
/// file. 16 bytes and cheap to clone, as each value that is read has one.
#[derive(Clone)]
pub struct Place {
    source: Arc<Source>,
    start: u32,
    end: u32,
}

impl Place {
    /// Behind all offsets that a file may have.
    const WHOLE_FILE: u32 = u32::MAX;

    /// A file as a whole, or something that no file holds.
    pub fn whole_file(file: impl Into<Arc<Path>>) -> Place {
        let source = Source::new(file, String::new());
        Place { source, start: Place::WHOLE_FILE, end: Place::WHOLE_FILE }
    }

    pub fn file(&self) -> &Arc<Path> {
        &self.source.path
    }

    pub fn line(&self) -> usize {
        if self.start == Place::WHOLE_FILE { 0 } else { self.source.line_at(self.start) }
    }

    pub fn column(&self) -> usize {
        match self.line() {
            0 => 0,
            line => self.source.characters(self.source.line_starts[line - 1]..self.start) + 1,
        }
    }

    /// Characters from `column` on that are meant, up to the end of the line; at least 1.
    pub fn length(&self) -> usize {
        let Some(index) = self.line().checked_sub(1) else { return 1 };
        let line_end = self.source.line_starts[index] + self.source_line().len() as u32;
        let end = self.end.clamp(self.start, line_end.max(self.start));
        self.source.characters(self.start..end).max(1)
    }

    /// The line itself, as long as it may be.
    pub fn source_line(&self) -> &str {
        self.source.line(self.line())
    }

    /// What is kept when the text is gone.
    pub fn location(&self) -> Location {
        Location { file: Arc::clone(self.file()), line: self.line() as u32, column: self.column() as u32 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.location(), f)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        (self.start, self.end) == (other.start, other.end) && self.file() == other.file()
    }
}

impl Eq for Place {}

/// Where something was written, without the text: a configuration with 100,000 rules has one for each.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    pub file: Arc<Path>,
    /// From 1; 0 for the file as a whole.
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file.display()),
            line => write!(f, "{}:{line}:{}", self.file.display(), self.column),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, span: Range<usize>) -> (usize, usize, usize, String) {
        let place = Source::new(Path::new("f"), text.to_owned()).place(span);
        (place.line(), place.column(), place.length(), place.source_line().to_owned())
    }

    #[test]
    fn lines_and_columns_count_characters() {
        assert_eq!(at("ab\ncd\n", 3..5), (2, 1, 2, "cd".to_owned()));
        assert_eq!(at("é = ü\r\nx", 5..7), (1, 5, 1, "é = ü".to_owned()));
        assert_eq!(at("é = ü\r\nx", 9..10), (2, 1, 1, "x".to_owned()));
    }

    #[test]
    fn spans_are_cut_to_their_first_line_and_to_the_text() {
        assert_eq!(at("abc\ndef", 1..6), (1, 2, 2, "abc".to_owned()));
        assert_eq!(at("abc\n", 9..12), (2, 1, 1, String::new()));
        assert_eq!(at("", 0..0), (1, 1, 1, String::new()));
        // The offset of a line's end belongs to that line.
        assert_eq!(at("abc\r\nd", 4..5), (1, 5, 1, "abc".to_owned()));
    }

    #[test]
    fn a_whole_file_has_no_line() {
        let place = Place::whole_file(Path::new("f"));
        assert_eq!((place.line(), place.column(), place.length(), place.source_line()), (0, 0, 1, ""));
        assert_eq!((place.to_string(), place.location().to_string()), ("f".to_owned(), "f".to_owned()));
    }
}
