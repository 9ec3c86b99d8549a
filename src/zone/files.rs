//! The files that a zone was read from, and how each of them looked then: so that whoever watches them knows what has
//! changed since. Reads no content.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another. The time of its last change of any kind is there for files that are
/// replaced with their old times kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    octets: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// None where there is no file.
    pub fn of(path: &Path) -> Option<Stamp> {
        std::fs::metadata(path).ok().map(|metadata| Stamp::from(&metadata))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Stamp {
        Stamp {
            inode: metadata.ino(),
            octets: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A file that a zone was read from, or should have been: one that can't be read is here too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    pub path: PathBuf,
    /// As it was just before it was read.
    pub stamp: Option<Stamp>,
}

impl SourceFile {
    pub fn about_to_read(path: &Path) -> SourceFile {
        SourceFile { path: path.to_owned(), stamp: Stamp::of(path) }
    }

    /// How it looks now, if that is not how it was read. One that is gone has not changed: it may come back in a moment.
    pub fn changed(&self) -> Option<Stamp> {
        Stamp::of(&self.path).filter(|now| Some(*now) != self.stamp)
    }
}
