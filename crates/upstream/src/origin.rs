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
    /// Only public addresses are dialled for it.
    public: bool,
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
            public: false,
            roots: None,
        })
    }

    /// The origin of a URL that somebody else named, and the path and query to ask it for.
    ///
    /// # Errors
    /// As [`Self::parse`]; a query is no mistake here.
    pub fn of_url(url: &str) -> Result<(Self, String), BadOrigin> {
        let url = url.split('#').next().unwrap_or_default();
        let uri: Uri = url.parse().map_err(|_| BadOrigin("not a URL"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let base = url.split('?').next().unwrap_or_default();
        Ok((Self { prefix: String::new(), ..Self::parse(base)? }, path))
    }

    /// The same, at a public address or not at all.
    #[must_use]
    pub fn public(self) -> Self {
        Self { public: true, ..self }
    }

    /// Must its address be public?
    #[must_use]
    pub const fn is_public(&self) -> bool {
        self.public
    }

    /// Scheme, host and port are the same?
    #[must_use]
    pub fn is_same_host(&self, other: &Self) -> bool {
        (self.secure, self.port) == (other.secure, other.port) && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Is it the same host, or below the domain that is `other` without its `api.` (`api.us1.bfl.ai` beside `api.bfl.ai`)?
    /// A credential may follow there.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        let (host, own) = (self.host.to_ascii_lowercase(), other.host.to_ascii_lowercase());
        let domain = own.strip_prefix("api.").unwrap_or(&own);
        let is_below = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        self.is_same_host(other) || (self.secure && self.port == 443 && other.secure && is_below)
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

    /// The same as [`Self::path`] for a path that may begin with the base URL's own: a client that was given `…/v1` says
    /// it again.
    #[must_use]
    pub fn path_once(&self, path: &str) -> String {
        let rest = path.strip_prefix(self.prefix.as_str());
        let again = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        if again { path.to_owned() } else { self.path(path) }
    }

    /// Of a URL or path that this provider names, the part that is asked for below its base URL; `None` where it leads
    /// elsewhere.
    #[must_use]
    pub fn own_path<'u>(&self, url: &'u str) -> Option<&'u str> {
        let path = match url.split_once("://") {
            Some((scheme, rest)) => {
                let at = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(at);
                let secure = scheme.eq_ignore_ascii_case("https");
                (secure == self.secure && authority.eq_ignore_ascii_case(&self.authority)).then_some(path)?
            }
            None => url,
        };
        let rest = path.strip_prefix(self.prefix.as_str())?;
        rest.starts_with('/').then_some(rest).filter(|rest| !rest.starts_with("//"))
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
    fn urls_of_others() {
        let (origin, path) = Origin::of_url("https://cdn.example.com/a/b.png?sig=x%2F#top").unwrap();
        assert_eq!((origin.host(), path.as_str()), ("cdn.example.com", "/a/b.png?sig=x%2F"));
        assert_eq!(origin.path("/x"), "/x");
        for bad in ["file:///etc/passwd", "https://user@host/", "//host/x", "gopher://x/"] {
            assert!(Origin::of_url(bad).is_err(), "{bad}");
        }
        let at = |url| Origin::of_url(url).unwrap().0;
        let own = at("https://api.bfl.ai");
        let table = [
            ("https://api.bfl.ai/v1", true),
            ("https://api.us1.bfl.ai/v1", true),
            ("http://api.us1.bfl.ai/v1", false),
            ("https://api.bfl.ai.evil.com/", false),
            ("https://evil.com/", false),
            ("https://10.0.0.1/", false),
        ];
        for (url, beside) in table {
            assert_eq!(at(url).is_beside(&own), beside, "{url}");
        }
        assert!(!at("https://b.co.uk").is_beside(&at("https://a.co.uk")));
        assert!(at("http://127.0.0.1:9000/x").is_beside(&at("http://127.0.0.1:9000/y")));
        assert!(!at("http://127.0.0.1:9001/x").is_beside(&at("http://127.0.0.1:9000/y")));
    }

    #[test]
    fn base_urls() {
        let origin = Origin::parse("https://api.openai.com/v1/").unwrap();
        assert_eq!((origin.host(), origin.port(), origin.is_secure()), ("api.openai.com", 443, true));
        assert_eq!(origin.path("/chat/completions"), "/v1/chat/completions");
        let once =
            [("/files?a=b", "/v1/files?a=b"), ("/v1/files", "/v1/files"), ("/v1x", "/v1/v1x"), ("/v1?a", "/v1?a")];
        once.into_iter().for_each(|(path, asked)| assert_eq!(origin.path_once(path), asked));
        let own = [
            ("https://api.openai.com/v1/files/f?a=b", Some("/files/f?a=b")),
            ("/v1/files/f", Some("/files/f")),
            ("/files/f", None),
            ("//evil.example/v1/f", None),
            ("/v1//evil.example/f", None),
            ("http://api.openai.com/v1/files", None),
            ("https://api.openai.com.evil.example/v1/files", None),
        ];
        own.into_iter().for_each(|(url, path)| assert_eq!(origin.own_path(url), path, "{url}"));
        let local = Origin::parse("http://[::1]:11434").unwrap();
        assert_eq!((local.host(), local.port(), local.authority()), ("::1", 11434, "[::1]:11434"));
        assert_eq!(local.path("/v1/messages"), "/v1/messages");
        for bad in ["ftp://x", "api.openai.com", "https://user:pass@host/", "https://host/?key=1", "https://"] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
