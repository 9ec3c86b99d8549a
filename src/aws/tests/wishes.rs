//! Wishes by chance, and the country that they are about: VPCs, subnets, and what stands there of others.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::aws::world::{
    Address, Association, Authorization, ClientVpn, Endpoint, Permission, QueryLog, Rule, SecurityGroup,
    State, Subnet, Switch, Vpc, VpnRoute, World,
};
use crate::config::Location;
use crate::config::aws::{
    self, AddressFamily, Aws, Direction, EndpointAddress, Protocol, ResolverEndpoint, ResolverRule,
    RuleTarget, RuleType, name_of,
};
use crate::wire::name::Name;

/// With this begin the names and marks of what is somebody else's.
pub const FOREIGN: &str = "terraform";
const VPN: &str = "cvpn-endpoint-1";
const DOMAINS: [&str; 7] = [
    ".",
    "corp.example.",
    "eu.corp.example.",
    "lab.example.",
    "amazonaws.com.",
    "168.192.in-addr.arpa.",
    "partner.example.",
];

/// VPCs, subnets, and things of others.
pub fn country() -> World {
    let mut world =
        World { account: "111122223333".into(), region: "ap-northeast-2".into(), ..World::default() };
    let nets = [
        ("a", "vpc-1", "10.0.1.0/24"),
        ("b", "vpc-1", "10.0.2.0/24"),
        ("c", "vpc-1", "10.0.3.0/24"),
        ("d", "vpc-2", "10.1.1.0/24"),
        ("e", "vpc-2", "10.1.2.0/24"),
    ];
    for (letter, vpc, net) in nets {
        let subnet =
            Subnet { vpc: vpc.into(), az: format!("az-{letter}"), cidr: net.parse().expect("literal") };
        world.subnets.insert(format!("subnet-{letter}"), subnet);
    }
    for (number, net) in [(1, "10.0.0.0/16"), (2, "10.1.0.0/16"), (3, "10.2.0.0/16")] {
        let switch = |on| Some(Switch { on, is_changing: false });
        let vpc = Vpc {
            cidrs: vec![net.parse().expect("literal")],
            dnssec_validation: switch(false),
            autodefined_reverse: switch(true),
        };
        world.vpcs.insert(format!("vpc-{number}"), vpc);
    }
    for (id, vpc) in [("sg-1", "vpc-1"), ("sg-2", "vpc-1"), ("sg-3", "vpc-2")] {
        let all = Permission { protocol: "-1".into(), from_port: -1, to_port: -1, peer: "0.0.0.0/0".into() };
        let group = SecurityGroup {
            name: format!("{FOREIGN}-{id}"),
            vpc: vpc.into(),
            ingress: vec![all.clone()],
            egress: vec![all],
            tags: BTreeMap::new(),
        };
        world.security_groups.insert(id.into(), group);
    }
    foreigners(&mut world);
    world.client_vpns.insert(VPN.into(), client_vpn());
    world
}

