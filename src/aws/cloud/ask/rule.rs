//! Rules, their associations with VPCs, and query logging configurations with theirs.

use aws_sdk_route53resolver::types::{
    ResolverQueryLogConfigStatus, ResolverRule, ResolverRuleAssociation, ResolverRuleAssociationStatus,
    ResolverRuleConfig, ResolverRuleStatus,
};

use super::{create_once, id, not_here, unless, unless_so};
use crate::aws::cloud::amazon::Amazon;
use crate::aws::cloud::map;
use crate::aws::cloud::resolver::filter;
use crate::aws::plan::step::{Ref, Step, Tags};
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::Rule;
use crate::config::aws::RuleType;

impl Amazon {
    pub(super) async fn create_rule(&self, step: &Step) -> Result<String, Trouble> {
        let Step::CreateRule { made: _, creator_request_id, name, kind, domain, targets, endpoint, tags } =
            step
        else {
            return Err(not_here(step));
        };
        let endpoint = endpoint.as_ref().map(id).transpose()?.map(str::to_owned);
        let request = self.resolver.sdk.create_resolver_rule().name(name).rule_type(kind.word().into());
        let request = match kind {
            RuleType::Delegate => request.delegation_record(domain),
            RuleType::Forward | RuleType::System => request.domain_name(domain),
        };
        let targets: Vec<_> = targets.iter().map(map::target_address).collect();
        let request = request
            .set_target_ips(Some(targets).filter(|targets| !targets.is_empty()))
            .set_resolver_endpoint_id(endpoint)
            .set_tags(Some(map::sdk_tags(tags)?));
        let subject = format!("rule {name}");
        create_once(
            creator_request_id,
            async |request_id| {
                let send = async || request.clone().creator_request_id(request_id).send().await;
                let made = self.resolver.call("CreateResolverRule", &subject, send).await?;
                Ok(made.resolver_rule().and_then(|one| one.id()).map(str::to_owned))
            },
            |request_id| self.rule_made_by(request_id),
        )
        .await
    }

    async fn rule_made_by(&self, request_id: String) -> Result<Option<String>, Trouble> {
        let found = self.resolver.rules(Some(filter("CreatorRequestId", &request_id))).await?;
        let stays = |one: &ResolverRule| one.status() != Some(&ResolverRuleStatus::Deleting);
        Ok(found.into_iter().find(stays).and_then(|one| one.id))
    }

    /// After an update a rule takes no other one for minutes (RSLVR-00705): also not the same again.
    pub(super) async fn update_rule(&self, step: &Step) -> Result<(), Trouble> {
        let Step::UpdateRule { rule, name, targets, endpoint } = step else { return Err(not_here(step)) };
        let endpoint = endpoint.as_ref().map(id).transpose()?.map(str::to_owned);
        let targets = targets.as_ref().map(|all| all.iter().map(map::target_address).collect());
        let config = ResolverRuleConfig::builder()
            .set_name(name.clone())
            .set_target_ips(targets)
            .set_resolver_endpoint_id(endpoint)
            .build();
        let answer = self.resolver.call("UpdateResolverRule", format!("rule {rule}"), async || {
            let request = self.resolver.sdk.update_resolver_rule();
            request.resolver_rule_id(rule).config(config.clone()).send().await
        });
        unless_so(answer.await, async {
            let told = self.resolver.rule(rule).await?.as_ref().and_then(map::rule);
            Ok(told.is_some_and(|told| is_updated(step, &told)))
        })
        .await
    }

    pub(super) async fn delete_rule(&self, rule: &str) -> Result<(), Trouble> {
        let answer = self.resolver.call("DeleteResolverRule", format!("rule {rule}"), async || {
            self.resolver.sdk.delete_resolver_rule().resolver_rule_id(rule).send().await
        });
        let answer = match answer.await {
            Err(trouble) if trouble.kind == Kind::NotFound => return Ok(()),
            answer => answer,
        };
        unless_so(answer, async {
            let told = self.resolver.rule(rule).await?;
            Ok(told.is_none_or(|one| one.status() == Some(&ResolverRuleStatus::Deleting)))
        })
        .await
    }

    /// None: there is none.
    async fn association_of(
        &self,
        rule: &str,
        vpc: &str,
    ) -> Result<Option<ResolverRuleAssociation>, Trouble> {
        let filters = vec![filter("ResolverRuleId", rule), filter("VPCId", vpc)];
        Ok(self.resolver.associations(filters).await?.into_iter().next())
    }

