//! Asks AWS for one step. What is so already is no trouble: each step can be asked for again after any failure, and
//! makes nothing twice.

mod endpoint;
mod rule;
mod setting;

use std::future::Future;

pub(super) use self::endpoint::is_updated as endpoint_is_updated;
pub(super) use self::rule::is_updated as rule_is_updated;

use super::amazon::Amazon;
use super::errors::Said;
use crate::aws::plan::step::{Ref, Step};
use crate::aws::trouble::{Kind, Trouble};
use crate::limits::{AWS_LOOK_PAUSE, AWS_LOOKS, REQUEST_GENERATIONS};

impl Amazon {
    pub(super) async fn ask_for(&self, step: &Step) -> Result<Option<String>, Trouble> {
        match step {
            Step::CreateEndpoint { .. } => self.create_endpoint(step).await.map(Some),
            Step::CreateRule { .. } => self.create_rule(step).await.map(Some),
            Step::CreateQueryLog { creator_request_id, name, destination, tags, .. } => {
                self.create_query_log(creator_request_id, name, destination, tags).await.map(Some)
            }
            Step::CreateSecurityGroup { name, description, vpc, tags, .. } => {
                self.ec2.create_group(name, description, vpc, tags).await.map(Some)
            }
            Step::CreateShare { name, resource, principals, tags, .. } => {
                let resource = self.rule_arn(id(resource)?).await?;
                self.ram.create_share(name, &resource, principals, tags).await.map(Some)
            }
            Step::AddAddress { endpoint, address } => self.add_address(endpoint, address).await,
            Step::Await { .. } => Ok(None),
            other => self.change(other).await.map(|()| None),
        }
    }

    /// Steps that make nothing with an ID.
    async fn change(&self, step: &Step) -> Result<(), Trouble> {
        match step {
            Step::UpdateEndpoint { .. } => self.update_endpoint(step).await,
            Step::RemoveAddress { endpoint, address } => self.remove_address(endpoint, address).await,
            Step::DeleteEndpoint { endpoint } => self.delete_endpoint(endpoint).await,
            Step::UpdateRule { .. } => self.update_rule(step).await,
            Step::DeleteRule { rule } => self.delete_rule(rule).await,
            Step::Associate { rule, vpc, name } => self.associate_rule(id(rule)?, vpc, name).await,
            Step::Disassociate { rule, vpc } => self.disassociate_rule(rule, vpc).await,
            Step::DeleteQueryLog { query_log } => self.delete_query_log(query_log).await,
            Step::LogVpc { query_log, vpc } => self.log_vpc(id(query_log)?, vpc).await,
            Step::UnlogVpc { query_log, vpc } => self.unlog_vpc(query_log, vpc).await,
            Step::SetDnssecValidation { vpc, on } => self.set_dnssec_validation(vpc, *on).await,
            Step::SetAutodefinedReverse { vpc, on } => self.set_autodefined_reverse(vpc, *on).await,
            Step::Tag { arn, tags } => self.tag(arn, tags).await,
            Step::Untag { arn, keys } => self.untag(arn, keys).await,
            other => self.change_around(other).await,
        }
    }

    /// Steps of EC2 and RAM.
    async fn change_around(&self, step: &Step) -> Result<(), Trouble> {
        match step {
            Step::Permit { group, way, permissions } => self.ec2.permit(id(group)?, *way, permissions).await,
            Step::Forbid { group, way, permissions } => self.ec2.forbid(id(group)?, *way, permissions).await,
            Step::DeleteSecurityGroup { group } => self.ec2.delete_group(group).await,
            Step::ShareWith { share, principals } => self.ram.share_with(share, principals).await,
            Step::UnshareWith { share, principals } => self.ram.unshare_with(share, principals).await,
            Step::DeleteShare { share } => self.ram.delete_share(share).await,
            Step::AuthorizeVpn { endpoint, destination, group, description } => {
                self.ec2.authorize_vpn(endpoint, *destination, group.as_deref(), description).await
            }
            Step::RevokeVpn { endpoint, destination, group } => {
                self.ec2.revoke_vpn(endpoint, *destination, group.as_deref()).await
            }
            Step::CreateVpnRoute { endpoint, destination, subnet, description } => {
                self.ec2.create_vpn_route(endpoint, *destination, subnet, description).await
            }
            Step::DeleteVpnRoute { endpoint, destination, subnet } => {
                self.ec2.delete_vpn_route(endpoint, *destination, subnet).await
            }
            Step::SetVpnDnsServers { endpoint, servers } => {
                self.ec2.set_vpn_dns_servers(endpoint, servers).await
            }
            other => Err(not_here(other)),
        }
    }
}

