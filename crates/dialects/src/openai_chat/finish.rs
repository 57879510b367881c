//! Reasons to stop.

use crate::ir::Finish;

/// A provider broke off and says so where the reason to stop belongs.
pub(super) const BROKEN: &str = "error";

/// What a provider's word means.
pub(super) fn read(word: &str) -> Finish {
    match word {
        "stop" | "eos" | "end_turn" | "completed" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(None),
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolUse,
        "content_filter" | "refusal" | "sensitive" => Finish::Refusal,
        other => Finish::Other(other.to_owned()),
    }
}

/// Providers also say `stop` where the model asks for a tool (OpenAI itself, for a tool it was told to use); callers of
/// every dialect take the reason as the sign that a tool is to be run.
pub(super) fn with_calls(finish: Finish, calls: bool) -> Finish {
    if calls && finish == Finish::Stop { Finish::ToolUse } else { finish }
}

/// The word for a caller, and whether it is only near. Only those that SDKs know: some refuse others.
/// `older_call`: the answer holds a call in the form from before there were tools.
pub(super) const fn write(finish: &Finish, older_call: bool) -> (&'static str, bool) {
    match finish {
        Finish::Stop | Finish::StopSequence(_) => ("stop", false),
        Finish::Length => ("length", false),
        Finish::ToolUse if older_call => ("function_call", false),
        Finish::ToolUse => ("tool_calls", false),
        Finish::Refusal => ("content_filter", false),
        Finish::Pause => ("stop", true),
        Finish::ContextFull => ("length", true),
        // Not `stop`: an answer that ended for an odd reason may not look whole.
        Finish::Other(_) => ("content_filter", true),
    }
}
