//! Requests to services of AWS that we have no SDK for: signed with the SDK's signer, over its HTTP client, with the
//! credentials of its chain. Never shows what it signs with.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Connector, proxy::ProxyConfig, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::errors::{chain, no_credentials, unheard, unreadable};
use super::help;
use crate::aws::trouble::{Kind, Trouble};
use crate::limits::{AWS_ANSWER, AWS_CALL, AWS_CONNECT};

/// Credentials are asked for anew so long before they expire.
const CREDENTIALS_MARGIN: Duration = Duration::from_secs(60);

pub(super) struct Signer {
    http: SharedHttpConnector,
    provider: SharedCredentialsProvider,
    region: String,
    /// The chain may run a program or ask over the network: not for each request.
    known: Mutex<Option<Credentials>>,
}

/// A service, and where it is.
pub(super) struct Service {
    /// In the scope of signatures, and the first label of its host.
    pub name: &'static str,
    url: String,
}

/// One request. Its answer is bounded in size and time.
pub(super) struct Request<'a> {
    pub operation: &'a str,
    pub subject: &'a str,
    /// `POST`, for all but one operation.
    pub method: &'static str,
    /// Begins with a slash; with a query, if there is one.
    pub path: &'a str,
    pub content_type: &'static str,
    pub body: String,
}

pub(super) struct Answer {
    pub status: u16,
    /// The exception's name, where REST with JSON has it; empty elsewhere.
    pub error_type: String,
    pub body: String,
}

impl Service {
    /// `id` is the service's in AWS's configuration files: `AWS_ENDPOINT_URL_EC2`, `[services x] ec2 = endpoint_url`.
    pub(super) fn new(name: &'static str, id: &str, config: &SdkConfig, region: &str) -> Service {
        let key = aws_types::service_config::ServiceConfigKey::builder()
            .service_id(id)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        let own = key.ok().and_then(|key| config.service_config()?.load_config(key));
        let url = own.or_else(|| config.endpoint_url().map(str::to_owned));
        let url = url.unwrap_or_else(|| format!("https://{name}.{region}.{}", suffix(region)));
        Service { name, url: url.trim_end_matches('/').to_owned() }
    }
}

/// Partitions by the beginning of their Regions' codes, with their DNS suffix (partitions.json of the SDKs).
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
];

/// As ARNs have it.
pub(in crate::aws) fn partition(region: &str) -> &'static str {
    PARTITIONS.iter().find(|one| region.starts_with(one.0)).map_or("aws", |one| one.1)
}

fn suffix(region: &str) -> &'static str {
    PARTITIONS.iter().find(|one| region.starts_with(one.0)).map_or("amazonaws.com", |one| one.2)
}

impl Signer {
    pub(super) fn new(config: &SdkConfig, region: &str) -> Result<Signer, Trouble> {
        let provider =
            config.credentials_provider().ok_or_else(|| no_credentials("the chain has no provider"))?;
        let settings =
            HttpConnectorSettings::builder().connect_timeout(AWS_CONNECT).read_timeout(AWS_CALL).build();
        let http = Connector::builder()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .connector_settings(settings)
            .proxy_config(ProxyConfig::from_env())
            .build();
        let http = SharedHttpConnector::new(http);
        Ok(Signer { http, provider, region: region.to_owned(), known: Mutex::new(None) })
    }

    /// One try. Any status is an answer.
    pub(super) async fn send(&self, service: &Service, request: &Request<'_>) -> Result<Answer, Trouble> {
        let credentials = self
            .credentials()
            .await
            .map_err(|trouble| Trouble { operation: request.operation.to_owned(), ..trouble })?;
        let signed = self.signed(service, request, credentials)?;
        let answer = timeout(AWS_CALL, async {
            let answer = self.http.call(signed).await;
            let answer = answer.map_err(|error| unheard(request.operation, request.subject, &error))?;
            read(answer, request).await
        });
        answer.await.unwrap_or_else(|_| Err(silent(request)))
    }

