//! An answer that leads through several rules or zones by CNAMEs: each part is asked where it belongs (and
//! kept there), and the whole is put together for the client. Bounded, and proof against loops.

use std::time::Instant;

use crate::forward::Fetched;
use crate::forward::coalesce::Question;
use crate::limits::{MAX_FOLLOWED, MESSAGE};
use crate::policy::Action;
use crate::serve::fetch::{kept, wanted};
use crate::serve::snapshot::Snapshot;
use crate::serve::views::Asker;
use crate::serve::zones::KeptData;
use crate::wire::answer::{Answer, AnswerRef, TtlLimits, own_flags};
use crate::wire::copy::copy_section;
use crate::wire::edns::{ErrorCode, ExtendedError, OPT_LEN, UDP_SIZE};
use crate::wire::header::{bit, rcode};
use crate::wire::name::MAX_NAME;
use crate::wire::query::Query;
use crate::wire::reply::{Reply, scan};
use crate::wire::write::{Full, Section, Writer};
use crate::zone::Part;

/// The way so far.
pub struct Trail {
    /// Each part is decided on in the view of who asks, and only if it may ask for it.
    asker: Asker,
    /// Names asked, the present one last.
    names: Vec<Vec<u8>>,
    /// What was found for all names but the present one.
    legs: Vec<Leg>,
    /// How the way ended.
    end: Option<Result<(), ExtendedError>>,
    /// AA is about the first name only (RFC 1034 section 6.2.7).
    authoritative: Option<bool>,
    /// AD holds if every part had it (RFC 4035 section 3.2.3).
    authentic: bool,
    rcode: u16,
    /// Extended DNS Errors of the parts.
    options: Vec<u8>,
}

/// One part of the whole answer.
enum Leg {
    /// What this data says of the leg's name.
    Zone(KeptData),
    /// What a target said, and for how many seconds that was kept.
    Target { answer: Answer, age: u32 },
}

/// The whole answer, or why there is none.
pub type Followed = Result<Answer, ExtendedError>;

/// Where the way goes on.
pub enum Course {
    /// A rule's targets have to be asked: `take` wants to know what they say.
    Ask {
        rule: u32,
        question: Question,
    },
    Over(Followed),
}

impl Trail {
    pub fn new(query: &Query<'_>, asker: Asker) -> Trail {
        Trail {
            asker,
            names: vec![query.qname().to_vec()],
            legs: Vec::new(),
            end: None,
            authoritative: None,
            authentic: true,
            rcode: rcode::NOERROR,
            options: Vec::new(),
        }
    }

    /// Follows CNAMEs across rules and zones until something answers or a target has to be asked.
    pub fn go_on(&mut self, snapshot: &Snapshot, query: &Query<'_>, now: Instant) -> Course {
        // Each turn ends the way or adds a name, and names are bounded.
        while self.end.is_none() {
            let decision = snapshot.decide_for(&self.asker, self.name(), query.rtype(), query.rclass());
            if let Some(data) = snapshot.zone_of(decision.action) {
                match data.keep() {
                    Some(data) => self.take_zone(snapshot, data, query),
                    None => {
                        let why = snapshot.why_nothing(decision.action);
                        self.end =
                            Some(Err(why.unwrap_or_else(|| trouble("a zone has nothing to answer with"))));
                    }
                }
                continue;
            }
            let (Action::Forward { rule } | Action::System { rule }) = decision.action else {
                self.end = Some(Ok(()));
                continue;
            };
            let fixed = &query.question()[query.qname().len()..];
            let question = wanted(snapshot, self.asker.view, rule, query, &[self.name(), fixed].concat());
            match kept(snapshot, &question, now) {
                Some((answer, age)) => {
                    let kept = Fetched::Answer { answer, lifetime: 0 };
                    self.take(snapshot, query, &kept, age);
                }
                None => return Course::Ask { rule, question },
            }
        }
        let end = self.end.take().unwrap_or(Ok(()));
        Course::Over(end.and_then(|()| self.compose(query)))
    }

    /// Takes what the rule's targets say of the present name, `age` seconds ago.
    pub fn take(&mut self, snapshot: &Snapshot, query: &Query<'_>, fetched: &Fetched, age: u32) {
        let answer = match fetched {
            Fetched::Answer { answer, .. } => answer,
            Fetched::Failed(why) => return self.end = Some(Err(why.clone())),
        };
        let view = answer.view();
        self.authoritative.get_or_insert(view.bits() & bit::AA != 0);
        self.authentic &= view.bits() & bit::AD != 0;
        self.rcode = view.rcode();
        self.options.extend_from_slice(view.options());
        let next = self.next_name(snapshot, query, &view);
        if next.is_some() {
            // The absence that this target may have told of is not its to tell.
            self.rcode = rcode::NOERROR;
        }
        self.legs.push(Leg::Target { answer: answer.clone(), age });
        self.walk(next);
    }

