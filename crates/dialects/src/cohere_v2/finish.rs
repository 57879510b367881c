//! Reasons to stop.

use crate::ir::Finish;

/// The generation failed. Never the end of a whole answer.
pub(super) const ERROR: &str = "ERROR";
/// The provider took too long over it. Not a whole answer either.
pub(super) const TIMEOUT: &str = "TIMEOUT";

/// Does this word say that the answer broke off?
pub(super) fn is_broken(word: &str) -> bool {
    matches!(word, ERROR | TIMEOUT)
}

/// What a word means.
pub(super) fn read(word: &str) -> Finish {
    match word {
        "COMPLETE" => Finish::Stop,
        "STOP_SEQUENCE" => Finish::StopSequence(None),
        "MAX_TOKENS" => Finish::Length,
        "TOOL_CALL" => Finish::ToolUse,
        // Words of the first version of the API, for what the second has none for.
        "ERROR_TOXIC" => Finish::Refusal,
        "ERROR_LIMIT" => Finish::ContextFull,
        other => Finish::Other(other.to_owned()),
    }
}

/// Callers of every dialect take the reason as the sign that a tool is to be run.
pub(super) fn with_calls(finish: Finish, calls: bool) -> Finish {
    if calls && finish == Finish::Stop { Finish::ToolUse } else { finish }
}

/// The word for a caller, and whether it is only near. `refused`: the answer is a refusal, which is text here, so that
/// only this word can tell.
pub(super) fn write(finish: &Finish, refused: bool) -> (&str, bool) {
    match finish {
        Finish::Stop if refused => ("ERROR_TOXIC", false),
        Finish::Stop => ("COMPLETE", false),
        Finish::StopSequence(_) => ("STOP_SEQUENCE", false),
        Finish::Length => ("MAX_TOKENS", false),
        Finish::ToolUse => ("TOOL_CALL", false),
        Finish::Refusal => ("ERROR_TOXIC", false),
        Finish::Pause => ("COMPLETE", true),
        Finish::ContextFull => ("ERROR_LIMIT", false),
        // The enumeration is open. Another dialect's word is not one of ours, but it may not look whole either.
        Finish::Other(word) if is_broken(word) => ("ERROR_LIMIT", true),
        Finish::Other(word) => (word, true),
    }
}
