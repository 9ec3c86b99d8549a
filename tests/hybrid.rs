//! The whole hybrid from one file: `dnsfwd aws apply` makes endpoints and rules in the stand-in for AWS, servers of ours
//! play the VPC's resolver by what the API says then, and the forwarder on-premises runs on the file that the provisioner
//! went by. In a network namespace of its own, on the addresses and the port that all of them have in earnest.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::aws::{REGION, SUBNETS, VPC};
use common::dnsfwd::binary;
use common::message::{A, NOERROR, NXDOMAIN};
use common::servers::COMPANY;
use common::{Aws, Dnsfwd, Message, Net, Output, Parsed, Setup, Udp, ask, eventually, parse, run_within};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const HERE: &str = "192.168.2.250:53";
/// The second server on-premises, which nobody has plugged in.
const DEAD: &str = "192.168.2.251";
const INBOUND: [&str; 2] = ["10.20.1.250", "10.20.2.250"];
const CLOUD: &str = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 10.20.1.250\n\
                     web1 A 10.20.10.10\n*.wild A 10.20.30.30\n";

/// The one file.
fn file(net: &Net) -> Setup {
    let [a, b, c] = SUBNETS;
    let mut setup = Setup::new(net)
        .no_cache()
        .zone(net, COMPANY.0, COMPANY.1)
        .body("[[endpoint]]\nname = \"aws-inbound\"\naws = \"inbound\"")
        .rule("awsanycompany.corp", "aws-inbound")
        .body(&format!(
            "[aws]\nregion = \"{REGION}\"\nowner = \"anycompany-dns\"\n\
             [aws.inbound]\nname = \"anycompany-inbound\"\nvpc = \"{VPC}\"\n\
             addresses = [{{ subnet = \"{a}\", ip = \"{}\" }}, {{ subnet = \"{b}\", ip = \"{}\" }}]\n\
             security_group = {{ allow = [\"192.168.0.0/16\"] }}\n\
             [aws.outbound]\nname = \"anycompany-outbound\"\nvpc = \"{VPC}\"\n\
             addresses = [{{ subnet = \"{b}\" }}, {{ subnet = \"{c}\" }}]\n\
             security_group = {{ allow = [] }}\n\
             [[aws.rule]]\ndomain = \"anycompany.corp\"\ntype = \"FORWARD\"\n\
             targets = [\"192.168.2.250\", \"{DEAD}\"]\nvpcs = [\"{VPC}\"]",
            INBOUND[0], INBOUND[1]
        ));
    setup.listen = vec![HERE.into()];
    setup.metrics = "192.168.2.250:9153".parse().unwrap();
    setup
}

fn provision(aws: &Aws, net: &Net, arguments: &[&str]) -> Output {
    let mut command = aws.command(binary());
    command.arg("--config").arg(net.folder().join("dnsfwd.toml")).arg("aws").args(arguments);
    run_within(Duration::from_secs(90), &mut command)
}

/// The addresses of the inbound endpoint, as the API gives them.
fn inbound(aws: &Aws) -> Vec<String> {
    let endpoints = aws.resolver("ListResolverEndpoints", &json!({}));
    let endpoints = endpoints["ResolverEndpoints"].as_array().unwrap();
    let inbound = endpoints.iter().find(|one| one["Direction"] == "INBOUND").unwrap();
    assert_eq!(inbound["HostVPCId"], VPC);
    let told = aws.resolver("ListResolverEndpointIpAddresses", &json!({"ResolverEndpointId": inbound["Id"]}));
    let addresses = told["IpAddresses"].as_array().unwrap();
    assert!(addresses.iter().all(|one| one["Status"] == "ATTACHED"), "{addresses:?}");
    let mut ips: Vec<String> = addresses.iter().map(|one| one["Ip"].as_str().unwrap().to_owned()).collect();
    ips.sort();
    ips
}

/// The rules that are associated with the VPC, as a configuration of a server that does the same.
fn rules(aws: &Aws, net: &Net) -> String {
    let associations = aws.resolver("ListResolverRuleAssociations", &json!({}));
    let here = |rule: &Value| {
        let associations = associations["ResolverRuleAssociations"].as_array().unwrap();
        associations.iter().any(|one| one["ResolverRuleId"] == rule["Id"] && one["VPCId"] == VPC)
    };
    let mut told = aws.resolver("ListResolverRules", &json!({}));
    let rules: Vec<Value> =
        told["ResolverRules"].as_array().unwrap().iter().filter(|r| here(r)).cloned().collect();
    // AWS's own for all other names is among them.
    assert!(rules.iter().any(|rule| rule["DomainName"] == "anycompany.corp."), "{told}");
    told["ResolverRules"] = json!(rules);
    let source = net.write("rules.json", &told.to_string());
    let out = net.folder().join("imported");
    let mut command = Command::new(binary());
    let imported =
        run_within(SOON, command.args(["import", "--from", "route53", "--out"]).arg(&out).arg(&source));
    let text = std::fs::read_to_string(out.join("dnsfwd.toml"));
    let text = text.unwrap_or_else(|_| panic!("nothing was imported: {}", imported.all()));
    text.replace("version = 1\n", "")
}

