//! Clients by view and by access list: who gets which rules and zones, what is shared of what is kept, and who is
//! told off by which list.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use common::message::*;
use common::{Dnsfwd, Message, Net, Parsed, Scripted, Setup, Udp, parse, reply};

/// A client of the view under test, one of another, and one that no view is for.
const VPN: Ipv4Addr = Ipv4Addr::new(127, 200, 0, 5);
const LAB: Ipv4Addr = Ipv4Addr::new(127, 201, 0, 5);
const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);

fn ask_from(client: Ipv4Addr, server: SocketAddr, qname: &str) -> Parsed {
    let query = Message::query(qname, A).edns(1232);
    let reply = Udp::from(IpAddr::V4(client), server).ask(&query.bytes());
    parse(&reply.unwrap_or_else(|| panic!("no answer to {client} asking {qname}")))
}

fn lookup(dns: &Dnsfwd, client: Ipv4Addr, qname: &str) -> Vec<String> {
    ask_from(client, dns.address, qname).addresses()
}

/// The text of the Extended DNS Error of a reply that must be REFUSED.
fn refusal(server: SocketAddr, client: Ipv4Addr, qname: &str) -> String {
    let reply = ask_from(client, server, qname);
    assert_eq!(reply.rcode(), 5, "{client} asking {qname}");
    let (code, text) = reply.errors().remove(0);
    assert!(text.is_empty() || code == 18 || code == 20, "{code} {text}");
    text
}

/// Targets that tell themselves apart by their answers, 192.0.2.<n>, each behind an endpoint e<n>.
fn targets(net: &Net, setup: Setup, count: u8) -> (Setup, Vec<Scripted>) {
    let targets: Vec<Scripted> =
        (0..count).map(|number| Scripted::with_address(net.at(10 + number), [192, 0, 2, number])).collect();
    let with = |setup: Setup, (number, target): (usize, &Scripted)| {
        setup.endpoint(&format!("e{number}"), &[target.address])
    };
    (targets.iter().enumerate().fold(setup, with), targets)
}

fn view(name: &str, clients: &str, more: &str, rules: &[(&str, &str)]) -> String {
    let rule = |(domain, endpoint): &(&str, &str)| {
        format!("[[view.rule]]\ndomain = \"{domain}\"\nendpoint = \"{endpoint}\"\n")
    };
    let rules: String = rules.iter().map(rule).collect();
    format!("[[view]]\nname = \"{name}\"\nclients = [\"{clients}\"]\n{more}\n{rules}")
}

#[test]
fn the_first_view_that_fits_lays_its_rules_over_the_general_ones() {
    let net = Net::new();
    let (setup, _targets) = targets(&net, Setup::new(&net), 5);
    let dns = setup
        .rule(".", "e0")
        .rule("corp.example", "e1")
        .rule("eu.corp.example", "e2")
        .zone(
            &net,
            "zone.example",
            "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.90\n",
        )
        .body(&view("vpn", "127.200.0.0/16", "", &[("corp.example", "e3"), ("zone.example", "e3")]))
        .body(&view("lab", "127.200.0.0/15", "inherit = false", &[("corp.example", "e4")]))
        .start(&net);
    for (client, qname, address) in [
        (HOME, "www.corp.example", 1),
        (HOME, "www.eu.corp.example", 2),
        (HOME, "www.zone.example", 90),
        (VPN, "www.corp.example", 3),
        // The general rule is the more specific one.
        (VPN, "www.eu.corp.example", 2),
        // At one name the view's rule comes before the general zone.
        (VPN, "www.zone.example", 3),
        (VPN, "elsewhere.example", 0),
        (LAB, "www.corp.example", 4),
        (LAB, "www.eu.corp.example", 4),
    ] {
        assert_eq!(lookup(&dns, client, qname), [format!("192.0.2.{address}")], "{client} {qname}");
    }
    assert_eq!(refusal(dns.address, LAB, "elsewhere.example"), "no zone and no rule covers this name");
    // A view that stands alone does not ask the world for private names.
    assert_eq!(ask_from(LAB, dns.address, "1.0.0.10.in-addr.arpa").rcode(), 3);

    let explained = dns.command(&["explain", "www.corp.example", "--client", &VPN.to_string()]).all();
    assert!(explained.contains("vpn, the first whose clients fit, by 127.200.0.0/16"), "{explained}");
    assert!(explained.contains("of view vpn"), "{explained}");
    let status = dns.json(&["status"]);
    let queries: Vec<u64> =
        status["views"].as_array().unwrap().iter().map(|view| view["queries"].as_u64().unwrap()).collect();
    assert_eq!(queries, [4, 4]);
    let metrics = dns.get("/metrics").1;
    assert!(metrics.contains("dnsfwd_view_queries_total{view=\"lab\"} 4"), "{metrics}");
    assert!(metrics.contains("dnsfwd_view_queries_total{view=\"(general)\"}"), "{metrics}");
}

