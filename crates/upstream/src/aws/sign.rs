//! AWS Signature Version 4 over a request's headers and body.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use ringmain_core::WallTime;

use super::credentials::AwsCredentials;
use crate::date;

static DATE: HeaderName = HeaderName::from_static("x-amz-date");
static TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What a signature is good for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// `us-east-1`.
    pub region: &'a str,
    /// `bedrock`: the service's name for signing, which is not always that of its host.
    pub service: &'a str,
}

/// Signs: adds the date, the token of temporary credentials, and the signature. Signed are the headers that name host and
/// content type, those two, and the body in its pieces. `None`, and nothing signed, if a credential cannot stand in a
/// header.
pub fn sign(
    method: &Method,
    uri: &Uri,
    headers: &mut HeaderMap,
    body: &[Bytes],
    credentials: &AwsCredentials,
    scope: Scope<'_>,
    now: WallTime,
) -> Option<()> {
    let stamp = date::stamp(now);
    let day = stamp.get(..8)?;
    headers.insert(DATE.clone(), HeaderValue::try_from(&stamp).ok()?);
    if let Some(token) = &credentials.session_token {
        let mut value = HeaderValue::try_from(token).ok()?;
        value.set_sensitive(true);
        headers.insert(TOKEN.clone(), value);
    }
    // In alphabetical order.
    let signed: Vec<&HeaderName> =
        [&CONTENT_TYPE, &HOST, &DATE, &TOKEN].into_iter().filter(|name| headers.contains_key(*name)).collect();
    let names = signed.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(";");
    let mut canonical = format!("{method}\n{}\n{}\n", canonical_path(uri.path()), canonical_query(uri.query()));
    for name in signed {
        let values: Vec<&str> =
            headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default().trim()).collect();
        // Writing to memory cannot fail.
        let _ = writeln!(canonical, "{name}:{}", values.join(","));
    }
    let _ = write!(canonical, "\n{names}\n{}", hex(hash(body).as_ref()));

    let range = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let hashed = digest::digest(&digest::SHA256, canonical.as_bytes());
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{range}\n{}", hex(hashed.as_ref()));
    let mut key = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", credentials.secret_key).as_bytes()),
        day.as_bytes(),
    );
    for part in [scope.region, scope.service, "aws4_request", &text] {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), part.as_bytes());
    }
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={}/{range}, SignedHeaders={names}, Signature={}",
        credentials.access_key,
        hex(key.as_ref())
    );
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Some(())
}

fn hash(body: &[Bytes]) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    body.iter().for_each(|part| context.update(part));
    context.finish()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The path as it is sent, each segment escaped once more: the service unescapes what it receives only once.
fn canonical_path(path: &str) -> String {
    if path.is_empty() {
        return "/".to_owned();
    }
    path.split('/').map(escaped).collect::<Vec<_>>().join("/")
}

/// The parameters in the order of their names; they are escaped already.
fn canonical_query(query: Option<&str>) -> String {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(&str, &str)> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
