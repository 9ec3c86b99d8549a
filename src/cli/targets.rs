//! `dnsfwd targets`: lists the targets of the running server, takes one out of use, and puts it back.

use std::time::Duration;

use anyhow::bail;

use super::status::{paint_state, state_word};
use super::text::{Paint, columns, duration, milliseconds};
use super::{Common, Exit, print};
use crate::config::units::{format_duration, parse_duration};
use crate::control::client::ask;
use crate::control::protocol::Request;
use crate::control::report::{Drained, EndpointStatus, TargetStatus, Targets};

/// Longer than any repair; what is to stay out of use is taken out of the configuration.
const LONGEST_DRAIN: Duration = Duration::from_secs(30 * 86_400);

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show all targets: state, answer times, drains (the default)
    List,
    /// Send a target no new queries: for work on it, or to be rid of one that answers wrongly
    Drain {
        #[command(flatten)]
        which: Which,
        /// Until then, such as 90s, 30m or 1h; else until it is enabled
        #[arg(long = "for", value_name = "DURATION", value_parser = drain_length)]
        length: Option<Duration>,
    },
    /// Send a drained target queries again
    Enable {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(clap::Args)]
struct Which {
    /// The target's address; all its ports unless one is written
    #[arg(value_name = "ADDRESS[:PORT]")]
    address: String,
    /// Of this endpoint alone
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let request = match &arguments.action {
        None | Some(Action::List) => Request::Targets,
        Some(Action::Drain { which: Which { address, endpoint }, length }) => Request::Drain {
            address: address.clone(),
            endpoint: endpoint.clone(),
            seconds: length.map(|length| length.as_secs()),
        },
        Some(Action::Enable { which: Which { address, endpoint } }) => {
            Request::Enable { address: address.clone(), endpoint: endpoint.clone() }
        }
    };
    let targets: Targets = ask(&common.socket(), &request)?;
    print(common, &targets, |targets| show(targets, Paint::for_stdout()))?;
    for warning in &targets.warnings {
        eprintln!("dnsfwd: {warning}");
    }
    Ok(if targets.warnings.is_empty() { Exit::Clean } else { Exit::Findings })
}

/// Whole seconds: a drain is a matter of minutes.
fn drain_length(text: &str) -> anyhow::Result<Duration> {
    let length = parse_duration(text)?;
    if length < Duration::from_secs(1) || length > LONGEST_DRAIN {
        bail!("write 1s to {}", format_duration(LONGEST_DRAIN));
    }
    Ok(length)
}

fn show(targets: &Targets, paint: Paint) -> String {
    let all = || targets.endpoints.iter().flat_map(with_name);
    let rows: Vec<Vec<String>> = all().map(|(name, target)| row(name, target)).collect();
    let lines = columns(&rows).into_iter().zip(all());
    lines.map(|(line, (_, target))| format!("{}\n", paint_state(&line, target.state, paint))).collect()
}

fn with_name(endpoint: &EndpointStatus) -> impl Iterator<Item = (&str, &TargetStatus)> {
    endpoint.targets.iter().map(|target| (endpoint.name.as_str(), target))
}

fn row(endpoint: &str, target: &TargetStatus) -> Vec<String> {
    vec![
        target.address.to_string(),
        endpoint.to_owned(),
        target.az.clone().unwrap_or_else(|| "-".to_owned()),
        state_word(target.state).to_owned(),
        format!("rtt {}", milliseconds(target.rtt_ms)),
        target.drained.as_ref().map_or_else(|| "in use".to_owned(), drained),
    ]
}

/// Until when, in words.
pub fn drained(drained: &Drained) -> String {
    match drained.left_secs {
        Some(secs) => format!("drained for another {}", duration(secs)),
        None => "drained until it is enabled".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fake;

    #[test]
    fn one_line_a_target() {
        let mut endpoints = fake::status().endpoints;
        let mut second = endpoints[0].targets[0].clone();
        second.address = "10.0.2.250:53".parse().expect("literal");
        (second.az, second.drained) = (None, Some(Drained { left_secs: Some(3_540) }));
        let mut third = second.clone();
        third.drained = Some(Drained { left_secs: None });
        endpoints[0].targets.extend([second, third]);
        let page = show(&Targets { endpoints, warnings: Vec::new() }, Paint::Plain);
        let expected = "\
10.0.1.250:53  aws-inbound  ap-northeast-2a  healthy  rtt 4.2 ms  in use
10.0.2.250:53  aws-inbound  -                healthy  rtt 4.2 ms  drained for another 59m
10.0.2.250:53  aws-inbound  -                healthy  rtt 4.2 ms  drained until it is enabled
";
        assert_eq!(page, expected);
    }

    #[test]
    fn drains_have_bounds() {
        assert_eq!(drain_length("1h30m").expect("sound"), Duration::from_secs(5_400));
        for wrong in ["0s", "999ms", "31d", "an hour", ""] {
            assert!(drain_length(wrong).is_err(), "{wrong}");
        }
    }
}
