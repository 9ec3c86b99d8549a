//! Every sample of every source: what it becomes (goldens), that our own reader takes it, and that the other server
//! agrees on what can be read at all. `DNSFWD_BLESS=1` writes the goldens anew.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::message::{A, AAAA, TXT};
use common::{Message, Net, Process, Scripted, Udp};
use dnsfwd::config::{self, Severity, ZoneSource};
use dnsfwd::import::{self, Imported, Kind, Options, output};
use dnsfwd::wire::name::Name;
use dnsfwd::zone::Zone;
use proptest::prelude::*;

const SAMPLES: &str = "tests/import";
const KINDS: [Kind; 6] =
    [Kind::Dnsmasq, Kind::Unbound, Kind::Coredns, Kind::Systemd, Kind::Windows, Kind::Route53];

/// A machine's own files have no part in what samples become.
fn options() -> Options {
    let variable = ("UPSTREAM".to_owned(), "10.0.0.2".to_owned());
    Options {
        resolv_conf: Some(Path::new(SAMPLES).join("resolv.conf")),
        environment: Some(BTreeMap::from([variable])),
        ..Options::default()
    }
}

/// All samples of a kind by name; what they include is in `parts`.
fn samples(kind: Kind) -> Vec<PathBuf> {
    let folder = Path::new(SAMPLES).join(kind.name());
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_none_or(|ending| ending != "golden") && !path.ends_with("parts"));
    paths.sort();
    paths
}

fn is_bad(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with("bad-")
}

fn shown(imported: &Imported) -> String {
    let mut text = imported.receipt.text();
    let toml = imported.draft.to_toml(imported.receipt.kind, &imported.receipt.source);
    write!(text, "\n=== dnsfwd.toml\n{toml}").unwrap();
    for file in &imported.files {
        write!(text, "\n=== {}\n{}", file.path.display(), String::from_utf8_lossy(&file.contents)).unwrap();
    }
    text
}

#[test]
fn samples_become_their_goldens() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        for path in samples(kind) {
            let outcome = import::import(kind, &path, &options());
            assert_eq!(outcome.is_err(), is_bad(&path), "{}: {outcome:?}", path.display());
            let actual = outcome.as_ref().map_or_else(|fault| format!("{fault}\n"), shown);
            let golden = PathBuf::from(format!("{}.golden", path.display()));
            if std::env::var_os("DNSFWD_BLESS").is_some() {
                std::fs::write(&golden, actual).unwrap();
            } else if std::fs::read_to_string(&golden).unwrap_or_default() != actual {
                wrong.push(format!("{}:\n{actual}", path.display()));
            }
        }
    }
    assert!(
        std::env::var_os("DNSFWD_BLESS").is_none(),
        "written anew: read them, then run without DNSFWD_BLESS"
    );
    assert!(wrong.is_empty(), "not as the golden says: {}", wrong.join("\n"));
}

#[test]
fn what_is_written_is_sound() {
    for kind in KINDS {
        for path in samples(kind).into_iter().filter(|path| !is_bad(path)) {
            let imported = import::import(kind, &path, &options()).unwrap();
            sound(&imported, &path);
            assert!(!imported.receipt.entries.is_empty(), "{}", path.display());
        }
    }
}

/// Written to a folder, read back, its zones too.
fn sound(imported: &Imported, path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let written = output::write(imported, &out, output::Existing::Keep);
    written.unwrap_or_else(|fault| panic!("{}: {fault}\n{}", path.display(), shown(imported)));
    let loaded = config::load(&out.join(output::CONFIG));
    for zone in &loaded.config.unwrap().zones {
        let ZoneSource::File { file, .. } = &zone.source else { continue };
        let loaded = Zone::load(&zone.name, file);
        let errors: Vec<_> =
            loaded.diagnostics.iter().filter(|fault| fault.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:?}\n{}", path.display(), shown(imported));
    }
}

#[test]
fn sources_are_told_apart() {
    for kind in KINDS {
        for path in samples(kind).into_iter().filter(|path| !is_bad(path)) {
            assert_eq!(Kind::guess(&path), Some(kind), "{}", path.display());
            if path.is_file() {
                let octets = std::fs::read(&path).unwrap();
                let text = tempfile::Builder::new().suffix(".txt").tempfile().unwrap();
                std::fs::write(text.path(), octets).unwrap();
                assert_eq!(Kind::guess(text.path()), Some(kind), "{} by its text", path.display());
            }
        }
    }
    assert_eq!(Kind::guess(Path::new("Cargo.toml")), None);
}

