//! The course of a comparison: which question is asked next, when it is asked again, and what became of it. Has no
//! socket and no clock; answers and the time come in as arguments.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::heard::{Heard, Pass, Said};
use super::judge::{Difference, Side, Verdict, folded, judge};
use super::question::Question;
use super::ttl;
use crate::limits::{COMPARE_AGAIN, COMPARE_SHORT_TTL, COMPARE_SILENT};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask both servers the question with this number, and tell [`Course::heard`].
    Ask(usize),
    /// Nothing before this moment, unless an answer comes.
    Wait(Instant),
    /// Nothing until an answer comes.
    Listen,
    Over,
}

/// A question that was answered in two ways, with the last answers.
#[derive(Clone, Debug)]
pub struct Finding {
    pub question: Question,
    pub difference: Difference,
    pub old: Heard,
    pub new: Heard,
}

/// What became of the questions that are done with.
#[derive(Default)]
pub struct Tally {
    pub same: usize,
    /// Answered by neither server.
    pub neither: Vec<Question>,
    /// Differences that stayed when asked again.
    pub findings: Vec<Finding>,
    /// Names whose answers change by themselves: the old server differs from itself.
    pub changing: Vec<Finding>,
    /// Differences that were gone when asked again.
    pub passing: Vec<Finding>,
    /// What same answers differ in, and how often.
    pub folded: BTreeMap<&'static str, usize>,
}

pub struct Course {
    questions: Vec<Question>,
    next: usize,
    /// Questions to be asked again, with what was heard so far.
    again: BTreeMap<(Instant, usize), Vec<Pass>>,
    /// Those being asked again now.
    asked_again: HashMap<usize, Vec<Pass>>,
    outstanding: usize,
    silence: [Silence; 2],
    tally: Tally,
}

/// How long a server has said nothing.
#[derive(Default)]
struct Silence {
    in_a_row: u32,
    /// The number of the last question that it answered.
    answered: Option<usize>,
}

impl Course {
    pub fn new(questions: Vec<Question>) -> Course {
        Course {
            questions,
            next: 0,
            again: BTreeMap::new(),
            asked_again: HashMap::new(),
            outstanding: 0,
            silence: Default::default(),
            tally: Tally::default(),
        }
    }

    pub fn question(&self, index: usize) -> &Question {
        &self.questions[index]
    }

