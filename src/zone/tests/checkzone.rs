//! BIND's named-checkzone and we accept and refuse the same small files, where it is installed.

use std::io::Write;
use std::process::Command;

use super::*;

const CHECKZONE: &str = "/usr/bin/named-checkzone";

fn bind_accepts(text: &str) -> bool {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    // `-i local` leaves the network alone.
    let checked =
        Command::new(CHECKZONE).args(["-i", "local", "-k", "ignore", "example"]).arg(file.path()).output();
    checked.unwrap().status.success()
}

const ACCEPTED: &[&str] = &[
    "",
    "www A 192.0.2.1\n",
    "www IN 1h30m A 192.0.2.1\n\tAAAA ::1\n",
    "t TXT ( \"a;b\" ; c\n \"d\" )\n",
    "$ORIGIN sub\n@ TXT x\n",
    "$GENERATE 1-10/3 h${0,3,d} A 192.0.2.$\n$GENERATE 1-2 $.r PTR ${0,4,n}a.\n",
    "a TYPE65280 \\# 3 abcdef\nb A \\# 4 c0000201\n",
    "d DNAME e\nc CNAME d\n",
    "child NS ns.child\nns.child A 192.0.2.1\nchild DS 1 8 2 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971\n",
    "@ CAA 0 issue \"ca.test\"\n@ MX 10 ns1\n_s._tcp SRV 0 0 1 ns1\n",
    "h HTTPS 1 . alpn=\"h2,h3\" port=8443\n",
    "l LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m\n",
    "*.w A 192.0.2.1\n",
    "n NAPTR 1 1 \"u\" \"E2U+sip\" \"!^.*$!sip:x@y!\" .\n",
];

/// BIND takes data below a DNAME, and TTLs beyond RFC 2181's as 0, with a warning: we refuse both.
const REFUSED: &[&str] = &[
    "www A 192.0.2\n",
    "www AA 192.0.2.1\n",
    "www CH A 192.0.2.1\n",
    "www A 192.0.2.1\nwww CNAME ns1\n",
    "@ SOA ns1 h 8 1 1 1 1\n",
    "www TXT \"a\n",
    "www A ( 192.0.2.1\n",
    "www A 192.0.2.1 )\n",
    "$INCLUDE /nowhere/at/all\n",
    "$FOO\n",
    "a..b A 192.0.2.1\n",
    "a CNAME b\na CNAME c\n",
    "a TYPE65280 \\# 3 abcd\n",
    "h HTTPS 1 . mandatory=port\n",
    "www 1h30 A 192.0.2.1\n",
    "a MX 65536 ns1\n",
];

#[test]
fn bind_judges_the_same() {
    if !Path::new(CHECKZONE).exists() {
        println!("no {CHECKZONE} here");
        return;
    }
    let mut differ = Vec::new();
    for (list, expected) in [(ACCEPTED, true), (REFUSED, false)] {
        for more in list {
            let text = format!("{HEAD}{more}");
            let (ours, theirs) = (parse(&text).zone.is_some(), bind_accepts(&text));
            if (ours, theirs) != (expected, expected) {
                differ.push(format!("{more:?}: expected {expected}, ours {ours}, BIND {theirs}"));
            }
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
}
