//! What can go wrong with AWS, in an operator's words: what was asked, what AWS said, and what to do.

use std::fmt;

use serde::Serialize;

/// Why something that was asked of AWS did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    pub kind: Kind,
    /// The operation: `CreateResolverRule`; empty if none was under way.
    pub operation: String,
    /// What was about to be done, or to what: `rule anycompany-corp`. Empty if nothing in particular.
    pub subject: String,
    /// AWS's code: `InvalidRequestException`, `UnauthorizedOperation`.
    pub code: Option<String>,
    /// The stable code in the message: `RSLVR-00506`.
    pub resolver_code: Option<String>,
    /// AWS's own words, or ours if AWS could not be heard.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// AWS could not be reached, or broke the connection: whether the request was carried out isn't known.
    Unreachable,
    /// AWS's own failure (5xx).
    Failed,
    Throttled,
    /// No credentials, or expired ones.
    Credentials,
    Denied,
    NotFound,
    Exists,
    /// Something else still needs it, or it is on its way to another state: again later.
    Busy,
    /// A quota.
    Limit,
    Refused,
    /// It did not come to be within its time.
    TimeOut,
    /// AWS says that it failed.
    Broken,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subject.is_empty() {
            write!(f, "{}: ", self.subject)?;
        }
        write!(f, "{}", self.message)?;
        let code = self.resolver_code.as_ref().or(self.code.as_ref());
        match (self.operation.is_empty(), code) {
            (false, Some(code)) => write!(f, " ({}: {code})", self.operation),
            (false, None) => write!(f, " ({})", self.operation),
            (true, Some(code)) => write!(f, " ({code})"),
            (true, None) => Ok(()),
        }
    }
}

impl std::error::Error for Trouble {}
