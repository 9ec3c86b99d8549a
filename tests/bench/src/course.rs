//! The course of an outage as it was recorded, and what of it matters to those who asked. Pure arithmetic: no
//! socket, no clock. All times are nanoseconds from the start.

use std::collections::BTreeMap;
use std::time::Duration;

/// One client's question.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// When it was to be sent, whenever it was.
    pub due: u64,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Waiting,
    /// The expected answer came then.
    Good(u64),
    /// SERVFAIL or whatever else came.
    Failed(u64),
}

/// A query that arrived at a target.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub at: u64,
    /// Else the server's own: a probe, a health check.
    pub of_client: bool,
}

#[derive(Clone, Debug)]
pub struct Phase {
    pub name: &'static str,
    pub from: u64,
    pub to: u64,
    /// The targets that were silent.
    pub dark: Vec<usize>,
}

#[derive(Debug, Default)]
pub struct Course {
    /// By time.
    pub asked: Vec<Asked>,
    pub heard: Vec<Vec<Heard>>,
    pub phases: Vec<Phase>,
    /// For so long a client waits.
    pub patience: Duration,
    /// Replies to nothing that was open.
    pub stray: u64,
    /// The longest round of the thread that played clients and targets beyond its pauses.
    pub stall: Duration,
}

/// From then on, only probes are to arrive at a target that has fallen silent.
const NOTICED: u64 = 1_000_000_000;

impl Course {
    /// Milliseconds, counts and per cent, by name; without what didn't happen.
    pub fn figures(&self) -> BTreeMap<String, f64> {
        let mut figures = Figures::default();
        for phase in &self.phases {
            self.phase(phase, &mut figures);
        }
        self.one_silent(&mut figures);
        self.both_silent(&mut figures);
        figures.put("extra_percent", self.extra());
        figures.put("sent", Some(self.asked.len() as f64));
        figures.put("stray", Some(self.stray as f64));
        figures.put("stall_ms", Some(self.stall.as_secs_f64() * 1e3));
        figures.0
    }

    fn phase(&self, phase: &Phase, figures: &mut Figures) {
        let asked = self.asked_in(phase.from, phase.to);
        let count = |kind: fn(&Reply) -> bool| {
            Some(asked.iter().filter(|asked| kind(&self.reply(asked))).count() as f64)
        };
        let mut put = |figure: &str, value| figures.put(&format!("{}_{figure}", phase.name), value);
        put("sent", Some(asked.len() as f64));
        put("lost", count(|reply| *reply == Reply::Lost));
        put("servfail", count(|reply| matches!(reply, Reply::Failed(_))));
        let waits = self.waits(asked);
        for (figure, share) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999), ("max_ms", 1.0)] {
            put(figure, quantile(&waits, share).map(milliseconds));
        }
        if let [dark] = phase.dark[..] {
            let late = self.heard[dark]
                .iter()
                .filter(|heard| (phase.from + NOTICED..phase.to).contains(&heard.at))
                .collect::<Vec<_>>();
            put("dark_heard", Some(late.len() as f64));
            put("dark_clients", Some(late.iter().filter(|heard| heard.of_client).count() as f64));
            let back = self.heard[dark].iter().find(|heard| heard.of_client && heard.at >= phase.to);
            put("return_ms", back.map(|heard| milliseconds(heard.at - phase.to)));
        }
    }

    /// Over both times in which one target was silent: counts summed up, of all else the worse.
    fn one_silent(&self, figures: &mut Figures) {
        let phases: Vec<&Phase> = self.phases.iter().filter(|phase| phase.dark.len() == 1).collect();
        for figure in ["lost", "servfail", "dark_heard", "dark_clients"] {
            let sum = phases.iter().filter_map(|phase| figures.get(phase, figure)).sum();
            figures.put(figure, Some(sum));
        }
        figures
            .put("failed", figures.0.get("lost").zip(figures.0.get("servfail")).map(|(one, two)| one + two));
        for figure in ["p50_ms", "p99_ms", "p999_ms", "max_ms", "return_ms"] {
            let each: Option<Vec<f64>> = phases.iter().map(|phase| figures.get(phase, figure)).collect();
            figures.put(figure, each.and_then(|each| each.into_iter().reduce(f64::max)));
        }
    }

    fn both_silent(&self, figures: &mut Figures) {
        let Some(phase) = self.phases.iter().find(|phase| phase.dark.len() == 2) else { return };
        let asked = self.asked_in(phase.from, phase.to);
        let failures = asked.iter().filter_map(|asked| match asked.fate {
            Fate::Failed(at) => Some(at),
            _ => None,
        });
        let first = failures.min();
        figures.put("fail_first_ms", first.map(|at| milliseconds(at - phase.from)));
        if let Some(first) = first {
            let later = self.asked_in(first, phase.to);
            let mut waits: Vec<u64> = later.iter().map(|asked| self.wait(asked)).collect();
            waits.sort_unstable();
            figures.put("fail_later_p50_ms", quantile(&waits, 0.5).map(milliseconds));
            figures.put("fail_later_max_ms", quantile(&waits, 1.0).map(milliseconds));
        }
        let after = self.asked_in(phase.to, u64::MAX);
        let good_at = |asked: &Asked| match asked.fate {
            Fate::Good(at) => Some(at),
            _ => None,
        };
        let good = self.asked.iter().filter_map(good_at).filter(|at| *at >= phase.to).min();
        figures.put("good_again_ms", good.map(|at| milliseconds(at - phase.to)));
        let last_bad = after.iter().rfind(|asked| !matches!(self.reply(asked), Reply::Good(_)));
        let well = last_bad.map_or(0.0, |asked| milliseconds(asked.due - phase.to));
        figures.put("well_again_ms", good.map(|_| well));
    }

    /// What arrived at the targets while nothing was wrong, beyond what clients asked, in per cent of that.
    fn extra(&self) -> Option<f64> {
        let well = self.phases.first()?;
        let within = |at: u64| (well.from..well.to).contains(&at);
        let heard = self.heard.iter().flatten().filter(|heard| within(heard.at)).count();
        let asked = self.asked_in(well.from, well.to).len();
        (asked > 0).then(|| (heard as f64 / asked as f64 - 1.0) * 100.0)
    }

    fn asked_in(&self, from: u64, to: u64) -> &[Asked] {
        let place = |time| self.asked.partition_point(|asked| asked.due < time);
        &self.asked[place(from.min(to))..place(to)]
    }

    /// What came in time.
    fn reply(&self, asked: &Asked) -> Reply {
        let (at, reply): (u64, fn(u64) -> Reply) = match asked.fate {
            Fate::Waiting => return Reply::Lost,
            Fate::Good(at) => (at, Reply::Good),
            Fate::Failed(at) => (at, Reply::Failed),
        };
        match at.saturating_sub(asked.due) {
            wait if wait > self.patience.as_nanos() as u64 => Reply::Lost,
            wait => reply(wait),
        }
    }

    /// Until its reply, or until the client had enough.
    fn wait(&self, asked: &Asked) -> u64 {
        match self.reply(asked) {
            Reply::Good(wait) | Reply::Failed(wait) => wait,
            Reply::Lost => self.patience.as_nanos() as u64,
        }
    }

    /// Of those who got a reply, sorted.
    fn waits(&self, asked: &[Asked]) -> Vec<u64> {
        let replied = asked.iter().filter(|asked| self.reply(asked) != Reply::Lost);
        let mut waits: Vec<u64> = replied.map(|asked| self.wait(asked)).collect();
        waits.sort_unstable();
        waits
    }
}

