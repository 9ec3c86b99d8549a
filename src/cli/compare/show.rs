//! A comparison's report for people.

use crate::cli::text::{Paint, count, labelled, wrap};
use crate::compare::judge::Side;
use crate::compare::report::{Answer, Ending, Example, Group, Report};

/// Records of an answer that are shown; the rest is counted.
const RECORDS: usize = 6;

/// `examples`: how many differences of each group are shown.
pub fn show(report: &Report, examples: usize) -> String {
    let paint = Paint::for_stdout();
    let mut page = labelled("old", &[report.old.to_string()]);
    page += &labelled("new", &[report.new.to_string()]);
    page += &labelled("questions", &question_lines(report));
    page += &labelled("answers", &answer_lines(report, paint));
    if !report.folded.is_empty() {
        let folded: Vec<String> =
            report.folded.iter().map(|(what, times)| format!("{what} {times}")).collect();
        let folded = format!("of no consequence: {}", folded.join(", "));
        page += &labelled("", &wrap(&folded));
    }
    let mut groups = String::new();
    for group in &report.groups {
        groups += &group_lines(group, examples, paint);
    }
    if let Some(origin) = report.reasons.as_ref().filter(|_| !report.groups.is_empty()) {
        page += &labelled("reasons", &[format!("of NEW, from {origin}")]);
    }
    page += &groups;
    page += &apart("changes by itself, so that nothing follows from it", &report.changing, examples, paint);
    page += &apart("differed when asked first, and not when asked again", &report.passing, examples, paint);
    page += &neither(report, examples);
    page + &verdict(report, paint)
}

fn question_lines(report: &Report) -> Vec<String> {
    let all: usize = report.sources.iter().map(|source| source.questions).sum();
    let of =
        if all > report.questions { format!(" of {all}, spread over their sources") } else { String::new() };
    let mut lines = vec![format!("{}{of}", count(report.questions as u64, "question"))];
    for source in report.sources.iter().filter(|source| source.questions > 0) {
        let of = match source.asked == source.questions {
            true => String::new(),
            false => format!(" of {}", source.questions),
        };
        lines.push(format!("{}{of} from {}", source.asked, source.name));
    }
    if report.dnssec {
        lines.push("asked with DO: signatures and AD are compared too".to_owned());
    }
    if report.left_out > 0 {
        lines.push(format!("{} left out: ANY, transfers and the like can't be compared", report.left_out));
    }
    if report.beyond > 0 {
        lines.push(format!("{} more were not kept", report.beyond));
    }
    lines
}

fn answer_lines(report: &Report, paint: Paint) -> Vec<String> {
    let differences = match report.differences {
        0 => paint.good("none differs"),
        number => paint.bad(&format!("{number} differ")),
    };
    let mut line = format!("{} the same, {differences}", report.same);
    let accepted: usize = report.groups.iter().filter(|group| group.accepted).map(|group| group.count).sum();
    for (number, what) in [
        (accepted, "differ as accepted"),
        (report.changing.len(), "change by themselves"),
        (report.passing.len(), "differed once only"),
        (report.neither.len(), "answered by neither"),
        (report.open, "without a result"),
    ] {
        if number > 0 {
            line += &format!(", {number} {what}");
        }
    }
    let mut lines = wrap(&line);
    lines.push(format!("in {:.1} s", report.seconds));
    lines
}

fn group_lines(group: &Group, examples: usize, paint: Paint) -> String {
    let accepted = if group.accepted { " (accepted)" } else { "" };
    let mut page = format!("\n{}{accepted}\n", paint.bold(&format!("{} × {}", group.count, group.what)));
    if let Some(reason) = &group.reason {
        let endpoint = reason.endpoint.as_ref().map(|endpoint| format!(" to endpoint {endpoint}"));
        let place = reason.place.as_ref().map(|place| format!(" ({place})"));
        let view = reason.view.as_ref().map(|view| format!(" of view {view}"));
        let of = [view, endpoint, place].map(Option::unwrap_or_default).concat();
        let line = format!("NEW: {}{of}", reason.what);
        page += &format!("  {line}\n");
        wrap(&reason.because).iter().for_each(|line| page += &format!("  {line}\n"));
    }
    page + &example_lines(&group.examples, examples)
}

fn example_lines(all: &[Example], examples: usize) -> String {
    let mut page = String::new();
    for example in all.iter().take(examples) {
        page += &format!("    {} {}\n", example.name, example.rtype);
        page += &answer("old", &example.old);
        page += &answer("new", &example.new);
    }
    if all.len() > examples {
        page += &format!("    and {} more; --examples or --json shows them\n", all.len() - examples);
    }
    page
}

fn answer(side: &str, answer: &Answer) -> String {
    let flags: String = answer.flags.iter().map(|flag| format!(" {flag}")).collect();
    let mut page = format!("      {side}  {}{flags}\n", answer.outcome);
    // Beside data, the authority section says nothing about the question.
    let records = if answer.answers.is_empty() { &answer.authority } else { &answer.answers };
    records.iter().take(RECORDS).for_each(|record| page += &format!("           {record}\n"));
    if records.len() > RECORDS {
        page += &format!("           and {}\n", count((records.len() - RECORDS) as u64, "record"));
    }
    page
}

fn apart(what: &str, all: &[Example], examples: usize, paint: Paint) -> String {
    if all.is_empty() {
        return String::new();
    }
    format!("\n{}\n", paint.bold(&format!("{} × {what}", all.len()))) + &example_lines(all, examples)
}

fn neither(report: &Report, examples: usize) -> String {
    if report.neither.is_empty() {
        return String::new();
    }
    let shown = report.neither.iter().take(examples).map(|question| format!("    {question}\n"));
    let shown: String = shown.collect();
    format!("\n{} × neither server answers\n{shown}", report.neither.len())
}

fn verdict(report: &Report, paint: Paint) -> String {
    let line = match report.end {
        Ending::Silent => {
            let addresses = report.silent.iter().map(|side| match side {
                Side::Old => format!("OLD, {}", report.old),
                Side::New => format!("NEW, {}", report.new),
            });
            let who = addresses.collect::<Vec<_>>().join(", and ");
            paint.bad(&format!("given up: no answer from {who}"))
        }
        Ending::Interrupted => paint.doubtful("interrupted: this is what was found so far"),
        _ if report.differences == 0 => paint.good("no difference that a client would notice"),
        _ => {
            paint.bad(&format!("{} that clients may notice", count(report.differences as u64, "difference")))
        }
    };
    format!("\n{line}\n")
}
