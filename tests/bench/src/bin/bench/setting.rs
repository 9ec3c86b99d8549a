//! What all cases share: the scene, the servers that take part, how often and how long to measure, and names
//! that nobody has asked for yet.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use dnsfwd_bench::stream::{Load, Names, Rest};

use crate::contest::{Entrant, Measured};
use crate::peers::{Peer, Role};
use crate::scene::Scene;
use crate::server::Server;
use crate::targets::ADDRESS;

pub struct Setting {
    pub scene: Scene,
    pub peers: Vec<&'static Peer>,
    pub runs: usize,
    pub seconds: f64,
    /// A run that only shows that everything works.
    pub quick: bool,
    fresh: Cell<u64>,
}

/// The first number that no cached name has, and how many a run may use up.
const FRESH: u64 = 10_000_000;

/// So many queries are outstanding: several of any server's batches, so that it never waits, and few enough
/// to fit into the socket buffers of servers that don't ask for larger ones.
const SOCKETS: usize = 4;
const WINDOW: usize = 32;

impl Setting {
    pub fn new(scene: Scene, peers: Vec<&'static Peer>, runs: usize, seconds: f64, quick: bool) -> Setting {
        Setting { scene, peers, runs, seconds, quick, fresh: Cell::new(FRESH) }
    }

    /// Smaller by so much when everything only has to be shown to work.
    pub fn scaled(&self, count: u64) -> u64 {
        if self.quick { count.min(1000.max(count / 100)) } else { count }
    }

    /// Those of the servers that take part, in this order.
    pub fn among(&self, names: &[&str]) -> Vec<&'static Peer> {
        self.peers.iter().copied().filter(|peer| names.contains(&peer.name)).collect()
    }

    /// As fast as the server can, over UDP, from a few names or many.
    pub fn flood(&self, names: Names) -> Load {
        Load {
            names,
            sockets: SOCKETS,
            window: WINDOW,
            seconds: self.seconds,
            expect: Some(ADDRESS),
            rcode: Some(0),
            patience: Duration::from_secs(1),
            rest: Rest::Spin,
            ..Load::to(SocketAddr::from(([0; 4], 0)))
        }
    }

    /// Asks for each of these names once; slow servers have a minute and a half.
    pub fn fill(&self, names: Names) -> Load {
        Load { queries: names.count, seconds: 90.0, ..self.flood(names) }
    }

    pub fn entrant(&self, peer: &'static Peer, warm_up: Vec<Load>, measured: Load) -> Entrant {
        let cores = self.scene.cores.server.clone();
        let measured = vec![Measured { variant: String::new(), load: measured }];
        Entrant { peer, variant: String::new(), role: Role::forwarder(), cores, warm_up, measured }
    }

    /// The load for one run against one server: names that were never asked where new ones are wanted, and
    /// of a large circle of names another part than the last time.
    pub fn aimed(&self, load: &Load, server: &Server, run: usize) -> Load {
        let mut load = Load { server: server.place.listen, ..load.clone() };
        if load.names.count == 0 {
            load.names.first = self.take_fresh();
        } else if load.queries == 0 {
            load.names.start = run as u64 * 618_034 % load.names.count;
        }
        load.names.fresh_first = self.take_fresh();
        if server.peer.name == "floor" {
            load.expect = None;
            load.rcode = None;
        }
        load
    }

    /// The first of as many names as a run may ask for, which nobody has asked for before.
    pub fn take_fresh(&self) -> u64 {
        self.fresh.replace(self.fresh.get() + FRESH)
    }
}
