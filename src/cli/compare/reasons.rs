//! Why the new server answers as it does: told by the running server, if that is the one compared, else by its
//! configuration files.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::PathBuf;

use crate::cli::Common;
use crate::compare::question::Question;
use crate::compare::report::Reason;
use crate::config::is_this_server;
use crate::control::Asking;
use crate::control::client::ask;
use crate::control::protocol::Request;
use crate::control::report::{Action, Explanation, Status};
use crate::limits::COMPARE_EXPLAINED;
use crate::serve::Offline;

pub struct Reasons {
    /// The control socket of the running server, if that is the one compared.
    socket: Option<PathBuf>,
    files: Option<Offline>,
    /// As which the new server sees us.
    client: IpAddr,
    asked: usize,
}

impl Reasons {
    pub fn new(common: &Common, new: std::net::SocketAddr, files: Option<Offline>) -> Reasons {
        let socket = common.socket();
        let ours = ask::<Status>(&socket, &Request::Status).is_ok_and(|status| {
            let listeners: Vec<_> = status.listeners.iter().map(|listener| listener.address).collect();
            is_this_server(new, &listeners)
        });
        Reasons { socket: ours.then_some(socket), files, client: address_towards(new), asked: 0 }
    }

    /// Where reasons come from, for the report.
    pub fn origin(&self) -> Option<String> {
        let files = || self.files.as_ref().map(|_| "the configuration files".to_owned());
        self.socket.as_ref().map(|socket| format!("the server at {}", socket.display())).or_else(files)
    }

    pub fn reason(&mut self, question: &Question) -> Option<Reason> {
        self.told(question)
            .or_else(|| {
                let (name, rtype) = (question.name.clone(), question.rtype);
                let asking = Asking { name, rtype, client: self.client, listener: None };
                self.files.as_ref()?.explain(&asking).ok()
            })
            .map(reason)
    }

    fn told(&mut self, question: &Question) -> Option<Explanation> {
        let socket = self.socket.as_ref().filter(|_| self.asked < COMPARE_EXPLAINED)?;
        self.asked += 1;
        let (name, rtype) = (question.name.to_string(), question.rtype_name());
        ask(socket, &Request::Explain { name, rtype, client: self.client, listener: None }).ok()
    }
}

fn reason(explanation: Explanation) -> Reason {
    let decision = explanation.decision;
    let domain = decision.domain.unwrap_or_default();
    let what = match decision.action {
        _ if !explanation.access.allowed => format!("client not in {}", explanation.access.list),
        Action::Zone => format!("zone {domain}"),
        Action::Builtin => format!("built-in name {domain}"),
        Action::Forward => format!("rule {domain}"),
        Action::System => format!("SYSTEM rule {domain}"),
        Action::Refuse => "no zone and no rule".to_owned(),
    };
    let loops = explanation.loops;
    Reason {
        what,
        view: decision.view,
        because: loops.unwrap_or(decision.because),
        place: decision.place.map(|place| format!("{}:{}", place.file.display(), place.line)),
        endpoint: explanation.endpoint,
        builtin: decision.action == Action::Builtin,
    }
}

/// Connecting a datagram socket sends nothing, but tells which address would be the source.
fn address_towards(server: std::net::SocketAddr) -> IpAddr {
    let any: IpAddr = match server {
        std::net::SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        socket.local_addr()
    };
    source().map_or(Ipv4Addr::LOCALHOST.into(), |source| source.ip())
}
