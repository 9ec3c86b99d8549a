//! Bytes in, bytes out: what a target says is what the client gets, but for the ID, the client's spelling
//! of the question, the TTLs, and the OPT, which is between neighbours (RFC 6891 section 6.2.6).
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use common::message::*;
use common::stage::{Stage, assert_same_bytes};
use common::{Message, Parsed, Seen, Tcp, reply};

/// Relays one reply made by `say` and gives the bytes that the target said and those the client got.
fn relay(query: &Message, say: impl Fn(&Seen) -> Message + Send + Sync + 'static) -> (Vec<u8>, Vec<u8>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let keep = said.clone();
    let stage = Stage::new(move |seen| {
        let bytes = say(seen).bytes();
        *keep.lock().unwrap() = bytes.clone();
        vec![common::Act::Reply(bytes)]
    });
    let received = stage.ask_raw(query);
    assert_eq!(received[..2], query.bytes()[..2], "the client's ID");
    let said = said.lock().unwrap().clone();
    assert!(!said.is_empty(), "the target wasn't asked; the client got {}", hex(&received));
    (said, received)
}

fn assert_relayed(
    what: &str,
    query: &Message,
    say: impl Fn(&Seen) -> Message + Send + Sync + 'static,
) -> Parsed {
    let (said, received) = relay(query, say);
    assert_same_bytes(&said, &received, what);
    let received = common::parse(&received);
    let sent = Parsed::of(&said).unwrap();
    for (sent, received) in sent.records().zip(received.records()) {
        assert!(
            received.ttl <= sent.ttl && received.ttl + 2 >= sent.ttl,
            "{what}: TTL {} became {}",
            sent.ttl,
            received.ttl
        );
    }
    received
}

/// RFC 1035 section 4.1.1: each rcode of four bits.
#[test]
fn every_rcode_passes() {
    for rcode in 0..=15 {
        let query = Message::query("rcode.example", A).edns(1232);
        let got = assert_relayed(&format!("rcode {rcode}"), &query, move |seen| seen.reply().rcode(rcode));
        assert_eq!(got.rcode(), rcode);
    }
}

/// The same with a record in each section: an rcode other than NOERROR says nothing about them.
#[test]
fn rcodes_pass_with_their_records() {
    for rcode in [0, 3, 6, 7, 8, 9, 10, 11, 15] {
        let query = Message::query("rcode.example", A).edns(1232);
        assert_relayed(&format!("rcode {rcode} with records"), &query, move |seen| {
            let owner = name("other.example");
            seen.reply()
                .rcode(rcode)
                .answer(address(77, [192, 0, 2, 7]))
                .authority(record(&owner, SOA, IN, 88, &soa_rdata(99)))
                .additional(record(&owner, TXT, IN, 66, &text("more")))
        });
    }
}

/// RFC 6891 section 6.1.3: the upper eight bits are in the OPT, which is ours on each side; the code
/// itself has to pass.
#[test]
fn extended_rcodes_pass_to_an_edns_client() {
    for rcode in [17, 18, 19, 22, 0x123, 0xFFF] {
        let query = Message::query("extended.example", A).edns(1232);
        let got = assert_relayed(&format!("extended rcode {rcode}"), &query, move |seen| {
            seen.reply().rcode(rcode).additional(opt(1232, (rcode >> 4) as u8, 0, 0, &[]))
        });
        assert_eq!(got.rcode(), rcode);
    }
}

/// Without an OPT there is no place for the upper bits; what is left of 16, 32 … is NOERROR, which would
/// be a lie.
#[test]
fn an_extended_rcode_is_no_success_to_a_client_without_edns() {
    for rcode in [32u16, 0x120] {
        let query = Message::query("extended.example", A);
        let (_, received) = relay(&query, move |seen| {
            seen.reply().rcode(rcode).additional(opt(1232, (rcode >> 4) as u8, 0, 0, &[]))
        });
        let received = common::parse(&received);
        assert!(received.opt.is_none());
        assert_ne!(received.rcode(), NOERROR, "extended rcode {rcode} without its upper bits");
    }
}

/// RFC 1035 section 4.1.1 and RFC 4035 section 3.2: AA, RA, AD and CD as the target set them.
#[test]
fn header_bits_pass() {
    for bits in [0, AA, RA, AD, AA | AD, AA | RA, AA | RA | AD] {
        let query = Message::query("bits.example", A).edns_do(1232);
        let got = assert_relayed(&format!("bits {bits:#06x}"), &query, move |seen| {
            seen.reply().clear(RA).set(bits).answer(address(300, [192, 0, 2, 1]))
        });
        assert_eq!(got.flags & (AA | RA | AD), bits);
    }
}

