//! What is ours, and how it is called: marks that are the same in each run, so that a repeated request makes nothing
//! twice and the next run finds what an earlier one made.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::world::OWNER_TAG;

/// Whose things a run may change: the `owner` of `[aws]`.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a>(pub &'a str);

impl Owner<'_> {
    /// A CreatorRequestId (1 to 255 characters): our mark, the name that the file has for it, and a digest of what
    /// can't be changed later. So another type or domain of the same name is another request, and a replaced thing
    /// never meets its own predecessor's ID. `kind` is one word.
    pub fn request_id(self, kind: &str, name: &str, immutable: &[&str]) -> String {
        let mut digest = Sha256::new();
        for part in immutable {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let mut id = format!("{}{kind}:{name}:", self.prefix());
        for octet in &digest.finalize()[..6] {
            // Writing to a string can't fail.
            let _ = write!(id, "{octet:02x}");
        }
        id
    }

    /// With which all our CreatorRequestIds begin.
    fn prefix(self) -> String {
        format!("dnsfwd:{}:", self.0)
    }

    /// Made by us, or taken over.
    pub fn owns(self, creator_request_id: &str, tags: &BTreeMap<String, String>) -> bool {
        self.made(creator_request_id) || self.tagged(tags)
    }

    /// By a run with the same owner.
    pub fn made(self, creator_request_id: &str) -> bool {
        creator_request_id.starts_with(&self.prefix())
    }

    /// Whose else it is: it was made or taken over by a run with another owner, and not by one with ours.
    pub fn another<'t>(
        self,
        creator_request_id: &'t str,
        tags: &'t BTreeMap<String, String>,
    ) -> Option<&'t str> {
        if self.owns(creator_request_id, tags) {
            return None;
        }
        let maker = || creator_request_id.strip_prefix("dnsfwd:")?.split(':').next();
        tags.get(OWNER_TAG).map(String::as_str).or_else(maker)
    }

    pub fn tagged(self, tags: &BTreeMap<String, String>) -> bool {
        tags.get(OWNER_TAG).is_some_and(|owner| owner == self.0)
    }

    /// Of a security group or a resource share.
    pub fn name_of(self, what: &str) -> String {
        format!("dnsfwd-{}-{what}", self.0)
    }

    /// The description of a route or an authorization of a Client VPN. A space ends our mark, so that an owner whose
    /// name begins alike is somebody else.
    pub fn describe(self, what: &str) -> String {
        format!("dnsfwd-{} {what}", self.0)
    }

    /// Whether a description has our mark.
    pub fn described(self, description: &str) -> bool {
        description
            .strip_prefix("dnsfwd-")
            .and_then(|rest| rest.strip_prefix(self.0))
            .is_some_and(|rest| rest.starts_with(' '))
    }

    /// The tags of something of ours: the mark beside those that are wanted.
    pub fn tags(self, wanted: [&BTreeMap<String, String>; 2]) -> BTreeMap<String, String> {
        let mut tags: BTreeMap<String, String> =
            wanted.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        tags.insert(OWNER_TAG.to_owned(), self.0.to_owned());
        tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_tells_owner_kind_and_what_can_not_change() {
        let owner = Owner("anycompany-dns");
        let id = owner.request_id("rule", "anycompany-corp", &["FORWARD", "anycompany.corp."]);
        assert!(owner.made(&id));
        assert_eq!(id, owner.request_id("rule", "anycompany-corp", &["FORWARD", "anycompany.corp."]));
        assert_ne!(id, owner.request_id("rule", "anycompany-corp", &["SYSTEM", "anycompany.corp."]));
        assert!(!Owner("anycompany").made(&id), "an owner whose name begins alike is somebody else");
    }
}
