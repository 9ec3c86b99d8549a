//! What the demo asks, and what must come back. `--check` holds the server to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::client::{Answer, Transport, ask};
use super::company::{Actor, Company};
use crate::control::{Asking, Core, rtype};
use crate::wire::name::Name;

/// A question of the tour, and the answer that is right.
struct Stop {
    name: &'static str,
    rtype: &'static str,
    transport: Transport,
    answer: &'static str,
    remark: &'static str,
}

const fn stop(name: &'static str, rtype: &'static str, answer: &'static str, remark: &'static str) -> Stop {
    Stop { name, rtype, transport: Transport::Udp, answer, remark }
}

const STOPS: [Stop; 10] = [
    stop("websrv.anycompany.corp", "A", "192.168.2.251", "our own zone, answered with authority"),
    stop("dnssrv.anycompany.corp", "A", "192.168.2.250", "the same"),
    stop("web1.awsanycompany.corp", "A", "10.0.10.10", "forwarded to one of two targets"),
    stop("web1.awsanycompany.corp", "A", "10.0.10.10", "again: from the cache"),
    Stop { transport: Transport::Tcp, ..stop("web2.awsanycompany.corp", "A", "10.0.20.10", "over TCP") },
    stop("ip-10-0-10-10.ap-northeast-2.compute.internal", "A", "10.0.10.10", "the region's internal names"),
    stop(
        "10.10.0.10.in-addr.arpa",
        "PTR",
        "web1.awsanycompany.corp.",
        "a reverse name, from reverse = [...]",
    ),
    stop("www.example.com", "A", "192.0.2.80", "all else goes to the public resolver"),
    stop("nothere.awsanycompany.corp", "A", "NXDOMAIN", "a name that isn't there"),
    stop(
        "intranet.anycompany.corp",
        "A",
        "web1.awsanycompany.corp. 10.0.10.10",
        "our CNAME leads into the cloud: followed",
    ),
];

/// What of the promises was not kept.
#[derive(Default)]
pub struct Verdict {
    pub faults: Vec<String>,
}

pub struct Tour<'a> {
    pub server: SocketAddr,
    pub company: &'a Company,
    pub core: &'a dyn Core,
    verdict: Verdict,
    asked: u32,
}

/// Answer times of a run of questions, and how many had no answer.
pub struct Run {
    pub lost: usize,
    pub wrong: usize,
    pub median: Duration,
    pub slowest: Duration,
}