/// RFC 4035 section 3.2.2: CD goes to the target and comes back.
#[test]
fn checking_disabled_is_asked_and_answered() {
    for cd in [0, CD] {
        let stage = Stage::new(|seen| reply(&seen.reply().answer(address(300, [192, 0, 2, 1]))));
        let got = stage.ask(&Message::query("cd.example", A).set(cd).edns_do(1232));
        assert_eq!(got.flags & CD, cd, "CD in the reply");
        assert_eq!(stage.forwarded("cd.example").flags & CD, cd, "CD in the forwarded query");
    }
}

/// RFC 1035 section 4.1.1: RD is the client's wish, copied into the reply, and the target's to know: one
/// that recurses answers RD=0 from what it has.
#[test]
fn recursion_not_desired_is_asked_and_answered() {
    for rd in [0, RD] {
        let stage = Stage::new(|seen| reply(&seen.reply().answer(address(300, [192, 0, 2, 1]))));
        let got = stage.ask(&Message::query("rd.example", A).clear(RD).set(rd));
        assert_eq!(got.flags & RD, rd, "RD in the reply");
        assert_eq!(got.addresses(), ["192.0.2.1"]);
        assert_eq!(stage.forwarded("rd.example").flags & RD, rd, "RD in the forwarded query");
    }
}

/// RFC 3597: types and data that nobody knows, also such that look like compression.
#[test]
fn unknown_types_pass() {
    for (rtype, rdata) in [
        (65280, vec![0xC0, 0x0C, 0xFF, 0x00, 0xC0]),
        (65534, (0..=255).collect::<Vec<u8>>()),
        (32769, vec![]),
        (999, vec![0; 400]),
        (66, vec![3, b'w', b'W', b'w', 0xC0, 0x0C]),
    ] {
        let query = Message::query("unknown.example", rtype).edns(1232);
        assert_relayed(&format!("TYPE{rtype}"), &query, move |seen| {
            seen.reply().answer(record(&to_question(), rtype, IN, 300, &rdata))
        });
    }
}

/// Classes other than IN are forwarded as they are.
#[test]
fn classes_pass() {
    for class in [3, 4, 65280] {
        let query = Message::query_wire(&name("class.example"), TXT, class).edns(1232);
        let got = assert_relayed(&format!("class {class}"), &query, move |seen| {
            assert_eq!(seen.parsed().questions[0].2, class, "the class that the target was asked for");
            seen.reply().answer(record(&to_question(), TXT, class, 300, &text("classy")))
        });
        assert_eq!(got.questions[0].2, class);
        assert_eq!(got.answer[0].class, class);
    }
}

/// RFC 3123 section 4: an APL may be empty; RDLENGTH 0 is sound.
#[test]
fn empty_rdata_passes() {
    let query = Message::query("empty.example", APL).edns(1232);
    let got = assert_relayed("empty APL", &query, |seen| {
        seen.reply().answer(record(&to_question(), APL, IN, 300, &[]))
    });
    assert!(got.answer[0].rdata.is_empty());
}

/// RFC 2181 section 11: any octet may stand in a label.
#[test]
fn binary_names_pass() {
    let labels: [&[u8]; 6] = [b"\x00", b"\xFF\xFE", b"a.b", b"\\", b"\x01\x02 \t\n", &[0x80; 63]];
    for label in labels {
        let mut owner = vec![u8::try_from(label.len()).unwrap()];
        owner.extend(label);
        owner.extend(name("binary.example"));
        let query = Message::query_wire(&owner, A, IN).edns(1232);
        let answer_owner = owner.clone();
        let got = assert_relayed(&format!("label {label:?}"), &query, move |seen| {
            seen.reply().answer(record(&answer_owner, A, IN, 300, &[192, 0, 2, 1]))
        });
        assert_eq!(got.questions[0].0, owner);
    }
}

/// The longest name there is: 255 octets (RFC 1035 section 2.3.4).
#[test]
fn the_longest_name_passes() {
    let label = "x".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "y".repeat(61));
    assert_eq!(name(&longest).len(), 255);
    let query = Message::query(&longest, A).edns(1232);
    assert_relayed("255 octets", &query, |seen| seen.reply().answer(address(300, [192, 0, 2, 1])));
}

