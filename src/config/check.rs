//! Checks what takes more than one value to judge, and makes the configuration of what is written: names to
//! indices, networks to domains. The only file of the system that it looks at is a zone's, to see it is there.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::aws::{self, Aws, Direction, Followed, ResolverEndpoint};
use super::keys::Keys;
use super::lists::Lists;
use super::reader::{At, Faults};
use super::schema::{Action, Written, WrittenEndpoint, WrittenTarget};
use super::source::Place;
use super::system::{self, Machine};
use super::zones::{self, ForZones};
use super::{Address, Config, Endpoint, Listener, Server, Target, defaults, suggest, views, warn};
use crate::policy::access::AccessList;

/// With faults recorded the configuration is not whole, and must not be used.
pub(super) fn check(mut written: Written, faults: &mut Faults, machine: Machine<'_>) -> Config {
    let mut config = std::mem::replace(&mut written.config, defaults::defaults());
    listen(&written, &mut config);
    listeners(&written, &config, faults);
    ttls(&written, &config, faults);
    bootstrap(&written, &config, machine, faults);
    let keys = Keys::of(&written.keys, faults);
    let acls = std::mem::take(&mut written.acls);
    let mut lists = Lists::of(&acls, &keys, machine, faults);
    if let Some(allow) = &written.allow {
        config.server.allow = lists.access(allow, faults);
    }
    for listener in &written.listeners {
        let allow = listener.allow.as_ref().map(|allow| lists.access(allow, faults));
        let listener = listener.address.as_ref().map(|at| Listener { address: at.value, allow });
        config.server.listeners.extend(listener);
    }
    let state = config.server.state.clone();
    zones::check_state(&written, state.as_deref(), faults);
    let for_zones = ForZones { state: state.as_deref(), keys: &keys };
    config.zones = zones::zones(&written.zones, &for_zones, &mut lists, faults);
    let has_aws = written.aws.place.is_some();
    let written_aws = std::mem::take(&mut written.aws);
    let aws = aws::aws(written_aws, |key| written.place_of("aws", key).is_some(), faults);
    let (aws, aws_places) = aws.unzip();
    config.aws = aws;
    if let Some((aws, places)) = config.aws.as_ref().zip(aws_places.as_ref()) {
        aws::refuse(aws, places, faults);
    }
    let followed = aws::last(&written, &config, faults);
    if let Some(followed) = &followed {
        followed.add_rules(&mut written, &config, faults, machine);
    }
    config.followed = followed.unwrap_or_default();
    if config.followed != Followed::default() {
        config.hash = config.followed.hash_over(&config.hash);
    }
    let is_faulty = has_aws && config.aws.is_none();
    let behind = Behind { aws: config.aws.as_ref(), followed: &config.followed, is_faulty };
    let (endpoints, index) = endpoints(&written.endpoints, &behind, faults);
    config.endpoints = endpoints;
    let mut used = vec![false; config.endpoints.len()];
    let resolve = &mut |name: &str, place: &Place, faults: &mut Faults| {
        let found = find(name, place, &index, faults);
        found.inspect(|&endpoint| used[endpoint] = true)
    };
    let system = written.system.as_ref();
    config.server.system = system.and_then(|name| resolve(&name.value, &name.place, faults));
    settings(&written, &mut config, &mut lists, faults);
    let rules = (&mut written.rules, &mut written.view_rules);
    let table = views::take(rules, &written.views, &mut config, &for_zones, &mut lists, resolve, faults);
    config.rules = table.rules.shrink();
    let places = table.places;
    if written.system.is_none() {
        system_endpoint(&written, &mut config, faults, machine);
    }
    config.acls = lists.finish(faults);
    config.keys.clone_from(&keys.all);
    // With errors, what is unused or alone may be so just because of them.
    if !faults.has_errors() {
        keys.warn_of_unused(&written.keys, faults);
        warn::warn(&written, &config, &places, &used, machine, faults);
        if let Some(aws_places) = &aws_places {
            aws::warn(&written, &config, aws_places, &places, machine, faults);
        }
    }
    config
}

/// Where clients are listened to: what `[server]` says and each `[[listener]]`. The default holds where neither is.
fn listen(written: &Written, config: &mut Config) {
    if written.listen.is_empty() && !written.listeners.is_empty() {
        config.server.listen.clear();
    }
    let addresses = written.listeners.iter().filter_map(|listener| listener.address.as_ref());
    config.server.listen.extend(addresses.map(|address| address.value));
}

/// What rules say of their own, behind what is said for all.
fn settings(written: &Written, config: &mut Config, lists: &mut Lists<'_>, faults: &mut Faults) {
    let common = config.cache.freshness;
    config.freshness = vec![common];
    for rules in [&written.rules, &written.view_rules] {
        let allow: Vec<Arc<AccessList>> =
            rules.allow.iter().map(|allow| lists.access(allow, faults)).collect();
        for own in &rules.own {
            config.freshness.push(own.over(&common));
            config.rule_access.push(own.allow.map(|index| Arc::clone(&allow[usize::from(index)])));
        }
    }
    if config.freshness.len() > usize::from(u16::MAX)
        && let Some(view) = written.views.first()
    {
        let message =
            format!("rules say more than {} different things of stale answers and access", u16::MAX);
        faults.error("too-many-settings", &view.place, message, "let more of them say the same");
    }
}

