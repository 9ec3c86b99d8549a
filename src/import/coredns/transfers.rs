//! Zones that CoreDNS transfers, from others and to others: `secondary` and `transfer`.

use super::block::{Plugin, Whole};
use super::plugins::{Answered, address, zones};
use crate::import::draft::{Target, Value};
use crate::import::plan::target;
use crate::wire::name::Name;

/// `secondary [ZONE...] { transfer from ADDRESS... }`
pub(super) fn secondary(whole: &mut Whole, block: &mut Answered, plugin: &Plugin) {
    let texts: Vec<&str> = plugin.node.arguments().collect();
    let zones = zones(whole, block.at, &texts, plugin);
    let mut primaries: Vec<Target> = Vec::new();
    for line in plugin.node.lines() {
        let words: Vec<&str> = line.arguments().collect();
        let ("transfer", ["from", from @ ..]) = (line.name(), words.as_slice()) else { continue };
        for text in from {
            match address(text).and_then(target) {
                Some(primary) if primaries.contains(&primary) => {}
                Some(primary) => primaries.push(primary),
                None => {
                    let why = format!("`{text}` is not the address of a server that can be asked");
                    whole.plan.refused(&plugin.said, why, "write ADDRESS:PORT");
                }
            }
        }
    }
    for zone in zones {
        let made = match primaries.is_empty() {
            true => Err("it names no primary (transfer from)".to_owned()),
            false => whole.plan.secondary(&plugin.said, &zone, &primaries),
        };
        match made {
            Ok(()) => {
                let key = format!("[[zone]] {zone} with primaries; its copy is kept in [server] state");
                whole.plan.translated(&plugin.said, key);
                block.closed.push(zone);
            }
            Err(why) => whole.plan.refused(&plugin.said, why, "write a [[zone]] with `primaries`"),
        }
    }
}

/// `transfer [ZONE...] { to ADDRESS... }`: who may copy the zones of the block, and is told of changes; `*` may, and is
/// not told.
pub(super) fn transfer(whole: &mut Whole, block: &Answered, plugin: &Plugin) {
    if whole.blocks[block.at].all("tsig").next().is_some() {
        let why = "who may transfer has to sign with a key of the plugin tsig, which is not carried over";
        return whole.plan.refused(
            &plugin.said,
            why,
            "write the keys into allow_transfer of [[zone]]: key:NAME",
        );
    }
    let texts: Vec<&str> = plugin.node.arguments().collect();
    let named = zones(whole, block.at, &texts, plugin);
    let (mut allowed, mut told) = (Vec::new(), Vec::new());
    for text in
        plugin.node.lines().iter().filter(|line| line.name() == "to").flat_map(|line| line.arguments())
    {
        match (text, address(text)) {
            ("*", _) => allowed = vec!["any".to_owned()],
            (_, Some(to)) => {
                if allowed != ["any"] {
                    allowed.push(to.ip().to_string());
                }
                told.extend(target(to).map(|target| target.address));
            }
            (_, None) => {
                let why = format!("`{text}` is no address");
                whole.plan.refused(&plugin.said, why, "write it into allow_transfer of [[zone]]");
            }
        }
    }
    let whole_zones = whole.plan.whole_zones();
    let served = |zone: &&Name| whole_zones.contains(zone) && named.iter().any(|above| zone.is_within(above));
    let served: Vec<Name> = block.closed.iter().filter(served).cloned().collect();
    for zone in &served {
        if !allowed.is_empty() {
            whole.plan.zone_key(zone, &plugin.said, "allow_transfer", Value::texts(allowed.clone()));
        }
        if !told.is_empty() {
            whole.plan.zone_key(zone, &plugin.said, "notify", Value::texts(told.clone()));
        }
        whole.plan.translated(&plugin.said, format!("allow_transfer and notify of [[zone]] {zone}"));
    }
    if served.is_empty() {
        whole.plan.not_needed(&plugin.said, "no zone of the block is one that could be transferred");
    }
}
