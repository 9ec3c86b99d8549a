//! Writes what was imported into a folder: all of it or nothing, and never over what somebody else wrote. The
//! configuration is read back by our own reader before the folder gets its name.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::receipt::Counts;
use super::{Imported, Kind, plain};
use crate::config::{self, Diagnostic, Severity};
use crate::limits::IMPORT_FILE;

/// The configuration's name in the folder.
pub const CONFIG: &str = "dnsfwd.toml";
pub const RECEIPT_TEXT: &str = "receipt.txt";
pub const RECEIPT_JSON: &str = "receipt.json";

/// Whether a former import may be overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Keep,
    Overwrite,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum WriteError {
    /// The folder holds something.
    NotEmpty(PathBuf),
    /// It holds something that no import wrote, or that was changed since.
    NotOurs(PathBuf),
    Io {
        what: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    /// Our own reader finds errors in what we were about to write: a fault of this program.
    Unsound(Vec<Diagnostic>),
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WriteError::NotEmpty(path) => write!(
                f,
                "{} is not empty: name a new folder, or add --force if a former import wrote it",
                path.display()
            ),
            WriteError::NotOurs(path) => write!(
                f,
                "{} was not written by an import, or was changed since: nothing is overwritten; name a new folder",
                path.display()
            ),
            WriteError::Io { what, path, error } => {
                write!(f, "can't {what} {}: {}", path.display(), plain(error))
            }
            WriteError::Unsound(faults) => {
                write!(
                    f,
                    "a fault of this program: what it made of the source has errors, so nothing is written"
                )?;
                faults.iter().try_for_each(|fault| write!(f, "\n  line {}: {}", fault.line, fault.message))
            }
        }
    }
}

impl std::error::Error for WriteError {}

/// `receipt.json`.
#[derive(Serialize)]
struct ReceiptFile<'a, Rows: Serialize> {
    source: &'a str,
    from: Kind,
    counts: Counts,
    entries: Rows,
    /// Each file of the folder but this one, with a digest of what was written: a later import overwrites no other.
    written: &'a BTreeMap<String, String>,
}

/// What of a former `receipt.json` matters.
#[derive(Deserialize)]
struct Former {
    written: BTreeMap<String, String>,
}

/// The text of `receipt.json`.
pub fn receipt_json(imported: &Imported) -> String {
    let files = all_files(imported);
    let written = files.iter().map(|file| (shown(&file.path), digest(&file.contents))).collect();
    let receipt = &imported.receipt;
    let file = ReceiptFile {
        source: &receipt.source,
        from: receipt.kind,
        counts: receipt.counts(),
        entries: receipt.rows(),
        written: &written,
    };
    serde_json::to_string_pretty(&file).expect("texts and numbers are always JSON") + "\n"
}

struct File {
    path: PathBuf,
    contents: Vec<u8>,
    mode: u32,
}

/// All but `receipt.json`.
fn all_files(imported: &Imported) -> Vec<File> {
    const CONFIG_MODE: u32 = 0o640;
    const OPEN_MODE: u32 = 0o644;
    let receipt = &imported.receipt;
    let toml = imported.draft.to_toml(receipt.kind, &receipt.source);
    let mut files = vec![
        File { path: CONFIG.into(), contents: toml.into_bytes(), mode: CONFIG_MODE },
        File { path: RECEIPT_TEXT.into(), contents: receipt.text().into_bytes(), mode: OPEN_MODE },
    ];
    files.extend(imported.files.iter().map(|file| File {
        path: file.path.clone(),
        contents: file.contents.clone(),
        mode: if file.secret { CONFIG_MODE } else { OPEN_MODE },
    }));
    files
}

