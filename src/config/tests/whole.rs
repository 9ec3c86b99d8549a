//! Sound configurations: what each key gives.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::{Algorithm, Expect, Freshness, LogFormat, LogLevel, Probe, RuleAction, defaults, load};
use super::{Folder, codes, file_of, load_with, machine, sound};
use crate::wire::name::Name;
use crate::wire::rdata::rtype;

const PUBLIC: &str = "[[endpoint]]\nname = \"public\"\ntargets = [{ address = \"192.0.2.1\" }]\n";

#[test]
fn a_version_alone_is_enough() {
    let config = sound("version = 1\n");
    assert_eq!(config.server, defaults().server);
    assert!(config.rules.is_empty() && config.endpoints.is_empty() && config.zones.is_empty());
    assert_eq!(config.hash.len(), 16);
    assert_eq!(config.hash, sound("version = 1\n").hash);
    assert_ne!(config.hash, sound("version  = 1\n").hash);
}

#[test]
fn access_lists_and_keys() {
    let config = sound(
        "version = 1
        [server]
        allow = ['! 10.9.0.0/16', 'corp', 'localhost', '!localnets', 'key:Dhcp.', '2001:db8::1']
        [[acl]]
        name = 'corp'
        clients = ['10.0.0.0/8', 'vpn']
        [[acl]]
        name = 'vpn'
        clients = ['172.16.0.0/12']
        [[key]]
        name = 'dhcp'
        secret = 'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE='
        ",
    );
    let allow = &config.server.allow;
    assert_eq!(allow.to_string(), "!10.9.0.0/16, corp, localhost, !localnets, key:dhcp, 2001:db8::1");
    for (client, key, allowed) in [
        ("10.9.0.1", None, false),
        ("10.8.0.1", None, true),
        ("172.31.0.1", None, true),
        ("127.0.0.1", None, true),
        ("127.0.0.2", None, false),
        ("192.0.2.7", None, true),
        ("192.0.2.8", Some(0), false),
        ("192.0.3.1", Some(0), true),
        ("192.0.3.1", None, false),
    ] {
        assert_eq!(allow.allows_with(client.parse().unwrap(), key), allowed, "{client} {key:?}");
    }
    let names: Vec<&str> = config.acls.iter().map(|acl| acl.name.as_str()).collect();
    assert_eq!(names, ["corp", "vpn"]);
    let key = &config.keys[0];
    assert_eq!((key.name.to_string().as_str(), key.algorithm), ("dhcp", Algorithm::HmacSha256));
    assert_eq!(key.secret.as_bytes(), b"01234567890123456789012345678901");
    assert!(!format!("{config:?}").contains("MDEy"), "a secret is never shown");
}

#[test]
fn every_value_is_taken() {
    let config = sound(
        "version = 1
        [server]
        listen = ['127.0.0.1:5353', '[::1]:5353', '10.0.0.1', '2001:db8::1', '[2001:db8::2]']
        workers = 0x3
        az = 'ap-northeast-2a'
        allow = ['192.0.2.0/24']
        max_udp_size = 4096
        tcp_connections = 2
        tcp_connections_per_client = 1
        tcp_idle_timeout = '1m30s'
        client_rate = 300
        [cache]
        size = '0B'
        min_ttl = '5s'
        max_ttl = '7d'
        max_negative_ttl = '0s'
        serve_stale = false
        stale_ttl = '10s'
        max_stale = '2d'
        stale_after = '0s'
        prefetch = false
        [control]
        socket = '/tmp/x.sock'
        [metrics]
        listen = 'off'
        [log]
        level = 'trace'
        format = 'json'",
    );
    let listen: Vec<String> = config.server.listen.iter().map(ToString::to_string).collect();
    assert_eq!(
        listen,
        ["127.0.0.1:5353", "[::1]:5353", "10.0.0.1:53", "[2001:db8::1]:53", "[2001:db8::2]:53"]
    );
    assert_eq!((config.server.workers, config.server.az.as_deref()), (3, Some("ap-northeast-2a")));
    assert_eq!(config.server.tcp_idle_timeout, Duration::from_secs(90));
    assert_eq!(
        (config.cache.size_bytes, config.cache.min_ttl_secs, config.cache.max_ttl_secs),
        (0, 5, 604_800)
    );
    assert_eq!(config.control.socket.to_str(), Some("/tmp/x.sock"));
    assert_eq!(config.metrics.listen, None);
    assert_eq!(config.server.client_rate, 300);
    let freshness = Freshness {
        serve_stale: false,
        stale_ttl_secs: 10,
        max_stale_secs: 172_800,
        stale_after: Some(Duration::ZERO),
        prefetch: false,
    };
    assert_eq!((config.cache.freshness, config.freshness), (freshness, vec![freshness]));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Trace, LogFormat::Json));
}

