//! What dnsfwd is held to, and whether it was met. Ratios are taken run by run, between neighbours in time, and
//! their median counts: what the machine did meanwhile met both.

use serde::{Deserialize, Serialize};

use crate::cases::live;
use crate::figures::{Row, Spread};
use crate::results::{CaseResult, Results};
use crate::table::number;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goal {
    pub workload: String,
    pub goal: String,
    /// Nothing when it wasn't measured.
    pub measured: Option<f64>,
    pub limit: f64,
    pub unit: String,
    /// Which peer was the best, where that matters.
    pub beside: String,
}

impl Goal {
    pub fn is_met(&self) -> Option<bool> {
        self.measured.map(|measured| measured <= self.limit)
    }

    pub fn verdict(&self) -> String {
        match (self.measured, self.is_met()) {
            (Some(_), Some(true)) => "met".into(),
            (Some(measured), _) if self.limit > 0.0 => {
                format!("missed by {:.0} %", (measured / self.limit - 1.0) * 100.0)
            }
            (Some(_), _) => "missed".into(),
            _ => "not measured".into(),
        }
    }

    pub fn shown(&self) -> String {
        let value = self.measured.map_or_else(|| "-".into(), |measured| number(measured) + &self.unit);
        match self.beside.as_str() {
            "" => value,
            beside => format!("{value} ({beside})"),
        }
    }
}

pub fn of(results: &Results) -> Vec<Goal> {
    [of_speed(results), of_outages(results)].concat()
}

fn of_speed(results: &Results) -> Vec<Goal> {
    let judge = Judge { results };
    vec![
        judge.beside_floor("cached-10k", 1.15),
        judge.beside_best("cached-10k", 0.72),
        judge.beside_floor("cached-1m", 1.35),
        judge.beside_best("forwarded", 0.70),
        judge.beside_best("tcp-pipelined", 0.50),
        judge.beside_own("workers", ["2 workers", "1 worker"], 1.05),
        judge.beside_own("rules", ["100,000 rules", "10 rules"], 1.05),
        judge.figure("rules", "100,000 rules", "idle_mb", 60.0, " MB", "resident with 100,000 rules"),
        judge.figure("start-rules", "100,000 rules", "start_ms", 500.0, " ms", "loaded, with 100,000 rules"),
        judge.reload_lost("100,000 rules"),
        judge.reload_delay("100,000 rules", 5.0),
        judge.figure("cached-1m", "", "bytes_per_name_all", 180.0, " B", "all of the process for each name"),
        judge.beside_own("zone", ["NXDOMAIN", "positive"], 1.2),
    ]
}

fn of_outages(results: &Results) -> Vec<Goal> {
    let judge = Judge { results };
    let [near, _, far] = &live::WEATHERS;
    let (near, far) = (near.variant(), far.variant());
    let goal = |variant: &str, figure, limit, unit, what: &str| {
        let goal = judge.figure("live", variant, figure, limit, unit, "");
        let limit = if limit > 0.0 { format!("at most {}{unit}", number(limit)) } else { "none".into() };
        Goal { goal: format!("{variant}: {what}: {limit}"), ..goal }
    };
    vec![
        goal(&near, "failed", 0.0, "", "one silent: lost or SERVFAIL"),
        goal(&near, "p99_ms", 10.0, " ms", "one silent: p99"),
        goal(&near, "p999_ms", 60.0, " ms", "one silent: p99.9"),
        goal(&near, "max_ms", 300.0, " ms", "one silent: slowest"),
        goal(&far, "failed", 0.0, "", "one silent: lost or SERVFAIL"),
        goal(&far, "p99_ms", 130.0, " ms", "one silent: p99"),
        goal(&far, "max_ms", 500.0, " ms", "one silent: slowest"),
        goal(&near, "dark_clients", 0.0, "", "clients' questions at the silent target after a second"),
        goal(&near, "return_ms", 2000.0, " ms", "back in use"),
        goal(&near, "fail_first_ms", 2000.0, " ms", "both silent: first failure"),
        goal(&near, "fail_later_max_ms", 50.0, " ms", "both silent: slowest after that"),
        goal(&near, "good_again_ms", 1000.0, " ms", "both back: good answers"),
        goal(&near, "extra_percent", 5.0, " %", "extra queries while nothing is wrong"),
    ]
}

