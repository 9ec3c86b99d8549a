//! The commands as an administrator types them: what they print, and their exit codes: 0 clean, 1
//! findings, 2 trouble. And what a monitoring system reads.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::dnsfwd::binary;
use common::message::*;
use common::servers::COMPANY;
use common::{Dnsfwd, Message, Net, Output, Process, Scripted, Setup, ask, run};

fn dnsfwd(arguments: &[&str]) -> Output {
    run(Command::new(binary()).args(arguments))
}

/// Checks a configuration written to a file.
fn check(net: &Net, text: &str) -> Output {
    let file = net.write("checked.toml", text);
    dnsfwd(&["check", "--config", file.to_str().unwrap()])
}

fn check_json(net: &Net, text: &str) -> (i32, serde_json::Value) {
    let file = net.write("checked.toml", text);
    let output = dnsfwd(&["check", "--json", "--config", file.to_str().unwrap()]);
    (output.code, serde_json::from_str(&output.stdout).unwrap_or_else(|fault| panic!("{fault}: {output:?}")))
}

const SOUND: &str = r#"version = 1
[server]
listen = ["127.0.0.1:5353"]
[[endpoint]]
name = "pair"
targets = [{ address = "192.0.2.1" }, { address = "192.0.2.2:5300" }]
[[rule]]
domain = "corp.example"
reverse = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
endpoint = "pair"
"#;

// check

#[test]
fn check_of_a_sound_file_is_clean() {
    let net = Net::new();
    let output = check(&net, SOUND);
    assert_eq!(output.code, 0, "{}", output.all());
    assert!(output.stdout.contains("no faults"), "{}", output.all());
}