/// Runs another server's own check in the sample's folder; true: it is content.
fn accepts(program: &str, arguments: &[&str], path: &Path) -> (bool, String) {
    let name = path.file_name().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).arg(name).current_dir(path.parent().unwrap());
    let output = common::run(&mut command);
    (output.code == 0, output.all())
}

#[test]
fn dnsmasq_reads_what_is_read_here() {
    for path in samples(Kind::Dnsmasq) {
        let (accepted, said) = accepts("/usr/sbin/dnsmasq", &["--test", "-C"], &path);
        assert_eq!(accepted, !is_bad(&path), "{}: {said}", path.display());
    }
}

#[test]
fn unbound_reads_what_is_read_here() {
    for path in samples(Kind::Unbound) {
        let (accepted, said) = accepts("/usr/sbin/unbound-checkconf", &[], &path);
        assert_eq!(accepted, !is_bad(&path), "{}: {said}", path.display());
    }
}

/// A server for every name, which answers with its own address's last octet.
fn target(net: &Net, host: u8) -> Scripted {
    Scripted::with_address(net.at(host), [192, 0, 2, host])
}

/// What a client sees: the rcode, and the addresses or texts in order of their bytes.
fn seen(server: SocketAddr, name: &str, rtype: u16) -> String {
    seen_of(&Udp::to(server), name, rtype)
}

fn seen_from(client: std::net::IpAddr, server: SocketAddr, name: &str) -> String {
    seen_of(&Udp::from(client, server), name, A)
}

fn seen_of(client: &Udp, name: &str, rtype: u16) -> String {
    let reply = client.ask(&Message::query(name, rtype).bytes());
    let Some(reply) = reply else { return format!("{name} {rtype}: silence") };
    let parsed = common::parse(&reply);
    let mut data: Vec<String> = parsed
        .answer
        .iter()
        .filter(|record| record.rtype == rtype)
        .map(|record| common::message::hex(&record.rdata))
        .collect();
    data.sort();
    format!("{name} {rtype}: rcode {} {data:?}", parsed.rcode())
}

/// Waits until a server answers anything at all.
fn wait(server: &mut Process, address: SocketAddr) {
    let end = Instant::now() + Duration::from_secs(15);
    while Udp::to(address).ask(&Message::query("localhost", A).bytes()).is_none() {
        assert!(server.alive() && Instant::now() < end, "no answer:\n{}", server.log());
    }
}

/// Imports a source that listens on `.54`, and serves the same on `.53` of the test's block.
fn serve(net: &Net, kind: Kind, source: &Path) -> (Process, SocketAddr) {
    serve_instead(net, kind, source, net.at(54))
}

/// The same for a source that listens elsewhere.
fn serve_instead(net: &Net, kind: Kind, source: &Path, theirs: SocketAddr) -> (Process, SocketAddr) {
    let imported = import::import(kind, source, &options()).unwrap();
    let out = net.folder().join("imported");
    output::write(&imported, &out, output::Existing::Keep).unwrap();
    let config = out.join(output::CONFIG);
    let text = std::fs::read_to_string(&config).unwrap();
    let socket = net.folder().join("control.sock");
    let text = text.replace(&theirs.to_string(), &net.at(53).to_string());
    let text = format!("{text}\n[control]\nsocket = \"{}\"\n", socket.display());
    let text =
        if text.contains("[metrics]") { text } else { format!("{text}\n[metrics]\nlisten = \"off\"\n") };
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(common::dnsfwd::binary());
    command.arg("serve").arg("--config").arg(&config);
    let mut process = Process::start("dnsfwd", &mut command, net.folder());
    wait(&mut process, net.at(53));
    (process, net.at(53))
}

fn same_answers(one: SocketAddr, other: SocketAddr, questions: &[(&str, u16)]) {
    for (name, rtype) in questions {
        assert_eq!(seen(one, name, *rtype), seen(other, name, *rtype), "theirs, then ours");
    }
}

