//! The metrics listener: `/metrics` for collectors, `/healthz` for whoever restarts, `/readyz` for whoever
//! sends clients. Owns its connections; what it tells is the [`Desk`]'s to say.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::desk::Desk;
use super::protocol::Reply;
use super::{ACCEPT_PAUSE, ControlError, metrics};

/// A few collectors and balancers; each connection costs a task, a buffer and, while it is answered, a sample.
const MAX_CONNECTIONS: usize = 16;
/// Collectors send some 300 bytes of header at once.
const HEADER_PATIENCE: Duration = Duration::from_secs(5);
/// From accept to the last byte: as long as a collector's own scrape timeout, by default.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(10);
/// The smallest that hyper takes, and ample.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// The text format's own type, as collectors ask for it.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

pub async fn bind(address: SocketAddr) -> Result<TcpListener, ControlError> {
    TcpListener::bind(address).await.map_err(|source| ControlError::Metrics { address, source })
}

/// Takes connections until dropped. Those beyond the bound are closed at once: a collector tries again.
pub async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(slot) = slots.clone().try_acquire_owned() {
                    let desk = desk.clone();
                    tokio::spawn(async move {
                        let _slot = slot;
                        converse(stream, desk).await;
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the metrics listener takes no connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One request a connection: a scrape every few seconds needs no more, and none can be held open.
async fn converse(stream: TcpStream, desk: Arc<Desk>) {
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(answer(&request, &desk).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever a client did wrong is its own matter.
    let _ = timeout(CONNECTION_PATIENCE, connection).await;
}

async fn answer(request: &Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/metrics" => scrape(desk).await,
        "/healthz" => health(desk).await,
        "/readyz" => readiness(desk).await,
        _ => text(StatusCode::NOT_FOUND, "here are /metrics, /healthz and /readyz\n"),
    }
}

async fn scrape(desk: &Desk) -> Response<Full<Bytes>> {
    match desk.ask(|core| metrics::render(&core.sample())).await {
        Reply::Ok(page) => typed(StatusCode::OK, METRICS_TYPE, page),
        Reply::Error(reason) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{reason}\n")),
    }
}

async fn health(desk: &Desk) -> Response<Full<Bytes>> {
    match desk.ask(|core| core.alive()).await {
        Reply::Ok(true) => text(StatusCode::OK, "alive\n"),
        Reply::Ok(false) => text(StatusCode::SERVICE_UNAVAILABLE, "a worker stands still\n"),
        Reply::Error(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn readiness(desk: &Desk) -> Response<Full<Bytes>> {
    let ready = desk.ready().await;
    let (status, word) = match ready.ready {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let reasons: String = ready.reasons.iter().map(|reason| format!("{reason}\n")).collect();
    text(status, format!("{word}\n{reasons}"))
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    typed(status, TEXT_TYPE, body)
}

fn typed(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
