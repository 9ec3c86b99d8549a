//! AWS itself: one account and Region by the SDK. Keeps the clients and the gates that all calls go through; what is
//! asked is in the files beside it.

use std::sync::Arc;

use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_route53resolver::Client;
use aws_sdk_route53resolver::config::retry::RetryConfig;
use aws_sdk_route53resolver::config::timeout::TimeoutConfig;
use aws_smithy_http_client::{Builder, tls};
use tokio::sync::OnceCell;

use super::calls::Calls;
use super::ec2::QueryApi;
use super::ram::Ram;
use super::rate::Gate;
use super::resolver::Resolver;
use super::signed::{Service, Signer, partition};
use super::{Asked, Cloud, Progress, Tell};
use crate::aws::plan::step::Step;
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::World;
use crate::config::aws::Aws;
use crate::limits::{
    AWS_CALL, AWS_CONNECT, AWS_PAGE, EC2_REQUESTS, EC2_WINDOW, RAM_REQUESTS, RAM_WINDOW, RESOLVER_REQUESTS,
    RESOLVER_WINDOW,
};

/// What EC2's lists take at least as MaxResults.
const EC2_PAGE_MIN: u8 = 5;

/// AWS. Nothing has been asked of it when it is made.
pub struct Amazon {
    pub(super) region: String,
    pub(super) resolver: Resolver,
    pub(super) ec2: QueryApi,
    pub(super) sts: QueryApi,
    pub(super) ram: Ram,
    account: OnceCell<String>,
}

impl Amazon {
    /// Region and profile are what the file says; all else is the SDK's: the chain of credentials, AWS_ENDPOINT_URL,
    /// proxies. Trouble if there are no credentials.
    pub async fn connect(wanted: &Aws) -> Result<Amazon, Trouble> {
        Amazon::configured(wanted, &loader(wanted).load().await).await
    }

    /// Another endpoint for all services, with keys of its own, whatever the environment says: for stand-ins of AWS.
    pub async fn connect_to(wanted: &Aws, url: &str, key: &str, secret: &str) -> Result<Amazon, Trouble> {
        let keys = Credentials::new(key, secret, None, None, "given");
        let config = loader(wanted).endpoint_url(url).credentials_provider(keys).load().await;
        Amazon::configured(wanted, &config).await
    }

    async fn configured(wanted: &Aws, config: &SdkConfig) -> Result<Amazon, Trouble> {
        let signer = Arc::new(Signer::new(config, &wanted.region)?);
        signer.credentials().await.map_err(|trouble| of_profile(trouble, wanted))?;
        let service = |name, id| Service::new(name, id, config, &wanted.region);
        let ec2 = Calls::new(Gate::new(EC2_REQUESTS, EC2_WINDOW));
        let ram = || Calls::new(Gate::new(RAM_REQUESTS, RAM_WINDOW));
        Ok(Amazon {
            region: wanted.region.clone(),
            resolver: Resolver {
                sdk: Client::new(config),
                calls: Calls::new(Gate::new(RESOLVER_REQUESTS, RESOLVER_WINDOW)),
                page: AWS_PAGE,
            },
            ec2: QueryApi::ec2(signer.clone(), service("ec2", "EC2"), ec2),
            sts: QueryApi::sts(signer.clone(), service("sts", "STS"), ram()),
            ram: Ram::new(signer, service("ram", "RAM"), ram()),
            account: OnceCell::new(),
        })
    }

    /// Lists come in pages of so many things: 1 to 100, and 5 at least of EC2.
    pub fn with_pages_of(mut self, things: u8) -> Amazon {
        let things = things.clamp(1, 100);
        self.resolver.page = i32::from(things);
        self.ec2.page = Some(things.max(EC2_PAGE_MIN));
        self.ram.page = Some(things);
        self
    }

    /// The ARN of a rule of this account.
    pub(super) async fn rule_arn(&self, rule: &str) -> Result<String, Trouble> {
        let (partition, region) = (partition(&self.region), &self.region);
        Ok(format!("arn:{partition}:route53resolver:{region}:{}:resolver-rule/{rule}", self.account().await?))
    }

    /// Asked once.
    pub(super) async fn account(&self) -> Result<String, Trouble> {
        self.account.get_or_try_init(|| self.sts.account()).await.cloned()
    }
}

/// The SDK sends each request once: when it is sent again is for our gates to say.
fn loader(wanted: &Aws) -> ConfigLoader {
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(AWS_CONNECT)
        .operation_attempt_timeout(AWS_CALL)
        .operation_timeout(AWS_CALL);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(wanted.region.clone()))
        .http_client(Builder::new().tls_provider(provider).build_https())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build());
    if let Ok(name) = AppName::new("dnsfwd") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &wanted.profile {
        loader = loader.profile_name(profile);
    }
    loader
}

/// Which way was taken is half of the answer.
fn of_profile(trouble: Trouble, wanted: &Aws) -> Trouble {
    let subject = match (&wanted.profile, std::env::var("AWS_PROFILE")) {
        (Some(profile), _) => format!("profile {profile} (of the file)"),
        (None, Ok(profile)) => format!("profile {profile} (of AWS_PROFILE)"),
        (None, Err(_)) => "the chain of credentials".into(),
    };
    Trouble { kind: Kind::Credentials, subject, ..trouble }
}

/// Each future is boxed: with all of the SDK's in it, a caller's own would be large beyond measure.
impl Cloud for Amazon {
    async fn observe(&self, wanted: &Aws, tell: &dyn Tell) -> Result<World, Trouble> {
        Box::pin(self.whole_world(wanted, tell)).await
    }

    async fn glance(&self, wanted: &Aws) -> Result<World, Trouble> {
        Box::pin(self.followed_world(wanted)).await
    }

    async fn ask(&self, step: &Step) -> Result<Option<String>, Trouble> {
        Box::pin(self.ask_for(step)).await
    }

    async fn pending(&self, asked: &[Asked]) -> Result<Vec<Progress>, Trouble> {
        Box::pin(self.progress_of(asked)).await
    }

    async fn attached(&self, endpoint: &str, beside: &str) -> Result<usize, Trouble> {
        Box::pin(self.count_attached(endpoint, beside)).await
    }
}