#[test]
fn what_is_kept_is_shared_where_the_rule_is_equal() {
    let net = Net::new();
    let (setup, targets) = targets(&net, Setup::new(&net), 2);
    let dns = setup
        .rule("corp.example", "e0")
        .rule("other.example", "e0")
        .body(&view("vpn", "127.200.0.0/16", "", &[("other.example", "e1"), ("lab.example", "e1")]))
        .body(&view("lab", "127.201.0.0/16", "cache = \"own\"", &[("lab.example", "e1")]))
        .body(&view("alone", "127.202.0.0/16", "inherit = false", &[("lab.example", "e1")]))
        .start(&net);
    let all = [HOME, VPN, LAB, Ipv4Addr::new(127, 202, 0, 1)];
    for _ in 0..3 {
        for client in all {
            for qname in ["a.corp.example", "a.other.example", "a.lab.example"] {
                ask_from(client, dns.address, qname);
            }
        }
    }
    // One for everybody who inherits the rule, and one for the view that shares nothing.
    assert_eq!((targets[0].count("a.corp.example"), targets[1].count("a.corp.example")), (2, 0));
    // One for each of two rules, side by side; the second of the general one is `lab`'s.
    assert_eq!((targets[0].count("a.other.example"), targets[1].count("a.other.example")), (2, 1));
    // Equal rules of two views share; a third view shares nothing.
    assert_eq!((targets[0].count("a.lab.example"), targets[1].count("a.lab.example")), (0, 2));
    assert_eq!(lookup(&dns, HOME, "a.other.example"), ["192.0.2.0"]);
    assert_eq!(lookup(&dns, VPN, "a.other.example"), ["192.0.2.1"]);
    assert_eq!(lookup(&dns, LAB, "a.other.example"), ["192.0.2.0"]);
}

#[test]
fn cnames_are_followed_within_the_view() {
    let net = Net::new();
    let alias = |seen: &common::Seen| {
        let cname = record(&pointer(12), CNAME, IN, 300, &name("www.site.example"));
        reply(&seen.reply().answer(cname))
    };
    let target = Scripted::start(net.at(20), alias);
    let (setup, targets) = targets(&net, Setup::new(&net), 3);
    let dns = setup
        .endpoint("alias", &[target.address])
        .rule("corp.example", "alias")
        .rule("site.example", "e0")
        .body(&view("vpn", "127.200.0.0/16", "", &[("site.example", "e1")]))
        .body(&view("lab", "127.201.0.0/16", "inherit = false", &[("corp.example", "alias")]))
        .start(&net);
    for _ in 0..2 {
        assert_eq!(lookup(&dns, HOME, "web.corp.example"), ["192.0.2.0"]);
        assert_eq!(lookup(&dns, VPN, "web.corp.example"), ["192.0.2.1"]);
        // Nobody speaks for the alias's name here: the client gets what there is.
        assert_eq!(lookup(&dns, LAB, "web.corp.example"), Vec::<String>::new());
    }
    assert_eq!(target.count("web.corp.example"), 1, "all three ask the same of the same target");
    assert_eq!((targets[0].count("www.site.example"), targets[1].count("www.site.example")), (1, 1));
}