    /// Questions begun, and all there are.
    pub fn progress(&self) -> (usize, usize) {
        (self.next, self.questions.len())
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The result, and how many questions have none: never asked, or not often enough.
    pub fn finish(self) -> (Tally, usize) {
        let Tally { same, neither, findings, changing, passing, .. } = &self.tally;
        let done = same + neither.len() + findings.len() + changing.len() + passing.len();
        let open = self.questions.len() - done;
        (self.tally, open)
    }

    /// What has to be asked again comes before what is new.
    pub fn step(&mut self, now: Instant) -> Step {
        let due = self.again.first_key_value().map(|(&key, _)| key);
        match due {
            Some((at, index)) if at <= now => {
                let passes = self.again.remove(&(at, index)).unwrap_or_default();
                self.asked_again.insert(index, passes);
                self.outstanding += 1;
                Step::Ask(index)
            }
            _ if self.next < self.questions.len() => {
                self.next += 1;
                self.outstanding += 1;
                Step::Ask(self.next - 1)
            }
            Some((at, _)) => Step::Wait(at),
            None if self.outstanding > 0 => Step::Listen,
            None => Step::Over,
        }
    }

    /// Takes what both servers said to the question with this number.
    pub fn heard(&mut self, index: usize, pass: Pass) {
        self.outstanding -= 1;
        for (silence, heard) in self.silence.iter_mut().zip([&pass.old, &pass.new]) {
            match heard.is_nothing() {
                true => silence.in_a_row += 1,
                false => *silence = Silence { in_a_row: 0, answered: Some(index) },
            }
        }
        let mut passes = self.asked_again.remove(&index).unwrap_or_default();
        passes.push(pass);
        match self.next_pass(index, &passes) {
            Some(at) => drop(self.again.insert((at, index), passes)),
            None => self.conclude(index, &passes),
        }
    }

    /// A server that has said nothing to so many questions that it may be gone, and one that it answered before.
    pub fn suspect(&self) -> Option<(Side, Option<usize>)> {
        let sides = [Side::Old, Side::New].into_iter().zip(&self.silence);
        sides
            .filter(|(_, silence)| silence.in_a_row >= COMPARE_SILENT)
            .map(|(side, silence)| (side, silence.answered))
            .next()
    }

    /// The server is known to answer the question with this number.
    pub fn knows(&mut self, side: Side, index: usize) {
        self.silence[side as usize].answered = Some(index);
    }

    /// It was asked, and is there.
    pub fn trust(&mut self, side: Side) {
        self.silence[side as usize].in_a_row = 0;
    }

    /// When a question has to be asked again; none if it need not.
    fn next_pass(&self, index: usize, passes: &[Pass]) -> Option<Instant> {
        let question = &self.questions[index];
        let last = passes.last()?;
        let Verdict::Differ(difference) = judge(question, &last.old, &last.new) else { return None };
        match passes.len() {
            1 => Some(last.at + COMPARE_AGAIN),
            // Two caches may each hold another of a pool's addresses until its TTL is over.
            2 if difference.is_of_records() => {
                let ttl = [&last.old, &last.new].into_iter().filter_map(lowest_ttl).max()?;
                let wait = Duration::from_secs(u64::from(ttl) + 1);
                (1..=COMPARE_SHORT_TTL).contains(&ttl).then(|| last.at + wait)
            }
            _ => None,
        }
    }

    fn conclude(&mut self, index: usize, passes: &[Pass]) {
        let question = &self.questions[index];
        let Some(last) = passes.last() else { return };
        let first = judge(question, &passes[0].old, &passes[0].new);
        let finding = |difference, pass: &Pass| Finding {
            question: question.clone(),
            difference,
            old: pass.old.clone(),
            new: pass.new.clone(),
        };
        let stays = match judge(question, &last.old, &last.new) {
            Verdict::Neither => return self.tally.neither.push(question.clone()),
            Verdict::Differ(difference) if difference.is_of_time() && !of_origin(question, passes) => None,
            Verdict::Differ(difference) => Some(difference),
            Verdict::Same => None,
        };
        match (stays, first) {
            (Some(difference), _) if changes(question, passes, difference) => {
                self.tally.changing.push(finding(difference, last));
            }
            (Some(difference), _) => self.tally.findings.push(finding(difference, last)),
            // Shown as it was when it differed.
            (None, Verdict::Differ(before)) if !before.is_of_time() => {
                let list = match changes(question, passes, before) {
                    true => &mut self.tally.changing,
                    false => &mut self.tally.passing,
                };
                list.push(finding(before, &passes[0]));
            }
            (None, first) => {
                let aged = matches!(first, Verdict::Differ(_)).then_some("TTL");
                let folded = folded(question, &last.old, &last.new).into_iter().chain(aged);
                self.tally.same += 1;
                folded.for_each(|what| *self.tally.folded.entry(what).or_default() += 1);
            }
        }
    }
}

/// Whether TTLs, or what is said of an absence, differ by more than their age.
fn of_origin(question: &Question, passes: &[Pass]) -> bool {
    let owner = |heard: &Heard| match heard {
        Heard::Said(said) => said.soa().map(|soa| soa.owner.clone()),
        _ => None,
    };
    let absence = |pass: &Pass| judge(question, &pass.old, &pass.new) == Verdict::Differ(Difference::Soa);
    let other_zone = passes.iter().all(|pass| absence(pass) && owner(&pass.old) != owner(&pass.new));
    match passes {
        [first, .., last] => other_zone || ttl::differ(first, last),
        _ => false,
    }
}

/// Whether an answer changes by itself: the old server differs from itself as it does from the new one, or the
/// new one has said before what the old one says now.
fn changes(question: &Question, passes: &[Pass], difference: Difference) -> bool {
    let alike = |one: Difference| match difference {
        Difference::Rcode { .. } => matches!(one, Difference::Rcode { .. }),
        _ => one.is_of_records() && difference.is_of_records(),
    };
    let differs = |one: &Heard, other: &Heard| matches!(judge(question, one, other), Verdict::Differ(found) if alike(found));
    let Some((last, before)) = passes.split_last() else { return false };
    let old_changed = before.iter().any(|pass| differs(&pass.old, &last.old));
    let new_changed = before.iter().any(|pass| differs(&pass.new, &last.new));
    let new_said_it = || {
        let says_data = |heard: &Heard| matches!(heard, Heard::Said(said) if said.has_data(question));
        let olds = || passes.iter().map(|pass| &pass.old).filter(|old| says_data(old));
        passes.iter().any(|pass| olds().any(|old| says_data(&pass.new) && !differs(old, &pass.new)))
    };
    old_changed || new_changed && difference.is_of_records() && new_said_it()
}

fn lowest_ttl(heard: &Heard) -> Option<u32> {
    match heard {
        Heard::Said(Said { answers, .. }) => answers.iter().map(|record| record.ttl).min(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::heard::tests::{said, with_authority};
    use crate::wire::header::bit;
    use crate::wire::name::Name;

    const DATA: &str = "www.example 300 A 192.0.2.1";
    const OTHER: &str = "www.example 300 A 192.0.2.2";
    const SOA: &str = "example 60 SOA ns.example h.example 1 2 3 4 60";

    fn question() -> Question {
        Question::new(Name::parse("www.example").expect("a name"), crate::wire::rdata::rtype::A)
    }

    fn data(text: &str) -> Heard {
        Heard::Said(said(0, text))
    }

    fn silence() -> Heard {
        Heard::Nothing("no answer in time".into())
    }

    /// Plays the answers of both servers to one question until it is done with; gives how often it was asked.
    fn play(answers: &[(Heard, Heard)]) -> (Tally, usize) {
        let mut course = Course::new(vec![question()]);
        let (mut now, mut asked) = (Instant::now(), 0);
        loop {
            match course.step(now) {
                Step::Ask(index) => {
                    let (old, new) = answers[asked.min(answers.len() - 1)].clone();
                    asked += 1;
                    course.heard(index, Pass { at: now, old, new });
                }
                Step::Wait(at) => now = at,
                Step::Listen => panic!("nothing is outstanding"),
                Step::Over => break,
            }
        }
        let (tally, open) = course.finish();
        assert_eq!(open, 0);
        (tally, asked)
    }

    fn differences(tally: &Tally) -> Vec<Difference> {
        tally.findings.iter().map(|finding| finding.difference).collect()
    }

    #[test]
    fn the_same_is_asked_once() {
        let (tally, asked) = play(&[(data(DATA), data(DATA))]);
        assert_eq!((tally.same, asked), (1, 1));
        assert!(tally.folded.is_empty());
    }

    #[test]
    fn a_difference_is_asked_twice() {
        let (tally, asked) = play(&[(data(DATA), data(OTHER))]);
        assert_eq!((differences(&tally), asked), (vec![Difference::Records], 2));
        let (tally, _) = play(&[(data(DATA), silence())]);
        assert_eq!(differences(&tally), [Difference::NoAnswer(Side::New)]);
    }

    #[test]
    fn what_is_gone_when_asked_again_is_told_apart() {
        let (tally, _) = play(&[(data(DATA), silence()), (data(DATA), data(DATA))]);
        assert_eq!((tally.passing.len(), tally.findings.len(), tally.same), (1, 0, 0));
        assert!(tally.passing[0].new.is_nothing(), "shown as it was");
    }

    #[test]
    fn a_name_that_changes_by_itself_is_told_apart() {
        let third = "www.example 300 A 192.0.2.3";
        let (tally, _) = play(&[(data(DATA), data(OTHER)), (data(third), data(OTHER))]);
        assert_eq!((tally.changing.len(), tally.findings.len()), (1, 0));
        // A response code that the old server changes is no excuse for another record, and the other way round.
        let (tally, _) =
            play(&[(data(DATA), Heard::Said(said(3, ""))), (data(third), Heard::Said(said(3, "")))]);
        assert_eq!(differences(&tally), [Difference::Rcode { old: 0, new: 3 }]);
    }

    #[test]
    fn a_short_ttl_is_waited_for() {
        let short = |address: &str| data(&format!("www.example 5 A {address}"));
        let apart = (short("192.0.2.1"), short("192.0.2.2"));
        let (tally, asked) = play(&[apart.clone(), apart.clone(), (short("192.0.2.3"), short("192.0.2.1"))]);
        assert_eq!((tally.changing.len(), tally.findings.len(), asked), (1, 0, 3));
        let (tally, asked) = play(&[apart]);
        assert_eq!((differences(&tally), asked), (vec![Difference::Records], 3));
    }

    fn ttl(seconds: u32, bits: u16) -> Heard {
        Heard::Said(Said { bits, ..said(0, &DATA.replace("300", &seconds.to_string())) })
    }

    /// Old and new TTL, first and second time.
    fn of_ttls(first: (u32, u32), second: (u32, u32), bits: u16) -> (bool, bool) {
        let pass = |(old, new)| (ttl(old, bits), ttl(new, bits));
        let (tally, _) = play(&[pass(first), pass(second)]);
        (differences(&tally) == [Difference::Ttl], tally.folded.contains_key("TTL"))
    }

    #[test]
    fn ttls_of_caches() {
        assert_eq!(of_ttls((300, 120), (298, 118), 0), (false, true), "both age");
        assert_eq!(of_ttls((300, 120), (300, 118), 0), (false, true), "the lower one ages");
        assert_eq!(of_ttls((300, 120), (298, 120), 0), (true, false), "the lower one is as it was written");
        assert_eq!(of_ttls((120, 300), (120, 300), 0), (true, false), "both are as they were written");
        assert_eq!(of_ttls((60, 58), (60, 58), 0), (false, true), "fetched anew in between, perhaps");
        assert_eq!(of_ttls((60, 58), (60, 58), bit::AA), (true, false), "with authority, two seconds count");
        assert_eq!(of_ttls((60, 300), (60, 60), 0), (false, true), "the same when asked again");
    }

    #[test]
    fn absence_that_ages_and_absence_that_differs() {
        let none = |soa: &str| Heard::Said(with_authority(said(3, ""), soa));
        let aged = |ttl: &str| none(&SOA.replace("example 60", &format!("example {ttl}")));
        let (tally, _) = play(&[(aged("60"), aged("20")), (aged("60"), aged("18"))]);
        assert_eq!((tally.findings.len(), tally.folded.get("TTL")), (0, Some(&1)));
        let (tally, _) = play(&[(aged("60"), aged("20")), (aged("60"), aged("20"))]);
        assert_eq!(differences(&tally), [Difference::Soa]);
        let elsewhere = none(&SOA.replace("example 60", "net 60"));
        let (tally, _) = play(&[(none(SOA), elsewhere)]);
        assert_eq!(differences(&tally), [Difference::Soa]);
    }

    #[test]
    fn silence_in_a_row_makes_suspect() {
        let mut course = Course::new(vec![question(); 100]);
        let now = Instant::now();
        for _ in 0..=COMPARE_SILENT {
            assert_eq!(course.suspect(), None);
            let Step::Ask(index) = course.step(now) else { panic!("there are more") };
            let old = if index == 0 { data(DATA) } else { silence() };
            course.heard(index, Pass { at: now, old, new: data(DATA) });
        }
        assert_eq!(course.suspect(), Some((Side::Old, Some(0))));
        course.trust(Side::Old);
        assert_eq!(course.suspect(), None);
    }
}
