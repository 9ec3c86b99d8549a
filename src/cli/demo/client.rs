//! A client as small as the demo needs: one question, one answer, over UDP or TCP, with the time it took.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

/// Longer than the two seconds within which the server answers.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

pub struct Answer {
    pub rcode: ResponseCode,
    /// The data of the answer section, in its order.
    pub data: Vec<String>,
    pub took: Duration,
}

impl Answer {
    /// The data, or the response code where there is none.
    pub fn text(&self) -> String {
        match (self.rcode, self.data.is_empty()) {
            (ResponseCode::NoError, false) => self.data.join(" "),
            (ResponseCode::NoError, true) => "no data".to_owned(),
            (ResponseCode::NXDomain, _) => "NXDOMAIN".to_owned(),
            (ResponseCode::ServFail, _) => "SERVFAIL".to_owned(),
            (ResponseCode::Refused, _) => "REFUSED".to_owned(),
            (other, _) => other.to_string(),
        }
    }
}

pub fn ask(server: SocketAddr, name: &str, rtype: u16, transport: Transport) -> io::Result<Answer> {
    let query = query(name, rtype)?;
    let wire = query.to_vec().map_err(io::Error::other)?;
    let begun = Instant::now();
    let reply = match transport {
        Transport::Udp => over_udp(server, &wire)?,
        Transport::Tcp => over_tcp(server, &wire)?,
    };
    let took = begun.elapsed();
    let reply = Message::from_vec(&reply).map_err(io::Error::other)?;
    if reply.metadata.id != query.metadata.id || reply.queries != query.queries {
        return Err(io::Error::other("the answer is for another question"));
    }
    let data = reply.answers.iter().map(|record| record.data.to_string()).collect();
    Ok(Answer { rcode: reply.metadata.response_code, data, took })
}

fn query(name: &str, rtype: u16) -> io::Result<Message> {
    let mut name =
        Name::from_ascii(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    name.set_fqdn(true);
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name, RecordType::from(rtype)));
    Ok(query)
}

fn over_udp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(query)?;
    let mut reply = vec![0; 4096];
    let length = socket.recv(&mut reply)?;
    reply.truncate(length);
    Ok(reply)
}

fn over_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}