#[test]
fn a_reload_keeps_what_unchanged_rules_of_views_have_made() {
    let net = Net::new();
    let (setup, targets) = targets(&net, Setup::new(&net), 3);
    let setup = setup.rule("corp.example", "e0");
    let with = |changed: &str, more: &str| {
        let rules = [("corp.example", "e1"), ("changed.example", changed)];
        setup.clone().body(&view("vpn", "127.200.0.0/16", more, &rules))
    };
    let dns = with("e1", "").start(&net);
    let ask_all = || {
        for (client, qname) in [(HOME, "a.corp.example"), (VPN, "a.corp.example"), (VPN, "a.changed.example")]
        {
            ask_from(client, dns.address, qname);
        }
    };
    let counts = || {
        let count = |target: &Scripted| (target.count("a.corp.example"), target.count("a.changed.example"));
        targets.iter().map(count).collect::<Vec<_>>()
    };
    ask_all();
    assert_eq!(counts(), [(1, 0), (1, 1), (0, 0)]);
    dns.write(&net, &with("e2", ""));
    let reloaded = dns.command(&["reload"]).all();
    assert!(reloaded.contains("changed.example of view vpn"), "{reloaded}");
    ask_all();
    assert_eq!(counts(), [(1, 0), (1, 1), (0, 1)]);
    // A view that shares nothing any more begins anew.
    dns.write(&net, &with("e2", "cache = \"own\""));
    dns.command(&["reload"]);
    ask_all();
    assert_eq!(counts(), [(1, 0), (2, 1), (0, 2)]);
    // And goes on over a reload that leaves it as it is.
    dns.write(&net, &with("e2", "cache = \"own\"").rule("new.example", "e0"));
    dns.command(&["reload"]);
    ask_all();
    assert_eq!(counts(), [(1, 0), (2, 1), (0, 2)]);
}

#[test]
fn each_access_list_says_who_it_is() {
    let net = Net::new();
    let (setup, targets) = targets(&net, Setup::new(&net), 1);
    let other: SocketAddr = net.at(54);
    let zone = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.90\nout CNAME a.corp.example.\n";
    net.write("open.zone", zone);
    let dns = setup
        .server("allow = [\"!127.9.0.0/16\", \"127.0.0.0/8\"]")
        .body(&format!("[[listener]]\naddress = \"{other}\"\nallow = [\"vpn\"]"))
        .body("[[acl]]\nname = \"vpn\"\nclients = [\"127.200.0.0/16\"]")
        .body(&format!(
            "[[zone]]\nname = \"open.example\"\nfile = \"{}\"\nallow = [\"any\"]",
            net.folder().join("open.zone").display()
        ))
        .rule("corp.example", "e0")
        .rule_with("secret.example", "e0", "allow = [\"vpn\"]")
        .body(&view("lab", "127.201.0.0/16", "allow = [\"127.201.0.1\"]", &[("lab.example", "e0")]))
        .start(&net);
    let stranger = Ipv4Addr::new(127, 9, 0, 1);
    let at = dns.address;
    assert_eq!(refusal(at, stranger, "a.corp.example"), "this client is not in [server] allow");
    assert_eq!(
        refusal(at, HOME, "a.secret.example"),
        "this client is not in allow of [[rule]] secret.example"
    );
    assert_eq!(refusal(at, LAB, "a.corp.example"), "this client is not in allow of [[view]] lab");
    let listener = format!("this client is not in allow of [[listener]] {other}");
    assert_eq!(refusal(other, HOME, "a.corp.example"), listener);
    assert_eq!(targets[0].seen().len(), 0, "nobody was asked");
    assert_eq!(lookup(&dns, VPN, "a.secret.example"), ["192.0.2.0"]);
    assert_eq!(ask_from(VPN, other, "a.corp.example").addresses(), ["192.0.2.0"]);
    assert_eq!(lookup(&dns, Ipv4Addr::new(127, 201, 0, 1), "a.lab.example"), ["192.0.2.0"]);
    // A zone for all is for those too whom the server's list keeps out; where its CNAME leads is not.
    assert_eq!(lookup(&dns, stranger, "www.open.example"), ["192.0.2.90"]);
    assert_eq!(lookup(&dns, HOME, "out.open.example"), ["192.0.2.0"]);
    assert_eq!(lookup(&dns, stranger, "out.open.example"), Vec::<String>::new());
    let explained = dns.command(&["explain", "a.secret.example", "--client", "127.0.0.1"]).all();
    assert!(explained.contains("allow of [[rule]] secret.example"), "{explained}");
}

