//! Each case of RFC 1034 section 4.3.2 and those that came after it.

use super::*;
use crate::wire::rdata::rtype;
use crate::zone::OutcomeKind;

const SOA: &str = "example. 300 SOA ns1.example. hostmaster.example. 7 3600 900 1209600 300";

fn kind(reply: &Reply) -> (OutcomeKind, u8, bool, bool) {
    let outcome = &reply.outcome;
    (outcome.kind, outcome.rcode, outcome.authoritative, outcome.truncated)
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn rfc_1034_positive_answers_are_minimal() {
    let zone = with_head("www A 192.0.2.1\nwww 60 A 192.0.2.2\nwww AAAA 2001:db8::1\n");
    let reply = ask(&zone, "wWw.example.", rtype::A);
    assert_eq!(kind(&reply), (OutcomeKind::Answer, 0, true, false));
    // RFC 2181 section 5.2: one TTL for the whole RRset.
    assert_eq!(reply.answers(), ["wWw.example. 60 A 192.0.2.1", "wWw.example. 60 A 192.0.2.2"]);
    assert_eq!((reply.authorities(), reply.additionals()), (none(), none()));
}

#[test]
fn rfc_2308_negative_answers() {
    let zone = with_head("a.b.c A 192.0.2.1\n");
    let nodata = ask(&zone, "ns1.example.", rtype::AAAA);
    assert_eq!(kind(&nodata), (OutcomeKind::NoData, 0, true, false));
    assert_eq!((nodata.answers(), nodata.authorities()), (none(), vec![SOA.to_owned()]));
    // RFC 8020: an empty non-terminal exists, what is below a name that doesn't exist does not.
    for name in ["c.example.", "b.c.example."] {
        assert_eq!(kind(&ask(&zone, name, rtype::A)), (OutcomeKind::NoData, 0, true, false), "{name}");
    }
    for name in ["x.example.", "x.y.z.example.", "x.b.c.example.", "x.a.b.c.example."] {
        let missing = ask(&zone, name, rtype::A);
        assert_eq!(kind(&missing), (OutcomeKind::NxDomain, 3, true, false), "{name}");
        assert_eq!(missing.authorities(), [SOA], "{name}");
    }
    let low = super::zone(&HEAD.replace("@ SOA", "@ 60 SOA"));
    assert_eq!(ask(&low, "x.example.", rtype::A).message.authorities[0].ttl, 60);
}

#[test]
fn rfc_4592_section_2_2_1_the_worked_example() {
    let zone = with_head(
        "* 3600 TXT \"this is a wildcard\"\n* MX 10 host1\nsub.* TXT \"not a wildcard\"\nhost1 A 192.0.2.1\n\
         _ssh._tcp.host1 SRV 0 0 22 host1\n_ssh._tcp.host2 SRV 0 0 22 host1\nsubdel NS ns.example.com.\n\
         subdel NS ns.example.net.\n",
    );
    let mx = ask(&zone, "host3.example.", rtype::MX);
    assert_eq!(mx.answers(), ["host3.example. 3600 MX 10 host1.example."]);
    assert_eq!(mx.additionals(), ["host1.example. 3600 A 192.0.2.1"]);
    assert!(mx.outcome.used.wildcard);
    let wildcard_nodata = ask(&zone, "host3.example.", rtype::A);
    assert_eq!(kind(&wildcard_nodata), (OutcomeKind::NoData, 0, true, false));
    assert_eq!(
        ask(&zone, "foo.bar.example.", rtype::TXT).answers(),
        ["foo.bar.example. 3600 TXT this is a wildcard"]
    );
    assert_eq!(kind(&ask(&zone, "host1.example.", rtype::MX)).0, OutcomeKind::NoData);
    assert_eq!(kind(&ask(&zone, "sub.*.example.", rtype::MX)).0, OutcomeKind::NoData);
    assert_eq!(kind(&ask(&zone, "_telnet._tcp.host1.example.", rtype::SRV)).0, OutcomeKind::NxDomain);
    assert_eq!(kind(&ask(&zone, "host.subdel.example.", rtype::A)).0, OutcomeKind::Delegation);
    assert_eq!(kind(&ask(&zone, "ghost.*.example.", rtype::MX)).0, OutcomeKind::NxDomain);
    // The wildcard asked by its own name is a name like others.
    let itself = ask(&zone, "*.example.", rtype::MX);
    assert!(!itself.outcome.used.wildcard && itself.answers().len() == 1);
}

#[test]
fn rfc_4592_a_wildcard_cname_is_followed() {
    let zone = with_head("*.w CNAME target\ntarget A 192.0.2.7\n");
    let reply = ask(&zone, "a.b.w.example.", rtype::A);
    assert_eq!(
        reply.answers(),
        ["a.b.w.example. 3600 CNAME target.example.", "target.example. 3600 A 192.0.2.7"]
    );
    assert!(reply.outcome.used.wildcard && reply.outcome.used.cname);
}

#[test]
fn rfc_1034_referrals() {
    let zone = with_head(
        "child NS ns.child\nchild NS ns.sibling\nchild NS ns.elsewhere.test.\nns.child A 192.0.2.10\n\
         ns.child AAAA 2001:db8::10\nsibling NS ns.sibling\nns.sibling A 192.0.2.11\nchild DS 1 8 2 00\n",
    );
    for (name, qtype) in
        [("child", rtype::A), ("a.b.child", rtype::MX), ("child", rtype::NS), ("ns.child", rtype::A)]
    {
        let reply = ask(&zone, &format!("{name}.example."), qtype);
        assert_eq!(kind(&reply), (OutcomeKind::Delegation, 0, false, false), "{name}");
        assert_eq!(reply.answers(), none());
        assert_eq!(
            reply.authorities(),
            [
                "child.example. 3600 NS ns.child.example.",
                "child.example. 3600 NS ns.sibling.example.",
                "child.example. 3600 NS ns.elsewhere.test.",
            ]
        );
        assert_eq!(
            reply.additionals(),
            [
                "ns.child.example. 3600 A 192.0.2.10",
                "ns.child.example. 3600 AAAA 2001:db8::10",
                "ns.sibling.example. 3600 A 192.0.2.11",
            ]
        );
    }
    // RFC 4035 section 3.1.4.1: the parent answers for DS.
    let ds = ask(&zone, "child.example.", rtype::DS);
    assert_eq!(kind(&ds), (OutcomeKind::Answer, 0, true, false));
    assert_eq!(ds.answers().len(), 1);
    let no_ds = ask(&zone, "sibling.example.", rtype::DS);
    assert_eq!((kind(&no_ds).0, no_ds.authorities()), (OutcomeKind::NoData, vec![SOA.to_owned()]));
    assert_eq!(kind(&ask(&zone, "x.child.example.", rtype::DS)).0, OutcomeKind::Delegation);
    let signed = Ask { zone: &zone, dnssec_ok: true, limit: 4096 }.query("child.example.", rtype::A);
    assert_eq!(signed.authorities().len(), 4, "a referral to a signed child carries DS");
}

#[test]
fn rfc_9471_needed_glue_that_does_not_fit_sets_tc() {
    let zone = with_head("child NS ns.child\nns.child A 192.0.2.10\nother NS ns1\n");
    let full = ask(&zone, "child.example.", rtype::A);
    for (limit, truncated) in [(full.len, false), (full.len - 1, true)] {
        let reply = Ask { zone: &zone, dnssec_ok: false, limit }.query("child.example.", rtype::A);
        assert_eq!(reply.outcome.truncated, truncated);
        assert_eq!(reply.authorities().len(), 1);
    }
    let sibling = ask(&zone, "other.example.", rtype::A);
    let reply =
        Ask { zone: &zone, dnssec_ok: false, limit: sibling.len - 1 }.query("other.example.", rtype::A);
    assert!(!reply.outcome.truncated && reply.additionals().is_empty());
}

#[test]
fn rfc_1034_the_apex_is_authoritative_for_its_ns() {
    let zone = with_head("@ NS ns.child\nchild NS ns.child\nns.child A 192.0.2.10\n");
    let reply = ask(&zone, "example.", rtype::NS);
    assert_eq!(kind(&reply), (OutcomeKind::Answer, 0, true, false));
    assert_eq!(
        reply.additionals(),
        ["ns1.example. 3600 A 192.0.2.53", "ns.child.example. 3600 A 192.0.2.10"]
    );
    assert_eq!(kind(&ask(&zone, "example.", rtype::DS)).0, OutcomeKind::NoData);
}

#[test]
fn rfc_1034_cname_chains() {
    let zone = with_head(
        "a CNAME b\nb CNAME C.example.\nc A 192.0.2.1\nout CNAME www.elsewhere.test.\ndangling CNAME gone\n\
         hidden CNAME www.child\nchild NS ns.elsewhere.test.\n",
    );
    let chain = ask(&zone, "a.example.", rtype::A);
    assert_eq!(
        chain.answers(),
        [
            "a.example. 3600 CNAME b.example.",
            "b.example. 3600 CNAME C.example.",
            "C.example. 3600 A 192.0.2.1"
        ]
    );
    let nodata = ask(&zone, "a.example.", rtype::MX);
    assert_eq!((kind(&nodata), nodata.answers().len()), ((OutcomeKind::NoData, 0, true, false), 2));
    // RFC 6604 section 3: the rcode is that of the last name.
    let dangling = ask(&zone, "dangling.example.", rtype::A);
    assert_eq!((kind(&dangling), dangling.answers().len()), ((OutcomeKind::NxDomain, 3, true, false), 1));
    assert_eq!(dangling.authorities(), [SOA]);
    let out = ask(&zone, "out.example.", rtype::A);
    assert_eq!((kind(&out), out.answers().len()), ((OutcomeKind::Answer, 0, true, false), 1));
    assert_eq!(out.outcome.leaves.unwrap().to_string(), "www.elsewhere.test");
    let hidden = ask(&zone, "hidden.example.", rtype::A);
    assert_eq!(kind(&hidden), (OutcomeKind::Delegation, 0, true, false));
    assert_eq!(hidden.outcome.leaves.unwrap().to_string(), "www.child.example");
    for qtype in [rtype::CNAME, rtype::ANY] {
        let alias = ask(&zone, "a.example.", qtype);
        assert_eq!(alias.answers(), ["a.example. 3600 CNAME b.example."]);
        assert!(!alias.outcome.used.cname);
    }
}

#[test]
fn cname_loops_and_long_chains_end() {
    let mut text = "x CNAME y\ny CNAME x\nself CNAME self\n*.w CNAME q.w\nn0 A 192.0.2.1\n".to_owned();
    for link in 1..=17 {
        text += &format!("n{link} CNAME n{}\n", link - 1);
    }
    let zone = with_head(&text);
    for (name, links) in [("x", 2), ("self", 1), ("p.w", 2), ("q.w", 1), ("n17", 16)] {
        let reply = ask(&zone, &format!("{name}.example."), rtype::A);
        assert_eq!(kind(&reply), (OutcomeKind::AliasLoop, 0, true, false), "{name}");
        assert_eq!(reply.answers().len(), links, "{name}");
    }
    assert_eq!(ask(&zone, "n16.example.", rtype::A).answers().len(), 17);
}

#[test]
fn rfc_6672_dname() {
    let long = format!("{0}.{0}.{0}", "x".repeat(63));
    let zone = with_head(&format!(
        "old 60 DNAME New\nold A 192.0.2.1\nhost.new A 192.0.2.2\naway DNAME elsewhere.test.\n\
         long DNAME {long}\nround DNAME round\n*.new TXT \"wild\"\n",
    ));
    let reply = ask(&zone, "host.old.example.", rtype::A);
    // hickory shows a DNAME's data in base64.
    assert!(reply.answers()[0].starts_with("old.example. 60 DNAME "));
    assert_eq!(
        reply.answers()[1..],
        ["host.old.example. 60 CNAME host.New.example.", "host.New.example. 3600 A 192.0.2.2"]
    );
    assert!(reply.outcome.used.dname && !reply.outcome.used.cname);
    assert_eq!(ask(&zone, "old.example.", rtype::A).answers().len(), 1, "the owner itself is not renamed");
    assert_eq!(ask(&zone, "old.example.", rtype::DNAME).answers().len(), 1);
    assert_eq!(ask(&zone, "a.b.old.example.", rtype::TXT).answers().len(), 3);
    let away = ask(&zone, "a.b.away.example.", rtype::A);
    assert_eq!(away.outcome.leaves.unwrap().to_string(), "a.b.elsewhere.test");
    let overflow = ask(&zone, &format!("{}.long.example.", "y".repeat(63)), rtype::A);
    assert_eq!(kind(&overflow), (OutcomeKind::NameTooLong, 6, true, false));
    assert_eq!(overflow.answers().len(), 1);
    let round = ask(&zone, "a.round.example.", rtype::A);
    assert_eq!((kind(&round).0, round.answers().len()), (OutcomeKind::AliasLoop, 2));
}

#[test]
fn any_gives_all_and_signatures_follow_the_do_bit() {
    let zone = with_head(
        "www A 192.0.2.1\nwww TXT t\nwww RRSIG A 8 2 60 20300101000000 20200101000000 1 example. AAAA\n\
         www RRSIG TXT 8 2 60 20300101000000 20200101000000 1 example. AAAA\n",
    );
    let plain = Ask { zone: &zone, dnssec_ok: false, limit: 4096 };
    let signed = Ask { dnssec_ok: true, ..plain };
    let count = |ask: &Ask<'_>, qtype| ask.query("www.example.", qtype).answers().len();
    assert_eq!((count(&plain, rtype::ANY), count(&signed, rtype::ANY)), (2, 4));
    assert_eq!((count(&plain, rtype::A), count(&signed, rtype::A)), (1, 2));
    assert_eq!((count(&plain, rtype::RRSIG), count(&signed, rtype::RRSIG)), (2, 2));
}

#[test]
fn additional_addresses_are_dropped_without_tc() {
    let zone = with_head(
        "@ MX 10 mail\nmail A 192.0.2.1\nmail AAAA 2001:db8::1\n@ MX 20 mail\n_s._tcp SRV 0 0 1 mail\n\
         _s._tcp SRV 0 0 1 any.w\n*.w A 192.0.2.9\n@ MX 30 deep.child\nchild NS ns1\ndeep.child A 192.0.2.3\n",
    );
    let full = ask(&zone, "example.", rtype::MX);
    assert_eq!(full.additionals(), ["mail.example. 3600 A 192.0.2.1", "mail.example. 3600 AAAA 2001:db8::1"]);
    let reply = Ask { zone: &zone, dnssec_ok: false, limit: full.len - 1 }.query("example.", rtype::MX);
    assert_eq!((reply.outcome.truncated, reply.additionals().len()), (false, 1));
    let srv = ask(&zone, "_s._tcp.example.", rtype::SRV);
    assert_eq!(srv.additionals().len(), 3, "an address may come from a wildcard");
}

#[test]
fn an_rrset_that_does_not_fit_is_left_out_whole() {
    let mut text = String::new();
    for host in 1..40 {
        text += &format!("big A 192.0.2.{host}\n");
    }
    let zone = with_head(&text);
    let reply = Ask { zone: &zone, dnssec_ok: false, limit: 512 }.query("big.example.", rtype::A);
    assert!(reply.outcome.truncated);
    assert_eq!(reply.answers(), none());
}

#[test]
fn the_root_zone_answers() {
    let name = Name::root();
    let text =
        "$TTL 60\n@ SOA a.root. h. 1 1 1 1 1\n@ NS a.root.\ncom NS a.gtld.com.\na.gtld.com A 192.0.2.1\n";
    let loaded = Zone::parse(&name, text, Path::new("root"));
    let zone = loaded.zone.unwrap();
    assert_eq!(ask(&zone, "www.x.com.", rtype::A).additionals().len(), 1);
    assert_eq!(ask(&zone, "net.", rtype::A).outcome.kind, OutcomeKind::NxDomain);
    assert_eq!(ask(&zone, ".", rtype::SOA).answers().len(), 1);
}

#[test]
fn names_of_full_length_are_looked_up() {
    let zone = with_head("*.a A 192.0.2.1\n");
    let deep = "x.".repeat(122) + "a.example.";
    assert_eq!(ask(&zone, &deep, rtype::A).answers().len(), 1);
    let deep = "x.".repeat(123) + "example.";
    assert_eq!(ask(&zone, &deep, rtype::A).outcome.kind, OutcomeKind::NxDomain);
}
