//! Zones in exchange with BIND and dig: given out, taken in, told of and changed (RFC 1995, 1996, 2136, 5936, 8945).
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::exchange::{SECRET, WAIT, WRONG, key, named_address, zone};
use common::message::{A, SOA};
use common::process::{Output, run};
use common::{Message, Net, Process, Setup, ask, dig, eventually};

/// Our zone `corp.example` with these keys of its table.
fn primary(net: &Net, content: &str, terms: &str) -> Setup {
    net.write("corp.zone", content);
    let body = format!("{}[[zone]]\nname = \"corp.example\"\nfile = \"corp.zone\"\n{terms}", key(SECRET));
    Setup::new(net).server(&format!("state = \"{}\"", net.folder().join("state").display())).body(&body)
}

fn signing(secret: &str) -> String {
    format!("-y hmac-sha256:xfr:{secret}")
}

/// The lines of a transfer as dig gets it; none if it fails.
fn transfer(server: SocketAddr, arguments: &str) -> Vec<String> {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).arg("-p").arg(server.port().to_string());
    command.args(["+nocookie", "+noall", "+answer", "+time=5", "+tries=1"]);
    command.args(arguments.split_whitespace());
    let output: Output = run(&mut command);
    output
        .stdout
        .lines()
        .filter(|line| !line.starts_with(';') && !line.is_empty())
        .map(str::to_owned)
        .collect()
}

fn serial(server: SocketAddr) -> Option<String> {
    let dug = dig(server, "+norec corp.example SOA");
    dug.data("SOA").first().and_then(|soa| soa.split(' ').nth(2).map(str::to_owned))
}

fn comes_to(server: SocketAddr, wanted: u32) {
    eventually(WAIT, &format!("{server} has serial {wanted}"), || serial(server) == Some(wanted.to_string()));
}

/// BIND with the zone `corp.example` by these statements.
fn bind(net: &Net, zone: &str) -> (Process, SocketAddr) {
    common::exchange::named(net, &format!("zone \"corp.example\" {{ {zone} }};"))
}

/// What nsupdate says of these commands; signed with this secret if there is one.
fn update(server: SocketAddr, secret: Option<&str>, commands: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("commands");
    let text = format!("server {} {}\nzone corp.example\n{commands}\nsend\n", server.ip(), server.port());
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("nsupdate");
    command.args(["-t", "5"]);
    if let Some(secret) = secret {
        command.arg("-y").arg(format!("hmac-sha256:xfr:{secret}"));
    }
    run(command.arg(&file))
}

#[test]
fn nobody_gets_a_zone_by_default() {
    let net = Net::new();
    let dns =
        primary(&net, &zone(1, ""), "notify = [{ address = \"127.0.0.1:9\", key = \"xfr\" }]").start(&net);
    assert!(transfer(dns.address, "corp.example AXFR").is_empty());
    let reply = common::client::ask_tcp(dns.address, &Message::query("corp.example", 252).edns(1232));
    assert_eq!((reply.rcode(), reply.error_codes()), (5, vec![18]));
    let reply = common::client::ask_tcp(dns.address, &Message::query("other.example", 252).edns(1232));
    assert_eq!((reply.rcode(), reply.error_codes()), (5, vec![20]));
}

/// RFC 5936; RFC 8945 with the right secret, a wrong one and none.
#[test]
fn a_zone_of_any_size_goes_to_whom_may_have_it() {
    for hosts in [0, 1, 3_000, 100_000] {
        let net = Net::new();
        let mut more = String::new();
        for host in 0..hosts {
            writeln!(more, "h{host} A 10.{}.{}.{}", host >> 16, host >> 8 & 255, host & 255).unwrap();
        }
        let dns = primary(&net, &zone(1, &more), "allow_transfer = [\"key:xfr\"]").start(&net);
        let signed = transfer(dns.address, &format!("{} corp.example AXFR", signing(SECRET)));
        assert_eq!(signed.len(), hosts + 4, "SOA at both ends");
        assert!(signed[0].contains("SOA") && signed[0] == signed[signed.len() - 1]);
        assert!(transfer(dns.address, &format!("{} corp.example AXFR", signing(WRONG))).is_empty());
        assert!(transfer(dns.address, "corp.example AXFR").is_empty());
        // Questions that are signed get signed answers.
        let dug = dig(dns.address, &format!("{} ns.corp.example A", signing(SECRET)));
        assert_eq!(dug.data("A"), ["192.0.2.1"]);
        assert!(!dug.text.contains("Couldn't verify"), "{}", dug.text);
        let dug = dig(dns.address, &format!("{} ns.corp.example A", signing(WRONG)));
        assert!(dug.text.contains("BADSIG"), "{}", dug.text);
    }
}

