//! What `apply` and `destroy` have in common: showing the plan, asking, carrying it out, saying how it ended.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::bail;
use serde::Serialize;

use super::super::text::{Paint, count, duration};
use super::super::{Exit, print};
use super::Desk;
use super::progress::Progress;
use crate::aws::apply::words::words;
use crate::aws::apply::{Stopped, Why, apply};
use crate::aws::cloud::Cloud;
use crate::aws::plan::{Options, Plan, plan};
use crate::aws::show::show;

/// What somebody says to a plan.
pub enum Consent {
    /// Before it was shown.
    Given,
    /// After it was shown.
    Answered,
    Refused,
}

/// On standard error, where standard output is for what became of it.
pub fn show_plan<C>(desk: &Desk<'_, C>, plan: &Plan) -> io::Result<()> {
    match desk.common.json {
        true => Ok(()),
        false => io::stderr().write_all(show(plan, Paint::for_stderr() == Paint::Color).as_bytes()),
    }
}

/// Asks on the terminal; `yes` answers without.
pub fn consent(yes: bool, destroys: bool) -> anyhow::Result<Consent> {
    if yes {
        return Ok(Consent::Given);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!(
            "there is no terminal to ask on: write --yes, or apply a plan from a file; nothing was changed"
        );
    }
    let (question, word) = match destroys {
        true => ("Delete all this? Only `destroy` will do", "destroy"),
        false => ("Do this? Only `yes` will do", "yes"),
    };
    eprint!("\n{question}: ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(if answer.trim() == word { Consent::Answered } else { Consent::Refused })
}

/// How a run ended.
#[derive(Debug, Serialize)]
struct Report {
    /// All of the plan is done.
    whole: bool,
    seconds: u64,
    /// Steps in words.
    done: Vec<String>,
    under_way: Vec<String>,
    left: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<StoppedReport>,
}

#[derive(Debug, Serialize)]
struct StoppedReport {
    /// The step that it stopped at, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    why: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    help: String,
}

/// Carries the plan out, tells how it goes, and looks afterwards whether AWS is as it was wanted.
pub async fn carry_out(desk: &Desk<'_, impl Cloud>, shown: &Plan, options: &Options) -> anyhow::Result<Exit> {
    let progress = Progress::new(shown)?;
    let result = apply(shown, desk.cloud, &progress).await;
    progress.clear();
    let is_whole = result.is_ok();
    let report = report(shown, result.err(), progress.seconds());
    print(desk.common, &report, page)?;
    if !is_whole {
        return Ok(Exit::Trouble);
    }
    let next = plan(desk.wanted, &desk.observe().await?, options);
    if next.is_empty() {
        return Ok(Exit::Clean);
    }
    eprintln!("dnsfwd: AWS still differs from what is wanted; `dnsfwd aws plan` shows in what");
    Ok(Exit::Findings)
}

fn report(plan: &Plan, stopped: Option<Stopped>, seconds: u64) -> Report {
    let all = |places: &[usize]| places.iter().map(|place| words(&plan.steps[*place].step)).collect();
    match stopped {
        None => {
            let done = all(&(0..plan.steps.len()).collect::<Vec<usize>>());
            Report { whole: true, seconds, done, under_way: Vec::new(), left: Vec::new(), stopped: None }
        }
        Some(stopped) => {
            let (step, help) = match &stopped.why {
                Why::Trouble { step, trouble } => {
                    (Some(words(&plan.steps[*step].step)), trouble.help.clone())
                }
                Why::Interrupted | Why::Obstacles => (None, String::new()),
            };
            Report {
                whole: false,
                seconds,
                done: all(&stopped.done),
                under_way: all(&stopped.under_way),
                left: all(&stopped.left),
                stopped: Some(StoppedReport { step, why: stopped.to_string(), help }),
            }
        }
    }
}

fn page(report: &Report) -> String {
    let steps = count(report.done.len() as u64, "step");
    let took = duration(report.seconds);
    let Some(stopped) = &report.stopped else { return format!("Done: {steps} in {took}.\n") };
    let mut page = match &stopped.step {
        Some(step) => format!("Stopped at: {step}\n  {}\n", stopped.why),
        None => format!("Stopped: {}\n", stopped.why),
    };
    if !stopped.help.is_empty() {
        page.push_str(&format!("  {}\n", stopped.help));
    }
    let parts = [
        ("Done", &report.done),
        ("Asked for, and not seen to be done", &report.under_way),
        ("Not begun", &report.left),
    ];
    for (title, steps) in parts.into_iter().filter(|(_, steps)| !steps.is_empty()) {
        page.push_str(&format!("{title}:\n"));
        steps.iter().for_each(|step| page.push_str(&format!("  {step}\n")));
    }
    page.push_str("The next `dnsfwd aws plan` goes on from what is there then.\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_stopped_says_what_is_done_and_what_is_not() {
        let report = Report {
            whole: false,
            seconds: 61,
            done: vec!["delete rule rslvr-rr-1".into()],
            under_way: vec!["delete endpoint rslvr-out-1".into()],
            left: vec!["delete security group sg-1".into()],
            stopped: Some(StoppedReport {
                step: Some("delete endpoint rslvr-out-1".into()),
                why: "not done within 15 minutes".into(),
                help: "look at it in the console".into(),
            }),
        };
        let expected = "\
Stopped at: delete endpoint rslvr-out-1
  not done within 15 minutes
  look at it in the console
Done:
  delete rule rslvr-rr-1
Asked for, and not seen to be done:
  delete endpoint rslvr-out-1
Not begun:
  delete security group sg-1
The next `dnsfwd aws plan` goes on from what is there then.
";
        assert_eq!(page(&report), expected);
        let whole = Report { whole: true, stopped: None, ..report };
        assert_eq!(page(&whole), "Done: 1 step in 1m 1s.\n");
    }
}
