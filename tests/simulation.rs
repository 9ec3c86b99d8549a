//! Thousands of random courses of faults on the real core, each from a seed: small configurations, targets that
//! fail in every way there is, clients that ask on. Whatever happens, the promises must hold.
//!
//! A failing seed prints itself: `DNSFWD_SIMULATION_SEED=n cargo test --test simulation` plays it again and shows
//! all that happened. `DNSFWD_SIMULATION_RUNS=n` plays more of them.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use dnsfwd::limits::{EXTRAS_SAVED, MAX_ATTEMPTS, QUESTIONS_PER_EXTRA};
use dnsfwd::scenario::message::{Parts, Question, Record};
use dnsfwd::scenario::target::{Act, Pattern, Said, Scope, Speech};
use dnsfwd::scenario::world::{Query, World, describe};
use dnsfwd::serve::stage::Stage;
use dnsfwd::wire::name::Name;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Runs unless told otherwise: some ten seconds on two cores.
const RUNS: u64 = 2000;
const FIRST_SEED: u64 = 1;

const FAULTS_END: Duration = Duration::from_secs(6);
/// All targets are of use again so long after the last fault; and answers good.
const RECOVERED: Duration = Duration::from_secs(4);
const ASKING_ENDS: Duration = Duration::from_secs(13);

const NOERROR: u16 = 0;
const CNAME: u16 = 5;
const SERVFAIL: u16 = 2;
const REFUSED: u16 = 5;
const NXDOMAIN: u16 = 3;
const TYPES: [u16; 3] = [1, 16, 65_280];
const RD: u16 = 0x0100;
const CD: u16 = 0x0010;

