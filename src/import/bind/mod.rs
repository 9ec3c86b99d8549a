//! `named.conf` of BIND 9: read as `named` reads it, by its grammar, and translated statement by statement. Asks no
//! running server, and runs none of BIND's programs.

mod access;
mod delegations;
mod fates;
mod files;
mod forms;
mod forward;
mod grammar;
mod lexer;
mod listen;
mod logging;
mod options;
mod peers;
mod rows;
mod shape;
mod translation;
mod tree;
mod validation;
mod value;
mod views;
mod zonefile;
mod zones;

#[cfg(test)]
mod tests;

use std::path::Path;

use super::{Imported, Options, Unreadable};

/// The version of BIND whose defaults hold where nothing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    #[default]
    V9_18,
    V9_20,
}

/// Is this what files of BIND's configuration are called? In lower case.
pub fn is_name(name: &str) -> bool {
    name.starts_with("named.") && name.contains("conf")
}

/// Does this look like BIND's configuration? One of its statements comes first.
pub fn is_text(text: &str) -> bool {
    const FIRST: [&str; 9] =
        ["options", "zone", "view", "acl", "include", "key", "logging", "controls", "primaries"];
    let first = lexer::Lexer::new(&"".into(), text).next();
    matches!(first, Ok(Some(lexer::Token { kind: lexer::TokenKind::Word(word), .. }))
        if FIRST.contains(&word.text.as_str()) && text.contains('{') || word.text == "include")
}

/// Reads `named.conf` and all that it includes.
pub fn import(source: &Path, options: &Options) -> Result<Imported, Unreadable> {
    let whole = files::read(source, options.bind_version)?;
    Ok(translation::run(source, &whole, options))
}