fn foreigners(world: &mut World) {
    let address = |subnet: &str, ip: [u8; 4]| Address {
        subnet: subnet.into(),
        ip: Some(Ipv4Addr::from(ip)),
        ipv6: None,
        state: State::Ready,
        status: "ATTACHED".into(),
    };
    let endpoint = Endpoint {
        name: "theirs".into(),
        arn: "arn:aws:route53resolver:ap-northeast-2:111122223333:resolver-endpoint/rslvr-out-f".into(),
        direction: Direction::Outbound,
        vpc: "vpc-2".into(),
        security_groups: vec!["sg-3".into()],
        family: AddressFamily::Ipv4,
        protocols: vec![Protocol::Do53],
        dns64: false,
        interface_metrics: false,
        target_metrics: false,
        ipv6_internet: false,
        state: State::Ready,
        status: "OPERATIONAL".into(),
        creator_request_id: format!("{FOREIGN}-1"),
        addresses: [
            ("rni-f1", address("subnet-d", [10, 1, 1, 5])),
            ("rni-f2", address("subnet-e", [10, 1, 2, 5])),
        ]
        .map(|(id, address)| (id.to_owned(), address))
        .into(),
        tags: BTreeMap::new(),
    };
    world.endpoints.insert("rslvr-out-f".into(), endpoint);
    let rule = Rule {
        name: "theirs".into(),
        arn: "arn:aws:route53resolver:ap-northeast-2:111122223333:resolver-rule/rslvr-rr-f".into(),
        domain: "partner.example.".into(),
        kind: RuleType::Forward,
        targets: vec![target([192, 0, 2, 9])],
        endpoint: Some("rslvr-out-f".into()),
        state: State::Ready,
        status: "COMPLETE".into(),
        creator_request_id: format!("{FOREIGN}-2"),
        owner: "111122223333".into(),
        tags: BTreeMap::new(),
    };
    world.rules.insert("rslvr-rr-f".into(), rule);
    let association = Association {
        rule: "rslvr-rr-f".into(),
        vpc: "vpc-3".into(),
        state: State::Ready,
        status: "COMPLETE".into(),
    };
    world.associations.insert("rslvr-rrassoc-f".into(), association);
    let log = QueryLog {
        name: "theirs".into(),
        arn: "arn:aws:route53resolver:ap-northeast-2:111122223333:resolver-query-log-config/rqlc-f".into(),
        destination: "arn:aws:s3:::theirs".into(),
        state: State::Ready,
        status: "CREATED".into(),
        creator_request_id: format!("{FOREIGN}-3"),
        owner: "111122223333".into(),
        tags: BTreeMap::new(),
    };
    world.query_logs.insert("rqlc-f".into(), log);
    world.query_log_associations.insert("rqlc-f".into(), [("vpc-3".into(), State::Ready)].into());
}

fn client_vpn() -> ClientVpn {
    let vpc = "10.0.0.0/16".parse().expect("literal");
    ClientVpn {
        state: State::Ready,
        status: "available".into(),
        dns_servers: Vec::new(),
        split_tunnel: true,
        client_cidr: "10.200.0.0/16".into(),
        subnets: vec!["subnet-a".into()],
        routes: vec![VpnRoute {
            destination: vpc,
            subnet: "subnet-a".into(),
            origin: "associate".into(),
            is_active: true,
            description: format!("{FOREIGN} default"),
        }],
        authorizations: vec![Authorization {
            destination: "172.16.0.0/12".parse().expect("literal"),
            group: None,
            is_active: true,
            description: format!("{FOREIGN} all"),
        }],
    }
}

fn target(ip: [u8; 4]) -> RuleTarget {
    RuleTarget { address: (ip, 53).into(), protocol: Protocol::Do53, sni: None }
}

