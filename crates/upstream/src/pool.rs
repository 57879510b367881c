//! Idle connections, newest first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::dial::Io;
use crate::origin::Origin;

/// Many load balancers close an idle connection after 60 seconds; we are gone before that.
const IDLE_FOR: Duration = Duration::from_secs(25);
/// Idle connections kept for one origin. The next one is closed instead.
const IDLE_MAX: usize = 256;

/// A connection older than this serves no further request, so that one in constant use follows its host to a new address.
const AGE_MAX: Duration = Duration::from_secs(5 * 60);

/// One HTTP/1.1 connection: both halves, polled by whoever holds it. Large, so it is passed on in a box.
pub(crate) struct Connection {
    pub(crate) sender: http1::SendRequest<RequestBody>,
    pub(crate) driver: http1::Connection<TokioIo<Box<dyn Io>>, RequestBody>,
    /// When it was opened.
    pub(crate) since: Instant,
}

impl Connection {
    /// Looks whether the provider closed it meanwhile.
    fn is_usable(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let running = matches!(std::pin::Pin::new(&mut self.driver).poll(&mut context), Poll::Pending);
        running && self.sender.is_ready()
    }
}

/// Idle connections of one origin, and since when; the newest at the back.
type Idle = VecDeque<(Box<Connection>, Instant)>;

#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<Origin, Idle>>,
}

impl Pool {
    /// The connection used last that still stands.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Box<Connection>> {
        loop {
            let (mut connection, since) = self.lock().get_mut(origin)?.pop_back()?;
            if since.elapsed() < IDLE_FOR && connection.is_usable() {
                return Some(connection);
            }
        }
    }

    pub(crate) fn put(&self, origin: &Origin, connection: Box<Connection>) {
        let now = Instant::now();
        if now - connection.since >= AGE_MAX {
            return;
        }
        let mut idle = self.lock();
        if !idle.contains_key(origin) {
            idle.insert(origin.clone(), Idle::new());
        }
        let Some(connections) = idle.get_mut(origin) else { return };
        while connections.front().is_some_and(|(_, since)| now - *since >= IDLE_FOR) {
            connections.pop_front();
        }
        if connections.len() < IDLE_MAX {
            connections.push_back((connection, now));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Origin, Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
