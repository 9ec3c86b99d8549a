//! The commonest set-up: one scripted target behind a rule for everything.

use super::client::{ask_raw, parse};
use super::dnsfwd::{Dnsfwd, Setup};
use super::message::{Message, Parsed, essence, hex};
use super::net::Net;
use super::target::{Act, Scripted, Seen};

pub struct Stage {
    pub dns: Dnsfwd,
    pub target: Scripted,
    pub net: Net,
}

impl Stage {
    pub fn new(script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) -> Stage {
        Stage::with(|setup| setup, script)
    }

    pub fn with(
        change: impl FnOnce(Setup) -> Setup,
        script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Stage {
        Stage::with_endpoint("", change, script)
    }

    /// With more lines in the endpoint's table.
    pub fn with_endpoint(
        endpoint: &str,
        change: impl FnOnce(Setup) -> Setup,
        script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Stage {
        let net = Net::new();
        let target = Scripted::start(net.at(10), move |seen| match seen.is_probe() || seen.is_marked() {
            true => vec![Act::Reply(seen.reply().bytes())],
            false => script(seen),
        });
        let setup = change(Setup::new(&net)).endpoint_with("target", &[target.address], endpoint);
        let dns = setup.rule(".", "target").start(&net);
        Stage { dns, target, net }
    }

    pub fn ask(&self, query: &Message) -> Parsed {
        parse(&self.ask_raw(query))
    }

    pub fn ask_raw(&self, query: &Message) -> Vec<u8> {
        ask_raw(self.dns.address, query)
    }

    /// The one query that reached the target for this name.
    pub fn forwarded(&self, name: &str) -> Parsed {
        let asked = self.target.asked(name);
        assert_eq!(asked.len(), 1, "queries for {name} at the target");
        asked[0].parsed()
    }
}

/// A target's whole speech: gives `said` with the query's ID and question put in.
pub fn assert_same_bytes(sent: &[u8], received: &[u8], what: &str) {
    assert!(
        essence(sent) == essence(received),
        "{what}: the reply was changed on its way\nsaid:     {}\nreceived: {}",
        hex(sent),
        hex(received)
    );
}
