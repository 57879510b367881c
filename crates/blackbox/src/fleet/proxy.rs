//! A way to a server that can be made slow. It runs on a thread of its own: what else goes on here makes no answer late.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Passes on what it is sent; answers as late as it is told to. Dropped, it closes its connections.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    delay_ms: Arc<AtomicU64>,
    _running: oneshot::Sender<()>,
}

impl Proxy {
    pub(super) fn start(to: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let delay_ms = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&delay_ms);
        let (running, ended) = oneshot::channel();
        std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = ended => {}
                    _ = accept(listener, to, delay) => {}
                }
            });
        })?;
        Ok(Self { address, delay_ms, _running: running })
    }

    pub(super) fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Until it cannot.
async fn accept(listener: std::net::TcpListener, to: SocketAddr, delay_ms: Arc<AtomicU64>) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (caller, _) = listener.accept().await?;
        let delay = Arc::clone(&delay_ms);
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(to).await else { return };
            let _ = (caller.set_nodelay(true), server.set_nodelay(true));
            let ((from_caller, to_caller), (from_server, to_server)) = (caller.into_split(), server.into_split());
            tokio::spawn(pass(from_caller, to_server, Arc::default()));
            pass(from_server, to_caller, delay).await;
        });
    }
}

/// One direction. What comes keeps its distances: each piece is late by the delay there was when it came.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay_ms: Arc<AtomicU64>) {
    let (send, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let writing = tokio::spawn(async move {
        while let Some((due, piece)) = pieces.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let due = Instant::now() + Duration::from_millis(delay_ms.load(Ordering::Relaxed));
        if send.send((due, buffer[..read].to_vec())).await.is_err() {
            break;
        }
    }
    drop(send);
    let _ = writing.await;
}