#[test]
fn rules_have_a_place_for_each_domain() {
    let config = sound(&format!(
        "version = 1\n{PUBLIC}[[rule]]\ndomains = ['b.example', 'A.example.']\nreverse = ['10.4.0.0/15']\n\
         endpoint = 'public'\nfollow_cname = false\n"
    ));
    let rules: Vec<(String, u32, u32)> = config
        .rules
        .iter()
        .map(|rule| (rule.name().to_string(), rule.place.line, rule.place.column))
        .collect();
    let rule = |domain: &str, line, column| (domain.to_owned(), line, column);
    assert_eq!(
        rules,
        [
            rule("b.example", 6, 12),
            rule("a.example", 6, 25),
            rule("4.10.in-addr.arpa", 7, 12),
            rule("5.10.in-addr.arpa", 7, 12),
        ]
    );
    assert!(config.rules.iter().all(|rule| !rule.follow_cname));
}

/// A rule's keys stand over those of the cache, wherever those are written; many rules share one entry.
#[test]
fn rules_have_their_own_freshness() {
    let rule = |name: &str, keys: &str| {
        format!("[[rule]]\ndomain = '{name}.example'\nendpoint = 'public'\n{keys}\n")
    };
    let text = format!(
        "version = 1\n{}{}{}{}{PUBLIC}[cache]\nmax_stale = '2d'\n",
        rule("a", ""),
        rule("b", "stale_after = '1s'\nprefetch = false"),
        rule("c", "prefetch = false\nstale_after = '1s'"),
        rule("d", "serve_stale = false\nstale_ttl = '1m'\nmax_stale = '1h'\nstale_after = 'off'"),
    );
    let config = sound(&text);
    let common = Freshness { max_stale_secs: 172_800, ..defaults().cache.freshness };
    let own = [
        common,
        Freshness { stale_after: Some(Duration::from_secs(1)), prefetch: false, ..common },
        Freshness {
            serve_stale: false,
            stale_ttl_secs: 60,
            max_stale_secs: 3600,
            stale_after: None,
            ..common
        },
    ];
    assert_eq!(config.freshness, own);
    assert_eq!(config.rules.iter().map(|rule| rule.freshness).collect::<Vec<_>>(), [0, 1, 1, 2]);
}

#[test]
fn targets_have_tiers_and_rates() {
    let config = sound(
        "version = 1
        [[endpoint]]
        name = 'a'
        rate = 'route53-endpoint'
        targets = [
          { address = '192.0.2.1' },
          { address = '192.0.2.2', tier = 9, rate = 'vpc-resolver' },
          { address = '192.0.2.3', rate = 0 },
          { address = '192.0.2.4', rate = 7 },
        ]
        [[endpoint]]
        name = 'b'
        targets = [{ address = '192.0.2.1' }]",
    );
    let said = |endpoint: usize| {
        let targets = config.endpoints[endpoint].targets.iter();
        targets.map(|target| (target.tier, target.rate)).collect::<Vec<_>>()
    };
    assert_eq!(said(0), [(0, Some(10_000)), (9, Some(1_024)), (0, None), (0, Some(7))]);
    assert_eq!(said(1), [(0, None)]);
}

#[test]
fn a_target_may_be_a_name() {
    let config = sound(
        "version = 1
        [server]
        bootstrap = ['192.0.2.53', '[2001:db8::53]:5353']
        [[endpoint]]
        name = 'a'
        targets = [{ address = 'Resolver.Example.com.' }, { address = 'ns_1.example.com:5300', tier = 2 }]",
    );
    let written: Vec<String> =
        config.endpoints[0].targets.iter().map(|target| target.address.to_string()).collect();
    assert_eq!(written, ["resolver.example.com:53", "ns_1.example.com:5300"]);
    assert_eq!(config.endpoints[0].names().count(), 2);
    let bootstrap: Vec<String> = config.server.bootstrap.iter().map(ToString::to_string).collect();
    assert_eq!(bootstrap, ["192.0.2.53:53", "[2001:db8::53]:5353"]);
}

