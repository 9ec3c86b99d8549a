//! Plays a scenario, and compares what happened with what it expects.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Fault;
use super::log::Log;
use super::message::{Parts, Question};
use super::parse::{Compare, Counted, Expect, Load, Scenario, Step, Wanted, What};
use super::world::{Query, Why, World, describe, numbered};
use crate::config::units::format_duration;
use crate::config::{Diagnostic, diagnostic};
use crate::limits::QUERY_DEADLINE;
use crate::serve::stage::Stage;
use crate::wire::header::rcode_name;
use crate::wire::rdata::rtype;

/// After the last step: until each question is answered, and what was late has come.
const REST: Duration = QUERY_DEADLINE.saturating_add(Duration::from_millis(600));

/// What came of a scenario.
pub struct Outcome {
    pub path: PathBuf,
    pub failures: Vec<Failure>,
    /// All that happened, if it was asked for.
    pub trace: Vec<String>,
    pub queries: usize,
}

/// An expectation that does not hold.
#[derive(Debug)]
pub struct Failure {
    pub line: usize,
    pub what: String,
}

pub fn run(scenario: &Scenario, trace: bool) -> Result<Outcome, Fault> {
    let log = Log::default();
    log.of(|| run_with(scenario, trace, log.clone()))
}

fn run_with(scenario: &Scenario, trace: bool, log: Log) -> Result<Outcome, Fault> {
    let began = Instant::now();
    let stage = Stage::new(&scenario.path, &scenario.config, scenario.workers, scenario.seed, began);
    let stage = stage.map_err(|faults| faulty(scenario, &faults))?;
    let mut play = Play {
        world: World::new(stage, scenario.seed, began, trace),
        workers: scenario.workers,
        asked: HashMap::new(),
        labels: HashMap::new(),
        latest: None,
        deferred: Vec::new(),
        failures: Vec::new(),
    };
    play.world.log = Some(log);
    play.all(scenario)?;
    let mut failures = play.failures;
    failures.sort_by_key(|failure| failure.line);
    Ok(Outcome {
        path: scenario.path.clone(),
        failures,
        trace: play.world.take_trace(),
        queries: play.world.queries.len(),
    })
}

struct Play<'a> {
    world: World,
    workers: usize,
    /// Questions by the line that asked them.
    asked: HashMap<usize, Vec<usize>>,
    labels: HashMap<&'a str, usize>,
    /// The latest line that asked.
    latest: Option<usize>,
    /// What can be judged only when all is over: the line that expects, and the one that asks.
    deferred: Vec<(usize, usize, f64, &'a Wanted)>,
    failures: Vec<Failure>,
}

