//! The load generator: one stream of queries at one server, and what came of it as one line of JSON.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use dnsfwd_bench::stream::{A, AAAA, Load, Names, Remote, Rest, Transport, run};
use dnsfwd_bench::sys;

#[derive(Parser)]
#[command(about = "Asks one server, and tells what came of it as one line of JSON")]
struct Arguments {
    #[arg(long)]
    server: SocketAddr,
    /// Names are n0.SUFFIX, n1.SUFFIX …
    #[arg(long, default_value = "load.example")]
    suffix: String,
    /// How many names, asked in turn.
    #[arg(long, default_value_t = 1000)]
    names: u64,
    /// Each query has a new name.
    #[arg(long)]
    unique: bool,
    /// Number of the first name.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Labels r0, r1 … before the suffix.
    #[arg(long, default_value_t = 0)]
    rules: u64,
    /// Asks for AAAA instead of A.
    #[arg(long)]
    aaaa: bool,
    /// Queries a second; 0: as fast as the window allows.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Outstanding queries per socket when there is no rate.
    #[arg(long, default_value_t = 64)]
    window: usize,
    #[arg(long, default_value_t = 4)]
    sockets: usize,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Ends after so many.
    #[arg(long, default_value_t = 0)]
    queries: u64,
    /// Pipelined over TCP, one connection per socket.
    #[arg(long, conflicts_with = "tcp_each")]
    tcp: bool,
    /// One TCP connection for each query.
    #[arg(long)]
    tcp_each: bool,
    /// Without OPT.
    #[arg(long)]
    no_edns: bool,
    /// The A record that each answer must begin with.
    #[arg(long)]
    expect: Option<Ipv4Addr>,
    /// After so many seconds a query is lost.
    #[arg(long, default_value_t = 3.0)]
    patience: f64,
    /// Never sleeps.
    #[arg(long)]
    awake: bool,
    /// Tells the CPU time that this process took for a query.
    #[arg(long)]
    pid: Option<u32>,
}

fn main() -> anyhow::Result<()> {
    let given = Arguments::parse();
    let load = load(&given);
    let cpu = || given.pid.map(sys::process_cpu).transpose();
    let before = cpu()?;
    let report = run(&load, &Remote::default())?;
    let mut json = report.json();
    if let (Some(before), Some(after)) = (before, cpu()?) {
        let micros = (after - before).as_secs_f64() * 1e6 / report.answered.max(1) as f64;
        json.insert_str(json.len() - 1, &format!(",\"cpu_us_per_query\":{micros:.3}"));
    }
    println!("{json}");
    if !report.lost_at.is_empty() {
        eprintln!("lost, sent at milliseconds {:?}", report.lost_at);
    }
    for sample in &report.samples {
        eprintln!("wrong: {sample}");
    }
    Ok(())
}

fn load(given: &Arguments) -> Load {
    let count = if given.unique { 0 } else { given.names };
    Load {
        names: Names { first: given.first, rules: given.rules, ..Names::of(&given.suffix, count) },
        qtype: if given.aaaa { AAAA } else { A },
        rate: given.rate,
        window: given.window,
        sockets: given.sockets,
        seconds: given.seconds,
        queries: given.queries,
        transport: match (given.tcp, given.tcp_each) {
            (true, _) => Transport::Tcp,
            (_, true) => Transport::TcpEachAnew,
            _ => Transport::Udp,
        },
        edns: !given.no_edns,
        expect: given.expect.map(|ip| ip.octets()),
        patience: Duration::from_secs_f64(given.patience),
        rest: if given.awake { Rest::Spin } else { Rest::Sleep },
        ..Load::to(given.server)
    }
}
