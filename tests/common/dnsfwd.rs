//! The server under test: writes its configuration, starts it, talks to it, shows its log when a test
//! fails.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::Udp;
use super::message::{A, Message};
use super::net::Net;
use super::process::{Output, Process, run};

/// The binary that cargo built, or another build of it (release) named by the caller.
pub fn binary() -> PathBuf {
    std::env::var_os("DNSFWD_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_dnsfwd").into(), PathBuf::from)
}

/// A configuration under construction: lines for the tables that the harness writes too, and the rest.
#[derive(Clone, Debug)]
pub struct Setup {
    pub listen: Vec<String>,
    pub server: String,
    pub cache: String,
    pub body: String,
    pub metrics: SocketAddr,
    pub workers: usize,
}

impl Setup {
    /// Listens on the block's .53; metrics on the next port.
    pub fn new(net: &Net) -> Setup {
        Setup {
            listen: vec![net.at(53).to_string()],
            server: String::new(),
            cache: String::new(),
            body: String::new(),
            metrics: (net.ip(53), net.port + 1).into(),
            workers: 2,
        }
    }

    pub fn server(mut self, lines: &str) -> Setup {
        writeln!(self.server, "{lines}").unwrap();
        self
    }

    pub fn cache(mut self, lines: &str) -> Setup {
        writeln!(self.cache, "{lines}").unwrap();
        self
    }

    pub fn no_cache(self) -> Setup {
        self.cache("size = \"0B\"")
    }

    pub fn workers(mut self, workers: usize) -> Setup {
        self.workers = workers;
        self
    }

    pub fn body(mut self, lines: &str) -> Setup {
        writeln!(self.body, "{lines}").unwrap();
        self
    }

    pub fn endpoint(self, name: &str, targets: &[SocketAddr]) -> Setup {
        self.endpoint_with(name, targets, "")
    }

    pub fn endpoint_with(self, name: &str, targets: &[SocketAddr], more: &str) -> Setup {
        let targets: Vec<String> =
            targets.iter().map(|target| format!("{{ address = \"{target}\" }}")).collect();
        let targets = targets.join(", ");
        self.body(&format!("[[endpoint]]\nname = \"{name}\"\ntargets = [{targets}]\n{more}"))
    }

    pub fn rule(self, domain: &str, endpoint: &str) -> Setup {
        self.rule_with(domain, endpoint, "")
    }

    pub fn rule_with(self, domain: &str, endpoint: &str, more: &str) -> Setup {
        self.body(&format!("[[rule]]\ndomain = \"{domain}\"\nendpoint = \"{endpoint}\"\n{more}"))
    }

    /// A zone in a file beside the configuration.
    pub fn zone(self, net: &Net, zone: &str, content: &str) -> Setup {
        let file = format!("{zone}.zone");
        net.write(&file, content);
        self.body(&format!("[[zone]]\nname = \"{zone}\"\nfile = \"{file}\""))
    }

    pub fn text(&self, net: &Net) -> String {
        let listen: Vec<String> = self.listen.iter().map(|address| format!("\"{address}\"")).collect();
        format!(
            "version = 1\n\n[server]\nlisten = [{}]\nworkers = {}\n{}\n[cache]\n{}\n\
             [control]\nsocket = \"{}\"\n\n[metrics]\nlisten = \"{}\"\n\n[log]\nlevel = \"info\"\n\n{}",
            listen.join(", "),
            self.workers,
            self.server,
            self.cache,
            net.folder().join("control.sock").display(),
            self.metrics,
            self.body,
        )
    }

    pub fn start(self, net: &Net) -> Dnsfwd {
        Dnsfwd::start(net, self)
    }
}

pub struct Dnsfwd {
    pub process: Process,
    pub address: SocketAddr,
    pub config: PathBuf,
    pub socket: PathBuf,
    pub metrics: SocketAddr,
}

impl Dnsfwd {
    pub fn start(net: &Net, setup: Setup) -> Dnsfwd {
        Dnsfwd::start_by(Command::new(binary()), net, setup)
    }

    /// By a command that has an environment of its own.
    pub fn start_by(mut command: Command, net: &Net, setup: Setup) -> Dnsfwd {
        let config = net.write("dnsfwd.toml", &setup.text(net));
        let address: SocketAddr = setup.listen[0].parse().unwrap();
        command.arg("serve").arg("--config").arg(&config).current_dir(net.folder());
        let process = Process::start("dnsfwd", &mut command, net.folder());
        let socket = net.folder().join("control.sock");
        let mut dnsfwd = Dnsfwd { process, address, config, socket, metrics: setup.metrics };
        dnsfwd.wait_until_ready();
        dnsfwd
    }

    /// Any reply will do; `.invalid` is answered here (RFC 6761 section 6.4), so that no target sees it.
    fn wait_until_ready(&mut self) {
        let query = Message::query("ready.invalid", A).bytes();
        let end = Instant::now() + Duration::from_secs(15);
        while Instant::now() < end {
            let socket = Udp::from(self.client_ip(), self.address);
            socket.send(&query);
            if socket.receive(Duration::from_millis(100)).is_some() {
                return;
            }
            assert!(self.process.alive(), "dnsfwd ended at once:\n{}", self.process.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("dnsfwd doesn't answer after 15 seconds:\n{}", self.process.log());
    }

    fn client_ip(&self) -> IpAddr {
        match self.address {
            SocketAddr::V4(_) => [127, 0, 0, 1].into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        }
    }

    pub fn write(&self, net: &Net, setup: &Setup) {
        net.write("dnsfwd.toml", &setup.text(net));
    }

    /// Runs one of the commands against this server.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(&self.config).arg("--socket").arg(&self.socket);
        run(&mut command)
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.command(&[arguments, &["--json"]].concat());
        serde_json::from_str(&output.stdout)
            .unwrap_or_else(|fault| panic!("{arguments:?} --json gave no JSON: {fault}: {output:?}"))
    }

    /// GET on the metrics listener: status code and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect_timeout(&self.metrics, Duration::from_secs(5)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let reply = String::from_utf8_lossy(&reply).into_owned();
        let status = reply.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("an HTTP status line");
        let body = reply.split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or_default();
        (status, body)
    }

    /// It lives, and answers from its built-in names.
    pub fn assert_well(&mut self) {
        assert!(self.process.alive(), "dnsfwd has ended");
        let reply = super::client::ask(self.address, &Message::query("localhost", A));
        assert_eq!(reply.addresses(), ["127.0.0.1"]);
    }
}