    fn take_zone(&mut self, snapshot: &Snapshot, data: KeptData, query: &Query<'_>) {
        let mut buffer = vec![0; MESSAGE];
        let mut writer = Writer::new(&mut buffer, MESSAGE);
        let outcome = data.zone().answer(self.name(), query.rtype(), query.dnssec_ok(), &mut writer);
        if outcome.truncated {
            return self.end = Some(Err(too_long(Full)));
        }
        self.authoritative.get_or_insert(outcome.authoritative);
        self.authentic = false;
        self.rcode = u16::from(outcome.rcode);
        let next = outcome.leaves.map(|next| next.as_wire().to_vec()).filter(|next| {
            snapshot.decide_for(&self.asker, next, query.rtype(), query.rclass()).action != Action::Refuse
        });
        self.legs.push(Leg::Zone(data));
        self.walk(next);
    }

    fn name(&self) -> &[u8] {
        self.names.last().expect("the trail begins with the question")
    }

    /// Goes to the next name, or ends.
    fn walk(&mut self, next: Option<Vec<u8>>) {
        self.end = match next {
            None => Some(Ok(())),
            Some(next) if self.names.contains(&next) => {
                Some(Err(trouble("CNAMEs lead in a circle across rules")))
            }
            Some(_) if self.names.len() >= MAX_FOLLOWED => {
                Some(Err(trouble("CNAMEs lead through too many rules")))
            }
            Some(next) => {
                self.names.push(next);
                None
            }
        }
    }

    /// The name at the end of this part's CNAMEs, if somebody else than its own rule speaks for it.
    fn next_name(&self, snapshot: &Snapshot, query: &Query<'_>, answer: &AnswerRef<'_>) -> Option<Vec<u8>> {
        let from = snapshot.decide(self.asker.view, self.name(), query.rtype(), query.rclass());
        let follows = snapshot.rule_of(from.action).is_some_and(|rule| rule.follow_cname);
        let mut target = [0; MAX_NAME];
        let len = answer.cname_target(&mut target).filter(|_| follows)?;
        let next = snapshot.decide_for(&self.asker, &target[..len], query.rtype(), query.rclass());
        let elsewhere = next.action != from.action && next.action != Action::Refuse;
        elsewhere.then(|| target[..len].to_vec())
    }

    /// Puts the parts together, and through the same scan that replies of targets go through.
    fn compose(&self, query: &Query<'_>) -> Followed {
        let mut buffer = vec![0; MESSAGE];
        let mut writer = Writer::new(&mut buffer, MESSAGE - OPT_LEN);
        // A message without records holds any question.
        let _ = writer.question(query.qname(), query.rtype(), query.rclass());
        for section in [Section::Answer, Section::Authority, Section::Additional] {
            self.put_section(query, section, &mut writer).map_err(too_long)?;
        }
        let mut bits = own_flags(query.bits) | (self.rcode & bit::RCODE);
        bits |= if self.authoritative == Some(true) { bit::AA } else { 0 };
        bits |= if self.authentic { bit::AD } else { 0 };
        writer.set_flags(bits);
        writer.set_limit(MESSAGE);
        if writer.opt(UDP_SIZE, u32::from(self.rcode >> 4) << 24, &self.options).is_err() {
            return Err(too_long(Full));
        }
        let message = writer.finish_in_place();
        let mut reply = Reply::default();
        let unbounded = TtlLimits { min: 0, max: u32::MAX, max_negative: u32::MAX };
        match scan(message, query.question(), &mut reply) {
            Ok(()) => Ok(Answer::from_reply(message, query.question(), &reply, unbounded, true)),
            Err(_) => Err(trouble("the answer along CNAMEs could not be put together")),
        }
    }

    /// Of a part that leads on, what stands beside the CNAMEs is not this question's; but the proof that a CNAME of
    /// our own was rightly made of a wildcard is.
    fn put_section(&self, query: &Query<'_>, section: Section, writer: &mut Writer<'_>) -> Result<(), Full> {
        for (index, leg) in self.legs.iter().enumerate() {
            let leads_on = index + 1 < self.names.len();
            match leg {
                Leg::Target { answer, age } if !leads_on || section == Section::Answer => {
                    copy_section(writer, &answer.view(), section, *age)?;
                }
                Leg::Target { .. } => {}
                Leg::Zone(data) => {
                    let zone = data.zone();
                    let part = match section {
                        Section::Authority if leads_on => Part::Proof,
                        Section::Additional if leads_on => continue,
                        section => Part::Section(section),
                    };
                    let name = &self.names[index];
                    let outcome = zone.answer_part(name, query.rtype(), query.dnssec_ok(), part, writer);
                    if outcome.truncated {
                        return Err(Full);
                    }
                }
            }
        }
        Ok(())
    }
}

fn trouble(why: &'static str) -> ExtendedError {
    ExtendedError::new(ErrorCode::Other, why)
}

fn too_long(_: Full) -> ExtendedError {
    trouble("the answer along CNAMEs is too long")
}
