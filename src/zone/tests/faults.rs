//! Text in, diagnostics out: what is said of each fault, and where.

use std::fs;

use super::*;
use crate::config::diagnostic::Severity;

/// What is said of lines after `HEAD`, which has 4; severity, code and message by line and column.
fn faults(more: &str) -> Vec<String> {
    lines(&parse(&format!("{HEAD}{more}")))
}

#[track_caller]
fn check(cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        assert_eq!(faults(text), *expected, "of {text:?}");
    }
}

#[test]
fn a_sound_zone_has_none() {
    check(&[
        ("www A 192.0.2.1\n", &[]),
        ("www 60 IN A 192.0.2.1\nwww IN 60 A 192.0.2.2\n\tCLASS1 1m A 192.0.2.3\n", &[]),
        ("www TXT ( \"a;b\" ; comment (\n c )\n@ MX 0 .\n", &[]),
        ("$ORIGIN sub\n$ORIGIN deeper\nwww A 192.0.2.1\nalias.example. CNAME www.deeper.sub.example.\n", &[]),
        ("a TYPE65280 \\# 3 ab cd EF\nb TYPE1 \\# 4 c0000201\nc APL \\# 0\n", &[]),
        ("\\$dollar A 192.0.2.1\nwith\\.dot A 192.0.2.1\n", &[]),
    ]);
}

#[test]
fn syntax() {
    check(&[
        ("www A\n", &["5:6 error zone-rdata: in this A record: an address is missing here"]),
        ("www\n", &["5:4 error zone-syntax: the record's type is missing after 'www'"]),
        ("www AA 192.0.2.1\n", &["5:5 error zone-type: 'AA' is not a record type"]),
        ("www ANY 192.0.2.1\n", &["5:5 error zone-type: 'ANY' is a type of questions, not of data"]),
        ("www CH A 192.0.2.1\n", &["5:5 error zone-class: class 'CH' is not served from zones"]),
        ("www A ( 192.0.2.1\nx A 192.0.2.1\n", &["5:7 error zone-syntax: this parenthesis is never closed"]),
        (
            "www A 192.0.2.1 )\nx A 1\n",
            &[
                "5:17 error zone-syntax: this parenthesis closes nothing",
                "6:5 error zone-rdata: in this A record: '1' is not an address of this type",
            ],
        ),
        ("www TXT \"a\nx TXT b\n", &["5:9 error zone-syntax: this quote is not closed on its line"]),
        (
            "\"ü\" A 1.1.1\n",
            &["5:7 error zone-rdata: in this A record: '1.1.1' is not an address of this type"],
        ),
        ("a..b A 192.0.2.1\n", &["5:1 error zone-name: 'a..b': a label between two dots is empty"]),
        ("$FOO\n", &["5:1 error zone-directive: '$FOO' is not a directive"]),
        ("$TTL\n", &["5:1 error zone-directive: '$TTL' takes 1 words, here are 0"]),
        ("$TTL 1x\n", &["5:6 error zone-ttl: '1x' is not a TTL"]),
        (
            "www 2147483648 A 192.0.2.1\n",
            &["5:5 error zone-ttl: '2147483648' is more than 2147483647 seconds (RFC 2181 section 8)"],
        ),
    ]);
    let long = "x".repeat(64);
    assert!(faults(&format!("{long} A 192.0.2.1\n"))[0].contains("a label is longer than 63 octets"));
    let long = "x.".repeat(126);
    assert!(faults(&format!("{long} A 192.0.2.1\n"))[0].contains("is not within the zone example"));
    assert!(faults(&format!("{}y A 192.0.2.1\n", "x.".repeat(124)))[0].contains("longer than 255 octets"));
    let blank = lines(&parse(" A 192.0.2.1\n"));
    assert!(blank.iter().any(|line| line.contains("1:2 error zone-owner: there is no owner")), "{blank:?}");
}

#[test]
fn rdata() {
    check(&[
        ("@ MX mail\n", &["5:6 error zone-rdata: in this MX record: 'mail' is not a number from 0 to 65535"]),
        (
            "@ MX 65536 ns1\n",
            &["5:6 error zone-rdata: in this MX record: '65536' is not a number from 0 to 65535"],
        ),
        ("@ MX 10\n", &["5:8 error zone-rdata: in this MX record: a name is missing here"]),
        (
            "@ A 192.0.2.1 192.0.2.2\n",
            &["5:15 error zone-rdata: in this A record: A has no more data than what stands before this"],
        ),
        (
            "a TYPE65280 x\n",
            &["5:13 error zone-rdata: in this TYPE65280 record: the data of TYPE65280 has no text form"],
        ),
        (
            "a TYPE65280 \\# 3 abcd\n",
            &["5:18 error zone-rdata: in this TYPE65280 record: 3 octets are announced, 2 follow"],
        ),
        (
            "a A \\# 3 010203\n",
            &["5:10 error zone-rdata: in this A record: these octets are not sound data of A"],
        ),
        (
            "a CAA 0 is-sue \"x\"\n",
            &["5:9 error zone-rdata: in this CAA record: 'is-sue' is not letters and digits"],
        ),
        (
            "a HTTPS 1 . port=1 port=2\n",
            &["5:20 error zone-rdata: in this HTTPS record: the parameter with key 3 is there twice"],
        ),
    ]);
    let long = "x".repeat(256);
    assert!(faults(&format!("a TXT {long}\n"))[0].contains("a string is longer than 255 octets"));
    let long = format!("a TXT {}\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ".repeat(2100));
    assert!(faults(&long)[0].contains("more than 65,535 octets"), "{:?}", faults(&long));
}

