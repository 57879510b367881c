//! What goes back to the caller: the body type, the headers every answer carries, error answers.

use std::fmt::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use ringmain_core::{Dialect, Fault, Origin, Phase, RequestId};
use ringmain_dialects::{Loss, registry};

use crate::live::Live;
use crate::passthrough::Raw;

/// The request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-ringmain-request-id");
/// Who served it: `provider/model`.
pub const TARGET: HeaderName = HeaderName::from_static("x-ringmain-target");
/// Upstream attempts made.
pub const ATTEMPTS: HeaderName = HeaderName::from_static("x-ringmain-attempts");
/// The route it took.
pub const ROUTE: HeaderName = HeaderName::from_static("x-ringmain-route");
/// What chose the target, and what failed before it.
pub const WHY: HeaderName = HeaderName::from_static("x-ringmain-why");
/// `hit`, `miss`, `semantic`, `coalesced` or `off`.
pub const CACHE: HeaderName = HeaderName::from_static("x-ringmain-cache");
/// What was lost in translation.
pub const LOSS: HeaderName = HeaderName::from_static("x-ringmain-loss");
/// The longest list of lost fields, in bytes: proxies refuse heads of a few KiB.
const LOSS_MAX: usize = 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The body of an answer.
pub enum ReplyBody {
    /// All there.
    Whole(Option<Bytes>),
    /// Coming.
    Live(Box<Live>),
    /// Coming as the provider sends it.
    Raw(Box<Raw>),
}

impl ReplyBody {
    /// A body that is all there.
    #[must_use]
    pub const fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes))
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => f.debug_tuple("Whole").field(&bytes.as_ref().map(Bytes::len)).finish(),
            Self::Live(_) => f.write_str("Live"),
            Self::Raw(_) => f.write_str("Raw"),
        }
    }
}

/// The answer broke off and its form has no place for an error: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl std::error::Error for BrokenOff {}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Live(live) => live.poll_bytes(cx).map(|bytes| bytes.map(|bytes| bytes.map(Frame::data))),
            Self::Raw(raw) => raw.poll_bytes(cx).map(|bytes| bytes.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Live(_) => SizeHint::default(),
            Self::Raw(raw) => raw.left().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// What an answer's headers say of how it came about.
#[derive(Debug)]
pub struct Account<'a> {
    /// Which request.
    pub request: RequestId,
    /// Who served it, or was tried last.
    pub target: Option<&'a HeaderValue>,
    /// Upstream attempts made.
    pub attempts: u32,
    /// The route taken.
    pub route: Option<&'a HeaderValue>,
    /// What chose the target, and what failed before it, in short.
    pub why: Option<HeaderValue>,
    /// What was lost in translation.
    pub losses: &'a [Loss],
}

impl Account<'_> {
    /// Writes the headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::try_from(self.request.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(target) = self.target {
            headers.insert(TARGET, target.clone());
        }
        headers.insert(ATTEMPTS, HeaderValue::from(self.attempts));
        if let Some(route) = self.route {
            headers.insert(ROUTE, route.clone());
        }
        if let Some(why) = &self.why {
            headers.insert(WHY, why.clone());
        }
        headers.insert(CACHE, HeaderValue::from_static("off"));
        if let Some(value) = lost(self.losses) {
            headers.insert(LOSS, value);
        }
    }
}

/// The fields that were lost, each once; where they are too many for a header, how many more: `top_k,user,+7`.
fn lost(losses: &[Loss]) -> Option<HeaderValue> {
    let mut fields: Vec<&str> = Vec::new();
    for loss in losses.iter().filter(|loss| !loss.field.is_empty()) {
        if !fields.contains(&loss.field.as_str()) {
            fields.push(&loss.field);
        }
    }
    let mut text = String::new();
    for (at, field) in fields.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        if text.len() + comma.len() + field.len() > LOSS_MAX {
            let _ = write!(text, "{comma}+{}", fields.len() - at);
            break;
        }
        text.push_str(comma);
        text.push_str(field);
    }
    let printable = text.replace(|c: char| !(' '..='~').contains(&c), "?");
    HeaderValue::try_from(printable).ok().filter(|value| !value.is_empty())
}

/// An error in the caller's dialect.
#[must_use]
pub fn error(dialect: Dialect, fault: &Fault, account: &Account<'_>) -> Response<ReplyBody> {
    // A dialect whose codec is still to come gets the shape most clients read.
    let codec = registry::codec(dialect).or_else(|| registry::codec(Dialect::OpenAiChat));
    let Some(codec) = codec else { return Response::new(ReplyBody::whole(Bytes::new())) };
    let encoded = codec.encode_fault(fault, &account.request.to_string());
    let mut response = Response::new(ReplyBody::whole(encoded.body.into()));
    let status = StatusCode::from_u16(encoded.status).unwrap_or(StatusCode::BAD_GATEWAY);
    // What is too large for the gateway itself says so, also in a dialect whose own errors have no such status.
    let is_too_large = fault.status == Some(413) && fault.origin == Origin::Caller && fault.phase == Phase::Before;
    *response.status_mut() = if is_too_large { StatusCode::PAYLOAD_TOO_LARGE } else { status };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    for (name, value) in encoded.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(wait) = fault.retry_after {
        headers.insert(RETRY_AFTER, retry_after(wait));
    }
    account.write(headers);
    response
}

/// Names the request where the SDK of this dialect looks for its vendor's name of it.
pub fn name_request(headers: &mut HeaderMap, dialect: Dialect, request: RequestId) {
    let name = registry::request_id_header(dialect);
    if let (Some(name), Ok(id)) = (name, HeaderValue::try_from(request.to_string())) {
        headers.insert(HeaderName::from_static(name), id);
    }
}

/// A wait as `retry-after` says it: whole seconds, rounded up, at least one.
#[must_use]
pub fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
}

/// A whole JSON answer of our own making.
#[must_use]
pub fn json(body: Vec<u8>, account: &Account<'_>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    account.write(response.headers_mut());
    response
}

/// The head of a stream.
pub fn stream_headers(headers: &mut HeaderMap, content_type: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx in front of us would otherwise collect the stream before it passes it on.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_fields_fit_a_header() {
        let told = |losses: &[Loss]| lost(losses).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(told(&[]), None);
        let few = [Loss::dropped("top_k"), Loss::approximated("temp\u{e9}"), Loss::approximated("top_k")];
        assert_eq!(told(&few).as_deref(), Some("top_k,temp?"));
        let many: Vec<Loss> = (100..400).map(|nth| Loss::dropped(format!("messages[{nth}].name"))).collect();
        let value = told(&many).unwrap();
        let (listed, more) = value.rsplit_once(",+").unwrap();
        assert_eq!(listed.split(',').count() + more.parse::<usize>().unwrap(), 300, "{value}");
        assert!(value.len() <= LOSS_MAX + 8, "{value}");
    }

    #[test]
    fn too_large_is_told_alike_in_every_dialect() {
        let fault = Fault::new(ringmain_core::FaultClass::Context, Origin::Caller, Phase::Before, "too large");
        let account = Account { request: RequestId(1), target: None, attempts: 0, route: None, why: None, losses: &[] };
        for dialect in Dialect::ALL {
            let response = error(dialect, &fault.clone().with_status(413), &account);
            assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{dialect}");
        }
        let response = error(Dialect::BedrockConverse, &fault.with_status(413), &account);
        assert_eq!(response.headers()["x-amzn-errortype"], "ValidationException");
    }
}
