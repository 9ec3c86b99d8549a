//! Probes for targets that are off client traffic: a question that costs nobody a wait. Healthy targets are
//! not probed; client questions tell enough about them.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use rand::RngExt;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::target::Target;
use crate::limits::{PROBE_EVERY, PROBE_TIMEOUT};
use crate::wire::answer::{Ask, write_question};
use crate::wire::header::bit;
use crate::wire::name::Name;
use crate::wire::rdata::{class, rtype};
use crate::wire::reply::{Reply, scan};

/// A target and the domain whose SOA a probe asks it for.
pub struct Probe {
    pub target: Arc<Target>,
    pub domain: Name,
}

/// Probes what `list` gives, twice a second, until the task is dropped.
pub async fn run(list: impl Fn() -> Vec<Probe>) {
    let mut tick = tokio::time::interval(PROBE_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for probe in list() {
            tokio::spawn(send(probe));
        }
    }
}

async fn send(probe: Probe) {
    let sent = Instant::now();
    match timeout(PROBE_TIMEOUT, ask(&probe)).await {
        Ok(Ok(())) => probe.target.heard(Instant::now(), sent.elapsed()),
        Ok(Err(error)) => probe.target.unreachable(sent, &format!("probe: {error}")),
        Err(_) => probe.target.lost(sent),
    }
}

/// Any sound reply to the question shows that the target lives. What it says is no matter here: whether it
/// knows the domain is for the clients' own questions to find out.
async fn ask(probe: &Probe) -> io::Result<()> {
    let mut question = probe.domain.as_wire().to_vec();
    question.extend_from_slice(&rtype::SOA.to_be_bytes());
    question.extend_from_slice(&class::IN.to_be_bytes());
    let ask = Ask { question: &question, bits: bit::RD, dnssec_ok: false, client_subnet: &[], edns: false };
    let mut message = Vec::new();
    write_question(&mut message, &ask);
    let id: u16 = rand::rng().random();
    message[..2].copy_from_slice(&id.to_be_bytes());
    let socket = UdpSocket::from_std(super::datagram::connected(probe.target.address)?)?;
    socket.send(&message).await?;
    let mut buffer = [0; crate::limits::DATAGRAM];
    let mut reply = Reply::default();
    loop {
        let len = socket.recv(&mut buffer).await?;
        if len > 2 && buffer[..2] == message[..2] && scan(&buffer[..len], &question, &mut reply).is_ok() {
            return Ok(());
        }
    }
}
