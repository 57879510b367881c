//! Why an answer stopped, in both directions.

use crate::ir::Finish;

/// Reads a stop reason.
pub(super) fn decode(reason: &str, sequence: Option<String>) -> Finish {
    match reason {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(sequence),
        "max_tokens" => Finish::Length,
        "tool_use" => Finish::ToolUse,
        "refusal" => Finish::Refusal,
        "pause_turn" => Finish::Pause,
        "model_context_window_exceeded" => Finish::ContextFull,
        other => Finish::Other(other.to_owned()),
    }
}

/// What an answer holds that decides between stop reasons.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holds {
    /// A refusal, which is text here: only the stop reason can tell.
    pub(super) refusal: bool,
    /// A tool call, which callers here look for by the stop reason.
    pub(super) tool_call: bool,
}

/// Writes a stop reason and the stop sequence. The flag says that the word is only near.
pub(super) fn encode(finish: &Finish, holds: Holds) -> (&'static str, Option<&str>, bool) {
    match finish {
        Finish::Stop if holds.refusal => ("refusal", None, false),
        Finish::Stop if holds.tool_call => ("tool_use", None, false),
        Finish::Stop => ("end_turn", None, false),
        Finish::StopSequence(sequence) => ("stop_sequence", sequence.as_deref(), false),
        Finish::Length => ("max_tokens", None, false),
        Finish::ToolUse => ("tool_use", None, false),
        Finish::Refusal => ("refusal", None, false),
        Finish::Pause => ("pause_turn", None, false),
        Finish::ContextFull => ("model_context_window_exceeded", None, false),
        // A beta word of this dialect. Any other would be outside the enumeration that typed clients accept.
        Finish::Other(word) if word == "compaction" => ("compaction", None, false),
        // Not `end_turn`: an answer that ended for an odd reason may not look whole.
        Finish::Other(_) => ("refusal", None, true),
    }
}
