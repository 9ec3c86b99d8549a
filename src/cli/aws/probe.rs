//! The same questions to the inbound endpoints' addresses and to the forwarder here: do both sides know the same?
//! Asks nobody else, and changes nothing.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;

use super::super::text::count;
use crate::aws::owned::Owner;
use crate::aws::world::{State, World};
use crate::compare::client::{Client, Transport};
use crate::compare::heard::Heard;
use crate::compare::judge::{Verdict, judge};
use crate::compare::question::Question;
use crate::config::aws::{Aws, Direction};
use crate::config::{Config, RuleAction};
use crate::limits::{PROBE_AT_ONCE, PROBE_NAMES, PROBE_PATIENCE};
use crate::wire::header::rcode_name;
use crate::wire::name::Name;
use crate::wire::rdata::rtype;

#[derive(Debug, Serialize)]
pub struct Probe {
    /// The forwarder here.
    here: SocketAddr,
    /// The inbound addresses that were asked.
    there: Vec<IpAddr>,
    questions: usize,
    /// Names beyond the bound.
    not_asked: usize,
    pub differences: Vec<Differing>,
}

#[derive(Debug, Serialize)]
pub struct Differing {
    name: String,
    rtype: String,
    address: IpAddr,
    /// One of `compare`'s words, or `silent` if neither side answers.
    difference: &'static str,
    here: String,
    there: String,
}

/// Asks both sides for SOA and A of each name that one side forwards to the other.
pub async fn probe(config: &Config, wanted: &Aws, world: &World, here: SocketAddr) -> Probe {
    let there = inbound_addresses(wanted, world);
    let mut names = names(config, wanted);
    let not_asked = names.len().saturating_sub(PROBE_NAMES);
    names.truncate(PROBE_NAMES);
    let types = [rtype::SOA, rtype::A];
    let questions = names.iter().flat_map(|name| types.map(|rtype| Question::new(name.clone(), rtype)));
    let questions: Vec<Question> = if there.is_empty() { Vec::new() } else { questions.collect() };
    let asked = questions.iter().map(|question| ask(question, here, &there));
    let differences: Vec<Vec<Differing>> = stream::iter(asked).buffered(PROBE_AT_ONCE).collect().await;
    let differences = differences.into_iter().flatten().collect();
    Probe { here, there, questions: questions.len(), not_asked, differences }
}

/// Of the inbound endpoints that are ours, or that the file names.
fn inbound_addresses(wanted: &Aws, world: &World) -> Vec<IpAddr> {
    let named = |id: &String| wanted.endpoints.iter().any(|one| one.id.as_ref() == Some(id));
    let owner = Owner(&wanted.owner);
    let endpoints = world.endpoints.iter().filter(|(id, one)| {
        let is_ours = named(id) || owner.owns(&one.creator_request_id, &one.tags);
        is_ours && one.direction == Direction::Inbound
    });
    let addresses = endpoints.flat_map(|(_, one)| one.addresses.values());
    let attached = addresses.filter(|address| address.state == State::Ready);
    let ips = attached.filter_map(|one| one.ip.map(IpAddr::V4).or(one.ipv6.map(IpAddr::V6)));
    ips.collect::<BTreeSet<IpAddr>>().into_iter().collect()
}

/// What AWS forwards to this side, then what this side forwards to AWS; each once.
fn names(config: &Config, wanted: &Aws) -> Vec<Name> {
    let to_aws = |endpoint: u32| config.endpoints.get(endpoint as usize).is_some_and(|one| one.aws.is_some());
    let theirs = wanted.rules.iter().map(|rule| rule.domain.clone());
    let ours = config.rules.iter().filter_map(|rule| match rule.action {
        RuleAction::Forward { endpoint } if to_aws(endpoint) => Some(rule.name()),
        _ => None,
    });
    let mut seen = BTreeSet::new();
    theirs.chain(ours).filter(|name| seen.insert(name.to_string().to_ascii_lowercase())).collect()
}

async fn ask(question: &Question, here: SocketAddr, there: &[IpAddr]) -> Vec<Differing> {
    let client = |server| Client { server, patience: PROBE_PATIENCE, transport: Transport::Udp };
    let local = client(here);
    let (local, inbound) = tokio::join!(
        local.ask(question),
        join_all(there.iter().map(async |ip| client(SocketAddr::new(*ip, 53)).ask(question).await)),
    );
    let pairs = there.iter().zip(inbound);
    pairs.filter_map(|(ip, heard)| differing(question, *ip, &heard, &local)).collect()
}

/// TTLs differ between caches: that is no difference here.
fn differing(question: &Question, address: IpAddr, there: &Heard, here: &Heard) -> Option<Differing> {
    let difference = match judge(question, there, here) {
        Verdict::Same => return None,
        Verdict::Differ(difference) if difference.is_of_time() => return None,
        Verdict::Differ(difference) => difference.word(),
        Verdict::Neither => "silent",
    };
    let (here, there) = (short(here), short(there));
    let (name, rtype) = (question.name.to_string(), question.rtype_name());
    Some(Differing { name, rtype, address, difference, here, there })
}

/// An answer in a few words.
fn short(heard: &Heard) -> String {
    match heard {
        Heard::Nothing(why) | Heard::Broken(why) => why.clone(),
        Heard::Said(said) => {
            let data: Vec<String> = said.answers.iter().take(2).map(|record| record.data_text()).collect();
            let more = if said.answers.len() > data.len() { ", …" } else { "" };
            match data.is_empty() {
                true => format!("{}, no records", rcode_name(said.rcode)),
                false => format!("{}: {}{more}", rcode_name(said.rcode), data.join(", ")),
            }
        }
    }
}

/// For people.
pub fn page(probe: &Probe) -> String {
    if probe.there.is_empty() {
        return "probe: there is no inbound address to ask\n".to_owned();
    }
    let there: Vec<String> = probe.there.iter().map(ToString::to_string).collect();
    let questions = count(probe.questions as u64, "question");
    let mut page = format!("probe: {questions} to {} and, here, {}\n", there.join(", "), probe.here);
    if probe.not_asked > 0 {
        page.push_str(&format!("  {} further were not asked for\n", count(probe.not_asked as u64, "name")));
    }
    for one in &probe.differences {
        page.push_str(&format!("  {} {} ({})\n", one.name, one.rtype, one.difference));
        page.push_str(&format!("    {}: {}\n    here: {}\n", one.address, one.there, one.here));
    }
    if probe.differences.is_empty() {
        page.push_str("  both sides answer the same\n");
    }
    page
}
