//! What this dialect calls the fields that all share.

use crate::ir::Words;

/// The table.
pub(super) static WORDS: Words = Words {
    fields: &[
        ("stop", "stop_sequences"),
        ("user", "metadata.user_id"),
        ("response_format", "output_config.format"),
        ("reasoning.effort", "output_config.effort"),
        ("reasoning.budget_tokens", "thinking.budget_tokens"),
        ("reasoning.visible", "thinking.display"),
        ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
    ],
    members: &[("filename", "title"), ("redacted", "data")],
    tools: &[],
};
