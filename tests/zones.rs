//! Local zones: the same zone file served by NSD and by us, the same questions asked with dig, and the
//! answers compared section by section (RFC 1034 section 4.3.2, 2308, 4592, 6672, 8482).
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::servers::nsd;
use common::{Dnsfwd, Dug, Net, Process, Setup, dig};

const ZONE: &str = r#"
$ORIGIN zone.example.
$TTL 3600
@        7200 IN SOA ns1 hostmaster.zone.example. ( 2026010101 3600 600 86400 300 )
         IN NS  ns1
         IN NS  ns2.zone.example.
         IN MX  10 mail
         IN MX  20 mail.elsewhere.example.
         IN TXT "v=spf1 -all"
         IN A   192.0.2.1
ns1      IN A   192.0.2.53
         IN AAAA 2001:db8::53
ns2      IN A   192.0.2.54
mail     IN A   192.0.2.25
www  600 IN A   192.0.2.80
     600 IN A   192.0.2.81
         IN AAAA 2001:db8::80
WwW2     IN A   192.0.2.82

; Wildcards (RFC 4592).
*.wild   IN A   192.0.2.90
         IN TXT "any"
host.wild IN A  192.0.2.91
a.b.wild IN A   192.0.2.92
*.cwild  IN CNAME www
*        IN MX  30 mail
sub.*.odd IN TXT "an asterisk in the middle"

; Empty non-terminals (RFC 8020).
deep.one.two.three IN A 192.0.2.100

; Delegations (RFC 1034 section 4.2.1).
child    IN NS ns.child
         IN NS ns.other.example.
ns.child IN A  192.0.2.153
lame     IN NS ns.elsewhere.example.
signed   IN NS ns.child
         IN DS 12345 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF

; CNAMEs.
alias    IN CNAME www
alias2   IN CNAME alias
alias3   IN CNAME alias2.zone.example.
out      IN CNAME www.elsewhere.example.
broken   IN CNAME absent.one
towild   IN CNAME something.wild
tochild  IN CNAME www.child
nodata   IN CNAME mail
self     IN CNAME self
loop1    IN CNAME loop2
loop2    IN CNAME loop1

; DNAMEs (RFC 6672).
dname    IN DNAME target
         IN TXT "beside a DNAME"
a.target IN A 192.0.2.110
dout     IN DNAME elsewhere.example.
dlong    IN DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.zone.example.

; Other types.
_ldap._tcp IN SRV 0 5 389 dc1
           IN SRV 1 5 389 dc2
dc1      IN A 192.0.2.120
dc2      IN AAAA 2001:db8::121
sip      IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@zone.example!" .
caa      IN CAA 0 issue "ca.example"
tlsa     IN TLSA 3 1 1 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
ssh      IN SSHFP 1 1 0123456789ABCDEF0123456789ABCDEF01234567
svc      IN HTTPS 1 . alpn=h2
loc      IN LOC 51 30 12.748 N 0 7 39.612 W 0.00m 0.00m 0.00m 0.00m
hinfo    IN HINFO "CPU" "OS"
unknown  IN TYPE65280 \# 5 C00CFF0001
empty    IN TYPE65281 \# 0
arfc     IN TYPE1 \# 4 C0000278
ptr      IN PTR www
escaped\.dot IN A 192.0.2.130
bin\000ary IN A 192.0.2.131
longtxt  IN TXT "0123456789" "second string" ""
"#;

struct Pair {
    net: Net,
    _nsd: Process,
    dns: Dnsfwd,
}

fn pair() -> Pair {
    let net = Net::new();
    let nsd = nsd(&net, net.at(10), &[("zone.example", ZONE)]);
    let dns = Setup::new(&net).zone(&net, "zone.example", ZONE).start(&net);
    Pair { net, _nsd: nsd, dns }
}

fn set(lines: &[String]) -> BTreeSet<String> {
    // Owner names without regard to case; data as it is.
    lines
        .iter()
        .map(|line| match line.split_once(' ') {
            Some((owner, rest)) => format!("{} {rest}", owner.to_ascii_lowercase()),
            None => line.clone(),
        })
        .collect()
}

fn has_type(lines: &[String], rtype: &str) -> bool {
    lines.iter().any(|line| line.split(' ').nth(3) == Some(rtype))
}

impl Pair {
    fn both(&self, question: &str) -> (Dug, Dug) {
        let arguments =
            format!("+norec +nocookie +noall +comments +answer +authority +additional {question}");
        (dig(self.net.at(10), &arguments), dig(self.dns.address, &arguments))
    }

