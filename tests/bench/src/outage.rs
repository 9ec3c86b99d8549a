//! A stream of new names at one server while its two targets fall silent and come back by a plan, and the record of
//! what became of each question. One thread plays clients and targets, so that nothing between these two is left to
//! the scheduler. Questions leave by the clock, whatever came of those before.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::course::{Asked, Course, Fate, Heard, Phase};
use crate::mmsg::{BATCH, Batch, Patience, Peers};
use crate::names::{A, Names, Pen, QUESTION, first_address, number_of};
use crate::responder::{Desk, Switch};
use crate::sys;

pub struct Plan {
    pub server: SocketAddr,
    /// Each query has a new name; their numbers begin with `first`.
    pub names: Names,
    /// Queries a second.
    pub rate: f64,
    /// After so long a client gives up. With the rate, this stays below 65,536 outstanding queries.
    pub patience: Duration,
    /// The A record of a good answer.
    pub expect: [u8; 4],
    pub phases: Vec<Planned>,
}

#[derive(Clone, Copy, Debug)]
pub struct Planned {
    pub name: &'static str,
    pub length: Duration,
    pub silent: Silent,
}

/// Which of two targets says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Silent {
    Neither,
    /// The one that got more of the clients' questions in the second before.
    Preferred,
    /// The other one than that.
    Other,
    Both,
}

/// One target as it is steered and listened to, by whatever thread plays it.
#[derive(Default)]
pub struct Line {
    pub switch: Switch,
    /// Only while a plan runs.
    heard: Mutex<Option<Vec<Note>>>,
}

/// A query that arrived.
struct Note {
    at: Instant,
    /// The number in its name, if that may be one of ours.
    number: Option<u64>,
}

impl Line {
    pub fn is_silent(&self) -> bool {
        self.switch.silent.load(Ordering::Relaxed)
    }

    /// Notes a query, if somebody wants to know.
    pub fn hear(&self, query: &[u8]) {
        if let Some(heard) = &mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner) {
            heard.push(Note { at: Instant::now(), number: number_of(query) });
        }
    }

    fn listen(&self, listen: bool) -> Vec<Note> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *heard, listen.then(Vec::new)).unwrap_or_default()
    }

    /// Of questions with such a number that came after this time.
    fn count_since(&self, time: Instant, is_ours: impl Fn(u64) -> bool) -> usize {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = heard.iter().flatten().rev().take_while(|note| note.at > time);
        latest.filter(|note| note.number.is_some_and(&is_ours)).count()
    }
}

/// Runs the plan to its end, and until nobody waits any more. The targets' desks and lines are in one order.
pub fn run(plan: &Plan, desks: &mut [Desk], lines: &[Line]) -> io::Result<Course> {
    lines.iter().for_each(|line| drop(line.listen(true)));
    let mut runner = Runner::new(plan, desks, lines)?;
    let done = runner.run();
    for line in lines {
        line.switch.silent.store(false, Ordering::Relaxed);
    }
    let (start, course) = (runner.start, runner.course);
    let is_ours =
        |number: u64| number >= plan.names.first && number < plan.names.first + course.asked.len() as u64;
    let heard = |note: Note| Heard {
        at: note.at.saturating_duration_since(start).as_nanos() as u64,
        of_client: note.number.is_some_and(is_ours),
    };
    let heard = lines.iter().map(|line| line.listen(false).into_iter().map(heard).collect()).collect();
    done.map(|()| Course { heard, ..course })
}

struct Runner<'a> {
    plan: &'a Plan,
    desks: &'a mut [Desk],
    lines: &'a [Line],
    sockets: Vec<UdpSocket>,
    pen: Pen,
    batch: Batch,
    start: Instant,
    course: Course,
    outstanding: usize,
    /// Whom the plan calls preferred.
    preferred: usize,
}

const SOCKETS: usize = 4;
/// The longest sleep when nothing comes.
const NAP: Duration = Duration::from_millis(10);
/// The time before a target falls silent in which it shows whether it is preferred.
const SHOWS_IN: Duration = Duration::from_secs(1);

