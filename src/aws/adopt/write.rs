//! Writes the part into a new file of `conf.d`: all of it or nothing, and never over something that is there.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// All may read it: it holds nothing secret.
const MODE: u32 = 0o644;

/// Why a file would never be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// No `*.toml`, or hidden.
    Name(PathBuf),
    /// Not in the folder that is read.
    Folder { file: PathBuf, folder: PathBuf },
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misplaced::Name(file) => {
                write!(f, "{} would never be read: call it NAME.toml", file.display())
            }
            Misplaced::Folder { file, folder } => {
                write!(f, "{} would never be read: only files of {} are", file.display(), folder.display())
            }
        }
    }
}

impl std::error::Error for Misplaced {}

/// Where `file` lies: a bare name is one of `conf.d`.
///
/// # Errors
/// If it would never be read.
pub fn place(config: &Path, file: &Path) -> Result<PathBuf, Misplaced> {
    let folder = config.parent().unwrap_or(Path::new("")).join("conf.d");
    let is_bare = file.parent().is_none_or(|parent| parent.as_os_str().is_empty());
    let path = if is_bare { folder.join(file) } else { file.to_path_buf() };
    let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    if is_hidden || path.extension().is_none_or(|extension| extension != "toml") {
        return Err(Misplaced::Name(file.to_path_buf()));
    }
    let same = |one: &Path, other: &Path| match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    };
    match path.parent() {
        Some(parent) if same(parent, &folder) => Ok(path),
        _ => Err(Misplaced::Folder { file: file.to_path_buf(), folder }),
    }
}

/// The file appears whole or not at all.
///
/// # Errors
/// `AlreadyExists` if something has that name, whatever it is; else what the system says.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let passing = folder.join(format!(".{name}.{}", std::process::id()));
    let outcome = fill(&passing, text).and_then(|()| fs::hard_link(&passing, path));
    let removed = fs::remove_file(&passing);
    outcome?;
    removed?;
    File::open(folder)?.sync_all()
}

fn fill(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conf.d/aws.toml");
        write(&path, "a = 1\n").unwrap();
        assert_eq!(write(&path, "b = 2\n").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a = 1\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(fs::read_dir(folder.path().join("conf.d")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_would_not_be_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("dnsfwd.toml");
        assert_eq!(place(&config, Path::new("aws.toml")), Ok(folder.path().join("conf.d/aws.toml")));
        let whole = folder.path().join("conf.d/aws.toml");
        assert_eq!(place(&config, &whole), Ok(whole.clone()));
        for wrong in ["aws.conf", ".aws.toml", "/etc/aws.toml"] {
            assert!(place(&config, Path::new(wrong)).is_err(), "{wrong}");
        }
    }
}
