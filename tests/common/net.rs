//! Where a test lives: a /24 of loopback of its own, one port number, one folder.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::process::run;
use super::sys;

pub struct Net {
    block: [u8; 2],
    pub port: u16,
    folder: TempDir,
    _claim: Option<TcpListener>,
}

impl Net {
    /// Claims the first free block from a start that depends on the process: tests run side by side, each
    /// with addresses that no other one uses.
    pub fn new() -> Net {
        // A block is used once in a process: threads of an earlier target may still hold their sockets.
        static USED: AtomicU32 = AtomicU32::new(0);
        let start = std::process::id().wrapping_add(USED.fetch_add(31, Ordering::Relaxed));
        for step in 0..20_000u32 {
            let number = (start.wrapping_add(step * 7919)) % (180 * 250);
            let block = [u8::try_from(20 + number / 250).unwrap(), u8::try_from(1 + number % 250).unwrap()];
            // Below the ephemeral ports, so that no client socket stands on it by chance.
            let port = u16::try_from(20_000 + number % 10_000).unwrap();
            let first = Ipv4Addr::new(127, block[0], block[1], 254);
            let Ok(claim) = TcpListener::bind((first, port)) else { continue };
            if UdpSocket::bind((Ipv4Addr::new(127, block[0], block[1], 53), port)).is_ok() {
                return Net { block, port, folder: tempfile::tempdir().unwrap(), _claim: Some(claim) };
            }
        }
        panic!("no free block of loopback addresses");
    }

    /// The addresses of the company's scenario, 127.0.x.y and port 53, for use in a namespace.
    pub fn in_namespace() -> Net {
        Net { block: [0, 0], port: 53, folder: tempfile::tempdir().unwrap(), _claim: None }
    }

    /// A network namespace for this thread and what it starts, with these networks of which every address is its own:
    /// `10.20.0.1/16`. Needs root, or the right to make namespaces.
    pub fn enter(networks: &[&str]) {
        sys::enter_namespace().unwrap_or_else(|fault| {
            panic!("this test needs a network and a mount namespace, and so root: {fault}");
        });
        let mut commands = vec![vec!["link", "set", "lo", "up"]];
        commands.extend(networks.iter().map(|network| vec!["address", "add", network, "dev", "lo"]));
        for arguments in commands {
            let output = run(Command::new("ip").args(&arguments));
            assert_eq!(output.code, 0, "{arguments:?}: {}", output.all());
        }
    }

    pub fn ip(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.block[0], self.block[1], host)
    }

    pub fn at(&self, host: u8) -> SocketAddr {
        (self.ip(host), self.port).into()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, file: &str, content: &str) -> PathBuf {
        let path = self.folder().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}
