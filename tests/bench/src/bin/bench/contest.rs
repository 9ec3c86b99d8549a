//! Servers side by side: all are started and warmed up, then each is measured in turn, run after run, so that
//! what changes on the machine meanwhile meets all of them.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use dnsfwd_bench::stream::{Load, Report};

use crate::figures::{Figures, Row};
use crate::peers::{Peer, Role};
use crate::scene::stop_if_interrupted;
use crate::server::Server;
use crate::setting::Setting;

pub struct Entrant {
    pub peer: &'static Peer,
    pub variant: String,
    pub role: Role,
    pub cores: Vec<usize>,
    pub warm_up: Vec<Load>,
    pub measured: Load,
}

/// An entrant that runs, or the reason why it no longer does.
struct Seat {
    row: Row,
    entrant: Entrant,
    server: Option<Server>,
}

impl Seat {
    fn fail(&mut self, fault: &anyhow::Error) {
        eprintln!("  {}: failed: {fault:#}", self.row.label());
        self.row.failed = Some(format!("{fault:#}"));
        self.server = None;
    }
}

pub fn contest(setting: &Setting, entrants: Vec<Entrant>) -> Result<Vec<Row>> {
    contest_with(setting, entrants, |_, _| Ok(Figures::new()))
}

/// `once` looks at each server after its warm-up and adds to its figures.
pub fn contest_with(
    setting: &Setting,
    entrants: Vec<Entrant>,
    once: impl Fn(&Server, &Report) -> Result<Figures>,
) -> Result<Vec<Row>> {
    let mut seats = Vec::new();
    for (number, entrant) in entrants.into_iter().enumerate() {
        stop_if_interrupted()?;
        let mut seat = Seat { row: Row::new(entrant.peer.name, &entrant.variant), entrant, server: None };
        match seat_down(setting, number + 1, &mut seat, &once) {
            Ok(server) => seat.server = Some(server),
            Err(fault) => seat.fail(&fault),
        }
        seats.push(seat);
    }
    for run in 0..setting.runs {
        for seat in &mut seats {
            stop_if_interrupted()?;
            let Some(server) = &mut seat.server else { continue };
            let load = setting.aimed(&seat.entrant.measured, server, run);
            match measure(setting, server, &load) {
                Ok(figures) => seat.row.add(figures),
                Err(fault) => seat.fail(&fault),
            }
        }
    }
    Ok(seats.into_iter().map(|seat| seat.row).collect())
}

fn seat_down(
    setting: &Setting,
    number: usize,
    seat: &mut Seat,
    once: &impl Fn(&Server, &Report) -> Result<Figures>,
) -> Result<Server> {
    let entrant = &seat.entrant;
    let server = Server::start(&setting.scene, number, entrant.peer, &entrant.role, &entrant.cores)?;
    let mut figures = Figures::from([
        ("start_ms".into(), server.start_time.as_secs_f64() * 1e3),
        ("idle_mb".into(), server.memory()? as f64 / 1e6),
    ]);
    for load in &entrant.warm_up {
        let load = setting.aimed(load, &server, 0);
        let report = setting.scene.run(&load).context("while it was warmed up")?;
        ensure!(report.answered > 0, "it answers nothing while it is warmed up");
        figures.extend(once(&server, &report)?);
    }
    seat.row.add(figures);
    Ok(server)
}

pub fn measure(setting: &Setting, server: &mut Server, load: &Load) -> Result<Figures> {
    let before = server.cpu()?;
    let begin = Instant::now();
    let report = setting.scene.run(load)?;
    let after = server.cpu()?;
    let wall = begin.elapsed().as_secs_f64();
    server.alive()?;
    ensure!(report.answered > 0, "it answers nothing: {} sent", report.sent);
    let cpu = after.total - before.total;
    let (user, system) = (after.user - before.user, after.system - before.system);
    let micros = cpu * 1e6 / report.answered as f64;
    let mut figures = account(&report);
    figures.extend([
        ("cpu_us".into(), micros),
        ("user_us".into(), micros * user / (user + system).max(f64::MIN_POSITIVE)),
        ("system_us".into(), micros * system / (user + system).max(f64::MIN_POSITIVE)),
        ("busy".into(), cpu / wall),
    ]);
    Ok(figures)
}

/// What the load saw.
pub fn account(report: &Report) -> Figures {
    if let Some(sample) = report.samples.first() {
        eprintln!("  a wrong reply: {sample}");
    }
    Figures::from([
        ("qps".into(), report.per_second()),
        ("p50_us".into(), report.latency.quantile(0.5)),
        ("p99_us".into(), report.latency.quantile(0.99)),
        ("p999_us".into(), report.latency.quantile(0.999)),
        ("max_us".into(), report.latency.max_ms() * 1e3),
        ("gap_ms".into(), report.gap.as_secs_f64() * 1e3),
        ("sent".into(), report.sent as f64),
        ("lost".into(), report.lost as f64),
        ("wrong".into(), report.wrong as f64),
        ("load_busy".into(), 1.0 - report.idle.as_secs_f64() / report.elapsed.as_secs_f64()),
        ("stall_ms".into(), report.stall.as_secs_f64() * 1e3),
    ])
}
