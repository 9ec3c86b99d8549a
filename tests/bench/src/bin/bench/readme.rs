//! What shows the results, written between two marks: all of them in the README beside them, and what matters most
//! in the README of the whole.

mod live;
mod summary;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::figures::Row;
use crate::goals::Goal;
use crate::peers;
use crate::results::{CaseResult, Results};
use crate::table::number;

const BEGIN: &str = "<!-- written by tests/bench/run --publish -->";
const END: &str = "<!-- up to here -->";

pub fn publish(results: &Results, goals: &[Goal]) -> Result<()> {
    put(Path::new("tests/bench/results/README.md"), &section(results, goals))?;
    put(Path::new("README.md"), &summary::text(results))
}

fn put(readme: &Path, part: &str) -> Result<()> {
    let name = readme.display();
    let text = fs::read_to_string(readme).with_context(|| format!("{name} can't be read"))?;
    let (before, rest) =
        text.split_once(BEGIN).with_context(|| format!("{name} has no place for results"))?;
    let (_, after) =
        rest.split_once(END).with_context(|| format!("the place for results in {name} has no end"))?;
    fs::write(readme, format!("{before}{BEGIN}\n\n{part}\n{END}{after}"))?;
    Ok(())
}

fn section(results: &Results, goals: &[Goal]) -> String {
    let parts = [
        introduction(results),
        "![CPU time of each server for one query](chart.svg)\n".into(),
        forwarders(results),
        zones(results),
        rules(results),
        reloads(results),
        memory(results),
        starts(results),
        latencies(results),
        live::tables(results),
        table_of_goals(goals),
        trust(results),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn introduction(results: &Results) -> String {
    let machine = &results.machine;
    let dates: Vec<&str> = results.cases.iter().filter_map(|case| case.date.split(' ').next()).collect();
    let (first, last) = (dates.iter().min(), dates.iter().max());
    let date = match (first, last) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(first), _) => (*first).to_string(),
        _ => "never".into(),
    };
    let versions: Vec<String> = results
        .versions()
        .iter()
        .filter_map(|(name, version)| Some(format!("{} {version}", peers::find(name)?.title)))
        .collect();
    format!(
        "Measured {date} on {} ({} cores, {} GB, Linux {}, {}), over loopback. One worker on one core, the load and \
         two targets on the other. {}. *Floor* is a program that takes 32 queries with one system call and sends \
         them back with another, and does nothing else.\n",
        machine.processor,
        machine.cores,
        machine.memory_gb,
        machine.kernel,
        machine.system,
        versions.join(", "),
    )
}

/// A table in Markdown; the columns after the first are numbers.
fn markdown(head: &[String], lines: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|---|{}\n", head.join(" | "), "---:|".repeat(head.len() - 1));
    for line in lines {
        let _ = writeln!(text, "| {} |", line.join(" | "));
    }
    text
}

/// The servers' titles.
fn titles(servers: &[&str]) -> Vec<String> {
    servers.iter().filter_map(|name| peers::find(name)).map(|peer| peer.title.into()).collect()
}

fn cell(row: Option<&Row>, figure: &str) -> String {
    let Some(row) = row else { return String::new() };
    match (&row.failed, row.median(figure)) {
        (None, Some(median)) => number(median),
        (Some(_), _) => "failed".into(),
        _ => String::new(),
    }
}

/// Servers in columns, and only those that have a row in one of the lines.
fn matrix<'a>(
    what: &str,
    servers: &[&str],
    figure: &str,
    lines: impl Iterator<Item = (String, &'a CaseResult, String)>,
) -> String {
    let lines: Vec<_> = lines.collect();
    let present = |name: &&&str| lines.iter().any(|(_, case, variant)| case.row(name, variant).is_some());
    let servers: Vec<&str> = servers.iter().filter(present).copied().collect();
    if lines.is_empty() || servers.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|(title, case, variant)| {
            let cells = servers.iter().map(|name| cell(case.row(name, variant), figure));
            [title.clone()].into_iter().chain(cells).collect()
        })
        .collect();
    markdown(&[vec![what.to_string()], titles(&servers)].concat(), &rows)
}

const FORWARDERS: &[&str] =
    &["floor", "dnsfwd", "unbound", "bind", "dnsdist", "recursor", "kresd", "dnsmasq", "hickory", "numa"];

fn forwarders(results: &Results) -> String {
    let cases = [
        "cached-1",
        "cached-10k",
        "cached-10k-no-edns",
        "cached-1m",
        "forwarded",
        "mix-5ms",
        "mix-50ms",
        "tcp-pipelined",
        "tcp-each",
        "latency",
    ];
    let lines = cases.iter().filter_map(|id| results.case(id));
    matrix(
        "CPU µs per query",
        FORWARDERS,
        "cpu_us",
        lines.map(|case| (case.title.clone(), case, String::new())),
    )
}

fn zones(results: &Results) -> String {
    let lines = results.case("zone").into_iter().flat_map(|case| {
        ["positive", "NXDOMAIN", "NODATA"]
            .map(|kind| (format!("{}: {kind}", case.title), case, kind.to_string()))
    });
    matrix("CPU µs per query", &["dnsfwd", "nsd", "knot", "bind", "unbound"], "cpu_us", lines)
}

