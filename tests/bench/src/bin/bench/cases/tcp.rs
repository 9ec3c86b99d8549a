//! Answers from the cache, over TCP.

use anyhow::Result;
use dnsfwd_bench::stream::{Load, Names, Transport};

use super::FORWARDERS;
use crate::contest::contest;
use crate::figures::Row;
use crate::setting::Setting;

pub fn pipelined(setting: &Setting) -> Result<Vec<Row>> {
    over(setting, Transport::Tcp, 4)
}

/// 32 connections at a time.
pub fn each_anew(setting: &Setting) -> Result<Vec<Row>> {
    over(setting, Transport::TcpEachAnew, 32)
}

fn over(setting: &Setting, transport: Transport, sockets: usize) -> Result<Vec<Row>> {
    let names = Names::of("load.example", 1000);
    let entrants = setting.among(FORWARDERS).into_iter().map(|peer| {
        let fill = setting.fill(names.clone());
        let measured = Load { transport, sockets, ..setting.flood(names.clone()) };
        setting.entrant(peer, vec![fill.clone(), fill], measured)
    });
    contest(setting, entrants.collect())
}
