//! Messages that are not answered in a turn: transfers, notices and updates, which go to the zone desk, and signed
//! questions, which get the usual answer, signed. Checks signatures; what a zone's terms allow is judged at the desk.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::forward::Inlet;
use crate::limits::MESSAGE;
use crate::serve::counts::{Origin, Transport};
use crate::serve::miss::{self, Back, ReturnPath};
use crate::serve::worker::Worker;
use crate::serve::{Client, Held, Step, reply_limit, turn};
use crate::sys::Local;
use crate::transfer::desk::{Errand, answers, bare_reply};
use crate::wire::answer::{Failure, write_error};
use crate::wire::edns::{ErrorCode, ExtendedError};
use crate::wire::header::{HEADER, bit, opcode, rcode, u16_at};
use crate::wire::query::{Folded, Judged, is_transfer, judge};
use crate::wire::records;
use crate::wire::tsig::{self, Chain, Refusal};

/// Takes over a message that a turn put apart. `back` gets exactly one last reply.
pub fn begin(worker: &Rc<Worker>, snapshot: &Held, packet: &[u8], back: Back, now: Instant) {
    let signature = match tsig::find(packet) {
        Ok(signature) => signature,
        Err(records::Malformed) => {
            return finish(worker, back, Origin::Malformed, bare_reply(packet, rcode::FORMERR));
        }
    };
    let Some(signature) = signature else { return unsigned(worker, snapshot, packet, None, back) };
    let index = snapshot.keys.iter().position(|key| key.name == signature.key);
    let key = index.map(|index| &snapshot.keys[index]);
    match Chain::of_request(packet, &signature, key, seconds()) {
        Ok(chain) => {
            let request = signature.stripped(packet);
            // A key that was found has an index, and there are few.
            let signed = (chain, index.unwrap_or_default() as u32);
            match is_question(&request) {
                true => ask(worker, snapshot, &request, signed, back, now),
                false => unsigned(worker, snapshot, &request, Some(signed), back),
            }
        }
        Err((refusal, chain)) => {
            let reply = bad_signature(packet, &signature, refusal, chain);
            tracing::info!(client = %back.client.address, key = %signature.key, "a message was refused: {refusal}");
            finish(worker, back, Origin::Refused, reply);
        }
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn is_question(request: &[u8]) -> bool {
    let transfer = records::question(request).is_some_and(|(_, rtype, _)| is_transfer(rtype));
    u16_at(request, 2) & bit::OPCODE == opcode::QUERY && !transfer
}

/// RFC 8945 section 5.2: NOTAUTH with the error in its TSIG, signed only where the key was proven.
fn bad_signature(
    packet: &[u8],
    signature: &tsig::Signature,
    refusal: Refusal,
    chain: Option<Box<Chain>>,
) -> Vec<u8> {
    if refusal == Refusal::Malformed {
        return bare_reply(packet, rcode::FORMERR);
    }
    let mut reply = bare_reply(packet, rcode::NOTAUTH);
    match chain {
        Some(mut chain) => chain.sign_error(&mut reply, refusal, signature.time(), seconds()),
        None => tsig::append_error(&mut reply, signature, refusal),
    }
    reply
}

/// Sends the one reply that there is.
fn finish(worker: &Worker, back: Back, origin: Origin, reply: Vec<u8>) {
    let code = u16_at(&reply, 2) & bit::RCODE;
    worker.counts.replied(back.client.transport, origin, code);
    back.path.answer(&back.client, back.local, &mut |out| {
        out[..reply.len()].copy_from_slice(&reply);
        reply.len()
    });
}

/// Hands a transfer, notice or update to the zone desk, its signature checked if it had one.
fn unsigned(
    worker: &Rc<Worker>,
    snapshot: &Held,
    request: &[u8],
    mut signed: Option<(Chain, u32)>,
    back: Back,
) {
    let key = signed.as_ref().map(|(_, key)| *key);
    let view = snapshot.view_of(back.client.address.ip(), key);
    let zone = records::question(request).and_then(|(name, _, _)| snapshot.zone_in(view, &name));
    let held = zone.and_then(|index| snapshot.zones.get(index as usize)).map(|zone| &zone.held);
    let (Some(held), Some(desk)) = (held, &worker.shared.desk) else {
        let mut reply = no_such_zone(request);
        if let Some((chain, _)) = &mut signed {
            chain.sign(&mut reply, seconds());
        }
        return finish(worker, back, Origin::Refused, reply);
    };
    let datagram = match back.client.transport {
        Transport::Udp => Some(limit_of(snapshot, request, Transport::Udp)),
        Transport::Tcp => None,
    };
    let (answer, mut messages) = answers();
    let errand = Errand {
        held: Arc::clone(held),
        request: request.to_vec(),
        client: back.client.address,
        datagram,
        signed,
        answer,
    };
    let failed = bare_reply(request, rcode::SERVFAIL);
    if !desk.submit(errand) {
        return finish(worker, back, Origin::Failed, failed);
    }
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let Some(mut last) = messages.recv().await else {
            return finish(&worker, back, Origin::Failed, failed);
        };
        while let Some(next) = messages.recv().await {
            if !Rc::clone(&back.path).more(&std::mem::replace(&mut last, next)).await {
                // Nobody is there any more: what is left goes nowhere.
                messages.close();
            }
        }
        let origin = if u16_at(&last, 2) & bit::RCODE == 0 { Origin::Zone } else { Origin::Refused };
        finish(&worker, back, origin, last);
    });
}

