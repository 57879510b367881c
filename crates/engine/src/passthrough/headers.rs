//! Which headers go along, in both directions.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

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

/// Where a caller's own credential may be.
static CREDENTIALS: [HeaderName; 11] = [
    AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-key"),
    HeaderName::from_static("xi-api-key"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("ocp-apim-subscription-key"),
];

static PROTOCOL: HeaderName = HeaderName::from_static("sec-websocket-protocol");
/// Browsers have no other place for a key.
const KEY_IN_PROTOCOL: &str = "openai-insecure-api-key.";

/// Does the caller ask for a WebSocket?
pub(super) fn wants_upgrade(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// A caller's headers for the provider. `own`: the header its key goes in.
pub(super) fn outward(headers: &HeaderMap, own: Option<&HeaderName>) -> HeaderMap {
    let mut out = headers.clone();
    without_hops(&mut out);
    let mine = [HOST, CONTENT_LENGTH, EXPECT, FORWARDED];
    for name in mine.iter().chain(&CREDENTIALS).chain(own) {
        out.remove(name);
    }
    let ours: Vec<HeaderName> = out
        .keys()
        .filter(|name| name.as_str().starts_with("x-ringmain-") || name.as_str().starts_with("x-forwarded-"))
        .cloned()
        .collect();
    for name in ours {
        out.remove(name);
    }
    if let Some(value) = out.remove(&PROTOCOL).and_then(|value| without_key(&value)) {
        out.insert(PROTOCOL.clone(), value);
    }
    if wants_upgrade(headers) {
        out.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        out.insert(UPGRADE, HeaderValue::from_static("websocket"));
        out.remove(ACCEPT_ENCODING);
    }
    out
}

/// A provider's headers for the caller; how its body is encoded and how long it is stays true.
pub(super) fn inward(mut headers: HeaderMap, upgraded: bool) -> HeaderMap {
    without_hops(&mut headers);
    for name in [SET_COOKIE, HeaderName::from_static("alt-svc"), HeaderName::from_static("strict-transport-security")] {
        headers.remove(name);
    }
    if upgraded {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    headers
}

fn without_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
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
    }

    #[test]
    fn answers_keep_what_is_true_of_them() {
        let given = headers(&[
            ("content-encoding", "gzip"),
            ("content-length", "7"),
            ("set-cookie", "x"),
            ("transfer-encoding", "chunked"),
            ("x-request-id", "r"),
        ]);
        let back = inward(given, false);
        assert_eq!(
            (back.len(), &back["content-encoding"], &back["content-length"]),
            (3, &"gzip".parse().unwrap(), &"7".parse().unwrap())
        );
    }
}
