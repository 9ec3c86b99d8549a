//! The control plane as operators meet it, in front of a fake server.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::client::{AskError, ask};
use super::core::Settings;
use super::fake::Fake;
use super::life::{Control, Manner, start};
use super::protocol::{MAX_CONNECTIONS, MAX_REQUEST_BYTES, Request};
use super::report::{Explanation, Flush, Outcome, Reload, Status, Targets};
use super::{ControlError, report};

struct Plane {
    folder: tempfile::TempDir,
    core: Arc<Fake>,
    control: Option<Control>,
    drained: Arc<AtomicBool>,
}

impl Plane {
    fn start() -> Plane {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("run/control.sock");
        let metrics = Some(free_address());
        let settings = Settings { socket: Some(socket), metrics, log_level: None };
        let core = Arc::new(Fake { settings: settings.into(), ..Fake::default() });
        let drained = Arc::new(AtomicBool::new(false));
        let control = begin(&core, &drained).expect("starts");
        Plane { folder, core, control: Some(control), drained }
    }

    fn settings(&self) -> Settings {
        self.core.settings.lock().expect("no test panics with it").clone()
    }

    fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.core.settings.lock().expect("no test panics with it"));
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T, AskError> {
        ask(&self.settings().socket.expect("set"), request)
    }

    fn get(&self, path: &str) -> String {
        http(self.settings().metrics.expect("set"), &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if let Some(control) = self.control.take() {
            control.stop();
            control.wait();
        }
    }
}

fn begin(core: &Arc<Fake>, drained: &Arc<AtomicBool>) -> Result<Control, ControlError> {
    let drained = drained.clone();
    start(core.clone(), Box::new(move || drained.store(true, Ordering::SeqCst)), Manner::Guest)
}

fn free_address() -> SocketAddr {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has room");
    probe.local_addr().expect("bound")
}

fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.write_all(request.as_bytes()).expect("writes");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("reads");
    reply
}

fn explain(name: &str, rtype: &str) -> Request {
    Request::Explain {
        name: name.into(),
        rtype: rtype.into(),
        client: IpAddr::from([10, 0, 0, 1]),
        listener: None,
    }
}

#[test]
fn operators_are_answered_over_the_socket() {
    let plane = Plane::start();
    let status: Status = plane.ask(&Request::Status).expect("answers");
    assert_eq!(status, super::fake::status());
    let explanation: Explanation = plane.ask(&explain("Web1.awsanycompany.corp", "type65")).expect("answers");
    assert_eq!((explanation.name.as_str(), explanation.rtype.as_str()), ("web1.awsanycompany.corp", "HTTPS"));
    let flush: Flush = plane.ask(&Request::Flush { name: "a.example".into(), tree: true }).expect("answers");
    assert_eq!(flush.entries, 10);
    let reload: Reload = plane.ask(&Request::Reload { zone: None }).expect("answers");
    assert_eq!(reload.outcome, Outcome::Applied);
}

#[test]
fn targets_are_drained_and_enabled() {
    let plane = Plane::start();
    let drain = |address: &str, endpoint: Option<&str>, seconds| {
        let (address, endpoint) = (address.into(), endpoint.map(str::to_owned));
        plane.ask::<Targets>(&Request::Drain { address, endpoint, seconds })
    };
    let left = |targets: Targets| targets.endpoints[0].targets[0].drained.map(|drained| drained.left_secs);
    assert_eq!(left(plane.ask(&Request::Targets).expect("answers")), None);
    assert_eq!(left(drain("10.0.1.250", None, Some(60)).expect("is there")), Some(Some(60)));
    assert_eq!(left(drain("10.0.1.250:53", Some("aws-inbound"), None).expect("is there")), Some(None));
    let enable = Request::Enable { address: "10.0.1.250".into(), endpoint: None };
    assert_eq!(left(plane.ask(&enable).expect("answers")), None);
    for (address, endpoint, expected) in [
        (
            "10.0.1.250:54",
            None,
            "no target has the address 10.0.1.250:54; there is 10.0.1.250:53 (aws-inbound)",
        ),
        ("10.0.1.250", Some("public"), "there is no endpoint 'public', but aws-inbound"),
        ("aws-inbound", None, "'aws-inbound' is not an address"),
    ] {
        assert_eq!(drain(address, endpoint, None).expect_err("unknown").to_string(), expected);
    }
}

#[test]
fn a_wrong_request_is_refused_with_a_reason() {
    let plane = Plane::start();
    let reason = |request: &Request| plane.ask::<Flush>(request).expect_err("refused").to_string();
    assert_eq!(reason(&explain("a", "nonsense")), "'nonsense' is not a record type");
    assert!(reason(&explain("a..b", "A")).starts_with("'a..b' is not a name: "));
    // A fault of the server's own ends the question, not the server.
    let fault = reason(&Request::Flush { name: ".".into(), tree: false });
    assert!(fault.contains("its log says more"), "{fault}");
    assert!(plane.ask::<Status>(&Request::Status).is_ok());
}