/// Other questions of the same connection are answered while a large zone is on its way.
#[test]
fn a_transfer_holds_up_no_question() {
    let net = Net::new();
    let mut more = String::new();
    for host in 0..50_000 {
        writeln!(more, "h{host} TXT \"{}\"", "x".repeat(100)).unwrap();
    }
    let dns = primary(&net, &zone(1, &more), "allow_transfer = [\"127.0.0.0/8\"]").start(&net);
    let mut client = common::client::Tcp::to(dns.address);
    client.send(&Message::query("corp.example", 252).id(1).bytes());
    client.send(&Message::query("ns.corp.example", A).id(2).bytes());
    let (mut before, mut records, mut answered) = (0, 0, false);
    while records < 50_004 {
        let message = client.receive().expect("the transfer goes on");
        let parsed = common::client::parse(&message);
        match message[1] {
            2 => answered = true,
            _ => records += parsed.records().count(),
        }
        before += usize::from(!answered);
    }
    assert!(answered && before < 100, "{before} messages before the answer");
}

/// RFC 1995, and a file that is read when it has changed.
#[test]
fn who_is_behind_gets_what_changed() {
    let net = Net::new();
    let dns =
        primary(&net, &zone(1, "a A 192.0.2.10\nb A 192.0.2.11\n"), "allow_transfer = [\"127.0.0.0/8\"]")
            .start(&net);
    net.write("corp.zone", &zone(2, "a A 192.0.2.10\nc A 192.0.2.12\n"));
    comes_to(dns.address, 2);
    net.write("corp.zone", &zone(3, "a A 192.0.2.10\nc A 192.0.2.12\nd A 192.0.2.13\n"));
    comes_to(dns.address, 3);
    let owners = |arguments: &str| -> Vec<String> {
        let lines = transfer(dns.address, arguments);
        let owner = |line: &String| {
            let mut words = line.split_whitespace();
            let owner = words.next().unwrap().trim_end_matches(".corp.example.").to_owned();
            if line.contains("SOA") { line.split_whitespace().nth(6).unwrap().to_owned() } else { owner }
        };
        lines.iter().map(owner).collect()
    };
    assert_eq!(owners("corp.example IXFR=1"), ["3", "1", "b", "2", "c", "2", "3", "d", "3"]);
    assert_eq!(owners("corp.example IXFR=2"), ["3", "2", "3", "d", "3"]);
    assert_eq!(owners("corp.example IXFR=3"), ["3"]);
    // An unknown version: all of it.
    assert_eq!(owners("corp.example IXFR=77").len(), 1, "newer than ours: the SOA alone");
    assert_eq!(
        owners("+notcp corp.example IXFR=1"),
        ["3", "1", "b", "2", "c", "2", "3", "d", "3"],
        "over UDP"
    );
    // A file with a fault changes nothing and says where.
    net.write("corp.zone", &zone(4, "a A 192.0.2.300\n"));
    eventually(WAIT, "the fault is told", || {
        dns.json(&["status"])["zones"][0]["failure"]["reason"]
            .as_str()
            .is_some_and(|why| why.contains("corp.zone:5"))
    });
    assert_eq!(serial(dns.address).unwrap(), "3");
}

/// BIND fetches from us, hears of changes, and takes what changed.
#[test]
fn bind_is_our_secondary() {
    let net = Net::new();
    // We first: BIND waits for long after a primary that refuses.
    let theirs = named_address(&net);
    let notify =
        format!("allow_transfer = [\"key:xfr\"]\nnotify = [{{ address = \"{theirs}\", key = \"xfr\" }}]");
    let dns = primary(&net, &zone(1, "a A 192.0.2.10\n"), &notify).start(&net);
    let (_bind, theirs) = bind(
        &net,
        &format!(
            "type secondary; file \"corp.copy\"; masterfile-format text; \
             primaries {{ {} port {} key xfr; }}; allow-notify {{ any; }};",
            net.ip(53),
            net.port
        ),
    );
    comes_to(theirs, 1);
    for serial in 2..5 {
        net.write("corp.zone", &zone(serial, &format!("a A 192.0.2.10\nb{serial} A 192.0.2.{serial}\n")));
        comes_to(theirs, serial);
    }
    assert_eq!(dig(theirs, "+norec b4.corp.example A").data("A"), ["192.0.2.4"]);
    assert_eq!(dig(theirs, "+norec b3.corp.example A").status, "NXDOMAIN");
    assert!(dns.json(&["status"])["zones"][0]["counts"]["transfers_out"].as_u64().unwrap() >= 4);
}

