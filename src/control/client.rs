//! Asks a running server over its control socket, as the command line does. Blocks, with a bound.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{error, fmt};

use serde::de::DeserializeOwned;

use super::protocol::{CLIENT_PATIENCE, MAX_REPLY_BYTES, REPLY_PATIENCE, Reply, Request};

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// Nobody listens there.
    NoServer { socket: PathBuf, source: io::Error },
    /// We may not ask there.
    NotAllowed { socket: PathBuf },
    /// The connection broke off, or the answer didn't come in time.
    Lost { socket: PathBuf, source: io::Error },
    /// What came isn't an answer of this version.
    Garbled { source: serde_json::Error },
    /// The server says no, and why.
    Refused(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::NoServer { socket, .. } => write!(
                f,
                "no dnsfwd answers at {}: is it running? Another socket is named with --socket, another \
                 configuration with --config",
                socket.display()
            ),
            AskError::NotAllowed { socket } => write!(
                f,
                "you may not use {}: run this as root, or as a member of the group that owns the socket",
                socket.display()
            ),
            AskError::Lost { socket, .. } => {
                write!(f, "dnsfwd took the question at {} but gave no answer", socket.display())
            }
            AskError::Garbled { .. } => {
                write!(f, "the server's answer can't be read: are it and this command of one version?")
            }
            AskError::Refused(reason) => f.write_str(reason),
        }
    }
}

impl error::Error for AskError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            AskError::NoServer { source, .. } | AskError::Lost { source, .. } => Some(source),
            AskError::Garbled { source } => Some(source),
            AskError::NotAllowed { .. } | AskError::Refused(_) => None,
        }
    }
}

/// One question, one answer.
pub fn ask<T: DeserializeOwned>(socket: &Path, request: &Request) -> Result<T, AskError> {
    let stream = connect(socket)?;
    let line =
        exchange(&stream, request).map_err(|source| AskError::Lost { socket: socket.to_owned(), source })?;
    match serde_json::from_str(&line) {
        Ok(Reply::Ok(report)) => Ok(report),
        Ok(Reply::Error(reason)) => Err(AskError::Refused(reason)),
        Err(source) => Err(AskError::Garbled { source }),
    }
}

fn connect(socket: &Path) -> Result<UnixStream, AskError> {
    UnixStream::connect(socket).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => AskError::NotAllowed { socket: socket.to_owned() },
        _ => AskError::NoServer { socket: socket.to_owned(), source },
    })
}

fn exchange(mut stream: &UnixStream, request: &Request) -> io::Result<String> {
    stream.set_write_timeout(Some(CLIENT_PATIENCE))?;
    stream.set_read_timeout(Some(REPLY_PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = String::new();
    BufReader::new(stream).take(MAX_REPLY_BYTES as u64).read_line(&mut reply)?;
    if reply.ends_with('\n') { Ok(reply) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
