//! One connection, made when it is needed and again when it is lost, used by one caller at a time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, Error};

use super::tls::Tls;
use super::url;
use crate::StateError;
use crate::tls::{self, Trust};

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How much the thread gives way that reads long answers: it gets a tenth of a processor that others want.
const NICE: i32 = 10;
/// The version of the tables.
const VERSION: i32 = 2;

/// What is done with a connection.
pub(super) type Doing<'c, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'c>>;

/// The thread that drives every connection of a process to one database.
pub(super) struct Driver {
    config: Config,
    tls: Tls,
    handle: Handle,
    /// The tables are known to be there.
    prepared: AtomicBool,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration holds a password.
        f.write_str("Driver")
    }
}

impl Driver {
    pub(super) fn start(url: &str, trust: &Trust) -> Result<Self, StateError> {
        let config = url::read(url)?;
        let tls = Tls::new(trust, &config);
        Self::of(config, tls, 0)
    }

    /// Another for the same database, whose thread gives way to others.
    pub(super) fn aside(&self) -> Result<Self, StateError> {
        Self::of(self.config.clone(), self.tls.clone(), NICE)
    }

    fn of(config: Config, tls: Tls, nice: i32) -> Result<Self, StateError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("postgres".to_owned()).spawn(move || {
            // Where it cannot give way, it does not.
            let _ = rustix::process::nice(nice);
            let _ = runtime.block_on(stopped);
        })?;
        let prepared = AtomicBool::new(false);
        Ok(Self { config, tls, handle, prepared, stop: Some(stop), thread: Some(thread) })
    }

    async fn connect(&self, within: Duration) -> Result<Live, StateError> {
        let connecting = timeout(CONNECT_WITHIN, self.config.connect(self.tls.clone()));
        let (client, connection) = connecting.await.map_err(|_| late("no connection", CONNECT_WITHIN))??;
        // What goes wrong with it is told to whoever uses it.
        let task = tokio::spawn(async move {
            let _ = connection.await;
        });
        let live = Live { client, task: task.abort_handle() };
        // The server is to give up what we have given up, lest it hold locks.
        let millis = within.as_millis();
        let session = format!(
            "SET search_path = ringmain; SET statement_timeout = {millis}; \
             SET idle_in_transaction_session_timeout = {millis}"
        );
        live.client.batch_execute(&session).await?;
        if !self.prepared.load(Ordering::Relaxed) {
            if !self.tls.is_used() && url::goes_far(&self.config) {
                tracing::warn!(
                    "the connection to state.database is not encrypted, for the server has no TLS: `sslmode=require` \
                     insists on it, `sslmode=disable` says that the network is to be trusted"
                );
            }
            prepare(&live.client).await?;
            self.prepared.store(true, Ordering::Relaxed);
        }
        Ok(live)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Makes the tables, unless they are there.
async fn prepare(client: &Client) -> Result<(), Error> {
    let there = "SELECT to_regclass('ringmain.version') IS NOT NULL";
    let is_there: bool = client.query_one(there, &[]).await?.get(0);
    if is_there {
        let version = client.query_opt("SELECT version FROM ringmain.version", &[]).await?;
        if version.is_some_and(|row| row.get::<_, i32>(0) >= VERSION) {
            return Ok(());
        }
    }
    client.batch_execute(include_str!("schema.sql")).await
}

fn late(what: &str, within: Duration) -> StateError {
    StateError::Postgres(format!("{what} within {} s", within.as_secs()))
}

/// A connection in use. Dropped, it is closed, whatever it is doing.
struct Live {
    client: Client,
    task: AbortHandle,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    driver: Arc<Driver>,
    within: Duration,
    live: Mutex<Option<Live>>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl Session {
    pub(super) const fn new(driver: Arc<Driver>, within: Duration) -> Self {
        Self { driver, within, live: Mutex::new(None) }
    }

    /// Does something with the connection; waits on the caller's thread, for the session's time and that of a connection
    /// at most. What is not done by then is given up, and its outcome unknown.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut Client) -> Doing<'c, T> + Send + 'static,
    ) -> Result<T, StateError> {
        let mut held = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let live = held.take().filter(|live| !live.client.is_closed());
        let (driver, within) = (Arc::clone(&self.driver), self.within);
        let (say, hear) = sync_channel(1);
        self.driver.handle.spawn(async move {
            let done = one(&driver, live, within, work).await;
            // Whoever hears of it may be the last to hold the driver, whose end waits for this thread.
            drop(driver);
            let _ = say.send(done);
        });
        let (live, done) = hear.recv().map_err(|_| StateError::Postgres("its thread has ended".to_owned()))?;
        *held = live;
        done
    }
}

async fn one<T>(
    driver: &Driver,
    live: Option<Live>,
    within: Duration,
    work: impl for<'c> FnOnce(&'c mut Client) -> Doing<'c, T>,
) -> (Option<Live>, Result<T, StateError>) {
    let mut live = match live {
        Some(live) => live,
        None => match timeout(CONNECT_WITHIN * 2, driver.connect(within)).await {
            Ok(Ok(live)) => live,
            Ok(Err(error)) => return (None, Err(error)),
            Err(_) => return (None, Err(late("no session", CONNECT_WITHIN * 2))),
        },
    };
    match timeout(within, work(&mut live.client)).await {
        Ok(Ok(done)) => (Some(live), Ok(done)),
        // A connection that is lost says so; any other error leaves it as it was.
        Ok(Err(error)) => (Some(live).filter(|live| !live.client.is_closed()), Err(error.into())),
        Err(_) => (None, Err(late("no answer", within))),
    }
}

impl From<Error> for StateError {
    /// In the server's words, without its hints and details, which may repeat values.
    fn from(error: Error) -> Self {
        if let Some(said) = error.as_db_error() {
            return Self::Postgres(format!("{} ({})", said.message(), said.code().code()));
        }
        if let Some(words) = tls::in_words(&error) {
            return Self::Postgres(words);
        }
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            let inner_text = inner.to_string();
            if !text.contains(&inner_text) {
                text = format!("{text}: {inner_text}");
            }
            source = inner.source();
        }
        // In the words of the library.
        if text.contains("server does not support TLS") {
            text =
                "`sslmode` asks for TLS, and the server has none: set `ssl = on` there, or say with `sslmode=disable` \
                    that the network in between is to be trusted"
                    .to_owned();
        }
        Self::Postgres(text)
    }
}