struct Judge<'a> {
    results: &'a Results,
}

const OURS: &str = "dnsfwd";
const FLOOR: &str = "floor";
const COST: &str = "cpu_us";

impl Judge<'_> {
    fn case(&self, id: &str) -> Option<&CaseResult> {
        self.results.case(id)
    }

    fn title(&self, id: &str) -> String {
        self.case(id).map_or_else(|| id.into(), |case| case.title.clone())
    }

    fn goal(&self, case: &str, goal: String, measured: Option<f64>, limit: f64) -> Goal {
        let workload = self.title(case);
        Goal { workload, goal, measured, limit, unit: String::new(), beside: String::new() }
    }

    fn beside_floor(&self, id: &str, limit: f64) -> Goal {
        let ratio = || {
            let case = self.case(id)?;
            ratio(case.row(OURS, "")?, case.row(FLOOR, "")?, COST)
        };
        self.goal(id, format!("CPU per query at most {limit} × the floor's"), ratio(), limit)
    }

    fn beside_best(&self, id: &str, limit: f64) -> Goal {
        let best = self.case(id).and_then(best_peer);
        let ratio = best.and_then(|best| ratio(self.case(id)?.row(OURS, "")?, best, COST));
        let goal = self.goal(id, format!("CPU per query at most {limit} × the best peer's"), ratio, limit);
        Goal { beside: best.map(|best| best.server.clone()).unwrap_or_default(), ..goal }
    }

    fn beside_own(&self, id: &str, [one, other]: [&str; 2], limit: f64) -> Goal {
        let ratio = || {
            let case = self.case(id)?;
            ratio(case.row(OURS, one)?, case.row(OURS, other)?, COST)
        };
        self.goal(id, format!("{one} at most {limit} × {other}"), ratio(), limit)
    }

    fn figure(&self, id: &str, variant: &str, figure: &str, limit: f64, unit: &str, what: &str) -> Goal {
        let measured = self.case(id).and_then(|case| case.row(OURS, variant)?.median(figure));
        let goal = self.goal(id, format!("at most {}{unit} {what}", number(limit)), measured, limit);
        Goal { unit: unit.into(), ..goal }
    }

    fn reload_lost(&self, rules: &str) -> Goal {
        let lost = || {
            let row = self.case("reload")?.row(OURS, &format!("{rules}, reload"))?;
            Some(row.figures.get("lost")?.runs.iter().sum())
        };
        self.goal("reload", format!("{rules}: nothing lost"), lost(), 0.0)
    }

    fn reload_delay(&self, rules: &str, limit: f64) -> Goal {
        let delay = || {
            let case = self.case("reload")?;
            let row = |kind| case.row(OURS, &format!("{rules}, {kind}"));
            let with = &row("reload")?.figures.get("p999_us")?.runs;
            let without = &row("no reload")?.figures.get("p999_us")?.runs;
            let delays = with.iter().zip(without).map(|(with, without)| (with - without) / 1e3);
            Spread::of(delays.collect()).map(|spread| spread.median)
        };
        let goal = format!("{rules}: p99.9 at most {limit} ms above a run without");
        Goal { unit: " ms".into(), ..self.goal("reload", goal, delay(), limit) }
    }
}

/// The one with the least CPU time for a query that isn't ours.
fn best_peer(case: &CaseResult) -> Option<&Row> {
    let peers =
        case.rows.iter().filter(|row| row.server != OURS && row.server != FLOOR && row.failed.is_none());
    let cost = |row: &Row| row.median(COST).unwrap_or(f64::MAX);
    peers.min_by(|one, other| cost(one).total_cmp(&cost(other)))
}

fn ratio(one: &Row, other: &Row, figure: &str) -> Option<f64> {
    let (one, other) = (one.figures.get(figure)?, other.figures.get(figure)?);
    let ratios = one.runs.iter().zip(&other.runs).map(|(one, other)| one / other);
    Spread::of(ratios.collect()).map(|spread| spread.median)
}

pub fn table(goals: &[Goal]) -> String {
    let lines =
        goals.iter().map(|goal| vec![goal.workload.clone(), goal.goal.clone(), goal.shown(), goal.verdict()]);
    let head = ["workload", "goal", "measured", ""].map(String::from).to_vec();
    crate::table::columns(&[vec![head], lines.collect()].concat(), &[])
}
