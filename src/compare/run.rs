//! Drives a course: sockets, the clock, the rate, Ctrl-C. Judges nothing.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::client::Client;
use super::course::{Course, Step};
use super::heard::Pass;
use super::judge::Side;
use super::question::Question;
use crate::limits::{COMPARE_OUTSTANDING, COMPARE_RATE_MAX};

/// The two servers, and how often they are asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    pub old: Client,
    pub new: Client,
    /// Questions a second, at each of them.
    pub rate: u32,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    /// Ctrl-C.
    Interrupted,
    /// These don't answer, or no longer.
    Silent(Vec<Side>),
}

/// Timers of the runtime have a millisecond; above a thousand a second, some go out at once.
const TICK: Duration = Duration::from_millis(1);

/// Asks all that the course wants, at most `rate` questions a second, and tells `progress` after each answer.
pub async fn run(course: &mut Course, asking: &Asking, mut progress: impl FnMut(&Course)) -> End {
    let silent = absent(course, asking).await;
    if !silent.is_empty() {
        return End::Silent(silent);
    }
    let rate = asking.rate.clamp(1, COMPARE_RATE_MAX);
    let at_once = rate.div_ceil(1000);
    let mut ticks = interval((Duration::from_secs(1) * at_once / rate).max(TICK));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut asked = JoinSet::new();
    let mut wait = None;
    loop {
        tokio::select! {
            biased;
            _ = &mut interrupt => return End::Interrupted,
            Some(answered) = asked.join_next(), if !asked.is_empty() => {
                // A task ends with an answer: nothing in it panics, and nobody aborts it.
                let Ok((index, pass)) = answered else { continue };
                course.heard(index, pass);
                progress(course);
                wait = None;
                if let Some(side) = gone(course, asking).await {
                    return End::Silent(vec![side]);
                }
            }
            () = sleep_until(wait.unwrap_or_else(Instant::now).into()), if wait.is_some() => wait = None,
            _ = ticks.tick(), if wait.is_none() && asked.len() < COMPARE_OUTSTANDING => {
                for _ in 0..at_once {
                    match course.step(Instant::now()) {
                        Step::Ask(index) => {
                            let (question, asking) = (course.question(index).clone(), *asking);
                            asked.spawn(async move { (index, ask_both(asking, question).await) });
                        }
                        Step::Wait(at) => wait = Some(at),
                        // An answer ends the wait before this does.
                        Step::Listen => wait = Some(Instant::now() + Duration::from_secs(1)),
                        Step::Over => return End::Whole,
                    }
                }
            }
        }
    }
}

/// At the same moment, as nearly as can be.
async fn ask_both(asking: Asking, question: Question) -> Pass {
    let at = Instant::now();
    let (old, new) = tokio::join!(asking.old.ask(&question), asking.new.ask(&question));
    Pass { at, old, new }
}

/// Who answers none of a few questions, so that thousands need not time out. More than one: there are names that
/// a server is silent about.
async fn absent(course: &mut Course, asking: &Asking) -> Vec<Side> {
    const TRIED: usize = 4;
    let (_, count) = course.progress();
    let mut answered = [count == 0; 2];
    let mut asked = JoinSet::new();
    for place in 0..TRIED.min(count) {
        let index = place * count / TRIED.min(count);
        let (question, asking) = (course.question(index).clone(), *asking);
        asked.spawn(async move { (index, ask_both(asking, question).await) });
    }
    while let Some(pass) = asked.join_next().await {
        let Ok((index, Pass { old, new, .. })) = pass else { continue };
        for (side, heard) in [(Side::Old, old), (Side::New, new)] {
            if !heard.is_nothing() {
                answered[side as usize] = true;
                course.knows(side, index);
            }
        }
        if answered == [true; 2] {
            return Vec::new();
        }
    }
    let sides = [Side::Old, Side::New].into_iter().zip(answered);
    sides.filter(|(_, answered)| !answered).map(|(side, _)| side).collect()
}

/// A server that has been silent for long is asked what it answered before.
async fn gone(course: &mut Course, asking: &Asking) -> Option<Side> {
    let (side, answered) = course.suspect()?;
    let client = match side {
        Side::Old => asking.old,
        Side::New => asking.new,
    };
    let question = course.question(answered.unwrap_or(0)).clone();
    if client.ask(&question).await.is_nothing() {
        return Some(side);
    }
    course.trust(side);
    None
}
