//! Route 53 Resolver: what `aws route53resolver list-resolver-rules`, `list-resolver-endpoints` and
//! `list-resolver-endpoint-ip-addresses` print, for whoever runs the same rules here.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::Value;

use super::draft::{Target, Value as Written, set};
use super::json::{self, Document, Object, text};
use super::plan::{Area, GO_ELSEWHERE, Plan, Said, domain, target};
use super::reading::{Files, fault, nameservers};
use super::{Imported, Kind, Options, Place, Unreadable};
use crate::wire::name::Name;

const RULES: &str = "ResolverRules";
const ENDPOINTS: &str = "ResolverEndpoints";
const ADDRESSES: &str = "IpAddresses";

/// Does the JSON look like what these commands print?
pub fn is_text(text: &str) -> bool {
    ["\"ResolverRules\"", "\"ResolverEndpoints\"", "\"RuleType\"", "\"ResolverRule\""]
        .iter()
        .any(|key| text.contains(key))
}

/// What the documents hold.
#[derive(Default)]
struct Found {
    rules: Vec<Object>,
    endpoints: Vec<Object>,
    addresses: Vec<Object>,
    others: Vec<(String, Object)>,
}

pub fn import(source: &Path, options: &Options) -> Result<Imported, Unreadable> {
    let mut files = Files::new(source);
    let found = sorted(json::read(source, &mut files)?)?;
    let top = Place { file: files.shown(source), line: 1, column: 1 };
    let mut plan = Plan::new(Kind::Route53, source.display().to_string());
    let inbound = endpoints(&mut plan, &found);
    let system = System { inbound, options, files: &mut files, top: top.clone(), made: None };
    rules(&mut plan, &found.rules, system)?;
    for (key, object) in &found.others {
        let said = plan.statement(&object.place, key);
        let why = "which VPCs a rule holds for has no meaning here: all rules hold for all clients";
        plan.not_needed(&said, why);
    }
    if plan.targets(&Area::Domain(Name::root())).is_none() {
        let said = plan.statement(&top, "(names of no rule)");
        let why = "AWS looks them up on the Internet; this server forwards, and refuses what no rule covers";
        plan.refused(&said, why, "add a rule for \".\" with a resolver that does");
    }
    Ok(plan.finish())
}

fn sorted(documents: Vec<Document>) -> Result<Found, Unreadable> {
    let mut found = Found::default();
    for document in documents {
        let keys = match document {
            Document::Keys(keys, _) => keys,
            Document::List(list) => vec![(RULES.to_owned(), list)],
        };
        for (key, objects) in keys {
            match key.as_str() {
                RULES | "ResolverRule" => found.rules.extend(objects),
                ENDPOINTS | "ResolverEndpoint" => found.endpoints.extend(objects),
                ADDRESSES => found.addresses.extend(objects),
                "ResolverRuleAssociations" => {
                    found.others.extend(objects.into_iter().map(|object| (key.clone(), object)))
                }
                _ if objects.is_empty() => {}
                _ => {
                    let message =
                        format!("`{}` is nothing that these commands print", super::reading::shown(&key));
                    let help = "write the output of list-resolver-rules, list-resolver-endpoints or \
                                list-resolver-endpoint-ip-addresses";
                    return Err(fault(&objects[0].place, message, help));
                }
            }
        }
    }
    Ok(found)
}

/// Endpoints in AWS are addresses of AWS: the targets of inbound ones are of use where SYSTEM rules are.
fn endpoints(plan: &mut Plan, found: &Found) -> Vec<Target> {
    let mut inbound = 0;
    for object in &found.endpoints {
        let direction = text(&object.value, "Direction").unwrap_or("unknown");
        let name = text(&object.value, "Name").or_else(|| text(&object.value, "Id")).unwrap_or("endpoint");
        let said = plan.statement(&object.place, &format!("{direction} endpoint {name}"));
        match direction {
            "INBOUND" => {
                inbound += 1;
                plan.translated(&said, "[server] system, if its addresses and SYSTEM rules are there");
            }
            "OUTBOUND" => plan.not_needed(&said, "targets are asked from this server's own addresses"),
            _ => plan.not_needed(&said, "it is where AWS is asked, and has no part in rules here"),
        }
    }
    let mut targets = Vec::new();
    for object in &found.addresses {
        let ip = text(&object.value, "Ip").or_else(|| text(&object.value, "Ipv6"));
        let said = plan.statement(&object.place, &format!("address {}", ip.unwrap_or("?")));
        let address =
            ip.and_then(|ip| ip.parse::<IpAddr>().ok()).and_then(|ip| target(SocketAddr::new(ip, 53)));
        match address {
            Some(target) if inbound == 1 && found.endpoints.len() == 1 => {
                plan.translated(&said, "a target of [server] system");
                targets.push(target);
            }
            Some(_) => plan.not_needed(
                &said,
                "these lists don't say whose addresses they are: import them with one inbound endpoint alone",
            ),
            None => plan.refused(&said, "it has no address", "write the output as it is"),
        }
    }
    targets
}

/// Who is asked by SYSTEM rules.
struct System<'a> {
    inbound: Vec<Target>,
    options: &'a Options,
    files: &'a mut Files,
    top: Place,
    made: Option<Vec<Target>>,
}

