//! A list of questions: `NAME [TYPE]` on each line, with comments. Reads text, asks nothing.

use std::fmt;
use std::io::{self, BufRead};

use super::question::{Gathering, Question};
use crate::control::rtype as types;
use crate::limits::COMPARE_LINE;
use crate::wire::name::{Name, NameError};
use crate::wire::rdata::rtype;

/// Why a file of questions can't be used. Lines count from 1.
#[derive(Debug)]
pub enum Fault {
    Read(io::Error),
    LongLine {
        line: usize,
    },
    Name {
        line: usize,
        text: String,
        fault: NameError,
    },
    Type {
        line: usize,
        text: String,
    },
    More {
        line: usize,
        text: String,
    },
    /// The first line of a query log, if it has any, is none of the known kinds, and no other one is.
    NoLog {
        line: usize,
        text: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Read(_) => write!(f, "it can't be read"),
            Fault::LongLine { line } => write!(f, "line {line}: longer than {COMPARE_LINE} octets"),
            Fault::Name { line, text, fault } => write!(f, "line {line}: '{text}' is not a name: {fault}"),
            Fault::Type { line, text } => {
                write!(f, "line {line}: '{text}' is not a record type; write a mnemonic or TYPEnnn")
            }
            Fault::More { line, text } => {
                write!(f, "line {line}: '{text}' is too much; a line is NAME or NAME TYPE")
            }
            Fault::NoLog { line, text } => write!(
                f,
                "line {line}: '{text}' is of no query log known here, and no other line is: BIND 9 (querylog), \
                 dnsmasq (log-queries) and Route 53 Resolver (JSON lines) are"
            ),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Fault::Read(source) => Some(source),
            Fault::Name { fault, .. } => Some(fault),
            _ => None,
        }
    }
}

/// Gathers the questions of a list. `#` and `;` begin comments; a line without a type asks for A.
pub fn read(file: impl BufRead, gathering: &mut Gathering) -> Result<(), Fault> {
    each_line(file, |line, text| {
        let text = text.split(['#', ';']).next().unwrap_or_default();
        let mut words = text.split_whitespace();
        let Some(name) = words.next() else { return Ok(()) };
        let wanted = words.next();
        if let Some(more) = words.next() {
            return Err(Fault::More { line, text: more.to_owned() });
        }
        let name = Name::parse(name).map_err(|fault| Fault::Name { line, text: name.to_owned(), fault })?;
        let wanted = match wanted {
            None => rtype::A,
            Some(text) => types::parse(text).ok_or_else(|| Fault::Type { line, text: text.to_owned() })?,
        };
        gathering.add(Question::new(name, wanted));
        Ok(())
    })
}

/// Calls `see` for each line with its number. Octets that are no UTF-8 become U+FFFD.
pub(super) fn each_line(
    mut file: impl BufRead,
    mut see: impl FnMut(usize, &str) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let within = &mut io::Read::take(&mut file, COMPARE_LINE as u64 + 1);
        if within.read_until(b'\n', &mut line).map_err(Fault::Read)? == 0 {
            break;
        }
        if line.len() > COMPARE_LINE {
            return Err(Fault::LongLine { line: number });
        }
        see(number, String::from_utf8_lossy(&line).trim())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(text: &str) -> Result<Vec<String>, Fault> {
        let mut gathering = Gathering::default();
        gathering.begin("list");
        read(text.as_bytes(), &mut gathering)?;
        Ok(gathering.pick(100).questions.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_types_and_comments() {
        let text = "# what the wiki says\nwww.example.com\n\nexample.com mx ; mail\nx.example TYPE65280\r\n";
        let expected = ["www.example.com A", "example.com MX", "x.example TYPE65280"];
        assert_eq!(gathered(text).expect("sound"), expected);
    }

    #[test]
    fn faults_have_their_line() {
        let fault = |text: &str| gathered(text).expect_err("a fault").to_string();
        assert!(fault("a.example\na..b\n").starts_with("line 2: 'a..b' is not a name"));
        assert!(fault("a.example NOTYPE\n").starts_with("line 1: 'NOTYPE' is not a record type"));
        assert!(fault("\n\na.example A 10.0.0.1\n").starts_with("line 3: '10.0.0.1' is too much"));
        assert!(fault(&"a".repeat(COMPARE_LINE + 5)).starts_with("line 1: longer than"));
    }
}
