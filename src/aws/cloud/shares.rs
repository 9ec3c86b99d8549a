//! Resource shares: how rules come to other accounts. One share carries one rule. Touches none that lacks our mark.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::ram::{Page, Ram};
use crate::aws::plan::step::Tags;
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::{OWNER_TAG, Share, State};

const RESOURCE: &str = "RESOURCE";
const PRINCIPAL: &str = "PRINCIPAL";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    resource_share_arn: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    tags: Vec<ToldTag>,
}

#[derive(Deserialize)]
struct ToldTag {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shares {
    #[serde(default)]
    resource_shares: Vec<Told>,
    next_token: Option<String>,
}

impl Page for Shares {
    type Item = Told;
    fn into_parts(self) -> (Vec<Told>, Option<String>) {
        (self.resource_shares, self.next_token)
    }
}

/// A resource or principal of a share.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub resource_share_arn: String,
    #[serde(default)]
    pub associated_entity: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub status_message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts {
    #[serde(default)]
    resource_share_associations: Vec<Part>,
    next_token: Option<String>,
}

impl Page for Parts {
    type Item = Part;
    fn into_parts(self) -> (Vec<Part>, Option<String>) {
        (self.resource_share_associations, self.next_token)
    }
}

/// What is there of it, or will be.
fn is_part(part: &Part) -> bool {
    matches!(part.status.as_str(), "ASSOCIATED" | "ASSOCIATING")
}

impl Ram {
    /// Those that carry this owner's mark.
    pub(super) async fn shares(&self, owner: &str) -> Result<BTreeMap<String, Share>, Trouble> {
        let marked = json!([{"tagKey": OWNER_TAG, "tagValues": [owner]}]);
        let told = self.told(json!({"resourceOwner": "SELF", "tagFilters": marked})).await?;
        let mut shares: BTreeMap<String, Share> = told.into_iter().map(share).collect();
        let arns: Vec<String> = shares.keys().cloned().collect();
        for part in self.resources_of(&arns).await?.into_iter().filter(is_part) {
            if let Some(share) = shares.get_mut(&part.resource_share_arn) {
                share.resources.push(part.associated_entity);
            }
        }
        for part in self.principals_of(&arns).await?.into_iter().filter(is_part) {
            if let Some(share) = shares.get_mut(&part.resource_share_arn) {
                share.principals.push(part.associated_entity);
            }
        }
        for share in shares.values_mut() {
            share.resources.sort();
            share.principals.sort();
        }
        Ok(shares)
    }

    /// A deleted share is listed for some time.
    async fn told(&self, wanted: Value) -> Result<Vec<Told>, Trouble> {
        let mut told = self.list::<Shares>("GetResourceShares", wanted).await?;
        told.retain(|share| share.status != "DELETED");
        Ok(told)
    }

    /// Status of each of these, in the API's word; one that is gone is not in it.
    pub(super) async fn share_states(&self) -> Result<BTreeMap<String, String>, Trouble> {
        let told = self.told(json!({"resourceOwner": "SELF"})).await?;
        Ok(told.into_iter().map(|share| (share.resource_share_arn, share.status)).collect())
    }

    pub(super) async fn resources_of(&self, shares: &[String]) -> Result<Vec<Part>, Trouble> {
        self.parts(RESOURCE, shares).await
    }

    pub(super) async fn principals_of(&self, shares: &[String]) -> Result<Vec<Part>, Trouble> {
        self.parts(PRINCIPAL, shares).await
    }

    async fn parts(&self, kind: &str, shares: &[String]) -> Result<Vec<Part>, Trouble> {
        if shares.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = json!({"associationType": kind, "resourceShareArns": shares});
        self.list::<Parts>("GetResourceShareAssociations", wanted).await
    }

    /// The share's ARN. One of this name with our mark is the one that an earlier call has made.
    pub(super) async fn create_share(
        &self,
        name: &str,
        resource: &str,
        principals: &[String],
        tags: &Tags,
    ) -> Result<String, Trouble> {
        let known =
            self.told(json!({"resourceOwner": "SELF", "name": name, "resourceShareStatus": "ACTIVE"}));
        let ours = |share: &Told| tags.get(OWNER_TAG).is_some_and(|owner| share.is_of(owner));
        if let Some(share) = known.await?.into_iter().find(ours) {
            let arn = share.resource_share_arn;
            self.associate(&arn, json!({"resourceArns": [resource], "principals": principals})).await?;
            return Ok(arn);
        }
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let wanted = json!({
            "name": name, "resourceArns": [resource], "principals": principals, "tags": tags,
            "allowExternalPrincipals": true, "clientToken": token(),
        });
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Made {
            resource_share: Told,
        }
        let made: Made = self.ask("CreateResourceShare", &format!("share {name}"), &wanted).await?;
        Ok(made.resource_share.resource_share_arn)
    }

    pub(super) async fn share_with(&self, share: &str, principals: &[String]) -> Result<(), Trouble> {
        self.associate(share, json!({"principals": principals})).await
    }

    /// What is associated already stays so.
    async fn associate(&self, share: &str, mut wanted: Value) -> Result<(), Trouble> {
        wanted["resourceShareArn"] = json!(share);
        wanted["clientToken"] = json!(token());
        let answer = self.ask::<Value>("AssociateResourceShare", &format!("share {share}"), &wanted).await;
        unless(answer, Kind::Exists)
    }

    /// One that is no part of the share fails the request for all: each has its own.
    pub(super) async fn unshare_with(&self, share: &str, principals: &[String]) -> Result<(), Trouble> {
        for principal in principals {
            let wanted =
                json!({"resourceShareArn": share, "principals": [principal], "clientToken": token()});
            let subject = format!("share {share}");
            let answer = self.ask::<Value>("DisassociateResourceShare", &subject, &wanted).await;
            unless(answer, Kind::NotFound)?;
        }
        Ok(())
    }

    pub(super) async fn delete_share(&self, share: &str) -> Result<(), Trouble> {
        let answer = self.delete(share, &token()).await;
        unless(answer, Kind::NotFound)
    }
}

impl Told {
    fn is_of(&self, owner: &str) -> bool {
        self.tags.iter().any(|tag| tag.key == OWNER_TAG && tag.value == owner)
    }
}

fn share(told: Told) -> (String, Share) {
    let share = Share {
        name: told.name,
        state: state(&told.status),
        resources: Vec::new(),
        principals: Vec::new(),
        tags: told.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
    };
    (told.resource_share_arn, share)
}

/// RAM API reference, ResourceShare.
pub(super) fn state(status: &str) -> State {
    match status {
        "ACTIVE" => State::Ready,
        "DELETING" | "DELETED" => State::Going,
        "FAILED" => State::Broken,
        _ => State::Coming,
    }
}

/// RAM takes a request with the same token once; each of our calls has its own, which all its tries share.
fn token() -> String {
    format!("dnsfwd-{:032x}", rand::random::<u128>())
}

fn unless(answer: Result<Value, Trouble>, harmless: Kind) -> Result<(), Trouble> {
    match answer {
        Err(trouble) if trouble.kind != harmless => Err(trouble),
        _ => Ok(()),
    }
}
