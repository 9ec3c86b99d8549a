//! The configuration as its users meet it: files in, a configuration or a rendered list of faults out.

mod apart;
mod files;
mod golden;
mod shown;
mod whole;

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::diagnostic::render;
use super::system::Machine;
use super::{Config, Loaded, load_with};

/// A folder with files, gone after the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            // Keys are their owner's alone, all else may be read by everybody.
            let mode = if name.ends_with(".key") { 0o600 } else { 0o644 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        Folder(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("dnsfwd.toml")
    }

    fn load(&self) -> Loaded {
        load_from(&self.path())
    }

    /// All that is said of the files, with the folder's name left out.
    fn rendered(&self) -> String {
        let text = render(&self.load().diagnostics, false);
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// With a fixed nameserver in the place of the machine's.
/// A machine that has no address but loopback's.
fn machine(nameservers: &dyn Fn() -> Vec<IpAddr>) -> Machine<'_> {
    Machine {
        nameservers,
        has: &|_| false,
        networks: &|| ["127.0.0.1/8", "192.0.2.7/24"].map(|own| own.parse().unwrap()).to_vec(),
    }
}

fn load_from(path: &Path) -> Loaded {
    load_with(path, machine(&|| vec![IpAddr::from([192, 0, 2, 53])]))
}

/// The configuration of one file, which must be sound.
fn sound(text: &str) -> Config {
    let folder = Folder::new(&[("dnsfwd.toml", text)]);
    let loaded = folder.load();
    loaded.config.unwrap_or_else(|| panic!("{}", render(&loaded.diagnostics, false)))
}

/// The codes of what is said of one file.
fn codes(text: &str) -> Vec<String> {
    let folder = Folder::new(&[("dnsfwd.toml", text)]);
    folder.load().diagnostics.into_iter().map(|fault| fault.code).collect()
}

/// The master file of a zone that has one.
fn file_of(zone: &super::Zone) -> &std::path::Path {
    match &zone.source {
        super::ZoneSource::File { file, .. } => file,
        super::ZoneSource::Primaries(_) => panic!("{} is fetched", zone.name),
    }
}