/// Each step is of one of the three matches above; a new one that isn't is told, not passed over.
fn not_here(step: &Step) -> Trouble {
    let message = format!("this version can't ask AWS for {step:?}");
    Said { operation: "", subject: "", status: 400, code: "", message: &message }.trouble()
}

/// The engine has put IDs for all that earlier steps have made.
fn id(reference: &Ref) -> Result<&str, Trouble> {
    match reference {
        Ref::Id(id) => Ok(id),
        Ref::Made(made) => {
            let message = format!("{made} isn't made yet");
            Err(Said { operation: "", subject: "", status: 400, code: "", message: &message }.trouble())
        }
    }
}

/// Makes something under a CreatorRequestId, or finds what an earlier call has made under it.
///
/// AWS refuses a known CreatorRequestId also when what was made under it is gone (or going): then the next generation of
/// the ID is taken. `find` gives what is there and stays.
async fn create_once<F: Future<Output = Result<Option<String>, Trouble>>>(
    request_id: &str,
    create: impl AsyncFn(&str) -> Result<Option<String>, Trouble>,
    find: impl Fn(String) -> F,
) -> Result<String, Trouble> {
    let mut generation = 1;
    loop {
        let request_id = generation_of(request_id, generation);
        let exists = match create(&request_id).await {
            Ok(Some(made)) => return Ok(made),
            Ok(None) => return Err(no_id(&request_id)),
            Err(trouble) if trouble.kind == Kind::Exists => trouble,
            Err(trouble) => return Err(trouble),
        };
        for look in 1..=AWS_LOOKS {
            if let Some(found) = find(request_id.clone()).await? {
                return Ok(found);
            }
            if look < AWS_LOOKS {
                tokio::time::sleep(AWS_LOOK_PAUSE).await;
            }
        }
        if generation == REQUEST_GENERATIONS {
            return Err(exists);
        }
        generation += 1;
    }
}

/// Begins alike, so that it is told as ours.
fn generation_of(request_id: &str, generation: u32) -> String {
    match generation {
        1 => request_id.to_owned(),
        _ => format!("{request_id}:{generation}"),
    }
}

fn no_id(request_id: &str) -> Trouble {
    super::errors::unreadable("", request_id, "it has no ID of what was made")
}

/// What a step wants to be gone is gone: no trouble.
fn unless<T>(answer: Result<T, Trouble>, harmless: Kind) -> Result<(), Trouble> {
    match answer {
        Err(trouble) if trouble.kind != harmless => Err(trouble),
        _ => Ok(()),
    }
}

/// An earlier try may have been carried out, and be what the refusal is about: `is_so` looks.
async fn unless_so<T>(
    answer: Result<T, Trouble>,
    is_so: impl Future<Output = Result<bool, Trouble>>,
) -> Result<(), Trouble> {
    match answer {
        Ok(_) => Ok(()),
        Err(trouble) if matches!(trouble.kind, Kind::Busy | Kind::Refused) => {
            if is_so.await? {
                Ok(())
            } else {
                Err(trouble)
            }
        }
        Err(trouble) => Err(trouble),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn exists() -> Trouble {
        Said {
            operation: "CreateResolverRule",
            subject: "",
            status: 400,
            code: "ResourceExistsException",
            message: "",
        }
        .trouble()
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_that_is_used_up_is_followed_by_the_next() {
        let asked = RefCell::new(Vec::new());
        let made = create_once(
            "dnsfwd:a:rule:corp:0",
            async |request| {
                asked.borrow_mut().push(request.to_owned());
                if asked.borrow().len() < 3 { Err(exists()) } else { Ok(Some("rslvr-rr-3".into())) }
            },
            |_| async { Ok(None) },
        );
        assert_eq!(made.await.as_deref(), Ok("rslvr-rr-3"));
        assert_eq!(asked.into_inner(), ["", ":2", ":3"].map(|end| format!("dnsfwd:a:rule:corp:0{end}")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_call_has_made_is_found_also_when_lists_lag() {
        let looks = RefCell::new(0);
        let found = create_once(
            "id",
            async |_| Err(exists()),
            |_| {
                *looks.borrow_mut() += 1;
                let found = (*looks.borrow() == AWS_LOOKS).then(|| "rslvr-rr-1".to_owned());
                async { Ok(found) }
            },
        );
        assert_eq!(found.await.as_deref(), Ok("rslvr-rr-1"));
    }

    #[tokio::test(start_paused = true)]
    async fn generations_end() {
        let count = RefCell::new(0);
        let made = create_once(
            "id",
            async |_| {
                *count.borrow_mut() += 1;
                Err(exists())
            },
            |_| async { Ok(None) },
        );
        assert_eq!(made.await, Err(exists()));
        assert_eq!(count.into_inner(), REQUEST_GENERATIONS);
    }
}
