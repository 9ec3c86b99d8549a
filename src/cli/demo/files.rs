//! The demo's folder: configuration, zone file and control socket, gone when the demo ends.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::company::Company;

pub struct Folder(PathBuf);

impl Folder {
    /// Makes a folder that nobody else may enter. One that is there already is somebody's: perhaps of a demo
    /// that was killed, in a container where process ids come again.
    pub fn make() -> io::Result<Folder> {
        const TRIES: u32 = 100;
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for number in 0..TRIES {
            let name = format!("dnsfwd-demo-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    pub fn config(&self) -> PathBuf {
        self.0.join("dnsfwd.toml")
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    pub fn write(&self, listen: SocketAddr, metrics: SocketAddr, company: &Company) -> io::Result<()> {
        fs::write(self.0.join("anycompany.corp.zone"), ZONE)?;
        fs::write(self.config(), configuration(listen, metrics, &self.socket(), company))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be removed is left to the system's cleaning of its temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ZONE: &str = "\
$TTL 300
@         SOA    dnssrv root 2026010101 3600 600 86400 60
          NS     dnssrv
dnssrv    A      192.168.2.250
websrv    A      192.168.2.251
intranet  CNAME  web1.awsanycompany.corp.
";

fn configuration(listen: SocketAddr, metrics: SocketAddr, socket: &Path, company: &Company) -> String {
    let [first, second] = &company.inbound;
    let (first, second, public) = (first.address, second.address, company.public.address);
    let socket = socket.display();
    format!(
        r#"version = 1

[server]
listen = ["{listen}"]
workers = 2
az = "ap-northeast-2a"
system = "public"
allow = ["127.0.0.0/8"]

[cache]
size = "16MiB"

[control]
socket = '{socket}'

[metrics]
listen = "{metrics}"

[log]
level = "info"

[[zone]]
name = "anycompany.corp"
file = "anycompany.corp.zone"

[[endpoint]]
name = "aws-inbound"
targets = [
  {{ address = "{first}", az = "ap-northeast-2a" }},
  {{ address = "{second}", az = "ap-northeast-2c" }},
]

[[endpoint]]
name = "public"
targets = [{{ address = "{public}" }}]

[[rule]]
domains = ["awsanycompany.corp", "ap-northeast-2.compute.internal"]
reverse = ["10.0.0.0/16"]
endpoint = "aws-inbound"

[[rule]]
domain = "."
endpoint = "public"
"#
    )
}
