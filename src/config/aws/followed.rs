//! What a running server last saw of AWS: the addresses of inbound endpoints, and the rules of a VPC. Kept in the state
//! folder, so that a server that starts while AWS can't be asked goes on with the last good ones. What is written in the
//! configuration itself comes first: of a domain that has a rule or zone there, AWS's rule is left out.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RuleType;
use crate::config::files::{hash, reason, what_to_do};
use crate::config::reader::{At, Faults};
use crate::config::schema::{Written, WrittenEndpoint, WrittenTarget};
use crate::config::source::Place;
use crate::config::system::{self, Machine};
use crate::config::{Address, Config, defaults};
use crate::wire::name::Name;

/// In the state folder.
const FILE: &str = "aws.json";

/// The part of the AWS side that a server asks. Without a time: what is the same is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// The addresses that are ATTACHED, by the name that the configuration has for their endpoint.
    pub endpoints: BTreeMap<String, Vec<FollowedAddress>>,
    /// By domain.
    pub rules: Vec<FollowedRule>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FollowedAddress {
    pub ip: IpAddr,
    pub az: Option<String>,
}

/// A rule that is associated with the VPC that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedRule {
    /// With the dot at the end.
    pub domain: String,
    /// `rslvr-rr-…`
    pub id: String,
    pub kind: RuleType,
    /// Those that speak Do53; none for SYSTEM.
    pub targets: Vec<SocketAddr>,
}

impl Followed {
    /// What a server goes by is its files and this.
    pub(in crate::config) fn hash_over(&self, files: &str) -> String {
        hash([files, &format!("{self:?}")])
    }

    pub fn path(state: &Path) -> PathBuf {
        state.join(FILE)
    }

    /// None if there is none yet.
    pub fn read(state: &Path) -> io::Result<Option<Followed>> {
        match std::fs::read(Followed::path(state)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whole or not at all: it is written beside the old one, which it then replaces.
    pub fn write(&self, state: &Path) -> io::Result<()> {
        let path = Followed::path(state);
        let aside = path.with_extension("json.new");
        let file = std::fs::File::create(&aside)?;
        serde_json::to_writer_pretty(&file, self)?;
        file.sync_all()?;
        std::fs::rename(aside, path)
    }
}

/// What was last seen, if the configuration follows AWS. A file that can't be read is worth a warning: AWS will be asked.
pub(in crate::config) fn last(written: &Written, config: &Config, faults: &mut Faults) -> Option<Followed> {
    let place = written.place_of("aws", "follow")?;
    config.aws.as_ref()?.follow?;
    let Some(state) = &config.server.state else {
        if !faults.is_incomplete() {
            let message = "what is followed has to be kept somewhere, and there is no folder for it";
            faults.error("missing-state", place, message, "add state = \"/var/lib/dnsfwd\" to [server]");
        }
        return None;
    };
    Followed::read(state).unwrap_or_else(|error| {
        let path = Followed::path(state);
        let message = format!("what was last seen of AWS is lost: {}: {}", path.display(), reason(&error));
        let help = format!("{}; it is written anew once AWS was asked", what_to_do(&error));
        faults.warning("aws-followed", &Place::whole_file(path), message, help);
        None
    })
}

impl Followed {
    /// Adds the rules of AWS, each with an endpoint of its own, behind those of the files.
    pub(in crate::config) fn add_rules(&self, written: &mut Written, config: &Config, machine: Machine<'_>) {
        let Some(state) = &config.server.state else { return };
        let place = Place::whole_file(Followed::path(state));
        let own: HashSet<Name> = written.rules.domains.iter().map(|domain| domain.value.clone()).collect();
        let zones = written.zones.iter().filter_map(|zone| zone.name.as_ref()).map(|name| name.value.clone());
        let mut known: HashSet<Name> = own.into_iter().chain(zones).collect();
        let inbound = written.endpoints.iter().find(|endpoint| endpoint.aws.is_some());
        let inbound = inbound.and_then(|endpoint| endpoint.name.as_ref()).map(|name| name.value.clone());
        for rule in &self.rules {
            let Ok(domain) = Name::parse(&rule.domain) else { continue };
            let targets: Vec<SocketAddr> = rule
                .targets
                .iter()
                .copied()
                .filter(|&target| !system::is_own(target, &config.server.listen, machine))
                .collect();
            let endpoint = match rule.kind {
                RuleType::Forward if !targets.is_empty() => format!("aws {}", rule.id),
                // What Resolver answers by itself is asked of it.
                RuleType::System if !domain.as_wire().eq(&[0]) => match &inbound {
                    Some(name) => name.clone(),
                    None => continue,
                },
                _ => continue,
            };
            if !known.insert(domain.clone()) {
                continue;
            }
            if rule.kind == RuleType::Forward {
                written.endpoints.push(endpoint_of(&endpoint, &targets, &place));
            }
            written.rules.add(At { value: domain, place: place.clone() }, &endpoint);
        }
    }
}

fn endpoint_of(name: &str, targets: &[SocketAddr], place: &Place) -> WrittenEndpoint {
    let at = |&address: &SocketAddr| At {
        value: WrittenTarget {
            address: Address::Socket(address),
            az: None,
            tier: defaults::TIER,
            rate: None,
        },
        place: place.clone(),
    };
    WrittenEndpoint {
        place: place.clone(),
        name: Some(At { value: name.to_owned(), place: place.clone() }),
        targets: Some(targets.iter().map(at).collect()),
        aws: None,
        client_subnet: defaults::CLIENT_SUBNET,
        probe: None,
        rate: None,
    }
}