/// Every fault alone: exit code 2, the file, the line, the line itself, what is wrong and what to do.
#[test]
fn each_fault_is_told_with_its_place() {
    let net = Net::new();
    // The fault, the text that makes it, and a word that the report must have.
    let faults = [
        ("unknown key at the top", "colour = 1\n", "colour"),
        ("unknown table", "[colours]\nred = 1\n", "colours"),
        (
            "unknown key in a rule",
            "[[rule]]\ndomain = \"x.example\"\nendpoint = \"pair\"\ncolour = 1\n",
            "colour",
        ),
        (
            "unknown key in a target",
            "[[endpoint]]\nname = \"x\"\ntargets = [{ address = \"192.0.2.1\", colour = 1 }]\n",
            "colour",
        ),
        (
            "an endpoint that isn't there",
            "[[rule]]\ndomain = \"x.example\"\nendpoint = \"nowhere\"\n",
            "nowhere",
        ),
        ("a rule without an endpoint", "[[rule]]\ndomain = \"x.example\"\n", "endpoint"),
        ("a rule without a domain", "[[rule]]\nendpoint = \"pair\"\n", "domain"),
        (
            "two rules with one domain",
            "[[rule]]\ndomain = \"CORP.example.\"\nendpoint = \"pair\"\n",
            "corp.example",
        ),
        (
            "two endpoints with one name",
            "[[endpoint]]\nname = \"pair\"\ntargets = [{ address = \"192.0.2.9\" }]\n",
            "pair",
        ),
        ("an endpoint without targets", "[[endpoint]]\nname = \"x\"\ntargets = []\n", "target"),
        (
            "an address that is none",
            "[[endpoint]]\nname = \"x\"\ntargets = [{ address = \"192.0.2.256\" }]\n",
            "192.0.2.256",
        ),
        (
            "a port that is none",
            "[[endpoint]]\nname = \"x\"\ntargets = [{ address = \"192.0.2.1:99999\" }]\n",
            "99999",
        ),
        ("a domain that is none", "[[rule]]\ndomain = \"a..b\"\nendpoint = \"pair\"\n", "a..b"),
        (
            "a label that is too long",
            &format!("[[rule]]\ndomain = \"{}.example\"\nendpoint = \"pair\"\n", "x".repeat(64)),
            "63",
        ),
        (
            "a type that is none",
            "[[rule]]\ndomain = \"x.example\"\ntype = \"BACKWARD\"\nendpoint = \"pair\"\n",
            "BACKWARD",
        ),
        (
            "a network that is none",
            "[[rule]]\nreverse = [\"10.0.0.0/33\"]\nendpoint = \"pair\"\n",
            "10.0.0.0/33",
        ),
        ("a number where text is due", "[[rule]]\ndomain = 5\nendpoint = \"pair\"\n", "string"),
        ("a size without a unit", "[cache]\nsize = \"many\"\n", "many"),
        ("a duration that is none", "[cache]\nmax_ttl = \"soon\"\n", "soon"),
        ("a size beyond its bounds", "[cache]\nsize = \"999999TiB\"\n", "999999TiB"),
        (
            "a zone file that isn't there",
            "[[zone]]\nname = \"z.example\"\nfile = \"absent.zone\"\n",
            "absent.zone",
        ),
        ("TOML that is none", "[[rule\n", "checked.toml"),
        ("a string without an end", "[log]\nlevel = \"info\n", "checked.toml"),
        ("a key twice", "[log]\nlevel = \"info\"\nlevel = \"debug\"\n", "level"),
        ("a level that is none", "[log]\nlevel = \"loud\"\n", "loud"),
        ("a format that is none", "[log]\nformat = \"xml\"\n", "xml"),
    ];
    let mut wrong = Vec::new();
    for (what, text, word) in faults {
        let output = check(&net, &format!("{SOUND}{text}"));
        let all = output.all();
        let lines_before = SOUND.lines().count();
        let places = all.split("checked.toml:").skip(1);
        let mut lines = places.filter_map(|rest| rest.split(':').next()?.parse::<usize>().ok());
        let placed = lines.any(|line| line > lines_before) || what.starts_with("two rules");
        if output.code != 2 {
            wrong.push(format!("{what}: exit code {}: {all}", output.code));
        } else if !all.contains(word) {
            wrong.push(format!("{what}: nothing about '{word}': {all}"));
        } else if !placed {
            wrong.push(format!("{what}: no place behind line {lines_before}: {all}"));
        } else if !all.contains("help") {
            wrong.push(format!("{what}: nothing about what to do: {all}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All faults at once, each with line, column and the line itself.
#[test]
fn all_faults_are_told_at_once() {
    let net = Net::new();
    net.write(
        "broken.zone",
        "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 1.2.3\nmail MX ten mail\n",
    );
    let text = format!(
        "{SOUND}[[rule]]\ndomain = \"one.example\"\nendpoint = \"missing\"\n[cache]\nsize = \"big\"\nunknown = 1\n\
         [[zone]]\nname = \"z.example\"\nfile = \"broken.zone\"\n"
    );
    let (code, report) = check_json(&net, &text);
    assert_eq!(code, 2, "{report}");
    let faults = report["diagnostics"].as_array().unwrap();
    let place = |word: &str, file: &str, line: u64| {
        let found = faults
            .iter()
            .find(|fault| fault["source_line"].as_str().unwrap().contains(word) && fault["line"] == line);
        let fault = found.unwrap_or_else(|| panic!("nothing about '{word}' in line {line}: {report}"));
        assert_eq!(fault["severity"], "error");
        assert!(fault["file"].as_str().unwrap().ends_with(file), "{fault}");
        assert!(fault["column"].as_u64().unwrap() >= 1);
        assert!(
            !fault["message"].as_str().unwrap().is_empty() && !fault["help"].as_str().unwrap().is_empty()
        );
    };
    let before = SOUND.lines().count() as u64;
    place("missing", "checked.toml", before + 3);
    place("big", "checked.toml", before + 5);
    place("unknown", "checked.toml", before + 6);
    place("1.2.3", "broken.zone", 5);
    place("ten", "broken.zone", 6);
}

/// What is legal but surprising: a warning, exit code 1.
#[test]
fn surprises_are_warnings() {
    let net = Net::new();
    net.write("z.zone", "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n");
    let zone = "[[zone]]\nname = \"z.example\"\nfile = \"z.zone\"\n";
    for (what, text, word) in [
        (
            "a rule shadowed by a zone",
            format!("{SOUND}{zone}[[rule]]\ndomain = \"z.example\"\nendpoint = \"pair\"\n"),
            "z.example",
        ),
        (
            "a target that is our own listener",
            SOUND.replace("192.0.2.1\"", "127.0.0.1:5353\""),
            "127.0.0.1:5353",
        ),
        ("a single target", SOUND.replace(", { address = \"192.0.2.2:5300\" }", ""), "single target"),
        (
            "'.' without private reverse ranges",
            format!(
                "{}[[rule]]\ndomain = \".\"\nendpoint = \"pair\"\n",
                SOUND.replace("reverse = [\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\"]\n", ""),
            ),
            "reverse",
        ),
    ] {
        let output = check(&net, &text);
        assert_eq!(output.code, 1, "{what}: {}", output.all());
        assert!(output.all().contains("warning"), "{what}: {}", output.all());
        assert!(output.all().contains(word), "{what}: {}", output.all());
    }
}

/// conf.d/*.toml beside the file is read too, and its faults are told with its name.
#[test]
fn conf_d_is_read_too() {
    let net = Net::new();
    net.write("conf.d/10-more.toml", "[[rule]]\ndomain = \"more.example\"\nendpoint = \"pair\"\n");
    net.write("conf.d/notes.txt", "not TOML at all [[[");
    assert_eq!(check(&net, SOUND).code, 0);
    let file = net.folder().join("checked.toml");
    let explained = dnsfwd(&["explain", "www.more.example", "--offline", "--config", file.to_str().unwrap()]);
    assert!(
        explained.stdout.contains("more.example") && explained.stdout.contains("pair"),
        "{}",
        explained.all()
    );
    net.write("conf.d/20-bad.toml", "[[rule]]\ndomain = \"bad.example\"\nendpoint = \"gone\"\n");
    let output = check(&net, SOUND);
    assert_eq!(output.code, 2);
    assert!(output.all().contains("20-bad.toml:3"), "{}", output.all());
}

/// The names that are answered here without being configured, less those that the file takes over.
#[test]
fn check_lists_the_built_in_names() {
    let net = Net::new();
    let (_, report) = check_json(&net, SOUND);
    let told = report["facts"]["builtin"].to_string();
    for built_in in ["\"localhost\"", "\"254.169.in-addr.arpa\"", "\"invalid\""] {
        assert!(told.contains(built_in), "{built_in}: {told}");
    }
    assert!(!told.contains("\"10.in-addr.arpa\""), "a rule has it: {told}");
    assert!(report["facts"]["builtin_overridden"].to_string().contains("10.in-addr.arpa"), "{report}");
}

/// 100,000 rules load in under a second, said of the optimised build; ten times that here.
#[test]
fn a_hundred_thousand_rules_load() {
    use std::fmt::Write;
    let net = Net::new();
    let mut text = SOUND.to_string();
    for number in 0..100_000 {
        write!(text, "[[rule]]\ndomain = \"d{number}.example.org\"\nendpoint = \"pair\"\n").unwrap();
    }
    let start = std::time::Instant::now();
    let output = check(&net, &text);
    assert_eq!(output.code, 0, "{}", output.all());
    assert!(start.elapsed() < Duration::from_secs(10), "after {:?}", start.elapsed());
}

/// What is in conf/ is what we would have people copy.
#[test]
fn the_files_in_conf_are_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let mut files = vec![root.join("dnsfwd.toml")];
    if let Ok(examples) = std::fs::read_dir(root.join("examples")) {
        files.extend(
            examples
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "toml")),
        );
    }
    for file in files {
        let output = dnsfwd(&["check", "--config", file.to_str().unwrap()]);
        assert!(output.code <= 1, "{}: {}", file.display(), output.all());
    }
}

// explain

struct Scene {
    dns: Dnsfwd,
    targets: [Scripted; 2],
    net: Net,
}

fn scene() -> Scene {
    let net = Net::new();
    let targets = [10, 11].map(|host| Scripted::with_address(net.at(host), [192, 0, 2, host]));
    let dns = Setup::new(&net)
        .server("allow = [\"127.0.0.0/8\"]\nsystem = \"system\"")
        .endpoint("pair", &targets.each_ref().map(|target| target.address))
        .endpoint("system", &[targets[0].address])
        .rule("corp.example", "pair")
        .rule("deep.corp.example", "pair")
        .body("[[rule]]\ndomain = \"public.corp.example\"\ntype = \"SYSTEM\"")
        .zone(&net, COMPANY.0, COMPANY.1)
        .start(&net);
    Scene { dns, targets, net }
}

impl Scene {
    fn explain(&self, arguments: &[&str]) -> String {
        let output = self.dns.command(&[&["explain"], arguments].concat());
        assert!(output.code <= 1, "{}", output.all());
        output.stdout
    }

    fn targets_named(&self, text: &str) -> bool {
        self.targets.iter().all(|target| text.contains(&target.address.to_string()))
    }
}

/// What serve would do, and why: the rule, the runners-up, the endpoint, its targets, the cache.
#[test]
fn explain_tells_what_serve_would_do() {
    let scene = scene();
    let told = scene.explain(&["www.deep.corp.example"]);
    assert!(told.contains("rule deep.corp.example") && told.contains("pair"), "{told}");
    assert!(told.contains("corp.example") && scene.targets_named(&told), "{told}");
    assert!(told.contains("healthy"), "{told}");
    let json = scene.dns.json(&["explain", "www.deep.corp.example"]);
    assert_eq!(json["decision"]["domain"], "deep.corp.example");
    assert!(json["runners_up"].to_string().contains("corp.example"), "{json}");

    let before = scene.dns.json(&["explain", "www.corp.example", "A"]);
    assert!(before["cache"].is_null(), "{before}");
    ask(scene.dns.address, &Message::query("www.corp.example", A));
    let after = scene.dns.json(&["explain", "WWW.corp.example.", "A"]);
    assert!(!after["cache"].is_null(), "{after}");
    assert!(scene.dns.json(&["explain", "www.corp.example", "AAAA"])["cache"].is_null());

    let zone = scene.explain(&["websrv.anycompany.corp"]);
    assert!(zone.contains("zone") && zone.contains("anycompany.corp"), "{zone}");
    let built_in = scene.explain(&["1.2.3.10.in-addr.arpa", "PTR"]);
    assert!(built_in.contains("10.in-addr.arpa") && built_in.contains("RFC 6303"), "{built_in}");
    let system = scene.explain(&["www.public.corp.example"]);
    assert!(system.contains("SYSTEM") || system.contains("system"), "{system}");
    let nothing = scene.explain(&["www.example.org"]);
    assert!(nothing.to_lowercase().contains("refused"), "{nothing}");
    let stranger = scene.explain(&["www.corp.example", "--client", "192.0.2.1"]);
    assert!(stranger.contains("REFUSED") && stranger.contains("allow"), "{stranger}");
}

/// explain and serve decide by the same function: what one says, the other does.
#[test]
fn explain_agrees_with_serve() {
    let scene = scene();
    for (qname, qtype, code) in [
        ("www.corp.example", A, "A"),
        ("corp.example", A, "A"),
        ("a.b.deep.corp.example", A, "A"),
        ("www.public.corp.example", A, "A"),
        ("websrv.anycompany.corp", A, "A"),
        ("absent.anycompany.corp", A, "A"),
        ("localhost", A, "A"),
        ("1.1.168.192.in-addr.arpa", PTR, "PTR"),
        ("x.test", A, "A"),
        ("www.example.org", A, "A"),
        (".", NS, "NS"),
    ] {
        let asked = |scene: &Scene| scene.targets.iter().map(|target| target.seen().len()).sum::<usize>();
        let told = scene.dns.json(&["explain", qname, code]);
        let action = told["decision"]["action"].as_str().unwrap().to_string();
        let before = asked(&scene);
        let got = ask(scene.dns.address, &Message::query(qname, qtype));
        let forwarded = asked(&scene) > before;
        assert_eq!(
            forwarded,
            ["forward", "system"].contains(&action.as_str()),
            "{qname}: {action} but forwarded: {forwarded}"
        );
        assert_eq!(got.rcode() == REFUSED, action == "refuse", "{qname}: {action} but rcode {}", got.rcode());
        if action == "zone" {
            assert!(got.has(AA), "{qname}");
        }
    }
}

/// Targets in the order in which they'd be asked: one that is silent stands behind, with its state.
#[test]
fn explain_shows_the_state_of_targets() {
    let net = Net::new();
    let silent = Scripted::start(net.at(10), |_| vec![]);
    let good = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let dns = Setup::new(&net)
        .endpoint("pair", &[silent.address, good.address])
        .rule("example", "pair")
        .start(&net);
    for number in 0..40 {
        ask(dns.address, &Message::query(&format!("n{number}.example"), A));
    }
    common::eventually(Duration::from_secs(5), "the silent one is known as such", || {
        let told = dns.json(&["explain", "www.example"]);
        told["targets"][0]["address"] == good.address.to_string() && told["targets"][1]["state"] != "healthy"
    });
}

#[test]
fn explain_of_nonsense_is_trouble() {
    let scene = scene();
    for arguments in
        [&["a..b"][..], &["www.example", "NOTYPE"], &["www.example", "A", "--client", "nobody"], &[]]
    {
        assert_eq!(scene.dns.command(&[&["explain"], arguments].concat()).code, 2, "{arguments:?}");
    }
}

// status, flush

#[test]
fn status_shows_what_there_is() {
    let scene = scene();
    for qname in ["www.corp.example", "www.corp.example", "websrv.anycompany.corp"] {
        ask(scene.dns.address, &Message::query(qname, A));
    }
    let output = scene.dns.command(&["status"]);
    assert_eq!(output.code, 0, "{}", output.all());
    let told = &output.stdout;
    assert!(told.contains(&scene.dns.address.to_string()), "{told}");
    assert!(told.contains("pair") && scene.targets_named(told) && told.contains("healthy"), "{told}");
    let json = scene.dns.json(&["status"]);
    assert!(json["uptime_secs"].as_u64().unwrap() < 60);
    assert_eq!(json["rules"], 3, "{json}");
    assert_eq!(json["cache"]["entries"], 1, "{json}");
    assert_eq!(json["cache"]["hits"], 1, "{json}");
    assert!(json["config"]["hash"].as_str().unwrap().len() >= 8, "{json}");
    assert!(json["zones"].to_string().contains("anycompany.corp"), "{json}");
    assert!(scene.net.folder().exists());
}

/// Exactly the name, or with --tree all below it too.
#[test]
fn flush_takes_names_out_of_the_cache() {
    let scene = scene();
    let names = ["corp.example", "www.corp.example", "a.www.corp.example", "xwww.corp.example"];
    let fill = || names.map(|qname| drop(ask(scene.dns.address, &Message::query(qname, A))));
    let asked = |qname: &str| scene.targets.iter().map(|target| target.count(qname)).sum::<usize>();
    fill();
    let output = scene.dns.command(&["flush", "WWW.Corp.Example."]);
    assert_eq!(output.code, 0, "{}", output.all());
    fill();
    assert_eq!(names.map(asked), [1, 2, 1, 1]);
    assert_eq!(scene.dns.command(&["flush", "www.corp.example", "--tree"]).code, 0);
    fill();
    assert_eq!(names.map(asked), [1, 3, 2, 1]);
    assert_eq!(scene.dns.command(&["flush", ".", "--tree"]).code, 0);
    assert_eq!(scene.dns.json(&["status"])["cache"]["entries"], 0);
    fill();
    assert_eq!(names.map(asked), [2, 4, 3, 2]);
    assert_eq!(scene.dns.command(&["flush", "a..b"]).code, 2);
}

// Trouble.

#[test]
fn commands_without_a_server_are_trouble() {
    let net = Net::new();
    let socket = net.folder().join("none.sock");
    for command in [&["status"][..], &["reload"], &["flush", "a.example"]] {
        let output = dnsfwd(&[command, &["--socket", socket.to_str().unwrap()]].concat());
        assert_eq!(output.code, 2, "{command:?}: {}", output.all());
        assert!(output.stderr.contains("none.sock"), "{command:?}: {}", output.all());
    }
}

#[test]
fn wrong_usage_is_trouble() {
    for arguments in [&["frobnicate"][..], &["serve", "--frob"], &["flush"], &[], &["explain"]] {
        let output = dnsfwd(arguments);
        assert_eq!(output.code, 2, "{arguments:?}: {}", output.all());
        assert!(
            output.stderr.contains("Usage") || output.stderr.contains("usage"),
            "{arguments:?}: {}",
            output.all()
        );
    }
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"], &["explain", "--help"]] {
        let output = dnsfwd(arguments);
        assert_eq!(output.code, 0, "{arguments:?}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn serve_refuses_what_check_refuses() {
    let net = Net::new();
    let file = net.write("dnsfwd.toml", &format!("{SOUND}colour = 1\n"));
    let output = dnsfwd(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(output.code, 2, "{}", output.all());
    assert!(output.all().contains("colour"), "{}", output.all());
    let absent = dnsfwd(&["serve", "--config", "/nonexistent/dnsfwd.toml"]);
    assert_eq!(absent.code, 2);
    assert!(absent.all().contains("/nonexistent/dnsfwd.toml"), "{}", absent.all());
}

/// An address that somebody else has: said at the start, with the address.
#[test]
fn serve_says_which_address_is_taken() {
    let net = Net::new();
    let _taken = std::net::UdpSocket::bind(net.at(53)).unwrap();
    let config = net.write("dnsfwd.toml", &Setup::new(&net).text(&net));
    let output = dnsfwd(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(output.code, 2, "{}", output.all());
    assert!(output.all().contains(&net.at(53).to_string()), "{}", output.all());
}

/// A second server with the same configuration would share the first one's ports in silence
/// (SO_REUSEPORT), and take its control socket away. It has to refuse instead.
#[test]
fn a_second_server_refuses_to_start() {
    let mut scene = scene();
    let mut command = Command::new(binary());
    command.arg("serve").arg("--config").arg(&scene.dns.config);
    let mut second = Process::start("second", &mut command, scene.net.folder());
    let status = second.wait(Duration::from_secs(5)).expect("the second one ends by itself");
    assert_eq!(status.code(), Some(2), "{}", second.log());
    scene.dns.assert_well();
    assert_eq!(scene.dns.command(&["status"]).code, 0, "the first one's socket still answers");
}

/// A socket left over from a server that was killed is no hindrance.
#[test]
fn a_stale_socket_is_replaced() {
    let mut scene = scene();
    scene.dns.process.kill();
    assert!(scene.dns.socket.exists(), "kill -9 leaves the socket behind");
    let again = Process::start(
        "again",
        Command::new(binary()).arg("serve").arg("--config").arg(&scene.dns.config),
        scene.net.folder(),
    );
    common::eventually(Duration::from_secs(5), "status of the new one", || {
        scene.dns.command(&["status"]).code == 0
    });
    drop(again);
}

/// The socket is for the owner alone: whoever can write to it can flush and reload.
#[test]
fn the_control_socket_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let scene = scene();
    let mode = std::fs::metadata(&scene.dns.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "mode {mode:o} lets everybody in");
}

// The demo.

/// The README's first command, walking its own tour.
#[test]
fn the_demo_checks_itself() {
    let net = Net::new();
    let output = Process::start(
        "demo",
        Command::new(binary()).args(["demo", "--check"]).current_dir(net.folder()),
        net.folder(),
    );
    let mut output = output;
    let status = output.wait(Duration::from_secs(60)).expect("the demo ends");
    assert_eq!(status.code(), Some(0), "{}", output.log());
}

// Metrics.

/// What the operator's dashboards are built on: a name for each promise, each with its help text.
#[test]
fn metrics_have_names_and_help() {
    let scene = scene();
    for qname in
        ["www.corp.example", "www.corp.example", "websrv.anycompany.corp", "localhost", "www.example.org"]
    {
        ask(scene.dns.address, &Message::query(qname, A));
    }
    common::ask_tcp(scene.dns.address, &Message::query("www.corp.example", A));
    let (status, text) = scene.dns.get("/metrics");
    assert_eq!(status, 200);
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in {line}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(
            [name, family].iter().any(|name| text.contains(&format!("# HELP {name} "))),
            "no help for {name}"
        );
        assert!(
            [name, family].iter().any(|name| text.contains(&format!("# TYPE {name} "))),
            "no type for {name}"
        );
        assert!(name.starts_with("dnsfwd_"), "{name}");
    }
    let value = |start: &str, labels: &[&str]| -> f64 {
        let lines = text
            .lines()
            .filter(|line| line.starts_with(start) && labels.iter().all(|label| line.contains(label)));
        let values: Vec<f64> = lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        assert!(!values.is_empty(), "no {start} with {labels:?} in:\n{text}");
        values.iter().sum()
    };
    assert!(value("dnsfwd_queries_total", &["transport=\"udp\"", "rcode=\"NOERROR\""]) >= 4.0);
    assert!(value("dnsfwd_queries_total", &["transport=\"tcp\"", "rcode=\"NOERROR\""]) >= 1.0);
    assert!(value("dnsfwd_queries_total", &["rcode=\"REFUSED\""]) >= 1.0);
    assert!(value("dnsfwd_decisions_total", &["corp.example"]) >= 3.0);
    assert!(value("dnsfwd_answers_total", &["source=\"cache\""]) >= 2.0);
    assert!(value("dnsfwd_answers_total", &["source=\"zone\""]) >= 1.0);
    assert_eq!(value("dnsfwd_target_queries_total", &["rule=\"corp.example\""]), 1.0);
    for name in [
        "dnsfwd_answers_total{source=\"stale\"",
        "dnsfwd_target_timeouts_total{",
        "dnsfwd_target_errors_total{",
        "dnsfwd_target_outstanding{",
        "dnsfwd_target_state{",
        "dnsfwd_cache_bytes ",
        "dnsfwd_cache_entries ",
        "dnsfwd_config_info{hash=",
        "dnsfwd_config_reload_failures_total ",
    ] {
        assert!(text.contains(name), "no {name} in:\n{text}");
    }
    let histogram = text.lines().any(|line| {
        line.contains("_bucket{") && line.contains("rule=\"corp.example\"") && line.contains("le=\"")
    });
    assert!(histogram, "no latency histogram by rule and target in:\n{text}");
}

/// Alive is not ready: readiness tells why, where something is amiss.
#[test]
fn health_and_readiness() {
    let net = Net::new();
    let silent = [10, 11].map(|host| Scripted::start(net.at(host), |_| vec![]));
    let dns = Setup::new(&net)
        .endpoint("dark", &silent.each_ref().map(|target| target.address))
        .rule("example", "dark")
        .start(&net);
    assert_eq!(dns.get("/healthz").0, 200);
    let (status, text) = dns.get("/readyz");
    assert_eq!(status, 200, "{text}");
    assert_eq!(dns.get("/nothing").0, 404);
    for number in 0..10 {
        ask(dns.address, &Message::query(&format!("n{number}.example"), A));
    }
    assert_eq!(dns.get("/healthz").0, 200, "a dark endpoint is no reason to restart the server");
    let (_, reasons) = dns.get("/readyz");
    assert!(reasons.contains("dark"), "the endpoint that can't be reached isn't named: {reasons}");
}

/// Other verbs and torn requests do no harm.
#[test]
fn the_metrics_listener_takes_nonsense() {
    use std::io::{Read, Write};
    let mut scene = scene();
    for request in [
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "NONSENSE\r\n\r\n",
        "GET /metrics",
        "\0\0\0\0",
    ] {
        let mut stream = std::net::TcpStream::connect(scene.dns.metrics).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        assert!(!reply.starts_with("HTTP/1.1 200") || !request.starts_with("NONSENSE"), "{reply}");
    }
    assert_eq!(scene.dns.get("/healthz").0, 200);
    scene.dns.assert_well();
}

// Logs.

/// A target's change of state is one line, not one for each query.
#[test]
fn a_dead_target_is_one_line_in_the_log() {
    let net = Net::new();
    let silent = Scripted::start(net.at(10), |_| vec![]);
    let good = Scripted::with_address(net.at(11), [192, 0, 2, 2]);
    let dns = Setup::new(&net)
        .endpoint("pair", &[silent.address, good.address])
        .rule("example", "pair")
        .start(&net);
    for number in 0..60 {
        ask(dns.address, &Message::query(&format!("n{number}.example"), A));
    }
    let lines = || {
        dns.process
            .log()
            .lines()
            .filter(|line| line.contains(&silent.address.to_string()) && line.contains("down"))
            .count()
    };
    common::eventually(Duration::from_secs(5), "the log tells of the dead target", || lines() > 0);
    std::thread::sleep(Duration::from_secs(1));
    assert!(lines() <= 2, "{}", dns.process.log());
}

#[test]
fn logs_can_be_json() {
    let net = Net::new();
    let text = Setup::new(&net).text(&net).replace("level = \"info\"", "level = \"info\"\nformat = \"json\"");
    let config = net.write("dnsfwd.toml", &text);
    let mut command = Command::new(binary());
    command.arg("serve").arg("--config").arg(config);
    let mut process = Process::start("json", &mut command, net.folder());
    common::eventually(Duration::from_secs(10), "it logs", || process.log().lines().count() > 0);
    process.signal(common::sys::TERMINATE);
    assert!(process.wait(Duration::from_secs(5)).is_some());
    for line in process.log().lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "{line}");
    }
}
