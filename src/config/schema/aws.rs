//! `[aws]` and the tables in it: what stands on the AWS side. Reads; what takes more than one value to judge is left
//! to `config::aws`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;

use super::{Section, many};
use crate::config::aws::{AddressFamily, Direction, Protocol, RuleTarget, RuleType};
use crate::config::reader::{
    At, Faults, Node, Table, Wrong, at, flag, list, one_of, read_table, some, string, table as table_of,
};
use crate::config::source::Place;
use crate::config::value::{domain, duration, label, network};
use crate::wire::name::Name;

/// AWS allows 5 requests a second for a whole account and Region: more often than each half minute is unkind.
const FOLLOW: RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(86_400);
/// Of names in the Resolver API.
const MAX_NAME: usize = 64;
/// Leaves room in the CreatorRequestId (255) and in names of security groups and shares.
const MAX_OWNER: usize = 32;
/// Of ServerNameIndication in the Resolver API.
const MAX_SNI: usize = 255;
/// Of tags in the Resolver API.
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;
/// Tags of one thing in the Resolver API, less those that mark what is ours.
const MAX_TAGS: usize = 190;

/// All that the files say of AWS. Present as soon as one of them has the table. A table in it with a fault of its own,
/// which is reported, is none.
#[derive(Default)]
pub(in crate::config) struct WrittenAws {
    /// Of the first table.
    pub place: Option<Place>,
    pub region: Option<String>,
    pub owner: Option<String>,
    pub profile: Option<String>,
    pub follow: Option<Duration>,
    pub follow_rules: Option<At<String>>,
    pub tags: BTreeMap<String, String>,
    pub endpoints: Vec<Option<WrittenResolverEndpoint>>,
    pub rules: Vec<Option<WrittenResolverRule>>,
    pub client_vpns: Vec<Option<WrittenClientVpn>>,
    pub query_logs: Vec<Option<WrittenQueryLog>>,
    pub vpcs: Vec<Option<WrittenVpc>>,
    pub subnets: Vec<Option<WrittenSubnet>>,
}

pub(in crate::config) struct WrittenResolverEndpoint {
    pub alias: Option<&'static str>,
    pub name: Option<At<String>>,
    pub direction: Option<Direction>,
    pub vpc: Option<At<String>>,
    pub addresses: Option<Vec<At<WrittenAddress>>>,
    /// Outbound endpoints can do without.
    pub security_group: Option<WrittenSecurityGroup>,
    pub family: Option<At<AddressFamily>>,
    pub protocols: Option<At<Vec<Protocol>>>,
    pub dns64: Option<At<bool>>,
    pub interface_metrics: bool,
    pub target_metrics: Option<At<bool>>,
    pub ipv6_internet: Option<At<bool>>,
    pub tags: BTreeMap<String, String>,
    pub id: Option<String>,
}

pub(in crate::config) struct WrittenAddress {
    pub subnet: Option<String>,
    pub ip: Option<At<Ipv4Addr>>,
    pub ipv6: Option<At<Ipv6Addr>>,
}

pub(in crate::config) struct WrittenSecurityGroup {
    pub place: Place,
    pub allow: Option<Vec<IpNet>>,
    pub ids: Option<Vec<String>>,
}

pub(in crate::config) struct WrittenResolverRule {
    pub place: Place,
    pub name: Option<At<String>>,
    pub domain: Option<At<Name>>,
    pub delegation_record: Option<At<Name>>,
    pub kind: Option<RuleType>,
    pub targets: Option<Vec<At<RuleTarget>>>,
    pub endpoint: Option<At<String>>,
    pub vpcs: Vec<At<String>>,
    pub share: Vec<At<String>>,
    pub tags: BTreeMap<String, String>,
    pub id: Option<String>,
}

