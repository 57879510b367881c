//! A credential that ends: found, kept, and renewed in time.
//!
//! What was found is kept and used without waiting. Shortly before it ends it is fetched anew beside the requests, which
//! go on with what there is; only where nothing usable is there does a request wait, for a bounded time, and all that
//! wait share one fetch. A failure is remembered for a moment, so that it costs one fetch and not one a request.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringmain_core::WallTime;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Upstream;

/// This shortly before their end, in milliseconds, credentials are not used any more: the clocks may differ.
pub(crate) const MARGIN: u64 = 30 * 1000;
/// What does not say when it ends is looked up again after this time, in milliseconds: files are rewritten.
const AGAIN: u64 = 10 * 60 * 1000;
/// No new fetch for so long after the last one, where that failed or brought nothing new.
const REST: Duration = Duration::from_secs(5);

/// Where a credential comes from.
pub trait Source: Send + Sync + 'static {
    /// What it gives.
    type Credential: Ends;
    /// It is fetched anew this many milliseconds before its end.
    const EARLY: u64;
    /// The longest that a request waits for it.
    const PATIENCE: Duration;

    /// Fetches one that is good at `now`.
    fn fetch(
        &self,
        upstream: &Upstream,
        now: WallTime,
    ) -> impl Future<Output = Result<Self::Credential, NoCredential>> + Send;
}

/// A credential that may end.
pub trait Ends: Send + Sync + 'static {
    /// When; `None`: it does not.
    fn expires(&self) -> Option<WallTime>;

    /// Will it be good for [`MARGIN`] yet?
    fn is_good(&self, now: WallTime) -> bool {
        self.expires().is_none_or(|end| now.0 + MARGIN < end.0)
    }
}

/// There is no credential; why. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCredential {
    why: String,
    /// Asking again without a change elsewhere is of no use: it was refused, or there is none.
    pub is_final: bool,
}

impl NoCredential {
    /// There is none, or it was refused.
    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_final: true }
    }

    /// Who gives it does not answer as it should: it may soon.
    pub(crate) fn unreachable(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_final: false }
    }

    /// The same, after what was tried before it.
    pub(crate) fn after(self, before: &str) -> Self {
        Self { why: format!("{before}; {}", self.why), ..self }
    }
}

impl fmt::Display for NoCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for NoCredential {}

/// A source with what it gave last.
pub struct Kept<S: Source> {
    source: S,
    held: Mutex<Held<S::Credential>>,
    /// Woken at the end of each fetch.
    fetched: Notify,
}

struct Held<C> {
    found: Option<(Arc<C>, WallTime)>,
    failed: Option<(NoCredential, Instant)>,
    is_fetching: bool,
}

impl<S: Source> fmt::Debug for Kept<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the source, parts of which are secrets.
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl<S: Source> Kept<S> {
    /// Nothing is fetched yet.
    #[must_use]
    pub fn new(source: S) -> Self {
        let held = Held { found: None, failed: None, is_fetching: false };
        Self { source, held: Mutex::new(held), fetched: Notify::new() }
    }

    /// A credential that is good at `now`.
    ///
    /// # Errors
    /// There is none, or none came in time.
    pub async fn get(self: &Arc<Self>, upstream: &Upstream, now: WallTime) -> Result<Arc<S::Credential>, NoCredential> {
        if let Some(known) = self.known(now) {
            if known.is_ok() && self.is_due(now) {
                self.fetch(upstream, now);
            }
            return known;
        }
        let wait = async {
            loop {
                let mut fetched = std::pin::pin!(self.fetched.notified());
                // From here on the end of a fetch is not missed.
                fetched.as_mut().enable();
                if let Some(known) = self.known(now) {
                    return known;
                }
                self.fetch(upstream, now);
                fetched.await;
            }
        };
        let late = || NoCredential::unreachable("none came in time");
        tokio::time::timeout(S::PATIENCE, wait).await.unwrap_or_else(|_| Err(late()))
    }

    /// It was refused before its time: what is asked for next is fetched anew. Not if it was only just fetched, for then
    /// its age is not the reason.
    pub fn refused(&self, used: &Arc<S::Credential>, now: WallTime) {
        let mut held = self.held();
        if held.found.as_ref().is_some_and(|(found, _)| Arc::ptr_eq(found, used)) && !held.rests(now) {
            held.found = None;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held<S::Credential>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be said without asking: there is one that is good, or there was none a moment ago.
    fn known(&self, now: WallTime) -> Option<Result<Arc<S::Credential>, NoCredential>> {
        let held = self.held();
        let good = held.found.as_ref().filter(|(found, _)| found.is_good(now)).map(|(found, _)| Ok(Arc::clone(found)));
        good.or_else(|| {
            let (failed, at) = held.failed.as_ref()?;
            (at.elapsed() < REST).then(|| Err(failed.clone()))
        })
    }

    /// Is it time to renew what there is?
    fn is_due(&self, now: WallTime) -> bool {
        let held = self.held();
        let due = held.found.as_ref().is_some_and(|(found, at)| match found.expires() {
            Some(end) => now.0 + S::EARLY >= end.0,
            None => now.0 >= at.0 + AGAIN,
        });
        due && !held.rests(now)
    }

    /// Fetches, beside the requests: one that stops waiting does not stop it, and all that wait have the one.
    fn fetch(self: &Arc<Self>, upstream: &Upstream, now: WallTime) {
        if std::mem::replace(&mut self.held().is_fetching, true) {
            return;
        }
        let (fetching, upstream) = (Fetching(Arc::clone(self)), upstream.clone());
        tokio::spawn(async move {
            let fetched = fetching.0.source.fetch(&upstream, now).await;
            fetching.0.held().keep(fetched, now);
        });
    }
}

/// A fetch that is under way; dropped at its end, however that comes.
struct Fetching<S: Source>(Arc<Kept<S>>);

impl<S: Source> Drop for Fetching<S> {
    fn drop(&mut self) {
        self.0.held().is_fetching = false;
        self.0.fetched.notify_waiters();
    }
}

impl<C: Ends> Held<C> {
    /// Was the last fetch a moment ago?
    fn rests(&self, now: WallTime) -> bool {
        let rest = REST.as_secs() * 1000;
        self.failed.as_ref().is_some_and(|(_, at)| at.elapsed() < REST)
            || self.found.as_ref().is_some_and(|(_, at)| (at.0..at.0 + rest).contains(&now.0))
    }

    fn keep(&mut self, fetched: Result<C, NoCredential>, now: WallTime) {
        match fetched {
            Ok(found) => {
                self.found = Some((Arc::new(found), now));
                self.failed = None;
            }
            Err(failed) => self.failed = Some((failed, Instant::now())),
        }
    }
}