/// What answers at one address of the inbound endpoint.
fn resolver_at(ip: &str, rules: &str) -> (Net, Dnsfwd) {
    let net = Net::in_namespace();
    let mut setup = Setup::new(&net).no_cache().zone(&net, "awsanycompany.corp", CLOUD).body(rules);
    setup.listen = vec![format!("{ip}:53")];
    setup.metrics = format!("{ip}:9153").parse().unwrap();
    let dns = setup.start(&net);
    (net, dns)
}

fn asked(server: &str, name: &str) -> Parsed {
    let server: SocketAddr = server.parse().unwrap();
    ask(server, &Message::query(name, A))
}

fn assert_no_loop(dns: &Dnsfwd) {
    assert_eq!(dns.json(&["status"])["loops"], json!([]));
}

#[test]
fn one_file_makes_both_sides_and_names_resolve_in_both_directions() {
    common::aws::prepare();
    Net::enter(&["10.20.0.1/16", "192.168.2.250/32"]);
    let aws = Aws::start();
    aws.seed_network();
    let net = Net::in_namespace();
    let setup = file(&net);
    net.write("dnsfwd.toml", &setup.text(&net));

    let applied = provision(&aws, &net, &["apply", "--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.all());
    assert_eq!(inbound(&aws), INBOUND);
    let rules = rules(&aws, &net);
    let mut cloud: Vec<(Net, Dnsfwd)> = inbound(&aws).iter().map(|ip| resolver_at(ip, &rules)).collect();
    let here = setup.start(&net);

    // From on-premises to the cloud, and through either address from the cloud to on-premises.
    assert_eq!(asked(HERE, "web1.awsanycompany.corp").addresses(), ["10.20.10.10"]);
    for ip in INBOUND {
        let server = format!("{ip}:53");
        assert_eq!(asked(&server, "websrv.anycompany.corp").addresses(), ["192.168.2.10"], "by {ip}");
        assert_eq!(asked(&server, "web1.awsanycompany.corp").addresses(), ["10.20.10.10"], "by {ip}");
        assert_eq!(asked(&server, "nowhere.anycompany.corp").rcode(), NXDOMAIN, "by {ip}");
    }
    assert_eq!(asked(HERE, "nowhere.awsanycompany.corp").rcode(), NXDOMAIN);
    assert_eq!(asked(HERE, "www.anycompany.corp").addresses(), ["192.168.2.10"]);

    let probed = provision(&aws, &net, &["status", "--probe"]);
    assert_eq!(probed.code, 0, "{}", probed.all());
    assert!(probed.stdout.contains("both sides answer the same"), "{}", probed.all());

    // One address of the endpoint dies while clients ask.
    let (is_over, count) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let socket = Udp::to(HERE.parse().unwrap());
            while !is_over.load(Relaxed) {
                let name = format!("n{}.wild.awsanycompany.corp", count.fetch_add(1, Relaxed));
                let reply = socket.ask(&Message::query(&name, A).bytes());
                let reply = parse(&reply.unwrap_or_else(|| panic!("{name} was lost")));
                assert_eq!((reply.rcode(), reply.addresses().len()), (NOERROR, 1), "{name}");
                thread::sleep(Duration::from_millis(2));
            }
        });
        let more = |what: &str| {
            let then = count.load(Relaxed);
            eventually(SOON, what, || client.is_finished() || count.load(Relaxed) > then + 100);
        };
        more("questions with both addresses");
        cloud[0].1.process.kill();
        more("questions with one address");
        is_over.store(true, Relaxed);
        client.join().unwrap();
    });
    let other = format!("{}:53", INBOUND[1]);
    assert_eq!(asked(&other, "websrv.anycompany.corp").addresses(), ["192.168.2.10"]);

    // Loops would show by now: each server has checked its rules at its start.
    assert_no_loop(&here);
    assert_no_loop(&cloud[1].1);
    let plan = provision(&aws, &net, &["plan"]);
    assert_eq!(plan.code, 0, "{}", plan.all());
    let probed = provision(&aws, &net, &["status", "--probe"]);
    assert_eq!(probed.code, 1, "{}", probed.all());
    let silent = format!("{}: ", INBOUND[0]);
    assert!(probed.stdout.contains(&silent), "the dead address is not named: {}", probed.all());
    assert!(!probed.stdout.contains(&format!("{}: ", INBOUND[1])), "the other one is well: {}", probed.all());
    let status = provision(&aws, &net, &["status"]);
    assert_eq!(status.code, 0, "{}", status.all());
    for ip in INBOUND {
        assert!(status.stdout.contains(ip), "{}", status.all());
    }
}
