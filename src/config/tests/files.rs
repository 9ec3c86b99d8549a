//! Files that can't be read, or not in full.

use std::fs;
use std::path::Path;

use super::super::{Severity, load};
use super::Folder;

#[test]
fn a_missing_file_is_a_diagnostic() {
    let loaded = load(Path::new("/nonexistent/dnsfwd.toml"));
    assert!(loaded.config.is_none());
    let [fault] = loaded.diagnostics.as_slice() else { panic!("{:?}", loaded.diagnostics) };
    assert_eq!((fault.severity, fault.line, fault.code.as_str()), (Severity::Error, 0, "unreadable-file"));
    assert_eq!(fault.file, Path::new("/nonexistent/dnsfwd.toml"));
}

#[test]
fn one_bad_file_of_several_refuses_the_whole() {
    let folder = Folder::new(&[("dnsfwd.toml", "version = 1\n"), ("conf.d/a.toml", "workers = 1\n")]);
    let loaded = folder.load();
    assert!(loaded.config.is_none());
    assert!(loaded.diagnostics[0].file.ends_with("conf.d/a.toml"));
}

#[test]
fn a_byte_that_is_not_utf8_has_its_place() {
    let folder = Folder::new(&[]);
    fs::write(folder.path(), b"version = 1\n# caf\xe9\n").unwrap();
    let loaded = folder.load();
    let fault = &loaded.diagnostics[0];
    assert_eq!((fault.code.as_str(), fault.line, fault.column), ("not-utf8", 2, 6));
}

#[test]
fn a_folder_in_the_place_of_a_file_is_refused() {
    let folder = Folder::new(&[("dnsfwd.toml/x", "")]);
    assert_eq!(folder.load().diagnostics[0].code, "unreadable-file");
}

#[test]
fn what_a_lost_file_may_hold_is_not_missed() {
    let rule = "version = 1\n[[rule]]\ndomain = 'a.example'\nendpoint = 'elsewhere'\n";
    let folder = Folder::new(&[("dnsfwd.toml", rule), ("conf.d/endpoints.toml/x", "")]);
    let codes: Vec<String> = folder.load().diagnostics.into_iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["unreadable-file"]);
}
