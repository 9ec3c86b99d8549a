//! The rest of the company, played on loopback: two inbound endpoint addresses of a cloud's resolver and a
//! public one. Another implementation of DNS than ours answers, so that the demo shows something; each actor
//! can fall silent, as a dead machine does.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hickory_proto::op::Header;
use hickory_proto::rr::rdata::{A, CNAME, NS, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};

/// A minute, as AWS gives to names in private zones made by its console; short enough to see it end.
const TTL: u32 = 60;
const SERIAL: u32 = 1;
/// The port actors ask for, which needs no privileges.
const PORT: u16 = 5300;

/// A name server that can be told to say nothing.
pub struct Actor {
    pub address: SocketAddr,
    silent: Arc<AtomicBool>,
}

impl Actor {
    pub fn fall_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    pub fn speak(&self) {
        self.silent.store(false, Ordering::Relaxed);
    }

    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }
}

/// Everybody else.
pub struct Company {
    /// The inbound endpoint's addresses, one in each Availability Zone.
    pub inbound: [Actor; 2],
    pub public: Actor,
}

/// Starts all actors on a thread of their own, which ends with the process.
pub fn start() -> io::Result<Company> {
    let (first, first_sockets) = actor(Ipv4Addr::new(127, 0, 1, 250))?;
    let (second, second_sockets) = actor(Ipv4Addr::new(127, 0, 2, 250))?;
    let (public, public_sockets) = actor(Ipv4Addr::new(127, 0, 3, 53))?;
    let stage = vec![
        (first_sockets, Player { catalog: cloud(), silent: first.silent.clone() }),
        (second_sockets, Player { catalog: cloud(), silent: second.silent.clone() }),
        (public_sockets, Player { catalog: internet(), silent: public.silent.clone() }),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("company".to_owned()).spawn(move || runtime.block_on(play(stage)))?;
    Ok(Company { inbound: [first, second], public })
}

type Sockets = (UdpSocket, TcpListener);

fn actor(wanted: Ipv4Addr) -> io::Result<(Actor, Sockets)> {
    let sockets = bind(wanted)?;
    let address = sockets.0.local_addr()?;
    Ok((Actor { address, silent: Arc::default() }, sockets))
}

/// The wanted address; where a system has only the one loopback address, or the port is taken, another.
fn bind(wanted: Ipv4Addr) -> io::Result<Sockets> {
    bind_both(SocketAddr::from((wanted, PORT)))
        .or_else(|_| bind_any_port(wanted.into()))
        .or_else(|_| bind_any_port(Ipv4Addr::LOCALHOST.into()))
}

/// Any port that is free for UDP and for TCP.
pub fn bind_any_port(address: IpAddr) -> io::Result<Sockets> {
    const TRIES: usize = 10;
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        match bind_both(SocketAddr::new(address, 0)) {
            Ok(sockets) => return Ok(sockets),
            Err(error) => last = error,
        }
    }
    Err(last)
}

pub fn bind_both(address: SocketAddr) -> io::Result<Sockets> {
    let udp = UdpSocket::bind(address)?;
    let tcp = TcpListener::bind(udp.local_addr()?)?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}

async fn play(stage: Vec<(Sockets, Player)>) {
    let mut servers = Vec::new();
    for ((udp, tcp), player) in stage {
        let mut server = Server::new(player);
        match (tokio::net::UdpSocket::from_std(udp), tokio::net::TcpListener::from_std(tcp)) {
            (Ok(udp), Ok(tcp)) => {
                server.register_socket(udp);
                server.register_listener(tcp, Duration::from_secs(10), 16);
            }
            (Err(error), _) | (_, Err(error)) => eprintln!("an actor of the demo can't play: {error}"),
        }
        servers.push(server);
    }
    std::future::pending::<()>().await;
}

struct Player {
    catalog: Catalog,
    silent: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl RequestHandler for Player {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, reply: R) -> ResponseInfo {
        if self.silent.load(Ordering::Relaxed) {
            // Nothing is sent; this is for the library's own books.
            return Header { metadata: request.metadata, counts: Default::default() }.into();
        }
        self.catalog.handle_request::<R, T>(request, reply).await
    }
}

