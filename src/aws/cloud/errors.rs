//! What AWS refuses, and what hinders it from being heard, as troubles: which kind it is, and AWS's codes kept beside
//! our words. Never holds a header of a request or anything else that was signed with.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_route53resolver::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::help;
use crate::aws::trouble::{Kind, Trouble};

/// A refusal as AWS says it.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub operation: &'a str,
    pub subject: &'a str,
    /// Of HTTP.
    pub status: u16,
    /// Empty if the answer had none that can be read.
    pub code: &'a str,
    pub message: &'a str,
}

impl Said<'_> {
    pub(super) fn trouble(self) -> Trouble {
        // Some protocols write the namespace before the code or a link behind it.
        let code = self.code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
        let resolver_code = resolver_code(self.message);
        let kind = kind(code, resolver_code, self.message, self.status);
        let said = Said { code, ..self };
        Trouble {
            kind,
            operation: self.operation.to_owned(),
            subject: self.subject.to_owned(),
            code: Some(code.to_owned()).filter(|code| !code.is_empty()),
            resolver_code: resolver_code.map(str::to_owned),
            message: said.words(resolver_code),
            help: help::help(kind, &said, resolver_code),
        }
    }

    /// AWS's own, without the code that is kept beside them.
    fn words(&self, resolver_code: Option<&str>) -> String {
        let message = match resolver_code {
            Some(code) => self.message.replacen(&format!("[{code}]"), "", 1),
            None => self.message.to_owned(),
        };
        match message.trim() {
            "" => format!("AWS answers {}", self.status),
            message => message.to_owned(),
        }
    }
}

/// `RSLVR-00506` of `[RSLVR-00506] Can't remove the only attached IP address`.
fn resolver_code(message: &str) -> Option<&str> {
    let start = message.find("[RSLVR-")? + 1;
    let code = &message[start..start + message[start..].find(']')?];
    let number = code.strip_prefix("RSLVR-")?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(code)
}

/// The first table that knows it. Codes of the Resolver, EC2, RAM and STS API references.
fn kind(code: &str, resolver_code: Option<&str>, message: &str, status: u16) -> Kind {
    if let Some(kind) = resolver_code.and_then(resolver_kind) {
        return kind;
    }
    match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SlowDown" => Kind::Throttled,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "AuthFailure"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "RequestExpired"
        | "InvalidAccessKeyId"
        | "OptInRequired" => Kind::Credentials,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "NotAuthorized"
        | "OperationNotPermittedException" => Kind::Denied,
        "ResourceNotFoundException"
        | "UnknownResourceException"
        | "InvalidClientVpnRouteNotFound"
        | "InvalidClientVpnEndpointAuthorizationRuleNotFound"
        | "ResourceArnNotFoundException" => Kind::NotFound,
        "ResourceExistsException"
        | "InvalidGroup.Duplicate"
        | "InvalidPermission.Duplicate"
        | "InvalidClientVpnDuplicateRoute"
        | "InvalidClientVpnDuplicateAuthorizationRule" => Kind::Exists,
        "ResourceInUseException"
        | "ResourceUnavailableException"
        | "ConflictException"
        | "DependencyViolation"
        | "IncorrectState"
        | "InvalidStateTransitionException"
        | "ConcurrentMutationLimitExceeded" => Kind::Busy,
        "LimitExceededException" | "ServiceQuotaExceededException" => Kind::Limit,
        _ if code.ends_with(".NotFound") => Kind::NotFound,
        _ if code.ends_with("LimitExceeded") || code.ends_with("LimitExceededException") => Kind::Limit,
        _ if status == 429 || message.starts_with("Rate exceeded") => Kind::Throttled,
        _ if status >= 500 => Kind::Failed,
        "InternalServiceErrorException"
        | "InternalError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServerInternalException"
        | "ServiceUnavailableException" => Kind::Failed,
        _ if code.is_empty() && status == 403 => Kind::Denied,
        _ => Kind::Refused,
    }
}

/// InvalidRequestException stands for many things; the number tells which.
fn resolver_kind(code: &str) -> Option<Kind> {
    match code {
        "RSLVR-00506" | "RSLVR-00600" | "RSLVR-00705" => Some(Kind::Busy),
        "RSLVR-00703" => Some(Kind::NotFound),
        "RSLVR-00704" => Some(Kind::Exists),
        _ => None,
    }
}

/// What the SDK makes of a request.
pub(super) fn of_sdk<E>(operation: &str, subject: &str, error: &SdkError<E, HttpResponse>) -> Trouble
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let said = |status, code, message| Said { operation, subject, status, code, message }.trouble();
    match error {
        SdkError::ServiceError(refusal) => {
            let (status, refusal) = (refusal.raw().status().as_u16(), refusal.err());
            let code = refusal.code().unwrap_or_default();
            said(status, code, refusal.message().unwrap_or_default())
        }
        SdkError::ResponseError(answer) => said(answer.raw().status().as_u16(), "", ""),
        other => unheard(operation, subject, other),
    }
}

