//! AWS's side: what Resolver does with a name in a VPC, as far as the file tells. Private hosted zones are unknown here.
//! Warns of nothing.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::config::aws::{Aws, Direction, ResolverEndpoint, RuleType};
use crate::config::reverse;
use crate::wire::name::{Name, label_count, suffixes};

pub(super) struct There<'a> {
    aws: &'a Aws,
    /// The rules of each VPC by domain; DELEGATE rules go by no domain and are not among them.
    rules: HashMap<&'a str, HashMap<&'a [u8], usize, RandomState>>,
    /// AWS's own rules of each VPC that is named in the file.
    autodefined: HashMap<&'a str, Vec<Name>>,
    inbound: HashMap<IpAddr, &'a ResolverEndpoint>,
}

impl<'a> There<'a> {
    pub fn new(aws: &'a Aws) -> There<'a> {
        let mut rules: HashMap<&str, HashMap<&[u8], usize, RandomState>> = HashMap::new();
        for (index, rule) in aws.rules.iter().enumerate().filter(|(_, rule)| rule.kind != RuleType::Delegate)
        {
            for vpc in &rule.vpcs {
                rules.entry(vpc).or_default().insert(rule.domain.as_wire(), index);
            }
        }
        let mut inbound = HashMap::new();
        for endpoint in aws.endpoints.iter().filter(|endpoint| endpoint.direction == Direction::Inbound) {
            for address in &endpoint.addresses {
                inbound.extend(address.ips().map(|ip| (ip, endpoint)));
            }
        }
        let vpcs = aws.rules.iter().flat_map(|rule| &rule.vpcs);
        let vpcs = vpcs.chain(aws.endpoints.iter().map(|endpoint| &endpoint.vpc));
        let autodefined = vpcs.map(|vpc| (vpc.as_str(), autodefined(aws, vpc))).collect();
        There { aws, rules, autodefined, inbound }
    }

    /// The inbound endpoint that has this address.
    pub fn inbound(&self, ip: IpAddr) -> Option<&'a ResolverEndpoint> {
        self.inbound.get(&ip).copied()
    }

    /// The rule that decides on a name in a VPC, by its index, unless one of AWS's own does.
    pub fn decide(&self, vpc: &str, name: &[u8]) -> Option<usize> {
        let (domain, rule) = self.rule(vpc, name)?;
        let own = self.autodefined(vpc, name).map_or(0, |own| own.label_count());
        // "Resolver rules, private hosted zone rules, autodefined rules", where their domains are the same.
        (own <= label_count(domain)).then_some(rule)
    }

    /// The most specific of our rules for a name in a VPC, whatever AWS's own do.
    pub fn rule(&self, vpc: &str, name: &[u8]) -> Option<(&'a [u8], usize)> {
        let rules = self.rules.get(vpc)?;
        suffixes(name).find_map(|name| rules.get_key_value(name)).map(|(domain, rule)| (*domain, *rule))
    }

    /// The most specific of our rules for the names above this one.
    pub fn above(&self, vpc: &str, name: &Name) -> Option<usize> {
        let parent = name.parent()?;
        self.rule(vpc, parent.as_wire()).map(|(_, rule)| rule)
    }

    /// The most specific of AWS's own rules for a name in a VPC.
    pub fn autodefined(&self, vpc: &str, name: &[u8]) -> Option<&Name> {
        let own = self.autodefined.get(vpc)?.iter();
        own.filter(|own| crate::wire::name::is_within(name, own.as_wire()))
            .max_by_key(|own| own.label_count())
    }

    pub fn rule_at(&self, index: usize) -> &'a crate::config::aws::ResolverRule {
        &self.aws.rules[index]
    }
}

/// The names that Resolver has rules of its own for in each VPC (Developer Guide, "autodefined system rules"). VPCs
/// where DNS hostnames are switched off have none, which the file doesn't say.
fn autodefined(aws: &Aws, vpc: &str) -> Vec<Name> {
    let mut names: Vec<String> = match aws.region.as_str() {
        "us-east-1" => {
            ["ec2.internal", "compute-1.internal", "compute-1.amazonaws.com"].map(str::to_owned).to_vec()
        }
        region => {
            let of_china = if region.starts_with("cn-") { ".cn" } else { "" };
            vec![format!("{region}.compute.internal"), format!("{region}.compute.amazonaws.com{of_china}")]
        }
    };
    let known = aws.vpc(vpc);
    if known.and_then(|vpc| vpc.autodefined_reverse) != Some(false) {
        names.extend(["10.in-addr.arpa", "168.192.in-addr.arpa"].map(str::to_owned));
        names.extend((16..32).map(|octet| format!("{octet}.172.in-addr.arpa")));
        let cidrs = known.map(|vpc| &vpc.cidrs[..]).unwrap_or_default();
        names.extend(cidrs.iter().flat_map(|&cidr| reverse::domains(cidr)).map(|name| name.to_string()));
    }
    names.iter().filter_map(|name| Name::parse(name).ok()).collect()
}

/// The name of all names of AWS's services in this Region.
pub(super) fn services(aws: &Aws) -> &'static str {
    if aws.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}
