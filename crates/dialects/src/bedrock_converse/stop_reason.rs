//! Why an answer stopped, in both directions.

use crate::ir::Finish;

/// Reads a stop reason; `sequence`: what was met, where the model was asked to say.
pub(super) fn decode(reason: &str, sequence: Option<String>) -> Finish {
    match reason {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(sequence),
        "max_tokens" => Finish::Length,
        "tool_use" => Finish::ToolUse,
        "guardrail_intervened" | "content_filtered" => Finish::Refusal,
        "model_context_window_exceeded" => Finish::ContextFull,
        // Claude's own word, which reaches here where the model says more than the service knows.
        "refusal" => Finish::Refusal,
        other => Finish::Other(other.to_owned()),
    }
}

/// Is it a content filter's?
pub(super) fn is_refusal(reason: &str) -> bool {
    decode(reason, None) == Finish::Refusal
}

/// What an answer holds that decides between stop reasons.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holds {
    /// A refusal, which is text here: only the stop reason can tell.
    pub(super) refusal: bool,
    /// A tool call, which callers here look for by the stop reason.
    pub(super) tool_call: bool,
}

/// Writes a stop reason. The flag says that the word is only near.
pub(super) fn encode(finish: &Finish, holds: Holds) -> (&'static str, bool) {
    match finish {
        Finish::Stop if holds.refusal => ("content_filtered", false),
        Finish::Stop if holds.tool_call => ("tool_use", false),
        Finish::Stop => ("end_turn", false),
        Finish::StopSequence(_) => ("stop_sequence", false),
        Finish::Length => ("max_tokens", false),
        Finish::ToolUse => ("tool_use", false),
        Finish::Refusal => ("content_filtered", false),
        Finish::ContextFull => ("model_context_window_exceeded", false),
        Finish::Other(word) if word == "malformed_model_output" => ("malformed_model_output", false),
        Finish::Other(word) if word == "malformed_tool_use" => ("malformed_tool_use", false),
        Finish::Pause => ("end_turn", true),
        // Gemini's words for calls that cannot be read, or that nobody offered.
        Finish::Other(word) if word.contains("_CALL") => ("malformed_tool_use", true),
        // Not `end_turn`: an answer that ended for an odd reason may not look whole. Any other word would be outside the
        // enumeration that typed clients accept.
        Finish::Other(_) => ("malformed_model_output", true),
    }
}
