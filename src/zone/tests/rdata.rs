//! RDATA of every type against octets from the RFCs, and against hickory where it reads the type.

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use super::*;
use crate::zone::master::types;

/// The RDATA that our reader makes of a record at the apex of `example.`; names are absolute.
fn ours(rtype: &str, data: &str) -> Result<Vec<u8>, String> {
    let loaded = parse(&format!("{HEAD}x {rtype} {data}\n"));
    let Some(zone) = loaded.zone else { return Err(lines(&loaded).join("\n")) };
    let name = parse_wire(b"x.example.").unwrap();
    let node = zone.store.names.find(&name).expect("the record's owner exists");
    let set = zone.store.sets(node)[0];
    assert_eq!(Some(set.rtype), types::number(rtype.as_bytes()));
    Ok(zone.store.rdata(&set).next().expect("one record").to_vec())
}

fn theirs(rtype: &str, data: &str) -> Option<Vec<u8>> {
    let number = types::number(rtype.as_bytes())?;
    let rdata = RData::try_from_str(RecordType::from(number), data).ok()?;
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    rdata.emit(&mut encoder).ok()?;
    Some(wire)
}

/// Both read these, and alike.
const ALIKE: &[(&str, &str)] = &[
    ("A", "192.0.2.1"),
    ("AAAA", "2001:db8::1"),
    ("NS", "ns1.example."),
    ("CNAME", "www.example."),
    ("PTR", "host.test."),
    ("MX", "10 mail.test."),
    ("TXT", "\"a b\" c"),
    ("SRV", "1 2 3 host.test."),
    ("NAPTR", "100 50 \"s\" \"z3950+I2L+I2C\" \"\" _z3950._tcp.gatech.edu."),
    ("HINFO", "\"PC\" \"Linux\""),
    ("CAA", "0 issue \"ca.example; account=230123\""),
    ("TLSA", "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971"),
    ("SSHFP", "2 1 123456789abcdef67890123456789abcdef67890"),
    ("DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"),
    ("HTTPS", "1 . alpn=h2 port=53 ipv4hint=192.0.2.1"),
    ("SVCB", "16 foo.example.com. port=53"),
    ("CERT", "PKIX 1 8 AAAA"),
    ("OPENPGPKEY", "AAAA"),
];