    /// As long as they last.
    pub(super) async fn credentials(&self) -> Result<Credentials, Trouble> {
        let mut known = self.known.lock().await;
        let soon = SystemTime::now() + CREDENTIALS_MARGIN;
        let lasts = |one: &&Credentials| one.expiry().is_none_or(|expiry| expiry > soon);
        if let Some(credentials) = known.as_ref().filter(lasts) {
            return Ok(credentials.clone());
        }
        let fresh = self.provider.provide_credentials().await;
        let fresh = fresh.map_err(|error| no_credentials(&chain(&error)))?;
        *known = Some(fresh.clone());
        Ok(fresh)
    }

    /// AWS has found them wanting: the next request asks for new ones.
    pub(super) async fn forget_credentials(&self) {
        *self.known.lock().await = None;
    }

    fn signed(
        &self,
        service: &Service,
        request: &Request<'_>,
        credentials: Credentials,
    ) -> Result<HttpRequest, Trouble> {
        let url = format!("{}{}", service.url, request.path);
        let identity = credentials.into();
        let wrong = |about: &dyn std::fmt::Display| misaddressed(request, &url, about);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| wrong(&error))?
            .into();
        let headers = [("content-type", request.content_type)];
        let body = SignableBody::Bytes(request.body.as_bytes());
        let signable = SignableRequest::new(request.method, url.as_str(), headers.into_iter(), body);
        let output = sign(signable.map_err(|error| wrong(&error))?, &parameters);
        let (instructions, _) = output.map_err(|error| wrong(&error))?.into_parts();
        let mut signed = HttpRequest::new(SdkBody::from(request.body.as_str()));
        signed.set_method(request.method).map_err(|error| wrong(&error))?;
        signed.set_uri(url.as_str()).map_err(|error| wrong(&error))?;
        let all = signed.headers_mut();
        all.insert("content-type", request.content_type);
        all.insert("user-agent", concat!("dnsfwd/", env!("CARGO_PKG_VERSION")));
        for header in instructions.into_parts().0 {
            all.insert(header.name(), header.value().to_owned());
        }
        Ok(signed)
    }
}

async fn read(answer: HttpResponse, request: &Request<'_>) -> Result<Answer, Trouble> {
    let status = answer.status().as_u16();
    let error_type = answer.headers().get("x-amzn-errortype").unwrap_or_default().to_owned();
    let body = Limited::new(answer.into_body(), AWS_ANSWER).collect().await;
    let body = body.map_err(|error| unheard(request.operation, request.subject, &*error))?;
    let body = String::from_utf8(body.to_bytes().into())
        .map_err(|_| unreadable(request.operation, request.subject, "it isn't UTF-8"))?;
    Ok(Answer { status, error_type, body })
}

fn silent(request: &Request<'_>) -> Trouble {
    let message = format!("AWS did not answer within {} s", AWS_CALL.as_secs());
    Trouble {
        kind: Kind::Unreachable,
        operation: request.operation.to_owned(),
        subject: request.subject.to_owned(),
        code: None,
        resolver_code: None,
        help: help::unreachable(&message),
        message,
    }
}

/// The address of a service isn't one. Says no more of the request.
fn misaddressed(request: &Request<'_>, url: &str, about: &dyn std::fmt::Display) -> Trouble {
    Trouble {
        kind: Kind::Refused,
        operation: request.operation.to_owned(),
        subject: request.subject.to_owned(),
        code: None,
        resolver_code: None,
        message: format!("no request can be made to {url}: {about}"),
        help: "see `region`, and AWS_ENDPOINT_URL if it is set".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_hosts_of_its_own() {
        let config = SdkConfig::builder().build();
        for (region, url) in [
            ("eu-central-1", "https://ec2.eu-central-1.amazonaws.com"),
            ("cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "https://ec2.us-gov-west-1.amazonaws.com"),
            ("us-isob-east-1", "https://ec2.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            assert_eq!(Service::new("ec2", "EC2", &config, region).url, url);
        }
    }

    #[test]
    fn another_endpoint_goes_before_the_partition_s() {
        let config = SdkConfig::builder().endpoint_url("http://127.0.0.1:5000/").build();
        assert_eq!(Service::new("ram", "RAM", &config, "eu-central-1").url, "http://127.0.0.1:5000");
    }
}