fn no_such_zone(request: &[u8]) -> Vec<u8> {
    let mut folded = Folded::default();
    match judge(request, &mut folded) {
        Judged::Ask(query) => {
            let why = ExtendedError::new(ErrorCode::NotAuthoritative, "no zone of this name is held here");
            let mut out = [0; 512];
            let len = write_error(&mut out, &Failure::of(&query, rcode::REFUSED), Some(&why));
            out[..len].to_vec()
        }
        _ if records::question(request).is_some() => bare_reply(request, rcode::NOTAUTH),
        _ => bare_reply(request, rcode::FORMERR),
    }
}

fn limit_of(snapshot: &Held, request: &[u8], transport: Transport) -> usize {
    let mut folded = Folded::default();
    match judge(request, &mut folded) {
        Judged::Ask(query) => reply_limit(snapshot, &query, transport),
        _ => crate::wire::edns::PLAIN_UDP_SIZE,
    }
}

/// Answers a signed question as any other, and signs the answer.
fn ask(
    worker: &Rc<Worker>,
    snapshot: &Held,
    request: &[u8],
    (chain, key): (Chain, u32),
    back: Back,
    now: Instant,
) {
    let client = Client { key: Some(key), ..back.client };
    let limit = limit_of(snapshot, request, client.transport);
    let path: Rc<dyn ReturnPath> =
        Rc::new(Signing { inner: Rc::clone(&back.path), chain: RefCell::new(chain), limit });
    let mut out = vec![0; MESSAGE];
    let step = turn(&worker.counts, snapshot, request, &client, snapshot.cache.ticks(now), &mut out);
    let len = match step {
        Step::Reply(len) | Step::ReplyAndRefresh(len) => len,
        Step::Later(rule) => {
            miss::begin(worker, snapshot, request, rule, Back { client, path, ..back }, now);
            return worker.settle(now);
        }
        // A question was seen to before; a silent end would keep its place for ever.
        Step::Silence | Step::Apart => {
            return finish(worker, back, Origin::Malformed, bare_reply(request, rcode::FORMERR));
        }
    };
    path.answer(&back.client, back.local, &mut |room| {
        room[..len].copy_from_slice(&out[..len]);
        len
    });
}

/// Signs what goes back.
struct Signing {
    inner: Rc<dyn ReturnPath>,
    chain: RefCell<Chain>,
    limit: usize,
}

impl ReturnPath for Signing {
    fn answer(
        self: Rc<Self>,
        client: &Client,
        local: Option<Local>,
        write: &mut dyn FnMut(&mut [u8]) -> usize,
    ) {
        let mut message = vec![0; MESSAGE];
        let len = write(&mut message);
        message.truncate(len);
        let mut chain = self.chain.borrow_mut();
        if len + chain.octets() > self.limit {
            // RFC 8945 section 5.3: what does not fit with its signature is truncated, and signed.
            let question = records::question(&message).map_or(0, |(name, _, _)| name.len() + 4);
            message.truncate(HEADER + question);
            let bits = u16_at(&message, 2) | bit::TC;
            message[2..4].copy_from_slice(&bits.to_be_bytes());
            message[6..12].fill(0);
        }
        chain.sign(&mut message, seconds());
        Rc::clone(&self.inner).answer(client, local, &mut |out| {
            out[..message.len()].copy_from_slice(&message);
            message.len()
        });
    }

    fn flush(&self) {
        self.inner.flush();
    }
}
