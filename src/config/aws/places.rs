//! Where what is in an `Aws` was written, by the same indices: for checks that have something to say of it. Knows
//! nothing of what is written there.

use crate::config::source::Place;

pub(in crate::config) struct Places {
    pub table: Place,
    pub endpoints: Vec<EndpointPlaces>,
    pub rules: Vec<RulePlaces>,
    pub client_vpns: Vec<VpnPlaces>,
    /// Of their IDs.
    pub vpcs: Vec<Place>,
    /// Of their IDs.
    pub subnets: Vec<Place>,
}

pub(in crate::config) struct EndpointPlaces {
    pub name: Place,
    pub addresses: Vec<Place>,
    /// The name's if it was left out.
    pub security_group: Place,
}

pub(in crate::config) struct RulePlaces {
    /// Of the domain or delegation record.
    pub domain: Place,
    pub targets: Vec<Place>,
    pub endpoint: Option<Place>,
}

pub(in crate::config) struct VpnPlaces {
    pub endpoint: Place,
    pub servers: Place,
    /// `authorize` is written, whatever it says.
    pub says_authorize: bool,
}
