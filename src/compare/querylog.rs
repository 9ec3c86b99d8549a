//! Questions out of the query logs that other servers write. Takes lines apart; what is no question is passed over
//! and counted.

use std::io::BufRead;

use serde::Deserialize;

use super::list::{Fault, each_line};
use super::question::{Gathering, Question};
use crate::control::rtype as types;
use crate::wire::name::Name;

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bind,
    Dnsmasq,
    Route53,
}

impl Kind {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bind => "BIND query log",
            Kind::Dnsmasq => "dnsmasq query log",
            Kind::Route53 => "Route 53 Resolver query log",
        }
    }
}

/// What a log held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub kind: Kind,
    /// Lines that tell of a question.
    pub questions: usize,
    /// Lines that don't, or whose name, type or class is none that can be asked.
    pub passed_over: usize,
}

/// Gathers the questions of a log; its first line that tells of one says whose it is.
pub fn read(file: impl BufRead, gathering: &mut Gathering) -> Result<Log, Fault> {
    let (mut kind, mut questions, mut lines) = (None, 0, 0);
    let mut first = None;
    each_line(file, |line, text| {
        if text.is_empty() {
            return Ok(());
        }
        lines += 1;
        first.get_or_insert_with(|| (line, text.chars().take(80).collect::<String>()));
        let kinds = kind.map_or_else(|| vec![Kind::Bind, Kind::Dnsmasq, Kind::Route53], |kind| vec![kind]);
        let found = kinds.into_iter().find_map(|kind| Some((kind, question(kind, text)?)));
        if let Some((found, question)) = found {
            kind = Some(found);
            questions += 1;
            gathering.add(question);
        }
        Ok(())
    })?;
    match kind {
        Some(kind) => Ok(Log { kind, questions, passed_over: lines - questions }),
        None => {
            let (line, text) = first.unwrap_or((1, String::new()));
            Err(Fault::NoLog { line, text })
        }
    }
}

fn question(kind: Kind, line: &str) -> Option<Question> {
    let (name, rtype) = match kind {
        Kind::Bind => bind(line)?,
        Kind::Dnsmasq => dnsmasq(line)?,
        Kind::Route53 => route53(line)?,
    };
    Some(Question::new(Name::parse(&name).ok()?, types::parse(&rtype)?))
}

/// A name and a type, as they were written.
type Written = (String, String);

/// `… client @0x7f 10.0.0.1#53124 (www.example.com): query: www.example.com IN A +E(0)K (10.0.0.2)`, with a view
/// before `query` or not.
fn bind(line: &str) -> Option<Written> {
    if !line.contains("client ") {
        return None;
    }
    let mut words = line.split_once(": query: ")?.1.split(' ');
    let (name, class, rtype) = (words.next()?, words.next()?, words.next()?);
    (class == "IN").then(|| (name.to_owned(), rtype.to_owned()))
}

/// `… dnsmasq[812]: query[A] www.example.com from 10.0.0.1`, with a serial number and the client before `query` or
/// not (`log-queries=extra`). Types without a mnemonic are `type=65`.
fn dnsmasq(line: &str) -> Option<Written> {
    if !line.contains("dnsmasq") {
        return None;
    }
    let (rtype, rest) = line.split_once(" query[")?.1.split_once("] ")?;
    let (name, _) = rest.split_once(" from ")?;
    let rtype =
        rtype.strip_prefix("type=").map_or_else(|| rtype.to_owned(), |number| format!("TYPE{number}"));
    Some((name.to_owned(), rtype))
}

/// One object a line, as Resolver writes it to CloudWatch Logs, S3 and Firehose.
fn route53(line: &str) -> Option<Written> {
    #[derive(Deserialize)]
    struct Line {
        query_name: String,
        query_type: String,
        query_class: String,
    }
    let line: Line = serde_json::from_str(line).ok()?;
    (line.query_class == "IN").then_some((line.query_name, line.query_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(text: &str) -> (Log, Vec<String>) {
        let mut gathering = Gathering::default();
        gathering.begin("log");
        let log = read(text.as_bytes(), &mut gathering).expect("a log");
        (log, gathering.pick(100).questions.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn bind_with_and_without_a_view() {
        let text = "22-Nov-2026 09:00:01.000 queries: info: client @0x7f2c 10.0.0.9#53124 (www.example.com): \
                    query: www.example.com IN A +E(0)K (10.0.0.2)\n\
                    22-Nov-2026 09:00:02.000 queries: info: client @0x7f2d 10.0.0.9#5 (x.example): view inside: \
                    query: x.example IN TYPE65 + (10.0.0.2)\n\
                    22-Nov-2026 09:00:02.100 queries: info: client @0x7f2d 10.0.0.9#5 (version.bind): \
                    query: version.bind CH TXT + (10.0.0.2)\n\
                    22-Nov-2026 09:00:03.000 general: info: running\n";
        let (log, questions) = gathered(text);
        assert_eq!(log, Log { kind: Kind::Bind, questions: 2, passed_over: 2 });
        assert_eq!(questions, ["www.example.com A", "x.example HTTPS"]);
    }

    #[test]
    fn dnsmasq_plain_and_extra() {
        let text = "Nov 22 09:00:01 dnsmasq[812]: query[A] www.example.com from 10.0.0.9\n\
                    Nov 22 09:00:01 dnsmasq[812]: forwarded www.example.com to 10.0.0.2\n\
                    Nov 22 09:00:02 dnsmasq[812]: 7 10.0.0.9/5353 query[type=65280] x.example from 10.0.0.9\n";
        let (log, questions) = gathered(text);
        assert_eq!(log, Log { kind: Kind::Dnsmasq, questions: 2, passed_over: 1 });
        assert_eq!(questions, ["www.example.com A", "x.example TYPE65280"]);
    }

    #[test]
    fn route_53_lines() {
        let text = r#"{"version":"1.100000","region":"ap-northeast-2","query_timestamp":"2026-11-22T09:00:01Z",
"query_name":"web1.awsanycompany.corp.","query_type":"AAAA","query_class":"IN","rcode":"NOERROR"}"#;
        let (log, questions) = gathered(&text.replace('\n', ""));
        assert_eq!(log, Log { kind: Kind::Route53, questions: 1, passed_over: 0 });
        assert_eq!(questions, ["web1.awsanycompany.corp AAAA"]);
    }

    #[test]
    fn what_is_no_log_is_said_with_its_line() {
        let mut gathering = Gathering::default();
        gathering.begin("log");
        for (text, line) in [("\nwww.example.com A\n", "line 2: 'www.example.com A'"), ("", "line 1: ''")] {
            let fault = read(text.as_bytes(), &mut gathering).expect_err("no log").to_string();
            assert!(fault.starts_with(line), "{fault}");
        }
    }
}
