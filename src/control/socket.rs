//! The control socket: a unix socket with file permissions, for operators on this machine. Owns the socket's
//! file and its connections; what a request means is the [`Desk`]'s to say.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::core::{Asking, Core, UnknownListener, UnknownTarget, Which};
use super::desk::Desk;
use super::protocol::{CLIENT_PATIENCE, MAX_CONNECTIONS, MAX_REQUEST_BYTES, Reply, Request};
use super::report::{Explanation, Targets};
use super::{ACCEPT_PAUSE, ControlError, rtype};
use crate::wire::name::Name;

/// Owner and group may ask; nobody else.
const SOCKET_MODE: u32 = 0o660;
/// Of the folder, when we have to make it.
const FOLDER_MODE: u32 = 0o750;

/// A socket that listens, and its file, which goes when this goes.
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket. Dropped, it takes the file away, unless another server has put its own there.
pub struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours {
            // Nothing is left to do about a file that can't be removed; the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`. Must run inside a runtime.
pub fn bind(path: &Path) -> Result<Socket, ControlError> {
    make_room(path)?;
    let failed = |source| ControlError::Socket { path: path.to_owned(), source };
    let listener = bind_with_mode(path).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let inode = fs::symlink_metadata(path).map_err(failed)?.ino();
    let listener = UnixListener::from_std(listener).map_err(failed)?;
    Ok(Socket { listener, file: SocketFile { path: path.to_owned(), inode } })
}

/// Makes the folder, and sees to it that nothing stands in our place but what a dead server left.
fn make_room(path: &Path) -> Result<(), ControlError> {
    let failed = |source| ControlError::Socket { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed)?;
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            Err(ControlError::NotASocket { path: path.to_owned() })
        }
        Ok(_) => check_nobody_listens(path),
    }
}

fn check_nobody_listens(path: &Path) -> Result<(), ControlError> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ControlError::AlreadyServed { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // Whoever listens may be too busy to take one more: leave it alone.
        Err(source) => Err(ControlError::Socket { path: path.to_owned(), source }),
    }
}

/// Binds beside the place, sets the mode and renames: at no moment can a stranger connect, and a stale file
/// is replaced without a gap.
fn bind_with_mode(path: &Path) -> io::Result<StdListener> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    let listener = StdListener::bind(&aside)?;
    let placed = fs::set_permissions(&aside, Permissions::from_mode(SOCKET_MODE))
        .and_then(|()| fs::rename(&aside, path));
    match placed {
        Ok(()) => Ok(listener),
        Err(error) => {
            let _ = fs::remove_file(&aside);
            Err(error)
        }
    }
}

/// Takes connections until dropped. Those that are open then finish on their own.
pub async fn serve(socket: Socket, desk: Arc<Desk>) {
    let Socket { listener, file: _file } = socket;
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => welcome(stream, &slots, &desk),
            Err(error) => {
                tracing::warn!(%error, "the control socket takes no connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn welcome(stream: UnixStream, slots: &Arc<Semaphore>, desk: &Arc<Desk>) {
    let (desk, slot) = (desk.clone(), slots.clone().try_acquire_owned());
    tokio::spawn(async move {
        let (reader, mut writer) = stream.into_split();
        match slot {
            Ok(_slot) => converse(reader, writer, &desk).await,
            Err(_) => {
                let reason = format!("{MAX_CONNECTIONS} control connections are open, which is the most");
                let _ = send(&mut writer, &Reply::<()>::Error(reason)).await;
            }
        }
    });
}

/// Answers line after line. A client that is slow, silent or writes without end is let go.
async fn converse(reader: OwnedReadHalf, mut writer: OwnedWriteHalf, desk: &Arc<Desk>) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(MAX_REQUEST_BYTES as u64);
        match timeout(CLIENT_PATIENCE, bounded.read_until(b'\n', &mut line)).await {
            Ok(Ok(length)) if length > 0 => {}
            _ => return,
        }
        let whole = line.ends_with(b"\n");
        let sent = if whole { answer(&line, &mut writer, desk).await } else { refuse(&mut writer).await };
        if !whole || sent.is_err() {
            return;
        }
    }
}

