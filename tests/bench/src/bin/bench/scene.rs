//! Where a run takes place: a block of loopback addresses of its own, a folder that vanishes, the cores, and
//! the two targets.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dnsfwd_bench::course::Course;
use dnsfwd_bench::outage::Plan;
use dnsfwd_bench::stream::{Load, Report};
use dnsfwd_bench::sys;
use tempfile::TempDir;

use crate::peers::{Peer, Place, Zone};
use crate::targets::{self, Targets};

const PORT: u16 = 5399;
const FIRST_BLOCK: u8 = 77;
const LAST_BLOCK: u8 = 200;
/// Queries, metrics, control.
const PORTS_PER_SERVER: u16 = 3;
const PORTS_PER_BLOCK: u16 = 40 * PORTS_PER_SERVER;

pub struct Scene {
    folder: TempDir,
    block: u8,
    /// Holds the block for us.
    _claim: UdpSocket,
    pub cores: Cores,
    targets: Targets,
}

/// Where the servers run, and where the load and the targets do.
#[derive(Clone, Debug)]
pub struct Cores {
    pub server: Vec<usize>,
    pub load: Vec<usize>,
}

impl Cores {
    fn of_this_machine() -> Result<Cores> {
        let cores = thread::available_parallelism()?.get();
        ensure!(cores >= 2, "the server wants one core and the load another, and here is only one");
        Ok(Cores { server: vec![0], load: vec![1] })
    }

    pub fn both(&self) -> Vec<usize> {
        [self.server.clone(), self.load.clone()].concat()
    }
}

impl Scene {
    /// `keep`: the folder stays, for a look at configurations and logs.
    pub fn new(keep: bool) -> Result<Scene> {
        let cores = Cores::of_this_machine()?;
        let (block, claim) = claim_block()?;
        let mut folder = folder().context("no folder for the run")?;
        folder.disable_cleanup(keep);
        sys::pin(&cores.load)?;
        let targets = Targets::start(&target_addresses(block)).context("no targets")?;
        Ok(Scene { folder, block, _claim: claim, cores, targets })
    }

    /// The place of the `number`-th server of a case, with a folder of its own.
    pub fn place(&self, number: usize, peer: &Peer) -> Result<Place> {
        let folder = self.folder.path().join(format!("server{number}"));
        // What an earlier case left is no business of this one.
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        let listen = self.address(u8::try_from(number).context("too many servers")?, peer);
        Ok(Place { folder, listen, targets: target_addresses(self.block) })
    }

    fn address(&self, number: u8, peer: &Peer) -> SocketAddr {
        if !peer.only_on_interfaces {
            return SocketAddr::from(([127, self.block, 0, number], PORT));
        }
        // Ports instead of addresses: each block has some below the ephemeral ones.
        let ours = 10_000 + u16::from(self.block - FIRST_BLOCK) * PORTS_PER_BLOCK;
        SocketAddr::from(([127, 0, 0, 1], ours + u16::from(number) * PORTS_PER_SERVER))
    }

    pub fn set_delay(&self, delay: Duration) {
        self.targets.set_delay(delay);
    }

    /// Runs a load on this thread, which plays the targets meanwhile.
    pub fn run(&self, load: &Load) -> Result<Report> {
        let report = self.targets.run(load)?;
        stop_if_interrupted()?;
        Ok(report)
    }

    /// The same while targets fall silent and come back.
    pub fn run_outage(&self, plan: &Plan) -> Result<Course> {
        let course = self.targets.run_outage(plan)?;
        stop_if_interrupted()?;
        Ok(course)
    }

    /// A master file with `n0` to `n<records - 1>`.
    pub fn zone(&self, records: u64) -> Result<Zone> {
        let file = self.folder.path().join(format!("zone{records}"));
        if !file.exists() {
            write_zone(&file, records)?;
        }
        Ok(Zone { name: "load.example".into(), file })
    }
}

pub fn stop_if_interrupted() -> Result<()> {
    if sys::interrupted() {
        bail!("interrupted");
    }
    Ok(())
}

/// A block 127.N.0.0/16 that no other run holds.
fn claim_block() -> Result<(u8, UdpSocket)> {
    let free = (FIRST_BLOCK..=LAST_BLOCK).find_map(|block| {
        let claim = UdpSocket::bind((IpAddr::from([127, block, 255, 254]), PORT)).ok()?;
        Some((block, claim))
    });
    free.context("no block of loopback addresses is free")
}

/// In memory where the machine has such a place, so that no disk is measured.
fn folder() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let told = std::env::var_os("TMPDIR").map(PathBuf::from);
    let place = told.or_else(|| memory.is_dir().then(|| memory.into())).unwrap_or_else(std::env::temp_dir);
    tempfile::Builder::new().prefix("dnsfwd-bench-").tempdir_in(place)
}

fn target_addresses(block: u8) -> Vec<SocketAddr> {
    [1, 2].map(|host| SocketAddr::from(([127, block, 1, host], PORT))).to_vec()
}

fn write_zone(file: &PathBuf, records: u64) -> io::Result<()> {
    let mut out = io::BufWriter::new(fs::File::create(file)?);
    let head = "@ SOA ns h 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.53\n";
    write!(out, "$ORIGIN load.example.\n$TTL {}\n{head}", targets::TTL)?;
    let [a, b, c, d] = targets::ADDRESS;
    for number in 0..records {
        writeln!(out, "n{number} A {a}.{b}.{c}.{d}")?;
    }
    out.flush()
}