    /// Status, AA and answer are equal; what NSD gives in the other sections for the answer's meaning
    /// (SOA of a denial, NS and glue of a referral) is there too.
    fn same(&self, question: &str) -> Dug {
        let (nsd, ours) = self.both(question);
        let shown = || format!("{question}\n--- NSD\n{}\n--- dnsfwd\n{}", nsd.text, ours.text);
        assert_eq!(nsd.status, ours.status, "status of {}", shown());
        assert_eq!(nsd.flag("aa"), ours.flag("aa"), "AA of {}", shown());
        assert!(!ours.flag("tc") && !ours.flag("ad"), "flags of {}", shown());
        assert_eq!(set(&nsd.answer), set(&ours.answer), "answer of {}", shown());
        let referral = has_type(&nsd.authority, "NS") && nsd.answer.is_empty();
        if has_type(&nsd.authority, "SOA") || referral {
            assert_eq!(set(&nsd.authority), set(&ours.authority), "authority of {}", shown());
        }
        if referral {
            assert_eq!(set(&nsd.additional), set(&ours.additional), "glue of {}", shown());
        }
        // Beyond that, the sections may be left out (RFC 1034 section 4.3.2 step 6), but not differ.
        assert!(set(&ours.additional).is_subset(&set(&nsd.additional)), "additional of {}", shown());
        assert!(set(&ours.authority).is_subset(&set(&nsd.authority)), "authority of {}", shown());
        ours
    }
}

fn same_for(questions: &[&str]) {
    let pair = pair();
    for question in questions {
        pair.same(question);
    }
}

/// RFC 1034 section 4.3.2: what is there.
#[test]
fn positive_answers() {
    same_for(&[
        "zone.example soa",
        "zone.example ns",
        "zone.example a",
        "zone.example txt",
        "www.zone.example a",
        "www.zone.example aaaa",
        "WWW.Zone.EXAMPLE a",
        "www2.zone.example a",
        "ns1.zone.example a",
        "ns2.zone.example a",
    ]);
}

/// RFC 2308 section 2.2 and 3: no data, with the SOA and the lower of its TTL and MINIMUM.
#[test]
fn no_data() {
    let pair = pair();
    for question in
        ["www.zone.example mx", "zone.example srv", "mail.zone.example aaaa", "ns1.zone.example type1000"]
    {
        let ours = pair.same(question);
        assert!(ours.answer.is_empty());
        assert!(ours.authority[0].starts_with("zone.example. 300 IN SOA"), "{}", ours.text);
    }
}

/// The names between are there, without data: NOERROR, never NXDOMAIN (RFC 8020 section 2).
#[test]
fn empty_non_terminals() {
    let pair = pair();
    for question in [
        "one.two.three.zone.example a",
        "two.three.zone.example a",
        "three.zone.example a",
        "_tcp.zone.example a",
        "odd.zone.example a",
        "wild.zone.example a",
        "b.wild.zone.example a",
        "target.zone.example a",
    ] {
        assert_eq!(pair.same(question).status, "NOERROR", "{question}");
    }
}

/// RFC 2308 section 2.1, below a name that keeps the zone's own wildcard away.
#[test]
fn nxdomain() {
    let pair = pair();
    for question in [
        "absent.one.two.three.zone.example a",
        "absent.three.zone.example a",
        "below.www.zone.example a",
        "x.y.mail.zone.example txt",
        "absent._tcp.zone.example srv",
    ] {
        let ours = pair.same(question);
        assert_eq!(ours.status, "NXDOMAIN", "{question}");
        assert!(ours.authority[0].starts_with("zone.example. 300 IN SOA"), "{}", ours.text);
    }
}

/// RFC 4592 with its finer points: closest encloser, names that are there, the asterisk itself.
#[test]
fn wildcards() {
    same_for(&[
        "anything.wild.zone.example a",
        "anything.wild.zone.example txt",
        "anything.wild.zone.example mx",
        "several.labels.wild.zone.example a",
        "host.wild.zone.example a",
        "host.wild.zone.example txt",
        "below.host.wild.zone.example a",
        "x.b.wild.zone.example a",
        "b.wild.zone.example a",
        "*.wild.zone.example a",
        "below.*.wild.zone.example a",
        "anything.cwild.zone.example a",
        "anything.cwild.zone.example cname",
        "absent.zone.example mx",
        "absent.zone.example a",
        "*.zone.example mx",
        "sub.*.odd.zone.example txt",
        "*.odd.zone.example txt",
        "sub.x.odd.zone.example txt",
        "absent.odd.zone.example a",
        "AnyThing.WILD.zone.example a",
    ]);
}

