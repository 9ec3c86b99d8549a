//! Server blocks: which names each takes, and on which port.

use ipnet::IpNet;

use super::reader::Node;
use crate::import::plan::{Plan, Said, domain};
use crate::import::reading::fault;
use crate::import::{Place, Unreadable};
use crate::wire::name::Name;

pub struct Whole {
    pub blocks: Vec<Block>,
    pub plan: Plan,
    pub top: Place,
}

/// A server block on the port that is taken over.
pub struct Block {
    pub zones: Vec<Name>,
    pub port: u16,
    pub said: Said,
    pub plugins: Vec<Plugin>,
}

/// A plugin's line in a block.
#[derive(Clone)]
pub struct Plugin {
    pub node: Node,
    pub said: Said,
}

impl Block {
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Plugin> {
        self.plugins.iter().filter(move |plugin| plugin.node.name() == name)
    }
}

impl Whole {
    /// The block that takes a name: the one with the longest zone above it.
    pub fn taker(&self, name: &Name) -> Option<usize> {
        let zones = self
            .blocks
            .iter()
            .enumerate()
            .flat_map(|(at, block)| block.zones.iter().map(move |zone| (at, zone)));
        let over = zones.filter(|(_, zone)| name.is_within(zone));
        over.max_by_key(|(_, zone)| zone.label_count()).map(|(at, _)| at)
    }
}

struct Address {
    scheme: Option<String>,
    zones: Vec<Name>,
    port: u16,
}

/// All blocks of one port; those of others, and of transports that are not spoken here, are refused.
pub fn read(nodes: &[Node], plan: &mut Plan) -> Result<Vec<Block>, Unreadable> {
    let mut all = Vec::new();
    for node in nodes {
        let mut addresses = Vec::new();
        for word in &node.words {
            for text in word.text.split(',').filter(|text| !text.is_empty()) {
                addresses.push(address(text).map_err(|why| {
                    fault(&word.place, why, "write a zone, and behind a colon its port: corp.example:53")
                })?);
            }
        }
        let said = plan.statement(node.place(), &node.text());
        let plugins: Vec<Plugin> = node
            .lines()
            .iter()
            .map(|line| Plugin { said: plan.statement(line.place(), &line.text()), node: line.clone() })
            .collect();
        all.push((addresses, said, plugins));
    }
    let ports: Vec<u16> = all
        .iter()
        .flat_map(|(addresses, ..)| addresses)
        .filter(|a| a.scheme.is_none())
        .map(|a| a.port)
        .collect();
    let port = if ports.contains(&53) { 53 } else { ports.first().copied().unwrap_or(53) };
    let mut blocks: Vec<Block> = Vec::new();
    for (addresses, said, plugins) in all {
        let mut zones: Vec<Name> = Vec::new();
        for address in addresses {
            match &address.scheme {
                Some(scheme) => plan.refused(
                    &said,
                    format!("clients are not answered over {scheme} here"),
                    "keep a server in front of this one for them",
                ),
                None if address.port != port => plan.refused(
                    &said,
                    format!("port {} has names of its own, and this server answers all its ports alike; port {port} is taken over", address.port),
                    "run a second instance of this server for the other port, with a configuration of its own",
                ),
                None => zones.extend(address.zones),
            }
        }
        for zone in &zones {
            let taken = blocks.iter().find(|block| block.zones.contains(zone));
            if let Some(other) = taken {
                let message = format!("`{zone}` has a server block already, at {}", other.said.place);
                return Err(fault(&said.place, message, "put the plugins of both into one"));
            }
        }
        match zones.is_empty() {
            true => plugins
                .iter()
                .for_each(|plugin| plan.refused(&plugin.said, "its server block is left out", "see there")),
            false => {
                plan.translated(&said, "its plugins, each by itself");
                blocks.push(Block { zones, port, said, plugins });
            }
        }
    }
    Ok(blocks)
}

/// `[SCHEME://]ZONE[:PORT]`, where a zone may be a network.
fn address(text: &str) -> Result<Address, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some(("dns", rest)) => (None, rest),
        Some((scheme @ ("tls" | "https" | "https3" | "grpc" | "quic"), rest)) => {
            (Some(scheme.to_owned()), rest)
        }
        Some((scheme, _)) => return Err(format!("`{scheme}://` is no transport of CoreDNS")),
        None => (None, text),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => {
            (host, port.parse::<u16>().map_err(|_| format!("`{port}` is no port"))?)
        }
        _ => (rest, 53),
    };
    let zones = match host {
        "" => vec![Name::root()],
        host => names(host)?,
    };
    if port == 0 {
        return Err("port 0 can't be asked".to_owned());
    }
    Ok(Address { scheme, zones, port })
}

/// A domain, or the reverse names of a network.
pub fn names(text: &str) -> Result<Vec<Name>, String> {
    match text.parse::<IpNet>() {
        Ok(network) => Ok(crate::config::reverse::domains(network.trunc())),
        Err(_) => domain(text).map(|name| vec![name]),
    }
}