pub(in crate::config) struct WrittenClientVpn {
    pub endpoint: Option<At<String>>,
    pub dns_servers: Option<At<Vec<Ipv4Addr>>>,
    pub authorize: Option<bool>,
    pub group: Option<At<String>>,
    pub place: Place,
}

pub(in crate::config) struct WrittenQueryLog {
    pub name: Option<At<String>>,
    pub destination: Option<String>,
    pub vpcs: Vec<At<String>>,
    pub tags: BTreeMap<String, String>,
    pub id: Option<String>,
}

pub(in crate::config) struct WrittenVpc {
    pub id: Option<At<String>>,
    pub cidrs: Vec<IpNet>,
    pub dnssec_validation: Option<bool>,
    pub autodefined_reverse: Option<bool>,
    pub place: Place,
}

pub(in crate::config) struct WrittenSubnet {
    pub id: Option<At<String>>,
    pub cidr: Option<IpNet>,
    pub az: Option<String>,
    pub place: Place,
}

pub(super) fn aws(section: &mut Section<'_, '_>, aws: &mut WrittenAws) {
    if aws.place.is_none() {
        aws.place = Some(section.table.place.clone());
    }
    aws.region = section.get("region", string("\"ap-northeast-2\"", region)).or(aws.region.take());
    aws.owner = section.get("owner", string("\"anycompany-dns\"", owner)).or(aws.owner.take());
    aws.profile =
        section.get("profile", string("\"network\"", |text| Ok(text.to_owned()))).or(aws.profile.take());
    aws.follow = section.get("follow", duration(FOLLOW)).or(aws.follow);
    aws.follow_rules = section.get("follow_rules", at(id("vpc-"))).or(aws.follow_rules.take());
    section.set("tags", tags, &mut aws.tags);
    for (key, direction) in [("inbound", Direction::Inbound), ("outbound", Direction::Outbound)] {
        let read = |node: Node<'_>, faults: &mut Faults| {
            let (title, example) = match direction {
                Direction::Inbound => ("[aws.inbound]", "[aws.inbound]"),
                _ => ("[aws.outbound]", "[aws.outbound]"),
            };
            read_table(
                node,
                title,
                example,
                |table, faults| sound(table, faults, |t, f| endpoint(t, Some((key, direction)), f)),
                faults,
            )
        };
        aws.endpoints.extend(section.get(key, read));
    }
    let read = table_of("[aws.client_vpn]", "[aws.client_vpn]", |t, f| sound(t, f, client_vpn));
    let vpns = |node: Node<'_>, faults: &mut Faults| match node.items() {
        Some(items) => Some(items.filter_map(|item| read(item, faults)).collect()),
        None => read(node, faults).map(|one| vec![one]),
    };
    aws.client_vpns.extend(section.table.optional("client_vpn", vpns, section.faults).unwrap_or_default());
    let Section { table, faults, .. } = section;
    let read = |t: &mut Table<'_>, f: &mut Faults| endpoint(t, None, f);
    every(table, "endpoint", "[[aws.endpoint]]", &mut aws.endpoints, read, faults);
    every(table, "rule", "[[aws.rule]]", &mut aws.rules, rule, faults);
    every(table, "query_log", "[[aws.query_log]]", &mut aws.query_logs, query_log, faults);
    every(table, "vpc", "[[aws.vpc]]", &mut aws.vpcs, vpc, faults);
    every(table, "subnet", "[[aws.subnet]]", &mut aws.subnets, subnet, faults);
}

