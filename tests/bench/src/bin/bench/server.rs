//! One running server: started on its cores, watched for time and memory, and ended with all it started.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use dnsfwd_bench::stream::{A, query};
use dnsfwd_bench::sys;

use crate::peers::{Peer, Place, Role, Rules};
use crate::scene::{Scene, stop_if_interrupted};

pub struct Server {
    pub peer: &'static Peer,
    pub place: Place,
    child: Child,
    log: PathBuf,
    /// From exec to the first answer.
    pub start_time: Duration,
}

const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks whether a server answers.
const LOOK_EVERY: Duration = Duration::from_millis(2);

impl Server {
    /// Starts it on these cores and waits for its first answer.
    pub fn start(
        scene: &Scene,
        number: usize,
        peer: &'static Peer,
        role: &Role,
        cores: &[usize],
    ) -> Result<Server> {
        let place = scene.place(number, peer)?;
        let mut command = (peer.command)(&place, role).context("its configuration can't be written")?;
        let log = place.file("output.log");
        let out = File::create(&log)?;
        command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
        let begin = Instant::now();
        let child = spawn_on(cores, &scene.cores.load, &mut command)
            .with_context(|| format!("{} can't be started", command.get_program().display()))?;
        let mut server = Server { peer, place, child, log, start_time: Duration::ZERO };
        server.wait_for_answer(role)?;
        server.start_time = begin.elapsed();
        Ok(server)
    }

    fn wait_for_answer(&mut self, role: &Role) -> Result<()> {
        let name = match role.rules {
            Rules::Many(_) => "n0.r0.load.example",
            _ => "n0.load.example",
        };
        let question = query(name, A);
        let socket = UdpSocket::bind((self.any_address(), 0))?;
        socket.connect(self.place.listen)?;
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        let begin = Instant::now();
        while begin.elapsed() < START_LIMIT {
            stop_if_interrupted()?;
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once, {status}: {}", self.last_words());
            }
            match ask(&socket, &question) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => thread::sleep(LOOK_EVERY),
            }
        }
        bail!("no answer within {} s: {}", START_LIMIT.as_secs(), self.last_words())
    }

    fn any_address(&self) -> std::net::IpAddr {
        match self.place.listen {
            SocketAddr::V4(_) => [0; 4].into(),
            SocketAddr::V6(_) => [0u16; 8].into(),
        }
    }

    pub fn alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it has ended, {status}: {}", self.last_words()),
        }
    }

    /// The CPU time of the process, of those it started, and of those that have ended and were waited for.
    pub fn cpu(&self) -> Result<Cpu> {
        let mut cpu = Cpu::default();
        for process in self.processes()? {
            // One that has ended in between is its parent's from the next look on.
            let Ok(own) = sys::process_cpu(process.pid) else { continue };
            cpu.total += own.as_secs_f64() + process.children;
            cpu.user += process.user;
            cpu.system += process.system;
        }
        Ok(cpu)
    }

    /// Resident memory in bytes; of several processes, what they share is counted once (Pss of proc(5)).
    pub fn memory(&self) -> Result<u64> {
        let processes = self.processes()?;
        let field = if processes.len() == 1 { "Rss:" } else { "Pss:" };
        let mut bytes = 0;
        for process in processes {
            let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid))?;
            let line = rollup.lines().find(|line| line.starts_with(field)).context("no such line")?;
            let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
            bytes += kib * 1024;
        }
        Ok(bytes)
    }

    /// Those of the group that it leads.
    fn processes(&self) -> Result<Vec<Stat>> {
        let group = self.child.id();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            found.extend(Stat::read(pid).filter(|stat| stat.group == group));
        }
        Ok(found)
    }

    /// The end of what it printed.
    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(3)..].join(" / ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        sys::signal_group(self.child.id(), sys::TERMINATE);
        let begin = Instant::now();
        while begin.elapsed() < END_LIMIT {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                _ => break,
            }
        }
        sys::signal_group(self.child.id(), sys::KILL);
        let _ = self.child.wait();
    }
}

/// A child runs where the thread that started it does.
fn spawn_on(cores: &[usize], ours: &[usize], command: &mut Command) -> io::Result<Child> {
    sys::pin(cores)?;
    let child = sys::leash(command).spawn();
    sys::pin(ours)?;
    child
}

fn ask(socket: &UdpSocket, question: &[u8]) -> io::Result<bool> {
    socket.send(question)?;
    let mut reply = [0; 512];
    match socket.recv(&mut reply) {
        Ok(len) => Ok(len >= 12 && reply[2] & 0x80 != 0 && reply[3] & 15 == 0),
        Err(fault) if matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Ok(false)
        }
        Err(fault) => Err(fault),
    }
}

/// CPU time of a server in seconds: all of it, and how it was divided.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    pub total: f64,
    /// Sampled: the kernel looks at each tick where a thread is.
    pub user: f64,
    pub system: f64,
}

/// What /proc/PID/stat says of a process (proc(5)).
struct Stat {
    pid: u32,
    group: u32,
    user: f64,
    system: f64,
    /// Of children that have ended and were waited for.
    children: f64,
}

impl Stat {
    fn read(pid: u32) -> Option<Stat> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in brackets may hold blanks.
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        let seconds = |index| number(index).map(|ticks| ticks as f64 / sys::ticks_per_second() as f64);
        let group = u32::try_from(number(2)?).ok()?;
        Some(Stat {
            pid,
            group,
            user: seconds(11)?,
            system: seconds(12)?,
            children: seconds(13)? + seconds(14)?,
        })
    }
}
