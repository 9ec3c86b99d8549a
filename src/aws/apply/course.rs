//! One run of a plan: what was asked for, what is done, what waits for what.

use std::cell::Cell;
use std::ops::Range;

use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, sleep};

use super::patience::{Pause, bound, lane};
use super::resolve::{Made, Unknown, made_as, resolve};
use super::watch::{Event, Watch, What};
use super::words::words;
use super::{Stopped, Why};
use crate::aws::cloud::{Asked, Cloud, Progress};
use crate::aws::plan::Plan;
use crate::aws::plan::step::Step;
use crate::aws::trouble::{Kind, Trouble};
use crate::limits::{APPLY_AT_ONCE, APPLY_BLIND, AWS_MIN_ATTACHED};

pub struct Course<'a, C, W> {
    plan: &'a Plan,
    cloud: &'a C,
    watch: &'a W,
    made: Made,
    turns: Vec<Turn>,
    /// Looks in a row that failed.
    blind: u32,
}

/// How far one step is.
#[derive(Default)]
struct Turn {
    state: State,
    /// When it was tried first.
    begun: Option<Instant>,
    /// What AWS said last: its status, or why the step can't be asked for yet.
    said: String,
}

#[derive(Default)]
enum State {
    #[default]
    Left,
    Asked(Box<Asked>),
    /// The request was sent, and what became of it isn't known.
    Lost,
    Done,
}

/// What became of one request.
enum Answer {
    Taken(Box<Asked>),
    /// Later again.
    Held(String),
    /// Not sent: the run stops.
    Unsent,
    Trouble(Trouble),
}

impl<'a, C: Cloud, W: Watch> Course<'a, C, W> {
    pub fn new(plan: &'a Plan, cloud: &'a C, watch: &'a W) -> Self {
        let turns = plan.steps.iter().map(|_| Turn::default()).collect();
        Course { plan, cloud, watch, made: Made::new(), turns, blind: 0 }
    }

    pub async fn run(&mut self) -> Result<(), Why> {
        if !self.plan.obstacles.is_empty() {
            return Err(Why::Obstacles);
        }
        for stage in stages(self.plan) {
            self.stage(stage).await?;
        }
        Ok(())
    }

    /// Asks for what can be asked for, looks, rests; until all steps of the stage are done.
    async fn stage(&mut self, steps: Range<usize>) -> Result<(), Why> {
        let mut pause = Pause::new();
        loop {
            self.ask(&steps).await?;
            let is_new = self.look(&steps).await?;
            if steps.clone().all(|step| matches!(self.turns[step].state, State::Done)) {
                return Ok(());
            }
            if is_new {
                pause = Pause::new();
            }
            self.within_time(&steps)?;
            self.rest(pause.next()).await?;
        }
    }

    /// Asks for the steps that nothing holds back, some side by side.
    async fn ask(&mut self, steps: &Range<usize>) -> Result<(), Why> {
        let mut requests = Vec::new();
        for step in self.ready(steps) {
            let resolved = resolve(&self.plan.steps[step].step, &self.made)
                .map_err(|Unknown(made)| Why::Trouble { step, trouble: never_made(&made) })?;
            requests.push((step, resolved));
            self.turns[step].begun.get_or_insert_with(Instant::now);
        }
        let stops = Cell::new(false);
        let asked = requests.into_iter().map(|(step, resolved)| {
            let is_first = self.turns[step].said.is_empty();
            self.request(step, resolved, is_first, &stops)
        });
        let answers: Vec<(usize, Answer)> =
            stream::iter(asked).buffer_unordered(APPLY_AT_ONCE).collect().await;
        // All of them are noted before one of them stops the run.
        let notes: Vec<Result<(), Why>> =
            answers.into_iter().map(|(step, answer)| self.note(step, answer)).collect();
        notes.into_iter().collect()
    }