/// Reads all tables of one kind.
fn every<T>(
    table: &mut Table<'_>,
    name: &'static str,
    title: &'static str,
    into: &mut Vec<Option<T>>,
    read: impl Fn(&mut Table<'_>, &mut Faults) -> T,
    faults: &mut Faults,
) {
    many(table, name, title, &mut |table, faults| into.push(sound(table, faults, &read)), faults);
}

/// What is read of a table in which no value is wrong. Of others nothing more is said: what they lack may be the value
/// that is wrong.
fn sound<T>(
    table: &mut Table<'_>,
    faults: &mut Faults,
    read: impl Fn(&mut Table<'_>, &mut Faults) -> T,
) -> Option<T> {
    let before = faults.errors();
    let value = read(table, faults);
    (faults.errors() == before).then_some(value)
}

fn endpoint(
    table: &mut Table<'_>,
    alias: Option<(&'static str, Direction)>,
    faults: &mut Faults,
) -> WrittenResolverEndpoint {
    let directions = one_of([
        ("INBOUND", Direction::Inbound),
        ("OUTBOUND", Direction::Outbound),
        ("INBOUND_DELEGATION", Direction::InboundDelegation),
    ]);
    let families = one_of([
        ("IPV4", AddressFamily::Ipv4),
        ("IPV6", AddressFamily::Ipv6),
        ("DUALSTACK", AddressFamily::DualStack),
    ]);
    let name = at(string("\"anycompany-inbound\"", resolver_name));
    let one = at(table_of("an address", "{ subnet = \"subnet-0aaa\", ip = \"10.0.1.250\" }", address));
    WrittenResolverEndpoint {
        alias: alias.map(|(alias, _)| alias),
        name: table.required("name", "name = \"anycompany-inbound\"", name, faults),
        direction: match alias {
            Some((_, direction)) => Some(direction),
            None => table.required("direction", "direction = \"INBOUND\"", directions, faults),
        },
        vpc: table.required("vpc", "vpc = \"vpc-0a1b2c3d4e5f60718\"", at(id("vpc-")), faults),
        addresses: table.required(
            "addresses",
            "addresses = [{ subnet = \"subnet-0aaa\" }]",
            list(one),
            faults,
        ),
        security_group: table.optional(
            "security_group",
            table_of("`security_group`", "{ allow = [\"192.168.0.0/16\"] }", security_group),
            faults,
        ),
        family: table.optional("type", at(families), faults),
        protocols: table.optional("protocols", at(some(list(protocol()), "write [\"Do53\"]")), faults),
        dns64: table.optional("dns64", at(flag), faults),
        interface_metrics: table.optional("interface_metrics", flag, faults).unwrap_or(false),
        target_metrics: table.optional("target_metrics", at(flag), faults),
        ipv6_internet: table.optional("ipv6_internet", at(flag), faults),
        tags: table.optional("tags", tags, faults).unwrap_or_default(),
        id: table.optional("id", id("rslvr-"), faults),
    }
}

fn address(table: &mut Table<'_>, faults: &mut Faults) -> WrittenAddress {
    WrittenAddress {
        subnet: table.required("subnet", "subnet = \"subnet-0aaa\"", id("subnet-"), faults),
        ip: table.optional("ip", at(string("\"10.0.1.250\"", ipv4)), faults),
        ipv6: table.optional("ipv6", at(string("\"2001:db8::1\"", ipv6)), faults),
    }
}

fn security_group(table: &mut Table<'_>, faults: &mut Faults) -> WrittenSecurityGroup {
    let networks = list(string("\"192.168.0.0/16\"", network));
    WrittenSecurityGroup {
        place: table.place.clone(),
        allow: table.optional("allow", networks, faults),
        ids: table.optional("ids", some(list(id("sg-")), "name a security group: \"sg-0123\""), faults),
    }
}

fn rule(table: &mut Table<'_>, faults: &mut Faults) -> WrittenResolverRule {
    let kinds = one_of([
        ("FORWARD", RuleType::Forward),
        ("SYSTEM", RuleType::System),
        ("DELEGATE", RuleType::Delegate),
    ]);
    let name = at(string("\"anycompany-corp\"", resolver_name));
    let endpoint = at(string("\"outbound\"", |text| Ok(text.to_owned())));
    let share = list(at(string("\"111122223333\"", principal)));
    WrittenResolverRule {
        place: table.place.clone(),
        name: table.optional("name", name, faults),
        domain: table.optional("domain", at(string("\"anycompany.corp\"", domain)), faults),
        delegation_record: table.optional(
            "delegation_record",
            at(string("\"ns.corp.example\"", domain)),
            faults,
        ),
        kind: table.required("type", "type = \"FORWARD\"", kinds, faults),
        targets: table.optional("targets", list(at(target)), faults),
        endpoint: table.optional("endpoint", endpoint, faults),
        vpcs: table.optional("vpcs", list(at(id("vpc-"))), faults).unwrap_or_default(),
        share: table.optional("share", share, faults).unwrap_or_default(),
        tags: table.optional("tags", tags, faults).unwrap_or_default(),
        id: table.optional("id", id("rslvr-rr-"), faults),
    }
}

/// An address with or without a port, or a table that says more.
fn target(node: Node<'_>, faults: &mut Faults) -> Option<RuleTarget> {
    if node.value.as_table().is_none() {
        let address = string("\"192.168.2.250\"", |text| rule_address(text, Protocol::Do53))(node, faults)?;
        return Some(RuleTarget { address, protocol: Protocol::Do53, sni: None });
    }
    let read = |table: &mut Table<'_>, faults: &mut Faults| {
        let protocol = table.optional("protocol", protocol(), faults).unwrap_or_default();
        let address = string("\"192.168.2.250\"", |text| rule_address(text, protocol));
        let address = table.required("address", "address = \"192.168.2.250\"", address, faults);
        let sni = table.optional("sni", at(string("\"dns.corp.example\"", sni)), faults);
        if let Some(At { place, .. }) = sni.as_ref().filter(|_| protocol == Protocol::Do53) {
            let help = "leave it out, or write protocol = \"DoH\"";
            faults.error("aws-sni", place, "`sni` means something for DNS over HTTPS only", help);
        }
        Some(RuleTarget { address: address?, protocol, sni: sni.map(|sni| sni.value) })
    };
    read_table(node, "a target", "{ address = \"192.168.2.250\" }", read, faults).flatten()
}

fn client_vpn(table: &mut Table<'_>, faults: &mut Faults) -> WrittenClientVpn {
    let servers = at(some(list(string("\"10.0.1.250\"", ipv4)), "name one server or two"));
    WrittenClientVpn {
        place: table.place.clone(),
        endpoint: table.required(
            "endpoint",
            "endpoint = \"cvpn-endpoint-0123\"",
            at(id("cvpn-endpoint-")),
            faults,
        ),
        dns_servers: table.required("dns_servers", "dns_servers = [\"10.0.1.250\"]", servers, faults),
        authorize: table.optional("authorize", flag, faults),
        group: table.optional("group", at(string("\"S-1-5-21-…\"", |text| Ok(text.to_owned()))), faults),
    }
}

fn query_log(table: &mut Table<'_>, faults: &mut Faults) -> WrittenQueryLog {
    let name = at(string("\"anycompany-queries\"", resolver_name));
    WrittenQueryLog {
        name: table.required("name", "name = \"anycompany-queries\"", name, faults),
        destination: table.required(
            "destination",
            "destination = \"arn:aws:s3:::anycompany-dns-logs\"",
            string("\"arn:aws:s3:::anycompany-dns-logs\"", arn),
            faults,
        ),
        vpcs: table.optional("vpcs", list(at(id("vpc-"))), faults).unwrap_or_default(),
        tags: table.optional("tags", tags, faults).unwrap_or_default(),
        id: table.optional("id", id("rqlc-"), faults),
    }
}

fn vpc(table: &mut Table<'_>, faults: &mut Faults) -> WrittenVpc {
    let cidrs = list(string("\"10.0.0.0/16\"", network));
    WrittenVpc {
        place: table.place.clone(),
        id: table.required("id", "id = \"vpc-0a1b2c3d4e5f60718\"", at(id("vpc-")), faults),
        cidrs: table.optional("cidrs", cidrs, faults).unwrap_or_default(),
        dnssec_validation: table.optional("dnssec_validation", flag, faults),
        autodefined_reverse: table.optional("autodefined_reverse", flag, faults),
    }
}

fn subnet(table: &mut Table<'_>, faults: &mut Faults) -> WrittenSubnet {
    WrittenSubnet {
        place: table.place.clone(),
        id: table.required("id", "id = \"subnet-0aaa\"", at(id("subnet-")), faults),
        cidr: table.optional("cidr", string("\"10.0.1.0/24\"", network), faults),
        az: table.optional("az", string("\"ap-northeast-2a\"", label), faults),
    }
}

fn protocol() -> impl Fn(Node<'_>, &mut Faults) -> Option<Protocol> {
    one_of([("Do53", Protocol::Do53), ("DoH", Protocol::Doh), ("DoH-FIPS", Protocol::DohFips)])
}

/// An identifier that AWS gave: the prefix, and what follows in lower-case letters, digits and hyphens.
fn id(prefix: &'static str) -> impl Fn(Node<'_>, &mut Faults) -> Option<String> {
    move |node, faults| {
        let sound = |text: &str| {
            let rest = text.strip_prefix(prefix).unwrap_or_default();
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            (1..=64).contains(&rest.len()) && rest.chars().all(allowed)
        };
        let read = string("an identifier", |text| match sound(text) {
            true => Ok(text.to_owned()),
            false => Err(Wrong::new(
                "aws-id",
                format!("`{text}` is no identifier that AWS gives here"),
                format!(
                    "it begins with \"{prefix}\": copy it from the console, or from `aws` on the command line"
                ),
            )),
        });
        read(node, faults)
    }
}

fn tags(node: Node<'_>, faults: &mut Faults) -> Option<BTreeMap<String, String>> {
    let Some(entries) = node.value.as_table() else {
        node.wrong_type("a table", "write it like this: { team = \"network\" }", faults);
        return None;
    };
    if entries.len() > MAX_TAGS {
        let wrong = Wrong::new("aws-tag", format!("more than {MAX_TAGS} tags"), "leave some out");
        node.wrong(wrong, faults);
    }
    let mut tags = BTreeMap::new();
    for (key, value) in entries {
        let (key, text) = (key.get_ref().as_ref(), value.get_ref().as_str());
        let wrong = match text {
            None => Some("the value of a tag must be a string"),
            Some(_) if key.is_empty() || key.chars().count() > MAX_TAG_KEY => {
                Some("the key of a tag has 1 to 128 characters")
            }
            Some(_) if key.to_ascii_lowercase().starts_with("aws:") => {
                Some("keys that begin with `aws:` are AWS's own")
            }
            Some(_) if key.starts_with("dnsfwd:") => Some("keys that begin with `dnsfwd:` mark what is ours"),
            Some(text) if text.chars().count() > MAX_TAG_VALUE => {
                Some("the value of a tag has at most 256 characters")
            }
            Some(_) => None,
        };
        match wrong {
            Some(message) => {
                node.wrong(
                    Wrong::new("aws-tag", format!("tag `{key}`: {message}"), "correct the tag"),
                    faults,
                );
            }
            None => drop(tags.insert(key.to_owned(), text.unwrap_or_default().to_owned())),
        }
    }
    Some(tags)
}

fn region(text: &str) -> Result<String, Wrong> {
    let sound = text.split('-').count() >= 3
        && text.split('-').all(|part| !part.is_empty())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && text.ends_with(|c: char| c.is_ascii_digit());
    match sound {
        true => Ok(text.to_owned()),
        false => {
            let help = "write the Region's code, such as \"ap-northeast-2\"";
            Err(Wrong::new("aws-region", format!("`{text}` is no Region"), help))
        }
    }
}

fn owner(text: &str) -> Result<String, Wrong> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match (1..=MAX_OWNER).contains(&text.len()) && text.chars().all(allowed) {
        true => Ok(text.to_owned()),
        false => {
            let help = format!("use 1 to {MAX_OWNER} lower-case letters, digits and hyphens");
            Err(Wrong::new("aws-owner", format!("`{text}` can't mark what is ours"), help))
        }
    }
}

/// The Resolver API's pattern of names: `(?!^[0-9]+$)([a-zA-Z0-9\-_' ']+)`, of 1 to 64 characters.
pub(in crate::config) fn is_resolver_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_' ".contains(c);
    (1..=MAX_NAME).contains(&text.len())
        && text.chars().all(allowed)
        && !text.chars().all(|c| c.is_ascii_digit())
}