#[test]
fn lines_are_bounded_and_several_may_follow_each_other() {
    let plane = Plane::start();
    let socket = plane.settings().socket.expect("set");
    let mut stream = UnixStream::connect(&socket).expect("connects");
    stream.write_all(b"{\"command\":\"status\"}\nnonsense\n").expect("writes");
    stream.write_all(&vec![b'x'; MAX_REQUEST_BYTES]).expect("writes");
    let mut replies = String::new();
    stream.read_to_string(&mut replies).expect("reads to the end: the connection is closed");
    let replies: Vec<&str> = replies.lines().collect();
    assert_eq!(replies.len(), 3, "{replies:?}");
    assert!(replies[0].starts_with(r#"{"ok":"#));
    assert!(replies[1].starts_with(r#"{"error":"this is not a request"#));
    assert!(replies[2].contains("at most 4096 bytes"));
}

#[test]
fn connections_beyond_the_bound_are_told_so() {
    let plane = Plane::start();
    let socket = plane.settings().socket.expect("set");
    let idle: Vec<UnixStream> =
        (0..MAX_CONNECTIONS).map(|_| UnixStream::connect(&socket).expect("connects")).collect();
    // They are taken in order, so that the next one finds all slots taken.
    let mut next = UnixStream::connect(&socket).expect("connects");
    let mut reply = String::new();
    next.read_to_string(&mut reply).expect("reads");
    assert!(reply.contains("16 control connections are open"), "{reply}");
    drop(idle);
}

#[test]
fn the_socket_is_for_owner_and_group_and_goes_with_the_server() {
    let mut plane = Plane::start();
    let socket = plane.settings().socket.expect("set");
    let mode = |path: &Path| path.metadata().expect("is there").permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o660);
    assert_eq!(mode(socket.parent().expect("has one")), 0o750);
    let control = plane.control.take().expect("runs");
    control.stop();
    control.wait();
    assert!(plane.drained.load(Ordering::SeqCst));
    assert!(!socket.exists());
    let gone = ask::<Status>(&socket, &Request::Status).expect_err("nobody there").to_string();
    assert!(gone.starts_with("no dnsfwd answers at ") && gone.contains("is it running?"), "{gone}");
}

#[test]
fn only_a_dead_servers_socket_is_replaced() {
    let plane = Plane::start();
    let settings = |name: &str| Settings {
        socket: Some(plane.folder.path().join(name)),
        metrics: None,
        log_level: None,
    };
    let begin = |settings: Settings| {
        let core = Arc::new(Fake { settings: settings.into(), ..Fake::default() });
        begin(&core, &Arc::default())
    };
    let live = begin(settings("run/control.sock"));
    assert!(matches!(live, Err(ControlError::AlreadyServed { .. })));
    std::fs::write(plane.folder.path().join("file"), "kept").expect("writes");
    assert!(matches!(begin(settings("file")), Err(ControlError::NotASocket { .. })));
    drop(UnixListener::bind(plane.folder.path().join("stale")).expect("binds"));
    let control = begin(settings("stale")).expect("replaces it");
    control.stop();
    control.wait();
}

#[test]
fn reloads_wait_for_each_other() {
    let plane = Plane::start();
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| plane.ask::<Reload>(&Request::Reload { zone: None }).expect("answers"));
        }
    });
    assert_eq!(plane.core.reloads.load(Ordering::SeqCst), 5);
    assert_eq!(plane.core.most_running.load(Ordering::SeqCst), 1);
}

#[test]
fn a_reload_moves_the_listeners_of_operators() {
    let plane = Plane::start();
    let old = plane.settings();
    let new_socket = plane.folder.path().join("new.sock");
    plane.change(|settings| {
        (settings.socket, settings.metrics) = (Some(new_socket.clone()), Some(free_address()))
    });
    let report: Reload = ask(&old.socket.clone().expect("set"), &Request::Reload { zone: None })
        .expect("the old door answers");
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert!(plane.ask::<Status>(&Request::Status).is_ok());
    assert!(plane.get("/healthz").contains("alive"));
    assert!(!old.socket.expect("set").exists());
    assert!(TcpStream::connect(old.metrics.expect("set")).is_err());
}

#[test]
fn an_address_that_is_taken_leaves_the_old_one_open() {
    let plane = Plane::start();
    let old = plane.settings().metrics.expect("set");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    plane.change(|settings| settings.metrics = taken.local_addr().ok());
    let report: Reload = plane.ask(&Request::Reload { zone: None }).expect("answers");
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].contains("metrics can't be served at"), "{:?}", report.problems);
    assert!(report.problems[0].contains("in use"), "the cause is told: {:?}", report.problems);
    assert!(http(old, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").contains("alive"));
}

#[test]
fn collectors_and_balancers_are_answered() {
    let plane = Plane::start();
    let page = plane.get("/metrics");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(page.contains("\ndnsfwd_cache_entries 10\n"));
    assert!(plane.get("/readyz").contains("\r\n\r\nready\nendpoint aws-inbound has one healthy target"));
    assert!(plane.get("/").starts_with("HTTP/1.1 404 "));
    let refused = http(plane.settings().metrics.expect("set"), "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET, HEAD"), "{refused}");
}

#[test]
fn while_it_drains_it_is_not_ready_but_tells_operators() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("control.sock");
    let metrics = free_address();
    let settings = Settings { socket: Some(socket.clone()), metrics: Some(metrics), log_level: None };
    let core = Arc::new(Fake { settings: settings.into(), ..Fake::default() });
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel::<()>();
    let drain = move || {
        begun.send(()).expect("the test waits");
        wait.recv().expect("the test says when");
    };
    let control = start(core, Box::new(drain), Manner::Guest).expect("starts");
    control.stop();
    begins.recv().expect("drains");
    let page = http(metrics, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(
        page.starts_with("HTTP/1.1 503 ") && page.ends_with("not ready\nthe server is stopping\n"),
        "{page}"
    );
    assert!(ask::<report::Status>(&socket, &Request::Status).is_ok());
    go_on.send(()).expect("it waits");
    control.wait();
    assert!(TcpStream::connect(metrics).is_err());
}
