//! A stage with a network around it: scripted targets, clients that ask, and a clock that goes from event to
//! event. Writes down all that happened.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::message::{Asked, Parts, Question};
use super::target::{Act, Back, Scope, Script, Speech};
use crate::control::rtype;
use crate::forward::FlightId;
use crate::forward::mark::Mark;
use crate::forward::pick::Endpoint;
use crate::forward::target::State;
use crate::limits::SCENARIO_TURNS_AT_ONCE;
use crate::serve::stage::{self, Lane, Stage};
use crate::wire::header::rcode_name;
use crate::wire::name::Name;

pub struct World {
    pub stage: Stage,
    began: Instant,
    now: Instant,
    random: StdRng,
    scripts: HashMap<SocketAddr, Script>,
    on_the_way: BinaryHeap<Reverse<(Instant, u64)>>,
    arrivals: HashMap<u64, (Lane, Asked, Back)>,
    sent: u64,
    pub queries: Vec<Query>,
    pub asked: Vec<ToTarget>,
    /// Attempts of each question that has asked a target.
    pub attempts: HashMap<(usize, FlightId), usize>,
    states: HashMap<SocketAddr, State>,
    trace: Option<Vec<String>>,
}

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
    pub is_probe: bool,
    pub asked: Asked,
    /// All that was said to it.
    pub said: Vec<Vec<u8>>,
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
            sent: 0,
            queries: Vec::new(),
            asked: Vec::new(),
            attempts: HashMap::new(),
            states: HashMap::new(),
            trace: trace.then(Vec::new),
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
            let Some((lane, asked, back)) = self.arrivals.remove(&number) else { continue };
            if self.act(lane, &asked).speech == Speech::Silent {
                continue;
            }
            match back {
                Back::Message(message) => {
                    self.note(|| format!("{} says {}", lane.target.ip(), describe(&message)));
                    self.stage.deliver(lane, &message, self.now);
                }
                Back::Unreachable => {
                    self.note(|| format!("{} is unreachable", lane.target.ip()));
                    let why = match lane.over_tcp {
                        true => "TCP: connection refused",
                        false => "nothing listens there (ICMP port unreachable)",
                    };
                    self.stage.refuse(lane, asked.id, why, self.now);
                }
            }
            self.collect();
        }
    }

    fn act(&mut self, lane: Lane, asked: &Asked) -> &Act {
        self.scripts.entry(lane.target).or_default().act(asked, lane.over_tcp)
    }

    /// Takes what the core said to clients and targets.
    fn collect(&mut self) {
        for reply in self.stage.take_replies() {
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
    }

    /// A question on its way to a target, and what the target says to it.
    fn carry(&mut self, question: stage::Asked) {
        let stage::Asked { lane, message, flight } = question;
        let Some(asked) = Asked::read(&message) else { return };
        let is_probe = self.is_probe(lane.target, &asked);
        self.note(|| {
            let what = if is_probe { "is probed for" } else { "is asked for" };
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
            self.sent += 1;
            self.on_the_way.push(Reverse((self.now + delay, self.sent)));
            self.arrivals.insert(self.sent, (lane, asked.clone(), back));
        }
        let at = self.since_start();
        self.asked.push(ToTarget { at, target: lane.target, over_tcp: lane.over_tcp, is_probe, asked, said });
    }

    fn is_probe(&self, target: SocketAddr, asked: &Asked) -> bool {
        let probes = |endpoint: &Endpoint| {
            endpoint.targets.iter().any(|member| member.target.address == target)
                && endpoint.probe.name == asked.name
                && endpoint.probe.rtype == asked.rtype
        };
        Mark::of(asked.name.as_wire()).is_some()
            || self.stage.endpoints().iter().any(|endpoint| probes(endpoint))
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
