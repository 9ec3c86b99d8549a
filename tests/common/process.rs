//! Child processes that end with the test, and whose logs are shown when it fails.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::sys;

pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts a command with all it prints in `folder/name.log`.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Process {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let both = out.try_clone().unwrap();
        sys::leash(command.stdin(Stdio::null()).stdout(out).stderr(both));
        let child = command.spawn().unwrap_or_else(|fault| panic!("{name} can't be started: {fault}"));
        Process { child, name: name.into(), log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal to the process and to all it started.
    pub fn signal(&self, signal: i32) {
        sys::signal(-i32::try_from(self.child.id()).unwrap(), signal);
    }

    /// Silent from now on: it neither answers nor lets the kernel refuse.
    pub fn stop(&self) {
        self.signal(sys::STOP);
    }

    pub fn resume(&self) {
        self.signal(sys::CONTINUE);
    }

    /// kill -9: the port is closed at once and the kernel refuses.
    pub fn kill(&mut self) {
        self.signal(sys::KILL);
        self.signal(sys::CONTINUE);
        let _ = self.child.wait();
    }

    /// Waits for the end, and gives nothing when it doesn't come in time.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The largest resident size so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    /// The resident size now, in bytes.
    pub fn memory(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// A line of /proc/PID/status (proc(5)).
    fn status_bytes(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).expect("the kernel tells it");
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended_before = self.child.try_wait().ok().flatten();
        self.kill();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(60)..];
            eprintln!("--- {} (its last {} lines)", self.name, shown.len());
            if let Some(status) = ended_before {
                eprintln!("--- it had ended by itself: {status}, signal {:?}", status.signal());
            }
            eprintln!("{}", shown.join("\n"));
        }
    }
}

/// What a command gave back.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Both streams, for looking up words.
    pub fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

/// Runs a command to its end, which it must reach within 20 seconds.
pub fn run(command: &mut Command) -> Output {
    run_within(Duration::from_secs(20), command)
}

/// The same with another limit.
pub fn run_within(limit: Duration, command: &mut Command) -> Output {
    sys::leash(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let shown = format!("{command:?}");
    let child = command.spawn().unwrap_or_else(|fault| panic!("{shown} can't be started: {fault}"));
    let pid = i32::try_from(child.id()).unwrap();
    let (done, timer) = std::sync::mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if timer.recv_timeout(limit).is_err() {
            sys::signal(-pid, sys::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    let _ = done.send(());
    guard.join().unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("{shown} was killed: {:?}", output.status));
    Output {
        code,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