/// RFC 1034 section 4.3.2 step 3b: referrals, with glue and without authority; the DS is the parent's
/// (RFC 4035 section 3.1.4.1).
#[test]
fn delegations() {
    let pair = pair();
    for question in [
        "child.zone.example a",
        "child.zone.example ns",
        "child.zone.example soa",
        "www.child.zone.example a",
        "deep.www.child.zone.example txt",
        "ns.child.zone.example a",
        "lame.zone.example a",
        "x.lame.zone.example a",
        "signed.zone.example a",
        "x.signed.zone.example mx",
    ] {
        let ours = pair.same(question);
        assert!(!ours.flag("aa") && ours.answer.is_empty(), "a referral: {}", ours.text);
        assert!(has_type(&ours.authority, "NS"), "{}", ours.text);
    }
    assert_eq!(pair.same("signed.zone.example ds").data("DS").len(), 1);
    pair.same("child.zone.example ds");
}

/// RFC 1034 section 3.6.2: chains within the zone are followed to their end, and not around.
#[test]
fn cname_chains() {
    same_for(&[
        "alias.zone.example a",
        "alias.zone.example cname",
        "alias.zone.example aaaa",
        "alias3.zone.example a",
        "alias3.zone.example mx",
        "broken.zone.example a",
        "towild.zone.example a",
        "towild.zone.example mx",
        "nodata.zone.example aaaa",
        "self.zone.example cname",
        "loop1.zone.example cname",
    ]);
}

/// Loops end, and what was found of them is no lie.
#[test]
fn cname_loops_end() {
    let pair = pair();
    for question in ["self.zone.example a", "loop1.zone.example a"] {
        let (_, ours) = pair.both(question);
        assert!(["NOERROR", "SERVFAIL"].contains(&ours.status.as_str()), "{}", ours.text);
        assert!(ours.data("A").is_empty());
        assert!(ours.answer.len() <= 20, "{}", ours.text);
    }
}

/// A CNAME out of the zone: nothing covers its end here, so that the chain stands alone. NSD says
/// NOERROR, and so do we.
#[test]
fn cnames_that_leave() {
    let pair = pair();
    let (nsd, ours) = pair.both("out.zone.example a");
    assert_eq!(set(&nsd.answer), set(&ours.answer), "{}", ours.text);
    assert!(ours.flag("aa"));
    assert!(["NOERROR", "SERVFAIL", "REFUSED"].contains(&ours.status.as_str()), "{}", ours.text);
    let (nsd, ours) = pair.both("tochild.zone.example a");
    assert_eq!(set(&nsd.answer), set(&ours.answer), "{}", ours.text);
    assert_eq!(nsd.status, ours.status, "{}", ours.text);
}

/// RFC 6672: the DNAME and the CNAME made of it; the owner itself is not redirected; YXDOMAIN where the
/// new name would be too long.
#[test]
fn dnames() {
    let pair = pair();
    for question in [
        "dname.zone.example a",
        "dname.zone.example txt",
        "dname.zone.example dname",
        "a.dname.zone.example a",
        "a.dname.zone.example cname",
        "absent.dname.zone.example a",
        "dout.zone.example dname",
    ] {
        pair.same(question);
    }
    let (nsd, ours) = pair.both("www.dout.zone.example a");
    assert_eq!(set(&nsd.answer), set(&ours.answer), "{}", ours.text);
    let long = "b".repeat(63);
    let (_, ours) = pair.both(&format!("{long}.dlong.zone.example a"));
    assert_eq!(ours.status, "YXDOMAIN", "RFC 6672 section 2.2: {}", ours.text);
}

/// RFC 8482 lets a server choose; what it gives is from the zone.
#[test]
fn any_is_from_the_zone() {
    let pair = pair();
    for name in ["www.zone.example", "zone.example", "anything.wild.zone.example", "alias.zone.example"] {
        // NSD answers ANY with one RRset; type by type it tells of them all.
        let types = ["a", "aaaa", "ns", "soa", "mx", "txt", "cname", "srv", "hinfo"];
        let known: Vec<_> =
            types.iter().flat_map(|rtype| pair.both(&format!("{name} {rtype}")).0.answer).collect();
        let ours = pair.both(&format!("{name} any")).1;
        assert_eq!(ours.status, "NOERROR", "{}", ours.text);
        assert!(ours.flag("aa"));
        assert!(set(&ours.answer).is_subset(&set(&known)), "{known:?}\n{}", ours.text);
        assert!(!ours.answer.is_empty(), "{}", ours.text);
    }
    pair.same("absent.three.zone.example any");
}

