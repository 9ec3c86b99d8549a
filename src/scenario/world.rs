//! A stage with a network around it: scripted targets, clients that ask, and a clock that goes from event to
//! event. Writes down all that happened.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::log::Log;
use super::message::{Asked, Parts, Question};
use super::target::{Act, Back, Scope, Script, Speech, USUAL_DELAY};
use crate::control::rtype;
use crate::forward::FlightId;
use crate::forward::mark::Mark;
use crate::forward::pick::Endpoint;
use crate::forward::target::State;
use crate::limits::{BOOTSTRAP_TIMEOUT, SCENARIO_TURNS_AT_ONCE};
use crate::serve::stage::{self, Found, Lane, Looked, Stage};
use crate::wire::header::{bit, rcode, rcode_name};
use crate::wire::name::Name;
use crate::wire::rdata::rtype as wire;

pub struct World {
    pub stage: Stage,
    began: Instant,
    now: Instant,
    random: StdRng,
    scripts: HashMap<SocketAddr, Script>,
    on_the_way: BinaryHeap<Reverse<(Instant, u64)>>,
    arrivals: HashMap<u64, Arrival>,
    /// What targets ask this server: each for a question that they were asked.
    asked_back: Vec<(Lane, Asked)>,
    sent: u64,
    pub queries: Vec<Query>,
    pub asked: Vec<ToTarget>,
    /// Attempts of each question that has asked a target.
    pub attempts: HashMap<(usize, FlightId), usize>,
    states: HashMap<SocketAddr, State>,
    trace: Option<Vec<String>>,
    /// What the server logs, if somebody listens.
    pub log: Option<Log>,
    pub logged: Vec<String>,
}

/// What is on its way to the server.
enum Arrival {
    FromTarget { lane: Lane, port: usize, asked: Asked, back: Back },
    Looked { name: Name, looked: Looked },
}

/// Questions that targets ask have numbers from here on.
const ASKED_BACK: usize = 1 << 40;

/// A client's question and what it got.
pub struct Query {
    pub at: Duration,
    pub client: SocketAddr,
    pub question: Question,
    pub replies: Vec<Reply>,
}

pub struct Reply {
    pub after: Duration,
    pub message: Vec<u8>,
    pub origin: &'static str,
}

/// A question that a target got.
pub struct ToTarget {
    pub at: Duration,
    pub target: SocketAddr,
    pub over_tcp: bool,
    pub why: Why,
    pub asked: Asked,
    /// All that was said to it.
    pub said: Vec<Vec<u8>>,
}

/// What a question to a target is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Client,
    Probe,
    /// To find a loop.
    Marked,
    /// To find a target's address.
    Lookup,
}

impl World {
    /// The stage must have begun at the same time.
    pub fn new(stage: Stage, seed: u64, began: Instant, trace: bool) -> World {
        World {
            stage,
            began,
            now: began,
            random: StdRng::seed_from_u64(seed ^ 0x7461_7267_6574),
            scripts: HashMap::new(),
            on_the_way: BinaryHeap::new(),
            arrivals: HashMap::new(),
            asked_back: Vec::new(),
            sent: 0,
            queries: Vec::new(),
            asked: Vec::new(),
            attempts: HashMap::new(),
            states: HashMap::new(),
            trace: trace.then(Vec::new),
            log: None,
            logged: Vec::new(),
        }
    }

