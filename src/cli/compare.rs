//! `dnsfwd compare`: asks the old server and the new one the same questions, and shows where they differ and why.
//! Reads files and arguments, asks nobody but these two and the control socket.

use std::fs::File;
use std::io::{BufReader, IsTerminal, Write, stderr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use self::reasons::Reasons;
use super::text::count;
use super::{Common, Exit, print, seam, show_on_stderr};
use crate::compare::capture;
use crate::compare::client::{Client, Transport};
use crate::compare::course::Course;
use crate::compare::generate::generate;
use crate::compare::judge::WORDS;
use crate::compare::question::{Gathering, Plan};
use crate::compare::report::{Ending, Report};
use crate::compare::run::{Asking, run as ask_all};
use crate::compare::{list, querylog};
use crate::config::units::{format_duration, parse_duration};
use crate::config::{Config, Diagnostic};
use crate::limits::{COMPARE_GATHERED, COMPARE_QUESTIONS, COMPARE_RATE, COMPARE_RATE_MAX};
use crate::serve::Offline;

mod reasons;
mod show;

/// DNS's own (RFC 1035 section 4.2).
const PORT: u16 = 53;
/// How often progress is told where nobody watches a terminal.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
const PROGRESS_ON_TERMINAL: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub struct Arguments {
    /// The server that is to be replaced
    #[arg(value_name = "OLD[:PORT]", value_parser = server)]
    old: SocketAddr,
    /// The server that replaces it [default: the first listener of the configuration]
    #[arg(value_name = "NEW[:PORT]", value_parser = server)]
    new: Option<SocketAddr>,
    #[command(flatten)]
    source: Sources,
    /// Questions a second
    #[arg(long, value_name = "N", default_value_t = COMPARE_RATE,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(COMPARE_RATE_MAX)))]
    rate: u32,
    /// Ask at most so many questions, spread over their sources
    #[arg(long, value_name = "N", default_value_t = COMPARE_QUESTIONS, value_parser = limit)]
    limit: usize,
    /// How long an answer may take; within it, UDP asks three times
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = patience)]
    timeout: Duration,
    /// Ask over TCP instead of UDP
    #[arg(long)]
    tcp: bool,
    /// Ask with DO, and compare signatures, proofs and AD too
    #[arg(long)]
    dnssec: bool,
    /// Count differences of this kind as none; may be given several times
    #[arg(long, value_name = "KIND", value_parser = WORDS)]
    accept: Vec<String>,
    /// Show so many differences of each group; JSON has them all
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
}

/// Where questions come from; without any of these, from the configuration.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Sources {
    /// Ask what a file lists: NAME or NAME TYPE on each line
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Ask what clients asked in a capture (pcap, pcapng)
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Ask what a query log tells of (BIND 9, dnsmasq, Route 53 Resolver)
    #[arg(long, value_name = "FILE")]
    query_log: Option<PathBuf>,
}

impl Sources {
    fn is_file(&self) -> bool {
        self.questions.is_some() || self.pcap.is_some() || self.query_log.is_some()
    }
}

/// An address, with a port or without.
pub fn server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT)).or_else(|_| text.parse());
    address.map_err(|_| "write an address, such as 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:53".to_owned())
}

fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=COMPARE_GATHERED).contains(number));
    number.ok_or_else(|| format!("write a number from 1 to {COMPARE_GATHERED}"))
}

fn patience(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_millis(100)..=Duration::from_secs(30);
    let time = parse_duration(text).map_err(|fault| fault.to_string())?;
    let within =
        || format!("write {} to {}", format_duration(*bounds.start()), format_duration(*bounds.end()));
    bounds.contains(&time).then_some(time).ok_or_else(within)
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let files = seam::offline(&common.config);
    let needed = arguments.new.is_none() || !arguments.source.is_file();
    let files = match files {
        Err(faults) if needed => return Ok(cannot_go_on(&faults)),
        Err(faults) => {
            passed_over(&common.config, &faults);
            None
        }
        Ok(files) => Some(files),
    };
    let new = match (arguments.new, &files) {
        (Some(new), _) => new,
        (None, Some(files)) => first_listener(files.config())?,
        (None, None) => bail!("no configuration says where NEW is"),
    };
    if new == arguments.old {
        bail!("OLD and NEW are the same server, {new}");
    }
    let plan = gather(arguments, new, files.as_ref())?.pick(arguments.limit);
    let plan = if arguments.dnssec { plan.with_dnssec() } else { plan };
    if plan.questions.is_empty() {
        bail!("there is nothing to ask: no source has a question that can be compared");
    }
    let reasons = Reasons::new(common, new, files);
    let report = compare(arguments, new, plan, reasons)?;
    print(common, &report, |report| show::show(report, arguments.examples))?;
    Ok(match report.end {
        Ending::Silent => Exit::Trouble,
        _ if report.differences > 0 => Exit::Findings,
        Ending::Interrupted => Exit::Trouble,
        Ending::Whole => Exit::Clean,
    })
}

fn cannot_go_on(faults: &[Diagnostic]) -> Exit {
    show_on_stderr(faults);
    eprintln!("\ndnsfwd: questions and NEW come from the configuration, and that has faults");
    Exit::Trouble
}