/// Writes the folder. Errors: as they say; then there is nothing new on the disk.
pub fn write(imported: &Imported, folder: &Path, existing: Existing) -> Result<Vec<Diagnostic>, WriteError> {
    look_at(folder, existing)?;
    let aside = Aside::beside(folder, "new")?;
    for file in all_files(imported) {
        write_file(&aside.path, &file)?;
    }
    let json = File { path: RECEIPT_JSON.into(), contents: receipt_json(imported).into_bytes(), mode: 0o644 };
    write_file(&aside.path, &json)?;
    let diagnostics = config::load(&aside.path.join(CONFIG)).diagnostics;
    if diagnostics.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(WriteError::Unsound(diagnostics));
    }
    swap(&aside, folder)?;
    // Once more, so that warnings name the folder as it is called now.
    Ok(config::load(&folder.join(CONFIG)).diagnostics)
}

/// May the folder be written?
fn look_at(folder: &Path, existing: Existing) -> Result<(), WriteError> {
    let there = match files_in(folder) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(WriteError::Io { what: "read", path: folder.to_path_buf(), error }),
    };
    if there.is_empty() {
        return Ok(());
    }
    if existing == Existing::Keep {
        return Err(WriteError::NotEmpty(folder.to_path_buf()));
    }
    let not_ours = |path: &Path| Err(WriteError::NotOurs(folder.join(path)));
    let Some(former) = former(folder) else { return not_ours(Path::new("")) };
    for path in there {
        let same = former.written.get(&shown(&path)).is_some_and(|written| {
            read_bounded(&folder.join(&path)).is_ok_and(|octets| digest(&octets) == *written)
        });
        if !same && path != Path::new(RECEIPT_JSON) {
            return not_ours(&path);
        }
    }
    Ok(())
}

fn former(folder: &Path) -> Option<Former> {
    serde_json::from_slice(&read_bounded(&folder.join(RECEIPT_JSON)).ok()?).ok()
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut octets = Vec::new();
    fs::File::open(path)?.take(IMPORT_FILE * 4).read_to_end(&mut octets)?;
    Ok(octets)
}

/// All files below a folder, relative to it. Links are files: what they lead to is not ours.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

fn write_file(folder: &Path, file: &File) -> Result<(), WriteError> {
    let inside = file.path.components().all(|part| matches!(part, Component::Normal(_)));
    let path = folder.join(&file.path);
    let write = || {
        if !inside {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it would lie outside of the folder"));
        }
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let mut opened = fs::OpenOptions::new().write(true).create_new(true).mode(file.mode).open(&path)?;
        opened.write_all(&file.contents)?;
        opened.sync_all()
    };
    write().map_err(|error| WriteError::Io { what: "write", path: path.clone(), error })
}

/// A folder under a passing name, removed unless it got its own.
struct Aside {
    path: PathBuf,
}

impl Aside {
    fn beside(folder: &Path, what: &str) -> Result<Aside, WriteError> {
        let path = passing_name(folder, what);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::create_dir(&path));
        match made {
            Ok(()) => Ok(Aside { path }),
            Err(error) => Err(WriteError::Io { what: "make the folder", path, error }),
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // After a success there is nothing left under this name.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn passing_name(folder: &Path, what: &str) -> PathBuf {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    parent.join(format!(".{name}.{what}-{}", std::process::id()))
}

/// Gives the new folder its name; what had it before comes back if that fails.
fn swap(aside: &Aside, folder: &Path) -> Result<(), WriteError> {
    let failed = |error| WriteError::Io { what: "write", path: folder.to_path_buf(), error };
    match fs::rename(&aside.path, folder) {
        // The name is free, or an empty folder's.
        Ok(()) => return Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty) => {}
        Err(error) => return Err(failed(error)),
    }
    let former = passing_name(folder, "old");
    fs::rename(folder, &former).map_err(failed)?;
    if let Err(error) = fs::rename(&aside.path, folder) {
        fs::rename(&former, folder).map_err(failed)?;
        return Err(failed(error));
    }
    fs::remove_dir_all(&former).map_err(|error| WriteError::Io { what: "remove", path: former, error })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// FNV-1a, 64 bits: finds what an editor changed, and means nothing to a forger.
fn digest(octets: &[u8]) -> String {
    let step = |hash: u64, &octet: &u8| (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", octets.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