/// What is wanted, in few numbers.
#[derive(Clone, Debug)]
pub struct Wish {
    inbound: Option<Wanted>,
    outbound: Option<Wanted>,
    /// A second outbound endpoint, so that rules may move.
    second: Option<Wanted>,
    rules: Vec<WantedRule>,
    logs: Vec<(usize, usize, Vec<&'static str>)>,
    switches: Option<(Option<bool>, Option<bool>)>,
    dns_servers: Option<(Vec<u8>, bool)>,
    tag: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Wanted {
    name: &'static str,
    /// Which of six places; those of outbound endpoints may be AWS's choice.
    places: Vec<usize>,
    chosen: bool,
    /// None: somebody else's group.
    allow: Option<Vec<&'static str>>,
    dual: bool,
    protocols: Vec<Protocol>,
    flags: (bool, bool),
}

#[derive(Clone, Debug)]
struct WantedRule {
    domain: usize,
    name: Option<&'static str>,
    forward: bool,
    second: bool,
    targets: Vec<u8>,
    vpcs: Vec<&'static str>,
    share: Vec<&'static str>,
    tag: bool,
}

pub fn wish() -> impl Strategy<Value = Wish> {
    let logs = vec((0..2usize, 0..2usize, subsequence(vec!["vpc-1", "vpc-2"], 0..=2)), 0..3);
    (
        prop::option::weighted(0.8, wanted(["in", "inbound"], 0)),
        prop::option::weighted(0.9, wanted(["out", "outbound"], 1)),
        prop::option::weighted(0.3, wanted(["out2", "spare"], 2)),
        vec(rule(), 0..6),
        logs,
        prop::option::of((any::<Option<bool>>(), any::<Option<bool>>())),
        prop::option::of((subsequence(vec![10u8, 11, 12], 1..=2), any::<bool>())),
        prop::option::of(select(vec!["network", "dns"])),
    )
        .prop_map(|(inbound, outbound, second, rules, logs, switches, dns_servers, tag)| Wish {
            inbound,
            outbound,
            second,
            rules,
            logs,
            switches,
            dns_servers,
            tag,
        })
}

/// `column` keeps the addresses of different endpoints apart.
fn wanted(names: [&'static str; 2], column: usize) -> impl Strategy<Value = Wanted> {
    let protocols =
        select(vec![vec![Protocol::Do53], vec![Protocol::Do53, Protocol::Doh], vec![Protocol::Doh]]);
    (
        select(names.to_vec()),
        subsequence((0..6).map(|place| column * 6 + place).collect::<Vec<usize>>(), 2..=4),
        any::<bool>(),
        prop::option::weighted(
            0.8,
            subsequence(vec!["10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12"], 1..=3),
        ),
        prop::bool::weighted(0.2),
        protocols,
        any::<(bool, bool)>(),
    )
        .prop_map(move |(name, places, chosen, allow, dual, protocols, flags)| Wanted {
            name,
            places,
            chosen,
            allow,
            dual,
            protocols,
            flags,
        })
}

fn rule() -> impl Strategy<Value = WantedRule> {
    (
        0..DOMAINS.len(),
        prop::option::weighted(0.2, select(vec!["one", "two", "three"])),
        prop::bool::weighted(0.8),
        any::<bool>(),
        subsequence((1..=5u8).collect::<Vec<u8>>(), 1..=4),
        subsequence(vec!["vpc-1", "vpc-2", "vpc-3"], 0..=3),
        subsequence(vec!["444455556666", "777788889999"], 0..=2),
        any::<bool>(),
    )
        .prop_map(|(domain, name, forward, second, targets, vpcs, share, tag)| WantedRule {
            domain,
            name,
            forward,
            second,
            targets,
            vpcs,
            share,
            tag,
        })
}

fn nowhere() -> Location {
    Location { file: Arc::from(Path::new("dnsfwd.toml")), line: 1, column: 1 }
}

impl Wish {
    /// As the configuration would have it.
    pub fn aws(&self) -> Aws {
        let mut aws = Aws {
            region: "ap-northeast-2".into(),
            owner: "anycompany-dns".into(),
            profile: None,
            follow: None,
            follow_rules: None,
            tags: self.tag.map(|tag| ("team".to_owned(), tag.to_owned())).into_iter().collect(),
            endpoints: Vec::new(),
            rules: Vec::new(),
            client_vpns: Vec::new(),
            query_logs: Vec::new(),
            vpcs: Vec::new(),
            subnets: Vec::new(),
            place: nowhere(),
        };
        aws.endpoints
            .extend(self.inbound.iter().map(|one| one.endpoint(Direction::Inbound, Some("inbound"))));
        aws.endpoints
            .extend(self.outbound.iter().map(|one| one.endpoint(Direction::Outbound, Some("outbound"))));
        aws.endpoints.extend(self.second.iter().map(|one| one.endpoint(Direction::Outbound, None)));
        self.rules(&mut aws);
        self.logs(&mut aws);
        aws.vpcs.extend(self.switches.map(|(dnssec_validation, autodefined_reverse)| aws::Vpc {
            id: "vpc-1".into(),
            cidrs: Vec::new(),
            dnssec_validation,
            autodefined_reverse,
            place: nowhere(),
        }));
        aws.client_vpns.extend(self.dns_servers.iter().map(|(servers, authorize)| aws::ClientVpn {
            endpoint: VPN.into(),
            dns_servers: servers.iter().map(|host| Ipv4Addr::new(192, 168, 2, *host)).collect(),
            authorize: *authorize,
            group: None,
            place: nowhere(),
        }));
        aws
    }

    fn rules(&self, aws: &mut Aws) {
        for wanted in &self.rules {
            let domain = Name::parse(DOMAINS[wanted.domain]).expect("literal");
            let name = wanted.name.map_or_else(|| name_of(&domain), str::to_owned);
            let outbound = [self.outbound.as_ref(), self.second.as_ref()];
            let through = outbound[usize::from(wanted.second)].or(outbound[0]).or(outbound[1]);
            let is_forward =
                wanted.forward && through.is_some_and(|one| one.protocols.contains(&Protocol::Do53));
            let taken = |other: &ResolverRule| other.name == name || other.domain == domain;
            if aws.rules.iter().any(taken) {
                continue;
            }
            let targets = wanted.targets.iter().map(|host| target([192, 168, 2, *host]));
            aws.rules.push(ResolverRule {
                name,
                domain,
                kind: if is_forward { RuleType::Forward } else { RuleType::System },
                targets: if is_forward { targets.collect() } else { Vec::new() },
                endpoint: through.filter(|_| is_forward).map(|one| one.name.to_owned()),
                vpcs: wanted.vpcs.iter().map(|vpc| (*vpc).to_owned()).collect(),
                share: wanted.share.iter().map(|account| (*account).to_owned()).collect(),
                tags: wanted.tag.then(|| ("kind".to_owned(), "rule".to_owned())).into_iter().collect(),
                id: None,
                place: nowhere(),
            });
        }
    }

    fn logs(&self, aws: &mut Aws) {
        for (name, destination, vpcs) in &self.logs {
            let name = format!("log{name}");
            if aws.query_logs.iter().any(|log| log.name == name) {
                continue;
            }
            aws.query_logs.push(aws::QueryLog {
                name,
                destination: format!("arn:aws:s3:::logs{destination}"),
                vpcs: vpcs.iter().map(|vpc| (*vpc).to_owned()).collect(),
                tags: BTreeMap::new(),
                id: None,
                place: nowhere(),
            });
        }
    }
}

impl Wanted {
    fn endpoint(&self, direction: Direction, alias: Option<&'static str>) -> ResolverEndpoint {
        let is_chosen = self.chosen && direction == Direction::Outbound;
        let address = |place: &usize| EndpointAddress {
            subnet: format!("subnet-{}", ["a", "b", "c"][place % 3]),
            ip: (!is_chosen).then(|| Ipv4Addr::new(10, 0, 1 + (place % 3) as u8, 10 + (place / 3) as u8)),
            ipv6: None,
            place: nowhere(),
        };
        let security_group = match &self.allow {
            Some(nets) => aws::SecurityGroup::Ours {
                allow: nets.iter().map(|net| net.parse().expect("literal")).collect(),
            },
            None => aws::SecurityGroup::Theirs(vec!["sg-1".into()]),
        };
        ResolverEndpoint {
            name: self.name.into(),
            alias,
            direction,
            vpc: "vpc-1".into(),
            addresses: self.places.iter().map(address).collect(),
            security_group,
            family: if self.dual { AddressFamily::DualStack } else { AddressFamily::Ipv4 },
            protocols: self.protocols.clone(),
            dns64: self.flags.0 && direction == Direction::Inbound,
            interface_metrics: self.flags.1,
            target_metrics: self.flags.0 && direction == Direction::Outbound,
            ipv6_internet: false,
            tags: BTreeMap::new(),
            id: None,
            place: nowhere(),
        }
    }
}