#[test]
fn probes_ask_for_what_is_expected() {
    let probe = |written: &str| {
        let text = format!("version = 1\n{PUBLIC}probe = {{ name = 'h.example'{written} }}\n");
        let Probe { name, rtype, expect } = sound(&text).endpoints.remove(0).probe.unwrap();
        assert_eq!(name, Name::parse("h.example").unwrap());
        (rtype, expect)
    };
    assert_eq!(probe(""), (rtype::A, Expect::Answer));
    assert_eq!(probe(", type = 'soa', expect = 'nxdomain'"), (rtype::SOA, Expect::Rcode(3)));
    assert_eq!(probe(", type = 'TYPE65', expect = 'NoError'"), (65, Expect::Rcode(0)));
    assert_eq!(probe(", expect = 'rcode12'"), (rtype::A, Expect::Rcode(12)));
    let (v4, v6) = (IpAddr::from([192, 0, 2, 7]), "2001:db8::7".parse().unwrap());
    assert_eq!(probe(", expect = '192.0.2.7'"), (rtype::A, Expect::Address(v4)));
    assert_eq!(probe(", expect = '2001:db8::7'"), (rtype::AAAA, Expect::Address(v6)));
    assert_eq!(sound(&format!("version = 1\n{PUBLIC}")).endpoints[0].probe, None);
}

#[test]
fn the_smaller_of_two_networks_wins_its_reverse_names() {
    let written = |first: &str, second: &str| {
        let rule = |network: &str, endpoint: &str| {
            format!("[[rule]]\nreverse = ['{network}']\nendpoint = '{endpoint}'\n")
        };
        let other = PUBLIC.replace("public", "other");
        format!("version = 1\n{PUBLIC}{other}{}{}", rule(first, "public"), rule(second, "other"))
    };
    for (first, second, narrow) in [
        ("172.16.0.0/12", "172.20.0.0/16", 1),
        ("172.20.0.0/16", "172.16.0.0/12", 0),
        ("10.0.0.0/9", "10.1.0.0/16", 1),
    ] {
        let config = sound(&written(first, second));
        let domain = if first.starts_with("10") { "1.10.in-addr.arpa" } else { "20.172.in-addr.arpa" };
        let rule = config.rules.iter().find(|rule| rule.name().to_string() == domain).unwrap();
        assert_eq!(rule.action, RuleAction::Forward { endpoint: narrow }, "{first} {second}");
    }
    assert!(codes(&written("172.16.0.0/12", "172.16.0.0/12")).contains(&"duplicate-domain".to_owned()));
}

#[test]
fn system_rules_ask_the_machines_nameservers() {
    let config = sound("version = 1\n[[rule]]\ndomain = 'a.example'\ntype = 'SYSTEM'\n");
    let endpoint = &config.endpoints[config.server.system.unwrap()];
    assert_eq!(endpoint.name, "resolv.conf");
    assert_eq!(endpoint.targets[0].address.to_string(), "192.0.2.53:53");
    assert_eq!(sound("version = 1\n").endpoints.len(), 0);
}

#[test]
fn our_own_listener_is_no_nameserver() {
    let rule = "[[rule]]\ndomain = 'a.example'\ntype = 'SYSTEM'\n";
    let folder = Folder::new(&[("dnsfwd.toml", &format!("version = 1\n{rule}"))]);
    let with = |nameservers: &[[u8; 4]]| {
        let addresses = || nameservers.iter().map(|&octets| IpAddr::from(octets)).collect();
        load_with(&folder.path(), machine(&addresses))
    };
    for nameservers in [&[] as &[[u8; 4]], &[[127, 0, 0, 1], [127, 0, 0, 53]]] {
        let loaded = with(nameservers);
        let faults: Vec<(&str, usize)> =
            loaded.diagnostics.iter().map(|fault| (fault.code.as_str(), fault.line)).collect();
        assert_eq!(faults, [("no-nameserver", 2)]);
    }
    let config = with(&[[127, 0, 0, 1], [192, 0, 2, 1], [192, 0, 2, 1]]).config.unwrap();
    assert_eq!(config.endpoints[0].targets.len(), 1);
}

#[test]
fn byte_order_marks_and_line_ends_of_windows_do_no_harm() {
    let config = sound("\u{feff}version = 1\r\n[[zone]]\r\nname = 'z.example'\r\nfile = '/dev/null'\r\n");
    let place = &config.zones[0].place;
    assert_eq!((place.line, place.column), (4, 8));
}

