//! A line as words, and the things that words stand for: times, numbers, addresses, names, records.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::units::parse_duration;
use crate::control::rtype;
use crate::limits::SCENARIO_TIME;
use crate::scenario::message::Record;
use crate::wire::header::rcode_name;
use crate::wire::name::Name;

pub type Read<T> = Result<T, (String, String)>;

pub fn wrong<T>(message: impl Into<String>, help: impl Into<String>) -> Read<T> {
    Err((message.into(), help.into()))
}

/// A line's words, those in double quotes as one. `#` begins a comment.
pub fn words(line: &str) -> Read<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((word, behind)) => (word, behind),
                None => return wrong("a quote has no end", "close it with `\"`"),
            },
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_string());
        rest = behind.trim_start();
    }
    Ok(words)
}

pub struct Words<'a> {
    words: &'a [String],
    at: usize,
}

impl<'a> Words<'a> {
    pub fn new(words: &'a [String]) -> Words<'a> {
        Words { words, at: 0 }
    }

    pub fn peek(&self) -> &str {
        self.words.get(self.at).map_or("", String::as_str)
    }

    pub fn next(&mut self) -> &str {
        self.at += 1;
        self.words.get(self.at - 1).map_or("", String::as_str)
    }

    pub fn take(&mut self, word: &str) -> bool {
        let there = self.peek() == word;
        self.at += usize::from(there);
        there
    }

    /// All of these words, or none.
    pub fn take_all(&mut self, phrase: &str) -> bool {
        let start = self.at;
        let all = phrase.split(' ').all(|word| self.take(word));
        if !all {
            self.at = start;
        }
        all
    }

    pub fn end(&self) -> Read<()> {
        match self.words.get(self.at) {
            None => Ok(()),
            Some(word) => wrong(
                format!("`{word}` is not understood here"),
                "`dnsfwd manual scenarios` lists what a line may say",
            ),
        }
    }

    pub fn time(&mut self) -> Read<Duration> {
        let word = self.next();
        match parse_duration(word) {
            _ if word == "0" => Ok(Duration::ZERO),
            Ok(time) if time <= SCENARIO_TIME => Ok(time),
            Ok(_) => wrong(format!("`{word}` is longer than a day"), "write a shorter time"),
            Err(why) => wrong(format!("`{word}` is no time: {why}"), "write it as 50ms, 2s or 1m30s"),
        }
    }

    pub fn bounded(&mut self, what: &str, bounds: std::ops::RangeInclusive<u64>) -> Read<u64> {
        let word = self.next();
        match word.parse() {
            Ok(number) if bounds.contains(&number) => Ok(number),
            _ => {
                let help = format!("{what} go from {} to {}", bounds.start(), bounds.end());
                wrong(format!("`{word}` is no number of {what}"), help)
            }
        }
    }

    pub fn address(&mut self) -> Read<IpAddr> {
        let word = self.next();
        word.parse().or_else(|_| wrong(format!("`{word}` is no address"), "write an IP address"))
    }

    /// With port 53 unless there is one.
    pub fn target(&mut self) -> Read<SocketAddr> {
        let word = self.next();
        match (word.parse::<IpAddr>(), word.parse::<SocketAddr>()) {
            (Ok(address), _) => Ok((address, 53).into()),
            (_, Ok(address)) => Ok(address),
            _ => wrong(format!("`{word}` is no target's address"), "write an IP address"),
        }
    }

    pub fn name(&mut self) -> Read<Name> {
        let word = self.next();
        Name::parse(word).or_else(|why| wrong(format!("`{word}` is no name: {why}"), "write a domain name"))
    }

    pub fn rtype(&mut self) -> Read<u16> {
        let word = self.next();
        rtype::parse(word)
            .map_or_else(|| wrong(format!("`{word}` is no record type"), "write A, AAAA or TYPE65280"), Ok)
    }

    pub fn record(&mut self) -> Read<Record> {
        let rtype = self.rtype()?;
        let word = self.next();
        let help = "A, AAAA, CNAME, NS, PTR and TXT can be written";
        Record::parse(rtype, word).map_or_else(|| wrong(format!("`{word}` is no such data"), help), Ok)
    }

    /// Lets the latest word be read again.
    pub fn back(&mut self) {
        self.at -= 1;
    }
}

/// A response code by its name.
pub fn rcode_of(word: &str) -> Option<u16> {
    (0..32).find(|&code| rcode_name(code) == word)
}
