//! Lines that expect something.

use std::net::SocketAddr;
use std::time::Duration;

use super::words::{Read, Words, rcode_of, wrong};
use crate::scenario::message::Record;
use crate::wire::name::Name;

pub enum Expect {
    /// Of the questions of a label, or of the latest line that asks, at least so many in a hundred.
    Answers {
        label: Option<String>,
        percent: f64,
        wanted: Box<Wanted>,
    },
    State {
        target: SocketAddr,
        word: String,
    },
    /// What status says of the rule's loop; none: that it has none.
    Loop {
        domain: Name,
        text: Option<String>,
    },
    Count {
        counted: Counted,
        compare: Compare,
        number: u64,
        since: Duration,
    },
}

/// What an answer must be; what is not named is free.
#[derive(Default)]
pub struct Wanted {
    pub rcode: Option<u16>,
    pub from: Option<SocketAddr>,
    pub within: Option<Duration>,
    pub not_before: Option<Duration>,
    pub ede: Option<u16>,
    pub no_ede: bool,
    pub origin: Option<String>,
    pub record: Option<Record>,
    pub ttl_at_most: Option<u32>,
    pub truncated: bool,
    pub text: Option<String>,
}

/// Numbers that can be expected; of one target or of all.
pub enum Counted {
    /// Clients' questions that went to a target, hedges too.
    Queries(Option<SocketAddr>),
    OverTcp(Option<SocketAddr>),
    Probes(Option<SocketAddr>),
    /// Marked questions, which find loops.
    Marked(Option<SocketAddr>),
    /// Questions for the addresses of targets' names.
    Lookups(Option<SocketAddr>),
    /// Questions that went elsewhere because of a target's rate, as status and metrics have it.
    Guarded(Option<SocketAddr>),
    /// Targets of an endpoint.
    Targets(String),
    /// Lines of the log with these words.
    Log(String),
    Hedges,
    /// Clients that wait.
    Waiting,
    /// Questions in the air, late ones too.
    InFlight,
}

pub enum Compare {
    Equal,
    AtMost,
    AtLeast,
}

/// What an expectation may begin with, beside answers.
const WORDS: [&str; 14] = [
    "state",
    "queries",
    "tcp",
    "probes",
    "marked",
    "lookups",
    "guarded",
    "hedges",
    "waiting",
    "flights",
    "targets of",
    "log",
    "loop",
    "no loop",
];

impl Words<'_> {
    pub fn expect(&mut self) -> Read<Expect> {
        match WORDS.into_iter().find(|word| self.take_all(word)) {
            None => self.expect_answers(),
            Some("loop") => {
                let domain = self.name()?;
                let text = if self.take("saying") { self.next().to_string() } else { String::new() };
                Ok(Expect::Loop { domain, text: Some(text) })
            }
            Some("no loop") => Ok(Expect::Loop { domain: self.name()?, text: None }),
            Some("state") => {
                let target = self.target()?;
                let word = self.next().to_string();
                match ["healthy", "returning", "suspect", "down"].contains(&word.as_str()) {
                    true => Ok(Expect::State { target, word }),
                    false => wrong(
                        format!("`{word}` is no state"),
                        "states are healthy, suspect, down and returning",
                    ),
                }
            }
            Some(word) => self.expect_count(word),
        }
    }

    fn expect_count(&mut self, word: &str) -> Read<Expect> {
        let counted = match word {
            "hedges" => Counted::Hedges,
            "waiting" => Counted::Waiting,
            "flights" => Counted::InFlight,
            "log" => Counted::Log(self.next().to_string()),
            "targets of" => Counted::Targets(self.next().to_string()),
            _ => {
                let target = if self.take("to") && !self.take("all") { Some(self.target()?) } else { None };
                match word {
                    "queries" => Counted::Queries(target),
                    "tcp" => Counted::OverTcp(target),
                    "marked" => Counted::Marked(target),
                    "lookups" => Counted::Lookups(target),
                    "guarded" => Counted::Guarded(target),
                    _ => Counted::Probes(target),
                }
            }
        };
        let compare = match self.next() {
            "=" => Compare::Equal,
            "<=" => Compare::AtMost,
            ">=" => Compare::AtLeast,
            other => return wrong(format!("`{other}` compares nothing"), "write =, <= or >= and a number"),
        };
        let number = self.bounded("things", 0..=u64::MAX)?;
        let since = if self.take("since") { self.time()? } else { Duration::ZERO };
        Ok(Expect::Count { counted, compare, number, since })
    }

    fn expect_answers(&mut self) -> Read<Expect> {
        let mut label = None;
        let mut percent = 100.0;
        if let Some(share) = self.peek().strip_suffix('%') {
            percent = share.parse().or_else(|_| wrong(format!("`{share}` is no share"), "write `99%`"))?;
            self.next();
        }
        if !matches!(self.peek(), "answer" | "answers" | "") {
            label = Some(self.next().to_string());
        }
        if !self.take("answer") && !self.take("answers") {
            let help = format!("expect answer(s), {}", WORDS.join(", "));
            return wrong(format!("`{}` can't be expected", self.peek()), help);
        }
        let wanted = Box::new(self.wanted()?);
        Ok(Expect::Answers { label, percent, wanted })
    }

    fn wanted(&mut self) -> Read<Wanted> {
        let mut wanted = Wanted::default();
        loop {
            if let Some(rcode) = rcode_of(self.peek()) {
                wanted.rcode = Some(rcode);
                self.next();
            } else if self.take("from") {
                wanted.from = Some(self.target()?);
            } else if self.take("within") {
                wanted.within = Some(self.time()?);
            } else if self.take("after") {
                wanted.not_before = Some(self.time()?);
            } else if self.take("ede") {
                wanted.ede = Some(self.bounded("codes", 0..=65_535)? as u16);
            } else if self.take_all("no ede") {
                wanted.no_ede = true;
            } else if self.take("origin") {
                wanted.origin = Some(self.next().to_string());
            } else if self.take("with") {
                wanted.record = Some(self.record()?);
            } else if self.take("ttl") {
                if !self.take("<=") {
                    return wrong("`<=` is missing", "write `ttl <= 30s`");
                }
                wanted.ttl_at_most = Some(self.time()?.as_secs() as u32);
            } else if self.take("truncated") {
                wanted.truncated = true;
            } else if self.take("saying") {
                wanted.text = Some(self.next().to_string());
            } else {
                return Ok(wanted);
            }
        }
    }
}
