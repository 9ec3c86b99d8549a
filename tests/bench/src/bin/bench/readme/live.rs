//! What clients felt while targets died, a table for each load.

use super::{FORWARDERS, markdown};
use crate::cases::live::{WEATHERS, Weather};
use crate::figures::Row;
use crate::peers;
use crate::results::{CaseResult, Results};
use crate::table::{number, thousands};

pub fn tables(results: &Results) -> String {
    let Some(case) = results.case("live") else { return String::new() };
    let tables: Vec<String> = WEATHERS.iter().filter_map(|weather| table(case, weather)).collect();
    [INTRODUCTION.to_string()].into_iter().chain(tables).collect::<Vec<_>>().join("\n")
}

const INTRODUCTION: &str = "## What a client feels when a target dies

One run of each server on the same machine and with the same settings; timeouts, retries and health checks are its own \
defaults. A stream of questions, each for a new name, leaves by the clock whatever became of those before; a client \
waits 5 s, from the time at which its question was due. Of two targets the one that gets more questions falls silent \
for 10 s, five seconds later the other one, then both for 6.25 s. *Silent* is a target that takes queries, over UDP and \
TCP, and says nothing. Times with one silent are the worse of the two cases, counts are of both together. *Asked it after 1 s* are clients' \
questions at the silent target from the second second on. *Last bad one* is the last question, asked within 5 s of \
the targets' return, that got SERVFAIL or nothing.

What dnsfwd is held to, at 500 queries a second: with one of two targets silent no answer lost and no SERVFAIL, p99 at \
most 10 ms, p99.9 60 ms and the slowest 300 ms where targets answer within 1 ms (p99 130 ms and the slowest 500 ms at \
50 ms); after the first second only probes at the silent target, which is in use again within 2 s of its return; with \
both silent a failure within 2 s, at once from then on, and good answers within 1 s of their return; at most 5 % extra \
queries while nothing is wrong.
";

fn table(case: &CaseResult, weather: &Weather) -> Option<String> {
    let variant = weather.variant();
    let rows: Vec<&Row> = FORWARDERS.iter().filter_map(|server| case.row(server, &variant)).collect();
    let sent = rows.iter().find_map(|row| Some(row.median("first_sent")? + row.median("second_sent")?))?;
    let lost = format!("one silent: lost of {}", thousands(sent));
    let sent_in_the_dark = rows.iter().find_map(|row| row.median("both_sent")).unwrap_or_default();
    let lost_in_the_dark = format!("both silent: lost of {}", thousands(sent_in_the_dark));
    let head = [
        variant.as_str(),
        &lost,
        "SERVFAIL",
        "p99 ms",
        "p99.9 ms",
        "slowest ms",
        "asked it after 1 s",
        "in use again, s",
        &lost_in_the_dark,
        "first failure after s",
        "later ones after ms",
        "both back: first good answer after s",
        "last bad one after s",
        "nothing wrong: extra queries",
    ]
    .map(String::from);
    let lines: Vec<Vec<String>> = rows.into_iter().map(line).collect();
    Some(markdown(&head, &lines))
}

fn line(row: &Row) -> Vec<String> {
    let name = peers::find(&row.server).map_or_else(|| row.server.clone(), |peer| peer.title.into());
    if row.failed.is_some() {
        return vec![name, "failed".into()];
    }
    let shown =
        |figure: &str, form: &dyn Fn(f64) -> String| row.median(figure).map_or_else(|| "never".into(), form);
    let count = |figure| shown(figure, &thousands);
    let ms = |figure| shown(figure, &number);
    let seconds = |figure| shown(figure, &|ms| format!("{:.2}", ms / 1e3));
    vec![
        name,
        count("lost"),
        count("servfail"),
        ms("p99_ms"),
        ms("p999_ms"),
        ms("max_ms"),
        count("dark_clients"),
        seconds("return_ms"),
        count("both_lost"),
        seconds("fail_first_ms"),
        ms("fail_later_max_ms"),
        seconds("good_again_ms"),
        seconds("well_again_ms"),
        // Not below zero for what was still under way at the end.
        shown("extra_percent", &|percent| format!("{:.1} %", percent.max(0.0))),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::figures::Figures;

    fn case(rows: Vec<Row>) -> CaseResult {
        let (title, date) = (String::new(), String::new());
        CaseResult {
            id: "live".into(),
            title,
            date,
            runs: 1,
            seconds: 1.0,
            versions: BTreeMap::new(),
            failed: None,
            rows,
        }
    }

    #[test]
    fn a_server_has_a_line_in_the_order_of_servers_and_what_never_happened_says_so() {
        let variant = WEATHERS[0].variant();
        let mut slow = Row::new("unbound", &variant);
        slow.add(Figures::from(
            [("first_sent", 5000.0), ("second_sent", 5000.0), ("lost", 1234.0), ("max_ms", 2.5)]
                .map(|(name, value)| (name.into(), value)),
        ));
        let mut ours = Row::new("dnsfwd", &variant);
        ours.add(Figures::from([("fail_first_ms".into(), 1040.0), ("extra_percent".into(), 0.04)]));
        let other = Row::new("dnsfwd", &WEATHERS[1].variant());
        let text = table(&case(vec![slow, other, ours]), &WEATHERS[0]).expect("it has rows");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("| 500 queries/s, targets 1 ms away | one silent: lost of 10,000 |"),
            "{text}"
        );
        assert_eq!(lines.len(), 4, "{text}");
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_string()).collect::<Vec<_>>();
        let (ours, slow) = (cells(lines[2]), cells(lines[3]));
        assert_eq!((ours[1].as_str(), ours[10].as_str(), ours[14].as_str()), ("dnsfwd", "1.04", "0.0 %"));
        assert_eq!((slow[1].as_str(), slow[2].as_str(), slow[6].as_str()), ("Unbound", "1,234", "2.50"));
        assert_eq!(slow[10], "never", "no failure came");
        assert_eq!((ours.len(), slow.len()), (cells(lines[0]).len(), cells(lines[0]).len()));
    }

    #[test]
    fn a_load_without_rows_has_no_table() {
        assert_eq!(table(&case(vec![]), &WEATHERS[0]), None);
    }
}