fn listeners(written: &Written, config: &Config, faults: &mut Faults) {
    let mut first: HashMap<SocketAddr, &Place> = HashMap::new();
    let more = written.listeners.iter().filter_map(|listener| listener.address.as_ref());
    for At { value, place } in written.listen.iter().chain(more) {
        if let Some(other) = first.insert(*value, place) {
            let message = format!("{value} is listed twice; the first is at {other}");
            faults.error("duplicate-listen", place, message, "keep one of the two");
        }
    }
    let metrics = written.place_of("metrics", "listen").zip(config.metrics.listen);
    if let Some((place, address)) = metrics.filter(|(_, address)| config.server.listen.contains(address)) {
        let message = format!("metrics and clients can't share {address}");
        faults.error("duplicate-listen", place, message, "give metrics another port, or \"off\"");
    }
}

/// Names of targets are asked of others than ourselves, as we have no answer before we know the targets.
fn bootstrap(written: &Written, config: &Config, machine: Machine<'_>, faults: &mut Faults) {
    for At { value, place } in &written.bootstrap {
        if system::is_own(*value, &config.server.listen, machine) {
            let message = format!("{value} is this server itself, which can't look up its own targets");
            let help = "write the address of another server, such as a public resolver";
            faults.error("own-bootstrap", place, message, help);
        }
    }
    let targets = written.endpoints.iter().flat_map(|endpoint| endpoint.targets.iter().flatten());
    let named = targets.filter(|target| matches!(target.value.address, Address::Name(..)));
    if written.bootstrap.is_empty() && written.place_of("server", "bootstrap").is_none() {
        for At { value, place } in named.filter(|_| !faults.is_incomplete()).collect::<Vec<_>>() {
            let message = format!("`{}` has to be looked up, and there is nobody to ask", value.address);
            let help = "add bootstrap = [\"1.1.1.1\"] to [server], or write the target's address";
            faults.error("missing-bootstrap", place, message, help);
        }
    } else if let Some(place) =
        written.place_of("server", "bootstrap").filter(|_| config.server.bootstrap.is_empty())
        && named.count() > 0
    {
        let help = "name at least one server that knows the targets' names";
        faults.error("missing-bootstrap", place, "`bootstrap` names nobody, and targets are names", help);
    }
}

fn ttls(written: &Written, config: &Config, faults: &mut Faults) {
    let place = written.place_of("cache", "min_ttl").or(written.place_of("cache", "max_ttl"));
    if let Some(place) = place.filter(|_| config.cache.min_ttl_secs > config.cache.max_ttl_secs) {
        let message = "`min_ttl` is larger than `max_ttl`";
        faults.error("ttl-order", place, message, "make `min_ttl` the smaller one, or leave it out");
    }
}

/// Endpoints by name. Those with a fault are there too, so that rules naming them are not blamed.
type Index<'a> = HashMap<&'a str, (usize, &'a Place)>;

fn endpoints<'a>(
    written: &'a [WrittenEndpoint],
    behind: &Behind<'_>,
    faults: &mut Faults,
) -> (Vec<Endpoint>, Index<'a>) {
    let mut index = Index::new();
    let mut endpoints = Vec::with_capacity(written.len());
    for endpoint in written {
        let place = endpoint.named_at();
        let name = endpoint.name.as_ref().map_or("", |name| &name.value);
        if let Some((_, other)) = index.get(name) {
            let message = format!("a second endpoint `{name}`; the first is at {other}");
            faults.error("duplicate-endpoint", place, message, "give one of the two another name");
        } else if endpoint.name.is_some() {
            index.insert(name, (endpoints.len(), place));
        }
        endpoints.push(Endpoint {
            name: name.to_owned(),
            targets: match &endpoint.aws {
                Some(aws) => behind.targets(aws, endpoint.rate, faults),
                None => targets(endpoint, faults),
            },
            aws: endpoint.aws.as_ref().map(|aws| aws.value.clone()),
            client_subnet: endpoint.client_subnet,
            probe: endpoint.probe.clone(),
            place: place.location(),
        });
    }
    (endpoints, index)
}

/// The AWS side, for endpoints whose targets are the addresses of an inbound endpoint there.
struct Behind<'a> {
    aws: Option<&'a Aws>,
    /// As AWS was seen last: what it says of an endpoint comes before what is written.
    followed: &'a Followed,
    /// There is a table with faults of its own, which are reported.
    is_faulty: bool,
}