/// RFC 4343 and RFC 1035 section 4.1.1: the question comes back as the client spelled it, from the target
/// and from the cache, whatever spelling the target used.
#[test]
fn each_client_gets_its_own_spelling() {
    let stage = Stage::new(|seen| {
        let asked = seen.parsed();
        let mut question = asked.questions[0].0.to_ascii_lowercase();
        question.extend([0, 1, 0, 1]);
        let mut lower = seen.reply();
        lower.sections[0] = vec![question];
        // Where the server spells its question at random, it wants that back.
        let exact = asked.questions[0].0.iter().any(u8::is_ascii_uppercase);
        reply(&if exact { seen.reply() } else { lower }.answer(address(300, [192, 0, 2, 1])))
    });
    for spelling in ["sPeLLinG.ExAmPlE", "spelling.example", "SPELLING.EXAMPLE"] {
        let got = stage.ask(&Message::query(spelling, A));
        assert_eq!(got.questions[0].0, name(spelling));
        assert_eq!(got.answer[0].owner, name(spelling), "the owner points to the question");
        assert_eq!(got.addresses(), ["192.0.2.1"]);
    }
    assert_eq!(stage.target.count("spelling.example"), 1, "spelling doesn't divide the cache");
}

/// RFC 6891 section 6.2.6: options and sizes are between neighbours. What a client says to us isn't told
/// to the target; what the target says isn't told to the client.
#[test]
fn edns_is_hop_by_hop() {
    let stage = Stage::new(|seen| {
        let options = [
            option(NSID, b"target-17"),
            option(COOKIE, &[7; 24]),
            option(KEEPALIVE, &[0, 100]),
            option(PADDING, &[0; 20]),
            option(65001, b"private"),
        ];
        reply(&seen.reply().answer(address(300, [192, 0, 2, 1])).additional(opt(
            4096,
            0,
            0,
            0,
            &options.concat(),
        )))
    });
    let client_options =
        [option(NSID, b""), option(COOKIE, &[5; 8]), option(PADDING, &[0; 40]), option(65001, b"client")]
            .concat();
    let query = Message::query("hop.example", A).additional(opt(900, 0, 0, 0, &client_options));
    let got = stage.ask(&query);
    assert_eq!(got.addresses(), ["192.0.2.1"]);
    for code in [NSID, COOKIE, KEEPALIVE, PADDING, 65001] {
        let data = got.option(code).unwrap_or_default();
        assert!(
            data != b"target-17" && data != [7; 24] && data != b"private",
            "option {code} of the target: {data:?}"
        );
    }
    assert_eq!(got.option(65001), None);
    assert_ne!(got.edns_size(), Some(4096), "the target's size is not ours");
    let forwarded = stage.forwarded("hop.example");
    for code in [NSID, COOKIE, PADDING, 65001] {
        let data = forwarded.option(code).unwrap_or_default();
        assert!(data != [5; 8] && data != b"client", "option {code} of the client reached the target");
    }
    assert_eq!(forwarded.option(NSID), None, "NSID would name the target to nobody who asked for it");
}

/// RFC 6891 section 7: an OPT comes back to those who sent one, and to nobody else, whatever the target
/// does.
#[test]
fn opt_is_answered_with_opt() {
    let stage = Stage::new(|seen| {
        let plain = seen.reply().answer(address(300, [192, 0, 2, 1]));
        reply(&if seen.first_label().starts_with("with") { plain.edns(1400) } else { plain })
    });
    for label in ["with", "without"] {
        let with_edns = stage.ask(&Message::query(&format!("{label}-a.example"), A).edns(1232));
        assert_eq!(with_edns.edns_version(), Some(0));
        let without = stage.ask(&Message::query(&format!("{label}-b.example"), A));
        assert!(without.opt.is_none(), "an OPT for a client that sent none");
        // And so from the cache, the other way round.
        assert!(stage.ask(&Message::query(&format!("{label}-a.example"), A)).opt.is_none());
        let cached = stage.ask(&Message::query(&format!("{label}-b.example"), A).edns(1232));
        assert_eq!(cached.edns_version(), Some(0));
    }
    assert_eq!(stage.target.seen().len(), 4, "an OPT doesn't divide the cache");
}

/// RFC 8914 section 3: errors of a target go on to the client, all of them, with their texts, also from
/// the cache; not to one without EDNS.
#[test]
fn extended_errors_pass() {
    let stage = Stage::new(|seen| {
        let options = [ede(15, "blocked by policy 7"), ede(4, "")].concat();
        let soa = record(&name("example"), SOA, IN, 300, &soa_rdata(300));
        reply(&seen.reply().rcode(NXDOMAIN).authority(soa).additional(opt(1232, 0, 0, 0, &options)))
    });
    for round in ["from the target", "from the cache"] {
        let got = stage.ask(&Message::query("ede.example", A).edns(1232));
        assert_eq!(got.rcode(), NXDOMAIN);
        let errors = got.errors();
        assert!(errors.contains(&(15, "blocked by policy 7".into())), "{round}: {errors:?}");
        assert!(errors.iter().any(|(code, _)| *code == 4), "{round}: {errors:?}");
    }
    let plain = stage.ask(&Message::query("ede.example", A));
    assert!(plain.opt.is_none());
    assert_eq!(plain.rcode(), NXDOMAIN);
}