async fn refuse(writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let reason = format!("a request is one line of at most {MAX_REQUEST_BYTES} bytes");
    send(writer, &Reply::<()>::Error(reason)).await
}

async fn answer(line: &[u8], writer: &mut OwnedWriteHalf, desk: &Arc<Desk>) -> io::Result<()> {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => {
            let reason = format!("this is not a request: {error}");
            return send(writer, &Reply::<()>::Error(reason)).await;
        }
    };
    match request {
        Request::Reload { zone: None } => send(writer, &desk.reload("the control socket").await).await,
        Request::Reload { zone: Some(name) } => match parse_name(&name) {
            Ok(name) => send(writer, &desk.reload_zone(name, "the control socket").await).await,
            Err(reason) => send(writer, &Reply::<()>::Error(reason)).await,
        },
        Request::Status => send(writer, &desk.ask(|core| core.status()).await).await,
        Request::Explain { name, rtype, client, listener } => match question(&name, &rtype) {
            Ok((name, rtype)) => {
                let asking = Asking { name, rtype, client, listener };
                send(writer, &explained(desk.ask(move |core| core.explain(&asking)).await)).await
            }
            Err(reason) => send(writer, &Reply::<()>::Error(reason)).await,
        },
        Request::Flush { name, tree } => match parse_name(&name) {
            Ok(name) => send(writer, &desk.ask(move |core| core.flush(&name, tree)).await).await,
            Err(reason) => send(writer, &Reply::<()>::Error(reason)).await,
        },
        Request::Targets => send(writer, &desk.ask(|core| core.targets()).await).await,
        Request::Drain { address, endpoint, seconds } => {
            let length = seconds.map(Duration::from_secs);
            let drain = move |core: &dyn Core, which: &Which| core.drain_targets(which, length);
            send(writer, &about_targets(desk, &address, endpoint, drain).await).await
        }
        Request::Enable { address, endpoint } => {
            let enable = |core: &dyn Core, which: &Which| core.enable_targets(which);
            send(writer, &about_targets(desk, &address, endpoint, enable).await).await
        }
    }
}

fn explained(reply: Reply<Result<Explanation, UnknownListener>>) -> Reply<Explanation> {
    match reply {
        Reply::Ok(Ok(explanation)) => Reply::Ok(explanation),
        Reply::Ok(Err(unknown)) => Reply::Error(unknown.to_string()),
        Reply::Error(reason) => Reply::Error(reason),
    }
}

async fn about_targets(
    desk: &Desk,
    address: &str,
    endpoint: Option<String>,
    act: impl FnOnce(&dyn Core, &Which) -> Result<Targets, UnknownTarget> + Send + 'static,
) -> Reply<Targets> {
    let Some(which) = Which::parse(address, endpoint) else {
        return Reply::Error(format!("'{address}' is not an address"));
    };
    match desk.ask(move |core| act(core, &which)).await {
        Reply::Ok(Ok(targets)) => Reply::Ok(targets),
        Reply::Ok(Err(unknown)) => Reply::Error(unknown.to_string()),
        Reply::Error(reason) => Reply::Error(reason),
    }
}

fn question(name: &str, rtype: &str) -> Result<(Name, u16), String> {
    let number = rtype::parse(rtype).ok_or_else(|| format!("'{rtype}' is not a record type"))?;
    Ok((parse_name(name)?, number))
}

fn parse_name(name: &str) -> Result<Name, String> {
    Name::parse(name).map_err(|error| format!("'{name}' is not a name: {error}"))
}

async fn send<T: Serialize>(writer: &mut OwnedWriteHalf, reply: &Reply<T>) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    timeout(CLIENT_PATIENCE, writer.write_all(&line)).await?
}
