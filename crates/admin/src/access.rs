//! Who may ask, and what. Nothing here is a cookie, so that no page in a browser can ask in somebody's name; where there
//! is no secret, and so nothing a page would have to know, pages are told by their `Origin` and by the `Host` they came to.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use ringmain_core::{Area, Scope, WallTime};
use ringmain_engine::identify;
use ringmain_state::KeyHash;
use ringmain_state::tokens::PREFIX;
use secrecy::ExposeSecret;

use crate::Admin;
use crate::answer::{Problem, blocking};

/// Somebody who may ask something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    /// For the audit log: never a secret.
    pub(crate) name: String,
    scopes: Vec<Scope>,
}

impl Actor {
    fn whole(name: &str) -> Self {
        Self { name: name.to_owned(), scopes: vec![Scope::ALL] }
    }

    /// May they ask this? `area`: `None` for what everybody who is let in may ask.
    ///
    /// # Errors
    /// 403 that names the scope which is lacking.
    pub(crate) fn may(&self, area: Option<Area>, write: bool) -> Result<(), Problem> {
        let Some(area) = area else { return Ok(()) };
        if self.scopes.iter().any(|scope| scope.allows(area, write)) {
            return Ok(());
        }
        let lacking = Scope { area: Some(area), write };
        Err(Problem::new(StatusCode::FORBIDDEN, format!("{} has not the scope `{lacking}`", self.name)))
    }
}

impl Actor {
    /// May they let somebody else have this much? Only what they have themselves.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn may_give(&self, scope: Scope) -> Result<(), Problem> {
        let areas = Area::NAMED.into_iter().map(|(_, area)| area);
        let mut asked = areas.filter(|area| scope.area.is_none_or(|own| own == *area));
        if asked.all(|area| self.scopes.iter().any(|own| own.allows(area, scope.write))) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, format!("{} cannot give the scope `{scope}` away", self.name)))
    }
}

/// Does the method change anything?
pub(crate) fn changes(method: &Method) -> bool {
    *method != Method::GET && *method != Method::HEAD
}

/// Lets the caller in, and says who it is.
pub(crate) async fn check(admin: &Arc<Admin>, head: &Parts) -> Result<Actor, Problem> {
    if changes(&head.method) && !is_json(&head.headers) {
        // What a form of another site can send is never this.
        let message = "send content-type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let now = admin.gateway.clock.now();
    // A reload changes who is let in from the next question on.
    let rules = admin.gateway.rules();
    let server = &rules.config.server;
    let (secret, people) = (server.admin_secret.clone(), admin.people.by(server.oidc.as_ref()));
    let shown = bearer(&head.headers);
    if let (Some(secret), true) = (&secret, head.headers.contains_key(AUTHORIZATION))
        && identify::shows(&head.headers, secret.expose_secret())
    {
        return Ok(Actor::whole("admin secret"));
    }
    match (shown, &people) {
        (Some(token), _) if token.starts_with(PREFIX) => return by_token(admin, token, now.wall).await,
        (Some(token), Some(people)) => {
            let person =
                people.identify(token, now).await.map_err(|why| Problem::new(StatusCode::UNAUTHORIZED, why))?;
            return Ok(Actor { name: format!("oidc {}", person.name), scopes: person.scopes });
        }
        _ => {}
    }
    if secret.is_some() || people.is_some() {
        let message = "send the admin secret, a token, or one of your identity provider: Authorization: Bearer …";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, message));
    }
    if !is_local(&head.headers) {
        let message = "without an admin secret, only this machine is answered: ask for 127.0.0.1 or localhost, or set \
                       `server.admin_secret`";
        return Err(Problem::new(StatusCode::FORBIDDEN, message));
    }
    Ok(Actor::whole("local"))
}

/// What follows `Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A machine, by its token. It is looked up each time, so that a revoked one is refused at once.
async fn by_token(admin: &Arc<Admin>, shown: &str, now: WallTime) -> Result<Actor, Problem> {
    let refused = |message: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, message));
    let Some(store) = admin.tokens.clone() else {
        return refused("there are no tokens here: they are kept in `state.database`");
    };
    let hash = KeyHash::of(shown.as_bytes());
    match blocking(move || store.token(&hash)).await? {
        None => refused("this token is not known"),
        Some(token) if token.standing(now) != "in force" => refused(match token.revoked {
            Some(_) => "this token was revoked",
            None => "this token has expired",
        }),
        Some(token) => Ok(Actor { name: format!("token {} ({})", token.name, token.id), scopes: token.scopes }),
    }
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
