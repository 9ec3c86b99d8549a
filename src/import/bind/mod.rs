//! `named.conf` of BIND 9: read as `named` reads it, by its grammar, and translated statement by statement. Asks no
//! running server, and runs none of BIND's programs.

mod lexer;
mod tree;

use std::path::Path;
use std::sync::Arc;

use super::{Draft, Imported, Kind, Options, Outcome, Receipt, Unreadable, read_file};

/// The version of BIND whose defaults hold where nothing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
pub fn import(source: &Path, _options: &Options) -> Result<Imported, Unreadable> {
    let file: Arc<str> = source.display().to_string().into();
    let octets = read_file(source).map_err(|why| {
        let place = super::Place { file: Arc::clone(&file), line: 1, column: 1 };
        lexer::fault(&place, format!("can't read the file: {why}"), "correct the path, or who may read it")
    })?;
    let mut receipt = Receipt::new(Kind::Bind, file.to_string());
    for statement in tree::read(&file, &String::from_utf8_lossy(&octets))? {
        let outcome = Outcome::Refused {
            why: "nothing of it is known here".to_owned(),
            what_to_do: "write it by hand".to_owned(),
        };
        receipt.add(&statement.place, statement.shown(), outcome);
    }
    Ok(Imported { draft: Draft::default(), receipt, files: Vec::new() })
}
