//! The tokens of `named.conf`, each with its place: words, bare or quoted, and the signs between them. Knows the three
//! kinds of comments, and no statement.

use std::sync::Arc;

use crate::import::{Place, Unreadable};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Word(Word),
    /// One of `{ } ; ! / =`: they end a bare word without a space.
    Sign(char),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub quoted: bool,
}

const SIGNS: &str = "{};!/=";

pub struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    at: Place,
    /// The character before was the last of a bare word.
    behind_word: bool,
}

impl<'a> Lexer<'a> {
    pub fn new(file: &Arc<str>, text: &'a str) -> Lexer<'a> {
        let at = Place { file: Arc::clone(file), line: 1, column: 1 };
        Lexer { rest: text.chars().peekable(), at, behind_word: false }
    }

    /// Where the next character stands.
    pub fn place(&self) -> &Place {
        &self.at
    }

    /// None at the end.
    pub fn next(&mut self) -> Result<Option<Token>, Unreadable> {
        loop {
            let Some(&c) = self.rest.peek() else { return Ok(None) };
            let place = self.at.clone();
            let behind_word = std::mem::take(&mut self.behind_word);
            match c {
                ' ' | '\t' | '\r' | '\n' => self.skip(),
                '#' => self.skip_line(),
                '/' => {
                    self.skip();
                    match self.rest.peek() {
                        Some('/') => self.skip_line(),
                        // Behind a word BIND takes the slash for a sign.
                        Some('*') if !behind_word => self.skip_block(&place)?,
                        _ => return Ok(Some(Token { kind: TokenKind::Sign('/'), place })),
                    }
                }
                '"' => return self.quoted(place).map(Some),
                c if SIGNS.contains(c) => {
                    self.skip();
                    return Ok(Some(Token { kind: TokenKind::Sign(c), place }));
                }
                _ => return Ok(Some(self.bare(place))),
            }
        }
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        match c {
            '\n' => (self.at.line, self.at.column) = (self.at.line + 1, 1),
            _ => self.at.column += 1,
        }
        Some(c)
    }

    fn skip(&mut self) {
        self.bump();
    }

    fn skip_line(&mut self) {
        while self.rest.peek().is_some_and(|&c| c != '\n') {
            self.bump();
        }
    }

    /// They don't nest.
    fn skip_block(&mut self, begin: &Place) -> Result<(), Unreadable> {
        self.skip();
        let mut star = false;
        while let Some(c) = self.bump() {
            if star && c == '/' {
                return Ok(());
            }
            star = c == '*';
        }
        Err(fault(begin, "this comment has no end", "close it with */"))
    }

    fn bare(&mut self, place: Place) -> Token {
        let mut text = String::new();
        while let Some(&c) = self.rest.peek() {
            if " \t\r\n\"#".contains(c) || SIGNS.contains(c) {
                break;
            }
            text.push(c);
            self.skip();
        }
        self.behind_word = true;
        Token { kind: TokenKind::Word(Word { text, quoted: false }), place }
    }

    /// A backslash keeps a quote from being the end, and is kept before all else.
    fn quoted(&mut self, place: Place) -> Result<Token, Unreadable> {
        self.skip();
        let mut text = String::new();
        let mut escaped = false;
        while let Some(c) = self.bump() {
            match c {
                '"' if escaped => {
                    text.pop();
                    text.push('"');
                    escaped = false;
                }
                '"' => return Ok(Token { kind: TokenKind::Word(Word { text, quoted: true }), place }),
                '\n' if !escaped => break,
                c => {
                    text.push(c);
                    escaped = c == '\\' && !escaped;
                }
            }
        }
        Err(fault(&place, "this quotation has no end on its line", "close it with a quotation mark"))
    }
}

pub fn fault(place: &Place, message: impl Into<String>, help: impl Into<String>) -> Unreadable {
    Unreadable { place: place.clone(), message: message.into(), help: help.into() }
}
