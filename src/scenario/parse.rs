//! Reads a scenario: a line at a time, a word at a time. What is wrong is told with its line and what to do.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Fault;
use super::message::{Question, Record};
use super::target::{Act, Pattern, Said, Scope, Speech, USUAL_DELAY};
use super::world::numbered;
use crate::config::units::parse_duration;
use crate::control::rtype;
use crate::limits::{SCENARIO_QUESTIONS, SCENARIO_TIME, SCENARIO_WORKERS};
use crate::wire::header::{bit, rcode_name};
use crate::wire::name::Name;

/// A scenario as it was read.
pub struct Scenario {
    pub path: PathBuf,
    /// The comment that the file begins with.
    pub about: String,
    /// The configuration, with as many empty lines before it as there are others before it in the file.
    pub config: String,
    pub workers: usize,
    pub seed: u64,
    /// In the order of the file, which is that of their times.
    pub steps: Vec<Step>,
}

pub struct Step {
    pub line: usize,
    pub at: Duration,
    pub what: What,
}

pub enum What {
    Ask { client: IpAddr, question: Question, over_tcp: bool, worker: Option<usize>, label: Option<String> },
    Load(Load),
    Behave { target: SocketAddr, scope: Scope, act: Act },
    Drain { target: SocketAddr, length: Option<Duration> },
    Enable { target: SocketAddr },
    Reload { config: String },
    Expect(Expect),
}

/// Many questions at a rate.
pub struct Load {
    pub pattern: String,
    pub rtype: u16,
    pub rate: u64,
    pub length: Duration,
    /// None: each question is another client's.
    pub client: Option<IpAddr>,
    pub label: Option<String>,
}

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

type Read<T> = Result<T, (String, String)>;

fn wrong<T>(message: impl Into<String>, help: impl Into<String>) -> Read<T> {
    Err((message.into(), help.into()))
}

impl Scenario {
    pub fn parse(path: &Path, text: &str) -> Result<Scenario, Fault> {
        let mut reader = Reader::new(text);
        let read = reader.read();
        read.map(|()| reader.into_scenario(path)).map_err(|(line, (message, help))| Fault {
            path: path.to_path_buf(),
            line,
            message,
            help,
        })
    }
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
    now: Duration,
    about: Vec<&'a str>,
    config: Option<String>,
    workers: usize,
    seed: u64,
    steps: Vec<Step>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        let lines: Vec<&str> = text.lines().collect();
        let about = lines.iter().take_while(|line| line.starts_with('#'));
        let about = about.map(|line| line.trim_start_matches('#').trim()).collect();
        Reader { lines, at: 0, now: Duration::ZERO, about, config: None, workers: 1, seed: 1, steps: vec![] }
    }

    fn into_scenario(self, path: &Path) -> Scenario {
        Scenario {
            path: path.to_path_buf(),
            about: self.about.join("\n"),
            config: self.config.unwrap_or_default(),
            workers: self.workers,
            seed: self.seed,
            steps: self.steps,
        }
    }

    fn read(&mut self) -> Result<(), (usize, (String, String))> {
        while self.at < self.lines.len() {
            let line = self.at + 1;
            let words = words(self.lines[self.at]).map_err(|fault| (line, fault))?;
            self.at += 1;
            if !words.is_empty() {
                self.line(line, Words { words: &words, at: 0 }).map_err(|fault| (line, fault))?;
            }
        }
        let whole = || -> Read<()> {
            if self.about.concat().is_empty() {
                return wrong(
                    "no comment says what the scenario stands for",
                    "begin the file with a line `# the fault or RFC section`",
                );
            }
            if self.config.is_none() {
                return wrong("no configuration", "put one between a line `config` and a line `end`");
            }
            match self.steps.iter().any(|step| matches!(step.what, What::Expect(_))) {
                true => Ok(()),
                false => wrong("nothing is expected", "add a line such as `expect answer NOERROR`"),
            }
        };
        whole().map_err(|fault| (0, fault))
    }

    fn line(&mut self, line: usize, mut words: Words<'_>) -> Read<()> {
        match words.next() {
            "config" => self.config = Some(self.block()?),
            "workers" => self.workers = words.bounded("workers", 1..=SCENARIO_WORKERS as u64)? as usize,
            "seed" => self.seed = words.bounded("seed", 0..=u64::MAX)?,
            "target" => {
                let target = words.target()?;
                let what = words.behaviour(target)?;
                self.steps.push(Step { line, at: Duration::ZERO, what });
            }
            "at" => {
                let at = words.time()?;
                if at < self.now {
                    return wrong("this is before the line above", "put steps in the order of their times");
                }
                self.now = at;
                self.step(line, &mut words)?;
            }
            "expect" => {
                let what = What::Expect(words.expect()?);
                self.steps.push(Step { line, at: self.now, what });
            }
            other => {
                return wrong(
                    format!("`{other}` begins no line"),
                    "lines begin with config, workers, seed, target, at, expect or #",
                );
            }
        }
        words.end()
    }

    fn step(&mut self, line: usize, words: &mut Words<'_>) -> Read<()> {
        let what = match words.next() {
            "client" => words.ask(self.workers)?,
            "clients" => words.load()?,
            "drain" => {
                let target = words.target()?;
                let length = if words.take("for") { Some(words.time()?) } else { None };
                What::Drain { target, length }
            }
            "enable" => What::Enable { target: words.target()? },
            "reload" => What::Reload { config: self.following_block()? },
            "expect" => What::Expect(words.expect()?),
            _ => {
                words.at -= 1;
                let target = words.target()?;
                words.behaviour(target)?
            }
        };
        self.steps.push(Step { line, at: self.now, what });
        Ok(())
    }

    fn following_block(&mut self) -> Read<String> {
        match self.lines.get(self.at).map(|line| line.trim()) {
            Some("config") => {
                self.at += 1;
                self.block()
            }
            _ => wrong("no configuration follows", "put a line `config` below it"),
        }
    }

    /// The lines up to `end`, below as many empty ones as keep their numbers.
    fn block(&mut self) -> Read<String> {
        let mut text = "\n".repeat(self.at);
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            if line.trim() == "end" {
                return Ok(text);
            }
            text.push_str(line);
            text.push('\n');
        }
        wrong("this configuration has no end", "close it with a line `end`")
    }
}

