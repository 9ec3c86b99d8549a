//! RAM's protocol: REST with JSON, an operation's name in lower case as its path. What shares are is told in `shares`.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::calls::Calls;
use super::errors::{Said, unreadable};
use super::signed::{Answer, Request, Service, Signer};
use crate::aws::trouble::{Kind, Trouble};
use crate::limits::AWS_PAGES;

pub(super) struct Ram {
    signer: Arc<Signer>,
    service: Service,
    calls: Calls,
    /// How many things one page may have. None: as many as RAM likes.
    pub page: Option<u8>,
}

/// An answer that may be one page of several.
pub(super) trait Page: DeserializeOwned {
    type Item;
    fn into_parts(self) -> (Vec<Self::Item>, Option<String>);
}

impl Ram {
    pub(super) fn new(signer: Arc<Signer>, service: Service, calls: Calls) -> Ram {
        Ram { signer, service, calls, page: None }
    }

    /// Asked until it is answered. Harmless when it is carried out twice: the caller sees to it.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        operation: &str,
        subject: &str,
        body: &Value,
    ) -> Result<T, Trouble> {
        self.calls.patiently(async || self.once(operation, subject, body).await).await
    }

    /// The one operation that has its arguments in the address.
    pub(super) async fn delete(&self, share: &str, token: &str) -> Result<Value, Trouble> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("resourceShareArn", share).append_pair("clientToken", token);
        let request = Request {
            operation: "DeleteResourceShare",
            subject: &format!("share {share}"),
            method: "DELETE",
            path: &format!("/deleteresourceshare?{}", query.finish()),
            content_type: "application/json",
            body: String::new(),
        };
        self.calls.patiently(async || self.send(&request).await).await
    }

    async fn once<T: DeserializeOwned>(
        &self,
        operation: &str,
        subject: &str,
        body: &Value,
    ) -> Result<T, Trouble> {
        let request = Request {
            operation,
            subject,
            method: "POST",
            path: &format!("/{}", operation.to_ascii_lowercase()),
            content_type: "application/json",
            body: body.to_string(),
        };
        self.send(&request).await
    }

    async fn send<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<T, Trouble> {
        let (operation, subject) = (request.operation, request.subject);
        let answer = self.signer.send(&self.service, request).await?;
        if answer.status != 200 {
            let trouble = refusal(operation, subject, &answer);
            if trouble.kind == Kind::Credentials {
                self.signer.forget_credentials().await;
            }
            return Err(trouble);
        }
        serde_json::from_str(&answer.body).map_err(|error| unreadable(operation, subject, &error.to_string()))
    }

    pub(super) async fn list<P: Page>(
        &self,
        operation: &str,
        mut body: Value,
    ) -> Result<Vec<P::Item>, Trouble> {
        let mut all = Vec::new();
        if let Some(things) = self.page {
            body["maxResults"] = Value::from(things);
        }
        for _ in 0..AWS_PAGES {
            let (items, next) = self.ask::<P>(operation, "", &body).await?.into_parts();
            all.extend(items);
            match next.filter(|token| !token.is_empty()) {
                Some(token) => body["nextToken"] = Value::String(token),
                None => return Ok(all),
            }
        }
        Err(unreadable(operation, "", "the list has no end"))
    }
}

fn refusal(operation: &str, subject: &str, answer: &Answer) -> Trouble {
    #[derive(Default, Deserialize)]
    struct Body {
        #[serde(default, rename = "__type")]
        kind: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    let body: Body = serde_json::from_str(&answer.body).unwrap_or_default();
    let code = if answer.error_type.is_empty() { &body.kind } else { &answer.error_type };
    Said { operation, subject, status: answer.status, code, message: &body.message }.trouble()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_from_the_header_or_the_body() {
        for (error_type, body) in [
            ("UnknownResourceException:http://internal.amazon.com/", r#"{"message": "no such share"}"#),
            ("", r#"{"__type": "com.amazonaws.ram#UnknownResourceException", "Message": "no such share"}"#),
        ] {
            let answer = Answer { status: 400, error_type: error_type.into(), body: body.into() };
            let trouble = refusal("DeleteResourceShare", "", &answer);
            assert_eq!((trouble.kind, trouble.message.as_str()), (Kind::NotFound, "no such share"));
        }
        let answer = Answer { status: 502, error_type: String::new(), body: "<html>".into() };
        assert_eq!(refusal("DeleteResourceShare", "", &answer).kind, Kind::Failed);
    }
}