fn resolver_name(text: &str) -> Result<String, Wrong> {
    match is_resolver_name(text) {
        true => Ok(text.to_owned()),
        false => {
            let help = format!(
                "use 1 to {MAX_NAME} letters, digits, hyphens, underscores and spaces, and not digits alone: Route 53 takes no dots"
            );
            Err(Wrong::new("aws-name", format!("Route 53 refuses the name `{text}`"), help))
        }
    }
}

/// Whom a rule is shared with: an account, or the ARN of an organisation or one of its units.
fn principal(text: &str) -> Result<String, Wrong> {
    let is_account = text.len() == 12 && text.chars().all(|c| c.is_ascii_digit());
    let is_organisation = text.starts_with("arn:") && text.contains(":organizations:");
    match is_account || is_organisation {
        true => Ok(text.to_owned()),
        false => {
            let help = "write an account's 12 digits, or the ARN of an organisation or organisational unit";
            Err(Wrong::new("aws-principal", format!("a rule can't be shared with `{text}`"), help))
        }
    }
}

fn arn(text: &str) -> Result<String, Wrong> {
    match text.starts_with("arn:") && text.splitn(6, ':').count() == 6 && text.len() <= 600 {
        true => Ok(text.to_owned()),
        false => {
            let help = "write it as arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE";
            Err(Wrong::new("aws-arn", format!("`{text}` is no ARN"), help))
        }
    }
}