/// A client that may ask at one listener and not at another: `explain` says which, in the words that it gets.
#[test]
fn explain_says_which_listener_refuses_whom() {
    let net = Net::new();
    let (setup, _targets) = targets(&net, Setup::new(&net), 1);
    let other: SocketAddr = net.at(54);
    let dns = setup
        .server("allow = [\"127.0.0.0/8\"]")
        .body(&format!("[[listener]]\naddress = \"{other}\"\nallow = [\"127.200.0.0/16\", \"127.9.0.0/16\"]"))
        .rule("corp.example", "e0")
        .rule_with("open.example", "e0", "allow = [\"any\"]")
        .start(&net);
    let at = dns.address;
    let explained = |client: Ipv4Addr, name: &str, more: &[&str]| {
        dns.json(&[&["explain", name, "--client", &client.to_string()], more].concat())
    };
    let summary = |client, more: &[&str]| {
        explained(client, "a.corp.example", more)["summary"].as_str().unwrap().to_owned()
    };
    let refused = refusal(other, HOME, "a.corp.example");
    assert_eq!(lookup(&dns, HOME, "a.corp.example"), ["192.0.2.0"]);
    let here = summary(HOME, &[]);
    assert!(here.ends_with(&format!("; REFUSED at {other}: {refused}")), "{here}");
    let there = summary(HOME, &["--listener", &other.to_string()]);
    assert_eq!(there, format!("a.corp.example is REFUSED: {refused}"));
    for (client, more) in [(HOME, &["--listener", &at.to_string()][..]), (VPN, &[])] {
        assert!(!summary(client, more).contains("REFUSED"), "{}", summary(client, more));
    }
    let listeners = |client, name| explained(client, name, &[])["listeners"].as_array().unwrap().clone();
    let rows: Vec<String> =
        listeners(VPN, "a.corp.example").iter().map(|row| row["network"].to_string()).collect();
    assert_eq!(rows, ["\"127.0.0.0/8\"", "\"127.200.0.0/16\""]);
    assert!(listeners(HOME, "a.open.example").is_empty(), "a rule's own list is the same everywhere");

    let page = dns.command(&["explain", "a.corp.example", "--client", &HOME.to_string()]).stdout;
    assert!(page.contains(&format!("{at}  allowed by 127.0.0.0/8\n")), "{page}");
    assert!(
        page.contains(&format!("{other}  refused: nothing in allow of [[listener]] {other} fits")),
        "{page}"
    );
    // The files alone say the same.
    let files = explained(HOME, "a.corp.example", &["--offline", "--listener", &other.to_string()]);
    assert_eq!(files["summary"], there);
    for more in [&["--listener", "192.0.2.1:53"][..], &["--listener", "192.0.2.1", "--offline"]] {
        let unknown = dns.command(&[&["explain", "a.corp.example"], more].concat());
        assert_eq!(unknown.code, 2, "{}", unknown.all());
        let words = format!("no listener is at 192.0.2.1:53; there is {at}, {other}");
        assert!(unknown.all().contains(&words), "{}", unknown.all());
    }
}

/// One address, two views: the key of a question decides (RFC 8945), and a wrong one gets no answer at all.
#[test]
fn a_key_chooses_the_view() {
    const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    const OTHER: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";
    let net = Net::new();
    let (setup, _targets) = targets(&net, Setup::new(&net), 2);
    let key = format!("[[key]]\nname = \"vpn\"\nsecret = \"{SECRET}\"\n");
    let dns = setup
        .rule("corp.example", "e0")
        .body(&key)
        .body(&view("vpn", "key:vpn", "", &[("corp.example", "e1")]))
        .start(&net);
    let says = |arguments: &str| common::dig(dns.address, arguments).text;
    assert!(says("www.corp.example +noall +answer").contains("192.0.2.0"));
    let signed = says(&format!("-y hmac-sha256:vpn:{SECRET} www.corp.example"));
    assert!(signed.contains("192.0.2.1") && signed.contains("TSIG"), "{signed}");
    let forged = says(&format!("-y hmac-sha256:vpn:{OTHER} www.corp.example"));
    assert!(forged.contains("status: NOTAUTH") && !forged.contains("192.0.2."), "{forged}");
}
