//! What matters most of the results, for those who read no tables of measurements: who waits when a target dies, and
//! what a query costs. The figures are those of the full tables.

use super::{FORWARDERS, markdown};
use crate::cases::live::WEATHERS;
use crate::figures::Row;
use crate::peers;
use crate::results::{CaseResult, Results};
use crate::table::{number, thousands};

/// Where queries come as fast as they are answered, and where they come at a rate: who is best differs.
const COSTS: [&str; 4] = ["cached-10k", "forwarded", "mix-5ms", "latency"];

pub fn text(results: &Results) -> String {
    let live = results.case("live").and_then(live).unwrap_or_default();
    let costs = COSTS.iter().filter_map(|id| cost(results.case(id)?));
    format!("{live}\nCPU time for a query:\n\n{}", costs.collect::<String>())
}

/// The usual load, and of its columns those that a client would ask for.
fn live(case: &CaseResult) -> Option<String> {
    let variant = WEATHERS[0].variant();
    let rows: Vec<&Row> = FORWARDERS.iter().filter_map(|server| case.row(server, &variant)).collect();
    let sent = rows.iter().find_map(|row| Some(row.median("first_sent")? + row.median("second_sent")?))?;
    let head = [
        format!("{variant}; one of two silent"),
        format!("lost of {}", thousands(sent)),
        "SERVFAIL".into(),
        "p99 ms".into(),
        "slowest ms".into(),
        "both silent: first failure after s".into(),
    ];
    let line = |row: &&Row| -> Vec<String> {
        let name = peers::find(&row.server).map_or_else(|| row.server.clone(), |peer| peer.title.into());
        let shown = |figure: &str, form: &dyn Fn(f64) -> String| {
            row.median(figure).map_or_else(|| "never".into(), form)
        };
        match row.failed {
            Some(_) => vec![name, "failed".into()],
            None => vec![
                name,
                shown("lost", &thousands),
                shown("servfail", &thousands),
                shown("p99_ms", &number),
                shown("max_ms", &number),
                shown("fail_first_ms", &|ms| format!("{:.2}", ms / 1e3)),
            ],
        }
    };
    Some(markdown(&head, &rows.iter().map(line).collect::<Vec<_>>()))
}

/// Our processor time for a query, beside the next best server's and BIND's.
fn cost(case: &CaseResult) -> Option<String> {
    let of = |server: &str| case.row(server, "").filter(|row| row.failed.is_none())?.median("cpu_us");
    let ours = of("dnsfwd")?;
    let others = FORWARDERS.iter().filter(|server| !matches!(**server, "floor" | "dnsfwd"));
    let (best, least) = others
        .filter_map(|server| Some((*server, of(server)?)))
        .min_by(|(_, one), (_, other)| one.total_cmp(other))?;
    let title = peers::find(best).map_or(best, |peer| peer.title);
    let bind = match of("bind") {
        Some(bind) if best != "bind" => format!(", {:.2} of BIND's", ours / bind),
        _ => String::new(),
    };
    Some(format!("- {}: {} µs, {:.2} of {title}'s{bind}.\n", case.title, number(ours), ours / least))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::figures::Figures;

    fn row(server: &str, variant: &str, figures: &[(&str, f64)]) -> Row {
        let mut row = Row::new(server, variant);
        row.add(figures.iter().map(|(name, value)| ((*name).to_string(), *value)).collect::<Figures>());
        row
    }

    fn case(rows: Vec<Row>) -> CaseResult {
        let (id, title, date) = (String::new(), "From cache".into(), String::new());
        CaseResult { id, title, date, runs: 1, seconds: 1.0, versions: BTreeMap::new(), failed: None, rows }
    }

    #[test]
    fn ours_is_set_beside_the_best_of_the_others_and_bind() {
        let rows = [("floor", 1.0), ("dnsfwd", 3.0), ("unbound", 4.0), ("bind", 6.0)];
        let rows = rows.map(|(server, cpu)| row(server, "", &[("cpu_us", cpu)])).to_vec();
        let text = cost(&case(rows)).expect("it is there");
        assert_eq!(text, "- From cache: 3.00 µs, 0.75 of Unbound's, 0.50 of BIND's.\n");
    }

    #[test]
    fn the_table_has_a_line_for_each_server_and_what_never_happened_says_so() {
        let variant = WEATHERS[0].variant();
        let sent = [("first_sent", 5000.0), ("second_sent", 5000.0), ("lost", 1234.0)];
        let rows = vec![row("bind", &variant, &sent), row("dnsfwd", &variant, &[("fail_first_ms", 1040.0)])];
        let text = live(&case(rows)).expect("it has rows");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("| lost of 10,000 |"), "{text}");
        assert!(lines[2].starts_with("| dnsfwd |") && lines[2].ends_with("| 1.04 |"), "{text}");
        assert!(lines[3].starts_with("| BIND | 1,234 |") && lines[3].ends_with("| never |"), "{text}");
    }
}
