//! An answer that leads through several rules or zones by CNAMEs: each part is asked where it belongs (and
//! kept there), and the whole is put together for the client. Bounded, and proof against loops.

use std::sync::Arc;
use std::time::Instant;

use super::fetch::{Wanted, fetch};
use super::snapshot::Rule;
use super::worker::Worker;
use super::{Held, subnet_of};
use crate::forward::Fetched;
use crate::limits::{MAX_FOLLOWED, MESSAGE};
use crate::policy::{Action, Decision};
use crate::wire::answer::{Answer, AnswerRef, TtlLimits, own_flags};
use crate::wire::copy::copy_sections;
use crate::wire::edns::{ErrorCode, ExtendedError, OPT_LEN, UDP_SIZE};
use crate::wire::header::{bit, rcode};
use crate::wire::name::MAX_NAME;
use crate::wire::query::Query;
use crate::wire::reply::{Reply, scan};
use crate::wire::write::{Full, Writer};
use crate::zone::Zone;

/// The way so far.
struct Trail<'a> {
    query: &'a Query<'a>,
    /// Names asked, the present one last.
    names: Vec<Vec<u8>>,
    /// AA is about the first name only (RFC 1034 section 6.2.7).
    authoritative: Option<bool>,
    /// AD holds if every part had it (RFC 4035 section 3.2.3).
    authentic: bool,
    rcode: u16,
    /// Extended DNS Errors of the parts.
    options: Vec<u8>,
}

/// The whole answer, or why there is none.
pub type Followed = Result<Answer, ExtendedError>;

enum Leg {
    End,
    /// The next name to ask.
    On(Vec<u8>),
}

/// Follows a question's CNAMEs across rules and zones until something answers.
pub async fn follow(worker: &Worker, snapshot: &Held, query: &Query<'_>, deadline: Instant) -> Followed {
    let mut buffer = vec![0; MESSAGE];
    let mut writer = Writer::new(&mut buffer, MESSAGE - OPT_LEN);
    let mut trail = Trail {
        query,
        names: vec![query.qname().to_vec()],
        authoritative: None,
        authentic: true,
        rcode: rcode::NOERROR,
        options: Vec::new(),
    };
    // A message without records holds any question.
    let _ = writer.question(query.qname(), query.rtype(), query.rclass());
    for _ in 0..MAX_FOLLOWED {
        match trail.leg(worker, snapshot, &mut writer, deadline).await {
            Err(why) => return Err(why),
            Ok(Leg::End) => return trail.finish(writer),
            Ok(Leg::On(next)) if trail.names.contains(&next) => {
                return failed("CNAMEs lead in a circle across rules");
            }
            Ok(Leg::On(next)) => trail.names.push(next),
        }
    }
    failed("CNAMEs lead through too many rules")
}

fn failed(why: &'static str) -> Followed {
    Err(ExtendedError::new(ErrorCode::Other, why))
}

