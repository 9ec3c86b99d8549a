//! Copies a zone's master file and those that it includes, with the `$INCLUDE`s pointing at the copies. Nothing else in
//! them is touched, and nothing is copied that our own reader finds a fault in.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::delegations::{self, Delegation};
use super::translation::Refusal;
use crate::config::Severity;
use crate::import::plain;
use crate::limits::{IMPORT_FILES, IMPORT_INCLUDE_DEPTH};
use crate::wire::name::Name;
use crate::zone::{Loaded, Zone};

/// Where a zone's file went, and what the zone delegates.
#[derive(Clone)]
pub(super) struct Copied {
    /// Relative to the folder of the configuration.
    pub path: String,
    pub delegations: Arc<[Delegation]>,
}

/// Files to write, with their paths beside the configuration.
type Copies = Vec<(PathBuf, Vec<u8>)>;

/// `base` is where BIND begins with relative paths; `to` is where the copy goes.
pub(super) fn copy(
    name: &str,
    path: &Path,
    base: &Path,
    to: &str,
) -> Result<(Copies, Vec<Delegation>), Refusal> {
    let mut copier = Copier { base, to, known: HashMap::new(), copies: Vec::new() };
    copier.copy(path, 0)?;
    let delegations = check(name, &copier.copies)?;
    Ok((copier.copies, delegations))
}

struct Copier<'a> {
    base: &'a Path,
    to: &'a str,
    known: HashMap<PathBuf, String>,
    copies: Copies,
}

impl Copier<'_> {
    /// The name of the copy, which lies beside that of the zone's own file.
    fn copy(&mut self, path: &Path, depth: usize) -> Result<String, Refusal> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        if depth > IMPORT_INCLUDE_DEPTH || self.known.len() > IMPORT_FILES {
            return Err(Refusal::new("its file includes too many others", "does a file include itself?"));
        }
        let octets = fs::read(path).map_err(|error| {
            let why = format!("can't read its file {}: {}", path.display(), plain(&error));
            Refusal::new(why, "copy it there, or let this user read it, and import again")
        })?;
        let ours = match self.known.len() {
            0 => self.to.to_owned(),
            number => format!("{}.include-{number}", self.to),
        };
        self.known.insert(path.to_path_buf(), ours.clone());
        let contents = self.rewritten(&octets, path, depth)?;
        self.copies.insert(0, (PathBuf::from(&ours), contents));
        Ok(ours)
    }

    /// The text with other paths behind `$INCLUDE`. A line of a quotation or of parentheses that begins so would be
    /// changed too; nobody has seen one.
    fn rewritten(&mut self, octets: &[u8], path: &Path, depth: usize) -> Result<Vec<u8>, Refusal> {
        const WORD: &[u8] = b"$INCLUDE";
        let mut out = Vec::with_capacity(octets.len());
        for line in octets.split_inclusive(|&byte| byte == b'\n') {
            let is_include = line.len() > WORD.len()
                && line[..WORD.len()].eq_ignore_ascii_case(WORD)
                && line[WORD.len()].is_ascii_whitespace();
            if !is_include {
                out.extend_from_slice(line);
                continue;
            }
            let text = String::from_utf8_lossy(&line[WORD.len()..]).into_owned();
            let (included, rest) = first_word(text.trim_start());
            let found = self.found(Path::new(included), path);
            let copied = self.copy(&found, depth + 1)?;
            let beside = copied.rsplit('/').next().unwrap_or(&copied);
            out.extend_from_slice(format!("$INCLUDE \"{beside}\"{rest}").as_bytes());
        }
        Ok(out)
    }

    /// BIND begins at its directory; configurations that were copied have the file beside.
    fn found(&self, included: &Path, path: &Path) -> PathBuf {
        let beside = path.parent().unwrap_or(Path::new("")).join(included);
        let found = self.base.join(included);
        if !found.exists() && beside.exists() { beside } else { found }
    }
}

/// A word, perhaps quoted, and what comes behind it.
fn first_word(text: &str) -> (&str, &str) {
    if let Some((word, rest)) = text.strip_prefix('"').and_then(|text| text.split_once('"')) {
        return (word, rest);
    }
    let end = text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len());
    text.split_at(end)
}

/// Reads the copies as the server will.
fn check(name: &str, copies: &Copies) -> Result<Vec<Delegation>, Refusal> {
    let name = Name::parse(name).map_err(|error| Refusal::new(error.to_string(), "correct the name"))?;
    let (first, contents) = &copies[0];
    if copies.len() == 1 {
        return judge(&Zone::parse_bytes(&name, contents, first));
    }
    let folder = Scratch::new().map_err(|error| {
        Refusal::new(
            format!("can't write into the folder for passing files: {error}"),
            "set TMPDIR to another",
        )
    })?;
    for (path, contents) in copies {
        let to = folder.0.join(path.file_name().unwrap_or_default());
        fs::write(&to, contents)
            .map_err(|error| Refusal::new(plain(&error), "set TMPDIR to another folder"))?;
    }
    judge(&Zone::load(&name, &folder.0.join(first.file_name().unwrap_or_default())))
}

/// The zone's delegations, if it has no fault.
fn judge(loaded: &Loaded) -> Result<Vec<Delegation>, Refusal> {
    match loaded.diagnostics.iter().find(|fault| fault.severity == Severity::Error) {
        None => Ok(loaded.zone.as_ref().map(delegations::of).unwrap_or_default()),
        Some(fault) => {
            let why = format!("its file has a fault, in line {}: {}", fault.line, fault.message);
            Err(Refusal::new(why, format!("{}, and import again", fault.help)))
        }
    }
}

/// A folder that is gone when it is no longer needed.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Scratch> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("dnsfwd-import-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed lies where passing files lie.
        let _ = fs::remove_dir_all(&self.0);
    }
}
