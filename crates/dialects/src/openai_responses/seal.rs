//! What `encrypted_content` of a reasoning item holds.
//!
//! A provider of this dialect writes its own thinking there, sealed; that goes through as it is. For models elsewhere it
//! is the one field that clients send back untouched, so their proofs travel in it behind a mark: the signature of a
//! thinking text, or that of one tool call, in a reasoning item of its own. The mark tells them from the provider's own
//! content, and keeps them from being sent to one that would refuse them.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ir::{Block, BlockKind};

/// How a marked field begins in JSON.
static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"ringmain:"));

/// A signature of the item's own text follows.
const SIGNATURE: &str = "ringmain:signature:";
/// The id of a call, a colon, and the call's signature follow.
const CALL: &str = "ringmain:call:";

/// What was sealed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    /// Only its provider can read it.
    Content(String),
    /// It proves the item's text.
    Signature(String),
    /// It proves a tool call.
    Call {
        /// The id of the call.
        id: String,
        /// The proof.
        signature: String,
    },
}

/// Is there any of our marks in this JSON? Other text that looks like one is found too.
pub(super) fn is_in(json: &[u8]) -> bool {
    MARK.find(json).is_some()
}

/// Is there a reasoning item without anything sealed in it whose id was made up here? OpenAI would look for it, as it does
/// for one of its own that it stored. Looks for such ids first: most bodies are not opened.
pub(super) fn is_unsealed(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow)]
        input: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        id: Cow<'a, str>,
        #[serde(borrow, default)]
        encrypted_content: Option<Cow<'a, str>>,
    }
    static ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"rs_"));
    // OpenAI's own end in hexadecimal digits.
    let made_up =
        |id: &str| id.rsplit_once('_').is_some_and(|(first, last)| first != "rs" && last.parse::<u32>().is_ok());
    if ID.find(body).is_none() {
        return false;
    }
    let Ok(Request { input }) = serde_json::from_slice(body) else { return false };
    input.iter().filter_map(|item| serde_json::from_str::<Item<'_>>(item.get()).ok()).any(|item| {
        item.kind == "reasoning" && item.encrypted_content.is_none_or(|sealed| sealed.is_empty()) && made_up(&item.id)
    })
}

/// Reads the field.
pub(super) fn read(content: &str) -> Sealed {
    if let Some(signature) = content.strip_prefix(SIGNATURE) {
        return Sealed::Signature(signature.to_owned());
    }
    // Signatures are base64: a colon can only be in the id.
    match content.strip_prefix(CALL).and_then(|rest| rest.rsplit_once(':')) {
        Some((id, signature)) => Sealed::Call { id: id.to_owned(), signature: signature.to_owned() },
        None => Sealed::Content(content.to_owned()),
    }
}

/// The field for a thinking block; `None` where it has neither content nor proof.
pub(super) fn of_reasoning(signature: Option<&str>, redacted: Option<&str>) -> Option<String> {
    redacted.map(str::to_owned).or_else(|| signature.map(|signature| format!("{SIGNATURE}{signature}")))
}

/// The field for a signed tool call.
pub(super) fn of_call(id: &str, signature: &str) -> String {
    format!("{CALL}{id}:{signature}")
}

/// Gives calls among these blocks their signatures back.
pub(super) fn sign<'a>(blocks: impl Iterator<Item = &'a mut Block>, proofs: &[(String, String)]) {
    if proofs.is_empty() {
        return;
    }
    for block in blocks {
        if let BlockKind::ToolCall { id, signature, .. } = &mut block.kind
            && let Some((_, proof)) = proofs.iter().find(|(call, _)| call == id)
        {
            *signature = Some(proof.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_without_a_seal_that_was_named_here() {
        let body = |id: &str, more: &str| {
            format!(
                r#"{{"input":[{{"role":"user","content":"hi"}},{{"type":"reasoning","id":"{id}","summary":[]{more}}}]}}"#
            )
        };
        assert!(is_unsealed(body("rs_chatcmpl-1_1", "").as_bytes()));
        assert!(is_unsealed(body("rs_0_2", r#","encrypted_content":null"#).as_bytes()));
        assert!(!is_unsealed(body("rs_chatcmpl-1_1", r#","encrypted_content":"gAAAA""#).as_bytes()));
        assert!(!is_unsealed(body("rs_68af4030baa48193b0b43b4c2a176a1a0e6967589f08", "").as_bytes()));
        assert!(!is_unsealed(br#"{"input":"rs_0_2"}"#));
    }

    #[test]
    fn what_is_sealed_is_read_back() {
        assert_eq!(read("gAAAAx=="), Sealed::Content("gAAAAx==".into()));
        let proof = of_reasoning(Some("EqQ="), None).unwrap();
        assert_eq!(read(&proof), Sealed::Signature("EqQ=".into()));
        assert_eq!(read(&of_call("a:b", "s+/=")), Sealed::Call { id: "a:b".into(), signature: "s+/=".into() });
        assert_eq!(of_reasoning(None, None), None);
        assert!(is_in(format!("{{\"encrypted_content\":\"{proof}\"}}").as_bytes()));
        assert!(!is_in(br#"{"encrypted_content":"gAAAA"}"#));
    }
}
