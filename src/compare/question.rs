//! What is asked, each question once, and which of them when there are too many. Knows no file and no server.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use serde::Serialize;

use crate::limits::COMPARE_GATHERED;
use crate::wire::name::Name;
use crate::wire::rdata::rtype;

/// A question of class IN, asked with RD, and without DO unless that is wanted, as stub resolvers do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub name: Name,
    pub rtype: u16,
    /// It asks for signatures too (RFC 3225).
    pub dnssec_ok: bool,
}

impl Question {
    pub fn new(name: Name, rtype: u16) -> Question {
        Question { name, rtype, dnssec_ok: false }
    }

    /// Name, type and class, as they stand in a message.
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = self.name.as_wire().to_vec();
        wire.extend_from_slice(&self.rtype.to_be_bytes());
        wire.extend_from_slice(&crate::wire::rdata::class::IN.to_be_bytes());
        wire
    }

    pub fn rtype_name(&self) -> String {
        crate::control::rtype::show(self.rtype)
    }

    /// Whether two servers that know the same have to answer the same. Not so for OPT and what RFC 6895 section
    /// 3.1 calls QTYPEs and meta-types: transfers, and ANY, which a server answers with what it likes (RFC 8482).
    fn is_comparable(&self) -> bool {
        !matches!(self.rtype, 0 | rtype::OPT | 128..=255)
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.rtype_name())
    }
}

/// Questions as they are gathered, by where they come from.
#[derive(Default)]
pub struct Gathering {
    seen: HashSet<Question, RandomState>,
    sources: Vec<(String, Vec<Question>)>,
    left_out: usize,
    beyond: usize,
}

impl Gathering {
    /// What is added from now on comes from `source`.
    pub fn begin(&mut self, source: impl Into<String>) {
        self.sources.push((source.into(), Vec::new()));
    }

    /// Takes a question that is not yet there.
    pub fn add(&mut self, question: Question) {
        if !question.is_comparable() {
            self.left_out += 1;
            return;
        }
        if self.seen.contains(&question) {
            return;
        }
        let Some((_, questions)) = self.sources.last_mut() else { return };
        if self.seen.len() >= COMPARE_GATHERED {
            self.beyond += 1;
            return;
        }
        self.seen.insert(question.clone());
        questions.push(question);
    }

    pub fn len(&self) -> usize {
        self.seen.len()
    }

    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// At most `limit` questions, in the order in which they came: of each source its fair share, spread over it.
    pub fn pick(self, limit: usize) -> Plan {
        let counts: Vec<usize> = self.sources.iter().map(|(_, questions)| questions.len()).collect();
        let mut plan = Plan { left_out: self.left_out, beyond: self.beyond, ..Plan::default() };
        for ((name, questions), share) in self.sources.into_iter().zip(shares(&counts, limit)) {
            plan.sources.push(Source { name, questions: questions.len(), asked: share });
            let count = questions.len();
            let picked = (0..share).map(|place| place * count / share);
            plan.questions.extend(picked.map(|index| questions[index].clone()));
        }
        plan
    }
}

/// What will be asked.
#[derive(Default)]
pub struct Plan {
    pub questions: Vec<Question>,
    pub sources: Vec<Source>,
    /// Questions that can't be compared: ANY, transfers, meta-types.
    pub left_out: usize,
    /// Questions that were not kept because there are too many of them.
    pub beyond: usize,
}

impl Plan {
    /// All of it with DO.
    pub fn with_dnssec(mut self) -> Plan {
        self.questions.iter_mut().for_each(|question| question.dnssec_ok = true);
        self
    }
}

/// Where questions came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    pub name: String,
    /// Different ones that it has.
    pub questions: usize,
    /// How many of them are asked.
    pub asked: usize,
}

/// How many of each source: all of the small ones, and the same number of the others.
fn shares(counts: &[usize], limit: usize) -> Vec<usize> {
    let mut shares = vec![0; counts.len()];
    let mut by_size: Vec<usize> = (0..counts.len()).collect();
    by_size.sort_by_key(|&index| counts[index]);
    let mut left = limit;
    for (place, &index) in by_size.iter().enumerate() {
        let fair = left / (counts.len() - place);
        shares[index] = counts[index].min(fair);
        left -= shares[index];
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &str) -> Question {
        Question::new(Name::parse(text).expect("a name"), rtype::A)
    }

    #[test]
    fn a_limit_is_spread_over_sources() {
        assert_eq!(shares(&[10, 3, 100], 23), [10, 3, 10]);
        assert_eq!(shares(&[10, 3, 100], 200), [10, 3, 100]);
        assert_eq!(shares(&[5, 5, 5], 2).iter().sum::<usize>(), 2);
        assert_eq!(shares(&[], 5), [0usize; 0]);
    }

    #[test]
    fn a_share_is_spread_over_its_source() {
        let mut gathering = Gathering::default();
        gathering.begin("zone");
        (0..100).for_each(|number| gathering.add(question(&format!("n{number}.example"))));
        gathering.begin("file");
        gathering.add(question("x.example"));
        let plan = gathering.pick(5);
        let names: Vec<String> = plan.questions.iter().map(|question| question.name.to_string()).collect();
        assert_eq!(names, ["n0.example", "n25.example", "n50.example", "n75.example", "x.example"]);
        let source = |name: &str, questions, asked| Source { name: name.into(), questions, asked };
        assert_eq!(plan.sources, [source("zone", 100, 4), source("file", 1, 1)]);
    }

    #[test]
    fn each_question_once_and_none_that_cannot_be_compared() {
        let mut gathering = Gathering::default();
        gathering.begin("file");
        gathering.add(question("A.example"));
        gathering.add(question("a.EXAMPLE"));
        for rtype in [0, 41, 250, 251, 252, 255] {
            gathering.add(Question { rtype, ..question("a.example") });
        }
        gathering.add(Question { rtype: 257, ..question("a.example") });
        let plan = gathering.pick(100);
        assert_eq!((plan.questions.len(), plan.left_out, plan.beyond), (2, 6, 0));
    }
}