/// We fetch from BIND, hear of its changes, and go on without it.
#[test]
fn we_are_binds_secondary() {
    let net = Net::new();
    std::fs::create_dir_all(net.folder().join("bind")).unwrap();
    std::fs::write(net.folder().join("bind/corp.zone"), zone(1, "a A 192.0.2.10\n")).unwrap();
    let (mut bind, theirs) = bind(
        &net,
        &format!(
            "type primary; file \"corp.zone\"; allow-transfer {{ key xfr; }}; allow-update {{ key xfr; }}; \
             also-notify {{ {} port {} key xfr; }};",
            net.ip(53),
            net.port
        ),
    );
    let setup = |secret: &str| {
        Setup::new(&net).server(&format!("state = \"{}\"", net.folder().join("state").display())).body(&format!(
            "[[key]]\nname = \"xfr\"\nsecret = \"{secret}\"\n[[zone]]\nname = \"corp.example\"\n\
             primaries = [{{ address = \"127.0.0.1:9\", key = \"xfr\" }}, {{ address = \"{theirs}\", key = \"xfr\" }}]\n\
             allow_transfer = [\"127.0.0.0/8\"]\n"
        ))
    };
    // With a wrong secret there is nothing, and a reason.
    let dns = setup(WRONG).start(&net);
    eventually(WAIT, "the reason is told", || {
        let status = dns.json(&["status"]);
        status["zones"][0]["failure"]["reason"].as_str().is_some_and(|why| why.contains("BADSIG"))
    });
    let reply = ask(dns.address, &Message::query("a.corp.example", A).edns(1232));
    assert_eq!((reply.rcode(), reply.error_codes()), (2, vec![14]));
    drop(dns);

    let dns = setup(SECRET).start(&net);
    comes_to(dns.address, 1);
    for host in 2..5 {
        let done =
            update(theirs, Some(SECRET), &format!("update add b{host}.corp.example 60 A 192.0.2.{host}"));
        assert_eq!(done.code, 0, "{done:?}");
        comes_to(dns.address, host);
    }
    assert_eq!(dig(dns.address, "+norec b4.corp.example A").data("A"), ["192.0.2.4"]);
    assert_eq!(transfer(dns.address, "corp.example IXFR=3").len(), 5, "what changed is passed on");
    let log = dns.process.log();
    assert!(log.contains("incremental=true"), "{log}");
    bind.kill();
    drop(dns);
    // Nobody to ask, and still an answer at once.
    let dns = setup(SECRET).start(&net);
    let reply = ask(dns.address, &Message::query("b4.corp.example", A));
    assert_eq!(reply.addresses(), ["192.0.2.4"]);
    assert_eq!(dns.json(&["status"])["zones"][0]["kind"], "secondary");
}

/// RFC 2136 by nsupdate: prerequisites, what may not be, who may not.
#[test]
fn updates_are_made_or_refused_whole() {
    let net = Net::new();
    let dns = primary(
        &net,
        &zone(7, "a A 192.0.2.10\n"),
        "allow_update = [\"key:xfr\"]\nallow_transfer = [\"any\"]",
    )
    .start(&net);
    let at = dns.address;
    let made = |commands: &str| update(at, Some(SECRET), commands).all();
    assert!(update(at, None, "update add x.corp.example 60 A 192.0.2.9").all().contains("REFUSED"));
    assert!(update(at, Some(WRONG), "update add x.corp.example 60 A 192.0.2.9").all().contains("BADSIG"));
    assert_eq!(serial(at).unwrap(), "7");
    assert_eq!(made("update add b.corp.example 60 A 192.0.2.11").trim(), "");
    assert_eq!(serial(at).unwrap(), "8");
    assert_eq!(dig(at, "b.corp.example A").data("A"), ["192.0.2.11"]);
    assert!(
        made("prereq nxdomain b.corp.example\nupdate add c.corp.example 60 A 192.0.2.12")
            .contains("YXDOMAIN")
    );
    assert!(
        made("prereq yxdomain z.corp.example\nupdate add c.corp.example 60 A 192.0.2.12")
            .contains("NXDOMAIN")
    );
    assert!(
        made("prereq yxrrset b.corp.example A 192.0.2.99\nupdate delete b.corp.example").contains("NXRRSET")
    );
    assert!(made("prereq nxrrset b.corp.example A\nupdate delete b.corp.example").contains("YXRRSET"));
    assert!(made("update add x.other.example 60 A 192.0.2.9").contains("NOTZONE"));
    assert_eq!(serial(at).unwrap(), "8");
    assert_eq!(made("prereq yxrrset b.corp.example A 192.0.2.11\nupdate delete b.corp.example\nupdate add c.corp.example 60 TXT hello").trim(), "");
    assert_eq!(dig(at, "b.corp.example A").status, "NXDOMAIN");
    assert_eq!(dig(at, "c.corp.example TXT").data("TXT"), ["\"hello\""]);
    // The SOA and the last server stay.
    assert_eq!(made("update delete corp.example").trim(), "");
    assert_eq!(dig(at, "corp.example NS").data("NS").len(), 1);
    assert_eq!(transfer(at, "corp.example IXFR=8").len(), 6);
}

