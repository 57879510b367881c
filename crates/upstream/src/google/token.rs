//! An access token, for a while.

use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use ringmain_core::WallTime;

use crate::kept::Ends;

static PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// A Google access token, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct GoogleToken {
    text: Arc<str>,
    authorization: HeaderValue,
    /// Who pays, where a user's own credential says so.
    quota_project: Option<HeaderValue>,
    expires: Option<WallTime>,
}

impl fmt::Debug for GoogleToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Ends for GoogleToken {
    fn expires(&self) -> Option<WallTime> {
        self.expires
    }
}

impl GoogleToken {
    /// `None` if the text cannot stand in a header.
    pub(super) fn new(text: &str, quota_project: Option<&str>, expires: Option<WallTime>) -> Option<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {text}")).ok()?;
        authorization.set_sensitive(true);
        let quota_project = quota_project.and_then(|project| HeaderValue::try_from(project).ok());
        Some(Self { text: Arc::from(text), authorization, quota_project, expires })
    }

    /// Its text: a secret, to be found where a provider repeats it.
    #[must_use]
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// What shows it.
    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// Adds what lets a request in.
    pub fn authorize(&self, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, self.authorization.clone());
        if let Some(project) = &self.quota_project {
            headers.insert(PROJECT.clone(), project.clone());
        }
    }
}
