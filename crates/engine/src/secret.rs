//! Some providers repeat the key they refuse: it is taken out before anybody else reads it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem;

const REDACTED: &str = "[redacted]";

/// A credential's text, to be found; `None` where there is none, or it is too short to be told from a word.
#[derive(Clone, Default)]
pub struct Secret(pub(crate) Option<Arc<str>>);

impl Secret {
    /// A text without it.
    #[must_use]
    pub fn out_of(&self, text: &str) -> String {
        match &self.0 {
            Some(secret) => text.replace(&**secret, REDACTED),
            None => text.to_owned(),
        }
    }

    /// Bytes without it; shared where it is not in them.
    #[must_use]
    pub fn out_of_bytes(&self, bytes: Bytes) -> Bytes {
        let Some(secret) = &self.0 else { return bytes };
        if memmem::find(&bytes, secret.as_bytes()).is_none() {
            return bytes;
        }
        self.out_of(&String::from_utf8_lossy(&bytes)).into_bytes().into()
    }

    /// Headers without it.
    #[must_use]
    pub fn out_of_headers(&self, mut headers: HeaderMap) -> HeaderMap {
        if let Some(secret) = &self.0 {
            for value in headers.values_mut() {
                if memmem::find(value.as_bytes(), secret.as_bytes()).is_some() {
                    *value = HeaderValue::from_static(REDACTED);
                }
            }
        }
        headers
    }
}
