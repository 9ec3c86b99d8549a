//! `dnsfwd reload`: the running server reads its files again; prints what changed, or the faults that keep it
//! as it was.

use super::status::of_view;
use super::text::{Paint, columns, count};
use super::{Common, Exit, print};
use crate::config::diagnostic;
use crate::control::client::ask;
use crate::control::protocol::Request;
use crate::control::report::{
    Change, ChangeKind, ChangeVerb, Outcome, Reload, ZoneOutcome, ZoneReload, ZoneReloads,
};

/// Changes shown to people; `--json` has them all.
const SHOWN_CHANGES: usize = 100;

#[derive(clap::Args)]
pub struct Arguments {
    /// Only this zone: reads its file again, or asks its primaries at once
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.zone.is_some() {
        return run_zone(common, arguments.zone.clone());
    }
    let report: Reload = ask(&common.socket(), &Request::Reload { zone: None })?;
    print(common, &report, |report| show(report, Paint::for_stdout()))?;
    Ok(exit(&report))
}

fn run_zone(common: &Common, zone: Option<String>) -> anyhow::Result<Exit> {
    let reloads: ZoneReloads = ask(&common.socket(), &Request::Reload { zone })?;
    let page = |reload: &ZoneReload| show_zone(reload, Paint::for_stdout());
    print(common, &reloads, |reloads| reloads.zones.iter().map(page).collect())?;
    // The worst of them.
    let exits: Vec<Exit> = reloads.zones.iter().map(exit_of_zone).collect();
    let worst = [Exit::Trouble, Exit::Findings].into_iter().find(|exit| exits.contains(exit));
    Ok(worst.unwrap_or(Exit::Clean))
}

fn exit_of_zone(reload: &ZoneReload) -> Exit {
    match reload.outcome {
        ZoneOutcome::Refused => Exit::Trouble,
        ZoneOutcome::Asked => Exit::Findings,
        ZoneOutcome::Applied | ZoneOutcome::Unchanged if reload.problem.is_some() => Exit::Findings,
        ZoneOutcome::Applied | ZoneOutcome::Unchanged => Exit::Clean,
    }
}

fn show_zone(reload: &ZoneReload, paint: Paint) -> String {
    let mut page = diagnostic::render(&reload.diagnostics, paint == Paint::Color);
    if !page.is_empty() {
        page.push('\n');
    }
    if let Some(problem) = &reload.problem {
        page += &format!("{}: {problem}\n", paint.bad("problem"));
    }
    let zone = of_view(&reload.zone, reload.view.as_deref());
    page + &format!("{zone} {}\n", zone_outcome(reload, paint))
}

fn zone_outcome(reload: &ZoneReload, paint: Paint) -> String {
    let serial = |serial: Option<u32>| serial.map_or_else(|| "none".to_owned(), |serial| serial.to_string());
    let (old, new) = (serial(reload.old_serial), serial(reload.new_serial));
    let source = reload.primary.map_or_else(String::new, |primary| format!(", from {primary}"));
    match reload.outcome {
        ZoneOutcome::Applied => {
            let records = count(reload.records, "record");
            format!("{}: serial {old} -> {new}, {records}{source}", paint.good("applied"))
        }
        ZoneOutcome::Unchanged => format!("unchanged: serial {new}{source}"),
        ZoneOutcome::Refused if reload.new_serial.is_none() => {
            format!("{}: there is nothing to answer with", paint.bad("refused"))
        }
        ZoneOutcome::Refused => format!("{}: all is as it was, serial {new}", paint.bad("refused")),
        ZoneOutcome::Asked => {
            format!("asked: no primary has answered yet, serial {new}; `dnsfwd status` says what comes of it")
        }
    }
}

/// Warnings are shown, but what was asked for was done.
fn exit(report: &Reload) -> Exit {
    match report.outcome {
        Outcome::Refused => Exit::Trouble,
        _ if !report.problems.is_empty() => Exit::Findings,
        Outcome::Applied | Outcome::Unchanged => Exit::Clean,
    }
}

fn show(report: &Reload, paint: Paint) -> String {
    let mut page = diagnostic::render(&report.diagnostics, paint == Paint::Color);
    if !page.is_empty() {
        page.push('\n');
    }
    for problem in &report.problems {
        page.push_str(&format!("{}: {problem}\n", paint.bad("problem")));
    }
    page + &outcome(report, paint)
}

fn outcome(report: &Reload, paint: Paint) -> String {
    let hash = &report.hash;
    match report.outcome {
        Outcome::Refused => format!("{}: all is as it was, configuration {hash}\n", paint.bad("refused")),
        Outcome::Unchanged => format!("unchanged: the files say what is served, configuration {hash}\n"),
        Outcome::Applied => {
            let changes = count(report.changes.len() as u64, "change");
            let cache = format!(
                "cache: {} kept, {} dropped\n",
                count(report.cache_kept, "answer"),
                report.cache_purged
            );
            format!("{}: {changes}, configuration {hash}\n", paint.good("applied"))
                + &changes_shown(report)
                + &cache
        }
    }
}

fn changes_shown(report: &Reload) -> String {
    let rows: Vec<Vec<String>> = report.changes.iter().take(SHOWN_CHANGES).map(change_row).collect();
    let mut page: String = columns(&rows).iter().map(|line| format!("  {line}\n")).collect();
    if let Some(more) = report.changes.len().checked_sub(SHOWN_CHANGES + 1) {
        page.push_str(&format!("  and {} more (--json shows all)\n", more + 1));
    }
    page
}

fn change_row(change: &Change) -> Vec<String> {
    let sign = match change.change {
        ChangeVerb::Added => "+",
        ChangeVerb::Removed => "-",
        ChangeVerb::Changed => "~",
    };
    let kind = match change.kind {
        ChangeKind::Rule => "rule",
        ChangeKind::Endpoint => "endpoint",
        ChangeKind::Zone => "zone",
        ChangeKind::Listener => "listener",
        ChangeKind::Setting => "setting",
    };
    vec![sign.to_owned(), kind.to_owned(), change.what.clone(), change.detail.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: Outcome, changes: usize) -> Reload {
        let change = Change {
            kind: ChangeKind::Rule,
            what: "corp.example".into(),
            change: ChangeVerb::Changed,
            detail: "endpoint a → b".into(),
        };
        Reload {
            outcome,
            hash: "00112233aabbccdd".into(),
            changes: vec![change; changes],
            cache_kept: 1,
            cache_purged: 2,
            diagnostics: Vec::new(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn changes_are_listed() {
        let page = show(&report(Outcome::Applied, 1), Paint::Plain);
        let expected = "applied: 1 change, configuration 00112233aabbccdd\n  \
                        ~  rule  corp.example  endpoint a → b\ncache: 1 answer kept, 2 dropped\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn a_long_list_is_cut_for_people() {
        let page = show(&report(Outcome::Applied, 103), Paint::Plain);
        assert_eq!(page.lines().count(), 103);
        assert!(page.contains("  and 3 more (--json shows all)\n"), "{page}");
    }

    #[test]
    fn exits_tell_the_outcome() {
        assert_eq!(exit(&report(Outcome::Refused, 0)), Exit::Trouble);
        assert_eq!(exit(&report(Outcome::Unchanged, 0)), Exit::Clean);
        let problems = vec!["metrics can't be served".to_owned()];
        assert_eq!(exit(&Reload { problems, ..report(Outcome::Applied, 1) }), Exit::Findings);
    }
}
