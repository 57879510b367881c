//! Worker threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use ringmain_engine::Gateway;
use ringmain_upstream::{Dial, Upstream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::connection;
use super::drain::{Drain, Stage};

/// All worker threads.
pub(crate) struct Workers {
    workers: Vec<Worker>,
}

struct Worker {
    connections: mpsc::UnboundedSender<std::net::TcpStream>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Workers {
    /// Starts `count` threads.
    pub(crate) fn start(
        count: usize,
        gateway: &Arc<Gateway>,
        dialer: &Arc<dyn Dial>,
        drain: &Drain,
    ) -> io::Result<Self> {
        let start = |at| Worker::start(at, Arc::clone(gateway), Arc::clone(dialer), drain.clone());
        Ok(Self { workers: (0..count.max(1)).map(start).collect::<io::Result<_>>()? })
    }

    /// Gives a new connection to the worker with the fewest.
    pub(crate) fn give(&self, stream: TcpStream) {
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else { return };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a caller left before it was served");
            return;
        }
        if let Ok(stream) = stream.into_std() {
            worker.open.fetch_add(1, Ordering::Relaxed);
            // A worker that is gone has drained: the connection closes.
            let _ = worker.connections.send(stream);
        }
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.workers.iter().map(|worker| worker.open.load(Ordering::Relaxed)).sum()
    }

    /// Waits for all threads. They end when the drain does.
    pub(crate) fn join(self) {
        for Worker { connections, thread, .. } in self.workers {
            drop(connections);
            if thread.join().is_err() {
                tracing::error!("a worker thread had panicked");
            }
        }
    }
}

impl Worker {
    fn start(at: usize, gateway: Arc<Gateway>, dialer: Arc<dyn Dial>, drain: Drain) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Not bounded: what waits here are connections the kernel has accepted, which file descriptors bound.
        let (connections, waiting) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&open);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{at}"))
            .spawn(move || runtime.block_on(run(waiting, counter, gateway, dialer, drain)))?;
        Ok(Self { connections, open, thread })
    }
}

async fn run(
    mut waiting: mpsc::UnboundedReceiver<std::net::TcpStream>,
    open: Arc<AtomicUsize>,
    gateway: Arc<Gateway>,
    dialer: Arc<dyn Dial>,
    drain: Drain,
) {
    let upstream = Upstream::new(dialer);
    tokio::spawn(keep_a_timer_near());
    while let Some(stream) = waiting.recv().await {
        let counted = Counted(Arc::clone(&open));
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        let served = connection::serve(stream, Arc::clone(&gateway), upstream.clone(), drain.clone());
        tokio::spawn(async move {
            let _counted = counted;
            served.await;
        });
    }
    // The sender is dropped when the process goes: what is still open has until the end of the drain.
    let mut drain = drain;
    while open.load(Ordering::Relaxed) > 0 && drain.stage() < Stage::Ending {
        tokio::select! {
            () = drain.reached(Stage::Ending) => {}
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
        }
    }
    let last_words = std::time::Duration::from_secs(2);
    let _ = tokio::time::timeout(last_words, async {
        while open.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// A timer that ends before all others makes tokio's driver wake itself through a system call, so that it sleeps no
/// longer than that. Each request of a quiet thread would do so; with this timer, theirs are never the next to end.
async fn keep_a_timer_near() {
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

/// One open connection, counted for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