/// The names at which the receipt says that something differs are left out.
#[test]
fn dnsmasq_and_its_import_answer_alike() {
    let net = Net::new();
    let _targets = [10, 11, 12].map(|host| target(&net, host));
    let at = |host: u8| format!("{}#{}", net.ip(host), net.port);
    let text = format!(
        "port={port}\nlisten-address={own}\nbind-interfaces\nno-resolv\nno-hosts\nbogus-priv\npid-file=\nuser=\ncache-size=0\n\
         server={default}\nserver=/aws.example/sub.public.example/{aws}\nserver=/back.aws.example/#\n\
         server=/deep.back.aws.example/{deep}\nrev-server=10.0.0.0/16,{aws}\nlocal=/corp.example/\n\
         host-record=www.corp.example,192.168.2.10\ncname=alias.corp.example,www.corp.example\n\
         txt-record=www.corp.example,\"some text\"\naddress=/ads.example/0.0.0.0\naddress=/lab.example/10.9.9.9\n\
         local=/lab.example/\nhost-record=deep.host.lab.example,10.9.9.10\naddress=/gone.example/\n",
        port = net.port,
        own = net.ip(54),
        default = at(10),
        aws = at(11),
        deep = at(12),
    );
    let source = net.write("dnsmasq.conf", &text);
    let mut command = Command::new("/usr/sbin/dnsmasq");
    command.args(["--keep-in-foreground", "--log-facility=-", "-C"]).arg(&source);
    let mut theirs = Process::start("dnsmasq", &mut command, net.folder());
    wait(&mut theirs, net.at(54));
    let (_ours, ours) = serve(&net, Kind::Dnsmasq, &source);
    let questions = [
        ("other.example", A),
        ("aws.example", A),
        ("web.aws.example", A),
        ("xaws.example", A),
        ("a.sub.public.example", A),
        ("public.example", A),
        ("back.aws.example", A),
        ("x.back.aws.example", A),
        ("y.deep.back.aws.example", A),
        ("corp.example", A),
        ("WWW.corp.example", A),
        ("www.corp.example", TXT),
        ("www.corp.example", AAAA),
        ("alias.corp.example", A),
        ("nothing.corp.example", A),
        ("ads.example", A),
        ("a.b.ads.example", A),
        ("lab.example", A),
        ("x.lab.example", A),
        ("deep.host.lab.example", A),
        ("a.gone.example", A),
        ("5.1.168.192.in-addr.arpa", common::message::PTR),
        ("10.2.168.192.in-addr.arpa", common::message::PTR),
        ("8.0.0.10.in-addr.arpa", A),
        ("8.0.1.10.in-addr.arpa", common::message::PTR),
    ];
    same_answers(net.at(54), ours, &questions);
}

#[test]
fn unbound_and_its_import_answer_alike() {
    let net = Net::new();
    let _targets = [10, 11, 12].map(|host| target(&net, host));
    let at = |host: u8| format!("{}@{}", net.ip(host), net.port);
    let text = format!(
        "server:\n interface: {own}@{port}\n port: {port}\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n \
         directory: \"{folder}\"\n use-syslog: no\n module-config: \"iterator\"\n do-not-query-localhost: no\n \
         do-daemonize: no\n \
         local-zone: \"10.in-addr.arpa.\" nodefault\n \
         local-zone: \"corp.example\" static\n local-data: \"www.corp.example A 192.168.2.10\"\n \
         local-data: 'www.corp.example TXT \"some text\"'\n local-data-ptr: \"192.168.2.10 www.corp.example\"\n \
         local-zone: \"ads.example\" redirect\n local-data: \"ads.example A 192.0.2.99\"\n \
         local-zone: \"null.example\" always_null\n local-data: \"lone.other.example A 192.0.2.98\"\n\
         remote-control:\n control-enable: no\n\
         forward-zone:\n name: \".\"\n forward-addr: {default}\n\
         forward-zone:\n name: \"aws.example\"\n forward-addr: {aws}\n\
         forward-zone:\n name: \"10.in-addr.arpa\"\n forward-addr: {aws}\n\
         forward-zone:\n name: \"168.192.in-addr.arpa\"\n forward-addr: {aws}\n\
         forward-zone:\n name: \"sub.corp.example\"\n forward-addr: {aws}\n\
         stub-zone:\n name: \"stub.example\"\n stub-addr: {stub}\n",
        own = net.ip(54),
        port = net.port,
        folder = net.folder().display(),
        default = at(10),
        aws = at(11),
        stub = at(12),
    );
    let source = net.write("unbound.conf", &text);
    let mut command = Command::new("/usr/sbin/unbound");
    command.arg("-d").arg("-c").arg(&source);
    let mut theirs = Process::start("unbound", &mut command, net.folder());
    wait(&mut theirs, net.at(54));
    let (_ours, ours) = serve(&net, Kind::Unbound, &source);
    let questions = [
        ("other.example", A),
        ("web.aws.example", A),
        ("aws.example", A),
        ("xaws.example", A),
        ("web.stub.example", A),
        ("corp.example", A),
        ("www.corp.example", A),
        ("www.corp.example", TXT),
        ("www.corp.example", AAAA),
        ("nothing.corp.example", A),
        ("x.sub.corp.example", A),
        ("ads.example", A),
        ("a.b.ads.example", A),
        ("a.ads.example", AAAA),
        ("x.null.example", A),
        ("null.example", AAAA),
        ("lone.other.example", A),
        ("lone.other.example", AAAA),
        ("5.1.168.192.in-addr.arpa", common::message::PTR),
        ("10.2.168.192.in-addr.arpa", common::message::PTR),
        ("8.0.0.10.in-addr.arpa", A),
        ("localhost", A),
        ("x.test", A),
    ];
    same_answers(net.at(54), ours, &questions);
}