impl<'a> Tour<'a> {
    pub fn new(server: SocketAddr, company: &'a Company, core: &'a dyn Core) -> Tour<'a> {
        Tour { server, company, core, verdict: Verdict::default(), asked: 0 }
    }

    /// Asks each question, prints the answer with its rule and time.
    pub fn walk(&mut self) {
        for stop in &STOPS {
            println!("  {} {}", stop.name, stop.rtype);
            let answer = ask(self.server, stop.name, number(stop.rtype), stop.transport);
            println!("    {}", describe(&answer));
            println!("    {} ({})", self.rule(stop), stop.remark);
            match answer {
                Ok(answer) if answer.text() == stop.answer => {}
                Ok(answer) => self.fault(format!("{} is {}, not {}", stop.name, answer.text(), stop.answer)),
                Err(error) => self.fault(format!("{} had no answer: {error}", stop.name)),
            }
        }
    }

    /// One target falls silent, both do, both come back; what a client sees meanwhile.
    pub fn fail_over(&mut self) {
        let [first, second] = &self.company.inbound;
        println!("\n  target 1 ({}) falls silent; 40 names that nobody has asked for yet:", first.address);
        first.fall_silent();
        let run = self.ask_fresh(40);
        self.expect_all_answered(&run, "with one target silent");
        println!("\n  both targets are silent; one name:");
        second.fall_silent();
        self.expect_servfail_in_time();
        println!("\n  both come back; until the first good answer:");
        first.speak();
        second.speak();
        self.expect_recovery();
        println!("\n  target 2 ({}) falls silent; 40 more names:", second.address);
        second.fall_silent();
        let run = self.ask_fresh(40);
        self.expect_all_answered(&run, "with the other target silent");
        second.speak();
    }

    /// Asks names that can't be in the cache, one after another, and prints how that went.
    pub fn ask_fresh(&mut self, count: usize) -> Run {
        let mut times = Vec::new();
        let (mut lost, mut wrong) = (0, 0);
        for _ in 0..count {
            match self.ask_one_fresh() {
                Err(_) => lost += 1,
                Ok(answer) => {
                    wrong += usize::from(answer.text() != "10.0.30.30");
                    times.push(answer.took);
                }
            }
        }
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let slowest = times.last().copied().unwrap_or_default();
        let run = Run { lost, wrong, median, slowest };
        println!(
            "    {} of {count} answered, {wrong} wrong; median {}, slowest {}",
            times.len(),
            milliseconds(run.median),
            milliseconds(run.slowest)
        );
        run
    }

    pub fn finish(self) -> Verdict {
        self.verdict
    }

    fn ask_one_fresh(&mut self) -> std::io::Result<Answer> {
        self.asked += 1;
        let name = format!("n{}.fresh.awsanycompany.corp", self.asked);
        ask(self.server, &name, number("A"), Transport::Udp)
    }

    fn expect_all_answered(&mut self, run: &Run, when: &str) {
        if run.lost + run.wrong > 0 {
            self.fault(format!("{} queries lost and {} answered wrongly {when}", run.lost, run.wrong));
        }
        if run.slowest > Duration::from_secs(2) {
            self.fault(format!("an answer took {} {when}", milliseconds(run.slowest)));
        }
    }

    /// The promise is an answer or an error within two seconds; a tenth more is for a busy machine.
    fn expect_servfail_in_time(&mut self) {
        let answer = self.ask_one_fresh();
        println!("    {}", describe(&answer));
        match answer {
            Ok(answer) if answer.text() == "SERVFAIL" && answer.took < Duration::from_millis(2200) => {}
            Ok(answer) => {
                let took = milliseconds(answer.took);
                self.fault(format!("with both targets silent: {} after {took}", answer.text()));
            }
            Err(error) => self.fault(format!("with both targets silent there was no answer: {error}")),
        }
    }

    fn expect_recovery(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            if self.ask_one_fresh().is_ok_and(|answer| answer.text() == "10.0.30.30") {
                println!("    {}", milliseconds(begun.elapsed()));
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("    none");
        self.fault("no good answer within two seconds after the targets came back".to_owned());
    }

    fn rule(&self, stop: &Stop) -> String {
        let Ok(name) = Name::parse(stop.name) else { return String::new() };
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let asking = Asking { name, rtype: number(stop.rtype), client, listener: None };
        let Ok(explanation) = self.core.explain(&asking) else { return String::new() };
        let domain = explanation.decision.domain.unwrap_or_default();
        match explanation.endpoint {
            Some(endpoint) => format!("rule {domain} -> {endpoint}"),
            None => format!("zone {domain}"),
        }
    }

    fn fault(&mut self, fault: String) {
        println!("    WRONG: {fault}");
        self.verdict.faults.push(fault);
    }
}

pub fn describe(answer: &std::io::Result<Answer>) -> String {
    match answer {
        Ok(answer) => format!("{} in {}", answer.text(), milliseconds(answer.took)),
        Err(error) => format!("no answer: {error}"),
    }
}

fn number(rtype: &str) -> u16 {
    rtype::parse(rtype).expect("the tour's types are known")
}

fn milliseconds(time: Duration) -> String {
    super::super::text::milliseconds(Some(time.as_secs_f64() * 1000.0))
}

/// `target 1` as the user names it.
pub fn target<'a>(company: &'a Company, number: &str) -> Option<&'a Actor> {
    match number {
        "1" => company.inbound.first(),
        "2" => company.inbound.last(),
        _ => None,
    }
}