impl<'a> Runner<'a> {
    fn new(plan: &'a Plan, desks: &'a mut [Desk], lines: &'a [Line]) -> io::Result<Runner<'a>> {
        let open = |_| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(plan.server)?;
            sys::widen(socket.as_raw_fd());
            Ok(socket)
        };
        Ok(Runner {
            plan,
            desks,
            lines,
            sockets: (0..SOCKETS).map(open).collect::<io::Result<_>>()?,
            pen: Pen::new(&plan.names, A),
            batch: Batch::new(Peers::Connected),
            start: Instant::now(),
            course: Course { patience: plan.patience, ..Course::default() },
            outstanding: 0,
            preferred: 0,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        sys::punctual();
        let mut replies = Batch::new(Peers::Connected);
        let length = self.length();
        let mut turn = 0;
        self.start = Instant::now();
        while !sys::interrupted() {
            let round = self.start.elapsed();
            if round > length + self.plan.patience || round > length && self.outstanding == 0 {
                break;
            }
            self.turn_phase(round);
            let sent = self.send_due(round.min(length), turn)?;
            let done = sent + self.collect(&mut replies)? + self.play_targets()?;
            turn += 1;
            self.course.stall = self.course.stall.max(self.start.elapsed() - round);
            if done == 0 {
                self.sleep(round);
            }
        }
        Ok(())
    }

    /// Begins the phase whose time has come.
    fn turn_phase(&mut self, now: Duration) {
        let begun = self.course.phases.len();
        let begin: Duration = self.plan.phases[..begun].iter().map(|phase| phase.length).sum();
        let Some(planned) = self.plan.phases.get(begun).filter(|_| now >= begin) else { return };
        if planned.silent == Silent::Preferred {
            self.preferred = self.busiest();
        }
        let dark = match planned.silent {
            Silent::Neither => vec![],
            Silent::Preferred => vec![self.preferred],
            Silent::Other => vec![1 - self.preferred],
            Silent::Both => vec![0, 1],
        };
        for (index, line) in self.lines.iter().enumerate() {
            line.switch.silent.store(dark.contains(&index), Ordering::Relaxed);
        }
        // What is due at the very start belongs to the first phase.
        let from = if begun == 0 { 0 } else { now.as_nanos() as u64 };
        if let Some(before) = self.course.phases.last_mut() {
            before.to = from;
        }
        let to = (now + planned.length).as_nanos() as u64;
        self.course.phases.push(Phase { name: planned.name, from, to, dark });
    }

    fn busiest(&self) -> usize {
        let since = Instant::now().checked_sub(SHOWS_IN).unwrap_or(self.start);
        let counts =
            self.lines.iter().map(|line| line.count_since(since, |number| self.index(number).is_some()));
        counts.enumerate().max_by_key(|(_, count)| *count).map_or(0, |(index, _)| index)
    }

    /// Which of the questions asked so far has this number.
    fn index(&self, number: u64) -> Option<usize> {
        let index = usize::try_from(number.checked_sub(self.plan.names.first)?).ok()?;
        (index < self.course.asked.len()).then_some(index)
    }

    fn length(&self) -> Duration {
        self.plan.phases.iter().map(|phase| phase.length).sum()
    }

    fn due_of(&self, index: usize) -> Duration {
        Duration::from_secs_f64(index as f64 / self.plan.rate)
    }

    fn send_due(&mut self, now: Duration, turn: usize) -> io::Result<usize> {
        self.batch.clear();
        while self.batch.len() < BATCH && self.due_of(self.course.asked.len()) < now {
            let index = self.course.asked.len();
            let number = self.plan.names.first + index as u64;
            self.batch.push(|buffer| self.pen.query(buffer, index as u16, number, true));
            let due = self.due_of(index).as_nanos() as u64;
            self.course.asked.push(Asked { due, fate: Fate::Waiting });
        }
        self.outstanding += self.batch.len();
        self.batch.send(self.sockets[turn % SOCKETS].as_raw_fd())?;
        Ok(self.batch.len())
    }

    fn collect(&mut self, replies: &mut Batch) -> io::Result<usize> {
        let mut got = 0;
        for index in 0..self.sockets.len() {
            let count = replies.receive(self.sockets[index].as_raw_fd(), Patience::None)?;
            let now = self.start.elapsed().as_nanos() as u64;
            for message in 0..count {
                self.take(replies.get(message), now);
            }
            got += count;
        }
        Ok(got)
    }

    fn take(&mut self, message: &[u8], now: u64) {
        match self.answered(message) {
            Some((index, good)) if self.course.asked[index].fate == Fate::Waiting => {
                self.course.asked[index].fate = if good { Fate::Good(now) } else { Fate::Failed(now) };
                self.outstanding -= 1;
            }
            _ => self.course.stray += 1,
        }
    }

    /// Which question this is the reply to, and whether it is what its client hoped for.
    fn answered(&self, message: &[u8]) -> Option<(usize, bool)> {
        let number = number_of(message)?;
        let index = self.index(number)?;
        let mut question = [0; QUESTION];
        let len = self.pen.question(&mut question, number);
        let is_reply = message[..2] == (index as u16).to_be_bytes() && message[2] & 0x80 != 0;
        if !is_reply || message.get(12..12 + len) != Some(&question[..len]) {
            return None;
        }
        let good = message[3] & 15 == 0 && first_address(message, 12 + len) == Some(self.plan.expect);
        Some((index, good))
    }

    fn play_targets(&mut self) -> io::Result<usize> {
        let mut done = 0;
        for (desk, line) in self.desks.iter_mut().zip(self.lines) {
            done += desk.turn_and_tell(&line.switch, |query| line.hear(query))?;
        }
        Ok(done)
    }

    /// Until a reply, a query to a target, or the time of the next query.
    fn sleep(&self, round: Duration) {
        let next = self.due_of(self.course.asked.len());
        let pause = if next < self.length() { NAP.min(next.saturating_sub(round)) } else { NAP };
        let limit = self.desks.iter().map(Desk::pause).fold(pause, Duration::min);
        let ours = self.sockets.iter().map(AsRawFd::as_raw_fd);
        let descriptors: Vec<RawFd> = ours.chain(self.desks.iter().map(Desk::descriptor)).collect();
        sys::wait(&descriptors, limit);
    }
}
