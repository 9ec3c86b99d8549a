//! What the arguments of a statement may look like: the simple things that `named.conf` is made of, read off one item
//! after the other. A shape judges form alone, as BIND's own parser does; meaning is for who translates.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Version;
use super::lexer::fault;
use super::tree::{Item, ItemKind, Statement};
use super::value;
use crate::import::{Place, Unreadable};

pub type Shaped = Result<(), Unreadable>;
pub type Shape = fn(&mut Args<'_>) -> Shaped;

/// The items of a statement that are still to be read.
pub struct Args<'a> {
    items: &'a [Item],
    end: &'a Place,
    pub version: Version,
}

impl<'a> Args<'a> {
    pub fn new(items: &'a [Item], end: &'a Place, version: Version) -> Args<'a> {
        Args { items, end, version }
    }

    fn place(&self) -> &'a Place {
        self.items.first().map_or(self.end, |item| &item.place)
    }

    /// A fault at what comes next.
    pub fn expected(&self, what: &str) -> Unreadable {
        let found = match self.items.first().map(|item| &item.kind) {
            None => "the statement ends here".to_owned(),
            Some(ItemKind::Word(word)) if word.quoted => format!("\"{}\" stands here", word.text),
            Some(ItemKind::Word(word)) => format!("`{}` stands here", word.text),
            Some(ItemKind::Sign(sign)) => format!("`{sign}` stands here"),
            Some(ItemKind::Group(_)) => "braces stand here".to_owned(),
        };
        fault(self.place(), format!("{found}, where BIND wants {what}"), format!("write {what}"))
    }

    fn bare_text(&self) -> Option<&'a str> {
        self.items.first()?.word().filter(|word| !word.quoted).map(|word| word.text.as_str())
    }

    fn any_text(&self) -> Option<&'a str> {
        self.items.first()?.text()
    }

    fn advance(&mut self) {
        self.items = &self.items[1..];
    }

    fn take(&mut self, fits: bool, what: &str) -> Shaped {
        if !fits {
            return Err(self.expected(what));
        }
        self.advance();
        Ok(())
    }

    pub fn done(&self) -> Shaped {
        match self.items {
            [] => Ok(()),
            _ => Err(self.expected("a semicolon")),
        }
    }

    pub fn is_done(&self) -> bool {
        self.items.is_empty()
    }

    /// Is this bare word next?
    pub fn at(&self, word: &str) -> bool {
        self.bare_text().is_some_and(|text| text.eq_ignore_ascii_case(word))
    }

    /// Takes the word if it is next.
    pub fn try_word(&mut self, word: &str) -> bool {
        let there = self.at(word);
        if there {
            self.advance();
        }
        there
    }

    pub fn one_of(&mut self, words: &[&str]) -> Shaped {
        let fits = words.iter().any(|word| self.at(word));
        self.take(fits, &alternatives(words))
    }

    pub fn flag(&mut self) -> Shaped {
        self.take(self.bare_text().and_then(value::flag).is_some(), "yes or no")
    }

    pub fn integer(&mut self) -> Shaped {
        self.take(self.bare_text().and_then(value::integer).is_some(), "a number")
    }

    pub fn port(&mut self) -> Shaped {
        let number = self.bare_text().and_then(value::integer);
        self.take(number.is_some_and(|number| number <= 65_535), "a port from 0 to 65535")
    }

    pub fn duration(&mut self) -> Shaped {
        let fits = self.bare_text().and_then(value::duration).is_some();
        self.take(fits, "a duration: 3600, 1h30m or PT1H30M")
    }

    pub fn size(&mut self) -> Shaped {
        self.take(self.bare_text().and_then(value::size).is_some(), "a size: a number, or one with K, M or G")
    }

    pub fn percentage(&mut self) -> Shaped {
        self.take(self.bare_text().and_then(value::percentage).is_some(), "a percentage")
    }

    pub fn fixed_point(&mut self) -> Shaped {
        self.take(self.bare_text().is_some_and(value::is_fixed_point), "a number such as 0.25")
    }

    /// Bare or quoted.
    pub fn text(&mut self) -> Shaped {
        self.take(self.any_text().is_some(), "a name")
    }

    pub fn quoted(&mut self) -> Shaped {
        let quoted = self.items.first().and_then(Item::word).is_some_and(|word| word.quoted);
        self.take(quoted, "a text in quotation marks")
    }

    pub fn bare(&mut self) -> Shaped {
        self.take(self.bare_text().is_some(), "a word without quotation marks")
    }

    pub fn address(&mut self) -> Shaped {
        self.take(self.bare_text().is_some_and(is_address), "an IP address")
    }

    pub fn address_or_any(&mut self) -> Shaped {
        let fits = self.at("*") || self.bare_text().is_some_and(is_address);
        self.take(fits, "an IP address or *")
    }

    /// `10.0.0.0/8`, `10/8`, `2001:db8::/32`, or one address.
    pub fn prefix(&mut self) -> Shaped {
        let Some(text) = self.bare_text().filter(|text| value::looks_like_address(text)) else {
            return Err(self.expected("a network"));
        };
        let at = self.place();
        self.advance();
        let length = match self.items {
            [slash, length, ..] if slash.is_sign('/') => {
                let length = length.word().filter(|word| !word.quoted);
                let length = length.and_then(|word| value::integer(&word.text));
                self.advance();
                let Some(length) = length else { return Err(self.expected("the length of a prefix")) };
                self.advance();
                Some(length)
            }
            [slash, ..] if slash.is_sign('/') => return Err(self.expected("a network")),
            _ => None,
        };
        match value::prefix(text, length) {
            Ok(_) => Ok(()),
            Err(why) => Err(fault(at, why.to_string(), "correct the network")),
        }
    }

    /// The statements within braces, each ended by a semicolon.
    pub fn group(&mut self) -> Result<&'a [Statement], Unreadable> {
        let Some(statements) = self.items.first().and_then(Item::group) else {
            return Err(self.expected("{"));
        };
        for statement in statements {
            ended(statement)?;
        }
        self.advance();
        Ok(statements)
    }

    /// Braces that hold whatever they like.
    pub fn free_text(&mut self) -> Shaped {
        self.take(self.items.first().is_some_and(|item| item.group().is_some()), "{")
    }

    /// Braces whose elements each have a shape.
    pub fn list(&mut self, shape: impl Fn(&mut Args<'_>) -> Shaped) -> Shaped {
        let version = self.version;
        for statement in self.group()? {
            let mut args = Args::new(&statement.items, &statement.end, version);
            shape(&mut args)?;
            args.done()?;
        }
        Ok(())
    }

    pub fn texts(&mut self) -> Shaped {
        self.list(|args| args.text())
    }

    /// An address match list.
    pub fn acl(&mut self) -> Shaped {
        self.list(acl_element)
    }

    /// `word value`, if the word is next.
    pub fn option(&mut self, word: &str, shape: impl Fn(&mut Args<'a>) -> Shaped) -> Shaped {
        match self.try_word(word) {
            true => shape(self),
            false => Ok(()),
        }
    }

    /// Words with values, in any order, up to the end.
    pub fn options(&mut self, options: &[(&str, Shape)]) -> Shaped {
        while !self.is_done() {
            let Some((_, shape)) = options.iter().find(|(word, _)| self.at(word)) else {
                let words: Vec<&str> = options.iter().map(|(word, _)| *word).collect();
                return Err(self.expected(&alternatives(&words)));
            };
            self.advance();
            shape(self)?;
        }
        Ok(())
    }
}

/// A semicolon stands behind it, and something before that.
pub fn ended(statement: &Statement) -> Shaped {
    if !statement.ended {
        return Err(fault(&statement.end, "a semicolon is missing before this brace", "write ; before }"));
    }
    if statement.items.is_empty() {
        return Err(fault(&statement.place, "this semicolon ends nothing", "remove it"));
    }
    Ok(())
}

fn alternatives(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// May have the name of an interface behind `%`.
fn is_address(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
        || text.split('%').next().is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn acl_element(args: &mut Args<'_>) -> Shaped {
    // BIND reads any number of `!`, and refuses more than one later.
    while args.items.first().is_some_and(|item| item.is_sign('!')) {
        args.advance();
    }
    if args.try_word("key") {
        return args.text();
    }
    if args.try_word("geoip") {
        args.option("db", Args::text)?;
        args.bare()?;
        return args.text();
    }
    match args.items.first().map(|item| &item.kind) {
        Some(ItemKind::Group(_)) => args.list(acl_element),
        Some(ItemKind::Word(word)) if !word.quoted && value::looks_like_address(&word.text) => args.prefix(),
        Some(ItemKind::Word(_)) => args.text(),
        _ => Err(args.expected("an element of an address list")),
    }
}

/// `{ 10.0.0.1 port 53 key K tls T; LIST; }`, with a port and a source before it: primaries and the like.
pub fn remote_servers(args: &mut Args<'_>) -> Shaped {
    args.option("port", Args::port)?;
    args.option("source", Args::source)?;
    args.option("source-v6", Args::source)?;
    args.option("dscp", Args::integer)?;
    args.option("port", Args::port)?;
    args.list(|args| {
        if args.bare_text().is_some_and(is_address) {
            args.advance();
            args.option("port", Args::port)?;
        } else {
            args.text()?;
        }
        args.option("key", Args::text)?;
        args.option("tls", Args::text)
    })
}

impl Args<'_> {
    /// An address to send from; a port of it is of old.
    pub fn source(&mut self) -> Shaped {
        self.try_word("address");
        self.address_or_any()?;
        self.source_rest()
    }

    fn source_rest(&mut self) -> Shaped {
        self.option("port", |args| if args.try_word("*") { Ok(()) } else { args.port() })?;
        self.option("dscp", Args::integer)
    }

    /// `query-source`: address and port in any order.
    pub fn query_source(&mut self) -> Shaped {
        if self.is_done() {
            return Err(self.expected("an address, or port"));
        }
        while !self.is_done() {
            if self.try_word("port") {
                if !self.try_word("*") {
                    self.port()?;
                }
            } else if self.try_word("dscp") {
                self.integer()?;
            } else {
                self.try_word("address");
                self.address_or_any()?;
            }
        }
        Ok(())
    }

    pub fn address_or_any_rest(&mut self) -> Shaped {
        self.address_or_any()?;
        self.source_rest()
    }

    /// `{ 53; range 1024 65535; }`
    pub fn ports(&mut self) -> Shaped {
        self.list(|args| match args.try_word("range") {
            true => {
                args.port()?;
                args.port()
            }
            false => args.port(),
        })
    }
}
