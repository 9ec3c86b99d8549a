//! `named.conf` as a tree of words and braces, before any meaning: statements end with a semicolon, and braces hold
//! statements. What a statement may say is for [`super::grammar`].

use std::fmt::Write;
use std::sync::Arc;

use super::lexer::{Lexer, Token, TokenKind, Word, fault};
use crate::import::{Place, Unreadable};
use crate::limits::IMPORT_NESTING;

/// Words, signs and groups up to a semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub items: Vec<Item>,
    pub place: Place,
    /// Of the semicolon, or of what stands where it should.
    pub end: Place,
    /// False at the end of braces that hold free text.
    pub ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub kind: ItemKind,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    Word(Word),
    /// `!`, `/` or `=`.
    Sign(char),
    Group(Vec<Statement>),
}

impl Item {
    pub fn word(&self) -> Option<&Word> {
        match &self.kind {
            ItemKind::Word(word) => Some(word),
            ItemKind::Sign(_) | ItemKind::Group(_) => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        self.word().map(|word| word.text.as_str())
    }

    pub fn is_sign(&self, sign: char) -> bool {
        self.kind == ItemKind::Sign(sign)
    }

    pub fn group(&self) -> Option<&[Statement]> {
        match &self.kind {
            ItemKind::Group(statements) => Some(statements),
            ItemKind::Word(_) | ItemKind::Sign(_) => None,
        }
    }
}

impl Statement {
    /// Its first word as BIND compares it.
    pub fn name(&self) -> String {
        self.items.first().and_then(Item::text).unwrap_or_default().to_ascii_lowercase()
    }

    /// All behind the first word.
    pub fn arguments(&self) -> &[Item] {
        self.items.get(1..).unwrap_or_default()
    }

    /// The words behind the first one, without groups and signs.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.arguments().iter().filter_map(Item::text)
    }

    /// The first word behind the name.
    pub fn first_word(&self) -> &str {
        self.words().next().unwrap_or_default()
    }

    /// What its last braces hold.
    pub fn body(&self) -> &[Statement] {
        self.items.iter().rev().find_map(Item::group).unwrap_or_default()
    }

    /// As written, on one line, cut to a length that a list can show.
    pub fn shown(&self) -> String {
        const LONGEST: usize = 72;
        let mut text = String::new();
        self.show(&mut text, LONGEST * 2);
        match text.char_indices().nth(LONGEST) {
            Some((cut, _)) => format!("{} ...", text[..cut].trim_end()),
            None => text,
        }
    }
}

impl Statement {
    /// A secret is nobody's to read.
    fn show(&self, text: &mut String, enough: usize) {
        match self.name().as_str() {
            name @ ("secret" | "cookie-secret") => {
                let _ = write!(text, "{name} ...");
            }
            _ => show(&self.items, text, enough),
        }
    }
}

/// Stops when there is more than is needed.
fn show(items: &[Item], text: &mut String, enough: usize) {
    for item in items {
        if text.len() > enough {
            return;
        }
        let tight = text.ends_with(['!', '/']) || item.is_sign('/') || text.is_empty();
        let space = if tight { "" } else { " " };
        let _ = match &item.kind {
            ItemKind::Word(word) if word.quoted => write!(text, "{space}\"{}\"", printable(&word.text)),
            ItemKind::Word(word) => write!(text, "{space}{}", printable(&word.text)),
            ItemKind::Sign(sign) => write!(text, "{space}{sign}"),
            ItemKind::Group(statements) => {
                let _ = write!(text, "{space}{{");
                for statement in statements {
                    text.push(' ');
                    let mut inner = String::new();
                    statement.show(&mut inner, enough.saturating_sub(text.len()));
                    let _ = write!(text, "{inner};");
                }
                write!(text, " }}")
            }
        };
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Reads a whole file.
pub fn read(file: &Arc<str>, text: &str) -> Result<Vec<Statement>, Unreadable> {
    let mut lexer = Lexer::new(file, text);
    let mut statements = Vec::new();
    while let Some(token) = lexer.next()? {
        if let TokenKind::Sign('}') = token.kind {
            return Err(fault(&token.place, "this brace closes nothing", "remove it, or open it before"));
        }
        let statement = statement(&mut lexer, token, 0)?;
        let Read { statement, closed: None } = statement else {
            return Err(fault(&statement.statement.end, "this brace closes nothing", "remove it"));
        };
        statements.push(statement);
    }
    Ok(statements)
}

struct Read {
    statement: Statement,
    /// Where the brace stands that ended the braces around it, if one did.
    closed: Option<Place>,
}

fn statement(lexer: &mut Lexer<'_>, first: Token, depth: usize) -> Result<Read, Unreadable> {
    let place = first.place.clone();
    let mut items = Vec::new();
    let mut next = Some(first);
    while let Some(token) = next {
        let kind = match token.kind {
            TokenKind::Word(word) => ItemKind::Word(word),
            TokenKind::Sign(';') => {
                let statement = Statement { items, place, end: token.place, ended: true };
                return Ok(Read { statement, closed: None });
            }
            TokenKind::Sign('}') => {
                let statement = Statement { items, place, end: token.place.clone(), ended: false };
                return Ok(Read { statement, closed: Some(token.place) });
            }
            TokenKind::Sign('{') => ItemKind::Group(group(lexer, &token.place, depth + 1)?),
            TokenKind::Sign(sign) => ItemKind::Sign(sign),
        };
        items.push(Item { kind, place: token.place });
        next = lexer.next()?;
    }
    Err(fault(lexer.place(), "the file ends in the middle of a statement", "end it with a semicolon"))
}

fn group(lexer: &mut Lexer<'_>, open: &Place, depth: usize) -> Result<Vec<Statement>, Unreadable> {
    if depth > IMPORT_NESTING {
        let message = format!("braces are {IMPORT_NESTING} levels deep");
        return Err(fault(open, message, "name an inner list with `acl`, and write its name here"));
    }
    let mut statements = Vec::new();
    while let Some(token) = lexer.next()? {
        if let TokenKind::Sign('}') = token.kind {
            return Ok(statements);
        }
        let Read { statement, closed } = statement(lexer, token, depth)?;
        statements.push(statement);
        if closed.is_some() {
            return Ok(statements);
        }
    }
    Err(fault(open, "this brace is never closed", "close it with }; where it should end"))
}