/// What a resolver in the cloud knows: the private hosted zone, the region's internal names, and the reverse
/// range.
fn cloud() -> Catalog {
    let web1 = Ipv4Addr::new(10, 0, 10, 10);
    let web2 = Ipv4Addr::new(10, 0, 20, 10);
    let mut catalog = Catalog::new();
    Zone::new("awsanycompany.corp")
        .a("web1", web1)
        .a("web2", web2)
        // Names that nobody has asked for yet, as many as the demo needs.
        .a("*.fresh", Ipv4Addr::new(10, 0, 30, 30))
        .add_to(&mut catalog);
    Zone::new("ap-northeast-2.compute.internal").a("ip-10-0-10-10", web1).add_to(&mut catalog);
    Zone::new("0.10.in-addr.arpa")
        .record("10.10", RData::PTR(PTR(name("web1.awsanycompany.corp"))))
        .record("10.20", RData::PTR(PTR(name("web2.awsanycompany.corp"))))
        .add_to(&mut catalog);
    catalog
}

/// What the demo needs of the internet, with the addresses that are set aside for examples (RFC 5737).
fn internet() -> Catalog {
    let mut catalog = Catalog::new();
    Zone::new(".")
        .a("www.example.com", Ipv4Addr::new(192, 0, 2, 80))
        .a("mail.example.com", Ipv4Addr::new(192, 0, 2, 25))
        .record("shop.example.com", RData::CNAME(CNAME(name("web1.awsanycompany.corp"))))
        .add_to(&mut catalog);
    catalog
}

struct Zone {
    origin: Name,
    handler: InMemoryZoneHandler,
}

impl Zone {
    fn new(origin: &str) -> Zone {
        let origin = name(origin);
        let handler = InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny);
        let soa = SOA::new(name("ns.invalid"), name("root.invalid"), SERIAL, 3600, 600, 86_400, 5);
        Zone { origin, handler }.record("", RData::SOA(soa)).record("", RData::NS(NS(name("ns.invalid"))))
    }

    fn a(self, owner: &str, address: Ipv4Addr) -> Zone {
        self.record(owner, RData::A(A(address)))
    }

    fn record(mut self, owner: &str, data: RData) -> Zone {
        let owner = match owner {
            "" => self.origin.clone(),
            owner => name_below(owner, &self.origin),
        };
        self.handler.upsert_mut(Record::from_rdata(owner, TTL, data), SERIAL);
        self
    }

    fn add_to(self, catalog: &mut Catalog) {
        let handler: Arc<dyn ZoneHandler> = Arc::new(self.handler);
        catalog.upsert(self.origin.into(), vec![handler]);
    }
}

fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect("the names of the demo are sound");
    name.set_fqdn(true);
    name
}

fn name_below(owner: &str, origin: &Name) -> Name {
    let owner = Name::from_ascii(owner).expect("the names of the demo are sound");
    owner.append_domain(origin).expect("the names of the demo are short")
}

#[cfg(test)]
mod tests {
    use super::super::client::{Transport, ask};
    use super::*;
    use crate::control::rtype;

    #[test]
    fn actors_know_their_lines_and_when_to_be_silent() {
        let company = start().expect("loopback has room");
        let said = |actor: &Actor, name: &str, kind: &str, transport| {
            let number = rtype::parse(kind).expect("known");
            ask(actor.address, name, number, transport).expect("an answer").text()
        };
        let [first, second] = &company.inbound;
        assert_eq!(said(first, "web1.awsanycompany.corp", "A", Transport::Udp), "10.0.10.10");
        assert_eq!(said(second, "web2.awsanycompany.corp", "A", Transport::Tcp), "10.0.20.10");
        assert_eq!(said(first, "n1.fresh.awsanycompany.corp", "A", Transport::Udp), "10.0.30.30");
        assert_eq!(said(first, "nothere.awsanycompany.corp", "A", Transport::Udp), "NXDOMAIN");
        assert_eq!(
            said(second, "10.10.0.10.in-addr.arpa", "PTR", Transport::Udp),
            "web1.awsanycompany.corp."
        );
        assert_eq!(said(&company.public, "www.example.com", "A", Transport::Udp), "192.0.2.80");

        first.fall_silent();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("sets");
        let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04web1\x0dawsanycompany\x04corp\x00\x00\x01\x00\x01";
        socket.send_to(query, first.address).expect("sends");
        assert!(socket.recv(&mut [0; 512]).is_err(), "it says nothing");
        first.speak();
        socket.send_to(query, first.address).expect("sends");
        assert!(socket.recv(&mut [0; 512]).is_ok());
    }
}
