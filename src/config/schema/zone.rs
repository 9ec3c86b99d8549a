//! `[[zone]]`: what is answered with authority.

use std::path::PathBuf;

use super::beside;
use crate::config::reader::{At, Faults, Table, at, string};
use crate::config::source::Source;
use crate::config::value::domain;
use crate::wire::name::Name;

pub(in crate::config) struct WrittenZone {
    pub name: Option<At<Name>>,
    /// Joined to the folder of the file that it was written in.
    pub file: Option<At<PathBuf>>,
}

pub(super) fn zone(table: &mut Table<'_>, source: &Source, faults: &mut Faults) -> WrittenZone {
    let name = at(string("\"corp.example\"", domain));
    let file = at(string("\"corp.example.zone\"", |text| Ok(beside(source, text))));
    WrittenZone {
        name: table.required("name", "name = \"corp.example\"", name, faults),
        file: table.required("file", "file = \"corp.example.zone\"", file, faults),
    }
}