#[test]
fn what_records_mean_together() {
    check(&[
        (
            "www.other. A 192.0.2.1\n A 192.0.2.2\n",
            &["5:1 error zone-out-of-zone: www.other is not within the zone example"],
        ),
        (
            "www A 192.0.2.1\nwww CNAME ns1\n",
            &["6:5 error zone-cname: www.example has a CNAME record and other data (A)"],
        ),
        ("www CNAME a\nwww CNAME b\n", &["6:5 error zone-cname: www.example has more than one CNAME record"]),
        ("@ SOA ns1 h 8 1 1 1 1\n", &["5:3 error zone-soa: the zone example has a second SOA record"]),
        (
            "sub SOA ns1 h 8 1 1 1 1\n",
            &["5:5 error zone-soa: an SOA at sub.example, below the zone's apex example"],
        ),
        (
            "d DNAME x\na.d A 192.0.2.1\n",
            &[
                "6:5 error zone-below-dname: a.d.example lies below a DNAME record and could never be answered",
            ],
        ),
        (
            "d DNAME x\nd NS ns1\n",
            &["5:3 error zone-dname: d.example has a DNAME record and is delegated by NS records"],
        ),
        ("d DNAME x\nd DNAME y\n", &["6:3 error zone-dname: d.example has more than one DNAME record"]),
        (
            "www A 192.0.2.1\nWWW.example. A 192.0.2.1\nm MX 1 ns1\nm MX 1 NS1\n",
            &[
                "6:14 warning zone-duplicate: this record is there already; it is taken once",
                "8:3 warning zone-duplicate: this record is there already; it is taken once",
            ],
        ),
        (
            "www A 192.0.2.1\nwww 60 A 192.0.2.2\n",
            &["6:8 warning zone-ttl-differs: TTL 60 differs from 3600 before it: 60 is taken for all"],
        ),
        (
            "a CNAME ns1\n@ MX 1 a\n@ MX 2 gone\n@ NS www.else.\n",
            &[
                "6:3 warning zone-target-alias: the MX record's target a.example is an alias",
                "7:3 warning zone-target-address: the MX record's target gone.example has no address in this zone",
            ],
        ),
        (
            "c NS ns.c\nc NS ns.d.c\nns.d.c A 192.0.2.1\nwww.c A 192.0.2.1\nc MX 1 ns1\n",
            &[
                "5:3 warning zone-glue: the NS record's target ns.c.example lies in the zone that it serves and has no address here",
                "8:7 warning zone-hidden: www.c.example lies below a delegation and is no server's address",
                "9:3 warning zone-hidden: c.example is delegated by NS records, which hide this record",
            ],
        ),
    ]);
    let empty = lines(&parse("; nothing\n"));
    assert_eq!(
        empty,
        [
            "1:1 error zone-soa: the zone example has no SOA record",
            "1:1 error zone-ns: the zone example has no NS record at its apex",
        ]
    );
}

#[test]
fn ttls_left_out() {
    let soa = "@ SOA ns1 h 1 1 1 1 77\n@ NS ns1\nns1 60 A 192.0.2.1\nns1 AAAA ::1\n";
    let loaded = parse(soa);
    assert_eq!(
        lines(&loaded),
        [
            "1:3 warning zone-ttl-missing: this record has no TTL and the file no $TTL: the SOA's minimum is taken, 77"
        ]
    );
    let zone = loaded.zone.unwrap();
    assert_eq!(ask(&zone, "ns1.example.", 28).message.answers[0].ttl, 60);
    assert_eq!(ask(&zone, "example.", 2).message.answers[0].ttl, 77);
    let stated = zone_ttl("$TTL 5\n@ 60 A 192.0.2.9\n@ TXT x\n");
    assert_eq!(stated, 5, "$TTL comes before the last TTL stated (RFC 2308 section 4)");
    let none = lines(&parse("@ NS ns1\n"));
    assert!(none.iter().any(|line| line.contains("has no TTL, and none is stated before it")), "{none:?}");
}

fn zone_ttl(more: &str) -> u32 {
    ask(&with_head(more), "example.", 16).message.answers[0].ttl
}

#[test]
fn at_most_a_hundred_are_shown_and_errors_first() {
    let text = "www A 192.0.2.1\n".repeat(150) + &"x A y\n".repeat(50);
    let found = faults(&text);
    assert_eq!(found.len(), 101);
    assert_eq!(found.iter().filter(|line| line.contains("error")).count(), 50);
    assert!(found[100].ends_with("warning zone-more: and 99 more"), "{}", found[100]);
    let found = parse(&format!("{HEAD}{}", "x A y\n".repeat(500)));
    assert_eq!(found.diagnostics[100].message, "and 400 more");
    assert_eq!(found.diagnostics[100].severity, Severity::Error);
}

