//! Route 53 Resolver's lists and looks: all pages, through the gate, as the SDK's types. Changes nothing.

use std::error::Error;

use aws_sdk_route53resolver::Client;
use aws_sdk_route53resolver::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53resolver::types::{
    Filter, IpAddressResponse, ResolverEndpoint, ResolverQueryLogConfig, ResolverQueryLogConfigAssociation,
    ResolverRule, ResolverRuleAssociation,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::calls::Calls;
use super::errors::{of_sdk, unreadable};
use super::map;
use crate::aws::plan::step::Tags;
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::Switch;
use crate::limits::AWS_PAGES;

pub(super) struct Resolver {
    pub sdk: Client,
    pub calls: Calls,
    /// How many things one page may have.
    pub page: i32,
}

/// Where a list stands.
struct Pages {
    operation: &'static str,
    token: Option<String>,
    count: usize,
}

impl Pages {
    fn of(operation: &'static str) -> Pages {
        Pages { operation, token: None, count: 0 }
    }

    /// Whether there is another page.
    fn go_on(&mut self, next: Option<String>) -> Result<bool, Trouble> {
        self.count += 1;
        let next = next.filter(|token| !token.is_empty());
        if next.is_some() && (self.count >= AWS_PAGES || next == self.token) {
            return Err(unreadable(self.operation, "", "the list has no end"));
        }
        self.token = next;
        Ok(self.token.is_some())
    }
}

/// Reads all pages of one list into one `Vec`.
macro_rules! all_pages {
    ($self:ident, $operation:literal, $subject:expr, $request:ident, $items:ident, |$builder:ident| $with:expr) => {{
        let mut all = Vec::new();
        let mut pages = Pages::of($operation);
        loop {
            let page = $self.call($operation, $subject, async || {
                let $builder = $self.sdk.$request().max_results($self.page);
                $with.set_next_token(pages.token.clone()).send().await
            });
            let page = page.await?;
            let next = page.next_token().map(str::to_owned);
            all.extend(page.$items.unwrap_or_default());
            if !pages.go_on(next)? {
                break Ok(all);
            }
        }
    }};
}

impl Resolver {
    /// One request, sent until it is answered.
    pub(super) async fn call<T, E>(
        &self,
        operation: &str,
        subject: impl AsRef<str>,
        send: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, Trouble>
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let subject = subject.as_ref();
        self.calls.patiently(async || send().await.map_err(|error| of_sdk(operation, subject, &error))).await
    }

    pub(super) async fn endpoints(&self, filter: Option<Filter>) -> Result<Vec<ResolverEndpoint>, Trouble> {
        all_pages!(self, "ListResolverEndpoints", "", list_resolver_endpoints, resolver_endpoints, |list| {
            list.set_filters(filter.clone().map(|filter| vec![filter]))
        })
    }

    /// Of one endpoint. None: there is no such endpoint.
    pub(super) async fn addresses(&self, endpoint: &str) -> Result<Option<Vec<IpAddressResponse>>, Trouble> {
        let subject = format!("endpoint {endpoint}");
        let all: Result<Vec<IpAddressResponse>, Trouble> = async {
            all_pages!(
                self,
                "ListResolverEndpointIpAddresses",
                &subject,
                list_resolver_endpoint_ip_addresses,
                ip_addresses,
                |list| list.resolver_endpoint_id(endpoint)
            )
        }
        .await;
        present(all)
    }

    pub(super) async fn rules(&self, filter: Option<Filter>) -> Result<Vec<ResolverRule>, Trouble> {
        all_pages!(self, "ListResolverRules", "", list_resolver_rules, resolver_rules, |list| list
            .set_filters(filter.clone().map(|filter| vec![filter])))
    }

    /// None: there is no such rule.
    pub(super) async fn rule(&self, id: &str) -> Result<Option<ResolverRule>, Trouble> {
        let answer = self.call("GetResolverRule", format!("rule {id}"), async || {
            self.sdk.get_resolver_rule().resolver_rule_id(id).send().await
        });
        Ok(present(answer.await)?.and_then(|answer| answer.resolver_rule))
    }

    pub(super) async fn associations(
        &self,
        filters: Vec<Filter>,
    ) -> Result<Vec<ResolverRuleAssociation>, Trouble> {
        let filters = Some(filters).filter(|filters| !filters.is_empty());
        all_pages!(
            self,
            "ListResolverRuleAssociations",
            "",
            list_resolver_rule_associations,
            resolver_rule_associations,
            |list| list.set_filters(filters.clone())
        )
    }

    pub(super) async fn query_logs(
        &self,
        filter: Option<Filter>,
    ) -> Result<Vec<ResolverQueryLogConfig>, Trouble> {
        all_pages!(
            self,
            "ListResolverQueryLogConfigs",
            "",
            list_resolver_query_log_configs,
            resolver_query_log_configs,
            |list| list.set_filters(filter.clone().map(|filter| vec![filter]))
        )
    }

    pub(super) async fn query_log_associations(
        &self,
    ) -> Result<Vec<ResolverQueryLogConfigAssociation>, Trouble> {
        all_pages!(
            self,
            "ListResolverQueryLogConfigAssociations",
            "",
            list_resolver_query_log_config_associations,
            resolver_query_log_config_associations,
            |list| list
        )
    }

    pub(super) async fn tags(&self, arn: &str) -> Result<Tags, Trouble> {
        let tags: Result<Vec<_>, Trouble> = async {
            all_pages!(self, "ListTagsForResource", arn, list_tags_for_resource, tags, |list| list
                .resource_arn(arn))
        }
        .await;
        // It may have gone since it was listed.
        let tags = present(tags)?.unwrap_or_default();
        Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    /// A VPC's validation of DNSSEC: off until somebody has set it (Route 53 Developer Guide).
    pub(super) async fn dnssec_validation(&self, vpc: &str) -> Result<Switch, Trouble> {
        let answer = self.call("GetResolverDnssecConfig", format!("VPC {vpc}"), async || {
            self.sdk.get_resolver_dnssec_config().resource_id(vpc).send().await
        });
        let config = present(answer.await)?.and_then(|answer| answer.resolver_dnssec_config);
        let status = config.as_ref().and_then(|config| config.validation_status());
        Ok(map::switch(status.map_or("DISABLED", |status| status.as_str()), false))
    }

    /// A VPC's own reverse rules: there until somebody has removed them (Route 53 Developer Guide).
    pub(super) async fn autodefined_reverse(&self, vpc: &str) -> Result<Switch, Trouble> {
        let answer = self.call("GetResolverConfig", format!("VPC {vpc}"), async || {
            self.sdk.get_resolver_config().resource_id(vpc).send().await
        });
        let config = present(answer.await)?.and_then(|answer| answer.resolver_config);
        let status = config.as_ref().and_then(|config| config.autodefined_reverse());
        Ok(map::switch(status.map_or("ENABLED", |status| status.as_str()), true))
    }
}

/// For lists: one filter, one value.
pub(super) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// What isn't there is no trouble for who looks.
fn present<T>(answer: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(trouble) if trouble.kind == Kind::NotFound => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_gives_the_same_page_again_has_no_end() {
        let mut pages = Pages::of("ListResolverRules");
        assert_eq!(pages.go_on(Some("a".into())), Ok(true));
        assert_eq!(pages.go_on(Some("b".into())), Ok(true));
        assert!(pages.go_on(Some("b".into())).is_err());
        assert_eq!(pages.go_on(None), Ok(false));
    }
}
