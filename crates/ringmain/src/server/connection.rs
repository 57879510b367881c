//! One connection of a caller.

mod http2;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ringmain_engine::{Gateway, ReplyBody, Tunnel};
use ringmain_upstream::Upstream;
use tokio::net::TcpStream;

use super::drain::{Drain, Stage};

/// How long a caller may take to send a request's headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// The largest request head, and the buffer of one connection.
const BUFFER_MAX: usize = 64 * 1024;
/// How long the first request of a fresh connection may be on its way when the process goes out of service.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Serves one connection until it closes or the process goes out of service.
pub(super) async fn serve(stream: TcpStream, gateway: Arc<Gateway>, upstream: Upstream, mut drain: Drain) {
    let speaks_http2 = tokio::select! {
        biased;
        spoken = http2::is_spoken(&stream) => spoken,
        () = tokio::time::sleep(HEADERS_WITHIN) => return,
        () = too_late_to_begin(&mut drain) => return,
    };
    // Broken before it said anything, it has nothing to be served.
    let Ok(speaks_http2) = speaks_http2 else { return };
    let front = Front { gateway, upstream, drain, begun: AtomicBool::new(false), switched: Mutex::new(None) };
    let stream = TokioIo::new(stream);
    if speaks_http2 {
        let front = Arc::new(front);
        // A stream is a task of its own, which lives no longer than its connection lets it.
        let service = service_fn(|request| {
            let front = Arc::clone(&front);
            async move {
                let response = front.answer(request).await?;
                Ok::<_, Infallible>(response.map(|body| http2::Streamed::new(body, front.drain.clone())))
            }
        });
        let connection = http2::settings(TokioExecutor::new()).serve_connection(stream, service);
        front.run(pin!(connection), |it| it.graceful_shutdown()).await;
        return;
    }
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(BUFFER_MAX);
    let connection = builder.serve_connection(stream, service_fn(|request| front.answer(request)));
    front.run(pin!(connection.with_upgrades()), |it| it.graceful_shutdown()).await;
    let switched = front.switched.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((tunnel, switches)) = switched {
        join(tunnel, switches, front.drain).await;
    }
}

/// The process went out of service, and a request that was on its way has had the time to come.
async fn too_late_to_begin(drain: &mut Drain) {
    drain.reached(Stage::Draining).await;
    tokio::time::sleep(FIRST_WITHIN).await;
}

/// What stands behind one connection.
struct Front {
    gateway: Arc<Gateway>,
    upstream: Upstream,
    drain: Drain,
    /// A request has come.
    begun: AtomicBool,
    /// The last answer leaves HTTP.
    switched: Mutex<Option<(Tunnel, OnUpgrade)>>,
}

impl Front {
    async fn answer(&self, mut request: Request<Incoming>) -> Result<Response<ReplyBody>, Infallible> {
        self.begun.store(true, Ordering::Relaxed);
        let stage = self.drain.stage();
        let closes = stage >= Stage::Draining && request.version() < Version::HTTP_2;
        let mut response = match probe(request.uri().path(), stage) {
            Some(answer) => answer,
            None => {
                let switches = hyper::upgrade::on(&mut request);
                let mut response = ringmain_engine::serve(&self.gateway, &self.upstream, request).await;
                if let Some(tunnel) = Tunnel::take(&mut response) {
                    *self.switched.lock().unwrap_or_else(PoisonError::into_inner) = Some((tunnel, switches));
                }
                response
            }
        };
        if closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    /// Drives the connection to its end; out of service, its last answers first.
    async fn run<C: Future>(&self, mut connection: Pin<&mut C>, wind_down: impl Fn(Pin<&mut C>)) {
        let mut drain = self.drain.clone();
        loop {
            let next = if drain.stage() == Stage::Serving { Stage::Draining } else { Stage::Ending };
            tokio::select! {
                biased;
                // An error is the caller's connection breaking: whoever was served settles for it.
                _ = connection.as_mut() => return,
                () = drain.reached(next) => {}
            }
            match drain.stage() {
                Stage::Serving => {}
                Stage::Draining => {
                    // Hyper closes a connection it has read nothing from at once; its caller may have asked already.
                    if !self.begun.load(Ordering::Relaxed) {
                        tokio::select! {
                            biased;
                            _ = connection.as_mut() => return,
                            () = too_late_to_begin(&mut drain) => {}
                        }
                    }
                    wind_down(connection.as_mut());
                }
                Stage::Ending => {
                    // The streams have been told; each still writes its last event.
                    wind_down(connection.as_mut());
                    let _ = tokio::time::timeout(Duration::from_secs(1), connection.as_mut()).await;
                    return;
                }
            }
        }
    }
}

/// The connection has left HTTP: it is one half of a tunnel, for as long as that stands.
async fn join(tunnel: Tunnel, switches: OnUpgrade, mut drain: Drain) {
    // Where it broke instead, the tunnel settles as one whose caller left.
    let Ok(caller) = switches.await else { return };
    tunnel.run(TokioIo::new(caller), drain.reached(Stage::Ending)).await;
}

/// `/healthz`: the process lives. `/readyz`: it takes requests.
pub(crate) fn probe(path: &str, stage: Stage) -> Option<Response<ReplyBody>> {
    let (status, text) = match (path, stage) {
        ("/healthz", _) | ("/readyz", Stage::Serving) => (StatusCode::OK, "ok\n"),
        ("/readyz", Stage::Draining | Stage::Ending) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        _ => return None,
    };
    let mut response = Response::new(ReplyBody::whole(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    Some(response)
}
