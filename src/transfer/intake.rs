//! Zones on their way to us: what the messages of an AXFR or IXFR say, put together and checked. Has no socket and
//! changes no zone; whatever a primary sends, there is a whole version or a reason.

use std::fmt;

use crate::limits::TRANSFER_OCTETS;
use crate::wire::header::{HEADER, bit, rcode_name, u16_at};
use crate::wire::name::{self, Name};
use crate::wire::rdata::{class, is_sound, rtype};
use crate::wire::records::{self, Malformed, Reader, Rr};
use crate::zone::{Delta, Record, Records, Serial};

/// What a primary gave.
#[derive(Debug)]
pub enum Transfer {
    /// Nothing newer than what we have.
    Current(Serial),
    /// All records, SOA first.
    Whole(Records),
    /// What changed, oldest first.
    Changes(Vec<Delta>),
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Malformed,
    NotAnAnswer,
    Rcode(u16),
    Truncated,
    NoSoa,
    OutOfZone(Name),
    /// The SOAs of an incremental transfer don't follow one another.
    Sequence,
    /// Records behind the end.
    Trailing,
    TooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed => f.write_str("a message is malformed"),
            Fault::NotAnAnswer => f.write_str("a message is no answer to what was asked"),
            Fault::Rcode(code) => write!(f, "it says {}", rcode_name(*code)),
            Fault::Truncated => f.write_str("a message is truncated"),
            Fault::NoSoa => f.write_str("a transfer begins without an SOA"),
            Fault::OutOfZone(name) => write!(f, "a record of {name}, which is not within the zone"),
            Fault::Sequence => f.write_str("the SOAs of a transfer don't follow one another"),
            Fault::Trailing => f.write_str("records follow the transfer's end"),
            Fault::TooLarge => write!(f, "the transfer has more than {} GiB", TRANSFER_OCTETS >> 30),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(Malformed: Malformed) -> Fault {
        Fault::Malformed
    }
}

/// A transfer in the middle.
pub struct Intake {
    apex: Vec<u8>,
    question: u16,
    /// Our version, where changes since it were asked for.
    have: Option<Serial>,
    state: State,
    newest: Serial,
    all: Records,
    deltas: Vec<Delta>,
    octets: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// The first SOA was there.
    Began,
    Whole,
    Deleting,
    Adding,
    End,
}

impl Intake {
    /// For the answer to AXFR, or to IXFR if `have` is what we have.
    pub fn new(zone: &Name, have: Option<Serial>) -> Intake {
        Intake {
            apex: zone.as_wire().to_vec(),
            question: if have.is_some() { rtype::IXFR } else { rtype::AXFR },
            have,
            state: State::Start,
            newest: Serial(0),
            all: Records::default(),
            deltas: Vec::new(),
            octets: 0,
        }
    }

    /// Takes the next message, its signature checked and taken off. Gives the transfer when it is whole.
    pub fn take(&mut self, message: &[u8]) -> Result<Option<Transfer>, Fault> {
        self.check_header(message)?;
        let mut reader = Reader::new(message)?;
        while let Some(rr) = reader.step()? {
            match rr.section {
                1 => self.record(&rr)?,
                _ => continue,
            }
        }
        Ok(match self.state {
            State::End => Some(self.finish()),
            // RFC 1995 section 4: "a single SOA record of the server's current version".
            State::Began if self.have.is_some_and(|have| !self.newest.is_newer_than(have)) => {
                Some(Transfer::Current(self.newest))
            }
            _ => None,
        })
    }

    fn check_header(&self, message: &[u8]) -> Result<(), Fault> {
        if message.len() < HEADER {
            return Err(Fault::Malformed);
        }
        let bits = u16_at(message, 2);
        if bits & bit::QR == 0 || bits & bit::OPCODE != 0 {
            return Err(Fault::NotAnAnswer);
        }
        if bits & bit::RCODE != 0 {
            return Err(Fault::Rcode(bits & bit::RCODE));
        }
        if bits & bit::TC != 0 {
            return Err(Fault::Truncated);
        }
        // RFC 5936 section 2.2.1: later messages may have no question.
        match (u16_at(message, 4), records::question(message)) {
            (0, _) if self.state != State::Start => Ok(()),
            (_, Some((name, rtype, class::IN))) if name == self.apex && rtype == self.question => Ok(()),
            _ => Err(Fault::NotAnAnswer),
        }
    }

    fn record(&mut self, rr: &Rr<'_>) -> Result<(), Fault> {
        if rr.rclass != class::IN || !is_sound(rr.rtype, class::IN, rr.rdata) {
            return Err(Fault::Malformed);
        }
        if !name::is_within(rr.owner, &self.apex) {
            return Err(Fault::OutOfZone(Name::from_wire(rr.owner).map_err(|_| Fault::Malformed)?));
        }
        self.octets += rr.owner.len() + rr.rdata.len() + 8;
        if self.octets > TRANSFER_OCTETS {
            return Err(Fault::TooLarge);
        }
        let record = Record { owner: rr.owner, rtype: rr.rtype, ttl: rr.ttl, rdata: rr.rdata };
        let soa = (rr.rtype == rtype::SOA && rr.owner == self.apex).then(|| serial_of(rr.rdata)).flatten();
        match (self.state, soa) {
            (State::Start, Some(serial)) => {
                self.newest = serial;
                self.all.push(record);
                self.state = State::Began;
            }
            (State::Start, None) => return Err(Fault::NoSoa),
            (State::Began, Some(serial)) if serial != self.newest => {
                if self.have != Some(serial) {
                    return Err(Fault::Sequence);
                }
                self.begin_delta(serial, record);
            }
            (State::Began | State::Whole, Some(serial)) if serial == self.newest => self.state = State::End,
            (State::Whole, Some(_)) => return Err(Fault::Sequence),
            (State::Began | State::Whole, _) => {
                self.state = State::Whole;
                self.all.push(record);
            }
            (State::Deleting, Some(serial)) => {
                let delta = self.deltas.last_mut().ok_or(Fault::Sequence)?;
                delta.to = serial;
                delta.added.push(record);
                self.state = State::Adding;
            }
            (State::Adding, Some(serial)) => {
                let delta = self.deltas.last().ok_or(Fault::Sequence)?;
                if delta.to != serial {
                    return Err(Fault::Sequence);
                }
                // The newest version's SOA again is the end.
                match serial == self.newest {
                    true => self.state = State::End,
                    false => self.begin_delta(serial, record),
                }
            }
            (State::Deleting, None) => self.deltas.last_mut().ok_or(Fault::Sequence)?.deleted.push(record),
            (State::Adding, None) => self.deltas.last_mut().ok_or(Fault::Sequence)?.added.push(record),
            (State::End, _) => return Err(Fault::Trailing),
        }
        Ok(())
    }

    fn begin_delta(&mut self, from: Serial, soa: Record<'_>) {
        let deleted = [soa].into_iter().collect();
        self.deltas.push(Delta { from, to: from, deleted, added: Records::default() });
        self.state = State::Deleting;
    }

    fn finish(&mut self) -> Transfer {
        match self.deltas.is_empty() {
            true => Transfer::Whole(std::mem::take(&mut self.all)),
            false => Transfer::Changes(std::mem::take(&mut self.deltas)),
        }
    }
}

/// The serial number in an SOA's data.
pub fn serial_of(rdata: &[u8]) -> Option<Serial> {
    let numbers = rdata.last_chunk::<20>()?;
    Some(Serial(u32::from_be_bytes([numbers[0], numbers[1], numbers[2], numbers[3]])))
}
