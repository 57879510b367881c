//! Base URLs.

use std::net::IpAddr;

/// A base URL's parts, checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// Without a slash at the end.
    pub(super) url: String,
    pub(super) secure: bool,
    /// In lower case, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Base {
    /// Is it this machine?
    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// Reads a base URL.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn base(text: &str) -> Result<Base, (&'static str, Option<String>)> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let (secure, rest) = if lower.starts_with("https://") {
        (true, &text[8..])
    } else if lower.starts_with("http://") {
        (false, &text[7..])
    } else {
        let help = (!text.contains("://")).then(|| "it begins with `https://` or `http://`".to_owned());
        return Err(("is not an http or https URL", help));
    };
    if text.contains(|char: char| char.is_whitespace() || char.is_control()) {
        return Err(("holds a space", None));
    }
    if text.contains(['?', '#']) {
        return Err(("has a query or a fragment", Some("paths are appended to it: end it before the `?`".to_owned())));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(("holds a credential", Some("keys belong under `keys`".to_owned())));
    }
    let (host, port) = split(authority, if secure { 443 } else { 80 }).ok_or(("has no valid host and port", None))?;
    let path = path.trim_end_matches('/');
    let scheme = if secure { "https" } else { "http" };
    let slash = if path.is_empty() { "" } else { "/" };
    Ok(Base { url: format!("{scheme}://{authority}{slash}{path}"), secure, host, port })
}

fn split(authority: &str, usual: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, after)
        }
        None => authority.find(':').map_or((authority, ""), |at| authority.split_at(at)),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None if port.is_empty() => usual,
        None => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    (!host.is_empty() && host.bytes().all(plain)).then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let good = [
            ("https://api.openai.com/v1/", "https://api.openai.com/v1", "api.openai.com", 443),
            ("http://localhost:11434/v1", "http://localhost:11434/v1", "localhost", 11434),
            ("HTTPS://Example.com", "https://Example.com", "example.com", 443),
            ("http://[::1]:80", "http://[::1]:80", "::1", 80),
        ];
        for (text, url, host, port) in good {
            let base = base(text).unwrap();
            assert_eq!((base.url.as_str(), base.host.as_str(), base.port), (url, host, port));
        }
        let bad = [
            "",
            "api.openai.com",
            "ftp://x",
            "https://",
            "https://u:p@x/",
            "https://x?y",
            "https://x:99999",
            "http://a b",
        ];
        for text in bad {
            assert!(base(text).is_err(), "{text}");
        }
    }
}
