//! A file's text and the places in it: where a value was written, found again in O(log n). Reads no file.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// One file's text, with what is needed to turn byte offsets into lines and columns.
#[derive(Debug)]
pub struct Source {
    path: Arc<Path>,
    text: String,
    /// Byte offset of each line's first byte.
    line_starts: Vec<usize>,
    /// Offsets of UTF-8 continuation bytes: columns count characters, and a list of 100,000 domains may stand
    /// on one line, so that counting from the line's start would be quadratic. Empty for ASCII.
    continuations: Vec<usize>,
}

impl Source {
    pub fn new(path: impl Into<Arc<Path>>, text: String) -> Arc<Source> {
        let line_starts = std::iter::once(0).chain(offsets(&text, |byte| byte == b'\n').map(|at| at + 1));
        let line_starts = line_starts.collect();
        let continuations = match text.is_ascii() {
            true => Vec::new(),
            false => offsets(&text, |byte| byte & 0xc0 == 0x80).collect(),
        };
        Arc::new(Source { path: path.into(), text, line_starts, continuations })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of a span of bytes, cut at the end of its first line. Offsets behind the end mean the end.
    pub fn place(self: &Arc<Self>, span: Range<usize>) -> Place {
        let start = span.start.min(self.text.len());
        let line = self.line_starts.partition_point(|&line_start| line_start <= start);
        let line_start = self.line_starts[line - 1];
        let line_end = line_start + self.line(line).len();
        let end = span.end.clamp(start, line_end.max(start));
        Place {
            file: self.path.clone(),
            line,
            column: self.characters(line_start..start) + 1,
            length: self.characters(start..end).max(1),
            source: Some(self.clone()),
        }
    }

    /// A line by its number, from 1, without its end.
    pub fn line(&self, number: usize) -> &str {
        let Some(&start) = number.checked_sub(1).and_then(|index| self.line_starts.get(index)) else {
            return "";
        };
        let end = self.line_starts.get(number).map_or(self.text.len(), |&next| next - 1);
        self.text[start..end].trim_end_matches('\r')
    }

    fn characters(&self, bytes: Range<usize>) -> usize {
        let before = |offset| self.continuations.partition_point(|&at| at < offset);
        bytes.len() - (before(bytes.end) - before(bytes.start))
    }
}

fn offsets(text: &str, wanted: impl Fn(u8) -> bool) -> impl Iterator<Item = usize> {
    text.bytes().enumerate().filter(move |&(_, byte)| wanted(byte)).map(|(at, _)| at)
}

/// Where something was written. Lines and columns count from 1, columns in characters; line 0 is the whole
/// file. Cheap to clone: it shares the path and the text, and makes the line itself when asked.
#[derive(Clone)]
pub struct Place {
    pub file: Arc<Path>,
    pub line: usize,
    pub column: usize,
    /// Characters from `column` on that are meant; at least 1.
    pub length: usize,
    source: Option<Arc<Source>>,
}

impl Place {
    /// A file as a whole, or something that no file holds.
    pub fn whole_file(file: impl Into<Arc<Path>>) -> Place {
        Place { file: file.into(), line: 0, column: 0, length: 1, source: None }
    }

    /// The line itself, as long as it may be.
    pub fn source_line(&self) -> &str {
        self.source.as_deref().map_or("", |source| source.line(self.line))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file.display()),
            line => write!(f, "{}:{line}:{}", self.file.display(), self.column),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        let key = |place: &Place| (place.line, place.column, place.length);
        key(self) == key(other) && self.file == other.file
    }
}

impl Eq for Place {}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Place", 5)?;
        fields.serialize_field("file", &self.file.to_string_lossy())?;
        fields.serialize_field("line", &self.line)?;
        fields.serialize_field("column", &self.column)?;
        fields.serialize_field("length", &self.length)?;
        fields.serialize_field("source_line", self.source_line())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, span: Range<usize>) -> (usize, usize, usize, String) {
        let place = Source::new(Path::new("f"), text.to_owned()).place(span);
        (place.line, place.column, place.length, place.source_line().to_owned())
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
}
