//! What answers of providers mean that are no answers.

use http::HeaderMap;
use ringmain_core::{Dialect, Fault, FaultClass, Origin, Phase};
use ringmain_dialects::registry;
use serde_json::Value;

fn before_commit(class: FaultClass, message: impl Into<String>) -> Fault {
    Fault::new(class, Origin::Provider, Phase::BeforeCommit, message)
}

/// Bytes that are not what they should be. The detail is for the log alone, and quotes nothing.
#[must_use]
pub fn unreadable(detail: impl Into<String>) -> Fault {
    before_commit(FaultClass::Protocol, "the provider's answer is unreadable").with_detail(detail)
}

/// A success with nothing in it.
#[must_use]
pub fn empty() -> Fault {
    before_commit(FaultClass::Empty, "the provider's answer was empty")
}

/// A content filter refused, in these words.
#[must_use]
pub fn refused(words: impl Into<String>) -> Fault {
    let mut fault = before_commit(FaultClass::Refusal, words).with_status(400);
    fault.code = Some("content_policy_violation".to_owned());
    fault
}

/// Work that had begun at the provider failed there, in these words.
#[must_use]
pub fn failed(words: impl Into<String>) -> Fault {
    before_commit(FaultClass::Server, words)
}

/// An error answer in the words of a dialect's vendor.
#[must_use]
pub fn of_dialect(dialect: Dialect, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
    match registry::codec(dialect) {
        Some(codec) => codec.decode_fault(status, headers, body),
        None => failed(format!("HTTP status {status}")),
    }
}

/// An error that came with a success: it has no status but that of its class.
#[must_use]
pub fn inside(fault: Fault) -> Fault {
    Fault { status: None, ..fault }
}

/// A JSON document.
///
/// # Errors
/// It is none.
pub fn json(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| unreadable(format!("not JSON at line {} column {}", error.line(), error.column())))
}

/// Do words tell of a content filter?
#[must_use]
pub fn tells_of_filter(words: &str) -> bool {
    const FILTERS: [&str; 9] = [
        "content filter",
        "content moderation",
        "content policy",
        "content_moderation",
        "flagged",
        "moderated",
        "nsfw",
        "responsible ai",
        "safety",
    ];
    let words = words.to_ascii_lowercase();
    FILTERS.iter().any(|filter| words.contains(filter))
}
