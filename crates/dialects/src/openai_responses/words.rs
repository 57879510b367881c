//! What this dialect calls the fields that all share.

use crate::ir::Words;

/// The table.
pub(super) static WORDS: Words = Words {
    fields: &[
        ("max_tokens", "max_output_tokens"),
        ("response_format", "text.format"),
        ("reasoning.visible", "reasoning.summary"),
        ("system", "instructions"),
        ("messages", "input"),
        ("logprobs", "include"),
        ("verbosity", "text.verbosity"),
    ],
    members: &[("citations", "annotations"), ("signature", "encrypted_content"), ("redacted", "encrypted_content")],
    tools: &[],
};
