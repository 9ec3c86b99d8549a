//! The exchange with real sockets on loopback: what the black-box tests can't arrange so exactly.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::coalesce::Question;
use super::exchange::Exchange;
use super::flight::Aim;
use super::network::Network;
use super::pick::{Expect, Member, Probe};
use super::target::{State, Target};
use super::*;
use crate::limits::QUERY_DEADLINE;
use crate::wire::answer::Ask;
use crate::wire::header::bit;
use crate::wire::name::Name;

const LIMITS: TtlLimits = TtlLimits { min: 0, max: 86_400, max_negative: 900 };

fn endpoint(addresses: &[std::net::SocketAddr]) -> Rc<Group> {
    let member = |address: &std::net::SocketAddr| Member {
        target: Arc::new(Target::new(*address, "e")),
        az: None,
        tier: 0,
        near: true,
    };
    let probe = Probe { name: Name::root(), rtype: 6, expect: Expect::Answer };
    let endpoint = Endpoint::new("e".into(), addresses.iter().map(member).collect(), false, probe);
    Rc::new(Group { stats: addresses.iter().map(|_| Exchanges::default()).collect(), endpoint })
}

struct Group {
    endpoint: Endpoint,
    stats: Vec<Exchanges>,
}

impl Errand for Rc<Group> {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn stats(&self, target: usize) -> Option<&Exchanges> {
        self.stats.get(target)
    }

    fn limits(&self) -> TtlLimits {
        LIMITS
    }
}

/// A worker that has one question at a time.
struct Asker {
    network: Network,
    exchange: RefCell<Exchange<Rc<Group>, ()>>,
    flush: Cell<bool>,
    fetched: RefCell<Option<Fetched>>,
}

impl Inlet for Asker {
    fn reply(&self, ticket: Option<Ticket>, message: &[u8], now: Instant) {
        let ticket = ticket.expect("only what was asked for comes");
        self.exchange.borrow_mut().reply(ticket, message, now, &self.network);
    }

    fn trouble(&self, ticket: Ticket, trouble: Trouble, now: Instant) {
        self.exchange.borrow_mut().trouble(ticket, trouble, now, &self.network);
    }

    fn settle(&self, _: Instant) {
        if let Some(finished) = self.exchange.borrow_mut().next_finished() {
            assert_eq!(finished.waiters.len(), 1);
            *self.fetched.borrow_mut() = Some(finished.fetched);
        }
    }

    fn flush_soon(&self) {
        self.flush.set(true);
    }
}

/// Asks so many times, one after another.
fn ask(group: &Rc<Group>, times: usize) -> Vec<Fetched> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut question = Name::parse("a.example").unwrap().as_wire().to_vec();
    question.extend_from_slice(&[0, 1, 0, 1]);
    let ask = Ask { question: &question, bits: bit::RD, dnssec_ok: false, client_subnet: &[], edns: true };
    let question = Question::new(&ask, 1, 0, 0);
    let asking = async {
        let asker = Rc::new_cyclic(|own: &std::rc::Weak<Asker>| Asker {
            network: Network::new(own.clone()),
            exchange: RefCell::new(Exchange::new(rand::make_rng())),
            flush: Cell::new(false),
            fetched: RefCell::default(),
        });
        let mut fetched = Vec::new();
        for _ in 0..times {
            let now = Instant::now();
            let deadline = now + QUERY_DEADLINE;
            let id = asker.exchange.borrow_mut().file(
                question.clone(),
                Rc::clone(group),
                Aim::Answer,
                deadline,
                Some(()),
            );
            asker.exchange.borrow_mut().start(id, now, &asker.network);
            while asker.fetched.borrow().is_none() {
                if asker.flush.take() {
                    asker.network.flush();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                let now = Instant::now();
                asker.exchange.borrow_mut().tick(now, &asker.network);
                asker.settle(now);
            }
            fetched.extend(asker.fetched.take());
        }
        fetched
    };
    tokio::task::LocalSet::new().block_on(&runtime, asking)
}

/// The query's header and question as a reply with these flags, and one address if `answer`.
fn reply(query: &[u8], bits: u16, answer: bool) -> Vec<u8> {
    let question_end = 12 + 11 + 4;
    let mut reply = query[..question_end].to_vec();
    reply[2..4].copy_from_slice(&bits.to_be_bytes());
    reply[4..12].copy_from_slice(&[0, 1, 0, u8::from(answer), 0, 0, 0, 0]);
    if answer {
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    }
    reply
}

fn is_answer(fetched: &Fetched) -> bool {
    matches!(fetched, Fetched::Answer { answer, .. } if answer.view().rcode() == 0)
}

/// RFC 7766 section 6.2.4: a connection that the target has closed in the meantime is no failure of it.
#[test]
fn a_closed_connection_is_made_anew() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((len, peer)) = udp.recv_from(&mut buffer) {
            udp.send_to(&reply(&buffer[..len], 0x8380, false), peer).unwrap();
        }
    });
    std::thread::spawn(move || {
        // Each connection answers one question, reads the next one, and closes on it.
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut read = |buffer: &mut Vec<u8>| {
                let mut len = [0; 2];
                stream.read_exact(&mut len)?;
                buffer.resize(usize::from(u16::from_be_bytes(len)), 0);
                stream.read_exact(buffer)
            };
            let mut query = Vec::new();
            if read(&mut query).is_err() {
                continue;
            }
            let answer = reply(&query, 0x8180, true);
            let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
            stream.write_all(&framed).unwrap();
            let mut len = [0; 2];
            let _ = stream.read_exact(&mut len);
        }
    });
    let endpoint = endpoint(&[address]);
    let fetched = ask(&endpoint, 4);
    assert!(fetched.iter().all(is_answer), "each question is answered, over old and new connections");
    assert_eq!(endpoint.endpoint.targets[0].target.state(), State::Healthy);
}

/// A port where nobody listens says so at once; the other target answers, and no time is lost.
#[test]
fn a_refusing_target_costs_no_wait() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = endpoint(&[closed, udp.local_addr().unwrap()]);
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((len, peer)) = udp.recv_from(&mut buffer) {
            udp.send_to(&reply(&buffer[..len], 0x8180, true), peer).unwrap();
        }
    });
    let fetched = ask(&endpoint, 50);
    assert!(fetched.iter().all(is_answer));
    let refusing = &endpoint.endpoint.targets[0].target;
    assert_ne!(refusing.state(), State::Healthy);
    assert!(
        refusing.errors.load(Relaxed) > 0 && refusing.timeouts.load(Relaxed) == 0,
        "ICMP told, not the clock"
    );
    assert_eq!(refusing.outstanding(), 0);
}

/// All targets refuse: the reason is told, and nobody waits for the deadline.
#[test]
fn all_refusing_is_told_at_once() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let began = Instant::now();
    let fetched = ask(&endpoint(&[closed]), 1);
    let Fetched::Failed(why) = &fetched[0] else { panic!("nobody answers") };
    assert_eq!(why.code, ErrorCode::NetworkError);
    assert!(why.text.contains("nothing listens there"), "{}", why.text);
    assert!(began.elapsed() < QUERY_DEADLINE);
}