/// What a zone delegates is asked of the forwarders that hold for it: those of the zone, or the general ones.
#[test]
fn bind_and_its_import_ask_for_delegated_names_alike() {
    let net = Net::new();
    let _targets = [10, 11, 12].map(|host| target(&net, host));
    let at = |host: u8| format!("forward only; forwarders {{ {} port {}; }};", net.ip(host), net.port);
    let theirs: SocketAddr = ([127, 0, 0, 1], net.port).into();
    let zone = "$TTL 300\n@ SOA ns1 h 1 3600 600 86400 300\n@ NS ns1\nns1 A 192.0.2.53\nwww A 192.0.2.80\n\
                aws NS ns.elsewhere.example.\nb NS ns1\n";
    net.write("own.zone", zone);
    let text = format!(
        "options {{\n directory \"{folder}\";\n listen-on port {port} {{ 127.0.0.1; }};\n listen-on-v6 {{ none; }};\n \
         allow-query {{ any; }};\n pid-file none;\n session-keyfile none;\n dnssec-validation no;\n {general}\n}};\n\
         controls {{ }};\n\
         zone \"general.example\" {{ type primary; file \"own.zone\"; }};\n\
         zone \"b.general.example\" {{ type forward; {deeper} }};\n\
         zone \"own.example\" {{ type primary; file \"own.zone\"; {own} }};\n",
        folder = net.folder().display(),
        port = net.port,
        general = at(10),
        own = at(11),
        deeper = at(12),
    );
    let source = net.write("named.conf", &text);
    let mut command = Command::new("/usr/sbin/named");
    command.args(["-g", "-n", "1", "-c"]).arg(&source);
    let mut process = Process::start("named", &mut command, net.folder());
    wait(&mut process, theirs);
    let (_ours, ours) = serve_instead(&net, Kind::Bind, &source, theirs);
    let questions = [
        ("www.general.example", A),
        ("nothing.general.example", A),
        ("x.aws.general.example", A),
        ("x.b.general.example", A),
        ("www.own.example", A),
        ("x.aws.own.example", A),
        ("x.b.own.example", A),
        ("other.example", A),
    ];
    same_answers(theirs, ours, &questions);
    assert!(seen(ours, "x.aws.own.example", A).contains("c000020b"), "the zone's own forwarder");
}

