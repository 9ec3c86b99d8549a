//! The words spoken over the control socket: one JSON request on a line, one JSON reply on a line, as often
//! as the client likes. Types and bounds only; `super::socket` listens, [`super::client`] asks.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A name in escapes is at most 4 × 255 characters, twice that in JSON: 4 KiB hold any request.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024;
/// A reload that changes 100,000 rules lists each in some 150 bytes: 15 MB. Four times that.
pub const MAX_REPLY_BYTES: usize = 64 * 1024 * 1024;
/// Operators and their scripts; each connection costs a task and a line's buffer.
pub const MAX_CONNECTIONS: usize = 16;
/// How long a client may take to write its line, to send the next one, or to read a reply.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a client waits for any answer. A reload of 100,000 rules and large zone files takes seconds.
pub const REPLY_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    Reload {
        /// Only this zone: its file, or what its primaries have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
    Status,
    Explain {
        name: String,
        /// A mnemonic or `TYPEnnn`.
        #[serde(rename = "type", default = "address_type")]
        rtype: String,
        client: IpAddr,
        /// None: any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        listener: Option<SocketAddr>,
    },
    Flush {
        name: String,
        #[serde(default)]
        tree: bool,
    },
    /// All targets.
    Targets,
    /// No new queries for a target.
    Drain {
        /// With a port or without.
        address: String,
        #[serde(default)]
        endpoint: Option<String>,
        /// None: until it is enabled.
        #[serde(default)]
        seconds: Option<u64>,
    },
    /// Queries again.
    Enable {
        address: String,
        #[serde(default)]
        endpoint: Option<String>,
    },
}

fn address_type() -> String {
    "A".to_owned()
}

/// `{"ok": …}` or `{"error": "a sentence"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply<T> {
    Ok(T),
    Error(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_documented() {
        let request: Request =
            serde_json::from_str(r#"{"command":"explain","name":"a.example","client":"10.0.0.1"}"#)
                .expect("reads");
        let expected = Request::Explain {
            name: "a.example".into(),
            rtype: "A".into(),
            client: IpAddr::from([10, 0, 0, 1]),
            listener: None,
        };
        assert_eq!(request, expected);
        let reload = |zone| Request::Reload { zone };
        let read = |text| serde_json::from_str::<Request>(text).expect("reads");
        assert_eq!(read(r#"{"command":"reload"}"#), reload(None));
        assert_eq!(read(r#"{"command":"reload","zone":"a.example"}"#), reload(Some("a.example".into())));
        assert_eq!(serde_json::to_string(&reload(None)).expect("writes"), r#"{"command":"reload"}"#);
        assert!(serde_json::from_str::<Request>(r#"{"command":"halt"}"#).is_err());
    }
}
