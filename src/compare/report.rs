//! What a comparison found, for people and programs: differences by what differs and by our reason for it. Asks
//! nobody; the reasons come from whoever calls.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use super::course::{Finding, Tally};
use super::heard::{Cut, Heard, Record, Said};
use super::judge::{Difference, Side};
use super::question::{Plan, Question, Source};
use super::run::End;
use crate::wire::header::{bit, rcode_name};
use crate::wire::rdata::rtype;

/// Why the new server answers as it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// `rule aws.example`, `zone corp.example`, `built-in name localhost`.
    pub what: String,
    pub because: String,
    /// The view of the client as which we ask, where that view's own rule or zone decides.
    pub view: Option<String>,
    /// Where it is written, as `file:line`.
    pub place: Option<String>,
    pub endpoint: Option<String>,
    #[serde(skip)]
    pub builtin: bool,
}

/// How the comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    Whole,
    Interrupted,
    Silent,
}

#[derive(Serialize)]
pub struct Report {
    pub old: SocketAddr,
    pub new: SocketAddr,
    pub end: Ending,
    /// Those whose silence ended it.
    pub silent: Vec<Side>,
    pub seconds: f64,
    pub sources: Vec<Source>,
    /// Questions that can't be compared (ANY, transfers), and such that were too many to keep.
    pub left_out: usize,
    pub beyond: usize,
    pub questions: usize,
    /// They were asked with DO.
    pub dnssec: bool,
    pub same: usize,
    /// Questions without a result.
    pub open: usize,
    /// Differences that matter and were not accepted.
    pub differences: usize,
    /// Where the reasons are from; none if there are none.
    pub reasons: Option<String>,
    pub groups: Vec<Group>,
    pub changing: Vec<Example>,
    pub passing: Vec<Example>,
    pub neither: Vec<String>,
    /// What same answers differ in without consequence, and how often.
    pub folded: BTreeMap<&'static str, usize>,
}

/// Differences of one kind with one reason.
#[derive(Serialize)]
pub struct Group {
    pub kind: &'static str,
    pub what: String,
    pub reason: Option<Reason>,
    /// Its kind was accepted on the command line: it is told, but counts as no difference.
    pub accepted: bool,
    pub count: usize,
    /// All of them.
    pub examples: Vec<Example>,
}

#[derive(Serialize)]
pub struct Example {
    pub name: String,
    #[serde(rename = "type")]
    pub rtype: String,
    pub what: String,
    pub old: Answer,
    pub new: Answer,
}

#[derive(Serialize)]
pub struct Answer {
    /// The response code's name, or why there is no answer.
    pub outcome: String,
    pub flags: Vec<&'static str>,
    /// Records as a zone file has them.
    pub answers: Vec<String>,
    pub authority: Vec<String>,
}

/// SOA and NS of a built-in name are every server's own invention (RFC 6303 section 3), and so are its TTLs.
const OWN_INVENTION: &str = "SOA, NS and TTL of built-in names";

impl Report {
    /// Before anything was found.
    pub fn new(old: SocketAddr, new: SocketAddr, plan: &Plan) -> Report {
        Report {
            old,
            new,
            end: Ending::Whole,
            silent: Vec::new(),
            seconds: 0.0,
            sources: plan.sources.clone(),
            left_out: plan.left_out,
            beyond: plan.beyond,
            questions: plan.questions.len(),
            dnssec: plan.questions.iter().any(|question| question.dnssec_ok),
            same: 0,
            open: 0,
            differences: 0,
            reasons: None,
            groups: Vec::new(),
            changing: Vec::new(),
            passing: Vec::new(),
            neither: Vec::new(),
            folded: BTreeMap::new(),
        }
    }

    /// Takes in how it ended.
    pub fn ended(&mut self, end: End) {
        (self.end, self.silent) = match end {
            End::Whole => (Ending::Whole, Vec::new()),
            End::Interrupted => (Ending::Interrupted, Vec::new()),
            End::Silent(sides) => (Ending::Silent, sides),
        };
    }

    /// Fills in what a tally holds. `explain` gives our reason for the answer to a question, once for each difference.
    pub fn take(
        &mut self,
        tally: Tally,
        accepted: &[String],
        mut explain: impl FnMut(&Question) -> Option<Reason>,
    ) {
        self.same = tally.same;
        self.folded = tally.folded;
        self.neither = tally.neither.iter().map(ToString::to_string).collect();
        self.changing = tally.changing.into_iter().map(example).collect();
        self.passing = tally.passing.into_iter().map(example).collect();
        for finding in tally.findings {
            let reason = explain(&finding.question);
            if reason.as_ref().is_some_and(|reason| reason.builtin) && is_own_invention(&finding) {
                self.same += 1;
                *self.folded.entry(OWN_INVENTION).or_default() += 1;
                continue;
            }
            let (kind, what) = (finding.difference.word(), finding.difference.to_string());
            let group = self.group(kind, what, reason, accepted.iter().any(|word| word == kind));
            group.count += 1;
            group.examples.push(example(finding));
        }
        self.groups.sort_by(|one, other| {
            (one.accepted, other.count, &one.what).cmp(&(other.accepted, one.count, &other.what))
        });
        self.differences = self.groups.iter().filter(|group| !group.accepted).map(|group| group.count).sum();
    }

    fn group(
        &mut self,
        kind: &'static str,
        what: String,
        reason: Option<Reason>,
        accepted: bool,
    ) -> &mut Group {
        let by = |reason: &Option<Reason>| {
            reason.as_ref().map(|reason| (reason.what.clone(), reason.view.clone()))
        };
        let found =
            self.groups.iter().position(|group| group.what == what && by(&group.reason) == by(&reason));
        let index = found.unwrap_or_else(|| {
            self.groups.push(Group { kind, what, reason, accepted, count: 0, examples: Vec::new() });
            self.groups.len() - 1
        });
        &mut self.groups[index]
    }
}

fn is_own_invention(finding: &Finding) -> bool {
    match finding.difference {
        Difference::Soa | Difference::NoSoa(_) | Difference::Ttl => true,
        Difference::Records => matches!(finding.question.rtype, rtype::SOA | rtype::NS),
        _ => false,
    }
}

fn example(finding: Finding) -> Example {
    Example {
        name: finding.question.name.to_string(),
        rtype: finding.question.rtype_name(),
        what: finding.difference.to_string(),
        old: answer(&finding.old),
        new: answer(&finding.new),
    }
}

fn answer(heard: &Heard) -> Answer {
    let bare =
        |outcome: String| Answer { outcome, flags: Vec::new(), answers: Vec::new(), authority: Vec::new() };
    let said = match heard {
        Heard::Nothing(why) => return bare(why.clone()),
        Heard::Broken(why) => return bare(format!("can't be read: {why}")),
        Heard::Said(said) => said,
    };
    let texts = |records: &[Record]| records.iter().map(ToString::to_string).collect();
    Answer {
        outcome: rcode_name(said.rcode).into_owned(),
        flags: flags(said),
        answers: texts(&said.answers),
        authority: texts(&said.authority),
    }
}

fn flags(said: &Said) -> Vec<&'static str> {
    let bits = [(bit::AA, "aa"), (bit::RA, "ra"), (bit::AD, "ad")].into_iter();
    let bits = bits.filter(|(bit, _)| said.has(*bit)).map(|(_, name)| name);
    let cut = match said.cut {
        Cut::Whole => None,
        Cut::WholeOverTcp => Some("tcp"),
        Cut::Left => Some("tc"),
    };
    bits.chain(cut).collect()
}
