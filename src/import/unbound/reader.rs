//! `unbound.conf` as clauses of keys with their values, and what it includes in its place. Knows how many values a key
//! takes and where it may stand; not what it means.

use std::path::Path;

use super::keys::{self, Clause, Kind};
use crate::import::reading::{File, Files, fault};
use crate::import::{Place, Unreadable};
use crate::limits::IMPORT_STATEMENTS;

/// A clause with its keys.
#[derive(Debug)]
pub struct Section {
    pub clause: Clause,
    pub keys: Vec<Key>,
}

#[derive(Clone, Debug)]
pub struct Key {
    pub name: &'static str,
    pub values: Vec<String>,
    pub place: Place,
}

impl Key {
    pub fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    /// As it may have been written.
    pub fn text(&self) -> String {
        format!("{}: {}", self.name, self.values.join(" "))
    }
}

impl Section {
    pub fn first(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub fn all<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Key> {
        self.keys.iter().filter(move |key| names.contains(&key.name))
    }

    /// Is a flag set to yes?
    pub fn says(&self, names: &[&str]) -> bool {
        self.all(names).last().is_some_and(|key| key.value() == "yes")
    }
}

/// Reads the file and all that it includes.
pub fn read(source: &Path, files: &mut Files) -> Result<Vec<Section>, Unreadable> {
    let file = files.first(source)?;
    let mut reader = Reader { files, sections: Vec::new(), open: None, keys: 0 };
    reader.file(&file, 0)?;
    match reader.open {
        Some((name, place, ..)) => Err(missing(&place, name)),
        None => Ok(reader.sections),
    }
}

fn missing(place: &Place, name: &str) -> Unreadable {
    fault(place, format!("`{name}:` has too few values"), "write all of its values behind it")
}

struct Reader<'a> {
    files: &'a mut Files,
    sections: Vec<Section>,
    /// A key that waits for more values, which the next file may hold.
    open: Option<(&'static str, Place, usize, Vec<String>)>,
    keys: usize,
}

struct Cursor<'a> {
    rest: &'a str,
    at: Place,
}