    /// Steps that aren't asked for yet, and whose lane is free.
    fn ready(&self, steps: &Range<usize>) -> Vec<usize> {
        let is_open = |step: &usize| !matches!(self.turns[*step].state, State::Done);
        let is_free = |step: usize| {
            let lane = lane(&self.plan.steps[step].step);
            let mut earlier = (steps.start..step).filter(is_open);
            lane.is_none() || !earlier.any(|other| self::lane(&self.plan.steps[other].step) == lane)
        };
        let left = steps.clone().filter(|step| matches!(self.turns[*step].state, State::Left));
        left.filter(|step| is_free(*step)).collect()
    }

    async fn request(
        &self,
        step: usize,
        resolved: Step,
        is_first: bool,
        stops: &Cell<bool>,
    ) -> (usize, Answer) {
        if stops.get() || self.is_interrupted().await {
            return (step, Answer::Unsent);
        }
        if is_first {
            self.tell(step, What::Started);
        }
        let answer = match self.send(resolved).await {
            Ok(answer) => answer,
            Err(trouble) if trouble.kind == Kind::Busy => Answer::Held(trouble.to_string()),
            Err(trouble) => {
                stops.set(true);
                Answer::Trouble(trouble)
            }
        };
        (step, answer)
    }

    async fn send(&self, step: Step) -> Result<Answer, Trouble> {
        if let Step::RemoveAddress { endpoint, address } = &step {
            let others = self.cloud.attached(endpoint, address).await?;
            if others < AWS_MIN_ATTACHED {
                let held = format!(
                    "{others} other addresses of {endpoint} are ATTACHED, {AWS_MIN_ATTACHED} must be"
                );
                return Ok(Answer::Held(held));
            }
        }
        if let Step::Await { until } = step {
            // What makes something has its ID there already.
            let made = made_as(&until).map(str::to_owned);
            return Ok(Answer::Taken(Box::new(Asked { step: *until, made })));
        }
        let made = self.cloud.ask(&step).await?;
        Ok(Answer::Taken(Box::new(Asked { step, made })))
    }

    fn note(&mut self, step: usize, answer: Answer) -> Result<(), Why> {
        match answer {
            Answer::Unsent => {
                // It has no part in how long the step takes.
                self.turns[step].begun = None;
                Err(Why::Interrupted)
            }
            Answer::Held(why) => {
                let elapsed = self.elapsed(step);
                self.tell(step, What::Held { why: &why, elapsed });
                self.turns[step].said = why;
                Ok(())
            }
            Answer::Trouble(trouble) => {
                if is_of_the_way(trouble.kind) {
                    self.turns[step].state = State::Lost;
                }
                Err(Why::Trouble { step, trouble })
            }
            Answer::Taken(asked) => self.taken(step, asked),
        }
    }

    fn taken(&mut self, step: usize, asked: Box<Asked>) -> Result<(), Why> {
        match (made_as(&asked.step), &asked.made) {
            (Some(name), Some(id)) => drop(self.made.insert(name.to_owned(), id.clone())),
            (Some(name), None) => {
                self.turns[step].state = State::Lost;
                return Err(Why::Trouble { step, trouble: never_made(name) });
            }
            (None, _) => {}
        }
        self.turns[step].state = State::Asked(asked);
        Ok(())
    }

    /// Whether one more step is done.
    async fn look(&mut self, steps: &Range<usize>) -> Result<bool, Why> {
        let (places, asked): (Vec<usize>, Vec<Asked>) = steps
            .clone()
            .filter_map(|step| match &self.turns[step].state {
                State::Asked(asked) => Some((step, Asked::clone(asked))),
                _ => None,
            })
            .unzip();
        let Some(&first) = places.first() else { return Ok(false) };
        let progress = match self.cloud.pending(&asked).await {
            Ok(progress) => progress,
            Err(trouble) if is_of_the_way(trouble.kind) && self.blind < APPLY_BLIND => {
                self.blind += 1;
                return Ok(false);
            }
            Err(trouble) => return Err(Why::Trouble { step: first, trouble }),
        };
        self.blind = 0;
        let mut seen = Ok(false);
        for (step, progress) in places.into_iter().zip(progress) {
            match self.saw(step, progress) {
                Ok(is_done) => seen = seen.map(|already| already | is_done),
                Err(why) => seen = seen.and(Err(why)),
            }
        }
        seen
    }