fn rules(results: &Results) -> String {
    let Some(case) = results.case("rules") else { return String::new() };
    let lines = ["10", "10,000", "100,000"].map(|count| {
        let variant = format!("{count} rules");
        (format!("{}: {variant}", case.title), case, variant)
    });
    matrix("CPU µs per query", &["dnsfwd", "unbound", "bind"], "cpu_us", lines.into_iter())
}

fn title_of(row: &Row) -> String {
    peers::find(&row.server).map_or_else(|| row.server.clone(), |peer| peer.title.into())
}

fn reloads(results: &Results) -> String {
    let Some(case) = results.case("reload") else { return String::new() };
    let head = [case.title.as_str(), "lost", "of", "p99 ms", "p99.9 ms", "longest gap ms", "took ms"]
        .map(String::from);
    let lines: Vec<Vec<String>> = case
        .rows
        .iter()
        .map(|row| {
            let sum = |figure: &str| {
                row.figures
                    .get(figure)
                    .map_or_else(String::new, |spread| number(spread.runs.iter().sum::<f64>().round()))
            };
            let ms = |figure| row.median(figure).map_or_else(String::new, |micros| number(micros / 1e3));
            let name = format!("{}, {}", title_of(row), row.variant);
            match row.failed {
                Some(_) => vec![name, "failed".into()],
                None => vec![
                    name,
                    sum("lost"),
                    sum("sent"),
                    ms("p99_us"),
                    ms("p999_us"),
                    cell(Some(row), "gap_ms"),
                    cell(Some(row), "reload_ms"),
                ],
            }
        })
        .collect();
    markdown(&head, &lines)
}

fn memory(results: &Results) -> String {
    let Some(case) = results.case("cached-1m") else { return String::new() };
    let servers = ["dnsfwd", "unbound", "bind", "dnsdist"];
    let lines = [
        ("Resident, nothing kept, MB", "idle_mb"),
        ("Resident, 1 million names kept, MB", "filled_mb"),
        ("Bytes for each name, all of the process", "bytes_per_name_all"),
        ("Bytes for each name, what it grew by", "bytes_per_name"),
    ];
    let lines: Vec<Vec<String>> = lines
        .iter()
        .map(|(what, figure)| {
            let cells = servers.iter().map(|name| cell(case.row(name, ""), figure));
            [(*what).to_string()].into_iter().chain(cells).collect()
        })
        .collect();
    markdown(&[vec!["Memory".to_string()], titles(&servers)].concat(), &lines)
}

fn starts(results: &Results) -> String {
    let rows =
        ["start-rules", "start-zone"].iter().filter_map(|id| results.case(id)).flat_map(|case| &case.rows);
    let lines: Vec<Vec<String>> = rows
        .map(|row| {
            vec![
                format!("{}, {}", title_of(row), row.variant),
                cell(Some(row), "start_ms"),
                cell(Some(row), "idle_mb"),
            ]
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    markdown(&["Start".into(), "to the first answer, ms".into(), "resident, MB".into()], &lines)
}

fn latencies(results: &Results) -> String {
    let Some(case) = results.case("latency") else { return String::new() };
    let lines = ["p50_us", "p99_us", "p999_us"].map(|figure| {
        let name = match figure {
            "p50_us" => "p50 µs",
            "p99_us" => "p99 µs",
            _ => "p99.9 µs",
        };
        let cells = FORWARDERS.iter().map(|server| cell(case.row(server, ""), figure));
        [name.to_string()].into_iter().chain(cells).collect::<Vec<_>>()
    });
    markdown(&[vec![case.title.clone()], titles(FORWARDERS)].concat(), &lines)
}

fn table_of_goals(goals: &[Goal]) -> String {
    let mut text = String::from("| workload | goal | measured | |\n|---|---|---:|---|\n");
    for goal in goals {
        let _ =
            writeln!(text, "| {} | {} | {} | {} |", goal.workload, goal.goal, goal.shown(), goal.verdict());
    }
    text
}

/// How it is known that servers were measured, and not the load.
fn trust(results: &Results) -> String {
    let floods = ["cached-1", "cached-10k", "cached-10k-no-edns", "forwarded", "tcp-pipelined", "zone"];
    let rows: Vec<&Row> =
        floods.iter().filter_map(|id| results.case(id)).flat_map(|case| &case.rows).collect();
    let busy = |figure: &str| rows.iter().filter_map(|row| row.median(figure)).collect::<Vec<f64>>();
    let server = busy("busy").into_iter().fold(f64::INFINITY, f64::min);
    let load = busy("load_busy").into_iter().fold(0.0, f64::max);
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "Medians of alternating runs; [`result.json`](result.json) has their spread, with latencies, \
         losses and shares of user and system time. CPU time is the kernel's own account of the server's processes. \
         Where queries come as fast as they are answered, the server's core was busy for at least {:.0} % of the time, \
         and the load had work for at most {:.0} %: it was the servers that were measured.\n",
        server * 100.0,
        load * 100.0,
    )
}
