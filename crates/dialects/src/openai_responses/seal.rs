//! What `encrypted_content` of a reasoning item holds.
//!
//! A provider of this dialect writes its own thinking there, sealed; that goes through as it is. For models elsewhere it
//! is the one field that clients send back untouched, so their proofs travel in it behind a mark: the signature of a
//! thinking text, or that of one tool call, in a reasoning item of its own. The mark tells them from the provider's own
//! content, and keeps them from being sent to one that would refuse them.

use std::sync::LazyLock;

use memchr::memmem::Finder;

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
