//! What a target's reply is worth. Looks at bytes alone; what follows from it is for the flight to say.

use crate::wire::answer::{Answer, TtlLimits, lifetime};
use crate::wire::header::{HEADER, bit, rcode, u16_at};
use crate::wire::reply::{Fault, Reply, scan};

/// What one attempt came to.
#[derive(Debug)]
pub enum Outcome {
    /// Sound, and the answer to our question; with the seconds it may be kept.
    Answer {
        answer: Answer,
        lifetime: u32,
    },
    /// SERVFAIL or REFUSED: another target may know better, and if none does the client gets this one.
    Rejected {
        answer: Answer,
        rcode: u16,
    },
    /// TC over UDP: to be asked again over TCP.
    Truncated,
    /// The right ID on another question: what a spoofer would send. Asked again over TCP.
    Suspicious,
    /// A TCP connection that had served before was closed on it: the peer's idle timeout, most likely (RFC 7766
    /// section 6.2.4: ask again on a new one).
    ConnectionLost,
    /// FORMERR without an OPT: it can't read ours (RFC 6891 section 7).
    NoEdns,
    Broken(Fault),
    /// The network or the peer said no.
    Unreachable(String),
}

/// How a question was asked.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub edns: bool,
    pub over_tcp: bool,
}

/// What a reply is measured against.
pub struct Asked<'a> {
    /// Name in lower case, type, class.
    pub question: &'a [u8],
    pub manner: Manner,
    pub limits: TtlLimits,
    pub keep_subnet: bool,
}

impl Asked<'_> {
    /// Judges a reply whose ID and source are right.
    pub fn judge(&self, message: &[u8], reply: &mut Reply) -> Outcome {
        match scan(message, self.question, reply) {
            Ok(()) => self.judge_sound(message, reply),
            Err(Fault::NoQuestion) if self.manner.edns && is_formerr(message) => Outcome::NoEdns,
            Err(Fault::OtherQuestion) if !self.manner.over_tcp => Outcome::Suspicious,
            Err(fault) => Outcome::Broken(fault),
        }
    }

    fn judge_sound(&self, message: &[u8], reply: &Reply) -> Outcome {
        if reply.is_truncated() {
            return match self.manner.over_tcp {
                true => Outcome::Broken(Fault::Truncated),
                false => Outcome::Truncated,
            };
        }
        match reply.rcode {
            rcode::FORMERR if self.manner.edns && !reply.has_opt => Outcome::NoEdns,
            // Between neighbours: our OPT or the lack of a cookie is at fault, nothing that a client asked.
            code @ (rcode::BADVERS | rcode::BADCOOKIE | rcode::SERVFAIL | rcode::REFUSED) => {
                Outcome::Rejected { answer: self.pack(message, reply), rcode: code }
            }
            _ => {
                Outcome::Answer { answer: self.pack(message, reply), lifetime: lifetime(reply, self.limits) }
            }
        }
    }

    fn pack(&self, message: &[u8], reply: &Reply) -> Answer {
        Answer::from_reply(message, self.question, reply, self.limits, self.keep_subnet)
    }
}

/// Of an old server's FORMERR only the header is sure to be there.
fn is_formerr(message: &[u8]) -> bool {
    message.len() >= HEADER && u16_at(message, 2) & bit::RCODE == rcode::FORMERR
}
