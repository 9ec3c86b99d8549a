//! What a running server last saw of AWS: the addresses of inbound endpoints, and the rules of a VPC. Kept in the state
//! folder, so that a server that starts while AWS can't be asked goes on with the last good ones. What is written in the
//! configuration itself comes first: of a domain that has a rule or zone there, AWS's rule is left out.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Aws, RuleType};
use crate::config::files::{hash, reason, what_to_do};
use crate::config::reader::{At, Faults};
use crate::config::reverse;
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
    /// The VPC whose rules were asked for.
    pub vpc: Option<String>,
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

/// What a running configuration says of following.
#[derive(Clone, Debug)]
pub struct Following {
    pub aws: Aws,
    /// The folder where what was seen is kept.
    pub state: PathBuf,
    /// What the server goes by.
    pub running: Followed,
}

impl Config {
    /// None if it follows nothing.
    pub fn following(&self) -> Option<Following> {
        let aws = self.aws.as_ref().filter(|aws| aws.follow.is_some())?.clone();
        Some(Following { aws, state: self.server.state.clone()?, running: self.followed.clone() })
    }
}

impl Followed {
    /// Without its rules if they are of another VPC than the configuration follows now.
    fn of_vpc(mut self, vpc: Option<&String>) -> Followed {
        if self.vpc.as_ref() != vpc {
            self.rules.clear();
        }
        self
    }

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
    let aws = config.aws.as_ref().filter(|aws| aws.follow.is_some())?;
    if cfg!(not(feature = "aws")) {
        let help = "install a build with the feature `aws`, or remove `follow`";
        faults.warning("no-provisioner", place, "this build does not ask AWS: what is written holds", help);
    }
    let Some(state) = &config.server.state else {
        if !faults.is_incomplete() {
            let message = "what is followed has to be kept somewhere, and there is no folder for it";
            faults.error("missing-state", place, message, "add state = \"/var/lib/dnsfwd\" to [server]");
        }
        return None;
    };
    let read = Followed::read(state).unwrap_or_else(|error| {
        let path = Followed::path(state);
        let message = format!("what was last seen of AWS is lost: {}: {}", path.display(), reason(&error));
        let help = format!("{}; it is written anew once AWS was asked", what_to_do(&error));
        faults.warning("aws-followed", &Place::whole_file(path), message, help);
        None
    });
    read.map(|seen| seen.of_vpc(aws.follow_rules.as_ref()))
}

impl Followed {
    /// Adds the rules of AWS, each with an endpoint of its own, behind those of the files.
    pub(in crate::config) fn add_rules(
        &self,
        written: &mut Written,
        config: &Config,
        faults: &mut Faults,
        machine: Machine<'_>,
    ) {
        let Some(state) = &config.server.state else { return };
        let place = Place::whole_file(Followed::path(state));
        let mut known = domains_of(written);
        let inbound = written.endpoints.iter().find(|endpoint| endpoint.aws.is_some());
        let inbound = inbound.and_then(|endpoint| endpoint.name.as_ref()).map(|name| name.value.clone());
        for rule in &self.rules {
            let Ok(domain) = Name::parse(&rule.domain) else { continue };
            if known.contains(&domain) {
                continue;
            }
            let is_here = |target: &SocketAddr| system::is_own(*target, &config.server.listen, machine);
            let mut targets: Vec<SocketAddr> =
                rule.targets.iter().copied().filter(|target| !is_here(target)).collect();
            // Twice the same would be a fault, and a fault in what AWS says must not keep a server from starting.
            targets.sort_unstable();
            targets.dedup();
            let endpoint = match (rule.kind, &inbound) {
                (RuleType::Forward, _) if !targets.is_empty() => {
                    let name = format!("aws {}", rule.id);
                    written.endpoints.push(endpoint_of(&name, &targets, &place));
                    name
                }
                // What Resolver answers by itself is asked of it.
                (RuleType::System, Some(name)) if !domain.is_root() => name.clone(),
                _ => {
                    rule.warn_of_loss(inbound.is_none(), &place, faults);
                    continue;
                }
            };
            known.insert(domain.clone());
            written.rules.add(At { value: domain, place: place.clone() }, &endpoint);
        }
    }
}

impl FollowedRule {
    /// Of a rule that is left out, unless that is how it should be: the VPC's rule for what is known here leads here.
    fn warn_of_loss(&self, has_no_inbound: bool, place: &Place, faults: &mut Faults) {
        let (why, help) = match self.kind {
            RuleType::Forward if self.targets.is_empty() => (
                "its targets speak DNS over HTTPS alone",
                "write a rule for the domain here, with targets that are asked on port 53",
            ),
            RuleType::System if has_no_inbound => {
                ("no endpoint here leads to Resolver", "add an [[endpoint]] with aws = \"inbound\"")
            }
            _ => return,
        };
        let message = format!("the rule {} of AWS for {} is left out: {why}", self.id, self.domain);
        faults.warning("aws-followed", place, message, help);
    }
}

/// What the files have rules or zones for.
fn domains_of(written: &Written) -> HashSet<Name> {
    let rules = written.rules.domains.iter().map(|domain| domain.value.clone());
    let networks = written.rules.networks.iter().flat_map(|network| reverse::domains(network.value));
    let zones = written.zones.iter().filter_map(|zone| zone.name.as_ref()).map(|name| name.value.clone());
    rules.chain(networks).chain(zones).collect()
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