/// MX and SRV, with addresses beside them or without.
#[test]
fn services() {
    same_for(&["zone.example mx", "_ldap._tcp.zone.example srv", "absent.zone.example mx"]);
}

/// All types that a master file can hold, the unknown ones by RFC 3597.
#[test]
fn other_types() {
    same_for(&[
        "sip.zone.example naptr",
        "caa.zone.example caa",
        "tlsa.zone.example tlsa",
        "ssh.zone.example sshfp",
        "svc.zone.example https",
        "loc.zone.example loc",
        "hinfo.zone.example hinfo",
        "unknown.zone.example type65280",
        "empty.zone.example type65281",
        "arfc.zone.example a",
        "ptr.zone.example ptr",
        "longtxt.zone.example txt",
        "escaped\\.dot.zone.example a",
        "bin\\000ary.zone.example a",
    ]);
}

/// Over TCP the same.
#[test]
fn over_tcp() {
    same_for(&["+tcp www.zone.example a", "+tcp child.zone.example a", "+tcp absent.three.zone.example a"]);
}

/// Outside of the zone we have no authority, and no rule: REFUSED by both.
#[test]
fn outside_is_refused() {
    let pair = pair();
    let (nsd, ours) = pair.both("www.elsewhere.example a");
    assert_eq!((nsd.status.as_str(), ours.status.as_str()), ("REFUSED", "REFUSED"), "{}", ours.text);
    assert!(!ours.flag("aa"));
}

/// Master files' own forms: $INCLUDE, $GENERATE, relative names, brackets, comments, TTL units.
#[test]
fn master_files() {
    let net = Net::new();
    net.write("part.inc", "inc A 192.0.2.1\n$ORIGIN sub.forms.example.\nrel A 192.0.2.2\n");
    let dns = Setup::new(&net)
        .zone(
            &net,
            "forms.example",
            "$TTL 1h30m\n@ SOA ns hostmaster ( 1 ; serial\n 1h 10m\t1w\n 5m )\n NS ns\nns A 192.0.2.53\n\
             $INCLUDE part.inc\nafter A 192.0.2.3\n$INCLUDE part.inc other.forms.example.\n\
             $GENERATE 1-20/2 host-$ A 192.0.2.$\n$GENERATE 10-12 p${0,3,d} CNAME host-${-9}\n\
             $ORIGIN deep\nrelative 5 IN A 192.0.2.4\n IN 6 TXT ( \"one\"\n \"two\" )\n",
        )
        .start(&net);
    for (question, rtype, data) in [
        ("inc.forms.example a", "A", "192.0.2.1"),
        ("rel.sub.forms.example a", "A", "192.0.2.2"),
        ("after.forms.example a", "A", "192.0.2.3"),
        ("inc.other.forms.example a", "A", "192.0.2.1"),
        ("host-1.forms.example a", "A", "192.0.2.1"),
        ("host-19.forms.example a", "A", "192.0.2.19"),
        ("p010.forms.example cname", "CNAME", "host-1.forms.example."),
        ("relative.deep.forms.example a", "A", "192.0.2.4"),
        ("relative.deep.forms.example txt", "TXT", "\"one\" \"two\""),
    ] {
        let got = dig(dns.address, question);
        assert_eq!(got.data(rtype), [data], "{question}: {}", got.text);
    }
    assert_eq!(dig(dns.address, "host-2.forms.example a").status, "NXDOMAIN");
    assert!(dig(dns.address, "after.forms.example a").answer[0].contains(" 5400 "), "1h30m is 5400 seconds");
}

/// RFC 2308 section 1 and the promise that denials cost the same on a large zone: a hundred thousand
/// names load, and answer right at the edges.
#[test]
fn a_large_zone_answers_right() {
    use std::fmt::Write;
    let net = Net::new();
    let mut zone = String::from("$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n");
    for number in 0..100_000 {
        writeln!(zone, "host{number} A 10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255).unwrap();
    }
    let dns = Setup::new(&net).zone(&net, "large.example", &zone).start(&net);
    assert_eq!(dig(dns.address, "host0.large.example a").data("A"), ["10.0.0.0"]);
    assert_eq!(dig(dns.address, "host99999.large.example a").data("A"), ["10.1.134.159"]);
    let absent = dig(dns.address, "host100000.large.example a");
    assert_eq!(absent.status, "NXDOMAIN");
    assert!(has_type(&absent.authority, "SOA"));
}
