//! The default credential chain: the environment, the shared files, the container's agent, the machine's role.
//!
//! What was found is kept and used without waiting. Shortly before it ends it is fetched anew beside the requests, which
//! go on with what there is; only where nothing usable is there does a request wait, for a bounded time, and all that
//! wait share one fetch. A failure is remembered for a moment, so that it costs one fetch and not one a request.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringmain_core::WallTime;
use tokio::time::Instant;

use super::credentials::AwsCredentials;
use super::{profile, remote};
use crate::Upstream;

/// Before their end, credentials are fetched anew.
const EARLY: u64 = 5 * 60 * 1000;
/// This shortly before their end they are not used any more: the clocks may differ.
const MARGIN: u64 = 30 * 1000;
/// What does not say when it ends is looked up again after this time: files are rewritten.
const AGAIN: u64 = 10 * 60 * 1000;
/// The longest that a request waits for credentials.
const PATIENCE: Duration = Duration::from_secs(4);
/// No new fetch for so long after one that failed.
const REST: Duration = Duration::from_secs(5);
/// The largest shared file that is read.
const FILE_MAX: u64 = 1024 * 1024;

/// The variables that say where credentials are.
const VARIABLES: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "HOME",
    "USERPROFILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
];

/// Finds credentials, and keeps them.
pub struct CredentialChain {
    variables: HashMap<&'static str, String>,
    held: Mutex<Held>,
    /// Held by whoever fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    found: Option<(Arc<AwsCredentials>, WallTime)>,
    failed: Option<(NoCredentials, Instant)>,
    refreshing: bool,
}

/// Nothing was found; why, of each place that was looked at. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCredentials(String);

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no AWS credentials were found: {}", self.0)
    }
}

impl std::error::Error for NoCredentials {}

impl fmt::Debug for CredentialChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the variables, some of which are secrets.
        f.debug_struct("CredentialChain").finish_non_exhaustive()
    }
}

impl CredentialChain {
    /// A chain over the variables that `var` knows. They are read now, once.
    #[must_use]
    pub fn new(var: impl Fn(&str) -> Option<String>) -> Self {
        let set =
            |name: &'static str| Some((name, var(name)?.trim().to_owned())).filter(|(_, value)| !value.is_empty());
        Self {
            variables: VARIABLES.into_iter().filter_map(set).collect(),
            held: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// A chain over the variables of this process.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// Credentials that are good at `now`.
    ///
    /// # Errors
    /// No place of the chain has any, or none answered in time.
    pub async fn get(
        self: &Arc<Self>,
        upstream: &Upstream,
        now: WallTime,
    ) -> Result<Arc<AwsCredentials>, NoCredentials> {
        if let Some(found) = self.usable(now) {
            if self.begins_refresh(now) {
                let (chain, upstream) = (Arc::clone(self), upstream.clone());
                // Beside the request, which may end before it: the next ones profit.
                tokio::spawn(async move {
                    let fetched = chain.fetch(&upstream, now).await;
                    let mut held = chain.held();
                    held.refreshing = false;
                    held.keep(fetched, now);
                });
            }
            return Ok(found);
        }
        let wait = async {
            let _one = self.fetching.lock().await;
            // Whoever was before us may have brought them, or learnt that there are none.
            if let Some(found) = self.usable(now) {
                return Ok(found);
            }
            if let Some((failed, _)) = self.held().failed.as_ref().filter(|(_, at)| at.elapsed() < REST) {
                return Err(failed.clone());
            }
            let fetched = self.fetch(upstream, now).await;
            self.held().keep(fetched.clone(), now);
            fetched.map(Arc::new)
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| Err(NoCredentials("none of the places answered in time".to_owned())))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self, now: WallTime) -> Option<Arc<AwsCredentials>> {
        let held = self.held();
        let (found, _) = held.found.as_ref()?;
        found.is_good(now, MARGIN).then(|| Arc::clone(found))
    }

    /// Is it time for a refresh that nobody has begun yet?
    fn begins_refresh(&self, now: WallTime) -> bool {
        let mut held = self.held();
        let due = held.found.as_ref().is_some_and(|(found, at)| match found.expires {
            Some(end) => now.0 + EARLY >= end.0,
            None => now.0 >= at.0 + AGAIN,
        });
        let rests = held.failed.as_ref().is_some_and(|(_, at)| at.elapsed() < REST);
        let begins = due && !rests && !held.refreshing;
        held.refreshing |= begins;
        begins
    }

    /// Looks at one place after the other.
    async fn fetch(&self, upstream: &Upstream, now: WallTime) -> Result<AwsCredentials, NoCredentials> {
        let var = |name: &str| self.variables.get(name).map(String::as_str);
        if let (Some(access_key), Some(secret_key)) = (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY")) {
            let token = var("AWS_SESSION_TOKEN").map(str::to_owned);
            return Ok(AwsCredentials::new(access_key.to_owned(), secret_key.to_owned(), token));
        }
        let name = var("AWS_PROFILE").unwrap_or("default");
        if let Some(found) = self.profile(name) {
            return Ok(found);
        }
        let mut reasons = vec!["the environment has none".to_owned(), format!("the profile `{name}` has none")];
        let relative = var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{}{path}", remote::CONTAINER));
        let full = var("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(str::to_owned);
        if let Some(url) = relative.or(full) {
            let file = var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|path| read(&PathBuf::from(path)));
            let token = file.or_else(|| var("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned));
            match remote::container(upstream, &url, token.as_deref()).await {
                Ok(found) if found.is_good(now, MARGIN) => return Ok(found),
                Ok(_) => reasons.push("the container's credentials have ended".to_owned()),
                Err(reason) => reasons.push(reason.to_owned()),
            }
        } else if var("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            reasons.push("the metadata service is disabled".to_owned());
        } else {
            let url = var("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(remote::MACHINE);
            match remote::machine(upstream, url).await {
                Ok(found) if found.is_good(now, MARGIN) => return Ok(found),
                Ok(_) => reasons.push("the machine's credentials have ended".to_owned()),
                Err(reason) => reasons.push(reason.to_owned()),
            }
        }
        Err(NoCredentials(reasons.join("; ")))
    }

    fn profile(&self, name: &str) -> Option<AwsCredentials> {
        let home = self.variables.get("HOME").or_else(|| self.variables.get("USERPROFILE"));
        let file = |variable: &str, usual: &str| {
            let path = self.variables.get(variable).map(PathBuf::from);
            path.or_else(|| Some(PathBuf::from(home?).join(".aws").join(usual))).map(|path| read(&path))
        };
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
        profile::find(name, &credentials, &file("AWS_CONFIG_FILE", "config").unwrap_or_default())
    }
}

impl Held {
    fn keep(&mut self, fetched: Result<AwsCredentials, NoCredentials>, now: WallTime) {
        match fetched {
            Ok(found) => {
                self.found = Some((Arc::new(found), now));
                self.failed = None;
            }
            Err(failed) => self.failed = Some((failed, Instant::now())),
        }
    }
}

/// A small text file; empty where it is not there.
fn read(path: &PathBuf) -> String {
    let small = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() <= FILE_MAX);
    if small { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() }
}