impl Behind<'_> {
    /// An endpoint's targets; those of a family that its type leaves out are not there.
    fn targets(&self, name: &At<String>, rate: Option<u32>, faults: &mut Faults) -> Vec<Target> {
        let Some(endpoint) = self.inbound(name, faults) else { return Vec::new() };
        if let Some(seen) = self.followed.endpoints.get(&endpoint.name).filter(|seen| !seen.is_empty()) {
            return seen.iter().map(|seen| target(seen.ip, seen.az.clone(), rate)).collect();
        }
        let subnet = |id: &str| self.aws.and_then(|aws| aws.subnet(id));
        let mut targets = Vec::new();
        for address in &endpoint.addresses {
            let az = subnet(&address.subnet).and_then(|subnet| subnet.az.clone());
            targets.extend(address.ips().map(|ip| target(ip, az.clone(), rate)));
        }
        targets
    }

    fn inbound(&self, name: &At<String>, faults: &mut Faults) -> Option<&ResolverEndpoint> {
        if self.is_faulty || faults.is_incomplete() {
            return None;
        }
        let At { value, place } = name;
        let endpoints = self.aws.map(|aws| &aws.endpoints[..]).unwrap_or_default();
        let (message, help) = match self.aws.and_then(|aws| aws.endpoint(value)) {
            Some(endpoint) if endpoint.direction == Direction::Inbound => return Some(endpoint),
            Some(_) => (
                format!("`{value}` is no endpoint that can be asked"),
                "name one of direction INBOUND".to_owned(),
            ),
            None => {
                let known = endpoints.iter().flat_map(|e| e.alias.into_iter().chain([e.name.as_str()]));
                let help = match suggest::nearest(value, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "add [aws.inbound], or write `targets`".to_owned(),
                };
                (format!("no endpoint of [aws] is called `{value}`"), help)
            }
        };
        faults.error("unknown-aws-endpoint", place, message, help);
        None
    }
}

fn target(ip: IpAddr, az: Option<String>, rate: Option<u32>) -> Target {
    let address = Address::Socket(SocketAddr::new(ip, defaults::DNS_PORT));
    Target { address, az, tier: defaults::TIER, rate: rate.filter(|&rate| rate > 0) }
}

fn targets(endpoint: &WrittenEndpoint, faults: &mut Faults) -> Vec<Target> {
    let written: &[At<WrittenTarget>] = endpoint.targets.as_deref().unwrap_or_default();
    let mut first: HashMap<&Address, &Place> = HashMap::new();
    for At { value, place } in written {
        if let Some(other) = first.insert(&value.address, place) {
            let message = format!("a second target {}; the first is at {other}", value.address);
            faults.error("duplicate-target", place, message, "keep one of the two");
        }
    }
    written.iter().map(|target| target.value.to_target(endpoint.rate)).collect()
}

fn find(name: &str, place: &Place, index: &Index<'_>, faults: &mut Faults) -> Option<usize> {
    let found = index.get(name).map(|&(at, _)| at);
    if found.is_none() && !faults.is_incomplete() {
        let message = format!("no endpoint is called `{name}`");
        let help = match suggest::nearest(name, sorted(index)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("add an [[endpoint]] with name = \"{name}\""),
        };
        faults.error("unknown-endpoint", place, message, help);
    }
    found
}

/// In a fixed order, so that of two names equally near always the same is suggested.
fn sorted<'a>(index: &Index<'a>) -> Vec<&'a str> {
    let mut names: Vec<&str> = index.keys().copied().collect();
    names.sort_unstable();
    names
}

/// Adds the system's own nameservers as an endpoint, if a SYSTEM rule needs them.
fn system_endpoint(written: &Written, config: &mut Config, faults: &mut Faults, machine: Machine<'_>) {
    let mut rules = written.rules.rules.iter().chain(&written.view_rules.rules);
    let Some(rule) = rules.find(|rule| rule.action == Some(Action::System)) else { return };
    let targets = system_targets(&config.server, machine);
    if targets.is_empty() {
        let message = format!(
            "SYSTEM rules ask the nameservers of {}, and it names none but this server itself",
            system::RESOLV_CONF
        );
        let help = "name an endpoint with `system` in [server]";
        faults.error("no-nameserver", &rule.place, message, help);
    }
    config.server.system = Some(config.endpoints.len());
    config.endpoints.push(Endpoint {
        name: system::ENDPOINT.to_owned(),
        targets,
        aws: None,
        client_subnet: defaults::CLIENT_SUBNET,
        probe: None,
        place: Place::whole_file(std::path::Path::new(system::RESOLV_CONF)).location(),
    });
}

fn system_targets(server: &Server, machine: Machine<'_>) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for ip in (machine.nameservers)() {
        let address = SocketAddr::new(ip, defaults::DNS_PORT);
        let known = targets.iter().any(|target| target.address == Address::Socket(address));
        if !known && !system::is_own(address, &server.listen, machine) {
            targets.push(Target {
                address: Address::Socket(address),
                az: None,
                tier: defaults::TIER,
                rate: None,
            });
        }
    }
    targets
}