/// A step, or one question of a step that asks many.
enum Part<'a> {
    Step(&'a Step),
    Question { line: usize, load: &'a Load, number: usize },
}

impl<'a> Play<'a> {
    fn all(&mut self, scenario: &'a Scenario) -> Result<(), Fault> {
        // How targets behave from the beginning is so before anything happens.
        let first = scenario.steps.iter().take_while(|step| step.at.is_zero());
        for step in first.filter(|step| matches!(step.what, What::Behave { .. })) {
            self.step(scenario, step)?;
        }
        for (at, part) in parts(&scenario.steps) {
            self.run_until(at, scenario)?;
            match part {
                Part::Step(step) => self.step(scenario, step)?,
                Part::Question { line, load, number } => self.ask_one(line, load, number),
            }
        }
        self.run_until(self.world.since_start() + REST, scenario)?;
        for (line, asking, percent, wanted) in std::mem::take(&mut self.deferred) {
            let queries = self.asked.get(&asking).cloned().unwrap_or_default();
            self.judge(line, &queries, percent, wanted);
        }
        Ok(())
    }

    fn run_until(&mut self, at: Duration, scenario: &Scenario) -> Result<(), Fault> {
        match self.world.run_until(at) {
            true => Ok(()),
            false => Err(Fault {
                path: scenario.path.clone(),
                line: 0,
                message: format!("the server does not come to rest at {}", format_duration(at)),
                help: "this is a fault of dnsfwd: please report it with this file".into(),
            }),
        }
    }

    fn step(&mut self, scenario: &'a Scenario, step: &'a Step) -> Result<(), Fault> {
        match &step.what {
            What::Ask { client, question, over_tcp, worker, label } => {
                let worker = worker.unwrap_or(self.world.queries.len() % self.workers);
                let index = self.world.ask((*client, 53_535).into(), worker, question.clone(), *over_tcp);
                self.note_asking(label.as_deref(), step.line);
                self.asked.entry(step.line).or_default().push(index);
            }
            // Its questions come as parts of their own.
            What::Load(load) => self.note_asking(load.label.as_deref(), step.line),
            What::Behave { target, scope, act } => {
                self.world.set(*target, scope.clone(), act.clone());
                self.world.say(&format!("line {}: {} changes", step.line, target.ip()));
            }
            What::Drain { target, length } => {
                let now = self.world.now();
                self.each(scenario, step, *target, |target| target.drain(now, *length))?;
            }
            What::Enable { target } => self.each(scenario, step, *target, |target| target.enable())?,
            What::Reload { config } => {
                let reloaded = self.world.stage.reload(&scenario.path, config, self.world.now());
                reloaded.map_err(|faults| faulty(scenario, &faults))?;
            }
            What::Expect(expect) => self.expect(scenario, step, expect)?,
        }
        Ok(())
    }

    fn note_asking(&mut self, label: Option<&'a str>, line: usize) {
        self.latest = Some(line);
        if let Some(label) = label {
            self.labels.insert(label, line);
        }
    }

    fn ask_one(&mut self, line: usize, load: &'a Load, number: usize) {
        let Some(name) = numbered(&load.pattern, number) else { return };
        let client = load.client.unwrap_or_else(|| crowd(number));
        let worker = number % self.workers;
        let question = Question::new(name, load.rtype);
        let index = self.world.ask((client, 53_535).into(), worker, question, false);
        self.asked.entry(line).or_default().push(index);
    }

    /// Does something with a target in each endpoint that has it.
    fn each(
        &self,
        scenario: &Scenario,
        step: &Step,
        address: SocketAddr,
        act: impl Fn(&crate::forward::target::Target),
    ) -> Result<(), Fault> {
        let targets = self.world.stage.targets();
        let mut found = targets.iter().filter(|target| target.address == address).peekable();
        if found.peek().is_none() {
            return Err(Fault {
                path: scenario.path.clone(),
                line: step.line,
                message: format!("no endpoint has the target {address}"),
                help: "write an address that is in the configuration".into(),
            });
        }
        found.for_each(|target| act(target));
        Ok(())
    }

    fn expect(&mut self, scenario: &'a Scenario, step: &'a Step, expect: &'a Expect) -> Result<(), Fault> {
        match expect {
            Expect::Answers { label, percent, wanted } => {
                let asking = match label {
                    None => self.latest,
                    Some(label) => self.labels.get(label.as_str()).copied(),
                };
                let Some(asking) = asking else {
                    return Err(Fault {
                        path: scenario.path.clone(),
                        line: step.line,
                        message: "nothing was asked that this could be about".into(),
                        help: "ask in a line above; with `as LABEL` behind it if a label is expected".into(),
                    });
                };
                self.deferred.push((step.line, asking, *percent, wanted));
            }
            Expect::State { target, word } => {
                let mut words = Vec::new();
                for found in self.world.stage.targets().iter().filter(|found| found.address == *target) {
                    words.push(found.state().word());
                }
                if words.is_empty() || words.iter().any(|found| found != word) {
                    self.fail(step.line, format!("{} is {}, not {word}", target.ip(), words.join(" and ")));
                }
            }
            Expect::Loop { domain, text } => {
                // One for each view that has a rule of this domain.
                let all = self.world.stage.loops(self.world.now());
                let mut rows = all.iter().filter(|row| row.domain == domain.to_string());
                match (rows.clone().next(), text) {
                    (None, None) => {}
                    (None, Some(_)) => self.fail(step.line, format!("{domain} has no loop")),
                    (Some(_), Some(text)) if rows.any(|row| row.because.contains(text)) => {}
                    (Some(row), _) => {
                        self.fail(step.line, format!("of {domain} status says: {}", row.because))
                    }
                }
            }
            Expect::Count { counted, compare, number, since } => {
                let (found, what) = self.count(counted, *since);
                let (holds, word) = match compare {
                    Compare::Equal => (found == *number, "exactly"),
                    Compare::AtMost => (found <= *number, "at most"),
                    Compare::AtLeast => (found >= *number, "at least"),
                };
                if !holds {
                    self.fail(step.line, format!("{found} {what}, where {word} {number} are expected"));
                }
            }
        }
        Ok(())
    }

    fn count(&self, counted: &Counted, since: Duration) -> (u64, &'static str) {
        let asked = |target: &Option<SocketAddr>, over_tcp: bool, why: Why| {
            let mut found = self.world.asked.iter().filter(|asked| asked.at >= since);
            let count = found.by_ref().filter(|asked| {
                target.is_none_or(|target| target == asked.target)
                    && asked.why == why
                    && (asked.over_tcp || !over_tcp)
            });
            count.count() as u64
        };
        match counted {
            Counted::Queries(target) => (asked(target, false, Why::Client), "queries to targets"),
            Counted::OverTcp(target) => (asked(target, true, Why::Client), "queries over TCP"),
            Counted::Probes(target) => (asked(target, false, Why::Probe), "probes"),
            Counted::Marked(target) => (asked(target, false, Why::Marked), "marked questions"),
            Counted::Lookups(target) => (asked(target, false, Why::Lookup), "lookups"),
            Counted::Guarded(target) => {
                let targets = self.world.stage.targets();
                let meant =
                    targets.iter().filter(|found| target.is_none_or(|target| target == found.address));
                (meant.map(|target| target.guarded.load(Relaxed)).sum(), "guarded questions")
            }
            Counted::Targets(endpoint) => {
                let endpoints = self.world.stage.endpoints();
                let found = endpoints.iter().find(|found| found.name == *endpoint);
                (found.map_or(0, |found| found.targets.len() as u64), "targets")
            }
            Counted::Log(text) => {
                let lines = self.world.logged.iter().filter(|line| line.contains(text));
                (lines.count() as u64, "such lines in the log")
            }
            Counted::Hedges => {
                let hedges =
                    |target: &std::sync::Arc<crate::forward::target::Target>| target.hedges.load(Relaxed);
                (self.world.stage.targets().iter().map(hedges).sum(), "hedges")
            }
            Counted::Waiting => (self.world.stage.waiting(), "waiting clients"),
            Counted::InFlight => (self.world.stage.flights() as u64, "questions in the air"),
        }
    }

    fn judge(&mut self, line: usize, queries: &[usize], percent: f64, wanted: &Wanted) {
        let total = queries.len();
        if total == 0 {
            return self.fail(line, "no question was asked that this could be about".into());
        }
        let faults: Vec<String> = queries
            .iter()
            .filter_map(|&index| {
                let query = &self.world.queries[index];
                fault(query, wanted).map(|fault| format!("{}: {fault}", shown(query)))
            })
            .collect();
        if ((total - faults.len()) as f64) < total as f64 * percent / 100.0 {
            let (count, first) = (faults.len(), &faults[0]);
            let rest =
                if count > 1 { format!(" (and {} of {total} more)", count - 1) } else { String::new() };
            self.fail(line, format!("{first}{rest}"));
        }
    }

    fn fail(&mut self, line: usize, what: String) {
        self.world.say(&format!("line {line} does not hold: {what}"));
        self.failures.push(Failure { line, what });
    }
}

/// All that is done, in the order of time; at one time, in the order of lines.
fn parts(steps: &[Step]) -> Vec<(Duration, Part<'_>)> {
    let mut parts = Vec::new();
    for step in steps {
        parts.push((step.at, Part::Step(step)));
        if let What::Load(load) = &step.what {
            let total = load.rate as f64 * load.length.as_secs_f64();
            for number in 0..total as usize {
                let at = step.at + Duration::from_secs_f64(number as f64 / load.rate as f64);
                parts.push((at, Part::Question { line: step.line, load, number }));
            }
        }
    }
    parts.sort_by_key(|(at, _)| *at);
    parts
}

/// A client of its own for each question.
fn crowd(number: usize) -> IpAddr {
    Ipv4Addr::from(0x0a63_0000 + number as u32 % 0xffff).into()
}

fn shown(query: &Query) -> String {
    let (name, rtype) = (&query.question.name, crate::control::rtype::show(query.question.rtype));
    format!("{name} {rtype}, asked at {}", format_duration(query.at))
}

/// What is wrong with a question's answer.
fn fault(query: &Query, wanted: &Wanted) -> Option<String> {
    let [reply] = &query.replies[..] else {
        return Some(format!("it got {} answers", query.replies.len()));
    };
    let Some(parts) = Parts::read(&reply.message) else { return Some("its answer can't be read".into()) };
    let mut wrong = String::new();
    let mut unless = |holds: bool, what: std::fmt::Arguments<'_>| {
        if !holds {
            let _ = write!(wrong, "{}{what}", if wrong.is_empty() { "" } else { ", " });
        }
    };
    if let Some(rcode) = wanted.rcode {
        unless(parts.rcode() == rcode, format_args!("not {}", rcode_name(rcode)));
    }
    if let Some(from) = wanted.from {
        unless(parts.is_said_by(from.ip()), format_args!("not what {} says", from.ip()));
    }
    if let Some(within) = wanted.within {
        unless(reply.after <= within, format_args!("later than {}", format_duration(within)));
    }
    if let Some(least) = wanted.not_before {
        unless(reply.after >= least, format_args!("earlier than {}", format_duration(least)));
    }
    if let Some(code) = wanted.ede {
        let found = parts.errors().iter().any(|(found, _)| *found == code);
        unless(found, format_args!("without EDE {code}"));
    }
    unless(!wanted.no_ede || parts.errors().is_empty(), format_args!("with an EDE"));
    if let Some(origin) = &wanted.origin {
        unless(reply.origin == origin, format_args!("not of origin {origin}"));
    }
    if let Some(record) = &wanted.record {
        let found =
            parts.records.iter().any(|found| found.rtype == record.rtype && found.data == record.data);
        unless(found, format_args!("without the record"));
    }
    if let Some(most) = wanted.ttl_at_most {
        let mut records = parts.records.iter().filter(|record| record.rtype != rtype::OPT);
        unless(records.all(|record| record.ttl <= most), format_args!("with a TTL above {most}"));
    }
    unless(!wanted.truncated || parts.is_truncated(), format_args!("not truncated"));
    if let Some(text) = &wanted.text {
        let found = parts.errors().iter().any(|(_, found)| found.contains(text));
        unless(found, format_args!("without the words `{text}`"));
    }
    let got = || {
        let after = reply.after.as_secs_f64() * 1e3;
        format!("it got {} ({}) after {after:.1} ms", describe(&reply.message), reply.origin)
    };
    (!wrong.is_empty()).then(|| format!("{}: {wrong}", got()))
}

fn faulty(scenario: &Scenario, faults: &[Diagnostic]) -> Fault {
    Fault {
        path: scenario.path.clone(),
        line: faults.first().map_or(0, |fault| fault.line),
        message: "the configuration in it has faults".into(),
        help: diagnostic::render(faults, false),
    }
}