impl System<'_> {
    /// The inbound endpoint, or the nameservers of this machine, as on an EC2 instance: the VPC's own.
    fn targets(&mut self) -> Result<Vec<Target>, Unreadable> {
        if let Some(made) = &self.made {
            return Ok(made.clone());
        }
        let mut targets = self.inbound.clone();
        if targets.is_empty() {
            let path = self.options.resolv_conf.clone().unwrap_or_else(|| "/etc/resolv.conf".into());
            if path.is_file() {
                let file = self.files.text(&path, &self.top)?;
                let found = nameservers(&file.text).into_iter().filter(|ip| !ip.is_loopback());
                targets = found.filter_map(|ip| target(SocketAddr::new(ip, 53))).collect();
            }
        }
        self.made = Some(targets.clone());
        Ok(targets)
    }
}

fn rules(plan: &mut Plan, rules: &[Object], mut system: System<'_>) -> Result<(), Unreadable> {
    let mut seen: Vec<(Name, Said)> = Vec::new();
    for object in rules {
        let value = &object.value;
        let (kind, written) =
            (text(value, "RuleType").unwrap_or("unknown"), text(value, "DomainName").unwrap_or_default());
        let said = plan.statement(&object.place, &format!("{kind} rule {written}"));
        if text(value, "Id").is_some_and(|id| id.starts_with("rslvr-autodefined")) {
            let why = match kind {
                "RECURSIVE" => "AWS makes it for each VPC, for all names that no other rule takes",
                _ => "AWS makes it for each VPC, for names that it answers itself",
            };
            plan.not_needed(&said, why);
            continue;
        }
        if kind == "DELEGATE" {
            let why =
                "it follows NS records to other servers, and a rule here asks the servers that are written";
            plan.refused(&said, why, "write a rule for the delegated domain, with its servers as targets");
            continue;
        }
        let name = match domain(written) {
            Ok(name) => name,
            Err(why) => {
                plan.refused(&said, why, "correct the domain");
                continue;
            }
        };
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
            let why =
                format!("a second rule for `{name}`, as two VPCs may have; the first is at {}", first.place);
            plan.refused(&said, why, "decide which of the two is meant for clients of this server");
            continue;
        }
        match kind {
            "FORWARD" => forward(plan, &said, value, &name),
            "SYSTEM" => by_system(plan, &said, &name, &mut system)?,
            "RECURSIVE" => plan.not_needed(&said, "AWS looks these names up itself"),
            kind => plan.refused(
                &said,
                format!("`{kind}` is no type of rule that is known here"),
                "write the rule by hand",
            ),
        }
        seen.push((name, said));
    }
    Ok(())
}

fn forward(plan: &mut Plan, said: &Said, value: &Value, name: &Name) {
    let mut targets = Vec::new();
    let listed = value.get("TargetIps").and_then(Value::as_array).cloned().unwrap_or_default();
    for item in &listed {
        let ip = text(item, "Ip").or_else(|| text(item, "Ipv6")).unwrap_or_default();
        let port = item.get("Port").and_then(Value::as_u64).unwrap_or(53);
        let protocol = text(item, "Protocol").unwrap_or("Do53");
        let address = ip.parse::<IpAddr>().ok().zip(u16::try_from(port).ok());
        match address.and_then(|(ip, port)| target(SocketAddr::new(ip, port))) {
            _ if !protocol.eq_ignore_ascii_case("Do53") => {
                let why = format!("`{ip}` is asked over {protocol}, which is not spoken here");
                plan.refused(said, why, "name a target that answers over UDP and TCP");
            }
            Some(target) => {
                if text(item, "ServerNameIndication").is_some() {
                    plan.not_needed(said, "a server's name is for DoH");
                }
                targets.push(target);
            }
            None => plan.refused(
                said,
                format!("`{ip}` is not the address of a server that can be asked"),
                "correct it",
            ),
        }
    }
    if targets.is_empty() {
        let why = format!("no target of it can be asked; {GO_ELSEWHERE}");
        return plan.refused(said, why, "write the rule with targets that answer over UDP and TCP");
    }
    plan.forward(said, Area::Domain(name.clone()), &targets);
    plan.translated(said, format!("[[rule]] {name}"));
    if let Some(status) = text(value, "Status").filter(|status| *status != "COMPLETE") {
        plan.changed(said, format!("[[rule]] {name}: in AWS its status is {status}"));
    }
}

/// The rule of its own endpoint, so that the configuration is the same on every machine.
fn by_system(plan: &mut Plan, said: &Said, name: &Name, system: &mut System<'_>) -> Result<(), Unreadable> {
    let targets = system.targets()?;
    if targets.is_empty() {
        let why = "what AWS answers itself is not known here: there is no inbound endpoint with its addresses, and \
                   /etc/resolv.conf names no other server";
        plan.refused(
            said,
            why,
            "add the output for an inbound endpoint, or name an endpoint with [server] system",
        );
        return Ok(());
    }
    let endpoint = plan.draft.endpoint(&targets, "system", &said.place);
    set(&mut plan.draft.server, "system", Written::text(&endpoint), &said.place);
    plan.system(said, name);
    plan.translated(said, format!("[[rule]] {name}, type SYSTEM"));
    if system.inbound.is_empty() {
        plan.changed(said, format!("[[rule]] {name}: asks the nameservers that /etc/resolv.conf names now"));
    }
    Ok(())
}
