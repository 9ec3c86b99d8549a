//! Answers from the cache, over TCP.

use anyhow::Result;
use dnsfwd_bench::stream::{Load, Names, Transport};

use super::FORWARDERS;
use crate::contest::contest;
use crate::figures::Row;
use crate::setting::Setting;

/// On four connections. Not dnsmasq, which closes a connection after 100 queries and loses what was asked
/// behind them.
pub fn pipelined(setting: &Setting) -> Result<Vec<Row>> {
    let servers: Vec<&str> = FORWARDERS.iter().copied().filter(|name| *name != "dnsmasq").collect();
    over(setting, &servers, Transport::Tcp, 4)
}

/// 32 connections at a time.
pub fn each_anew(setting: &Setting) -> Result<Vec<Row>> {
    over(setting, FORWARDERS, Transport::TcpEachAnew, 32)
}

/// What came over UDP it keeps for clients of UDP.
const KEEPS_APART: &[&str] = &["dnsdist"];

fn over(setting: &Setting, servers: &[&str], transport: Transport, sockets: usize) -> Result<Vec<Row>> {
    let names = Names::of("load.example", 1000);
    let entrants = setting.among(servers).into_iter().map(|peer| {
        let over = if KEEPS_APART.contains(&peer.name) { Transport::Tcp } else { Transport::Udp };
        let fill = Load { transport: over, ..setting.fill(names.clone()) };
        let measured = Load { transport, sockets, window: 64, ..setting.flood(names.clone()) };
        setting.entrant(peer, vec![fill.clone(), fill], measured)
    });
    contest(setting, entrants.collect())
}
