//! Why an answer stopped.

use serde_json::Value;

use crate::ir::Finish;

/// The words whose numbers a client sees that asked for enums as numbers; by number.
const NUMBERED: [&str; 10] = [
    UNSPECIFIED,
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
];

/// No reason was given.
pub(super) const UNSPECIFIED: &str = "FINISH_REASON_UNSPECIFIED";

/// The word of a `finishReason`, which may be a number.
pub(super) fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(word) => Some(word.clone()),
        Value::Number(number) => Some(numbered(number.as_u64()?)),
        _ => None,
    }
}

/// The word of a number; a number without one is kept as it is.
pub(super) fn numbered(number: u64) -> String {
    let word = usize::try_from(number).ok().and_then(|at| NUMBERED.get(at));
    word.map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

/// Is it a content filter's reason?
pub(super) fn is_refusal(word: &str) -> bool {
    matches!(
        word,
        "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "MODEL_ARMOR"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
    )
}

/// The meaning of a reason; `called`: the answer holds a function call, which this dialect has no word for.
pub(super) fn decode(word: &str, called: bool) -> Finish {
    match word {
        "STOP" if called => Finish::ToolUse,
        "STOP" => Finish::Stop,
        // The answer goes on where its token is sent back.
        "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
        word if is_refusal(word) => Finish::Refusal,
        other => Finish::Other(other.to_owned()),
    }
}

/// The word for a reason, and whether it is only near.
pub(super) fn encode(finish: &Finish) -> (&str, bool) {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolUse => ("STOP", false),
        Finish::Pause => ("STOP", true),
        Finish::Length => ("MAX_TOKENS", false),
        Finish::ContextFull => ("MAX_TOKENS", true),
        Finish::Refusal => ("SAFETY", false),
        // A word of ours goes back; anyone else's would break a client that knows the list.
        Finish::Other(word) if is_known(word) => (word, false),
        Finish::Other(_) => ("OTHER", true),
    }
}

/// The word for a stream's end: the one for no reason would leave it without.
pub(super) fn encode_last(finish: &Finish) -> (&str, bool) {
    match encode(finish) {
        (UNSPECIFIED, _) => ("OTHER", true),
        word => word,
    }
}

fn is_known(word: &str) -> bool {
    NUMBERED.contains(&word)
        || matches!(
            word,
            "LANGUAGE"
                | "IMAGE_OTHER"
                | "NO_IMAGE"
                | "UNEXPECTED_TOOL_CALL"
                | "TOO_MANY_TOOL_CALLS"
                | "MISSING_THOUGHT_SIGNATURE"
                | "MALFORMED_RESPONSE"
                | "ESCALATION"
        )
}
