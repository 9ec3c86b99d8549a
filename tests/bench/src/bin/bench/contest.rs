//! Servers side by side: all are started and warmed up, then each is measured in turn, run after run, so that
//! what changes on the machine meanwhile meets all of them.

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
    /// Each is a row of its own.
    pub measured: Vec<Measured>,
}

pub struct Measured {
    pub variant: String,
    pub load: Load,
}

/// An entrant with its rows, and its server as long as that is well.
struct Seat {
    entrant: Entrant,
    rows: Vec<Row>,
    server: Option<Server>,
}

impl Seat {
    fn new(entrant: Entrant) -> Seat {
        let row = |measured: &Measured| {
            let variants = [entrant.variant.as_str(), measured.variant.as_str()];
            let variants: Vec<&str> = variants.into_iter().filter(|variant| !variant.is_empty()).collect();
            Row::new(entrant.peer.name, &variants.join(", "))
        };
        Seat { rows: entrant.measured.iter().map(row).collect(), entrant, server: None }
    }

    fn fail(&mut self, fault: &anyhow::Error) {
        eprintln!("  {} failed: {fault:#}", self.entrant.peer.name);
        for row in &mut self.rows {
            row.failed = Some(format!("{fault:#}"));
        }
        self.server = None;
    }
}

pub fn contest(setting: &Setting, entrants: Vec<Entrant>) -> Result<Vec<Row>> {
    contest_with(setting, entrants, |_, _| Ok(Figures::new()))
}

/// `once` looks at each server after each load of its warm-up and adds to its figures.
pub fn contest_with(
    setting: &Setting,
    entrants: Vec<Entrant>,
    once: impl Fn(&Server, &Report) -> Result<Figures>,
) -> Result<Vec<Row>> {
    let mut seats: Vec<Seat> = entrants.into_iter().map(Seat::new).collect();
    for (number, seat) in seats.iter_mut().enumerate() {
        match prepare(setting, number + 1, &seat.entrant, &once) {
            Ok((server, figures)) => {
                seat.server = Some(server);
                seat.rows.iter_mut().for_each(|row| row.add(figures.clone()));
            }
            Err(fault) => seat.fail(&fault),
        }
        stop_if_interrupted()?;
    }
    for run in 0..setting.runs {
        seats.iter_mut().for_each(|seat| measure_seat(setting, seat, run));
        stop_if_interrupted()?;
    }
    Ok(seats.into_iter().flat_map(|seat| seat.rows).collect())
}

fn measure_seat(setting: &Setting, seat: &mut Seat, run: usize) {
    for index in 0..seat.rows.len() {
        let Some(server) = &mut seat.server else { return };
        let load = setting.aimed(&seat.entrant.measured[index].load, server, run);
        match measure(setting, server, &load) {
            Ok(figures) => seat.rows[index].add(figures),
            Err(fault) => seat.fail(&fault),
        }
    }
}

/// Starts a server and warms it up.
pub fn prepare(
    setting: &Setting,
    number: usize,
    entrant: &Entrant,
    once: &impl Fn(&Server, &Report) -> Result<Figures>,
) -> Result<(Server, Figures)> {
    let server = Server::start(&setting.scene, number, entrant.peer, &entrant.role, &entrant.cores)?;
    let mut figures = Figures::from([
        ("start_ms".into(), server.start_time.as_secs_f64() * 1e3),
        ("idle_mb".into(), server.memory()? as f64 / 1e6),
    ]);
    for load in &entrant.warm_up {
        let report = setting.scene.run(&setting.aimed(load, &server, 0)).context("while it was warmed up")?;
        ensure!(report.answered > 0, "it answers nothing while it is warmed up");
        figures.extend(once(&server, &report)?);
    }
    Ok((server, figures))
}

pub fn measure(setting: &Setting, server: &mut Server, load: &Load) -> Result<Figures> {
    let before = server.cpu()?;
    let report = setting.scene.run(load)?;
    let after = server.cpu()?;
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
        ("busy".into(), cpu / report.elapsed.as_secs_f64()),
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