/// No answer came: for want of credentials, or of a connection.
pub(super) fn unheard(operation: &str, subject: &str, error: &(dyn Error + 'static)) -> Trouble {
    let about = chain(error);
    if causes(error).any(|cause| cause.is::<CredentialsError>()) {
        return Trouble { operation: operation.to_owned(), ..no_credentials(&about) };
    }
    Trouble {
        kind: Kind::Unreachable,
        operation: operation.to_owned(),
        subject: subject.to_owned(),
        code: None,
        resolver_code: None,
        help: help::unreachable(&about),
        message: format!("AWS could not be heard: {about}"),
    }
}

/// `about` is the chain's own account of where it has looked.
pub(super) fn no_credentials(about: &str) -> Trouble {
    Trouble {
        kind: Kind::Credentials,
        operation: String::new(),
        subject: String::new(),
        code: None,
        resolver_code: None,
        message: format!("no credentials for AWS: {about}"),
        help: help::credentials(),
    }
}

/// AWS has answered, but not with what its API says.
pub(super) fn unreadable(operation: &str, subject: &str, about: &str) -> Trouble {
    Trouble {
        kind: Kind::Failed,
        operation: operation.to_owned(),
        subject: subject.to_owned(),
        code: None,
        resolver_code: None,
        message: format!("AWS's answer can't be read: {about}"),
        help: "try again; if it stays, something between here and AWS changes what is said".into(),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// The words of an error and of what caused it, each once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in causes(error) {
        let cause = cause.to_string();
        if !words.iter().any(|word| word.contains(&cause)) {
            words.push(cause);
        }
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, message: &str, status: u16) -> Trouble {
        Said { operation: "DeleteResolverEndpoint", subject: "endpoint rslvr-in-1", status, code, message }
            .trouble()
    }

    #[test]
    fn the_number_in_the_message_tells_what_it_is() {
        let trouble =
            said("InvalidRequestException", "[RSLVR-00506] Can't remove the only attached IP address", 400);
        assert_eq!(trouble.kind, Kind::Busy);
        assert_eq!(trouble.resolver_code.as_deref(), Some("RSLVR-00506"));
        assert_eq!(
            trouble.to_string(),
            "endpoint rslvr-in-1: Can't remove the only attached IP address (DeleteResolverEndpoint: RSLVR-00506)"
        );
        assert!(trouble.help.contains("ATTACHED"), "{}", trouble.help);
    }

    #[test]
    fn brackets_of_other_kinds_are_no_code() {
        for message in ["[Trace id: 1-0] CREATING", "[RSLVR-", "[RSLVR-]", "[RSLVR-12x] no"] {
            assert_eq!(resolver_code(message), None, "{message}");
        }
    }

    #[test]
    fn each_code_has_its_kind() {
        for (code, status, kind) in [
            ("ThrottlingException", 400, Kind::Throttled),
            ("RequestLimitExceeded", 503, Kind::Throttled),
            ("com.amazonaws.route53resolver#ResourceNotFoundException", 400, Kind::NotFound),
            ("InvalidGroup.NotFound", 400, Kind::NotFound),
            ("InvalidClientVpnEndpointId.NotFound", 400, Kind::NotFound),
            ("InvalidPermission.Duplicate", 400, Kind::Exists),
            ("DependencyViolation", 400, Kind::Busy),
            ("ClientVpnRouteLimitExceeded", 400, Kind::Limit),
            ("RulesPerSecurityGroupLimitExceeded", 400, Kind::Limit),
            ("LimitExceededException", 400, Kind::Limit),
            ("UnauthorizedOperation", 403, Kind::Denied),
            ("ExpiredTokenException", 400, Kind::Credentials),
            ("AuthFailure", 401, Kind::Credentials),
            ("InvalidParameterException", 400, Kind::Refused),
            ("InternalServiceErrorException", 500, Kind::Failed),
            ("", 502, Kind::Failed),
            ("", 429, Kind::Throttled),
        ] {
            assert_eq!(said(code, "words", status).kind, kind, "{code} {status}");
        }
    }

    #[test]
    fn who_may_not_is_told_what_to_allow() {
        let trouble =
            said("AccessDeniedException", "User: arn:aws:iam::123456789012:user/ops is not authorized", 400);
        assert!(trouble.help.contains("route53resolver:DeleteResolverEndpoint"), "{}", trouble.help);
    }

    #[test]
    fn an_answer_without_words_is_told_by_its_status() {
        assert_eq!(said("", "", 502).message, "AWS answers 502");
    }
}
