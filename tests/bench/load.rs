//! The load generator: one stream of queries at one server, and what came of it as one line of JSON.

#[path = "mod.rs"]
mod bench;

use std::time::Duration;

use bench::arguments::Arguments;
use bench::stream::{Load, Remote, cpu_seconds, run};

const USAGE: &str = "load --server ADDRESS:PORT
  --suffix DOMAIN   names are n0.DOMAIN, n1.DOMAIN … [load.example]
  --names N         how many, asked in turn [1000]
  --unique          each query has a new name
  --first N         number of the first name [0]
  --rate Q          queries a second; 0: as fast as the window allows [0]
  --window N        outstanding queries per socket when there is no rate [64]
  --sockets N       [4]
  --seconds S       [5]
  --queries N       ends after so many
  --tcp             pipelined over TCP, one connection per socket
  --no-edns         without OPT
  --expect IP       the A record that each answer must begin with
  --patience S      after so long a query is lost [3]
  --pid N           tells the CPU time that this process took for a query";

fn main() {
    let given = Arguments::new(USAGE);
    let Some(server) = given.value("--server") else { given.fail("--server is missing") };
    let plain = Load::to(server);
    let load = Load {
        suffix: given.or("--suffix", plain.suffix),
        names: if given.flag("--unique") { 0 } else { given.or("--names", plain.names) },
        first: given.or("--first", 0),
        rate: given.or("--rate", plain.rate),
        window: given.or("--window", plain.window),
        sockets: given.or("--sockets", plain.sockets),
        seconds: given.or("--seconds", plain.seconds),
        queries: given.or("--queries", 0),
        tcp: given.flag("--tcp"),
        edns: !given.flag("--no-edns"),
        expect: given.value::<std::net::Ipv4Addr>("--expect").map(|ip| ip.octets()),
        patience: Duration::from_secs_f64(given.or("--patience", 3.0)),
        ..Load::to(server)
    };
    let pid: Option<u32> = given.value("--pid");
    let cpu = |pid| cpu_seconds(pid).unwrap_or_else(|fault| given.fail(&format!("process {pid}: {fault}")));
    let before = pid.map(cpu);
    let report = run(&load, &Remote::default()).unwrap_or_else(|fault| given.fail(&fault.to_string()));
    let mut json = report.json();
    if let (Some(pid), Some(before)) = (pid, before) {
        let micros = (cpu(pid) - before) * 1e6 / report.answered.max(1) as f64;
        json.insert_str(json.len() - 1, &format!(",\"cpu_us_per_query\":{micros:.3}"));
    }
    println!("{json}");
    if !report.lost_at.is_empty() {
        eprintln!("lost, sent at milliseconds {:?}", report.lost_at);
    }
    for sample in &report.samples {
        eprintln!("wrong: {sample}");
    }
}
