//! Lines that do something: clients ask, and targets change how they behave.

use std::net::SocketAddr;

use super::words::{Read, Words, rcode_of, wrong};
use super::{Load, What};
use crate::control::rtype;
use crate::limits::SCENARIO_QUESTIONS;
use crate::scenario::message::Question;
use crate::scenario::target::{Act, Pattern, Said, Scope, Speech, USUAL_DELAY};
use crate::scenario::world::numbered;
use crate::wire::header::bit;

impl Words<'_> {
    pub fn ask(&mut self, workers: usize) -> Read<What> {
        let client = self.address()?;
        if !self.take("asks") {
            return wrong("`asks` is missing", "write `client 10.1.0.5 asks www.corp.example A`");
        }
        let mut question = Question::new(self.name()?, self.rtype()?);
        let (mut over_tcp, mut worker, mut label) = (false, None, None);
        loop {
            if self.take_all("over tcp") {
                over_tcp = true;
            } else if self.take_all("with dnssec") {
                question.dnssec_ok = true;
            } else if self.take_all("without edns") {
                question.edns = false;
            } else if self.take_all("without recursion") {
                question.bits &= !bit::RD;
            } else if self.take_all("without checking") {
                question.bits |= bit::CD;
            } else if self.take_all("on worker") {
                worker = Some(self.bounded("workers", 1..=workers as u64)? as usize - 1);
            } else if self.take("as") {
                label = Some(self.next().to_string());
            } else {
                return Ok(What::Ask { client, question, over_tcp, worker, label });
            }
        }
    }

    pub fn load(&mut self) -> Read<What> {
        if !self.take("ask") {
            return wrong("`ask` is missing", "write `clients ask *.corp.example A 500 a second for 10s`");
        }
        let pattern = self.next().to_string();
        if numbered(&pattern, 0).is_none() {
            return wrong(format!("`{pattern}` is no name"), "write a name; `*` in it becomes a number");
        }
        let rtype = self.rtype()?;
        let rate = self.bounded("questions", 1..=SCENARIO_QUESTIONS)?;
        if !self.take_all("a second for") {
            return wrong("`a second for` is missing", "write `500 a second for 10s`");
        }
        let length = self.time()?;
        if rate * (length.as_millis() as u64) / 1000 > SCENARIO_QUESTIONS {
            return wrong("these are too many questions", format!("ask at most {SCENARIO_QUESTIONS}"));
        }
        let client = if self.take("from") { Some(self.address()?) } else { None };
        let label = if self.take("as") { Some(self.next().to_string()) } else { None };
        Ok(What::Load(Load { pattern, rtype, rate, length, client, label }))
    }

    pub fn behaviour(&mut self, target: SocketAddr) -> Read<What> {
        let mut scope = Scope::default();
        self.scope(&mut scope)?;
        let speech = self.speech()?;
        let mut act = Act::new(speech, USUAL_DELAY);
        loop {
            if self.take("after") {
                let least = self.time()?;
                let most = if self.take("to") { self.time()? } else { least };
                if most < least {
                    return wrong("the second time is before the first", "write `after 10ms to 20ms`");
                }
                act.delay = (least, most);
            } else if !self.scope(&mut scope)? {
                return Ok(What::Behave { target, scope, act });
            }
        }
    }

    /// Which questions it is for; false if nothing of that stands here.
    fn scope(&mut self, scope: &mut Scope) -> Read<bool> {
        if self.take_all("over tcp") {
            scope.over_tcp = Some(true);
        } else if self.take_all("over udp") {
            scope.over_tcp = Some(false);
        } else if self.take("for") {
            let word = self.next();
            let names = Pattern::parse(word)
                .or_else(|why| wrong(format!("`{word}` is no name: {why}"), "write a name, or `*.name`"))?;
            scope.names = Some(names);
            if rtype::parse(self.peek()).is_some() {
                scope.rtype = Some(self.rtype()?);
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn speech(&mut self) -> Read<Speech> {
        let phrases = [
            ("falls silent", Speech::Silent),
            ("is silent", Speech::Silent),
            ("refuses", Speech::Refuse),
            ("truncates", Speech::Truncate),
            ("knows no EDNS", Speech::NoEdns),
            ("answers twice", Speech::Twice),
            ("answers garbage", Speech::Garbage),
            ("answers with a wrong ID", Speech::WrongId),
            ("answers another question", Speech::OtherQuestion),
        ];
        for (phrase, speech) in phrases {
            if self.take_all(phrase) {
                return Ok(speech);
            }
        }
        if self.take_all("asks back") {
            let from = if self.take("from") { Some(self.address()?) } else { None };
            return Ok(Speech::AskBack(from));
        }
        if !self.take("answers") {
            let help =
                "say `falls silent`, `refuses`, `truncates`, `asks back`, `knows no EDNS` or `answers …`";
            return wrong(format!("`{}` is nothing that a target does", self.peek()), help);
        }
        let mut said = Said { rcode: 0, ..Said::default() };
        if let Some(rcode) = rcode_of(self.peek()) {
            said.rcode = rcode;
            self.next();
        }
        loop {
            if self.take("with") {
                said.records.push(self.record()?);
            } else if self.take("ttl") {
                said.ttl = Some(self.time()?.as_secs() as u32);
            } else {
                return Ok(Speech::Say(said));
            }
        }
    }
}