#[test]
fn promises_hold_in_random_courses_of_faults() {
    if let Some(seed) = variable("DNSFWD_SIMULATION_SEED") {
        let (result, trace) = play(seed, true);
        trace.iter().for_each(|line| println!("{line}"));
        return result.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
    }
    let runs = variable("DNSFWD_SIMULATION_RUNS").unwrap_or(RUNS);
    let next = AtomicU64::new(FIRST_SEED);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        let work = || {
            let mut faults = Vec::new();
            loop {
                let seed = next.fetch_add(1, Relaxed);
                if seed >= FIRST_SEED + runs || faults.len() > 3 {
                    return faults;
                }
                let played = std::panic::catch_unwind(|| play(seed, false).0);
                if let Err(fault) = played.unwrap_or_else(|_| Err("it panicked".into())) {
                    faults.push(format!("DNSFWD_SIMULATION_SEED={seed}: {fault}"));
                }
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let faults: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    });
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// One course of faults.
struct Course {
    world: World,
    random: StdRng,
    config: String,
    workers: usize,
    /// Targets of each endpoint.
    targets: Vec<Vec<SocketAddr>>,
}

enum Event {
    Fault(SocketAddr),
    Drain(SocketAddr),
    Reload,
    Ask,
}

fn play(seed: u64, trace: bool) -> (Result<(), String>, Vec<String>) {
    let mut course = Course::new(seed, trace);
    let result = course.run().and_then(|()| course.judge());
    (result, course.world.take_trace())
}

const PATH: &str = "simulation.toml";

impl Course {
    fn new(seed: u64, trace: bool) -> Course {
        let mut random = StdRng::seed_from_u64(seed);
        let targets: Vec<Vec<SocketAddr>> = (0..random.random_range(1..=3u8))
            .map(|endpoint| {
                let address = |target: u8| SocketAddr::from(([10, endpoint, target, 250], 53));
                (0..random.random_range(1..=3u8)).map(address).collect()
            })
            .collect();
        let config = configuration(&targets, &mut random);
        let workers = random.random_range(1..=3);
        let began = Instant::now();
        let stage = Stage::new(Path::new(PATH), &config, workers, seed, began).unwrap();
        let mut world = World::new(stage, seed, began, trace);
        for &target in targets.iter().flatten() {
            world.set(target, Scope::default(), healthy(&mut random));
        }
        let mut course = Course { world, random, config, workers, targets };
        course.set_aliases();
        course
    }

    /// Names that are aliases of others below the next rule: `a3` of `a2`, that of `a1`, and that of a name with
    /// data; and a circle.
    fn set_aliases(&mut self) {
        let endpoints = self.targets.len();
        for (index, addresses) in self.targets.clone().iter().enumerate() {
            let next = (index + 1) % endpoints;
            let aliases = (1..=ALIASES).map(|depth| (format!("a{depth}"), alias_of(depth)));
            for (from, to) in aliases.chain([("circle".to_string(), "circle".to_string())]) {
                // Below the only rule, a circle would be one that the target itself must see.
                let to = if endpoints == 1 { "n0".to_string() } else { to };
                let data = Name::parse(&format!("{to}.e{next}.example")).unwrap().as_wire().to_vec();
                let said = Said { rcode: NOERROR, records: vec![Record::new(CNAME, data)], ttl: Some(3) };
                let delay = ms(&mut self.random, 0..30);
                let names = Some(Pattern::parse(&format!("{from}.e{index}.example")).unwrap());
                for &target in addresses {
                    let act = Act { speech: Speech::Say(said.clone()), delay: (delay, delay) };
                    self.world.set(target, Scope { names: names.clone(), ..Scope::default() }, act);
                }
            }
        }
    }

    fn run(&mut self) -> Result<(), String> {
        let mut events = self.schedule();
        events.sort_by_key(|(at, _)| *at);
        let mut ended = false;
        for (at, event) in events {
            if at >= FAULTS_END && !ended {
                self.until(FAULTS_END)?;
                self.end_faults();
                ended = true;
            }
            self.until(at)?;
            if at >= FAULTS_END + RECOVERED {
                self.all_are_of_use()?;
            }
            match event {
                Event::Fault(target) => self.fault(target),
                Event::Drain(target) => self.drain(target),
                Event::Reload => {
                    let now = self.world.now();
                    self.world.stage.reload(Path::new(PATH), &self.config, now).unwrap();
                }
                Event::Ask => self.ask(),
            }
        }
        self.until(ASKING_ENDS + Duration::from_secs(3))
    }

    fn until(&mut self, at: Duration) -> Result<(), String> {
        match self.world.run_until(at) {
            true => Ok(()),
            false => Err(format!("the core does not come to rest at {at:?}")),
        }
    }

    fn schedule(&mut self) -> Vec<(Duration, Event)> {
        let random = &mut self.random;
        let mut events = Vec::new();
        let within = |random: &mut StdRng, end: Duration| {
            Duration::from_micros(random.random_range(0..end.as_micros() as u64))
        };
        let all: Vec<SocketAddr> = self.targets.concat();
        for _ in 0..random.random_range(0..14) {
            let target = all[random.random_range(0..all.len())];
            events.push((within(random, FAULTS_END), Event::Fault(target)));
        }
        for _ in 0..random.random_range(0..3) {
            let target = all[random.random_range(0..all.len())];
            events.push((within(random, FAULTS_END), Event::Drain(target)));
        }
        for _ in 0..random.random_range(0..3) {
            events.push((within(random, FAULTS_END), Event::Reload));
        }
        for _ in 0..random.random_range(20..400) {
            events.push((within(random, ASKING_ENDS), Event::Ask));
        }
        // A crowd that asks at once.
        let at = within(random, FAULTS_END);
        events.extend((0..random.random_range(0..60)).map(|_| (at, Event::Ask)));
        events
    }

    fn fault(&mut self, target: SocketAddr) {
        let act = fault(&mut self.random);
        let scope = scope(&mut self.random);
        self.world.say(&format!("{} from now on: {act:?} for {scope:?}", target.ip()));
        self.world.set(target, scope, act);
    }

    fn drain(&mut self, address: SocketAddr) {
        let left = FAULTS_END.saturating_sub(self.world.since_start());
        let length = left.mul_f64(self.random.random_range(0.1..1.0)) + Duration::from_micros(1);
        let now = self.world.now();
        self.world.say(&format!("{} is drained for {length:?}", address.ip()));
        let targets = self.world.stage.targets();
        targets
            .iter()
            .filter(|found| found.address == address)
            .for_each(|found| found.drain(now, Some(length)));
    }

    fn end_faults(&mut self) {
        self.world.say("all faults end");
        for &target in self.targets.iter().flatten() {
            let act = healthy(&mut self.random);
            self.world.set(target, Scope::default(), act);
        }
        self.set_aliases();
    }

    fn ask(&mut self) {
        let random = &mut self.random;
        let endpoint = random.random_range(0..self.targets.len());
        let host = match random.random_range(0..10) {
            0 => format!("a{}", random.random_range(1..=ALIASES)),
            1 if random.random_bool(0.3) => "circle".to_string(),
            _ => format!("n{}", random.random_range(0..25)),
        };
        let name = format!("{host}.e{endpoint}.example");
        let mut question =
            Question::new(Name::parse(&name).unwrap(), TYPES[random.random_range(0..TYPES.len())]);
        question.dnssec_ok = random.random_bool(0.2);
        question.bits |= if random.random_bool(0.1) { CD } else { 0 };
        if random.random_bool(0.1) {
            question.edns = false;
            question.dnssec_ok = false;
        }
        let client = IpAddr::from([10, 200, 0, random.random_range(1..20)]);
        let worker = random.random_range(0..self.workers);
        let over_tcp = random.random_bool(0.1);
        self.world.ask((client, 5353).into(), worker, question, over_tcp);
    }

    /// Some seconds after the last fault every target is in use.
    fn all_are_of_use(&self) -> Result<(), String> {
        let targets = self.world.stage.targets();
        match targets.iter().find(|target| !target.state().is_good()) {
            None => Ok(()),
            Some(target) => {
                let (address, word, at) = (target.address, target.state().word(), self.world.since_start());
                Err(format!("{address} is still {word} at {at:?}"))
            }
        }
    }

    fn judge(&mut self) -> Result<(), String> {
        self.nothing_is_left()?;
        self.budgets_hold()?;
        let said = Heard::of(&self.world);
        for (number, query) in self.world.queries.iter().enumerate() {
            judge_query(query, number, &said).map_err(|fault| {
                let question = &query.question;
                let mut all =
                    format!("{} {}, asked at {:?}: {fault}", question.name, question.rtype, query.at);
                for reply in &query.replies {
                    let _ = write!(all, "; got {} ({})", describe(&reply.message), reply.origin);
                }
                all
            })?;
        }
        Ok(())
    }

    /// All is quiet but for the probes of idle targets, which are over within half a second.
    fn nothing_is_left(&mut self) -> Result<(), String> {
        let waiting = self.world.stage.waiting();
        if waiting != 0 {
            return Err(format!("{waiting} clients still wait"));
        }
        let mut left = String::new();
        for _ in 0..20 {
            let flights = self.world.stage.flights();
            let targets = self.world.stage.targets();
            let outstanding: u32 = targets.iter().map(|target| target.outstanding()).sum();
            if flights == 0 && outstanding == 0 {
                return Ok(());
            }
            left = format!("{flights} questions in flight, {outstanding} outstanding at targets");
            self.until(self.world.since_start() + Duration::from_millis(50))?;
        }
        Err(format!("at the end {left}"))
    }

    fn budgets_hold(&self) -> Result<(), String> {
        let most = self.world.attempts.values().max().copied().unwrap_or(0);
        if most > MAX_ATTEMPTS {
            return Err(format!("{most} attempts for one question"));
        }
        let targets = self.world.stage.targets();
        for (index, addresses) in self.targets.iter().enumerate() {
            let domain = Name::parse(&format!("e{index}.example")).unwrap();
            let asked =
                self.world.queries.iter().filter(|query| query.question.name.is_within(&domain)).count();
            let own = targets.iter().filter(|target| addresses.contains(&target.address));
            let hedges: u64 = own.map(|target| target.hedges.load(Relaxed)).sum();
            // A reload begins a new budget, half full; there are at most two.
            let saved = u64::from(EXTRAS_SAVED / 2) * 3;
            if hedges > asked as u64 / u64::from(QUESTIONS_PER_EXTRA) + saved {
                return Err(format!("{hedges} hedges for {asked} questions of e{index}"));
            }
        }
        Ok(())
    }
}

fn configuration(targets: &[Vec<SocketAddr>], random: &mut StdRng) -> String {
    let stale = random.random_bool(0.5);
    let mut text =
        format!("version = 1\n[server]\naz = \"a\"\n[cache]\nserve_stale = {stale}\nsize = \"1MiB\"\n");
    for (index, addresses) in targets.iter().enumerate() {
        let member = |address: &SocketAddr| {
            let az = if random.random_bool(0.6) { "a" } else { "b" };
            format!("{{ address = \"{}\", az = \"{az}\" }}", address.ip())
        };
        let members: Vec<String> = addresses.iter().map(member).collect();
        let members = members.join(", ");
        let _ = write!(
            text,
            "[[endpoint]]\nname = \"e{index}\"\ntargets = [{members}]\n\
             [[rule]]\ndomain = \"e{index}.example\"\nendpoint = \"e{index}\"\n"
        );
    }
    text
}

fn ms(random: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_micros(random.random_range(range.start * 1000..range.end * 1000))
}

/// Quick and right, with data that no other answer has.
fn healthy(random: &mut StdRng) -> Act {
    let least = ms(random, 0..30);
    let most = least + ms(random, 0..20);
    Act { speech: Speech::Stamp(random.random_range(1..8)), delay: (least, most) }
}

fn fault(random: &mut StdRng) -> Act {
    let rcode = |rcode| Speech::Say(Said { rcode, ..Said::default() });
    let speech = match random.random_range(0..16) {
        0..=4 => Speech::Silent,
        5 => Speech::Refuse,
        6 => rcode(SERVFAIL),
        7 => rcode(REFUSED),
        8 => rcode(NXDOMAIN),
        9 => Speech::Truncate,
        10 => Speech::WrongId,
        11 => Speech::OtherQuestion,
        12 => Speech::Twice,
        13 => Speech::Garbage,
        14 => Speech::NoEdns,
        _ => Speech::Stamp(random.random_range(1..8)),
    };
    let delay = match random.random_range(0..4) {
        0 => ms(random, 50..2500),
        _ => ms(random, 0..50),
    };
    Act { speech, delay: (delay, delay + ms(random, 0..100)) }
}

/// Aliases in a row, each below another rule.
const ALIASES: usize = 3;

fn alias_of(depth: usize) -> String {
    if depth == 1 { "n0".to_string() } else { format!("a{}", depth - 1) }
}

/// Whether a question leads nowhere by way of several rules.
fn is_circle(question: &Question) -> bool {
    question.name.to_string().starts_with("circle.")
}

/// Mostly all questions; else some names, a type or a way.
fn scope(random: &mut StdRng) -> Scope {
    match random.random_range(0..6) {
        0 => {
            let endpoint = random.random_range(0..3);
            let name = format!("n{}.e{endpoint}.example", random.random_range(0..25));
            Scope { names: Some(Pattern::parse(&name).unwrap()), ..Scope::default() }
        }
        1 => Scope { rtype: Some(TYPES[random.random_range(0..TYPES.len())]), ..Scope::default() },
        2 => Scope { over_tcp: Some(random.random_bool(0.5)), ..Scope::default() },
        _ => Scope::default(),
    }
}

/// What makes a question another one: name, type, the flags that targets see.
type Kind = (Name, u16, u16, bool);
/// What an answer comes to: code and data.
type Essence = (u16, Vec<(u16, Vec<u8>)>);

/// All that targets said, by question.
struct Heard(HashMap<Kind, HashSet<Essence>>);

impl Heard {
    fn of(world: &World) -> Heard {
        let mut heard: HashMap<Kind, HashSet<Essence>> = HashMap::new();
        for asked in &world.asked {
            let question = &asked.asked;
            let answers = asked.said.iter().filter_map(|message| Parts::read(message));
            let answers = answers.filter(|parts| {
                let same = parts.id == question.id && parts.name == question.name;
                same && parts.rtype == question.rtype && !parts.is_truncated()
            });
            let answers: Vec<Essence> = answers.map(|parts| essence(&parts)).collect();
            // Without an OPT there is no DO: whoever can't read one is asked without.
            let flags = if question.edns { vec![question.dnssec_ok] } else { vec![false, true] };
            for dnssec_ok in flags {
                let kind = (question.name.clone(), question.rtype, question.bits, dnssec_ok);
                heard.entry(kind).or_default().extend(answers.iter().cloned());
            }
        }
        Heard(heard)
    }

    /// Whether it is what targets said to this question, or, where they said that the name is an alias of another
    /// rule's, what they said to that one: all parts in order, and the last one's code.
    fn has(&self, question: &Question, parts: &Parts) -> bool {
        let (code, records) = essence(parts);
        self.has_rest(question, &question.name, code, &records, 0)
    }

    fn has_rest(
        &self,
        question: &Question,
        name: &Name,
        code: u16,
        rest: &[(u16, Vec<u8>)],
        depth: usize,
    ) -> bool {
        let kind = (name.clone(), question.rtype, question.bits, question.dnssec_ok);
        let Some(answers) = self.0.get(&kind).filter(|_| depth <= ALIASES) else { return false };
        answers.iter().any(|(said, records)| {
            let Some(behind) = rest.strip_prefix(records.as_slice()) else { return false };
            match records.last() {
                Some((CNAME, data)) => Name::from_wire(data).is_ok_and(|next| {
                    // Of its own alias a target says itself what it knows.
                    let crosses = next.parent() != name.parent();
                    let is_whole = !crosses && behind.is_empty() && *said == code;
                    is_whole || self.has_rest(question, &next, code, behind, depth + 1)
                }),
                _ => behind.is_empty() && *said == code,
            }
        })
    }
}

fn essence(parts: &Parts) -> Essence {
    const OPT: u16 = 41;
    let records = parts.records.iter().filter(|record| record.rtype != OPT);
    (parts.rcode(), records.map(|record| (record.rtype, record.data.clone())).collect())
}

fn judge_query(query: &Query, number: usize, heard: &Heard) -> Result<(), String> {
    let [reply] = &query.replies[..] else { return Err(format!("{} answers", query.replies.len())) };
    if reply.after > Duration::from_secs(2) {
        return Err(format!("only after {:?}", reply.after));
    }
    let parts = Parts::read(&reply.message).ok_or("an answer that can't be read")?;
    let question = &query.question;
    if parts.id != number as u16 || parts.name != question.name || parts.rtype != question.rtype {
        return Err("the answer to another question".into());
    }
    if parts.bits & 0x8000 == 0 || parts.bits & RD == 0 {
        return Err(format!("odd flags {:04x}", parts.bits));
    }
    let said = heard.has(question, &parts);
    let recovered = query.at >= FAULTS_END + RECOVERED;
    match parts.rcode() {
        NOERROR if said => Ok(()),
        NXDOMAIN if said && !recovered => Ok(()),
        // What was kept may be given for a while.
        NXDOMAIN if said && matches!(reply.origin, "cache" | "followed") => Ok(()),
        SERVFAIL if is_circle(question) && (!question.edns || !parts.errors().is_empty()) => Ok(()),
        SERVFAIL | REFUSED if recovered => Err("a failure long after the last fault".into()),
        SERVFAIL | REFUSED if said => Ok(()),
        SERVFAIL if !question.edns => Ok(()),
        SERVFAIL if parts.errors().iter().any(|(_, text)| !text.is_empty()) => Ok(()),
        _ => Err("what no target said to this question".into()),
    }
}
