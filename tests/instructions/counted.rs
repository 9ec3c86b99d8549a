//! The operations whose instructions are counted: prepares one, then does it so many times inside `measured`,
//! where alone the counter runs.

use std::hint::black_box;
use std::path::Path;

use dnsfwd::cache::{Cache, Key, seconds};
use dnsfwd::policy::{Policy, RuleAction, builtin};
use dnsfwd::serve::solo::Solo;
use dnsfwd::wire::answer::{Answer, TtlLimits};
use dnsfwd::wire::name::{Name, parse_wire};
use dnsfwd::wire::query::{Folded, Judged, judge};
use dnsfwd::wire::rdata::{class, rtype};
use dnsfwd::wire::reply::{Reply, scan};

const LIMITS: TtlLimits = TtlLimits { min: 0, max: 86_400, max_negative: 900 };
/// Names that are asked in turn. Hash tables are seeded by chance: with few names a count would be too.
const NAMES: usize = 1024;

/// A question, with and without OPT, and the reply of a target to it.
struct Case {
    plain: Vec<u8>,
    edns: Vec<u8>,
    question: Vec<u8>,
    reply: Vec<u8>,
}

type Operation = Box<dyn FnMut(usize)>;
/// What makes one ready.
type Prepare = fn() -> Operation;

/// All operations, by name.
const OPERATIONS: [(&str, Prepare); 11] = [
    ("judge", || judged(|case| case.plain)),
    ("judge_edns", || judged(|case| case.edns)),
    ("decide_10_rules", || decide(10)),
    ("decide_100000_rules", || decide(100_000)),
    ("cached_answer", || cached(|case| case.plain)),
    ("cached_answer_edns", || cached(|case| case.edns)),
    ("zone_answer", || at_once(|number| format!("www{number}.corp.example"))),
    ("zone_nxdomain", || at_once(|number| format!("none{number}.corp.example"))),
    ("refused", || at_once(|number| format!("www.else.where{number}"))),
    ("scan_and_pack", scan_and_pack),
    ("keep", keep),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rounds) = match arguments.as_slice() {
        [] => return OPERATIONS.iter().for_each(|(name, _)| println!("{name}")),
        [name, rounds] => (name, rounds.parse().expect("a number of rounds")),
        _ => panic!("instructions [OPERATION ROUNDS]"),
    };
    let (_, prepare) = OPERATIONS.iter().find(|(known, _)| known == name).expect("an operation's name");
    let mut operation = prepare();
    // What happens once only is not counted: the heap's first pages, the first look at the clock.
    (0..NAMES).for_each(&mut operation);
    measured(&mut operation, rounds);
}

/// The counter is on in here and nowhere else: tests/instructions/run names this function.
#[inline(never)]
fn measured(operation: &mut Operation, rounds: usize) {
    for round in 0..rounds {
        operation(round % NAMES);
    }
}

fn cases() -> Vec<Case> {
    (0..NAMES).map(|number| case(&format!("n{}.load.example", 100_000 + number))).collect()
}

fn case(name: &str) -> Case {
    let mut question = parse_wire(name.as_bytes()).expect("a sound name");
    question.extend_from_slice(&[0, 1, 0, 1]);
    let message = |header: [u8; 12], behind: &[u8]| [&header[..], &question[..], behind].concat();
    const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    const RECORD: [u8; 16] = [0xc0, 12, 0, 1, 0, 1, 0, 1, 0x51, 0x80, 0, 4, 192, 0, 2, 1];
    Case {
        plain: message([7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &[]),
        edns: message([7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1], &OPT),
        reply: message([7, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 1], &[&RECORD[..], &OPT[..]].concat()),
        question,
    }
}

fn judged(packet: fn(Case) -> Vec<u8>) -> Operation {
    let packets: Vec<Vec<u8>> = cases().into_iter().map(packet).collect();
    let mut folded = Folded::default();
    Box::new(move |index| {
        let judged = black_box(judge(black_box(&packets[index]), &mut folded));
        assert!(matches!(judged, Judged::Ask(_)));
    })
}

fn decide(rules: usize) -> Operation {
    let name = |text: &str| Name::parse(text).expect("a sound name");
    let domains: Vec<Name> =
        (0..rules).map(|number| name(&format!("d{number}.s{}.example", number % 100))).collect();
    let builtins: Vec<Name> = builtin::all().map(|(text, _, _)| name(&text)).collect();
    let rules = domains.iter().map(|domain| (domain.as_wire(), RuleAction::Forward));
    let (zone, builtins) = (name("corp.example"), builtins.iter().map(Name::as_wire));
    let policy = Policy::new([zone.as_wire()], rules, builtins);
    // Half of them below a rule, half below none.
    let asked: Vec<Name> = (0..NAMES)
        .map(|number| name(&format!("www.d{}.s{}.example", number / 2 % domains.len(), number / 2 % 100)))
        .enumerate()
        .map(|(number, name)| if number % 2 == 0 { name } else { name.child(b"x").expect("short") })
        .collect();
    Box::new(move |index| {
        black_box(policy.decide(black_box(asked[index].as_wire()), rtype::A, class::IN));
    })
}

fn solo() -> Solo {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions/dnsfwd.toml");
    Solo::read(&path).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn cached(packet: fn(Case) -> Vec<u8>) -> Operation {
    let mut solo = solo();
    for case in cases() {
        assert!(solo.keep(&case.plain, &case.reply), "targets' replies are kept");
    }
    let packets: Vec<Vec<u8>> = cases().into_iter().map(packet).collect();
    Box::new(move |index| assert!(solo.turn(black_box(&packets[index])).is_some(), "it is in the cache"))
}

/// What needs neither cache nor target.
fn at_once(name: fn(usize) -> String) -> Operation {
    let mut solo = solo();
    let packets: Vec<Vec<u8>> = (0..NAMES).map(|number| case(&name(number)).edns).collect();
    Box::new(move |index| assert!(solo.turn(black_box(&packets[index])).is_some(), "no target is needed"))
}

fn scan_and_pack() -> Operation {
    let cases = cases();
    let mut reply = Reply::default();
    Box::new(move |index| {
        let case = &cases[index];
        scan(black_box(&case.reply), &case.question, &mut reply).expect("a sound reply");
        black_box(Answer::from_reply(&case.reply, &case.question, &reply, LIMITS, false));
    })
}

fn keep() -> Operation {
    let cases = cases();
    let mut reply = Reply::default();
    let mut answer = |case: &Case| {
        scan(&case.reply, &case.question, &mut reply).expect("a sound reply");
        Answer::from_reply(&case.reply, &case.question, &reply, LIMITS, false)
    };
    let answers: Vec<Answer> = cases.iter().map(&mut answer).collect();
    let cache = Cache::new(1 << 20);
    Box::new(move |index| {
        let key = Key { question: &cases[index].question, flags: 1, subnet: &[], rule: 1 };
        cache.insert(black_box(&key), cache.hash(&key), cache.now(), seconds(300), &answers[index]);
    })
}