/// A line's words, those in double quotes as one. `#` begins a comment.
fn words(line: &str) -> Read<Vec<String>> {
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

struct Words<'a> {
    words: &'a [String],
    at: usize,
}

impl Words<'_> {
    fn peek(&self) -> &str {
        self.words.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> &str {
        self.at += 1;
        self.words.get(self.at - 1).map_or("", String::as_str)
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.peek() == word;
        self.at += usize::from(there);
        there
    }

    /// All of these words, or none.
    fn take_all(&mut self, phrase: &str) -> bool {
        let start = self.at;
        let all = phrase.split(' ').all(|word| self.take(word));
        if !all {
            self.at = start;
        }
        all
    }

    fn end(&self) -> Read<()> {
        match self.words.get(self.at) {
            None => Ok(()),
            Some(word) => {
                wrong(format!("`{word}` is not understood here"), "the README lists what a line may say")
            }
        }
    }

    fn time(&mut self) -> Read<Duration> {
        let word = self.next();
        match parse_duration(word) {
            _ if word == "0" => Ok(Duration::ZERO),
            Ok(time) if time <= SCENARIO_TIME => Ok(time),
            Ok(_) => wrong(format!("`{word}` is longer than a day"), "write a shorter time"),
            Err(why) => wrong(format!("`{word}` is no time: {why}"), "write it as 50ms, 2s or 1m30s"),
        }
    }

    fn bounded(&mut self, what: &str, bounds: std::ops::RangeInclusive<u64>) -> Read<u64> {
        let word = self.next();
        match word.parse() {
            Ok(number) if bounds.contains(&number) => Ok(number),
            _ => {
                let help = format!("{what} go from {} to {}", bounds.start(), bounds.end());
                wrong(format!("`{word}` is no number of {what}"), help)
            }
        }
    }

    fn address(&mut self) -> Read<IpAddr> {
        let word = self.next();
        word.parse().or_else(|_| wrong(format!("`{word}` is no address"), "write an IP address"))
    }

    /// With port 53 unless there is one.
    fn target(&mut self) -> Read<SocketAddr> {
        let word = self.next();
        match (word.parse::<IpAddr>(), word.parse::<SocketAddr>()) {
            (Ok(address), _) => Ok((address, 53).into()),
            (_, Ok(address)) => Ok(address),
            _ => wrong(format!("`{word}` is no target's address"), "write an IP address"),
        }
    }

    fn name(&mut self) -> Read<Name> {
        let word = self.next();
        Name::parse(word).or_else(|why| wrong(format!("`{word}` is no name: {why}"), "write a domain name"))
    }

    fn rtype(&mut self) -> Read<u16> {
        let word = self.next();
        rtype::parse(word)
            .map_or_else(|| wrong(format!("`{word}` is no record type"), "write A, AAAA or TYPE65280"), Ok)
    }

    fn record(&mut self) -> Read<Record> {
        let rtype = self.rtype()?;
        let word = self.next();
        let help = "A, AAAA, CNAME, NS, PTR and TXT can be written";
        Record::parse(rtype, word).map_or_else(|| wrong(format!("`{word}` is no such data"), help), Ok)
    }

    fn ask(&mut self, workers: usize) -> Read<What> {
        let client = self.address()?;
        if !self.take("asks") {
            return wrong("`asks` is missing", "write `client 10.1.0.5 asks www.corp.example A`");
        }
        let mut question = Question::new(self.name()?, self.rtype()?);
        let (mut over_tcp, mut worker, mut label) = (false, None, None);
        loop {
            if self.take_all("over tcp") {
                over_tcp = true;
            } else if self.take_all("with dnssec") {
                question.dnssec_ok = true;
            } else if self.take_all("without edns") {
                question.edns = false;
            } else if self.take_all("without recursion") {
                question.bits &= !bit::RD;
            } else if self.take_all("without checking") {
                question.bits |= bit::CD;
            } else if self.take_all("on worker") {
                worker = Some(self.bounded("workers", 1..=workers as u64)? as usize - 1);
            } else if self.take("as") {
                label = Some(self.next().to_string());
            } else {
                return Ok(What::Ask { client, question, over_tcp, worker, label });
            }
        }
    }

    fn load(&mut self) -> Read<What> {
        if !self.take("ask") {
            return wrong("`ask` is missing", "write `clients ask *.corp.example A 500 a second for 10s`");
        }
        let pattern = self.next().to_string();
        if numbered(&pattern, 0).is_none() {
            return wrong(format!("`{pattern}` is no name"), "write a name; `*` in it becomes a number");
        }
        let rtype = self.rtype()?;
        let rate = self.bounded("questions", 1..=SCENARIO_QUESTIONS)?;
        if !self.take_all("a second for") {
            return wrong("`a second for` is missing", "write `500 a second for 10s`");
        }
        let length = self.time()?;
        if rate * (length.as_millis() as u64) / 1000 > SCENARIO_QUESTIONS {
            return wrong("these are too many questions", format!("ask at most {SCENARIO_QUESTIONS}"));
        }
        let client = if self.take("from") { Some(self.address()?) } else { None };
        let label = if self.take("as") { Some(self.next().to_string()) } else { None };
        Ok(What::Load(Load { pattern, rtype, rate, length, client, label }))
    }

    fn behaviour(&mut self, target: SocketAddr) -> Read<What> {
        let mut scope = Scope::default();
        self.scope(&mut scope)?;
        let speech = self.speech()?;
        let mut act = Act::new(speech, USUAL_DELAY);
        loop {
            if self.take("after") {
                let least = self.time()?;
                let most = if self.take("to") { self.time()? } else { least };
                if most < least {
                    return wrong("the second time is before the first", "write `after 10ms to 20ms`");
                }
                act.delay = (least, most);
            } else if !self.scope(&mut scope)? {
                return Ok(What::Behave { target, scope, act });
            }
        }
    }

    /// Which questions it is for; false if nothing of that stands here.
    fn scope(&mut self, scope: &mut Scope) -> Read<bool> {
        if self.take_all("over tcp") {
            scope.over_tcp = Some(true);
        } else if self.take_all("over udp") {
            scope.over_tcp = Some(false);
        } else if self.take("for") {
            let word = self.next();
            let names = Pattern::parse(word)
                .or_else(|why| wrong(format!("`{word}` is no name: {why}"), "write a name, or `*.name`"))?;
            scope.names = Some(names);
            if rtype::parse(self.peek()).is_some() {
                scope.rtype = Some(self.rtype()?);
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn speech(&mut self) -> Read<Speech> {
        let phrases = [
            ("falls silent", Speech::Silent),
            ("is silent", Speech::Silent),
            ("refuses", Speech::Refuse),
            ("truncates", Speech::Truncate),
            ("knows no EDNS", Speech::NoEdns),
            ("answers twice", Speech::Twice),
            ("answers garbage", Speech::Garbage),
            ("answers with a wrong ID", Speech::WrongId),
            ("answers another question", Speech::OtherQuestion),
        ];
        for (phrase, speech) in phrases {
            if self.take_all(phrase) {
                return Ok(speech);
            }
        }
        if !self.take("answers") {
            let help = "say `falls silent`, `refuses`, `truncates`, `knows no EDNS` or `answers …`";
            return wrong(format!("`{}` is nothing that a target does", self.peek()), help);
        }
        let mut said = Said { rcode: 0, ..Said::default() };
        if let Some(rcode) = rcode_of(self.peek()) {
            said.rcode = rcode;
            self.at += 1;
        }
        loop {
            if self.take("with") {
                said.records.push(self.record()?);
            } else if self.take("ttl") {
                said.ttl = Some(self.time()?.as_secs() as u32);
            } else {
                return Ok(Speech::Say(said));
            }
        }
    }

    fn expect(&mut self) -> Read<Expect> {
        let words = ["state", "queries", "tcp", "probes", "hedges", "waiting", "flights"];
        match words.into_iter().find(|word| self.take(word)) {
            None => self.expect_answers(),
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
            _ => {
                let target = if self.take("to") && !self.take("all") { Some(self.target()?) } else { None };
                match word {
                    "queries" => Counted::Queries(target),
                    "tcp" => Counted::OverTcp(target),
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
            self.at += 1;
        }
        if !matches!(self.peek(), "answer" | "answers" | "") {
            label = Some(self.next().to_string());
        }
        if !self.take("answer") && !self.take("answers") {
            let help = "expect answer(s), state, queries, tcp, probes, hedges, waiting or flights";
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
                self.at += 1;
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

/// A response code by its name.
fn rcode_of(word: &str) -> Option<u16> {
    (0..32).find(|&code| rcode_name(code) == word)
}
