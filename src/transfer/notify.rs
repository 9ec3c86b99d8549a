//! Tells a zone's other servers that there is something newer (RFC 1996), until they say that they have heard it.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::held::{Held, Peer};
use super::peer::{self, PeerError};
use crate::limits::{NOTIFY_AFTER, NOTIFY_TRIES, NOTIFY_WAIT};
use crate::wire::header::{bit, opcode, rcode_name, u16_at};
use crate::wire::rdata::rtype;
use crate::wire::write::Section;

/// Runs as long as the zone is in the configuration. What is newer ends the words of what was before.
pub async fn keep(held: Arc<Held>) {
    let mut under_way = JoinSet::new();
    loop {
        held.published.notified().await;
        sleep(NOTIFY_AFTER).await;
        under_way.abort_all();
        let Some(zone) = held.zone().as_ref().map(Arc::clone) else { continue };
        let terms = held.terms();
        for peer in &terms.notify {
            let soa = Some((Section::Answer, zone.soa()));
            let message = peer::message(opcode::NOTIFY | bit::AA, &terms.name, rtype::SOA, soa);
            under_way.spawn(tell(Arc::clone(&held), peer.clone(), message, zone.serial()));
        }
        // Those that have ended take no room.
        while under_way.try_join_next().is_some() {}
    }
}

async fn tell(held: Arc<Held>, peer: Peer, message: Vec<u8>, serial: u32) {
    let name = held.terms().name.clone();
    let mut wait = NOTIFY_WAIT;
    let mut last = PeerError::Timeout;
    for _ in 0..NOTIFY_TRIES {
        match peer::ask_datagram(&peer, &message, wait).await {
            Ok(reply) => {
                let code = u16_at(&reply, 2) & bit::RCODE;
                if code != 0 {
                    let code = rcode_name(code);
                    tracing::warn!(zone = %name, server = %peer.address, "a secondary answers NOTIFY with {code}");
                }
                return;
            }
            Err(error) => last = error,
        }
        // A refusal comes at once, and whoever was refused may listen in a moment.
        if !matches!(last, PeerError::Timeout) {
            sleep(wait).await;
        }
        wait *= 2;
    }
    tracing::warn!(zone = %name, server = %peer.address, serial, "a secondary does not hear of a change: {last}");
    held.failed(format!("notify {}: {last}", peer.address));
}
