//! Reads the main file and those of `conf.d` beside it into trees with spans, and hashes them. Knows TOML,
//! but no key.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::reader::Faults;
use super::source::{Place, Source};

/// Bytes of one configuration file: 100,000 rules take about 8 MiB; a file given by mistake, such as a
/// device or a log, must not fill the memory.
const MAX_FILE: u64 = 64 << 20;

/// Folder of further files, read in the order of their names.
const FOLDER: &str = "conf.d";

/// One file's text. Trees borrow from it and so are made by the schema's reader.
pub(super) struct ConfigFile {
    pub source: Arc<Source>,
    pub is_main: bool,
}

/// The main file first. A file that can't be read is left out and reported.
pub(super) fn read(path: &Path, faults: &mut Faults) -> Vec<ConfigFile> {
    let folder = path.parent().unwrap_or(Path::new("")).join(FOLDER);
    let more = names(&folder).unwrap_or_else(|error| {
        faults.lost_file(unreadable(&folder, &error));
        Vec::new()
    });
    let paths = std::iter::once((path.to_path_buf(), true)).chain(more.into_iter().map(|path| (path, false)));
    let file =
        |(path, is_main): (PathBuf, bool)| Some(ConfigFile { source: read_one(&path, faults)?, is_main });
    paths.filter_map(file).collect()
}

/// `*.toml` as a shell would find them: not those that begin with a dot. No folder is no fault.
fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_one(path: &Path, faults: &mut Faults) -> Option<Arc<Source>> {
    let bytes = match read_bounded(path) {
        Ok(bytes) if bytes.len() as u64 <= MAX_FILE => bytes,
        Ok(_) => {
            faults.lost_file(too_large(path));
            return None;
        }
        Err(error) => {
            faults.lost_file(unreadable(path, &error));
            return None;
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => Some(Source::new(path, text)),
        Err(error) => {
            faults.lost_file(not_utf8(path, &error));
            None
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let message = format!("can't read {}: {}", path.display(), reason(error));
    Diagnostic::error("unreadable-file", &Place::whole_file(path), message, what_to_do(error))
}

/// The system's own words without "(os error 2)", which helps nobody who reads this.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

pub(super) fn what_to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "create the file, or correct its path",
        io::ErrorKind::PermissionDenied => "give the user that dnsfwd runs as the right to read it",
        io::ErrorKind::IsADirectory => "name a file, not a folder",
        _ => "make the file readable",
    }
}

fn too_large(path: &Path) -> Diagnostic {
    let message = format!("{} is larger than {} MiB", path.display(), MAX_FILE >> 20);
    let help = "is this the right file? split it over files in conf.d if it is";
    Diagnostic::error("file-too-large", &Place::whole_file(path), message, help)
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Diagnostic {
    let at = error.utf8_error().valid_up_to();
    let source = Source::new(path, String::from_utf8_lossy(error.as_bytes()).into_owned());
    let help = "save the file as UTF-8; names of hosts are written in ASCII (xn--...)";
    Diagnostic::error("not-utf8", &source.place(at..at + 1), "this byte is not UTF-8", help)
}

/// FNV-1a, 64 bits: not against forgers, but equal everywhere and for good. Each file's length goes in too,
/// so that what moves from one file to another shows.
pub(super) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for text in texts {
        for &byte in text.as_bytes().iter().chain(&(text.len() as u64).to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_stable_and_sees_borders() {
        assert_eq!(hash([]), "cbf29ce484222325");
        assert_eq!(hash(["version = 1\n"]).len(), 16);
        assert_ne!(hash(["ab", "c"]), hash(["a", "bc"]));
        assert_ne!(hash(["a"]), hash(["a", ""]));
    }
}