#[test]
fn ours_equals_hickory_where_both_read() {
    for (rtype, data) in ALIKE {
        let ours = ours(rtype, data).unwrap_or_else(|fault| panic!("{rtype}: {fault}"));
        match theirs(rtype, data) {
            Some(theirs) => assert_eq!(ours, theirs, "{rtype} {data}"),
            None => println!("hickory does not read {rtype} {data}"),
        }
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let hex: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let text = std::str::from_utf8(&hex).unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Types that hickory does not read, with their octets.
const KNOWN: &[(&str, &str, &str)] = &[
    ("DNAME", "New.test.", "034e6577 0474657374 00"),
    ("MINFO", "A.test. b.test.", "0141047465737400 0162047465737400"),
    // RFC 4034 section 4.3, and 3.3 without its key.
    (
        "NSEC",
        "host.example.com. A MX RRSIG NSEC TYPE1234",
        "04686f7374076578616d706c6503636f6d00 0006400100000003 041b 000000000000000000000000000000000000000000000000000020",
    ),
    (
        "RRSIG",
        "A 5 3 86400 20030322173103 20030220173103 2642 example.com. AAAA",
        "0001 05 03 00015180 3e7c9dd7 3e5510d7 0a52 076578616d706c6503636f6d00 000000",
    ),
    (
        "NSEC3",
        "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY",
        "01 01 000c 04aabbccdd 14 174eb2409fe28bcb4887a1836f957f0a8425e27b 0007 00010000000080",
    ),
    ("NSEC3PARAM", "1 0 12 -", "01 00 000c 00"),
    ("DNSKEY", "256 3 RSASHA256 AAAA", "0100 03 08 000000"),
    ("CDS", "0 0 0 00", "0000 00 00 00"),
    ("RP", "a.test. .", "0161047465737400 00"),
    ("AFSDB", "1 a.test.", "0001 0161047465737400"),
    ("KX", "1 a.test.", "0001 0161047465737400"),
    ("URI", "10 1 \"ftp://x/\"", "000a 0001 6674703a2f2f782f"),
    ("EUI48", "00-00-5e-00-53-2a", "00005e00532a"),
    ("EUI64", "00-00-5e-ef-10-00-00-2a", "00005eef1000002a"),
    // RFC 3123 section 5.
    ("APL", "1:192.168.32.0/21 !1:192.168.38.0/28", "0001 15 03 c0a820 0001 1c 83 c0a826"),
    ("APL", "2:FF00:0:0:0:0:0:0:0/8", "0002 08 01 ff"),
    // RFC 1876 section 3.
    ("LOC", "42 21 54 N 71 06 18 W -24m 30m", "00 33 16 13 89172dd0 70be15f0 00988d20"),
    ("LOC", "52 22 N 4 E 0", "00 12 16 13 8b3ce400 80dbba00 00989680"),
    // RFC 9460 appendix D.2.
    (
        "SVCB",
        "1 foo.example.com. key667=\"hello\\210qoo\"",
        "0001 03666f6f076578616d706c6503636f6d00 029b 0009 68656c6c6fd2716f6f",
    ),
    (
        "SVCB",
        "1 foo.example.com. ipv6hint=\"2001:db8::1,2001:db8::53:1\"",
        "0001 03666f6f076578616d706c6503636f6d00 0006 0020 20010db8000000000000000000000001 20010db8000000000000000000530001",
    ),
    (
        "SVCB",
        "16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
        "0010 03666f6f076578616d706c65036f726700 0000 0004 00010004 0001 0009 026832 0568332d3139 0004 0004 c0000201",
    ),
    (
        "SVCB",
        r#"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
        "0010 03666f6f076578616d706c65036f726700 0001 000c 08665c6f6f2c626172 026832",
    ),
    (
        "SVCB",
        r"16 foo.example.org. alpn=f\\\092oo\092,bar,h2",
        "0010 03666f6f076578616d706c65036f726700 0001 000c 08665c6f6f2c626172 026832",
    ),
    ("CERT", "PGP 0 0 AAAA", "0003 0000 00 000000"),
    ("SMIMEA", "3 0 0 ab cd", "03 00 00 abcd"),
];

#[test]
fn types_with_known_octets() {
    for (rtype, data, hex) in KNOWN {
        assert_eq!(ours(rtype, data), Ok(octets(hex)), "{rtype} {data}");
        // The same octets in the form of RFC 3597 pass the check of their type.
        let hex: String = hex.split_whitespace().collect();
        let generic = format!("\\# {} {hex}", hex.len() / 2);
        assert_eq!(ours(rtype, &generic), Ok(octets(&hex)), "{rtype} {generic}");
    }
}

#[test]
fn bad_data_is_refused() {
    for (rtype, data) in [
        ("A", "1.2.3"),
        ("A", "1.2.3.4.5"),
        ("A", "01.2.3.4"),
        ("AAAA", "1.2.3.4"),
        ("AAAA", "fe80::1%eth0"),
        ("TXT", ""),
        ("DS", "1 8 2"),
        ("DS", "1 8 2 abc"),
        ("DNSKEY", "256 3 8 A==="),
        ("SVCB", "1 . mandatory=port"),
        ("SVCB", "1 . mandatory=mandatory"),
        ("SVCB", "1 . no-default-alpn"),
        ("SVCB", "1 . port=65536"),
        ("SVCB", "1 . alpn=,h2"),
        ("SVCB", "1 . foo=bar"),
        ("SVCB", "1 . ipv4hint="),
        ("LOC", "91 N 4 E 0m"),
        ("LOC", "52 60 N 4 E 0m"),
        ("LOC", "52 N 4 E"),
        ("APL", "1:192.0.2.0/33"),
        ("APL", "2:192.0.2.0/24"),
        ("EUI48", "00-00-5e-00-53"),
        ("NSEC3PARAM", "1 0 12 abc"),
        ("RRSIG", "A 5 3 86400 20031322173103 20030220173103 2642 example.com. AAAA"),
        ("NSEC", "\\# 4 00000000"),
        ("SVCB", "\\# 7 00010000030002"),
        ("MX", "\\# 3 000a01"),
        ("CAA", "\\# 2 0000"),
    ] {
        assert!(ours(rtype, data).is_err(), "{rtype} {data}");
    }
}
