//! One connection of a caller.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
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
    let health = drain.clone();
    let (begun, switched) = (AtomicBool::new(false), Mutex::new(None));
    let service = service_fn(|mut request: Request<Incoming>| {
        let (gateway, upstream, switched) = (&gateway, &upstream, &switched);
        begun.store(true, Ordering::Relaxed);
        let stage = health.stage();
        async move {
            let mut response = match probe(request.uri().path(), stage) {
                Some(answer) => answer,
                None => {
                    let switches = hyper::upgrade::on(&mut request);
                    let mut response = ringmain_engine::serve(gateway, upstream, request).await;
                    if let Some(tunnel) = Tunnel::take(&mut response) {
                        *switched.lock().unwrap_or_else(PoisonError::into_inner) = Some((tunnel, switches));
                    }
                    response
                }
            };
            if stage >= Stage::Draining {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(BUFFER_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    loop {
        let next = if drain.stage() == Stage::Serving { Stage::Draining } else { Stage::Ending };
        tokio::select! {
            biased;
            // An error is the caller's connection breaking: whoever was served settles for it.
            _ = connection.as_mut() => break,
            () = drain.reached(next) => {}
        }
        match drain.stage() {
            Stage::Serving => {}
            Stage::Draining => {
                // Hyper closes a connection it has read nothing from at once; its caller may have asked already.
                if !begun.load(Ordering::Relaxed) {
                    tokio::select! {
                        biased;
                        _ = connection.as_mut() => break,
                        () = tokio::time::sleep(FIRST_WITHIN) => {}
                    }
                }
                connection.as_mut().graceful_shutdown();
            }
            Stage::Ending => {
                // The streams have been told; each still writes its last event.
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(Duration::from_secs(1), connection.as_mut()).await;
                return;
            }
        }
    }
    let switched = switched.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((tunnel, switches)) = switched {
        join(tunnel, switches, drain).await;
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