    fn saw(&mut self, step: usize, progress: Progress) -> Result<bool, Why> {
        let elapsed = self.elapsed(step);
        match progress {
            Progress::Waiting(status) => {
                self.tell(step, What::Waiting { status: &status, elapsed });
                self.turns[step].said = status;
                Ok(false)
            }
            Progress::Broken(trouble) => Err(Why::Trouble { step, trouble }),
            Progress::Done => {
                let made = match std::mem::replace(&mut self.turns[step].state, State::Done) {
                    State::Asked(asked) => asked.made,
                    _ => None,
                };
                self.tell(step, What::Done { made: made.as_deref(), elapsed });
                Ok(true)
            }
        }
    }

    fn within_time(&self, steps: &Range<usize>) -> Result<(), Why> {
        let is_over = |step: &usize| {
            let is_open = !matches!(self.turns[*step].state, State::Done);
            is_open && self.elapsed(*step) >= bound(&self.plan.steps[*step].step)
        };
        match steps.clone().find(is_over) {
            Some(step) => Err(Why::Trouble { step, trouble: self.too_late(step) }),
            None => Ok(()),
        }
    }

    async fn rest(&self, pause: std::time::Duration) -> Result<(), Why> {
        tokio::select! {
            biased;
            () = self.watch.interrupted() => Err(Why::Interrupted),
            () = sleep(pause) => Ok(()),
        }
    }

    async fn is_interrupted(&self) -> bool {
        tokio::select! {
            biased;
            () = self.watch.interrupted() => true,
            () = std::future::ready(()) => false,
        }
    }

    fn elapsed(&self, step: usize) -> std::time::Duration {
        self.turns[step].begun.map(|begun| begun.elapsed()).unwrap_or_default()
    }

    fn tell(&self, step: usize, what: What<'_>) {
        self.watch.tell(Event { step, planned: &self.plan.steps[step], what });
    }

    fn too_late(&self, step: usize) -> Trouble {
        let (turn, planned) = (&self.turns[step], &self.plan.steps[step]);
        let minutes = bound(&planned.step).as_secs() / 60;
        let said = match turn.said.as_str() {
            "" => String::new(),
            said => format!("; the last that was heard: {said}"),
        };
        Trouble {
            kind: Kind::TimeOut,
            operation: String::new(),
            subject: words(&planned.step),
            code: None,
            resolver_code: None,
            message: format!("not done within {minutes} minutes{said}"),
            help: "look at it in the console; when it is done there, or mended, plan and apply again"
                .to_owned(),
        }
    }

    pub fn stopped(self, why: Why) -> Stopped {
        let places = |is: fn(&State) -> bool| {
            let all = self.turns.iter().enumerate();
            all.filter(|(_, turn)| is(&turn.state)).map(|(step, _)| step).collect()
        };
        Stopped {
            why,
            done: places(|state| matches!(state, State::Done)),
            under_way: places(|state| matches!(state, State::Asked(_) | State::Lost)),
            left: places(|state| matches!(state, State::Left)),
        }
    }
}

/// Runs of steps with the same stage.
fn stages(plan: &Plan) -> Vec<Range<usize>> {
    let mut stages: Vec<Range<usize>> = Vec::new();
    for (place, planned) in plan.steps.iter().enumerate() {
        match stages.last_mut() {
            Some(stage) if plan.steps[stage.start].stage == planned.stage => stage.end = place + 1,
            _ => stages.push(place..place + 1),
        }
    }
    stages
}

/// The way to AWS is broken, not what was asked.
fn is_of_the_way(kind: Kind) -> bool {
    matches!(kind, Kind::Unreachable | Kind::Failed | Kind::Throttled)
}

fn never_made(made: &str) -> Trouble {
    Trouble {
        kind: Kind::Refused,
        operation: String::new(),
        subject: made.to_owned(),
        code: None,
        resolver_code: None,
        message: "a step needs it, and no step before has made it".to_owned(),
        help: "make the plan again".to_owned(),
    }
}
