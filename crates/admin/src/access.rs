//! Who may ask. Nothing here is a cookie, so that no page in a browser can ask in somebody's name; where there is no
//! secret, and so nothing a page would have to know, pages are told by their `Origin` and by the `Host` they came to.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use ringmain_engine::{Gateway, identify};
use secrecy::ExposeSecret;

use crate::answer::Problem;

/// Lets the caller in, and says who it is for the audit log.
pub(crate) fn check(gateway: &Gateway, head: &Parts) -> Result<String, Problem> {
    let rules = gateway.rules();
    let server = &rules.config.server;
    let changes = head.method != Method::GET && head.method != Method::HEAD;
    if changes && !is_json(&head.headers) {
        // What a form of another site can send is never this.
        let message = "send content-type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    if let Some(secret) = &server.admin_secret {
        let shown = head.headers.contains_key(AUTHORIZATION) && identify::shows(&head.headers, secret.expose_secret());
        if shown {
            return Ok("admin secret".to_owned());
        }
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "send the admin secret: Authorization: Bearer …"));
    }
    if !is_local(&head.headers) {
        let message = "without an admin secret, only this machine is answered: ask for 127.0.0.1 or localhost, or set \
                       `server.admin_secret`";
        return Err(Problem::new(StatusCode::FORBIDDEN, message));
    }
    Ok("local".to_owned())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // A DELETE has no body, and a form cannot send one.
    kind.is_none_or(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    }) && !(kind.is_none() && headers.contains_key(ORIGIN))
}

/// Was this machine asked for by a name of its own, and not by a page from elsewhere?
fn is_local(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or("?"));
    let host = text(HOST).is_none_or(is_loopback);
    let origin = text(ORIGIN).is_none_or(|origin| {
        origin.split_once("://").is_some_and(|(_, authority)| is_loopback(authority) && Some(authority) == text(HOST))
    });
    host && origin
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(host, _)| host),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_from_elsewhere_are_not_local() {
        let headers = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            origin.map(|origin| headers.insert(ORIGIN, origin.parse().unwrap()));
            headers
        };
        for host in ["127.0.0.1:8081", "localhost", "[::1]:8081", "LOCALHOST:1"] {
            assert!(is_local(&headers(host, None)), "{host}");
        }
        assert!(is_local(&headers("localhost:8081", Some("http://localhost:8081"))));
        assert!(!is_local(&headers("evil.example:8081", None)), "a name that was made to point here");
        assert!(!is_local(&headers("127.0.0.1:8081", Some("http://evil.example"))));
        assert!(!is_local(&headers("127.0.0.1:8081", Some("http://127.0.0.1:3000"))), "another server on this machine");
        assert!(!is_local(&headers("127.0.0.1:8081", Some("null"))));
    }

    #[test]
    fn forms_cannot_change_anything() {
        let kind = |kind: Option<&str>, origin: bool| {
            let mut headers = HeaderMap::new();
            kind.map(|kind| headers.insert(CONTENT_TYPE, kind.parse().unwrap()));
            if origin {
                headers.insert(ORIGIN, "http://evil.example".parse().unwrap());
            }
            is_json(&headers)
        };
        assert!(kind(Some("application/json; charset=utf-8"), false) && kind(None, false));
        assert!(!kind(Some("text/plain"), false) && !kind(None, true));
    }
}
