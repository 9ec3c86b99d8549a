//! What users read and copy: `conf/` loads, and says the same as the code.

use std::fs;
use std::path::PathBuf;

use super::super::diagnostic::{count, render};
use super::super::{Config, RuleAction, defaults};
use super::{Folder, file_of, load_from};

/// 32 octets.
const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n";

fn conf(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conf").join(path)
}

fn example(path: &str) -> Config {
    let loaded = load_from(&conf(path));
    assert_eq!(count(&loaded.diagnostics).errors, 0, "{}", render(&loaded.diagnostics, false));
    loaded.config.unwrap()
}

#[test]
fn the_complete_file_is_the_defaults() {
    let config = example("dnsfwd.toml");
    assert_eq!(config.files, [conf("dnsfwd.toml")]);
    assert_eq!(Config { files: Vec::new(), hash: defaults().hash, ..config }, defaults());
}

#[test]
fn the_complete_file_shows_every_key() {
    let text = fs::read_to_string(conf("dnsfwd.toml")).unwrap();
    let uncommented = text.replace("#: ", "");
    let zone = fs::read_to_string(conf("examples/anycompany.corp.zone")).unwrap();
    let folder = Folder::new(&[
        ("dnsfwd.toml", &uncommented),
        ("examples/anycompany.corp.zone", &zone),
        ("keys/xfr.key", SECRET),
    ]);
    let loaded = folder.load();
    assert_eq!(render(&loaded.diagnostics, false), "");
    let config = loaded.config.unwrap();
    assert_eq!((config.zones.len(), config.endpoints.len(), config.rules.len()), (3, 3, 8));
    assert_eq!(config.server.workers, 2);
    for key in known_keys() {
        let shown = |line: &str| line.trim_start_matches("{ ").starts_with(&format!("{key} = "));
        assert!(uncommented.lines().any(|line| shown(line.trim())), "{key} is not shown");
    }
}

/// The keys that the reader itself lists when it meets an unknown one in each table.
fn known_keys() -> Vec<String> {
    let strange = "qqqqqqqq = 1\n";
    let mut text = String::from("version = 1\n");
    for table in [
        "[server]",
        "[cache]",
        "[control]",
        "[metrics]",
        "[log]",
        "[[listener]]",
        "[[acl]]",
        "[[key]]",
        "[[view]]",
        "[[zone]]",
        "[[endpoint]]",
        "[[rule]]",
        "[aws]",
        "[aws.inbound]",
        "[aws.outbound]",
        "[[aws.endpoint]]",
        "[[aws.rule]]",
        "[aws.client_vpn]",
        "[[aws.query_log]]",
        "[[aws.vpc]]",
        "[[aws.subnet]]",
    ] {
        text.push_str(&format!("{table}\n{strange}"));
    }
    let loaded = Folder::new(&[("dnsfwd.toml", &text)]).load();
    let helps =
        loaded.diagnostics.iter().filter(|fault| fault.code == "unknown-key").map(|fault| &fault.help);
    let names = |help: &String| help.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    // Those of a view or of AWS that are tables are shown as such.
    let tables = ["rule", "zone", "inbound", "outbound", "client_vpn", "query_log", "subnet"];
    let keys: Vec<String> = helps.flat_map(names).filter(|key| !tables.contains(&key.as_str())).collect();
    assert!(keys.len() > 25, "{keys:?}");
    keys
}

#[test]
fn hybrid() {
    let config = example("examples/hybrid.toml");
    let domains: Vec<String> = config.rules.iter().map(|rule| rule.name().to_string()).collect();
    assert_eq!(domains, ["awsanycompany.corp", "0.10.in-addr.arpa", "ap-northeast-2.compute.internal", "."]);
    let endpoints: Vec<&str> = config.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    assert_eq!(endpoints, ["aws-inbound", "public"]);
    assert_eq!(config.rules.at(3).action, RuleAction::Forward { endpoint: 1 });
    assert_eq!(config.server.system, Some(1));
    assert_eq!(config.zones[0].name.to_string(), "anycompany.corp");
    assert_eq!(file_of(&config.zones[0]), conf("examples/anycompany.corp.zone"));
}

#[test]
fn aws() {
    let loaded = load_from(&conf("examples/aws.toml"));
    // As for any file with a rule for all names.
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(codes, ["private-reverse"], "{}", render(&loaded.diagnostics, false));
    let config = loaded.config.unwrap();
    let aws = config.aws.as_ref().unwrap();
    assert_eq!((aws.endpoints.len(), aws.rules.len(), aws.client_vpns.len()), (2, 3, 1));
    let asked: Vec<String> =
        config.endpoints[0].targets.iter().map(|target| target.address.to_string()).collect();
    assert_eq!(asked, ["10.0.1.250:53", "10.0.2.250:53"]);
}

#[test]
fn views() {
    let config = example("examples/views.toml");
    let views: Vec<(&str, usize, bool)> =
        config.views.iter().map(|view| (view.name.as_str(), view.rules.len(), view.inherit)).collect();
    assert_eq!(views, [("client-vpn", 1, true), ("laboratory", 1, false)]);
    let of_vpn = |client: [u8; 4]| config.views[0].clients.allows(client.into());
    assert!(of_vpn([10, 200, 1, 1]) && !of_vpn([10, 200, 9, 1]));
}

#[test]
fn client_vpn() {
    let config = example("examples/client-vpn.toml");
    assert!(config.rules.iter().any(|rule| rule.action == RuleAction::System));
    assert_eq!(config.server.system, Some(0));
}
