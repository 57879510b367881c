//! What answers lose, in words that callers of every dialect understand: a stream and a plain answer say the same.

use ringmain_core::Loss;

use crate::freeform::OLDER_CALL;
use crate::ir::{BlockKind, Finish};

/// The proof, or the sealed form, of a thinking text.
pub(crate) fn signature() -> Loss {
    Loss::dropped("reasoning.signature")
}

/// The token that a tool call must come back with.
pub(crate) fn call_signature() -> Loss {
    Loss::dropped("tool_calls.signature")
}

/// Arguments that are no JSON object, for a dialect that demands one.
pub(crate) fn arguments() -> Loss {
    Loss::approximated("tool_calls.arguments")
}

/// Sources that the caller's dialect has no form for.
pub(crate) fn citations() -> Loss {
    Loss::dropped("citations")
}

/// How likely the tokens were, for a dialect that has no place for it.
pub(crate) fn logprobs() -> Loss {
    Loss::dropped("logprobs")
}

/// The same, of which a part has no place: tokens that are no text, numbers of tokens, alternatives.
pub(crate) fn logprobs_in_part() -> Loss {
    Loss::approximated("logprobs")
}

/// A block that the caller's dialect has no place for.
pub(crate) fn block(kind: &BlockKind) -> Loss {
    Loss::dropped(match kind {
        BlockKind::Image(_) => "image",
        BlockKind::Audio(_) => "audio",
        BlockKind::Document(_) => "document",
        BlockKind::Reasoning { .. } => "reasoning",
        BlockKind::Refusal { .. } => "refusal",
        BlockKind::ToolCall { .. } => "tool_calls",
        BlockKind::Text { .. } | BlockKind::ToolResult { .. } => "content",
        // A built-in tool's own block is known by its type, in most dialects.
        BlockKind::Opaque { value, .. } => {
            return Loss::dropped(match value.get("type").and_then(|kind| kind.as_str()) {
                Some(kind) => format!("content.{kind}"),
                None if value.get(OLDER_CALL).is_some() => "tool_calls".to_owned(),
                None => "content".to_owned(),
            });
        }
    })
}

/// A reason to stop; `near`: the word written for it is only near. `names_sequence`: the caller's dialect has a place for
/// the sequence that was met.
pub(crate) fn finish(finish: &Finish, near: bool, names_sequence: bool) -> Option<Loss> {
    match finish {
        _ if near => Some(Loss::approximated("finish_reason")),
        Finish::StopSequence(Some(_)) if !names_sequence => Some(Loss::dropped("stop_sequence")),
        _ => None,
    }
}
