//! The files of a source: read within bounds, named as operators know them, and decoded as other systems write them.
//! Knows nothing of what they say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Place, Unreadable, read_file};
use crate::limits::{IMPORT_FILES, IMPORT_INCLUDE_DEPTH, IMPORT_TOTAL};

/// All files of one source.
pub struct Files {
    /// The folder of the first file.
    home: PathBuf,
    read: usize,
    octets: u64,
}

/// One file of a source.
pub struct File {
    pub name: Arc<str>,
    pub text: String,
}

impl File {
    /// Its first character.
    pub fn top(&self) -> Place {
        Place { file: Arc::clone(&self.name), line: 1, column: 1 }
    }

    /// Where an octet of its text stands.
    pub fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Place { file: Arc::clone(&self.name), line: line as u32, column: column as u32 }
    }
}

impl Files {
    pub fn new(source: &Path) -> Files {
        let home = if source.is_dir() { source } else { source.parent().unwrap_or(Path::new("")) };
        Files { home: home.to_path_buf(), read: 0, octets: 0 }
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A file as messages name it.
    pub fn shown(&self, path: &Path) -> Arc<str> {
        path.strip_prefix(&self.home).unwrap_or(path).display().to_string().into()
    }

    /// The first file, whose fault has no place but itself.
    pub fn first(&mut self, path: &Path) -> Result<File, Unreadable> {
        let at = Place { file: self.shown(path), line: 1, column: 1 };
        self.text(path, &at)
    }

    /// A file that stands at `at`.
    pub fn text(&mut self, path: &Path, at: &Place) -> Result<File, Unreadable> {
        let octets = self.octets(path, at)?;
        Ok(File { name: self.shown(path), text: decode(&octets) })
    }

    pub fn octets(&mut self, path: &Path, at: &Place) -> Result<Vec<u8>, Unreadable> {
        let octets = read_file(path).map_err(|why| {
            let message = format!("can't read {}: {why}", path.display());
            fault(at, message, "correct the path, or who may read the file")
        })?;
        self.read += 1;
        self.octets += octets.len() as u64;
        match self.read > IMPORT_FILES || self.octets > IMPORT_TOTAL {
            true => {
                let message =
                    format!("more than {IMPORT_FILES} files, or {} MiB, are included", IMPORT_TOTAL >> 20);
                Err(fault(at, message, "does a file include itself?"))
            }
            false => Ok(octets),
        }
    }

    /// Fails beyond the levels of files that include files.
    pub fn deeper(depth: usize, at: &Place) -> Result<usize, Unreadable> {
        match depth < IMPORT_INCLUDE_DEPTH {
            true => Ok(depth + 1),
            false => {
                let message = format!("files are included {IMPORT_INCLUDE_DEPTH} levels deep");
                Err(fault(at, message, "does a file include itself?"))
            }
        }
    }

    /// Beside the first file, if it is not where it is said to be: configurations are copied before they are moved.
    pub fn find(&self, base: &Path, text: &str) -> PathBuf {
        let path = base.join(text);
        let name = Path::new(text).file_name().map(|name| self.home.join(name));
        match name {
            Some(beside) if !path.exists() && beside.exists() => beside,
            _ => path,
        }
    }

    /// The files that a pattern names, by name; a text without signs of a pattern is itself.
    pub fn matching(&self, base: &Path, text: &str, at: &Place) -> Result<Vec<PathBuf>, Unreadable> {
        if !text.contains(['*', '?', '[']) {
            return Ok(vec![self.find(base, text)]);
        }
        let pattern = base.join(text).display().to_string();
        let wrong = |error: glob::PatternError| {
            fault(at, format!("`{pattern}` is no pattern: {}", error.msg), "correct the pattern")
        };
        let paths = glob::glob(&pattern).map_err(wrong)?.filter_map(Result::ok);
        Ok(paths.filter(|path| path.is_file()).take(IMPORT_FILES + 1).collect())
    }

    /// The files of a folder that `wanted` takes, by name.
    pub fn folder(
        &self,
        path: &Path,
        at: &Place,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<PathBuf>, Unreadable> {
        let entries = std::fs::read_dir(path).map_err(|error| {
            let message = format!("can't read the folder {}: {}", path.display(), super::plain(&error));
            fault(at, message, "correct the path, or who may read it")
        })?;
        let mut paths: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .take(IMPORT_FILES + 1)
            .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        paths.sort();
        Ok(paths)
    }
}

/// The nameservers of a file in the form of resolv.conf(5), without their order's meaning.
pub fn nameservers(text: &str) -> Vec<std::net::IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver")
            && let Some(Ok(address)) = words.next().map(str::parse)
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

pub fn fault(place: &Place, message: impl Into<String>, help: impl Into<String>) -> Unreadable {
    Unreadable { place: place.clone(), message: message.into(), help: help.into() }
}

/// UTF-8, or UTF-16 where its mark stands in front, as PowerShell 5 writes files. What is neither is kept as far as it
/// can be read.
pub fn decode(octets: &[u8]) -> String {
    let wide = |read: fn([u8; 2]) -> u16, octets: &[u8]| {
        let units: Vec<u16> = octets.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match octets {
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text).into_owned(),
        [0xff, 0xfe, text @ ..] => wide(u16::from_le_bytes, text),
        [0xfe, 0xff, text @ ..] => wide(u16::from_be_bytes, text),
        text => String::from_utf8_lossy(text).into_owned(),
    }
}

/// A statement as the receipt shows it: on one line, cut to what a list can show.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 72;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{} ...", line[..cut].trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powershell_files_are_read() {
        assert_eq!(decode(b"\xef\xbb\xbfab"), "ab");
        assert_eq!(decode(b"\xff\xfea\0\xe4\0"), "aä");
        assert_eq!(decode(b"\xfe\xff\0a\0"), "a");
    }

    #[test]
    fn resolv_conf() {
        let text =
            "# a\nnameserver 10.0.0.2\nsearch a.corp\nnameserver x\nnameserver 10.0.0.2\nnameserver ::1 \n";
        let found: Vec<String> = nameservers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.2", "::1"]);
    }
}