    pub fn since_start(&self) -> Duration {
        self.now - self.began
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub fn set(&mut self, target: SocketAddr, scope: Scope, act: Act) {
        self.scripts.entry(target).or_default().set(scope, act);
    }

    /// A client asks now.
    pub fn ask(&mut self, client: SocketAddr, worker: usize, question: Question, over_tcp: bool) -> usize {
        let index = self.queries.len();
        let packet = question.to_wire(index as u16);
        self.note(|| {
            let (name, rtype) = (&question.name, rtype::show(question.rtype));
            format!("client {} asks {name} {rtype}", client.ip())
        });
        self.queries.push(Query { at: self.since_start(), client, question, replies: Vec::new() });
        self.stage.ask(worker, index, client, over_tcp, &packet, self.now);
        self.collect();
        index
    }

    /// Lets everything happen that happens until then. False if the core doesn't come to rest.
    #[must_use]
    pub fn run_until(&mut self, until: Duration) -> bool {
        let until = self.began + until;
        let mut turns = 0;
        while let Some(next) = self.next().filter(|next| *next <= until) {
            turns = if next > self.now { 0 } else { turns + 1 };
            if turns > SCENARIO_TURNS_AT_ONCE {
                return false;
            }
            self.now = self.now.max(next);
            self.arrive();
            self.look_up();
            self.stage.tick(self.now);
            self.collect();
        }
        self.now = self.now.max(until);
        true
    }

    fn next(&self) -> Option<Instant> {
        let arrival = self.on_the_way.peek().map(|Reverse((at, _))| *at);
        arrival.into_iter().chain(self.stage.due()).min()
    }

    /// What is due from targets comes in. Of one that has fallen silent nothing comes any more.
    fn arrive(&mut self) {
        while let Some(&Reverse((at, number))) = self.on_the_way.peek()
            && at <= self.now
        {
            self.on_the_way.pop();
            match self.arrivals.remove(&number) {
                None => {}
                Some(Arrival::Looked { name, looked }) => self.stage.learn(&name, looked, self.now),
                Some(Arrival::FromTarget { lane, asked, .. })
                    if self.act(lane, &asked).speech == Speech::Silent => {}
                Some(Arrival::FromTarget { lane, port, asked, back }) => self.hear(lane, port, asked, back),
            }
            self.collect();
        }
    }

    fn hear(&mut self, lane: Lane, port: usize, asked: Asked, back: Back) {
        let target = lane.target.ip();
        match back {
            Back::Message(message) => {
                self.note(|| format!("{target} says {}", describe(&message)));
                self.stage.deliver(lane, &message, self.now);
            }
            Back::Unreachable => {
                self.note(|| format!("{target} is unreachable"));
                let why = match lane.over_tcp {
                    true => "TCP: connection refused",
                    false => "nothing listens there (ICMP port unreachable)",
                };
                self.stage.refuse(lane, port, why, self.now);
            }
            Back::Question(from) => self.ask_back(lane, asked, from),
        }
    }

    /// A target asks this server what it was asked.
    fn ask_back(&mut self, lane: Lane, asked: Asked, from: IpAddr) {
        self.note(|| {
            let (target, rtype) = (lane.target.ip(), rtype::show(asked.rtype));
            format!("{target} asks back for {} {rtype}, from {from}", asked.name)
        });
        let number = self.asked_back.len();
        let Asked { name, rtype, bits, edns, dnssec_ok, .. } = asked.clone();
        let packet = Question { name, rtype, bits, edns, dnssec_ok }.to_wire(number as u16);
        self.asked_back.push((lane, asked));
        let worker = number % self.stage.workers();
        self.stage.ask(worker, ASKED_BACK + number, (from, 53_535).into(), lane.over_tcp, &packet, self.now);
    }

    /// What this server answered to a target is the target's own answer.
    fn pass_on(&mut self, number: usize, mut message: Vec<u8>) {
        let (lane, asked) = self.asked_back[number].clone();
        message[..2].copy_from_slice(&asked.id.to_be_bytes());
        // A reply finds its question by its ID.
        let back = Back::Message(message);
        self.bring(USUAL_DELAY, Arrival::FromTarget { lane, port: 0, asked, back });
    }

    fn bring(&mut self, delay: Duration, arrival: Arrival) {
        self.sent += 1;
        self.on_the_way.push(Reverse((self.now + delay, self.sent)));
        self.arrivals.insert(self.sent, arrival);
    }

    /// Asks the bootstrap servers for the names that are due, one server after the other.
    fn look_up(&mut self) {
        let (names, bootstrap) = self.stage.take_lookups(self.now);
        for name in names {
            let (v4, took) = self.look_up_one(&name, wire::A, &bootstrap);
            let (v6, also) = self.look_up_one(&name, wire::AAAA, &bootstrap);
            self.bring(took.max(also), Arrival::Looked { name, looked: Looked { v4, v6 } });
        }
    }

    /// The addresses of one family, or why there are none, and how long that takes.
    fn look_up_one(
        &mut self,
        name: &Name,
        rtype: u16,
        bootstrap: &[SocketAddr],
    ) -> (Result<Found, String>, Duration) {
        let mut took = Duration::ZERO;
        let asked = Asked { id: 0, name: name.clone(), rtype, bits: bit::RD, edns: true, dnssec_ok: false };
        for &server in bootstrap {
            let script = self.scripts.entry(server).or_default();
            let backs = script.answer(server, &asked, false, &mut self.random);
            let (at, why) = (self.since_start(), Why::Lookup);
            let asked = asked.clone();
            self.asked.push(ToTarget { at, target: server, over_tcp: false, why, asked, said: Vec::new() });
            match backs.into_iter().next() {
                Some((delay, Back::Message(message))) if delay < BOOTSTRAP_TIMEOUT => {
                    return (found(&message, rtype), took + delay);
                }
                Some((delay, Back::Unreachable)) => took += delay,
                _ => took += BOOTSTRAP_TIMEOUT,
            }
        }
        self.note(|| format!("no answer for {name} {}", rtype::show(rtype)));
        (Err("no answer".to_string()), took)
    }

    fn act(&mut self, lane: Lane, asked: &Asked) -> &Act {
        self.scripts.entry(lane.target).or_default().act(asked, lane.over_tcp)
    }

    /// Takes what the core said to clients and targets.
    fn collect(&mut self) {
        for reply in self.stage.take_replies() {
            if let Some(number) = reply.query.checked_sub(ASKED_BACK) {
                self.pass_on(number, reply.message);
                continue;
            }
            let after = self.since_start() - self.queries[reply.query].at;
            self.note(|| {
                let after = after.as_secs_f64() * 1e3;
                format!("a client gets {} ({}) after {after:.1} ms", describe(&reply.message), reply.origin)
            });
            let got = Reply { after, message: reply.message, origin: reply.origin };
            self.queries[reply.query].replies.push(got);
        }
        for asked in self.stage.take_asked() {
            self.carry(asked);
        }
        self.note_states();
        self.note_log();
    }

    fn note_log(&mut self) {
        let lines = self.log.as_ref().map(Log::take).unwrap_or_default();
        for line in lines {
            self.note(|| format!("log: {line}"));
            self.logged.push(line);
        }
    }

    /// A question on its way to a target, and what the target says to it.
    fn carry(&mut self, question: stage::Asked) {
        let stage::Asked { lane, port, message, flight } = question;
        let Some(asked) = Asked::read(&message) else { return };
        let why = self.why(lane.target, &asked);
        self.note(|| {
            let what = match why {
                Why::Client | Why::Lookup => "is asked for",
                Why::Probe => "is probed for",
                Why::Marked => "is asked for the marked",
            };
            let way = if lane.over_tcp { " over TCP" } else { "" };
            format!("{} {what} {} {}{way}", lane.target.ip(), asked.name, rtype::show(asked.rtype))
        });
        *self.attempts.entry((lane.worker, flight)).or_default() += 1;
        let script = self.scripts.entry(lane.target).or_default();
        let mut said = Vec::new();
        for (delay, back) in script.answer(lane.target, &asked, lane.over_tcp, &mut self.random) {
            if let Back::Message(message) = &back {
                said.push(message.clone());
            }
            self.bring(delay, Arrival::FromTarget { lane, port, asked: asked.clone(), back });
        }
        let at = self.since_start();
        self.asked.push(ToTarget { at, target: lane.target, over_tcp: lane.over_tcp, why, asked, said });
    }

    fn why(&self, target: SocketAddr, asked: &Asked) -> Why {
        // What an endpoint is probed for while the rule of its usual name loops.
        let stands_in = |name: &Name| name.as_wire() == [0] || self.stage.has_rule(name);
        let probes = |endpoint: &Endpoint| {
            endpoint.targets.iter().any(|member| member.target.address == target)
                && endpoint.probe.rtype == asked.rtype
                && (endpoint.probe.name == asked.name || stands_in(&asked.name))
        };
        if Mark::of(asked.name.as_wire()).is_some() {
            Why::Marked
        } else if self.stage.endpoints().iter().any(|endpoint| probes(endpoint)) {
            Why::Probe
        } else {
            Why::Client
        }
    }

    fn note_states(&mut self) {
        if self.trace.is_none() {
            return;
        }
        for target in self.stage.targets() {
            let state = target.state();
            let before = self.states.insert(target.address, state).unwrap_or(State::Healthy);
            if before != state {
                let why = target.last_failure().filter(|_| !state.is_good()).unwrap_or_default();
                let colon = if why.is_empty() { "" } else { ": " };
                self.note(|| format!("{} is {}{colon}{why}", target.address.ip(), state.word()));
            }
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        let at = (self.now - self.began).as_secs_f64() * 1e3;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{at:>10.1} ms  {}", what()));
        }
    }

    pub fn say(&mut self, what: &str) {
        self.note(|| what.to_string());
    }
}

/// The addresses in a bootstrap server's answer.
fn found(message: &[u8], rtype: u16) -> Result<Found, String> {
    let Some(parts) = Parts::read(message) else { return Err("garbage".to_string()) };
    if parts.rcode() != rcode::NOERROR {
        return Err(rcode_name(parts.rcode()).into_owned());
    }
    let address = |data: &[u8]| match (<[u8; 4]>::try_from(data), <[u8; 16]>::try_from(data)) {
        (Ok(v4), _) => Some(IpAddr::from(v4)),
        (_, Ok(v6)) => Some(IpAddr::from(v6)),
        _ => None,
    };
    let records = || parts.records.iter().filter(|record| record.rtype == rtype);
    let ttl = records().map(|record| record.ttl).min().unwrap_or(u32::MAX);
    let addresses = records().filter_map(|record| address(&record.data)).collect();
    Ok(Found::of(addresses, Duration::from_secs(ttl.into())))
}

/// A message in a few words.
pub fn describe(message: &[u8]) -> String {
    let Some(parts) = Parts::read(message) else { return format!("{} octets of garbage", message.len()) };
    let mut text = rcode_name(parts.rcode()).into_owned();
    if parts.is_truncated() {
        text.push_str(", truncated");
    }
    for record in parts.records.iter().filter(|record| record.rtype == 1 && record.data.len() == 4) {
        let data = &record.data;
        text.push_str(&format!(", {}.{}.{}.{}", data[0], data[1], data[2], data[3]));
    }
    for (code, why) in parts.errors() {
        text.push_str(&format!(", EDE {code}: {why}"));
    }
    text
}

/// A pattern's n-th name: `*` stands for the number.
pub fn numbered(pattern: &str, number: usize) -> Option<Name> {
    Name::parse(&pattern.replace('*', &format!("n{number}"))).ok()
}