/// A client of a view, one of another within it, and one of none: the same from Unbound and from its import.
#[test]
fn unbound_and_its_import_have_the_same_views() {
    let net = Net::new();
    let _targets = [10, 11].map(|host| target(&net, host));
    let at = |host: u8| format!("{}@{}", net.ip(host), net.port);
    let text = format!(
        "server:\n interface: {own}@{port}\n port: {port}\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n \
         directory: \"{folder}\"\n use-syslog: no\n module-config: \"iterator\"\n do-not-query-localhost: no\n \
         do-daemonize: no\n access-control: 127.0.0.0/8 refuse\n access-control: {own}/24 allow\n \
         access-control-view: {one} one\n access-control-view: {two} two\n \
         local-zone: \"office.example\" static\n local-data: \"printer.office.example A 192.0.2.70\"\n \
         local-zone: \"corp.example\" static\n local-data: \"a.corp.example A 192.0.2.71\"\n\
         view:\n name: \"one\"\n local-zone: \"corp.example\" static\n local-data: \"a.corp.example A 192.0.2.72\"\n\
         view:\n name: \"two\"\n view-first: yes\n local-zone: \"corp.example\" static\n \
         local-data: \"a.corp.example A 192.0.2.73\"\n\
         remote-control:\n control-enable: no\n\
         forward-zone:\n name: \".\"\n forward-addr: {default}\n\
         forward-zone:\n name: \"aws.example\"\n forward-addr: {aws}\n",
        own = net.ip(54),
        one = net.ip(81),
        two = net.ip(82),
        port = net.port,
        folder = net.folder().display(),
        default = at(10),
        aws = at(11),
    );
    let source = net.write("unbound.conf", &text);
    let mut command = Command::new("/usr/sbin/unbound");
    command.arg("-d").arg("-c").arg(&source);
    let mut theirs = Process::start("unbound", &mut command, net.folder());
    wait(&mut theirs, net.at(54));
    let (_ours, ours) = serve(&net, Kind::Unbound, &source);
    for client in [80, 81, 82] {
        for name in
            ["a.corp.example", "x.corp.example", "printer.office.example", "other.example", "x.aws.example"]
        {
            let [one, other] =
                [net.at(54), ours].map(|server| seen_from(net.ip(client).into(), server, name));
            assert_eq!(one, other, "theirs, then ours, for client {client}");
        }
    }
    assert!(
        seen_from(net.ip(81).into(), ours, "a.corp.example").contains("c0000248"),
        "the view's own record"
    );
}

/// Each sample with a piece cut out, doubled or overwritten.
fn mutated(text: &[u8], at: usize, length: usize, with: &[u8]) -> Vec<u8> {
    let at = at.min(text.len());
    let end = (at + length).min(text.len());
    [&text[..at], with, &text[end..]].concat()
}

/// Whatever is read, nothing panics, and what comes of it is sound.
fn read_anyhow(kind: Kind, octets: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source");
    std::fs::write(&path, octets).unwrap();
    if let Ok(imported) = import::import(kind, &path, &options()) {
        sound(&imported, &path);
    }
    let _ = Kind::guess(&path);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_samples_never_panic(
        kind in 0..KINDS.len(), sample in 0..100usize, at in 0..2_000usize, length in 0..60usize,
        with in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            Just(b"\n\"".to_vec()), Just(b"/".to_vec()), Just(b"{".to_vec()), Just(b"}".to_vec()), Just(b"#".to_vec()),
            Just(b".".to_vec()), Just(b"..".to_vec()), Just(b"0".to_vec()), Just(b"99999999999".to_vec()), Just(b"*.".to_vec()),
        ],
    ) {
        let kind = KINDS[kind];
        let files: Vec<PathBuf> = samples(kind).into_iter().filter(|path| path.is_file()).collect();
        let text = std::fs::read(&files[sample % files.len()]).unwrap();
        read_anyhow(kind, &mutated(&text, at, length, &with));
    }

    #[test]
    fn random_octets_never_panic(kind in 0..KINDS.len(), octets in prop::collection::vec(any::<u8>(), 0..400)) {
        read_anyhow(KINDS[kind], &octets);
    }
}

/// A file that includes itself ends with a fault, soon.
#[test]
fn circles_are_found() {
    for (kind, name, text) in [
        (Kind::Dnsmasq, "dnsmasq.conf", "conf-file=dnsmasq.conf\nconf-file=dnsmasq.conf\n"),
        (Kind::Unbound, "unbound.conf", "include: unbound.conf\ninclude: unbound.conf\n"),
        (Kind::Coredns, "Corefile", "import Corefile\nimport Corefile\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let fault = import::import(kind, &path, &options()).unwrap_err();
        assert!(fault.message.contains("levels deep"), "{fault}");
    }
}

/// A name in a zone made by an import is the name that was meant.
#[test]
fn names_are_kept() {
    let text = "no-resolv\nno-hosts\nlocal=/corp.example/\nhost-record=a\\.b.corp.example,10.0.0.1\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dnsmasq.conf");
    std::fs::write(&path, text).unwrap();
    let imported = import::import(Kind::Dnsmasq, &path, &options()).unwrap();
    sound(&imported, &path);
    let zone = Name::parse("corp.example").unwrap();
    assert!(imported.draft.zones.iter().any(|made| Name::parse(&made.name).as_ref() == Ok(&zone)));
}