    /// The same one is there already: which is fine, unless it is on its way out.
    pub(super) async fn associate_rule(&self, rule: &str, vpc: &str, name: &str) -> Result<(), Trouble> {
        let subject = format!("rule {rule} and {vpc}");
        let name = Some(name).filter(|name| !name.is_empty()).map(str::to_owned);
        let answer = self.resolver.call("AssociateResolverRule", &subject, async || {
            let request = self.resolver.sdk.associate_resolver_rule();
            request.resolver_rule_id(rule).vpc_id(vpc).set_name(name.clone()).send().await
        });
        let trouble = match answer.await {
            Err(trouble) if trouble.kind == Kind::Exists => trouble,
            answer => return answer.map(drop),
        };
        let there = self.association_of(rule, vpc).await?;
        if there.is_some_and(|one| one.status() == Some(&ResolverRuleAssociationStatus::Deleting)) {
            let message = "the association is still DELETING".into();
            return Err(Trouble { kind: Kind::Busy, message, ..trouble });
        }
        Ok(())
    }

    pub(super) async fn disassociate_rule(&self, rule: &str, vpc: &str) -> Result<(), Trouble> {
        let subject = format!("rule {rule} and {vpc}");
        let answer = self.resolver.call("DisassociateResolverRule", &subject, async || {
            let request = self.resolver.sdk.disassociate_resolver_rule();
            request.resolver_rule_id(rule).vpc_id(vpc).send().await
        });
        let answer = match answer.await {
            Err(trouble) if trouble.kind == Kind::NotFound => return Ok(()),
            answer => answer,
        };
        unless_so(answer, async {
            let there = self.association_of(rule, vpc).await?;
            Ok(there.is_none_or(|one| one.status() == Some(&ResolverRuleAssociationStatus::Deleting)))
        })
        .await
    }

    pub(super) async fn create_query_log(
        &self,
        request_id: &str,
        name: &str,
        destination: &str,
        tags: &Tags,
    ) -> Result<String, Trouble> {
        let subject = format!("query log {name}");
        let request = self.resolver.sdk.create_resolver_query_log_config();
        let request = request.name(name).destination_arn(destination).set_tags(Some(map::sdk_tags(tags)?));
        create_once(
            request_id,
            async |request_id| {
                let send = async || request.clone().creator_request_id(request_id).send().await;
                let made = self.resolver.call("CreateResolverQueryLogConfig", &subject, send).await?;
                Ok(made.resolver_query_log_config().and_then(|one| one.id()).map(str::to_owned))
            },
            |request_id| self.query_log_made_by(request_id),
        )
        .await
    }

    async fn query_log_made_by(&self, request_id: String) -> Result<Option<String>, Trouble> {
        let found = self.resolver.query_logs(Some(filter("CreatorRequestId", &request_id))).await?;
        let going = Some(&ResolverQueryLogConfigStatus::Deleting);
        Ok(found.into_iter().find(|one| one.status() != going).and_then(|one| one.id))
    }

    pub(super) async fn delete_query_log(&self, log: &str) -> Result<(), Trouble> {
        let answer =
            self.resolver.call("DeleteResolverQueryLogConfig", format!("query log {log}"), async || {
                let request = self.resolver.sdk.delete_resolver_query_log_config();
                request.resolver_query_log_config_id(log).send().await
            });
        unless(answer.await, Kind::NotFound)
    }

    pub(super) async fn log_vpc(&self, log: &str, vpc: &str) -> Result<(), Trouble> {
        let subject = format!("query log {log} and {vpc}");
        let answer = self.resolver.call("AssociateResolverQueryLogConfig", &subject, async || {
            let request = self.resolver.sdk.associate_resolver_query_log_config();
            request.resolver_query_log_config_id(log).resource_id(vpc).send().await
        });
        unless(answer.await, Kind::Exists)
    }

    pub(super) async fn unlog_vpc(&self, log: &str, vpc: &str) -> Result<(), Trouble> {
        let subject = format!("query log {log} and {vpc}");
        let answer = self.resolver.call("DisassociateResolverQueryLogConfig", &subject, async || {
            let request = self.resolver.sdk.disassociate_resolver_query_log_config();
            request.resolver_query_log_config_id(log).resource_id(vpc).send().await
        });
        unless(answer.await, Kind::NotFound)
    }
}

/// Whether the rule is as the step wants it, ready or not.
pub(in crate::aws::cloud) fn is_updated(step: &Step, told: &Rule) -> bool {
    let Step::UpdateRule { rule: _, name, targets, endpoint } = step else { return false };
    let sorted = targets.clone().map(|mut targets| {
        targets.sort();
        targets
    });
    let is_endpoint = |wanted: &Ref| matches!(wanted, Ref::Id(id) if told.endpoint.as_ref() == Some(id));
    name.as_ref().is_none_or(|name| *name == told.name)
        && sorted.is_none_or(|targets| targets == told.targets)
        && endpoint.as_ref().is_none_or(is_endpoint)
}
