//! `dnsfwd demo`: a company, its cloud and a public resolver on loopback, in one process, without privileges,
//! network or files that stay. Shows the answers, then hands over to whoever sits there.

use std::io::{self, BufRead};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Context, bail};

use self::client::{Transport, ask};
use self::company::Company;
use self::files::Folder;
use self::tour::{Tour, describe};
use super::text::Paint;
use super::{Common, Exit, seam, status};
use crate::control::{self, Control, Core, Manner, rtype};

mod client;
mod company;
mod files;
mod tour;

/// Where the demo listens if it can: the port is 53's unprivileged namesake.
const WANTED_PORT: u16 = 5353;
const WANTED_METRICS_PORT: u16 = 9153;

#[derive(clap::Args)]
pub struct Arguments {
    /// Walk the tour, let targets fall silent and come back, verify every answer, and end
    #[arg(long)]
    check: bool,
}

pub fn run(_common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let stage = Stage::build(if arguments.check { Ports::Any } else { Ports::Known })?;
    println!("dnsfwd answers at {}; the rest of the company is played on loopback.\n", stage.listen);
    let mut tour = Tour::new(stage.listen, &stage.company, &*stage.core);
    tour.walk();
    if !arguments.check {
        print!("{}", invitation(&stage));
        converse(&stage, &mut tour)?;
        return Ok(Exit::Clean);
    }
    tour.fail_over();
    Ok(conclude(&tour.finish().faults))
}

fn conclude(faults: &[String]) -> Exit {
    match faults {
        [] => {
            println!("\nall answers were right");
            Exit::Clean
        }
        faults => {
            println!("\n{} wrong:", faults.len());
            faults.iter().for_each(|fault| println!("  {fault}"));
            Exit::Trouble
        }
    }
}

/// All that runs, ended in order when dropped.
struct Stage {
    listen: SocketAddr,
    metrics: SocketAddr,
    company: Company,
    core: std::sync::Arc<dyn Core>,
    control: Option<Control>,
    folder: Folder,
}

impl Stage {
    fn build(ports: Ports) -> anyhow::Result<Stage> {
        let company = company::start().context("the demo's name servers can't listen on loopback")?;
        let listen = free_dns_address(ports).context("no port of 127.0.0.1 is free for UDP and TCP")?;
        let metrics = free_metrics_address(ports).context("no port of 127.0.0.1 is free for metrics")?;
        let folder = Folder::make().context("the demo needs a temporary folder for its socket")?;
        folder.write(listen, metrics, &company).context("the demo's files can't be written")?;
        let Some(prepared) = seam::prepare(&folder.config()) else {
            bail!("the demo's own configuration has faults; please report this");
        };
        // Its warnings are not shown: the demo is meant to be as it is.
        let server = seam::start(prepared)?;
        let control = control::start(server.core.clone(), server.drain, Manner::Guest)?;
        Ok(Stage { listen, metrics, company, core: server.core, control: Some(control), folder })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(control) = self.control.take() {
            control.stop();
            control.wait();
        }
    }
}

/// Where to listen: a person wants ports that can be remembered, checks run beside each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ports {
    Known,
    Any,
}

impl Ports {
    fn address(self, known: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, if self == Ports::Known { known } else { 0 }))
    }
}

fn free_dns_address(ports: Ports) -> io::Result<SocketAddr> {
    let wanted = ports.address(WANTED_PORT);
    let probe = company::bind_both(wanted).or_else(|_| company::bind_any_port(wanted.ip()))?;
    probe.0.local_addr()
}

fn free_metrics_address(ports: Ports) -> io::Result<SocketAddr> {
    let wanted = ports.address(WANTED_METRICS_PORT);
    let probe = TcpListener::bind(wanted).or_else(|_| TcpListener::bind((wanted.ip(), 0)))?;
    probe.local_addr()
}

fn invitation(stage: &Stage) -> String {
    let (address, port) = (stage.listen.ip(), stage.listen.port());
    let program = std::env::current_exe().unwrap_or_else(|_| Path::new("dnsfwd").to_owned());
    let (program, socket) = (program.display(), stage.folder.socket());
    let (socket, metrics) = (socket.display(), stage.metrics);
    format!(
        "
In another terminal:
  dig @{address} -p {port} web1.awsanycompany.corp
  dig @{address} -p {port} +tcp websrv.anycompany.corp
  {program} status --socket {socket}
  {program} explain web2.awsanycompany.corp --socket {socket}
  {program} flush awsanycompany.corp --tree --socket {socket}
  curl http://{metrics}/metrics

Here:
  stop 1, start 1     let a target fall silent, and speak again (1 or 2)
  try                 ask 20 names that are not in the cache, and show the slowest
  ask NAME [TYPE]     ask one name
  status              show targets, cache and counts
  quit                or Ctrl-C
"
    )
}

/// What the person at the terminal wants.
enum Wish {
    Line(String),
    Quit,
}

/// Heeds what is typed until the end of input, `quit` or Ctrl-C.
fn converse(stage: &Stage, tour: &mut Tour<'_>) -> anyhow::Result<()> {
    let (sender, wishes) = mpsc::channel();
    listen_to_signals(sender.clone()).context("signals can't be heeded")?;
    thread::spawn(move || listen_to_lines(&sender));
    for wish in wishes {
        match wish {
            Wish::Line(line) if !matches!(line.trim(), "quit" | "exit" | "q") => obey(stage, tour, &line),
            Wish::Line(_) | Wish::Quit => break,
        }
    }
    Ok(())
}

fn listen_to_lines(sender: &Sender<Wish>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        if sender.send(Wish::Line(line)).is_err() {
            return;
        }
    }
    // Nobody receives when the end was asked for by other means.
    let _ = sender.send(Wish::Quit);
}

fn listen_to_signals(sender: Sender<Wish>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate()).ok()?;
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            sender.send(Wish::Quit).ok()
        })
    })?;
    Ok(())
}

fn obey(stage: &Stage, tour: &mut Tour<'_>, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => {}
        ["stop", number] => switch(stage, number, Speech::Silent),
        ["start", number] => switch(stage, number, Speech::Speaks),
        ["try"] => drop(tour.ask_fresh(20)),
        ["ask", name] => ask_one(stage, name, "A"),
        ["ask", name, rtype] => ask_one(stage, name, rtype),
        ["status"] => print!("{}", status::show(&stage.core.status(), Paint::for_stdout())),
        _ => println!("  stop 1, start 1, try, ask NAME [TYPE], status or quit"),
    }
}

#[derive(Clone, Copy)]
enum Speech {
    Silent,
    Speaks,
}

fn switch(stage: &Stage, number: &str, speech: Speech) {
    let Some(target) = tour::target(&stage.company, number) else {
        return println!("  targets are 1 and 2");
    };
    match speech {
        Speech::Silent => target.fall_silent(),
        Speech::Speaks => target.speak(),
    }
    let state = if target.is_silent() { "silent" } else { "speaks" };
    println!("  target {number} ({}): {state}", target.address);
}

fn ask_one(stage: &Stage, name: &str, rtype: &str) {
    match rtype::parse(rtype) {
        Some(number) => println!("  {}", describe(&ask(stage.listen, name, number, Transport::Udp))),
        None => println!("  '{rtype}' is not a record type"),
    }
}
