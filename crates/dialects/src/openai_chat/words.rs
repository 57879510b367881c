//! What this dialect calls the fields that all share.

use crate::ir::Words;

/// The table.
pub(super) static WORDS: Words = Words {
    fields: &[
        ("reasoning.effort", "reasoning_effort"),
        ("reasoning.budget_tokens", "reasoning.max_tokens"),
        ("reasoning.visible", "reasoning.exclude"),
    ],
    members: &[("detail", "image_url.detail"), ("filename", "file.filename")],
    tools: &[("name", "function.name"), ("strict", "function.strict")],
};