fn sni(text: &str) -> Result<String, Wrong> {
    let name = domain(text)?;
    match (1..=MAX_SNI).contains(&text.len()) {
        true => Ok(name.to_string().trim_end_matches('.').to_owned()),
        false => Err(Wrong::new("aws-sni", "the name has over 255 characters", "write a shorter one")),
    }
}

/// Where a rule sends: an address, its port as the protocol has it unless written.
fn rule_address(text: &str, protocol: Protocol) -> Result<SocketAddr, Wrong> {
    let bare = text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, protocol.port()));
    let address = bare.or_else(|| text.parse::<SocketAddr>().ok());
    match address.filter(|address| address.port() != 0 && !address.ip().is_unspecified()) {
        Some(address) => Ok(address),
        None => {
            let help = "Route 53 takes addresses only: \"192.168.2.250\", with a port \"192.168.2.250:5353\"";
            Err(Wrong::new("bad-address", format!("`{text}` is no address of a target"), help))
        }
    }
}

fn ipv4(text: &str) -> Result<Ipv4Addr, Wrong> {
    let host = |ip: &Ipv4Addr| !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast();
    text.parse().ok().filter(host).ok_or_else(|| {
        Wrong::new(
            "bad-address",
            format!("`{text}` is no host's IPv4 address"),
            "write one like \"10.0.1.250\"",
        )
    })
}

fn ipv6(text: &str) -> Result<Ipv6Addr, Wrong> {
    text.parse().ok().filter(|ip: &Ipv6Addr| !ip.is_unspecified() && !ip.is_multicast()).ok_or_else(|| {
        Wrong::new(
            "bad-address",
            format!("`{text}` is no host's IPv6 address"),
            "write one like \"2001:db8::1\"",
        )
    })
}
