//! `[[endpoint]]`: targets, in the order and at the rate that they are asked.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::config::reader::{At, Faults, Table, at, flag, list, some, string, table as table_of, whole};
use crate::config::source::Place;
use crate::config::value::{domain, endpoint_name, expect, label, probe_type, rate, target_address};
use crate::config::{Address, Expect, Probe, Target, defaults};
use crate::wire::rdata::rtype;

/// An order of preference, not a sort key: who needs more than ten steps wants several endpoints.
const TIERS: RangeInclusive<u8> = 0..=9;

pub(in crate::config) struct WrittenEndpoint {
    pub place: Place,
    pub name: Option<At<String>>,
    /// None if a target is wrong or there is no such key, which is reported.
    pub targets: Option<Vec<At<WrittenTarget>>>,
    /// An endpoint of `[aws]` whose addresses are the targets.
    pub aws: Option<At<String>>,
    pub client_subnet: bool,
    pub probe: Option<Probe>,
    /// For its targets that don't say otherwise.
    pub rate: Option<u32>,
}

impl WrittenEndpoint {
    /// Where its name stands, or the table if it has none.
    pub fn named_at(&self) -> &Place {
        self.name.as_ref().map_or(&self.place, |name| &name.place)
    }
}

pub(in crate::config) struct WrittenTarget {
    pub address: Address,
    pub az: Option<String>,
    pub tier: u8,
    /// 0: no bound. None: as the endpoint says.
    pub rate: Option<u32>,
}

impl WrittenTarget {
    /// `rate` is the endpoint's.
    pub fn to_target(&self, rate: Option<u32>) -> Target {
        let rate = self.rate.or(rate).filter(|&rate| rate > 0);
        Target { address: self.address.clone(), az: self.az.clone(), tier: self.tier, rate }
    }
}

pub(super) fn endpoint(table: &mut Table<'_>, faults: &mut Faults) -> WrittenEndpoint {
    let name = at(string("\"aws-inbound\"", endpoint_name));
    let name = table.required("name", "name = \"aws-inbound\"", name, faults);
    let one = at(table_of("a target", "{ address = \"10.0.1.250\" }", target));
    let targets = some(list(one), "write at least one target: { address = \"10.0.1.250\" }");
    let example = "targets = [{ address = \"10.0.1.250\" }]";
    let aws = table.optional("aws", at(string("\"inbound\"", |text| Ok(text.to_owned()))), faults);
    let targets = match &aws {
        None => table.required("targets", example, targets, faults),
        Some(_) => {
            if let Some(place) = table.key_place("targets") {
                let help = "keep `aws`, whose addresses follow those of the endpoint there, or `targets`";
                faults.error("aws-or-targets", &place, "an endpoint has either `targets` or `aws`", help);
            }
            table.optional("targets", targets, faults);
            None
        }
    };
    WrittenEndpoint {
        place: table.place.clone(),
        name,
        targets: targets.and_then(|targets| targets.into_iter().map(sound).collect()),
        aws,
        client_subnet: table.optional("client_subnet", flag, faults).unwrap_or(defaults::CLIENT_SUBNET),
        probe: table
            .optional("probe", table_of("`probe`", "{ name = \"health.corp.example\" }", probe), faults)
            .flatten(),
        rate: table.optional("rate", rate, faults),
    }
}

fn target(table: &mut Table<'_>, faults: &mut Faults) -> Option<WrittenTarget> {
    let address = string("\"10.0.1.250\"", target_address);
    let address = table.required("address", "address = \"10.0.1.250\"", address, faults);
    let az = table.optional("az", string("\"ap-northeast-2a\"", label), faults);
    let tier = table.optional("tier", whole(TIERS), faults).unwrap_or(defaults::TIER);
    let rate = table.optional("rate", rate, faults);
    Some(WrittenTarget { address: address?, az, tier, rate })
}

/// The type is that of the expected address unless written, and else A.
fn probe(table: &mut Table<'_>, faults: &mut Faults) -> Option<Probe> {
    let name = string("\"health.corp.example\"", domain);
    let name = table.required("name", "name = \"health.corp.example\"", name, faults);
    let rtype = table.optional("type", at(string("\"A\"", probe_type)), faults);
    let expect = table.optional("expect", string("\"answer\"", expect), faults).unwrap_or(defaults::EXPECT);
    let wanted = match expect {
        Expect::Address(IpAddr::V6(_)) => rtype::AAAA,
        _ => rtype::A,
    };
    if let (Expect::Address(address), Some(At { value, place })) = (expect, &rtype)
        && *value != wanted
    {
        let word = if address.is_ipv4() { "A" } else { "AAAA" };
        let message = format!("a probe of this type can't be answered with {address}");
        faults.error("probe-type", place, message, format!("write type = \"{word}\", or leave it out"));
    }
    Some(Probe { name: name?, rtype: rtype.map_or(wanted, |rtype| rtype.value), expect })
}

fn sound<T>(item: At<Option<T>>) -> Option<At<T>> {
    let place = item.place;
    item.value.map(|value| At { value, place })
}