/// RFC 3225 section 3: DO is the client's, asked of the target and copied back; answers with and without
/// signatures are kept apart.
#[test]
fn dnssec_ok_is_honoured() {
    let stage = Stage::new(|seen| {
        let wanted = seen.parsed().edns_flags().unwrap_or(0) & DO != 0;
        let plain = seen.reply().answer(address(300, [192, 0, 2, 1]));
        let signature = record(
            &to_question(),
            RRSIG,
            IN,
            300,
            &[&[0, 1, 8, 2][..], &[0; 14], &name("example"), &[9; 64]].concat(),
        );
        reply(&if wanted {
            plain.answer(signature).additional(opt(1232, 0, 0, DO, &[]))
        } else {
            plain.edns(1232)
        })
    });
    for _ in 0..2 {
        let with = stage.ask(&Message::query("do.example", A).edns_do(1232));
        assert_eq!(with.answer.len(), 2, "address and signature");
        assert_eq!(with.edns_flags().unwrap() & DO, DO, "DO is copied");
        let without = stage.ask(&Message::query("do.example", A).edns(1232));
        assert_eq!(without.answer.len(), 1, "a signature for one who didn't ask for it");
        assert_eq!(without.edns_flags().unwrap() & DO, 0);
        assert_eq!(stage.ask(&Message::query("do.example", A)).answer.len(), 1);
    }
}

/// RFC 7871 section 11.1: client subnet goes no further unless told to.
#[test]
fn client_subnet_is_stripped() {
    let stage = Stage::new(|seen| reply(&seen.reply().answer(address(300, [192, 0, 2, 1]))));
    let subnet = option(CLIENT_SUBNET, &[0, 1, 24, 0, 198, 51, 100]);
    let got = stage.ask(&Message::query("subnet.example", A).additional(opt(1232, 0, 0, 0, &subnet)));
    assert_eq!(got.addresses(), ["192.0.2.1"]);
    assert_eq!(stage.forwarded("subnet.example").option(CLIENT_SUBNET), None);
}

/// RFC 7871: where the endpoint says so, the subnet is sent, the target's scope comes back, and answers
/// for one subnet aren't given to another.
#[test]
fn client_subnet_passes_where_the_endpoint_says_so() {
    let stage = Stage::with_endpoint(
        "client_subnet = true",
        |setup| setup,
        |seen| {
            let subnet = seen.parsed().option(CLIENT_SUBNET);
            let last = subnet.as_ref().map_or(0, |data| *data.last().unwrap());
            let plain = seen.reply().answer(address(300, [192, 0, 2, last]));
            reply(&match subnet {
                Some(mut data) => {
                    data[3] = data[2];
                    plain.additional(opt(1232, 0, 0, 0, &option(CLIENT_SUBNET, &data)))
                }
                None => plain.edns(1232),
            })
        },
    );
    for net in [100, 113, 100] {
        let subnet = option(CLIENT_SUBNET, &[0, 1, 24, 0, 198, 51, net]);
        let got = stage.ask(&Message::query("subnet.example", A).additional(opt(1232, 0, 0, 0, &subnet)));
        assert_eq!(got.addresses(), [format!("192.0.2.{net}")], "the answer of another subnet");
        assert_eq!(got.option(CLIENT_SUBNET), Some(vec![0, 1, 24, 24, 198, 51, net]));
    }
}

/// An OPT of the target between other records is taken out without harm to the names behind it.
#[test]
fn an_opt_in_the_middle_is_taken_out() {
    let stage = Stage::new(|seen| {
        let first = record(&name("first.example"), A, IN, 300, &[192, 0, 2, 1]);
        let mut message = seen.reply().answer(address(300, [192, 0, 2, 1])).edns(1232).additional(first);
        // A name compressed to the record behind the OPT, so that its offset matters.
        let start = message.bytes().len() - name("first.example").len() - 14;
        message =
            message.additional(record(&pointer(u16::try_from(start).unwrap()), TXT, IN, 300, &text("x")));
        reply(&message)
    });
    let got = stage.ask(&Message::query("middle.example", A).edns(1232));
    if got.rcode() == NOERROR && !got.additional.is_empty() {
        let owners: Vec<_> = got.additional.iter().map(|record| record.owner.clone()).collect();
        assert_eq!(owners, [name("first.example"), name("first.example")]);
    } else {
        // Refusing to touch such a message is sound too, so long as the client is told.
        assert_eq!((got.rcode(), got.answer.len()), (SERVFAIL, 0), "neither whole nor refused");
    }
}