/// Nothing needs the configuration, and yet whoever has one that can't be read wants to know. Where there is none, as on
/// another machine, there is nothing to tell.
fn passed_over(config: &Path, faults: &[Diagnostic]) {
    if config.exists() {
        show_on_stderr(faults);
        eprintln!("\ndnsfwd: {} has faults, so that it gives no reasons for differences", config.display());
    }
}

/// Where a client on this machine reaches the configured server.
pub fn first_listener(config: &Config) -> anyhow::Result<SocketAddr> {
    let mut address = *config.server.listen.first().context("the configuration has no listener")?;
    if address.ip().is_unspecified() {
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        address.set_ip(loopback[usize::from(address.is_ipv6())]);
    }
    Ok(address)
}

fn gather(arguments: &Arguments, new: SocketAddr, files: Option<&Offline>) -> anyhow::Result<Gathering> {
    let mut gathering = Gathering::default();
    let Sources { questions, pcap, query_log } = &arguments.source;
    if let Some(path) = questions {
        gathering.begin(path.display().to_string());
        list::read(open(path)?, &mut gathering).with_context(|| path.display().to_string())?;
    } else if let Some(path) = pcap {
        gathering.begin(path.display().to_string());
        let ports = [PORT, arguments.old.port(), new.port()];
        let capture = capture::read(open(path)?.into_inner(), &ports, &mut gathering)
            .with_context(|| path.display().to_string())?;
        let ending = if capture.cut_short { "; it ends inside a packet" } else { "" };
        let (packets, queries) =
            (count(capture.packets as u64, "packet"), count(capture.questions as u64, "query"));
        eprintln!("{}: {packets}, {queries}{ending}", path.display());
    } else if let Some(path) = query_log {
        gathering.begin(path.display().to_string());
        let log = querylog::read(open(path)?, &mut gathering).with_context(|| path.display().to_string())?;
        let (queries, lines) = (count(log.questions as u64, "query"), count(log.passed_over as u64, "line"));
        eprintln!("{}: {}, {queries}, {lines} passed over", path.display(), log.kind.name());
    } else if let Some(files) = files {
        generate(files.config(), files.zones(), &mut gathering);
    }
    Ok(gathering)
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    Ok(BufReader::new(File::open(path).with_context(|| format!("{} can't be opened", path.display()))?))
}

fn compare(
    arguments: &Arguments,
    new: SocketAddr,
    plan: Plan,
    mut reasons: Reasons,
) -> anyhow::Result<Report> {
    let transport = if arguments.tcp { Transport::Tcp } else { Transport::Udp };
    let client = |server| Client { server, patience: arguments.timeout, transport };
    let asking = Asking { old: client(arguments.old), new: client(new), rate: arguments.rate };
    let mut report = Report::new(arguments.old, new, &plan);
    let mut course = Course::new(plan.questions);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let mut progress = Progress::new(arguments.rate);
    report.ended(runtime.block_on(ask_all(&mut course, &asking, |course| progress.tell(course))));
    progress.clear();
    report.seconds = begun.elapsed().as_secs_f64();
    let (tally, open) = course.finish();
    report.open = open;
    report.reasons = reasons.origin();
    report.take(tally, &arguments.accept, |question| reasons.reason(question));
    Ok(report)
}

/// How far it is, on standard error: one line that changes on a terminal, else a line now and then.
struct Progress {
    terminal: bool,
    rate: u32,
    begun: Instant,
    told: Instant,
    shown: bool,
}

impl Progress {
    fn new(rate: u32) -> Progress {
        let now = Instant::now();
        Progress { terminal: stderr().is_terminal(), rate, begun: now, told: now, shown: false }
    }

    fn tell(&mut self, course: &Course) {
        let every = if self.terminal { PROGRESS_ON_TERMINAL } else { PROGRESS_EVERY };
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        self.shown = true;
        let (asked, all) = course.progress();
        let differences = count(course.tally().findings.len() as u64, "difference");
        let left = super::text::duration(((all - asked) as u64).div_ceil(self.rate.into()));
        let passed = super::text::duration(self.begun.elapsed().as_secs());
        let line = format!("{asked} of {all} asked in {passed}, {differences} so far, {left} to go");
        // Nobody reads it: then nobody misses it.
        let _ = match self.terminal {
            true => write!(stderr(), "\r\x1b[K{line}"),
            false => writeln!(stderr(), "{line}"),
        };
    }

    fn clear(&self) {
        if self.terminal && self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_with_and_without_a_port() {
        let shown = |text: &str| server(text).map(|address| address.to_string());
        assert_eq!(shown("192.0.2.1").as_deref(), Ok("192.0.2.1:53"));
        assert_eq!(shown("192.0.2.1:5353").as_deref(), Ok("192.0.2.1:5353"));
        assert_eq!(shown("2001:db8::1").as_deref(), Ok("[2001:db8::1]:53"));
        assert_eq!(shown("[2001:db8::1]").as_deref(), Ok("[2001:db8::1]:53"));
        assert_eq!(shown("[2001:db8::1]:5353").as_deref(), Ok("[2001:db8::1]:5353"));
        assert!(server("ns.example").is_err() && server("192.0.2.1:70000").is_err());
    }

    #[test]
    fn bounds_of_arguments() {
        assert_eq!(limit("1000000"), Ok(1_000_000));
        assert!(limit("0").is_err() && limit("1000001").is_err() && limit("x").is_err());
        assert_eq!(patience("500ms"), Ok(Duration::from_millis(500)));
        assert!(patience("1ms").is_err() && patience("1m").is_err());
    }
}
