//! The listener of the admin plane.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ringmain_admin::Admin;
use tokio::net::TcpListener;

use crate::server::{Drain, probe};

/// Serves the admin plane for as long as the process lives.
pub(crate) async fn serve(listener: TcpListener, admin: Arc<Admin>, drain: Drain) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (admin, drain) = (Arc::clone(&admin), drain.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (admin, drain) = (Arc::clone(&admin), drain.clone());
                async move {
                    let answer = match probe(request.uri().path(), drain.stage()) {
                        Some(answer) => answer,
                        None => ringmain_admin::answer(&admin, request).await,
                    };
                    Ok::<_, Infallible>(answer)
                }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
            // A scraper that goes away is no event.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