/// What was acknowledged is there after a kill -9, and once.
#[test]
fn no_acknowledged_update_is_lost() {
    killed_again_and_again(6);
}

#[test]
#[ignore = "takes minutes: tests/run --profile long --run-ignored only"]
fn no_acknowledged_update_is_lost_in_200_rounds() {
    killed_again_and_again(200);
}

fn killed_again_and_again(rounds: u32) {
    let net = Net::new();
    let setup = || {
        primary(&net, &zone(1, ""), "allow_update = [\"127.0.0.0/8\"]\nallow_transfer = [\"127.0.0.0/8\"]")
    };
    let mut acknowledged: Vec<String> = Vec::new();
    let mut last = 1;
    for round in 0..rounds {
        let mut dns = setup().start(&net);
        let now: u32 = serial(dns.address).unwrap().parse().unwrap();
        assert!(now >= last, "serial {now} after {last}");
        let there = transfer(dns.address, "corp.example AXFR");
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for label in there.iter().filter_map(|line| line.split('.').next()) {
            *counts.entry(label).or_default() += 1;
        }
        for name in &acknowledged {
            assert_eq!(counts.get(name.as_str()), Some(&1), "{name} in round {round}");
        }
        // Updates until the kill, a transfer beside them.
        let address = dns.address;
        let mut beside = Command::new("dig")
            .arg(format!("@{}", address.ip()))
            .args(["-p", &address.port().to_string(), "corp.example", "AXFR"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = i32::try_from(dns.process.pid()).unwrap();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30 + u64::from(round * 37 % 200)));
            common::sys::signal(-pid, common::sys::KILL);
        });
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        for number in 0..10_000 {
            let name = format!("r{round}n{number}");
            let message = add(&name);
            let mut reply = [0; 512];
            if socket.send(&message).is_err() || socket.recv(&mut reply).is_err() {
                break;
            }
            assert_eq!((reply[..2] == message[..2], reply[3] & 15), (true, 0), "{name}");
            acknowledged.push(name);
            last += 1;
        }
        killer.join().unwrap();
        dns.process.kill();
        let _ = beside.wait();
    }
    assert!(acknowledged.len() > rounds as usize, "{} updates in {rounds} rounds", acknowledged.len());
    let dns = setup().start(&net);
    // Of each round one may have been made and not acknowledged; none twice.
    let records = transfer(dns.address, "corp.example AXFR").len();
    let most = acknowledged.len() + rounds as usize + 4;
    assert!((acknowledged.len() + 4..=most).contains(&records), "{records} of {}", acknowledged.len());
}

/// An update that adds an address at a name.
fn add(name: &str) -> Vec<u8> {
    let mut message = Message::query("corp.example", SOA).opcode(5).bytes();
    message[9] = 1;
    let mut owner = vec![u8::try_from(name.len()).unwrap()];
    owner.extend(name.as_bytes());
    owner.extend([0xc0, 12]);
    message.extend(owner);
    message.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77]);
    message
}

/// Keys are nowhere in logs and status.
#[test]
fn secrets_are_not_told() {
    let net = Net::new();
    let dns = primary(
        &net,
        &zone(1, ""),
        "allow_update = [\"key:xfr\"]\nnotify = [{ address = \"127.0.0.1:9\", key = \"xfr\" }]",
    )
    .start(&net);
    update(dns.address, Some(SECRET), "update add x.corp.example 60 A 192.0.2.9");
    update(dns.address, Some(WRONG), "update add y.corp.example 60 A 192.0.2.9");
    let told = format!("{}{}", dns.process.log(), dns.command(&["status"]).all());
    assert!(told.contains("x") && !told.contains(SECRET) && !told.contains(&SECRET[4..20]));
    assert!(Path::new(&net.folder().join("state/corp.example.journal")).exists());
}
