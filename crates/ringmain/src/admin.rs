//! The listener of the admin plane, on a thread that gives way to those of requests.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ringmain_admin::Admin;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::server::{Drain, probe};

/// How much its threads give way: one that wants a processor gets a tenth of what a request's thread gets.
const NICE: i32 = 10;
/// Threads that wait for a store, at most.
const WAITING_MAX: usize = 8;
/// How long a question that is being answered may keep the process from ending.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// The running admin plane.
pub(crate) struct Plane {
    /// Dropped, it is told to end.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Plane {
    /// Begins to serve. A question about a year takes a processor for as long as hundreds of requests do, and its answer is
    /// as long: neither is to be noticed by them.
    pub(crate) fn start(listener: TcpListener, admin: Arc<Admin>, drain: Drain) -> io::Result<Self> {
        let listener = listener.into_std()?;
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().thread_name("admin-store").max_blocking_threads(WAITING_MAX).build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
            // Threads that are started from this one inherit it.
            if let Err(error) = rustix::process::nice(NICE) {
                tracing::debug!(%error, "the admin plane gives way to nobody");
            }
            runtime.block_on(async {
                match TcpListener::from_std(listener) {
                    Ok(listener) => tokio::select! {
                        () = serve(listener, admin, drain) => {}
                        _ = stopped => {}
                    },
                    Err(error) => tracing::error!(%error, "the admin plane cannot be served"),
                }
            });
            runtime.shutdown_timeout(ANSWERED_WITHIN);
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends it, and waits: what it held of the gateway's is let go.
    pub(crate) fn end(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the admin plane's thread had panicked");
        }
    }
}

async fn serve(listener: TcpListener, admin: Arc<Admin>, drain: Drain) {
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
