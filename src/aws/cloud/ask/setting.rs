//! What a VPC is set to, and tags.

use aws_sdk_route53resolver::types::{AutodefinedReverseFlag, Validation};

use super::unless;
use crate::aws::cloud::amazon::Amazon;
use crate::aws::cloud::map;
use crate::aws::plan::step::Tags;
use crate::aws::trouble::{Kind, Trouble};

impl Amazon {
    pub(super) async fn set_dnssec_validation(&self, vpc: &str, on: bool) -> Result<(), Trouble> {
        let validation = if on { Validation::Enable } else { Validation::Disable };
        let answer = self.resolver.call("UpdateResolverDnssecConfig", format!("VPC {vpc}"), async || {
            let request = self.resolver.sdk.update_resolver_dnssec_config();
            request.resource_id(vpc).validation(validation.clone()).send().await
        });
        answer.await.map(drop)
    }

    pub(super) async fn set_autodefined_reverse(&self, vpc: &str, on: bool) -> Result<(), Trouble> {
        let flag = if on { AutodefinedReverseFlag::Enable } else { AutodefinedReverseFlag::Disable };
        let answer = self.resolver.call("UpdateResolverConfig", format!("VPC {vpc}"), async || {
            let request = self.resolver.sdk.update_resolver_config();
            request.resource_id(vpc).autodefined_reverse_flag(flag.clone()).send().await
        });
        answer.await.map(drop)
    }

    pub(super) async fn tag(&self, arn: &str, tags: &Tags) -> Result<(), Trouble> {
        let tags = map::sdk_tags(tags)?;
        let answer = self.resolver.call("TagResource", arn, async || {
            self.resolver.sdk.tag_resource().resource_arn(arn).set_tags(Some(tags.clone())).send().await
        });
        answer.await.map(drop)
    }

    /// What is gone has no tags.
    pub(super) async fn untag(&self, arn: &str, keys: &[String]) -> Result<(), Trouble> {
        let answer = self.resolver.call("UntagResource", arn, async || {
            let request = self.resolver.sdk.untag_resource().resource_arn(arn);
            request.set_tag_keys(Some(keys.to_vec())).send().await
        });
        unless(answer.await, Kind::NotFound)
    }
}