#[test]
fn columns_count_characters_and_lines_are_shown() {
    let text = format!("{HEAD}www TXT \"üöä\" \\300\r\n");
    let loaded = parse(&text);
    let fault = &loaded.diagnostics[0];
    assert_eq!((fault.line, fault.column, fault.length), (5, 15, 4));
    assert_eq!(fault.source_line, "www TXT \"üöä\" \\300");
    let name = Name::parse("example.").unwrap();
    let octets = [HEAD.as_bytes(), b"a TXT \"\xff\"\nb TXT \"\xff\" \xfe\n"].concat();
    let loaded = Zone::parse_bytes(&name, &octets, Path::new("x"));
    assert_eq!(lines(&loaded), ["6:11 error zone-syntax: this word is neither ASCII nor UTF-8"]);
}

#[test]
fn generate() {
    let zone = with_head(
        "$GENERATE 1-3 host-$ A 192.0.2.$\n$GENERATE 0-4/2 ${0,3} 60 IN CNAME host-${1}.sub\n\
         $GENERATE 1-1 mx MX \"10 ns$\"\n$GENERATE 1-1 t TXT \"a $\" b$$\n$GENERATE 1-1 s TXT \"one string $\"\n",
    );
    assert_eq!(ask(&zone, "host-3.example.", 1).answers(), ["host-3.example. 3600 A 192.0.2.3"]);
    assert_eq!(ask(&zone, "002.example.", 5).answers(), ["002.example. 60 CNAME host-3.sub.example."]);
    assert_eq!(ask(&zone, "mx.example.", 15).answers(), ["mx.example. 3600 MX 10 ns1.example."]);
    assert_eq!(ask(&zone, "t.example.", 16).answers(), ["t.example. 3600 TXT a 1b$"]);
    assert_eq!(ask(&zone, "s.example.", 16).answers(), ["s.example. 3600 TXT one string 1"]);
    check(&[
        (
            "$GENERATE 1-99999 h$ A 192.0.2.1\n",
            &["5:11 error zone-generate: this makes 99999 records, more than 65536"],
        ),
        (
            "$GENERATE 1 h$ A 192.0.2.1\n",
            &["5:11 error zone-generate: '1' is not a range start-stop or start-stop/step"],
        ),
        (
            "$GENERATE 1-2 h$ A 192.0.2.${q}\n",
            &["5:20 error zone-generate: '192.0.2.${q}' does not hold for 1"],
        ),
        (
            "$GENERATE 250-260 h$ A 192.0.2.$\n",
            &["5:22 error zone-rdata: in this A record: '192.0.2.256' is not an address of this type"],
        ),
        ("$GENERATE 1-2 h$ A\n", &["5:18 error zone-rdata: in this A record: an address is missing here"]),
    ]);
}

#[test]
fn includes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let name = Name::parse("example.").unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    write("z", &format!("{HEAD}$INCLUDE d/one sub\nwww A 192.0.2.1\n A 192.0.2.2\n"));
    write("d/one", "$TTL 9\nin A 192.0.2.3\n$INCLUDE two\n");
    write("d/two", "$ORIGIN deeper\nin A 192.0.2.4\n");
    let loaded = Zone::load(&name, &folder.path().join("z"));
    assert_eq!(lines(&loaded), Vec::<String>::new());
    let zone = loaded.zone.unwrap();
    assert_eq!(ask(&zone, "in.sub.example.", 1).answers(), ["in.sub.example. 9 A 192.0.2.3"]);
    assert_eq!(ask(&zone, "in.deeper.sub.example.", 1).answers(), ["in.deeper.sub.example. 9 A 192.0.2.4"]);
    assert_eq!(ask(&zone, "www.example.", 1).message.answers[1].ttl, 3600, "origin and TTL are restored");

    write("d/two", "in A x\n$INCLUDE one\n$INCLUDE gone\n$INCLUDE .\n");
    let loaded = Zone::load(&name, &folder.path().join("z"));
    let files: Vec<_> = loaded.diagnostics.iter().map(|fault| fault.file.clone()).collect();
    assert!(files.iter().all(|file| *file == folder.path().join("d/two")), "{files:?}");
    let found = lines(&loaded);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(
        found[1].starts_with("2:10 error zone-include") && found[1].contains("it includes itself"),
        "{found:?}"
    );
    assert!(
        found[2].starts_with("3:10 error zone-include") && found[2].contains("cannot be read"),
        "{found:?}"
    );
    assert!(found[3].contains("is not a file"), "{found:?}");

    let missing = Zone::load(&name, &folder.path().join("missing"));
    assert!(missing.zone.is_none());
    assert_eq!(missing.diagnostics[0].code, "zone-file");
    for level in 0..20 {
        write(&format!("deep{level}"), &format!("$INCLUDE deep{}\n", level + 1));
    }
    let deep = lines(&Zone::load(&name, &folder.path().join("deep0")));
    assert!(deep.iter().any(|line| line.contains("files are included 16 levels deep")), "{deep:?}");
}