#[test]
fn a_folder_of_files_is_read_in_order() {
    let folder = Folder::new(&[
        ("dnsfwd.toml", "version = 1\n[server]\nworkers = 3\n"),
        ("conf.d/20-rule.toml", "[[rule]]\ndomain = 'b.example'\nendpoint = 'public'\n"),
        ("conf.d/10-endpoint.toml", &format!("version = 1\n[server]\naz = 'a'\n{PUBLIC}")),
        ("conf.d/30-zone.toml", "[[zone]]\nname = 'z.example'\nfile = 'z.zone'\n"),
        ("conf.d/z.zone", ""),
        ("conf.d/.hidden.toml", "not toml"),
        ("conf.d/notes.txt", "not toml"),
    ]);
    let config = folder.load().config.unwrap();
    let names: Vec<&str> =
        config.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["dnsfwd.toml", "10-endpoint.toml", "20-rule.toml", "30-zone.toml"]);
    assert_eq!((config.server.workers, config.server.az.as_deref()), (3, Some("a")));
    assert!(file_of(&config.zones[0]).ends_with("conf.d/z.zone"));
}

#[test]
fn no_input_makes_it_panic() {
    use proptest::prelude::*;
    let words = [
        "[[rule]]",
        "[rule]",
        "[server]",
        "[[server]]",
        "domain",
        "=",
        "\"a.b\"",
        "'",
        "\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "1",
        "é",
        ".",
        "version = 1\n",
        "targets",
        "[[endpoint]]\n",
        "address",
        "rule.x",
        "\u{1b}",
        "#",
        " ",
        "[a.b]\n",
        "[[a]]\n",
        "\"\"\"",
        "\r",
        "\\",
        "reverse = [\"::/1\"]\n",
        "-",
        "1979-05-27",
        "true",
    ];
    let folder = Folder::new(&[]);
    let path = folder.path();
    proptest!(ProptestConfig::with_cases(2_000), |(picks in prop::collection::vec(prop::sample::select(words.to_vec()), 0..24))| {
        std::fs::write(&path, picks.concat()).unwrap();
        let loaded = super::load_from(&path);
        let text = super::render(&loaded.diagnostics, false);
        let escaped = text.contains('\u{1b}');
        prop_assert!(!escaped);
        let errors = super::super::diagnostic::count(&loaded.diagnostics).errors;
        prop_assert_eq!(loaded.config.is_none(), errors > 0);
    });
}

/// 100,000 rules within a second in release; tests run lightly optimised, and beside other tests, so ten are allowed:
/// what is quadratic takes minutes.
#[test]
fn many_rules_load_quickly() {
    let mut text = format!("version = 1\n{PUBLIC}");
    for number in 0..100_000 {
        text.push_str(&format!("[[rule]]\ndomain = \"d{number}.example\"\nendpoint = \"public\"\n"));
    }
    let folder = Folder::new(&[("dnsfwd.toml", &text)]);
    let start = Instant::now();
    let config = load(&folder.path()).config.unwrap();
    let took = start.elapsed();
    assert_eq!(config.rules.len(), 100_000);
    println!("100,000 rules in {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// As one list on one line, where counting columns from the line's start would be quadratic.
#[test]
fn a_long_line_loads_quickly() {
    let domains: Vec<String> = (0..100_000).map(|number| format!("\"d{number}.example\"")).collect();
    let text = format!(
        "version = 1\n# é\n{PUBLIC}[[rule]]\nendpoint = \"public\"\ndomains = [{}]\n",
        domains.join(", ")
    );
    let folder = Folder::new(&[("dnsfwd.toml", &text)]);
    let start = Instant::now();
    let config = load(&folder.path()).config.unwrap();
    let took = start.elapsed();
    assert_eq!(config.rules.len(), 100_000);
    println!("100,000 domains on a line in {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// A thousand rules, and a thousand and one.
#[test]
fn quotas_of_aws_are_told() {
    let with = |rules: usize| {
        let mut text = String::from(
            "version = 1\n[aws]\nregion = \"ap-northeast-2\"\nowner = \"any\"\n[aws.outbound]\nname = \"out\"\n\
             vpc = \"vpc-1\"\naddresses = [{ subnet = \"subnet-1\" }, { subnet = \"subnet-2\" }]\n",
        );
        for rule in 0..rules {
            text.push_str(&format!(
                "[[aws.rule]]\ndomain = \"d{rule}.example\"\ntype = \"FORWARD\"\ntargets = [\"192.0.2.1\"]\n\
                 vpcs = [\"vpc-1\", \"vpc-2\"]\n"
            ));
        }
        codes(&text)
    };
    assert_eq!(with(1000), Vec::<String>::new());
    assert_eq!(with(1001), ["aws-quota", "aws-quota"], "rules and their associations");
}