impl Cursor<'_> {
    fn skip(&mut self, octets: usize) {
        let (over, rest) = self.rest.split_at(octets);
        for c in over.chars() {
            match c {
                '\n' => (self.at.line, self.at.column) = (self.at.line + 1, 1),
                _ => self.at.column += 1,
            }
        }
        self.rest = rest;
    }

    fn skip_blank(&mut self) {
        loop {
            let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.skip(blank);
            if !self.rest.starts_with('#') {
                return;
            }
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    /// Octets up to a sign that is not part of a bare word.
    fn bare(&self, also: &str) -> usize {
        let mut escaped = false;
        let ends = |c: char| {
            let end = !escaped && (" \t\r\n'\"".contains(c) || also.contains(c));
            escaped = c == '\\' && !escaped;
            end
        };
        self.rest.find(ends).unwrap_or(self.rest.len())
    }

    /// A value, quoted or not.
    fn value(&mut self) -> Result<String, Unreadable> {
        let begin = self.at.clone();
        let Some(quote @ ('"' | '\'')) = self.rest.chars().next() else {
            let length = self.bare("");
            let text = self.rest[..length].to_owned();
            self.skip(length);
            return Ok(text);
        };
        let mut escaped = false;
        let inside = &self.rest[1..];
        let end = inside.find(|c: char| {
            let end = !escaped && (c == quote || c == '\n' || c == '\r');
            escaped = c == '\\' && !escaped;
            end
        });
        match end.filter(|&end| inside[end..].starts_with(quote)) {
            Some(end) => {
                let text = inside[..end].to_owned();
                self.skip(end + 2);
                Ok(text)
            }
            None => {
                let message = "this quotation has no end on its line";
                Err(fault(&begin, message, "close it with the same quotation mark"))
            }
        }
    }
}

impl Reader<'_> {
    fn file(&mut self, file: &File, depth: usize) -> Result<(), Unreadable> {
        let mut cursor = Cursor { rest: &file.text, at: file.top() };
        loop {
            cursor.skip_blank();
            if cursor.rest.is_empty() {
                return Ok(());
            }
            let begin = cursor.at.clone();
            if let Some(word) =
                ["include:", "include-toplevel:"].into_iter().find(|word| cursor.rest.starts_with(word))
            {
                cursor.skip(word.len());
                cursor.skip_blank();
                let pattern = cursor.value()?;
                self.include(&pattern, &begin, depth)?;
                if word == "include-toplevel:" {
                    self.sections.push(Section { clause: Clause::None, keys: Vec::new() });
                }
            } else if self.open.is_some() {
                let value = cursor.value()?;
                self.value(value)?;
            } else {
                self.key(&mut cursor)?;
            }
        }
    }

    fn include(&mut self, pattern: &str, at: &Place, depth: usize) -> Result<(), Unreadable> {
        if pattern.is_empty() {
            return Err(fault(at, "the name of the included file is empty", "write its path"));
        }
        let depth = Files::deeper(depth, at)?;
        let home = self.files.home().to_path_buf();
        // A pattern without a match is nothing to Unbound.
        for path in self.files.matching(&home, pattern, at)? {
            let file = self.files.text(&path, at)?;
            self.file(&file, depth)?;
        }
        Ok(())
    }

    fn key(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        let place = cursor.at.clone();
        let length = cursor.bare(":");
        let word = &cursor.rest[..length];
        if !cursor.rest[length..].starts_with(':') {
            let word = crate::import::reading::shown(&cursor.rest[..length.max(1).min(cursor.rest.len())]);
            let message = format!("a key with its colon should stand here, not `{word}`");
            return Err(fault(&place, message, "keys are written as `name: value`"));
        }
        if let Some(clause) = keys::clause(word) {
            cursor.skip(length + 1);
            self.sections.push(Section { clause, keys: Vec::new() });
            return Ok(());
        }
        let clause = self.sections.last().map_or(Clause::None, |section| section.clause);
        let Some(row) = keys::find(clause, word) else {
            let message = match keys::elsewhere(word) {
                Some(other) => {
                    format!("`{word}:` can't stand in {}, but in {}", clause.title(), other.title())
                }
                None => format!("Unbound has no key `{}:`", crate::import::reading::shown(word)),
            };
            return Err(fault(&place, message, "correct the key, or the clause that it stands in"));
        };
        cursor.skip(length + 1);
        self.open = Some((row.name, place, row.values, Vec::new()));
        Ok(())
    }

    fn value(&mut self, value: String) -> Result<(), Unreadable> {
        let Some((name, place, wanted, mut values)) = self.open.take() else { return Ok(()) };
        values.push(value);
        if values.len() < wanted {
            self.open = Some((name, place, wanted, values));
            return Ok(());
        }
        self.keys += 1;
        if self.keys > IMPORT_STATEMENTS {
            return Err(fault(
                &place,
                format!("more than {IMPORT_STATEMENTS} keys"),
                "import its parts one by one",
            ));
        }
        let key = Key { name, values, place };
        sound(&key)?;
        if let Some(section) = self.sections.last_mut() {
            section.keys.push(key);
        }
        Ok(())
    }
}

/// What Unbound itself checks of single values.
fn sound(key: &Key) -> Result<(), Unreadable> {
    let value = key.value();
    let wrong = |what: &str| {
        let message = format!("`{}: {}` should be {what}", key.name, crate::import::reading::shown(value));
        Err(fault(&key.place, message, "correct the value"))
    };
    let action = key.values.get(1).map_or("", String::as_str);
    if key.name == "access-control" && !keys::ACTIONS.contains(&action) {
        let message = format!("access-control has no action `{}`", crate::import::reading::shown(action));
        return Err(fault(&key.place, message, format!("write one of {}", keys::ACTIONS.join(", "))));
    }
    match keys::kind(key.name) {
        Kind::Flag if value != "yes" && value != "no" => wrong("yes or no"),
        Kind::Number if value.parse::<u64>().is_err() => wrong("a whole number"),
        Kind::Size if size(value).is_none() => wrong("a number of octets, with k, m or g behind it"),
        _ => Ok(()),
    }
}

/// Octets of `4m` and the like.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().trim_end_matches('b') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1u64 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
