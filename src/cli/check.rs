//! `dnsfwd check`: every fault of the configuration and zone files, at once. Starts nothing, asks nobody.

use super::text::{Paint, count, labelled};
use super::{Common, Exit, print, seam};
use crate::config::diagnostic::{self, Severity};
use crate::control::report::{Check, Facts};

#[derive(clap::Args)]
pub struct Arguments {
    /// End with 0 when there are warnings but no errors, as a service's start wants it
    #[arg(long)]
    allow_warnings: bool,
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let check = seam::check(&common.config);
    print(common, &check, |check| show(check, Paint::for_stdout()))?;
    match exit(&check) {
        Exit::Findings if arguments.allow_warnings => Ok(Exit::Clean),
        exit => Ok(exit),
    }
}

fn exit(check: &Check) -> Exit {
    match check.diagnostics.iter().map(|fault| fault.severity).min() {
        Some(Severity::Error) => Exit::Trouble,
        Some(Severity::Warning) => Exit::Findings,
        None => Exit::Clean,
    }
}

fn show(check: &Check, paint: Paint) -> String {
    let mut page = diagnostic::render(&check.diagnostics, paint == Paint::Color);
    if !page.is_empty() {
        page.push('\n');
    }
    page.push_str(&verdict(check));
    if let Some(facts) = &check.facts {
        page.push_str(&show_facts(facts));
    }
    page
}

fn verdict(check: &Check) -> String {
    let errors = check.diagnostics.iter().filter(|fault| fault.severity == Severity::Error).count() as u64;
    let warnings = check.diagnostics.len() as u64 - errors;
    match (errors, warnings) {
        (0, 0) => "no faults\n".to_owned(),
        (0, _) => format!("{}, no error: this can be served\n", count(warnings, "warning")),
        _ => {
            format!("{}, {}: nothing of this is served\n", count(errors, "error"), count(warnings, "warning"))
        }
    }
}

fn show_facts(facts: &Facts) -> String {
    let mut page = String::new();
    let listeners: Vec<String> = facts.listeners.iter().map(ToString::to_string).collect();
    page.push_str(&labelled("configuration", std::slice::from_ref(&facts.hash)));
    page.push_str(&labelled("listeners", &listeners));
    let zones: Vec<String> = facts.zones.iter().map(super::status::zone_line).collect();
    page.push_str(&labelled("zones", &zones));
    page.push_str(&labelled("rules", &[facts.rules.to_string()]));
    let targets = format!("{} with {}", facts.endpoints, count(facts.targets, "target"));
    page.push_str(&labelled("endpoints", &[targets]));
    let taken: Vec<String> =
        facts.builtin_overridden.iter().map(|row| format!("{} goes to {}", row.domain, row.by)).collect();
    page.push_str(&labelled("built-in", &taken));
    let kept = format!(
        "{} answered here (RFC 6761, RFC 6303; --json lists them)",
        count(facts.builtin.len() as u64, "name")
    );
    page.push_str(&labelled(if taken.is_empty() { "built-in" } else { "" }, &[kept]));
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Diagnostic;

    fn fault(severity: Severity) -> Diagnostic {
        Diagnostic {
            severity,
            code: "unknown-key".into(),
            file: "dnsfwd.toml".into(),
            line: 3,
            column: 1,
            length: 6,
            source_line: "listen = []".into(),
            message: "unknown key `lisen`".into(),
            help: "did you mean `listen`?".into(),
        }
    }

    #[test]
    fn the_worst_fault_decides_the_exit() {
        let found = |severities: &[Severity]| {
            exit(&Check { diagnostics: severities.iter().copied().map(fault).collect(), ..Check::default() })
        };
        assert_eq!(found(&[]), Exit::Clean);
        assert_eq!(found(&[Severity::Warning]), Exit::Findings);
        assert_eq!(found(&[Severity::Warning, Severity::Error]), Exit::Trouble);
    }

    #[test]
    fn faults_come_with_their_count() {
        let check = Check { diagnostics: vec![fault(Severity::Error)], ..Check::default() };
        let page = show(&check, Paint::Plain);
        assert!(page.ends_with("1 error, 0 warnings: nothing of this is served\n"), "{page}");
        assert!(page.contains("did you mean `listen`?"), "{page}");
    }
}
