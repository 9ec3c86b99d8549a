//! `dnsfwd import`: makes a configuration of what another DNS server has, and says what became of each statement.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Common, Exit, print, show_on_stderr};
use crate::import::bind::Version;
use crate::import::output::{self, Existing};
use crate::import::{self, Kind, Options, Unreadable};

#[derive(clap::Args)]
pub struct Arguments {
    /// The other server's configuration file, such as /etc/bind/named.conf, or a folder where it is several
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// The folder to write, new or empty: dnsfwd.toml, zone files, keys, receipt.txt and receipt.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Whose configuration it is [default: guessed from the file]
    #[arg(long, value_enum, value_name = "KIND")]
    from: Option<From>,
    /// The version of BIND whose defaults hold where nothing is written
    #[arg(long, value_enum, value_name = "VERSION", default_value = "9.18")]
    bind_version: BindVersion,
    /// Overwrite a folder that a former import wrote and nobody changed since
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum From {
    Bind,
    Dnsmasq,
    Unbound,
    /// A Corefile
    Coredns,
    /// *.dns-delegate of systemd-resolved, or their folder
    Systemd,
    /// Get-DnsServerZone and Get-DnsServerForwarder as JSON
    Windows,
    /// aws route53resolver list-resolver-rules and others as JSON
    Route53,
}

#[derive(Clone, Copy, ValueEnum)]
enum BindVersion {
    #[value(name = "9.18")]
    V9_18,
    #[value(name = "9.20")]
    V9_20,
}

impl From {
    fn kind(self) -> Kind {
        match self {
            From::Bind => Kind::Bind,
            From::Dnsmasq => Kind::Dnsmasq,
            From::Unbound => Kind::Unbound,
            From::Coredns => Kind::Coredns,
            From::Systemd => Kind::Systemd,
            From::Windows => Kind::Windows,
            From::Route53 => Kind::Route53,
        }
    }
}

impl BindVersion {
    fn version(self) -> Version {
        match self {
            BindVersion::V9_18 => Version::V9_18,
            BindVersion::V9_20 => Version::V9_20,
        }
    }
}

pub fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Exit> {
    let kind = match arguments.from {
        Some(from) => from.kind(),
        None => guess(arguments)?,
    };
    let options = Options { bind_version: arguments.bind_version.version(), ..Options::default() };
    let imported = match import::import(kind, &arguments.source, &options) {
        Ok(imported) => imported,
        Err(unreadable) => return unread(common, &unreadable),
    };
    let existing = if arguments.force { Existing::Overwrite } else { Existing::Keep };
    let warnings = output::write(&imported, &arguments.out, existing)?;
    match common.json {
        true => print!("{}", output::receipt_json(&imported)),
        false => {
            let written = arguments.out.join(output::CONFIG);
            print(common, &(), |()| {
                format!("{}\nwritten: {}\n", imported.receipt.text(), written.display())
            })?;
            show_on_stderr(&warnings);
        }
    }
    Ok(if imported.receipt.counts().refused > 0 { Exit::Findings } else { Exit::Clean })
}

/// What the file looks like, which is said.
fn guess(arguments: &Arguments) -> anyhow::Result<Kind> {
    let source = &arguments.source;
    // Whether it can be read at all is the better thing to say.
    std::fs::File::open(source)
        .map_err(|error| anyhow::anyhow!("can't read {}: {error}", source.display()))?;
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let kind = Kind::guess(source).ok_or_else(|| {
        let names = names.join(", ");
        anyhow::anyhow!("can't tell whose configuration {} is: add --from ({names})", source.display())
    })?;
    eprintln!("dnsfwd: {} looks like {}; --from says otherwise", source.display(), kind.title());
    Ok(kind)
}

fn unread(common: &Common, unreadable: &Unreadable) -> anyhow::Result<Exit> {
    if common.json {
        let place = &unreadable.place;
        let fault = serde_json::json!({
            "error": unreadable.message, "help": unreadable.help,
            "file": &*place.file, "line": place.line, "column": place.column,
        });
        println!("{fault:#}");
    } else {
        eprintln!("dnsfwd: {unreadable}");
    }
    Ok(Exit::Trouble)
}
