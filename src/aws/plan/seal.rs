//! What makes a plan one that was shown: its hash, and the digest of what was wanted.

use std::fmt::{self, Write};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Plan;
use crate::config::Location;
use crate::config::aws::Aws;

/// A plan whose content isn't what its hash was made of, or whose form isn't ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tampered {
    /// Another version of this program wrote it.
    Format(u32),
    Hash,
}

impl fmt::Display for Tampered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tampered::Format(format) => {
                write!(f, "the plan has the form {format}, and this version knows {}", super::FORMAT)
            }
            Tampered::Hash => f.write_str("the plan was changed after it was made: its hash doesn't fit"),
        }
    }
}

impl std::error::Error for Tampered {}

impl Plan {
    /// With the hash over all else.
    pub fn sealed(mut self) -> Plan {
        self.hash = self.digest();
        self
    }

    /// Whether it is still as it was sealed.
    ///
    /// # Errors
    /// If something in it was changed, or another version wrote it.
    pub fn verify(&self) -> Result<(), Tampered> {
        if self.format != super::FORMAT {
            return Err(Tampered::Format(self.format));
        }
        if self.hash == self.digest() { Ok(()) } else { Err(Tampered::Hash) }
    }

    fn digest(&self) -> String {
        let bare = Plan { hash: String::new(), ..self.clone() };
        // Maps have text for keys and numbers are finite: there is nothing that JSON can't hold. An empty text would
        // never fit a hash.
        hex(&serde_json::to_vec(&bare).unwrap_or_default())
    }
}

/// What is wanted, as a digest: the same for the same wishes, wherever in the files they stand. How AWS is reached
/// and followed is no wish.
pub(super) fn wanted(aws: &Aws) -> String {
    let nowhere = Location { file: Arc::from(Path::new("")), line: 0, column: 0 };
    let mut bare =
        Aws { profile: None, follow: None, follow_rules: None, place: nowhere.clone(), ..aws.clone() };
    for endpoint in &mut bare.endpoints {
        endpoint.place = nowhere.clone();
        endpoint.addresses.iter_mut().for_each(|address| address.place = nowhere.clone());
    }
    bare.rules.iter_mut().for_each(|rule| rule.place = nowhere.clone());
    bare.client_vpns.iter_mut().for_each(|vpn| vpn.place = nowhere.clone());
    bare.query_logs.iter_mut().for_each(|log| log.place = nowhere.clone());
    bare.vpcs.iter_mut().for_each(|vpc| vpc.place = nowhere.clone());
    bare.subnets.iter_mut().for_each(|subnet| subnet.place = nowhere.clone());
    hex(format!("{bare:?}").as_bytes())
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for octet in Sha256::digest(octets) {
        // Writing to a string can't fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}