/// RFC 1035 section 4.2.1 and RFC 7766: what the target cuts off over UDP is fetched over TCP.
#[test]
fn truncation_is_followed_over_tcp() {
    let stage = Stage::new(|seen| {
        if !seen.tcp {
            return reply(&seen.reply().set(TC));
        }
        let strings =
            (0..20).map(|number| record(&to_question(), TXT, IN, 300, &text(&format!("{number:040}"))));
        reply(&strings.fold(seen.reply(), Message::answer))
    });
    let got = stage.ask(&Message::query("long.example", TXT).edns(1232));
    assert!(!got.has(TC), "it fits into 1232 octets");
    assert_eq!(got.answer.len(), 20);
    assert!(stage.target.asked("long.example").iter().any(|seen| seen.tcp));
}

/// The same from a client that can take only 512: it is told to come over TCP, and gets all there.
#[test]
fn what_does_not_fit_is_cut_with_tc() {
    let stage = Stage::new(|seen| {
        if !seen.tcp {
            return reply(&seen.reply().set(TC));
        }
        let strings =
            (0..60).map(|number| record(&to_question(), TXT, IN, 300, &text(&format!("{number:060}"))));
        reply(&strings.fold(seen.reply(), Message::answer))
    });
    for size in [None, Some(512), Some(1232), Some(4096)] {
        let query = Message::query("longer.example", TXT);
        let query = size.map_or(query.clone(), |size| query.edns(size));
        let raw = stage.ask_raw(&query);
        let bound = size.unwrap_or(512).min(1232);
        assert!(raw.len() <= usize::from(bound), "{} octets for a client of {size:?}", raw.len());
        assert!(common::parse(&raw).has(TC));
    }
    let mut tcp = Tcp::to(stage.dns.address);
    tcp.send(&Message::query("longer.example", TXT).bytes());
    let whole = common::parse(&tcp.receive().expect("an answer over TCP"));
    assert_eq!(whole.answer.len(), 60);
    assert!(!whole.has(TC));
}

/// Whether a message's TTL field has the OPT's meaning depends on the type alone: an OPT-like value in
/// any other record is a TTL (RFC 2181 section 8 takes one with the top bit set as zero).
#[test]
fn a_ttl_with_the_top_bit_set_is_zero() {
    let stage = Stage::new(|seen| reply(&seen.reply().answer(address(0x8000_0001, [192, 0, 2, 1]))));
    for _ in 0..2 {
        let got = stage.ask(&Message::query("ttl.example", A));
        assert_eq!(got.addresses(), ["192.0.2.1"]);
        assert!([0, 0x8000_0001].contains(&got.answer[0].ttl), "TTL {:#x}", got.answer[0].ttl);
    }
    assert_eq!(stage.target.count("ttl.example"), 2, "an answer with TTL 0 isn't kept");
}

/// Compression that the target used in places where RFC 3597 section 4 forbids it to be made, but old
/// servers made it: the bytes pass, and still mean the same.
#[test]
fn compressed_rdata_passes() {
    let query = Message::query("_ldap._tcp.srv.example", SRV).edns(1232);
    let got = assert_relayed("compressed SRV", &query, |seen| {
        let mut rdata = vec![0, 1, 0, 2, 1, 133];
        rdata.extend([2, b'd', b'c']);
        rdata.extend(pointer(12 + 11));
        seen.reply().answer(record(&to_question(), SRV, IN, 300, &rdata))
    });
    assert_eq!(got.answer.len(), 1);
}

/// Any number of records, in any section, of any mixture.
#[test]
fn many_records_pass() {
    let query = Message::query("many.example", A).edns(1232);
    assert_relayed("forty records", &query, |seen| {
        let mut message = seen.reply().set(AA);
        for number in 0..20 {
            message = message
                .answer(address(300 + u32::from(number), [192, 0, 2, number]))
                .additional(record(&name(&format!("g{number}.example")), A, IN, 60, &[10, 0, 0, number]));
        }
        message.authority(record(&name("example"), NS, IN, 300, &name("g1.example")))
    });
}
