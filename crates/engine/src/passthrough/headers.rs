//! Which headers go along, in both directions. Here all do but those named: what is passed through may be anything.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST,
    LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use ringmain_upstream::Origin;

use crate::headers::{nominated, to_caller};
use crate::identify::{KEY_IN_PROTOCOL, PROTOCOL};

/// Between two neighbours, and nobody else's business.
static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Where a caller's own credential may be, with what would tell the provider that there is one or where it came from.
static KEPT_BACK: [HeaderName; 17] = [
    HOST,
    CONTENT_LENGTH,
    EXPECT,
    FORWARDED,
    AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("via"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-key"),
    HeaderName::from_static("xi-api-key"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("ocp-apim-subscription-key"),
];
const KEPT_BACK_FAMILIES: [&str; 2] = ["x-ringmain-", "x-forwarded-"];

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const SWITCHES: HeaderValue = HeaderValue::from_static("Upgrade");

/// Does the caller ask for a WebSocket?
pub(super) fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// A caller's headers for the provider. `own`: the header its key goes in.
pub(super) fn outward(headers: &HeaderMap, own: Option<&HeaderName>) -> HeaderMap {
    let mut out = headers.clone();
    without_hops(&mut out);
    let of_family = |name: &&HeaderName| KEPT_BACK_FAMILIES.iter().any(|family| name.as_str().starts_with(family));
    let ours: Vec<HeaderName> = out.keys().filter(of_family).cloned().collect();
    for name in KEPT_BACK.iter().chain(&ours).chain(own) {
        out.remove(name);
    }
    let protocols: Vec<HeaderValue> = out.get_all(&PROTOCOL).iter().filter_map(without_key).collect();
    out.remove(&PROTOCOL);
    protocols.into_iter().for_each(|value| {
        out.append(PROTOCOL.clone(), value);
    });
    if wants_upgrade(headers) {
        out.insert(CONNECTION, SWITCHES);
        out.insert(UPGRADE, WEBSOCKET);
        out.remove(ACCEPT_ENCODING);
    }
    out
}

/// A provider's headers for the caller: those of any answer, and what is true of a body that goes on as it comes. A place
/// of its own that it names is named as it is reached here.
pub(super) fn inward(headers: HeaderMap, switched: bool, provider: &str, origin: &Origin) -> HeaderMap {
    let of_body = [CONTENT_ENCODING, CONTENT_LENGTH].map(|name| headers.get(&name).cloned().map(|value| (name, value)));
    let location = headers.get(LOCATION).cloned();
    let mut back = to_caller(headers);
    back.extend(of_body.into_iter().flatten());
    if let Some(location) = location {
        let here = location.to_str().ok().and_then(|url| origin.own_path(url));
        let here = here.and_then(|path| HeaderValue::try_from(format!("/providers/{provider}{path}")).ok());
        back.insert(LOCATION, here.unwrap_or(location));
    }
    if switched {
        back.insert(CONNECTION, SWITCHES);
        back.insert(UPGRADE, WEBSOCKET);
    }
    back
}

fn without_hops(headers: &mut HeaderMap) {
    for name in nominated(headers).iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn without_key(value: &HeaderValue) -> Option<HeaderValue> {
    let words = value.to_str().ok()?.split(',').map(str::trim);
    let left: Vec<&str> = words.filter(|word| !word.starts_with(KEY_IN_PROTOCOL) && !word.is_empty()).collect();
    if left.is_empty() { None } else { HeaderValue::try_from(left.join(", ")).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_callers_credential_stays_here() {
        let given = headers(&[
            ("authorization", "Bearer mine"),
            ("x-api-key", "mine"),
            ("xi-api-key", "mine"),
            ("my-key", "mine"),
            ("cookie", "mine"),
            ("host", "gateway"),
            ("x-ringmain-tag", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("content-type", "application/json"),
            ("openai-beta", "realtime=v1"),
            ("sec-websocket-protocol", "realtime, openai-insecure-api-key.mine"),
        ]);
        let own = HeaderName::from_static("my-key");
        let out = outward(&given, Some(&own));
        let mut left: Vec<&str> = out.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "openai-beta", "sec-websocket-protocol"]);
        assert_eq!(out["sec-websocket-protocol"], "realtime");
        let alone = outward(&headers(&[("sec-websocket-protocol", "openai-insecure-api-key.mine")]), None);
        assert!(alone.is_empty(), "{alone:?}");
    }

    #[test]
    fn answers_keep_what_is_true_of_them() {
        let given = headers(&[
            ("content-encoding", "gzip"),
            ("content-length", "7"),
            ("set-cookie", "x"),
            ("transfer-encoding", "chunked"),
            ("openai-organization", "ours"),
            ("x-request-id", "r"),
        ]);
        let origin = Origin::parse("https://api.openai.com/v1").unwrap();
        let back = inward(given, false, "openai", &origin);
        let mut left: Vec<&str> = back.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-encoding", "content-length", "x-request-id"]);
        let moved = |location| inward(headers(&[("location", location)]), false, "o", &origin)["location"].clone();
        assert_eq!(moved("https://api.openai.com/v1/files/a?b=c"), "/providers/o/files/a?b=c");
        assert_eq!(moved("https://files.example/signed"), "https://files.example/signed");
    }
}
