//! Where a provider is.

use std::fmt;

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::tls::Roots;

/// Scheme, host, port and path prefix of a base URL, and whom to believe there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    authority: String,
    host: String,
    port: u16,
    prefix: String,
    roots: Option<Roots>,
}

/// A base URL that cannot be used; the text never repeats the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOrigin(pub &'static str);

impl fmt::Display for BadOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadOrigin {}

impl Origin {
    /// Reads a base URL: `https://api.openai.com/v1`.
    ///
    /// # Errors
    /// Not `http` or `https`, no host, or credentials or a query in it.
    pub fn parse(base_url: &str) -> Result<Self, BadOrigin> {
        let uri: Uri = base_url.parse().map_err(|_| BadOrigin("not a URL"))?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(BadOrigin("the URL must begin with http:// or https://")),
        };
        let authority: &Authority = uri.authority().ok_or(BadOrigin("the URL names no host"))?;
        if authority.as_str().contains('@') {
            return Err(BadOrigin("credentials do not belong into a URL; use `keys`"));
        }
        if uri.query().is_some() {
            return Err(BadOrigin("a base URL has no query"));
        }
        Ok(Self {
            secure,
            authority: authority.to_string(),
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            roots: None,
        })
    }

    /// The same, with certificates that are trusted there beside the usual ones.
    #[must_use]
    pub fn trusting(self, roots: Roots) -> Self {
        Self { roots: Some(roots), ..self }
    }

    pub(crate) const fn roots(&self) -> Option<&Roots> {
        self.roots.as_ref()
    }

    /// TLS?
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The value of the `host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path and query of a request: the base URL's path, then `path`.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let origin = Origin::parse("https://api.openai.com/v1/").unwrap();
        assert_eq!((origin.host(), origin.port(), origin.is_secure()), ("api.openai.com", 443, true));
        assert_eq!(origin.path("/chat/completions"), "/v1/chat/completions");
        let local = Origin::parse("http://[::1]:11434").unwrap();
        assert_eq!((local.host(), local.port(), local.authority()), ("::1", 11434, "[::1]:11434"));
        assert_eq!(local.path("/v1/messages"), "/v1/messages");
        for bad in ["ftp://x", "api.openai.com", "https://user:pass@host/", "https://host/?key=1", "https://"] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
