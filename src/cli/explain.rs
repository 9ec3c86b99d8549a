//! `dnsfwd explain`: what becomes of a question, and why. Asks the running server; without one, or when told
//! to, answers from the configuration files and says so.

use std::net::{AddrParseError, IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;

use super::status::{name_line, paint_state, state_word};
use super::text::{Paint, ago, columns, duration, labelled, milliseconds, wrap};
use super::{Common, Exit, print, seam, show_on_stderr};
use crate::control::Asking;
use crate::control::client::{AskError, ask};
use crate::control::protocol::Request;
use crate::control::report::{
    Access, Action, CacheEntry, Decision, Explanation, ListenerAccess, Place, RunnerUp, TargetChoice,
};
use crate::control::rtype;
use crate::wire::header::rcode_name;
use crate::wire::name::Name;

#[derive(clap::Args)]
pub struct Arguments {
    /// The name asked for
    name: String,
    /// The type asked for: a mnemonic or TYPEnnn
    #[arg(value_name = "TYPE", default_value = "A")]
    rtype: String,
    /// The address of the client that asks
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    client: IpAddr,
    /// The listener that the question arrives at, with its port if that is not 53; else all that differ are told of
    #[arg(long, value_name = "ADDRESS", value_parser = listener)]
    listener: Option<SocketAddr>,
    /// Answer from the configuration files, whether a server runs or not
    #[arg(long)]
    offline: bool,
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(explanation) = explanation(common, arguments)? else { return Ok(Exit::Trouble) };
    print(common, &explanation, |explanation| show(explanation, Paint::for_stdout()))?;
    Ok(Exit::Clean)
}

fn listener(text: &str) -> Result<SocketAddr, AddrParseError> {
    text.parse().or_else(|_| text.parse().map(|address: IpAddr| SocketAddr::new(address, 53)))
}

/// None when the configuration has faults, which then have been shown.
fn explanation(common: &Common, arguments: &Arguments) -> anyhow::Result<Option<Explanation>> {
    if arguments.offline {
        return offline(common, arguments);
    }
    let request = Request::Explain {
        name: arguments.name.clone(),
        rtype: arguments.rtype.clone(),
        client: arguments.client,
        listener: arguments.listener,
    };
    match ask(&common.socket(), &request) {
        // A socket that was named is meant; the files are no answer for that one.
        Err(AskError::NoServer { .. }) if common.socket.is_none() => offline(common, arguments),
        answer => Ok(Some(answer?)),
    }
}

fn offline(common: &Common, arguments: &Arguments) -> anyhow::Result<Option<Explanation>> {
    let name = Name::parse(&arguments.name).with_context(|| format!("'{}' is not a name", arguments.name))?;
    let rtype = rtype::parse(&arguments.rtype).with_context(|| {
        format!("'{}' is not a record type; write a mnemonic or TYPEnnn", arguments.rtype)
    })?;
    let asking = Asking { name, rtype, client: arguments.client, listener: arguments.listener };
    match seam::explain(&common.config, &asking) {
        Ok(explanation) => Ok(Some(explanation?)),
        Err(faults) => {
            show_on_stderr(&faults);
            eprintln!(
                "\ndnsfwd: no server answers, and the configuration has faults: nothing can be explained"
            );
            Ok(None)
        }
    }
}

pub fn show(explanation: &Explanation, paint: Paint) -> String {
    let Explanation { name, rtype, client, .. } = explanation;
    let at = explanation.listener.map_or_else(String::new, |listener| format!(" at {listener}"));
    let mut page = format!("{} asked by {client}{at}\n", paint.bold(&format!("{name} {rtype}")));
    if explanation.offline {
        page += &paint.doubtful("no server was asked: this is what the configuration files say\n");
    }
    page += &format!("{}\n\n", wrap(&explanation.summary).join("\n"));
    page += &labelled("view", &explanation.view.iter().cloned().collect::<Vec<_>>());
    page += &labelled("access", &access_lines(explanation, paint));
    page += &labelled("decision", &decision_lines(&explanation.decision));
    let mut zone = explanation.zone.iter().flat_map(|words| wrap(words)).collect::<Vec<_>>();
    zone.extend(explanation.zone_expired_secs.map(|secs| paint.bad(&format!("expired {}", ago(secs)))));
    page += &labelled("zone", &zone);
    page += &labelled("not", &runner_up_lines(&explanation.runners_up));
    page += &labelled("endpoint", &explanation.endpoint.iter().cloned().collect::<Vec<_>>());
    page += &labelled("names", &explanation.names.iter().map(name_line).collect::<Vec<_>>());
    page += &labelled("targets", &target_lines(&explanation.targets, paint));
    page += &labelled(
        "loop",
        &explanation.loops.iter().flat_map(|why| wrap(why)).map(|line| paint.bad(&line)).collect::<Vec<_>>(),
    );
    if matches!(explanation.decision.action, Action::Forward | Action::System) {
        page += &labelled("cache", &[cache_line(explanation.cache.as_ref(), explanation.offline)]);
        let followed = if explanation.follow_cname { "followed into" } else { "not followed into" };
        page += &labelled("CNAME", &[format!("{followed} other rules and zones")]);
    }
    page
}

/// One line, or one for each listener.
fn access_lines(explanation: &Explanation, paint: Paint) -> Vec<String> {
    if explanation.listeners.is_empty() {
        return vec![access(&explanation.access, paint)];
    }
    let row = |row: &ListenerAccess| vec![row.address.to_string(), access(&row.access, paint)];
    columns(&explanation.listeners.iter().map(row).collect::<Vec<_>>())
}

fn access(Access { allowed, network, list }: &Access, paint: Paint) -> String {
    match (allowed, network) {
        (true, Some(network)) => format!("allowed by {network}"),
        (true, None) => "allowed".to_owned(),
        (false, Some(element)) => format!("{} by {element} of {list}", paint.bad("refused")),
        (false, None) => format!("{}: nothing in {list} fits this client", paint.bad("refused")),
    }
}

fn decision_lines(decision: &Decision) -> Vec<String> {
    let what = match decision.action {
        Action::Zone => "answered from the zone",
        Action::Builtin => "answered here, as a built-in name:",
        Action::Forward => "forwarded by the rule",
        Action::System => "to the system endpoint, by the rule",
        Action::Refuse => "refused",
    };
    let mut lines =
        vec![format!("{what} {}", decision.domain.as_deref().unwrap_or_default()).trim_end().to_owned()];
    lines.extend(wrap(&decision.because));
    lines.extend(decision.place.as_ref().map(place));
    lines
}

fn runner_up_lines(runners_up: &[RunnerUp]) -> Vec<String> {
    let row = |other: &RunnerUp| {
        let at = other.place.as_ref().map(|at| format!(" ({})", place(at))).unwrap_or_default();
        vec![format!("{} {}", other.what, other.domain), format!("{}{at}", other.why_not)]
    };
    columns(&runners_up.iter().map(row).collect::<Vec<_>>())
}

fn place(place: &Place) -> String {
    match place.line {
        0 => place.file.display().to_string(),
        line => format!("{}:{line}", place.file.display()),
    }
}

/// Each target on a line, and below it why it stands there.
fn target_lines(targets: &[TargetChoice], paint: Paint) -> Vec<String> {
    let rows: Vec<Vec<String>> = targets.iter().enumerate().map(target_row).collect();
    let lines = columns(&rows).into_iter().zip(targets);
    let painted = |(line, target): (String, &TargetChoice)| {
        let line = target.state.map_or(line.clone(), |state| paint_state(&line, state, paint));
        [line, format!("   {}", target.because)]
    };
    lines.flat_map(painted).collect()
}

fn target_row((index, target): (usize, &TargetChoice)) -> Vec<String> {
    let mut row = vec![
        format!("{}. {}", index + 1, target.address),
        target.az.clone().unwrap_or_else(|| "-".to_owned()),
    ];
    if let Some(state) = target.state {
        let rtt = format!("rtt {}", milliseconds(target.rtt_ms));
        let times = [("95 % within", target.usual_ms), ("network", target.network_ms)].into_iter();
        let known = times.filter(|(_, time)| time.is_some());
        let times = known.map(|(what, time)| format!(", {what} {}", milliseconds(time)));
        row.extend([state_word(state).to_owned(), format!("{rtt}{}", times.collect::<String>())]);
    }
    row
}

fn cache_line(entry: Option<&CacheEntry>, offline: bool) -> String {
    match entry {
        None if offline => "unknown: no server was asked".to_owned(),
        None => "nothing kept".to_owned(),
        Some(entry) => {
            let left = match entry.ttl_left_secs {
                0 => "past its TTL".to_owned(),
                secs => format!("good for {}", duration(secs)),
            };
            let rcode = rcode_name(entry.rcode);
            format!("{rcode}, {} old, {left}, fetched by the rule {}", duration(entry.age_secs), entry.rule)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::report::TargetState;

    fn explanation() -> Explanation {
        let target = |address: &str, because: &str| TargetChoice {
            address: address.parse().expect("literal"),
            az: Some("ap-northeast-2a".into()),
            state: Some(TargetState::Healthy),
            rtt_ms: Some(4.2),
            usual_ms: Some(9.0),
            network_ms: None,
            outstanding: 0,
            because: because.into(),
        };
        Explanation {
            name: "web1.awsanycompany.corp".into(),
            rtype: "A".into(),
            client: IpAddr::from([10, 0, 0, 1]),
            listener: None,
            offline: false,
            view: None,
            access: Access {
                allowed: true,
                network: Some("10.0.0.0/8".into()),
                list: "[server] allow".into(),
            },
            listeners: Vec::new(),
            decision: Decision {
                action: Action::Forward,
                domain: Some("awsanycompany.corp".into()),
                view: None,
                because: "no longer name covers it".into(),
                place: Some(Place { file: "/etc/dnsfwd/dnsfwd.toml".into(), line: 12 }),
            },
            zone: None,
            zone_expired_secs: None,
            runners_up: vec![RunnerUp {
                what: "rule".into(),
                domain: ".".into(),
                why_not: "less specific".into(),
                place: None,
            }],
            endpoint: Some("aws-inbound".into()),
            names: Vec::new(),
            targets: vec![target("10.0.1.250:53", "same az"), target("10.0.2.250:53", "other az")],
            cache: Some(CacheEntry {
                age_secs: 3,
                ttl_left_secs: 57,
                rcode: 0,
                rule: "awsanycompany.corp".into(),
            }),
            follow_cname: true,
            loops: None,
            summary: "It is forwarded to aws-inbound.".into(),
        }
    }

    #[test]
    fn reads_from_what_to_why() {
        let expected = "\
web1.awsanycompany.corp A asked by 10.0.0.1
It is forwarded to aws-inbound.

access        allowed by 10.0.0.0/8
decision      forwarded by the rule awsanycompany.corp
              no longer name covers it
              /etc/dnsfwd/dnsfwd.toml:12
not           rule .  less specific
endpoint      aws-inbound
targets       1. 10.0.1.250:53  ap-northeast-2a  healthy  rtt 4.2 ms, 95 % within 9.0 ms
                 same az
              2. 10.0.2.250:53  ap-northeast-2a  healthy  rtt 4.2 ms, 95 % within 9.0 ms
                 other az
cache         NOERROR, 3s old, good for 57s, fetched by the rule awsanycompany.corp
CNAME         followed into other rules and zones
";
        assert_eq!(show(&explanation(), Paint::Plain), expected);
    }

    #[test]
    fn says_when_no_server_was_asked() {
        let page = show(&Explanation { offline: true, cache: None, ..explanation() }, Paint::Plain);
        assert!(page.contains("no server was asked: this is what the configuration files say\n"), "{page}");
        assert!(page.contains("cache         unknown"), "{page}");
    }
}
