//! Stage 2: who asks. Without virtual keys there are two cases: a gateway on loopback serves any caller, one that
//! listens beyond it serves callers who show the admin secret.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use ringmain_core::{Fault, FaultClass, Origin, Phase};

/// Where a caller may put its key: each vendor's SDK has its own place.
const PLACES: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// Lets the caller in, or not. `secret` is `None` where any caller is served.
///
/// # Errors
/// 401 that says what is missing.
pub fn identify(headers: &HeaderMap, secret: Option<&str>) -> Result<(), Fault> {
    let Some(secret) = secret else { return Ok(()) };
    let bearer = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let bearer = bearer.and_then(|value| value.strip_prefix(b"Bearer "));
    let shown = PLACES.iter().filter_map(|name| headers.get(*name)).map(|value| value.as_bytes()).chain(bearer);
    if shown.into_iter().any(|key| same(key, secret.as_bytes())) {
        return Ok(());
    }
    let signed = headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"));
    let message = if signed {
        "this gateway wants a key and cannot check an AWS signature: set AWS_BEARER_TOKEN_BEDROCK to its admin secret"
    } else {
        "this gateway wants a key: send its admin secret where your SDK puts the API key"
    };
    Err(Fault::new(FaultClass::Auth, Origin::Caller, Phase::Before, message).with_status(401))
}

/// Compares without telling by its time how much was right.
fn same(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sdk_has_its_place() {
        let headers = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers
        };
        assert!(identify(&HeaderMap::new(), None).is_ok());
        for (name, value) in [("authorization", "Bearer s3"), ("x-api-key", "s3"), ("x-goog-api-key", "s3")] {
            assert!(identify(&headers(name, value), Some("s3")).is_ok(), "{name}");
        }
        for (name, value) in [("authorization", "Bearer s"), ("authorization", "s3"), ("x-api-key", "s33")] {
            assert_eq!(identify(&headers(name, value), Some("s3")).unwrap_err().status, Some(401), "{name} {value}");
        }
    }
}
