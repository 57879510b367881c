//! A key pair, perhaps for a while only.

use std::fmt;

use ringmain_core::WallTime;
use serde_json::Value;

use crate::date;
use crate::kept::Ends;

/// An AWS key pair.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsCredentials {
    /// `AKIA…` or `ASIA…`: a name, not a secret.
    pub access_key: String,
    /// Signs; is never sent.
    pub(crate) secret_key: String,
    /// Of temporary credentials: sent along.
    pub(crate) session_token: Option<String>,
    /// When they end; `None`: they do not.
    pub(crate) expires: Option<WallTime>,
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Ends for AwsCredentials {
    fn expires(&self) -> Option<WallTime> {
        self.expires
    }
}

impl AwsCredentials {
    /// A key pair, with the token that temporary ones have.
    #[must_use]
    pub fn new(access_key: String, secret_key: String, session_token: Option<String>) -> Self {
        Self { access_key, secret_key, session_token, expires: None }
    }

    /// Reads what a container's or a machine's endpoint answers.
    pub(super) fn from_json(json: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(json).ok()?;
        let text = |name: &str| value.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty());
        Some(Self {
            access_key: text("AccessKeyId")?.to_owned(),
            secret_key: text("SecretAccessKey")?.to_owned(),
            session_token: text("Token").map(str::to_owned),
            expires: text("Expiration").and_then(date::parse),
        })
    }
}
