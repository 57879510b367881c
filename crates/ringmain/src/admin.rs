//! The admin plane, as far as it goes: `/metrics`, `/healthz`, `/readyz`, `/api/requests`.

mod requests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ringmain_engine::{Gateway, ReplyBody, identify};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use crate::server::{Drain, probe};

/// Serves the admin plane for as long as the process lives.
pub(crate) async fn serve(listener: TcpListener, gateway: Arc<Gateway>, drain: Drain) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (gateway, drain) = (Arc::clone(&gateway), drain.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (gateway, drain) = (Arc::clone(&gateway), drain.clone());
                async move { Ok::<_, Infallible>(answer(&gateway, &drain, &request).await) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
            // A scraper that goes away is no event.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(gateway: &Arc<Gateway>, drain: &Drain, request: &Request<Incoming>) -> Response<ReplyBody> {
    if let Some(answer) = probe(request.uri().path(), drain.stage()) {
        return answer;
    }
    if !may_enter(gateway, request.headers()) {
        return text(StatusCode::UNAUTHORIZED, "send the admin secret: Authorization: Bearer …\n".to_owned());
    }
    if let Some(rest) = request.uri().path().strip_prefix("/api/requests")
        && (rest.is_empty() || rest.starts_with('/'))
    {
        let (status, value) = requests::answer(gateway, rest, request.uri().query()).await;
        return json(status, &value);
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = text(StatusCode::OK, gateway.expose_metrics());
            let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        "/" => text(
            StatusCode::OK,
            "Ringmain. The dashboard is not available yet; /metrics and /api/requests are.\n".to_owned(),
        ),
        _ => text(
            StatusCode::NOT_FOUND,
            "nothing is served here; /metrics, /api/requests, /healthz and /readyz are\n".to_owned(),
        ),
    }
}

/// With an admin secret, whoever asks must show it.
fn may_enter(gateway: &Gateway, headers: &HeaderMap) -> bool {
    let rules = gateway.rules();
    let Some(secret) = &rules.config.server.admin_secret else { return true };
    headers.contains_key(AUTHORIZATION) && identify::shows(headers, secret.expose_secret())
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<ReplyBody> {
    let mut response = text(status, value.to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(status: StatusCode, text: String) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