#[derive(Debug, PartialEq)]
enum Reply {
    Good(u64),
    Failed(u64),
    Lost,
}

#[derive(Default)]
struct Figures(BTreeMap<String, f64>);

impl Figures {
    fn put(&mut self, name: &str, value: Option<f64>) {
        self.0.extend(value.map(|value| (name.to_string(), value)));
    }

    fn get(&self, phase: &Phase, figure: &str) -> Option<f64> {
        self.0.get(&format!("{}_{figure}", phase.name)).copied()
    }
}

/// The smallest value that so large a share of all doesn't exceed.
fn quantile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A question every 100 ms, each answered well after 2 ms, through phases of one second; what is to be
    /// different is changed by the test.
    fn course() -> Course {
        let dark = [vec![], vec![0], vec![], vec![1], vec![], vec![0, 1], vec![]];
        let names = ["well", "first", "back1", "second", "back2", "both", "back3"];
        let phase = |(index, (name, dark)): (usize, (&'static str, Vec<usize>))| {
            let from = index as u64 * 2000 * MS;
            Phase { name, from, to: from + 2000 * MS, dark }
        };
        let asked = |number: u64| Asked { due: number * 100 * MS, fate: Fate::Good((number * 100 + 2) * MS) };
        let heard = |number: u64| Heard { at: (number * 200 + 1) * MS, of_client: true };
        Course {
            asked: (0..140).map(asked).collect(),
            heard: vec![(0..70).map(heard).collect(), (0..70).map(heard).collect()],
            phases: names.into_iter().zip(dark).enumerate().map(phase).collect(),
            patience: Duration::from_secs(5),
            ..Course::default()
        }
    }

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let values: Vec<u64> = (1..=1000).collect();
        assert_eq!(quantile(&values, 0.5), Some(500));
        assert_eq!(quantile(&values, 0.99), Some(990));
        assert_eq!(quantile(&values, 0.999), Some(999));
        assert_eq!(quantile(&values, 1.0), Some(1000));
        assert_eq!(quantile(&[7], 0.5), Some(7));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_question_belongs_to_the_phase_in_which_it_was_due() {
        let mut course = course();
        // Due in the phase "first" (2 s to 4 s): one lost, one failed, one answered only in the next phase.
        course.asked[20].fate = Fate::Waiting;
        course.asked[21].fate = Fate::Failed(2_150 * MS);
        course.asked[39].fate = Fate::Good(4_400 * MS);
        let figures = course.figures();
        assert_eq!((figures["well_sent"], figures["first_sent"]), (20.0, 20.0));
        assert_eq!((figures["first_lost"], figures["first_servfail"]), (1.0, 1.0));
        assert_eq!((figures["first_p50_ms"], figures["first_max_ms"]), (2.0, 500.0));
        assert_eq!((figures["back1_lost"], figures["back1_max_ms"]), (0.0, 2.0));
        assert_eq!((figures["well_lost"], figures["second_lost"]), (0.0, 0.0));
        assert_eq!(figures["sent"], 140.0);
    }

    #[test]
    fn of_both_silences_counts_are_summed_and_the_worse_times_stand() {
        let mut course = course();
        course.asked[20].fate = Fate::Waiting;
        course.asked[60].fate = Fate::Failed(6_030 * MS);
        course.asked[61].fate = Fate::Good(6_140 * MS);
        let figures = course.figures();
        assert_eq!((figures["lost"], figures["servfail"], figures["failed"]), (1.0, 1.0, 2.0));
        assert_eq!((figures["p50_ms"], figures["max_ms"]), (2.0, 40.0));
    }

    #[test]
    fn an_answer_after_the_clients_patience_is_no_answer() {
        let mut course = course();
        course.asked[20].fate = Fate::Good(2_000 * MS + 5_000 * MS);
        assert_eq!(course.figures()["lost"], 0.0);
        course.asked[20].fate = Fate::Good(2_000 * MS + 5_000 * MS + 1);
        let figures = course.figures();
        assert_eq!((figures["lost"], figures["max_ms"]), (1.0, 2.0));
    }

    #[test]
    fn a_dark_target_s_queries_count_from_a_second_on() {
        let mut course = course();
        // The target 0 is dark from 2 s to 4 s; 5 queries arrive from 3 s on, of which two are probes.
        for heard in &mut course.heard[0][15..17] {
            heard.of_client = false;
        }
        // It is asked again by a client only 201 ms after its return.
        course.heard[0][20].of_client = false;
        let figures = course.figures();
        assert_eq!((figures["first_dark_heard"], figures["first_dark_clients"]), (5.0, 3.0));
        assert_eq!((figures["dark_heard"], figures["dark_clients"]), (10.0, 8.0));
        assert_eq!((figures["first_return_ms"], figures["second_return_ms"]), (201.0, 1.0));
        assert_eq!(figures["return_ms"], 201.0);
        course.heard[1].retain(|heard| heard.at < 8_000 * MS);
        assert_eq!(course.figures().get("return_ms"), None, "one of them never came back");
    }

    #[test]
    fn what_arrives_beyond_clients_questions_is_extra() {
        let mut course = course();
        assert_eq!(course.figures()["extra_percent"], 0.0);
        course.heard[1].insert(0, Heard { at: 0, of_client: false });
        assert!((course.figures()["extra_percent"] - 5.0).abs() < 1e-9);
    }

    #[test]
    fn with_both_silent_the_first_failure_and_those_who_come_later_count() {
        let mut course = course();
        // Dark from 10 s to 12 s: who asked before 11 s fails together at 11.05 s, the later ones at once.
        for (number, asked) in course.asked.iter_mut().enumerate().skip(100).take(20) {
            let now = number as u64 * 100 * MS;
            asked.fate = Fate::Failed(if number <= 110 { 11_050 * MS } else { now + MS });
        }
        course.asked[115].fate = Fate::Failed(11_530 * MS);
        // After the return one more fails, and then all is well.
        course.asked[120].fate = Fate::Failed(12_001 * MS);
        course.asked[122].fate = Fate::Waiting;
        let figures = course.figures();
        assert_eq!(figures["fail_first_ms"], 1050.0);
        assert_eq!((figures["fail_later_p50_ms"], figures["fail_later_max_ms"]), (1.0, 30.0));
        assert_eq!((figures["good_again_ms"], figures["well_again_ms"]), (102.0, 200.0));
        assert_eq!(
            (figures["both_servfail"], figures["back3_servfail"], figures["back3_lost"]),
            (20.0, 1.0, 1.0)
        );
    }

    #[test]
    fn what_didnt_happen_is_no_figure() {
        let mut course = course();
        for asked in &mut course.asked[100..] {
            asked.fate = Fate::Waiting;
        }
        let figures = course.figures();
        for absent in ["fail_first_ms", "fail_later_max_ms", "good_again_ms", "well_again_ms", "both_max_ms"]
        {
            assert_eq!(figures.get(absent), None, "{absent}");
        }
        assert_eq!((figures["both_lost"], figures["back3_lost"]), (20.0, 20.0));
    }
}