impl Trail<'_> {
    async fn leg(
        &mut self,
        worker: &Worker,
        snapshot: &Held,
        writer: &mut Writer<'_>,
        deadline: Instant,
    ) -> Result<Leg, ExtendedError> {
        let name = self.names.last().expect("the trail begins with the question").clone();
        let decision = snapshot.policy.decide(&name, self.query.rtype(), self.query.rclass());
        if let Some(zone) = snapshot.zone_of(decision.action) {
            return self.zone_leg(snapshot, zone, &name, writer);
        }
        let (Action::Forward { rule: index } | Action::System { rule: index }) = decision.action else {
            return Ok(Leg::End);
        };
        let rule = &snapshot.rules[index as usize];
        let mut question = name;
        question.extend_from_slice(&self.query.question()[self.query.qname().len()..]);
        let wanted = Wanted {
            question: &question,
            bits: self.query.bits,
            dnssec_ok: self.query.dnssec_ok(),
            subnet: subnet_of(snapshot, rule, self.query),
            deadline,
        };
        let (fetched, age) = fetch(worker, snapshot, index, &wanted).await;
        self.target_leg(snapshot, decision, rule, &fetched, age, writer)
    }

    fn zone_leg(
        &mut self,
        snapshot: &Held,
        zone: &Zone,
        name: &[u8],
        writer: &mut Writer<'_>,
    ) -> Result<Leg, ExtendedError> {
        let outcome = zone.answer(name, self.query.rtype(), self.query.dnssec_ok(), writer);
        self.authoritative.get_or_insert(outcome.authoritative);
        self.authentic = false;
        self.rcode = u16::from(outcome.rcode);
        if outcome.truncated {
            return Err(too_long(Full));
        }
        match outcome.leaves {
            Some(next) if self.is_covered(snapshot, next.as_wire()) => Ok(Leg::On(next.as_wire().to_vec())),
            _ => Ok(Leg::End),
        }
    }

    fn target_leg(
        &mut self,
        snapshot: &Held,
        decision: Decision,
        rule: &Rule,
        fetched: &Arc<Fetched>,
        age: u32,
        writer: &mut Writer<'_>,
    ) -> Result<Leg, ExtendedError> {
        let answer = match &**fetched {
            Fetched::Answer { answer, .. } => answer.view(),
            Fetched::Failed(why) => return Err(why.clone()),
        };
        self.authoritative.get_or_insert(answer.bits() & bit::AA != 0);
        self.authentic &= answer.bits() & bit::AD != 0;
        self.rcode = answer.rcode();
        self.options.extend_from_slice(answer.options());
        match self.next_name(snapshot, decision, rule, &answer) {
            Some(next) => {
                copy_sections(writer, &answer, 1, age).map_err(too_long)?;
                // The absence that this target may have told of is not its to tell.
                self.rcode = rcode::NOERROR;
                Ok(Leg::On(next))
            }
            None => {
                copy_sections(writer, &answer, 3, age).map_err(too_long)?;
                Ok(Leg::End)
            }
        }
    }

    /// The name at the end of this part's CNAMEs, if somebody else than this rule speaks for it.
    fn next_name(
        &self,
        snapshot: &Held,
        decision: Decision,
        rule: &Rule,
        answer: &AnswerRef<'_>,
    ) -> Option<Vec<u8>> {
        let mut target = [0; MAX_NAME];
        let len = answer.cname_target(&mut target).filter(|_| rule.follow_cname)?;
        let next = snapshot.policy.decide(&target[..len], self.query.rtype(), self.query.rclass());
        let elsewhere = next.action != decision.action && next.action != Action::Refuse;
        elsewhere.then(|| target[..len].to_vec())
    }

    fn is_covered(&self, snapshot: &Held, name: &[u8]) -> bool {
        let next = snapshot.policy.decide(name, self.query.rtype(), self.query.rclass());
        next.action != Action::Refuse
    }

    /// Makes an answer of what was written, by the same scan that replies of targets go through.
    fn finish(&self, mut writer: Writer<'_>) -> Followed {
        let mut bits = own_flags(self.query.bits) | (self.rcode & bit::RCODE);
        bits |= if self.authoritative == Some(true) { bit::AA } else { 0 };
        bits |= if self.authentic { bit::AD } else { 0 };
        writer.set_flags(bits);
        writer.set_limit(MESSAGE);
        if writer.opt(UDP_SIZE, u32::from(self.rcode >> 4) << 24, &self.options).is_err() {
            return failed("the answer along CNAMEs is too long");
        }
        let message = writer.finish_in_place();
        let mut reply = Reply::default();
        let unbounded = TtlLimits { min: 0, max: u32::MAX, max_negative: u32::MAX };
        match scan(message, self.query.question(), &mut reply) {
            Ok(()) => Ok(Answer::from_reply(message, self.query.question(), &reply, unbounded, true)),
            Err(_) => failed("the answer along CNAMEs could not be put together"),
        }
    }
}

fn too_long(_: Full) -> ExtendedError {
    ExtendedError::new(ErrorCode::Other, "the answer along CNAMEs is too long")
}
