//! Scripted targets: what one says to which question, and when. Writes messages byte by byte with code of its own,
//! so that a fault of the server's writer can't hide behind the same fault here.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::message::{Asked, Record, address_data, soa_data};
use crate::wire::header::{bit, rcode};
use crate::wire::name::{self, Name};
use crate::wire::rdata::rtype;

/// What a target that nobody scripted takes for an answer.
pub const USUAL_DELAY: Duration = Duration::from_millis(1);

/// How a target behaves.
#[derive(Clone, Debug)]
pub struct Act {
    pub speech: Speech,
    /// An answer takes something between the two.
    pub delay: (Duration, Duration),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Speech {
    Silent,
    /// The network says that nobody is there.
    Refuse,
    Say(Said),
    /// Data drawn by chance for each answer, so that no two are alike; good for so many seconds.
    Stamp(u32),
    /// TC over UDP; over TCP the usual answer.
    Truncate,
    /// An answer with another ID: what a blind spoofer sends.
    WrongId,
    /// The right ID on another question.
    OtherQuestion,
    /// The same answer twice.
    Twice,
    /// Bytes that are no message.
    Garbage,
    /// What this server says when it is asked the same, from the target's address or another one: a loop.
    AskBack(Option<IpAddr>),
    /// FORMERR to whatever has an OPT record; else the usual answer (RFC 6891 section 7).
    NoEdns,
}

/// A message's contents. Without records, an answer is made up that tells the target's address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub rcode: u16,
    pub records: Vec<Record>,
    pub ttl: Option<u32>,
}

/// Which questions a behaviour is for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    pub names: Option<Pattern>,
    pub rtype: Option<u16>,
    pub over_tcp: Option<bool>,
}

/// A name, or `*` and all names below one.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    pub name: Name,
    pub below: bool,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, name::NameError> {
        match text.strip_prefix("*.") {
            Some(rest) => Ok(Pattern { name: Name::parse(rest)?, below: true }),
            None if text == "*" => Ok(Pattern { name: Name::root(), below: true }),
            None => Ok(Pattern { name: Name::parse(text)?, below: false }),
        }
    }

    pub fn covers(&self, name: &Name) -> bool {
        match self.below {
            true => name.is_within(&self.name) && name.label_count() > self.name.label_count(),
            false => *name == self.name,
        }
    }
}

impl Act {
    pub fn new(speech: Speech, delay: Duration) -> Act {
        Act { speech, delay: (delay, delay) }
    }

    pub fn usual() -> Act {
        Act::new(Speech::Say(Said::default()), USUAL_DELAY)
    }

    fn draw_delay(&self, random: &mut StdRng) -> Duration {
        let (least, most) = self.delay;
        least + Duration::from_micros(random.random_range(0..=(most - least).as_micros() as u64))
    }
}

/// One target's behaviour by question: of those that fit, the one that was set last.
#[derive(Clone, Debug)]
pub struct Script(Vec<(Scope, Act)>);

impl Default for Script {
    fn default() -> Script {
        Script(vec![(Scope::default(), Act::usual())])
    }
}

/// What comes back for a question.
#[derive(Clone, Debug)]
pub enum Back {
    Message(Vec<u8>),
    Unreachable,
    /// The target asks this server the same, from this address, and passes on what it gets.
    Question(IpAddr),
}

impl Script {
    /// A behaviour for all questions takes the place of all others.
    pub fn set(&mut self, scope: Scope, act: Act) {
        match scope == Scope::default() {
            true => self.0.clear(),
            false => self.0.retain(|(other, _)| *other != scope),
        }
        self.0.push((scope, act));
    }

    pub fn act(&self, asked: &Asked, over_tcp: bool) -> &Act {
        let fits = |scope: &Scope| {
            scope.names.as_ref().is_none_or(|names| names.covers(&asked.name))
                && scope.rtype.is_none_or(|rtype| rtype == asked.rtype)
                && scope.over_tcp.is_none_or(|wanted| wanted == over_tcp)
        };
        &self.0.iter().rev().find(|(scope, _)| fits(scope)).expect("the first one is for all questions").1
    }

    /// What is said to a question, each part after its delay.
    pub fn answer(
        &self,
        from: SocketAddr,
        asked: &Asked,
        over_tcp: bool,
        random: &mut StdRng,
    ) -> Vec<(Duration, Back)> {
        let act = self.act(asked, over_tcp);
        let delay = act.draw_delay(random);
        let usual = || asked.reply(&made_up(from.ip(), asked, &Said::default()));
        let message = |message| vec![(delay, Back::Message(message))];
        match &act.speech {
            Speech::Silent => Vec::new(),
            Speech::Refuse => vec![(delay, Back::Unreachable)],
            Speech::AskBack(host) => vec![(delay, Back::Question(host.unwrap_or(from.ip())))],
            Speech::Say(said) => message(asked.reply(&made_up(from.ip(), asked, said))),
            Speech::Stamp(_) if asked.rtype == rtype::SOA => message(usual()),
            Speech::Stamp(ttl) => {
                let mut data: Vec<u8> = random.random::<[u8; 4]>().to_vec();
                if asked.rtype == rtype::TXT {
                    data.insert(0, 4);
                }
                let records = vec![Record::new(asked.rtype, data)];
                message(asked.reply(&Said { rcode: rcode::NOERROR, records, ttl: Some(*ttl) }))
            }
            Speech::Truncate if over_tcp => message(usual()),
            Speech::Truncate => message(asked.bare(rcode::NOERROR, bit::TC)),
            Speech::WrongId => {
                let mut wrong = usual();
                wrong[1] ^= 0x55;
                message(wrong)
            }
            Speech::OtherQuestion if over_tcp => message(usual()),
            Speech::OtherQuestion => {
                let name = asked.name.child(b"other").unwrap_or_else(|_| Name::root());
                let other = Asked { name, ..asked.clone() };
                message(other.reply(&made_up(from.ip(), &other, &Said::default())))
            }
            Speech::Twice => {
                let again = delay + Duration::from_millis(1);
                vec![(delay, Back::Message(usual())), (again, Back::Message(usual()))]
            }
            Speech::Garbage => {
                let mut bytes = asked.id.to_be_bytes().to_vec();
                bytes.extend((0..random.random_range(0..60)).map(|_| random.random::<u8>()));
                message(bytes)
            }
            Speech::NoEdns if asked.edns => message(asked.bare(rcode::FORMERR, 0)),
            Speech::NoEdns => message(usual()),
        }
    }
}

/// Fills in what the script leaves open: data from which one sees who said it.
fn made_up(from: IpAddr, asked: &Asked, said: &Said) -> Said {
    let ttl = said.ttl.unwrap_or(60);
    let mut said = Said { ttl: Some(ttl), ..said.clone() };
    if said.rcode == rcode::NOERROR && said.records.is_empty() {
        said.records.extend(own_record(from, asked));
    }
    if matches!(said.rcode, rcode::NOERROR | rcode::NXDOMAIN) && said.records.is_empty() {
        said.records.push(Record { authority: true, ..Record::new(rtype::SOA, soa_data(from, ttl)) });
    }
    said
}

fn own_record(from: IpAddr, asked: &Asked) -> Option<Record> {
    let text = from.to_string();
    let data = match asked.rtype {
        rtype::A => address_data(from, false),
        rtype::AAAA => address_data(from, true),
        rtype::TXT => [&[text.len() as u8], text.as_bytes()].concat(),
        rtype::SOA => soa_data(from, 60),
        _ => return None,
    };
    Some(Record::new(asked.rtype, data))
}
